package certs_test

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/duly-todo/duly/internal/certs"
)

// A pair is a server whose certificate lives in the files of a folder.
type pair struct {
	*server
	dir string
	log *bytes.Buffer // is written while no handshake runs
}

// selfSigned makes a certificate for a host that nobody signed.
func selfSigned(t *testing.T, host string) tls.Certificate {
	t.Helper()
	return authority{}.sign(t, func(c *x509.Certificate) { c.DNSNames = []string{host} })
}

func newPair(t *testing.T, c tls.Certificate) *pair {
	t.Helper()
	p := &pair{dir: t.TempDir(), log: new(bytes.Buffer)}
	writePair(t, p.dir, c)
	clock := newClock()
	config, err := certs.Files(filepath.Join(p.dir, "cert.pem"), filepath.Join(p.dir, "key.pem"), clock.Now, slog.New(slog.NewTextHandler(p.log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	p.server = listen(t, config, clock)
	return p
}

// expect checks for which host the certificate is that the server shows, and
// returns what was logged since.
func (p *pair) expect(t *testing.T, host string) string {
	t.Helper()
	state, err := p.shake(nil, host, func(c *tls.Config) { c.InsecureSkipVerify = true })
	if err != nil {
		t.Fatal(err)
	}
	if err := state.PeerCertificates[0].VerifyHostname(host); err != nil {
		t.Error(err)
	}
	log := p.log.String()
	p.log.Reset()
	return log
}

// New files are taken within seconds; broken ones are not, and the log says so
// once.
func TestReload(t *testing.T) {
	t.Parallel()
	p := newPair(t, selfSigned(t, "one.example"))
	if log := p.expect(t, "one.example"); log != "" {
		t.Errorf("log: %s", log)
	}
	writePair(t, p.dir, selfSigned(t, "two.example"))
	p.clock.move(4 * time.Second)
	p.expect(t, "one.example")
	p.clock.move(time.Second)
	if log := p.expect(t, "two.example"); !strings.Contains(log, "read again") || strings.Count(log, "\n") != 1 {
		t.Errorf("log: %s", log)
	}
	p.clock.move(time.Minute)
	if log := p.expect(t, "two.example"); log != "" {
		t.Errorf("files that are the same are read again: %s", log)
	}

	three := t.TempDir()
	writePair(t, three, selfSigned(t, "three.example"))
	copyFile := func(name string) {
		text, err := os.ReadFile(filepath.Join(three, name))
		if err != nil {
			t.Fatal(err)
		}
		write(t, p.dir, name, text)
	}
	copyFile("cert.pem") // and not yet the key
	p.clock.move(5 * time.Second)
	if log := p.expect(t, "two.example"); !strings.Contains(log, "does not match") || !strings.Contains(log, "level=ERROR") {
		t.Errorf("log: %s", log)
	}
	p.clock.move(5 * time.Second)
	if log := p.expect(t, "two.example"); log != "" {
		t.Errorf("it is logged again: %s", log)
	}
	if err := os.Remove(filepath.Join(p.dir, "key.pem")); err != nil {
		t.Fatal(err)
	}
	p.clock.move(5 * time.Second)
	if log := p.expect(t, "two.example"); !strings.Contains(log, "no such file") {
		t.Errorf("log: %s", log)
	}
	copyFile("key.pem")
	p.clock.move(5 * time.Second)
	if log := p.expect(t, "three.example"); !strings.Contains(log, "read again") {
		t.Errorf("log: %s", log)
	}
}

// A certificate that has ended is served, so that clients can say what is wrong.
func TestEndedCertificate(t *testing.T) {
	t.Parallel()
	p := newPair(t, authority{}.sign(t, func(c *x509.Certificate) {
		c.DNSNames, c.NotBefore, c.NotAfter = []string{"old.example"}, start().AddDate(-1, 0, 0), start()
	}))
	if log := p.expect(t, "old.example"); !strings.Contains(log, "has ended") {
		t.Errorf("log: %s", log)
	}
}

func TestBadFiles(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name   string
		damage func(t *testing.T, dir string)
		want   string
	}{
		{"no files", func(t *testing.T, dir string) {
			if err := os.Remove(filepath.Join(dir, "cert.pem")); err != nil {
				t.Fatal(err)
			}
		}, "cert.pem: no such file or directory"},
		{"empty certificate", func(t *testing.T, dir string) { write(t, dir, "cert.pem", nil) }, "failed to find any PEM data"},
		{"empty key", func(t *testing.T, dir string) { write(t, dir, "key.pem", nil) }, "failed to find any PEM data"},
		{"key of another", func(t *testing.T, dir string) {
			text, err := os.ReadFile(filepath.Join(dir, "cert.pem"))
			if err != nil {
				t.Fatal(err)
			}
			writePair(t, dir, selfSigned(t, "other.example"))
			write(t, dir, "cert.pem", text)
		}, "private key does not match public key"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			writePair(t, dir, selfSigned(t, "one.example"))
			tt.damage(t, dir)
			_, err := certs.Files(filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem"), start, slog.New(slog.DiscardHandler))
			if err == nil || !strings.HasPrefix(err.Error(), "cannot use the TLS certificate") || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "\n") {
				t.Errorf("got %v", err)
			}
		})
	}
}
