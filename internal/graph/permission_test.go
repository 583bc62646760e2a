package graph_test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/go-jose/go-jose/v4"
	"github.com/google/go-cmp/cmp"

	"github.com/duly-todo/duly"
	"github.com/duly-todo/duly/internal/graph"
)

// The whole route table against all kinds of tokens, and all mailboxes.

// delegatedScopes are the permissions that a user can give.
func delegatedScopes() []string {
	return []string{
		"Tasks.Read", "Tasks.ReadWrite", "Tasks.Read.Shared", "Tasks.ReadWrite.Shared",
		"User.Read", "User.ReadWrite", "User.ReadBasic.All", "User.Read.All",
		"MailboxSettings.Read", "MailboxSettings.ReadWrite",
	}
}

// TestRoutePermissions states what each route asks for, apart from the table.
func TestRoutePermissions(t *testing.T) {
	t.Parallel()
	for _, r := range graph.Routes() {
		want := r
		want.Directory, want.Open, want.NoToken, want.Secret = false, false, false, false
		switch {
		case strings.HasPrefix(r.Path, "/applications"): // which have no mailbox
			want.Directory, want.Delegated, want.Application = true, nil, []string{"Application.Read.All", "Application.ReadWrite.All"}
			if r.Method != "GET" {
				want.Application = want.Application[1:]
			}
		case r.Path == "/$batch": // whose parts are asked one by one
			want.Open, want.Delegated, want.Application = true, nil, nil
		case r.Path == "/", r.Path == "/$metadata":
			want.Open, want.NoToken, want.Delegated, want.Application = true, true, nil, nil
		case r.Path == "/users":
			want.Directory = true
			want.Delegated = []string{"User.ReadBasic.All", "User.Read.All"}
			want.Application = want.Delegated
		case r.Path == "/users/{user}" && r.Method == "GET":
			want.Directory = true
			want.Delegated = []string{"User.Read", "User.ReadWrite", "User.ReadBasic.All", "User.Read.All"}
			want.Application = []string{"User.ReadBasic.All", "User.Read.All"}
		case r.Path == "/users/{user}":
			want.Directory = true
			want.Delegated, want.Application = []string{"User.ReadWrite"}, nil
		case r.Path == "/users/{user}/outlook":
			want.Delegated, want.Application = []string{"User.Read"}, nil
		case strings.Contains(r.Path, "/outlook/supported"):
			want.Delegated, want.Application = []string{"User.Read", "User.Read.All", "User.ReadBasic.All"}, []string{"User.Read.All", "User.ReadBasic.All"}
		case strings.Contains(r.Path, "/masterCategories"), strings.Contains(r.Path, "/mailboxSettings"):
			want.Delegated = []string{"MailboxSettings.Read", "MailboxSettings.ReadWrite"}
			if r.Method != "GET" {
				want.Delegated = want.Delegated[1:]
			}
			want.Application = want.Delegated
		case r.Path == "/users/{user}/translateExchangeIds":
			want.Delegated = []string{"User.Read", "User.ReadWrite", "User.ReadBasic.All", "User.Read.All"}
			want.Application = []string{"User.ReadBasic.All", "User.Read.All"}
		case strings.Contains(r.Path, "/attachmentSessions"): // to read one is to hold its secret
			want.Delegated, want.Application = []string{"Tasks.ReadWrite"}, []string{"Tasks.ReadWrite.All"}
			want.Secret = strings.Contains(r.Path, "{session}") && r.Method != "PATCH"
		case r.Method == "GET", strings.HasPrefix(r.Path, "/subscriptions"):
			want.Delegated, want.Application = []string{"Tasks.Read", "Tasks.ReadWrite"}, []string{"Tasks.Read.All", "Tasks.ReadWrite.All"}
		default:
			want.Delegated, want.Application = []string{"Tasks.ReadWrite"}, []string{"Tasks.ReadWrite.All"}
		}
		if diff := cmp.Diff(want, r); diff != "" {
			t.Errorf("%s %s (-want +got):\n%s", r.Method, r.Path, diff)
		}
	}
}

