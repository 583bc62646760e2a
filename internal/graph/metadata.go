package graph

import (
	"bytes"
	"cmp"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/duly-todo/duly/internal/odata"
	"github.com/duly-todo/duly/internal/store"
	"github.com/duly-todo/duly/internal/todo"
)

// The metadata tells tools what is served before they ask for it. It is made
// from the tables by which query options are read; what these do not hold is in
// the tables of this file.

// getMetadata serves GET /$metadata.
func (s *Server) getMetadata(r *request) error {
	r.header["Content-Type"] = []string{"application/xml"}
	r.send(http.StatusOK, metadata())
	return nil
}

// getService serves GET of the version itself: the service document, which lists
// what paths begin with (OData JSON Format 4.01, section 5).
func (s *Server) getService(r *request) error {
	e := r.encoder()
	e.b = append(e.b, '{')
	if !r.bare {
		e.str("@odata.context", r.base+"/"+r.version+"/$metadata")
	}
	e.name("value")
	e.b = append(e.b, '[')
	for _, m := range container() {
		e.open()
		e.str("name", m.name)
		e.str("kind", m.kind)
		e.str("url", m.name)
		e.close()
	}
	e.b = append(e.b, "]}"...)
	r.answer(http.StatusOK, e.b)
	return nil
}

// A resource is what a path can begin with.
type resource struct {
	name, kind, typeName string
}

func container() []resource {
	return []resource{
		{"users", "EntitySet", "user"},
		{"me", "Singleton", "user"},
		{"linkedResources", "EntitySet", "linkedResource"},
		{"subscriptions", "EntitySet", "subscription"},
		{"applications", "EntitySet", "application"},
	}
}

// namespace is what stands before the names of all types; "graph." is short for it.
const namespace = "microsoft.graph."

// An entityType is one of the types that have an id.
type entityType struct {
	name, base     string
	abstract, open bool
	stream         bool             // it has a $value
	properties     []odata.Property // those of the base may be among them
}

// entityTypes are those that are served, in the order of their names.
func entityTypes() []entityType {
	id := []odata.Property{{Name: "id", Type: odata.String}}
	todoMembers := []odata.Property{
		{Name: "lists", Type: odata.Collection, Item: store.ListSchema()},
		{Name: "tasks", Type: odata.Collection, Item: store.TaskSchema()},
	}
	user := append(slices.Clone(store.UserSchema().Properties),
		odata.Property{Name: "todo", Type: odata.Entity, Item: &odata.Schema{Name: namespace + "todo"}},
		odata.Property{Name: "outlook", Type: odata.Entity, Item: store.OutlookSchema()})
	outlookMembers := []odata.Property{{Name: "masterCategories", Type: odata.Collection, Item: store.CategorySchema()}}
	bytes := []odata.Property{{Name: "contentBytes", Type: odata.String, TypeName: "Edm.Binary"}}
	session := append(slices.Clone(store.UploadSessionSchema().Properties), odata.Property{Name: "content", Type: odata.String, TypeName: "Edm.Stream"})
	return []entityType{
		{name: "application", base: "entity", properties: store.AppSchema().Properties},
		{name: "attachmentBase", base: "entity", abstract: true, stream: true, properties: store.AttachmentSchema().Properties},
		{name: "attachmentSession", base: "entity", properties: session},
		{name: "checklistItem", base: "entity", properties: store.ChecklistItemSchema().Properties},
		{name: "entity", abstract: true, properties: id},
		{name: "extension", base: "entity", abstract: true, open: true},
		{name: "linkedResource", base: "entity", properties: store.LinkedResourceSchema().Properties},
		{name: "openTypeExtension", base: "extension", open: true, properties: store.ExtensionSchema().Properties},
		{name: "outlookCategory", base: "entity", properties: store.CategorySchema().Properties},
		{name: "outlookUser", base: "entity", properties: outlookMembers},
		{name: "taskFileAttachment", base: "attachmentBase", properties: bytes},
		{name: "subscription", base: "entity", properties: store.SubscriptionSchema().Properties},
		{name: "todo", base: "entity", properties: todoMembers},
		{name: "todoTask", base: "entity", properties: store.TaskSchema().Properties},
		{name: "todoTaskList", base: "entity", properties: store.ListSchema().Properties},
		{name: "user", base: "entity", properties: user},
	}
}

