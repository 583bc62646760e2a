package graph

import (
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/duly-todo/duly/internal/store"
	"github.com/duly-todo/duly/internal/todo"
)

// The bytes of files go through in pieces, of which a request holds one.

// pieceTime is how long a client may take for one piece, up or down.
const pieceTime = time.Minute

var pieceBuffers = sync.Pool{New: func() any { return new([store.PieceSize]byte) }}

// allowTime gives the client time for the next piece, beyond what the server
// gives to a whole request. A part of a batch has no connection of its own.
func (r *request) allowTime() error {
	c := http.NewResponseController(r.w)
	until := time.Now().Add(pieceTime) // of the network, whose clock is not the server's
	for _, err := range []error{c.SetReadDeadline(until), c.SetWriteDeadline(until.Add(pieceTime))} {
		if err != nil && !errors.Is(err, http.ErrNotSupported) {
			return fmt.Errorf("setting a deadline: %w", err)
		}
	}
	return nil
}

// readPiece fills b from the body, and says whether the body ends with it.
func (r *request) readPiece(b []byte) (n int, end bool, err error) {
	if err := r.allowTime(); err != nil {
		return 0, false, err
	}
	r.reading = true
	for n < len(b) {
		k, err := r.Body.Read(b[n:])
		n += k
		switch {
		case err == io.EOF:
			return n, true, nil
		case err != nil:
			return n, false, todo.Errorf(todo.BadRequest, "", "The request body could not be read: %v.", err)
		}
	}
	return n, false, nil
}

// drain reads the rest of a body that is refused, up to the size of the largest
// file: many clients look at the answer only after they have sent all. One that
// waits for leave to send has not begun.
func (r *request) drain() {
	if !r.reading && strings.EqualFold(r.Header.Get("Expect"), "100-continue") {
		return
	}
	b := pieceBuffers.Get().(*[store.PieceSize]byte)
	defer pieceBuffers.Put(b)
	for left := todo.MaxAttachment; left > 0; left -= len(b) {
		if _, end, err := r.readPiece(b[:]); end || err != nil {
			return // the answer is the one that it would be anyway
		}
	}
}

// unpack makes the body what it is without its Content-Encoding: from then on
// all sizes are those of the bytes that are unpacked. None are read yet.
func (r *request) unpack() error {
	switch encoding := r.Header.Get("Content-Encoding"); {
	case encoding == "" || strings.EqualFold(encoding, "identity"):
		return nil
	case strings.EqualFold(encoding, "gzip"):
		r.Request = r.WithContext(r.Context()) // net/http looks at its own again
		r.Body, r.ContentLength = &gunzip{ReadCloser: r.Body}, -1
		return nil
	default:
		return unsupportedEncoding(encoding)
	}
}

// A gunzip unpacks a body, which it does not touch before it is read.
type gunzip struct {
	io.ReadCloser
	z *gzip.Reader
}

func (g *gunzip) Read(b []byte) (n int, err error) {
	if g.z == nil {
		if g.z, err = gzip.NewReader(g.ReadCloser); err != nil {
			if g.z = nil; err == io.EOF {
				err = io.ErrUnexpectedEOF // of a body that is not there at all
			}
			return 0, err
		}
	}
	return g.z.Read(b)
}

// A download is the content of a file that is being sent, or a range of it.
type download struct {
	file     todo.Attachment
	from, to int64                  // the bytes that are sent; to is not one of them
	first    *[store.PieceSize]byte // room for a piece
	piece    []byte                 // the one that was read last
}

func (d *download) close() { pieceBuffers.Put(d.first) }

// open reads the first piece together with the file, so that a content that is
// replaced at once is noticed before the answer begins.
func (d *download) open(tx *store.Tx, file todo.Attachment) (err error) {
	if d.file = file; d.from < d.to {
		d.piece, err = tx.Piece(&d.file, d.from, d.first[:0])
	}
	return err
}

// send writes the content to w. If it is replaced meanwhile, the connection is
// cut: the client must not take a part for the whole.
func (s *Server) send(r *request, d *download, w io.Writer) {
	for at := d.from; at < d.to; {
		if at > d.from {
			err := s.view(r, func(tx *store.Tx) (err error) {
				d.piece, err = tx.Piece(&d.file, at, d.first[:0])
				return err
			})
			if err != nil {
				s.abort(r, err)
			}
		}
		if err := r.allowTime(); err != nil {
			s.abort(r, err)
		}
		d.piece = d.piece[:min(int64(len(d.piece)), d.to-at)]
		at += int64(len(d.piece))
		if _, err := w.Write(d.piece); err != nil {
			return // the client has gone; nobody is left to tell
		}
	}
}

// byteRange finds the bytes that the Range header asks for, and says so in the
// answer. One that names several ranges or makes no sense is ignored, and so is
// one that holds for a version of the file alone, as files have no etag (RFC
// 9110, sections 13.1.5 and 14.2).
func (r *request) byteRange(size int64) (from, to int64, err error) {
	text, ok := strings.CutPrefix(strings.ToLower(r.Header.Get("Range")), "bytes=")
	first, last, hasDash := strings.Cut(text, "-")
	if !ok || !hasDash || r.Header.Get("If-Range") != "" {
		return 0, size, nil
	}
	a, errA := strconv.ParseUint(first, 10, 63)
	b, errB := strconv.ParseUint(last, 10, 63)
	switch {
	case first == "" && errB == nil: // the last bytes
		from, to = size-min(int64(b), size), size
	case errA == nil && last == "":
		from, to = int64(a), size
	case errA == nil && errB == nil && a <= b:
		from, to = int64(a), min(int64(b), size-1)+1
	default:
		return 0, size, nil
	}
	if from >= size {
		r.header.Set("Content-Range", fmt.Sprintf("bytes */%d", size))
		return 0, 0, todo.Errorf(todo.InvalidRange, "Range", "The file has %d bytes, and none of them is in the range that is asked for.", size)
	}
	r.header.Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", from, to-1, size))
	return from, to, nil
}

// abort cuts the connection within an answer. It does not return.
func (s *Server) abort(r *request, err error) {
	s.log.WarnContext(r.Context(), "an answer was cut off", "request-id", r.id, "method", r.Method, "route", r.routePath(), "err", err)
	panic(http.ErrAbortHandler)
}
