package graph

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/duly-todo/duly/internal/auth"
)

// How the parts of a batch are run, seen from handlers of the tests' own.

// A batchReply is the answer to a batch.
type batchReply struct {
	Responses []struct {
		ID      string
		Status  int
		Headers map[string]string
		Body    json.RawMessage
	}
}

// batchServer serves $batch and the routes, to whoever comes.
func batchServer(log *slog.Logger, more ...route) *Server {
	s := New(Options{Log: log, Now: time.Now})
	s.tree = newTree(append(more, route{"GET", "/users/{user}/none", nil, nil}, route{"POST", "/$batch", nil, (*Server).batch}))
	return s
}

// sendBatch sends the parts, each as JSON, and returns the answer.
func sendBatch(ctx context.Context, t *testing.T, s *Server, parts ...string) batchReply {
	t.Helper()
	w := httptest.NewRecorder()
	hr := httptest.NewRequestWithContext(ctx, "POST", "/v1.0/$batch", strings.NewReader(`{"requests":[`+strings.Join(parts, ",")+`]}`))
	r := &request{Request: hr, w: w, header: w.Header(), id: "outer", clientID: "outer", now: s.now(), base: s.base(hr), principal: auth.Principal{User: "adele"}}
	s.run(r, s.dispatch)
	if w.Code != http.StatusOK {
		t.Fatalf("status %d: %s", w.Code, w.Body)
	}
	var out batchReply
	if err := json.Unmarshal(w.Body.Bytes(), &out); err != nil {
		t.Fatalf("%v in %.300s", err, w.Body)
	}
	return out
}

// TestBatchParallel has parts that stay until all that may run at once are
// there: a few of those that read, and all that write.
func TestBatchParallel(t *testing.T) {
	t.Parallel()
	for method, most := range map[string]int32{"GET": batchReaders, "PATCH": maxBatchParts} {
		synctest.Test(t, func(t *testing.T) {
			var running, calls atomic.Int32
			release := make(chan struct{})
			s := batchServer(slog.New(slog.DiscardHandler), route{method, "/wait", nil, func(_ *Server, r *request) error {
				if n := running.Add(1); n > most {
					t.Errorf("%d parts with %s run at once, want at most %d", n, method, most)
				}
				calls.Add(1)
				<-release
				running.Add(-1)
				r.answer(http.StatusNoContent, nil)
				return nil
			}})
			var parts []string
			for i := range maxBatchParts {
				parts = append(parts, fmt.Sprintf(`{"id":"%d","method":%q,"url":"/wait"}`, i, method))
			}
			done := make(chan batchReply)
			go func() { done <- sendBatch(t.Context(), t, s, parts...) }()
			synctest.Wait()
			if n := running.Load(); n != most {
				t.Errorf("%d parts with %s run at once, want %d", n, method, most)
			}
			close(release)
			for i, p := range (<-done).Responses {
				if p.ID != fmt.Sprint(i) || p.Status != http.StatusNoContent {
					t.Errorf("answer %d is of %s: %d", i, p.ID, p.Status)
				}
			}
			if n := calls.Load(); n != maxBatchParts {
				t.Errorf("%d parts ran", n)
			}
		})
	}
}

// TestBatchOrder has twenty parts, of which each depends on all after it, so
// that most wait: none may hold what another one needs to run.
func TestBatchOrder(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	var order []string
	s := batchServer(slog.New(slog.DiscardHandler), route{"GET", "/note", nil, func(_ *Server, r *request) error {
		mu.Lock()
		defer mu.Unlock()
		order = append(order, r.query.raw)
		r.answer(http.StatusNoContent, nil)
		return nil
	}})
	var parts, want []string
	for i := range maxBatchParts {
		after := []string{}
		for j := i + 1; j < maxBatchParts; j++ {
			after = append(after, fmt.Sprint(j), fmt.Sprint(j)) // twice is as good as once
		}
		names, _ := json.Marshal(after)
		parts = append(parts, fmt.Sprintf(`{"id":"%d","method":"get","url":"note?n=%02d","dependsOn":%s}`, i, i, names))
		want = append(want, fmt.Sprintf("n=%02d", maxBatchParts-1-i))
	}
	sendBatch(t.Context(), t, s, parts...)
	if fmt.Sprint(order) != fmt.Sprint(want) {
		t.Errorf("the parts ran in the order %v, want %v", order, want)
	}
}

