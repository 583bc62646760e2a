package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/term"

	"github.com/duly-todo/duly"
)

// userPasswordCommand is "duly user password".
type userPasswordCommand struct {
	Data dataFolder `setting:"" default:"data" placeholder:"DIR" help:"Folder of the data."`
	databaseFlag
	Name  string `arg:"" help:"Name or id of the user."`
	Stdin bool   `help:"Read the password from the first line of standard input, without asking."`
}

// Examples are shown at the end of the help.
func (*userPasswordCommand) Examples() string {
	return `Examples:
  duly user password ada@example.org
  pwgen 24 1 | duly user password ada@example.org --stdin

The user is signed out everywhere.`
}

// Run sets the password.
func (u *userPasswordCommand) Run(ctx context.Context, c *console) error {
	return withData(ctx, u.Data, u.DB, func(server *duly.Server) error {
		if _, err := server.User(ctx, u.Name); err != nil {
			return unknownUser(err, u.Name, u.Data)
		}
		password, err := u.read(c)
		if err != nil {
			return fmt.Errorf("reading the password: %w", err)
		}
		if err := server.SetPassword(ctx, u.Name, password); err != nil {
			return fmt.Errorf("setting the password of %s: %w", u.Name, err)
		}
		_, err = fmt.Fprintf(c.stdout, "%s has a new password, and is signed out everywhere\n", u.Name)
		return err
	})
}

// read takes the password from a terminal, where it is not shown, or from stdin.
func (u *userPasswordCommand) read(c *console) (string, error) {
	terminal := int(os.Stdin.Fd())
	if u.Stdin || !term.IsTerminal(terminal) {
		line, err := bufio.NewReader(io.LimitReader(os.Stdin, 4<<10)).ReadString('\n')
		if errors.Is(err, io.EOF) && line != "" {
			err = nil
		}
		return strings.TrimRight(line, "\r\n"), err
	}
	var passwords [2]string
	for i, question := range []string{"New password: ", "Again: "} {
		fmt.Fprint(c.stderr, question)
		text, err := term.ReadPassword(terminal)
		fmt.Fprintln(c.stderr)
		if err != nil {
			return "", err
		}
		passwords[i] = string(text)
	}
	if passwords[0] != passwords[1] {
		return "", errors.New("the two passwords are not the same")
	}
	return passwords[0], nil
}

// userSetupLinkCommand is "duly user setup-link".
type userSetupLinkCommand struct {
	Data dataFolder `setting:"" default:"data" placeholder:"DIR" help:"Folder of the data."`
	databaseFlag
	BaseURL baseURL `setting:"" default:"http://127.0.0.1:8080" placeholder:"URL" help:"Scheme and host of the server."`
	Name    string  `arg:"" help:"Name or id of the user."`
}

// Examples are shown at the end of the help.
func (*userSetupLinkCommand) Examples() string {
	return `Examples:
  duly user setup-link ada@example.org --base-url https://todo.example.org

With the link, the user sets a password: once, within 24 hours.`
}

// Run prints the link and nothing else.
func (u *userSetupLinkCommand) Run(ctx context.Context, c *console) error {
	return withData(ctx, u.Data, u.DB, func(server *duly.Server) error {
		path, err := server.SetupPath(ctx, u.Name)
		if err != nil {
			return unknownUser(err, u.Name, u.Data)
		}
		_, err = fmt.Fprintln(c.stdout, strings.TrimSuffix(string(u.BaseURL), "/")+path)
		return err
	})
}

// userSignOutCommand is "duly user sign-out".
type userSignOutCommand struct {
	Data dataFolder `setting:"" default:"data" placeholder:"DIR" help:"Folder of the data."`
	databaseFlag
	Name string `arg:"" help:"Name or id of the user."`
}

// Examples are shown at the end of the help.
func (*userSignOutCommand) Examples() string {
	return `Examples:
  duly user sign-out ada@example.org`
}

// Run ends all sessions of the user.
func (u *userSignOutCommand) Run(ctx context.Context, c *console) error {
	return withData(ctx, u.Data, u.DB, func(server *duly.Server) error {
		if err := server.SignOut(ctx, u.Name); err != nil {
			return unknownUser(err, u.Name, u.Data)
		}
		_, err := fmt.Fprintf(c.stdout, "%s is signed out everywhere\n", u.Name)
		return err
	})
}

// userResetFactorsCommand is "duly user reset-factors".
type userResetFactorsCommand struct {
	Data dataFolder `setting:"" default:"data" placeholder:"DIR" help:"Folder of the data."`
	databaseFlag
	Name string `arg:"" help:"Name or id of the user."`
}

// Examples are shown at the end of the help.
func (*userResetFactorsCommand) Examples() string {
	return `Examples:
  duly user reset-factors ada@example.org

From then on the password alone is enough, and the user is signed out everywhere. Be sure who asks for it.`
}

// Run leaves the user the password alone.
func (u *userResetFactorsCommand) Run(ctx context.Context, c *console) error {
	return withData(ctx, u.Data, u.DB, func(server *duly.Server) error {
		if err := server.ResetFactors(ctx, u.Name); err != nil {
			return unknownUser(err, u.Name, u.Data)
		}
		_, err := fmt.Fprintf(c.stdout, "%s signs in with the password alone, and is signed out everywhere\n", u.Name)
		return err
	})
}

// userDisableCommand is "duly user disable".
type userDisableCommand struct {
	Data dataFolder `setting:"" default:"data" placeholder:"DIR" help:"Folder of the data."`
	databaseFlag
	Name string `arg:"" help:"Name or id of the user."`
}

// Examples are shown at the end of the help.
func (*userDisableCommand) Examples() string {
	return `Examples:
  duly user disable ada@example.org

The user is signed out everywhere, and nothing of the mailbox is lost.`
}

// Run lets the user no longer in.
func (u *userDisableCommand) Run(ctx context.Context, c *console) error {
	return withData(ctx, u.Data, u.DB, func(server *duly.Server) error {
		if err := server.DisableUser(ctx, u.Name); err != nil {
			return unknownUser(err, u.Name, u.Data)
		}
		_, err := fmt.Fprintf(c.stdout, "%s is disabled, and signed out everywhere\n", u.Name)
		return err
	})
}

// userEnableCommand is "duly user enable".
type userEnableCommand struct {
	Data dataFolder `setting:"" default:"data" placeholder:"DIR" help:"Folder of the data."`
	databaseFlag
	Name string `arg:"" help:"Name or id of the user."`
}

// Examples are shown at the end of the help.
func (*userEnableCommand) Examples() string {
	return `Examples:
  duly user enable ada@example.org`
}

// Run lets the user in again.
func (u *userEnableCommand) Run(ctx context.Context, c *console) error {
	return withData(ctx, u.Data, u.DB, func(server *duly.Server) error {
		if err := server.EnableUser(ctx, u.Name); err != nil {
			return unknownUser(err, u.Name, u.Data)
		}
		_, err := fmt.Fprintf(c.stdout, "%s may sign in again\n", u.Name)
		return err
	})
}

func unknownUser(err error, name string, data dataFolder) error {
	if errors.Is(err, duly.ErrNoUser) {
		return fmt.Errorf("there is no user %s: see who there is with %s", name, command("duly user list", data))
	}
	return err
}
