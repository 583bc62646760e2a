package auth

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	_ "crypto/sha512"
	"encoding/base64"
	"encoding/json"
	"math/big"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"github.com/duly-todo/duly/internal/store"
	"github.com/duly-todo/duly/internal/todo"
)

// testTime is the present of every test.
func testTime() time.Time { return time.Date(2026, time.November, 21, 12, 0, 0, 0, time.UTC) }

const (
	ada   = "8f6d1c55-9a40-4a52-9a4f-0c6f1a6f0001" // a user
	ghost = "8f6d1c55-9a40-4a52-9a4f-0c6f1a6f0666" // a user who was deleted
	grace = "8f6d1c55-9a40-4a52-9a4f-0c6f1a6f0002" // a user who was signed out everywhere half a second ago
	edith = "8f6d1c55-9a40-4a52-9a4f-0c6f1a6f0003" // a user who is disabled
)

// errStore is a failure of the user look-up that is nobody's fault.
var errStore = context.DeadlineExceeded

// users knows everybody but ghost. Of everybody the token "revoked" and the
// family "ended" were revoked.
func users(_ context.Context, id string) (store.Standing, error) {
	s := store.Standing{Disabled: id == edith, Revoked: map[string]struct{}{"revoked": {}, "ended": {}}}
	switch id {
	case ghost, "":
		return s, &todo.Error{Kind: todo.NoSuchUser, Message: "There is no such user."}
	case grace:
		s.TokensFrom = testTime().Add(-500 * time.Millisecond)
	}
	return s, nil
}

// An issuer is a Keys with one key of each type, of which tests also have the
// private half, to forge with.
type issuer struct {
	keys     *Keys
	rsa      *rsa.PrivateKey
	ec       *ecdsa.PrivateKey
	stranger *rsa.PrivateKey // a key that is on no ring
}

func newIssuer(tb testing.TB) *issuer {
	tb.Helper()
	i := &issuer{rsa: newRSA(tb, rsaBits), ec: newEC(tb), stranger: newRSA(tb, rsaBits)}
	i.keys = newRing("11111111-2222-4333-8444-555555555555", ringKey(tb, i.rsa), ringKey(tb, i.ec))
	return i
}

func newRSA(tb testing.TB, bits int) *rsa.PrivateKey {
	tb.Helper()
	key, err := rsa.GenerateKey(rand.Reader, bits)
	if err != nil {
		tb.Fatal(err)
	}
	return key
}

func newEC(tb testing.TB) *ecdsa.PrivateKey {
	tb.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		tb.Fatal(err)
	}
	return key
}

func ringKey(tb testing.TB, private any) *signingKey {
	tb.Helper()
	key, err := newSigningKey(private)
	if err != nil {
		tb.Fatal(err)
	}
	return key
}

// verifier returns a Verifier of the issuer, and a count of the signatures that
// it has checked.
func (i *issuer) verifier() (*Verifier, *atomic.Int64) {
	return countingVerifier(i.keys, users, testTime)
}

func countingVerifier(k *Keys, users func(context.Context, string) (store.Standing, error), now func() time.Time) (*Verifier, *atomic.Int64) {
	count := new(atomic.Int64)
	var ring []*signingKey
	for _, key := range k.ring() {
		key, verify := *key, key.verify
		key.verify = func(digest, signature []byte) bool {
			count.Add(1)
			return verify(digest, signature)
		}
		ring = append(ring, &key)
	}
	return NewVerifier(newRing(k.tenant, ring...), users, now), count
}

// A members is a JSON object to damage.
type members map[string]any

// with returns a copy in which a member has another value.
func (m members) with(name string, value any) members {
	other := m.without()
	other[name] = value
	return other
}

// without returns a copy in which some members are missing.
func (m members) without(names ...string) members {
	other := members{}
	for name, value := range m {
		other[name] = value
	}
	for _, name := range names {
		delete(other, name)
	}
	return other
}

func (m members) json() string {
	text, err := json.Marshal(m)
	if err != nil {
		panic(err)
	}
	return string(text)
}

