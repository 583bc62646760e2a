package main

import (
	"context"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"github.com/duly-todo/duly/internal/pgtest"
)

// Users and tokens with their data in PostgreSQL: the folder holds the keys alone.
func TestPostgres(t *testing.T) {
	t.Parallel()
	dsn := pgtest.DSN(t)
	s := newShell(t, "DULY_DB="+dsn)
	noData := func(where string) result {
		return result{Stderr: "duly: there is no data of Duly's in " + where + `: name the server's database with --db or DULY_DB and its folder with --data or DULY_DATA, or begin with "duly user add NAME"` + "\n", Status: 1}
	}
	if diff := cmp.Diff(noData("the database"), s.run(t, "user", "list")); diff != "" {
		t.Errorf("user list without data (-want +got)\n%s", diff)
	}
	if left, err := os.ReadDir(s.dir); len(left) > 0 || err != nil {
		t.Errorf("it leaves %v, %v", left, err)
	}
	addAda(t, s)
	if list := s.must(t, "user", "list"); !strings.Contains(list, "ada") {
		t.Errorf("user list: %s", list)
	}
	if diff := cmp.Diff(noData("elsewhere"), s.run(t, "token", "--user", "ada", "--data", "elsewhere")); diff != "" {
		t.Errorf("token without the keys (-want +got)\n%s", diff)
	}
	files, err := filepath.Glob(filepath.Join(s.dir, "*", "*"))
	if err != nil || len(files) != 1 || filepath.Base(files[0]) != "issuer.json" {
		t.Errorf("the folder holds %v, %v", files, err)
	}
	if token := s.must(t, "token", "--user", "ada"); strings.Count(token, ".") != 2 {
		t.Errorf("token: %q", token)
	}
	s.must(t, "app", "add", "Nightly", "--daemon", "--role", "Tasks.Read.All")
	if list := s.must(t, "app", "list"); !strings.Contains(list, "Nightly") {
		t.Errorf("app list: %s", list)
	}
	if link := s.must(t, "user", "setup-link", "ada"); !strings.Contains(link, "/setup/") {
		t.Errorf("user setup-link: %s", link)
	}
	s.must(t, "user", "sign-out", "ada")
	for _, args := range []string{"backup x.tar", "restore x.tar"} {
		verb, _, _ := strings.Cut(args, " ")
		want := result{Stderr: "duly: duly " + verb + " is for SQLite: use pg_dump, pg_restore and the other tools of PostgreSQL for the database, and keep a copy of issuer.json\n", Status: 1}
		if diff := cmp.Diff(want, s.run(t, strings.Fields(args)...)); diff != "" {
			t.Errorf("duly %s (-want +got)\n%s", args, diff)
		}
	}
}

// The doctor looks at a database of PostgreSQL's too.
func TestDoctorOnPostgres(t *testing.T) {
	t.Parallel()
	dsn := pgtest.DSN(t)
	s := newShell(t, "DULY_DB="+dsn+"&synchronous_commit=on")
	if got := s.run(t, "doctor"); got.Status != 1 || !strings.Contains(got.Stderr, "there is no data of Duly's") {
		t.Errorf("without data: %+v", got)
	}
	addAda(t, s)
	lines := func(text string) (names []string) {
		for line := range strings.Lines(text) {
			fields := strings.Fields(line)
			names = append(names, fields[0]+" "+fields[1])
		}
		return names
	}
	want := []string{"ok files", "ok keys", "ok server", "ok durability", "ok clocks", "ok schema", "ok rights", "ok clock", "ok leases", "ok versions", "ok change", "ok tasks", "ok children", "ok search"}
	if diff := cmp.Diff(want, lines(s.must(t, "doctor"))); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	sql(t, dsn, `DELETE FROM changes`, `UPDATE users SET version = 7`, `CREATE ROLE doctor_test LOGIN`, `GRANT SELECT ON ALL TABLES IN SCHEMA public TO doctor_test`)
	t.Cleanup(func() { sql(t, dsn, `DROP OWNED BY doctor_test`, `DROP ROLE doctor_test`) })
	got := s.run(t, "doctor", "--db", strings.Replace(dsn, "postgres@", "doctor_test@", 1))
	for _, problem := range []string{
		"problem  durability  synchronous_commit is off", "problem  rights      the account may not read and write",
		"problem  versions    1 mailboxes do not have", "problem  change log  the change logs of 1 mailboxes have gaps",
		"-> stop the servers and restore the last good backup of the database",
	} {
		if !strings.Contains(got.Stdout, problem) {
			t.Errorf("there is no %q in:\n%s", problem, got.Stdout)
		}
	}
	if got.Status != 1 || got.Stderr != "duly: there are 4 problems\n" {
		t.Errorf("%+v", got)
	}
}

