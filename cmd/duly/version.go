package main

import (
	"fmt"
	"runtime"
	"runtime/debug"
)

// version is set by the Makefile (-ldflags -X), as is commit.
var version, commit string

// versionCommand is "duly version".
type versionCommand struct{}

// Examples are shown at the end of the help.
func (*versionCommand) Examples() string {
	return `Examples:
  duly version    prints "duly v1.2.3 (commit 0123abc, go1.26.0 linux/amd64)"`
}

// Run prints one line.
func (*versionCommand) Run(c *console) error {
	v, revision := buildVersion()
	_, err := fmt.Fprintf(c.stdout, "duly %s (commit %s, %s %s/%s)\n", v, revision, runtime.Version(), runtime.GOOS, runtime.GOARCH)
	return err
}

// buildVersion is the version and the commit that the program was built from:
// those of the Makefile, else those that Go has written into the program.
func buildVersion() (v, revision string) {
	v, revision = version, commit
	if info, ok := debug.ReadBuildInfo(); ok {
		if v == "" && info.Main.Version != "(devel)" {
			v = info.Main.Version
		}
		for _, s := range info.Settings {
			if s.Key == "vcs.revision" && revision == "" {
				revision = s.Value
			}
		}
	}
	if v == "" {
		v = "dev"
	}
	if revision == "" {
		revision = "unknown"
	}
	return v, revision
}
