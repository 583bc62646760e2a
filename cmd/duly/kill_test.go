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
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// Sizes of the test of a crash.
const (
	killRounds      = 20
	killRoundsShort = 3
	killWriters     = 8
	killPatches     = 3 // for each task that is made
)

// An answered write outlives kill -9. In each round writers make and change
// tasks, the server is killed, and a new one on the same data must have all
// that was answered, each task once, with versions that only grow.
func TestKill(t *testing.T) {
	t.Parallel()
	rounds := killRounds
	if testing.Short() {
		rounds = killRoundsShort
	}
	testKill(t, rounds)
}

func testKill(t *testing.T, rounds int, env ...string) {
	t.Helper()
	s := newShell(t, append(env, "DULY_LOG_LEVEL=error")...)
	addAda(t, s)
	l := &ledger{token: strings.TrimSpace(s.must(t, "token", "--user", "ada")), tasks: map[string]*written{}}
	p := s.start(t)
	for round := range rounds {
		l.writeUntilKilled(t, p, round)
		p = s.start(t)
		l.check(t, p, round)
		if t.Failed() {
			t.Fatalf("after kill %d of %d", round+1, rounds)
		}
	}
	p.stop(t)
	if l.acknowledged < rounds*killWriters {
		t.Errorf("only %d writes were answered, which proves little", l.acknowledged)
	}
	t.Logf("%d kills: %d answered writes checked on %d tasks; %d writes without an answer were kept, %d were not",
		rounds, l.acknowledged, len(l.tasks), l.kept, l.lost)
}

// A written is what is known of a task: the last write that was answered, and
// the one that was sent after it, if any. Titles tell the writes apart.
type written struct {
	id        string // empty as long as no creation was answered
	title     string // empty as long as no write was answered
	version   int64  // of title
	attempted string // empty if everything was answered
}

// A ledger holds all that the writers did, by the name of the task with which
// all of its titles begin.
type ledger struct {
	token string

	mu           sync.Mutex
	tasks        map[string]*written
	version      int64 // the highest that was seen
	acknowledged int
	kept, lost   int // writes without an answer

	settled map[string]written // the last write of each task that was answered
	etags   map[string]bool    // of all writes that were answered; nil: they are not kept
}

// writeUntilKilled lets writers loose on a server and kills it meanwhile.
func (l *ledger) writeUntilKilled(t *testing.T, p *process, round int) {
	t.Helper()
	transport := &http.Transport{MaxIdleConnsPerHost: killWriters}
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport}
	var writers sync.WaitGroup
	for writer := range killWriters {
		writers.Go(func() {
			for n := 0; ; n++ {
				if err := l.writeTask(t.Context(), client, p.url, fmt.Sprintf("%d/%d/%d", round, writer, n)); err != nil {
					if answer, ok := errors.AsType[*badAnswer](err); ok {
						t.Errorf("writer %d: %v", writer, answer)
					}
					return
				}
			}
		})
	}
	<-time.After(100*time.Millisecond + rand.N(500*time.Millisecond)) // not to wait for anything: the moment is the test
	if err := p.cmd.Process.Signal(syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	<-p.exited
	writers.Wait()
}

// writeTask makes a task and changes it some times.
func (l *ledger) writeTask(ctx context.Context, client *http.Client, url, name string) error {
	w := &written{}
	l.mu.Lock()
	l.tasks[name] = w
	l.mu.Unlock()
	for n := range 1 + killPatches {
		title := fmt.Sprintf("%s #%d", name, n)
		method, path := http.MethodPost, tasksPath
		if n > 0 {
			method, path = http.MethodPatch, tasksPath+"/"+w.id
		}
		w.attempted = title
		task, err := l.send(ctx, client, method, url+path, fmt.Sprintf(`{"title": %q}`, title))
		if err != nil {
			return err
		}
		version, err := task.version()
		if err != nil {
			return err
		}
		if task.Title != title || version <= w.version || w.id != "" && task.ID != w.id {
			return &badAnswer{fmt.Sprintf("%s of %q gives version %d after %d: %+v", method, title, version, w.version, task)}
		}
		*w = written{id: task.ID, title: title, version: version}
		l.mu.Lock()
		if l.settled != nil {
			l.settled[name] = *w
		}
		if l.etags != nil {
			l.etags[task.ETag] = true
		}
		l.acknowledged++
		l.version = max(l.version, version)
		l.mu.Unlock()
	}
	return nil
}

// A badAnswer is an answer that is wrong, where a lost connection is expected.
type badAnswer struct{ what string }

func (b *badAnswer) Error() string { return b.what }

// An answeredTask is what the test reads of a task.
type answeredTask struct {
	ETag  string `json:"@odata.etag"`
	ID    string `json:"id"`
	Title string `json:"title"`
}

