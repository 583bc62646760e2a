package main

import (
	"context"
	"errors"
	"fmt"
	"os/signal"
	"syscall"
	"text/tabwriter"

	"github.com/duly-todo/duly/internal/store"
)

// dbCommand is "duly db".
type dbCommand struct {
	Distribute dbDistributeCommand `cmd:"" help:"Spread the tables of a PostgreSQL database over the nodes of Citus."`
	Status     dbStatusCommand     `cmd:"" help:"Say where the tables of a PostgreSQL database are, and belong on Citus."`
}

// dbDistributeCommand is "duly db distribute".
type dbDistributeCommand struct{ databaseFlag }

// Examples are shown at the end of the help.
func (*dbDistributeCommand) Examples() string {
	return `Examples:
  duly db distribute --db "postgres://duly@coordinator.example.org/duly?sslmode=verify-full"

It brings the schema up to date and moves, in one transaction, each table that is
not where it belongs; a second time there is nothing to do. Run it on the
coordinator, as the owner of the tables, while no server runs. Later versions of
duly place the tables that they add by themselves.`
}

// needsPostgres refuses other databases.
func (f databaseFlag) needsPostgres() error {
	if !f.DB.isPostgres() {
		return usageErrorf("only PostgreSQL can be distributed: name the database with --db or DULY_DB")
	}
	return nil
}

// Run distributes.
func (d *dbDistributeCommand) Run(ctx context.Context, c *console) error {
	if err := d.needsPostgres(); err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(ctx, syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	moved := 0
	var outErr error
	err := store.Distribute(ctx, string(d.DB), func(p store.Placement) {
		moved++
		_, err := fmt.Fprintf(c.stdout, "%s: %s\n", p.Table, place(p))
		outErr = errors.Join(outErr, err)
	})
	if err != nil {
		return databaseError(err)
	}
	if moved == 0 {
		_, outErr = fmt.Fprintln(c.stdout, "All tables are where they belong.")
	}
	return outErr
}

// place is where the rows of a table belong, in words.
func place(p store.Placement) string {
	if p.Key == "" {
		return "on every node"
	}
	return "spread by " + p.Key
}

// databaseError is err as the kind of mistake that it is.
func databaseError(err error) error {
	switch {
	case errors.Is(err, store.ErrRefused):
		return &usageError{err}
	case errors.Is(err, store.ErrUnavailable):
		return fmt.Errorf("%w: see that the server runs, and that --db or DULY_DB names it", err)
	}
	return err
}

// dbStatusCommand is "duly db status".
type dbStatusCommand struct{ databaseFlag }

// Examples are shown at the end of the help.
func (*dbStatusCommand) Examples() string {
	return `Examples:
  duly db status --db postgres://duly@coordinator.example.org/duly

It changes nothing.`
}

// Run writes a line for each table.
func (d *dbStatusCommand) Run(ctx context.Context, c *console) error {
	if err := d.needsPostgres(); err != nil {
		return err
	}
	placements, citus, err := store.Placements(ctx, string(d.DB))
	if err != nil {
		return databaseError(err)
	}
	if len(placements) == 0 {
		_, err := fmt.Fprintln(c.stdout, "There is no data of Duly's in the database.")
		return err
	}
	w := tabwriter.NewWriter(c.stdout, 0, 0, 2, ' ', 0)
	for _, p := range placements {
		is := "on this server"
		if p.Done {
			is = place(p)
		}
		fmt.Fprintf(w, "%s\t%s\tbelongs %s\n", p.Table, is, place(p))
	}
	if err := w.Flush(); err != nil {
		return err
	}
	if !citus {
		_, err = fmt.Fprintln(c.stdout, "The database has no Citus, and needs none on one server.")
	}
	return err
}
