package duly

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/duly-todo/duly/internal/auth"
	"github.com/duly-todo/duly/internal/graph"
	"github.com/duly-todo/duly/internal/store"
	"github.com/duly-todo/duly/internal/webhook"
)

// Config says how to run a [Server]. Its zero value keeps everything in memory.
type Config struct {
	// DataDir is the folder that holds the database (duly.db, unless Database names
	// another one) and the key that signs access tokens (issuer.json). It is made if
	// it does not exist. Empty means that all of this is kept in memory and is gone
	// with the Server.
	DataDir string

	// Database is where lists and tasks are kept: "postgres://…" for a database of
	// PostgreSQL, "sqlite:" and a file for one of SQLite. Empty means duly.db in
	// DataDir. Servers that share a PostgreSQL database need the same DataDir, or
	// copies of it, for the keys in it.
	Database string

	// Existing makes [New] fail with [ErrNoData] where there is no data yet, instead
	// of making some.
	Existing bool

	// Beside makes a Server for administration, beside one that may serve the same
	// DataDir meanwhile: it sends no notifications. Without it, where the database is
	// SQLite's, [New] fails with [ErrInUse] where another Server has it, and with an
	// error that says what to do where a first look finds damage; the second look is taken while it serves.
	Beside bool

	// Metrics has requests and transactions counted, for [Server.AdminHandler].
	Metrics bool

	// BaseURL is the scheme and host that links in answers begin with, such as
	// "https://todo.example.org". Empty means those that each client used.
	BaseURL string

	// TrustedProxies are the addresses of the reverse proxies whose
	// X-Forwarded-Proto and X-Forwarded-Host headers are believed.
	TrustedProxies []netip.Prefix

	// Profile is "friendly", which mends the defects of Microsoft's service, or
	// "strict", which copies them to test clients against (docs/divergences.md).
	// Empty means friendly.
	Profile string

	// WebhookAllow are the hosts, by name or address, and the ranges of addresses
	// that notification URLs may lead to beyond public addresses over https. A
	// host that is listed may also be spoken to over plain http. Requests to them
	// come from this server, and any caller with a token can ask for them.
	WebhookAllow []string
	// DevUser is the principal name of a user whom the sign-in page offers to be by
	// one click, without a password, to requests that come from this machine and
	// name it. Empty means nobody, as it should be outside of development.
	DevUser string

	// Throttle limits what one application may ask of one mailbox, and of all:
	// "off"; "graph" for the limits of Microsoft's service; or some of
	// "requests=10000/10m,concurrent=4,upload=150MB/5m,app=130000/10s", also after
	// "graph," to change those. Each Server counts for itself. Empty means off.
	Throttle string

	// Issuers are other OpenID issuers whose access tokens are taken, and where people
	// may sign in. One whose discovery document is not what it should be makes [New]
	// fail with [ErrIssuer]; tokens of one that does not answer are refused until it does.
	Issuers []Issuer

	// NoPasswordSignIn takes the form for passwords off the sign-in page: people sign
	// in at one of the Issuers, of which one needs a ClientID.
	NoPasswordSignIn bool

	// Now tells the time; time.Now if nil.
	Now func() time.Time

	// Log receives a line for each request and each failure; nothing is logged if nil.
	Log *slog.Logger
}

// ErrNoData says that a folder holds no data of Duly's.
var ErrNoData = errors.New("there is no data of Duly's")

// Validate says what is wrong with the values of c. It touches no files.
func (c Config) Validate() error {
	_, _, _, err := c.check()
	return err
}

// check completes c and says what is wrong with it.
func (c *Config) check() (profile graph.Profile, limits graph.Limits, allow webhook.Allow, err error) {
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.BaseURL != "" {
		u, err := url.Parse(c.BaseURL)
		if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.Path != "" && u.Path != "/" || u.RawQuery != "" || u.Fragment != "" || u.User != nil {
			return profile, limits, allow, fmt.Errorf("the base URL %q must be a scheme and a host, such as https://todo.example.org", c.BaseURL)
		}
		// MSAL for Go finds the endpoint for devices by replacing "token" in that for tokens.
		if strings.Contains(strings.ToLower(u.Host), "token") {
			return profile, limits, allow, fmt.Errorf("the host of the base URL %q must not contain the word token, on which Microsoft's client libraries stumble: choose another name", c.BaseURL)
		}
	}
	if c.Database != "" {
		if err := store.CheckDSN(c.Database); err != nil {
			return profile, limits, allow, err
		}
	}
	if err := auth.CheckExternals(c.externals()); err != nil {
		return profile, limits, allow, err
	}
	if c.NoPasswordSignIn && !slices.ContainsFunc(c.Issuers, func(i Issuer) bool { return i.ClientID != "" }) {
		return profile, limits, allow, errors.New("nobody could sign in: without passwords one of the issuers needs a clientId, with which people sign in there")
	}
	if allow, err = webhook.ParseAllow(c.WebhookAllow); err != nil {
		return profile, limits, allow, err
	}
	if limits, err = graph.ParseLimits(c.Throttle); err != nil {
		return profile, limits, allow, err
	}
	profile, err = graph.ParseProfile(c.Profile)
	return profile, limits, allow, err
}

// database names the database. It makes the file, and the folder of the data, where
// that is SQLite's.
func (c *Config) database(ctx context.Context) (string, error) {
	if c.Database == "" && c.DataDir == "" {
		return store.Memory, nil
	}
	if store.IsPostgres(c.Database) {
		return c.Database, c.postgres(ctx)
	}
	path := cmp.Or(strings.TrimPrefix(c.Database, "sqlite:"), filepath.Join(c.DataDir, databaseName))
	if path == store.Memory {
		return path, nil
	}
	if c.Existing {
		_, err := os.Stat(path)
		if errors.Is(err, fs.ErrNotExist) {
			return "", fmt.Errorf("%w in %s", ErrNoData, filepath.Dir(path))
		}
		return path, err
	}
	if err := c.makeDataDir(); err != nil {
		return "", err
	}
	// SQLite would make a file that other accounts may read where the folder lets
	// them. One that exists is left alone: closing it would drop SQLite's locks.
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err == nil {
		err = f.Close()
	}
	if err != nil && !errors.Is(err, fs.ErrExist) {
		return "", fmt.Errorf("making the database: %w", err)
	}
	return path, nil
}

// postgres looks for data that must be there.
func (c *Config) postgres(ctx context.Context) error {
	if !c.Existing {
		return nil
	}
	has, err := store.HasData(ctx, c.Database)
	if err == nil && !has {
		err = fmt.Errorf("%w in the database", ErrNoData)
	}
	if err != nil || c.DataDir == "" {
		return err
	}
	_, err = os.Stat(filepath.Join(c.DataDir, "issuer.json"))
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%w in %s", ErrNoData, c.DataDir)
	}
	return err
}

func (c *Config) makeDataDir() error {
	if c.DataDir == "" {
		return nil
	}
	if err := os.MkdirAll(c.DataDir, 0o700); err != nil {
		return fmt.Errorf("making the data folder: %w", err)
	}
	return nil
}
