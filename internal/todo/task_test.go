package todo_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/duly-todo/duly/internal/todo"
)

// testIDs counts, so that ids can be told in advance.
type testIDs struct{ n int }

func (i *testIDs) NewID() string   { i.n++; return fmt.Sprint("id", i.n) }
func (i *testIDs) NewGUID() string { i.n++; return fmt.Sprint("guid", i.n) }

// clock is the time of all changes here: the 24th, noon in UTC.
var clock = time.Date(2026, 9, 24, 12, 0, 0, 0, time.UTC)

func day(t *testing.T, date, zone string) todo.DateTime {
	t.Helper()
	d, err := todo.ParseDay("test", date, zone)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// sent is a day as a client sends it, at noon so that it is no midnight yet.
func sent(d todo.DateTime) todo.Opt[todo.Day] {
	return todo.Some(todo.Day{Midnight: d, Sent: d.At.Add(12 * time.Hour)})
}

func moment(t *testing.T, at, zone string) todo.DateTime {
	t.Helper()
	d, err := todo.ParseDateTime("test", at, zone)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// newTask makes a task from a patch that names no title.
func newTask(t *testing.T, p todo.TaskPatch) todo.Task {
	t.Helper()
	p.Title = todo.Some("x")
	task, err := todo.NewTask("task", "list", p, clock.Add(-time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	return task
}

func apply(t *testing.T, task todo.Task, p todo.TaskPatch) (todo.Task, *todo.Task) {
	t.Helper()
	next, done, err := task.Apply(p, clock, &testIDs{})
	if err != nil {
		t.Fatal(err)
	}
	return next, done
}

func TestNewTaskDefaults(t *testing.T) {
	t.Parallel()
	got := newTask(t, todo.TaskPatch{})
	want := todo.Task{
		ID: "task", ListID: "list", Title: "x", Status: todo.NotStarted, Importance: todo.Normal,
		Created: clock.Add(-time.Hour), Modified: clock.Add(-time.Hour), Occurrence: 1,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestNewTaskTakesNullForNothing(t *testing.T) {
	t.Parallel()
	got := newTask(t, todo.TaskPatch{
		Body: todo.Null[todo.BodyPatch](), Due: todo.Null[todo.Day](), Start: sent(day(t, "2026-09-26", "")),
		Reminder: todo.Null[todo.DateTime](), Completed: todo.Null[todo.Day](), Recurrence: todo.Null[todo.RecurrencePatch](),
		Categories: todo.Null[[]string](),
	})
	if got.Due != got.Start {
		t.Errorf("due is %v, want the start: a null in a POST is nothing", got.Due)
	}
}

// TestReminder has the cases of semantics 10.4: isReminderOn is derived.
func TestReminder(t *testing.T) {
	t.Parallel()
	at, later := moment(t, "2026-09-26T17:30:00", ""), moment(t, "2026-09-27T08:00:00", "")
	completed, open := todo.Some(todo.Completed), todo.Some(todo.NotStarted)
	for _, c := range []struct {
		name    string
		patches []todo.TaskPatch
		on      bool
		at      todo.DateTime
	}{
		{"none", nil, false, todo.DateTime{}},
		{"written", []todo.TaskPatch{{Reminder: todo.Some(at)}}, true, at},
		{"moved", []todo.TaskPatch{{Reminder: todo.Some(at)}, {Reminder: todo.Some(later)}}, true, later},
		{"cleared", []todo.TaskPatch{{Reminder: todo.Some(at)}, {Reminder: todo.Null[todo.DateTime]()}}, false, todo.DateTime{}},
		{"completed", []todo.TaskPatch{{Reminder: todo.Some(at)}, {Status: completed}}, false, at},
		{"completed with a time", []todo.TaskPatch{{Reminder: todo.Some(at)}, {Status: completed, Reminder: todo.Some(later)}}, true, later},
		{"written while completed", []todo.TaskPatch{{Status: completed}, {Reminder: todo.Some(at)}}, true, at},
		{"reopened", []todo.TaskPatch{{Reminder: todo.Some(at)}, {Status: completed}, {Status: open}}, false, at},
		{"written after reopening", []todo.TaskPatch{{Reminder: todo.Some(at)}, {Status: completed}, {Status: open}, {Reminder: todo.Some(at)}}, true, at},
		{"completed twice", []todo.TaskPatch{{Status: completed}, {Reminder: todo.Some(at)}, {Status: completed}}, true, at},
		{"in progress", []todo.TaskPatch{{Reminder: todo.Some(at)}, {Status: todo.Some(todo.InProgress)}}, true, at},
		{"another member", []todo.TaskPatch{{Reminder: todo.Some(at)}, {Title: todo.Some("y")}}, true, at},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			task := newTask(t, todo.TaskPatch{})
			for _, p := range c.patches {
				task, _ = apply(t, task, p)
			}
			if task.ReminderOn != c.on || task.Reminder != c.at {
				t.Errorf("on %v at %v, want %v at %v", task.ReminderOn, task.Reminder.At, c.on, c.at.At)
			}
		})
	}
}

// TestCompletedDateTime has the cases of semantics 10.1 to 10.3.
func TestCompletedDateTime(t *testing.T) {
	t.Parallel()
	today, past := day(t, "2026-09-24", ""), day(t, "2026-09-01", "America/Chicago")
	completed, open := todo.Some(todo.Completed), todo.Some(todo.NotStarted)
	for _, c := range []struct {
		name    string
		patches []todo.TaskPatch
		want    todo.DateTime
	}{
		{"open", nil, todo.DateTime{}},
		{"completed", []todo.TaskPatch{{Status: completed}}, today},
		{"completed at", []todo.TaskPatch{{Status: completed, Completed: sent(past)}}, past},
		{"moved", []todo.TaskPatch{{Status: completed}, {Completed: sent(past)}}, past},
		{"sent while open", []todo.TaskPatch{{Completed: sent(past)}}, todo.DateTime{}},
		{"sent before", []todo.TaskPatch{{Completed: sent(past)}, {Status: completed}}, today},
		{"reopened", []todo.TaskPatch{{Status: completed}, {Status: open}}, todo.DateTime{}},
		{"waiting", []todo.TaskPatch{{Status: completed}, {Status: todo.Some(todo.WaitingOnOthers)}}, todo.DateTime{}},
		{"kept", []todo.TaskPatch{{Status: completed, Completed: sent(past)}, {Title: todo.Some("y")}}, past},
		{"completed again", []todo.TaskPatch{{Status: completed, Completed: sent(past)}, {Status: completed}}, past},
		{"null while completed", []todo.TaskPatch{{Status: completed, Completed: sent(past)}, {Completed: todo.Null[todo.Day]()}}, past},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			task := newTask(t, todo.TaskPatch{})
			for _, p := range c.patches {
				task, _ = apply(t, task, p)
			}
			if task.Completed != c.want {
				t.Errorf("completed %v, want %v", task.Completed, c.want)
			}
		})
	}
}

func TestStartSetsDue(t *testing.T) {
	t.Parallel()
	first, second := day(t, "2026-09-26T09:15:00", "Europe/London"), day(t, "2026-10-01", "Europe/London")
	for _, c := range []struct {
		name    string
		task    todo.TaskPatch
		patch   todo.TaskPatch
		due     todo.DateTime
		started todo.DateTime
	}{
		{"start alone", todo.TaskPatch{Start: sent(first)}, todo.TaskPatch{}, first, first},
		{"both", todo.TaskPatch{Start: sent(first), Due: sent(second)}, todo.TaskPatch{}, second, first},
		{"start later", todo.TaskPatch{}, todo.TaskPatch{Start: sent(first)}, first, first},
		{"start moved", todo.TaskPatch{Due: sent(second)}, todo.TaskPatch{Start: sent(first)}, second, first},
		{"due cleared", todo.TaskPatch{Start: sent(first)}, todo.TaskPatch{Due: todo.Null[todo.Day]()}, todo.DateTime{}, first},
		{"start with a null due", todo.TaskPatch{}, todo.TaskPatch{Start: sent(first), Due: todo.Null[todo.Day]()}, todo.DateTime{}, first},
		{"start cleared", todo.TaskPatch{Start: sent(first)}, todo.TaskPatch{Start: todo.Null[todo.Day]()}, first, todo.DateTime{}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			task, _ := apply(t, newTask(t, c.task), c.patch)
			if task.Due != c.due || task.Start != c.started {
				t.Errorf("due %v, start %v; want %v, %v", task.Due, task.Start, c.due, c.started)
			}
		})
	}
}

// daily is a recurrence of every n days.
func daily(n int, g todo.Range) todo.Opt[todo.RecurrencePatch] {
	return todo.Some(todo.RecurrencePatch{Pattern: todo.Some(todo.Pattern{Type: todo.Daily, Interval: n}), Range: todo.Some(g)})
}

func noEnd() todo.Range { return todo.Range{Type: todo.NoEnd} }

func TestCompletingASeries(t *testing.T) {
	t.Parallel()
	task := newTask(t, todo.TaskPatch{
		Due: sent(day(t, "2026-09-24", "Europe/London")), Start: sent(day(t, "2026-09-23", "Europe/London")),
		Reminder:   todo.Some(moment(t, "2026-09-24T09:00:00", "Europe/London")),
		Recurrence: daily(7, noEnd()), Categories: todo.Some([]string{"Red"}),
	})
	var err error
	task, err = task.AddChecklistItem("step", todo.ChecklistItemPatch{DisplayName: todo.Some("a"), IsChecked: todo.Some(true)}, true, clock)
	if err != nil {
		t.Fatal(err)
	}
	task.LinkedResources = []todo.LinkedResource{{ID: "link", ApplicationName: "Mail"}}
	task.HasAttachments = true

	open, done := apply(t, task, todo.TaskPatch{Status: todo.Some(todo.Completed), Title: todo.Some("y")})
	if done == nil {
		t.Fatal("no completed copy")
	}
	wantOpen := task
	wantOpen.Title, wantOpen.Modified, wantOpen.Occurrence = "y", clock, 2
	wantOpen.Due, wantOpen.Start = day(t, "2026-10-01", "Europe/London"), day(t, "2026-09-30", "Europe/London")
	wantOpen.Reminder = moment(t, "2026-10-01T09:00:00", "Europe/London")
	wantOpen.ChecklistItems = []todo.ChecklistItem{{ID: "step", Name: "a", Created: clock}}
	if diff := cmp.Diff(wantOpen, open); diff != "" {
		t.Errorf("the open task (-want +got):\n%s", diff)
	}
	wantDone := task
	wantDone.ID, wantDone.Title, wantDone.Status = "id1", "y", todo.Completed
	wantDone.Created, wantDone.Modified, wantDone.Occurrence = clock, clock, 0
	wantDone.Completed = day(t, "2026-09-24", "")
	wantDone.ReminderOn, wantDone.HasAttachments = false, false
	wantDone.ChecklistItems = []todo.ChecklistItem{{ID: "guid2", Name: "a", Checked: true, CheckedAt: clock, Created: clock}}
	wantDone.LinkedResources = []todo.LinkedResource{{ID: "guid3", ApplicationName: "Mail"}}
	if diff := cmp.Diff(&wantDone, done); diff != "" {
		t.Errorf("the completed copy (-want +got):\n%s", diff)
	}

	// The copy is past: reopening and completing it does not roll.
	again, _ := apply(t, *done, todo.TaskPatch{Status: todo.Some(todo.NotStarted)})
	again, spawned := apply(t, again, todo.TaskPatch{Status: todo.Some(todo.Completed)})
	if spawned != nil || again.Status != todo.Completed {
		t.Errorf("completing a past occurrence again: status %v, copy %v", again.Status, spawned)
	}
}

func TestSeriesKeepsMidnightAcrossClockChanges(t *testing.T) {
	t.Parallel()
	task := newTask(t, todo.TaskPatch{Due: sent(day(t, "2026-10-25", "Europe/London")), Recurrence: daily(1, noEnd())})
	open, _ := apply(t, task, todo.TaskPatch{Status: todo.Some(todo.Completed)})
	if want := time.Date(2026, 10, 26, 0, 0, 0, 0, time.UTC); !open.Due.At.Equal(want) {
		t.Errorf("due %v, want %v: midnight in London after the clock went back", open.Due.At, want)
	}
}

func TestSeriesEnds(t *testing.T) {
	t.Parallel()
	for name, g := range map[string]todo.Range{
		"numbered": {Type: todo.Numbered, NumberOfOccurrences: 3},
		"endDate":  {Type: todo.EndDate, EndDate: todo.Date{Year: 2026, Month: 9, Day: 29}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			task := newTask(t, todo.TaskPatch{Due: sent(day(t, "2026-09-24", "")), Recurrence: daily(2, g)})
			var done *todo.Task
			for n := range 2 {
				if task, done = apply(t, task, todo.TaskPatch{Status: todo.Some(todo.Completed)}); done == nil || task.Status != todo.NotStarted {
					t.Fatalf("completion %d: status %v, copy %v", n+1, task.Status, done)
				}
			}
			task, done = apply(t, task, todo.TaskPatch{Status: todo.Some(todo.Completed)})
			if done != nil || task.Status != todo.Completed || task.Completed.IsZero() {
				t.Errorf("the last completion: status %v, copy %v", task.Status, done)
			}
			if want := day(t, "2026-09-28", ""); task.Due != want {
				t.Errorf("the last occurrence is due %v, want %v", task.Due.At, want.At)
			}
		})
	}
}

