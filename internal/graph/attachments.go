package graph

import (
	"context"
	"encoding/base64"
	"io"
	"mime"
	"net/http"
	"strconv"
	"strings"

	"github.com/duly-todo/duly/internal/store"
	"github.com/duly-todo/duly/internal/todo"
)

// Attachments have no etag of their own: a write to one moves the task's. Their
// names and content types are what some client sent: they are never believed,
// never a path, and never a page of this host.

// taskFileAttachment is the only kind of attachment that To Do has.
const taskFileAttachment = "taskFileAttachment"

func (r *request) attachmentsContext() string {
	return r.childContext(r.params.get("list"), r.params.get("task"), "attachments")
}

// attachment loads the attachment of the path, which is complete, and its task.
func (r *request) attachment(tx *store.Tx) (t todo.Task, a todo.Attachment, err error) {
	id := r.params.get("attachment")
	t, err = r.task(tx, store.AttachmentInto(id, &a))
	switch {
	case err != nil:
	case !store.ValidID(id):
		err = malformedID()
	case a.ID == "":
		err = todo.ErrNotFound
	}
	return t, a, err
}

// attachments loads all of the task's.
func (s *Server) attachments(r *request) (out []todo.Attachment, err error) {
	err = s.glance(r, func(tx *store.Tx) error {
		_, err := r.task(tx, store.AttachmentsInto(&out))
		return err
	})
	return out, err
}

// listAttachments serves GET …/tasks/{task}/attachments: without their bytes.
func (s *Server) listAttachments(r *request) error {
	o, err := s.readOptions(r, store.AttachmentSchema())
	if err != nil {
		return err
	}
	all, err := s.attachments(r)
	if err != nil {
		return err
	}
	p, err := pageOf(s, r, o, all, store.AttachmentRow, maxPage)
	if err != nil {
		return err
	}
	r.collection(r.attachmentsContext(), len(p.items), p.count, p.next, func(e *encoder, i int) { e.attachment(&p.items[i]) })
	return nil
}

// countAttachments serves GET …/attachments/$count.
func (s *Server) countAttachments(r *request) error {
	o, err := s.readOptions(r, store.AttachmentSchema())
	if err != nil {
		return err
	}
	all, err := s.attachments(r)
	if err != nil {
		return err
	}
	r.number(len(pick(all, store.AttachmentRow, o.filter, nil)))
	return nil
}

// attachment writes the members of a taskFileAttachment but its bytes, which
// are the last.
func (e *encoder) attachment(a *todo.Attachment) {
	if !e.r.bare {
		e.str("@odata.type", "#"+namespace+taskFileAttachment)
	}
	e.str("id", a.ID)
	e.instant("lastModifiedDateTime", a.Modified)
	e.str("name", a.Name)
	e.optional("contentType", a.ContentType)
	e.number("size", int(a.Size))
}

// attachmentsOf writes the attachments of a task that $expand asks for.
func (e *encoder) attachmentsOf(t *todo.Task, tasks string) {
	if len(t.Attachments) == 0 {
		return
	}
	e.childrenOf("attachments", t, tasks)
	for i := range t.Attachments {
		e.open()
		e.attachment(&t.Attachments[i])
		e.close()
	}
	e.b = append(e.b, ']')
}

// maxAttachmentBody is the most bytes of the body of a POST of an attachment:
// the file as base64, and room for its name.
const maxAttachmentBody = todo.MaxSmallAttachment/3*4 + 64<<10

// createAttachment serves POST …/tasks/{task}/attachments, for small files.
func (s *Server) createAttachment(r *request) error {
	v, err := r.readUpTo(maxAttachmentBody)
	if err != nil {
		return err
	}
	info, content, err := decodeAttachment(v)
	if err != nil {
		return err
	}
	var a todo.Attachment
	held := 0
	return s.changeTask(r, func(tx *store.Tx, t todo.Task) (_ todo.Task, err error) {
		if a, err = todo.NewAttachment(tx.NewID(), &t, held, info, tx.Now()); err != nil {
			return t, err
		}
		t.Modified = tx.Now()
		return t, tx.AddAttachment(&a, content)
	}, func(*todo.Task) {
		r.created(a.ID, r.attachmentsContext(), func(e *encoder) {
			e.attachment(&a)
			e.name("contentBytes")
			e.b = append(e.b, '"')
			e.b = base64.StdEncoding.AppendEncode(e.b, content)
			e.b = append(e.b, '"')
		})
	}, store.AttachmentsHeldInto(&held))
}

