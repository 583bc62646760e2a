package graph

import (
	"net/http"
	"strings"

	"github.com/duly-todo/duly/internal/odata"
	"github.com/duly-todo/duly/internal/todo"
)

func taskETag(t *todo.Task) odata.ETag { return odata.NewETag(t.Version, t.Modified) }

// ifMatch checks the If-Match header of a write to t or to a child of t, whose
// etag guards them all (semantics 4.4).
func (s *Server) ifMatch(r *request, t *todo.Task) error {
	header := strings.TrimSpace(strings.Join(r.Header.Values("If-Match"), ","))
	if header == "" || header == "*" && !s.profile.BrokenETagIs500 {
		return nil
	}
	ok, err := taskETag(t).Matches(header)
	if err != nil {
		return err
	}
	if !ok {
		return todo.Errorf(todo.Conflict, "If-Match", "A precondition provided in the request (such as an if-match header) does not match the resource's current state.")
	}
	return nil
}

// notModified answers 304 where the client has the state e already.
func (r *request) notModified(e odata.ETag) bool {
	header := r.Header.Get("If-None-Match")
	if header == "" {
		return false
	}
	if ok, err := e.Matches(header); (err != nil || !ok) && strings.TrimSpace(header) != "*" {
		return false
	}
	r.header.Set("ETag", e.String())
	r.answer(http.StatusNotModified, nil)
	return true
}
