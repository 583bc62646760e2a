package store

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/duly-todo/duly/internal/odata"
	"github.com/duly-todo/duly/internal/todo"
)

// A Subscription asks for notifications of changes in a mailbox. Those that have
// expired do not exist for readers.
type Subscription struct {
	User     string // the mailbox
	ID       string
	App      string // client id of the application that made it
	Creator  string // the user that made it, or of an application without a user its client id
	Resource string // as its maker wrote it
	Scope
	NotificationURL string
	LifecycleURL    string // may be empty
	ClientState     string
	TLSVersion      string
	URLApp          string
	Beta            bool // it was made on beta
	Created         time.Time
	Expires         time.Time
	Delivery
}

// A Scope is what a subscription is about.
type Scope struct {
	Kind   Kind
	ListID string // "" for all lists
	TaskID string // "" for all tasks
	Ops    Ops
}

// Ops is a set of operations.
type Ops int64

// Of is the set of one operation.
func (o Op) Of() Ops { return 1 << o }

// Covers says whether the subscription asks for a change.
func (s Scope) Covers(c Change) bool {
	return s.Ops&c.Op.Of() != 0 && c.Kind == s.Kind &&
		(s.ListID == "" || s.ListID == c.ListID) && (s.TaskID == "" || s.TaskID == c.ItemID)
}

// EndedBy says whether a change takes away all that the subscription is about.
func (s Scope) EndedBy(c Change) bool {
	return c.Op == Deleted && s.ListID != "" && s.ListID == c.ListID &&
		(c.Kind == ListChange || s.TaskID != "" && s.TaskID == c.ItemID)
}

// Delivery is how far the notifications of a subscription have come.
type Delivery struct {
	Told          int64     // the mailbox's version up to which it has been told
	Attempts      int64     // failures since the last success
	FailingSince  time.Time // zero: it is not
	NextAttempt   time.Time // zero: now
	Lifecycle     Lifecycle
	ReauthorizeAt time.Time // zero: it has been asked, or answered
}

// Lifecycle is a set of events that the lifecycle URL is to be told.
type Lifecycle int64

// The events that wait.
const (
	Missed  Lifecycle = 1 << iota // changes were given up
	Removed                       // what the subscription is about is gone, and then so is it
)

const subscriptionColumns = `subscription_id, app, creator, resource, kind, list_id, task_id, ops, notification_url, lifecycle_url, client_state,
	tls_version, url_app, beta, created, expires, told, attempts, failing_since, next_attempt, lifecycle, reauthorize_at`

func scanSubscription(user string, r *row) Subscription {
	return Subscription{
		User: user, ID: r.text(), App: r.text(), Creator: r.text(), Resource: r.text(),
		Scope:           Scope{Kind: Kind(r.int()), ListID: r.text(), TaskID: r.text(), Ops: Ops(r.int())},
		NotificationURL: r.text(), LifecycleURL: r.text(), ClientState: r.text(), TLSVersion: r.text(), URLApp: r.text(), Beta: r.int() != 0,
		Created: timeOf(r.int()), Expires: timeOf(r.int()),
		Delivery: Delivery{
			Told: r.int(), Attempts: r.int(), FailingSince: timeOf(r.int()), NextAttempt: timeOf(r.int()), Lifecycle: Lifecycle(r.int()), ReauthorizeAt: timeOf(r.int()),
		},
	}
}

// timeOf reads a time of which 0 stands for none.
func timeOf(micro int64) time.Time {
	if micro == 0 {
		return time.Time{}
	}
	return time.UnixMicro(micro).UTC()
}

// orZero writes a time of which 0 stands for none.
func orZero(t time.Time) value {
	if t.IsZero() {
		return integer(0)
	}
	return integer(t.UnixMicro())
}

// Subscription returns the subscription id, or todo.ErrNotFound.
func (tx *Tx) Subscription(id string) (s Subscription, err error) {
	err = tx.conn.query(`SELECT `+subscriptionColumns+` FROM subscriptions WHERE user_id = ? AND subscription_id = ? AND expires > ?`,
		func(r *row) error { s = scanSubscription(tx.as.User, r); return nil }, text(tx.as.User), text(id), instant(tx.now))
	if err == nil && s.ID == "" {
		err = todo.ErrNotFound
	}
	return s, err
}

