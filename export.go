package duly

import (
	"archive/zip"
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/duly-todo/duly/internal/graph"
	"github.com/duly-todo/duly/internal/store"
	"github.com/duly-todo/duly/internal/todo"
)

// exportPage is how many entities are read at once.
const exportPage = 32

// Export writes the mailbox of a user, as it is at one moment, to the new file
// path: an archive that [Server.Import] and other programs can read. version is
// that of the program. The file has its name only when it is whole and on disk.
// The error is [ErrNoUser] where there is no such user.
func (s *Server) Export(ctx context.Context, user, path, version string, progress func(step string, done, all int64)) (m ArchiveManifest, err error) {
	u, err := s.User(ctx, user)
	if err != nil {
		return m, err
	}
	if _, err := os.Lstat(path); err == nil {
		return m, fmt.Errorf("%s: %w", path, fs.ErrExist)
	}
	f, err := os.CreateTemp(filepath.Dir(path), ".duly-export-*") // of mode 0600
	if err != nil {
		return m, err
	}
	defer func() {
		if rerr := os.Remove(f.Name()); !errors.Is(rerr, fs.ErrNotExist) { // where a link gave the file its name, there are two
			err = errors.Join(err, rerr)
		}
	}()
	err = s.db.View(ctx, u.ID, func(tx *store.Tx) error {
		m = ArchiveManifest{
			Kind: archiveKind, Format: archiveFormat, Version: version, Time: time.Now().UTC().Truncate(time.Second),
			User: ArchivedUser{ID: u.ID, UserPrincipalName: u.UserPrincipalName, DisplayName: u.DisplayName},
		}
		if err := f.Truncate(0); err != nil { // the transaction may run more than once
			return err
		}
		if _, err := f.Seek(0, io.SeekStart); err != nil {
			return err
		}
		out := bufio.NewWriterSize(f, 64<<10)
		x := &exporter{ctx: ctx, tx: tx, zip: zip.NewWriter(out), m: &m, progress: progress}
		return errors.Join(x.run(), x.zip.Close(), out.Flush())
	})
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return m, err
	}
	return m, publish(f.Name(), path)
}

// An exporter writes a snapshot of a mailbox.
type exporter struct {
	ctx      context.Context
	tx       *store.Tx
	zip      *zip.Writer
	m        *ArchiveManifest
	progress func(step string, done, all int64)
}

func (x *exporter) run() error {
	for _, file := range []struct {
		name  string
		write func(io.Writer) error
	}{
		{settingsName, x.settings}, {categoriesName, x.categories}, {listsName, x.lists}, {tasksName, x.tasks}, {linksName, x.links},
	} {
		if err := x.file(file.name, zip.Deflate, file.write); err != nil {
			return err
		}
	}
	if err := x.attachments(); err != nil {
		return err
	}
	text, err := json.MarshalIndent(x.m, "", "  ")
	if err != nil {
		return err
	}
	w, err := x.zip.CreateHeader(&zip.FileHeader{Name: manifestName, Method: zip.Deflate})
	if err == nil {
		_, err = w.Write(append(text, '\n'))
	}
	return err
}

// file writes a file and enters it in the manifest.
func (x *exporter) file(name string, method uint16, write func(io.Writer) error) error {
	w, err := x.zip.CreateHeader(&zip.FileHeader{Name: name, Method: method})
	if err != nil {
		return err
	}
	sum, size := sha256.New(), &counter{}
	if err := write(io.MultiWriter(w, sum, size)); err != nil {
		return err
	}
	x.m.Files = append(x.m.Files, BackupFile{Name: name, Size: size.n, SHA256: hexSum(sum)})
	if len(x.m.Files) > maxArchiveFiles-1 {
		return fmt.Errorf("the mailbox has more than the %d files that an archive may hold", maxArchiveFiles)
	}
	return x.ctx.Err()
}

// A counter counts the bytes that are written to it.
type counter struct{ n int64 }

func (c *counter) Write(b []byte) (int, error) { c.n += int64(len(b)); return len(b), nil }

