package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// A second server keeps off the data of the first; all else works beside it,
// and a dead server leaves no lock.
func TestTwoServers(t *testing.T) {
	t.Parallel()
	s, p, _ := servingAda(t)
	want := result{Status: 1, Stderr: fmt.Sprintf("duly: cannot use the data folder data: another server uses it (process %d): stop that one, or choose another folder with --data\n", p.cmd.Process.Pid)}
	if diff := cmp.Diff(want, s.run(t, "serve", "--listen", "127.0.0.1:0")); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	s.must(t, "user", "add", "bob")
	s.must(t, "token", "--user", "bob")
	s.must(t, "doctor")
	s.must(t, "backup", "backup.tar")
	if err := p.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	<-p.exited
	s.start(t).stop(t)
}

// get asks for a path without a token.
func get(t *testing.T, url string) (answer *http.Response, body string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	answer, err = http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer, string(text)
}

func expectGet(t *testing.T, url string, status int, want string) {
	t.Helper()
	if answer, body := get(t, url); answer.StatusCode != status || body != want {
		t.Errorf("GET %s: %s: %q, not %d: %q", url, answer.Status, body, status, want)
	}
}

// adminURL is where the metrics are, from the second line of stdout.
func (p *process) adminURL(t *testing.T) string {
	t.Helper()
	line := p.line(t)
	url, ok := strings.CutPrefix(strings.TrimSuffix(line, "/metrics"), "Metrics are on ")
	if !ok {
		t.Fatalf("the second line is %q", line)
	}
	return url
}

func TestAdminListener(t *testing.T) {
	t.Parallel()
	s := newShell(t)
	addAda(t, s)
	token := strings.TrimSpace(s.must(t, "token", "--user", "ada"))
	p := s.start(t, "--admin-listen", "127.0.0.1:0")
	admin := p.adminURL(t)
	task := p.call(t, token, "POST", tasksPath, `{"title": "Secret plan"}`, http.StatusCreated)
	p.call(t, token, "GET", tasksPath+"/"+task["id"].(string), "", http.StatusOK)
	p.call(t, token, "GET", "/v1.0/me/nothing", "", http.StatusBadRequest)
	for _, base := range []string{p.url, admin} {
		expectGet(t, base+"/healthz", http.StatusOK, "ok\n")
		expectGet(t, base+"/readyz", http.StatusOK, "ok\n")
	}
	if answer, _ := get(t, p.url+"/metrics"); answer.StatusCode == http.StatusOK {
		t.Error("clients can read the metrics")
	}
	answer, metrics := get(t, admin+"/metrics")
	if answer.StatusCode != http.StatusOK || !strings.HasPrefix(answer.Header.Get("Content-Type"), "text/plain") {
		t.Errorf("%s, %v", answer.Status, answer.Header)
	}
	for _, line := range []string{
		`duly_http_request_duration_seconds_count{method="POST",route="/users/{user}/todo/lists/{list}/tasks",status="2xx"} 1`,
		`duly_http_request_duration_seconds_count{method="GET",route="/users/{user}/todo/lists/{list}/tasks/{task}",status="2xx"} 1`,
		`duly_http_request_duration_seconds_count{method="-",route="-",status="4xx"} 2`,
		"duly_http_requests_in_flight 0", "duly_store_users 1", "duly_store_changes_total 2", "duly_store_change_log_entries 2",
		"duly_store_write_wait_seconds_count 2" /* the set-up link, and the task */, `duly_store_commit_writes_bucket{le="1"} `, "duly_store_commit_seconds_count ", "duly_store_read_seconds_count ",
		"duly_notification_queue_length 0", `duly_notification_delivery_seconds_count{result="failed"} 0`,
		"go_goroutines ", "process_start_time_seconds ",
	} {
		if !strings.Contains(metrics, "\n"+line) {
			t.Errorf("there is no %q in:\n%s", line, metrics)
		}
	}
	for _, secret := range []string{"Secret", `"ada`, task["id"].(string), token[:20]} {
		if strings.Contains(metrics, secret) {
			t.Errorf("the metrics hold %q", secret)
		}
	}
	for _, url := range []string{p.url, admin} {
		if got := s.must(t, "ready", "--url", url); got != "ready\n" {
			t.Errorf("duly ready says %q", got)
		}
	}
	if answer, _ := get(t, admin+"/debug/pprof/goroutine?debug=1"); answer.StatusCode != http.StatusOK {
		t.Errorf("profiles: %s", answer.Status)
	}
	p.stop(t)
}

