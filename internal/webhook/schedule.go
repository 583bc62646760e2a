package webhook

import (
	"sync/atomic"
	"time"
)

// The slots of POSTs in flight (see the package comment).
const (
	fastSlots   = 128
	slowSlots   = 16
	perEndpoint = 8
	quick       = 3 * time.Second // the documentation's bound for an endpoint that is well (semantics 19.8)
	forget      = time.Hour       // after which an endpoint that nobody uses counts as well again
)

// A lane is one kind of what a subscription is told: changes, or events of its
// life, which go to another URL. Its turns come one after the other.
type lane struct {
	user, id  string
	lifecycle bool

	wanted    bool      // of changes: there may be something to tell
	passed    int64     // of changes: what the log has up to here is told, or not asked for
	attempts  int       // of the lifecycle: failures since the last success
	notBefore time.Time // of the lifecycle

	busy     bool // queued or running
	stale    bool // the subscription was read anew since this turn began
	endpoint *endpoint
	pool     *pool // while it has a slot
}

// An endpoint is a host and a port.
type endpoint struct {
	name    string
	slow    bool
	running int
	lanes   []*lane // that wait
	listed  bool    // in its pool
	used    time.Time
}

// A pool is a number of slots, and the endpoints that could use one.
type pool struct {
	free      int
	endpoints []*endpoint
}

// schedule decides whose turn it is.
type schedule struct {
	endpoints  map[string]*endpoint
	fast, slow *pool
	running    int
	waiting    atomic.Int64 // lanes that wait at their endpoints
}

func newSchedule() schedule {
	return schedule{endpoints: map[string]*endpoint{}, fast: &pool{free: fastSlots}, slow: &pool{free: slowSlots}}
}

// queue gives a lane a turn at an endpoint, unless it waits for one or has one.
func (s *schedule) queue(l *lane, name string) {
	if l.busy {
		return
	}
	l.busy = true
	e := s.endpoints[name]
	if e == nil {
		e = &endpoint{name: name}
		s.endpoints[name] = e
	}
	l.endpoint = e
	e.lanes = append(e.lanes, l)
	s.waiting.Add(1)
	s.list(e)
}

// list puts an endpoint into its pool if it could use a slot.
func (s *schedule) list(e *endpoint) {
	if !e.listed && len(e.lanes) > 0 && e.running < perEndpoint {
		e.listed = true
		p := s.poolOf(e)
		p.endpoints = append(p.endpoints, e)
	}
}

func (s *schedule) poolOf(e *endpoint) *pool {
	if e.slow {
		return s.slow
	}
	return s.fast
}

// dispatch starts lanes as long as there are slots for them.
func (s *schedule) dispatch(start func(*lane)) {
	for _, p := range []*pool{s.slow, s.fast, s.slow} { // an endpoint may have to change its pool
		for p.free > 0 && len(p.endpoints) > 0 {
			e := p.endpoints[0]
			p.endpoints = p.endpoints[1:]
			e.listed = false
			if s.poolOf(e) != p {
				s.list(e) // it has changed since it was listed
				continue
			}
			l := e.lanes[0]
			e.lanes = e.lanes[1:]
			s.waiting.Add(-1)
			e.running++
			s.running++
			p.free--
			l.pool, l.wanted, l.stale = p, false, false
			s.list(e)
			start(l)
		}
	}
}

// done ends the turn of a lane; there is none where a write has ended.
func (s *schedule) done(l *lane) {
	s.running--
	if l == nil {
		return
	}
	if l.pool != nil { // it has called nobody
		s.release(l, true, 0)
	}
	l.busy = false
}

// release takes back the slot of a lane once its call is over: what comes after
// keeps no endpoint busy. took is 0 where there was no call.
func (s *schedule) release(l *lane, good bool, took time.Duration) {
	e := l.endpoint
	l.pool.free++
	l.endpoint, l.pool = nil, nil
	e.running--
	if took > 0 {
		e.slow = !good || took > quick
	}
	s.list(e)
	if !e.slow && e.running == 0 && len(e.lanes) == 0 {
		delete(s.endpoints, e.name)
	}
}

// forgetEndpoints drops what is known of endpoints that nobody has used lately.
func (s *schedule) forgetEndpoints(now time.Time) {
	for name, e := range s.endpoints {
		if e.running > 0 || len(e.lanes) > 0 || e.used.IsZero() {
			e.used = now
		} else if now.Sub(e.used) > forget {
			delete(s.endpoints, name)
		}
	}
}
