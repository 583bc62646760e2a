package store

import (
	"slices"
	"strings"

	"github.com/duly-todo/duly/internal/odata"
	"github.com/duly-todo/duly/internal/todo"
)

// A TaskQuery asks for tasks of a mailbox.
type TaskQuery struct {
	List    string        // of this list; empty: of all lists
	Filter  odata.Expr    // nil: all
	Search  odata.Search  // nil: all
	OrderBy []odata.Order // empty: the newest first, of a search the best first
	After   *Cursor       // only what comes after it
	Skip    int
	Limit   int
	Bounded bool // ends early where EndsEarly says so: a thousand of the longest bodies are a gigabyte
}

// A Cursor is a place in the order of a query: that of a task which stood there,
// whatever has happened to it since.
type Cursor struct {
	Values []odata.Value `json:"v,omitempty"` // of the keys of the order; strings folded
	ID     string        `json:"i"`
}

// chunk is how many rows are read at a time where odata.Eval picks among them.
const chunk = 500

// QueryTasks returns the tasks that q asks for, with their children. The error is
// todo.ErrNotFound where the list is gone.
func (tx *Tx) QueryTasks(q TaskQuery) ([]todo.Task, error) {
	where, rest := compileFilter(tx.dialect(), tx.as.User, q.Filter)
	order := newTaskOrder(tx.dialect(), q.OrderBy)
	order.ranked = q.Search != nil && len(q.OrderBy) == 0
	if rest == nil {
		rows, _, err := tx.queryRows(q, where, order, q.After)
		if err == nil && len(rows) == 0 {
			err = tx.checkList(q.List)
		}
		if err != nil {
			return nil, err
		}
		return tx.loadChildren(q, order, rows)
	}
	var out []todo.Task
	after, skip, bytes := q.After, q.Skip, 0
	step := q
	step.Limit, step.Bounded = chunk, true
	for step.Skip = 0; ; {
		rows, early, err := tx.queryRows(step, where, order, after)
		if err == nil && len(rows) == 0 {
			err = tx.checkList(q.List)
		}
		if err != nil {
			return nil, err
		}
		tasks, err := tx.loadChildren(q, order, rows)
		if err != nil {
			return nil, err
		}
		for i := range tasks {
			if err := tx.ctx.Err(); err != nil {
				return nil, err
			}
			if ok, err := tx.Matches(rest, &tasks[i]); err != nil {
				return nil, err
			} else if !ok {
				continue
			}
			if skip > 0 {
				skip--
				continue
			}
			bytes += len(tasks[i].Body.Content)
			if out = append(out, tasks[i]); len(out) == q.Limit || q.Bounded && bytes > maxPageBytes {
				return out, nil
			}
		}
		if len(rows) < chunk && !early {
			return out, nil
		}
		if order.ranked {
			step.Skip += len(rows)
		} else {
			after = order.cursor(&tasks[len(tasks)-1])
		}
	}
}

// Matches says whether a filter is true of a task, which is what SQL could not
// tell, or what a caller asks of a task it has.
func (tx *Tx) Matches(e odata.Expr, t *todo.Task) (bool, error) {
	if Mentions(e, "extensions") && t.Extensions == nil {
		var err error
		if t.Extensions, err = tx.Extensions(t.ListID, t.ID); err != nil {
			return false, err
		}
		defer func() { t.Extensions = nil }()
	}
	if Mentions(e, "attachments") && t.Attachments == nil && t.HasAttachments {
		var err error
		if t.Attachments, err = tx.Attachments(t.ListID, t.ID); err != nil {
			return false, err
		}
		defer func() { t.Attachments = nil }()
	}
	return tx.work.Eval(e, TaskRow(t))
}

// MatchesList says whether a filter is true of a list.
func (tx *Tx) MatchesList(e odata.Expr, l *todo.TaskList) (bool, error) {
	if Mentions(e, "extensions") && l.Extensions == nil {
		var err error
		if l.Extensions, err = tx.Extensions(l.ID, ""); err != nil {
			return false, err
		}
		defer func() { l.Extensions = nil }()
	}
	return tx.work.Eval(e, ListRow(l))
}

