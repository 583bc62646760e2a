package graph

import (
	"compress/gzip"
	"errors"
	"io"
	"mime"
	"net/http"
	"strings"
	"time"

	"github.com/duly-todo/duly/internal/todo"
)

// maxRequestBody is the most bytes of a JSON body, before and after it is
// decompressed: Graph's own 4 MB.
const maxRequestBody = 4 << 20

// readBody reads the whole body as JSON.
func (r *request) readBody() (jsonValue, error) { return r.readUpTo(maxRequestBody) }

// readUpTo reads the whole body, of at most limit bytes, as JSON.
func (r *request) readUpTo(limit int) (jsonValue, error) {
	if err := checkContentType(r.Header.Get("Content-Type")); err != nil {
		return jsonValue{}, err
	}
	if r.ContentLength > int64(limit) {
		return jsonValue{}, bodyTooLarge(limit)
	}
	var in io.Reader = http.MaxBytesReader(r.w, r.Body, int64(limit))
	switch encoding := strings.ToLower(strings.TrimSpace(r.Header.Get("Content-Encoding"))); encoding {
	case "", "identity":
	case "gzip":
		z, err := gzip.NewReader(in)
		if err != nil {
			return jsonValue{}, badGzip(err, limit)
		}
		in = z
	default: // the official SDKs send the body again, plain, on a 415
		return jsonValue{}, unsupportedEncoding(encoding)
	}
	size := r.ContentLength
	if size < 0 {
		size = 512
	}
	body, err := readAll(in, int(size), limit)
	if err != nil {
		return jsonValue{}, badGzip(err, limit)
	}
	return parseJSON(body)
}

func unsupportedEncoding(encoding string) error {
	return todo.Errorf(todo.UnsupportedMedia, "Content-Encoding", "The Content-Encoding '%s' is not supported; use gzip or none.", shortened(encoding))
}

// readAll reads at most limit bytes; more are an error. size is what the body is
// expected to have.
func readAll(in io.Reader, size, limit int) ([]byte, error) {
	b := make([]byte, 0, size+1)
	for {
		n, err := in.Read(b[len(b):cap(b)])
		b = b[:len(b)+n]
		switch {
		case len(b) > limit:
			return nil, bodyTooLarge(limit)
		case err == io.EOF:
			return b, nil
		case err != nil:
			return nil, err
		case len(b) == cap(b):
			b = append(b, 0)[:len(b)]
		}
	}
}

func bodyTooLarge(limit int) error {
	return todo.Errorf(todo.TooLarge, "", "The request body is larger than the %d bytes allowed.", limit)
}

// badGzip says what is wrong with a body that could not be read.
func badGzip(err error, limit int) error {
	var tooLarge *http.MaxBytesError
	var known *todo.Error
	switch {
	case errors.As(err, &known):
		return err
	case errors.As(err, &tooLarge):
		return bodyTooLarge(limit)
	}
	return todo.Errorf(todo.BadRequest, "", "The request body could not be read: %v.", err)
}

// checkContentType takes JSON, and a body whose type is not said (semantics 1.8).
func checkContentType(header string) error {
	if header == "" {
		return nil
	}
	kind, _, err := mime.ParseMediaType(header)
	if err == nil && (kind == "application/json" || kind == "text/json" || kind == "text/plain" || strings.HasSuffix(kind, "+json")) {
		return nil
	}
	return todo.Errorf(todo.UnsupportedMedia, "Content-Type", "The Content-Type '%s' is not supported; send application/json.", shortened(header))
}

// readObject reads the body as an object of the type.
func (r *request) readObject(typeName string) (jsonValue, error) {
	v, err := r.readBody()
	if err != nil {
		return v, err
	}
	return v.object(typeName)
}

// A decoder reads the members of an object and keeps the first error.
type decoder struct {
	v   jsonValue
	err error
}

// opt reads a member that may be absent or null.
func opt[T any](d *decoder, name string, read func(jsonValue) (T, error)) (o todo.Opt[T]) {
	v, ok := d.v.member(name)
	if !ok || d.err != nil {
		return o
	}
	o.Set = true
	if o.Null = v.isNull(); o.Null {
		return o
	}
	o.V, d.err = read(v)
	return o
}

