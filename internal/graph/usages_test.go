package graph

import (
	"strconv"
	"testing"
	"time"
)

// What is counted has a bound; what is in use is kept.
func TestUsagesAreBounded(t *testing.T) {
	t.Parallel()
	th := newThrottle(Limits{Concurrent: 1}, nil)
	running := th.usage(usageKey{app: "a", user: "running"})
	running.running = 1
	for i := range maxUsages + 100 {
		th.usage(usageKey{app: "a", user: strconv.Itoa(i)})
	}
	if len(th.usages) != maxUsages || th.recent.Len() != maxUsages {
		t.Errorf("%d usages in the map, %d in the list; want %d", len(th.usages), th.recent.Len(), maxUsages)
	}
	if th.usage(running.key) != running {
		t.Error("what is in use was forgotten")
	}
	if e := th.usages[usageKey{app: "a", user: "0"}]; e != nil {
		t.Error("what was used first is still there")
	}
}

func TestWindow(t *testing.T) {
	t.Parallel()
	start := time.Unix(1_800_000_000, 0)
	rate := Rate{10, time.Minute}
	for _, tt := range []struct {
		name string
		w    window
		at   time.Duration // after the span began
		want time.Duration
	}{
		{"empty", window{}, 0, 0},
		{"room", window{count: 9}, 0, 0},
		{"full", window{count: 10}, 0, time.Minute + 1},
		{"full for a while", window{count: 10}, 20 * time.Second, 40*time.Second + 1},
		{"the span has ended", window{count: 10}, time.Minute, 1},
		{"a moment later", window{count: 10}, time.Minute + 1, 0},
		{"of the span before half still counts", window{before: 10, count: 5}, 30 * time.Second, 1},
		{"and a moment later less", window{before: 10, count: 5}, 30*time.Second + 1, 0},
		{"more than the rate", window{count: 20}, 0, 90*time.Second + 1},
		{"long ago", window{count: 20}, time.Hour, 0},
		{"the clock was set back a little", window{count: 10}, -time.Second, time.Minute + 1},
		{"the clock was set back", window{count: 10}, -time.Hour, 0},
	} {
		tt.w.start = start
		if got := tt.w.wait(rate, start.Add(tt.at)); got != tt.want {
			t.Errorf("%s: %v, want %v", tt.name, got, tt.want)
		}
	}
}
