package graph_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/duly-todo/duly"
)

// Observations are answers of Microsoft's service, as people saw them. An
// observed is one that concerns what is served: how to set it up, and where the
// server answers otherwise.
type observed struct {
	line     int    // in the collection
	request  string // method and the end of the path, to see that the line is the one meant
	setup    func(w *world, c *call)
	friendly other
	strict   other
	then     func(w *world, r reply) // what the observer said beyond the answer
}

// other is how an answer differs on purpose; the zero value is an answer as
// observed. With a reason alone the answer is as observed and its effect is
// another, which then checks.
type other struct {
	reason string
	status int
	found  string // of differences, where the status is the same
}

func both(o observed, x other) observed {
	o.friendly, o.strict = x, x
	return o
}

const observedDue = `{"dateTime":"2026-09-24T00:00:00","timeZone":"Europe/London"}`

// withTask makes a task and sends the request to it.
func withTask(body string) func(*world, *call) {
	return func(w *world, _ *call) { w.must("task", "POST", tasksURL, json.RawMessage(body)) }
}

func withChild(url, body string) func(*world, *call) {
	return func(w *world, c *call) {
		withTask(`{"title": "x"}`)(w, c)
		w.must("item", "POST", url, json.RawMessage(body))
	}
}

func withCategory(w *world, _ *call) { w.ids["item"] = w.category("My Day") }

// andThen makes a change before the request.
func andThen(first func(*world, *call), url, patch string) func(*world, *call) {
	return func(w *world, c *call) {
		first(w, c)
		w.must("", "PATCH", url, json.RawMessage(patch))
	}
}

// stale makes the etag of the task, which c's If-Match gets, an old one.
func stale(first func(*world, *call)) func(*world, *call) {
	return func(w *world, c *call) {
		first(w, c)
		c.Headers = map[string]string{"If-Match": w.get(taskURL).text("@odata.etag")}
		w.must("", "PATCH", taskURL, json.RawMessage(`{"title": "newer"}`))
	}
}

func body(text string) func(*world, *call) {
	return func(_ *world, c *call) { c.Body = json.RawMessage(text) }
}

// subscribing is a subscription with another member.
func subscribing(member, value string) func(*world, *call) {
	return func(w *world, c *call) {
		made := w.newSubscription("")
		made[member] = value
		text, err := json.Marshal(made)
		if err != nil {
			w.t.Fatal(err)
		}
		c.Body = text
	}
}

func several(steps ...func(*world, *call)) func(*world, *call) {
	return func(w *world, c *call) {
		for _, step := range steps {
			step(w, c)
		}
	}
}

// wants fails the test unless the member of the world's thing has the value;
// nil means that it is not there.
func wants(url string, value any, path ...string) func(*world, reply) {
	return func(w *world, _ reply) {
		w.t.Helper()
		if got := w.get(url).member(path...); got != value {
			w.t.Errorf("GET %s: %s is %v, want %v", url, strings.Join(path, "."), got, value)
		}
	}
}

