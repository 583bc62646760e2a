// Command duly runs a To Do server that speaks Microsoft Graph, and looks after
// its data.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/alecthomas/kong"

	"github.com/duly-todo/duly"
)

// The statuses that duly exits with, apart from 0.
const (
	statusFailed = 1 // what was asked for did not work out
	statusUsage  = 2 // the command line or a setting makes no sense
)

// A commandLine is the grammar of the command line. A flag that is tagged as a
// setting can also be given as a variable or in the configuration file.
type commandLine struct {
	Config configPath `setting:"" placeholder:"FILE" help:"Read settings from a JSON file whose keys are the names of flags."`

	Serve   serveCommand   `cmd:"" help:"Run the server."`
	User    userCommand    `cmd:"" help:"Add and list users, and let them sign in."`
	App     appCommand     `cmd:"" help:"Register the applications that may ask for tokens."`
	Token   tokenCommand   `cmd:"" help:"Print an access token for a user."`
	Key     keyCommand     `cmd:"" help:"Look after the keys that sign tokens."`
	Backup  backupCommand  `cmd:"" help:"Write the data to one file, also while a server runs."`
	Restore restoreCommand `cmd:"" help:"Make a data folder out of a backup."`
	Copy    copyCommand    `cmd:"" help:"Copy all data to another database, such as from SQLite to PostgreSQL."`
	Export  exportCommand  `cmd:"" help:"Write the data of a user to an open archive."`
	Import  importCommand  `cmd:"" help:"Bring such an archive into a mailbox."`
	DB      dbCommand      `cmd:"" name:"db" help:"Look after a PostgreSQL database."`
	Doctor  doctorCommand  `cmd:"" help:"Look through the data for problems, also while a server runs."`
	Ready   readyCommand   `cmd:"" help:"Ask a running server whether it is ready."`
	Bench   benchCommand   `cmd:"" help:"Put a load on a running server and print how fast it answers."`
	TLS     tlsCommand     `cmd:"" name:"tls" help:"Look after the local authority of duly serve --tls local."`
	Version versionCommand `cmd:"" help:"Print the version."`
}

// Examples are shown at the end of the help.
func (*commandLine) Examples() string {
	return `Examples:
  duly serve --dev                      try it out: a user, a token and a curl command to paste
  duly user add ada@example.org         make a user
  TOKEN=$(duly token --user ada@example.org)
  duly backup duly.tar                  while the server runs

A setting is taken from its flag, else from its variable ($DULY_…), else from
the file of --config, such as {"data": "/var/lib/duly", "listen": "127.0.0.1:8443"}.`
}

// A console is where a command writes: what was asked for to stdout, all that is
// about it to stderr.
type console struct{ stdout, stderr io.Writer }

// A usageError is a mistake in the command line or in a setting.
type usageError struct{ err error }

func (e *usageError) Error() string { return e.err.Error() }
func (e *usageError) Unwrap() error { return e.err }

func usageErrorf(format string, args ...any) error {
	return &usageError{fmt.Errorf(format, args...)}
}

func main() {
	os.Exit(run(os.Args[1:], &console{os.Stdout, os.Stderr}))
}

// run runs a command line and returns the status to exit with.
func run(args []string, c *console) int {
	parser, err := newParser(c)
	if err != nil {
		return report(c, "duly", err)
	}
	warnOfUnknownVariables(c.stderr, parser.Model, os.Environ())
	parsed, err := parser.Parse(args)
	if e, ok := errors.AsType[*kong.ParseError](err); ok {
		return report(c, commandName(e.Context), &usageError{err})
	}
	if err == nil {
		err = parsed.Run()
	}
	return report(c, commandName(parsed), err)
}

func newParser(c *console) (*kong.Kong, error) {
	return kong.New(&commandLine{},
		kong.Name("duly"),
		kong.Description("Duly is a To Do server that speaks the Microsoft Graph API."),
		kong.Writers(c.stdout, c.stderr),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, WrapUpperBound: 100}),
		kong.Help(printHelp),
		kong.Vars{"overlap": duly.KeyOverlap.String()},
		kong.ValueFormatter(describe),
		kong.Resolvers(&settings{lookup: os.LookupEnv}),
		kong.BindTo(context.Background(), (*context.Context)(nil)),
		kong.Bind(c),
	)
}

// commandName is the part of the command line that names the command.
func commandName(c *kong.Context) string {
	if c == nil || c.Selected() == nil {
		return "duly"
	}
	return c.Selected().FullPath()
}

// report writes err as one line and returns the status for it.
func report(c *console, command string, err error) int {
	if err == nil {
		return 0
	}
	message := strings.ReplaceAll(strings.TrimSpace(err.Error()), "\n", "; ")
	usage, ok := errors.AsType[*usageError](err)
	if !ok {
		fmt.Fprintf(c.stderr, "duly: %s\n", message)
		return statusFailed
	}
	if source, ok := errors.AsType[*sourceError](usage.err); ok {
		message = source.Error() // without the flag that Kong puts before it
	}
	if flag, _, ok := strings.Cut(message, ": expected "); ok && strings.HasSuffix(message, "<EOL>)") {
		message = flag + " needs a value" // Kong speaks of tokens here
	}
	if !strings.HasSuffix(message, "?") {
		message += "."
	}
	fmt.Fprintf(c.stderr, "duly: %s See %s --help.\n", message, command)
	return statusUsage
}

// printHelp writes the help of a command, with its examples at the end.
func printHelp(options kong.HelpOptions, ctx *kong.Context) error {
	if err := kong.DefaultHelpPrinter(options, ctx); err != nil {
		return err
	}
	node := ctx.Model.Node
	if selected := ctx.Selected(); selected != nil {
		node = selected
	}
	var err error
	if command, ok := node.Target.Addr().Interface().(interface{ Examples() string }); ok {
		_, err = fmt.Fprintf(ctx.Stdout, "\n%s\n", command.Examples())
	}
	return err
}

// describe is the help of a flag, with its default and its variable.
func describe(v *kong.Value) string {
	var more []string
	if v.HasDefault {
		more = append(more, "default "+v.Default)
	}
	if isSetting(v) {
		more = append(more, "$"+variable(v.Name))
	}
	if len(more) == 0 {
		return v.Help
	}
	return strings.TrimSuffix(v.Help, ".") + " (" + strings.Join(more, ", ") + ")."
}
