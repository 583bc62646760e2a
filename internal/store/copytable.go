package store

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"slices"
	"strings"

	"zombiezen.com/go/sqlite"
)

// What a copy does not take over as it is: the journal is about the copy, and the
// number of a task's row in the full-text index is that of the database's own.
const (
	journalTable = "copy_journal"
	indexColumn  = "search_id"
)

// A copyTable is a table as the schema has it.
type copyTable struct {
	name    string
	columns []copyColumn // but indexColumn
	key     []int        // the columns of the primary key, in its order
	index   bool         // there is an indexColumn too
	parents []string     // tables that its foreign keys refer to
}

// A copyColumn is a column; kind is that of its values.
type copyColumn struct {
	name string
	kind byte
}

// owned says whether every row belongs to a mailbox.
func (t *copyTable) owned() bool { return t.columns[t.key[0]].name == "user_id" }

// copyTables are the tables of the schema that this program writes, parents before
// their children. They are read from a database and not from a list, so that no
// migration can be forgotten.
func copyTables(ctx context.Context) (tables []copyTable, err error) {
	c, err := openConn(Memory, sqlite.OpenReadWrite|sqlite.OpenCreate|sqlite.OpenMemory, "")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, c.close()) }()
	if err := migrate(ctx, c); err != nil {
		return nil, err
	}
	const real = ` FROM pragma_table_list t JOIN %s WHERE t.schema = 'main' AND t.type = 'table' AND t.name NOT LIKE 'sqlite_%%' AND t.name <> '` + journalTable + `' ORDER BY t.name, `
	places := map[string]map[int]int{} // of the columns in their key, from 1
	err = c.query(`SELECT t.name, c.name, c.type, c.pk`+fmt.Sprintf(real, `pragma_table_xinfo(t.name) c`)+`c.name`, func(r *row) error {
		table, column, kind, place := r.text(), r.text(), r.text(), int(r.int())
		if len(tables) == 0 || tables[len(tables)-1].name != table {
			tables = append(tables, copyTable{name: table})
			places[table] = map[int]int{}
		}
		t := &tables[len(tables)-1]
		if column == indexColumn {
			t.index = true
			return nil
		}
		k := map[string]byte{"TEXT": 2, "BIGINT": 1, "INTEGER": 1, "SMALLINT": 1, "BLOB": 3}[kind]
		if k == 0 {
			return fmt.Errorf("the column %s of %s has the type %s, of which a copy does not know", column, table, kind)
		}
		if place > 0 {
			places[table][place] = len(t.columns)
		}
		t.columns = append(t.columns, copyColumn{column, k})
		return nil
	})
	if err != nil {
		return nil, err
	}
	for i := range tables {
		for place := range len(places[tables[i].name]) {
			tables[i].key = append(tables[i].key, places[tables[i].name][place+1])
		}
		if len(tables[i].key) == 0 {
			return nil, fmt.Errorf("the table %s has no primary key", tables[i].name)
		}
	}
	err = c.query(`SELECT t.name, f."table"`+fmt.Sprintf(real, `pragma_foreign_key_list(t.name) f`)+`f.id`, func(r *row) error {
		child, parent := r.text(), r.text()
		i := slices.IndexFunc(tables, func(t copyTable) bool { return t.name == child })
		tables[i].parents = append(tables[i].parents, parent)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return parentsFirst(tables)
}

// parentsFirst puts every table behind those that it refers to.
func parentsFirst(tables []copyTable) ([]copyTable, error) {
	out := make([]copyTable, 0, len(tables))
	placed := map[string]bool{}
	for len(out) < len(tables) {
		before := len(out)
		for _, t := range tables {
			if !placed[t.name] && !slices.ContainsFunc(t.parents, func(p string) bool { return p != t.name && !placed[p] }) {
				out, placed[t.name] = append(out, t), true
			}
		}
		if len(out) == before {
			return nil, errors.New("the foreign keys of the tables go in a circle")
		}
	}
	return out, nil
}

func (t *copyTable) names(of ...int) string {
	var names []string
	for _, i := range of {
		names = append(names, t.columns[i].name)
	}
	return strings.Join(names, ", ")
}

func (t *copyTable) allNames() string {
	all := make([]int, len(t.columns))
	for i := range all {
		all[i] = i
	}
	return t.names(all...)
}

func questions(n int) string { return strings.TrimSuffix(strings.Repeat("?, ", n), ", ") }

// copyPage is how many rows are read at once. They are passed on one by one, so
// that it bounds the time that a page takes and not the memory.
const copyPage = 64

// read gives the rows of one owner, or all of a table of no mailbox, in the order
// of their key. each must not keep the values.
func (t *copyTable) read(s session, owner string, each func([]value) error) error {
	fixed, key := []value(nil), t.key
	var where []string
	if t.owned() {
		fixed, where, key = []value{text(owner)}, []string{`user_id = ?`}, key[1:]
	}
	first := t.query(where)
	next := t.query(append(where, `(`+t.names(key...)+`) > (`+questions(len(key))+`)`))
	values, last := make([]value, len(t.columns)), make([]value, len(key))
	for args := append(slices.Clone(fixed), integer(copyPage)); ; args = append(append(slices.Clone(fixed), last...), integer(copyPage)) {
		n := 0
		err := s.query(first, func(r *row) error {
			n++
			for i, c := range t.columns {
				values[i] = readValue(r, c.kind, values[i].b)
			}
			for i, k := range key {
				last[i] = values[k]
			}
			return each(values)
		}, args...)
		if err != nil || n < copyPage || len(key) == 0 {
			return err
		}
		first = next
	}
}

// query reads a page of rows for which all of the conditions hold.
func (t *copyTable) query(conditions []string) string {
	q := `SELECT ` + t.allNames() + ` FROM ` + t.name
	if len(conditions) > 0 {
		q += ` WHERE ` + strings.Join(conditions, ` AND `)
	}
	return q + ` ORDER BY ` + t.names(t.key...) + ` LIMIT ?+0`
}

// readValue reads the next column; room is where bytes may be put.
func readValue(r *row, kind byte, room []byte) value {
	switch {
	case r.null():
		return null()
	case kind == 1:
		return integer(r.int())
	case kind == 2:
		return text(r.text())
	}
	return blob(r.bytes(room))
}

// insert writes a row.
func (t *copyTable) insert(s session, values []value) error {
	names, marks := t.allNames(), questions(len(values))
	if t.index {
		names, marks = names+`, `+indexColumn, marks+`, 0` // until the index is made
	}
	return s.exec(`INSERT INTO `+t.name+` (`+names+`) VALUES (`+marks+`)`, values...)
}

// remove deletes the rows of an owner, or all of a table of no mailbox.
func (t *copyTable) remove(s session, owner string) error {
	if t.owned() {
		return s.exec(`DELETE FROM `+t.name+` WHERE user_id = ?`, text(owner))
	}
	return s.exec(`DELETE FROM ` + t.name)
}

// empty says whether a table has no rows.
func (t *copyTable) empty(s session) (empty bool, err error) {
	empty = true
	err = s.query(`SELECT 1 FROM `+t.name+` LIMIT 1`, func(*row) error { empty = false; return nil })
	return empty, err
}

// A tally is the number and the hash of rows.
type tally struct {
	rows int64
	hash hash.Hash
}

func newTally() *tally { return &tally{hash: sha256.New()} }

// add counts a row. Both databases give the same hash: text is hashed as
// PostgreSQL can have it.
func (t *tally) add(values []value) int {
	t.rows++
	size := 0
	var head [9]byte
	for _, v := range values {
		content := v.b
		if v.kind == 2 {
			content = []byte(encodeText(v.s))
		}
		n := uint64(len(content))
		if v.kind == 1 {
			n = uint64(v.i)
		}
		head[0] = v.kind
		binary.BigEndian.PutUint64(head[1:], n)
		t.hash.Write(head[:])
		t.hash.Write(content)
		size += len(head) + len(content)
	}
	return size
}

// sum is the hash of the rows so far.
func (t *tally) sum() string { return hex.EncodeToString(t.hash.Sum(nil)) }
