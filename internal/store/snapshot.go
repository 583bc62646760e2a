package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	"zombiezen.com/go/sqlite"
)

// snapshotPages is how many pages are copied between two looks at the context.
const snapshotPages = 1024

// Snapshot copies the SQLite database in the file from, as it is at one moment,
// to the file to, which must not exist. Servers go on reading and writing from
// meanwhile. The copy has passed a look for damage. progress is told how many
// of all pages are copied.
func Snapshot(ctx context.Context, from, to string, progress func(done, all int)) (err error) {
	src, err := openConn(from, sqlite.OpenReadOnly, `PRAGMA query_only = ON`)
	if err != nil {
		return judged(err)
	}
	defer func() { err = judged(errors.Join(err, src.close())) }()
	dst, err := openConn(to, sqlite.OpenReadWrite|sqlite.OpenCreate, `PRAGMA synchronous = OFF`)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, dst.close()) }()

	// The copy reads within this transaction, so that it neither sees the writes of
	// other connections nor begins anew for each of them.
	if err := src.script(`BEGIN; SELECT COUNT(*) FROM sqlite_schema`); err != nil {
		return err
	}
	if err := copyPages(ctx, dst, src, progress); err != nil {
		return err
	}
	if err := src.exec(`ROLLBACK`); err != nil {
		return err
	}
	if err := dst.script(`PRAGMA journal_mode = DELETE`); err != nil { // one file, until it is opened for serving
		return err
	}
	return dst.sound(ctx, `PRAGMA quick_check(1)`)
}

func copyPages(ctx context.Context, dst, src *conn, progress func(done, all int)) error {
	b, err := sqlite.NewBackup(dst.c, "", src.c, "")
	if err != nil {
		return err
	}
	for more := true; more && err == nil; {
		if err = ctx.Err(); err == nil {
			if more, err = b.Step(snapshotPages); err == nil {
				progress(b.PageCount()-b.Remaining(), b.PageCount())
			}
		}
	}
	return errors.Join(err, b.Close())
}

// sound runs a check, such as PRAGMA quick_check, whose only row is "ok" or says
// what is wrong first. It ends early with ctx.
func (c *conn) sound(ctx context.Context, check string) error {
	c.c.SetInterrupt(ctx.Done())
	defer c.c.SetInterrupt(nil)
	first := ""
	err := c.query(check, func(r *row) error {
		if first == "" {
			first = r.text()
		}
		return nil
	})
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err == nil && first != "ok" {
		err = fmt.Errorf("%w: %s", ErrDamaged, first)
	}
	return judged(err)
}

// Verify looks at a whole database that no server uses, and returns the version
// of its schema. The error is [ErrDamaged] where it is damaged.
func Verify(ctx context.Context, path string) (schema int, err error) {
	c, err := openConn(path, sqlite.OpenReadOnly, `PRAGMA query_only = ON`)
	if err != nil {
		return 0, judged(err)
	}
	defer func() { err = judged(errors.Join(err, c.close())) }()
	if schema, err = schemaVersion(c); err != nil {
		return 0, err
	}
	if known := KnownSchema(); schema < 1 || schema > known {
		return 0, fmt.Errorf("its schema has version %d and this program knows 1 to %d: use a newer duly", schema, known)
	}
	return schema, c.sound(ctx, `PRAGMA integrity_check(1)`)
}

// Check looks for damage in the file of the database until ctx ends, which is no
// error. After an error that is [ErrDamaged], so is that of Ready.
func (db *DB) Check(ctx context.Context) error {
	e, ok := db.engine.(*sqliteEngine)
	if !ok || e.path == Memory {
		return nil
	}
	return e.judge(QuickCheck(ctx, e.path))
}

// QuickCheck looks for damage in a database until ctx ends, which is no error.
func QuickCheck(ctx context.Context, path string) (err error) {
	c, err := openConn(path, sqlite.OpenReadOnly, `PRAGMA query_only = ON`) // no part of the file in memory, of which all is read once
	if err != nil {
		return judged(err)
	}
	defer func() { err = errors.Join(err, c.close()) }()
	if err = c.sound(ctx, `PRAGMA quick_check(1)`); err != nil && ctx.Err() != nil {
		return nil
	}
	return err
}

// KnownSchema is the version of the schema that this program writes.
func KnownSchema() int {
	names, err := migrationNames()
	if err != nil {
		panic(err) // the pattern is a constant
	}
	return len(names)
}

// SchemaVersion is the version of the schema of a database that no server uses.
func SchemaVersion(path string) (version int, err error) {
	c, err := openConn(path, sqlite.OpenReadOnly, `PRAGMA query_only = ON`)
	if err != nil {
		return 0, judged(err)
	}
	defer func() { err = judged(errors.Join(err, c.close())) }()
	return schemaVersion(c)
}

// forkGap is how many writes a mailbox may have seen after a backup was made,
// for Fork to keep their versions from being given out again.
const forkGap = 1 << 32

// Fork parts a restored database, which no server uses, from the one it was
// copied from, whose clients know versions that it never had: every mailbox
// leaves a gap in its versions and begins its change log anew. Who knows an older
// version is told to read all again, and takes no later change for one it knows.
// Unless endedAt is zero, all that was given out until then ends.
func Fork(path string, endedAt time.Time) (err error) {
	c, err := openConn(path, sqlite.OpenReadWrite, `PRAGMA synchronous = FULL`)
	if err != nil {
		return judged(err)
	}
	defer func() { err = judged(errors.Join(err, c.close())) }()
	if err := c.exec(`BEGIN IMMEDIATE`); err != nil {
		return err
	}
	err = c.exec(`UPDATE users SET version = version + ?, log_floor = version + ?`, integer(forkGap), integer(forkGap))
	if err == nil {
		err = c.exec(`DELETE FROM changes`)
	}
	if err == nil && !endedAt.IsZero() {
		err = endGrants(c, endedAt)
	}
	if err != nil {
		return joinRollback(c, err)
	}
	return c.exec(`COMMIT`)
}

// grantTables are the tables of what was given out: who has one of their secrets is
// let in.
func grantTables() []string {
	return []string{"sessions", "authorization_codes", "refresh_tokens", "device_codes", "personal_access_tokens", "setup_links"}
}

// endGrants ends them, and access tokens, in a database of any schema.
func endGrants(c *conn, at time.Time) error {
	has := map[string]bool{}
	err := c.query(`SELECT name FROM sqlite_schema WHERE type = 'table'`, func(r *row) error { has[r.text()] = true; return nil })
	if err != nil || !has["apps"] {
		return err // of before there was sign-in
	}
	for _, table := range []string{"users", "apps"} {
		if err := c.exec(`UPDATE `+table+` SET tokens_from = ?`, micros(at)); err != nil {
			return err
		}
	}
	for _, table := range grantTables() {
		if err := c.exec(`DELETE FROM ` + table); err != nil {
			return err
		}
	}
	return nil
}
