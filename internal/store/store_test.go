package store_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/duly-todo/duly/internal/pgtest"
	"github.com/duly-todo/duly/internal/store"
	"github.com/duly-todo/duly/internal/todo"
)

// eachStore runs a test on a database in memory, on one in a file, and on one of
// PostgreSQL.
func eachStore(t *testing.T, test func(t *testing.T, db *store.DB)) {
	t.Helper()
	onFile(t, test)
	eachDatabase(t, test)
}

// eachDatabase runs a test on SQLite, in memory, and on PostgreSQL.
func eachDatabase(t *testing.T, test func(t *testing.T, db *store.DB)) {
	t.Helper()
	inMemory(t, test)
	onPostgres(t, test)
}

// eachSQLite runs a test on a database in memory and on one in a file.
func eachSQLite(t *testing.T, test func(t *testing.T, db *store.DB)) {
	t.Helper()
	onFile(t, test)
	inMemory(t, test)
}

func onFile(t *testing.T, test func(t *testing.T, db *store.DB)) {
	t.Run("file", func(t *testing.T) {
		t.Parallel()
		test(t, open(t, filepath.Join(t.TempDir(), "duly.db")))
	})
}

func inMemory(t *testing.T, test func(t *testing.T, db *store.DB)) {
	t.Run("memory", func(t *testing.T) {
		t.Parallel()
		test(t, open(t, store.Memory))
	})
}

// onPostgres runs a test on PostgreSQL, and without the race detector on its version
// 18 and on tables split as Citus splits them, where each statement must ask one
// partition.
func onPostgres(t *testing.T, test func(t *testing.T, db *store.DB)) {
	databases := map[string]func(testing.TB) string{"postgres": postgres, "postgres18": postgres18, "split": split}
	if raced {
		databases = map[string]func(testing.TB) string{"postgres": postgres}
	}
	for name, dsn := range databases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, open(t, dsn(t)))
		})
	}
}

// eachDSN names a database in memory and one of PostgreSQL, for tests that open
// it themselves.
func eachDSN(t *testing.T) map[string]func() string {
	all := map[string]func() string{"memory": func() string { return store.Memory }, "postgres": func() string { return postgres(t) }}
	if !raced {
		all["split"] = func() string { return split(t) }
	}
	return all
}

// fewer is how often something is tried: on PostgreSQL, which takes longer, less.
func fewer(t *testing.T, times, onPostgres int) int {
	t.Helper()
	if !strings.HasSuffix(t.Name(), "/memory") && !strings.HasSuffix(t.Name(), "/file") {
		return onPostgres
	}
	return times
}

// postgres is an empty database of PostgreSQL's, with our schema.
func postgres(t testing.TB) string {
	t.Helper()
	return pgtest.Lend(t, makeSchema)
}

// postgres18 is postgres of version 18.
func postgres18(t testing.TB) string {
	t.Helper()
	return pgtest.Lend18(t, makeSchema)
}

// split is postgres with split tables.
func split(t testing.TB) string {
	t.Helper()
	return pgtest.LendSplit(t, makeSchema, splitKeys)
}

func makeSchema(dsn string) error {
	db, err := store.Open(context.Background(), dsn, time.Now)
	if err != nil {
		return err
	}
	return db.Close()
}

// splitKeys are the columns that tables are spread by.
func splitKeys(dsn string) (map[string]string, error) {
	placements, _, err := store.Placements(context.Background(), dsn)
	keys := map[string]string{}
	for _, p := range placements {
		if p.Key != "" {
			keys[p.Table] = p.Key
		}
	}
	return keys, err
}

