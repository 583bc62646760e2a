package duly

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/duly-todo/duly/internal/auth"
	"github.com/duly-todo/duly/internal/store"
	"github.com/duly-todo/duly/internal/todo"
)

// An App is an application that may ask for tokens.
type App struct {
	ID           string   // client id, a GUID
	Name         string   // what people see when they are asked
	Kind         string   // "web", "spa" (in a browser), "native" (desktop, phone, command line) or "daemon" (without users)
	RedirectURIs []string // where people are sent back to
	Scopes       []string // delegated permissions that it may ask for
	Roles        []string // application permissions that it has, on all mailboxes
}

// ErrNoApp says that no application has the client id.
var ErrNoApp = errors.New("there is no such application")

func appKinds() map[string]store.AppKind {
	return map[string]store.AppKind{"web": store.WebApp, "spa": store.SPA, "native": store.NativeApp, "daemon": store.Daemon}
}

func publicApp(a store.App) App {
	app := App{ID: a.ID, Name: a.Name, RedirectURIs: a.RedirectURIs, Scopes: a.Scopes, Roles: a.Roles}
	for name, kind := range appKinds() {
		if kind == a.Kind {
			app.Kind = name
		}
	}
	return app
}

// CheckApp says what is wrong with an application to add.
func CheckApp(a App) error {
	_, err := checkApp(a)
	return err
}

func checkApp(a App) (store.App, error) {
	kind, ok := appKinds()[a.Kind]
	if !ok {
		return store.App{}, fmt.Errorf("the kind of an application must be web, spa, native or daemon, not %q", a.Kind)
	}
	if a.ID != "" && !store.ValidGUID(a.ID) {
		return store.App{}, fmt.Errorf("the client id %.80q is no GUID", a.ID)
	}
	return auth.CheckApp(store.App{ID: strings.ToLower(a.ID), Name: a.Name, Kind: kind, RedirectURIs: a.RedirectURIs, Scopes: a.Scopes, Roles: a.Roles})
}

// AddApp registers an application. The ID is made by the server when it is empty.
func (s *Server) AddApp(ctx context.Context, a App) (App, error) {
	app, err := checkApp(a)
	if err != nil {
		return App{}, err
	}
	if app.ID == "" {
		app.ID = store.NewGUID()
	}
	if err := s.db.AddApp(ctx, app); err != nil {
		return App{}, fmt.Errorf("adding the application: %w", err)
	}
	return publicApp(app), nil
}

// App returns the application with a client id; the error is [ErrNoApp] when
// there is none.
func (s *Server) App(ctx context.Context, id string) (App, error) {
	a, err := s.db.App(ctx, id)
	return publicApp(a), noApp(err, id)
}

// Apps returns all applications by name.
func (s *Server) Apps(ctx context.Context) ([]App, error) {
	apps, err := s.db.Apps(ctx)
	out := make([]App, len(apps))
	for i, a := range apps {
		out[i] = publicApp(a)
	}
	return out, err
}

// UpdateApp changes the name, the redirect URIs and the permissions of the
// application with a.ID; the kind stays. Tokens that it has keep the permissions
// with which they were given out. The error is [ErrNoApp] when there is none.
func (s *Server) UpdateApp(ctx context.Context, a App) error {
	app, err := checkApp(a)
	if err != nil {
		return err
	}
	err = s.db.ChangeApp(ctx, app.ID, func(old *store.App, _ []store.Credential) ([]string, []store.Credential, error) {
		old.Name, old.Kind, old.RedirectURIs, old.Scopes, old.Roles = app.Name, app.Kind, app.RedirectURIs, app.Scopes, app.Roles
		return nil, nil, nil
	})
	return noApp(err, a.ID)
}

// A Credential is what is known of a secret or a certificate of an application.
type Credential struct {
	ID          string
	Hint        string // the end of the secret and its name, or the subject of the certificate
	Certificate bool
	Created     time.Time
	Expires     time.Time
}

// ErrNoCredential says that an application has no credential of an ID.
var ErrNoCredential = errors.New("there is no such credential")

// Credentials returns those of an application that have not expired, oldest first.
func (s *Server) Credentials(ctx context.Context, app string) ([]Credential, error) {
	a, err := s.db.App(ctx, app)
	if err != nil {
		return nil, noApp(err, app)
	}
	all, err := s.db.Credentials(ctx, a.ID)
	out := make([]Credential, len(all))
	for i, c := range all {
		out[i] = Credential{c.ID, c.Hint, c.Certificate != "", c.Created, c.Expires}
	}
	return out, err
}

// RemoveCredential ends a secret or a certificate of an application, and not the
// tokens that were given for it. The error is [ErrNoApp] or [ErrNoCredential].
func (s *Server) RemoveCredential(ctx context.Context, app, id string) error {
	err := s.db.ChangeApp(ctx, app, func(_ *store.App, have []store.Credential) ([]string, []store.Credential, error) {
		for _, c := range have {
			if c.ID == id {
				return []string{id}, nil, nil
			}
		}
		return nil, nil, fmt.Errorf("%w: %.40s", ErrNoCredential, id)
	})
	return noApp(err, app)
}

