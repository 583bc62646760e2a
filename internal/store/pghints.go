package store

import (
	"context"
	"math/rand/v2"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
)

// Hints wake the servers that share a database when one of them has committed: by
// NOTIFY, after the commit and on a connection of their own, so that no write waits
// for them. They may be lost, by a restart or by a pooler that knows no LISTEN; what
// they tell is found by looking from time to time as well, only later.
const (
	hintChannel = "duly"
	hintName    = "duly hints" // the application_name of their connections
	hintEvery   = 10 * time.Millisecond
	hintRetry   = 5 * time.Second // at most, after a connection was lost
	maxHints    = 190             // of one NOTIFY, which takes 8,000 bytes

	// hintPatience is how long the server that has committed a change is left alone
	// with it: mostly it is told by then, and the others find nothing left to do.
	hintPatience = 40 * time.Millisecond
)

// A hint is a letter and an id.
const (
	hintLog           = 'l' // a mailbox has changes
	hintSubscriptions = 's' // its subscriptions have changed
	hintRevised       = 'r' // a user or an application has another standing
)

// pgHints sends the hints of one DB, and hears those of the others.
type pgHints struct {
	config  *pgx.ConnConfig
	name    string // of this DB: it need not hear itself
	ctx     context.Context
	stop    func()
	running sync.WaitGroup
	sends   sync.Once
	listens sync.Once
	wake    chan struct{} // of capacity one: full while there is something to send

	mu    sync.Mutex
	out   map[string]struct{} // hints to send
	later map[string]Touched  // heard, and held back for hintPatience
}

func newPgHints(e *pgEngine) *pgHints {
	config := e.pool.Config().ConnConfig
	config.RuntimeParams["application_name"] = hintName
	config.RuntimeParams["synchronous_commit"] = "off" // a lost hint is no loss
	h := &pgHints{config: config, name: NewGUID(), wake: make(chan struct{}, 1), out: map[string]struct{}{}, later: map[string]Touched{}}
	h.ctx, h.stop = context.WithCancel(context.Background())
	return h
}

// close sends what waits, and ends.
func (h *pgHints) close() {
	h.stop()
	h.running.Wait()
}

// send queues the hints of a commit, which must not come after close.
func (h *pgHints) send(user string, t Touched, revised []string) {
	h.mu.Lock()
	if t.Log {
		h.out[string(hintLog)+user] = struct{}{}
	}
	if t.Subscriptions {
		h.out[string(hintSubscriptions)+user] = struct{}{}
	}
	for _, id := range revised {
		h.out[string(hintRevised)+id] = struct{}{}
	}
	h.mu.Unlock()
	h.sends.Do(func() { h.running.Go(h.sendAll) })
	h.signal()
}

func (h *pgHints) signal() {
	select {
	case h.wake <- struct{}{}:
	default:
	}
}

// sendAll sends what waits, at most every hintEvery, and before it ends once more.
func (h *pgHints) sendAll() {
	var c *pgx.Conn
	for h.ctx.Err() == nil {
		select {
		case <-h.wake:
		case <-h.ctx.Done():
		}
		if hints := h.take(); hints != "" {
			c = h.notify(c, hints)
		}
		select {
		case <-time.After(hintEvery):
		case <-h.ctx.Done():
		}
	}
	if hints := h.take(); hints != "" {
		c = h.notify(c, hints)
	}
	if c != nil {
		_ = c.Close(context.Background())
	}
}

// take returns some of the hints that wait, separated by spaces.
func (h *pgHints) take() string {
	h.mu.Lock()
	defer h.mu.Unlock()
	var b strings.Builder
	n := 0
	for hint := range h.out {
		if n++; n > maxHints {
			h.signal()
			break
		}
		b.WriteString(" " + hint)
		delete(h.out, hint)
	}
	return b.String()
}

// notify sends hints, by the connection c or, where there is none or it was lost, by
// a new one, and returns the connection if it is good. What cannot be sent even so
// is lost.
func (h *pgHints) notify(c *pgx.Conn, hints string) *pgx.Conn {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	for range 2 {
		if c == nil {
			var err error
			if c, err = pgx.ConnectConfig(ctx, h.config); err != nil {
				return nil
			}
		}
		if _, err := c.Exec(ctx, `SELECT pg_notify($1, $2)`, hintChannel, h.name+hints); err == nil {
			return c
		}
		_ = c.Close(ctx)
		c = nil
	}
	return nil
}

// listen begins to hear the hints of others.
func (h *pgHints) listen(db *DB) {
	h.listens.Do(func() {
		h.running.Go(func() {
			for pause := hintEvery; h.ctx.Err() == nil; pause = min(2*pause, hintRetry) {
				began := time.Now()
				h.hear(db) // until the connection is lost
				if time.Since(began) > hintRetry {
					pause = hintEvery
				}
				select {
				case <-time.After(pause/2 + rand.N(pause)):
				case <-h.ctx.Done():
				}
			}
		})
	})
}

// hear takes in the hints that come by one connection.
func (h *pgHints) hear(db *DB) {
	connecting, cancel := context.WithTimeout(h.ctx, pgCallTimeout)
	defer cancel()
	c, err := pgx.ConnectConfig(connecting, h.config)
	if err != nil {
		return
	}
	defer func() {
		closing, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		_ = c.Close(closing)
	}()
	if _, err := c.Exec(connecting, `LISTEN `+hintChannel); err != nil {
		return
	}
	for {
		n, err := c.WaitForNotification(h.ctx)
		if err != nil {
			return
		}
		if from, hints, _ := strings.Cut(n.Payload, " "); from != h.name {
			h.heard(db, strings.Fields(hints))
		}
	}
}

// heard takes in hints. Anybody who may connect could send them: they make this
// server look, and nothing else.
func (h *pgHints) heard(db *DB, hints []string) {
	for _, hint := range hints {
		id := hint[1:]
		switch hint[0] {
		case hintSubscriptions:
			db.touch(id, Touched{Subscriptions: true})
		case hintRevised:
			if db.onRevision != nil {
				db.onRevision(id)
			}
		case hintLog:
			h.mu.Lock()
			if h.later[id] = (Touched{Log: true}); len(h.later) == 1 {
				time.AfterFunc(hintPatience, func() { h.release(db) })
			}
			h.mu.Unlock()
		}
	}
}

// release tells the watches what was held back.
func (h *pgHints) release(db *DB) {
	h.mu.Lock()
	later := h.later
	h.later = map[string]Touched{}
	h.mu.Unlock()
	for user, t := range later {
		db.touch(user, t)
	}
}
