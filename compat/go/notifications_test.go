package compat_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/microsoftgraph/msgraph-sdk-go/models"
	"github.com/microsoftgraph/msgraph-sdk-go/subscriptions"
)

// subscriptions is client.Subscriptions().
func (a *account) subscriptions() *subscriptions.SubscriptionsRequestBuilder {
	return subscriptions.NewSubscriptionsRequestBuilderInternal(map[string]string{"baseurl": a.adapter.GetBaseUrl()}, a.adapter)
}

// A receiver is a program's endpoint for notifications. While it is deaf it
// takes them and never answers.
type receiver struct {
	*httptest.Server
	deaf  atomic.Bool
	heard chan struct{} // one for each that a deaf receiver took
	done  chan struct{} // closed at the end, so that no handler is left
	told  chan notification
}

// A notification is a member of Graph's changeNotificationCollection.
type notification struct {
	ID                             string    `json:"id"`
	SubscriptionID                 string    `json:"subscriptionId"`
	SubscriptionExpirationDateTime time.Time `json:"subscriptionExpirationDateTime"`
	ClientState                    string    `json:"clientState"`
	ChangeType                     string    `json:"changeType"`
	Resource                       string    `json:"resource"`
	TenantID                       string    `json:"tenantId"`
	ResourceData                   struct {
		ID   string `json:"id"`
		ETag string `json:"@odata.etag"`
	} `json:"resourceData"`
}

func newReceiver(t *testing.T) *receiver {
	r := &receiver{heard: make(chan struct{}, 100), done: make(chan struct{}), told: make(chan notification, 100)}
	r.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		if token := q.URL.Query().Get("validationToken"); token != "" {
			w.Header().Set("Content-Type", "text/plain")
			_, _ = io.WriteString(w, token)
			return
		}
		if r.deaf.Load() {
			r.heard <- struct{}{}
			<-r.done
			return
		}
		var collection struct {
			Value []notification `json:"value"`
		}
		if err := json.NewDecoder(q.Body).Decode(&collection); err != nil {
			t.Errorf("a notification is no JSON: %v", err)
		}
		w.WriteHeader(http.StatusAccepted)
		for _, n := range collection.Value {
			r.told <- n
		}
	}))
	t.Cleanup(func() {
		close(r.done)
		r.Close()
	})
	return r
}

// next waits for a notification.
func (r *receiver) next(t *testing.T) notification {
	t.Helper()
	select {
	case n := <-r.told:
		return n
	case <-time.After(time.Minute):
		t.Fatal("no notification came within a minute")
		return notification{}
	}
}

