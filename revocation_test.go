package duly_test

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"regexp"
	"strconv"
	"testing"
	"time"

	"github.com/duly-todo/duly"
)

const lists = "/v1.0/me/todo/lists"

// challengeOf is the nbf that an answer asks for in the words of continuous
// access evaluation, or the error code that it has otherwise.
func challengeOf(t testing.TB, a *answer) (code string, notBefore int64) {
	t.Helper()
	header := a.header.Get("WWW-Authenticate")
	m := regexp.MustCompile(`^Bearer realm="", authorization_uri="[^"]+", client_id="[^"]+", error="([^"]+)"(?:, claims="([^"]+)")?`).FindStringSubmatch(header)
	if a.status != http.StatusUnauthorized || m == nil || a.json["error"].(map[string]any)["code"] != "InvalidAuthenticationToken" {
		t.Fatalf("got %d %s %s", a.status, header, a.body)
	}
	if m[2] == "" {
		return m[1], 0
	}
	text, err := base64.StdEncoding.DecodeString(m[2])
	check(t, err)
	var claims struct {
		AccessToken struct {
			NotBefore struct {
				Essential bool   `json:"essential"`
				Value     string `json:"value"`
			} `json:"nbf"`
		} `json:"access_token"`
	}
	check(t, json.Unmarshal(text, &claims))
	notBefore, err = strconv.ParseInt(claims.AccessToken.NotBefore.Value, 10, 64)
	if err != nil || !claims.AccessToken.NotBefore.Essential {
		t.Errorf("the claims are %s", text)
	}
	return m[1], notBefore
}