// version is the mailbox's version in the etag, its first eight bytes.
func (a answeredTask) version() (int64, error) {
	text := strings.TrimSuffix(strings.TrimPrefix(a.ETag, `W/"`), `"`)
	b, err := base64.StdEncoding.DecodeString(text)
	if err != nil || len(b) < 8 {
		return 0, &badAnswer{fmt.Sprintf("the etag of %+v is not understood", a)}
	}
	return int64(binary.BigEndian.Uint64(b)), nil
}

// send sends a write. Only an answer that came in whole counts as one.
func (l *ledger) send(ctx context.Context, client *http.Client, method, url, body string) (task answeredTask, err error) {
	r, err := http.NewRequestWithContext(ctx, method, url, strings.NewReader(body))
	if err != nil {
		return task, err
	}
	r.Header.Set("Authorization", "Bearer "+l.token)
	r.Header.Set("Content-Type", "application/json")
	answer, err := client.Do(r)
	if err != nil {
		return task, err
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		return task, err
	}
	if answer.StatusCode/100 != 2 {
		return task, &badAnswer{fmt.Sprintf("%s: %s: %s", method, answer.Status, text)}
	}
	if err := json.Unmarshal(text, &task); err != nil {
		return task, &badAnswer{fmt.Sprintf("%s: %s: %v: %s", method, answer.Status, err, text)}
	}
	return task, nil
}

// check compares the tasks of a new server with the ledger, and enters what has
// become of the writes without an answer.
func (l *ledger) check(t *testing.T, p *process, round int) {
	t.Helper()
	found := map[string]bool{}
	ids := map[string]bool{}
	highest := l.version
	for _, task := range l.all(t, p) {
		name, _, _ := strings.Cut(task.Title, " #")
		w := l.tasks[name]
		version, err := task.version()
		if err != nil || w == nil || found[name] || ids[task.ID] || w.id != "" && task.ID != w.id {
			t.Errorf("nobody made %+v, or it is here twice (%v)", task, err)
			continue
		}
		found[name], ids[task.ID] = true, true
		highest = max(highest, version)
		l.settle(t, w, task, version)
	}
	for name, w := range l.tasks {
		if !found[name] && w.title != "" {
			t.Errorf("%s is gone: %+v", name, w)
		} else if !found[name] {
			l.lost++
			delete(l.tasks, name)
		}
	}
	l.probe(t, p, fmt.Sprintf("probe %d", round), highest)
}

// probe makes and changes a task, whose versions must be above all others.
func (l *ledger) probe(t *testing.T, p *process, name string, highest int64) {
	t.Helper()
	w := &written{title: name + " #0", version: highest}
	made := p.call(t, l.token, http.MethodPost, tasksPath, fmt.Sprintf(`{"title": %q}`, w.title), http.StatusCreated)
	w.id = made["id"].(string)
	changed := p.call(t, l.token, http.MethodPatch, tasksPath+"/"+w.id, `{"importance": "high"}`, http.StatusOK)
	for _, task := range []map[string]any{made, changed} {
		version, err := answeredTask{ETag: task["@odata.etag"].(string)}.version()
		if err != nil || version <= w.version {
			t.Errorf("a write has version %d, after %d was given out: %v", version, w.version, err)
		}
		w.version = version
	}
	l.tasks[name], l.version = w, w.version
}

// settle checks a task that was found against its last writes.
func (l *ledger) settle(t *testing.T, w *written, task answeredTask, version int64) {
	t.Helper()
	switch {
	case task.Title == w.title && version == w.version:
		if w.attempted != "" {
			l.lost++
		}
	case task.Title == w.attempted && version > w.version:
		l.kept++
	default:
		t.Errorf("version %d of %+v is not what was answered: %+v", version, task, w)
	}
	*w = written{id: task.ID, title: task.Title, version: version}
}

// all reads all tasks, page by page.
func (l *ledger) all(t *testing.T, p *process) (tasks []answeredTask) {
	t.Helper()
	for url := p.url + tasksPath + "?$top=1000"; url != ""; {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Authorization", "Bearer "+l.token)
		answer, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(answer.Body)
		_ = answer.Body.Close()
		var page struct {
			Next  string         `json:"@odata.nextLink"`
			Value []answeredTask `json:"value"`
		}
		if err == nil {
			err = json.NewDecoder(bytes.NewReader(text)).Decode(&page)
		}
		if err != nil || answer.StatusCode != http.StatusOK {
			t.Fatalf("GET %s: %s, %v: %.500s", url, answer.Status, err, text)
		}
		tasks = append(tasks, page.Value...)
		url = page.Next
	}
	return tasks
}
