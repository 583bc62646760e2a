package graph

import (
	"strconv"
	"strings"

	"github.com/duly-todo/duly/internal/todo"
)

// parseContentRange reads a Content-Range header (RFC 9110, section 14.4):
// "bytes 0-99/1000", or "bytes */0" for the only slice that an empty file has.
// The unit has no case, and spaces around the parts do no harm.
func parseContentRange(header string) (p todo.Slice, total int64, err error) {
	bad := todo.Errorf(todo.InvalidSlice, "Content-Range", "The Content-Range '%s' is not of the form 'bytes first-last/size'.", shortened(header))
	unit, rest, _ := strings.Cut(strings.TrimSpace(strings.ReplaceAll(header, "\t", " ")), " ")
	of, size, ok := strings.Cut(rest, "/")
	total, known := wholeBytes(size)
	if !strings.EqualFold(unit, "bytes") || !ok || !known {
		return p, 0, bad
	}
	if strings.TrimSpace(of) == "*" && total == 0 {
		return p, 0, nil
	}
	first, last, _ := strings.Cut(of, "-")
	start, ok := wholeBytes(first)
	end, ok2 := wholeBytes(last)
	if !ok || !ok2 || end < start || end >= total {
		return p, 0, bad
	}
	return todo.Slice{Start: start, End: end + 1}, total, nil
}

// wholeBytes reads a number of bytes: digits alone, and not more than any file has.
func wholeBytes(s string) (int64, bool) {
	s = strings.TrimSpace(s)
	if len(s) > 18 || s == "" || strings.Trim(s, "0123456789") != "" {
		return 0, false
	}
	n, err := strconv.ParseInt(s, 10, 64)
	return n, err == nil
}

// slice reads which bytes of its file a PUT to the session sends. Without a
// Content-Range it is the whole file.
func (r *request) slice(s *todo.UploadSession) (p todo.Slice, err error) {
	headers := r.Header.Values("Content-Range")
	total := r.ContentLength
	switch {
	case len(headers) == 1:
		if p, total, err = parseContentRange(headers[0]); err != nil {
			return p, err
		}
	case len(headers) > 1:
		return p, todo.Errorf(todo.InvalidSlice, "Content-Range", "There is more than one Content-Range header.")
	case total != s.File.Size:
		return p, todo.Errorf(todo.InvalidSlice, "Content-Range", "The Content-Range header is required, as 'bytes first-last/%d', unless the whole file is sent.", s.File.Size)
	default:
		p.End = total
	}
	if total != s.File.Size {
		return p, todo.Errorf(todo.InvalidSlice, "Content-Range", "The Content-Range says that the file has %d bytes; the session is for %d.", total, s.File.Size)
	}
	if r.ContentLength >= 0 && r.ContentLength != p.End-p.Start {
		return p, todo.Errorf(todo.InvalidSlice, "Content-Length", "The Content-Length is %d, and the range has %d bytes.", r.ContentLength, p.End-p.Start)
	}
	return p, nil
}
