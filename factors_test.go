package duly_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/base32"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"html"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-webauthn/webauthn/protocol/webauthncbor"
)

const secretWords = "four words in a row"

// atLocalhost is a realm by a name, which passkeys need, where Adele has a password.
func atLocalhost(t testing.TB) *realm {
	r := newRealm(t)
	r.URL = strings.Replace(r.URL, "127.0.0.1", "localhost", 1)
	check(t, r.duly.SetPassword(t.Context(), adele, r.keep(secretWords)))
	return r
}

// password sends the form for the name and the password.
func (b *browser) password(password string) *answer {
	b.r.t.Helper()
	page := b.get("/account")
	if !strings.Contains(page.body, "<h1>Sign in</h1>") {
		page = b.get(b.r.authorizePath("prompt", "login"))
	}
	return b.submit(page, "/login", "username", adele, "password", password)
}

func isSignedIn(b *browser) bool { return strings.Contains(b.get("/account").body, "Signed in as") }

// An authApp makes codes as an authenticator app does (RFC 6238).
type authApp struct {
	r        *realm
	key      []byte
	recovery []string
}

// code is the code some periods from now.
func (a *authApp) code(periods int64) string {
	h := hmac.New(sha1.New, a.key)
	h.Write(binary.BigEndian.AppendUint64(nil, uint64(a.r.time().Unix()/30+periods)))
	sum := h.Sum(nil)
	return fmt.Sprintf("%06d", binary.BigEndian.Uint32(sum[sum[19]&15:])&0x7fff_ffff%1_000_000)
}

// newApp sets an app up in a browser that is signed in.
func (b *browser) newApp() *authApp {
	b.r.t.Helper()
	page := b.get("/account/authenticator")
	key, err := base32.StdEncoding.DecodeString(b.r.keep(hidden(page.body, "key")))
	check(b.r.t, err)
	app := &authApp{r: b.r, key: key}
	a := b.submit(page, "/account/authenticator", "key", hidden(page.body, "key"), "proof", hidden(page.body, "proof"), "code", app.code(0))
	app.recovery = regexp.MustCompile(`[a-z2-7]{4}(?:-[a-z2-7]{4}){3}`).FindAllString(a.body, -1)
	if a.status != 200 || len(app.recovery) != 10 {
		b.r.t.Fatalf("setting up an app: %d %s", a.status, a.body)
	}
	for _, code := range app.recovery {
		b.r.keep(code)
	}
	b.r.pass(30 * time.Second) // the code of this period was used
	return app
}

