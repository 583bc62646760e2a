package webhook_test

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/duly-todo/duly/internal/store"
	"github.com/duly-todo/duly/internal/todo"
	"github.com/duly-todo/duly/internal/webhook"
)

// notified is a notification as an endpoint reads it.
type notified struct {
	ID                             string
	SubscriptionID                 string
	SubscriptionExpirationDateTime time.Time
	ClientState                    *string
	LifecycleEvent                 string
	ChangeType                     string
	Resource                       string
	TenantID                       string
	SequenceNumber                 int64
	ResourceData                   *struct {
		Type string `json:"@odata.type"`
		Name string `json:"@odata.id"`
		ETag string `json:"@odata.etag"`
		ID   string
	}
}

// An endpoint keeps what it has taken. answer decides on each POST; nil takes all.
type endpoint struct {
	answer func(w http.ResponseWriter, r *http.Request, n []notified)

	mu    sync.Mutex
	taken []notified
	calls []time.Time
}

func (e *endpoint) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	var c struct{ Value []notified }
	if err == nil {
		err = json.Unmarshal(body, &c)
	}
	if err != nil || len(c.Value) == 0 || len(c.Value) > 100 || r.Header.Get("Content-Type") != "application/json; charset=utf-8" {
		http.Error(w, "no collection of notifications", http.StatusTeapot)
		return
	}
	e.mu.Lock()
	e.calls = append(e.calls, time.Now())
	answer := e.answer
	e.mu.Unlock()
	status := http.StatusAccepted
	if answer != nil {
		rec := httptest.NewRecorder()
		answer(rec, r, c.Value)
		status = rec.Code
	}
	if status/100 == 2 && r.Context().Err() == nil { // nobody hears an answer that comes too late
		e.mu.Lock()
		e.taken = append(e.taken, c.Value...)
		e.mu.Unlock()
	}
	w.WriteHeader(status)
}

// set changes how the endpoint answers.
func (e *endpoint) set(answer func(w http.ResponseWriter, r *http.Request, n []notified)) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.answer = answer
}

func (e *endpoint) all() []notified {
	e.mu.Lock()
	defer e.mu.Unlock()
	return slices.Clone(e.taken)
}

func (e *endpoint) callTimes() []time.Time {
	e.mu.Lock()
	defer e.mu.Unlock()
	return slices.Clone(e.calls)
}

func status(code int) func(http.ResponseWriter, *http.Request, []notified) {
	return func(w http.ResponseWriter, _ *http.Request, _ []notified) { w.WriteHeader(code) }
}

func stall(_ http.ResponseWriter, r *http.Request, _ []notified) { <-r.Context().Done() }

// hosts carries requests to handlers in this process, by the host of the URL, as
// a network would: the end of the request's context ends the wait.
type hosts map[string]http.Handler

func (h hosts) RoundTrip(r *http.Request) (*http.Response, error) {
	handler := h[r.URL.Host]
	if handler == nil {
		handler = http.NotFoundHandler()
	}
	rec := httptest.NewRecorder()
	done := make(chan struct{})
	go func() { defer close(done); handler.ServeHTTP(rec, r) }()
	<-done // a handler that waits looks at the context
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	return rec.Result(), nil
}

// A rig is a store with one user, and a sender.
type rig struct {
	t    *testing.T
	db   *store.DB
	path string
	net  hosts
	user string
	list todo.TaskList
	stop func()
}

const tenant = "11111111-2222-4333-8444-555555555555"

func newRig(t *testing.T, path string, net hosts) *rig {
	t.Helper()
	r := &rig{t: t, path: path, net: net}
	r.open()
	u, err := todo.NewUser(store.NewGUID(), "ada@example.org", "", "", time.Now())
	if err == nil {
		err = r.db.AddUser(t.Context(), u, "setup")
	}
	if err != nil {
		t.Fatal(err)
	}
	r.user = u.ID
	r.update(func(tx *store.Tx) (err error) { r.list, err = tx.DefaultList(); return err })
	return r
}

// open opens the database; run starts a sender on it.
func (r *rig) open() {
	r.t.Helper()
	var err error
	if r.db, err = store.Open(r.t.Context(), r.path, time.Now); err != nil {
		r.t.Fatal(err)
	}
}

