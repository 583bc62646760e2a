package auth

import (
	"cmp"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	mathrand "math/rand/v2"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/duly-todo/duly/internal/store"
	"github.com/duly-todo/duly/internal/todo"
)

// Lives of what the token endpoint gives out.
const (
	minUserLife  = 60 * time.Minute // an access token for a user: as Entra's, at random up to
	maxUserLife  = 90 * time.Minute
	appLife      = 60 * time.Minute
	idLife       = 60 * time.Minute
	refreshLife  = 90 * 24 * time.Hour // since the last use
	spaLife      = 24 * time.Hour      // since the sign-in
	rotationTime = 30 * time.Second    // in which processes that share a cache may all exchange one token
)

// A tokenAnswer is what a client gets. Some libraries fail without expires_in,
// and all of them on a client_info that is none.
type tokenAnswer struct {
	Type           string `json:"token_type"`
	Scope          string `json:"scope,omitempty"`
	ExpiresIn      int    `json:"expires_in"`
	ExtExpiresIn   int    `json:"ext_expires_in"`
	AccessToken    string `json:"access_token"`
	RefreshToken   string `json:"refresh_token,omitempty"`
	RefreshExpires int    `json:"refresh_token_expires_in,omitempty"`
	IDToken        string `json:"id_token,omitempty"`
	ClientInfo     string `json:"client_info,omitempty"`
}

// token is the token endpoint.
func (i *Issuer) token(c *call) error {
	if err := i.cors(c); err != nil {
		return err
	}
	if c.Method == http.MethodOptions {
		c.w.Header().Set("Access-Control-Allow-Methods", "POST, OPTIONS")
		c.w.Header().Set("Access-Control-Allow-Headers", c.Header.Get("Access-Control-Request-Headers"))
		c.w.Header().Set("Access-Control-Max-Age", "600")
		c.json(http.StatusOK, struct{}{})
		return nil
	}
	form, ferr := c.form()
	if ferr != nil {
		return ferr
	}
	grant := form.Get("grant_type")
	switch grant {
	case "authorization_code", "refresh_token", "client_credentials", deviceGrant, deviceGrantShort:
	case "":
		return errorf(400, "invalid_request", 900144, "The request body must contain the parameter 'grant_type'.")
	default:
		return errorf(400, "unsupported_grant_type", 70003, "The app requested an unsupported grant type '%s'.", clip(grant))
	}
	app, err := i.client(c, form)
	if err != nil {
		return err
	}
	var answer *tokenAnswer
	switch grant {
	case "authorization_code":
		answer, err = i.redeemCode(c, &app, form)
	case "refresh_token":
		answer, err = i.refresh(c, &app, form)
	case "client_credentials":
		answer, err = i.appToken(c, &app, form.Get("scope"))
	default:
		answer, err = i.grantDevice(c, &app, cmp.Or(form.Get("device_code"), form.Get("code")))
	}
	if err != nil {
		return err
	}
	if form.Get("client_info") != "1" {
		answer.ClientInfo = ""
	}
	c.json(http.StatusOK, answer)
	return nil
}

// cors lets the pages of registered single-page applications read the answer.
func (i *Issuer) cors(c *call) error {
	from := c.Header.Get("Origin")
	if from == "" {
		return nil
	}
	c.w.Header().Set("Vary", "Origin")
	apps, err := i.DB.Apps(c.Context())
	if err != nil {
		return err
	}
	if slices.ContainsFunc(apps, func(app store.App) bool {
		return app.Kind == store.SPA && slices.ContainsFunc(app.RedirectURIs, func(uri string) bool { return origin(uri) == from })
	}) {
		c.w.Header().Set("Access-Control-Allow-Origin", from)
	}
	return nil
}

// checkOrigin keeps tokens of a single-page application for browsers, and all
// others away from them.
func checkOrigin(c *call, app *store.App) *oauthError {
	switch fromBrowser := c.Header.Get("Origin") != ""; {
	case app.Kind == store.SPA && !fromBrowser:
		return errorf(400, "invalid_request", 9002327, "Tokens issued for the 'Single-Page Application' client-type may only be redeemed via cross-origin requests.")
	case app.Kind != store.SPA && fromBrowser:
		return errorf(400, "invalid_request", 9002326, "Cross-origin token redemption is permitted only for the 'Single-Page Application' client-type.")
	}
	return nil
}