// TestPermissionsAsDocumented compares the route table with the permissions
// that the specification collects from Microsoft's list.
func TestPermissionsAsDocumented(t *testing.T) {
	t.Parallel()
	parameters := strings.NewReplacer("{l}", "{list}", "{t}", "{task}", "{c}", "{item}", "{r}", "{item}", "{g}", "{item}", "Languages()", "Languages", "Zones()", "Zones", "{a}", "{attachment}", "{s}", "{session}")
	rows := regexp.MustCompile("(?m)^\\| (\\w+) \\| `((?:todo/|outlook)[^`]*)` \\|.*\\| ([^|]*) \\| ([^|]*) \\|$").FindAllStringSubmatch(string(specFile(t, "surface.md")), -1)
	compared := 0
	for _, r := range graph.Routes() {
		for _, row := range rows {
			if row[1] != r.Method || "/users/{user}/"+parameters.Replace(row[2]) != r.Path || row[3] == "—" {
				continue
			}
			compared++
			delegated, application := strings.Fields(strings.ReplaceAll(row[3], "*", "")), strings.Fields(strings.ReplaceAll(row[4], "*", ""))
			if row[4] == "—" {
				application = nil
			}
			if slices.Equal(delegated, []string{"MailboxSettings.Read"}) { // the list has the least alone: who may write may read
				delegated = append(delegated, "MailboxSettings.ReadWrite")
				application = append(application, "MailboxSettings.ReadWrite")
			}
			if r.Method == "DELETE" { // a reader may delete lists, says the list: an oddity that is not copied
				delegated = slices.DeleteFunc(delegated, func(s string) bool { return s == "Tasks.Read" })
			}
			if !slices.Equal(delegated, r.Delegated) || !slices.Equal(application, r.Application) {
				t.Errorf("%s %s: %v and %v, documented %v and %v", r.Method, r.Path, r.Delegated, r.Application, delegated, application)
			}
		}
	}
	if compared < 20 {
		t.Errorf("only %d routes are documented", compared)
	}
}

// A holder is what a token may do.
type holder struct {
	permissions []string
	app         bool
}

// opens says whether the token has what a route asks for, at some mailbox.
func (h holder) opens(r graph.RouteInfo) bool {
	if h.app {
		return h.hasAny(r.Application)
	}
	return h.hasAny(r.Delegated)
}

func (h holder) hasAny(of []string) bool {
	return slices.ContainsFunc(of, func(s string) bool { return slices.Contains(h.permissions, s) })
}

// A target is whose resource a request names, and how.
type target struct {
	name    string
	mailbox string            // "own", "other" or "none"; "" where a foreign id stands in the own mailbox
	me      bool              // by /me, or by nothing
	path    string            // of the user
	ids     map[string]string // instead of the caller's
}

// targets are those that make sense for a route. bob is the other user.
func targets(r graph.RouteInfo, adele, bob *world) []target {
	var out []target
	if strings.HasPrefix(r.Path, "/users/{user}") {
		out = []target{
			{"me", "own", true, "/me", nil},
			{"own id", "own", false, "/users/" + adele.user.ID, nil},
			{"own name", "own", false, "/users/" + adele.user.UserPrincipalName, nil},
			{"other id", "other", false, "/users/" + bob.user.ID, bob.ids},
			{"other name", "other", false, "/users/" + strings.ToUpper(bob.user.UserPrincipalName), bob.ids},
			{"other by key", "other", false, "/users(userPrincipalName='" + bob.user.UserPrincipalName + "')", bob.ids},
			{"no id", "none", false, "/users/00000000-0000-4000-8000-000000000000", bob.ids},
			{"no name", "none", false, "/users/nobody@example.org", bob.ids},
		}
	} else {
		out = []target{{"no user", "own", true, "", nil}}
	}
	foreign := map[string]string{}
	for _, p := range []string{"session", "attachment", "item", "task", "list", "subscription"} { // from the end, so that all before it is the caller's own
		if strings.Contains(r.Path, "{"+p+"}") {
			foreign[p] = bob.ids[p]
			out = append(out, target{"foreign " + p, "", true, "/me", maps.Clone(foreign)})
		}
	}
	return out
}

