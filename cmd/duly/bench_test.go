package main

import (
	"bufio"
	"encoding/json"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// lists are the names of Ada's lists.
func (p *process) listNames(t *testing.T, token string) (names []string) {
	t.Helper()
	for _, list := range p.call(t, token, "GET", "/v1.0/me/todo/lists", "", http.StatusOK)["value"].([]any) {
		names = append(names, list.(map[string]any)["displayName"].(string))
	}
	return names
}

// A short run measures every operation, answers of the right form alone, and
// leaves nothing behind.
func TestBench(t *testing.T) {
	t.Parallel()
	s, p, token := servingAda(t)
	r := s.run(t, "bench", "--url", p.url, "--user", "ada", "--clients", "3", "--duration", "1s", "--tasks", "120", "--json")
	if r.Status != 0 {
		t.Fatalf("status %d: %s", r.Status, r.Stderr)
	}
	var report benchReport
	if err := json.Unmarshal([]byte(r.Stdout), &report); err != nil {
		t.Fatalf("%v in %s", err, r.Stdout)
	}
	var names []string
	for _, o := range report.Operations {
		names = append(names, o.Name)
		if o.Errors > 0 || o.Answers == 0 || o.PerSecond <= 0 || o.Ratio <= 0 {
			t.Errorf("%s: %+v", o.Name, o)
		}
		if o.P50 <= 0 || o.P50 > o.P95 || o.P95 > o.P99 || o.P99 > o.Max {
			t.Errorf("%s: its times are not in order: %+v", o.Name, o)
		}
	}
	if diff := cmp.Diff([]string{"fixed", "get", "page", "filter", "create", "patch", "delta", "delta10", "batch"}, names); diff != "" {
		t.Errorf("operations (-want +got)\n%s", diff)
	}
	if got := p.listNames(t, token); len(got) != 1 {
		t.Errorf("it leaves %q", got)
	}

	r = s.run(t, "bench", "--url", p.url, "--token", token, "--clients", "2", "--duration", "1s", "--tasks", "3", "--mix", "get,delta10")
	if r.Status != 0 || !strings.Contains(r.Stdout, "2 clients on "+p.url) || !strings.Contains(r.Stdout, " delta10 ") || strings.Contains(r.Stdout, " batch ") {
		t.Errorf("status %d, stderr:\n%s\nstdout:\n%s", r.Status, r.Stderr, r.Stdout)
	}
}

// An interrupted run removes its lists.
func TestBenchInterrupted(t *testing.T) {
	t.Parallel()
	s, p, token := servingAda(t)
	cmd := s.command(t.Context(), "bench", "--url", p.url, "--user", "ada", "--clients", "2", "--duration", "1h", "--tasks", "20")
	stderr, err := cmd.StderrPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewReader(stderr)
	for line := ""; !strings.HasPrefix(line, "Round 1"); {
		if line, err = lines.ReadString('\n'); err != nil {
			t.Fatalf("it ends with %v before the first round", err)
		}
	}
	if got := p.listNames(t, token); len(got) != 3 || !slices.ContainsFunc(got, func(name string) bool { return strings.HasPrefix(name, "duly bench ") }) {
		t.Errorf("while it runs there are %q", got)
	}
	if err := cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	rest, err := io.ReadAll(lines)
	if err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait() // ProcessState says how it ended
	if got := string(rest); got != "duly: stopped before the end; context canceled\n" && got != "duly: stopped before the end\n" || cmd.ProcessState.ExitCode() != 1 {
		t.Errorf("it ends with %v, %q", cmd.ProcessState, got)
	}
	if got := p.listNames(t, token); len(got) != 1 {
		t.Errorf("it leaves %q", got)
	}
}

// What the server refuses is told in a line, and what fails on the way by its kind.
func TestBenchFailures(t *testing.T) {
	t.Parallel()
	s := newShell(t, "DULY_THROTTLE=requests=40/24h")
	addAda(t, s)
	p := s.start(t)
	args := []string{"bench", "--url", p.url, "--clients", "1", "--duration", "1s", "--tasks", "1", "--mix", "get"}
	r := s.run(t, append(args, "--token", "nonsense")...)
	if want := "duly: making a list on " + p.url + ": 401 Unauthorized: InvalidAuthenticationToken: "; r.Status != 1 || !strings.Contains(r.Stderr, want) {
		t.Errorf("a bad token: status %d, %q", r.Status, r.Stderr)
	}
	r = s.run(t, append(args, "--user", "bob")...)
	if r.Status != 1 || !strings.Contains(r.Stderr, "there is no user bob") {
		t.Errorf("no such user: status %d, %q", r.Status, r.Stderr)
	}
	r = s.run(t, append(args, "--user", "ada")...)
	if r.Status != 1 || !strings.Contains(r.Stdout, "times 429 Too Many Requests: activityLimitReached: ") || !strings.Contains(r.Stderr, " requests failed; the lists ") || !strings.Contains(r.Stderr, "could not be removed") {
		t.Errorf("a throttled run: status %d, %q\n%s", r.Status, r.Stderr, r.Stdout)
	}
	p.stop(t)
	r = s.run(t, append(args, "--user", "ada")...)
	if r.Status != 1 || !strings.Contains(r.Stderr, "no connection: connect: connection refused") {
		t.Errorf("no server: status %d, %q", r.Status, r.Stderr)
	}
}

// Quantiles are those of the sorted durations, at most 1.6 percent above.
func TestHistogram(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(7, 7))
	for _, most := range []time.Duration{50 * time.Microsecond, 3 * time.Millisecond, 20 * time.Second, 3 * time.Hour} {
		var h, other histogram
		var all []time.Duration
		for i := range 5000 {
			d := time.Duration(random.Int64N(int64(most)))
			all = append(all, d)
			if i%2 == 0 {
				h.add(d)
			} else {
				other.add(d)
			}
		}
		h.merge(&other)
		slices.Sort(all)
		for _, share := range []float64{0.001, 0.5, 0.95, 0.99, 1} {
			exact := all[max(int(share*5000)-1, 0)]
			if got := h.quantile(share); got < exact || float64(got) > float64(exact)*(1+1.0/histogramSteps)+float64(time.Microsecond) {
				t.Errorf("up to %v, %v: %v, the exact one is %v", most, share, got, exact)
			}
		}
	}
	if got := new(histogram).quantile(0.5); got != 0 {
		t.Errorf("the median of nothing is %v", got)
	}
}