// What follows a right password, and whether it lets its sender in.
func TestCodeRows(t *testing.T) {
	t.Parallel()
	const wrong, late = "The code is not right, or was used before.", "That took too long, or began in another browser."
	code := func(b *browser, page *answer, code string) *answer {
		return b.submit(page, "/login", "action", "code", "code", code)
	}
	for _, tt := range []struct {
		name   string
		do     func(b *browser, app *authApp) *answer
		status int
		words  string
	}{
		{"control", func(b *browser, app *authApp) *answer { return code(b, b.password(secretWords), app.code(0)) }, 303, ""},
		{"with spaces", func(b *browser, app *authApp) *answer {
			c := app.code(0)
			return code(b, b.password(secretWords), " "+c[:3]+" "+c[3:]+" ")
		}, 303, ""},
		{"of the period before", func(b *browser, app *authApp) *answer {
			b.r.pass(30 * time.Second)
			return code(b, b.password(secretWords), app.code(-1))
		}, 303, ""},
		{"of the next period", func(b *browser, app *authApp) *answer { return code(b, b.password(secretWords), app.code(1)) }, 303, ""},
		{"two periods old", func(b *browser, app *authApp) *answer {
			b.r.pass(time.Minute)
			return code(b, b.password(secretWords), app.code(-2))
		}, 401, wrong},
		{"two periods early", func(b *browser, app *authApp) *answer { return code(b, b.password(secretWords), app.code(2)) }, 401, wrong},
		{"the one that set it up", func(b *browser, app *authApp) *answer { return code(b, b.password(secretWords), app.code(-1)) }, 401, wrong},
		{"none", func(b *browser, _ *authApp) *answer { return code(b, b.password(secretWords), "") }, 401, wrong},
		{"used in another browser", func(b *browser, app *authApp) *answer {
			other := b.r.browser()
			if a := code(other, other.password(secretWords), app.code(0)); a.status != 303 {
				b.r.t.Errorf("the first time: %d", a.status)
			}
			return code(b, b.password(secretWords), app.code(0))
		}, 401, wrong},
		{"older than one that was used", func(b *browser, app *authApp) *answer {
			other := b.r.browser()
			code(other, other.password(secretWords), app.code(1))
			return code(b, b.password(secretWords), app.code(0))
		}, 401, wrong},
		{"the same form again", func(b *browser, app *authApp) *answer {
			page := b.password(secretWords)
			code(b, page, app.code(0))
			b.r.pass(30 * time.Second)
			return code(b, page, app.code(0))
		}, 400, "The form is too old, or was not made in this browser."},
		{"ten minutes after the password", func(b *browser, app *authApp) *answer {
			page := b.password(secretWords)
			b.r.pass(10 * time.Minute)
			return code(b, page, app.code(0))
		}, 401, late},
		{"without a password", func(b *browser, app *authApp) *answer { return code(b, b.get("/account"), app.code(0)) }, 401, late},
		{"after a wrong password", func(b *browser, app *authApp) *answer {
			a := b.password("not the password")
			if a.status != 401 || !strings.Contains(a.body, "<h1>Sign in</h1>") {
				b.r.t.Errorf("a wrong password: %d", a.status)
			}
			return code(b, a, app.code(0))
		}, 401, late},
		{"with the cookie of another browser", func(b *browser, app *authApp) *answer {
			a := b.r.browser().password(secretWords)
			page := b.get("/account")
			return b.post("/login", values("action", "code", "code", app.code(0), "csrf", hidden(page.body, "csrf"), "continue", hidden(page.body, "continue")), "Cookie", cookies(a))
		}, 401, late},
		{"after the password was changed", func(b *browser, app *authApp) *answer {
			page := b.password(secretWords)
			check(b.r.t, b.r.duly.SetPassword(b.r.t.Context(), adele, secretWords+"!"))
			return code(b, page, app.code(0))
		}, 401, late},
		{"of a user who was disabled", func(b *browser, app *authApp) *answer {
			page := b.password(secretWords)
			check(b.r.t, b.r.duly.DisableUser(b.r.t.Context(), adele))
			return code(b, page, app.code(0))
		}, 401, late},
		{"a recovery code", func(b *browser, app *authApp) *answer { return code(b, b.password(secretWords), app.recovery[9]) }, 303, ""},
		{"a recovery code as one word in upper case", func(b *browser, app *authApp) *answer {
			return code(b, b.password(secretWords), strings.ToUpper(strings.ReplaceAll(app.recovery[9], "-", "")))
		}, 303, ""},
		{"a recovery code twice", func(b *browser, app *authApp) *answer {
			other := b.r.browser()
			code(other, other.password(secretWords), app.recovery[0])
			return code(b, b.password(secretWords), app.recovery[0])
		}, 401, wrong},
		{"ten wrong ones", func(b *browser, app *authApp) *answer {
			page := b.password(secretWords)
			for range 10 {
				if a := code(b, page, "000000"); a.status != 401 || !strings.Contains(a.body, wrong) {
					b.r.t.Errorf("a wrong code: %d", a.status)
				}
			}
			other := b.r.browser()
			return code(other, other.password(secretWords), app.code(0))
		}, 429, "There were too many attempts to sign in."},
		{"ten wrong ones, an hour later", func(b *browser, app *authApp) *answer {
			page := b.password(secretWords)
			for range 11 {
				code(b, page, "000000")
			}
			b.r.pass(time.Hour)
			return code(b, b.password(secretWords), app.code(0))
		}, 303, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := atLocalhost(t)
			app := r.browser().signIn().newApp()
			b := r.browser()
			a := tt.do(b, app)
			if a.status != tt.status || !strings.Contains(a.body, tt.words) {
				t.Errorf("got %d, want %d %s: %s", a.status, tt.status, tt.words, a.body)
			}
			if in := isSignedIn(b); in != (tt.status == 303) && tt.name != "the same form again" {
				t.Errorf("signed in: %v", in)
			}
		})
	}
}

