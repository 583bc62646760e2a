package duly

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"
)

// Limits of a connection. The API's own limits (bodies, pages, strings) are its
// handlers'; these keep clients that are slow or idle from holding connections.
// Requests that carry the bytes of a file get more time with each piece of it.
const (
	readHeaderTimeout = 10 * time.Second
	readTimeout       = time.Minute     // headers and body
	writeTimeout      = 2 * time.Minute // from the end of the headers to the end of the answer
	idleTimeout       = 2 * time.Minute // between the requests of a connection
	maxHeaderBytes    = 64 << 10        // an access token has at most 16 KiB
)

// stopTimeout is how long requests in flight may take to finish once the server
// is told to stop.
const stopTimeout = 10 * time.Second

// Serve answers the connections of l until ctx ends. Then it takes no more of
// them, lets the requests in flight finish for at most 10 seconds, and returns
// nil; requests that take longer are cut off, which is an error. l is closed in
// any case. The caller still has to Close s, after Serve has returned.
//
// For TLS, l is a listener of [tls.NewListener]; NextProtos of its configuration
// must name "h2" for clients to get HTTP/2.
func (s *Server) Serve(ctx context.Context, l net.Listener) error {
	h := &http.Server{
		Handler:           s,
		ReadHeaderTimeout: readHeaderTimeout,
		ReadTimeout:       readTimeout,
		WriteTimeout:      writeTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeaderBytes,
		ErrorLog:          slog.NewLogLogger(s.log.Handler(), slog.LevelWarn),
	}
	failed := make(chan error, 1)
	go func() { failed <- h.Serve(l) }()
	select {
	case err := <-failed:
		return fmt.Errorf("serving %s: %w", l.Addr(), err)
	case <-ctx.Done():
	}
	s.stopping.Store(true)
	grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopTimeout)
	defer cancel()
	err := h.Shutdown(grace)
	if err != nil {
		err = errors.Join(fmt.Errorf("requests were cut off that did not finish within %v: %w", stopTimeout, err), h.Close())
	}
	<-failed
	return err
}
