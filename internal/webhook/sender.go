// Package webhook tells the endpoints of subscriptions what has changed.
//
// The change log of a mailbox is the outbox: a subscription only knows the
// version up to which it has been told, and that moves on after a 2xx. It is
// written a moment later, in one transaction with those of others; where several
// servers share the database, at once. So every
// change is told at least once, and those of one subscription in their order,
// whatever crashes meanwhile. A notification keeps its id when it is sent again.
//
// A subscription has at most one POST of changes in flight. Of many subscriptions
// the endpoints, by host and port, take turns. An endpoint that answers well is
// served from a large pool of slots; one that failed or took more than three
// seconds goes to a small pool, until it answers well and quickly again. So those
// that stall only wait for each other, and a healthy one is told at once. No
// endpoint has more than its own few slots of either pool.
//
// Of several servers on one database each has a sender. Before a POST it takes a
// lease of the subscription, so that no other one tells the same; who commits a
// change tells it at once, and what a server has left behind the others find by
// looking when they get a hint, and from time to time.
package webhook

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"time"

	"github.com/duly-todo/duly/internal/store"
)

// How the sender works.
const (
	batch       = 100                    // changes of one POST
	page        = 1000                   // changes that are read at once to see who asks for them
	lag         = 1000                   // changes that nobody asked for before it is written that they are passed
	writeAfter  = 200 * time.Millisecond // what was told since is told again after a crash
	pollEvery   = 8 * time.Second        // at least; half as much again at most
	stopTimeout = 2 * time.Second        // for the POSTs in flight when the sender has to stop

	// leaseTime is far above the 10 seconds that a POST may take, and so bounds how far
	// the clocks of servers may differ. It is how long what a crashed one was telling has
	// to wait. Who is refused a lease asks again every askAgain.
	leaseTime = 20 * time.Second
	askAgain  = 2 * time.Second
)

// Options are what a Sender needs.
type Options struct {
	DB       *store.DB
	Client   *Client
	TenantID string
	Log      *slog.Logger
	Now      func() time.Time

	// Observe is told of every POST whether the endpoint has taken it, and how long
	// that took; nil: nobody is told. It is called by many goroutines at once.
	Observe func(taken bool, took time.Duration)
}

// A Sender sends the notifications of all subscriptions.
type Sender struct {
	db     *store.DB
	client *Client
	tenant string
	log    *slog.Logger
	now    func() time.Time
	watch  *store.Watch
	holder string // its name in leases; empty where no other server uses the database
	meter  func(taken bool, took time.Duration)

	// The rest belongs to the goroutine of Run.
	boxes map[string]*mailbox
	schedule
	unwritten map[string]map[string]int64 // what is told and not written: versions by mailbox and subscription
	write     *time.Timer                 // runs while there is any
	again     *time.Timer                 // runs while another server has a lease that was asked for
	called    chan call
	finished  chan outcome
}

// A call is a POST that is over.
type call struct {
	lane *lane
	good bool // the endpoint has taken it
	took time.Duration
}

// A mailbox is one with subscriptions.
type mailbox struct {
	seen int64  // the version up to which the log has been looked at
	mark string // store.Subscribed.Mark when the subscriptions were last read by poll
	subs map[string]*subscription
}

// A subscription is what the sender knows of one. It may be older than the row:
// what is sent is decided by that.
type subscription struct {
	store.Subscription
	changes, lifecycle *lane
}

// set takes in the row. What a turn in flight has read may be older than that.
func (s *subscription) set(row store.Subscription) {
	s.Subscription, s.changes.stale, s.lifecycle.stale = row, true, true
}

// NewSender returns a Sender, which knows of all changes that are committed from
// then on, and of those before.
func NewSender(o Options) *Sender {
	s := &Sender{
		db: o.DB, client: o.Client, tenant: o.TenantID, log: o.Log, now: o.Now, meter: o.Observe, watch: o.DB.Watch(),
		boxes: map[string]*mailbox{}, schedule: newSchedule(), called: make(chan call), finished: make(chan outcome),
	}
	if o.DB.Shared() {
		s.holder = store.NewGUID()
	}
	return s
}

// Waiting is how many turns of subscriptions wait for a slot. It may be called by
// any goroutine.
func (s *Sender) Waiting() int64 { return s.waiting.Load() }

