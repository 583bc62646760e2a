package main

import (
	"context"
	"errors"
	"fmt"
	"os/signal"
	"syscall"

	"github.com/duly-todo/duly"
)

// importCommand is "duly import".
type importCommand struct {
	Data dataFolder `setting:"" default:"data" placeholder:"DIR" help:"Folder of the data, which a server may use meanwhile."`
	databaseFlag
	File   string `arg:"" help:"Archive that duly export has made."`
	User   string `required:"" placeholder:"NAME" help:"Name or id of the user whose mailbox it is for."`
	NewIDs bool   `name:"new-ids" help:"Give everything another id, always the same for an archived one."`
}

// Examples are shown at the end of the help.
func (*importCommand) Examples() string {
	return `Examples:
  duly user add ada@example.net
  duly import ada.zip --user ada@example.net

All of the archive is checked before anything is written. What the mailbox has by its id
already stays as it is, so that an import may be repeated, also one that was stopped.`
}

// Run brings the archive in.
func (i *importCommand) Run(ctx context.Context, c *console) (err error) {
	ctx, stop := signal.NotifyContext(ctx, syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	server, err := openData(ctx, duly.Config{DataDir: string(i.Data), Database: string(i.DB), Existing: true, Beside: true})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, server.Close()) }()
	report, err := server.Import(ctx, i.File, i.User, i.NewIDs, c.progress())
	switch {
	case errors.Is(err, duly.ErrNoUser):
		return fmt.Errorf("there is no user %s: see who there is with %s", i.User, command("duly user list", i.Data))
	case errors.Is(err, duly.ErrBadArchive):
		return &usageError{fmt.Errorf("%s: %w", i.File, err)}
	case ctx.Err() != nil:
		return errors.New("stopped by a signal: run the same command again to go on")
	case err != nil:
		return fmt.Errorf("cannot import %s: %w: once that is mended, the same command goes on", i.File, err)
	}
	_, err = fmt.Fprintf(c.stdout, "Imported %s, which was %s's, for %s: added %s\n", i.File, report.Manifest.User.UserPrincipalName, i.User, archived(report.Added))
	return err
}
