package store

import (
	"io/fs"
	"path/filepath"
	"testing"
	"time"

	"zombiezen.com/go/sqlite"

	"github.com/duly-todo/duly/internal/todo"
)

// before makes a database of an earlier schema, that of the first n migrations.
func before(t *testing.T, path string, n int) *conn {
	t.Helper()
	c, err := openConn(path, sqlite.OpenReadWrite|sqlite.OpenCreate, writerPragma)
	if err != nil {
		t.Fatal(err)
	}
	names, err := fs.Glob(migrations, "migrations/*.sql")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names[:n] {
		sql, err := fs.ReadFile(migrations, name)
		if err == nil {
			err = c.script(string(sql))
		}
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
	}
	if err := c.exec(`PRAGMA user_version = ` + string(rune('0'+n))); err != nil {
		t.Fatal(err)
	}
	return c
}

// TestMigrateMailboxes opens a database of before there were categories and
// settings: its mailboxes have what new ones begin with.
func TestMigrateMailboxes(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "duly.db")
	c := before(t, path, 4)
	err := c.exec(`INSERT INTO users (user_id, version, log_floor, principal_name, display_name, given_name, surname, mail, mobile_phone, business_phone,
		job_title, office_location, preferred_language, created) VALUES ('u', 0, 0, 'ann', '', '', '', '', '', '', '', '', 'fr-FR', 0)`)
	if err == nil {
		err = c.close()
	}
	if err != nil {
		t.Fatal(err)
	}
	db, err := Open(t.Context(), path, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	var got []todo.OutlookCategory
	var u todo.User
	err = db.Update(t.Context(), As{User: "u"}, func(tx *Tx) (err error) {
		if u, err = tx.Owner(); err != nil {
			return err
		}
		if err := tx.InsertCategory(todo.OutlookCategory{ID: tx.NewGUID(), Name: "Last"}); err != nil {
			return err
		}
		got, err = tx.Categories()
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if u.Settings != (todo.MailboxSettings{TimeZone: todo.DefaultTimeZone}) || u.PreferredLanguage != "fr-FR" {
		t.Errorf("the mailbox has %+v, %s", u.Settings, u.PreferredLanguage)
	}
	want := todo.FirstCategories(NewGUID)
	if len(got) != len(want)+1 || got[len(want)].Name != "Last" {
		t.Fatalf("the mailbox has %+v", got)
	}
	for i := range want {
		if got[i].Name != want[i].Name || got[i].Color != want[i].Color || !ValidGUID(got[i].ID) {
			t.Errorf("got %+v, want %+v", got[i], want[i])
		}
	}
}
