//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"
)

// The operations, by the names that are printed.
const (
	opFixed    = "net/http, 700 bytes"
	opGet      = "GET a task"
	opPage     = "page of 100"
	opFiltered = "page of 100 open ones"
	opDelta    = "delta of nothing"
	opDeltaTen = "delta of ten"
	opCreate   = "create"
	opRaw      = "SQLite, same rows"
	opPatch    = "PATCH"
	opTitle    = "PATCH of a title"
	opLone     = "create, one client"
	opSync     = "fdatasync, one loop"
)

const openTasks = "?$top=100&$filter=status%20ne%20'completed'"

// runRatios measures one mailbox beside what bounds it.
func (p plan) runRatios(ctx context.Context) error {
	m, err := p.makeMailbox(ctx, "main", p.tasks)
	if err != nil {
		return err
	}
	if err := m.server.stop(); err != nil {
		return err
	}
	file := filepath.Join(m.data, "duly.db")
	disk, err := megabytes(file)
	if err != nil {
		return err
	}
	binary, err := megabytes(p.binary)
	if err != nil {
		return err
	}
	copied := filepath.Join(p.dir, "raw.db")
	if err := copyFile(copied, file); err != nil {
		return err
	}
	starts, err := m.measureStarts(ctx)
	if err != nil {
		return err
	}
	time.Sleep(3 * time.Second) // for the look for damage, which is no part of idling
	idle, _, err := m.server.memory()
	if err != nil {
		return err
	}
	s, err := m.measureAll(ctx, copied)
	if err != nil {
		return err
	}
	loaded, once, err := m.server.memory()
	if err != nil {
		return err
	}
	s.show(os.Stdout, []string{opFixed, opGet, opDelta, opPage, opFiltered, opDeltaTen, opRaw, opCreate, opPatch, opTitle, opSync, opLone})
	show(os.Stdout, []verdict{
		{"GET a task, rate beside net/http", s.ratio(opGet, opFixed, rate), true, 0.5, ""},
		{"GET a task, CPU beside net/http", s.ratio(opGet, opFixed, cpu), false, 2.2, ""},
		{"page of 100, CPU beside GET a task", s.ratio(opPage, opGet, cpu), false, 8, ""},
		{"delta of nothing, rate beside GET a task", s.ratio(opDelta, opGet, rate), true, 1, ""},
		{"create, rate beside SQLite with the same rows", s.ratio(opCreate, opRaw, rate), true, 0.45, ""},
		{"PATCH, rate beside create", s.ratio(opPatch, opCreate, rate), true, 0.85, ""},
		{fmt.Sprintf("start with %d tasks", p.tasks), starts, false, 50, "ms"},
		{"memory, idle", idle, false, 40, "MB"},
		{"memory, after load, the pages of the file counted once", once, false, 120, "MB"},
		{fmt.Sprintf("file of %d tasks", p.tasks), disk, false, 80, "MB"},
		{"binary", binary, false, 40, "MB"},
	})
	fmt.Printf("memory after load, as ps has it: %.0f MB\n", loaded)
	fmt.Printf("create of one client beside one fdatasync loop: %.2f\n", s.ratio(opLone, opSync, rate))
	return m.server.stop()
}

// measureStarts starts the server a few times, the median of which counts, and
// leaves it running.
func (m *mailbox) measureStarts(ctx context.Context) (float64, error) {
	var took []float64
	for i := range 7 {
		if err := m.open(ctx); err != nil {
			return 0, err
		}
		took = append(took, float64(m.server.started.Microseconds())/1000)
		if i < 6 {
			if err := m.server.stop(); err != nil {
				return 0, err
			}
		}
	}
	return median(took), nil
}

// measureAll measures the operations in turn, round by round.
func (m *mailbox) measureAll(ctx context.Context, raw string) (s samples, err error) {
	p := m.plan
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	fixed, err := start(ctx, self, "fixed")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, fixed.stop()) }()
	writer, err := newRawWriter(raw)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, writer.close()) }()
	s = samples{}
	for range p.rounds {
		none, ten, err := m.deltas(ctx)
		if err != nil {
			return nil, err
		}
		bare := load{opFixed, fixed, p.clients, func(c *client) error {
			_, err := c.call("GET", m.newest(c), m.token, "")
			return err
		}}
		for _, l := range []load{bare, m.get(opGet, m.any), none, m.page(opPage, "?$top=100"), m.page(opFiltered, openTasks), ten,
			m.create(p.clients)(opCreate), m.patch(opPatch, `{"status": "completed", "importance": "%[2]s"}`), m.patch(opTitle, `{"title": "Call number %[1]d about the offer"}`), m.create(1)(opLone)} {
			x, err := l.measure(ctx, p.each)
			if err != nil {
				return nil, err
			}
			s[l.name] = append(s[l.name], x)
			if l.name == opCreate {
				if x, err = writer.measure(p.clients, p.each); err != nil {
					return nil, err
				}
				s[opRaw] = append(s[opRaw], x)
			}
		}
		x, err := measureSync(p.dir, p.each)
		if err != nil {
			return nil, err
		}
		s[opSync] = append(s[opSync], x)
	}
	return s, nil
}

func megabytes(file string) (float64, error) {
	info, err := os.Stat(file)
	if err != nil {
		return 0, err
	}
	return float64(info.Size()) / 1e6, nil
}

func copyFile(to, from string) (err error) {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, in.Close()) }()
	out, err := os.Create(to)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Close())
}
