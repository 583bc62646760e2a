package auth

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/duly-todo/duly/internal/store"
	"github.com/duly-todo/duly/internal/todo"
)

func TestAuthenticateRows(t *testing.T) {
	t.Parallel()
	i := newIssuer(t)
	for group, rows := range map[string][]row{"headers": headerRows(), "keys and signatures": keyRows(), "claims": claimRows()} {
		text, err := os.ReadFile("../../docs/identity.md")
		if err != nil {
			t.Fatal(err)
		}
		if line := fmt.Sprintf("%s | `%s` | %d |", group, t.Name(), len(rows)); !strings.Contains(string(text), line) {
			t.Errorf("docs/identity.md has no line that ends in %q", line)
		}
	}
	for _, row := range allRows() {
		t.Run(row.id+" "+row.name, func(t *testing.T) {
			t.Parallel()
			v, signatures := i.verifier()
			p, err := v.Authenticate(row.request(i))
			checkOutcome(t, row.want, p, err)
			if got := signatures.Load(); got != row.signatures {
				t.Errorf("%d signatures were checked, want %d", got, row.signatures)
			}
			if remembered := len(v.cache.entries) > 0; remembered != (row.want == accepted || row.ended) {
				t.Errorf("the token is in the cache: %v", remembered)
			}
		})
	}
}

func checkOutcome(t *testing.T, want outcome, p Principal, err error) {
	t.Helper()
	if want == accepted {
		if err != nil || p.User != ada {
			t.Errorf("got principal %+v and error %v, want ada's", p, err)
		}
		return
	}
	if diff := cmp.Diff(Principal{}, p); diff != "" {
		t.Errorf("a refused request has a principal:\n%s", diff)
	}
	e, ok := errors.AsType[*todo.Error](err)
	if !ok || e.Message == "" {
		t.Fatalf("got error %#v, want a todo.Error with a message", err)
	}
	if want == badRequest {
		if e.Kind != todo.BadRequest {
			t.Errorf("got kind %d, want BadRequest", e.Kind)
		}
		return
	}
	if e.Kind != todo.Unauthenticated {
		t.Errorf("got kind %d, want Unauthenticated", e.Kind)
	}
	refusal, ok := errors.AsType[*TokenError](err)
	if !ok {
		t.Fatalf("got error %#v, want a TokenError", err)
	}
	expected := &TokenError{Message: e.Message}
	switch want {
	case refused:
		expected.Challenge, expected.Sent = "invalid_token", true
	case challenged:
		expected.Challenge, expected.Sent = "insufficient_claims", true
		if e.Message == issuedBefore {
			expected.Claims = fmt.Sprintf(`{"access_token":{"nbf":{"essential":true,"value":"%d"}}}`, testTime().Unix()-1)
		} else {
			expected.Claims = fmt.Sprintf(`{"access_token":{"nbf":{"essential":true,"value":"%d"}}}`, testTime().Unix())
		}
	}
	if diff := cmp.Diff(expected, refusal); diff != "" {
		t.Errorf("the refusal differs (-want +got):\n%s", diff)
	}
}

// Every row of the list of bad tokens is here. The
// list is not a part of the project, so where it is missing this only says so.
func TestRowsAreComplete(t *testing.T) {
	t.Parallel()
	list, err := os.ReadFile("../../../shared/spec/bad-tokens.md")
	if err != nil {
		t.Log("the list of bad tokens is not here, so nothing was compared with it:", err)
		return
	}
	covered := map[string]bool{}
	for _, row := range allRows() {
		covered[row.id] = true
	}
	ids := regexp.MustCompile(`(?m)^\| ([ABC]\d+) \|`).FindAllStringSubmatch(string(list), -1)
	if len(ids) < 60 {
		t.Errorf("the list has only %d rows in sections A to C", len(ids))
	}
	listed := map[string]bool{}
	for _, id := range ids {
		listed[id[1]] = true
		if !covered[id[1]] {
			t.Errorf("row %s is not covered", id[1])
		}
	}
	for id := range covered {
		if !listed[strings.TrimSuffix(id, "+")] {
			t.Errorf("row %s is not on the list", id)
		}
	}
}