// A request beyond the limits says how long to wait, and is counted.
func TestThrottle(t *testing.T) {
	t.Parallel()
	s := newShell(t, "DULY_THROTTLE=graph,requests=1/24h")
	addAda(t, s)
	token := strings.TrimSpace(s.must(t, "token", "--user", "ada"))
	p := s.start(t, "--admin-listen", "127.0.0.1:0")
	admin := p.adminURL(t)
	p.call(t, token, "GET", tasksPath, "", http.StatusOK)
	p.call(t, token, "GET", tasksPath, "", http.StatusTooManyRequests)
	if _, metrics := get(t, admin+"/metrics"); !strings.Contains(metrics, "\n"+`duly_http_throttled_total{limit="requests"} 1`+"\n") {
		t.Errorf("the metrics do not count it:\n%s", metrics)
	}
	p.stop(t)
}

// Where other machines reach the metrics, there are no profiles.
func TestAdminListenerEverywhere(t *testing.T) {
	t.Parallel()
	s := newShell(t)
	addAda(t, s)
	p := s.start(t, "--admin-listen", "0.0.0.0:0")
	if answer, _ := get(t, p.adminURL(t)+"/debug/pprof/"); answer.StatusCode != http.StatusNotFound {
		t.Errorf("profiles: %s", answer.Status)
	}
	p.stop(t)
	if !strings.Contains(p.stderr.String(), "duly: warning: other machines reach 0.0.0.0:0 and read the metrics there; there are no profiles\n") {
		t.Errorf("stderr:\n%s", p.stderr.String())
	}
}

// A backup that is taken while writers write has all that was answered before it
// began, and nothing by half: the server on it has tasks that were written, each
// once, and the doctor finds nothing.
func TestBackupUnderLoad(t *testing.T) {
	t.Parallel()
	s := newShell(t, "DULY_LOG_LEVEL=error")
	addAda(t, s)
	l := &ledger{token: strings.TrimSpace(s.must(t, "token", "--user", "ada")), tasks: map[string]*written{}, settled: map[string]written{}}
	p := s.start(t)
	const writers, rounds = 6, 3
	var group sync.WaitGroup
	stop := make(chan struct{})
	begun := make(chan struct{}, writers)
	for writer := range writers {
		group.Go(func() {
			for n := 0; ; n++ {
				if err := l.writeTask(t.Context(), http.DefaultClient, p.url, fmt.Sprintf("%d/%d", writer, n)); err != nil {
					t.Errorf("writer %d: %v", writer, err)
					return
				}
				if n == 0 {
					begun <- struct{}{}
				}
				select {
				case <-stop:
					return
				default:
				}
			}
		})
	}
	for range writers {
		<-begun
	}
	var before [rounds]map[string]written
	for round := range rounds {
		before[round] = l.answered()
		s.must(t, "backup", fmt.Sprintf("%d.tar", round))
	}
	close(stop)
	group.Wait()
	p.stop(t)
	for round, known := range before {
		data := fmt.Sprint("restored", round)
		s.must(t, "restore", fmt.Sprintf("%d.tar", round), "--data", data, "--keep-sessions")
		s.must(t, "doctor", "--data", data)
		p := s.start(t, "--data", data)
		l.expectIn(t, p, known)
		l.probe(t, p, fmt.Sprint("probe ", round), 0)
		p.stop(t)
	}
	t.Logf("%d writes were answered, %d tasks of them before the last backup", l.acknowledged, len(before[rounds-1]))
}

// answered is what is known of every task of which a write was answered.
func (l *ledger) answered() map[string]written {
	l.mu.Lock()
	defer l.mu.Unlock()
	return maps.Clone(l.settled)
}

// expectIn wants a server to have the tasks that are known, as they were then or
// as they were written later, and no tasks that nobody wrote.
func (l *ledger) expectIn(t *testing.T, p *process, known map[string]written) {
	t.Helper()
	left := maps.Clone(known)
	for _, task := range l.all(t, p) {
		name, _, _ := strings.Cut(task.Title, " #")
		version, err := task.version()
		w := known[name]
		if err != nil || l.tasks[name] == nil || w.id != "" && task.ID != w.id || version < w.version || version == w.version && task.Title != w.title {
			t.Errorf("%+v is not what was answered: %+v, %v", task, w, err)
		}
		delete(left, name)
	}
	for name, w := range left {
		t.Errorf("%s is missing: %+v", name, w)
	}
}

