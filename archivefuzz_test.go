package duly

import (
	"archive/zip"
	"bytes"
	"context"
	"errors"
	"fmt"
	"testing"
)

// FuzzArchive reads files as archives: whatever is in them, they are refused in the
// one way, or whole. Zips are also made of a manifest and a file of tasks, which a
// fuzzer would not find by itself.
func FuzzArchive(f *testing.F) {
	make := func(manifest string, texts ...string) []byte {
		var out bytes.Buffer
		z := zip.NewWriter(&out)
		for i, text := range append(texts, manifest) {
			w, err := z.Create(append(archiveTexts()[:len(texts)], manifestName)[i])
			if err == nil {
				_, err = w.Write([]byte(text))
			}
			if err != nil {
				f.Fatal(err)
			}
		}
		if err := z.Close(); err != nil {
			f.Fatal(err)
		}
		return out.Bytes()
	}
	f.Add([]byte(`{"kind": "duly mailbox", "format": 1, "files": []}`))
	f.Add(make(`{"kind": "duly mailbox", "format": 1, "files": [{"name": "mailboxSettings.json", "size": 2, "sha256": "00"}]}`, "{}"))
	f.Fuzz(func(t *testing.T, data []byte) {
		for _, text := range [][]byte{data, make(string(data), "{}\n", "", "", string(data), "")} {
			a, err := readArchive(bytes.NewReader(text), int64(len(text)))
			if err == nil {
				err = a.check(context.Background(), func(string, int64, int64) {})
			}
			if err != nil && !errors.Is(err, ErrBadArchive) {
				t.Error(fmt.Errorf("an archive is refused in another way: %w", err))
			}
		}
	})
}
