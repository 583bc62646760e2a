package auth

import (
	"cmp"
	"context"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/duly-todo/duly/internal/datafile"
)

// KeyOverlap is how long a key verifies after another one has begun to sign: the
// longest life of a token, and the leeway after it.
const KeyOverlap = MaxLifetime + leeway*time.Second

// MaxKeyDelay is the longest time from when a key is published to when it signs,
// and the longest that the keys before it are kept beyond that.
const MaxKeyDelay = 30 * 24 * time.Hour

// maxKeys bounds the keys of a ring: the rotations that overlap.
const maxKeys = 20

// ErrNoKey says that no key has the name.
var ErrNoKey = errors.New("there is no such key")

// A term is when a key is used. A zero time is no bound.
type term struct {
	SignsFrom time.Time `json:"signsFrom,omitzero"` // it is published before
	GoodUntil time.Time `json:"goodUntil,omitzero"` // it neither verifies nor is published from then on
}

func (t term) over(now time.Time) bool { return !t.GoodUntil.IsZero() && !now.Before(t.GoodUntil) }

// A KeyInfo is what is known of a signing key, apart from the key.
type KeyInfo struct {
	ID        string // the kid: its thumbprint
	Algorithm string
	Signs     bool // it is the one that signs now
	SignsFrom time.Time
	GoodUntil time.Time // zero: no end is set
}

// Keys returns the keys that verify now, in the order in which they sign.
func (k *Keys) Keys(now time.Time) []KeyInfo {
	var out []KeyInfo
	for _, key := range k.published(now) {
		out = append(out, KeyInfo{key.jwk.KeyID, key.jwk.Algorithm, key == k.signer(now), key.SignsFrom, key.GoodUntil})
	}
	return out
}

// published are the keys that verify now, some of which may sign later.
func (k *Keys) published(now time.Time) []*signingKey {
	return slices.DeleteFunc(slices.Clone(k.ring()), func(key *signingKey) bool { return key.over(now) })
}

// algorithms are those of the published keys.
func (k *Keys) algorithms(now time.Time) (names []string) {
	for _, key := range k.published(now) {
		if !slices.Contains(names, key.jwk.Algorithm) {
			names = append(names, key.jwk.Algorithm)
		}
	}
	return names
}

// signer is the key that signs now: of those whose time has come the one that was
// last to begin.
func (k *Keys) signer(now time.Time) *signingKey {
	ring := k.ring()
	best := ring[0]
	for _, key := range ring[1:] {
		if !key.SignsFrom.After(now) && (key.SignsFrom.After(best.SignsFrom) || best.over(now)) && !key.over(now) {
			best = key
		}
	}
	return best
}

// key returns the key of that name if it verifies now, or nil.
func (k *Keys) key(kid string, now int64) *signingKey {
	for _, key := range k.ring() {
		if key.jwk.KeyID == kid && key.verifies(now) {
			return key
		}
	}
	return nil
}

// holds says whether a key that has verified a token does so still.
func (k *Keys) holds(key *signingKey, now int64) bool {
	return slices.Contains(k.ring(), key) && key.verifies(now)
}

// verifies says whether a key is good at a second since 1970.
func (k *signingKey) verifies(now int64) bool {
	return k.GoodUntil.IsZero() || now < k.GoodUntil.Unix()
}

// followKeysEvery is how long a change of the file goes unnoticed.
const followKeysEvery = 500 * time.Millisecond

// Follow takes note of keys that others write into dir/issuer.json until ctx ends.
// A file that is damaged or gone, or of another tenant, is logged once, and the
// keys stay as they are.
func (k *Keys) Follow(ctx context.Context, dir string, log *slog.Logger) {
	path := filepath.Join(dir, issuerName)
	tick := time.NewTicker(followKeysEvery)
	defer tick.Stop()
	var seen fs.FileInfo
	for failed := ""; ctx.Err() == nil; {
		info, err := os.Stat(path)
		if err == nil && (seen == nil || !os.SameFile(seen, info) || !info.ModTime().Equal(seen.ModTime()) || info.Size() != seen.Size()) {
			if err = k.reload(dir); err == nil {
				seen = info
			}
		}
		switch {
		case err == nil:
			failed = ""
		case err.Error() != failed:
			failed = err.Error()
			log.LogAttrs(ctx, slog.LevelError, "the signing keys stay as they were", slog.String("error", failed))
		}
		select {
		case <-ctx.Done():
		case <-tick.C:
		}
	}
}

// reload takes over the keys of the file. Those that are the same stay, so that
// tokens which they have verified need not be verified again.
func (k *Keys) reload(dir string) error {
	now, err := LoadKeys(dir)
	if err != nil {
		return err
	}
	if now.tenant != k.tenant {
		return fmt.Errorf("%s is of another tenant: restart the server if that is meant", filepath.Join(dir, issuerName))
	}
	ring := now.ring()
	for i, key := range ring {
		same := func(old *signingKey) bool { return old.jwk.KeyID == key.jwk.KeyID && old.term == key.term }
		if n := slices.IndexFunc(k.ring(), same); n >= 0 {
			ring[i] = k.ring()[n]
		}
	}
	k.current.Store(&ring)
	return nil
}