func open(t testing.TB, path string) *store.DB {
	t.Helper()
	db, err := store.Open(t.Context(), path, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	return db
}

// addUser makes a user and returns the mailbox and its default list.
func addUser(t testing.TB, db *store.DB, name string) (store.As, string) {
	t.Helper()
	u, err := todo.NewUser(store.NewGUID(), name, "", "", time.Now())
	if err != nil {
		t.Fatal(err)
	}
	if err := db.AddUser(t.Context(), u, "test"); err != nil {
		t.Fatal(err)
	}
	as := store.As{User: u.ID, App: "test"}
	var list string
	view(t, db, as, func(tx *store.Tx) error {
		l, err := tx.DefaultList()
		list = l.ID
		return err
	})
	return as, list
}

func update(t testing.TB, db *store.DB, as store.As, fn func(*store.Tx) error) {
	t.Helper()
	if err := db.Update(t.Context(), as, fn); err != nil {
		t.Fatal(err)
	}
}

func view(t testing.TB, db *store.DB, as store.As, fn func(*store.Tx) error) {
	t.Helper()
	if err := db.View(t.Context(), as.User, fn); err != nil {
		t.Fatal(err)
	}
}

// fullTask is a task with every column and child set.
func fullTask(tx *store.Tx, list string) todo.Task {
	at := time.Date(2026, 11, 22, 10, 30, 0, 123456000, time.UTC)
	return todo.Task{
		ID: tx.NewID(), ListID: list, Title: "Milk", Status: todo.Completed, Importance: todo.High,
		Body: todo.Body{Content: "<p>two litres</p>", Type: todo.HTML}, Categories: []string{"Red", "a \"b\""},
		Created: tx.Now(), Modified: tx.Now(),
		Due:       todo.DateTime{At: at, Zone: "Europe/London"},
		Start:     todo.DateTime{At: at.Add(-time.Hour)},
		Completed: todo.DateTime{At: at.Add(time.Hour)},
		Reminder:  todo.DateTime{At: at.Add(time.Minute), Zone: "Pacific Standard Time"}, ReminderOn: true,
		Recurrence: &todo.Recurrence{
			Pattern: todo.Pattern{Type: todo.Weekly, Interval: 2, DaysOfWeek: []time.Weekday{time.Monday, time.Friday}, FirstDayOfWeek: time.Monday},
			Range:   todo.Range{Type: todo.Numbered, StartDate: todo.Date{Year: 2026, Month: 11, Day: 22}, NumberOfOccurrences: 4, TimeZone: "Europe/London"},
		},
		Occurrence: 3,
		ChecklistItems: []todo.ChecklistItem{
			{ID: tx.NewGUID(), Name: "one", Checked: true, CheckedAt: at, Created: at},
			{ID: tx.NewGUID(), Name: "two", Created: at},
		},
		LinkedResources: []todo.LinkedResource{
			{ID: tx.NewGUID(), ApplicationName: "Mail", DisplayName: "m", ExternalID: "x", WebURL: "https://example.org"},
			{ID: tx.NewGUID(), ApplicationName: "Chat"},
		},
	}
}

func TestTaskRoundTrip(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, db *store.DB) {
		as, list := addUser(t, db, "adele")
		var want todo.Task
		update(t, db, as, func(tx *store.Tx) error {
			want = fullTask(tx, list)
			return tx.InsertTask(&want)
		})
		check := func() {
			t.Helper()
			view(t, db, as, func(tx *store.Tx) error {
				got, err := tx.Task(list, want.ID)
				if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
					t.Errorf("Task (-want +got):\n%s", diff)
				}
				page, err2 := tx.QueryTasks(store.TaskQuery{List: list, Limit: 10})
				if diff := cmp.Diff([]todo.Task{want}, page, cmpopts.EquateEmpty()); diff != "" {
					t.Errorf("Tasks (-want +got):\n%s", diff)
				}
				return errors.Join(err, err2)
			})
		}
		check()
		// Everything optional goes away, and a step keeps its place.
		update(t, db, as, func(tx *store.Tx) error {
			old, err := tx.Task(list, want.ID)
			if err != nil {
				return err
			}
			want = todo.Task{
				ID: old.ID, ListID: list, Title: "Bread", Importance: todo.Low, Created: old.Created, Modified: tx.Now(), Occurrence: 1,
				ChecklistItems: []todo.ChecklistItem{old.ChecklistItems[1], {ID: tx.NewGUID(), Name: "three", Created: tx.Now()}},
			}
			want.ChecklistItems[0].Name = "zwei"
			return tx.UpdateTask(old, &want)
		})
		check()
	})
}

