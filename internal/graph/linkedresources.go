package graph

import (
	"net/http"
	"net/url"
	"strings"

	"github.com/duly-todo/duly/internal/odata"
	"github.com/duly-todo/duly/internal/store"
	"github.com/duly-todo/duly/internal/todo"
)

// Linked resources of a task have no etag of their own: the task's guards them.
// The early documentation also has a collection of all of them, at the root,
// whose POST makes one that no task holds yet; a task takes it over by its
// address in "@odata.id".

// listLinkedResources serves GET …/tasks/{task}/linkedResources.
func (s *Server) listLinkedResources(r *request) error {
	o, t, err := s.childrenOf(r, store.LinkedResourceSchema())
	if err != nil {
		return err
	}
	p, err := pageOf(s, r, o, t.LinkedResources, store.LinkedResourceRow, maxPage)
	if err != nil {
		return err
	}
	r.collection(r.childContext(t.ListID, t.ID, "linkedResources"), len(p.items), p.count, p.next, func(e *encoder, i int) { e.linkedResource(&p.items[i]) })
	return nil
}

// countLinkedResources serves GET …/linkedResources/$count.
func (s *Server) countLinkedResources(r *request) error {
	o, t, err := s.childrenOf(r, store.LinkedResourceSchema())
	if err != nil {
		return err
	}
	r.number(len(pick(t.LinkedResources, store.LinkedResourceRow, o.filter, nil)))
	return nil
}

// createLinkedResource serves POST …/tasks/{task}/linkedResources: a new one, or
// one taken over from the collection of all.
func (s *Server) createLinkedResource(r *request) error {
	v, err := r.readObject("microsoft.graph.linkedResource")
	if err != nil {
		return err
	}
	patch, err := decodeLinkedResource(v)
	if err != nil {
		return err
	}
	d := decoder{v: v}
	address := opt(&d, "@odata.id", jsonValue.str)
	if d.err != nil {
		return d.err
	}
	taken := ""
	if address.Has() {
		if taken, err = linkedResourceID(address.V); err != nil {
			return err
		}
	}
	rules := s.profile.linkRules()
	return s.changeTask(r, func(tx *store.Tx, t todo.Task) (todo.Task, error) {
		var l todo.LinkedResource
		var err error
		if taken != "" {
			l, err = takeOver(tx, rules, taken, patch)
		} else {
			l, err = rules.NewLinkedResource(tx.NewGUID(), patch)
		}
		if err != nil {
			return t, err
		}
		return rules.AddLinkedResource(t, l, tx.Now())
	}, func(t *todo.Task) {
		l := &t.LinkedResources[len(t.LinkedResources)-1]
		r.created(l.ID, r.childContext(t.ListID, t.ID, "linkedResources"), func(e *encoder) { e.linkedResource(l) })
	})
}

// takeOver gives the linked resource id, which no task may hold, as the body
// changes it.
func takeOver(tx *store.Tx, rules todo.LinkRules, id string, patch todo.LinkedResourcePatch) (todo.LinkedResource, error) {
	h, err := tx.LinkedResource(id)
	if err != nil {
		return h.LinkedResource, err
	}
	if h.TaskID != "" {
		return h.LinkedResource, todo.Errorf(todo.LinkHeld, "@odata.id", "The linked resource '%s' belongs to a task already.", id)
	}
	return rules.Apply(h.LinkedResource, patch)
}

// linkedResourceID reads the id out of an address whose path ends in
// linkedResources/{id}.
func linkedResourceID(address string) (string, error) {
	bad := todo.Errorf(todo.Invalid, "@odata.id", "The property '@odata.id' must be the address of a linked resource, ending in /linkedResources/{id}.")
	u, err := url.Parse(address)
	if err != nil {
		return "", bad
	}
	segments, err := odata.ParsePath("/" + strings.TrimPrefix(u.EscapedPath(), "/"))
	if err != nil || len(segments) < 2 || !strings.EqualFold(segments[len(segments)-2].Name, "linkedResources") {
		return "", bad
	}
	id := segments[len(segments)-1].Name
	if !store.ValidGUID(id) {
		return "", bad
	}
	return strings.ToLower(id), nil
}

// getLinkedResource serves GET …/tasks/{task}/linkedResources/{item}.
func (s *Server) getLinkedResource(r *request) error {
	id, err := r.item()
	if err != nil {
		return err
	}
	if _, err := s.readOptions(r, store.LinkedResourceSchema()); err != nil {
		return err
	}
	t, err := s.loadTask(r)
	if err != nil {
		return err
	}
	l, err := t.LinkedResource(id)
	if err != nil {
		return err
	}
	r.entity(http.StatusOK, r.childContext(t.ListID, t.ID, "linkedResources"), func(e *encoder) { e.linkedResource(&l) })
	return nil
}

// patchLinkedResource serves PATCH …/tasks/{task}/linkedResources/{item}.
func (s *Server) patchLinkedResource(r *request) error {
	id, err := r.item()
	if err != nil {
		return err
	}
	v, err := r.readBody()
	if err != nil {
		return err
	}
	patch, err := decodeLinkedResource(v)
	if err != nil {
		return err
	}
	return s.changeTask(r, func(tx *store.Tx, t todo.Task) (todo.Task, error) {
		return s.profile.linkRules().PatchLinkedResource(t, id, patch, tx.Now())
	}, func(t *todo.Task) {
		l, _ := t.LinkedResource(id) // it was patched just now
		r.updated(r.childContext(t.ListID, t.ID, "linkedResources"), func(e *encoder) { e.linkedResource(&l) })
	})
}

