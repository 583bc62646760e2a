package store

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"zombiezen.com/go/sqlite"
)

// viewSource runs fn on a snapshot of a database, without writing to it.
func viewSource(ctx context.Context, dsn string, fn func(session) error) (err error) {
	defer func() {
		if err != nil && ctx.Err() != nil {
			err = ctx.Err()
		}
	}()
	if IsPostgres(dsn) {
		return viewPostgres(ctx, dsn, fn)
	}
	c, err := openConn(strings.TrimPrefix(dsn, "sqlite:"), sqlite.OpenReadOnly, readerPragma)
	if err != nil {
		return judged(err)
	}
	c.c.SetInterrupt(ctx.Done())
	defer func() {
		c.c.SetInterrupt(nil)
		err = judged(errors.Join(err, c.rollback(), c.close()))
	}()
	if err := c.exec(`BEGIN`); err != nil {
		return err
	}
	return protect(c, fn)
}

// viewPostgres is viewSource for PostgreSQL. Its transaction may be left alone for
// longer than those of the server.
func viewPostgres(ctx context.Context, dsn string, fn func(session) error) error {
	return onPostgres(ctx, dsn, func(e *pgEngine) error {
		e.wait.Store(int64(inspectTime))
		return e.view(ctx, long, func(s session) error {
			if err := s.exec(`SET LOCAL idle_in_transaction_session_timeout = 0`); err != nil {
				return err
			}
			if err := s.exec(`SET LOCAL statement_timeout = 0`); err != nil {
				return err
			}
			return fn(s)
		})
	})
}

// schemaOf is the version of the schema of a database, 0 where there is none.
func schemaOf(s session) (int, error) {
	if pg, ok := s.(*pgSession); ok {
		return pg.schemaVersion()
	}
	return schemaVersion(s.(*conn))
}

// requireSchema refuses a source of another schema than ours.
func requireSchema(s session, dsn string) error {
	version, err := schemaOf(s)
	known := KnownSchema()
	switch {
	case err != nil:
		return err
	case version == 0:
		return fmt.Errorf("%s is no database of Duly's, or an empty one", withoutPassword(dsn))
	case version > known:
		return openError(dsn, errNewerSchema(version, known))
	case version < known:
		return namedError{&refusal{fmt.Errorf("the schema of %s has version %d, and a copy needs %d", withoutPassword(dsn), version, known), "run any other verb of this duly on it, such as \"duly user list\", which brings it up to date"}}
	}
	source, err := halfCopyOf(s)
	if err == nil && source != "" {
		err = errHalfCopy(source)
	}
	return err
}

// checkTarget refuses a database to copy to unless it is new or empty, or half a
// copy of the same source. It changes nothing.
func checkTarget(ctx context.Context, dsn string, plan []copyTable, source string) error {
	if !IsPostgres(dsn) {
		info, err := os.Stat(strings.TrimPrefix(dsn, "sqlite:"))
		if errors.Is(err, os.ErrNotExist) || err == nil && info.Size() == 0 {
			return nil
		}
	}
	err := viewSource(ctx, dsn, func(s session) error {
		version, err := schemaOf(s)
		if err != nil || version == 0 {
			return err
		}
		if known := KnownSchema(); version > known {
			return errNewerSchema(version, known)
		} else if version < known {
			return fmt.Errorf("%w, of a schema of version %d", ErrHoldsData, version)
		}
		half, err := halfCopyOf(s)
		if err != nil || half == source {
			return err
		}
		if half != "" {
			return fmt.Errorf("%w of %s, and not of %s", ErrHalfCopy, half, source)
		}
		for i := range plan {
			if plan[i].name == "revision_counter" { // the schema comes with its row
				continue
			}
			empty, err := plan[i].empty(s)
			if err == nil && !empty {
				err = fmt.Errorf("%w: there are rows in %s", ErrHoldsData, plan[i].name)
			}
			if err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		err = openError(dsn, err)
	}
	return err
}

// halfCopyOf says of what a database is half a copy; "" for one that is whole.
func halfCopyOf(s session) (source string, err error) {
	err = s.query(`SELECT state FROM `+journalTable+` WHERE user_id = ?`, func(r *row) error { source = r.text(); return nil }, text(journalHead))
	return source, err
}

func errHalfCopy(source string) error {
	return fmt.Errorf("%w of %s: run \"duly copy\" again, which finishes it", ErrHalfCopy, source)
}

// requireWhole refuses half a copy.
func (db *DB) requireWhole(ctx context.Context) error {
	return db.lookup(ctx, "", func(tx *Tx) error {
		source, err := halfCopyOf(tx.conn)
		if err == nil && source != "" {
			err = errHalfCopy(source)
		}
		return err
	})
}
