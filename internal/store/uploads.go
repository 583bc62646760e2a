package store

import (
	"crypto/rand"
	"encoding/base64"
	"time"

	"github.com/duly-todo/duly/internal/todo"
)

// NewSecret makes the id of an upload session: 256 random bits.
func NewSecret() string {
	var b [32]byte
	rand.Read(b[:])
	return base64.RawURLEncoding.EncodeToString(b[:])
}

// ValidSecret says whether s has the form of what NewSecret makes.
func ValidSecret(s string) bool {
	b, err := base64.RawURLEncoding.DecodeString(s)
	return err == nil && len(b) == 32
}

const (
	uploadColumns = `s.session_id, ` + attachmentColumns + `, s.received, s.expires`
	uploadTables  = `attachment_sessions s JOIN attachments a ON a.user_id = s.user_id AND a.attachment_id = s.attachment_id`
)

func scanUpload(r *row) todo.UploadSession {
	return todo.UploadSession{ID: r.text(), File: scanAttachment(r), Received: r.int(), Expires: time.UnixMicro(r.int()).UTC()}
}

// UploadSession returns an upload session of a task, finished or not, or
// todo.ErrNotFound: also when it has expired.
func (tx *Tx) UploadSession(list, task, id string) (s todo.UploadSession, err error) {
	err = tx.conn.query(`SELECT `+uploadColumns+` FROM `+uploadTables+` WHERE s.user_id = ? AND s.session_id = ? AND s.expires > ? AND a.list_id = ? AND a.task_id = ?`,
		func(r *row) error { s = scanUpload(r); return nil },
		text(tx.as.User), text(id), integer(tx.now.UnixMicro()), text(list), text(task))
	if err == nil && s.ID == "" {
		err = todo.ErrNotFound
	}
	return s, err
}

// UploadSessions returns the upload sessions of a task that have not expired,
// the oldest first.
func (tx *Tx) UploadSessions(list, task string) ([]todo.UploadSession, error) {
	var out []todo.UploadSession
	err := tx.conn.query(`SELECT `+uploadColumns+` FROM `+uploadTables+` WHERE a.user_id = ? AND a.list_id = ? AND a.task_id = ? AND s.expires > ? ORDER BY a.attachment_id`,
		func(r *row) error { out = append(out, scanUpload(r)); return nil },
		text(tx.as.User), text(list), text(task), integer(tx.now.UnixMicro()))
	return out, err
}

// InsertUploadSession writes a new session and the attachment that it is to
// complete, and removes some of the mailbox that have expired.
func (tx *Tx) InsertUploadSession(s *todo.UploadSession) error {
	if err := tx.sweepUploads(); err != nil {
		return err
	}
	open := 0
	err := tx.conn.query(`SELECT count(*) FROM `+uploadTables+` WHERE s.user_id = ? AND s.expires > ? AND a.complete = 0`,
		func(r *row) error { open = int(r.int()); return nil }, text(tx.as.User), integer(tx.now.UnixMicro()))
	if err != nil {
		return err
	}
	if open >= todo.MaxUploadSessions {
		return todo.Errorf(todo.Invalid, "", "The mailbox has the %d open upload sessions allowed. Finish or delete some, or wait until they expire.", todo.MaxUploadSessions)
	}
	if err := tx.insertAttachment(&s.File); err != nil {
		return err
	}
	return tx.conn.exec(`INSERT INTO attachment_sessions (user_id, session_id, attachment_id, received, writer, expires) VALUES (?, ?, ?, 0, '', ?)`,
		text(tx.as.User), text(s.ID), text(s.File.ID), integer(s.Expires.UnixMicro()))
}

// maxSweep is how many expired sessions are removed at once, as the bytes that
// they received take time: more than the one that is made meanwhile.
const maxSweep = 8

// sweepUploads removes expired sessions with what they have received. An
// attachment that is not complete always has a session.
func (tx *Tx) sweepUploads() error {
	var expired []todo.UploadSession
	err := tx.conn.query(`SELECT `+uploadColumns+` FROM `+uploadTables+` WHERE s.user_id = ? AND s.expires <= ? LIMIT ?+0`,
		func(r *row) error { expired = append(expired, scanUpload(r)); return nil },
		text(tx.as.User), integer(tx.now.UnixMicro()), integer(maxSweep))
	for i := range expired {
		if err == nil {
			err = tx.DeleteUploadSession(&expired[i])
		}
	}
	return err
}

// DeleteUploadSession removes a session, and what it has received unless that is
// the whole file, which stays.
func (tx *Tx) DeleteUploadSession(s *todo.UploadSession) error {
	if s.File.Complete {
		return tx.conn.exec(`DELETE FROM attachment_sessions WHERE user_id = ? AND session_id = ?`, text(tx.as.User), text(s.ID))
	}
	return tx.conn.exec(`DELETE FROM attachments WHERE user_id = ? AND attachment_id = ?`, text(tx.as.User), text(s.File.ID))
}

// BeginSlice makes writer the only one who may write the next slice of a
// session, from what it has received on. What others have left there is removed.
func (tx *Tx) BeginSlice(s *todo.UploadSession, writer string) error {
	err := tx.conn.exec(`UPDATE attachment_sessions SET writer = ? WHERE user_id = ? AND session_id = ?`, text(writer), text(tx.as.User), text(s.ID))
	if err != nil {
		return err
	}
	return tx.conn.exec(`DELETE FROM attachment_chunks WHERE user_id = ? AND attachment_id = ? AND start >= ?`,
		text(tx.as.User), text(s.File.ID), integer(s.Received))
}

// PutSlice writes a piece of the slice that writer sends. The error is
// todo.ErrNotFound where the session is gone, and of the kind todo.InvalidStart
// where another writer has taken over.
func (tx *Tx) PutSlice(s *todo.UploadSession, writer string, start int64, data []byte) error {
	owner, found := "", false
	err := tx.conn.query(`SELECT writer FROM attachment_sessions WHERE user_id = ? AND session_id = ? AND expires > ?`,
		func(r *row) error { owner, found = r.text(), true; return nil }, text(tx.as.User), text(s.ID), integer(tx.now.UnixMicro()))
	switch {
	case err != nil:
		return err
	case !found:
		return todo.ErrNotFound
	case owner != writer:
		return todo.Errorf(todo.InvalidStart, "Content-Range", "Another request has begun to send the bytes from %d on.", s.Received)
	case len(data) == 0:
		return nil
	}
	return tx.putPiece(s.File.ID, s.File.Content, start, data)
}

// EndSlice counts a slice that is whole: all bytes up to received are there. With
// the last one the attachment is complete, and the task changes.
func (tx *Tx) EndSlice(s *todo.UploadSession, received int64) error {
	err := tx.conn.exec(`UPDATE attachment_sessions SET received = ?, writer = '' WHERE user_id = ? AND session_id = ?`,
		integer(received), text(tx.as.User), text(s.ID))
	if err != nil || received < s.File.Size {
		return err
	}
	err = tx.conn.exec(`UPDATE attachments SET complete = 1, modified = ? WHERE user_id = ? AND attachment_id = ?`,
		integer(tx.now.UnixMicro()), text(tx.as.User), text(s.File.ID))
	if err != nil {
		return err
	}
	if err := tx.countAttachments(s.File.ListID, s.File.TaskID); err != nil {
		return err
	}
	old, err := tx.Task(s.File.ListID, s.File.TaskID)
	if err != nil {
		return err
	}
	t := old
	t.Modified = tx.now
	return tx.UpdateTask(old, &t)
}