// CountTasks counts the tasks that a query selects, on all its pages.
func (tx *Tx) CountTasks(q TaskQuery) (n int, err error) {
	where, rest := compileFilter(tx.dialect(), tx.as.User, q.Filter)
	if rest != nil { // in the order of the key, which needs no sorting
		q.OrderBy, q.After, q.Skip, q.Limit, q.Bounded = []odata.Order{{Path: "createdDateTime"}}, nil, 0, chunk, true
		for {
			tasks, err := tx.QueryTasks(q)
			if n += len(tasks); err != nil || len(tasks) < chunk && !EndsEarly(tasks) {
				return n, err
			}
			q.After = CursorOf(&tasks[len(tasks)-1], q.OrderBy)
		}
	}
	from, args := tx.from(q)
	err = tx.conn.query(`SELECT count(*) FROM `+from+` AND `+where.sql,
		func(r *row) error { n = int(r.int()); return nil }, append(args, where.args...)...)
	if err == nil && n == 0 {
		err = tx.checkList(q.List)
	}
	return n, err
}

// checkList returns todo.ErrNotFound for a list that is gone. It is asked where
// nothing was found: what was found is in a list that exists.
func (tx *Tx) checkList(list string) error {
	if list == "" {
		return nil
	}
	_, err := tx.List(list)
	return err
}

// from is what a query reads, with the conditions that keep it in the mailbox,
// in the list, and among what is searched for. On PostgreSQL its first parameter is
// the mailbox.
func (tx *Tx) from(q TaskQuery) (sql string, args []value) {
	sql = `tasks t WHERE `
	switch {
	case q.List != "" && q.Search == nil && wantsOpen(q.Filter):
		sql = `tasks t` + tx.dialect().openHint + ` WHERE `
	case q.Search != nil:
		sql, args = tx.dialect().search.from(tx, q.Search)
	}
	sql, args = sql+`t.user_id = ?`, append(args, text(tx.as.User))
	if q.List != "" {
		sql, args = sql+` AND t.list_id = ?`, append(args, text(q.List))
	}
	return sql, args
}

// wantsOpen says whether a filter, as a whole or as one of its terms, is
// status ne 'completed', which an index answers.
func wantsOpen(e odata.Expr) bool {
	if and, ok := e.(odata.And); ok {
		return slices.ContainsFunc(and.Terms, wantsOpen)
	}
	c, ok := e.(odata.Compare)
	if !ok || c.Op != odata.Ne {
		return false
	}
	p, isProp := c.L.(odata.Prop)
	l, isLiteral := c.R.(odata.Literal)
	return isProp && isLiteral && p.Var == "" && p.Path == "status" && l.Value.Type == odata.Enum && l.Value.Int == int64(todo.Completed)
}

func (tx *Tx) queryRows(q TaskQuery, where clause, order taskOrder, after *Cursor) ([]taskRow, bool, error) {
	from, args := tx.from(q)
	sql := from + ` AND ` + where.sql
	args = append(args, where.args...)
	if after != nil {
		c := order.after(after)
		sql += " AND (" + c.sql + ")"
		args = append(args, c.args...)
	}
	return tx.pageRows(q.Limit, q.Bounded, sql+` ORDER BY `+order.sql()+` LIMIT ?+0 OFFSET ?+0`, append(args, integer(int64(q.Limit)), integer(int64(q.Skip)))...)
}

// loadChildren reads the steps and linked resources of rows: of neighbours in
// the order of the key at once, of others one by one.
func (tx *Tx) loadChildren(q TaskQuery, order taskOrder, rows []taskRow) ([]todo.Task, error) {
	if q.List != "" && q.Filter == nil && q.Search == nil && len(order.keys) == 0 {
		if order.oldestFirst {
			slices.Reverse(rows)
			tasks, err := tx.withChildren(q.List, rows)
			slices.Reverse(tasks)
			return tasks, err
		}
		return tx.withChildren(q.List, rows)
	}
	return tx.eachWithChildren(rows)
}