// Who may change how to sign in, and what becomes of other sessions.
func TestFactorChanges(t *testing.T) {
	t.Parallel()
	r := atLocalhost(t)
	b, other := r.browser().signIn(), r.browser().signIn()
	page := b.get("/account/authenticator")
	if a := b.submit(page, "/account/authenticator", "key", strings.Repeat("A", 32), "proof", hidden(page.body, "proof"), "code", "000000"); a.status != 400 || !strings.Contains(a.body, "too old") {
		t.Errorf("a key of one's own: %d %s", a.status, a.body)
	}
	if a := b.submit(page, "/account/authenticator", "key", hidden(page.body, "key"), "proof", hidden(page.body, "proof"), "code", "000000"); a.status != 400 || hidden(a.body, "key") != hidden(page.body, "key") {
		t.Errorf("a wrong code: %d %s", a.status, a.body)
	}
	app := b.newApp()
	if isSignedIn(other) || !isSignedIn(b) {
		t.Error("a new app left the other session, or ended its own")
	}
	if a := b.submit(page, "/account/authenticator", "key", hidden(page.body, "key"), "proof", hidden(page.body, "proof"), "code", app.code(0)); a.status != 400 {
		t.Errorf("the form of before: %d", a.status)
	}
	made := b.submit(b.get("/account"), "/account", "action", "new-recovery-codes")
	if made.status != 200 || strings.Contains(made.body, app.recovery[0]) {
		t.Errorf("new codes: %d %s", made.status, made.body)
	}
	again := r.browser()
	if a := again.submit(again.password(secretWords), "/login", "action", "code", "code", app.recovery[0]); a.status != 401 {
		t.Errorf("a recovery code of before: %d", a.status)
	}
	r.pass(10 * time.Minute) // since the sign-in
	account := b.get("/account")
	for _, action := range []string{"new-recovery-codes", "remove-authenticator", "remove-passkey"} {
		if a := b.submit(account, "/account", "action", action); a.status != 200 || !strings.Contains(a.body, "sign in again") {
			t.Errorf("%s: %d %s", action, a.status, a.body)
		}
	}
	for _, path := range []string{"/account/authenticator", "/account/passkey", "/account/password"} {
		if a := b.get(path); a.status != 200 || !strings.Contains(a.body, "sign in again") || !strings.Contains(a.body, `value="`+adele+`"`) {
			t.Errorf("%s: %d %s", path, a.status, a.body)
		}
		if a := b.submit(account, path, "password", secretWords+"!", "again", secretWords+"!"); a.status != 200 || !strings.Contains(a.body, "sign in again") {
			t.Errorf("%s by POST: %d %s", path, a.status, a.body)
		}
		if a := r.browser().get(path); !strings.Contains(a.body, "<h1>Sign in</h1>") {
			t.Errorf("%s by nobody: %d", path, a.status)
		}
	}
	if a := b.submit(b.password(secretWords), "/login", "action", "code", "code", app.code(0)); a.status != 303 {
		t.Fatalf("signing in again: %d %s", a.status, a.body)
	}
	third := r.browser()
	third.submit(third.password(secretWords), "/login", "action", "code", "code", app.code(1))
	if a := b.submit(b.get("/account"), "/account", "action", "remove-authenticator"); a.status != 303 || isSignedIn(third) {
		t.Errorf("removing it: %d, and the other is signed in: %v", a.status, isSignedIn(third))
	}
	if a := b.submit(b.get("/account"), "/account", "action", "new-recovery-codes"); a.status != 400 {
		t.Errorf("codes for no app: %d", a.status)
	}
	if a := third.password(secretWords); a.status != 303 {
		t.Errorf("the password alone: %d", a.status)
	}
	change := b.get("/account/password")
	if a := b.submit(change, "/account/password", "password", secretWords+"!", "again", secretWords); a.status != 400 || !strings.Contains(a.body, "not the same") {
		t.Errorf("two passwords: %d", a.status)
	}
	if a := b.submit(change, "/account/password", "password", secretWords+"!", "again", secretWords+"!"); a.status != 303 || !isSignedIn(b) || isSignedIn(third) {
		t.Errorf("a new password: %d, %v, %v", a.status, isSignedIn(b), isSignedIn(third))
	}
	if a := third.password(secretWords); a.status != 401 {
		t.Errorf("the old password: %d", a.status)
	}
}

