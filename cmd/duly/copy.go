package main

import (
	"context"
	"errors"
	"fmt"
	"os/signal"
	"strings"
	"syscall"

	"github.com/duly-todo/duly"
)

// copyCommand is "duly copy".
type copyCommand struct {
	From     database   `required:"" placeholder:"DSN" help:"Database to copy: sqlite:FILE, or postgres://USER@HOST/NAME. Nothing is written to it."`
	To       database   `required:"" placeholder:"DSN" help:"Database to copy to: empty, or half a copy of the same."`
	FromData dataFolder `placeholder:"DIR" help:"Data folder whose keys and certificates are copied as well, to --to-data."`
	ToData   dataFolder `placeholder:"DIR" help:"Data folder to copy them to."`
}

// Examples are shown at the end of the help.
func (*copyCommand) Examples() string {
	return `Examples:
  duly copy --from sqlite:/var/lib/duly/duly.db --to "postgres://duly@db.example.org/duly?sslmode=verify-full"
  duly copy --from sqlite:old/duly.db --to sqlite:new/duly.db --from-data old --to-data new

A password is best left to the variable PGPASSWORD or to ~/.pgpass, since others may
see command lines.

Stopped at any moment, the same command goes on. While a server uses the source, it
copies what is there and leaves the copy unfinished; stop the server then and run it
again, which copies what has changed. A server refuses the target until it is whole.
Both databases are read and compared at the end.`
}

// Run copies, and says what was copied.
func (k *copyCommand) Run(ctx context.Context, c *console) error {
	ctx, stop := signal.NotifyContext(ctx, syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	var outErr error
	print := func(format string, args ...any) {
		_, err := fmt.Fprintf(c.stdout, format, args...)
		outErr = errors.Join(outErr, err)
	}
	report, err := duly.Copy(ctx, duly.CopyOptions{
		From: string(k.From), To: string(k.To), FromData: string(k.FromData), ToData: string(k.ToData), Progress: c.progress(),
		Mailbox: func(m duly.CopiedMailbox) {
			how := "copied"
			if m.Before {
				how = "here since an earlier run"
			} else if m.Anew {
				how = "copied anew, since it has changed"
			}
			print("%s: %d rows, %s\n", orUnnamed(m.Owner), m.Rows, how)
		},
	})
	switch {
	case errors.Is(err, duly.ErrHoldsData), errors.Is(err, duly.ErrHalfCopy), errors.Is(err, duly.ErrRefused):
		return &usageError{err}
	case ctx.Err() != nil:
		return errors.New("stopped by a signal: run the same command again to go on")
	case err != nil:
		return fmt.Errorf("cannot copy: %w", err)
	case !report.Whole:
		return errors.Join(outErr, errors.New("all is copied that was there, but a server uses the source: stop it and run the same command again, which copies what has changed and finishes"))
	}
	for _, t := range report.Tables {
		print("%-24s %8d rows in both, SHA-256 %.16s\n", t.Name, t.Rows, t.Hash)
	}
	if len(report.Files) > 0 {
		print("Copied %s to %s\n", strings.Join(report.Files, ", "), k.ToData)
	}
	print("The copy is whole.")
	if k.FromData == "" {
		print(" Take issuer.json and what else is in the data folder there too: without it all tokens end.")
	}
	print("\n")
	return outErr
}

// orUnnamed is the name of who has rows: those of the set-up link for the first
// user have no owner.
func orUnnamed(owner string) string {
	if owner == "" {
		return "(nobody)"
	}
	return owner
}