// A backup of the first released schema is restored, brought up to date, and
// serves its tasks.
func TestRestoreReleasedBackup(t *testing.T) {
	t.Parallel()
	s := newShell(t)
	s.unzip(t, "backup-schema2.tar.gz", "old.tar")
	if got := s.must(t, "restore", "old.tar"); !strings.Contains(got, "schema 2,") {
		t.Errorf("restore says %q", got)
	}
	if got := s.must(t, "doctor"); !strings.Contains(got, `version 2, which the next start of "duly serve" brings to `) {
		t.Errorf("doctor says:\n%s", got)
	}
	p := s.start(t)
	token := strings.TrimSpace(s.must(t, "token", "--user", "ada@example.org"))
	if diff := cmp.Diff([]string{"Water the plants", "Answer the mail", "Buy milk"}, p.titles(t, token)); diff != "" {
		t.Errorf("tasks (-want +got)\n%s", diff)
	}
	found := p.call(t, token, "GET", tasksPath+"?$search=oat&$expand=checklistItems", "", http.StatusOK)["value"].([]any)
	if len(found) != 1 || len(found[0].(map[string]any)["checklistItems"].([]any)) != 2 {
		t.Errorf("searching finds %v", found)
	}
	id := found[0].(map[string]any)["id"].(string)
	p.call(t, token, "PATCH", tasksPath+"/"+id, `{"status": "completed"}`, http.StatusOK)
	delta := p.call(t, token, "GET", tasksPath+"/delta", "", http.StatusOK)["value"].([]any)
	if len(delta) != 3 {
		t.Errorf("delta has %d tasks", len(delta))
	}
	p.stop(t)
	s.must(t, "doctor")
}

// Delta tokens from before a restore are answered 410, also when as many writes
// have followed as they know of: what they know may be another history.
func TestRestoreEndsDeltaTokens(t *testing.T) {
	t.Parallel()
	s, p, token := servingAda(t)
	delta := func() string {
		link := p.call(t, token, "GET", tasksPath+"/delta", "", http.StatusOK)["@odata.deltaLink"].(string)
		return strings.TrimPrefix(link, p.url)
	}
	write := func(title string) map[string]any {
		return p.call(t, token, "POST", tasksPath, fmt.Sprintf(`{"title": %q}`, title), http.StatusCreated)
	}
	old := write("before")
	before := delta()
	s.must(t, "backup", "backup.tar")
	write("lost")
	after := delta()
	p.stop(t)
	s.must(t, "restore", "backup.tar", "--data", "restored", "--keep-sessions")
	p = s.start(t, "--data", "restored")
	for n := range 3 {
		write(fmt.Sprint("new ", n))
	}
	for _, path := range []string{before, after} {
		p.call(t, token, "GET", path, "", http.StatusGone)
	}
	if got := p.call(t, token, "GET", tasksPath+"/"+old["id"].(string), "", http.StatusOK)["@odata.etag"]; got != old["@odata.etag"] {
		t.Errorf("the etag of a task that did not change is %v, and was %v", got, old["@odata.etag"])
	}
	now := delta()
	write("newest")
	if changed := p.call(t, token, "GET", now, "", http.StatusOK)["value"].([]any); len(changed) != 1 {
		t.Errorf("a new token gives %d changes", len(changed))
	}
	p.stop(t)
	s.must(t, "doctor", "--data", "restored")
}

// unzip puts a file of testdata into the folder.
func (s *shell) unzip(t *testing.T, name, to string) {
	t.Helper()
	f, err := os.Open(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	s.file(t, to, string(text))
}

// A backup that was altered in any way is refused, and leaves nothing behind.
func TestRestoreRefuses(t *testing.T) {
	t.Parallel()
	s := newShell(t)
	s.unzip(t, "backup-schema2.tar.gz", "good.tar")
	good, err := os.ReadFile(filepath.Join(s.dir, "good.tar"))
	if err != nil {
		t.Fatal(err)
	}
	flipped := bytes.Clone(good)
	flipped[len(good)/2] ^= 1
	for name, tt := range map[string]struct {
		text []byte
		want string
	}{
		"a bit":        {flipped, "duly.db is not what was backed up: its hash is another one"},
		"cut off":      {good[:len(good)/2], "duly.db cannot be read: unexpected EOF"},
		"no keys":      {good[:len(good)-4*512-1500], "issuer.json"},
		"newer schema": {edited(t, good, func(m map[string]any) { m["schemaVersion"] = 999 }), "the backup has a schema of version 999 and this program knows "},
		"other schema": {edited(t, good, func(m map[string]any) { m["schemaVersion"] = 1 }), "the schema of duly.db has version 2 and not 1"},
		"newer format": {edited(t, good, func(m map[string]any) { m["format"] = 3 }), "the backup has format 3 and this program reads 1 to 2"},
		"other file": {edited(t, good, func(m map[string]any) {
			m["files"].([]any)[0].(map[string]any)["name"] = "../duly.db"
		}), `it holds "../duly.db", which is no file of a data folder`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newShell(t)
			s.file(t, "bad.tar", string(tt.text))
			got := s.run(t, "restore", "bad.tar", "--data", "new")
			if got.Status != 1 || !strings.Contains(got.Stderr, tt.want) || strings.Count(got.Stderr, "\n") != 1 {
				t.Errorf("got %+v", got)
			}
			for _, left := range []string{"new/duly.db", "new/issuer.json"} {
				if _, err := os.Stat(filepath.Join(s.dir, left)); err == nil {
					t.Errorf("it leaves %s", left)
				}
			}
			s.file(t, "good.tar", string(good)) // the same folder still does for a sound one
			s.must(t, "restore", "good.tar", "--data", "new")
		})
	}
}