// A database in another file than duly.db has one server, and is not in backups.
func TestDatabaseElsewhere(t *testing.T) {
	t.Parallel()
	s := newShell(t, "DULY_DB=sqlite:other.db")
	addAda(t, s)
	s.start(t)
	if second := s.run(t, "serve", "--data", "elsewhere", "--listen", "127.0.0.1:0"); second.Status != 1 || !strings.Contains(second.Stderr, "another server uses it") {
		t.Errorf("a second server: %+v", second)
	}
	if list := s.must(t, "user", "list"); !strings.Contains(list, "ada") {
		t.Errorf("user list beside the server: %s", list)
	}
	want := result{Stderr: "duly: duly backup knows duly.db in the folder of the data alone: leave out --db and DULY_DB\n", Status: 1}
	if diff := cmp.Diff(want, s.run(t, "backup", "x.tar")); diff != "" {
		t.Errorf("backup (-want +got)\n%s", diff)
	}
}

func TestPostgresUnreachable(t *testing.T) {
	t.Parallel()
	s := newShell(t, "DULY_DB=postgres://duly:s3cr3t@127.0.0.1:1/duly")
	want := result{Stderr: "duly: opening the database postgres://duly@127.0.0.1:1/duly: the database is not available: dial tcp 127.0.0.1:1: connect: connection refused: see that the server runs, and that --db or DULY_DB names it\n", Status: 1}
	for _, args := range []string{"user add ada", "user list", "token --user ada", "serve --listen 127.0.0.1:0"} {
		if diff := cmp.Diff(want, s.run(t, strings.Fields(args)...)); diff != "" {
			t.Errorf("duly %s (-want +got)\n%s", args, diff)
		}
	}
}

// What was answered is in PostgreSQL, however the server ends.
func TestKillOnPostgres(t *testing.T) {
	t.Parallel()
	testKill(t, killRoundsShort, "DULY_DB="+pgtest.DSN(t))
}

// TestRefusedDatabases names databases that cannot be used: one line says why and
// what to do, the status is 2, and nothing is changed.
func TestRefusedDatabases(t *testing.T) {
	t.Parallel()
	dsn := pgtest.Start(t).DSN
	sql(t, dsn, `CREATE ROLE weak LOGIN`, `CREATE ROLE closed NOLOGIN`, `CREATE DATABASE latin ENCODING 'LATIN1' TEMPLATE template0`, `CREATE DATABASE newer`, `CREATE DATABASE full_one`)
	sql(t, inDatabase(t, dsn, "newer", "postgres"), `CREATE TABLE schema_version (one SMALLINT PRIMARY KEY, version INTEGER NOT NULL)`, `INSERT INTO schema_version VALUES (1, 1000)`)
	addAda(t, newShell(t, "DULY_DB="+inDatabase(t, dsn, "full_one", "postgres")))
	source := newShell(t)
	addAda(t, source)
	for _, c := range []struct{ name, dsn, want string }{
		{"no sense", "postgres://u:s3cr3t@h:port/n", "--db: the address of the database makes no sense"},
		{"another system", "mysql://u:s3cr3t@h/n", `--db: a database cannot have the scheme "mysql"`},
		{"newer", inDatabase(t, dsn, "newer", "postgres"), "its schema has version 1000 and this program knows"},
		{"no rights", inDatabase(t, dsn, "postgres", "weak"), "permission denied for schema public (SQLSTATE 42501): use the role that owns the tables and may create in the schema"},
		{"tables of others", inDatabase(t, dsn, "full_one", "weak"), "(SQLSTATE 42501): use the role that owns the tables"},
		{"no such database", inDatabase(t, dsn, "none", "postgres"), `database "none" does not exist (SQLSTATE 3D000): make the database, or name another one`},
		{"no such role", inDatabase(t, dsn, "postgres", "nobody"), `role "nobody" does not exist (SQLSTATE 28000): see that the DSN names a role`},
		{"may not sign in", inDatabase(t, dsn, "postgres", "closed"), `role "closed" is not permitted to log in (SQLSTATE 28000)`},
		{"encoding", inDatabase(t, dsn, "latin", "postgres"), "its encoding is LATIN1: make it with ENCODING 'UTF8'"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := newShell(t)
			for _, args := range []string{"user add bob", "serve --listen 127.0.0.1:0", "db distribute"} {
				got := s.run(t, append(strings.Fields(args), "--db", c.dsn)...)
				if got.Status != 2 || got.Stdout != "" || strings.Count(got.Stderr, "\n") != 1 || !strings.Contains(got.Stderr, c.want) || strings.Contains(got.Stderr, "s3cr3t") {
					t.Errorf("duly %s: %+v, want %q", args, got, c.want)
				}
			}
			if left, err := os.ReadDir(s.dir); len(left) > 0 || err != nil {
				t.Errorf("it leaves %v, %v", left, err)
			}
			got := source.run(t, "copy", "--from", "sqlite:data/duly.db", "--to", c.dsn)
			want := strings.Replace(c.want, "--db:", "--to:", 1)
			if got.Status != 2 || strings.Count(got.Stderr, "\n") != 1 || !strings.Contains(got.Stderr, want) || strings.Count(got.Stderr, "opening the database") > 1 {
				t.Errorf("duly copy: %+v, want %q", got, want)
			}
		})
	}
	t.Cleanup(func() {
		for name, want := range map[string]string{"newer": "schema_version", "postgres": "", "latin": ""} {
			if got := tables(t, inDatabase(t, dsn, name, "postgres")); got != want {
				t.Errorf("the database %s has the tables %q, want %q", name, got, want)
			}
		}
	})
}

