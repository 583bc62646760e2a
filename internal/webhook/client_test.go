package webhook_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"

	"github.com/duly-todo/duly/internal/todo"
	"github.com/duly-todo/duly/internal/webhook"
)

// names answers the questions of a resolver, without a network. A name with
// several answers gives one after the other, and the last again and again.
type names struct {
	mu      sync.Mutex
	answers map[string][]netip.Addr
}

func (n *names) resolver() *net.Resolver {
	return &net.Resolver{PreferGo: true, Dial: func(context.Context, string, string) (net.Conn, error) {
		client, server := net.Pipe()
		go n.serve(server)
		return client, nil
	}}
}

// serve answers one question, framed as over TCP.
func (n *names) serve(c net.Conn) {
	defer c.Close()
	var size [2]byte
	if _, err := io.ReadFull(c, size[:]); err != nil {
		return
	}
	text := make([]byte, binary.BigEndian.Uint16(size[:]))
	var q dnsmessage.Message
	if _, err := io.ReadFull(c, text); err != nil || q.Unpack(text) != nil || len(q.Questions) != 1 {
		return
	}
	a := dnsmessage.Message{Header: dnsmessage.Header{ID: q.ID, Response: true, RecursionAvailable: true}, Questions: q.Questions}
	name := strings.ToLower(strings.TrimSuffix(q.Questions[0].Name.String(), "."))
	head := dnsmessage.ResourceHeader{Name: q.Questions[0].Name, Class: dnsmessage.ClassINET, TTL: 0}
	n.mu.Lock()
	of := n.answers[name]
	if len(of) == 0 {
		a.RCode = dnsmessage.RCodeNameError
	} else if addr := of[0]; addr.Is4() == (q.Questions[0].Type == dnsmessage.TypeA) {
		if len(of) > 1 {
			n.answers[name] = of[1:]
		}
		var body dnsmessage.ResourceBody = &dnsmessage.AAAAResource{AAAA: addr.As16()}
		if addr.Is4() {
			body = &dnsmessage.AResource{A: addr.As4()}
		}
		a.Answers = []dnsmessage.Resource{{Header: head, Body: body}}
	}
	n.mu.Unlock()
	packed, err := a.Pack()
	if err == nil {
		_, _ = c.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(packed))), packed...)) // the resolver may have left
	}
}

// countConnections listens on all loopback addresses at one port and counts who
// comes.
func countConnections(t *testing.T) (port string, count *atomic.Int64) {
	t.Helper()
	count = new(atomic.Int64)
	l, err := net.Listen("tcp", ":0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			count.Add(1)
			c.Close()
		}
	}()
	_, port, _ = net.SplitHostPort(l.Addr().String())
	return port, count
}

