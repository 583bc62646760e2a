package duly_test

import (
	"encoding/base64"
	"encoding/binary"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/anishathalye/porcupine"
)

// The histories of this test are checked against two models. In one, each task is a
// register with an etag, read by GET and by who follows delta. In the other, the
// mailbox is a map that each write gives its next version, and a page is all of it at
// one moment. Tasks have names of their own, with which their titles begin.

// A step is what a client has asked for, and what it was told.
type step struct {
	op      string // create, patch, delete, read, page
	task    string
	title   string // to be written
	ifMatch string // an etag, or none

	known  bool // there was an answer
	status int
	got    seen            // of the task, if it is there
	all    map[string]seen // of a page, by task
}

// A seen is a task as a client sees it.
type seen struct{ title, etag string }

func (s seen) version() int64 {
	b, err := base64.StdEncoding.DecodeString(strings.TrimSuffix(strings.TrimPrefix(s.etag, `W/"`), `"`))
	if err != nil || len(b) < 8 {
		return -1
	}
	return int64(binary.BigEndian.Uint64(b))
}

// A register is a task. The etag of a write without an answer is empty until
// somebody sees it.
type register struct {
	seen
	there   bool
	version int64 // the highest that is known
}

// bind takes in what was seen of the task as it is, and says whether it can be.
func (r register) bind(got seen) (register, bool) {
	if !r.there || r.title != got.title || r.etag != "" && r.etag != got.etag {
		return r, false
	}
	if r.etag == "" {
		if got.version() <= r.version {
			return r, false
		}
		r.etag, r.version = got.etag, got.version()
	}
	return r, true
}

// write makes the next state of the task by a write that was answered, or was not.
func (r register) write(s step) (register, bool) {
	next := register{seen: seen{title: s.title}, there: true, version: r.version}
	if !s.known {
		return next, true
	}
	return next.bind(s.got)
}

func (r register) step(s step) (register, bool) {
	ok := s.status/100 == 2
	switch s.op {
	case "create":
		if r.there {
			return r, false
		}
		return r.write(s)
	case "read":
		if ok {
			return r.bind(s.got)
		}
		return r, !r.there
	case "delete":
		if s.known && ok != r.there {
			return r, false
		}
		return register{version: r.version}, true
	}
	matches := s.ifMatch == "" || s.ifMatch == r.etag
	switch {
	case !s.known && r.there && matches, ok && r.there && matches:
		return r.write(s)
	case !s.known, s.status == 404 && !r.there:
		return r, true
	case s.status == 412:
		return r, r.there && !matches
	}
	return r, false
}

var taskModel = porcupine.Model{
	Partition: func(history []porcupine.Operation) [][]porcupine.Operation {
		byTask := map[string][]porcupine.Operation{}
		for _, o := range history {
			if s := o.Input.(step); s.op != "page" {
				byTask[s.task] = append(byTask[s.task], o)
			}
		}
		return slices.Collect(maps.Values(byTask))
	},
	Init: func() any { return register{} },
	Step: func(state, input, output any) (bool, any) {
		next, ok := state.(register).step(output.(step))
		return ok, next
	},
}

// A box is a mailbox: the version of each task, of which -1 is not known.
type box struct {
	last  int64
	tasks map[string]int64
}

func (b box) step(s step) (box, bool) {
	if s.op == "page" {
		return b.page(s.all)
	}
	if s.known && s.status/100 != 2 {
		return b, true // which the other model judges
	}
	b.tasks = maps.Clone(b.tasks)
	switch version := s.got.version(); {
	case s.op == "delete":
		delete(b.tasks, s.task)
	case !s.known:
		if _, there := b.tasks[s.task]; there || s.op == "create" {
			b.tasks[s.task] = -1
		}
	case version <= b.last:
		return b, false
	default:
		b.last, b.tasks[s.task] = version, version
	}
	return b, true
}

// page compares a page with all tasks.
func (b box) page(all map[string]seen) (box, bool) {
	if len(all) != len(b.tasks) {
		return b, false
	}
	tasks := maps.Clone(b.tasks)
	for name, got := range all {
		known, there := b.tasks[name]
		if !there || known >= 0 && known != got.version() {
			return b, false
		}
		tasks[name], b.last = got.version(), max(b.last, got.version())
	}
	b.tasks = tasks
	return b, true
}

var boxModel = porcupine.Model{
	Partition: func(history []porcupine.Operation) [][]porcupine.Operation {
		return [][]porcupine.Operation{resolve(history)}
	},
	Init: func() any { return box{tasks: map[string]int64{}} },
	Step: func(state, input, output any) (bool, any) {
		next, ok := state.(box).step(output.(step))
		return ok, next
	},
	Equal: func(a, b any) bool {
		return a.(box).last == b.(box).last && maps.Equal(a.(box).tasks, b.(box).tasks)
	},
}

