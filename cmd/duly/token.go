package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/duly-todo/duly"
)

// tokenCommand is "duly token".
type tokenCommand struct {
	Data dataFolder `setting:"" default:"data" placeholder:"DIR" help:"Folder of the data, which a server may use meanwhile."`
	databaseFlag
	User    string   `setting:"" required:"" placeholder:"NAME" help:"Name or id of the user to act for."`
	Scope   scopes   `setting:"" default:"Tasks.ReadWrite User.Read" placeholder:"NAMES" help:"Permissions, separated by spaces."`
	Expires lifetime `setting:"" default:"1h" placeholder:"TIME" help:"How long the token is good, 24h at most."`
}

// Examples are shown at the end of the help.
func (*tokenCommand) Examples() string {
	return `Examples:
  TOKEN=$(duly token --user ada@example.org)
  curl -H "Authorization: Bearer $TOKEN" http://127.0.0.1:8080/v1.0/me/todo/lists
  duly token --user ada@example.org --scope Tasks.Read --expires 15m`
}

// Run prints the token and nothing else. It makes no data where there is none.
func (t *tokenCommand) Run(ctx context.Context, c *console) (err error) {
	server, err := openData(ctx, duly.Config{DataDir: string(t.Data), Database: string(t.DB), Existing: true, Beside: true})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, server.Close()) }()
	token, err := server.Token(ctx, t.User, string(t.Scope), time.Duration(t.Expires))
	if errors.Is(err, duly.ErrNoUser) {
		return fmt.Errorf("there is no user %s: see who there is with %s", t.User, command("duly user list", t.Data))
	}
	if err != nil {
		return fmt.Errorf("making a token for %s: %w", t.User, err)
	}
	_, err = fmt.Fprintln(c.stdout, token)
	return err
}
