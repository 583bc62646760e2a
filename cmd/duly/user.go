package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"text/tabwriter"
	"time"
	"unicode"

	"github.com/duly-todo/duly"
	"github.com/duly-todo/duly/internal/todo"
)

// userCommand is "duly user".
type userCommand struct {
	Add       userAddCommand       `cmd:"" help:"Make a user with a mailbox and its default list."`
	List      userListCommand      `cmd:"" help:"List the users."`
	Password  userPasswordCommand  `cmd:"" help:"Set the password of a user."`
	SetupLink userSetupLinkCommand `cmd:"" help:"Print a link with which a user sets a password."`
	SignOut   userSignOutCommand   `cmd:"" help:"Sign a user out everywhere."`
	Disable   userDisableCommand   `cmd:"" help:"Keep a user from signing in, and sign the user out everywhere."`
	Enable    userEnableCommand    `cmd:"" help:"Let a user who was disabled sign in again."`
	Link      userLinkCommand      `cmd:"" help:"Let a person of an external issuer in as a user."`
	Unlink    userUnlinkCommand    `cmd:"" help:"Take such a link back, and sign the user out everywhere."`

	Tokens       userTokensCommand       `cmd:"" help:"List the personal access tokens of a user."`
	RevokeToken  userRevokeTokenCommand  `cmd:"" help:"End a personal access token of a user."`
	ResetFactors userResetFactorsCommand `cmd:"" help:"Take authenticator app, recovery codes and passkeys from a user who has lost them."`
}

// userAddCommand is "duly user add".
type userAddCommand struct {
	Data dataFolder `setting:"" default:"data" placeholder:"DIR" help:"Folder of the data, made if missing."`
	databaseFlag
	Name        userName `arg:"" help:"Name to sign in with: a word or an address."`
	DisplayName string   `placeholder:"TEXT" help:"Name to show; the part of NAME before the @ if left out."`
	Mail        string   `placeholder:"ADDRESS" help:"Mail address."`
}

// Examples are shown at the end of the help.
func (*userAddCommand) Examples() string {
	return `Examples:
  duly user add ada
  duly user add ada@example.org --display-name "Ada Lovelace" --mail ada@example.org`
}

// Run makes the user. The server may run meanwhile.
func (u *userAddCommand) Run(ctx context.Context, c *console) (err error) {
	if _, err := todo.NewUser("", string(u.Name), u.DisplayName, u.Mail, time.Time{}); err != nil {
		return &usageError{withoutTarget(err)}
	}
	server, err := openData(ctx, duly.Config{DataDir: string(u.Data), Database: string(u.DB), Beside: true})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, server.Close()) }()
	user, err := server.AddUser(ctx, duly.User{UserPrincipalName: string(u.Name), DisplayName: u.DisplayName, Mail: u.Mail})
	if errors.Is(err, duly.ErrUserExists) {
		return fmt.Errorf("there is a user %s already: choose another name, or see all with %s", u.Name, command("duly user list", u.Data))
	}
	if err != nil {
		return fmt.Errorf("adding the user %s: %w", u.Name, err)
	}
	_, err = fmt.Fprintf(c.stdout, "Added %s (%s), id %s\n", user.UserPrincipalName, user.DisplayName, user.ID)
	return err
}

// userListCommand is "duly user list".
type userListCommand struct {
	Data dataFolder `setting:"" default:"data" placeholder:"DIR" help:"Folder of the data."`
	databaseFlag
	JSON bool `name:"json" help:"Write a JSON array with Graph's names instead of a table."`
}

// Examples are shown at the end of the help.
func (*userListCommand) Examples() string {
	return `Examples:
  duly user list --data /var/lib/duly
  duly user list --json | jq -r '.[].userPrincipalName'`
}

// Run lists the users by name.
func (u *userListCommand) Run(ctx context.Context, c *console) (err error) {
	server, err := openData(ctx, duly.Config{DataDir: string(u.Data), Database: string(u.DB), Existing: true, Beside: true})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, server.Close()) }()
	users, err := allUsers(ctx, server)
	if err != nil {
		return fmt.Errorf("listing the users: %w", err)
	}
	links, err := allLinks(ctx, server)
	if err != nil {
		return fmt.Errorf("listing the links: %w", err)
	}
	if u.JSON {
		return writeUsersJSON(c, users, links)
	}
	table := tabwriter.NewWriter(c.stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "NAME\tDISPLAY NAME\tMAIL\tID")
	for _, user := range users {
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\n", user.UserPrincipalName, printable(user.DisplayName), cmp.Or(printable(user.Mail), "-"), user.ID)
	}
	if err := table.Flush(); err != nil || len(links) == 0 {
		return err
	}
	fmt.Fprintln(table, "\nNAME\tISSUER\tSUBJECT")
	for _, user := range users {
		for _, link := range links[user.ID] {
			fmt.Fprintf(table, "%s\t%s\t%s\n", user.UserPrincipalName, printable(link.Issuer), printable(link.Subject))
		}
	}
	return table.Flush()
}

