package store

import (
	"errors"
	"math/rand/v2"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/google/go-cmp/cmp"

	"github.com/duly-todo/duly/internal/pgtest"
)

func TestNumbered(t *testing.T) {
	t.Parallel()
	for q, want := range map[string]string{
		``:                               ``,
		`SELECT 1`:                       `SELECT 1`,
		`a = ? AND b = ?`:                `a = $1 AND b = $2`,
		`LIMIT ?+0`:                      `LIMIT $1+0`,
		`a = '?' AND b = ?`:              `a = '?' AND b = $1`,
		`a = 'it''s ?' AND "b?" = ?`:     `a = 'it''s ?' AND "b?" = $1`,
		"a = ? -- why?\nAND b = ?":       "a = $1 -- why?\nAND b = $2",
		`a - ? - -? -- what?`:            `a - $1 - -$2 -- what?`,
		`a = '?`:                         `a = '?`,
		`a = '--' AND b = ?`:             `a = '--' AND b = $1`,
		strings.Repeat("?,", 10) + "?":   "$1,$2,$3,$4,$5,$6,$7,$8,$9,$10,$11",
		`x = '' AND y = ? AND z = '''?'`: `x = '' AND y = $1 AND z = '''?'`,
	} {
		if got := numbered(q); got != want {
			t.Errorf("numbered(%q) = %q, want %q", q, got, want)
		}
	}
}

func TestPostgresDDL(t *testing.T) {
	t.Parallel()
	for script, want := range map[string]string{
		"CREATE TABLE a (\n\tb TEXT NOT NULL, -- TEXT of BLOB\n\tc BLOB\n) WITHOUT ROWID;": "CREATE TABLE a (\n\tb TEXT COLLATE \"C\" NOT NULL, -- TEXT of BLOB\n\tc BYTEA\n);",
		"ALTER TABLE a ADD COLUMN b TEXT NOT NULL DEFAULT 'a TEXT';":                       "ALTER TABLE a ADD COLUMN b TEXT COLLATE \"C\" NOT NULL DEFAULT 'a TEXT';",
		"CREATE TABLE a (b TEXT[]) ;":                                                      "CREATE TABLE a (b TEXT[] COLLATE \"C\") ;",
		"CREATE TABLE a (CONTEXT BIGINT);":                                                 "CREATE TABLE a (CONTEXT BIGINT);",
		"-- WITHOUT ROWID\nSELECT 'BLOB';\n":                                               "-- WITHOUT ROWID\nSELECT 'BLOB';\n",
	} {
		if got := postgresDDL(script); got != want {
			t.Errorf("postgresDDL(%q) = %q, want %q", script, got, want)
		}
	}
}

