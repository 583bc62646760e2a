package pgtest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// Partitions of PostgreSQL stand in for the nodes of a distributed database: keys
// and unique indexes without the column that tells the node are refused, and the
// plan of a statement shows which nodes it would ask.

const partitions = 3

// everyMailbox marks the statements that may ask all partitions. What keeps it
// from being everywhere is a test of store.
const everyMailbox = "/* every mailbox */"

// explained has the server log the plan of every statement, made for its
// parameters.
const explained = "&session_preload_libraries=auto_explain&auto_explain.log_min_duration=0&auto_explain.log_format=json&plan_cache_mode=force_custom_plan"

// LendSplit is Lend of a database whose tables are split by the columns that keys
// gives of them. Each statement that the test makes may ask one partition of a
// table at most, and of tables with the same column the same one, unless it says
// that it is about every mailbox.
func LendSplit(t testing.TB, prepare func(dsn string) error, keys func(dsn string) (map[string]string, error)) string {
	t.Helper()
	s := ours(t)
	dsn := s.lendTo(t, &s.split, func(dsn string) error {
		if err := prepare(dsn); err != nil {
			return err
		}
		columns, err := keys(dsn)
		if err != nil {
			return err
		}
		return s.partition(dsn, columns)
	})
	columns, err := keys(dsn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		n, wrong, err := s.judge(dsn, columns)
		if err != nil {
			t.Error(err)
		}
		for _, w := range wrong {
			t.Error(w)
		}
		if n == 0 {
			t.Error("the log has no plan of a statement")
		}
	})
	return dsn + explained
}

// partition makes each table anew, split by its column. What the tables are like
// is taken from them as they are.
func (s *server) partition(dsn string, columns map[string]string) error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	c, err := pgx.Connect(ctx, dsn)
	if err != nil {
		return err
	}
	err = pgx.BeginFunc(ctx, c, func(tx pgx.Tx) error {
		type constraint struct{ Table, Name, Text string }
		rows, err := tx.Query(ctx, `SELECT CAST(CAST(conrelid AS REGCLASS) AS TEXT), conname, pg_get_constraintdef(oid) FROM pg_constraint WHERE contype = 'f'`)
		if err != nil {
			return err
		}
		references, err := pgx.CollectRows(rows, pgx.RowToStructByPos[constraint])
		if err != nil {
			return err
		}
		var script strings.Builder
		for _, r := range references {
			fmt.Fprintf(&script, "ALTER TABLE %s DROP CONSTRAINT %s;\n", r.Table, r.Name)
		}
		for _, table := range slices.Sorted(maps.Keys(columns)) {
			fmt.Fprintf(&script, "ALTER TABLE %[1]s RENAME TO whole; CREATE TABLE %[1]s (LIKE whole INCLUDING ALL) PARTITION BY HASH (%[2]s);\n", table, columns[table])
			for i := range partitions {
				fmt.Fprintf(&script, "CREATE TABLE %[1]s_p%[2]d PARTITION OF %[1]s FOR VALUES WITH (MODULUS %[3]d, REMAINDER %[2]d);\n", table, i, partitions)
			}
			fmt.Fprintf(&script, "INSERT INTO %s SELECT * FROM whole; DROP TABLE whole;\n", table)
		}
		for _, r := range references {
			fmt.Fprintf(&script, "ALTER TABLE %s ADD CONSTRAINT %s %s;\n", r.Table, r.Name, r.Text)
		}
		if _, err = tx.Exec(ctx, script.String()); err != nil {
			err = fmt.Errorf("splitting the tables: %w", err)
		}
		return err
	})
	return errors.Join(err, c.Close(ctx))
}

// A plan is a part of what auto_explain writes.
type plan struct {
	Text     string `json:"Query Text"`
	Plan     *plan
	Node     string `json:"Node Type"`
	Relation string `json:"Relation Name"`
	Plans    []plan
}

