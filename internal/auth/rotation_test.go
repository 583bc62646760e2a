package auth

import (
	"bytes"
	"context"
	"crypto/hkdf"
	"crypto/sha256"
	"crypto/x509"
	"encoding/json"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// keysIn writes an issuer with one key into a folder, quicker than OpenKeys.
func keysIn(t *testing.T) (dir string, k *Keys) {
	t.Helper()
	dir = t.TempDir()
	k, err := NewKeys()
	if err != nil {
		t.Fatal(err)
	}
	text, err := k.text()
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, issuerName), text, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	if k, err = LoadKeys(dir); err != nil {
		t.Fatal(err)
	}
	return dir, k
}

// M7: a token that a retired key has signed is good for the longest life of a
// token, and not for one second more, also when it was seen before.
func TestRotation(t *testing.T) {
	t.Parallel()
	const delay = 2 * time.Hour
	dir, k := keysIn(t)
	var clock atomic.Int64
	begin := testTime()
	at := func(d time.Duration) time.Time { clock.Store(int64(d)); return begin.Add(d) }
	now := func() time.Time { return begin.Add(time.Duration(clock.Load())) }
	v, mint := NewVerifier(k, users, now), func(life time.Duration) string {
		t.Helper()
		token, err := k.Mint(Grant{ID: ada, Lifetime: life}, now())
		if err != nil {
			t.Fatal(err)
		}
		return token
	}
	kid := func(token string) string {
		t.Helper()
		signed, err := jose.ParseSignedCompact(token, []jose.SignatureAlgorithm{jose.RS256, jose.ES256})
		if err != nil {
			t.Fatal(err)
		}
		return signed.Signatures[0].Header.KeyID
	}
	old := k.ring()[0].jwk.KeyID
	if err := RotateKeys(t.Context(), dir, delay, KeyOverlap, begin); err != nil {
		t.Fatal(err)
	}
	if err := k.reload(dir); err != nil {
		t.Fatal(err)
	}
	published := func(want int) {
		t.Helper()
		if got := k.published(now()); len(got) != want {
			t.Errorf("after %v %d keys are published, want %d", time.Duration(clock.Load()), len(got), want)
		}
	}
	at(0)
	published(2)
	at(delay - time.Second)
	if got := kid(mint(time.Hour)); got != old {
		t.Errorf("before the delay %s signs, want %s", got, old)
	}
	last := mint(MaxLifetime)
	at(delay)
	fresh := mint(time.Hour)
	if got := kid(fresh); got == old || got != k.ring()[1].jwk.KeyID {
		t.Errorf("after the delay %s signs", got)
	}
	for _, step := range []struct {
		name        string
		at          time.Duration
		last, fresh bool
	}{
		{"when the new key begins", delay, true, true},
		{"within the overlap, as it was minted for", delay + MaxLifetime - 2*time.Second, true, false},
		{"in the last second of the overlap", delay + KeyOverlap - 2*time.Second, true, false},
		{"one second after", delay + KeyOverlap, false, false},
	} {
		at(step.at)
		for name, token := range map[string]struct {
			text string
			want bool
		}{"old": {last, step.last}, "new": {fresh, step.fresh}} {
			if _, err := v.Authenticate(bearing(token.text)); (err == nil) != token.want {
				t.Errorf("%s, the token of the %s key: %v", step.name, name, err)
			}
		}
	}
	published(1)
	if err := RotateKeys(t.Context(), dir, 0, 0, now()); err != nil {
		t.Fatal(err)
	}
	if text, err := os.ReadFile(filepath.Join(dir, issuerName)); err != nil || strings.Contains(string(text), old) {
		t.Errorf("the file holds the key that is over, %v", err)
	}
}

