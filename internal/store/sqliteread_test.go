package store_test

import (
	"context"
	"errors"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/duly-todo/duly/internal/store"
	"github.com/duly-todo/duly/internal/todo"
)

// A glance may make several statements; before it reads much, it goes on as a view.
func TestGlance(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		each func(t *testing.T, test func(t *testing.T, db *store.DB))
		long bool
		runs int
	}{
		"brief":            {eachDatabase, false, 1},
		"long":             {onFile, true, 2},
		"long, memory":     {inMemory, true, 1}, // where nobody shares a snapshot
		"long, a server's": {onPostgres, true, 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test.each(t, func(t *testing.T, db *store.DB) {
				as, list := addUser(t, db, "adele")
				var task, got todo.Task
				update(t, db, as, func(tx *store.Tx) error {
					task = fullTask(tx, list)
					return tx.InsertTask(&task)
				})
				runs := 0
				err := db.Glance(t.Context(), as.User, func(tx *store.Tx) (err error) {
					runs++
					if test.long {
						if err := tx.Long(); err != nil {
							return err
						}
					}
					got, err = tx.Task(list, task.ID)
					return err
				})
				if err != nil || got.Version != task.Version || len(got.ChecklistItems) != len(task.ChecklistItems) || runs != test.runs {
					t.Errorf("%d runs, %+v, %v", runs, got, err)
				}
			})
		})
	}
}

// block keeps every reader of brief reads busy until the function that it returns.
func block(t *testing.T, db *store.DB, as store.As) (release func()) {
	var wg sync.WaitGroup
	begun, end := make(chan struct{}), make(chan struct{})
	for range runtime.GOMAXPROCS(0) {
		wg.Go(func() {
			if err := db.Glance(t.Context(), as.User, func(*store.Tx) error { begun <- struct{}{}; <-end; return nil }); err != nil {
				t.Error(err)
			}
		})
		<-begun
	}
	return func() { close(end); wg.Wait() }
}

// queue makes n brief reads, which wait behind those of block.
func queue(t *testing.T, db *store.DB, as store.As, wg *sync.WaitGroup, n int, fn func(*store.Tx) error) {
	before := store.WaitingGlances(db)
	for range n {
		wg.Go(func() {
			if err := db.Glance(t.Context(), as.User, fn); err != nil {
				t.Error(err)
			}
		})
	}
	for store.WaitingGlances(db) < before+n {
		runtime.Gosched()
	}
}

// Brief reads that wait share a snapshot, which has all that was committed before
// any of them was asked for.
func TestGlancesShareASnapshot(t *testing.T) {
	t.Parallel()
	onFile(t, func(t *testing.T, db *store.DB) {
		as, list := addUser(t, db, "adele")
		var task todo.Task
		update(t, db, as, func(tx *store.Tx) error {
			task = fullTask(tx, list)
			return tx.InsertTask(&task)
		})
		rename := func(title string) {
			update(t, db, as, func(tx *store.Tx) error {
				renamed := task
				renamed.Title = title
				return tx.UpdateTask(task, &renamed)
			})
		}
		n := min(8*runtime.GOMAXPROCS(0), store.MaxReads) // so that each reader gets several at once
		release := block(t, db, as)
		rename("second")
		var wg sync.WaitGroup
		var early, late atomic.Int64
		var once sync.Once
		queue(t, db, as, &wg, n, func(tx *store.Tx) error {
			got, err := tx.Task(list, task.ID)
			switch got.Title {
			case "second":
				early.Add(1)
			case "third":
				late.Add(1)
			default:
				t.Errorf("a read sees %q, which was gone before it", got.Title)
			}
			once.Do(func() { rename("third") }) // while the others wait
			return err
		})
		release()
		wg.Wait()
		if early.Load()+late.Load() != int64(n) || early.Load() < 2 {
			t.Errorf("%d reads have the snapshot of the first, and %d a later one, of %d", early.Load(), late.Load(), n)
		}
	})
}

