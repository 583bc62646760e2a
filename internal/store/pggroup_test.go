package store

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/duly-todo/duly/internal/pgtest"
	"github.com/duly-todo/duly/internal/todo"
)

// A groupRig is a database with a mailbox whose updates it can make wait.
type groupRig struct {
	t      *testing.T
	db     *DB
	as     As
	list   string
	groups chan int // how many writes each commit had
}

func newGroupRig(t *testing.T) *groupRig {
	t.Helper()
	return newGroupRigOn(t, pgtest.Lend(t, func(dsn string) error {
		db, err := Open(context.Background(), dsn, time.Now)
		if err != nil {
			return err
		}
		return db.Close()
	}))
}

func newGroupRigOn(t *testing.T, dsn string) *groupRig {
	t.Helper()
	db, err := Open(t.Context(), dsn, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	db.engine.(*pgEngine).groups.time = time.Minute // this machine may be busy
	r := &groupRig{t: t, db: db, groups: make(chan int, 1000)}
	u, err := todo.NewUser(NewGUID(), "adele@example.org", "", "", time.Now())
	if err == nil {
		err = db.AddUser(t.Context(), u, "")
	}
	if err != nil {
		t.Fatal(err)
	}
	r.as = As{User: u.ID, App: "test"}
	err = db.View(t.Context(), u.ID, func(tx *Tx) error {
		l, err := tx.DefaultList()
		r.list = l.ID
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	db.Observe(Meter{Waited: func(time.Duration) {}, Read: func(time.Duration) {}, Committed: func(n int, _ time.Duration) { r.groups <- n }})
	return r
}

// behind runs updates that all wait for one, in their order, and returns their
// errors. Before the first is done, meanwhile is called.
func (r *groupRig) behind(first func(*Tx) error, meanwhile func(), jobs ...func(*Tx) error) []error {
	r.t.Helper()
	errs := make([]error, len(jobs))
	running, release := make(chan struct{}), make(chan struct{})
	var once sync.Once
	var wg sync.WaitGroup
	wg.Go(func() {
		err := r.db.Update(context.Background(), r.as, func(tx *Tx) error {
			once.Do(func() { close(running); <-release })
			return first(tx)
		})
		if err != nil && !errors.Is(err, ErrUnavailable) {
			r.t.Errorf("the first: %v", err)
		}
	})
	<-running
	for i, job := range jobs {
		wg.Go(func() { errs[i] = r.db.Update(context.Background(), r.as, job) })
		r.await(i + 1)
	}
	meanwhile()
	close(release)
	wg.Wait()
	return errs
}

// await waits until so many updates of the mailbox wait.
func (r *groupRig) await(n int) {
	g := &r.db.engine.(*pgEngine).groups
	for waiting := -1; waiting != n; time.Sleep(time.Millisecond) {
		g.mu.Lock()
		waiting = len(g.waiting[r.as.User])
		g.mu.Unlock()
	}
}

func (r *groupRig) insert(title string) func(*Tx) error {
	return func(tx *Tx) error {
		return tx.InsertTask(&todo.Task{ID: tx.NewID(), ListID: r.list, Title: title, Created: tx.Now(), Modified: tx.Now()})
	}
}

func nothing() {}

// stored are the titles of the tasks, by the order of their versions, which must
// have no gaps after the first, that of the list.
func (r *groupRig) stored() (titles string) {
	r.t.Helper()
	err := r.db.View(r.t.Context(), r.as.User, func(tx *Tx) error {
		titles = ""
		log, err := tx.AllChanges(0, 1000)
		if err != nil {
			return err
		}
		_, version, err := tx.Log()
		if err != nil || version != int64(len(log)) {
			r.t.Errorf("the version is %d after %d changes: %v", version, len(log), err)
		}
		for i, c := range log {
			if c.Version != int64(i+1) {
				r.t.Errorf("change %d has version %d", i, c.Version)
			}
			if c.Kind == TaskChange {
				task, err := tx.Task(c.ListID, c.ItemID)
				if err != nil {
					return err
				}
				titles += " " + task.Title
			}
		}
		return nil
	})
	if err != nil {
		r.t.Error(err)
	}
	return strings.TrimSpace(titles)
}

// Updates that wait for one mailbox share a commit, in their order. Each fails for
// itself alone: what it has written is undone, whether it was sent or not.
func TestGroup(t *testing.T) {
	t.Parallel()
	r := newGroupRig(t)
	mistake := errors.New("a mistake")
	left, leave := context.WithCancel(t.Context())
	var ran atomic.Bool
	gone := make(chan error, 1)
	errs := r.behind(r.insert("first"), func() {
		go func() { gone <- r.db.Update(left, r.as, func(*Tx) error { ran.Store(true); return nil }) }()
		r.await(8)
		leave()
		r.await(7)
	},
		r.insert("a"),
		func(tx *Tx) error { // not sent
			if err := r.insert("never")(tx); err != nil {
				return err
			}
			return mistake
		},
		r.insert("b"),
		func(tx *Tx) error { // sent: it is seen here, and by nobody after
			if err := r.insert("never")(tx); err != nil {
				return err
			}
			log, err := tx.AllChanges(0, 100)
			if err != nil || len(log) != 5 || tx.now.Before(log[4].At) {
				t.Errorf("there are %d changes, %v", len(log), err)
			}
			return mistake
		},
		func(tx *Tx) error { // which reads what those before have written
			log, err := tx.AllChanges(0, 100)
			if err != nil || len(log) != 4 {
				t.Errorf("there are %d changes, %v", len(log), err)
			}
			return r.insert("c")(tx)
		},
		func(*Tx) error { panic("at the disco") },
		func(tx *Tx) error {
			if err := r.insert("d")(tx); err != nil {
				return err
			}
			if _, err := tx.List(r.list); err != nil { // sends what was written
				return err
			}
			return r.insert("e")(tx)
		},
	)
	for i, want := range []string{"", "a mistake", "", "a mistake", "", "panic in a transaction: at the disco", ""} {
		if got := fmt.Sprint(errs[i]); want == "" && errs[i] != nil || !strings.Contains(got, want) {
			t.Errorf("job %d: %v, want %q", i, got, want)
		}
	}
	if err := <-gone; !errors.Is(err, context.Canceled) || ran.Load() {
		t.Errorf("who left: %v, and ran is %v", err, ran.Load())
	}
	if diff := cmp.Diff("first a b c d e", r.stored()); diff != "" {
		t.Error(diff)
	}
	if first, then := <-r.groups, <-r.groups; first != 1 || then != 4 {
		t.Errorf("the commits had %d and %d writes", first, then)
	}
}

// A statement that PostgreSQL refuses, at once or when it is sent with those of the
// next, fails its own update.
func TestGroupWithBadStatement(t *testing.T) {
	t.Parallel()
	for _, last := range []bool{false, true} {
		r := newGroupRig(t)
		bad := func(tx *Tx) error {
			if err := r.insert("never")(tx); err != nil {
				return err
			}
			return tx.conn.exec(`UPDATE users SET version = version / CAST(? AS BIGINT) WHERE user_id = ?`, integer(0), text(r.as.User))
		}
		worse := func(tx *Tx) error { // it does not even look
			_ = tx.conn.query(`SELECT 1 / CAST(? AS BIGINT)`, func(*row) error { return nil }, integer(0))
			return nil
		}
		jobs := []func(*Tx) error{r.insert("a"), worse, bad, r.insert("b")}
		want := []bool{false, true, true, false}
		if last {
			jobs, want = append(jobs, bad), append(want, true)
		}
		errs := r.behind(r.insert("first"), nothing, jobs...)
		for i, err := range errs {
			if (err != nil) != want[i] || err != nil && !strings.Contains(err.Error(), "22012") {
				t.Errorf("job %d: %v", i, err)
			}
		}
		if diff := cmp.Diff("first a b", r.stored()); diff != "" {
			t.Error(diff)
		}
	}
}

// A connection that is lost in the middle of a group, or under its commit, costs
// another run of all of it, and nothing is there twice.
func TestGroupLosesConnection(t *testing.T) {
	t.Parallel()
	r := newGroupRig(t)
	end := func(s *pgSession) {
		if _, err := s.engine.pool.Exec(context.Background(), `SELECT pg_terminate_backend($1, 10000)`, s.conn.PgConn().PID()); err != nil {
			t.Error(err)
		}
	}
	runs := 0
	errs := r.behind(r.insert("first"), nothing, r.insert("a"), func(tx *Tx) error {
		if runs++; runs == 1 {
			end(tx.conn.(*pgSession))
		}
		if _, err := tx.List(r.list); err != nil {
			return err
		}
		return r.insert("b")(tx)
	}, func(tx *Tx) error {
		if err := r.insert("c")(tx); runs == 2 && err == nil {
			runs++
			end(tx.conn.(*pgSession)) // the commit is next
		}
		return nil
	})
	if err := errors.Join(errs...); err != nil || runs != 4 {
		t.Errorf("%v after %d runs", err, runs)
	}
	if diff := cmp.Diff("first a b c", r.stored()); diff != "" {
		t.Error(diff)
	}
}

// A mailbox whose updates take long is not locked for long: others begin later.
func TestGroupIsBounded(t *testing.T) {
	t.Parallel()
	r := newGroupRig(t)
	groups := &r.db.engine.(*pgEngine).groups
	groups.time = time.Second
	jobs := make([]func(*Tx) error, 3*pgMaxGroup/2)
	want := "first"
	for i := range jobs {
		title := fmt.Sprint("t", i)
		want += " " + title
		jobs[i] = r.insert(title)
	}
	slow := jobs[2]
	jobs[2] = func(tx *Tx) error { time.Sleep(groups.time); return slow(tx) }
	for _, err := range r.behind(r.insert("first"), nothing, jobs...) {
		if err != nil {
			t.Error(err)
		}
	}
	if diff := cmp.Diff(want, r.stored()); diff != "" {
		t.Error(diff)
	}
	first, second := <-r.groups, <-r.groups
	if first != 1 || second != 3 {
		t.Errorf("the first commits had %d and %d writes", first, second)
	}
	for left := len(jobs) - 3; left > 0; {
		size := <-r.groups
		if left -= size; size > pgMaxGroup || left < 0 {
			t.Errorf("a commit had %d writes, and %d are left", size, left)
		}
	}
}

// While there is no server, all who wait are told so, and nobody that it is done.
func TestGroupWithoutServer(t *testing.T) {
	t.Parallel()
	server := pgtest.Start(t)
	r := newGroupRigOn(t, server.DSN)
	for i, err := range r.behind(r.insert("first"), server.Crash, r.insert("a"), r.insert("b"), r.insert("c")) {
		if !errors.Is(err, ErrUnavailable) {
			t.Errorf("job %d: %v", i, err)
		}
	}
	server.Restart()
	if err := r.db.Update(t.Context(), r.as, r.insert("d")); err != nil {
		t.Error(err)
	}
	if diff := cmp.Diff("d", r.stored()); diff != "" {
		t.Error(diff)
	}
}
