package main

import (
	"context"
	"fmt"
	"net"

	"github.com/duly-todo/duly"
)

// An adminListener is where the operator finds metrics, health and profiles. All
// of its methods do nothing on nil, which is what it is when it is off.
type adminListener struct {
	net.Listener
	address listenAddress
	stop    context.CancelFunc
	done    chan error
}

func listenAdmin(ctx context.Context, address listenAddress) (*adminListener, error) {
	if address == "" {
		return nil, nil
	}
	l, err := listen(ctx, string(address))
	if err != nil {
		return nil, fmt.Errorf("--admin-listen: %w", err)
	}
	return &adminListener{Listener: l, address: address}, nil
}

// serve begins to serve, and goes on until close, also while the server stops.
// Profiles are for loopback addresses alone.
func (a *adminListener) serve(ctx context.Context, server *duly.Server) {
	if a == nil {
		return
	}
	ctx, a.stop = context.WithCancel(context.WithoutCancel(ctx))
	a.done = make(chan error, 1)
	go func() { a.done <- server.ServeAdmin(ctx, a.Listener, a.address.loopback()) }()
}

func (a *adminListener) close() error {
	switch {
	case a == nil:
		return nil
	case a.stop == nil:
		return a.Close()
	}
	a.stop()
	return <-a.done
}

// hint says where the metrics are.
func (a *adminListener) hint(c *console) string {
	if a == nil {
		return ""
	}
	if !a.address.loopback() {
		fmt.Fprintf(c.stderr, "duly: warning: other machines reach %s and read the metrics there; there are no profiles\n", a.address)
	}
	return fmt.Sprintf("Metrics are on %s/metrics\n", a.address.url("http", a.Addr()))
}
