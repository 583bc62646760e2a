package certs_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/duly-todo/duly/internal/certs"
)

func local(t *testing.T, dir string, c *clock, names ...string) *server {
	t.Helper()
	config, err := certs.Local(dir, names, c.Now)
	if err != nil {
		t.Fatal(err)
	}
	return listen(t, config, c)
}

// Whoever trusts the authority reaches the server by its names and by no other.
func TestLocalNames(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "data")
	s := local(t, dir, newClock(), "todo.example.org", "box.localhost", "192.0.2.7", "2001:db8::7")
	roots := readAuthority(t, dir).pool()
	for _, name := range []string{"localhost", "LOCALHOST", "127.0.0.1", "::1", "todo.example.org", "box.localhost", "192.0.2.7", "2001:db8::7"} {
		state, err := s.shake(roots, name)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if state.NegotiatedProtocol != "h2" || state.Version != tls.VersionTLS13 {
			t.Errorf("%s: %s over %s", name, state.NegotiatedProtocol, tls.VersionName(state.Version))
		}
	}
	for _, name := range []string{"example.org", "other.example.org", "other.localhost", "127.0.0.2", "192.0.2.8"} {
		if _, err := s.shake(roots, name); !isA[x509.HostnameError](err) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := s.shake(x509.NewCertPool(), "localhost"); !isA[x509.UnknownAuthorityError](err) {
		t.Errorf("a client that does not trust the authority: %v", err)
	}
}

func isA[E error](err error) bool {
	_, ok := errors.AsType[E](err)
	return ok
}

func TestOldVersions(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := local(t, dir, newClock())
	roots := readAuthority(t, dir).pool()
	only := func(version uint16) func(*tls.Config) {
		return func(c *tls.Config) { c.MinVersion, c.MaxVersion = version, version }
	}
	if state, err := s.shake(roots, "localhost", only(tls.VersionTLS12)); err != nil || state.Version != tls.VersionTLS12 {
		t.Errorf("TLS 1.2: %v", err)
	}
	if _, err := s.shake(roots, "localhost", only(tls.VersionTLS11)); err == nil || !strings.Contains(err.Error(), "protocol version") {
		t.Errorf("TLS 1.1: %v", err)
	}
	state, err := s.shake(roots, "localhost", func(c *tls.Config) { c.NextProtos = []string{"http/1.1"} })
	if err != nil || state.NegotiatedProtocol != "http/1.1" {
		t.Errorf("a client without HTTP/2 gets %q, %v", state.NegotiatedProtocol, err)
	}
}