// recurrence is the type patternedRecurrence, whose members no filter can name.
func recurrence() odata.Property {
	number := func(name string) odata.Property { return odata.Property{Name: name, Type: odata.Int} }
	enum := func(name, typeName string, member func(int) string) odata.Property {
		p := odata.Property{Name: name, Type: odata.Enum, TypeName: namespace + typeName}
		for i := 0; member(i) != ""; i++ {
			p.Enum = append(p.Enum, member(i))
		}
		return p
	}
	complexType := func(name, typeName string, members ...odata.Property) odata.Property {
		return odata.Property{Name: name, Type: odata.Complex, TypeName: namespace + typeName, Complex: members}
	}
	day := enum("firstDayOfWeek", "dayOfWeek", func(i int) string { return todo.WeekdayName(time.Weekday(i)) })
	return complexType("recurrence", "patternedRecurrence",
		complexType("pattern", "recurrencePattern",
			number("dayOfMonth"),
			odata.Property{Name: "daysOfWeek", Type: odata.Collection, Item: &odata.Schema{Value: &day}},
			day,
			enum("index", "weekIndex", func(i int) string { return todo.WeekIndex(i).String() }),
			number("interval"),
			number("month"),
			enum("type", "recurrencePatternType", func(i int) string { return todo.PatternType(i).String() }),
		),
		complexType("range", "recurrenceRange",
			odata.Property{Name: "endDate", Type: odata.Date},
			number("numberOfOccurrences"),
			odata.Property{Name: "recurrenceTimeZone", Type: odata.String},
			odata.Property{Name: "startDate", Type: odata.Date},
			enum("type", "recurrenceRangeType", func(i int) string { return todo.RangeType(i).String() }),
		),
	)
}

// mailboxTypes are the complex types and enumerations of a mailbox that are no
// property of an entity, or whose members no filter can name.
func mailboxTypes() []odata.Property {
	complexType := func(name string, members []odata.Property) odata.Property {
		return odata.Property{Type: odata.Complex, TypeName: namespace + name, Complex: members}
	}
	enum := func(name string, member func(int) string) odata.Property {
		p := odata.Property{Type: odata.Enum, TypeName: namespace + name}
		for i := 0; member(i) != ""; i++ {
			p.Enum = append(p.Enum, member(i))
		}
		return p
	}
	return []odata.Property{
		complexType("mailboxSettings", store.SettingsSchema().Properties),
		complexType("localeInfo", store.LocaleSchema().Properties),
		complexType("timeZoneInformation", store.ZoneSchema().Properties),
		complexType("convertIdResult", []odata.Property{{Name: "sourceId", Type: odata.String}, {Name: "targetId", Type: odata.String}}),
		enum("exchangeIdFormat", func(i int) string { return todo.ExchangeIDFormat(i).String() }),
		enum("timeZoneStandard", func(i int) string { return todo.TimeZoneStandard(i).String() }),
	}
}

// firstValue is the value of the first member of an enumeration.
func firstValue(enum string) int {
	if enum == "categoryColor" {
		return int(todo.NoColor)
	}
	return 0
}

// uploadTypes are the types of createUploadSession: what it takes, and what it gives.
func uploadTypes() []odata.Property {
	text := func(name string) odata.Property { return odata.Property{Name: name, Type: odata.String} }
	kind := odata.Property{Name: "attachmentType", Type: odata.Enum, TypeName: namespace + "attachmentType"}
	for i := 0; todo.AttachmentType(i).String() != ""; i++ {
		kind.Enum = append(kind.Enum, todo.AttachmentType(i).String())
	}
	return []odata.Property{
		{Type: odata.Complex, TypeName: namespace + "attachmentInfo", Complex: []odata.Property{
			kind, text("contentType"), text("name"), {Name: "size", Type: odata.Int, TypeName: "Edm.Int64"},
		}},
		{Type: odata.Complex, TypeName: namespace + "uploadSession", Complex: []odata.Property{
			{Name: "expirationDateTime", Type: odata.Instant},
			{Name: "nextExpectedRanges", Type: odata.Collection, Item: &odata.Schema{Value: &odata.Property{Type: odata.String}}},
			text("uploadUrl"),
		}},
	}
}

// notNull says whether Graph declares a member so (surface §4 and §5). The
// tables of properties cannot tell: there a title is never null, since every
// task has one, while Graph leaves it open.
func notNull(typeName, member string) bool {
	switch typeName {
	case "attachmentBase":
		return member == "size"
	case "checklistItem":
		return member == "createdDateTime"
	case "dateTimeTimeZone":
		return member == "dateTime"
	case "entity":
		return member == "id"
	case "openTypeExtension":
		return member == "extensionName"
	case "recurrencePattern":
		return member == "dayOfMonth" || member == "interval" || member == "month"
	case "recurrenceRange":
		return member == "numberOfOccurrences"
	case "taskFileAttachment":
		return member == "contentBytes"
	case "subscription":
		return member == "changeType" || member == "expirationDateTime" || member == "notificationUrl" || member == "resource"
	case "todoTask":
		switch member {
		case "bodyLastModifiedDateTime", "createdDateTime", "importance", "isReminderOn", "lastModifiedDateTime", "status":
			return true
		}
	case "todoTaskList":
		return member == "isOwner" || member == "isShared" || member == "wellknownListName"
	case "user":
		return member == "businessPhones"
	}
	return false
}

