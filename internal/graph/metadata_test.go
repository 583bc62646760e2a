package graph_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"encoding/xml"
	"errors"
	"io"
	"maps"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/duly-todo/duly"
	"github.com/duly-todo/duly/internal/odata"
	"github.com/duly-todo/duly/internal/store"
)

// A csdlType is a type of a CSDL document.
type csdlType struct {
	Name       string       `xml:",attr"`
	BaseType   string       `xml:",attr"`
	Abstract   bool         `xml:",attr"`
	OpenType   bool         `xml:",attr"`
	Members    []csdlMember `xml:"Member"` // of an enumeration
	Properties []csdlMember `xml:"Property"`
	Navigation []csdlMember `xml:"NavigationProperty"`
}

// A csdlMember is a member of a type, or what a container has.
type csdlMember struct {
	Name           string `xml:",attr"`
	Type           string `xml:",attr"`
	EntityType     string `xml:",attr"`
	Value          string `xml:",attr"`
	Nullable       string `xml:",attr"`
	ContainsTarget bool   `xml:",attr"`
}

// A csdlOperation is a function or an action.
type csdlOperation struct {
	Name       string       `xml:",attr"`
	IsBound    bool         `xml:",attr"`
	Parameters []csdlMember `xml:"Parameter"`
	ReturnType csdlMember
}

// A csdlSchema is a CSDL document, as far as the tests read it.
type csdlSchema struct {
	Namespace  string          `xml:",attr"`
	Alias      string          `xml:",attr"`
	Enums      []csdlType      `xml:"EnumType"`
	Complex    []csdlType      `xml:"ComplexType"`
	Entity     []csdlType      `xml:"EntityType"`
	Functions  []csdlOperation `xml:"Function"`
	Actions    []csdlOperation `xml:"Action"`
	Sets       []csdlMember    `xml:"EntityContainer>EntitySet"`
	Singletons []csdlMember    `xml:"EntityContainer>Singleton"`
}

// readCSDL reads a document that must be well formed to its end.
func readCSDL(t *testing.T, text []byte) csdlSchema {
	t.Helper()
	for d := xml.NewDecoder(bytes.NewReader(text)); ; {
		_, err := d.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	var file struct {
		Schema []csdlSchema `xml:"DataServices>Schema"`
	}
	if err := xml.Unmarshal(text, &file); err != nil {
		t.Fatal(err)
	}
	if len(file.Schema) != 1 || file.Schema[0].Namespace != "microsoft.graph" || file.Schema[0].Alias != "graph" {
		t.Fatalf("the document has not the one schema microsoft.graph: %.300s", text)
	}
	return file.Schema[0]
}

// facts are the statements of a document by what they are about, such as
// "todoTask/title".
func (s csdlSchema) facts() map[string]string {
	out := map[string]string{}
	words := func(all ...string) string {
		return strings.Join(slices.DeleteFunc(all, func(w string) bool { return w == "" }), " ")
	}
	when := func(ok bool, word string) string {
		if ok {
			return word
		}
		return ""
	}
	for kind, types := range map[string][]csdlType{"enumeration": s.Enums, "complex": s.Complex, "entity": s.Entity} {
		for _, typ := range types {
			out[typ.Name] = words(kind, typ.BaseType, when(typ.Abstract, "abstract"), when(typ.OpenType, "open"))
			for _, m := range typ.Members {
				out[typ.Name+"/"+m.Name] = m.Value
			}
			for _, m := range typ.Properties {
				out[typ.Name+"/"+m.Name] = words(m.Type, when(m.Nullable == "false", "not null"))
			}
			for _, m := range typ.Navigation {
				out[typ.Name+"/"+m.Name] = words("to", m.Type, when(m.Nullable == "false", "not null"), when(m.ContainsTarget, "contained"))
			}
		}
	}
	for _, f := range append(slices.Clone(s.Functions), s.Actions...) {
		if !f.IsBound || len(f.Parameters) == 0 {
			continue
		}
		at := f.Parameters[0].Type + "/" + f.Name
		out[at] = words(strings.ToLower(f.Parameters[0].Name), "to", f.ReturnType.Type) // Graph writes that name in two ways
		for _, p := range f.Parameters[1:] {
			out[at+"/"+p.Name] = words(p.Type, when(p.Nullable == "false", "not null"))
		}
	}
	for _, m := range s.Sets {
		out["container/"+m.Name] = words("set", m.EntityType)
	}
	for _, m := range s.Singletons {
		out["container/"+m.Name] = words("singleton", m.Type)
	}
	return out
}

// getMetadata asks a server for its metadata, as whoever comes.
func getMetadata(t *testing.T, version string) []byte {
	t.Helper()
	m := newMailbox(t, duly.Config{})
	w := httptest.NewRecorder()
	m.server.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), "GET", "/"+version+"/$metadata", nil))
	wantStatus(t, w, 200)
	return w.Body.Bytes()
}

