package graph_test

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/duly-todo/duly"
)

// What follows does not fit a conversation: bytes that are no text, sizes,
// compression, and settings of the server.

// A mailbox is a server with one user, to whom its requests belong.
type mailbox struct {
	t      *testing.T
	server *duly.Server
	token  string
}

func newMailbox(t *testing.T, c duly.Config) *mailbox {
	t.Helper()
	server, err := duly.New(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { server.Close() })
	if _, err := server.AddUser(t.Context(), duly.User{UserPrincipalName: "adele@example.org"}); err != nil {
		t.Fatal(err)
	}
	token, err := server.Token(t.Context(), "adele@example.org", "Tasks.ReadWrite User.Read", time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	return &mailbox{t: t, server: server, token: token}
}

// do sends a request; headers are names and values in turn.
func (m *mailbox) do(method, target string, body io.Reader, headers ...string) *httptest.ResponseRecorder {
	m.t.Helper()
	r := httptest.NewRequestWithContext(m.t.Context(), method, target, body)
	r.Host = "duly.test"
	r.Header.Set("Authorization", "Bearer "+m.token)
	for i := 0; i < len(headers); i += 2 {
		if r.Header.Set(headers[i], headers[i+1]); headers[i] == "Host" {
			r.Host = headers[i+1]
		}
	}
	w := httptest.NewRecorder()
	m.server.ServeHTTP(w, r)
	return w
}

// newTasks is where most requests go.
const newTasks = "/v1.0/me/todo/lists/Tasks/tasks"

func (m *mailbox) post(body string, headers ...string) *httptest.ResponseRecorder {
	m.t.Helper()
	return m.do("POST", newTasks, strings.NewReader(body), headers...)
}

// failure is the body of an error.
type failure struct {
	Error struct {
		Code       string
		Message    string
		InnerError struct {
			Code      string
			RequestID string `json:"request-id"`
			ClientID  string `json:"client-request-id"`
		}
	}
}

// wantError fails the test unless w is the error; code is the inner one if there is one.
func wantError(t *testing.T, w *httptest.ResponseRecorder, status int, code, mentions string) {
	t.Helper()
	var f failure
	if err := json.Unmarshal(w.Body.Bytes(), &f); err != nil {
		t.Fatalf("status %d, %v in %q", w.Code, err, w.Body)
	}
	got := f.Error.InnerError.Code
	if got == "" {
		got = f.Error.Code
	}
	if w.Code != status || got != code || !strings.Contains(f.Error.Message, mentions) {
		t.Errorf("got %d %s %q, want %d %s and %q in the message", w.Code, got, f.Error.Message, status, code, mentions)
	}
}

func wantStatus(t *testing.T, w *httptest.ResponseRecorder, status int) {
	t.Helper()
	if w.Code != status {
		t.Fatalf("status %d, want %d: %.300s", w.Code, status, w.Body)
	}
}

func zipped(t *testing.T, s string) []byte {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	if _, err := io.WriteString(z, s); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestGzipAnswer(t *testing.T) {
	t.Parallel()
	m := newMailbox(t, duly.Config{})
	wantStatus(t, m.post(`{"title": "Long", "body": {"content": "`+strings.Repeat("word ", 1000)+`"}}`), 201)
	plain := m.do("GET", newTasks, nil)
	for accept, coded := range map[string]bool{
		"gzip": true, "GZIP": true, "deflate, gzip;q=0.5": true, "br, gzip": true,
		"": false, "identity": false, "gzip;q=0": false, "gzip; q=0.0": false, "x-gzip": false, "deflate": false,
	} {
		w := m.do("GET", newTasks, nil, "Accept-Encoding", accept)
		wantStatus(t, w, 200)
		if w.Header().Get("Vary") != "Accept-Encoding" {
			t.Errorf("%q: Vary is %q", accept, w.Header().Get("Vary"))
		}
		body := w.Body.Bytes()
		if got := w.Header().Get("Content-Encoding") == "gzip"; got != coded {
			t.Errorf("%q: compressed is %v, want %v", accept, got, coded)
			continue
		}
		if coded {
			z, err := gzip.NewReader(bytes.NewReader(body))
			if err != nil {
				t.Fatal(err)
			}
			if body, err = io.ReadAll(z); err != nil {
				t.Fatal(err)
			}
		}
		if !bytes.Equal(body, plain.Body.Bytes()) {
			t.Errorf("%q: the answer is another one than without compression", accept)
		}
	}
	if w := m.do("GET", "/v1.0/me", nil, "Accept-Encoding", "gzip"); w.Header().Get("Content-Encoding") != "" {
		t.Error("a short answer is compressed")
	}
}

func TestGzipBody(t *testing.T) {
	t.Parallel()
	m := newMailbox(t, duly.Config{})
	good := zipped(t, `{"title": "Zipped"}`)
	tests := []struct {
		name string
		body []byte
		want int
	}{
		{"whole", good, 201},
		{"cut off", good[:len(good)-6], 400},
		{"wrong checksum", append(bytes.Clone(good[:len(good)-8]), make([]byte, 8)...), 400},
		{"not gzip", []byte(`{"title": "Plain"}`), 400},
		{"empty", nil, 400},
		{"not JSON inside", zipped(t, `{"title"`), 400},
		{"bomb", zipped(t, `{"title": "`+strings.Repeat("x", 16<<20)+`"}`), 413},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			wantStatus(t, m.do("POST", newTasks, bytes.NewReader(test.body), "Content-Encoding", "gzip"), test.want)
		})
	}
	var tasks struct{ Value []struct{ Title string } }
	if err := json.Unmarshal(m.do("GET", newTasks, nil).Body.Bytes(), &tasks); err != nil {
		t.Fatal(err)
	}
	if len(tasks.Value) != 1 || tasks.Value[0].Title != "Zipped" {
		t.Errorf("tasks are %v, want the zipped one alone", tasks.Value)
	}
}

