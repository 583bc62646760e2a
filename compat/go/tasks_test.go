package compat_test

import (
	"testing"
	"time"

	"github.com/microsoft/kiota-abstractions-go/serialization"
	"github.com/microsoftgraph/msgraph-sdk-go/models"
	"github.com/microsoftgraph/msgraph-sdk-go/users"
)

// day is a date of a recurrence.
func day(year int, month time.Month, day int) *serialization.DateOnly {
	return serialization.NewDateOnly(time.Date(year, month, day, 0, 0, 0, 0, time.UTC))
}

// everything is a task that has all that a task can be made with.
func everything() models.TodoTaskable {
	task := titled("Party")[0]
	body := models.NewItemBody()
	body.SetContent(new("Bring cake"))
	body.SetContentType(new(models.TEXT_BODYTYPE))
	task.SetBody(body)
	task.SetImportance(new(models.HIGH_IMPORTANCE))
	task.SetStatus(new(models.INPROGRESS_TASKSTATUS))
	task.SetCategories([]string{"Home", "Fun"})
	task.SetStartDateTime(date("2030-01-03T00:00:00", "UTC"))
	task.SetDueDateTime(date("2030-01-04T00:00:00", "UTC"))
	task.SetReminderDateTime(date("2030-01-04T09:30:00", "UTC"))

	pattern := models.NewRecurrencePattern()
	pattern.SetTypeEscaped(new(models.WEEKLY_RECURRENCEPATTERNTYPE))
	pattern.SetInterval(new(int32(2)))
	pattern.SetDaysOfWeek([]models.DayOfWeek{models.MONDAY_DAYOFWEEK, models.FRIDAY_DAYOFWEEK})
	pattern.SetFirstDayOfWeek(new(models.MONDAY_DAYOFWEEK))
	scope := models.NewRecurrenceRange()
	scope.SetTypeEscaped(new(models.ENDDATE_RECURRENCERANGETYPE))
	scope.SetStartDate(day(2030, 1, 4))
	scope.SetEndDate(day(2031, 1, 4))
	scope.SetRecurrenceTimeZone(new("UTC"))
	task.SetRecurrence(recurrence(pattern, scope))

	invite, bake := models.NewChecklistItem(), models.NewChecklistItem()
	invite.SetDisplayName(new("Invite"))
	invite.SetIsChecked(new(true))
	bake.SetDisplayName(new("Bake"))
	task.SetChecklistItems([]models.ChecklistItemable{invite, bake})

	link := models.NewLinkedResource()
	link.SetApplicationName(new("Party"))
	link.SetDisplayName(new("No 7"))
	link.SetExternalId(new("7"))
	link.SetWebUrl(new("https://party.example/7"))
	task.SetLinkedResources([]models.LinkedResourceable{link})

	extension := models.NewOpenTypeExtension()
	extension.SetExtensionName(new("com.example.party"))
	extension.SetAdditionalData(map[string]any{"host": "Ada", "guests": int32(12)})
	task.SetExtensions([]models.Extensionable{extension})
	return task
}

func recurrence(pattern models.RecurrencePatternable, scope models.RecurrenceRangeable) models.PatternedRecurrenceable {
	r := models.NewPatternedRecurrence()
	r.SetPattern(pattern)
	r.SetRangeEscaped(scope)
	return r
}

