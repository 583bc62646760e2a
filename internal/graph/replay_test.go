package graph_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/duly-todo/duly"
	"github.com/duly-todo/duly/internal/graph"
)

// What the replays of documented, observed and collected requests have in
// common. The collections are no part of the project: where they are missing,
// the replays are skipped, and the project's own tests stand without them.

// specFile opens a file of the specification, which may lie beside the checkout.
func specFile(t *testing.T, name string) []byte {
	t.Helper()
	path := filepath.Join("..", "..", "..", "shared", "spec", name)
	text, err := os.ReadFile(path)
	if os.IsNotExist(err) {
		t.Skipf("there is no %s beside the checkout, so there is nothing to replay", filepath.ToSlash(path))
	}
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// specLines reads a specification file of one JSON object a line.
func specLines[T any](t *testing.T, name string) []T {
	t.Helper()
	var out []T
	lines := bufio.NewScanner(bytes.NewReader(specFile(t, name)))
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var line T
		if err := json.Unmarshal(lines.Bytes(), &line); err != nil {
			t.Fatalf("%s, line %d: %v", name, len(out)+1, err)
		}
		out = append(out, line)
	}
	if err := lines.Err(); err != nil || len(out) == 0 {
		t.Fatalf("%s has %d lines: %v", name, len(out), err)
	}
	return out
}

// A call is a request as the collections write it.
type call struct {
	Method  string
	URL     string
	Headers map[string]string
	Body    json.RawMessage
}

// A reply is an answer as the collections write it, or one of ours.
type reply struct {
	Status  int
	Headers map[string]string
	Body    any
}

// member is a member of the body, by its path from the top.
func (r reply) member(names ...string) any {
	v := r.Body
	for _, name := range names {
		m, _ := v.(map[string]any)
		v = m[name]
	}
	return v
}

func (r reply) text(names ...string) string {
	s, _ := r.member(names...).(string)
	return s
}

// A world is a server with one user, and what is in that user's mailbox. Its
// clock moves on with every look at it.
type world struct {
	t      *testing.T
	server *duly.Server
	user   duly.User
	scopes string
	ids    map[string]string // by the names of parameters in the route table
}

func newWorld(t *testing.T, profile string, user duly.User) *world {
	t.Helper()
	var ticks atomic.Int64
	begin := time.Date(2026, time.September, 24, 12, 0, 0, 0, time.UTC)
	server, err := duly.New(t.Context(), duly.Config{Profile: profile, Now: func() time.Time {
		return begin.Add(time.Duration(ticks.Add(1)) * time.Millisecond)
	}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := server.Close(); err != nil {
			t.Error(err)
		}
	})
	if user.UserPrincipalName == "" {
		user.UserPrincipalName = "adele@example.org"
	}
	if user, err = server.AddUser(t.Context(), user); err != nil {
		t.Fatal(err)
	}
	w := &world{t: t, server: server, user: user, scopes: "Tasks.ReadWrite User.ReadWrite User.ReadBasic.All", ids: map[string]string{"user": user.ID}}
	w.ids["list"] = w.get("/v1.0/me/todo/lists/Tasks").text("id")
	return w
}

// send sends a request whose URL has the placeholders of the route table, and
// returns the answer.
func (w *world) send(c call) reply {
	w.t.Helper()
	token, err := w.server.Token(w.t.Context(), w.user.ID, w.scopes, time.Hour)
	if err != nil {
		w.t.Fatal(err)
	}
	for name, id := range w.ids {
		c.URL = strings.ReplaceAll(c.URL, "{"+name+"}", id)
	}
	if string(c.Body) == "null" {
		c.Body = nil
	}
	r := httptest.NewRequestWithContext(w.t.Context(), c.Method, strings.ReplaceAll(c.URL, " ", "%20"), bytes.NewReader(c.Body))
	r.Host = "duly.test"
	r.Header.Set("Authorization", "Bearer "+token)
	for name, value := range c.Headers {
		r.Header.Set(name, value)
	}
	rec := httptest.NewRecorder()
	w.server.ServeHTTP(rec, r)
	return w.read(rec)
}

// read takes an answer, whose body is JSON or nothing.
func (w *world) read(rec *httptest.ResponseRecorder) reply {
	w.t.Helper()
	out := reply{Status: rec.Code, Headers: map[string]string{}}
	for name := range rec.Header() {
		out.Headers[name] = rec.Header().Get(name)
	}
	if rec.Body.Len() > 0 {
		if err := json.Unmarshal(rec.Body.Bytes(), &out.Body); err != nil {
			w.t.Fatalf("status %d, %v in %q", rec.Code, err, rec.Body)
		}
	}
	return out
}

func (w *world) get(url string) reply {
	w.t.Helper()
	r := w.send(call{Method: "GET", URL: url})
	if r.Status != http.StatusOK {
		w.t.Fatalf("GET %s: %d %v", url, r.Status, r.Body)
	}
	return r
}

