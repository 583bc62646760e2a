package graph_test

import (
	"encoding/base64"
	"encoding/xml"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

// A model is the types of Graph's metadata by name.
type model map[string]*modelType

type modelType struct {
	base    string
	open    bool
	enum    []string          // of an enumeration, its members
	members map[string]string // the type of each
}

// loadModel reads the CSDL of the specification.
func loadModel(t *testing.T) model {
	t.Helper()
	type property struct {
		Name string `xml:",attr"`
		Type string `xml:",attr"`
	}
	type structured struct {
		Name       string     `xml:",attr"`
		BaseType   string     `xml:",attr"`
		OpenType   bool       `xml:",attr"`
		Properties []property `xml:"Property"`
		Navigation []property `xml:"NavigationProperty"`
	}
	var file struct {
		Schema []struct {
			Enums []struct {
				Name    string     `xml:",attr"`
				Members []property `xml:"Member"`
			} `xml:"EnumType"`
			Complex []structured `xml:"ComplexType"`
			Entity  []structured `xml:"EntityType"`
		} `xml:"DataServices>Schema"`
	}
	if err := xml.Unmarshal(specFile(t, "todo-v1.csdl.xml"), &file); err != nil {
		t.Fatal(err)
	}
	m := model{}
	for _, schema := range file.Schema {
		for _, e := range schema.Enums {
			m[e.Name] = &modelType{}
			for _, member := range e.Members {
				m[e.Name].enum = append(m[e.Name].enum, member.Name)
			}
		}
		for _, s := range append(schema.Complex, schema.Entity...) {
			m[s.Name] = &modelType{base: local(s.BaseType), open: s.OpenType, members: map[string]string{}}
			for _, p := range append(s.Properties, s.Navigation...) {
				m[s.Name].members[p.Name] = local(p.Type)
			}
		}
	}
	if m["todoTask"] == nil || m["entity"] == nil {
		t.Fatal("the CSDL has no todoTask")
	}
	return m
}

func local(name string) string {
	return strings.NewReplacer("graph.", "", "microsoft.graph.", "").Replace(name)
}

// member is the type of a member, its own or inherited; "" if there is none.
func (m model) member(typeName, name string) string {
	for t := m[typeName]; t != nil; t = m[t.base] {
		if s := t.members[name]; s != "" {
			return s
		}
	}
	return ""
}

// bodyType is the type of an answer of a route, and whether it is a collection.
func bodyType(method, template string) (name string, collection bool) {
	template = strings.TrimSuffix(template, "/delta")
	last := template[strings.LastIndexByte(template, '/')+1:]
	if last == "{item}" || last == "{attachment}" || last == "{session}" {
		last = strings.ToLower(strings.Split(template, "/")[strings.Count(template, "/")-1])
	}
	switch strings.ToLower(last) {
	case "users", "{user}":
		return "user", last == "users"
	case "todo":
		return "todo", false
	case "lists", "{list}":
		return "todoTaskList", last == "lists" && method == "GET"
	case "tasks", "{task}":
		return "todoTask", last == "tasks" && method == "GET"
	case "checklistitems":
		return "checklistItem", !strings.HasSuffix(template, "}") && method == "GET"
	case "attachments":
		return "taskFileAttachment", !strings.HasSuffix(template, "}") && method == "GET"
	case "attachmentsessions":
		return "attachmentSession", !strings.HasSuffix(template, "}") && method == "GET"
	case "createuploadsession":
		return "uploadSession", false
	case "subscriptions", "{subscription}":
		return "subscription", last == "subscriptions" && method == "GET"
	case "linkedresources":
		return "linkedResource", !strings.HasSuffix(template, "}") && method == "GET"
	case "applications", "{application}":
		return "application", last == "applications" && method == "GET"
	case "outlook":
		return "outlookUser", false
	case "mastercategories":
		return "outlookCategory", !strings.HasSuffix(template, "}") && method == "GET"
	case "mailboxsettings":
		return "mailboxSettings", false
	case "supportedlanguages":
		return "localeInfo", true
	case "supportedtimezones", "supportedtimezones(timezonestandard=microsoft.graph.timezonestandard'iana')":
		return "timeZoneInformation", true
	case "translateexchangeids":
		return "convertIdResult", true
	case "extensions":
		return "openTypeExtension", !strings.HasSuffix(template, "}") && method == "GET"
	}
	return "", false
}

var (
	etagForm     = regexp.MustCompile(`^W/"[A-Za-z0-9+/]+=*"$`)
	dateTimeForm = regexp.MustCompile(`^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{7}$`)
	dateForm     = regexp.MustCompile(`^\d{4}-\d\d-\d\d$`)
)

// checkReply fails the test where an answer does not fit the metadata, or its
// headers do not fit its body.
func (m model) checkReply(t *testing.T, method, template string, r reply) {
	t.Helper()
	if r.Status/100 != 2 {
		if r.text("error", "code") == "" || r.text("error", "innerError", "request-id") != r.Headers["Request-Id"] {
			t.Errorf("status %d with the body %v", r.Status, r.Body)
		}
		return
	}
	for _, problem := range m.checkAnswer(method, template, r.Body) {
		t.Errorf("the answer does not fit the metadata: %s", problem)
	}
	if tag := r.text("@odata.etag"); tag != "" && r.Headers["Etag"] != tag {
		t.Errorf("ETag %q, in the body %q", r.Headers["Etag"], tag)
	}
	if strings.Contains(strings.ToLower(template), "session") { // whose answers are no entities
		return
	}
	if at := r.Headers["Location"]; (r.Status == 201) != (strings.HasPrefix(at, "http://duly.test/") && strings.HasSuffix(at, "/"+r.text("id"))) {
		t.Errorf("status %d with Location %q and id %q", r.Status, at, r.text("id"))
	}
}

// checkParts checks the answers to the parts of a batch: there is one to each,
// and each is as if the part had been sent by itself.
func (m model) checkParts(t *testing.T, parts []batchRequest, r reply) {
	t.Helper()
	answers := r.parts()
	if len(answers) != len(parts) {
		t.Errorf("%d answers to %d parts: %v", len(answers), len(parts), r.Body)
	}
	for _, p := range parts {
		m.checkReply(t, p.Method, parseAddress(p.URL).template, answers[p.ID])
	}
}

// checkAnswer says what of an answer does not fit the metadata: members that
// the type does not have, values of another type, nulls.
func (m model) checkAnswer(method, template string, body any) []string {
	name, collection := bodyType(method, template)
	if body == nil || name == "" {
		return nil
	}
	if collection {
		top, _ := body.(map[string]any)
		items, ok := top["value"].([]any)
		if !ok {
			return []string{"value is no array"}
		}
		links := []string{"@odata.nextLink"}
		var out []string
		if strings.HasSuffix(template, "/delta") {
			links = append(links, "@odata.deltaLink")
			if (top[links[0]] == nil) == (top[links[1]] == nil) {
				out = append(out, "not one of "+strings.Join(links, " and "))
			}
		}
		for member := range top {
			if member != "value" && member != "@odata.context" && member != "@odata.count" && !slices.Contains(links, member) {
				out = append(out, member+": not of a collection")
			}
		}
		for _, item := range items {
			out = append(out, m.check(name, "value[]", item)...)
		}
		return out
	}
	return m.check(name, "", body)
}

func (m model) check(typeName, path string, v any) []string {
	if inner, ok := strings.CutPrefix(typeName, "Collection("); ok {
		items, ok := v.([]any)
		if !ok {
			return []string{fmt.Sprintf("%s: %T for %s", path, v, typeName)}
		}
		var out []string
		for _, item := range items {
			out = append(out, m.check(strings.TrimSuffix(inner, ")"), path+"[]", item)...)
		}
		return out
	}
	s, isText := v.(string)
	ok := isText
	switch typeName {
	case "Edm.String":
	case "Edm.Binary":
		_, err := base64.StdEncoding.DecodeString(s)
		ok = isText && err == nil
	case "Edm.Boolean":
		_, ok = v.(bool)
	case "Edm.Int32", "Edm.Int64":
		_, ok = v.(float64)
	case "Edm.Date":
		ok = dateForm.MatchString(s)
	case "Edm.DateTimeOffset":
		_, err := time.Parse(time.RFC3339Nano, s)
		ok = err == nil && strings.HasSuffix(s, "Z")
	default:
		t := m[typeName]
		if t == nil {
			return []string{path + ": of the unknown type " + typeName}
		}
		if t.enum != nil {
			ok = slices.Contains(t.enum, s)
			break
		}
		return m.checkObject(typeName, path, v)
	}
	if ok {
		return nil
	}
	return []string{fmt.Sprintf("%s: %v is no %s", path, v, typeName)}
}

func (m model) checkObject(typeName, path string, v any) []string {
	object, ok := v.(map[string]any)
	if !ok {
		return []string{fmt.Sprintf("%s: %T for %s", path, v, typeName)}
	}
	var out []string
	for name, value := range object {
		at := strings.TrimPrefix(path+"."+name, ".")
		property, annotation, annotated := strings.Cut(name, "@odata.")
		s, _ := value.(string)
		switch {
		case name == "@removed" && slices.Contains([]string{"map[reason:deleted]", "map[reason:changed]"}, fmt.Sprint(value)):
			continue
		case annotated && property != "" && (annotation == "context" || annotation == "type"):
			continue
		case annotated && annotation == "etag" && etagForm.MatchString(s),
			annotated && annotation == "context" && strings.Contains(s, "/$metadata#"),
			annotated && annotation == "type" && s == "#microsoft.graph."+typeName,
			annotated && annotation == "type" && s == "#microsoft.graph.openTypeExtension":
			continue
		case typeName == "uploadSession" && (name == "ExpirationDateTime" || name == "NextExpectedRanges"): // as the documentation spells them
			name = strings.ToLower(name[:1]) + name[1:]
		case typeName == "dateTimeTimeZone" && name == "dateTime":
			if !dateTimeForm.MatchString(s) {
				out = append(out, fmt.Sprintf("%s: %v has not seven digits", at, value))
			}
			continue
		case value == nil && (typeName == "user" || typeName == "subscription"): // the only types whose nulls are written
			continue
		}
		of := m.member(typeName, name)
		if of == "" {
			if typeName != "openTypeExtension" && !strings.HasSuffix(path, "extensions[]") { // which are open
				out = append(out, at+": not a member of "+typeName)
			}
			continue
		}
		out = append(out, m.check(of, at, value)...)
	}
	return out
}

// differences says what is in want, an answer of the collections, and not the
// same in got, one of ours. What a server makes up, ids and times and etags, has
// to be of the same form; all else has to be equal. Members that want leaves
// out are no difference.
func differences(path string, want, got any) []string {
	switch want := want.(type) {
	case map[string]any:
		object, ok := got.(map[string]any)
		if !ok {
			return []string{fmt.Sprintf("%s: %T for an object", path, got)}
		}
		var out []string
		for name, value := range want {
			at := strings.TrimPrefix(path+"."+name, ".")
			if _, there := object[name]; !there {
				out = append(out, at+": missing")
				continue
			}
			out = append(out, differences(at, value, object[name])...)
		}
		slices.Sort(out)
		return out
	case []any:
		items, ok := got.([]any)
		if !ok || len(items) != len(want) {
			return []string{fmt.Sprintf("%s: %d items for %d", path, len(items), len(want))}
		}
		var out []string
		for i := range want {
			out = append(out, differences(path+"[]", want[i], items[i])...)
		}
		slices.Sort(out)
		return slices.Compact(out)
	case string:
		s, ok := got.(string)
		if ok && sameText(lastMember(path), want, s) {
			return nil
		}
	default:
		if want == got {
			return nil
		}
	}
	return []string{fmt.Sprintf("%s: %v for %v", path, got, want)}
}

// lastMember is the last name of a path; control information has a dot in it.
func lastMember(path string) string {
	if i := strings.LastIndex(path, "@odata."); i >= 0 {
		return path[i:]
	}
	return path[strings.LastIndexByte(path, '.')+1:]
}

var (
	hostPart  = regexp.MustCompile(`^https?://[^/]+`)
	keyPart   = regexp.MustCompile(`\('[^')]*'?\)`)
	listPart  = regexp.MustCompile(`/lists/[^/?]+/tasks`)
	tokenPart = regexp.MustCompile(`token=[^& ]+`)
	opaques   = regexp.MustCompile(`\{[^}]*\}`)
)

// sameText compares the values of a member. A placeholder of the collections
// stands for any text.
func sameText(member, want, got string) bool {
	switch member {
	case "@odata.etag":
		return etagForm.MatchString(got)
	case "@odata.context":
		plain := func(s string) string { return keyPart.ReplaceAllString(hostPart.ReplaceAllString(s, ""), "(*)") }
		return plain(want) == plain(got)
	case "@odata.nextLink", "@odata.deltaLink":
		plain := func(s string) string {
			return tokenPart.ReplaceAllString(listPart.ReplaceAllString(hostPart.ReplaceAllString(s, ""), "/lists/*/tasks"), "token=*")
		}
		return plain(want) == plain(got)
	case "uploadUrl":
		return strings.HasPrefix(got, "http://duly.test/") && len(got)-strings.LastIndexByte(got, '/') > 43
	case "expirationDateTime", "ExpirationDateTime", "createdDateTime", "lastModifiedDateTime", "checkedDateTime":
		_, err := time.Parse(time.RFC3339Nano, got)
		return err == nil && strings.HasSuffix(got, "Z")
	case "id", "date", "request-id", "client-request-id":
		return got != ""
	}
	if prefix, cut := strings.CutSuffix(want, "…"); cut {
		return strings.HasPrefix(got, prefix)
	}
	if opaques.MatchString(want) {
		pattern := ""
		for i, part := range opaques.Split(want, -1) {
			if i > 0 {
				pattern += ".*"
			}
			pattern += regexp.QuoteMeta(part)
		}
		return regexp.MustCompile("^" + pattern + "$").MatchString(got)
	}
	return want == got
}