// Subscriptions returns those of the mailbox, the oldest first.
func (tx *Tx) Subscriptions() ([]Subscription, error) {
	var out []Subscription
	err := tx.conn.query(`SELECT `+subscriptionColumns+` FROM subscriptions WHERE user_id = ? AND expires > ? ORDER BY subscription_id LIMIT ?+0`,
		func(r *row) error { out = append(out, scanSubscription(tx.as.User, r)); return nil },
		text(tx.as.User), instant(tx.now), integer(todo.MaxSubscriptions))
	return out, err
}

// InsertSubscription writes a new subscription, whose notifications begin with
// the next change of the mailbox. The error is of the kind
// todo.SubscriptionLimit at the limit.
func (tx *Tx) InsertSubscription(s *Subscription) error {
	if err := tx.DropExpiredSubscriptions(); err != nil {
		return err
	}
	if err := tx.roomForSubscription(s.App); err != nil {
		return err
	}
	var err error
	if _, s.Told, err = tx.Log(); err != nil {
		return err
	}
	s.User = tx.as.User
	tx.touched.Subscriptions = true
	err = tx.conn.exec(`INSERT INTO subscriptions (user_id, `+subscriptionColumns+`) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 0, 0, 0, 0, ?)`,
		text(s.User), text(s.ID), text(s.App), text(s.Creator), text(s.Resource), integer(int64(s.Kind)), text(s.ListID), text(s.TaskID), integer(int64(s.Ops)),
		text(s.NotificationURL), text(s.LifecycleURL), text(s.ClientState), text(s.TLSVersion), text(s.URLApp), boolean(s.Beta),
		instant(s.Created), instant(s.Expires), integer(s.Told), orZero(s.ReauthorizeAt))
	if err != nil || s.Creator != s.App {
		return err
	}
	return tx.conn.exec(`INSERT INTO app_subscriptions (app, subscription_id, user_id) VALUES (?, ?, ?)`, text(s.App), text(s.ID), text(s.User))
}

// roomForSubscription checks that the mailbox takes one more of an application.
func (tx *Tx) roomForSubscription(app string) error {
	var all, ofApp int64
	err := tx.conn.query(`SELECT count(*), count(CASE WHEN app = ? THEN 1 END) FROM subscriptions WHERE user_id = ?`,
		func(r *row) error { all, ofApp = r.int(), r.int(); return nil }, text(app), text(tx.as.User))
	switch {
	case err != nil:
		return err
	case ofApp >= todo.MaxSubscriptionsOfApp:
		return todo.Errorf(todo.SubscriptionLimit, "", "The application has the %d subscriptions to this mailbox that are allowed.", todo.MaxSubscriptionsOfApp)
	case all >= todo.MaxSubscriptions:
		return todo.Errorf(todo.SubscriptionLimit, "", "There are the %d subscriptions to this mailbox that are allowed.", todo.MaxSubscriptions)
	}
	return nil
}

// UpdateSubscription writes what a renewal changes. A new notification URL is
// not blamed for the failures of the old one.
func (tx *Tx) UpdateSubscription(s Subscription) error {
	tx.touched.Subscriptions = true
	return tx.conn.exec(`UPDATE subscriptions SET notification_url = ?, expires = ?, attempts = ?, failing_since = ?, next_attempt = ?, reauthorize_at = ?
		WHERE user_id = ? AND subscription_id = ?`,
		text(s.NotificationURL), instant(s.Expires), integer(s.Attempts), orZero(s.FailingSince), orZero(s.NextAttempt), orZero(s.ReauthorizeAt),
		text(tx.as.User), text(s.ID))
}

