package graph_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/tools/txtar"

	"github.com/duly-todo/duly"
)

// TestScript plays the conversations in testdata/script. A conversation is a
// document: a sentence or two, then requests and answers in turn.
//
//	-- PATCH /v1.0/me/todo/lists/{list}/tasks/{milk} --
//	If-Match: W/"{etag1}"
//
//	{"status": "completed"}
//	-- 200 --
//	Etag: W/"{etag2}"
//
//	{ …the whole body, members in their order… }
//
// "{name}" in an answer stands for what the server chose; later requests use it.
// What another name stands for is another value. Of the headers those are compared
// that are written down; one without a value must be absent.
// The clock stands at midnight of 2000-01-01 in UTC; "-- wait 24h --" moves it.
// "As: bob Tasks.Read" among the headers of a request sends another user's token,
// with those scopes; "As: nobody" sends none. "Profile: strict" on a line of the
// comment sets the profile; "Receiver: on" allows {receiver}, an endpoint for
// notifications.
//
// Answers are recorded by -update. There "-- 201 milk step --" names the ids
// that the answer brings, in the order in which they come.
func TestScript(t *testing.T) {
	t.Parallel()
	testScript(t)
}

// resolving is held by conversations that look up names: the resolver joins
// lookups of one name, which tests on clocks of their own may not share.
var resolving sync.Mutex

func testScript(t *testing.T) {
	// This makes the resolver, outside of such a clock.
	if _, err := net.DefaultResolver.LookupHost(t.Context(), "localhost"); err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob("testdata/script/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatalf("no conversations: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			t.Parallel()
			dsn := database(t)
			receiver() // outside of the test's own clock
			if strings.HasPrefix(filepath.Base(file), "subscription_") {
				resolving.Lock()
				defer resolving.Unlock()
			}
			synctest.Test(t, func(t *testing.T) { play(t, file, dsn) })
		})
	}
}

var update = flag.Bool("update", false, "record the answers in testdata/script")

// A player plays one conversation.
type player struct {
	t      *testing.T
	server *duly.Server
	tokens map[string]string
	vars   []variable
}

type variable struct{ name, value string }