func TestMailboxesAreApart(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, db *store.DB) {
		adele, list := addUser(t, db, "adele")
		bob, _ := addUser(t, db, "bob")
		var task todo.Task
		link := todo.LinkedResource{ID: store.NewGUID(), ApplicationName: "Mail"}
		update(t, db, adele, func(tx *store.Tx) error {
			task = fullTask(tx, list)
			return errors.Join(tx.InsertTask(&task), tx.PutLinkedResource(link))
		})
		err := db.Update(t.Context(), bob, func(tx *store.Tx) error {
			for name, err := range map[string]error{
				"List":           second(tx.List(list)),
				"Task":           second(tx.Task(list, task.ID)),
				"Tasks":          second(tx.QueryTasks(store.TaskQuery{List: list, Limit: 10})),
				"DeleteTask":     tx.DeleteTask(list, task.ID),
				"InsertTask":     tx.InsertTask(&todo.Task{ID: tx.NewID(), ListID: list, Title: "x"}),
				"LinkedResource": second(tx.LinkedResource(link.ID)),
				"held link":      second(tx.LinkedResource(task.LinkedResources[0].ID)),
			} {
				if !errors.Is(err, todo.ErrNotFound) {
					t.Errorf("%s of another mailbox: %v, want ErrNotFound", name, err)
				}
			}
			links, err := tx.LinkedResources(0, 10)
			if len(links) != 0 {
				t.Errorf("LinkedResources of another mailbox: %v", links)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		view(t, db, adele, func(tx *store.Tx) error { return second(tx.Task(list, task.ID)) })
	})
}

func second[T any](_ T, err error) error { return err }

func TestFailedUpdateChangesNothing(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, db *store.DB) {
		as, list := addUser(t, db, "adele")
		before := snapshot(t, db, as, list)
		broken := errors.New("broken")
		for name, fail := range map[string]func() error{
			"error": func() error { return broken },
			"panic": func() error { panic("broken") },
		} {
			err := db.Update(t.Context(), as, func(tx *store.Tx) error {
				task := fullTask(tx, list)
				if err := tx.InsertTask(&task); err != nil {
					return err
				}
				return fail()
			})
			if err == nil || !strings.Contains(err.Error(), "broken") {
				t.Errorf("%s: Update gave %v", name, err)
			}
		}
		if diff := cmp.Diff(before, snapshot(t, db, as, list)); diff != "" {
			t.Errorf("a failed update left (-before +after):\n%s", diff)
		}
	})
}

// state is all that a client can see of a mailbox.
type state struct {
	Lists   []todo.TaskList
	Tasks   []todo.Task
	Changes []store.Change
}

func snapshot(t testing.TB, db *store.DB, as store.As, list string) (s state) {
	t.Helper()
	view(t, db, as, func(tx *store.Tx) (err error) {
		var errs [4]error
		s.Lists, errs[0] = tx.Lists(0, 1000)
		s.Tasks, errs[1] = tx.QueryTasks(store.TaskQuery{List: list, Limit: 100_000})
		var lists []store.Change
		lists, errs[2] = tx.Changes(store.ListChange, "", 0, 100_000)
		s.Changes, errs[3] = tx.Changes(store.TaskChange, "", 0, 100_000)
		s.Changes = append(lists, s.Changes...)
		slices.SortFunc(s.Changes, func(a, b store.Change) int { return int(a.Version - b.Version) })
		return errors.Join(errs[:]...)
	})
	return s
}

