package graph

import (
	"errors"
	"net/http"
	"strconv"

	"github.com/duly-todo/duly/internal/store"
	"github.com/duly-todo/duly/internal/todo"
)

// Large files come in slices to an upload session (semantics §15). The id of a
// session is a secret, and is enough to send, look at and delete its bytes: the
// upload helpers of several SDKs send no token there. A token that is sent and
// is good must open the task.
//
// A slice counts when all of it is there. A client that lost its connection
// asks the session where to go on, or sends the slice again.

// maxSlice is the most bytes of a slice where a profile limits them.
const maxSlice = 4 << 20

// createUploadSession serves POST …/attachments/createUploadSession.
func (s *Server) createUploadSession(r *request) error {
	v, err := r.readObject("microsoft.graph.createUploadSession")
	if err != nil {
		return err
	}
	info, err := decodeAttachmentInfo(v)
	if err != nil {
		return err
	}
	var u todo.UploadSession
	err = s.update(r, func(tx *store.Tx) error {
		held := 0
		t, err := r.task(tx, store.AttachmentsHeldInto(&held))
		if err != nil {
			return err
		}
		u = todo.UploadSession{ID: store.NewSecret(), Expires: tx.Now().Add(todo.UploadLifetime)}
		if u.File, err = todo.NewAttachment(tx.NewID(), &t, held, info, tx.Now()); err != nil {
			return err
		}
		return tx.InsertUploadSession(&u)
	})
	if err != nil {
		return err
	}
	s.throttle.upload(r, u.File.Size)
	e := r.encoder()
	e.b = append(e.b, '{')
	e.context("", "microsoft.graph.uploadSession")
	e.str("uploadUrl", r.taskAddress(&u.File)+"/attachmentSessions/"+u.ID)
	e.instant("expirationDateTime", u.Expires)
	e.strs("nextExpectedRanges", []string{"0-"})
	e.close()
	r.answer(http.StatusCreated, e.b)
	return nil
}

// taskAddress is the address of the task of a file.
func (r *request) taskAddress(a *todo.Attachment) string {
	return r.base + "/" + r.version + "/users/" + escapeID(r.as.User) + "/todo/lists/" + a.ListID + "/tasks/" + a.TaskID
}

// decodeAttachmentInfo reads the parameter of createUploadSession.
func decodeAttachmentInfo(v jsonValue) (p todo.AttachmentInfo, err error) {
	info, ok := v.member("attachmentInfo")
	if !ok || info.isNull() {
		return p, todo.Errorf(todo.Invalid, "attachmentInfo", "The parameter 'attachmentInfo' is required.")
	}
	if info, err = info.object("microsoft.graph.attachmentInfo"); err != nil {
		return p, err
	}
	d := decoder{v: info}
	p.At = "attachmentInfo."
	kind := opt(&d, "attachmentType", enum(todo.ParseAttachmentType, "microsoft.graph.attachmentType"))
	p.Name, p.ContentType = opt(&d, "name", jsonValue.str), opt(&d, "contentType", jsonValue.str)
	p.Size = opt(&d, "size", jsonValue.int64)
	if d.err == nil && kind.V != todo.FileAttachment {
		d.err = todo.Errorf(todo.Invalid, "attachmentInfo.attachmentType", "The property 'attachmentInfo.attachmentType' must be 'file'; tasks have no other attachments.")
	}
	return p, d.err
}

// uploadSession writes the members of an attachmentSession.
func (e *encoder) uploadSession(u *todo.UploadSession) {
	e.str("id", u.ID)
	e.instant("expirationDateTime", u.Expires)
	e.strs("nextExpectedRanges", u.Expected())
}

func (r *request) sessionsContext() string {
	return r.childContext(r.params.get("list"), r.params.get("task"), "attachmentSessions")
}

// uploadSession loads the session of the path, whose list and task must be its own.
func (r *request) uploadSession(tx *store.Tx) (u todo.UploadSession, err error) {
	list, err := r.list(tx)
	if err != nil {
		return u, err
	}
	if !store.ValidID(r.params.get("task")) || !store.ValidSecret(r.params.get("session")) {
		return u, malformedID()
	}
	return tx.UploadSession(list, r.params.get("task"), r.params.get("session"))
}

// uploadSessions loads all of the task's.
func (s *Server) uploadSessions(r *request) (out []todo.UploadSession, err error) {
	err = s.glance(r, func(tx *store.Tx) error {
		t, err := r.task(tx)
		if err != nil {
			return err
		}
		out, err = tx.UploadSessions(t.ListID, t.ID)
		return err
	})
	return out, err
}

// listUploadSessions serves GET …/tasks/{task}/attachmentSessions.
func (s *Server) listUploadSessions(r *request) error {
	o, err := s.readOptions(r, store.UploadSessionSchema())
	if err != nil {
		return err
	}
	all, err := s.uploadSessions(r)
	if err != nil {
		return err
	}
	p, err := pageOf(s, r, o, all, store.UploadSessionRow, maxPage)
	if err != nil {
		return err
	}
	r.collection(r.sessionsContext(), len(p.items), p.count, p.next, func(e *encoder, i int) { e.uploadSession(&p.items[i]) })
	return nil
}

// countUploadSessions serves GET …/attachmentSessions/$count.
func (s *Server) countUploadSessions(r *request) error {
	o, err := s.readOptions(r, store.UploadSessionSchema())
	if err != nil {
		return err
	}
	all, err := s.uploadSessions(r)
	if err != nil {
		return err
	}
	r.number(len(pick(all, store.UploadSessionRow, o.filter, nil)))
	return nil
}

