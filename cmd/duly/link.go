package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/duly-todo/duly"
)

// userLinkCommand is "duly user link".
type userLinkCommand struct {
	Data dataFolder `setting:"" default:"data" placeholder:"DIR" help:"Folder of the data."`
	databaseFlag
	Name    string `arg:"" help:"Name or id of the user."`
	Issuer  string `required:"" placeholder:"URL" help:"The claim iss of the issuer's tokens, to the letter."`
	Subject string `required:"" placeholder:"TEXT" help:"Who it is there: the claim oid of Entra, sub of others."`
}

// Examples are shown at the end of the help.
func (*userLinkCommand) Examples() string {
	return `Examples:
  duly user link ada@example.org --issuer https://login.example.org/realms/main --subject 1f0c9a1e-5d1f-4f0a-8f6e-7f3f1c1c7a55

duly user list shows the links. The issuer itself is named in the file of duly serve --issuers.`
}

// Run makes the link.
func (u *userLinkCommand) Run(ctx context.Context, c *console) error {
	return withData(ctx, u.Data, u.DB, func(server *duly.Server) error {
		err := server.LinkUser(ctx, u.Name, u.Issuer, u.Subject)
		if errors.Is(err, duly.ErrLinked) {
			return fmt.Errorf("the subject %s is linked to another user: see whom with %s, and remove that link first", u.Subject, command("duly user list", u.Data))
		}
		if err != nil {
			return unknownUser(err, u.Name, u.Data)
		}
		_, err = fmt.Fprintf(c.stdout, "%s is the subject %s of %s\n", u.Name, printable(u.Subject), u.Issuer)
		return err
	})
}

// userUnlinkCommand is "duly user unlink".
type userUnlinkCommand struct {
	Data dataFolder `setting:"" default:"data" placeholder:"DIR" help:"Folder of the data."`
	databaseFlag
	Name    string `arg:"" help:"Name or id of the user."`
	Issuer  string `required:"" placeholder:"URL" help:"The claim iss of the issuer's tokens, to the letter."`
	Subject string `required:"" placeholder:"TEXT" help:"Who it is there: the claim oid of Entra, sub of others."`
}

// Examples are shown at the end of the help.
func (*userUnlinkCommand) Examples() string {
	return `Examples:
  duly user unlink ada@example.org --issuer https://login.example.org/realms/main --subject 1f0c9a1e-5d1f-4f0a-8f6e-7f3f1c1c7a55

The user is signed out everywhere.`
}

// Run takes the link back.
func (u *userUnlinkCommand) Run(ctx context.Context, c *console) error {
	return withData(ctx, u.Data, u.DB, func(server *duly.Server) error {
		err := server.UnlinkUser(ctx, u.Name, u.Issuer, u.Subject)
		if errors.Is(err, duly.ErrNotLinked) {
			return fmt.Errorf("the subject %s is not linked to %s: see the links with %s", u.Subject, u.Name, command("duly user list", u.Data))
		}
		if err != nil {
			return unknownUser(err, u.Name, u.Data)
		}
		_, err = fmt.Fprintf(c.stdout, "%s is no longer the subject %s of %s, and signed out everywhere\n", u.Name, printable(u.Subject), u.Issuer)
		return err
	})
}
