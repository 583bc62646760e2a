package todo

import (
	"reflect"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

// Status is Graph's taskStatus.
type Status uint8

// The states of a task, in Graph's order.
const (
	NotStarted Status = iota
	InProgress
	Completed
	WaitingOnOthers
	Deferred
)

// Importance is Graph's importance.
type Importance uint8

// The importances, in Graph's order.
const (
	Low Importance = iota
	Normal
	High
)

// BodyType is Graph's bodyType.
type BodyType uint8

// The types of a body, in Graph's order.
const (
	Text BodyType = iota
	HTML
)

const (
	statusNames     = "notStarted inProgress completed waitingOnOthers deferred"
	importanceNames = "low normal high"
	bodyTypeNames   = "text html"
)

func (s Status) String() string     { return nth(statusNames, int(s)) }
func (i Importance) String() string { return nth(importanceNames, int(i)) }
func (t BodyType) String() string   { return nth(bodyTypeNames, int(t)) }

// ParseStatus reads a member name of taskStatus, in any case.
func ParseStatus(s string) (Status, bool) { return parseEnum[Status](statusNames, s) }

// ParseImportance reads a member name of importance, in any case.
func ParseImportance(s string) (Importance, bool) { return parseEnum[Importance](importanceNames, s) }

// ParseBodyType reads a member name of bodyType, in any case.
func ParseBodyType(s string) (BodyType, bool) { return parseEnum[BodyType](bodyTypeNames, s) }

// nth is the n-th of the words in names.
func nth(names string, n int) string {
	for word := range strings.FieldsSeq(names) {
		if n == 0 {
			return word
		}
		n--
	}
	return ""
}

// parseEnum finds s among the words in names, whatever its case.
func parseEnum[T ~uint8](names, s string) (T, bool) {
	var n T
	for word := range strings.FieldsSeq(names) {
		if strings.EqualFold(word, s) {
			return n, true
		}
		n++
	}
	return 0, false
}

// A Body is Graph's itemBody, as it was written; answers flatten HTML to text
// unless the client asks otherwise (semantics 10.6).
type Body struct {
	Content string // at most MaxBody bytes
	Type    BodyType
}

// A Task is Graph's todoTask with the children that every answer shows inline.
// It is the unit of change: a write to a child is a write to its task, and
// moves the task's etag (semantics 4.2).
type Task struct {
	ID, ListID     string
	Version        int64 // the mailbox's version of the last write; set by the store
	Born           int64 // that of the first; set by the store
	Title          string
	Status         Status
	Importance     Importance
	Body           Body
	Categories     []string // display names, in the order written
	Created        time.Time
	Modified       time.Time
	Due            DateTime // midnight of a day
	Start          DateTime // midnight of a day
	Completed      DateTime // midnight of a day; only with Status Completed
	Reminder       DateTime // keeps its time of day
	ReminderOn     bool     // derived, never written by clients (semantics 10.4)
	HasAttachments bool
	Recurrence     *Recurrence
	Occurrence     int // which occurrence of the series this is, from 1; 0: a past one, which rolls no further

	ChecklistItems  []ChecklistItem  // in the order added
	LinkedResources []LinkedResource // in the order added
	Extensions      []Extension      // only where a caller asked for them
	Attachments     []Attachment     // as above; without their bytes
}

// A TaskPatch is the body of a POST or PATCH of a task, already type-checked.
// Read-only members are not in it: they are ignored (semantics 5.10).
type TaskPatch struct {
	Title      Opt[string]
	Status     Opt[Status]
	Importance Opt[Importance]
	Body       Opt[BodyPatch]
	Categories Opt[[]string]
	Due        Opt[Day]
	Start      Opt[Day]
	Completed  Opt[Day]
	Reminder   Opt[DateTime]
	Recurrence Opt[RecurrencePatch]
}

// A Day is what a client sends for a member that is a date.
type Day struct {
	Midnight DateTime  // what it means, as ParseDay gives it
	Sent     time.Time // the instant that was sent
}

// over is the value that a member gets which was old before. A value that is
// only sent back, in whatever zone, leaves it alone: midnight in London is
// 23:00 in UTC, and taken for a new date there it would be the day before.
func (d Day) over(old DateTime) DateTime {
	if d.Sent.Equal(old.At) {
		return old
	}
	return d.Midnight
}

// A BodyPatch is an itemBody of which parts may be missing.
type BodyPatch struct {
	Content Opt[string]
	Type    Opt[BodyType]
}

// A RecurrencePatch is a patternedRecurrence of which parts may be missing.
type RecurrencePatch struct {
	Pattern Opt[Pattern]
	Range   Opt[Range]
}

// IDs makes the ids of new things; the store does.
type IDs interface {
	NewID() string   // of a list or a task
	NewGUID() string // of a step or a linked resource
}

// NewTask makes the task that a POST asks for. An explicit null in a POST is
// the same as nothing. Its children are added by the caller.
func NewTask(id, listID string, p TaskPatch, now time.Time) (Task, error) {
	if !p.Title.Has() {
		return Task{}, Errorf(Invalid, "title", "The property 'title' is required when creating the entity.")
	}
	p.Due.Set, p.Start.Set, p.Reminder.Set = p.Due.Has(), p.Start.Has(), p.Reminder.Has()
	t := Task{ID: id, ListID: listID, Importance: Normal, Created: now, Occurrence: 1}
	return t, t.apply(p, now)
}

// Apply returns t changed by p at now. Completing a task that recurs gives two:
// t itself, rolled on to its next occurrence and open again, and a completed
// copy under an id of its own that keeps the occurrence that is done
// (semantics 11.9). A PATCH that names nothing still counts as a change
// (semantics 4.8).
func (t Task) Apply(p TaskPatch, now time.Time, ids IDs) (Task, *Task, error) {
	was, wasOn := t.Status, t.ReminderOn
	if err := t.apply(p, now); err != nil {
		return t, nil, err
	}
	if was == Completed || t.Status != Completed || t.Recurrence == nil || t.Occurrence == 0 {
		return t, nil, nil
	}
	next, ok := t.Recurrence.Next(t.Due, t.Occurrence)
	if !ok { // the series ends here, as a plain completion (semantics 11.13)
		return t, nil, nil
	}
	done := t.pastOccurrence(now, ids)
	t.roll(next, p.Reminder.Has(), wasOn || p.Reminder.Has())
	return t, &done, nil
}

// pastOccurrence is the completed copy of t, with children of its own. Its
// reminder is off, and attachments stay with the series.
func (t Task) pastOccurrence(now time.Time, ids IDs) Task {
	t.ID, t.Created, t.Occurrence = ids.NewID(), now, 0
	t.HasAttachments, t.ReminderOn = false, false
	t.ChecklistItems = slices.Clone(t.ChecklistItems)
	for i := range t.ChecklistItems {
		t.ChecklistItems[i].ID = ids.NewGUID()
	}
	t.LinkedResources = slices.Clone(t.LinkedResources)
	for i := range t.LinkedResources {
		t.LinkedResources[i].ID = ids.NewGUID()
	}
	return t
}

// apply changes t by p; on an error t is of no further use.
func (t *Task) apply(p TaskPatch, now time.Time) error {
	was := t.Status
	if err := t.applyTexts(p); err != nil {
		return err
	}
	if p.Importance.Has() {
		t.Importance = p.Importance.V
	}
	if p.Status.Has() {
		t.Status = p.Status.V
	}
	t.applyCompleted(p, was, now)
	if p.Start.Set {
		t.Start = p.Start.V.over(t.Start)
	}
	if p.Due.Set {
		t.Due = p.Due.V.over(t.Due)
	} else if t.Due.IsZero() && p.Start.Has() {
		t.Due = t.Start // semantics 9.2
	}
	t.applyReminder(p, was)
	t.Modified = now
	return t.applyRecurrence(p)
}

// applyTexts changes title, body and categories, within their bounds.
func (t *Task) applyTexts(p TaskPatch) error {
	if p.Title.Set {
		title, err := name("title", p.Title)
		if err != nil {
			return err
		}
		t.Title = title
	}
	if p.Body.Null {
		t.Body = Body{}
	}
	if p.Body.Has() {
		b := p.Body.V
		if b.Content.Set { // without a type beside it, it is text
			t.Body = Body{Content: b.Content.V}
		}
		if b.Type.Has() {
			t.Body.Type = b.Type.V
		}
		if len(t.Body.Content) > MaxBody {
			return Errorf(Invalid, "body.content", "The property 'body.content' is longer than the %d bytes allowed.", MaxBody)
		}
	}
	if p.Categories.Set {
		t.Categories = p.Categories.V
		return checkCategories(t.Categories)
	}
	return nil
}

func checkCategories(categories []string) error {
	if len(categories) > MaxCategories {
		return Errorf(Invalid, "categories", "The property 'categories' holds more than the %d items allowed.", MaxCategories)
	}
	for _, c := range categories {
		if strings.TrimSpace(c) == "" {
			return Errorf(Invalid, "categories", "The property 'categories' holds an empty name.")
		}
		if utf8.RuneCountInString(c) > MaxCategory {
			return tooLong("categories", MaxCategory)
		}
	}
	return nil
}

// applyCompleted keeps completedDateTime in step with the status: it is there
// exactly while the task is completed (semantics 10.1 to 10.3).
func (t *Task) applyCompleted(p TaskPatch, was Status, now time.Time) {
	switch {
	case t.Status != Completed:
		t.Completed = DateTime{}
	case p.Completed.Has():
		t.Completed = p.Completed.V.over(t.Completed)
	case was != Completed || t.Completed.IsZero():
		t.Completed = DateTime{At: now.UTC().Truncate(24 * time.Hour)}
	}
}

// applyReminder derives isReminderOn (semantics 10.4): writing a time turns it
// on, null turns it off, and so does completing, which keeps the time.
func (t *Task) applyReminder(p TaskPatch, was Status) {
	switch {
	case p.Reminder.Set:
		t.Reminder, t.ReminderOn = p.Reminder.V, p.Reminder.Has()
	case t.Status == Completed && was != Completed:
		t.ReminderOn = false
	}
}

// applyRecurrence starts, changes, moves or stops the series.
func (t *Task) applyRecurrence(p TaskPatch) error {
	if p.Recurrence.Null {
		t.Recurrence, t.Occurrence = nil, 1
		return nil
	}
	if !p.Recurrence.Has() {
		return t.moveSeries(p)
	}
	var r Recurrence
	switch {
	case p.Recurrence.V.Pattern.Has():
		r.Pattern = p.Recurrence.V.Pattern.V
	case t.Recurrence != nil:
		r.Pattern = t.Recurrence.Pattern
	default:
		return Errorf(Invalid, "recurrence.pattern", "The property 'recurrence.pattern' is required when creating recurrence in the task entity")
	}
	r.Range = Range{Type: NoEnd} // semantics 11.2
	if p.Recurrence.V.Range.Has() {
		r.Range = p.Recurrence.V.Range.V
	}
	if t.resends(r) {
		return t.moveSeries(p)
	}
	r, due, err := r.Normalize(t.Due)
	if err != nil {
		return err
	}
	t.Recurrence, t.Due, t.Occurrence = &r, due, 1
	return nil
}

// resends says whether r is the series that t is in already, with or without its
// start: then it goes on as it is, and a numbered one does not count anew.
func (t *Task) resends(r Recurrence) bool {
	if t.Recurrence == nil {
		return false
	}
	if r.Range.StartDate.IsZero() {
		r.Range.StartDate = t.Recurrence.Range.StartDate
	}
	r, _, err := r.Normalize(t.Due)
	return err == nil && reflect.DeepEqual(r, *t.Recurrence)
}

// moveSeries takes a new due date for a task that recurs: the series goes on
// from there. Microsoft's service splits the series instead, a defect that is
// mended here (semantics 11.14).
func (t *Task) moveSeries(p TaskPatch) error {
	if t.Recurrence == nil || !p.Due.Set {
		return nil
	}
	if t.Due.IsZero() {
		return Errorf(Invalid, "dueDateTime", "The property 'dueDateTime' is required while the task recurs; clear 'recurrence' as well.")
	}
	if day := t.Due.Date(); day.Compare(t.Recurrence.Range.StartDate) < 0 {
		r := *t.Recurrence
		r.Range.StartDate = day
		t.Recurrence = &r
	}
	return nil
}

// roll moves t on to the occurrence that is due at next: open, its steps not
// done, its start and reminder moved by as many days. A reminder that the same
// PATCH wrote is left where the client put it.
func (t *Task) roll(next DateTime, newReminder, reminderOn bool) {
	days := next.Date().Sub(t.Due.Date())
	t.Status, t.Completed, t.Due = NotStarted, DateTime{}, next
	t.Occurrence++
	if !t.Start.IsZero() {
		t.Start = t.Start.AddDays(days)
	}
	if !t.Reminder.IsZero() {
		if !newReminder {
			t.Reminder = t.Reminder.AddDays(days)
		}
		t.ReminderOn = reminderOn
	}
	t.ChecklistItems = slices.Clone(t.ChecklistItems)
	for i := range t.ChecklistItems {
		t.ChecklistItems[i].Checked, t.ChecklistItems[i].CheckedAt = false, time.Time{}
	}
}

// name checks a title or a display name: not blank, at most MaxTitle characters.
func name(member string, v Opt[string]) (string, error) {
	if !v.Has() || strings.TrimSpace(v.V) == "" {
		return "", required(member)
	}
	if utf8.RuneCountInString(v.V) > MaxTitle {
		return "", tooLong(member, MaxTitle)
	}
	return v.V, nil
}
