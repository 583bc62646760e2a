package identity_test

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// The libraries for JavaScript, which npm must have installed in the folder js.
func TestJavaScript(t *testing.T) {
	t.Parallel()
	if _, err := os.Stat("js/node_modules"); err != nil {
		t.Fatal("run npm ci in compat/identity/js first")
	}
	r := newRealm(t)
	dir := t.TempDir()
	ca := filepath.Join(dir, "ca.pem")
	ok(t, 0, os.WriteFile(ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: r.Certificate().Raw}), 0o600))
	der, err := x509.MarshalPKCS8PrivateKey(r.key)
	key := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: ok(t, der, err)})
	certificate := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: r.certificates[0].Raw})
	both := filepath.Join(dir, "daemon.pem")
	ok(t, 0, os.WriteFile(both, append(certificate, key...), 0o600))
	thumbprint := sha256.Sum256(r.certificates[0].Raw)
	person := r.helper()
	cmd := exec.CommandContext(t.Context(), "node", "--test", "--test-reporter=tap", "clients.test.js")
	cmd.Dir = "js"
	cmd.Env = append(os.Environ(), "NODE_EXTRA_CA_CERTS="+ca, "DULY_URL="+r.URL, "DULY_PERSON="+person, "DULY_TENANT="+r.tenant,
		"DAEMON_ID="+r.daemon.ID, "DAEMON_SECRET="+r.secret, "DAEMON_PEM="+both, "DAEMON_KEY="+string(key), "DAEMON_THUMBPRINT="+hex.EncodeToString(thumbprint[:]),
		"NATIVE_ID="+r.native.ID, "WEB_ID="+r.web.ID, "WEB_SECRET="+r.webSecret)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v:\n%s", err, out)
	}
	t.Logf("%s", out)
}

// helper serves a person, who opens a page or approves a device when asked to.
func (r *realm) helper() string {
	mux := http.NewServeMux()
	mux.HandleFunc("/open", func(w http.ResponseWriter, q *http.Request) {
		until := q.URL.Query().Get("until")
		at, err := r.person().open(q.Context(), q.URL.Query().Get("url"), func(s string) bool { return strings.HasPrefix(s, until) })
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		fmt.Fprint(w, at)
	})
	mux.HandleFunc("/approve", func(w http.ResponseWriter, q *http.Request) {
		if err := r.person().approve(q.Context(), q.URL.Query().Get("page"), q.URL.Query().Get("code")); err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
		}
	})
	s := httptest.NewServer(mux)
	r.t.Cleanup(s.Close)
	return s.URL
}
