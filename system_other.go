//go:build !(linux || darwin || freebsd)

package duly

import (
	"errors"
	"io/fs"
)

// freeSpace is not known on this system.
func freeSpace(string) (uint64, error) { return 0, errors.ErrUnsupported }

// ownerOf is not known on this system.
func ownerOf(fs.FileInfo) string { return "" }