// An outcome is a status and a code; status 2 is any 2xx.
type outcome struct {
	status int
	code   string
}

// outcomeOf is what a token gets at a route.
func outcomeOf(r graph.RouteInfo, h holder, to target, profile string) outcome {
	denied := outcome{403, "ErrorAccessDenied"}
	if r.Directory {
		denied.code = "Authorization_RequestDenied"
	}
	seesAll := h.hasAny([]string{"User.ReadBasic.All", "User.Read.All"})
	switch {
	case !h.opens(r):
		return denied
	case h.app && (r.Method+r.Path == "GET/subscriptions" || strings.HasSuffix(r.Path, "/getVapidPublicKey")):
		return outcome{status: 2}
	case h.app && strings.Contains(r.Path, "{subscription}"): // which a user has made
		return outcome{404, "ErrorItemNotFound"}
	case h.app && to.me && r.Path != "/users":
		return outcome{400, "BadRequest"}
	case h.app && to.mailbox == "none":
		return outcome{404, "Request_ResourceNotFound"}
	case h.app:
		return outcome{status: 2}
	case profile == "strict" && r.Method == "GET" && strings.HasSuffix(r.Path, "/extensions") && (to.mailbox == "own" || to.mailbox == ""):
		return outcome{404, "UnknownError"}
	case to.name == "foreign item" && r.Method == "DELETE" && strings.Contains(r.Path, "/extensions"): // which is not there
		return outcome{status: 2}
	case to.mailbox == "" && profile == "strict" && isUploadPath(r):
		return outcome{404, "UnknownError"}
	case to.mailbox == "":
		return outcome{404, "ErrorItemNotFound"}
	case to.mailbox == "own" && profile == "strict" && (strings.HasSuffix(r.Path, "/todo") || isUploadPath(r)):
		return outcome{404, "UnknownError"}
	case to.mailbox == "own":
		return outcome{status: 2}
	case r.Directory && (r.Method != "GET" || !seesAll):
		return denied
	case r.Directory && to.mailbox == "none":
		return outcome{404, "Request_ResourceNotFound"}
	case r.Directory:
		return outcome{status: 2}
	case profile == "strict":
		return outcome{400, "invalidRequest"}
	}
	return denied
}

// isUploadPath says whether the real service does not know a request to an upload
// session.
func isUploadPath(r graph.RouteInfo) bool {
	return strings.HasSuffix(r.Path, "{session}") && (r.Method == "GET" || r.Method == "PUT") || strings.HasSuffix(r.Path, "{session}/content") && r.Method == "GET"
}

