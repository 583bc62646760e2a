package datafile_test

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/duly-todo/duly/internal/datafile"
)

// Of many writers one wins, whose text is whole and stays, and nothing else is left.
func TestWriteOnce(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "new", "data")
	path := filepath.Join(dir, "key.pem")
	var writers sync.WaitGroup
	for i := range 8 {
		writers.Go(func() {
			if err := datafile.WriteOnce(path, fmt.Appendf(nil, "text %d", i), 0o640); err != nil {
				t.Error(err)
			}
		})
	}
	writers.Wait()
	first, err := os.ReadFile(path)
	if err != nil || len(first) != len("text 0") {
		t.Fatalf("the file holds %q, %v", first, err)
	}
	if err := datafile.WriteOnce(path, []byte("late"), 0o600); err != nil {
		t.Fatal(err)
	}
	if again, err := os.ReadFile(path); err != nil || string(again) != string(first) {
		t.Errorf("the file was %q and is %q, %v", first, again, err)
	}
	for name, mode := range map[string]fs.FileMode{path: 0o640, dir: fs.ModeDir | 0o700} {
		if info, err := os.Stat(name); err != nil || info.Mode() != mode {
			t.Errorf("%s has the mode %v, %v", name, info.Mode(), err)
		}
	}
	if left, err := os.ReadDir(dir); len(left) != 1 || err != nil {
		t.Errorf("it leaves %v, %v", left, err)
	}
}

// Of many writers each adds to what the others have written, and a change that
// fails leaves the file, its mode and nothing else.
func TestUpdate(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "issuer.json")
	if err := datafile.WriteOnce(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, 0o640); err != nil {
		t.Fatal(err)
	}
	var writers sync.WaitGroup
	for range 8 {
		writers.Go(func() {
			for range 5 {
				err := datafile.Update(t.Context(), path, func(text []byte) ([]byte, error) { return append(text, 'x'), nil })
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	writers.Wait()
	failed := errors.New("no")
	if err := datafile.Update(t.Context(), path, func([]byte) ([]byte, error) { return nil, failed }); !errors.Is(err, failed) {
		t.Errorf("a change that fails: %v", err)
	}
	if text, err := os.ReadFile(path); err != nil || string(text) != strings.Repeat("x", 40) {
		t.Errorf("the file holds %q, %v", text, err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode() != 0o640 {
		t.Errorf("it has the mode %v, %v", info.Mode(), err)
	}
	if left, err := os.ReadDir(dir); len(left) != 2 || err != nil {
		t.Errorf("it leaves %v, %v", left, err)
	}
	if err := datafile.Update(t.Context(), filepath.Join(dir, "none"), nil); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a file that is not there: %v", err)
	}
}
