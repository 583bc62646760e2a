package duly_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/duly-todo/duly"
)

// A provider is an OpenID issuer of somebody else, with keys to sign what it likes.
type provider struct {
	*httptest.Server
	ca string // file of its certificate

	rsa, stranger *rsa.PrivateKey
	ec            *ecdsa.PrivateKey

	asked atomic.Int64 // for keys
	down  atomic.Bool

	mu       sync.Mutex
	document map[string]any
	keys     []any
	token    http.HandlerFunc // the token endpoint
}

func newProvider(t testing.TB) *provider {
	t.Helper()
	p := &provider{}
	var err error
	if p.rsa, err = rsa.GenerateKey(rand.Reader, 2048); err == nil {
		p.stranger, err = rsa.GenerateKey(rand.Reader, 2048)
	}
	check(t, err)
	p.ec, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	check(t, err)
	p.Server = httptest.NewTLSServer(p)
	t.Cleanup(p.Close)
	p.document = map[string]any{"issuer": p.URL, "jwks_uri": p.URL + "/keys", "authorization_endpoint": p.URL + "/authorize", "token_endpoint": p.URL + "/token"}
	p.keys = []any{publicJWK(&p.rsa.PublicKey, "one", "sig")}
	p.ca = certificateFile(t, p.Server)
	return p
}

func certificateFile(t testing.TB, s *httptest.Server) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "ca.pem")
	check(t, os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw}), 0o600))
	return file
}

func (p *provider) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == "/keys" {
		p.asked.Add(1)
	}
	if p.down.Load() {
		http.Error(w, "down", http.StatusServiceUnavailable)
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	var answer any
	switch r.URL.Path {
	case "/.well-known/openid-configuration":
		answer = p.document
	case "/keys":
		answer = map[string]any{"keys": p.keys}
	case "/token":
		p.token(w, r)
		return
	default:
		http.NotFound(w, r)
		return
	}
	if err := json.NewEncoder(w).Encode(answer); err != nil {
		panic(err)
	}
}

func (p *provider) set(change func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	change()
}

func publicJWK(key any, kid, use string) jose.JSONWebKey {
	return jose.JSONWebKey{Key: key, KeyID: kid, Use: use}
}

// issuer is the configuration of the provider, changed by change.
func (p *provider) issuer(change func(*duly.Issuer)) duly.Issuer {
	x := duly.Issuer{Name: "Example", Issuer: p.URL, Audiences: []string{"api://todo"}, ClientClaim: "azp", ScopesClaim: "scp", AllowPrivateAddress: true, CAFile: p.ca}
	if change != nil {
		change(&x)
	}
	return x
}

type claims map[string]any

func (c claims) with(pairs ...any) claims {
	c = maps.Clone(c)
	for i := 0; i+1 < len(pairs); i += 2 {
		name := pairs[i].(string)
		if c[name] = pairs[i+1]; pairs[i+1] == nil {
			delete(c, name)
		}
	}
	return c
}

// good are the claims of a good token at the time of the realm's start.
func (p *provider) good(r *realm) claims {
	now := r.time().Unix()
	return claims{
		"iss": p.URL, "aud": "api://todo", "sub": "person-1", "azp": "client-1", "scp": "Tasks.ReadWrite User.Read", "jti": "token-1",
		"iat": now, "nbf": now, "exp": now + 3600, "name": "Ada Lovelace", "preferred_username": "ada@idp.example", "email": "ada@mail.example",
	}
}

// sign signs claims with a header in pairs.
func sign(t testing.TB, algorithm jose.SignatureAlgorithm, key any, kid string, c any, header ...string) string {
	t.Helper()
	options := &jose.SignerOptions{}
	for i := 0; i+1 < len(header); i += 2 {
		options.WithHeader(jose.HeaderKey(header[i]), header[i+1])
	}
	if kid != "" {
		key = jose.JSONWebKey{Key: key, KeyID: kid}
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: algorithm, Key: key}, options)
	check(t, err)
	text, ok := c.(string)
	if !ok {
		b, err := json.Marshal(c)
		text = string(must(t, b, err))
	}
	signed, err := signer.Sign([]byte(text))
	check(t, err)
	token, err := signed.CompactSerialize()
	return must(t, token, err)
}