// What a token may do is in the principal exactly as the token says it.
func TestPermissions(t *testing.T) {
	t.Parallel()
	i := newIssuer(t)
	user := func(scopes ...string) Principal {
		return Principal{User: ada, App: CommandLineApp, Tenant: i.keys.tenant, Scopes: append([]string{}, scopes...), Expires: testTime().Add(time.Hour)}
	}
	app := user()
	app.User, app.Scopes, app.AppOnly = "", nil, true
	reader := app
	reader.Roles = []string{"Tasks.Read.All"}
	roles := []string{"Tasks.Read.All"}
	for _, tt := range []struct {
		name   string
		claims members
		want   Principal
	}{
		{"scopes", i.claims(), user("Tasks.ReadWrite", "User.Read")},
		{"C83 SCP", i.claims().without("scp").with("SCP", "Tasks.ReadWrite"), user()},
		{"D92 none", i.claims().without("scp"), user()},
		{"D92 only spaces", i.claims().with("scp", "  "), user()},
		{"D93 to D95 unchanged", i.claims().with("scp", "Tasks.ReadWriteX xTasks.Read tasks.read"), user("Tasks.ReadWriteX", "xTasks.Read", "tasks.read")},
		{"other spaces do not part", i.claims().with("scp", "Tasks.Read\u00a0User.Read\tX"), user("Tasks.Read\u00a0User.Read\tX")},
		{"D96 roles of a user", i.claims().with("roles", roles), user("Tasks.ReadWrite", "User.Read")},
		{"D97 scopes of an application", i.claims().with("idtyp", "app"), app},
		{"application", i.claims().without("scp", "oid").with("idtyp", "app").with("roles", roles), reader},
		{"application whose object is no user", i.claims().with("oid", ghost).with("idtyp", "app").with("roles", roles), reader},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			v, _ := i.verifier()
			got, err := v.Authenticate(bearing(i.claiming(tt.claims)))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("principal differs (-want +got):\n%s", diff)
			}
		})
	}
}

func TestPrincipalHas(t *testing.T) {
	t.Parallel()
	user := Principal{Scopes: []string{"Tasks.ReadWrite"}, Roles: []string{"Tasks.Read.All"}}
	app := user
	app.AppOnly = true
	for _, tt := range []struct {
		name      string
		principal Principal
		scope     string
		want      bool
	}{
		{"user, scope", user, "Tasks.ReadWrite", true},
		{"user, prefix", user, "Tasks.Read", false},
		{"user, other case", user, "tasks.readwrite", false},
		{"user, role", user, "Tasks.Read.All", false},
		{"application, role", app, "Tasks.Read.All", true},
		{"application, scope", app, "Tasks.ReadWrite", false},
		{"nobody", Principal{}, "", false},
	} {
		if got := tt.principal.Has(tt.scope); got != tt.want {
			t.Errorf("%s: Has(%q) = %v, want %v", tt.name, tt.scope, got, tt.want)
		}
	}
}

// A good token is verified once, and its user is looked up once; what may change
// is looked at on every request.
func TestCache(t *testing.T) {
	t.Parallel()
	keys, err := NewKeys()
	if err != nil {
		t.Fatal(err)
	}
	token, err := keys.Mint(Grant{ID: ada, Scopes: []string{"Tasks.Read"}, Lifetime: time.Hour}, testTime())
	if err != nil {
		t.Fatal(err)
	}
	now, loads := testTime(), int64(0)
	var standing store.Standing
	var userErr error
	v, signatures := countingVerifier(keys, func(context.Context, string) (store.Standing, error) {
		loads++
		return standing, userErr
	}, func() time.Time { return now })
	for _, step := range []struct {
		name              string
		now               time.Duration
		forget            bool
		standing          store.Standing
		user              error
		want              error // an example of the error's type
		signatures, loads int64 // in all
	}{
		{name: "first", signatures: 1, loads: 1},
		{name: "again", now: time.Minute, user: errStore, signatures: 1, loads: 1},
		{name: "look-up fails", now: time.Minute, forget: true, user: errStore, want: errStore, signatures: 1, loads: 2},
		{name: "again from the cache", now: time.Minute, signatures: 1, loads: 3},
		{name: "user gone", now: time.Minute, forget: true, user: fmt.Errorf("user: %w", todo.ErrNotFound), want: &TokenError{}, signatures: 1, loads: 4},
		{name: "user back", now: time.Minute, signatures: 1, loads: 5},
		{name: "signed out", now: time.Minute, forget: true, standing: store.Standing{TokensFrom: testTime().Add(time.Second)}, want: &TokenError{}, signatures: 1, loads: 6},
		{name: "still signed out", now: time.Minute, want: &TokenError{}, signatures: 1, loads: 6},
		{name: "the clock of then", now: time.Minute, forget: true, standing: store.Standing{TokensFrom: testTime()}, signatures: 1, loads: 7},
		{name: "clock set back", now: -time.Hour, want: &TokenError{}, signatures: 1, loads: 7},
		{name: "last second", now: time.Hour + 59*time.Second, signatures: 2, loads: 7},
		{name: "expired", now: time.Hour + 60*time.Second, want: &TokenError{}, signatures: 2, loads: 7},
		{name: "still expired", now: time.Hour + 60*time.Second, want: &TokenError{}, signatures: 3, loads: 7},
	} {
		now, standing, userErr = testTime().Add(step.now), step.standing, step.user
		if step.forget {
			v.forget(ada)
		}
		p, err := v.Authenticate(bearing(token))
		_, isRefusal := errors.AsType[*TokenError](err)
		_, wantRefusal := step.want.(*TokenError)
		if isRefusal != wantRefusal || (err == nil) != (step.want == nil) || (!wantRefusal && !errors.Is(err, step.want)) {
			t.Errorf("%s: error %v, want %v", step.name, err, step.want)
		}
		if (err == nil) != p.Has("Tasks.Read") {
			t.Errorf("%s: principal %+v with error %v", step.name, p, err)
		}
		if got := signatures.Load(); got != step.signatures || loads != step.loads {
			t.Errorf("%s: %d signatures checked and %d look-ups, want %d and %d", step.name, got, loads, step.signatures, step.loads)
		}
	}
	if n := len(v.cache.entries); n != 0 {
		t.Errorf("%d tokens stay in the cache after they have expired", n)
	}
}

