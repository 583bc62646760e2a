package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/duly-todo/duly"
)

// serveCommand is "duly serve".
type serveCommand struct {
	Data         dataFolder    `setting:"" default:"data" placeholder:"DIR" help:"Folder of the data, made if missing."`
	DB           database      `setting:"" name:"db" placeholder:"DSN" help:"Database: sqlite:FILE, or postgres://USER@HOST/NAME (better as $DULY_DB, since others may see command lines). Without it, duly.db in the folder of the data."`
	Listen       listenAddress `setting:"" default:"127.0.0.1:8080" placeholder:"HOST:PORT" help:"Address to listen on; port 0 picks a free one."`
	BaseURL      baseURL       `setting:"" placeholder:"URL" help:"Scheme and host that links in answers begin with. Without it, those that each client used."`
	TrustedProxy []proxy       `setting:"" placeholder:"CIDR" help:"Addresses of the reverse proxies whose X-Forwarded-Proto and -Host headers count; may be repeated."`
	Profile      string        `setting:"" default:"friendly" enum:"friendly,strict" placeholder:"NAME" help:"friendly mends the defects of Microsoft's service, strict copies them to test clients against."`
	Dev          bool          `setting:"" help:"Make a user for development, and print a token and commands to paste. On loopback addresses only."`
	LogFormat    string        `setting:"" default:"text" enum:"text,json" placeholder:"FORM" help:"Form of the log on stderr: text or json."`
	LogLevel     string        `setting:"" default:"info" enum:"debug,info,warn,error" placeholder:"LEVEL" help:"Least level to log: debug, info (a line for each request), warn or error."`
}

// Examples are shown at the end of the help.
func (*serveCommand) Examples() string {
	return `Examples:
  duly serve --dev
  duly serve --data /var/lib/duly --listen 127.0.0.1:8080
  DULY_DB=postgres://duly:secret@db.example.org/duly?sslmode=verify-full duly serve
  duly serve --base-url https://todo.example.org --trusted-proxy 10.0.0.0/8
  DULY_DATA=/var/lib/duly DULY_LOG_LEVEL=warn duly serve
  duly serve --config /etc/duly.json    {"data": "/var/lib/duly", "trusted-proxy": ["10.0.0.0/8"]}

The first SIGINT or SIGTERM lets the requests in flight finish, for 10 seconds at
most; the second one stops at once.`
}