// SetDelivery writes how far the notifications of a subscription have come. No
// watch is told.
func (tx *Tx) SetDelivery(id string, d Delivery) error {
	return tx.conn.exec(`UPDATE subscriptions SET told = ?, attempts = ?, failing_since = ?, next_attempt = ?, lifecycle = ?, reauthorize_at = ?
		WHERE user_id = ? AND subscription_id = ?`,
		integer(d.Told), integer(d.Attempts), orZero(d.FailingSince), orZero(d.NextAttempt), integer(int64(d.Lifecycle)), orZero(d.ReauthorizeAt),
		text(tx.as.User), text(id))
}

// SetTold writes the version up to which a subscription has been told, unless it
// has come farther. No watch is told.
func (tx *Tx) SetTold(id string, told int64) error {
	return tx.conn.exec(`UPDATE subscriptions SET told = ? WHERE user_id = ? AND subscription_id = ? AND told < ?`,
		integer(told), text(tx.as.User), text(id), integer(told))
}

// DeleteSubscription removes a subscription.
func (tx *Tx) DeleteSubscription(s Subscription) error {
	tx.touched.Subscriptions = true
	err := tx.conn.exec(`DELETE FROM subscriptions WHERE user_id = ? AND subscription_id = ?`, text(tx.as.User), text(s.ID))
	if err != nil || s.Creator != s.App {
		return err
	}
	return tx.conn.exec(`DELETE FROM app_subscriptions WHERE app = ? AND subscription_id = ?`, text(s.App), text(s.ID))
}

// DropExpiredSubscriptions removes those of the mailbox that have expired.
func (tx *Tx) DropExpiredSubscriptions() error {
	var expired []Subscription
	err := tx.conn.query(`SELECT `+subscriptionColumns+` FROM subscriptions WHERE user_id = ? AND expires <= ?`,
		func(r *row) error { expired = append(expired, scanSubscription(tx.as.User, r)); return nil }, text(tx.as.User), instant(tx.now))
	for _, s := range expired {
		if err == nil {
			err = tx.DeleteSubscription(s)
		}
	}
	return err
}

// ChangesFor returns at most limit changes after a version that the subscription
// asks for, oldest first, up to which version the log was read, and whether there
// may be more after that. What takes away all that the subscription is about is
// the last of them, asked for or not.
func (tx *Tx) ChangesFor(s Scope, after int64, limit int) (out []Change, read int64, more bool, err error) {
	for read, more = after, true; more; {
		changes, err := tx.AllChanges(read, limit)
		if err != nil {
			return out, read, false, err
		}
		more = len(changes) == limit
		for i, c := range changes {
			if read = c.Version; !s.Covers(c) && !s.EndedBy(c) {
				continue
			}
			if out = append(out, c); len(out) == limit || s.EndedBy(c) {
				return out, read, more || i+1 < len(changes), nil
			}
		}
	}
	return out, read, false, nil
}

// SubscriptionOwner is the mailbox that holds a subscription of an application
// without a user; the error is todo.ErrNotFound where none does.
func (db *DB) SubscriptionOwner(ctx context.Context, app, id string) (string, error) {
	user := ""
	err := db.lookup(ctx, "", func(tx *Tx) error {
		return tx.conn.query(`SELECT user_id FROM app_subscriptions WHERE app = ? AND subscription_id = ?`,
			func(r *row) error { user = r.text(); return nil }, text(app), text(id))
	})
	if err == nil && user == "" {
		err = todo.ErrNotFound
	}
	return user, err
}

// SubscriptionsOf returns the subscriptions of an application without a user in
// all mailboxes, the oldest first, after at most limit entries of its directory.
// It removes the entries of subscriptions that are gone.
func (db *DB) SubscriptionsOf(ctx context.Context, app string, limit int) ([]Subscription, error) {
	type entry struct{ id, user string }
	var entries []entry
	err := db.survey(ctx, func(tx *Tx) error {
		entries = entries[:0]
		return tx.conn.query(`SELECT subscription_id, user_id FROM app_subscriptions WHERE app = ? ORDER BY subscription_id LIMIT ?+0`,
			func(r *row) error { entries = append(entries, entry{r.text(), r.text()}); return nil }, text(app), integer(int64(limit)))
	})
	var out []Subscription
	for _, e := range entries {
		if err != nil {
			break
		}
		var s Subscription
		err = db.lookup(ctx, e.user, func(tx *Tx) (err error) { s, err = tx.Subscription(e.id); return err })
		switch {
		case err == nil:
			out = append(out, s)
		case errors.Is(err, todo.ErrNotFound):
			err = db.Update(ctx, As{User: e.user, App: app}, func(tx *Tx) error {
				return tx.DeleteSubscription(Subscription{ID: e.id, App: app, Creator: app})
			})
		}
	}
	return out, err
}

