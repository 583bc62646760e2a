package graph_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"
)

// The observations of query options, delta and batches.

const deltaURL = tasksURL + "/delta"

// nextRound makes the request the round of delta that follows what first does.
func nextRound(first func(*world, *call), change func(*world, *call)) func(*world, *call) {
	return func(w *world, c *call) {
		first(w, c)
		path, _, _ := strings.Cut(c.URL, "?")
		url := w.get(path + "?$deltatoken=latest").text("@odata.deltaLink")
		change(w, c)
		c.URL = url
	}
}

func deletes(url string) func(*world, *call) {
	return func(w *world, _ *call) { w.must("", "DELETE", url, nil) }
}

// outlives makes changes until the log of them has none that is older than it
// is kept.
func outlives(w *world, _ *call) {
	w.must("list", "POST", listsURL, map[string]any{"displayName": "x"})
	w.wait(200 * 24 * time.Hour)
	for i := range 256 { // after so many the log is looked at
		w.must("", "PATCH", listURL, map[string]any{"displayName": fmt.Sprint("List ", i)})
	}
}

// batchOf makes the request a batch.
func batchOf(parts ...string) func(*world, *call) {
	return func(w *world, c *call) {
		w.must("task", "POST", tasksURL, map[string]any{"title": "x"})
		requests := make([]string, len(parts))
		for i, p := range parts {
			requests[i] = fmt.Sprintf(`{"id": "%d", "url": "/me/todo/lists/%s/tasks/%s", %s}`, i+1, w.ids["list"], w.ids["task"], p)
		}
		c.Body = json.RawMessage(`{"requests": [` + strings.Join(requests, ", ") + `]}`)
	}
}

// shows fails the test unless the first item of the answer, or the answer, has
// exactly these members beside control information.
func shows(names ...string) func(*world, reply) {
	return func(w *world, r reply) {
		w.t.Helper()
		if items, ok := r.member("value").([]any); ok && len(items) > 0 {
			r = reply{Status: r.Status, Body: items[0]}
		}
		object, _ := r.Body.(map[string]any)
		got := slices.DeleteFunc(slices.Sorted(maps.Keys(object)), func(s string) bool { return strings.Contains(s, "@") })
		if r.Status == http.StatusOK && !slices.Equal(got, names) {
			w.t.Errorf("the answer has %q, want %q", got, names)
		}
	}
}