// A stolen authority is good for the names it was made for, and for nothing else.
func TestAuthorityIsLimited(t *testing.T) {
	t.Parallel()
	dir, c := t.TempDir(), newClock()
	local(t, dir, c, "todo.example.org", "192.0.2.7")
	stolen := readAuthority(t, dir)
	for _, tt := range []struct {
		name   string
		change func(*x509.Certificate)
		want   string // in the refusal; empty: it is accepted
	}{
		{name: "localhost", change: func(c *x509.Certificate) { c.DNSNames = []string{"localhost"} }},
		{name: "below localhost", change: func(c *x509.Certificate) { c.DNSNames = []string{"a.b.localhost"} }},
		{name: "loopback", change: func(c *x509.Certificate) { c.IPAddresses = []net.IP{net.IPv4(127, 9, 9, 9)} }},
		{name: "listed host", change: func(c *x509.Certificate) { c.DNSNames = []string{"todo.example.org"} }},
		{name: "listed address", change: func(c *x509.Certificate) { c.IPAddresses = []net.IP{net.IPv4(192, 0, 2, 7)} }},
		{name: "other host", change: func(c *x509.Certificate) { c.DNSNames = []string{"example.com"} }, want: "not permitted"},
		{name: "among good ones", change: func(c *x509.Certificate) { c.DNSNames = []string{"localhost", "example.com"} }, want: "not permitted"},
		{name: "host above", change: func(c *x509.Certificate) { c.DNSNames = []string{"example.org"} }, want: "not permitted"},
		{name: "suffix alike", change: func(c *x509.Certificate) { c.DNSNames = []string{"notlocalhost"} }, want: "not permitted"},
		{name: "other address", change: func(c *x509.Certificate) { c.IPAddresses = []net.IP{net.IPv4(192, 0, 2, 8)} }, want: "not permitted"},
		{name: "other address of version 6", change: func(c *x509.Certificate) { c.IPAddresses = []net.IP{net.ParseIP("2001:db8::7")} }, want: "not permitted"},
		{name: "mail", change: func(c *x509.Certificate) {
			c.EmailAddresses, c.ExtKeyUsage = []string{"ada@example.com"}, []x509.ExtKeyUsage{x509.ExtKeyUsageEmailProtection}
		}, want: "incompatible key usage"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			leaf := stolen.sign(t, tt.change).Leaf
			_, err := leaf.Verify(x509.VerifyOptions{Roots: stolen.pool(), CurrentTime: start(), KeyUsages: leaf.ExtKeyUsage})
			if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
				t.Errorf("got %v", err)
			}
		})
	}
	t.Run("another authority", func(t *testing.T) {
		t.Parallel()
		below := stolen.sign(t, func(c *x509.Certificate) {
			c.IsCA, c.BasicConstraintsValid, c.KeyUsage = true, true, x509.KeyUsageCertSign
		})
		leaf := authority{below.Leaf, below.PrivateKey.(*ecdsa.PrivateKey)}.sign(t, func(c *x509.Certificate) { c.DNSNames = []string{"localhost"} }).Leaf
		between := x509.NewCertPool()
		between.AddCert(below.Leaf)
		_, err := leaf.Verify(x509.VerifyOptions{Roots: stolen.pool(), Intermediates: between, CurrentTime: start()})
		if err == nil || !strings.Contains(err.Error(), "too many intermediates") {
			t.Errorf("got %v", err)
		}
	})
}

// The files: who may read them, and that they stay.
func TestAuthorityFiles(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "data")
	if _, err := certs.Authority(dir); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("an authority that was not made: %v", err)
	}
	var starts sync.WaitGroup
	for range 4 {
		starts.Go(func() {
			if _, err := certs.Local(dir, nil, start); err != nil {
				t.Error(err)
			}
		})
	}
	starts.Wait()
	for name, mode := range map[string]fs.FileMode{"": fs.ModeDir | 0o700, "ca.pem": 0o644, "ca-key.pem": 0o600} {
		info, err := os.Stat(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode() != mode {
			t.Errorf("%q has the mode %v", name, info.Mode())
		}
	}
	if files, err := os.ReadDir(dir); len(files) != 2 || err != nil {
		t.Errorf("there are %v, %v", files, err)
	}
	first := readAuthority(t, dir)
	if life := first.cert.NotAfter.Sub(start()).Hours() / 24 / 365; life < 10 || life > 10.1 {
		t.Errorf("the authority lasts %.2f years", life)
	}
	text, err := certs.Authority(dir)
	if err != nil || strings.Contains(string(text), "KEY") {
		t.Errorf("got %s, %v", text, err)
	}
	s := local(t, dir, newClock(), "more.localhost")
	if _, err := s.shake(first.pool(), "more.localhost"); err != nil {
		t.Errorf("after a restart with another name: %v", err)
	}
}

