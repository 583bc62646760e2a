package pgtest

import (
	"bufio"
	"encoding/binary"
	"io"
	"net"
	"net/url"
	"sync"
	"testing"
)

// WithoutNotifications returns another DSN for a database, by which LISTEN works and
// nothing is ever heard, as behind a pooler that gives each transaction another
// connection.
func WithoutNotifications(t testing.TB, dsn string) string {
	t.Helper()
	u, err := url.Parse(dsn)
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			server, err := net.Dial("unix", u.Query().Get("host")+"/.s.PGSQL.5432")
			if err != nil {
				t.Error(err)
				client.Close()
				return
			}
			wg.Go(func() { _, _ = io.Copy(server, client); server.Close() })
			wg.Go(func() { copyWithout('A', client, server); client.Close() })
		}
	})
	t.Cleanup(func() { l.Close(); wg.Wait() })
	return "postgres://postgres@" + l.Addr().String() + u.Path + "?sslmode=disable"
}

// copyWithout copies the messages of a server until it ends, but those of a type.
func copyWithout(kind byte, to io.Writer, from io.Reader) {
	in := bufio.NewReader(from)
	for {
		head := make([]byte, 5)
		if _, err := io.ReadFull(in, head); err != nil {
			return
		}
		message := make([]byte, binary.BigEndian.Uint32(head[1:])-4)
		if _, err := io.ReadFull(in, message); err != nil {
			return
		}
		if head[0] == kind {
			continue
		}
		if _, err := to.Write(append(head, message...)); err != nil {
			return
		}
	}
}