// TestMetadataProperties looks for every property that a query can name.
func TestMetadataProperties(t *testing.T) {
	t.Parallel()
	edm := map[odata.Type]string{
		odata.Bool: "Edm.Boolean", odata.Int: "Edm.Int32", odata.Double: "Edm.Double", odata.String: "Edm.String", odata.DateText: "Edm.String",
		odata.Instant: "Edm.DateTimeOffset", odata.Date: "Edm.Date", odata.TimeOfDay: "Edm.TimeOfDay", odata.Duration: "Edm.Duration",
	}
	without := map[string]string{ // what is known to queries by name alone
		"attachmentBase/contentBytes": "that of files",
		"attachmentSession/content":   "a stream",
	}
	name := func(qualified string) string { return strings.Replace(qualified, "microsoft.graph.", "graph.", 1) }
	facts := readCSDL(t, getMetadata(t, "v1.0")).facts()
	var look func(typeName string, members []odata.Property)
	look = func(typeName string, members []odata.Property) {
		for i := range members {
			p := &members[i]
			at, want := typeName+"/"+p.Name, edm[p.Type]
			switch {
			case p.Name == "id":
				at = "entity/id"
			case p.Type == odata.Enum, p.Type == odata.Complex:
				want = name(p.TypeName)
			case p.IsNavigation() && p.Type == odata.Collection:
				want = "to Collection(" + name(p.Item.Name) + ")"
			case p.IsNavigation():
				want = "to " + name(p.Item.Name)
			case p.Type == odata.Collection && p.Item != nil:
				want = "Collection(" + edm[p.Item.Value.Type] + ")"
			}
			got := strings.TrimSuffix(strings.TrimSuffix(facts[at], " contained"), " not null")
			if without[at] != "" {
				continue
			}
			if got != want {
				t.Errorf("%s is %q, and the table says %q", at, got, want)
			}
			for value, member := range p.Enum {
				if want == "graph.categoryColor" {
					value-- // none is -1
				}
				if got := facts[strings.TrimPrefix(want, "graph.")+"/"+member]; got != strconv.Itoa(value) {
					t.Errorf("%s: %s has the value %q, and the table says %d", want, member, got, value)
				}
			}
			look(strings.TrimPrefix(want, "graph."), p.Complex)
		}
	}
	for typeName, schema := range map[string]*odata.Schema{
		"todoTask": store.TaskSchema(), "todoTaskList": store.ListSchema(), "checklistItem": store.ChecklistItemSchema(),
		"outlookCategory": store.CategorySchema(), "timeZoneInformation": store.ZoneSchema(), "localeInfo": store.LocaleSchema(), "mailboxSettings": store.SettingsSchema(),
		"linkedResource": store.LinkedResourceSchema(), "openTypeExtension": store.ExtensionSchema(), "attachmentBase": store.AttachmentSchema(), "attachmentSession": store.UploadSessionSchema(), "user": store.UserSchema(),
		"subscription": store.SubscriptionSchema(),
	} {
		look(typeName, schema.Properties)
	}
}

// TestMetadataTypes wants all types that the document names in it.
func TestMetadataTypes(t *testing.T) {
	t.Parallel()
	schema := readCSDL(t, getMetadata(t, "v1.0"))
	facts := schema.facts()
	for about, fact := range facts {
		for word := range strings.FieldsSeq(fact) {
			word = strings.TrimSuffix(strings.TrimPrefix(word, "Collection("), ")")
			typeName, graph := strings.CutPrefix(strings.Replace(word, "microsoft.", "", 1), "graph.")
			if graph && facts[typeName] == "" {
				t.Errorf("%s: there is no type %s", about, typeName)
			}
		}
	}
	for _, e := range schema.Entity {
		if e.Name != "entity" && e.BaseType != "graph.entity" && e.BaseType != "graph.extension" && e.BaseType != "graph.attachmentBase" {
			t.Errorf("%s has no id", e.Name)
		}
	}
}