// Nothing is dialled that is not a public address, however it is spelled.
func TestForbiddenAddresses(t *testing.T) {
	t.Parallel()
	port, count := countConnections(t)
	addr := netip.MustParseAddr
	dns := &names{answers: map[string][]netip.Addr{
		"loopback.example.org": {addr("127.0.0.1")}, "private.example.org": {addr("10.0.0.1")}, "metadata.example.org": {addr("169.254.169.254")},
		"six.example.org": {addr("::1")}, "local.example.org": {addr("fe80::1")}, "unique.example.org": {addr("fd00::1")},
		"mapped.example.org": {addr("::ffff:127.0.0.1")}, "nat64.example.org": {addr("64:ff9b::7f00:1")}, "xn--e1aybc.example.org": {addr("127.0.0.1")},
		"zero.example.org": {addr("0.0.0.0")},
	}}
	const (
		notHTTPS, notPublic, notURL = "must be an https URL", "is not a public address", "must be an absolute URL"
		notHost, user, fragment     = "neither an address nor the name", "must not hold a user name", "must not have a fragment"
		unreachable                 = "could not be reached at a public address"
	)
	rows := []struct{ url, want string }{
		{"https://127.0.0.1:{port}/", notPublic},
		{"https://127.1.2.3:{port}/", notPublic},
		{"https://127.1:{port}/", notHost},
		{"https://2130706433:{port}/", notHost},
		{"https://0177.0.0.1:{port}/", notHost},
		{"https://017700000001:{port}/", notHost},
		{"https://0x7f.0.0.1:{port}/", notHost},
		{"https://0x7f000001:{port}/", notHost},
		{"https://127.0.0.1.:{port}/", notHost},
		{"https://[::1]:{port}/", notPublic},
		{"https://[0:0:0:0:0:0:0:1]:{port}/", notPublic},
		{"https://[::ffff:127.0.0.1]:{port}/", notPublic},
		{"https://[::ffff:7f00:1]:{port}/", notPublic},
		{"https://[::127.0.0.1]:{port}/", notPublic},
		{"https://10.0.0.1/", notPublic},
		{"https://172.16.0.1/", notPublic},
		{"https://172.31.255.255/", notPublic},
		{"https://192.168.1.1/", notPublic},
		{"https://169.254.169.254/latest/meta-data/", notPublic},
		{"https://[fe80::1%25eth0]/", notPublic},
		{"https://[fe80::1]/", notPublic},
		{"https://[fc00::1]/", notPublic},
		{"https://[fdff::1]/", notPublic},
		{"https://0.0.0.0:{port}/", notPublic},
		{"https://0.1.2.3/", notPublic},
		{"https://[::]:{port}/", notPublic},
		{"https://100.64.0.1/", notPublic},
		{"https://100.127.255.254/", notPublic},
		{"https://[64:ff9b::7f00:1]/", notPublic},
		{"https://[64:ff9b:1::a00:1]/", notPublic},
		{"https://[2002:7f00:1::]/", notPublic},
		{"https://[2001:0:7f00:1::]/", notPublic},
		{"https://224.0.0.1/", notPublic},
		{"https://[ff02::1]/", notPublic},
		{"https://255.255.255.255/", notPublic},
		{"https://240.0.0.1/", notPublic},
		{"https://192.0.2.1/", notPublic},
		{"https://198.51.100.1/", notPublic},
		{"https://203.0.113.1/", notPublic},
		{"https://198.18.0.1/", notPublic},
		{"https://[2001:db8::1]/", notPublic},
		{"https://localhost:{port}/", unreachable},
		{"https://LOCALHOST:{port}/", unreachable},
		{"https://localhost.:{port}/", unreachable},
		{"https://loopback.example.org:{port}/", unreachable},
		{"https://private.example.org/", unreachable},
		{"https://metadata.example.org/", unreachable},
		{"https://six.example.org:{port}/", unreachable},
		{"https://local.example.org/", unreachable},
		{"https://unique.example.org/", unreachable},
		{"https://mapped.example.org:{port}/", unreachable},
		{"https://nat64.example.org/", unreachable},
		{"https://zero.example.org:{port}/", unreachable},
		{"https://xn--e1aybc.example.org:{port}/", unreachable},
		{"https://nobody.example.org/", unreachable},
		{"https://\u0442\u0435\u0441\u0442.example.org/", notHost},
		{"https://\uff11\uff12\uff17.0.0.1:{port}/", notHost},
		{"https://\u24db\u24de\u24d2\u24d0lhost:{port}/", notHost},
		{"https://exa mple.org/", notURL},
		{"https://..example.org/", notHost},
		{"http://example.org/", notHTTPS},
		{"http://127.0.0.1:{port}/", notHTTPS},
		{"ftp://example.org/", notHTTPS},
		{"gopher://127.0.0.1:{port}/", notHTTPS},
		{"file:///etc/passwd", notURL},
		{"unix:///var/run/docker.sock", notURL},
		{"//example.org/", notHTTPS},
		{"/notifications", notURL},
		{"example.org/notifications", notURL},
		{"https:example.org", notURL},
		{"https://", notURL},
		{"https://:443/", notURL},
		{"https://?x", notURL},
		{"", notURL},
		{"https://u@127.0.0.1:{port}/", user},
		{"https://example.org@127.0.0.1:{port}/", user},
		{"https://u:p@example.org/", user},
		{"https://example.org/#x", fragment},
		{"https://example.org/#", fragment},
		{"https://example.org:99999999/", unreachable},
		{"https://example.org/" + strings.Repeat("x", 2048), "is longer than the 2048 bytes allowed"},
		{"https://example.org/\r\nX: y", notURL},
	}
	client := webhook.NewClient(webhook.ClientOptions{Resolver: dns.resolver()})
	for _, row := range rows {
		t.Run(row.url, func(t *testing.T) {
			url := strings.ReplaceAll(row.url, "{port}", port)
			err := client.CheckURL("notificationUrl", url)
			if row.want == unreachable {
				if err != nil {
					t.Fatalf("it is the dialler that should refuse it: %v", err)
				}
				err = client.Handshake(t.Context(), slog.New(slog.DiscardHandler), "caller", url)
			} else if e, ok := errors.AsType[*todo.Error](err); ok && e.Target != "notificationUrl" {
				t.Errorf("the target is %q", e.Target)
			}
			if err == nil || !strings.Contains(err.Error(), row.want) {
				t.Errorf("got %v, want %q", err, row.want)
			}
		})
	}
	if n := count.Load(); n > 0 {
		t.Errorf("there were %d connections", n)
	}
}

