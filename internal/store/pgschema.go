package store

import (
	"context"
	"errors"
	"fmt"
	"strings"
)

// migrate brings the schema up to date, in one transaction in which the row of
// schema_version is locked: of many processes that start at once, one migrates and
// the others find it done.
func (e *pgEngine) migrate(ctx context.Context) error {
	names, err := migrationNames()
	if err != nil {
		return err
	}
	return e.retry(ctx, func() error {
		return e.with(ctx, func(s *pgSession) error {
			if encoding := s.conn.PgConn().ParameterStatus("server_encoding"); encoding != "UTF8" {
				return fmt.Errorf("its encoding is %s: make it with ENCODING 'UTF8'", encoding)
			}
			version, err := s.schemaVersion()
			if err != nil || version == len(names) {
				return err // the usual start takes no lock
			}
			if version > len(names) {
				return errNewerSchema(version, len(names))
			}
			if err := s.migrateFrom(names); err != nil {
				return fmt.Errorf("migrating: %w", err)
			}
			return nil
		})
	})
}

// schemaVersion is the number of migrations that the database has seen.
func (s *pgSession) schemaVersion() (version int, err error) {
	there := false
	err = s.query(`SELECT to_regclass('schema_version') IS NOT NULL`, func(r *row) error { there = r.int() != 0; return nil })
	if err != nil || !there {
		return 0, err
	}
	err = s.query(`SELECT version FROM schema_version WHERE one = 1`, func(r *row) error { version = int(r.int()); return nil })
	return version, err
}

func (s *pgSession) migrateFrom(names []string) error {
	s.queue(`BEGIN`)
	s.queue(`SET LOCAL statement_timeout = 0`)
	s.queue(`SET LOCAL lock_timeout = 0`)
	s.queue(`CREATE TABLE IF NOT EXISTS schema_version (one SMALLINT PRIMARY KEY, version INTEGER NOT NULL)`)
	if err := s.flush(s.ctx); sqlState(err) == "23505" {
		return fmt.Errorf("%w: %w", errNotCommitted, err) // another process has just made it
	} else if err != nil {
		return err
	}
	s.queue(`INSERT INTO schema_version (one, version) VALUES (1, 0) ON CONFLICT (one) DO NOTHING`)
	version := 0
	err := s.query(`SELECT version FROM schema_version WHERE one = 1 FOR UPDATE`, func(r *row) error { version = int(r.int()); return nil })
	if err != nil {
		return err
	}
	if version > len(names) {
		return errNewerSchema(version, len(names))
	}
	for _, name := range names[version:] {
		script, err := migration(name, "postgres")
		if err != nil {
			return err
		}
		// As one message: its time is that of the data, which no timeout knows.
		if _, err := s.conn.PgConn().Exec(s.ctx, postgresDDL(script)).ReadAll(); err != nil {
			return fmt.Errorf("%s: %w", strings.TrimPrefix(name, "migrations/"), err)
		}
	}
	if err := s.exec(`UPDATE schema_version SET version = ? WHERE one = 1`, integer(int64(len(names)))); err != nil {
		return err
	}
	s.prelude = 0
	if err := s.commit(1); err != nil && !errors.Is(err, ErrUncertain) {
		return err
	}
	after, err := s.schemaVersion()
	if err == nil && after != len(names) {
		err = errNotCommitted
	}
	return err
}

// HasData says whether a PostgreSQL database holds data of ours. It changes
// nothing.
func HasData(ctx context.Context, dsn string) (has bool, err error) {
	c, err := parsePostgres(dsn)
	if err != nil {
		return false, err
	}
	e, err := newPgEngine(ctx, c)
	if err != nil {
		return false, err
	}
	err = e.view(ctx, false, func(s session) error {
		version, err := s.(*pgSession).schemaVersion()
		has = version > 0
		return err
	})
	if err != nil {
		err = fmt.Errorf("opening the database %s: %w", withoutPassword(dsn), err)
	}
	return has, errors.Join(err, e.close())
}
