package graph_test

import (
	"encoding/base64"
	"encoding/json"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/duly-todo/duly"
)

// A forge makes tokens that the server would not give out, signed with its key.
type forge struct {
	*mailbox
	signer jose.Signer
	claims map[string]any // of a good token of the user
}

func newForge(t *testing.T, c duly.Config) *forge {
	t.Helper()
	c.DataDir = t.TempDir()
	f := &forge{mailbox: newMailbox(t, c)}
	var issuer struct{ Keys []jose.JSONWebKey }
	text, err := os.ReadFile(filepath.Join(c.DataDir, "issuer.json"))
	if err == nil {
		err = json.Unmarshal(text, &issuer)
	}
	if err != nil {
		t.Fatal(err)
	}
	key := issuer.Keys[0]
	f.signer, err = jose.NewSigner(jose.SigningKey{Algorithm: jose.SignatureAlgorithm(key.Algorithm), Key: key}, (&jose.SignerOptions{}).WithType("at+jwt"))
	if err != nil {
		t.Fatal(err)
	}
	payload, err := base64.RawURLEncoding.DecodeString(strings.Split(f.token, ".")[1])
	if err == nil {
		err = json.Unmarshal(payload, &f.claims)
	}
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// get asks with the user's token as change alters its claims; nil takes one out.
func (f *forge) get(t *testing.T, method, target string, change map[string]any) *httptest.ResponseRecorder {
	t.Helper()
	claims := map[string]any{}
	for name, value := range f.claims {
		claims[name] = value
	}
	for name, value := range change {
		if claims[name] = value; value == nil {
			delete(claims, name)
		}
	}
	payload, err := json.Marshal(claims)
	if err != nil {
		t.Fatal(err)
	}
	signed, err := f.signer.Sign(payload)
	if err != nil {
		t.Fatal(err)
	}
	token, err := signed.CompactSerialize()
	if err != nil {
		t.Fatal(err)
	}
	return f.do(method, target, strings.NewReader(`{"displayName": "x"}`), "Authorization", "Bearer "+token)
}

// TestPermissions has tokens whose signature is right and whose permissions are
// not. An application's token has roles and no user.
func TestPermissions(t *testing.T) {
	t.Parallel()
	f := newForge(t, duly.Config{})
	const (
		lists = "/v1.0/me/todo/lists"
		other = "/v1.0/users/bob@example.org/todo/lists"
		own   = "/v1.0/users/adele@example.org/todo/lists"
	)
	if _, err := f.server.AddUser(t.Context(), duly.User{UserPrincipalName: "bob@example.org"}); err != nil {
		t.Fatal(err)
	}
	scope := func(s string) map[string]any { return map[string]any{"scp": s} }
	app := func(roles ...string) map[string]any {
		return map[string]any{"idtyp": "app", "oid": nil, "scp": nil, "roles": roles}
	}
	tests := []struct {
		name   string
		method string
		target string
		claims map[string]any
		status int
		code   string
	}{
		{"the token as it is", "GET", lists, nil, 200, ""},
		{"D91: Tasks.Read writes", "POST", lists, scope("Tasks.Read"), 403, "ErrorAccessDenied"},
		{"Tasks.Read reads", "GET", lists, scope("Tasks.Read"), 200, ""},
		{"D92: neither scp nor roles", "GET", lists, map[string]any{"scp": nil}, 403, "ErrorAccessDenied"},
		{"an empty scp", "GET", lists, scope(""), 403, "ErrorAccessDenied"},
		{"D93: a longer name", "GET", lists, scope("Tasks.ReadWriteX"), 403, "ErrorAccessDenied"},
		{"D94: a name with something in front", "GET", lists, scope("xTasks.Read"), 403, "ErrorAccessDenied"},
		{"D95: another case", "POST", lists, scope("tasks.readwrite"), 403, "ErrorAccessDenied"},
		{"two names without a space", "GET", lists, scope("Tasks.Read,Tasks.ReadWrite"), 403, "ErrorAccessDenied"},
		{"C83: the claim in another case", "GET", lists, map[string]any{"scp": nil, "SCP": "Tasks.ReadWrite"}, 403, "ErrorAccessDenied"},
		{"a scope among others", "GET", lists, scope("openid Tasks.Read profile"), 200, ""},
		{"D96: a user with roles", "GET", lists, map[string]any{"scp": "User.Read", "roles": []string{"Tasks.ReadWrite.All"}}, 403, "ErrorAccessDenied"},
		{"an application's scope in a user's token", "GET", lists, scope("Tasks.ReadWrite.All"), 403, "ErrorAccessDenied"},
		{"D97: an application with scp", "GET", other, map[string]any{"idtyp": "app", "oid": nil}, 403, "ErrorAccessDenied"},
		{"an application with a user's scope as a role", "GET", other, app("Tasks.ReadWrite"), 403, "ErrorAccessDenied"},
		{"D98: an application at /me", "GET", lists, app("Tasks.ReadWrite.All"), 400, "BadRequest"},
		{"an application at /me itself", "GET", "/v1.0/me", app("User.Read.All"), 400, "BadRequest"},
		{"an application at the linked resources of nobody", "GET", "/beta/linkedResources", app("Tasks.ReadWrite.All"), 400, "BadRequest"},
		{"an application in a mailbox", "GET", other, app("Tasks.Read.All"), 200, ""},
		{"an application that reads writes", "POST", other, app("Tasks.Read.All"), 403, "ErrorAccessDenied"},
		{"an application that writes", "POST", other, app("Tasks.ReadWrite.All"), 201, ""},
		{"an application sees the users", "GET", "/v1.0/users", app("User.Read.All"), 200, ""},
		{"an application sees a user", "GET", "/v1.0/users/bob@example.org", app("User.ReadBasic.All"), 200, ""},
		{"an application changes a user", "PATCH", "/v1.0/users/bob@example.org", app("User.ReadWrite.All"), 403, "Authorization_RequestDenied"},
		{"one's own mailbox by name", "GET", own, nil, 200, ""},
		{"D101: another mailbox", "GET", other, nil, 403, "ErrorAccessDenied"},
		{"D102: a mailbox that is none", "GET", "/v1.0/users/nobody@example.org/todo/lists", nil, 403, "ErrorAccessDenied"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			w := f.get(t, test.method, test.target, test.claims)
			if test.code == "" {
				wantStatus(t, w, test.status)
				return
			}
			wantError(t, w, test.status, test.code, "")
		})
	}
}

