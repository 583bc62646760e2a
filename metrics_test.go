package duly

import (
	"testing"
	"time"
)

// Observing a request must not be felt: no allocation, well below 1 µs.
func BenchmarkObserve(b *testing.B) {
	m := newMetrics()
	observe := m.route("GET", "/users/{user}/todo/lists")
	b.ReportAllocs()
	for b.Loop() {
		m.inFlight.Inc()
		observe(200, 3*time.Millisecond)
		m.inFlight.Dec()
	}
}

func TestObserveAllocatesNothing(t *testing.T) {
	m := newMetrics()
	observe := m.route("GET", "/users/{user}/todo/lists")
	observe(200, time.Millisecond)
	if n := testing.AllocsPerRun(100, func() { observe(200, time.Millisecond) }); n != 0 {
		t.Errorf("observing a request allocates %v times", n)
	}
}
