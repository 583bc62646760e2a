package auth

import (
	"sync"
	"time"
)

// limiterSize bounds the names that a limiter counts for.
const limiterSize = 10_000

// A limiter counts attempts by name, such as that of an account or an address,
// in windows of time that begin with the first attempt.
type limiter struct {
	limit  int
	window time.Duration

	mu     sync.Mutex
	counts map[string]*count
}

type count struct {
	attempts int
	until    time.Time
}

func newLimiter(limit int, window time.Duration) *limiter {
	return &limiter{limit: limit, window: window, counts: make(map[string]*count)}
}

// take counts an attempt, so that of many at the same time no more than the
// limit pass. When there were too many it returns how long to wait.
func (l *limiter) take(name string, now time.Time) (wait time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	c := l.counts[name]
	if c == nil || !now.Before(c.until) {
		l.makeRoom(now)
		c = &count{until: now.Add(l.window)}
		l.counts[name] = c
	}
	if c.attempts >= l.limit {
		return c.until.Sub(now)
	}
	c.attempts++
	return 0
}

// wait is how long to wait when there were too many attempts, without counting one.
func (l *limiter) wait(name string, now time.Time) time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	if c := l.counts[name]; c != nil && c.attempts >= l.limit && now.Before(c.until) {
		return c.until.Sub(now)
	}
	return 0
}

// giveBack takes back an attempt that turned out to be right.
func (l *limiter) giveBack(name string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if c := l.counts[name]; c != nil && c.attempts > 0 {
		c.attempts--
	}
}

// makeRoom forgets the windows that have ended once the map is full, and if
// there are none, any one.
func (l *limiter) makeRoom(now time.Time) {
	if len(l.counts) < limiterSize {
		return
	}
	for name, c := range l.counts {
		if !now.Before(c.until) {
			delete(l.counts, name)
		}
	}
	for name := range l.counts {
		if len(l.counts) < limiterSize {
			return
		}
		delete(l.counts, name)
	}
}
