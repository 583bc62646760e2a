package certs

import (
	"crypto/tls"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"sync"
	"time"
)

// lookEvery is how long changed files may go unnoticed.
const lookEvery = 5 * time.Second

// files is a certificate that lives in two PEM files, which a program that
// renews certificates replaces from time to time.
type files struct {
	certFile, keyFile string
	now               func() time.Time
	log               *slog.Logger

	mu          sync.Mutex
	certificate *tls.Certificate // the last one that was good
	seen        [2]fs.FileInfo   // the files as they were when they were last read
	looked      time.Time        // when they were last looked at
	failure     string           // of the last look, so that it is logged once
}

// Files takes the certificate, with those that lead to its authority, and its
// key from two PEM files. It reads them again when they have changed; as long
// as the new ones are of no use, the old certificate stays and the log says so.
func Files(certFile, keyFile string, now func() time.Time, log *slog.Logger) (*tls.Config, error) {
	f := &files{certFile: certFile, keyFile: keyFile, now: now, log: log, looked: now()}
	var err error
	if f.seen, err = f.stat(); err == nil {
		err = f.load()
	}
	if err != nil {
		return nil, err
	}
	return config(f.get), nil
}

// get returns the certificate. The files are looked at here and not by a timer,
// so that a server without clients does nothing.
func (f *files) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if now := f.now(); now.Sub(f.looked) >= lookEvery {
		f.looked = now
		f.look()
	}
	return f.certificate, nil
}

// look reads the files if they are not those that were read last.
func (f *files) look() {
	found, err := f.stat()
	if err == nil {
		if same(found[0], f.seen[0]) && same(found[1], f.seen[1]) {
			return
		}
		f.seen = found
		err = f.load()
	}
	switch {
	case err == nil:
		f.failure = ""
		f.log.Info("the TLS certificate was read again", "file", f.certFile, "until", f.certificate.Leaf.NotAfter)
	case err.Error() != f.failure:
		f.failure = err.Error()
		f.log.Error("the TLS certificate in use stays, because the new one is of no use", "error", err)
	}
}

func (f *files) stat() (found [2]fs.FileInfo, err error) {
	for i, name := range []string{f.certFile, f.keyFile} {
		if found[i], err = os.Stat(name); err != nil {
			return found, fmt.Errorf("cannot use the TLS certificate: %w", err)
		}
	}
	return found, nil
}

func same(a, b fs.FileInfo) bool {
	return os.SameFile(a, b) && a.Size() == b.Size() && a.ModTime().Equal(b.ModTime())
}

// load reads the files. One that has ended is taken, because a server with it
// can still be asked what is wrong.
func (f *files) load() error {
	certificate, err := tls.LoadX509KeyPair(f.certFile, f.keyFile)
	if err != nil {
		return fmt.Errorf("cannot use the TLS certificate %s with the key %s: %w", f.certFile, f.keyFile, err)
	}
	if end := certificate.Leaf.NotAfter; !f.now().Before(end) {
		f.log.Warn("the TLS certificate has ended: clients will refuse it", "file", f.certFile, "until", end)
	}
	f.certificate = &certificate
	return nil
}
