package auth

import (
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/duly-todo/duly/internal/store"
)

// M4: of 200 sign-ins at once two hash, and the others wait or are told to come
// again.
func TestPasswordsAreBounded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var running, most, done, busy atomic.Int64
		p := newPasswords()
		p.hash = func(_, _ []byte, _, _ uint32) []byte {
			if n := running.Add(1); n > most.Load() {
				most.Store(n)
			}
			time.Sleep(100 * time.Millisecond) // of the bubble
			running.Add(-1)
			return nil
		}
		var wg sync.WaitGroup
		for range 200 {
			wg.Go(func() {
				switch _, err := p.check(t.Context(), "", "x"); {
				case err == nil:
					done.Add(1)
				case errors.Is(err, errBusy):
					busy.Add(1)
				default:
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if most.Load() != 2 || done.Load() < 98 || done.Load()+busy.Load() != 200 || busy.Load() == 0 {
			t.Errorf("%d at a time, %d done, %d refused", most.Load(), done.Load(), busy.Load())
		}
	})
}

func TestPasswordHashes(t *testing.T) {
	t.Parallel()
	const password = "four words in a row"
	hash, err := HashPassword(t.Context(), password)
	if err != nil || !strings.HasPrefix(hash, "$argon2id$v=19$m=19456,t=2,p=1$") {
		t.Fatalf("%q, %v", hash, err)
	}
	for _, tt := range []struct {
		name, hash, password string
		right, fails         bool
	}{
		{"right", hash, password, true, false},
		{"wrong", hash, password + " ", false, false},
		{"empty", hash, "", false, false},
		{"no hash", "", password, false, false},
		{"another algorithm", "$2y$10$abc", password, false, true},
		{"too much memory", strings.Replace(hash, "m=19456", "m=4194304", 1), password, false, true},
		{"no key", hash[:strings.LastIndex(hash, "$")], password, false, false},
	} {
		right, err := newPasswords().check(t.Context(), tt.hash, tt.password)
		if right != tt.right || (err != nil) != tt.fails {
			t.Errorf("%s: %v, %v", tt.name, right, err)
		}
	}
	for _, short := range []string{"", "nine char", strings.Repeat("x", 257), "\xff23456789012"} {
		if _, err := HashPassword(t.Context(), short); err == nil {
			t.Errorf("%.20q is taken", short)
		}
	}
}

func TestLimiter(t *testing.T) {
	t.Parallel()
	now := testTime()
	l := newLimiter(2, time.Minute)
	for n, want := range []time.Duration{0, 0, time.Minute} {
		if got := l.take("a", now); got != want {
			t.Errorf("attempt %d waits %v, not %v", n, got, want)
		}
	}
	if got := l.take("b", now); got != 0 {
		t.Errorf("another name waits %v", got)
	}
	if l.giveBack("a"); l.take("a", now) != 0 {
		t.Error("an attempt that was given back counts")
	}
	if got := l.take("a", now.Add(time.Minute)); got != 0 {
		t.Errorf("in the next window one waits %v", got)
	}
	for n := range limiterSize + 10 {
		l.take(fmt.Sprint(n), now.Add(time.Minute))
	}
	if len(l.counts) > limiterSize {
		t.Errorf("%d names are remembered", len(l.counts))
	}
}

// M2: X-Forwarded-For counts as far as it was written by proxies of ours.
func TestAddress(t *testing.T) {
	t.Parallel()
	i := &Issuer{IssuerOptions: IssuerOptions{TrustedProxies: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}}}
	for _, tt := range []struct{ peer, forwarded, want string }{
		{"192.0.2.1:5", "", "192.0.2.1"},
		{"192.0.2.1:5", "198.51.100.7", "192.0.2.1"},
		{"10.0.0.1:5", "198.51.100.7", "198.51.100.7"},
		{"10.0.0.1:5", "203.0.113.9, 198.51.100.7", "198.51.100.7"},
		{"10.0.0.1:5", "198.51.100.7, 10.0.0.2", "198.51.100.7"},
		{"10.0.0.1:5", "nonsense", "10.0.0.1"},
		{"10.0.0.1:5", "", "10.0.0.1"},
		{"[::ffff:10.0.0.1]:5", "198.51.100.7", "198.51.100.7"},
		{"[2001:db8::1]:5", "", "2001:db8::/64"},
	} {
		r := &http.Request{RemoteAddr: tt.peer, Header: http.Header{"X-Forwarded-For": {tt.forwarded}}}
		if got := (&call{Request: r, i: i}).addressGroup(); got != tt.want {
			t.Errorf("%s for %q: %s, not %s", tt.peer, tt.forwarded, got, tt.want)
		}
	}
}