// What ends an access token is felt by the next request, and by no other token.
func TestRevocation(t *testing.T) {
	t.Parallel()
	revoke := func(r *realm, token string) {
		a := r.browser().post("/common/oauth2/v2.0/revoke", values("client_id", r.web.ID, "client_secret", r.webSecret, "token", token))
		if a.status != 200 {
			r.t.Errorf("revoking: %d %s", a.status, a.body)
		}
	}
	account := func(r *realm, fields ...string) {
		b := r.browser().signIn()
		if a := b.submit(b.get("/account"), "/account", fields...); a.status != 303 {
			r.t.Errorf("the account page: %d %s", a.status, a.body)
		}
	}
	const users = "/v1.0/users/" + adele + "/todo/lists"
	for _, tt := range []struct {
		id, name string
		end      func(r *realm, web *answer) // ends the token of the web application
		code     string                      // of the challenge
		others   bool                        // a token of another application ends as well
		daemon   string                      // the challenge to the daemon's; empty: it goes on
	}{
		{"C79", "the user is signed out everywhere", func(r *realm, _ *answer) { check(r.t, r.duly.SignOut(r.t.Context(), adele)) }, "insufficient_claims", true, ""},
		{"C79", "the user signs out everywhere", func(r *realm, _ *answer) { account(r, "action", "sign-out-everywhere") }, "insufficient_claims", true, ""},
		{"C79", "the user has a new password", func(r *realm, _ *answer) {
			check(r.t, r.duly.SetPassword(r.t.Context(), adele, r.keep("four words in a row")))
		}, "insufficient_claims", true, ""},
		{"C79+", "the user is disabled", func(r *realm, _ *answer) { check(r.t, r.duly.DisableUser(r.t.Context(), adele)) }, "insufficient_claims", true, ""},
		{"C80", "the application is removed", func(r *realm, _ *answer) { check(r.t, r.duly.RemoveApp(r.t.Context(), r.web.ID)) }, "invalid_token", false, ""},
		{"C80+", "it is removed and comes back", func(r *realm, _ *answer) {
			check(r.t, r.duly.RemoveApp(r.t.Context(), r.web.ID))
			_, err := r.duly.AddApp(r.t.Context(), duly.App{ID: r.web.ID, Name: "Web", Kind: "web", RedirectURIs: []string{callback}, Scopes: []string{"Tasks.Read"}})
			check(r.t, err)
		}, "insufficient_claims", false, ""},
		{"C80+", "the application is signed out", func(r *realm, _ *answer) { check(r.t, r.duly.SignOutApp(r.t.Context(), r.web.ID)) }, "insufficient_claims", false, ""},
		{"C80+", "the secrets of the application end", func(r *realm, _ *answer) {
			secret, err := r.duly.AddSecret(r.t.Context(), r.web.ID, time.Hour, 0)
			check(r.t, err)
			r.keep(secret)
		}, "insufficient_claims", false, ""},
		{"C81", "the access token is revoked", func(r *realm, web *answer) { revoke(r, web.text("access_token")) }, "invalid_token", false, ""},
		{"C81+", "the refresh token is revoked", func(r *realm, web *answer) { revoke(r, web.text("refresh_token")) }, "insufficient_claims", false, ""},
		{"C81+", "the user takes the consent back", func(r *realm, _ *answer) { account(r, "action", "remove-app", "id", r.web.ID) }, "insufficient_claims", false, ""},
		{"C81+", "a refresh token comes twice", func(r *realm, web *answer) {
			r.token(r.refreshForm(web.text("refresh_token")))
			r.pass(31 * time.Second)
			r.token(r.refreshForm(web.text("refresh_token")))
		}, "insufficient_claims", false, ""},
		{"C79+", "the daemon is signed out", func(r *realm, web *answer) {
			check(r.t, r.duly.SignOutApp(r.t.Context(), r.daemon.ID))
			check(r.t, r.duly.SignOut(r.t.Context(), adele))
		}, "insufficient_claims", true, "insufficient_claims"},
	} {
		t.Run(tt.id+" "+tt.name, func(t *testing.T) {
			t.Parallel()
			r := newRealm(t)
			web, daemon := r.tokens(), r.token(r.credentialsForm()).text("access_token")
			other, err := r.duly.Token(t.Context(), adele, "Tasks.Read", time.Hour)
			check(t, err)
			r.keep(other)
			for range 2 { // the second time, all is remembered
				for token, path := range map[string]string{web.text("access_token"): lists, other: lists, daemon: users} {
					if a := r.api(token, path); a.status != 200 {
						t.Fatalf("before: %d %s", a.status, a.body)
					}
				}
			}
			r.pass(500 * time.Millisecond)
			tt.end(r, web)
			code, notBefore := challengeOf(t, r.api(web.text("access_token"), lists))
			if code != tt.code || code == "insufficient_claims" && notBefore != r.time().Unix() {
				t.Errorf("the challenge is %s, not before %d; want %s", code, notBefore, tt.code)
			}
			if a := r.api(other, lists); (a.status == 401) != tt.others {
				t.Errorf("another token: %d %s", a.status, a.body)
			}
			a := r.api(daemon, users)
			if tt.daemon == "" && a.status != 200 {
				t.Errorf("the daemon: %d %s", a.status, a.body)
			} else if tt.daemon != "" {
				if code, _ := challengeOf(t, a); code != tt.daemon {
					t.Errorf("the challenge to the daemon is %s", code)
				}
			}
			// In the same second, whoever may have a new token can use it.
			if a := r.api(r.token(r.credentialsForm()).text("access_token"), users); a.status != 200 {
				t.Errorf("a new token: %d %s", a.status, a.body)
			}
		})
	}
}