// TestConcurrentWrites has many writers of many mailboxes, some of whose writes
// fail, and looks whether each mailbox ends with exactly what was acknowledged,
// under versions without gaps or doubles.
func TestConcurrentWrites(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, db *store.DB) {
		const writers, writes = 16, 60
		type mailbox struct {
			as   store.As
			list string
			mu   sync.Mutex
			want map[string]string
		}
		boxes := make([]*mailbox, 4)
		for i := range boxes {
			as, list := addUser(t, db, fmt.Sprint("user", i))
			boxes[i] = &mailbox{as: as, list: list, want: map[string]string{}}
		}
		var wg sync.WaitGroup
		for w := range writers {
			wg.Go(func() {
				r := rand.New(rand.NewPCG(1, uint64(w)))
				for n := range writes {
					m := boxes[r.IntN(len(boxes))]
					title, fail := fmt.Sprintf("%d-%d", w, n), r.IntN(4) == 0
					var id string
					err := db.Update(t.Context(), m.as, func(tx *store.Tx) error {
						task := todo.Task{ID: tx.NewID(), ListID: m.list, Title: title, Created: tx.Now(), Modified: tx.Now()}
						id = task.ID
						if err := tx.InsertTask(&task); err != nil || !fail {
							return err
						}
						return context.Canceled
					})
					if (err != nil) != fail {
						t.Errorf("write %s: %v", title, err)
					}
					if err == nil {
						m.mu.Lock()
						m.want[id] = title
						m.mu.Unlock()
					}
				}
			})
		}
		wg.Wait()
		for _, m := range boxes {
			s := snapshot(t, db, m.as, m.list)
			got := map[string]string{}
			for _, task := range s.Tasks {
				got[task.ID] = task.Title
			}
			if diff := cmp.Diff(m.want, got); diff != "" {
				t.Errorf("acknowledged and stored differ (-acknowledged +stored):\n%s", diff)
			}
			for i, c := range s.Changes {
				if c.Version != int64(i+1) {
					t.Fatalf("change %d has version %d", i, c.Version)
				}
			}
			if len(s.Changes) != len(s.Tasks)+1 {
				t.Errorf("%d changes for %d tasks and a list", len(s.Changes), len(s.Tasks))
			}
		}
	})
}

// TestRandomHistory applies a random history of aggregate writes to the store
// and to a plain map, and compares after every step; on PostgreSQL after some.
func TestRandomHistory(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, db *store.DB) {
		as, list := addUser(t, db, "adele")
		r := rand.New(rand.NewPCG(7, 7))
		model := map[string]todo.Task{}
		rules := todo.LinkRules{}
		const steps = 400
		every := steps / fewer(t, steps, 20)
		for step := range steps {
			update(t, db, as, func(tx *store.Tx) error {
				ids := make([]string, 0, len(model))
				for id := range model {
					ids = append(ids, id)
				}
				slices.Sort(ids)
				if len(ids) == 0 || r.IntN(5) == 0 {
					task := fullTask(tx, list)
					model[task.ID] = task
					err := tx.InsertTask(&task)
					model[task.ID] = task
					return err
				}
				id := ids[r.IntN(len(ids))]
				if r.IntN(8) == 0 {
					delete(model, id)
					return tx.DeleteTask(list, id)
				}
				old, err := tx.Task(list, id)
				if err != nil {
					return err
				}
				next := randomChange(t, tx, r, rules, old)
				if err := tx.UpdateTask(old, &next); err != nil {
					return err
				}
				model[id] = next
				return nil
			})
			if step%every != every-1 {
				continue
			}
			got := map[string]todo.Task{}
			for _, task := range snapshot(t, db, as, list).Tasks {
				got[task.ID] = task
			}
			if diff := cmp.Diff(model, got, cmpopts.EquateEmpty()); diff != "" {
				t.Fatalf("after step %d (-model +store):\n%s", step, diff)
			}
		}
	})
}

