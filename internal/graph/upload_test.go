package graph_test

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/duly-todo/duly"
	"github.com/duly-todo/duly/internal/todo"
)

// An uploader is a mailbox with a task, behind a real connection.
type uploader struct {
	*mailbox
	http *httptest.Server
	task string // its address
}

func newUploader(t *testing.T, profile string) *uploader {
	t.Helper()
	m := newMailbox(t, duly.Config{DataDir: t.TempDir(), Profile: profile})
	u := &uploader{mailbox: m, http: httptest.NewServer(m.server)}
	t.Cleanup(u.http.Close)
	w := m.post(`{"title": "x"}`)
	wantStatus(t, w, 201)
	u.task = u.http.URL + strings.TrimPrefix(w.Header().Get("Location"), "http://duly.test")
	return u
}

// session begins an upload and returns its address.
func (u *uploader) session(size int) string {
	u.t.Helper()
	status, _, body := u.call("POST", u.task+"/attachments/createUploadSession", strings.NewReader(fmt.Sprintf(`{"attachmentInfo": {"name": "f", "size": %d}}`, size)), "Content-Type", "application/json")
	var s struct{ UploadURL string }
	if err := json.Unmarshal(body, &s); err != nil || status != 201 {
		u.t.Fatalf("%d %v %s", status, err, body)
	}
	return s.UploadURL
}

// call sends a request over the connection.
func (u *uploader) call(method, url string, body io.Reader, headers ...string) (int, http.Header, []byte) {
	u.t.Helper()
	r, err := http.NewRequestWithContext(u.t.Context(), method, url, body)
	if err != nil {
		u.t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+u.token)
	for i := 0; i < len(headers); i += 2 {
		if r.Header.Set(headers[i], headers[i+1]); headers[i+1] == "" {
			r.Header.Del(headers[i])
		}
	}
	answer, err := u.http.Client().Do(r)
	if err != nil {
		u.t.Errorf("%s: %v", method, err)
		return 0, nil, nil
	}
	defer answer.Body.Close()
	b, err := io.ReadAll(answer.Body)
	if err != nil {
		u.t.Errorf("%s: %v", method, err)
	}
	return answer.StatusCode, answer.Header, b
}

// slice sends the bytes from start up to end as the SDKs do.
func (u *uploader) slice(url string, content []byte, start, end int) (int, http.Header, []byte) {
	u.t.Helper()
	return u.call("PUT", url, bytes.NewReader(content[start:end]), "Authorization", "", "Content-Range", fmt.Sprintf("bytes %d-%d/%d", start, end-1, len(content)))
}

// expected is the range that a session waits for.
func (u *uploader) expected(url string) string {
	u.t.Helper()
	var s struct{ NextExpectedRanges []string }
	status, _, body := u.call("GET", url, nil)
	if err := json.Unmarshal(body, &s); err != nil || status != 200 {
		u.t.Fatalf("%d %v %s", status, err, body)
	}
	return strings.Join(s.NextExpectedRanges, ",")
}

func randomBytes(n int) []byte {
	b := make([]byte, n)
	rand.NewChaCha8([32]byte{1, 2, 3}).Read(b) // never fails
	return b
}

// TestUploadLargest sends the largest file as the SDKs do, and reads it back in
// both ways.
func TestUploadLargest(t *testing.T) {
	t.Parallel()
	u := newUploader(t, "")
	content := randomBytes(todo.MaxAttachment)
	url := u.session(len(content))
	const slice = 5 << 20
	for start := 0; start < len(content); start += slice {
		end := min(start+slice, len(content))
		status, header, body := u.slice(url, content, start, end)
		if last := end == len(content); status != 200 && !last || last && status != 201 {
			t.Fatalf("bytes from %d: %d %s", start, status, body)
		} else if last {
			url = header.Get("Location")
		}
	}
	want := sha256.Sum256(content)
	status, header, got := u.call("GET", url+"/$value", nil)
	if status != 200 || sha256.Sum256(got) != want || header.Get("Content-Length") != fmt.Sprint(len(content)) {
		t.Errorf("$value: %d, %d bytes", status, len(got))
	}
	var a struct{ ContentBytes []byte }
	status, _, got = u.call("GET", url, nil)
	if err := json.Unmarshal(got, &a); err != nil || status != 200 || sha256.Sum256(a.ContentBytes) != want {
		t.Errorf("contentBytes: %d %v, %d bytes", status, err, len(a.ContentBytes))
	}
	if status, _, body := u.call("PUT", url+"/$value", bytes.NewReader(content[:1<<20])); status != 204 {
		t.Errorf("PUT $value: %d %s", status, body)
	}
	if _, _, got = u.call("GET", url+"/$value", nil); !bytes.Equal(got, content[:1<<20]) {
		t.Errorf("$value after a PUT: %d bytes", len(got))
	}
	for _, body := range []io.Reader{bytes.NewReader(append(content, 1)), io.MultiReader(bytes.NewReader(content), strings.NewReader("x"))} { // without a length the second time
		if status, _, _ := u.call("PUT", url+"/$value", body); status != 413 {
			t.Errorf("PUT $value of %d bytes: %d, want 413", len(content)+1, status)
		}
	}
	if _, _, got = u.call("GET", url+"/$value", nil); !bytes.Equal(got, content[:1<<20]) {
		t.Errorf("$value after a PUT that was refused: %d bytes", len(got))
	}
}

