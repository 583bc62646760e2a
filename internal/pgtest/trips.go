package pgtest

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"io"
	"net"
	"net/url"
	"sync"
	"sync/atomic"
	"testing"
)

// CountTrips returns another DSN for a database, and a function that tells how
// many round trips have been made by it: how often a client has sent Sync, for whose
// answer it waits. Connecting is not counted, nor are the connections for hints, for
// which nobody waits.
func CountTrips(t testing.TB, dsn string) (counted string, trips func() int64) {
	t.Helper()
	u, err := url.Parse(dsn)
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var n atomic.Int64
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
			wg.Go(func() { _, _ = io.Copy(client, server); client.Close() })
			wg.Go(func() { countSyncs(server, client, &n); server.Close() })
		}
	})
	t.Cleanup(func() { l.Close(); wg.Wait() })
	return "postgres://postgres@" + l.Addr().String() + u.Path + "?sslmode=disable", n.Load
}

// countSyncs copies the messages of a client until it ends.
func countSyncs(to io.Writer, from io.Reader, n *atomic.Int64) {
	in := bufio.NewReader(from)
	counts := true
	for first := true; ; first = false {
		head := make([]byte, 5) // the type and the length; the first message has no type
		if first {
			head = head[:4]
		}
		if _, err := io.ReadFull(in, head); err != nil {
			return
		}
		if !first && counts && head[0] == 'S' {
			n.Add(1)
		}
		length := int64(binary.BigEndian.Uint32(head[len(head)-4:])) - 4
		if _, err := to.Write(head); err != nil {
			return
		}
		if first {
			start := make([]byte, length)
			if _, err := io.ReadFull(in, start); err != nil {
				return
			}
			counts = !bytes.Contains(start, []byte("duly hints"))
			if _, err := to.Write(start); err != nil {
				return
			}
			continue
		}
		if _, err := io.CopyN(to, in, length); err != nil {
			return
		}
	}
}
