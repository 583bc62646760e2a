package store

import (
	"context"
	"time"

	"github.com/duly-todo/duly/internal/todo"
)

// Limits of what is kept for one user; the oldest goes first.
const (
	maxSessions       = 50
	maxSetupLinks     = 10
	maxRefreshTokens  = 2_000 // live and exchanged ones
	maxRotated        = 50    // exchanged tokens of one family
	MaxPersonalTokens = 100   // beyond that, one has to be removed
)

// An Account is what signing in needs to know of the owner of a mailbox.
type Account struct {
	TokensFrom time.Time // tokens and sessions from before are no longer good
	Disabled   bool      // may not sign in
	Password   string    // its hash in the PHC form; empty while there is none
}

// Account returns the owner's; the error is of the kind todo.NoSuchUser when
// there is none.
func (tx *Tx) Account() (a Account, err error) {
	found := false
	err = tx.conn.query(`SELECT tokens_from, disabled FROM users WHERE user_id = ?`,
		func(r *row) error { a.TokensFrom, a.Disabled, found = r.time(), r.int() != 0, true; return nil }, text(tx.as.User))
	if err == nil && !found {
		err = errNoSuchUser(tx.as.User)
	}
	if err != nil {
		return a, err
	}
	err = tx.conn.query(`SELECT hash FROM passwords WHERE user_id = ?`, func(r *row) error { a.Password = r.text(); return nil }, text(tx.as.User))
	return a, err
}

// SetPassword writes the hash of the owner's password.
func (tx *Tx) SetPassword(hash string) error {
	return tx.conn.exec(`INSERT INTO passwords (user_id, hash, changed) VALUES (?, ?, ?)
		ON CONFLICT (user_id) DO UPDATE SET hash = excluded.hash, changed = excluded.changed`,
		text(tx.as.User), text(hash), integer(tx.now.UnixMicro()))
}

// AnyPassword says whether anybody can sign in.
func (db *DB) AnyPassword(ctx context.Context) (any bool, err error) {
	err = db.lookup(ctx, "", func(tx *Tx) error {
		return tx.conn.query(`SELECT 1 FROM passwords`+everyMailbox+` LIMIT 1`, func(*row) error { any = true; return nil })
	})
	return any, err
}

// SignOutEverywhere ends all sessions of the owner and all tokens that
// applications were given, but not the personal access tokens.
func (tx *Tx) SignOutEverywhere() error {
	for _, table := range []string{"sessions", "authorization_codes", "refresh_tokens"} {
		if err := tx.conn.exec(`DELETE FROM `+table+` WHERE user_id = ?`, text(tx.as.User)); err != nil {
			return err
		}
	}
	if err := tx.conn.exec(`UPDATE users SET tokens_from = ? WHERE user_id = ?`, integer(tx.now.UnixMicro()), text(tx.as.User)); err != nil {
		return err
	}
	return tx.revise(tx.as.User)
}

// expired removes the rows of the owner in a table whose time has passed.
func (tx *Tx) expired(table string) error {
	return tx.conn.exec(`DELETE FROM `+table+` WHERE user_id = ? AND expires <= ?`, text(tx.as.User), integer(tx.now.UnixMicro()))
}

// PutSetupLink writes a link for the owner's password. Where there is no owner,
// it is for the first user, and replaces the one before.
func (tx *Tx) PutSetupLink(hash string, expires time.Time) error {
	keep := maxSetupLinks - 1
	if tx.as.User == "" {
		keep = 0
	}
	err := tx.expired("setup_links")
	if err == nil {
		err = tx.conn.exec(`DELETE FROM setup_links WHERE user_id = ? AND hash NOT IN
			(SELECT hash FROM setup_links WHERE user_id = ? ORDER BY expires DESC, hash LIMIT ?+0)`, text(tx.as.User), text(tx.as.User), integer(int64(keep)))
	}
	if err != nil {
		return err
	}
	return tx.conn.exec(`INSERT INTO setup_links (user_id, hash, expires) VALUES (?, ?, ?)`, text(tx.as.User), text(hash), integer(expires.UnixMicro()))
}

// SetupLink returns nil while a link is good, or todo.ErrNotFound.
func (tx *Tx) SetupLink(hash string) error {
	return tx.one(`SELECT 1 FROM setup_links WHERE user_id = ? AND hash = ? AND expires > ?`, text(hash), integer(tx.now.UnixMicro()))
}

// TakeSetupLink uses a link up. The error is todo.ErrNotFound when it is none.
func (tx *Tx) TakeSetupLink(hash string) error {
	return tx.one(`DELETE FROM setup_links WHERE user_id = ? AND hash = ? AND expires > ? RETURNING 1`, text(hash), integer(tx.now.UnixMicro()))
}

// one runs a statement whose first parameter is the owner, and fails with
// todo.ErrNotFound unless there is a row.
func (tx *Tx) one(q string, args ...value) error {
	found := false
	err := tx.conn.query(q, func(*row) error { found = true; return nil }, append([]value{text(tx.as.User)}, args...)...)
	if err == nil && !found {
		err = todo.ErrNotFound
	}
	return err
}

// A Session is a browser in which the owner is signed in.
type Session struct {
	Hash      string // of the cookie
	Created   time.Time
	LastSeen  time.Time
	Address   string
	UserAgent string
	Methods   string // how its user proved who it is: values of the claim amr, separated by spaces
	Expires   time.Time
}

