package graph

import (
	"net/http"

	"github.com/duly-todo/duly/internal/store"
	"github.com/duly-todo/duly/internal/todo"
)

// listTasks serves GET …/lists/{list}/tasks, the newest first (semantics 6.9), and
// GET …/todo/tasks, an addition to Graph: the tasks of all lists, each with its
// address, which names its list.
func (s *Server) listTasks(r *request) error {
	o, err := s.readOptions(r, store.TaskSchema())
	if err != nil {
		return err
	}
	var p taskPage
	fragment, all := "users"+keyed(r.as.User)+"/todo/tasks", true
	err = s.view(r, func(tx *store.Tx) error {
		list, err := r.listOrAll(tx)
		if err != nil {
			return err
		}
		if list != "" {
			fragment, all = r.tasksContext(list), false
		}
		p, err = s.queryTasks(r, tx, o, list)
		return err
	})
	if err != nil {
		return err
	}
	r.collection(fragment, len(p.tasks), p.count, s.nextTasks(r, p), func(e *encoder, i int) {
		t := &p.tasks[i]
		if all && !r.bare {
			e.str("@odata.id", r.base+"/"+r.version+"/users/"+escapeID(r.as.User)+"/todo/lists/"+t.ListID+"/tasks/"+t.ID)
		}
		e.task(t, r.tasksContext(t.ListID))
		e.parentList(p.parents, t)
	})
	return nil
}

// countTasks serves the $count of both.
func (s *Server) countTasks(r *request) error {
	o, err := s.readOptions(r, store.TaskSchema())
	if err != nil {
		return err
	}
	n := 0
	err = s.view(r, func(tx *store.Tx) error {
		list, err := r.listOrAll(tx)
		if err != nil {
			return err
		}
		n, err = tx.CountTasks(store.TaskQuery{List: list, Filter: o.filter, Search: o.search})
		return err
	})
	if err != nil {
		return err
	}
	r.number(n)
	return nil
}

// listOrAll is the list of the path; empty where the path has none.
func (r *request) listOrAll(tx *store.Tx) (string, error) {
	if _, named := r.params.lookup("list"); !named {
		return "", nil
	}
	return r.list(tx)
}

// A taskPage is a page of tasks that was read.
type taskPage struct {
	tasks   []todo.Task
	parents map[string]todo.TaskList // where $expand asks for them
	count   int                      // of all pages, where $count asks for it
	last    *store.Cursor            // the place of the last task, where there are more
}

// queryTasks reads the page of tasks that the query asks for, of a list or,
// where it is empty, of all lists.
func (s *Server) queryTasks(r *request, tx *store.Tx, o options, list string) (p taskPage, err error) {
	size := r.page()
	q := store.TaskQuery{List: list, Filter: o.filter, Search: o.search, OrderBy: o.orderBy, Skip: r.query.skip, Limit: size + 1, Bounded: true}
	ranked := o.search != nil && len(o.orderBy) == 0 // has no place to keep, only a number
	if r.query.token != "" && !ranked {
		if q.After, err = s.parseCursor(r.query.token); err != nil {
			return p, err
		}
		q.Skip = 0
	}
	if p.tasks, err = tx.QueryTasks(q); err != nil {
		return p, err
	}
	more := len(p.tasks) > size || store.EndsEarly(p.tasks)
	p.tasks = p.tasks[:min(len(p.tasks), size)]
	if n := len(p.tasks); more && n > 0 {
		p.last = new(store.Cursor)
		if !ranked {
			p.last = store.CursorOf(&p.tasks[n-1], o.orderBy)
		}
	}
	if err := o.expandTasks(tx, p.tasks); err != nil {
		return p, err
	}
	if r.query.count {
		if p.count, err = tx.CountTasks(q); err != nil {
			return p, err
		}
	}
	p.parents, err = o.parentLists(tx, p.tasks...)
	return p, err
}

// nextTasks is the address of the page after a page; empty where there is none.
// The zero place is known by its number alone.
func (s *Server) nextTasks(r *request, p taskPage) string {
	if p.last == nil {
		return ""
	}
	return s.nextPage(r, len(p.tasks), p.last)
}

// parseCursor reads the place out of a $skiptoken.
func (s *Server) parseCursor(token string) (*store.Cursor, error) {
	c := new(store.Cursor)
	if !s.verify(token, c) {
		return nil, todo.Errorf(todo.BadRequest, "$skiptoken", "Badly formed token.")
	}
	return c, nil
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
	inline, err := s.profile.decodeChildren(v)
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
		if t.Extensions, err = todo.PutExtension(t.Extensions, x); err != nil {
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
	var parents map[string]todo.TaskList
	err = s.glance(r, func(tx *store.Tx) (err error) {
		var parts todo.Task
		if t, err = r.task(tx, o.parts(&parts)...); err != nil {
			return err
		}
		t.Extensions, t.Attachments = parts.Extensions, parts.Attachments
		o.expandInline(&t)
		parents, err = o.parentLists(tx, t)
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
	r.entity(http.StatusOK, fragment, func(e *encoder) {
		e.task(&t, fragment)
		e.parentList(parents, &t)
	})
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
// parts are loaded with the task.
func (s *Server) changeTask(r *request, change func(*store.Tx, todo.Task) (todo.Task, error), answer func(*todo.Task), parts ...store.Part) error {
	var t todo.Task
	err := s.update(r, func(tx *store.Tx) error {
		old, err := r.task(tx, parts...)
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
		if !store.ValidID(r.params.get("task")) {
			return malformedID()
		}
		return tx.DeleteTask(list, r.params.get("task"))
	})
	if err != nil {
		return err
	}
	r.answer(http.StatusNoContent, nil)
	return nil
}
