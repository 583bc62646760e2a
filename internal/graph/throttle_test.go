package graph_test

import (
	"encoding/json"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/duly-todo/duly"
)

// A testClock stands until it is moved.
type testClock struct{ at atomic.Int64 }

func newClock() *testClock {
	c := &testClock{}
	c.at.Store(time.Date(2026, 11, 22, 9, 0, 0, 0, time.UTC).UnixNano())
	return c
}

func (c *testClock) now() time.Time       { return time.Unix(0, c.at.Load()).UTC() }
func (c *testClock) pass(d time.Duration) { c.at.Add(int64(d)) }

// throttledMailbox is a mailbox whose limits are counted by a clock.
func throttledMailbox(t *testing.T, limits string) (*mailbox, *testClock) {
	t.Helper()
	clock := newClock()
	m := newMailbox(t, duly.Config{Throttle: limits, Now: clock.now})
	m.token = m.tokenOf("adele@example.org")
	return m, clock
}

// tokenOf makes a token for a day.
func (m *mailbox) tokenOf(user string) string {
	m.t.Helper()
	token, err := m.server.Token(m.t.Context(), user, "Tasks.ReadWrite", 24*time.Hour)
	if err != nil {
		m.t.Fatal(err)
	}
	return token
}

func (m *mailbox) getLists() *httptest.ResponseRecorder {
	m.t.Helper()
	return m.do("GET", "/v1.0/me/todo/lists", nil)
}

// wantThrottled wants the answer of the real service, and the wait.
func wantThrottled(t *testing.T, w *httptest.ResponseRecorder, wait string) {
	t.Helper()
	wantError(t, w, http.StatusTooManyRequests, "ApplicationThrottled", "The app or user has been throttled.")
	if got := w.Header().Get("Retry-After"); got != wait {
		t.Errorf("Retry-After is %q, want %q", got, wait)
	}
	if !strings.Contains(w.Body.String(), `"code":"activityLimitReached"`) {
		t.Errorf("the outer code is another one: %s", w.Body)
	}
}

func TestThrottleRequests(t *testing.T) {
	t.Parallel()
	m, clock := throttledMailbox(t, "requests=3/10m")
	for range 3 {
		wantStatus(t, m.getLists(), 200)
	}
	clock.pass(time.Minute + time.Millisecond)
	wantThrottled(t, m.getLists(), "540")
	wantThrottled(t, m.do("GET", "/v1.0/users/adele@example.org/todo/lists", nil), "540")
	wantStatus(t, m.do("GET", "/v1.0/$metadata", nil), 200)
	wantStatus(t, m.do("GET", "/v1.0/me/nothing", nil), 400)

	other := *m
	if _, err := m.server.AddUser(t.Context(), duly.User{UserPrincipalName: "bob"}); err != nil {
		t.Fatal(err)
	}
	other.token = m.tokenOf("bob")
	wantStatus(t, other.getLists(), 200)

	clock.pass(540 * time.Second)
	wantStatus(t, m.getLists(), 200)
	clock.pass(time.Hour)
	for range 3 {
		wantStatus(t, m.getLists(), 200)
	}
	wantThrottled(t, m.getLists(), "601") // at the very end of the span one of the three still counts
}

// A client that waits as long as it is told is served, whatever it did before.
func TestThrottleKeepsItsWord(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(22, 1))
	for _, limits := range []string{"requests=1/10s", "requests=2/1s", "requests=7/1m", "app=5/3s", "requests=40/10m,app=9/1m"} {
		m, clock := throttledMailbox(t, limits)
		served, waited := 0, 0
		for range 400 {
			w := m.getLists()
			if w.Code == http.StatusTooManyRequests {
				waited++
				seconds, err := strconv.Atoi(w.Header().Get("Retry-After"))
				if err != nil || seconds < 1 {
					t.Fatalf("%s: Retry-After is %q", limits, w.Header().Get("Retry-After"))
				}
				clock.pass(time.Duration(seconds) * time.Second)
				w = m.getLists()
			}
			if w.Code != http.StatusOK {
				t.Fatalf("%s: after %d answers, waiting did not help: %d, Retry-After %q", limits, served, w.Code, w.Header().Get("Retry-After"))
			}
			served++
			clock.pass(time.Duration(random.Int64N(int64(time.Second))))
		}
		if waited == 0 {
			t.Errorf("%s: nothing was refused", limits)
		}
	}
}

func TestThrottleConcurrent(t *testing.T) {
	t.Parallel()
	m, _ := throttledMailbox(t, "concurrent=1")
	body, send := io.Pipe()
	first := make(chan *httptest.ResponseRecorder)
	go func() { first <- m.do("POST", newTasks, body, "Content-Type", "application/json") }()
	if _, err := io.WriteString(send, `{"title": `); err != nil { // which returns once it is read
		t.Fatal(err)
	}
	wantThrottled(t, m.getLists(), "1")
	if _, err := io.WriteString(send, `"Slow"}`); err != nil {
		t.Fatal(err)
	}
	send.Close()
	wantStatus(t, <-first, 201)
	wantStatus(t, m.getLists(), 200)
}

