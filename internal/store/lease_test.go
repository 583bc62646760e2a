package store_test

import (
	"testing"
	"time"

	"github.com/duly-todo/duly/internal/store"
)

// One holds a lease, until its end or until it is given free; that of the
// lifecycle is another one.
func TestLease(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, db *store.DB) {
		as, _ := addUser(t, db, "adele")
		s := store.Subscription{App: "app", Creator: as.User, Scope: store.Scope{Kind: store.ListChange}}
		update(t, db, as, func(tx *store.Tx) error {
			s.ID, s.Created, s.Expires = tx.NewGUID(), tx.Now(), tx.Now().Add(time.Hour)
			return tx.InsertSubscription(&s)
		})
		first, second := store.Lease{Subscription: s.ID, By: "first"}, store.Lease{Subscription: s.ID, By: "second"}
		life := store.Lease{Subscription: s.ID, Lifecycle: true, By: "second"}
		for _, step := range []struct {
			name  string
			lease store.Lease
			life  time.Duration
			held  bool
		}{
			{"a free one", first, time.Hour, true},
			{"that of another", second, time.Hour, false},
			{"its own", first, time.Hour, true},
			{"of the lifecycle", life, time.Hour, true},
			{"its own, to an end that has passed", first, -time.Second, true},
			{"one that has ended", second, time.Hour, true},
			{"of no subscription", store.Lease{Subscription: "none", By: "first"}, time.Hour, false},
		} {
			held := false
			update(t, db, as, func(tx *store.Tx) (err error) {
				held, err = tx.TakeLease(step.lease, tx.Now().Add(step.life))
				return err
			})
			if held != step.held {
				t.Errorf("%s: held is %t", step.name, held)
			}
		}
		for _, end := range []store.Lease{first, second} { // the first one's is not the one that is held
			held := false
			update(t, db, as, func(tx *store.Tx) (err error) {
				if err := tx.EndLease(end); err != nil {
					return err
				}
				held, err = tx.TakeLease(first, tx.Now().Add(time.Hour))
				return err
			})
			if held != (end == second) {
				t.Errorf("after the end of %s: held is %t", end.By, held)
			}
		}
	})
}
