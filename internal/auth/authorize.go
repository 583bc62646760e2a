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

// codeLife is how long an authorization code may be redeemed.
const codeLife = 5 * time.Minute

// An authorization is a request at the authorization endpoint whose client and
// redirect URI are known to be good, so that errors may be sent there.
type authorization struct {
	app         store.App
	redirectURI string
	mode        string // query, fragment or form_post
	state       []string
	nonce       string
	challenge   string
	prompt      []string
	loginHint   string
	maxAge      int64 // seconds since the sign-in; negative: any
	clientInfo  bool
	scopes      scopes
}

// target reads the part of a request that decides where errors go. What is wrong
// with it is shown to the person and never sent on (RFC 9700 section 4.11).
func (i *Issuer) target(c *call, q url.Values) (*authorization, error) {
	if err := once(q); err != nil {
		return nil, err
	}
	id := q.Get("client_id")
	if id == "" {
		return nil, errorf(400, "invalid_request", 900144, "The request must contain the parameter 'client_id'.")
	}
	app, err := i.app(c, id)
	if err != nil {
		return nil, err
	}
	a := &authorization{app: app, redirectURI: q.Get("redirect_uri"), mode: q.Get("response_mode"), state: q["state"]}
	if !allowsRedirect(&app, a.redirectURI) {
		return nil, errorf(400, "invalid_request", 50011, "The redirect URI in the request is not one of those that the application '%s' is registered with.", app.Name)
	}
	if a.mode != "fragment" && a.mode != "form_post" {
		a.mode = "query"
	}
	return a, nil
}

// app finds the application of a client id.
func (i *Issuer) app(c *call, id string) (store.App, error) {
	app, err := i.DB.App(c.Context(), id)
	if errors.Is(err, todo.ErrNotFound) {
		return app, errorf(400, "unauthorized_client", 700016, "Application with identifier '%s' was not found in the directory.", clip(id))
	}
	return app, err
}

// read completes a from the rest of the request; its errors go to the client.
func (a *authorization) read(q url.Values, base string) (err *oauthError) {
	mode := q.Get("response_mode")
	method := q.Get("code_challenge_method")
	a.challenge, a.nonce, a.loginHint = q.Get("code_challenge"), q.Get("nonce"), q.Get("login_hint")
	a.prompt, a.clientInfo = strings.Fields(q.Get("prompt")), q.Get("client_info") == "1"
	switch {
	case mode != "" && mode != a.mode:
		return errorf(400, "invalid_request", 70007, "'%s' is not a supported value of 'response_mode'.", clip(mode))
	case q.Has("request"):
		return errorf(400, "request_not_supported", 90023, "Request objects are not supported.")
	case q.Has("request_uri"):
		return errorf(400, "request_uri_not_supported", 90023, "Request objects are not supported.")
	case q.Get("response_type") == "":
		return errorf(400, "invalid_request", 900144, "The request must contain the parameter 'response_type'.")
	case q.Get("response_type") != "code":
		return errorf(400, "unsupported_response_type", 700054, "The response_type must be 'code'.")
	case a.app.Kind == store.Daemon:
		return errorf(400, "unauthorized_client", 700016, "The application acts without a user.")
	case a.challenge == "" && !a.app.Kind.Confidential():
		return errorf(400, "invalid_request", 9002325, "Proof Key for Code Exchange is required for public clients.")
	case (a.challenge != "" || method != "") && method != "S256":
		return errorf(400, "invalid_request", 501491, "The code_challenge_method must be 'S256'.")
	case a.challenge != "" && (len(a.challenge) != 43 || strings.ContainsFunc(a.challenge, notBase64URL)):
		return errorf(400, "invalid_request", 501491, "The code_challenge is not 43 characters of base64url.")
	case len(a.nonce) > 2_048 || len(q.Get("state")) > 16<<10:
		return errorf(400, "invalid_request", 90014, "The nonce or the state is too long.")
	case slices.Contains(a.prompt, "none") && len(a.prompt) > 1:
		return errorf(400, "invalid_request", 90023, "The prompt 'none' cannot be with others.")
	}
	a.maxAge = -1
	if age := q.Get("max_age"); age != "" {
		n, err := strconv.ParseInt(age, 10, 64)
		if err != nil || n < 0 {
			return errorf(400, "invalid_request", 90014, "The max_age is not a number of seconds.")
		}
		a.maxAge = n
	}
	if a.scopes, err = parseScopes(&a.app, q.Get("scope"), base); err != nil {
		return err
	}
	if len(a.scopes.asked) == 0 {
		return errorf(400, "invalid_request", 900144, "The request must contain the parameter 'scope'.")
	}
	return nil
}

