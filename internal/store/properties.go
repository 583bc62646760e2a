package store

import (
	"strings"
	"sync"

	"github.com/duly-todo/duly/internal/odata"
	"github.com/duly-todo/duly/internal/todo"
)

// What clients may filter, sort and select by. Each entity has one table: the
// property as OData knows it, the value that it has, and for tasks the column
// that holds it, where SQL can compare it as [odata.Eval] does.

// A property is a path of an entity of type T.
type property[T any] struct {
	odata.Property
	path   string // "dueDateTime/dateTime"; of members of a complex property
	column string // of table tasks, alias t; empty: only odata.Eval can tell
	value  func(*T) odata.Value
	items  func(*T) []odata.Row // of a collection
}

// A Row is an entity as [odata.Eval] sees it.
type Row[T any] struct {
	Entity     *T
	properties []property[T]
}

// Value is the value of the property at a path.
func (r Row[T]) Value(path string) odata.Value {
	for i := range r.properties {
		if p := &r.properties[i]; p.path == path && p.value != nil {
			return p.value(r.Entity)
		}
	}
	return odata.Value{}
}

// Items are the elements of the collection at a path.
func (r Row[T]) Items(path string) []odata.Row {
	for i := range r.properties {
		if p := &r.properties[i]; p.path == path && p.items != nil {
			return p.items(r.Entity)
		}
	}
	return nil
}

// rows makes rows of entities.
func rows[T any](entities []T, properties []property[T]) []odata.Row {
	out := make([]odata.Row, len(entities))
	for i := range entities {
		out[i] = Row[T]{&entities[i], properties}
	}
	return out
}

// schema makes the schema of an entity type from its properties. A member of a
// complex property follows it.
func schema[T any](name string, properties []property[T]) *odata.Schema {
	s := &odata.Schema{Name: name}
	for _, p := range properties {
		if top, member, ok := strings.Cut(p.path, "/"); ok {
			p.Name = member
			parent := &s.Properties[len(s.Properties)-1]
			if parent.Name != top {
				panic("store: " + p.path + " does not follow its property")
			}
			parent.Complex = append(parent.Complex, p.Property)
			continue
		}
		p.Name = p.path
		s.Properties = append(s.Properties, p.Property)
	}
	return s
}

func scalar(t odata.Type) odata.Property { return odata.Property{Type: t} }

func nullable(t odata.Type) odata.Property { return odata.Property{Type: t, Nullable: true} }

func enumeration(name string, members ...string) odata.Property {
	return odata.Property{Type: odata.Enum, TypeName: "microsoft.graph." + name, Enum: members}
}

func complexType(name string) odata.Property {
	return odata.Property{Type: odata.Complex, TypeName: "microsoft.graph." + name, Nullable: true}
}

func collectionOf(s *odata.Schema) odata.Property {
	return odata.Property{Type: odata.Collection, Item: s}
}

// text is a String value; the empty one is null.
func textValue(s string) odata.Value {
	if s == "" {
		return odata.Value{}
	}
	return odata.StringValue(s)
}

// present is the value of a complex property: null, or not.
func present(ok bool) odata.Value { return map[bool]odata.Value{true: odata.BoolValue(true)}[ok] }

// zoneValue is the time zone that answers name where a client prefers none.
func zoneValue(d todo.DateTime) odata.Value {
	if d.IsZero() {
		return odata.Value{}
	}
	return odata.StringValue("UTC")
}

// properties holds the tables, which are made once.
type tables struct {
	tasks      []property[todo.Task]
	lists      []property[todo.TaskList]
	steps      []property[todo.ChecklistItem]
	links      []property[todo.LinkedResource]
	extensions []property[todo.Extension]
	users      []property[todo.User]

	attachments []property[todo.Attachment]
	uploads     []property[todo.UploadSession]

	task, list, step, link, extension, attachment, upload, user *odata.Schema

	mailbox mailboxTables

	subscriptions []property[Subscription]
	subscription  *odata.Schema
}