// PutSession writes a new session of the owner.
func (tx *Tx) PutSession(s Session) error {
	err := tx.expired("sessions")
	if err == nil {
		err = tx.conn.exec(`DELETE FROM sessions WHERE user_id = ? AND hash NOT IN
			(SELECT hash FROM sessions WHERE user_id = ? ORDER BY last_seen DESC, hash LIMIT ?+0)`,
			text(tx.as.User), text(tx.as.User), integer(maxSessions-1))
	}
	if err != nil {
		return err
	}
	if s.Created.IsZero() {
		s.Created = tx.now
	}
	return tx.conn.exec(`INSERT INTO sessions (user_id, hash, created, last_seen, address, user_agent, methods, expires) VALUES (?, ?, ?, ?, ?, ?, ?, ?)`,
		text(tx.as.User), text(s.Hash), integer(s.Created.UnixMicro()), integer(tx.now.UnixMicro()), text(s.Address), text(s.UserAgent), text(s.Methods),
		integer(s.Expires.UnixMicro()))
}

const sessionColumns = `hash, created, last_seen, address, user_agent, methods, expires`

func scanSession(r *row) Session {
	return Session{Hash: r.text(), Created: r.time(), LastSeen: r.time(), Address: r.text(), UserAgent: r.text(), Methods: r.text(), Expires: r.time()}
}

// Session returns a session of the owner that has not expired, or todo.ErrNotFound.
func (tx *Tx) Session(hash string) (s Session, err error) {
	err = tx.conn.query(`SELECT `+sessionColumns+` FROM sessions WHERE user_id = ? AND hash = ? AND expires > ?`,
		func(r *row) error { s = scanSession(r); return nil }, text(tx.as.User), text(hash), integer(tx.now.UnixMicro()))
	if err == nil && s.Hash == "" {
		err = todo.ErrNotFound
	}
	return s, err
}

// TouchSession notes that a session was used.
func (tx *Tx) TouchSession(hash string) error {
	return tx.conn.exec(`UPDATE sessions SET last_seen = ? WHERE user_id = ? AND hash = ?`, integer(tx.now.UnixMicro()), text(tx.as.User), text(hash))
}

// Sessions returns the owner's sessions, the last used first.
func (tx *Tx) Sessions() (out []Session, err error) {
	err = tx.conn.query(`SELECT `+sessionColumns+` FROM sessions WHERE user_id = ? AND expires > ? ORDER BY last_seen DESC, hash`,
		func(r *row) error { out = append(out, scanSession(r)); return nil }, text(tx.as.User), integer(tx.now.UnixMicro()))
	return out, err
}

// DeleteSession ends a session, if there is one.
func (tx *Tx) DeleteSession(hash string) error {
	return tx.conn.exec(`DELETE FROM sessions WHERE user_id = ? AND hash = ?`, text(tx.as.User), text(hash))
}

// A PersonalToken is an access token that its owner made for a script.
type PersonalToken struct {
	Hash     string
	Name     string
	Scopes   string // separated by spaces
	Created  time.Time
	LastUsed time.Time // zero: never
	Expires  time.Time
}

const personalColumns = `hash, name, scopes, created, last_used, expires`

func scanPersonal(r *row) PersonalToken {
	return PersonalToken{Hash: r.text(), Name: r.text(), Scopes: r.text(), Created: r.time(), LastUsed: r.time(), Expires: r.time()}
}

// PutPersonalToken writes a new token, of which there may be [MaxPersonalTokens].
func (tx *Tx) PutPersonalToken(t PersonalToken) error {
	if err := tx.expired("personal_access_tokens"); err != nil {
		return err
	}
	all, err := tx.PersonalTokens()
	if err == nil && len(all) >= MaxPersonalTokens {
		err = todo.Errorf(todo.Invalid, "", "There are %d personal access tokens, and that is the most: remove one first.", len(all))
	}
	if err != nil {
		return err
	}
	return tx.conn.exec(`INSERT INTO personal_access_tokens (user_id, `+personalColumns+`) VALUES (?, ?, ?, ?, ?, 0, ?)`,
		text(tx.as.User), text(t.Hash), text(t.Name), text(t.Scopes), integer(tx.now.UnixMicro()), integer(t.Expires.UnixMicro()))
}

// PersonalToken returns a token that has not expired, or todo.ErrNotFound.
func (tx *Tx) PersonalToken(hash string) (t PersonalToken, err error) {
	err = tx.conn.query(`SELECT `+personalColumns+` FROM personal_access_tokens WHERE user_id = ? AND hash = ? AND expires > ?`,
		func(r *row) error { t = scanPersonal(r); return nil }, text(tx.as.User), text(hash), integer(tx.now.UnixMicro()))
	if err == nil && t.Hash == "" {
		err = todo.ErrNotFound
	}
	return t, err
}

// UsedPersonalToken notes that a token was used.
func (tx *Tx) UsedPersonalToken(hash string) error {
	return tx.conn.exec(`UPDATE personal_access_tokens SET last_used = ? WHERE user_id = ? AND hash = ?`, integer(tx.now.UnixMicro()), text(tx.as.User), text(hash))
}

// PersonalTokens returns the owner's tokens that have not expired, oldest first.
func (tx *Tx) PersonalTokens() (out []PersonalToken, err error) {
	err = tx.conn.query(`SELECT `+personalColumns+` FROM personal_access_tokens WHERE user_id = ? AND expires > ? ORDER BY created, hash`,
		func(r *row) error { out = append(out, scanPersonal(r)); return nil }, text(tx.as.User), integer(tx.now.UnixMicro()))
	return out, err
}

// DeletePersonalToken removes a token, if there is one.
func (tx *Tx) DeletePersonalToken(hash string) error {
	return tx.conn.exec(`DELETE FROM personal_access_tokens WHERE user_id = ? AND hash = ?`, text(tx.as.User), text(hash))
}