// observations are the lines of the collection that concern what is served and
// need more than what their answer shows.
func observations() []observed {
	tips := other{"the service gives tips, which nobody needs", 0, "@microsoft.graph.tips: missing"}
	due := withTask(`{"title": "x", "dueDateTime": ` + observedDue + `}`)
	daily := withTask(`{"title": "x", "dueDateTime": ` + observedDue + `, "recurrence": {"pattern": {"type": "daily", "interval": 1}, "range": {"type": "noEnd", "startDate": "2026-09-24", "recurrenceTimeZone": "Europe/London"}}}`)
	reminder := withTask(`{"title": "x", "reminderDateTime": ` + observedDue + `}`)
	completed := andThen(reminder, taskURL, `{"status": "completed"}`)
	step := withChild(stepsURL, `{"displayName": "step one", "isChecked": true}`)
	link := withChild(linksURL, `{"applicationName": "a", "webUrl": "https://example.com/1", "externalId": "e"}`)
	list := newList("x")
	at := func(text string) func(*world, *call) {
		return body(strings.ReplaceAll(text, "T!", observedDue))
	}
	invalidLink := other{"several linked resources are allowed, as the metadata says", 201, ""}
	return []observed{
		both(observed{line: 13, request: "GET lists/{list}"}, other{tips.reason + "; the default list cannot be renamed", 0, tips.found + "; displayName: Tasks for To Do List 1"}),
		both(observed{line: 14, request: "GET {list}/tasks"}, tips),
		both(observed{line: 15, request: "GET {list}/tasks"}, tips),
		both(observed{line: 16, request: "GET tasks/{task}"}, tips),
		both(observed{line: 17, request: "GET tasks/{task}"}, tips),
		both(observed{line: 18, request: "GET checklistItems/{item}"}, tips),
		{line: 19, request: "POST {list}/tasks", setup: body(`{"title": "A new task", "categories": ["Important"], "linkedResources": [{"webUrl": "http://microsoft.com", "applicationName": "Microsoft", "displayName": "Microsoft"}]}`)},
		{line: 20, request: "PATCH lists/{list}", then: wants(listURL, "Tasks", "displayName")},
		{line: 21, request: "POST {list}/tasks", friendly: invalidLink},
		{line: 22, request: "PATCH tasks/{task}", setup: several(due, body(`{"recurrence": {"pattern": {"type": "daily", "interval": 1}, "range": {"type": "noEnd", "startDate": "2020-11-02"}}}`)),
			friendly: other{"range.startDate is accepted in a PATCH", 200, ""}, strict: other{"the position counts the bytes of the body that was sent", 0, "position"}},
		{line: 24, request: "GET todo/lists", setup: func(w *world, c *call) {
			bob, err := w.server.AddUser(w.t.Context(), duly.User{UserPrincipalName: "bob@example.org"})
			if err != nil {
				w.t.Fatal(err)
			}
			c.URL = "/v1.0/users/" + bob.ID + "/todo/lists"
		}, friendly: other{"another mailbox is forbidden, whether it exists or not", 403, ""}, strict: other{"the mailbox is named by the user's id", 0, "error.innerError.message"}},
		{line: 25, request: "POST /subscriptions", setup: subscribing("resource", "/me/todo/lists/gone/tasks")},
		{line: 26, request: "POST /subscriptions", setup: subscribing("notificationUrl", receiver()+"/refuses")},
		both(observed{line: 29, request: "GET tasks/{task}", setup: withTask(`{"title": "x"}`)}, other{"the alias of the default list works everywhere", 200, ""}),
		both(observed{line: 31, request: "POST {list}/tasks"}, other{"its dateTime is none: minutes of seven digits", 400, ""}),
		{line: 32, request: "POST {task}/checklistItems", setup: func(w *world, c *call) {
			withTask(`{"title": "x"}`)(w, c)
			w.ids["etag"] = w.get(taskURL).text("@odata.etag")
		}, then: movesETag},
		{line: 33, request: "PATCH checklistItems/{item}", setup: step, friendly: other{"a PATCH keeps what it does not name", 0, "isChecked: true for false"},
			then: func(w *world, r reply) {
				if (r.member("checkedDateTime") == nil) != (r.member("isChecked") == false) {
					w.t.Errorf("checkedDateTime and isChecked do not agree: %v", r.Body)
				}
			}},
		both(observed{line: 59, request: "POST {list}/tasks", setup: func(w *world, c *call) {
			list(w, c)
			w.must("", "DELETE", listURL, nil)
		}}, other{"there is no list to hold the task", 404, ""}),
		{line: 60, request: "PATCH tasks/{task}", setup: stale(withTask(`{"title": "v1"}`)), then: wants(taskURL, "newer", "title")},
		{line: 61, request: "PATCH tasks/{task}", setup: withTask(`{"title": "v1"}`), friendly: other{"no etag is the client's mistake", 400, ""}, then: wants(taskURL, "v1", "title")},
		{line: 62, request: "PATCH tasks/{task}", setup: func(w *world, c *call) {
			withTask(`{"title": "v1"}`)(w, c)
			c.Headers = map[string]string{"If-Match": strings.TrimPrefix(w.get(taskURL).text("@odata.etag"), "W/")}
		}, then: func(w *world, r reply) {
			wants(taskURL, r.text("@odata.etag"), "@odata.etag")(w, r)
			if r.Headers["Etag"] == "" {
				w.t.Error("there is no ETag header")
			}
		}},
		{line: 63, request: "DELETE tasks/{task}", setup: stale(withTask(`{"title": "v1"}`))},
		{line: 64, request: "PATCH lists/{list}", setup: func(w *world, c *call) {
			list(w, c)
			c.Headers = map[string]string{"If-Match": w.get(listURL).text("@odata.etag")}
			w.must("", "PATCH", listURL, map[string]any{"displayName": "newer"})
		}},
		{line: 65, request: "PATCH checklistItems/{item}", setup: stale(withChild(stepsURL, `{"displayName": "s"}`)), then: wants(stepsURL+"/{item}", false, "isChecked")},
		{line: 66, request: "DELETE tasks/{task}", setup: func(w *world, c *call) {
			withTask(`{"title": "x"}`)(w, c)
			w.must("", "DELETE", taskURL, nil)
			if r := w.send(call{Method: "GET", URL: taskURL}); r.Status != 404 || r.text("error", "code") != "ErrorItemNotFound" {
				w.t.Errorf("GET of a task that is gone: %d %v", r.Status, r.Body)
			}
		}},
		{line: 68, request: "PATCH tasks/{task}", setup: func(w *world, c *call) {
			withTask(`{"title": "x"}`)(w, c)
			w.ids["etag"] = w.get(taskURL).text("@odata.etag")
		}, then: movesETag},
		{line: 69, request: "POST outlook/masterCategories", setup: func(w *world, _ *call) { w.category("my day") }},
		{line: 70, request: "PATCH masterCategories/{item}", setup: withCategory, then: wants(categoriesURL+"/{item}", "My Day", "displayName")},
		{line: 71, request: "PATCH masterCategories/{item}", setup: withCategory},
		{line: 76, request: "GET tasks/{task}", setup: func(w *world, _ *call) { w.ids["task"] = "nonexistent" }},
		{line: 77, request: "POST {list}/tasks"},
		{line: 78, request: "POST {list}/tasks"},
		{line: 79, request: "POST {list}/tasks"},
		{line: 80, request: "POST {list}/tasks"},
		{line: 81, request: "GET tasks/{task}", setup: withTask(`{"title": "x", "dueDateTime": {"dateTime": "2026-09-26T17:30:00", "timeZone": "Europe/London"}}`)},
		{line: 82, request: "PATCH tasks/{task}", setup: daily, then: func(w *world, _ reply) {
			r := w.get(tasksURL)
			for _, item := range r.member("value").([]any) {
				if task := (reply{Body: item}); task.text("id") != w.ids["task"] {
					if task.text("status") != "completed" || task.text("dueDateTime", "dateTime") != "2026-09-23T23:00:00.0000000" ||
						task.text("completedDateTime", "dateTime") != "2026-09-24T00:00:00.0000000" || task.member("recurrence") == nil {
						w.t.Errorf("the completed copy is %v", item)
					}
					return
				}
			}
			w.t.Error("there is no completed copy")
		}},
		{line: 83, request: "POST {list}/tasks"},
		{line: 85, request: "POST {task}/linkedResources", setup: link, friendly: invalidLink},
		{line: 86, request: "POST {list}/tasks", then: func(w *world, r reply) {
			if !strings.HasPrefix(r.text("createdDateTime"), "2026-09-24T12:00:00.") {
				w.t.Errorf("created %s, want the time of the server", r.text("createdDateTime"))
			}
		}},
		{line: 87, request: "POST {task}/linkedResources", setup: withTask(`{"title": "x"}`)},
		{line: 88, request: "PATCH linkedResources/{item}", setup: link, then: wants(linksURL+"/{item}", "https://example.com/1", "webUrl")},
		{line: 89, request: "PATCH linkedResources/{item}", setup: link, friendly: other{reason: "null clears the member"}, then: func(w *world, r reply) {
			kept := r.text("externalId") == "e"
			if strict := strings.HasSuffix(w.t.Name(), "strict"); kept != strict {
				w.t.Errorf("null keeps the member: %v, want %v", kept, strict)
			}
		}},
		{line: 90, request: "POST {task}/checklistItems", setup: withTask(`{"title": "x"}`)},
		{line: 91, request: "PATCH checklistItems/{item}", setup: step, then: func(w *world, r reply) {
			if !strings.Contains(r.text("error", "message"), "cannot be updated") {
				w.t.Errorf("message %q", r.text("error", "message"))
			}
		}},
		{line: 99, request: "PATCH tasks/{task}", setup: reminder},
		{line: 100, request: "PATCH tasks/{task}", setup: reminder, then: wants(taskURL, nil, "reminderDateTime")},
		{line: 101, request: "PATCH tasks/{task}", setup: reminder, then: wants(taskURL, "2026-09-23T23:00:00.0000000", "reminderDateTime", "dateTime")},
		{line: 102, request: "PATCH tasks/{task}", setup: several(reminder, at(`{"status": "completed", "reminderDateTime": T!}`))},
		{line: 103, request: "PATCH tasks/{task}", setup: completed},
		{line: 104, request: "PATCH tasks/{task}", setup: several(andThen(completed, taskURL, `{"status": "notStarted"}`), at(`{"reminderDateTime": T!}`))},
		both(observed{line: 105, request: "PATCH tasks/{task}", setup: daily, then: func(w *world, r reply) {
			if n := len(w.get(tasksURL).member("value").([]any)); n != 1 || r.text("dueDateTime", "dateTime") != "2026-09-29T23:00:00.0000000" {
				w.t.Errorf("%d tasks, due %v: the series moves in place", n, r.member("dueDateTime"))
			}
		}}, other{reason: "a new due date moves the series in place, and does not split it"}),
		{line: 107, request: "POST {list}/tasks"},
		{line: 108, request: "PATCH tasks/{task}", setup: due, friendly: other{"range.startDate is accepted in a PATCH", 200, ""}, strict: other{"the observation leaves the position out", 0, "position"}},
		{line: 109, request: "POST {list}/tasks"},
		both(observed{line: 110, request: "GET {list}/tasks", setup: tasksOf(11)}, other{"a page has 50 tasks since 2024", 0, "@odata.nextLink: missing"}),
		{line: 111, request: "GET todo/lists", setup: func(w *world, _ *call) {
			for i := range 50 {
				w.must("", "POST", listsURL, map[string]any{"displayName": fmt.Sprint("List ", i)})
			}
		}, friendly: other{"beside $skip a token keeps the place", 0, "@odata.nextLink: http://duly.test/v1.0/me/todo/lists?"}},
		both(observed{line: 112, request: "GET {list}/tasks", setup: tasksOf(4), then: func(w *world, r reply) {
			for i, item := range r.member("value").([]any) {
				if want := fmt.Sprint("Task ", 3-i); (reply{Body: item}).text("title") != want {
					w.t.Errorf("task %d of the page is %v, want %s: the newest comes first", i, item, want)
				}
			}
		}}, other{tips.reason + "; the observation quotes nothing but the order", 0, tips.found + "; value"}),
		both(observed{line: 113, request: "PATCH {list}/tasks", setup: body(`{}`)}, other{"a method that a path has not is 405, with Allow", 405, ""}),
	}
}

