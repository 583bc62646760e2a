//go:build linux || darwin || freebsd

package duly

import (
	"fmt"
	"io/fs"
	"syscall"
)

// freeSpace is how many bytes this account may still write to the disk of a folder.
func freeSpace(dir string) (uint64, error) {
	var s syscall.Statfs_t
	if err := syscall.Statfs(dir, &s); err != nil {
		return 0, fmt.Errorf("statfs %s: %w", dir, err)
	}
	return uint64(s.Bavail) * uint64(s.Bsize), nil
}

// ownerOf names the account that a file belongs to, by its number.
func ownerOf(info fs.FileInfo) string {
	if s, ok := info.Sys().(*syscall.Stat_t); ok {
		return fmt.Sprint(s.Uid)
	}
	return ""
}