var theTables = sync.OnceValue(func() *tables {
	t := &tables{
		steps: []property[todo.ChecklistItem]{
			{path: "id", Property: scalar(odata.String), column: "s.item_id", value: func(c *todo.ChecklistItem) odata.Value { return odata.StringValue(c.ID) }},
			{path: "displayName", Property: scalar(odata.String), column: "s.name", value: func(c *todo.ChecklistItem) odata.Value { return odata.StringValue(c.Name) }},
			{path: "isChecked", Property: scalar(odata.Bool), column: "s.checked", value: func(c *todo.ChecklistItem) odata.Value { return odata.BoolValue(c.Checked) }},
			{path: "checkedDateTime", Property: nullable(odata.Instant), column: "s.checked_at", value: func(c *todo.ChecklistItem) odata.Value { return odata.InstantValue(c.CheckedAt) }},
			{path: "createdDateTime", Property: scalar(odata.Instant), column: "s.created", value: func(c *todo.ChecklistItem) odata.Value { return odata.InstantValue(c.Created) }},
		},
		links: []property[todo.LinkedResource]{
			{path: "id", Property: scalar(odata.String), column: "l.resource_id", value: func(l *todo.LinkedResource) odata.Value { return odata.StringValue(l.ID) }},
			{path: "applicationName", Property: scalar(odata.String), column: "l.application_name", value: func(l *todo.LinkedResource) odata.Value { return odata.StringValue(l.ApplicationName) }},
			{path: "displayName", Property: nullable(odata.String), column: "nullif(l.display_name, '')", value: func(l *todo.LinkedResource) odata.Value { return textValue(l.DisplayName) }},
			{path: "externalId", Property: nullable(odata.String), column: "nullif(l.external_id, '')", value: func(l *todo.LinkedResource) odata.Value { return textValue(l.ExternalID) }},
			{path: "webUrl", Property: nullable(odata.String), column: "nullif(l.web_url, '')", value: func(l *todo.LinkedResource) odata.Value { return textValue(l.WebURL) }},
		},
		extensions: []property[todo.Extension]{
			{path: "id", Property: scalar(odata.String), column: "'" + todo.ExtensionIDPrefix + "' || x.name", value: func(x *todo.Extension) odata.Value { return odata.StringValue(todo.ExtensionIDPrefix + x.Name) }},
			{path: "extensionName", Property: scalar(odata.String), column: "x.name", value: func(x *todo.Extension) odata.Value { return odata.StringValue(x.Name) }},
		},
		lists: []property[todo.TaskList]{
			{path: "id", Property: scalar(odata.String), value: func(l *todo.TaskList) odata.Value { return odata.StringValue(l.ID) }},
			{path: "displayName", Property: scalar(odata.String), value: func(l *todo.TaskList) odata.Value { return odata.StringValue(l.Name) }},
			{path: "isOwner", Property: scalar(odata.Bool), value: func(*todo.TaskList) odata.Value { return odata.BoolValue(true) }},
			{path: "isShared", Property: scalar(odata.Bool), value: func(*todo.TaskList) odata.Value { return odata.BoolValue(false) }},
			{path: "wellknownListName", Property: enumeration("wellknownListName", "none", "defaultList", "flaggedEmails", "unknownFutureValue"), value: func(l *todo.TaskList) odata.Value { return odata.EnumValue(int(l.Wellknown)) }},
		},
	}
	t.step, t.link = schema("microsoft.graph.checklistItem", t.steps), schema("microsoft.graph.linkedResource", t.links)
	t.extension = schema("microsoft.graph.extension", t.extensions)
	t.attachments, t.uploads = attachmentProperties(), uploadProperties()
	t.attachment, t.upload = schema("microsoft.graph.attachmentBase", t.attachments), schema("microsoft.graph.attachmentSession", t.uploads)
	t.tasks = taskProperties(t)
	t.task = schema("microsoft.graph.todoTask", t.tasks)
	t.lists = append(t.lists,
		property[todo.TaskList]{path: "tasks", Property: collectionOf(t.task)},
		property[todo.TaskList]{path: "extensions", Property: collectionOf(t.extension), items: func(l *todo.TaskList) []odata.Row { return rows(l.Extensions, t.extensions) }})
	t.list = schema("microsoft.graph.todoTaskList", t.lists)
	for i := range t.task.Properties {
		if p := &t.task.Properties[i]; p.Name == "parentList" {
			p.Item = t.list
		}
	}
	t.users = userProperties()
	t.user = schema("microsoft.graph.user", t.users)
	t.mailbox = newMailboxTables()
	t.subscriptions = subscriptionProperties()
	t.subscription = schema("microsoft.graph.subscription", t.subscriptions)
	return t
})