func (r *rig) run() {
	ctx, cancel := context.WithCancel(context.Background())
	client := webhook.NewClient(webhook.ClientOptions{Transport: r.net})
	s := webhook.NewSender(webhook.Options{DB: r.db, Client: client, TenantID: tenant, Log: slog.New(slog.DiscardHandler), Now: time.Now})
	done := make(chan struct{})
	go func() { defer close(done); s.Run(ctx) }()
	r.stop = func() { cancel(); <-done }
}

// close stops all.
func (r *rig) close() {
	r.t.Helper()
	if r.stop != nil {
		r.stop()
	}
	if err := r.db.Close(); err != nil {
		r.t.Error(err)
	}
}

func (r *rig) update(fn func(*store.Tx) error) {
	r.t.Helper()
	if err := r.db.Update(context.Background(), store.As{User: r.user, App: "app"}, fn); err != nil {
		r.t.Fatal(err)
	}
}

// subscribe makes a subscription to all tasks of the list, as change has it.
func (r *rig) subscribe(change func(*store.Subscription)) store.Subscription {
	r.t.Helper()
	s := store.Subscription{
		App: "app", Creator: r.user, Resource: "/me/todo/lists/x/tasks", NotificationURL: "https://hook/notify", ClientState: "state", TLSVersion: "v1_2",
		Scope: store.Scope{Kind: store.TaskChange, ListID: r.list.ID, Ops: store.Created.Of() | store.Updated.Of() | store.Deleted.Of()},
	}
	r.update(func(tx *store.Tx) error {
		s.ID, s.Created, s.Expires = tx.NewGUID(), tx.Now(), tx.Now().Add(todo.MaxSubscriptionLife)
		if change != nil {
			change(&s)
		}
		return tx.InsertSubscription(&s)
	})
	return s
}

// row is the subscription as it is stored.
func (r *rig) row(s store.Subscription) (row store.Subscription, err error) {
	err = r.db.View(context.Background(), r.user, func(tx *store.Tx) (err error) { row, err = tx.Subscription(s.ID); return err })
	return row, err
}

func text(s string) todo.Opt[string] { return todo.Opt[string]{Set: true, V: s} }

func (r *rig) addTask(title string) (t todo.Task) {
	r.t.Helper()
	r.update(func(tx *store.Tx) (err error) {
		if t, err = todo.NewTask(tx.NewID(), r.list.ID, todo.TaskPatch{Title: text(title)}, tx.Now()); err == nil {
			err = tx.InsertTask(&t)
		}
		return err
	})
	return t
}

func (r *rig) patchTask(old todo.Task, title string) (t todo.Task) {
	r.t.Helper()
	r.update(func(tx *store.Tx) (err error) {
		if t, _, err = old.Apply(todo.TaskPatch{Title: text(title)}, tx.Now(), tx); err == nil {
			err = tx.UpdateTask(old, &t)
		}
		return err
	})
	return t
}

func (r *rig) deleteTask(t todo.Task) {
	r.t.Helper()
	r.update(func(tx *store.Tx) error { return tx.DeleteTask(t.ListID, t.ID) })
}

// newList replaces the rig's list by one that can be deleted.
func (r *rig) newList() {
	r.t.Helper()
	r.update(func(tx *store.Tx) (err error) {
		r.list, err = todo.NewTaskList(tx.NewID(), todo.TaskListPatch{DisplayName: text("Travel")}, nil, tx.Now())
		if err == nil {
			err = tx.InsertList(&r.list)
		}
		return err
	})
}

// log is the mailbox's change log.
func (r *rig) log() (changes []store.Change) {
	r.t.Helper()
	err := r.db.View(context.Background(), r.user, func(tx *store.Tx) (err error) { changes, err = tx.AllChanges(0, 100_000); return err })
	if err != nil {
		r.t.Fatal(err)
	}
	return changes
}

func kinds(n []notified) string {
	var out []string
	for _, n := range n {
		if out = append(out, n.ChangeType); n.LifecycleEvent != "" {
			out[len(out)-1] = n.LifecycleEvent
		}
	}
	return strings.Join(out, " ")
}

func dataFile(t *testing.T) string { return filepath.Join(t.TempDir(), "duly.db") }
