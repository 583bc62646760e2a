package duly_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"html"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-webauthn/webauthn/protocol/webauthncbor"
)

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