// TestStory is the life of an integration: it uploads a file to a task and
// subscribes to the list; the task is completed, and the server dies before it
// could tell. The one that is started in its place does.
func TestStory(t *testing.T) {
	ctx := context.WithoutCancel(t.Context()) // the server stops after the test
	dir, err := os.MkdirTemp("", "duly-story-")
	must(t, err)
	d := &duly{binary: os.Getenv("DULY_BIN"), data: dir, options: []string{"--webhook-allow", "127.0.0.1"}}
	t.Cleanup(func() { must(t, os.RemoveAll(dir)) })
	must(t, d.start(ctx))
	accounts, err := d.accounts(ctx)
	must(t, err)

	list, made := newList(t, accounts.ada, "Story", titled("Read the report")...)
	id := value(made[0].GetId())
	upload(t, accounts.ada, list.Tasks().ByTodoTaskId(id), "report.bin", tenMegabytes)

	endpoint := newReceiver(t)
	parent, err := list.Get(ctx, nil)
	must(t, err)
	ask := models.NewSubscription()
	ask.SetChangeType(new("created,updated,deleted"))
	ask.SetNotificationUrl(new(endpoint.URL + "/notifications"))
	ask.SetResource(new(fmt.Sprintf("/me/todo/lists/%s/tasks", value(parent.GetId()))))
	ask.SetExpirationDateTime(new(time.Now().Add(24 * time.Hour)))
	ask.SetClientState(new("a secret of ours"))
	subscription, err := accounts.ada.subscriptions().Post(ctx, ask, nil)
	must(t, err)

	task, err := list.Tasks().Post(ctx, titled("Buy milk")[0], nil)
	must(t, err)
	n := endpoint.next(t)
	must(t,
		want("changeType", n.ChangeType, "created"),
		want("subscriptionId", n.SubscriptionID, value(subscription.GetId())),
		want("clientState", n.ClientState, "a secret of ours"),
		want("resourceData.id", n.ResourceData.ID, value(task.GetId())))

	endpoint.deaf.Store(true)
	change := models.NewTodoTask()
	change.SetStatus(new(models.COMPLETED_TASKSTATUS))
	_, err = list.Tasks().ByTodoTaskId(id).Patch(ctx, change, nil)
	must(t, err)
	<-endpoint.heard // the server waits for the answer, which never comes
	must(t, d.kill())
	endpoint.deaf.Store(false)

	must(t, d.start(ctx))
	t.Cleanup(func() { must(t, d.stop()) })
	n = endpoint.next(t)
	must(t,
		want("changeType", n.ChangeType, "updated"),
		want("resourceData.id", n.ResourceData.ID, id),
		want("resource", strings.HasSuffix(n.Resource, "/tasks/"+id), true))

	again, err := d.accountsAgain(ctx, accounts)
	must(t, err)
	completed, err := again.lists().ByTodoTaskListId(value(parent.GetId())).Tasks().ByTodoTaskId(id).Get(ctx, nil)
	must(t, err)
	must(t, want("status", *completed.GetStatus(), models.COMPLETED_TASKSTATUS),
		want("etag of the notification", n.ResourceData.ETag, additional(completed, "@odata.etag")),
		want("hasAttachments", value(completed.GetHasAttachments()), true))

	renew := models.NewSubscription()
	renew.SetExpirationDateTime(new(time.Now().Add(48 * time.Hour)))
	renewed, err := again.subscriptions().BySubscriptionId(value(subscription.GetId())).Patch(ctx, renew, nil)
	must(t, err)
	must(t, want("renewed", renewed.GetExpirationDateTime().After(*subscription.GetExpirationDateTime()), true))
	must(t, again.subscriptions().BySubscriptionId(value(subscription.GetId())).Reauthorize().Post(ctx, nil))
	own, err := again.subscriptions().Get(ctx, nil)
	must(t, err)
	must(t, want("subscriptions", len(own.GetValue()), 1))
	must(t, again.subscriptions().BySubscriptionId(value(subscription.GetId())).Delete(ctx, nil))
	own, err = again.subscriptions().Get(ctx, nil)
	must(t, err)
	must(t, want("subscriptions", len(own.GetValue()), 0))
}

// kill ends the server without a word, as a loss of power would.
func (d *duly) kill() error {
	if err := d.process.Process.Kill(); err != nil {
		return err
	}
	if err := d.process.Wait(); err == nil {
		return errors.New("duly was killed and ended well")
	}
	return nil
}

// accountsAgain signs ada in to the server that was started last.
func (d *duly) accountsAgain(ctx context.Context, a accounts) (*account, error) {
	token, err := d.output(ctx, "token", "--user", a.ada.ID, "--scope", "Tasks.ReadWrite User.ReadWrite")
	if err != nil {
		return nil, err
	}
	return connect(d.url, token, a.ada.user)
}

// TestSubscriptionRefused shows what a program is told whose endpoint is no public
// address.
func TestSubscriptionRefused(t *testing.T) {
	list, _ := newList(t, shared.ada, "Refused")
	parent, err := list.Get(t.Context(), nil)
	must(t, err)
	ask := models.NewSubscription()
	ask.SetChangeType(new("updated"))
	ask.SetNotificationUrl(new("https://127.0.0.1:1/notifications"))
	ask.SetResource(new(fmt.Sprintf("/me/todo/lists/%s/tasks", value(parent.GetId()))))
	ask.SetExpirationDateTime(new(time.Now().Add(time.Hour)))
	_, err = shared.ada.subscriptions().Post(t.Context(), ask, nil)
	must(t, refused(err, http.StatusBadRequest, "invalidRequest"))
}