// randomChange changes a child or the title of a task.
func randomChange(t *testing.T, tx *store.Tx, r *rand.Rand, rules todo.LinkRules, task todo.Task) todo.Task {
	t.Helper()
	var next todo.Task
	var err error
	switch n := r.IntN(6); {
	case n == 0 && len(task.ChecklistItems) > 0:
		next, err = task.DeleteChecklistItem(task.ChecklistItems[r.IntN(len(task.ChecklistItems))].ID, tx.Now())
	case n == 1 && len(task.ChecklistItems) > 0:
		next, err = task.PatchChecklistItem(task.ChecklistItems[r.IntN(len(task.ChecklistItems))].ID,
			todo.ChecklistItemPatch{IsChecked: todo.Some(r.IntN(2) == 0)}, tx.Now())
	case n == 2:
		next, err = task.AddChecklistItem(tx.NewGUID(), todo.ChecklistItemPatch{DisplayName: todo.Some("step")}, false, tx.Now())
	case n == 3 && len(task.LinkedResources) > 0:
		next, err = task.DeleteLinkedResource(task.LinkedResources[r.IntN(len(task.LinkedResources))].ID, tx.Now())
	case n == 4:
		var l todo.LinkedResource
		if l, err = rules.NewLinkedResource(tx.NewGUID(), todo.LinkedResourcePatch{ApplicationName: todo.Some("a")}); err == nil {
			next, err = rules.AddLinkedResource(task, l, tx.Now())
		}
	default:
		next, _, err = task.Apply(todo.TaskPatch{Title: todo.Some(fmt.Sprint("title ", r.IntN(1000)))}, tx.Now(), tx)
	}
	if err != nil {
		t.Fatal(err)
	}
	return next
}

func TestDeletedListTakesItsTasksAlong(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, db *store.DB) {
		as, _ := addUser(t, db, "adele")
		var task todo.Task
		l := todo.TaskList{Name: "Travel", Modified: time.Now().UTC()}
		update(t, db, as, func(tx *store.Tx) error {
			l.ID = tx.NewID()
			if err := tx.InsertList(&l); err != nil {
				return err
			}
			task = fullTask(tx, l.ID)
			return tx.InsertTask(&task)
		})
		update(t, db, as, func(tx *store.Tx) error { return tx.DeleteList(l) })
		view(t, db, as, func(tx *store.Tx) error {
			if err := second(tx.Task(l.ID, task.ID)); !errors.Is(err, todo.ErrNotFound) {
				t.Errorf("task of a deleted list: %v", err)
			}
			if err := second(tx.LinkedResource(task.LinkedResources[0].ID)); !errors.Is(err, todo.ErrNotFound) {
				t.Errorf("linked resource of a deleted list: %v", err)
			}
			return nil
		})
	})
}

func TestTaskOfAnotherListIsNotMissing(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, db *store.DB) {
		as, list := addUser(t, db, "adele")
		var task todo.Task
		l := todo.TaskList{Name: "Travel", Modified: time.Now().UTC()}
		update(t, db, as, func(tx *store.Tx) error {
			l.ID = tx.NewID()
			task = fullTask(tx, list)
			return errors.Join(tx.InsertList(&l), tx.InsertTask(&task))
		})
		view(t, db, as, func(tx *store.Tx) error {
			e, ok := errors.AsType[*todo.Error](second(tx.Task(l.ID, task.ID)))
			if !ok || e.Kind != todo.WrongList {
				t.Errorf("a task asked for in another list: %v, want the kind WrongList", e)
			}
			return nil
		})
	})
}

