package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// A load is the work of "duly bench" on a server: two lists of its own, one of
// which is read and patched and keeps its size, while the other takes what is
// created.
type load struct {
	url    string
	header http.Header
	client *http.Client
	fixed  string // the URL of the fixed answer; empty: it is not measured

	lists []string // their paths, as far as they are made
	tasks []string // the ids in the first one
	delta string   // the link to what changes from now on in the first one
	ten   string   // one from before ten changes
	count atomic.Int64
}

// An operation is what the load measures.
type operation struct {
	name    string
	prepare func(context.Context, *load) error // before each round; nil: nothing
	call    func(*load) call
}

// A call is a request and what its answer must be like: its status, and how
// often it holds a text.
type call struct {
	method, target, body string
	status               int
	holds                string
	times                int
}

const (
	fixedName = "fixed"
	etag      = `"@odata.etag"`
)

// operations are all of them, in the order of the table.
func operations() []operation {
	get := func(target, holds string, times int) call {
		return call{method: "GET", target: target, status: 200, holds: holds, times: times}
	}
	return []operation{
		{name: fixedName, call: func(l *load) call { return get(l.fixed, "", 0) }},
		{name: "get", call: func(l *load) call { return get(l.task(), etag, 1) }},
		{name: "page", call: func(l *load) call { return get(l.lists[0]+"/tasks?$top=100", etag, min(100, len(l.tasks))) }},
		{name: "filter", call: func(l *load) call {
			return get(l.lists[0]+"/tasks?$filter=importance%20eq%20%27high%27&$top=100", etag, min(100, (len(l.tasks)+9)/10))
		}},
		{name: "create", call: func(l *load) call {
			return call{"POST", l.lists[1] + "/tasks", taskBody(l.count.Add(1)), 201, etag, 1}
		}},
		{name: "patch", call: (*load).patch},
		{name: "delta", prepare: func(ctx context.Context, l *load) (err error) {
			l.delta, err = l.follow(ctx, l.delta)
			return err
		}, call: func(l *load) call { return get(l.delta, etag, 0) }},
		{name: "delta10", prepare: func(ctx context.Context, l *load) error { return l.changeTen(ctx) }, call: func(l *load) call { return get(l.ten, etag, min(10, len(l.tasks))) }},
		{name: "batch", call: (*load).batch},
	}
}

// task is the path of one of the tasks.
func (l *load) task() string {
	return l.lists[0] + "/tasks/" + l.tasks[rand.IntN(len(l.tasks))]
}

func (l *load) patch() call {
	return call{"PATCH", l.task(), fmt.Sprintf(`{"title": "Changed for the %d. time"}`, l.count.Add(1)), 200, etag, 1}
}

// batch is twenty requests in one: ten GETs, five POSTs, five PATCHes.
func (l *load) batch() call {
	var b strings.Builder
	b.WriteString(`{"requests": [`)
	for i := range 20 {
		part := call{method: "GET", target: l.task()}
		switch {
		case i >= 15:
			part = l.patch()
		case i >= 10:
			part = call{method: "POST", target: l.lists[1] + "/tasks", body: taskBody(l.count.Add(1))}
		}
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, `{"id": "%d", "method": "%s", "url": "%s"`, i, part.method, strings.TrimPrefix(part.target, "/v1.0"))
		if part.body != "" {
			b.WriteString(`, "headers": {"Content-Type": "application/json"}, "body": ` + part.body)
		}
		b.WriteByte('}')
	}
	b.WriteString(`]}`)
	return call{"POST", "/v1.0/$batch", b.String(), 200, `"status":20`, 20}
}

// taskBody is a task as people have them; one of ten is important.
func taskBody(n int64) string {
	importance := "normal"
	if n%10 == 1 {
		importance = "high"
	}
	return fmt.Sprintf(`{"title": "Answer letter %d", "importance": "%s", "dueDateTime": {"dateTime": "2030-01-%02dT00:00:00", "timeZone": "UTC"}, "body": {"content": "Say that the figures of the last quarter come on Monday, and ask for the address of the new office.", "contentType": "text"}}`, n, importance, n%28+1)
}

