package duly_test

import (
	"crypto/hmac"
	"crypto/sha1"
	"encoding/base32"
	"encoding/binary"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
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
