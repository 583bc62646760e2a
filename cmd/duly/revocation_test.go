package main

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"
)

// What the command line ends beside a running server ends there within two
// seconds, and so does what it gives back.
func TestRevocationBeside(t *testing.T) {
	t.Parallel()
	s, p, _ := servingAda(t)
	printed := s.must(t, "app", "add", "Nightly sync", "--daemon", "--role", "tasks.read.all")
	find := func(pattern string) string {
		t.Helper()
		m := regexp.MustCompile(pattern).FindStringSubmatch(printed)
		if m == nil {
			t.Fatalf("there is no %s in:\n%s", pattern, printed)
		}
		return m[1]
	}
	id, secret, tenant := find(`(?m)^Client id: +(\S+)$`), find(`(?m)^Client secret: +(dulycs_\S+) `), find(`(?m)^Tenant id: +(\S+)$`)
	daemon := func() (string, string) {
		t.Helper()
		answer, err := http.PostForm(p.url+"/"+tenant+"/oauth2/v2.0/token", url.Values{
			"grant_type": {"client_credentials"}, "client_id": {id}, "client_secret": {secret}, "scope": {"https://graph.microsoft.com/.default"},
		})
		if err != nil {
			t.Fatal(err)
		}
		defer answer.Body.Close()
		var token struct {
			AccessToken string `json:"access_token"`
		}
		if err := json.NewDecoder(answer.Body).Decode(&token); err != nil || answer.StatusCode != 200 {
			t.Fatalf("no token: %s, %v", answer.Status, err)
		}
		return token.AccessToken, "/v1.0/users/ada/todo/lists"
	}
	ada := func() (string, string) {
		t.Helper()
		return strings.TrimSpace(s.must(t, "token", "--user", "ada")), "/v1.0/me/todo/lists"
	}
	for _, step := range []struct {
		command string
		token   func() (token, path string)
		want    string // in the challenge
	}{
		{"user sign-out ada", ada, `error="insufficient_claims", claims="`},
		{"user reset-factors ada", ada, `error="insufficient_claims", claims="`},
		{"user disable ada", ada, `error="insufficient_claims", claims="`},
		{"user enable ada", nil, ""},
		{"app sign-out " + id, daemon, `error="insufficient_claims", claims="`},
		{"app remove " + id, daemon, `error="invalid_token"`},
	} {
		if step.token == nil {
			s.must(t, strings.Fields(step.command)...)
			p.await(t, step.command, ada, "")
			continue
		}
		token, path := step.token()
		p.call(t, token, "GET", path, "", http.StatusOK)
		s.must(t, strings.Fields(step.command)...)
		p.await(t, step.command, func() (string, string) { return token, path }, step.want)
	}
}

// await asks until the answer is a challenge with the text want, or is good where
// there is none, for two seconds.
func (p *process) await(t *testing.T, after string, token func() (token, path string), want string) {
	t.Helper()
	bearer, path := token()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
	defer cancel()
	asked := 0
	for begun := time.Now(); ; asked++ {
		r, err := http.NewRequestWithContext(ctx, "GET", p.url+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Authorization", "Bearer "+bearer)
		answer, err := p.client.Do(r)
		if err != nil {
			t.Fatalf("%s: two seconds and %d requests later, nothing has changed: %v", after, asked, err)
		}
		answer.Body.Close()
		challenge := answer.Header.Get("WWW-Authenticate")
		if want == "" && answer.StatusCode == 200 || want != "" && answer.StatusCode == 401 {
			if !strings.Contains(challenge, want) {
				t.Errorf("%s: the challenge is %s", after, challenge)
			}
			t.Logf("%s: %v", after, time.Since(begun).Round(time.Millisecond))
			return
		}
		select {
		case <-time.After(20 * time.Millisecond):
		case <-ctx.Done():
		}
	}
}