// enum reads a member of an enumeration, in any case.
func enum[T any](parse func(string) (T, bool), typeName string) func(jsonValue) (T, error) {
	return func(v jsonValue) (T, error) {
		s, err := v.str()
		if err != nil {
			var none T
			return none, v.mismatch(typeName)
		}
		member, ok := parse(s)
		if !ok {
			return member, v.mismatch(typeName)
		}
		return member, nil
	}
}

// list reads an array.
func list[T any](typeName string, read func(jsonValue) (T, error)) func(jsonValue) ([]T, error) {
	return func(v jsonValue) ([]T, error) {
		if _, err := v.array("Collection(" + typeName + ")"); err != nil {
			return nil, err
		}
		var out []T
		for _, item := range v.items() {
			x, err := read(item)
			if err != nil {
				return nil, err
			}
			out = append(out, x)
		}
		return out, nil
	}
}

// decodeTaskList reads a todoTaskList.
func decodeTaskList(v jsonValue) (todo.TaskListPatch, error) {
	d := decoder{v: v}
	return todo.TaskListPatch{DisplayName: opt(&d, "displayName", jsonValue.str)}, d.err
}

// decodeTask reads the members of a todoTask that can be written. Its children
// are read by decodeChildren.
func decodeTask(v jsonValue) (todo.TaskPatch, error) {
	d := decoder{v: v}
	p := todo.TaskPatch{
		Title:      opt(&d, "title", jsonValue.str),
		Status:     opt(&d, "status", enum(todo.ParseStatus, "microsoft.graph.taskStatus")),
		Importance: opt(&d, "importance", enum(todo.ParseImportance, "microsoft.graph.importance")),
		Body:       opt(&d, "body", decodeBody),
		Categories: opt(&d, "categories", list("Edm.String", jsonValue.str)),
		Due:        opt(&d, "dueDateTime", decodeDay),
		Start:      opt(&d, "startDateTime", decodeDay),
		Completed:  opt(&d, "completedDateTime", decodeDay),
		Reminder:   opt(&d, "reminderDateTime", decodeDateTime),
		Recurrence: opt(&d, "recurrence", decodeRecurrence),
	}
	opt(&d, "isReminderOn", jsonValue.boolean) // derived: its type is checked, its value ignored
	if r := p.Recurrence; r.Has() && !r.V.Pattern.Set && !r.V.Range.Set {
		p.Recurrence = todo.Opt[todo.RecurrencePatch]{} // {} says nothing
	}
	return p, d.err
}

func decodeBody(v jsonValue) (p todo.BodyPatch, err error) {
	if v, err = v.object("microsoft.graph.itemBody"); err != nil {
		return p, err
	}
	d := decoder{v: v}
	p.Content = opt(&d, "content", jsonValue.str)
	p.Type = opt(&d, "contentType", enum(todo.ParseBodyType, "microsoft.graph.bodyType"))
	return p, d.err
}

// decodeDay reads a dateTimeTimeZone that is a date: due, start and completed.
func decodeDay(v jsonValue) (d todo.Day, err error) {
	if d.Midnight, err = decodeMoment(v, todo.ParseDay); err != nil {
		return d, err
	}
	sent, err := decodeMoment(v, todo.ParseDateTime)
	d.Sent = sent.At
	return d, err
}

// decodeDateTime reads a dateTimeTimeZone that keeps its time: the reminder.
func decodeDateTime(v jsonValue) (todo.DateTime, error) { return decodeMoment(v, todo.ParseDateTime) }

// decodeMoment reads the parts of a dateTimeTimeZone and has them parsed.
func decodeMoment(v jsonValue, parse func(member, dateTime, zone string) (todo.DateTime, error)) (t todo.DateTime, err error) {
	if v, err = v.object("microsoft.graph.dateTimeTimeZone"); err != nil {
		return t, err
	}
	d := decoder{v: v}
	at, zone := opt(&d, "dateTime", jsonValue.str), opt(&d, "timeZone", jsonValue.str)
	if d.err != nil {
		return t, d.err
	}
	if !at.Has() {
		return t, todo.Errorf(todo.Invalid, v.path()+".dateTime", "The property '%s.dateTime' is required.", v.path())
	}
	return parse(v.path(), at.V, zone.V)
}

func decodeRecurrence(v jsonValue) (p todo.RecurrencePatch, err error) {
	if v, err = v.object("microsoft.graph.patternedRecurrence"); err != nil {
		return p, err
	}
	d := decoder{v: v}
	p.Pattern = opt(&d, "pattern", decodePattern)
	p.Range = opt(&d, "range", decodeRange)
	return p, d.err
}

