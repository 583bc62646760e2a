package store

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strings"
)

//go:embed migrations
var migrations embed.FS

// migrationNames are the migrations in their order.
func migrationNames() ([]string, error) { return fs.Glob(migrations, "migrations/*.sql") }

// migration is the text of a migration: the one below the folder of the engine
// where there is one, else the one for all.
func migration(name, engine string) (string, error) {
	b, err := fs.ReadFile(migrations, path.Join("migrations", engine, path.Base(name)))
	if errors.Is(err, fs.ErrNotExist) {
		b, err = fs.ReadFile(migrations, name)
	}
	return string(b), err
}

// errNewerSchema refuses a database that is newer than this program.
func errNewerSchema(version, known int) error {
	return &refusal{fmt.Errorf("its schema has version %d and this program knows %d", version, known), "use a newer duly"}
}

// migrate brings the schema up to date: every migration whose number is above
// the database's version, in their order, in one transaction. A database that
// is newer than this program is refused.
func migrate(ctx context.Context, c *conn) error {
	names, err := migrationNames()
	if err != nil {
		return err
	}
	if version, err := schemaVersion(c); err != nil || version == len(names) {
		return err // the usual start takes no lock
	}
	if err := c.exec(`BEGIN IMMEDIATE`); err != nil {
		return err
	}
	if err := migrateFrom(ctx, c, names); err != nil {
		return fmt.Errorf("migrating: %w", joinRollback(c, err))
	}
	return c.exec(`COMMIT`)
}

func migrateFrom(ctx context.Context, c *conn, names []string) error {
	version, err := schemaVersion(c)
	if err != nil {
		return err
	}
	if version > len(names) {
		return errNewerSchema(version, len(names))
	}
	for _, name := range names[version:] {
		if err := ctx.Err(); err != nil {
			return err
		}
		sql, err := migration(name, "sqlite")
		if err != nil {
			return err
		}
		if err := c.script(sql); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return c.script(fmt.Sprintf("PRAGMA user_version = %d", len(names)))
}

// schemaVersion is the number of migrations that the database has seen.
func schemaVersion(c *conn) (version int, err error) {
	err = c.query(`PRAGMA user_version`, func(r *row) error { version = int(r.int()); return nil })
	return version, err
}

func joinRollback(c *conn, err error) error {
	if rerr := c.rollback(); rerr != nil {
		return fmt.Errorf("%w (and rolling back: %w)", err, rerr)
	}
	return err
}

// trimSQL takes white space and comments from the front of s, so that nothing
// is left when no statement follows.
func trimSQL(s string) string {
	for {
		s = strings.TrimLeft(s, " \t\r\n;")
		if !strings.HasPrefix(s, "--") {
			return s
		}
		_, s, _ = strings.Cut(s, "\n")
	}
}
