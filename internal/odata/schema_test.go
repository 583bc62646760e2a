package odata_test

import (
	"testing"

	"github.com/duly-todo/duly/internal/odata"
)

func dateTimeTimeZone(name string) odata.Property {
	return odata.Property{
		Name: name, Type: odata.Complex, TypeName: "microsoft.graph.dateTimeTimeZone", Nullable: true,
		Complex: []odata.Property{{Name: "dateTime", Type: odata.DateText, Nullable: true}, {Name: "timeZone", Type: odata.String, Nullable: true}},
	}
}

// taskSchema is like that of todoTask, and has properties of the types that
// todoTask has not.
func taskSchema() *odata.Schema {
	collection := func(name string, item *odata.Schema) odata.Property {
		return odata.Property{Name: name, Type: odata.Collection, Item: item}
	}
	list := &odata.Schema{Name: "microsoft.graph.todoTaskList", Properties: []odata.Property{
		{Name: "id", Type: odata.String}, {Name: "displayName", Type: odata.String},
	}}
	steps := &odata.Schema{Name: "microsoft.graph.checklistItem", Properties: []odata.Property{
		{Name: "id", Type: odata.String},
		{Name: "displayName", Type: odata.String},
		{Name: "isChecked", Type: odata.Bool},
		{Name: "createdDateTime", Type: odata.Instant},
		{Name: "checkedDateTime", Type: odata.Instant, Nullable: true},
	}}
	links := &odata.Schema{Name: "microsoft.graph.linkedResource", Properties: []odata.Property{
		{Name: "id", Type: odata.String},
		{Name: "displayName", Type: odata.String, Nullable: true},
		{Name: "externalId", Type: odata.String, Nullable: true},
	}}
	extensions := &odata.Schema{Name: "microsoft.graph.extension", Properties: []odata.Property{{Name: "id", Type: odata.String}}}
	tasks := &odata.Schema{Name: "microsoft.graph.todoTask", Properties: []odata.Property{
		{Name: "id", Type: odata.String},
		{Name: "title", Type: odata.String, Nullable: true},
		{Name: "status", Type: odata.Enum, TypeName: "microsoft.graph.taskStatus", Enum: []string{"notStarted", "inProgress", "completed", "waitingOnOthers", "deferred"}},
		{Name: "importance", Type: odata.Enum, TypeName: "microsoft.graph.importance", Enum: []string{"low", "normal", "high"}},
		{Name: "isReminderOn", Type: odata.Bool},
		{Name: "hasAttachments", Type: odata.Bool, Nullable: true},
		{Name: "createdDateTime", Type: odata.Instant},
		{Name: "lastModifiedDateTime", Type: odata.Instant, Nullable: true},
		{Name: "body", Type: odata.Complex, TypeName: "microsoft.graph.itemBody", Complex: []odata.Property{
			{Name: "content", Type: odata.String, Nullable: true},
			{Name: "contentType", Type: odata.Enum, TypeName: "microsoft.graph.bodyType", Enum: []string{"text", "html"}},
		}},
		dateTimeTimeZone("dueDateTime"), dateTimeTimeZone("completedDateTime"), dateTimeTimeZone("reminderDateTime"),
		{Name: "size", Type: odata.Int, Nullable: true},
		{Name: "weight", Type: odata.Double, Nullable: true},
		{Name: "spent", Type: odata.Duration, Nullable: true},
		{Name: "day", Type: odata.Date, Nullable: true},
		{Name: "clock", Type: odata.TimeOfDay, Nullable: true},
		collection("categories", &odata.Schema{Name: "Edm.String", Value: &odata.Property{Type: odata.String}}),
		collection("checklistItems", steps), collection("linkedResources", links), collection("extensions", extensions),
		{Name: "recurrence", Type: odata.Complex, TypeName: "microsoft.graph.patternedRecurrence", Nullable: true},
		{Name: "parentList", Type: odata.Entity, Item: list},
	}}
	list.Properties = append(list.Properties, collection("tasks", tasks), collection("extensions", extensions),
		odata.Property{Name: "wellknownListName", Type: odata.Enum, Enum: []string{"none", "defaultList", "flaggedEmails"}})
	return tasks
}

// listSchema is the other end of the tasks' parentList.
func listSchema() *odata.Schema {
	tasks := taskSchema()
	return tasks.Properties[len(tasks.Properties)-1].Item
}

func TestLookup(t *testing.T) {
	t.Parallel()
	s := taskSchema()
	p, path, err := s.Lookup("DUEdatetime/dateTIME")
	if err != nil || path != "dueDateTime/dateTime" || p.Type != odata.DateText {
		t.Errorf("got %v %q %v", p, path, err)
	}
	for sent, want := range map[string]string{
		"titel":          "Could not find a property named 'titel' on type 'microsoft.graph.todoTask'.",
		"body/text":      "Could not find a property named 'text' on type 'microsoft.graph.itemBody'.",
		"title/x":        "Could not find a property named 'x' on type 'Edm.String'.",
		"":               "Could not find a property named '' on type 'microsoft.graph.todoTask'.",
		"categories/x":   "Could not find a property named 'x' on type 'Collection(Edm.String)'.",
		"parentList/id/": "Could not find a property named 'id' on type 'microsoft.graph.todoTaskList'.",
	} {
		if _, _, err := s.Lookup(sent); err == nil || err.Error() != want {
			t.Errorf("Lookup(%q): %v, want %s", sent, err, want)
		}
	}
}