// TestSameWords compares wordsOf with the words that SQLite finds in texts: each
// letter of the scripts that SQLite's tables, which are those of Unicode 6, know
// well, and random texts.
func TestSameWords(t *testing.T) {
	t.Parallel()
	db, err := Open(t.Context(), Memory, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	var texts []string
	for _, script := range [][2]rune{{0x01, 0x24f}, {0x370, 0x527}, {0x5d0, 0x64a}, {0x900, 0x97f}, {0x1e00, 0x1eff}, {0x3041, 0x30ff}, {0x4e00, 0x4eff}, {0xac00, 0xacff}} {
		for r := script[0]; r <= script[1]; r++ {
			if unicode.IsGraphic(r) && !strings.ContainsRune("ǠǡͿẛ\u0605\u061d॓॔ॕ", r) {
				texts = append(texts, "a"+string(r)+"b")
			}
		}
	}
	letters := len(texts)
	alphabet := []rune("abcABC019 ÄÖÜéèñçßøŁıİſΣσςάЖжйё'\"-_.,:;/\\@#()[]{}^*+\t\n\u0301\u0000日本語한글🎉½²")
	r := rand.New(rand.NewPCG(8, 8))
	for range 3000 {
		text := make([]rune, r.IntN(12))
		for i := range text {
			text[i] = alphabet[r.IntN(len(alphabet))]
		}
		texts = append(texts, string(text))
	}
	got := make([][]string, len(texts))
	err = db.View(t.Context(), "", func(tx *Tx) error {
		c := tx.conn.(*conn)
		err := c.script(`CREATE VIRTUAL TABLE temp.doc USING fts5 (text, tokenize = 'unicode61 remove_diacritics 2');
			CREATE VIRTUAL TABLE temp.word USING fts5vocab (temp, doc, instance)`)
		if err != nil {
			return err
		}
		for i, s := range texts {
			if err := c.exec(`INSERT INTO temp.doc (rowid, text) VALUES (?, ?)`, integer(int64(i)), text(s)); err != nil {
				return err
			}
		}
		return c.query(`SELECT doc, term FROM temp.word ORDER BY doc, "offset"`, func(r *row) error {
			i := r.int()
			got[i] = append(got[i], r.text())
			return nil
		})
	})
	if err != nil {
		t.Fatal(err)
	}
	for i, s := range texts {
		if diff := cmp.Diff(got[i], wordsOf(s)); diff != "" {
			t.Errorf("the words of %q (-SQLite +wordsOf):\n%s", s, diff)
		}
	}
	t.Logf("%d letters and %d random texts have the same words", letters, len(texts)-letters)
}

// TestValues sends values to the databases and reads them back.
func TestValues(t *testing.T) {
	t.Parallel()
	for name, dsn := range map[string]func() string{"SQLite": func() string { return Memory }, "PostgreSQL": func() string { return pgtest.DSN(t) }} {
		db, err := Open(t.Context(), dsn(), time.Now)
		if err != nil {
			t.Fatal(err)
		}
		bytesType := map[string]string{"SQLite": "BLOB", "PostgreSQL": "BYTEA"}[name]
		q := `SELECT CAST(? AS BIGINT), CAST(? AS TEXT), CAST(? AS ` + bytesType + `), CAST(? AS TEXT), '?', CAST(? AS SMALLINT)`
		for _, s := range []string{"", "a", "\x00", "a\x00b\x00", "\u00e4\U0001f600", "\ufffe\uffff", "'?\\"} {
			err = db.View(t.Context(), "", func(tx *Tx) error {
				return tx.conn.query(q, func(r *row) error {
					if n, text, b := r.int(), r.text(), r.bytes(nil); n != -1<<63 || text != s || string(b) != s {
						t.Errorf("%s: %q comes back as %d, %q, %q", name, s, n, text, b)
					}
					if isNull, literal, small := r.null(), r.text(), r.int(); !isNull || literal != "?" || small != -3 {
						t.Errorf("%s: null is %v, the literal %q, the small number %d", name, isNull, literal, small)
					}
					return nil
				}, integer(-1<<63), text(s), blob([]byte(s)), null(), integer(-3))
			})
			if err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	}
}

// TestFailedStatements makes statements that PostgreSQL refuses, or does not end in
// time, before and after others: the error is PostgreSQL's, nothing is kept, and
// the connection is good for the next transaction.
func TestFailedStatements(t *testing.T) {
	t.Parallel()
	db, err := Open(t.Context(), pgtest.DSN(t)+"&pool_max_conns=1&statement_timeout=300", time.Now)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	nothing := func(*row) error { return nil }
	insert := func(tx *Tx) error {
		return tx.conn.exec(`INSERT INTO login_names (login_name, user_id) VALUES (?, ?)`, text("x"), text("y"))
	}
	for name, c := range map[string]struct {
		fail        func(tx *Tx) error
		want        string
		unavailable bool
	}{
		"a query":        {func(tx *Tx) error { return tx.conn.query(`SELECT 1 / CAST(? AS BIGINT)`, nothing, integer(0)) }, "22012", false},
		"a syntax error": {func(tx *Tx) error { return tx.conn.query(`SELECT FROM WHERE`, nothing) }, "42601", false},
		"a statement": {func(tx *Tx) error {
			return tx.conn.exec(`DELETE FROM users WHERE version = 1 / CAST(? AS BIGINT)`, integer(0))
		}, "22012", false},
		"the second of three": {func(tx *Tx) error {
			return tx.conn.queryAll([]statement{{`SELECT 1`, nothing, nil}, {`SELECT 1 / CAST(? AS BIGINT)`, nothing, []value{integer(0)}}, {`SELECT 2`, nothing, nil}})
		}, "22012", false},
		"an error ignored": {func(tx *Tx) error { _ = tx.conn.query(`SELECT 1 / CAST(? AS BIGINT)`, nothing, integer(0)); return nil }, "22012", false},
		"too slow":         {func(tx *Tx) error { return tx.conn.query(`SELECT CAST(pg_sleep(5) AS TEXT)`, nothing) }, "57014", true},
	} {
		err := db.Update(t.Context(), As{User: "u"}, func(tx *Tx) error {
			if err := insert(tx); err != nil {
				return err
			}
			if err := c.fail(tx); err != nil {
				return err
			}
			return insert(tx)
		})
		if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "panic") || errors.Is(err, ErrUnavailable) != c.unavailable {
			t.Errorf("%s: Update gives %v, want %s", name, err, c.want)
		}
		err = db.View(t.Context(), "u", func(tx *Tx) error {
			n := int64(-1)
			if err := tx.conn.query(`SELECT count(*) FROM login_names`, func(r *row) error { n = r.int(); return nil }); err != nil || n != 0 {
				t.Errorf("%s: afterwards there are %d rows, %v", name, n, err)
			}
			return c.fail(tx)
		})
		if name != "an error ignored" && name != "a statement" && (err == nil || !strings.Contains(err.Error(), c.want) || errors.Is(err, ErrUnavailable) != c.unavailable) {
			t.Errorf("%s: View gives %v, want %s", name, err, c.want)
		}
	}
}