// taskProperties is the table of tasks.
func taskProperties(t *tables) []property[todo.Task] {
	date := func(name, column string, of func(*todo.Task) todo.DateTime) []property[todo.Task] {
		return []property[todo.Task]{
			{path: name, Property: complexType("dateTimeTimeZone"), column: column, value: func(t *todo.Task) odata.Value { return present(!of(t).IsZero()) }},
			{path: name + "/dateTime", Property: nullable(odata.DateText), column: column, value: func(t *todo.Task) odata.Value { return odata.InstantValue(of(t).At) }},
			{path: name + "/timeZone", Property: nullable(odata.String), column: "CASE WHEN " + column + " IS NOT NULL THEN 'UTC' END", value: func(t *todo.Task) odata.Value { return zoneValue(of(t)) }},
		}
	}
	p := []property[todo.Task]{
		{path: "id", Property: scalar(odata.String), column: "t.task_id", value: func(t *todo.Task) odata.Value { return odata.StringValue(t.ID) }},
		{path: "title", Property: scalar(odata.String), column: "t.title", value: func(t *todo.Task) odata.Value { return odata.StringValue(t.Title) }},
		{path: "status", Property: enumeration("taskStatus", "notStarted", "inProgress", "completed", "waitingOnOthers", "deferred"), column: "t.status", value: func(t *todo.Task) odata.Value { return odata.EnumValue(int(t.Status)) }},
		{path: "importance", Property: enumeration("importance", "low", "normal", "high"), column: "t.importance", value: func(t *todo.Task) odata.Value { return odata.EnumValue(int(t.Importance)) }},
		{path: "isReminderOn", Property: scalar(odata.Bool), column: "t.reminder_on", value: func(t *todo.Task) odata.Value { return odata.BoolValue(t.ReminderOn) }},
		{path: "hasAttachments", Property: scalar(odata.Bool), column: "CASE WHEN t.attachment_count > 0 THEN 1 ELSE 0 END", value: func(t *todo.Task) odata.Value { return odata.BoolValue(t.HasAttachments) }},
		{path: "createdDateTime", Property: scalar(odata.Instant), column: "t.created", value: func(t *todo.Task) odata.Value { return odata.InstantValue(t.Created) }},
		{path: "lastModifiedDateTime", Property: scalar(odata.Instant), column: "t.modified", value: func(t *todo.Task) odata.Value { return odata.InstantValue(t.Modified) }},
		{path: "bodyLastModifiedDateTime", Property: scalar(odata.Instant), column: "t.modified", value: func(t *todo.Task) odata.Value { return odata.InstantValue(t.Modified) }},
		{path: "body", Property: complexType("itemBody"), value: func(*todo.Task) odata.Value { return present(true) }},
		{path: "body/content", Property: scalar(odata.String), column: "t.body", value: func(t *todo.Task) odata.Value { return odata.StringValue(t.Body.Content) }},
		{path: "body/contentType", Property: enumeration("bodyType", "text", "html"), column: "t.body_type", value: func(t *todo.Task) odata.Value { return odata.EnumValue(int(t.Body.Type)) }},
		{path: "categories", Property: collectionOf(&odata.Schema{Value: &odata.Property{Type: odata.String}}), items: func(t *todo.Task) []odata.Row { return textRows(t.Categories) }},
		{path: "recurrence", Property: complexType("patternedRecurrence"), column: "t.recurrence", value: func(t *todo.Task) odata.Value { return present(t.Recurrence != nil) }},
		{path: "checklistItems", Property: collectionOf(t.step), items: func(task *todo.Task) []odata.Row { return rows(task.ChecklistItems, t.steps) }},
		{path: "linkedResources", Property: collectionOf(t.link), items: func(task *todo.Task) []odata.Row { return rows(task.LinkedResources, t.links) }},
		{path: "extensions", Property: collectionOf(t.extension), items: func(task *todo.Task) []odata.Row { return rows(task.Extensions, t.extensions) }},
		{path: "parentList", Property: odata.Property{Type: odata.Entity}}, // an addition; its type is set by theTables
		{path: "attachments", Property: collectionOf(t.attachment), items: func(task *todo.Task) []odata.Row { return rows(task.Attachments, t.attachments) }},
		{path: "attachmentSessions", Property: collectionOf(t.upload)}, // never expanded: their ids are secrets
	}
	p = append(p, date("dueDateTime", "t.due", func(t *todo.Task) todo.DateTime { return t.Due })...)
	p = append(p, date("startDateTime", "t.start", func(t *todo.Task) todo.DateTime { return t.Start })...)
	p = append(p, date("completedDateTime", "t.completed", func(t *todo.Task) todo.DateTime { return t.Completed })...)
	return append(p, date("reminderDateTime", "t.reminder", func(t *todo.Task) todo.DateTime { return t.Reminder })...)
}

