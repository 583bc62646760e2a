package store

import (
	"context"
	"fmt"

	"github.com/duly-todo/duly/internal/odata"
)

// InSQL says whether all of a filter is compiled to SQL.
func InSQL(e odata.Expr) bool {
	_, rest := compileFilter(e)
	return rest == nil
}

// LimitPages lets the database grow to n pages and no further, as a full disk
// does; 0 takes the limit off.
func LimitPages(ctx context.Context, db *DB, n int) error {
	return db.engine.submit(ctx, func(c *conn) error {
		if n == 0 {
			n = 1 << 30
		}
		return c.script(fmt.Sprintf("PRAGMA max_page_count = %d", n))
	})
}
