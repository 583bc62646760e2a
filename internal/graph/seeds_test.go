package graph_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/duly-todo/duly"
)

// A page is the example of one page of Graph's documentation that has to work to
// the letter: what it sends, and the members that it shows in the answer.
type page struct {
	name    string
	presume func(w *world) // what the example goes to
	method  string
	url     string
	body    string
	status  int
	members map[string]any // by path: a value, or a form for what the server makes up
	reads   []string       // where the same is to be read afterwards
}

// A form is what a value that the server makes up looks like.
type form string

const (
	anyText   form = `^.+$`
	aGUID     form = `^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`
	anETag    form = `^W/"[A-Za-z0-9+/]+=*"$`
	anInstant form = `^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,7})?Z$`
)

// earlyBody is that of the page of the early linkedResources collection, with a
// member twice and an address that is not well formed.
const earlyBody = `{
  "@odata.type": "#microsoft.graph.linkedResource",
  "webUrl": "String",
  "webUrl": "http:://microsoft.com",
  "applicationName": "Microsoft",
  "displayName": "Microsoft",
  "externalId": "dk9cddce2-dce2-f9dd-e2dc-cdf9e2dccdf9"
}`

func pages() []page {
	newTask := page{
		method: "POST", url: "/beta/me/todo/lists/{list}/tasks", status: 201,
		body: `{
   "title":"A new task",
   "categories": ["Important"],
   "linkedResources":[
      {
         "webUrl":"http://microsoft.com",
         "applicationName":"Microsoft",
         "displayName":"Microsoft"
      }
   ]
}`,
		presume: func(w *world) { w.must("list", "POST", listsURL, map[string]any{"displayName": "x"}) },
		members: map[string]any{
			"@odata.etag": anETag, "importance": "normal", "isReminderOn": false, "status": "notStarted", "title": "A new task",
			"createdDateTime": anInstant, "lastModifiedDateTime": anInstant, "categories.0": "Important", "id": anyText,
			"body.content": "", "body.contentType": "text",
			"linkedResources.0.id": aGUID, "linkedResources.0.webUrl": "http://microsoft.com",
			"linkedResources.0.applicationName": "Microsoft", "linkedResources.0.displayName": "Microsoft",
		},
		reads: []string{"{location}", "/v1.0/me/todo/lists/{list}/tasks/{new}", "/beta/users/{user}/todo/lists/{list}/tasks/{new}"},
	}
	aTask, russian := newTask, newTask
	aTask.name = "create todoTask, beta"
	russian.name = "create todoTask, beta, the translated page"
	return []page{
		{
			name:    "create linkedResource, v1.0",
			presume: func(w *world) { w.must("task", "POST", tasksURL, map[string]any{"title": "x"}) },
			method:  "POST", url: "/v1.0/me/todo/lists/{list}/tasks/{task}/linkedResources", status: 201,
			body: `{"webUrl": "https://microsoft.com", "applicationName": "Microsoft", "displayName": "Microsoft", "externalId": "dk9cddce2-dce2-f9dd-e2dc-cdf9e2dccdf9"}`,
			members: map[string]any{
				"id": aGUID, "webUrl": "https://microsoft.com", "applicationName": "Microsoft", "displayName": "Microsoft",
				"externalId": "dk9cddce2-dce2-f9dd-e2dc-cdf9e2dccdf9",
			},
			reads: []string{"{location}", "/beta/me/todo/lists/{list}/tasks/{task}/linkedResources/{new}", "/v1.0/linkedResources/{new}"},
		},
		{
			name:   "create linkedResources, beta, the early page",
			method: "POST", url: "/beta/linkedResources", status: 201, body: earlyBody,
			members: map[string]any{
				"@odata.type": "#microsoft.graph.linkedResource", "id": aGUID, "webUrl": "http:://microsoft.com",
				"applicationName": "Microsoft", "displayName": "Microsoft", "externalId": "dk9cddce2-dce2-f9dd-e2dc-cdf9e2dccdf9",
			},
			reads: []string{"{location}", "/v1.0/linkedResources/{new}", "/beta/LinkedResources/{new}/"},
		},
		aTask,
		russian,
		{
			name: "update todoTask, v1.0",
			presume: func(w *world) {
				w.must("task", "POST", tasksURL, json.RawMessage(`{"title": "Shop for dinner", "dueDateTime": {"dateTime": "2020-07-20T00:00:00", "timeZone": "UTC"}}`))
			},
			method: "PATCH", url: "/v1.0/me/todo/lists/{list}/tasks/{task}", status: 200,
			body: `{
   "dueDateTime":{
      "dateTime":"2020-07-25T16:00:00",
      "timeZone":"Eastern Standard Time"
   }
}`,
			members: map[string]any{
				"@odata.context": anyText, "@odata.etag": anETag, "importance": "normal", "isReminderOn": false, "status": "notStarted",
				"title": "Shop for dinner", "createdDateTime": anInstant, "lastModifiedDateTime": anInstant, "categories": []any{},
				"id": anyText, "body.content": "", "body.contentType": "text",
				"dueDateTime.dateTime": "2020-07-25T04:00:00.0000000", "dueDateTime.timeZone": "UTC",
			},
			reads: []string{"/v1.0/me/todo/lists/{list}/tasks/{task}", "/beta/users/{user}/todo/lists/{list}/tasks/{task}"},
		},
	}
}

