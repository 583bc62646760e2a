package store

import "time"

// A Lease lets one of several servers that share a database tell a subscription
// what the others then do not tell. There is one for the changes and one for the
// events of its life.
type Lease struct {
	Subscription string // its id
	Lifecycle    bool
	By           string // who holds it
}

func (l Lease) columns() (by, until string) {
	if l.Lifecycle {
		return "life_lease_by", "life_lease_until"
	}
	return "lease_by", "lease_until"
}

// TakeLease takes or prolongs a lease, and says whether it is held now: another
// holder keeps it until its end has passed.
func (tx *Tx) TakeLease(l Lease, until time.Time) (held bool, err error) {
	byColumn, untilColumn := l.columns()
	err = tx.conn.query(`UPDATE subscriptions SET `+byColumn+` = ?, `+untilColumn+` = ?
		WHERE user_id = ? AND subscription_id = ? AND (`+untilColumn+` < ? OR `+byColumn+` = ?) RETURNING 1`,
		func(*row) error { held = true; return nil },
		text(l.By), instant(until), text(tx.as.User), text(l.Subscription), instant(tx.now), text(l.By))
	return held, err
}

// EndLease gives a lease free, if it is still held.
func (tx *Tx) EndLease(l Lease) error {
	byColumn, untilColumn := l.columns()
	return tx.conn.exec(`UPDATE subscriptions SET `+untilColumn+` = 0 WHERE user_id = ? AND subscription_id = ? AND `+byColumn+` = ?`,
		text(tx.as.User), text(l.Subscription), text(l.By))
}

// Shared says whether other servers may use the database at the same time: that of
// PostgreSQL, but not a file, which one server locks.
func (db *DB) Shared() bool { return db.engine.dialect() == postgresDialect() }
