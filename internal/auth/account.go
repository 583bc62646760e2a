package auth

import (
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/duly-todo/duly/internal/store"
	"github.com/duly-todo/duly/internal/todo"
)

// account is the page on which people see and end what they have allowed.
func (i *Issuer) account(c *call) error {
	if c.Method != http.MethodPost {
		if err := c.method(http.MethodGet, http.MethodHead, http.MethodPost); err != nil {
			return err
		}
		s, err := c.session()
		if err != nil {
			return err
		}
		if s == nil {
			return c.signInPage(http.StatusOK, "/account", "", "")
		}
		return i.accountPage(c, s, http.StatusOK, page{})
	}
	form, _, err := c.pageForm()
	if err != nil {
		return err
	}
	s, err := c.session()
	if err != nil {
		return err
	}
	if s == nil {
		return c.signInPage(http.StatusOK, "/account", "", "")
	}
	switch action := form.Get("action"); {
	case action == "create-token":
		return i.createPersonalToken(c, s, form)
	case (action == "remove-authenticator" || action == "remove-passkey" || action == "new-recovery-codes") && !c.isFresh(s):
		return c.signInAgain(s, "/account")
	case action == "new-recovery-codes":
		return i.newRecovery(c, s)
	}
	if err := i.changeAccount(c, s, form); err != nil {
		return err
	}
	c.redirect(http.StatusSeeOther, "/account")
	return nil
}

// changeAccount does what a button of the account page says.
func (i *Issuer) changeAccount(c *call, s *signedIn, form url.Values) error {
	if form.Get("action") == "sign-out" {
		return c.endSession()
	}
	id := form.Get("id")
	return i.DB.Update(c.Context(), store.As{User: s.user.ID}, func(tx *store.Tx) error {
		switch form.Get("action") {
		case "end-session":
			return tx.DeleteSession(id)
		case "remove-app":
			return tx.DeleteConsent(id, c.now.Add(maxUserLife+leeway*time.Second))
		case "remove-token":
			return tx.DeletePersonalToken(id)
		case "remove-authenticator":
			return errors.Join(tx.DeleteAuthenticatorApp(), tx.EndOtherSessions(s.session.Hash))
		case "remove-passkey":
			if err := tx.DeletePasskey(id); err != nil && !errors.Is(err, todo.ErrNotFound) { // it is gone already
				return err
			}
			return tx.EndOtherSessions(s.session.Hash)
		case "sign-out-everywhere":
			return tx.SignOutEverywhere()
		}
		return errorf(400, "invalid_request", 90014, "The form holds no action that is known.")
	})
}

// createPersonalToken makes a token for scripts and shows it this once.
func (i *Issuer) createPersonalToken(c *call, s *signedIn, form url.Values) error {
	name, allowed := form.Get("name"), []string{"Tasks.Read", "User.Read"}
	if form.Get("access") == "write" {
		allowed = []string{"Tasks.ReadWrite", "User.Read"}
	}
	days, err := strconv.Atoi(form.Get("days"))
	if err != nil {
		days = 0 // which is refused
	}
	token, err := NewPersonalToken(c.Context(), i.DB, s.user.ID, name, allowed, days)
	if e, ok := errors.AsType[*todo.Error](err); ok && e.Kind == todo.Invalid {
		return i.accountPage(c, s, http.StatusBadRequest, page{Error: e.Message})
	}
	if err != nil {
		return err
	}
	return i.accountPage(c, s, http.StatusOK, page{Token: token})
}

// accountPage shows the account with what p has to say.
func (i *Issuer) accountPage(c *call, s *signedIn, status int, p page) error {
	apps, err := i.DB.Apps(c.Context())
	if err != nil {
		return err
	}
	err = i.DB.View(c.Context(), s.user.ID, func(tx *store.Tx) error {
		p.Sessions, p.Apps, p.Tokens = nil, nil, nil
		sessions, err := tx.Sessions()
		if err != nil {
			return err
		}
		for _, other := range sessions {
			p.Sessions = append(p.Sessions, pageRow{
				ID: other.Hash, Name: browserName(other.UserAgent), Detail: other.Address, Since: other.Created, Last: other.LastSeen, Current: other.Hash == s.session.Hash,
			})
		}
		consents, err := tx.Consents()
		if err != nil {
			return err
		}
		for _, given := range consents {
			n := slices.IndexFunc(apps, func(a store.App) bool { return a.ID == given.App })
			if n >= 0 {
				p.Apps = append(p.Apps, pageRow{ID: given.App, Name: apps[n].Name, Permissions: describeScopes(given.Scopes), Since: given.Given})
			}
		}
		if err := p.factors(tx); err != nil {
			return err
		}
		tokens, err := tx.PersonalTokens()
		for _, t := range tokens {
			p.Tokens = append(p.Tokens, pageRow{ID: t.Hash, Name: t.Name, Permissions: describeScopes(strings.Fields(t.Scopes)), Since: t.Created, Last: t.LastUsed, Until: t.Expires})
		}
		return err
	})
	if err != nil {
		return err
	}
	rp, err := c.relyingParty()
	if err != nil {
		return err
	}
	p.HasPasskeys = rp != nil
	for n := range p.Passkeys {
		if rp != nil && p.Passkeys[n].Detail == rp.Config.RPID {
			p.Passkeys[n].Detail = ""
		}
	}
	p.Title, p.User, p.Name, p.Continue = "Your account", s.user.UserPrincipalName, s.user.DisplayName, c.sealed("/account")
	return c.page(status, "account", p)
}