// A key that is retired has never signed anything that is good, also of what was
// verified before; the tokens of others stay in the cache.
func TestRetire(t *testing.T) {
	t.Parallel()
	dir, k := keysIn(t)
	v, signatures := NewVerifier(k, users, testTime), 0
	before, err := k.Mint(Grant{ID: ada, Lifetime: time.Hour}, testTime())
	if err != nil {
		t.Fatal(err)
	}
	if err := RotateKeys(t.Context(), dir, 0, KeyOverlap, testTime()); err != nil {
		t.Fatal(err)
	}
	if err := k.reload(dir); err != nil {
		t.Fatal(err)
	}
	after, err := k.Mint(Grant{ID: ada, Lifetime: time.Hour}, testTime())
	if err != nil {
		t.Fatal(err)
	}
	for _, token := range []string{before, after, before, after} {
		if _, err := v.Authenticate(bearing(token)); err != nil {
			t.Fatal(err)
		}
	}
	keys := k.Keys(testTime())
	if len(keys) != 2 || keys[0].Signs || !keys[1].Signs || keys[0].GoodUntil.IsZero() || !keys[1].GoodUntil.IsZero() {
		t.Fatalf("the keys are %+v", keys)
	}
	for id, want := range map[string]string{"": "no such key", "none": "no such key", keys[1].ID: "signs: make another one"} {
		if _, err := RetireKey(t.Context(), dir, id, testTime()); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("retiring %q: %v, want %s", id, err, want)
		}
	}
	if retired, err := RetireKey(t.Context(), dir, keys[0].ID[:12], testTime()); err != nil || retired.ID != keys[0].ID {
		t.Fatalf("retired %v, %v", retired, err)
	}
	if err := k.reload(dir); err != nil {
		t.Fatal(err)
	}
	k.ring()[0].verify = func([]byte, []byte) bool { signatures++; return true }
	if _, err := v.Authenticate(bearing(before)); err == nil || err.Error() != badKey {
		t.Errorf("a token of the retired key: %v", err)
	}
	if _, err := v.Authenticate(bearing(after)); err != nil || signatures != 0 {
		t.Errorf("a token of the other key: %v after %d signatures", err, signatures)
	}
}

// A rotation that has not begun to sign can be taken back.
func TestRetireTheNextKey(t *testing.T) {
	t.Parallel()
	dir, k := keysIn(t)
	if err := RotateKeys(t.Context(), dir, time.Hour, KeyOverlap, testTime()); err != nil {
		t.Fatal(err)
	}
	if err := RotateKeys(t.Context(), dir, 0, 0, testTime()); err == nil || !strings.Contains(err.Error(), "under way") {
		t.Errorf("another rotation meanwhile: %v", err)
	}
	if err := k.reload(dir); err != nil {
		t.Fatal(err)
	}
	if _, err := RetireKey(t.Context(), dir, k.ring()[1].jwk.KeyID, testTime()); err != nil {
		t.Fatal(err)
	}
	if err := k.reload(dir); err != nil {
		t.Fatal(err)
	}
	if keys := k.Keys(testTime()); len(keys) != 1 || !keys[0].Signs || !keys[0].GoodUntil.IsZero() {
		t.Errorf("the keys are %+v", keys)
	}
}

// The secrets of files from before rotations are what they were, and stay so.
func TestSecretsOutliveRotations(t *testing.T) {
	t.Parallel()
	i := newIssuer(t)
	dir := t.TempDir()
	text, err := json.Marshal(issuerFile{TenantID: i.keys.tenant, Keys: []jose.JSONWebKey{i.keys.ring()[0].jwk}})
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, issuerName), text, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(i.rsa)
	if err != nil {
		t.Fatal(err)
	}
	want, err := hkdf.Key(sha256.New, private, nil, "duly delta token", 32)
	if err != nil {
		t.Fatal(err)
	}
	push := ""
	for n, step := range []string{"as it was", "rotated", "rotated twice, without the first key"} {
		if n > 0 {
			if err := RotateKeys(t.Context(), dir, 0, 0, testTime()); err != nil {
				t.Fatal(err)
			}
		}
		k, err := LoadKeys(dir)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := k.Secret("delta token"); err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s: the secret is %x and was %x, %v", step, got, want, err)
		}
		key, err := k.WebPushKey()
		if err != nil || push != "" && key != push {
			t.Errorf("%s: the key for web push is %s and was %s, %v", step, key, push, err)
		}
		push = key
	}
}

