package auth

import (
	"strings"
	"sync"
)

// cacheSize bounds the tokens that a Verifier remembers. A token of Duly's is
// about 1.2 kB, so a full cache holds some 5 MB.
const cacheSize = 4_096

// verified is what is known of a token whose signature and claims were right.
type verified struct {
	principal Principal
	lifetime  lifetime
	key       *signingKey // of this server's; nil for those of others
	id        string      // the claim jti
	session   string      // the claim sid
	issued    int64       // in microseconds since 1970

	external *external // who has signed it; nil: this server
	foreign  usedKey   // the key of external's
}

// A cache remembers tokens that were verified, because a signature costs more
// than all the rest of a request. It keeps what the token says and no verdict:
// whoever takes an entry checks its lifetime again, whether its key is still one,
// and how its user and its application stand. Tokens that were never good are not
// remembered, so nobody can fill the cache with them.
//
// The key is the text of the token itself, since hashing it first would cost
// ten times the look-up. The texts are secrets, in memory only.
type cache struct {
	mu      sync.RWMutex
	limit   int
	entries map[string]*verified
}

func newCache(limit int) *cache {
	return &cache{limit: limit, entries: make(map[string]*verified)}
}

func (c *cache) get(token string) (*verified, bool) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	v, ok := c.entries[token]
	return v, ok
}

// put remembers a token, in the place of any other one when the cache is full:
// a victim at random needs no bookkeeping on a hit, which would need the lock
// for writing.
func (c *cache) put(token string, v *verified) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, known := c.entries[token]; !known && len(c.entries) >= c.limit {
		for victim := range c.entries { // Go starts at a random place
			delete(c.entries, victim)
			break
		}
	}
	c.entries[strings.Clone(token)] = v // the token may be a part of a larger string
}

func (c *cache) drop(token string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.entries, token)
}