func notBase64URL(r rune) bool {
	return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '-' || r == '_')
}

// authorize is the authorization endpoint. It sends a code to the client, or
// shows the page on which a person does what is still missing.
func (i *Issuer) authorize(c *call) error {
	q := c.URL.Query()
	if c.Method == http.MethodPost {
		form, err := c.form()
		if err != nil {
			return err
		}
		q = form
	} else if err := c.method(http.MethodGet, http.MethodPost); err != nil { // HEAD would give out a code
		return err
	}
	a, err := i.target(c, q)
	if err != nil {
		return err
	}
	if err := a.read(q, c.base); err != nil {
		return c.refuse(a, err)
	}
	signedIn, err := c.session()
	if err != nil {
		return err
	}
	if signedIn != nil && (a.loginHint != "" && !signedIn.isCalled(a.loginHint) || a.maxAge >= 0 && c.now.Unix()-signedIn.session.Created.Unix() > a.maxAge) {
		signedIn = nil
	}
	silent := slices.Contains(a.prompt, "none")
	switch {
	case silent && signedIn == nil:
		return c.refuse(a, errorf(400, "login_required", 50058, "A silent sign-in request was sent but no user is signed in."))
	case signedIn == nil || slices.Contains(a.prompt, "login"):
		return c.signInPage(http.StatusOK, c.without(q, "login", "select_account"), a.loginHint, "")
	case slices.Contains(a.prompt, "select_account"):
		return c.choosePage(signedIn, c.without(q, "select_account"))
	}
	agreed, err := i.hasConsent(c, signedIn.user.ID, a.app.ID, a.scopes)
	if err != nil {
		return err
	}
	if agreed && !slices.Contains(a.prompt, "consent") {
		return i.grantCode(c, a, signedIn)
	}
	if silent {
		return c.refuse(a, errorf(400, "interaction_required", 65001, "The user has not consented to the application '%s'.", a.app.Name))
	}
	return c.consentPage(a, signedIn, c.without(q, "consent"))
}

// without is the path that asks the same again once the person has done what
// some values of prompt want. The others stay.
func (c *call) without(q url.Values, done ...string) string {
	q = cloneValues(q)
	left := slices.DeleteFunc(strings.Fields(q.Get("prompt")), func(s string) bool { return slices.Contains(done, s) })
	q.Del("prompt")
	if len(left) > 0 {
		q.Set("prompt", strings.Join(left, " "))
	}
	return c.URL.EscapedPath() + "?" + q.Encode()
}

func cloneValues(q url.Values) url.Values {
	out := make(url.Values, len(q))
	for name, values := range q {
		out[name] = slices.Clone(values)
	}
	return out
}

// hasConsent says whether the user has allowed the application all of s.
func (i *Issuer) hasConsent(c *call, user, app string, s scopes) (bool, error) {
	var given []string
	err := i.DB.View(c.Context(), user, func(tx *store.Tx) (err error) { given, err = tx.Consent(app); return err })
	if err != nil {
		return false, err
	}
	return covers(given, s), nil
}

func covers(given []string, s scopes) bool {
	for _, name := range s.all() {
		if !slices.Contains(given, name) {
			return false
		}
	}
	return true
}

// consented is what a consent is stored as. OpenID Connect's own are always part
// of it, and of the page that asks: some clients ask for them with the code only.
func consented(given []string, s scopes) []string {
	for _, name := range slices.Concat(oidcScopes(), s.api) {
		if !slices.Contains(given, name) {
			given = append(given, name)
		}
	}
	return given
}