func TestRecurrencePatches(t *testing.T) {
	t.Parallel()
	due := day(t, "2026-09-24", "") // a Thursday
	mondays := todo.Pattern{Type: todo.Weekly, Interval: 1, DaysOfWeek: []time.Weekday{time.Monday}}
	series := newTask(t, todo.TaskPatch{Due: sent(due), Recurrence: daily(2, todo.Range{Type: todo.Numbered, NumberOfOccurrences: 3})})
	plain := newTask(t, todo.TaskPatch{})
	for _, c := range []struct {
		name  string
		task  todo.Task
		patch todo.TaskPatch
		due   todo.DateTime
		kind  string // of the range; empty: no series
		err   string // the member at fault
	}{
		{"null stops", series, todo.TaskPatch{Recurrence: todo.Null[todo.RecurrencePatch]()}, due, "", ""},
		{"pattern alone", series, todo.TaskPatch{Recurrence: todo.Some(todo.RecurrencePatch{Pattern: todo.Some(mondays)})}, day(t, "2026-09-28", ""), "noEnd", ""},
		{"range alone", series, todo.TaskPatch{Recurrence: todo.Some(todo.RecurrencePatch{Range: todo.Some(noEnd())})}, due, "noEnd", ""},
		{"range without a series", plain, todo.TaskPatch{Recurrence: todo.Some(todo.RecurrencePatch{Range: todo.Some(noEnd())})}, due, "", "recurrence.pattern"},
		{"no due date", plain, todo.TaskPatch{Recurrence: daily(1, noEnd())}, due, "", "dueDateTime"},
		{"due from the range", plain, todo.TaskPatch{Recurrence: daily(1, todo.Range{Type: todo.NoEnd, StartDate: todo.Date{Year: 2026, Month: 10, Day: 1}})}, day(t, "2026-10-01", ""), "noEnd", ""},
		{"due moves the series", series, todo.TaskPatch{Due: sent(day(t, "2026-09-30", ""))}, day(t, "2026-09-30", ""), "numbered", ""},
		{"due before the start", series, todo.TaskPatch{Due: sent(day(t, "2026-09-01", ""))}, day(t, "2026-09-01", ""), "numbered", ""},
		{"due cleared", series, todo.TaskPatch{Due: todo.Null[todo.Day]()}, due, "", "dueDateTime"},
		{"both cleared", series, todo.TaskPatch{Due: todo.Null[todo.Day](), Recurrence: todo.Null[todo.RecurrencePatch]()}, todo.DateTime{}, "", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			got, done, err := c.task.Apply(c.patch, clock, &testIDs{})
			if c.err != "" {
				if e, ok := errors.AsType[*todo.Error](err); !ok || e.Kind != todo.Invalid || e.Target != c.err {
					t.Errorf("error %v, want one that names %s", err, c.err)
				}
				return
			}
			if err != nil || done != nil {
				t.Fatalf("copy %v, error %v", done, err)
			}
			kind := ""
			if got.Recurrence != nil {
				kind = got.Recurrence.Range.Type.String()
				if first := got.Recurrence.Range.StartDate; first.Compare(got.Due.Date()) > 0 {
					t.Errorf("the series starts on %v, after the due date", first)
				}
			}
			if got.Due != c.due || kind != c.kind {
				t.Errorf("due %v, range %q; want %v, %q", got.Due.At, kind, c.due.At, c.kind)
			}
		})
	}
}

