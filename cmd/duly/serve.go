package main

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"os/signal"
	"runtime"
	"strings"
	"syscall"
	"time"

	"github.com/duly-todo/duly"
)

// serveCommand is "duly serve".
type serveCommand struct {
	Data dataFolder `setting:"" default:"data" placeholder:"DIR" help:"Folder of the data, made if missing."`
	databaseFlag
	Listen         listenAddress `setting:"" default:"127.0.0.1:8080" placeholder:"HOST:PORT" help:"Address to listen on; port 0 picks a free one."`
	AdminListen    listenAddress `setting:"" placeholder:"HOST:PORT" help:"Address for metrics, health and, on loopback addresses, profiles, which ask for no token. Off without it."`
	BaseURL        baseURL       `setting:"" placeholder:"URL" help:"Scheme and host that links in answers begin with. Without it, those that each client used."`
	TrustedProxy   []proxy       `setting:"" placeholder:"CIDR" help:"Addresses of the reverse proxies whose X-Forwarded-Proto and -Host headers count; may be repeated."`
	TLS            tlsFlags      `embed:""`
	Profile        string        `setting:"" default:"friendly" enum:"friendly,strict" placeholder:"NAME" help:"friendly mends the defects of Microsoft's service, strict copies them to test clients against."`
	Issuers        issuersFile   `setting:"" placeholder:"FILE" help:"JSON file of the external OpenID issuers whose tokens are taken and where people may sign in."`
	PasswordSignIn bool          `setting:"" default:"true" negatable:"" help:"Let people sign in with passwords; without, at one of the external issuers alone."`
	Throttle       throttle      `setting:"" default:"off" placeholder:"LIMITS" help:"Limits of an application: off, graph for those of Microsoft's service, or some of requests=10000/10m,concurrent=4,upload=150MB/5m (to one mailbox) and app=130000/10s (to all), also after graph to change those."`
	WebhookAllow   []webhookHost `setting:"" placeholder:"HOST" help:"Host names, addresses or ranges that notification URLs may lead to besides public addresses over https; over http too. May be repeated."`
	Dev            bool          `setting:"" help:"Make a user for development, and print a token and commands to paste. On loopback addresses only."`
	LogFormat      string        `setting:"" default:"text" enum:"text,json" placeholder:"FORM" help:"Form of the log on stderr: text or json."`
	LogLevel       string        `setting:"" default:"info" enum:"debug,info,warn,error" placeholder:"LEVEL" help:"Least level to log: debug, info (a line for each request), warn or error."`
}

// Examples are shown at the end of the help.
func (*serveCommand) Examples() string {
	return `Examples:
  duly serve --dev
  duly serve --data /var/lib/duly --listen 127.0.0.1:8080
  duly serve --dev --tls local
  duly serve --listen :443 --tls acme --base-url https://todo.example.org --acme-accept-terms
  DULY_DB=postgres://duly:secret@db.example.org/duly?sslmode=verify-full duly serve
  duly serve --base-url https://todo.example.org --trusted-proxy 10.0.0.0/8
  DULY_DATA=/var/lib/duly DULY_LOG_LEVEL=warn duly serve
  duly serve --config /etc/duly.json    {"data": "/var/lib/duly", "trusted-proxy": ["10.0.0.0/8"]}

The first SIGINT or SIGTERM lets the requests in flight finish, for 10 seconds at
most; the second one stops at once.`
}

// ballast is memory that nobody touches, and that therefore exists in the books of
// the garbage collector alone: it lets a small heap grow by so much before it is
// looked through, instead of by its own size hundreds of times a second, and makes no
// difference to a large one.
const ballast = 6 << 20