func (x *exporter) settings(w io.Writer) error {
	u, err := x.tx.Owner()
	if err == nil {
		_, err = w.Write(graph.ArchiveSettings(&u))
	}
	return err
}

func (x *exporter) categories(w io.Writer) error {
	categories, err := x.tx.Categories()
	for i := range categories {
		if err == nil {
			_, err = w.Write(graph.ArchiveCategory(&categories[i]))
		}
	}
	x.m.Counts.Categories = len(categories)
	return err
}

// eachList gives the lists in the order of their ids.
func (x *exporter) eachList(each func(*todo.TaskList) error) error {
	for after := ""; ; {
		lists, err := x.tx.ListsAfter(after, exportPage)
		if err != nil {
			return err
		}
		for i := range lists {
			if err := each(&lists[i]); err != nil {
				return err
			}
			after = lists[i].ID
		}
		if len(lists) < exportPage {
			return x.ctx.Err()
		}
	}
}

func (x *exporter) lists(w io.Writer) error {
	return x.eachList(func(l *todo.TaskList) (err error) {
		if l.Extensions, err = x.tx.Extensions(l.ID, ""); err != nil {
			return err
		}
		x.m.Counts.list(l)
		_, err = w.Write(graph.ArchiveList(l))
		return err
	})
}

func (x *exporter) tasks(w io.Writer) error {
	return x.eachList(func(l *todo.TaskList) error {
		x.progress(fmt.Sprintf("writing tasks, %d so far", x.m.Counts.Tasks), 0, 1)
		for after := ""; ; {
			tasks, err := x.tx.TasksAfter(l.ID, after, exportPage)
			if err != nil {
				return err
			}
			if len(tasks) == 0 {
				return x.ctx.Err()
			}
			extensions, err := x.tx.TaskExtensions(l.ID, tasks[0].ID, tasks[len(tasks)-1].ID)
			if err != nil {
				return err
			}
			for i := range tasks {
				tasks[i].Extensions = extensions[tasks[i].ID]
				if err := x.task(w, &tasks[i]); err != nil {
					return err
				}
				after = tasks[i].ID
			}
			if len(tasks) < exportPage {
				return x.ctx.Err()
			}
		}
	})
}

func (x *exporter) task(w io.Writer, t *todo.Task) (err error) {
	if t.HasAttachments {
		if t.Attachments, err = x.tx.Attachments(t.ListID, t.ID); err != nil {
			return err
		}
	}
	x.m.Counts.task(t)
	_, err = w.Write(graph.ArchiveTask(t))
	return err
}

func (x *exporter) links(w io.Writer) error {
	for after := ""; ; {
		links, err := x.tx.UnheldLinks(after, exportPage)
		if err != nil {
			return err
		}
		for i := range links {
			if _, err := w.Write(graph.ArchiveLink(&links[i])); err != nil {
				return err
			}
			after = links[i].ID
		}
		if x.m.Counts.LinkedResources += len(links); len(links) < exportPage {
			return x.ctx.Err()
		}
	}
}

// attachments writes the bytes of files, which are not made smaller: most are
// already.
func (x *exporter) attachments() error {
	written := 0
	for after := ""; ; {
		attachments, err := x.tx.AttachmentsAfter(after, exportPage)
		if err != nil {
			return err
		}
		for i := range attachments {
			a := &attachments[i]
			x.progress("writing files", int64(written), int64(x.m.Counts.Attachments))
			if err := x.file(attachmentFolder+a.ID, zip.Store, func(w io.Writer) error { return x.pieces(w, a) }); err != nil {
				return err
			}
			after = a.ID
			written++
		}
		if len(attachments) < exportPage {
			return nil
		}
	}
}

func (x *exporter) pieces(w io.Writer, a *todo.Attachment) error {
	var piece []byte
	for at := int64(0); at < a.Size; at += int64(len(piece)) {
		var err error
		if piece, err = x.tx.Piece(a, at, piece); err == nil && len(piece) == 0 {
			err = todo.ErrNotFound
		}
		if err == nil {
			_, err = w.Write(piece)
		}
		if err != nil {
			return fmt.Errorf("reading the file %s from byte %d on: %w", a.ID, at, err)
		}
	}
	return nil
}
