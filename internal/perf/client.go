//go:build linux

package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"time"
)

// A client is one connection that is kept. It reads no more of an answer than it
// must, because it shares the machine with the server: a client of net/http costs
// more than what is measured.
type client struct {
	conn net.Conn
	in   *bufio.Reader
	out  []byte
	body []byte
	rand *rand.Rand
}

func dial(ctx context.Context, address string) (*client, error) {
	var d net.Dialer
	conn, err := d.DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	return &client{conn: conn, in: bufio.NewReaderSize(conn, 64<<10), rand: rand.New(rand.NewPCG(1, 2))}, nil
}

// An answer is what is read of one. Its body is good until the next call.
type answer struct {
	status   int
	location string
	body     []byte
}

// call sends a request; what it asks for is appended by the caller.
func (c *client) call(method, path, token, body string) (answer, error) {
	b := append(c.out[:0], method...)
	b = append(b, ' ')
	b = append(b, path...)
	b = append(b, " HTTP/1.1\r\nHost: localhost\r\n"...)
	if token != "" {
		b = append(b, "Authorization: Bearer "...)
		b = append(b, token...)
		b = append(b, "\r\n"...)
	}
	if body != "" {
		b = append(b, "Content-Type: application/json\r\nContent-Length: "...)
		b = strconv.AppendInt(b, int64(len(body)), 10)
		b = append(b, "\r\n"...)
	}
	b = append(b, "\r\n"...)
	b = append(b, body...)
	c.out = b
	if _, err := c.conn.Write(b); err != nil {
		return answer{}, err
	}
	return c.read()
}

func (c *client) read() (a answer, err error) {
	length := 0
	for first := true; ; first = false {
		line, err := c.in.ReadSlice('\n')
		if err != nil {
			return a, fmt.Errorf("reading an answer: %w", err)
		}
		line = bytes.TrimRight(line, "\r\n")
		switch {
		case first:
			if len(line) < 12 {
				return a, fmt.Errorf("the answer begins with %q", line)
			}
			if a.status, err = strconv.Atoi(string(line[9:12])); err != nil {
				return a, err
			}
		case len(line) == 0:
			c.body = slices.Grow(c.body[:0], length)[:length]
			a.body = c.body
			_, err := io.ReadFull(c.in, a.body)
			return a, err
		case line[0] == 'C' && bytes.HasPrefix(line, []byte("Content-Length: ")):
			if length, err = strconv.Atoi(string(line[16:])); err != nil {
				return a, err
			}
		case line[0] == 'L' && bytes.HasPrefix(line, []byte("Location: ")):
			a.location = string(line[10:])
		}
	}
}

// A load is an operation that is measured: one call of it.
type load struct {
	name    string
	server  *process // whose CPU counts
	clients int
	call    func(c *client) error
}

// measure runs a load for some time.
func (l load) measure(ctx context.Context, each time.Duration) (sample, error) {
	clients := make([]*client, l.clients)
	for i := range clients {
		c, err := dial(ctx, l.server.address)
		if err != nil {
			return sample{}, err
		}
		defer c.conn.Close()
		c.rand = rand.New(rand.NewPCG(uint64(i), uint64(time.Now().UnixNano())))
		clients[i] = c
		if err := l.call(c); err != nil { // which opens and warms it
			return sample{}, fmt.Errorf("%s: %w", l.name, err)
		}
	}
	before, err := l.server.cpu()
	if err != nil {
		return sample{}, err
	}
	profiled := make(chan error, 1)
	if l.server.profiles == nil {
		profiled <- nil
	} else {
		go func() { profiled <- l.server.profiles(l.name, each) }()
	}
	s, err := repeat(l.clients, each, func(i int) error { return l.call(clients[i]) })
	if err = errors.Join(err, <-profiled); err != nil {
		return s, fmt.Errorf("%s: %w", l.name, err)
	}
	after, err := l.server.cpu()
	s.cpu = float64((after - before).Microseconds()) / (s.rate * each.Seconds())
	return s, err
}

// repeat calls call from many goroutines for some time.
func repeat(goroutines int, each time.Duration, call func(i int) error) (s sample, err error) {
	var mu sync.Mutex
	var all []time.Duration
	var wg sync.WaitGroup
	start := time.Now()
	end := start.Add(each)
	for i := range goroutines {
		wg.Go(func() {
			took := make([]time.Duration, 0, 4096)
			var failed error
			for last := start; last.Before(end) && failed == nil; {
				failed = call(i)
				now := time.Now()
				took = append(took, now.Sub(last))
				last = now
			}
			mu.Lock()
			defer mu.Unlock()
			all = append(all, took...)
			if failed != nil {
				err = failed
			}
		})
	}
	wg.Wait()
	elapsed := time.Since(start)
	slices.Sort(all)
	s.rate = float64(len(all)) / elapsed.Seconds()
	s.p50 = float64(all[len(all)/2].Nanoseconds()) / 1000
	s.p99 = float64(all[len(all)*99/100].Nanoseconds()) / 1000
	return s, err
}

// serveFixed answers everything with a body of 700 bytes: what net/http itself costs.
func serveFixed() error {
	body := bytes.Repeat([]byte("x"), 700)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	fmt.Printf("fixed listens on http://%s\n", l.Addr())
	return http.Serve(l, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write(body)
	}))
}