// Run serves until a signal comes.
func (s *serveCommand) Run(ctx context.Context, c *console) error {
	if s.Dev && !s.Listen.loopback() {
		return usageErrorf("--dev is for loopback addresses only, because it shows a token: leave it out, or use --listen 127.0.0.1:8080")
	}
	if err := s.checkTLS(); err != nil {
		return err
	}
	log := s.logger(c.stderr)
	if err := s.config(log).Validate(); err != nil {
		return &usageError{err}
	}
	config, prepare, err := s.tlsConfig(log)
	if err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(ctx, syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	defer context.AfterFunc(ctx, stop)() // the second signal ends the process
	listener, err := listen(ctx, string(s.Listen))
	if err != nil {
		return err
	}
	if config != nil {
		listener = tls.NewListener(listener, config)
	}
	admin, err := listenAdmin(ctx, s.AdminListen)
	if err != nil {
		return errors.Join(err, listener.Close())
	}
	server, err := openData(ctx, s.config(log))
	if err != nil {
		return errors.Join(err, listener.Close(), admin.close())
	}
	admin.serve(ctx, server)
	prepareTLS(prepare, log)
	err = s.serve(ctx, server, listener, c, admin.hint(c))
	log.Info("stopped")
	return errors.Join(err, admin.close(), server.Close())
}

// serve says where the server is and runs it.
func (s *serveCommand) serve(ctx context.Context, server *duly.Server, l net.Listener, c *console, adminHint string) error {
	url := s.Listen.url(s.TLS.scheme(), l.Addr())
	trust, curlOption, err := s.trust()
	var hint string
	if err == nil {
		hint, err = s.hint(ctx, server, "curl -sS"+curlOption, url)
	}
	if err == nil {
		_, err = fmt.Fprintf(c.stdout, "Duly listens on %s\n%s%s%s", url, adminHint, trust, hint)
	}
	if err != nil {
		return errors.Join(err, l.Close())
	}
	defer runtime.KeepAlive(make([]byte, ballast)) // which also has what the start has left behind cleared away
	return server.Serve(ctx, l)
}

// hint is what a person needs to go on, if anything.
func (s *serveCommand) hint(ctx context.Context, server *duly.Server, curl, url string) (string, error) {
	if s.Dev {
		return devHint(ctx, server, curl, url)
	}
	if !s.PasswordSignIn { // whoever signs in is known elsewhere
		return "", nil
	}
	anybody, err := server.AnybodyCanSignIn(ctx)
	if errors.Is(err, duly.ErrUnavailable) { // a node of a distributed database is gone, and the others have mailboxes to serve
		return "", nil
	}
	if err != nil || anybody {
		return "", err
	}
	path, err := server.SetupPath(ctx, "")
	return fmt.Sprintf("Nobody can sign in yet. Make the first account with this link, within 24 hours:\n%s%s\n", cmp.Or(strings.TrimSuffix(string(s.BaseURL), "/"), url), path), err
}

func (s *serveCommand) config(log *slog.Logger) duly.Config {
	config := duly.Config{
		DataDir: string(s.Data), Database: string(s.DB), Metrics: s.AdminListen != "",
		BaseURL: string(s.BaseURL), Profile: s.Profile, Throttle: string(s.Throttle), Log: log,
		Issuers: s.Issuers.list, NoPasswordSignIn: !s.PasswordSignIn,
	}
	for _, p := range s.TrustedProxy {
		config.TrustedProxies = append(config.TrustedProxies, netip.Prefix(p))
	}
	for _, h := range s.WebhookAllow {
		config.WebhookAllow = append(config.WebhookAllow, string(h))
	}
	if s.Dev {
		config.DevUser = devUser
		config.WebhookAllow = append(config.WebhookAllow, "localhost", "127.0.0.0/8", "::1")
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

// devApp is the public application that --dev registers, so that a client under
// development needs no set-up: it may come back to any port of this machine.
const devApp = "d0170d0d-0000-4000-8000-000000000001"

func addDevApp(ctx context.Context, server *duly.Server) error {
	_, err := server.App(ctx, devApp)
	if errors.Is(err, duly.ErrNoApp) {
		_, err = server.AddApp(ctx, duly.App{
			ID: devApp, Name: "Development", Kind: "native", Scopes: strings.Fields(devScopes), RedirectURIs: []string{"http://localhost", "http://127.0.0.1", "http://[::1]"},
		})
	}
	if err != nil {
		return fmt.Errorf("adding the application for development: %w", err)
	}
	return server.Consent(ctx, devUser, devApp)
}

// devHint makes the development user if it is missing, and returns a token and
// commands to paste.
func devHint(ctx context.Context, server *duly.Server, curl, url string) (string, error) {
	_, err := server.AddUser(ctx, duly.User{UserPrincipalName: devUser, DisplayName: devDisplayName})
	if err != nil && !errors.Is(err, duly.ErrUserExists) {
		return "", fmt.Errorf("adding the user %s: %w", devUser, err)
	}
	user, err := server.User(ctx, devUser)
	if err != nil {
		return "", err
	}
	if err := addDevApp(ctx, server); err != nil {
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

%[5]s %[4]s/v1.0/me/todo/lists/Tasks/tasks \
  -H 'Authorization: Bearer %[3]s' \
  -H 'Content-Type: application/json' \
  -d '{"title": "Try Duly", "linkedResources": [{"webUrl": "https://example.org/try", "applicationName": "Example", "displayName": "Where this came from"}]}'

And this to list the tasks:

%[5]s %[4]s/v1.0/me/todo/lists/Tasks/tasks \
  -H 'Authorization: Bearer %[3]s'

Subscriptions may name notification URLs on localhost, over http too.

Or sign in, without a password: client id %[6]s, tenant %[7]s,
authority %[4]s/%[7]s.

`, user.UserPrincipalName, user.DisplayName, token, url, curl, devApp, server.TenantID()), nil
}
