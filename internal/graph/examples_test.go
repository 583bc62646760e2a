package graph_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/duly-todo/duly"
)

// An expectedDifference is a place where an example of Microsoft's documentation
// and the server do not agree, in every example of the request.
type expectedDifference struct {
	request    string // method and path of the route table
	difference string // as differences writes it
	reason     string
}

// Reasons of expected differences.
const (
	staleContext   = "the example's @odata.context is of an early version of the API; the service sends the whole path"
	typeOfItems    = "the example shows @odata.type, which the service leaves out where it is the declared type"
	wrapped        = "the example wraps one entity in value; the service sends it bare"
	lowByDefault   = "examples of 2020 show importance low for a task that was created without one; the default is normal"
	otherMonth     = "the example's answer shows another month than its request"
	otherAddress   = "the example's answer shows another webUrl than its request"
	withoutFirst   = "the example leaves the default list out"
	skipForDelta   = "the example's deltaLink has a $skiptoken, which is that of a nextLink"
	unkeptMembers  = "the directory keeps no such property, and $select leaves it out"
	plainlyIgnored = "a name that the type does not have is ignored in $select, whatever the resource"
	otherCode      = "the example is of 2017; all faults of a query have one code, and a navigation that is not there is named as such"
	otherRoutes    = "the part asks for what is not To Do"
	otherFilter    = "the directory keeps no city to filter by"
	someOfThem     = "the example shows some of them"
	sameIDs        = "ids never change: one is the same in every format; and the example cuts them"
	noContentType  = "the example shows a member that tells of rich notifications, which there are none of for To Do"
	noEncryption   = "the example shows the empty text for what the service sends as null"
	nameOfDefault  = "the example gives the default list another name; it cannot be renamed"
)

func exampleDifferences() []expectedDifference {
	out := []expectedDifference{
		{"GET /users/{user}/todo/lists", "value[].@odata.type: missing", typeOfItems},
		{"POST /users/{user}/todo/lists", "@odata.type: missing", typeOfItems},
		{"GET /users/{user}/todo/lists/{list}", "@odata.type: missing", typeOfItems},
		{"GET /users/{user}/todo/lists/{list}", "displayName: Tasks for Monthly tasks", nameOfDefault},
		{"PATCH /users/{user}/todo/lists/{list}", "@odata.type: missing", typeOfItems},
		{"POST /users/{user}/todo/lists/{list}/tasks", "importance: normal for low", lowByDefault},
		{"PATCH /users/{user}/todo/lists/{list}/tasks/{task}", "dueDateTime.dateTime: 2020-07-25T04:00:00.0000000 for 2020-08-25T04:00:00.0000000", otherMonth},
		{"GET /users/{user}/todo/lists/{list}/tasks/{task}/linkedResources", "value[].@odata.type: missing", typeOfItems},
		{"POST /users/{user}/todo/lists/{list}/tasks/{task}/linkedResources", "@odata.type: missing", typeOfItems},
		{"POST /users/{user}/todo/lists/{list}/tasks/{task}/linkedResources", "webUrl: https://microsoft.com for http:://microsoft.com", otherAddress},
		{"GET /users/{user}/todo/lists/{list}/tasks/{task}/linkedResources/{item}", "value: around one entity", wrapped},
		{"GET /users/{user}/todo/lists/{list}/tasks/{task}/linkedResources/{item}", "@odata.type: missing", typeOfItems},
		{"PATCH /users/{user}/todo/lists/{list}/tasks/{task}/linkedResources/{item}", "@odata.type: missing", typeOfItems},
	}
	for member, example := range map[string]string{"sourceId": "AQMkAGM2...", "targetId": "AAkALgAA..."} {
		out = append(out, expectedDifference{"POST /users/{user}/translateExchangeIds", "value[]." + member + ": AQMkAGM2… for " + example, sameIDs})
	}
	for path, found := range map[string]string{
		"supportedTimeZones": "141 items for 4", "supportedTimeZones(TimeZoneStandard=microsoft.graph.timeZoneStandard'Iana')": "597 items for 4", "supportedLanguages": "152 items for 3",
	} {
		out = append(out, expectedDifference{"GET /users/{user}/outlook/" + path, "value: " + found, someOfThem})
	}
	out = append(out, slices.Concat(queryDifferences(), uploadDifferences())...)
	for _, request := range []string{"GET /subscriptions/{subscription}", "GET /subscriptions", "POST /subscriptions", "PATCH /subscriptions/{subscription}"} {
		at := map[bool]string{true: "value[]."}[request == "GET /subscriptions"]
		out = append(out, expectedDifference{request, at + "notificationContentType: missing", noContentType})
		if !strings.HasPrefix(request, "POST") {
			out = append(out, expectedDifference{request, at + "encryptionCertificate: <nil> for ", noEncryption},
				expectedDifference{request, at + "encryptionCertificateId: <nil> for ", noEncryption})
		}
	}
	for _, method := range []string{"GET", "PATCH"} {
		out = append(out, expectedDifference{
			method + " /users/{user}/todo/lists/{list}/tasks/{task}",
			"@odata.context: http://duly.test/v1.0/$metadata#users('{user}')/todo/lists('{list}')/tasks/$entity for https://graph.microsoft.com/beta/$metadata#tasks/$entity",
			staleContext,
		})
	}
	return out
}