// asks adds the partitions that a plan asks, by table.
func (p *plan) asks(all map[string]map[string]bool) {
	if i := strings.LastIndex(p.Relation, "_p"); i > 0 {
		table, number := p.Relation[:i], p.Relation[i+2:]
		if all[table] == nil {
			all[table] = map[string]bool{}
		}
		all[table][number] = true
	}
	for i := range p.Plans {
		p.Plans[i].asks(all)
	}
}

// judge reads the plans of the statements that were made in a database since it
// was lent. It says how many there were, and what is wrong with which.
func (s *server) judge(dsn string, columns map[string]string) (n int, wrong []string, err error) {
	name := strings.TrimPrefix(dsn[:strings.Index(dsn, "?")], "postgres://postgres@/")
	if err := s.quiet(name); err != nil {
		return 0, nil, err
	}
	plans, err := s.plansOf(name)
	seen := map[string]bool{}
	for _, text := range plans {
		var p plan
		if err := json.Unmarshal([]byte(text), &p); err != nil {
			return n, wrong, fmt.Errorf("a plan: %w: %s", err, text)
		}
		if p.Plan == nil || strings.Contains(p.Text, everyMailbox) {
			continue
		}
		n++
		if why := p.leak(columns); why != "" && !seen[p.Text] {
			seen[p.Text] = true
			wrong = append(wrong, why+": "+p.Text)
		}
	}
	return n, wrong, err
}

// leak says how a statement asks more than one node, if so.
func (p *plan) leak(columns map[string]string) string {
	asked := map[string]map[string]bool{}
	p.Plan.asks(asked)
	node := map[string]string{} // by the column that tells it
	for _, table := range slices.Sorted(maps.Keys(asked)) {
		if len(asked[table]) > 1 {
			return fmt.Sprintf("asks %d partitions of %s", len(asked[table]), table)
		}
		for number := range asked[table] {
			if other, ok := node[columns[table]]; ok && other != number {
				return fmt.Sprintf("asks another partition of %s than of other tables", table)
			}
			node[columns[table]] = number
		}
	}
	return ""
}

// quiet waits until a database has no connections: then all plans are in the log.
func (s *server) quiet(name string) error {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	c, err := pgx.Connect(ctx, s.dsn("postgres"))
	if err != nil {
		return err
	}
	left := 1
	for err == nil && left > 0 {
		err = c.QueryRow(ctx, `SELECT count(*) FROM pg_stat_activity WHERE datname = $1`, name).Scan(&left)
	}
	return errors.Join(err, c.Close(ctx))
}

// plansOf takes the plans of a database out of the log, whose lines begin with the
// database or continue the one before after a tab.
func (s *server) plansOf(name string) ([]string, error) {
	s.reading.Lock()
	defer s.reading.Unlock()
	f, err := os.Open(filepath.Join(s.dir, "server.log"))
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if _, err := f.Seek(s.read, io.SeekStart); err != nil {
		return nil, err
	}
	text, err := io.ReadAll(f)
	if err != nil {
		return nil, err
	}
	const prefix = "|LOG:  duration: "
	var of string   // the database of the plan that is being read
	var open []byte // the plan
	end, at := 0, 0 // of what is read for good, and of the line
	keep := func() {
		if open != nil {
			s.plans[of] = append(s.plans[of], string(open))
			open = nil
		}
	}
	for line := range bytes.Lines(text) {
		if line[len(line)-1] != '\n' {
			break
		}
		if rest, more := bytes.CutPrefix(line, []byte("\t")); more && open != nil {
			open = append(open, rest...)
		} else if !more {
			keep()
			end = at
			if database, rest, ok := strings.Cut(string(line), prefix); ok && strings.HasSuffix(rest, "plan:\n") {
				open, of = []byte{}, database
			}
		}
		at += len(line)
	}
	if json.Valid(open) {
		keep()
	}
	if open == nil {
		end = at
	}
	s.read += int64(end)
	plans := s.plans[name]
	delete(s.plans, name)
	return plans, nil
}