func (p *provider) sign(t testing.TB, c any, header ...string) string {
	t.Helper()
	return sign(t, jose.RS256, p.rsa, "one", c, header...)
}

const listsPath = "/v1.0/me/todo/lists"

// The rows of section E, and M11: what an external issuer has signed, or seems to.
func TestRowsExternal(t *testing.T) {
	t.Parallel()
	p := newProvider(t)
	secret := []byte("a-secret-of-thirty-two-bytes-or-more")
	p.keys = []any{
		publicJWK(&p.rsa.PublicKey, "one", "sig"),
		publicJWK(&p.ec.PublicKey, "encrypt", "enc"),
		publicJWK(&p.rsa.PublicKey, "two", ""), publicJWK(&p.stranger.PublicKey, "two", ""),
		jose.JSONWebKey{Key: secret, KeyID: "symmetric"},
		jose.JSONWebKey{Key: p.rsa, KeyID: "private"},
		jose.JSONWebKey{Key: &p.rsa.PublicKey, KeyID: "pinned", Algorithm: "PS256"},
		map[string]any{"kty": "RSA", "kid": "damaged", "n": "!", "e": "AQAB"},
	}
	data := t.TempDir()
	r := newRealmWith(t, duly.Config{DataDir: data, Issuers: []duly.Issuer{p.issuer(nil)}}, (*httptest.Server).Start)
	ctx := t.Context()
	link := func(user, subject string) {
		t.Helper()
		check(t, r.duly.LinkUser(ctx, user, p.URL, subject))
	}
	link(adele, "person-1")
	for _, name := range []string{"disabled", "gone", "unlinked"} {
		u, err := r.duly.AddUser(ctx, duly.User{UserPrincipalName: name})
		must(t, u, err)
		link(name, name)
	}
	check(t, r.duly.DisableUser(ctx, "disabled"))
	check(t, r.duly.UnlinkUser(ctx, "unlinked", p.URL, "unlinked"))
	good := p.good(r)
	now := r.time().Unix()
	forge := func(header, payload string) string {
		return base64.RawURLEncoding.EncodeToString([]byte(header)) + "." + base64.RawURLEncoding.EncodeToString([]byte(payload)) + "."
	}
	text, err := json.Marshal(good)
	goodText := string(must(t, text, err))
	var ours struct {
		Keys []jose.JSONWebKey `json:"keys"`
	}
	file, err := os.ReadFile(filepath.Join(data, "issuer.json"))
	check(t, json.Unmarshal(must(t, file, err), &ours))
	u, err := r.duly.User(ctx, adele)
	localID := must(t, u, err).ID

	for _, row := range []struct {
		id, name, token string
		want            int
	}{
		{"E104", "control", p.sign(t, good), 200},
		{"E104+", "a list of audiences", p.sign(t, good.with("aud", []string{"api://other", "api://todo"})), 200},
		{"E104+", "typ at+jwt", p.sign(t, good, "typ", "at+jwt"), 200},
		{"E104+", "typ JWT", p.sign(t, good, "typ", "JWT"), 200},
		{"E104+", "30 seconds after its end", p.sign(t, good.with("iat", now-600, "nbf", now-600, "exp", now-30)), 200},
		{"E104+", "scopes as a list", p.sign(t, good.with("scp", []string{"Tasks.Read"})), 200},
		{"E105", "issuer that is not configured", p.sign(t, good.with("iss", "https://evil.example")), 401},
		{"E105+", "no issuer", p.sign(t, good.with("iss", nil)), 401},
		{"E105+", "a slash at the end", p.sign(t, good.with("iss", p.URL+"/")), 401},
		{"E105+", "in http", p.sign(t, good.with("iss", strings.Replace(p.URL, "https", "http", 1))), 401},
		{"E105+", "two issuers", p.sign(t, `{"iss":"https://evil.example",`+goodText[1:]), 401},
		{"E107", "our key, external iss", sign(t, jose.RS256, ours.Keys[0].Key, ours.Keys[0].KeyID, good, "typ", "at+jwt"), 401},
		{"E107+", "our key under their kid", sign(t, jose.RS256, ours.Keys[0].Key, "one", good), 401},
		{"E107+", "their key, our iss", p.sign(t, good.with("iss", "https://duly.invalid/"+r.tenant+"/v2.0", "tid", r.tenant, "oid", localID, "aud", "https://graph.microsoft.com"), "typ", "at+jwt"), 401},
		{"E108", "Keycloak's aud account", p.sign(t, good.with("aud", "account")), 401},
		{"E108+", "no aud", p.sign(t, good.with("aud", nil)), 401},
		{"E108+", "aud that begins as ours does", p.sign(t, good.with("aud", "api://todo.evil")), 401},
		{"E109", "our own audience", p.sign(t, good.with("aud", "https://graph.microsoft.com")), 401},
		{"E109+", "our own audience beside theirs", p.sign(t, good.with("aud", []string{"api://todo", "00000003-0000-0000-c000-000000000000"})), 401},
		{"E111", "ES256 by a key for encryption", sign(t, jose.ES256, p.ec, "encrypt", good), 401},
		{"E111+", "HS256 by a symmetric key of the set", sign(t, jose.HS256, secret, "symmetric", good), 401},
		{"E111+", "a private key in the set", sign(t, jose.RS256, p.rsa, "private", good), 401},
		{"E112", "PS256 by the right key", sign(t, jose.PS256, p.rsa, "one", good), 401},
		{"E112+", "RS512 by the right key", sign(t, jose.RS512, p.rsa, "one", good), 401},
		{"E112+", "RS256 by a key for PS256", sign(t, jose.RS256, p.rsa, "pinned", good), 401},
		{"E112+", "none", forge(`{"alg":"none","kid":"one"}`, goodText), 401},
		{"E113", "two keys of one kid", sign(t, jose.RS256, p.rsa, "two", good), 401},
		{"E113+", "the other key of that kid", sign(t, jose.RS256, p.stranger, "two", good), 401},
		{"E115+", "no kid", sign(t, jose.RS256, p.rsa, "", good), 401},
		{"E115+", "unknown kid", sign(t, jose.RS256, p.rsa, "../../keys", good), 401},
		{"E115+", "a stranger's signature", sign(t, jose.RS256, p.stranger, "one", good), 401},
		{"E115+", "a key in the header", p.sign(t, good, "jwk", "x"), 401},
		{"E115+", "a key elsewhere", p.sign(t, good, "jku", "https://evil.example"), 401},
		{"E115+", "typ of a logout token", p.sign(t, good, "typ", "logout+jwt"), 401},
		{"E115+", "an id_token", p.sign(t, good.with("at_hash", "x", "nonce", "n")), 401},
		{"E115+", "an id_token without at_hash", p.sign(t, good.with("nonce", "n", "scp", nil)), 401},
		{"E115+", "Keycloak's id_token", p.sign(t, good.with("typ", "ID")), 401},
		{"E115+", "Keycloak's refresh token", p.sign(t, good.with("typ", "Refresh")), 401},
		{"E115+", "no application", p.sign(t, good.with("azp", nil)), 401},
		{"E115+", "claims that are no object", p.sign(t, `[]`), 401},
		{"E115+", "no subject", p.sign(t, good.with("sub", nil)), 401},
		{"E115+", "a subject that is a number", p.sign(t, good.with("sub", 1)), 401},
		{"E115+", "a subject of 256 bytes", p.sign(t, good.with("sub", strings.Repeat("x", 256))), 401},
		{"E115+", "expired", p.sign(t, good.with("iat", now-7200, "nbf", now-7200, "exp", now-61)), 401},
		{"E115+", "no exp", p.sign(t, good.with("exp", nil)), 401},
		{"E115+", "no iat", p.sign(t, good.with("iat", nil)), 401},
		{"E115+", "nbf in ten minutes", p.sign(t, good.with("nbf", now+600)), 401},
		{"E115+", "iat in ten minutes", p.sign(t, good.with("iat", now+600)), 401},
		{"E115+", "lives ten years", p.sign(t, good.with("exp", now+10*365*86400)), 401},
		{"E116", "a subject that is the id of a user here", p.sign(t, good.with("sub", localID, "oid", localID)), 401},
		{"E116+", "a name and an address of a user here", p.sign(t, good.with("sub", "person-2", "preferred_username", adele, "email", adele, "upn", adele)), 401},
		{"E116+", "a subject in another case", p.sign(t, good.with("sub", "PERSON-1")), 401},
		{"E117+", "a user who is disabled", p.sign(t, good.with("sub", "disabled")), 401},
		{"E117+", "a user who was unlinked", p.sign(t, good.with("sub", "unlinked")), 401},
		{"M11", "bound to a key of DPoP", p.sign(t, good.with("cnf", map[string]any{"jkt": "x"})), 401},
		{"M11+", "bound to a certificate", p.sign(t, good.with("cnf", map[string]any{"x5t#S256": "x"})), 401},
		{"D92+", "no scopes", p.sign(t, good.with("scp", nil)), 403},
		{"D93+", "scopes that are like ours", p.sign(t, good.with("scp", "Tasks.ReadWriteX xTasks.Read tasks.readwrite")), 403},
		{"D96+", "roles of a user", p.sign(t, good.with("scp", "User.Read", "roles", []string{"Tasks.ReadWrite.All"})), 403},
		{"D97+", "scopes of an application", p.sign(t, good.with("idtyp", "app")), 403},
	} {
		t.Run(row.id+" "+row.name, func(t *testing.T) {
			t.Parallel()
			a := r.api(row.token, listsPath)
			if a.status != row.want {
				t.Fatalf("got %d, want %d: %s", a.status, row.want, a.body)
			}
			if challenge := a.header.Get("WWW-Authenticate"); row.want == 401 && !strings.Contains(challenge, `error="invalid_token"`) {
				t.Errorf("WWW-Authenticate is %s: %s", challenge, a.body)
			}
		})
	}
}