// Who is disabled gets nothing, whatever the token, and all again afterwards but
// what was ended.
func TestDisabledUser(t *testing.T) {
	t.Parallel()
	r := newRealm(t)
	b := r.browser().signIn()
	page := b.submit(b.get("/account"), "/account", "action", "create-token", "name", "backup", "access", "read", "days", "30")
	personal := r.keep(regexp.MustCompile(`dulypat_[A-Za-z0-9_-]+`).FindString(page.body))
	tokens := r.tokens()
	for _, token := range []string{personal, tokens.text("access_token")} {
		if a := r.api(token, lists); a.status != 200 {
			t.Fatalf("before: %d %s", a.status, a.body)
		}
	}
	r.pass(time.Second)
	check(t, r.duly.DisableUser(t.Context(), adele))
	late, err := r.duly.Token(t.Context(), adele, "Tasks.Read", time.Hour)
	check(t, err)
	r.keep(late)
	for name, token := range map[string]string{"personal": personal, "made by the operator since": late} {
		if code, _ := challengeOf(t, r.api(token, lists)); code != "invalid_token" {
			t.Errorf("%s: %s", name, code)
		}
	}
	if a := r.token(r.refreshForm(tokens.text("refresh_token"))); a.status != 400 || a.text("error") != "invalid_grant" {
		t.Errorf("refreshing: %d %s", a.status, a.body)
	}
	if a := b.get("/account"); a.status != 200 || hidden(a.body, "continue") == "" {
		t.Errorf("the session goes on: %d %s", a.status, a.body)
	}
	check(t, r.duly.EnableUser(t.Context(), adele))
	again := r.token(r.tokenForm(r.codeOf(r.browser().signIn().get(r.authorizePath()))))
	for name, token := range map[string]string{"personal": personal, "made by the operator since": late, "of a new sign-in": again.text("access_token")} {
		if a := r.api(token, lists); a.status != 200 {
			t.Errorf("enabled again, %s: %d %s", name, a.status, a.body)
		}
	}
	if code, _ := challengeOf(t, r.api(tokens.text("access_token"), lists)); code != "insufficient_claims" {
		t.Errorf("the token of before: %s", code)
	}
}

// Whoever sends bad tokens without end waits for the next window, before any
// signature is checked; a token that is known, and other addresses, go on.
func TestTooManyBadTokens(t *testing.T) {
	t.Parallel()
	r := newRealmWith(t, duly.Config{DevUser: adele, TrustedProxies: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}}, (*httptest.Server).Start)
	good := func() string {
		token, err := r.duly.Token(t.Context(), adele, "Tasks.Read", time.Hour)
		return r.keep(must(t, token, err))
	}
	b := r.browser()
	send := func(token, from, path string) *answer {
		return b.get(path, "Authorization", "Bearer "+token, "X-Forwarded-For", from)
	}
	known, fresh := good(), good()
	if a := send(known, "192.0.2.1", lists); a.status != 200 {
		t.Fatalf("before: %d %s", a.status, a.body)
	}
	forged := known[:len(known)-8] + "AAAAAAAA"
	const bad = 1_000
	for n := range bad {
		token := "dulypat_nonsense"
		if n%2 == 0 {
			token = forged
		}
		if a := send(token, "192.0.2.1", lists); a.status != 401 {
			t.Fatalf("bad token %d: %d %s", n, a.status, a.body)
		}
	}
	for _, token := range []string{forged, fresh, "dulypat_nonsense"} {
		a := send(token, "192.0.2.1", lists)
		if a.status != 429 || a.header.Get("Retry-After") != "10" || a.json["error"].(map[string]any)["code"] != "TooManyRequests" {
			t.Errorf("one more: %d %v %s", a.status, a.header, a.body)
		}
	}
	if a := send(fresh, "192.0.2.1", "/common/openid/userinfo"); a.status != 429 || a.header.Get("Retry-After") != "10" {
		t.Errorf("userinfo: %d %s", a.status, a.body)
	}
	if a := send(known, "192.0.2.1", lists); a.status != 200 {
		t.Errorf("a known token: %d %s", a.status, a.body)
	}
	if a := send(fresh, "192.0.2.2", lists); a.status != 200 {
		t.Errorf("another address: %d %s", a.status, a.body)
	}
	if a := send(forged, "192.0.2.2", lists); a.status != 401 {
		t.Errorf("a bad token of another address: %d %s", a.status, a.body)
	}
	r.pass(10 * time.Second)
	if a := send(good(), "192.0.2.1", lists); a.status != 200 {
		t.Errorf("in the next window: %d %s", a.status, a.body)
	}
}
