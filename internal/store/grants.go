package store

import (
	"strings"
	"time"

	"github.com/duly-todo/duly/internal/todo"
)

// A Code is an authorization code that was given to an application.
type Code struct {
	Hash        string
	App         string // client id
	RedirectURI string
	Challenge   string // of PKCE; empty for none
	Nonce       string
	Scopes      string    // as the client asked for them
	SignedIn    time.Time // when the user signed in
	Methods     string    // and how: values of the claim amr, separated by spaces
	Family      string    // of the tokens that were given for it; empty while there are none
	Expires     time.Time
}

// PutCode writes a new code.
func (tx *Tx) PutCode(c Code) error {
	if err := tx.expired("authorization_codes"); err != nil {
		return err
	}
	return tx.conn.exec(`INSERT INTO authorization_codes (user_id, hash, app_id, redirect_uri, challenge, nonce, scopes, signed_in, methods, family, expires)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, '', ?)`, text(tx.as.User), text(c.Hash), text(c.App), text(c.RedirectURI), text(c.Challenge), text(c.Nonce),
		text(c.Scopes), micros(c.SignedIn), text(c.Methods), integer(c.Expires.UnixMicro()))
}

// Code returns a code, also one that has expired or was redeemed, or
// todo.ErrNotFound.
func (tx *Tx) Code(hash string) (c Code, err error) {
	err = tx.conn.query(`SELECT hash, app_id, redirect_uri, challenge, nonce, scopes, signed_in, methods, family, expires FROM authorization_codes WHERE user_id = ? AND hash = ?`,
		func(r *row) error {
			c = Code{
				Hash: r.text(), App: r.text(), RedirectURI: r.text(), Challenge: r.text(), Nonce: r.text(), Scopes: r.text(),
				SignedIn: r.time(), Methods: r.text(), Family: r.text(), Expires: r.time(),
			}
			return nil
		}, text(tx.as.User), text(hash))
	if err == nil && c.Hash == "" {
		err = todo.ErrNotFound
	}
	return c, err
}

// RedeemCode notes which tokens were given for a code.
func (tx *Tx) RedeemCode(hash, family string) error {
	return tx.conn.exec(`UPDATE authorization_codes SET family = ? WHERE user_id = ? AND hash = ?`, text(family), text(tx.as.User), text(hash))
}

// A RefreshToken is one of a family that comes of one sign-in.
type RefreshToken struct {
	Hash     string
	Family   string
	App      string // client id
	Scopes   string // as the client asked for them
	SignedIn time.Time
	Methods  string // as in [Code]
	Created  time.Time
	Rotated  time.Time // when it was exchanged; zero: never
	Expires  time.Time
}

// PutRefreshToken writes a new token. Of the tokens of its family that were
// exchanged it keeps the last ones.
func (tx *Tx) PutRefreshToken(t RefreshToken) error {
	err := tx.expired("refresh_tokens")
	if err == nil {
		err = tx.conn.exec(`DELETE FROM refresh_tokens WHERE user_id = ? AND family = ? AND rotated > 0 AND hash NOT IN
			(SELECT hash FROM refresh_tokens WHERE user_id = ? AND family = ? AND rotated > 0 ORDER BY created DESC, hash LIMIT ?+0)`,
			text(tx.as.User), text(t.Family), text(tx.as.User), text(t.Family), integer(maxRotated))
	}
	if err == nil {
		err = tx.boundRefreshTokens()
	}
	if err != nil {
		return err
	}
	return tx.conn.exec(`INSERT INTO refresh_tokens (user_id, hash, family, app_id, scopes, signed_in, methods, created, rotated, expires) VALUES (?, ?, ?, ?, ?, ?, ?, ?, 0, ?)`,
		text(tx.as.User), text(t.Hash), text(t.Family), text(t.App), text(t.Scopes), micros(t.SignedIn), text(t.Methods),
		integer(tx.now.UnixMicro()), integer(t.Expires.UnixMicro()))
}

