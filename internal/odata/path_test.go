package odata

import (
	"errors"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/duly-todo/duly/internal/todo"
)

func seg(s string) Segment { return Segment{Name: s, Raw: s} }

func segCut(name, raw string) Segment { return Segment{Name: name, Raw: raw} }

func segKey(s string) Segment { return Segment{Name: s, Raw: s, Key: true} }

func segNamed(name, s string) Segment { return Segment{Name: s, Raw: s, Key: true, KeyName: name} }

func TestParsePath(t *testing.T) {
	t.Parallel()
	lists := func(more ...Segment) []Segment {
		return append([]Segment{seg("me"), seg("todo"), seg("lists")}, more...)
	}
	tests := []struct {
		name, path string
		want       []Segment
	}{
		{"root", "", nil},
		{"root with a slash", "/", nil},
		{"collection", "/me/todo/lists", lists()},
		{"no slash in front", "me/todo/lists", lists()},
		{"slash at the end", "/me/todo/lists/", lists()},
		{"slashes at the end", "/me/todo/lists//", lists()},
		{"case is kept", "/ME/todo/Lists", []Segment{seg("ME"), seg("todo"), seg("Lists")}},
		{"user", "/users/87d349ed-44d7-43e1-9a83-5f2406dee5bd/todo", []Segment{seg("users"), seg("87d349ed-44d7-43e1-9a83-5f2406dee5bd"), seg("todo")}},
		{"user name", "/users/ann@x.example", []Segment{seg("users"), seg("ann@x.example")}},
		{"user name with a quote", "/users/o'brien@x.example", []Segment{seg("users"), seg("o'brien@x.example")}},
		{"user name like a namespace", "/users/graph.admin@x.example", []Segment{seg("users"), seg("graph.admin@x.example")}},
		{"placeholder of the SDKs", "/users/me-token-to-replace/todo", []Segment{seg("users"), seg("me-token-to-replace"), seg("todo")}},

		{"id between slashes", "/me/todo/lists/AQMk-_AB==/tasks/AB=/checklistItems", lists(seg("AQMk-_AB=="), seg("tasks"), seg("AB="), seg("checklistItems"))},
		{"id escaped", "/me/todo/lists/AQMk%3D%3d", lists(seg("AQMk=="))},
		{"id with an escaped slash", "/me/todo/lists/a%2Fb%2fc", lists(seg("a/b/c"))},
		{"id escaped twice is decoded once", "/me/todo/lists/a%253D", lists(seg("a%3D"))},
		{"plus is plus", "/me/todo/lists/a+b", lists(seg("a+b"))},
		{"alias", "/me/todo/lists/tasks/tasks", lists(seg("tasks"), seg("tasks"))},

		{"quoted key", "/me/todo/lists('AQ%3D%3D')/tasks('B=')/checklistItems/", lists(segKey("AQ=="), seg("tasks"), segKey("B="), seg("checklistItems"))},
		{"mixed", "/me/todo/lists/A/tasks('B')", lists(seg("A"), seg("tasks"), segKey("B"))},
		{"quotes escaped", "/me/todo/lists(%27A%27)", lists(segKey("A"))},
		{"parentheses escaped", "/me/todo/lists%28'A'%29", lists(segKey("A"))},
		{"quote in a key", "/users('o''brien@x.example')", []Segment{seg("users"), segKey("o'brien@x.example")}},
		{"quotes in a key, escaped", "/users('o%27%27brien%27%27')", []Segment{seg("users"), segKey("o'brien'")}},
		{"only quotes in a key", "/users('''''')", []Segment{seg("users"), segKey("''")}},
		{"anything in a quoted key", "/me/todo/lists('a(b)=,%20%2F c')", lists(segKey("a(b)=, / c"))},
		{"unquoted key", "/users(87d349ed-44d7-43e1-9a83-5f2406dee5bd)/todo", []Segment{seg("users"), segKey("87d349ed-44d7-43e1-9a83-5f2406dee5bd"), seg("todo")}},
		{"unquoted key with equals signs", "/me/todo/lists(AQ==)/tasks(B=)", lists(segKey("AQ=="), seg("tasks"), segKey("B="))},
		{"unquoted key of one word and more", "/me/todo/lists(A-B=C)", lists(segKey("A-B=C"))},
		{"alternate key", "/users(userPrincipalName='a@b')", []Segment{seg("users"), segNamed("userPrincipalName", "a@b")}},
		{"named key", "/me/todo/lists(id='AQ==')", lists(segNamed("id", "AQ=="))},
		{"named key, unquoted", "/me/todo/lists(id=AQ==)", lists(segNamed("id", "AQ=="))},
		{"typed key", "/users(guid'87d349ed')", []Segment{seg("users"), segKey("87d349ed")}},

		{"delta", "/me/todo/lists/delta", lists(seg("delta"))},
		{"delta()", "/me/todo/lists/delta()", lists(segCut("delta", "delta()"))},
		{"delta() escaped", "/me/todo/lists/delta%28%29", lists(segCut("delta", "delta()"))},
		{"microsoft.graph.delta", "/me/todo/lists/microsoft.graph.delta", lists(segCut("delta", "microsoft.graph.delta"))},
		{"microsoft.graph.delta()", "/me/todo/lists/microsoft.graph.delta()", lists(segCut("delta", "microsoft.graph.delta()"))},
		{"graph.delta()", "/me/todo/lists/graph.delta()", lists(segCut("delta", "graph.delta()"))},
		{"namespace in any case", "/me/todo/lists/Microsoft.Graph.Delta", lists(segCut("Delta", "Microsoft.Graph.Delta"))},
		{"namespace alone", "/me/todo/lists/graph.", lists(seg("graph."))},
		{"action", "/attachments/microsoft.graph.createUploadSession", []Segment{seg("attachments"), segCut("createUploadSession", "microsoft.graph.createUploadSession")}},
		{"action of a subscription", "/subscriptions/7/reauthorize", []Segment{seg("subscriptions"), seg("7"), seg("reauthorize")}},
		{"cast", "/attachments/A/Microsoft.graph.taskFileAttachment", []Segment{seg("attachments"), seg("A"), segCut("taskFileAttachment", "Microsoft.graph.taskFileAttachment")}},
		{"qualified name with a key", "/graph.todoTask('A')", []Segment{segCut("todoTask", "graph.todoTask"), segKey("A")}},
		{"name of an extension", "/extensions/microsoft.graph.openTypeExtension.com.contoso.x", []Segment{seg("extensions"), seg("microsoft.graph.openTypeExtension.com.contoso.x")}},
		{"name of an extension like a function", "/extensions/graph.x", []Segment{seg("extensions"), segCut("x", "graph.x")}},
		{"count", "/me/todo/lists/$count", lists(seg("$count"))},
		{"count escaped", "/me/todo/lists/%24count", lists(seg("$count"))},
		{"property", "/attachments/A/$value", []Segment{seg("attachments"), seg("A"), seg("$value")}},

		{"function without parameters", "/supportedTimeZones()", []Segment{segCut("supportedTimeZones", "supportedTimeZones()")}},
		{"function with a parameter", "/supportedTimeZones(TimeZoneStandard='Iana')", []Segment{seg("supportedTimeZones"), segNamed("TimeZoneStandard", "Iana")}},
		{"function with an enumeration", "/supportedTimeZones(TimeZoneStandard=microsoft.graph.timeZoneStandard'Iana')", []Segment{seg("supportedTimeZones"), segNamed("TimeZoneStandard", "Iana")}},
		{"function with both", "/microsoft.graph.supportedTimeZones(timezonestandard=Microsoft.Graph.TimeZoneStandard%27windows%27)", []Segment{segCut("supportedTimeZones", "microsoft.graph.supportedTimeZones"), segNamed("timezonestandard", "windows")}},
		{"beyond ASCII", "/extensions/%C3%A4%E2%82%AC/ü", []Segment{seg("extensions"), seg("ä€"), seg("ü")}},
		{"32 segments", strings.Repeat("/a", 32), manySegments()},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			got, err := ParsePath(test.path)
			if err != nil {
				t.Fatalf("ParsePath(%q): %v", test.path, err)
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("ParsePath(%q) (-want +got):\n%s", test.path, diff)
			}
		})
	}
}

