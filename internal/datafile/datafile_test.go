package datafile_test

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
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
