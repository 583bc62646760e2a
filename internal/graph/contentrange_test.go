package graph

import (
	"fmt"
	"strings"
	"testing"
)

// FuzzContentRange reads any header: what it gives is a range within the file,
// and is read from its plain form again.
func FuzzContentRange(f *testing.F) {
	for _, seed := range []string{"bytes 0-99/1000", "BYTES\t0-0/1", "bytes */0", "bytes */5", "bytes 5-4/9", "bytes 0-9/9", "bytes 1-2/", "bytes -/", " bytes  1 - 2 / 3 ", "bytes 999999999999999999-1/2", "items 0-1/2", "bytes 0-1/2, bytes 2-3/4"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, header string) {
		p, total, err := parseContentRange(header)
		if err != nil {
			return
		}
		if p.Start < 0 || p.End > total || p.Start > p.End || p.Start == p.End && total > 0 {
			t.Fatalf("%q is read as %v of %d", header, p, total)
		}
		if !strings.EqualFold(strings.TrimSpace(header)[:5], "bytes") {
			t.Fatalf("%q is read", header)
		}
		plain := fmt.Sprintf("bytes %d-%d/%d", p.Start, p.End-1, total)
		if total == 0 {
			plain = "bytes */0"
		}
		if again, n, err := parseContentRange(plain); err != nil || again != p || n != total {
			t.Fatalf("%q is read as %q, and that as %v of %d: %v", header, plain, again, n, err)
		}
	})
}
