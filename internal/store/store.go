// Package store keeps everything that the server remembers. It is the only
// package that contains SQL.
//
// All reads and writes of a mailbox go through a [Tx] that is bound to its
// owner, so that no query can reach another mailbox. Every write of a list or a
// task ends in logChange, which takes the mailbox's next version: it is the
// source of etags, delta and notifications.
package store

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/duly-todo/duly/internal/odata"
	"github.com/duly-todo/duly/internal/todo"
)

// DB is an open database. Its methods may be called from many goroutines.
type DB struct {
	engine engine
	hints  *pgHints // nil: no other server can hear them
	now    func() time.Time
	ids    atomic.Uint32 // counts the ids made, to keep those of one microsecond in order

	watching   sync.RWMutex
	watches    []*Watch
	onRevision func(ids ...string) // may be nil
	last       atomic.Int64        // the latest time of a transaction, in microseconds
	meter      *Meter              // may be nil
}

// Memory is the name of a database that lives as long as its DB.
const Memory = ":memory:"

// Open opens a database and brings its schema up to date: the SQLite database in
// the file dsn or "sqlite:" and a file, the one in memory for [Memory], or that of
// PostgreSQL at "postgres://…". now tells the time of every transaction. The error
// is [ErrUnavailable] where there is no database to open, [ErrRefused] where it
// cannot be used, and [ErrHalfCopy] where there is a part of one; it holds no password.
func Open(ctx context.Context, dsn string, now func() time.Time) (*DB, error) {
	if err := CheckDSN(dsn); err != nil {
		return nil, err
	}
	engine, err := openEngine(ctx, dsn)
	if err != nil {
		return nil, openError(dsn, err)
	}
	db := &DB{engine: engine, now: now}
	if err := db.requireWhole(ctx); err != nil {
		return nil, errors.Join(openError(dsn, err), engine.close())
	}
	if e, ok := engine.(*pgEngine); ok && e.hints {
		db.hints = newPgHints(e)
	}
	return db, nil
}

// Close waits for the transactions that have begun and closes the database.
func (db *DB) Close() error {
	err := db.engine.close()
	if db.hints != nil {
		db.hints.close()
	}
	return err
}

// As says on whose behalf a transaction runs.
type As struct {
	User string // object id of the mailbox's owner
	App  string // client id of the application, for the change log
}

// ErrClosed answers for a transaction on a database that is closed or closing.
var ErrClosed = errors.New("the database is closed")

// Update runs fn in a transaction on the mailbox of as.User, and commits if fn
// returns nil. An answer without error means that the writes are on disk.
// Updates of a mailbox run one after the other, so fn may read, decide and write.
// It must not start another transaction, nor do slow work, and it may run more
// than once: what it sets outside of itself, it sets anew each time.
//
// The error is [ErrUnavailable] when the database did not take the write, and
// [ErrUncertain] when nobody knows whether it did.
func (db *DB) Update(ctx context.Context, as As, fn func(*Tx) error) error {
	var committed *Tx
	start := time.Now()
	err := db.engine.update(ctx, as, func(c session) error {
		if db.meter != nil {
			db.meter.Waited(time.Since(start))
		}
		committed = &Tx{ctx: ctx, db: db, conn: c, as: as, now: db.time(), work: *odata.NewBudget()} // a new one for each run
		return fn(committed)
	})
	if err == nil {
		db.tell(committed)
	}
	return err
}

// View runs fn on a snapshot of the mailbox of user. fn must not write, and may
// run more than once, and on another goroutine.
func (db *DB) View(ctx context.Context, user string, fn func(*Tx) error) error {
	return db.view(ctx, user, long, fn)
}

// Glance is View for an fn that reads a few rows: on SQLite, those of many callers
// share a snapshot and wait for each other. An fn that finds more to read asks
// [Tx.Long] before it does.
func (db *DB) Glance(ctx context.Context, user string, fn func(*Tx) error) error {
	err := db.view(ctx, user, brief, fn)
	if errors.Is(err, errLong) {
		return db.View(ctx, user, fn)
	}
	return err
}

var errLong = errors.New("a long read has to have a snapshot of its own")

// Long comes before a long read. Its error is to be returned by the fn of a
// [DB.Glance], which is run again as that of a [DB.View].
func (tx *Tx) Long() error {
	if tx.brief {
		return errLong
	}
	return nil
}