func TestTaskWithEverything(t *testing.T) {
	list, made := newList(t, shared.ada, "Everything", everything())
	if len(made[0].GetExtensions()) != 1 {
		t.Fatal("the answer to POST has no extension")
	}
	extension := made[0].GetExtensions()[0]
	must(t, want("host", additional(extension, "host"), "Ada"))

	task, err := list.Tasks().ByTodoTaskId(value(made[0].GetId())).Get(t.Context(), nil)
	must(t, err)
	must(t,
		want("title", value(task.GetTitle()), "Party"),
		want("body", value(task.GetBody().GetContent()), "Bring cake"),
		want("type of the body", value(task.GetBody().GetContentType()), models.TEXT_BODYTYPE),
		want("importance", value(task.GetImportance()), models.HIGH_IMPORTANCE),
		want("status", value(task.GetStatus()), models.INPROGRESS_TASKSTATUS),
		want("isReminderOn", value(task.GetIsReminderOn()), true),
		want("hasAttachments is there", task.GetHasAttachments() != nil, true),
		wantAll("categories", task.GetCategories(), []string{"Home", "Fun"}),
		wantDate("start", task.GetStartDateTime(), "2030-01-03T00:00:00.0000000", "UTC"),
		wantDate("due date", task.GetDueDateTime(), "2030-01-04T00:00:00.0000000", "UTC"),
		wantDate("reminder", task.GetReminderDateTime(), "2030-01-04T09:30:00.0000000", "UTC"),
		want("there is a completion", task.GetCompletedDateTime() != nil, false))
	if age := time.Since(value(task.GetCreatedDateTime())); age < -time.Minute || age > time.Minute {
		t.Errorf("made %v ago", age)
	}

	pattern, scope := task.GetRecurrence().GetPattern(), task.GetRecurrence().GetRangeEscaped()
	must(t,
		want("pattern", value(pattern.GetTypeEscaped()), models.WEEKLY_RECURRENCEPATTERNTYPE),
		want("interval", value(pattern.GetInterval()), 2),
		wantAll("days", pattern.GetDaysOfWeek(), []models.DayOfWeek{models.MONDAY_DAYOFWEEK, models.FRIDAY_DAYOFWEEK}),
		want("first day", value(pattern.GetFirstDayOfWeek()), models.MONDAY_DAYOFWEEK),
		want("range", value(scope.GetTypeEscaped()), models.ENDDATE_RECURRENCERANGETYPE),
		want("first date", scope.GetStartDate().String(), "2030-01-04"),
		want("last date", scope.GetEndDate().String(), "2031-01-04"),
		want("zone", value(scope.GetRecurrenceTimeZone()), "UTC"))

	if len(task.GetChecklistItems()) != 2 || len(task.GetLinkedResources()) != 1 {
		t.Fatalf("%d steps and %d links", len(task.GetChecklistItems()), len(task.GetLinkedResources()))
	}
	invite, bake, link := task.GetChecklistItems()[0], task.GetChecklistItems()[1], task.GetLinkedResources()[0]
	must(t,
		want("step", value(invite.GetDisplayName()), "Invite"), want("checked", value(invite.GetIsChecked()), true),
		want("time of the check is there", invite.GetCheckedDateTime() != nil, true),
		want("step", value(bake.GetDisplayName()), "Bake"), want("checked", value(bake.GetIsChecked()), false),
		want("link", value(link.GetWebUrl()), "https://party.example/7"), want("application", value(link.GetApplicationName()), "Party"),
		want("name of the link", value(link.GetDisplayName()), "No 7"), want("external id", value(link.GetExternalId()), "7"))
}

// A change is an object with what changes; nil is sent as null.
func TestTaskChanges(t *testing.T) {
	task := titled("Tea")[0]
	task.SetDueDateTime(date("2030-01-01T00:00:00", "UTC"))
	task.SetCategories([]string{"Home"})
	list, made := newList(t, shared.ada, "Changes", task)
	at, ctx := list.Tasks().ByTodoTaskId(value(made[0].GetId())), t.Context()

	patch := titled("Green tea")[0]
	patch.SetDueDateTime(nil)
	changed, err := at.Patch(ctx, patch, nil)
	must(t, err)
	must(t, want("title", value(changed.GetTitle()), "Green tea"), want("has a due date", changed.GetDueDateTime() != nil, false),
		wantAll("categories", changed.GetCategories(), []string{"Home"}))

	status := models.NewTodoTask()
	status.SetStatus(new(models.COMPLETED_TASKSTATUS))
	done, err := at.Patch(ctx, status, nil)
	must(t, err)
	must(t, want("has a completion", done.GetCompletedDateTime() != nil, true))
	status.SetStatus(new(models.NOTSTARTED_TASKSTATUS))
	open, err := at.Patch(ctx, status, nil)
	must(t, err)
	must(t, want("has a completion", open.GetCompletedDateTime() != nil, false))

	all, err := list.Tasks().Get(ctx, nil)
	must(t, err)
	must(t, wantAll("titles", titles(all.GetValue()), []string{"Green tea"}))
	must(t, at.Delete(ctx, nil))
	_, err = at.Get(ctx, nil)
	must(t, refused(err, 404, "ErrorItemNotFound"))
}

// Of an object that comes from a collection the SDK sends all members back, the
// ones that are read-only and the children too.
func TestTaskSentBack(t *testing.T) {
	list, made := newList(t, shared.ada, "Sent back", everything())
	all, err := list.Tasks().Get(t.Context(), nil)
	must(t, err)
	task := all.GetValue()[0]
	task.SetTitle(new("Feast"))
	changed, err := list.Tasks().ByTodoTaskId(value(made[0].GetId())).Patch(t.Context(), task, nil)
	must(t, err)
	must(t, want("title", value(changed.GetTitle()), "Feast"), want("id", value(changed.GetId()), value(made[0].GetId())),
		wantDate("reminder", changed.GetReminderDateTime(), "2030-01-04T09:30:00.0000000", "UTC"),
		want("steps", len(changed.GetChecklistItems()), 2), want("links", len(changed.GetLinkedResources()), 1))
}

