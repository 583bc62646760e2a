package webhook

import (
	"context"
	"errors"
	"log/slog"
	"mime"
	"net"
	"net/http"
	"net/url"

	"github.com/duly-todo/duly/internal/store"
	"github.com/duly-todo/duly/internal/todo"
)

// How many handshakes may be in flight: each holds a request of the API for up to
// ten seconds, and lets its caller have this server call somebody.
const (
	maxHandshakes   = 64
	maxHandshakesOf = 4 // of one caller
)

// Handshake has the endpoint show that it wants notifications: it must send back
// the token of the URL's query, decoded (semantics 19.4). caller is whose limit
// it counts against. A failure is a *todo.Error of the kind EndpointFailed,
// EndpointTimedOut, or TooManyRequests.
func (c *Client) Handshake(ctx context.Context, log *slog.Logger, caller, to string) error {
	if !c.beginHandshake(caller) {
		return todo.Errorf(todo.TooManyRequests, "", "Too many notification URLs are being validated. Try the request again after a delay.")
	}
	defer c.endHandshake(caller)
	token := "Validation: Testing client application reachability for subscription Request-Id: " + store.NewGUID()
	got, err := c.post(ctx, withToken(to, token), "text/plain; charset=utf-8", nil)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	kind, _, _ := mime.ParseMediaType(got.contentType)
	switch {
	case isTimeout(err):
		err = todo.Errorf(todo.EndpointTimedOut, "", "Subscription validation request timed out.")
	case err != nil && got.status == 0:
		// The reason is the administrator's alone: it would tell a caller what
		// there is in the network of the server.
		log.WarnContext(ctx, "a notification URL could not be reached", "endpoint", endpointOf(to), "err", err)
		return failed("Notification endpoint must respond with 200 OK to validation request. It could not be reached at a public address.")
	case got.status != http.StatusOK:
		err = failed("Notification endpoint must respond with 200 OK to validation request.")
	case kind != "text/plain":
		err = failed("Notification endpoint must respond with the content type text/plain.")
	case err != nil || got.body != token:
		err = failed("Response must exactly match validationToken query parameter.")
	}
	return err
}

func failed(why string) error {
	return todo.Errorf(todo.EndpointFailed, "", "Subscription validation request failed. %s", why)
}

// withToken adds the token to the query of a URL.
func withToken(to, token string) string {
	u, err := url.Parse(to)
	if err != nil {
		return to // post says that it is not understood
	}
	if u.RawQuery != "" {
		u.RawQuery += "&"
	}
	u.RawQuery += "validationToken=" + url.QueryEscape(token)
	return u.String()
}

func isTimeout(err error) bool {
	e, ok := errors.AsType[net.Error](err)
	return ok && e.Timeout() || errors.Is(err, context.DeadlineExceeded)
}

func (c *Client) beginHandshake(caller string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.shaking >= maxHandshakes || c.shakesOf[caller] >= maxHandshakesOf {
		return false
	}
	c.shaking++
	c.shakesOf[caller]++
	return true
}

func (c *Client) endHandshake(caller string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.shaking--
	if c.shakesOf[caller]--; c.shakesOf[caller] == 0 {
		delete(c.shakesOf, caller)
	}
}
