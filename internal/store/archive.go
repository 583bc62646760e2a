package store

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io"

	"github.com/duly-todo/duly/internal/todo"
)

// AttachmentsAfter returns at most limit attachments of the mailbox that are
// complete and whose ids come after an id, in the order of their ids.
func (tx *Tx) AttachmentsAfter(after string, limit int) ([]todo.Attachment, error) {
	var out []todo.Attachment
	err := tx.conn.query(`SELECT `+attachmentColumns+` FROM attachments a WHERE a.user_id = ? AND a.attachment_id > ? AND a.complete = 1 ORDER BY a.attachment_id LIMIT ?+0`,
		func(r *row) error { out = append(out, scanAttachment(r)); return nil }, text(tx.as.User), text(after), integer(int64(limit)))
	return out, err
}

// FindAttachment returns an attachment of the mailbox, complete or not, whichever
// task has it; the error is todo.ErrNotFound where none has.
func (tx *Tx) FindAttachment(id string) (a todo.Attachment, err error) {
	err = tx.conn.query(`SELECT `+attachmentColumns+` FROM attachments a WHERE a.user_id = ? AND a.attachment_id = ?`,
		func(r *row) error { a = scanAttachment(r); return nil }, text(tx.as.User), text(id))
	if err == nil && a.ID == "" {
		err = todo.ErrNotFound
	}
	return a, err
}

// TaskExtensions returns the open extensions of the tasks of a list from one id to
// another, by the id of the task and by name.
func (tx *Tx) TaskExtensions(list, first, last string) (map[string][]todo.Extension, error) {
	out := map[string][]todo.Extension{}
	err := tx.conn.query(`SELECT task_id, name, data FROM extensions WHERE user_id = ? AND list_id = ? AND task_id >= ? AND task_id <= ? ORDER BY task_id, name`, func(r *row) error {
		task := r.text()
		out[task] = append(out[task], todo.Extension{Name: r.text(), Data: r.text()})
		return nil
	}, text(tx.as.User), text(list), text(first), text(last))
	return out, err
}

// UnheldLinks returns at most limit linked resources that no task holds and whose
// ids come after an id, in the order of their ids.
func (tx *Tx) UnheldLinks(after string, limit int) ([]todo.LinkedResource, error) {
	var out []todo.LinkedResource
	err := tx.conn.query(`SELECT `+linkColumns+` FROM linked_resources WHERE user_id = ? AND resource_id > ? AND task_id IS NULL ORDER BY resource_id LIMIT ?+0`,
		func(r *row) error { out = append(out, scanLink(r)); return nil }, text(tx.as.User), text(after), integer(int64(limit)))
	return out, err
}

// ImportAttachment writes a new attachment with the bytes that r gives, of which
// there must be a.Size, and its task as changed at the time at which it last was.
func (tx *Tx) ImportAttachment(a *todo.Attachment, r io.Reader) error {
	a.Complete = true
	if err := tx.insertAttachment(a); err != nil {
		return err
	}
	piece := make([]byte, min(PieceSize, a.Size))
	for at := int64(0); at < a.Size; at += int64(len(piece)) {
		piece = piece[:min(int64(len(piece)), a.Size-at)]
		if _, err := io.ReadFull(r, piece); err != nil {
			return fmt.Errorf("reading %s: %w", a.Name, err)
		}
		err := tx.putPiece(a.ID, a.Content, at, piece)
		if err == nil {
			err = send(tx.conn) // so that no more than a piece waits
		}
		if err != nil {
			return err
		}
	}
	if n, err := r.Read(make([]byte, 1)); n > 0 || !errors.Is(err, io.EOF) {
		return fmt.Errorf("reading %s: it does not end after %d bytes: %w", a.Name, a.Size, errors.Join(err, io.ErrUnexpectedEOF))
	}
	if err := tx.countAttachments(a.ListID, a.TaskID); err != nil {
		return err
	}
	old, err := tx.Task(a.ListID, a.TaskID)
	if err != nil {
		return err
	}
	t := old
	return tx.UpdateTask(old, &t)
}

// DerivedID is another id of the form that NewID makes: always the same for an id,
// and as old.
func DerivedID(id string) string {
	old, err := idEncoding.DecodeString(id)
	if err != nil || len(old) != 17 {
		panic("store: DerivedID of no id: " + id) // ValidID was not asked
	}
	sum := sha256.Sum256([]byte("derived " + id))
	copy(old[9:], sum[:8])
	return idEncoding.EncodeToString(old)
}
