package main

import (
	"context"
	"errors"
	"fmt"
	"os/signal"
	"syscall"
	"time"

	"github.com/duly-todo/duly"
)

// doctorCommand is "duly doctor".
type doctorCommand struct {
	Data dataFolder `setting:"" default:"data" placeholder:"DIR" help:"Folder of the data, which a server may use meanwhile."`
	databaseFlag
}

// Examples are shown at the end of the help.
func (*doctorCommand) Examples() string {
	return `Examples:
  duly doctor --data /var/lib/duly    a line for each check: ok, or problem and its remedy

It changes nothing, reads all of the database, and exits with 1 when there is a problem.`
}

// Run writes the findings.
func (d *doctorCommand) Run(ctx context.Context, c *console) error {
	if err := d.inFolder("doctor"); err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(ctx, syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	findings, err := duly.Diagnose(ctx, string(d.Data), time.Now())
	switch {
	case errors.Is(err, duly.ErrNoData):
		return noData(d.Data)
	case errors.Is(err, context.Canceled):
		return errors.New("stopped by a signal")
	case err != nil:
		return fmt.Errorf("cannot look through %s: %w", d.Data, err)
	}
	problems := 0
	for _, f := range findings {
		word, remedy := "ok", ""
		if f.Remedy != "" {
			word, remedy = "problem", "\n                     -> "+f.Remedy
			problems++
		}
		if _, err := fmt.Fprintf(c.stdout, "%-8s %-11s %s%s\n", word, f.Name, f.Text, remedy); err != nil {
			return err
		}
	}
	switch problems {
	case 0:
		return nil
	case 1:
		return errors.New("there is 1 problem")
	}
	return fmt.Errorf("there are %d problems", problems)
}