func TestTooLarge(t *testing.T) {
	t.Parallel()
	const limit = 4 << 20
	m := newMailbox(t, duly.Config{})
	padded := func(size int) string {
		body := `{"title": "Padded"}`
		return body + strings.Repeat(" ", size-len(body))
	}
	wantStatus(t, m.post(padded(limit)), 201)
	wantError(t, m.post(padded(limit+1)), 413, "RequestEntityTooLarge", "4194304")
	unknownLength := io.MultiReader(strings.NewReader(padded(limit + 1)))
	wantError(t, m.do("POST", newTasks, unknownLength), 413, "RequestEntityTooLarge", "4194304")
	claimed := httptest.NewRequestWithContext(t.Context(), "POST", newTasks, strings.NewReader("{}"))
	claimed.ContentLength = 1 << 40
	claimed.Header.Set("Authorization", "Bearer "+m.token)
	w := httptest.NewRecorder()
	m.server.ServeHTTP(w, claimed)
	wantError(t, w, 413, "RequestEntityTooLarge", "4194304")
}

// TestLimits has the largest value that each member takes, and one more.
func TestLimits(t *testing.T) {
	t.Parallel()
	m := newMailbox(t, duly.Config{})
	of := func(body string) func(int) string {
		return func(n int) string { return fmt.Sprintf(body, strings.Repeat("é", n)) }
	}
	many := func(body, item string) func(int) string {
		return func(n int) string { return fmt.Sprintf(body, strings.TrimSuffix(strings.Repeat(item+",", n), ",")) }
	}
	tests := []struct {
		member string
		body   func(int) string
		limit  int
	}{
		{"title", of(`{"title": "%s"}`), 4_000},
		{"body.content", func(n int) string { return `{"title": "x", "body": {"content": "` + strings.Repeat("x", n) + `"}}` }, 1 << 20},
		{"categories", of(`{"title": "x", "categories": ["%s"]}`), 255},
		{"categories", many(`{"title": "x", "categories": [%s]}`, `"x"`), 100},
		{"displayName", of(`{"title": "x", "checklistItems": [{"displayName": "%s"}]}`), 4_000},
		{"checklistItems", many(`{"title": "x", "checklistItems": [%s]}`, `{"displayName": "x"}`), 1_000},
		{"applicationName", of(`{"title": "x", "linkedResources": [{"applicationName": "%s"}]}`), 4_000},
		{"displayName", of(`{"title": "x", "linkedResources": [{"applicationName": "x", "displayName": "%s"}]}`), 4_000},
		{"externalId", of(`{"title": "x", "linkedResources": [{"applicationName": "x", "externalId": "%s"}]}`), 4_000},
		{"webUrl", func(n int) string {
			return `{"title": "x", "linkedResources": [{"applicationName": "x", "webUrl": "x:` + strings.Repeat("x", n-2) + `"}]}`
		}, 8_192},
		{"linkedResources", many(`{"title": "x", "linkedResources": [%s]}`, `{"applicationName": "x"}`), 100},
		{"extensionName", of(`{"title": "x", "extensions": [{"extensionName": "%s"}]}`), 255},
		{"extensions", func(n int) string {
			var b strings.Builder
			for i := range n {
				fmt.Fprintf(&b, `,{"extensionName": "x%d"}`, i)
			}
			return `{"title": "x", "extensions": [` + strings.TrimPrefix(b.String(), ",") + `]}`
		}, 32},
	}
	for _, test := range tests {
		t.Run(test.member, func(t *testing.T) {
			wantStatus(t, m.post(test.body(test.limit)), 201)
			wantError(t, m.post(test.body(test.limit+1)), 400, "invalidRequest", test.member)
		})
	}
}