// What an administrator lists is open, and nothing beside it.
func TestAllow(t *testing.T) {
	t.Parallel()
	dns := &names{answers: map[string][]netip.Addr{
		"hooks.internal": {netip.MustParseAddr("127.0.0.1")}, "other.internal": {netip.MustParseAddr("127.0.0.1")},
	}}
	server := httptest.NewServer(http.HandlerFunc(echoToken))
	t.Cleanup(server.Close)
	_, port, _ := net.SplitHostPort(server.Listener.Addr().String())
	rows := []struct{ allow, url, want string }{
		{"127.0.0.1", "http://127.0.0.1:{port}/a?b=c%20d", ""},
		{"127.0.0.0/8", "http://127.0.0.1:{port}/", ""},
		{"127.0.0.9/8", "http://127.0.0.1:{port}/", ""},
		{"127.0.0.0/8", "http://[::ffff:127.0.0.1]:{port}/", ""},
		{"::ffff:127.0.0.1", "http://127.0.0.1:{port}/", ""},
		{"hooks.internal", "http://hooks.internal:{port}/", ""},
		{"Hooks.Internal.", "http://HOOKS.internal:{port}/", ""},
		{"hooks.internal", "http://hooks.internal.:{port}/", ""},
		{"hooks.internal", "http://127.0.0.1:{port}/", "must be an https URL"},
		{"hooks.internal", "https://127.0.0.1:{port}/", "is not a public address"},
		{"hooks.internal", "http://other.internal:{port}/", "must be an https URL"},
		{"hooks.internal", "https://other.internal:{port}/", "could not be reached"},
		{"internal", "https://hooks.internal:{port}/", "could not be reached"},
		{"127.0.0.0/8", "http://other.internal:{port}/", "must be an https URL"},
		{"10.0.0.0/8", "http://127.0.0.1:{port}/", "must be an https URL"},
		{"::1", "http://127.0.0.1:{port}/", "must be an https URL"},
	}
	for _, row := range rows {
		t.Run(row.allow+" "+row.url, func(t *testing.T) {
			allow, err := webhook.ParseAllow([]string{row.allow})
			if err != nil {
				t.Fatal(err)
			}
			client := webhook.NewClient(webhook.ClientOptions{Allow: allow, Resolver: dns.resolver()})
			url := strings.ReplaceAll(row.url, "{port}", port)
			if err = client.CheckURL("notificationUrl", url); err == nil {
				err = client.Handshake(t.Context(), slog.New(slog.DiscardHandler), "caller", url)
			}
			if (err == nil) != (row.want == "") || err != nil && !strings.Contains(err.Error(), row.want) {
				t.Errorf("got %v, want %q", err, row.want)
			}
		})
	}
	for _, bad := range []string{"", "http://x", "a b", "10.0.0.0/33", "host:80", "*.example.org", "127.1"} {
		if _, err := webhook.ParseAllow([]string{bad}); err == nil {
			t.Errorf("%q is taken", bad)
		}
	}
}

// echoToken is a receiver that does what it should.
func echoToken(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	token := r.URL.Query().Get("validationToken")
	if err != nil || len(body) > 0 || r.Method != http.MethodPost || r.Header.Get("Content-Type") != "text/plain; charset=utf-8" || !strings.HasPrefix(token, "Validation: ") {
		http.Error(w, "no validation", http.StatusBadRequest)
		return
	}
	w.Header().Set("Content-Type", "text/plain")
	io.WriteString(w, token)
}

