package store

import (
	"slices"
	"strings"
	"time"
)

// value is a parameter of a statement.
type value struct {
	kind byte // 0 null, 1 integer, 2 text, 3 bytes
	i    int64
	s    string
	b    []byte
}

func null() value           { return value{} }
func integer(i int64) value { return value{kind: 1, i: i} }
func text(s string) value   { return value{kind: 2, s: s} }
func blob(b []byte) value   { return value{kind: 3, b: b} }

// micros is a time in microseconds, of which the zero time is 0.
func micros(t time.Time) value {
	if t.IsZero() {
		return integer(0)
	}
	return integer(t.UnixMicro())
}

// row reads the columns of a result from left to right.
type row struct {
	stmt  columns
	next  int
	texts *arena // nil: each text has memory of its own
}

func (r *row) int() int64 { r.next++; return r.stmt.ColumnInt64(r.next - 1) }

func (r *row) text() string {
	r.next++
	if r.texts != nil {
		return r.texts.text(r.stmt, r.next-1)
	}
	return r.stmt.ColumnText(r.next - 1)
}

// An arena is memory that the texts of many rows share.
type arena struct {
	b    strings.Builder
	room []byte
}

const (
	arenaFrom = 8 // rows that a result has before its texts share memory
	arenaSize = 16 << 10
)

// text reads a column.
func (a *arena) text(stmt columns, i int) string {
	n := stmt.ColumnLen(i)
	if a.b.Cap()-a.b.Len() < n {
		a.b = strings.Builder{} // what was cut from the old one stays
		a.b.Grow(max(arenaSize, n))
	}
	a.room = slices.Grow(a.room[:0], n)[:n]
	start := a.b.Len()
	a.b.Write(a.room[:stmt.ColumnBytes(i, a.room)])
	return a.b.String()[start:]
}

// bytes reads a column into the room of b.
func (r *row) bytes(b []byte) []byte {
	r.next++
	n := r.stmt.ColumnLen(r.next - 1)
	b = slices.Grow(b[:0], n)[:n]
	return b[:r.stmt.ColumnBytes(r.next-1, b)]
}

// time is a column of microseconds, of which 0 is the zero time.
func (r *row) time() time.Time {
	if us := r.int(); us != 0 {
		return time.UnixMicro(us).UTC()
	}
	return time.Time{}
}

// null says whether the next column is null, and passes over it if so.
func (r *row) null() bool {
	if !r.stmt.ColumnIsNull(r.next) {
		return false
	}
	r.next++
	return true
}