func TestEnums(t *testing.T) {
	list, made := newList(t, shared.ada, "Enums", titled("x")...)
	at := list.Tasks().ByTodoTaskId(value(made[0].GetId()))
	for status := models.NOTSTARTED_TASKSTATUS; status <= models.DEFERRED_TASKSTATUS; status++ {
		for importance := models.LOW_IMPORTANCE; importance <= models.HIGH_IMPORTANCE; importance++ {
			patch := models.NewTodoTask()
			patch.SetStatus(&status)
			patch.SetImportance(&importance)
			task, err := at.Patch(t.Context(), patch, nil)
			must(t, err)
			must(t, want("status", value(task.GetStatus()), status), want("importance", value(task.GetImportance()), importance))
		}
	}
	body := models.NewItemBody()
	body.SetContentType(new(models.HTML_BODYTYPE))
	body.SetContent(new("<html><body><b>Now</b></body></html>"))
	patch := models.NewTodoTask()
	patch.SetBody(body)
	task, err := at.Patch(t.Context(), patch, &users.ItemTodoListsItemTasksTodoTaskItemRequestBuilderPatchRequestConfiguration{
		Headers: headers("Prefer", `outlook.body-content-type="html"`),
	})
	must(t, err)
	must(t, want("type of the body", value(task.GetBody().GetContentType()), models.HTML_BODYTYPE))
}

func TestDates(t *testing.T) {
	task := titled("Call")[0]
	task.SetReminderDateTime(date("2030-07-01T09:00:00", "Pacific Standard Time"))
	list, made := newList(t, shared.ada, "Dates", task)
	must(t, wantDate("reminder", made[0].GetReminderDateTime(), "2030-07-01T16:00:00.0000000", "UTC"))

	zoned, err := list.Tasks().ByTodoTaskId(value(made[0].GetId())).Get(t.Context(), &users.ItemTodoListsItemTasksTodoTaskItemRequestBuilderGetRequestConfiguration{
		Headers: headers("Prefer", `outlook.timezone="Europe/London"`),
	})
	must(t, err)
	must(t, wantDate("reminder", zoned.GetReminderDateTime(), "2030-07-01T17:00:00.0000000", "Europe/London"))
}