// queryDifferences are those of query options, delta and batches.
func queryDifferences() []expectedDifference {
	const ours, theirs = "@odata.context: http://duly.test/v1.0/$metadata#users(", " for https://graph.microsoft.com/v1.0/$metadata#users("
	user := "GET /users/{user}?$select="
	several, security, schema := "displayName,givenName,postalCode,identities", "customSecurityAttributes", "ext55gb1l09_msLearnCourses"
	return []expectedDifference{
		{"GET /users/{user}/todo/lists/delta", "value: 2 items for 1", withoutFirst},
		{"GET /users/{user}/todo/lists/delta", "@odata.deltaLink: http://duly.test/v1.0/me/todo/lists/delta?$deltatoken=* for https://graph.microsoft.com/v1.0/me/todo/lists/delta?$skiptoken=*", skipForDelta},
		{user + several, ours + "displayName,givenName)/$entity" + theirs + several + ")/$entity", unkeptMembers},
		{user + several, "postalCode: missing", unkeptMembers},
		{user + several, "identities: missing", unkeptMembers},
		{user + security, ours + "id)/$entity" + theirs + security + ")/$entity", unkeptMembers},
		{user + security, security + ": missing", unkeptMembers},
		{user + schema, ours + "id)/$entity" + theirs + schema + ")/$entity", unkeptMembers},
		{user + schema, schema + ": missing", unkeptMembers},
		{"GET /users?$select=skills", "status: 200 for 501", plainlyIgnored},
		{"GET /users/{user}?$expand=photo", "error.code: BadRequest for ExpandNotSupported", otherCode},
		{"GET /users/{user}?$expand=photo", "error.message: Parsing OData Select and Expand failed: Could not find a property named 'photo' on type 'microsoft.graph.user'. for Expand is not allowed for property 'Photo' according to the entity schema.", otherCode},
		{"POST /$batch", "part 1 status: 400 for 200", otherRoutes},
		{"POST /$batch", "part 2 status: 400 for 403", otherRoutes},
		{"POST /$batch", "part 3 status: 400 for 403", otherRoutes},
		{"POST /$batch", "part 4 status: 400 for 405", otherRoutes},
		{"POST /$batch", "part 5 status: 400 for 200", otherFilter},
	}
}

type example struct {
	Request  *call
	Response *reply
	Note     string
}

// TestExamples replays the examples of the documentation that concern what is
// served: the same status, the same members, the same types, and the same values
// where the server does not make them up.
func TestExamples(t *testing.T) {
	t.Parallel()
	testExamples(t)
}

