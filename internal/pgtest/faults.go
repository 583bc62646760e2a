package pgtest

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// Freeze stops all processes of the server, as a machine that hangs does: its
// connections stay, and nothing answers. Thaw has them go on.
func (s *Server) Freeze() { s.signal(syscall.SIGSTOP) }

// Thaw is the end of Freeze.
func (s *Server) Thaw() { s.signal(syscall.SIGCONT) }

// signal signals the server, and then the processes that it has started.
func (s *Server) signal(sig syscall.Signal) {
	s.t.Helper()
	pidFile, err := os.ReadFile(filepath.Join(s.s.dir, "data", "postmaster.pid"))
	if err != nil {
		s.t.Error(err)
		return
	}
	first, _, _ := strings.Cut(string(pidFile), "\n")
	server, err := strconv.Atoi(first)
	if err == nil {
		err = syscall.Kill(server, sig)
	}
	stats, globErr := filepath.Glob("/proc/[0-9]*/stat")
	if err := errors.Join(err, globErr); err != nil {
		s.t.Error(err)
		return
	}
	for _, stat := range stats {
		b, err := os.ReadFile(stat)
		if err != nil {
			continue // it has ended
		}
		var state string
		var parent int
		_, rest, _ := strings.Cut(string(b), ") ") // after the name
		if _, err := fmt.Sscan(rest, &state, &parent); err != nil || parent != server {
			continue
		}
		pid, err := strconv.Atoi(filepath.Base(filepath.Dir(stat)))
		if err == nil {
			err = syscall.Kill(pid, sig)
		}
		if err != nil && !errors.Is(err, syscall.ESRCH) {
			s.t.Error(err)
		}
	}
}

// A Network stands between a test and PostgreSQL, and fails as networks do.
type Network struct {
	DSN string // by way of it

	t       testing.TB
	address string
	socket  string
	all     sync.WaitGroup

	mu       sync.Mutex
	listener net.Listener // nil while connections are refused
	joined   map[net.Conn]bool
	delay    time.Duration
	lost     bool // what is sent goes nowhere
}

// NewNetwork makes a network to a database, which is gone when the test ends.
func NewNetwork(t testing.TB, dsn string) *Network {
	t.Helper()
	u, err := url.Parse(dsn)
	if err != nil {
		t.Fatal(err)
	}
	n := &Network{t: t, address: "127.0.0.1:0", socket: u.Query().Get("host") + "/.s.PGSQL.5432", joined: map[net.Conn]bool{}}
	n.listen()
	n.DSN = "postgres://postgres@" + n.address + u.Path + "?sslmode=disable"
	t.Cleanup(func() { n.Refuse(); n.all.Wait() })
	return n
}

func (n *Network) listen() {
	l, err := net.Listen("tcp", n.address)
	if err != nil {
		n.t.Error(err)
		return
	}
	n.mu.Lock()
	n.listener, n.address = l, l.Addr().String()
	n.mu.Unlock()
	n.all.Go(func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			n.all.Go(func() { n.join(client) })
		}
	})
}

// Refuse ends all connections and refuses new ones.
func (n *Network) Refuse() {
	n.mu.Lock()
	if n.listener != nil {
		n.listener.Close()
		n.listener = nil
	}
	n.mu.Unlock()
	n.Cut()
}

// Cut ends all connections.
func (n *Network) Cut() {
	n.mu.Lock()
	defer n.mu.Unlock()
	for c := range n.joined {
		c.Close()
	}
}

// Lose has connections stay while nothing gets across any more.
func (n *Network) Lose() { n.set(0, true) }

// Slow delays what is sent to the server.
func (n *Network) Slow(by time.Duration) { n.set(by, false) }

// Mend makes the network whole. Connections that have lost something are ended.
func (n *Network) Mend() {
	n.mu.Lock()
	lost, refused := n.lost, n.listener == nil
	n.mu.Unlock()
	n.set(0, false)
	if lost {
		n.Cut()
	}
	if refused {
		n.listen()
	}
}

func (n *Network) set(delay time.Duration, lost bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.delay, n.lost = delay, lost
}

func (n *Network) join(client net.Conn) {
	server, err := net.Dial("unix", n.socket)
	if err != nil {
		n.t.Error(err)
		client.Close()
		return
	}
	n.mu.Lock()
	n.joined[client] = true
	n.mu.Unlock()
	var wg sync.WaitGroup
	wg.Go(func() { n.copy(server, client, true) })
	wg.Go(func() { n.copy(client, server, false) })
	wg.Wait()
	n.mu.Lock()
	delete(n.joined, client)
	n.mu.Unlock()
}

func (n *Network) copy(to io.WriteCloser, from io.ReadCloser, delayed bool) {
	defer to.Close()
	defer from.Close()
	b := make([]byte, 1<<16)
	for {
		size, err := from.Read(b)
		n.mu.Lock()
		delay, lost := n.delay, n.lost
		n.mu.Unlock()
		if lost {
			size = 0
		}
		if delayed && size > 0 {
			time.Sleep(delay)
		}
		if _, werr := to.Write(b[:size]); err != nil || werr != nil {
			return
		}
	}
}