// unprovoked says of lines that concern what is served why they are not sent.
func unprovoked() map[int]string {
	return map[int]string{
		27: "it would take ten seconds: TestHandshakeLimits of package webhook has it",
		30: "a fault of the service's own, which no request brings about",
		72: "TestThrottleConcurrent has it; Duly says to wait for a second",
	}
}

// TestObserved replays the observations in both profiles.
func TestObserved(t *testing.T) {
	t.Parallel()
	testObserved(t)
}

func testObserved(t *testing.T) {
	types := loadModel(t)
	lines := specLines[example](t, "observed.jsonl")
	rows := map[int]observed{}
	for _, o := range slices.Concat(observations(), queryObservations(), uploadObservations()) {
		rows[o.line] = o
	}
	counts := map[string]*tally{"friendly": {}, "strict": {}}
	for i, line := range lines {
		a := parseAddress(line.Request.URL)
		reason := a.later()
		o, known := rows[i+1]
		why, skipped := unprovoked()[i+1]
		for profile, count := range counts {
			switch {
			case profile == "strict" && onPostgres(t):
				count.add("not sent: profiles make no difference to the database")
			case reason != "" && !known:
				newWorld(t, profile, duly.User{}).checkRefused(*line.Request, a, reason)
				count.add("not served yet: " + reason)
			case skipped && reason == "" && !known:
				count.add("not sent: " + why)
			case !known || reason != "":
				t.Errorf("line %d, %s %s, is not in the table, or is not served: %s", i+1, line.Request.Method, line.Request.URL, reason)
			default:
				t.Run(fmt.Sprintf("%d/%s/%s", i+1, o.request, profile), func(t *testing.T) {
					count.add(o.replay(t, types, profile, line, a))
				})
			}
		}
	}
	for _, profile := range []string{"friendly", "strict"} {
		t.Logf("%s:", profile)
		counts[profile].log(t, len(lines))
	}
}

