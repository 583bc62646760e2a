package duly_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"

	"github.com/duly-todo/duly"
	"github.com/duly-todo/duly/internal/pgtest"
)

// TestLinearizability has clients create, change, read and remove tasks of one
// mailbox at once, pages read it all, and a follower of delta keep a copy. Each answer
// must be that of some order of the requests, in which each comes between its
// sending and its answer. Where faults are made, requests without an answer may have
// been done, or not.
func TestLinearizability(t *testing.T) {
	t.Parallel()
	t.Run("sqlite", func(t *testing.T) {
		t.Parallel()
		checkHistory(t, duly.Config{DataDir: t.TempDir()}, 1, nil)
	})
	t.Run("three servers on postgres", func(t *testing.T) {
		t.Parallel()
		checkHistory(t, duly.Config{DataDir: t.TempDir(), Database: postgres(t)}, 3, nil)
	})
	t.Run("three servers and faults", func(t *testing.T) {
		t.Parallel()
		server := pgtest.Start(t)
		checkHistory(t, duly.Config{DataDir: t.TempDir(), Database: server.DSN}, 3, server)
	})
}

// A recorder has the requests of some clients, and what came of them.
type recorder struct {
	t      *testing.T
	urls   []string // of the servers
	token  string
	client *http.Client
	faults bool
	start  time.Time
	next   atomic.Int64 // number of requests

	mu      sync.Mutex
	history []porcupine.Operation
	tasks   map[string]*target // by name
	titles  int
}

// A target is a task that may be changed.
type target struct {
	id   string // empty until its creation was answered
	etag string // one that it had
}

func checkHistory(t *testing.T, config duly.Config, servers int, postgres *pgtest.Server) {
	t.Helper()
	c := newCallerWith(t, config)
	handlers := []http.Handler{c.server}
	for range servers - 1 {
		s, err := duly.New(t.Context(), config)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		})
		handlers = append(handlers, s)
	}
	transport := &http.Transport{MaxIdleConnsPerHost: 16}
	r := &recorder{t: t, token: c.token, client: &http.Client{Transport: transport}, faults: postgres != nil, start: time.Now(), tasks: map[string]*target{}}
	for _, h := range handlers {
		web := httptest.NewServer(h)
		defer web.Close()
		r.urls = append(r.urls, web.URL)
	}
	defer transport.CloseIdleConnections()
	const clients = 5
	var writing, others sync.WaitGroup
	stop := make(chan struct{})
	for n := range clients {
		writing.Go(func() { r.act(n, rand.New(rand.NewPCG(7, uint64(n)))) })
	}
	others.Go(func() { r.follow(clients, stop) })
	if postgres != nil {
		others.Go(func() {
			for range 2 {
				for seen := r.next.Load(); r.next.Load() < seen+clients*historyLength/4; {
					time.Sleep(time.Millisecond) // the clients are at work
				}
				postgres.Crash()
				postgres.Restart()
			}
		})
	}
	writing.Wait()
	close(stop)
	others.Wait()
	r.judge()
}

// judge compares the history with the models.
func (r *recorder) judge() {
	counts, unanswered := map[string]int{}, 0
	for _, o := range r.history {
		s := o.Input.(step)
		if counts[s.op]++; !s.known {
			unanswered++
		}
	}
	r.t.Logf("%v by %d servers, %d without an answer, in %v", counts, len(r.urls), unanswered, time.Since(r.start).Round(time.Millisecond))
	if counts["page"] == 0 || counts["read"] == 0 || counts["delete"] == 0 || r.faults != (unanswered > 0) {
		r.t.Error("the history proves little")
	}
	for name, model := range map[string]porcupine.Model{"tasks": taskModel, "mailbox": boxModel} {
		if got := porcupine.CheckOperationsTimeout(model, r.history, time.Minute); got != porcupine.Ok {
			r.t.Errorf("the history of the %s: %v", name, got)
		}
	}
}

// request sends a request to one of the servers in turn. Where faults are made, some
// clients do not wait for the answer.
func (r *recorder) request(method, path, body string, random *rand.Rand, header ...string) (status int, text []byte, known bool) {
	ctx := r.t.Context()
	if r.faults && random.IntN(20) == 0 {
		var cancel func()
		ctx, cancel = context.WithTimeout(ctx, rand.N(10*time.Millisecond))
		defer cancel()
	}
	n := r.next.Add(1)
	q, err := http.NewRequestWithContext(ctx, method, r.urls[int(n)%len(r.urls)]+path, strings.NewReader(body))
	if err != nil {
		r.t.Error(err)
		return 0, nil, false
	}
	q.Header.Set("Authorization", r.token)
	for i := 0; i+1 < len(header); i += 2 {
		q.Header.Set(header[i], header[i+1])
	}
	answer, err := r.client.Do(q)
	if err != nil {
		if !r.faults {
			r.t.Error(err)
		}
		return 0, nil, false
	}
	defer answer.Body.Close()
	text, err = io.ReadAll(answer.Body)
	known = err == nil && answer.StatusCode < 500
	if !known && !r.faults {
		r.t.Errorf("%s %s: %s: %v: %s", method, path, answer.Status, err, text)
	}
	return answer.StatusCode, text, known
}

