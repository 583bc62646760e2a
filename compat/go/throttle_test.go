package compat_test

import (
	"os"
	"testing"
	"time"
)

// A client that is told to wait waits, and goes on, without a word of the program's.
func TestThrottled(t *testing.T) {
	t.Parallel()
	d := duly{binary: os.Getenv("DULY_BIN"), data: t.TempDir(), options: []string{"--throttle", "requests=2/1s"}}
	must(t, d.start(t.Context()))
	defer func() { must(t, d.stop()) }() // while the context is still there
	a, err := d.accounts(t.Context())
	must(t, err)
	began := time.Now()
	for range 6 {
		_, err := a.ada.lists().Get(t.Context(), nil)
		must(t, err)
	}
	if took := time.Since(began); a.ada.wire.refused == 0 || took < time.Second {
		t.Errorf("%d requests were refused; all six took %v", a.ada.wire.refused, took)
	}
}
