// Package datafile writes the files of a data folder that several processes may
// want to make or change at once, and that must never be there in part.
package datafile

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"time"
)

// ErrLocked says that another one holds a lock.
var ErrLocked = errors.New("it is locked")

// How long Update waits for others that write the same file.
const (
	lockWait  = 5 * time.Second
	lockRetry = 10 * time.Millisecond
)

// WriteOnce makes the file with the text, whole and on disk, or leaves the one
// that is there. It also makes the folder, closed to other accounts. The final
// name is made by a hard link, which unlike a rename never replaces a file.
func WriteOnce(path string, text []byte, mode fs.FileMode) error {
	dir := filepath.Dir(path)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	temporary, err := write(path, text, mode, nil)
	if err != nil {
		return err
	}
	defer os.Remove(temporary)
	if err := os.Link(temporary, path); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return SyncDir(dir)
}

// Update replaces the text of a file by what change makes of it, and keeps its
// mode and owner. Readers see the one or the other, and of several writers each
// changes what the one before has written: they wait for each other, at a lock
// beside the file. An error of change leaves the file as it is.
func Update(ctx context.Context, path string, change func(text []byte) ([]byte, error)) error {
	release, err := waitForLock(ctx, path+".lock")
	if err != nil {
		return err
	}
	defer release()
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	if text, err = change(text); err != nil {
		return err
	}
	temporary, err := write(path, text, info.Mode().Perm(), info)
	if err != nil {
		return err
	}
	if err := os.Rename(temporary, path); err != nil {
		return errors.Join(err, os.Remove(temporary))
	}
	return SyncDir(filepath.Dir(path))
}

// waitForLock is Lock that waits for a while.
func waitForLock(ctx context.Context, path string) (release func(), err error) {
	ctx, cancel := context.WithTimeout(ctx, lockWait)
	defer cancel()
	for {
		f, err := Lock(path)
		if err == nil {
			return func() { _ = f.Close() }, nil // nothing was written
		}
		if f != nil {
			_ = f.Close()
		}
		if !errors.Is(err, ErrLocked) {
			return nil, err
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("%s: %w", path, ErrLocked)
		case <-time.After(lockRetry):
		}
	}
}

// write makes a file beside path with the text, on disk, and returns its name.
// old is the one that it is to replace, if any.
func write(path string, text []byte, mode fs.FileMode, old fs.FileInfo) (name string, err error) {
	f, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*.tmp") // of mode 0600
	if err != nil {
		return "", err
	}
	if old != nil {
		err = keepOwner(f, old)
	}
	if err == nil {
		_, err = f.Write(text)
	}
	if err = errors.Join(err, f.Chmod(mode), f.Sync(), f.Close()); err != nil {
		return "", errors.Join(err, os.Remove(f.Name()))
	}
	return f.Name(), nil
}

// SyncDir puts the names of a folder on disk. Windows has no such call.
func SyncDir(dir string) error {
	if runtime.GOOS == "windows" {
		return nil
	}
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