// A name that has led to an allowed address and leads elsewhere by now is not
// followed.
func TestRebinding(t *testing.T) {
	t.Parallel()
	port, count := countConnections(t)
	good := httptest.NewUnstartedServer(http.HandlerFunc(echoToken))
	_ = good.Listener.Close()
	l, err := net.Listen("tcp4", "127.0.0.2:0")
	if err != nil {
		t.Skipf("there is no second loopback address: %v", err)
	}
	good.Listener = l
	leaf, roots := certificate(t, "rebound.example.org", time.Now().Add(time.Hour))
	good.TLS = &tls.Config{Certificates: []tls.Certificate{leaf}}
	good.StartTLS()
	t.Cleanup(good.Close)
	_, goodPort, _ := net.SplitHostPort(l.Addr().String())
	dns := &names{answers: map[string][]netip.Addr{"rebound.example.org": {netip.MustParseAddr("127.0.0.2"), netip.MustParseAddr("127.0.0.1")}}}
	allow, err := webhook.ParseAllow([]string{"127.0.0.2"})
	if err != nil {
		t.Fatal(err)
	}
	client := webhook.NewClient(webhook.ClientOptions{Allow: allow, Roots: roots, Resolver: dns.resolver()})
	log := slog.New(slog.DiscardHandler)
	if err := client.Handshake(t.Context(), log, "caller", "https://rebound.example.org:"+goodPort+"/"); err != nil {
		t.Fatalf("first: %v", err)
	}
	if err := client.Handshake(t.Context(), log, "caller", "https://rebound.example.org:"+port+"/"); err == nil || count.Load() > 0 {
		t.Errorf("then: %v, %d connections", err, count.Load())
	}
}

// certificate is one of a new authority.
func certificate(t *testing.T, host string, until time.Time) (tls.Certificate, *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: host}, DNSNames: []string{host}, NotBefore: until.Add(-time.Hour * 48), NotAfter: until,
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(parsed)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, roots
}

// What endpoints do to a server that calls them, and what their owner is told.
func TestHostileEndpoints(t *testing.T) {
	t.Parallel()
	forbidden, count := countConnections(t)
	var bomb bytes.Buffer
	z := gzip.NewWriter(&bomb)
	z.Write(make([]byte, 16<<20))
	z.Close()
	text := func(status int, contentType, body string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", contentType)
			w.WriteHeader(status)
			io.WriteString(w, body)
		}
	}
	redirect := func(to string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, to, http.StatusTemporaryRedirect) }
	}
	const notOK, notText, notToken = "must respond with 200 OK", "content type text/plain", "must exactly match validationToken"
	const unreachable = "could not be reached"
	rows := []struct {
		name    string
		handler http.HandlerFunc
		want    string
	}{
		{"well", echoToken, ""},
		{"charset", func(w http.ResponseWriter, r *http.Request) {
			text(200, "text/plain; charset=utf-8", r.URL.Query().Get("validationToken"))(w, r)
		}, ""},
		{"500", text(500, "text/plain", ""), notOK},
		{"404", text(404, "text/plain", ""), notOK},
		{"202 with the token", func(w http.ResponseWriter, r *http.Request) {
			text(202, "text/plain", r.URL.Query().Get("validationToken"))(w, r)
		}, notOK},
		{"JSON", func(w http.ResponseWriter, r *http.Request) {
			text(200, "application/json", r.URL.Query().Get("validationToken"))(w, r)
		}, notText},
		{"HTML", func(w http.ResponseWriter, r *http.Request) {
			text(200, "text/html", r.URL.Query().Get("validationToken"))(w, r)
		}, notText},
		{"another body", text(200, "text/plain", "ok"), notToken},
		{"no body", text(200, "text/plain", ""), notToken},
		{"the token as it was sent", func(w http.ResponseWriter, r *http.Request) {
			_, token, _ := strings.Cut(r.URL.RawQuery, "validationToken=")
			text(200, "text/plain", token)(w, r)
		}, notToken},
		{"redirect to metadata", redirect("http://169.254.169.254/latest/meta-data/"), notOK},
		{"redirect to loopback", redirect("http://127.0.0.1:" + forbidden + "/"), notOK},
		{"redirect to itself", redirect("/again"), notOK},
		{"endless body", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/plain")
			for {
				if _, err := w.Write(make([]byte, 64<<10)); err != nil {
					return
				}
			}
		}, notToken},
		{"gzip bomb", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/plain")
			w.Header().Set("Content-Encoding", "gzip")
			w.Write(bomb.Bytes())
		}, notToken},
		{"huge headers", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("X-Long", strings.Repeat("x", 1<<20))
			w.WriteHeader(200)
		}, unreachable},
		{"closes before it answers", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, unreachable},
		{"closes within the body", func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "text/plain")
			w.Header().Set("Content-Length", "1000")
			io.WriteString(w, r.URL.Query().Get("validationToken"))
		}, notToken},
		{"is no HTTP", func(w http.ResponseWriter, _ *http.Request) {
			c, _, err := w.(http.Hijacker).Hijack()
			if err == nil {
				io.WriteString(c, "220 mail.example.org ESMTP\r\n")
				c.Close()
			}
		}, unreachable},
	}
	allow, err := webhook.ParseAllow([]string{"127.0.0.2", "127.0.0.1/32"})
	if err != nil {
		t.Fatal(err)
	}
	client := webhook.NewClient(webhook.ClientOptions{Allow: allow})
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			server := httptest.NewUnstartedServer(row.handler)
			server.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
			server.Start()
			defer server.Close()
			err := client.Handshake(t.Context(), slog.New(slog.DiscardHandler), row.name, server.URL+"/?x=1&y=2")
			if (err == nil) != (row.want == "") || err != nil && !strings.Contains(err.Error(), row.want) {
				t.Errorf("got %v, want %q", err, row.want)
			}
			if e, ok := errors.AsType[*todo.Error](err); err != nil && (!ok || e.Kind != todo.EndpointFailed) {
				t.Errorf("the kind of %v", err)
			}
		})
	}
	t.Cleanup(func() {
		if n := count.Load(); n > 0 {
			t.Errorf("a redirect was followed: %d connections", n)
		}
	})
}

