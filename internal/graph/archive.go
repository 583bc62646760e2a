package graph

import (
	"bytes"
	"encoding/json"
	"time"

	"github.com/duly-todo/duly/internal/store"
	"github.com/duly-todo/duly/internal/todo"
)

// The entities of an archive are those of the wire, one on a line, without what
// depends on who asks: no contexts and etags, bodies as they are kept, and dates as
// the instant that they are with the zone in which they were written. What the wire
// does not tell stands in members that begin with "@duly.".

// archiveEncoder begins an entity, for no client.
func archiveEncoder(b []byte) *encoder { return &encoder{r: &request{}, b: append(b, '{')} }

// line ends an entity.
func (e *encoder) line() []byte {
	e.close()
	var compact bytes.Buffer // a client's own JSON may have line breaks
	if err := json.Compact(&compact, e.b); err != nil {
		panic(err) // it is the encoder's
	}
	return append(compact.Bytes(), '\n')
}

// exactDate writes a dateTimeTimeZone from which the same one is read again.
func (e *encoder) exactDate(name string, d todo.DateTime) {
	if d.IsZero() {
		return
	}
	e.name(name)
	e.b = append(e.b, '{')
	e.str("dateTime", d.At.UTC().Format("2006-01-02T15:04:05.0000000Z"))
	e.optional("timeZone", d.Zone)
	e.close()
}

// ArchiveSettings is the line of the settings of a mailbox.
func ArchiveSettings(u *todo.User) []byte {
	e := archiveEncoder(nil)
	e.str("timeZone", u.Settings.TimeZone)
	e.optional("dateFormat", u.Settings.DateFormat)
	e.optional("timeFormat", u.Settings.TimeFormat)
	if u.PreferredLanguage != "" {
		e.name("language")
		e.b = append(e.b, '{')
		e.str("locale", u.PreferredLanguage)
		e.close()
	}
	return e.line()
}

// ArchiveCategory is the line of a master category.
func ArchiveCategory(c *todo.OutlookCategory) []byte {
	e := archiveEncoder(nil)
	e.category(c)
	return e.line()
}

// ArchiveLink is the line of a linked resource that no task holds.
func ArchiveLink(l *todo.LinkedResource) []byte {
	e := archiveEncoder(nil)
	e.linkedResource(l)
	return e.line()
}

// ArchiveList is the line of a list with its extensions.
func ArchiveList(l *todo.TaskList) []byte {
	e := archiveEncoder(nil)
	e.str("displayName", l.Name)
	e.boolean("isOwner", true)
	e.boolean("isShared", false)
	e.str("wellknownListName", l.Wellknown.String())
	e.str("id", l.ID)
	e.extensions(l.Extensions, "", "")
	return e.line()
}

// ArchiveTask is the line of a task with all its children, but the bytes of files.
func ArchiveTask(t *todo.Task) []byte {
	e := archiveEncoder(nil)
	e.str("@duly.listId", t.ListID)
	e.str("importance", t.Importance.String())
	e.boolean("isReminderOn", t.ReminderOn)
	e.str("status", t.Status.String())
	e.str("title", t.Title)
	e.instant("createdDateTime", t.Created)
	e.instant("lastModifiedDateTime", t.Modified)
	e.strs("categories", t.Categories)
	e.str("id", t.ID)
	e.name("body")
	e.b = append(e.b, '{')
	e.str("content", t.Body.Content)
	e.str("contentType", t.Body.Type.String())
	e.close()
	if len(t.ChecklistItems) > 0 {
		e.childrenOf("checklistItems", t, "")
		for i := range t.ChecklistItems {
			e.open()
			e.checklistItem(&t.ChecklistItems[i])
			e.close()
		}
		e.b = append(e.b, ']')
	}
	e.exactDate("completedDateTime", t.Completed)
	e.exactDate("dueDateTime", t.Due)
	if t.Recurrence != nil {
		e.recurrence(t.Recurrence)
		e.number("@duly.occurrence", t.Occurrence)
	}
	e.exactDate("reminderDateTime", t.Reminder)
	e.exactDate("startDateTime", t.Start)
	e.archiveChildren(t)
	return e.line()
}

