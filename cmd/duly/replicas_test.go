package main

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/duly-todo/duly/internal/pgtest"
)

// A fleet is three servers on one database, one or two of which may be dead.
type fleet struct {
	t      *testing.T
	token  string
	client *http.Client
	urls   [3]atomic.Pointer[string]
	next   atomic.Uint32
}

// url is the server whose turn it is.
func (f *fleet) url() string { return *f.urls[int(f.next.Add(1))%len(f.urls)].Load() }

// ask sends a request to one server after the other until one answers: it must be one
// that may be sent again. Nobody may answer 5xx.
func (f *fleet) ask(method, path string, body []byte, header ...string) (int, []byte) {
	for begun := time.Now(); time.Since(begun) < time.Minute; {
		r, err := http.NewRequestWithContext(f.t.Context(), method, f.url()+path, bytes.NewReader(body))
		if err != nil {
			f.t.Error(err)
			break
		}
		for i := 0; i+1 < len(header); i += 2 {
			r.Header.Set(header[i], header[i+1])
		}
		answer, err := f.client.Do(r)
		if err != nil {
			continue // it is being killed
		}
		text, err := io.ReadAll(answer.Body)
		answer.Body.Close()
		if err != nil {
			continue
		}
		if answer.StatusCode >= 500 {
			f.t.Errorf("%s %s: %s: %s", method, path, answer.Status, text)
		}
		return answer.StatusCode, text
	}
	f.t.Errorf("%s %s: nobody answers", method, path)
	return 0, nil
}

// get is ask for JSON.
func (f *fleet) get(path string, into any) {
	status, text := f.ask("GET", path, nil, "Authorization", "Bearer "+f.token)
	if err := json.Unmarshal(text, into); err != nil || status != 200 {
		f.t.Errorf("GET %s: %d, %v: %.500s", path, status, err, text)
	}
}

const rest = 5 * time.Millisecond // of those who only read

// TestThreeReplicas kills three servers, one by one and under load, while their
// clients go on with the others. What was answered is there, once; who follows delta
// has all of it; each change is told, in order; a file that came in by all servers
// is whole; and a user who is signed out by one is signed out everywhere.
func TestThreeReplicas(t *testing.T) {
	t.Parallel()
	writesBetween := 100
	if testing.Short() {
		writesBetween = 30
	}
	hook := newHook(t)
	s := newShell(t, "DULY_LOG_LEVEL=error", "DULY_WEBHOOK_ALLOW=127.0.0.1", "DULY_DB="+pgtest.Start(t).DSN)
	addAda(t, s)
	l := &ledger{token: strings.TrimSpace(s.must(t, "token", "--user", "ada")), tasks: map[string]*written{}, settled: map[string]written{}, etags: map[string]bool{}}
	transport := &http.Transport{MaxIdleConnsPerHost: 16}
	defer transport.CloseIdleConnections()
	f := &fleet{t: t, token: l.token, client: &http.Client{Transport: transport, Timeout: 30 * time.Second}}
	replicas := make([]*process, len(f.urls))
	for i := range replicas {
		replicas[i] = s.start(t)
		f.urls[i].Store(&replicas[i].url)
	}
	replicas[0].call(t, l.token, http.MethodPost, "/v1.0/subscriptions", fmt.Sprintf(
		`{"changeType": "created,updated,deleted", "notificationUrl": %q, "resource": "/me/todo/lists/Tasks/tasks", "expirationDateTime": %q}`,
		hook.url, time.Now().Add(time.Hour).UTC().Format(time.RFC3339)), http.StatusCreated)
	file := f.newUpload(replicas[1])

	stop, begun := make(chan struct{}), time.Now()
	var working sync.WaitGroup
	for w := range 4 {
		working.Go(func() { l.writeOn(f, w, stop) })
	}
	var reads, rounds atomic.Int64
	working.Go(func() { l.readOn(f, &reads, stop) })
	d := &deltaCopy{fleet: f, tasks: map[string]string{}, link: tasksPath + "/delta"}
	working.Go(func() {
		for running(stop, rest) {
			d.round()
			rounds.Add(1)
		}
	})
	working.Go(func() { file.send(stop) })
	for i, p := range replicas {
		l.await(t, writesBetween)
		p.signal(t, syscall.SIGKILL)
		<-p.exited
		l.await(t, writesBetween)
		replicas[i] = s.start(t)
		f.urls[i].Store(&replicas[i].url)
	}
	l.await(t, writesBetween)
	close(stop)
	working.Wait()
	load := time.Since(begun)
	file.finish()

	l.check(t, replicas[0], 0)
	d.round()
	want := map[string]string{}
	for _, task := range l.all(t, replicas[1]) {
		want[task.ID] = task.ETag + task.Title
	}
	if diff := cmp.Diff(want, d.tasks); diff != "" {
		t.Errorf("the copy by delta (-list +copy):\n%s", diff)
	}
	waited := time.Now()
	told := hook.await(l.etags)
	t.Logf("%v under load, and %v until all was told", load.Round(time.Millisecond), time.Since(waited).Round(time.Millisecond))
	signOutEverywhere(t, s, replicas)
	t.Logf("3 servers, each killed once: %d writes were answered, and %d without an answer were kept, %d not; %d reads, %d rounds of delta; %d notifications, %d of them again; %d slices of a file, %d of them again",
		l.acknowledged, l.kept, l.lost, reads.Load(), rounds.Load(), told, hook.again, file.slices, file.retried)
	for _, p := range replicas {
		p.stop(t)
	}
}