// factors reads how the owner signs in.
func (p *page) factors(tx *store.Tx) error {
	account, err := tx.Account()
	if err != nil {
		return err
	}
	app, err := tx.AuthenticatorApp()
	if err != nil {
		return err
	}
	p.HasPassword, p.HasApp, p.Passkeys = account.Password != "", app.Sealed != nil, nil
	if p.CodesLeft, err = tx.RecoveryCodesLeft(); err != nil {
		return err
	}
	keys, err := tx.Passkeys()
	for _, key := range keys {
		p.Passkeys = append(p.Passkeys, pageRow{ID: key.ID, Name: key.Label, Detail: key.RPID, Since: key.Created, Last: key.LastUsed})
	}
	return err
}

// setup is the page behind a one-time link: it sets the password of the link's
// user, or makes the first account.
func (i *Issuer) setup(c *call) error {
	user, hash, ok := readSecret(setupPrefix, c.PathValue("link"))
	if !ok {
		return errBadLink()
	}
	var owner todo.User
	err := i.DB.View(c.Context(), user, func(tx *store.Tx) (err error) {
		if err = tx.SetupLink(hash); err == nil && user != "" {
			owner, err = tx.Owner()
		}
		return err
	})
	if e, ok := errors.AsType[*todo.Error](err); ok && (e.Kind == todo.NotFound || e.Kind == todo.NoSuchUser) {
		return errBadLink()
	}
	if err != nil {
		return err
	}
	if c.Method != http.MethodPost {
		if err := c.method(http.MethodGet, http.MethodHead, http.MethodPost); err != nil {
			return err
		}
		return c.setupPage(http.StatusOK, &owner, nil, "")
	}
	form, _, err := c.pageForm()
	if err != nil {
		return err
	}
	return i.finishSetup(c, &owner, hash, form)
}

func errBadLink() *oauthError {
	return errorf(400, "invalid_request", 90014, "This link was used already or has expired. Ask for a new one: duly user setup-link NAME.")
}

// setupPage asks for a password, and without an owner for the names of the first
// account, of which it shows again what was typed.
func (c *call) setupPage(status int, owner *todo.User, form url.Values, message string) error {
	title := "Set your password"
	if owner.ID == "" {
		title = "Make the first account"
	}
	return c.page(status, "setup", page{
		Title: title, User: owner.UserPrincipalName, Name: typed(form.Get("username")), DisplayName: typed(form.Get("name")),
		Error: message, Continue: c.sealed("/account"), Min: MinPassword, Max: MaxPassword,
	})
}

func (i *Issuer) finishSetup(c *call, owner *todo.User, hash string, form url.Values) error {
	problem := newPasswordProblem(form)
	first := owner.ID == ""
	if first && problem == "" {
		u, err := todo.NewUser(store.NewGUID(), strings.TrimSpace(form.Get("username")), strings.TrimSpace(form.Get("name")), "", c.now)
		if e, ok := errors.AsType[*todo.Error](err); ok {
			problem = e.Message
		}
		*owner = u
	}
	if problem != "" {
		if first {
			*owner = todo.User{}
		}
		return c.setupPage(http.StatusBadRequest, owner, form, problem)
	}
	phc, err := i.passwords.create(c.Context(), form.Get("password"))
	if err != nil {
		return err
	}
	// The link is used up first, so that of two who open it one can go on.
	linkOwner := owner.ID
	if first {
		linkOwner = ""
	}
	err = i.DB.Update(c.Context(), store.As{User: linkOwner}, func(tx *store.Tx) error { return tx.TakeSetupLink(hash) })
	if errors.Is(err, todo.ErrNotFound) {
		return errBadLink()
	}
	if err == nil && first {
		err = i.firstUser(c, owner)
	}
	if err == nil {
		err = i.setPassword(c, owner.ID, phc)
	}
	if err != nil {
		return err
	}
	return i.afterPassword(c, owner.ID, "/account")
}

// newPasswordProblem says what is wrong with the new password of a form.
func newPasswordProblem(form url.Values) string {
	problem := checkPassword(form.Get("password"))
	if problem == "" && form.Get("password") != form.Get("again") {
		problem = "The two passwords are not the same."
	}
	return problem
}

// setPassword writes the hash of a new password, and signs its user out everywhere.
func (i *Issuer) setPassword(c *call, user, hash string) error {
	return i.DB.Update(c.Context(), store.As{User: user}, func(tx *store.Tx) error {
		if err := tx.SignOutEverywhere(); err != nil {
			return err
		}
		return tx.SetPassword(hash)
	})
}

// firstUser makes the user of the first account, or finds the one of that name
// who has no password yet.
func (i *Issuer) firstUser(c *call, u *todo.User) error {
	err := i.DB.AddUser(c.Context(), *u, CommandLineApp)
	if e, ok := errors.AsType[*todo.Error](err); !ok || e.Kind != todo.Conflict {
		return err
	}
	old, err := i.DB.User(c.Context(), u.UserPrincipalName)
	if err != nil {
		return err
	}
	var account store.Account
	err = i.DB.View(c.Context(), old.ID, func(tx *store.Tx) (err error) { account, err = tx.Account(); return err })
	if err == nil && account.Password != "" {
		err = errorf(400, "invalid_request", 90014, "The user %s has a password already.", old.UserPrincipalName)
	}
	*u = old
	return err
}