func play(t *testing.T, file, dsn string) {
	archive, err := txtar.ParseFile(file)
	if err != nil {
		t.Fatal(err)
	}
	p := &player{t: t, tokens: map[string]string{}}
	profile := regexp.MustCompile(`(?m)^Profile: (\w+)$`).FindSubmatch(archive.Comment)
	c := duly.Config{Database: dsn}
	if profile != nil {
		c.Profile = string(profile[1])
	}
	if bytes.Contains(archive.Comment, []byte("\nReceiver: on\n")) {
		c.WebhookAllow = allowReceiver()
		p.vars = append(p.vars, variable{"receiver", receiver()})
	}
	if p.server, err = duly.New(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	defer p.server.Close()
	for i := 0; i < len(archive.Files); i++ {
		f := archive.Files[i]
		if d, ok := strings.CutPrefix(f.Name, "wait "); ok {
			duration, err := time.ParseDuration(d)
			if err != nil {
				t.Fatal(err)
			}
			time.Sleep(duration)
			clear(p.tokens) // they live for a day
			continue
		}
		if i++; i == len(archive.Files) {
			t.Fatalf("%s has no answer", f.Name)
		}
		p.exchange(f, &archive.Files[i])
	}
	if *update {
		if err := os.WriteFile(file, txtar.Format(archive), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// exchange sends the request q and compares the answer with a, or records it.
func (p *player) exchange(q txtar.File, a *txtar.File) {
	p.t.Helper()
	got := p.send(q)
	status, names, _ := strings.Cut(a.Name, " ")
	if *update {
		p.record(got, a, strings.Fields(names))
		return
	}
	if fmt.Sprint(got.Code) != status {
		p.t.Fatalf("%s: status %d, want %s\n%s", q.Name, got.Code, status, got.Body)
	}
	wantHeader, wantBody := cutHeader(string(a.Data))
	for name, values := range wantHeader {
		if diff := p.match(got.Header().Get(name), values[0]); diff != "" {
			p.t.Fatalf("%s: header %s: %s", q.Name, name, diff)
		}
	}
	if diff := p.match(pretty(p.t, got), strings.TrimSpace(wantBody)); diff != "" {
		p.t.Fatalf("%s: %s", q.Name, diff)
	}
}

// send makes a request of the section q.
func (p *player) send(q txtar.File) *httptest.ResponseRecorder {
	method, target, _ := strings.Cut(q.Name, " ")
	header, body := cutHeader(p.expand(string(q.Data)))
	target = strings.ReplaceAll(p.expand(target), " ", "%20")
	r := httptest.NewRequestWithContext(p.t.Context(), method, target, strings.NewReader(strings.TrimSuffix(body, "\n")))
	r.Host = "duly.test"
	for name, values := range header {
		r.Header[name] = values
	}
	as := r.Header.Get("As")
	r.Header.Del("As")
	if as != "nobody" && r.Header.Get("Authorization") == "" {
		r.Header.Set("Authorization", "Bearer "+p.token(as))
	}
	w := httptest.NewRecorder()
	p.server.ServeHTTP(w, r)
	return w
}

// token makes the token of "user scope scope"; the user is made when first met.
func (p *player) token(as string) string {
	user, scopes, _ := strings.Cut(as, " ")
	if user == "" {
		user = "adele"
	}
	if scopes == "" {
		scopes = "Tasks.ReadWrite User.Read"
	}
	key := user + " " + scopes
	if p.tokens[key] == "" {
		_, err := p.server.AddUser(p.t.Context(), duly.User{UserPrincipalName: user + "@example.org"})
		if err != nil && !strings.Contains(err.Error(), "exists") {
			p.t.Fatal(err)
		}
		u, err := p.server.User(p.t.Context(), user+"@example.org")
		if err != nil {
			p.t.Fatal(err)
		}
		if !slices.ContainsFunc(p.vars, func(v variable) bool { return v.name == user }) {
			p.vars = append(p.vars, variable{user, u.ID})
		}
		if p.tokens[key], err = p.server.Token(p.t.Context(), user+"@example.org", scopes, 24*time.Hour); err != nil {
			p.t.Fatal(err)
		}
	}
	return p.tokens[key]
}

// cutHeader takes header lines off the front of a section.
func cutHeader(section string) (http.Header, string) {
	header := http.Header{}
	for {
		line, rest, _ := strings.Cut(section, "\n")
		name, value, ok := strings.Cut(line, ": ")
		if !ok || strings.ContainsAny(name, "{[\" ") {
			return header, strings.TrimPrefix(section, "\n")
		}
		header.Add(name, value)
		section = rest
	}
}

// expand puts the values of variables into a request.
func (p *player) expand(s string) string {
	for _, v := range p.vars {
		s = strings.ReplaceAll(s, "{"+v.name+"}", v.value)
	}
	return s
}

var placeholder = regexp.MustCompile(`\{[a-z]\w*\}`)

// match compares an answer with what is wanted, binding new names on the way.
func (p *player) match(got, want string) string {
	var pattern strings.Builder
	var names []string
	last := 0
	for _, at := range placeholder.FindAllStringIndex(want, -1) {
		pattern.WriteString(regexp.QuoteMeta(want[last:at[0]]))
		name := want[at[0]+1 : at[1]-1]
		last = at[1]
		if i := slices.IndexFunc(p.vars, func(v variable) bool { return v.name == name }); i >= 0 {
			pattern.WriteString(regexp.QuoteMeta(p.vars[i].value))
		} else if slices.Contains(names, name) {
			pattern.WriteString(`[^"]+`) // compared below
		} else {
			names = append(names, name)
			pattern.WriteString(`(?P<` + name + `>[^"'/]+?(?:/[^"'/]*?)*?)`)
		}
	}
	pattern.WriteString(regexp.QuoteMeta(want[last:]))
	re := regexp.MustCompile("^(?s:" + pattern.String() + ")$")
	groups := re.FindStringSubmatch(got)
	if groups == nil {
		return "got\n" + p.abstract(got) + "\nwant\n" + want
	}
	for _, name := range names {
		value := groups[re.SubexpIndex(name)]
		if i := slices.IndexFunc(p.vars, func(v variable) bool { return v.value == value }); i >= 0 {
			return fmt.Sprintf("{%s} has the value of {%s} in\n%s", name, p.vars[i].name, got)
		}
		p.vars = append(p.vars, variable{name, value})
	}
	if len(names) > 0 {
		return p.match(got, want) // now that all names have values
	}
	return ""
}

// abstract puts names for the values of variables.
func (p *player) abstract(s string) string {
	for _, v := range p.vars {
		s = strings.ReplaceAll(s, v.value, "{"+v.name+"}")
		s = strings.ReplaceAll(s, strings.ReplaceAll(v.value, "=", "%3D"), "{"+v.name+"}")
	}
	return s
}

var (
	opaque  = regexp.MustCompile(`[-\w]{23}=|[0-9a-f]{8}-[0-9a-f]{4}-[47][0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}`)
	secrets = regexp.MustCompile(`/attachmentSessions/([-\w]{43})`)
	links   = regexp.MustCompile(`\$(?:skip|delta)token=([-\w]+\.[-\w]+)`)
	etags   = regexp.MustCompile(`W/\\?"([A-Za-z0-9+/=]{24})\\?"`)
	unnamed = regexp.MustCompile(`("(?:client-)?request-id": ")[^"]*"`)
	small   = regexp.MustCompile(`([{\[])\n\s+((?:[^{}\[\]]|\[[^{}\[\]\n]*\])*?)\n\s*([}\]])`) // holds no other object
	newline = regexp.MustCompile(`\n\s+`)
)

// pretty indents a body of JSON and takes out what is new in every answer. What
// fits on a line stands on one. Other bodies are as they are.
func pretty(t *testing.T, got *httptest.ResponseRecorder) string {
	t.Helper()
	body := got.Body.Bytes()
	if len(body) == 0 {
		return ""
	}
	if !strings.HasPrefix(got.Header().Get("Content-Type"), "application/json") {
		return string(body)
	}
	var b bytes.Buffer
	if err := json.Indent(&b, body, "", "  "); err != nil {
		t.Fatalf("%v in %s", err, body)
	}
	text := strings.ReplaceAll(unnamed.ReplaceAllString(b.String(), `$1*"`), "%3D')", "=')")
	for range 2 { // the second time for what holds arrays
		text = small.ReplaceAllStringFunc(text, func(s string) string {
			part := small.FindStringSubmatch(s)
			line := part[1] + newline.ReplaceAllString(part[2], " ") + part[3]
			if len(line) > 150 {
				return s
			}
			return line
		})
	}
	return text
}

// record writes an answer into a, with the headers that a names already.
func (p *player) record(got *httptest.ResponseRecorder, a *txtar.File, names []string) {
	body := pretty(p.t, got)
	var out strings.Builder
	header, _ := cutHeader(string(a.Data))
	keys := slices.Sorted(func(yield func(string) bool) {
		for k := range header {
			if !yield(k) {
				return
			}
		}
	})
	for _, k := range keys {
		out.WriteString(k + ": " + got.Header().Get(k) + "\n")
	}
	if len(keys) > 0 && body != "" {
		out.WriteString("\n")
	}
	if body != "" {
		out.WriteString(body + "\n")
	}
	for _, m := range links.FindAllStringSubmatch(body, -1) {
		if !p.knows(m[1]) {
			p.name(m[1], "token", new([]string))
		}
	}
	for _, m := range secrets.FindAllStringSubmatch(body, -1) {
		if !p.knows(m[1]) {
			p.name(m[1], "session", &names)
		}
	}
	for _, v := range opaque.FindAllString(out.String(), -1) {
		if !p.knows(v) {
			p.name(v, "id", &names)
		}
	}
	for _, m := range etags.FindAllStringSubmatch(out.String(), -1) {
		if !p.knows(m[1]) {
			p.name(m[1], "etag", new([]string))
		}
	}
	_, given, named := strings.Cut(a.Name, " ")
	a.Name, a.Data = fmt.Sprint(got.Code), []byte(p.abstract(out.String()))
	if named {
		a.Name += " " + given
	}
}

func (p *player) knows(value string) bool {
	return slices.ContainsFunc(p.vars, func(v variable) bool { return v.value == value })
}

// name names a value: the next of names, or kind with a number.
func (p *player) name(value, kind string, names *[]string) {
	if len(*names) > 0 {
		p.vars = append(p.vars, variable{(*names)[0], value})
		*names = (*names)[1:]
		return
	}
	for n := 1; ; n++ {
		name := fmt.Sprint(kind, n)
		if !slices.ContainsFunc(p.vars, func(v variable) bool { return v.name == name }) {
			p.vars = append(p.vars, variable{name, value})
			return
		}
	}
}
