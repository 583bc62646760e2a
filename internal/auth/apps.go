package auth

import (
	"context"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/duly-todo/duly/internal/store"
	"github.com/duly-todo/duly/internal/todo"
)

// CheckApp says what is wrong with an application to register, and writes its
// permissions as Microsoft does.
func CheckApp(a store.App) (store.App, error) {
	a.Name = strings.TrimSpace(a.Name)
	if n := utf8.RuneCountInString(a.Name); n == 0 || n > 120 || !utf8.ValidString(a.Name) || strings.ContainsFunc(a.Name, func(r rune) bool { return r < ' ' || r == 0x7f }) {
		return a, errors.New("an application needs a name of at most 120 characters")
	}
	if a.Kind == store.Daemon && len(a.RedirectURIs)+len(a.Scopes) > 0 {
		return a, errors.New("a daemon acts without a user: it has no redirect URI and no delegated permission, but roles")
	}
	if !a.Kind.Confidential() && len(a.Roles) > 0 {
		return a, errors.New("only an application that keeps a secret can have roles, which are for all mailboxes")
	}
	if (a.Kind == store.WebApp || a.Kind == store.SPA) && len(a.RedirectURIs) == 0 {
		return a, errors.New("an application that signs users in needs a redirect URI")
	}
	if len(a.RedirectURIs) > maxRedirectURIs {
		return a, fmt.Errorf("an application has at most %d redirect URIs", maxRedirectURIs)
	}
	for _, uri := range a.RedirectURIs {
		if err := checkRedirectURI(a.Kind, uri); err != nil {
			return a, err
		}
	}
	var err error
	if a.Kind != store.Daemon {
		if a.Scopes, err = ParseScopes(strings.Join(a.Scopes, " ")); err != nil {
			return a, err
		}
	}
	a.Roles, err = ParseRoles(strings.Join(a.Roles, " "))
	return a, err
}

// MaxCredentialLife is the longest life of a client secret.
const MaxCredentialLife = 2 * 366 * 24 * time.Hour

// NewSecret makes a secret for an application and stores its hash. Older secrets
// end keep from now; a negative keep leaves them alone.
func NewSecret(ctx context.Context, db *store.DB, app string, now time.Time, life, keep time.Duration) (string, error) {
	if life <= 0 || life > MaxCredentialLife {
		return "", fmt.Errorf("the life of a secret must be above 0 and at most %.0f hours", MaxCredentialLife.Hours())
	}
	secret, hash := newSecret(clientPrefix, app)
	err := db.AddCredential(ctx, app, store.Credential{
		ID: newGUID(), Hash: hash, Hint: secret[len(secret)-4:], Expires: now.Add(life),
	}, keep)
	return secret, err
}

// NewPassword makes a secret with a name for an application, and the credential
// that is to be stored of it.
func NewPassword(app, name string, now, end time.Time) (string, store.Credential, error) {
	name = strings.TrimSpace(name)
	switch {
	case utf8.RuneCountInString(name) > 120:
		return "", store.Credential{}, todo.Errorf(todo.Invalid, "displayName", "The property 'displayName' is longer than the 120 characters allowed.")
	case !end.After(now) || end.Sub(now) > MaxCredentialLife:
		return "", store.Credential{}, todo.Errorf(todo.Invalid, "endDateTime", "A secret must end later than now and within %.0f hours.", MaxCredentialLife.Hours())
	}
	secret, hash := newSecret(clientPrefix, app)
	return secret, store.Credential{ID: newGUID(), Hash: hash, Hint: strings.TrimSpace(secret[len(secret)-4:] + " " + name), Expires: end}, nil
}

// AddCertificate registers the certificate of a PEM text, whose private key the
// application keeps. It is good until it expires.
func AddCertificate(ctx context.Context, db *store.DB, app string, text []byte, now time.Time) error {
	for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
		if block.Type != "CERTIFICATE" {
			continue
		}
		credential, err := NewCertificate(block.Bytes, now)
		if err != nil {
			return err
		}
		return db.AddCredential(ctx, app, credential, -1)
	}
	return errors.New("the file holds no certificate: it must be PEM, with a line BEGIN CERTIFICATE")
}

// NewCertificate is the credential of a certificate, in the form DER.
func NewCertificate(der []byte, now time.Time) (store.Credential, error) {
	certificate, err := x509.ParseCertificate(der)
	if err != nil {
		return store.Credential{}, fmt.Errorf("the certificate cannot be read: %w", err)
	}
	key, ok := certificate.PublicKey.(*rsa.PublicKey)
	if !ok || key.N.BitLen() < rsaBits {
		return store.Credential{}, fmt.Errorf("the certificate must have an RSA key of %d bits or more", rsaBits)
	}
	if !now.Before(certificate.NotAfter) {
		return store.Credential{}, fmt.Errorf("the certificate has expired on %s", certificate.NotAfter.Format(time.DateOnly))
	}
	x5t, x5t256 := sha1.Sum(der), sha256.Sum256(der)
	return store.Credential{
		ID: newGUID(), Hint: clip(certificate.Subject.String()), Certificate: base64.StdEncoding.EncodeToString(der),
		X5T: base64.RawURLEncoding.EncodeToString(x5t[:]), X5TS256: base64.RawURLEncoding.EncodeToString(x5t256[:]), Expires: certificate.NotAfter,
	}, nil
}

// Consent notes that a user allows an application all its scopes.
func Consent(ctx context.Context, db *store.DB, user, app string) error {
	return db.Update(ctx, store.As{User: user, App: CommandLineApp}, func(tx *store.Tx) error {
		a, err := tx.App(app)
		if err != nil {
			return err
		}
		return tx.PutConsent(a.ID, consented(nil, scopes{api: a.Scopes}))
	})
}
