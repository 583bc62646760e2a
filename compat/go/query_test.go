package compat_test

import (
	"errors"
	"testing"

	"github.com/microsoftgraph/msgraph-sdk-go/models"
	"github.com/microsoftgraph/msgraph-sdk-go/users"
)

// fruit are tasks to look for.
func fruit() []models.TodoTaskable {
	tasks := titled("Apple", "Banana", "Cherry", "Date")
	apple, banana, cherry, dated := tasks[0], tasks[1], tasks[2], tasks[3]
	apple.SetImportance(new(models.HIGH_IMPORTANCE))
	apple.SetCategories([]string{"Red", "Green"})
	apple.SetDueDateTime(date("2030-01-03T00:00:00", "UTC"))
	peel, core := models.NewChecklistItem(), models.NewChecklistItem()
	peel.SetDisplayName(new("Peel"))
	peel.SetIsChecked(new(true))
	core.SetDisplayName(new("Core"))
	apple.SetChecklistItems([]models.ChecklistItemable{peel, core})
	extension := models.NewOpenTypeExtension()
	extension.SetExtensionName(new("com.example.a"))
	extension.SetAdditionalData(map[string]any{"host": "Ada"})
	apple.SetExtensions([]models.Extensionable{extension})

	banana.SetImportance(new(models.LOW_IMPORTANCE))
	banana.SetCategories([]string{"Yellow"})
	banana.SetDueDateTime(date("2030-01-01T00:00:00", "UTC"))
	body := models.NewItemBody()
	body.SetContent(new("ripe"))
	body.SetContentType(new(models.TEXT_BODYTYPE))
	banana.SetBody(body)

	cherry.SetCategories([]string{"Red"})
	cherry.SetStatus(new(models.COMPLETED_TASKSTATUS))

	dated.SetDueDateTime(date("2030-01-02T00:00:00", "UTC"))
	link := models.NewLinkedResource()
	link.SetApplicationName(new("Shop"))
	link.SetWebUrl(new("https://shop.example/4"))
	dated.SetLinkedResources([]models.LinkedResourceable{link})
	return tasks
}