// queryObservations are those of query options, delta and batches.
func queryObservations() []observed {
	task := withTask(`{"title": "x", "categories": ["x"], "extensions": [{"extensionName": "com.example.x", "a": 1}]}`)
	done := withTask(`{"title": "Test with description", "status": "completed", "body": {"content": "Hello world\r\n", "contentType": "text"}, "completedDateTime": {"dateTime": "2024-12-28T00:00:00", "timeZone": "Central Standard Time"}}`)
	early := other{"before 2024 the context had the short name of the type, and every item its own", 0, "@odata.context; value[].@odata.type"}
	outer := other{"the code is the one of the documentation, which clients compare", 0, "error.code: syncStateNotFound for SyncStateNotFound"}
	selects := offered("$select works, as the documentation says")
	out := []observed{
		{line: 8, request: "GET tasks/delta"},
		{line: 10, request: "GET tasks/delta", setup: several(done, done, paged("1"))},
		both(observed{line: 12, request: "GET lists/delta", setup: several(newList("ToDo List 2"), newList("ToDo List 3"), paged("2"))},
			other{"the default list cannot be renamed, and none is shared", 0, "value[].displayName: Tasks for ToDo List 1; value[].isShared: false for true"}),
		{line: 23, request: "GET {list}/tasks"},
		{line: 34, request: "GET tasks/{task}", setup: task},
		{line: 37, request: "GET lists/{list}", setup: func(w *world, _ *call) {
			w.must("", "POST", listURL+"/extensions", json.RawMessage(`{"extensionName": "com.example.x", "folder": "F", "order": 3}`))
		}},
		{line: 38, request: "GET tasks/{task}", setup: task, friendly: other{reason: "an unfiltered $expand gives all extensions"}, then: func(w *world, r reply) {
			x, _ := r.member("extensions").([]any)
			if shown := len(x) == 1; shown != strings.HasSuffix(w.t.Name(), "friendly") {
				w.t.Errorf("extensions are %v", r.member("extensions"))
			}
		}},
		{line: 43, request: "GET tasks/delta", setup: task, friendly: offered("what $expand takes elsewhere it takes on delta")},
		{line: 44, request: "GET {list}/tasks", setup: task, friendly: selects, then: shows("id", "status", "title")},
		{line: 45, request: "GET tasks/{task}", setup: task, friendly: selects, then: shows("id", "status", "title")},
		{line: 46, request: "GET tasks/delta", setup: task, friendly: selects, then: shows("id", "title")},
		{line: 47, request: "GET lists/{list}", friendly: selects, then: shows("displayName", "id")},
		{line: 48, request: "GET {list}/tasks", setup: task, friendly: other{reason: "$count works"}, then: func(w *world, r reply) {
			want := map[bool]any{true: nil, false: 1.0}[strings.HasSuffix(w.t.Name(), "strict")]
			if got := r.member("@odata.count"); got != want {
				w.t.Errorf("@odata.count is %v, want %v", got, want)
			}
		}},
		{line: 49, request: "GET tasks/delta", setup: task, friendly: offered("$filter works on delta")},
		{line: 50, request: "GET tasks/delta", setup: tasksOf(2), friendly: offered("$top is the size of a page of delta")},
		{line: 51, request: "GET {list}/tasks", setup: several(task, tasksOf(1)), then: onlyTask("x")},
		{line: 52, request: "GET {list}/tasks", setup: func(w *world, c *call) {
			tasksOf(1)(w, c)
			w.wait(3 * time.Hour)
			task(w, c)
		}, then: onlyTask("x")},
		{line: 53, request: "GET {list}/tasks", setup: several(withTask(`{"title": "1"}`), withTask(`{"title": "2"}`)),
			friendly: other{"beside $skip a token keeps the place", 0, "@odata.nextLink: http://duly.test/v1.0/me/todo/lists/"}},
		{line: 54, request: "GET tasks/delta", then: startsAgain, friendly: other{"a client that reads no other code starts again", 410, ""}},
		both(observed{line: 55, request: "GET tasks/delta", setup: func(w *world, c *call) {
			c.URL = deltaURL + "?" + strings.SplitN(w.get(listsURL+"/delta").text("@odata.deltaLink"), "?", 2)[1]
		}, then: startsAgain}, outer),
		both(observed{line: 56, request: "GET lists/delta", setup: nextRound(body(""), outlives), then: startsAgain}, outer),
		{line: 57, request: "GET lists/delta", setup: nextRound(newList("x"), deletes(listURL))},
		{line: 58, request: "GET tasks/delta", setup: nextRound(several(newList("x"), task), deletes(listURL)), then: func(w *world, r reply) {
			if r.text("@odata.deltaLink") == "" {
				w.t.Error("there is no new deltaLink")
			}
		}},
		{line: 67, request: "GET tasks/delta", setup: nextRound(task, deletes(taskURL))},
		{line: 84, request: "GET {list}/tasks", setup: several(task, tasksOf(1)), friendly: offered("extensions can be filtered by"), then: func(w *world, r reply) {
			if r.Status == http.StatusOK {
				onlyTask("x")(w, r)
			}
		}},
	}
	out = append(out, batchObservations()...)
	out = append(out, extensionObservations()...)
	for _, line := range []int{1, 2, 3, 4, 5, 6, 7, 9, 11} {
		out = append(out, both(observed{line: line, request: "GET tasks/delta"}, early))
	}
	return out
}

