package store_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/duly-todo/duly/internal/odata"
	"github.com/duly-todo/duly/internal/store"
	"github.com/duly-todo/duly/internal/todo"
)

// longTasks makes tasks whose bodies have as many bytes as one may have.
func longTasks(t testing.TB, db *store.DB, as store.As, list string, n int) {
	t.Helper()
	body := todo.Body{Content: strings.Repeat("Buy two litres of milk, ", todo.MaxBody/24)}
	for range n {
		update(t, db, as, func(tx *store.Tx) error {
			return tx.InsertTask(&todo.Task{ID: tx.NewID(), ListID: list, Title: "Milk", Body: body, Created: tx.Now(), Modified: tx.Now()})
		})
	}
}

// hostileFilters cost as much as a filter can.
func hostileFilters() map[string]string {
	many := func(format, by string, n int) string {
		terms := make([]string, n)
		for i := range terms {
			terms[i] = fmt.Sprintf(format, i)
		}
		return strings.Join(terms, by)
	}
	return map[string]string{
		"contains":          many("contains(body/content,'z%d')", " or ", 300),
		"contains, trimmed": many("contains(trim(body/content),'z%d')", " or ", 200),
		"pattern":           `matchesPattern(body/content,'(\pL{1,9}){9}!')`,
		"small patterns":    many("matchesPattern(body/content,'(a?){9}z%d')", " or ", 200),
		"concat":            "length(" + strings.Repeat("concat(body/content,", 60) + "'x'" + strings.Repeat(")", 60) + ") eq 1",
	}
}

// BenchmarkHostileFilter reads a list of 200 tasks of a mebibyte each.
func BenchmarkHostileFilter(b *testing.B) {
	db := open(b, b.TempDir()+"/tasks.db")
	as, list := addUser(b, db, "adele")
	longTasks(b, db, as, list, 200)
	filters := hostileFilters()
	filters["plain"] = "contains(body/content,'zebra')"
	filters["plain, evaluated"] = "contains(trim(body/content),'zebra')"
	for name, text := range filters {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				filter, err := odata.ParseFilter(text, store.TaskSchema(), nil)
				if err != nil {
					b.Skip(err)
				}
				start := time.Now()
				err = db.View(b.Context(), as.User, func(tx *store.Tx) error {
					_, err := tx.QueryTasks(store.TaskQuery{List: list, Filter: filter, Limit: 50})
					return err
				})
				b.Logf("%v: %v", time.Since(start), err)
			}
		})
	}
}

// TestHostileFilters wants filters refused whose work is out of proportion to the
// tasks, whether SQL could tell them or not, and plain ones told.
func TestHostileFilters(t *testing.T) {
	t.Parallel()
	db := open(t, store.Memory)
	as, list := addUser(t, db, "adele")
	longTasks(t, db, as, list, 8)
	steps := todo.Task{ListID: list, Title: "Steps"}
	for i := range todo.MaxChecklistItems {
		steps.ChecklistItems = append(steps.ChecklistItems, todo.ChecklistItem{ID: store.NewGUID(), Name: fmt.Sprint("Step ", i), Created: time.Unix(1, 0)})
	}
	update(t, db, as, func(tx *store.Tx) error {
		steps.ID, steps.Created, steps.Modified = tx.NewID(), tx.Now(), tx.Now()
		return tx.InsertTask(&steps)
	})
	filters := hostileFilters()
	delete(filters, "pattern") // is refused as such
	filters["any within any"] = "checklistItems/any(a:checklistItems/any(b:linkedResources/any() or a/displayName eq 'x' and b/displayName eq 'y'))"
	filters["in a count"] = filters["contains"]
	for name, text := range filters {
		t.Run(name, func(t *testing.T) {
			filter, err := odata.ParseFilter(text, store.TaskSchema(), nil)
			if err != nil {
				t.Fatal(err)
			}
			err = db.View(t.Context(), as.User, func(tx *store.Tx) error {
				q := store.TaskQuery{List: list, Filter: filter, Limit: 50}
				if name == "in a count" {
					_, err := tx.CountTasks(q)
					return err
				}
				_, err := tx.QueryTasks(q)
				return err
			})
			if e, ok := errors.AsType[*todo.Error](err); !ok || e.Kind != todo.BadRequest || e.Target != "$filter" {
				t.Errorf("%v", err)
			}
		})
	}
	for _, text := range []string{
		"contains(title,'z') or contains(body/content,'z') or contains(trim(body/content),'x')",
		"status ne 'completed' and checklistItems/any(s:s/displayName eq 'x') and matchesPattern(body/content,'^x.*(milk|bread)$')",
	} {
		filter, err := odata.ParseFilter(text, store.TaskSchema(), nil)
		if err != nil {
			t.Fatal(err)
		}
		view(t, db, as, func(tx *store.Tx) error {
			_, err := tx.QueryTasks(store.TaskQuery{List: list, Filter: filter, Limit: 50})
			return err
		})
	}
}
