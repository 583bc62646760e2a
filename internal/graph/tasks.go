package graph

import (
	"net/http"

	"github.com/duly-todo/duly/internal/store"
	"github.com/duly-todo/duly/internal/todo"
)

// listTasks serves GET …/tasks: the newest first (semantics 6.9).
func (s *Server) listTasks(r *request) error {
	o, err := s.readOptions(r, store.TaskSchema())
	if err != nil {
		return err
	}
	var tasks []todo.Task
	var count int
	var last *store.Cursor // of the page, where there is one more
	err = s.view(r, func(tx *store.Tx) error {
		list, err := r.list(tx)
		if err != nil {
			return err
		}
		tasks, last, count, err = s.queryTasks(r, tx, o, list)
		return err
	})
	if err != nil {
		return err
	}
	fragment := r.tasksContext(r.params["list"])
	r.collection(fragment, len(tasks), count, s.nextTasks(r, last), func(e *encoder, i int) { e.task(&tasks[i], fragment) })
	return nil
}

// listAllTasks serves GET …/todo/tasks, an addition to Graph: the tasks of all
// lists, each with its address, which names its list.
func (s *Server) listAllTasks(r *request) error {
	o, err := s.readOptions(r, store.TaskSchema())
	if err != nil {
		return err
	}
	var tasks []todo.Task
	var count int
	var last *store.Cursor
	err = s.view(r, func(tx *store.Tx) (err error) {
		tasks, last, count, err = s.queryTasks(r, tx, o, "")
		return err
	})
	if err != nil {
		return err
	}
	r.collection("users"+keyed(r.as.User)+"/todo/tasks", len(tasks), count, s.nextTasks(r, last), func(e *encoder, i int) {
		if !r.bare {
			e.str("@odata.id", r.base+"/"+r.version+"/users/"+escapeID(r.as.User)+"/todo/lists/"+tasks[i].ListID+"/tasks/"+tasks[i].ID)
		}
		e.task(&tasks[i], r.tasksContext(tasks[i].ListID))
	})
	return nil
}

// countAllTasks serves GET …/todo/tasks/$count.
func (s *Server) countAllTasks(r *request) error {
	o, err := s.readOptions(r, store.TaskSchema())
	if err != nil {
		return err
	}
	n := 0
	err = s.view(r, func(tx *store.Tx) (err error) {
		n, err = tx.CountTasks("", o.filter)
		return err
	})
	if err != nil {
		return err
	}
	r.number(n)
	return nil
}

// queryTasks reads the page of tasks that the query asks for, of a list or,
// where it is empty, of all lists. last is the place of its last task, where
// there are more.
func (s *Server) queryTasks(r *request, tx *store.Tx, o options, list string) (tasks []todo.Task, last *store.Cursor, count int, err error) {
	size := r.page()
	q := store.TaskQuery{List: list, Filter: o.filter, OrderBy: o.orderBy, Skip: r.query.skip, Limit: size + 1}
	if r.query.token != "" {
		if q.After, err = s.parseCursor(r.query.token); err != nil {
			return nil, nil, 0, err
		}
		q.Skip = 0
	}
	if tasks, err = tx.QueryTasks(q); err != nil {
		return nil, nil, 0, err
	}
	if len(tasks) > size {
		if tasks = tasks[:size]; size > 0 {
			last = store.CursorOf(&tasks[size-1], o.orderBy)
		}
	}
	for i := range tasks {
		if err := o.expandTask(tx, &tasks[i]); err != nil {
			return nil, nil, 0, err
		}
	}
	if r.query.count {
		count, err = tx.CountTasks(list, o.filter)
	}
	return tasks, last, count, err
}

// nextTasks is the address of the page after a place; empty where there is none.
func (s *Server) nextTasks(r *request, last *store.Cursor) string {
	if last == nil {
		return ""
	}
	token := ""
	if !s.profile.PlainNextLinks {
		token = s.sign(last)
	}
	return r.nextLink(r.query.skip+r.page(), token)
}

// parseCursor reads the place out of a $skiptoken.
func (s *Server) parseCursor(token string) (*store.Cursor, error) {
	c := new(store.Cursor)
	if !s.verify(token, c) {
		return nil, todo.Errorf(todo.BadRequest, "$skiptoken", "Badly formed token.")
	}
	return c, nil
}

// countTasks serves GET …/tasks/$count.
func (s *Server) countTasks(r *request) error {
	o, err := s.readOptions(r, store.TaskSchema())
	if err != nil {
		return err
	}
	n := 0
	err = s.view(r, func(tx *store.Tx) error {
		list, err := r.list(tx)
		if err != nil {
			return err
		}
		n, err = tx.CountTasks(list, o.filter)
		return err
	})
	if err != nil {
		return err
	}
	r.number(n)
	return nil
}

// createTask serves POST …/tasks, with steps, linked resources and extensions
// in one go.
func (s *Server) createTask(r *request) error {
	v, err := r.readObject("microsoft.graph.todoTask")
	if err != nil {
		return err
	}
	patch, err := s.decodeTask(v, false)
	if err != nil {
		return err
	}
	inline, err := decodeChildren(v)
	if err != nil {
		return err
	}
	var t todo.Task
	err = s.update(r, func(tx *store.Tx) error {
		list, err := r.list(tx)
		if err != nil {
			return err
		}
		if t, err = todo.NewTask(tx.NewID(), list, patch, tx.Now()); err != nil {
			return err
		}
		if t, err = s.addChildren(tx, t, inline); err != nil {
			return err
		}
		return tx.InsertTask(&t)
	})
	if err != nil {
		return err
	}
	fragment := r.tasksContext(t.ListID)
	r.setETag(taskETag(&t))
	r.created(t.ID, fragment, func(e *encoder) { e.task(&t, fragment) })
	return nil
}

