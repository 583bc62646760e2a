package graph

import (
	"bytes"
	"compress/gzip"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/duly-todo/duly/internal/odata"
	"github.com/duly-todo/duly/internal/store"
	"github.com/duly-todo/duly/internal/todo"
)

// Answers are appended to one buffer, in the order of members that the real
// service has (surface §4): nulls and empty collections are left out, but for
// categories and body, which are always there (semantics 5.1).

const contentType = "application/json;odata.metadata=minimal;odata.streaming=true;IEEE754Compatible=false;charset=utf-8"

// answer sends the status and a body of JSON.
func (r *request) answer(status int, body []byte) {
	if len(body) > 0 {
		r.setJSON()
	}
	r.send(status, body)
}

// setJSON sets the type of a body of JSON.
func (r *request) setJSON() {
	if r.bare {
		r.header["Content-Type"] = []string{strings.Replace(contentType, "minimal", "none", 1)}
		return
	}
	r.header["Content-Type"] = jsonType()
}

// Values of headers that most answers have. Nobody writes into them.
var (
	jsonType     = sync.OnceValue(func() []string { return []string{contentType} })
	varyEncoding = sync.OnceValue(func() []string { return []string{"Accept-Encoding"} })
)

// send sends the status and body, compressed where the client takes it. The type
// of the body is set.
func (r *request) send(status int, body []byte) {
	r.status = status
	if len(body) == 0 {
		r.w.WriteHeader(status)
		return
	}
	r.header["Vary"] = varyEncoding()
	if len(body) >= gzipFrom && acceptsGzip(r.Header.Get("Accept-Encoding")) {
		r.header["Content-Encoding"] = []string{"gzip"}
		r.w.WriteHeader(status)
		if r.head {
			return
		}
		z := gzipWriters.Get().(*gzip.Writer)
		z.Reset(r.w)
		_, _ = z.Write(body) // the client has gone; nobody is left to tell
		_ = z.Close()
		gzipWriters.Put(z)
		return
	}
	r.setHeader("Content-Length", strconv.Itoa(len(body)))
	r.w.WriteHeader(status)
	if !r.head {
		_, _ = r.w.Write(body) // as above
	}
}

// gzipFrom is the smallest body in bytes that is worth compressing: it takes
// more than one network packet.
const gzipFrom = 1400

var gzipWriters = sync.Pool{New: func() any {
	z, _ := gzip.NewWriterLevel(nil, gzip.BestSpeed) // fails for no level of the package's own
	return z
}}

func acceptsGzip(header string) bool {
	for member := range strings.SplitSeq(header, ",") {
		name, q, _ := strings.Cut(strings.TrimSpace(member), ";")
		if strings.EqualFold(strings.TrimSpace(name), "gzip") {
			q = strings.ReplaceAll(q, " ", "")
			return q != "q=0" && q != "q=0.0" && q != "q=0.00" && q != "q=0.000"
		}
	}
	return false
}

// An encoder writes entities for one request.
type encoder struct {
	r *request
	b []byte
}

func (r *request) encoder() *encoder { return &encoder{r: r, b: r.out[:0]} }

// comma separates members and items: it writes nothing after an opening bracket.
func (e *encoder) comma() {
	if n := len(e.b); n > 0 && e.b[n-1] != '{' && e.b[n-1] != '[' {
		e.b = append(e.b, ',')
	}
}

func (e *encoder) name(name string) {
	e.comma()
	e.b = append(e.b, '"')
	e.b = append(e.b, name...)
	e.b = append(e.b, '"', ':')
}

func (e *encoder) str(name, value string) {
	e.name(name)
	e.b = appendJSONString(e.b, value)
}

// strs writes a collection of strings.
func (e *encoder) strs(name string, values []string) {
	e.name(name)
	e.b = append(e.b, '[')
	for _, value := range values {
		e.comma()
		e.b = appendJSONString(e.b, value)
	}
	e.b = append(e.b, ']')
}

// optional writes a member unless its value is empty.
func (e *encoder) optional(name, value string) {
	if value != "" {
		e.str(name, value)
	}
}

// orNull writes a member, null for the empty value.
func (e *encoder) orNull(name, value string) {
	if value == "" {
		e.name(name)
		e.b = append(e.b, "null"...)
		return
	}
	e.str(name, value)
}

func (e *encoder) boolean(name string, value bool) {
	e.name(name)
	e.b = strconv.AppendBool(e.b, value)
}

func (e *encoder) number(name string, value int) {
	e.name(name)
	e.b = strconv.AppendInt(e.b, int64(value), 10)
}

