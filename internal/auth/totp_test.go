package auth

import (
	"bytes"
	"strings"
	"testing"
	"time"
)

// The vectors of RFC 6238, appendix B, for SHA-1.
func TestOneTimeCodes(t *testing.T) {
	t.Parallel()
	key := []byte("12345678901234567890")
	for _, tt := range []struct {
		unix int64
		code string
	}{
		{59, "94287082"}, {1111111109, "07081804"}, {1111111111, "14050471"},
		{1234567890, "89005924"}, {2000000000, "69279037"}, {20000000000, "65353130"},
	} {
		now := time.Unix(tt.unix, 0)
		if got := oneTimeCode(key, stepOf(now), 8); got != tt.code {
			t.Errorf("at %d the code is %s, not %s", tt.unix, got, tt.code)
		}
		if step, ok := matchingStep(key, tt.code[2:], 0, now); !ok || step != stepOf(now) {
			t.Errorf("at %d the code of now counts as that of period %d, %v", tt.unix, step, ok)
		}
	}
}

func TestMatchingStep(t *testing.T) {
	t.Parallel()
	key, now := []byte("12345678901234567890"), time.Unix(1_700_000_000, 0)
	at := stepOf(now)
	for _, tt := range []struct {
		name       string
		made, last int64 // periods from now
		ok         bool
	}{
		{"now", 0, -9, true}, {"before", -1, -9, true}, {"after", 1, -9, true},
		{"too early", 2, -9, false}, {"too late", -2, -9, false},
		{"used", 0, 0, false}, {"older than the used one", -1, 0, false}, {"newer than the used one", 1, 0, true},
	} {
		if step, ok := matchingStep(key, oneTimeCode(key, at+tt.made, codeDigits), at+tt.last, now); ok != tt.ok || ok && step != at+tt.made {
			t.Errorf("%s: %d, %v", tt.name, step, ok)
		}
	}
	for _, code := range []string{"", "0", "1234567", strings.Repeat("0", 1000), "١٢٣٤٥٦"} {
		if _, ok := matchingStep(key, typedCode(code), 0, now); ok {
			t.Errorf("%.20q is a code", code)
		}
	}
	if got := typedCode(" 12 3-456 "); got != "123456" {
		t.Errorf("typed %q", got)
	}
}

// A sealed key opens for its user under its secret, and for nobody else.
func TestSealer(t *testing.T) {
	t.Parallel()
	keys, err := NewKeys()
	if err != nil {
		t.Fatal(err)
	}
	other, err := NewKeys()
	if err != nil {
		t.Fatal(err)
	}
	sealerOf := func(k *Keys) sealer {
		secret, err := k.Secret("authenticator app")
		if err != nil {
			t.Fatal(err)
		}
		s, err := newSealer(secret)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	key := []byte("12345678901234567890")
	sealed := sealerOf(keys).seal(ada, key)
	if got, err := sealerOf(keys).open(ada, sealed); err != nil || !bytes.Equal(got, key) {
		t.Errorf("opened %q, %v", got, err)
	}
	if bytes.Contains(sealed, key) || bytes.Equal(sealed, sealerOf(keys).seal(ada, key)) {
		t.Error("the key can be seen, or two seals are the same")
	}
	if _, err := sealerOf(keys).open("22222222-2222-4222-8222-222222222222", sealed); err != errUnsealed {
		t.Errorf("for another user: %v", err)
	}
	if _, err := sealerOf(other).open(ada, sealed); err != errUnsealed {
		t.Errorf("with another issuer.json: %v", err)
	}
	sealed[len(sealed)-1] ^= 1
	if _, err := sealerOf(keys).open(ada, sealed); err != errUnsealed {
		t.Errorf("changed: %v", err)
	}
}

func TestAppURI(t *testing.T) {
	t.Parallel()
	const want = "otpauth://totp/Duly%20%28todo.example.org:8443%29:ada@example.org?secret=ABC&issuer=Duly%20%28todo.example.org%3A8443%29"
	if got := appURI("ABC", "todo.example.org:8443", "ada@example.org"); got != want {
		t.Errorf("got %s", got)
	}
	if _, err := drawQR(appURI(strings.Repeat("A", 32), strings.Repeat("h", 253), strings.Repeat("u", 256))); err != nil {
		t.Error(err)
	}
}
