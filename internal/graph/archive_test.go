package graph_test

import (
	"errors"
	"testing"

	"github.com/duly-todo/duly/internal/graph"
	"github.com/duly-todo/duly/internal/todo"
)

// archivedTasks are lines of tasks with something of everything.
func archivedTasks() []string {
	return []string{
		`{"@duly.listId":"AAAAAAAAAAAAAAAAAAAAAAB=","importance":"high","isReminderOn":true,"status":"notStarted","title":"Milk \"x\"","createdDateTime":"2026-01-01T00:00:00.5Z","lastModifiedDateTime":"2026-01-01T00:00:01Z","categories":["a","b"],"id":"AAAAAAAAAAAAAAAAAAAAAAC=","body":{"content":"<p>\n</p>","contentType":"html"},"checklistItems":[{"displayName":"s","createdDateTime":"2026-01-01T00:00:00Z","checkedDateTime":"2026-01-02T00:00:00Z","isChecked":true,"id":"22222222-2222-4222-8222-222222222222"}],"dueDateTime":{"dateTime":"2026-10-24T22:00:00.0000000Z","timeZone":"Europe/Berlin"},"recurrence":{"pattern":{"type":"weekly","interval":2,"month":0,"dayOfMonth":0,"daysOfWeek":["sunday"],"firstDayOfWeek":"sunday","index":"first"},"range":{"type":"numbered","startDate":"2026-10-25","endDate":"0001-01-01","recurrenceTimeZone":"Europe/Berlin","numberOfOccurrences":5}},"@duly.occurrence":2,"reminderDateTime":{"dateTime":"2026-10-25T00:30:00.1234560Z"},"linkedResources":[{"webUrl":"a:b","applicationName":"Mail","displayName":"d","externalId":"7","id":"33333333-3333-4333-8333-333333333333"}],"extensions":[{"@odata.type":"#microsoft.graph.openTypeExtension","extensionName":"x","id":"microsoft.graph.openTypeExtension.x","i@odata.type":"#Int64","i":3,"o":{"a":[1,null]}}],"attachments":[{"id":"AAAAAAAAAAAAAAAAAAAAAAE=","lastModifiedDateTime":"2026-01-01T00:00:00Z","name":"../a","contentType":"t","size":5}]}`,
		`{"@duly.listId":"AAAAAAAAAAAAAAAAAAAAAAB=","importance":"low","isReminderOn":false,"status":"completed","title":"Done","createdDateTime":"2026-01-01T00:00:00Z","lastModifiedDateTime":"2026-01-01T00:00:00Z","categories":[],"id":"AAAAAAAAAAAAAAAAAAAAAAC=","body":{"content":"","contentType":"text"},"completedDateTime":{"dateTime":"2026-10-27T00:00:00.0000000Z"},"dueDateTime":{"dateTime":"2026-10-28T00:00:00.0000000Z","timeZone":"UTC"},"recurrence":{"pattern":{"type":"daily","interval":1,"month":0,"dayOfMonth":0,"daysOfWeek":[],"firstDayOfWeek":"sunday","index":"first"},"range":{"type":"endDate","startDate":"2026-10-25","endDate":"2026-10-26","recurrenceTimeZone":"UTC","numberOfOccurrences":0}},"@duly.occurrence":0,"startDateTime":{"dateTime":"2025-12-31T15:00:00.0000000Z","timeZone":"Tokyo Standard Time"}}`,
	}
}

// TestArchivedTask wants lines to come out as they went in.
func TestArchivedTask(t *testing.T) {
	t.Parallel()
	for _, line := range archivedTasks() {
		task, err := graph.ParseArchivedTask([]byte(line))
		if err != nil {
			t.Errorf("%s: %v", line, err)
			continue
		}
		if got := string(graph.ArchiveTask(&task)); got != line+"\n" {
			t.Errorf("got  %swant %s", got, line)
		}
	}
}

// FuzzArchivedLine reads lines as everything that a line may be: what is taken is
// written in a form that is taken again, and stays as it is; what is refused is
// refused in words for people.
func FuzzArchivedLine(f *testing.F) {
	for _, line := range archivedTasks() {
		f.Add(line)
	}
	f.Add(`{"displayName":"Work","isOwner":true,"isShared":false,"wellknownListName":"none","id":"AAAAAAAAAAAAAAAAAAAAAAB=","extensions":[{"extensionName":"a"}]}`)
	f.Add(`{"id":"33333333-3333-4333-8333-333333333333","displayName":"Red","color":"preset1"}`)
	f.Add(`{"webUrl":"a:b","applicationName":"Mail","id":"33333333-3333-4333-8333-333333333333"}`)
	f.Add(`{"timeZone":"Europe/Berlin","dateFormat":"x","language":{"locale":"tlh"}}`)
	f.Fuzz(func(t *testing.T, line string) {
		again(t, line, graph.ParseArchivedTask, graph.ArchiveTask)
		again(t, line, graph.ParseArchivedList, graph.ArchiveList)
		again(t, line, graph.ParseArchivedCategory, graph.ArchiveCategory)
		again(t, line, graph.ParseArchivedLink, graph.ArchiveLink)
		settings := func(line []byte) (todo.User, error) {
			return graph.ParseArchivedSettings(line, todo.User{DisplayName: "-"})
		}
		again(t, line, settings, graph.ArchiveSettings)
	})
}

func again[T any](t *testing.T, line string, parse func([]byte) (T, error), write func(*T) []byte) {
	t.Helper()
	first, err := parse([]byte(line))
	if err != nil {
		if _, ok := errors.AsType[*todo.Error](err); !ok {
			t.Errorf("%T: %v", first, err)
		}
		return
	}
	text := write(&first)
	second, err := parse(text)
	if err != nil {
		t.Fatalf("%T: %s is refused after it was taken: %v", first, text, err)
	}
	if other := write(&second); string(other) != string(text) {
		t.Errorf("%T: %s becomes %s", first, text, other)
	}
}