func TestCacheIsBounded(t *testing.T) {
	t.Parallel()
	c := newCache(8)
	for n := range 100 {
		token := fmt.Sprint("token ", n)
		for range 2 { // the second time nothing has to go
			c.put(token, &verified{principal: Principal{User: token}})
		}
		if v, ok := c.get(token); !ok || v.principal.User != token {
			t.Fatalf("%s is not there after it was put", token)
		}
		if got, want := len(c.entries), min(n+1, 8); got != want {
			t.Fatalf("%d entries after %d tokens, want %d", got, n+1, want)
		}
	}
	c.drop("token 99")
	if _, ok := c.get("token 99"); ok {
		t.Error("a dropped token is still there")
	}
}

// Many requests at once, with more tokens than fit into the cache.
func TestConcurrentRequests(t *testing.T) {
	t.Parallel()
	i := newIssuer(t)
	v, _ := i.verifier()
	v.cache = newCache(4)
	var tokens []string
	for n := range 8 {
		tokens = append(tokens, i.claiming(i.claims().with("oid", fmt.Sprint("user ", n))))
	}
	var wg sync.WaitGroup
	for worker := range 8 {
		wg.Go(func() {
			for n := range 40 {
				who := (worker + n) % len(tokens)
				p, err := v.Authenticate(bearing(tokens[who]))
				if err != nil || p.User != fmt.Sprint("user ", who) {
					t.Errorf("user %d: principal %+v, error %v", who, p, err)
				}
				if _, err := v.Authenticate(bearing(cutLast(tokens[who]) + ".AAAA")); err == nil {
					t.Error("a token without its signature is accepted")
				}
			}
		})
	}
	wg.Wait()
}

func TestUserLookup(t *testing.T) {
	t.Parallel()
	i := newIssuer(t)
	type key struct{}
	for _, tt := range []struct {
		name    string
		err     error
		refused bool
	}{
		{"no such user", &todo.Error{Kind: todo.NoSuchUser}, true},
		{"not found", fmt.Errorf("load user: %w", todo.ErrNotFound), true},
		{"other kind", &todo.Error{Kind: todo.Forbidden, Message: "It is not allowed."}, false},
		{"database", errStore, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			v := NewVerifier(i.keys, func(ctx context.Context, id string) (store.Standing, error) {
				if id != ada || ctx.Value(key{}) != "here" {
					t.Errorf("asked for user %q with context value %v", id, ctx.Value(key{}))
				}
				return store.Standing{}, tt.err
			}, testTime)
			p, err := v.Authenticate(bearing(i.good()).WithContext(context.WithValue(t.Context(), key{}, "here")))
			if _, ok := errors.AsType[*TokenError](err); ok != tt.refused || (!ok && !errors.Is(err, tt.err)) {
				t.Errorf("got principal %+v and error %v", p, err)
			}
		})
	}
}

