package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"os/signal"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/duly-todo/duly"
)

// benchCommand is "duly bench".
type benchCommand struct {
	URL   string     `name:"url" default:"http://127.0.0.1:8080" placeholder:"URL" help:"Scheme and host of the server."`
	Token string     `setting:"" placeholder:"TOKEN" help:"Access token with Tasks.ReadWrite; better in the variable, since others may see command lines."`
	User  string     `placeholder:"NAME" help:"Instead of a token: the user to act for, of the data in --data or --db."`
	Data  dataFolder `setting:"" default:"data" placeholder:"DIR" help:"Folder of the data, for --user."`
	databaseFlag
	Clients  int           `default:"32" placeholder:"N" help:"Clients that call at the same time, 1 to 1000."`
	Duration time.Duration `default:"10s" placeholder:"TIME" help:"Time to measure in all, 1s to 1h."`
	Tasks    int           `default:"1000" placeholder:"N" help:"Tasks in the list that is read, 1 to 100000."`
	Mix      []string      `placeholder:"NAMES" help:"Operations to measure, of get, page, filter, create, patch, delta, delta10 and batch. Without it, all."`
	JSON     bool          `name:"json" help:"Write a JSON object instead of a table."`
}

// Examples are shown at the end of the help.
func (*benchCommand) Examples() string {
	return `Examples:
  duly bench --user ada@example.org --data /var/lib/duly
  DULY_TOKEN=$(duly token --user ada) duly bench --url https://todo.example.org --clients 64
  duly bench --user ada --mix get,create --duration 30s --json

It makes two lists in the user's mailbox, which begin with "duly bench", and removes them at
the end, also after Ctrl-C. The operations take turns in rounds: get reads one task, page a page
of 100, filter one of the important tasks; create and patch write one task; delta reads what is
new when nothing is, delta10 when ten tasks are; batch holds 10 reads, 5 creates, 5 patches. Each
client sends its next request when the last one is answered. spread is how far the rounds are
apart, client the share of this machine's processors that the clients took. On loopback addresses
fixed is what net/http answers in the same rounds with 700 bytes, and "of fixed" the rate beside it.`
}

// The bounds of a run.
const (
	maxBenchClients = 1000
	maxBenchTasks   = 100_000
	maxBenchRounds  = 10
	minBenchSlice   = 250 * time.Millisecond // unless the time is too short for one round of it
	benchCleanUp    = time.Minute
)

// check says what is wrong with the flags, and which operations are asked for.
func (b *benchCommand) check() (target *url.URL, chosen []operation, err error) {
	target, err = url.Parse(b.URL)
	switch {
	case err != nil || target.Scheme != "http" && target.Scheme != "https" || target.Host == "" || strings.Trim(target.Path, "/") != "" || target.RawQuery != "" || target.Fragment != "" || target.User != nil:
		return nil, nil, usageErrorf("--url: %q is not a scheme and a host, such as http://127.0.0.1:8080", b.URL)
	case b.Clients < 1 || b.Clients > maxBenchClients:
		return nil, nil, usageErrorf("--clients: %d is not a number from 1 to %d", b.Clients, maxBenchClients)
	case b.Duration < time.Second || b.Duration > time.Hour:
		return nil, nil, usageErrorf("--duration: %v is not a time from 1s to 1h", b.Duration)
	case b.Tasks < 1 || b.Tasks > maxBenchTasks:
		return nil, nil, usageErrorf("--tasks: %d is not a number from 1 to %d", b.Tasks, maxBenchTasks)
	case (b.Token == "") == (b.User == ""):
		return nil, nil, usageErrorf("say for whom: with --token (or $DULY_TOKEN), or with --user and --data")
	}
	all := operations()
	for _, name := range b.Mix {
		if name == fixedName || !slices.ContainsFunc(all, func(o operation) bool { return o.name == name }) {
			return nil, nil, usageErrorf("--mix: there is no operation %q: use some of get, page, filter, create, patch, delta, delta10, batch", name)
		}
	}
	for _, o := range all {
		if o.name == fixedName && isLoopback(target) || o.name != fixedName && (len(b.Mix) == 0 || slices.Contains(b.Mix, o.name)) {
			chosen = append(chosen, o)
		}
	}
	return target, chosen, nil
}