// TestMetadataAsGraph compares what is declared with the metadata of Graph.
func TestMetadataAsGraph(t *testing.T) {
	t.Parallel()
	const (
		root  = "linked resources without a task are of an early documentation"
		cross = "reading tasks across lists is an addition"
		small = "the directory is small: a user has the properties that all answers show, and nothing of a directoryObject"
		later = "not served"
		never = "no id fails to be translated"
	)
	differences := map[string]string{ // declared otherwise than by Graph
		"user":                      small,
		"todo/tasks":                cross,
		"todoTask/parentList":       cross,
		"container/linkedResources": root,
	}
	for about := range readCSDL(t, getMetadata(t, "v1.0")).facts() {
		if name, _, _ := strings.Cut(about, "/"); name == "mailboxSettings" || name == "userPurpose" || about == "user/mailboxSettings" {
			differences[about] = "the types beside the checkout are without those of the settings of a mailbox"
		}
		name, _, _ := strings.Cut(strings.TrimPrefix(about, "graph."), "/")
		if slices.Contains([]string{"keyCredential", "passwordCredential", "requiredResourceAccess", "resourceAccess"}, name) || strings.HasSuffix(strings.ToLower(name), "application") || about == "container/applications" {
			differences[about] = "the types beside the checkout are without those of applications"
		}
	}
	missing := map[string]string{ // of the types that are declared
		"todoTask/singleValueExtendedProperties":     later,
		"todoTaskList/singleValueExtendedProperties": later,
		"convertIdResult/errorDetails":               never,
		"subscription/notificationContentType":       later,
		"subscription/vapidPublicKey":                later,
		"subscription/includeProperties":             later,
		"subscription/webPushEncryptionSecret":       later,
	}
	for version, file := range map[string]string{"v1.0": "todo-v1.csdl.xml", "beta": "todo-beta.csdl.xml"} {
		t.Run(version, func(t *testing.T) {
			theirs := readCSDL(t, specFile(t, file)).facts()
			ours := readCSDL(t, getMetadata(t, version)).facts()
			for _, about := range slices.Sorted(maps.Keys(ours)) {
				if same := ours[about] == theirs[about]; same == (differences[about] != "") {
					t.Errorf("%s is %q, and Graph's is %q; expected to differ: %q", about, ours[about], theirs[about], differences[about])
				}
			}
			for _, about := range slices.Sorted(maps.Keys(theirs)) {
				typeName, _, _ := strings.Cut(about, "/")
				if ours[typeName] != "" && typeName != "user" && ours[about] == "" && missing[about] == "" {
					t.Errorf("%s of Graph is missing: %q", about, theirs[about])
				}
			}
			t.Logf("%d statements compared", len(ours))
		})
	}
}

// TestMetadataIsOpen asks without a token, with one that is no good, and in a batch.
func TestMetadataIsOpen(t *testing.T) {
	t.Parallel()
	m := newMailbox(t, duly.Config{})
	want := getMetadata(t, "v1.0")
	for _, target := range []string{"/v1.0/$metadata", "/beta/$metadata", "/V1.0/%24Metadata/"} {
		for _, token := range []string{"", "Bearer x", "Basic YTpi", "Bearer " + m.token} {
			w := m.do("GET", target, nil, "Authorization", token)
			if w.Code != 200 || w.Header().Get("Content-Type") != "application/xml" || !bytes.Equal(w.Body.Bytes(), want) {
				t.Errorf("GET %s with %.10q: %d %s %.100s", target, token, w.Code, w.Header().Get("Content-Type"), w.Body)
			}
		}
	}
	for _, call := range []struct{ method, target string }{
		{"POST", "/v1.0/$metadata"}, {"POST", "/v1.0/"}, {"DELETE", "/beta"}, {"GET", "/v1.0/$metadata/x"}, {"GET", "/v1.0/users"}, {"POST", "/v1.0/$batch"}, {"GET", "/"}, {"GET", "/v2.0/$metadata"},
	} {
		if w := m.do(call.method, call.target, nil, "Authorization", ""); w.Code != 401 {
			t.Errorf("%s %s without a token: %d %s", call.method, call.target, w.Code, w.Body)
		}
	}
	wantError(t, m.do("POST", "/v1.0/$metadata", strings.NewReader("{}")), 405, "Request_BadRequest", "")

	w := m.do("POST", "/v1.0/$batch", strings.NewReader(`{"requests":[{"id":"1","method":"GET","url":"/$metadata"}]}`))
	var batch struct {
		Responses []struct{ Body string }
	}
	if err := json.Unmarshal(w.Body.Bytes(), &batch); err != nil {
		t.Fatalf("%v in %s", err, w.Body)
	}
	if got, err := base64.StdEncoding.DecodeString(batch.Responses[0].Body); err != nil || !bytes.Equal(got, want) {
		t.Errorf("in a batch: %v %.100s", err, got)
	}
}