func TestInvalidUTF8(t *testing.T) {
	t.Parallel()
	m := newMailbox(t, duly.Config{})
	for _, text := range []string{"\xff", "\xc3", "a\xed\xa0\x80", "\xf4\x90\x80\x80", "\xc0\xaf"} {
		wantError(t, m.post(`{"title": "`+text+`"}`), 400, "InvalidModel", "UTF-8")
		wantError(t, m.post(`{"title": "x", "other`+text+`": 1}`), 400, "InvalidModel", "UTF-8")
	}
	wantError(t, m.do("GET", "/v1.0/me/todo/lists/%ff", nil), 400, "BadRequest", "UTF-8")
	wantError(t, m.do("GET", "/v1.0/me/todo/lists/a%00b", nil), 400, "BadRequest", "control")
	if w := m.do("GET", newTasks+"?$top=%ff", nil); w.Code != 400 || !json.Valid(w.Body.Bytes()) {
		t.Errorf("a query of no text: %d %s", w.Code, w.Body)
	}
	wantStatus(t, m.post("\ufeff"+`{"title": "With a byte-order mark"}`), 201)
}

// TestEscapedIDs looks at links and contexts as they are sent: ids end in "=",
// which a context writes as %3D and a link leaves alone. A path takes both.
func TestEscapedIDs(t *testing.T) {
	t.Parallel()
	m := newMailbox(t, duly.Config{})
	w := m.post(`{"title": "Raw", "checklistItems": [{"displayName": "Step"}]}`)
	wantStatus(t, w, 201)
	location := w.Header().Get("Location")
	_, list, _ := strings.Cut(location, "/lists/")
	list, task, _ := strings.Cut(list, "/tasks/")
	if !strings.HasSuffix(list, "=") || !strings.HasSuffix(task, "=") {
		t.Fatalf("Location is %s", location)
	}
	escaped := strings.NewReplacer("=", "%3D")
	context := "/todo/lists('" + escaped.Replace(list) + "')/tasks"
	for _, want := range []string{context + `/$entity"`, context + "('" + escaped.Replace(task) + `')/checklistItems"`} {
		if !strings.Contains(w.Body.String(), want) {
			t.Errorf("no %s in %s", want, w.Body)
		}
	}
	for _, path := range []string{
		list + "/tasks/" + task,
		escaped.Replace(list) + "/tasks/" + escaped.Replace(task),
		strings.ReplaceAll(list, "=", "%3d") + "/tasks('" + escaped.Replace(task) + "')",
	} {
		wantStatus(t, m.do("GET", "/v1.0/me/todo/lists/"+path, nil), 200)
	}
	wantStatus(t, m.post(`{"title": "Second"}`), 201)
	page := m.do("GET", "/v1.0/me/todo/lists/"+escaped.Replace(list)+"/tasks?$top=1&x=a%26b", nil)
	want := `"@odata.nextLink":"http://duly.test/v1.0/me/todo/lists/` + list + `/tasks?$top=1&x=a%26b&$skiptoken=`
	if !strings.Contains(page.Body.String(), want) || !strings.Contains(page.Body.String(), `&$skip=1"`) {
		t.Errorf("no %s in %s", want, page.Body)
	}
}