// fill makes a list, a task, a step and linked resources in a mailbox, whose
// texts all begin with the mark, in place of those that it made before.
func (w *world) fill(r graph.RouteInfo, mark string) {
	w.t.Helper()
	if w.ids["free"] != "" {
		w.send(call{Method: "DELETE", URL: listURL}) // where the test has left them
		w.send(call{Method: "DELETE", URL: "/v1.0/linkedResources/{free}"})
		w.send(call{Method: "DELETE", URL: subscriptionURL})
	}
	w.must("", "PATCH", "/v1.0/me/mailboxSettings", map[string]any{"dateFormat": mark + " yyyy"})
	w.must("list", "POST", listsURL, map[string]any{"displayName": mark + " list"})
	w.must("task", "POST", tasksURL, map[string]any{"title": mark + " task", "body": map[string]any{"content": mark + " body"}})
	w.must("step", "POST", stepsURL, map[string]any{"displayName": mark + " step"})
	w.must("free", "POST", "/v1.0/linkedResources", map[string]any{"applicationName": mark + " app", "externalId": mark})
	if strings.HasPrefix(r.Path, "/subscriptions") {
		w.must("subscription", "POST", "/v1.0/subscriptions", w.newSubscription(mark))
	}
	if r.Method != "POST" { // in the strict profile there is no second one
		w.must("link", "POST", linksURL, map[string]any{"applicationName": mark + " app", "externalId": mark})
	}
	for _, url := range []string{listURL, taskURL} {
		w.must("", "POST", url+"/extensions", map[string]any{"extensionName": mark + ".extension", "x": mark})
	}
	if strings.Contains(r.Path, "/attachment") {
		w.newFile(mark+" file", "application/json", 5)
		w.newSession(1)
	}
	w.ids["item"] = w.ids["link"]
	if strings.Contains(r.Path, "/masterCategories") {
		for _, c := range w.get(categoriesURL).member("value").([]any) {
			w.must("", "DELETE", categoriesURL+"/"+(reply{Body: c}).text("id"), nil)
		}
		w.must("category", "POST", categoriesURL, map[string]any{"displayName": mark + " category"})
		w.ids["item"] = w.ids["category"]
	} else if strings.Contains(r.Path, "/checklistItems") {
		w.ids["item"] = w.ids["step"]
	} else if strings.Contains(r.Path, "/extensions") {
		w.ids["item"] = mark + ".extension"
	} else if !strings.HasPrefix(r.Path, "/users/{user}") {
		w.ids["item"] = w.ids["free"]
	}
	w.seen = w.content()
}

// content is all of a mailbox: what the addresses of its collections answer.
func (w *world) content() string {
	w.t.Helper()
	var out strings.Builder
	for _, url := range []string{"/v1.0/me", listsURL, "/v1.0/linkedResources", "/v1.0/subscriptions", listsURL + "/Tasks/tasks", tasksURL, categoriesURL, "/v1.0/me/mailboxSettings", filesURL, filesURL + "/{attachment}", taskURL + "/attachmentSessions"} {
		if strings.Contains(url, "attachment") && w.ids["attachment"] == "" {
			continue
		}
		r := w.send(call{Method: "GET", URL: url})
		if strings.Contains(r.raw, "nextLink") {
			w.t.Fatalf("GET %s: there is more than a page", url)
		}
		if fmt.Fprintln(&out, url, r.Status); r.Status == http.StatusOK {
			out.WriteString(r.raw + "\n")
		}
	}
	return out.String()
}

// wantUnchanged fails the test where the mailbox is not as it was last seen.
func (w *world) wantUnchanged(t *testing.T, after string) {
	t.Helper()
	now := w.content()
	if now != w.seen {
		t.Errorf("%s changed the mailbox of %s (-before +after):\n%s", after, w.user.UserPrincipalName, cmp.Diff(w.seen, now))
	}
	w.seen = now
}

