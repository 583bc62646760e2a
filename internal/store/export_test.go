package store

import (
	"context"
	"fmt"
	"time"

	"github.com/duly-todo/duly/internal/odata"
)

// InSQL says whether all of a filter is compiled to SQL.
func (db *DB) InSQL(e odata.Expr) bool {
	_, rest := compileFilter(db.engine.dialect(), "", e)
	return rest == nil
}

// SetWait sets how long a round trip to PostgreSQL may take.
func SetWait(db *DB, wait time.Duration) { db.engine.(*pgEngine).wait.Store(int64(wait)) }

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

// Changes is what a [Round] has of the log.
func (tx *Tx) Changes(kind Kind, list string, after int64, limit int) ([]Change, error) {
	r, err := tx.Round(kind, list, after, limit)
	return r.Changes, err
}

// Waiting is how many writes wait for the writer.
func Waiting(db *DB) int { return len(db.engine.(*sqliteEngine).jobs) }

// MaxReads is how many brief reads can wait at most.
const MaxReads = maxReads

// WaitingGlances is how many brief reads wait for a snapshot.
func WaitingGlances(db *DB) int { return len(db.engine.(*sqliteEngine).readers.brief) }

// ScanStrings is scanStrings.
func ScanStrings(text string) ([]string, error) { return scanStrings(text) }
