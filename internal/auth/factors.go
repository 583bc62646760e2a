package auth

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/duly-todo/duly/internal/store"
	"github.com/duly-todo/duly/internal/todo"
)

const (
	pendingLife = 10 * time.Minute // from the password to the code
	freshLife   = 10 * time.Minute // from a sign-in to a change of how one signs in
)

// The methods of a sign-in as the claim amr has them (RFC 8176; fido is Entra's).
const (
	byPassword = "pwd"
	byCode     = "pwd otp mfa"
	byPasskey  = "fido mfa"
)

// afterPassword goes on once the password was right: to path, or to the code of
// who has an authenticator app.
func (i *Issuer) afterPassword(c *call, user, path string) error {
	var account store.Account
	var app store.AuthenticatorApp
	err := i.DB.View(c.Context(), user, func(tx *store.Tx) (err error) {
		if account, err = tx.Account(); err == nil {
			app, err = tx.AuthenticatorApp()
		}
		return err
	})
	switch {
	case err != nil:
		return err
	case app.Sealed == nil:
		return c.signIn(user, path, byPassword)
	}
	text := string(binary.BigEndian.AppendUint64(nil, uint64(c.now.Unix()))) + user
	c.setCookie("pending", base64.RawURLEncoding.EncodeToString([]byte(text))+"."+c.pendingMAC(text, account), pendingLife)
	return c.codePage(http.StatusOK, path, "")
}

// pendingMAC binds a sign-in that waits for its code to the browser, and to the
// password that was right.
func (c *call) pendingMAC(text string, a store.Account) string {
	return c.i.mac("pending", strings.Join([]string{text, c.browser(), a.Password, a.TokensFrom.String()}, "\x00"))
}

// pending returns the user whose password was right in this browser a moment
// ago, or "".
func (c *call) pending() (string, error) {
	encoded, mac, _ := strings.Cut(c.cookie("pending"), ".")
	text, err := base64.RawURLEncoding.DecodeString(encoded)
	if err != nil || len(text) != 8+36 || c.now.Unix()-int64(binary.BigEndian.Uint64(text)) >= int64(pendingLife/time.Second) {
		return "", nil
	}
	user := string(text[8:])
	var account store.Account
	err = c.i.DB.View(c.Context(), user, func(tx *store.Tx) (err error) { account, err = tx.Account(); return err })
	if e, ok := errors.AsType[*todo.Error](err); ok && e.Kind == todo.NoSuchUser {
		return "", nil
	}
	if err != nil || account.Disabled || !equalSecrets(c.pendingMAC(string(text), account), mac) {
		return "", err
	}
	return user, nil
}

// secondStep takes the code that follows the password.
func (i *Issuer) secondStep(c *call, form url.Values, path string) error {
	user, err := c.pending()
	if err != nil {
		return err
	}
	if user == "" {
		return c.signInPage(http.StatusUnauthorized, path, "", "That took too long, or began in another browser. Sign in again.")
	}
	right, err := c.attempt(i.codes, user)
	if err != nil {
		return err
	}
	ok, err := i.takeCode(c, user, form.Get("code"))
	if err != nil {
		return err
	}
	if !ok {
		return c.codePage(http.StatusUnauthorized, path, "The code is not right, or was used before. Wait for the next one.")
	}
	right()
	return c.signIn(user, path, byCode)
}

// takeCode uses up a code of the user's authenticator app, or a recovery code,
// and says whether it was one.
func (i *Issuer) takeCode(c *call, user, code string) (bool, error) {
	code = typedCode(code)
	err := i.DB.Update(c.Context(), store.As{User: user}, func(tx *store.Tx) error {
		if len(code) == recoveryLength {
			return tx.TakeRecoveryCode(recoveryHash(user, code))
		}
		app, err := tx.AuthenticatorApp()
		if err == nil && app.Sealed == nil {
			err = todo.ErrNotFound
		}
		if err != nil {
			return err
		}
		key, err := i.sealer.open(user, app.Sealed)
		if err != nil {
			return err
		}
		step, ok := matchingStep(key, code, app.LastStep, c.now)
		if !ok {
			return todo.ErrNotFound
		}
		return tx.TakeStep(step)
	})
	if errors.Is(err, todo.ErrNotFound) {
		return false, nil
	}
	return err == nil, err
}

func (c *call) codePage(status int, path, message string) error {
	return c.page(status, "code", page{Title: "Enter your code", Error: message, Continue: c.sealed(path)}, c.leadsTo(path)...)
}

// isFresh says whether the person has proved who it is a moment ago, as every
// change of how one signs in asks for.
func (c *call) isFresh(s *signedIn) bool { return c.now.Sub(s.session.Created) < freshLife }

