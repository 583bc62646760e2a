package store

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
)

// Bounds of a group: the row of the mailbox, for which other servers may wait, is
// locked for all of it.
const (
	pgMaxGroup  = 64
	pgGroupTime = 50 * time.Millisecond
)

// pgGroups has the updates that wait for the same mailbox share a transaction: its
// row is locked once, and committed once. Nobody waits for company. The caller of one
// of the updates runs them all; when it is done, the first of those that have come
// meanwhile runs the next group.
type pgGroups struct {
	time time.Duration // after which no further job of a group begins: pgGroupTime

	mu      sync.Mutex
	waiting map[string][]*pgJob // by mailbox; there is an entry while a group runs
}

// A pgJob is an update of a mailbox.
type pgJob struct {
	ctx  context.Context
	as   As
	fn   func(session) error
	err  error
	turn chan bool // true: its caller is to run a group; false: it is done
}

// update runs fn, with others or alone. A caller whose ctx ends before fn has begun
// leaves; after that the outcome is waited for, because it may be committed already.
func (g *pgGroups) update(ctx context.Context, e *pgEngine, as As, fn func(session) error) error {
	j := &pgJob{ctx: ctx, as: as, fn: fn, turn: make(chan bool, 1)}
	if !g.enter(j) {
		var lead bool
		select {
		case lead = <-j.turn:
		case <-ctx.Done():
			if g.leave(j) {
				return ctx.Err()
			}
			lead = <-j.turn
		}
		if !lead {
			return j.err
		}
	}
	group := g.take(j)
	begun := e.run(group)
	g.next(as.User, group[begun:])
	for _, other := range group[1:begun] {
		other.turn <- false
	}
	return j.err
}

// enter says whether the job may begin; otherwise it waits for its turn.
func (g *pgGroups) enter(j *pgJob) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	others, busy := g.waiting[j.as.User]
	if !busy {
		if g.waiting == nil {
			g.waiting = map[string][]*pgJob{}
		}
		g.waiting[j.as.User] = nil
		return true
	}
	g.waiting[j.as.User] = append(others, j)
	return false
}

// leave takes a job out of those that wait, if it is still there.
func (g *pgGroups) leave(j *pgJob) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	all := g.waiting[j.as.User]
	i := slices.Index(all, j)
	if i >= 0 {
		g.waiting[j.as.User] = slices.Delete(all, i, i+1)
	}
	return i >= 0
}

// take is the job and those that wait behind it.
func (g *pgGroups) take(j *pgJob) []*pgJob {
	g.mu.Lock()
	defer g.mu.Unlock()
	all := g.waiting[j.as.User]
	n := min(len(all), pgMaxGroup-1)
	group := append([]*pgJob{j}, all[:n]...)
	g.waiting[j.as.User] = slices.Clone(all[n:]) // the jobs taken are not to be kept alive
	return group
}

// next ends a group, of which some have not begun, and gives the turn to the first
// job that waits.
func (g *pgGroups) next(user string, left []*pgJob) {
	g.mu.Lock()
	defer g.mu.Unlock()
	all := append(slices.Clone(left), g.waiting[user]...)
	if len(all) == 0 {
		delete(g.waiting, user)
		return
	}
	g.waiting[user] = all[1:]
	all[0].turn <- true
}

// run runs the jobs of a group and sets their errors. It returns how many have
// begun: at least one.
func (e *pgEngine) run(group []*pgJob) (begun int) {
	if len(group) == 1 {
		group[0].err = e.updateAlone(group[0])
		return 1
	}
	ctx := context.WithoutCancel(group[0].ctx) // it is not one caller's to end
	err := e.retry(ctx, func() error {
		n := 0
		err := e.with(ctx, func(s *pgSession) (err error) {
			s.begin(group[0].as.User)
			n, err = s.runGroup(group)
			return err
		})
		if begun = max(begun, n); err == nil {
			begun = n // what was begun before was undone
		}
		return err
	})
	if begun == 0 { // there was no connection
		begun = len(group)
	}
	switch {
	case err == nil:
	case isLost(err), isUncertain(err), mayRetry(err), errors.Is(err, ErrClosed), errors.Is(err, context.DeadlineExceeded):
		for _, j := range group[:begun] {
			j.err = err
		}
	default: // a statement is at fault, and its job alone shall fail
		for _, j := range group[:begun] {
			j.err = e.updateAlone(j)
		}
	}
	return begun
}