func decodePattern(v jsonValue) (p todo.Pattern, err error) {
	if v, err = v.object("microsoft.graph.recurrencePattern"); err != nil {
		return p, err
	}
	d := decoder{v: v}
	kind := opt(&d, "type", enum(todo.ParsePatternType, "microsoft.graph.recurrencePatternType"))
	p.Type = kind.V
	p.Interval = int(opt(&d, "interval", jsonValue.int32).V)
	p.Month = time.Month(opt(&d, "month", jsonValue.int32).V)
	p.DayOfMonth = int(opt(&d, "dayOfMonth", jsonValue.int32).V)
	p.DaysOfWeek = opt(&d, "daysOfWeek", list("microsoft.graph.dayOfWeek", enum(todo.ParseWeekday, "microsoft.graph.dayOfWeek"))).V
	p.FirstDayOfWeek = opt(&d, "firstDayOfWeek", enum(todo.ParseWeekday, "microsoft.graph.dayOfWeek")).V
	p.Index = opt(&d, "index", enum(todo.ParseWeekIndex, "microsoft.graph.weekIndex")).V
	if d.err == nil && !kind.Has() {
		d.err = todo.Errorf(todo.Invalid, v.path()+".type", "The property '%s.type' is required.", v.path())
	}
	return p, d.err
}

func decodeRange(v jsonValue) (g todo.Range, err error) {
	if v, err = v.object("microsoft.graph.recurrenceRange"); err != nil {
		return g, err
	}
	d := decoder{v: v}
	kind := opt(&d, "type", enum(todo.ParseRangeType, "microsoft.graph.recurrenceRangeType"))
	g.StartDate = opt(&d, "startDate", decodeDate).V
	g.EndDate = opt(&d, "endDate", decodeDate).V
	g.TimeZone = opt(&d, "recurrenceTimeZone", jsonValue.str).V
	g.NumberOfOccurrences = int(opt(&d, "numberOfOccurrences", jsonValue.int32).V)
	g.Type = todo.NoEnd
	if kind.Has() {
		g.Type = kind.V
	}
	return g, d.err
}

// decodeDate reads an Edm.Date. The first day of the calendar means none: it is
// what answers show for it (semantics 11.1).
func decodeDate(v jsonValue) (todo.Date, error) {
	s, err := v.str()
	if err != nil {
		return todo.Date{}, v.mismatch("Edm.Date")
	}
	d, ok := todo.ParseDate(s)
	if !ok {
		return d, v.mismatch("Edm.Date")
	}
	if d == (todo.Date{Year: 1, Month: 1, Day: 1}) {
		d = todo.Date{}
	}
	return d, nil
}

// decodeInstant reads an Edm.DateTimeOffset, to the microsecond.
func decodeInstant(v jsonValue) (time.Time, error) {
	s, err := v.str()
	if err != nil {
		return time.Time{}, v.mismatch("Edm.DateTimeOffset")
	}
	t, err := time.Parse(time.RFC3339Nano, s)
	if err != nil || t.UTC().Year() < 1 || t.UTC().Year() > 9999 {
		return t, v.mismatch("Edm.DateTimeOffset")
	}
	return t.UTC().Truncate(time.Microsecond), nil
}

// children are the entities that a POST of a task may carry inline.
type children struct {
	steps      []todo.ChecklistItemPatch
	links      []todo.LinkedResourcePatch
	extensions []todo.Extension
}

func (p Profile) decodeChildren(v jsonValue) (c children, err error) {
	d := decoder{v: v}
	c.steps = opt(&d, "checklistItems", list("microsoft.graph.checklistItem", decodeChecklistItem)).V
	c.links = opt(&d, "linkedResources", list("microsoft.graph.linkedResource", decodeLinkedResource)).V
	c.extensions = opt(&d, "extensions", list("microsoft.graph.extension", p.decodeExtension)).V
	return c, d.err
}

func decodeChecklistItem(v jsonValue) (p todo.ChecklistItemPatch, err error) {
	if v, err = v.object("microsoft.graph.checklistItem"); err != nil {
		return p, err
	}
	d := decoder{v: v}
	p.DisplayName = opt(&d, "displayName", jsonValue.str)
	p.IsChecked = opt(&d, "isChecked", jsonValue.boolean)
	p.CheckedAt = opt(&d, "checkedDateTime", decodeInstant)
	p.Created = opt(&d, "createdDateTime", decodeInstant)
	return p, d.err
}

