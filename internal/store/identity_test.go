package store_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/duly-todo/duly/internal/store"
	"github.com/duly-todo/duly/internal/todo"
)

// What was given out to a user is bounded, and the oldest goes first.
func TestIdentityIsBounded(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, db *store.DB) {
		as, _ := addUser(t, db, "ada")
		later := time.Now().Add(time.Hour)
		for n := range 60 {
			update(t, db, as, func(tx *store.Tx) error { return tx.PutSession(store.Session{Hash: fmt.Sprint(n), Expires: later}) })
		}
		update(t, db, as, func(tx *store.Tx) error {
			for n := range 60 { // one family, exchanged again and again
				hash := fmt.Sprintf("busy %02d", n)
				if err := tx.PutRefreshToken(store.RefreshToken{Hash: hash, Family: "busy", Expires: later}); err != nil {
					return err
				}
				if err := tx.RotateRefreshToken(hash); err != nil {
					return err
				}
			}
			return tx.PutRefreshToken(store.RefreshToken{Hash: "busy live", Family: "busy", Expires: later})
		})
		view(t, db, as, func(tx *store.Tx) error {
			sessions, err := tx.Sessions()
			if len(sessions) != 50 || sessions[0].Hash != "59" {
				t.Errorf("%d sessions are left", len(sessions))
			}
			left := 0
			for n := range 60 {
				if _, err := tx.RefreshToken(fmt.Sprintf("busy %02d", n)); err == nil {
					left++
				}
			}
			if _, liveErr := tx.RefreshToken("busy live"); left != 50 || liveErr != nil {
				t.Errorf("%d exchanged tokens are left, and of the live one: %v", left, liveErr)
			}
			return err
		})
	})
}

// When there are too many refresh tokens, the family goes that was used the
// longest ago.
func TestOldestFamilyGoes(t *testing.T) {
	t.Parallel()
	db := open(t, store.Memory)
	as, _ := addUser(t, db, "ada")
	later := time.Now().Add(time.Hour)
	for n := range 2_001 {
		update(t, db, as, func(tx *store.Tx) error {
			return tx.PutRefreshToken(store.RefreshToken{Hash: fmt.Sprint(n), Family: fmt.Sprint("family ", n/2), Expires: later})
		})
	}
	view(t, db, as, func(tx *store.Tx) error {
		for hash, there := range map[string]bool{"0": false, "1": false, "2": true, "2000": true} {
			if _, err := tx.RefreshToken(hash); (err == nil) != there {
				t.Errorf("token %s: %v", hash, err)
			}
		}
		return nil
	})
}

// What one user was given, another does not reach, and it ends in its time.
func TestIdentityIsApart(t *testing.T) {
	t.Parallel()
	for name, dsn := range eachDSN(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			testIdentityIsApart(t, dsn())
		})
	}
}

