package main

import (
	"net/http"
	"strings"
	"testing"
	"time"
)

// A server does not start on a database whose damage it can see, and says what
// to do.
func TestDamageAtStart(t *testing.T) {
	t.Parallel()
	s := newShell(t)
	s.unzip(t, "backup-schema2.tar.gz", "old.tar")
	s.must(t, "restore", "old.tar")
	s.damage(t, "data/duly.db", "ada@example.org")
	got := s.run(t, "serve", "--listen", "127.0.0.1:0")
	const want = `duly: cannot use the data folder data: the database is damaged: stop the server, look at what "duly doctor" says, and restore a backup with "duly restore": `
	if got.Status != 1 || got.Stdout != "" || !strings.HasPrefix(got.Stderr, want) || strings.Count(got.Stderr, "\n") != 1 {
		t.Errorf("got %+v", got)
	}
}

// Damage that comes while the server runs: requests that meet it are a bare 500,
// the log names the remedy, the server is no longer ready, and goes on with what
// is sound.
func TestDamageWhileServing(t *testing.T) {
	t.Parallel()
	s := newShell(t)
	s.unzip(t, "backup-schema2.tar.gz", "old.tar")
	s.must(t, "restore", "old.tar")
	token := strings.TrimSpace(s.must(t, "token", "--user", "ada@example.org")) // migrates, and puts all into the one file
	p := s.start(t)
	expectGet(t, p.url+"/readyz", http.StatusOK, "ok\n")
	s.damage(t, "data/duly.db", "Water the plants")
	answer := p.call(t, token, "GET", tasksPath, "", http.StatusInternalServerError)
	if e := answer["error"].(map[string]any); e["message"] != "Internal Server Error" {
		t.Errorf("the client is told %v", e)
	}
	p.call(t, token, "GET", "/v1.0/me", "", http.StatusOK)
	p.awaitGet(t, "/readyz", http.StatusServiceUnavailable, "The database is damaged; the log says what to do.\n")
	expectGet(t, p.url+"/healthz", http.StatusOK, "ok\n")
	p.stop(t)
	if log := p.stderr.String(); !strings.Contains(log, `restore a backup with \"duly restore\"`) || strings.Contains(log, "Water") {
		t.Errorf("log:\n%s", log)
	}
}

// awaitGet asks until the answer is as wanted: that of a moment ago may be given
// for a second.
func (p *process) awaitGet(t *testing.T, path string, status int, want string) {
	t.Helper()
	for {
		answer, body := get(t, p.url+path)
		if answer.StatusCode == status && body == want {
			if (answer.Header.Get("Retry-After") == "") != (status == http.StatusOK) {
				t.Errorf("GET %s: headers %v", path, answer.Header)
			}
			return
		}
		select {
		case <-t.Context().Done():
			t.Fatalf("GET %s: %s: %s", path, answer.Status, body)
		case <-p.exited:
			t.Fatalf("it ended with %v", p.cmd.ProcessState)
		case <-time.After(20 * time.Millisecond):
		}
	}
}
