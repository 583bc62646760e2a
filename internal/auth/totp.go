package auth

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha1"
	"encoding/base32"
	"encoding/binary"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"rsc.io/qr"
)

// The parameters of codes that all authenticator apps know: SHA-1, six digits,
// 30 seconds (RFC 6238). A code of the period before and after the present one
// counts, for clocks that are off and people who type slowly.
const (
	codeDigits  = 6
	codePeriod  = 30 * time.Second
	appKeySize  = 20 // bytes, as many as SHA-1 gives (RFC 4226 section 4)
	codeOverlap = 1  // periods
)

// Recovery codes have 80 bits, so that a plain hash will do for them.
const (
	recoveryCodes  = 10
	recoveryLength = 16 // characters of base32
)

var base32Text = base32.StdEncoding.WithPadding(base32.NoPadding)

// oneTimeCode is the code of a counter (RFC 4226 section 5.3).
func oneTimeCode(key []byte, counter int64, digits int) string {
	h := hmac.New(sha1.New, key)
	h.Write(binary.BigEndian.AppendUint64(nil, uint64(counter)))
	sum := h.Sum(nil)
	at := sum[len(sum)-1] & 15
	n := uint64(binary.BigEndian.Uint32(sum[at:]) & 0x7fff_ffff)
	mod := uint64(1)
	for range digits {
		mod *= 10
	}
	return fmt.Sprintf("%0*d", digits, n%mod)
}

// stepOf is the number of the period of a time.
func stepOf(now time.Time) int64 { return now.Unix() / int64(codePeriod/time.Second) }

// matchingStep is the period after the period last, about now, whose code it is.
func matchingStep(key []byte, code string, last int64, now time.Time) (step int64, ok bool) {
	for n := stepOf(now) - codeOverlap; n <= stepOf(now)+codeOverlap; n++ {
		if equalSecrets(oneTimeCode(key, n, codeDigits), code) && n > last && !ok {
			step, ok = n, true
		}
	}
	return step, ok
}

// typedCode is a code as it is compared: people write spaces and dashes into it.
func typedCode(s string) string {
	return strings.ToUpper(strings.Map(func(r rune) rune {
		if r == ' ' || r == '-' {
			return -1
		}
		return r
	}, clip(s)))
}

// appURI is what an authenticator app reads from the picture. Spaces are %20 in
// it, since some apps show a + as it stands.
func appURI(key, host, user string) string {
	issuer := "Duly"
	if host != "" {
		issuer += " (" + host + ")"
	}
	return "otpauth://totp/" + url.PathEscape(issuer) + ":" + url.PathEscape(user) + "?secret=" + key + "&issuer=" + strings.ReplaceAll(url.QueryEscape(issuer), "+", "%20")
}

// A picture is a QR code as the path of an SVG image.
type picture struct {
	Path string
	Size int // modules of a side, with the margin
}

const pictureMargin = 4 // modules, which readers need (ISO/IEC 18004)

func drawQR(text string) (picture, error) {
	code, err := qr.Encode(text, qr.M)
	if err != nil {
		return picture{}, fmt.Errorf("draw a QR code: %w", err)
	}
	var b strings.Builder
	for y := range code.Size {
		for x := 0; x < code.Size; x++ {
			from := x
			for x < code.Size && code.Black(x, y) {
				x++
			}
			if x > from {
				fmt.Fprintf(&b, "M%d %dh%dv1h-%dz", from+pictureMargin, y+pictureMargin, x-from, x-from)
			}
		}
	}
	return picture{b.String(), code.Size + 2*pictureMargin}, nil
}

// A sealer keeps the keys of authenticator apps unreadable to who has the
// database alone.
type sealer struct{ cipher.AEAD }

func newSealer(secret []byte) (sealer, error) {
	block, err := aes.NewCipher(secret)
	if err != nil {
		return sealer{}, err
	}
	gcm, err := cipher.NewGCMWithRandomNonce(block)
	return sealer{gcm}, err
}

// seal encrypts the key of a user's app.
func (s sealer) seal(user string, key []byte) []byte { return s.Seal(nil, nil, key, []byte(user)) }

var errUnsealed = errors.New("the key of an authenticator app cannot be read: issuer.json is not the one with which it was set up; restore that, or take the app away with duly user reset-factors")

// open decrypts what seal returned for the same user.
func (s sealer) open(user string, sealed []byte) ([]byte, error) {
	key, err := s.Open(nil, nil, sealed, []byte(user))
	if err != nil {
		return nil, errUnsealed
	}
	return key, nil
}

// newRecoveryCodes makes codes to be written down, and their hashes.
func newRecoveryCodes(user string) (codes, hashes []string) {
	for range recoveryCodes {
		b := make([]byte, recoveryLength*5/8)
		rand.Read(b)
		code := base32Text.EncodeToString(b)
		hashes = append(hashes, recoveryHash(user, code))
		codes = append(codes, strings.ToLower(code[:4]+"-"+code[4:8]+"-"+code[8:12]+"-"+code[12:]))
	}
	return codes, hashes
}

func recoveryHash(user, code string) string { return hashed(user + " " + code) }
