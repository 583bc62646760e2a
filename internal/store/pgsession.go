package store

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgtype"
)

// pgSession is a transaction on one connection. Statements without results wait
// until one with results or the commit takes them along, and BEGIN goes with the
// first: a round trip is made only where an answer is needed.
type pgSession struct {
	ctx     context.Context
	engine  *pgEngine
	conn    *pgx.Conn
	batch   pgx.Batch // what goes with the next round trip
	prelude int       // statements of the batch that only begin; 0 once they are sent
	failed  error     // the first error of a statement
	refused bool      // a function for the rows of a statement had an error
	job     *pgMark   // the update that is running, of a group of them
	reads   bool      // and does not write

	user    string // of the mailbox that is locked
	version int64  // its version; -1: not known, or no such mailbox
	locked  int64  // the version that it had when it was locked
	as      As     // who took the version last, and when
	at      time.Time
}

// queue adds a statement to the next round trip.
func (s *pgSession) queue(q string, args ...value) *pgx.QueuedQuery {
	arguments := make([]any, len(args))
	for i, a := range args {
		switch a.kind {
		case 1:
			arguments[i] = a.i
		case 2:
			arguments[i] = encodeText(a.s)
		case 3:
			arguments[i] = append([]byte{}, a.b...) // the caller's may change before they are sent; and nil would be NULL
		}
	}
	s.note(q)
	return s.batch.Queue(s.engine.numbered(q), arguments...)
}

// queueQuery is queue with a function for the rows.
func (s *pgSession) queueQuery(q string, each func(*row) error, args ...value) {
	s.queue(q, args...).Query(func(rows pgx.Rows) error {
		if err := rows.Err(); err != nil {
			return err // and there are no columns to ask for
		}
		result := pgRow{fields: rows.FieldDescriptions(), types: s.conn.TypeMap()}
		r := row{stmt: &result}
		for rows.Next() {
			result.values, r.next = rows.RawValues(), 0
			if err := each(&r); err != nil {
				s.refused = true
				return err
			}
		}
		return rows.Err()
	})
}

// flush makes the round trip.
func (s *pgSession) flush(ctx context.Context) error {
	ctx, cancel := s.engine.limited(ctx)
	defer cancel()
	return s.flushUntimed(ctx)
}

// flushUntimed is flush for statements whose time is that of the data.
func (s *pgSession) flushUntimed(ctx context.Context) error {
	if s.failed != nil {
		return s.failed
	}
	s.save()
	s.refused = false
	err := s.conn.SendBatch(ctx, &s.batch).Close()
	s.batch = pgx.Batch{QueuedQueries: s.batch.QueuedQueries[:0]}
	s.prelude = 0
	if !s.refused || s.conn.IsClosed() { // otherwise the statements themselves are well
		s.failed = err
	}
	return err
}

func (s *pgSession) query(q string, each func(*row) error, args ...value) error {
	s.queueQuery(q, each, args...)
	return s.flush(s.ctx)
}

func (s *pgSession) queryAll(statements []statement) error {
	for _, q := range statements {
		s.queueQuery(q.q, q.each, q.args...)
	}
	if len(statements) == 0 {
		return nil
	}
	return s.flush(s.ctx)
}

func (s *pgSession) exec(q string, args ...value) error {
	s.queue(q, args...)
	return s.failed
}

// lockCommon locks the row that is always there.
func (s *pgSession) lockCommon() error {
	if s.reads {
		return nil
	}
	return s.exec(`SELECT 1 FROM revision_counter WHERE one = 1 FOR UPDATE`)
}

// nextVersion knows the version once the mailbox is locked, and needs no answer.
func (s *pgSession) nextVersion(as As, at time.Time) (version int64, err error) {
	s.as, s.at = as, at
	if as.User != s.user || s.version < 0 {
		s.version, err = takeVersion(s, as.User)
		return s.version, err
	}
	s.version++
	return s.version, s.exec(`UPDATE users SET version = ? WHERE user_id = ?`, integer(s.version), text(as.User))
}

// takeVersion counts the mailbox's writes. The row is locked from here on.
func takeVersion(s session, user string) (int64, error) {
	version := int64(-1)
	err := s.query(`UPDATE users SET version = version + 1 WHERE user_id = ? RETURNING version`,
		func(r *row) error { version = r.int(); return nil }, text(user))
	return version, err
}

// errNotCommitted says that a transaction was not committed although its commit
// was sent.
var errNotCommitted = errors.New("the transaction was not committed")

