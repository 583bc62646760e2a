package duly_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestDeltaFollowsWriters has writers that create, change and delete tasks of a
// list, and readers that follow delta from page to page and from round to round
// meanwhile. When the writers have ended and the readers have caught up, each
// reader's copy must equal the list.
func TestDeltaFollowsWriters(t *testing.T) {
	t.Parallel()
	followWriters(t, newCaller(t))
}

func followWriters(t *testing.T, c *caller) {
	t.Helper()
	const writers, writes, readers = 6, 120, 3
	for i := range 30 {
		c.create(fmt.Sprintf(`{"title": "before %d"}`, i))
	}
	stop := make(chan struct{})
	var writing, reading sync.WaitGroup
	for w := range writers {
		writing.Go(func() { c.writeAtRandom(t, rand.New(rand.NewPCG(42, uint64(w))), writes) })
	}
	copies := make([]map[string]string, readers)
	rounds := make([]int, readers)
	for n := range readers {
		reading.Go(func() {
			f := &follower{caller: c, copy: map[string]string{}, link: tasksPath + "/delta", pageSize: 1 + 7*n}
			for {
				select {
				case <-stop:
					f.round(t)
					copies[n], rounds[n] = f.copy, f.rounds
					return
				default:
					f.round(t)
				}
			}
		})
	}
	writing.Wait()
	close(stop)
	reading.Wait()

	want := map[string]string{}
	for next := tasksPath + "?$top=1000"; next != ""; {
		var page deltaPage
		c.get(t, next, &page)
		for _, task := range page.Value {
			want[task.ID] = task.ETag + task.Title
		}
		next = pathOf(page.Next)
	}
	for n, got := range copies {
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("reader %d (-list +copy):\n%s", n, diff)
		}
	}
	t.Logf("%d writes by %d writers; the readers made %v rounds and end with %d tasks", writers*writes, writers, rounds, len(want))
}

// A follower keeps a copy of a collection by delta.
type follower struct {
	*caller
	copy     map[string]string // etag and title by id
	link     string
	pageSize int
	rounds   int
}

type deltaPage struct {
	Value []struct {
		ID      string
		Title   string
		ETag    string          `json:"@odata.etag"`
		Removed json.RawMessage `json:"@removed"`
	}
	Next  string `json:"@odata.nextLink"`
	Delta string `json:"@odata.deltaLink"`
}

// round follows the links until the next deltaLink.
func (f *follower) round(t *testing.T) {
	f.rounds++
	for {
		var page deltaPage
		f.get(t, f.link, &page, "Prefer", fmt.Sprintf("odata.maxpagesize=%d", f.pageSize))
		for _, task := range page.Value {
			if task.Removed == nil {
				f.copy[task.ID] = task.ETag + task.Title
			} else {
				delete(f.copy, task.ID)
			}
		}
		if page.Delta != "" {
			f.link = pathOf(page.Delta)
			return
		}
		f.link = pathOf(page.Next)
	}
}

// writeAtRandom creates, changes and deletes tasks of its own.
func (c *caller) writeAtRandom(t *testing.T, r *rand.Rand, writes int) {
	var mine []string
	for n := range writes {
		switch k := r.IntN(10); {
		case k < 4 || len(mine) == 0:
			mine = append(mine, c.create(fmt.Sprintf(`{"title": "task %d"}`, n)))
		case k < 7:
			c.call("PATCH", mine[r.IntN(len(mine))], fmt.Sprintf(`{"title": "changed %d"}`, n), 200)
		case k < 8:
			c.call("POST", mine[r.IntN(len(mine))]+"/checklistItems", `{"displayName": "step"}`, 201)
		default:
			i := r.IntN(len(mine))
			c.call("DELETE", mine[i], "", 204)
			mine = append(mine[:i], mine[i+1:]...)
		}
	}
}

// get reads JSON from a path below the server.
func (c *caller) get(t *testing.T, path string, into any, header ...string) {
	t.Helper()
	w := c.callWith("GET", path, "", 200, header...)
	if err := json.Unmarshal(w.Body.Bytes(), into); err != nil {
		t.Errorf("GET %s: %v", path, err)
	}
}

// pathOf takes scheme and host off a link.
func pathOf(link string) string {
	_, rest, ok := strings.Cut(link, "://")
	if !ok {
		return link
	}
	_, path, _ := strings.Cut(rest, "/")
	return "/" + path
}

// BenchmarkDelta measures a delta call with ten changes, on lists of two sizes.
func BenchmarkDelta(b *testing.B) {
	for _, size := range []int{1_000, 100_000} {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			c := newCaller(b)
			c.fill(b, size, func(i int) string { return fmt.Sprintf(`{"title": "Task %d"}`, i) })
			var page deltaPage
			w := c.call("GET", tasksPath+"/delta?$deltatoken=latest", "", 200)
			if err := json.Unmarshal(w.Body.Bytes(), &page); err != nil {
				b.Fatal(err)
			}
			link := pathOf(page.Delta)
			for i := range 10 {
				c.create(fmt.Sprintf(`{"title": "new %d"}`, i))
			}
			for b.Loop() {
				c.call("GET", link, "", 200)
			}
		})
	}
}
