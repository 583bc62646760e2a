package store

import "github.com/duly-todo/duly/internal/odata"

// InSQL says whether all of a filter is compiled to SQL.
func (db *DB) InSQL(e odata.Expr) bool {
	_, rest := compileFilter(db.engine.dialect(), e)
	return rest == nil
}
