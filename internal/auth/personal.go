package auth

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/duly-todo/duly/internal/store"
	"github.com/duly-todo/duly/internal/todo"
)

// PersonalApp stands for the holder of a personal access token where the client
// id of an application does otherwise.
const PersonalApp = "2f3e9a58-6c41-4d7b-b0a5-91c8e7d64b32"

// personalTouch is how often the last use of a personal access token is noted.
const personalTouch = time.Hour

// MaxPersonalDays is the longest life of a personal access token.
const MaxPersonalDays = 366

// PersonalName reads the name of a new token: without the space around it.
func PersonalName(name string) (string, error) {
	name = strings.TrimSpace(name)
	if name == "" || utf8.RuneCountInString(name) > 120 || !utf8.ValidString(name) {
		return "", todo.Errorf(todo.Invalid, "name", "Give the token a name of at most 120 characters, so that you know it again.")
	}
	return name, nil
}

// NewPersonalToken makes a token for a user's scripts and stores its hash. The
// scopes are as ParseScopes gives them. The error is a *todo.Error of the kind
// Invalid where the name or the days are none, or where the user has too many.
func NewPersonalToken(ctx context.Context, db *store.DB, user, name string, scopes []string, days int) (string, error) {
	name, err := PersonalName(name)
	if err != nil {
		return "", err
	}
	if days < 1 || days > MaxPersonalDays {
		return "", todo.Errorf(todo.Invalid, "days", "A token lasts from 1 to %d days.", MaxPersonalDays)
	}
	token, hash := newSecret(personalPrefix, user)
	err = db.Update(ctx, store.As{User: user}, func(tx *store.Tx) error {
		return tx.PutPersonalToken(store.PersonalToken{Hash: hash, Name: name, Scopes: strings.Join(scopes, " "), Expires: tx.Now().AddDate(0, 0, days)})
	})
	return token, err
}

// personal returns the principal of a personal access token. Its row is looked
// up on every request, so that a token that is removed is worth nothing at once.
func (v *Verifier) personal(ctx context.Context, token string) (Principal, error) {
	const unknown = "The personal access token is not known, or it has expired."
	user, hash, ok := readSecret(personalPrefix, token)
	if !ok {
		return Principal{}, refuse(unknown)
	}
	var row store.PersonalToken
	owner, err := v.userStanding(ctx, user)
	if err == nil {
		err = checkEnabled(owner)
	}
	if err == nil {
		err = v.db.View(ctx, user, func(tx *store.Tx) (err error) { row, err = tx.PersonalToken(hash); return err })
	}
	if errors.Is(err, todo.ErrNotFound) {
		return Principal{}, refuse(unknown)
	}
	if err == nil && v.now().Sub(row.LastUsed) > personalTouch {
		err = v.db.Update(ctx, store.As{User: user}, func(tx *store.Tx) error { return tx.UsedPersonalToken(hash) })
	}
	if _, refused := errors.AsType[*TokenError](err); err != nil && !refused {
		err = fmt.Errorf("look up a personal access token: %w", err)
	}
	if err != nil {
		return Principal{}, err
	}
	return Principal{User: user, App: PersonalApp, Tenant: v.keys.tenant, Scopes: strings.Fields(row.Scopes), Expires: row.Expires}, nil
}
