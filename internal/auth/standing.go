package auth

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/duly-todo/duly/internal/store"
	"github.com/duly-todo/duly/internal/todo"
)

const (
	standingsSize = 65_536                 // users, or applications, that are remembered
	followEvery   = 500 * time.Millisecond // how long a change by another process goes unnoticed
)

// standings remembers how users or applications stand, so that a request with a
// known token needs no transaction. One that is not known is asked for, and who
// does not exist is not remembered.
type standings struct {
	load func(ctx context.Context, id string) (store.Standing, error)

	mu      sync.RWMutex
	changes uint64 // counts calls of forget
	known   map[string]*store.Standing
}

func newStandings(load func(ctx context.Context, id string) (store.Standing, error)) *standings {
	return &standings{load: load, known: make(map[string]*store.Standing)}
}

func (s *standings) of(ctx context.Context, id string) (*store.Standing, error) {
	s.mu.RLock()
	known, changes := s.known[id], s.changes
	s.mu.RUnlock()
	if known != nil {
		return known, nil
	}
	loaded, err := s.load(ctx, id)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if changes != s.changes {
		return &loaded, nil // it may be from before the change, and so is good for this request alone
	}
	if len(s.known) >= standingsSize {
		for victim := range s.known { // Go starts at a random place
			delete(s.known, victim)
			break
		}
	}
	s.known[id] = &loaded
	return &loaded, nil
}

// forget has the standing of some asked for again, or with none named, of all.
func (s *standings) forget(ids ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.changes++
	if len(ids) == 0 {
		clear(s.known)
	}
	for _, id := range ids {
		delete(s.known, id)
	}
}

// forget has the standing of users and applications asked for again.
func (v *Verifier) forget(ids ...string) {
	v.users.forget(ids...)
	v.apps.forget(ids...)
}

// Follow takes note of what other processes write into the database until ctx
// ends. As long as that cannot be read, the database is asked for every request.
func (v *Verifier) Follow(ctx context.Context) {
	tick := time.NewTicker(followEvery)
	defer tick.Stop()
	for last := int64(-1); ctx.Err() == nil; {
		version, ids, all, err := v.db.Revisions(ctx, last)
		switch {
		case err != nil || all:
			v.forget()
		case len(ids) > 0:
			v.forget(ids...)
		}
		if err == nil {
			last = version
		}
		select {
		case <-ctx.Done():
		case <-tick.C:
		}
	}
}

// checkStanding refuses a token whose user or application is no longer behind it.
func (v *Verifier) checkStanding(ctx context.Context, t *verified, now int64) error {
	if !t.principal.AppOnly {
		user, err := v.userStanding(ctx, t.principal.User)
		if err == nil {
			err = t.check(user, now)
		}
		if err == nil {
			err = checkEnabled(user)
		}
		if err != nil {
			return err
		}
	}
	if t.principal.App == CommandLineApp || t.external != nil { // whose applications are not registered here
		return nil
	}
	app, err := v.apps.of(ctx, t.principal.App)
	if e, ok := errors.AsType[*todo.Error](err); ok && e.Kind == todo.NotFound {
		return refuse(badApp)
	}
	if err != nil {
		return fmt.Errorf("look up the application of an access token: %w", err)
	}
	return t.check(app, now)
}

func (v *Verifier) userStanding(ctx context.Context, id string) (*store.Standing, error) {
	user, err := v.users.of(ctx, id)
	if e, ok := errors.AsType[*todo.Error](err); ok && (e.Kind == todo.NoSuchUser || e.Kind == todo.NotFound) {
		return nil, refuse("The user account of the access token does not exist.")
	}
	if err != nil {
		return nil, fmt.Errorf("look up the user of an access token: %w", err)
	}
	return user, nil
}

func checkEnabled(user *store.Standing) error {
	if user.Disabled {
		return refuse("The user account of the access token is disabled.")
	}
	return nil
}

// check compares a token with the standing of its user or its application. Where
// a new token would be good, or the user has to sign in for one, the client is
// told so in the words of continuous access evaluation, on which Azure's libraries
// ask for a token at once. Who revoked a single token has no use for that.
func (t *verified) check(s *store.Standing, now int64) error {
	if len(s.Revoked) > 0 {
		if _, ended := s.Revoked[t.id]; ended {
			return refuse("Access token validation failure. The token was revoked.")
		}
		if _, ended := s.Revoked[t.session]; ended {
			return insufficientClaims("Continuous access evaluation resulted in challenge with result: InteractionRequired and code: SessionRevoked", now)
		}
	}
	if t.issued < s.TokensFrom.UnixMicro() && !s.TokensFrom.IsZero() {
		return insufficientClaims(issuedBefore, s.TokensFrom.Unix())
	}
	return nil
}

// issuedBefore is Graph's own message.
const issuedBefore = "Continuous access evaluation resulted in challenge with result: InteractionRequired and code: TokenIssuedBeforeRevocationTimestamp"

// insufficientClaims refuses a token and asks for one that is not older than the
// time from.
func insufficientClaims(message string, from int64) error {
	return &TokenError{
		Message: message, Challenge: "insufficient_claims", Sent: true,
		Claims: fmt.Sprintf(`{"access_token":{"nbf":{"essential":true,"value":"%d"}}}`, from),
	}
}