// E116: with users made on first sight, whoever has a local id as subject or a
// local name is another person, and stays the same one.
func TestExternalUsersAreOthers(t *testing.T) {
	t.Parallel()
	p := newProvider(t)
	r := newRealmWith(t, duly.Config{Issuers: []duly.Issuer{p.issuer(func(x *duly.Issuer) { x.CreateUsers = true })}}, (*httptest.Server).Start)
	u, err := r.duly.User(t.Context(), adele)
	local := must(t, u, err)
	ids := map[string]string{}
	for _, c := range []claims{
		p.good(r),
		p.good(r).with("sub", local.ID, "preferred_username", local.ID),
		p.good(r).with("sub", "person-2", "preferred_username", strings.ToUpper(adele)),
		p.good(r).with("sub", "person-3", "preferred_username", "not a name"),
		p.good(r).with("sub", "person-4", "preferred_username", nil, "name", strings.Repeat("x", 1_000)),
	} {
		for range 2 {
			a := r.api(p.sign(t, c), "/v1.0/me")
			id := a.text("id")
			if a.status != 200 || id == local.ID || ids[id] != "" && ids[id] != c["sub"] {
				t.Fatalf("%v is %s: %d %s", c["sub"], id, a.status, a.body)
			}
			ids[id] = c["sub"].(string)
		}
	}
	if len(ids) != 5 {
		t.Errorf("%d users of 5 people: %v", len(ids), ids)
	}
	me := r.api(p.sign(t, p.good(r)), "/v1.0/me")
	if me.text("userPrincipalName") != "ada@idp.example" || me.text("displayName") != "Ada Lovelace" || me.text("mail") != "ada@mail.example" {
		t.Errorf("got %s", me.body)
	}
}

