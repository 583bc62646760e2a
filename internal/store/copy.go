package store

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"
)

// What is wrong with a database that is to be copied from or to.
var (
	// ErrHalfCopy says that a database is a copy which is not whole.
	ErrHalfCopy = errors.New("the database is half a copy")
	// ErrHoldsData says that a database cannot be copied into.
	ErrHoldsData = errors.New("the database to copy to holds data already")
)

// journalHead is the row of the journal that is about the copy itself.
const journalHead = "*"

// copyFlush is how many bytes wait for a round trip to the target.
const copyFlush = 1 << 20

// CopyOptions say how to copy, and who is told.
type CopyOptions struct {
	Finish   bool // the copy may be whole: nobody writes to the source
	Mailbox  func(CopiedMailbox)
	Progress func(step string, done, all int64)
}

// A CopiedMailbox is one that is in the target.
type CopiedMailbox struct {
	Owner  string // principal name, or the id of an owner that is no user
	Rows   int64
	Before bool // an earlier run has brought it
	Anew   bool // an earlier run had brought another state of it
}

// A CopiedTable is what [Copy] has counted in a table of both databases.
type CopiedTable struct {
	Name string
	Rows int64
	Hash string // SHA-256 of all rows
}

// Copy brings all tables of the source, as they are at one moment, into the
// target, mailbox by mailbox, each in a transaction: a copy that was interrupted
// goes on when it is called again, and takes again what has changed in the source
// meanwhile. The source is not written to. At the end both databases are read and
// compared; until then no server takes the target. Without Finish it ends before
// that, with no tables.
func Copy(ctx context.Context, from, to string, o CopyOptions) (tables []CopiedTable, err error) {
	plan, err := copyTables(ctx)
	if err != nil {
		return nil, err
	}
	err = viewSource(ctx, from, func(s session) (err error) {
		if err := requireSchema(s, from); err != nil {
			return err
		}
		if err := checkTarget(ctx, to, plan, withoutPassword(from)); err != nil {
			return err
		}
		target, err := openEngine(ctx, to)
		if err != nil {
			return openError(to, err)
		}
		defer func() { err = errors.Join(err, target.close()) }()
		c := &copier{ctx: ctx, source: s, target: target, tables: plan, o: o, db: &DB{engine: target, now: time.Now}}
		if tables, err = c.run(withoutPassword(from)); err != nil {
			return namedError{err}
		}
		return nil
	})
	return tables, err
}

// A copier copies from a snapshot.
type copier struct {
	ctx    context.Context
	source session
	target engine
	db     *DB // the target
	tables []copyTable
	o      CopyOptions

	owners  []string          // of rows in the source
	names   map[string]string // of those that are users
	journal map[string]string // the state of each owner's rows in the target
	states  map[string]string // and in the source
	totals  map[string]*tally // of the source's tables
}

func (c *copier) run(source string) ([]CopiedTable, error) {
	if err := c.begin(source); err != nil {
		return nil, err
	}
	for i, owner := range c.owners {
		if err := c.ctx.Err(); err != nil {
			return nil, err
		}
		c.o.Progress(fmt.Sprintf("copying mailbox %d of %d", i+1, len(c.owners)), int64(i), int64(len(c.owners)))
		if err := c.mailbox(owner); err != nil {
			return nil, fmt.Errorf("copying the mailbox of %s: %w", c.name(owner), err)
		}
	}
	if err := c.removeGone(); err != nil {
		return nil, fmt.Errorf("removing what the source no longer has: %w", err)
	}
	if err := c.common(); err != nil {
		return nil, fmt.Errorf("copying what belongs to no mailbox: %w", err)
	}
	if !c.o.Finish {
		return nil, nil
	}
	if err := c.compare(); err != nil {
		return nil, err
	}
	err := c.target.update(c.ctx, As{}, func(s session) error { return s.exec(`DELETE FROM ` + journalTable) })
	var out []CopiedTable
	for i := range c.tables {
		total := c.totals[c.tables[i].name]
		out = append(out, CopiedTable{Name: c.tables[i].name, Rows: total.rows, Hash: total.sum()})
	}
	return out, err
}

func (c *copier) name(owner string) string {
	if name, ok := c.names[owner]; ok {
		return name
	}
	return owner
}