// instant writes a DateTimeOffset: UTC, its fraction without trailing zeros
// (semantics 5.4).
func (e *encoder) instant(name string, t time.Time) {
	e.name(name)
	e.b = append(e.b, '"')
	e.b = appendTime(e.b, t)
	if ns := t.Nanosecond(); ns != 0 {
		e.b = bytes.TrimRight(appendDigits(append(e.b, '.'), ns, 9), "0")
	}
	e.b = append(e.b, 'Z', '"')
}

// dateTime writes a dateTimeTimeZone: always seven digits and no offset
// (semantics 5.5), in UTC or the zone that the client prefers.
func (e *encoder) dateTime(name string, d todo.DateTime) {
	if d.IsZero() {
		return
	}
	at, zone := d.At, "UTC"
	if e.r.prefer.zone != nil {
		at, zone = at.In(e.r.prefer.zone), e.r.prefer.zoneName
	}
	e.name(name)
	e.b = append(e.b, `{"dateTime":"`...)
	e.b = appendDigits(append(appendTime(e.b, at), '.'), at.Nanosecond()/100, 7)
	e.b = append(e.b, `","timeZone":`...)
	e.b = appendJSONString(e.b, zone)
	e.b = append(e.b, '}')
}

func (e *encoder) etag(tag odata.ETag) {
	if e.r.bare {
		return
	}
	e.comma()
	e.b = append(e.b, `"@odata.etag":"W/\"`...)
	var room [40]byte
	text := tag.AppendTo(room[:0])
	e.b = append(e.b, text[3:len(text)-1]...) // between its quotes, which need escapes here
	e.b = append(e.b, `\""`...)
}

// context writes @odata.context with the fragment below "$metadata#", or the
// same for a navigation property.
func (e *encoder) context(property string, fragment ...string) {
	if e.r.bare {
		return
	}
	e.comma()
	e.b = append(e.b, '"')
	e.b = append(e.b, property...)
	e.b = append(e.b, `@odata.context":`...)
	e.b = append(e.b, '"')
	e.b = append(e.b, e.r.base...) // validHost keeps quotes out of it
	e.b = append(e.b, '/')
	e.b = append(e.b, e.r.version...)
	e.b = append(e.b, "/$metadata#"...)
	for _, f := range fragment {
		e.b = append(e.b, f...)
	}
	e.b = append(e.b, '"')
}

// keyed writes an id as a key in a context: in quotes and parentheses, "=" as %3D.
func keyed(id string) string { return string(appendKeyed(nil, id)) }

func appendKeyed(b []byte, id string) []byte {
	b = append(b, "('"...)
	for _, c := range []byte(escapeID(id)) {
		switch c {
		case '=':
			b = append(b, "%3D"...)
		case '@':
			b = append(b, "%40"...)
		default:
			b = append(b, c)
		}
	}
	return append(b, "')"...)
}

func (r *request) listsContext() string {
	return "users" + keyed(r.as.User) + "/todo/lists"
}

func (r *request) tasksContext(list string) string {
	if r.context.list != list || list == "" {
		var room [128]byte
		b := appendKeyed(append(room[:0], "users"...), r.as.User)
		b = appendKeyed(append(b, "/todo/lists"...), list)
		r.context.list, r.context.tasks = list, string(append(b, "/tasks"...))
	}
	return r.context.tasks
}

func (r *request) childContext(list, task, child string) string {
	return r.tasksContext(list) + keyed(task) + "/" + child
}

// taskList writes the members of a todoTaskList.
func (e *encoder) taskList(l *todo.TaskList) {
	e.etag(odata.NewETag(l.Version, l.Modified))
	e.str("displayName", l.Name)
	e.boolean("isOwner", true)
	e.boolean("isShared", false)
	e.str("wellknownListName", l.Wellknown.String())
	e.str("id", l.ID)
}

// task writes the members of a todoTask; tasks is its collection's context, or
// empty in delta, which has no contexts of children.
func (e *encoder) task(t *todo.Task, tasks string) {
	e.etag(taskETag(t))
	e.str("importance", t.Importance.String())
	e.boolean("isReminderOn", t.ReminderOn)
	e.str("status", t.Status.String())
	e.str("title", t.Title)
	e.instant("createdDateTime", t.Created)
	e.instant("lastModifiedDateTime", t.Modified)
	e.boolean("hasAttachments", t.HasAttachments)
	e.strs("categories", t.Categories)
	e.str("id", t.ID)
	e.body(t.Body)
	if len(t.ChecklistItems) > 0 {
		e.childrenOf("checklistItems", t, tasks)
		for i := range t.ChecklistItems {
			e.open()
			e.checklistItem(&t.ChecklistItems[i])
			e.close()
		}
		e.b = append(e.b, ']')
	}
	e.dateTime("completedDateTime", t.Completed)
	e.dateTime("dueDateTime", t.Due)
	if t.Recurrence != nil {
		e.recurrence(t.Recurrence)
	}
	e.dateTime("reminderDateTime", t.Reminder)
	e.dateTime("startDateTime", t.Start)
	if len(t.LinkedResources) > 0 {
		e.childrenOf("linkedResources", t, tasks)
		for i := range t.LinkedResources {
			e.open()
			e.linkedResource(&t.LinkedResources[i])
			e.close()
		}
		e.b = append(e.b, ']')
	}
	e.extensions(t.Extensions, tasks, t.ID)
	e.attachmentsOf(t, tasks)
}

