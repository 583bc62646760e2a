package store

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"zombiezen.com/go/sqlite"

	"github.com/duly-todo/duly/internal/odata"
)

// What the settings are worth is in docs/adr/0002-sqlite.md.
const (
	maxBatch     = 128             // writes that share one commit at most
	busyTimeout  = 5 * time.Second // for another process, such as `duly user add`
	readerPragma = `PRAGMA query_only = ON; PRAGMA mmap_size = 58720256; PRAGMA cache_size = -512`
	writerPragma = `PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON;
		PRAGMA wal_autocheckpoint = 4000; PRAGMA mmap_size = 58720256; PRAGMA cache_size = -4096`
)

// sqliteEngine runs transactions on one SQLite file: a single writer, which
// puts all writes that wait into one commit, and the readers of sqliteread.go.
// A database in memory has the writer alone.
type sqliteEngine struct {
	path    string
	writer  *conn // the goroutine of write uses it, and close after that
	jobs    chan *job
	readers *readers  // nil for memory
	spare   sync.Pool // of *job

	mu     sync.RWMutex // read-held while sending a job, so that close cannot close its channel meanwhile
	closed bool
	stop   chan struct{} // closed with closed
	done   chan struct{} // closed when the writer has stopped

	damaged atomic.Bool           // see judge
	full    atomic.Int64          // when a write had no room, in nanoseconds since 1970; 0: the last one had
	meter   atomic.Pointer[Meter] // may be nil
}

// A job is a transaction that waits for the writer, or for a reader.
type job struct {
	ctx  context.Context
	fn   func(session) error
	err  error
	done chan struct{} // has room for one
}

func openSQLite(ctx context.Context, path string) (*sqliteEngine, error) {
	flags := sqlite.OpenReadWrite | sqlite.OpenCreate
	if path == Memory {
		flags |= sqlite.OpenMemory
	}
	w, err := openConn(path, flags, writerPragma)
	if err != nil {
		return nil, err
	}
	if err := migrate(ctx, w); err != nil {
		return nil, errors.Join(err, w.close())
	}
	e := &sqliteEngine{path: path, writer: w, jobs: make(chan *job, maxBatch), stop: make(chan struct{}), done: make(chan struct{})}
	if path != Memory {
		e.readers = newReaders(path)
	}
	go e.write()
	return e, nil
}

// close lets the jobs that wait finish, then closes every connection: the
// writer's last, since the last one moves the log into the file, which a reader
// cannot do.
func (e *sqliteEngine) close() error {
	e.mu.Lock()
	if e.closed {
		e.mu.Unlock()
		return nil
	}
	e.closed = true
	close(e.jobs)
	if e.readers != nil {
		close(e.readers.brief)
	}
	close(e.stop)
	e.mu.Unlock()
	<-e.done
	var err error
	if e.readers != nil {
		err = e.readers.close()
	}
	return errors.Join(err, e.writer.close())
}

// submit hands a job to whoever takes from queue, and waits until it is through: a
// write is durable then, or has failed. A caller whose ctx ends while the queue is
// full leaves; once the job is in the queue its outcome is waited for, because it
// may be on disk already.
func (e *sqliteEngine) submit(ctx context.Context, queue chan<- *job, fn func(session) error) error {
	j, ok := e.spare.Get().(*job)
	if !ok {
		j = &job{done: make(chan struct{}, 1)}
	}
	j.ctx, j.fn, j.err = ctx, fn, nil
	e.mu.RLock()
	if e.closed {
		e.mu.RUnlock()
		return ErrClosed
	}
	select {
	case queue <- j:
	default: // a request's context makes its channel where it is asked for one
		select {
		case queue <- j:
		case <-ctx.Done():
			e.mu.RUnlock()
			return ctx.Err()
		}
	}
	e.mu.RUnlock()
	<-j.done
	err := e.judge(j.err)
	j.ctx, j.fn = nil, nil
	e.spare.Put(j)
	return err
}