// TestPackedBytes sends bytes that are packed: ranges and limits count what they
// are unpacked.
func TestPackedBytes(t *testing.T) {
	t.Parallel()
	u := newUploader(t, "")
	content := bytes.Repeat([]byte("0123456789"), 200_000)
	url := u.session(len(content))
	put := func(url string, body []byte, contentRange, coding string) int {
		t.Helper()
		status, _, _ := u.call("PUT", url, bytes.NewReader(body), "Content-Range", contentRange, "Content-Encoding", coding)
		return status
	}
	half := fmt.Sprintf("bytes 0-%d/%d", len(content)/2-1, len(content))
	for _, test := range []struct {
		name   string
		body   []byte
		coding string
		want   int
	}{
		{"more than the range", zipped(t, string(content)), "gzip", 400},
		{"less than the range", zipped(t, string(content[:5])), "gzip", 400},
		{"cut off", zipped(t, string(content))[:100], "gzip", 400},
		{"not packed", content[:len(content)/2], "gzip", 400},
		{"unknown", content[:len(content)/2], "br", 415},
		{"good", zipped(t, string(content[:len(content)/2])), "GZIP", 200},
	} {
		if got := put(url, test.body, half, test.coding); got != test.want {
			t.Errorf("%s: %d, want %d", test.name, got, test.want)
		}
	}
	if got := put(url, content[len(content)/2:], fmt.Sprintf("bytes %d-%d/%d", len(content)/2, len(content)-1, len(content)), "identity"); got != 201 {
		t.Errorf("the rest as it is: %d", got)
	}
	if _, _, got := u.call("GET", url+"/content", nil); !bytes.Equal(got, content) {
		t.Errorf("%d bytes came, not those that were sent", len(got))
	}
	_, header, _ := u.call("POST", u.task+"/attachments", strings.NewReader(`{"name": "f", "contentBytes": "YQ=="}`), "Content-Type", "application/json")
	file := header.Get("Location") + "/$value"
	if got := put(file, zipped(t, string(content)), "", "gzip"); got != 204 {
		t.Errorf("PUT $value: %d", got)
	}
	bomb := zipped(t, string(make([]byte, todo.MaxAttachment+1)))
	if got := put(file, bomb, "", "gzip"); got != 413 {
		t.Errorf("PUT $value of %d bytes that unpack to too many: %d", len(bomb), got)
	}
	if _, _, got := u.call("GET", file, nil); !bytes.Equal(got, content) {
		t.Errorf("$value has %d bytes, not those that were sent", len(got))
	}
}

