package store_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/duly-todo/duly/internal/store"
	"github.com/duly-todo/duly/internal/todo"
)

// A watch holds every mailbox that has changed, and nothing that was not
// committed.
func TestWatch(t *testing.T) {
	t.Parallel()
	for name, dsn := range eachDSN(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			testWatch(t, dsn())
		})
	}
}

func testWatch(t *testing.T, dsn string) {
	db, err := store.Open(t.Context(), dsn, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	w := db.Watch()
	var users []string
	for n := range 20 {
		u, err := todo.NewUser(store.NewGUID(), fmt.Sprintf("user%d", n), "", "", time.Now())
		if err == nil {
			err = db.AddUser(t.Context(), u, "app")
		}
		if err != nil {
			t.Fatal(err)
		}
		users = append(users, u.ID)
	}
	<-w.C()
	if got := w.Take(); len(got) != len(users) || !got[users[7]].Log || got[users[7]].Subscriptions {
		t.Errorf("taken %v", got)
	}
	failed := errors.New("on purpose")
	addList := func(user string, result error) error {
		return db.Update(context.Background(), store.As{User: user}, func(tx *store.Tx) error {
			l := todo.TaskList{ID: tx.NewID(), Name: "x", Modified: tx.Now()}
			return errors.Join(tx.InsertList(&l), result)
		})
	}
	if err := addList(users[0], failed); !errors.Is(err, failed) {
		t.Fatal(err)
	}
	select {
	case <-w.C():
		t.Errorf("woken by what was rolled back: %v", w.Take())
	default:
	}
	seen := map[string]int{} // the last number of lists that the reader saw
	done := make(chan struct{})
	go func() {
		defer close(done)
		for total := 0; total < len(users)*50; {
			<-w.C()
			for user := range w.Take() {
				err := db.View(context.Background(), user, func(tx *store.Tx) error {
					lists, err := tx.Lists(0, 1000)
					total += len(lists) - 1 - seen[user]
					seen[user] = len(lists) - 1
					return err
				})
				if err != nil {
					t.Error(err)
				}
			}
		}
	}()
	var writers sync.WaitGroup
	for _, user := range users {
		writers.Go(func() {
			for range 50 {
				if err := addList(user, nil); err != nil {
					t.Error(err)
				}
			}
		})
	}
	writers.Wait()
	<-done // or the test ends by its timeout: a wake-up was lost
}

// Entries of the directory that lead nowhere are met and removed; a mailbox that
// is full takes no more.
func TestSubscriptionDirectory(t *testing.T) {
	t.Parallel()
	for name, dsn := range eachDSN(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			testSubscriptionDirectory(t, dsn())
		})
	}
}

func testSubscriptionDirectory(t *testing.T, dsn string) {
	now := time.Date(2026, 9, 24, 12, 0, 0, 0, time.UTC)
	db, err := store.Open(t.Context(), dsn, func() time.Time { return now })
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	u, err := todo.NewUser(store.NewGUID(), "ada", "", "", now)
	if err == nil {
		err = db.AddUser(t.Context(), u, "app")
	}
	if err != nil {
		t.Fatal(err)
	}
	insert := func(app, creator string, life time.Duration) (s store.Subscription, err error) {
		s = store.Subscription{App: app, Creator: creator, Scope: store.Scope{Kind: store.ListChange}, Created: now, Expires: now.Add(life)}
		err = db.Update(t.Context(), store.As{User: u.ID}, func(tx *store.Tx) error {
			s.ID = tx.NewGUID()
			return tx.InsertSubscription(&s)
		})
		return s, err
	}
	gone, err := insert("app", "app", time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	kept, err := insert("app", "app", 2*time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	if owner, err := db.SubscriptionOwner(t.Context(), "app", gone.ID); err != nil || owner != u.ID {
		t.Errorf("the owner is %q, %v", owner, err)
	}
	if _, err := db.SubscriptionOwner(t.Context(), "other", gone.ID); !errors.Is(err, todo.ErrNotFound) {
		t.Errorf("another application: %v", err)
	}
	now = now.Add(90 * time.Minute)
	for range 2 {
		all, err := db.SubscriptionsOf(t.Context(), "app", 100)
		if err != nil || len(all) != 1 || all[0].ID != kept.ID {
			t.Errorf("got %v, %v", all, err)
		}
	}
	if _, err := db.SubscriptionOwner(t.Context(), "app", gone.ID); !errors.Is(err, todo.ErrNotFound) {
		t.Errorf("the entry is still there: %v", err)
	}
	for n := range todo.MaxSubscriptions - 1 {
		if _, err := insert(fmt.Sprint("app", n%20), u.ID, time.Hour); err != nil {
			t.Fatal(err)
		}
	}
	_, err = insert("one more", u.ID, time.Hour)
	if e, ok := errors.AsType[*todo.Error](err); !ok || e.Kind != todo.SubscriptionLimit {
		t.Errorf("one more than the mailbox takes: %v", err)
	}
	now = now.Add(time.Hour)
	if _, err = insert("one more", u.ID, time.Hour); err != nil {
		t.Errorf("when all have expired: %v", err)
	}
}