// Two servers and many first requests at once make one user.
func TestExternalUserRace(t *testing.T) {
	t.Parallel()
	p := newProvider(t)
	c := duly.Config{DataDir: t.TempDir(), Issuers: []duly.Issuer{p.issuer(func(x *duly.Issuer) { x.CreateUsers = true })}}
	r := newRealmWith(t, c, (*httptest.Server).Start)
	c.Beside, c.Now = true, r.time
	d, err := duly.New(t.Context(), c)
	beside := must(t, d, err)
	defer func() { check(t, beside.Close()) }()
	token := p.sign(t, p.good(r))
	var (
		at  sync.WaitGroup
		mu  sync.Mutex
		ids = map[string]int{}
	)
	for i := range 12 {
		at.Go(func() {
			w := httptest.NewRecorder()
			q := httptest.NewRequest("GET", "/v1.0/me", nil)
			q.Header.Set("Authorization", "Bearer "+token)
			if i%2 == 0 {
				beside.ServeHTTP(w, q)
			} else {
				r.duly.ServeHTTP(w, q)
			}
			var me struct{ ID string }
			err := json.Unmarshal(w.Body.Bytes(), &me)
			mu.Lock()
			defer mu.Unlock()
			if w.Code != 200 || err != nil {
				t.Errorf("got %d %s", w.Code, w.Body)
			}
			ids[me.ID]++
		})
	}
	at.Wait()
	users, err := r.duly.Users(t.Context(), 0, 10)
	if len(ids) != 1 || len(must(t, users, err)) != 2 {
		t.Errorf("ids %v, users %v", ids, users)
	}
}

