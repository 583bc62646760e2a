package store_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/duly-todo/duly/internal/odata"
	"github.com/duly-todo/duly/internal/odata/odatatest"
	"github.com/duly-todo/duly/internal/store"
	"github.com/duly-todo/duly/internal/todo"
)

// nastyTasks fills a list with tasks whose values are made to trip filters up.
func nastyTasks(t testing.TB, db *store.DB, as store.As, list string, r *rand.Rand, n int) []todo.Task {
	t.Helper()
	maybe := func(d todo.DateTime) todo.DateTime {
		if r.IntN(3) == 0 {
			return todo.DateTime{}
		}
		return d
	}
	when := func() todo.DateTime {
		return todo.DateTime{At: odatatest.RandomTime(r).UTC().Truncate(time.Microsecond)}
	}
	var tasks []todo.Task
	for range n {
		update(t, db, as, func(tx *store.Tx) error {
			task := todo.Task{
				ID: tx.NewID(), ListID: list, Title: odatatest.RandomText(r), Status: todo.Status(r.IntN(5)), Importance: todo.Importance(r.IntN(3)),
				Body: todo.Body{Content: odatatest.RandomText(r), Type: todo.BodyType(r.IntN(2))}, Created: tx.Now(), Modified: when().At,
				Due: maybe(when()), Start: maybe(when()), Completed: maybe(when()), Reminder: maybe(when()), ReminderOn: r.IntN(2) == 0,
			}
			for range r.IntN(3) {
				task.Categories = append(task.Categories, odatatest.RandomText(r))
				step := todo.ChecklistItem{ID: tx.NewGUID(), Name: odatatest.RandomText(r), Created: when().At}
				if r.IntN(2) == 0 {
					step.Checked, step.CheckedAt = true, when().At
				}
				task.ChecklistItems = append(task.ChecklistItems, step)
				task.LinkedResources = append(task.LinkedResources, todo.LinkedResource{
					ID: tx.NewGUID(), ApplicationName: odatatest.RandomText(r), DisplayName: odatatest.RandomText(r), ExternalID: odatatest.RandomText(r),
				})
			}
			if r.IntN(4) == 0 {
				task.Extensions = []todo.Extension{{Name: "com.example." + fmt.Sprint(r.IntN(3)), Data: "{}"}}
			}
			if err := tx.InsertTask(&task); err != nil {
				return err
			}
			tasks = append(tasks, task)
			return nil
		})
	}
	return tasks
}

// TestFiltersAgree compares, for thousands of random filters over nasty tasks,
// what the store selects with what odata.Eval says of each task.
func TestFiltersAgree(t *testing.T) {
	t.Parallel()
	eachDatabase(t, testFiltersAgree)
}

func testFiltersAgree(t *testing.T, db *store.DB) {
	filters := fewer(t, 800, 400)
	as, list := addUser(t, db, "adele")
	r := rand.New(rand.NewPCG(20, 26))
	tasks := nastyTasks(t, db, as, list, r, 80)
	compiled, selected := 0, 0
	for range filters {
		filter := odata.Bind(odatatest.RandomFilter(r, store.TaskSchema()), time.Now())
		var want []string
		for i := range tasks {
			if odata.Eval(filter, store.TaskRow(&tasks[i])) {
				want = append(want, tasks[i].ID)
			}
		}
		slices.Reverse(want) // the newest first
		view(t, db, as, func(tx *store.Tx) error {
			got, err := tx.QueryTasks(store.TaskQuery{List: list, Filter: filter, Limit: 1000})
			if err != nil {
				return fmt.Errorf("%s: %w", odata.Print(filter), err)
			}
			if diff := cmp.Diff(want, idsOf(got)); diff != "" {
				return fmt.Errorf("%s (-eval +store):\n%s", odata.Print(filter), diff)
			}
			n, err := tx.CountTasks(store.TaskQuery{List: list, Filter: filter})
			if n != len(want) || err != nil {
				return fmt.Errorf("%s: count %d, %v; want %d", odata.Print(filter), n, err, len(want))
			}
			return nil
		})
		if db.InSQL(filter) {
			compiled++
		}
		selected += len(want)
	}
	t.Logf("%d filters over %d tasks agree; %d are SQL as a whole; %.1f tasks selected on average", filters, len(tasks), compiled, float64(selected)/float64(filters))
	if compiled < filters/20 {
		t.Errorf("only %d of %d filters were SQL as a whole", compiled, filters)
	}
}

