package auth

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"golang.org/x/crypto/argon2"

	"github.com/duly-todo/duly/internal/store"
)

// What the secrets that are given out begin with, so that one is not taken for
// another, and that scanners of source code find them.
const (
	codePrefix     = "dulyac_"
	refreshPrefix  = "dulyrt_"
	devicePrefix   = "dulydc_"
	personalPrefix = "dulypat_"
	clientPrefix   = "dulycs_"
	sessionPrefix  = "dulyse_"
	setupPrefix    = "dulysu_"
)

// newSecret makes a secret of 256 bits that names its user, whose id is a GUID
// or empty, and the hash under which it is stored.
func newSecret(prefix, user string) (secret, hash string) {
	var b [48]byte
	id, err := hex.DecodeString(strings.ReplaceAll(user, "-", ""))
	if err != nil || len(id) != 16 && len(id) != 0 {
		panic("auth: a user's id is no GUID")
	}
	copy(b[:16], id)
	rand.Read(b[16:])
	secret = prefix + base64.RawURLEncoding.EncodeToString(b[:])
	return secret, hashed(secret)
}

// readSecret returns the user whom a secret of newSecret names, and its hash.
func readSecret(prefix, secret string) (user, hash string, ok bool) {
	text, ok := strings.CutPrefix(secret, prefix)
	if !ok || len(text) != 64 {
		return "", "", false
	}
	b, err := base64.RawURLEncoding.Strict().DecodeString(text)
	if err != nil {
		return "", "", false
	}
	if [16]byte(b[:16]) != [16]byte{} {
		user = formatGUID([16]byte(b[:16]))
	}
	return user, hashed(secret), true
}

// hashed is the form in which a secret of 256 bits is stored: there is nothing
// to guess, so that a plain hash will do.
func hashed(secret string) string {
	sum := sha256.Sum256([]byte(secret))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// equalSecrets compares without telling by its time where the texts differ.
func equalSecrets(a, b string) bool { return subtle.ConstantTimeCompare([]byte(a), []byte(b)) == 1 }

// The limits of a password, in characters. Longer is safer, and nothing else is
// asked for (NIST SP 800-63B section 5.1.1.2).
const (
	MinPassword = 10
	MaxPassword = 256
)

// The parameters of argon2id: the least that OWASP's password storage cheat
// sheet names. One hash takes 19 MiB and about 50 ms.
const (
	argonMemory = 19 << 10 // KiB
	argonTime   = 2
	argonSalt   = 16
	argonKey    = 32
)

// passwordWait is how long a sign-in waits for the hashes before it.
const passwordWait = 5 * time.Second

// errBusy answers when too many passwords are checked at the same time.
var errBusy = errors.New("too many passwords are being checked")

// passwords hashes passwords, two at a time at most.
type passwords struct {
	turn chan struct{}
	wait time.Duration
	hash func(password, salt []byte, time, memory uint32) []byte
}

func newPasswords() *passwords {
	return &passwords{turn: make(chan struct{}, 2), wait: passwordWait, hash: func(password, salt []byte, time, memory uint32) []byte {
		return argon2.IDKey(password, salt, time, memory, 1, argonKey)
	}}
}

func (p *passwords) run(ctx context.Context, password string, salt []byte, time, memory uint32) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, p.wait)
	defer cancel()
	select {
	case p.turn <- struct{}{}:
	case <-ctx.Done():
		return nil, errBusy
	}
	defer func() { <-p.turn }()
	return p.hash([]byte(password), salt, time, memory), nil
}

// checkPassword says what is wrong with a new password, for people to read.
func checkPassword(password string) string {
	switch n := utf8.RuneCountInString(password); {
	case !utf8.ValidString(password):
		return "The password is no text."
	case n < MinPassword:
		return fmt.Sprintf("The password needs %d characters or more. A few words in a row are easy to remember.", MinPassword)
	case n > MaxPassword:
		return fmt.Sprintf("The password has more than %d characters.", MaxPassword)
	}
	return ""
}

// create hashes a new password in the PHC form.
func (p *passwords) create(ctx context.Context, password string) (string, error) {
	salt := make([]byte, argonSalt)
	rand.Read(salt)
	key, err := p.run(ctx, password, salt, argonTime, argonMemory)
	if err != nil {
		return "", err
	}
	b64 := base64.RawStdEncoding
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=1$%s$%s", argon2.Version, argonMemory, argonTime, b64.EncodeToString(salt), b64.EncodeToString(key)), nil
}

// check says whether the password is that of the hash. An empty hash, of a user
// who has no password or does not exist, takes the same time and is never right.
func (p *passwords) check(ctx context.Context, hash, password string) (bool, error) {
	if hash == "" {
		_, err := p.run(ctx, password, make([]byte, argonSalt), argonTime, argonMemory)
		return false, err
	}
	var version, memory, time uint32
	var rest string
	if _, err := fmt.Sscanf(hash, "$argon2id$v=%d$m=%d,t=%d,p=1$%s", &version, &memory, &time, &rest); err != nil || version != argon2.Version ||
		memory > 1<<20 || time == 0 || time > 100 {
		return false, errors.New("the hash of a password is damaged")
	}
	saltText, keyText, _ := strings.Cut(rest, "$")
	salt, err := base64.RawStdEncoding.DecodeString(saltText)
	if err != nil {
		return false, errors.New("the salt of a password is damaged")
	}
	key, err := p.run(ctx, password, salt, time, memory)
	return err == nil && equalSecrets(base64.RawStdEncoding.EncodeToString(key), keyText), err
}

// HashPassword hashes a password for [store.Tx.SetPassword]. The error says what
// is wrong with the password, for people to read.
func HashPassword(ctx context.Context, password string) (string, error) {
	if problem := checkPassword(password); problem != "" {
		return "", errors.New(strings.TrimSuffix(problem, "."))
	}
	return newPasswords().create(ctx, password)
}

// SetupPath makes a link with which a user can set a password once, within a
// day; for an empty user that of the first account. It returns its path.
func SetupPath(ctx context.Context, db *store.DB, user string, now time.Time) (string, error) {
	secret, hash := newSecret(setupPrefix, user)
	err := db.Update(ctx, store.As{User: user, App: CommandLineApp}, func(tx *store.Tx) error {
		return tx.PutSetupLink(hash, now.Add(24*time.Hour))
	})
	return "/setup/" + secret, err
}