// A client that waits for leave to send its bytes is told at once that they are
// not wanted.
func TestRefusedBeforeSent(t *testing.T) {
	t.Parallel()
	u := newUploader(t, "")
	url := strings.TrimPrefix(u.session(10), u.http.URL)
	c, err := net.Dial("tcp", u.http.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	fmt.Fprintf(c, "PUT %s HTTP/1.1\r\nHost: duly.test\r\nContent-Range: bytes 5-9/10\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n", url)
	line, err := bufio.NewReader(c).ReadString('\n')
	if err != nil || line != "HTTP/1.1 400 Bad Request\r\n" {
		t.Errorf("%q, %v", line, err)
	}
}

// TestSmallAttachmentLimit attaches the largest file that a POST may bring, and
// one that is larger.
func TestSmallAttachmentLimit(t *testing.T) {
	t.Parallel()
	u := newUploader(t, "")
	post := func(size int) (int, []byte) {
		body := `{"name": "f", "contentBytes": "` + base64.StdEncoding.EncodeToString(randomBytes(size)) + `"}`
		status, _, answer := u.call("POST", u.task+"/attachments", strings.NewReader(body), "Content-Type", "application/json")
		return status, answer
	}
	if status, answer := post(todo.MaxSmallAttachment); status != 201 {
		t.Errorf("%d %.200s", status, answer)
	}
	for _, more := range []int{1, 1 << 20} { // the second is too large a body even
		if status, answer := post(todo.MaxSmallAttachment + more); status != 413 || more == 1 && !strings.Contains(string(answer), "createUploadSession") {
			t.Errorf("%d %.200s", status, answer)
		}
	}
}

// TestUploadCut cuts the connection within a slice, in which nothing counts, and
// goes on.
func TestUploadCut(t *testing.T) {
	t.Parallel()
	u := newUploader(t, "")
	content := randomBytes(3 << 20)
	url := u.session(len(content))
	if status, _, body := u.slice(url, content, 0, 1<<20); status != 200 {
		t.Fatalf("%d %s", status, body)
	}
	for _, sent := range []int{0, 1000, 600 << 10, 2<<20 - 1} {
		u.cut(url, fmt.Sprintf("Content-Length: %d\r\nContent-Range: bytes %d-%d/%d\r\n", 2<<20, 1<<20, len(content)-1, len(content)), content[1<<20:1<<20+sent])
		if got, want := u.expected(url), fmt.Sprintf("%d-%d", 1<<20, len(content)-1); got != want {
			t.Errorf("after %d bytes of a slice %s is expected, want %s", sent, got, want)
		}
	}
	status, header, body := u.slice(url, content, 1<<20, len(content))
	if status != 201 {
		t.Fatalf("%d %s", status, body)
	}
	if _, _, got := u.call("GET", header.Get("Location")+"/$value", nil); sha256.Sum256(got) != sha256.Sum256(content) {
		t.Error("the file has other bytes")
	}
	value := header.Get("Location") + "/$value"
	u.cut(value, fmt.Sprintf("Content-Length: %d\r\n", 2<<20), content[:1<<20])
	if _, _, got := u.call("GET", value, nil); !bytes.Equal(got, content) {
		t.Error("half a PUT of $value has replaced the bytes")
	}
}

// cut sends a part of a PUT, cuts the connection, and waits until the server has
// noticed.
func (u *uploader) cut(url, headers string, part []byte) {
	u.t.Helper()
	c, err := net.Dial("tcp", strings.TrimPrefix(u.http.URL, "http://"))
	if err != nil {
		u.t.Fatal(err)
	}
	defer c.Close()
	if _, err := fmt.Fprintf(c, "PUT %s HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\n%s\r\n%s", strings.TrimPrefix(url, u.http.URL), u.token, headers, part); err != nil {
		u.t.Fatal(err)
	}
	if err := c.(*net.TCPConn).CloseWrite(); err != nil {
		u.t.Fatal(err)
	}
	answer, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		u.t.Fatal(err)
	}
	defer answer.Body.Close()
	if answer.StatusCode != 400 {
		u.t.Errorf("status %d, want 400", answer.StatusCode)
	}
}

