package graph_test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/duly-todo/duly"
	"github.com/duly-todo/duly/internal/graph"
	"github.com/duly-todo/duly/internal/store"
)

// Whether what is adele's can be reached by anybody else: by each id in each
// place of each path, by links, tokens, batches, queries, upload URLs and
// subscriptions.

// All texts of adele hold the marker. Others know the word that it begins with.
const (
	marker     = "Quagga7f3e"
	knownWord  = "Quagga"
	adelesName = "com.example.adele" // of her extensions, which is an id
)

// scopesOfBob leave out the permissions to see the profiles of others.
const scopesOfBob = "Tasks.ReadWrite Tasks.ReadWrite.Shared User.Read User.ReadWrite MailboxSettings.ReadWrite"

// An endpoint takes notifications and keeps what they say.
type endpoint struct {
	*httptest.Server
	mu   sync.Mutex
	told strings.Builder
	came chan struct{}
}

func newEndpoint(t *testing.T) *endpoint {
	e := &endpoint{came: make(chan struct{}, 1000)}
	e.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if token := r.URL.Query().Get("validationToken"); token != "" || err != nil {
			w.Header().Set("Content-Type", "text/plain")
			_, _ = io.WriteString(w, token) // the server under test may have left
			return
		}
		e.mu.Lock()
		fmt.Fprintln(&e.told, r.URL, string(body))
		e.mu.Unlock()
		w.WriteHeader(http.StatusAccepted)
		e.came <- struct{}{}
	}))
	t.Cleanup(e.Close)
	return e
}

// all waits for a notification and returns what has been told so far.
func (e *endpoint) all(t *testing.T) string {
	t.Helper()
	select {
	case <-e.came:
	case <-time.After(20 * time.Second):
		t.Error("the endpoint was told nothing")
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.told.String()
}

// An attacker is a caller who must not see what is adele's.
type attacker struct {
	name, token string
	status      int // of every answer; 0: any refusal
}

// An isolation is adele with all kinds of things, and bob with the same.
type isolation struct {
	t          *testing.T
	profile    string
	db         *store.DB // of the same data, to look at versions
	adele, bob *world
	endpoints  map[*world]*endpoint
	attackers  []attacker // bob is the first
	version    int64      // of adele's mailbox
	tried      map[string]int
	mint       *mint  // of tokens for bob
	other      string // the client id of a second application
}

func newIsolation(t *testing.T, profile string) *isolation {
	t.Helper()
	dir := t.TempDir()
	s := &isolation{t: t, profile: profile, tried: map[string]int{}}
	s.adele = newWorldIn(t, dir, profile, duly.User{DisplayName: "Adele " + marker})
	s.bob = worldOf(t, s.adele.server, duly.User{UserPrincipalName: "bob@example.org", DisplayName: "Bob"})
	s.bob.scopes = scopesOfBob
	s.endpoints = map[*world]*endpoint{s.adele: newEndpoint(t), s.bob: newEndpoint(t)}
	var err error
	if s.db, err = store.Open(t.Context(), filepath.Join(dir, "duly.db"), time.Now); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.db.Close(); err != nil {
			t.Error(err)
		}
	})
	s.stock(s.adele, marker, adelesName)
	s.stock(s.bob, "Plain", "com.example.bob")
	s.attackers = s.newAttackers(dir)
	s.version = s.versionOf(s.adele)
	s.adele.seen = s.adele.content()
	return s
}

// newAttackers are bob by each way that he has, and others.
func (s *isolation) newAttackers(dir string) []attacker {
	s.t.Helper()
	server, ctx := s.adele.server, s.t.Context()
	other, err := server.AddApp(ctx, duly.App{Name: "Other", Kind: "web", Scopes: []string{"Tasks.ReadWrite"}, RedirectURIs: []string{"https://app.example/cb"}})
	if err != nil {
		s.t.Fatal(err)
	}
	personal, err := server.AddPersonalToken(ctx, s.bob.user.ID, "script", scopesOfBob, 1)
	if err != nil {
		s.t.Fatal(err)
	}
	adeles, err := server.AddPersonalToken(ctx, s.adele.user.ID, "script "+marker, s.adele.scopes, 1)
	if err != nil {
		s.t.Fatal(err)
	}
	const head = len("dulypat_") + 20 // the part that names the user, and some of the secret
	elsewhere := s.t.TempDir()
	tenant := newWorldIn(s.t, elsewhere, "", duly.User{})
	app := map[string]any{"idtyp": "app", "scp": nil, "oid": other.ID, "azp": other.ID, "appid": other.ID}
	clear(s.bob.minted) // a token from before the application is none of its
	s.mint, s.other = newMint(s.t, dir, s.bob.bearer()), other.ID
	return []attacker{
		{"bob", s.bob.bearer(), 0},
		{"bob by another application", s.mint.token(s.t, map[string]any{"azp": other.ID, "appid": other.ID}), 0},
		{"bob by a script", personal, 0},
		{"an application without permissions", s.mint.token(s.t, app), 403},
		{"bob's script with adele's id", adeles[:head] + personal[head:], 401},
		{"another tenant", newMint(s.t, elsewhere, tenant.bearer()).token(s.t, map[string]any{"oid": s.adele.user.ID, "sub": s.adele.user.ID}), 401},
		{"somebody without a token", "", 0},
	}
}