// extensionObservations are those of the routes of extensions.
func extensionObservations() []observed {
	extended := func(w *world, c *call) {
		withTask(`{"title": "x", "extensions": [{"extensionName": "com.example.x", "myDay": "2026-09-24", "gone": 1}]}`)(w, c)
		w.ids["item"] = "com.example.x"
	}
	alone := func(names ...string) func(*world, reply) {
		return func(w *world, _ reply) { shows(names...)(w, w.get(taskURL+"/extensions/com.example.x")) }
	}
	return []observed{
		{line: 35, request: "POST {task}/extensions", setup: withTask(`{"title": "x"}`), then: alone("extensionName", "id", "myDay")},
		both(observed{line: 36, request: "POST {list}/extensions", then: func(w *world, _ reply) {
			shows("extensionName", "folder", "id", "order")(w, w.get(listURL+"/extensions/com.example.x"))
		}}, other{"the extension is in the answer, as in that for a task", 0, ""}),
		{line: 39, request: "GET {task}/extensions", setup: extended, friendly: offered("the collection can be read")},
		{line: 40, request: "PATCH extensions/{item}", setup: extended, then: alone("extensionName", "id", "myDay")},
		{line: 41, request: "POST {task}/extensions", setup: extended, then: alone("extensionName", "id", "x")},
		{line: 42, request: "DELETE extensions/{item}", setup: several(extended, func(w *world, _ *call) { w.ids["item"] = "com.example.none" }), then: alone("extensionName", "gone", "id", "myDay")},
		{line: 106, request: "PATCH extensions/{item}", setup: extended, friendly: offered("an array needs no type"),
			strict: other{"the observation does not show what the value holds", 0, "error.message"}},
	}
}

// offered is an answer instead of a refusal.
func offered(reason string) other { return other{reason, 200, ""} }

// batchObservations are those of batches.
func batchObservations() []observed {
	return []observed{
		{line: 73, request: "POST /$batch", setup: batchOf(slices.Repeat([]string{`"method": "GET"`}, 21)...)},
		{line: 74, request: "POST /$batch", setup: batchOf(`"method": "GET"`, `"method": "GET", "dependsOn": ["1"]`, `"method": "GET", "dependsOn": ["2"]`, `"method": "GET"`),
			friendly: other{"any order of parts that makes sense is taken", 200, ""}},
		{line: 75, request: "POST /$batch", setup: batchOf(`"method": "PATCH", "headers": {"If-Match": "W/x"}, "body": {"title": "y"}`, `"method": "GET", "dependsOn": ["1"]`),
			friendly: other{"a part fails with a 400, since no 500 can be brought about", 0, "responses[].status: 400 for 500"}},
	}
}

// startsAgain fails the test unless a 410 says where to begin again.
func startsAgain(w *world, r reply) {
	w.t.Helper()
	if at := r.Headers["Location"]; r.Status == http.StatusGone && (!strings.HasPrefix(at, "http://duly.test/v1.0/me/todo/lists/") || !strings.HasSuffix(at, "/delta")) {
		w.t.Errorf("Location %q", at)
	}
}

func newList(name string) func(*world, *call) {
	return func(w *world, _ *call) { w.must("list", "POST", listsURL, map[string]any{"displayName": name}) }
}

// paged asks for pages of a size.
func paged(size string) func(*world, *call) {
	return func(_ *world, c *call) { c.Headers = map[string]string{"Prefer": "odata.maxpagesize=" + size} }
}

// onlyTask fails the test unless there is one task in the answer, of this title.
func onlyTask(title string) func(*world, reply) {
	return func(w *world, r reply) {
		w.t.Helper()
		items, _ := r.member("value").([]any)
		if len(items) != 1 || (reply{Body: items[0]}).text("title") != title {
			w.t.Errorf("the answer has %v, want the task %s", items, title)
		}
	}
}
