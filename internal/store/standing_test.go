package store_test

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/duly-todo/duly/internal/store"
	"github.com/duly-todo/duly/internal/todo"
)

// Every write that changes how a user or an application stands is told to the
// DB that made it before it returns, and is found by another one.
func TestRevisions(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	path := filepath.Join(t.TempDir(), "duly.db")
	db, beside := open(t, path), open(t, path)
	var told []string
	db.OnRevision(func(ids ...string) { told = append(told, ids...) })
	ada, _ := addUser(t, db, "ada")
	app := store.App{ID: store.NewGUID(), Name: "App", Kind: store.Daemon}
	if err := db.AddApp(ctx, app); err != nil {
		t.Fatal(err)
	}
	later := time.Now().Add(time.Hour)
	last, _, all, err := beside.Revisions(ctx, -1)
	if err != nil || !all {
		t.Fatalf("at first: all %v, %v", all, err)
	}
	owner := func(fn func(*store.Tx) error) func() error {
		return func() error { return db.Update(ctx, ada, fn) }
	}
	for _, step := range []struct {
		name string
		do   func() error
		want string
	}{
		{"revoke", owner(func(tx *store.Tx) error { return tx.Revoke("token", later) }), ada.User},
		{"sign-out", owner((*store.Tx).SignOutEverywhere), ada.User},
		{"disable", owner((*store.Tx).Disable), ada.User},
		{"enable", owner((*store.Tx).Enable), ada.User},
		{"another secret", func() error {
			return db.AddCredential(ctx, app.ID, store.Credential{ID: "1", Hash: "a", Expires: later}, time.Hour)
		}, ""},
		{"another secret at once", func() error {
			return db.AddCredential(ctx, app.ID, store.Credential{ID: "2", Hash: "b", Expires: later}, 0)
		}, app.ID},
		{"sign-out of the application", func() error { return db.SignOutApp(ctx, app.ID) }, app.ID},
		{"removal", func() error { return db.RemoveApp(ctx, app.ID) }, app.ID},
		{"a failed write", func() error {
			errFailed := errors.New("failed")
			err := owner(func(tx *store.Tx) error { return errors.Join(tx.SignOutEverywhere(), errFailed) })()
			if errors.Is(err, errFailed) {
				return nil
			}
			return fmt.Errorf("it did not fail: %w", err)
		}, ""},
	} {
		told = nil
		if err := step.do(); err != nil {
			t.Fatalf("%s: %v", step.name, err)
		}
		version, ids, all, err := beside.Revisions(ctx, last)
		if err != nil || all || !slices.Equal(ids, told) || version != last+int64(len(ids)) {
			t.Errorf("%s: told %v; version %d after %d, %v, all %v, %v", step.name, told, version, last, ids, all, err)
		}
		if step.want == "" && len(ids) > 0 || step.want != "" && !slices.Contains(ids, step.want) {
			t.Errorf("%s: %v, want %q", step.name, ids, step.want)
		}
		last = version
	}
}

// Who has not looked for long is told to ask for all anew.
func TestRevisionsAreBounded(t *testing.T) {
	t.Parallel()
	db := open(t, store.Memory)
	ada, _ := addUser(t, db, "ada")
	update(t, db, ada, func(tx *store.Tx) error {
		for range 1_001 {
			if err := tx.Enable(); err != nil {
				return err
			}
		}
		return nil
	})
	for last, want := range map[int64]bool{0: true, 1: false, 1_000: false, 1_001: false, 1_002: true} {
		version, ids, all, err := db.Revisions(t.Context(), last)
		if err != nil || version != 1_001 || all != want || !all && int64(len(ids)) != 1_001-last {
			t.Errorf("after %d: version %d, %d ids, all %v, %v", last, version, len(ids), all, err)
		}
	}
}

// A standing holds what is in force: for a user and for an application.
func TestStanding(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, db *store.DB) {
		ctx := context.Background()
		ada, _ := addUser(t, db, "ada")
		app := store.App{ID: store.NewGUID(), Name: "App", Kind: store.Daemon}
		if err := db.AddApp(ctx, app); err != nil {
			t.Fatal(err)
		}
		now := time.Now()
		for id, standing := range map[string]func(context.Context, string) (store.Standing, error){ada.User: db.UserStanding, app.ID: db.AppStanding} {
			update(t, db, store.As{User: id}, func(tx *store.Tx) error {
				return errors.Join(tx.Revoke("past", now.Add(-time.Hour)), tx.Revoke("one", now.Add(time.Hour)), tx.Revoke("two", now.Add(time.Hour)))
			})
			s, err := standing(ctx, id)
			_, one := s.Revoked["one"]
			if err != nil || s.Disabled || len(s.Revoked) != 2 || !one {
				t.Errorf("got %+v, %v", s, err)
			}
			var at time.Time
			update(t, db, store.As{User: id}, func(tx *store.Tx) error {
				at = tx.Now()
				for n := range 1_000 {
					if err := tx.Revoke(fmt.Sprint("token ", n), now.Add(time.Hour)); err != nil {
						return err
					}
				}
				return nil
			})
			if s, err = standing(ctx, id); err != nil || !s.TokensFrom.Equal(at) || len(s.Revoked) > 2 {
				t.Errorf("after a thousand revocations %d are kept and tokens count from %v, not %v; %v", len(s.Revoked), s.TokensFrom, at, err)
			}
		}
		update(t, db, ada, (*store.Tx).Disable)
		if s, err := db.UserStanding(ctx, ada.User); err != nil || !s.Disabled || s.TokensFrom.IsZero() {
			t.Errorf("disabled: %+v, %v", s, err)
		}
		update(t, db, ada, (*store.Tx).Enable)
		if s, err := db.UserStanding(ctx, ada.User); err != nil || s.Disabled || s.TokensFrom.IsZero() {
			t.Errorf("enabled: %+v, %v", s, err)
		}
		nobody := db.Update(ctx, store.As{User: store.NewGUID()}, (*store.Tx).Disable)
		if e, ok := errors.AsType[*todo.Error](nobody); !ok || e.Kind != todo.NotFound {
			t.Errorf("disabling nobody: %v", nobody)
		}
		if _, err := db.UserStanding(ctx, "nobody"); !isNoSuchUser(err) {
			t.Errorf("the standing of nobody: %v", err)
		}
		if err := db.SignOutApp(ctx, "none"); !errors.Is(err, todo.ErrNotFound) {
			t.Errorf("signing nothing out: %v", err)
		}
	})
}

func isNoSuchUser(err error) bool {
	e, ok := errors.AsType[*todo.Error](err)
	return ok && e.Kind == todo.NoSuchUser
}
