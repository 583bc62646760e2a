package duly_test

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"html"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/duly-todo/duly"
)

// elsewhere is the link of a sign-in page to an external issuer.
func elsewhere(t testing.TB, page *answer) string {
	t.Helper()
	m := regexp.MustCompile(`href="(/login/external\?[^"]*)"`).FindStringSubmatch(page.body)
	if m == nil {
		t.Fatalf("the page does not lead to an external issuer: %d %s", page.status, page.body)
	}
	return html.UnescapeString(m[1])
}

// A client gets tokens for a person who signs in at another server, Duly's own in
// the role of the organisation's.
func TestExternalSignIn(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	idp := newRealmWith(t, duly.Config{DevUser: adele, BaseURL: "tls"}, (*httptest.Server).StartTLS)
	const clientID = "6f1a2b3c-0000-4000-8000-000000000001"
	app, err := idp.duly.AddApp(ctx, duly.App{ID: clientID, Name: "Todo", Kind: "web", RedirectURIs: []string{"http://127.0.0.1/login/callback"}, Scopes: []string{"User.Read"}})
	must(t, app, err)
	secret, err := idp.duly.AddSecret(ctx, clientID, time.Hour, -1)
	idp.keep(must(t, secret, err))
	issuer := idp.URL + "/" + idp.tenant + "/v2.0"
	r := newRealmWith(t, duly.Config{DevUser: adele, NoPasswordSignIn: true, Issuers: []duly.Issuer{{
		Name: "Contoso & Co", Issuer: issuer, Algorithms: []string{"ES256"}, ClientID: clientID, ClientSecret: secret, CAFile: certificateFile(t, idp.Server), AllowPrivateAddress: true,
	}}}, (*httptest.Server).Start)
	r.keep(secret)
	there, err := idp.duly.User(ctx, adele)
	must(t, there, err)

	b := idp.browser() // which trusts the other server, and has no session there yet
	signIn := func() *answer {
		t.Helper()
		page := b.get(r.URL + r.authorizePath("login_hint", "adele@example.org"))
		if page.status != 200 || strings.Contains(page.body, `name="password"`) || !strings.Contains(page.body, "Sign in with Contoso &amp; Co") {
			t.Fatalf("the sign-in page: %d %s", page.status, page.body)
		}
		go1 := b.get(r.URL + elsewhere(t, page))
		to, err := url.Parse(go1.header.Get("Location"))
		check(t, err)
		q := to.Query()
		if go1.status != 303 || !strings.HasPrefix(to.String(), idp.URL) || q.Get("redirect_uri") != r.URL+"/login/callback" || q.Get("login_hint") != "adele@example.org" ||
			q.Get("code_challenge_method") != "S256" || len(q.Get("nonce")) < 40 || len(q.Get("state")) < 40 {
			t.Fatalf("got %d to %s", go1.status, to)
		}
		a := b.get(to.String())
		if strings.Contains(a.body, `value="development"`) {
			a = b.submit(a, idp.URL+"/login", "action", "development")
			a = b.get(idp.URL + a.header.Get("Location"))
		}
		if strings.Contains(a.body, "asks to do this") {
			a = b.submit(a, idp.URL+"/consent", "action", "accept")
			a = b.get(idp.URL + a.header.Get("Location"))
		}
		if a.status != 302 || !strings.HasPrefix(a.header.Get("Location"), r.URL+"/login/callback?") {
			t.Fatalf("got %d to %s: %s", a.status, a.header.Get("Location"), a.body)
		}
		return a
	}

	back := signIn().header.Get("Location")
	page(403, 50020, "nobody here is linked with you. An administrator can do that with the issuer "+issuer+" and the subject "+there.ID)(t, r, b.get(back))
	page(400, 90014, "was used already")(t, r, b.get(back))

	check(t, r.duly.LinkUser(ctx, adele, issuer, there.ID))
	a := b.get(signIn().header.Get("Location"))
	onward, _ := strings.CutPrefix(a.header.Get("Refresh"), "0;url=")
	if a.status != 200 || !strings.HasPrefix(onward, "/"+r.tenant+"/oauth2/v2.0/authorize?") || !strings.Contains(html.UnescapeString(a.body), `href="`+onward+`"`) {
		t.Fatalf("after the sign-in: %d to %s: %s", a.status, onward, a.body)
	}
	consent := b.get(r.URL + onward)
	if a = b.submit(consent, r.URL+"/consent", "action", "accept"); a.status != 303 {
		t.Fatalf("consent: %d %s", a.status, a.body)
	}
	code := r.codeOf(b.get(r.URL + a.header.Get("Location")))
	tokens := r.token(r.tokenForm(code))
	me := r.api(tokens.text("access_token"), "/v1.0/me")
	here, err := r.duly.User(ctx, adele)
	if me.status != 200 || me.text("id") != must(t, here, err).ID || here.ID == there.ID {
		t.Errorf("the token is of %d %s", me.status, me.body)
	}

	post := r.browser()
	form := post.get("/account")
	if a := post.submit(form, "/login", "username", adele, "password", "correct horse battery"); a.status != 403 {
		t.Errorf("a password is still looked at: %d %s", a.status, a.body)
	}
	check(t, r.duly.DisableUser(ctx, adele))
	page(403, 50057, "Your account here is disabled.")(t, r, b.get(signIn().header.Get("Location")))
}

