package main

import (
	"context"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// setPassword runs "duly user password" with a password on its stdin.
func (s *shell) setPassword(t *testing.T, name, password string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := s.command(ctx, "user", "password", name, "--stdin")
	cmd.Stdin = strings.NewReader(password + "\n")
	out, err := cmd.CombinedOutput()
	if want := name + " has a new password, and is signed out everywhere\n"; err != nil || string(out) != want {
		t.Fatalf("duly user password: %v, %q", err, out)
	}
}

// An application that the command line registers gets tokens from a running
// server, until it is removed.
func TestApp(t *testing.T) {
	t.Parallel()
	s := newShell(t)
	addAda(t, s)
	p := s.start(t)
	printed := s.must(t, "app", "add", "Nightly sync", "--daemon", "--role", "tasks.read.all", "--base-url", "https://todo.example.org:8443")
	find := func(pattern string) string {
		t.Helper()
		m := regexp.MustCompile(pattern).FindStringSubmatch(printed)
		if m == nil {
			t.Fatalf("there is no %s in:\n%s", pattern, printed)
		}
		return m[1]
	}
	id, secret, tenant := find(`(?m)^Client id: +(\S+)$`), find(`(?m)^Client secret: +(dulycs_\S+) `), find(`(?m)^Tenant id: +(\S+)$`)
	for _, want := range []string{
		`AZURE_AUTHORITY_HOST=https://todo.example.org:8443 AZURE_TENANT_ID=adfs AZURE_CLIENT_ID=` + id,
		`cloud.Configuration{ActiveDirectoryAuthorityHost: "https://todo.example.org:8443"}, DisableInstanceDiscovery: true`,
		`[]string{"https://graph.microsoft.com/.default"}, []string{"todo.example.org"})`,
		`knownAuthorities: ["todo.example.org:8443"]`,
	} {
		if !strings.Contains(printed, want) {
			t.Errorf("there is no %s in:\n%s", want, printed)
		}
	}
	token := func(secret string) int {
		t.Helper()
		answer, err := http.PostForm(p.url+"/"+tenant+"/oauth2/v2.0/token", url.Values{
			"grant_type": {"client_credentials"}, "client_id": {id}, "client_secret": {secret}, "scope": {"https://graph.microsoft.com/.default"},
		})
		if err != nil {
			t.Fatal(err)
		}
		defer answer.Body.Close()
		return answer.StatusCode
	}
	if got := token(secret); got != 200 {
		t.Errorf("the secret: %d", got)
	}
	rotated := strings.TrimSpace(s.must(t, "app", "rotate", id, "--keep", "0s"))
	if old, now := token(secret), token(rotated); old != 401 || now != 200 {
		t.Errorf("after the rotation: %d and %d", old, now)
	}
	if got := strings.Join(strings.Fields(s.must(t, "app", "list")), " "); got != "NAME KIND CLIENT ID PERMISSIONS REDIRECT URIS Nightly sync daemon "+id+" Tasks.Read.All -" {
		t.Errorf("list: %s", got)
	}
	s.must(t, "app", "remove", id)
	if got := token(rotated); got != 400 {
		t.Errorf("after the removal: %d", got)
	}
	want := result{Stderr: "duly: there is no such application: " + id + `: see which there are with "duly app list --data data"` + "\n", Status: 1}
	for _, verb := range []string{"remove", "rotate", "sign-out"} {
		if diff := cmp.Diff(want, s.run(t, "app", verb, id)); diff != "" {
			t.Errorf("%s again (-want +got)\n%s", verb, diff)
		}
	}
}

func TestAppMistakes(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ name, args, want string }{
		{"no kind", "app add x", "say what the application is: --public, --spa, --confidential or --daemon. See duly app add --help."},
		{"two kinds", "app add x --public --daemon", "--public and --daemon can't be used together. See duly app add --help."},
		{"secret of a public one", "app add x --public --secret", "only --confidential and --daemon applications have a secret or a certificate. See duly app add --help."},
		{"no redirect URI", "app add x --confidential", "an application that signs users in needs a redirect URI. See duly app add --help."},
		{"wildcard", "app add x --spa --redirect-uri https://*.example.org/", `the redirect URI "https://*.example.org/" must not have a wildcard: register each URI. See duly app add --help.`},
		{"http", "app add x --confidential --redirect-uri http://app.example.org/", `the redirect URI "http://app.example.org/" must be https, since its host is not this machine. See duly app add --help.`},
		{"unknown role", "app add x --daemon --role Mail.Read", `unknown application permission "Mail.Read": the known ones are Tasks.Read.All, Tasks.ReadWrite.All, User.Read.All, User.ReadBasic.All, MailboxSettings.Read, MailboxSettings.ReadWrite, Application.Read.All, Application.ReadWrite.All. See duly app add --help.`},
		{"roles of a public one", "app add x --public --role Tasks.Read.All", "only an application that keeps a secret can have roles, which are for all mailboxes. See duly app add --help."},
		{"host with the word", "app add x --daemon --base-url https://mytoken.example", `--base-url: the host of the base URL "https://mytoken.example" must not contain the word token, on which Microsoft's client libraries stumble: choose another name. See duly app add --help.`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := newShell(t)
			if diff := cmp.Diff(result{Stderr: "duly: " + tt.want + "\n", Status: 2}, s.run(t, strings.Fields(tt.args)...)); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
			if _, err := os.Stat(filepath.Join(s.dir, "data")); err == nil {
				t.Error("it makes data")
			}
		})
	}
}

func TestUserSignIn(t *testing.T) {
	t.Parallel()
	s := newShell(t)
	addAda(t, s)
	link := s.must(t, "user", "setup-link", "ada", "--base-url", "https://todo.example.org/")
	if !regexp.MustCompile(`^https://todo\.example\.org/setup/dulysu_[A-Za-z0-9_-]{64}\n$`).MatchString(link) {
		t.Errorf("the link is %q", link)
	}
	if got := s.must(t, "user", "sign-out", "ada"); got != "ada is signed out everywhere\n" {
		t.Errorf("sign-out prints %q", got)
	}
	for _, verb := range []string{"password", "setup-link", "sign-out", "disable", "enable"} {
		want := result{Stderr: `duly: there is no user bob: see who there is with "duly user list --data data"` + "\n", Status: 1}
		if diff := cmp.Diff(want, s.run(t, "user", verb, "bob")); diff != "" {
			t.Errorf("%s (-want +got)\n%s", verb, diff)
		}
	}
	got := s.run(t, "user", "password", "ada", "--stdin") // of an empty stdin
	if want := (result{Stderr: "duly: reading the password: EOF\n", Status: 1}); got != want {
		t.Errorf("no password: %+v", got)
	}
}
