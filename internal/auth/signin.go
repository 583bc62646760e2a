package auth

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
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
	sessionLife  = 30 * 24 * time.Hour
	formLife     = 12 * time.Hour // of a page that waits to be sent
	touchSession = time.Minute    // a session's last use is known to this
	maxUserAgent = 512            // bytes of a User-Agent that are kept
)

// A signedIn is who is signed in in the browser of a call.
type signedIn struct {
	user    todo.User
	session store.Session
	cookie  string
}

// isCalled says whether a client means this user with a login_hint.
func (s *signedIn) isCalled(hint string) bool {
	return strings.EqualFold(hint, s.user.UserPrincipalName) || strings.EqualFold(hint, s.user.ID) || s.user.Mail != "" && strings.EqualFold(hint, s.user.Mail)
}

// cookieName is the name of a cookie. Over https its prefix binds it to this
// host and to encryption; browsers refuse the prefix on plain http.
func (c *call) cookieName(name string) string {
	if strings.HasPrefix(c.base, "https://") {
		return "__Host-duly-" + name
	}
	return "duly-" + name
}

func (c *call) setCookie(name, value string, life time.Duration) {
	http.SetCookie(c.w, &http.Cookie{
		Name: c.cookieName(name), Value: value, Path: "/", MaxAge: int(life / time.Second),
		Secure: strings.HasPrefix(c.base, "https://"), HttpOnly: true, SameSite: http.SameSiteLaxMode,
	})
}

func (c *call) cookie(name string) string {
	cookie, err := c.Cookie(c.cookieName(name))
	if err != nil {
		return ""
	}
	return cookie.Value
}

// session returns who is signed in, or nil.
func (c *call) session() (*signedIn, error) {
	s := &signedIn{cookie: c.cookie("session")}
	user, hash, ok := readSecret(sessionPrefix, s.cookie)
	if !ok {
		return nil, nil
	}
	err := c.i.DB.View(c.Context(), user, func(tx *store.Tx) (err error) {
		if s.session, err = tx.Session(hash); err != nil {
			return err
		}
		account, err := tx.Account()
		if err != nil {
			return err
		}
		if account.Disabled || s.session.Created.Before(account.TokensFrom) {
			return todo.ErrNotFound
		}
		s.user, err = tx.Owner()
		return err
	})
	if e, ok := errors.AsType[*todo.Error](err); ok && (e.Kind == todo.NotFound || e.Kind == todo.NoSuchUser) {
		return nil, nil
	}
	if err == nil && c.now.Sub(s.session.LastSeen) > touchSession {
		err = c.i.DB.Update(c.Context(), store.As{User: user}, func(tx *store.Tx) error { return tx.TouchSession(hash) })
	}
	return s, err
}

// startSession signs a user in, who has proved who it is by the methods. The
// cookie of before is worth nothing from now on, and the forms of before either. A
// zero time is now.
func (c *call) startSession(user, methods string, at time.Time) error {
	if err := c.endSession(); err != nil {
		return err
	}
	cookie, hash := newSecret(sessionPrefix, user)
	err := c.i.DB.Update(c.Context(), store.As{User: user}, func(tx *store.Tx) error {
		agent := strings.ToValidUTF8(c.UserAgent()[:min(len(c.UserAgent()), maxUserAgent)], "")
		return tx.PutSession(store.Session{Hash: hash, Created: at, Address: c.address().String(), UserAgent: agent, Methods: methods, Expires: c.now.Add(sessionLife)})
	})
	if err != nil {
		return err
	}
	c.setCookie("session", cookie, sessionLife)
	c.setCookie("form", rand.Text(), formLife)
	if c.cookie("pending") != "" {
		c.setCookie("pending", "", -time.Second)
	}
	return nil
}

// endSession signs the browser out.
func (c *call) endSession() error {
	user, hash, ok := readSecret(sessionPrefix, c.cookie("session"))
	if !ok {
		return nil
	}
	c.setCookie("session", "", -time.Second)
	return c.i.DB.Update(c.Context(), store.As{User: user}, func(tx *store.Tx) error { return tx.DeleteSession(hash) })
}

// mac signs a text for one purpose.
func (i *Issuer) mac(purpose, text string) string {
	h := hmac.New(sha256.New, i.secret)
	h.Write([]byte(purpose))
	h.Write([]byte{0})
	h.Write([]byte(text))
	return base64.RawURLEncoding.EncodeToString(h.Sum(nil))
}

// csrf is what the forms of this browser hold, so that no other site can send
// one. It gives the browser a cookie if it has none.
func (c *call) csrf() string {
	return c.i.mac("csrf", c.browser())
}

// browser is what only this browser and this server know, until its next sign-in.
func (c *call) browser() string {
	if c.formID == "" {
		if c.formID = c.cookie("form"); c.formID == "" {
			c.formID = rand.Text()
			c.setCookie("form", c.formID, formLife)
		}
	}
	return c.formID + "\x00" + c.cookie("session")
}

