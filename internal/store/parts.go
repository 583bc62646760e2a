package store

import "github.com/duly-todo/duly/internal/todo"

// A Part reads what belongs to a task or a list and stands in a table of its own,
// together with it: on PostgreSQL, in one round trip. It is an argument of [Tx.Task]
// and [Tx.List], which run it even where there is no such task or list.
type Part func(tx *Tx, list, task string) statement

// ExtensionsInto reads the open extensions of a task, or of a list, by name.
func ExtensionsInto(out *[]todo.Extension) Part {
	return func(tx *Tx, list, task string) statement {
		*out = []todo.Extension{}
		t := tx.extensionTable(list, task)
		return statement{
			`SELECT name, data FROM ` + t.name + ` WHERE ` + t.where + ` ORDER BY name`,
			func(r *row) error { *out = append(*out, todo.Extension{Name: r.text(), Data: r.text()}); return nil }, t.key,
		}
	}
}

// AttachmentsInto reads the attachments of a task that are complete, the oldest first.
func AttachmentsInto(out *[]todo.Attachment) Part {
	return func(tx *Tx, list, task string) statement {
		*out = nil
		return statement{
			`SELECT ` + attachmentColumns + ` FROM attachments a WHERE a.user_id = ? AND a.list_id = ? AND a.task_id = ? AND a.complete = 1 ORDER BY a.attachment_id`,
			func(r *row) error { *out = append(*out, scanAttachment(r)); return nil }, []value{text(tx.as.User), text(list), text(task)},
		}
	}
}

// AttachmentInto reads an attachment of a task that is complete. Its ID is empty
// where there is none.
func AttachmentInto(id string, out *todo.Attachment) Part {
	return func(tx *Tx, list, task string) statement {
		*out = todo.Attachment{}
		return statement{
			`SELECT ` + attachmentColumns + ` FROM attachments a WHERE a.user_id = ? AND a.attachment_id = ? AND a.list_id = ? AND a.task_id = ? AND a.complete = 1`,
			func(r *row) error { *out = scanAttachment(r); return nil }, []value{text(tx.as.User), text(id), text(list), text(task)},
		}
	}
}

// AttachmentsHeldInto reads how many attachments a task has, with those that are
// being uploaded.
func AttachmentsHeldInto(n *int) Part {
	return func(tx *Tx, list, task string) statement {
		return statement{
			`SELECT count(*) FROM attachments a WHERE a.user_id = ? AND a.list_id = ? AND a.task_id = ? AND (a.complete = 1 OR EXISTS (
				SELECT 1 FROM attachment_sessions s WHERE s.user_id = ? AND s.attachment_id = a.attachment_id AND s.expires > ?))`,
			func(r *row) error { *n = int(r.int()); return nil },
			[]value{text(tx.as.User), text(list), text(task), text(tx.as.User), integer(tx.now.UnixMicro())},
		}
	}
}

// OtherNamesInto reads the names of the mailbox's lists but the list itself.
func OtherNamesInto(names *[]string) Part {
	return func(tx *Tx, list, _ string) statement {
		*names = nil
		return statement{
			`SELECT name FROM lists WHERE user_id = ? AND list_id <> ?`,
			func(r *row) error { *names = append(*names, r.text()); return nil }, []value{text(tx.as.User), text(list)},
		}
	}
}

// with is a statement and those of parts of the same task or list.
func (tx *Tx) with(s statement, parts []Part, list, task string) []statement {
	all := append(make([]statement, 0, 1+len(parts)), s)
	for _, p := range parts {
		all = append(all, p(tx, list, task))
	}
	return all
}

// Extensions reads the open extensions of a task, or of a list, by name.
func (tx *Tx) Extensions(list, task string) (out []todo.Extension, err error) {
	if task != "" && task == tx.plain {
		return []todo.Extension{}, nil
	}
	err = tx.conn.queryAll([]statement{ExtensionsInto(&out)(tx, list, task)})
	return out, err
}

// Attachments returns the attachments of a task that are complete, the oldest first.
func (tx *Tx) Attachments(list, task string) (out []todo.Attachment, err error) {
	err = tx.conn.queryAll([]statement{AttachmentsInto(&out)(tx, list, task)})
	return out, err
}

// Attachment returns an attachment of a task that is complete, or todo.ErrNotFound.
func (tx *Tx) Attachment(list, task, id string) (a todo.Attachment, err error) {
	err = tx.conn.queryAll([]statement{AttachmentInto(id, &a)(tx, list, task)})
	if err == nil && a.ID == "" {
		err = todo.ErrNotFound
	}
	return a, err
}

// ListNames returns the names of the mailbox's lists but the list except.
func (tx *Tx) ListNames(except string) (names []string, err error) {
	err = tx.conn.queryAll([]statement{OtherNamesInto(&names)(tx, except, "")})
	return names, err
}

// Expand reads the extensions and the attachments of tasks, all of them together.
func (tx *Tx) Expand(tasks []todo.Task, extensions, attachments bool) error {
	var all []statement
	for i := range tasks {
		t := &tasks[i]
		if extensions {
			all = append(all, ExtensionsInto(&t.Extensions)(tx, t.ListID, t.ID))
		}
		if attachments && t.HasAttachments {
			all = append(all, AttachmentsInto(&t.Attachments)(tx, t.ListID, t.ID))
		}
	}
	return tx.conn.queryAll(all)
}
