package store

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
)

// Why it is so is in docs/adr/0008-postgresql.md.
const (
	pgCallTimeout = 10 * time.Second // for one round trip, connecting included
	pgLockTimeout = 5 * time.Second  // for the mailbox
	pgMaxTries    = 4                // of a transaction
	pgMaxConns    = 16               // unless the DSN says pool_max_conns
	pgMaxTexts    = 4096             // statements whose rewritten text is kept

	hintsParam = "hints" // of the DSN: off where LISTEN is of no use
)

// pgEngine runs transactions on a PostgreSQL server. Those that write begin by
// locking the mailbox's row, so that READ COMMITTED is enough; those that read see
// a snapshot.
type pgEngine struct {
	pool   *pgxpool.Pool
	wait   atomic.Int64 // for one round trip, in nanoseconds: pgCallTimeout
	groups pgGroups
	hints  bool // see pgHints
	closed atomic.Bool
	meter  atomic.Pointer[Meter] // may be nil

	mu    sync.Mutex
	texts map[string]string // statements with $1 for ?
}

// errNoAddress tells no details, because a password could be part of them.
var errNoAddress = errors.New("the address of the database makes no sense: use postgres://USER:PASSWORD@HOST:PORT/NAME, with what is special in the password as %XX, and after a ? parameters that PostgreSQL knows, such as sslmode=verify-full")

// parsePostgres reads a DSN.
func parsePostgres(dsn string) (*pgxpool.Config, error) {
	u, err := url.Parse(dsn)
	if err != nil || strings.Contains(u.Path, "@") { // pgx is not as strict, and would take a part of a password for a name
		return nil, errNoAddress
	}
	c, err := pgxpool.ParseConfig(dsn)
	if err != nil {
		return nil, errNoAddress
	}
	if hints := c.ConnConfig.RuntimeParams[hintsParam]; hints != "" && hints != "on" && hints != "off" {
		return nil, errNoAddress
	}
	if !u.Query().Has("pool_max_conns") {
		c.MaxConns = pgMaxConns
	}
	c.ConnConfig.ConnectTimeout = pgCallTimeout
	// A connection that has died is found by its error, and the transaction tried
	// again: a ping would be one more round trip.
	c.ShouldPing = func(context.Context, pgxpool.ShouldPingParams) bool { return false }
	for name, value := range map[string]string{
		"application_name":                    "duly",
		"statement_timeout":                   fmt.Sprint(pgCallTimeout.Milliseconds()),
		"lock_timeout":                        fmt.Sprint(pgLockTimeout.Milliseconds()),
		"idle_in_transaction_session_timeout": fmt.Sprint(3 * pgCallTimeout.Milliseconds()),
	} {
		if c.ConnConfig.RuntimeParams[name] == "" {
			c.ConnConfig.RuntimeParams[name] = value
		}
	}
	return c, nil
}

// withoutPassword is a DSN that may be shown.
func withoutPassword(dsn string) string {
	if !IsPostgres(dsn) {
		return dsn
	}
	c, err := parsePostgres(dsn)
	if err != nil {
		return "postgres://…"
	}
	u := url.URL{Scheme: "postgres", User: url.User(c.ConnConfig.User), Path: "/" + c.ConnConfig.Database}
	if u.Host = fmt.Sprintf("%s:%d", c.ConnConfig.Host, c.ConnConfig.Port); strings.HasPrefix(c.ConnConfig.Host, "/") {
		u.Host, u.RawQuery = "", "host="+c.ConnConfig.Host
	}
	return u.String()
}

func openPostgres(ctx context.Context, dsn string) (*pgEngine, error) {
	c, err := parsePostgres(dsn)
	if err != nil {
		return nil, err
	}
	e, err := newPgEngine(ctx, c)
	if err != nil {
		return nil, err
	}
	if err := e.migrate(ctx); err != nil {
		return nil, errors.Join(err, e.close())
	}
	return e, nil
}