func TestTexts(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("é", todo.MaxTitle)
	some := func(s string) todo.TaskPatch { return todo.TaskPatch{Title: todo.Some(s)} }
	body := func(s string) todo.TaskPatch {
		return todo.TaskPatch{Body: todo.Some(todo.BodyPatch{Content: todo.Some(s)})}
	}
	for _, c := range []struct {
		name   string
		patch  todo.TaskPatch
		member string // at fault
	}{
		{"title", some("y"), ""},
		{"longest title", some(long), ""},
		{"title too long", some(long + "x"), "title"},
		{"empty title", some(""), "title"},
		{"blank title", some(" \t\r\n\u00a0"), "title"},
		{"null title", todo.TaskPatch{Title: todo.Null[string]()}, "title"},
		{"longest body", body(strings.Repeat("x", todo.MaxBody)), ""},
		{"body too long", body(strings.Repeat("x", todo.MaxBody+1)), "body.content"},
		{"categories", todo.TaskPatch{Categories: todo.Some([]string{"a", "a", "B"})}, ""},
		{"empty category", todo.TaskPatch{Categories: todo.Some([]string{"a", " "})}, "categories"},
		{"long category", todo.TaskPatch{Categories: todo.Some([]string{strings.Repeat("x", todo.MaxCategory+1)})}, "categories"},
		{"many categories", todo.TaskPatch{Categories: todo.Some(make([]string, todo.MaxCategories+1))}, "categories"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			_, _, err := newTask(t, todo.TaskPatch{}).Apply(c.patch, clock, &testIDs{})
			e, _ := errors.AsType[*todo.Error](err)
			if (c.member == "") != (err == nil) || c.member != "" && (e.Target != c.member || e.Kind != todo.Invalid) {
				t.Errorf("error %v, want one about %q", err, c.member)
			}
		})
	}
}