func decodeLinkedResource(v jsonValue) (p todo.LinkedResourcePatch, err error) {
	if v, err = v.object("microsoft.graph.linkedResource"); err != nil {
		return p, err
	}
	d := decoder{v: v}
	p.ApplicationName = opt(&d, "applicationName", jsonValue.str)
	p.DisplayName = opt(&d, "displayName", jsonValue.str)
	p.ExternalID = opt(&d, "externalId", jsonValue.str)
	p.WebURL = opt(&d, "webUrl", jsonValue.str)
	return p, d.err
}

// decodeExtension reads an open extension: its name, and all other members but
// control information of the whole as the client's data, of which only one may
// have a name. An integer is stored with the annotation that the real service
// answers with (semantics 16.8).
func (p Profile) decodeExtension(v jsonValue) (x todo.Extension, err error) {
	if v, err = v.object("microsoft.graph.openTypeExtension"); err != nil {
		return x, err
	}
	last := map[string]jsonValue{} // by name; of one name the last member counts
	for name, member := range v.members() {
		last[lowerASCII(name)] = member
	}
	data := []byte{'{'}
	for name, member := range v.members() {
		key := lowerASCII(name)
		switch {
		case last[key] != member:
			continue
		case key == "extensionname":
			if x.Name, err = member.str(); err != nil {
				return x, err
			}
			x.Name = todo.ExtensionName(x.Name)
			continue
		case key == "@odata.type":
			if err := checkExtensionType(member); err != nil {
				return x, err
			}
			continue
		case key == "id", strings.HasPrefix(key, "@odata."):
			continue
		}
		_, annotated := last[key+"@odata.type"]
		switch {
		case annotated, key == "", strings.Contains(key, "@"): // which are annotations themselves
		case isInteger(member):
			data = appendMember(data, name+"@odata.type", `"#Int64"`)
		case member.kind() == jsonArray && p.TypedArrays:
			return x, todo.Errorf(todo.Invalid, member.path(), "The given untyped value '%s' in payload is invalid. Consider using a OData type annotation explicitly.", cutText(member.raw()))
		}
		data = appendMember(data, name, member.raw())
	}
	x.Data = string(append(data, '}'))
	return x, nil
}

// checkExtensionType checks the "@odata.type" of an extension. The one of mail is
// on the documentation's page for updates.
func checkExtensionType(v jsonValue) error {
	if v.isNull() {
		return nil
	}
	name, err := v.str()
	if err != nil {
		return err
	}
	switch strings.ToLower(strings.TrimPrefix(name, "#")) {
	case "microsoft.graph.opentypeextension", "graph.opentypeextension", "opentypeextension", "microsoft.outlookservices.opentypeextension":
		return nil
	}
	return v.mismatch("microsoft.graph.openTypeExtension")
}

// lowerASCII is the form in which names that [jsonValue.member] takes for one are
// equal.
func lowerASCII(s string) string {
	return strings.Map(func(c rune) rune {
		if 'A' <= c && c <= 'Z' {
			c += 'a' - 'A'
		}
		return c
	}, s)
}

func isInteger(v jsonValue) bool {
	if v.kind() != jsonNumber {
		return false
	}
	_, err := v.int64()
	return err == nil && !strings.ContainsAny(v.raw(), ".eE")
}

func appendMember(b []byte, name, raw string) []byte {
	if b[len(b)-1] != '{' {
		b = append(b, ',')
	}
	b = appendJSONString(b, name)
	b = append(b, ':')
	return append(b, raw...)
}

// decodeUser reads the members of a user that can be written.
func decodeUser(v jsonValue) (todo.UserPatch, error) {
	d := decoder{v: v}
	return todo.UserPatch{
		DisplayName:       opt(&d, "displayName", jsonValue.str),
		GivenName:         opt(&d, "givenName", jsonValue.str),
		Surname:           opt(&d, "surname", jsonValue.str),
		MobilePhone:       opt(&d, "mobilePhone", jsonValue.str),
		JobTitle:          opt(&d, "jobTitle", jsonValue.str),
		OfficeLocation:    opt(&d, "officeLocation", jsonValue.str),
		PreferredLanguage: opt(&d, "preferredLanguage", jsonValue.str),
		BusinessPhones:    opt(&d, "businessPhones", list("Edm.String", jsonValue.str)),
	}, d.err
}
