package main

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"math"
	"math/bits"
	"runtime"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
)

// A histogram counts durations in steps of 1.6 percent at most, from a
// microsecond to hours, in a few kilobytes.
type histogram struct {
	counts [40 * histogramSteps]uint32
	max    time.Duration
}

const histogramSteps = 64 // of each power of two

// step is where a duration counts: exactly up to 64 microseconds, then by its
// six bits below the first one.
func step(d time.Duration) int {
	us := uint64(max(d.Microseconds(), 0))
	if us < histogramSteps {
		return int(us)
	}
	shift := bits.Len64(us) - 7
	return min((shift+1)*histogramSteps+int(us>>shift)-histogramSteps, len(histogram{}.counts)-1)
}

// upTo is the longest duration that counts in a step.
func upTo(step int) time.Duration {
	if step < histogramSteps {
		return time.Duration(step+1) * time.Microsecond
	}
	shift := step/histogramSteps - 1
	return time.Duration(int64(step%histogramSteps+histogramSteps+1)<<shift) * time.Microsecond
}

func (h *histogram) add(d time.Duration) {
	h.counts[step(d)]++
	h.max = max(h.max, d)
}

func (h *histogram) merge(other *histogram) {
	for i, n := range other.counts {
		h.counts[i] += n
	}
	h.max = max(h.max, other.max)
}

// quantile is what the share of all durations is not longer than.
func (h *histogram) quantile(share float64) time.Duration {
	var total, seen uint64
	for _, n := range h.counts {
		total += uint64(n)
	}
	rank := max(uint64(math.Ceil(share*float64(total))), 1)
	for i, n := range h.counts {
		if seen += uint64(n); seen >= rank {
			return min(upTo(i), h.max)
		}
	}
	return h.max
}

// figures are what was measured of one operation.
type figures struct {
	took     histogram // of answers that were as they should be
	answers  int64
	bytes    int64 // of their bodies
	wall     time.Duration
	cpu      time.Duration // of this process
	rates    []float64     // answers a second, round by round
	failures map[string]int64
}

// fail counts a request that was not answered as it should be.
func (f *figures) fail(why string) {
	if f.failures == nil {
		f.failures = map[string]int64{}
	}
	if len(f.failures) >= 20 && f.failures[why] == 0 {
		why = "other failures"
	}
	f.failures[why]++
}

func (f *figures) errors() (n int64) {
	for _, count := range f.failures {
		n += count
	}
	return n
}

// merge adds what one client saw.
func (f *figures) merge(other *figures) {
	f.took.merge(&other.took)
	f.answers += other.answers
	f.bytes += other.bytes
	for why, n := range other.failures {
		f.fail(why)
		f.failures[why] += n - 1
	}
}

// A benchReport is what "duly bench --json" prints.
type benchReport struct {
	URL        string     `json:"url"`
	Clients    int        `json:"clients"`
	Tasks      int        `json:"tasks"`
	Rounds     int        `json:"rounds"`
	Slice      float64    `json:"secondsPerRound"` // of each operation
	Processors int        `json:"processors"`
	Operations []benchRow `json:"operations"`
}

// A benchRow is one operation. Times are in microseconds.
type benchRow struct {
	Name      string           `json:"name"`
	PerSecond float64          `json:"perSecond"`
	Spread    float64          `json:"spread"` // of the rounds: (greatest - least) / mean of perSecond
	P50       int64            `json:"p50"`
	P95       int64            `json:"p95"`
	P99       int64            `json:"p99"`
	Max       int64            `json:"max"`
	Answers   int64            `json:"answers"`
	Errors    int64            `json:"errors"`
	Bytes     int64            `json:"bytes"`                  // of all answers
	ClientCPU float64          `json:"clientShare,omitempty"`  // of this machine's processors, that this process had
	Ratio     float64          `json:"ratioToFixed,omitempty"` // of perSecond, where the fixed answer is measured
	Failures  map[string]int64 `json:"failures,omitempty"`
}