// TestSameAnswerForNobody compares the answers about a mailbox that is
// another's and one that is none, byte for byte.
func TestSameAnswerForNobody(t *testing.T) {
	t.Parallel()
	for _, profile := range []string{"friendly", "strict"} {
		m := newMailbox(t, duly.Config{Profile: profile, Now: func() time.Time { return time.Unix(1_800_000_000, 0) }})
		bob, err := m.server.AddUser(t.Context(), duly.User{UserPrincipalName: "bob@example.org"})
		if err != nil {
			t.Fatal(err)
		}
		for _, path := range []string{"/todo/lists", "/todo/lists/Tasks/tasks", "/todo", ""} {
			var answers []string
			for _, user := range []string{bob.ID, "bob@example.org", "nobody@example.org", "00000000-0000-4000-8000-000000000000"} {
				w := m.do("GET", "/v1.0/users/"+user+path, nil)
				answers = append(answers, pretty(t, w))
				if answers[len(answers)-1] != answers[0] || w.Code == 200 {
					t.Errorf("%s: for %s %d %s, and for bob %s", profile, user, w.Code, answers[len(answers)-1], answers[0])
				}
			}
		}
	}
}

// TestTokenLifetime lets a token grow old. A minute is allowed for clocks that differ.
func TestTokenLifetime(t *testing.T) {
	t.Parallel()
	start := time.Date(2026, time.March, 1, 12, 0, 0, 0, time.UTC)
	var age atomic.Int64 // the server looks at the clock whenever it likes
	m := newMailbox(t, duly.Config{Now: func() time.Time { return start.Add(time.Duration(age.Load())) }})
	for _, test := range []struct {
		age    time.Duration
		status int
	}{
		{0, 200}, {time.Hour, 200}, {time.Hour + 59*time.Second, 200}, {time.Hour + time.Minute, 401}, {48 * time.Hour, 401}, {-59 * time.Second, 200}, {-2 * time.Minute, 401},
	} {
		age.Store(int64(test.age))
		w := m.do("GET", newTasks, nil)
		wantStatus(t, w, test.status)
		if challenge := w.Header().Get("WWW-Authenticate"); test.status == 401 && !strings.Contains(challenge, `error="invalid_token"`) {
			t.Errorf("after %v: WWW-Authenticate is %s", test.age, challenge)
		}
	}
	age.Store(int64(2 * time.Hour))
	wantError(t, m.do("GET", newTasks, nil), 401, "InvalidAuthenticationToken", "Lifetime validation failed, the token is expired.")
}
