package store

import (
	"context"
	"encoding/json"
	"strings"
	"time"

	"github.com/duly-todo/duly/internal/todo"
)

// AppKind says what an application is, which decides how it proves who it is.
type AppKind int64

// The kinds of applications. Web applications and daemons keep a secret or a
// key; the others run where they cannot.
const (
	WebApp    AppKind = 1 + iota
	SPA               // runs in a browser
	NativeApp         // runs on a desktop, a phone or a command line
	Daemon            // acts without a user, and has no redirect URI
)

// Confidential says whether applications of the kind have credentials.
func (k AppKind) Confidential() bool { return k == WebApp || k == Daemon }

// An App is an application that may ask for tokens.
type App struct {
	ID           string // client id, a GUID in lower case
	Name         string
	Kind         AppKind
	RedirectURIs []string
	Scopes       []string // delegated permissions that it may ask for
	Roles        []string // application permissions that it has
	Created      time.Time
	TokensFrom   time.Time // its tokens from before are no longer good
}

// A Credential is a secret or a certificate of an application.
type Credential struct {
	ID          string
	Hash        string // of the secret; empty for a certificate
	Hint        string // for people to tell it from others
	Certificate string // DER in base64; empty for a secret
	X5T         string // SHA-1 of the certificate in base64url
	X5TS256     string // SHA-256 of the certificate in base64url
	Created     time.Time
	Expires     time.Time
}

// Limits of the registration of applications.
const (
	MaxApps        = 1_000
	MaxCredentials = 20 // of one application
)

const appColumns = `app_id, name, kind, redirect_uris, scopes, roles, created, tokens_from`

func scanApp(r *row) (App, error) {
	a := App{ID: r.text(), Name: r.text(), Kind: AppKind(r.int())}
	err := json.Unmarshal([]byte(r.text()), &a.RedirectURIs)
	a.Scopes, a.Roles = strings.Fields(r.text()), strings.Fields(r.text())
	a.Created, a.TokensFrom = r.time(), r.time()
	return a, err
}

// AddApp writes a new application with its first credentials.
func (db *DB) AddApp(ctx context.Context, a App, credentials ...Credential) error {
	uris, err := json.Marshal(a.RedirectURIs)
	if err != nil {
		return err
	}
	return db.Update(ctx, As{}, func(tx *Tx) error {
		count := int64(0)
		err := tx.conn.query(`SELECT count(*) FROM apps`, func(r *row) error { count = r.int(); return nil })
		if err == nil && count >= MaxApps {
			err = todo.Errorf(todo.Invalid, "", "There are %d applications, and that is the most: remove one first.", count)
		}
		if err != nil {
			return err
		}
		err = tx.conn.exec(`INSERT INTO apps (`+appColumns+`) VALUES (?, ?, ?, ?, ?, ?, ?, ?)`, // tokens of one that had the id before stay ended
			text(a.ID), text(a.Name), integer(int64(a.Kind)), text(string(uris)),
			text(strings.Join(a.Scopes, " ")), text(strings.Join(a.Roles, " ")), integer(tx.now.UnixMicro()), integer(tx.now.UnixMicro()))
		for i := 0; err == nil && i < len(credentials); i++ {
			err = tx.putCredential(a.ID, credentials[i])
		}
		return err
	})
}

// ChangeApp changes an application and its credentials in one transaction: change
// is given both, changes the one and says which of the others go, by their ids, and
// which come. The id and the kind stay. The error is todo.ErrNotFound when there is
// no application.
func (db *DB) ChangeApp(ctx context.Context, id string, change func(a *App, have []Credential) (gone []string, add []Credential, err error)) error {
	return db.Update(ctx, As{}, func(tx *Tx) error {
		a, err := tx.App(id)
		if err != nil {
			return err
		}
		have, err := tx.credentials(a.ID)
		if err != nil {
			return err
		}
		id, kind := a.ID, a.Kind
		gone, add, err := change(&a, have)
		if err != nil {
			return err
		}
		if a.ID != id || a.Kind != kind {
			return todo.Errorf(todo.Invalid, "", "An application stays of the kind that it was made as.")
		}
		uris, err := json.Marshal(a.RedirectURIs)
		if err == nil {
			err = tx.conn.exec(`UPDATE apps SET name = ?, redirect_uris = ?, scopes = ?, roles = ? WHERE app_id = ?`,
				text(a.Name), text(string(uris)), text(strings.Join(a.Scopes, " ")), text(strings.Join(a.Roles, " ")), text(a.ID))
		}
		for i := 0; err == nil && i < len(gone); i++ {
			err = tx.conn.exec(`DELETE FROM app_credentials WHERE app_id = ? AND credential_id = ?`, text(a.ID), text(gone[i]))
		}
		for i := 0; err == nil && i < len(add); i++ {
			err = tx.putCredential(a.ID, add[i])
		}
		return err
	})
}

// App returns the application with a client id, or todo.ErrNotFound.
func (db *DB) App(ctx context.Context, id string) (a App, err error) {
	err = db.lookup(ctx, "", func(tx *Tx) (err error) { a, err = tx.App(id); return err })
	return a, err
}

// App returns the application with a client id, or todo.ErrNotFound.
func (tx *Tx) App(id string) (a App, err error) {
	err = tx.conn.query(`SELECT `+appColumns+` FROM apps WHERE app_id = ?`,
		func(r *row) (err error) { a, err = scanApp(r); return err }, text(strings.ToLower(id)))
	if err == nil && a.ID == "" {
		err = todo.ErrNotFound
	}
	return a, err
}

