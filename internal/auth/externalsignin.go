package auth

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/duly-todo/duly/internal/store"
	"github.com/duly-todo/duly/internal/todo"
)

const (
	externalSignInLife = 10 * time.Minute
	maxContinue        = 32 << 10 // bytes of the path that goes on after a sign-in elsewhere
	callbackPath       = "/login/callback"
)

// signsIn says whether people may sign in at the issuer.
func (x *external) signsIn() bool { return x.ClientID != "" }

// An elsewhere is a way to sign in at an external issuer.
type elsewhere struct{ Name, URL string }

// elsewhere are the external issuers that the sign-in page offers, on the way to
// the sealed path.
func (c *call) elsewhere(sealed string) (out []elsewhere) {
	if c.i.Externals == nil {
		return nil
	}
	for _, x := range c.i.Externals.all {
		if x.signsIn() {
			out = append(out, elsewhere{x.Name, "/login/external?" + url.Values{"issuer": {x.Issuer}, "continue": {sealed}}.Encode()})
		}
	}
	return out
}

// loginExternal sends a person to an external issuer. It is a link and no form,
// because browsers hold the policy of a form against all the hosts that the
// organisation leads its people over.
func (i *Issuer) loginExternal(c *call) error {
	if err := c.method(http.MethodGet); err != nil {
		return err
	}
	q := c.URL.Query()
	if err := once(q); err != nil {
		return err
	}
	path, err := c.unsealed(q.Get("continue"))
	if err != nil {
		return err
	}
	x := i.externalNamed(q.Get("issuer"))
	if x == nil || len(path) > maxContinue {
		return errExpiredForm()
	}
	said := x.says()
	if said == nil {
		return errorf(503, "temporarily_unavailable", 90033, "%s does not answer at the moment. Try again in a few minutes.", x.Name)
	}
	if wait := i.externalSignIns.take(c.addressGroup(), c.now); wait > 0 {
		return tooMany(wait, "There were too many attempts to sign in. Wait some minutes and try again.")
	}
	browser := c.cookie("external")
	if browser == "" {
		browser = rand.Text()
	}
	c.setCookie("external", browser, externalSignInLife)
	state := rand.Text() + rand.Text()
	err = i.DB.PutExternalSignIn(c.Context(), store.ExternalSignIn{
		State: hashed(state), Browser: hashed(browser), Issuer: x.Issuer, Path: path, Expires: c.now.Add(externalSignInLife),
	})
	if e, ok := errors.AsType[*todo.Error](err); ok && e.Kind == todo.Unavailable {
		return errBusy
	}
	if err != nil {
		return err
	}
	challenge := sha256.Sum256([]byte(i.codeVerifier(state)))
	v := url.Values{
		"client_id": {x.ClientID}, "redirect_uri": {c.base + callbackPath}, "response_type": {"code"}, "response_mode": {"query"}, "scope": {"openid profile email"},
		"state": {state}, "nonce": {i.mac("external nonce", state)},
		"code_challenge": {base64.RawURLEncoding.EncodeToString(challenge[:])}, "code_challenge_method": {"S256"},
	}
	if u, err := url.Parse(path); err == nil {
		for _, name := range []string{"login_hint", "max_age"} {
			if value := u.Query().Get(name); value != "" {
				v.Set(name, value)
			}
		}
	}
	s, err := c.session()
	if err != nil {
		return err
	}
	if s != nil { // who is signed in and sent on nevertheless has to show who it is, or wants to be another
		v.Set("prompt", "login")
	}
	separator := "?"
	if strings.Contains(said.authorizeEndpoint, "?") {
		separator = "&"
	}
	c.redirect(http.StatusSeeOther, said.authorizeEndpoint+separator+v.Encode())
	return nil
}

func (i *Issuer) externalNamed(issuer string) *external {
	if i.Externals == nil {
		return nil
	}
	if x := i.Externals.named(issuer); x != nil && x.signsIn() {
		return x
	}
	return nil
}

// codeVerifier is that of PKCE, which nobody else can make of the state.
func (i *Issuer) codeVerifier(state string) string { return i.mac("external code_verifier", state) }

// loginCallback is where an external issuer sends people back to. What it is sent
// counts once, in the browser that began, and for the issuer that it began with.
func (i *Issuer) loginCallback(c *call) error {
	if err := c.method(http.MethodGet); err != nil {
		return err
	}
	q := c.URL.Query()
	if err := once(q); err != nil {
		return err
	}
	state, browser := q.Get("state"), c.cookie("external")
	if state == "" || browser == "" {
		return errLostSignIn()
	}
	began, err := i.DB.TakeExternalSignIn(c.Context(), hashed(state), hashed(browser))
	if errors.Is(err, todo.ErrNotFound) {
		return errLostSignIn()
	}
	if err != nil {
		return err
	}
	x := i.externalNamed(began.Issuer)
	if x == nil || q.Has("iss") && q.Get("iss") != x.Issuer { // RFC 9207
		return errLostSignIn()
	}
	code := q.Get("code")
	if q.Has("error") || code == "" {
		return c.signInPage(http.StatusUnauthorized, began.Path, "", fmt.Sprintf("%s did not sign you in (%s).", x.Name, clip(q.Get("error"))))
	}
	person, err := x.redeem(c, code, state)
	if err != nil {
		return err
	}
	user, err := x.user(c.Context(), person)
	if e, ok := errors.AsType[*TokenError](err); ok && e.Message == unknownPerson {
		return errorf(403, "access_denied", 50020, "You are signed in at %s, but nobody here is linked with you. An administrator can do that with the issuer %s and the subject %s: duly user link.",
			x.Name, x.Issuer, clip(person.text(x.UserClaim)))
	} else if ok {
		return x.badAnswer(e)
	}
	if err != nil {
		return err
	}
	var account store.Account
	err = i.DB.View(c.Context(), user, func(tx *store.Tx) (err error) { account, err = tx.Account(); return err })
	if e, ok := errors.AsType[*todo.Error](err); ok && e.Kind == todo.NoSuchUser || err == nil && account.Disabled {
		return errorf(403, "access_denied", 50057, "Your account here is disabled.")
	}
	if err != nil {
		return err
	}
	i.externalSignIns.giveBack(c.addressGroup())
	return c.arrive(user, began.Path, person.signedIn(c.now, account.TokensFrom))
}

