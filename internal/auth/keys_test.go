package auth

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/google/go-cmp/cmp"
)

// newECFromSeed returns always the same key.
func newECFromSeed(tb testing.TB) *ecdsa.PrivateKey {
	tb.Helper()
	seed := make([]byte, 32)
	for n := range seed {
		seed[n] = byte(n + 1)
	}
	key, err := ecdsa.ParseRawPrivateKey(elliptic.P256(), seed)
	if err != nil {
		tb.Fatal(err)
	}
	return key
}

func TestOpenKeysMakesTheIssuerOnce(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "new", "data")
	first, err := OpenKeys(dir)
	if err != nil {
		t.Fatal(err)
	}
	second, err := OpenKeys(dir)
	if err != nil {
		t.Fatal(err)
	}
	if first.issuer != second.issuer || first.ring()[0].jwk.KeyID != second.ring()[0].jwk.KeyID {
		t.Errorf("the issuer changed from %s to %s", first.issuer, second.issuer)
	}
	if first.ring()[0].jwk.Algorithm != "RS256" || len(first.ring()) != 1 {
		t.Errorf("%d keys, the first for %s, want one for RS256", len(first.ring()), first.ring()[0].jwk.Algorithm)
	}
	if !regexp.MustCompile(`^https://duly\.invalid/[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}/v2\.0$`).MatchString(first.issuer) {
		t.Errorf("the issuer is named %s", first.issuer)
	}
	token, err := first.Mint(Grant{ID: ada, Lifetime: time.Hour}, testTime())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := NewVerifier(second, users, testTime).Authenticate(bearing(token)); err != nil {
		t.Errorf("a token from before the restart is refused: %v", err)
	}
	checkFiles(t, dir)
}

// checkFiles wants nothing but a closed issuer.json in a closed folder.
func checkFiles(t *testing.T, dir string) {
	t.Helper()
	got := map[string]os.FileMode{}
	for _, path := range []string{dir, filepath.Join(dir, issuerName)} {
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		got[info.Name()] = info.Mode().Perm()
	}
	want := map[string]os.FileMode{filepath.Base(dir): 0o700, issuerName: 0o600}
	if diff := cmp.Diff(want, got); diff != "" && runtime.GOOS != "windows" {
		t.Errorf("modes differ (-want +got):\n%s", diff)
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) != 1 {
		t.Errorf("the folder holds %v (%v)", entries, err)
	}
}

func TestOpenKeysAtTheSameTime(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "data")
	opened := make([]*Keys, 6)
	var wg sync.WaitGroup
	for n := range opened {
		wg.Go(func() {
			k, err := OpenKeys(dir)
			if err != nil {
				t.Error(err)
				return
			}
			opened[n] = k
		})
	}
	wg.Wait()
	if t.Failed() {
		return
	}
	for _, k := range opened {
		if k.issuer != opened[0].issuer || k.ring()[0].jwk.KeyID != opened[0].ring()[0].jwk.KeyID {
			t.Errorf("issuers %s and %s, keys %s and %s", k.issuer, opened[0].issuer, k.ring()[0].jwk.KeyID, opened[0].ring()[0].jwk.KeyID)
		}
	}
	checkFiles(t, dir)
}

// A folder with several keys: the first signs, all verify.
func TestOpenKeysWithSeveralKeys(t *testing.T) {
	t.Parallel()
	i := newIssuer(t)
	k := openText(t, i.file().json())
	for n, name := range []string{"RS256", "ES256"} {
		token, err := newRing(k.tenant, k.ring()[n]).Mint(Grant{ID: ada, Lifetime: time.Hour}, testTime())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := NewVerifier(k, users, testTime).Authenticate(bearing(token)); err != nil {
			t.Errorf("a token of the key for %s is refused: %v", name, err)
		}
	}
}

// file is the content of an issuer.json with both keys.
func (i *issuer) file() members {
	return members{"tenantId": i.keys.tenant, "keys": []jose.JSONWebKey{i.keys.ring()[0].jwk, i.keys.ring()[1].jwk}}
}

