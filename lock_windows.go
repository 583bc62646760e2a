package duly

import (
	"errors"
	"os"
	"syscall"
)

// lockFile opens the file such that nobody else can open it to write until it is
// closed, which Windows does when a process ends.
func lockFile(path string) (*os.File, error) {
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
			return nil, ErrInUse
		}
		return nil, errors.Join(inUse(holder), holder.Close())
	}
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: path, Err: err}
	}
	return os.NewFile(uintptr(handle), path), nil
}