func TestBodyParts(t *testing.T) {
	t.Parallel()
	html := newTask(t, todo.TaskPatch{Body: todo.Some(todo.BodyPatch{Content: todo.Some("<b>a</b>"), Type: todo.Some(todo.HTML)})})
	for name, c := range map[string]struct {
		patch todo.Opt[todo.BodyPatch]
		want  todo.Body
	}{
		"null":         {todo.Null[todo.BodyPatch](), todo.Body{}},
		"type alone":   {todo.Some(todo.BodyPatch{Type: todo.Some(todo.Text)}), todo.Body{Content: "<b>a</b>"}},
		"null content": {todo.Some(todo.BodyPatch{Content: todo.Null[string]()}), todo.Body{}},
		"absent":       {todo.Opt[todo.BodyPatch]{}, todo.Body{Content: "<b>a</b>", Type: todo.HTML}},
	} {
		got, _ := apply(t, html, todo.TaskPatch{Body: c.patch})
		if got.Body != c.want {
			t.Errorf("%s: %v, want %v", name, got.Body, c.want)
		}
	}
}

func TestEnums(t *testing.T) {
	t.Parallel()
	for n, name := range strings.Fields("notStarted inProgress completed waitingOnOthers deferred") {
		if s, ok := todo.ParseStatus(strings.ToUpper(name)); !ok || s != todo.Status(n) || s.String() != name {
			t.Errorf("%s: %v, %v", name, s, ok)
		}
	}
	for n, name := range strings.Fields("low normal high") {
		if i, ok := todo.ParseImportance(name); !ok || i != todo.Importance(n) || i.String() != name {
			t.Errorf("%s: %v, %v", name, i, ok)
		}
	}
	for _, bad := range []string{"", " ", "done", "notStarted completed", "0"} {
		if s, ok := todo.ParseStatus(bad); ok {
			t.Errorf("ParseStatus(%q) = %v", bad, s)
		}
	}
}

