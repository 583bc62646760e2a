package store_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/duly-todo/duly/internal/pgtest"
	"github.com/duly-todo/duly/internal/store"
	"github.com/duly-todo/duly/internal/todo"
)

// shortWait is how long tests of databases that do not answer wait for them.
const shortWait = 700 * time.Millisecond

// addTask adds a task with a title.
func addTask(db *store.DB, as store.As, list, title string) error {
	return db.Update(context.Background(), as, func(tx *store.Tx) error {
		if _, err := tx.List(list); err != nil {
			return err
		}
		return tx.InsertTask(&todo.Task{ID: tx.NewID(), ListID: list, Title: title, Created: tx.Now(), Modified: tx.Now()})
	})
}

func readList(db *store.DB, as store.As, list string) error {
	return db.View(context.Background(), as.User, func(tx *store.Tx) error { return second(tx.List(list)) })
}

// TestFrozenDatabase stops all processes of the server under load: reads and
// writes end in time, and when it goes on, so do they. Nothing is there twice.
func TestFrozenDatabase(t *testing.T) {
	t.Parallel()
	server := pgtest.Start(t)
	db := open(t, server.DSN)
	as, list := addUser(t, db, "adele")
	store.SetWait(db, shortWait)
	stop := make(chan struct{})
	go func() {
		defer close(stop)
		for range 2 {
			time.Sleep(100 * time.Millisecond) // writers are at work
			server.Freeze()
			start := time.Now()
			if err := readList(db, as, list); !errors.Is(err, store.ErrUnavailable) {
				t.Errorf("reading from a frozen database: %v, want ErrUnavailable", err)
			}
			if took := time.Since(start); took > 20*shortWait {
				t.Errorf("a read of a frozen database ends after %v", took)
			}
			if err := addTask(db, as, list, "frozen"); !errors.Is(err, store.ErrUnavailable) {
				t.Errorf("writing to a frozen database: %v, want ErrUnavailable", err)
			}
			server.Thaw()
		}
		time.Sleep(100 * time.Millisecond) // they go on
	}()
	acknowledged, uncertain := writers(t, db, as, list, stop)
	store.SetWait(db, 10*time.Second)
	checkWritten(t, db, as, list, acknowledged, uncertain)
	t.Logf("%d writes acknowledged, %d uncertain", len(acknowledged), len(uncertain))
}

// TestFaultyNetwork has the network to the database fail, and be whole again.
func TestFaultyNetwork(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		fail func(*pgtest.Network)
		want error // of reads and writes meanwhile
	}{
		{"refused", (*pgtest.Network).Refuse, store.ErrUnavailable},
		{"cut", (*pgtest.Network).Cut, nil},
		{"half open", (*pgtest.Network).Lose, store.ErrUnavailable},
		{"slow", func(n *pgtest.Network) { n.Slow(30 * time.Millisecond) }, nil},
		{"slower than the wait", func(n *pgtest.Network) { n.Slow(2 * shortWait) }, store.ErrUnavailable},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			n := pgtest.NewNetwork(t, postgres(t))
			db := open(t, n.DSN)
			as, list := addUser(t, db, "adele")
			store.SetWait(db, shortWait)
			for i := range 3 {
				c.fail(n)
				if err := readList(db, as, list); !errors.Is(err, c.want) {
					t.Errorf("reading: %v, want %v", err, c.want)
				}
				// Its commit may not have been sent: then nothing is uncertain.
				if err := addTask(db, as, list, fmt.Sprint("meanwhile ", i)); !errors.Is(err, c.want) {
					t.Errorf("writing: %v, want %v", err, c.want)
				}
				n.Mend()
				if err := addTask(db, as, list, fmt.Sprint("after ", i)); err != nil {
					t.Errorf("writing when the network is whole: %v", err)
				}
				if err := readList(db, as, list); err != nil {
					t.Errorf("reading when the network is whole: %v", err)
				}
			}
			titles := map[string]int{}
			for _, task := range snapshot(t, db, as, list).Tasks {
				titles[task.Title]++
			}
			for i := range 3 {
				if n, want := titles[fmt.Sprint("meanwhile ", i)], map[bool]int{true: 1}[c.want == nil]; n != want || titles[fmt.Sprint("after ", i)] != 1 {
					t.Errorf("the tasks are %v", titles)
				}
			}
		})
	}
}