// TestBatchPanic has one part fail in every way that a handler can.
func TestBatchPanic(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	s := batchServer(slog.New(slog.NewJSONHandler(&log, nil)),
		route{"GET", "/panic", nil, func(*Server, *request) error { panic("boom") }},
		route{"GET", "/abort", nil, func(*Server, *request) error { panic(http.ErrAbortHandler) }},
		route{"GET", "/late", nil, func(_ *Server, r *request) error {
			r.answer(http.StatusOK, []byte(`{"half":true}`))
			panic("boom")
		}},
		route{"GET", "/silent", nil, func(*Server, *request) error { return nil }},
		route{"GET", "/good", nil, func(_ *Server, r *request) error { r.answer(http.StatusOK, []byte(`{"good":true}`)); return nil }},
	)
	got := sendBatch(t.Context(), t, s,
		`{"id":"panic","method":"GET","url":"/panic"}`, `{"id":"abort","method":"GET","url":"/abort"}`,
		`{"id":"late","method":"GET","url":"/late"}`, `{"id":"silent","method":"GET","url":"/silent"}`,
		`{"id":"good","method":"GET","url":"/good"}`, `{"id":"after","method":"GET","url":"/good","dependsOn":["late"]}`)
	for _, p := range got.Responses {
		want := map[string]int{"good": 200, "after": 424}[p.ID]
		if want == 0 {
			want = 500
		}
		if p.Status != want || want == 500 && !bytes.HasPrefix(p.Body, []byte(`{"error":{"code":"generalException","message":"Internal Server Error"`)) {
			t.Errorf("%s: %d %s, want %d", p.ID, p.Status, p.Body, want)
		}
	}
	if n := strings.Count(log.String(), `"msg":"request"`); n != 7 {
		t.Errorf("%d lines are logged, want one for the batch and one for each part:\n%s", n, &log)
	}
}

// TestBatchCancelled has the client leave while the first part is answered: the
// others are not started, and those that depend on them neither.
func TestBatchCancelled(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	var calls atomic.Int32
	s := batchServer(slog.New(slog.DiscardHandler), route{"GET", "/leave", nil, func(_ *Server, r *request) error {
		calls.Add(1)
		cancel()
		r.answer(http.StatusNoContent, nil)
		return nil
	}})
	got := sendBatch(ctx, t, s, `{"id":"1","method":"GET","url":"/leave"}`,
		`{"id":"2","method":"GET","url":"/leave","dependsOn":["1"]}`, `{"id":"3","method":"GET","url":"/leave","dependsOn":["2"]}`)
	for i, want := range []int{204, 503, 424} {
		if got.Responses[i].Status != want {
			t.Errorf("part %d: %d, want %d", i+1, got.Responses[i].Status, want)
		}
	}
	if calls.Load() != 1 || got.Responses[1].Headers["Retry-After"] != "1" {
		t.Errorf("%d parts were started; the second has the headers %v", calls.Load(), got.Responses[1].Headers)
	}
}

// TestBatchAnswerTooLarge has answers that fill the room of a batch: one that
// does not fit is left out, later ones that fit are not.
func TestBatchAnswerTooLarge(t *testing.T) {
	t.Parallel()
	large := []byte(`"` + strings.Repeat("x", maxBatchAnswer/4-3) + `"`) // four have no room beside a small one
	s := batchServer(slog.New(slog.DiscardHandler),
		route{"GET", "/large", nil, func(_ *Server, r *request) error {
			r.header.Set("Location", "there")
			r.answer(http.StatusCreated, large)
			return nil
		}},
		route{"GET", "/small", nil, func(_ *Server, r *request) error { r.answer(http.StatusOK, []byte(`"small"`)); return nil }},
	)
	parts := []string{`{"id":"0","method":"GET","url":"/small"}`}
	for i := 1; i <= 5; i++ {
		url := "/large"
		if i == 5 {
			url = "/small"
		}
		parts = append(parts, fmt.Sprintf(`{"id":"%d","method":"GET","url":%q,"dependsOn":["%d"]}`, i, url, i-1))
	}
	parts[5] = `{"id":"5","method":"GET","url":"/small","dependsOn":["3"]}`
	got := sendBatch(t.Context(), t, s, parts...)
	for i, want := range []int{200, 201, 201, 201, 507, 200} {
		p := got.Responses[i]
		if p.Status != want {
			t.Errorf("part %d: %d %.200s, want %d", i, p.Status, p.Body, want)
		}
		if want == 507 && (!strings.Contains(string(p.Body), "BatchAnswerTooLarge") || p.Headers["Location"] != "there") {
			t.Errorf("part %d: %s %v", i, p.Body, p.Headers)
		}
	}
}