// attachmentProperties are those of attachments. Their bytes can be selected.
func attachmentProperties() []property[todo.Attachment] {
	return []property[todo.Attachment]{
		{path: "id", Property: scalar(odata.String), column: "f.attachment_id", value: func(a *todo.Attachment) odata.Value { return odata.StringValue(a.ID) }},
		{path: "name", Property: nullable(odata.String), column: "f.name", value: func(a *todo.Attachment) odata.Value { return odata.StringValue(a.Name) }},
		{path: "contentType", Property: nullable(odata.String), column: "nullif(f.content_type, '')", value: func(a *todo.Attachment) odata.Value { return textValue(a.ContentType) }},
		{path: "size", Property: scalar(odata.Int), column: "f.size", value: func(a *todo.Attachment) odata.Value { return odata.IntValue(a.Size) }},
		{path: "lastModifiedDateTime", Property: nullable(odata.Instant), column: "f.modified", value: func(a *todo.Attachment) odata.Value { return odata.InstantValue(a.Modified) }},
		{path: "contentBytes", Property: scalar(odata.Collection)},
	}
}

// uploadProperties are those of upload sessions.
func uploadProperties() []property[todo.UploadSession] {
	return []property[todo.UploadSession]{
		{path: "id", Property: scalar(odata.String), value: func(u *todo.UploadSession) odata.Value { return odata.StringValue(u.ID) }},
		{path: "expirationDateTime", Property: nullable(odata.Instant), value: func(u *todo.UploadSession) odata.Value { return odata.InstantValue(u.Expires) }},
		{path: "nextExpectedRanges", Property: collectionOf(&odata.Schema{Value: &odata.Property{Type: odata.String}}), items: func(u *todo.UploadSession) []odata.Row { return textRows(u.Expected()) }},
		{path: "content", Property: scalar(odata.Collection)},
	}
}