func manySegments() []Segment {
	all := make([]Segment, 32)
	for i := range all {
		all[i] = seg("a")
	}
	return all
}

func TestParsePathErrors(t *testing.T) {
	t.Parallel()
	segment := func(s, problem string) string {
		return "The segment '" + s + "' of the URL cannot be read: " + problem + "."
	}
	tests := []struct{ name, path, want string }{
		{"empty segment", "/me//todo", segment("", "it is empty")},
		{"empty first segment", "//me", segment("", "it is empty")},
		{"percent alone", "/me/a%", segment("a%", "it has a percent sign without two hexadecimal digits")},
		{"percent and one digit", "/me/a%2/b", segment("a%2", "it has a percent sign without two hexadecimal digits")},
		{"percent and no digits", "/me/%zz", segment("%zz", "it has a percent sign without two hexadecimal digits")},
		{"invalid UTF-8", "/me/a%ff", segment("a%ff", "it is not UTF-8")},
		{"invalid UTF-8, not escaped", "/me/a\xff", segment("a\ufffd", "it is not UTF-8")},
		{"overlong UTF-8", "/me/%c0%af", segment("%c0%af", "it is not UTF-8")},
		{"NUL", "/me/a%00", segment("a%00", "it has a control character")},
		{"line break", "/me/a%0a", segment("a%0a", "it has a control character")},
		{"DEL", "/me/a%7F", segment("a%7F", "it has a control character")},
		{"control character of Latin-1", "/me/%C2%85", segment("%C2%85", "it has a control character")},
		{"not closed", "/lists('x'", segment("lists('x'", "it does not end with its closing parenthesis")},
		{"text after the key", "/lists('x')y", segment("lists('x')y", "it does not end with its closing parenthesis")},
		{"not opened", "/lists'x')", segment("lists'x')", "it has a closing parenthesis without an opening one")},
		{"no name", "/('x')", segment("('x')", "it has no name before the parenthesis")},
		{"quote not closed", "/lists('x)", segment("lists('x)", "its key does not end with a quote")},
		{"a single quote", "/lists(')", segment("lists(')", "its key does not end with a quote")},
		{"quote not opened", "/lists(x')", segment("lists(x')", "its key does not end with a quote")},
		{"quote not doubled", "/lists('o'brien')", segment("lists('o'brien')", "its key has a quote that is not doubled")},
		{"key that is empty", "/lists('')", segment("lists('')", "its key is empty")},
		{"two keys", "/lists('x')('y')", segment("lists('x')('y')", "its key has a quote that is not doubled")},
		{"two parameters", "/f(a='1',b='2')", segment("f(a='1',b='2')", "its key has a quote that is not doubled")},
		{"two parameters, unquoted", "/f(a=1,b=2)", segment("f(a=1,b=2)", "its key has characters that need quotes")},
		{"parentheses twice", "/f()()", segment("f()()", "its key has characters that need quotes")},
		{"space before the quote", "/lists( 'x')", segment("lists( 'x')", "its key does not start with a quote")},
		{"33 segments", strings.Repeat("/a", 32) + "/b", "The path of the URL has more than the 32 segments allowed: 'b' is beyond them."},
		{"33 segments with keys", strings.Repeat("/a(1)", 16) + "/b", "The path of the URL has more than the 32 segments allowed: 'b' is beyond them."},
		{"too long", "/" + strings.Repeat("a", maxPath), "The path of the URL is longer than the 4096 bytes allowed."},
		{"long segment is cut", "/" + strings.Repeat("ä", 60) + "%", segment(strings.Repeat("ä", 50)+"…", "it has a percent sign without two hexadecimal digits")},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			_, err := ParsePath(test.path)
			want := &todo.Error{Kind: todo.BadRequest, Message: test.want}
			var got *todo.Error
			if !errors.As(err, &got) {
				t.Fatalf("ParsePath(%q): %v, which is no *todo.Error", test.path, err)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("ParsePath(%q) (-want +got):\n%s", test.path, diff)
			}
		})
	}
}

