package duly_test

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"html"
	"io"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/duly-todo/duly"
)

const (
	adele    = "adele@example.org"
	callback = "https://app.example/cb"
	verifier = "a-verifier-of-more-than-forty-three-characters-0123"
	graphAPI = "https://graph.microsoft.com/"
	allOIDC  = "openid profile email offline_access"
)

// A realm is a server with one application of each kind, on a fake clock. All
// that is secret in a test goes through keep, and must not be in the log.
type realm struct {
	*httptest.Server
	t      testing.TB
	duly   *duly.Server
	tenant string

	web, other, native, spa, daemon      duly.App
	webSecret, otherSecret, daemonSecret string

	mu      sync.Mutex
	now     time.Time
	log     bytes.Buffer
	secrets []string
}

func (r *realm) Write(p []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.log.Write(p)
}

func (r *realm) time() time.Time {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.now
}

func (r *realm) pass(d time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.now = r.now.Add(d)
}

// keep notes a secret.
func (r *realm) keep(secret string) string {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(secret) > 8 {
		r.secrets = append(r.secrets, secret)
	}
	return secret
}

// checkSecrets looks for secrets where they must not be.
func (r *realm) checkSecrets(where, text string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, secret := range r.secrets {
		if strings.Contains(text, secret) {
			r.t.Errorf("M13: %s holds the secret %.12s…: %.400s", where, secret, text)
		}
	}
}

func must[T any](t testing.TB, v T, err error) T {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func check(t testing.TB, err error) {
	t.Helper()
	must(t, 0, err)
}

func newRealm(t testing.TB) *realm {
	t.Helper()
	return newRealmWith(t, duly.Config{DevUser: adele}, (*httptest.Server).Start)
}

// newRealmWith is newRealm with other settings and another start, which knows
// the address.
func newRealmWith(t testing.TB, c duly.Config, start func(*httptest.Server)) *realm {
	t.Helper()
	r := &realm{t: t, now: time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)}
	r.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) { r.duly.ServeHTTP(w, q) }))
	scheme := "http://"
	if c.BaseURL == "tls" {
		scheme = "https://"
		c.BaseURL = scheme + r.Listener.Addr().String()
	}
	c.Now, c.Log = r.time, slog.New(slog.NewTextHandler(r, nil))
	ctx := t.Context()
	d, err := duly.New(ctx, c)
	r.duly = must(t, d, err)
	start(r.Server)
	t.Cleanup(func() {
		r.Close()
		if err := r.duly.Close(); err != nil {
			t.Error(err)
		}
		r.checkSecrets("the log", r.log.String())
	})
	r.tenant = r.duly.TenantID()
	add := func(a duly.App) duly.App {
		t.Helper()
		app, err := r.duly.AddApp(ctx, a)
		return must(t, app, err)
	}
	secret := func(a duly.App) string {
		t.Helper()
		s, err := r.duly.AddSecret(ctx, a.ID, 365*24*time.Hour, -1)
		return r.keep(must(t, s, err))
	}
	tasks := []string{"Tasks.Read", "Tasks.ReadWrite", "User.Read"}
	_, err = r.duly.AddUser(ctx, duly.User{UserPrincipalName: adele, DisplayName: "Adele Vance"})
	check(t, err)
	r.web = add(duly.App{Name: "Web <b>", Kind: "web", RedirectURIs: []string{callback, "http://localhost"}, Scopes: tasks, Roles: []string{"Tasks.ReadWrite.All"}})
	r.other = add(duly.App{Name: "Other", Kind: "web", RedirectURIs: []string{"https://other.example/cb"}, Scopes: tasks})
	r.native = add(duly.App{Name: "Native", Kind: "native", RedirectURIs: []string{"http://localhost", "http://127.0.0.1/done", "http://[::1]", "com.example.todo:/signed-in"}, Scopes: tasks})
	r.spa = add(duly.App{Name: "Spa", Kind: "spa", RedirectURIs: []string{"https://spa.example/"}, Scopes: tasks})
	r.daemon = add(duly.App{Name: "Daemon", Kind: "daemon", Roles: []string{"Tasks.Read.All"}})
	r.webSecret, r.otherSecret, r.daemonSecret = secret(r.web), secret(r.other), secret(r.daemon)
	return r
}

// An answer is a response that was read.
type answer struct {
	status int
	header http.Header
	body   string // of a page without its style
	style  string
	json   map[string]any // nil for what is no object
}

func (a *answer) text(name string) string { s, _ := a.json[name].(string); return s }

// A browser has cookies and follows no redirects.
type browser struct {
	*http.Client
	r *realm
}

