package store_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"github.com/duly-todo/duly/internal/pgtest"
	"github.com/duly-todo/duly/internal/store"
	"github.com/duly-todo/duly/internal/todo"
)

func TestDSN(t *testing.T) {
	t.Parallel()
	for _, dsn := range []string{"duly.db", "/var/lib/x.db", "sqlite:duly.db", "sqlite::memory:", store.Memory, "postgres://h/n", "postgresql://u:p@h:5432/n?sslmode=disable"} {
		if err := store.CheckDSN(dsn); err != nil {
			t.Errorf("CheckDSN(%q): %v", dsn, err)
		}
	}
	const secret = "s3cr3t"
	for _, dsn := range []string{
		"", "sqlite:", "mysql://u:s3cr3t@h/n", "postgres:h", "postgresql:u:s3cr3t@h",
		"postgres://u:s3cr3t@h:99999999/n", "postgres://u:s3cr3t%@h/n", "postgres://u:s3cr3t@h/n?sslmode=maybe",
		"postgres://u:/s3cr3t@h/n", "postgres://u:a:s3cr3t@h:b/n", "postgres://h/n?password=s3cr3t&port=x",
		"postgres://u:s3cr3t@h/n?pool_max_conns=0", "postgres://[::1:s3cr3t@h", "postgres://u: s3cr3t\x7f@h/n",
	} {
		err := store.CheckDSN(dsn)
		if err == nil || strings.Contains(err.Error(), secret) || strings.Contains(err.Error(), "\n") {
			t.Errorf("CheckDSN(%q): %v, want one line without the password", dsn, err)
		}
		if err := second(store.Open(t.Context(), dsn, time.Now)); err == nil || strings.Contains(err.Error(), secret) {
			t.Errorf("Open(%q): %v", dsn, err)
		}
	}
}

// TestPostgresRefusals opens databases that cannot be used.
func TestPostgresRefusals(t *testing.T) {
	t.Parallel()
	dsn := pgtest.DSN(t)
	sql(t, dsn, `CREATE ROLE weak LOGIN PASSWORD 's3cr3t'`,
		`DROP DATABASE IF EXISTS latin`, `CREATE DATABASE latin ENCODING 'LATIN1' TEMPLATE template0`)
	t.Cleanup(func() { sql(t, dsn, `DROP ROLE weak`, `DROP DATABASE latin WITH (FORCE)`) })
	newer := pgtest.DSN(t)
	sql(t, newer, `CREATE TABLE schema_version (one SMALLINT PRIMARY KEY, version INTEGER NOT NULL)`, `INSERT INTO schema_version VALUES (1, 1000)`)
	for name, c := range map[string]struct {
		dsn, want   string
		unavailable bool
	}{
		"nobody listens":  {"postgres://u:s3cr3t@127.0.0.1:1/n?sslmode=disable", "refused", true},
		"no such host":    {"postgres://u:s3cr3t@nowhere.invalid/n", "nowhere.invalid", true},
		"no such name":    {strings.Replace(dsn, "/test", "/no", 1), "does not exist", true},
		"no rights":       {strings.Replace(dsn, "postgres@", "weak:s3cr3t@", 1), "permission denied", false},
		"other encoding":  {with(t, dsn, "/latin"), "LATIN1", false},
		"newer than this": {newer, "use a newer duly", false},
	} {
		db, err := store.Open(t.Context(), c.dsn, time.Now)
		if err == nil {
			t.Errorf("%s: it opens: %v", name, db.Close())
			continue
		}
		if got := err.Error(); !strings.Contains(got, c.want) || strings.Contains(got, "s3cr3t") || strings.Contains(got, "\n") {
			t.Errorf("%s: %q, want one line with %q and without the password", name, got, c.want)
		}
		if errors.Is(err, store.ErrUnavailable) != c.unavailable {
			t.Errorf("%s: ErrUnavailable is %v", name, !c.unavailable)
		}
	}
	for dsn, want := range map[string]int{newer: 1, dsn: 0} {
		if got := count(t, dsn, `SELECT count(*) FROM pg_tables WHERE schemaname = 'public'`); got != want {
			t.Errorf("a refused database has %d tables, want %d", got, want)
		}
	}
}

// with changes the name of the database in a DSN.
func with(t *testing.T, dsn, path string) string {
	t.Helper()
	u, err := url.Parse(dsn)
	if err != nil {
		t.Fatal(err)
	}
	u.Path = path
	return u.String()
}

// sql runs statements on a connection of their own.
func sql(t testing.TB, dsn string, statements ...string) {
	t.Helper()
	ctx := context.Background()
	c, err := pgx.Connect(ctx, dsn)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range statements {
		if _, err := c.Exec(ctx, s); err != nil {
			t.Errorf("%s: %v", s, err)
		}
	}
	if err := c.Close(ctx); err != nil {
		t.Error(err)
	}
}

