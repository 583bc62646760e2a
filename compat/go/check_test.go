package compat_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"

	abstractions "github.com/microsoft/kiota-abstractions-go"
	"github.com/microsoftgraph/msgraph-sdk-go/models"
	"github.com/microsoftgraph/msgraph-sdk-go/models/odataerrors"
	"github.com/microsoftgraph/msgraph-sdk-go/users"
)

// A gap is something that the server does not do yet: what it answers instead, and why.
type gap struct {
	status int
	code   string
	reason string
}

// gaps are the checks that the server cannot pass yet. One that passes although
// it is listed here fails, so that its line gets removed.
func gaps() map[string]gap {
	return map[string]gap{}
}

// A check is a test of something that the server may not do yet. It returns the
// first thing that goes wrong.
type check struct {
	name string
	run  func(t *testing.T, a *account) error
}

// runChecks runs each as a test, in which one that has a gap must fail as the gap says.
func runChecks(t *testing.T, checks []check) {
	for _, c := range checks {
		t.Run(c.name, func(t *testing.T) {
			err := c.run(t, shared.ada)
			gap, listed := gaps()[c.name]
			switch {
			case !listed && err != nil:
				t.Error(err)
			case listed && err == nil:
				t.Errorf("this works now: remove %q from gaps", c.name)
			case listed && !is(err, gap.status, gap.code):
				t.Errorf("expected to fail with %d %s, but got: %v", gap.status, gap.code, err)
			case listed:
				t.Logf("expected to fail, with %d %s: %s", gap.status, gap.code, gap.reason)
			}
		})
	}
}

// is says whether err is the answer of the server with a status and a code.
func is(err error, status int, code string) bool {
	e, ok := errors.AsType[*odataerrors.ODataError](err)
	// The SDK sets the status of no error that it finds in a batch.
	return ok && e.GetErrorEscaped() != nil && (e.ResponseStatusCode == status || e.ResponseStatusCode == 0) && value(e.GetErrorEscaped().GetCode()) == code
}

// refused is an error unless err is the answer with the status and the code.
func refused(err error, status int, code string) error {
	if is(err, status, code) {
		return nil
	}
	if e, ok := errors.AsType[*odataerrors.ODataError](err); ok && e.GetErrorEscaped() != nil {
		return fmt.Errorf("answer is %d %s, want %d %s: %w", e.ResponseStatusCode, value(e.GetErrorEscaped().GetCode()), status, code, err)
	}
	return fmt.Errorf("error is %w, want %d %s", orNone(err), status, code)
}

func orNone(err error) error {
	if err == nil {
		return errors.New("none")
	}
	return err
}

// want is an error unless got is as wanted.
func want[T comparable](what string, got, wanted T) error {
	if got != wanted {
		return fmt.Errorf("%s is %v, want %v", what, got, wanted)
	}
	return nil
}

// wantAll is want for slices.
func wantAll[T comparable](what string, got, wanted []T) error {
	if !slices.Equal(got, wanted) {
		return fmt.Errorf("%s are %v, want %v", what, got, wanted)
	}
	return nil
}

// must ends the test unless all is well.
func must(t *testing.T, errs ...error) {
	t.Helper()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
}

// value is what p points at, or the zero value.
func value[T any](p *T) (v T) {
	if p != nil {
		v = *p
	}
	return v
}

// additional is a property of an answer that the SDK has no method for.
func additional(of interface{ GetAdditionalData() map[string]any }, name string) string {
	s, _ := of.GetAdditionalData()[name].(*string)
	return value(s)
}

// etag is that of a list or a task.
func etag(of interface{ GetAdditionalData() map[string]any }) string {
	return additional(of, "@odata.etag")
}

// newList makes a list that a test has for itself, and tasks in it.
func newList(t *testing.T, a *account, name string, tasks ...models.TodoTaskable) (*users.ItemTodoListsTodoTaskListItemRequestBuilder, []models.TodoTaskable) {
	t.Helper()
	list := models.NewTodoTaskList()
	list.SetDisplayName(&name)
	made, err := a.lists().Post(t.Context(), list, nil)
	must(t, err)
	at := a.lists().ByTodoTaskListId(value(made.GetId()))
	for i, task := range tasks {
		tasks[i], err = at.Tasks().Post(t.Context(), task, nil)
		must(t, err)
	}
	return at, tasks
}

// titled makes tasks with titles.
func titled(titles ...string) (tasks []models.TodoTaskable) {
	for _, title := range titles {
		task := models.NewTodoTask()
		task.SetTitle(&title)
		tasks = append(tasks, task)
	}
	return tasks
}

// titles are those of tasks, in their order.
func titles(tasks []models.TodoTaskable) (titles []string) {
	for _, task := range tasks {
		titles = append(titles, value(task.GetTitle()))
	}
	return titles
}

// sorted is a sorted copy.
func sorted(s []string) []string { return slices.Sorted(slices.Values(s)) }

// date is a date and time in a zone, as the SDK holds it.
func date(dateTime, zone string) models.DateTimeTimeZoneable {
	d := models.NewDateTimeTimeZone()
	d.SetDateTime(&dateTime)
	d.SetTimeZone(&zone)
	return d
}

// wantDate compares a date of an answer.
func wantDate(what string, got models.DateTimeTimeZoneable, dateTime, zone string) error {
	if got == nil {
		return fmt.Errorf("%s is missing", what)
	}
	return errors.Join(want(what, value(got.GetDateTime()), dateTime), want("zone of "+what, value(got.GetTimeZone()), zone))
}

// taskOptions are query parameters of tasks.
type taskOptions = users.ItemTodoListsItemTasksRequestBuilderGetQueryParameters

// find reads tasks with query parameters.
func find(ctx context.Context, list *users.ItemTodoListsTodoTaskListItemRequestBuilder, options taskOptions, h ...string) (models.TodoTaskCollectionResponseable, error) {
	return list.Tasks().Get(ctx, &users.ItemTodoListsItemTasksRequestBuilderGetRequestConfiguration{
		Headers: headers(h...), QueryParameters: &options,
	})
}

// responseHeader is a header of an answer, or empty.
func responseHeader(o *abstractions.ResponseHeaders, name string) string {
	for _, v := range o.Get(name) {
		return v
	}
	return ""
}