// deleteLinkedResource serves DELETE …/tasks/{task}/linkedResources/{item}.
func (s *Server) deleteLinkedResource(r *request) error {
	id, err := r.item()
	if err != nil {
		return err
	}
	return s.changeTask(r, func(tx *store.Tx, t todo.Task) (todo.Task, error) {
		return t.DeleteLinkedResource(id, tx.Now())
	}, func(*todo.Task) { r.answer(http.StatusNoContent, nil) })
}

// allLinks is the context of the collection of all linked resources.
const allLinks = "linkedResources"

// listOwnLinkedResources serves GET /linkedResources: all of the caller's.
func (s *Server) listOwnLinkedResources(r *request) error {
	o, err := s.readOptions(r, store.LinkedResourceSchema())
	if err != nil {
		return err
	}
	var links []store.HeldLink
	err = s.view(r, func(tx *store.Tx) (err error) {
		if links, err = tx.LinkedResources(0, maxInMemory); err == nil {
			err = checkInMemory(len(links))
		}
		return err
	})
	if err != nil {
		return err
	}
	p, err := pageOf(s, r, o, links, func(h *store.HeldLink) odata.Row { return store.LinkedResourceRow(&h.LinkedResource) }, defaultPage)
	if err != nil {
		return err
	}
	r.collection(allLinks, len(p.items), p.count, p.next, func(e *encoder, i int) { e.heldLink(&p.items[i]) })
	return nil
}

// createOwnLinkedResource serves POST /linkedResources.
func (s *Server) createOwnLinkedResource(r *request) error {
	v, err := r.readBody()
	if err != nil {
		return err
	}
	patch, err := decodeLinkedResource(v)
	if err != nil {
		return err
	}
	var h store.HeldLink
	err = s.update(r, func(tx *store.Tx) (err error) {
		if h.LinkedResource, err = s.profile.linkRules().NewLinkedResource(tx.NewGUID(), patch); err != nil {
			return err
		}
		return tx.PutLinkedResource(h.LinkedResource)
	})
	if err != nil {
		return err
	}
	r.created(h.ID, allLinks, func(e *encoder) { e.heldLink(&h) })
	return nil
}

// getOwnLinkedResource serves GET /linkedResources/{item}.
func (s *Server) getOwnLinkedResource(r *request) error {
	id, err := r.item()
	if err != nil {
		return err
	}
	var h store.HeldLink
	err = s.glance(r, func(tx *store.Tx) (err error) {
		h, err = tx.LinkedResource(id)
		return err
	})
	if err != nil {
		return err
	}
	r.entity(http.StatusOK, allLinks, func(e *encoder) { e.heldLink(&h) })
	return nil
}

// patchOwnLinkedResource serves PATCH /linkedResources/{item}.
func (s *Server) patchOwnLinkedResource(r *request) error {
	v, err := r.readBody()
	if err != nil {
		return err
	}
	patch, err := decodeLinkedResource(v)
	if err != nil {
		return err
	}
	rules := s.profile.linkRules()
	h, err := s.changeOwnLink(r, func(tx *store.Tx, h *store.HeldLink) (err error) {
		if h.LinkedResource, err = rules.Apply(h.LinkedResource, patch); err != nil {
			return err
		}
		return tx.PutLinkedResource(h.LinkedResource)
	}, func(tx *store.Tx, t todo.Task, h *store.HeldLink) (todo.Task, error) {
		t, err := rules.PatchLinkedResource(t, h.ID, patch, tx.Now())
		if err != nil {
			return t, err
		}
		h.LinkedResource, err = t.LinkedResource(h.ID)
		return t, err
	})
	if err != nil {
		return err
	}
	r.updated(allLinks, func(e *encoder) { e.heldLink(&h) })
	return nil
}

// deleteOwnLinkedResource serves DELETE /linkedResources/{item}.
func (s *Server) deleteOwnLinkedResource(r *request) error {
	_, err := s.changeOwnLink(r, func(tx *store.Tx, h *store.HeldLink) error {
		return tx.DeleteLinkedResource(h.ID)
	}, func(tx *store.Tx, t todo.Task, h *store.HeldLink) (todo.Task, error) {
		return t.DeleteLinkedResource(h.ID, tx.Now())
	})
	if err != nil {
		return err
	}
	r.answer(http.StatusNoContent, nil)
	return nil
}

// changeOwnLink changes a linked resource that no task holds by free, and one
// that a task holds by held, as a change of that task.
func (s *Server) changeOwnLink(r *request, free func(*store.Tx, *store.HeldLink) error, held func(*store.Tx, todo.Task, *store.HeldLink) (todo.Task, error)) (h store.HeldLink, err error) {
	id, err := r.item()
	if err != nil {
		return h, err
	}
	err = s.update(r, func(tx *store.Tx) error {
		if h, err = tx.LinkedResource(id); err != nil {
			return err
		}
		if h.TaskID == "" {
			return free(tx, &h)
		}
		old, err := tx.Task(h.ListID, h.TaskID)
		if err != nil {
			return err
		}
		if err := s.ifMatch(r, &old); err != nil {
			return err
		}
		t, err := held(tx, old, &h)
		if err != nil {
			return err
		}
		return tx.UpdateTask(old, &t)
	})
	return h, err
}
