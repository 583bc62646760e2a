// Package duly is a To Do server that speaks Microsoft Graph, as a Go value.
//
// [New] opens a server; it is an [http.Handler] for the API below /v1.0 and /beta
// and for the sign-in beside it, and [Server.Serve] runs it on a listener. Package todotest starts one
// inside a test.
package duly

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/duly-todo/duly/internal/auth"
	"github.com/duly-todo/duly/internal/graph"
	"github.com/duly-todo/duly/internal/store"
	"github.com/duly-todo/duly/internal/todo"
	"github.com/duly-todo/duly/internal/webhook"
)

// Server is a running To Do service. Its methods may be called from many goroutines.
type Server struct {
	db     *store.DB
	keys   *auth.Keys
	graph  *graph.Server
	issuer *auth.Issuer
	log    *slog.Logger
	now    func() time.Time

	stop     context.CancelFunc // of the sender of notifications
	stopped  chan struct{}      // closed when it has, and nothing follows the database
	metrics  *metrics           // nil: nothing is counted
	ready    readiness
	stopping atomic.Bool
	release  func() error // gives the data folder free

	closing sync.Once
	closed  error // what came of closing
}

// New opens the data that c names, brings its schema up to date, and returns a
// server for it. The caller must Close it. The error is [ErrNoData] where
// c.Existing asks for data and there is none.
func New(ctx context.Context, c Config) (_ *Server, err error) {
	profile, limits, allow, err := c.check()
	if err != nil {
		return nil, err
	}
	path, err := c.database(ctx)
	if err != nil {
		return nil, err
	}
	release, err := c.claim(ctx, path)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, release())
		}
	}()
	db, err := store.Open(ctx, path, c.Now)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, db.Close())
		}
	}()
	if err := c.makeDataDir(); err != nil { // not before the database has been taken
		return nil, err
	}
	keys, err := openKeys(c.DataDir)
	if err != nil {
		return nil, err
	}
	secret, err := keys.Secret("delta token")
	if err != nil {
		return nil, err
	}
	pushKey, err := keys.WebPushKey()
	if err != nil {
		return nil, err
	}
	verifier := auth.NewVerifier(keys, db.UserStanding, c.Now)
	verifier.Serving(c.BaseURL, c.TrustedProxies, db)
	externals, err := auth.NewExternals(ctx, c.externals(), keys, c.BaseURL, db, c.Now, c.Log)
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	verifier.From(externals)
	issuer, err := auth.NewIssuer(auth.IssuerOptions{
		DB: db, Keys: keys, Verifier: verifier, Now: c.Now, Log: c.Log, BaseURL: c.BaseURL, TrustedProxies: c.TrustedProxies, DevUser: c.DevUser,
		Externals: externals, NoPasswords: c.NoPasswordSignIn,
	})
	if err != nil {
		return nil, err
	}
	hooks := webhook.NewClient(webhook.ClientOptions{Allow: allow})
	sending := webhook.Options{DB: db, Client: hooks, TenantID: keys.Tenant(), Log: c.Log, Now: c.Now}
	var counting *metrics
	if c.Metrics {
		counting = newMetrics()
		counting.watch(db)
		sending.Observe = counting.delivered()
	}
	sender := webhook.NewSender(sending)
	run, stop := context.WithCancel(context.WithoutCancel(ctx))
	s := &Server{db: db, keys: keys, issuer: issuer, log: c.Log, now: c.Now, release: release, metrics: counting, stop: stop, stopped: make(chan struct{})}
	options := graph.Options{
		DB: db, Verifier: verifier, Secret: secret, Log: c.Log, Now: c.Now,
		Profile: profile, BaseURL: c.BaseURL, TrustedProxies: c.TrustedProxies,
		Webhook: hooks, WebPushKey: pushKey, Limits: limits,
	}
	if c.Metrics {
		counting.queue(sender)
		options.Observe = s.metrics.route
		options.Throttled = s.metrics.refused
	}
	s.graph = graph.New(options)
	go func() {
		defer close(s.stopped)
		if c.Beside {
			return
		}
		var following sync.WaitGroup
		following.Go(func() { externals.Run(run) })
		if path != store.Memory { // which nobody else writes to
			following.Go(func() { verifier.Follow(run) })
			following.Go(func() { s.checkDatabase(run) })
		}
		if c.DataDir != "" {
			following.Go(func() { keys.Follow(run, c.DataDir, c.Log) })
		}
		sender.Run(run)
		following.Wait()
	}()
	return s, nil
}

// checkDatabase looks for damage in the file of the database and logs it. From then
// on the server is not ready.
func (s *Server) checkDatabase(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, checkWhile)
	defer cancel()
	if err := s.db.Check(ctx); err != nil {
		s.log.ErrorContext(ctx, "looking for damage in the database", "err", err)
	}
}

