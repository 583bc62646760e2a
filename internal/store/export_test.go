package store

import (
	"context"
	"fmt"

	"github.com/duly-todo/duly/internal/odata"
)

// InSQL says whether all of a filter is compiled to SQL.
func (db *DB) InSQL(e odata.Expr) bool {
	_, rest := compileFilter(db.engine.dialect(), e)
	return rest == nil
}

// LimitPages lets the database grow to n pages and no further, as a full disk
// does; 0 takes the limit off.
func LimitPages(ctx context.Context, db *DB, n int) error {
	return db.engine.update(ctx, As{}, func(s session) error {
		if n == 0 {
			n = 1 << 30
		}
		return s.(*conn).script(fmt.Sprintf("PRAGMA max_page_count = %d", n))
	})
}

// Waiting is how many writes wait for the writer.
func Waiting(db *DB) int { return len(db.engine.(*sqliteEngine).jobs) }

// ScanStrings is scanStrings.
func ScanStrings(text string) ([]string, error) { return scanStrings(text) }
