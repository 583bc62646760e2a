package graph

import (
	"net/http"

	"github.com/duly-todo/duly/internal/store"
	"github.com/duly-todo/duly/internal/todo"
)

// usersContext is the context of a user.
const usersContext = "users"

// listUsers serves GET /users.
func (s *Server) listUsers(r *request) error {
	o, err := s.readOptions(r, store.UserSchema())
	if err != nil {
		return err
	}
	if !o.sel.All() && o.sel.Has("mailboxSettings") {
		return todo.Errorf(todo.NotImplemented, "$select", "The property 'mailboxSettings' is in the answer for one user alone.")
	}
	users, err := s.db.Users(r.Context(), 0, maxInMemory)
	if err == nil {
		err = checkInMemory(len(users))
	}
	if err != nil {
		return err
	}
	p, err := pageOf(s, r, o, users, store.UserRow, defaultPage)
	if err != nil {
		return err
	}
	r.collection(usersContext, len(p.items), p.count, p.next, func(e *encoder, i int) { e.user(&p.items[i]) })
	return nil
}

// getUser serves GET /me and GET /users/{user}. To see another user takes a
// permission over all of them.
func (s *Server) getUser(r *request) error {
	o, err := s.readOptions(r, store.UserSchema())
	if err != nil {
		return err
	}
	u, err := s.visibleUser(r)
	if err != nil {
		return err
	}
	settings, err := r.selectedSettings(o, u.ID)
	if err != nil {
		return err
	}
	r.entity(http.StatusOK, usersContext, func(e *encoder) {
		e.user(&u)
		if settings {
			e.name("mailboxSettings")
			e.b = append(e.b, '{')
			e.mailboxSettings(&u)
			e.close()
		}
	})
	return nil
}

// visibleUser is the user of the path, where the caller may see that one. For
// a caller who may see no one else, another user and none are the same.
func (s *Server) visibleUser(r *request) (todo.User, error) {
	target := r.params.get("user")
	if target == "" {
		target = r.as.User
	}
	u, err := s.db.User(r.Context(), target)
	if err == nil && u.ID == r.as.User {
		return u, nil
	}
	if !hasAny(r.principal, usersReadAll.delegated) {
		return todo.User{}, denied(true)
	}
	return u, err
}

// patchUser serves PATCH /me and PATCH /users/{user}, for the caller's own: 204,
// as the documentation has it.
func (s *Server) patchUser(r *request) error {
	own, err := s.isOwn(r.Context(), r.as.User, r.params.get("user"))
	if err != nil {
		return err
	}
	if !own {
		return denied(true)
	}
	v, err := r.readObject("microsoft.graph.user")
	if err != nil {
		return err
	}
	patch, err := decodeUser(v)
	if err != nil {
		return err
	}
	err = s.update(r, func(tx *store.Tx) error {
		u, err := tx.Owner()
		if err != nil {
			return err
		}
		if u, err = u.Apply(patch); err != nil {
			return err
		}
		return tx.UpdateUser(u)
	})
	if err != nil {
		return err
	}
	r.answer(http.StatusNoContent, nil)
	return nil
}
