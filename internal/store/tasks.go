package store

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/duly-todo/duly/internal/todo"
)

const taskColumns = `list_id, task_id, version, created_version, title, status, importance, body, body_type, categories, created, modified,
	due, due_zone, start, start_zone, completed, reminder, reminder_zone, reminder_on, recurrence, occurrence,
	step_count, link_count, attachment_count, extension_count`

// taskRow is a row of tasks: the task, and how many children are to be read.
type taskRow struct {
	todo.Task
	steps, links int64
	places       places
	extended     bool // it has extensions
}

// scanTask reads the columns of selectTasks into t, which is zero.
func (tx *Tx) scanTask(r *row, t *taskRow) (err error) {
	t.ListID, t.ID, t.Version, t.Born, t.Title = r.text(), r.text(), r.int(), r.int(), r.text()
	t.Status, t.Importance = todo.Status(r.int()), todo.Importance(r.int())
	t.Body = todo.Body{Content: r.text(), Type: todo.BodyType(r.int())}
	if !r.null() {
		t.Categories, err = scanStrings(r.text())
	}
	t.Created, t.Modified = time.UnixMicro(r.int()).UTC(), time.UnixMicro(r.int()).UTC()
	t.Due, t.Start = scanDateTime(r), scanDateTime(r)
	if !r.null() {
		t.Completed.At = time.UnixMicro(r.int()).UTC()
	}
	t.Reminder, t.ReminderOn = scanDateTime(r), r.int() != 0
	if !r.null() && err == nil {
		t.Recurrence = new(todo.Recurrence)
		err = json.Unmarshal([]byte(r.text()), t.Recurrence)
	}
	t.Occurrence = int(r.int())
	t.steps, t.links, t.HasAttachments = r.int(), r.int(), r.int() > 0
	t.extended = r.int() > 0
	if tx.dialect().children != "" {
		err = errors.Join(err, t.scanChildren(r))
	}
	if err != nil {
		err = fmt.Errorf("the row of task %s is damaged: %w", t.ID, err)
	}
	return err
}