func TestListNames(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		want   string
		others []string
		got    string
	}{
		{"Travel", nil, "Travel"},
		{"Travel", []string{"Travel"}, "Travel (1)"},
		{"travel", []string{"TRAVEL", "Travel (1)"}, "travel (2)"},
		{"Travel", []string{"Travel", "Travel (2)"}, "Travel (1)"},
		{"Travel (1)", []string{"Travel (1)"}, "Travel (1) (1)"},
	} {
		l, err := todo.NewTaskList("id", todo.TaskListPatch{DisplayName: todo.Some(c.want)}, c.others, clock)
		if err != nil || l.Name != c.got {
			t.Errorf("%s beside %q is %q, want %q (%v)", c.want, c.others, l.Name, c.got, err)
		}
	}
	fixed := todo.TaskList{Name: "Tasks", Wellknown: todo.DefaultList}
	if _, err := fixed.Apply(todo.TaskListPatch{DisplayName: todo.Some("x")}, nil, clock); err == nil {
		t.Error("the default list was renamed")
	}
	if _, err := fixed.Apply(todo.TaskListPatch{DisplayName: todo.Some("Tasks")}, nil, clock); err != nil {
		t.Errorf("the default list's own name: %v", err)
	}
}

func TestWebURL(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		url              string
		friendly, strict bool
	}{
		{"https://example.org/a?b#c", true, true},
		{"mailto:a@example.org", true, true},
		{"ftp://x", true, true},
		{"message:%3Cid%40x%3E", true, true},
		{"http:://microsoft.com", true, false},
		{"x-app+1.0:go", true, true},
		{"http://exa mple.org", false, false},
		{"http://[::1", true, false},
		{"String", false, false},
		{"not a url", false, false},
		{"//example.org", false, false},
		{"1http://x", false, false},
		{":x", false, false},
		{"http:", false, false},
		{"http://x\n", false, false},
		{"http://" + strings.Repeat("x", todo.MaxURL), false, false},
	} {
		for strict, want := range map[bool]bool{false: c.friendly, true: c.strict} {
			_, err := todo.LinkRules{StrictURL: strict}.NewLinkedResource("id", todo.LinkedResourcePatch{
				ApplicationName: todo.Some("a"), WebURL: todo.Some(c.url),
			})
			if (err == nil) != want {
				t.Errorf("%.40q, strict %v: %v, want accepted %v", c.url, strict, err, want)
			}
		}
	}
}
