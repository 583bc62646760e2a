package main

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/duly-todo/duly"
	"github.com/duly-todo/duly/internal/auth"
	"github.com/duly-todo/duly/internal/todo"
)

// The types of the flags check their values, wherever those come from.

// dataFolder is the folder that holds the data.
type dataFolder string

// UnmarshalText refuses the empty name, which would mean no folder at all.
func (d *dataFolder) UnmarshalText(text []byte) error {
	if len(text) == 0 {
		return errors.New("name a folder, such as /var/lib/duly")
	}
	*d = dataFolder(text)
	return nil
}

// database names the database; empty means the one in the folder of the data.
type database string

// UnmarshalText leaves the check to the server's configuration.
func (d *database) UnmarshalText(text []byte) error {
	*d = database(text)
	return duly.Config{Database: string(text)}.Validate()
}

func (d database) isPostgres() bool {
	return strings.HasPrefix(string(d), "postgres://") || strings.HasPrefix(string(d), "postgresql://")
}

// A databaseFlag is the setting that all commands on the data share.
type databaseFlag struct {
	DB database `setting:"" name:"db" placeholder:"DSN" help:"Database: sqlite:FILE, or postgres://USER@HOST/NAME (better as $DULY_DB, since others may see command lines). Without it, duly.db in the folder of the data."`
}

// inFolder refuses a database that is not the one in the folder of the data, the
// only one that the command knows.
func (f databaseFlag) inFolder(verb string) error {
	switch {
	case f.DB == "":
		return nil
	case f.DB.isPostgres():
		return fmt.Errorf("duly %s is for SQLite: use pg_dump, pg_restore and the other tools of PostgreSQL for the database, and keep a copy of issuer.json", verb)
	}
	return fmt.Errorf("duly %s knows duly.db in the folder of the data alone: leave out --db and DULY_DB", verb)
}

// listenAddress is a host and a port to listen on.
type listenAddress string

// UnmarshalText checks that there is a port with a number.
func (a *listenAddress) UnmarshalText(text []byte) error {
	_, port, err := net.SplitHostPort(string(text))
	if err == nil {
		_, err = strconv.ParseUint(port, 10, 16)
	}
	if err != nil {
		return fmt.Errorf("%q is not HOST:PORT, such as 127.0.0.1:8080", text)
	}
	*a = listenAddress(text)
	return nil
}

// loopback says whether only this machine can reach the address.
func (a listenAddress) loopback() bool {
	host, _, _ := net.SplitHostPort(string(a))
	addr, err := netip.ParseAddr(host)
	return strings.EqualFold(host, "localhost") || err == nil && addr.Unmap().IsLoopback()
}

// url is the URL of the server once it listens on l: the host as it was given,
// and the port that was found.
func (a listenAddress) url(scheme string, l net.Addr) string {
	host, _, _ := net.SplitHostPort(string(a))
	if host == "" {
		host = "0.0.0.0"
	}
	_, port, _ := net.SplitHostPort(l.String())
	return scheme + "://" + net.JoinHostPort(host, port)
}

// baseURL is the scheme and host of links.
type baseURL string

// UnmarshalText leaves the check to the server's configuration.
func (u *baseURL) UnmarshalText(text []byte) error {
	*u = baseURL(text)
	return duly.Config{BaseURL: string(text)}.Validate()
}

// proxy is the address of a reverse proxy, or a range of them.
type proxy netip.Prefix

// UnmarshalText takes an address for the range of it alone.
func (p *proxy) UnmarshalText(text []byte) error {
	prefix, err := netip.ParsePrefix(string(text))
	if addr, addrErr := netip.ParseAddr(string(text)); addrErr == nil {
		prefix, err = addr.Prefix(addr.BitLen())
	}
	if err != nil {
		return fmt.Errorf("%q is not a range of addresses, such as 10.0.0.0/8, or an address", text)
	}
	*p = proxy(prefix)
	return nil
}

// throttle are the limits of applications.
type throttle string

// UnmarshalText leaves the check to the server's configuration.
func (l *throttle) UnmarshalText(text []byte) error {
	*l = throttle(text)
	return duly.Config{Throttle: string(text)}.Validate()
}

// webhookHost is where notifications may go.
type webhookHost string

// UnmarshalText leaves the check to the server's configuration.
func (h *webhookHost) UnmarshalText(text []byte) error {
	*h = webhookHost(text)
	return duly.Config{WebhookAllow: []string{string(text)}}.Validate()
}

// issuersFile is a file of external issuers, and what it holds.
type issuersFile struct {
	path string
	list []duly.Issuer
}

// UnmarshalText reads the file, and leaves the check to the server's configuration.
func (f *issuersFile) UnmarshalText(text []byte) error {
	f.path = string(text)
	content, err := os.ReadFile(f.path)
	if e, ok := errors.AsType[*fs.PathError](err); ok {
		err = e.Err
	}
	if err != nil {
		return fmt.Errorf("%s cannot be read: %w", f.path, err)
	}
	if f.list, err = duly.ParseIssuers(content); err == nil {
		err = duly.Config{Issuers: f.list}.Validate()
	}
	if err != nil {
		err = fmt.Errorf("%s: %w", f.path, err)
	}
	return err
}

// userName is the principal name of a new user.
type userName string

// UnmarshalText leaves the check to the rules of To Do.
func (n *userName) UnmarshalText(text []byte) error {
	*n = userName(text)
	_, err := todo.NewUser("", string(text), "", "", time.Time{})
	return withoutTarget(err)
}

// withoutTarget is err without the name of Graph's member, which means nothing
// on the command line.
func withoutTarget(err error) error {
	if e, ok := errors.AsType[*todo.Error](err); ok {
		return errors.New(strings.TrimSuffix(e.Message, "."))
	}
	return err
}

// scopes are Graph's permissions, separated by spaces.
type scopes string

// UnmarshalText refuses unknown permissions.
func (s *scopes) UnmarshalText(text []byte) error {
	*s = scopes(text)
	_, err := auth.ParseScopes(string(text))
	return err
}

// lifetime is how long a token is good.
type lifetime time.Duration

// UnmarshalText takes what time.ParseDuration takes, within the limits of a token.
func (l *lifetime) UnmarshalText(text []byte) error {
	d, err := time.ParseDuration(string(text))
	if err != nil || d <= 0 || d > auth.MaxLifetime {
		return fmt.Errorf("%q is not a lifetime above 0 and of at most %.0fh, such as 30m or 1h", text, auth.MaxLifetime.Hours())
	}
	*l = lifetime(d)
	return nil
}

// personalName is what a personal access token is known by.
type personalName string

// UnmarshalText leaves the check to package auth.
func (n *personalName) UnmarshalText(text []byte) error {
	name, err := auth.PersonalName(string(text))
	*n = personalName(name)
	return withoutTarget(err)
}