// newLoad prepares the client of a load. It follows no redirections, so that the
// token goes to the server alone.
func newLoad(target *url.URL, token string, clients int) *load {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.MaxIdleConns, transport.MaxIdleConnsPerHost, transport.DisableCompression = 0, clients, true
	return &load{
		url:    strings.TrimSuffix(target.String(), "/"),
		header: http.Header{"Authorization": {"Bearer " + token}, "Content-Type": {"application/json"}, "User-Agent": {"duly-bench"}},
		client: &http.Client{
			Transport: transport, Timeout: 30 * time.Second,
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}
}

// serveFixed serves what the operations are compared with: net/http with 700
// bytes that are always the same.
func (l *load) serveFixed() (stop func() error, err error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("the server to compare with cannot listen: %w", err)
	}
	answer := bytes.Repeat([]byte("x"), 700)
	s := &http.Server{ReadHeaderTimeout: 10 * time.Second, Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header()["Content-Type"] = []string{"application/json"}
		_, _ = w.Write(answer) // the client sees it
	})}
	done := make(chan error, 1)
	go func() { done <- s.Serve(listener) }()
	l.fixed = "http://" + listener.Addr().String() + "/"
	return func() error {
		err := s.Close()
		<-done
		return err
	}, nil
}

// do sends a request and reads the answer into buffer. The error says what is
// wrong with the answer.
func (l *load) do(ctx context.Context, c call, buffer *bytes.Buffer) error {
	target := c.target
	if strings.HasPrefix(target, "/") {
		target = l.url + target
	}
	var body io.Reader
	if c.body != "" {
		body = strings.NewReader(c.body)
	}
	r, err := http.NewRequestWithContext(ctx, c.method, target, body)
	if err != nil {
		return err
	}
	if r.Header = l.header; target == l.fixed {
		r.Header = http.Header{}
	}
	res, err := l.client.Do(r)
	if err != nil {
		return errors.New(cause(err))
	}
	buffer.Reset()
	_, err = io.Copy(buffer, io.LimitReader(res.Body, 64<<20))
	if err = errors.Join(err, res.Body.Close()); err != nil {
		return fmt.Errorf("an answer that breaks off: %s", cause(err))
	}
	if res.StatusCode != c.status {
		return fmt.Errorf("%s: %s", res.Status, messageOf(buffer.Bytes()))
	}
	if c.holds != "" {
		if n := bytes.Count(buffer.Bytes(), []byte(c.holds)); n != c.times {
			return fmt.Errorf("an answer with %s %d times instead of %d", c.holds, n, c.times)
		}
	}
	return nil
}

// cause is a failure to send without the URL, in which ids are.
func cause(err error) string {
	if e, ok := errors.AsType[*url.Error](err); ok {
		err = e.Err
	}
	if e, ok := errors.AsType[*net.OpError](err); ok {
		return "no connection: " + e.Err.Error()
	}
	return err.Error()
}

// messageOf is the message of an error of Graph's, or what there is of another.
func messageOf(body []byte) string {
	var e struct {
		Error struct{ Code, Message string }
	}
	if err := json.Unmarshal(body, &e); err == nil && e.Error.Code != "" {
		return e.Error.Code + ": " + e.Error.Message
	}
	return fmt.Sprintf("%.60q", body)
}

// object sends a request and decodes the answer.
func (l *load) object(ctx context.Context, c call, into any) error {
	var b bytes.Buffer
	if err := l.do(ctx, c, &b); err != nil {
		return err
	}
	return json.Unmarshal(b.Bytes(), into)
}

// addLists makes the two lists.
func (l *load) addLists(ctx context.Context, name string) error {
	for _, name := range []string{name, name + " (created)"} {
		var list struct{ ID string }
		if err := l.object(ctx, call{"POST", "/v1.0/me/todo/lists", fmt.Sprintf(`{"displayName": "%s"}`, name), 201, "", 0}, &list); err != nil {
			return err
		}
		l.lists = append(l.lists, "/v1.0/me/todo/lists/"+list.ID)
	}
	return nil
}

// removeLists removes what there is of the lists.
func (l *load) removeLists(ctx context.Context) (err error) {
	for _, list := range l.lists {
		err = errors.Join(err, l.do(ctx, call{method: "DELETE", target: list, status: 204}, new(bytes.Buffer)))
	}
	return err
}

