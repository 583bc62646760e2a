package duly

import (
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"github.com/duly-todo/duly/internal/graph"
	"github.com/duly-todo/duly/internal/store"
)

// Config says how to run a [Server]. Its zero value keeps everything in memory.
type Config struct {
	// DataDir is the folder that holds the database (duly.db) and the key that
	// signs access tokens (issuer.json). It is made if it does not exist. Empty
	// means that everything is kept in memory and is gone with the Server.
	DataDir string

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

	// Now tells the time; time.Now if nil.
	Now func() time.Time

	// Log receives a line for each failure of the server; nothing is logged if nil.
	Log *slog.Logger
}

// check completes c and says what is wrong with it.
func (c *Config) check() (graph.Profile, error) {
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.BaseURL != "" {
		u, err := url.Parse(c.BaseURL)
		if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.Path != "" && u.Path != "/" || u.RawQuery != "" || u.Fragment != "" || u.User != nil {
			return graph.Profile{}, fmt.Errorf("the base URL %q must be a scheme and a host, such as https://todo.example.org", c.BaseURL)
		}
	}
	return graph.ParseProfile(c.Profile)
}

// database is the file of the database, whose folder it makes.
func (c *Config) database() (string, error) {
	if c.DataDir == "" {
		return store.Memory, nil
	}
	if err := os.MkdirAll(c.DataDir, 0o700); err != nil {
		return "", fmt.Errorf("making the data folder: %w", err)
	}
	if info, err := os.Stat(c.DataDir); err != nil || !info.IsDir() {
		return "", errors.Join(fmt.Errorf("the data folder %s is not a folder", c.DataDir), err)
	}
	return filepath.Join(c.DataDir, "duly.db"), nil
}