// stock puts one of each kind into a mailbox. All texts begin with the mark.
func (s *isolation) stock(w *world, mark, extension string) {
	w.t.Helper()
	w.must("", "PATCH", "/v1.0/me", map[string]any{"givenName": mark, "jobTitle": mark})
	w.must("", "PATCH", "/v1.0/me/mailboxSettings", map[string]any{"dateFormat": mark + " yyyy", "timeFormat": mark + " H"})
	w.must("category", "POST", categoriesURL, map[string]any{"displayName": mark + " category"})
	w.must("list", "POST", listsURL, map[string]any{"displayName": mark + " list"})
	for range 2 { // so that there is a next page
		w.must("task", "POST", tasksURL, map[string]any{"title": mark + " task", "body": map[string]any{"content": mark + " body"}, "categories": []string{mark}})
	}
	w.must("step", "POST", stepsURL, map[string]any{"displayName": mark + " step"})
	w.must("link", "POST", linksURL, map[string]any{"applicationName": mark, "displayName": mark, "externalId": mark, "webUrl": "https://" + mark + ".example/"})
	w.must("free", "POST", "/v1.0/linkedResources", map[string]any{"applicationName": mark, "externalId": mark})
	for _, url := range []string{listURL, taskURL} {
		w.must("", "POST", url+"/extensions", map[string]any{"extensionName": extension, "x": mark})
	}
	w.ids["extension"] = extension
	w.must("attachment", "POST", filesURL, map[string]any{"name": mark + " file", "contentType": "text/" + mark, "contentBytes": base64.StdEncoding.EncodeToString([]byte(marked(mark)))})
	session := w.must("", "POST", filesURL+"/createUploadSession", map[string]any{"attachmentInfo": map[string]any{"attachmentType": "file", "name": mark, "size": 10}}).text("uploadUrl")
	w.ids["session"] = session[strings.LastIndexByte(session, '/')+1:]
	body := w.newSubscription(mark)
	for _, name := range []string{"notificationUrl", "lifecycleNotificationUrl"} {
		body[name] = s.endpoints[w].URL + "/" + mark
	}
	body["resource"] = strings.ReplaceAll("/me/todo/lists/{list}/tasks", "{list}", w.ids["list"])
	w.must("subscription", "POST", "/v1.0/subscriptions", body)
}

// marked is the content of a file.
func marked(mark string) string { return `"` + mark + ` bytes"` }

// idsFor are a world's ids by the parameters of a route.
func idsFor(r graph.RouteInfo, w *world) map[string]string {
	ids := maps.Clone(w.ids)
	for part, kind := range map[string]string{"/checklistItems": "step", "/masterCategories": "category", "/extensions": "extension", "{task}/linkedResources": "link"} {
		if strings.Contains(r.Path, part) {
			ids["item"] = ids[kind]
		}
	}
	if strings.HasPrefix(r.Path, "/linkedResources") {
		ids["item"] = ids["free"]
	}
	return ids
}

func (s *isolation) versionOf(w *world) (version int64) {
	s.t.Helper()
	err := s.db.View(s.t.Context(), w.user.ID, func(tx *store.Tx) (err error) { _, version, err = tx.Log(); return err })
	if err != nil {
		s.t.Fatal(err)
	}
	return version
}

// shout sends a request with a token, or none, and returns all of the answer.
func (s *isolation) shout(c call, token string) (status int, text string) {
	s.t.Helper()
	r := httptest.NewRequestWithContext(s.t.Context(), c.Method, strings.ReplaceAll(c.URL, " ", "%20"), strings.NewReader(string(c.Body)))
	r.Host = "duly.test"
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	for name, value := range c.Headers {
		r.Header.Set(name, value)
	}
	w := httptest.NewRecorder()
	s.adele.server.ServeHTTP(w, r)
	return w.Code, fmt.Sprint(w.Header(), w.Body)
}

// showsHers says whether an answer holds something of adele's, also as base64.
func showsHers(text string) bool {
	return strings.Contains(text, marker) || strings.Contains(text, base64.StdEncoding.EncodeToString([]byte(marked(marker)))[:16])
}

