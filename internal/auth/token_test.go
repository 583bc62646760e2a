package auth

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/google/go-cmp/cmp"
)

// The whole token, read by another implementation than the one under test.
func TestMint(t *testing.T) {
	t.Parallel()
	i := newIssuer(t)
	for n, alg := range []jose.SignatureAlgorithm{jose.RS256, jose.ES256} {
		keys := newRing(i.keys.tenant, i.keys.ring()[n])
		token, err := keys.Mint(Grant{
			ID: ada, UserPrincipalName: "ada@example.org", DisplayName: "Ada <Lovelace>",
			Scopes: []string{"Tasks.ReadWrite", "User.Read"}, Lifetime: 90*time.Minute + time.Millisecond,
		}, testTime().Add(time.Millisecond))
		if err != nil {
			t.Fatal(err)
		}
		signed, err := jose.ParseSignedCompact(token, []jose.SignatureAlgorithm{alg})
		if err != nil {
			t.Fatal(err)
		}
		payload, err := signed.Verify(keys.ring()[0].jwk.Public())
		if err != nil {
			t.Fatal(err)
		}
		head, err := NewVerifier(keys, users, testTime).base64.DecodeString(strings.Split(token, ".")[0])
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(members{"alg": string(alg), "kid": keys.ring()[0].jwk.KeyID, "typ": "at+jwt"}, decode(t, head)); diff != "" {
			t.Errorf("%s: header differs (-want +got):\n%s", alg, diff)
		}
		got := decode(t, payload)
		if jti, _ := got["jti"].(string); len(jti) < 20 {
			t.Errorf("%s: jti is %q", alg, jti)
		}
		now := float64(testTime().Unix())
		if diff := cmp.Diff(members{
			"iss": i.keys.issuer, "aud": "https://graph.microsoft.com", "sub": ada, "oid": ada, "tid": i.keys.tenant,
			"azp": CommandLineApp, "appid": CommandLineApp, "scp": "Tasks.ReadWrite User.Read", "idtyp": "user", "ver": "2.0",
			"upn": "ada@example.org", "preferred_username": "ada@example.org", "name": "Ada <Lovelace>",
			"iat": now, "duly_iat": now*1e6 + 1e3, "nbf": now, "exp": now + 5401,
		}, got.without("jti")); diff != "" {
			t.Errorf("%s: claims differ (-want +got):\n%s", alg, diff)
		}
	}
}

func decode(t *testing.T, text []byte) members {
	t.Helper()
	var m members
	if err := json.Unmarshal(text, &m); err != nil {
		t.Fatal(err)
	}
	return m
}

func TestMintedTokensAreAccepted(t *testing.T) {
	t.Parallel()
	keys, err := NewKeys()
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name  string
		grant Grant
		want  Principal
	}{
		{"shortest", Grant{ID: ada, Lifetime: 1}, Principal{Scopes: []string{}, Expires: testTime().Add(time.Second)}},
		{
			"longest",
			Grant{ID: ada, Lifetime: MaxLifetime, Scopes: []string{"Tasks.Read"}},
			Principal{Scopes: []string{"Tasks.Read"}, Expires: testTime().Add(24 * time.Hour)},
		},
		{
			"names beyond ASCII",
			Grant{ID: ada, DisplayName: "アダ \"\\\u2028", Lifetime: time.Hour},
			Principal{Scopes: []string{}, Expires: testTime().Add(time.Hour)},
		},
	} {
		token, err := keys.Mint(tt.grant, testTime())
		if err != nil {
			t.Fatal(err)
		}
		tt.want.User, tt.want.App, tt.want.Tenant = ada, CommandLineApp, keys.tenant
		got, err := NewVerifier(keys, users, testTime).Authenticate(bearing(token))
		if err != nil {
			t.Fatalf("%s: %v", tt.name, err)
		}
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("%s: principal differs (-want +got):\n%s", tt.name, diff)
		}
	}
	other, err := keys.Mint(Grant{ID: ada, App: "5ad3c7a0-0000-4000-8000-000000000000", Lifetime: time.Hour}, testTime())
	if err != nil {
		t.Fatal(err)
	}
	if p, err := NewVerifier(keys, users, testTime).Authenticate(bearing(other)); err == nil {
		t.Errorf("the token of an unknown application is accepted as %+v", p)
	}
}

func TestMintRefuses(t *testing.T) {
	t.Parallel()
	keys, err := NewKeys()
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name  string
		grant Grant
	}{
		{"no user", Grant{Lifetime: time.Hour}},
		{"no lifetime", Grant{ID: ada}},
		{"negative lifetime", Grant{ID: ada, Lifetime: -time.Hour}},
		{"a lifetime too long", Grant{ID: ada, Lifetime: MaxLifetime + 1}},
		{"empty scope", Grant{ID: ada, Lifetime: time.Hour, Scopes: []string{""}}},
		{"two scopes in one", Grant{ID: ada, Lifetime: time.Hour, Scopes: []string{"Tasks.Read User.Read"}}},
		{"quote in a scope", Grant{ID: ada, Lifetime: time.Hour, Scopes: []string{`Tasks"`}}},
		{"a name too long", Grant{ID: ada, Lifetime: time.Hour, DisplayName: strings.Repeat("x", 16<<10)}},
	} {
		if token, err := keys.Mint(tt.grant, testTime()); err == nil {
			t.Errorf("%s: made the token %s", tt.name, token)
		}
	}
}

func TestParseScopes(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		in   string
		want []string
	}{
		{"Tasks.Read", []string{"Tasks.Read"}},
		{" tasks.readwrite  USER.READ\n", []string{"Tasks.ReadWrite", "User.Read"}},
		{
			"https://graph.microsoft.com/Tasks.Read.Shared HTTPS://Graph.Microsoft.com/tasks.readwrite.shared",
			[]string{"Tasks.Read.Shared", "Tasks.ReadWrite.Shared"},
		},
		{"User.Read user.read https://graph.microsoft.com/User.Read", []string{"User.Read"}},
		{strings.Join(knownScopes(), " "), knownScopes()},
	} {
		got, err := ParseScopes(tt.in)
		if err != nil {
			t.Errorf("%q: %v", tt.in, err)
		}
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("%q differs (-want +got):\n%s", tt.in, diff)
		}
	}
	for _, in := range []string{
		"", "  ", "Tasks.Write", "Tasks.Read Tasks.Write", "Tasks.ReadX", "Tasks.Read,User.Read", "https://graph.microsoft.com/",
		"https://graph.microsoft.com", "https://evil.example/Tasks.Read", "http://graph.microsoft.com/Tasks.Read", "https://graph.microsoft.com//Tasks.Read",
		strings.Repeat("x", 10_000),
	} {
		got, err := ParseScopes(in)
		if err == nil {
			t.Errorf("%q is read as %q", in, got)
			continue
		}
		for _, known := range knownScopes() {
			if !strings.Contains(err.Error(), known) {
				t.Errorf("%.40q: the error does not name %s: %v", in, known, err)
			}
		}
		if words := strings.Fields(in); len(words) > 0 && !strings.Contains(err.Error(), words[len(words)-1][:min(40, len(words[len(words)-1]))]) {
			t.Errorf("%.40q: the error does not name it: %v", in, err)
		}
		if len(err.Error()) > 500 {
			t.Errorf("%.40q: the error has %d bytes", in, len(err.Error()))
		}
	}
}