// An organisation's sign-in to damage: what comes back is not what was asked for.
func TestRowsExternalSignIn(t *testing.T) {
	t.Parallel()
	p := newProvider(t)
	stranger := func(c claims) string { return sign(t, jose.RS256, p.stranger, "one", c) }
	own := func(c claims) string { return p.sign(t, c) }
	change := func(pairs ...any) func(claims) string {
		return func(c claims) string { return p.sign(t, c.with(pairs...)) }
	}
	query := func(pairs ...string) func(url.Values) {
		return func(q url.Values) {
			for i := 0; i+1 < len(pairs); i += 2 {
				if q.Set(pairs[i], pairs[i+1]); pairs[i+1] == "-" {
					q.Del(pairs[i])
				}
			}
		}
	}
	const lost = "was not begun in this browser"
	type grant struct {
		asked          url.Values // of the authorization request
		token, problem string
		redeemed       bool
	}
	grants := map[string]*grant{}
	x := p.issuer(func(x *duly.Issuer) { x.Audiences, x.ClientID, x.ClientSecret = nil, "todo-client", "s e+c/ret" })
	p.token = func(w http.ResponseWriter, q *http.Request) { // p is locked
		err := q.ParseForm()
		id, secret, _ := q.BasicAuth()
		g := grants[q.PostForm.Get("code")]
		if err != nil || g == nil {
			http.Error(w, "no such code", http.StatusBadRequest)
			return
		}
		g.redeemed = true
		sum := sha256.Sum256([]byte(q.PostForm.Get("code_verifier")))
		switch {
		case base64.RawURLEncoding.EncodeToString(sum[:]) != g.asked.Get("code_challenge"):
			g.problem = "the verifier is not that of the challenge"
		case id != "todo-client" || secret != url.QueryEscape("s e+c/ret"):
			g.problem = "the client is not authenticated"
		case q.PostForm.Get("redirect_uri") != g.asked.Get("redirect_uri") || q.PostForm.Get("grant_type") != "authorization_code":
			g.problem = "the form is wrong: " + q.PostForm.Encode()
		}
		if err := json.NewEncoder(w).Encode(map[string]any{"access_token": "x", "token_type": "Bearer", "id_token": g.token}); err != nil {
			g.problem = err.Error()
		}
	}
	for _, tt := range []struct {
		name     string
		token    func(claims) string // nil: a good id_token
		query    func(url.Values)    // of the way back
		browser  bool                // another one comes back
		late     time.Duration
		status   int // of the callback; 200 is a sign-in
		number   int // AADSTS
		words    string
		redeemed bool // the code was sent to the provider
	}{
		{name: "control", status: 200, redeemed: true},
		{name: "control: several audiences", token: change("aud", []string{"todo-client", "x"}, "azp", "todo-client"), status: 200, redeemed: true},
		{name: "control: iss as RFC 9207 has it", query: query("iss", p.URL), status: 200, redeemed: true},
		{name: "no state", query: query("state", "-"), status: 400, number: 90014, words: lost},
		{name: "forged state", query: query("state", "forged"), status: 400, number: 90014, words: lost},
		{name: "another browser", browser: true, status: 400, number: 90014, words: lost},
		{name: "too late", late: 11 * time.Minute, status: 400, number: 90014, words: lost},
		{name: "answer of another issuer", query: query("iss", "https://evil.example"), status: 400, number: 90014, words: lost},
		{name: "refused there", query: query("code", "-", "error", "access_denied"), status: 401, words: "Example did not sign you in (access_denied)."},
		{name: "refused with a page of text", query: query("code", "-", "error", "<script>alert(1)</script>"), status: 401, words: "&lt;script&gt;"},
		{name: "no code", query: query("code", "-"), status: 401, words: "Example did not sign you in"},
		{name: "no nonce", token: change("nonce", nil), status: 502, number: 50008, words: "The nonce of the id_token", redeemed: true},
		{name: "forged nonce", token: change("nonce", "forged"), status: 502, number: 50008, words: "The nonce of the id_token", redeemed: true},
		{name: "signed by a stranger", token: stranger, status: 502, number: 50008, words: "Invalid signature", redeemed: true},
		{name: "not signed", token: func(c claims) string { return "eyJhbGciOiJub25lIn0." + strings.Split(own(c), ".")[1] + "." }, status: 502, number: 50008, words: "IDX14100", redeemed: true},
		{name: "of another issuer", token: change("iss", "https://evil.example"), status: 502, number: 50008, words: "cannot be read", redeemed: true},
		{name: "for another client", token: change("aud", "other"), status: 502, number: 50008, words: "for another application", redeemed: true},
		{name: "for several, and not by us", token: change("aud", []string{"todo-client", "other"}), status: 502, number: 50008, words: "for another application", redeemed: true},
		{name: "by another client", token: change("azp", "other"), status: 502, number: 50008, words: "for another application", redeemed: true},
		{name: "expired", token: change("exp", 1), status: 502, number: 50008, words: "expired", redeemed: true},
		{name: "an access token", token: change("typ", "Bearer"), status: 502, number: 50008, words: "no id_token", redeemed: true},
		{name: "no token", token: func(claims) string { return "" }, status: 502, number: 50008, words: "its token endpoint answers", redeemed: true},
		{name: "no subject", token: change("sub", nil), status: 502, number: 50008, words: "The subject is missing", redeemed: true},
		{name: "unknown subject", token: change("sub", "person-2", "email", adele, "preferred_username", adele), status: 403, number: 50020, words: "nobody here is linked with you", redeemed: true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := newRealmWith(t, duly.Config{Issuers: []duly.Issuer{x}}, (*httptest.Server).Start)
			check(t, r.duly.LinkUser(t.Context(), adele, p.URL, "person-1"))
			b := r.browser()
			start := b.get("/account")
			if !strings.Contains(start.body, `name="password"`) {
				t.Errorf("the form for passwords is gone: %s", start.body)
			}
			to, err := url.Parse(b.get(elsewhere(t, start)).header.Get("Location"))
			check(t, err)
			asked := to.Query()
			code := "code of " + tt.name
			now := r.time().Unix()
			idToken := claims{"iss": p.URL, "aud": "todo-client", "sub": "person-1", "iat": now, "exp": now + 300, "nonce": asked.Get("nonce")}
			if tt.token == nil {
				tt.token = own
			}
			p.set(func() { grants[code] = &grant{asked: asked, token: tt.token(idToken)} })
			r.pass(tt.late)
			q := url.Values{"code": {code}, "state": {asked.Get("state")}}
			if tt.query != nil {
				tt.query(q)
			}
			if tt.browser {
				b = r.browser()
				elsewhere(t, b.get("/account"))
			}
			a := b.get("/login/callback?" + q.Encode())
			if a.status != tt.status || !strings.Contains(a.body, tt.words) || tt.number != 0 && !strings.Contains(a.body, fmt.Sprintf("AADSTS%d ", tt.number)) {
				t.Errorf("got %d to %q, want %d AADSTS%d %s: %s", a.status, a.header.Get("Location"), tt.status, tt.number, tt.words, a.body)
			}
			session := slices.ContainsFunc((&http.Response{Header: a.header}).Cookies(), func(c *http.Cookie) bool { return c.Name == "duly-session" && c.MaxAge > 0 })
			if onward := a.header.Get("Refresh"); session != (tt.status == 200) || session != (onward == "0;url=/account") {
				t.Errorf("a session was started: %v, and goes on with %q", session, onward)
			}
			p.set(func() {
				if g := grants[code]; g.redeemed != tt.redeemed || g.problem != "" {
					t.Errorf("the code was redeemed: %v, %s", g.redeemed, g.problem)
				}
			})
			if a := b.get("/login/callback?" + q.Encode()); a.status != 400 || !strings.Contains(a.body, lost) && !strings.Contains(a.body, "was not begun") {
				t.Errorf("a second time: %d %s", a.status, a.body)
			}
		})
	}
}