func testExamples(t *testing.T) {
	types := loadModel(t)
	examples := specLines[example](t, "examples.jsonl")
	var counts tally
	used := map[expectedDifference]bool{}
	refused := newWorld(t, "", duly.User{})
	for i, x := range examples {
		if x.Request == nil {
			counts.add("not replayed: an answer without its request")
			continue
		}
		a := parseAddress(x.Request.URL)
		if reason := a.later(); reason != "" {
			counts.add("not served yet: " + reason)
			refused.checkRefused(*x.Request, a, reason)
			continue
		}
		if x.Response == nil {
			counts.add("not replayed: a request without its answer")
			continue
		}
		t.Run(fmt.Sprintf("%d %s %s", i+1, x.Request.Method, a.template), func(t *testing.T) {
			got := replayExample(t, x, a)
			types.checkReply(t, x.Request.Method, a.template, got)
			if a.template == "/$batch" {
				types.checkParts(t, x.Request.parts(t), got)
			}
			counts.add(explain(t, a.request(x.Request.Method), x.Response.differences(got), used))
		})
	}
	for _, d := range exampleDifferences() {
		if !used[d] {
			t.Errorf("%s: the expected difference %q is not met", d.request, d.difference)
		}
	}
	counts.log(t, len(examples))
}

// differences says where an answer is not the one of the example.
func (r reply) differences(got reply) []string {
	if r.Status != got.Status {
		return []string{fmt.Sprintf("status: %d for %d", got.Status, r.Status)}
	}
	if inner, ok := r.member("value").(map[string]any); ok {
		return append([]string{"value: around one entity"}, differences("", inner, got.Body)...)
	}
	if r.member("responses") != nil { // whose order is free
		var found []string
		answers := got.parts()
		for id, part := range r.parts() {
			for _, difference := range part.differences(answers[id]) {
				found = append(found, "part "+id+" "+difference)
			}
		}
		slices.Sort(found)
		return found
	}
	if r.Body == nil && got.Body == nil {
		return nil
	}
	return differences("", r.Body, got.Body)
}

// explain compares the differences that were found with those that are expected
// of the request, and says what became of the example.
func explain(t *testing.T, request string, found []string, used map[expectedDifference]bool) string {
	t.Helper()
	var reasons []string
	for _, d := range exampleDifferences() {
		if d.request != request {
			continue
		}
		i := slices.IndexFunc(found, func(f string) bool { return plainIDs(f) == plainIDs(d.difference) })
		if i < 0 {
			t.Errorf("the expected difference %q is no more (%s)", d.difference, d.reason)
			continue
		}
		used[d] = true
		found = slices.Delete(found, i, i+1)
		if !slices.Contains(reasons, d.reason) {
			reasons = append(reasons, d.reason)
		}
	}
	for _, f := range found {
		t.Errorf("difference: %s", f)
	}
	switch {
	case len(found) > 0:
		return "replayed: DIFFERENT"
	case len(reasons) > 0:
		return "replayed, differs as expected: " + strings.Join(reasons, "; and ")
	}
	return "replayed: identical"
}

// plainIDs takes ids, tokens and the version out of a difference of addresses.
func plainIDs(s string) string {
	before, after, ok := strings.Cut(s, " for https://")
	if !ok {
		return s
	}
	plain := tokenPart.ReplaceAllString(keyPart.ReplaceAllString(before, "(*)"), "token=*") + tokenPart.ReplaceAllString(after, "token=*")
	return strings.ReplaceAll(plain, "/beta/", "/v1.0/")
}

// replayExample makes what the example presumes, and sends its request.
func replayExample(t *testing.T, x example, a address) reply {
	t.Helper()
	var user duly.User
	if x.Response.text("userPrincipalName") != "" {
		user = duly.User{UserPrincipalName: x.Response.text("userPrincipalName"), Mail: x.Response.text("mail"), DisplayName: x.Response.text("displayName")}
	}
	w := newWorld(t, "", user)
	presumed, _ := x.Response.Body.(map[string]any)
	if inner, ok := presumed["value"].(map[string]any); ok {
		presumed = inner
	}
	c := *x.Request
	c.URL = a.url
	if a.option("$deltatoken") != "" { // of a round before what is presumed
		path, _, _ := strings.Cut(a.url, "?")
		c.URL = w.get(path + "?$deltatoken=latest").text("@odata.deltaLink")
	}
	if strings.HasPrefix(a.template, "/subscriptions") {
		c.Body = w.hookedBody(c.Body)
		x.Response.Body = w.hooked(x.Response.Body)
	}
	if strings.Contains(a.template, "/attachmentSessions/") {
		w.presumeUpload(&c)
	} else {
		w.presume(x.Request.Method, a.template, presumed, x.Request.Body)
	}
	return w.send(c)
}

