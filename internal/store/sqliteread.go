package store

import (
	"context"
	"errors"
	"runtime"
	"sync"

	"zombiezen.com/go/sqlite"
)

const maxReads = 64 // brief reads that share a snapshot at most

// readers are the connections of an SQLite file that read. Brief reads wait in a
// queue, and all that wait share a snapshot, as writes share a commit: the locks of
// a snapshot are half of what a read of one row costs, and the code and the pages
// of one read are at hand for the next. The others have a connection each, so that
// nobody waits behind a long one.
type readers struct {
	path  string
	brief chan *job
	done  sync.WaitGroup // the goroutines that take from brief
	free  chan struct{}  // has room for as many as may read by themselves at once

	mu   sync.Mutex
	idle []*conn // of those; the one that was used last is the next, whose pages are at hand
}

func newReaders(path string) *readers {
	workers := runtime.GOMAXPROCS(0)
	r := &readers{path: path, brief: make(chan *job, maxReads), free: make(chan struct{}, 2*workers)}
	for range workers {
		r.done.Go(func() { r.serveBrief(workers) })
	}
	return r
}

// close waits for the reads that have begun. Nobody sends any more, and brief is closed.
func (r *readers) close() error {
	r.done.Wait()
	for range cap(r.free) {
		r.free <- struct{}{} // those that read give it back
	}
	var errs []error
	for _, c := range r.idle {
		errs = append(errs, c.close())
	}
	return errors.Join(errs...)
}

func (e *sqliteEngine) view(ctx context.Context, size readSize, fn func(session) error) error {
	switch {
	case e.readers == nil:
		return e.submit(ctx, e.jobs, fn)
	case size == long || size == wide:
		return e.judge(e.readers.alone(ctx, e.stop, fn))
	}
	return e.submit(ctx, e.readers.brief, fn)
}

// alone runs fn on a connection of its own.
func (r *readers) alone(ctx context.Context, stop <-chan struct{}, fn func(session) error) error {
	select {
	case <-stop:
		return ErrClosed
	default:
	}
	select {
	case r.free <- struct{}{}:
	case <-stop:
		return ErrClosed
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { <-r.free }()
	c, err := r.take()
	if err != nil {
		return err
	}
	defer r.rest(c)
	return c.onSnapshot(ctx, fn)
}

// serveBrief takes a brief read and its share of those that wait behind it, has
// them read, and goes on with the next. It has a connection to itself, whose pages
// are at hand.
func (r *readers) serveBrief(workers int) {
	var c *conn
	defer func() {
		if c != nil {
			_ = c.close() // nothing is written on it
		}
	}()
	batch := make([]*job, 0, maxReads)
	for j := range r.brief {
		runtime.Gosched() // lets the requests that are about to read come in
		batch = gather(append(batch[:0], j), r.brief, 1+len(r.brief)/workers)
		var err error
		if c == nil {
			c, err = r.open()
		}
		for _, j := range batch {
			if j.err = err; err == nil {
				j.err = c.onSnapshot(j.ctx, j.fn)
			}
			j.done <- struct{}{} // as soon as its own is through
		}
		clear(batch)
		if c != nil {
			c = endSnapshot(c)
		}
	}
}

// onSnapshot runs fn on the snapshot that the connection has, or on a new one.
func (c *conn) onSnapshot(ctx context.Context, fn func(session) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if c.c.AutocommitEnabled() { // after an error, SQLite may have ended it by itself
		if err := c.exec(`BEGIN`); err != nil {
			return err
		}
	}
	return protect(c, fn)
}

// endSnapshot ends the snapshot of a connection, which would keep the log from being
// taken into the file. The connection is nil where that failed.
func endSnapshot(c *conn) *conn {
	if c.rollback() == nil {
		return c
	}
	_ = c.close() // which ends it as well
	return nil
}

// take is a connection to read on, which is given back with rest.
func (r *readers) take() (*conn, error) {
	r.mu.Lock()
	if n := len(r.idle); n > 0 {
		defer r.mu.Unlock()
		c := r.idle[n-1]
		r.idle = r.idle[:n-1]
		return c, nil
	}
	r.mu.Unlock()
	return r.open()
}

func (r *readers) open() (*conn, error) {
	return openConn(r.path, sqlite.OpenReadOnly, readerPragma)
}

// rest keeps a connection for the next.
func (r *readers) rest(c *conn) {
	if c = endSnapshot(c); c == nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.idle = append(r.idle, c)
}