func (e *sqliteEngine) update(ctx context.Context, _ As, fn func(session) error) error {
	err := e.submit(ctx, e.jobs, fn)
	if err == nil && e.full.Load() != 0 {
		e.full.Store(0)
	}
	return err
}

func (e *sqliteEngine) dialect() *dialect { return sqliteDialect() }

// write is the writer: it takes a job and all that wait behind it, runs them in
// one transaction, commits once, and only then tells their callers.
func (e *sqliteEngine) write() {
	defer close(e.done)
	batch := make([]*job, 0, maxBatch)
	for j := range e.jobs {
		batch = gather(append(batch[:0], j), e.jobs, maxBatch)
		commit(e.writer, batch, e.meter.Load())
		for _, j := range batch {
			j.done <- struct{}{}
		}
		clear(batch)
	}
}

// gather appends the jobs that wait in queue to batch, until it has most of them.
func gather(batch []*job, queue <-chan *job, most int) []*job {
	for len(batch) < most {
		select {
		case j, ok := <-queue:
			if !ok {
				return batch
			}
			batch = append(batch, j)
		default:
			return batch
		}
	}
	return batch
}

// commit runs the jobs of a batch in one transaction and sets their errors. None
// has a savepoint at first, at whose end SQLite would write its full-text index out
// for each; where one is needed, all is undone and done again, with savepoints.
func commit(c *conn, batch []*job, meter *Meter) {
	err := c.exec(`BEGIN IMMEDIATE`)
	if err == nil && !runTogether(c, batch) {
		if err = c.rollback(); err == nil && len(batch) > 1 {
			err = c.exec(`BEGIN IMMEDIATE`)
			if err == nil {
				err = runApart(c, batch)
			}
		} else if err == nil {
			return // the only job has failed
		}
	}
	start := time.Now()
	if err == nil {
		if err = c.exec(`COMMIT`); err != nil {
			err = fmt.Errorf("committing: %w", err)
		}
	}
	if err != nil { // SQLite itself fails: nothing of the batch is kept
		err = errors.Join(err, c.rollback())
		for _, j := range batch {
			j.err = errors.Join(j.err, err)
		}
	} else if meter != nil {
		meter.Committed(len(batch), time.Since(start))
	}
}

// runTogether runs the jobs of a batch and sets their errors, until one fails
// that may have left something behind, which it returns false for.
func runTogether(c *conn, batch []*job) bool {
	for _, j := range batch {
		if j.err = j.ctx.Err(); j.err != nil {
			continue // the client has left, and nothing is done yet
		}
		c.wrote = false
		if j.err = protect(c, j.fn); j.err != nil && (c.wrote || failure(j.err) != sqlite.ResultOK) {
			return false
		}
	}
	return true
}

// runApart runs the jobs of a batch, each in a savepoint, and sets their errors. It
// returns an error when SQLite has failed.
func runApart(c *conn, batch []*job) error {
	for _, j := range batch {
		if j.err = j.ctx.Err(); j.err != nil {
			continue
		}
		if err := runJob(c, j); err != nil {
			return err
		}
	}
	return nil
}

// runJob runs a job in a savepoint and sets its error. It returns an error when
// SQLite has failed: on a full disk, it may have ended the whole transaction.
func runJob(c *conn, j *job) error {
	if err := c.exec(`SAVEPOINT job`); err != nil {
		return err
	}
	if j.err = protect(c, j.fn); j.err == nil {
		return c.exec(`RELEASE job`)
	}
	err := c.exec(`ROLLBACK TO job`)
	if err == nil {
		return c.exec(`RELEASE job`)
	}
	if failure(j.err) != sqlite.ResultOK {
		err = errors.Join(j.err, err) // for the others, whose writes are gone as well
	}
	return err
}

// conn is one connection. Its statements are prepared once and kept.
type conn struct {
	c     *sqlite.Conn
	wrote bool // a statement has run that is no SELECT, since it was set to false
}