// TestContentRange sends what is no next slice: each is refused, and the session
// goes on where it was.
func TestContentRange(t *testing.T) {
	t.Parallel()
	u := newUploader(t, "")
	content := randomBytes(1000)
	url := u.session(len(content))
	if status, _, body := u.slice(url, content, 0, 500); status != 200 {
		t.Fatalf("%d %s", status, body)
	}
	const invalid, start = "InvalidContentRange", "InvalidStart"
	for _, c := range []struct {
		name, header string
		size         int
		code         string
	}{
		{"none", "", 500, invalid},
		{"none with the size of the file", "", 1000, start},
		{"behind", "bytes 0-499/1000", 500, start},
		{"overlapping", "bytes 499-998/1000", 500, start},
		{"ahead", "bytes 501-999/1000", 499, start},
		{"another size", "bytes 500-999/1001", 500, invalid},
		{"unknown size", "bytes 500-999/*", 500, invalid},
		{"no size", "bytes 500-999", 500, invalid},
		{"beyond the end", "bytes 500-1000/1000", 501, invalid},
		{"backwards", "bytes 500-499/1000", 0, invalid},
		{"backwards with bytes", "bytes 600-500/1000", 100, invalid},
		{"no last byte", "bytes 500-/1000", 500, invalid},
		{"no first byte", "bytes -500/1000", 500, invalid},
		{"unsatisfied", "bytes */1000", 0, invalid},
		{"negative", "bytes -1-498/1000", 500, invalid},
		{"signed", "bytes +500-999/1000", 500, invalid},
		{"hexadecimal", "bytes 0x1f4-999/1000", 500, invalid},
		{"too large a number", "bytes 18446744073709552116-999/1000", 500, invalid},
		{"another unit", "items 500-999/1000", 500, invalid},
		{"no unit", "500-999/1000", 500, invalid},
		{"equals sign", "bytes=500-999/1000", 500, invalid},
		{"two ranges", "bytes 500-599/1000, bytes 600-699/1000", 200, invalid},
		{"longer body", "bytes 500-599/1000", 101, invalid},
		{"shorter body", "bytes 500-599/1000", 99, invalid},
		{"no body", "bytes 500-599/1000", 0, invalid},
	} {
		for _, chunked := range []bool{false, true} {
			if chunked && c.header == "" {
				c.code = invalid // its length is not known in time
			}
			body := io.Reader(bytes.NewReader(content[:c.size]))
			if chunked {
				body = io.MultiReader(body)
			}
			status, _, answer := u.call("PUT", url, body, "Content-Range", c.header)
			var e failure
			if err := json.Unmarshal(answer, &e); err != nil || status != 400 || e.Error.Code != "invalidRequest" || e.Error.InnerError.Code != c.code {
				t.Errorf("%s, chunked %v: %d %s, want %s", c.name, chunked, status, answer, c.code)
			}
			if got := u.expected(url); got != "500-999" {
				t.Fatalf("%s, chunked %v: %s is expected now", c.name, chunked, got)
			}
		}
	}
	status, header, answer := u.call("PUT", url, io.MultiReader(bytes.NewReader(content[500:])), "Content-Range", " BYTES  500 - 999 / 1000 ") // chunked, and oddly spaced
	if status != 201 {
		t.Fatalf("%d %s", status, answer)
	}
	if _, _, got := u.call("GET", header.Get("Location")+"/$value", nil); !bytes.Equal(got, content) {
		t.Error("the file has other bytes")
	}
}

// TestStrictSlice sends a slice above the limit of the real service.
func TestStrictSlice(t *testing.T) {
	t.Parallel()
	u := newUploader(t, "strict")
	content := randomBytes(5 << 20)
	url := u.session(len(content)) + "/content"
	put := func(size int) int {
		status, _, _ := u.call("PUT", url, bytes.NewReader(content[:size]), "Content-Range", fmt.Sprintf("bytes 0-%d/%d", size-1, len(content)))
		return status
	}
	if status := put(4<<20 + 1); status != 400 {
		t.Errorf("a slice above 4 MB: %d", status)
	}
	if status := put(4 << 20); status != 200 {
		t.Errorf("a slice of 4 MB: %d", status)
	}
}

// TestUploadRace has several clients send the same file, each other bytes, to
// one session: what is complete in the end is one of theirs in each slice, and
// one answer alone counts for it.
func TestUploadRace(t *testing.T) {
	t.Parallel()
	u := newUploader(t, "")
	const writers, slice, slices = 6, 700 << 10, 3
	url := u.session(slice * slices)
	for n := range slices {
		var counted atomic.Int32
		for counted.Load() == 0 {
			var wg sync.WaitGroup
			for i := range writers {
				wg.Go(func() {
					content := bytes.Repeat([]byte{byte('a' + i)}, slice)
					status, _, _ := u.call("PUT", url, bytes.NewReader(content), "Content-Range", fmt.Sprintf("bytes %d-%d/%d", n*slice, (n+1)*slice-1, slice*slices))
					if status == 200 || status == 201 && n == slices-1 {
						counted.Add(1)
					} else if status != 400 {
						t.Errorf("status %d", status)
					}
				})
			}
			wg.Wait()
		}
		if n < slices-1 && counted.Load() != 1 {
			t.Errorf("slice %d counted %d times", n, counted.Load())
		}
	}
	var page struct{ Value []struct{ ID string } }
	_, _, body := u.call("GET", u.task+"/attachments", nil)
	if err := json.Unmarshal(body, &page); err != nil || len(page.Value) != 1 {
		t.Fatalf("%v %s", err, body)
	}
	_, _, got := u.call("GET", u.task+"/attachments/"+page.Value[0].ID+"/$value", nil)
	if len(got) != slice*slices {
		t.Fatalf("%d bytes, want %d", len(got), slice*slices)
	}
	for n := range slices {
		if part := got[n*slice : (n+1)*slice]; bytes.Count(part, part[:1]) != len(part) {
			t.Errorf("slice %d has bytes of more than one writer", n)
		}
	}
}

