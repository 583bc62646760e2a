package webhook

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/duly-todo/duly/internal/store"
	"github.com/duly-todo/duly/internal/todo"
)

// giveUp is how long an endpoint may fail before the changes that wait are given
// up (semantics 19.8).
const giveUp = 4 * time.Hour

// pause is how long to wait after so many failures in a row.
func pause(failures int) time.Duration {
	table := [...]time.Duration{
		10 * time.Second, 30 * time.Second, time.Minute, 2 * time.Minute, 5 * time.Minute, 10 * time.Minute, 20 * time.Minute, 30 * time.Minute, time.Hour,
	}
	return table[min(max(failures, 1), len(table))-1]
}

// work is a lane's turn.
func (s *Sender) work(ctx context.Context, l *lane) {
	o := outcome{lane: l}
	if l.lifecycle {
		o.err = s.tellLifecycle(ctx, l, &o)
	} else {
		o.err = s.tellChanges(ctx, l, &o)
	}
	if e, ok := errors.AsType[*todo.Error](o.err); ok && (e.Kind == todo.NotFound || e.Kind == todo.NoSuchUser) {
		o.gone, o.err = true, nil
	}
	s.finished <- o
}

// post calls an endpoint, and says whether it has taken what it was told.
func (s *Sender) post(ctx context.Context, l *lane, to string, notifications ...notification) (ok bool, err error) {
	body, err := collection(notifications)
	if err != nil {
		return false, err
	}
	began := time.Now()
	var got answer
	if err = s.client.CheckURL("notificationUrl", to); err == nil { // the administrator may have closed it since
		got, err = s.client.post(ctx, to, "application/json; charset=utf-8", body)
	}
	ok = got.status/100 == 2 // whatever its body was
	took := max(time.Since(began), 1)
	if s.meter != nil {
		s.meter(ok, took)
	}
	s.called <- call{l, ok, took}
	if ok {
		return true, nil
	}
	if err == nil {
		err = fmt.Errorf("it answered %d", got.status)
	}
	s.log.WarnContext(ctx, "a notification was not taken", "endpoint", endpointOf(to), "subscription", notifications[0].SubscriptionID, "err", err)
	return false, nil
}

// tellChanges tells a subscription the next changes that it asks for.
func (s *Sender) tellChanges(ctx context.Context, l *lane, o *outcome) error {
	var changes []store.Change
	var after int64
	var more bool
	err := s.db.View(ctx, l.user, func(tx *store.Tx) (err error) {
		if o.sub, err = tx.Subscription(l.id); err == nil {
			changes, after, more, err = tx.ChangesFor(o.sub.Scope, max(o.sub.Told, l.passed), batch)
		}
		return err
	})
	if err != nil || o.sub.Lifecycle&store.Removed != 0 {
		return err
	}
	sub := o.sub
	if sub.NextAttempt.After(s.now()) {
		o.more = true
		return nil
	}
	ended := len(changes) > 0 && sub.EndedBy(changes[len(changes)-1])
	var tell []notification
	for _, c := range changes {
		if sub.Covers(c) {
			tell = append(tell, s.changeNotification(&sub, c))
		}
	}
	if len(tell) > 0 {
		held, err := s.claim(ctx, o, func(now *store.Subscription) bool { return now.Told == sub.Told })
		if err != nil || !held {
			o.more = true
			return err
		}
		ok, err := s.post(ctx, l, sub.NotificationURL, tell...)
		if err != nil {
			return err
		}
		if !ok && ctx.Err() != nil { // the server stops: it is told again after the next start
			return s.free(ctx, l)
		}
		if !ok {
			o.more = true
			return s.setDelivery(ctx, o, func(tx *store.Tx, now *store.Subscription) error { return failedOnce(tx, &sub, now) })
		}
	}
	o.read, o.more = after, more
	if sub.Attempts == 0 && !ended && (s.holder == "" || len(tell) == 0) { // what was told is written before its lease ends
		o.unwritten = len(tell) > 0 || after-sub.Told >= lag
		return nil
	}
	return s.setDelivery(ctx, o, func(tx *store.Tx, now *store.Subscription) error {
		if s.holder != "" { // a server that was refused the lease counts on this one
			_, version, err := tx.Log()
			if err != nil {
				return err
			}
			o.more = after < version
		}
		now.Told, now.Attempts, now.FailingSince, now.NextAttempt = max(now.Told, after), 0, time.Time{}, time.Time{}
		if ended {
			now.Lifecycle |= store.Removed
		}
		return nil
	})
}

