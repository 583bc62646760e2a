package store

import (
	"time"

	"github.com/duly-todo/duly/internal/todo"
)

// Files are kept and read in pieces, each in a transaction of its own: nobody
// holds a whole file in memory, and a client that is slow keeps neither the
// writer nor a snapshot waiting.

// PieceSize is the most bytes of a file that are read or written at once.
const PieceSize = 512 << 10

const attachmentColumns = `a.attachment_id, a.list_id, a.task_id, a.name, a.content_type, a.size, a.modified, a.complete, a.content`

func scanAttachment(r *row) todo.Attachment {
	return todo.Attachment{
		ID: r.text(), ListID: r.text(), TaskID: r.text(), Name: r.text(), ContentType: r.text(), Size: r.int(),
		Modified: time.UnixMicro(r.int()).UTC(), Complete: r.int() != 0, Content: r.int(),
	}
}

// AddAttachment writes a new attachment that is complete, with its bytes. The
// task is still to be written, as changed.
func (tx *Tx) AddAttachment(a *todo.Attachment, content []byte) error {
	a.Complete = true
	if err := tx.insertAttachment(a); err != nil {
		return err
	}
	for at := 0; at < len(content); at += PieceSize {
		if err := tx.putPiece(a.ID, a.Content, int64(at), content[at:min(at+PieceSize, len(content))]); err != nil {
			return err
		}
	}
	return tx.countAttachments(a.ListID, a.TaskID)
}

func (tx *Tx) insertAttachment(a *todo.Attachment) error {
	return tx.conn.exec(`INSERT INTO attachments (user_id, attachment_id, list_id, task_id, name, content_type, size, modified, complete, content, last_content)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
		text(tx.as.User), text(a.ID), text(a.ListID), text(a.TaskID), text(a.Name), text(a.ContentType), integer(a.Size),
		integer(a.Modified.UnixMicro()), boolean(a.Complete), integer(a.Content), integer(a.Content))
}

// countAttachments keeps the number by which a task knows that it has attachments.
func (tx *Tx) countAttachments(list, task string) error {
	return tx.conn.exec(`UPDATE tasks SET attachment_count = (SELECT count(*) FROM attachments a
		WHERE a.user_id = ? AND a.list_id = ? AND a.task_id = ? AND a.complete = 1) WHERE user_id = ? AND list_id = ? AND task_id = ?`,
		text(tx.as.User), text(list), text(task), text(tx.as.User), text(list), text(task))
}

// DeleteAttachment removes an attachment with its bytes. The task is still to be
// written, as changed.
func (tx *Tx) DeleteAttachment(a *todo.Attachment) error {
	if err := tx.conn.exec(`DELETE FROM attachments WHERE user_id = ? AND attachment_id = ?`, text(tx.as.User), text(a.ID)); err != nil {
		return err
	}
	return tx.countAttachments(a.ListID, a.TaskID)
}

// Piece reads the piece of a file that holds the byte at an offset into the room
// of b, and returns it from that byte on. The error is todo.ErrNotFound where it
// is gone, because the file was deleted or has another content now.
func (tx *Tx) Piece(a *todo.Attachment, at int64, b []byte) ([]byte, error) {
	start := int64(-1)
	err := tx.conn.query(`SELECT start, data FROM attachment_chunks WHERE user_id = ? AND attachment_id = ? AND content = ? AND start <= ?
ORDER BY start DESC LIMIT 1`,
		func(r *row) error { start, b = r.int(), r.bytes(b); return nil }, text(tx.as.User), text(a.ID), integer(a.Content), integer(at))
	if err == nil && (start < 0 || at >= start+int64(len(b))) {
		err = todo.ErrNotFound
	}
	if err != nil {
		return nil, err
	}
	return b[at-start:], nil
}

func (tx *Tx) putPiece(id string, content, start int64, data []byte) error {
	return tx.conn.exec(`INSERT INTO attachment_chunks (user_id, attachment_id, content, start, data) VALUES (?, ?, ?, ?, ?)`,
		text(tx.as.User), text(id), integer(content), integer(start), blob(data))
}

// BeginContent gives the number under which a new content of a file is written
// beside the one that it has. Contents that were given up are removed.
func (tx *Tx) BeginContent(a *todo.Attachment) (content int64, err error) {
	err = tx.conn.query(`UPDATE attachments SET last_content = last_content + 1 WHERE user_id = ? AND attachment_id = ? RETURNING last_content`,
		func(r *row) error { content = r.int(); return nil }, text(tx.as.User), text(a.ID))
	if err != nil {
		return 0, err
	}
	return content, tx.dropContents(a.ID, a.Content)
}

// PutContent writes a piece of a new content.
func (tx *Tx) PutContent(a *todo.Attachment, content, start int64, data []byte) error {
	if err := tx.checkContent(a, content); err != nil {
		return err
	}
	return tx.putPiece(a.ID, content, start, data)
}

// EndContent makes a new content the file's. The task is still to be written, as
// changed.
func (tx *Tx) EndContent(a *todo.Attachment, content, size int64) error {
	if err := tx.checkContent(a, content); err != nil {
		return err
	}
	err := tx.conn.exec(`UPDATE attachments SET content = ?, size = ?, modified = ? WHERE user_id = ? AND attachment_id = ?`,
		integer(content), integer(size), integer(tx.now.UnixMicro()), text(tx.as.User), text(a.ID))
	if err != nil {
		return err
	}
	return tx.dropContents(a.ID, content)
}

// checkContent refuses a content after one that was begun later has become the
// file's.
func (tx *Tx) checkContent(a *todo.Attachment, content int64) error {
	now, err := tx.Attachment(a.ListID, a.TaskID, a.ID)
	if err == nil && now.Content >= content {
		err = todo.Errorf(todo.Conflict, "", "Another request has replaced the content of the attachment meanwhile.")
	}
	return err
}

// dropContents removes the contents of a file before one.
func (tx *Tx) dropContents(id string, before int64) error {
	return tx.conn.exec(`DELETE FROM attachment_chunks WHERE user_id = ? AND attachment_id = ? AND content < ?`,
		text(tx.as.User), text(id), integer(before))
}

// DropContent removes a new content that was given up.
func (tx *Tx) DropContent(a *todo.Attachment, content int64) error {
	return tx.conn.exec(`DELETE FROM attachment_chunks WHERE user_id = ? AND attachment_id = ? AND content = ?
		AND content > (SELECT a.content FROM attachments a WHERE a.user_id = ? AND a.attachment_id = ?)`,
		text(tx.as.User), text(a.ID), integer(content), text(tx.as.User), text(a.ID))
}
