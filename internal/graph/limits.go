package graph

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Limits are how much one application may ask for. A limit that is zero is none.
type Limits struct {
	Requests   Rate // requests to one mailbox
	Concurrent int  // requests to one mailbox that are answered at once
	Upload     Rate // bytes of the bodies of POST, PATCH and PUT to one mailbox
	App        Rate // requests to all mailboxes together
}

// A Rate is so many in any span of time of such a length.
type Rate struct {
	N   int64
	Per time.Duration
}

// The bounds of limits. The table of a throttle is not emptied by time, so that
// longer spans would be promises that it cannot keep.
const (
	maxLimit      = 1_000_000_000_000
	maxConcurrent = 10_000
	minSpan       = time.Second
	maxSpan       = 24 * time.Hour
)

// graphLimits are those of Microsoft's service (semantics 22.1).
func graphLimits() Limits {
	return Limits{
		Requests: Rate{10_000, 10 * time.Minute}, Concurrent: 4,
		Upload: Rate{150_000_000, 5 * time.Minute}, App: Rate{130_000, 10 * time.Second},
	}
}

// ParseLimits reads limits: "off", which is also meant by the empty text; "graph",
// for those of Microsoft's service; or such as
// "requests=10000/10m,concurrent=4,upload=150MB/5m,app=130000/10s", of which any
// may be left out, and which may follow "graph," to change some of those.
func ParseLimits(text string) (l Limits, err error) {
	if text == "" || text == "off" {
		return Limits{}, nil
	}
	given := map[string]bool{}
	for i, member := range strings.Split(text, ",") {
		name, value, _ := strings.Cut(member, "=")
		if given[name] {
			return Limits{}, fmt.Errorf("the limit %q is given twice", name)
		}
		given[name] = true
		switch {
		case member == "graph" && i == 0:
			l = graphLimits()
		case name == "requests":
			l.Requests, err = parseRate(name, value, "10000/10m", "", 1)
		case name == "app":
			l.App, err = parseRate(name, value, "130000/10s", "", 1)
		case name == "upload":
			l.Upload, err = parseRate(name, value, "150MB/5m", "MB", 1_000_000)
		case name == "concurrent":
			if l.Concurrent, err = strconv.Atoi(value); err != nil || l.Concurrent < 1 || l.Concurrent > maxConcurrent {
				err = fmt.Errorf("the limit concurrent=%s must be a number from 1 to %d", value, maxConcurrent)
			}
		default:
			err = fmt.Errorf("there is no limit %q: use off, graph, or some of requests=10000/10m,concurrent=4,upload=150MB/5m,app=130000/10s", member)
		}
		if err != nil {
			return Limits{}, err
		}
	}
	return l, nil
}

// parseRate reads a number of some unit, a slash and a span of time.
func parseRate(name, text, example, suffix string, unit int64) (Rate, error) {
	number, span, _ := strings.Cut(text, "/")
	digits, ok := strings.CutSuffix(number, suffix)
	n, err := strconv.ParseInt(digits, 10, 64)
	if !ok || err != nil || n < 1 || n > maxLimit/unit {
		return Rate{}, fmt.Errorf("the limit %s=%s must be a number from 1 to %d%s and a span of time, such as %s", name, text, maxLimit/unit, suffix, example)
	}
	per, err := time.ParseDuration(span)
	if err != nil || per < minSpan || per > maxSpan {
		return Rate{}, fmt.Errorf("the limit %s=%s must end with a span of time from 1s to 24h, such as %s", name, text, example)
	}
	return Rate{n * unit, per}, nil
}
