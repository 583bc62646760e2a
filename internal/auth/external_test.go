package auth

import (
	"errors"
	"io"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"code.dny.dev/ssrf"
	"github.com/google/go-cmp/cmp"
)

// site is an issuer at a public address, as far as its client can tell.
type site map[string]string

func (s site) RoundTrip(r *http.Request) (*http.Response, error) {
	answer := &http.Response{StatusCode: http.StatusNotFound, Header: http.Header{}, Body: http.NoBody, Request: r}
	text, ok := s[r.URL.String()]
	if to, redirects := strings.CutPrefix(text, "to "); redirects {
		answer.StatusCode = http.StatusFound
		answer.Header.Set("Location", to)
	} else if ok {
		answer.StatusCode, answer.Body = http.StatusOK, io.NopCloser(strings.NewReader(text))
	}
	return answer, nil
}

func externalsFor(t *testing.T) *Externals {
	t.Helper()
	return &Externals{now: time.Now, log: slog.New(slog.DiscardHandler)}
}

// M12: the document may lead neither away from https nor to private addresses, and
// no redirect may.
func TestExternalDocument(t *testing.T) {
	t.Parallel()
	const (
		issuer    = "https://login.example.org/main"
		discovery = issuer + "/.well-known/openid-configuration"
		keys      = "https://keys.example.org/keys"
	)
	document := func(keys string) string { return `{"issuer":"` + issuer + `","jwks_uri":"` + keys + `"}` }
	for _, tt := range []struct {
		name  string
		site  site
		want  string // "": the keys are there
		wrong bool
	}{
		{"control", site{discovery: document(keys), keys: `{"keys":[]}`}, "", false},
		{"a redirect to https", site{discovery: "to https://www.example.org/", "https://www.example.org/": document(keys), keys: `{"keys":[]}`}, "", false},
		{"a redirect to http", site{discovery: "to http://www.example.org/", "http://www.example.org/": document(keys), keys: `{"keys":[]}`}, "answers with the status 302", false},
		{"a redirect to a private address", site{discovery: "to https://10.0.0.1/", "https://10.0.0.1/": document(keys), keys: `{"keys":[]}`}, "answers with the status 302", false},
		{"redirects without end", site{discovery: "to " + discovery}, "answers with the status 302", false},
		{"keys by http", site{discovery: document("http://keys.example.org/")}, "must be https", true},
		{"keys at 10.0.0.1", site{discovery: document("https://10.0.0.1/keys")}, "private address", true},
		{"keys at localhost", site{discovery: document("https://localhost/keys")}, "private address", true},
		{"keys at ::1", site{discovery: document("https://[::1]/keys")}, "private address", true},
		{"keys at ::ffff:10.0.0.1", site{discovery: document("https://[::ffff:10.0.0.1]/keys")}, "private address", true},
		{"keys at the metadata service", site{discovery: document("https://169.254.169.254/")}, "private address", true},
		{"keys in a file", site{discovery: document("file:///etc/passwd")}, "is no URL", true},
		{"another issuer", site{discovery: `{"issuer":"https://login.example.org/other","jwks_uri":"` + keys + `"}`}, "names the issuer", true},
		{"an answer that is no JSON", site{discovery: "<html>"}, "no JSON", false},
		{"no answer", site{}, "answers with the status 404", false},
		{"keys that are no JSON", site{discovery: document(keys), keys: `[]`}, "no JSON", false},
		{"too much", site{discovery: document(keys), keys: strings.Repeat(" ", maxDocument+1)}, "more than 262144 bytes", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			x, err := newExternal(External{Issuer: issuer, Audiences: []string{"api://todo"}}, externalsFor(t))
			if err != nil {
				t.Fatal(err)
			}
			x.client.Transport = tt.site
			err = x.fetch(t.Context())
			if tt.want == "" {
				if err != nil || x.says() == nil {
					t.Errorf("got %v", err)
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), tt.want) || errors.Is(err, ErrExternal) != tt.wrong || x.says() != nil {
				t.Errorf("got %v, wrong %v", err, errors.Is(err, ErrExternal))
			}
		})
	}
}

// The address that is dialled is judged, whatever its name was.
func TestExternalDial(t *testing.T) {
	t.Parallel()
	x, err := newExternal(External{Issuer: "https://login.example.org", Audiences: []string{"a"}}, externalsFor(t))
	if err != nil {
		t.Fatal(err)
	}
	_, err = x.client.Transport.(*http.Transport).DialContext(t.Context(), "tcp", "127.0.0.1:443")
	if !errors.Is(err, ssrf.ErrProhibitedIP) {
		t.Errorf("got %v", err)
	}
	err = x.get(t.Context(), "https://127.0.0.1:1/", new(any))
	if !errors.Is(err, ErrExternal) || !strings.Contains(err.Error(), "private address") {
		t.Errorf("got %v", err)
	}
}

