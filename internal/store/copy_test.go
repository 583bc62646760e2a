package store

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"zombiezen.com/go/sqlite"

	"github.com/duly-todo/duly/internal/odata"
	"github.com/duly-todo/duly/internal/pgtest"
	"github.com/duly-todo/duly/internal/todo"
)

// TestCopyTables wants every table that either database has to be copied, but for
// those that are made anew.
func TestCopyTables(t *testing.T) {
	t.Parallel()
	tables, err := copyTables(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var copied []string
	for _, table := range tables {
		copied = append(copied, table.name)
	}
	slices.Sort(copied)
	made := []string{"copy_journal", "schema_version", "search", "words", "words_config", "words_content", "words_data", "words_docsize", "words_idx"}
	for name, c := range map[string]struct{ dsn, tables, columns string }{
		"SQLite": {
			filepath.Join(t.TempDir(), "duly.db"), `SELECT name FROM sqlite_schema WHERE type = 'table'`,
			`SELECT name FROM pragma_table_info(?)`,
		},
		"PostgreSQL": {
			pgtest.DSN(t), `SELECT CAST(relname AS TEXT) FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p') AND NOT relispartition`,
			`SELECT CAST(attname AS TEXT) FROM pg_attribute WHERE attrelid = CAST(? AS regclass) AND attnum > 0 AND NOT attisdropped`,
		},
	} {
		db, err := Open(t.Context(), c.dsn, time.Now)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		err = viewSource(t.Context(), c.dsn, func(s session) error {
			var got []string
			err := s.query(c.tables, func(r *row) error { got = append(got, r.text()); return nil })
			if err != nil {
				return err
			}
			got = slices.DeleteFunc(got, func(s string) bool { return slices.Contains(made, s) })
			slices.Sort(got)
			if diff := cmp.Diff(got, copied); diff != "" {
				t.Errorf("%s has the tables, and copied are (-want +got)\n%s", name, diff)
			}
			for _, table := range tables {
				var want, columns []string
				for _, column := range table.columns {
					columns = append(columns, column.name)
				}
				if table.index {
					columns = append(columns, indexColumn)
				}
				if err := s.query(c.columns, func(r *row) error { want = append(want, r.text()); return nil }, text(table.name)); err != nil {
					return err
				}
				slices.Sort(want)
				slices.Sort(columns)
				if diff := cmp.Diff(want, columns); diff != "" {
					t.Errorf("%s: columns of %s (-want +got)\n%s", name, table.name, diff)
				}
			}
			return nil
		})
		if err := errors.Join(err, db.Close()); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// fillEvery writes rows into every table, of mailboxes and owners: what they say
// does not matter, only that all of it arrives.
func fillEvery(t *testing.T, dsn string, seed int) {
	t.Helper()
	tables, err := copyTables(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	db, err := Open(t.Context(), dsn, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	owners := []string{fmt.Sprintf("10000000-0000-4000-8000-%012d", seed), fmt.Sprintf("20000000-0000-4000-8000-%012d", seed)}
	for _, owner := range owners {
		err := db.engine.update(t.Context(), As{User: owner}, func(s session) error {
			for i := range tables {
				for n := range 2 {
					if err := fillRow(s, &tables[i], owner, n); err != nil {
						return fmt.Errorf("%s: %w", tables[i].name, err)
					}
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	err = db.engine.update(t.Context(), As{}, func(s session) error { // owners that are no users
		return s.exec(`INSERT INTO revocations (user_id, token_id, expires) VALUES (?, 'jti', 1), ('', ?, 2)`, text(fmt.Sprint("app", seed)), text(fmt.Sprint("jti", seed)))
	})
	if err := errors.Join(err, db.Close()); err != nil {
		t.Fatal(err)
	}
}

// fillRow writes the n-th row of an owner. Rows of one number belong together, so
// that foreign keys hold; text is as nasty as it may be.
func fillRow(s session, table *copyTable, owner string, n int) error {
	values := make([]value, len(table.columns))
	for i, c := range table.columns {
		switch {
		case c.name == "user_id":
			values[i] = text(owner)
		case c.kind == 3:
			values[i] = blob([]byte{0, 1, byte(n), 0xff})
		case c.kind == 1 && slices.Contains(table.key, i):
			values[i] = integer(int64(n))
		case c.kind == 1:
			values[i] = integer(int64(n % 2))
		case strings.HasSuffix(c.name, "_id") || slices.Contains(table.key, i):
			values[i] = text(fmt.Sprintf("%s-%s-%d", c.name, owner, n))
		case c.name == "categories":
			values[i] = text(`["Ä","b"]`)
		case c.name == "recurrence":
			values[i] = null()
		default:
			values[i] = text(fmt.Sprintf("%s ünï\U0001f600 \x00 'q' %s %d", c.name, owner, n))
		}
	}
	if len(table.key) == 1 && table.owned() && n > 0 {
		return nil // one row an owner
	}
	if table.name == "revision_counter" {
		return nil // whose one row is there
	}
	for _, key := range table.key {
		switch c := table.columns[key]; {
		case table.owned() || c.kind != 1:
		case c.name == "one":
			values[key] = integer(1)
		default:
			values[key] = integer(int64(owner[0])*1000 + int64(n) + int64(owner[len(owner)-1])*100)
		}
	}
	return table.insert(s, values)
}

// rowsOf reads all of a database that a copy brings.
func rowsOf(t *testing.T, dsn string) map[string][]string {
	t.Helper()
	tables, err := copyTables(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	out := map[string][]string{}
	err = viewSource(t.Context(), dsn, func(s session) error {
		for i := range tables {
			table := tables[i]
			err := s.query(`SELECT `+table.allNames()+` FROM `+table.name, func(r *row) error {
				line := ""
				for _, c := range table.columns {
					v := readValue(r, c.kind, nil)
					line += fmt.Sprintf("%s=%d %d %q %x; ", c.name, v.kind, v.i, v.s, v.b)
				}
				out[table.name] = append(out[table.name], line)
				return nil
			})
			if err != nil {
				return err
			}
			slices.Sort(out[table.name])
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func copyAll(ctx context.Context, from, to string, finish bool) (mailboxes []CopiedMailbox, tables []CopiedTable, err error) {
	tables, err = Copy(ctx, from, to, CopyOptions{
		Finish:   finish,
		Mailbox:  func(m CopiedMailbox) { mailboxes = append(mailboxes, m) },
		Progress: func(string, int64, int64) {},
	})
	return mailboxes, tables, err
}

// TestCopy copies every table between databases of both kinds, in steps: what an
// earlier run has brought stays, what has changed is brought again.
func TestCopy(t *testing.T) {
	t.Parallel()
	kinds := map[string]func() string{
		"SQLite":     func() string { return filepath.Join(t.TempDir(), "duly.db") },
		"PostgreSQL": func() string { return pgtest.DSN(t) },
	}
	for from, source := range kinds {
		for to, target := range kinds {
			source, target := source(), target()
			t.Run(from+" to "+to, func(t *testing.T) {
				t.Parallel()
				testCopy(t, source, target)
			})
		}
	}
}

func testCopy(t *testing.T, source, target string) {
	fillEvery(t, source, 1)
	got, tables, err := copyAll(t.Context(), source, target, false)
	if err != nil || len(got) != 4 || len(tables) != 0 {
		t.Fatalf("a copy without end: %+v, %v, %v", got, tables, err)
	}
	if db, err := Open(t.Context(), target, time.Now); !errors.Is(err, ErrHalfCopy) {
		t.Errorf("half a copy opens: %v, %v", db, err)
	}
	if _, _, err := copyAll(t.Context(), target, filepath.Join(t.TempDir(), "x.db"), true); !errors.Is(err, ErrHalfCopy) {
		t.Errorf("half a copy is copied: %v", err)
	}
	fillEvery(t, source, 2)
	change(t, source, `UPDATE users SET display_name = 'other' WHERE user_id LIKE '1%1'`)
	change(t, source, `DELETE FROM users WHERE user_id LIKE '2%1'`, `DELETE FROM revocations WHERE user_id LIKE '2%1'`, `DELETE FROM setup_links WHERE user_id LIKE '2%1'`)
	got, tables, err = copyAll(t.Context(), source, target, true)
	if err != nil {
		t.Fatal(err)
	}
	states := map[string]int{}
	for _, m := range got {
		states[fmt.Sprintf("before %v, anew %v", m.Before, m.Anew)]++
	}
	// Of the first owners one is gone, one has changed, and of those that are no users
	// one has a row more; then come three new ones.
	if want := map[string]int{"before true, anew false": 1, "before false, anew true": 2, "before false, anew false": 3}; cmp.Diff(want, states) != "" {
		t.Errorf("the second run: %v: %+v", states, got)
	}
	want := rowsOf(t, source)
	if diff := cmp.Diff(want, rowsOf(t, target)); diff != "" {
		t.Errorf("(-source +target)\n%s", diff)
	}
	for _, table := range tables {
		if int(table.Rows) != len(want[table.Name]) || table.Rows == 0 {
			t.Errorf("the table %s is said to have %d rows and has %d", table.Name, table.Rows, len(want[table.Name]))
		}
	}
	db, err := Open(t.Context(), target, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Error(err)
	}
	if _, _, err := copyAll(t.Context(), source, target, true); !errors.Is(err, ErrHoldsData) {
		t.Errorf("copying over a copy: %v", err)
	}
}

// change runs statements on a database that nobody has open.
func change(t *testing.T, dsn string, statements ...string) {
	t.Helper()
	db, err := Open(t.Context(), dsn, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	err = db.engine.update(t.Context(), As{}, func(s session) error {
		for _, q := range statements {
			if err := s.exec(q); err != nil {
				return err
			}
		}
		return nil
	})
	if err := errors.Join(err, db.Close()); err != nil {
		t.Fatal(err)
	}
}

// TestCopyInterrupted ends a copy after each of its steps, and goes on.
func TestCopyInterrupted(t *testing.T) {
	t.Parallel()
	source, target := filepath.Join(t.TempDir(), "a.db"), filepath.Join(t.TempDir(), "b.db")
	for n := range 3 {
		fillEvery(t, source, n)
	}
	for stop := 1; ; stop++ {
		ctx, cancel := context.WithCancel(t.Context())
		steps := 0
		_, err := Copy(ctx, source, target, CopyOptions{Finish: true, Mailbox: func(m CopiedMailbox) {
			if steps++; steps == stop {
				cancel()
			}
		}, Progress: func(string, int64, int64) {}})
		cancel()
		if err == nil {
			break
		}
		if !errors.Is(err, context.Canceled) || stop > 20 {
			t.Fatalf("stopped after %d mailboxes: %v", stop, err)
		}
	}
	if diff := cmp.Diff(rowsOf(t, source), rowsOf(t, target)); diff != "" {
		t.Errorf("(-source +target)\n%s", diff)
	}
}

// TestCopyRefuses names databases that cannot be copied: nothing is changed.
func TestCopyRefuses(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	good, other, target := filepath.Join(dir, "good.db"), filepath.Join(dir, "other.db"), filepath.Join(dir, "target.db")
	fillEvery(t, good, 1)
	fillEvery(t, other, 2)
	if _, _, err := copyAll(t.Context(), good, target, false); err != nil {
		t.Fatal(err)
	}
	old := filepath.Join(dir, "old.db")
	if err := before(t, old, 7).close(); err != nil {
		t.Fatal(err)
	}
	empty := filepath.Join(dir, "empty.db")
	c, err := openConn(empty, sqlite.OpenReadWrite|sqlite.OpenCreate, "")
	if err := errors.Join(err, c.script(`CREATE TABLE x (y)`), c.close()); err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct{ from, to, want string }{
		"half a copy of another": {other, target, "half a copy of " + good + ", and not of " + other},
		"a target with data":     {good, other, "holds data already: there are rows in"},
		"an old source":          {old, filepath.Join(dir, "new.db"), "has version 7, and a copy needs"},
		"an old target":          {good, old, "holds data already, of a schema of version 7"},
		"no source":              {filepath.Join(dir, "none.db"), target, "unable to open"},
		"another's source":       {empty, target, "no database of Duly's"},
	} {
		_, _, err := copyAll(t.Context(), tt.from, tt.to, true)
		if err == nil || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v, want %q", name, err, tt.want)
		}
	}
	if rows := rowsOf(t, other); len(rows["users"]) != 2 {
		t.Errorf("the refused target has %v", rows["users"])
	}
}

// TestCopySearch searches in a copy, and changes and deletes what it finds.
func TestCopySearch(t *testing.T) {
	t.Parallel()
	a, b, c := filepath.Join(t.TempDir(), "duly.db"), pgtest.DSN(t), filepath.Join(t.TempDir(), "duly.db")
	db, err := Open(t.Context(), a, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	user := NewGUID()
	err = db.AddUser(t.Context(), todo.User{ID: user, UserPrincipalName: "ada"}, "")
	if err == nil {
		err = db.Update(t.Context(), As{User: user}, func(tx *Tx) error {
			list, err := tx.DefaultList()
			for n := range 100 {
				task := todo.Task{ID: tx.NewID(), ListID: list.ID, Title: fmt.Sprint("Milk ", n), Created: tx.Now(), Modified: tx.Now(), ChecklistItems: []todo.ChecklistItem{{ID: tx.NewGUID(), Name: fmt.Sprint("oats", n), Created: tx.Now()}}}
				err = errors.Join(err, tx.InsertTask(&task))
			}
			return err
		})
	}
	if err := errors.Join(err, db.Close()); err != nil {
		t.Fatal(err)
	}
	for _, step := range [][2]string{{a, b}, {b, c}} {
		if _, _, err := copyAll(t.Context(), step[0], step[1], true); err != nil {
			t.Fatal(err)
		}
	}
	for _, dsn := range []string{b, c} {
		db, err := Open(t.Context(), dsn, time.Now)
		if err != nil {
			t.Fatal(err)
		}
		err = db.Update(t.Context(), As{User: user}, func(tx *Tx) error {
			list, err := tx.DefaultList()
			if err != nil {
				return err
			}
			for _, want := range []int{1, 0} {
				tasks, err := tx.QueryTasks(TaskQuery{List: list.ID, Search: odata.SearchTerm{Text: "oats77"}, Limit: 10})
				if err != nil {
					return err
				}
				if len(tasks) != want {
					t.Errorf("%s: the search finds %d tasks, want %d", dsn, len(tasks), want)
				}
				for _, task := range tasks {
					if err := tx.DeleteTask(list.ID, task.ID); err != nil {
						return err
					}
				}
			}
			return err
		})
		if err := errors.Join(err, db.Close()); err != nil {
			t.Error(err)
		}
	}
}