// M15: which redirect URIs may be registered.
func TestCheckRedirectURI(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ uri, want string }{
		{"https://app.example/cb", ""},
		{"https://app.example", ""},
		{"https://app.example/cb?tenant=a", ""},
		{"http://localhost", ""},
		{"http://localhost:8400/cb", ""},
		{"http://127.0.0.1/cb", ""},
		{"http://[::1]:80/", ""},
		{"com.example.todo:/signed-in", ""},
		{"msal4f1c0000-0000-4000-8000-000000000000://auth", ""},
		{"", "is no URI"},
		{"https://*.app.example/cb", "must not have a wildcard"},
		{"https://app.example/*", "must not have a wildcard"},
		{"https://app.example/cb#", "must not have a fragment"},
		{"https://app.example/cb#x", "must not have a fragment"},
		{"javascript:alert(1)", "must begin with https:// or http://localhost"},
		{"JavaScript:alert(1)", "must begin with https:// or http://localhost"},
		{"data:text/html,x", "must begin with https:// or http://localhost"},
		{"vbscript:x", "must begin with https:// or http://localhost"},
		{"file:///etc/passwd", "must begin with https:// or http://localhost"},
		{"http://app.example/cb", "must be https"},
		{"http://localhost.evil.example/cb", "must be https"},
		{"http://192.168.0.1/cb", "must be https"},
		{"http://0.0.0.0/cb", "must be https"},
		{"https://user@app.example/cb", "must not name a user"},
		{"https:///cb", "must begin with https:// or http://localhost"},
		{"todo:/signed-in", "must begin with https:// or http://localhost"},
		{"/cb", "must begin with https:// or http://localhost"},
		{"https://app.example/ cb", "is no URI"},
		{`https://app.example\@evil.example`, "is no URI"},
		{"https://app.example/" + strings.Repeat("x", maxRedirectURI), "is no URI"},
	} {
		err := checkRedirectURI(store.NativeApp, tt.uri)
		if (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%.60q: %v, want %q", tt.uri, err, tt.want)
		}
	}
	if err := checkRedirectURI(store.WebApp, "com.example.todo:/signed-in"); err == nil {
		t.Error("a web application has a scheme of its own")
	}
}

func TestSecrets(t *testing.T) {
	t.Parallel()
	for _, user := range []string{ada, ""} {
		secret, hash := newSecret(refreshPrefix, user)
		if got, gotHash, ok := readSecret(refreshPrefix, secret); !ok || got != user || gotHash != hash {
			t.Errorf("%q: read %q, %q, %v", user, got, gotHash, ok)
		}
		for name, bad := range map[string]string{
			"other kind": codePrefix + strings.TrimPrefix(secret, refreshPrefix), "short": secret[:len(secret)-1], "long": secret + "A", "padded": secret[:len(secret)-1] + "=",
		} {
			if _, _, ok := readSecret(refreshPrefix, bad); ok {
				t.Errorf("%s: it is read", name)
			}
		}
	}
}