func userProperties() []property[todo.User] {
	str := func(path string, of func(*todo.User) string) property[todo.User] {
		return property[todo.User]{path: path, Property: nullable(odata.String), value: func(u *todo.User) odata.Value { return textValue(of(u)) }}
	}
	return []property[todo.User]{
		str("id", func(u *todo.User) string { return u.ID }),
		str("userPrincipalName", func(u *todo.User) string { return u.UserPrincipalName }),
		str("displayName", func(u *todo.User) string { return u.DisplayName }),
		str("givenName", func(u *todo.User) string { return u.GivenName }),
		str("surname", func(u *todo.User) string { return u.Surname }),
		str("mail", func(u *todo.User) string { return u.Mail }),
		str("mobilePhone", func(u *todo.User) string { return u.MobilePhone }),
		str("jobTitle", func(u *todo.User) string { return u.JobTitle }),
		str("officeLocation", func(u *todo.User) string { return u.OfficeLocation }),
		str("preferredLanguage", func(u *todo.User) string { return u.PreferredLanguage }),
		{path: "businessPhones", Property: collectionOf(&odata.Schema{Value: &odata.Property{Type: odata.String}}), items: func(u *todo.User) []odata.Row { return textRows(u.BusinessPhones) }},
		{path: "mailboxSettings", Property: complexType("mailboxSettings")}, // can be selected; to others than the owner it is null
	}
}

// textRow is an element of a collection of strings.
type textRow string

func (s textRow) Value(string) odata.Value { return odata.StringValue(string(s)) }
func (textRow) Items(string) []odata.Row   { return nil }

func textRows(texts []string) []odata.Row {
	out := make([]odata.Row, len(texts))
	for i, s := range texts {
		out[i] = textRow(s)
	}
	return out
}

// TaskSchema is what query options of tasks may name.
func TaskSchema() *odata.Schema { return theTables().task }

// ListSchema is that of lists.
func ListSchema() *odata.Schema { return theTables().list }

// ChecklistItemSchema is that of steps.
func ChecklistItemSchema() *odata.Schema { return theTables().step }

// LinkedResourceSchema is that of linked resources.
func LinkedResourceSchema() *odata.Schema { return theTables().link }

// ExtensionSchema is that of open extensions.
func ExtensionSchema() *odata.Schema { return theTables().extension }

// AttachmentSchema is that of attachments.
func AttachmentSchema() *odata.Schema { return theTables().attachment }

// UploadSessionSchema is that of upload sessions.
func UploadSessionSchema() *odata.Schema { return theTables().upload }

// AttachmentRow is an attachment as a filter sees it.
func AttachmentRow(a *todo.Attachment) odata.Row {
	return Row[todo.Attachment]{a, theTables().attachments}
}

// UploadSessionRow is an upload session as a filter sees it.
func UploadSessionRow(u *todo.UploadSession) odata.Row {
	return Row[todo.UploadSession]{u, theTables().uploads}
}

// UserSchema is that of users.
func UserSchema() *odata.Schema { return theTables().user }

// TaskRow is a task as a filter sees it.
func TaskRow(t *todo.Task) odata.Row { return Row[todo.Task]{t, theTables().tasks} }

// ListRow is a list as a filter sees it.
func ListRow(l *todo.TaskList) odata.Row { return Row[todo.TaskList]{l, theTables().lists} }

// ChecklistItemRow is a step as a filter sees it.
func ChecklistItemRow(c *todo.ChecklistItem) odata.Row {
	return Row[todo.ChecklistItem]{c, theTables().steps}
}

// LinkedResourceRow is a linked resource as a filter sees it.
func LinkedResourceRow(l *todo.LinkedResource) odata.Row {
	return Row[todo.LinkedResource]{l, theTables().links}
}

// ExtensionRow is an open extension as a filter sees it.
func ExtensionRow(x *todo.Extension) odata.Row {
	return Row[todo.Extension]{x, theTables().extensions}
}

// UserRow is a user as a filter sees it.
func UserRow(u *todo.User) odata.Row { return Row[todo.User]{u, theTables().users} }

// SubscriptionSchema is that of subscriptions.
func SubscriptionSchema() *odata.Schema { return theTables().subscription }

// SubscriptionRow is a subscription as a filter sees it.
func SubscriptionRow(s *Subscription) odata.Row {
	return Row[Subscription]{s, theTables().subscriptions}
}