// TestSeedPages sends the examples of these pages as they stand there.
func TestSeedPages(t *testing.T) {
	t.Parallel()
	testSeedPages(t)
}

func testSeedPages(t *testing.T) {
	for _, p := range pages() {
		t.Run(p.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, "", duly.User{})
			w.scopes = "Tasks.ReadWrite" // all that the pages ask for
			if p.presume != nil {
				p.presume(w)
			}
			r := w.send(call{Method: p.method, URL: p.url, Body: json.RawMessage(p.body), Headers: map[string]string{"Content-Type": "application/json"}})
			if r.Status != p.status {
				t.Fatalf("status %d, want %d: %v", r.Status, p.status, r.Body)
			}
			wantMembers(t, r.Body, p.members)
			wantPageHeaders(t, p, r)
			w.ids["new"], w.ids["location"] = r.text("id"), strings.TrimPrefix(r.Headers["Location"], "http://duly.test")
			for _, url := range p.reads {
				again := w.get(url)
				wantMembers(t, again.Body, p.members)
				if diff := cmp.Diff(withoutContexts(r.Body), withoutContexts(again.Body)); diff != "" {
					t.Errorf("GET %s (-answered +read):\n%s", url, diff)
				}
			}
			w.wantRefusedReader(p)
		})
	}
}

// wantRefusedReader fails the test unless a token that may only read is refused.
func (w *world) wantRefusedReader(p page) {
	w.t.Helper()
	w.scopes = "Tasks.Read"
	if r := w.send(call{Method: p.method, URL: p.url, Body: json.RawMessage(p.body)}); r.Status != 403 || r.text("error", "code") != "ErrorAccessDenied" {
		w.t.Errorf("with Tasks.Read: %d %v", r.Status, r.Body)
	}
}

func wantPageHeaders(t *testing.T, p page, r reply) {
	t.Helper()
	if kind := r.Headers["Content-Type"]; !strings.HasPrefix(kind, "application/json") {
		t.Errorf("Content-Type %q", kind)
	}
	if r.Headers["Odata-Version"] != "4.0" || !regexp.MustCompile(string(aGUID)).MatchString(r.Headers["Request-Id"]) {
		t.Errorf("OData-Version %q, request-id %q", r.Headers["Odata-Version"], r.Headers["Request-Id"])
	}
	if tag := r.text("@odata.etag"); tag != "" && tag != r.Headers["Etag"] {
		t.Errorf("ETag %q, in the body %q", r.Headers["Etag"], tag)
	}
	version := strings.Split(p.url, "/")[1]
	if at := r.Headers["Location"]; p.status == 201 && !strings.HasPrefix(at, "http://duly.test/"+version+"/") {
		t.Errorf("Location %q", at)
	}
	if context := r.text("@odata.context"); !strings.HasPrefix(context, "http://duly.test/"+version+"/$metadata#") {
		t.Errorf("@odata.context %q", context)
	}
}

