package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// readyCommand is "duly ready".
type readyCommand struct {
	URL string `name:"url" default:"http://127.0.0.1:8080" placeholder:"URL" help:"Scheme and host of the server, or of its --admin-listen."`
}

// Examples are shown at the end of the help.
func (*readyCommand) Examples() string {
	return `Examples:
  duly ready
  duly ready --url http://127.0.0.1:8081 && echo it serves

For images that hold nothing but duly; it asks /readyz. The status is 0 when the server is ready.`
}

// readyTime is how long the server may take: longer than it gives the database.
const readyTime = 8 * time.Second

// Run fails unless the server says that it is ready.
func (r *readyCommand) Run(ctx context.Context, c *console) (err error) {
	u, err := url.Parse(r.URL)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return usageErrorf("--url: %q is not a scheme and a host, such as http://127.0.0.1:8080", r.URL)
	}
	ctx, cancel := context.WithTimeout(ctx, readyTime)
	defer cancel()
	q, err := http.NewRequestWithContext(ctx, http.MethodGet, u.JoinPath("/readyz").String(), nil)
	if err != nil {
		return err
	}
	answer, err := http.DefaultClient.Do(q)
	if err != nil {
		return fmt.Errorf("the server does not answer: %s", cause(err))
	}
	defer func() { err = errors.Join(err, answer.Body.Close()) }()
	text, err := io.ReadAll(io.LimitReader(answer.Body, 1000))
	if err != nil {
		return err
	}
	if answer.StatusCode != http.StatusOK {
		return fmt.Errorf("the server is not ready: %s: %s", answer.Status, strings.TrimSpace(string(text)))
	}
	_, err = fmt.Fprintln(c.stdout, "ready")
	return err
}
