package store_test

import (
	"errors"
	"testing"
	"time"

	"github.com/duly-todo/duly/internal/store"
	"github.com/duly-todo/duly/internal/todo"
)

// TestDeviceCodes has a code go from the device to its owner and back.
func TestDeviceCodes(t *testing.T) {
	t.Parallel()
	eachDatabase(t, func(t *testing.T, db *store.DB) {
		as, _ := addUser(t, db, "adele")
		code := store.DeviceCode{Hash: "h", UserCode: "ABCD", App: "app", Scopes: "Tasks.Read", PollGap: 5 * time.Second, Expires: time.Now().Add(time.Hour)}
		other := store.DeviceCode{Hash: "other", UserCode: "EFGH", App: "app", Expires: time.Now().Add(-2 * time.Hour)}
		for _, d := range []store.DeviceCode{other, code} { // the second removes what has long expired
			update(t, db, store.As{}, func(tx *store.Tx) error { return tx.PutDeviceCode(d) })
		}
		if err := db.Update(t.Context(), store.As{}, func(tx *store.Tx) error {
			return tx.PutDeviceCode(store.DeviceCode{Hash: "new", UserCode: "ABCD"})
		}); err == nil {
			t.Error("a user code is given twice")
		}
		update(t, db, as, func(tx *store.Tx) error {
			d, err := tx.DeviceByUserCode("ABCD")
			if err != nil || d.Hash != "h" || d.PollGap != 5*time.Second {
				t.Errorf("by user code: %+v, %v", d, err)
			}
			if _, err := tx.DeviceByUserCode("EFGH"); !errors.Is(err, todo.ErrNotFound) {
				t.Errorf("a code that has expired: %v", err)
			}
			d.State, d.User = store.DeviceApproved, as.User
			return tx.SetDeviceCode(d)
		})
		update(t, db, store.As{}, func(tx *store.Tx) error {
			d, err := tx.DeviceCode("h")
			if err != nil || d.State != store.DeviceApproved || d.User != as.User {
				t.Errorf("by hash: %+v, %v", d, err)
			}
			return nil
		})
	})
}

// TestConsents has consent given, and taken back with all that was given for it.
func TestConsents(t *testing.T) {
	t.Parallel()
	eachDatabase(t, func(t *testing.T, db *store.DB) {
		as, _ := addUser(t, db, "adele")
		expires := time.Now().Add(time.Hour)
		update(t, db, as, func(tx *store.Tx) error {
			return errors.Join(
				tx.PutConsent("app", []string{"a"}), tx.PutConsent("app", []string{"a", "b"}), tx.PutConsent("other", nil),
				tx.PutCode(store.Code{Hash: "c", App: "app", Expires: expires}), tx.RedeemCode("c", "family"),
				tx.PutRefreshToken(store.RefreshToken{Hash: "r", Family: "family", App: "app", Expires: expires}),
				tx.PutSetupLink("link", expires),
			)
		})
		view(t, db, as, func(tx *store.Tx) error {
			if scopes, err := tx.Consent("app"); err != nil || len(scopes) != 2 {
				t.Errorf("Consent: %v, %v", scopes, err)
			}
			if all, err := tx.Consents(); err != nil || len(all) != 2 {
				t.Errorf("Consents: %v, %v", all, err)
			}
			if c, err := tx.Code("c"); err != nil || c.Family != "family" {
				t.Errorf("Code: %+v, %v", c, err)
			}
			return nil
		})
		update(t, db, as, func(tx *store.Tx) error { return tx.DeleteConsent("app", expires) })
		view(t, db, as, func(tx *store.Tx) error {
			_, codeErr := tx.Code("c")
			_, tokenErr := tx.RefreshToken("r")
			if !errors.Is(codeErr, todo.ErrNotFound) || !errors.Is(tokenErr, todo.ErrNotFound) {
				t.Errorf("after the consent: the code %v, the token %v", codeErr, tokenErr)
			}
			if revoked, err := tx.Revoked("x", "family"); err != nil || !revoked {
				t.Errorf("Revoked: %v, %v", revoked, err)
			}
			if all, err := tx.Consents(); err != nil || len(all) != 1 {
				t.Errorf("Consents: %v, %v", all, err)
			}
			return nil
		})
	})
}
