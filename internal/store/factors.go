package store

import (
	"strings"
	"time"

	"github.com/duly-todo/duly/internal/todo"
)

// MaxPasskeys is how many passkeys a user may have; beyond that, one has to be
// removed.
const MaxPasskeys = 20

// An AuthenticatorApp is what makes the owner's codes of six digits.
type AuthenticatorApp struct {
	Sealed   []byte // its key; nil where there is no app
	LastStep int64  // the last period of which a code was taken
	Created  time.Time
}

// AuthenticatorApp returns the owner's, which is zero where there is none.
func (tx *Tx) AuthenticatorApp() (a AuthenticatorApp, err error) {
	err = tx.conn.query(`SELECT sealed, last_step, created FROM authenticator_apps WHERE user_id = ?`,
		func(r *row) error {
			a = AuthenticatorApp{Sealed: r.bytes(nil), LastStep: r.int(), Created: r.time()}
			return nil
		}, text(tx.as.User))
	return a, err
}

// PutAuthenticatorApp writes the owner's app, in place of the one before. A code
// of the period step, with which it was confirmed, counts as used.
func (tx *Tx) PutAuthenticatorApp(sealed []byte, step int64) error {
	return tx.conn.exec(`INSERT INTO authenticator_apps (user_id, sealed, last_step, created) VALUES (?, ?, ?, ?)
		ON CONFLICT (user_id) DO UPDATE SET sealed = excluded.sealed, last_step = excluded.last_step, created = excluded.created`,
		text(tx.as.User), blob(sealed), integer(step), integer(tx.now.UnixMicro()))
}

// TakeStep uses up the code of a period. The error is todo.ErrNotFound when one
// of this period or a later one was taken before.
func (tx *Tx) TakeStep(step int64) error {
	found := false
	err := tx.conn.query(`UPDATE authenticator_apps SET last_step = ? WHERE user_id = ? AND last_step < ? RETURNING 1`,
		func(*row) error { found = true; return nil }, integer(step), text(tx.as.User), integer(step))
	if err == nil && !found {
		err = todo.ErrNotFound
	}
	return err
}

// DeleteAuthenticatorApp removes the owner's app with its recovery codes.
func (tx *Tx) DeleteAuthenticatorApp() error {
	err := tx.conn.exec(`DELETE FROM authenticator_apps WHERE user_id = ?`, text(tx.as.User))
	if err == nil {
		err = tx.PutRecoveryCodes(nil)
	}
	return err
}

// PutRecoveryCodes writes the hashes of the owner's recovery codes, in place of
// those before.
func (tx *Tx) PutRecoveryCodes(hashes []string) error {
	if err := tx.conn.exec(`DELETE FROM recovery_codes WHERE user_id = ?`, text(tx.as.User)); err != nil {
		return err
	}
	for _, hash := range hashes {
		if err := tx.conn.exec(`INSERT INTO recovery_codes (user_id, hash) VALUES (?, ?)`, text(tx.as.User), text(hash)); err != nil {
			return err
		}
	}
	return nil
}

// TakeRecoveryCode uses a recovery code up. The error is todo.ErrNotFound when
// it is none.
func (tx *Tx) TakeRecoveryCode(hash string) error {
	return tx.one(`DELETE FROM recovery_codes WHERE user_id = ? AND hash = ? RETURNING 1`, text(hash))
}

// RecoveryCodesLeft counts the owner's recovery codes.
func (tx *Tx) RecoveryCodesLeft() (n int, err error) {
	err = tx.conn.query(`SELECT COUNT(*) FROM recovery_codes WHERE user_id = ?`, func(r *row) error { n = int(r.int()); return nil }, text(tx.as.User))
	return n, err
}

// A Passkey is a key with which the owner signs in instead of a password.
type Passkey struct {
	ID         string // credential id in base64url
	RPID       string // the host that it is for
	Label      string // what its owner calls it
	PublicKey  []byte // COSE
	SignCount  uint32
	Flags      byte // of its last authenticator data
	Transports []string
	Created    time.Time
	LastUsed   time.Time // zero: never
}

// PutPasskey writes a new passkey, of which there may be [MaxPasskeys].
func (tx *Tx) PutPasskey(p Passkey) error {
	all, err := tx.Passkeys()
	if err != nil {
		return err
	}
	for _, other := range all {
		if other.ID == p.ID {
			return todo.Errorf(todo.Invalid, "", "This passkey is here already.")
		}
	}
	if len(all) >= MaxPasskeys {
		return todo.Errorf(todo.Invalid, "", "There are %d passkeys, and that is the most: remove one first.", len(all))
	}
	return tx.conn.exec(`INSERT INTO passkeys (user_id, credential_id, rp_id, label, public_key, sign_count, flags, transports, created, last_used)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, 0)`, text(tx.as.User), text(p.ID), text(p.RPID), text(p.Label), blob(p.PublicKey),
		integer(int64(p.SignCount)), integer(int64(p.Flags)), text(strings.Join(p.Transports, " ")), integer(tx.now.UnixMicro()))
}

// Passkeys returns the owner's passkeys, oldest first.
func (tx *Tx) Passkeys() (out []Passkey, err error) {
	err = tx.conn.query(`SELECT credential_id, rp_id, label, public_key, sign_count, flags, transports, created, last_used
		FROM passkeys WHERE user_id = ? ORDER BY created, credential_id`, func(r *row) error {
		out = append(out, Passkey{
			ID: r.text(), RPID: r.text(), Label: r.text(), PublicKey: r.bytes(nil), SignCount: uint32(r.int()), Flags: byte(r.int()),
			Transports: strings.Fields(r.text()), Created: r.time(), LastUsed: r.time(),
		})
		return nil
	}, text(tx.as.User))
	return out, err
}

// UsedPasskey notes that a passkey was used, with what it said of itself.
func (tx *Tx) UsedPasskey(id string, signCount uint32, flags byte) error {
	return tx.conn.exec(`UPDATE passkeys SET sign_count = ?, flags = ?, last_used = ? WHERE user_id = ? AND credential_id = ?`,
		integer(int64(signCount)), integer(int64(flags)), integer(tx.now.UnixMicro()), text(tx.as.User), text(id))
}

// DeletePasskey removes a passkey. The error is todo.ErrNotFound when there is none.
func (tx *Tx) DeletePasskey(id string) error {
	return tx.one(`DELETE FROM passkeys WHERE user_id = ? AND credential_id = ? RETURNING 1`, text(id))
}

// UseChallenge notes that a challenge was answered, until it expires by itself.
// The error is todo.ErrNotFound when it was answered before.
func (tx *Tx) UseChallenge(hash string, expires time.Time) error {
	if err := tx.expired("used_challenges"); err != nil {
		return err
	}
	return tx.one(`INSERT INTO used_challenges (user_id, hash, expires) VALUES (?, ?, ?) ON CONFLICT (user_id, hash) DO NOTHING RETURNING 1`,
		text(hash), integer(expires.UnixMicro()))
}

// ResetFactors leaves the owner nothing but the password, and signs the owner
// out everywhere.
func (tx *Tx) ResetFactors() error {
	if err := tx.DeleteAuthenticatorApp(); err != nil {
		return err
	}
	if err := tx.conn.exec(`DELETE FROM passkeys WHERE user_id = ?`, text(tx.as.User)); err != nil {
		return err
	}
	return tx.SignOutEverywhere()
}

// EndOtherSessions ends the sessions of the owner but one.
func (tx *Tx) EndOtherSessions(keep string) error {
	return tx.conn.exec(`DELETE FROM sessions WHERE user_id = ? AND hash <> ?`, text(tx.as.User), text(keep))
}
