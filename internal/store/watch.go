package store

import "sync"

// A Watch collects what has been committed since it was last looked at: for
// each mailbox whether it has changed, and whether its subscriptions have.
// However much is written, it holds one entry for a mailbox, and a writer never
// waits for who watches.
type Watch struct {
	signal chan struct{} // of capacity one: full while there is something to take

	mu      sync.Mutex
	touched map[string]Touched
}

// Touched says what a commit has touched in a mailbox.
type Touched struct {
	Log           bool // there are new changes
	Subscriptions bool // subscriptions were made, changed or removed
}

// Watch begins to watch the database, for as long as it is open. What is
// committed after Watch has returned is in the Watch before the caller of the
// Update has its answer.
func (db *DB) Watch() *Watch {
	w := &Watch{signal: make(chan struct{}, 1), touched: map[string]Touched{}}
	db.watching.Lock()
	db.watches = append(db.watches, w)
	db.watching.Unlock()
	return w
}

// Listen has every Watch, and who is set by OnRevision, told of what other servers
// commit to the same database, too: soon after, unless the hint is lost.
func (db *DB) Listen() {
	if db.hints != nil {
		db.hints.listen(db)
	}
}

// C has an element when there is something to take.
func (w *Watch) C() <-chan struct{} { return w.signal }

// Take returns what was touched since the last time, by the id of the mailbox.
func (w *Watch) Take() map[string]Touched {
	w.mu.Lock()
	defer w.mu.Unlock()
	taken := w.touched
	w.touched = map[string]Touched{}
	return taken
}

// tell enters what a committed transaction has touched.
func (db *DB) tell(tx *Tx) {
	if len(tx.revised) > 0 && db.onRevision != nil {
		db.onRevision(tx.revised...)
	}
	if tx.touched == (Touched{}) && len(tx.revised) == 0 {
		return
	}
	if db.hints != nil {
		db.hints.send(tx.as.User, tx.touched, tx.revised)
	}
	db.touch(tx.as.User, tx.touched)
}

// touch enters what a commit has touched in a mailbox.
func (db *DB) touch(user string, t Touched) {
	if t == (Touched{}) {
		return
	}
	db.watching.RLock()
	defer db.watching.RUnlock()
	for _, w := range db.watches {
		w.add(user, t)
	}
}

// add enters first and signals then, so that who is woken finds it.
func (w *Watch) add(user string, t Touched) {
	w.mu.Lock()
	old := w.touched[user]
	w.touched[user] = Touched{Log: old.Log || t.Log, Subscriptions: old.Subscriptions || t.Subscriptions}
	w.mu.Unlock()
	select {
	case w.signal <- struct{}{}:
	default:
	}
}