// requestOf is a request of a route that succeeds where it is allowed.
func requestOf(r graph.RouteInfo, to target, own map[string]string) call {
	path := r.Path
	if rest, ok := strings.CutPrefix(path, "/users/{user}"); ok {
		path = to.path + rest
	}
	for _, p := range []string{"list", "task", "item", "attachment", "session", "subscription"} {
		id, ok := to.ids[p]
		if !ok {
			id = own[p]
		}
		path = strings.ReplaceAll(path, "{"+p+"}", id)
	}
	path = strings.ReplaceAll(path, "{TimeZoneStandard}", "Iana")
	bodies := map[string]string{
		"user": `{"givenName": "Changed"}`, "todoTaskList": `{"displayName": "Changed"}`, "todoTask": `{"title": "Changed"}`,
		"checklistItem": `{"displayName": "Changed"}`, "linkedResource": `{"applicationName": "Changed"}`,
		"outlookCategory": `{"displayName": "Changed", "color": "preset5"}`, "mailboxSettings": `{"dateFormat": "Changed"}`,
		"convertIdResult":    `{"inputIds": ["x"], "sourceIdType": "restId", "targetIdType": "restId"}`,
		"openTypeExtension":  map[string]string{"POST": `{"extensionName": "Changed"}`, "PATCH": `{"changed": true}`}[r.Method],
		"taskFileAttachment": `{"name": "Changed", "contentBytes": "Ingi"}`, "uploadSession": `{"attachmentInfo": {"name": "Changed", "size": 1}}`, "attachmentSession": `{}`,
		"subscription": `{"expirationDateTime": "2026-09-25T00:00:00Z", "changeType": "deleted", "resource": "/me/todo/lists/Tasks/tasks", "notificationUrl": "` + receiver() + `/notify"}`,
	}
	c := call{Method: r.Method, URL: "/v1.0" + path}
	if strings.HasSuffix(path, "/getVapidPublicKey") {
		c.URL = "/beta" + path // where alone it is
	}
	if r.Method == "POST" || r.Method == "PATCH" {
		name, _ := bodyType(r.Method, r.Path)
		c.Body = json.RawMessage(bodies[name])
	}
	if r.Method == "PUT" {
		c.Body, c.Headers = json.RawMessage("1"), map[string]string{"Content-Range": "bytes 0-0/1"}
	}
	return c
}

const secret = "Secret"

// try sends a request and compares what it gets, and that nothing has changed
// that may not. A mailbox that a token does not open does not show in the answer.
func try(t *testing.T, r graph.RouteInfo, to target, want outcome, h holder, adele, bob *world, token string) reply {
	t.Helper()
	c := requestOf(r, to, adele.ids)
	sender := *adele
	sender.t, sender.token = t, token
	got := sender.send(c)
	status := got.Status
	if status/100 == 2 {
		status = 2
	}
	what := fmt.Sprintf("%s: %s %s, answered %d %s,", to.name, c.Method, c.URL, got.Status, got.text("error", "code"))
	if status != want.status || got.text("error", "code") != want.code {
		t.Errorf("%s wants %d %s", what, want.status, want.code)
	}
	opens := h.app && want.status == 2 // bob's mailbox too
	if !opens {
		if text := fmt.Sprint(got.Body, got.Headers); strings.Contains(text, secret) {
			t.Errorf("%s shows the other mailbox: %s", what, text)
		}
	}
	switch {
	case !h.opens(r): // tryAll looks once
		return got
	case !opens:
		bob.wantUnchanged(t, what)
	}
	switch {
	case status != 2 || r.Method == "GET":
		adele.wantUnchanged(t, what)
	case r.Method == "PATCH":
		adele.seen, bob.seen = adele.content(), bob.content()
	case to.mailbox == "own":
		adele.fill(r, "Own")
	case opens:
		bob.fill(r, secret)
	}
	return got
}

// twoMailboxes makes a server with adele, who calls, and bob.
func twoMailboxes(t *testing.T, dir, profile string, r graph.RouteInfo) (adele, bob *world) {
	t.Helper()
	adele = newWorldIn(t, dir, profile, duly.User{})
	bob = worldOf(t, adele.server, duly.User{UserPrincipalName: "bob@example.org", DisplayName: "Bob"})
	adele.fill(r, "Own")
	bob.fill(r, secret)
	return adele, bob
}

