package graph_test

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/duly-todo/duly"
)

// incomplete says of a POST which required member is not in its body, if any:
// the collection has only a part of what some clients send.
func incomplete(a address, c call) string {
	required := map[string]string{"tasks": "title", "linkedResources": "applicationName", "subscriptions": "notificationUrl"}
	member := required[a.template[strings.LastIndexByte(a.template, '/')+1:]]
	var body map[string]any
	if c.Method != "POST" || member == "" || json.Unmarshal(c.Body, &body) != nil || body[member] != nil {
		return ""
	}
	return member
}

// A refusal is what the server refuses of the collection, and why that is as the
// client expects.
type refusal struct {
	profile string // empty: both
	part    string // of the address
	code    string // of the error: outer and inner
	reason  string
}

func refusals() []refusal {
	const named = "invalidRequest RequestBroker--ParseUri"
	out := []refusal{
		{"", "$expand=parentFolder", "BadRequest", "the client looks for what is not there, and takes an error as the answer"},
		{"", "/me/todo/folders", "BadRequest", "the client looks for what is not there, and takes an error as the answer"},
	}
	for _, names := range []string{"id,", "{props}"} {
		out = append(out, refusal{"strict", "$select=" + names, named, "the real service refuses $select, and so does its double"})
	}
	return out
}

// refusalOf is the refusal of a request in a profile, if there is one.
func refusalOf(url, profile string) (refusal, bool) {
	rows := refusals()
	i := slices.IndexFunc(rows, func(f refusal) bool {
		return (f.profile == "" || f.profile == profile) && strings.Contains(unescaped(url), f.part)
	})
	if i < 0 {
		return refusal{}, false
	}
	return rows[i], true
}

// TestWild sends what well-known clients send, as their sources have it.
func TestWild(t *testing.T) {
	t.Parallel()
	testWild(t)
}

func testWild(t *testing.T) {
	types := loadModel(t)
	calls := specLines[call](t, "wild.jsonl")
	refused := newWorld(t, "", duly.User{})
	counts := map[string]*tally{"friendly": {}, "strict": {}}
	used := map[refusal]bool{}
	for i, c := range calls {
		a := parseAddress(wildValues().Replace(c.URL))
		reason := a.later()
		if reason != "" {
			refused.checkRefused(c, a, reason)
		}
		for profile, count := range counts {
			if profile == "strict" && onPostgres(t) {
				count.add("not sent: profiles make no difference to the database")
				continue
			}
			if reason != "" {
				count.add("not served yet: " + reason)
				continue
			}
			t.Run(fmt.Sprint(i+1, " ", profile, " ", c.Method, " ", a.template), func(t *testing.T) {
				f, isRefused := refusalOf(c.URL, profile)
				used[f] = true
				count.add(replayWild(t, types, profile, c, a, f, isRefused))
			})
		}
	}
	for _, f := range refusals() {
		if !used[f] && !onPostgres(t) {
			t.Errorf("nothing is refused for %q", f.part)
		}
	}
	for _, profile := range []string{"friendly", "strict"} {
		t.Logf("%s:", profile)
		counts[profile].log(t, len(calls))
	}
}

// replayWild sends a request of the collection, and says what became of it.
func replayWild(t *testing.T, types model, profile string, c call, a address, f refusal, isRefused bool) string {
	t.Helper()
	w := newWorld(t, profile, duly.User{})
	c.URL = a.url
	switch {
	case strings.Contains(a.url, "nextLink"):
		w.followNextLink(c)
		return "2xx"
	case strings.Contains(a.url, "deltaLink"):
		w.followDeltaLink(types, c)
		return "2xx"
	}
	w.prepareWild(a, &c)
	r := w.send(c)
	types.checkReply(t, c.Method, a.template, r)
	inner := r.text("error", "innerError", "code")
	if member := incomplete(a, c); member != "" {
		if r.Status != 400 || r.text("error", "code") != "invalidRequest" || !strings.Contains(r.text("error", "message"), member) {
			t.Errorf("got %d %v, want 400 invalidRequest that names %s", r.Status, r.Body, member)
		}
		return "400: the collection leaves out the required " + member
	}
	if isRefused {
		if code := strings.TrimSpace(r.text("error", "code") + " " + inner); r.Status != 400 || code != f.code {
			t.Errorf("got %d %v, want 400 %s: %s", r.Status, r.Body, f.code, f.reason)
		}
		return "400: " + f.reason
	}
	if r.Status/100 != 2 {
		t.Errorf("%s %s %s: %d %v", c.Method, c.URL, c.Body, r.Status, r.Body)
	}
	if a.template == "/$batch" {
		types.checkParts(t, c.parts(t), r)
		for id, part := range r.parts() {
			if part.Status/100 != 2 {
				t.Errorf("the part %s of %s: %d %v", id, c.Body, part.Status, part.Body)
			}
		}
	}
	if c.Method == "GET" && !strings.HasSuffix(a.template, "/$value") {
		w.checkOptions(a, r)
	}
	return "2xx"
}