// metadata is the CSDL document: the same for v1.0 and beta, which serve the same.
var metadata = sync.OnceValue(func() []byte {
	types := entityTypes()
	values := valueTypes{enums: map[string][]string{}, complex: map[string][]odata.Property{}}
	for _, t := range types {
		for i := range t.properties {
			values.add(&t.properties[i])
		}
	}
	for _, p := range append(mailboxTypes(), uploadTypes()...) {
		values.add(&p)
	}
	w := &csdlWriter{}
	w.line(`<?xml version="1.0" encoding="utf-8"?>`)
	w.line(`<edmx:Edmx Version="4.0" xmlns:edmx="http://docs.oasis-open.org/odata/ns/edmx">`)
	w.line(`  <edmx:DataServices>`)
	w.line(`    <Schema Namespace="microsoft.graph" Alias="graph" xmlns="http://docs.oasis-open.org/odata/ns/edm">`)
	for _, name := range slices.Sorted(maps.Keys(values.enums)) {
		w.line(`      <EnumType Name="%s">`, name)
		for i, member := range values.enums[name] {
			w.line(`        <Member Name="%s" Value="%d" />`, member, i+firstValue(name))
		}
		w.line(`      </EnumType>`)
	}
	for _, name := range slices.Sorted(maps.Keys(values.complex)) {
		w.line(`      <ComplexType Name="%s">`, name)
		w.properties(name, values.complex[name])
		w.line(`      </ComplexType>`)
	}
	for i := range types {
		w.entity(&types[i], types)
	}
	const format = "graph.exchangeIdFormat"
	w.operation("Action", "addPassword", "graph.application", "graph.passwordCredential", "passwordCredential", "graph.passwordCredential")
	w.operation("Action", "createUploadSession", "Collection(graph.attachmentBase)", "graph.uploadSession", "attachmentInfo", "graph.attachmentInfo")
	w.operation("Action", "removePassword", "graph.application", "", "keyId", "Edm.Guid")
	w.operation("Action", "reauthorize", "graph.subscription", "")
	w.operation("Action", "translateExchangeIds", "graph.user", "Collection(graph.convertIdResult)", "InputIds", "Collection(Edm.String)", "TargetIdType", format, "SourceIdType", format)
	for _, name := range []string{"todoTask", "todoTaskList"} {
		w.operation("Function", "delta", "Collection(graph."+name+")", "Collection(graph."+name+")")
	}
	w.operation("Function", "supportedLanguages", "graph.outlookUser", "Collection(graph.localeInfo)")
	w.operation("Function", "supportedTimeZones", "graph.outlookUser", "Collection(graph.timeZoneInformation)")
	w.operation("Function", "supportedTimeZones", "graph.outlookUser", "Collection(graph.timeZoneInformation)", "TimeZoneStandard", "graph.timeZoneStandard")
	w.container()
	w.line(`    </Schema>`)
	w.line(`  </edmx:DataServices>`)
	w.line(`</edmx:Edmx>`)
	return w.Bytes()
})

// valueTypes are the enumerations and complex types that properties have, by
// their names.
type valueTypes struct {
	enums   map[string][]string
	complex map[string][]odata.Property
}

// add adds the types that p brings.
func (v *valueTypes) add(p *odata.Property) {
	switch name := strings.TrimPrefix(p.TypeName, namespace); p.Type {
	case odata.Enum:
		v.enums[name] = p.Enum
	case odata.Collection:
		if p.Item != nil && p.Item.Value != nil {
			v.add(p.Item.Value)
		}
	case odata.Complex:
		members := p.Complex
		for _, whole := range append(mailboxTypes(), recurrence()) {
			if p.TypeName == whole.TypeName {
				members = whole.Complex
			}
		}
		v.complex[name] = members
		for i := range members {
			v.add(&members[i])
		}
	}
}

// A csdlWriter writes the elements of a schema (OData CSDL XML 4.01). No name in
// it needs escaping.
type csdlWriter struct{ bytes.Buffer }

func (w *csdlWriter) line(format string, args ...any) { fmt.Fprintf(w, format+"\n", args...) }