// must sends a request that sets a test up. The id of what it creates becomes
// the one of the parameter.
func (w *world) must(parameter, method, url string, body any) reply {
	w.t.Helper()
	text, err := json.Marshal(body)
	if err != nil {
		w.t.Fatal(err)
	}
	r := w.send(call{Method: method, URL: url, Body: text})
	if r.Status/100 != 2 {
		w.t.Fatalf("%s %s %s: %d %v", method, url, text, r.Status, r.Body)
	}
	if parameter != "" {
		w.ids[parameter] = r.text("id")
	}
	return r
}

// Addresses of the world's own things.
const (
	listsURL = "/v1.0/me/todo/lists"
	listURL  = listsURL + "/{list}"
	tasksURL = listURL + "/tasks"
	taskURL  = tasksURL + "/{task}"
	stepsURL = taskURL + "/checklistItems"
	linksURL = taskURL + "/linkedResources"
)

// An address is a URL of the collections, with our placeholders for its ids.
type address struct {
	url      string // version, path and query
	template string // as the route table has it, without the version
	query    []string
}

// parseAddress reads a URL. Ids become the placeholders of the route table.
func parseAddress(url string) address {
	url = strings.TrimPrefix(url, "https://graph.microsoft.com")
	if strings.HasPrefix(url, "/me/") || strings.HasPrefix(url, "/subscriptions") {
		url = "/v1.0" + url // as the SDK that was told the path alone sends it
	}
	path, query, _ := strings.Cut(url, "?")
	segments := strings.Split(strings.TrimSuffix(path, "/"), "/")
	parameter := map[string]string{"users": "{user}", "lists": "{list}", "tasks": "{task}", "checklistitems": "{item}", "linkedresources": "{item}"}
	names := slices.Clone(segments)
	for i := 1; i < len(segments); i++ {
		p, ok := parameter[strings.ToLower(names[i-1])]
		if !ok || strings.HasPrefix(segments[i], "delta") || segments[i] == "$count" || segments[i] == "lists" {
			continue
		}
		if names[i] = p; p != "{list}" || !strings.EqualFold(segments[i], "Tasks") { // which is an alias
			segments[i] = p
		}
	}
	a := address{url: strings.Join(segments, "/") + path[len(strings.TrimSuffix(path, "/")):]}
	if query != "" {
		a.url += "?" + query
		for option := range strings.SplitSeq(query, "&") {
			a.query = append(a.query, strings.ReplaceAll(option, "%24", "$"))
		}
	}
	if len(names) > 2 {
		a.template = strings.Replace("/"+strings.Join(names[2:], "/"), "/me", "/users/{user}", 1)
	}
	return a
}

// later says why a request is none of what is served so far; "" if it is.
func (a address) later(method string) string {
	routes := graph.Routes()
	known := slices.ContainsFunc(routes, func(r graph.RouteInfo) bool { return strings.EqualFold(r.Path, a.template) })
	if !known {
		for _, part := range []string{"me/tasks", "users/{user}/tasks", "delta", "$batch", "subscriptions", "attachment", "extensions", "outlook", "messages", "groups", "calendarView", "translateExchangeIds", "deltaLink", "uploadUrl", "notificationUrl", "login.microsoftonline.com"} {
			if strings.Contains(strings.ToLower(a.url+a.template), strings.ToLower(part)) {
				return "route of " + strings.TrimPrefix(part, "users/{user}/")
			}
		}
		return "unknown route " + a.template
	}
	for _, option := range a.query {
		name, value, _ := strings.Cut(strings.ToLower(option), "=")
		switch name {
		case "$filter", "$orderby", "$select", "$count", "$search":
			return "query option " + name
		case "$expand":
			if value = strings.ReplaceAll(value, "%2c", ","); strings.Trim(strings.NewReplacer("checklistitems", "", "linkedresources", "").Replace(value), ",") != "" {
				return "query option $expand=" + regexp.MustCompile(`\(.*`).ReplaceAllString(value, "(…)")
			}
		}
	}
	return ""
}

// checkRefused fails the test unless a request that is not served yet is
// refused as such: an option with 501, a path with 400.
func (w *world) checkRefused(c call, a address, reason string) {
	w.t.Helper()
	if !strings.HasPrefix(a.url, "/v1.0/") && !strings.HasPrefix(a.url, "/beta/") {
		return // not to this server
	}
	c.URL = a.url
	r := w.send(c)
	option := strings.HasPrefix(reason, "query option")
	if r.text("error", "code") == "" || r.Status != http.StatusNotImplemented && (option || r.Status != http.StatusBadRequest) {
		w.t.Errorf("%s %s (%s): got %d %v: is it served by now?", c.Method, c.URL, reason, r.Status, r.Body)
	}
}

// A tally counts what became of the lines of a collection.
type tally struct {
	counts map[string]int
	lines  int
}

func (y *tally) add(what string) {
	if y.counts == nil {
		y.counts = map[string]int{}
	}
	y.counts[what]++
	y.lines++
}

// log writes the counts, and fails the test if they are not those of all lines.
func (y *tally) log(t *testing.T, lines int) {
	t.Helper()
	for _, what := range slices.Sorted(func(yield func(string) bool) {
		for k := range y.counts {
			if !yield(k) {
				return
			}
		}
	}) {
		t.Logf("%4d %s", y.counts[what], what)
	}
	if y.lines != lines {
		t.Errorf("%d of %d lines are accounted for", y.lines, lines)
	}
}