// TestEveryRouteWithEveryScope tries each route with each scope alone, and with
// all but those that open it, at all mailboxes.
func TestEveryRouteWithEveryScope(t *testing.T) {
	t.Parallel()
	for _, profile := range []string{"friendly", "strict"} {
		for n, r := range guarded() {
			if raced && n%6 != 0 { // a sample
				continue
			}
			t.Run(profile+" "+r.Method+" "+r.Path, func(t *testing.T) {
				t.Parallel()
				adele, bob := twoMailboxes(t, "", profile, r)
				without := slices.DeleteFunc(delegatedScopes(), func(s string) bool { return slices.Contains(r.Delegated, s) })
				tried := append(delegatedScopes(), strings.Join(without, " "))
				if profile == "strict" {
					tried = append(slices.Clone(r.Delegated), "MailboxSettings.Read") // what opens it, and what does not
				}
				for _, scopes := range tried {
					h := holder{permissions: strings.Fields(scopes)}
					token := adele.tokenWith(scopes)
					t.Run(scopes, func(t *testing.T) { tryAll(t, r, h, profile, adele, bob, token) })
				}
			})
		}
	}
}

// tryAll tries a route at all targets. Another mailbox and none get the same.
func tryAll(t *testing.T, r graph.RouteInfo, h holder, profile string, adele, bob *world, token string) {
	t.Helper()
	answers := map[string]string{}
	for _, to := range targets(r, adele, bob) {
		want := outcomeOf(r, h, to, profile)
		got := try(t, r, to, want, h, adele, bob, token)
		if want.status == 403 || want.code == "invalidRequest" {
			answers[to.mailbox] = fmt.Sprint(got.Status, got.text("error", "code"), got.text("error", "message"), got.member("error", "innerError", "code"), got.member("error", "innerError", "message"))
		}
	}
	if answers["other"] != answers["none"] {
		t.Errorf("another mailbox is answered with %s, none with %s", answers["other"], answers["none"])
	}
	if !h.opens(r) {
		adele.wantUnchanged(t, "something without the permission")
		bob.wantUnchanged(t, "something without the permission")
	}
}

// guarded are the routes that ask for a permission.
func guarded() []graph.RouteInfo {
	return slices.DeleteFunc(graph.Routes(), func(r graph.RouteInfo) bool { return r.Open })
}

// TestForeignLinkStays has a task take over another's linked resource.
func TestForeignLinkStays(t *testing.T) {
	t.Parallel()
	adele, bob := twoMailboxes(t, "", "", graph.RouteInfo{Path: "/linkedResources"})
	before := bob.content()
	for _, address := range []string{"/linkedResources/", "http://duly.test/v1.0/users/" + bob.user.ID + "/todo/lists/" + bob.ids["list"] + "/tasks/" + bob.ids["task"] + "/linkedResources/"} {
		body := fmt.Sprintf(`{"@odata.id": %q}`, address+bob.ids["item"])
		if r := adele.send(call{Method: "POST", URL: linksURL, Body: json.RawMessage(body)}); r.Status != http.StatusNotFound {
			t.Errorf("%s: %d %v", body, r.Status, r.Body)
		}
	}
	if diff := cmp.Diff(before, bob.content()); diff != "" {
		t.Errorf("the other mailbox has changed:\n%s", diff)
	}
}

// A mint signs tokens that the server would not give out, with its own key.
type mint struct {
	signer jose.Signer
	claims map[string]any // of a good token
}