func TestThrottleUpload(t *testing.T) {
	t.Parallel()
	m, clock := throttledMailbox(t, "upload=1MB/5m")
	long := func() io.Reader {
		return strings.NewReader(`{"title": "Long", "body": {"content": "` + strings.Repeat("x", 600_000) + `"}}`)
	}
	wantStatus(t, m.do("POST", newTasks, long()), 201)
	wantStatus(t, m.do("POST", newTasks, struct{ io.Reader }{long()}), 201) // of unknown length
	wantThrottled(t, m.post(`{"title": "Short"}`), "351")
	wantStatus(t, m.getLists(), 200) // which sends nothing

	clock.pass(time.Hour)
	w := m.post(`{"title": "Files"}`)
	wantStatus(t, w, 201)
	var task struct{ ID string }
	if err := json.Unmarshal(w.Body.Bytes(), &task); err != nil {
		t.Fatal(err)
	}
	files := newTasks + "/" + task.ID + "/attachments/createUploadSession"
	w = m.do("POST", files, strings.NewReader(`{"attachmentInfo": {"attachmentType": "file", "name": "a", "size": 1000000}}`))
	wantStatus(t, w, 201)
	var session struct{ UploadURL string }
	if err := json.Unmarshal(w.Body.Bytes(), &session); err != nil {
		t.Fatal(err)
	}
	wantThrottled(t, m.post(`{"title": "Short"}`), "301") // all of the file counts
	_, path, _ := strings.Cut(session.UploadURL, "//duly.test")
	half := strings.Repeat("x", 500_000)
	wantStatus(t, m.do("PUT", path, strings.NewReader(half), "Content-Range", "bytes 0-499999/1000000"), 200)
	m.token = "" // as the helpers of some SDKs send them
	wantStatus(t, m.do("PUT", path, strings.NewReader(half), "Content-Range", "bytes 500000-999999/1000000"), 201)
}

// A length that is only said counts as no more than is ever read: it neither shuts
// the client out for long nor brings the count to its end.
func TestThrottleSaidLength(t *testing.T) {
	t.Parallel()
	m, clock := throttledMailbox(t, "upload=1MB/5m")
	wantStatus(t, m.post(`{"title": "First"}`), 201)
	for range 3 {
		r := httptest.NewRequest("POST", newTasks, strings.NewReader(`{"title": "Huge"}`))
		r.ContentLength = math.MaxInt64
		r.Header.Set("Authorization", "Bearer "+m.token)
		r.Header.Set("Content-Type", "application/json")
		w := httptest.NewRecorder()
		m.server.ServeHTTP(w, r)
		wantStatus(t, w, 413)
		w = m.post(`{"title": "Short"}`)
		wantStatus(t, w, 429)
		wait, err := strconv.Atoi(w.Header().Get("Retry-After"))
		if err != nil || wait > 600 {
			t.Fatal(wait, err)
		}
		clock.pass(time.Duration(wait) * time.Second)
	}
}

// Each part of a batch counts, and is refused, by itself; that they run at the
// same time is no reason.
func TestThrottleBatch(t *testing.T) {
	t.Parallel()
	m, clock := throttledMailbox(t, "requests=12/1m,concurrent=2")
	var parts []string
	for i := range 20 {
		parts = append(parts, fmt.Sprintf(`{"id": "%d", "method": "POST", "url": "/me/todo/lists/Tasks/tasks", "body": {"title": "%[1]d"}}`, i))
	}
	w := m.do("POST", "/v1.0/$batch", strings.NewReader(`{"requests": [`+strings.Join(parts, ",")+`]}`), "Content-Type", "application/json")
	wantStatus(t, w, 200)
	var answer struct {
		Responses []struct {
			Status  int
			Headers map[string]string
			Body    failure
		}
	}
	if err := json.Unmarshal(w.Body.Bytes(), &answer); err != nil {
		t.Fatal(err)
	}
	got := map[string]int{}
	for _, r := range answer.Responses {
		got[fmt.Sprint(r.Status, " ", r.Body.Error.InnerError.Code, " ", r.Headers["Retry-After"])]++
	}
	if diff := cmp.Diff(map[string]int{"201  ": 12, "429 ApplicationThrottled 61": 8}, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	clock.pass(61 * time.Second)
	wantStatus(t, m.getLists(), 200)
}

func TestParseLimits(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"": "", "off": "", "graph": "", "graph,concurrent=8": "", "requests=1/1s,concurrent=1,upload=1MB/24h,app=1/1m": "",
		"on":                        `there is no limit "on"`,
		"concurrent=4,graph":        `there is no limit "graph"`,
		"graph,":                    `there is no limit ""`,
		"users=4":                   `there is no limit "users=4"`,
		"concurrent":                `concurrent= must be a number from 1 to 10000`,
		"concurrent=0":              `concurrent=0 must be a number from 1 to 10000`,
		"concurrent=10001":          `concurrent=10001 must be a number from 1 to 10000`,
		"concurrent=1,concurrent=2": `the limit "concurrent" is given twice`,
		"requests=5":                `requests=5 must end with a span of time from 1s to 24h, such as 10000/10m`,
		"requests=5/25h":            `requests=5/25h must end with a span of time from 1s to 24h`,
		"requests=5/1ms":            `requests=5/1ms must end with a span of time from 1s to 24h`,
		"requests=-5/1m":            `requests=-5/1m must be a number from 1 to 1000000000000 and a span`,
		"app=0/1m":                  `app=0/1m must be a number from 1`,
		"upload=150/5m":             `upload=150/5m must be a number from 1 to 1000000MB and a span of time, such as 150MB/5m`,
		"upload=9999999MB/5m":       `upload=9999999MB/5m must be a number from 1 to 1000000MB`,
	} {
		err := duly.Config{Throttle: text}.Validate()
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
}