// boundRefreshTokens removes the family that was used the longest ago once there
// are too many tokens.
func (tx *Tx) boundRefreshTokens() error {
	count, oldest := int64(0), ""
	err := tx.conn.query(`SELECT count(*) FROM refresh_tokens WHERE user_id = ?`, func(r *row) error { count = r.int(); return nil }, text(tx.as.User))
	if err != nil || count < maxRefreshTokens {
		return err
	}
	err = tx.conn.query(`SELECT family FROM refresh_tokens WHERE user_id = ? GROUP BY family ORDER BY max(created), family LIMIT 1`,
		func(r *row) error { oldest = r.text(); return nil }, text(tx.as.User))
	if err != nil {
		return err
	}
	return tx.DropFamily(oldest)
}

// RefreshToken returns a token, also one that has expired or was exchanged, or
// todo.ErrNotFound.
func (tx *Tx) RefreshToken(hash string) (t RefreshToken, err error) {
	err = tx.conn.query(`SELECT hash, family, app_id, scopes, signed_in, methods, created, rotated, expires FROM refresh_tokens WHERE user_id = ? AND hash = ?`,
		func(r *row) error {
			t = RefreshToken{
				Hash: r.text(), Family: r.text(), App: r.text(), Scopes: r.text(), SignedIn: r.time(), Methods: r.text(), Created: r.time(), Rotated: r.time(), Expires: r.time(),
			}
			return nil
		}, text(tx.as.User), text(hash))
	if err == nil && t.Hash == "" {
		err = todo.ErrNotFound
	}
	return t, err
}

// RotateRefreshToken notes that a token was exchanged, unless it was before.
func (tx *Tx) RotateRefreshToken(hash string) error {
	return tx.conn.exec(`UPDATE refresh_tokens SET rotated = ? WHERE user_id = ? AND hash = ? AND rotated = 0`, integer(tx.now.UnixMicro()), text(tx.as.User), text(hash))
}

// DropFamily removes all refresh tokens of a family.
func (tx *Tx) DropFamily(family string) error {
	return tx.conn.exec(`DELETE FROM refresh_tokens WHERE user_id = ? AND family = ?`, text(tx.as.User), text(family))
}

// A Consent says what an application may do in the owner's name.
type Consent struct {
	App    string // client id
	Scopes []string
	Given  time.Time
}

// Consents returns all that the owner has consented to, oldest first.
func (tx *Tx) Consents() (out []Consent, err error) {
	err = tx.conn.query(`SELECT app_id, scopes, given FROM consents WHERE user_id = ? ORDER BY given, app_id`, func(r *row) error {
		out = append(out, Consent{App: r.text(), Scopes: strings.Fields(r.text()), Given: r.time()})
		return nil
	}, text(tx.as.User))
	return out, err
}

// Consent returns the scopes that the owner has allowed an application; none
// where that was never asked.
func (tx *Tx) Consent(app string) (scopes []string, err error) {
	err = tx.conn.query(`SELECT scopes FROM consents WHERE user_id = ? AND app_id = ?`,
		func(r *row) error { scopes = strings.Fields(r.text()); return nil }, text(tx.as.User), text(app))
	return scopes, err
}

// PutConsent writes all that the owner allows an application.
func (tx *Tx) PutConsent(app string, scopes []string) error {
	return tx.conn.exec(`INSERT INTO consents (user_id, app_id, scopes, given) VALUES (?, ?, ?, ?)
		ON CONFLICT (user_id, app_id) DO UPDATE SET scopes = excluded.scopes, given = excluded.given`,
		text(tx.as.User), text(app), text(strings.Join(scopes, " ")), integer(tx.now.UnixMicro()))
}

// DeleteConsent takes back all that the owner has allowed an application, and
// the families of tokens that it has got.
func (tx *Tx) DeleteConsent(app string, revokedUntil time.Time) error {
	var families []string
	err := tx.conn.query(`SELECT DISTINCT family FROM refresh_tokens WHERE user_id = ? AND app_id = ?`,
		func(r *row) error { families = append(families, r.text()); return nil }, text(tx.as.User), text(app))
	if err != nil {
		return err
	}
	for _, family := range families {
		if err := tx.Revoke(family, revokedUntil); err != nil {
			return err
		}
	}
	for _, table := range []string{"consents", "authorization_codes", "refresh_tokens"} {
		if err := tx.conn.exec(`DELETE FROM `+table+` WHERE user_id = ? AND app_id = ?`, text(tx.as.User), text(app)); err != nil {
			return err
		}
	}
	return nil
}