// isLoopback says whether the server is on this machine.
func isLoopback(u *url.URL) bool {
	addr, err := netip.ParseAddr(u.Hostname())
	return strings.EqualFold(u.Hostname(), "localhost") || err == nil && addr.Unmap().IsLoopback()
}

// Run puts the load on the server and prints what came of it. Requests that
// fail are an error after the table.
func (b *benchCommand) Run(ctx context.Context, c *console) (err error) {
	target, chosen, err := b.check()
	if err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(ctx, syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	token, err := b.token(ctx)
	if err != nil {
		return err
	}
	l := newLoad(target, token, b.Clients)
	defer l.client.CloseIdleConnections()
	if chosen[0].name == fixedName {
		end, err := l.serveFixed()
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, end()) }()
	}
	report, err := b.load(ctx, c, l, chosen)
	if ctx.Err() != nil {
		return errors.Join(errors.New("stopped before the end"), err)
	}
	if report == nil {
		return err
	}
	var failed int64
	for _, o := range report.Operations {
		failed += o.Errors
	}
	if failed > 0 {
		err = errors.Join(fmt.Errorf("%d requests failed", failed), err)
	}
	if b.JSON {
		return errors.Join(report.writeJSON(c.stdout), err)
	}
	return errors.Join(report.write(c.stdout), err)
}

// token is that of the command line, or one of the data beside it for as long as
// the run may take.
func (b *benchCommand) token(ctx context.Context) (token string, err error) {
	if b.Token != "" {
		return b.Token, nil
	}
	server, err := openData(ctx, duly.Config{DataDir: string(b.Data), Database: string(b.DB), Existing: true, Beside: true})
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, server.Close()) }()
	token, err = server.Token(ctx, b.User, "Tasks.ReadWrite", 2*b.Duration+time.Hour)
	if errors.Is(err, duly.ErrNoUser) {
		return "", fmt.Errorf("there is no user %s: see who there is with %s", b.User, command("duly user list", b.Data))
	}
	return token, err
}

// load makes the lists, measures, and removes the lists whatever happens.
func (b *benchCommand) load(ctx context.Context, c *console, l *load, chosen []operation) (report *benchReport, err error) {
	name := "duly bench " + rand.Text()[:8]
	defer func() {
		clean, cancel := context.WithTimeout(context.WithoutCancel(ctx), benchCleanUp)
		defer cancel()
		if failed := l.removeLists(clean); failed != nil {
			err = errors.Join(err, fmt.Errorf("the lists %q could not be removed: %w", name, failed))
		}
	}()
	fmt.Fprintf(c.stderr, "Making the list %q with %d tasks\n", name, b.Tasks)
	if err := l.addLists(ctx, name); err != nil {
		return nil, fmt.Errorf("making a list on %s: %w", l.url, err)
	}
	if err := l.addTasks(ctx, b.Tasks); err != nil {
		return nil, fmt.Errorf("making the tasks: %w", err)
	}
	return b.rounds(ctx, c, l, chosen)
}

// rounds has the operations take turns, so that what else the machine does
// meets all of them.
func (b *benchCommand) rounds(ctx context.Context, c *console, l *load, chosen []operation) (*benchReport, error) {
	turn := b.Duration / time.Duration(len(chosen))
	rounds := int(min(max(turn/minBenchSlice, 1), maxBenchRounds))
	slice := turn / time.Duration(rounds)
	for _, o := range chosen { // connections are made, and caches are warm
		if err := l.measure(ctx, o, b.Clients, min(slice, 100*time.Millisecond), &figures{}); err != nil {
			return nil, err
		}
	}
	all := make([]figures, len(chosen))
	for round := range rounds {
		fmt.Fprintf(c.stderr, "Round %d of %d, %v to go\n", round+1, rounds, (b.Duration - time.Duration(round)*b.Duration/time.Duration(rounds)).Round(100*time.Millisecond))
		for i, o := range chosen {
			if err := l.measure(ctx, o, b.Clients, slice, &all[i]); err != nil {
				return nil, err
			}
		}
	}
	report := &benchReport{URL: l.url, Clients: b.Clients, Tasks: b.Tasks, Rounds: rounds, Slice: slice.Seconds(), Processors: runtime.NumCPU()}
	for i, o := range chosen {
		report.Operations = append(report.Operations, all[i].row(o.name))
	}
	report.compare()
	return report, nil
}
