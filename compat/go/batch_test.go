package compat_test

import (
	"errors"
	"fmt"
	"testing"

	abstractions "github.com/microsoft/kiota-abstractions-go"
	core "github.com/microsoftgraph/msgraph-sdk-go-core"
	"github.com/microsoftgraph/msgraph-sdk-go/models"
	"github.com/microsoftgraph/msgraph-sdk-go/models/odataerrors"
	"github.com/microsoftgraph/msgraph-sdk-go/users"
)

// A batcher takes requests: a BatchRequest or a BatchRequestCollection.
type batcher interface {
	AddBatchRequestStep(abstractions.RequestInformation) (core.BatchItem, error)
}

// add adds a request, of which the SDK's builders return an error too.
func add(t *testing.T, b batcher) func(*abstractions.RequestInformation, error) core.BatchItem {
	return func(request *abstractions.RequestInformation, err error) core.BatchItem {
		t.Helper()
		must(t, err)
		item, err := b.AddBatchRequestStep(*request)
		must(t, err)
		return item
	}
}

// taskOf is the task that is the answer to a step.
func taskOf(answers core.BatchResponse, step core.BatchItem) (models.TodoTaskable, error) {
	return core.GetBatchResponseById[models.TodoTaskable](answers, *step.GetId(), models.CreateTodoTaskFromDiscriminatorValue)
}

// status is that of the answer to a step.
func status(answers core.BatchResponse, step core.BatchItem) int32 {
	answer := answers.GetResponseById(*step.GetId())
	if answer == nil {
		return 0
	}
	return value(answer.GetStatus())
}

func TestBatch(t *testing.T) {
	runChecks(t, []check{
		{"batch", batch},
		{"batch with a dependency", func(t *testing.T, a *account) error {
			list, _ := newList(t, a, "Serial")
			b := core.NewBatchRequest(a.adapter)
			first := add(t, b)(list.Tasks().ToPostRequestInformation(t.Context(), titled("first")[0], nil))
			second := add(t, b)(list.Tasks().ToGetRequestInformation(t.Context(), nil))
			second.DependsOnItem(first)
			answers, err := b.Send(t.Context(), a.adapter)
			if err != nil {
				return err
			}
			page, err := core.GetBatchResponseById[models.TodoTaskCollectionResponseable](answers, *second.GetId(), models.CreateTodoTaskCollectionResponseFromDiscriminatorValue)
			if err != nil {
				return err
			}
			return wantAll("titles", titles(page.GetValue()), []string{"first"})
		}},
		{"batch whose first step fails", func(t *testing.T, a *account) error {
			list, _ := newList(t, a, "Failing")
			b := core.NewBatchRequest(a.adapter)
			first := add(t, b)(list.Tasks().ToPostRequestInformation(t.Context(), models.NewTodoTask(), nil))
			second := add(t, b)(list.Tasks().ToPostRequestInformation(t.Context(), titled("second")[0], nil))
			second.DependsOnItem(first)
			answers, err := b.Send(t.Context(), a.adapter)
			if err != nil {
				return err
			}
			_, failed := taskOf(answers, first)
			_, dependent := taskOf(answers, second)
			return errors.Join(
				want("status", status(answers, first), 400), refused(failed, 400, "invalidRequest"),
				want("status", status(answers, second), 424), refused(dependent, 424, "FailedDependency"))
		}},
		{"batch with a token that is none", func(t *testing.T, a *account) error {
			b := core.NewBatchRequest(shared.nobody.adapter)
			add(t, b)(shared.nobody.me.ToGetRequestInformation(t.Context(), nil))
			_, err := b.Send(t.Context(), shared.nobody.adapter)
			return refused(err, 401, "InvalidAuthenticationToken")
		}},
		{"batch collection of more than one batch", func(t *testing.T, a *account) error {
			list, _ := newList(t, a, "Many")
			b := core.NewBatchRequestCollection(a.adapter)
			var steps []core.BatchItem
			for i := range 45 {
				steps = append(steps, add(t, b)(list.Tasks().ToPostRequestInformation(t.Context(), titled(fmt.Sprint(i))[0], nil)))
			}
			answers, err := b.Send(t.Context(), a.adapter)
			if err != nil {
				return err
			}
			for _, step := range steps {
				if err = want("status", status(answers, step), 201); err != nil {
					return err
				}
			}
			return want("failures", len(answers.GetFailedResponses()), 0)
		}},
	})
}

func batch(t *testing.T, a *account) error {
	ctx := t.Context()
	list, made := newList(t, a, "Batch", titled("one", "two")...)
	one, two := list.Tasks().ByTodoTaskId(value(made[0].GetId())), list.Tasks().ByTodoTaskId(value(made[1].GetId()))
	b := core.NewBatchRequest(a.adapter)
	post := add(t, b)(list.Tasks().ToPostRequestInformation(ctx, everything(), nil))
	patch := add(t, b)(one.ToPatchRequestInformation(ctx, titled("ONE")[0], &users.ItemTodoListsItemTasksTodoTaskItemRequestBuilderPatchRequestConfiguration{
		Headers: headers("If-Match", etag(made[0])),
	}))
	remove := add(t, b)(two.ToDeleteRequestInformation(ctx, nil))
	me := add(t, b)(a.me.ToGetRequestInformation(ctx, nil))
	bad := add(t, b)(a.lists().ByTodoTaskListId("nonsense").ToGetRequestInformation(ctx, nil))
	answers, err := b.Send(ctx, a.adapter)
	if err != nil {
		return err
	}
	posted, err := taskOf(answers, post)
	if err != nil {
		return err
	}
	patched, err := taskOf(answers, patch)
	if err != nil {
		return err
	}
	user, err := core.GetBatchResponseById[models.Userable](answers, *me.GetId(), models.CreateUserFromDiscriminatorValue)
	if err != nil {
		return err
	}
	_, failed := core.GetBatchResponseById[models.TodoTaskListable](answers, *bad.GetId(), models.CreateTodoTaskListFromDiscriminatorValue)
	e, _ := errors.AsType[*odataerrors.ODataError](failed)
	return errors.Join(
		want("status", status(answers, post), 201), want("title", value(posted.GetTitle()), "Party"), want("steps", len(posted.GetChecklistItems()), 2),
		want("status", status(answers, patch), 200), want("title", value(patched.GetTitle()), "ONE"),
		want("status", status(answers, remove), 204),
		want("status", status(answers, me), 200), want("id", value(user.GetId()), a.ID),
		want("status", status(answers, bad), 400), want("is an ODataError", e != nil, true), refused(failed, 400, "invalidRequest"),
		want("failures", len(answers.GetFailedResponses()), 1))
}
