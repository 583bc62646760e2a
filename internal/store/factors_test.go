package store_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/duly-todo/duly/internal/store"
	"github.com/duly-todo/duly/internal/todo"
)

// Second factors are their owner's alone, count once, and go all together.
func TestFactors(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, db *store.DB) {
		ada, _ := addUser(t, db, "ada")
		bob, _ := addUser(t, db, "bob")
		later := time.Now().Add(time.Hour)
		gone := func(what string, err error) {
			t.Helper()
			if !errors.Is(err, todo.ErrNotFound) {
				t.Errorf("%s: %v", what, err)
			}
		}
		key := store.Passkey{ID: "k", RPID: "todo.example.org", Label: "Key", PublicKey: []byte{1, 0, 2}, SignCount: 1<<32 - 1, Flags: 0x9d, Transports: []string{"internal", "hybrid"}}
		update(t, db, ada, func(tx *store.Tx) error {
			return errors.Join(tx.PutAuthenticatorApp([]byte{3, 0, 4}, 7), tx.PutRecoveryCodes([]string{"r", "s"}), tx.PutPasskey(key),
				tx.UseChallenge("c", later), tx.PutSession(store.Session{Hash: "here", Methods: "fido mfa", Expires: later}), tx.PutSession(store.Session{Hash: "there", Expires: later}))
		})
		update(t, db, bob, func(tx *store.Tx) error {
			app, err := tx.AuthenticatorApp()
			keys, kerr := tx.Passkeys()
			left, lerr := tx.RecoveryCodesLeft()
			if app.Sealed != nil || len(keys) != 0 || left != 0 {
				t.Errorf("bob has %v, %v, %d codes", app, keys, left)
			}
			gone("bob's recovery code", tx.TakeRecoveryCode("r"))
			gone("bob's code", tx.TakeStep(8))
			gone("bob's passkey", tx.DeletePasskey("k"))
			return errors.Join(err, kerr, lerr, tx.UseChallenge("c", later), tx.EndOtherSessions("x"), tx.UsedPasskey("k", 1, 1))
		})
		update(t, db, ada, func(tx *store.Tx) error {
			gone("the step that confirmed it", tx.TakeStep(7))
			if err := tx.TakeStep(8); err != nil {
				t.Errorf("the next step: %v", err)
			}
			gone("that again", tx.TakeStep(8))
			gone("the challenge again", tx.UseChallenge("c", later))
			if err := tx.TakeRecoveryCode("r"); err != nil {
				t.Errorf("a recovery code: %v", err)
			}
			gone("that again", tx.TakeRecoveryCode("r"))
			keys, err := tx.Passkeys()
			want := []store.Passkey{key}
			if len(keys) == 1 {
				want[0].Created = keys[0].Created
			}
			if diff := cmp.Diff(want, keys); diff != "" {
				t.Errorf("the passkey: %s", diff)
			}
			return errors.Join(err, tx.UsedPasskey("k", 3, 0x1d), tx.EndOtherSessions("here"))
		})
		view(t, db, ada, func(tx *store.Tx) error {
			sessions, err := tx.Sessions()
			if len(sessions) != 1 || sessions[0].Hash != "here" || sessions[0].Methods != "fido mfa" {
				t.Errorf("sessions %+v", sessions)
			}
			keys, kerr := tx.Passkeys()
			if len(keys) != 1 || keys[0].SignCount != 3 || keys[0].Flags != 0x1d || keys[0].LastUsed.IsZero() {
				t.Errorf("used: %+v", keys)
			}
			return errors.Join(err, kerr)
		})
		update(t, db, ada, (*store.Tx).ResetFactors)
		view(t, db, ada, func(tx *store.Tx) error {
			app, err := tx.AuthenticatorApp()
			keys, kerr := tx.Passkeys()
			left, lerr := tx.RecoveryCodesLeft()
			sessions, serr := tx.Sessions()
			if app.Sealed != nil || len(keys) != 0 || left != 0 || len(sessions) != 0 {
				t.Errorf("after a reset: %v, %v, %d codes, %v", app, keys, left, sessions)
			}
			return errors.Join(err, kerr, lerr, serr)
		})
		for n := range store.MaxPasskeys {
			update(t, db, ada, func(tx *store.Tx) error { return tx.PutPasskey(store.Passkey{ID: fmt.Sprint(n)}) })
		}
		for _, id := range []string{"0", "new"} {
			err := db.Update(t.Context(), ada, func(tx *store.Tx) error { return tx.PutPasskey(store.Passkey{ID: id}) })
			if e, ok := errors.AsType[*todo.Error](err); !ok || e.Kind != todo.Invalid {
				t.Errorf("one passkey more, %s: %v", id, err)
			}
		}
	})
}