// replay sends the request of a line and compares the answer.
func (o observed) replay(t *testing.T, types model, profile string, line example, a address) string {
	parts := strings.Split(a.template, "/")
	if got := line.Request.Method + " " + strings.Join(parts[len(parts)-2:], "/"); got != o.request {
		t.Fatalf("line %d is %s, not %s: the collection has changed", o.line, got, o.request)
	}
	w := newWorld(t, profile, duly.User{})
	c := *line.Request
	c.URL = a.url
	if o.setup != nil {
		o.setup(w, &c)
	} else if presumed, ok := line.Response.Body.(map[string]any); ok && line.Response.Status == 200 {
		w.presume(c.Method, a.template, presumed, c.Body)
	}
	r := w.send(c)
	types.checkReply(t, c.Method, a.template, r)
	if a.template == "/$batch" && r.Status == http.StatusOK {
		types.checkParts(t, c.parts(t), r)
	}
	if o.then != nil {
		o.then(w, r)
	}
	on := map[string]other{"friendly": o.friendly, "strict": o.strict}[profile]
	if on.status != 0 {
		if on.status == line.Response.Status {
			t.Errorf("status %d is the one that was observed", on.status)
		}
		if r.Status != on.status {
			t.Errorf("status %d, want %d (%s): %v", r.Status, on.status, on.reason, r.Body)
		}
		return "replayed, differs on purpose: " + on.reason
	}
	if r.Status != line.Response.Status {
		t.Errorf("status %d, want %d: %v", r.Status, line.Response.Status, r.Body)
	}
	var found []string
	if line.Response.Body != nil {
		found = differences("", line.Response.Body, r.Body)
	}
	for name := range line.Response.Headers {
		if r.Headers[http.CanonicalHeaderKey(name)] == "" {
			found = append(found, "header "+name+": missing")
		}
	}
	return on.compare(t, found)
}

