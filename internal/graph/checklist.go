package graph

import (
	"net/http"

	"github.com/duly-todo/duly/internal/odata"
	"github.com/duly-todo/duly/internal/store"
	"github.com/duly-todo/duly/internal/todo"
)

// Steps have no etag of their own: the task's guards them (semantics 4.1).

// loadTask reads the task of the path.
func (s *Server) loadTask(r *request) (t todo.Task, err error) {
	err = s.glance(r, func(tx *store.Tx) (err error) {
		t, err = r.task(tx)
		return err
	})
	return t, err
}

// childrenOf reads the options for a collection below the task of the path, and
// the task.
func (s *Server) childrenOf(r *request, schema *odata.Schema) (o options, t todo.Task, err error) {
	if o, err = s.readOptions(r, schema); err == nil {
		t, err = s.loadTask(r)
	}
	return o, t, err
}

// listChecklistItems serves GET …/checklistItems: all of them, in the order
// added; a page only where the client asks for one (semantics 6.8).
func (s *Server) listChecklistItems(r *request) error {
	o, t, err := s.childrenOf(r, store.ChecklistItemSchema())
	if err != nil {
		return err
	}
	p, err := pageOf(s, r, o, t.ChecklistItems, store.ChecklistItemRow, maxPage)
	if err != nil {
		return err
	}
	r.collection(r.childContext(t.ListID, t.ID, "checklistItems"), len(p.items), p.count, p.next, func(e *encoder, i int) { e.checklistItem(&p.items[i]) })
	return nil
}

// countChecklistItems serves GET …/checklistItems/$count.
func (s *Server) countChecklistItems(r *request) error {
	o, t, err := s.childrenOf(r, store.ChecklistItemSchema())
	if err != nil {
		return err
	}
	r.number(len(pick(t.ChecklistItems, store.ChecklistItemRow, o.filter, nil)))
	return nil
}

// createChecklistItem serves POST …/checklistItems.
func (s *Server) createChecklistItem(r *request) error {
	v, err := r.readBody()
	if err != nil {
		return err
	}
	patch, err := decodeChecklistItem(v)
	if err != nil {
		return err
	}
	return s.changeTask(r, func(tx *store.Tx, t todo.Task) (todo.Task, error) {
		return t.AddChecklistItem(tx.NewGUID(), patch, false, tx.Now())
	}, func(t *todo.Task) {
		c := &t.ChecklistItems[len(t.ChecklistItems)-1]
		r.created(c.ID, r.childContext(t.ListID, t.ID, "checklistItems"), func(e *encoder) { e.checklistItem(c) })
	})
}

// getChecklistItem serves GET …/checklistItems/{item}.
func (s *Server) getChecklistItem(r *request) error {
	id, err := r.item()
	if err != nil {
		return err
	}
	if _, err := s.readOptions(r, store.ChecklistItemSchema()); err != nil {
		return err
	}
	t, err := s.loadTask(r)
	if err != nil {
		return err
	}
	c, err := t.ChecklistItem(id)
	if err != nil {
		return err
	}
	r.entity(http.StatusOK, r.childContext(t.ListID, t.ID, "checklistItems"), func(e *encoder) { e.checklistItem(&c) })
	return nil
}

// patchChecklistItem serves PATCH …/checklistItems/{item}.
func (s *Server) patchChecklistItem(r *request) error {
	id, err := r.item()
	if err != nil {
		return err
	}
	v, err := r.readBody()
	if err != nil {
		return err
	}
	patch, err := decodeChecklistItem(v)
	if err != nil {
		return err
	}
	if s.profile.StepPatchUnchecks && !patch.IsChecked.Set {
		patch.IsChecked = todo.Some(false)
	}
	return s.changeTask(r, func(tx *store.Tx, t todo.Task) (todo.Task, error) {
		return t.PatchChecklistItem(id, patch, tx.Now())
	}, func(t *todo.Task) {
		c, _ := t.ChecklistItem(id) // it was patched just now
		r.updated(r.childContext(t.ListID, t.ID, "checklistItems"), func(e *encoder) { e.checklistItem(&c) })
	})
}

// deleteChecklistItem serves DELETE …/checklistItems/{item}.
func (s *Server) deleteChecklistItem(r *request) error {
	id, err := r.item()
	if err != nil {
		return err
	}
	return s.changeTask(r, func(tx *store.Tx, t todo.Task) (todo.Task, error) {
		return t.DeleteChecklistItem(id, tx.Now())
	}, func(*todo.Task) { r.answer(http.StatusNoContent, nil) })
}