func TestQueries(t *testing.T) {
	list, made := newList(t, shared.ada, "Queries", fruit()...)
	// found compares the titles that a filter finds.
	found := func(t *testing.T, filter string, wanted ...string) error {
		page, err := find(t.Context(), list, taskOptions{Filter: &filter})
		if err != nil {
			return err
		}
		return wantAll(filter, sorted(titles(page.GetValue())), wanted)
	}
	// steps are those of the first task, read with an $expand.
	steps := func(t *testing.T, expand string) (names []string, err error) {
		page, err := find(t.Context(), list, taskOptions{Expand: []string{expand}})
		if err != nil {
			return nil, err
		}
		for _, task := range page.GetValue() {
			for _, step := range task.GetChecklistItems() {
				names = append(names, value(step.GetDisplayName()))
			}
		}
		return names, nil
	}

	runChecks(t, []check{
		{"$expand of what is shown anyway", func(t *testing.T, _ *account) error {
			names, err := steps(t, "checklistItems,linkedResources")
			return errors.Join(err, wantAll("steps", names, []string{"Peel", "Core"}))
		}},
		{"$expand with options", func(t *testing.T, _ *account) error {
			names, err := steps(t, "checklistItems($filter=isChecked eq false)")
			return errors.Join(err, wantAll("steps", names, []string{"Core"}))
		}},
		{"$expand of extensions", func(t *testing.T, _ *account) error {
			task, err := list.Tasks().ByTodoTaskId(value(made[0].GetId())).Get(t.Context(), &users.ItemTodoListsItemTasksTodoTaskItemRequestBuilderGetRequestConfiguration{
				QueryParameters: &users.ItemTodoListsItemTasksTodoTaskItemRequestBuilderGetQueryParameters{
					Expand: []string{"extensions($filter=id eq 'com.example.a')"},
				},
			})
			if err != nil {
				return err
			}
			if len(task.GetExtensions()) != 1 {
				return errors.New("there is no extension")
			}
			return want("host", additional(task.GetExtensions()[0], "host"), "Ada")
		}},
		{"$filter", func(t *testing.T, _ *account) error {
			return errors.Join(
				found(t, "status ne 'completed'", "Apple", "Banana", "Date"),
				found(t, "status eq 'completed' or importance eq 'high' and title ne 'Apple'", "Cherry"),
				found(t, "not (title eq 'Apple' or title eq 'Date')", "Banana", "Cherry"),
				found(t, "dueDateTime eq null", "Cherry"))
		}},
		{"$filter with any, in and functions", func(t *testing.T, _ *account) error {
			return errors.Join(
				found(t, "categories/any(c:c eq 'Red')", "Apple", "Cherry"),
				found(t, "checklistItems/any(s:s/isChecked eq false)", "Apple"),
				found(t, "linkedResources/any(l:l/applicationName eq 'Shop')", "Date"),
				found(t, "title in ('Apple','Date')", "Apple", "Date"),
				found(t, "contains(tolower(title),'an') or startswith(title,'Ch')", "Banana", "Cherry"))
		}},
		{"$filter on a date", func(t *testing.T, _ *account) error {
			return errors.Join(
				found(t, "dueDateTime/dateTime lt '2030-01-03'", "Banana", "Date"),
				found(t, "duedatetime/datetime ge '2030-01-02T00:00:00Z'", "Apple", "Date"),
				found(t, "createdDateTime lt 2020-01-01T00:00:00Z"))
		}},
		{"$filter on lists", func(t *testing.T, a *account) error {
			page, err := a.lists().Get(t.Context(), &users.ItemTodoListsRequestBuilderGetRequestConfiguration{
				QueryParameters: &users.ItemTodoListsRequestBuilderGetQueryParameters{Filter: new("startswith(displayName,'Quer')")},
			})
			if err != nil {
				return err
			}
			return errors.Join(want("lists", len(page.GetValue()), 1), want("name", value(page.GetValue()[0].GetDisplayName()), "Queries"))
		}},
		{"$filter with characters that mean something in a URL", func(t *testing.T, a *account) error {
			const odd = "R&D + it's 100% #1?"
			list, _ := newList(t, a, "Odd", titled(odd, odd, "R")...)
			first, err := find(t.Context(), list, taskOptions{Filter: new("title eq 'R&D + it''s 100% #1?'"), Top: new(int32(1))})
			if err != nil {
				return err
			}
			seen, err := iterate(t, first)
			return errors.Join(err, wantAll("titles", seen, []string{odd, odd}))
		}},
		{"options on steps and lists", func(t *testing.T, a *account) error {
			steps, err := list.Tasks().ByTodoTaskId(value(made[0].GetId())).ChecklistItems().Get(t.Context(), &users.ItemTodoListsItemTasksItemChecklistItemsRequestBuilderGetRequestConfiguration{
				QueryParameters: &users.ItemTodoListsItemTasksItemChecklistItemsRequestBuilderGetQueryParameters{Filter: new("isChecked eq false"), Count: new(true)},
			})
			if err != nil {
				return err
			}
			lists, err := a.lists().Get(t.Context(), &users.ItemTodoListsRequestBuilderGetRequestConfiguration{
				QueryParameters: &users.ItemTodoListsRequestBuilderGetQueryParameters{Orderby: []string{"displayName desc"}, Select: []string{"displayName"}, Top: new(int32(2))},
			})
			if err != nil {
				return err
			}
			count, err := a.lists().Count().Get(t.Context(), nil)
			if err != nil {
				return err
			}
			return errors.Join(want("count of steps", value(steps.GetOdataCount()), 1), want("steps", len(steps.GetValue()), 1),
				want("lists", len(lists.GetValue()), 2), want("isOwner is there", lists.GetValue()[0].GetIsOwner() != nil, false),
				want("there are lists", value(count) >= 2, true))
		}},
		{"$orderby", func(t *testing.T, _ *account) error {
			down, err := find(t.Context(), list, taskOptions{Orderby: []string{"title desc"}})
			if err != nil {
				return err
			}
			two, err := find(t.Context(), list, taskOptions{Orderby: []string{"importance desc", "title"}})
			if err != nil {
				return err
			}
			return errors.Join(wantAll("title desc", titles(down.GetValue()), []string{"Date", "Cherry", "Banana", "Apple"}),
				wantAll("importance desc, title", titles(two.GetValue()), []string{"Apple", "Cherry", "Date", "Banana"}))
		}},
		{"$select", func(t *testing.T, _ *account) error {
			page, err := find(t.Context(), list, taskOptions{Select: []string{"id", "title"}})
			if err != nil {
				return err
			}
			task := page.GetValue()[0]
			return errors.Join(want("id is there", value(task.GetId()) != "", true), want("title is there", value(task.GetTitle()) != "", true),
				want("status is there", task.GetStatus() != nil, false), want("body is there", task.GetBody() != nil, false))
		}},
		{"$count", func(t *testing.T, _ *account) error {
			page, err := find(t.Context(), list, taskOptions{Count: new(true), Top: new(int32(1))})
			if err != nil {
				return err
			}
			return errors.Join(want("count", value(page.GetOdataCount()), 4), want("tasks", len(page.GetValue()), 1))
		}},
		{"/$count", func(t *testing.T, _ *account) error {
			all, err := list.Tasks().Count().Get(t.Context(), nil)
			if err != nil {
				return err
			}
			some, err := list.Tasks().Count().Get(t.Context(), &users.ItemTodoListsItemTasksCountRequestBuilderGetRequestConfiguration{
				QueryParameters: &users.ItemTodoListsItemTasksCountRequestBuilderGetQueryParameters{Filter: new("status eq 'completed'")},
			})
			if err != nil {
				return err
			}
			return errors.Join(want("count", value(all), 4), want("filtered count", value(some), 1))
		}},
		{"$search", func(t *testing.T, _ *account) error {
			page, err := find(t.Context(), list, taskOptions{Search: new(`"ripe"`)})
			if err != nil {
				return err
			}
			return wantAll("titles", titles(page.GetValue()), []string{"Banana"})
		}},
	})
}
