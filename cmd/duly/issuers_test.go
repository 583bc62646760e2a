package main

import (
	"encoding/json"
	"encoding/pem"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// A mistake in the file of issuers is one line that says where, and status 2.
func TestIssuersFileErrors(t *testing.T) {
	t.Parallel()
	const idp = `"issuer": "https://login.example.org/main"`
	for _, tt := range []struct{ name, file, want string }{
		{"empty", ``, `line 1: EOF`},
		{"no JSON", "[\n{\n issuer: 1}]", `line 3: invalid character 'i' looking for beginning of object key string`},
		{"an object", `{}`, `line 1: the list of issuers cannot be a JSON object`},
		{"null", `null`, `it must hold a JSON array of issuers`},
		{"two lists", `[] []`, `line 1: there is more after the list of issuers`},
		{"unknown member", `[{"isuer": "x"}]`, `line 1: json: unknown field "isuer"`},
		{"a text for a list", `[{` + idp + `, "audiences": "api://todo"}]`, `line 1: "audiences" cannot be a JSON string`},
		{"no issuer", `[{"audiences": ["a"]}]`, `issuer 1: the member "issuer" is missing: it is the claim iss of the tokens, such as https://login.example.org/realms/main`},
		{"no audience", `[{` + idp + `}]`, `issuer 1: the member "audiences" is missing: it names this API at the issuer, such as api://todo`},
		{"our own audience", `[{` + idp + `, "audiences": ["https://graph.microsoft.com"]}]`, `issuer 1: the audience "https://graph.microsoft.com" cannot be an external issuer's: name the API that is registered there, such as api://todo`},
		{"http", `[{"issuer": "http://login.example.org", "audiences": ["a"]}]`, `issuer 1: the issuer "http://login.example.org" must be https`},
		{"private", `[{"issuer": "https://10.0.0.1", "audiences": ["a"]}]`, `issuer 1: the issuer "https://10.0.0.1" is at a private address, which "allowPrivateAddress" would allow`},
		{"algorithm", `[{` + idp + `, "audiences": ["a"], "algorithms": ["HS256"]}]`, `issuer 1: the algorithm "HS256" is none of RS256, RS384, RS512, PS256, PS384, PS512, ES256, ES384, ES512, EdDSA`},
		{"preset", `[{` + idp + `, "audiences": ["a"], "preset": "okta"}]`, `issuer 1: the preset "okta" is none of entra-v2, entra-v1, keycloak, authentik and zitadel`},
		{"permission", `[{` + idp + `, "audiences": ["a"], "permissions": {"x": "Mail.Read"}}]`, `issuer 1: the permission "Mail.Read" of "x" is not known: use Graph's names, such as Tasks.ReadWrite`},
		{"secret", `[{` + idp + `, "audiences": ["a"], "clientSecret": "x"}]`, `issuer 1: a client secret needs the "clientId" of this server at the issuer`},
		{"twice", `[{` + idp + `, "audiences": ["a"]}, {` + idp + `, "audiences": ["b"]}]`, `issuer 2: https://login.example.org/main is there twice`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := newShell(t)
			s.file(t, "idp.json", tt.file)
			want := result{Stderr: "duly: --issuers: idp.json: " + tt.want + ". See duly serve --help.\n", Status: 2}
			if diff := cmp.Diff(want, s.run(t, "serve", "--issuers", "idp.json")); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
	s := newShell(t, "DULY_ISSUERS=nowhere.json")
	want := result{Stderr: "duly: DULY_ISSUERS: nowhere.json cannot be read: no such file or directory. See duly serve --help.\n", Status: 2}
	if diff := cmp.Diff(want, s.run(t, "serve")); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

// Without passwords and without anywhere else to sign in, nobody could.
func TestNobodyCouldSignIn(t *testing.T) {
	t.Parallel()
	s := newShell(t)
	s.file(t, "idp.json", `[{"issuer": "https://login.example.org/main", "audiences": ["a"]}]`)
	for _, args := range [][]string{{"--password-sign-in=false"}, {"--no-password-sign-in", "--issuers", "idp.json"}} {
		want := result{Stderr: "duly: nobody could sign in: without passwords one of the issuers needs a clientId, with which people sign in there. See duly serve --help.\n", Status: 2}
		if diff := cmp.Diff(want, s.run(t, append([]string{"serve"}, args...)...)); diff != "" {
			t.Errorf("%v (-want +got)\n%s", args, diff)
		}
	}
}

// M12: an issuer that calls itself otherwise is refused at the start.
func TestIssuerAtStart(t *testing.T) {
	t.Parallel()
	idp := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, `{"issuer": "https://evil.example", "jwks_uri": "https://evil.example/keys"}`)
	}))
	t.Cleanup(idp.Close)
	s := newShell(t)
	s.file(t, "ca.pem", string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: idp.Certificate().Raw})))
	s.file(t, "idp.json", `[{"issuer": "`+idp.URL+`", "audiences": ["a"], "allowPrivateAddress": true, "caFile": "ca.pem"}]`)
	want := result{
		Stderr: "duly: an external issuer cannot be used: " + idp.URL + `: its discovery document names the issuer "https://evil.example": the two must be the same, to the letter. See duly serve --help.` + "\n",
		Status: 2,
	}
	if diff := cmp.Diff(want, s.run(t, "serve", "--listen", "127.0.0.1:0", "--issuers", "idp.json")); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

// Links are made, seen and taken back beside a server.
func TestUserLinks(t *testing.T) {
	t.Parallel()
	s := newShell(t)
	s.must(t, "user", "add", "ada")
	s.must(t, "user", "add", "grace")
	link := func(verb, user, subject string) []string {
		return []string{"user", verb, user, "--issuer", "https://login.example.org/main", "--subject", subject}
	}
	for _, step := range []struct {
		args   []string
		stdout string
		stderr string
		status int
	}{
		{link("link", "ada", "1"), "ada is the subject 1 of https://login.example.org/main\n", "", 0},
		{link("link", "grace", "1"), "", `duly: the subject 1 is linked to another user: see whom with "duly user list --data data", and remove that link first` + "\n", 1},
		{link("link", "bob", "2"), "", `duly: there is no user bob: see who there is with "duly user list --data data"` + "\n", 1},
		{link("unlink", "grace", "1"), "", `duly: the subject 1 is not linked to grace: see the links with "duly user list --data data"` + "\n", 1},
		{[]string{"user", "link", "ada", "--issuer", "x", "--subject", "1"}, "", `duly: the issuer "x" is no URL such as https://login.example.org/realms/main` + "\n", 1},
	} {
		if diff := cmp.Diff(result{step.stdout, step.stderr, step.status}, s.run(t, step.args...)); diff != "" {
			t.Errorf("%v (-want +got)\n%s", step.args, diff)
		}
	}
	if list := s.must(t, "user", "list"); !strings.Contains(list, "\nNAME  ISSUER                          SUBJECT\nada   https://login.example.org/main  1\n") {
		t.Errorf("got:\n%s", list)
	}
	var users []struct {
		Name       string              `json:"userPrincipalName"`
		Identities []map[string]string `json:"identities"`
	}
	err := json.Unmarshal([]byte(s.must(t, "user", "list", "--json")), &users)
	if err != nil || len(users) != 2 || users[0].Identities[0]["issuerAssignedId"] != "1" || users[1].Identities != nil {
		t.Errorf("got %v, %v", users, err)
	}
	s.must(t, link("unlink", "ada", "1")...)
	if list := s.must(t, "user", "list"); strings.Contains(list, "ISSUER") {
		t.Errorf("got:\n%s", list)
	}
}
