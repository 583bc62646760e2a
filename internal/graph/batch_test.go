package graph_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/duly-todo/duly"
)

// A batcher sends batches of one user to a server.
type batcher struct {
	tb     testing.TB
	server *duly.Server
	token  string
}

func newBatcher(tb testing.TB, c duly.Config) *batcher {
	tb.Helper()
	server, err := duly.New(tb.Context(), c)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := server.Close(); err != nil {
			tb.Error(err)
		}
	})
	if _, err := server.AddUser(tb.Context(), duly.User{UserPrincipalName: "adele@example.org"}); err != nil {
		tb.Fatal(err)
	}
	token, err := server.Token(tb.Context(), "adele@example.org", "Tasks.ReadWrite User.Read", time.Hour)
	if err != nil {
		tb.Fatal(err)
	}
	return &batcher{tb: tb, server: server, token: token}
}

// call sends a request; headers are names and values in turn.
func (b *batcher) call(method, target, body string, headers ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, target, strings.NewReader(body))
	r.Host = "duly.test"
	r.Header.Set("Authorization", "Bearer "+b.token)
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	b.server.ServeHTTP(w, r)
	return w
}

// A batchPart is a request of a batch, or the answer to it.
type batchPart struct {
	ID        string            `json:"id"`
	Method    string            `json:"method,omitempty"`
	URL       string            `json:"url,omitempty"`
	Headers   map[string]string `json:"headers,omitempty"`
	Body      any               `json:"body,omitempty"`
	DependsOn []string          `json:"dependsOn,omitempty"`
	Status    int               `json:"status,omitempty"`
}

// batch sends the parts and returns their answers.
func (b *batcher) batch(parts []batchPart, headers ...string) []batchPart {
	b.tb.Helper()
	body, err := json.Marshal(map[string]any{"requests": parts})
	if err != nil {
		b.tb.Fatal(err)
	}
	w := b.call("POST", "/v1.0/$batch", string(body), headers...)
	var out struct{ Responses []batchPart }
	if err := json.Unmarshal(w.Body.Bytes(), &out); err != nil || w.Code != 200 {
		b.tb.Fatalf("%d, %v in %s", w.Code, err, w.Body)
	}
	if len(out.Responses) != len(parts) {
		b.tb.Fatalf("%d answers to %d requests", len(out.Responses), len(parts))
	}
	return out.Responses
}

// TestBatchWrites makes twenty tasks in one list at once, in memory and on disk:
// each that is acknowledged is there, once.
func TestBatchWrites(t *testing.T) {
	t.Parallel()
	for _, dir := range []string{"", t.TempDir()} {
		b := newBatcher(t, duly.Config{DataDir: dir})
		for round := range 3 {
			var parts []batchPart
			for i := range 20 {
				parts = append(parts, batchPart{
					ID: fmt.Sprint(i), Method: "POST", URL: "/me/todo/lists/Tasks/tasks",
					Headers: map[string]string{"Content-Type": "application/json"}, Body: map[string]any{"title": fmt.Sprint("Task ", round, " ", i)},
				})
			}
			acknowledged := map[string]string{}
			for i, p := range b.batch(parts) {
				body := p.Body.(map[string]any)
				if p.ID != parts[i].ID || p.Status != 201 || body["title"] != fmt.Sprint("Task ", round, " ", i) {
					t.Fatalf("answer %d: %+v", i, p)
				}
				acknowledged[body["id"].(string)] = body["title"].(string)
			}
			var page struct{ Value []struct{ ID, Title string } }
			if err := json.Unmarshal(b.call("GET", newTasks+"?$top=1000", "").Body.Bytes(), &page); err != nil {
				t.Fatal(err)
			}
			if len(page.Value) != 20*(round+1) || len(acknowledged) != 20 {
				t.Fatalf("%d tasks in the list, %d acknowledged", len(page.Value), len(acknowledged))
			}
			for _, task := range page.Value {
				if acknowledged[task.ID] == task.Title {
					delete(acknowledged, task.ID)
				}
			}
			if len(acknowledged) > 0 {
				t.Errorf("not in the list: %v", acknowledged)
			}
		}
	}
}