// factorPage returns who may change how to sign in on a page below the account.
// Without one it has answered with the sign-in page, which leads back here.
func (c *call) factorPage() (s *signedIn, form url.Values, err error) {
	if c.Method == http.MethodPost {
		if form, _, err = c.pageForm(); err != nil {
			return nil, nil, err
		}
	} else if err := c.method(http.MethodGet, http.MethodHead, http.MethodPost); err != nil {
		return nil, nil, err
	}
	if s, err = c.session(); err != nil {
		return nil, nil, err
	}
	if s == nil {
		return nil, nil, c.signInPage(http.StatusOK, c.URL.Path, "", "")
	}
	if !c.isFresh(s) {
		return nil, nil, c.signInAgain(s, c.URL.Path)
	}
	return s, form, nil
}

// signInAgain asks who is signed in to prove it anew, and goes on with path.
func (c *call) signInAgain(s *signedIn, path string) error {
	return c.showSignIn(http.StatusOK, path, page{Name: s.user.UserPrincipalName, Note: "To change how you sign in, show that it is you: sign in again."})
}

// authenticatorApp sets up the app that makes codes. It counts only once it has
// made a right one.
func (i *Issuer) authenticatorApp(c *call) error {
	s, form, err := c.factorPage()
	if s == nil || err != nil {
		return err
	}
	var old store.AuthenticatorApp
	err = i.DB.View(c.Context(), s.user.ID, func(tx *store.Tx) (err error) { old, err = tx.AuthenticatorApp(); return err })
	if err != nil {
		return err
	}
	proof := func(key string) string {
		return i.mac("authenticator app", c.browser()+"\x00"+s.user.ID+"\x00"+key+"\x00"+string(old.Sealed))
	}
	if form == nil {
		b := make([]byte, appKeySize)
		rand.Read(b)
		key := base32Text.EncodeToString(b)
		return c.appPage(http.StatusOK, s, key, proof(key), "")
	}
	text := form.Get("key")
	key, err := base32Text.DecodeString(text)
	if err != nil || !equalSecrets(proof(text), form.Get("proof")) {
		return errExpiredForm()
	}
	step, ok := matchingStep(key, typedCode(form.Get("code")), 0, c.now)
	if !ok {
		return c.appPage(http.StatusBadRequest, s, text, proof(text), "The code is not right. See that the clock of the device is, and type the code that it shows now.")
	}
	codes, hashes := newRecoveryCodes(s.user.ID)
	err = i.DB.Update(c.Context(), store.As{User: s.user.ID}, func(tx *store.Tx) error {
		return errors.Join(tx.PutAuthenticatorApp(i.sealer.seal(s.user.ID, key), step), tx.PutRecoveryCodes(hashes), tx.EndOtherSessions(s.session.Hash))
	})
	if err != nil {
		return err
	}
	return c.recoveryPage(codes, "From now on, signing in with your password takes a code of the app.")
}

func (c *call) appPage(status int, s *signedIn, key, proof, message string) error {
	host := ""
	if u, err := url.Parse(c.base); err == nil && c.base != fallbackBase {
		host = u.Host
	}
	p := page{Title: "Set up an authenticator app", Error: message, User: s.user.UserPrincipalName, Key: key, Proof: proof, Continue: c.sealed("/account")}
	p.KeyURI = appURI(key, host, s.user.UserPrincipalName)
	var err error
	if p.QR, err = drawQR(p.KeyURI); err != nil {
		return err
	}
	return c.page(status, "authenticator", p)
}

func (c *call) recoveryPage(codes []string, note string) error {
	return c.page(http.StatusOK, "recovery", page{Title: "Keep your recovery codes", Note: note, Codes: codes})
}

// newRecovery makes new recovery codes in place of those before.
func (i *Issuer) newRecovery(c *call, s *signedIn) error {
	codes, hashes := newRecoveryCodes(s.user.ID)
	err := i.DB.Update(c.Context(), store.As{User: s.user.ID}, func(tx *store.Tx) error {
		app, err := tx.AuthenticatorApp()
		if err == nil && app.Sealed == nil {
			err = errorf(400, "invalid_request", 90014, "There is no authenticator app that the codes could stand in for.")
		}
		if err != nil {
			return err
		}
		return errors.Join(tx.PutRecoveryCodes(hashes), tx.EndOtherSessions(s.session.Hash))
	})
	if err != nil {
		return err
	}
	return c.recoveryPage(codes, "The codes from before no longer count.")
}

// password sets a new password, and signs out everywhere else.
func (i *Issuer) password(c *call) error {
	s, form, err := c.factorPage()
	if s == nil || err != nil {
		return err
	}
	if form == nil {
		return c.setupPage(http.StatusOK, &s.user, nil, "")
	}
	problem := newPasswordProblem(form)
	if problem != "" {
		return c.setupPage(http.StatusBadRequest, &s.user, form, problem)
	}
	phc, err := i.passwords.create(c.Context(), form.Get("password"))
	if err != nil {
		return err
	}
	if err := i.setPassword(c, s.user.ID, phc); err != nil {
		return err
	}
	return c.signIn(s.user.ID, "/account", s.session.Methods)
}
