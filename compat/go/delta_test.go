package compat_test

import (
	"context"
	"errors"
	"testing"

	"github.com/microsoftgraph/msgraph-sdk-go/models"
	"github.com/microsoftgraph/msgraph-sdk-go/users"
)

// tasksDelta is where the SDK reads the changes of a list's tasks.
type tasksDelta = users.ItemTodoListsItemTasksDeltaRequestBuilder

// follow reads a round to its end: the changes by id, and where the next round begins.
func follow(ctx context.Context, at *tasksDelta, h ...string) (changes map[string]models.TodoTaskable, deltaLink string, err error) {
	changes = map[string]models.TodoTaskable{}
	for {
		page, err := at.GetAsDeltaGetResponse(ctx, &users.ItemTodoListsItemTasksDeltaRequestBuilderGetRequestConfiguration{Headers: headers(h...)})
		if err != nil {
			return nil, "", err
		}
		for _, task := range page.GetValue() {
			changes[value(task.GetId())] = task
		}
		if link := page.GetOdataNextLink(); link != nil {
			at = at.WithUrl(*link)
			continue
		}
		if page.GetOdataDeltaLink() == nil {
			return nil, "", errors.New("the last page has no deltaLink")
		}
		return changes, *page.GetOdataDeltaLink(), nil
	}
}

// removed says whether a change is that the task is gone.
func removed(of interface{ GetAdditionalData() map[string]any }) bool {
	return of.GetAdditionalData()["@removed"] != nil
}

func TestDelta(t *testing.T) {
	runChecks(t, []check{
		{"delta of tasks", deltaOfTasks},
		{"delta of lists", deltaOfLists},
		{"delta from now on", func(t *testing.T, a *account) error {
			list, made := newList(t, a, "Latest", titled("old")...)
			page, err := list.Tasks().Delta().GetAsDeltaGetResponse(t.Context(), nil)
			if err != nil {
				return err
			}
			at := list.Tasks().Delta().WithUrl(a.adapter.GetBaseUrl() + a.wire.path()[len("/v1.0"):] + "?$deltatoken=latest")
			none, link, err := follow(t.Context(), at)
			if err != nil {
				return err
			}
			if _, err = list.Tasks().Post(t.Context(), titled("new")[0], nil); err != nil {
				return err
			}
			some, _, err := follow(t.Context(), at.WithUrl(link))
			return errors.Join(err, want("all", len(page.GetValue()), len(made)), want("changes", len(none), 0), want("changes later", len(some), 1))
		}},
		{"delta with a damaged token", func(t *testing.T, a *account) error {
			list, _ := newList(t, a, "Damaged")
			_, link, err := follow(t.Context(), list.Tasks().Delta())
			if err != nil {
				return err
			}
			_, _, err = follow(t.Context(), list.Tasks().Delta().WithUrl(link[:len(link)-4]+"AAAA"))
			return refused(err, 410, "syncStateNotFound")
		}},
	})
}

func deltaOfTasks(t *testing.T, a *account) error {
	ctx := t.Context()
	list, made := newList(t, a, "Delta", titled("a", "b", "c", "d", "e")...)
	id := func(i int) string { return value(made[i].GetId()) }
	at := list.Tasks().Delta()
	all, start, err := follow(ctx, at, "Prefer", "odata.maxpagesize=2")
	if err != nil {
		return err
	}
	none, _, err := follow(ctx, at.WithUrl(start))
	if err != nil {
		return err
	}
	must(t, want("tasks", len(all), 5), want("changes", len(none), 0))

	added, err := list.Tasks().Post(ctx, titled("f")[0], nil)
	must(t, err)
	_, err = list.Tasks().ByTodoTaskId(id(0)).Patch(ctx, titled("A")[0], nil)
	must(t, err)
	must(t, list.Tasks().ByTodoTaskId(id(1)).Delete(ctx, nil))
	step := models.NewChecklistItem()
	step.SetDisplayName(new("step"))
	_, err = list.Tasks().ByTodoTaskId(id(2)).ChecklistItems().Post(ctx, step, nil)
	must(t, err)

	changes, next, err := follow(ctx, at.WithUrl(start))
	if err != nil {
		return err
	}
	for _, id := range []string{value(added.GetId()), id(0), id(1), id(2)} {
		if changes[id] == nil {
			return errors.New("a change is missing")
		}
	}
	again, _, err := follow(ctx, at.WithUrl(start))
	if err != nil {
		return err
	}
	none, _, err = follow(ctx, at.WithUrl(next))
	return errors.Join(err,
		want("changes", len(changes), 4), want("changes read again", len(again), 4), want("changes later", len(none), 0),
		want("added", value(changes[value(added.GetId())].GetTitle()), "f"),
		want("changed", value(changes[id(0)].GetTitle()), "A"),
		want("removed", removed(changes[id(1)]), true), want("changed one is removed", removed(changes[id(0)]), false),
		want("steps", len(changes[id(2)].GetChecklistItems()), 1))
}

func deltaOfLists(t *testing.T, a *account) error {
	ctx := t.Context()
	made := models.NewTodoTaskList()
	made.SetDisplayName(new("Watched"))
	list, err := a.lists().Post(ctx, made, nil)
	must(t, err)
	at, id := a.lists().Delta(), value(list.GetId())

	// round reads a round and returns what it says of the list.
	round := func() (seen models.TodoTaskListable, err error) {
		for {
			page, err := at.GetAsDeltaGetResponse(ctx, nil)
			if err != nil {
				return nil, err
			}
			for _, each := range page.GetValue() {
				if value(each.GetId()) == id {
					seen = each
				}
			}
			if page.GetOdataNextLink() != nil {
				at = at.WithUrl(*page.GetOdataNextLink())
				continue
			}
			if page.GetOdataDeltaLink() == nil {
				return nil, errors.New("the last page has no deltaLink")
			}
			at = at.WithUrl(*page.GetOdataDeltaLink())
			return seen, nil
		}
	}
	first, err := round()
	if err != nil {
		return err
	}
	made.SetDisplayName(new("Renamed"))
	_, err = a.lists().ByTodoTaskListId(id).Patch(ctx, made, nil)
	must(t, err)
	second, err := round()
	if err != nil {
		return err
	}
	must(t, a.lists().ByTodoTaskListId(id).Delete(ctx, nil))
	third, err := round()
	if err != nil {
		return err
	}
	if first == nil || second == nil || third == nil {
		return errors.New("a round does not show the list")
	}
	return errors.Join(want("name", value(first.GetDisplayName()), "Watched"), want("name", value(second.GetDisplayName()), "Renamed"),
		want("removed", removed(third), true))
}