func TestChallenge(t *testing.T) {
	t.Parallel()
	const plain = `Bearer realm="", authorization_uri="https://duly.example.org/common/oauth2/v2.0/authorize", client_id="00000003-0000-0000-c000-000000000000"`
	for _, tt := range []struct {
		name string
		err  *TokenError
		want string
	}{
		{"no token", &TokenError{Message: "Access token is empty."}, plain},
		{
			"refused", &TokenError{Message: "It is expired.", Challenge: "invalid_token", Sent: true},
			plain + `, error="invalid_token", error_description="It is expired."`,
		},
		{
			"message with marks", &TokenError{Message: "A \"b\" \\ c\r\nX-Evil: é", Challenge: "invalid_token", Sent: true},
			plain + `, error="invalid_token", error_description="A 'b' ' c  X-Evil:  "`,
		},
		{
			"signed out everywhere", &TokenError{Message: "Sign in.", Challenge: "insufficient_claims", Sent: true, Claims: `{"access_token":{}}`},
			plain + `, error="insufficient_claims", claims="eyJhY2Nlc3NfdG9rZW4iOnt9fQ=="`,
		},
	} {
		for _, base := range []string{"https://duly.example.org", "https://duly.example.org/"} {
			if got := Challenge(base, tt.err); got != tt.want {
				t.Errorf("%s:\ngot  %s\nwant %s", tt.name, got, tt.want)
			}
		}
	}
}

// No refusal repeats anything of the token.
func TestRefusalsKeepTheTokenSecret(t *testing.T) {
	t.Parallel()
	i := newIssuer(t)
	for _, row := range allRows() {
		v, _ := i.verifier()
		r := row.request(i)
		_, err := v.Authenticate(r)
		if err == nil {
			continue
		}
		_, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
		for part := range strings.SplitSeq(token, ".") {
			if len(part) > 8 && strings.Contains(err.Error(), part) {
				t.Errorf("%s %s: the error holds a part of the token: %v", row.id, row.name, err)
			}
		}
	}
}

// fuzzKeys are the same in every process of a fuzz run, and so is its token up
// to the signature.
func fuzzKeys(f *testing.F) *Keys {
	f.Helper()
	private := newECFromSeed(f)
	return newRing("11111111-2222-4333-8444-555555555555", ringKey(f, private))
}

func FuzzAuthenticate(f *testing.F) {
	keys := fuzzKeys(f)
	minted := map[string]bool{}
	for _, idType := range []string{"user", "app"} {
		now := numericDate(testTime().Unix())
		token, err := keys.ring()[0].sign(claims{
			Issuer: keys.issuer, Audience: audience{graphAudience}, Subject: ada, ObjectID: ada, TenantID: keys.tenant,
			AppID: CommandLineApp, Scope: "Tasks.Read", IDType: idType, IssuedAt: now, Expires: now + 3600,
		})
		if err != nil {
			f.Fatal(err)
		}
		minted[cutLast(token)] = true
		f.Add("Bearer "+token, "")
		f.Add("bearer "+token+"=", "$filter=a%20eq%201")
		f.Add("Bearer "+cutLast(token)+".", "access%5Ftoken=x")
	}
	f.Add("Bearer "+b64(`{"alg":"none"}`)+"."+b64(`{"aud":["a",1],"exp":1e300}`)+".AA", "")
	f.Add("Bearer "+b64(`{"alg":"ES256","typ":"at+jwt","kid":"`+keys.ring()[0].jwk.KeyID+`"}`)+"."+b64(`{"iss":"x"}`)+"."+b64(strings.Repeat("s", 64)), "")
	f.Add("Basic YTpi", "%")
	v := NewVerifier(keys, users, testTime)
	f.Fuzz(func(t *testing.T, header, query string) {
		r := request()
		r.Header["Authorization"] = []string{header}
		r.URL.RawQuery = query
		for range 2 { // the second time a good token comes from the cache
			p, err := v.Authenticate(r)
			if err == nil {
				_, token, _ := strings.Cut(header, " ")
				if token = strings.Trim(token, " "); !minted[cutLast(token)] || p.Tenant != keys.tenant {
					t.Errorf("a token that nobody made is accepted as %+v: %q", p, header)
				}
			} else if _, ok := errors.AsType[*todo.Error](err); !ok {
				t.Errorf("error %v is no todo.Error", err)
			} else if e, ok := errors.AsType[*TokenError](err); ok && strings.ContainsAny(Challenge("https://h", e), "\r\n") {
				t.Errorf("the challenge is no header: %q", Challenge("https://h", e))
			}
		}
	})
}