// running says whether to go on, after a moment.
func running(stop <-chan struct{}, rest time.Duration) bool {
	select {
	case <-stop:
		return false
	case <-time.After(rest):
		return true
	}
}

// writeOn makes and changes tasks. One whose last write had no answer is left as it is.
func (l *ledger) writeOn(f *fleet, writer int, stop <-chan struct{}) {
	for n := 0; running(stop, 0); n++ {
		err := l.writeTask(f.t.Context(), f.client, f.url(), fmt.Sprintf("%d/%d", writer, n))
		if answer, ok := errors.AsType[*badAnswer](err); ok {
			f.t.Errorf("writer %d: %v", writer, answer)
		}
	}
}

// await waits until so many more writes were answered.
func (l *ledger) await(t *testing.T, writes int) {
	t.Helper()
	count := func() int {
		l.mu.Lock()
		defer l.mu.Unlock()
		return l.acknowledged
	}
	for begun, until := time.Now(), count()+writes; count() < until; time.Sleep(5 * time.Millisecond) {
		if time.Since(begun) > time.Minute {
			t.Fatal("the writers are stuck")
		}
	}
}

// readOn reads tasks, which must not be older than what was answered before.
func (l *ledger) readOn(f *fleet, reads *atomic.Int64, stop <-chan struct{}) {
	for running(stop, rest) {
		l.mu.Lock()
		var before written
		for _, before = range l.settled { // Go starts at a random place
			break
		}
		l.mu.Unlock()
		if before.id == "" {
			continue
		}
		var got answeredTask
		f.get(tasksPath+"/"+before.id, &got)
		if version, err := got.version(); err != nil || version < before.version {
			f.t.Errorf("after version %d of %s, a read gives %+v", before.version, before.title, got)
		}
		reads.Add(1)
	}
}

// A deltaCopy is kept by delta.
type deltaCopy struct {
	*fleet
	tasks map[string]string // etag and title by id
	link  string
}

// round follows the links to the next deltaLink, each by another server.
func (d *deltaCopy) round() {
	for more := true; more && !d.t.Failed(); {
		var page struct {
			Next  string `json:"@odata.nextLink"`
			Delta string `json:"@odata.deltaLink"`
			Value []struct {
				answeredTask
				Removed json.RawMessage `json:"@removed"`
			}
		}
		d.get(d.link, &page)
		for _, task := range page.Value {
			if delete(d.tasks, task.ID); task.Removed == nil {
				d.tasks[task.ID] = task.ETag + task.Title
			}
		}
		more = page.Delta == ""
		u, err := url.Parse(page.Next + page.Delta)
		if err != nil {
			d.t.Error(err)
		}
		d.link = u.RequestURI()
	}
}

// A hook takes notifications.
type hook struct {
	t   *testing.T
	url string

	mu     sync.Mutex
	told   map[string]bool // etags
	last   uint64          // the highest version that was told
	again  int             // notifications that came more than once
	notice chan struct{}
}

func newHook(t *testing.T) *hook {
	t.Helper()
	h := &hook{t: t, told: map[string]bool{}, notice: make(chan struct{}, 1)}
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	h.url = server.URL
	return h
}

// ServeHTTP takes what comes. What is new must be in the order of the versions.
func (h *hook) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if token := r.URL.Query().Get("validationToken"); token != "" {
		w.Header().Set("Content-Type", "text/plain")
		_, _ = io.WriteString(w, token)
		return
	}
	var n struct {
		Value []struct{ ResourceData answeredTask }
	}
	if err := json.NewDecoder(r.Body).Decode(&n); err != nil {
		return // the server was killed while it sent
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, v := range n.Value {
		tag := v.ResourceData.ETag
		b, err := base64.StdEncoding.DecodeString(strings.Trim(strings.TrimPrefix(tag, "W/"), `"`))
		if err != nil || len(b) < 8 {
			h.t.Errorf("told %+v", v)
			return
		}
		version := binary.BigEndian.Uint64(b)
		switch {
		case h.told[tag]:
			h.again++
		case version < h.last:
			h.t.Errorf("version %d was told after %d", version, h.last)
		}
		h.told[tag], h.last = true, max(h.last, version)
	}
	w.WriteHeader(http.StatusAccepted)
	select {
	case h.notice <- struct{}{}:
	default:
	}
}

