package duly_test

import (
	"archive/tar"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"

	"github.com/duly-todo/duly"
)

// What a database of each schema version can hold beside what those before it can.
// Version 1 was never released.
const (
	oldUser   = "11111111-1111-4111-8111-111111111111"
	oldList   = "AAAAAAAAAAAAAAAAAAAAAAB="
	oldTask   = "AAAAAAAAAAAAAAAAAAAAAAC="
	oldOther  = "AAAAAAAAAAAAAAAAAAAAAAD="
	oldFile   = "AAAAAAAAAAAAAAAAAAAAAAE="
	taskNames = `(user_id, list_id, task_id, version, created_version, title, status, importance, body, body_type, created, modified, completed, reminder_on, occurrence, step_count, link_count, extension_count, attachment_count, search_id)`
)

func oldRows() map[int]string {
	key := "'" + oldUser + "', '" + oldList + "'"
	return map[int]string{
		2: `INSERT INTO users (user_id, version, log_floor, principal_name, display_name, given_name, surname, mail, mobile_phone, business_phone, job_title, office_location, preferred_language, created)
				VALUES ('` + oldUser + `', 3, 0, 'ada', 'Ada', '', '', '', '', '', '', '', '', 1);
			INSERT INTO login_names (login_name, user_id) VALUES ('ada', '` + oldUser + `');
			INSERT INTO lists (user_id, list_id, version, created_version, name, wellknown, modified) VALUES (` + key + `, 1, 1, 'Tasks', 1, 1);
			INSERT INTO tasks ` + taskNames + ` VALUES (` + key + `, '` + oldTask + `', 2, 2, 'Milk', 0, 1, 'oat', 0, 5, 6, NULL, 0, 1, 1, 1, 1, 0, 1);
			INSERT INTO tasks ` + taskNames + ` VALUES (` + key + `, '` + oldOther + `', 3, 3, 'Done', 2, 1, '', 0, 7, 8, 86400000000, 0, 1, 0, 0, 0, 0, 2);
			INSERT INTO checklist_items (user_id, list_id, task_id, item_id, position, name, checked, created) VALUES (` + key + `, '` + oldTask + `', '22222222-2222-4222-8222-222222222222', 0, 'soy', 0, 5);
			INSERT INTO linked_resources (user_id, resource_id, list_id, task_id, position, application_name, display_name, external_id, web_url)
				VALUES ('` + oldUser + `', '33333333-3333-4333-8333-333333333333', '` + oldList + `', '` + oldTask + `', 0, 'Mail', '', '', '');
			INSERT INTO extensions (user_id, list_id, task_id, name, data) VALUES (` + key + `, '` + oldTask + `', 'x', '{"a":true}');
			INSERT INTO changes (user_id, version, kind, op, list_id, item_id, created_version, app, at) VALUES
				('` + oldUser + `', 1, 1, 1, '` + oldList + `', '` + oldList + `', 1, '', 1),
				('` + oldUser + `', 2, 2, 1, '` + oldList + `', '` + oldTask + `', 2, '', 6),
				('` + oldUser + `', 3, 2, 1, '` + oldList + `', '` + oldOther + `', 3, '', 8);
			INSERT INTO search (rowid, owner, title, body, steps, links, user_id, list_id, task_id) VALUES
				(1, '` + strings.ReplaceAll(oldUser, "-", "") + `', 'Milk', 'oat', 'soy', 'Mail', ` + key + `, '` + oldTask + `'),
				(2, '` + strings.ReplaceAll(oldUser, "-", "") + `', 'Done', '', '', '', ` + key + `, '` + oldOther + `');`,
		3: `INSERT INTO attachments (user_id, attachment_id, list_id, task_id, name, content_type, size, modified, complete, content, last_content)
				VALUES ('` + oldUser + `', '` + oldFile + `', '` + oldList + `', '` + oldTask + `', 'a.txt', 'text/plain', 5, 6, 1, 1, 1);
			INSERT INTO attachment_chunks (user_id, attachment_id, content, start, data) VALUES ('` + oldUser + `', '` + oldFile + `', 1, 0, CAST('hello' AS BLOB));
			UPDATE tasks SET attachment_count = 1 WHERE task_id = '` + oldTask + `';`,
		4: `INSERT INTO list_extensions (user_id, list_id, name, data) VALUES (` + key + `, 'com.x', '{"b":"c"}');`,
		5: `UPDATE users SET time_zone = 'Europe/Berlin';
			INSERT INTO categories (user_id, category_id, display_name, folded_name, color) VALUES ('` + oldUser + `', '44444444-4444-4444-8444-444444444444', 'Old', 'old', 3);`,
		6: `INSERT INTO app_subscriptions (app, subscription_id, user_id) VALUES ('gone', 'gone', '` + oldUser + `');`,
		7: `INSERT INTO apps (app_id, name, kind, redirect_uris, scopes, roles, created, tokens_from) VALUES ('55555555-5555-4555-8555-555555555555', 'Nightly', 3, '[]', '', 'Tasks.Read.All', 1, 0);
			INSERT INTO passwords (user_id, hash, changed) VALUES ('` + oldUser + `', 'x', 1);
			INSERT INTO sessions (user_id, hash, created, last_seen, address, user_agent, expires) VALUES ('` + oldUser + `', 'x', 1, 1, '', '', 9000000000000000);`,
		9: `INSERT INTO revisions (version, owner_id) VALUES (1, '` + oldUser + `'); UPDATE revision_counter SET version = 1;`,
	}
}

