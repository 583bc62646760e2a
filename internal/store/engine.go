package store

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"strings"
	"time"
)

// An engine runs transactions on a database. There is one for SQLite and one for
// PostgreSQL; what SQL itself spells differently is in dialect.go.
type engine interface {
	// update runs fn in a transaction that may write to the mailbox of as, and
	// commits if fn returns nil. fn may run more than once, and on another goroutine.
	// Other updates of the same mailbox come before or after it, as a whole; they may
	// share its commit.
	update(ctx context.Context, as As, fn func(session) error) error
	// view runs fn on a snapshot, which is newer than the call. fn may run on another
	// goroutine.
	view(ctx context.Context, size readSize, fn func(session) error) error
	// ready says why transactions would fail, if so.
	ready(ctx context.Context) error
	// observe sets who is told of commits.
	observe(m *Meter)
	// close waits for the transactions that have begun.
	close() error
	dialect() *dialect
}

// A readSize is how much a read asks for.
type readSize int

const (
	long  readSize = iota // a snapshot, for as long as it takes
	brief                 // a snapshot for a few rows, which others may share
	lone                  // a few rows by one statement, which needs no snapshot of several
	wide                  // as lone, but many rows, or those of all mailboxes
)

// A session is the database as the statements of one transaction see it. The
// parameters of a statement are written as ?.
type session interface {
	// query runs q and calls each for every row. each makes no other statement.
	query(q string, each func(*row) error, args ...value) error
	// queryAll is query for many statements, one after the other. Where statements
	// travel, they travel together.
	queryAll(statements []statement) error
	// exec runs a statement that gives no rows. Its error may also be that of a
	// later statement, or of the transaction.
	exec(q string, args ...value) error
	// lockCommon makes all other transactions that call it wait for the end of this
	// one. It comes before reading what belongs to no mailbox, such as the names of
	// users, in order to write it; updates without a mailbox begin with it.
	lockCommon() error
	// nextVersion takes the next version of the mailbox of as; it is -1 where there
	// is no such mailbox. at is the time of the transaction.
	nextVersion(as As, at time.Time) (int64, error)
}

// A statement is what query takes.
type statement struct {
	q    string
	each func(*row) error
	args []value
}

// columns are those of a row, from 0.
type columns interface {
	ColumnInt64(i int) int64
	ColumnText(i int) string
	ColumnIsNull(i int) bool
	ColumnLen(i int) int // of bytes
	ColumnBytes(i int, into []byte) int
}

// ErrUnavailable says that the database did not answer, or not in time. Nothing
// has been changed.
var ErrUnavailable = errors.New("the database is not available")

// ErrUncertain says that the connection broke while a transaction was being
// committed, and that it cannot be told whether it was.
var ErrUncertain = errors.New("it is not known whether the write was committed")

// ErrRefused says that a database is there, and cannot be used as it is: its schema
// is newer, or the account may not do what is needed. Nothing has been changed.
var ErrRefused = errors.New("the database cannot be used")

// A refusal is an [ErrRefused] with what to do.
type refusal struct {
	err    error
	remedy string
}

func (r *refusal) Error() string        { return r.err.Error() + ": " + r.remedy }
func (r *refusal) Unwrap() error        { return r.err }
func (r *refusal) Is(target error) bool { return target == ErrRefused }

// protect runs fn and turns a panic into an error, so that one bad request
// takes nothing else with it.
func protect(s session, fn func(session) error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic in a transaction: %v\n%s", p, debug.Stack())
		}
	}()
	return fn(s)
}

// openEngine opens the database that a DSN names.
func openEngine(ctx context.Context, dsn string) (engine, error) {
	if IsPostgres(dsn) {
		return openPostgres(ctx, dsn)
	}
	return openSQLite(ctx, strings.TrimPrefix(dsn, "sqlite:"))
}

// IsPostgres says whether a DSN names a PostgreSQL database.
func IsPostgres(dsn string) bool {
	return strings.HasPrefix(dsn, "postgres://") || strings.HasPrefix(dsn, "postgresql://")
}

// CheckDSN says what is wrong with the name of a database, without connecting to
// it. Passwords are not part of the error.
func CheckDSN(dsn string) error {
	if IsPostgres(dsn) {
		_, err := parsePostgres(dsn)
		return err
	}
	scheme, _, ok := strings.Cut(dsn, "://")
	if strings.HasPrefix(dsn, "postgres:") || strings.HasPrefix(dsn, "postgresql:") {
		return errNoAddress
	}
	if ok {
		return fmt.Errorf("a database cannot have the scheme %q: use sqlite:PATH or postgres://USER@HOST/NAME", scheme)
	}
	if strings.TrimPrefix(dsn, "sqlite:") == "" {
		return errors.New("the database has no name: use sqlite:PATH or postgres://USER@HOST/NAME")
	}
	return nil
}