// A link for a new password is no way around the code, and who has lost all can
// be helped.
func TestSetupLinkAndReset(t *testing.T) {
	t.Parallel()
	r := atLocalhost(t)
	app := r.browser().signIn().newApp()
	path, err := r.duly.SetupPath(t.Context(), adele)
	r.keep(must(t, path, err))
	b := r.browser()
	a := b.submit(b.get(path), path, "password", secretWords+"!", "again", secretWords+"!")
	if a.status != 200 || !strings.Contains(a.body, "<h1>Enter your code</h1>") || isSignedIn(b) {
		t.Errorf("after the link: %d %s", a.status, a.body)
	}
	if a := b.submit(a, "/login", "action", "code", "code", app.code(0)); a.status != 303 {
		t.Errorf("the code: %d %s", a.status, a.body)
	}
	b.newPasskey()
	check(t, r.duly.ResetFactors(t.Context(), adele))
	if isSignedIn(b) {
		t.Error("the session is still there")
	}
	if a := b.password(secretWords + "!"); a.status != 303 {
		t.Errorf("the password alone: %d %s", a.status, a.body)
	}
	if page := b.get("/account"); strings.Contains(page.body, "Passkey: ") {
		t.Error("the passkey is still there")
	}
}

// An id_token says how its user signed in, the first one and those after.
func TestMethods(t *testing.T) {
	t.Parallel()
	r := atLocalhost(t)
	b := r.consented()
	want := func(how string, methods ...any) {
		t.Helper()
		a := r.token(r.tokenForm(r.codeOf(b.get(r.authorizePath()))))
		for name, token := range map[string]string{"first": a.text("id_token"), "second": r.token(r.refreshForm(a.text("refresh_token"))).text("id_token")} {
			if got, _ := claimsOf(t, token)["amr"].([]any); !slices.Equal(got, methods) {
				t.Errorf("%s: the %s amr is %v", how, name, got)
			}
		}
	}
	want("development")
	b.password(secretWords)
	want("password", "pwd")
	app, key := b.newApp(), b.newPasskey()
	b.submit(b.password(secretWords), "/login", "action", "code", "code", app.code(0))
	want("code", "pwd", "otp", "mfa")
	b.passkey(b.get(r.authorizePath("prompt", "login")), key)
	want("passkey", "fido", "mfa")
}

// A passkey is an authenticator with one passkey, which says what it is told to.
type passkey struct {
	r                  *realm
	private            *ecdsa.PrivateKey
	id, handle         []byte
	counter            uint32
	flags              byte
	origin, host, kind string // empty: the right ones
	challenge          string
}

const (
	userPresent, userVerified, keyAttached = 1, 4, 64
)

// options are what the page asks the browser for.
func options(t testing.TB, page *answer) map[string]any {
	t.Helper()
	m := regexp.MustCompile(`data-options="([^"]*)"`).FindStringSubmatch(page.body)
	if m == nil {
		t.Fatalf("the page asks for no passkey: %d %s", page.status, page.body)
	}
	var o map[string]any
	check(t, json.Unmarshal([]byte(html.UnescapeString(m[1])), &o))
	return o
}