// row sums up the figures of an operation.
func (f *figures) row(name string) benchRow {
	r := benchRow{
		Name: name, Answers: f.answers, Errors: f.errors(), Bytes: f.bytes, Failures: f.failures,
		P50: f.took.quantile(0.5).Microseconds(), P95: f.took.quantile(0.95).Microseconds(),
		P99: f.took.quantile(0.99).Microseconds(), Max: f.took.max.Microseconds(),
	}
	if f.wall > 0 {
		r.PerSecond = float64(f.answers) / f.wall.Seconds()
		r.ClientCPU = f.cpu.Seconds() / f.wall.Seconds() / float64(runtime.NumCPU())
	}
	if len(f.rates) > 0 && r.PerSecond > 0 {
		r.Spread = (slices.Max(f.rates) - slices.Min(f.rates)) / r.PerSecond
	}
	return r
}

// compare sets how the rates are to that of the fixed answer, if there is one.
func (r *benchReport) compare() {
	i := slices.IndexFunc(r.Operations, func(o benchRow) bool { return o.Name == fixedName })
	if i < 0 || r.Operations[i].PerSecond == 0 {
		return
	}
	for j := range r.Operations {
		r.Operations[j].Ratio = r.Operations[j].PerSecond / r.Operations[i].PerSecond
	}
}

// bottleneck is the share of the processors from which on it is the client that
// is measured.
const bottleneck = 0.5

// restless is the spread from which on the figures say little.
const restless = 0.5

// write prints the report as a table, with what has to be known to read it.
func (r *benchReport) write(out io.Writer) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%d clients on %s, %d rounds of %.2f s for each operation, a list of %d tasks\n\n", r.Clients, r.URL, r.Rounds, r.Slice, r.Tasks)
	t := tabwriter.NewWriter(&b, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "\toperation\trequests/s\tspread\tp50 ms\tp95 ms\tp99 ms\tmax ms\terrors\tbytes each\tclient\tof fixed\t")
	var busy, apart []string
	for _, o := range r.Operations {
		ms := func(us int64) string { return fmt.Sprintf("%.2f", float64(us)/1000) }
		share, ratio := "", ""
		if o.ClientCPU > 0 {
			share = fmt.Sprintf("%.0f %%", o.ClientCPU*100)
		}
		if o.Ratio > 0 {
			ratio = fmt.Sprintf("%.2f", o.Ratio)
		}
		if o.ClientCPU >= bottleneck && o.Name != fixedName {
			busy = append(busy, o.Name)
		}
		if o.Spread >= restless {
			apart = append(apart, o.Name)
		}
		fmt.Fprintf(t, "\t%s\t%.0f\t%.0f %%\t%s\t%s\t%s\t%s\t%d\t%d\t%s\t%s\t\n", o.Name, o.PerSecond, o.Spread*100,
			ms(o.P50), ms(o.P95), ms(o.P99), ms(o.Max), o.Errors, o.Bytes/max(o.Answers, 1), share, ratio)
	}
	if err := t.Flush(); err != nil {
		return err
	}
	if len(busy) > 0 {
		fmt.Fprintf(&b, "\nThis client had half of the processors or more in %s: the server can do more than that. Measure from another machine.\n", strings.Join(busy, ", "))
	}
	if len(apart) > 0 {
		fmt.Fprintf(&b, "\nThe rounds are far apart in %s: something else uses the machine, or --duration is too short.\n", strings.Join(apart, ", "))
	}
	for _, o := range r.Operations {
		for _, why := range slices.Sorted(maps.Keys(o.Failures)) {
			fmt.Fprintf(&b, "%s: %d times %s\n", o.Name, o.Failures[why], why)
		}
	}
	_, err := io.WriteString(out, b.String())
	return err
}

func (r *benchReport) writeJSON(out io.Writer) error {
	e := json.NewEncoder(out)
	e.SetIndent("", "  ")
	return e.Encode(r)
}
