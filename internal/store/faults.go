package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	"zombiezen.com/go/sqlite"
)

// ErrFull answers for a write that the disk of the database has no space for. Nothing of it is
// kept, and the next one is tried anew.
var ErrFull = errors.New("no space is left for the database: free some on its disk")

// ErrDamaged answers for a transaction that came upon a part of the file that
// is no database.
var ErrDamaged = errors.New(`the database is damaged: stop the server, look at what "duly doctor" says, and restore a backup with "duly restore"`)

// fullFor is how long a database that had no room for a write is called full,
// unless a write finds room before: a smaller one may, whatever the next one does.
const fullFor = 10 * time.Second

// judge says in err whether the disk is full or the database damaged, and
// remembers it.
func (e *sqliteEngine) judge(err error) error {
	if err == nil {
		return nil
	}
	err = judged(err)
	switch {
	case errors.Is(err, ErrDamaged):
		e.damaged.Store(true)
	case errors.Is(err, ErrFull):
		e.full.Store(time.Now().UnixNano())
	}
	return err
}

func judged(err error) error {
	switch failure(err) {
	case sqlite.ResultFull:
		return fmt.Errorf("%w: %w", ErrFull, err)
	case sqlite.ResultCorrupt, sqlite.ResultNotADB:
		return fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	return err
}

// failure is the code of an error of SQLite, and ResultOK for any other.
func failure(err error) sqlite.ResultCode {
	code := sqlite.ErrCode(err).ToPrimary()
	if code == sqlite.ResultError { // what ErrCode says of errors that are not SQLite's, too
		return sqlite.ResultOK
	}
	return code
}

// Ready says why the database cannot serve, if so: it tries a read and, on SQLite,
// a write that changes nothing. The error is [ErrDamaged] from the first damage that any
// transaction has met until the database is opened anew, and [ErrFull] for some
// seconds after a write was refused.
func (db *DB) Ready(ctx context.Context) error { return db.engine.ready(ctx) }

func (e *sqliteEngine) ready(ctx context.Context) error {
	if e.damaged.Load() {
		return ErrDamaged
	}
	if at := e.full.Load(); at != 0 && time.Since(time.Unix(0, at)) < fullFor {
		return ErrFull
	}
	err := e.view(ctx, lone, func(s session) error {
		return s.exec(`SELECT user_id FROM users LIMIT 1`)
	})
	if err != nil {
		return fmt.Errorf("reading: %w", err)
	}
	err = e.update(ctx, As{}, func(s session) error {
		c := s.(*conn)
		version, err := schemaVersion(c)
		if err != nil {
			return err
		}
		return c.script(fmt.Sprintf("PRAGMA user_version = %d", version)) // writes a page, and the same into it
	})
	if err != nil {
		return fmt.Errorf("writing: %w", err)
	}
	return nil
}

// A Meter is told how long things take. Its functions are called by many
// goroutines at once.
type Meter struct {
	Waited    func(time.Duration)                  // a write, until its transaction began
	Committed func(writes int, took time.Duration) // a commit of so many writes, from its COMMIT to the disk, or to the answer of PostgreSQL
	Read      func(time.Duration)                  // a read, with its wait for a connection
}

// Observe sets who is told. It must be called before the first transaction.
func (db *DB) Observe(m Meter) {
	db.meter = &m
	db.engine.observe(&m)
}

func (e *sqliteEngine) observe(m *Meter) { e.meter.Store(m) }

// Sizes are how large the parts of a database are.
type Sizes struct {
	Users   int64
	Changes int64 // writes to mailboxes since they exist
	Log     int64 // those of them that are still in the change log
}

// Sizes counts. It reads one row for each user.
func (db *DB) Sizes(ctx context.Context) (s Sizes, err error) {
	err = db.survey(ctx, func(tx *Tx) error {
		return tx.conn.query(`SELECT COUNT(*), COALESCE(SUM(version), 0), COALESCE(SUM(version - log_floor), 0) FROM users`+everyMailbox, func(r *row) error {
			s = Sizes{Users: r.int(), Changes: r.int(), Log: r.int()}
			return nil
		})
	})
	return s, err
}
