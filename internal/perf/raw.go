//go:build linux

package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync/atomic"
	"syscall"
	"time"

	"zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"
)

// rawWriter writes the rows of created tasks straight into a copy of the database,
// as a server without HTTP, JSON and rules would at best: one connection with
// Duly's settings, statements prepared once, one commit for all writes that wait.
// The rows are those of tasks, changes and the full-text index, and the version of the mailbox.
type rawWriter struct {
	conn *sqlite.Conn
	jobs chan chan error
	user string
	list string
	n    atomic.Int64
}

// maxRawBatch is Duly's.
const maxRawBatch = 128

func newRawWriter(file string) (w *rawWriter, err error) {
	w = &rawWriter{jobs: make(chan chan error, maxRawBatch)}
	if w.conn, err = sqlite.OpenConn(file, sqlite.OpenReadWrite); err != nil {
		return nil, err
	}
	for _, setting := range []string{"journal_mode = WAL", "synchronous = FULL", "foreign_keys = ON", "wal_autocheckpoint = 4000", "mmap_size = 50331648", "cache_size = -4096"} {
		err = errors.Join(err, sqlitex.ExecuteTransient(w.conn, "PRAGMA "+setting, nil))
	}
	if err == nil {
		err = sqlitex.Execute(w.conn, `SELECT user_id, list_id FROM lists WHERE name = 'Written'`, &sqlitex.ExecOptions{ResultFunc: func(s *sqlite.Stmt) error {
			w.user, w.list = s.ColumnText(0), s.ColumnText(1)
			return nil
		}})
	}
	if err != nil {
		return nil, errors.Join(err, w.conn.Close())
	}
	go w.run()
	return w, nil
}

func (w *rawWriter) run() {
	for first := range w.jobs {
		batch := []chan error{first}
	more:
		for len(batch) < maxRawBatch {
			select {
			case j, ok := <-w.jobs:
				if !ok {
					break more
				}
				batch = append(batch, j)
			default:
				break more
			}
		}
		err := w.commit(len(batch))
		for _, j := range batch {
			j <- err
		}
	}
}

func (w *rawWriter) close() error {
	close(w.jobs)
	return w.conn.Close()
}

// write has one task written, and waits until it is on disk.
func (w *rawWriter) write(done chan error) error {
	w.jobs <- done
	return <-done
}

func (w *rawWriter) commit(n int) error {
	if err := w.exec(`BEGIN IMMEDIATE`); err != nil {
		return err
	}
	for range n {
		if err := w.insert(); err != nil {
			return errors.Join(err, w.exec(`ROLLBACK`))
		}
	}
	return w.exec(`COMMIT`)
}

func (w *rawWriter) insert() error {
	i := w.n.Add(1)
	now := time.Now().UnixMicro()
	id := fmt.Sprintf("zzz%020d=", i)
	title, body := fmt.Sprintf("Call number %d about the offer", i), "They asked for a call back before Friday, with the figures of last year."
	if err := w.exec(`UPDATE users SET version = version + 1 WHERE user_id = ?`, w.user); err != nil {
		return err
	}
	version := 1_000_000_000 + i
	err := w.exec(`INSERT INTO changes (user_id, version, kind, op, list_id, item_id, created_version, app, at) VALUES (?, ?, 2, 1, ?, ?, ?, '14d82eec-204b-4c2f-b7e8-296a70dab67e', ?)`,
		w.user, version, w.list, id, version, now)
	if err != nil {
		return err
	}
	err = w.exec(`INSERT INTO words (owner, title, body, steps, links, user_id, list_id, task_id) VALUES (replace(?1, '-', ''), ?2, ?3, '', '', ?1, ?4, ?5)`,
		w.user, title, body, w.list, id)
	if err != nil {
		return err
	}
	return w.exec(`INSERT INTO tasks (version, title, status, importance, body, body_type, categories, modified, due, due_zone,
		reminder_on, occurrence, step_count, link_count, extension_count, attachment_count, search_id, created_version, created, user_id, list_id, task_id)
		VALUES (?1, ?2, 0, 2, ?3, 0, '["Work"]', ?4, ?4, 'UTC', 0, 0, 0, 0, 0, 0, ?5, ?1, ?4, ?6, ?7, ?8)`,
		version, title, body, now, w.conn.LastInsertRowID(), w.user, w.list, id)
}

// exec runs a statement, which the connection has prepared before.
func (w *rawWriter) exec(q string, args ...any) error {
	stmt, err := w.conn.Prepare(q)
	if err != nil {
		return err
	}
	for i, a := range args {
		switch a := a.(type) {
		case int64:
			stmt.BindInt64(i+1, a)
		case string:
			stmt.BindText(i+1, a)
		}
	}
	_, err = stmt.Step()
	return errors.Join(err, stmt.Reset())
}

// measureRaw is the raw writer under as many goroutines as there are clients.
func (w *rawWriter) measure(goroutines int, each time.Duration) (sample, error) {
	done := make([]chan error, goroutines)
	for i := range done {
		done[i] = make(chan error, 1)
	}
	return repeat(goroutines, each, func(i int) error { return w.write(done[i]) })
}

// measureSync writes a page and waits for the disk, over and over.
func measureSync(dir string, each time.Duration) (s sample, err error) {
	f, err := os.Create(filepath.Join(dir, "sync"))
	if err != nil {
		return s, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	page := make([]byte, 4096)
	n := int64(0)
	return repeat(1, each, func(int) error {
		n++
		if _, err := f.WriteAt(page, n%256*4096); err != nil {
			return err
		}
		return syscall.Fdatasync(int(f.Fd()))
	})
}