// arrive signs a user in who comes from elsewhere. It goes on by a page and not by a
// redirect, because browsers hold the policy of the form that was sent there against
// all the redirects that follow, of which the last leads to an application. How the
// user was known there is the issuer's affair: the session names no methods.
func (c *call) arrive(user, path string, at time.Time) error {
	if err := c.startSession(user, "", at); err != nil {
		return err
	}
	c.w.Header().Set("Refresh", "0;url="+path)
	return c.page(http.StatusOK, "arrived", page{Title: "You are signed in", Back: path})
}

// signedIn is when a person who comes at the time now has shown at the issuer who it
// is. That may be hours ago, where the person was signed in there: then it is as
// with a session of that age, and changes how to sign in no sooner than it has done
// so again. It is not before the user was signed out everywhere, since the person
// has come back after that.
func (c *externalClaims) signedIn(now, signedOut time.Time) time.Time {
	seconds, ok := c.all["auth_time"].(float64)
	if !ok || seconds < 0 || seconds > float64(now.Add(-freshLife).Unix()) {
		return now
	}
	at := time.Unix(int64(seconds), 0).UTC()
	if at.Before(signedOut) {
		return signedOut
	}
	return at
}

func errLostSignIn() *oauthError {
	return errorf(400, "invalid_request", 90014, "This sign-in was not begun in this browser, is too old, or was used already. Go back to the application and sign in again.")
}

// badAnswer says that a person is not signed in because of what the issuer sent.
func (x *external) badAnswer(err error) *oauthError {
	return errorf(502, "server_error", 50008, "%s sent an answer that cannot be used: %s.", x.Name, strings.TrimSuffix(err.Error(), "."))
}

// redeem exchanges a code for an id_token and returns what that says.
func (x *external) redeem(c *call, code, state string) (*externalClaims, error) {
	said := x.says()
	if said == nil {
		return nil, x.badAnswer(errors.New("its keys are not known"))
	}
	token, err := x.idToken(c.Context(), said, url.Values{
		"grant_type": {"authorization_code"}, "code": {code}, "redirect_uri": {c.base + callbackPath}, "code_verifier": {c.i.codeVerifier(state)},
	})
	if err != nil {
		return nil, x.badAnswer(err)
	}
	claims, err := x.readIDToken(c.Context(), token, c.i.mac("external nonce", state), c.now.Unix())
	if _, refused := errors.AsType[*TokenError](err); refused {
		return nil, x.badAnswer(err)
	}
	return claims, err
}

// idToken asks the token endpoint.
func (x *external) idToken(ctx context.Context, said *externalSays, form url.Values) (string, error) {
	basic := x.ClientSecret != "" && said.basic
	if !basic {
		form.Set("client_id", x.ClientID)
	}
	if x.ClientSecret != "" && !basic {
		form.Set("client_secret", x.ClientSecret)
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, said.tokenEndpoint, strings.NewReader(form.Encode()))
	if err != nil {
		return "", err
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Accept", "application/json")
	if basic {
		r.SetBasicAuth(url.QueryEscape(x.ClientID), url.QueryEscape(x.ClientSecret)) // RFC 6749 section 2.3.1
	}
	status, body, err := x.do(r)
	if err != nil {
		return "", err
	}
	var answer struct {
		Error   string `json:"error"`
		IDToken string `json:"id_token"`
	}
	if err := json.Unmarshal(body, &answer); err != nil || status != http.StatusOK || answer.IDToken == "" {
		return "", fmt.Errorf("its token endpoint answers with the status %d and the error %q", status, clip(answer.Error))
	}
	return answer.IDToken, nil
}

// readIDToken checks an id_token as OpenID Connect Core section 3.1.3.7 says.
func (x *external) readIDToken(ctx context.Context, token, nonce string, now int64) (*externalClaims, error) {
	_, encoded, _, ok := split(token)
	payload, err := base64.RawURLEncoding.Strict().DecodeString(encoded)
	if len(token) > maxToken || !ok || err != nil {
		return nil, refuse(notWellFormed)
	}
	c, _, err := x.read(ctx, token, payload)
	if err != nil {
		return nil, err
	}
	var got string
	if len(c.Nonce) == 0 || json.Unmarshal(c.Nonce, &got) != nil || !equalSecrets(got, nonce) {
		return nil, refuse("The nonce of the id_token is not the one that was sent.")
	}
	if !slices.Contains(c.Audience, x.ClientID) || len(c.Audience) > 1 && c.Party != x.ClientID || c.Party != "" && c.Party != x.ClientID {
		return nil, refuse("The id_token is for another application.")
	}
	if len(c.Events) > 0 || c.Type != "" && c.Type != "ID" {
		return nil, refuse("The token is no id_token.")
	}
	return c, lifetime{issued: int64(c.IssuedAt), notBefore: int64(c.NotBefore), expires: int64(c.Expires)}.check(now)
}