// compare compares the differences that were found with those that are expected.
func (on other) compare(t *testing.T, found []string) string {
	t.Helper()
	if on.found == "" {
		if len(found) > 0 {
			t.Errorf("differences: %q", found)
		}
		if on.reason != "" {
			return "replayed, answered as observed with another effect: " + on.reason
		}
		return "replayed: as observed"
	}
	for expected := range strings.SplitSeq(on.found, "; ") {
		n := slices.IndexFunc(found, func(f string) bool { return strings.Contains(f, expected) })
		if n < 0 {
			t.Errorf("the difference %q is no more (%s): %q", expected, on.reason, found)
			continue
		}
		found = slices.Delete(found, n, n+1)
	}
	if len(found) > 0 {
		t.Errorf("further differences: %q", found)
	}
	return "replayed, differs on purpose: " + on.reason
}

// movesETag fails the test unless the task has another etag than before, the
// one that was answered, and a later lastModifiedDateTime than its creation.
func movesETag(w *world, r reply) {
	w.t.Helper()
	task := w.get(taskURL)
	tag, modified := task.text("@odata.etag"), task.text("lastModifiedDateTime")
	if tag == w.ids["etag"] || r.Headers["Etag"] != tag || modified <= task.text("createdDateTime") {
		w.t.Errorf("answered ETag %q; the task has %q, before that %q, and was modified at %s", r.Headers["Etag"], tag, w.ids["etag"], modified)
	}
}

func tasksOf(n int) func(*world, *call) {
	return func(w *world, _ *call) {
		for i := range n {
			w.must("", "POST", tasksURL, map[string]any{"title": fmt.Sprint("Task ", i)})
		}
	}
}
