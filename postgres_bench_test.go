package duly_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/duly-todo/duly"
	"github.com/duly-todo/duly/internal/pgtest"
)

// BenchmarkPostgresCreate compares the creates of 32 HTTP clients with what
// PostgreSQL's own benchmark commits of the same rows by 32 connections, statement
// after statement: in turns, on one durable server. In one mailbox, all of them
// wait for one row.
func BenchmarkPostgresCreate(b *testing.B) {
	const clients, round = 32, 2 * time.Second
	for _, mailboxes := range []int{clients, 1} {
		b.Run(fmt.Sprintf("mailboxes-%d", mailboxes), func(b *testing.B) {
			postgres := pgtest.Start(b)
			c := newCallerWith(b, duly.Config{DataDir: b.TempDir(), Database: postgres.DSN})
			web := httptest.NewServer(c.server)
			defer web.Close()
			callers := []*caller{}
			script := ""
			for n := range mailboxes {
				one := c.as(b, fmt.Sprintf("user%d@example.org", n))
				var me, lists struct {
					ID    string
					Value []struct{ ID string }
				}
				for path, into := range map[string]any{"/v1.0/me": &me, "/v1.0/me/todo/lists": &lists} {
					if err := json.Unmarshal(one.call("GET", path, "", 200).Body.Bytes(), into); err != nil {
						b.Fatal(err)
					}
				}
				callers = append(callers, one)
				script += fmt.Sprintf("\\if :client_id %% %d = %d\n%s\\endif\n", mailboxes, n,
					strings.NewReplacer("{user}", "'"+me.ID+"'", "{list}", "'"+lists.Value[0].ID+"'").Replace(pgbenchCreate))
			}
			var raw, served float64
			rounds := 0
			for b.Loop() {
				perSecond, err := postgres.Pgbench(script, clients, round, rounds*1_000_000)
				if err != nil {
					b.Fatal(err)
				}
				raw += perSecond
				served += createsPerSecond(b, web.URL, callers, clients, round)
				rounds++
			}
			b.ReportMetric(raw/float64(rounds), "pgbench/s")
			b.ReportMetric(served/float64(rounds), "creates/s")
			b.ReportMetric(served/raw, "ratio")
		})
	}
}

// pgbenchCreate is what a create says to PostgreSQL: internal/store, update of
// postgres.go and InsertTask.
const pgbenchCreate = `\set n :n + 1
\set at 1780000000000000 + :n
BEGIN ISOLATION LEVEL READ COMMITTED;
SELECT version AS version FROM users WHERE user_id = {user} FOR UPDATE \gset
SELECT list_id, version, created_version, name, wellknown, modified FROM lists WHERE user_id = {user} AND list_id = {list};
\set version :version + 1
UPDATE users SET version = :version WHERE user_id = {user};
INSERT INTO changes (user_id, version, kind, op, list_id, item_id, created_version, app, at) VALUES ({user}, :version, 2, 1, {list}, lpad(CAST(:n AS TEXT), 12, '0') || '-' || CAST(:client_id AS TEXT), :version, '', :at);
INSERT INTO search (title, body, categories, words, user_id, list_id, task_id) VALUES ('milk', '', CAST(CAST('{}' AS TEXT) AS TEXT[]), CAST(CAST('''!owner'' ''milk'':1A' AS TEXT) AS TSVECTOR), {user}, {list}, lpad(CAST(:n AS TEXT), 12, '0') || '-' || CAST(:client_id AS TEXT));
INSERT INTO tasks (version, title, status, importance, body, body_type, categories, modified, due, due_zone, start, start_zone, completed, reminder, reminder_zone, reminder_on, recurrence, occurrence, step_count, link_count, extension_count, attachment_count, search_id, created_version, created, user_id, list_id, task_id) VALUES (:version, 'Milk', 0, 1, '', 0, NULL, :at, NULL, NULL, NULL, NULL, NULL, NULL, NULL, 0, NULL, 0, 0, 0, 0, 0, 0, :version, :at, {user}, {list}, lpad(CAST(:n AS TEXT), 12, '0') || '-' || CAST(:client_id AS TEXT));
COMMIT;
`

// createsPerSecond has clients make tasks, those of one number in the same mailbox.
func createsPerSecond(b *testing.B, url string, callers []*caller, clients int, d time.Duration) float64 {
	transport := &http.Transport{MaxIdleConnsPerHost: clients}
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport}
	var made atomic.Int64
	var wg sync.WaitGroup
	start := time.Now()
	for n := range clients {
		wg.Go(func() {
			for time.Since(start) < d {
				r, err := http.NewRequestWithContext(b.Context(), http.MethodPost, url+tasksPath, strings.NewReader(`{"title": "Milk"}`))
				if err != nil {
					b.Error(err)
					return
				}
				r.Header.Set("Authorization", callers[n%len(callers)].token)
				answer, err := client.Do(r)
				if err != nil {
					b.Error(err)
					return
				}
				body, err := io.ReadAll(answer.Body)
				answer.Body.Close()
				if err != nil || answer.StatusCode != http.StatusCreated {
					b.Errorf("%s: %v: %.300s", answer.Status, err, body)
					return
				}
				made.Add(1)
			}
		})
	}
	wg.Wait()
	return float64(made.Load()) / time.Since(start).Seconds()
}
