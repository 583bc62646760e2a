package store_test

import (
	"context"
	"encoding/json"
	"errors"
	"runtime"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/duly-todo/duly/internal/store"
	"github.com/duly-todo/duly/internal/todo"
)

// A write that fails takes nothing of those with it that share its commit, whether
// it has written before or not.
func TestFailedWriteInABatch(t *testing.T) {
	t.Parallel()
	eachSQLite(t, func(t *testing.T, db *store.DB) {
		as, list := addUser(t, db, "adele")
		failed := errors.New("no")
		begun, release := make(chan struct{}), make(chan struct{})
		var wg sync.WaitGroup
		write := func(before func(), after, want error) {
			wg.Go(func() {
				err := db.Update(context.Background(), as, func(tx *store.Tx) error {
					if before != nil {
						before()
					}
					task := fullTask(tx, list)
					if after != nil {
						task.Title = "Failed"
					}
					return errors.Join(tx.InsertTask(&task), after)
				})
				if !errors.Is(err, want) {
					t.Errorf("a write ends with %v, want %v", err, want)
				}
			})
		}
		write(sync.OnceFunc(func() { close(begun); <-release }), nil, nil) // keeps the writer, so that the others share a commit
		<-begun
		const each = 5
		for range each {
			write(nil, nil, nil)
			write(nil, failed, failed)
			wg.Go(func() {
				err := db.Update(context.Background(), as, func(tx *store.Tx) error { return second(tx.Task(list, tx.NewID())) })
				if !errors.Is(err, todo.ErrNotFound) {
					t.Errorf("a write to what is missing ends with %v", err)
				}
			})
		}
		for store.Waiting(db) < 3*each {
			runtime.Gosched()
		}
		close(release)
		wg.Wait()
		view(t, db, as, func(tx *store.Tx) error {
			tasks, err := tx.QueryTasks(store.TaskQuery{List: list, Limit: 100})
			if len(tasks) != 1+each || slices.ContainsFunc(tasks, func(t todo.Task) bool { return t.Title == "Failed" }) {
				t.Errorf("there are %d tasks, want %d", len(tasks), 1+each)
			}
			changes, cerr := tx.Changes(store.TaskChange, list, 0, 100)
			if len(changes) != 1+each {
				t.Errorf("there are %d changes, want %d", len(changes), 1+each)
			}
			return errors.Join(err, cerr)
		})
	})
}

func TestScanStrings(t *testing.T) {
	t.Parallel()
	for _, want := range [][]string{{"Work"}, {"Work", "Home"}, {""}, {"", ""}, {`a","b`}, {`a\`, "b"}, {"[x]", `"`}, {"ä", "<&>", "\u2028"}} {
		text, err := json.Marshal(want)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := store.ScanStrings(string(text)); err != nil || !slices.Equal(got, want) {
			t.Errorf("%s is read as %q, %v", text, got, err)
		}
	}
	for _, text := range []string{`["a`, `a"]`, `["a", 1]`, ``, `["]`} {
		if got, err := store.ScanStrings(text); err == nil {
			t.Errorf("%s is read as %q", text, got)
		}
	}
}

// Damage that nothing has met yet is found by a check, after which the database is
// not ready.
func TestCheck(t *testing.T) {
	t.Parallel()
	path := t.TempDir() + "/duly.db"
	db := open(t, path)
	as, list := addUser(t, db, "adele")
	update(t, db, as, func(tx *store.Tx) error {
		task := fullTask(tx, list)
		task.Title = "Needle"
		return tx.InsertTask(&task)
	})
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	db, err := store.Open(t.Context(), path, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if err := errors.Join(db.Check(t.Context()), db.Ready(t.Context())); err != nil {
		t.Fatalf("a sound database: %v", err)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	damage(t, path, "Needle")
	if err := errors.Join(db.Check(ended), db.Ready(t.Context())); err != nil {
		t.Errorf("a check without time finds %v", err)
	}
	if err := db.Check(t.Context()); !errors.Is(err, store.ErrDamaged) {
		t.Errorf("a check finds %v", err)
	}
	if err := db.Ready(t.Context()); !errors.Is(err, store.ErrDamaged) {
		t.Errorf("Ready is %v", err)
	}
}
