package store

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// What Citus refuses or answers wrongly although split tables take it. The words
// are those of SQL, in any case.
var refused = []struct {
	why     string
	pattern *regexp.Regexp
}{
	{"SKIP LOCKED goes over all shards", regexp.MustCompile(`(?i)\bSKIP\s+LOCKED\b`)},
	{"MERGE is refused", regexp.MustCompile(`(?i)\bMERGE\s+INTO\b`)},
	{"sequences differ between nodes", regexp.MustCompile(`(?i)\b(nextval|currval|setval|(small|big)?serial|CREATE\s+SEQUENCE)\b|\bAS\s+IDENTITY\b|\bAUTOINCREMENT\b`)},
	{"triggers and stored functions are not on all nodes", regexp.MustCompile(`(?i)\bCREATE\s+(OR\s+REPLACE\s+)?(CONSTRAINT\s+)?(TRIGGER|FUNCTION|PROCEDURE|RULE|POLICY)\b`)},
	{"volatile functions are refused in UPDATE, and differ between nodes", regexp.MustCompile(`(?i)\b(gen_random_uuid|random|now|clock_timestamp|statement_timestamp|transaction_timestamp|timeofday|txid_current|setseed)\s*\(|\b(CURRENT_TIMESTAMP|CURRENT_DATE|CURRENT_TIME|LOCALTIMESTAMP|LOCALTIME)\b`)},
	{"advisory locks are of one node", regexp.MustCompile(`(?i)\bpg_(try_)?advisory_`)},
	{"LISTEN and NOTIFY are of one node", regexp.MustCompile(`(?i)^\s*(UN)?LISTEN\s+\w|^\s*NOTIFY\s+\w|\bpg_notify\b`)},
	{"SELECT inside of VALUES is refused", regexp.MustCompile(`(?is)\bVALUES\s*\([^;]*\bSELECT\b`)},
	{"ON CONFLICT needs its key", regexp.MustCompile(`(?i)\bON\s+CONFLICT\s+(DO\b|ON\s+CONSTRAINT\b)`)},
	{"SERIALIZABLE holds on one node alone", regexp.MustCompile(`(?i)\bISOLATION\s+LEVEL\s+SERIALIZABLE\b`)},
	{"a default that calls a function differs between nodes", regexp.MustCompile(`(?i)\bDEFAULT\s+\(*\w+\s*\(`)},
	{"constraints have other names on shards", regexp.MustCompile(`(?i)\b\w+_(pkey|fkey)\b|\bCONSTRAINT\s+(IF\s+EXISTS\s+)?\w+_key\b`)},
}

var (
	statementWords = regexp.MustCompile(`(?is)^\s*(SELECT|INSERT\s+INTO|UPDATE\s+\S+\s+SET|DELETE\s+FROM|WITH|MERGE|CREATE|ALTER|DROP|BEGIN|SET\s+(LOCAL|TRANSACTION)|LISTEN|NOTIFY|TRUNCATE)\b`)
	sqlComment     = regexp.MustCompile(`(?m)--.*$`)
	updateOf       = regexp.MustCompile(`(?is)\bUPDATE\s+(\w+)\s+SET\b(.*?)(\bWHERE\b|$)`)
	conflictOf     = regexp.MustCompile(`(?is)\bINSERT\s+INTO\s+(\w+)\b.*\bON\s+CONFLICT\s*\(\s*(\w+)(.*)$`)
	setColumn      = regexp.MustCompile(`(?:^|,)\s*(\w+)\s*=`)
	tableKey       = regexp.MustCompile(`(?s)CREATE TABLE (?:IF NOT EXISTS )?(\w+) \((.*?)\n\)`)
	primaryKey     = regexp.MustCompile(`PRIMARY KEY \((\w+)`)
)

// keysOfTables are the first columns of the primary keys, by table.
var keysOfTables = sync.OnceValues(func() (map[string]string, error) {
	keys := map[string]string{}
	texts, err := fs.Glob(migrations, "migrations/*.sql")
	for _, name := range texts {
		script, err := migration(name, "postgres")
		if err != nil {
			return nil, err
		}
		for _, m := range tableKey.FindAllStringSubmatch(script, -1) {
			if key := primaryKey.FindStringSubmatch(m[2]); key != nil {
				keys[m[1]] = key[1]
			}
		}
	}
	return keys, err
})

// badSQL says what Citus would refuse in a statement or a migration; "" for none.
func badSQL(keys map[string]string, sql string) string {
	sql = sqlComment.ReplaceAllString(sql, "")
	for statement := range strings.SplitSeq(sql, ";") {
		for _, r := range refused {
			if r.pattern.MatchString(statement) {
				return r.why
			}
		}
		for _, m := range conflictOf.FindAllStringSubmatch(statement, -1) {
			if key := keys[m[1]]; key != "" && m[2] != key {
				return "ON CONFLICT of " + m[1] + " needs " + key
			}
			if set := regexp.MustCompile(`(?is)\bDO\s+UPDATE\s+SET(.*)`).FindStringSubmatch(m[3]); set != nil && setsColumn(set[1], keys[m[1]]) {
				return "the key of a row of " + m[1] + " stays"
			}
		}
		for _, m := range updateOf.FindAllStringSubmatch(statement, -1) {
			if setsColumn(m[2], keys[m[1]]) {
				return "the key of a row of " + m[1] + " stays"
			}
		}
	}
	return ""
}

