//go:build linux

// Command perf measures a Duly binary beside what bounds it, and prints the ratios
// with their targets: `make bench`. Every ratio is of numbers of the same round, and
// the median of the rounds; docs/performance.md says what they mean.
package main

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"time"
)

// A plan is what is to be measured.
type plan struct {
	binary  string
	dir     string // of the data; made, and removed at the end
	tasks   int    // in the mailbox
	clients int
	rounds  int
	each    time.Duration // how long one operation is measured in a round
	growth  bool
	small   int // tasks of the smaller mailbox of -growth
	large   int
	log     string
	profile string // a folder; empty: none are written
}

func main() {
	if len(os.Args) == 2 && os.Args[1] == "fixed" {
		exit(serveFixed())
	}
	p := plan{}
	flag.StringVar(&p.binary, "duly", "bin/duly", "the `file` to measure")
	flag.IntVar(&p.tasks, "tasks", 100_000, "tasks in the mailbox")
	flag.IntVar(&p.clients, "clients", 32, "clients that call at once")
	flag.IntVar(&p.rounds, "rounds", 5, "rounds, of which the median counts")
	flag.DurationVar(&p.each, "each", time.Second, "how long an operation is measured in a round")
	flag.BoolVar(&p.growth, "growth", false, "measure a small mailbox beside a large one instead, which takes minutes to fill")
	flag.IntVar(&p.small, "small", 10_000, "tasks of the smaller mailbox of -growth")
	flag.IntVar(&p.large, "large", 1_000_000, "tasks of the larger mailbox of -growth")
	flag.StringVar(&p.log, "log-level", "warn", "the log level of the server")
	flag.StringVar(&p.profile, "profile", "", "a `folder` for a profile of the server's CPU in each operation")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	exit(p.run(ctx))
}

func exit(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "perf:", err)
		os.Exit(1)
	}
	os.Exit(0)
}

func (p plan) run(ctx context.Context) (err error) {
	if p.dir, err = os.MkdirTemp("", "duly-perf-"); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(p.dir)) }()
	if p.growth {
		return p.runGrowth(ctx)
	}
	return p.runRatios(ctx)
}

// A sample is what one operation came to in one round.
type sample struct {
	rate float64 // a second
	cpu  float64 // microseconds of the server for each
	p50  float64 // microseconds
	p99  float64
}

// samples are those of an operation, by round.
type samples map[string][]sample

// ratio is the median over the rounds of of(a)/of(b).
func (s samples) ratio(a, b string, of func(sample) float64) float64 {
	var ratios []float64
	for i := range min(len(s[a]), len(s[b])) {
		ratios = append(ratios, of(s[a][i])/of(s[b][i]))
	}
	return median(ratios)
}

func (s samples) median(name string, of func(sample) float64) float64 {
	var values []float64
	for _, x := range s[name] {
		values = append(values, of(x))
	}
	return median(values)
}

func rate(s sample) float64 { return s.rate }
func cpu(s sample) float64  { return s.cpu }
func p50(s sample) float64  { return s.p50 }

func median[T cmp.Ordered](values []T) (zero T) {
	if len(values) == 0 {
		return zero
	}
	slices.Sort(values)
	return values[len(values)/2]
}

// show prints the medians of operations.
func (s samples) show(w io.Writer, names []string) {
	fmt.Fprintf(w, "%-28s %10s %10s %10s %10s\n", "", "a second", "CPU µs", "p50 µs", "p99 µs")
	for _, n := range names {
		fmt.Fprintf(w, "%-28s %10.0f %10.1f %10.0f %10.0f\n", n,
			s.median(n, rate), s.median(n, cpu), s.median(n, p50), s.median(n, func(x sample) float64 { return x.p99 }))
	}
	fmt.Fprintln(w)
}

// A verdict is a figure beside its target.
type verdict struct {
	name  string
	value float64
	least bool // the target is the least that is good, not the most
	goal  float64
	unit  string
}

func show(w io.Writer, verdicts []verdict) {
	missed := 0
	for _, v := range verdicts {
		sign, ok := "<=", v.value <= v.goal
		if v.least {
			sign, ok = ">=", v.value >= v.goal
		}
		word := "ok"
		if !ok {
			word = "MISSED"
			missed++
		}
		fmt.Fprintf(w, "%-58s %8.2f %-3s target %s %6.2f  %s\n", v.name, v.value, v.unit, sign, v.goal, word)
	}
	fmt.Fprintf(w, "%d of %d targets missed\n", missed, len(verdicts))
}
