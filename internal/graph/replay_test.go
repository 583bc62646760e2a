package graph_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	neturl "net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/duly-todo/duly"
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
	raw     string
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
	t       *testing.T
	server  *duly.Server
	profile string
	clock   *atomic.Int64 // milliseconds
	user    duly.User
	scopes  string
	token   string            // sent instead of one with the scopes, if any
	ids     map[string]string // by the names of parameters in the route table
	minted  map[string]string // tokens by their scopes
	seen    string            // the content of the mailbox when it was last looked at
}

func newWorld(t *testing.T, profile string, user duly.User) *world {
	t.Helper()
	return newWorldIn(t, "", profile, user)
}

// newWorldIn keeps the data in a folder.
func newWorldIn(t *testing.T, dir, profile string, user duly.User) *world {
	t.Helper()
	clock := new(atomic.Int64)
	begin := time.Date(2026, time.September, 24, 12, 0, 0, 0, time.UTC)
	server, err := duly.New(t.Context(), duly.Config{DataDir: dir, Database: database(t), Profile: profile, WebhookAllow: allowReceiver(), Now: func() time.Time {
		return begin.Add(time.Duration(clock.Add(1)) * time.Millisecond)
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
	w := worldOf(t, server, user)
	w.clock, w.profile = clock, profile
	return w
}

// wait moves the clock on, beyond the life of all tokens.
func (w *world) wait(d time.Duration) {
	w.clock.Add(d.Milliseconds())
	clear(w.minted)
}

// worldOf adds a user to a server.
func worldOf(t *testing.T, server *duly.Server, user duly.User) *world {
	t.Helper()
	user, err := server.AddUser(t.Context(), user)
	if err != nil {
		t.Fatal(err)
	}
	w := &world{
		t: t, server: server, user: user, scopes: "Tasks.ReadWrite User.Read User.ReadWrite User.ReadBasic.All MailboxSettings.ReadWrite",
		ids: map[string]string{"user": user.ID}, minted: map[string]string{},
	}
	w.ids["list"] = w.get("/v1.0/me/todo/lists/Tasks").text("id")
	return w
}

// bearer is the token that the world sends.
func (w *world) bearer() string {
	w.t.Helper()
	if w.token != "" {
		return w.token
	}
	return w.tokenWith(w.scopes)
}

// tokenWith is a token of the user with the scopes.
func (w *world) tokenWith(scopes string) string {
	w.t.Helper()
	if w.minted[scopes] == "" {
		token, err := w.server.Token(w.t.Context(), w.user.ID, scopes, time.Hour)
		if err != nil {
			w.t.Fatal(err)
		}
		w.minted[scopes] = token
	}
	return w.minted[scopes]
}

// send sends a request whose URL has the placeholders of the route table, and
// returns the answer.
func (w *world) send(c call) reply {
	w.t.Helper()
	for name, id := range w.ids {
		c.URL = strings.ReplaceAll(c.URL, "{"+name+"}", id)
	}
	if string(c.Body) == "null" {
		c.Body = nil
	}
	r := httptest.NewRequestWithContext(w.t.Context(), c.Method, strings.ReplaceAll(c.URL, " ", "%20"), bytes.NewReader(c.Body))
	r.Host = "duly.test"
	r.Header.Set("Authorization", "Bearer "+w.bearer())
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
	out := reply{Status: rec.Code, Headers: map[string]string{}, raw: rec.Body.String()}
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

	categoriesURL = "/v1.0/me/outlook/masterCategories"
	filesURL      = taskURL + "/attachments"
)

// An address is a URL of the collections, with our placeholders for its ids.
type address struct {
	url      string // version, path and query
	template string // as the route table has it, without the version
	options  []string
	values   []string // of the options
}

// parseAddress reads a URL. Ids become the placeholders of the route table.
func parseAddress(url string) address {
	url = strings.TrimPrefix(url, "https://graph.microsoft.com")
	if !strings.HasPrefix(url, "/v1.0/") && !strings.HasPrefix(url, "/beta/") && !strings.Contains(url, "://") && !strings.HasPrefix(url, "{") {
		url = "/v1.0/" + strings.TrimPrefix(url, "/") // as an SDK or a part of a batch has it, which are told the path alone
	}
	path, query, _ := strings.Cut(url, "?")
	segments := strings.Split(strings.TrimSuffix(path, "/"), "/")
	parameter := map[string]string{"users": "{user}", "lists": "{list}", "tasks": "{task}", "checklistitems": "{item}", "linkedresources": "{item}", "mastercategories": "{item}", "extensions": "{item}", "attachments": "{attachment}", "attachmentsessions": "{session}", "subscriptions": "{subscription}"}
	names := slices.Clone(segments)
	for i := 1; i < len(segments); i++ {
		p, ok := parameter[strings.ToLower(names[i-1])]
		if names[i] = strings.TrimSuffix(names[i], "()"); !ok || names[i] == "delta" || names[i] == "$count" || names[i] == "lists" || names[i] == "getVapidPublicKey" || strings.EqualFold(names[i], "createUploadSession") {
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
			name, value, _ := strings.Cut(option, "=")
			a.options = append(a.options, strings.ToLower(unescaped(name)))
			a.values = append(a.values, unescaped(value))
		}
	}
	if len(names) > 2 {
		a.template = strings.Replace("/"+strings.Join(names[2:], "/"), "/me", "/users/{user}", 1)
	}
	return a
}

func unescaped(s string) string {
	if plain, err := neturl.QueryUnescape(s); err == nil {
		return plain
	}
	return s
}

// option is the value of a query option; "" if it was not sent.
func (a address) option(name string) string {
	if i := slices.Index(a.options, name); i >= 0 {
		return a.values[i]
	}
	return ""
}

// request names a kind of request: its method, its path in the route table, and
// the options that say what an answer shows.
func (a address) request(method string) string {
	var shown []string
	for i, name := range a.options {
		if name == "$select" || name == "$expand" {
			shown = append(shown, name+"="+a.values[i])
		}
	}
	if len(shown) > 0 {
		return method + " " + a.template + "?" + strings.Join(shown, "&")
	}
	return method + " " + a.template
}

// unserved are the parts of the API, by what their addresses hold, that the
// replays do not know yet. A part that is built comes off this list, and its
// lines are replayed.
func unserved() []string {
	return []string{
		"me/tasks", "messages", "groups",
		"calendarView", "uploadUrl", "notificationUrl", "login.microsoftonline.com",
	}
}

// later says why a request is none of what is replayed so far; "" if it is.
func (a address) later() string {
	path, _, _ := strings.Cut(strings.ToLower(a.url), "?")
	for _, part := range unserved() {
		if strings.Contains(path, strings.ToLower(part)) {
			return "route of " + part
		}
	}
	return ""
}

// checkRefused fails the test unless a request that is not replayed is refused.
func (w *world) checkRefused(c call, a address, reason string) {
	w.t.Helper()
	if !strings.HasPrefix(a.url, "/v1.0/") && !strings.HasPrefix(a.url, "/beta/") {
		return // not to this server
	}
	c.URL = a.url
	r := w.send(c)
	if r.text("error", "code") == "" || r.Status != http.StatusNotImplemented && r.Status != http.StatusBadRequest {
		w.t.Errorf("%s %s: %d: the %s is served by now: take it off the list in replay_test.go and replay its lines", c.Method, c.URL, r.Status, reason)
	}
}

// A batchRequest is a part of the body of a batch.
type batchRequest struct {
	ID, Method, URL string
	Headers         map[string]string
	Body            json.RawMessage
}

// parts are those of a batch.
func (c call) parts(t *testing.T) []batchRequest {
	t.Helper()
	var body struct{ Requests []batchRequest }
	if err := json.Unmarshal(c.Body, &body); err != nil || len(body.Requests) == 0 {
		t.Fatalf("the batch %s: %v", c.Body, err)
	}
	return body.Requests
}

// parts are the answers to the parts of a batch, by their ids.
func (r reply) parts() map[string]reply {
	out := map[string]reply{}
	items, _ := r.member("responses").([]any)
	for _, item := range items {
		part := reply{Body: item}
		status, _ := part.member("status").(float64)
		answer := reply{Status: int(status), Body: part.member("body"), Headers: map[string]string{}}
		headers, _ := part.member("headers").(map[string]any)
		for name, value := range headers {
			answer.Headers[http.CanonicalHeaderKey(name)], _ = value.(string)
		}
		out[part.text("id")] = answer
	}
	return out
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