// Of several rotations at once, each is seen by the others: one makes a key, the
// rest are told that it is under way, and no key is lost.
func TestRotationsAtOnce(t *testing.T) {
	t.Parallel()
	dir, k := keysIn(t)
	var made atomic.Int64
	var writers sync.WaitGroup
	for range 4 {
		writers.Go(func() {
			switch err := RotateKeys(t.Context(), dir, time.Hour, KeyOverlap, testTime()); {
			case err == nil:
				made.Add(1)
			case !strings.Contains(err.Error(), "under way"):
				t.Error(err)
			}
		})
	}
	writers.Wait()
	if err := k.reload(dir); err != nil || made.Load() != 1 || len(k.ring()) != 2 {
		t.Errorf("%d rotations made %d keys, %v", made.Load(), len(k.ring()), err)
	}
}

func TestRotateRefuses(t *testing.T) {
	t.Parallel()
	dir, _ := keysIn(t)
	path := filepath.Join(dir, issuerName)
	good, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name        string
		delay, keep time.Duration
		text        string
		want        string
	}{
		{"negative delay", -1, 0, "", "must be from 0 to 720 hours"},
		{"negative keep", 0, -time.Second, "", "must be from 0 to 720 hours"},
		{"a year", 0, 365 * 24 * time.Hour, "", "must be from 0 to 720 hours"},
		{"damaged file", 0, 0, "{", "is damaged"},
		{"short secret", 0, 0, strings.Replace(string(good), `"secret": "`, `"secret": "QUJD", "_": "`, 1), "its secret has 3 bytes"},
		{"term of no key", 0, 0, strings.Replace(string(good), `"keys"`, `"terms": {"x": {}}, "keys"`, 1), "a key is used that is not there"},
	} {
		text := tt.text
		if text == "" {
			text = string(good)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := RotateKeys(t.Context(), dir, tt.delay, tt.keep, testTime()); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want %s", tt.name, err, tt.want)
		}
		if left, err := os.ReadFile(path); err != nil || string(left) != text {
			t.Errorf("%s changes the file, %v", tt.name, err)
		}
	}
	if err := RotateKeys(t.Context(), t.TempDir(), 0, 0, testTime()); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no file: %v", err)
	}
}

// Follow takes a rotation over, and keeps the keys where the file is damaged or
// of another tenant, which it logs once.
func TestFollowKeys(t *testing.T) {
	t.Parallel()
	dir, k := keysIn(t)
	other, _ := keysIn(t)
	var mu sync.Mutex
	var out bytes.Buffer
	log := slog.New(slog.NewTextHandler(writerFunc(func(b []byte) (int, error) {
		mu.Lock()
		defer mu.Unlock()
		return out.Write(b)
	}), nil))
	logged := func() string { mu.Lock(); defer mu.Unlock(); return out.String() }
	ctx, stop := context.WithCancel(t.Context())
	var following sync.WaitGroup
	following.Go(func() { k.Follow(ctx, dir, log) })
	defer func() { stop(); following.Wait() }()
	await := func(what string, holds func() bool) {
		t.Helper()
		for deadline := time.Now().Add(20 * time.Second); !holds(); {
			if time.Now().After(deadline) {
				t.Fatalf("%s: %s", what, logged())
			}
			<-time.After(10 * time.Millisecond)
		}
	}
	if err := RotateKeys(t.Context(), dir, 0, KeyOverlap, testTime()); err != nil {
		t.Fatal(err)
	}
	await("the rotation is not seen", func() bool { return len(k.ring()) == 2 })
	for name, write := range map[string]func() error{
		"is damaged":        func() error { return os.WriteFile(filepath.Join(dir, issuerName), []byte("{"), 0o600) },
		"of another tenant": func() error { return os.Rename(filepath.Join(other, issuerName), filepath.Join(dir, issuerName)) },
	} {
		if err := write(); err != nil {
			t.Fatal(err)
		}
		await(name+" is not logged", func() bool { return strings.Contains(logged(), name) })
	}
	if len(k.ring()) != 2 || strings.Count(logged(), "\n") != 2 {
		t.Errorf("%d keys, and the log has\n%s", len(k.ring()), logged())
	}
}

// A writerFunc is a function that writes.
type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(b []byte) (int, error) { return f(b) }
