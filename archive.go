package duly

import (
	"archive/zip"
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/duly-todo/duly/internal/store"
	"github.com/duly-todo/duly/internal/todo"
)

// archiveFormat is the form of the archives that this version reads and writes, and
// archiveKind says that a file is one (docs/operations.md describes it).
const (
	archiveFormat = 1
	archiveKind   = "duly mailbox"
)

// The files of an archive, beside the manifest and those below attachmentFolder,
// which are named by the ids of their attachments.
const (
	settingsName     = "mailboxSettings.json"
	categoriesName   = "masterCategories.jsonl"
	listsName        = "lists.jsonl"
	tasksName        = "tasks.jsonl"
	linksName        = "linkedResources.jsonl"
	attachmentFolder = "attachments/"
)

// archiveTexts are the files that every archive has, in their order.
func archiveTexts() []string {
	return []string{settingsName, categoriesName, listsName, tasksName, linksName}
}

// Bounds of an archive. Deflate makes nothing more than some thousand times smaller.
const (
	maxArchiveFiles    = 500_000
	maxArchiveManifest = 128 << 20 // bytes
	maxArchiveLine     = 64 << 20  // bytes: a task with everything that it may have takes less
	maxArchiveLists    = 100_000
	maxDeflate         = 1_100
)

// ErrBadArchive says that a file is no archive of a mailbox, or not as it was
// written. Nothing is changed.
var ErrBadArchive = errors.New("this is no sound archive of a mailbox")

func badArchivef(format string, args ...any) error {
	return fmt.Errorf("%w: %w", ErrBadArchive, fmt.Errorf(format, args...))
}

// An ArchiveManifest says what an archive holds.
type ArchiveManifest struct {
	Kind    string        `json:"kind"`
	Format  int           `json:"format"`
	Version string        `json:"version"` // of the program that made it
	Time    time.Time     `json:"time"`    // at which the mailbox was so
	User    ArchivedUser  `json:"user"`
	Counts  ArchiveCounts `json:"counts"`
	Files   []BackupFile  `json:"files"`
}

// An ArchivedUser is whose mailbox it was.
type ArchivedUser struct {
	ID                string `json:"id"`
	UserPrincipalName string `json:"userPrincipalName"`
	DisplayName       string `json:"displayName"`
}

// ArchiveCounts are the numbers of what an archive holds.
type ArchiveCounts struct {
	Categories      int `json:"masterCategories"`
	Lists           int `json:"lists"`
	Tasks           int `json:"tasks"`
	ChecklistItems  int `json:"checklistItems"`
	LinkedResources int `json:"linkedResources"`
	Extensions      int `json:"extensions"`
	Attachments     int `json:"attachments"`
}

// list counts a list.
func (c *ArchiveCounts) list(l *todo.TaskList) { c.Lists++; c.Extensions += len(l.Extensions) }

// task counts a task and its children.
func (c *ArchiveCounts) task(t *todo.Task) {
	c.Tasks++
	c.ChecklistItems += len(t.ChecklistItems)
	c.LinkedResources += len(t.LinkedResources)
	c.Extensions += len(t.Extensions)
	c.Attachments += len(t.Attachments)
}

// An archive is one that is open for reading.
type archive struct {
	f        *os.File
	manifest ArchiveManifest
	files    map[string]*zip.File
}

// openArchive reads the manifest and compares it with the list of files. The caller
// must close it.
func openArchive(path string) (_ *archive, err error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, f.Close())
		}
	}()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, badArchivef("it is no file")
	}
	a, err := readArchive(f, info.Size())
	if err != nil {
		return nil, err
	}
	a.f = f
	return a, nil
}

func readArchive(r io.ReaderAt, size int64) (*archive, error) {
	z, err := zip.NewReader(r, size)
	if err != nil {
		return nil, badArchivef("it is no zip file, or cut off: %w", err)
	}
	if len(z.File) > maxArchiveFiles {
		return nil, badArchivef("it holds %d files, more than the %d allowed", len(z.File), maxArchiveFiles)
	}
	a := &archive{files: make(map[string]*zip.File, len(z.File))}
	packed := uint64(0)
	for _, f := range z.File {
		if a.files[f.Name] != nil {
			return nil, badArchivef("it holds %.80q twice", f.Name)
		}
		a.files[f.Name] = f
		packed += f.CompressedSize64
		if f.UncompressedSize64 > maxDeflate*(f.CompressedSize64+1) || packed > uint64(size) {
			return nil, badArchivef("%.80q is said to be larger than what it could be", f.Name)
		}
	}
	return a, a.readManifest()
}