// TestBatchLog has one line for the batch and one for each part, which names it.
func TestBatchLog(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	b := newBatcher(t, duly.Config{Log: slog.New(slog.NewJSONHandler(&log, nil))})
	log.Reset()
	const outer, own = "1b4e28ba-2fa1-11d2-883f-0016d3cca427", "2b4e28ba-2fa1-11d2-883f-0016d3cca427"
	got := b.batch([]batchPart{
		{ID: "1", Method: "GET", URL: "/me/todo/lists/Tasks/tasks", Headers: map[string]string{"CLIENT-REQUEST-ID": own}},
		{ID: "2", Method: "GET", URL: "/beta/me/nothing", DependsOn: []string{"1"}, Headers: map[string]string{"client-request-id": "none"}},
		{ID: "3", Method: "PATCH", URL: "/me", DependsOn: []string{"2"}},
	}, "client-request-id", outer)
	type line struct {
		Method, Version, Route, User, Batch string
		Status                              int
		ID                                  string `json:"request-id"`
	}
	var lines []line
	for _, text := range strings.Split(strings.TrimSpace(log.String()), "\n") {
		var l line
		if err := json.Unmarshal([]byte(text), &l); err != nil {
			t.Fatal(err)
		}
		lines = append(lines, l)
	}
	if len(lines) != 4 || lines[3].Batch != "" || lines[3].Route != "/$batch" {
		t.Fatalf("the log is %s", &log)
	}
	ids := []string{lines[3].ID}
	for i, want := range []line{
		{Method: "GET", Version: "v1.0", Route: "/users/{user}/todo/lists/{list}/tasks", Status: 200},
		{Method: "GET", Version: "beta", Route: "-", Status: 400},
		{Method: "PATCH", Version: "", Route: "-", Status: 424},
	} {
		want.User, want.Batch, want.ID = lines[3].User, lines[3].ID, got[i].Headers["request-id"]
		if lines[i] != want {
			t.Errorf("line %d is %+v, want %+v", i, lines[i], want)
		}
		if slices.Contains(ids, want.ID) {
			t.Errorf("the request-id %s comes twice", want.ID)
		}
		ids = append(ids, want.ID)
	}
	for i, want := range []string{own, outer, outer} {
		if id := got[i].Headers["client-request-id"]; id != want {
			t.Errorf("the client-request-id of part %d is %s, want %s", i+1, id, want)
		}
	}
}

// TestBatchBaseURL has links and addresses of parts on the server's own address.
func TestBatchBaseURL(t *testing.T) {
	t.Parallel()
	b := newBatcher(t, duly.Config{BaseURL: "https://todo.example.org"})
	got := b.batch([]batchPart{
		{ID: "1", Method: "GET", URL: "https://todo.example.org/beta/me/todo/lists"},
		{ID: "2", Method: "GET", URL: "http://duly.test/v1.0/me/todo/lists"}, // by the Host header
		{ID: "3", Method: "GET", URL: "https://example.org/v1.0/me/todo/lists"},
	})
	for i, want := range []string{"https://todo.example.org/beta/$metadata#", "https://todo.example.org/v1.0/$metadata#", ""} {
		context, _ := got[i].Body.(map[string]any)["@odata.context"].(string)
		if want == "" && got[i].Status != 400 || !strings.HasPrefix(context, want) {
			t.Errorf("part %d: %d %v", i+1, got[i].Status, got[i].Body)
		}
	}
}

