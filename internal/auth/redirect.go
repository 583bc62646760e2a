package auth

import (
	"fmt"
	"net"
	"net/url"
	"slices"
	"strings"

	"github.com/duly-todo/duly/internal/store"
)

// Limits of redirect URIs.
const (
	maxRedirectURI  = 2_048
	maxRedirectURIs = 50
)

// checkRedirectURI says what is wrong with a redirect URI to register: it must
// be https, http on this machine, or for a native application a scheme of its
// own, which has a dot as the name of a domain turned round has (RFC 8252
// section 7.1), or begins with msal.
func checkRedirectURI(kind store.AppKind, uri string) error {
	u, err := url.Parse(uri)
	switch {
	case err != nil || uri == "" || len(uri) > maxRedirectURI || strings.ContainsFunc(uri, func(r rune) bool { return r <= ' ' || r > '~' || r == '\\' }):
		return fmt.Errorf("the redirect URI %.80q is no URI of at most %d characters", uri, maxRedirectURI)
	case strings.Contains(uri, "#"):
		return fmt.Errorf("the redirect URI %.80q must not have a fragment", uri)
	case strings.Contains(uri, "*"):
		return fmt.Errorf("the redirect URI %.80q must not have a wildcard: register each URI", uri)
	case u.User != nil:
		return fmt.Errorf("the redirect URI %.80q must not name a user", uri)
	case u.Scheme == "https" && u.Host != "":
		return nil
	case u.Scheme == "http" && isLoopbackHost(u.Host):
		return nil
	case u.Scheme == "http":
		return fmt.Errorf("the redirect URI %.80q must be https, since its host is not this machine", uri)
	case kind == store.NativeApp && (strings.Contains(u.Scheme, ".") || strings.HasPrefix(u.Scheme, "msal")):
		return nil
	}
	return fmt.Errorf("the redirect URI %.80q must begin with https:// or http://localhost, or for a native application with a scheme that has a dot, such as com.example.todo:/signed-in", uri)
}

// allowsRedirect says whether the application has registered the redirect URI.
// URIs are compared letter by letter (RFC 9700 section 2.1), but on this machine
// an empty path is as good as "/", and a registration without a port stands for
// every port (RFC 8252 section 7.3).
func allowsRedirect(app *store.App, uri string) bool {
	if uri == "" || len(uri) > maxRedirectURI {
		return false
	}
	return slices.ContainsFunc(app.RedirectURIs, func(registered string) bool {
		return registered == uri || sameLoopback(registered, uri)
	})
}

func sameLoopback(registered, uri string) bool {
	wantHost, wantRest, ok := cutLoopback(registered)
	host, rest, ok2 := cutLoopback(uri)
	if !ok || !ok2 || wantRest != rest {
		return false
	}
	if wantHost == host {
		return true
	}
	name, port, err := net.SplitHostPort(host)
	return err == nil && port != "" && (wantHost == name || wantHost == "["+name+"]")
}

// cutLoopback parts an http URI of this machine into its host and the rest.
func cutLoopback(uri string) (host, rest string, ok bool) {
	after, ok := strings.CutPrefix(uri, "http://")
	if !ok || strings.ContainsAny(uri, "#\\@") {
		return "", "", false
	}
	host, rest = after, ""
	if i := strings.IndexAny(after, "/?"); i >= 0 {
		host, rest = after[:i], after[i:]
	}
	if !strings.HasPrefix(rest, "/") {
		rest = "/" + rest
	}
	return host, rest, isLoopbackHost(host)
}

// origin is the scheme and host of a URI, as browsers send it as Origin.
func origin(uri string) string {
	u, err := url.Parse(uri)
	if err != nil {
		return ""
	}
	return u.Scheme + "://" + u.Host
}
