package auth

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"time"

	josejson "github.com/go-jose/go-jose/v4/json"

	"github.com/duly-todo/duly/internal/store"
	"github.com/duly-todo/duly/internal/todo"
)

// readAccessToken returns the claims of an access token that is good now, or nil.
func (i *Issuer) readAccessToken(c *call, token string) (*claims, error) {
	if _, err := i.Verifier.authenticate(c.Context(), token); err != nil {
		if _, refused := errors.AsType[*todo.Error](err); refused {
			return nil, nil
		}
		return nil, err
	}
	_, payload, _, _ := split(token)
	if x, _ := i.Verifier.externalOf(payload); x != nil {
		return nil, nil // it is not for this server to say or to end
	}
	text, err := i.Verifier.base64.DecodeString(payload)
	if err != nil {
		return nil, nil // a token that is good and no JWT
	}
	var t claims
	if err := josejson.Unmarshal(text, &t); err != nil {
		return nil, err
	}
	return &t, nil
}

// owner is under whom a token is revoked: its user, or else its application.
func (c *claims) owner() string {
	if c.IDType == "app" {
		return c.app()
	}
	return c.ObjectID
}

// revoke ends a token of the application that calls (RFC 7009). For what is no
// token, the answer is the same. A refresh token takes its family with it.
func (i *Issuer) revoke(c *call) error {
	if err := i.cors(c); err != nil {
		return err
	}
	form, ferr := c.form()
	if ferr != nil {
		return ferr
	}
	app, err := i.client(c, form)
	if err != nil {
		return err
	}
	token := form.Get("token")
	if user, hash, ok := readSecret(refreshPrefix, token); ok {
		err = i.DB.Update(c.Context(), store.As{User: user, App: app.ID}, func(tx *store.Tx) error {
			t, err := tx.RefreshToken(hash)
			if errors.Is(err, todo.ErrNotFound) || err == nil && t.App != app.ID {
				return nil
			}
			if err != nil {
				return err
			}
			return dropFamily(tx, t.Family)
		})
	} else if strings.Count(token, ".") == 2 {
		err = i.revokeAccess(c, &app, token)
	}
	if err != nil {
		return err
	}
	c.answer(http.StatusOK, func(io.Writer) error { return nil })
	return nil
}

func (i *Issuer) revokeAccess(c *call, app *store.App, token string) error {
	t, err := i.readAccessToken(c, token)
	if err != nil || t == nil || t.app() != app.ID {
		return err
	}
	return i.DB.Update(c.Context(), store.As{User: t.owner(), App: app.ID}, func(tx *store.Tx) error {
		return tx.Revoke(t.ID, time.Unix(int64(t.Expires), 0).Add(leeway*time.Second))
	})
}

// introspect tells an application that has proved who it is whether a token is
// good (RFC 7662). Refresh tokens it may only ask about that are its own.
func (i *Issuer) introspect(c *call) error {
	form, ferr := c.form()
	if ferr != nil {
		return ferr
	}
	if form.Get("client_id") == "" && form.Get("client_assertion") == "" && c.Header.Get("Authorization") == "" {
		return errorf(401, "invalid_client", 7000218, "Introspection needs the authentication of a client.")
	}
	app, err := i.client(c, form)
	if err != nil {
		return err
	}
	if !app.Kind.Confidential() {
		return errorf(401, "invalid_client", 7000218, "Introspection needs the authentication of a client, and a public one has none.")
	}
	answer := map[string]any{"active": false}
	token := form.Get("token")
	if user, hash, ok := readSecret(refreshPrefix, token); ok {
		err = i.introspectRefresh(c, &app, user, hash, answer)
	} else if strings.Count(token, ".") == 2 {
		var t *claims
		if t, err = i.readAccessToken(c, token); t != nil {
			answer = map[string]any{
				"active": true, "token_type": "Bearer", "iss": t.Issuer, "aud": t.Audience, "sub": t.Subject, "client_id": t.app(),
				"exp": t.Expires, "iat": t.IssuedAt, "nbf": t.NotBefore, "jti": t.ID,
			}
			if t.IDType == "app" {
				answer["roles"] = t.Roles
			} else {
				answer["scope"], answer["username"] = t.Scope, t.UPN
			}
		}
	}
	if err != nil {
		return err
	}
	c.json(http.StatusOK, answer)
	return nil
}

func (i *Issuer) introspectRefresh(c *call, app *store.App, user, hash string, answer map[string]any) error {
	err := i.DB.View(c.Context(), user, func(tx *store.Tx) error {
		t, err := tx.RefreshToken(hash)
		if err == nil && t.App == app.ID && t.Rotated.IsZero() && tx.Now().Before(t.Expires) {
			answer["active"], answer["client_id"], answer["sub"], answer["exp"] = true, t.App, user, t.Expires.Unix()
		}
		return err
	})
	if errors.Is(err, todo.ErrNotFound) {
		return nil
	}
	return err
}

// userinfo tells who a user's access token speaks for, by the same names and the
// same sub as the id_token.
func (i *Issuer) userinfo(c *call) error {
	c.open()
	if c.Method == http.MethodOptions {
		c.w.Header().Set("Access-Control-Allow-Methods", "GET, POST, OPTIONS")
		c.w.Header().Set("Access-Control-Allow-Headers", "Authorization")
		c.json(http.StatusOK, struct{}{})
		return nil
	}
	if err := c.method(http.MethodGet, http.MethodPost); err != nil {
		return err
	}
	p, err := i.Verifier.Authenticate(c.Request)
	if e, ok := errors.AsType[*TokenError](err); ok {
		c.w.Header().Set("WWW-Authenticate", Challenge(c.base, e))
		return errorf(401, "invalid_token", 50076, "%s", e.Message)
	}
	if e, ok := errors.AsType[*todo.Error](err); ok && e.Kind == todo.TooManyRequests {
		return tooMany(failureWindow, e.Message)
	}
	if e, ok := errors.AsType[*todo.Error](err); ok {
		return errorf(400, "invalid_request", 90014, "%s", e.Message)
	}
	if err != nil {
		return err
	}
	if p.AppOnly {
		return errorf(403, "insufficient_scope", 50105, "The token is an application's own and speaks for no user.")
	}
	u, err := i.DB.User(c.Context(), p.User)
	if err != nil {
		return err
	}
	answer := map[string]any{"sub": u.ID, "name": u.DisplayName, "preferred_username": u.UserPrincipalName}
	if u.GivenName != "" {
		answer["given_name"] = u.GivenName
	}
	if u.Surname != "" {
		answer["family_name"] = u.Surname
	}
	if u.Mail != "" {
		answer["email"] = u.Mail
	}
	c.json(http.StatusOK, answer)
	return nil
}