// scanStrings reads a JSON array of strings. Most need no more than to be cut.
func scanStrings(text string) (out []string, err error) {
	inner, ok := strings.CutPrefix(text, `["`)
	if ok {
		inner, ok = strings.CutSuffix(inner, `"]`)
	}
	if !ok || strings.Contains(inner, `\`) {
		err = json.Unmarshal([]byte(text), &out)
		return out, err
	}
	return strings.Split(inner, `","`), nil
}

// scanDateTime reads a time and the zone beside it.
func scanDateTime(r *row) (d todo.DateTime) {
	if !r.null() {
		d.At = time.UnixMicro(r.int()).UTC()
	}
	if !r.null() {
		d.Zone = r.text()
	}
	return d
}

// Task returns the task id of a list with its steps and linked resources. The
// error is todo.ErrNotFound where the list or the task is gone, and of the kind
// todo.WrongList where another list holds it.
func (tx *Tx) Task(list, id string, parts ...Part) (todo.Task, error) {
	var t taskRow
	q, args := tx.selectTasks(`tasks t WHERE t.user_id = ? AND t.list_id = ? AND t.task_id = ?`, text(tx.as.User), text(list), text(id))
	row := statement{q, func(r *row) error { t = taskRow{}; return tx.scanTask(r, &t) }, args}
	var err error
	if len(parts) == 0 {
		err = tx.conn.query(row.q, row.each, row.args...)
	} else {
		err = tx.conn.queryAll(tx.with(row, parts, list, id))
	}
	tx.places = t.places
	if t.ID != "" {
		tx.inList, tx.plain = list, ""
		if !t.extended {
			tx.plain = id
		}
	}
	if err == nil && t.ID == "" {
		err = tx.explainMissing(list, id)
	}
	if err == nil {
		err = tx.conn.queryAll(tx.ownChildren(nil, &t.Task, t))
	}
	return t.Task, err
}

// explainMissing tells a task that is gone from one in another list: some
// clients delete their own copy on a 404.
func (tx *Tx) explainMissing(list, id string) error {
	if _, err := tx.List(list); err != nil {
		return err
	}
	err := todo.ErrNotFound
	qerr := tx.conn.query(`SELECT 1 FROM tasks WHERE user_id = ? AND list_id IN (SELECT list_id FROM lists WHERE user_id = ?) AND task_id = ?`,
		func(*row) error {
			err = todo.Errorf(todo.WrongList, "", "Parent folder specified does not contain a Task with given Id")
			return nil
		}, text(tx.as.User), text(tx.as.User), text(id))
	if qerr != nil {
		return qerr
	}
	return err
}

// TasksAfter returns at most limit tasks of a list whose ids come after an id,
// in the order of their ids.
func (tx *Tx) TasksAfter(list, after string, limit int) ([]todo.Task, error) {
	rows, err := tx.taskRows(limit, `tasks t WHERE t.user_id = ? AND t.list_id = ? AND t.task_id > ? ORDER BY t.task_id LIMIT ?+0`,
		text(tx.as.User), text(list), text(after), integer(int64(limit)))
	if err != nil {
		return nil, err
	}
	slices.Reverse(rows)
	tasks, err := tx.withChildren(list, rows)
	slices.Reverse(tasks)
	return tasks, err
}

// ChangedTasks returns the tasks of a list whose last change has a version after
// one and up to another, in no order.
func (tx *Tx) ChangedTasks(list string, after, upTo int64) ([]todo.Task, error) {
	rows, err := tx.taskRows(0, `changes c JOIN tasks t
		ON t.user_id = c.user_id AND t.list_id = c.list_id AND t.task_id = c.item_id AND t.version = c.version
		WHERE c.user_id = ? AND c.version > ? AND c.version <= ? AND c.kind = ? AND c.list_id = ?`,
		text(tx.as.User), integer(after), integer(upTo), integer(int64(TaskChange)), text(list))
	if err != nil {
		return nil, err
	}
	return tx.eachWithChildren(rows)
}

// selectTasks is a query for all that is kept in the rows of tasks t.
func (tx *Tx) selectTasks(from string, args ...value) (string, []value) {
	children := tx.dialect().children
	if children != "" {
		args = append([]value{text(tx.as.User), text(tx.as.User)}, args...)
	}
	return `SELECT ` + taskColumnsOfT + children + ` FROM ` + from, args
}

// taskColumnsOfT is taskColumns of table t.
var taskColumnsOfT = "t." + strings.ReplaceAll(strings.Join(strings.Fields(taskColumns), " "), ", ", ", t.")

// taskRows reads rows, of which there are expected to be no more than most.
func (tx *Tx) taskRows(most int, from string, args ...value) ([]taskRow, error) {
	rows, _, err := tx.pageRows(most, false, from, args...)
	return rows, err
}

// maxPageBytes are the bytes of bodies after which a page of a query ends.
const maxPageBytes = 32 << 20

// EndsEarly says whether a bounded page of [Tx.QueryTasks] has ended for its length
// in bytes, so that there may be more.
func EndsEarly(tasks []todo.Task) bool {
	bytes := 0
	for i := range tasks {
		bytes += len(tasks[i].Body.Content)
	}
	return bytes > maxPageBytes
}

var errEnough = errors.New("the page is long enough")

// pageRows is taskRows, where bounded up to maxPageBytes, and says whether it has
// stopped there.
func (tx *Tx) pageRows(most int, bounded bool, from string, args ...value) (rows []taskRow, early bool, err error) {
	rows = make([]taskRow, 0, min(most, 128))
	bytes := 0
	q, args := tx.selectTasks(from, args...)
	err = tx.conn.query(q, func(r *row) error {
		if bounded && bytes > maxPageBytes {
			return errEnough
		}
		rows = append(rows, taskRow{})
		err := tx.scanTask(r, &rows[len(rows)-1])
		bytes += len(rows[len(rows)-1].Body.Content)
		return err
	}, args...)
	if early = errors.Is(err, errEnough); early {
		err = nil
	}
	return rows, early, err
}

// withChildren reads the steps and linked resources of rows, which are
// neighbours in the order of the key, the last first: two queries, or none.
func (tx *Tx) withChildren(list string, rows []taskRow) ([]todo.Task, error) {
	tasks := make([]todo.Task, len(rows))
	at := make(map[string]int)
	var steps, links int64
	for i, r := range rows {
		tasks[i] = r.Task
		if r.steps+r.links > 0 {
			at[r.ID] = i
			steps, links = steps+r.steps, links+r.links
		}
	}
	if len(at) == 0 {
		return tasks, nil
	}
	first, last := tasks[len(tasks)-1].ID, tasks[0].ID
	var queries []statement
	if steps > 0 {
		queries = append(queries, tx.steps(list, first, last, func(task string, c todo.ChecklistItem) {
			if i, ok := at[task]; ok {
				tasks[i].ChecklistItems = append(tasks[i].ChecklistItems, c)
			}
		}))
	}
	if links > 0 {
		queries = append(queries, tx.links(list, first, last, func(task string, l todo.LinkedResource) {
			if i, ok := at[task]; ok {
				tasks[i].LinkedResources = append(tasks[i].LinkedResources, l)
			}
		}))
	}
	return tasks, tx.conn.queryAll(queries)
}

// eachWithChildren reads the steps and linked resources of rows that are no
// neighbours.
func (tx *Tx) eachWithChildren(rows []taskRow) ([]todo.Task, error) {
	tasks := make([]todo.Task, len(rows))
	var queries []statement
	for i, r := range rows {
		tasks[i] = r.Task
		queries = tx.ownChildren(queries, &tasks[i], r)
	}
	return tasks, tx.conn.queryAll(queries)
}

// ownChildren appends the queries that read the children of r into t.
func (tx *Tx) ownChildren(queries []statement, t *todo.Task, r taskRow) []statement {
	if r.steps > 0 {
		queries = append(queries, tx.steps(r.ListID, r.ID, r.ID, func(_ string, c todo.ChecklistItem) { t.ChecklistItems = append(t.ChecklistItems, c) }))
	}
	if r.links > 0 {
		queries = append(queries, tx.links(r.ListID, r.ID, r.ID, func(_ string, l todo.LinkedResource) { t.LinkedResources = append(t.LinkedResources, l) }))
	}
	return queries
}

// steps reads the steps of the tasks from first to last, in their order.
func (tx *Tx) steps(list, first, last string, each func(task string, c todo.ChecklistItem)) statement {
	return statement{`SELECT task_id, item_id, name, checked, checked_at, created FROM checklist_items
		WHERE user_id = ? AND list_id = ? AND task_id >= ? AND task_id <= ? ORDER BY task_id, position`,
		func(r *row) error {
			task := r.text()
			c := todo.ChecklistItem{ID: r.text(), Name: r.text(), Checked: r.int() != 0}
			if !r.null() {
				c.CheckedAt = time.UnixMicro(r.int()).UTC()
			}
			c.Created = time.UnixMicro(r.int()).UTC()
			each(task, c)
			return nil
		}, []value{text(tx.as.User), text(list), text(first), text(last)}}
}

// links reads the linked resources of the tasks from first to last, in their order.
func (tx *Tx) links(list, first, last string, each func(task string, l todo.LinkedResource)) statement {
	return statement{`SELECT task_id, ` + linkColumns + ` FROM linked_resources
		WHERE user_id = ? AND list_id = ? AND task_id >= ? AND task_id <= ? ORDER BY task_id, position`,
		func(r *row) error { each(r.text(), scanLink(r)); return nil },
		[]value{text(tx.as.User), text(list), text(first), text(last)}}
}

// InsertTask writes a new task with all its children and sets its version. The
// list must exist, or the error is todo.ErrNotFound.
func (tx *Tx) InsertTask(t *todo.Task) (err error) {
	if tx.inList != t.ListID {
		if _, err := tx.List(t.ListID); err != nil {
			return err
		}
	}
	if t.Version, err = tx.logChange(TaskChange, Created, t.ListID, t.ID, 0); err != nil {
		return err
	}
	t.Born = t.Version
	values, err := taskValues(t)
	if err != nil {
		return err
	}
	words, err := tx.dialect().search.add(tx, t)
	if err != nil {
		return err
	}
	err = tx.conn.exec(`INSERT INTO tasks (version, title, status, importance, body, body_type, categories, modified,
		due, due_zone, start, start_zone, completed, reminder, reminder_zone, reminder_on, recurrence, occurrence,
		step_count, link_count, extension_count, attachment_count, search_id, created_version, created, user_id, list_id, task_id)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 0, ?, ?, ?, ?, ?, ?)`,
		append(values, integer(int64(len(t.Extensions))), integer(words), integer(t.Born), integer(t.Created.UnixMicro()), text(tx.as.User), text(t.ListID), text(t.ID))...)
	if err != nil {
		return err
	}
	for i, c := range t.ChecklistItems {
		if err := tx.putStep(t, c, i); err != nil {
			return err
		}
	}
	for i, l := range t.LinkedResources {
		if err := tx.putLink(t, l, i); err != nil {
			return err
		}
	}
	return tx.insertExtensions(t.ListID, t.ID, t.Extensions)
}

// UpdateTask writes what changed from old to t, children included, and sets
// t's version. A task is the unit of change: however little differs, its
// version moves. Extensions and attachments are left alone.
func (tx *Tx) UpdateTask(old todo.Task, t *todo.Task) (err error) {
	t.Born = old.Born
	if t.Version, err = tx.logChange(TaskChange, Updated, t.ListID, t.ID, t.Born); err != nil {
		return err
	}
	values, err := taskValues(t)
	if err != nil {
		return err
	}
	err = tx.conn.exec(`UPDATE tasks SET version = ?, title = ?, status = ?, importance = ?, body = ?, body_type = ?, categories = ?, modified = ?,
		due = ?, due_zone = ?, start = ?, start_zone = ?, completed = ?, reminder = ?, reminder_zone = ?, reminder_on = ?, recurrence = ?, occurrence = ?,
		step_count = ?, link_count = ? WHERE user_id = ? AND list_id = ? AND task_id = ?`,
		append(values, text(tx.as.User), text(t.ListID), text(t.ID))...)
	if err != nil {
		return err
	}
	if err := tx.dialect().search.change(tx, &old, t); err != nil {
		return err
	}
	if err := tx.updateSteps(old, t); err != nil {
		return err
	}
	return tx.updateLinks(old, t)
}

// updateSteps writes the steps that differ. A step keeps its place, which is
// beyond those of all steps before it.
func (tx *Tx) updateSteps(old todo.Task, t *todo.Task) error {
	for _, c := range old.ChecklistItems {
		if !slices.ContainsFunc(t.ChecklistItems, func(n todo.ChecklistItem) bool { return n.ID == c.ID }) {
			if err := tx.conn.exec(`DELETE FROM checklist_items WHERE user_id = ? AND list_id = ? AND task_id = ? AND item_id = ?`,
				text(tx.as.User), text(t.ListID), text(t.ID), text(c.ID)); err != nil {
				return err
			}
		}
	}
	if len(t.ChecklistItems) == 0 || slices.Equal(old.ChecklistItems, t.ChecklistItems) {
		return nil
	}
	place, err := tx.lastPlace(t, tx.places.steps, `SELECT max(position) FROM checklist_items WHERE user_id = ? AND list_id = ? AND task_id = ?`)
	if err != nil {
		return err
	}
	for _, c := range t.ChecklistItems {
		i := slices.IndexFunc(old.ChecklistItems, func(o todo.ChecklistItem) bool { return o.ID == c.ID })
		if i >= 0 && old.ChecklistItems[i] == c {
			continue
		}
		if i < 0 {
			place++
		}
		if err := tx.putStep(t, c, place); err != nil {
			return err
		}
	}
	return nil
}

func (tx *Tx) putStep(t *todo.Task, c todo.ChecklistItem, place int) error {
	return tx.conn.exec(`INSERT INTO checklist_items (user_id, list_id, task_id, item_id, position, name, checked, checked_at, created)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
		ON CONFLICT (user_id, list_id, task_id, item_id) DO UPDATE SET name = excluded.name, checked = excluded.checked, checked_at = excluded.checked_at`,
		text(tx.as.User), text(t.ListID), text(t.ID), text(c.ID), integer(int64(place)), text(c.Name), boolean(c.Checked), instant(c.CheckedAt), instant(c.Created))
}

// lastPlace is the highest position of a task's children, or -1: the one that was
// read with the task, or what the query finds.
func (tx *Tx) lastPlace(t *todo.Task, read int, q string) (place int, err error) {
	if tx.places.task == t.ID {
		tx.places = places{} // which the caller is about to change
		return read, nil
	}
	place = -1
	err = tx.conn.query(q, func(r *row) error {
		if !r.null() {
			place = int(r.int())
		}
		return nil
	}, text(tx.as.User), text(t.ListID), text(t.ID))
	return place, err
}

// DeleteTask removes the task id of a list with its children. The error is as
// that of Task.
func (tx *Tx) DeleteTask(list, id string) error {
	born, words := int64(0), int64(0)
	err := tx.conn.query(`DELETE FROM tasks WHERE user_id = ? AND list_id = ? AND task_id = ? RETURNING created_version, search_id`,
		func(r *row) error { born, words = r.int(), r.int(); return nil }, text(tx.as.User), text(list), text(id))
	if err != nil {
		return err
	}
	if born == 0 {
		return tx.explainMissing(list, id)
	}
	if err := tx.dialect().search.remove(tx, list, id, words); err != nil {
		return err
	}
	_, err = tx.logChange(TaskChange, Deleted, list, id, born)
	return err
}

// taskValues are the columns that InsertTask and UpdateTask have in common, in
// their order.
func taskValues(t *todo.Task) ([]value, error) {
	categories, recurrence := null(), null()
	if len(t.Categories) > 0 {
		b, err := json.Marshal(t.Categories)
		if err != nil {
			return nil, err
		}
		categories = text(string(b))
	}
	if t.Recurrence != nil {
		b, err := json.Marshal(t.Recurrence)
		if err != nil {
			return nil, err
		}
		recurrence = text(string(b))
	}
	return append(make([]value, 0, 28),
		integer(t.Version), text(t.Title), integer(int64(t.Status)), integer(int64(t.Importance)), text(t.Body.Content), integer(int64(t.Body.Type)), categories, instant(t.Modified),
		instant(t.Due.At), zone(t.Due), instant(t.Start.At), zone(t.Start), instant(t.Completed.At), instant(t.Reminder.At), zone(t.Reminder), boolean(t.ReminderOn), recurrence, integer(int64(t.Occurrence)),
		integer(int64(len(t.ChecklistItems))), integer(int64(len(t.LinkedResources)))), nil
}

func instant(t time.Time) value {
	if t.IsZero() {
		return null()
	}
	return integer(t.UnixMicro())
}

func zone(d todo.DateTime) value {
	if d.Zone == "" {
		return null()
	}
	return text(d.Zone)
}

func boolean(b bool) value {
	if b {
		return integer(1)
	}
	return integer(0)
}