// lookup is a View of one statement, which gives a few rows.
func (db *DB) lookup(ctx context.Context, user string, fn func(*Tx) error) error {
	return db.view(ctx, user, lone, fn)
}

// survey is a View of one statement that reads many rows, or those of all mailboxes.
func (db *DB) survey(ctx context.Context, fn func(*Tx) error) error {
	return db.view(ctx, "", wide, fn)
}

func (db *DB) view(ctx context.Context, user string, size readSize, fn func(*Tx) error) error {
	if db.meter != nil {
		start := time.Now()
		defer func() { db.meter.Read(time.Since(start)) }()
	}
	e, ok := db.engine.(*sqliteEngine)
	shares := ok && e.readers != nil && size == brief
	return db.engine.view(ctx, size, func(c session) error {
		return fn(&Tx{ctx: ctx, db: db, conn: c, as: As{User: user}, now: db.time(), work: *odata.NewBudget(), brief: shares})
	})
}

// maxStep is how far a clock that is set back is waited for: time stands still
// meanwhile, so that ids and etags keep their order. A clock that was set back by
// more was wrong before, and is followed.
const maxStep = time.Minute

// time is the time of a transaction.
func (db *DB) time() time.Time {
	now := db.now().UTC().Truncate(time.Microsecond)
	micros := now.UnixMicro()
	last := db.last.Load()
	if micros < last && last-micros <= maxStep.Microseconds() {
		return time.UnixMicro(last).UTC()
	}
	db.last.CompareAndSwap(last, micros) // of two at once, either may stay
	return now
}

// Tx is a transaction on one mailbox. All its writes carry the same time.
type Tx struct {
	ctx  context.Context // of the caller, whose end stops long reads
	db   *DB
	conn session
	as   As
	now  time.Time
	work odata.Budget // for filters that SQL does not tell

	brief bool // others wait for it: see Long

	places  places   // of the task that was read last
	inList  string   // the list that was read last, or that holds that task: it is there
	plain   string   // the id of that task, if it has no extensions
	touched Touched  // what watches are told once it is committed
	revised []string // whose standing has changed
}

func (tx *Tx) dialect() *dialect { return tx.db.engine.dialect() }

// Now is the time of the transaction: UTC, to the microsecond.
func (tx *Tx) Now() time.Time { return tx.now }

// User is the owner of the mailbox.
func (tx *Tx) User() string { return tx.as.User }

// Kind says what a [Change] is about.
type Kind int64

// The kinds of things whose changes are logged.
const (
	ListChange Kind = 1 + iota
	TaskChange
)

// Op says what happened in a [Change].
type Op int64

// What can happen to a list or a task. A write to a child is an update of its task.
const (
	Created Op = 1 + iota
	Updated
	Deleted
)

// A Change is an entry of the mailbox's change log.
type Change struct {
	Version int64
	Kind    Kind
	Op      Op
	ListID  string
	ItemID  string // the list's or the task's id
	Born    int64  // the version under which the item was created
	App     string
	At      time.Time
}

// logChange records a write under the mailbox's next version, which it returns.
// Taking the version locks the mailbox, so that versions commit in their order.
// born is the version under which the item was created; 0 for one that is new.
func (tx *Tx) logChange(kind Kind, op Op, list, item string, born int64) (int64, error) {
	tx.touched.Log = true
	version, err := tx.conn.nextVersion(tx.as, tx.now)
	if err != nil {
		return 0, err
	}
	if version < 0 {
		return 0, errNoSuchUser(tx.as.User)
	}
	if op == Created {
		born = version
	}
	err = tx.conn.exec(`INSERT INTO changes (user_id, version, kind, op, list_id, item_id, created_version, app, at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`,
		text(tx.as.User), integer(version), integer(int64(kind)), integer(int64(op)), text(list), text(item), integer(born), text(tx.as.App), integer(tx.now.UnixMicro()))
	if err == nil && version%pruneEvery == 0 {
		err = tx.pruneLog()
	}
	return version, err
}

// The change log is kept for LogRetention; every pruneEvery-th write of a
// mailbox takes off what is older.
const (
	LogRetention = 180 * 24 * time.Hour
	pruneEvery   = 256
)

