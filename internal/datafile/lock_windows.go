package datafile

import (
	"errors"
	"io/fs"
	"os"
	"syscall"
)

// Lock opens the file, which it makes, such that nobody else can open it to write
// until it is closed, which Windows does when a process ends. The error is
// [ErrLocked], with the file open for reading if it can be read, where another
// one holds it.
func Lock(path string) (*os.File, error) {
	const sharingViolation syscall.Errno = 32
	name, err := syscall.UTF16PtrFromString(path)
	if err != nil {
		return nil, err
	}
	handle, err := syscall.CreateFile(name, syscall.GENERIC_READ|syscall.GENERIC_WRITE, syscall.FILE_SHARE_READ, nil,
		syscall.OPEN_ALWAYS, syscall.FILE_ATTRIBUTE_NORMAL, 0)
	if errors.Is(err, sharingViolation) {
		holder, err := os.Open(path)
		if err != nil {
			return nil, ErrLocked
		}
		return holder, ErrLocked
	}
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: path, Err: err}
	}
	return os.NewFile(uintptr(handle), path), nil
}

// keepOwner does nothing: on Windows the folder says who may do what.
func keepOwner(*os.File, fs.FileInfo) error { return nil }