// Run sends until ctx ends. POSTs in flight may then take two seconds more; what
// they tell is told again after the next start unless they succeed. Run waits for
// all of its goroutines.
func (s *Sender) Run(ctx context.Context) {
	work, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer s.client.close()
	defer cancel()
	s.db.Listen()
	poll := time.NewTimer(0)
	defer poll.Stop()
	s.unwritten, s.write = map[string]map[string]int64{}, time.NewTimer(writeAfter)
	defer s.write.Stop()
	s.again = time.NewTimer(askAgain)
	defer s.again.Stop()
	for ctx.Err() == nil {
		select {
		case <-ctx.Done():
		case <-s.watch.C():
			idle := len(s.boxes) == 0
			good := true
			for user, t := range s.watch.Take() {
				good = s.touched(ctx, user, t) && good
			}
			if idle && (!good || len(s.boxes) > 0) {
				poll.Reset(pollInterval())
			}
		case <-poll.C:
			if good := s.poll(ctx); !good || len(s.boxes) > 0 || s.holder != "" { // otherwise there is nothing to wait for
				poll.Reset(pollInterval())
			}
		case <-s.write.C:
			s.running++
			go func(told map[string]map[string]int64) {
				s.writeTold(work, told)
				s.finished <- outcome{}
			}(s.take())
		case <-s.again.C:
			for _, box := range s.boxes {
				s.offerAll(box)
			}
		case c := <-s.called:
			s.release(c.lane, c.good, c.took)
		case o := <-s.finished:
			s.finish(ctx, o)
		}
		s.dispatch(func(l *lane) { go s.work(work, l) })
	}
	defer time.AfterFunc(stopTimeout, cancel).Stop()
	for s.running > 0 {
		select {
		case c := <-s.called:
			s.release(c.lane, c.good, c.took)
		case o := <-s.finished:
			s.done(o.lane)
			s.keep(o)
		}
	}
	s.writeTold(ctx, s.take())
}

// keep has written soon what a turn has told. Many subscriptions share a write.
func (s *Sender) keep(o outcome) {
	if !o.unwritten {
		return
	}
	if len(s.unwritten) == 0 {
		s.write.Reset(writeAfter)
	}
	if s.unwritten[o.lane.user] == nil {
		s.unwritten[o.lane.user] = map[string]int64{}
	}
	s.unwritten[o.lane.user][o.lane.id] = o.read
}

// take returns what is to be written.
func (s *Sender) take() map[string]map[string]int64 {
	told := s.unwritten
	s.unwritten = map[string]map[string]int64{}
	return told
}

// pollInterval is not always the same, so that many servers do not fall in step.
func pollInterval() time.Duration { return pollEvery + rand.N(pollEvery/2) }

// touched looks at what a commit has touched, and says whether it could.
func (s *Sender) touched(ctx context.Context, user string, t store.Touched) bool {
	var err error
	if t.Subscriptions {
		err = s.load(ctx, user)
	}
	if box := s.boxes[user]; err == nil && t.Log && box != nil {
		err = s.look(ctx, user, box)
	}
	if err != nil {
		s.failed(ctx, "reading a mailbox", err) // poll looks again
	}
	return err == nil
}

func (s *Sender) failed(ctx context.Context, what string, err error) {
	if ctx.Err() == nil {
		s.log.ErrorContext(ctx, "notifications: "+what, "err", err)
	}
}

// poll is the net below the watch, and what happens because time passes. It says
// whether it could look everywhere.
func (s *Sender) poll(ctx context.Context) bool {
	mailboxes, err := s.db.SubscribedMailboxes(ctx)
	if err != nil {
		s.failed(ctx, "looking for subscriptions", err)
		return false
	}
	good := true
	for user := range s.boxes {
		if _, ok := mailboxes[user]; !ok {
			delete(s.boxes, user)
		}
	}
	now := s.now()
	for user, found := range mailboxes {
		switch box := s.boxes[user]; {
		case box == nil || box.hasExpired(now):
			err = s.renew(ctx, user)
		case box.mark != found.Mark:
			err = s.load(ctx, user)
		}
		if box := s.boxes[user]; err == nil && box != nil {
			if box.mark = found.Mark; box.seen < found.Version {
				err = s.look(ctx, user, box)
			}
		}
		if err != nil {
			s.failed(ctx, "reading a mailbox", err)
			good, err = false, nil
		}
		if box := s.boxes[user]; box != nil {
			s.offerAll(box)
		}
	}
	s.forgetEndpoints(now)
	return good
}

// hasExpired says whether a subscription of the mailbox has.
func (b *mailbox) hasExpired(now time.Time) bool {
	for _, sub := range b.subs {
		if !sub.Expires.After(now) {
			return true
		}
	}
	return false
}

// renew removes the subscriptions that have expired and loads the others.
func (s *Sender) renew(ctx context.Context, user string) error {
	if err := s.db.Update(ctx, store.As{User: user}, (*store.Tx).DropExpiredSubscriptions); err != nil {
		return err
	}
	return s.load(ctx, user)
}