// A taskOrder is the order of a query: its keys, and at the end the id, which
// makes it total. Ids begin with the time of creation, so that an order by
// createdDateTime is the order of the ids, and of the table.
type taskOrder struct {
	keys        []orderKey
	oldestFirst bool // by id
	ranked      bool // by how well a search fits: a word of the title counts most
	d           *dialect
}

type orderKey struct {
	path     string
	column   string
	desc     bool
	nullable bool
}

func newTaskOrder(d *dialect, orderBy []odata.Order) (o taskOrder) {
	o.d = d
	properties := theTables().tasks
	for _, key := range orderBy {
		if key.Path == "createdDateTime" || key.Path == "id" {
			o.oldestFirst = !key.Desc
			return o // no two tasks are equal beyond this
		}
		column := columnOf(properties, key.Path)
		if column == "" {
			continue // the same for all tasks
		}
		if key.Of.Type == odata.String {
			folded, ok := d.fold(column)
			if !ok {
				panic("store: " + d.name + " cannot order by " + key.Path)
			}
			column = folded
		}
		o.keys = append(o.keys, orderKey{key.Path, column, key.Desc, key.Of.Nullable})
	}
	return o
}

// sql is the order as ORDER BY has it: nulls first when ascending, last when
// descending, as OData says.
func (o taskOrder) sql() string {
	var b strings.Builder
	if o.ranked {
		b.WriteString(o.d.search.rank() + ", ")
	}
	for _, k := range o.keys {
		b.WriteString(k.column)
		switch {
		case k.desc && k.nullable:
			b.WriteString(" DESC NULLS LAST, ")
		case k.desc:
			b.WriteString(" DESC, ")
		case k.nullable:
			b.WriteString(" ASC NULLS FIRST, ")
		default:
			b.WriteString(" ASC, ")
		}
	}
	if o.oldestFirst {
		return b.String() + "t.task_id ASC"
	}
	return b.String() + "t.task_id DESC"
}

// CursorOf is the place of a task in an order.
func CursorOf(t *todo.Task, orderBy []odata.Order) *Cursor {
	return newTaskOrder(sqliteDialect(), orderBy).cursor(t) // the same in every dialect
}

func (o taskOrder) cursor(t *todo.Task) *Cursor {
	c := &Cursor{ID: t.ID}
	row := TaskRow(t)
	for _, k := range o.keys {
		v := row.Value(k.path)
		v.Text = odata.Fold(v.Text)
		c.Values = append(c.Values, v)
	}
	return c
}

// after is the condition for what comes after a place: for one key after the
// other, equal in those before it and beyond in this one. A cursor that does not
// fit the order is that of another query, and nothing comes after it.
func (o taskOrder) after(at *Cursor) clause {
	if len(at.Values) != len(o.keys) {
		return clause{sql: "FALSE"}
	}
	var terms []clause
	var equal []clause
	for i, k := range o.keys {
		v := at.Values[i]
		bound := keyValue(v)
		beyond := clause{k.column + " > ?", []value{bound}}
		switch {
		case v.IsNull() && k.desc:
			beyond = clause{sql: "FALSE"}
		case v.IsNull():
			beyond = clause{sql: k.column + " IS NOT NULL"}
		case k.desc && k.nullable:
			beyond = clause{k.column + " IS NULL OR " + k.column + " < ?", []value{bound}}
		case k.desc:
			beyond = clause{k.column + " < ?", []value{bound}}
		}
		terms = append(terms, joinClauses(append(slices.Clone(equal), beyond), " AND ", ""))
		if v.IsNull() {
			equal = append(equal, clause{sql: k.column + " IS NULL"})
		} else {
			equal = append(equal, clause{k.column + " = ?", []value{bound}})
		}
	}
	byID := clause{"t.task_id < ?", []value{text(at.ID)}}
	if o.oldestFirst {
		byID.sql = "t.task_id > ?"
	}
	return joinClauses(append(terms, joinClauses(append(slices.Clone(equal), byID), " AND ", "")), " OR ", "")
}

func keyValue(v odata.Value) value {
	if v.Type == odata.String {
		return text(v.Text)
	}
	return integer(v.Int)
}
