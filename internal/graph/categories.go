package graph

import (
	"net/http"

	"github.com/duly-todo/duly/internal/store"
	"github.com/duly-todo/duly/internal/todo"
)

// The master categories of a mailbox are the names that clients offer for the
// categories of tasks, and their colours. Tasks hold the names alone, and may
// hold others. No category has an etag.

func (r *request) outlookContext() string { return "users" + keyed(r.as.User) + "/outlook" }

func (r *request) categoriesContext() string { return r.outlookContext() + "/masterCategories" }

// getOutlook serves GET …/outlook, an entity that has nothing but its id.
func (s *Server) getOutlook(r *request) error {
	if _, err := s.readOptions(r, store.OutlookSchema()); err != nil {
		return err
	}
	r.entity(http.StatusOK, r.outlookContext(), func(e *encoder) { e.str("id", r.as.User) })
	return nil
}

// category writes the members of an outlookCategory.
func (e *encoder) category(c *todo.OutlookCategory) {
	e.str("id", c.ID)
	e.str("displayName", c.Name)
	e.str("color", c.Color.String())
}

func decodeCategory(v jsonValue) (todo.OutlookCategoryPatch, error) {
	d := decoder{v: v}
	return todo.OutlookCategoryPatch{
		DisplayName: opt(&d, "displayName", jsonValue.str),
		Color:       opt(&d, "color", enum(todo.ParseCategoryColor, "microsoft.graph.categoryColor")),
	}, d.err
}

// readCategory reads the body of a POST or PATCH.
func (r *request) readCategory() (todo.OutlookCategoryPatch, error) {
	v, err := r.readObject("microsoft.graph.outlookCategory")
	if err != nil {
		return todo.OutlookCategoryPatch{}, err
	}
	return decodeCategory(v)
}

// categories reads the query options and all categories.
func (s *Server) categories(r *request) (o options, all []todo.OutlookCategory, err error) {
	if o, err = s.readOptions(r, store.CategorySchema()); err != nil {
		return o, nil, err
	}
	err = s.glance(r, func(tx *store.Tx) (err error) {
		all, err = tx.Categories()
		return err
	})
	return o, all, err
}

// listCategories serves GET …/outlook/masterCategories.
func (s *Server) listCategories(r *request) error {
	o, all, err := s.categories(r)
	if err != nil {
		return err
	}
	p, err := pageOf(s, r, o, all, store.CategoryRow, maxPage)
	if err != nil {
		return err
	}
	r.collection(r.categoriesContext(), len(p.items), p.count, p.next, func(e *encoder, i int) { e.category(&p.items[i]) })
	return nil
}

// countCategories serves GET …/outlook/masterCategories/$count.
func (s *Server) countCategories(r *request) error {
	o, all, err := s.categories(r)
	if err != nil {
		return err
	}
	r.number(len(pick(all, store.CategoryRow, o.filter, nil)))
	return nil
}

// createCategory serves POST …/outlook/masterCategories.
func (s *Server) createCategory(r *request) error {
	patch, err := r.readCategory()
	if err != nil {
		return err
	}
	var c todo.OutlookCategory
	err = s.update(r, func(tx *store.Tx) error {
		others, err := tx.Categories()
		if err != nil {
			return err
		}
		if c, err = todo.NewOutlookCategory(tx.NewGUID(), patch, others); err != nil {
			return err
		}
		return tx.InsertCategory(c)
	})
	if err != nil {
		return err
	}
	r.created(c.ID, r.categoriesContext(), func(e *encoder) { e.category(&c) })
	return nil
}

// getCategory serves GET …/outlook/masterCategories/{item}.
func (s *Server) getCategory(r *request) error {
	id, err := r.item()
	if err != nil {
		return err
	}
	if _, err := s.readOptions(r, store.CategorySchema()); err != nil {
		return err
	}
	var c todo.OutlookCategory
	err = s.glance(r, func(tx *store.Tx) (err error) {
		c, err = tx.Category(id)
		return err
	})
	if err != nil {
		return err
	}
	r.entity(http.StatusOK, r.categoriesContext(), func(e *encoder) { e.category(&c) })
	return nil
}

// patchCategory serves PATCH …/outlook/masterCategories/{item}.
func (s *Server) patchCategory(r *request) error {
	id, err := r.item()
	if err != nil {
		return err
	}
	patch, err := r.readCategory()
	if err != nil {
		return err
	}
	var c todo.OutlookCategory
	err = s.update(r, func(tx *store.Tx) (err error) {
		if c, err = tx.Category(id); err != nil {
			return err
		}
		c = c.Apply(patch)
		return tx.UpdateCategory(c)
	})
	if err != nil {
		return err
	}
	r.updated(r.categoriesContext(), func(e *encoder) { e.category(&c) })
	return nil
}

// deleteCategory serves DELETE …/outlook/masterCategories/{item}.
func (s *Server) deleteCategory(r *request) error {
	id, err := r.item()
	if err != nil {
		return err
	}
	err = s.update(r, func(tx *store.Tx) error {
		if _, err := tx.Category(id); err != nil {
			return err
		}
		return tx.DeleteCategory(id)
	})
	if err != nil {
		return err
	}
	r.answer(http.StatusNoContent, nil)
	return nil
}
