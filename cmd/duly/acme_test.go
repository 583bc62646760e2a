package main

import (
	"bufio"
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/google/go-cmp/cmp"
)

// An acmeServer is an authority that speaks as much of ACME (RFC 8555) as one
// client needs for one order at a time. It checks signatures, nonces and the
// proof of the host (TLS-ALPN-01, RFC 8737).
type acmeServer struct {
	*httptest.Server
	host string // the only one it has orders for

	key  *ecdsa.PrivateKey
	cert *x509.Certificate

	mu      sync.Mutex
	found   *sync.Cond
	target  string // where the host is; until that is known, nobody is proven
	nonces  map[string]bool
	account *jose.JSONWebKey
	contact []string
	proven  bool
	issued  []byte // DER
	orders  int
}

func newACMEServer(t *testing.T, host string) *acmeServer {
	t.Helper()
	a := &acmeServer{host: host, nonces: map[string]bool{}}
	a.found = sync.NewCond(&a.mu)
	var err error
	if a.key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		Subject: pkix.Name{CommonName: "Test authority"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().AddDate(1, 0, 0),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, a.key.Public(), a.key)
	if err != nil {
		t.Fatal(err)
	}
	if a.cert, err = x509.ParseCertificate(der); err != nil {
		t.Fatal(err)
	}
	a.Server = httptest.NewUnstartedServer(a)
	a.Start() // only now, since its handler reads a.Server
	t.Cleanup(a.Close)
	return a
}

// ServeHTTP answers one request of the conversation.
func (a *acmeServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	a.mu.Lock()
	defer a.mu.Unlock()
	nonce := rand.Text()
	a.nonces[nonce] = true
	w.Header().Set("Replay-Nonce", nonce)
	var payload []byte
	if r.Method == http.MethodPost {
		var err error
		if payload, err = a.verify(r); err != nil {
			a.refuse(w, err)
			return
		}
	}
	switch r.URL.Path {
	case "/directory":
		a.answer(w, http.StatusOK, map[string]any{"newNonce": a.URL + "/nonce", "newAccount": a.URL + "/account", "newOrder": a.URL + "/orders"})
	case "/nonce":
	case "/account":
		a.register(w, payload)
	case "/orders":
		a.order(w, payload)
	case "/orders/1":
		a.answerOrder(w, http.StatusOK)
	case "/authorization":
		a.answer(w, http.StatusOK, map[string]any{
			"status": a.status("valid"), "identifier": map[string]string{"type": "dns", "value": a.host}, "challenges": []any{a.challenge()},
		})
	case "/challenge":
		if err := a.prove(); err != nil {
			a.refuse(w, err)
			return
		}
		a.proven = true
		a.answer(w, http.StatusOK, a.challenge())
	case "/finalize":
		if err := a.issue(payload); err != nil {
			a.refuse(w, err)
			return
		}
		a.found.Broadcast()
		a.answerOrder(w, http.StatusOK)
	case "/certificate":
		w.Header().Set("Content-Type", "application/pem-certificate-chain")
		_ = pem.Encode(w, &pem.Block{Type: "CERTIFICATE", Bytes: a.issued})
		_ = pem.Encode(w, &pem.Block{Type: "CERTIFICATE", Bytes: a.cert.Raw})
	default:
		a.refuse(w, fmt.Errorf("there is no %s", r.URL.Path))
	}
}

func (a *acmeServer) answer(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body)
}

func (a *acmeServer) refuse(w http.ResponseWriter, err error) {
	a.answer(w, http.StatusForbidden, map[string]any{"type": "urn:ietf:params:acme:error:unauthorized", "detail": err.Error()})
}

// verify checks the signature of a request and returns what was signed.
func (a *acmeServer) verify(r *http.Request) ([]byte, error) {
	text, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	signed, err := jose.ParseSignedJSON(string(text), []jose.SignatureAlgorithm{jose.ES256})
	if err != nil {
		return nil, err
	}
	header := signed.Signatures[0].Protected
	if !a.nonces[header.Nonce] || header.ExtraHeaders["url"] != a.URL+r.URL.Path {
		return nil, errors.New("the nonce or the url is wrong")
	}
	delete(a.nonces, header.Nonce)
	if r.URL.Path == "/account" {
		a.account = header.JSONWebKey
	}
	if a.account == nil {
		return nil, errors.New("there is no account")
	}
	return signed.Verify(a.account)
}

func (a *acmeServer) register(w http.ResponseWriter, payload []byte) {
	var asked struct {
		Contact []string `json:"contact"`
		Terms   bool     `json:"termsOfServiceAgreed"`
	}
	if err := json.Unmarshal(payload, &asked); err != nil {
		a.refuse(w, err)
		return
	}
	a.contact = asked.Contact
	w.Header().Set("Location", a.URL+"/accounts/1")
	a.answer(w, http.StatusCreated, map[string]any{"status": "valid", "contact": asked.Contact})
}

func (a *acmeServer) order(w http.ResponseWriter, payload []byte) {
	a.orders++
	var asked struct {
		Identifiers []struct{ Type, Value string } `json:"identifiers"`
	}
	if err := json.Unmarshal(payload, &asked); err != nil || len(asked.Identifiers) != 1 || asked.Identifiers[0].Value != a.host {
		a.refuse(w, fmt.Errorf("an order for %v (%v)", asked, err))
		return
	}
	a.answerOrder(w, http.StatusCreated)
}

// status is how far the order is; done is what it is called once the host is proven.
func (a *acmeServer) status(done string) string {
	if !a.proven {
		return "pending"
	}
	return done
}