// grantCode sends a code to the client.
func (i *Issuer) grantCode(c *call, a *authorization, s *signedIn) error {
	code, hash := newSecret(codePrefix, s.user.ID)
	err := i.DB.Update(c.Context(), store.As{User: s.user.ID, App: a.app.ID}, func(tx *store.Tx) error {
		return tx.PutCode(store.Code{
			Hash: hash, App: a.app.ID, RedirectURI: a.redirectURI, Challenge: a.challenge, Nonce: a.nonce, Scopes: a.scopes.String(),
			SignedIn: s.session.Created, Methods: s.session.Methods, Expires: c.now.Add(codeLife),
		})
	})
	if err != nil {
		return err
	}
	v := url.Values{"code": {code}, "iss": {c.issuer()}, "session_state": {newGUID()}}
	if a.clientInfo {
		v.Set("client_info", i.clientInfo(s.user.ID))
	}
	return c.respond(a, v)
}

// refuse sends an error to the client.
func (c *call) refuse(a *authorization, e *oauthError) error {
	return c.respond(a, url.Values{"error": {e.code}, "error_description": {e.Error()}, "iss": {c.issuer()}})
}

// respond sends parameters to the client in the way that it asked for.
func (c *call) respond(a *authorization, v url.Values) error {
	if len(a.state) == 1 {
		v["state"] = a.state
	}
	if a.mode == "form_post" {
		return c.formPostPage(a.redirectURI, v)
	}
	separator := "?"
	switch {
	case a.mode == "fragment":
		separator = "#"
	case strings.Contains(a.redirectURI, "?"):
		separator = "&"
	}
	status := http.StatusFound
	if c.Method == http.MethodPost {
		status = http.StatusSeeOther
	}
	c.redirect(status, a.redirectURI+separator+v.Encode())
	return nil
}

// consent is where the consent page sends the decision.
func (i *Issuer) consent(c *call) error {
	form, path, err := c.pageForm()
	if err != nil {
		return err
	}
	s, serr := c.session()
	if serr != nil {
		return serr
	}
	if s == nil {
		return c.signInPage(http.StatusOK, path, "", "")
	}
	to, perr := url.Parse(path)
	if perr != nil || !strings.HasSuffix(to.Path, "/oauth2/v2.0/authorize") {
		return errExpiredForm()
	}
	q := to.Query()
	a, aerr := i.target(c, q)
	if aerr != nil {
		return aerr
	}
	if err := a.read(q, c.base); err != nil {
		return c.refuse(a, err)
	}
	if form.Get("action") != "accept" {
		return c.refuse(a, errorf(400, "access_denied", 65004, "User declined to consent to access the app."))
	}
	err2 := i.DB.Update(c.Context(), store.As{User: s.user.ID, App: a.app.ID}, func(tx *store.Tx) error {
		given, err := tx.Consent(a.app.ID)
		if err != nil {
			return err
		}
		return tx.PutConsent(a.app.ID, consented(given, a.scopes))
	})
	if err2 != nil {
		return err2
	}
	c.redirect(http.StatusSeeOther, path)
	return nil
}

// logout ends the session of the browser, and sends it on to an address that an
// application is registered with.
func (i *Issuer) logout(c *call) error {
	if err := c.method(http.MethodGet, http.MethodPost); err != nil {
		return err
	}
	if err := c.ParseForm(); err != nil {
		return errorf(400, "invalid_request", 90014, "The request cannot be read.")
	}
	if err := c.endSession(); err != nil {
		return err
	}
	to := c.Form.Get("post_logout_redirect_uri")
	apps, err := i.DB.Apps(c.Context())
	if err != nil {
		return err
	}
	known := slices.ContainsFunc(apps, func(app store.App) bool { return allowsRedirect(&app, to) })
	if !known {
		return c.page(http.StatusOK, "signedout", page{Title: "You are signed out"})
	}
	if state := c.Form.Get("state"); state != "" {
		separator := "?"
		if strings.Contains(to, "?") {
			separator = "&"
		}
		to += separator + url.Values{"state": {state}}.Encode()
	}
	c.redirect(http.StatusFound, to)
	return nil
}
