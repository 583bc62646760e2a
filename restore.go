package duly

import (
	"archive/tar"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/duly-todo/duly/internal/auth"
	"github.com/duly-todo/duly/internal/datafile"
	"github.com/duly-todo/duly/internal/store"
)

// maxManifest is the most bytes of the manifest of a backup.
const maxManifest = 1 << 20

// ErrNotEmpty says that a folder cannot be restored into, because it holds something.
var ErrNotEmpty = errors.New("the folder is not empty")

// ErrBadBackup says that a file is no backup, or not as it was written.
var ErrBadBackup = errors.New("this is no sound backup of Duly's")

func badBackupf(format string, args ...any) error {
	return fmt.Errorf("%w: %w", ErrBadBackup, fmt.Errorf(format, args...))
}

// Restore makes the data folder dataDir, which must be missing or empty, out of
// the backup in the file path. Every byte is compared with the manifest and the
// database looked through before anything has its name. The next [New] brings
// the schema up to date. Delta tokens from before are answered 410, since some
// speak of changes that the backup does not have. All tokens, sessions and links
// that were given out end, since some may have been revoked after the backup was
// made, unless keepSessions says that none was. progress is as for [Backup].
func Restore(ctx context.Context, path, dataDir string, keepSessions bool, progress func(step string, done, all int64)) (m Manifest, err error) {
	f, err := os.Open(path)
	if err != nil {
		return m, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	t := tar.NewReader(&contextReader{ctx, f})
	if m, err = readManifest(t); err != nil {
		return m, err
	}
	if err := os.MkdirAll(dataDir, 0o700); err != nil {
		return m, err
	}
	release, err := claimLock(filepath.Join(dataDir, lockName)) // no server may start here meanwhile
	if err != nil {
		return m, err
	}
	defer func() { err = errors.Join(err, release()) }()
	if err := requireEmpty(dataDir); err != nil {
		return m, err
	}
	work, err := os.MkdirTemp(dataDir, ".restore-*")
	if err != nil {
		return m, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(work)) }()
	if err := m.extract(t, work, progress); err != nil {
		return m, err
	}
	progress("looking for damage", 0, 1)
	if err := m.verify(ctx, work); err != nil {
		return m, err
	}
	endedAt := time.Now()
	if keepSessions {
		endedAt = time.Time{}
	}
	if err := store.Fork(filepath.Join(work, databaseName), endedAt); err != nil {
		return m, fmt.Errorf("preparing the database: %w", err)
	}
	return m, m.place(work, dataDir)
}

// place gives the files their names, the database last: it is what makes a folder
// one with data.
func (m *Manifest) place(work, dataDir string) error {
	for _, f := range dataFiles() {
		from := filepath.Join(work, f.name)
		if _, err := os.Stat(from); errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if f.folder {
			if err := datafile.SyncDir(from); err != nil {
				return err
			}
		}
		if err := os.Rename(from, filepath.Join(dataDir, f.name)); err != nil {
			return err
		}
	}
	if err := os.Rename(filepath.Join(work, databaseName), filepath.Join(dataDir, databaseName)); err != nil {
		return err
	}
	return datafile.SyncDir(dataDir)
}

// requireEmpty refuses a folder that holds more than a lock.
func requireEmpty(dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if e.Name() != lockName && e.Name() != "lost+found" {
			return fmt.Errorf("%w: there is %s in %s", ErrNotEmpty, e.Name(), dir)
		}
	}
	return nil
}

// readManifest reads the first file of the tar.
func readManifest(t *tar.Reader) (m Manifest, err error) {
	h, err := t.Next()
	switch {
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, tar.ErrHeader):
		return m, badBackupf("it is no tar file, or cut off")
	case err != nil:
		return m, err
	case h.Name != manifestName || h.Typeflag != tar.TypeReg || h.Size > maxManifest:
		return m, badBackupf("it does not begin with a %s", manifestName)
	}
	if err := json.NewDecoder(t).Decode(&m); err != nil {
		return m, badBackupf("its %s cannot be read: %w", manifestName, err)
	}
	switch {
	case m.Format < 1 || m.Format > manifestFormat:
		return m, fmt.Errorf("the backup has format %d and this program reads 1 to %d: use the duly that made it, %s", m.Format, manifestFormat, m.Version)
	case m.SchemaVersion > store.KnownSchema():
		return m, fmt.Errorf("the backup has a schema of version %d and this program knows %d: use duly %s or newer", m.SchemaVersion, store.KnownSchema(), m.Version)
	}
	return m, m.checkFiles()
}

// checkFiles says whether the manifest names files of a data folder: the database
// first, and those that must be there.
func (m *Manifest) checkFiles() error {
	var names []string
	for i, file := range m.Files {
		names = append(names, file.Name)
		if (i == 0) != (file.Name == databaseName) || i > 0 && (!isDataFile(file.Name) || slices.Contains(names[:i], file.Name)) || i > maxDataFiles {
			return badBackupf("it holds %.80q, which is no file of a data folder, or not where it should be", file.Name)
		}
		if file.Size < 0 || i > 0 && file.Size > maxDataFile {
			return badBackupf("%s cannot have %d bytes", file.Name, file.Size)
		}
	}
	for _, f := range dataFiles() {
		if f.required && !slices.Contains(names, f.name) || len(names) == 0 {
			return badBackupf("it holds %q, and not %s and %s", names, databaseName, f.name)
		}
	}
	return nil
}

// extract writes the files that the manifest names into a folder.
func (m *Manifest) extract(t *tar.Reader, dir string, progress func(string, int64, int64)) error {
	for i, file := range m.Files {
		progress("reading the backup", int64(i), int64(len(m.Files)))
		h, err := t.Next()
		if err != nil {
			return badBackupf("%s is missing: %w", file.Name, err)
		}
		if h.Name != file.Name || h.Typeflag != tar.TypeReg || h.Size != file.Size {
			return badBackupf("there is %s of %d bytes where %s of %d should be", h.Name, h.Size, file.Name, file.Size)
		}
		if err := file.extract(t, dir); err != nil {
			return err
		}
	}
	return nil
}

// extract writes a file and puts it on disk.
func (file BackupFile) extract(t *tar.Reader, dir string) (err error) {
	path := filepath.Join(dir, filepath.FromSlash(file.Name)) // of a name that checkFiles knows
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	sum := sha256.New()
	_, err = io.Copy(io.MultiWriter(f, sum), t)
	switch _, failedWrite := errors.AsType[*fs.PathError](err); {
	case err != nil && failedWrite:
		return err
	case err != nil:
		return badBackupf("%s cannot be read: %w", file.Name, err)
	case hexSum(sum) != file.SHA256:
		return badBackupf("%s is not what was backed up: its hash is another one", file.Name)
	}
	return f.Sync()
}

// verify looks through what was extracted.
func (m *Manifest) verify(ctx context.Context, dir string) error {
	schema, err := store.Verify(ctx, filepath.Join(dir, databaseName))
	if err != nil {
		return badBackupf("%s: %w", databaseName, err)
	}
	if schema != m.SchemaVersion {
		return badBackupf("the schema of %s has version %d and not %d", databaseName, schema, m.SchemaVersion)
	}
	if _, err := auth.LoadKeys(dir); err != nil {
		return badBackupf("%w", err)
	}
	return nil
}
