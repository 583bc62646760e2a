package duly

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/duly-todo/duly/internal/datafile"
)

// The files of a data folder beside the database, and the bounds of what a backup
// may hold of them.
const (
	databaseName = "duly.db"
	issuerName   = "issuer.json"

	maxDataFile  = 1 << 20 // bytes
	maxDataFiles = 1_000   // in all
)

// A dataFile is a file of the data folder that is not to be lost, or a folder of
// such files.
type dataFile struct {
	name     string
	required bool // without it there is nothing worth keeping
	folder   bool
}

// dataFiles are all of them but the database: what one of them holds cannot be
// made again. Backups, restores, copies and the doctor go by this list.
func dataFiles() []dataFile {
	return []dataFile{
		{name: issuerName, required: true},
		{name: "ca.pem"}, {name: "ca-key.pem"}, // the local authority
		{name: "acme", folder: true}, // the account and the certificates of ACME
	}
}

// dataFileNames are the names of such files in a folder, below it and with
// slashes, in their order.
func dataFileNames(dir string) ([]string, error) {
	var names []string
	for _, f := range dataFiles() {
		info, err := os.Stat(filepath.Join(dir, f.name))
		switch {
		case errors.Is(err, fs.ErrNotExist) && !f.required:
			continue
		case err != nil:
			return nil, err
		case info.IsDir() != f.folder:
			return nil, fmt.Errorf("%s is not what it should be: a file, and only acme a folder", filepath.Join(dir, f.name))
		case !f.folder:
			names = append(names, f.name)
			continue
		}
		entries, err := os.ReadDir(filepath.Join(dir, f.name))
		if err != nil {
			return nil, err
		}
		for _, e := range entries {
			if name := f.name + "/" + e.Name(); e.Type().IsRegular() && isDataFile(name) {
				names = append(names, name)
			}
		}
	}
	if len(names) > maxDataFiles {
		return nil, fmt.Errorf("%s holds more than the %d files allowed", dir, maxDataFiles)
	}
	return names, nil
}

// plainName says whether a name is that of a file in a folder of dataFiles: nothing
// hidden, and no path.
func plainName(name string) bool {
	return name != "" && len(name) <= 255 && name[0] != '.' && !strings.ContainsFunc(name, func(c rune) bool {
		return !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.ContainsRune("._*+-", c))
	})
}

// isDataFile says whether a name is that of such a file.
func isDataFile(name string) bool {
	return slices.ContainsFunc(dataFiles(), func(f dataFile) bool {
		if !f.folder {
			return name == f.name
		}
		below, ok := strings.CutPrefix(name, f.name+"/")
		return ok && plainName(below)
	})
}

// copyDataFiles copies such files from a folder to another, and leaves those that
// are there already, which must be the same.
func copyDataFiles(from, to string) (copied []string, err error) {
	names, err := dataFileNames(from)
	if err != nil {
		return nil, err
	}
	texts := map[string][]byte{}
	for _, name := range names { // all are looked at before any is written
		text, err := os.ReadFile(filepath.Join(from, filepath.FromSlash(name)))
		if err != nil {
			return nil, err
		}
		path := filepath.Join(to, filepath.FromSlash(name))
		there, err := os.ReadFile(path)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			texts[name] = text
		case err != nil:
			return nil, err
		case !slices.Equal(there, text):
			return nil, fmt.Errorf("%s is there already and another one than in %s: move it away", path, from)
		}
	}
	for _, name := range names {
		text, missing := texts[name]
		if !missing {
			continue
		}
		if err := datafile.WriteOnce(filepath.Join(to, filepath.FromSlash(name)), text, 0o600); err != nil {
			return copied, err
		}
		copied = append(copied, name)
	}
	return copied, nil
}