// decodeAttachment reads a taskFileAttachment with its bytes.
func decodeAttachment(v jsonValue) (p todo.AttachmentInfo, content []byte, err error) {
	if v, err = v.object(namespace + taskFileAttachment); err != nil {
		return p, nil, err
	}
	d := decoder{v: v}
	kind := opt(&d, "@odata.type", jsonValue.str)
	p.Name, p.ContentType = opt(&d, "name", jsonValue.str), opt(&d, "contentType", jsonValue.str)
	bytes := opt(&d, "contentBytes", decodeBinary)
	switch {
	case d.err != nil:
		return p, nil, d.err
	case kind.Has() && !isFileAttachment(kind.V):
		return p, nil, todo.Errorf(todo.Invalid, "@odata.type", "The type '%s' is not supported; attachments of tasks are '#microsoft.graph.taskFileAttachment'.", shortened(kind.V))
	case !bytes.Has():
		return p, nil, todo.Errorf(todo.Invalid, "contentBytes", "The property 'contentBytes' is required when creating the attachment.")
	case len(bytes.V) > todo.MaxSmallAttachment:
		return p, nil, todo.Errorf(todo.TooLarge, "contentBytes", "The property 'contentBytes' has %d bytes, more than the %d allowed; use createUploadSession.", len(bytes.V), todo.MaxSmallAttachment)
	}
	p.Size = todo.Some(int64(len(bytes.V)))
	return p, bytes.V, nil
}

// isFileAttachment says whether a type is that of files. Clients written for
// mail name the one of messages.
func isFileAttachment(name string) bool {
	name = strings.ToLower(strings.TrimPrefix(name, "#"))
	name = strings.TrimPrefix(strings.TrimPrefix(name, "microsoft."), "graph.")
	return name == strings.ToLower(taskFileAttachment) || name == "fileattachment"
}

// decodeBinary reads an Edm.Binary.
func decodeBinary(v jsonValue) ([]byte, error) {
	text, err := v.str()
	if err != nil {
		return nil, v.mismatch("Edm.Binary")
	}
	b, err := decodeBase64(text)
	if err != nil {
		return nil, v.mismatch("Edm.Binary")
	}
	return b, nil
}

// decodeBase64 reads base64 of either alphabet, whose padding may be missing.
func decodeBase64(text string) ([]byte, error) {
	text = strings.NewReplacer("-", "+", "_", "/").Replace(strings.TrimRight(text, "="))
	return base64.RawStdEncoding.DecodeString(text)
}

// getAttachment serves GET …/attachments/{attachment}, with the bytes unless
// $select leaves them out.
func (s *Server) getAttachment(r *request) error {
	o, err := s.readOptions(r, store.AttachmentSchema())
	if err != nil {
		return err
	}
	d := download{first: pieceBuffers.Get().(*[store.PieceSize]byte)}
	defer d.close()
	err = s.view(r, func(tx *store.Tx) error {
		_, a, err := r.attachment(tx)
		if err != nil {
			return err
		}
		d.to = a.Size
		return d.open(tx, a)
	})
	if err != nil {
		return err
	}
	if !o.sel.Has("contentBytes") {
		r.entity(http.StatusOK, r.attachmentsContext(), func(e *encoder) { e.attachment(&d.file) })
		return nil
	}
	e := r.encoder()
	e.b = append(e.b, '{')
	e.context("", r.attachmentsContext(), selected(o.sel), "/$entity")
	e.attachment(&d.file)
	e.b = append(e.b, '}')
	e.prune(0)
	e.b = e.b[:len(e.b)-1]
	e.name("contentBytes")
	e.b = append(e.b, '"')
	r.header.Set("Content-Length", strconv.Itoa(len(e.b)+base64.StdEncoding.EncodedLen(int(d.to))+len(`"}`)))
	r.setJSON()
	r.status = http.StatusOK
	r.w.WriteHeader(http.StatusOK)
	if r.head {
		return nil
	}
	_, _ = r.w.Write(e.b) // the client has gone; nobody is left to tell
	encoded := base64.NewEncoder(base64.StdEncoding, r.w)
	s.send(r, &d, encoded)
	_ = encoded.Close() // as above
	_, _ = io.WriteString(r.w, `"}`)
	return nil
}

// deleteAttachment serves DELETE …/attachments/{attachment}. If-Match does not
// count, as on the real service (semantics 4.5).
func (s *Server) deleteAttachment(r *request) error {
	err := s.update(r, func(tx *store.Tx) error {
		old, a, err := r.attachment(tx)
		if err != nil {
			return err
		}
		if err := tx.DeleteAttachment(&a); err != nil {
			return err
		}
		t := old
		t.Modified = tx.Now()
		return tx.UpdateTask(old, &t)
	})
	if err != nil {
		return err
	}
	r.answer(http.StatusNoContent, nil)
	return nil
}

// getAttachmentValue serves GET …/attachments/{attachment}/$value: the bytes, as
// a file to be saved. In a browser they can neither run nor be shown.
func (s *Server) getAttachmentValue(r *request) error {
	return s.answerFile(r, func(tx *store.Tx) (todo.Attachment, int64, error) {
		_, a, err := r.attachment(tx)
		return a, a.Size, err
	})
}