func (i *issuer) rsaKID() string { return i.keys.ring()[0].jwk.KeyID }
func (i *issuer) ecKID() string  { return i.keys.ring()[1].jwk.KeyID }

// header is the header of a good RS256 token.
func (i *issuer) header() members {
	return members{"alg": "RS256", "kid": i.rsaKID(), "typ": "at+jwt"}
}

// claims are those of a good token of ada's.
func (i *issuer) claims() members {
	now := testTime().Unix()
	return members{
		"iss": i.keys.issuer, "aud": "https://graph.microsoft.com", "sub": ada, "oid": ada, "tid": i.keys.tenant,
		"azp": CommandLineApp, "scp": "Tasks.ReadWrite User.Read", "idtyp": "user", "ver": "2.0",
		"iat": now - 60, "nbf": now - 60, "exp": now + 3600, "jti": "one",
	}
}

// good returns a good token of ada's.
func (i *issuer) good() string { return sign(i.header(), i.claims(), rs256(i.rsa)) }

// claiming returns a token with those claims and nothing else wrong.
func (i *issuer) claiming(c members) string { return sign(i.header(), c, rs256(i.rsa)) }

// heading returns a token with that header and nothing else wrong.
func (i *issuer) heading(h members) string { return sign(h, i.claims(), rs256(i.rsa)) }

func b64(s string) string { return base64.RawURLEncoding.EncodeToString([]byte(s)) }

func sign(header, claims members, with func(input []byte) []byte) string {
	return signText(header.json(), claims.json(), with)
}

func signText(header, payload string, with func(input []byte) []byte) string {
	input := b64(header) + "." + b64(payload)
	return input + "." + b64(string(with([]byte(input))))
}

func digest(h crypto.Hash, input []byte) []byte {
	d := h.New()
	d.Write(input)
	return d.Sum(nil)
}

func must(signature []byte, err error) []byte {
	if err != nil {
		panic(err)
	}
	return signature
}

func rs256(key *rsa.PrivateKey) func([]byte) []byte {
	return func(in []byte) []byte {
		return must(rsa.SignPKCS1v15(nil, key, crypto.SHA256, digest(crypto.SHA256, in)))
	}
}

func rs512(key *rsa.PrivateKey) func([]byte) []byte {
	return func(in []byte) []byte {
		return must(rsa.SignPKCS1v15(nil, key, crypto.SHA512, digest(crypto.SHA512, in)))
	}
}

func ps256(key *rsa.PrivateKey) func([]byte) []byte {
	return func(in []byte) []byte {
		return must(rsa.SignPSS(rand.Reader, key, crypto.SHA256, digest(crypto.SHA256, in), nil))
	}
}

func es256(key *ecdsa.PrivateKey) func([]byte) []byte {
	return func(in []byte) []byte {
		r, s, err := ecdsa.Sign(rand.Reader, key, digest(crypto.SHA256, in))
		return append(r.FillBytes(make([]byte, 32)), must(s.FillBytes(make([]byte, 32)), err)...)
	}
}

func es256DER(key *ecdsa.PrivateKey) func([]byte) []byte {
	return func(in []byte) []byte { return must(ecdsa.SignASN1(rand.Reader, key, digest(crypto.SHA256, in))) }
}

func hs256(secret []byte) func([]byte) []byte {
	return func(in []byte) []byte {
		mac := hmac.New(sha256.New, secret)
		mac.Write(in)
		return mac.Sum(nil)
	}
}

// mirrored turns an ES256 signature (r, s) into (r, n-s), which also verifies.
func mirrored(signature []byte) []byte {
	s := new(big.Int).SetBytes(signature[32:])
	s.Sub(elliptic.P256().Params().N, s)
	return append(append([]byte{}, signature[:32]...), s.FillBytes(make([]byte, 32))...)
}

// request returns a request whose Authorization headers have these values.
func request(authorization ...string) *http.Request {
	r := httptest.NewRequest(http.MethodGet, "/v1.0/me/todo/lists", nil)
	for _, value := range authorization {
		r.Header.Add("Authorization", value)
	}
	return r
}

func bearing(token string) *http.Request { return request("Bearer " + token) }
