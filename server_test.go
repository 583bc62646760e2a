package duly_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/duly-todo/duly"
)

// A pipeListener is a listener whose connections stay inside the process, so
// that the time of a synctest bubble applies to them.
type pipeListener struct {
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
}

func newPipeListener() *pipeListener {
	return &pipeListener{conns: make(chan net.Conn), closed: make(chan struct{})}
}

func (l *pipeListener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *pipeListener) Close() error {
	l.once.Do(func() { close(l.closed) })
	return nil
}

func (l *pipeListener) Addr() net.Addr { return &net.UnixAddr{Name: "pipe", Net: "unix"} }

// dial returns a client's end, or net.ErrClosed once the listener is closed.
func (l *pipeListener) dial() (net.Conn, error) {
	client, server := net.Pipe()
	select {
	case l.conns <- server:
		return client, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

// A served is a server that runs on a pipeListener inside a synctest bubble.
type served struct {
	*pipeListener
	token string
	stop  context.CancelFunc
	done  chan error // the result of Serve
}

func serve(t *testing.T) *served {
	t.Helper()
	s := &served{pipeListener: newPipeListener(), done: make(chan error, 1)}
	server, err := duly.New(t.Context(), duly.Config{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := server.AddUser(t.Context(), duly.User{UserPrincipalName: "ada"}); err != nil {
		t.Fatal(err)
	}
	if s.token, err = server.Token(t.Context(), "ada", "Tasks.ReadWrite User.Read", time.Hour); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	s.stop = stop
	go func() {
		err := server.Serve(ctx, s)
		s.done <- errors.Join(err, server.Close())
	}()
	return s
}

// connect opens a connection and sends what is there so far of a request.
func (s *served) connect(t *testing.T, text string) net.Conn {
	t.Helper()
	c, err := s.dial()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(c, text); err != nil {
		t.Fatal(err)
	}
	return c
}

// post is a request that makes a task, without its body of size bytes.
func (s *served) post(size int) string {
	return fmt.Sprintf("POST /v1.0/me/todo/lists/Tasks/tasks HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer %s\r\n"+
		"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n", s.token, size)
}

const newTask = `{"title": "Secret plan"}`

// A request in flight is answered after the server was told to stop, and new
// connections are refused meanwhile.
func TestServeFinishesRequests(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := serve(t)
		idle := s.connect(t, "")
		c := s.connect(t, s.post(len(newTask))+newTask[:5])
		synctest.Wait()
		s.stop()
		time.Sleep(9 * time.Second)
		if _, err := s.dial(); !errors.Is(err, net.ErrClosed) {
			t.Errorf("dialling a server that stops: %v", err)
		}
		if n, err := idle.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
			t.Errorf("an idle connection gives %d bytes, %v", n, err)
		}
		if _, err := io.WriteString(c, newTask[5:]); err != nil {
			t.Fatal(err)
		}
		answer, err := http.ReadResponse(bufio.NewReader(c), nil)
		if err != nil {
			t.Fatal(err)
		}
		if body, err := io.ReadAll(answer.Body); answer.StatusCode != http.StatusCreated || err != nil {
			t.Errorf("answer %s, %v: %s", answer.Status, err, body)
		}
		if err := <-s.done; err != nil {
			t.Errorf("Serve: %v", err)
		}
	})
}

// A request that does not finish is cut off after 10 seconds.
func TestServeCutsOff(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := serve(t)
		c := s.connect(t, s.post(len(newTask)))
		synctest.Wait()
		s.stop()
		start := time.Now()
		err := <-s.done
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Serve: %v", err)
		}
		if took := time.Since(start); took < 10*time.Second || took > 11*time.Second {
			t.Errorf("stopping took %v", took)
		}
		if _, err := io.ReadAll(c); err != nil {
			t.Errorf("the connection is not closed: %v", err)
		}
	})
}

// Clients that are slow or idle lose their connections.
func TestServeTimeouts(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name  string
		sent  func(*served) string
		limit time.Duration
	}{
		{"half a header", func(*served) string { return "GET / HTTP/1.1\r\nHost: h\r\n" }, 10 * time.Second},
		{"half a body", func(s *served) string { return s.post(10) + "{" }, time.Minute},
		{"nothing", func(*served) string { return "" }, 10 * time.Second},
		{"idle", func(s *served) string {
			return "GET /v1.0/me HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer " + s.token + "\r\n\r\n"
		}, 2 * time.Minute},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := serve(t)
				c := s.connect(t, tt.sent(s))
				start := time.Now()
				if _, err := io.ReadAll(c); err != nil {
					t.Error(err)
				}
				if took := time.Since(start); took < tt.limit || took > tt.limit+time.Second {
					t.Errorf("the connection lived %v, not %v", took, tt.limit)
				}
				s.stop()
				if err := <-s.done; err != nil {
					t.Errorf("Serve: %v", err)
				}
			})
		})
	}
}