func testIdentityIsApart(t *testing.T, dsn string) {
	now := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	db, err := store.Open(t.Context(), dsn, func() time.Time { return now })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	ada, _ := addUser(t, db, "ada")
	bob, _ := addUser(t, db, "bob")
	later := now.Add(time.Hour)
	update(t, db, ada, func(tx *store.Tx) error {
		return errors.Join(
			tx.PutSession(store.Session{Hash: "s", Expires: later}), tx.PutCode(store.Code{Hash: "c", Expires: later}),
			tx.PutRefreshToken(store.RefreshToken{Hash: "r", Family: "f", Expires: later}), tx.PutPersonalToken(store.PersonalToken{Hash: "p", Expires: later}),
			tx.PutSetupLink("l", later), tx.Revoke("j", later), tx.PutConsent("app", []string{"Tasks.Read"}), tx.SetPassword("x"))
	})
	look := func(tx *store.Tx) (found []string) {
		_, session := tx.Session("s")
		_, code := tx.Code("c")
		_, refresh := tx.RefreshToken("r")
		_, personal := tx.PersonalToken("p")
		for name, err := range map[string]error{"session": session, "code": code, "refresh": refresh, "personal": personal, "link": tx.SetupLink("l")} {
			if err == nil {
				found = append(found, name)
			} else if !errors.Is(err, todo.ErrNotFound) {
				t.Errorf("%s: %v", name, err)
			}
		}
		if revoked, err := tx.Revoked("j", ""); err != nil || revoked {
			found = append(found, "revocation")
		}
		return found
	}
	view(t, db, bob, func(tx *store.Tx) error {
		if found := look(tx); len(found) > 0 {
			t.Errorf("Bob sees Ada's %v", found)
		}
		account, err := tx.Account()
		scopes, err2 := tx.Consent("app")
		if account.Password != "" || len(scopes) > 0 {
			t.Errorf("Bob has %+v and %v", account, scopes)
		}
		return errors.Join(err, err2)
	})
	view(t, db, ada, func(tx *store.Tx) error {
		if found := look(tx); len(found) != 6 {
			t.Errorf("Ada sees %v", found)
		}
		return nil
	})
	now = later
	view(t, db, ada, func(tx *store.Tx) error {
		if found := look(tx); len(found) != 2 { // codes and refresh tokens are told that they are too old
			t.Errorf("an hour later there are %v", found)
		}
		return nil
	})
	update(t, db, ada, (*store.Tx).SignOutEverywhere)
	view(t, db, ada, func(tx *store.Tx) error {
		if found := look(tx); len(found) != 0 {
			t.Errorf("after the sign-out there are %v", found)
		}
		account, err := tx.Account()
		if !account.TokensFrom.Equal(now) || account.Password != "x" {
			t.Errorf("the account is %+v", account)
		}
		return err
	})
}

// An application goes with all that it was given; an assertion is used once.
func TestApps(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, db *store.DB) {
		ctx := context.Background()
		as, _ := addUser(t, db, "ada")
		id, later := store.NewGUID(), time.Now().Add(time.Hour)
		app := store.App{ID: id, Name: "App", Kind: store.WebApp, RedirectURIs: []string{"https://app.example/\"cb\""}, Scopes: []string{"Tasks.Read", "User.Read"}}
		if err := errors.Join(db.AddApp(ctx, app), db.AddCredential(ctx, id, store.Credential{ID: "1", Hash: "h", Expires: later}, -1)); err != nil {
			t.Fatal(err)
		}
		got, err := db.App(ctx, id)
		if err != nil || got.RedirectURIs[0] != app.RedirectURIs[0] || len(got.Scopes) != 2 || got.Kind != store.WebApp {
			t.Errorf("got %+v, %v", got, err)
		}
		for _, want := range []bool{true, false} {
			if first, err := db.UseAssertion(ctx, id, "j", later); err != nil || first != want {
				t.Errorf("used first: %v, %v", first, err)
			}
		}
		update(t, db, as, func(tx *store.Tx) error {
			return errors.Join(tx.PutConsent(id, []string{"x"}), tx.PutRefreshToken(store.RefreshToken{Hash: "r", App: id, Expires: later}))
		})
		if err := db.RemoveApp(ctx, id); err != nil {
			t.Fatal(err)
		}
		view(t, db, as, func(tx *store.Tx) error {
			scopes, err := tx.Consent(id)
			if _, gone := tx.RefreshToken("r"); len(scopes) > 0 || !errors.Is(gone, todo.ErrNotFound) {
				t.Errorf("left: %v, %v", scopes, gone)
			}
			return err
		})
		credentials, err := db.Credentials(ctx, id)
		if err != nil || len(credentials) > 0 || !errors.Is(second(db.AppStanding(ctx, id)), todo.ErrNotFound) || !errors.Is(db.RemoveApp(ctx, id), todo.ErrNotFound) {
			t.Errorf("left: %v, %v", credentials, err)
		}
	})
}