// begin reads who owns rows, and what the target has of them.
func (c *copier) begin(source string) error {
	c.names, c.journal, c.states, c.totals = map[string]string{}, map[string]string{}, map[string]string{}, map[string]*tally{}
	err := c.source.query(`SELECT user_id, principal_name FROM users`, func(r *row) error {
		owner := r.text()
		c.names[owner] = r.text()
		return nil
	})
	if err != nil {
		return err
	}
	all := maps.Clone(c.names)
	for i := range c.tables {
		t := &c.tables[i]
		c.totals[t.name] = newTally()
		if !t.owned() || len(t.parents) > 0 || t.name == "users" {
			continue
		}
		err := c.source.query(`SELECT DISTINCT t.user_id FROM `+t.name+` t WHERE NOT EXISTS (SELECT 1 FROM users u WHERE u.user_id = t.user_id)`,
			func(r *row) error { all[r.text()] = ""; return nil })
		if err != nil {
			return err
		}
	}
	c.owners = slices.Sorted(maps.Keys(all))
	return c.target.update(c.ctx, As{}, func(s session) error {
		clear(c.journal)
		err := s.query(`SELECT user_id, state FROM `+journalTable, func(r *row) error {
			owner := r.text()
			c.journal[owner] = r.text()
			return nil
		})
		if err != nil || c.journal[journalHead] != "" {
			delete(c.journal, journalHead)
			return err
		}
		return s.exec(`INSERT INTO `+journalTable+` (user_id, state) VALUES (?, ?)`, text(journalHead), text(source))
	})
}

// mailbox copies the rows of an owner, unless the target has them.
func (c *copier) mailbox(owner string) error {
	had, known := c.journal[owner]
	if known {
		rows, state, totals, err := c.pass(c.source, owner, nil)
		if err != nil {
			return err
		}
		if state == had {
			c.keep(owner, state, totals)
			c.o.Mailbox(CopiedMailbox{Owner: c.name(owner), Rows: rows, Before: true})
			return nil
		}
	}
	var rows int64
	var state string
	var totals map[string]*tally
	err := c.target.update(c.ctx, As{User: owner}, func(s session) (err error) {
		if known {
			if err := c.remove(s, owner); err != nil {
				return err
			}
		}
		if rows, state, totals, err = c.pass(c.source, owner, s); err != nil {
			return err
		}
		if err := c.index(s, owner); err != nil {
			return fmt.Errorf("making its index: %w", err)
		}
		return s.exec(`INSERT INTO `+journalTable+` (user_id, state) VALUES (?, ?)`, text(owner), text(state))
	})
	if err != nil {
		return err
	}
	c.keep(owner, state, totals)
	c.o.Mailbox(CopiedMailbox{Owner: c.name(owner), Rows: rows, Anew: known})
	return nil
}

// keep notes what the source has of an owner.
func (c *copier) keep(owner, state string, totals map[string]*tally) {
	c.states[owner] = state
	addTotals(c.totals, totals)
}

func addTotals(all, more map[string]*tally) {
	for name, t := range more {
		all[name].rows += t.rows
		all[name].hash.Write(t.hash.Sum(nil))
	}
}

// pass reads the rows of an owner in all tables of mailboxes, and writes them to
// a session unless that is nil. state is the hash of all of them.
func (c *copier) pass(from session, owner string, to session) (rows int64, state string, totals map[string]*tally, err error) {
	all := newTally()
	totals = map[string]*tally{}
	for i := range c.tables {
		t := &c.tables[i]
		if !t.owned() {
			continue
		}
		if totals[t.name], err = c.table(t, from, owner, to); err != nil {
			return 0, "", nil, fmt.Errorf("%s: %w", t.name, err)
		}
		all.add([]value{text(t.name), blob(totals[t.name].hash.Sum(nil))})
		rows += totals[t.name].rows
	}
	return rows, all.sum(), totals, nil
}

// table reads the rows of a table, and writes them to a session unless that is nil.
func (c *copier) table(t *copyTable, from session, owner string, to session) (*tally, error) {
	total, waiting := newTally(), 0
	err := t.read(from, owner, func(values []value) error {
		if err := c.ctx.Err(); err != nil {
			return err
		}
		waiting += total.add(values)
		if to == nil {
			return nil
		}
		if err := t.insert(to, values); err != nil || waiting < copyFlush {
			return err
		}
		waiting = 0
		return send(to)
	})
	if err == nil && to != nil {
		err = send(to)
	}
	return total, err
}

// send makes the round trip for the statements that wait for one.
func send(s session) error { return s.query(`SELECT 1`, func(*row) error { return nil }) }

