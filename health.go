package duly

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"time"

	"github.com/duly-todo/duly/internal/store"
)

// The paths that tell a supervisor how the server is. They ask for no token.
const (
	healthPath = "/healthz" // whether the process answers
	readyPath  = "/readyz"  // whether requests would be served
)

const (
	readyTimeout = 5 * time.Second
	readyFor     = time.Second // how long an answer of the database is good
)

// readiness remembers what the database said last, so that asking often costs
// no more than asking once a second.
type readiness struct {
	mu    sync.Mutex
	asked time.Time
	err   error
}

// askDatabase asks the database, unless it was asked a moment ago, and logs
// when it begins to fail.
func (s *Server) askDatabase(ctx context.Context) error {
	p := &s.ready
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.asked.IsZero() && time.Since(p.asked) < readyFor {
		return p.err
	}
	// A caller who leaves must not make the others believe in a failure.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), readyTimeout)
	defer cancel()
	err := s.db.Ready(ctx)
	if err != nil && p.err == nil {
		s.log.ErrorContext(ctx, "the database does not serve", "err", err)
	}
	p.asked, p.err = time.Now(), err
	return err
}

// serveHealth answers for the paths of supervisors.
func (s *Server) serveHealth(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Content-Type", "text/plain; charset=utf-8")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	status, text := http.StatusOK, "ok"
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		h.Set("Allow", "GET, HEAD")
		status, text = http.StatusMethodNotAllowed, "Use GET."
	} else if r.URL.Path == readyPath {
		if text = s.unready(r.Context()); text != "" {
			h.Set("Retry-After", "5")
			status = http.StatusServiceUnavailable
		} else {
			text = "ok"
		}
	}
	w.WriteHeader(status)
	if r.Method != http.MethodHead {
		_, _ = w.Write([]byte(text + "\n")) // the client has gone; nobody is left to tell
	}
}

// unready says in a sentence why requests would not be served, and "" if they
// would. The details are for the log.
func (s *Server) unready(ctx context.Context) string {
	if s.stopping.Load() {
		return "The server is stopping."
	}
	err := s.askDatabase(ctx)
	switch {
	case err == nil:
		return ""
	case errors.Is(err, store.ErrClosed):
		return "The server is stopping."
	case errors.Is(err, store.ErrFull):
		return "No space is left for the database."
	case errors.Is(err, store.ErrDamaged):
		return "The database is damaged; the log says what to do."
	case errors.Is(err, context.DeadlineExceeded):
		return "The database does not answer in time."
	}
	return "The database does not answer; the log says why."
}
