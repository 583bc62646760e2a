package store

import (
	"context"
	"time"

	"github.com/duly-todo/duly/internal/todo"
)

// A Standing is what decides whether the access tokens of a user or of an
// application are still good.
type Standing struct {
	TokensFrom time.Time           // those from before are not
	Disabled   bool                // none is, for now
	Revoked    map[string]struct{} // by their jti, or by the family that they name as their sid
}

// Limits of what is kept about revocations.
const (
	maxRevocations = 1_000 // of one user or application; beyond that all of its tokens end
	maxRevisions   = 1_000 // who follows less often than that reads all anew
)

// UserStanding returns the standing of a user; the error is of the kind
// todo.NoSuchUser when there is none.
func (db *DB) UserStanding(ctx context.Context, id string) (Standing, error) {
	return db.standing(ctx, id, `SELECT tokens_from, disabled FROM users WHERE user_id = ?`, errNoSuchUser(id))
}

// AppStanding returns the standing of the application with a client id, or
// todo.ErrNotFound.
func (db *DB) AppStanding(ctx context.Context, id string) (Standing, error) {
	return db.standing(ctx, id, `SELECT tokens_from, 0 FROM apps WHERE app_id = ?`, todo.ErrNotFound)
}

func (db *DB) standing(ctx context.Context, id, q string, missing error) (s Standing, err error) {
	err = db.View(ctx, id, func(tx *Tx) error {
		s = Standing{}
		found := false
		err := tx.conn.query(q, func(r *row) error { s.TokensFrom, s.Disabled, found = r.time(), r.int() != 0, true; return nil }, text(id))
		if err == nil && !found {
			err = missing
		}
		if err != nil {
			return err
		}
		return tx.conn.query(`SELECT token_id FROM revocations WHERE user_id = ? AND expires > ?`, func(r *row) error {
			if s.Revoked == nil {
				s.Revoked = make(map[string]struct{})
			}
			s.Revoked[r.text()] = struct{}{}
			return nil
		}, text(id), integer(tx.now.UnixMicro()))
	})
	return s, err
}

// Disable keeps the owner from signing in, and ends all that was given out.
func (tx *Tx) Disable() error {
	err := tx.SignOutEverywhere()
	if err == nil {
		err = tx.one(`UPDATE users SET disabled = 1 WHERE user_id = ? RETURNING 1`)
	}
	return err
}

// Enable lets the owner sign in again.
func (tx *Tx) Enable() error {
	if err := tx.one(`UPDATE users SET disabled = 0 WHERE user_id = ? RETURNING 1`); err != nil {
		return err
	}
	return tx.revise(tx.as.User)
}

// SignOutApp ends all that an application was given: it has to ask for it again.
// The error is todo.ErrNotFound when there is none.
func (db *DB) SignOutApp(ctx context.Context, id string) error {
	return db.Update(ctx, As{}, func(tx *Tx) error {
		if _, err := tx.App(id); err != nil {
			return err
		}
		if err := tx.endAppTokens(id); err != nil {
			return err
		}
		return tx.dropGrants(id, "authorization_codes", "refresh_tokens")
	})
}

// endAppTokens ends the access tokens of an application.
func (tx *Tx) endAppTokens(id string) error {
	if err := tx.conn.exec(`UPDATE apps SET tokens_from = ? WHERE app_id = ?`, integer(tx.now.UnixMicro()), text(id)); err != nil {
		return err
	}
	return tx.revise(id)
}

// Revoke notes that an access token of the owner, or all of a family, are no
// longer good. For an application without a user, the owner is its client id.
func (tx *Tx) Revoke(tokenID string, expires time.Time) error {
	if err := tx.expired("revocations"); err != nil {
		return err
	}
	count := int64(0)
	err := tx.conn.query(`SELECT count(*) FROM revocations WHERE user_id = ?`, func(r *row) error { count = r.int(); return nil }, text(tx.as.User))
	if err == nil && count >= maxRevocations {
		return tx.revokeAll()
	}
	if err == nil {
		err = tx.conn.exec(`INSERT INTO revocations (user_id, token_id, expires) VALUES (?, ?, ?)
			ON CONFLICT (user_id, token_id) DO UPDATE SET expires = excluded.expires`, text(tx.as.User), text(tokenID), integer(expires.UnixMicro()))
	}
	if err != nil {
		return err
	}
	return tx.revise(tx.as.User)
}

// revokeAll takes the place of a list of revocations that has grown too long.
func (tx *Tx) revokeAll() error {
	if err := tx.conn.exec(`DELETE FROM revocations WHERE user_id = ?`, text(tx.as.User)); err != nil {
		return err
	}
	if err := tx.SignOutEverywhere(); err != nil {
		return err
	}
	return tx.endAppTokens(tx.as.User)
}

// Revoked says whether an access token was revoked, by its jti or by its family.
func (tx *Tx) Revoked(jti, family string) (revoked bool, err error) {
	err = tx.conn.query(`SELECT 1 FROM revocations WHERE user_id = ? AND token_id IN (?, ?) AND expires > ?`,
		func(*row) error { revoked = true; return nil }, text(tx.as.User), text(jti), text(family), integer(tx.now.UnixMicro()))
	return revoked, err
}

// revise notes that the standing of a user or an application has changed.
func (tx *Tx) revise(id string) error {
	version := int64(0)
	err := tx.conn.query(`UPDATE revision_counter SET version = version + 1 WHERE one = 1 RETURNING version`, func(r *row) error { version = r.int(); return nil })
	if err == nil {
		err = tx.conn.exec(`INSERT INTO revisions (one, version, owner_id) VALUES (1, ?, ?)`, integer(version), text(id))
	}
	if err == nil {
		err = tx.conn.exec(`DELETE FROM revisions WHERE one = 1 AND version <= ?`, integer(version-maxRevisions))
	}
	tx.revised = append(tx.revised, id)
	return err
}

// OnRevision has fn called with whom a committed transaction of this DB has given
// another standing, before the caller of its Update has the answer. What other
// processes commit is in [DB.Revisions]. It must be called before db is used.
func (db *DB) OnRevision(fn func(ids ...string)) { db.onRevision = fn }

// Revisions returns the version of the last change of a standing, and the users
// and applications whose standing has changed after the version last; all where
// that cannot be told, as of a negative one.
func (db *DB) Revisions(ctx context.Context, last int64) (version int64, ids []string, all bool, err error) {
	err = db.View(ctx, "", func(tx *Tx) error {
		ids = ids[:0]
		err := tx.conn.query(`SELECT version FROM revision_counter WHERE one = 1`, func(r *row) error { version = r.int(); return nil })
		if err != nil || version == last {
			return err
		}
		return tx.conn.query(`SELECT owner_id FROM revisions WHERE one = 1 AND version > ? ORDER BY version`,
			func(r *row) error { ids = append(ids, r.text()); return nil }, integer(last))
	})
	return version, ids, last < 0 || version-last != int64(len(ids)), err
}