func (e *encoder) open()  { e.comma(); e.b = append(e.b, '{') }
func (e *encoder) close() { e.b = append(e.b, '}') }

// childrenOf opens an inline collection with its context before it (semantics 5.6).
func (e *encoder) childrenOf(property string, t *todo.Task, tasks string) {
	if tasks != "" {
		e.context(property, tasks, keyed(t.ID), "/", property)
	}
	e.name(property)
	e.b = append(e.b, '[')
}

// body writes an itemBody as text, unless the client prefers HTML (semantics
// 10.6 and 10.8).
func (e *encoder) body(b todo.Body) {
	content := b.Content
	switch {
	case e.r.prefer.html && b.Type == todo.Text:
		content = todo.TextToHTML(content)
	case !e.r.prefer.html && b.Type == todo.HTML:
		content = todo.HTMLToText(content)
	}
	e.name("body")
	e.b = append(e.b, '{')
	e.str("content", content)
	if e.r.prefer.html {
		e.str("contentType", todo.HTML.String())
	} else {
		e.str("contentType", todo.Text.String())
	}
	e.b = append(e.b, '}')
}

// recurrence writes a patternedRecurrence in the form of the real service,
// which names every member (semantics 11.1).
func (e *encoder) recurrence(rec *todo.Recurrence) {
	p, g := rec.Pattern, rec.Range
	e.name("recurrence")
	e.b = append(e.b, `{"pattern":{`...)
	e.str("type", p.Type.String())
	e.number("interval", p.Interval)
	e.number("month", int(p.Month))
	e.number("dayOfMonth", p.DayOfMonth)
	e.name("daysOfWeek")
	e.b = append(e.b, '[')
	for _, d := range p.DaysOfWeek {
		e.comma()
		e.b = appendJSONString(e.b, todo.WeekdayName(d))
	}
	e.b = append(e.b, ']')
	e.str("firstDayOfWeek", todo.WeekdayName(p.FirstDayOfWeek))
	e.str("index", p.Index.String())
	e.b = append(e.b, `},"range":{`...)
	e.str("type", g.Type.String())
	e.str("startDate", dateOrFirst(g.StartDate))
	e.str("endDate", dateOrFirst(g.EndDate))
	zone := g.TimeZone
	if zone == "" {
		zone = "UTC"
	}
	e.str("recurrenceTimeZone", zone)
	e.number("numberOfOccurrences", g.NumberOfOccurrences)
	e.b = append(e.b, "}}"...)
}

// dateOrFirst writes no date as the first day of the calendar, as Graph does.
func dateOrFirst(d todo.Date) string {
	if d.IsZero() {
		return "0001-01-01"
	}
	return d.String()
}

// checklistItem writes the members of a checklistItem.
func (e *encoder) checklistItem(c *todo.ChecklistItem) {
	e.str("displayName", c.Name)
	e.instant("createdDateTime", c.Created)
	if c.Checked {
		e.instant("checkedDateTime", c.CheckedAt)
	}
	e.boolean("isChecked", c.Checked)
	e.str("id", c.ID)
}

// linkedResource writes the members of a linkedResource.
func (e *encoder) linkedResource(l *todo.LinkedResource) {
	e.optional("webUrl", l.WebURL)
	e.str("applicationName", l.ApplicationName)
	e.optional("displayName", l.DisplayName)
	e.optional("externalId", l.ExternalID)
	e.str("id", l.ID)
}

// extensions writes those of a task or a list, if there are any; collection is
// its context, or empty in delta.
func (e *encoder) extensions(extensions []todo.Extension, collection, id string) {
	if len(extensions) == 0 {
		return
	}
	if collection != "" {
		e.context("extensions", collection, keyed(id), "/extensions")
	}
	e.name("extensions")
	e.b = append(e.b, '[')
	for _, x := range extensions {
		e.open()
		e.extension(x)
		e.close()
	}
	e.b = append(e.b, ']')
}

