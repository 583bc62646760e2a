package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"

	"github.com/duly-todo/duly/internal/certs"
)

// tlsCommand is "duly tls".
type tlsCommand struct {
	CA tlsCACommand `cmd:"" name:"ca" help:"Print the certificate of the local authority, for clients to trust."`
}

// tlsCACommand is "duly tls ca".
type tlsCACommand struct {
	Data dataFolder `setting:"" default:"data" placeholder:"DIR" help:"Folder of the data, which a server may use meanwhile."`
	Path bool       `help:"Print where the certificate is instead."`
}

// Examples are shown at the end of the help.
func (*tlsCACommand) Examples() string {
	return `Examples:
  duly tls ca --data /var/lib/duly > duly-ca.pem
  curl --cacert "$(duly tls ca --path)" https://localhost:8080/v1.0/me`
}

// Run prints the certificate in PEM. It makes none where there is none.
func (t *tlsCACommand) Run(_ context.Context, c *console) error {
	text, err := certs.Authority(string(t.Data))
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("there is no local authority in %s: %s makes one", t.Data, command("duly serve --tls local", t.Data))
	}
	if err != nil {
		return err
	}
	if t.Path {
		path, err := filepath.Abs(filepath.Join(string(t.Data), certs.AuthorityFile))
		if err != nil {
			return err
		}
		text = []byte(path + "\n")
	}
	_, err = c.stdout.Write(text)
	return err
}