// redeemCode exchanges an authorization code. A code that comes twice was
// stolen, by the first or by the second: what was given for it ends.
func (i *Issuer) redeemCode(c *call, app *store.App, form url.Values) (*tokenAnswer, error) {
	invalid := errorf(400, "invalid_grant", 9002313, "The authorization code is not valid.")
	user, hash, ok := readSecret(codePrefix, form.Get("code"))
	if !ok {
		return nil, invalid
	}
	var code store.Code
	var granted scopes
	var refusal *oauthError
	family := rand.Text()
	err := i.DB.Update(c.Context(), store.As{User: user, App: app.ID}, func(tx *store.Tx) (err error) {
		code, err = tx.Code(hash)
		switch {
		case errors.Is(err, todo.ErrNotFound) || err == nil && code.App != app.ID:
			refusal = invalid
			return nil
		case err != nil:
			return err
		case code.Family != "":
			refusal = errorf(400, "invalid_grant", 54005, "The authorization code was already redeemed.")
			return dropFamily(tx, code.Family)
		}
		if refusal = checkCode(c, app, &code, form); refusal == nil {
			granted, refusal = parseScopes(app, code.Scopes, c.base)
		}
		if refusal == nil {
			granted, refusal = granted.narrow(app, form.Get("scope"), c.base)
		}
		if refusal != nil {
			return nil
		}
		return tx.RedeemCode(hash, family)
	})
	if err != nil {
		return nil, err
	}
	if refusal != nil {
		return nil, refusal
	}
	return i.userTokens(c, app, user, granted, issue{nonce: code.Nonce, family: family, signedIn: code.SignedIn, methods: code.Methods})
}

// dropFamily ends all tokens that come of one sign-in.
func dropFamily(tx *store.Tx, family string) error {
	if err := tx.DropFamily(family); err != nil {
		return err
	}
	return tx.Revoke(family, tx.Now().Add(maxUserLife+leeway*time.Second))
}

// checkCode says why a code is not good for this request. None of it uses the
// code up, so that nobody can spoil another's.
func checkCode(c *call, app *store.App, code *store.Code, form url.Values) *oauthError {
	verifier := form.Get("code_verifier")
	sum := sha256.Sum256([]byte(verifier))
	switch {
	case !c.now.Before(code.Expires):
		return errorf(400, "invalid_grant", 70008, "The authorization code has expired.")
	case code.RedirectURI != form.Get("redirect_uri"):
		return errorf(400, "invalid_grant", 500112, "The redirect_uri is not that of the authorization request.")
	case code.Challenge == "" && verifier != "":
		return errorf(400, "invalid_grant", 501481, "There is a code_verifier, and the authorization request had no code_challenge.")
	case code.Challenge != "" && (len(verifier) < 43 || len(verifier) > 128 || !equalSecrets(base64.RawURLEncoding.EncodeToString(sum[:]), code.Challenge)):
		return errorf(400, "invalid_grant", 501481, "The code_verifier does not match the code_challenge of the authorization request.")
	}
	return checkOrigin(c, app)
}

// refresh exchanges a refresh token for a new one. The old one is good for some
// seconds more; after that its use ends the family (RFC 9700 section 4.14.2).
func (i *Issuer) refresh(c *call, app *store.App, form url.Values) (*tokenAnswer, error) {
	invalid := errorf(400, "invalid_grant", 9002313, "The refresh token is not valid. It may have been revoked; the user must sign in again.")
	user, hash, ok := readSecret(refreshPrefix, form.Get("refresh_token"))
	if !ok {
		return nil, invalid
	}
	if err := checkOrigin(c, app); err != nil {
		return nil, err
	}
	var old store.RefreshToken
	var granted scopes
	var refusal *oauthError
	err := i.DB.Update(c.Context(), store.As{User: user, App: app.ID}, func(tx *store.Tx) (err error) {
		old, err = tx.RefreshToken(hash)
		switch {
		case errors.Is(err, todo.ErrNotFound) || err == nil && old.App != app.ID:
			refusal = invalid
			return nil
		case err != nil:
			return err
		case !tx.Now().Before(old.Expires):
			refusal = errorf(400, "invalid_grant", 700082, "The refresh token has expired due to inactivity.")
			return nil
		case !old.Rotated.IsZero() && tx.Now().Sub(old.Rotated) > rotationTime:
			refusal = errorf(400, "invalid_grant", 50173, "The refresh token was used again after it was exchanged, so that its grant is revoked. The user must sign in again.")
			return dropFamily(tx, old.Family)
		}
		if granted, refusal, err = refreshScopes(tx, c, app, &old, form.Get("scope")); refusal != nil || err != nil {
			return err
		}
		return tx.RotateRefreshToken(hash)
	})
	if err != nil {
		return nil, err
	}
	if refusal != nil {
		return nil, refusal
	}
	o := issue{family: old.Family, signedIn: old.SignedIn, methods: old.Methods, refresh: true}
	if app.Kind == store.SPA {
		o.until = old.Expires
	}
	return i.userTokens(c, app, user, granted, o)
}

