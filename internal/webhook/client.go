package webhook

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"sync"
	"time"

	"code.dny.dev/ssrf"

	"github.com/duly-todo/duly/internal/todo"
)

// Bounds of a call to an endpoint.
const (
	callTimeout = 10 * time.Second // all of it: name, connection, headers and body
	dialTimeout = 5 * time.Second  // of one address
	maxHeader   = 64 << 10         // bytes of the answer's headers
	maxAnswer   = 64 << 10         // bytes that are read of its body
	maxIdle     = 256              // connections kept for the next call
	idleTimeout = 90 * time.Second
)

// Allow is what an administrator has opened beyond public addresses and https.
type Allow struct {
	hosts    map[string]bool // in lower case, without a dot at the end
	prefixes []netip.Prefix
}

// ParseAllow reads host names, addresses and ranges of addresses.
func ParseAllow(list []string) (Allow, error) {
	a := Allow{hosts: map[string]bool{}}
	for _, item := range list {
		if prefix, err := netip.ParsePrefix(item); err == nil {
			a.prefixes = append(a.prefixes, prefix.Masked())
		} else if addr, err := netip.ParseAddr(item); err == nil {
			addr = addr.Unmap()
			a.prefixes = append(a.prefixes, netip.PrefixFrom(addr, addr.BitLen()))
		} else if name := hostName(item); isHostName(name) {
			a.hosts[name] = true
		} else {
			return a, fmt.Errorf("%q is not a host name, an address, or a range of addresses such as 10.0.0.0/8", item)
		}
	}
	return a, nil
}

// host says whether a host is listed, itself or as an address in a range.
func (a Allow) host(host string) bool {
	addr, err := netip.ParseAddr(host)
	if err != nil {
		return a.hosts[hostName(host)]
	}
	for _, p := range a.prefixes {
		if p.Contains(addr.Unmap()) {
			return true
		}
	}
	return false
}

// hostName is the form in which host names compare.
func hostName(host string) string { return strings.TrimSuffix(strings.ToLower(host), ".") }

// isHostName says whether a folded name could be one of DNS. A name that ends in
// a number is none: some resolvers take it for an address in another spelling.
func isHostName(name string) bool {
	last := name[strings.LastIndex(name, ".")+1:]
	numeric := strings.Trim(last, "0123456789") == "" || strings.HasPrefix(last, "0x")
	return len(name) <= 253 && !numeric && !strings.Contains(name, "..") && !strings.HasPrefix(name, ".") &&
		!strings.ContainsFunc(name, func(c rune) bool {
			return !(c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || c == '-' || c == '_' || c == '.')
		})
}

// A Client calls the endpoints of subscriptions. Its methods may be called from
// many goroutines.
type Client struct {
	http  *http.Client
	allow Allow
	guard *ssrf.Guardian

	mu       sync.Mutex
	shaking  int            // handshakes in flight
	shakesOf map[string]int // by who has asked for them
}

// ClientOptions are what a Client needs. The zero value reaches public addresses
// over https.
type ClientOptions struct {
	Allow     Allow
	Roots     *x509.CertPool    // nil: the system's
	Resolver  *net.Resolver     // nil: the system's
	Transport http.RoundTripper // nil: connections of its own; tests put their endpoints here
}

// NewClient returns a Client.
func NewClient(o ClientOptions) *Client {
	c := &Client{allow: o.Allow, shakesOf: map[string]int{}}
	var v4, v6 []netip.Prefix
	for _, p := range o.Allow.prefixes {
		if p.Addr().Is4() {
			v4 = append(v4, p)
		} else {
			v6 = append(v6, p)
		}
	}
	c.guard = ssrf.New(ssrf.WithAnyPort(), ssrf.WithAllowedV4Prefixes(v4...), ssrf.WithAllowedV6Prefixes(v6...))
	if o.Transport == nil {
		o.Transport = &http.Transport{
			DialContext:            c.dialer(o.Resolver),
			TLSClientConfig:        &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: o.Roots},
			TLSHandshakeTimeout:    dialTimeout,
			MaxResponseHeaderBytes: maxHeader,
			MaxIdleConns:           maxIdle,
			MaxIdleConnsPerHost:    perEndpoint,
			IdleConnTimeout:        idleTimeout,
			DisableCompression:     true, // an answer is not unpacked
		}
	}
	c.http = &http.Client{
		Transport:     o.Transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	return c
}