// commit ends a transaction of so many updates that has made statements. Once it is sent, the end of
// the caller's context does not stop it.
func (s *pgSession) commit(writes int) error {
	if s.prelude > 0 && len(s.batch.QueuedQueries) == s.prelude {
		return nil // nothing was asked for
	}
	s.queue(`COMMIT`).Exec(func(tag pgconn.CommandTag) error {
		if tag.String() != "COMMIT" {
			return errNotCommitted
		}
		return nil
	})
	start := time.Now()
	err := s.flush(context.WithoutCancel(s.ctx))
	if m := s.engine.meter.Load(); m != nil && err == nil {
		m.Committed(writes, time.Since(start))
	}
	open, code := !s.conn.IsClosed(), sqlState(err)
	switch {
	case err == nil, errors.Is(err, errNotCommitted), pgconn.SafeToRetry(err):
		return err // the server has said so, or was never asked
	case open && (code == "" || s.conn.PgConn().TxStatus() == 'E'):
		return err // of a statement before the commit
	case code != "" && !mayBeCommitted(code):
		return err
	}
	return &cutError{err}
}

// A cutError is that of a commit which may have come to pass. What became of it is
// asked when its connection is given back: as many may be cut off at once as there
// are connections.
type cutError struct{ err error }

func (e *cutError) Error() string   { return e.err.Error() }
func (e *cutError) Unwrap() []error { return []error{ErrUncertain, e.err} }

// mayBeCommitted says whether a commit that is answered with an error of the
// server's may have come to pass: on Citus another node, which made it, may be what
// is gone.
func mayBeCommitted(code string) bool {
	return strings.HasPrefix(code, "57P0") || strings.HasPrefix(code, "08") || code == "XX000"
}

// settle finds out whether a transaction whose commit was cut off is committed:
// then the log holds its version. It asks behind the mailbox's lock, which the
// transaction holds for as long as it is undecided.
func (e *pgEngine) settle(ctx context.Context, cut *pgSession, cause error) error {
	uncertain := fmt.Errorf("%w: %w", ErrUncertain, cause)
	if cut.at.IsZero() {
		return uncertain
	}
	ctx, cancel := e.limited(ctx)
	defer cancel()
	for wait := 10 * time.Millisecond; ; wait *= 2 {
		committed := false
		err := e.with(ctx, func(s *pgSession) error {
			s.queue(`BEGIN`)
			s.queue(`SELECT 1 FROM users WHERE user_id = ? FOR UPDATE`, text(cut.as.User))
			return s.query(`SELECT app, at FROM changes WHERE user_id = ? AND version = ?`, func(r *row) error {
				committed = r.text() == cut.as.App && r.int() == cut.at.UnixMicro()
				return nil
			}, text(cut.as.User), integer(cut.version))
		})
		switch {
		case err == nil && committed:
			return nil
		case err == nil:
			return fmt.Errorf("%w: %w", errNotCommitted, cause)
		case !mayRetry(err):
			return uncertain
		}
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return uncertain
		}
	}
}

// PostgreSQL's text holds no U+0000. A noncharacter stands for it, which in turn is
// stored as U+FFFD.
const standIn = "\ufdd0"

func encodeText(s string) string {
	if !utf8.ValidString(s) {
		s = strings.ToValidUTF8(s, "\ufffd")
	}
	if strings.Contains(s, standIn) {
		s = strings.ReplaceAll(s, standIn, "\ufffd")
	}
	if strings.IndexByte(s, 0) >= 0 {
		s = strings.ReplaceAll(s, "\x00", standIn)
	}
	return s
}

func decodeText(b []byte) string {
	s := string(b)
	if bytes.IndexByte(b, standIn[0]) >= 0 && strings.Contains(s, standIn) {
		s = strings.ReplaceAll(s, standIn, "\x00")
	}
	return s
}

// pgRow is a row as it came over the wire.
type pgRow struct {
	values [][]byte
	fields []pgconn.FieldDescription
	types  *pgtype.Map
}

func (r *pgRow) ColumnIsNull(i int) bool { return r.values[i] == nil }

func (r *pgRow) ColumnText(i int) string { return decodeText(r.values[i]) }

func (r *pgRow) ColumnLen(i int) int { return len(r.values[i]) }

func (r *pgRow) ColumnBytes(i int, into []byte) int { return copy(into, r.values[i]) }

// ColumnInt64 reads any integer; null is 0.
func (r *pgRow) ColumnInt64(i int) (n int64) {
	b := r.values[i]
	switch f := &r.fields[i]; {
	case b == nil:
	case f.Format != pgtype.BinaryFormatCode || f.DataTypeOID == pgtype.NumericOID:
		if err := r.types.Scan(f.DataTypeOID, f.Format, b, &n); err != nil {
			panic(fmt.Sprintf("store: column %s is no integer: %v", f.Name, err)) // a mistake in a statement
		}
	case len(b) == 8:
		n = int64(binary.BigEndian.Uint64(b))
	case len(b) == 4:
		n = int64(int32(binary.BigEndian.Uint32(b)))
	case len(b) == 2:
		n = int64(int16(binary.BigEndian.Uint16(b)))
	case len(b) == 1:
		n = int64(b[0]) // a truth value
	}
	return n
}