// await waits until all of some changes were told, and returns how many came in all.
func (h *hook) await(etags map[string]bool) int {
	h.t.Helper()
	for deadline := time.After(time.Minute); ; {
		missing := 0
		h.mu.Lock()
		for tag := range etags {
			if !h.told[tag] {
				missing++
			}
		}
		told := len(h.told) + h.again
		h.mu.Unlock()
		if missing == 0 {
			return told
		}
		select {
		case <-h.notice:
		case <-deadline:
			h.t.Errorf("%d of %d changes are not told", missing, len(etags))
			return told
		}
	}
}

// An upload is a file that is sent slice by slice, each to another server.
type upload struct {
	*fleet
	path            string // of the session
	file            string // of the attachment
	content         []byte
	from            int
	slices, retried int
}

const (
	uploadedSize  = 6 << 20
	uploadedSlice = 320 << 10
)

func (f *fleet) newUpload(p *process) *upload {
	list := p.call(f.t, f.token, "POST", "/v1.0/me/todo/lists", `{"displayName": "Files"}`, 201)["id"].(string)
	task := p.call(f.t, f.token, "POST", "/v1.0/me/todo/lists/"+list+"/tasks", `{"title": "holds a file"}`, 201)["id"].(string)
	files := "/v1.0/me/todo/lists/" + list + "/tasks/" + task + "/attachments"
	session := p.call(f.t, f.token, "POST", files+"/createUploadSession",
		fmt.Sprintf(`{"attachmentInfo": {"attachmentType": "file", "name": "f", "size": %d}}`, uploadedSize), 201)["uploadUrl"].(string)
	u, err := url.Parse(session)
	if err != nil {
		f.t.Fatal(err)
	}
	content := make([]byte, uploadedSize)
	r := rand.NewChaCha8([32]byte{})
	_, _ = r.Read(content) // which never fails
	return &upload{fleet: f, path: u.RequestURI(), file: files, content: content}
}

// send sends slices until it is stopped, but not the last.
func (u *upload) send(stop <-chan struct{}) {
	for running(stop, 20*rest) && u.from+uploadedSlice < len(u.content) && !u.t.Failed() {
		u.slice()
	}
}

// slice sends the next slice to one server. Where there is no answer, another says
// what has been received.
func (u *upload) slice() {
	ctx, cancel := context.WithTimeout(u.t.Context(), 30*time.Second)
	defer cancel()
	to := min(u.from+uploadedSlice, len(u.content))
	r, err := http.NewRequestWithContext(ctx, "PUT", u.url()+u.path, bytes.NewReader(u.content[u.from:to]))
	if err != nil {
		u.t.Error(err)
		return
	}
	r.Header.Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", u.from, to-1, len(u.content)))
	answer, err := u.client.Do(r)
	if err == nil {
		text, err := io.ReadAll(answer.Body)
		answer.Body.Close()
		if answer.StatusCode/100 != 2 {
			u.t.Errorf("bytes from %d: %s: %s", u.from, answer.Status, text)
		}
		if err == nil {
			u.slices++
			u.from = to
			return
		}
	}
	u.retried++
	status, text := u.ask("GET", u.path, nil)
	var state struct{ NextExpectedRanges []string }
	if err := json.Unmarshal(text, &state); err != nil || status != 200 || len(state.NextExpectedRanges) == 0 {
		u.t.Errorf("the session: %d, %v: %s", status, err, text)
		return
	}
	next := 0
	if _, err := fmt.Sscanf(state.NextExpectedRanges[0], "%d", &next); err != nil || next != u.from && next != to {
		u.t.Errorf("%d bytes were answered, and it goes on from %s", u.from, state.NextExpectedRanges)
	}
	u.from = next
}

// finish sends the rest and reads the file.
func (u *upload) finish() {
	for u.from < len(u.content) && !u.t.Failed() {
		u.slice()
	}
	var files struct{ Value []struct{ ID string } }
	u.get(u.file, &files)
	if len(files.Value) != 1 {
		u.t.Errorf("there are %d files", len(files.Value))
		return
	}
	status, got := u.ask("GET", u.file+"/"+files.Value[0].ID+"/$value", nil, "Authorization", "Bearer "+u.token)
	if status != 200 || !bytes.Equal(got, u.content) {
		u.t.Errorf("%d: other bytes are read than were written", status)
	}
}

// signOutEverywhere signs a user out, by the command line, which is one more process
// on the database: every server refuses the token.
func signOutEverywhere(t *testing.T, s *shell, replicas []*process) {
	t.Helper()
	s.must(t, "user", "add", "bob")
	token := strings.TrimSpace(s.must(t, "token", "--user", "bob"))
	for _, p := range replicas {
		p.call(t, token, "GET", "/v1.0/me/todo/lists", "", http.StatusOK)
	}
	s.must(t, "user", "sign-out", "bob")
	for _, p := range replicas {
		p.await(t, "user sign-out bob", func() (string, string) { return token, "/v1.0/me/todo/lists" }, `error="insufficient_claims"`)
	}
}