// What the usual issuers put into their tokens is found where their preset says.
func TestExternalPresets(t *testing.T) {
	t.Parallel()
	const tid, oid = "72f988bf-86f1-41af-91ab-2d7cd011db47", "2f7c1f1e-0000-4000-8000-00000000000a"
	role := map[string]any{"Tasks.ReadWrite": map[string]any{"1": "example.org"}}
	entra := claims{"aud": "api://todo", "iss": "", "tid": tid, "oid": oid, "sub": "pairwise", "name": "Ada", "scp": "Tasks.ReadWrite", "ver": "2.0", "azp": "client", "azpacr": "1", "uti": "x", "rh": "y", "preferred_username": "ada@example.org"}
	v1 := entra.with("ver", "1.0", "azp", nil, "appid", "client", "appidacr", "1", "preferred_username", nil, "upn", "ada@example.org", "unique_name", "ada@example.org")
	entraApp := claims{"aud": "api://todo", "tid": tid, "oid": oid, "sub": oid, "azp": "client", "azpacr": "2", "ver": "2.0", "roles": []string{"Tasks.ReadWrite.All"}}
	keycloak := claims{
		"aud": []string{"todo", "account"}, "sub": "person", "typ": "Bearer", "azp": "client", "sid": "s", "acr": "1", "scope": "openid profile Tasks.ReadWrite", "nonce": "n",
		"realm_access": map[string]any{"roles": []string{"offline_access"}}, "resource_access": map[string]any{"my.api": map[string]any{"roles": []string{"todo-admin"}}}, "preferred_username": "ada", "email_verified": true,
	}
	authentik := claims{"aud": "client", "sub": "person", "azp": "client", "uid": "u", "scope": "openid profile Tasks.ReadWrite", "nonce": "n", "acr": "goauthentik.io/providers/oauth2/default", "amr": []string{"pwd"}, "groups": []string{"staff"}}
	zitadel := claims{"aud": []string{"287", "286"}, "sub": "285", "client_id": "287@todo", "urn:zitadel:iam:org:project:roles": role}
	p := newProvider(t)
	tasksAll := func(x *duly.Issuer) { x.Permissions = map[string]string{"todo-admin": "Tasks.ReadWrite.All"} }
	for _, tt := range []struct {
		name, preset, audience string
		claims                 claims
		change                 func(*duly.Issuer)
		user, app              int // of POST to the lists of /me, and of GET of Adele's
	}{
		{"Entra 2.0", "entra-v2", "api://todo", entra, nil, 201, 403},
		{"Entra 2.0, scopes not assigned", "entra-v2", "api://todo", entra.with("scp", "access_as_user"), nil, 403, 403},
		{"Entra 2.0, mapped scope", "entra-v2", "api://todo", entra.with("scp", "access_as_user"), func(x *duly.Issuer) { x.Permissions = map[string]string{"access_as_user": "Tasks.ReadWrite"} }, 201, 403},
		{"Entra 2.0, user with an app role", "entra-v2", "api://todo", entra.with("roles", []string{"Tasks.ReadWrite.All"}), nil, 201, 403},
		{"Entra 2.0, user without scopes and with an app role", "entra-v2", "api://todo", entra.with("scp", nil, "roles", []string{"Tasks.ReadWrite.All"}), nil, 403, 403},
		{"Entra 2.0, application", "entra-v2", "api://todo", entraApp, nil, 400, 200},
		{"Entra 2.0, application that says so", "entra-v2", "api://todo", entraApp.with("idtyp", "app", "sub", "x"), nil, 400, 200},
		{"Entra 2.0, application without roles", "entra-v2", "api://todo", entraApp.with("idtyp", "app", "roles", nil), nil, 403, 403},
		{"Entra 2.0, user who looks like an application", "entra-v2", "api://todo", entraApp.with("idtyp", "user"), nil, 403, 403},
		{"Entra 2.0, id_token of a user with an app role", "entra-v2", "api://todo", entraApp.with("azp", nil, "nonce", "n"), nil, 401, 401},
		{"Entra 1.0", "entra-v1", "api://todo", v1, nil, 201, 403},
		{"Entra 1.0, application", "entra-v1", "api://todo", entraApp.with("azp", nil, "appid", "client", "ver", "1.0"), nil, 400, 200},
		{"Entra 1.0 by the preset of 2.0", "entra-v2", "api://todo", v1, nil, 401, 401},
		{"Keycloak", "keycloak", "todo", keycloak, nil, 201, 403},
		{"Keycloak, prefix", "keycloak", "todo", keycloak.with("scope", "todo:Tasks.ReadWrite"), func(x *duly.Issuer) { x.PermissionPrefix = "todo:" }, 201, 403},
		{"Keycloak, service account", "keycloak", "todo", keycloak.with("idtyp", "app"), func(x *duly.Issuer) { tasksAll(x); x.RolesClaim = "resource_access.my.api.roles" }, 400, 200},
		{"Keycloak, service account without the role", "keycloak", "todo", keycloak.with("idtyp", "app"), tasksAll, 403, 403},
		{"Authentik", "authentik", "client", authentik, nil, 201, 403},
		{"Zitadel", "zitadel", "286", zitadel, nil, 201, 403},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			x := duly.Issuer{Issuer: p.URL, Audiences: []string{tt.audience}, Preset: tt.preset, AllowPrivateAddress: true, CAFile: p.ca, CreateUsers: true}
			if tt.change != nil {
				tt.change(&x)
			}
			r := newRealmWith(t, duly.Config{Issuers: []duly.Issuer{x}}, (*httptest.Server).Start)
			now := r.time().Unix()
			token := p.sign(t, tt.claims.with("iss", p.URL, "iat", now, "nbf", now, "exp", now+3600))
			user := r.browser().send("POST", listsPath, `{"displayName": "A list"}`, "Authorization", "Bearer "+token, "Content-Type", "application/json")
			app := r.api(token, "/v1.0/users/"+adele+"/todo/lists")
			if user.status != tt.user || app.status != tt.app {
				t.Errorf("got %d and %d, want %d and %d: %s %s", user.status, app.status, tt.user, tt.app, user.body, app.body)
			}
		})
	}
}