// A Subscribed says how a mailbox with subscriptions is.
type Subscribed struct {
	Version int64
	Mark    string // another one when subscriptions were made, renewed or removed, or have events to tell
}

// SubscribedMailboxes returns the mailboxes that have subscriptions, expired ones
// among them.
func (db *DB) SubscribedMailboxes(ctx context.Context) (map[string]Subscribed, error) {
	mailboxes := map[string]Subscribed{}
	err := db.survey(ctx, func(tx *Tx) error {
		clear(mailboxes)
		return tx.conn.query(`SELECT u.user_id, u.version, count(*), sum(s.expires + s.lifecycle), max(s.subscription_id)
			FROM subscriptions s JOIN users u ON u.user_id = s.user_id`+everyMailbox+` GROUP BY u.user_id, u.version`,
			func(r *row) error {
				mailboxes[r.text()] = Subscribed{Version: r.int(), Mark: fmt.Sprint(r.int(), r.int(), r.text())}
				return nil
			})
	})
	return mailboxes, err
}

// IsGone says whether there is nothing left that the subscription could be about.
func (tx *Tx) IsGone(s Scope) (bool, error) {
	if s.ListID == "" {
		return false, nil
	}
	_, err := tx.List(s.ListID)
	if err == nil && s.TaskID != "" {
		_, err = tx.Task(s.ListID, s.TaskID)
	}
	if e, ok := errors.AsType[*todo.Error](err); ok && (e.Kind == todo.NotFound || e.Kind == todo.WrongList) {
		return true, nil
	}
	return false, err
}

// ChangeType is the list of operations as Graph writes it.
func (o Ops) ChangeType() string {
	var names []string
	for op, name := range []string{Created: "created", Updated: "updated", Deleted: "deleted"} {
		if name != "" && o&Op(op).Of() != 0 {
			names = append(names, name)
		}
	}
	return strings.Join(names, ",")
}

// subscriptionProperties is the table of subscriptions. What Duly does not have
// is null.
func subscriptionProperties() []property[Subscription] {
	str := func(path string, of func(*Subscription) string) property[Subscription] {
		return property[Subscription]{path: path, Property: nullable(odata.String), value: func(s *Subscription) odata.Value { return textValue(of(s)) }}
	}
	none := func(*Subscription) string { return "" }
	return []property[Subscription]{
		str("id", func(s *Subscription) string { return s.ID }),
		str("resource", func(s *Subscription) string { return s.Resource }),
		str("applicationId", func(s *Subscription) string { return s.App }),
		str("changeType", func(s *Subscription) string { return s.Ops.ChangeType() }),
		str("clientState", func(s *Subscription) string { return s.ClientState }),
		str("notificationUrl", func(s *Subscription) string { return s.NotificationURL }),
		str("notificationQueryOptions", none),
		str("lifecycleNotificationUrl", func(s *Subscription) string { return s.LifecycleURL }),
		{path: "expirationDateTime", Property: scalar(odata.Instant), value: func(s *Subscription) odata.Value { return odata.InstantValue(s.Expires) }},
		str("creatorId", func(s *Subscription) string { return s.Creator }),
		{path: "includeResourceData", Property: nullable(odata.Bool), value: func(*Subscription) odata.Value { return odata.BoolValue(false) }},
		str("latestSupportedTlsVersion", func(s *Subscription) string { return s.TLSVersion }),
		str("encryptionCertificate", none),
		str("encryptionCertificateId", none),
		str("notificationUrlAppId", func(s *Subscription) string { return s.URLApp }),
	}
}