// inDatabase is the DSN of another database of the same server, by a role.
func inDatabase(t *testing.T, dsn, name, role string) string {
	t.Helper()
	u, err := url.Parse(dsn)
	if err != nil {
		t.Fatal(err)
	}
	u.Path, u.User = "/"+name, url.User(role)
	return u.String()
}

func sql(t *testing.T, dsn string, statements ...string) {
	t.Helper()
	ctx := context.Background()
	c, err := pgx.Connect(ctx, dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close(ctx)
	for _, s := range statements {
		if _, err := c.Exec(ctx, s); err != nil {
			t.Fatalf("%s: %v", s, err)
		}
	}
}

// tables are the names of the tables of a database.
func tables(t *testing.T, dsn string) (names string) {
	t.Helper()
	ctx := context.Background()
	c, err := pgx.Connect(ctx, dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close(ctx)
	if err := c.QueryRow(ctx, `SELECT coalesce(string_agg(tablename, ' ' ORDER BY tablename), '') FROM pg_tables WHERE schemaname = 'public'`).Scan(&names); err != nil {
		t.Fatal(err)
	}
	return names
}

// TestDistributeRefused names databases that have no Citus. What Distribute does
// where there is one is tested in store.
func TestDistributeRefused(t *testing.T) {
	t.Parallel()
	dsn := pgtest.DSN(t)
	s := newShell(t)
	addAda(t, newShell(t, "DULY_DB="+dsn))
	const postgresOnly = "duly: only PostgreSQL can be distributed: name the database with --db or DULY_DB. See duly db "
	for args, want := range map[string]string{
		"db distribute":                     postgresOnly + "distribute --help.\n",
		"db distribute --db sqlite:duly.db": postgresOnly + "distribute --help.\n",
		"db status --db sqlite:duly.db":     postgresOnly + "status --help.\n",
	} {
		if diff := cmp.Diff(result{Stderr: want, Status: 2}, s.run(t, strings.Fields(args)...)); diff != "" {
			t.Errorf("duly %s (-want +got)\n%s", args, diff)
		}
	}
	got := s.run(t, "db", "distribute", "--db", dsn)
	if got.Status != 2 || got.Stdout != "" || !strings.Contains(got.Stderr, "it has no Citus: install the extension") || strings.Count(got.Stderr, "\n") != 1 {
		t.Errorf("duly db distribute: %+v", got)
	}
	status := s.must(t, "db", "status", "--db", dsn)
	for _, line := range []string{"users ", "belongs spread by user_id\n", "belongs on every node\n", "The database has no Citus"} {
		if !strings.Contains(status, line) {
			t.Errorf("duly db status has no %q: %s", line, status)
		}
	}
	if empty := s.must(t, "db", "status", "--db", pgtest.DSN(t)); !strings.Contains(empty, "no data of Duly's") {
		t.Errorf("duly db status of an empty database: %s", empty)
	}
	if left, err := os.ReadDir(s.dir); len(left) > 0 || err != nil {
		t.Errorf("it leaves %v, %v", left, err)
	}
}
