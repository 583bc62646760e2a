//go:build !(linux || darwin || freebsd)

package main

import "time"

// cpuTime is how long this process has had a processor; false: nobody knows.
func cpuTime() (time.Duration, bool) { return 0, false }
