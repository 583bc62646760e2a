// Package todotest starts a To Do server inside a test, as httptest does for
// HTTP: a Graph endpoint with lists, tasks and everything below them, that lives
// in memory and as long as its test.
//
//	s := todotest.Start(t)
//	resp, err := s.Client("Tasks.ReadWrite").Get(s.URL + "/v1.0/me/todo/lists")
package todotest

import (
	"cmp"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/duly-todo/duly"
)

// DefaultUser is the principal name of the user that every Server begins with.
const DefaultUser = "adele@example.org"

// DefaultScopes are the permissions of a token when a test names none.
const DefaultScopes = "Tasks.ReadWrite User.Read"

// A Server is a Graph endpoint on a loopback port.
type Server struct {
	URL string // scheme, host and port; the API is below /v1.0 and /beta

	t    testing.TB
	duly *duly.Server
}

// Start starts a server with one user, [DefaultUser], whose mailbox has the
// default list. It is closed when the test ends.
func Start(t testing.TB) *Server { return StartConfig(t, duly.Config{}) }

// StartConfig is Start with settings of the caller's; a Config without DataDir
// keeps everything in memory.
func StartConfig(t testing.TB, c duly.Config) *Server {
	t.Helper()
	d, err := duly.New(t.Context(), c)
	if err != nil {
		t.Fatalf("todotest: %v", err)
	}
	h := httptest.NewServer(d)
	t.Cleanup(func() {
		h.Close()
		if err := d.Close(); err != nil {
			t.Errorf("todotest: closing the server: %v", err)
		}
	})
	s := &Server{URL: h.URL, t: t, duly: d}
	if _, err := d.User(t.Context(), DefaultUser); err != nil {
		s.AddUser(DefaultUser)
	}
	return s
}

// AddUser makes another user and returns the object id.
func (s *Server) AddUser(principalName string) string {
	s.t.Helper()
	u, err := s.duly.AddUser(s.t.Context(), duly.User{UserPrincipalName: principalName})
	if err != nil {
		s.t.Fatalf("todotest: %v", err)
	}
	return u.ID
}

// Token makes an access token for a user, named by id or principal name, that
// lives for an hour. Without scopes it has [DefaultScopes].
func (s *Server) Token(user, scopes string) string {
	s.t.Helper()
	token, err := s.duly.Token(s.t.Context(), user, cmp.Or(scopes, DefaultScopes), time.Hour)
	if err != nil {
		s.t.Fatalf("todotest: %v", err)
	}
	return token
}

// Client returns a client that sends [DefaultUser]'s token with the scopes, or
// with [DefaultScopes] where they are empty.
func (s *Server) Client(scopes string) *http.Client {
	s.t.Helper()
	return &http.Client{Transport: bearer("Bearer " + s.Token(DefaultUser, scopes))}
}

// bearer is a transport that adds an Authorization header.
type bearer string

func (b bearer) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Header.Set("Authorization", string(b))
	return http.DefaultTransport.RoundTrip(r)
}
