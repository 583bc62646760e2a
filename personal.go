package duly

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/duly-todo/duly/internal/auth"
	"github.com/duly-todo/duly/internal/store"
)

// A PersonalToken is what is known of an access token that stands for a user in
// scripts. The token itself is told once, when it is made.
type PersonalToken struct {
	ID       string // for [Server.RemovePersonalToken]; it opens nothing
	Name     string
	Scopes   []string
	Created  time.Time
	LastUsed time.Time // to the hour; zero: never
	Expires  time.Time
}

// ErrNoPersonalToken says that a user has no personal access token of an ID.
var ErrNoPersonalToken = errors.New("there is no such personal access token")

// personalID is the name of a token of which only a hash is kept, in characters
// that no shell minds.
func personalID(hash string) string { return hex.EncodeToString([]byte(hash[:8])) }

// AddPersonalToken makes a token that stands for the user for some days, 366 at
// most, unless it is removed before. scopes are Graph's permissions, separated
// by spaces, in any case; name is what the user knows the token by.
func (s *Server) AddPersonalToken(ctx context.Context, user, name, scopes string, days int) (string, error) {
	granted, err := auth.ParseScopes(scopes)
	if err != nil {
		return "", err
	}
	u, err := s.User(ctx, user)
	if err != nil {
		return "", err
	}
	return auth.NewPersonalToken(ctx, s.db, u.ID, name, granted, days)
}

// PersonalTokens returns the tokens of a user that have not expired, oldest first.
func (s *Server) PersonalTokens(ctx context.Context, user string) (tokens []PersonalToken, err error) {
	u, err := s.User(ctx, user)
	if err != nil {
		return nil, err
	}
	err = s.db.View(ctx, u.ID, func(tx *store.Tx) error {
		rows, err := tx.PersonalTokens()
		tokens = make([]PersonalToken, len(rows))
		for i, t := range rows {
			tokens[i] = PersonalToken{personalID(t.Hash), t.Name, strings.Fields(t.Scopes), t.Created, t.LastUsed, t.Expires}
		}
		return err
	})
	return tokens, err
}

// RemovePersonalToken ends a token of a user at once. The error is
// [ErrNoPersonalToken] when the user has none with the ID.
func (s *Server) RemovePersonalToken(ctx context.Context, user, id string) error {
	return s.changeUser(ctx, user, func(tx *store.Tx) error {
		rows, err := tx.PersonalTokens()
		for _, t := range rows {
			if personalID(t.Hash) == id {
				return tx.DeletePersonalToken(t.Hash)
			}
		}
		if err == nil {
			err = fmt.Errorf("%w: %.40s", ErrNoPersonalToken, id)
		}
		return err
	})
}