func count(t testing.TB, dsn, query string) (n int) {
	t.Helper()
	c, err := pgx.Connect(t.Context(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.QueryRow(t.Context(), query).Scan(&n); err != nil {
		t.Fatal(err)
	}
	if err := c.Close(t.Context()); err != nil {
		t.Error(err)
	}
	return n
}

// TestOpenAtOnce opens an empty database from many sides: one migrates it.
func TestOpenAtOnce(t *testing.T) {
	t.Parallel()
	dsn := pgtest.DSN(t)
	var wg sync.WaitGroup
	for range 6 {
		wg.Go(func() {
			db, err := store.Open(t.Context(), dsn, time.Now)
			if err != nil {
				t.Error(err)
				return
			}
			if err := db.Close(); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if has, err := store.HasData(t.Context(), dsn); !has || err != nil {
		t.Errorf("HasData = %v, %v", has, err)
	}
	if has, err := store.HasData(t.Context(), pgtest.DSN(t)); has || err != nil {
		t.Errorf("HasData of an empty database = %v, %v", has, err)
	}
}

// TestSameNameAtOnce adds users of one name from two replicas: one is told that
// it is taken.
func TestSameNameAtOnce(t *testing.T) {
	t.Parallel()
	dsn := postgres(t)
	replicas := []*store.DB{open(t, dsn), open(t, dsn)}
	for n := range 20 {
		var taken, added atomic.Int32
		var wg sync.WaitGroup
		for _, db := range replicas {
			wg.Go(func() {
				u, err := todo.NewUser(store.NewGUID(), fmt.Sprintf("user%d@example.org", n), "", "", time.Now())
				if err != nil {
					t.Error(err)
				}
				err = db.AddUser(t.Context(), u, "")
				switch e, ok := errors.AsType[*todo.Error](err); {
				case err == nil:
					added.Add(1)
				case ok && e.Kind == todo.Conflict:
					taken.Add(1)
				default:
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if added.Load() != 1 || taken.Load() != 1 {
			t.Fatalf("%d added, %d taken", added.Load(), taken.Load())
		}
	}
}

// writers adds tasks from several sides until stop is closed, and returns the
// titles that were acknowledged, and those of which nobody knows.
func writers(t *testing.T, db *store.DB, as store.As, list string, stop <-chan struct{}) (acknowledged, uncertain map[string]bool) {
	t.Helper()
	acknowledged, uncertain = map[string]bool{}, map[string]bool{}
	var mu sync.Mutex
	var wg sync.WaitGroup
	for w := range 4 {
		wg.Go(func() {
			for n := 0; ; n++ {
				select {
				case <-stop:
					return
				default:
				}
				title := fmt.Sprintf("%d-%d", w, n)
				err := db.Update(context.Background(), as, func(tx *store.Tx) error {
					if _, err := tx.List(list); err != nil {
						return err
					}
					return tx.InsertTask(&todo.Task{ID: tx.NewID(), ListID: list, Title: title, Created: tx.Now(), Modified: tx.Now()})
				})
				mu.Lock()
				switch {
				case err == nil:
					acknowledged[title] = true
				case errors.Is(err, store.ErrUncertain):
					uncertain[title] = true
				case errors.Is(err, store.ErrUnavailable):
				default:
					t.Errorf("writing: %v", err)
				}
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	return acknowledged, uncertain
}

// checkWritten looks whether a list holds what was acknowledged, once, and beyond
// that only what is uncertain.
func checkWritten(t *testing.T, db *store.DB, as store.As, list string, acknowledged, uncertain map[string]bool) {
	t.Helper()
	s := snapshot(t, db, as, list)
	got := map[string]bool{}
	for _, task := range s.Tasks {
		if got[task.Title] {
			t.Errorf("%s is there twice", task.Title)
		}
		if !uncertain[task.Title] {
			got[task.Title] = true
		}
	}
	if diff := cmp.Diff(acknowledged, got); diff != "" {
		t.Errorf("acknowledged and stored differ (-acknowledged +stored):\n%s", diff)
	}
	for i, c := range s.Changes {
		if c.Version != int64(i+1) {
			t.Fatalf("change %d has version %d", i, c.Version)
		}
	}
}

// TestKilledConnections has writers whose connections an administrator ends again
// and again: none of them sees an error, and nothing is written twice.
func TestKilledConnections(t *testing.T) {
	t.Parallel()
	dsn := postgres(t)
	db := open(t, dsn)
	as, list := addUser(t, db, "adele")
	stop := make(chan struct{})
	go func() {
		defer close(stop)
		for range 8 {
			time.Sleep(30 * time.Millisecond) // writers are at work
			sql(t, dsn, `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()`)
		}
	}()
	acknowledged, uncertain := writers(t, db, as, list, stop)
	checkWritten(t, db, as, list, acknowledged, uncertain)
	t.Logf("%d writes acknowledged, %d uncertain", len(acknowledged), len(uncertain))
	if len(acknowledged) == 0 {
		t.Error("nothing was written")
	}
}

// TestCrashedServer kills the server under load and starts it again: what was
// acknowledged is there.
func TestCrashedServer(t *testing.T) {
	t.Parallel()
	server := pgtest.Start(t)
	db := open(t, server.DSN)
	as, list := addUser(t, db, "adele")
	stop := make(chan struct{})
	go func() {
		defer close(stop)
		for range 2 {
			time.Sleep(200 * time.Millisecond) // writers are at work
			server.Crash()
			err := db.View(context.Background(), as.User, func(tx *store.Tx) error { return second(tx.List(list)) })
			if !errors.Is(err, store.ErrUnavailable) {
				t.Errorf("reading without a server: %v, want ErrUnavailable", err)
			}
			server.Restart()
		}
		time.Sleep(100 * time.Millisecond) // they go on
	}()
	acknowledged, uncertain := writers(t, db, as, list, stop)
	checkWritten(t, db, as, list, acknowledged, uncertain)
	t.Logf("%d writes acknowledged, %d uncertain", len(acknowledged), len(uncertain))
}

// TestCommitCutOff breaks the connection when a commit is on its way, before or
// after the server has it: the write is there once, and its caller knows. There is one
// connection, as when the commits of all others are cut off at the same time.
func TestCommitCutOff(t *testing.T) {
	t.Parallel()
	for _, reached := range []bool{true, false} {
		t.Run(map[bool]string{true: "answer lost", false: "commit lost"}[reached], func(t *testing.T) {
			t.Parallel()
			p := newProxy(t, postgres(t), reached)
			db := open(t, p.dsn+"&pool_max_conns=1")
			as, list := addUser(t, db, "adele")
			for n := range 5 {
				p.armed.Store(true)
				runs := 0
				err := db.Update(t.Context(), as, func(tx *store.Tx) error {
					runs++
					if _, err := tx.List(list); err != nil {
						return err
					}
					return tx.InsertTask(&todo.Task{ID: tx.NewID(), ListID: list, Title: fmt.Sprint(n), Created: tx.Now(), Modified: tx.Now()})
				})
				if want := map[bool]int{true: 1, false: 2}[reached]; err != nil || runs != want || p.armed.Load() {
					t.Fatalf("Update: %v after %d runs, want %d; the connection was cut: %v", err, runs, want, !p.armed.Load())
				}
			}
			s := snapshot(t, db, as, list)
			if len(s.Tasks) != 5 || len(s.Changes) != 6 {
				t.Errorf("%d tasks and %d changes, want 5 and 6", len(s.Tasks), len(s.Changes))
			}
		})
	}
}

// A proxy stands before PostgreSQL and, once armed, cuts the next connection that
// commits: before the commit goes to the server, or when the answer comes back.
type proxy struct {
	t       *testing.T
	dsn     string
	socket  string
	reached bool
	armed   atomic.Bool
	commit  atomic.Pointer[string] // the name of the prepared statement
}

func newProxy(t *testing.T, dsn string, reached bool) *proxy {
	t.Helper()
	u, err := url.Parse(dsn)
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{t: t, socket: u.Query().Get("host") + "/.s.PGSQL.5432", reached: reached}
	p.dsn = "postgres://postgres@" + l.Addr().String() + u.Path + "?sslmode=disable"
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			wg.Go(func() { p.join(client) })
		}
	})
	t.Cleanup(func() { l.Close(); wg.Wait() })
	return p
}

func (p *proxy) join(client net.Conn) {
	defer client.Close()
	server, err := net.Dial("unix", p.socket)
	if err != nil {
		p.t.Error(err)
		return
	}
	defer server.Close()
	var wg sync.WaitGroup
	wg.Go(func() { p.copy(server, client, p.commits) })
	wg.Go(func() {
		p.copy(client, server, func(b []byte) bool { return p.reached && bytes.Contains(b, []byte("COMMIT\x00")) })
	})
	wg.Wait()
}

// commits says whether the client's bytes hold the commit that is to be lost.
func (p *proxy) commits(b []byte) bool {
	if before, _, ok := bytes.Cut(b, []byte("\x00COMMIT\x00")); ok { // it is being prepared
		name := string(before[bytes.LastIndex(before, []byte("stmtcache_")):])
		p.commit.Store(&name)
		return false
	}
	name := p.commit.Load()
	return !p.reached && name != nil && bytes.Contains(b, []byte(*name))
}

// copy copies until one side ends, or cut says so while the proxy is armed.
func (p *proxy) copy(to, from net.Conn, cut func([]byte) bool) {
	defer to.Close()
	defer from.Close()
	b := make([]byte, 1<<16)
	for {
		n, err := from.Read(b)
		if n > 0 && cut(b[:n]) && p.armed.CompareAndSwap(true, false) {
			return
		}
		if _, werr := to.Write(b[:n]); err != nil || werr != nil {
			return
		}
	}
}
