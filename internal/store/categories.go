package store

import "github.com/duly-todo/duly/internal/todo"

const categoryColumns = `category_id, display_name, color`

func scanCategory(r *row) todo.OutlookCategory {
	return todo.OutlookCategory{ID: r.text(), Name: r.text(), Color: todo.CategoryColor(r.int())}
}

// Categories returns the master categories in the order in which they were made;
// there are todo.MaxMasterCategories at most.
func (tx *Tx) Categories() ([]todo.OutlookCategory, error) {
	categories := []todo.OutlookCategory{}
	err := tx.conn.query(`SELECT `+categoryColumns+` FROM categories WHERE user_id = ? ORDER BY category_id`,
		func(r *row) error { categories = append(categories, scanCategory(r)); return nil }, text(tx.as.User))
	return categories, err
}

// Category returns the master category id, or todo.ErrNotFound.
func (tx *Tx) Category(id string) (c todo.OutlookCategory, err error) {
	found := false
	err = tx.conn.query(`SELECT `+categoryColumns+` FROM categories WHERE user_id = ? AND category_id = ?`,
		func(r *row) error { c, found = scanCategory(r), true; return nil }, text(tx.as.User), text(id))
	if err == nil && !found {
		err = todo.ErrNotFound
	}
	return c, err
}

// InsertCategory writes a new master category, whose name is free.
func (tx *Tx) InsertCategory(c todo.OutlookCategory) error {
	return tx.conn.exec(`INSERT INTO categories (user_id, category_id, display_name, folded_name, color) VALUES (?, ?, ?, ?, ?)`,
		text(tx.as.User), text(c.ID), text(c.Name), text(fold(c.Name)), integer(int64(c.Color)))
}

// UpdateCategory writes the colour of a master category; its name is fixed.
func (tx *Tx) UpdateCategory(c todo.OutlookCategory) error {
	return tx.conn.exec(`UPDATE categories SET color = ? WHERE user_id = ? AND category_id = ?`,
		integer(int64(c.Color)), text(tx.as.User), text(c.ID))
}

// DeleteCategory deletes the master category id. Tasks keep its name (semantics §20).
func (tx *Tx) DeleteCategory(id string) error {
	return tx.conn.exec(`DELETE FROM categories WHERE user_id = ? AND category_id = ?`, text(tx.as.User), text(id))
}
