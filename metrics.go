package duly

import (
	"context"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/duly-todo/duly/internal/store"
	"github.com/duly-todo/duly/internal/webhook"
)

// metrics are what a Server counts while it runs. No label ever holds what a
// client sent: routes are those of the route table.
type metrics struct {
	registry *prometheus.Registry
	requests *prometheus.HistogramVec
	inFlight prometheus.Gauge
	refusals *prometheus.CounterVec
}

func newMetrics() *metrics {
	m := &metrics{
		registry: prometheus.NewRegistry(),
		requests: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "duly_http_request_duration_seconds", Help: "How long requests take, parts of batches included.",
			Buckets: []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 10},
		}, []string{"method", "route", "status"}),
		inFlight: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "duly_http_requests_in_flight", Help: "Requests that are being answered.",
		}),
		refusals: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "duly_http_throttled_total", Help: "Requests that were refused for a limit of their application.",
		}, []string{"limit"}),
	}
	m.registry.MustRegister(m.requests, m.inFlight, m.refusals, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

// route returns what is to be told of each request for a route. Labels are looked
// up for the first request of a class of status alone.
func (m *metrics) route(method, path string) func(status int, took time.Duration) {
	type observer struct{ prometheus.Observer }
	var classes [6]atomic.Pointer[observer]
	names := [len(classes)]string{"none", "1xx", "2xx", "3xx", "4xx", "5xx"}
	return func(status int, took time.Duration) {
		class := status / 100
		if class >= len(classes) {
			class = 0
		}
		o := classes[class].Load()
		if o == nil {
			o = &observer{m.requests.WithLabelValues(method, path, names[class])}
			classes[class].Store(o)
		}
		o.Observe(took.Seconds())
	}
}

// refused counts a request that was refused for a limit.
func (m *metrics) refused(limit string) { m.refusals.WithLabelValues(limit).Inc() }

// watch counts what happens in the database.
func (m *metrics) watch(db *store.DB) {
	histogram := func(name, help string, buckets ...float64) prometheus.Histogram {
		h := prometheus.NewHistogram(prometheus.HistogramOpts{Name: name, Help: help, Buckets: buckets})
		m.registry.MustRegister(h)
		return h
	}
	seconds := []float64{.0001, .00025, .0005, .001, .0025, .005, .01, .025, .05, .1, .25, 1, 5}
	waits := histogram("duly_store_write_wait_seconds", "How long writes wait for their turn.", seconds...)
	sizes := histogram("duly_store_commit_writes", "Writes that share one commit.", 1, 2, 4, 8, 16, 32, 64, 128)
	commits := histogram("duly_store_commit_seconds", "How long commits take to reach the disk.", seconds...)
	reads := histogram("duly_store_read_seconds", "How long reads take.", seconds...)
	db.Observe(store.Meter{
		Waited: func(d time.Duration) { waits.Observe(d.Seconds()) },
		Committed: func(writes int, d time.Duration) {
			sizes.Observe(float64(writes))
			commits.Observe(d.Seconds())
		},
		Read: func(d time.Duration) { reads.Observe(d.Seconds()) },
	})
	m.registry.MustRegister(&sizesCollector{
		db:      db,
		users:   prometheus.NewDesc("duly_store_users", "Users.", nil, nil),
		changes: prometheus.NewDesc("duly_store_changes_total", "Writes to mailboxes since they exist.", nil, nil),
		log:     prometheus.NewDesc("duly_store_change_log_entries", "Changes that are still in the change log.", nil, nil),
	})
}

// delivered makes the observer of the POSTs of notifications.
func (m *metrics) delivered() func(taken bool, took time.Duration) {
	h := prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name: "duly_notification_delivery_seconds", Help: "How long endpoints take to answer a notification.",
		Buckets: []float64{.005, .01, .025, .05, .1, .25, .5, 1, 3, 10, 30},
	}, []string{"result"})
	m.registry.MustRegister(h)
	taken, failed := h.WithLabelValues("taken"), h.WithLabelValues("failed")
	return func(ok bool, took time.Duration) {
		if ok {
			taken.Observe(took.Seconds())
		} else {
			failed.Observe(took.Seconds())
		}
	}
}

// queue tells how long that of the notifications is.
func (m *metrics) queue(sender *webhook.Sender) {
	m.registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "duly_notification_queue_length", Help: "Subscriptions that have something to be told and wait for a slot.",
	}, func() float64 { return float64(sender.Waiting()) }))
}

// A sizesCollector asks the database when it is scraped.
type sizesCollector struct {
	db                  *store.DB
	users, changes, log *prometheus.Desc
}

// Describe is a part of prometheus.Collector.
func (c *sizesCollector) Describe(descs chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{c.users, c.changes, c.log} {
		descs <- d
	}
}

// Collect is a part of prometheus.Collector, which knows no context.
func (c *sizesCollector) Collect(out chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), readyTimeout)
	defer cancel()
	s, err := c.db.Sizes(ctx)
	if err != nil {
		out <- prometheus.NewInvalidMetric(c.users, err)
		return
	}
	out <- prometheus.MustNewConstMetric(c.users, prometheus.GaugeValue, float64(s.Users))
	out <- prometheus.MustNewConstMetric(c.changes, prometheus.CounterValue, float64(s.Changes))
	out <- prometheus.MustNewConstMetric(c.log, prometheus.GaugeValue, float64(s.Log))
}

// handler answers scrapes. What cannot be told is left out.
func (m *metrics) handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{ErrorHandling: promhttp.ContinueOnError, MaxRequestsInFlight: 4})
}