// refreshScopes are those that a refresh token is good for: all that the user
// has consented to for this application, because libraries keep one refresh
// token for all of their scopes.
func refreshScopes(tx *store.Tx, c *call, app *store.App, old *store.RefreshToken, text string) (scopes, *oauthError, error) {
	granted, err := parseScopes(app, old.Scopes, c.base)
	if err != nil {
		return scopes{}, err, nil
	}
	if text != "" {
		asked, err := parseScopes(app, text, c.base)
		if err != nil && err.number == 650053 {
			err = errorf(400, "invalid_grant", 65001, "%s", err.message)
		}
		if err != nil {
			return scopes{}, err, nil
		}
		if len(asked.api) == 0 {
			asked = asked.complete(granted)
		}
		granted = asked
	}
	given, dbErr := tx.Consent(app.ID)
	if dbErr == nil && !covers(given, granted) {
		return scopes{}, errorf(400, "invalid_grant", 65001, "The user has not consented to all of the scope for the application '%s'.", app.Name), nil
	}
	return granted, nil, dbErr
}

// appToken is the client credentials grant: a token of the application itself,
// with the roles that it was given.
func (i *Issuer) appToken(c *call, app *store.App, text string) (*tokenAnswer, error) {
	if !app.Kind.Confidential() {
		return nil, errorf(401, "invalid_client", 7000218, "A public client has no credentials of its own.")
	}
	switch strings.ToLower(c.tenant) {
	case "common", "organizations", "consumers":
		return nil, errorf(400, "invalid_request", 53003, "Application tokens need the endpoint of the tenant: use %s in place of %s.", i.Keys.tenant, c.tenant)
	}
	found := false
	for _, word := range strings.Fields(text) {
		if slices.Contains(oidcScopes(), word) {
			continue // MSAL for Go sends them here too
		}
		name, ok := resourceName(word, c.base)
		if !ok {
			return nil, errorf(400, "invalid_resource", 500011, "The resource principal of the scope '%s' was not found in the tenant.", clip(word))
		}
		if rest, isDefault := cutDefault(name); !isDefault || rest != "" {
			return nil, errorf(400, "invalid_scope", 1002012, "The scope '%s' is not valid. Client credential flows must have a scope value with /.default suffixed to the resource identifier.", clip(word))
		}
		found = true
	}
	if !found {
		return nil, errorf(400, "invalid_scope", 1002012, "Client credential flows must have a scope value with /.default suffixed to the resource identifier.")
	}
	token, err := i.Keys.Mint(Grant{ID: objectID(app.ID), App: app.ID, AppOnly: true, Roles: app.Roles, Lifetime: appLife, Issuer: c.issuer()}, c.now)
	seconds := int(appLife / time.Second)
	return &tokenAnswer{Type: "Bearer", ExpiresIn: seconds, ExtExpiresIn: seconds, AccessToken: token}, err
}

// objectID is the id of an application as a principal of the tenant, which is
// another than its client id and never that of a user.
func objectID(app string) string {
	b := sha256.Sum256([]byte("service principal " + app))
	b[6], b[8] = b[6]&0x0f|0x80, b[8]&0x3f|0x80 // version 8, where users have 4
	return formatGUID([16]byte(b[:16]))
}

// firstTokens are those after a sign-in that had no code of its own.
func (i *Issuer) firstTokens(c *call, app *store.App, user string, granted scopes, nonce string, signedIn time.Time) (*tokenAnswer, error) {
	return i.userTokens(c, app, user, granted, issue{nonce: nonce, family: rand.Text(), signedIn: signedIn})
}

// An issue says on what occasion tokens are given out.
type issue struct {
	nonce    string
	family   string // of all tokens that come of the sign-in
	signedIn time.Time
	methods  string    // of the sign-in, as the claim amr has them; separated by spaces
	refresh  bool      // in exchange for a refresh token, so that there is another one
	until    time.Time // end of the refresh token; zero: refreshLife from now
}