func idsOf(tasks []todo.Task) (ids []string) {
	for _, t := range tasks {
		ids = append(ids, t.ID)
	}
	return ids
}

// TestOrdersAndPages compares random orders, cut into pages by cursors, with a
// sort in memory.
func TestOrdersAndPages(t *testing.T) {
	t.Parallel()
	eachDatabase(t, testOrdersAndPages)
}

func testOrdersAndPages(t *testing.T, db *store.DB) {
	as, list := addUser(t, db, "adele")
	r := rand.New(rand.NewPCG(3, 3))
	nastyTasks(t, db, as, list, r, 60)
	keys := strings.Fields("title status importance isReminderOn createdDateTime lastModifiedDateTime dueDateTime/dateTime startDateTime/dateTime completedDateTime/dateTime reminderDateTime/dateTime body/content body/contentType hasAttachments id dueDateTime/timeZone")
	for range fewer(t, 300, 100) {
		var parts []string
		for range 1 + r.IntN(3) {
			parts = append(parts, keys[r.IntN(len(keys))]+[]string{"", " asc", " desc"}[r.IntN(3)])
		}
		text := strings.Join(parts, ",")
		orderBy, err := odata.ParseOrderBy(text, store.TaskSchema())
		if err != nil {
			t.Fatal(err)
		}
		view(t, db, as, func(tx *store.Tx) error {
			all, err := tx.QueryTasks(store.TaskQuery{List: list, OrderBy: orderBy, Limit: 1000})
			if err != nil {
				return err
			}
			for i := 1; i < len(all); i++ {
				if before(&all[i], &all[i-1], orderBy) {
					return fmt.Errorf("%s: %q comes after %q", text, all[i].Title, all[i-1].Title)
				}
			}
			var paged []todo.Task
			size := 1 + r.IntN(20)
			for after := (*store.Cursor)(nil); ; {
				page, err := tx.QueryTasks(store.TaskQuery{List: list, OrderBy: orderBy, After: after, Limit: size})
				if err != nil {
					return err
				}
				if len(page) == 0 {
					break
				}
				paged = append(paged, page...)
				after = store.CursorOf(&page[len(page)-1], orderBy)
			}
			if diff := cmp.Diff(idsOf(all), idsOf(paged)); diff != "" {
				return fmt.Errorf("%s in pages of %d (-whole +pages):\n%s", text, size, diff)
			}
			return nil
		})
	}
}

// before says whether a must come before b: by the first key that differs.
func before(a, b *todo.Task, orderBy []odata.Order) bool {
	for _, key := range orderBy {
		x, y := store.TaskRow(a).Value(key.Path), store.TaskRow(b).Value(key.Path)
		c := 0
		switch {
		case x.IsNull() || y.IsNull():
			c = map[bool]int{true: 0, false: 1}[x.IsNull()] - map[bool]int{true: 0, false: 1}[y.IsNull()]
		case key.Path == "id": // ids have case
			c = strings.Compare(x.Text, y.Text)
		case x.Type == odata.String:
			c = strings.Compare(odata.Fold(x.Text), odata.Fold(y.Text))
		default:
			c = int(max(-1, min(1, x.Int-y.Int)))
			if x.Int > y.Int {
				c = 1
			} else if x.Int < y.Int {
				c = -1
			}
		}
		if c != 0 {
			return (c < 0) != key.Desc
		}
	}
	return false
}