// A token of usual length, from each kind of key.
func BenchmarkAuthenticate(b *testing.B) {
	i := newIssuer(b)
	c := i.claims().with("name", "Ada Lovelace").with("upn", "ada@example.org").with("preferred_username", "ada@example.org")
	es := i.header().with("alg", "ES256").with("kid", i.ecKID())
	good := sign(i.header(), c, rs256(i.rsa))
	noUsers := func(context.Context, string) (store.Standing, error) {
		return store.Standing{TokensFrom: testTime().Add(-time.Hour), Revoked: map[string]struct{}{"two": {}}}, nil
	}
	for _, bb := range []struct {
		name   string
		token  string
		cached bool
		ok     bool
	}{
		{"hit", good, true, true},
		{"miss RS256", good, false, true},
		{"miss ES256", sign(es, c, es256(i.ec)), false, true},
		{"bad no dots", strings.ReplaceAll(good, ".", "x"), true, false},
		{"bad 16 KiB of letters", strings.Repeat("x", maxToken), true, false},
		{"bad character", good + "=", true, false},
		{"bad header", "x" + good, true, false},
		{"bad kid", sign(i.header().with("kid", "x"), c, rs256(i.rsa)), true, false},
		{"bad iss", i.claiming(c.with("iss", "https://evil.example")), true, false},
		{"bad expired", i.claiming(c.with("exp", testTime().Unix()-61)), true, false},
		{"bad signature", sign(i.header(), c, rs256(i.stranger)), true, false},
	} {
		b.Run(bb.name, func(b *testing.B) {
			v := NewVerifier(i.keys, noUsers, testTime)
			r := bearing(bb.token)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := v.Authenticate(r); (err == nil) != bb.ok {
					b.Fatal(err)
				}
				if !bb.cached {
					v.cache.drop(bb.token)
				}
			}
		})
	}
	b.Run("hit of an application", func(b *testing.B) {
		v := NewVerifier(i.keys, noUsers, testTime)
		v.apps = newStandings(noUsers)
		r := bearing(i.claiming(c.with("azp", "5ad3c7a0-0000-4000-8000-000000000000")))
		b.ReportAllocs()
		for b.Loop() {
			if _, err := v.Authenticate(r); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("hit parallel full", func(b *testing.B) { benchmarkFull(b, i) })
}

// Bad tokens beside a good one that is new, in turns: the metric bad/good is how
// much of its work they cost.
func BenchmarkFlood(b *testing.B) {
	i := newIssuer(b)
	good := i.good()
	for _, bb := range []struct{ name, token string }{
		{"no JWT", strings.Repeat("x", 1_200)},
		{"kid", sign(i.header().with("kid", "x"), i.claims(), rs256(i.rsa))},
		{"iss", i.claiming(i.claims().with("iss", "https://evil.example"))},
		{"signature", sign(i.header(), i.claims(), rs256(i.stranger))},
		{"expired", i.claiming(i.claims().with("exp", testTime().Unix()-61))},
		{"signed out", i.claiming(i.claims().with("oid", grace).with("iat", testTime().Unix()-2))},
		{"revoked", i.claiming(i.claims().with("jti", "revoked"))},
	} {
		b.Run(bb.name, func(b *testing.B) {
			v := NewVerifier(i.keys, users, testTime)
			fine, bad := bearing(good), bearing(bb.token)
			var costs [2]time.Duration
			for b.Loop() {
				v.cache.drop(good)
				for n, r := range []*http.Request{fine, bad} {
					begun := time.Now()
					_, err := v.Authenticate(r)
					costs[n] += time.Since(begun)
					if (err == nil) != (r == fine) {
						b.Fatal(err)
					}
				}
			}
			b.ReportMetric(float64(costs[1])/float64(costs[0]), "bad/good")
		})
	}
}

// A full cache, and many goroutines that ask for different tokens.
func benchmarkFull(b *testing.B, i *issuer) {
	v := NewVerifier(i.keys, users, testTime)
	good := i.good()
	first, err := v.verify(b.Context(), good, testTime().Unix())
	if err != nil {
		b.Fatal(err)
	}
	requests := make([]*http.Request, cacheSize)
	for n := range requests {
		token := fmt.Sprint(good, n)
		v.cache.put(token, first)
		requests[n] = bearing(token)
	}
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for n := 0; pb.Next(); n++ {
			if _, err := v.Authenticate(requests[n%len(requests)]); err != nil {
				b.Error(err)
			}
		}
	})
}