// printPath writes segments as a path, keys in quotes and all else escaped.
func printPath(segments []Segment) string {
	var b strings.Builder
	for _, s := range segments {
		if !s.Key {
			b.WriteString("/" + url.PathEscape(s.Raw))
			continue
		}
		b.WriteString("(")
		if s.KeyName != "" {
			b.WriteString(s.KeyName + "=")
		}
		b.WriteString("'" + url.PathEscape(strings.ReplaceAll(s.Name, "'", "''")) + "')")
	}
	return b.String()
}

func FuzzParsePath(f *testing.F) {
	for _, seed := range []string{
		"/me/todo/lists('AQ%3D%3D')/tasks/AB=/checklistItems/", "/users(userPrincipalName='o''b@c')/todo",
		"/me/todo/lists/microsoft.graph.delta()", "/supportedTimeZones(TimeZoneStandard=microsoft.graph.timeZoneStandard%27Iana%27)",
		"/users(87d349ed-44d7-43e1-9a83-5f2406dee5bd)", "/lists(AQ==)", "/a%2Fb%28%29/%", "/f(a='1',b=2)", "//", "/%C3%A4/graph.a.b",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, path string) {
		segments, err := ParsePath(path)
		if err != nil {
			var e *todo.Error
			if !errors.As(err, &e) || e.Kind != todo.BadRequest {
				t.Fatalf("ParsePath(%q): %v is no *todo.Error of kind BadRequest", path, err)
			}
			return
		}
		printed := printPath(segments)
		if len(printed) > maxPath {
			return // escapes make it longer
		}
		again, err := ParsePath(printed)
		if err != nil {
			t.Fatalf("ParsePath(%q), printed from %q: %v", printed, path, err)
		}
		if diff := cmp.Diff(segments, again); diff != "" {
			t.Errorf("%q, printed from %q (-want +got):\n%s", printed, path, diff)
		}
	})
}

