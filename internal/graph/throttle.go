package graph

import (
	lru "container/list"
	"io"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/duly-todo/duly/internal/todo"
)

// A throttle holds applications to their limits (semantics §22). It counts in
// this process alone, and what it refuses does not count, so that a client that
// waits as long as it is told is served. Its methods do nothing on nil.
//
// Every request that reaches a mailbox counts, and each part of a batch as one.
// What is sent to an upload session does not: all of a file counts when its
// session is made, so that no upload is refused halfway, and so that those count
// that come without a token.
type throttle struct {
	limits    Limits
	throttled func(limit string) // is told what was refused; may be nil

	mu     sync.Mutex
	usages map[usageKey]*lru.Element // of *usage
	recent *lru.List                 // the same, last used first
}

// maxUsages bounds the pairs of application and mailbox that are counted. Beyond
// it the one that was used least recently begins anew.
const maxUsages = 50_000

// maxCounted is the most bytes that a body counts as: whatever it says, it is
// refused before more of it is read.
const maxCounted = 64 << 20

type usageKey struct {
	app, user string
	all       bool // of the application to all mailboxes
}

// A usage is what was asked for lately.
type usage struct {
	key              usageKey
	running          int
	requests, upload window
}

func newThrottle(l Limits, throttled func(limit string)) *throttle {
	if l == (Limits{}) {
		return nil
	}
	return &throttle{limits: l, throttled: throttled, usages: map[usageKey]*lru.Element{}, recent: lru.New()}
}

// enter counts a request, which has to leave, or refuses it.
func (t *throttle) enter(r *request, needs *permission) error {
	if t == nil || needs == nil || needs == noToken || r.refused != nil {
		return nil
	}
	limit, wait := t.take(r, needs)
	if wait == 0 {
		return nil
	}
	if t.throttled != nil {
		t.throttled(limit)
	}
	r.header.Set("Retry-After", strconv.FormatInt(int64((wait+time.Second-1)/time.Second), 10))
	return todo.Errorf(todo.Throttled, "", "The app or user has been throttled.")
}

// take counts a request, or says which limit is in its way the longest, and how long.
func (t *throttle) take(r *request, needs *permission) (limit string, wait time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	u := t.usage(usageKey{app: r.principal.App, user: r.as.User})
	app := t.usage(usageKey{app: r.principal.App, all: true})
	sends := needs != uploadSecret && (r.Method == http.MethodPost || r.Method == http.MethodPatch || r.Method == http.MethodPut)
	if t.limits.Concurrent > 0 && u.running >= t.limits.Concurrent {
		limit, wait = "concurrent", time.Second // when one of them ends is nobody's to know
	}
	for _, l := range [...]struct {
		name string
		wait time.Duration
	}{
		{"app", app.requests.wait(t.limits.App, r.now)},
		{"requests", u.requests.wait(t.limits.Requests, r.now)},
		{"upload", u.upload.wait(t.limits.Upload, r.now)},
	} {
		if l.wait > wait && (l.name != "upload" || sends) {
			limit, wait = l.name, l.wait
		}
	}
	if wait > 0 {
		return limit, wait
	}
	app.requests.count++
	u.requests.count++
	u.running++
	r.usage = u
	switch {
	case !sends:
	case r.ContentLength >= 0:
		u.upload.count += min(r.ContentLength, maxCounted)
	default: // it is known once it is read
		r.sized = &sizedBody{ReadCloser: r.Body}
		r.Body = r.sized
	}
	return "", 0
}

// leave ends what entered.
func (t *throttle) leave(r *request) {
	if t == nil || r.usage == nil {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	r.usage.running--
	if r.sized != nil {
		r.usage.upload.count += r.sized.n
	}
}

// upload counts bytes that a request has announced.
func (t *throttle) upload(r *request, n int64) {
	if t == nil || r.usage == nil {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	r.usage.upload.count += n
}

// atOnce is how many requests of an application to a mailbox are answered at
// once; 0: any number.
func (t *throttle) atOnce() int {
	if t == nil {
		return 0
	}
	return t.limits.Concurrent
}

// usage finds what is counted for a key, or begins it.
func (t *throttle) usage(key usageKey) *usage {
	if e := t.usages[key]; e != nil {
		t.recent.MoveToFront(e)
		return e.Value.(*usage)
	}
	for range 8 { // some of the last may be running, all of them hardly are
		last := t.recent.Back()
		if len(t.usages) < maxUsages {
			break
		}
		if old := last.Value.(*usage); old.running > 0 {
			t.recent.MoveToFront(last)
			continue
		}
		delete(t.usages, t.recent.Remove(last).(*usage).key)
	}
	u := &usage{key: key}
	t.usages[key] = t.recent.PushFront(u)
	return u
}

// A window counts in spans of time, which begin with the first count. Of the
// span before, as much counts as a span that ends now still covers.
type window struct {
	start         time.Time
	count, before int64
}

// wait is how long it takes until the rate allows one more; 0: it does now.
func (w *window) wait(r Rate, now time.Time) time.Duration {
	if r.N == 0 {
		return 0
	}
	elapsed := now.Sub(w.start)
	switch {
	case elapsed >= 2*r.Per, elapsed < -r.Per: // and when the clock was set back
		*w = window{start: now}
		elapsed = 0
	case elapsed >= r.Per:
		*w = window{start: w.start.Add(r.Per), before: w.count}
		elapsed -= r.Per
	}
	elapsed = max(elapsed, 0)
	if w.count >= r.N { // until enough of this span has left the one that ends then
		return r.Per - elapsed + until(r.N, w.count, r.Per)
	}
	return max(until(r.N-w.count, w.before, r.Per)-elapsed, 0)
}

// until is how long after the end of a span with count less than room of it counts.
func until(room, count int64, per time.Duration) time.Duration {
	if count < room {
		return 0
	}
	return time.Duration((1-float64(room)/float64(count))*float64(per)) + time.Nanosecond
}

// A sizedBody is a body whose bytes are counted as they are read.
type sizedBody struct {
	io.ReadCloser
	n int64
}

func (b *sizedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	b.n += int64(n)
	return n, err
}