// openKeys loads the keys of a data folder, or makes some in memory.
func openKeys(dataDir string) (*auth.Keys, error) {
	if dataDir == "" {
		return auth.NewKeys()
	}
	return auth.OpenKeys(dataDir)
}

// ServeHTTP answers a request of the API, of sign-in or for a token, and of a
// supervisor for /healthz and /readyz. What none of them knows is the API's to
// refuse.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.TLS != nil && ownsHost(r.Host) {
		w.Header().Set("Strict-Transport-Security", "max-age=31536000")
	}
	if r.URL.Path == healthPath || r.URL.Path == readyPath {
		s.serveHealth(w, r)
		return
	}
	if s.metrics != nil {
		s.metrics.inFlight.Inc()
		defer s.metrics.inFlight.Dec()
	}
	first, _, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	if !strings.EqualFold(first, "v1.0") && !strings.EqualFold(first, "beta") && s.issuer.Serves(r) {
		s.issuer.ServeHTTP(w, r)
		return
	}
	s.graph.ServeHTTP(w, r)
}

// ownsHost says whether the server may ask browsers never to use plain HTTP with
// the host again, which is for all of its ports: not where it has but one port
// of several, on the machine itself, nor by address, for which browsers keep no
// such note (RFC 6797 section 8.1.1).
func ownsHost(host string) bool {
	host = strings.ToLower(strings.TrimSuffix(host, "."))
	_, err := netip.ParseAddr(host)
	return err != nil && !strings.Contains(host, ":") && host != "localhost" && !strings.HasSuffix(host, ".localhost")
}

// Close stops the notifications, those in flight within two seconds, waits for
// the writes that have begun and closes the database.
func (s *Server) Close() error {
	s.closing.Do(func() {
		s.stop()
		<-s.stopped
		s.closed = errors.Join(s.db.Close(), s.release())
	})
	return s.closed
}

// A User is the owner of a mailbox.
type User struct {
	ID                string // object id, a GUID
	UserPrincipalName string // the name in paths and tokens: a name or an address
	DisplayName       string
	Mail              string
}

func publicUser(u todo.User) User {
	return User{ID: u.ID, UserPrincipalName: u.UserPrincipalName, DisplayName: u.DisplayName, Mail: u.Mail}
}

// ErrRefused says that the database is there, and cannot be used as it is.
var ErrRefused = store.ErrRefused

// ErrUnavailable says that the database did not answer, or not in time.
var ErrUnavailable = store.ErrUnavailable

// ErrUserExists says that the principal name of a new user is taken.
var ErrUserExists = errors.New("the user exists already")

// ErrNoUser says that nobody has the id or the principal name.
var ErrNoUser = errors.New("there is no such user")

// AddUser makes a user with a mailbox, in which there is the default list. The
// ID is made by the server; the display name defaults to the principal name.
func (s *Server) AddUser(ctx context.Context, u User) (User, error) {
	user, err := todo.NewUser(store.NewGUID(), u.UserPrincipalName, u.DisplayName, u.Mail, s.now())
	if err != nil {
		return User{}, err
	}
	err = s.db.AddUser(ctx, user, auth.CommandLineApp)
	if e, ok := errors.AsType[*todo.Error](err); ok && e.Kind == todo.Conflict {
		return User{}, fmt.Errorf("%w: %s", ErrUserExists, u.UserPrincipalName)
	}
	return publicUser(user), err
}

// User returns the user with an id or a principal name; the error is
// [ErrNoUser] when there is none.
func (s *Server) User(ctx context.Context, idOrName string) (User, error) {
	u, err := s.db.User(ctx, idOrName)
	if e, ok := errors.AsType[*todo.Error](err); ok && e.Kind == todo.NoSuchUser {
		return User{}, fmt.Errorf("%w: %s", ErrNoUser, idOrName)
	}
	if err != nil {
		return User{}, fmt.Errorf("looking for the user %s: %w", idOrName, err)
	}
	return publicUser(u), nil
}

// Users returns at most limit users after the first skip, by principal name.
func (s *Server) Users(ctx context.Context, skip, limit int) ([]User, error) {
	users, err := s.db.Users(ctx, skip, limit)
	out := make([]User, len(users))
	for i, u := range users {
		out[i] = publicUser(u)
	}
	return out, err
}

// Token makes an access token with which a client acts for the user. scopes are
// Graph's permissions, separated by spaces, in any case; the lifetime is at most
// 24 hours.
func (s *Server) Token(ctx context.Context, user, scopes string, lifetime time.Duration) (string, error) {
	granted, err := auth.ParseScopes(scopes)
	if err != nil {
		return "", err
	}
	u, err := s.User(ctx, user)
	if err != nil {
		return "", err
	}
	return s.keys.Mint(auth.Grant{
		ID: u.ID, UserPrincipalName: u.UserPrincipalName, DisplayName: u.DisplayName,
		Scopes: granted, Lifetime: lifetime,
	}, s.now())
}