// sealed is a path of this server that a form carries along.
func (c *call) sealed(path string) string {
	text := string(binary.BigEndian.AppendUint64(nil, uint64(c.now.Unix()))) + path
	return base64.RawURLEncoding.EncodeToString([]byte(text)) + "." + c.i.mac("continue", text)
}

func errExpiredForm() *oauthError {
	return errorf(400, "invalid_request", 90014, "The form is too old, or was not made in this browser. Go back, load the page again and repeat.")
}

// unsealed returns the path that sealed was given.
func (c *call) unsealed(field string) (string, error) {
	encoded, mac, _ := strings.Cut(field, ".")
	text, err := base64.RawURLEncoding.DecodeString(encoded)
	if err != nil || len(text) < 8 || !equalSecrets(c.i.mac("continue", string(text)), mac) ||
		c.now.Unix()-int64(binary.BigEndian.Uint64(text)) > int64(formLife/time.Second) {
		return "", errExpiredForm()
	}
	return string(text[8:]), nil
}

// pageForm reads a form that a page of ours has sent, and the path with which it
// goes on.
func (c *call) pageForm() (form url.Values, path string, err error) {
	form, formErr := c.form()
	if formErr != nil {
		return nil, "", formErr
	}
	if c.cookie("form") == "" || !equalSecrets(c.csrf(), form.Get("csrf")) {
		return nil, "", errExpiredForm()
	}
	path, err = c.unsealed(form.Get("continue"))
	return form, path, err
}

// login is where the sign-in page and the choice of an account go.
func (i *Issuer) login(c *call) error {
	if c.Method == http.MethodGet {
		c.redirect(http.StatusSeeOther, "/account")
		return nil
	}
	form, path, err := c.pageForm()
	if err != nil {
		return err
	}
	switch form.Get("action") {
	case "other":
		return c.signInPage(http.StatusOK, path, "", "")
	case "continue":
		c.redirect(http.StatusSeeOther, path)
		return nil
	case "development":
		if !c.offersDevUser() {
			return errorf(403, "access_denied", 50105, "Nobody is signed in without a password here.")
		}
		user, err := i.DB.User(c.Context(), i.DevUser)
		if err != nil {
			return err
		}
		return c.signIn(user.ID, path, "")
	case "code":
		return i.secondStep(c, form, path)
	case "passkey":
		return i.passkeySignIn(c, form, path)
	}
	if i.NoPasswords {
		return errorf(403, "access_denied", 50105, "Nobody signs in with a password here.")
	}
	name := strings.TrimSpace(form.Get("username"))
	user, err := i.checkPassword(c, name, form.Get("password"))
	if err != nil {
		return err
	}
	if user == "" {
		return c.signInPage(http.StatusUnauthorized, path, name, "The name or the password is not right.")
	}
	return i.afterPassword(c, user, path)
}

func (c *call) signIn(user, path, methods string) error {
	if err := c.startSession(user, methods, time.Time{}); err != nil {
		return err
	}
	c.redirect(http.StatusSeeOther, path)
	return nil
}

// checkPassword returns the id of the user with the name and the password, or
// "". It does the same work, counts the same and answers the same, whether there
// is such a user or not.
func (i *Issuer) checkPassword(c *call, name, password string) (string, error) {
	user, err := i.DB.User(c.Context(), name)
	if e, ok := errors.AsType[*todo.Error](err); err != nil && (!ok || e.Kind != todo.NoSuchUser) {
		return "", err
	}
	var account store.Account
	counted := "name " + strings.ToLower(clip(name))
	if user.ID != "" {
		counted = user.ID
		err := i.DB.View(c.Context(), user.ID, func(tx *store.Tx) (err error) { account, err = tx.Account(); return err })
		if err != nil {
			return "", err
		}
	}
	takeBack, err := c.attempt(i.accounts, counted)
	if err != nil {
		return "", err
	}
	if len(password) > 4*MaxPassword {
		password = password[:4*MaxPassword] // is longer than any password, and cheap to hash
	}
	right, err := i.passwords.check(c.Context(), account.Password, password)
	if err != nil || right {
		takeBack()
	}
	if err != nil || !right || account.Disabled {
		return "", err
	}
	return user.ID, nil
}

// attempt counts an attempt to sign in against its address, and against the
// account in a limiter where there is one. takeBack is for an attempt that
// turned out to be right.
func (c *call) attempt(accounts *limiter, account string) (takeBack func(), err error) {
	from := c.addressGroup()
	wait := c.i.addresses.take(from, c.now)
	if wait == 0 && accounts != nil {
		wait = accounts.take(account, c.now)
	}
	if wait > 0 {
		return nil, tooMany(wait, "There were too many attempts to sign in. Wait some minutes and try again.")
	}
	return func() {
		c.i.addresses.giveBack(from)
		if accounts != nil {
			accounts.giveBack(account)
		}
	}, nil
}

// offersDevUser says whether the page may sign the development user in: only
// who sits at this machine, under a name of this machine.
func (c *call) offersDevUser() bool {
	return c.i.DevUser != "" && c.address().IsLoopback() && isLoopbackHost(c.Host)
}