func b64(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

func (r *realm) newAuthenticator() *passkey {
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	id := make([]byte, 16)
	rand.Read(id)
	return &passkey{r: r, private: must(r.t, private, err), id: id, flags: userPresent | userVerified}
}

func (p *passkey) or(s, other string) string {
	if s != "" {
		return s
	}
	return other
}

func (p *passkey) clientData(kind string, o map[string]any) []byte {
	b, err := json.Marshal(map[string]any{
		"type": p.or(p.kind, kind), "challenge": p.or(p.challenge, o["challenge"].(string)), "origin": p.or(p.origin, p.r.URL), "crossOrigin": false,
	})
	return must(p.r.t, b, err)
}

func (p *passkey) data(host string, flags byte) []byte {
	hash := sha256.Sum256([]byte(p.or(p.host, host)))
	return binary.BigEndian.AppendUint32(append(hash[:], p.flags|flags), p.counter)
}

// create makes the passkey (WebAuthn section 6.5), without attestation.
func (p *passkey) create(o map[string]any) string {
	t := p.r.t
	user := o["user"].(map[string]any)
	handle, err := base64.RawURLEncoding.DecodeString(user["id"].(string))
	p.handle = must(t, handle, err)
	point, err := p.private.PublicKey.Bytes()
	check(t, err)
	key, err := webauthncbor.Marshal(map[int]any{1: 2, 3: -7, -1: 1, -2: point[1:33], -3: point[33:]})
	check(t, err)
	data := append(p.data("localhost", keyAttached), make([]byte, 16)...)
	data = append(binary.BigEndian.AppendUint16(data, uint16(len(p.id))), p.id...)
	object, err := webauthncbor.Marshal(map[string]any{"fmt": "none", "attStmt": map[string]any{}, "authData": append(data, key...)})
	check(t, err)
	text, err := json.Marshal(map[string]any{
		"id": b64(p.id), "rawId": b64(p.id), "type": "public-key", "authenticatorAttachment": "platform", "clientExtensionResults": map[string]any{},
		"response": map[string]any{"clientDataJSON": b64(p.clientData("webauthn.create", o)), "attestationObject": b64(object), "transports": []string{"internal", "<b>"}},
	})
	return string(must(t, text, err))
}

// get signs in with the passkey.
func (p *passkey) get(o map[string]any) string {
	t := p.r.t
	client, data := p.clientData("webauthn.get", o), p.data("localhost", 0)
	hash := sha256.Sum256(client)
	sum := sha256.Sum256(append(slices.Clone(data), hash[:]...))
	signature, err := ecdsa.SignASN1(rand.Reader, p.private, sum[:])
	check(t, err)
	text, err := json.Marshal(map[string]any{
		"id": b64(p.id), "rawId": b64(p.id), "type": "public-key", "authenticatorAttachment": "platform", "clientExtensionResults": map[string]any{},
		"response": map[string]any{"clientDataJSON": b64(client), "authenticatorData": b64(data), "signature": b64(signature), "userHandle": b64(p.handle)},
	})
	return string(must(t, text, err))
}

// newPasskey adds a passkey in a browser that is signed in.
func (b *browser) newPasskey() *passkey {
	b.r.t.Helper()
	page := b.get("/account/passkey")
	p := b.r.newAuthenticator()
	p.counter = 7
	if a := b.submit(page, "/account/passkey", "name", "Key <1>", "credential", p.create(options(b.r.t, page))); a.status != 303 {
		b.r.t.Fatalf("adding a passkey: %d %s", a.status, a.body)
	}
	p.counter++
	return p
}

// passkey signs in on a page.
func (b *browser) passkey(page *answer, p *passkey) *answer {
	b.r.t.Helper()
	return b.submit(page, "/login", "action", "passkey", "credential", p.get(options(b.r.t, page)))
}

func TestPasskeyRows(t *testing.T) {
	t.Parallel()
	const refused, late, unread = "This passkey does not let you in here.", "That took too long. Try again.", "The form holds no answer of a passkey that can be read."
	as := func(change func(p *passkey)) func(*browser, *passkey) *answer {
		return func(b *browser, p *passkey) *answer {
			change(p)
			return b.passkey(b.get("/account"), p)
		}
	}
	for _, tt := range []struct {
		name   string
		do     func(b *browser, p *passkey) *answer
		status int
		words  string
	}{
		{"control", as(func(*passkey) {}), 303, ""},
		{"another origin", as(func(p *passkey) { p.origin = "https://evil.example" }), 401, refused},
		{"another port", as(func(p *passkey) { p.origin = "http://localhost:1" }), 401, refused},
		{"another relying party", as(func(p *passkey) { p.host = "evil.example" }), 401, refused},
		{"without user verification", as(func(p *passkey) { p.flags = userPresent }), 401, refused},
		{"without presence", as(func(p *passkey) { p.flags = userVerified }), 401, refused},
		{"signed as a registration", as(func(p *passkey) { p.kind = "webauthn.create" }), 401, refused},
		{"another key", as(func(p *passkey) { p.private = p.r.newAuthenticator().private }), 401, refused},
		{"another id", as(func(p *passkey) { p.id = bytes.Repeat([]byte{1}, 16) }), 401, refused},
		{"another user", as(func(p *passkey) { p.handle = bytes.Repeat([]byte{1}, 16) }), 401, refused},
		{"no user", as(func(p *passkey) { p.handle = nil }), 400, unread},
		{"the counter stands", as(func(p *passkey) { p.counter = 7 }), 401, refused},
		{"the counter goes back", as(func(p *passkey) { p.counter = 1 }), 401, refused},
		{"the counter is gone", as(func(p *passkey) { p.counter = 0 }), 401, refused},
		{"no challenge of ours", as(func(p *passkey) { p.challenge = b64(make([]byte, 64)) }), 401, late},
		{"an empty challenge", as(func(p *passkey) { p.challenge = "AA" }), 401, late},
		{"the challenge of a registration", func(b *browser, p *passkey) *answer {
			b.signIn()
			p.challenge = options(b.r.t, b.get("/account/passkey"))["challenge"].(string)
			return b.passkey(b.get(b.r.authorizePath("prompt", "login")), p)
		}, 401, late},
		{"the challenge of another browser", func(b *browser, p *passkey) *answer {
			p.challenge = options(b.r.t, b.r.browser().get("/account"))["challenge"].(string)
			return b.passkey(b.get("/account"), p)
		}, 401, late},
		{"a challenge of ten minutes ago", func(b *browser, p *passkey) *answer {
			page := b.get("/account")
			b.r.pass(10 * time.Minute)
			return b.passkey(page, p)
		}, 401, late},
		{"a challenge again", func(b *browser, p *passkey) *answer {
			page := b.get("/account")
			form := values("csrf", hidden(page.body, "csrf"), "continue", hidden(page.body, "continue"), "action", "passkey", "credential", p.get(options(b.r.t, page)))
			first := b.post("/login", form, "Cookie", "")
			if first.status != 303 {
				b.r.t.Errorf("the first time: %d", first.status)
			}
			old := b.r.browser() // with the cookie of before
			p.counter++
			form.Set("credential", p.get(options(b.r.t, page)))
			return old.post("/login", form, "Cookie", cookies(page))
		}, 401, refused},
		{"no JSON", func(b *browser, _ *passkey) *answer {
			return b.submit(b.get("/account"), "/login", "action", "passkey", "credential", "{")
		}, 400, unread},
		{"a JSON of something else", func(b *browser, _ *passkey) *answer {
			return b.submit(b.get("/account"), "/login", "action", "passkey", "credential", `{"id":"AA","rawId":"AA","type":"public-key","response":{}}`)
		}, 400, unread},
		{"a form of nobody", func(b *browser, p *passkey) *answer {
			return b.r.browser().post("/login", values("action", "passkey", "credential", p.get(options(b.r.t, b.get("/account")))))
		}, 400, "The form is too old"},
		{"removed", func(b *browser, p *passkey) *answer {
			page := b.get("/account")
			owner := b.r.browser().signIn()
			if a := owner.submit(owner.get("/account"), "/account", "action", "remove-passkey", "id", b64(p.id)); a.status != 303 {
				b.r.t.Errorf("removing: %d", a.status)
			}
			return b.passkey(page, p)
		}, 401, refused},
		{"of a user who was disabled", func(b *browser, p *passkey) *answer {
			check(b.r.t, b.r.duly.DisableUser(b.r.t.Context(), adele))
			return b.passkey(b.get("/account"), p)
		}, 401, refused},
		{"fifty wrong ones from one address", func(b *browser, p *passkey) *answer {
			bad := *p
			bad.private = b.r.newAuthenticator().private
			for range 50 {
				b.passkey(b.get("/account"), &bad)
			}
			return b.passkey(b.get("/account"), p)
		}, 429, "There were too many attempts to sign in."},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := atLocalhost(t)
			p := r.browser().signIn().newPasskey()
			b := r.browser()
			a := tt.do(b, p)
			if a.status != tt.status || !strings.Contains(a.body, tt.words) {
				t.Errorf("got %d, want %d %s: %s", a.status, tt.status, tt.words, a.body)
			}
			if in := strings.Contains(strings.Join(a.header.Values("Set-Cookie"), " "), "duly-session=dulyse_"); in != (tt.status == 303) {
				t.Errorf("signed in: %v", in)
			}
		})
	}
}