func (e *pgEngine) updateAlone(j *pgJob) error {
	return e.retry(j.ctx, func() error {
		return e.with(j.ctx, func(s *pgSession) error {
			s.begin(j.as.User)
			if err := protect(s, j.fn); err != nil {
				return err
			}
			return s.commit(1)
		})
	})
}

// begin queues what comes before the statements of an update.
func (s *pgSession) begin(user string) {
	s.user = user
	s.queue(`BEGIN ISOLATION LEVEL READ COMMITTED`)
	if user == "" {
		_ = s.lockCommon() // which only queues
	} else { // the mutex of the mailbox, and its version
		s.queueQuery(`SELECT version FROM users WHERE user_id = ? FOR UPDATE`,
			func(r *row) error { s.locked = r.int(); s.version = s.locked; return nil }, text(user))
	}
	s.prelude = len(s.batch.QueuedQueries)
}

// runGroup runs the jobs of a group and commits what has not failed. An error is
// that of all: nothing is kept. Those that fail have their errors once the others
// are committed, because they have seen what those wrote.
func (s *pgSession) runGroup(group []*pgJob) (begun int, err error) {
	start := time.Now()
	kept := 0
	for begun < len(group) && (begun == 0 || time.Since(start) < s.engine.groups.time) {
		j := group[begun]
		begun++
		if j.err = j.ctx.Err(); j.err != nil {
			continue // its caller has left, and nothing is done yet
		}
		s.job = &pgMark{from: len(s.batch.QueuedQueries), write: -1, version: s.version, as: s.as, at: s.at}
		j.err = protect(s, j.fn)
		if s.failed != nil {
			return begun, s.failed
		}
		if j.err == nil {
			kept++
		}
		s.endJob(j.err == nil)
	}
	if kept == 0 {
		return begun, nil // which rolls back
	}
	return begun, s.commit(kept)
}

// A pgMark is where a job of a group has begun, so that it can be undone alone.
type pgMark struct {
	from  int  // its first statement in the batch that is not sent
	write int  // the first that may write; -1: none
	saved bool // there is a savepoint before that

	version int64 // of the session, then
	as      As
	at      time.Time
}

// note has a statement that is about to be queued counted as a write of the job.
func (s *pgSession) note(q string) {
	if s.job != nil && s.job.write < 0 && !strings.HasPrefix(q, "SELECT") {
		s.job.write = len(s.batch.QueuedQueries)
	}
}

// save puts a savepoint before the first write of the job: it is about to be sent,
// and the job may still fail. Most jobs queue their writes when they have read all
// that they need, and are spared this.
func (s *pgSession) save() {
	m := s.job
	if m == nil {
		return
	}
	if m.write >= 0 && !m.saved {
		m.saved = true
		s.batch.QueuedQueries = slices.Insert(s.batch.QueuedQueries, m.write, &pgx.QueuedQuery{SQL: `SAVEPOINT job`})
	}
	m.from = 0
}

// endJob keeps what the job has written, or undoes it.
func (s *pgSession) endJob(keep bool) {
	m := s.job
	s.job = nil
	if !keep {
		s.batch.QueuedQueries = s.batch.QueuedQueries[:m.from]
		s.version, s.as, s.at = m.version, m.as, m.at
		if s.version < 0 {
			s.version = s.locked
		}
	}
	if m.saved {
		if !keep {
			s.queue(`ROLLBACK TO SAVEPOINT job`)
		}
		s.queue(`RELEASE SAVEPOINT job`)
	}
}