// Keys that an issuer changes are picked up; what was signed with one that it has no
// more ends, known or not. However many keys are named, it is asked once a minute.
func TestExternalKeys(t *testing.T) {
	t.Parallel()
	p := newProvider(t)
	r := newRealmWith(t, duly.Config{Issuers: []duly.Issuer{p.issuer(nil)}}, (*httptest.Server).Start)
	check(t, r.duly.LinkUser(t.Context(), adele, p.URL, "person-1"))
	get := func(token string, want int) {
		t.Helper()
		if a := r.api(token, listsPath); a.status != want {
			t.Fatalf("got %d, want %d: %s", a.status, want, a.body)
		}
	}
	old, next := p.sign(t, p.good(r)), sign(t, jose.RS256, p.stranger, "next", p.good(r))
	get(old, 200)
	p.set(func() { p.keys = []any{publicJWK(&p.stranger.PublicKey, "next", "sig")} })
	get(next, 401) // the keys were asked for in this minute
	r.pass(time.Minute)
	get(next, 200)
	get(old, 401)

	before := p.asked.Load()
	flood := func() {
		t.Helper()
		var at sync.WaitGroup
		for n := range 200 {
			token := sign(t, jose.RS256, p.stranger, fmt.Sprint("kid-", n), p.good(r))
			at.Go(func() {
				if a := r.api(token, listsPath); a.status != 401 {
					t.Errorf("got %d: %s", a.status, a.body)
				}
			})
		}
		at.Wait()
	}
	flood()
	r.pass(time.Minute)
	flood()
	if asked := p.asked.Load() - before; asked > 1 {
		t.Errorf("400 tokens made it ask %d times", asked)
	}
	get(next, 200)
}