// The certificate is renewed before it ends, as long as the authority lives.
func TestRenewal(t *testing.T) {
	t.Parallel()
	dir, c := t.TempDir(), newClock()
	s := local(t, dir, c)
	roots := readAuthority(t, dir).pool()
	leaf := func() *x509.Certificate {
		t.Helper()
		state, err := s.shake(roots, "localhost")
		if err != nil {
			t.Fatal(err)
		}
		return state.PeerCertificates[0]
	}
	first := leaf()
	if life := first.NotAfter.Sub(start()); life != 30*24*time.Hour {
		t.Errorf("it lasts %v", life)
	}
	c.move(20*24*time.Hour - time.Second)
	if !leaf().Equal(first) {
		t.Error("it is renewed early")
	}
	c.move(time.Second)
	second := leaf()
	if second.Equal(first) || !second.NotAfter.Equal(c.Now().Add(30*24*time.Hour)) || bytes.Equal(second.RawSubjectPublicKeyInfo, first.RawSubjectPublicKeyInfo) {
		t.Errorf("it is not renewed: until %v", second.NotAfter)
	}
	c.move(365 * 24 * time.Hour) // nobody called meanwhile
	if end := leaf().NotAfter; !end.After(c.Now()) {
		t.Errorf("after a pause it has ended on %v", end)
	}
	c.move(10 * 365 * 24 * time.Hour)
	if _, err := s.shake(roots, "localhost"); err == nil {
		t.Error("the authority has ended and its certificates are good")
	}
	if _, err := certs.Local(dir, nil, c.Now); err == nil || !strings.Contains(err.Error(), "expired") || !strings.Contains(err.Error(), "move both away") {
		t.Errorf("opening an authority that has ended: %v", err)
	}
}

// An authority that is of no use is said to be, and stays as it is.
func TestBadAuthority(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name   string
		damage func(t *testing.T, dir string)
		names  []string
		want   string
	}{
		{name: "name it is not for", names: []string{"other.example.org"}, want: "not permitted"},
		{name: "address it is not for", names: []string{"192.0.2.1"}, want: "not permitted"},
		{name: "empty certificate", damage: func(t *testing.T, dir string) { write(t, dir, "ca.pem", nil) }, want: "ca.pem is damaged (it holds no CERTIFICATE in PEM)"},
		{name: "key in its place", damage: func(t *testing.T, dir string) {
			write(t, dir, "ca.pem", []byte("-----BEGIN PRIVATE KEY-----\n-----END PRIVATE KEY-----\n"))
		}, want: "it holds no CERTIFICATE in PEM"},
		{name: "bad certificate", damage: func(t *testing.T, dir string) {
			write(t, dir, "ca.pem", []byte("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"))
		}, want: "ca.pem is damaged (x509: "},
		{name: "bad key", damage: func(t *testing.T, dir string) {
			write(t, dir, "ca-key.pem", []byte("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"))
		}, want: "ca-key.pem is damaged ("},
		{name: "another key", damage: func(t *testing.T, dir string) {
			if err := os.Remove(filepath.Join(dir, "ca-key.pem")); err != nil {
				t.Fatal(err)
			}
		}, want: "it belongs to another key"},
		{name: "certificate of a server", damage: func(t *testing.T, dir string) {
			leaf := readAuthority(t, dir).sign(t, func(c *x509.Certificate) { c.DNSNames = []string{"localhost"} })
			writePair(t, dir, leaf)
			for from, to := range map[string]string{"cert.pem": "ca.pem", "key.pem": "ca-key.pem"} {
				if err := os.Rename(filepath.Join(dir, from), filepath.Join(dir, to)); err != nil {
					t.Fatal(err)
				}
			}
		}, want: "cannot be used"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			if _, err := certs.Local(dir, nil, start); err != nil {
				t.Fatal(err)
			}
			if tt.damage != nil {
				tt.damage(t, dir)
			}
			before, err := os.ReadFile(filepath.Join(dir, "ca.pem"))
			if err != nil {
				t.Fatal(err)
			}
			_, err = certs.Local(dir, tt.names, start)
			if err == nil || !strings.Contains(err.Error(), tt.want) || !strings.Contains(err.Error(), "restore ca.pem and ca-key.pem, or move both away") || strings.Contains(err.Error(), "\n") {
				t.Errorf("got %v", err)
			}
			if after, err := os.ReadFile(filepath.Join(dir, "ca.pem")); err != nil || !bytes.Equal(before, after) {
				t.Errorf("ca.pem was replaced (%v)", err)
			}
		})
	}
}
