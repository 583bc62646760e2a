// Package auth says who is calling: it gives out the access tokens of a Duly
// server and checks those that come with the requests.
package auth

import (
	"crypto"
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"

	"github.com/go-jose/go-jose/v4"

	"github.com/duly-todo/duly/internal/datafile"
)

// issuerName is the file of the data folder that holds the issuer.
const issuerName = "issuer.json"

// rsaBits is the size of a new RSA key, and the least that is loaded: larger
// keys cost several times as much to verify (RFC 7518 section 3.3 asks for
// 2,048 or more).
const rsaBits = 2_048

// Keys is the token issuer of one data folder: its tenant, its name and its
// signing keys, of which the first signs and all verify. It does not change
// after it was opened, and may be used by several goroutines at once.
type Keys struct {
	tenant string
	issuer string
	ring   []*signingKey
	root   []byte // what Secret derives from
}

// A signingKey is a private key with the one algorithm it may be used with, so
// that no token can choose another one (RFC 8725 section 3.1).
type signingKey struct {
	jwk    jose.JSONWebKey                     // private, with kid, alg and use
	signer jose.Signer                         // for access tokens
	ids    jose.Signer                         // for id_tokens, which have another typ
	size   int                                 // bytes of a signature
	verify func(digest, signature []byte) bool // takes a signature of that size only
}

// issuerFile is the content of issuer.json.
type issuerFile struct {
	TenantID string            `json:"tenantId"`
	Keys     []jose.JSONWebKey `json:"keys"`

	// Secret is what all other secrets are derived from, so that they outlive the
	// keys. A file of before it has none: there the first key is in its place, and
	// whoever changes that has to write [Keys.root] here.
	Secret []byte `json:"secret,omitempty"`
}

// OpenKeys loads the issuer of the data folder from dir/issuer.json, and makes
// it with a new tenant id and a new RSA key when there is none. Both the folder
// and the file it makes are closed to other accounts (modes 0700 and 0600). Of
// several processes that start at once, one makes the file and all load it; the
// file system must know hard links for that.
//
// A file that is damaged is an error that says what to do. It is never replaced,
// because new keys make every token worthless that was given out.
func OpenKeys(dir string) (*Keys, error) {
	k, err := LoadKeys(dir)
	if errors.Is(err, fs.ErrNotExist) {
		if err := createIssuer(filepath.Join(dir, issuerName)); err != nil {
			return nil, fmt.Errorf("open the token issuer: %w", err)
		}
		k, err = LoadKeys(dir) // ours, or that of a process which was faster
	}
	return k, err
}

// LoadKeys is [OpenKeys] that makes nothing: the error is fs.ErrNotExist where
// there is no issuer.
func LoadKeys(dir string) (*Keys, error) {
	path := filepath.Join(dir, issuerName)
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("open the token issuer: %w", err)
	}
	k, err := parseIssuer(text)
	if err != nil {
		return nil, fmt.Errorf("the token issuer in %s is damaged (%w): restore the file from a backup, "+
			"or move it away to start with new keys, which invalidates every token given out so far", path, err)
	}
	return k, nil
}

// NewKeys returns an issuer that lives in memory only. Its key is of the curve
// P-256, which takes microseconds to make where an RSA key takes a tenth of a
// second. It fails only when the system gives no random numbers.
func NewKeys() (*Keys, error) {
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("make a signing key: %w", err)
	}
	key, err := newSigningKey(private)
	if err != nil {
		return nil, err
	}
	k := newRing(newGUID(), key)
	k.root = newRoot()
	return k, nil
}

func newRing(tenant string, ring ...*signingKey) *Keys {
	return &Keys{tenant: tenant, issuer: "https://duly.invalid/" + tenant + "/v2.0", ring: ring}
}

// key returns the key of that name, or nil.
func (k *Keys) key(kid string) *signingKey {
	for _, key := range k.ring {
		if key.jwk.KeyID == kid {
			return key
		}
	}
	return nil
}

// newSigningKey pins RS256 on an RSA key and ES256 on one of the curve P-256.
// The key is named by its thumbprint (RFC 7638).
func newSigningKey(private any) (*signingKey, error) {
	k := &signingKey{jwk: jose.JSONWebKey{Key: private, Use: "sig"}}
	switch private := private.(type) {
	case *rsa.PrivateKey:
		if private.N.BitLen() < rsaBits {
			return nil, fmt.Errorf("an RSA key of %d bits is too short: %d is the least", private.N.BitLen(), rsaBits)
		}
		k.jwk.Algorithm, k.size = string(jose.RS256), private.Size()
		k.verify = func(digest, signature []byte) bool {
			return rsa.VerifyPKCS1v15(&private.PublicKey, crypto.SHA256, digest, signature) == nil
		}
	case *ecdsa.PrivateKey:
		if private.Curve != elliptic.P256() {
			return nil, errors.New("an elliptic key is not of the curve P-256")
		}
		k.jwk.Algorithm, k.size = string(jose.ES256), 64
		k.verify = func(digest, signature []byte) bool { // r and s of 32 bytes each (RFC 7518 section 3.4)
			r, s := new(big.Int).SetBytes(signature[:32]), new(big.Int).SetBytes(signature[32:])
			return ecdsa.Verify(&private.PublicKey, digest, r, s)
		}
	default:
		return nil, errors.New("a key is not a private key of type RSA or P-256")
	}
	thumbprint, err := k.jwk.Thumbprint(crypto.SHA256)
	if err != nil {
		return nil, fmt.Errorf("name a signing key: %w", err)
	}
	k.jwk.KeyID = base64.RawURLEncoding.EncodeToString(thumbprint)
	signing := jose.SigningKey{Algorithm: jose.SignatureAlgorithm(k.jwk.Algorithm), Key: k.jwk} // which adds the kid
	var idErr error
	k.signer, err = jose.NewSigner(signing, (&jose.SignerOptions{}).WithType(tokenType))
	k.ids, idErr = jose.NewSigner(signing, (&jose.SignerOptions{}).WithType("JWT"))
	if err := errors.Join(err, idErr); err != nil {
		return nil, fmt.Errorf("use a signing key: %w", err)
	}
	return k, nil
}