func (a *archive) readManifest() error {
	f := a.files[manifestName]
	if f == nil {
		return badArchivef("it holds no %s", manifestName)
	}
	if f.UncompressedSize64 > maxArchiveManifest {
		return badArchivef("its %s is larger than the %d bytes allowed", manifestName, maxArchiveManifest)
	}
	in, err := f.Open()
	if err != nil {
		return badArchivef("%s cannot be read: %w", manifestName, err)
	}
	text, err := io.ReadAll(io.LimitReader(in, maxArchiveManifest))
	if err = errors.Join(err, in.Close()); err == nil {
		err = json.Unmarshal(text, &a.manifest)
	}
	m := &a.manifest
	switch {
	case err != nil:
		return badArchivef("%s cannot be read: %w", manifestName, err)
	case m.Kind != archiveKind:
		return badArchivef("it is of the kind %.80q and not %q", m.Kind, archiveKind)
	case m.Format != archiveFormat:
		return badArchivef("it has format %d and this program reads %d: use a newer duly than %.40q, which made it", m.Format, archiveFormat, m.Version)
	case len(m.Files) != len(a.files)-1:
		return badArchivef("it holds %d files and the manifest names %d", len(a.files)-1, len(m.Files))
	}
	named := map[string]bool{}
	for _, file := range m.Files {
		id, attached := strings.CutPrefix(file.Name, attachmentFolder)
		f := a.files[file.Name]
		switch {
		case f == nil || named[file.Name] || file.Name == manifestName:
			return badArchivef("the manifest names %.80q, which is not there, or named twice", file.Name)
		case attached && !store.ValidID(id), !attached && !isArchiveText(file.Name):
			return badArchivef("%.80q is no name of a file in an archive", file.Name)
		case file.Size < 0 || uint64(file.Size) != f.UncompressedSize64:
			return badArchivef("%.80q has %d bytes and not %d", file.Name, f.UncompressedSize64, file.Size)
		case attached && file.Size > todo.MaxAttachment:
			return badArchivef("%.80q has %d bytes, more than the %d allowed", file.Name, file.Size, todo.MaxAttachment)
		}
		named[file.Name] = true
	}
	for _, name := range archiveTexts() {
		if !named[name] {
			return badArchivef("%s is missing", name)
		}
	}
	return nil
}

func isArchiveText(name string) bool {
	for _, known := range archiveTexts() {
		if name == known {
			return true
		}
	}
	return false
}

// open opens a file of the archive, which must be there.
func (a *archive) open(name string) (io.ReadCloser, error) {
	in, err := a.files[name].Open()
	if err != nil {
		return nil, badArchivef("%.80q cannot be read: %w", name, err)
	}
	return in, nil
}

// eachLine gives the lines of a file, without their ends. each must not keep them.
func (a *archive) eachLine(ctx context.Context, name string, each func(line []byte) error) error {
	in, err := a.open(name)
	if err != nil {
		return err
	}
	defer in.Close() // of a file that is read; its end was checked
	r := bufio.NewReaderSize(&contextReader{ctx, in}, 64<<10)
	var line []byte
	for n := 1; ; n++ {
		line = line[:0]
		for err = bufio.ErrBufferFull; errors.Is(err, bufio.ErrBufferFull); {
			var part []byte
			part, err = r.ReadSlice('\n')
			if line = append(line, part...); len(line) > maxArchiveLine {
				return badArchivef("%s, line %d: it is longer than the %d bytes allowed", name, n, maxArchiveLine)
			}
		}
		switch {
		case errors.Is(err, io.EOF) && len(line) == 0:
			return nil
		case errors.Is(err, io.EOF):
			return badArchivef("%s, line %d: it does not end", name, n)
		case ctx.Err() != nil:
			return ctx.Err()
		case err != nil:
			return badArchivef("%s cannot be read: %w", name, err)
		}
		if err := each(bytes.TrimSuffix(line, []byte("\n"))); err != nil {
			if e, ok := errors.AsType[*todo.Error](err); ok {
				return badArchivef("%s, line %d: %w", name, n, e)
			}
			return err
		}
	}
}

// checkHashes compares every byte with the manifest.
func (a *archive) checkHashes(ctx context.Context, progress func(step string, done, all int64)) error {
	for i, file := range a.manifest.Files {
		progress("reading the archive", int64(i), int64(len(a.manifest.Files)))
		in, err := a.open(file.Name)
		if err != nil {
			return err
		}
		sum := sha256.New()
		_, err = io.Copy(sum, &contextReader{ctx, in})
		switch err = errors.Join(err, in.Close()); {
		case ctx.Err() != nil:
			return ctx.Err()
		case err != nil:
			return badArchivef("%.80q cannot be read: %w", file.Name, err)
		case hexSum(sum) != file.SHA256:
			return badArchivef("%.80q is not what was written: its hash is another one", file.Name)
		}
	}
	return nil
}

// close closes the file.
func (a *archive) close() error { return a.f.Close() }