// RotateKeys makes a new key in dir/issuer.json, which signs after the delay. The
// keys of before verify for keep longer, and then are forgotten: the next rotation
// takes them off the file.
func RotateKeys(ctx context.Context, dir string, delay, keep time.Duration, now time.Time) error {
	if delay < 0 || delay > MaxKeyDelay || keep < 0 || keep > MaxKeyDelay {
		return fmt.Errorf("the times of a rotation must be from 0 to %.0f hours", MaxKeyDelay.Hours())
	}
	private, err := rsa.GenerateKey(rand.Reader, rsaBits)
	if err != nil {
		return fmt.Errorf("make a signing key: %w", err)
	}
	key, err := newSigningKey(private)
	if err != nil {
		return err
	}
	key.SignsFrom = now.Add(delay).UTC().Truncate(time.Second)
	return changeKeys(ctx, dir, func(k *Keys) error {
		ring := k.published(now)
		for i, old := range ring {
			if old.SignsFrom.After(now) {
				return fmt.Errorf("a rotation is under way: the key %s signs from %s; wait for that, or retire it", old.jwk.KeyID, old.SignsFrom.Format(time.RFC3339))
			}
			if end := key.SignsFrom.Add(keep); old.GoodUntil.IsZero() || old.GoodUntil.After(end) {
				ring[i] = old.until(end)
			}
		}
		if len(ring) >= maxKeys {
			return fmt.Errorf("there are %d keys, and that is the most: retire some", len(ring))
		}
		ring = append(ring, key)
		k.current.Store(&ring)
		return nil
	})
}

// RetireKey takes a key off dir/issuer.json, so that nothing it has signed is good
// any more. The key is named by the beginning of its ID. The one that signs cannot
// be retired. Where it is one that was to sign later, the one that signs goes on,
// without an end.
func RetireKey(ctx context.Context, dir, id string, now time.Time) (KeyInfo, error) {
	var retired KeyInfo
	err := changeKeys(ctx, dir, func(k *Keys) error {
		var named []KeyInfo
		for _, info := range k.Keys(now) {
			if id != "" && strings.HasPrefix(info.ID, id) {
				named = append(named, info)
			}
		}
		switch {
		case len(named) == 0:
			return fmt.Errorf("%w: %.80s", ErrNoKey, id)
		case len(named) > 1:
			return fmt.Errorf("several keys begin with %.80s", id)
		case named[0].Signs:
			return fmt.Errorf("the key %s signs: make another one by a rotation first", named[0].ID)
		}
		retired = named[0]
		ring := slices.DeleteFunc(k.published(now), func(key *signingKey) bool { return key.jwk.KeyID == retired.ID })
		if retired.SignsFrom.After(now) { // nothing takes the place of the one that signs
			for i, key := range ring {
				if key == k.signer(now) {
					ring[i] = key.until(time.Time{})
				}
			}
		}
		k.current.Store(&ring)
		return nil
	})
	return retired, err
}

// until is the key with another end.
func (k *signingKey) until(end time.Time) *signingKey {
	out := *k
	out.GoodUntil = end
	return &out
}

// changeKeys changes the file of the keys, one writer after the other.
func changeKeys(ctx context.Context, dir string, change func(*Keys) error) error {
	path := filepath.Join(dir, issuerName)
	err := datafile.Update(ctx, path, func(text []byte) ([]byte, error) {
		k, err := parseIssuer(text)
		if err != nil {
			return nil, damaged(path, err)
		}
		if err := change(k); err != nil {
			return nil, err
		}
		if text, err = k.text(); err != nil {
			return nil, err
		}
		_, err = parseIssuer(text)
		return text, err
	})
	if err != nil {
		return fmt.Errorf("change the keys: %w", err)
	}
	return nil
}

// text is the content of issuer.json for the keys, those that signed first first.
func (k *Keys) text() ([]byte, error) {
	file := issuerFile{TenantID: k.tenant, Secret: k.secret, Terms: map[string]term{}}
	ring := slices.Clone(k.ring())
	slices.SortStableFunc(ring, func(a, b *signingKey) int { return cmp.Compare(a.SignsFrom.Unix(), b.SignsFrom.Unix()) })
	for _, key := range ring {
		file.Keys = append(file.Keys, key.jwk)
		if key.term != (term{}) {
			file.Terms[key.jwk.KeyID] = key.term
		}
	}
	text, err := json.MarshalIndent(file, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("encode the signing keys: %w", err)
	}
	return append(text, '\n'), nil
}
