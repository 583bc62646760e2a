package duly_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/duly-todo/duly"
	"github.com/duly-todo/duly/internal/pgtest"
)

// postgres is an empty database of PostgreSQL's.
func postgres(tb testing.TB) string {
	tb.Helper()
	return pgtest.Lend(tb, func(dsn string) error {
		s, err := duly.New(context.Background(), duly.Config{Database: dsn})
		if err != nil {
			return err
		}
		return s.Close()
	})
}

func TestDeltaFollowsWritersOnPostgres(t *testing.T) {
	t.Parallel()
	followWriters(t, newCallerWith(t, duly.Config{Database: postgres(t)}))
}

// replicas hands each request to another server of one database.
type replicas struct {
	servers []*duly.Server
	n       atomic.Uint32
}

func (r *replicas) ServeHTTP(w http.ResponseWriter, q *http.Request) {
	r.servers[int(r.n.Add(1))%len(r.servers)].ServeHTTP(w, q)
}

// TestReplicas has clients whose requests go to two servers in turn: what one has
// answered the other knows, and delta, pages and etags fit together.
func TestReplicas(t *testing.T) {
	t.Parallel()
	config := duly.Config{DataDir: t.TempDir(), Database: postgres(t)}
	c := newCallerWith(t, config)
	second, err := duly.New(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	defer second.Close()
	c.server = &replicas{servers: []*duly.Server{c.server.(*duly.Server), second}}
	followWriters(t, c)

	// A client alone reads what it has just written, and its etags hold.
	r := rand.New(rand.NewPCG(1, 2))
	want := map[string]string{}
	f := &follower{caller: c, copy: map[string]string{}, link: tasksPath + "/delta", pageSize: 7}
	for n := range 60 {
		task := c.create(fmt.Sprintf(`{"title": "mine %d"}`, n))
		var got struct {
			ID, Title string
			ETag      string `json:"@odata.etag"`
		}
		c.get(t, task, &got)
		title := fmt.Sprintf("changed %d", r.IntN(1000))
		w := c.callWith("PATCH", task, fmt.Sprintf(`{"title": "%s"}`, title), 200, "If-Match", got.ETag)
		c.callWith("PATCH", task, `{"title": "lost update"}`, 412, "If-Match", got.ETag)
		if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil || got.Title != title {
			t.Fatalf("after a PATCH: %s, %v", w.Body, err)
		}
		want[got.ID] = got.ETag + title
		if f.round(t); f.copy[got.ID] != want[got.ID] {
			t.Fatalf("delta tells %q of a task, want %q", f.copy[got.ID], want[got.ID])
		}
	}
	mine := map[string]string{}
	for next := tasksPath + "?$top=9&$filter=startswith(title,'changed')"; next != ""; {
		var page deltaPage
		c.get(t, strings.ReplaceAll(next, " ", "%20"), &page)
		for _, task := range page.Value {
			if _, ok := want[task.ID]; ok {
				mine[task.ID] = task.ETag + task.Title
			}
		}
		next = pathOf(page.Next)
	}
	if diff := cmp.Diff(want, mine); diff != "" {
		t.Errorf("pages (-written +read):\n%s", diff)
	}
}

// TestDatabaseGone takes the database away: requests are answered 503 with
// Retry-After, and go on when it is back.
func TestDatabaseGone(t *testing.T) {
	t.Parallel()
	server := pgtest.Start(t)
	c := newCallerWith(t, duly.Config{Database: server.DSN})
	task := c.create(`{"title": "Milk"}`)
	server.Crash()
	for _, q := range [][3]string{{"GET", task, ""}, {"GET", tasksPath, ""}, {"PATCH", task, `{"title": "x"}`}, {"POST", tasksPath, `{"title": "x"}`}} {
		w := c.call(q[0], q[1], q[2], 503)
		if w.Header().Get("Retry-After") == "" || !strings.Contains(w.Body.String(), `"serviceNotAvailable"`) || strings.Contains(w.Body.String(), "dial") {
			t.Errorf("%s %s: %v %s", q[0], q[1], w.Header(), w.Body)
		}
	}
	server.Restart()
	if w := c.call("GET", task, "", 200); !strings.Contains(w.Body.String(), "Milk") {
		t.Errorf("after a restart: %s", w.Body)
	}
	c.create(`{"title": "Bread"}`)
	if err := c.server.(*duly.Server).Close(); err != nil {
		t.Error(err)
	}
	if _, err := duly.New(t.Context(), duly.Config{Database: "postgres://u:pw@127.0.0.1:1/n"}); !errors.Is(err, duly.ErrUnavailable) || strings.Contains(err.Error(), "pw") {
		t.Errorf("New without a database: %v", err)
	}
}

// TestRoundTrips counts how often a request waits for PostgreSQL. The server is one
// beside another, because what a server does by itself, such as to look for
// revocations, would be counted as well.
func TestRoundTrips(t *testing.T) {
	t.Parallel()
	dsn, trips := pgtest.CountTrips(t, postgres(t))
	c := newCallerWith(t, duly.Config{Database: dsn + "&pool_max_conns=1", Beside: true})
	plain := c.create(`{"title": "Milk"}`)
	full := c.create(`{"title": "Tea", "checklistItems": [{"displayName": "a"}, {"displayName": "b"}], "linkedResources": [{"webUrl": "https://example.org", "applicationName": "x", "displayName": "y"}]}`)
	series := c.create(`{"title": "Water", "dueDateTime": {"dateTime": "2026-01-01T00:00:00", "timeZone": "UTC"}, "recurrence": {"pattern": {"type": "daily", "interval": 1}, "range": {"type": "noEnd", "startDate": "2026-01-01"}}}`)
	for n := range 20 {
		c.create(fmt.Sprintf(`{"title": "Task %d", "checklistItems": [{"displayName": "a"}]}`, n))
	}
	list := plain[:strings.LastIndex(plain, "/")]
	const (
		extension  = `{"@odata.type": "microsoft.graph.openTypeExtension", "extensionName": "com.example.n%d", "a": 1}`
		attachment = `{"@odata.type": "#microsoft.graph.taskFileAttachment", "name": "a.txt", "contentBytes": "aGVsbG8="}`
		newList    = `{"displayName": "List %d"}`
		newTask    = `{"title": "gone", "checklistItems": [{"displayName": "a"}]}`
	)
	n := 0
	made := func(in, body string) string { // and its path
		n++
		var entity struct{ ID string }
		if err := json.Unmarshal(c.call("POST", in, strings.ReplaceAll(body, "%d", fmt.Sprint(n)), 201).Body.Bytes(), &entity); err != nil {
			t.Error(err)
		}
		return in + "/" + entity.ID
	}
	ofList := "/v1.0/me/todo/lists"
	named := made(ofList, newList)
	made(plain+"/extensions", extension)
	made(plain+"/attachments", attachment)
	var delta, later deltaPage
	c.get(t, list+"/delta?$deltatoken=latest", &delta)
	c.call("PATCH", full, `{"title": "Green tea"}`, 200)
	c.get(t, list+"/delta?$deltatoken=latest", &later)
	var twenty []string
	for n := range 20 {
		twenty = append(twenty, fmt.Sprintf(`{"id": "%d", "method": "GET", "url": "%s"}`, n, strings.TrimPrefix(plain, "/v1.0")))
	}
	for _, q := range []struct {
		name, method, path, body string // path is "new" and a noun for one that is made for the call
		status                   int
		want                     int64
	}{
		{"a task", "GET", plain, "", 200, 1},
		{"a task with steps and links", "GET", full, "", 200, 1},
		{"a page by the list's id", "GET", list + "?$top=20", "", 200, 1},
		{"a filtered page", "GET", list + "?$filter=contains(title,'task')", "", 200, 1},
		{"a search", "GET", list + `?$search="task"`, "", 200, 1},
		{"the lists", "GET", "/v1.0/me/todo/lists", "", 200, 1},
		{"delta without changes", "GET", pathOf(later.Delta), "", 200, 1},
		{"delta with changes", "GET", pathOf(delta.Delta), "", 200, 2},
		{"all of delta", "GET", list + "/delta", "", 200, 2},
		{"twenty reads in a batch", "POST", "/v1.0/$batch", `{"requests": [` + strings.Join(twenty, ",") + `]}`, 200, 20},
		{"a new task", "POST", list, `{"title": "new"}`, 201, 2},
		{"a new task with steps", "POST", list, `{"title": "new", "checklistItems": [{"displayName": "a"}, {"displayName": "b"}]}`, 201, 2},
		{"a change", "PATCH", plain, `{"title": "%d"}`, 200, 2},
		{"completing", "PATCH", plain, `{"status": "completed", "title": "%d"}`, 200, 2},
		{"completing an occurrence of a series", "PATCH", series, `{"status": "completed", "title": "%d"}`, 200, 2},
		{"a change of a task with steps and links", "PATCH", full, `{"title": "%d"}`, 200, 2},
		{"a new step", "POST", full + "/checklistItems", `{"displayName": "%d"}`, 201, 2},
		{"a new list", "POST", "/v1.0/me/todo/lists", `{"displayName": "%d"}`, 201, 2},
		{"removing a task", "DELETE", "new task", "", 204, 2},
		{"a list", "GET", named, "", 200, 1},
		{"a list by its alias", "GET", ofList + "/Tasks", "", 200, 2},
		{"a new task by the list's alias", "POST", ofList + "/Tasks/tasks", `{"title": "new"}`, 201, 2},
		{"a task with all that can be expanded", "GET", plain + "?$expand=attachments,extensions", "", 200, 1},
		{"a page with all that can be expanded", "GET", list + "?$top=20&$expand=attachments,extensions", "", 200, 2},
		{"the extensions of a task", "GET", plain + "/extensions", "", 200, 1},
		{"the extensions of a list", "GET", named + "/extensions", "", 200, 1},
		{"the attachments", "GET", plain + "/attachments", "", 200, 1},
		{"the steps", "GET", full + "/checklistItems", "", 200, 1},
		{"the linked resources", "GET", full + "/linkedResources", "", 200, 1},
		{"the linked resources of all tasks", "GET", "/v1.0/linkedResources", "", 200, 1},
		{"the bytes of a file", "GET", "new attachment", "", 200, 2},
		{"a new attachment", "POST", plain + "/attachments", attachment, 201, 2},
		{"removing an attachment", "DELETE", "new attachment", "", 204, 2},
		{"a new extension", "POST", plain + "/extensions", extension, 201, 2},
		{"removing an extension", "DELETE", "new extension", "", 204, 2},
		{"a new extension of a list", "POST", named + "/extensions", extension, 201, 2},
		{"a new linked resource", "POST", full + "/linkedResources", `{"displayName": "%d", "applicationName": "x", "webUrl": "https://example.org"}`, 201, 2},
		{"a list's new name", "PATCH", named, `{"displayName": "Name %d"}`, 200, 2},
		{"removing a list", "DELETE", "new list", "", 204, 2},
	} {
		var got int64
		for range 2 { // the first prepares the statements
			path := strings.ReplaceAll(q.path, " ", "%20")
			switch q.path {
			case "new task":
				path = made(list, newTask)
			case "new list":
				path = made(ofList, newList)
			case "new attachment":
				path = made(plain+"/attachments", attachment)
			case "new extension":
				path = made(plain+"/extensions", extension)
			}
			n++
			before := trips()
			c.call(q.method, path, strings.ReplaceAll(q.body, "%d", fmt.Sprint(n)), q.status)
			got = trips() - before
		}
		if got != q.want {
			t.Errorf("%s: %d round trips, want %d", q.name, got, q.want)
		}
	}
}

// BenchmarkDatabases does the same on SQLite and on a PostgreSQL on the same
// machine, both durable.
func BenchmarkDatabases(b *testing.B) {
	databases := map[string]func() string{"sqlite": func() string { return "" }, "postgres": func() string { return pgtest.Start(b).DSN }}
	for _, name := range []string{"sqlite", "postgres"} {
		b.Run(name, func(b *testing.B) {
			dsn := databases[name]()
			c := newCallerWith(b, duly.Config{DataDir: b.TempDir(), Database: dsn})
			task := c.create(`{"title": "Milk"}`)
			for i := range 100 {
				c.create(fmt.Sprintf(`{"title": "Task %d"}`, i))
			}
			n := atomic.Int64{}
			for _, op := range []struct {
				name string
				call func()
			}{
				{"get", func() { c.call("GET", task, "", 200) }},
				{"page100", func() { c.call("GET", tasksPath+"?$top=100", "", 200) }},
				{"patch", func() { c.call("PATCH", task, fmt.Sprintf(`{"title": "Milk %d"}`, n.Add(1)), 200) }},
				{"create", func() { c.call("POST", tasksPath, `{"title": "Milk"}`, 201) }},
			} {
				b.Run(op.name, func(b *testing.B) {
					for b.Loop() {
						op.call()
					}
				})
				b.Run(op.name+"-parallel", func(b *testing.B) {
					b.SetParallelism(8)
					b.RunParallel(func(pb *testing.PB) {
						for pb.Next() {
							op.call()
						}
					})
				})
			}
		})
	}
}
