package store

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/duly-todo/duly/internal/odata"
	"github.com/duly-todo/duly/internal/pgtest"
)

// TestPlans looks at how the databases read the hottest queries: in the order of a
// key or an index, never by walking the table or sorting it.
func TestPlans(t *testing.T) {
	t.Parallel()
	for _, database := range []struct {
		name, explain string
		dsn           func(t *testing.T) string
		column        int // that holds the plan
		primary, open string
	}{
		{"sqlite", "EXPLAIN QUERY PLAN ", func(t *testing.T) string { return filepath.Join(t.TempDir(), "duly.db") }, 3, // of id, parent, notused and detail
			"SEARCH t USING PRIMARY KEY (user_id=? AND list_id=?%s)", "SEARCH t USING INDEX tasks_open (user_id=? AND list_id=?%s)"},
		{"postgres", "EXPLAIN (COSTS OFF) ", func(t *testing.T) string { return pgtest.DSN(t) + "&enable_seqscan=off&enable_bitmapscan=off" }, 0, // the tables are empty
			"Limit; ->  Index Scan%s using tasks_pkey on tasks t; Index Cond: %s", "Limit; ->  Index Scan%s using tasks_open on tasks t; Index Cond: %s"},
	} {
		t.Run(database.name, func(t *testing.T) {
			t.Parallel()
			db, err := Open(t.Context(), database.dsn(t), time.Now)
			if err != nil {
				t.Fatal(err)
			}
			defer db.Close()
			for _, c := range []struct {
				name, filter, orderBy string
				after                 *Cursor
				open                  bool
			}{
				{"page", "", "", nil, false},
				{"page by creation", "", "createdDateTime desc", nil, false},
				{"next page", "", "", &Cursor{ID: "x"}, false},
				{"open tasks", "status ne 'completed'", "", nil, true},
				{"open tasks by creation", "status ne 'completed' and contains(title,'x')", "createdDateTime", nil, true},
				{"next open tasks", "status ne 'completed'", "", &Cursor{ID: "x"}, true},
			} {
				want, condition, direction := database.primary, "", " Backward"
				if c.open {
					want = database.open
				}
				if c.after != nil {
					condition = " AND task_id<?"
				}
				if c.orderBy == "createdDateTime" {
					direction = ""
				}
				if database.name == "postgres" {
					condition = "((user_id = 'u'::text) AND (list_id = 'l'::text)" + strings.Replace(condition, "task_id<?", "(task_id < 'x'::text)", 1) + ")"
					want = fmt.Sprintf(want, direction, condition)
				} else {
					want = fmt.Sprintf(want, condition)
				}
				got := planOf(t, db, database.explain, database.column, c.filter, c.orderBy, c.after)
				if got, _, _ = strings.Cut(got, "; Filter: "); got != want { // what the index leaves to be looked at
					t.Errorf("%s: %s, want %s", c.name, got, want)
				}
			}
		})
	}
}

// planOf is the plan of a query of a list, its lines separated by semicolons.
func planOf(t *testing.T, db *DB, explain string, column int, filterText, orderText string, after *Cursor) string {
	t.Helper()
	var filter odata.Expr
	var err error
	if filterText != "" {
		if filter, err = odata.ParseFilter(filterText, TaskSchema(), nil); err != nil {
			t.Fatal(err)
		}
	}
	orderBy, err := odata.ParseOrderBy(orderText, TaskSchema())
	if err != nil {
		t.Fatal(err)
	}
	var plan []string
	err = db.View(t.Context(), "u", func(tx *Tx) error {
		where, _ := compileFilter(tx.dialect(), filter)
		order := newTaskOrder(tx.dialect(), orderBy)
		from, args := tx.from(TaskQuery{List: "l", Filter: filter})
		sql := explain + `SELECT ` + columnsOfT() + ` FROM ` + from + ` AND ` + where.sql
		args = append(args, where.args...)
		if after != nil {
			place := order.after(after)
			sql, args = sql+" AND ("+place.sql+")", append(args, place.args...)
		}
		return tx.conn.query(sql+` ORDER BY `+order.sql()+` LIMIT 50`, func(r *row) error {
			r.next = column
			plan = append(plan, strings.TrimSpace(r.text()))
			return nil
		}, args...)
	})
	if err != nil {
		t.Fatal(err)
	}
	return strings.Join(plan, "; ")
}