// dialer judges the address that is dialled, not a name or what it meant before:
// a name may resolve to another address at any time. A host that is listed by
// its name may be anywhere.
func (c *Client) dialer(resolver *net.Resolver) func(ctx context.Context, network, address string) (net.Conn, error) {
	open := &net.Dialer{Timeout: dialTimeout, Resolver: resolver}
	guarded := &net.Dialer{Timeout: dialTimeout, Resolver: resolver, Control: c.guard.Safe}
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		host, _, err := net.SplitHostPort(address)
		if err == nil && c.allow.hosts[hostName(host)] {
			return open.DialContext(ctx, network, address)
		}
		return guarded.DialContext(ctx, network, address)
	}
}

// close ends the connections that are kept.
func (c *Client) close() { c.http.CloseIdleConnections() }

// CheckURL says what is wrong with the URL of an endpoint, by the member that
// holds it. Nothing is resolved or dialled.
func (c *Client) CheckURL(member, text string) error {
	if len(text) > todo.MaxNotificationURL {
		return todo.Errorf(todo.Invalid, member, "The property '%s' is longer than the %d bytes allowed.", member, todo.MaxNotificationURL)
	}
	u, err := url.Parse(text)
	if err != nil || u.Host == "" || u.Opaque != "" || u.Hostname() == "" {
		return todo.Errorf(todo.Invalid, member, "The property '%s' must be an absolute URL, such as https://example.org/notifications.", member)
	}
	listed := c.allow.host(u.Hostname())
	addr, notAddr := netip.ParseAddr(u.Hostname())
	switch {
	case u.Scheme != "https" && !(u.Scheme == "http" && listed):
		return todo.Errorf(todo.Invalid, member, "The property '%s' must be an https URL. The administrator can allow http for a host (--webhook-allow).", member)
	case u.User != nil:
		return todo.Errorf(todo.Invalid, member, "The property '%s' must not hold a user name or a password.", member)
	case strings.Contains(text, "#"):
		return todo.Errorf(todo.Invalid, member, "The property '%s' must not have a fragment.", member)
	case notAddr != nil && !isHostName(hostName(u.Hostname())):
		return todo.Errorf(todo.Invalid, member, "The host of '%s' is neither an address nor the name of a host in ASCII.", member)
	case notAddr == nil && !listed && c.guard.SafeAddr(addr.Unmap()) != nil:
		return todo.Errorf(todo.Invalid, member, "The host of '%s' is not a public address. The administrator can allow it (--webhook-allow).", member)
	}
	return nil
}

// endpointOf is the host and port of a URL that CheckURL has passed.
func endpointOf(text string) string {
	u, err := url.Parse(text)
	if err != nil {
		return text
	}
	port := u.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[u.Scheme]
	}
	return net.JoinHostPort(hostName(u.Hostname()), port)
}

// An answer is what an endpoint says.
type answer struct {
	status      int
	contentType string
	body        string // the first maxAnswer bytes
}

// post sends a body. A redirect is an answer like any other. The error tells
// what has happened and does not hold the URL, whose query may be a secret.
func (c *Client) post(ctx context.Context, to, contentType string, body []byte) (answer, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, to, bytes.NewReader(body))
	if err != nil {
		return answer{}, errors.New("the URL is not understood")
	}
	r.Close = body == nil // nothing comes after a handshake for a while
	r.Header.Set("Content-Type", contentType)
	r.Header.Set("User-Agent", "Duly")
	resp, err := c.http.Do(r)
	if err != nil {
		if e, ok := errors.AsType[*url.Error](err); ok {
			err = e.Err
		}
		return answer{}, err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	return answer{resp.StatusCode, resp.Header.Get("Content-Type"), string(text)}, err
}
