package duly

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/pprof"
	"time"
)

// adminWriteTimeout leaves time for a profile of some minutes.
const adminWriteTimeout = 10 * time.Minute

// AdminHandler answers what the operator of the server asks and clients must
// not: /metrics in the form of Prometheus where [Config.Metrics] is set,
// /healthz and /readyz, and with profiles the profiles of package net/http/pprof.
// It asks for no token, so that the network has to keep others away.
func (s *Server) AdminHandler(profiles bool) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc(healthPath, s.serveHealth)
	mux.HandleFunc(readyPath, s.serveHealth)
	if s.metrics != nil {
		mux.Handle("/metrics", s.metrics.handler())
	}
	if profiles {
		mux.HandleFunc("/debug/pprof/", pprof.Index)
		mux.HandleFunc("/debug/pprof/cmdline", pprof.Cmdline)
		mux.HandleFunc("/debug/pprof/profile", pprof.Profile)
		mux.HandleFunc("/debug/pprof/symbol", pprof.Symbol)
		mux.HandleFunc("/debug/pprof/trace", pprof.Trace)
	}
	return mux
}

// ServeAdmin answers the connections of l by [Server.AdminHandler] until ctx
// ends, and then returns nil without waiting for them. l is closed in any case.
func (s *Server) ServeAdmin(ctx context.Context, l net.Listener, profiles bool) error {
	h := &http.Server{
		Handler:           s.AdminHandler(profiles),
		ReadHeaderTimeout: readHeaderTimeout,
		ReadTimeout:       readTimeout,
		WriteTimeout:      adminWriteTimeout,
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
	err := h.Close()
	if served := <-failed; !errors.Is(served, http.ErrServerClosed) {
		err = errors.Join(err, served)
	}
	return err
}