func (e *encoder) archiveChildren(t *todo.Task) {
	if len(t.LinkedResources) > 0 {
		e.childrenOf("linkedResources", t, "")
		for i := range t.LinkedResources {
			e.open()
			e.linkedResource(&t.LinkedResources[i])
			e.close()
		}
		e.b = append(e.b, ']')
	}
	e.extensions(t.Extensions, "", "")
	if len(t.Attachments) > 0 {
		e.childrenOf("attachments", t, "")
		for i := range t.Attachments {
			a := &t.Attachments[i]
			e.open()
			e.str("id", a.ID)
			e.instant("lastModifiedDateTime", a.Modified)
			e.str("name", a.Name)
			e.optional("contentType", a.ContentType)
			e.number("size", int(a.Size))
			e.close()
		}
		e.b = append(e.b, ']')
	}
}

// archiveLine reads a line as an object of the type.
func archiveLine(line []byte, typeName string) (jsonValue, error) {
	v, err := parseJSONWithin(line, maxJSONDepth+16, maxJSONValues)
	if err != nil {
		return v, err
	}
	return v.object(typeName)
}

// needed reads a member that must be there.
func needed[T any](d *decoder, name string, read func(jsonValue) (T, error)) T {
	o := opt(d, name, read)
	if d.err == nil && !o.Has() {
		d.err = todo.Errorf(todo.Invalid, name, "The property '%s' is required.", name)
	}
	return o.V
}

// archivedID reads an id of a list, a task or an attachment.
func archivedID(v jsonValue) (string, error) {
	id, err := v.str()
	if err == nil && !store.ValidID(id) {
		err = todo.Errorf(todo.MalformedID, v.path(), "The property '%s' is no id of Duly's.", v.path())
	}
	return id, err
}

// archivedGUID reads an id of anything else.
func archivedGUID(v jsonValue) (string, error) {
	id, err := v.str()
	if err == nil && (!store.ValidGUID(id) || lowerASCII(id) != id) {
		err = todo.Errorf(todo.MalformedID, v.path(), "The property '%s' is no GUID in lower case.", v.path())
	}
	return id, err
}

// ParseArchivedSettings reads the line of the settings into u.
func ParseArchivedSettings(line []byte, u todo.User) (todo.User, error) {
	v, err := archiveLine(line, "microsoft.graph.mailboxSettings")
	if err != nil {
		return u, err
	}
	p, err := decodeMailboxSettings(v)
	if err != nil {
		return u, err
	}
	language := p.Language.V.Locale // which may be one that the settings would not take, but the user has
	language.Set = true
	p.Language = todo.Opt[todo.LanguagePatch]{}
	p.TimeZone.Set, p.DateFormat.Set, p.TimeFormat.Set = true, true, true
	if u, err = u.ApplySettings(p); err != nil {
		return u, err
	}
	return u.Apply(todo.UserPatch{PreferredLanguage: language})
}

// ParseArchivedCategory reads the line of a master category.
func ParseArchivedCategory(line []byte) (c todo.OutlookCategory, err error) {
	v, err := archiveLine(line, "microsoft.graph.outlookCategory")
	if err != nil {
		return c, err
	}
	p, err := decodeCategory(v)
	if err != nil {
		return c, err
	}
	d := decoder{v: v}
	if id := needed(&d, "id", archivedGUID); d.err == nil {
		return todo.NewOutlookCategory(id, p, nil)
	}
	return c, d.err
}

// ParseArchivedLink reads the line of a linked resource, or one of a task.
func ParseArchivedLink(line []byte) (l todo.LinkedResource, err error) {
	v, err := archiveLine(line, "microsoft.graph.linkedResource")
	if err != nil {
		return l, err
	}
	return archivedLink(v)
}

func archivedLink(v jsonValue) (l todo.LinkedResource, err error) {
	p, err := decodeLinkedResource(v)
	if err != nil {
		return l, err
	}
	d := decoder{v: v}
	if id := needed(&d, "id", archivedGUID); d.err == nil {
		return todo.LinkRules{}.NewLinkedResource(id, p)
	}
	return l, d.err
}

