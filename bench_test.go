package duly_test

import (
	"bytes"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/duly-todo/duly"
)

// Benchmarks of single requests, without a network: the handler is called as
// net/http would call it. "fixed" is the baseline: a handler that writes a body
// of 700 bytes.

func BenchmarkFixed(b *testing.B) {
	body := bytes.Repeat([]byte("x"), 700)
	h := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write(body)
	})
	b.ReportAllocs()
	for b.Loop() {
		h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "/v1.0/me", nil))
	}
}

func BenchmarkGetTask(b *testing.B) {
	c := newCaller(b)
	task := c.create(`{"title": "Milk", "dueDateTime": {"dateTime": "2026-12-01T00:00:00", "timeZone": "UTC"}}`)
	b.ReportAllocs()
	for b.Loop() {
		c.call("GET", task, "", 200)
	}
}

func BenchmarkGetTaskParallel(b *testing.B) {
	c := newCaller(b)
	task := c.create(`{"title": "Milk"}`)
	b.ReportAllocs()
	b.SetParallelism(16)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			c.call("GET", task, "", 200)
		}
	})
}

func BenchmarkListTasks100(b *testing.B) {
	c := newCaller(b)
	for i := range 100 {
		c.create(fmt.Sprintf(`{"title": "Task %d"}`, i))
	}
	b.ReportAllocs()
	for b.Loop() {
		c.call("GET", tasksPath+"?$top=100", "", 200)
	}
}

// BenchmarkFilteredPage measures a page of open tasks, ordered by creation, of
// lists of two sizes in which one task in a hundred is open.
func BenchmarkFilteredPage(b *testing.B) {
	for _, size := range []int{1_000, 100_000} {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			c := newCaller(b)
			c.fill(b, size, func(i int) string {
				return fmt.Sprintf(`{"title": "Task %d", "status": "%s"}`, i, map[bool]string{true: "notStarted", false: "completed"}[i%100 == 0 || i < 60])
			})
			page := tasksPath + "?$filter=status%20ne%20'completed'&$orderby=createdDateTime%20desc"
			c.call("GET", page, "", 200)
			for b.Loop() {
				c.call("GET", page, "", 200)
			}
		})
	}
}

func BenchmarkPatchTask(b *testing.B) {
	c := newCaller(b)
	task := c.create(`{"title": "Milk"}`)
	b.ReportAllocs()
	n := 0
	for b.Loop() {
		n++
		c.call("PATCH", task, fmt.Sprintf(`{"title": "Milk %d"}`, n), 200)
	}
}

func BenchmarkCreateTask(b *testing.B) {
	c := newCaller(b)
	b.ReportAllocs()
	for b.Loop() {
		c.call("POST", tasksPath, `{"title": "Milk"}`, 201)
	}
}

func BenchmarkCreateTaskParallel(b *testing.B) {
	c := newCaller(b)
	b.ReportAllocs()
	b.SetParallelism(16)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			c.call("POST", tasksPath, `{"title": "Milk"}`, 201)
		}
	})
}

func BenchmarkNew(b *testing.B) {
	for b.Loop() {
		s, err := duly.New(b.Context(), duly.Config{})
		if err != nil {
			b.Fatal(err)
		}
		if err := s.Close(); err != nil {
			b.Fatal(err)
		}
	}
}

const tasksPath = "/v1.0/me/todo/lists/Tasks/tasks"

// A caller sends requests of one user to a server on a real, durable database.
type caller struct {
	tb     testing.TB
	server http.Handler // a *duly.Server, or some behind one address
	token  string
}

func newCaller(tb testing.TB) *caller {
	tb.Helper()
	return newCallerWith(tb, duly.Config{DataDir: tb.TempDir()})
}

// newCallerWith makes a server with a configuration, and a user who calls it.
func newCallerWith(tb testing.TB, config duly.Config) *caller {
	tb.Helper()
	s, err := duly.New(tb.Context(), config)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := s.Close(); err != nil {
			tb.Error(err)
		}
	})
	return (&caller{server: s}).as(tb, "adele@example.org")
}

// as makes another user of the same server.
func (c *caller) as(tb testing.TB, name string) *caller {
	tb.Helper()
	s := c.server.(*duly.Server)
	u, err := s.AddUser(tb.Context(), duly.User{UserPrincipalName: name})
	if err != nil {
		tb.Fatal(err)
	}
	token, err := s.Token(tb.Context(), u.ID, "Tasks.ReadWrite User.Read", time.Hour)
	if err != nil {
		tb.Fatal(err)
	}
	return &caller{tb, s, "Bearer " + token}
}

// call sends a request and fails the test unless the answer has the status.
func (c *caller) call(method, path, body string, status int) *httptest.ResponseRecorder {
	return c.callWith(method, path, body, status)
}

// callWith is call with headers: a name and a value in turn.
func (c *caller) callWith(method, path, body string, status int, header ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	r.Header.Set("Authorization", c.token)
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	c.server.ServeHTTP(w, r)
	if w.Code != status {
		c.tb.Errorf("%s %s: %d, want %d: %s", method, path, w.Code, status, w.Body)
	}
	return w
}

// fill makes n tasks in the default list.
func (c *caller) fill(tb testing.TB, n int, body func(i int) string) {
	tb.Helper()
	var wg sync.WaitGroup
	for w := range 64 {
		wg.Go(func() {
			for i := w; i < n; i += 64 {
				c.create(body(i))
			}
		})
	}
	wg.Wait()
}

// create makes a task in the default list and returns its path.
func (c *caller) create(body string) string {
	location := c.call("POST", tasksPath, body, 201).Header().Get("Location")
	return location[strings.Index(location, "/v1.0"):]
}