// remove deletes the rows of an owner from the target.
func (c *copier) remove(s session, owner string) error {
	err := c.eachList(s, owner, func(tx *Tx, list string) error { return tx.dialect().search.removeList(tx, list) })
	if err != nil {
		return err
	}
	for i := len(c.tables) - 1; i >= 0; i-- {
		if t := &c.tables[i]; t.owned() {
			if err := t.remove(s, owner); err != nil {
				return err
			}
		}
	}
	return s.exec(`DELETE FROM `+journalTable+` WHERE user_id = ?`, text(owner))
}

func (c *copier) eachList(s session, owner string, each func(tx *Tx, list string) error) error {
	tx := &Tx{ctx: c.ctx, db: c.db, conn: s, as: As{User: owner}, now: c.db.time()}
	for after := ""; ; {
		lists, err := tx.ListsAfter(after, copyPage)
		if err != nil {
			return err
		}
		for _, l := range lists {
			if err := each(tx, l.ID); err != nil {
				return err
			}
			after = l.ID
		}
		if len(lists) < copyPage {
			return nil
		}
	}
}

// index makes the full-text index of the tasks of an owner, which are in the target.
func (c *copier) index(s session, owner string) error {
	return c.eachList(s, owner, func(tx *Tx, list string) error {
		for after := ""; ; {
			tasks, err := tx.TasksAfter(list, after, copyPage/4)
			if err != nil {
				return err
			}
			for i := range tasks {
				after = tasks[i].ID
				words, err := tx.dialect().search.add(tx, &tasks[i])
				if err == nil && words != 0 {
					err = s.exec(`UPDATE tasks SET `+indexColumn+` = ? WHERE user_id = ? AND list_id = ? AND task_id = ?`,
						integer(words), text(owner), text(list), text(after))
				}
				if err != nil {
					return err
				}
			}
			if err := send(s); err != nil || len(tasks) < copyPage/4 {
				return err
			}
		}
	})
}

// removeGone deletes what an earlier run has brought and the source has no more.
func (c *copier) removeGone() error {
	for owner := range c.journal {
		if _, there := c.states[owner]; there {
			continue
		}
		if err := c.target.update(c.ctx, As{User: owner}, func(s session) error { return c.remove(s, owner) }); err != nil {
			return err
		}
	}
	return nil
}

// common copies the tables of no mailbox, in one transaction.
func (c *copier) common() error {
	return c.target.update(c.ctx, As{}, func(s session) error {
		for i := len(c.tables) - 1; i >= 0; i-- {
			if t := &c.tables[i]; !t.owned() {
				if err := t.remove(s, ""); err != nil {
					return err
				}
			}
		}
		for i := range c.tables {
			t := &c.tables[i]
			if t.owned() {
				continue
			}
			total, err := c.table(t, c.source, "", s)
			if err != nil {
				return fmt.Errorf("%s: %w", t.name, err)
			}
			c.totals[t.name] = total
		}
		return nil
	})
}

// compare reads the target and wants to find what the source has.
func (c *copier) compare() error {
	return c.target.view(c.ctx, long, func(s session) error {
		found := map[string]*tally{}
		for i := range c.tables {
			found[c.tables[i].name] = newTally()
		}
		for i, owner := range c.owners {
			c.o.Progress("comparing the copy with the source", int64(i), int64(len(c.owners)))
			_, state, totals, err := c.pass(s, owner, nil)
			if err != nil {
				return fmt.Errorf("reading the copy: %w", err)
			}
			if state != c.states[owner] {
				return fmt.Errorf("the copy of the mailbox of %s is not what the source has: something else writes to the target; make it empty and copy again", c.name(owner))
			}
			addTotals(found, totals)
		}
		for i := range c.tables {
			t := &c.tables[i]
			if !t.owned() {
				total, err := c.table(t, s, "", nil)
				if err != nil {
					return fmt.Errorf("reading the copy: %w", err)
				}
				found[t.name] = total
			}
			count := int64(0)
			if err := s.query(`SELECT count(*) FROM `+t.name, func(r *row) error { count = r.int(); return nil }); err != nil {
				return err
			}
			if want := c.totals[t.name]; count != want.rows || found[t.name].sum() != want.sum() {
				return fmt.Errorf("the copy has %d rows in %s and the source %d, or others: something else writes to the target; make it empty and copy again", count, t.name, want.rows)
			}
		}
		return nil
	})
}
