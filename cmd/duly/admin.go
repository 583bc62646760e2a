package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/duly-todo/duly"
)

// serveAdmin serves metrics, health and profiles on an address of their own, if
// one is given, until the function that it returns is called. Profiles are for
// loopback addresses alone.
func serveAdmin(ctx context.Context, server *duly.Server, address listenAddress, c *console) (stop func() error, err error) {
	if address == "" {
		return func() error { return nil }, nil
	}
	l, err := listen(ctx, string(address))
	if err != nil {
		return nil, fmt.Errorf("--admin-listen: %w", err)
	}
	if !address.loopback() {
		fmt.Fprintf(c.stderr, "duly: warning: other machines reach %s and read the metrics there; there are no profiles\n", address)
	}
	fmt.Fprintf(c.stderr, "duly: metrics are on %s/metrics\n", address.url(l.Addr()))
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx)) // it answers while the server stops
	done := make(chan error, 1)
	go func() { done <- server.ServeAdmin(ctx, l, address.loopback()) }()
	return func() error {
		cancel()
		err := <-done
		if errors.Is(err, context.Canceled) {
			return nil
		}
		return err
	}, nil
}