// Every mistake of the configuration is named.
func TestCheckExternals(t *testing.T) {
	t.Parallel()
	with := func(change func(*External)) []External {
		x := External{Issuer: "https://login.example.org/main", Audiences: []string{"api://todo"}}
		change(&x)
		return []External{x}
	}
	for _, tt := range []struct {
		name string
		all  []External
		want string // "": nothing is wrong
	}{
		{"control", with(func(*External) {}), ""},
		{"control: everything", with(func(x *External) {
			*x = External{
				Name: "Example", Issuer: "https://10.0.0.1/", Audiences: []string{"a", "b"}, Algorithms: externalAlgorithms(), Preset: "keycloak", RolesClaim: "resource_access.x.roles",
				Permissions: map[string]string{"todo": "Tasks.ReadWrite", "all": "Tasks.ReadWrite.All"}, PermissionPrefix: "x:", CreateUsers: true, JWKSURI: "https://10.0.0.1/keys?x=y",
				AllowPrivateAddress: true, ClientID: "c", ClientSecretFile: "f",
			}
		}), ""},
		{"control: http on this machine", with(func(x *External) { x.Issuer, x.AllowPrivateAddress = "http://localhost:8080/x", true }), ""},
		{"control: sign-in alone", with(func(x *External) { x.Audiences, x.ClientID = nil, "c" }), ""},
		{"no issuer", with(func(x *External) { x.Issuer = "" }), `issuer 1: the member "issuer" is missing`},
		{"no URL", with(func(x *External) { x.Issuer = "main" }), `the issuer "main" is no URL`},
		{"http", with(func(x *External) { x.Issuer = "http://login.example.org" }), "must be https"},
		{"http on this machine", with(func(x *External) { x.Issuer = "http://localhost" }), "must be https"},
		{"http elsewhere, private addresses allowed", with(func(x *External) { x.Issuer, x.AllowPrivateAddress = "http://10.0.0.1", true }), "must be https"},
		{"a query", with(func(x *External) { x.Issuer += "?a=b" }), "is no URL"},
		{"a fragment", with(func(x *External) { x.Issuer += "#" }), "is no URL"},
		{"a user", with(func(x *External) { x.Issuer = "https://a:b@login.example.org" }), "is no URL"},
		{"a private address", with(func(x *External) { x.Issuer = "https://192.168.1.1" }), "private address"},
		{"this machine", with(func(x *External) { x.Issuer = "https://localhost" }), "private address"},
		{"too long", with(func(x *External) { x.Issuer += strings.Repeat("x", 512) }), "more than 512 bytes"},
		{"a line break", with(func(x *External) { x.Name = "a\nb" }), "not to be seen"},
		{"keys by http", with(func(x *External) { x.JWKSURI = "http://login.example.org" }), "the jwksUri"},
		{"no audience", with(func(x *External) { x.Audiences = nil }), `"audiences" is missing`},
		{"an empty audience", with(func(x *External) { x.Audiences = []string{""} }), `the audience ""`},
		{"our own audience", with(func(x *External) { x.Audiences = []string{"https://graph.microsoft.com"} }), "cannot be an external issuer's"},
		{"our own audience as an id", with(func(x *External) { x.Audiences = []string{graphAppID} }), "cannot be an external issuer's"},
		{"51 audiences", with(func(x *External) { x.Audiences = slices.Repeat([]string{"a"}, 51) }), "more than 50 members"},
		{"none", with(func(x *External) { x.Algorithms = []string{"none"} }), `the algorithm "none"`},
		{"HS256", with(func(x *External) { x.Algorithms = []string{"RS256", "HS256"} }), `the algorithm "HS256"`},
		{"rs256", with(func(x *External) { x.Algorithms = []string{"rs256"} }), `the algorithm "rs256"`},
		{"unknown preset", with(func(x *External) { x.Preset = "okta" }), `the preset "okta"`},
		{"unknown permission", with(func(x *External) { x.Permissions = map[string]string{"a": "Tasks.Write"} }), `the permission "Tasks.Write" of "a"`},
		{"a secret for nobody", with(func(x *External) { x.ClientSecret = "s" }), `needs the "clientId"`},
		{"two secrets", with(func(x *External) { x.ClientID, x.ClientSecret, x.ClientSecretFile = "c", "s", "f" }), `is enough`},
		{"twice", append(with(func(*External) {}), with(func(*External) {})...), "issuer 2: https://login.example.org/main is there twice"},
		{"21 issuers", slices.Repeat(with(func(*External) {}), 21), "20 are the most"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			err := CheckExternals(tt.all)
			if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
				t.Errorf("got %v, want %s", err, tt.want)
			}
		})
	}
}

// A path leads into objects, and names may hold dots.
func TestClaimPaths(t *testing.T) {
	t.Parallel()
	c := &externalClaims{all: map[string]any{
		"scope": "a  b", "list": []any{"a", 1.0, "b"}, "number": 1.0,
		"realm_access": map[string]any{"roles": []any{"r"}}, "a.b": "dotted",
		"resource_access": map[string]any{"my.api": map[string]any{"roles": []any{"x"}}, "my": map[string]any{"other": "y"}},
		"urn:zitadel":     map[string]any{"admin": map[string]any{}, "Tasks.Read": map[string]any{}},
	}}
	for path, want := range map[string][]string{
		"scope": {"a", "b"}, "list": {"a", "b"}, "number": {}, "missing": {}, "realm_access.roles": {"r"}, "realm_access.": {}, "realm_access": {"roles"}, "a.b": {"dotted"},
		"resource_access.my.api.roles": {"x"}, "resource_access.my.other": {"y"}, "urn:zitadel": {"Tasks.Read", "admin"}, "scope.x": {}, "": {}, ".": {},
	} {
		if diff := cmp.Diff(want, append([]string{}, claimNames(c.at(path))...)); diff != "" {
			t.Errorf("%q (-want +got)\n%s", path, diff)
		}
	}
}