func setsColumn(set, key string) bool {
	for _, m := range setColumn.FindAllStringSubmatch(set, -1) {
		if m[1] == key {
			return true
		}
	}
	return false
}

// A foundText is a text in the source.
type foundText struct{ at, text string }

// textsIn are the texts of a file, joined where they are added; what is not a
// constant in the place itself is "…". Names of constraints count as texts.
func textsIn(files *token.FileSet, f *ast.File) (texts []foundText) {
	add := func(n ast.Node, text string) {
		texts = append(texts, foundText{files.Position(n.Pos()).String(), text})
	}
	var textOf func(ast.Expr) string
	textOf = func(e ast.Expr) string {
		switch e := e.(type) {
		case *ast.BasicLit:
			if s, err := strconv.Unquote(e.Value); err == nil && e.Kind == token.STRING {
				return s
			}
		case *ast.BinaryExpr:
			if e.Op == token.ADD {
				return textOf(e.X) + textOf(e.Y)
			}
		case *ast.ParenExpr:
			return textOf(e.X)
		case *ast.Ident:
			if e.Name == "everyMailbox" {
				return everyMailbox
			}
		}
		return "…"
	}
	ast.Inspect(f, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.BinaryExpr:
			if n.Op == token.ADD {
				add(n, textOf(n))
				for _, side := range []ast.Expr{n.X, n.Y} { // what is called in it has texts of its own
					ast.Inspect(side, func(n ast.Node) bool {
						call, ok := n.(*ast.CallExpr)
						if ok {
							for _, a := range call.Args {
								add(a, textOf(a))
							}
						}
						return true
					})
				}
				return false
			}
		case *ast.BasicLit:
			add(n, textOf(n))
		case *ast.SelectorExpr:
			if n.Sel.Name == "ConstraintName" {
				add(n, "SELECT x_pkey") // a comparison that fails on shards
			}
		}
		return true
	})
	return texts
}