// E114: tokens of an issuer that does not answer are refused, and taken once it
// does. Keys that are known stay good for a day while it is away.
func TestExternalIssuerDown(t *testing.T) {
	t.Parallel()
	p := newProvider(t)
	p.down.Store(true)
	r := newRealmWith(t, duly.Config{Issuers: []duly.Issuer{p.issuer(nil)}}, (*httptest.Server).Start)
	check(t, r.duly.LinkUser(t.Context(), adele, p.URL, "person-1"))
	get := func(want int) {
		t.Helper()
		if a := r.api(p.sign(t, p.good(r)), listsPath); a.status != want {
			t.Fatalf("got %d, want %d: %s", a.status, want, a.body)
		}
	}
	get(401)
	r.pass(time.Minute)
	get(401)
	p.down.Store(false)
	r.pass(time.Minute)
	get(200)
	p.down.Store(true)
	r.pass(23 * time.Hour)
	get(200)
	r.pass(2 * time.Hour)
	get(401)
	p.down.Store(false)
	r.pass(time.Minute)
	get(200)
	p.Close()
	if a := r.api(p.sign(t, p.good(r).with("jti", "2")), listsPath); a.status != 200 {
		t.Errorf("after it is gone: %d %s", a.status, a.body)
	}
}

// M12: an issuer whose document is wrong is no configuration to start with.
func TestExternalDocument(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name   string
		change func(p *provider, x *duly.Issuer)
		want   string
	}{
		{"another issuer", func(p *provider, _ *duly.Issuer) { p.document["issuer"] = "https://evil.example" }, `names the issuer "https://evil.example"`},
		{"a slash more", func(p *provider, _ *duly.Issuer) { p.document["issuer"] = p.URL + "/" }, `: the two must be the same`},
		{"no issuer", func(p *provider, _ *duly.Issuer) { delete(p.document, "issuer") }, `names the issuer ""`},
		{"keys by http", func(p *provider, _ *duly.Issuer) { p.document["jwks_uri"] = "http://127.0.0.1/keys" }, `the jwks_uri "http://127.0.0.1/keys" must be https`},
		{"no keys", func(p *provider, _ *duly.Issuer) { delete(p.document, "jwks_uri") }, `the jwks_uri "" is no URL`},
		{"token endpoint by http", func(p *provider, x *duly.Issuer) {
			x.ClientID = "c"
			p.document["token_endpoint"] = "http://idp.example/"
		}, `the token_endpoint "http://idp.example/" must be https`},
		{"no such authority", func(_ *provider, x *duly.Issuer) { x.CAFile = "no-such-file" }, "the certificates of its authority: open no-such-file"},
		{"an authority that is none", func(_ *provider, x *duly.Issuer) { x.CAFile = "go.mod" }, "there is no certificate in go.mod"},
		{"no such secret", func(_ *provider, x *duly.Issuer) { x.ClientID, x.ClientSecretFile = "c", "no-such-file" }, "the client secret: open no-such-file"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			p := newProvider(t)
			x := p.issuer(nil)
			p.set(func() { tt.change(p, &x) })
			s, err := duly.New(t.Context(), duly.Config{Issuers: []duly.Issuer{x}})
			if err == nil {
				check(t, s.Close())
			}
			if !errors.Is(err, duly.ErrIssuer) || !strings.Contains(err.Error(), tt.want) || !strings.Contains(err.Error(), p.URL) {
				t.Errorf("got %v, want %s", err, tt.want)
			}
		})
	}
}

