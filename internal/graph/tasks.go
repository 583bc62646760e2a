package graph

import (
	"net/http"

	"github.com/duly-todo/duly/internal/store"
	"github.com/duly-todo/duly/internal/todo"
)

// listTasks serves GET …/tasks: the newest first (semantics 6.9).
func (s *Server) listTasks(r *request) error {
	var tasks []todo.Task
	page := r.page()
	err := s.view(r, func(tx *store.Tx) error {
		list, err := r.list(tx)
		if err != nil {
			return err
		}
		tasks, err = tx.Tasks(list, r.query.skip, page+1)
		return err
	})
	if err != nil {
		return err
	}
	tasks, next := cutPage(r, tasks, page)
	fragment := r.tasksContext(r.params["list"])
	r.collection(fragment, len(tasks), next, func(e *encoder, i int) { e.task(&tasks[i], fragment) })
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
	var t todo.Task
	err := s.view(r, func(tx *store.Tx) (err error) {
		t, err = r.task(tx)
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
