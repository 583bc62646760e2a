package duly

import (
	"context"
	"time"

	"github.com/duly-todo/duly/internal/auth"
)

// KeyOverlap is how long a signing key verifies by default after another one has
// begun to sign: the longest life of a token.
const KeyOverlap = auth.KeyOverlap

// MaxKeyDelay is the longest delay of a rotation, and the longest time that keys
// are kept after it.
const MaxKeyDelay = auth.MaxKeyDelay

// A SigningKey is one of those with which a server signs tokens. The key itself
// stays in issuer.json.
type SigningKey struct {
	ID        string // the kid of its tokens
	Algorithm string
	Signs     bool      // it is the one that signs now
	SignsFrom time.Time // zero: from the beginning
	GoodUntil time.Time // it is published and verifies until then; zero: no end is set
}

// ErrNoKey says that no signing key has the ID.
var ErrNoKey = auth.ErrNoKey

// SigningKeys returns the keys of a data folder, which a server may use meanwhile,
// that are published at a time, in the order in which they sign.
func SigningKeys(dataDir string, now time.Time) ([]SigningKey, error) {
	k, err := auth.LoadKeys(dataDir)
	if err != nil {
		return nil, err
	}
	infos := k.Keys(now)
	out := make([]SigningKey, len(infos))
	for i, info := range infos {
		out[i] = SigningKey(info)
	}
	return out, nil
}

// RotateKeys makes a new signing key in a data folder. It is published at once and
// signs after delay, which leaves clients the time to read it; the keys of before
// verify for keep beyond that. Servers see it within a second. What is derived from
// the folder's secret, such as delta tokens, stays good.
func RotateKeys(ctx context.Context, dataDir string, delay, keep time.Duration, now time.Time) error {
	return auth.RotateKeys(ctx, dataDir, delay, keep, now)
}

// RetireKey takes a signing key, named by the beginning of its ID, off a data
// folder: all tokens that it has signed end. The error is [ErrNoKey] where there is
// none. The key that signs cannot be retired.
func RetireKey(ctx context.Context, dataDir, id string, now time.Time) (SigningKey, error) {
	info, err := auth.RetireKey(ctx, dataDir, id, now)
	return SigningKey(info), err
}