// A synced passkey has no counter: it stays at zero.
func TestPasskeyWithoutCounter(t *testing.T) {
	t.Parallel()
	r := atLocalhost(t)
	b := r.browser().signIn()
	page := b.get("/account/passkey")
	p := r.newAuthenticator()
	p.flags |= 8 | 16 // may be backed up, and is
	if a := b.submit(page, "/account/passkey", "name", "Phone", "credential", p.create(options(t, page))); a.status != 303 {
		t.Fatalf("%d %s", a.status, a.body)
	}
	for range 2 {
		b := r.browser()
		if a := b.passkey(b.get("/account"), p); a.status != 303 || !isSignedIn(b) {
			t.Errorf("%d %s", a.status, a.body)
		}
	}
}

func TestAddPasskeyRows(t *testing.T) {
	t.Parallel()
	const notMade = "The passkey was not made in time, or not for this server. Try again."
	as := func(change func(p *passkey)) func(*browser, *answer, *passkey) *answer {
		return func(b *browser, page *answer, p *passkey) *answer {
			change(p)
			return b.submit(page, "/account/passkey", "name", "Key", "credential", p.create(options(b.r.t, page)))
		}
	}
	for _, tt := range []struct {
		name   string
		do     func(b *browser, page *answer, p *passkey) *answer
		status int
		words  string
	}{
		{"control", as(func(*passkey) {}), 303, ""},
		{"another origin", as(func(p *passkey) { p.origin = "https://evil.example" }), 400, notMade},
		{"another relying party", as(func(p *passkey) { p.host = "evil.example" }), 400, notMade},
		{"without user verification", as(func(p *passkey) { p.flags = userPresent }), 400, notMade},
		{"signed as a sign-in", as(func(p *passkey) { p.kind = "webauthn.get" }), 400, notMade},
		{"no challenge of ours", as(func(p *passkey) { p.challenge = b64(make([]byte, 64)) }), 400, notMade},
		{"the challenge of a sign-in", func(b *browser, page *answer, p *passkey) *answer {
			p.challenge = options(b.r.t, b.get(b.r.authorizePath("prompt", "login")))["challenge"].(string)
			return b.submit(page, "/account/passkey", "name", "Key", "credential", p.create(options(b.r.t, page)))
		}, 400, notMade},
		{"the challenge of another session", func(b *browser, page *answer, p *passkey) *answer {
			p.challenge = options(b.r.t, b.r.browser().signIn().get("/account/passkey"))["challenge"].(string)
			return b.submit(page, "/account/passkey", "name", "Key", "credential", p.create(options(b.r.t, page)))
		}, 400, notMade},
		{"a challenge again", func(b *browser, page *answer, p *passkey) *answer {
			b.submit(page, "/account/passkey", "name", "Key", "credential", p.create(options(b.r.t, page)))
			return b.submit(page, "/account/passkey", "name", "Key", "credential", b.r.newAuthenticator().create(options(b.r.t, page)))
		}, 400, "The form is too old"},
		{"the same passkey again", func(b *browser, page *answer, p *passkey) *answer {
			b.submit(page, "/account/passkey", "name", "Key", "credential", p.create(options(b.r.t, page)))
			page = b.get("/account/passkey")
			excluded, _ := json.Marshal(options(b.r.t, page)["excludeCredentials"])
			if !strings.Contains(string(excluded), b64(p.id)) || !strings.Contains(string(excluded), `["internal"]`) {
				b.r.t.Errorf("excluded are %s", excluded)
			}
			return b.submit(page, "/account/passkey", "name", "Key", "credential", p.create(options(b.r.t, page)))
		}, 400, "This passkey is here already."},
		{"without a name", func(b *browser, page *answer, p *passkey) *answer {
			return b.submit(page, "/account/passkey", "name", " ", "credential", p.create(options(b.r.t, page)))
		}, 400, "Give the passkey a name of at most 120 characters"},
		{"a name that is too long", func(b *browser, page *answer, p *passkey) *answer {
			return b.submit(page, "/account/passkey", "name", strings.Repeat("x", 121), "credential", p.create(options(b.r.t, page)))
		}, 400, "Give the passkey a name of at most 120 characters"},
		{"no JSON", func(b *browser, page *answer, _ *passkey) *answer {
			return b.submit(page, "/account/passkey", "name", "Key", "credential", "[]")
		}, 400, "The form holds no passkey that can be read."},
		{"the twenty-first", func(b *browser, _ *answer, _ *passkey) *answer {
			for range 20 {
				b.newPasskey()
			}
			page := b.get("/account/passkey")
			return b.submit(page, "/account/passkey", "name", "Key", "credential", b.r.newAuthenticator().create(options(b.r.t, page)))
		}, 400, "There are 20 passkeys, and that is the most"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := atLocalhost(t)
			b := r.browser().signIn()
			page := b.get("/account/passkey")
			o := options(t, page)
			selection, _ := o["authenticatorSelection"].(map[string]any)
			if selection["residentKey"] != "required" || selection["userVerification"] != "required" || o["rp"].(map[string]any)["id"] != "localhost" {
				t.Errorf("asked for %v", o)
			}
			other := r.browser().signIn()
			a := tt.do(b, page, r.newAuthenticator())
			if a.status != tt.status || !strings.Contains(a.body, tt.words) {
				t.Errorf("got %d, want %d %s: %s", a.status, tt.status, tt.words, a.body)
			}
			if tt.name == "control" && (isSignedIn(other) || !isSignedIn(b)) {
				t.Error("the other session is still there, or its own is not")
			}
		})
	}
}

// By address, and where the server does not know its name, browsers know no
// passkeys, and the pages do not speak of them.
func TestNoPasskeysByAddress(t *testing.T) {
	t.Parallel()
	r := newRealm(t)
	if page := r.browser().get("/account"); strings.Contains(page.body, "passkey") || strings.Contains(page.header.Get("Content-Security-Policy"), "script-src") {
		t.Errorf("the sign-in page: %s", page.body)
	}
	b := r.browser().signIn()
	if page := b.get("/account"); strings.Contains(page.body, "Add a passkey") {
		t.Error("the account page offers one")
	}
	if a := b.get("/account/passkey"); a.status != 400 || !strings.Contains(a.body, "Passkeys need the server under https and by a name") {
		t.Errorf("the page: %d %s", a.status, a.body)
	}
	if page := r.browser().get("/account", "Host", "todo.example.org"); strings.Contains(page.body, "passkey") {
		t.Error("under a name that nobody configured")
	}
}
