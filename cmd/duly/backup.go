package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os/signal"
	"syscall"
	"time"

	"github.com/duly-todo/duly"
)

// backupCommand is "duly backup".
type backupCommand struct {
	Data dataFolder `setting:"" default:"data" placeholder:"DIR" help:"Folder of the data, which a server may use meanwhile."`
	databaseFlag
	File string `arg:"" help:"File to make. It holds the keys of the server: keep it as closed as the data."`
}

// Examples are shown at the end of the help.
func (*backupCommand) Examples() string {
	return `Examples:
  duly backup duly-$(date +%F).tar --data /var/lib/duly
  duly restore duly-2026-11-22.tar --data /var/lib/duly-restored

The file is a tar of manifest.json, duly.db, issuer.json and what there is of the
certificates: ca.pem, ca-key.pem and the folder acme. What the server had answered when
the backup began is in it. Its folder needs room for the data twice.`
}

// Run makes the backup.
func (b *backupCommand) Run(ctx context.Context, c *console) error {
	if err := b.inFolder("backup"); err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(ctx, syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	version, _ := buildVersion()
	m, err := duly.Backup(ctx, string(b.Data), b.File, version, c.progress())
	switch {
	case errors.Is(err, duly.ErrNoData):
		return noData(b.Data)
	case errors.Is(err, fs.ErrExist):
		return fmt.Errorf("%s exists already, and a backup replaces nothing: choose another name, or remove it", b.File)
	case errors.Is(err, context.Canceled):
		return errors.New("stopped by a signal: there is no backup")
	case err != nil:
		return fmt.Errorf("cannot back up %s: %w", b.Data, err)
	}
	_, err = fmt.Fprintf(c.stdout, "Backed up %s to %s: %s\n", b.Data, b.File, contents(m))
	return err
}

// contents is what a person wants to know of a backup.
func contents(m duly.Manifest) string {
	var size int64
	for _, f := range m.Files {
		size += f.Size
	}
	return fmt.Sprintf("%.1f MB, schema %d, made by duly %s at %s", float64(size)/1e6, m.SchemaVersion, m.Version, m.Time.Format(time.RFC3339))
}

// noData says what to do where there is no data.
func noData(data dataFolder) error {
	return fmt.Errorf("there is no data in %s: name the folder of the server with --data or DULY_DATA", data)
}

// progressEvery is how often a long command says how far it is.
const progressEvery = time.Second

// progress returns what writes how far a command is to stderr, a line each
// second at most, so that short ones say nothing.
func (c *console) progress() func(step string, done, all int64) {
	last := time.Now()
	return func(step string, done, all int64) {
		if time.Since(last) < progressEvery {
			return
		}
		last = time.Now()
		fmt.Fprintf(c.stderr, "duly: %s, %d %%\n", step, 100*done/max(all, 1))
	}
}