func (r *realm) browser() *browser {
	jar, err := cookiejar.New(nil)
	c := *r.Client()
	c.Jar = must(r.t, jar, err)
	c.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &browser{&c, r}
}

// send sends a request with headers in pairs.
func (b *browser) send(method, path, body string, headers ...string) *answer {
	b.r.t.Helper()
	if strings.HasPrefix(path, "/") {
		path = b.r.URL + path
	}
	q, err := http.NewRequest(method, path, strings.NewReader(body))
	check(b.r.t, err)
	for i := 0; i+1 < len(headers); i += 2 {
		if strings.EqualFold(headers[i], "Host") {
			q.Host = headers[i+1]
		}
		q.Header.Add(headers[i], headers[i+1])
	}
	res, err := b.Do(q)
	if err != nil {
		b.r.t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	check(b.r.t, err)
	a := &answer{status: res.StatusCode, header: res.Header, body: string(text)}
	if before, rest, ok := strings.Cut(a.body, "<style>"); ok {
		style, after, _ := strings.Cut(rest, "</style>")
		a.body, a.style = before+after, style
	}
	if strings.HasPrefix(a.body, "{") {
		if err := json.Unmarshal(text, &a.json); err != nil {
			b.r.t.Errorf("%s %s: the answer is no JSON: %v", method, path, err)
		}
	}
	for _, cookie := range res.Cookies() {
		b.r.keep(cookie.Value)
	}
	for _, name := range []string{"access_token", "refresh_token", "id_token", "device_code"} {
		b.r.keep(a.text(name))
	}
	if a.status >= 400 {
		b.r.checkSecrets("an error", a.body)
	}
	return a
}

func (b *browser) get(path string, headers ...string) *answer {
	return b.send("GET", path, "", headers...)
}

func (b *browser) post(path string, form url.Values, headers ...string) *answer {
	return b.send("POST", path, form.Encode(), append([]string{"Content-Type", "application/x-www-form-urlencoded"}, headers...)...)
}

// hidden is the value of a hidden field of a page.
func hidden(page, name string) string {
	m := regexp.MustCompile(`name="` + name + `" value="([^"]*)"`).FindStringSubmatch(page)
	if m == nil {
		return ""
	}
	return html.UnescapeString(m[1])
}

// submit sends a form of the page to path.
func (b *browser) submit(page *answer, path string, fields ...string) *answer {
	b.r.t.Helper()
	form := url.Values{}
	for _, name := range []string{"csrf", "continue", "user_code"} {
		if v := hidden(page.body, name); v != "" {
			form.Set(name, v)
		}
	}
	for i := 0; i+1 < len(fields); i += 2 {
		form.Set(fields[i], fields[i+1])
	}
	return b.post(path, form)
}

// signIn uses the button for development.
func (b *browser) signIn() *browser {
	b.r.t.Helper()
	a := b.submit(b.get("/account"), "/login", "action", "development")
	if a.status != 303 || a.header.Get("Location") != "/account" {
		b.r.t.Fatalf("signing in: %d %s", a.status, a.body)
	}
	return b
}

func challenge() string {
	sum := sha256.Sum256([]byte(verifier))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// values makes a form of pairs; a later pair replaces one before, and "-" removes it.
func values(pairs ...string) url.Values {
	v := url.Values{}
	for i := 0; i+1 < len(pairs); i += 2 {
		v.Set(pairs[i], pairs[i+1])
		if pairs[i+1] == "-" {
			v.Del(pairs[i])
		}
	}
	return v
}

// authorizePath is the path of a good request of the web application, changed
// by pairs.
func (r *realm) authorizePath(pairs ...string) string {
	v := values(append([]string{
		"client_id", r.web.ID, "redirect_uri", callback, "response_type", "code", "scope", allOIDC + " Tasks.ReadWrite User.Read",
		"state", "st&te", "nonce", "n0", "code_challenge", challenge(), "code_challenge_method", "S256",
	}, pairs...)...)
	return "/" + r.tenant + "/oauth2/v2.0/authorize?" + v.Encode()
}

// consented is a browser in which Adele is signed in and has allowed the
// application of the request.
func (r *realm) consented(pairs ...string) *browser {
	r.t.Helper()
	b := r.browser().signIn()
	page := b.get(r.authorizePath(pairs...))
	if page.status != 200 || !strings.Contains(page.body, "asks to do this in the name of") {
		r.t.Fatalf("no consent page: %d %s %s", page.status, page.header.Get("Location"), page.body)
	}
	if a := b.submit(page, "/consent", "action", "accept"); a.status != 303 {
		r.t.Fatalf("consent: %d %s", a.status, a.body)
	}
	return b
}

// code gets an authorization code.
func (r *realm) code(pairs ...string) string {
	r.t.Helper()
	a := r.consented(pairs...).get(r.authorizePath(pairs...))
	return r.codeOf(a)
}

func (r *realm) codeOf(a *answer) string {
	r.t.Helper()
	u, err := url.Parse(a.header.Get("Location"))
	if err != nil || u.Query().Get("code") == "" {
		r.t.Fatalf("no code: %d %s %s", a.status, a.header.Get("Location"), a.body)
	}
	return r.keep(u.Query().Get("code"))
}

// tokenForm is a good form of the web application for a code.
func (r *realm) tokenForm(code string, pairs ...string) url.Values {
	r.keep(verifier)
	return values(append([]string{
		"grant_type", "authorization_code", "client_id", r.web.ID, "client_secret", r.webSecret, "code", code,
		"redirect_uri", callback, "code_verifier", verifier,
	}, pairs...)...)
}

func (r *realm) token(form url.Values, headers ...string) *answer {
	return r.browser().post("/"+r.tenant+"/oauth2/v2.0/token", form, headers...)
}

func (r *realm) nativeForm(grant string, pairs ...string) url.Values {
	return values(append([]string{"grant_type", grant, "client_id", r.native.ID}, pairs...)...)
}

// tokens redeems a code, which has to work.
func (r *realm) tokens(pairs ...string) *answer {
	r.t.Helper()
	a := r.token(r.tokenForm(r.code(pairs...)))
	if a.status != 200 {
		r.t.Fatalf("no tokens: %d %s", a.status, a.body)
	}
	return a
}

// refreshForm is a good form of the web application for a refresh token.
func (r *realm) refreshForm(token string, pairs ...string) url.Values {
	return values(append([]string{"grant_type", "refresh_token", "client_id", r.web.ID, "client_secret", r.webSecret, "refresh_token", token}, pairs...)...)
}

func (r *realm) credentialsForm(pairs ...string) url.Values {
	return values(append([]string{"grant_type", "client_credentials", "client_id", r.daemon.ID, "client_secret", r.daemonSecret, "scope", graphAPI + ".default"}, pairs...)...)
}

// api calls the API with an access token.
func (r *realm) api(token, path string) *answer {
	return r.browser().get(path, "Authorization", "Bearer "+token)
}

// claimsOf are the claims of a token, unchecked.
func claimsOf(t testing.TB, token string) map[string]any {
	t.Helper()
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		t.Fatalf("%.20q is no JWT", token)
	}
	text, err := base64.RawURLEncoding.DecodeString(parts[1])
	check(t, err)
	var c map[string]any
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	check(t, d.Decode(&c))
	return c
}

// device starts a device code of the native application and returns the answer.
func (r *realm) device() *answer {
	r.t.Helper()
	a := r.browser().post("/organizations/oauth2/v2.0/devicecode", values("client_id", r.native.ID, "scope", allOIDC+" "+graphAPI+"Tasks.ReadWrite"))
	if a.status != 200 {
		r.t.Fatalf("no device code: %d %s", a.status, a.body)
	}
	return a
}

// decide has Adele enter a code and decide.
func (r *realm) decide(userCode, action string) *answer {
	r.t.Helper()
	b := r.browser().signIn()
	page := b.submit(b.get("/devicelogin"), "/devicelogin", "user_code", strings.ToLower(userCode[:4])+"-"+userCode[4:])
	if page.status != 200 || !strings.Contains(page.body, "asks to be signed in as") {
		r.t.Fatalf("no page to confirm: %d %s", page.status, page.body)
	}
	return b.submit(page, "/devicelogin", "action", action)
}

func (r *realm) poll(deviceCode string, pairs ...string) *answer {
	return r.token(r.nativeForm("device_code", append([]string{"device_code", deviceCode}, pairs...)...))
}

// A user signs in with a password, consents, and the application acts for them.
func TestAuthorizationCode(t *testing.T) {
	t.Parallel()
	r := newRealm(t)
	const password = "four words in a row"
	r.keep(password)
	check(t, r.duly.SetPassword(t.Context(), adele, password))
	b := r.browser()
	path := r.authorizePath("scope", "openid profile offline_access "+graphAPI+"Tasks.ReadWrite user.read", "login_hint", adele)
	page := b.get(path)
	if page.status != 200 || !strings.Contains(page.body, `value="`+adele+`"`) || !strings.Contains(page.body, `autocomplete="current-password"`) {
		t.Fatalf("no sign-in page: %d %s", page.status, page.body)
	}
	if got := page.header.Get("Content-Security-Policy"); !strings.Contains(got, "form-action 'self' https://app.example") || !strings.Contains(got, "default-src 'none'") {
		t.Errorf("the policy is %q", got)
	}
	a := b.submit(page, "/login", "username", "ADELE@example.org", "password", password)
	if a.status != 303 {
		t.Fatalf("sign-in: %d %s", a.status, a.body)
	}
	page = b.get(a.header.Get("Location"))
	for _, want := range []string{"Web &lt;b&gt;", "Read, add, change and delete your task lists and tasks", "Read your profile", "Keep this access", "It is at https://app.example."} {
		if !strings.Contains(page.body, want) {
			t.Errorf("the consent page lacks %q", want)
		}
	}
	a = b.submit(page, "/consent", "action", "accept")
	a = b.get(a.header.Get("Location"))
	u, err := url.Parse(a.header.Get("Location"))
	check(t, err)
	if a.status != 302 || u.Query().Get("state") != "st&te" || u.Query().Get("iss") != r.URL+"/"+r.tenant+"/v2.0" {
		t.Fatalf("%d %s", a.status, a.header.Get("Location"))
	}
	a = r.token(r.tokenForm(r.codeOf(a), "client_info", "1"))
	if a.status != 200 || a.text("scope") != "openid profile offline_access "+graphAPI+"Tasks.ReadWrite user.read" || a.text("token_type") != "Bearer" {
		t.Fatalf("%d %s", a.status, a.body)
	}
	if s := a.json["expires_in"].(float64); s < 3600 || s > 5400 {
		t.Errorf("expires_in is %v", s)
	}
	id := claimsOf(t, a.text("id_token"))
	for claim, want := range map[string]any{"aud": r.web.ID, "nonce": "n0", "tid": r.tenant, "preferred_username": adele, "name": "Adele Vance", "ver": "2.0", "iss": r.URL + "/" + r.tenant + "/v2.0"} {
		if id[claim] != want {
			t.Errorf("id_token: %s is %v, not %v", claim, id[claim], want)
		}
	}
	for _, claim := range []string{"exp", "iat", "nbf", "auth_time"} {
		if n, ok := id[claim].(json.Number); !ok || strings.ContainsAny(n.String(), ".eE") {
			t.Errorf("id_token: %s is no integer: %v", claim, id[claim])
		}
	}
	info, err := base64.RawURLEncoding.DecodeString(a.text("client_info"))
	if want := fmt.Sprintf(`{"uid":"%s","utid":"%s"}`, id["oid"], r.tenant); err != nil || string(info) != want {
		t.Errorf("client_info is %s, not %s", info, want)
	}
	if got := claimsOf(t, a.text("access_token"))["scp"]; got != "Tasks.ReadWrite User.Read" {
		t.Errorf("scp is %v", got)
	}
	if got := r.api(a.text("access_token"), "/v1.0/me/todo/lists"); got.status != 200 {
		t.Errorf("the API says %d %s", got.status, got.body)
	}
	if got := r.api(a.text("access_token"), "/common/openid/userinfo"); got.status != 200 || got.text("sub") != id["sub"] || got.text("name") != "Adele Vance" {
		t.Errorf("userinfo: %d %s", got.status, got.body)
	}
	for name, token := range map[string]string{"C87 id_token": a.text("id_token"), "C88 refresh token": a.text("refresh_token")} {
		if got := r.api(token, "/v1.0/me/todo/lists"); got.status != 401 {
			t.Errorf("%s as access token: %d", name, got.status)
		}
	}
	check(t, r.duly.RemoveApp(t.Context(), r.web.ID))
	if got := r.api(a.text("access_token"), "/v1.0/me/todo/lists"); got.status != 401 {
		t.Errorf("C80: a token of an application that is gone: %d", got.status)
	}
}

// The answer comes in the way that the client asked for.
func TestResponseModes(t *testing.T) {
	t.Parallel()
	r := newRealm(t)
	b := r.consented()
	if got := b.get(r.authorizePath("response_mode", "fragment")).header.Get("Location"); !strings.HasPrefix(got, callback+"#code=dulyac_") {
		t.Errorf("fragment: %s", got)
	}
	a := b.get(r.authorizePath("response_mode", "form_post"))
	r.keep(hidden(a.body, "code"))
	nonce := regexp.MustCompile(`script-src 'nonce-([A-Z0-9]+)'`).FindStringSubmatch(a.header.Get("Content-Security-Policy"))
	if a.status != 200 || hidden(a.body, "state") != "st&te" || hidden(a.body, "code") == "" || !strings.Contains(a.body, `action="`+callback+`"`) ||
		nonce == nil || !strings.Contains(a.body, `<script nonce="`+nonce[1]+`">`) || !strings.Contains(a.body, "Continue</button>") {
		t.Errorf("form_post: %d %v %s", a.status, a.header, a.body)
	}
	a = b.get(r.authorizePath("response_mode", "form_post", "scope", "Nonsense"))
	if a.status != 200 || hidden(a.body, "error") != "invalid_scope" || strings.Contains(a.body, "You are signed in") {
		t.Errorf("form_post of an error: %d %s", a.status, a.body)
	}
}

// The style of a page is the one that its policy allows.
func TestPagePolicy(t *testing.T) {
	t.Parallel()
	r := newRealm(t)
	a := r.browser().get("/account")
	sum := sha256.Sum256([]byte(a.style))
	if want := "style-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"; !strings.Contains(a.header.Get("Content-Security-Policy"), want) {
		t.Errorf("the policy lacks %s: %s", want, a.header.Get("Content-Security-Policy"))
	}
	for header, want := range map[string]string{"X-Frame-Options": "DENY", "Referrer-Policy": "no-referrer", "Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"} {
		if got := a.header.Get(header); got != want {
			t.Errorf("%s is %q", header, got)
		}
	}
	if strings.Contains(a.body, "<script") {
		t.Error("the sign-in page holds a script")
	}
}

// prompt says what the person has to see.
func TestPrompt(t *testing.T) {
	t.Parallel()
	r := newRealm(t)
	b := r.consented()
	for _, tt := range []struct{ prompt, hint, want string }{
		{"login", "", "<h1>Sign in</h1>"},
		{"select_account", "", "Use another account"},
		{"consent", "", "asks to do this in the name of"},
		{"", "somebody@else.example", "<h1>Sign in</h1>"},
	} {
		page := b.get(r.authorizePath("prompt", tt.prompt, "login_hint", tt.hint))
		if page.status != 200 || !strings.Contains(page.body, tt.want) {
			t.Errorf("prompt %q, hint %q: %d %s", tt.prompt, tt.hint, page.status, page.body)
		}
	}
	r.pass(time.Minute)
	r.codeOf(b.get(r.authorizePath("max_age", "60")))
	if page := b.get(r.authorizePath("max_age", "59")); page.status != 200 || !strings.Contains(page.body, "<h1>Sign in</h1>") {
		t.Errorf("max_age: %d %s", page.status, page.body)
	}
	page := b.get(r.authorizePath("prompt", "select_account"))
	a := b.submit(page, "/login", "action", "continue")
	if a = b.get(a.header.Get("Location")); a.status != 302 {
		t.Errorf("after the choice: %d %s", a.status, a.body)
	}
	r.codeOf(a)
	page = b.get(r.authorizePath("prompt", "login"))
	a = b.submit(page, "/login", "action", "development")
	if a = b.get(a.header.Get("Location")); a.status != 302 {
		t.Errorf("after the sign-in: %d %s", a.status, a.body)
	}
	r.codeOf(a)
	page = b.get(r.authorizePath("prompt", "login consent"))
	a = b.submit(page, "/login", "action", "development")
	if page = b.get(a.header.Get("Location")); page.status != 200 || !strings.Contains(page.body, "asks to do this") {
		t.Errorf("prompt consent is forgotten with the sign-in: %d %s", page.status, page.body)
	}
	a = b.submit(page, "/consent", "action", "accept")
	r.codeOf(b.get(a.header.Get("Location")))
	for name, tt := range map[string]struct {
		b    *browser
		want string
	}{"signed in": {b, "code"}, "nobody": {r.browser(), "login_required"}} {
		a := tt.b.get(r.authorizePath("prompt", "none"))
		u, err := url.Parse(a.header.Get("Location"))
		if err != nil || cmp.Or(u.Query().Get("error"), "code") != tt.want {
			t.Errorf("prompt none, %s: %d %s", name, a.status, u)
		}
		r.keep(u.Query().Get("code"))
	}
	a = b.get(r.authorizePath("prompt", "none", "client_id", r.other.ID, "redirect_uri", "https://other.example/cb"))
	if u, err := url.Parse(a.header.Get("Location")); err != nil || u.Query().Get("error") != "interaction_required" {
		t.Errorf("prompt none without consent: %d %s", a.status, a.header.Get("Location"))
	}
}

// A code that two redeem at the same time is good for one of them.
func TestCodeRace(t *testing.T) {
	t.Parallel()
	r := newRealm(t)
	code := r.code()
	got := make([]int, 8)
	var wg sync.WaitGroup
	for n := range got {
		wg.Go(func() { got[n] = r.token(r.tokenForm(code)).status })
	}
	wg.Wait()
	won := 0
	for _, status := range got {
		if status == 200 {
			won++
		} else if status != 400 {
			t.Errorf("status %d", status)
		}
	}
	if won > 1 {
		t.Errorf("%d of %d redeemed the code", won, len(got))
	}
}

// Processes that share a refresh token may all use it within some seconds.
func TestRefreshRace(t *testing.T) {
	t.Parallel()
	r := newRealm(t)
	first := r.tokens().text("refresh_token")
	next := make([]string, 8)
	var wg sync.WaitGroup
	for n := range next {
		wg.Go(func() { next[n] = r.token(r.refreshForm(first)).text("refresh_token") })
	}
	wg.Wait()
	for n, token := range next {
		if token == "" || token == first {
			t.Errorf("%d got no new token", n)
		} else if a := r.token(r.refreshForm(token)); a.status != 200 {
			t.Errorf("%d: its token is worth nothing: %s", n, a.body)
		}
	}
}

// A device shows a code, which a person enters elsewhere.
func TestDeviceCode(t *testing.T) {
	t.Parallel()
	r := newRealm(t)
	d := r.device()
	if want := "To sign in, open " + r.URL + "/devicelogin in a web browser and enter the code " + d.text("user_code") + "."; d.text("message") != want {
		t.Errorf("the message is %q", d.text("message"))
	}
	if d.json["interval"] != 5.0 || d.json["expires_in"] != 900.0 || d.text("verification_uri") != r.URL+"/devicelogin" {
		t.Errorf("got %s", d.body)
	}
	code := d.text("device_code")
	for _, step := range []struct {
		after time.Duration
		want  string
	}{{0, "authorization_pending"}, {time.Second, "slow_down"}, {5 * time.Second, "slow_down"}, {20 * time.Second, "authorization_pending"}} {
		r.pass(step.after)
		if a := r.poll(code); a.status != 400 || a.text("error") != step.want {
			t.Errorf("after %v: %d %s, want %s", step.after, a.status, a.body, step.want)
		}
	}
	if a := r.decide(d.text("user_code"), "accept"); a.status != 200 || !strings.Contains(a.body, "You are signed in on the device") {
		t.Fatalf("accept: %d %s", a.status, a.body)
	}
	r.pass(20 * time.Second)
	a := r.token(r.nativeForm("urn:ietf:params:oauth:grant-type:device_code", "device_code", code))
	if a.status != 200 || a.text("scope") != allOIDC+" "+graphAPI+"Tasks.ReadWrite" || a.text("refresh_token") == "" || a.text("id_token") == "" {
		t.Fatalf("%d %s", a.status, a.body)
	}
	if got := r.api(a.text("access_token"), "/v1.0/me/todo/lists"); got.status != 200 {
		t.Errorf("the API says %d %s", got.status, got.body)
	}
	if a := r.poll(code); a.text("error") != "invalid_grant" {
		t.Errorf("the code again: %s", a.body)
	}
	if a := r.token(r.nativeForm("refresh_token", "refresh_token", a.text("refresh_token"), "scope", graphAPI+"Tasks.ReadWrite")); a.status != 200 || a.text("scope") != graphAPI+"Tasks.ReadWrite" || a.text("refresh_token") == "" {
		t.Errorf("refresh: %d %s", a.status, a.body)
	}
}

// An application without a user has the roles that it was registered with.
func TestClientCredentials(t *testing.T) {
	t.Parallel()
	r := newRealm(t)
	a := r.token(r.credentialsForm("scope", graphAPI+".default openid offline_access profile"))
	if a.status != 200 || a.text("refresh_token") != "" || a.text("id_token") != "" || a.json["expires_in"] != 3600.0 {
		t.Fatalf("%d %s", a.status, a.body)
	}
	c := claimsOf(t, a.text("access_token"))
	if fmt.Sprint(c["roles"]) != "[Tasks.Read.All]" || c["idtyp"] != "app" || c["azp"] != r.daemon.ID || c["oid"] == r.daemon.ID || c["scp"] != "" {
		t.Errorf("claims %v", c)
	}
	if got := r.api(a.text("access_token"), "/v1.0/users/"+adele+"/todo/lists"); got.status != 200 {
		t.Errorf("a list of Adele's: %d %s", got.status, got.body)
	}
	if got := r.api(a.text("access_token"), "/v1.0/me/todo/lists"); got.status != 400 {
		t.Errorf("D98 /me: %d", got.status)
	}
	if a := r.token(r.credentialsForm("client_secret", "-"), "Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte(r.daemon.ID+":"+url.QueryEscape(r.daemonSecret)))); a.status != 200 {
		t.Errorf("by Basic: %d %s", a.status, a.body)
	}
	second, err := r.duly.AddSecret(t.Context(), r.daemon.ID, time.Hour, time.Minute)
	check(t, err)
	r.keep(second)
	if a := r.token(r.credentialsForm()); a.status != 200 {
		t.Errorf("the old secret within its overlap: %s", a.body)
	}
	r.pass(2 * time.Minute)
	if a := r.token(r.credentialsForm()); a.status != 401 {
		t.Errorf("the old secret after its overlap: %d", a.status)
	}
	if a := r.token(r.credentialsForm("client_secret", second)); a.status != 200 {
		t.Errorf("the new secret: %s", a.body)
	}
}

// Sign-out ends the session of the browser; everywhere, all that was given out.
func TestSignOut(t *testing.T) {
	t.Parallel()
	r := newRealm(t)
	b := r.consented()
	a := b.get("/common/oauth2/v2.0/logout?" + values("post_logout_redirect_uri", callback, "state", "s s").Encode())
	if a.status != 302 || a.header.Get("Location") != callback+"?state=s+s" {
		t.Errorf("logout: %d %s", a.status, a.header.Get("Location"))
	}
	if page := b.get("/account"); !strings.Contains(page.body, "<h1>Sign in</h1>") {
		t.Error("the session is still there")
	}
	a = r.browser().signIn().get("/common/oauth2/v2.0/logout?post_logout_redirect_uri=https://evil.example/")
	if a.status != 200 || a.header.Get("Location") != "" || strings.Contains(a.body, "evil") {
		t.Errorf("logout to a stranger: %d %s", a.status, a.header.Get("Location"))
	}
	b.signIn()
	code := r.codeOf(b.get(r.authorizePath()))
	refresh := r.token(r.tokenForm(r.codeOf(b.get(r.authorizePath())))).text("refresh_token")
	r.pass(time.Second)
	if a := b.submit(b.get("/account"), "/account", "action", "sign-out-everywhere"); a.status != 303 {
		t.Fatalf("%d %s", a.status, a.body)
	}
	if page := b.get("/account"); !strings.Contains(page.body, "<h1>Sign in</h1>") {
		t.Error("the session is still there")
	}
	for name, form := range map[string]url.Values{"code": r.tokenForm(code), "refresh token": r.refreshForm(refresh)} {
		if a := r.token(form); a.status != 400 || a.text("error") != "invalid_grant" {
			t.Errorf("the %s after that: %d %s", name, a.status, a.body)
		}
	}
}

// The account page shows what was allowed, and takes it back.
func TestAccountPage(t *testing.T) {
	t.Parallel()
	r := newRealm(t)
	b := r.consented()
	refresh := r.token(r.tokenForm(r.codeOf(b.get(r.authorizePath())))).text("refresh_token")
	page := b.get("/account")
	for _, want := range []string{"Web &lt;b&gt;", "(this one)", "Adele Vance", "Sign out everywhere"} {
		if !strings.Contains(page.body, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
	if a := b.submit(page, "/account", "action", "remove-app", "id", r.web.ID); a.status != 303 {
		t.Fatalf("%d %s", a.status, a.body)
	}
	if a := r.token(r.refreshForm(refresh)); a.text("error") != "invalid_grant" {
		t.Errorf("after taking it back: %s", a.body)
	}
	if a := b.get(r.authorizePath()); a.status != 200 || !strings.Contains(a.body, "asks to do this") {
		t.Errorf("no question after taking it back: %d", a.status)
	}
	made := b.submit(b.get("/account"), "/account", "action", "create-token", "name", "backup", "access", "read", "days", "30")
	token := r.keep(regexp.MustCompile(`dulypat_[A-Za-z0-9_-]{64}`).FindString(made.body))
	if made.status != 200 || token == "" {
		t.Fatalf("%d %s", made.status, made.body)
	}
	if a := r.api(token, "/v1.0/me/todo/lists"); a.status != 200 {
		t.Errorf("the token: %d %s", a.status, a.body)
	}
	if a := r.browser().send("POST", "/v1.0/me/todo/lists", `{"displayName": "x"}`, "Authorization", "Bearer "+token, "Content-Type", "application/json"); a.status != 403 {
		t.Errorf("the token to read writes: %d %s", a.status, a.body)
	}
	if a := r.api(token[:len(token)-4]+"AAAA", "/v1.0/me/todo/lists"); a.status != 401 {
		t.Errorf("a token that nobody made: %d %s", a.status, a.body)
	}
	if page = b.get("/account"); strings.Contains(page.body, token) || !strings.Contains(page.body, "backup") {
		t.Error("the token is shown again, or not listed")
	}
	for _, days := range []string{"0", "367", "x", ""} {
		if a := b.submit(page, "/account", "action", "create-token", "name", "n", "days", days); a.status != 400 || !strings.Contains(a.body, "A token lasts from 1 to 366 days.") {
			t.Errorf("%q days: %d", days, a.status)
		}
	}
	id := regexp.MustCompile(`name="id" value="([^"]*)">\s*<button class="bad" name="action" value="remove-token"`).FindStringSubmatch(page.body)
	if id == nil {
		t.Fatalf("no button to remove the token: %s", page.body)
	}
	b.submit(page, "/account", "action", "remove-token", "id", id[1])
	if a := r.api(token, "/v1.0/me/todo/lists"); a.status != 401 {
		t.Errorf("the token after its removal: %d %s", a.status, a.body)
	}
	if a := b.submit(page, "/account", "action", "nonsense"); a.status != 400 {
		t.Errorf("an unknown action: %d", a.status)
	}
}

// A one-time link sets the password of a user, or makes the first account.
func TestSetupLink(t *testing.T) {
	t.Parallel()
	r := newRealm(t)
	const password = "four words in a row"
	r.keep(password)
	path, err := r.duly.SetupPath(t.Context(), "")
	r.keep(must(t, path, err))
	b := r.browser()
	for _, tt := range []struct{ name, password, again, want string }{
		{"ada", "short", "short", "The password needs 10 characters or more."},
		{"ada", password, password + "!", "The two passwords are not the same."},
		{"a da", password, password, "A user&#39;s name is a name or an address"},
		{"ada", strings.Repeat("x", 257), strings.Repeat("x", 257), "more than 256 characters"},
	} {
		a := b.submit(b.get(path), path, "username", tt.name, "name", "Ada L", "password", tt.password, "again", tt.again)
		for _, want := range []string{tt.want, `name="username" value="` + tt.name + `"`, `name="name" value="Ada L"`} {
			if a.status != 400 || !strings.Contains(a.body, want) {
				t.Errorf("%s: it lacks %s: %d %s", tt.want, want, a.status, a.body)
			}
		}
	}
	a := b.submit(b.get(path), path, "username", "ada", "name", "Ada", "password", password, "again", password)
	if a.status != 303 {
		t.Fatalf("%d %s", a.status, a.body)
	}
	if page := b.get("/account"); !strings.Contains(page.body, "<strong>Ada</strong>") {
		t.Errorf("not signed in: %s", page.body)
	}
	if a := b.get(path); a.status != 400 || !strings.Contains(a.body, "used already") {
		t.Errorf("the link again: %d", a.status)
	}
	if ok, err := r.duly.AnybodyCanSignIn(t.Context()); err != nil || !ok {
		t.Errorf("nobody can sign in: %v", err)
	}
	path, err = r.duly.SetupPath(t.Context(), adele)
	r.keep(must(t, path, err))
	r.pass(25 * time.Hour)
	if a := b.get(path); a.status != 400 {
		t.Errorf("a link of yesterday: %d", a.status)
	}
	if a := b.get("/setup/dulysu_nonsense"); a.status != 400 {
		t.Errorf("no link: %d", a.status)
	}
}

// M8: over https the cookies are bound to the host, and every sign-in gives new ones.
func TestCookies(t *testing.T) {
	t.Parallel()
	r := newRealmWith(t, duly.Config{BaseURL: "tls", DevUser: adele}, (*httptest.Server).StartTLS)
	b := r.browser()
	given := map[string]string{}
	for round := range 3 {
		a := b.submit(b.get("/account"), "/login", "action", "development")
		if round > 0 { // signed in: the account page has no sign-in form
			page := b.get(r.authorizePath("prompt", "login"))
			a = b.submit(page, "/login", "action", "development")
		}
		last := map[string]string{}
		for _, line := range a.header.Values("Set-Cookie") {
			name, rest, _ := strings.Cut(line, "=")
			value, attributes, _ := strings.Cut(rest, "; ")
			if value == "" {
				continue
			}
			last[name] = value
			if want := regexp.MustCompile(`^Path=/; Max-Age=\d+; HttpOnly; Secure; SameSite=Lax$`); !want.MatchString(attributes) {
				t.Errorf("%s has the attributes %s", name, attributes)
			}
		}
		for _, name := range []string{"__Host-duly-session", "__Host-duly-form"} {
			if last[name] == "" || last[name] == given[name] {
				t.Errorf("round %d: %s is not new", round, name)
			}
		}
		if len(last) != 2 {
			t.Errorf("cookies %d", len(last))
		}
		given = last
	}
	if a := b.get("/common/v2.0/.well-known/openid-configuration", "Host", "evil.example"); a.text("issuer") != r.URL+"/"+r.tenant+"/v2.0" {
		t.Errorf("L247: %s", a.body)
	}
}
