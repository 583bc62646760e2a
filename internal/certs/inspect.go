package certs

import (
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// An Expiry is when the certificate in a file ends.
type Expiry struct {
	File string
	End  time.Time
	Err  error // why that cannot be said
}

// Expiries looks at the certificates of a data folder, and at those in the other
// files. The first of a file is the one that is shown to clients.
func Expiries(dir string, others ...string) []Expiry {
	var out []Expiry
	if _, err := os.Stat(filepath.Join(dir, AuthorityFile)); !errors.Is(err, fs.ErrNotExist) {
		others = append(others, filepath.Join(dir, AuthorityFile))
	}
	for _, file := range others {
		e := Expiry{File: file}
		text, err := os.ReadFile(file)
		if err == nil {
			e.End, err = firstEnd(text)
		}
		e.Err = err
		out = append(out, e)
	}
	entries, err := os.ReadDir(filepath.Join(dir, acmeFolder))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return append(out, Expiry{File: filepath.Join(dir, acmeFolder), Err: err})
	}
	for _, entry := range entries { // the account is no certificate, nor are answers to challenges
		path := filepath.Join(dir, acmeFolder, entry.Name())
		text, err := os.ReadFile(path)
		if err != nil {
			out = append(out, Expiry{File: path, Err: err})
		} else if end, err := firstEnd(text); err == nil {
			out = append(out, Expiry{File: path, End: end})
		}
	}
	return out
}

// firstEnd is when the first certificate of a text in PEM ends.
func firstEnd(text []byte) (time.Time, error) {
	for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
		if block.Type != "CERTIFICATE" {
			continue
		}
		c, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return time.Time{}, fmt.Errorf("its certificate is damaged: %w", err)
		}
		return c.NotAfter, nil
	}
	return time.Time{}, errors.New("there is no certificate in PEM in it")
}
