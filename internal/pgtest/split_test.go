package pgtest

import (
	"context"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
)

// TestJudge makes statements on split tables: those that ask more than one node
// are named, and keys that no node could watch over are refused.
func TestJudge(t *testing.T) {
	t.Parallel()
	s := ours(t)
	columns := map[string]string{"a": "user_id", "b": "user_id", "c": "name"}
	dsn := DSN(t)
	if err := s.admin(dsn, `
		CREATE TABLE a (user_id TEXT, n BIGINT, PRIMARY KEY (user_id, n));
		CREATE TABLE b (user_id TEXT, n BIGINT, PRIMARY KEY (user_id, n), FOREIGN KEY (user_id, n) REFERENCES a (user_id, n));
		CREATE TABLE c (name TEXT PRIMARY KEY, user_id TEXT)`); err != nil {
		t.Fatal(err)
	}
	if err := s.partition(dsn, columns); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		sql, want string // want is part of what is wrong
		args      []any
	}{
		{"INSERT INTO a (user_id, n) VALUES ($1, 1)", "", []any{"u"}},
		{"SELECT n FROM a WHERE user_id = $1", "", []any{"u"}},
		{"SELECT a.n FROM a JOIN b ON b.user_id = a.user_id AND b.n = a.n WHERE a.user_id = $1", "", []any{"u"}},
		{"UPDATE a SET n = n + 1 WHERE user_id = $1", "", []any{"u"}},
		{"SELECT count(*) FROM a /* every mailbox */", "", nil},
		{"SELECT count(*) FROM a", "asks 3 partitions of a", nil},
		{"SELECT n FROM a WHERE n = $1", "asks 3 partitions of a", []any{1}},
		{"UPDATE a SET n = 2 WHERE n = $1", "asks 3 partitions of a", []any{1}},
		{"DELETE FROM b WHERE n = $1", "asks 3 partitions of b", []any{1}},
		{"SELECT a.n FROM a JOIN b ON b.n = a.n WHERE a.user_id = $1", "asks 3 partitions of b", []any{"u"}},
		{"SELECT n FROM a WHERE a.user_id = $1 AND (n = 7 OR EXISTS (SELECT 1 FROM b WHERE b.user_id = a.user_id))", "asks 3 partitions of b", []any{"u"}},
		{"SELECT n FROM a WHERE user_id = $1 UNION ALL SELECT n FROM b WHERE user_id = $2", "another partition of b", differentNodes(t, s, dsn)},
	} {
		c.sql += " "
		conn, err := pgx.Connect(t.Context(), dsn+explained)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := conn.Exec(t.Context(), c.sql, c.args...); err != nil {
			t.Error(err)
		}
		if err := conn.Close(t.Context()); err != nil {
			t.Error(err)
		}
		n, wrong, err := s.judge(dsn, columns)
		if err != nil || n == 0 && !strings.Contains(c.sql, everyMailbox) {
			t.Errorf("%s: %d plans, %v", c.sql, n, err)
		}
		if got := strings.Join(wrong, "; "); c.want == "" && got != "" || !strings.Contains(got, c.want) {
			t.Errorf("%s: %q, want %q", c.sql, got, c.want)
		}
	}
	for _, bad := range []string{
		"CREATE UNIQUE INDEX ON a (n)", "ALTER TABLE c ADD UNIQUE (user_id)", "CREATE TABLE d (n BIGINT PRIMARY KEY, user_id TEXT) PARTITION BY HASH (user_id)",
	} {
		if err := s.admin(dsn, bad); err == nil {
			t.Errorf("%s is taken", bad)
		}
	}
}

// differentNodes are two users whose rows lie on different partitions.
func differentNodes(t *testing.T, s *server, dsn string) []any {
	t.Helper()
	ctx := context.Background()
	c, err := pgx.Connect(ctx, dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close(ctx)
	var one, other string
	err = c.QueryRow(ctx, `SELECT min(u), max(u) FROM (SELECT DISTINCT ON (satisfies_hash_partition(CAST('a' AS REGCLASS), 3, 0, u)) CAST(i AS TEXT) AS u
		FROM generate_series(1, 20) i, LATERAL (SELECT CAST(i AS TEXT) AS u) v) w`).Scan(&one, &other)
	if err != nil {
		t.Fatal(err)
	}
	return []any{one, other}
}
