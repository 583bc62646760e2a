package store

import (
	"bytes"
	"errors"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/duly-todo/duly/internal/pgtest"
	"github.com/duly-todo/duly/internal/todo"
)

// A files is a database with a task, in which files are kept.
type files struct {
	*testing.T
	db   *DB
	as   As
	now  time.Time
	task todo.Task
}

// eachFiles runs a test on a file and on PostgreSQL.
func eachFiles(t *testing.T, test func(*files)) {
	t.Helper()
	t.Parallel()
	t.Run("file", func(t *testing.T) {
		t.Parallel()
		test(newFiles(t, filepath.Join(t.TempDir(), "duly.db")))
	})
	t.Run("postgres", func(t *testing.T) {
		t.Parallel()
		test(newFiles(t, pgtest.DSN(t)))
	})
}

func newFiles(t *testing.T, dsn string) *files {
	t.Helper()
	f := &files{T: t, as: As{User: NewGUID()}, now: time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)}
	db, err := Open(t.Context(), dsn, func() time.Time { return f.now })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	f.db = db
	if err := db.AddUser(t.Context(), todo.User{ID: f.as.User, UserPrincipalName: "u"}, ""); err != nil {
		t.Fatal(err)
	}
	f.update(func(tx *Tx) error {
		l, err := tx.DefaultList()
		if err != nil {
			return err
		}
		f.task = todo.Task{ID: tx.NewID(), ListID: l.ID, Title: "x", Created: tx.Now(), Modified: tx.Now(), Occurrence: 1}
		return tx.InsertTask(&f.task)
	})
	return f
}

func (f *files) update(fn func(*Tx) error) {
	f.Helper()
	if err := f.db.Update(f.Context(), f.as, fn); err != nil {
		f.Fatal(err)
	}
}

// count is how many rows of a table there are.
func (f *files) count(table string) (n int) {
	f.Helper()
	f.update(func(tx *Tx) error {
		return tx.conn.query(`SELECT count(*) FROM `+table+` WHERE user_id = ?`, func(r *row) error { n = int(r.int()); return nil }, text(f.as.User))
	})
	return n
}

func (f *files) insert(tx *Tx, size int64) (todo.UploadSession, error) {
	u := todo.UploadSession{ID: NewSecret(), Expires: tx.Now().Add(todo.UploadLifetime)}
	u.File = todo.Attachment{ID: tx.NewID(), ListID: f.task.ListID, TaskID: f.task.ID, Name: "f", Size: size, Modified: tx.Now(), Content: 1}
	return u, tx.InsertUploadSession(&u)
}

func (f *files) session(size int64) (u todo.UploadSession) {
	f.Helper()
	f.update(func(tx *Tx) (err error) { u, err = f.insert(tx, size); return err })
	return u
}

// TestExpiredUploads makes sessions that expire, and new ones, with which the old
// ones and what they have received are removed; files that are complete stay.
func TestExpiredUploads(t *testing.T) {
	eachFiles(t, func(f *files) {
		t := f.T
		piece := make([]byte, PieceSize)
		for i := range 20 {
			u := f.session(PieceSize + int64(i)%2)
			f.update(func(tx *Tx) error { // every second file is complete with it
				if err := tx.BeginSlice(&u, "w"); err != nil {
					return err
				}
				if err := tx.PutSlice(&u, "w", 0, piece); err != nil {
					return err
				}
				return tx.EndSlice(&u, PieceSize)
			})
		}
		if a, s, c := f.count("attachments"), f.count("attachment_sessions"), f.count("attachment_chunks"); a != 20 || s != 20 || c != 20 {
			t.Fatalf("%d attachments, %d sessions, %d pieces", a, s, c)
		}
		f.now = f.now.Add(todo.UploadLifetime)
		f.update(func(tx *Tx) error {
			n := 0
			if _, err := tx.Task(f.task.ListID, f.task.ID, AttachmentsHeldInto(&n)); err != nil || n != 10 {
				t.Errorf("the task holds %d attachments, %v; those that have expired do not count", n, err)
			}
			return nil
		})
		for range 3 {
			f.session(1)
		}
		if a, s, c := f.count("attachments"), f.count("attachment_sessions"), f.count("attachment_chunks"); a != 13 || s != 3 || c != 10 {
			t.Errorf("%d attachments, %d sessions, %d pieces; want 13, 3, 10", a, s, c)
		}
		f.update(func(tx *Tx) error { return tx.DeleteTask(f.task.ListID, f.task.ID) })
		if a, s, c := f.count("attachments"), f.count("attachment_sessions"), f.count("attachment_chunks"); a+s+c != 0 {
			t.Errorf("%d attachments, %d sessions, %d pieces of a task that is gone", a, s, c)
		}
	})
}

