//go:build linux

package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
)

const (
	user  = "ada@example.org"
	tasks = "/v1.0/me/todo/lists/"
)

// A mailbox is one with tasks on a server of its own.
type mailbox struct {
	plan   plan
	data   string
	server *process
	token  string
	read   string   // the path of the tasks of the large list
	write  string   // of those of the list that tasks are created in
	ids    []string // of the large list
	made   atomic.Int64
}

// makeMailbox fills a mailbox in which one task of a hundred is open, and leaves the
// server running.
func (p plan) makeMailbox(ctx context.Context, name string, size int) (*mailbox, error) {
	m := &mailbox{plan: p, data: filepath.Join(p.dir, name), ids: make([]string, size)}
	if _, err := p.output(ctx, "user", "add", user, "--data", m.data); err != nil {
		return nil, err
	}
	if err := m.open(ctx); err != nil {
		return nil, err
	}
	c, err := dial(ctx, m.server.address)
	if err != nil {
		return nil, err
	}
	defer c.conn.Close()
	for _, l := range []struct {
		name string
		path *string
	}{{"Large", &m.read}, {"Written", &m.write}} {
		a, err := expect(http.StatusCreated)(c.call("POST", "/v1.0/me/todo/lists", m.token, `{"displayName": "`+l.name+`"}`))
		if err != nil {
			return nil, err
		}
		var list struct{ ID string }
		if err := json.Unmarshal(a.body, &list); err != nil {
			return nil, err
		}
		*l.path = tasks + list.ID + "/tasks"
	}
	return m, m.fill(ctx)
}

// open starts the server on the data.
func (m *mailbox) open(ctx context.Context) (err error) {
	args := []string{"serve", "--data", m.data, "--listen", "127.0.0.1:0", "--log-level", m.plan.log}
	if m.plan.profile != "" {
		args = append(args, "--admin-listen", "127.0.0.1:0")
	}
	m.server, err = start(ctx, m.plan.binary, args...)
	if err == nil && m.plan.profile != "" {
		err = m.server.profile(ctx, m.plan.profile)
	}
	if err == nil {
		m.token, err = m.plan.output(ctx, "token", "--user", user, "--data", m.data, "--expires", "12h")
	}
	return err
}

func (m *mailbox) fill(ctx context.Context) error {
	var next atomic.Int64
	var wg sync.WaitGroup
	var mu sync.Mutex
	var failed error
	for range 64 {
		wg.Go(func() {
			err := func() error {
				c, err := dial(ctx, m.server.address)
				if err != nil {
					return err
				}
				defer c.conn.Close()
				for {
					i := next.Add(1) - 1
					if i >= int64(len(m.ids)) {
						return nil
					}
					status := "completed"
					if i%100 == 0 {
						status = "notStarted"
					}
					a, err := expect(http.StatusCreated)(c.call("POST", m.read, m.token, newTask(i, status)))
					if err != nil {
						return err
					}
					m.ids[i] = a.location[strings.LastIndexByte(a.location, '/')+1:]
				}
			}()
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				failed = err
			}
		})
	}
	wg.Wait()
	return failed
}

// newTask is the body of a POST: a task as people have them, with a short note.
func newTask(i int64, status string) string {
	return fmt.Sprintf(`{"title": "Call number %d about the offer", "status": "%s", "importance": "high", "categories": ["Work"],
		"body": {"content": "They asked for a call back before Friday, with the figures of last year.", "contentType": "text"},
		"dueDateTime": {"dateTime": "2026-12-%02dT00:00:00", "timeZone": "UTC"}}`, i, status, 1+i%28)
}

// expect makes an answer with another status an error.
func expect(status int) func(answer, error) (answer, error) {
	return func(a answer, err error) (answer, error) {
		if err == nil && a.status != status {
			err = fmt.Errorf("the answer is %d, not %d: %.300s", a.status, status, a.body)
		}
		return a, err
	}
}

// get is a load of GET of what path gives.
func (m *mailbox) get(name string, path func(c *client) string) load {
	return load{name, m.server, m.plan.clients, func(c *client) error {
		_, err := expect(http.StatusOK)(c.call("GET", path(c), m.token, ""))
		return err
	}}
}

func (m *mailbox) any(c *client) string { return m.read + "/" + m.ids[c.rand.IntN(len(m.ids))] }

// newest is one of the newest hundred, as clients ask for them most.
func (m *mailbox) newest(c *client) string {
	return m.read + "/" + m.ids[len(m.ids)-1-c.rand.IntN(min(100, len(m.ids)))]
}

func (m *mailbox) create(clients int) func(name string) load {
	return func(name string) load {
		return load{name, m.server, clients, func(c *client) error {
			_, err := expect(http.StatusCreated)(c.call("POST", m.write, m.token, newTask(m.made.Add(1), "notStarted")))
			return err
		}}
	}
}

// patch is a load of writes to tasks; the body is of a number and an importance.
func (m *mailbox) patch(name, body string) load {
	return load{name, m.server, m.plan.clients, func(c *client) error {
		n := m.made.Add(1)
		body := fmt.Sprintf(body, n, []string{"low", "normal", "high"}[n%3])
		_, err := expect(http.StatusOK)(c.call("PATCH", m.any(c), m.token, body))
		return err
	}}
}

// deltas are loads of a delta round of nothing, and of one of ten changes, which
// are made now.
func (m *mailbox) deltas(ctx context.Context) (none, ten load, err error) {
	c, err := dial(ctx, m.server.address)
	if err != nil {
		return none, ten, err
	}
	defer c.conn.Close()
	link := func() (string, error) {
		a, err := expect(http.StatusOK)(c.call("GET", m.read+"/delta?$deltatoken=latest", m.token, ""))
		if err != nil {
			return "", err
		}
		var page struct {
			Link string `json:"@odata.deltaLink"`
		}
		err = json.Unmarshal(a.body, &page)
		_, path, _ := strings.Cut(page.Link, "localhost")
		return path, err
	}
	before, err := link()
	if err != nil {
		return none, ten, err
	}
	for i := range 10 {
		if _, err := expect(http.StatusOK)(c.call("PATCH", m.read+"/"+m.ids[i*len(m.ids)/10], m.token, `{"importance": "normal"}`)); err != nil {
			return none, ten, err
		}
	}
	after, err := link()
	fixed := func(path string) func(*client) string { return func(*client) string { return path } }
	return m.get(opDelta, fixed(after)), m.get(opDeltaTen, fixed(before)), err
}

func (m *mailbox) page(name, query string) load {
	return m.get(name, func(*client) string { return m.read + query })
}