// extension writes the members of an openTypeExtension: the client's own, which
// are stored as a JSON object, follow ours.
func (e *encoder) extension(x todo.Extension) {
	if !e.r.bare {
		e.str("@odata.type", "#microsoft.graph.openTypeExtension")
	}
	e.str("extensionName", x.Name)
	e.str("id", todo.ExtensionIDPrefix+x.Name)
	data, err := parseOwnJSON([]byte(x.Data))
	if err != nil {
		return // decodeExtension wrote it: there is nothing that could be shown
	}
	for name, member := range data.members() {
		if e.r.bare && strings.Contains(name, "@odata.") {
			continue
		}
		e.comma()
		e.b = appendJSONString(e.b, name)
		e.b = append(e.b, ':')
		e.b = append(e.b, member.raw()...)
	}
}

// heldLink writes a linked resource of the collection of all of them, in the
// form of the early documentation.
func (e *encoder) heldLink(h *store.HeldLink) {
	if !e.r.bare {
		e.str("@odata.type", "#microsoft.graph.linkedResource")
		if h.TaskID != "" {
			e.str("@odata.id", e.r.base+"/"+e.r.version+"/users/"+escapeID(e.r.as.User)+"/todo/lists/"+h.ListID+"/tasks/"+h.TaskID+"/linkedResources/"+h.ID)
		}
	}
	e.linkedResource(&h.LinkedResource)
}

// user writes the default properties of a user; unlike those of To Do, their
// nulls are written (surface §3).
func (e *encoder) user(u *todo.User) {
	e.strs("businessPhones", u.BusinessPhones)
	e.orNull("displayName", u.DisplayName)
	e.orNull("givenName", u.GivenName)
	e.orNull("jobTitle", u.JobTitle)
	e.orNull("mail", u.Mail)
	e.orNull("mobilePhone", u.MobilePhone)
	e.orNull("officeLocation", u.OfficeLocation)
	e.orNull("preferredLanguage", u.PreferredLanguage)
	e.orNull("surname", u.Surname)
	e.orNull("userPrincipalName", u.UserPrincipalName)
	e.str("id", u.ID)
}

// entity answers with one entity: fragment is its collection's context, members
// writes it.
func (r *request) entity(status int, fragment string, members func(*encoder)) {
	r.object(status, fragment+selected(r.opts.sel)+"/$entity", members)
}

// object answers with one entity or the value of a complex type, whose context
// is whole.
func (r *request) object(status int, context string, members func(*encoder)) {
	e := r.encoder()
	e.b = append(e.b, '{')
	e.context("", context)
	members(e)
	e.b = append(e.b, '}')
	e.prune(0)
	r.out = e.b
	r.answer(status, e.b)
}

// collection answers with a page of n items of count; next is the address of the
// page after it, if any.
func (r *request) collection(fragment string, n, count int, next string, item func(*encoder, int)) {
	e := r.encoder()
	e.b = append(e.b, '{')
	e.context("", fragment, selected(r.opts.sel))
	if r.query.count {
		e.number("@odata.count", count)
	}
	if next != "" {
		e.str("@odata.nextLink", next)
	}
	e.name("value")
	e.b = append(e.b, '[')
	for i := range n {
		e.comma()
		start := len(e.b)
		e.b = append(e.b, '{')
		item(e, i)
		e.close()
		e.prune(start)
	}
	e.b = append(e.b, "]}"...)
	r.out = e.b
	r.answer(http.StatusOK, e.b)
}

// number answers with the size of a collection, as text (semantics 7.6).
func (r *request) number(n int) {
	r.header["Content-Type"] = []string{"text/plain"}
	r.status = http.StatusOK
	r.w.WriteHeader(http.StatusOK)
	if !r.head {
		_, _ = io.WriteString(r.w, strconv.Itoa(n)) // the client has gone; nobody is left to tell
	}
}

// created answers a POST: 201, the address of the new entity, and the entity.
func (r *request) created(id string, fragment string, members func(*encoder)) {
	r.header["Location"] = []string{r.base + "/" + r.version + r.path + keySegment(id)}
	r.entity(http.StatusCreated, fragment, members)
}

// keySegment writes an id at the end of an address: after a slash or, where it
// has parentheses, which a path would take for those of a key, as a key.
func keySegment(id string) string {
	if !strings.ContainsAny(id, "()") {
		return "/" + escapeID(id)
	}
	return "('" + escapeID(strings.ReplaceAll(id, "'", "''")) + "')"
}

// updated answers a PATCH: the whole entity, or nothing where the client
// prefers that.
func (r *request) updated(fragment string, members func(*encoder)) {
	if !r.answeredMinimal() {
		r.entity(http.StatusOK, fragment, members)
	}
}

// answeredMinimal answers a PATCH without a body where the client prefers that,
// and says whether it does.
func (r *request) answeredMinimal() bool {
	if r.prefer.minimal {
		r.header.Add("Preference-Applied", "return=minimal")
		r.answer(http.StatusNoContent, nil)
	}
	return r.prefer.minimal
}
