package graph

import (
	"net/http"
	"slices"

	"github.com/duly-todo/duly/internal/odata"
	"github.com/duly-todo/duly/internal/store"
	"github.com/duly-todo/duly/internal/todo"
)

// getTodo serves GET …/todo, an entity that has nothing but its id.
func (s *Server) getTodo(r *request) error {
	if s.profile.NoBareTodo {
		return &todo.Error{Kind: todo.NoSuchRoute}
	}
	r.entity(http.StatusOK, "users"+keyed(r.as.User)+"/todo", func(e *encoder) { e.str("id", r.as.User) })
	return nil
}

// lists reads the lists that $filter selects.
func (o options) lists(tx *store.Tx) ([]todo.TaskList, error) {
	lists, err := tx.Lists(0, maxInMemory)
	if err == nil {
		err = checkInMemory(len(lists))
	}
	if err != nil || o.filter == nil {
		return lists, err
	}
	lists = slices.DeleteFunc(lists, func(l todo.TaskList) bool {
		ok := false
		if err == nil {
			ok, err = tx.MatchesList(o.filter, &l)
		}
		return !ok
	})
	return lists, err
}

// listLists serves GET …/todo/lists.
func (s *Server) listLists(r *request) error {
	o, err := s.readOptions(r, store.ListSchema())
	if err != nil {
		return err
	}
	var p page[todo.TaskList]
	var tasks [][]todo.Task // of each list, where $expand asks for them
	err = s.view(r, func(tx *store.Tx) error {
		lists, err := o.lists(tx)
		if err != nil {
			return err
		}
		picked := o
		picked.filter = nil
		if p, err = pageOf(s, r, picked, lists, store.ListRow, defaultPage); err != nil {
			return err
		}
		for i := range p.items {
			of, err := o.expandList(tx, &p.items[i])
			if err != nil {
				return err
			}
			tasks = append(tasks, of)
		}
		return nil
	})
	if err != nil {
		return err
	}
	r.collection(r.listsContext(), len(p.items), p.count, p.next, func(e *encoder, i int) { e.expandedList(&p.items[i], tasks[i]) })
	return nil
}

// expandList applies $expand to a list: its extensions and its tasks are read now.
func (o options) expandList(tx *store.Tx, l *todo.TaskList) (tasks []todo.Task, err error) {
	if l.Extensions, err = o.extensionsOf(tx, l.ID); err != nil {
		return nil, err
	}
	return o.tasksOf(tx, l.ID)
}

// expandedList writes the members of a list with what $expand asks for.
func (e *encoder) expandedList(l *todo.TaskList, tasks []todo.Task) {
	e.taskList(l)
	e.extensions(l.Extensions, e.r.listsContext(), l.ID)
	e.tasksOf(l, tasks)
}

// tasksOf reads the tasks of a list for $expand=tasks; nil where it is not asked
// for. Without $top they are a page.
func (o options) tasksOf(tx *store.Tx, list string) ([]todo.Task, error) {
	x := o.expansion("tasks")
	if x == nil {
		return nil, nil
	}
	if err := tx.Long(); err != nil {
		return nil, err
	}
	limit := defaultPage
	if x.Top >= 0 {
		limit = min(x.Top, maxPage)
	}
	tasks, err := tx.QueryTasks(store.TaskQuery{List: list, Filter: x.Filter, OrderBy: x.OrderBy, Skip: x.Skip, Limit: limit})
	inner := options{expand: x.Expand}
	if err == nil {
		err = inner.expandTasks(tx, tasks)
	}
	return tasks, err
}

// tasksOf writes the tasks of a list that $expand asks for.
func (e *encoder) tasksOf(l *todo.TaskList, tasks []todo.Task) {
	if len(tasks) == 0 {
		return
	}
	fragment := e.r.tasksContext(l.ID)
	e.context("tasks", fragment)
	e.name("tasks")
	e.b = append(e.b, '[')
	for i := range tasks {
		e.open()
		e.task(&tasks[i], fragment)
		e.close()
	}
	e.b = append(e.b, ']')
}