func BenchmarkParsePath(b *testing.B) {
	paths := []struct{ name, path string }{
		{"Plain", "/me/todo/lists/AQMkADAwATNiZmYAZC04OABiMC0xZDlkLTAwAi0wMAoALgAAA8dKmrSa60tBjeiKoPukmoQ/tasks/AQMkADAwATNiZmYAZC04OABiMC0xZDlkLTAwAi0wMAoARgAAA8dKmrSa60tBjeiKoPukmoQ"},
		{"Escaped", "/me/todo/lists/AQMkADAwATNiZmYAZC04OABiMC0xZDlkLTAwAi0wMAo%3D/tasks/AQMkADAwATNiZmYAZC04OABiMC0xZDlkLTAwAi0wMAo%3D"},
		{"Keys", "/me/todo/lists('AQMkADAwATNiZmYAZC04OABiMC0xZDlkLTAwAi0wMAo=')/tasks('AQMkADAwATNiZmYAZC04OABiMC0xZDlkLTAwAi0wMAo=')"},
		{"Delta", "/me/todo/lists/AQMkADAwATNiZmYAZC04OABiMC0xZDlkLTAwAi0wMAo=/tasks/microsoft.graph.delta()"},
	}
	for _, p := range paths {
		b.Run(p.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := ParsePath(p.path); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func TestResolveParameter(t *testing.T) {
	t.Parallel()
	aliases := map[string]string{"@p": "'Iana'", "@typed": "microsoft.graph.timeZoneStandard'Iana'", "@plain": "Iana", "@quoted": "'o''brien'", "@bad": "'Ia'na'", "@none": ""}
	for _, test := range []struct{ sent, want, message string }{
		{"Iana", "Iana", ""},
		{"@p", "Iana", ""},
		{"@P", "Iana", ""},
		{"@typed", "Iana", ""},
		{"@plain", "Iana", ""},
		{"@quoted", "o'brien", ""},
		{"@none", "", ""},
		{"@other", "", "The query has no value for the parameter alias '@other'."},
		{"@bad", "", "The value ''Ia'na'' of the parameter alias '@bad' cannot be read: its key has a quote that is not doubled."},
	} {
		got, err := ResolveParameter(test.sent, aliases)
		e, _ := errors.AsType[*todo.Error](err)
		switch {
		case test.message == "" && (err != nil || got != test.want):
			t.Errorf("%s is %q, %v", test.sent, got, err)
		case test.message != "" && (e == nil || e.Kind != todo.BadRequest || e.Message != test.message):
			t.Errorf("%s: %v", test.sent, err)
		}
	}
}
