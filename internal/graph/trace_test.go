package graph

import (
	"net/http"
	"testing"
)

func TestTraceID(t *testing.T) {
	t.Parallel()
	const trace, parent = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
	for _, tt := range []struct {
		name   string
		values []string
		want   string
	}{
		{"sampled", []string{"00-" + trace + "-" + parent + "-01"}, trace},
		{"not sampled", []string{"00-" + trace + "-" + parent + "-00"}, trace},
		{"later version", []string{"cc-" + trace + "-" + parent + "-01-more"}, trace},
		{"later version that runs on", []string{"cc-" + trace + "-" + parent + "-01more"}, ""},
		{"none", nil, ""},
		{"empty", []string{""}, ""},
		{"two", []string{"00-" + trace + "-" + parent + "-01", "00-" + trace + "-" + parent + "-01"}, ""},
		{"version ff", []string{"ff-" + trace + "-" + parent + "-01"}, ""},
		{"too long", []string{"00-" + trace + "-" + parent + "-01-more"}, ""},
		{"cut off", []string{"00-" + trace + "-" + parent}, ""},
		{"capitals", []string{"00-4BF92F3577B34DA6A3CE929D0E0E4736-" + parent + "-01"}, ""},
		{"no trace", []string{"00-00000000000000000000000000000000-" + parent + "-01"}, ""},
		{"no parent", []string{"00-" + trace + "-0000000000000000-01"}, ""},
		{"other separators", []string{"00_" + trace + "_" + parent + "_01"}, ""},
		{"line break", []string{"00-" + trace[:31] + "\n-" + parent + "-01"}, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if got := traceID(http.Header{"Traceparent": tt.values}); got != tt.want {
				t.Errorf("the trace is %q", got)
			}
		})
	}
}