func TestCertificates(t *testing.T) {
	t.Parallel()
	hour := time.Now().Add(time.Hour)
	good, roots := certificate(t, "localhost", hour)
	selfSigned, _ := certificate(t, "localhost", hour)
	otherHost, otherRoots := certificate(t, "example.org", hour)
	old, oldRoots := certificate(t, "localhost", time.Now().Add(-time.Hour))
	rows := []struct {
		name    string
		leaf    tls.Certificate
		roots   *x509.CertPool
		version uint16 // the newest that the endpoint speaks
		ok      bool
	}{
		{"good", good, roots, tls.VersionTLS13, true},
		{"TLS 1.2", good, roots, tls.VersionTLS12, true},
		{"TLS 1.1", good, roots, tls.VersionTLS11, false},
		{"self-signed", selfSigned, roots, tls.VersionTLS13, false},
		{"another host", otherHost, otherRoots, tls.VersionTLS13, false},
		{"expired", old, oldRoots, tls.VersionTLS13, false},
	}
	allow, err := webhook.ParseAllow([]string{"localhost"})
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			server := httptest.NewUnstartedServer(http.HandlerFunc(echoToken))
			server.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
			server.TLS = &tls.Config{Certificates: []tls.Certificate{row.leaf}, MinVersion: tls.VersionTLS10, MaxVersion: row.version}
			server.StartTLS()
			defer server.Close()
			_, port, _ := net.SplitHostPort(server.Listener.Addr().String())
			client := webhook.NewClient(webhook.ClientOptions{Allow: allow, Roots: row.roots})
			err := client.Handshake(t.Context(), slog.New(slog.DiscardHandler), "caller", "https://localhost:"+port+"/")
			if (err == nil) != row.ok {
				t.Errorf("got %v", err)
			}
		})
	}
}

// An endpoint that stalls ends in ten seconds, and a caller has few of them at a
// time.
func TestHandshakeLimits(t *testing.T) {
	hook := http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	inBubble(t, nil, func(t *testing.T, _ *rig) {
		client := webhook.NewClient(webhook.ClientOptions{Transport: hosts{"hook": hook}})
		shake := func(caller string) error {
			return client.Handshake(t.Context(), slog.New(slog.DiscardHandler), caller, "https://hook/")
		}
		var refused, timedOut atomic.Int64
		begin := time.Now()
		var wait sync.WaitGroup
		for i := range 200 {
			wait.Go(func() {
				e, _ := errors.AsType[*todo.Error](shake(fmt.Sprint("caller ", i%20)))
				switch {
				case e != nil && e.Kind == todo.TooManyRequests:
					refused.Add(1)
				case e != nil && e.Kind == todo.EndpointTimedOut && time.Since(begin) == 10*time.Second:
					timedOut.Add(1)
				}
			})
		}
		wait.Wait()
		if refused.Load() != 200-64 || timedOut.Load() != 64 {
			t.Errorf("%d were refused and %d timed out", refused.Load(), timedOut.Load())
		}
		for range 6 {
			wait.Go(func() {
				e, _ := errors.AsType[*todo.Error](shake("one caller"))
				if e != nil && e.Kind == todo.TooManyRequests {
					refused.Add(1)
				}
			})
		}
		wait.Wait()
		if refused.Load() != 200-64+2 {
			t.Errorf("%d of one caller were refused, want 2", refused.Load()-136)
		}
	})
}
