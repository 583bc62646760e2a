package graph

import (
	"encoding/base64"
	"encoding/binary"
	"net/http"
	"strings"
	"time"

	"github.com/duly-todo/duly/internal/todo"
)

// An etag is the state of a list or a task: the mailbox's version of its last
// write, and the microsecond of it, so that a database that was restored from a
// backup does not repeat an etag for another content.
type etag [16]byte

func newETag(version int64, modified time.Time) (e etag) {
	binary.BigEndian.PutUint64(e[:8], uint64(version))
	binary.BigEndian.PutUint64(e[8:], uint64(modified.UnixMicro()))
	return e
}

func taskETag(t *todo.Task) etag { return newETag(t.Version, t.Modified) }

// appendTo writes the etag as Graph does: W/"base64".
func (e etag) appendTo(b []byte) []byte {
	b = append(b, `W/"`...)
	b = base64.StdEncoding.AppendEncode(b, e[:])
	return append(b, '"')
}

func (e etag) String() string { return string(e.appendTo(nil)) }

// matches says whether a list of etags, as in If-Match, holds e. The strong form
// is taken for the weak one (semantics 4.6). A member that is no etag of ours is
// an error of the kind todo.BrokenETag.
func (e etag) matches(list string) (bool, error) {
	found := false
	for item := range strings.SplitSeq(list, ",") {
		item = strings.TrimPrefix(strings.TrimSpace(item), "W/")
		text, ok := strings.CutPrefix(item, `"`)
		text, ok2 := strings.CutSuffix(text, `"`)
		b, err := base64.StdEncoding.DecodeString(text)
		if !ok || !ok2 || err != nil || len(b) != len(e) {
			return false, todo.Errorf(todo.BrokenETag, "If-Match", "The If-Match header does not hold an etag of this service.")
		}
		found = found || etag(b) == e
	}
	return found, nil
}

// ifMatch checks the If-Match header of a write to t or to a child of t, whose
// etag guards them all (semantics 4.4).
func (s *Server) ifMatch(r *request, t *todo.Task) error {
	header := strings.TrimSpace(strings.Join(r.Header.Values("If-Match"), ","))
	if header == "" || header == "*" && !s.profile.BrokenETagIs500 {
		return nil
	}
	ok, err := taskETag(t).matches(header)
	if err != nil {
		return err
	}
	if !ok {
		return todo.Errorf(todo.Conflict, "If-Match", "A precondition provided in the request (such as an if-match header) does not match the resource's current state.")
	}
	return nil
}

// notModified answers 304 where the client has the state e already.
func (r *request) notModified(e etag) bool {
	header := r.Header.Get("If-None-Match")
	if header == "" {
		return false
	}
	if ok, err := e.matches(header); (err != nil || !ok) && strings.TrimSpace(header) != "*" {
		return false
	}
	r.header.Set("ETag", e.String())
	r.answer(http.StatusNotModified, nil)
	return true
}
