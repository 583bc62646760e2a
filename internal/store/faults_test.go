package store_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/duly-todo/duly/internal/store"
)

const pageSize = 4096

// A full disk fails the writes that have no room, and no others: nothing of
// them is kept, what was answered stays, and all goes on with new space.
func TestFullDisk(t *testing.T) {
	t.Parallel()
	eachSQLite(t, func(t *testing.T, db *store.DB) {
		as, list := addUser(t, db, "adele")
		if err := store.LimitPages(t.Context(), db, 1); err != nil { // the least is what it has already
			t.Fatal(err)
		}
		var kept []string
		var mu sync.Mutex
		full := 0
		var writers sync.WaitGroup
		for range 4 { // so that writes share commits
			writers.Go(func() {
				for range 200 {
					var id string
					err := db.Update(t.Context(), as, func(tx *store.Tx) error {
						task := fullTask(tx, list)
						task.Body.Content = strings.Repeat("words ", 500)
						id = task.ID
						return tx.InsertTask(&task)
					})
					mu.Lock()
					switch {
					case err == nil:
						kept = append(kept, id)
					case errors.Is(err, store.ErrFull):
						full++
					default:
						t.Errorf("a write fails with %v", err)
					}
					mu.Unlock()
				}
			})
		}
		writers.Wait()
		if full == 0 {
			t.Error("the disk was never full")
		}
		expectTasks(t, db, as, list, kept)
		if err := db.Ready(t.Context()); !errors.Is(err, store.ErrFull) {
			t.Errorf("with a full disk, Ready is %v", err)
		}
		if err := store.LimitPages(t.Context(), db, 0); err != nil {
			t.Fatal(err)
		}
		update(t, db, as, func(tx *store.Tx) error {
			task := fullTask(tx, list)
			kept = append(kept, task.ID)
			return tx.InsertTask(&task)
		})
		expectTasks(t, db, as, list, kept)
		if err := db.Ready(t.Context()); err != nil {
			t.Errorf("with space again, Ready is %v", err)
		}
	})
}

// expectTasks wants a list to hold the tasks with the ids, in any order, and the
// change log to have just their creation.
func expectTasks(t *testing.T, db *store.DB, as store.As, list string, want []string) {
	t.Helper()
	var got, logged []string
	view(t, db, as, func(tx *store.Tx) error {
		tasks, err := tx.QueryTasks(store.TaskQuery{List: list, Limit: 10_000})
		if err != nil {
			return err
		}
		got = idsOf(tasks)
		changes, err := tx.Changes(store.TaskChange, list, 0, 10_000)
		for _, c := range changes {
			logged = append(logged, c.ItemID)
		}
		return err
	})
	for _, ids := range [][]string{got, logged, want} {
		slices.Sort(ids)
	}
	if !slices.Equal(got, want) || !slices.Equal(logged, want) {
		t.Errorf("there are %d tasks and %d changes, and %d were answered", len(got), len(logged), len(want))
	}
}

// A damaged page is never taken for data: reads of it fail, the store says that
// it is not ready, and checks, inspections and snapshots name the damage.
func TestDamagedPage(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "duly.db")
	db, err := store.Open(t.Context(), path, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	as, list := addUser(t, db, "adele")
	update(t, db, as, func(tx *store.Tx) error {
		for i := range 300 {
			task := fullTask(tx, list)
			task.Title = fmt.Sprintf("Needle %d", i)
			if err := tx.InsertTask(&task); err != nil {
				return err
			}
		}
		return nil
	})
	if err := db.Close(); err != nil { // all is in the one file now
		t.Fatal(err)
	}
	if err := store.QuickCheck(t.Context(), path); err != nil {
		t.Fatalf("a sound database: %v", err)
	}
	db = open(t, path)
	if err := db.Ready(t.Context()); err != nil {
		t.Fatalf("a sound database: %v", err)
	}
	damage(t, path, "Needle 150")

	if _, err = db.User(t.Context(), as.User); err != nil {
		t.Errorf("the page of the user is sound: %v", err)
	}
	err = db.View(t.Context(), as.User, func(tx *store.Tx) error {
		_, err := tx.QueryTasks(store.TaskQuery{List: list, Limit: 1000})
		return err
	})
	if !errors.Is(err, store.ErrDamaged) || !strings.Contains(err.Error(), `"duly restore"`) {
		t.Errorf("reading the page gives %v", err)
	}
	if err := db.Ready(t.Context()); !errors.Is(err, store.ErrDamaged) {
		t.Errorf("Ready is %v", err)
	}
	if err := store.QuickCheck(t.Context(), path); !errors.Is(err, store.ErrDamaged) {
		t.Errorf("QuickCheck is %v", err)
	}
	copied := filepath.Join(t.TempDir(), "copy.db")
	if err := store.Snapshot(t.Context(), path, copied, func(int, int) {}); !errors.Is(err, store.ErrDamaged) {
		t.Errorf("Snapshot is %v", err)
	}
	findings := store.Inspect(t.Context(), path, time.Now())
	if last := findings[len(findings)-1]; last.Name != "integrity" || last.Remedy == "" {
		t.Errorf("Inspect ends with %+v", last)
	}
}