// presume makes the things that an answer shows, as they were before the
// request: without what the request writes.
func (w *world) presume(method, template string, body map[string]any, request json.RawMessage) {
	w.t.Helper()
	before := map[string]any{}
	for name, value := range body {
		before[name] = value
	}
	var written map[string]any
	if len(request) > 0 && json.Unmarshal(request, &written) == nil {
		for name := range written {
			delete(before, name)
		}
	}
	items, _ := body["value"].([]any)
	name, collection := bodyType(method, template)
	switch {
	case name == "user":
		w.must("", "PATCH", "/v1.0/me", before)
	case name == "todoTaskList" && collection:
		for _, item := range items {
			if list := item.(map[string]any); list["wellknownListName"] == "none" {
				w.must("list", "POST", listsURL, list)
			}
		}
	case name == "todoTaskList" && method != "POST" && body["wellknownListName"] != "defaultList":
		w.must("list", "POST", listsURL, named(before))
	case name == "todoTask" && collection:
		for _, item := range slices.Backward(items) { // the newest comes first
			w.must("task", "POST", tasksURL, asSent(item.(map[string]any)))
		}
	case name == "todoTask" && method != "POST":
		w.must("task", "POST", tasksURL, titled(asSent(before)))
	case name == "outlookCategory" && !collection && method != "POST":
		w.ids["item"] = w.category(body["displayName"])
	case name == "taskFileAttachment" || name == "uploadSession":
		w.must("task", "POST", tasksURL, map[string]any{"title": "The task of the example"})
		for _, item := range items {
			file := reply{Body: item}
			size, _ := file.member("size").(float64)
			w.newFile(file.text("name"), file.text("contentType"), int(size))
		}
		if body["contentBytes"] != nil {
			w.must("attachment", "POST", filesURL, before)
		} else if method == "DELETE" {
			w.newFile("f", "", 5)
		}
	case name == "subscription" && method != "POST":
		made := w.newSubscription("")
		if collection {
			before = items[0].(map[string]any)
			delete(made, "clientState")
		}
		for _, member := range []string{"changeType", "clientState"} {
			if before[member] != nil {
				made[member] = before[member]
			}
		}
		w.must("subscription", "POST", "/v1.0/subscriptions", made)
	case name == "checklistItem" || name == "linkedResource":
		w.must("task", "POST", tasksURL, map[string]any{"title": "The task of the example"})
		url := map[string]string{"checklistItem": stepsURL, "linkedResource": linksURL}[name]
		if collection {
			for _, item := range items {
				w.must("item", "POST", url, item)
			}
		} else if method != "POST" {
			w.must("item", "POST", url, named(before))
		}
	}
}

// category is the id of the master category of a name, which is made where there
// is none; without a name of the first.
func (w *world) category(name any) string {
	w.t.Helper()
	for _, item := range w.get(categoriesURL).member("value").([]any) {
		if c := (reply{Body: item}); name == nil || name == c.text("displayName") {
			return c.text("id")
		}
	}
	return w.must("", "POST", categoriesURL, map[string]any{"displayName": name}).text("id")
}

// named gives what has no name one: an example of a PATCH shows the new one.
func named(body map[string]any) map[string]any {
	for _, name := range []string{"displayName", "applicationName"} {
		if body[name] == nil {
			body[name] = "Before"
		}
	}
	return body
}

func titled(body map[string]any) map[string]any {
	if body["title"] == nil {
		body["title"] = "Before"
	}
	return body
}

// asSent is the body that creates a task as an answer shows it: without what
// the server makes, and with a day that is another zone's in that zone.
func asSent(body map[string]any) map[string]any {
	out := map[string]any{}
	for name, value := range body {
		at, _ := value.(map[string]any)
		switch text, _ := at["dateTime"].(string); {
		case strings.Contains(name, "@odata."), name == "id":
		case strings.HasSuffix(name, "DateTime") && strings.Contains(text, "T04:00:00"):
			out[name] = map[string]any{"dateTime": text + "Z", "timeZone": "Eastern Standard Time"}
		case strings.HasSuffix(name, "DateTime") && (strings.Contains(text, "T05:00:00") || strings.Contains(text, "T06:00:00")):
			out[name] = map[string]any{"dateTime": text + "Z", "timeZone": "Central Standard Time"}
		default:
			out[name] = value
		}
	}
	return out
}
