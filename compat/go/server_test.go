// Package compat_test runs Microsoft's own Graph SDK for Go against a started
// Duly: every operation that Duly has, through the calls that a program makes.
package compat_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"
)

// accounts are what all tests share: the users as programs of theirs see the
// server. A test makes lists of its own and leaves those of others alone.
type accounts struct {
	url    string   // of the server, without the version
	ada    *account // may do all in her mailbox
	reader *account // ada, with a token for reading tasks alone
	finder *account // ada, with a token for looking at users alone
	nobody *account // sends something that is no token
	ben    user
}

var shared accounts // set by TestMain alone

func TestMain(m *testing.M) {
	status, err := run(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		status = 1
	}
	os.Exit(status)
}

// run starts the server, signs the accounts in and runs the tests.
func run(m *testing.M) (status int, err error) {
	d := duly{binary: os.Getenv("DULY_BIN")}
	if d.binary == "" {
		return 1, errors.New("set DULY_BIN to the binary to test, or run make compat")
	}
	if d.data, err = os.MkdirTemp("", "duly-compat-"); err != nil {
		return 1, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(d.data)) }()
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	if err = d.start(ctx); err != nil {
		return 1, err
	}
	defer func() { err = errors.Join(err, d.stop()) }()
	if shared, err = d.accounts(ctx); err != nil {
		return 1, err
	}
	return m.Run(), nil
}

// duly is the binary that is tested and its data.
type duly struct {
	binary, data string
	options      []string // more flags for "duly serve"
	url          string
	process      *exec.Cmd
	log          bytes.Buffer
}

// command is a command of the binary. The settings of the person who runs the
// tests are none of its own.
func (d *duly) command(ctx context.Context, args ...string) *exec.Cmd {
	c := exec.CommandContext(ctx, d.binary, append(args, "--data", d.data)...)
	for _, variable := range os.Environ() {
		if !strings.HasPrefix(variable, "DULY_") {
			c.Env = append(c.Env, variable)
		}
	}
	return c
}

// output runs a command and returns what it prints.
func (d *duly) output(ctx context.Context, args ...string) (string, error) {
	out, err := d.command(ctx, args...).Output()
	if e, ok := errors.AsType[*exec.ExitError](err); ok {
		err = fmt.Errorf("%w: %s", err, e.Stderr)
	}
	if err != nil {
		return "", fmt.Errorf("duly %s: %w", strings.Join(args, " "), err)
	}
	return strings.TrimSpace(string(out)), nil
}

// start runs the server and waits until it says where it is.
func (d *duly) start(ctx context.Context) error {
	d.process = d.command(ctx, append([]string{"serve", "--listen", "127.0.0.1:0", "--log-level", "warn"}, d.options...)...)
	d.process.Stderr = &d.log
	out, err := d.process.StdoutPipe()
	if err != nil {
		return err
	}
	if err = d.process.Start(); err != nil {
		return fmt.Errorf("starting duly: %w", err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	_, d.url, _ = strings.Cut(strings.TrimSpace(line), "listens on ")
	if d.url == "" {
		return fmt.Errorf("duly does not say where it listens: %w: %s", errors.Join(err, d.process.Wait()), d.log.String())
	}
	return nil
}

// stop ends the server, which must go down in order and have nothing to complain of.
func (d *duly) stop() error {
	err := d.process.Process.Signal(syscall.SIGTERM)
	if err = errors.Join(err, d.process.Wait()); err != nil {
		return fmt.Errorf("stopping duly: %w: %s", err, d.log.String())
	}
	if failed := d.log.String(); strings.Contains(failed, "level=ERROR") {
		return fmt.Errorf("duly complains:\n%s", failed)
	}
	return nil
}

// A user is a line of "duly user list".
type user struct {
	ID                string `json:"id"`
	UserPrincipalName string `json:"userPrincipalName"`
}

// accounts adds the users and signs them in.
func (d *duly) accounts(ctx context.Context) (a accounts, err error) {
	for _, name := range []string{"ada@example.org", "ben@example.org"} {
		if _, err = d.output(ctx, "user", "add", name, "--display-name", strings.ToUpper(name[:3])); err != nil {
			return a, err
		}
	}
	list, err := d.output(ctx, "user", "list", "--json")
	if err != nil {
		return a, err
	}
	var users []user
	if err = json.Unmarshal([]byte(list), &users); err != nil || len(users) != 2 {
		return a, fmt.Errorf("duly user list shows %s: %w", list, err)
	}
	signIn := func(scopes string) (*account, error) {
		token, err := d.output(ctx, "token", "--user", users[0].ID, "--scope", scopes)
		if err != nil {
			return nil, err
		}
		return connect(d.url, token, users[0])
	}
	a = accounts{url: d.url, ben: users[1]}
	var errs [4]error
	a.ada, errs[0] = signIn("Tasks.ReadWrite User.ReadWrite")
	a.reader, errs[1] = signIn("Tasks.Read")
	a.finder, errs[2] = signIn("User.ReadBasic.All")
	a.nobody, errs[3] = connect(d.url, "nonsense", users[0])
	return a, errors.Join(errs[:]...)
}