func newPgEngine(ctx context.Context, c *pgxpool.Config) (*pgEngine, error) {
	hints := c.ConnConfig.RuntimeParams[hintsParam] != "off"
	delete(c.ConnConfig.RuntimeParams, hintsParam) // which PostgreSQL does not know
	pool, err := pgxpool.NewWithConfig(ctx, c)
	e := &pgEngine{pool: pool, groups: pgGroups{time: pgGroupTime}, hints: hints, texts: map[string]string{}}
	e.wait.Store(int64(pgCallTimeout))
	return e, err
}

// limited is the context of one round trip.
func (e *pgEngine) limited(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, time.Duration(e.wait.Load()))
}

func (e *pgEngine) dialect() *dialect { return postgresDialect() }

// ready reads a row of a table that every node of a distributed database has:
// mailboxes whose node is gone do not make the others unavailable. Whether it could be
// written is told by the writes: the server may be a standby for a moment, or its disk
// full.
func (e *pgEngine) ready(ctx context.Context) error {
	return e.view(ctx, lone, func(s session) error {
		return s.query(`SELECT app_id FROM apps LIMIT 1`, func(*row) error { return nil })
	})
}

func (e *pgEngine) observe(m *Meter) { e.meter.Store(m) }

// close waits until every connection is back.
func (e *pgEngine) close() error {
	e.closed.Store(true)
	e.pool.Close()
	return nil
}

func (e *pgEngine) update(ctx context.Context, as As, fn func(session) error) error {
	if as.User == "" {
		return e.updateAlone(&pgJob{ctx: ctx, fn: fn})
	}
	return e.groups.update(ctx, e, as, fn)
}

func (e *pgEngine) view(ctx context.Context, size readSize, fn func(session) error) error {
	return e.retry(ctx, func() error {
		return e.with(ctx, func(s *pgSession) error {
			s.reads = true
			if size == long || size == brief {
				s.queue(`BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY`)
			}
			return protect(s, fn)
		})
	})
}

// with runs fn on a connection. A transaction that is left open is rolled back
// while the caller goes on; close waits for that.
func (e *pgEngine) with(ctx context.Context, fn func(*pgSession) error) error {
	if e.closed.Load() {
		return ErrClosed
	}
	acquiring, cancel := e.limited(ctx)
	defer cancel()
	c, err := e.pool.Acquire(acquiring)
	if err != nil {
		if e.closed.Load() {
			return ErrClosed
		}
		return &lostError{err: connectCause(err)}
	}
	s := &pgSession{ctx: ctx, engine: e, conn: c.Conn(), version: -1, locked: -1}
	err = fn(s)
	if _, cut := errors.AsType[*cutError](err); cut && s.conn.IsClosed() {
		e.judge(&lostError{err: err, broke: true})
	}
	switch {
	case s.conn.IsClosed() && err != nil && !isUncertain(err):
		err = &lostError{err: err, broke: true}
		c.Release()
	case s.conn.PgConn().TxStatus() == 'I':
		c.Release()
	default:
		go func() {
			ctx, cancel := e.limited(context.WithoutCancel(ctx))
			defer cancel()
			if _, err := s.conn.PgConn().Exec(ctx, `ROLLBACK`).ReadAll(); err != nil {
				_ = s.conn.Close(ctx) // which rolls back as well
			}
			c.Release()
		}()
	}
	if cut, ok := errors.AsType[*cutError](err); ok {
		return e.settle(context.WithoutCancel(ctx), s, cut.err)
	}
	return err
}

// A namedError says already what it is about.
type namedError struct{ error }

func (e namedError) Unwrap() error { return e.error }

// openError says which database could not be opened, and what to do where that is
// plain.
func openError(dsn string, err error) error {
	if _, ok := errors.AsType[namedError](err); ok {
		return err
	}
	remedies := map[string]string{
		"42501": "use the role that owns the tables and may create in the schema",
		"3D000": "make the database, or name another one",
		"3F000": "make the schema, or name another one in search_path",
		"28P01": "see that the DSN names the role and its password",
		"28000": "see that the DSN names a role that may sign in from here",
	}
	if remedy := remedies[sqlState(err)]; remedy != "" {
		err = &refusal{err, remedy}
	}
	return namedError{fmt.Errorf("opening the database %s: %w", withoutPassword(dsn), err)}
}