func TestRecurrence(t *testing.T) {
	patterns := map[models.RecurrencePatternType]func(models.RecurrencePatternable){
		models.DAILY_RECURRENCEPATTERNTYPE:  func(models.RecurrencePatternable) {},
		models.WEEKLY_RECURRENCEPATTERNTYPE: func(p models.RecurrencePatternable) { p.SetDaysOfWeek([]models.DayOfWeek{models.TUESDAY_DAYOFWEEK}) },
		models.ABSOLUTEMONTHLY_RECURRENCEPATTERNTYPE: func(p models.RecurrencePatternable) {
			p.SetDayOfMonth(new(int32(1)))
		},
		models.RELATIVEMONTHLY_RECURRENCEPATTERNTYPE: func(p models.RecurrencePatternable) {
			p.SetDaysOfWeek([]models.DayOfWeek{models.TUESDAY_DAYOFWEEK})
			p.SetIndex(new(models.FIRST_WEEKINDEX))
		},
		models.ABSOLUTEYEARLY_RECURRENCEPATTERNTYPE: func(p models.RecurrencePatternable) {
			p.SetDayOfMonth(new(int32(1)))
			p.SetMonth(new(int32(1)))
		},
		models.RELATIVEYEARLY_RECURRENCEPATTERNTYPE: func(p models.RecurrencePatternable) {
			p.SetDaysOfWeek([]models.DayOfWeek{models.TUESDAY_DAYOFWEEK})
			p.SetIndex(new(models.FIRST_WEEKINDEX))
			p.SetMonth(new(int32(1)))
		},
	}
	next := map[models.RecurrencePatternType]string{
		models.DAILY_RECURRENCEPATTERNTYPE:           "2030-01-02",
		models.WEEKLY_RECURRENCEPATTERNTYPE:          "2030-01-08",
		models.ABSOLUTEMONTHLY_RECURRENCEPATTERNTYPE: "2030-02-01",
		models.RELATIVEMONTHLY_RECURRENCEPATTERNTYPE: "2030-02-05",
		models.ABSOLUTEYEARLY_RECURRENCEPATTERNTYPE:  "2031-01-01",
		models.RELATIVEYEARLY_RECURRENCEPATTERNTYPE:  "2031-01-07",
	}
	for kind, complete := range patterns {
		t.Run(kind.String(), func(t *testing.T) {
			pattern, scope := models.NewRecurrencePattern(), models.NewRecurrenceRange()
			pattern.SetTypeEscaped(&kind)
			pattern.SetInterval(new(int32(1)))
			complete(pattern)
			scope.SetTypeEscaped(new(models.NUMBERED_RECURRENCERANGETYPE))
			scope.SetStartDate(day(2030, 1, 1)) // a Tuesday
			scope.SetNumberOfOccurrences(new(int32(4)))
			task := titled("Water")[0]
			task.SetDueDateTime(date("2030-01-01T00:00:00", "UTC"))
			task.SetRecurrence(recurrence(pattern, scope))
			list, made := newList(t, shared.ada, "Series", task)
			must(t, want("pattern", value(made[0].GetRecurrence().GetPattern().GetTypeEscaped()), kind),
				want("occurrences", value(made[0].GetRecurrence().GetRangeEscaped().GetNumberOfOccurrences()), 4))

			done := models.NewTodoTask()
			done.SetStatus(new(models.COMPLETED_TASKSTATUS))
			open, err := list.Tasks().ByTodoTaskId(value(made[0].GetId())).Patch(t.Context(), done, nil)
			must(t, err)
			all, err := list.Tasks().Get(t.Context(), nil)
			must(t, err)
			must(t, want("status", value(open.GetStatus()), models.NOTSTARTED_TASKSTATUS),
				wantDate("due date", open.GetDueDateTime(), next[kind]+"T00:00:00.0000000", "UTC"),
				want("tasks", len(all.GetValue()), 2))
		})
	}
}

func TestChecklistItems(t *testing.T) {
	list, made := newList(t, shared.ada, "Steps", titled("Cook")...)
	steps, ctx := list.Tasks().ByTodoTaskId(value(made[0].GetId())).ChecklistItems(), t.Context()

	step := models.NewChecklistItem()
	step.SetDisplayName(new("Chop"))
	chop, err := steps.Post(ctx, step, nil)
	must(t, err)
	at := steps.ByChecklistItemId(value(chop.GetId()))
	patch := models.NewChecklistItem()
	patch.SetIsChecked(new(true))
	checked, err := at.Patch(ctx, patch, nil)
	must(t, err)
	got, err := at.Get(ctx, nil)
	must(t, err)
	must(t, want("checked", value(checked.GetIsChecked()), true), want("name", value(got.GetDisplayName()), "Chop"),
		want("time of the check", value(got.GetCheckedDateTime()).IsZero(), false))
	all, err := steps.Get(ctx, nil)
	must(t, err)
	must(t, want("steps", len(all.GetValue()), 1))
	must(t, at.Delete(ctx, nil))
	all, err = steps.Get(ctx, nil)
	must(t, err)
	must(t, want("steps", len(all.GetValue()), 0))
}

func TestLinkedResources(t *testing.T) {
	list, made := newList(t, shared.ada, "Links", titled("Reply")...)
	links, ctx := list.Tasks().ByTodoTaskId(value(made[0].GetId())).LinkedResources(), t.Context()

	link := models.NewLinkedResource()
	link.SetApplicationName(new("Mail"))
	link.SetWebUrl(new("https://mail.example/1"))
	link.SetExternalId(new("1"))
	mail, err := links.Post(ctx, link, nil)
	must(t, err)
	at := links.ByLinkedResourceId(value(mail.GetId()))
	patch := models.NewLinkedResource()
	patch.SetDisplayName(new("One"))
	_, err = at.Patch(ctx, patch, nil)
	must(t, err)
	got, err := at.Get(ctx, nil)
	must(t, err)
	must(t, want("name", value(got.GetDisplayName()), "One"), want("address", value(got.GetWebUrl()), "https://mail.example/1"),
		want("external id", value(got.GetExternalId()), "1"))
	all, err := links.Get(ctx, nil)
	must(t, err)
	must(t, want("links", len(all.GetValue()), 1))
	must(t, at.Delete(ctx, nil))
	_, err = at.Get(ctx, nil)
	must(t, refused(err, 404, "ErrorItemNotFound"))
}
