package store

import (
	"slices"
	"strings"

	"github.com/duly-todo/duly/internal/todo"
)

// Tasks and lists have open extensions, each in a table of their own. Where task
// is empty, those of the list are meant.

// An extensionTable is the table of the extensions of a task or a list, and the
// columns of its key but the name.
type extensionTable struct {
	name, columns, where string
	key                  []value
}

func (tx *Tx) extensionTable(list, task string) extensionTable {
	if task == "" {
		return extensionTable{"list_extensions", "user_id, list_id", "user_id = ? AND list_id = ?", []value{text(tx.as.User), text(list)}}
	}
	return extensionTable{"extensions", "user_id, list_id, task_id", "user_id = ? AND list_id = ? AND task_id = ?", []value{text(tx.as.User), text(list), text(task)}}
}

// UpdateExtensions writes what differs between old and extensions, those of a
// task or a list. The caller writes the task or the list itself, which moves its
// version.
func (tx *Tx) UpdateExtensions(list, task string, old, extensions []todo.Extension) error {
	t := tx.extensionTable(list, task)
	for _, e := range old {
		if slices.Contains(extensions, e) {
			continue
		}
		if err := tx.conn.exec(`DELETE FROM `+t.name+` WHERE `+t.where+` AND name = ?`, append(slices.Clone(t.key), text(e.Name))...); err != nil {
			return err
		}
	}
	added := slices.DeleteFunc(slices.Clone(extensions), func(e todo.Extension) bool { return slices.Contains(old, e) })
	if err := tx.insertExtensions(list, task, added); err != nil || task == "" {
		return err
	}
	return tx.conn.exec(`UPDATE tasks SET extension_count = ? WHERE `+t.where, append([]value{integer(int64(len(extensions)))}, t.key...)...)
}

func (tx *Tx) insertExtensions(list, task string, extensions []todo.Extension) error {
	if task == tx.plain {
		tx.plain = ""
	}
	t := tx.extensionTable(list, task)
	for _, e := range extensions {
		err := tx.conn.exec(`INSERT INTO `+t.name+` (`+t.columns+`, name, data) VALUES (`+strings.Repeat("?, ", len(t.key))+`?, ?)`,
			append(slices.Clone(t.key), text(e.Name), text(e.Data))...)
		if err != nil {
			return err
		}
	}
	return nil
}
