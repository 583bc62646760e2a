//go:build !windows

package datafile

import (
	"errors"
	"io/fs"
	"os"
	"syscall"
)

// Lock opens the file, which it makes, and locks it until it is closed or the
// process ends. The error is [ErrLocked], with the file open for reading, where
// another one holds it.
func Lock(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return f, ErrLocked
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// keepOwner gives a file to the owner of the one that it is to replace: else an
// administrator's command would take it away from the account of the server.
func keepOwner(f *os.File, old fs.FileInfo) error {
	was, ok := old.Sys().(*syscall.Stat_t)
	if !ok || int(was.Uid) == os.Geteuid() {
		return nil
	}
	return f.Chown(int(was.Uid), int(was.Gid))
}