// Who was signed in at the organisation long ago changes nothing of how to sign in
// here before it has done so again, which the organisation is asked for.
func TestExternalSignInAge(t *testing.T) {
	t.Parallel()
	p := newProvider(t)
	idToken := ""
	p.token = func(w http.ResponseWriter, _ *http.Request) {
		if err := json.NewEncoder(w).Encode(map[string]any{"id_token": idToken}); err != nil {
			panic(err)
		}
	}
	r := newRealmWith(t, duly.Config{Issuers: []duly.Issuer{p.issuer(func(x *duly.Issuer) { x.ClientID = "todo-client" })}}, (*httptest.Server).Start)
	check(t, r.duly.LinkUser(t.Context(), adele, p.URL, "person-1"))
	signIn := func(b *browser, page *answer, signedIn any) (asked url.Values) {
		t.Helper()
		to, err := url.Parse(b.get(elsewhere(t, page)).header.Get("Location"))
		check(t, err)
		asked = to.Query()
		now := r.time().Unix()
		c := claims{"iss": p.URL, "aud": "todo-client", "sub": "person-1", "iat": now, "exp": now + 300, "nonce": asked.Get("nonce")}
		p.set(func() { idToken = p.sign(t, c.with("auth_time", signedIn)) })
		if a := b.get("/login/callback?" + url.Values{"code": {"c"}, "state": {asked.Get("state")}}.Encode()); a.status != 200 {
			t.Fatalf("got %d %s", a.status, a.body)
		}
		return asked
	}
	const change = "/account/authenticator"
	ago := func(d time.Duration) int64 { return r.time().Add(-d).Unix() }
	for _, tt := range []struct {
		name  string
		at    any // the claim auth_time
		fresh bool
	}{
		{"no time", nil, true},
		{"just now", ago(0), true},
		{"nine minutes ago", ago(9 * time.Minute), true},
		{"ahead", ago(-time.Hour), true},
		{"no number", "yesterday", true},
		{"below all times", -1, true},
		{"eleven minutes ago", ago(11 * time.Minute), false},
		{"a day ago", ago(24 * time.Hour), false},
		{"at the beginning", 0, false},
	} {
		b := r.browser()
		if asked := signIn(b, b.get("/account"), tt.at); asked.Has("prompt") || asked.Has("max_age") {
			t.Errorf("%s: the first time asks for %v", tt.name, asked)
		}
		page := b.get(change)
		if again := strings.Contains(page.body, "sign in again"); !isSignedIn(b) || again == tt.fresh {
			t.Errorf("%s: asked to sign in again: %v: %s", tt.name, again, page.body)
		}
		if tt.fresh {
			continue
		}
		if asked := signIn(b, page, ago(0)); asked.Get("prompt") != "login" {
			t.Errorf("%s: again asks for %v", tt.name, asked)
		}
		if page := b.get(change); !strings.Contains(page.body, `name="proof"`) {
			t.Errorf("%s: after it: %s", tt.name, page.body)
		}
	}

	r.pass(time.Hour)
	check(t, r.duly.SignOut(t.Context(), adele))
	b := r.browser()
	if signIn(b, b.get("/account"), ago(2*time.Hour)); !isSignedIn(b) {
		t.Error("who was signed out cannot come back")
	}
	b = r.browser()
	page := b.get(r.authorizePath("max_age", "300"))
	if asked := signIn(b, page, ago(0)); asked.Get("max_age") != "300" {
		t.Errorf("asked for %v", asked)
	}
}
