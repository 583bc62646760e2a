package graph_test

import (
	"cmp"
	"fmt"
	"io"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/duly-todo/duly"
	"github.com/duly-todo/duly/internal/graph"
)

// A refusedRoute is one of Graph's that is refused on purpose. Its path is that
// of a user; the one below /me is refused as well.
type refusedRoute struct {
	method, path string
	status       int
	reason       string
}

func refusedRoutes() []refusedRoute {
	const contained = "the route is there because todo is contained in the user; nobody's tasks are changed or deleted as a whole by it"
	return []refusedRoute{
		{"PATCH", "/users/{user-id}/todo", 405, contained},
		{"DELETE", "/users/{user-id}/todo", 405, contained},
	}
}

// A made is an entity that stands for a parameter of a path: the collection that
// it is posted to, and the body of that. # is another number each time.
type made struct {
	parameter, url, body string
}

// entities are what paths name, each after what it is in.
func entities() []made {
	return []made{
		{"todoTaskList-id", "/v1.0/me/todo/lists", `{"displayName": "List #"}`},
		{"todoTask-id", "/v1.0/me/todo/lists/{todoTaskList-id}/tasks", `{"title": "Task #"}`},
		{"checklistItem-id", "/v1.0/me/todo/lists/{todoTaskList-id}/tasks/{todoTask-id}/checklistItems", `{"displayName": "Step #"}`},
		{"linkedResource-id", "/v1.0/me/todo/lists/{todoTaskList-id}/tasks/{todoTask-id}/linkedResources", `{"applicationName": "App #"}`},
		{"outlookCategory-id", "/v1.0/me/outlook/masterCategories", `{"displayName": "Category #", "color": "preset2"}`},
		{"extension-id", "/v1.0/me/todo/lists/{todoTaskList-id}/extensions", `{"extensionName": "com.example.walk"}`},
		{"extension-id", "/v1.0/me/todo/lists/{todoTaskList-id}/tasks/{todoTask-id}/extensions", `{"extensionName": "com.example.walk"}`},
		{"attachmentBase-id", "/v1.0/me/todo/lists/{todoTaskList-id}/tasks/{todoTask-id}/attachments", `{"name": "File #", "contentBytes": "c21pbGU="}`},
		{"attachmentSession-id", "/v1.0/me/todo/lists/{todoTaskList-id}/tasks/{todoTask-id}/attachments/createUploadSession", `{"attachmentInfo": {"attachmentType": "file", "name": "File #", "size": 0}}`},
		{"subscription-id", "/v1.0/subscriptions", `{"changeType": "updated", "resource": "/me/todo/lists/Tasks/tasks", "expirationDateTime": "2026-09-26T12:00:00Z", "notificationUrl": "` + receiver() + `/notify"}`},
	}
}

// A walker sends requests of routes to one server.
type walker struct {
	*world
	number int
}

// send sends a request, whose answer may be of any type.
func (w *walker) send(method, url, body string) *httptest.ResponseRecorder {
	w.number++
	r := httptest.NewRequestWithContext(w.t.Context(), method, url, strings.NewReader(strings.ReplaceAll(body, "#", fmt.Sprint(w.number))))
	r.Header.Set("Authorization", "Bearer "+w.bearer())
	rec := httptest.NewRecorder()
	w.server.ServeHTTP(rec, r)
	return rec
}

var routeParameter = regexp.MustCompile(`\{[^}]*\}`)

// fill puts entities that are there, made now, for the parameters of a path.
func (w *walker) fill(path string) string {
	w.t.Helper()
	ids := map[string]string{"{user-id}": w.user.ID, "{TimeZoneStandard}": "Iana"}
	put := func(s string) string {
		return routeParameter.ReplaceAllStringFunc(s, func(parameter string) string {
			if ids[parameter] == "" {
				w.t.Fatalf("%s: there is no entity for %s", s, parameter)
			}
			return ids[parameter]
		})
	}
	for _, e := range entities() {
		lacks := func(parameter string) bool { return !strings.Contains(path, parameter) }
		if !slices.ContainsFunc(append(routeParameter.FindAllString(e.url, -1), "{"+e.parameter+"}"), lacks) {
			rec := w.send("POST", put(e.url), e.body)
			answer := w.read(rec)
			at := answer.text("uploadUrl")
			if ids["{"+e.parameter+"}"] = cmp.Or(answer.text("id"), at[strings.LastIndexByte(at, '/')+1:]); rec.Code != 201 {
				w.t.Fatalf("POST %s: %d %s", e.url, rec.Code, rec.Body)
			}
		}
	}
	return put(path)
}

// bodyOf is one that a POST or PATCH of the route takes: that of its entity.
func bodyOf(method, path string) string {
	if method != "POST" && method != "PATCH" {
		return ""
	}
	for _, e := range entities() {
		collection := e.url[strings.LastIndexByte(e.url, '/'):]
		if strings.HasSuffix(path, collection) || strings.HasSuffix(path, "{"+e.parameter+"}") {
			return e.body
		}
	}
	return "{}"
}

// servedRoutes are the routes of the table, with "{}" for their parameters.
func servedRoutes() map[string]bool {
	out := map[string]bool{}
	for _, r := range graph.Routes() {
		out[r.Method+" "+routeParameter.ReplaceAllString(r.Path, "{}")] = true
	}
	return out
}

// TestRouteWalk sends a request to every route that Graph has for To Do, on the
// version that has it, with entities that are there and a token that may do all.
func TestRouteWalk(t *testing.T) {
	t.Parallel()
	rows := strings.Split(strings.TrimSpace(string(specFile(t, "routes.csv"))), "\n")[1:]
	served := servedRoutes()
	w := &walker{world: newWorld(t, "", duly.User{})}
	w.scopes = strings.Join(delegatedScopes(), " ")
	var counts tally
	met := map[refusedRoute]bool{}
	for _, row := range rows {
		cells := strings.Split(row, ",")
		method, path, version := cells[0], cells[1], cells[2]
		ofUser := path
		if rest, ok := strings.CutPrefix(path, "/me/"); ok {
			ofUser = "/users/{user-id}/" + rest
		}
		inTable := served[method+" "+routeParameter.ReplaceAllString(strings.TrimSuffix(ofUser, "()"), "{}")]
		rec := w.send(method, "/"+version+w.fill(path), bodyOf(method, path))
		body, err := io.ReadAll(rec.Body)
		if err != nil {
			t.Fatal(err)
		}
		if i := slices.IndexFunc(refusedRoutes(), func(f refusedRoute) bool { return f.method == method && f.path == ofUser }); i >= 0 {
			f := refusedRoutes()[i]
			met[f] = true
			if counts.add("refused on purpose"); rec.Code != f.status || inTable {
				t.Errorf("%s %s on %s: %d %s, want %d: %s", method, path, version, rec.Code, body, f.status, f.reason)
			}
			continue
		}
		counts.add("served")
		if !inTable {
			t.Errorf("%s %s is not in the table of routes", method, path)
		}
		if rec.Code/100 != 2 {
			t.Errorf("%s %s on %s: %d %s", method, path, version, rec.Code, body)
		}
	}
	for _, f := range refusedRoutes() {
		if !met[f] {
			t.Errorf("%s %s is no route of Graph", f.method, f.path)
		}
	}
	counts.log(t, len(rows))
}