// TestBatchGzip has a large answer to a batch compressed, and none within it.
func TestBatchGzip(t *testing.T) {
	t.Parallel()
	m := newMailbox(t, duly.Config{})
	wantStatus(t, m.post(`{"title": "Long", "body": {"content": "`+strings.Repeat("word ", 1000)+`"}}`), 201)
	body := `{"requests": [{"id": "1", "method": "GET", "url": "/me/todo/lists/Tasks/tasks", "headers": {"Accept-Encoding": "gzip"}}]}`
	plain := m.do("POST", "/v1.0/$batch", strings.NewReader(body))
	wantStatus(t, plain, 200)
	coded := m.do("POST", "/v1.0/$batch", bytes.NewReader(zipped(t, body)), "Accept-Encoding", "gzip", "Content-Encoding", "gzip")
	wantStatus(t, coded, 200)
	if coded.Header().Get("Content-Encoding") != "gzip" || coded.Body.Len() > plain.Body.Len()/2 {
		t.Errorf("%d bytes, %d without compression", coded.Body.Len(), plain.Body.Len())
	}
	if !strings.Contains(plain.Body.String(), `"content":"word word`) || strings.Contains(plain.Body.String(), "Content-Encoding") {
		t.Errorf("the part is not plain: %.300s", plain.Body)
	}
}

// TestBatchTooLarge has the bound of all bodies.
func TestBatchTooLarge(t *testing.T) {
	t.Parallel()
	m := newMailbox(t, duly.Config{})
	body := `{"requests": [{"id": "1", "method": "GET", "url": "/me/todo/lists"}]}`
	wantStatus(t, m.do("POST", "/v1.0/$batch", strings.NewReader(body+strings.Repeat(" ", 4<<20-len(body)))), 200)
	wantError(t, m.do("POST", "/v1.0/$batch", strings.NewReader(body+strings.Repeat(" ", 4<<20-len(body)+1))), 413, "RequestEntityTooLarge", "4194304")
}

// TestWildBatch replays the batches that well-known clients send.
func TestWildBatch(t *testing.T) {
	t.Parallel()
	replayed := 0
	for i, c := range specLines[call](t, "wild.jsonl") {
		if !strings.HasSuffix(c.URL, "/$batch") {
			continue
		}
		for _, profile := range []string{"strict", "friendly"} {
			t.Run(fmt.Sprint(i+1, " ", profile), func(t *testing.T) {
				w := newWorld(t, profile, duly.User{})
				w.must("task", "POST", tasksURL, map[string]any{"title": "x"})
				tag, err := json.Marshal(w.get(taskURL).text("@odata.etag"))
				if err != nil {
					t.Fatal(err)
				}
				sent := call{Method: c.Method, URL: strings.TrimPrefix(c.URL, "https://graph.microsoft.com"), Headers: c.Headers}
				sent.Body = json.RawMessage(strings.NewReplacer("{listId}", w.ids["list"], "{taskId}", w.ids["task"], `"{etag}"`, string(tag), `"…"`, `"2026-10-01T00:00:00"`).Replace(string(c.Body)))
				r := w.send(sent)
				answers, _ := r.member("responses").([]any)
				if r.Status != 200 || len(answers) == 0 {
					t.Fatalf("%s: %d %v", sent.Body, r.Status, r.Body)
				}
				for _, a := range answers {
					if status, _ := (reply{Body: a}).member("status").(float64); status < 200 || status > 299 {
						t.Errorf("%s: %v", sent.Body, a)
					}
				}
			})
		}
		replayed++
	}
	if replayed < 4 {
		t.Errorf("%d batches replayed", replayed)
	}
}