func (a *acmeServer) answerOrder(w http.ResponseWriter, status int) {
	order := map[string]any{
		"status": a.status("ready"), "identifiers": []any{map[string]string{"type": "dns", "value": a.host}},
		"authorizations": []string{a.URL + "/authorization"}, "finalize": a.URL + "/finalize",
	}
	if a.issued != nil {
		order["status"], order["certificate"] = "valid", a.URL+"/certificate"
	}
	w.Header().Set("Location", a.URL+"/orders/1")
	a.answer(w, status, order)
}

const acmeToken = "evaGxfADs6pSRb2LAv9IZf17Dt3juxGJ-PCt92wr-oA"

func (a *acmeServer) challenge() map[string]any {
	return map[string]any{"type": "tls-alpn-01", "url": a.URL + "/challenge", "token": acmeToken, "status": a.status("valid")}
}

// prove asks the host for the certificate that shows that the account controls it.
func (a *acmeServer) prove() error {
	thumbprint, err := a.account.Thumbprint(crypto.SHA256)
	if err != nil {
		return err
	}
	digest := sha256.Sum256([]byte(acmeToken + "." + base64.RawURLEncoding.EncodeToString(thumbprint)))
	want, err := asn1.Marshal(digest[:])
	if err != nil {
		return err
	}
	for a.target == "" {
		a.found.Wait()
	}
	conn, err := tls.Dial("tcp", a.target, &tls.Config{ServerName: a.host, NextProtos: []string{"acme-tls/1"}, InsecureSkipVerify: true})
	if err != nil {
		return err
	}
	defer conn.Close()
	state := conn.ConnectionState()
	shown := state.PeerCertificates[0]
	for _, e := range shown.Extensions {
		if e.Id.Equal(asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 1, 31}) && e.Critical && bytes.Equal(e.Value, want) {
			if state.NegotiatedProtocol == "acme-tls/1" && len(shown.DNSNames) == 1 && shown.DNSNames[0] == a.host {
				return nil
			}
		}
	}
	return fmt.Errorf("the host shows a certificate for %q over %q, which proves nothing", shown.DNSNames, state.NegotiatedProtocol)
}

// issue signs what the request asks for.
func (a *acmeServer) issue(payload []byte) error {
	var asked struct{ CSR string }
	if err := json.Unmarshal(payload, &asked); err != nil {
		return err
	}
	der, err := base64.RawURLEncoding.DecodeString(asked.CSR)
	if err != nil {
		return err
	}
	csr, err := x509.ParseCertificateRequest(der)
	if err != nil {
		return err
	}
	if err := csr.CheckSignature(); err != nil || !a.proven || !cmp.Equal(csr.DNSNames, []string{a.host}) {
		return fmt.Errorf("a request for %q, proven: %t (%w)", csr.DNSNames, a.proven, err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(2), DNSNames: csr.DNSNames, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().AddDate(0, 0, 90),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	a.issued, err = x509.CreateCertificate(rand.Reader, template, a.cert, csr.PublicKey, a.key)
	return err
}

// The certificate comes when the first client asks for the host, is kept over a
// restart, and no other host gets one.
func TestACME(t *testing.T) {
	t.Parallel()
	const host = "todo.example.org"
	a := newACMEServer(t, host)
	s := newShell(t)
	addAda(t, s)
	token := strings.TrimSpace(s.must(t, "token", "--user", "ada"))
	for round := 1; round <= 2; round++ {
		p := s.start(t, "--tls", "acme", "--base-url", "https://"+host, "--acme-accept-terms", "--acme-email", "ops@example.org", "--acme-directory", a.URL+"/directory")
		address := strings.TrimPrefix(p.url, "https://")
		a.mu.Lock()
		a.target = address
		a.found.Broadcast()
		a.mu.Unlock()
		a.mu.Lock()
		for a.issued == nil { // which takes no client
			a.found.Wait()
		}
		a.mu.Unlock()
		p.trust(a.cert, host)
		for _, name := range []string{"other.example.org", "localhost", ""} {
			if _, err := tls.Dial("tcp", address, &tls.Config{ServerName: name, InsecureSkipVerify: true}); err == nil {
				t.Errorf("there is a certificate for %q", name)
			}
		}
		p.call(t, token, "GET", "/v1.0/me", "", http.StatusOK)
		p.stop(t)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.orders != 1 || !cmp.Equal(a.contact, []string{"mailto:ops@example.org"}) {
		t.Errorf("there were %d orders, and the contact is %q", a.orders, a.contact)
	}
	folder := filepath.Join(s.dir, "data", "acme")
	kept, err := os.ReadDir(folder)
	if err != nil || len(kept) != 2 {
		t.Fatalf("it keeps %v, %v", kept, err)
	}
	for _, file := range kept {
		if info, err := file.Info(); err != nil || info.Mode() != 0o600 {
			t.Errorf("%s has the mode %v, %v", file.Name(), info.Mode(), err)
		}
	}
}

// A certificate that cannot be had is told at once, and not by the first client.
func TestACMEFails(t *testing.T) {
	t.Parallel()
	a := newACMEServer(t, "other.example.org")
	s := newShell(t)
	cmd := s.command(t.Context(), "serve", "--listen", "127.0.0.1:0", "--tls", "acme", "--base-url", "https://todo.example.org", "--acme-accept-terms", "--acme-directory", a.URL+"/nothing")
	stderr, err := cmd.StderrPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewReader(stderr)
	for line := ""; !strings.Contains(line, "there is no certificate yet"); {
		if line, err = lines.ReadString('\n'); err != nil {
			t.Fatalf("it ends with %v and no word of it", err)
		}
	}
	_ = cmd.Process.Kill()
	_ = cmd.Wait() // it was killed
}