// decodeTask reads a task as the profile has it.
func (s *Server) decodeTask(v jsonValue, patching bool) (todo.TaskPatch, error) {
	p, err := decodeTask(v)
	if err != nil || !p.Recurrence.Has() {
		return p, err
	}
	if s.profile.RangeStartIsInvalid && patching && !p.Recurrence.V.Range.V.StartDate.IsZero() {
		recurrence, _ := v.member("recurrence")
		g, _ := recurrence.member("range")
		start, _ := g.member("startDate")
		return p, start.mismatch("Microsoft.OData.Edm.Date")
	}
	if s.profile.ForgetsRecurrence {
		pattern, g := &p.Recurrence.V.Pattern.V, &p.Recurrence.V.Range.V
		if pattern.Type == todo.RelativeMonthly || pattern.Type == todo.RelativeYearly {
			*pattern = todo.Pattern{Type: todo.Daily, Interval: pattern.Interval}
		}
		if g.Type == todo.EndDate {
			*g = todo.Range{Type: todo.NoEnd, StartDate: g.StartDate, TimeZone: g.TimeZone}
		}
	}
	return p, nil
}

// addChildren gives a new task the children that its POST carries.
func (s *Server) addChildren(tx *store.Tx, t todo.Task, inline children) (_ todo.Task, err error) {
	for _, p := range inline.steps {
		if t, err = t.AddChecklistItem(tx.NewGUID(), p, true, tx.Now()); err != nil {
			return t, err
		}
	}
	rules := s.profile.linkRules()
	if rules.OnePerTask && len(inline.links) > 1 {
		return t, todo.Errorf(todo.Malformed, "linkedResources", "Only one item in linkedResources is allowed.")
	}
	for _, p := range inline.links {
		l, err := rules.NewLinkedResource(tx.NewGUID(), p)
		if err != nil {
			return t, err
		}
		if t, err = rules.AddLinkedResource(t, l, tx.Now()); err != nil {
			return t, err
		}
	}
	for _, x := range inline.extensions {
		if t, err = t.AddExtension(x); err != nil {
			return t, err
		}
	}
	return t, nil
}

// getTask serves GET …/tasks/{task}.
func (s *Server) getTask(r *request) error {
	o, err := s.readOptions(r, store.TaskSchema())
	if err != nil {
		return err
	}
	var t todo.Task
	err = s.view(r, func(tx *store.Tx) (err error) {
		if t, err = r.task(tx); err == nil {
			err = o.expandTask(tx, &t)
		}
		return err
	})
	if err != nil {
		return err
	}
	tag := taskETag(&t)
	if r.notModified(tag) {
		return nil
	}
	fragment := r.tasksContext(t.ListID)
	r.setETag(tag)
	r.entity(http.StatusOK, fragment, func(e *encoder) { e.task(&t, fragment) })
	return nil
}

// patchTask serves PATCH …/tasks/{task}. Children in the body are ignored
// (semantics 10.16).
func (s *Server) patchTask(r *request) error {
	v, err := r.readObject("microsoft.graph.todoTask")
	if err != nil {
		return err
	}
	patch, err := s.decodeTask(v, true)
	if err != nil {
		return err
	}
	return s.changeTask(r, func(tx *store.Tx, old todo.Task) (todo.Task, error) {
		t, done, err := old.Apply(patch, tx.Now(), tx)
		if err != nil || done == nil {
			return t, err
		}
		if done.Extensions, err = tx.Extensions(old.ListID, old.ID); err != nil {
			return t, err
		}
		return t, tx.InsertTask(done)
	}, func(t *todo.Task) {
		fragment := r.tasksContext(t.ListID)
		r.updated(fragment, func(e *encoder) { e.task(t, fragment) })
	})
}

// changeTask loads the task of the path, checks If-Match, lets change give its
// next state, writes that, and answers. All writes below a task go through it.
func (s *Server) changeTask(r *request, change func(*store.Tx, todo.Task) (todo.Task, error), answer func(*todo.Task)) error {
	var t todo.Task
	err := s.update(r, func(tx *store.Tx) error {
		old, err := r.task(tx)
		if err != nil {
			return err
		}
		if err := s.ifMatch(r, &old); err != nil {
			return err
		}
		if t, err = change(tx, old); err != nil {
			return err
		}
		return tx.UpdateTask(old, &t)
	})
	if err != nil {
		return err
	}
	r.setETag(taskETag(&t))
	answer(&t)
	return nil
}

// deleteTask serves DELETE …/tasks/{task}. If-Match does not count, as on the
// real service (semantics 4.5).
func (s *Server) deleteTask(r *request) error {
	err := s.update(r, func(tx *store.Tx) error {
		list, err := r.list(tx)
		if err != nil {
			return err
		}
		if !store.ValidID(r.params["task"]) {
			return malformedID()
		}
		return tx.DeleteTask(list, r.params["task"])
	})
	if err != nil {
		return err
	}
	r.answer(http.StatusNoContent, nil)
	return nil
}
