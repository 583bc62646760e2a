package compat_test

import (
	"errors"
	"strings"
	"testing"

	abstractions "github.com/microsoft/kiota-abstractions-go"
	nethttp "github.com/microsoft/kiota-http-go"
	"github.com/microsoftgraph/msgraph-sdk-go/models"
	"github.com/microsoftgraph/msgraph-sdk-go/users"
)

func TestLists(t *testing.T) {
	ctx, a := t.Context(), shared.ada
	all, err := a.lists().Get(ctx, nil)
	must(t, err)
	must(t, want("kind of the first list", value(all.GetValue()[0].GetWellknownListName()), models.DEFAULTLIST_WELLKNOWNLISTNAME))

	list := models.NewTodoTaskList()
	list.SetDisplayName(new("Shopping"))
	made, err := a.lists().Post(ctx, list, nil)
	must(t, err)
	must(t,
		want("name", value(made.GetDisplayName()), "Shopping"),
		want("isOwner", value(made.GetIsOwner()), true),
		want("isShared", made.GetIsShared() != nil && !*made.GetIsShared(), true),
		want("kind", value(made.GetWellknownListName()), models.NONE_WELLKNOWNLISTNAME))

	at := a.lists().ByTodoTaskListId(value(made.GetId()))
	list.SetDisplayName(new("Groceries"))
	renamed, err := at.Patch(ctx, list, nil)
	must(t, err)
	must(t, want("name", value(renamed.GetDisplayName()), "Groceries"))
	got, err := at.Get(ctx, nil)
	must(t, err)
	must(t, want("name", value(got.GetDisplayName()), "Groceries"), want("etag", etag(got), etag(renamed)))

	must(t, at.Delete(ctx, nil))
	_, err = at.Get(ctx, nil)
	must(t, refused(err, 404, "ErrorItemNotFound"))
}

func TestUsers(t *testing.T) {
	ctx, a := t.Context(), shared.ada
	me, err := a.me.Get(ctx, nil)
	must(t, err)
	must(t, want("id", value(me.GetId()), a.ID), want("name", value(me.GetDisplayName()), "ADA"),
		want("principal name", value(me.GetUserPrincipalName()), a.UserPrincipalName))

	for _, spelling := range []string{a.ID, a.UserPrincipalName} {
		own, err := a.users.ByUserId(spelling).Get(ctx, nil)
		must(t, err)
		lists, err := a.users.ByUserId(spelling).Todo().Lists().Get(ctx, nil)
		must(t, err)
		must(t, want("id of "+spelling, value(own.GetId()), a.ID),
			want("first list", value(lists.GetValue()[0].GetWellknownListName()), models.DEFAULTLIST_WELLKNOWNLISTNAME))
	}

	patch := models.NewUser()
	patch.SetJobTitle(new("Countess"))
	_, err = a.me.Patch(ctx, patch, nil)
	must(t, err)
	me, err = a.me.Get(ctx, nil)
	must(t, err)
	must(t, want("job title", value(me.GetJobTitle()), "Countess"))

	all, err := shared.finder.users.Get(ctx, nil)
	must(t, err)
	var ids []string
	for _, u := range all.GetValue() {
		ids = append(ids, value(u.GetId()))
	}
	must(t, wantAll("ids", sorted(ids), sorted([]string{a.ID, shared.ben.ID})))
	ben, err := shared.finder.users.ByUserId(shared.ben.UserPrincipalName).Get(ctx, nil)
	must(t, err)
	must(t, want("ben's id", value(ben.GetId()), shared.ben.ID))
}

func TestTodo(t *testing.T) {
	todo, err := shared.ada.me.Todo().Get(t.Context(), nil)
	must(t, err)
	must(t, want("id is there", value(todo.GetId()) != "", true))
}

// The SDK shows the headers of an answer to those who ask for them.
func TestHeaders(t *testing.T) {
	list, _ := newList(t, shared.ada, "Headers")
	inspect := nethttp.NewHeadersInspectionOptions()
	inspect.InspectResponseHeaders = true
	task, err := list.Tasks().Post(t.Context(), titled("x")[0], &users.ItemTodoListsItemTasksRequestBuilderPostRequestConfiguration{
		Options: []abstractions.RequestOption{inspect},
	})
	must(t, err)
	h := inspect.ResponseHeaders
	must(t, want("ETag", responseHeader(h, "ETag"), etag(task)),
		want("request-id is there", len(responseHeader(h, "request-id")), 36))
	if location := responseHeader(h, "Location"); !strings.HasSuffix(location, "/tasks/"+value(task.GetId())) {
		must(t, errors.New("Location is "+location))
	}
}
