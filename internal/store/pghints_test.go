package store_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/duly-todo/duly/internal/pgtest"
	"github.com/duly-todo/duly/internal/store"
	"github.com/duly-todo/duly/internal/todo"
)

// What one server commits wakes those that watch another, also after their
// connection was lost; and where a pooler loses it, nothing else is lost with it.
func TestHints(t *testing.T) {
	t.Parallel()
	for _, lost := range []bool{false, true} {
		t.Run(map[bool]string{false: "heard", true: "lost"}[lost], func(t *testing.T) {
			t.Parallel()
			dsn := postgres(t)
			deaf := dsn
			if lost {
				deaf = pgtest.WithoutNotifications(t, dsn)
			}
			writer, other := open(t, dsn), open(t, deaf)
			revised := make(chan string, 100)
			other.OnRevision(func(ids ...string) {
				for _, id := range ids {
					revised <- id
				}
			})
			w := other.Watch()
			other.Listen()
			as, list := addUser(t, writer, "adele")
			awaitListeners(t, dsn, 1)
			write := func() {
				update(t, writer, as, func(tx *store.Tx) error {
					return tx.InsertTask(&todo.Task{ID: tx.NewID(), ListID: list, Title: "x", Created: tx.Now(), Modified: tx.Now()})
				})
			}
			begun := time.Now()
			write()
			if lost {
				select {
				case <-w.C():
					t.Errorf("it has heard %v", w.Take())
				case <-time.After(200 * time.Millisecond): // far more than a hint takes
				}
				if tasks := snapshot(t, other, as, list).Tasks; len(tasks) != 1 {
					t.Errorf("there are %d tasks", len(tasks))
				}
				return
			}
			await(t, w, as.User, store.Touched{Log: true})
			t.Logf("heard after %v", time.Since(begun).Round(time.Millisecond))
			update(t, writer, as, (*store.Tx).SignOutEverywhere)
			if id := <-revised; id != as.User {
				t.Errorf("%s is revised", id)
			}
			s := store.Subscription{ID: store.NewGUID(), Scope: store.Scope{Kind: store.TaskChange, Ops: store.Created.Of()}, Created: time.Now(), Expires: time.Now().Add(time.Hour)}
			update(t, writer, as, func(tx *store.Tx) error { return tx.InsertSubscription(&s) })
			await(t, w, as.User, store.Touched{Subscriptions: true})
			sql(t, dsn, `SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'duly hints'`)
			awaitListeners(t, dsn, 1)
			write() // is told by a new connection
			await(t, w, as.User, store.Touched{Log: true})
		})
	}
}

// await waits until a watch has been told of a mailbox.
func await(t *testing.T, w *store.Watch, user string, want store.Touched) {
	t.Helper()
	for {
		select {
		case <-w.C():
			if w.Take()[user] == want {
				return
			}
		case <-time.After(30 * time.Second):
			t.Fatalf("nobody tells %+v", want)
		}
	}
}

// awaitListeners waits until so many connections listen.
func awaitListeners(t *testing.T, dsn string, n int) {
	t.Helper()
	for count(t, dsn, `SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'duly hints' AND query LIKE 'LISTEN%' AND state = 'idle'`) != n {
		time.Sleep(10 * time.Millisecond)
	}
}

// A hint is one of another server's, and whoever may connect can send more than that.
func TestForgedHints(t *testing.T) {
	t.Parallel()
	dsn := postgres(t)
	db := open(t, dsn)
	w := db.Watch()
	db.Listen()
	awaitListeners(t, dsn, 1)
	for _, payload := range []string{"", " ", "x", "x l", "x ?y  ", "x l" + strings.Repeat("z", 7000), "x sEND"} {
		sql(t, dsn, `SELECT pg_notify('duly', '`+payload+`')`)
	}
	for ended := false; !ended; {
		<-w.C()
		for id := range w.Take() {
			ended = ended || id == "END"
			if !slices.Contains([]string{"", "END", strings.Repeat("z", 7000)}, id) {
				t.Errorf("%q was touched", id)
			}
		}
	}
}

// The DSN can do without hints, and says no nonsense about them.
func TestNoHints(t *testing.T) {
	t.Parallel()
	dsn := postgres(t)
	for param, good := range map[string]bool{"&hints=off": true, "&hints=on": true, "&hints=maybe": false} {
		if err := store.CheckDSN(dsn + param); (err == nil) != good {
			t.Errorf("%s: %v", param, err)
		}
	}
	db := open(t, dsn+"&hints=off")
	db.Listen()
	addUser(t, db, "adele")
	if n := count(t, dsn, `SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'duly hints'`); n != 0 {
		t.Errorf("there are %d connections for hints", n)
	}
}