// wildValues are real values for what the collection leaves open in addresses.
// The ids of parseAddress come later.
func wildValues() *strings.Replacer {
	return strings.NewReplacer(
		"{limit}", "10", "{n}", "10",
		"{f}", "status ne 'completed'", "{since}", "2026-09-24T00:00:00Z", "{x}", "e",
		"{props}", "id,title,lastModifiedDateTime", "{filter}", "lastModifiedDateTime ge 2026-09-24T00:00:00Z",
		"id eq '{name}'", "id eq 'com.planetaryescape.mstodo'", "{name}", "My task list",
	)
}

// prepareWild makes what a request of the collection goes to: two lists, the
// first with three tasks, of which {task} is the first.
func (w *world) prepareWild(a address, c *call) {
	w.t.Helper()
	w.must("", "POST", listsURL, map[string]any{"displayName": "My task list"})
	w.must("", "POST", listsURL+"/Tasks/extensions", json.RawMessage(`{"extensionName": "com.planetaryescape.mstodo", "folder": "F"}`))
	w.must("task", "POST", tasksURL, json.RawMessage(`{"title": "x", "importance": "high", "checklistItems": [{"displayName": "step"}],
		"linkedResources": [{"applicationName": "app", "externalId": "e"}], "extensions": [{"extensionName": "com.planetaryescape.mstodo", "myDay": "2026-09-24"}]}`))
	w.must("", "POST", tasksURL, json.RawMessage(`{"title": "it's"}`))
	w.must("", "POST", tasksURL, json.RawMessage(`{"title": "done", "importance": "low", "status": "completed", "completedDateTime": {"dateTime": "2026-01-15T00:00:00", "timeZone": "UTC"}}`))
	if strings.Contains(a.template, "{attachment}") {
		w.newFile("f", "text/plain", 5)
	}
	if strings.HasSuffix(a.template, "/attachments") && c.Method == "POST" {
		c.Body = json.RawMessage(strings.Replace(string(c.Body), `"…"`, `"SGVsbG8="`, 1))
	}
	if strings.Contains(a.template, "/extensions/{item}") {
		w.ids["item"] = "com.planetaryescape.mstodo"
	} else if strings.Contains(a.template, "{item}") {
		w.must("item", "POST", stepsURL, map[string]any{"displayName": "x"})
	}
	if strings.HasSuffix(a.template, "/linkedResources") && c.Method == "POST" { // in the strict profile there is no second one
		w.must("task", "POST", tasksURL, map[string]any{"title": "y"})
	}
	if c.Method == "DELETE" && strings.HasSuffix(a.template, "{list}") { // the default list stays
		w.must("list", "POST", listsURL, map[string]any{"displayName": "x"})
	}
	if strings.HasPrefix(a.template, "/subscriptions") {
		w.must("subscription", "POST", "/v1.0/subscriptions", w.newSubscription("x"))
		c.Body = w.hookedBody(c.Body)
	}
	w.ground(c)
}

// wildFinds are the names of what the queries of the collection find, in order.
func wildFinds() map[string]string {
	const all, open, done = "done it's x", "it's x", "done"
	return map[string]string{
		"displayName eq 'My task list'":        "My task list",
		"startswith(displayName,'Tasks')":      "Tasks",
		"contains(displayName,'My task list')": "My task list",
		"title eq 'it''s'":                     "it's",
		"status ne 'completed'":                open,
		"status eq 'notStarted'":               open,
		"status eq 'completed'":                done,
		"status ne 'completed' or completedDateTime/dateTime ge '2026-01-01'":                                                                   all,
		"contains(tolower(title), @term) or contains(tolower(body/content), @term)":                                                             "x",
		"lastModifiedDateTime ge 2026-09-24T00:00:00Z":                                                                                          all,
		"lastModifiedDateTime ge 2026-09-24T14:13:00Z":                                                                                          "", // the clock is not there yet
		"linkedResources/any(l:l/externalId eq 'e')":                                                                                            "x",
		"status eq 'completed' and completedDateTime/dateTime ge '2026-01-01T00:00:00.000000'":                                                  done,
		"status eq 'completed' and completedDateTime/dateTime ge '2026-01-01T00:00:00' and completedDateTime/dateTime le '2026-01-31T00:00:00'": done,
	}
}

// checkOptions fails the test where an answer is not what the query options ask
// for.
func (w *world) checkOptions(a address, r reply) {
	w.t.Helper()
	items, isCollection := r.member("value").([]any)
	if !isCollection {
		items = []any{r.Body}
	}
	var names []string
	expanded := map[string]bool{}
	for _, item := range items {
		object := item.(map[string]any)
		name, _ := object["title"].(string)
		if display, ok := object["displayName"].(string); ok {
			name = display
		}
		names = append(names, name)
		for member := range object {
			expanded[member] = true
			if sel := a.option("$select"); sel != "" && !(sel == "id" && w.profile == "strict") && !strings.Contains(member, "@") && !slices.Contains(strings.Split(sel+",id,"+a.option("$expand"), ","), member) {
				w.t.Errorf("%s is in the answer, and not selected", member)
			}
		}
	}
	w.checkFinds(a, names)
	counted := a.option("$count") == "true" && w.profile == "friendly"
	if n, ok := r.member("@odata.count").(float64); ok != counted || ok && int(n) != len(items) {
		w.t.Errorf("@odata.count is %v of %d items", r.member("@odata.count"), len(items))
	}
	for navigation := range strings.SplitSeq(a.option("$expand"), ",") {
		name, _, _ := strings.Cut(navigation, "(")
		if name != "" && len(items) > 0 && !expanded[name] {
			w.t.Errorf("$expand=%s gives nothing", name)
		}
	}
}