// FuzzBatch sends bodies of batches: whatever comes, the answer to the whole is
// no 5xx and is JSON, and so is each answer within, one to each request.
func FuzzBatch(f *testing.F) {
	b := newBatcher(f, duly.Config{})
	for _, seed := range []string{
		`{"requests":[{"id":"1","method":"GET","url":"/me/todo/lists"},{"id":"2","method":"POST","url":"me/todo/lists/Tasks/tasks","headers":{"Content-Type":"application/json","Prefer":"return=minimal"},"body":{"title":"x"},"dependsOn":["1"]}]}`,
		`{"requests":[{"id":"a","method":"GET","url":"/me","dependsOn":["b"]},{"id":"b","method":"GET","url":"/me","dependsOn":["a"]}]}`,
		`{"requests":[{"id":"a","method":"PATCH","url":"http://duly.test/beta/me/todo/lists/Tasks","headers":{"content-type":"text/plain","If-Match":"*"},"body":"e30="}]}`,
		`{"requests":[{"id":"a","method":"POST","url":"/$batch","body":{"requests":[]}},{"id":"A","method":"X","url":"//x/%zz?$top=#"}]}`,
		`{"Requests":[{"ID":"\ud83d\ude00","method":"delete","url":"users('me-token-to-replace')/todo/lists/x?a=b c\u0000\u00fc"}],"requests":[]}`,
		`{"requests":[{"id":"1","method":"GET","url":"/me/todo/lists/Tasks/tasks/delta?$deltatoken=x","headers":{"Accept":"application/json;odata.metadata=none","client-request-id":"1b4e28ba-2fa1-11d2-883f-0016d3cca427"}}]}`,
		`{"requests":null}`, `[]`, `{"requests":[[]]}`, `{"requests":[{"id":"1","method":"GET","url":":"}]}`,
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, body string) {
		w := b.call("POST", "/v1.0/$batch", body)
		if w.Code >= 500 || !json.Valid(w.Body.Bytes()) {
			t.Fatalf("%q: %d %s", body, w.Code, w.Body)
		}
		if w.Code != 200 {
			return
		}
		var answer struct {
			Responses []struct {
				ID      *string
				Status  int
				Headers map[string]string
			}
		}
		if err := json.Unmarshal(w.Body.Bytes(), &answer); err != nil {
			t.Fatalf("%q: %v in %s", body, err, w.Body)
		}
		if n := len(answer.Responses); n == 0 || n > 20 {
			t.Fatalf("%q: %d answers", body, n)
		}
		for _, p := range answer.Responses {
			if p.ID == nil || p.Status < 200 || p.Status >= 500 && p.Status != 501 || p.Headers["request-id"] == "" {
				t.Fatalf("%q: %s", body, w.Body)
			}
		}
	})
}

// Benchmarks of twenty requests, in one batch and by themselves, on a database
// on disk.

func BenchmarkBatchGet20(b *testing.B)  { benchmarkBatch(b, true, "GET", nil) }
func BenchmarkSingleGet20(b *testing.B) { benchmarkBatch(b, false, "GET", nil) }

func BenchmarkBatchPost20(b *testing.B) {
	benchmarkBatch(b, true, "POST", map[string]any{"title": "Milk"})
}

func BenchmarkSinglePost20(b *testing.B) {
	benchmarkBatch(b, false, "POST", map[string]any{"title": "Milk"})
}

func benchmarkBatch(b *testing.B, together bool, method string, body any) {
	m := newBatcher(b, duly.Config{DataDir: b.TempDir()})
	var task struct{ ID string }
	if err := json.Unmarshal(m.call("POST", newTasks, `{"title": "Milk"}`).Body.Bytes(), &task); err != nil {
		b.Fatal(err)
	}
	p := batchPart{Method: method, URL: "/me/todo/lists/Tasks/tasks", Body: body}
	want := 201
	if method == "GET" {
		p.URL += "/" + task.ID
		want = 200
	}
	single, err := json.Marshal(body)
	if err != nil {
		b.Fatal(err)
	}
	var parts []batchPart
	for i := range 20 {
		p.ID = fmt.Sprint(i)
		parts = append(parts, p)
	}
	whole, err := json.Marshal(map[string]any{"requests": parts})
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if together {
			if w := m.call("POST", "/v1.0/$batch", string(whole)); strings.Count(w.Body.String(), fmt.Sprintf(`"status":%d`, want)) != 20 {
				b.Fatal(w.Body)
			}
			continue
		}
		for range 20 {
			if w := m.call(method, "/v1.0"+p.URL, string(single)); w.Code != want {
				b.Fatal(w.Body)
			}
		}
	}
}