func TestBaseOfLinks(t *testing.T) {
	t.Parallel()
	proxies := []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")} // where httptest's requests come from
	others := []netip.Prefix{netip.MustParsePrefix("198.51.100.0/24")}
	forwarded := []string{"X-Forwarded-Proto", "https", "X-Forwarded-Host", "todo.example.org, inner"}
	tests := []struct {
		name    string
		config  duly.Config
		headers []string
		want    string
	}{
		{"as called", duly.Config{}, nil, "http://duly.test"},
		{"with a port", duly.Config{}, []string{"Host", "[::1]:8080"}, "http://[::1]:8080"},
		{"a host that is none", duly.Config{}, []string{"Host", `evil"/x`}, "http://localhost"},
		{"no proxy", duly.Config{}, forwarded, "http://duly.test"},
		{"another proxy", duly.Config{TrustedProxies: others}, forwarded, "http://duly.test"},
		{"a proxy", duly.Config{TrustedProxies: proxies}, forwarded, "https://todo.example.org"},
		{"a proxy that says little", duly.Config{TrustedProxies: proxies}, nil, "http://duly.test"},
		{"a proxy that lies", duly.Config{TrustedProxies: proxies}, []string{"X-Forwarded-Proto", "gopher", "X-Forwarded-Host", "a/b"}, "http://duly.test"},
		{"a base of its own", duly.Config{BaseURL: "https://duly.example/", TrustedProxies: proxies}, forwarded, "https://duly.example"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			w := newMailbox(t, test.config).post(`{"title": "Links"}`, test.headers...)
			wantStatus(t, w, 201)
			if got := w.Header().Get("Location"); !strings.HasPrefix(got, test.want+"/v1.0/me/") {
				t.Errorf("Location is %s", got)
			}
			if context := `"@odata.context":"` + test.want + "/v1.0/$metadata#"; !strings.Contains(w.Body.String(), context) {
				t.Errorf("no %s in %s", context, w.Body)
			}
		})
	}
}

// TestPages reads collections to their ends by their nextLinks.
func TestPages(t *testing.T) {
	t.Parallel()
	m := newMailbox(t, duly.Config{})
	const items = 60
	for i := range items {
		wantStatus(t, m.post(fmt.Sprintf(`{"title": "Task %d"}`, i)), 201)
		wantStatus(t, m.do("POST", "/beta/linkedResources", strings.NewReader(`{"applicationName": "x"}`)), 201)
		wantStatus(t, m.do("POST", "/v1.0/me/todo/lists", strings.NewReader(`{"displayName": "List"}`)), 201)
	}
	tests := []struct {
		target string
		prefer string
		items  int
		pages  []int
	}{
		{newTasks, "", items, []int{50, 10}},
		{newTasks + "?$top=1000", "", items, []int{60}},
		{newTasks + "?$top=5000", "", items, []int{60}},
		{newTasks + "?$top=25", "", items, []int{25, 25, 10}},
		{newTasks + "?$skip=55", "", 5, []int{5}},
		{newTasks, "odata.maxpagesize=20", items, []int{20, 20, 20}},
		{newTasks + "?$top=40", "odata.maxpagesize=20", items, []int{40, 20}},
		{"/v1.0/me/todo/lists", "", items + 1, []int{50, 11}},
		{"/beta/linkedResources", "", items, []int{50, 10}},
		{"/beta/linkedResources?$top=30", "", items, []int{30, 30}},
	}
	for _, test := range tests {
		t.Run(test.target+" "+test.prefer, func(t *testing.T) {
			seen := map[string]bool{}
			var pages []int
			for next := test.target; next != "" && len(pages) < 10; {
				var page struct {
					Next  string `json:"@odata.nextLink"`
					Value []struct{ ID string }
				}
				w := m.do("GET", next, nil, "Prefer", test.prefer)
				wantStatus(t, w, 200)
				if err := json.Unmarshal(w.Body.Bytes(), &page); err != nil {
					t.Fatal(err)
				}
				for _, item := range page.Value {
					seen[item.ID] = true
				}
				pages, next = append(pages, len(page.Value)), page.Next
			}
			if fmt.Sprint(pages) != fmt.Sprint(test.pages) || len(seen) != test.items {
				t.Errorf("pages of %v with %d items, want %v with %d", pages, len(seen), test.pages, test.items)
			}
		})
	}
}