// sourceTexts are the SQL texts of this package and its migrations.
func sourceTexts(t *testing.T) (texts []foundText) {
	t.Helper()
	files := token.NewFileSet()
	names, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(files, name, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		for _, found := range textsIn(files, f) {
			if statementWords.MatchString(found.text) {
				texts = append(texts, found)
			}
		}
	}
	err = fs.WalkDir(os.DirFS("migrations"), ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := os.ReadFile(filepath.Join("migrations", path))
		texts = append(texts, foundText{path, string(b)})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return texts
}

// TestLint looks in every statement for what Citus refuses although PostgreSQL
// takes it. What partitions refuse is left to the tests on split tables.
func TestLint(t *testing.T) {
	t.Parallel()
	keys, err := keysOfTables()
	if err != nil {
		t.Fatal(err)
	}
	texts := sourceTexts(t)
	if len(texts) < 150 || len(keys) < 20 || keys["tasks"] != "user_id" || keys["login_names"] != "login_name" {
		t.Fatalf("%d texts and the keys %v were found: too few", len(texts), keys)
	}
	allowed := map[string]string{
		"inspectpg.go: FROM clock_timestamp()": "the doctor compares the clock of the server that answers",
		"pghints.go: SELECT pg_notify($1, $2)": "hints may be lost: other nodes find out by looking",
	}
	for _, found := range texts {
		excused := false
		for what := range allowed {
			file, text, _ := strings.Cut(what, ": ")
			if strings.HasPrefix(found.at, file) && strings.Contains(found.text, text) {
				excused = true
				delete(allowed, what)
			}
		}
		if excused {
			continue
		}
		if why := badSQL(keys, found.text); why != "" {
			t.Errorf("%s: %s: %s", found.at, why, found.text)
		}
	}
	for what, why := range allowed {
		t.Errorf("%s, because %s: it is not there", what, why)
	}
}

// TestLintFinds gives the lint what it must find, and what it must not.
func TestLintFinds(t *testing.T) {
	t.Parallel()
	keys := map[string]string{"tasks": "user_id", "login_names": "login_name", "device_codes": "one"}
	for sql, bad := range map[string]bool{
		"SELECT id FROM outbox WHERE run_at < ? FOR UPDATE SKIP LOCKED":                                                  true,
		"MERGE INTO tasks USING x ON TRUE":                                                                               true,
		"CREATE TABLE a (id BIGSERIAL)":                                                                                  true,
		"CREATE TABLE a (id BIGINT GENERATED ALWAYS AS IDENTITY)":                                                        true,
		"SELECT nextval('s')":                                                                                            true,
		"CREATE TRIGGER a AFTER INSERT ON tasks":                                                                         true,
		"CREATE OR REPLACE FUNCTION f() RETURNS INT":                                                                     true,
		"UPDATE tasks SET task_id = gen_random_uuid() WHERE user_id = ?":                                                 true,
		"UPDATE tasks SET modified = now() WHERE user_id = ?":                                                            true,
		"UPDATE tasks SET modified = CURRENT_TIMESTAMP WHERE user_id = ?":                                                true,
		"UPDATE tasks SET x = random () WHERE user_id = ?":                                                               true,
		"SELECT pg_advisory_xact_lock(1)":                                                                                true,
		"SELECT pg_try_advisory_lock(1)":                                                                                 true,
		"LISTEN changes":                                                                                                 true,
		"SELECT pg_notify('a', 'b')":                                                                                     true,
		"INSERT INTO tasks (user_id, place) VALUES (?, (SELECT max(place) FROM tasks))":                                  true,
		"UPDATE tasks SET user_id = ? WHERE user_id = ?":                                                                 true,
		"UPDATE tasks SET title = ?, user_id = ? WHERE user_id = ?":                                                      true,
		"INSERT INTO tasks (user_id) VALUES (?) ON CONFLICT DO NOTHING":                                                  true,
		"INSERT INTO tasks (user_id) VALUES (?) ON CONFLICT ON CONSTRAINT x DO NOTHING":                                  true,
		"INSERT INTO tasks (user_id) VALUES (?) ON CONFLICT (task_id) DO NOTHING":                                        true,
		"INSERT INTO tasks (user_id) VALUES (?) ON CONFLICT (user_id, task_id) DO UPDATE SET user_id = excluded.user_id": true,
		"BEGIN ISOLATION LEVEL SERIALIZABLE":                                                                             true,
		"CREATE TABLE a (b BIGINT DEFAULT extract(epoch from x))":                                                        true,
		"SELECT x_pkey": true,
		"INSERT INTO tasks (user_id) VALUES (?) ON CONFLICT (user_id, task_id) DO UPDATE SET title = excluded.title": false,
		"UPDATE device_codes SET user_id = ? WHERE one = 1":                                                          false,
		"UPDATE tasks SET n = (SELECT count(*) FROM a WHERE user_id = ?) WHERE user_id = ?":                          false,
		"INSERT INTO categories SELECT user_id, 'a' FROM users":                                                      false,
		"CREATE TABLE a (b TEXT NOT NULL DEFAULT '', serialized TEXT, identity TEXT) -- now() a SERIAL trigger":      false,
		"SELECT user_id FROM tasks WHERE user_id = ? FOR UPDATE":                                                     false,
	} {
		if why := badSQL(keys, sql); (why != "") != bad {
			t.Errorf("%s: %q", sql, why)
		}
	}
	files := token.NewFileSet()
	f, err := parser.ParseFile(files, "x.go", "package x\nfunc f(e E) {\nq(`SELECT a FROM b` + c + ` FOR UPDATE` + ` SKIP LOCKED`, g(`MERGE INTO x`))\nif e.ConstraintName == p {}\nq(`UPDATE a SET b = ` + h(`SELECT now()`))\n}", 0)
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	for _, text := range textsIn(files, f) {
		if statementWords.MatchString(text.text) && badSQL(keys, text.text) != "" {
			found++
		}
	}
	if found != 4 {
		t.Errorf("in a source with four mistakes %d are found: %v", found, textsIn(files, f))
	}
}

// TestEveryMailbox has the reason of each statement that asks all nodes. None
// decides anything for a mailbox, and while a node is gone they fail.
func TestEveryMailbox(t *testing.T) {
	t.Parallel()
	reasons := map[string]string{
		"DELETE FROM …": "an administrator ends or removes an application (dropGrants)",
		"SELECT issuer, subject, user_id FROM people": "the list of users, for administrators (People)",
		"SELECT … FROM users":                         "the list of users, for administrators and applications (Users)",
		"SELECT 1 FROM passwords":                     "whether a set-up link is printed at the start (AnyPassword)",
		"SELECT COUNT(*), COALESCE(SUM(version), 0), COALESCE(SUM(version - log_floor), 0) FROM users":                                                           "metrics (Sizes)",
		"SELECT u.user_id, u.version, count(*), sum(s.expires + s.lifecycle), max(s.subscription_id) FROM subscriptions s JOIN users u ON u.user_id = s.user_id": "what senders of notifications may have missed (SubscribedMailboxes)",
	}
	var marked []string
	for _, found := range sourceTexts(t) {
		if before, _, ok := strings.Cut(found.text, everyMailbox); ok && before != "" {
			marked = append(marked, strings.Join(strings.Fields(before), " "))
		}
	}
	slices.Sort(marked)
	if diff := cmp.Diff(slices.Sorted(maps.Keys(reasons)), marked); diff != "" {
		t.Errorf("statements over every mailbox (-with a reason +found):\n%s", diff)
	}
}