// edited writes a backup anew with another manifest.
func edited(t *testing.T, backup []byte, edit func(map[string]any)) []byte {
	t.Helper()
	var out bytes.Buffer
	in, w := tar.NewReader(bytes.NewReader(backup)), tar.NewWriter(&out)
	for {
		h, err := in.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		text, err2 := io.ReadAll(in)
		if err := errors.Join(err, err2); err != nil {
			t.Fatal(err)
		}
		if h.Name == "manifest.json" {
			var m map[string]any
			if err := json.Unmarshal(text, &m); err != nil {
				t.Fatal(err)
			}
			edit(m)
			if text, err = json.Marshal(m); err != nil {
				t.Fatal(err)
			}
		}
		h.Size = int64(len(text))
		if err := w.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(text); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// The doctor names each problem with its remedy.
func TestDoctor(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name   string
		breaks func(*testing.T, *shell)
		want   string // of a line of stdout
	}{
		{"open files", func(t *testing.T, s *shell) { s.chmod(t, "data", 0o755); s.chmod(t, "data/duly.db", 0o644) }, "problem  files       other accounts may use data/duly.db (mode 0644)\n"},
		{"no keys", func(t *testing.T, s *shell) { s.remove(t, "data/issuer.json") }, "problem  keys        open the token issuer: open data/issuer.json: no such file or directory\n"},
		{"damaged keys", func(t *testing.T, s *shell) { s.file(t, "data/issuer.json", "{") }, "problem  keys        the token issuer in data/issuer.json is damaged"},
		{"no database", func(t *testing.T, s *shell) { s.file(t, "data/duly.db", strings.Repeat("no", 5000)) }, "problem  database    the database is damaged"},
		{"empty database", func(t *testing.T, s *shell) { s.file(t, "data/duly.db", "") }, "problem  schema      version 0\n"},
		{"damaged page", func(t *testing.T, s *shell) { s.damage(t, "data/duly.db", "ada@example.org") }, "problem  integrity   the database is damaged"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := newShell(t)
			s.unzip(t, "backup-schema2.tar.gz", "old.tar")
			s.must(t, "restore", "old.tar")
			tt.breaks(t, s)
			got := s.run(t, "doctor")
			if got.Status != 1 || got.Stderr != "duly: there is 1 problem\n" || !strings.Contains(got.Stdout, tt.want) || strings.Count(got.Stdout, "\n"+strings.Repeat(" ", 21)+"-> ") != 1 {
				t.Errorf("got %d, %s%s", got.Status, got.Stderr, got.Stdout)
			}
		})
	}
}

func (s *shell) chmod(t *testing.T, name string, mode os.FileMode) {
	t.Helper()
	if err := os.Chmod(filepath.Join(s.dir, name), mode); err != nil {
		t.Fatal(err)
	}
}

// damage overwrites the head of every page of a database in which there is a text.
func (s *shell) damage(t *testing.T, name, text string) {
	t.Helper()
	const page = 4096
	f, err := os.OpenFile(filepath.Join(s.dir, name), os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	data, err := io.ReadAll(f)
	if err != nil {
		t.Fatal(err)
	}
	damaged := 0
	for start := page; start+page <= len(data); start += page {
		if bytes.Contains(data[start:start+page], []byte(text)) {
			if _, err := f.WriteAt(bytes.Repeat([]byte{0xff}, 200), int64(start)); err != nil {
				t.Fatal(err)
			}
			damaged++
		}
	}
	if damaged == 0 {
		t.Fatalf("%q is nowhere in %s", text, name)
	}
}