// checkFinds fails the test where a query finds other things than it should.
func (w *world) checkFinds(a address, names []string) {
	w.t.Helper()
	filter, order := a.option("$filter"), a.option("$orderby")
	if filter == "" && order == "" {
		return
	}
	want, ok := wildFinds()[filter]
	switch {
	case filter != "" && !ok:
		w.t.Errorf("there is no row for %s", filter)
	case filter == "" && order == "importance desc":
		want = "x it's done"
	case filter == "":
		want = "done it's x"
	}
	if a.option("$select") == "id" { // no names
		names, want = []string{fmt.Sprint(len(names))}, fmt.Sprint(len(strings.Fields(want)))
	}
	if got := strings.Join(names, " "); got != want {
		w.t.Errorf("$filter=%s $orderby=%s finds %q, want %q", filter, order, got, want)
	}
}

var placeholders = regexp.MustCompile(`\{[a-z]+(, optional)?\}`)

// ground puts real values for what the collection leaves open.
func (w *world) ground(c *call) {
	headers := map[string]string{}
	for name, value := range c.Headers {
		switch {
		case name == "If-Match" && strings.HasPrefix(value, "{etag"):
			value = w.get(listURL).text("@odata.etag")
		case value == "{task etag}":
			value = w.get(taskURL).text("@odata.etag")
		case name == "Origin":
			value = "chrome-extension://abcdefghijklmnop"
		}
		value = strings.ReplaceAll(value, "{zone}", "Europe/Berlin")
		if placeholders.MatchString(value) {
			w.t.Fatalf("header %s: %s", name, value)
		}
		headers[name] = value
	}
	c.Headers = headers
	var v any
	if json.Unmarshal(c.Body, &v) != nil || v == nil {
		return
	}
	text, err := json.Marshal(grounded("", v))
	if err != nil {
		w.t.Fatal(err)
	}
	values := []string{"{listId}", w.ids["list"], "{taskId}", w.ids["task"]}
	if strings.Contains(string(text), "{etag}") {
		values = append(values, `"{etag}"`, fmt.Sprintf("%q", w.get(taskURL).text("@odata.etag")))
	}
	c.Body = []byte(strings.NewReplacer(values...).Replace(string(text)))
}

func grounded(name string, v any) any {
	switch v := v.(type) {
	case map[string]any:
		for member, value := range v {
			v[member] = grounded(member, value)
		}
	case []any:
		for i, value := range v {
			v[i] = grounded(name, value)
		}
	case string:
		switch {
		case name == "webUrl" && v == "u":
			return "https://example.com/"
		case name == "dateTime" && v == "…":
			return "2026-10-01T00:00:00"
		}
	}
	return v
}

// followNextLink reads a second page of lists by the address in the first.
func (w *world) followNextLink(c call) {
	w.t.Helper()
	for i := range 55 {
		w.must("", "POST", listsURL, map[string]any{"displayName": fmt.Sprint("List ", i)})
	}
	c.URL = w.get(listsURL).text("@odata.nextLink")
	r := w.send(c)
	items, _ := r.member("value").([]any)
	if r.Status != 200 || len(items) != 6 || r.member("@odata.nextLink") != nil {
		w.t.Errorf("GET %s: %d with %d items", c.URL, r.Status, len(items))
	}
}

// followDeltaLink reads, as the client does, a list by delta, and by the last
// address again what has changed since.
func (w *world) followDeltaLink(types model, c call) {
	w.t.Helper()
	const first = tasksURL + "/delta?$expand=checklistItems"
	for i := range 55 {
		w.must("task", "POST", tasksURL, map[string]any{"title": fmt.Sprint("Task ", i), "checklistItems": []any{map[string]any{"displayName": "x"}}})
	}
	template := parseAddress(first).template
	url, seen := first, 0
	for range 3 { // pages at most
		r := w.get(url)
		types.checkReply(w.t, "GET", template, r)
		items, _ := r.member("value").([]any)
		seen += len(items)
		if url = r.text("@odata.nextLink"); url == "" {
			c.URL = r.text("@odata.deltaLink")
			break
		}
	}
	w.must("", "PATCH", taskURL, map[string]any{"title": "changed"})
	for range 2 { // a link stays good
		r := w.send(c)
		types.checkReply(w.t, "GET", template, r)
		items, _ := r.member("value").([]any)
		if seen != 55 || r.Status != 200 || len(items) != 1 || (reply{Body: items[0]}).text("title") != "changed" {
			w.t.Errorf("after %d tasks, GET %s: %d %v", seen, c.URL, r.Status, r.Body)
		}
	}
}