func openText(t *testing.T, text string) *Keys {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, issuerName), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	k, err := OpenKeys(dir)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// damagedFiles are contents of issuer.json by what is wrong with them.
func damagedFiles(t *testing.T) map[string]string {
	t.Helper()
	i := newIssuer(t)
	file, good := i.file(), i.keys.ring()[0].jwk
	keys := func(keys ...any) string { return file.with("keys", keys).json() }
	changed := func(name string, value any) string {
		var k members
		text, err := good.MarshalJSON()
		if err == nil {
			err = json.Unmarshal(text, &k)
		}
		if err != nil {
			t.Fatal(err)
		}
		return keys(k.with(name, value))
	}
	other := func(alg string, private any) string { // a key that is all right in itself
		k := jose.JSONWebKey{Key: private, Algorithm: alg, Use: "sig"}
		thumbprint, err := k.Thumbprint(crypto.SHA256)
		if err != nil {
			t.Fatal(err)
		}
		k.KeyID = b64(string(thumbprint))
		return keys(k)
	}
	p384, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return map[string]string{
		"empty":                "",
		"zeros":                strings.Repeat("\x00", 512),
		"cut off":              file.json()[:700],
		"no tenant":            file.without("tenantId").json(),
		"tenant is no GUID":    file.with("tenantId", "common").json(),
		"tenant in upper case": file.with("tenantId", "ABCDEF00-2222-4333-8444-555555555555").json(),
		"no keys":              file.without("keys").json(),
		"empty list":           keys(),
		"a key twice":          keys(good, good),
		"public half only":     keys(good.Public()),
		"no kid":               changed("kid", ""),
		"another kid":          changed("kid", i.ecKID()),
		"another alg":          changed("alg", "PS256"),
		"another modulus":      changed("n", b64(strings.Repeat("\xff", 256))),
		"another exponent":     changed("d", b64(strings.Repeat("\x11", 256))),
		"a secret":             keys(members{"kty": "oct", "k": b64("0123456789abcdef"), "kid": "a", "alg": "HS256"}),
		"a key too short":      other("RS256", newRSA(t, 1024)),
		"another curve":        other("ES256", p384),
		"another type":         other("EdDSA", ed25519.NewKeyFromSeed(make([]byte, 32))),
		"a short secret":       file.with("secret", "c2hvcnQ=").json(),
	}
}

func TestOpenKeysRefusesADamagedFile(t *testing.T) {
	t.Parallel()
	for name, text := range damagedFiles(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), issuerName)
			if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			k, err := OpenKeys(filepath.Dir(path))
			if err == nil {
				t.Fatalf("opened as %s", k.issuer)
			}
			for _, word := range []string{path, "backup", "move it away", "invalidates"} {
				if !strings.Contains(err.Error(), word) {
					t.Errorf("the error does not say %q: %v", word, err)
				}
			}
			if len(err.Error()) > 600 {
				t.Errorf("the error may hold a key: %v", err)
			}
			if left, err := os.ReadFile(path); err != nil || string(left) != text {
				t.Errorf("the file was changed (%v)", err)
			}
		})
	}
}

func TestOpenKeysWithoutAFolder(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{file, filepath.Join(file, "data")} {
		if k, err := OpenKeys(dir); err == nil || strings.Contains(err.Error(), "damaged") {
			t.Errorf("%s: keys %v, error %v", dir, k, err)
		}
	}
}

func TestNewKeysAreDifferent(t *testing.T) {
	t.Parallel()
	one, err := NewKeys()
	if err != nil {
		t.Fatal(err)
	}
	two, err := NewKeys()
	if err != nil {
		t.Fatal(err)
	}
	if one.issuer == two.issuer || one.ring()[0].jwk.KeyID == two.ring()[0].jwk.KeyID {
		t.Errorf("issuers %s and %s", one.issuer, two.issuer)
	}
	if alg := one.ring()[0].jwk.Algorithm; alg != "ES256" {
		t.Errorf("a key in memory signs with %s", alg)
	}
}