// wantHidden fails the test where an attacker sees something of adele's, or where
// a request succeeds that names what is hers.
func (s *isolation) wantHidden(kind string, c call, a attacker, mayPass bool) {
	s.t.Helper()
	s.tried[kind]++
	status, text := s.shout(c, a.token)
	what := fmt.Sprintf("%s: %s sends %s %s %s and gets %d %.600s", kind, a.name, c.Method, c.URL, c.Body, status, text)
	switch {
	case showsHers(text):
		s.t.Errorf("it shows what is adele's: %s", what)
	case status >= 500, status/100 == 2 && !mayPass, a.status != 0 && status != a.status:
		s.t.Errorf("it is not refused as it has to be: %s", what)
	}
}

// wantUntouched fails the test where adele's mailbox has changed, or bob's things
// are no longer there.
func (s *isolation) wantUntouched(after string) {
	s.t.Helper()
	if v := s.versionOf(s.adele); v != s.version {
		s.t.Errorf("%s has changed adele's mailbox: its version was %d and is %d", after, s.version, v)
		s.version = v
	}
	for _, url := range []string{
		taskURL, stepsURL + "/{step}", linksURL + "/{link}", taskURL + "/extensions/{extension}", listURL + "/extensions/{extension}",
		filesURL + "/{attachment}", taskURL + "/attachmentSessions", subscriptionURL, categoriesURL + "/{category}", "/v1.0/linkedResources/{free}",
	} {
		if r := s.bob.send(call{Method: "GET", URL: url}); r.Status != 200 {
			s.t.Errorf("after %s, GET %s of bob's own is %d", after, url, r.Status)
		}
	}
}

// A mixed is a request of a route that names at least one thing of adele's.
type mixed struct {
	call
	whole    bool // all that it names is adele's
	own      bool // the mailbox is bob's
	secret   bool // it is her whole upload URL, which anybody may use who knows it
	harmless bool // it may succeed: it takes away what is not there
}

// ways are the spellings of a mailbox in a path.
func ways(u duly.User) []string {
	return []string{
		"/users/" + u.ID, "/users/" + strings.ToUpper(u.ID), "/users/" + strings.ToUpper(u.UserPrincipalName),
		"/users('" + u.ID + "')", "/users(userPrincipalName='" + u.UserPrincipalName + "')",
	}
}

// mix gives a route's requests with every choice of bob's and adele's ids.
func (s *isolation) mix(r graph.RouteInfo) (out []mixed) {
	his, hers := idsFor(r, s.bob), idsFor(r, s.adele)
	var names []string
	for _, name := range []string{"list", "task", "item", "attachment", "session", "subscription"} {
		if strings.Contains(r.Path, "{"+name+"}") {
			names = append(names, name)
		}
	}
	mailboxes := map[string]bool{"": false} // true: adele's
	if strings.HasPrefix(r.Path, "/users/{user}") {
		mailboxes = map[string]bool{"/me": false, "/users/" + s.bob.user.ID: false}
		for _, way := range ways(s.adele.user) {
			mailboxes[way] = true
		}
	}
	for _, way := range slices.Sorted(maps.Keys(mailboxes)) {
		foreign := mailboxes[way]
		for set := range 1 << len(names) {
			if !foreign && set == 0 {
				continue
			}
			to := target{path: way, ids: map[string]string{}}
			for i, name := range names {
				if set>>i&1 == 1 {
					to.ids[name] = hers[name]
				}
			}
			out = append(out, mixed{
				call: requestOf(r, to, his), own: !foreign, whole: set == 1<<len(names)-1 && (foreign || way == "" || way == "/me"),
				secret:   r.Secret && foreign && !strings.Contains(strings.ToLower(way), "example.org") && set == 1<<len(names)-1,
				harmless: !foreign && r.Method == "DELETE" && strings.HasSuffix(r.Path, "/extensions/{item}") && len(to.ids) == 1 && to.ids["item"] != "",
			})
			if foreign && len(names) > 0 && names[0] == "list" && set == 1<<len(names)-1 {
				to.ids["list"] = "Tasks"
				out = append(out, mixed{call: requestOf(r, to, his)})
			}
		}
	}
	return out
}

// readsTexts says whether the answer of a route to adele holds a text of hers.
func readsTexts(r graph.RouteInfo, profile string) bool {
	silent := []string{"/$count", "/todo", "/outlook", "/attachmentSessions", "/attachmentSessions/{session}", "/content", "/language", "/timeZone", "/userPurpose", "/getVapidPublicKey", "/users"}
	switch {
	case r.Method != "GET" || r.Delegated == nil || strings.Contains(r.Path, "/supported"):
		return false
	case profile == "strict" && strings.HasSuffix(r.Path, "/extensions"):
		return false
	}
	return !slices.ContainsFunc(silent, func(end string) bool { return strings.HasSuffix(r.Path, end) })
}