// Headers of more than 64 KiB (and the 4 KiB that net/http adds) are refused.
func TestServeLimitsHeaders(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := serve(t)
		c := s.connect(t, "")
		go func() {
			_, _ = io.WriteString(c, "GET / HTTP/1.1\r\nHost: h\r\nX: "+strings.Repeat("x", 80<<10)+"\r\n\r\n")
		}()
		answer, err := http.ReadResponse(bufio.NewReader(c), nil)
		if err != nil || answer.StatusCode != http.StatusRequestHeaderFieldsTooLarge {
			t.Errorf("answer %v, %v", answer, err)
		}
		_ = c.Close()
		s.stop()
		if err := <-s.done; err != nil {
			t.Errorf("Serve: %v", err)
		}
	})
}

func TestServeReportsAFailure(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := serve(t)
		_ = s.Close()
		if err := <-s.done; !errors.Is(err, net.ErrClosed) {
			t.Errorf("Serve: %v", err)
		}
		s.stop()
	})
}

// Browsers are told to stay with TLS only where the server has the host to itself.
func TestStrictTransportSecurity(t *testing.T) {
	t.Parallel()
	server, err := duly.New(t.Context(), duly.Config{TrustedProxies: []netip.Prefix{netip.MustParsePrefix("0.0.0.0/0")}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Close() })
	for _, tt := range []struct {
		url  string
		want string
	}{
		{"https://todo.example.org/v1.0/me", "max-age=31536000"},
		{"https://TODO/v1.0/nowhere", "max-age=31536000"},
		{"https://notlocalhost/v1.0/me", "max-age=31536000"},
		{"http://todo.example.org/v1.0/me", ""},
		{"https://todo.example.org:8443/v1.0/me", ""},
		{"https://localhost/v1.0/me", ""},
		{"https://LocalHost./v1.0/me", ""},
		{"https://box.localhost/v1.0/me", ""},
		{"https://192.0.2.1/v1.0/me", ""},
		{"https://[2001:db8::1]/v1.0/me", ""},
	} {
		r := httptest.NewRequest("GET", tt.url, nil)
		r.Header.Set("X-Forwarded-Proto", "https") // the proxy speaks for itself
		w := httptest.NewRecorder()
		server.ServeHTTP(w, r)
		if got := w.Header().Get("Strict-Transport-Security"); got != tt.want || w.Code != http.StatusUnauthorized {
			t.Errorf("%s: status %d, %q, not %q", tt.url, w.Code, got, tt.want)
		}
	}
}

// Supervisors need no token, and are told when the server stops.
func TestHealth(t *testing.T) {
	t.Parallel()
	synctest.Test(t, testHealth)
}

func testHealth(t *testing.T) {
	s, err := duly.New(t.Context(), duly.Config{})
	if err != nil {
		t.Fatal(err)
	}
	ask := func(h http.Handler, method, path string) string {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), method, path, nil))
		return fmt.Sprintf("%d %q %q", w.Code, w.Body, w.Header().Get("Retry-After"))
	}
	for _, step := range []struct{ name, ready string }{
		{"running", `200 "ok\n" ""`},
		{"closed", `503 "The server is stopping.\n" "5"`},
	} {
		for _, h := range []http.Handler{s, s.AdminHandler(false)} {
			for request, want := range map[string]string{
				"GET /healthz": `200 "ok\n" ""`, "HEAD /healthz": `200 "" ""`, "POST /healthz": `405 "Use GET.\n" ""`,
				"GET /readyz": step.ready,
			} {
				method, path, _ := strings.Cut(request, " ")
				if got := ask(h, method, path); got != want {
					t.Errorf("%s, %s: %s, not %s", step.name, request, got, want)
				}
			}
		}
		if got := ask(s.AdminHandler(false), "GET", "/metrics"); !strings.HasPrefix(got, "404 ") {
			t.Errorf("metrics that were not asked for: %s", got)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		time.Sleep(time.Second) // for which the database's answer is good
	}
}