// TestTooManyUploads opens as many sessions as a mailbox may have, and one more.
func TestTooManyUploads(t *testing.T) {
	eachFiles(t, func(f *files) {
		t := f.T
		f.update(func(tx *Tx) error {
			for range todo.MaxUploadSessions {
				if _, err := f.insert(tx, 1); err != nil {
					return err
				}
			}
			return nil
		})
		err := f.db.Update(t.Context(), f.as, func(tx *Tx) error { _, err := f.insert(tx, 1); return err })
		if e, ok := errors.AsType[*todo.Error](err); !ok || e.Kind != todo.Invalid {
			t.Errorf("one more: %v", err)
		}
		f.now = f.now.Add(todo.UploadLifetime)
		f.session(1)
	})
}

// TestOvertakenWriter has a writer come back after another one has begun the
// same slice: nothing of it is written.
func TestOvertakenWriter(t *testing.T) {
	eachFiles(t, func(f *files) {
		t := f.T
		u := f.session(4)
		f.update(func(tx *Tx) error {
			if err := tx.BeginSlice(&u, "first"); err != nil {
				return err
			}
			return tx.PutSlice(&u, "first", 0, []byte("ab"))
		})
		f.update(func(tx *Tx) error { return tx.BeginSlice(&u, "second") })
		err := f.db.Update(t.Context(), f.as, func(tx *Tx) error { return tx.PutSlice(&u, "first", 2, []byte("cd")) })
		if e, ok := errors.AsType[*todo.Error](err); !ok || e.Kind != todo.InvalidStart {
			t.Errorf("the first writer: %v", err)
		}
		if n := f.count("attachment_chunks"); n != 0 {
			t.Errorf("%d pieces are left of the first writer", n)
		}
	})
}

// TestContents replaces a file while two others begin to: the one that began
// last wins, the one before it is refused, and no piece of it is left.
func TestContents(t *testing.T) {
	eachFiles(t, func(f *files) {
		t := f.T
		var a todo.Attachment
		var early, late int64
		f.update(func(tx *Tx) (err error) {
			a = todo.Attachment{ID: tx.NewID(), ListID: f.task.ListID, TaskID: f.task.ID, Name: "f", Size: 3, Modified: tx.Now(), Content: 1}
			if err := tx.AddAttachment(&a, []byte("old")); err != nil {
				return err
			}
			if early, err = tx.BeginContent(&a); err != nil {
				return err
			}
			if late, err = tx.BeginContent(&a); err != nil {
				return err
			}
			for _, content := range []int64{early, late} {
				if err := tx.PutContent(&a, content, 0, fmt.Appendf(nil, "new %d", content)); err != nil {
					return err
				}
			}
			return tx.EndContent(&a, late, 5)
		})
		for _, write := range []func(*Tx) error{
			func(tx *Tx) error { return tx.PutContent(&a, early, 5, []byte("x")) },
			func(tx *Tx) error { return tx.EndContent(&a, early, 5) },
		} {
			err := f.db.Update(t.Context(), f.as, write)
			if e, ok := errors.AsType[*todo.Error](err); !ok || e.Kind != todo.Conflict {
				t.Errorf("the one that began first: %v", err)
			}
		}
		f.update(func(tx *Tx) error { return errors.Join(tx.DropContent(&a, early), tx.DropContent(&a, late)) }) // the second is the file's
		if n := f.count("attachment_chunks"); n != 1 {
			t.Errorf("%d pieces, want 1", n)
		}
		f.update(func(tx *Tx) error {
			now, err := tx.Attachment(a.ListID, a.TaskID, a.ID)
			if err != nil {
				return err
			}
			if b, err := tx.Piece(&now, 0, nil); err != nil || !bytes.Equal(b, fmt.Appendf(nil, "new %d", late)) || now.Size != 5 {
				t.Errorf("%q, %v, %+v", b, err, now)
			}
			if _, err := tx.Piece(&a, 0, nil); !errors.Is(err, todo.ErrNotFound) {
				t.Errorf("the old content: %v", err)
			}
			return nil
		})
	})
}
