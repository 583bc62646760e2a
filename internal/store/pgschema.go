package store

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
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
				return &refusal{fmt.Errorf("its encoding is %s", encoding), "make it with ENCODING 'UTF8'"}
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
	s.queue(`SET LOCAL citus.multi_shard_modify_mode = 'sequential'`) // which says nothing to others
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
	if err := s.distributeNew(); err != nil {
		return err
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
	err = onPostgres(ctx, dsn, func(e *pgEngine) error {
		return e.view(ctx, long, func(s session) error {
			version, err := s.(*pgSession).schemaVersion()
			has = version > 0
			return err
		})
	})
	return has, err
}

// otherTries is how often the other connections of a database are looked for: those
// of a process that has just ended stay for a moment.
const otherTries = 5

// InUse says whether other processes of ours are connected to a PostgreSQL
// database, as far as this account may see.
func InUse(ctx context.Context, dsn string) (others bool, err error) {
	for try := 0; try < otherTries; try++ {
		err = viewPostgres(ctx, dsn, func(s session) error {
			return s.query(`SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid() AND application_name = 'duly'`,
				func(r *row) error { others = r.int() > 0; return nil })
		})
		if err != nil || !others {
			return false, err
		}
		select {
		case <-time.After(100 * time.Millisecond):
		case <-ctx.Done():
			return false, ctx.Err()
		}
	}
	return true, nil
}