func TestRequestIDs(t *testing.T) {
	t.Parallel()
	m := newMailbox(t, duly.Config{})
	for _, sent := range []string{"", "not a GUID", "1b4e28ba-2fa1-11d2-883f-0016d3cca42", "{1b4e28ba-2fa1-11d2-883f-0016d3cca427}"} {
		w := m.do("GET", "/v1.0/me/todo/lists/x", nil, "Client-Request-Id", sent)
		var f failure
		if err := json.Unmarshal(w.Body.Bytes(), &f); err != nil {
			t.Fatal(err)
		}
		id := w.Header().Get("Request-Id")
		if len(id) != 36 || w.Header().Get("Client-Request-Id") != id || f.Error.InnerError.RequestID != id || f.Error.InnerError.ClientID != id {
			t.Errorf("for %q: headers %v, body %s", sent, w.Header(), w.Body)
		}
	}
}

// TestStopping asks a server that is closed.
func TestStopping(t *testing.T) {
	t.Parallel()
	m := newMailbox(t, duly.Config{})
	if err := m.server.Close(); err != nil {
		t.Fatal(err)
	}
	for _, method := range []string{http.MethodGet, http.MethodPost} {
		w := m.do(method, newTasks, strings.NewReader(`{"title": "Late"}`))
		wantError(t, w, 503, "serviceNotAvailable", "")
		if w.Header().Get("Retry-After") == "" {
			t.Error("no Retry-After")
		}
	}
}

// A page ends early where its bodies are long, and the next begins after it.
func TestLongPages(t *testing.T) {
	t.Parallel()
	m := newMailbox(t, duly.Config{})
	const tasks = 40
	body := `{"title": "Long", "body": {"contentType": "text", "content": "` + strings.Repeat("x", 1<<20) + `"}}`
	for range tasks {
		wantStatus(t, m.post(body), 201)
	}
	for name, query := range map[string]string{
		"found":    "?$top=1000&$search=long",
		"filtered": "?$top=1000&$filter=length(title)%20eq%204&$count=true",
	} {
		t.Run(name, func(t *testing.T) {
			seen := map[string]bool{}
			pages := 0
			for next := newTasks + query; next != "" && pages < 10; pages++ {
				var page struct {
					Next  string `json:"@odata.nextLink"`
					Count int    `json:"@odata.count"`
					Value []struct{ ID string }
				}
				w := m.do("GET", next, nil)
				wantStatus(t, w, 200)
				if err := json.Unmarshal(w.Body.Bytes(), &page); err != nil {
					t.Fatal(err)
				}
				if len(page.Value) > 33 || name == "filtered" && page.Count != tasks {
					t.Errorf("a page has %d tasks of %d", len(page.Value), page.Count)
				}
				for _, item := range page.Value {
					seen[item.ID] = true
				}
				next = page.Next
			}
			if pages != 2 || len(seen) != tasks {
				t.Errorf("%d pages have %d tasks", pages, len(seen))
			}
		})
	}
}
