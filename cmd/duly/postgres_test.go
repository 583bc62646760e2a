package main

import (
	"context"
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

// sql runs statements on a connection of their own.
func sql(t *testing.T, dsn string, statements ...string) {
	t.Helper()
	ctx := context.Background()
	c, err := pgx.Connect(ctx, dsn)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range statements {
		if _, err := c.Exec(ctx, s); err != nil {
			t.Errorf("%s: %v", s, err)
		}
	}
	if err := c.Close(ctx); err != nil {
		t.Error(err)
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