func newMint(t *testing.T, dir, good string) *mint {
	t.Helper()
	var issuer struct{ Keys []jose.JSONWebKey }
	text, err := os.ReadFile(filepath.Join(dir, "issuer.json"))
	if err == nil {
		err = json.Unmarshal(text, &issuer)
	}
	if err != nil {
		t.Fatal(err)
	}
	m := &mint{}
	key := jose.SigningKey{Algorithm: jose.SignatureAlgorithm(issuer.Keys[0].Algorithm), Key: issuer.Keys[0]}
	if m.signer, err = jose.NewSigner(key, (&jose.SignerOptions{}).WithType("at+jwt")); err != nil {
		t.Fatal(err)
	}
	payload, err := base64.RawURLEncoding.DecodeString(strings.Split(good, ".")[1])
	if err == nil {
		err = json.Unmarshal(payload, &m.claims)
	}
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// token is the good one with other claims; those that are nil are left out.
func (m *mint) token(t *testing.T, change map[string]any) string {
	t.Helper()
	claims := maps.Clone(m.claims)
	maps.Copy(claims, change)
	maps.DeleteFunc(claims, func(_ string, v any) bool { return v == nil })
	payload, err := json.Marshal(claims)
	if err != nil {
		t.Fatal(err)
	}
	signed, err := m.signer.Sign(payload)
	if err != nil {
		t.Fatal(err)
	}
	token, err := signed.CompactSerialize()
	if err != nil {
		t.Fatal(err)
	}
	return token
}

// TestEveryRouteWithOddTokens tries each route with tokens whose signature is
// right and whose claims nobody gives out. The numbers are those of the list of
// bad tokens.
func TestEveryRouteWithOddTokens(t *testing.T) {
	t.Parallel()
	all := strings.Join(delegatedScopes(), " ")
	roles := []string{"Tasks.ReadWrite.All", "User.Read.All", "MailboxSettings.ReadWrite"}
	app := func(more map[string]any) map[string]any {
		claims := map[string]any{"idtyp": "app", "oid": nil, "scp": nil}
		maps.Copy(claims, more)
		return claims
	}
	scope := func(s string) map[string]any { return map[string]any{"scp": s} }
	rows := []struct {
		name   string
		claims map[string]any
		holder holder
	}{
		{"control: all scopes", scope(all), holder{permissions: strings.Fields(all)}},
		{"D91 D101 D102: Tasks.Read", scope("Tasks.Read"), holder{permissions: []string{"Tasks.Read"}}},
		{"D92: no scp and no roles", map[string]any{"scp": nil}, holder{}},
		{"D93: longer names", scope(strings.ReplaceAll(all+" ", " ", "X ")), holder{}},
		{"D94: names with something in front", scope(strings.ReplaceAll(" "+all, " ", " x")), holder{}},
		{"D95: names in lower case", scope(strings.ToLower(all)), holder{}},
		{"names in a list of commas", scope(strings.ReplaceAll(all, " ", ",")), holder{}},
		{"application names as scopes", scope(strings.Join(roles[:1], " ")), holder{}},
		{"D96: a user with roles", map[string]any{"scp": "User.Read", "roles": roles[:1]}, holder{permissions: []string{"User.Read"}}},
		{"D97: an application with scp", app(scope(all)), holder{app: true}},
		{"D97: an application with scp and the user's id", map[string]any{"idtyp": "app", "scp": all}, holder{app: true}},
		{"an application with delegated names as roles", app(map[string]any{"roles": []string{"Tasks.ReadWrite", "User.ReadWrite"}}), holder{app: true}},
		{"D98: an application that may write", app(map[string]any{"roles": roles}), holder{permissions: roles, app: true}},
		{"D98: an application that may read", app(map[string]any{"roles": []string{"Tasks.Read.All"}}), holder{permissions: []string{"Tasks.Read.All"}, app: true}},
		{"D98: an application that names a user", map[string]any{"idtyp": "app", "scp": nil, "roles": roles}, holder{permissions: roles, app: true}},
	}
	dir := t.TempDir()
	adele, bob := twoMailboxes(t, dir, "", graph.RouteInfo{})
	m := newMint(t, dir, adele.bearer())
	tokens := make([]string, len(rows))
	for i, row := range rows {
		tokens[i] = m.token(t, row.claims)
	}
	for n, r := range guarded() {
		if (raced || onPostgres(t)) && n%12 != 0 { // a sample
			continue
		}
		adele.fill(r, "Own")
		bob.fill(r, secret)
		for i, row := range rows {
			t.Run(row.name+" "+r.Method+" "+r.Path, func(t *testing.T) {
				tryAll(t, r, row.holder, "friendly", adele, bob, tokens[i])
			})
		}
	}
}