// Run serves until a signal comes.
func (s *serveCommand) Run(ctx context.Context, c *console) error {
	if s.Dev && !s.Listen.loopback() {
		return usageErrorf("--dev is for loopback addresses only, because it shows a token: leave it out, or use --listen 127.0.0.1:8080")
	}
	ctx, stop := signal.NotifyContext(ctx, syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	defer context.AfterFunc(ctx, stop)() // the second signal ends the process
	listener, err := listen(ctx, string(s.Listen))
	if err != nil {
		return err
	}
	log := s.logger(c.stderr)
	server, err := openData(ctx, s.config(log))
	if err != nil {
		return errors.Join(err, listener.Close())
	}
	err = s.serve(ctx, server, listener, c)
	log.Info("stopped")
	return errors.Join(err, server.Close())
}

// serve says where the server is and runs it.
func (s *serveCommand) serve(ctx context.Context, server *duly.Server, l net.Listener, c *console) error {
	if !s.Listen.loopback() {
		fmt.Fprintf(c.stderr, "duly: warning: other machines reach %s and there is no TLS, so that access tokens travel in clear: put a TLS proxy in front\n", s.Listen)
	}
	hint, err := s.hint(ctx, server, s.Listen.url(l.Addr()))
	if err == nil {
		_, err = fmt.Fprintf(c.stdout, "Duly listens on %s\n%s", s.Listen.url(l.Addr()), hint)
	}
	if err != nil {
		return errors.Join(err, l.Close())
	}
	return server.Serve(ctx, l)
}

// hint is what a person needs to go on, if anything.
func (s *serveCommand) hint(ctx context.Context, server *duly.Server, url string) (string, error) {
	if s.Dev {
		return devHint(ctx, server, url)
	}
	users, err := server.Users(ctx, 0, 1)
	if err != nil || len(users) > 0 {
		return "", err
	}
	return fmt.Sprintf("There is no user yet. Add one: duly user add NAME --data %s\n", quoted(string(s.Data))), nil
}

func (s *serveCommand) config(log *slog.Logger) duly.Config {
	config := duly.Config{DataDir: string(s.Data), Database: string(s.DB), BaseURL: string(s.BaseURL), Profile: s.Profile, Log: log}
	for _, p := range s.TrustedProxy {
		config.TrustedProxies = append(config.TrustedProxies, netip.Prefix(p))
	}
	return config
}

func (s *serveCommand) logger(w io.Writer) *slog.Logger {
	options := &slog.HandlerOptions{Level: map[string]slog.Level{
		"debug": slog.LevelDebug, "info": slog.LevelInfo, "warn": slog.LevelWarn, "error": slog.LevelError,
	}[s.LogLevel]}
	if s.LogFormat == "json" {
		return slog.New(slog.NewJSONHandler(w, options))
	}
	return slog.New(slog.NewTextHandler(w, options))
}

// listen opens the address, and says what to do where that fails.
func listen(ctx context.Context, address string) (net.Listener, error) {
	var config net.ListenConfig
	l, err := config.Listen(ctx, "tcp", address)
	switch {
	case err == nil:
		return l, nil
	case errors.Is(err, syscall.EADDRINUSE):
		return nil, fmt.Errorf("cannot listen on %s, because another program does: stop it, or choose another port with --listen", address)
	case errors.Is(err, os.ErrPermission):
		return nil, fmt.Errorf("cannot listen on %s, because this account may not: choose a port above 1023 with --listen", address)
	}
	if e, ok := errors.AsType[*net.OpError](err); ok {
		err = e.Err
	}
	return nil, fmt.Errorf("cannot listen on %s: %w: choose an address of this machine with --listen", address, err)
}

// The user that --dev makes, and what its token is good for.
const (
	devUser        = "adele@localhost"
	devDisplayName = "Adele Vance"
	devLifetime    = 24 * time.Hour
	devScopes      = "Tasks.ReadWrite User.Read User.ReadWrite User.ReadBasic.All MailboxSettings.ReadWrite"
)

// devHint makes the development user if it is missing, and returns a token and
// commands to paste.
func devHint(ctx context.Context, server *duly.Server, url string) (string, error) {
	_, err := server.AddUser(ctx, duly.User{UserPrincipalName: devUser, DisplayName: devDisplayName})
	if err != nil && !errors.Is(err, duly.ErrUserExists) {
		return "", fmt.Errorf("adding the user %s: %w", devUser, err)
	}
	user, err := server.User(ctx, devUser)
	if err != nil {
		return "", err
	}
	token, err := server.Token(ctx, devUser, devScopes, devLifetime)
	if err != nil {
		return "", fmt.Errorf("making a token for %s: %w", devUser, err)
	}
	return fmt.Sprintf(`
User:  %[1]s (%[2]s)
Token, good for 24 hours:

%[3]s

Paste this to create a task with a link:

curl -sS %[4]s/v1.0/me/todo/lists/Tasks/tasks \
  -H 'Authorization: Bearer %[3]s' \
  -H 'Content-Type: application/json' \
  -d '{"title": "Try Duly", "linkedResources": [{"webUrl": "https://example.org/try", "applicationName": "Example", "displayName": "Where this came from"}]}'

And this to list the tasks:

curl -sS %[4]s/v1.0/me/todo/lists/Tasks/tasks \
  -H 'Authorization: Bearer %[3]s'

`, user.UserPrincipalName, user.DisplayName, token, url), nil
}
