package odata

import (
	"encoding/base64"
	"encoding/binary"
	"strings"
	"time"

	"github.com/duly-todo/duly/internal/todo"
)

// An ETag is the state of a list or a task: the mailbox's version of its last
// write, and the microsecond of it, so that a database that was restored from a
// backup does not repeat an etag for another content.
type ETag [16]byte

// NewETag makes the etag of a state.
func NewETag(version int64, modified time.Time) (e ETag) {
	binary.BigEndian.PutUint64(e[:8], uint64(version))
	binary.BigEndian.PutUint64(e[8:], uint64(modified.UnixMicro()))
	return e
}

// AppendTo writes the etag as Graph does: W/"base64".
func (e ETag) AppendTo(b []byte) []byte {
	b = append(b, `W/"`...)
	b = base64.StdEncoding.AppendEncode(b, e[:])
	return append(b, '"')
}

func (e ETag) String() string {
	var room [40]byte
	return string(e.AppendTo(room[:0]))
}

// Matches says whether a list of etags, as in If-Match, holds e. The strong form
// is taken for the weak one (semantics 4.6). A member that is no etag of ours is
// an error of the kind todo.BrokenETag.
func (e ETag) Matches(list string) (bool, error) {
	found := false
	for item := range strings.SplitSeq(list, ",") {
		item = strings.TrimPrefix(strings.TrimSpace(item), "W/")
		text, ok := strings.CutPrefix(item, `"`)
		text, ok2 := strings.CutSuffix(text, `"`)
		b, err := base64.StdEncoding.DecodeString(text)
		if !ok || !ok2 || err != nil || len(b) != len(e) {
			return false, todo.Errorf(todo.BrokenETag, "If-Match", "The If-Match header does not hold an etag of this service.")
		}
		found = found || ETag(b) == e
	}
	return found, nil
}