// pruneLog removes old changes, up to the first that is not, and moves the floor of
// the log up to them. It reads no more of the log than that.
func (tx *Tx) pruneLog() error {
	old := integer(tx.now.Add(-LogRetention).UnixMicro())
	floor, oldest := int64(0), int64(0)
	err := tx.conn.query(`SELECT c.version, u.log_floor FROM changes c JOIN users u ON u.user_id = c.user_id
		WHERE c.user_id = ? AND c.at >= ? ORDER BY c.version LIMIT 1`, func(r *row) error {
		floor, oldest = r.int()-1, r.int()
		return nil
	}, text(tx.as.User), old)
	if err != nil || floor <= oldest {
		return err
	}
	err = tx.conn.exec(`DELETE FROM changes WHERE user_id = ? AND version <= ?`, text(tx.as.User), integer(floor))
	if err != nil {
		return err
	}
	return tx.conn.exec(`UPDATE users SET log_floor = ? WHERE user_id = ?`, integer(floor), text(tx.as.User))
}

// Log says from which version to which the mailbox's change log reaches: a
// reader who knows floor or a later version misses nothing.
func (tx *Tx) Log() (floor, version int64, err error) {
	version = -1
	err = tx.conn.query(`SELECT log_floor, version FROM users WHERE user_id = ?`,
		func(r *row) error { floor, version = r.int(), r.int(); return nil }, text(tx.as.User))
	if err == nil && version < 0 {
		err = errNoSuchUser(tx.as.User)
	}
	return floor, version, err
}

// A Round is what a call of delta begins with.
type Round struct {
	Floor, Version int64    // of the log: see Log
	NoList         bool     // the list is gone; not looked at where Version is the one after which to read
	Changes        []Change // at most as many as were asked for, oldest first
}

// Round reads the log for delta: at most limit changes of a kind after a version;
// those of the tasks of one list, or where list is empty of all lists.
func (tx *Tx) Round(kind Kind, list string, after int64, limit int) (Round, error) {
	r := Round{Version: -1, NoList: list != ""}
	statements := []statement{{
		`SELECT log_floor, version FROM users WHERE user_id = ?`,
		func(row *row) error { r.Floor, r.Version = row.int(), row.int(); return nil }, []value{text(tx.as.User)},
	}}
	condition, args := ` AND kind = ?`, []value{integer(int64(kind))}
	if list != "" {
		condition += ` AND list_id = ?`
		args = append(args, text(list))
		statements = append(statements, statement{
			`SELECT 1 FROM lists WHERE user_id = ? AND list_id = ?`,
			func(*row) error { r.NoList = false; return nil }, []value{text(tx.as.User), text(list)},
		})
	}
	if limit > 0 {
		statements = append(statements, tx.changes(&r.Changes, condition, after, limit, args...))
	}
	if limit > 0 && !tx.dialect().travels { // mostly the first says that there is nothing to ask for
		if err := tx.conn.queryAll(statements[:1]); err != nil || r.Version == after {
			return r, err
		}
		if err := tx.Long(); err != nil { // other lists may have most of the log
			return r, err
		}
		statements = statements[1:]
	}
	err := tx.conn.queryAll(statements)
	if err == nil && r.Version < 0 {
		err = errNoSuchUser(tx.as.User)
	}
	return r, err
}

// AllChanges returns at most limit changes of the mailbox after a version, oldest
// first.
func (tx *Tx) AllChanges(after int64, limit int) (out []Change, err error) {
	err = tx.conn.queryAll([]statement{tx.changes(&out, "", after, limit)})
	return out, err
}

func (tx *Tx) changes(out *[]Change, condition string, after int64, limit int, args ...value) statement {
	args = append(append([]value{text(tx.as.User), integer(after)}, args...), integer(int64(limit)))
	return statement{`SELECT version, kind, op, list_id, item_id, created_version, app, at FROM changes
		WHERE user_id = ? AND version > ?` + condition + ` ORDER BY version LIMIT ?+0`, func(r *row) error {
		*out = append(*out, Change{
			Version: r.int(), Kind: Kind(r.int()), Op: Op(r.int()),
			ListID: r.text(), ItemID: r.text(), Born: r.int(), App: r.text(), At: time.UnixMicro(r.int()).UTC(),
		})
		return nil
	}, args}
}

func errNoSuchUser(name string) error {
	return todo.Errorf(todo.NoSuchUser, "", "Resource '%s' does not exist or one of its queried reference-property objects are not present.", name)
}
