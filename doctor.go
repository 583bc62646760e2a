package duly

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/duly-todo/duly/internal/certs"
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

// A Diagnosis says what [Diagnose] is to look at.
type Diagnosis struct {
	DataDir      string
	Database     string   // as in [Config]
	Certificates []string // files beside those of the data folder
	Now          time.Time
}

// Diagnose looks through a data folder and its database, which servers may use
// meanwhile, and changes nothing. The error is [ErrNoData] where there is nothing to
// look at.
func Diagnose(ctx context.Context, d Diagnosis) ([]Finding, error) {
	shared := store.IsPostgres(d.Database)
	database := cmp.Or(strings.TrimPrefix(d.Database, "sqlite:"), filepath.Join(d.DataDir, databaseName))
	looked := database
	if shared {
		looked = d.DataDir
	}
	if _, err := os.Stat(looked); errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%w in %s", ErrNoData, filepath.Dir(database))
	}
	findings := []Finding{diagnoseFiles(d.DataDir, database, shared), diagnoseKeys(d.DataDir, d.Now)}
	findings = append(findings, diagnoseCertificates(d)...)
	var more []store.Finding
	if shared {
		more = store.InspectPostgres(ctx, d.Database, d.Now)
	} else {
		findings = append(findings, diagnoseSpace(filepath.Dir(database)), diagnoseLog(database))
		more = store.Inspect(ctx, database, d.Now)
	}
	for _, f := range more {
		findings = append(findings, Finding(f))
	}
	return findings, ctx.Err()
}

// expiresSoon is when a certificate that nobody has renewed is a problem. Those of
// ACME are renewed 30 days before they end.
const expiresSoon = 14 * 24 * time.Hour

// diagnoseCertificates looks when the certificates for TLS end.
func diagnoseCertificates(d Diagnosis) []Finding {
	var out []Finding
	for _, e := range certs.Expiries(d.DataDir, d.Certificates...) {
		f := Finding{Name: "certificate", Text: fmt.Sprintf("%s is good until %s", e.File, e.End.UTC().Format(time.RFC3339))}
		switch {
		case e.Err != nil:
			f.Text, f.Remedy = fmt.Sprintf("%s cannot be used: %v", e.File, e.Err), "restore it from a backup, or get a new one"
		case d.Now.Add(expiresSoon).Before(e.End):
		case filepath.Base(e.File) == certs.AuthorityFile:
			f.Remedy = "move ca.pem and ca-key.pem away: the next start makes a new authority, which clients then have to trust"
		case filepath.Base(filepath.Dir(e.File)) == "acme":
			f.Remedy = "see that the authority can reach port 443 of the host, and what the log says"
		default:
			f.Remedy = "renew it: the server reads the file again by itself"
		}
		out = append(out, f)
	}
	return out
}

// diagnoseFiles looks whether other accounts can read what is theirs no business,
// and whether all files have one owner.
func diagnoseFiles(dir, database string, shared bool) Finding {
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
	var paths []string
	if !shared {
		paths = append(paths, database, database+"-wal", database+"-shm")
	}
	for _, f := range dataFiles() {
		if f.name != certs.AuthorityFile { // which is for everybody
			paths = append(paths, filepath.Join(dir, f.name))
		}
	}
	for _, path := range paths {
		info, err := os.Stat(path)
		switch {
		case errors.Is(err, fs.ErrNotExist):
		case err != nil:
			return Finding{f.Name, err.Error(), "let this account read the data folder"}
		case !(closed && filepath.Dir(path) == filepath.Clean(dir)) && info.Mode().Perm()&0o077 != 0:
			return Finding{f.Name, fmt.Sprintf("other accounts may use %s (mode %04o)", path, info.Mode().Perm()), "chmod go= " + path + " && chmod 700 " + dir}
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