// load reads the subscriptions of a mailbox anew.
func (s *Sender) load(ctx context.Context, user string) error {
	var rows []store.Subscription
	var version int64
	err := s.db.View(ctx, user, func(tx *store.Tx) (err error) {
		if rows, err = tx.Subscriptions(); err == nil && len(rows) > 0 {
			_, version, err = tx.Log()
		}
		return err
	})
	if err != nil {
		return err
	}
	if len(rows) == 0 {
		delete(s.boxes, user)
		return nil
	}
	box := s.boxes[user]
	if box == nil {
		box = &mailbox{seen: version}
		s.boxes[user] = box
	}
	old := box.subs
	box.subs = make(map[string]*subscription, len(rows))
	for _, row := range rows {
		sub := old[row.ID]
		if sub == nil {
			sub = &subscription{}
			sub.changes, sub.lifecycle = &lane{user: user, id: row.ID}, &lane{user: user, id: row.ID, lifecycle: true}
			sub.changes.wanted = row.Told < version
		}
		sub.set(row)
		box.subs[row.ID] = sub
		s.offer(sub, s.now())
	}
	return nil
}

// look reads what is new in the log of a mailbox and wakes who asks for it.
func (s *Sender) look(ctx context.Context, user string, box *mailbox) error {
	for more := true; more; {
		var changes []store.Change
		err := s.db.View(ctx, user, func(tx *store.Tx) (err error) {
			changes, err = tx.AllChanges(box.seen, page)
			return err
		})
		if err != nil {
			return err
		}
		for _, c := range changes {
			box.seen = c.Version
			for _, sub := range box.subs {
				if sub.Covers(c) || sub.EndedBy(c) || c.Version-max(sub.Told, sub.changes.passed) >= lag {
					sub.changes.wanted = true
				}
			}
		}
		more = len(changes) == page
	}
	s.offerAll(box)
	return nil
}

func (s *Sender) offerAll(box *mailbox) {
	for _, sub := range box.subs {
		s.offer(sub, s.now())
	}
}

// offer queues what is to be sent for a subscription and may be sent now.
func (s *Sender) offer(sub *subscription, now time.Time) {
	if sub.changes.wanted && !sub.NextAttempt.After(now) {
		s.queue(sub.changes, endpointOf(sub.NotificationURL))
	}
	asks := !sub.ReauthorizeAt.IsZero() && !sub.ReauthorizeAt.After(now)
	if sub.LifecycleURL != "" && (sub.Lifecycle != 0 || asks) && !sub.lifecycle.notBefore.After(now) {
		s.queue(sub.lifecycle, endpointOf(sub.LifecycleURL))
	}
}

// An outcome is what became of a lane's turn.
type outcome struct {
	lane      *lane
	sub       store.Subscription // as it is now
	gone      bool               // it is no more
	more      bool               // there is more to tell
	read      int64              // the version up to which nothing is left to tell
	unwritten bool               // that version is to be written
	taken     bool               // another server is telling it
	retry     time.Time          // of the lifecycle lane: not before
	err       error              // of the database
}

// finish takes in what became of a lane's turn.
func (s *Sender) finish(ctx context.Context, o outcome) {
	l := o.lane
	s.done(l)
	if l == nil {
		return
	}
	s.keep(o)
	if o.err != nil {
		s.failed(ctx, "telling a subscription", o.err)
		l.wanted = true // when poll comes by
		return
	}
	box := s.boxes[l.user]
	if box == nil || box.subs[l.id] == nil || box.subs[l.id].changes != l && box.subs[l.id].lifecycle != l {
		return
	}
	if o.gone { // removed or expired
		if err := s.renew(ctx, l.user); err != nil {
			s.failed(ctx, "removing subscriptions", err)
		}
		return
	}
	sub := box.subs[l.id]
	stale := l.stale
	if !stale {
		sub.set(o.sub)
	}
	if o.taken { // by one that sees what there is to tell when it is done, unless it ends before
		s.again.Reset(askAgain)
		if l.wanted = true; l.lifecycle {
			l.notBefore = s.now().Add(pollEvery)
		}
		return
	}
	if l.lifecycle {
		if l.notBefore = o.retry; o.retry.IsZero() {
			l.attempts = 0
		}
	} else {
		l.passed = max(l.passed, o.read)
		l.wanted = l.wanted || o.more
	}
	if !stale {
		s.offer(sub, s.now())
	} else if err := s.load(ctx, l.user); err != nil {
		s.failed(ctx, "reading a mailbox", err)
	}
}