// ParseArchivedList reads the line of a list.
func ParseArchivedList(line []byte) (l todo.TaskList, err error) {
	v, err := archiveLine(line, "microsoft.graph.todoTaskList")
	if err != nil {
		return l, err
	}
	p, err := decodeTaskList(v)
	if err != nil {
		return l, err
	}
	d := decoder{v: v}
	id := needed(&d, "id", archivedID)
	kind := needed(&d, "wellknownListName", jsonValue.str)
	extensions := opt(&d, "extensions", list("microsoft.graph.extension", Profile{}.decodeExtension)).V
	if d.err != nil {
		return l, d.err
	}
	if l, err = todo.NewTaskList(id, p, nil, time.Time{}); err != nil {
		return l, err
	}
	switch kind {
	case todo.DefaultList.String():
		l.Wellknown = todo.DefaultList
	case todo.NoWellknownName.String():
	default:
		return l, todo.Errorf(todo.Invalid, "wellknownListName", "There is no such list as '%s'.", shortened(kind))
	}
	l.Extensions, err = putAll(extensions)
	return l, err
}

func putAll(extensions []todo.Extension) (out []todo.Extension, err error) {
	for _, x := range extensions {
		held := len(out)
		if out, err = todo.PutExtension(out, x); err != nil {
			return nil, err
		}
		if len(out) == held {
			return nil, todo.Errorf(todo.Invalid, "extensions", "There are two extensions of the name '%s'.", shortened(x.Name))
		}
	}
	return out, nil
}

// ParseArchivedTask reads the line of a task.
func ParseArchivedTask(line []byte) (t todo.Task, err error) {
	v, err := archiveLine(line, "microsoft.graph.todoTask")
	if err != nil {
		return t, err
	}
	p, err := decodeTask(v)
	if err != nil {
		return t, err
	}
	d := decoder{v: v}
	id, listID := needed(&d, "id", archivedID), needed(&d, "@duly.listId", archivedID)
	created, modified := needed(&d, "createdDateTime", decodeInstant), needed(&d, "lastModifiedDateTime", decodeInstant)
	status := needed(&d, "status", enum(todo.ParseStatus, "microsoft.graph.taskStatus"))
	if d.err != nil {
		return t, d.err
	}
	plain := todo.TaskPatch{Title: p.Title, Importance: p.Importance, Body: p.Body, Categories: p.Categories}
	if t, err = todo.NewTask(id, listID, plain, created); err != nil {
		return t, err
	}
	t.Modified, t.Status = modified, status
	t.Due, t.Start = opt(&d, "dueDateTime", decodeDateTime).V, opt(&d, "startDateTime", decodeDateTime).V
	t.Completed = todo.DateTime{At: opt(&d, "completedDateTime", decodeDateTime).V.At}
	t.Reminder, t.ReminderOn = opt(&d, "reminderDateTime", decodeDateTime).V, needed(&d, "isReminderOn", jsonValue.boolean)
	occurrence := opt(&d, "@duly.occurrence", jsonValue.int32)
	switch {
	case d.err != nil:
		return t, d.err
	case (t.Status == todo.Completed) == t.Completed.IsZero():
		return t, todo.Errorf(todo.Invalid, "completedDateTime", "The property 'completedDateTime' goes with the status 'completed'.")
	}
	if p.Recurrence.Has() {
		if err := archivedSeries(&t, p.Recurrence.V, occurrence); err != nil {
			return t, err
		}
	}
	return t, archivedChildren(v, &t)
}

