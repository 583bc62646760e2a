package duly_test

import (
	"os/exec"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/duly-todo/duly"

// layers is the import order: a package may import only those before it.
func layers() []string {
	return []string{
		"internal/todo", "internal/todo/genzones", "internal/odata", "internal/odata/odatatest", "internal/pgtest", "internal/store", "internal/datafile", "internal/auth",
		"internal/certs", "internal/webhook", "internal/graph", "", "todotest", "cmd/duly",
		"internal/perf",
	}
}

// onlyIn says which packages alone may import a package.
func onlyIn() map[string][]string {
	return map[string][]string{
		"zombiezen.com/go/sqlite":       {"internal/store", "internal/perf"},
		"github.com/jackc/pgx/v5":       {"internal/store", "internal/pgtest"},
		"database/sql":                  nil,
		"net/http":                      {"internal/auth", "internal/webhook", "internal/graph", "", "todotest", "cmd/duly", "internal/perf"},
		"github.com/alecthomas/kong":    {"cmd/duly"},
		"code.dny.dev/ssrf":             {"internal/auth", "internal/webhook"},
		"github.com/go-jose/go-jose/v4": {"internal/auth"},
		"rsc.io/qr":                     {"internal/auth"},

		"golang.org/x/crypto/acme/autocert":              {"internal/certs"},
		"github.com/prometheus/client_golang/prometheus": {""},
		"github.com/go-webauthn/webauthn/webauthn":       {"internal/auth"},
		"github.com/go-webauthn/webauthn/protocol":       {"internal/auth"},
	}
}

func TestImportOrder(t *testing.T) {
	t.Parallel()
	out, err := exec.CommandContext(t.Context(), "go", "list", "-f", `{{.ImportPath}} {{join .Imports " "}}`, "./...").CombinedOutput()
	if err != nil {
		t.Fatalf("go list: %v\n%s", err, out)
	}
	for line := range strings.Lines(string(out)) {
		fields := strings.Fields(line)
		me, ok := ours(fields[0])
		rank := slices.Index(layers(), me)
		if !ok || rank < 0 {
			t.Errorf("%s is not in layers: say where it belongs", fields[0])
			continue
		}
		for _, imported := range fields[1:] {
			if other, ok := ours(imported); ok {
				if slices.Index(layers(), other) >= rank {
					t.Errorf("%s must not import %s, which comes after it", fields[0], imported)
				}
			}
			if allowed, ok := onlyIn()[imported]; ok && !slices.Contains(allowed, me) {
				t.Errorf("%s must not import %s: only %q may", fields[0], imported, allowed)
			}
		}
	}
}

// ours gives the path of a package of this module below its root.
func ours(path string) (string, bool) {
	if path == module {
		return "", true
	}
	return strings.CutPrefix(path, module+"/")
}
