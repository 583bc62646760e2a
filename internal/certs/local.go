package certs

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/duly-todo/duly/internal/datafile"
)

// The files of the data folder that hold the local authority.
const (
	AuthorityFile    = "ca.pem"
	authorityKeyFile = "ca-key.pem"
)

// remedy is what to do about an authority that is of no use.
const remedy = "restore " + AuthorityFile + " and " + authorityKeyFile + ", or move both away to make a new authority, which clients then have to trust"

// The authority lasts long, because each client has to be told to trust it. The
// server's own certificate costs nothing to renew and its key is in memory
// alone, so it lasts as short as clocks that go wrong and clients that hold
// connections allow.
const (
	authorityYears = 10
	leafLifetime   = 30 * 24 * time.Hour
	renewBefore    = 10 * 24 * time.Hour
	clockSkew      = time.Hour // by how much a client's clock may be slow
)

// local is a certificate by an authority of our own.
type local struct {
	path  string // of the authority
	names []string
	now   func() time.Time

	authority *x509.Certificate
	key       *ecdsa.PrivateKey

	mu          sync.Mutex
	certificate *tls.Certificate
}

// Local makes certificates for [LocalNames] and the other names, which are host
// names and addresses. They are signed by an authority in the folder, which is
// made if there is none: its certificate in ca.pem is for clients to trust, and
// its key in ca-key.pem closed to other accounts. Whoever steals the key can
// only play servers of these names, because the authority is limited to them.
//
// An authority that is damaged, has ended, or may not sign for all names is an
// error that says what to do. It is never replaced, because clients trust it.
func Local(dir string, names []string, now func() time.Time) (*tls.Config, error) {
	l := &local{path: filepath.Join(dir, AuthorityFile), names: append(LocalNames(), names...), now: now}
	if err := l.open(filepath.Join(dir, authorityKeyFile)); err != nil {
		return nil, err
	}
	var err error
	if l.certificate, err = l.issue(); err != nil {
		return nil, fmt.Errorf("the local authority %s cannot be used (%w): %s", l.path, err, remedy)
	}
	return config(l.get), nil
}

// LocalNames are the names by which a machine calls itself.
func LocalNames() []string { return []string{"localhost", "127.0.0.1", "::1"} }

// get returns the certificate, and makes a new one before it ends.
func (l *local) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.now().Add(renewBefore).Before(l.certificate.Leaf.NotAfter) {
		return l.certificate, nil
	}
	certificate, err := l.issue()
	if err != nil {
		return nil, fmt.Errorf("the local authority %s cannot be used any more: %w", l.path, err)
	}
	l.certificate = certificate
	return certificate, nil
}

// open loads the authority, and makes what is missing of it: first the key and
// then the certificate, each whole, so that processes that start at once agree.
func (l *local) open(keyPath string) error {
	key, err := readOrMake(keyPath, "PRIVATE KEY", 0o600, newKey)
	if err != nil {
		return err
	}
	private, err := x509.ParsePKCS8PrivateKey(key)
	var ok bool
	if l.key, ok = private.(*ecdsa.PrivateKey); !ok && err == nil {
		err = errors.New("it is of another kind than those that Duly makes")
	}
	if err != nil {
		return fmt.Errorf("the key %s is damaged (%w): %s", keyPath, err, remedy)
	}
	der, err := readOrMake(l.path, "CERTIFICATE", 0o644, l.newAuthority)
	if err != nil {
		return err
	}
	if l.authority, err = x509.ParseCertificate(der); err == nil {
		if !l.key.PublicKey.Equal(l.authority.PublicKey) {
			err = errors.New("it belongs to another key than " + keyPath)
		}
	}
	if err != nil {
		return fmt.Errorf("the local authority %s is damaged (%w): %s", l.path, err, remedy)
	}
	return nil
}

// Authority returns the certificate of the folder's local authority as PEM. The
// error is fs.ErrNotExist where there is none.
func Authority(dir string) ([]byte, error) {
	path := filepath.Join(dir, AuthorityFile)
	der, err := readPEM(path, "CERTIFICATE")
	if err != nil {
		return nil, err
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), nil
}

// readOrMake reads the one block of a PEM file, which it makes if there is none.
func readOrMake(path, kind string, mode fs.FileMode, content func() ([]byte, error)) ([]byte, error) {
	der, err := readPEM(path, kind)
	if !errors.Is(err, fs.ErrNotExist) {
		return der, err
	}
	if der, err = content(); err == nil {
		err = datafile.WriteOnce(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), mode)
	}
	if err != nil {
		return nil, fmt.Errorf("making the local authority: %w", err)
	}
	return readPEM(path, kind) // ours, or that of a process which was faster
}

func readPEM(path, kind string) ([]byte, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("reading the local authority: %w", err)
	}
	block, _ := pem.Decode(text)
	if block == nil || block.Type != kind {
		return nil, fmt.Errorf("%s is damaged (it holds no %s in PEM): %s", path, kind, remedy)
	}
	return block.Bytes, nil
}

func newKey() ([]byte, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	return x509.MarshalPKCS8PrivateKey(key)
}

// newAuthority makes the certificate of an authority that can sign for our names
// and for nothing else: no other host or address, no mail, no program, and no
// further authority.
func (l *local) newAuthority() ([]byte, error) {
	now := l.now()
	template := &x509.Certificate{
		Subject:               pkix.Name{CommonName: "Duly local authority " + rand.Text()[:6]}, // to tell them apart in a list
		NotBefore:             now.Add(-clockSkew),
		NotAfter:              now.AddDate(authorityYears, 0, 0),
		KeyUsage:              x509.KeyUsageCertSign,
		ExtKeyUsage:           []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		BasicConstraintsValid: true,
		IsCA:                  true,
		MaxPathLenZero:        true,

		PermittedDNSDomainsCritical: true,
		PermittedDNSDomains:         []string{"localhost"}, // which includes all names below it
		PermittedIPRanges: []*net.IPNet{
			{IP: net.IPv4(127, 0, 0, 0).To4(), Mask: net.CIDRMask(8, 32)},
			{IP: net.IPv6loopback, Mask: net.CIDRMask(128, 128)},
		},
	}
	for _, name := range l.names[len(LocalNames()):] {
		if addr, err := netip.ParseAddr(name); err == nil {
			ip := net.IP(addr.Unmap().AsSlice())
			template.PermittedIPRanges = append(template.PermittedIPRanges, &net.IPNet{IP: ip, Mask: net.CIDRMask(8*len(ip), 8*len(ip))})
		} else {
			template.PermittedDNSDomains = append(template.PermittedDNSDomains, name)
		}
	}
	return x509.CreateCertificate(rand.Reader, template, template, l.key.Public(), l.key)
}

// issue makes a certificate for the names, and verifies it as a client would.
func (l *local) issue() (*tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	now := l.now()
	template := &x509.Certificate{
		Subject:     pkix.Name{CommonName: "Duly"},
		NotBefore:   now.Add(-clockSkew),
		NotAfter:    now.Add(leafLifetime),
		KeyUsage:    x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	for _, name := range l.names {
		if addr, err := netip.ParseAddr(name); err == nil {
			template.IPAddresses = append(template.IPAddresses, addr.AsSlice())
		} else {
			template.DNSNames = append(template.DNSNames, name)
		}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, l.authority, key.Public(), l.key)
	if err != nil {
		return nil, err
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, err
	}
	roots := x509.NewCertPool()
	roots.AddCert(l.authority)
	if _, err := leaf.Verify(x509.VerifyOptions{Roots: roots, CurrentTime: now}); err != nil {
		return nil, err
	}
	return &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}, nil
}