// wantMembers fails the test where a body has not the members, whose paths are
// names and indexes.
func wantMembers(t *testing.T, body any, members map[string]any) {
	t.Helper()
	for path, want := range members {
		got := at(body, path)
		if f, ok := want.(form); ok {
			if s, _ := got.(string); !regexp.MustCompile(string(f)).MatchString(s) {
				t.Errorf("%s is %v, which has not the form %s", path, got, f)
			}
			continue
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", path, diff)
		}
	}
}

// at follows a path of names and indexes. The names of control information have
// a dot in them.
func at(v any, path string) any {
	for name := range strings.SplitSeq(strings.ReplaceAll(path, "@odata.", "@odata:"), ".") {
		switch of := v.(type) {
		case map[string]any:
			v = of[strings.Replace(name, "@odata:", "@odata.", 1)]
		case []any:
			var i int
			if _, err := fmt.Sscan(name, &i); err != nil || i >= len(of) {
				return nil
			}
			v = of[i]
		default:
			return nil
		}
	}
	return v
}

// withoutContexts is a body without the members that say by which address it
// was read: those of the two versions, and of a linked resource in two places.
func withoutContexts(v any) any {
	switch v := v.(type) {
	case map[string]any:
		out := map[string]any{}
		for name, value := range v {
			if !strings.HasSuffix(name, "@odata.context") && name != "@odata.type" && name != "@odata.id" {
				out[name] = withoutContexts(value)
			}
		}
		return out
	case []any:
		out := slices.Clone(v)
		for i := range out {
			out[i] = withoutContexts(out[i])
		}
		return out
	}
	return v
}

// TestEarlyPageOnTheWire sends the early page's request over a connection. Its
// Content-Length is less than its body has: a server can only take as much as is
// announced, which is no JSON. With the true length the same bytes are taken.
func TestEarlyPageOnTheWire(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "", duly.User{})
	h := httptest.NewServer(w.server)
	defer h.Close()
	const announced = 166 // on the page
	if len(earlyBody) <= announced {
		t.Fatalf("the body has %d bytes", len(earlyBody))
	}
	for _, tt := range []struct {
		name   string
		length int
		status int
		links  int // afterwards
	}{
		{"as announced", announced, 400, 0},
		{"its true length", len(earlyBody), 201, 1},
	} {
		status, body := w.sendRaw(strings.TrimPrefix(h.URL, "http://"), tt.length)
		if status != tt.status {
			t.Errorf("%s: status %d, want %d: %s", tt.name, status, tt.status, body)
		}
		if n := len(w.get("/beta/linkedResources").member("value").([]any)); n != tt.links {
			t.Errorf("%s: there are %d linked resources, want %d", tt.name, n, tt.links)
		}
		if tt.status == 400 && !strings.Contains(body, `"innerError"`) {
			t.Errorf("%s: %s", tt.name, body)
		}
	}
}

// sendRaw writes the early page's request with a Content-Length.
func (w *world) sendRaw(address string, length int) (status int, body string) {
	w.t.Helper()
	c, err := (&net.Dialer{}).DialContext(w.t.Context(), "tcp", address)
	if err != nil {
		w.t.Fatal(err)
	}
	defer c.Close()
	if _, err := fmt.Fprintf(c, "POST /beta/linkedResources HTTP/1.1\r\nHost: %s\r\nAuthorization: Bearer %s\r\nContent-Type: application/json\r\nContent-length: %d\r\n\r\n%s", address, w.bearer(), length, earlyBody); err != nil {
		w.t.Fatal(err)
	}
	res, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		w.t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		w.t.Fatal(err)
	}
	return res.StatusCode, string(text)
}

// TestContentLengthIsAHint gives the whole body of the early page to the handler
// with the Content-Length of the page, as a proxy that joins a request anew might.
func TestContentLengthIsAHint(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "", duly.User{})
	r := httptest.NewRequestWithContext(t.Context(), "POST", "/beta/linkedResources", strings.NewReader(earlyBody))
	r.Header.Set("Authorization", "Bearer "+w.bearer())
	r.Header.Set("Content-Length", "166")
	r.ContentLength = 166
	rec := httptest.NewRecorder()
	w.server.ServeHTTP(rec, r)
	if got := w.read(rec); got.Status != 201 || got.text("webUrl") != "http:://microsoft.com" {
		t.Errorf("%d %v", got.Status, got.Body)
	}
}