// allUsers reads the users page by page.
func allUsers(ctx context.Context, server *duly.Server) ([]duly.User, error) {
	return allPages(ctx, server.Users)
}

// allLinks reads who the people of external issuers are, by the id of the user.
func allLinks(ctx context.Context, server *duly.Server) (map[string][]duly.Identity, error) {
	links := map[string][]duly.Identity{}
	all, err := allPages(ctx, server.Identities)
	for _, link := range all {
		links[link.UserID] = append(links[link.UserID], link)
	}
	return links, err
}

func allPages[T any](ctx context.Context, read func(ctx context.Context, skip, limit int) ([]T, error)) (all []T, err error) {
	const page = 1000
	for {
		next, err := read(ctx, len(all), page)
		if err != nil {
			return nil, err
		}
		if all = append(all, next...); len(next) < page {
			return all, nil
		}
	}
}

// printable keeps what a client wrote into a name from breaking the table.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return ' '
		}
		return r
	}, s)
}

// writeUsersJSON writes the users with the names that Graph gives their properties.
func writeUsersJSON(c *console, users []duly.User, links map[string][]duly.Identity) error {
	type identity struct {
		SignInType string `json:"signInType"`
		Issuer     string `json:"issuer"`
		Subject    string `json:"issuerAssignedId"`
	}
	type user struct {
		ID                string `json:"id"`
		UserPrincipalName string `json:"userPrincipalName"`
		DisplayName       string `json:"displayName"`
		Mail              string `json:"mail,omitempty"`

		Identities []identity `json:"identities,omitempty"`
	}
	out := make([]user, 0, len(users))
	for _, u := range users {
		one := user{ID: u.ID, UserPrincipalName: u.UserPrincipalName, DisplayName: u.DisplayName, Mail: u.Mail}
		for _, link := range links[u.ID] {
			one.Identities = append(one.Identities, identity{"federated", link.Issuer, link.Subject})
		}
		out = append(out, one)
	}
	e := json.NewEncoder(c.stdout)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	return e.Encode(out)
}

// openData opens the data that config names, and says what to do where that fails.
func openData(ctx context.Context, config duly.Config) (*duly.Server, error) {
	server, err := duly.New(ctx, config)
	switch {
	case err == nil:
		return server, nil
	case errors.Is(err, duly.ErrIssuer), errors.Is(err, duly.ErrRefused), errors.Is(err, duly.ErrHalfCopy):
		return nil, &usageError{err}
	case errors.Is(err, duly.ErrUnavailable):
		return nil, fmt.Errorf("%w: see that the server runs, and that --db or DULY_DB names it", err)
	case errors.Is(err, duly.ErrNoData) && config.Database != "":
		return nil, fmt.Errorf("%w: name the server's database with --db or DULY_DB and its folder with --data or DULY_DATA, or begin with %q", err, "duly user add NAME")
	case config.Database != "":
		return nil, err
	case errors.Is(err, duly.ErrNoData):
		return nil, fmt.Errorf("there is no data in %s: name the folder of the server with --data or DULY_DATA, or begin with %s",
			config.DataDir, command("duly user add NAME", dataFolder(config.DataDir)))
	}
	return server, dataError(config.DataDir, err)
}

// dataError says that the data folder cannot be used because of err, if there is
// one, and what to do.
func dataError(dir string, err error) error {
	if errors.Is(err, duly.ErrInUse) {
		err = fmt.Errorf("%w: stop that one, or choose another folder with --data", err)
	}
	if _, ok := errors.AsType[*fs.PathError](err); ok {
		err = fmt.Errorf("%w: choose another one with --data, or let this account write to it", err)
	}
	if err != nil {
		err = fmt.Errorf("cannot use the data folder %s: %w", dir, err)
	}
	return err
}

// command is a command line to paste, on the folder of the data.
func command(words string, data dataFolder) string {
	return fmt.Sprintf("%q", words+" --data "+quoted(string(data)))
}

// quoted writes s for a shell.
func quoted(s string) string {
	if strings.ContainsFunc(s, func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("-_./@:+,", r))
	}) {
		return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
	}
	return s
}