// record enters what a client did between two moments.
func (r *recorder) record(client int, call time.Duration, s step) {
	if !s.known && (s.op == "read" || s.op == "page") {
		return // nobody has seen anything
	}
	end := time.Since(r.start).Nanoseconds()
	if !s.known {
		end = math.MaxInt64
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.history = append(r.history, porcupine.Operation{ClientId: client, Input: s, Call: call.Nanoseconds(), Output: s, Return: end})
}

// act makes the requests of a client, one after the other.
func (r *recorder) act(client int, random *rand.Rand) {
	for n := range historyLength {
		name, task := r.pick(random)
		k := random.IntN(20)
		call := time.Since(r.start)
		switch {
		case n%8 == 0 && client%2 == 0 || task.id == "":
			r.create(client, random)
		case k < 7:
			r.patch(client, name, task, "", random)
		case k < 12:
			r.patch(client, name, task, task.etag, random)
		case k < 13:
			status, _, known := r.request("DELETE", tasksPath+"/"+task.id, "", random)
			r.record(client, call, step{op: "delete", task: name, known: known, status: status})
		case k < 16:
			s := step{op: "page", all: map[string]seen{}}
			var text []byte
			if s.status, text, s.known = r.request("GET", tasksPath+"?$top=1000", "", random); s.known {
				var page deltaPage
				r.decode(text, &page)
				for _, t := range page.Value {
					s.all[nameOf(t.Title)] = seen{t.Title, t.ETag}
				}
			}
			r.record(client, call, s)
		default:
			s := step{op: "read", task: name}
			var text []byte
			s.status, text, s.known = r.request("GET", tasksPath+"/"+task.id, "", random)
			s.got = r.seen(s, text, name)
			r.record(client, call, s)
		}
	}
}

// pick is a task whose creation was answered, if there is one.
func (r *recorder) pick(random *rand.Rand) (string, target) {
	r.mu.Lock()
	defer r.mu.Unlock()
	names := slices.Sorted(maps.Keys(r.tasks))
	names = slices.DeleteFunc(names, func(name string) bool { return r.tasks[name].id == "" })
	if len(names) == 0 {
		return "", target{}
	}
	name := names[max(0, len(names)-1-random.IntN(6))] // the young ones mostly
	return name, *r.tasks[name]
}

func (r *recorder) create(client int, random *rand.Rand) {
	r.mu.Lock()
	name := fmt.Sprintf("t%03d", len(r.tasks))
	r.tasks[name] = &target{}
	r.mu.Unlock()
	s := step{op: "create", task: name, title: name + "/new"}
	call := time.Since(r.start)
	var text []byte
	s.status, text, s.known = r.request("POST", tasksPath, fmt.Sprintf(`{"title": %q}`, s.title), random)
	s.got = r.seen(s, text, name)
	r.record(client, call, s)
}

func (r *recorder) patch(client int, name string, task target, ifMatch string, random *rand.Rand) {
	r.mu.Lock()
	r.titles++
	s := step{op: "patch", task: name, title: fmt.Sprintf("%s/%d", name, r.titles), ifMatch: ifMatch}
	r.mu.Unlock()
	var header []string
	if ifMatch != "" {
		header = []string{"If-Match", ifMatch}
	}
	call := time.Since(r.start)
	var text []byte
	s.status, text, s.known = r.request("PATCH", tasksPath+"/"+task.id, fmt.Sprintf(`{"title": %q}`, s.title), random, header...)
	s.got = r.seen(s, text, name)
	r.record(client, call, s)
}

// seen is the task of an answer, of which the other clients hear.
func (r *recorder) seen(s step, text []byte, name string) seen {
	if !s.known || s.status/100 != 2 {
		return seen{}
	}
	var t struct {
		ID, Title string
		ETag      string `json:"@odata.etag"`
	}
	r.decode(text, &t)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.tasks[name].id, r.tasks[name].etag = t.ID, t.ETag
	return seen{t.Title, t.ETag}
}

func (r *recorder) decode(text []byte, into any) {
	if err := json.Unmarshal(text, into); err != nil {
		r.t.Errorf("%v: %.300s", err, text)
	}
}

func nameOf(title string) string {
	name, _, _ := strings.Cut(title, "/")
	return name
}

// follow keeps a copy by delta. After each round, the copy is what was read of each
// task since the round began, those that did not come in it among them.
func (r *recorder) follow(client int, stop <-chan struct{}) {
	copied, names := map[string]seen{}, map[string]string{} // by id
	link := tasksPath + "/delta"
	for last := false; !last; {
		for seen := r.next.Load(); !last && r.next.Load() < seen+5; {
			select {
			case <-stop:
				last = true
			case <-time.After(time.Millisecond): // the others are at work
			}
		}
		r.mu.Lock()
		known := slices.Collect(maps.Keys(r.tasks))
		r.mu.Unlock()
		call := time.Since(r.start)
		next, err := r.round(link, copied, names)
		if err != nil {
			continue // it is begun again from the same link
		}
		link = next
		read := map[string]seen{}
		for id, got := range copied {
			read[names[id]] = got
		}
		for _, name := range known {
			s := step{op: "read", task: name, known: true, status: 404}
			if got, there := read[name]; there {
				s.status, s.got = 200, got
			}
			r.record(client, call, s)
		}
	}
}

var errNoAnswer = errors.New("there was no answer")

// round follows a link to the next deltaLink. The copy may have a part of the round
// when there is no answer.
func (r *recorder) round(link string, copied map[string]seen, names map[string]string) (string, error) {
	random := rand.New(rand.NewPCG(1, 1))
	for {
		_, text, known := r.request("GET", link, "", random, "Prefer", "odata.maxpagesize=5")
		if !known {
			return "", errNoAnswer
		}
		var page deltaPage
		r.decode(text, &page)
		for _, t := range page.Value {
			if delete(copied, t.ID); t.Removed == nil {
				copied[t.ID], names[t.ID] = seen{t.Title, t.ETag}, nameOf(t.Title)
			}
		}
		if page.Delta != "" {
			return pathOf(page.Delta), nil
		}
		link = pathOf(page.Next)
	}
}