// damage overwrites every page of the file in which there is a text.
func damage(t *testing.T, path, text string) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	damaged := 0
	for start := pageSize; start < len(data); start += pageSize {
		if bytes.Contains(data[start:start+pageSize], []byte(text)) {
			if _, err := f.WriteAt(bytes.Repeat([]byte{0xff}, 200), int64(start)); err != nil {
				t.Fatal(err)
			}
			damaged++
		}
	}
	if err := f.Sync(); err != nil || damaged == 0 {
		t.Fatalf("%d pages were overwritten, %v", damaged, err)
	}
	t.Cleanup(func() { _ = f.Close() }) // not before: it would take SQLite's locks along
}

// A clock that is set back neither repeats an id nor takes a version back. By a
// moment, it is waited for, so that ids keep their order; by more, it is followed.
func TestClockGoesBack(t *testing.T) {
	t.Parallel()
	for name, back := range map[string]time.Duration{"30 seconds": 30 * time.Second, "a day": 24 * time.Hour} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			now := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
			db, err := store.Open(t.Context(), store.Memory, func() time.Time { return now })
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = db.Close() })
			as, list := addUser(t, db, "adele")
			var ids []string
			var times []time.Time
			add := func() {
				update(t, db, as, func(tx *store.Tx) error {
					task := fullTask(tx, list)
					ids, times = append(ids, task.ID), append(times, tx.Now())
					return tx.InsertTask(&task)
				})
			}
			for range 10 {
				now = now.Add(time.Second)
				add()
			}
			_, known := versions(t, db, as)
			now = now.Add(-back)
			for range 10 {
				now = now.Add(time.Millisecond)
				add()
			}
			if back <= time.Minute {
				if !slices.IsSorted(ids) || times[10].Before(times[9]) {
					t.Errorf("ids and times lose their order: %q at %v", ids, times)
				}
			} else if !times[10].Equal(now.Add(-9*time.Millisecond)) || ids[10] >= ids[0] {
				t.Errorf("the clock is not followed: %v", times[10])
			}
			if unique := slices.Compact(slices.Sorted(slices.Values(ids))); len(unique) != len(ids) {
				t.Errorf("an id is given twice: %q", ids)
			}
			expectChanges(t, db, as, list, known, ids[10:])
		})
	}
}

func versions(t *testing.T, db *store.DB, as store.As) (floor, version int64) {
	t.Helper()
	view(t, db, as, func(tx *store.Tx) (err error) {
		floor, version, err = tx.Log()
		return err
	})
	return floor, version
}

// expectChanges wants the changes after a version to be those of the items, in
// their order, each under the next version.
func expectChanges(t *testing.T, db *store.DB, as store.As, list string, after int64, items []string) {
	t.Helper()
	view(t, db, as, func(tx *store.Tx) error {
		changes, err := tx.Changes(store.TaskChange, list, after, 1000)
		var got []string
		for i, c := range changes {
			got = append(got, c.ItemID)
			if c.Version != after+int64(i)+1 {
				t.Errorf("change %d has version %d, and the last known was %d", i, c.Version, after)
			}
		}
		if !slices.Equal(got, items) {
			t.Errorf("the changes are of %q, not of %q", got, items)
		}
		return err
	})
}

// A snapshot that is taken while writers write is of one moment: what had been
// answered is in it, and nothing is there by half.
func TestSnapshotUnderLoad(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	path := filepath.Join(folder, "duly.db")
	db := open(t, path)
	as, list := addUser(t, db, "adele")
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var mu sync.Mutex
	answered, wrote := map[string]bool{}, make(chan struct{}, 1)
	var writers sync.WaitGroup
	for range 4 {
		writers.Go(func() {
			for ctx.Err() == nil {
				task := fullTaskOf(t, db, as, list)
				mu.Lock()
				answered[task] = true
				mu.Unlock()
				select {
				case wrote <- struct{}{}:
				default:
				}
			}
		})
	}
	for round := range 5 {
		<-wrote
		mu.Lock()
		before := make([]string, 0, len(answered))
		for id := range answered {
			before = append(before, id)
		}
		mu.Unlock()
		copied := filepath.Join(folder, fmt.Sprint(round))
		copiedPages := 0
		if err := store.Snapshot(t.Context(), path, copied, func(done, _ int) { copiedPages = done }); err != nil {
			t.Fatal(err)
		}
		if info, err := os.Stat(copied); err != nil || info.Size() != int64(copiedPages)*pageSize {
			t.Errorf("progress ends at %d pages of %v, %v", copiedPages, info, err)
		}
		for _, f := range store.Inspect(t.Context(), copied, time.Now()) {
			if f.Remedy != "" {
				t.Errorf("round %d: %+v", round, f)
			}
		}
		other := open(t, copied)
		view(t, other, as, func(tx *store.Tx) error {
			for _, id := range before {
				if _, err := tx.Task(list, id); err != nil {
					t.Errorf("round %d: %s was answered before, and now: %v", round, id, err)
				}
			}
			return nil
		})
	}
	stop()
	writers.Wait()
}

func fullTaskOf(t *testing.T, db *store.DB, as store.As, list string) (id string) {
	t.Helper()
	err := db.Update(t.Context(), as, func(tx *store.Tx) error {
		task := fullTask(tx, list)
		id = task.ID
		return tx.InsertTask(&task)
	})
	if err != nil {
		t.Error(err)
	}
	return id
}
