package main

import (
	"regexp"
	"strings"
	"testing"
)

// A personal access token of the command line opens the mailbox of its user as
// far as its permissions go, shows when it was used, and ends when it is revoked.
func TestPersonalToken(t *testing.T) {
	t.Parallel()
	s, p, _ := servingAda(t)
	token := strings.TrimSpace(s.must(t, "token", "--user", "ada", "--personal", "Nightly export", "--scope", "tasks.read", "--days", "3"))
	list := func() string { return strings.Join(strings.Fields(s.must(t, "user", "tokens", "ada")), " ") }
	row := regexp.MustCompile(`^ID NAME PERMISSIONS MADE LAST USED EXPIRES ([0-9a-f]{16}) Nightly export Tasks\.Read \d{4}-\d\d-\d\d (never|\d{4}-\d\d-\d\d \d\d:\d\d) \d{4}-\d\d-\d\d$`)
	if m := row.FindStringSubmatch(list()); m == nil || m[2] != "never" {
		t.Fatalf("before it was used: %s", list())
	}
	p.call(t, token, "GET", "/v1.0/me/todo/lists", "", 200)
	p.call(t, token, "POST", "/v1.0/me/todo/lists", `{"displayName": "x"}`, 403)
	m := row.FindStringSubmatch(list())
	if m == nil || m[2] == "never" {
		t.Fatalf("after it was used: %s", list())
	}
	if strings.Contains(list(), token[8:]) {
		t.Error("the list shows the token")
	}
	if got, want := s.must(t, "user", "revoke-token", "ada", m[1]), "The token "+m[1]+" of ada has ended\n"; got != want {
		t.Errorf("revoke: %q, want %q", got, want)
	}
	p.call(t, token, "GET", "/v1.0/me/todo/lists", "", 401)
	if list() != "ID NAME PERMISSIONS MADE LAST USED EXPIRES" {
		t.Errorf("after it was revoked: %s", list())
	}
}