// Whatever redirect URI a request names, it is a registered one, but for the
// port and an empty path on this machine.
func FuzzAllowsRedirect(f *testing.F) {
	for _, uri := range []string{
		"http://localhost", "http://localhost:1", "http://localhost:1/", "http://localhost:1@evil.example", "http://localhost:1\\@evil.example", "http://[::1]:5/",
		"http://localhost?x", "http://LOCALHOST", "https://app.example/cb", "https://app.example/cb/", "http://127.0.0.1:80/done#", "http://localhost:80:90", "http://[::1]evil/",
	} {
		f.Add(uri)
	}
	app := &store.App{RedirectURIs: []string{"http://localhost", "http://127.0.0.1/done", "http://[::1]", "https://app.example/cb"}}
	f.Fuzz(func(t *testing.T, uri string) {
		if !allowsRedirect(app, uri) || uri == "https://app.example/cb" {
			return
		}
		u, err := url.Parse(uri)
		if err != nil {
			t.Fatalf("%q is allowed and no URI: %v", uri, err)
		}
		known := map[string]string{"localhost": "/", "127.0.0.1": "/done", "::1": "/"}
		path, ok := known[u.Hostname()]
		if !ok || u.Scheme != "http" || u.User != nil || u.RawQuery != "" || u.Fragment != "" || u.Path != path && !(u.Path == "" && path == "/") {
			t.Errorf("%q is allowed", uri)
		}
	})
}

// Whatever a client asks for, it gets what it is registered with at most, and
// what is stored reads as what it was.
func FuzzScopes(f *testing.F) {
	for _, text := range []string{
		"openid offline_access https://graph.microsoft.com/Tasks.ReadWrite", ".default", "https://graph.microsoft.com//.default", "api://todo.example.org/user.read",
		"00000003-0000-0000-c000-000000000000/Tasks.Read", "https://todo.example.org/.DEFAULT openid", "https://graph.microsoft.com/", "/.default", "User.Read User.Read",
	} {
		f.Add(text)
	}
	app := &store.App{Scopes: []string{"Tasks.ReadWrite", "User.Read"}}
	f.Fuzz(func(t *testing.T, text string) {
		s, err := parseScopes(app, text, "https://todo.example.org")
		if err != nil {
			return
		}
		for _, name := range s.api {
			if name != "Tasks.ReadWrite" && name != "User.Read" {
				t.Errorf("%q gives %q", text, name)
			}
		}
		again, err := parseScopes(app, s.String(), "https://todo.example.org")
		if err != nil || fmt.Sprint(again) != fmt.Sprint(s) {
			t.Errorf("%q: %v becomes %v, %v", text, s, again, err)
		}
		for _, word := range s.asked {
			if !strings.Contains(" "+s.answer()+" ", " "+word+" ") {
				t.Errorf("%q: the answer %q lacks %q", text, s.answer(), word)
			}
		}
	})
}

// Whatever the parameters of an authorization request are, it is refused or has
// all that a code needs.
func FuzzAuthorization(f *testing.F) {
	f.Add("client_id=x&response_type=code&scope=openid&code_challenge=" + strings.Repeat("a", 43) + "&code_challenge_method=S256")
	f.Add("response_type=code&scope=openid&prompt=none+login&response_mode=form_post")
	f.Add("response_type=code&scope=.default&code_challenge=&code_challenge_method=plain&state=%00")
	app := store.App{Kind: store.NativeApp, Scopes: []string{"User.Read"}}
	f.Fuzz(func(t *testing.T, query string) {
		q, err := url.ParseQuery(query)
		if err != nil || once(q) != nil {
			return
		}
		a := &authorization{app: app, mode: "query"}
		if err := a.read(q, "https://todo.example.org"); err != nil {
			if err.code == "" || err.number == 0 || err.status != 400 {
				t.Errorf("%q: the error is %+v", query, err)
			}
			return
		}
		if len(a.challenge) != 43 || len(a.scopes.asked) == 0 || q.Get("response_type") != "code" || q.Has("request") {
			t.Errorf("%q is read as %+v", query, a)
		}
	})
}
