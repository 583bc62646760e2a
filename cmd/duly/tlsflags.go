package main

import (
	"crypto/tls"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/duly-todo/duly/internal/certs"
)

// tlsFlags say how the server proves its name over TLS, if it does.
type tlsFlags struct {
	Mode      string        `name:"tls" setting:"" default:"off" enum:"off,local,acme" placeholder:"WAY" help:"Where the certificate for TLS comes from: local is an authority of your own in the data folder, acme a public one for the host of --base-url, off nowhere but the two files."`
	Cert      string        `name:"tls-cert" setting:"" placeholder:"FILE" help:"Certificate in PEM, with those that lead to its authority; read again when it changes."`
	Key       string        `name:"tls-key" setting:"" placeholder:"FILE" help:"Key of the certificate in PEM."`
	Names     []certName    `name:"tls-name" setting:"" placeholder:"HOST" help:"Host or address that --tls local is good for besides localhost and the hosts of --listen and --base-url; may be repeated."`
	Terms     bool          `name:"acme-accept-terms" setting:"" help:"Accept the terms of the authority of --tls acme."`
	Email     string        `name:"acme-email" setting:"" placeholder:"ADDRESS" help:"Where the authority of --tls acme may write to."`
	Directory acmeDirectory `name:"acme-directory" setting:"" default:"https://acme-v02.api.letsencrypt.org/directory" placeholder:"URL" help:"Directory of the authority of --tls acme."`
}

// on says whether the server speaks TLS.
func (t *tlsFlags) on() bool { return t.Mode != "off" || t.Cert != "" }

// scheme begins the server's URL.
func (t *tlsFlags) scheme() string {
	if t.on() {
		return "https"
	}
	return "http"
}

// checkTLS says what does not fit together in the settings: above all, tokens
// must not travel in clear to where others listen.
func (s *serveCommand) checkTLS() error {
	base, err := url.Parse(string(s.BaseURL))
	if err != nil {
		return err
	}
	t := &s.TLS
	switch {
	case (t.Cert == "") != (t.Key == ""):
		return usageErrorf("--tls-cert and --tls-key go together: name the file of the certificate and that of its key")
	case t.Cert != "" && t.Mode != "off":
		return usageErrorf("--tls-cert and --tls-key bring a certificate of your own: leave out either them or --tls %s", t.Mode)
	case !t.on() && !s.Listen.loopback() && len(s.TrustedProxy) == 0:
		return usageErrorf("other machines reach %s, and access tokens must not travel in clear: listen on 127.0.0.1, "+
			"or turn on TLS with --tls or with --tls-cert and --tls-key, or name the proxy in front that does TLS with --trusted-proxy", s.Listen)
	case t.on() && base.Scheme == "http":
		return usageErrorf("--base-url must begin with https, because TLS is on")
	case t.Mode == "acme" && !isPublic(base.Hostname()):
		return usageErrorf("--tls acme gets a certificate for a host with a public name: say which with --base-url, such as https://todo.example.org")
	case t.Mode == "acme" && !t.Terms:
		return usageErrorf("--tls acme gets certificates only on the terms of the authority: read them, and add --acme-accept-terms")
	case t.Mode == "local":
		_, err := s.localNames()
		return err
	}
	return nil
}

// isPublic says whether a public authority may know the host: that it has a
// name of several parts.
func isPublic(host string) bool {
	_, err := netip.ParseAddr(host)
	return err != nil && strings.Contains(strings.Trim(host, "."), ".") && !strings.HasSuffix(host, ".localhost")
}

// localNames are the names that the local authority is for, besides those of
// every machine.
func (s *serveCommand) localNames() (names []string, err error) {
	listen, _, _ := net.SplitHostPort(string(s.Listen))
	if addr, err := netip.ParseAddr(listen); err == nil && addr.IsUnspecified() {
		listen = ""
	}
	base, err := url.Parse(string(s.BaseURL))
	if err != nil {
		return nil, err
	}
	for _, host := range []string{listen, base.Hostname()} {
		var name certName
		if host == "" {
			continue
		}
		if err := name.UnmarshalText([]byte(host)); err != nil {
			return nil, usageErrorf("--tls local makes no certificate for this host: %w", err)
		}
		names = append(names, string(name))
	}
	for _, name := range s.TLS.Names {
		names = append(names, string(name))
	}
	slices.Sort(names)
	return slices.DeleteFunc(slices.Compact(names), func(name string) bool { return slices.Contains(certs.LocalNames(), name) }), nil
}