// deadNode are policies that let a database answer as Citus does while the node of
// some mailboxes is gone: with 08006, on a connection that stays open.
const deadNode = `
	CREATE ROLE app LOGIN;
	CREATE TABLE gone (user_id TEXT PRIMARY KEY);
	CREATE FUNCTION there(mailbox TEXT) RETURNS BOOLEAN LANGUAGE plpgsql SECURITY DEFINER AS $$ BEGIN
		IF EXISTS (SELECT 1 FROM public.gone g WHERE g.user_id = mailbox) THEN
			RAISE EXCEPTION 'connection to the remote node 10.0.0.2:5432 failed' USING ERRCODE = '08006';
		END IF;
		RETURN true;
	END $$;
	GRANT ALL ON ALL TABLES IN SCHEMA public TO app;
	DO $$ DECLARE t TEXT; BEGIN
		FOREACH t IN ARRAY ARRAY['users', 'lists', 'tasks', 'changes', 'checklist_items', 'linked_resources', 'search'] LOOP
			EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', t);
			EXECUTE format('CREATE POLICY there ON %I USING (there(user_id)) WITH CHECK (there(user_id))', t);
		END LOOP;
	END $$`

// TestDeadNode takes the node of one mailbox away: its reads and writes fail at
// once, those of others go on, on the connections that they have, and so does the
// check of health.
func TestDeadNode(t *testing.T) {
	t.Parallel()
	dsn := pgtest.Start(t).DSN
	admin := open(t, dsn)
	dead, deadList := addUser(t, admin, "dead")
	live, liveList := addUser(t, admin, "live")
	sql(t, dsn, deadNode)
	db := open(t, strings.Replace(dsn, "postgres@", "app@", 1))
	if err := errors.Join(addTask(db, dead, deadList, "before"), addTask(db, live, liveList, "before")); err != nil {
		t.Fatal(err)
	}
	stop := make(chan struct{})
	var others sync.WaitGroup
	for range 3 {
		others.Go(func() {
			for n := 0; ; n++ {
				select {
				case <-stop:
					return
				default:
				}
				if err := errors.Join(addTask(db, live, liveList, fmt.Sprint(n)), readList(db, live, liveList), db.Ready(context.Background())); err != nil {
					t.Errorf("another mailbox: %v", err)
					return
				}
			}
		})
	}
	time.Sleep(100 * time.Millisecond) // until they have their connections
	sql(t, dsn, `CREATE TABLE old AS SELECT pid FROM pg_stat_activity WHERE usename = 'app'`, `INSERT INTO gone VALUES ('`+dead.User+`')`)
	for range 10 {
		start := time.Now()
		for what, err := range map[string]error{"reading": readList(db, dead, deadList), "writing": addTask(db, dead, deadList, "lost")} {
			if !errors.Is(err, store.ErrUnavailable) {
				t.Errorf("%s of a mailbox whose node is gone: %v, want ErrUnavailable", what, err)
			}
		}
		if took := time.Since(start); took > 5*time.Second {
			t.Errorf("failing takes %v", took)
		}
	}
	close(stop)
	others.Wait()
	if lost := count(t, dsn, `SELECT count(*) FROM old WHERE pid NOT IN (SELECT pid FROM pg_stat_activity)`); lost != 0 {
		t.Errorf("%d connections were given up", lost)
	}
	sql(t, dsn, `DELETE FROM gone`)
	if err := addTask(db, dead, deadList, "after"); err != nil {
		t.Error(err)
	}
	if s := snapshot(t, db, dead, deadList); len(s.Tasks) != 2 {
		t.Errorf("%d tasks are there, want two", len(s.Tasks))
	}
}