// TestReplaceRace replaces the bytes of a file from several sides, and reads them
// meanwhile: what is read is always one content as a whole, or cut off.
func TestReplaceRace(t *testing.T) {
	t.Parallel()
	u := newUploader(t, "")
	_, header, _ := u.call("POST", u.task+"/attachments", strings.NewReader(`{"name": "f", "contentBytes": "YWFh"}`), "Content-Type", "application/json")
	url := header.Get("Location") + "/$value"
	var wg sync.WaitGroup
	var replaced atomic.Int32
	for i := range 4 {
		wg.Go(func() {
			for range 4 {
				switch status, _, body := u.call("PUT", url, bytes.NewReader(bytes.Repeat([]byte{byte('a' + i)}, 900<<10+i))); status {
				case 204:
					replaced.Add(1)
				case 412:
				default:
					t.Errorf("%d %s", status, body)
				}
			}
		})
		wg.Go(func() {
			for range 8 {
				r, err := http.NewRequestWithContext(t.Context(), "GET", url, nil)
				if err != nil {
					t.Error(err)
					return
				}
				r.Header.Set("Authorization", "Bearer "+u.token)
				answer, err := u.http.Client().Do(r)
				if err != nil {
					t.Error(err)
					return
				}
				b, err := io.ReadAll(answer.Body)
				answer.Body.Close()
				if err == nil && (len(b) == 0 || bytes.Count(b, b[:1]) != len(b) || len(b) != 3 && len(b) != 900<<10+int(b[0]-'a')) {
					t.Errorf("a mixture of %d bytes was read as a whole", len(b))
				}
			}
		})
	}
	wg.Wait()
	if replaced.Load() == 0 {
		t.Error("nothing was replaced")
	}
}

// TestUploadStalls has a body stop within a slice: the server gives it up when
// its time is over, and nothing counts.
func TestUploadStalls(t *testing.T) {
	t.Parallel()
	u := newUploader(t, "")
	url := u.session(10)
	r := httptest.NewRequestWithContext(t.Context(), "PUT", url, io.MultiReader(strings.NewReader("01234"), stalled{}))
	r.Header.Set("Content-Range", "bytes 0-9/10")
	w := &deadlines{ResponseRecorder: httptest.NewRecorder()}
	u.server.ServeHTTP(w, r)
	if w.Code != 400 || !strings.Contains(w.Body.String(), "i/o timeout") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	if w.read.Before(time.Now()) || w.write.Before(w.read) {
		t.Errorf("the deadlines are %v and %v", w.read, w.write)
	}
	if got := u.expected(url); got != "0-9" {
		t.Errorf("%s is expected", got)
	}
}

// stalled is a body whose deadline is over.
type stalled struct{}

func (stalled) Read([]byte) (int, error) { return 0, &net.OpError{Op: "read", Err: timeout{}} }

type timeout struct{}

func (timeout) Error() string { return "i/o timeout" }

// deadlines records those that are set.
type deadlines struct {
	*httptest.ResponseRecorder
	read, write time.Time
}

func (d *deadlines) SetReadDeadline(t time.Time) error  { d.read = t; return nil }
func (d *deadlines) SetWriteDeadline(t time.Time) error { d.write = t; return nil }

// TestBatchedFile reads and writes a file in a batch, where bytes are base64.
func TestBatchedFile(t *testing.T) {
	t.Parallel()
	u := newUploader(t, "")
	path := strings.TrimPrefix(u.task, u.http.URL+"/v1.0")
	batch := func(part string) (out struct {
		Responses []struct {
			Status int
			Body   any
		}
	}) {
		t.Helper()
		_, _, body := u.call("POST", u.http.URL+"/v1.0/$batch", strings.NewReader(`{"requests": [`+part+`]}`), "Content-Type", "application/json")
		if err := json.Unmarshal(body, &out); err != nil || len(out.Responses) != 1 {
			t.Fatalf("%v %s", err, body)
		}
		return out
	}
	url := strings.TrimPrefix(u.session(5), u.http.URL+"/v1.0")
	part := `{"id": "1", "method": "PUT", "url": "` + url + `", "headers": {"Content-Type": "application/octet-stream", "Content-Range": "bytes 0-4/5"}, "body": "SGVsbG8="}`
	if got := batch(part); got.Responses[0].Status != 201 {
		t.Fatalf("%v", got)
	}
	_, _, page := u.call("GET", u.task+"/attachments", nil)
	id := string(page[bytes.Index(page, []byte(`"id":"`))+6:][:24])
	if got := batch(`{"id": "1", "method": "GET", "url": "` + path + `/attachments/` + id + `/$value"}`); got.Responses[0].Body != "SGVsbG8=" {
		t.Errorf("%v", got)
	}
}
