// Package datafile writes the files of a data folder that several processes may
// want to make at once, and that must never be there in part.
package datafile

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
)

// WriteOnce makes the file with the text, whole and on disk, or leaves the one
// that is there. It also makes the folder, closed to other accounts. The final
// name is made by a hard link, which unlike a rename never replaces a file.
func WriteOnce(path string, text []byte, mode fs.FileMode) error {
	dir, name := filepath.Split(path)
	if err := os.MkdirAll(filepath.Clean(dir), 0o700); err != nil {
		return err
	}
	f, err := os.CreateTemp(dir, name+".*.tmp") // of mode 0600
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	_, err = f.Write(text)
	if err = errors.Join(err, f.Chmod(mode), f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := os.Link(f.Name(), path); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return SyncDir(filepath.Clean(dir))
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