// resolve is a history of the mailbox: without the reads of single tasks, and with
// what they tell of the writes without an answer. One whose title somebody has seen was
// done, with the etag that was seen; one whose title nobody has seen changes nothing of
// what was seen.
func resolve(history []porcupine.Operation) (out []porcupine.Operation) {
	titles := map[string]seen{}
	for _, o := range history {
		s := o.Input.(step)
		titles[s.got.title] = s.got
		for _, got := range s.all {
			titles[got.title] = got
		}
	}
	for _, o := range history {
		s := o.Input.(step)
		if !s.known && s.op != "delete" {
			if s.got = titles[s.title]; s.got.etag == "" {
				continue
			}
			s.known, s.status = true, 200
			o.Input, o.Output = s, s
		}
		if s.op != "read" {
			out = append(out, o)
		}
	}
	return out
}

// TestModels has the models judge short histories: a check that never says no
// would prove nothing.
func TestModels(t *testing.T) {
	t.Parallel()
	tag := func(version int64) string {
		return `W/"` + base64.StdEncoding.EncodeToString(binary.BigEndian.AppendUint64(nil, uint64(version))) + `"`
	}
	is := func(title string, version int64) seen { return seen{title, tag(version)} }
	create := step{op: "create", task: "a", title: "a0", known: true, status: 201, got: is("a0", 1)}
	patch := step{op: "patch", task: "a", title: "a1", known: true, status: 200, got: is("a1", 2)}
	matching := func(title string, version int64) step {
		return step{op: "patch", task: "a", title: title, ifMatch: tag(1), known: true, status: 200, got: is(title, version)}
	}
	read := func(got seen) step { return step{op: "read", task: "a", known: true, status: 200, got: got} }
	other := step{op: "create", task: "b", title: "b0", known: true, status: 201, got: is("b0", 2)}
	page := func(all map[string]seen) step { return step{op: "page", known: true, all: all} }
	unknown := step{op: "patch", task: "a", title: "a1"}
	gone := step{op: "delete", task: "a", known: true, status: 204}
	for name, c := range map[string]struct {
		history  []step
		together bool // all at once, and not one after the other
		want     bool
	}{
		"a read":                             {[]step{create, patch, read(is("a1", 2))}, false, true},
		"a stale read":                       {[]step{create, patch, read(is("a0", 1))}, false, false},
		"a read meanwhile":                   {[]step{create, patch, read(is("a0", 1))}, true, true},
		"a title with another's etag":        {[]step{create, patch, read(is("a1", 1))}, true, false},
		"a task that is not there":           {[]step{create, {op: "read", task: "a", known: true, status: 404}}, false, false},
		"a lost update":                      {[]step{create, matching("a1", 2), matching("a2", 3)}, true, false},
		"a refused update":                   {[]step{create, matching("a1", 2), {op: "patch", task: "a", title: "a2", ifMatch: tag(1), known: true, status: 412}}, false, true},
		"refused for nothing":                {[]step{create, {op: "patch", task: "a", title: "a2", ifMatch: tag(1), known: true, status: 412}}, false, false},
		"removed":                            {[]step{create, gone, {op: "patch", task: "a", title: "a2", known: true, status: 404}}, false, true},
		"removed and seen":                   {[]step{create, gone, read(is("a0", 1))}, false, false},
		"removed twice":                      {[]step{create, gone, gone}, true, false},
		"versions out of order":              {[]step{patch, create}, false, false},
		"versions of tasks out of order":     {[]step{other, create}, false, false},
		"versions of tasks at once":          {[]step{other, create}, true, true},
		"a page":                             {[]step{create, other, page(map[string]seen{"a": is("a0", 1), "b": is("b0", 2)})}, false, true},
		"a page that misses a task":          {[]step{create, other, page(map[string]seen{"a": is("a0", 1)})}, false, false},
		"a page of the future without past":  {[]step{create, other, page(map[string]seen{"b": is("b0", 2)})}, true, false},
		"without an answer, done":            {[]step{create, unknown, read(is("a1", 5))}, true, true},
		"without an answer, not done":        {[]step{create, unknown, read(is("a0", 1))}, true, true},
		"without an answer, done and undone": {[]step{create, read(is("a1", 5)), read(is("a0", 1)), unknown}, false, false},
	} {
		var history []porcupine.Operation
		for i, s := range c.history {
			o := porcupine.Operation{ClientId: i, Input: s, Output: s, Call: int64(10 * i), Return: int64(10*i + 5)}
			if c.together {
				o.Call, o.Return = int64(i), 1000
			}
			history = append(history, o)
		}
		if got := porcupine.CheckOperations(taskModel, history) && porcupine.CheckOperations(boxModel, history); got != c.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}