// RemoveApp removes an application with all that was given to it; its tokens are
// refused from then on. The error is [ErrNoApp] when there is none.
func (s *Server) RemoveApp(ctx context.Context, id string) error {
	return noApp(s.db.RemoveApp(ctx, strings.ToLower(id)), id)
}

// SignOutApp ends all tokens of an application, which may ask for new ones: by
// its own credentials, or when its users have signed in again. The error is
// [ErrNoApp] when there is none.
func (s *Server) SignOutApp(ctx context.Context, id string) error {
	return noApp(s.db.SignOutApp(ctx, strings.ToLower(id)), id)
}

// AddSecret makes another secret for an application, which is good for a time.
// The secrets that it has end keep from now; a negative keep leaves them alone.
// With 0 the tokens that they were good for end as well.
func (s *Server) AddSecret(ctx context.Context, app string, life, keep time.Duration) (string, error) {
	if err := s.mustBeConfidential(ctx, app); err != nil {
		return "", err
	}
	secret, err := auth.NewSecret(ctx, s.db, strings.ToLower(app), s.now(), life, keep)
	return secret, noApp(err, app)
}

// AddCertificate lets an application prove who it is by the private key of a
// certificate, of which text is the PEM form.
func (s *Server) AddCertificate(ctx context.Context, app string, text []byte) error {
	if err := s.mustBeConfidential(ctx, app); err != nil {
		return err
	}
	return noApp(auth.AddCertificate(ctx, s.db, strings.ToLower(app), text, s.now()), app)
}

func (s *Server) mustBeConfidential(ctx context.Context, app string) error {
	a, err := s.db.App(ctx, app)
	if err == nil && !a.Kind.Confidential() {
		return fmt.Errorf("the application %s runs where nothing stays secret, and so has no credentials", a.Name)
	}
	return noApp(err, app)
}

func noApp(err error, id string) error {
	if errors.Is(err, todo.ErrNotFound) {
		return fmt.Errorf("%w: %s", ErrNoApp, id)
	}
	return err
}

// SetPassword sets the password of a user, and signs the user out everywhere.
func (s *Server) SetPassword(ctx context.Context, user, password string) error {
	u, err := s.User(ctx, user)
	if err != nil {
		return err
	}
	hash, err := auth.HashPassword(ctx, password)
	if err != nil {
		return err
	}
	return s.db.Update(ctx, store.As{User: u.ID, App: auth.CommandLineApp}, func(tx *store.Tx) error {
		if err := tx.SignOutEverywhere(); err != nil {
			return err
		}
		return tx.SetPassword(hash)
	})
}

// SetupPath makes a link with which a user sets a password, once and within 24
// hours, and returns its path. For an empty user it makes the first account.
func (s *Server) SetupPath(ctx context.Context, user string) (string, error) {
	id := ""
	if user != "" {
		u, err := s.User(ctx, user)
		if err != nil {
			return "", err
		}
		id = u.ID
	}
	return auth.SetupPath(ctx, s.db, id, s.now())
}

// AnybodyCanSignIn says whether any user has a password.
func (s *Server) AnybodyCanSignIn(ctx context.Context) (bool, error) { return s.db.AnyPassword(ctx) }

// SignOut ends all sessions of a user, and the access of all applications.
func (s *Server) SignOut(ctx context.Context, user string) error {
	return s.changeUser(ctx, user, (*store.Tx).SignOutEverywhere)
}

// ResetFactors removes the authenticator app, the recovery codes and the passkeys
// of a user, who is signed out everywhere and has the password left.
func (s *Server) ResetFactors(ctx context.Context, user string) error {
	return s.changeUser(ctx, user, (*store.Tx).ResetFactors)
}

// DisableUser signs a user out everywhere and lets nobody in who has the
// password, or a personal access token, until [Server.EnableUser].
func (s *Server) DisableUser(ctx context.Context, user string) error {
	return s.changeUser(ctx, user, (*store.Tx).Disable)
}

// EnableUser lets a user sign in again.
func (s *Server) EnableUser(ctx context.Context, user string) error {
	return s.changeUser(ctx, user, (*store.Tx).Enable)
}

func (s *Server) changeUser(ctx context.Context, user string, change func(*store.Tx) error) error {
	u, err := s.User(ctx, user)
	if err != nil {
		return err
	}
	return s.db.Update(ctx, store.As{User: u.ID, App: auth.CommandLineApp}, change)
}

// Consent notes that a user allows an application all that it is registered for,
// so that nobody is asked.
func (s *Server) Consent(ctx context.Context, user, app string) error {
	u, err := s.User(ctx, user)
	if err != nil {
		return err
	}
	return noApp(auth.Consent(ctx, s.db, u.ID, app), app)
}

// TenantID is the GUID that stands for this server in the paths of sign-in.
func (s *Server) TenantID() string { return s.keys.Tenant() }