func TestUsers(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, db *store.DB) {
		adele, _ := addUser(t, db, "Adele@example.org")
		addUser(t, db, "bob@example.org")
		for _, name := range []string{adele.User, strings.ToUpper(adele.User), "adele@EXAMPLE.org"} {
			if u, err := db.User(t.Context(), name); err != nil || u.ID != adele.User {
				t.Errorf("User(%s) = %v, %v", name, u.ID, err)
			}
		}
		for _, name := range []string{"carol@example.org", store.NewGUID(), ""} {
			if e, ok := errors.AsType[*todo.Error](second(db.User(t.Context(), name))); !ok || e.Kind != todo.NoSuchUser {
				t.Errorf("User(%q): %v, want the kind NoSuchUser", name, e)
			}
		}
		u, err := todo.NewUser(store.NewGUID(), "ADELE@example.org", "", "", time.Now())
		if err != nil {
			t.Fatal(err)
		}
		if e, ok := errors.AsType[*todo.Error](db.AddUser(t.Context(), u, "")); !ok || e.Kind != todo.Conflict {
			t.Errorf("AddUser of a taken name: %v, want the kind Conflict", e)
		}
		users, err := db.Users(t.Context(), 0, 10)
		if err != nil || len(users) != 2 || users[0].UserPrincipalName != "Adele@example.org" {
			t.Errorf("Users = %v, %v", users, err)
		}
		update(t, db, adele, func(tx *store.Tx) error {
			owner, err := tx.Owner()
			if err != nil {
				return err
			}
			owner.Surname, owner.BusinessPhones = "Vance", []string{"1"}
			return tx.UpdateUser(owner)
		})
		if u, err := db.User(t.Context(), adele.User); err != nil || u.Surname != "Vance" || len(u.BusinessPhones) != 1 {
			t.Errorf("after UpdateUser: %v, %v", u, err)
		}
	})
}

func TestClosedDatabase(t *testing.T) {
	t.Parallel()
	db, err := store.Open(t.Context(), filepath.Join(t.TempDir(), "duly.db"), time.Now)
	if err != nil {
		t.Fatal(err)
	}
	as, _ := addUser(t, db, "adele")
	if err := errors.Join(db.Close(), db.Close()); err != nil {
		t.Fatal(err)
	}
	nothing := func(*store.Tx) error { return nil }
	for name, err := range map[string]error{
		"Update": db.Update(context.Background(), as, nothing),
		"View":   db.View(context.Background(), as.User, nothing),
	} {
		if !errors.Is(err, store.ErrClosed) {
			t.Errorf("%s after Close: %v, want ErrClosed", name, err)
		}
	}
}

func TestReopen(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "duly.db")
	db, err := store.Open(t.Context(), path, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	as, list := addUser(t, db, "adele")
	update(t, db, as, func(tx *store.Tx) error {
		task := fullTask(tx, list)
		return tx.InsertTask(&task)
	})
	want := snapshot(t, db, as, list)
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, snapshot(t, open(t, path), as, list)); diff != "" {
		t.Errorf("after reopening (-before +after):\n%s", diff)
	}
}

func TestReadersDoNotWrite(t *testing.T) {
	t.Parallel()
	db := open(t, filepath.Join(t.TempDir(), "duly.db"))
	as, list := addUser(t, db, "adele")
	err := db.View(t.Context(), as.User, func(tx *store.Tx) error { return tx.DeleteList(todo.TaskList{ID: list}) })
	if err == nil {
		t.Error("a View wrote")
	}
	view(t, db, as, func(tx *store.Tx) error { return second(tx.List(list)) })
}

func TestIDs(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	db, err := store.Open(t.Context(), store.Memory, func() time.Time { now = now.Add(time.Microsecond); return now })
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	var ids []string
	for range 5000 {
		if err := db.View(t.Context(), "", func(tx *store.Tx) error { ids = append(ids, tx.NewID()); return nil }); err != nil {
			t.Fatal(err)
		}
	}
	if !slices.IsSorted(ids) {
		t.Error("ids do not sort by their time of creation")
	}
	for _, id := range ids {
		if !store.ValidID(id) {
			t.Fatalf("ValidID(%s) is false", id)
		}
	}
	for _, bad := range []string{"", "Tasks", ids[0][:23], ids[0] + "=", strings.Repeat("a", 24), "../../etc/passwd0000000=", "é" + ids[0][2:]} {
		if store.ValidID(bad) {
			t.Errorf("ValidID(%q) is true", bad)
		}
	}
	for guid, want := range map[string]bool{
		store.NewGUID(): true, strings.ToUpper(store.NewGUID()): true, "": false, strings.Repeat("-", 36): false,
		strings.Replace(store.NewGUID(), "-", "x", 1): false,
	} {
		if store.ValidGUID(guid) != want {
			t.Errorf("ValidGUID(%q) is %v", guid, !want)
		}
	}
}
