package duly

import (
	"archive/tar"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/duly-todo/duly/internal/auth"
	"github.com/duly-todo/duly/internal/datafile"
	"github.com/duly-todo/duly/internal/store"
)

// manifestName is the first file of a backup, which says what else is in it.
const manifestName = "manifest.json"

// manifestFormat is the form of the backups that this version writes. It reads those
// of format 1 too, which have no other files than the database and issuer.json.
const manifestFormat = 2

// A Manifest says what a backup holds.
type Manifest struct {
	Format        int          `json:"format"`
	Version       string       `json:"version"`       // of the program that made it
	SchemaVersion int          `json:"schemaVersion"` // of the database
	Time          time.Time    `json:"time"`          // of its beginning: what was answered before is in it
	Files         []BackupFile `json:"files"`
}

// A BackupFile is one of the files in a backup.
type BackupFile struct {
	Name   string `json:"name"`
	Size   int64  `json:"size"`   // bytes
	SHA256 string `json:"sha256"` // in lower-case hexadecimal digits
}

// Backup writes the data of a folder, which a server may use meanwhile, to the
// new file path: a tar of the manifest, the database as it is at one moment, and
// the keys and certificates. version is that of the program. progress is told how much of a step
// is done, in units of no meaning. The file has its name only when it is whole
// and on disk; until then the folder of the file needs room for the data twice.
func Backup(ctx context.Context, dataDir, path, version string, progress func(step string, done, all int64)) (m Manifest, err error) {
	database := filepath.Join(dataDir, databaseName)
	if _, err := os.Stat(database); errors.Is(err, fs.ErrNotExist) {
		return m, fmt.Errorf("%w in %s", ErrNoData, dataDir)
	}
	if _, err := os.Lstat(path); err == nil {
		return m, fmt.Errorf("%s: %w", path, fs.ErrExist)
	}
	if _, err := auth.LoadKeys(dataDir); err != nil { // a backup without them would be worth little
		return m, err
	}
	m = Manifest{Format: manifestFormat, Version: version, Time: time.Now().UTC().Truncate(time.Second)}
	work, err := os.MkdirTemp(filepath.Dir(path), ".duly-backup-*") // of mode 0700
	if err != nil {
		return m, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(work)) }()

	copied := filepath.Join(work, databaseName)
	err = store.Snapshot(ctx, database, copied, func(done, all int) { progress("copying the database", int64(done), int64(all)) })
	if err != nil {
		return m, fmt.Errorf("copying the database: %w", err)
	}
	if m.SchemaVersion, err = store.SchemaVersion(copied); err != nil {
		return m, fmt.Errorf("reading the copy: %w", err)
	}
	names, err := dataFileNames(dataDir)
	if err != nil {
		return m, err
	}
	sources := []backupSource{{databaseName, copied}}
	for _, name := range names {
		sources = append(sources, backupSource{name, filepath.Join(dataDir, filepath.FromSlash(name))})
	}
	archive := filepath.Join(work, "backup")
	if err := m.write(ctx, archive, sources, progress); err != nil {
		return m, fmt.Errorf("writing the backup: %w", err)
	}
	return m, publish(archive, path)
}

// A backupSource is a file to back up, and its name in the backup.
type backupSource struct{ name, path string }

// publish gives a file its name, which must be free, and puts that on disk.
func publish(from, to string) error {
	err := os.Link(from, to) // which unlike a rename replaces nothing
	if err != nil && !errors.Is(err, fs.ErrExist) {
		err = os.Rename(from, to) // the file system knows no links
	}
	if err != nil {
		return err
	}
	return datafile.SyncDir(filepath.Dir(to))
}

// write writes the tar: the manifest, then the files that it names.
func (m *Manifest) write(ctx context.Context, path string, sources []backupSource, progress func(string, int64, int64)) (err error) {
	for _, source := range sources {
		sum := sha256.New()
		size, err := copyFile(ctx, sum, source.path)
		if err == nil && source.name != databaseName && size > maxDataFile {
			err = fmt.Errorf("%s has %d bytes, more than the %d allowed", source.path, size, maxDataFile)
		}
		if err != nil {
			return err
		}
		m.Files = append(m.Files, BackupFile{Name: source.name, Size: size, SHA256: hexSum(sum)})
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600) // it holds keys
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	text, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		return err
	}
	t := tar.NewWriter(f)
	if err := m.header(t, manifestName, int64(len(text))); err != nil {
		return err
	}
	if _, err := t.Write(text); err != nil {
		return err
	}
	for i, file := range m.Files {
		if err := m.header(t, file.Name, file.Size); err != nil {
			return err
		}
		if _, err := copyFile(ctx, t, sources[i].path); err != nil {
			return err
		}
		progress("writing the backup", int64(i+1), int64(len(m.Files)))
	}
	return errors.Join(t.Close(), f.Sync())
}

func (m *Manifest) header(t *tar.Writer, name string, size int64) error {
	return t.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: name, Size: size, Mode: 0o600, ModTime: m.Time, Format: tar.FormatPAX})
}

// copyFile writes the content of a file to w until ctx ends.
func copyFile(ctx context.Context, w io.Writer, path string) (int64, error) {
	f, err := os.Open(path)
	if err != nil {
		return 0, err
	}
	n, err := io.Copy(w, &contextReader{ctx, f})
	return n, errors.Join(err, f.Close())
}

// A contextReader ends with its context.
type contextReader struct {
	ctx context.Context
	r   io.Reader
}

func (c *contextReader) Read(b []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, err
	}
	return c.r.Read(b)
}

func hexSum(h hash.Hash) string { return hex.EncodeToString(h.Sum(nil)) }
