package main

import (
	"context"
	"errors"
	"fmt"
	"os/signal"
	"syscall"

	"github.com/duly-todo/duly"
)

// restoreCommand is "duly restore".
type restoreCommand struct {
	Data dataFolder `setting:"" default:"data" placeholder:"DIR" help:"Folder to make. It must be missing or empty."`
	databaseFlag
	File         string `arg:"" help:"Backup to restore."`
	KeepSessions bool   `help:"Keep people and applications signed in. Without it everybody signs in again, since what was revoked after the backup was made would be good again."`
}

// Examples are shown at the end of the help.
func (*restoreCommand) Examples() string {
	return `Examples:
  duly restore duly-2026-11-22.tar --data /var/lib/duly-restored
  duly serve --data /var/lib/duly-restored

The backup may be of an older version of Duly: the first start brings the schema up
to date. Run it as the account that runs the server. Passwords, second factors, links with
external issuers, secrets of applications, signing keys and who is disabled are as they
were when the backup was made: a key that has leaked since is good again until it is retired.`
}

// Run restores the backup.
func (r *restoreCommand) Run(ctx context.Context, c *console) error {
	if err := r.inFolder("restore"); err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(ctx, syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	m, err := duly.Restore(ctx, r.File, string(r.Data), r.KeepSessions, c.progress())
	switch {
	case errors.Is(err, duly.ErrNotEmpty):
		return fmt.Errorf("cannot restore into %s: %w: move that away, or name another folder with --data", r.Data, err)
	case ctx.Err() != nil:
		return errors.New("stopped by a signal: nothing is restored")
	case err != nil:
		return fmt.Errorf("cannot restore %s: %w", r.File, err)
	}
	_, err = fmt.Fprintf(c.stdout, "Restored %s into %s: %s\n", r.File, r.Data, contents(m))
	return err
}
