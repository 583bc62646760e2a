package graph_test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/duly-todo/duly"
)

// file makes a task with a file and returns the address of its bytes.
func (m *mailbox) file(content []byte) string {
	m.t.Helper()
	id := func(w *httptest.ResponseRecorder) string {
		wantStatus(m.t, w, 201)
		var made struct{ ID string }
		if err := json.Unmarshal(w.Body.Bytes(), &made); err != nil {
			m.t.Fatal(err)
		}
		return made.ID
	}
	task := newTasks + "/" + id(m.post(`{"title": "File"}`))
	body := fmt.Sprintf(`{"name": "f", "contentBytes": "%s"}`, base64.StdEncoding.EncodeToString(content))
	return task + "/attachments/" + id(m.do("POST", task+"/attachments", strings.NewReader(body))) + "/$value"
}

// One range of the bytes of a file is answered by itself, within a piece and
// across them; what is no range that could be answered so is the whole file.
func TestRange(t *testing.T) {
	t.Parallel()
	const piece, size = 512 << 10, 512<<10*2 + 100
	content := []byte(strings.Repeat("0123456789abcde", size/15+1))[:size]
	m := newMailbox(t, duly.Config{})
	path, empty := m.file(content), m.file(nil)
	for _, tt := range []struct {
		asked    string
		from, to int
		status   int
	}{
		{"", 0, size, 200},
		{"bytes=0-0", 0, 1, 206},
		{"bytes=0-", 0, size, 206},
		{"bytes=5-9", 5, 10, 206},
		{"BYTES=7-", 7, size, 206},
		{"bytes=-10", size - 10, size, 206},
		{"bytes=-99999999", 0, size, 206},
		{fmt.Sprintf("bytes=%d-%d", piece-1, piece), piece - 1, piece + 1, 206},
		{fmt.Sprintf("bytes=%d-%d", piece, 2*piece-1), piece, 2 * piece, 206},
		{fmt.Sprintf("bytes=10-%d", 2*piece+20), 10, 2*piece + 21, 206},
		{fmt.Sprintf("bytes=%d-", size-1), size - 1, size, 206},
		{"bytes=10-99999999999999", 10, size, 206},
		{"bytes=1-2,5-6", 0, size, 200},
		{"bytes=9-5", 0, size, 200},
		{"bytes=-", 0, size, 200},
		{"bytes=a-b", 0, size, 200},
		{"bytes=1", 0, size, 200},
		{"items=0-1", 0, size, 200},
		{"bytes=99999999999999999999-", 0, size, 200},
		{fmt.Sprintf("bytes=%d-", size), 0, 0, 416},
		{"bytes=-0", 0, 0, 416},
	} {
		w := m.do("GET", path, nil, "Range", tt.asked)
		wantRange := map[int]string{206: fmt.Sprintf("bytes %d-%d/%d", tt.from, tt.to-1, size), 416: fmt.Sprintf("bytes */%d", size)}[tt.status]
		if w.Code != tt.status || w.Header().Get("Content-Range") != wantRange {
			t.Errorf("%q: %d, %v", tt.asked, w.Code, w.Header())
			continue
		}
		if tt.status == 416 {
			wantError(t, w, 416, "invalidRange", fmt.Sprintf("The file has %d bytes", size))
		} else if got := w.Body.String(); got != string(content[tt.from:tt.to]) || w.Header().Get("Content-Length") != fmt.Sprint(len(got)) {
			t.Errorf("%q: other bytes, %d of them; Content-Length is %s", tt.asked, len(got), w.Header().Get("Content-Length"))
		}
	}
	wantStatus(t, m.do("GET", path, nil, "Range", "bytes=0-1", "If-Range", `"x"`), 200)
	wantStatus(t, m.do("GET", empty, nil, "Range", "bytes=0-1"), 416)
	wantStatus(t, m.do("GET", empty, nil), 200)
}

// HEAD has the headers of GET, on every kind of answer, and no body.
func TestHead(t *testing.T) {
	t.Parallel()
	m := newMailbox(t, duly.Config{})
	file := m.file([]byte(strings.Repeat("long ", 1000)))
	for _, path := range []string{
		"/v1.0/me/todo/lists", newTasks, newTasks + "/$count", "/v1.0/$metadata", file, strings.TrimSuffix(file, "/$value"), strings.TrimSuffix(file, "/$value") + "?$select=name",
		newTasks + "/nothing", "/v1.0/me/nothing", "/v1.0/$batch",
	} {
		for _, encoding := range []string{"identity", "gzip"} {
			header := []string{"Accept-Encoding", encoding, "client-request-id", "11111111-1111-4111-8111-111111111111"}
			get, head := m.do("GET", path, nil, header...), m.do("HEAD", path, nil, header...)
			if head.Body.Len() > 0 || head.Code != get.Code {
				t.Errorf("HEAD %s: %d with %d bytes; GET: %d", path, head.Code, head.Body.Len(), get.Code)
			}
			for _, h := range []http.Header{get.Header(), head.Header()} {
				h.Del("Request-Id")
			}
			if diff := cmp.Diff(get.Header(), head.Header()); diff != "" {
				t.Errorf("HEAD %s (-GET +HEAD)\n%s", path, diff)
			}
		}
	}
	m.token = "nonsense"
	wantStatus(t, m.do("HEAD", newTasks, nil), 401)
}