// TestBatchBodies sends and answers what is no JSON.
func TestBatchBodies(t *testing.T) {
	t.Parallel()
	s := batchServer(slog.New(slog.DiscardHandler),
		route{"PUT", "/echo", nil, func(_ *Server, r *request) error {
			body, err := readAll(r.Body, int(r.ContentLength), maxRequestBody)
			if err != nil {
				return err
			}
			for name, values := range r.Header {
				r.header["X-"+name] = values
			}
			r.header.Set("Content-Type", r.Header.Get("Content-Type"))
			r.status = http.StatusOK
			r.w.WriteHeader(r.status)
			_, err = r.w.Write(body)
			return err
		}})
	tests := []struct{ contentType, body, want string }{
		{"application/octet-stream", `"AAH7//4i"`, `"AAH7//4i"`},
		{"application/octet-stream", `"AAH7__4i"`, `"AAH7//4i"`}, // the alphabet for URLs
		{"image/png", `"AA"`, `"AA=="`},
		{"text/plain", `"AA=="`, `"\u0000"`}, // text comes as it is
		{"image/png", `""`, ``},
		{"application/json", `{"a": [1, "AA=="]}`, `{"a": [1, "AA=="]}`},
		{"APPLICATION/JSON; charset=utf-8", `"text"`, `"text"`},
		{"application/vnd.oasis+json", `[]`, `[]`},
		{"application/json", `null`, ``},
	}
	var parts []string
	for i, test := range tests {
		parts = append(parts, fmt.Sprintf(`{"id":"%d","method":"PUT","url":"echo","headers":{"content-type":%q},"body":%s}`, i, test.contentType, test.body))
	}
	parts = append(parts,
		`{"id":"none","method":"PUT","url":"echo","body":{"a":1}}`,
		`{"id":"bad","method":"PUT","url":"echo","headers":{"Content-Type":"image/png"},"body":"a!"}`,
		`{"id":"headers","method":"PUT","url":"echo","headers":{"authorization":"Bearer x","ACCEPT-ENCODING":"gzip","Content-Encoding":"gzip","content-length":"9","Origin":"http://x","Host":"x","Prefer":null,"x-Own":"yes"},"body":{}}`)
	got := sendBatch(t.Context(), t, s, parts...).Responses
	for i, test := range tests {
		if string(got[i].Body) != test.want {
			t.Errorf("%s %s: the answer is %s, want %s", test.contentType, test.body, got[i].Body, test.want)
		}
	}
	last := got[len(tests):]
	if last[0].Status != 200 || string(last[0].Body) != `{"a":1}` {
		t.Errorf("without a type: %d %s", last[0].Status, last[0].Body)
	}
	if last[1].Status != 400 || !strings.Contains(string(last[1].Body), "requests[10].body") {
		t.Errorf("without base64: %d %s", last[1].Status, last[1].Body)
	}
	passed := last[2].Headers
	for _, name := range []string{"Authorization", "Accept-Encoding", "Content-Encoding", "Content-Length", "Origin", "Host", "Prefer"} {
		if _, ok := passed["X-"+name]; ok {
			t.Errorf("the header %s of a part is passed on", name)
		}
	}
	if passed["X-X-Own"] != "yes" {
		t.Errorf("the header X-Own of a part is not passed on: %v", passed)
	}
}

// TestBatchHeadTooLarge has a part with more before its body than a request of
// its own may have.
func TestBatchHeadTooLarge(t *testing.T) {
	t.Parallel()
	s := batchServer(slog.New(slog.DiscardHandler), route{"GET", "/good", nil, func(_ *Server, r *request) error { r.answer(http.StatusNoContent, nil); return nil }})
	long := strings.Repeat("x", maxPartHead)
	got := sendBatch(t.Context(), t, s,
		`{"id":"1","method":"GET","url":"/good?`+long+`"}`, `{"id":"2","method":"GET","url":"/good","headers":{"Prefer":"`+long+`"}}`,
		`{"id":"3","method":"GET","url":"/good?`+long[:maxPartHead-6]+`"}`)
	for i, want := range []int{400, 400, 204} {
		if got.Responses[i].Status != want {
			t.Errorf("part %d: %d %s, want %d", i+1, got.Responses[i].Status, got.Responses[i].Body, want)
		}
	}
}
