package store_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/duly-todo/duly/internal/store"
	"github.com/duly-todo/duly/internal/todo"
)

// colours are the categories of a mailbox, in short.
func colours(t *testing.T, db *store.DB, as store.As) string {
	t.Helper()
	var out []string
	view(t, db, as, func(tx *store.Tx) error {
		all, err := tx.Categories()
		for _, c := range all {
			out = append(out, c.Name+" "+c.Color.String())
		}
		return err
	})
	return strings.Join(out, ", ")
}

const firstColours = "Red category preset0, Orange category preset1, Yellow category preset3, Green category preset4, Blue category preset7, Purple category preset8"

func TestCategories(t *testing.T) {
	t.Parallel()
	db := open(t, store.Memory)
	ann, _ := addUser(t, db, "ann")
	bob, _ := addUser(t, db, "bob")
	c := todo.OutlookCategory{Name: "Äpfel", Color: 24}
	update(t, db, ann, func(tx *store.Tx) error {
		c.ID = tx.NewGUID()
		return tx.InsertCategory(c)
	})
	if got := colours(t, db, ann); got != firstColours+", Äpfel preset24" {
		t.Errorf("ann has %s", got)
	}
	c.Color = todo.NoColor
	for _, as := range []store.As{bob, ann} {
		update(t, db, as, func(tx *store.Tx) error { return tx.UpdateCategory(c) })
	}
	if got := colours(t, db, ann); got != firstColours+", Äpfel none" {
		t.Errorf("ann has %s", got)
	}
	if err := db.View(t.Context(), bob.User, func(tx *store.Tx) error {
		_, err := tx.Category(c.ID)
		return err
	}); !errors.Is(err, todo.ErrNotFound) {
		t.Errorf("bob sees ann's: %v", err)
	}
	update(t, db, bob, func(tx *store.Tx) error { return tx.DeleteCategory(c.ID) })
	view(t, db, ann, func(tx *store.Tx) error {
		got, err := tx.Category(c.ID)
		if err == nil && got != c {
			t.Errorf("got %+v, want %+v", got, c)
		}
		return err
	})
	update(t, db, ann, func(tx *store.Tx) error { return tx.DeleteCategory(c.ID) })
	for _, as := range []store.As{ann, bob} {
		if got := colours(t, db, as); got != firstColours {
			t.Errorf("there is %s", got)
		}
	}
	taken := todo.OutlookCategory{ID: c.ID, Name: "RED CATEGORY"}
	if err := db.Update(t.Context(), ann, func(tx *store.Tx) error { return tx.InsertCategory(taken) }); err == nil {
		t.Error("a name is there twice")
	}
}

func TestMailboxSettings(t *testing.T) {
	t.Parallel()
	db := open(t, store.Memory)
	ann, _ := addUser(t, db, "ann")
	want := todo.MailboxSettings{TimeZone: "Europe/Berlin", DateFormat: "yyyy-MM-dd", TimeFormat: "HH:mm"}
	update(t, db, ann, func(tx *store.Tx) error {
		u, err := tx.Owner()
		if err != nil {
			return err
		}
		if u.Settings != (todo.MailboxSettings{TimeZone: "UTC"}) {
			t.Errorf("a mailbox begins with %+v", u.Settings)
		}
		u.Settings = want
		return tx.UpdateUser(u)
	})
	view(t, db, ann, func(tx *store.Tx) error {
		u, err := tx.Owner()
		if u.Settings != want {
			t.Errorf("got %+v", u.Settings)
		}
		return err
	})
}