// A change of the link, of the user or of the sign-out counts for tokens that are known.
func TestExternalStanding(t *testing.T) {
	t.Parallel()
	p := newProvider(t)
	r := newRealmWith(t, duly.Config{Issuers: []duly.Issuer{p.issuer(nil)}}, (*httptest.Server).Start)
	ctx := t.Context()
	get := func(token string, want int, challenge string) {
		t.Helper()
		if a := r.api(token, listsPath); a.status != want || !strings.Contains(a.header.Get("WWW-Authenticate"), challenge) {
			t.Fatalf("got %d %s, want %d %s: %s", a.status, a.header.Get("WWW-Authenticate"), want, challenge, a.body)
		}
	}
	first := p.sign(t, p.good(r))
	get(first, 401, "invalid_token")
	check(t, r.duly.LinkUser(ctx, adele, p.URL, "person-1"))
	check(t, r.duly.LinkUser(ctx, adele, p.URL, "person-1"))
	get(first, 200, "")
	r.pass(2 * time.Second)
	check(t, r.duly.SignOut(ctx, adele))
	get(first, 401, "insufficient_claims")
	r.pass(2 * time.Second)
	second := p.sign(t, p.good(r))
	get(second, 200, "")
	r.pass(2 * time.Second)
	check(t, r.duly.UnlinkUser(ctx, adele, p.URL, "person-1"))
	get(second, 401, "insufficient_claims")
	r.pass(2 * time.Second)
	get(p.sign(t, p.good(r)), 401, "invalid_token")
	u, err := r.duly.AddUser(ctx, duly.User{UserPrincipalName: "grace"})
	must(t, u, err)
	check(t, r.duly.LinkUser(ctx, "grace", p.URL, "person-1"))
	get(p.sign(t, p.good(r)), 200, "")
	ahead := p.sign(t, p.good(r).with("iat", r.time().Unix()+60)) // by the issuer's clock
	get(ahead, 200, "")
	r.pass(2 * time.Second)
	check(t, r.duly.SignOut(ctx, "grace"))
	r.pass(2 * time.Second)
	for range 2 {
		get(ahead, 401, "insufficient_claims")
	}
	get(p.sign(t, p.good(r)), 200, "")
	for _, tt := range []struct {
		name string
		do   error
		want error
	}{
		{"linked to another", r.duly.LinkUser(ctx, adele, p.URL, "person-1"), duly.ErrLinked},
		{"no user", r.duly.LinkUser(ctx, "nobody", p.URL, "person-9"), duly.ErrNoUser},
		{"not linked", r.duly.UnlinkUser(ctx, adele, p.URL, "person-1"), duly.ErrNotLinked},
	} {
		if !errors.Is(tt.do, tt.want) {
			t.Errorf("%s: got %v", tt.name, tt.do)
		}
	}
	if err := r.duly.LinkUser(ctx, adele, "nonsense", "x"); err == nil {
		t.Error("an issuer that is no URL is linked")
	}
	form := values("client_id", r.daemon.ID, "client_secret", r.daemonSecret, "token", p.sign(t, p.good(r)))
	if a := r.browser().post("/"+r.tenant+"/oauth2/v2.0/introspect", form); a.status != 200 || a.json["active"] != false {
		t.Errorf("introspection of an external token: %d %s", a.status, a.body)
	}
}
