package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/duly-todo/duly"
	"github.com/duly-todo/duly/internal/auth"
)

// tokenCommand is "duly token".
type tokenCommand struct {
	Data dataFolder `setting:"" default:"data" placeholder:"DIR" help:"Folder of the data, which a server may use meanwhile."`
	databaseFlag
	User    string   `setting:"" required:"" placeholder:"NAME" help:"Name or id of the user to act for."`
	Scope   scopes   `setting:"" default:"Tasks.ReadWrite User.Read" placeholder:"NAMES" help:"Permissions, separated by spaces."`
	Expires lifetime `setting:"" placeholder:"TIME" help:"How long the token is good, 24h at most; 1h if left out."`

	Personal *personalName `placeholder:"TEXT" help:"Make a personal access token of this name, which is good for days and can be revoked."`
	Days     int           `placeholder:"N" help:"How many days the personal access token is good, 366 at most; 90 if left out."`
}

// What a token is good for when nothing else is said.
const (
	tokenLife    = time.Hour
	personalDays = 90
)

// Examples are shown at the end of the help.
func (*tokenCommand) Examples() string {
	return `Examples:
  TOKEN=$(duly token --user ada@example.org)
  curl -H "Authorization: Bearer $TOKEN" http://127.0.0.1:8080/v1.0/me/todo/lists
  duly token --user ada@example.org --scope Tasks.Read --expires 15m
  duly token --user ada@example.org --personal "Nightly export" --days 30

Personal access tokens are listed by "duly user tokens" and ended by "duly user revoke-token".`
}

// check says which flags do not go together.
func (t *tokenCommand) check() error {
	switch {
	case t.Personal == nil && t.Days != 0:
		return usageErrorf("--days is for a personal access token, which --personal names; use --expires")
	case t.Personal != nil && t.Expires != 0:
		return usageErrorf("--expires is for tokens that are not personal; use --days")
	case t.Days < 0 || t.Days > auth.MaxPersonalDays:
		return usageErrorf("--days must be from 1 to %d, not %d", auth.MaxPersonalDays, t.Days)
	}
	return nil
}

// Run prints the token and nothing else. It makes no data where there is none.
func (t *tokenCommand) Run(ctx context.Context, c *console) error {
	if err := t.check(); err != nil {
		return err
	}
	return withData(ctx, t.Data, t.DB, func(server *duly.Server) error {
		token, err := t.token(ctx, server)
		if errors.Is(err, duly.ErrNoUser) {
			return unknownUser(err, t.User, t.Data)
		}
		if err != nil {
			return fmt.Errorf("making a token for %s: %w", t.User, withoutTarget(err))
		}
		_, err = fmt.Fprintln(c.stdout, token)
		return err
	})
}

func (t *tokenCommand) token(ctx context.Context, server *duly.Server) (string, error) {
	if t.Personal != nil {
		return server.AddPersonalToken(ctx, t.User, string(*t.Personal), string(t.Scope), cmp.Or(t.Days, personalDays))
	}
	return server.Token(ctx, t.User, string(t.Scope), cmp.Or(time.Duration(t.Expires), tokenLife))
}

// userTokensCommand is "duly user tokens".
type userTokensCommand struct {
	Data dataFolder `setting:"" default:"data" placeholder:"DIR" help:"Folder of the data."`
	databaseFlag
	Name string `arg:"" help:"Name or id of the user."`
}

// Examples are shown at the end of the help.
func (*userTokensCommand) Examples() string {
	return `Examples:
  duly user tokens ada@example.org`
}

// Run lists the personal access tokens of a user, and not what they are.
func (u *userTokensCommand) Run(ctx context.Context, c *console) error {
	return withData(ctx, u.Data, u.DB, func(server *duly.Server) error {
		tokens, err := server.PersonalTokens(ctx, u.Name)
		if err != nil {
			return unknownUser(err, u.Name, u.Data)
		}
		table := tabwriter.NewWriter(c.stdout, 0, 0, 2, ' ', 0)
		fmt.Fprintln(table, "ID\tNAME\tPERMISSIONS\tMADE\tLAST USED\tEXPIRES")
		for _, t := range tokens {
			used := "never"
			if !t.LastUsed.IsZero() {
				used = t.LastUsed.UTC().Format("2006-01-02 15:04")
			}
			fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\t%s\n", t.ID, printable(t.Name), strings.Join(t.Scopes, " "),
				t.Created.UTC().Format(time.DateOnly), used, t.Expires.UTC().Format(time.DateOnly))
		}
		return table.Flush()
	})
}

// userRevokeTokenCommand is "duly user revoke-token".
type userRevokeTokenCommand struct {
	Data dataFolder `setting:"" default:"data" placeholder:"DIR" help:"Folder of the data."`
	databaseFlag
	Name string `arg:"" help:"Name or id of the user."`
	ID   string `arg:"" name:"id" help:"ID of the token, as \"duly user tokens\" prints it."`
}

// Examples are shown at the end of the help.
func (*userRevokeTokenCommand) Examples() string {
	return `Examples:
  duly user revoke-token ada@example.org 54314b7a5f513961`
}

// Run ends a personal access token.
func (u *userRevokeTokenCommand) Run(ctx context.Context, c *console) error {
	return withData(ctx, u.Data, u.DB, func(server *duly.Server) error {
		err := server.RemovePersonalToken(ctx, u.Name, u.ID)
		if errors.Is(err, duly.ErrNoPersonalToken) {
			return fmt.Errorf("%w: see which there are with %s", err, command("duly user tokens "+quoted(u.Name), u.Data))
		}
		if err != nil {
			return unknownUser(err, u.Name, u.Data)
		}
		_, err = fmt.Fprintf(c.stdout, "The token %s of %s has ended\n", u.ID, u.Name)
		return err
	})
}
