package duly

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"time"

	"github.com/duly-todo/duly/internal/store"
)

// What [Diagnose] takes for too little and too much.
const (
	leastFree  = 256 << 20 // bytes on the disk of the data
	largestLog = 256 << 20 // bytes of the write-ahead log; the usual is 16 MiB
)

// A Finding is what [Diagnose] has to say about one thing.
type Finding struct {
	Name   string // of the thing, one or two words
	Text   string // what was found
	Remedy string // what to do about it; empty where all is well
}

// Diagnose looks through a data folder, which a server may use meanwhile, and
// changes nothing. The error is [ErrNoData] where there is nothing to look at.
func Diagnose(ctx context.Context, dataDir string, now time.Time) ([]Finding, error) {
	database := filepath.Join(dataDir, databaseName)
	if _, err := os.Stat(database); errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%w in %s", ErrNoData, dataDir)
	}
	findings := []Finding{diagnoseFiles(dataDir), diagnoseKeys(dataDir, now), diagnoseSpace(dataDir), diagnoseLog(database)}
	for _, f := range store.Inspect(ctx, database, now) {
		findings = append(findings, Finding(f))
	}
	return findings, ctx.Err()
}

// diagnoseFiles looks whether other accounts can read what is theirs no business,
// and whether all files have one owner.
func diagnoseFiles(dir string) Finding {
	f := Finding{Name: "files", Text: "they are closed to other accounts"}
	folder, err := os.Stat(dir)
	if err != nil {
		return Finding{f.Name, err.Error(), "let this account read the data folder"}
	}
	if runtime.GOOS == "windows" {
		f.Text = "not looked at: Windows has no modes"
		return f
	}
	closed := folder.Mode().Perm()&0o077 == 0 // nobody else gets in, whatever the modes of the files
	for _, name := range []string{databaseName, databaseName + "-wal", databaseName + "-shm", issuerName} {
		path := filepath.Join(dir, name)
		info, err := os.Stat(path)
		switch {
		case errors.Is(err, fs.ErrNotExist):
		case err != nil:
			return Finding{f.Name, err.Error(), "let this account read the data folder"}
		case !closed && info.Mode().Perm()&0o077 != 0:
			return Finding{f.Name, fmt.Sprintf("other accounts may use %s (mode %04o)", path, info.Mode().Perm()), "chmod 600 " + path + " && chmod 700 " + dir}
		case ownerOf(info) != ownerOf(folder):
			return Finding{f.Name, fmt.Sprintf("%s belongs to another account (%s) than its folder (%s)", path, ownerOf(info), ownerOf(folder)), "chown it to the account that runs the server"}
		}
	}
	return f
}

func diagnoseKeys(dir string, now time.Time) Finding {
	keys, err := SigningKeys(dir, now)
	if err != nil {
		return Finding{"keys", err.Error(), `restore ` + issuerName + ` from a backup: without it, every token and link that was given out is worthless`}
	}
	f := Finding{Name: "keys", Text: "they can be used"}
	for _, key := range keys {
		switch {
		case key.Signs && len(keys) > 1:
			f.Text += fmt.Sprintf("; %.8s signs", key.ID)
		case key.SignsFrom.After(now):
			f.Text += fmt.Sprintf("; %.8s signs from %s", key.ID, key.SignsFrom.UTC().Format(time.RFC3339))
		case !key.GoodUntil.IsZero():
			f.Text += fmt.Sprintf("; %.8s is good until %s", key.ID, key.GoodUntil.UTC().Format(time.RFC3339))
		}
	}
	return f
}

func diagnoseSpace(dir string) Finding {
	free, err := freeSpace(dir)
	f := Finding{Name: "space", Text: fmt.Sprintf("%s are free on the disk of the data", megabytes(free))}
	switch {
	case errors.Is(err, errors.ErrUnsupported):
		f.Text = "not looked at: this system does not tell"
	case err != nil:
		f.Text, f.Remedy = err.Error(), "let this account read the data folder"
	case free < leastFree:
		f.Remedy = "free some: without space, every write is refused"
	}
	return f
}

// diagnoseLog looks at the size of the log, which grows for as long as some
// reader keeps it from being moved into the database.
func diagnoseLog(database string) Finding {
	f := Finding{Name: "log", Text: "the write-ahead log is empty"}
	info, err := os.Stat(database + "-wal")
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		f.Text, f.Remedy = err.Error(), "let this account read the data folder"
	default:
		f.Text = fmt.Sprintf("the write-ahead log has %s", megabytes(uint64(info.Size())))
		if info.Size() > largestLog {
			f.Remedy = "end backups that run for long; restarting the server makes it small again"
		}
	}
	return f
}

func megabytes(n uint64) string { return fmt.Sprintf("%.1f MB", float64(n)/1e6) }
