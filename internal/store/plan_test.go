package store

import (
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/duly-todo/duly/internal/odata"
)

// TestPlans looks at how SQLite reads the hottest queries: in the order of a key
// or an index, never by walking the table or sorting it.
func TestPlans(t *testing.T) {
	t.Parallel()
	db, err := Open(t.Context(), filepath.Join(t.TempDir(), "duly.db"), time.Now)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	for _, c := range []struct {
		name, filter, orderBy string
		after                 *Cursor
		want                  string
	}{
		{"page", "", "", nil, "SEARCH t USING PRIMARY KEY (user_id=? AND list_id=?)"},
		{"page by creation", "", "createdDateTime desc", nil, "SEARCH t USING PRIMARY KEY (user_id=? AND list_id=?)"},
		{"next page", "", "", &Cursor{ID: "x"}, "SEARCH t USING PRIMARY KEY (user_id=? AND list_id=? AND task_id<?)"},
		{"open tasks", "status ne 'completed'", "", nil, "SEARCH t USING INDEX tasks_open (user_id=? AND list_id=?)"},
		{"open tasks by creation", "status ne 'completed' and contains(title,'x')", "createdDateTime", nil, "SEARCH t USING INDEX tasks_open (user_id=? AND list_id=?)"},
		{"next open tasks", "status ne 'completed'", "", &Cursor{ID: "x"}, "SEARCH t USING INDEX tasks_open (user_id=? AND list_id=? AND task_id<?)"},
	} {
		var filter odata.Expr
		if c.filter != "" {
			if filter, err = odata.ParseFilter(c.filter, TaskSchema(), nil); err != nil {
				t.Fatal(err)
			}
		}
		orderBy, err := odata.ParseOrderBy(c.orderBy, TaskSchema())
		if err != nil {
			t.Fatal(err)
		}
		where, _ := compileFilter(sqliteDialect(), filter)
		order := newTaskOrder(sqliteDialect(), orderBy)
		var plan []string
		err = db.View(t.Context(), "u", func(tx *Tx) error {
			from, args := tx.from(TaskQuery{List: "l", Filter: filter})
			sql := `EXPLAIN QUERY PLAN SELECT ` + taskColumnsOf("t") + ` FROM ` + from + ` AND ` + where.sql
			args = append(args, where.args...)
			if c.after != nil {
				place := order.after(c.after)
				sql, args = sql+" AND ("+place.sql+")", append(args, place.args...)
			}
			return tx.conn.query(sql+` ORDER BY `+order.sql()+` LIMIT 50`, func(r *row) error {
				r.next = 3 // of id, parent, notused and detail
				plan = append(plan, r.text())
				return nil
			}, args...)
		})
		if err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
		if got := strings.Join(plan, "; "); got != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
	}
}