// tlsConfig gets the certificate ready; it is nil where TLS is off. What prepare
// has still to do, if it is there, is for when the server listens.
func (s *serveCommand) tlsConfig(log *slog.Logger) (config *tls.Config, prepare func() error, err error) {
	t := &s.TLS
	switch {
	case t.Cert != "":
		config, err = certs.Files(t.Cert, t.Key, time.Now, log)
		return config, nil, err
	case t.Mode == "local":
		names, err := s.localNames()
		if err != nil {
			return nil, nil, err
		}
		config, err = certs.Local(string(s.Data), names, time.Now)
		return config, nil, dataError(string(s.Data), err)
	case t.Mode == "acme":
		base, err := url.Parse(string(s.BaseURL))
		if err != nil {
			return nil, nil, err
		}
		config, prepare = certs.ACME(string(s.Data), base.Hostname(), t.Email, string(t.Directory))
	}
	return config, prepare, nil
}

// prepareTLS gets the certificate that the first client would have to wait for.
// The conversation with the authority cannot be broken off, so that nobody waits
// for the end of it: it ends with the process at the latest.
func prepareTLS(prepare func() error, log *slog.Logger) {
	if prepare == nil {
		return
	}
	go func() {
		if err := prepare(); err != nil {
			log.Error("there is no certificate yet: see that port 443 of the host of --base-url leads here; the next client tries again in a minute", "err", err)
			return
		}
		log.Info("the certificate is there")
	}()
}

// trust says how clients get to trust the local authority, and the option with
// which curl does.
func (s *serveCommand) trust() (hint, curlOption string, err error) {
	if s.TLS.Mode != "local" {
		return "", "", nil
	}
	names, err := s.localNames()
	if err != nil {
		return "", "", err
	}
	path, err := filepath.Abs(filepath.Join(string(s.Data), certs.AuthorityFile))
	if err != nil {
		return "", "", err
	}
	return fmt.Sprintf(`The certificate is for %[1]s.
Clients have to trust the authority that signed it, %[2]s:

export SSL_CERT_FILE=%[3]s        # Go on Linux
export NODE_EXTRA_CA_CERTS=%[3]s  # Node
curl --cacert %[3]s ...
`, strings.Join(append(certs.LocalNames(), names...), ", "), path, quoted(path)), " --cacert " + quoted(path), nil
}

// certName is a host or an address that a certificate is for.
type certName string

// UnmarshalText takes addresses, and names as DNS has them (RFC 1123).
func (n *certName) UnmarshalText(text []byte) error {
	name := strings.ToLower(strings.TrimSuffix(string(text), "."))
	if addr, err := netip.ParseAddr(name); err == nil {
		*n = certName(addr.Unmap().WithZone("").String())
		return nil
	}
	for label := range strings.SplitSeq(name, ".") {
		if label == "" || len(label) > 63 || len(name) > 253 || strings.Trim(label, "-") != label || strings.ContainsFunc(label, func(c rune) bool {
			return !(c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || c == '-' || c == '_')
		}) {
			return fmt.Errorf("%q is not the name of a host, such as todo.example.org, or an address", text)
		}
	}
	*n = certName(name)
	return nil
}

// acmeDirectory is the URL at which the conversation with an ACME authority begins.
type acmeDirectory string

// UnmarshalText refuses plain HTTP to other machines (RFC 8555 section 6.1).
func (d *acmeDirectory) UnmarshalText(text []byte) error {
	u, err := url.Parse(string(text))
	if err != nil || u.Host == "" || u.Scheme != "https" && !(u.Scheme == "http" && listenAddress(net.JoinHostPort(u.Hostname(), "0")).loopback()) {
		return fmt.Errorf("%q is not the https URL of a directory, such as https://acme-v02.api.letsencrypt.org/directory", text)
	}
	*d = acmeDirectory(text)
	return nil
}