// checkUploadPath refuses what the real service does not know where the profile
// copies that.
func (s *Server) checkUploadPath(refused bool) error {
	if refused && s.profile.UploadAtContent {
		return todo.Errorf(todo.NoSuchRoute, "", "")
	}
	return nil
}

// getUploadSession serves GET …/attachmentSessions/{session}, and PATCH, as none
// of its members can be written.
func (s *Server) getUploadSession(r *request) error {
	if err := s.checkUploadPath(r.Method == http.MethodGet); err != nil {
		return err
	}
	if r.Method == http.MethodPatch {
		if _, err := r.readObject("microsoft.graph.attachmentSession"); err != nil {
			return err
		}
	} else if _, err := s.readOptions(r, store.UploadSessionSchema()); err != nil {
		return err
	}
	var u todo.UploadSession
	err := s.glance(r, func(tx *store.Tx) (err error) {
		u, err = r.uploadSession(tx)
		return err
	})
	if err != nil {
		return err
	}
	r.entity(http.StatusOK, r.sessionsContext(), func(e *encoder) { e.uploadSession(&u) })
	return nil
}

// getUploadContent serves GET …/attachmentSessions/{session}/content: the bytes
// that are there.
func (s *Server) getUploadContent(r *request) error {
	if err := s.checkUploadPath(true); err != nil {
		return err
	}
	return s.answerFile(r, func(tx *store.Tx) (todo.Attachment, int64, error) {
		u, err := r.uploadSession(tx)
		if u.File.Complete { // which may have another content by now
			return u.File, u.File.Size, err
		}
		return u.File, u.Received, err
	})
}

// deleteUploadSession serves DELETE of a session and of its content: the upload
// is given up. A file that is complete stays.
func (s *Server) deleteUploadSession(r *request) error {
	err := s.update(r, func(tx *store.Tx) error {
		u, err := r.uploadSession(tx)
		if err != nil {
			return err
		}
		return tx.DeleteUploadSession(&u)
	})
	if err != nil {
		return err
	}
	r.answer(http.StatusNoContent, nil)
	return nil
}

// putSlice serves PUT …/attachmentSessions/{session} and …/{session}/content: the
// next slice of the file.
func (s *Server) putSlice(r *request) error {
	atContent := r.node.segment == "content"
	if err := s.checkUploadPath(!atContent); err != nil {
		return err
	}
	u, err := s.receiveSlice(r)
	if err != nil {
		if e, ok := errors.AsType[*todo.Error](err); ok && (e.Kind == todo.InvalidSlice || e.Kind == todo.InvalidStart) {
			r.drain()
		}
		return err
	}
	if u.File.Complete {
		r.header.Set("Location", r.taskAddress(&u.File)+"/attachments/"+u.File.ID)
		r.answer(http.StatusCreated, nil)
		return nil
	}
	next := u.Expected()
	e := r.encoder()
	e.b = append(e.b, '{')
	if atContent { // the documented form, and its members as all others are spelled
		next = []string{strconv.FormatInt(u.Received, 10)}
		e.instant("ExpirationDateTime", u.Expires)
		e.strs("NextExpectedRanges", next)
	}
	e.instant("expirationDateTime", u.Expires)
	e.strs("nextExpectedRanges", next)
	e.close()
	r.answer(http.StatusOK, e.b)
	return nil
}

// receiveSlice takes the slice that the request brings, and returns the session
// after it. The last slice of a complete file may come again.
func (s *Server) receiveSlice(r *request) (u todo.UploadSession, err error) {
	if err := r.unpack(); err != nil {
		return u, err
	}
	writer := store.NewGUID()
	var p todo.Slice
	again := false
	err = s.update(r, func(tx *store.Tx) (err error) {
		if u, err = r.uploadSession(tx); err != nil {
			return err
		}
		if p, err = r.slice(&u); err != nil {
			return err
		}
		if s.profile.SmallSlices && p.End-p.Start > maxSlice {
			return todo.Errorf(todo.InvalidSlice, "Content-Range", "The range has more than the %d bytes allowed.", maxSlice)
		}
		if again = u.IsLast(p); again {
			return nil
		}
		if err := u.Take(p); err != nil {
			return err
		}
		return tx.BeginSlice(&u, writer)
	})
	if err != nil {
		return u, err
	}
	if again {
		r.drain()
		return u, nil
	}
	return u, s.writeSlice(r, &u, writer, p)
}

// writeSlice writes the body as the slice p, piece by piece, and counts it with
// the last one.
func (s *Server) writeSlice(r *request, u *todo.UploadSession, writer string, p todo.Slice) error {
	b := pieceBuffers.Get().(*[store.PieceSize]byte)
	defer pieceBuffers.Put(b)
	for at := p.Start; ; {
		piece := b[:min(p.End-at, store.PieceSize)]
		n, end, err := r.readPiece(piece)
		if err != nil {
			return err
		}
		start, last := at, at+int64(n) == p.End
		if last && !end { // is there more?
			var more [1]byte
			n, _, err := r.readPiece(more[:])
			if err != nil {
				return err
			}
			if n > 0 {
				return todo.Errorf(todo.InvalidSlice, "Content-Range", "The body is longer than the range of %d bytes.", p.End-p.Start)
			}
		} else if !last && end {
			return todo.Errorf(todo.InvalidSlice, "Content-Range", "The body ends after %d bytes; the range has %d.", at+int64(n)-p.Start, p.End-p.Start)
		}
		err = s.update(r, func(tx *store.Tx) error {
			if err := tx.PutSlice(u, writer, start, piece); err != nil || !last {
				return err
			}
			return tx.EndSlice(u, p.End)
		})
		if err != nil {
			return err
		}
		if at += int64(n); last {
			u.Received, u.File.Complete = p.End, p.End == u.File.Size
			return nil
		}
	}
}
