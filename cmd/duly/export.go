package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os/signal"
	"syscall"

	"github.com/duly-todo/duly"
)

// exportCommand is "duly export".
type exportCommand struct {
	Data dataFolder `setting:"" default:"data" placeholder:"DIR" help:"Folder of the data, which a server may use meanwhile."`
	databaseFlag
	User string `arg:"" help:"Name or id of the user."`
	To   string `required:"" placeholder:"FILE" help:"File to make, a zip."`
}

// Examples are shown at the end of the help.
func (*exportCommand) Examples() string {
	return `Examples:
  duly export ada@example.org --to ada.zip
  unzip -p ada.zip tasks.jsonl | jq -r .title
  duly import ada.zip --user ada@example.net --data elsewhere

The zip holds manifest.json with the SHA-256 of each file, lists, tasks and the rest as
JSON lines in Graph's form, and the files that tasks have.`
}

// Run writes the archive.
func (e *exportCommand) Run(ctx context.Context, c *console) (err error) {
	ctx, stop := signal.NotifyContext(ctx, syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	server, err := openData(ctx, duly.Config{DataDir: string(e.Data), Database: string(e.DB), Existing: true, Beside: true})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, server.Close()) }()
	version, _ := buildVersion()
	m, err := server.Export(ctx, e.User, e.To, version, c.progress())
	switch {
	case errors.Is(err, duly.ErrNoUser):
		return fmt.Errorf("there is no user %s: see who there is with %s", e.User, command("duly user list", e.Data))
	case errors.Is(err, fs.ErrExist):
		return fmt.Errorf("%s exists already, and an export replaces nothing: choose another name, or remove it", e.To)
	case ctx.Err() != nil:
		return errors.New("stopped by a signal: there is no archive")
	case err != nil:
		return fmt.Errorf("cannot export %s: %w", e.User, err)
	}
	_, err = fmt.Fprintf(c.stdout, "Exported %s to %s: %s\n", m.User.UserPrincipalName, e.To, archived(m.Counts))
	return err
}

// archived is what a person wants to know of an archive.
func archived(n duly.ArchiveCounts) string {
	return fmt.Sprintf("lists %d, tasks %d, steps %d, links %d, extensions %d, attachments %d, categories %d",
		n.Lists, n.Tasks, n.ChecklistItems, n.LinkedResources, n.Extensions, n.Attachments, n.Categories)
}