// connectCause is the reason why a connection was not made, in a line: pgx lists
// every attempt, with TLS and without.
func connectCause(err error) error {
	if e, ok := errors.AsType[*pgconn.PgError](err); ok {
		return e
	}
	if e, ok := errors.AsType[*net.DNSError](err); ok {
		return e
	}
	if e, ok := errors.AsType[*net.OpError](err); ok {
		return e
	}
	return err
}

// retry runs once, again where the database asks for that, at most pgMaxTries
// times.
func (e *pgEngine) retry(ctx context.Context, once func() error) error {
	for try := 1; ; try++ {
		err := once()
		if err == nil {
			return nil
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		lost := isLost(err)
		e.judge(err)
		if try == pgMaxTries || !mayRetry(err) {
			if sqlState(err) == "53100" {
				return fmt.Errorf("%w: %w", ErrFull, err)
			}
			if lost || isBusy(err) {
				return fmt.Errorf("%w: %w", ErrUnavailable, err)
			}
			return err
		}
		select {
		case <-time.After(rand.N(time.Duration(1<<try) * 5 * time.Millisecond)):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// judge has connections made anew when one broke, because the others have most
// likely broken with it, and each would cost somebody a try. One that was not had,
// or did not answer in time, tells nothing of the others: they go on, and the
// mailboxes of a node that hangs are no matter of those of other nodes.
func (e *pgEngine) judge(err error) {
	if lost, ok := errors.AsType[*lostError](err); ok && lost.broke && !isTimeout(err) {
		e.pool.Reset()
	}
}

func isTimeout(err error) bool {
	timeout, ok := errors.AsType[net.Error](err)
	return errors.Is(err, context.DeadlineExceeded) || ok && timeout.Timeout()
}

// A lostError is that of a connection which is gone, or was never there.
type lostError struct {
	err   error
	broke bool // it was there
}

func (e *lostError) Error() string { return e.err.Error() }
func (e *lostError) Unwrap() error { return e.err }

func isLost(err error) bool {
	_, lost := errors.AsType[*lostError](err)
	return lost
}

func isUncertain(err error) bool { return errors.Is(err, ErrUncertain) }

// sqlState is the code of PostgreSQL's error, or "".
func sqlState(err error) string {
	if e, ok := errors.AsType[*pgconn.PgError](err); ok {
		return e.Code
	}
	return ""
}

// mayRetry says whether a transaction that was not committed may succeed when it
// is run again.
func mayRetry(err error) bool {
	if isUncertain(err) || errors.Is(err, context.DeadlineExceeded) {
		return false
	}
	if errors.Is(err, errNotCommitted) {
		return true
	}
	switch code := sqlState(err); code {
	case "40001", "40P01", // serialization, deadlock
		"55P03",                            // the lock was not had in time
		"57P01", "57P02", "57P03", "53300": // the server stops or starts, or has too many connections
		return true
	case "XX000": // of Citus
		return strings.Contains(err.Error(), "could not commit transaction for shard")
	case "":
		return isLost(err)
	default:
		return strings.HasPrefix(code, "08")
	}
}

// isBusy says whether an error of the server is about the moment, not about the
// statement.
func isBusy(err error) bool {
	code := sqlState(err)
	return code == "57014" || errors.Is(err, errNotCommitted) || errors.Is(err, context.DeadlineExceeded) || // timeouts
		code != "" && mayRetry(err) ||
		strings.HasPrefix(code, "53") // out of memory, disk or connections
}

// numbered is a statement as PostgreSQL takes it.
func (e *pgEngine) numbered(q string) string {
	e.mu.Lock()
	defer e.mu.Unlock()
	sql, ok := e.texts[q]
	if !ok {
		if len(e.texts) >= pgMaxTexts {
			clear(e.texts)
		}
		sql = numbered(q)
		e.texts[q] = sql
	}
	return sql
}