// Apps returns all applications, of which there are [MaxApps] at most, by name.
func (db *DB) Apps(ctx context.Context) (apps []App, err error) {
	err = db.lookup(ctx, "", func(tx *Tx) error {
		apps = apps[:0]
		return tx.conn.query(`SELECT `+appColumns+` FROM apps ORDER BY name, app_id`, func(r *row) error {
			a, err := scanApp(r)
			apps = append(apps, a)
			return err
		})
	})
	return apps, err
}

// RemoveApp removes an application with all that was given to it. The error is
// todo.ErrNotFound when there is none.
func (db *DB) RemoveApp(ctx context.Context, id string) error {
	return db.Update(ctx, As{}, func(tx *Tx) error {
		if _, err := tx.App(id); err != nil {
			return err
		}
		if err := tx.conn.exec(`DELETE FROM apps WHERE app_id = ?`, text(id)); err != nil {
			return err
		}
		if err := tx.dropGrants(id, "consents", "authorization_codes", "refresh_tokens"); err != nil {
			return err
		}
		return tx.revise(id)
	})
}

// dropGrants removes what tables of mailboxes, and devices that wait, hold of an
// application. What must be true of all nodes of a database comes before it.
func (tx *Tx) dropGrants(app string, tables ...string) error {
	for _, table := range tables {
		if err := tx.conn.exec(`DELETE FROM `+table+everyMailbox+` WHERE app_id = ?`, text(app)); err != nil {
			return err
		}
	}
	return tx.conn.exec(`DELETE FROM device_codes WHERE one = 1 AND app_id = ?`, text(app))
}

const credentialColumns = `credential_id, hash, hint, certificate, x5t, x5t_s256, created, expires`

// Credentials returns the credentials of an application that have not expired.
func (db *DB) Credentials(ctx context.Context, app string) (out []Credential, err error) {
	err = db.lookup(ctx, "", func(tx *Tx) (err error) { out, err = tx.credentials(app); return err })
	return out, err
}

func (tx *Tx) credentials(app string) (out []Credential, err error) {
	err = tx.conn.query(`SELECT `+credentialColumns+` FROM app_credentials WHERE app_id = ? AND expires > ? ORDER BY created, credential_id`,
		func(r *row) error {
			out = append(out, Credential{
				ID: r.text(), Hash: r.text(), Hint: r.text(), Certificate: r.text(), X5T: r.text(), X5TS256: r.text(), Created: r.time(), Expires: r.time(),
			})
			return nil
		}, text(app), integer(tx.now.UnixMicro()))
	return out, err
}

// putCredential writes a new credential, of which there may be [MaxCredentials].
func (tx *Tx) putCredential(app string, c Credential) error {
	err := tx.conn.exec(`DELETE FROM app_credentials WHERE app_id = ? AND expires <= ?`, text(app), integer(tx.now.UnixMicro()))
	count := int64(0)
	if err == nil {
		err = tx.conn.query(`SELECT count(*) FROM app_credentials WHERE app_id = ?`, func(r *row) error { count = r.int(); return nil }, text(app))
	}
	if err == nil && count >= MaxCredentials {
		err = todo.Errorf(todo.Invalid, "", "The application has %d credentials, and that is the most.", count)
	}
	if err != nil {
		return err
	}
	return tx.conn.exec(`INSERT INTO app_credentials (app_id, `+credentialColumns+`) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`,
		text(app), text(c.ID), text(c.Hash), text(c.Hint), text(c.Certificate), text(c.X5T), text(c.X5TS256),
		integer(tx.now.UnixMicro()), integer(c.Expires.UnixMicro()))
}

// AddCredential gives an application another credential. The secrets that it has
// stay good until keep from now at most; a negative keep leaves them alone. When
// they end at once, so do the tokens that were given for them.
func (db *DB) AddCredential(ctx context.Context, app string, c Credential, keep time.Duration) error {
	return db.Update(ctx, As{}, func(tx *Tx) error {
		if _, err := tx.App(app); err != nil {
			return err
		}
		var err error
		if keep >= 0 {
			end := integer(tx.now.Add(keep).UnixMicro())
			err = tx.conn.exec(`UPDATE app_credentials SET expires = ? WHERE app_id = ? AND hash <> '' AND expires > ?`, end, text(app), end)
		}
		if err == nil && keep == 0 {
			err = tx.endAppTokens(app)
		}
		if err != nil {
			return err
		}
		return tx.putCredential(app, c)
	})
}

// UseAssertion notes that a client assertion was used, and says whether this was
// the first time.
func (db *DB) UseAssertion(ctx context.Context, app, jti string, expires time.Time) (first bool, err error) {
	err = db.Update(ctx, As{User: app}, func(tx *Tx) error { // no mailbox, and so nothing to wait for
		first = false
		err := tx.conn.exec(`DELETE FROM assertions WHERE app_id = ? AND expires < ?`, text(app), integer(tx.now.UnixMicro()))
		if err != nil {
			return err
		}
		return tx.conn.query(`INSERT INTO assertions (app_id, jti, expires) VALUES (?, ?, ?) ON CONFLICT (app_id, jti) DO NOTHING RETURNING 1`,
			func(*row) error { first = true; return nil }, text(app), text(jti), integer(expires.UnixMicro()))
	})
	return first, err
}
