package store

import (
	"time"

	"github.com/duly-todo/duly/internal/todo"
)

const listColumns = `list_id, version, created_version, name, wellknown, modified`

func scanList(r *row) todo.TaskList {
	return todo.TaskList{ID: r.text(), Version: r.int(), Born: r.int(), Name: r.text(), Wellknown: todo.WellknownListName(r.int()), Modified: time.UnixMicro(r.int()).UTC()}
}

// List returns the list id, or todo.ErrNotFound.
func (tx *Tx) List(id string, parts ...Part) (l todo.TaskList, err error) {
	err = tx.conn.queryAll(tx.with(tx.oneList(&l, `SELECT `+listColumns+` FROM lists WHERE user_id = ? AND list_id = ?`, text(tx.as.User), text(id)), parts, id, ""))
	return l, tx.found(&l, err)
}

// DefaultList returns the list that every mailbox begins with.
func (tx *Tx) DefaultList() (l todo.TaskList, err error) {
	one := tx.oneList(&l, `SELECT `+listColumns+` FROM lists WHERE user_id = ? AND wellknown = ?`, text(tx.as.User), integer(int64(todo.DefaultList)))
	err = tx.conn.query(one.q, one.each, one.args...)
	return l, tx.found(&l, err)
}

func (tx *Tx) oneList(l *todo.TaskList, q string, args ...value) statement {
	*l = todo.TaskList{}
	return statement{q, func(r *row) error { *l = scanList(r); return nil }, args}
}

// found is the error of a list that was asked for.
func (tx *Tx) found(l *todo.TaskList, err error) error {
	if err == nil && l.ID == "" {
		return todo.ErrNotFound
	}
	if err == nil {
		tx.inList = l.ID
	}
	return err
}

// Lists returns at most limit lists after the first skip: the default list,
// then the others in the order in which they were made.
func (tx *Tx) Lists(skip, limit int) ([]todo.TaskList, error) {
	return tx.manyLists(`SELECT `+listColumns+` FROM lists WHERE user_id = ? ORDER BY wellknown DESC, list_id LIMIT ?+0 OFFSET ?+0`,
		text(tx.as.User), integer(int64(limit)), integer(int64(skip)))
}

// ListsAfter returns at most limit lists whose ids come after an id, in the order
// of their ids.
func (tx *Tx) ListsAfter(after string, limit int) ([]todo.TaskList, error) {
	return tx.manyLists(`SELECT `+listColumns+` FROM lists WHERE user_id = ? AND list_id > ? ORDER BY list_id LIMIT ?+0`,
		text(tx.as.User), text(after), integer(int64(limit)))
}

// ChangedLists returns the lists whose last change has a version after one and up
// to another.
func (tx *Tx) ChangedLists(after, upTo int64) ([]todo.TaskList, error) {
	return tx.manyLists(`SELECT `+listColumns+` FROM lists WHERE user_id = ? AND version > ? AND version <= ?`,
		text(tx.as.User), integer(after), integer(upTo))
}

func (tx *Tx) manyLists(q string, args ...value) ([]todo.TaskList, error) {
	lists := []todo.TaskList{}
	err := tx.conn.query(q, func(r *row) error { lists = append(lists, scanList(r)); return nil }, args...)
	return lists, err
}

// InsertList writes a new list with its extensions and sets its version.
func (tx *Tx) InsertList(l *todo.TaskList) (err error) {
	if l.Version, err = tx.logChange(ListChange, Created, l.ID, l.ID, 0); err != nil {
		return err
	}
	l.Born = l.Version
	err = tx.conn.exec(`INSERT INTO lists (user_id, list_id, version, created_version, name, wellknown, modified) VALUES (?, ?, ?, ?, ?, ?, ?)`,
		text(tx.as.User), text(l.ID), integer(l.Version), integer(l.Version), text(l.Name), integer(int64(l.Wellknown)), instant(l.Modified))
	if err != nil {
		return err
	}
	return tx.insertExtensions(l.ID, "", l.Extensions)
}

// UpdateList writes a list that exists and sets its version. Its extensions are
// left alone.
func (tx *Tx) UpdateList(l *todo.TaskList) (err error) {
	if l.Version, err = tx.logChange(ListChange, Updated, l.ID, l.ID, l.Born); err != nil {
		return err
	}
	return tx.conn.exec(`UPDATE lists SET version = ?, name = ?, modified = ? WHERE user_id = ? AND list_id = ?`,
		integer(l.Version), text(l.Name), instant(l.Modified), text(tx.as.User), text(l.ID))
}

// DeleteList removes a list with its tasks. The log has one row for all of it.
func (tx *Tx) DeleteList(l todo.TaskList) error {
	if _, err := tx.logChange(ListChange, Deleted, l.ID, l.ID, l.Born); err != nil {
		return err
	}
	tx.inList = ""
	if err := tx.dialect().search.removeList(tx, l.ID); err != nil {
		return err
	}
	return tx.conn.exec(`DELETE FROM lists WHERE user_id = ? AND list_id = ?`, text(tx.as.User), text(l.ID))
}