// answerFile answers with the first size bytes of a file, or with the range of
// them that is asked for.
func (s *Server) answerFile(r *request, find func(*store.Tx) (todo.Attachment, int64, error)) error {
	d := download{first: pieceBuffers.Get().(*[store.PieceSize]byte)}
	defer d.close()
	err := s.view(r, func(tx *store.Tx) error {
		a, size, err := find(tx)
		if err != nil {
			return err
		}
		if d.from, d.to, err = r.byteRange(size); err != nil {
			return err
		}
		return d.open(tx, a)
	})
	if err != nil {
		return err
	}
	r.header.Set("Content-Type", mediaType(d.file.ContentType))
	r.header.Set("Content-Disposition", disposition(d.file.Name))
	r.header.Set("Content-Security-Policy", "default-src 'none'; sandbox")
	r.header.Set("Content-Length", strconv.FormatInt(d.to-d.from, 10))
	r.status = http.StatusOK
	if r.header.Get("Content-Range") != "" {
		r.status = http.StatusPartialContent
	}
	r.w.WriteHeader(r.status)
	if !r.head {
		s.send(r, &d, r.w)
	}
	return nil
}

// mediaType is a content type that may stand in a header.
func mediaType(contentType string) string {
	kind, parameters, err := mime.ParseMediaType(contentType)
	if err == nil && strings.Contains(kind, "/") {
		if text := mime.FormatMediaType(kind, parameters); text != "" {
			return text
		}
	}
	return "application/octet-stream"
}

// disposition names a file to be saved: in plain letters for old clients, and as
// it is for all others (RFC 6266, RFC 8187).
func disposition(name string) string {
	plain := strings.Map(func(c rune) rune {
		if c < ' ' || c > '~' || strings.ContainsRune(`"\/%`, c) {
			return '_'
		}
		return c
	}, name)
	var b strings.Builder
	b.WriteString(`attachment; filename="` + plain + `"; filename*=UTF-8''`)
	for i := range len(name) {
		if c := name[i]; c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.IndexByte("!#$&+-.^_`|~", c) >= 0 {
			b.WriteByte(c)
		} else {
			b.WriteString("%" + string("0123456789ABCDEF"[c>>4]) + string("0123456789ABCDEF"[c&15]))
		}
	}
	return b.String()
}

// putAttachmentValue serves PUT …/attachments/{attachment}/$value: other bytes,
// written beside those that are there and taken for them at the end. The content
// type stays.
func (s *Server) putAttachmentValue(r *request) error {
	if err := r.unpack(); err != nil {
		return err
	}
	if r.ContentLength > todo.MaxAttachment {
		return attachmentTooLarge()
	}
	return s.replaceContent(r, func(keep func([]byte) error) error {
		b := pieceBuffers.Get().(*[store.PieceSize]byte)
		defer pieceBuffers.Put(b)
		for {
			n, end, err := r.readPiece(b[:])
			if err != nil {
				return err
			}
			if err := keep(b[:n]); err != nil || end {
				return err
			}
		}
	})
}

// deleteAttachmentValue serves DELETE …/attachments/{attachment}/$value: the
// attachment stays, and is empty.
func (s *Server) deleteAttachmentValue(r *request) error {
	return s.replaceContent(r, func(func([]byte) error) error { return nil })
}

func attachmentTooLarge() error {
	return todo.Errorf(todo.TooLarge, "", "The attachment has more than the %d bytes allowed.", todo.MaxAttachment)
}

// replaceContent gives a file the content that write hands over piece by piece.
// If it cannot, what was written is removed.
func (s *Server) replaceContent(r *request, write func(keep func([]byte) error) error) error {
	var a todo.Attachment
	var content, size int64
	err := s.update(r, func(tx *store.Tx) error {
		t, found, err := r.attachment(tx)
		if err != nil {
			return err
		}
		if err := s.ifMatch(r, &t); err != nil {
			return err
		}
		a = found
		content, err = tx.BeginContent(&a)
		return err
	})
	if err != nil {
		return err
	}
	err = write(func(piece []byte) error {
		if len(piece) == 0 {
			return nil
		}
		at := size
		if size += int64(len(piece)); size > todo.MaxAttachment {
			return attachmentTooLarge()
		}
		return s.update(r, func(tx *store.Tx) error { return tx.PutContent(&a, content, at, piece) })
	})
	if err == nil {
		err = s.changeTask(r, func(tx *store.Tx, t todo.Task) (todo.Task, error) {
			t.Modified = tx.Now()
			return t, tx.EndContent(&a, content, size)
		}, func(*todo.Task) { r.answer(http.StatusNoContent, nil) })
	}
	if err != nil {
		s.dropContent(r, &a, content)
	}
	return err
}

// dropContent removes a content that was given up, though the client may have
// left. Where it cannot, the next PUT does.
func (s *Server) dropContent(r *request, a *todo.Attachment, content int64) {
	err := s.db.Update(context.WithoutCancel(r.Context()), r.as, func(tx *store.Tx) error { return tx.DropContent(a, content) })
	if err != nil {
		s.log.WarnContext(r.Context(), "the bytes of an upload that was given up stay for now", "request-id", r.id, "err", err)
	}
}
