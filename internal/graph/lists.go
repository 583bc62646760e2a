package graph

import (
	"net/http"

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

// listLists serves GET …/todo/lists.
func (s *Server) listLists(r *request) error {
	var lists []todo.TaskList
	page := r.page()
	err := s.view(r, func(tx *store.Tx) (err error) {
		lists, err = tx.Lists(r.query.skip, page+1)
		return err
	})
	if err != nil {
		return err
	}
	lists, next := cutPage(r, lists, page)
	r.collection(r.listsContext(), len(lists), next, func(e *encoder, i int) { e.taskList(&lists[i]) })
	return nil
}

// cutPage takes the item beyond the page off, and gives the link to go on where
// there was one.
func cutPage[T any](r *request, items []T, page int) ([]T, string) {
	if len(items) <= page {
		return items, ""
	}
	if page == 0 {
		return items[:0], ""
	}
	return items[:page], r.nextLink(r.query.skip + page)
}

// createList serves POST …/todo/lists.
func (s *Server) createList(r *request) error {
	v, err := r.readObject("microsoft.graph.todoTaskList")
	if err != nil {
		return err
	}
	patch, err := decodeTaskList(v)
	if err != nil {
		return err
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
		return tx.InsertList(&l)
	})
	if err != nil {
		return err
	}
	r.setETag(newETag(l.Version, l.Modified))
	r.created(l.ID, r.listsContext(), func(e *encoder) { e.taskList(&l) })
	return nil
}

func (r *request) setETag(tag etag) { r.header["Etag"] = []string{tag.String()} }

// taskList loads the list of the path.
func (r *request) taskList(tx *store.Tx) (todo.TaskList, error) {
	id, err := r.list(tx)
	if err != nil {
		return todo.TaskList{}, err
	}
	return tx.List(id)
}

// getList serves GET …/todo/lists/{list}.
func (s *Server) getList(r *request) error {
	var l todo.TaskList
	err := s.view(r, func(tx *store.Tx) (err error) {
		l, err = r.taskList(tx)
		return err
	})
	if err != nil {
		return err
	}
	tag := newETag(l.Version, l.Modified)
	if r.notModified(tag) {
		return nil
	}
	r.setETag(tag)
	r.entity(http.StatusOK, r.listsContext(), func(e *encoder) { e.taskList(&l) })
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
		if l, err = r.taskList(tx); err != nil {
			return err
		}
		names, err := tx.ListNames(l.ID)
		if err != nil {
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
	r.setETag(newETag(l.Version, l.Modified))
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
		return tx.DeleteList(l.ID)
	})
	if err != nil {
		return err
	}
	r.answer(http.StatusNoContent, nil)
	return nil
}