// oldBackup writes a backup as the program of a schema version made it.
func oldBackup(t *testing.T, version int) string {
	t.Helper()
	dir := t.TempDir()
	c, err := sqlite.OpenConn(filepath.Join(dir, "duly.db"), sqlite.OpenReadWrite|sqlite.OpenCreate)
	if err != nil {
		t.Fatal(err)
	}
	names, err := filepath.Glob("internal/store/migrations/*.sql")
	if err != nil {
		t.Fatal(err)
	}
	var scripts []string
	for n, name := range names[:version] { // what was written under each version, the next ones have moved
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		scripts = append(scripts, string(text), oldRows()[n+1])
	}
	for _, script := range append(scripts, fmt.Sprintf("PRAGMA user_version = %d;", version)) {
		if err := sqlitex.ExecuteScript(c, script, nil); err != nil {
			t.Fatalf("version %d: %v: %.300s", version, err, script)
		}
	}
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	issuer := t.TempDir()
	s, err := duly.New(t.Context(), duly.Config{DataDir: issuer})
	if err == nil {
		err = s.Close()
	}
	if err == nil {
		err = os.Rename(filepath.Join(issuer, "issuer.json"), filepath.Join(dir, "issuer.json"))
	}
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "backup.tar")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	m := duly.Manifest{Format: 1, Version: "v0", SchemaVersion: version, Time: time.Unix(1, 0).UTC()}
	texts := map[string][]byte{}
	for _, name := range []string{"duly.db", "issuer.json"} {
		text, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		sum := sha256.Sum256(text)
		texts[name] = text
		m.Files = append(m.Files, duly.BackupFile{Name: name, Size: int64(len(text)), SHA256: hex.EncodeToString(sum[:])})
	}
	if texts["manifest.json"], err = json.Marshal(m); err != nil {
		t.Fatal(err)
	}
	w := tar.NewWriter(f)
	for _, name := range []string{"manifest.json", "duly.db", "issuer.json"} {
		err = errors.Join(err, w.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: name, Size: int64(len(texts[name])), Mode: 0o600}))
		if err == nil {
			_, err = w.Write(texts[name])
		}
	}
	if err := errors.Join(err, w.Close(), f.Close()); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestRestoreEverySchema restores a backup of every schema version that there was,
// starts on it and finds what was in it; what the version had and the next ones
// moved is where it belongs.
func TestRestoreEverySchema(t *testing.T) {
	t.Parallel()
	names, err := filepath.Glob("internal/store/migrations/*.sql")
	if err != nil || len(names) < 10 {
		t.Fatal(names, err)
	}
	for version := 2; version <= len(names); version++ {
		t.Run(fmt.Sprint(version), func(t *testing.T) {
			t.Parallel()
			data := filepath.Join(t.TempDir(), "data")
			m, err := duly.Restore(t.Context(), oldBackup(t, version), data, false, quiet)
			if err != nil || m.SchemaVersion != version {
				t.Fatalf("%+v, %v", m, err)
			}
			s, err := duly.New(t.Context(), duly.Config{DataDir: data, Existing: true})
			if err != nil {
				t.Fatal(err)
			}
			expectOld(t, s, version)
			if err := s.Close(); err != nil {
				t.Error(err)
			}
			findings, err := duly.Diagnose(t.Context(), duly.Diagnosis{DataDir: data, Now: time.Now()})
			if err != nil {
				t.Error(err)
			}
			for _, f := range findings {
				if f.Remedy != "" && f.Name != "space" {
					t.Errorf("%s: %s", f.Name, f.Text)
				}
			}
		})
	}
}

func expectOld(t *testing.T, s *duly.Server, version int) {
	t.Helper()
	token, err := s.Token(t.Context(), "ada", "Tasks.ReadWrite MailboxSettings.Read", time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		since      int
		path, want string
	}{
		{2, "/todo/lists/Tasks/tasks?$search=oat&$expand=extensions,linkedResources,checklistItems", `"displayName":"soy"`},
		{2, "/todo/lists/Tasks/tasks?$search=oat&$expand=extensions,linkedResources", `"a":true`},
		{2, "/todo/lists/Tasks/tasks?$filter=status%20eq%20'completed'", `"completedDateTime":{"dateTime":"1970-01-02T00:00:00.0000000"`},
		{2, "/outlook/masterCategories", `"Red category"`},
		{3, "/todo/lists/Tasks/tasks/" + oldTask + "/attachments/" + oldFile + "/$value", "hello"},
		{4, "/todo/lists/Tasks/extensions", `"b":"c"`},
		{5, "/mailboxSettings", `"timeZone":"Europe/Berlin"`},
		{5, "/outlook/masterCategories", `"Old"`},
	} {
		if version < c.since || c.path == "/outlook/masterCategories" && c.since == 2 && version > 4 {
			continue
		}
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/v1.0/me"+c.path, nil)
		r.Header.Set("Authorization", "Bearer "+token)
		w := httptest.NewRecorder()
		s.ServeHTTP(w, r)
		if w.Code != http.StatusOK || !strings.Contains(w.Body.String(), c.want) {
			t.Errorf("GET %s: %d: %s, want %s", c.path, w.Code, w.Body, c.want)
		}
	}
	if apps, err := s.Apps(t.Context()); version >= 7 && (err != nil || len(apps) != 1 || apps[0].Name != "Nightly") {
		t.Errorf("applications: %+v, %v", apps, err)
	}
}