// TestNobodyElse tries all that might lead to what is another user's.
func TestNobodyElse(t *testing.T) {
	t.Parallel()
	for _, profile := range []string{"friendly", "strict"} {
		t.Run(profile, func(t *testing.T) {
			t.Parallel()
			s := newIsolation(t, profile)
			seen := s.control()
			for n, r := range guarded() {
				if raced && n%8 != 0 || profile == "strict" && n%3 != 0 { // a sample
					continue
				}
				s.walk(r)
			}
			s.tryLinks()
			s.tryQueries()
			s.tryBodies()
			s.trySubscriptions()
			s.tryUploadURLs()
			s.tryNotifications()
			all := 0
			for _, kind := range slices.Sorted(maps.Keys(s.tried)) {
				t.Logf("%6d %s", s.tried[kind], kind)
				all += s.tried[kind]
			}
			t.Logf("%6d requests showed nothing of adele's, %d of her own did", all, seen)
			if !raced && all < 4000 {
				t.Errorf("only %d requests were tried", all)
			}
		})
	}
}

// control has adele send the requests herself, and see what is hers.
func (s *isolation) control() (seen int) {
	s.t.Helper()
	for _, r := range guarded() {
		if !readsTexts(r, s.profile) {
			continue
		}
		mailboxes := []string{""}
		if strings.HasPrefix(r.Path, "/users/{user}") {
			mailboxes = append(ways(s.adele.user), "/me")
		}
		for _, way := range mailboxes {
			c := requestOf(r, target{path: way}, idsFor(r, s.adele))
			if status, text := s.shout(c, s.adele.bearer()); status != 200 || !showsHers(text) {
				s.t.Errorf("adele does not see what is hers by %s: %d %s", c.URL, status, text)
			}
			seen++
		}
	}
	if seen < 100 {
		s.t.Errorf("adele has seen hers by %d requests alone", seen)
	}
	return seen
}

// walk tries the requests of a route: those of bob one by one and in batches, and
// those that are all about adele for the other attackers.
func (s *isolation) walk(r graph.RouteInfo) {
	s.t.Helper()
	all := s.mix(r)
	for i, m := range all {
		for n, a := range s.attackers {
			if n > 0 && !m.whole && !(a.token == "" && r.Secret) {
				continue
			}
			if a.token == "" && !r.Secret || m.secret && (a.token == "" || a.status == 401) {
				continue
			}
			s.wantHidden("ids in paths", m.call, a, m.harmless)
		}
		if i%3 == 0 {
			beta := m.call
			beta.URL = "/beta" + strings.TrimPrefix(strings.TrimPrefix(beta.URL, "/v1.0"), "/beta")
			s.wantHidden("ids in paths of beta", beta, s.attackers[0], m.harmless)
		}
	}
	for chunk := range slices.Chunk(all, 19) {
		s.tryBatch(chunk)
	}
	s.wantUntouched(r.Method + " " + r.Path)
}

// tryBatch sends requests as the parts of a batch, relative and with all of the
// address, and after one that succeeds.
func (s *isolation) tryBatch(requests []mixed) {
	s.t.Helper()
	for _, form := range []string{"relative", "absolute", "after another"} {
		parts := []map[string]any{{"id": "own", "method": "GET", "url": "/me/mailboxSettings"}}
		for i, m := range requests {
			part := map[string]any{"id": fmt.Sprint(i), "method": m.Method, "url": strings.TrimPrefix(m.URL, "/v1.0")}
			if form != "relative" {
				part["url"] = "http://duly.test" + m.URL
			}
			if form == "after another" {
				part["dependsOn"] = []string{"own"}
			}
			if len(m.Body) > 0 && m.Method != "PUT" {
				part["body"], part["headers"] = m.Body, map[string]string{"Content-Type": "application/json"}
			} else if m.Method == "PUT" {
				part["body"], part["headers"] = "MQ==", map[string]string{"Content-Type": "application/octet-stream", "Content-Range": "bytes 0-0/1"}
			}
			parts = append(parts, part)
		}
		body, err := json.Marshal(map[string]any{"requests": parts})
		if err != nil {
			s.t.Fatal(err)
		}
		r := s.bob.send(call{Method: "POST", URL: "/v1.0/$batch", Body: body})
		s.tried["parts of batches, "+form] += len(requests)
		if showsHers(fmt.Sprint(r.Headers, r.raw)) {
			s.t.Errorf("a batch, %s, shows what is adele's: %s gives %s", form, body, r.raw)
		}
		answers := r.parts()
		if r.Status != 200 || len(answers) != len(parts) {
			s.t.Fatalf("a batch, %s: %s gives %d %s", form, body, r.Status, r.raw)
		}
		for i, m := range requests {
			if status := answers[fmt.Sprint(i)].Status; status >= 500 || status/100 == 2 && !m.harmless || status == 424 {
				s.t.Errorf("a part of a batch, %s: %s %s is %d", form, m.Method, m.URL, status)
			}
		}
	}
}
