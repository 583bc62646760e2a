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
	TLSCert string `setting:"" name:"tls-cert" placeholder:"FILE" help:"Certificate of the server, to look when it ends."`
}

// Examples are shown at the end of the help.
func (*doctorCommand) Examples() string {
	return `Examples:
  duly doctor --data /var/lib/duly    a line for each check: ok, or problem and its remedy
  DULY_DB=postgres://duly@db.example.org/duly duly doctor --data /var/lib/duly

It changes nothing, reads all of the database, and exits with 1 when there is a problem.`
}

// Run writes the findings.
func (d *doctorCommand) Run(ctx context.Context, c *console) error {
	ctx, stop := signal.NotifyContext(ctx, syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	diagnosis := duly.Diagnosis{DataDir: string(d.Data), Database: string(d.DB), Now: time.Now()}
	if d.TLSCert != "" {
		diagnosis.Certificates = []string{d.TLSCert}
	}
	findings, err := duly.Diagnose(ctx, diagnosis)
	switch {
	case errors.Is(err, duly.ErrNoData) && d.DB == "":
		return noData(d.Data)
	case errors.Is(err, duly.ErrNoData):
		return err
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