func openConn(path string, flags sqlite.OpenFlags, pragmas string) (*conn, error) {
	sc, err := sqlite.OpenConn(path, flags)
	if err != nil {
		return nil, err
	}
	c := &conn{c: sc}
	sc.SetBusyTimeout(busyTimeout)
	err = sc.CreateFunction("fold", &sqlite.FunctionImpl{ // NULL stays NULL
		NArgs: 1, Deterministic: true,
		Scalar: func(_ sqlite.Context, args []sqlite.Value) (sqlite.Value, error) {
			if args[0].Type() == sqlite.TypeNull {
				return sqlite.Value{}, nil
			}
			return sqlite.TextValue(odata.Fold(args[0].Text())), nil
		},
	})
	if err != nil {
		return nil, errors.Join(err, c.close())
	}
	if err := c.script(pragmas); err != nil {
		return nil, errors.Join(err, c.close())
	}
	return c, nil
}

func (c *conn) close() error { return c.c.Close() }

// rollback ends the transaction if SQLite has not ended it by itself.
func (c *conn) rollback() error {
	if c.c.AutocommitEnabled() {
		return nil
	}
	return c.exec(`ROLLBACK`)
}

// query runs q with args for its ? and calls each for every row.
func (c *conn) query(q string, each func(*row) error, args ...value) error {
	stmt, err := c.c.Prepare(q)
	if err != nil {
		return err
	}
	c.wrote = c.wrote || !strings.HasPrefix(q, "SELECT ")
	for i, a := range args {
		switch a.kind {
		case 0:
			stmt.BindNull(i + 1)
		case 1:
			stmt.BindInt64(i+1, a.i)
		case 2:
			stmt.BindText(i+1, a.s)
		case 3:
			stmt.BindBytes(i+1, a.b) // which copies them
		}
	}
	r := row{stmt: stmt}
	running := true
	defer func() {
		if running { // each has panicked: the statement must not hold its snapshot
			_ = stmt.Reset()
		}
	}()
	for n := 1; ; n++ {
		more, err := stmt.Step()
		if err != nil || !more {
			running = false
			return err // Step resets the statement in both cases
		}
		if r.next = 0; n == arenaFrom {
			r.texts = new(arena)
		}
		if err := each(&r); err != nil {
			running = false
			return errors.Join(err, stmt.Reset())
		}
	}
}

func (c *conn) queryAll(statements []statement) error {
	for _, s := range statements {
		if err := c.query(s.q, s.each, s.args...); err != nil {
			return err
		}
	}
	return nil
}

func (c *conn) lockCommon() error { return nil } // there is one writer

// nextVersion does without RETURNING, for which SQLite begins a savepoint and writes
// its full-text index out.
func (c *conn) nextVersion(as As, _ time.Time) (int64, error) {
	version := int64(-1)
	err := c.exec(`UPDATE users SET version = version + 1 WHERE user_id = ?`, text(as.User))
	if err == nil {
		err = c.query(`SELECT version FROM users WHERE user_id = ?`, func(r *row) error { version = r.int(); return nil }, text(as.User))
	}
	return version, err
}

// lastRow is the number of the row that was inserted last.
func (c *conn) lastRow() int64 { return c.c.LastInsertRowID() }

func (c *conn) exec(q string, args ...value) error {
	return c.query(q, func(*row) error { return nil }, args...)
}

// script runs the statements of s, which have no parameters.
func (c *conn) script(s string) error {
	c.wrote = true
	for s = trimSQL(s); s != ""; s = trimSQL(s) {
		stmt, trailing, err := c.c.PrepareTransient(s)
		if err != nil {
			return err
		}
		for more := true; more && err == nil; {
			more, err = stmt.Step()
		}
		if err = errors.Join(err, stmt.Finalize()); err != nil {
			return err
		}
		s = s[len(s)-trailing:]
	}
	return nil
}