// archivedSeries takes up a series where it was.
func archivedSeries(t *todo.Task, p todo.RecurrencePatch, occurrence todo.Opt[int32]) error {
	switch {
	case t.Due.IsZero():
		return todo.Errorf(todo.Invalid, "dueDateTime", "The property 'dueDateTime' is required while the task recurs.")
	case !p.Pattern.Has() || !p.Range.Has():
		return todo.Errorf(todo.Invalid, "recurrence", "The property 'recurrence' needs its pattern and its range.")
	case !occurrence.Has() || occurrence.V < 0:
		return todo.Errorf(todo.Invalid, "@duly.occurrence", "The property '@duly.occurrence' is required while the task recurs, and not negative.")
	}
	r := todo.Recurrence{Pattern: p.Pattern.V, Range: p.Range.V}
	last := r.Range.EndDate
	if r.Range.Type == todo.EndDate { // which an occurrence that is done or was moved may lie behind
		if last.IsZero() || last.Compare(r.Range.StartDate) < 0 {
			return todo.Errorf(todo.Invalid, "recurrence.range.endDate", "The property 'recurrence.range.endDate' is required, and not before the start.")
		}
		r.Range.Type, r.Range.EndDate = todo.NoEnd, todo.Date{}
	}
	r, _, err := r.Normalize(t.Due)
	if err != nil {
		return err
	}
	if p.Range.V.Type == todo.EndDate {
		r.Range.Type, r.Range.EndDate = todo.EndDate, last
	}
	t.Recurrence, t.Occurrence = &r, int(occurrence.V)
	return nil
}

// archivedChildren reads the children of a task.
func archivedChildren(v jsonValue, t *todo.Task) error {
	d := decoder{v: v}
	steps := opt(&d, "checklistItems", list("microsoft.graph.checklistItem", func(v jsonValue) (jsonValue, error) {
		return v.object("microsoft.graph.checklistItem")
	})).V
	links := opt(&d, "linkedResources", list("microsoft.graph.linkedResource", func(v jsonValue) (todo.LinkedResource, error) {
		v, err := v.object("microsoft.graph.linkedResource")
		if err != nil {
			return todo.LinkedResource{}, err
		}
		return archivedLink(v)
	})).V
	extensions := opt(&d, "extensions", list("microsoft.graph.extension", Profile{}.decodeExtension)).V
	attachments := opt(&d, "attachments", list("microsoft.graph.attachmentBase", archivedAttachment)).V
	if d.err != nil {
		return d.err
	}
	modified := t.Modified
	var err error
	for _, step := range steps {
		p, err := decodeChecklistItem(step)
		if err != nil {
			return err
		}
		d := decoder{v: step}
		id, created := needed(&d, "id", archivedGUID), needed(&d, "createdDateTime", decodeInstant)
		if d.err != nil {
			return d.err
		}
		if *t, err = t.AddChecklistItem(id, p, false, created); err != nil {
			return err
		}
	}
	for _, l := range links {
		if *t, err = (todo.LinkRules{}).AddLinkedResource(*t, l, modified); err != nil {
			return err
		}
	}
	t.Modified = modified
	if t.Extensions, err = putAll(extensions); err != nil {
		return err
	}
	for i := range attachments {
		a, err := todo.NewAttachment(attachments[i].ID, t, i, todo.AttachmentInfo{
			Name: todo.Opt[string]{Set: true, V: attachments[i].Name}, ContentType: todo.Opt[string]{Set: true, V: attachments[i].ContentType},
			Size: todo.Opt[int64]{Set: true, V: attachments[i].Size},
		}, attachments[i].Modified)
		if err != nil {
			return err
		}
		t.Attachments = append(t.Attachments, a)
	}
	t.HasAttachments = len(t.Attachments) > 0
	return nil
}

// archivedAttachment reads what is said of an attachment, without checks of its
// values.
func archivedAttachment(v jsonValue) (a todo.Attachment, err error) {
	if v, err = v.object("microsoft.graph.taskFileAttachment"); err != nil {
		return a, err
	}
	d := decoder{v: v}
	a.ID, a.Modified = needed(&d, "id", archivedID), needed(&d, "lastModifiedDateTime", decodeInstant)
	a.Name, a.Size = needed(&d, "name", jsonValue.str), needed(&d, "size", jsonValue.int64)
	a.ContentType = opt(&d, "contentType", jsonValue.str).V
	return a, d.err
}