// What goes wrong with one read does nothing to those that share its snapshot.
func TestGlancesFailAlone(t *testing.T) {
	t.Parallel()
	onFile(t, func(t *testing.T, db *store.DB) {
		as, list := addUser(t, db, "adele")
		release := block(t, db, as)
		gone, leave := context.WithCancel(t.Context())
		failed := errors.New("no")
		var wg sync.WaitGroup
		n := 0
		read := func(ctx context.Context, fn func(*store.Tx) error, good func(error) bool) {
			wg.Go(func() {
				if err := db.Glance(ctx, as.User, fn); !good(err) {
					t.Errorf("a read ends with %v", err)
				}
			})
			for n++; store.WaitingGlances(db) < n; {
				runtime.Gosched()
			}
		}
		for range min(2*runtime.GOMAXPROCS(0), store.MaxReads/4) {
			read(t.Context(), func(*store.Tx) error { panic("oh") }, func(err error) bool { return err != nil && strings.Contains(err.Error(), "oh") })
			read(t.Context(), func(*store.Tx) error { return failed }, func(err error) bool { return errors.Is(err, failed) })
			read(gone, func(*store.Tx) error { t.Error("the read of a client that has left"); return nil }, func(err error) bool { return errors.Is(err, context.Canceled) })
			read(t.Context(), func(tx *store.Tx) error { return second(tx.List(list)) }, func(err error) bool { return err == nil })
		}
		leave()
		release()
		wg.Wait()
	})
}

// Reads that have begun to wait when the database is closed are answered.
func TestCloseWithGlances(t *testing.T) {
	t.Parallel()
	onFile(t, func(t *testing.T, db *store.DB) {
		as, list := addUser(t, db, "adele")
		release := block(t, db, as)
		var wg sync.WaitGroup
		queue(t, db, as, &wg, 8, func(tx *store.Tx) error { return second(tx.List(list)) })
		closed := make(chan error)
		go func() { closed <- db.Close() }()
		release()
		wg.Wait()
		if err := <-closed; err != nil {
			t.Error(err)
		}
		if err := db.Glance(t.Context(), as.User, func(*store.Tx) error { return nil }); !errors.Is(err, store.ErrClosed) {
			t.Errorf("a closed database answers %v", err)
		}
	})
}

// What reads all mailboxes, or may read many rows, keeps no brief read waiting.
func TestLongReadsStayOutOfTheQueue(t *testing.T) {
	t.Parallel()
	onFile(t, func(t *testing.T, db *store.DB) {
		as, _ := addUser(t, db, "adele")
		release := block(t, db, as)
		var wg sync.WaitGroup
		for name, read := range map[string]func(context.Context) error{
			"sizes":         func(ctx context.Context) error { return second(db.Sizes(ctx)) },
			"users":         func(ctx context.Context) error { return second(db.Users(ctx, 0, 10)) },
			"people":        func(ctx context.Context) error { return second(db.People(ctx, 0, 10)) },
			"subscribed":    func(ctx context.Context) error { return second(db.SubscribedMailboxes(ctx)) },
			"subscriptions": func(ctx context.Context) error { return second(db.SubscriptionsOf(ctx, "test", 10)) },
		} {
			var through atomic.Bool
			before := store.WaitingGlances(db)
			wg.Go(func() {
				if err := read(t.Context()); err != nil {
					t.Errorf("%s: %v", name, err)
				}
				through.Store(true)
			})
			for !through.Load() {
				if store.WaitingGlances(db) > before {
					t.Errorf("%s: waits among the brief reads", name)
					break
				}
				runtime.Gosched()
			}
		}
		release()
		wg.Wait()
	})
}

// A round of delta may look at the whole log: a brief read of it ends with what says
// that there is something new.
func TestRoundIsLong(t *testing.T) {
	t.Parallel()
	onFile(t, func(t *testing.T, db *store.DB) {
		as, list := addUser(t, db, "adele")
		var version int64
		view(t, db, as, func(tx *store.Tx) (err error) { _, version, err = tx.Log(); return err })
		for name, test := range map[string]struct {
			after int64
			limit int
			runs  int
		}{"nothing new": {version, 10, 1}, "a new one": {0, 10, 2}, "the first": {0, 0, 1}} {
			runs, through := 0, 0
			err := db.Glance(t.Context(), as.User, func(tx *store.Tx) error {
				runs++
				_, err := tx.Round(store.ListChange, list, test.after, test.limit)
				if err == nil {
					through++
				}
				return err
			})
			if err != nil || runs != test.runs || through != 1 {
				t.Errorf("%s: %d runs, %d of them read all, %v", name, runs, through, err)
			}
		}
	})
}
