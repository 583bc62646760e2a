package store

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	"zombiezen.com/go/sqlite"
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
			return fmt.Errorf("opening the database %s: %w", withoutPassword(to), err)
		}
		defer func() { err = errors.Join(err, target.close()) }()
		c := &copier{ctx: ctx, source: s, target: target, tables: plan, o: o, db: &DB{engine: target, now: time.Now}}
		tables, err = c.run(withoutPassword(from))
		return err
	})
	return tables, err
}

// viewSource runs fn on a snapshot of a database, without writing to it.
func viewSource(ctx context.Context, dsn string, fn func(session) error) (err error) {
	defer func() {
		if err != nil && ctx.Err() != nil {
			err = ctx.Err()
		}
	}()
	if IsPostgres(dsn) {
		return viewPostgres(ctx, dsn, fn)
	}
	c, err := openConn(strings.TrimPrefix(dsn, "sqlite:"), sqlite.OpenReadOnly, readerPragma)
	if err != nil {
		return judged(err)
	}
	c.c.SetInterrupt(ctx.Done())
	defer func() {
		c.c.SetInterrupt(nil)
		err = judged(errors.Join(err, c.rollback(), c.close()))
	}()
	if err := c.exec(`BEGIN`); err != nil {
		return err
	}
	return protect(c, fn)
}

// viewPostgres is viewSource for PostgreSQL. Its transaction may be left alone for
// longer than those of the server.
func viewPostgres(ctx context.Context, dsn string, fn func(session) error) error {
	config, err := parsePostgres(dsn)
	if err != nil {
		return err
	}
	e, err := newPgEngine(ctx, config)
	if err != nil {
		return err
	}
	err = e.view(ctx, false, func(s session) error {
		s.(*pgSession).patience = inspectTime
		if err := s.exec(`SET LOCAL idle_in_transaction_session_timeout = 0`); err != nil {
			return err
		}
		if err := s.exec(`SET LOCAL statement_timeout = 0`); err != nil {
			return err
		}
		return fn(s)
	})
	return errors.Join(err, e.close())
}

// schemaOf is the version of the schema of a database, 0 where there is none.
func schemaOf(s session) (int, error) {
	if pg, ok := s.(*pgSession); ok {
		return pg.schemaVersion()
	}
	return schemaVersion(s.(*conn))
}

// requireSchema refuses a source of another schema than ours.
func requireSchema(s session, dsn string) error {
	version, err := schemaOf(s)
	known := KnownSchema()
	switch {
	case err != nil:
		return err
	case version == 0:
		return fmt.Errorf("%s is no database of Duly's, or an empty one", withoutPassword(dsn))
	case version > known:
		return errNewerSchema(version, known)
	case version < known:
		return fmt.Errorf("the schema of %s has version %d, and a copy needs %d: run any other verb of this duly on it, such as \"duly user list\", which brings it up to date", withoutPassword(dsn), version, known)
	}
	source, err := halfCopyOf(s)
	if err == nil && source != "" {
		err = errHalfCopy(source)
	}
	return err
}

// checkTarget refuses a database to copy to unless it is new or empty, or half a
// copy of the same source. It changes nothing.
func checkTarget(ctx context.Context, dsn string, plan []copyTable, source string) error {
	if !IsPostgres(dsn) {
		info, err := os.Stat(strings.TrimPrefix(dsn, "sqlite:"))
		if errors.Is(err, os.ErrNotExist) || err == nil && info.Size() == 0 {
			return nil
		}
	}
	err := viewSource(ctx, dsn, func(s session) error {
		version, err := schemaOf(s)
		if err != nil || version == 0 {
			return err
		}
		if known := KnownSchema(); version > known {
			return errNewerSchema(version, known)
		} else if version < known {
			return fmt.Errorf("%w, of a schema of version %d", ErrHoldsData, version)
		}
		half, err := halfCopyOf(s)
		if err != nil || half == source {
			return err
		}
		if half != "" {
			return fmt.Errorf("%w of %s, and not of %s", ErrHalfCopy, half, source)
		}
		for i := range plan {
			if plan[i].name == "revision_counter" { // the schema comes with its row
				continue
			}
			empty, err := plan[i].empty(s)
			if err == nil && !empty {
				err = fmt.Errorf("%w: there are rows in %s", ErrHoldsData, plan[i].name)
			}
			if err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		err = fmt.Errorf("opening the database %s: %w", withoutPassword(dsn), err)
	}
	return err
}

// halfCopyOf says of what a database is half a copy; "" for one that is whole.
func halfCopyOf(s session) (source string, err error) {
	err = s.query(`SELECT state FROM `+journalTable+` WHERE user_id = ?`, func(r *row) error { source = r.text(); return nil }, text(journalHead))
	return source, err
}

func errHalfCopy(source string) error {
	return fmt.Errorf("%w of %s: run \"duly copy\" again, which finishes it", ErrHalfCopy, source)
}

// requireWhole refuses half a copy.
func (db *DB) requireWhole(ctx context.Context) error {
	return db.lookup(ctx, "", func(tx *Tx) error {
		source, err := halfCopyOf(tx.conn)
		if err == nil && source != "" {
			err = errHalfCopy(source)
		}
		return err
	})
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
	return c.target.view(c.ctx, false, func(s session) error {
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
