package compat_test

import (
	"errors"
	"testing"
	"time"

	"github.com/microsoftgraph/msgraph-sdk-go/models"
	"github.com/microsoftgraph/msgraph-sdk-go/models/odataerrors"
	"github.com/microsoftgraph/msgraph-sdk-go/users"
)

func TestErrors(t *testing.T) {
	ctx, a := t.Context(), shared.ada
	list, made := newList(t, a, "Errors", titled("First", "Gone")...)
	first, gone := list.Tasks().ByTodoTaskId(value(made[0].GetId())), list.Tasks().ByTodoTaskId(value(made[1].GetId()))
	must(t, gone.Delete(ctx, nil))
	post := func(task models.TodoTaskable) error {
		_, err := list.Tasks().Post(ctx, task, nil)
		return err
	}
	named := models.NewTodoTaskList()
	named.SetDisplayName(new("No"))

	for _, row := range []struct {
		name   string
		do     func() error
		status int
		code   string
	}{
		{"no title", func() error { return post(models.NewTodoTask()) }, 400, "invalidRequest"},
		{"a date that is none", func() error {
			task := titled("x")[0]
			task.SetDueDateTime(date("soon", "UTC"))
			return post(task)
		}, 400, "invalidRequest"},
		{"an id that is none", func() error {
			_, err := a.lists().ByTodoTaskListId("nonsense").Get(ctx, nil)
			return err
		}, 400, "invalidRequest"},
		{"a token that is none", func() error {
			_, err := shared.nobody.lists().Get(ctx, nil)
			return err
		}, 401, "InvalidAuthenticationToken"},
		{"a write with a token for reading", func() error {
			_, err := shared.reader.lists().Post(ctx, named, nil)
			return err
		}, 403, "ErrorAccessDenied"},
		{"the profile with a token for tasks", func() error {
			_, err := shared.reader.me.Get(ctx, nil)
			return err
		}, 403, "Authorization_RequestDenied"},
		{"the mailbox of somebody else", func() error {
			_, err := a.users.ByUserId(shared.ben.ID).Todo().Lists().Get(ctx, nil)
			return err
		}, 403, "ErrorAccessDenied"},
		{"a deleted task", func() error {
			_, err := gone.Get(ctx, nil)
			return err
		}, 404, "ErrorItemNotFound"},
		{"a change to a deleted task", func() error {
			_, err := gone.Patch(ctx, titled("x")[0], nil)
			return err
		}, 404, "ErrorItemNotFound"},
		{"another DELETE of a task", func() error { return gone.Delete(ctx, nil) }, 404, "ErrorItemNotFound"},
		{"a method that the path has not", func() error { return a.me.Todo().Delete(ctx, nil) }, 405, "Request_BadRequest"},
		{"an etag that is out of date", func() error {
			config := &users.ItemTodoListsItemTasksTodoTaskItemRequestBuilderPatchRequestConfiguration{Headers: headers("If-Match", etag(made[0]))}
			if _, err := first.Patch(ctx, titled("Second")[0], config); err != nil {
				return err
			}
			_, err := first.Patch(ctx, titled("Third")[0], config)
			return err
		}, 412, "ErrorIrresolvableConflict"},
	} {
		t.Run(row.name, func(t *testing.T) {
			must(t, refused(row.do(), row.status, row.code))
		})
	}

	task, err := first.Get(ctx, nil)
	must(t, err)
	must(t, want("title after the conflict", value(task.GetTitle()), "Second"))
}

func TestErrorDetails(t *testing.T) {
	_, err := shared.ada.lists().ByTodoTaskListId("nonsense").Get(t.Context(), nil)
	e, ok := errors.AsType[*odataerrors.ODataError](err)
	if !ok {
		t.Fatalf("not an ODataError: %v", err)
	}
	inner := e.GetErrorEscaped().GetInnerError()
	must(t,
		want("status", e.ResponseStatusCode, 400),
		want("message", value(e.GetErrorEscaped().GetMessage()), "Id is malformed."),
		want("text", e.Error(), "Id is malformed."),
		want("inner code", additional(inner, "code"), "ErrorInvalidIdMalformed"),
		want("length of the request-id", len(value(inner.GetRequestId())), 36),
		want("request-id of the header", responseHeader(e.ResponseHeaders, "request-id"), value(inner.GetRequestId())),
		want("length of the client-request-id", len(value(inner.GetClientRequestId())), 36),
		want("there is a date", value(inner.GetDate()).After(time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC)), true))
}