// writeTold writes how far subscriptions have come, by mailbox and id. Where it
// cannot, they are told once more after the next start.
func (s *Sender) writeTold(ctx context.Context, told map[string]map[string]int64) {
	for user, versions := range told {
		err := s.db.Update(context.WithoutCancel(ctx), store.As{User: user}, func(tx *store.Tx) error {
			for id, version := range versions {
				if err := tx.SetTold(id, version); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			s.failed(ctx, "writing what is told", err)
		}
	}
}

// failedOnce enters a failure to tell changes, and after the last one gives up
// what is in the log by now. A URL that was replaced meanwhile is not blamed.
func failedOnce(tx *store.Tx, sent, sub *store.Subscription) error {
	if sub.NotificationURL != sent.NotificationURL {
		return nil
	}
	now := tx.Now()
	if sub.Attempts++; sub.FailingSince.IsZero() {
		sub.FailingSince = now
	}
	end := sub.FailingSince.Add(giveUp)
	if now.Before(end) {
		sub.NextAttempt = now.Add(pause(int(sub.Attempts)))
		if sub.NextAttempt.After(end) {
			sub.NextAttempt = end
		}
		return nil
	}
	gone, err := tx.IsGone(sub.Scope)
	if err != nil {
		return err
	}
	if gone {
		sub.Lifecycle |= store.Removed
	}
	sub.Lifecycle |= store.Missed
	sub.Attempts, sub.FailingSince, sub.NextAttempt = 0, time.Time{}, time.Time{}
	_, sub.Told, err = tx.Log()
	return err
}

// setDelivery changes how far a subscription has come, from what it is now.
// Events that nobody wants to be told are not kept; after the last one the
// subscription is removed.
func (s *Sender) setDelivery(ctx context.Context, o *outcome, change func(*store.Tx, *store.Subscription) error) error {
	return s.db.Update(context.WithoutCancel(ctx), store.As{User: o.lane.user}, func(tx *store.Tx) error {
		sub, err := tx.Subscription(o.lane.id)
		if err != nil {
			return err
		}
		sub.Told = max(sub.Told, o.lane.passed)
		removed := sub.Lifecycle&store.Removed != 0
		if err := change(tx, &sub); err != nil {
			return err
		}
		if s.holder != "" {
			if err := tx.EndLease(s.lease(o.lane)); err != nil {
				return err
			}
		}
		removed = removed || sub.Lifecycle&store.Removed != 0
		if sub.LifecycleURL == "" {
			sub.Lifecycle, sub.ReauthorizeAt = 0, time.Time{}
		}
		if removed && sub.Lifecycle&store.Removed == 0 {
			o.gone = true
			return tx.DeleteSubscription(sub)
		}
		o.sub = sub
		return tx.SetDelivery(sub.ID, sub.Delivery)
	})
}

// claim takes the lease that tells a subscription, where other servers could do it
// as well and the subscription still is as it was read. Where it is not, the lane's
// next turn reads it anew.
func (s *Sender) claim(ctx context.Context, o *outcome, still func(*store.Subscription) bool) (held bool, err error) {
	if s.holder == "" {
		return true, nil
	}
	err = s.db.Update(ctx, store.As{User: o.lane.user}, func(tx *store.Tx) error {
		held, o.taken = false, false
		now, err := tx.Subscription(o.lane.id)
		if err != nil || !still(&now) {
			return err
		}
		held, err = tx.TakeLease(s.lease(o.lane), tx.Now().Add(leaseTime))
		o.taken = !held
		return err
	})
	return held && err == nil, err
}

// free ends the lease of a lane that could not tell what it wanted.
func (s *Sender) free(ctx context.Context, l *lane) error {
	if s.holder == "" {
		return nil
	}
	return s.db.Update(context.WithoutCancel(ctx), store.As{User: l.user}, func(tx *store.Tx) error { return tx.EndLease(s.lease(l)) })
}

func (s *Sender) lease(l *lane) store.Lease {
	return store.Lease{Subscription: l.id, Lifecycle: l.lifecycle, By: s.holder}
}

// tellLifecycle tells a subscription's lifecycle URL the next event. One that it
// does not take is told again until the subscription expires.
func (s *Sender) tellLifecycle(ctx context.Context, l *lane, o *outcome) error {
	err := s.db.View(ctx, l.user, func(tx *store.Tx) (err error) {
		o.sub, err = tx.Subscription(l.id)
		return err
	})
	if err != nil {
		return err
	}
	event, settle := nextEvent(&o.sub, s.now())
	if event == "" || o.sub.LifecycleURL == "" {
		return nil
	}
	held, err := s.claim(ctx, o, func(now *store.Subscription) bool {
		current, _ := nextEvent(now, s.now())
		return current == event
	})
	if err != nil || !held {
		return err
	}
	ok, err := s.post(ctx, l, o.sub.LifecycleURL, s.lifecycleNotification(&o.sub, event))
	if err != nil {
		return err
	}
	if !ok {
		if ctx.Err() == nil {
			l.attempts++
			o.retry = s.now().Add(pause(l.attempts))
		}
		return s.free(ctx, l)
	}
	return s.setDelivery(ctx, o, func(_ *store.Tx, now *store.Subscription) error {
		settle(now)
		return nil
	})
}

// nextEvent is what a lifecycle URL is to be told first, and what is then to be
// forgotten.
func nextEvent(sub *store.Subscription, now time.Time) (event string, settle func(*store.Subscription)) {
	switch at := sub.ReauthorizeAt; {
	case sub.Lifecycle&store.Missed != 0:
		return eventMissed, func(s *store.Subscription) { s.Lifecycle &^= store.Missed }
	case sub.Lifecycle&store.Removed != 0:
		return eventRemoved, func(s *store.Subscription) { s.Lifecycle &^= store.Removed }
	case !at.IsZero() && !at.After(now):
		return eventReauthorize, func(s *store.Subscription) {
			if s.ReauthorizeAt.Equal(at) { // it has not been renewed meanwhile
				s.ReauthorizeAt = time.Time{}
			}
		}
	}
	return "", nil
}
