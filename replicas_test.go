package duly_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/duly-todo/duly"
)

// What is written by one server is told to a subscription that was made by another,
// of which it has not heard before: hints wake both. Without them it would take until
// one looks, which is 8 seconds or more.
func TestWakeUps(t *testing.T) {
	t.Parallel()
	url, arrivals := listen(t)
	config := duly.Config{DataDir: t.TempDir(), Database: postgres(t), WebhookAllow: []string{"127.0.0.1"}}
	writer := newCallerWith(t, config)
	second, err := duly.New(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	defer second.Close()
	var fresh, known []time.Duration
	for n := range 12 {
		a := writer.as(t, fmt.Sprintf("user%d@example.org", n))
		b := &caller{t, second, a.token}
		b.call("POST", "/v1.0/subscriptions", subscription(url), 201)
		for _, took := range []*[]time.Duration{&fresh, &known, &known} {
			begun := time.Now()
			tag := tagOf(t, a.call("POST", tasksPath, `{"title": "Milk"}`, 201))
			select {
			case got := <-arrivals:
				if got.etag != tag {
					t.Errorf("told of %s, want %s", got.etag, tag)
				}
				*took = append(*took, got.at.Sub(begun))
			case <-time.After(time.Minute):
				t.Fatal("nobody was told")
			}
		}
	}
	for name, took := range map[string][]time.Duration{"made on another server just now": fresh, "known to both": known} {
		slices.Sort(took)
		median := took[len(took)/2].Round(time.Millisecond)
		t.Logf("a subscription %s is told after %v, at most %v", name, median, took[len(took)-1].Round(time.Millisecond))
		if median > 4*time.Second { // on any machine less than looking takes
			t.Errorf("the median is %v", median)
		}
	}
}
