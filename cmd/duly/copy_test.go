package main

import (
	"bufio"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/duly-todo/duly/internal/pgtest"
)

// servingMany starts a server with some users, ada with tasks and a file among
// them, and gives what a client of hers knows: an etag and a delta link.
func servingMany(t *testing.T, users int) (s *shell, p *process, token, etag, delta string) {
	t.Helper()
	s, p, token = servingAda(t)
	for n := range users {
		s.must(t, "user", "add", fmt.Sprint("user", n))
	}
	task := p.call(t, token, "POST", tasksPath, `{"title": "first", "checklistItems": [{"displayName": "oats"}]}`, http.StatusCreated)
	p.call(t, token, "POST", tasksPath+"/"+task["id"].(string)+"/attachments", `{"@odata.type": "#microsoft.graph.taskFileAttachment", "name": "a", "contentBytes": "aGVsbG8="}`, http.StatusCreated)
	etag = p.call(t, token, "GET", tasksPath+"/"+task["id"].(string), "", http.StatusOK)["@odata.etag"].(string)
	delta = strings.TrimPrefix(p.call(t, token, "GET", tasksPath+"/delta", "", http.StatusOK)["@odata.deltaLink"].(string), p.url)
	return s, p, token, etag, delta
}

// A copy is killed in the middle, refused by servers, finished by the same command,
// and served: clients go on with their tokens, etags and delta links.
func TestCopyKilled(t *testing.T) {
	t.Parallel()
	s, p, token, etag, delta := servingMany(t, 8)
	dsn := pgtest.DSN(t)
	copying := []string{"copy", "--from", "sqlite:data/duly.db", "--to", dsn, "--from-data", "data", "--to-data", "new"}

	// Beside a server, all is copied, but the copy is not finished.
	got := s.run(t, copying...)
	if got.Status != 1 || !strings.Contains(got.Stderr, "duly: all is copied that was there, but a server uses the source: ") || !strings.Contains(got.Stdout, "ada: ") {
		t.Errorf("beside a server: %+v", got)
	}
	p.call(t, token, "POST", tasksPath, `{"title": "second"}`, http.StatusCreated)
	p.stop(t)

	cmd := s.command(t.Context(), copying...)
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	if line, err := bufio.NewReader(out).ReadString('\n'); err != nil || !strings.Contains(line, " rows, ") {
		t.Errorf("copy prints %q, %v", line, err)
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait() // killed
	if half := s.run(t, "serve", "--listen", "127.0.0.1:0", "--data", "new", "--db", dsn); half.Status != 2 ||
		!strings.Contains(half.Stderr, "half a copy of ") || strings.Count(half.Stderr, "\n") != 1 {
		t.Errorf("serving half a copy: %+v", half)
	}
	done := s.mustCopy(t, copying...)
	for _, want := range []string{"ada: ", "here since an earlier run", "tasks                           2 rows in both, SHA-256 ", "attachment_chunks               1 rows", "users                           9 rows", "The copy is whole.\n"} {
		if !strings.Contains(done, want) {
			t.Errorf("the copy does not say %q:\n%s", want, done)
		}
	}
	p = s.start(t, "--data", "new", "--db", dsn)
	if got := p.titles(t, token); cmp.Diff([]string{"second", "first"}, got) != "" {
		t.Errorf("the copy has %q", got)
	}
	changed := p.call(t, token, "GET", delta, "", http.StatusOK)["value"].([]any)
	if len(changed) != 1 || changed[0].(map[string]any)["title"] != "second" {
		t.Errorf("the delta link from before gives %v", changed)
	}
	first := p.call(t, token, "GET", tasksPath+"?$search=oats", "", http.StatusOK)["value"].([]any)[0].(map[string]any)
	if first["@odata.etag"] != etag {
		t.Errorf("the etag is %v and was %s", first["@odata.etag"], etag)
	}
	p.stop(t)

	again := s.run(t, copying...)
	if again.Status != 2 || !strings.Contains(again.Stderr, "holds data already") || strings.Count(again.Stderr, "\n") != 1 {
		t.Errorf("over a copy: %+v", again)
	}
	s.mustCopy(t, "copy", "--from", dsn, "--to", "sqlite:back/duly.db", "--from-data", "new", "--to-data", "back")
	p = s.start(t, "--data", "back")
	if got := p.titles(t, token); len(got) != 2 {
		t.Errorf("the copy back has %q", got)
	}
	p.stop(t)
	s.must(t, "doctor", "--data", "back")
}

// mustCopy runs a copy that has to succeed. A slow one says on stderr how far it is.
func (s *shell) mustCopy(t *testing.T, args ...string) string {
	t.Helper()
	got := s.run(t, args...)
	if got.Status != 0 {
		t.Fatalf("duly %s: %+v", strings.Join(args, " "), got)
	}
	return got.Stdout
}

// Copies that make no sense: one line, and the status for it.
func TestCopyRefuses(t *testing.T) {
	t.Parallel()
	s := newShell(t)
	addAda(t, s)
	s.must(t, "user", "add", "bob", "--data", "other")
	for name, tt := range map[string]struct {
		args, want string
		status     int
	}{
		"no target":    {"--from sqlite:data/duly.db", "missing flags: --to=DSN", 2},
		"bad DSN":      {"--from sqlite:data/duly.db --to mysql://h/n", "cannot have the scheme", 2},
		"no source":    {"--from sqlite:none.db --to sqlite:new.db", "none.db: no such file", 1},
		"itself":       {"--from sqlite:data/duly.db --to data/../data/duly.db", "are the same database", 1},
		"one folder":   {"--from sqlite:data/duly.db --to sqlite:new.db --from-data data", "name both data folders", 1},
		"with data":    {"--from sqlite:data/duly.db --to sqlite:other/duly.db", "holds data already", 2},
		"other keys":   {"--from sqlite:data/duly.db --to sqlite:new2/duly.db --from-data data --to-data other", "is there already and another one", 1},
		"unreachable":  {"--from sqlite:data/duly.db --to postgres://u:s3cr3t@127.0.0.1:1/n", "refused", 1},
		"no such rows": {"--from sqlite:data/issuer.json --to sqlite:new3.db", "not a database", 1},
	} {
		got := s.run(t, append([]string{"copy"}, strings.Fields(tt.args)...)...)
		if got.Status != tt.status || !strings.Contains(got.Stderr, tt.want) || strings.Count(got.Stderr, "\n") != 1 || strings.Contains(got.Stderr, "s3cr3t") {
			t.Errorf("%s: %+v, want %d and %q", name, got, tt.status, tt.want)
		}
	}
	if list := s.must(t, "user", "list", "--data", "other"); !strings.Contains(list, "bob") || strings.Contains(list, "ada") {
		t.Errorf("the refused target has the users\n%s", list)
	}
	s.start(t)
	if got := s.run(t, "copy", "--from", "sqlite:other/duly.db", "--to", "sqlite:data/duly.db"); got.Status != 1 || !strings.Contains(got.Stderr, "the target: another server uses it") {
		t.Errorf("into a database that is served: %+v", got)
	}
}

// A mailbox goes to another server as a file.
func TestExportImport(t *testing.T) {
	t.Parallel()
	s, p, token, _, _ := servingMany(t, 0)
	if got := s.must(t, "export", "ada", "--to", "ada.zip"); !strings.HasPrefix(got, "Exported ada to ada.zip: lists 1, tasks 1, steps 1, links 0, extensions 0, attachments 1, categories 6\n") {
		t.Errorf("export says %q", got)
	}
	if got := s.must(t, "import", "ada.zip", "--user", "ada"); !strings.Contains(got, "added lists 0, tasks 0, steps 0") {
		t.Errorf("importing what is there: %q", got)
	}
	s.must(t, "import", "ada.zip", "--user", "ada", "--new-ids")
	if got := p.titles(t, token); cmp.Diff([]string{"first", "first"}, got) != "" {
		t.Errorf("the server has %q", got)
	}
	s.must(t, "user", "add", "eve", "--data", "other")
	s.must(t, "import", "ada.zip", "--user", "eve", "--data", "other")
	s.must(t, "export", "eve", "--data", "other", "--to", "eve.zip")
	s.must(t, "doctor", "--data", "other")
	text, err := os.ReadFile(filepath.Join(s.dir, "ada.zip"))
	if err != nil {
		t.Fatal(err)
	}
	s.file(t, "bad.zip", string(text[:len(text)/2]))
	for args, want := range map[string]result{
		"export ada --to ada.zip":     {Status: 1, Stderr: "duly: ada.zip exists already, and an export replaces nothing: choose another name, or remove it\n"},
		"export bob --to bob.zip":     {Status: 1, Stderr: "duly: there is no user bob: see who there is with \"duly user list --data data\"\n"},
		"import ada.zip --user bob":   {Status: 1, Stderr: "duly: there is no user bob: see who there is with \"duly user list --data data\"\n"},
		"import bad.zip --user ada":   {Status: 2, Stderr: "duly: bad.zip: this is no sound archive of a mailbox: it is no zip file, or cut off: zip: not a valid zip file. See duly import --help.\n"},
		"import /dev/null --user ada": {Status: 2, Stderr: "duly: /dev/null: this is no sound archive of a mailbox: it is no file. See duly import --help.\n"},
	} {
		if diff := cmp.Diff(want, s.run(t, strings.Fields(args)...)); diff != "" {
			t.Errorf("duly %s (-want +got)\n%s", args, diff)
		}
	}
}

// A backup has the certificates too, and a restore signs everybody out unless it is
// told not to.
func TestRestoreCertificatesAndSessions(t *testing.T) {
	t.Parallel()
	s, p, token := servingAda(t)
	p.stop(t)
	s.start(t, "--tls", "local").stop(t)
	if err := os.Mkdir(filepath.Join(s.dir, "data/acme"), 0o700); err != nil {
		t.Fatal(err)
	}
	s.file(t, "data/acme/acme_account+key", "key")
	s.must(t, "backup", "backup.tar")
	for data, flags := range map[string][]string{"out": nil, "in": {"--keep-sessions"}} {
		s.must(t, append([]string{"restore", "backup.tar", "--data", data}, flags...)...)
		for _, name := range []string{"ca.pem", "ca-key.pem", "issuer.json", "acme/acme_account+key", "duly.db"} {
			info, err := os.Stat(filepath.Join(s.dir, data, name))
			if err != nil || info.Mode().Perm() != 0o600 {
				t.Errorf("%s: %v, %v", name, info, err)
			}
		}
		status := map[string]int{"out": http.StatusUnauthorized, "in": http.StatusOK}[data]
		p := s.start(t, "--data", data)
		p.call(t, token, "GET", tasksPath, "", status)
		p.call(t, strings.TrimSpace(s.must(t, "token", "--user", "ada", "--data", data)), "GET", tasksPath, "", http.StatusOK)
		p.stop(t)
		if got := s.must(t, "doctor", "--data", data); !strings.Contains(got, "ok       certificate "+data+"/ca.pem is good until ") {
			t.Errorf("doctor says\n%s", got)
		}
	}
	s.file(t, "data/ca.pem", "no")
	if got := s.run(t, "doctor"); got.Status != 1 || !strings.Contains(got.Stdout, "problem  certificate data/ca.pem cannot be used: there is no certificate in PEM in it") {
		t.Errorf("doctor: %+v", got)
	}
}
