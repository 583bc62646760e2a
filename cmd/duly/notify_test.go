package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// What is committed is told after a kill, though nothing of it was taken before.
func TestKillBeforeDelivery(t *testing.T) {
	t.Parallel()
	var well atomic.Bool
	told := make(chan answeredTask, 1000)
	hook := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if token := r.URL.Query().Get("validationToken"); token != "" {
			w.Header().Set("Content-Type", "text/plain")
			_, _ = io.WriteString(w, token) // the server may have been killed
			return
		}
		var n struct {
			Value []struct{ ResourceData answeredTask }
		}
		if err := json.NewDecoder(r.Body).Decode(&n); err != nil {
			return // it was killed while it sent
		}
		if !well.Load() {
			<-r.Context().Done() // until the kill
			return
		}
		for _, v := range n.Value {
			told <- v.ResourceData
		}
		w.WriteHeader(http.StatusAccepted)
	}))
	t.Cleanup(hook.Close)
	s := newShell(t, "DULY_LOG_LEVEL=error", "DULY_WEBHOOK_ALLOW=127.0.0.1")
	addAda(t, s)
	token := strings.TrimSpace(s.must(t, "token", "--user", "ada"))
	p := s.start(t)
	p.call(t, token, http.MethodPost, "/v1.0/subscriptions", fmt.Sprintf(
		`{"changeType": "created,updated", "notificationUrl": %q, "resource": "/me/todo/lists/Tasks/tasks", "expirationDateTime": %q}`,
		hook.URL, time.Now().Add(time.Hour).UTC().Format(time.RFC3339)), http.StatusCreated)
	const tasks = 150 // more than one POST holds
	want := map[string]bool{}
	for n := range tasks {
		task := p.call(t, token, http.MethodPost, tasksPath, fmt.Sprintf(`{"title": "Task %d"}`, n), http.StatusCreated)
		want[task["id"].(string)+task["@odata.etag"].(string)] = true
	}
	if err := p.cmd.Process.Signal(syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	<-p.exited
	well.Store(true)
	p = s.start(t, "--admin-listen", "127.0.0.1:0")
	admin := p.adminURL(t)
	for len(want) > 0 {
		select {
		case task := <-told:
			if delete(want, task.ID+task.ETag); task.ID == "" {
				t.Fatal("a notification without an id")
			}
		case <-time.After(time.Minute):
			t.Fatalf("%d changes are not told:\n%s", len(want), p.stderr.String())
		}
	}
	counted := regexp.MustCompile(`\nduly_notification_delivery_seconds_count{result="taken"} [1-9]`)
	for began := time.Now(); ; { // what is told is counted a moment later
		_, metrics := get(t, admin+"/metrics")
		if counted.MatchString(metrics) {
			break
		}
		if time.Since(began) > time.Minute {
			t.Fatalf("the metrics count no delivery:\n%s", metrics)
		}
	}
	p.stop(t)
}
