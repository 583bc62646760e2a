package store

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"sync"
)

// On Citus the rows of a table lie on many nodes, by the hash of one column: those
// of a mailbox together, and what belongs to no mailbox together under the constant
// in its first column. So a statement names in each table whose rows it is about,
// and one node answers it. docs/adr/0009-citus.md has the rules and their reasons.

// everyMailbox marks the statements that are about no one mailbox. They need all
// nodes, their answer is of no one moment, and so nothing is decided by them. Each
// has its reason in TestEveryMailbox.
const everyMailbox = ` /* every mailbox */`

// A Placement says where the rows of a table belong on Citus.
type Placement struct {
	Table string
	Key   string // the column by whose hash they are spread; empty: each node has all of them
	Done  bool   // that is where they are
}

// everywhere are the tables that each node has, because all requests read them and
// few write them. The others are spread by the first column of their primary key.
var everywhere = []string{"schema_version", "apps", "app_credentials", "copy_journal"}

// ErrNoCitus says that a database cannot be distributed.
var ErrNoCitus error = &refusal{errors.New("it has no Citus"), "install the extension on all nodes, CREATE EXTENSION citus, and add the nodes with citus_add_node"}

const shardCount = 32

var createTable = regexp.MustCompile(`(?m)^CREATE TABLE (?:IF NOT EXISTS )?(\w+)`)

// ourTables are the tables that the migrations make, in their order: those that
// others refer to come first.
var ourTables = sync.OnceValues(func() ([]string, error) {
	tables := []string{"schema_version"}
	names, err := migrationNames()
	for _, name := range names {
		script, err := migration(name, "postgres")
		if err != nil {
			return nil, err
		}
		for _, m := range createTable.FindAllStringSubmatch(script, -1) {
			if !slices.Contains(tables, m[1]) {
				tables = append(tables, m[1])
			}
		}
	}
	return tables, err
})

// Distribute brings the schema of a PostgreSQL database up to date and spreads
// its tables over the nodes of Citus, those that are not yet. tell is called with
// each that was moved, once all are. The error is [ErrNoCitus] where the extension
// is missing.
func Distribute(ctx context.Context, dsn string, tell func(Placement)) error {
	return onPostgres(ctx, dsn, func(e *pgEngine) error {
		if err := e.migrate(ctx); err != nil {
			return err
		}
		var moved []Placement
		err := e.with(ctx, func(s *pgSession) error {
			has, err := s.hasCitus()
			if err == nil && !has {
				err = ErrNoCitus
			}
			if err != nil {
				return err
			}
			s.queue(`BEGIN`)
			s.queue(`SET LOCAL statement_timeout = 0`)
			s.queue(`SELECT version FROM schema_version WHERE one = 1 FOR UPDATE`) // as migrations do
			if moved, err = s.distribute(); err != nil {
				return err
			}
			s.queue(`COMMIT`)
			return s.flush(context.WithoutCancel(ctx))
		})
		if err != nil {
			return err
		}
		for _, p := range moved {
			tell(p)
		}
		return nil
	})
}

// Placements says where the tables of a PostgreSQL database belong, and on Citus
// whether they are there. It changes nothing; a database without our schema has
// none.
func Placements(ctx context.Context, dsn string) (placements []Placement, citus bool, err error) {
	err = onPostgres(ctx, dsn, func(e *pgEngine) error {
		return e.view(ctx, long, func(session session) error {
			s := session.(*pgSession)
			version, err := s.schemaVersion()
			if err != nil || version == 0 {
				return err
			}
			if citus, err = s.hasCitus(); err == nil {
				placements, err = s.placements(citus)
			}
			return err
		})
	})
	return placements, citus, err
}

func (s *pgSession) hasCitus() (has bool, err error) {
	err = s.query(`SELECT 1 FROM pg_extension WHERE extname = 'citus'`, func(*row) error { has = true; return nil })
	return has, err
}

// placements are those of our tables that exist, parents before children.
func (s *pgSession) placements(citus bool) ([]Placement, error) {
	keys, placed := map[string]string{}, map[string]bool{}
	err := s.query(`SELECT c.relname, a.attname FROM pg_class c
		JOIN pg_index i ON i.indrelid = c.oid AND i.indisprimary
		JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = i.indkey[0]
		WHERE c.relkind IN ('r', 'p') AND pg_table_is_visible(c.oid)`,
		func(r *row) error { keys[r.text()] = r.text(); return nil })
	if err == nil && citus { // which lists tables that others refer to, though they are on one node
		err = s.query(`SELECT c.relname FROM citus_tables t JOIN pg_class c ON c.oid = CAST(t.table_name AS OID) WHERE t.citus_table_type IN ('distributed', 'reference')`,
			func(r *row) error { placed[r.text()] = true; return nil })
	}
	tables, tablesErr := ourTables()
	if err := errors.Join(err, tablesErr); err != nil {
		return nil, err
	}
	var out []Placement
	for _, table := range tables {
		key, exists := keys[table]
		if !exists {
			continue
		}
		if slices.Contains(everywhere, table) {
			key = ""
		}
		out = append(out, Placement{Table: table, Key: key, Done: placed[table]})
	}
	return out, nil
}

// distribute spreads the tables that are not yet, in the transaction that is open.
// Tables of one key lie together.
func (s *pgSession) distribute() (moved []Placement, err error) {
	placements, err := s.placements(true)
	if err != nil {
		return nil, err
	}
	s.queue(`SET LOCAL citus.multi_shard_modify_mode = 'sequential'`)
	s.queue(fmt.Sprintf(`SET LOCAL citus.shard_count = %d`, shardCount))
	first := map[string]string{} // of the tables of each key
	for _, p := range placements {
		if p.Done && first[p.Key] == "" {
			first[p.Key] = p.Table
		}
	}
	for _, p := range placements {
		beside := cmp.Or(first[p.Key], "none")
		if beside == "none" {
			first[p.Key] = p.Table
		}
		switch {
		case p.Done:
			continue
		case p.Key == "":
			s.queue(`SELECT create_reference_table(CAST(CAST(? AS TEXT) AS REGCLASS))`, text(p.Table))
		default:
			s.queue(`SELECT create_distributed_table(CAST(CAST(? AS TEXT) AS REGCLASS), CAST(? AS TEXT), colocate_with => CAST(? AS TEXT))`, text(p.Table), text(p.Key), text(beside))
		}
		p.Done = true
		moved = append(moved, p)
	}
	return moved, s.flushUntimed(s.ctx)
}

// distributeNew spreads the tables that migrations have made, where others are
// spread already.
func (s *pgSession) distributeNew() error {
	has, err := s.hasCitus()
	if err != nil || !has {
		return err
	}
	placements, err := s.placements(true)
	if err != nil || !slices.ContainsFunc(placements, func(p Placement) bool { return p.Done && p.Key != "" }) {
		return err
	}
	_, err = s.distribute()
	return err
}

// onPostgres runs fn on a PostgreSQL database as it is.
func onPostgres(ctx context.Context, dsn string, fn func(*pgEngine) error) error {
	c, err := parsePostgres(dsn)
	if err != nil {
		return err
	}
	e, err := newPgEngine(ctx, c)
	if err != nil {
		return err
	}
	if err = fn(e); err != nil {
		err = openError(dsn, err)
	}
	return errors.Join(err, e.close())
}
