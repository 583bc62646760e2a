package graph

import (
	"net/http"

	"github.com/duly-todo/duly/internal/odata"
	"github.com/duly-todo/duly/internal/store"
	"github.com/duly-todo/duly/internal/todo"
)

// Open extensions are data of a client's own on a task or a list. They have no
// etag: that of the task guards them, and that of a list no write below it
// (semantics 4.4 and 4.5). The handlers serve both.

// An extended is a task or a list with its open extensions.
type extended struct {
	list       *todo.TaskList // nil where it is a task
	task       *todo.Task
	extensions []todo.Extension
}

// extended loads the task or the list of the path.
func (r *request) extended(tx *store.Tx) (x extended, err error) {
	if _, ofTask := r.params.lookup("task"); ofTask {
		t, err := r.task(tx, store.ExtensionsInto(&x.extensions))
		x.task = &t
		return x, err
	}
	l, err := r.taskList(tx, store.ExtensionsInto(&x.extensions))
	x.list = &l
	return x, err
}

// context is that of the collection of the extensions.
func (x extended) context(r *request) string {
	if x.task == nil {
		return r.listsContext() + keyed(x.list.ID) + "/extensions"
	}
	return r.childContext(x.task.ListID, x.task.ID, "extensions")
}

func (x extended) etag() odata.ETag {
	if x.task == nil {
		return odata.NewETag(x.list.Version, x.list.Modified)
	}
	return taskETag(x.task)
}

// write writes the next extensions, and the task or the list, whose version moves.
func (x extended) write(tx *store.Tx, next []todo.Extension) error {
	if x.task == nil {
		x.list.Modified = tx.Now()
		if err := tx.UpdateExtensions(x.list.ID, "", x.extensions, next); err != nil {
			return err
		}
		return tx.UpdateList(x.list)
	}
	old := *x.task
	x.task.Modified = tx.Now()
	if err := tx.UpdateExtensions(old.ListID, old.ID, x.extensions, next); err != nil {
		return err
	}
	return tx.UpdateTask(old, x.task)
}

// readExtensions reads the options, and the extensions of the path.
func (s *Server) readExtensions(r *request) (o options, x extended, err error) {
	if o, err = s.readOptions(r, store.ExtensionSchema()); err != nil {
		return o, x, err
	}
	err = s.glance(r, func(tx *store.Tx) (err error) {
		x, err = r.extended(tx)
		return err
	})
	return o, x, err
}

// listExtensions serves GET …/extensions.
func (s *Server) listExtensions(r *request) error {
	if s.profile.NoExtensionCollection {
		return &todo.Error{Kind: todo.NoSuchRoute}
	}
	o, x, err := s.readExtensions(r)
	if err != nil {
		return err
	}
	p, err := pageOf(s, r, o, x.extensions, store.ExtensionRow, maxPage)
	if err != nil {
		return err
	}
	r.collection(x.context(r), len(p.items), p.count, p.next, func(e *encoder, i int) { e.extension(p.items[i]) })
	return nil
}

// countExtensions serves GET …/extensions/$count.
func (s *Server) countExtensions(r *request) error {
	o, x, err := s.readExtensions(r)
	if err != nil {
		return err
	}
	r.number(len(pick(x.extensions, store.ExtensionRow, o.filter, nil)))
	return nil
}

// getExtension serves GET …/extensions/{item}.
func (s *Server) getExtension(r *request) error {
	_, x, err := s.readExtensions(r)
	if err != nil {
		return err
	}
	found, err := todo.FindExtension(x.extensions, todo.ExtensionName(r.params.get("item")))
	if err != nil {
		return err
	}
	r.entity(http.StatusOK, x.context(r), func(e *encoder) { e.extension(found) })
	return nil
}

// createExtension serves POST …/extensions, which also replaces (semantics 16.2).
func (s *Server) createExtension(r *request) error {
	sent, err := s.readExtension(r)
	if err != nil {
		return err
	}
	x, err := s.changeExtensions(r, func(old []todo.Extension) ([]todo.Extension, error) {
		return todo.PutExtension(old, sent)
	})
	if err != nil {
		return err
	}
	r.created(todo.ExtensionIDPrefix+sent.Name, x.context(r), func(e *encoder) { e.extension(sent) })
	return nil
}

// patchExtension serves PATCH …/extensions/{item}: the body is the whole of
// what the extension is afterwards (semantics 16.3).
func (s *Server) patchExtension(r *request) error {
	sent, err := s.readExtension(r)
	if err != nil {
		return err
	}
	x, err := s.changeExtensions(r, func(old []todo.Extension) ([]todo.Extension, error) {
		was, err := todo.FindExtension(old, todo.ExtensionName(r.params.get("item")))
		if err != nil {
			return nil, err
		}
		if sent, err = was.Replace(sent); err != nil {
			return nil, err
		}
		return todo.PutExtension(old, sent)
	})
	if err != nil {
		return err
	}
	r.updated(x.context(r), func(e *encoder) { e.extension(sent) })
	return nil
}

// deleteExtension serves DELETE …/extensions/{item}; of one that is not
// there as well, which changes nothing (semantics 16.4).
func (s *Server) deleteExtension(r *request) error {
	_, err := s.changeExtensions(r, func(old []todo.Extension) ([]todo.Extension, error) {
		return todo.DeleteExtension(old, todo.ExtensionName(r.params.get("item"))), nil
	})
	if err != nil {
		return err
	}
	r.answer(http.StatusNoContent, nil)
	return nil
}

// readExtension reads the body as an extension.
func (s *Server) readExtension(r *request) (todo.Extension, error) {
	v, err := r.readBody()
	if err != nil {
		return todo.Extension{}, err
	}
	return s.profile.decodeExtension(v)
}

// changeExtensions lets change give the next extensions of the task or the list
// of the path, and writes them. A DELETE that takes nothing away writes nothing.
func (s *Server) changeExtensions(r *request, change func([]todo.Extension) ([]todo.Extension, error)) (x extended, err error) {
	err = s.update(r, func(tx *store.Tx) (err error) {
		if x, err = r.extended(tx); err != nil {
			return err
		}
		if x.task != nil {
			if err := s.ifMatch(r, x.task); err != nil {
				return err
			}
		}
		next, err := change(x.extensions)
		if err != nil || r.Method == http.MethodDelete && len(next) == len(x.extensions) {
			return err
		}
		return x.write(tx, next)
	})
	if err == nil {
		r.setETag(x.etag())
	}
	return x, err
}