// parseIssuer reads the text of issuer.json.
func parseIssuer(text []byte) (*Keys, error) {
	var file issuerFile
	if err := json.Unmarshal(text, &file); err != nil {
		return nil, err
	}
	if !regexp.MustCompile(`^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`).MatchString(file.TenantID) {
		return nil, errors.New("its tenantId is not a GUID in lower case")
	}
	if len(file.Keys) == 0 {
		return nil, errors.New("it holds no key")
	}
	k := newRing(file.TenantID)
	for _, jwk := range file.Keys {
		key, err := newSigningKey(jwk.Key)
		if err != nil {
			return nil, err
		}
		if jwk.KeyID != key.jwk.KeyID || jwk.Algorithm != key.jwk.Algorithm {
			return nil, errors.New("the kid or alg of a key is not the key's own")
		}
		if k.key(jwk.KeyID) != nil {
			return nil, errors.New("it holds a key twice")
		}
		k.ring = append(k.ring, key)
	}
	switch k.root = file.Secret; {
	case file.Secret == nil:
		var err error
		if k.root, err = x509.MarshalPKCS8PrivateKey(k.ring[0].jwk.Key); err != nil {
			return nil, err
		}
	case len(k.root) != rootSize:
		return nil, fmt.Errorf("its secret has %d bytes and not %d", len(k.root), rootSize)
	}
	return k, nil
}

// createIssuer writes a new issuer to path, unless another process does so first.
func createIssuer(path string) error {
	private, err := rsa.GenerateKey(rand.Reader, rsaBits)
	if err != nil {
		return fmt.Errorf("make a signing key: %w", err)
	}
	key, err := newSigningKey(private)
	if err != nil {
		return err
	}
	text, err := json.MarshalIndent(issuerFile{TenantID: newGUID(), Keys: []jose.JSONWebKey{key.jwk}, Secret: newRoot()}, "", "  ")
	if err != nil {
		return fmt.Errorf("encode the signing key: %w", err)
	}
	return datafile.WriteOnce(path, append(text, '\n'), 0o600)
}

// newGUID returns a random GUID in lower case (RFC 9562, version 4).
func newGUID() string {
	var b [16]byte
	rand.Read(b[:]) // never fails: it ends the program instead
	b[6] = b[6]&0x0f | 0x40
	b[8] = b[8]&0x3f | 0x80
	return formatGUID(b)
}

func formatGUID(b [16]byte) string {
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}

// rootSize is the bytes of the secret of which the others are derived.
const rootSize = 32

func newRoot() []byte {
	root := make([]byte, rootSize)
	rand.Read(root)
	return root
}

// Secret derives a secret of 32 bytes for a purpose, such as signing delta
// tokens. It is always the same, whatever becomes of the signing keys.
func (k *Keys) Secret(purpose string) ([]byte, error) {
	return hkdf.Key(sha256.New, k.root, nil, "duly "+purpose, 32)
}

// Tenant is the tenant id, a GUID.
func (k *Keys) Tenant() string { return k.tenant }

// WebPushKey is the public key of this server for web push (RFC 8292): a point of
// the curve P-256, uncompressed, as base64url. It never changes.
func (k *Keys) WebPushKey() (string, error) {
	for n := 0; ; n++ { // one secret in four thousand million is no scalar of the curve
		secret, err := k.Secret(fmt.Sprintf("web push key %d", n))
		if err != nil {
			return "", err
		}
		if private, err := ecdh.P256().NewPrivateKey(secret); err == nil {
			return base64.RawURLEncoding.EncodeToString(private.PublicKey().Bytes()), nil
		}
	}
}

// issuerPath is what the name of every issuer of a tenant ends in.
func issuerPath(tenant string) string { return "/" + tenant + "/v2.0" }

// issued says whether iss is a name of this issuer: that of the command line,
// that under the base URL, or where there is none, that of a loopback address
// that a client used.
func (k *Keys) issued(iss, base string) bool {
	origin, ok := strings.CutSuffix(iss, issuerPath(k.tenant))
	if !ok {
		return false
	}
	return iss == k.issuer || base != "" && origin == strings.TrimSuffix(base, "/") || base == "" && isLoopbackOrigin(origin)
}

// isLoopbackOrigin says whether s is a scheme and a host of this machine.
func isLoopbackOrigin(s string) bool {
	scheme, host, _ := strings.Cut(s, "://")
	return (scheme == "http" || scheme == "https") && isLoopbackHost(host)
}

// isLoopbackHost says whether s is a host of this machine, with a port or without.
func isLoopbackHost(s string) bool {
	host := s
	if h, port, err := net.SplitHostPort(s); err == nil {
		if _, err := strconv.ParseUint(port, 10, 16); err != nil {
			return false
		}
		host = h
	} else if strings.HasPrefix(s, "[") && strings.HasSuffix(s, "]") {
		host = s[1 : len(s)-1]
	}
	if strings.EqualFold(host, "localhost") {
		return true
	}
	addr, err := netip.ParseAddr(host)
	return err == nil && addr.IsLoopback() && addr.Zone() == ""
}
