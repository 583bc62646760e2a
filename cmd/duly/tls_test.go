package main

import (
	"bufio"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// trust makes calls trust the authority, and expect the host if one is named.
func (p *process) trust(authority *x509.Certificate, host string) {
	roots := x509.NewCertPool()
	roots.AddCert(authority)
	p.client = &http.Client{Transport: &http.Transport{
		TLSClientConfig: &tls.Config{RootCAs: roots, ServerName: host}, ForceAttemptHTTP2: true, DisableKeepAlives: true,
	}}
}

// authority reads the certificate that "duly tls ca" prints.
func (s *shell) authority(t *testing.T, args ...string) *x509.Certificate {
	t.Helper()
	text := s.must(t, append([]string{"tls", "ca"}, args...)...)
	block, rest := pem.Decode([]byte(text))
	if block == nil || len(rest) > 0 {
		t.Fatalf("duly tls ca prints %q", text)
	}
	authority, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	return authority
}

// A client that trusts the local authority speaks HTTP/2, gets links with https,
// and keeps its trust over a restart with another host.
func TestLocalTLS(t *testing.T) {
	t.Parallel()
	s := newShell(t)
	addAda(t, s)
	token := strings.TrimSpace(s.must(t, "token", "--user", "ada"))
	args := []string{"--tls", "local", "--tls-name", "box.localhost"}
	p := s.start(t, append(args, "--base-url", "https://todo.example.org")...)
	if want := "The certificate is for localhost, 127.0.0.1, ::1, box.localhost, todo.example.org."; p.line(t) != want {
		t.Errorf("it does not say %q", want)
	}
	authority := s.authority(t)
	p.trust(authority, "todo.example.org")
	p.call(t, token, "GET", "/v1.0/me", "", http.StatusOK)
	p.stop(t)

	p = s.start(t, args...)
	p.trust(authority, "")
	got := p.call(t, token, "GET", "/v1.0/me/todo/lists", "", http.StatusOK)["@odata.context"]
	if link, _ := got.(string); !strings.HasPrefix(link, p.url+"/v1.0/") || !strings.HasPrefix(link, "https://127.0.0.1:") {
		t.Errorf("the context is %v", got)
	}
	r, err := http.NewRequestWithContext(t.Context(), "POST", p.url+tasksPath, strings.NewReader(`{"title": "Over HTTP/2"}`))
	if err != nil {
		t.Fatal(err)
	}
	r.Header = http.Header{"Authorization": {"Bearer " + token}, "Content-Type": {"application/json"}}
	answer, err := p.client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	if answer.ProtoMajor != 2 || answer.StatusCode != http.StatusCreated || answer.Header.Get("Strict-Transport-Security") != "" {
		t.Errorf("got %s %s, %v", answer.Proto, answer.Status, answer.Header)
	}
	if diff := cmp.Diff([]string{"Over HTTP/2"}, p.titles(t, token)); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	p.client = http.DefaultClient
	if _, err := p.client.Get(p.url); err == nil || !strings.Contains(err.Error(), "unknown authority") {
		t.Errorf("a client without trust: %v", err)
	}
	p.stop(t)
}

// Whoever speaks plain HTTP to the TLS port is told so.
func TestPlainHTTPToTLS(t *testing.T) {
	t.Parallel()
	p := newShell(t).start(t, "--tls", "local")
	c, err := net.Dial("tcp", strings.TrimPrefix(p.url, "https://"))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := io.WriteString(c, "GET /v1.0/me HTTP/1.1\r\nHost: h\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	answer, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil || answer.StatusCode != http.StatusBadRequest || string(text) != "Client sent an HTTP request to an HTTPS server.\n" {
		t.Errorf("got %s, %v: %s", answer.Status, err, text)
	}
	p.stop(t)
}

// The commands that --dev prints work over TLS as well.
func TestDevOverTLS(t *testing.T) {
	t.Parallel()
	s := newShell(t)
	p := s.start(t, "--dev", "--tls", "local", "--data", "my data")
	path := filepath.Join(s.dir, "my data", "ca.pem")
	var banner string
	for range 6 {
		banner += p.line(t) + "\n"
	}
	want := fmt.Sprintf(`The certificate is for localhost, 127.0.0.1, ::1.
Clients have to trust the authority that signed it, %[1]s:

export SSL_CERT_FILE='%[1]s'        # Go on Linux
export NODE_EXTRA_CA_CERTS='%[1]s'  # Node
curl --cacert '%[1]s' ...
`, path)
	if diff := cmp.Diff(want, banner); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	token, commands := p.devBanner(t)
	p.trust(s.authority(t, "--data", "my data"), "")
	p.call(t, token, "GET", "/v1.0/me", "", http.StatusOK)
	if got := s.must(t, "tls", "ca", "--data", "my data", "--path"); got != path+"\n" {
		t.Errorf("duly tls ca --path prints %q", got)
	}
	if _, err := exec.LookPath("curl"); err != nil {
		p.stop(t)
		t.Skip("curl is not installed: the printed commands were not tried")
	}
	if created := paste(t, commands[0]); created["title"] != "Try Duly" {
		t.Errorf("the first command answers %v", created)
	}
	if tasks := paste(t, commands[1])["value"].([]any); len(tasks) != 1 {
		t.Errorf("the second command answers %d tasks", len(tasks))
	}
	p.stop(t)
}

// A certificate in files serves other machines, without a word about clear text.
func TestTLSFiles(t *testing.T) {
	t.Parallel()
	s := newShell(t)
	a := newACMEServer(t, "todo.example.org") // has a key and a certificate of its own
	key, err := x509.MarshalPKCS8PrivateKey(a.key)
	if err != nil {
		t.Fatal(err)
	}
	s.file(t, "cert.pem", string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: a.cert.Raw})))
	s.file(t, "key.pem", string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key})))
	p := s.start(t, "--listen", "0.0.0.0:0", "--tls-cert", "cert.pem", "--tls-key", "key.pem", "--log-level", "error")
	conn, err := tls.Dial("tcp", strings.TrimPrefix(p.url, "https://"), &tls.Config{InsecureSkipVerify: true})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if !conn.ConnectionState().PeerCertificates[0].Equal(a.cert) {
		t.Error("it shows another certificate")
	}
	p.stop(t)
	if p.stderr.Len() > 0 {
		t.Errorf("stderr:\n%s", p.stderr.String())
	}

	s.file(t, "key.pem", "")
	want := result{Status: 1, Stderr: "duly: cannot use the TLS certificate cert.pem with the key key.pem: tls: failed to find any PEM data in key input\n"}
	if diff := cmp.Diff(want, s.run(t, "serve", "--data", "new", "--tls-cert", "cert.pem", "--tls-key", "key.pem")); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	if _, err := os.Stat(filepath.Join(s.dir, "new")); err == nil {
		t.Error("it makes a folder")
	}
}

// A local authority for other names is not replaced without being asked.
func TestLocalTLSOtherName(t *testing.T) {
	t.Parallel()
	s := newShell(t)
	p := s.start(t, "--tls", "local")
	p.stop(t)
	before := s.authority(t)
	got := s.run(t, "serve", "--listen", "127.0.0.1:0", "--tls", "local", "--tls-name", "box.example")
	if got.Status != 1 || got.Stdout != "" || strings.Count(got.Stderr, "\n") != 1 ||
		!strings.HasPrefix(got.Stderr, "duly: cannot use the data folder data: the local authority data/ca.pem cannot be used (") ||
		!strings.HasSuffix(got.Stderr, ": restore ca.pem and ca-key.pem, or move both away to make a new authority, which clients then have to trust\n") {
		t.Errorf("got %+v", got)
	}
	if !s.authority(t).Equal(before) {
		t.Error("there is a new authority")
	}
}
