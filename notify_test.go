package duly_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/duly-todo/duly"
)

// An arrival is when an endpoint was told of a task.
type arrival struct {
	subscription, task, etag string
	at                       time.Time
}

// listen is an endpoint that says who has come when.
func listen(tb testing.TB) (url string, arrivals chan arrival) {
	tb.Helper()
	arrivals = make(chan arrival, 10_000)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		at := time.Now()
		if token := r.URL.Query().Get("validationToken"); token != "" {
			w.Header().Set("Content-Type", "text/plain")
			_, _ = io.WriteString(w, token)
			return
		}
		var n struct {
			Value []struct {
				SubscriptionID string
				ResourceData   struct {
					ID   string
					ETag string `json:"@odata.etag"`
				}
			}
		}
		if err := json.NewDecoder(r.Body).Decode(&n); err != nil {
			tb.Error(err)
		}
		for _, v := range n.Value {
			arrivals <- arrival{v.SubscriptionID, v.ResourceData.ID, v.ResourceData.ETag, at}
		}
		w.WriteHeader(http.StatusAccepted)
	}))
	tb.Cleanup(server.Close)
	return server.URL, arrivals
}

// subscription is the body of one to the default list.
func subscription(url string) string {
	return fmt.Sprintf(`{"changeType": "created,updated,deleted", "notificationUrl": %q, "resource": "/me/todo/lists/Tasks/tasks", "expirationDateTime": %q}`,
		url, time.Now().Add(time.Hour).UTC().Format(time.RFC3339))
}

// A server as a handler notifies without more, and stops with Close.
func TestNotifications(t *testing.T) {
	t.Parallel()
	url, arrivals := listen(t)
	c := newCallerWith(t, duly.Config{DataDir: t.TempDir(), WebhookAllow: []string{"127.0.0.1"}})
	made := c.call("POST", "/v1.0/subscriptions", subscription(url), 201)
	task := c.call("POST", tasksPath, `{"title": "Milk"}`, 201)
	var sub, created struct {
		ID   string
		ETag string `json:"@odata.etag"`
	}
	if err := json.Unmarshal(made.Body.Bytes(), &sub); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(task.Body.Bytes(), &created); err != nil {
		t.Fatal(err)
	}
	select {
	case got := <-arrivals:
		if got.subscription != sub.ID || got.task != created.ID || got.etag != created.ETag {
			t.Errorf("told %+v of %s", got, task.Body)
		}
	case <-time.After(time.Minute):
		t.Fatal("nobody was told")
	}
}

func TestWebhookAllow(t *testing.T) {
	t.Parallel()
	err := duly.Config{WebhookAllow: []string{"hooks.internal", "10.0.0.0/8", "nonsense/99"}}.Validate()
	if err == nil || !strings.Contains(err.Error(), `"nonsense/99"`) {
		t.Errorf("got %v", err)
	}
}

// BenchmarkNotify measures the time from the request of a write to the arrival of
// its notifications at a loopback endpoint, with 200 subscriptions that ask for
// it: rounds is how many writes one after the other share an iteration.
func BenchmarkNotify(b *testing.B) {
	for _, row := range []struct {
		name          string
		users, rounds int
	}{{"quiet", 2, 1}, {"busy", 4, 10}} {
		b.Run(row.name, func(b *testing.B) { benchmarkNotify(b, row.users, 200/row.users, row.rounds) })
	}
}

func benchmarkNotify(b *testing.B, users, each, rounds int) {
	url, arrivals := listen(b)
	server := newCallerWith(b, duly.Config{DataDir: b.TempDir(), WebhookAllow: []string{"127.0.0.1"}})
	callers := make([]*caller, users)
	for i := range callers {
		callers[i] = server.as(b, fmt.Sprintf("user%d@example.org", i))
		for range each {
			callers[i].call("POST", "/v1.0/subscriptions", subscription(url), 201)
		}
	}
	var mu sync.Mutex
	begun := map[string]time.Time{} // by etag
	var all []arrival
	for b.Loop() {
		var writers sync.WaitGroup
		for _, c := range callers {
			writers.Go(func() {
				for range rounds {
					at := time.Now()
					w := c.call("POST", tasksPath, `{"title": "Milk"}`, 201)
					mu.Lock()
					begun[tagOf(b, w)] = at
					mu.Unlock()
				}
			})
		}
		for range users * each * rounds {
			all = append(all, <-arrivals)
		}
		writers.Wait()
	}
	took := make([]time.Duration, len(all))
	for i, a := range all {
		took[i] = a.at.Sub(begun[a.etag])
	}
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)/2].Microseconds())/1000, "median-ms")
	b.ReportMetric(float64(took[len(took)*99/100].Microseconds())/1000, "p99-ms")
	b.ReportMetric(float64(len(all))/b.Elapsed().Seconds(), "told/s")
}

func tagOf(tb testing.TB, w *httptest.ResponseRecorder) string {
	var task struct {
		ETag string `json:"@odata.etag"`
	}
	if err := json.Unmarshal(w.Body.Bytes(), &task); err != nil {
		tb.Error(err)
	}
	return task.ETag
}
