package store

import "github.com/duly-todo/duly/internal/odata"

// InSQL says whether all of a filter is compiled to SQL.
func InSQL(e odata.Expr) bool {
	_, rest := compileFilter(e)
	return rest == nil
}