// countLists serves GET …/todo/lists/$count.
func (s *Server) countLists(r *request) error {
	o, err := s.readOptions(r, store.ListSchema())
	if err != nil {
		return err
	}
	n := 0
	err = s.view(r, func(tx *store.Tx) error {
		lists, err := o.lists(tx)
		n = len(lists)
		return err
	})
	if err != nil {
		return err
	}
	r.number(n)
	return nil
}

// createList serves POST …/todo/lists, with extensions in one go.
func (s *Server) createList(r *request) error {
	v, err := r.readObject("microsoft.graph.todoTaskList")
	if err != nil {
		return err
	}
	patch, err := decodeTaskList(v)
	if err != nil {
		return err
	}
	d := decoder{v: v}
	inline := opt(&d, "extensions", list("microsoft.graph.extension", s.profile.decodeExtension)).V
	if d.err != nil {
		return d.err
	}
	var l todo.TaskList
	err = s.update(r, func(tx *store.Tx) error {
		names, err := tx.ListNames("")
		if err != nil {
			return err
		}
		if l, err = todo.NewTaskList(tx.NewID(), patch, names, tx.Now()); err != nil {
			return err
		}
		for _, x := range inline {
			if l.Extensions, err = todo.PutExtension(l.Extensions, x); err != nil {
				return err
			}
		}
		return tx.InsertList(&l)
	})
	if err != nil {
		return err
	}
	r.setETag(odata.NewETag(l.Version, l.Modified))
	r.created(l.ID, r.listsContext(), func(e *encoder) { e.expandedList(&l, nil) })
	return nil
}

func (r *request) setETag(tag odata.ETag) { r.setHeader("Etag", tag.String()) }

// taskList loads the list of the path.
func (r *request) taskList(tx *store.Tx, parts ...store.Part) (todo.TaskList, error) {
	id, err := r.list(tx)
	if err != nil {
		return todo.TaskList{}, err
	}
	return tx.List(id, parts...)
}

// getList serves GET …/todo/lists/{list}.
func (s *Server) getList(r *request) error {
	o, err := s.readOptions(r, store.ListSchema())
	if err != nil {
		return err
	}
	var l todo.TaskList
	var tasks []todo.Task
	err = s.glance(r, func(tx *store.Tx) (err error) {
		if l, err = r.taskList(tx); err == nil {
			tasks, err = o.expandList(tx, &l)
		}
		return err
	})
	if err != nil {
		return err
	}
	tag := odata.NewETag(l.Version, l.Modified)
	if r.notModified(tag) {
		return nil
	}
	r.setETag(tag)
	r.entity(http.StatusOK, r.listsContext(), func(e *encoder) { e.expandedList(&l, tasks) })
	return nil
}

// patchList serves PATCH …/todo/lists/{list}. If-Match does not count, as on
// the real service (semantics 4.5).
func (s *Server) patchList(r *request) error {
	v, err := r.readObject("microsoft.graph.todoTaskList")
	if err != nil {
		return err
	}
	patch, err := decodeTaskList(v)
	if err != nil {
		return err
	}
	var l todo.TaskList
	err = s.update(r, func(tx *store.Tx) (err error) {
		var names []string
		if l, err = r.taskList(tx, store.OtherNamesInto(&names)); err != nil {
			return err
		}
		if l, err = l.Apply(patch, names, tx.Now()); err != nil {
			return err
		}
		return tx.UpdateList(&l)
	})
	if err != nil {
		return err
	}
	r.setETag(odata.NewETag(l.Version, l.Modified))
	r.updated(r.listsContext(), func(e *encoder) { e.taskList(&l) })
	return nil
}

// deleteList serves DELETE …/todo/lists/{list}.
func (s *Server) deleteList(r *request) error {
	err := s.update(r, func(tx *store.Tx) error {
		l, err := r.taskList(tx)
		if err != nil {
			return err
		}
		if err := l.CheckDelete(); err != nil {
			return err
		}
		return tx.DeleteList(l)
	})
	if err != nil {
		return err
	}
	r.answer(http.StatusNoContent, nil)
	return nil
}
