package auth

import (
	"context"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/duly-todo/duly/internal/store"
	"github.com/duly-todo/duly/internal/todo"
)

// What was read while it changed is good for one request and is not remembered.
func TestStandingThatChangesMeanwhile(t *testing.T) {
	t.Parallel()
	var s *standings
	loads := 0
	s = newStandings(func(context.Context, string) (store.Standing, error) {
		loads++
		if loads == 1 {
			s.forget(ada) // somebody commits after this one has read
		}
		return store.Standing{Disabled: loads > 1}, nil
	})
	for n, want := range []struct {
		disabled bool
		loads    int
	}{{false, 1}, {true, 2}, {true, 2}} {
		got, err := s.of(t.Context(), ada)
		if err != nil || got.Disabled != want.disabled || loads != want.loads {
			t.Errorf("request %d: %+v after %d look-ups, %v", n, got, loads, err)
		}
	}
}

func TestStandingsAreBounded(t *testing.T) {
	t.Parallel()
	s := newStandings(func(context.Context, string) (store.Standing, error) { return store.Standing{}, nil })
	for n := range standingsSize + 10 {
		if _, err := s.of(t.Context(), fmt.Sprint(n)); err != nil {
			t.Fatal(err)
		}
	}
	if len(s.known) != standingsSize {
		t.Errorf("%d are remembered, want %d", len(s.known), standingsSize)
	}
}

// Follow finds what another process writes. As long as it cannot look, nothing
// stays remembered.
func TestFollow(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "duly.db")
	ours, err := store.Open(t.Context(), path, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	defer ours.Close()
	theirs, err := store.Open(t.Context(), path, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	defer theirs.Close()
	user, err := todo.NewUser(ada, "ada", "", "", time.Now())
	if err == nil {
		err = ours.AddUser(t.Context(), user, CommandLineApp)
	}
	if err != nil {
		t.Fatal(err)
	}
	i := newIssuer(t)
	v := NewVerifier(i.keys, ours.UserStanding, time.Now)
	v.Serving("", nil, ours)
	ctx, stop := context.WithTimeout(t.Context(), time.Minute)
	done := make(chan struct{})
	go func() { defer close(done); v.Follow(ctx) }()
	await := func(what string, holds func() bool) {
		t.Helper()
		for !holds() {
			select {
			case <-ctx.Done():
				t.Fatalf("it is never so: %s", what)
			case <-time.After(time.Millisecond):
			}
		}
	}
	remembered := func() bool {
		v.users.mu.RLock()
		defer v.users.mu.RUnlock()
		return v.users.known[ada] != nil
	}
	disabled := func(want bool) func() bool {
		return func() bool {
			s, err := v.users.of(ctx, ada)
			return err == nil && s.Disabled == want && remembered()
		}
	}
	await("the user is known", disabled(false))
	if err := theirs.Update(ctx, store.As{User: ada}, (*store.Tx).Disable); err != nil {
		t.Fatal(err)
	}
	await("the user is disabled", disabled(true))
	if err := ours.Close(); err != nil {
		t.Fatal(err)
	}
	await("the user is forgotten", func() bool { return !remembered() })
	stop()
	<-done
}