// userTokens are the tokens with which an application acts for a user.
func (i *Issuer) userTokens(c *call, app *store.App, user string, granted scopes, o issue) (*tokenAnswer, error) {
	life := minUserLife + mathrand.N(maxUserLife-minUserLife).Truncate(time.Second)
	answer := &tokenAnswer{
		Type: "Bearer", Scope: granted.answer(), ExpiresIn: int(life / time.Second), ExtExpiresIn: int(life / time.Second), ClientInfo: i.clientInfo(user),
	}
	owner, err := i.issueRefresh(c, app, user, granted, o, answer)
	if err != nil {
		return nil, err
	}
	answer.AccessToken, err = i.Keys.Mint(Grant{
		ID: owner.ID, UserPrincipalName: owner.UserPrincipalName, DisplayName: owner.DisplayName, Scopes: granted.api,
		Lifetime: life, App: app.ID, Issuer: c.issuer(), Session: o.family,
	}, c.now)
	if err == nil && granted.has("openid") {
		answer.IDToken, err = i.idToken(c, app, &owner, granted, o)
	}
	return answer, err
}

// issueRefresh loads the user and adds a refresh token where one was asked for.
func (i *Issuer) issueRefresh(c *call, app *store.App, user string, granted scopes, o issue, answer *tokenAnswer) (owner todo.User, err error) {
	until := o.until
	if until.IsZero() {
		until = c.now.Add(refreshLife)
		if app.Kind == store.SPA {
			until = c.now.Add(spaLife)
		}
	}
	token, hash := newSecret(refreshPrefix, user)
	err = i.DB.Update(c.Context(), store.As{User: user, App: app.ID}, func(tx *store.Tx) error {
		account, err := tx.Account()
		if err == nil && account.Disabled {
			err = errorf(400, "invalid_grant", 50057, "The user account is disabled.")
		}
		ended := o.signedIn.Before(account.TokensFrom)
		if err == nil && !ended {
			ended, err = tx.Revoked("", o.family) // since the code or the token was exchanged
		}
		if err == nil && ended {
			err = errorf(400, "invalid_grant", 50173, "The grant has been revoked. The user must sign in again.")
		}
		if err == nil {
			owner, err = tx.Owner()
		}
		if err != nil || !o.refresh && !granted.has("offline_access") {
			return err
		}
		answer.RefreshToken, answer.RefreshExpires = token, int(until.Sub(c.now)/time.Second)
		return tx.PutRefreshToken(store.RefreshToken{
			Hash: hash, Family: o.family, App: app.ID, Scopes: granted.String(), SignedIn: o.signedIn, Methods: o.methods, Expires: until,
		})
	})
	if e, ok := errors.AsType[*todo.Error](err); ok && e.Kind == todo.NoSuchUser {
		err = errorf(400, "invalid_grant", 50034, "The user account does not exist.")
	}
	return owner, err
}

// idToken tells the application who has signed in. Its aud is one string and its
// times are integers, because MSAL for Go reads nothing else.
func (i *Issuer) idToken(c *call, app *store.App, u *todo.User, granted scopes, o issue) (string, error) {
	now := c.now.Unix()
	claims := map[string]any{
		"iss": c.issuer(), "aud": app.ID, "sub": u.ID, "oid": u.ID, "tid": i.Keys.tenant, "ver": "2.0",
		"iat": now, "nbf": now, "exp": now + int64(idLife/time.Second), "auth_time": o.signedIn.Unix(), "sid": o.family, "uti": rand.Text(),
	}
	if granted.has("profile") {
		claims["name"], claims["preferred_username"] = u.DisplayName, u.UserPrincipalName
	}
	if granted.has("email") {
		claims["email"] = cmp.Or(u.Mail, u.UserPrincipalName)
	}
	if o.nonce != "" {
		claims["nonce"] = o.nonce
	}
	if o.methods != "" {
		claims["amr"] = strings.Fields(o.methods)
	}
	return signJSON(i.Keys.signer(c.now).ids, claims)
}

// clientInfo is by what Microsoft's libraries know an account.
func (i *Issuer) clientInfo(user string) string {
	text, err := json.Marshal(map[string]string{"uid": user, "utid": i.Keys.tenant})
	if err != nil {
		panic(err) // two strings always have a JSON form
	}
	return base64.RawURLEncoding.EncodeToString(text)
}