// addTasks fills the first list, twenty tasks at a time, and begins to follow it.
func (l *load) addTasks(ctx context.Context, n int) (err error) {
	for len(l.tasks) < n {
		var parts []string
		for i := range min(20, n-len(l.tasks)) {
			parts = append(parts, fmt.Sprintf(`{"id": "%d", "method": "POST", "url": "%s/tasks", "headers": {"Content-Type": "application/json"}, "body": %s}`,
				i, strings.TrimPrefix(l.lists[0], "/v1.0"), taskBody(int64(len(l.tasks)+i+1))))
		}
		var answer struct {
			Responses []struct {
				Status int
				Body   json.RawMessage
			}
		}
		if err := l.object(ctx, call{method: "POST", target: "/v1.0/$batch", body: `{"requests": [` + strings.Join(parts, ",") + `]}`, status: 200}, &answer); err != nil {
			return err
		}
		if len(answer.Responses) != len(parts) {
			return fmt.Errorf("a batch of %d has %d answers", len(parts), len(answer.Responses))
		}
		for _, part := range answer.Responses {
			var task struct{ ID string }
			if err := json.Unmarshal(part.Body, &task); part.Status != http.StatusCreated || err != nil || task.ID == "" {
				return fmt.Errorf("%d: %s", part.Status, messageOf(part.Body))
			}
			l.tasks = append(l.tasks, task.ID)
		}
	}
	l.delta, err = l.follow(ctx, l.lists[0]+"/tasks/delta")
	return err
}

// follow reads what a delta link leads to, to the end, and returns the next one.
func (l *load) follow(ctx context.Context, link string) (string, error) {
	for {
		var page struct {
			Next  string `json:"@odata.nextLink"`
			Delta string `json:"@odata.deltaLink"`
		}
		if err := l.object(ctx, call{method: "GET", target: link, status: 200}, &page); err != nil {
			return "", err
		}
		if page.Next == "" && page.Delta == "" {
			return "", errors.New("an answer of delta without a link")
		}
		if link = page.Next; link == "" {
			return l.own(page.Delta)
		}
		var err error
		if link, err = l.own(link); err != nil {
			return "", err
		}
	}
}

// own is a link of an answer as a path, which is asked of the URL that was given:
// the token goes nowhere else.
func (l *load) own(link string) (string, error) {
	u, err := url.Parse(link)
	if err != nil {
		return "", fmt.Errorf("a link that is none: %w", err)
	}
	return u.RequestURI(), nil
}

// changeTen has a link that leads to ten changes.
func (l *load) changeTen(ctx context.Context) (err error) {
	if l.ten, err = l.follow(ctx, l.delta); err != nil {
		return err
	}
	var b bytes.Buffer
	for _, id := range l.tasks[:min(10, len(l.tasks))] {
		c := l.patch()
		c.target = l.lists[0] + "/tasks/" + id
		if err := l.do(ctx, c, &b); err != nil {
			return err
		}
	}
	return nil
}

// measure has clients call an operation, each as soon as its last call is
// answered, until the time is over.
func (l *load) measure(ctx context.Context, o operation, clients int, slice time.Duration, into *figures) error {
	if o.prepare != nil {
		if err := o.prepare(ctx, l); err != nil {
			return fmt.Errorf("preparing %s: %w", o.name, err)
		}
	}
	seen := make([]figures, clients)
	cpu, _ := cpuTime()
	began := time.Now()
	until := began.Add(slice)
	var wg sync.WaitGroup
	for i := range seen {
		wg.Go(func() { l.worker(ctx, o, until, &seen[i]) })
	}
	wg.Wait()
	wall := time.Since(began)
	after, _ := cpuTime()
	var answers int64
	for i := range seen {
		answers += seen[i].answers
		into.merge(&seen[i])
	}
	into.wall += wall
	into.cpu += after - cpu
	into.rates = append(into.rates, float64(answers)/wall.Seconds())
	return ctx.Err()
}

// worker is one client. After a failure it rests, so that a server that is gone
// is not asked a million times.
func (l *load) worker(ctx context.Context, o operation, until time.Time, f *figures) {
	var buffer bytes.Buffer
	for ctx.Err() == nil && time.Now().Before(until) {
		c := o.call(l)
		began := time.Now()
		err := l.do(ctx, c, &buffer)
		took := time.Since(began)
		switch {
		case ctx.Err() != nil:
		case err != nil:
			f.fail(err.Error())
			select {
			case <-time.After(min(10*time.Millisecond, time.Until(until))):
			case <-ctx.Done():
			}
		default:
			f.took.add(took)
			f.answers++
			f.bytes += int64(buffer.Len())
		}
	}
}
