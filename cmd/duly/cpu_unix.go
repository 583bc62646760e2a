//go:build linux || darwin || freebsd

package main

import (
	"syscall"
	"time"
)

// cpuTime is how long this process has had a processor; false: nobody knows.
func cpuTime() (time.Duration, bool) {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0, false
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano()), true
}