// DeviceState says what became of a device code.
type DeviceState int64

// The states of a device code.
const (
	DeviceWaiting DeviceState = iota
	DeviceApproved
	DeviceDeclined
	DeviceRedeemed
)

// A DeviceCode waits for a person to approve it in a browser.
type DeviceCode struct {
	Hash     string
	UserCode string
	App      string // client id
	Scopes   string // as the client asked for them
	State    DeviceState
	User     string        // who approved it
	PollGap  time.Duration // that the device must leave between two polls
	LastPoll time.Time
	Expires  time.Time
}

// maxDeviceCodes bounds those that wait at the same time.
const maxDeviceCodes = 10_000

const deviceColumns = `hash, user_code, app_id, scopes, state, user_id, poll_gap, last_poll, expires`

// PutDeviceCode writes a new device code. It forgets those that expired an hour
// ago: until then their devices are told so.
func (tx *Tx) PutDeviceCode(d DeviceCode) error {
	count := int64(0)
	err := tx.conn.exec(`DELETE FROM device_codes WHERE one = 1 AND expires < ?`, integer(tx.now.Add(-time.Hour).UnixMicro()))
	if err == nil {
		err = tx.conn.query(`SELECT count(*) FROM device_codes WHERE one = 1`, func(r *row) error { count = r.int(); return nil })
	}
	if err == nil && count >= maxDeviceCodes {
		err = todo.Errorf(todo.Unavailable, "", "There are too many device codes that wait.")
	}
	if err != nil {
		return err
	}
	return tx.conn.exec(`INSERT INTO device_codes (one, `+deviceColumns+`) VALUES (1, ?, ?, ?, ?, 0, '', ?, 0, ?)`,
		text(d.Hash), text(d.UserCode), text(d.App), text(d.Scopes), integer(d.PollGap.Microseconds()), integer(d.Expires.UnixMicro()))
}

// DeviceCode returns a device code by its hash, or todo.ErrNotFound.
func (tx *Tx) DeviceCode(hash string) (DeviceCode, error) { return tx.deviceCode("hash", hash) }

// DeviceByUserCode returns a device code by what its user types, or todo.ErrNotFound.
func (tx *Tx) DeviceByUserCode(code string) (DeviceCode, error) {
	return tx.deviceCode("user_code", code)
}

// deviceCode locks the codes, which are of no mailbox, for as long as the
// transaction of who reads one in order to write it.
func (tx *Tx) deviceCode(column, value string) (d DeviceCode, err error) {
	if err := tx.conn.lockCommon(); err != nil {
		return d, err
	}
	err = tx.conn.query(`SELECT `+deviceColumns+` FROM device_codes WHERE one = 1 AND `+column+` = ?`, func(r *row) error {
		d = DeviceCode{
			Hash: r.text(), UserCode: r.text(), App: r.text(), Scopes: r.text(), State: DeviceState(r.int()), User: r.text(),
			PollGap: time.Duration(r.int()) * time.Microsecond, LastPoll: r.time(), Expires: r.time(),
		}
		return nil
	}, text(value))
	if err == nil && d.Hash == "" {
		err = todo.ErrNotFound
	}
	return d, err
}

// SetDeviceCode writes the state, the user and the polls of a device code.
func (tx *Tx) SetDeviceCode(d DeviceCode) error {
	return tx.conn.exec(`UPDATE device_codes SET state = ?, user_id = ?, poll_gap = ?, last_poll = ? WHERE one = 1 AND hash = ?`,
		integer(int64(d.State)), text(d.User), integer(d.PollGap.Microseconds()), micros(d.LastPoll), text(d.Hash))
}
