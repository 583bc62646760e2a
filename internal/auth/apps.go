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

// AddCertificate registers the certificate of a PEM text, whose private key the
// application keeps. It is good until it expires.
func AddCertificate(ctx context.Context, db *store.DB, app string, text []byte, now time.Time) error {
	for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
		if block.Type != "CERTIFICATE" {
			continue
		}
		certificate, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return fmt.Errorf("the certificate cannot be read: %w", err)
		}
		key, ok := certificate.PublicKey.(*rsa.PublicKey)
		if !ok || key.N.BitLen() < rsaBits {
			return fmt.Errorf("the certificate must have an RSA key of %d bits or more", rsaBits)
		}
		if !now.Before(certificate.NotAfter) {
			return fmt.Errorf("the certificate has expired on %s", certificate.NotAfter.Format(time.DateOnly))
		}
		x5t, x5t256 := sha1.Sum(block.Bytes), sha256.Sum256(block.Bytes)
		return db.AddCredential(ctx, app, store.Credential{
			ID: newGUID(), Hint: clip(certificate.Subject.String()), Certificate: base64.StdEncoding.EncodeToString(block.Bytes),
			X5T: base64.RawURLEncoding.EncodeToString(x5t[:]), X5TS256: base64.RawURLEncoding.EncodeToString(x5t256[:]), Expires: certificate.NotAfter,
		}, -1)
	}
	return errors.New("the file holds no certificate: it must be PEM, with a line BEGIN CERTIFICATE")
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