// entity writes an entity type. Its navigations lead to one of types: what
// else the tables name is only known to queries.
func (w *csdlWriter) entity(t *entityType, types []entityType) {
	attributes := ""
	if t.base != "" {
		attributes += ` BaseType="graph.` + t.base + `"`
	}
	if t.abstract {
		attributes += ` Abstract="true"`
	}
	if t.open {
		attributes += ` OpenType="true"`
	}
	if t.stream {
		attributes += ` HasStream="true"`
	}
	w.line(`      <EntityType Name="%s"%s>`, t.name, attributes)
	if t.base == "" {
		w.line(`        <Key>`)
		w.line(`          <PropertyRef Name="id" />`)
		w.line(`        </Key>`)
	}
	var own, navigation []odata.Property
	for _, p := range t.properties {
		switch {
		case p.Name == "id" && t.base != "": // it is the base's
		case p.IsNavigation():
			if slices.ContainsFunc(types, func(to entityType) bool { return namespace+to.name == p.Item.Name }) {
				navigation = append(navigation, p)
			}
		case p.Type != odata.Collection || p.Item != nil:
			own = append(own, p)
		}
	}
	w.properties(t.name, own)
	for _, p := range sorted(navigation) {
		contains := ` ContainsTarget="true"`
		if t.name == "todo" && p.Name == "tasks" || p.Name == "parentList" {
			contains = "" // a task is in its list
		}
		w.line(`        <NavigationProperty Name="%s" Type="%s"%s />`, p.Name, edmType(&p), contains)
	}
	w.line(`      </EntityType>`)
}

// operation writes a function or an action that is bound to a type; it returns
// nothing where returns is empty, and parameters are names and types in turn.
func (w *csdlWriter) operation(kind, name, binding, returns string, parameters ...string) {
	w.line(`      <%s Name="%s" IsBound="true">`, kind, name)
	w.line(`        <Parameter Name="bindingParameter" Type="%s" />`, binding)
	for p := range slices.Chunk(parameters, 2) {
		w.line(`        <Parameter Name="%s" Type="%s" Nullable="false" />`, p[0], p[1])
	}
	if returns != "" {
		w.line(`        <ReturnType Type="%s" />`, returns)
	}
	w.line(`      </%s>`, kind)
}

// properties writes the members of a type that are no navigations.
func (w *csdlWriter) properties(typeName string, properties []odata.Property) {
	for _, p := range sorted(properties) {
		nullable := ""
		if notNull(typeName, p.Name) {
			nullable = ` Nullable="false"`
		}
		w.line(`        <Property Name="%s" Type="%s"%s />`, p.Name, edmType(&p), nullable)
	}
}

func sorted(properties []odata.Property) []odata.Property {
	return slices.SortedFunc(slices.Values(properties), func(a, b odata.Property) int { return cmp.Compare(a.Name, b.Name) })
}

// container writes what paths begin with, and which collections delta tracks.
func (w *csdlWriter) container() {
	w.line(`      <EntityContainer Name="GraphService">`)
	for _, m := range container() {
		attribute := "Type"
		if m.kind == "EntitySet" {
			attribute = "EntityType"
		}
		w.line(`        <%s Name="%s" %s="%s" />`, m.kind, m.name, attribute, namespace+m.typeName)
	}
	w.line(`      </EntityContainer>`)
	for _, target := range []string{"todo/lists", "todoTaskList/tasks"} {
		w.line(`      <Annotations Target="%s">`, namespace+target)
		w.line(`        <Annotation Term="Org.OData.Capabilities.V1.ChangeTracking">`)
		w.line(`          <Record>`)
		w.line(`            <PropertyValue Property="Supported" Bool="true" />`)
		w.line(`          </Record>`)
		w.line(`        </Annotation>`)
		w.line(`      </Annotations>`)
	}
}

// edmType is the name of p's type. Whole numbers are of 32 bits unless they say
// otherwise.
func edmType(p *odata.Property) string {
	named := func(name string) string { return "graph." + strings.TrimPrefix(name, namespace) }
	switch {
	case strings.HasPrefix(p.TypeName, "Edm."):
		return p.TypeName
	case p.Type == odata.Enum, p.Type == odata.Complex:
		return named(p.TypeName)
	case p.Type == odata.Entity:
		return named(p.Item.Name)
	case p.Type == odata.Collection && p.Item.Value != nil:
		return "Collection(" + edmType(p.Item.Value) + ")"
	case p.Type == odata.Collection:
		return "Collection(" + named(p.Item.Name) + ")"
	case p.Type == odata.Int:
		return "Edm.Int32"
	}
	return p.Type.String()
}
