package graph

import (
	"strings"
	"testing"
	"time"

	"github.com/duly-todo/duly/internal/odata"
	"github.com/duly-todo/duly/internal/todo"
)

// countingIDs makes ids for rules that need them.
type countingIDs struct{}

func (countingIDs) NewID() string   { return "id" }
func (countingIDs) NewGUID() string { return "guid" }

// FuzzDecodeTask feeds bodies to the decoder and the rules: nothing panics, every
// refusal names what is wrong, and what is accepted can be written and read back
// as the same task.
func FuzzDecodeTask(f *testing.F) {
	for _, seed := range []string{
		`{"title":"Milk"}`, `{"title":null}`, `[]`, `{"title":"x","status":"completed","completedDateTime":{"dateTime":"2026-01-01","timeZone":"UTC"}}`,
		`{"title":"x","dueDateTime":{"dateTime":"2026-09-24T00:00:00","timeZone":"Europe/London"},"recurrence":{"pattern":{"type":"weekly","interval":2,"daysOfWeek":["monday"]},"range":{"type":"numbered","startDate":"2026-09-24","numberOfOccurrences":3}}}`,
		`{"title":"x","checklistItems":[{"displayName":"a","isChecked":true}],"linkedResources":[{"applicationName":"m","webUrl":"http:://x"}],"extensions":[{"extensionName":"a.b","n":3,"s":"x"}]}`,
		`{"title":"x","body":{"content":"<p>a</p>","contentType":"html"},"categories":["Red"],"importance":"HIGH","reminderDateTime":{"dateTime":"2026-01-01T10:00:00Z"}}`,
	} {
		f.Add(seed)
	}
	now := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	f.Fuzz(func(t *testing.T, body string) {
		v, err := parseJSON([]byte(body))
		if err != nil {
			return
		}
		patch, err := decodeTask(v)
		if err != nil {
			requireMessage(t, err)
			return
		}
		if _, err := (Profile{}).decodeChildren(v); err != nil {
			requireMessage(t, err)
		}
		task, err := todo.NewTask("id", "list", patch, now)
		if err != nil {
			requireMessage(t, err)
			return
		}
		if _, _, err := task.Apply(todo.TaskPatch{Status: todo.Some(todo.Completed)}, now, countingIDs{}); err != nil {
			t.Fatalf("completing %s: %v", body, err)
		}
		written := writeTask(&task)
		again, err := parseJSON(written)
		if err != nil {
			t.Fatalf("the answer %s is not JSON: %v", written, err)
		}
		patch2, err := decodeTask(again)
		if err != nil {
			t.Fatalf("the answer %s cannot be sent back: %v", written, err)
		}
		task2, _, err := task.Apply(patch2, now, countingIDs{})
		if err != nil {
			t.Fatalf("the answer %s cannot be sent back: %v", written, err)
		}
		task2.ReminderOn = task.ReminderOn
		if second := writeTask(&task2); task.Body.Type == todo.Text && string(second) != string(written) {
			t.Fatalf("sent back, %s became %s", written, second)
		}
	})
}

// writeTask is the answer with a task.
func writeTask(task *todo.Task) []byte {
	e := &encoder{r: &request{base: "http://duly.test", version: "v1.0"}, b: []byte{'{'}}
	e.task(task, "tasks")
	return append(e.b, '}')
}

func requireMessage(t *testing.T, err error) {
	t.Helper()
	e, ok := err.(*todo.Error)
	if !ok || e.Message == "" || form(e.Kind).status/100 != 4 && e.Kind != todo.NotImplemented {
		t.Fatalf("%#v is no answer for a client", err)
	}
}

func FuzzPrefer(f *testing.F) {
	f.Add(`outlook.timezone="Pacific Standard Time", return=minimal`)
	f.Add(`odata.maxpagesize=10;IdType="ImmutableId"`)
	f.Add(`outlook.timezone="a,b", outlook.body-content-type="html"`)
	f.Add(`"`)
	f.Fuzz(func(t *testing.T, header string) {
		p, err := parsePrefer([]string{header})
		if err != nil {
			requireMessage(t, err)
		} else if (p.zone == nil) != (p.zoneName == "") && p.zoneName != "" {
			t.Errorf("%q: zone %v is named %q", header, p.zone, p.zoneName)
		}
	})
}

func FuzzQuery(f *testing.F) {
	f.Add("$top=5&$skip=3&x=y")
	f.Add("%24top=5&SKIP=%33&$expand=checklistItems,linkedResources")
	f.Add("$filter=a&&=&%zz")
	f.Fuzz(func(t *testing.T, raw string) {
		q, err := parseQuery(raw)
		if err != nil {
			requireMessage(t, err)
			return
		}
		r := &request{base: "http://duly.test", version: "v1.0", match: match{path: "/me/todo/lists"}, query: q}
		next := r.nextLink(7, "")
		_, query, _ := strings.Cut(next, "?")
		again, err := parseQuery(query)
		if err != nil || again.skip != 7 || again.top != q.top {
			t.Errorf("the link %s of %q gives top %d, skip %d, %v", next, raw, again.top, again.skip, err)
		}
	})
}

func FuzzETag(f *testing.F) {
	e := odata.NewETag(3, time.UnixMicro(1_700_000_000_000_000))
	f.Add(e.String())
	f.Add(e.String() + ", " + odata.NewETag(4, time.UnixMicro(1)).String())
	f.Add(`"garbage"`)
	f.Add(`W/"`)
	f.Fuzz(func(t *testing.T, header string) {
		ok, err := e.Matches(header)
		if ok && !strings.Contains(header, e.String()[3:27]) {
			t.Errorf("%q matches %s", header, e)
		}
		if err != nil {
			requireMessage(t, err)
		}
	})
}

func FuzzLinkedResourceID(f *testing.F) {
	f.Add("http://duly.test/beta/linkedResources/f9cddce2-dce2-49cd-a2dc-cdf9e2dccdf9")
	f.Add("linkedResources('f9cddce2-dce2-49cd-a2dc-cdf9e2dccdf9')")
	f.Add("::%")
	f.Fuzz(func(t *testing.T, address string) {
		id, err := linkedResourceID(address)
		if err != nil {
			requireMessage(t, err)
		} else if len(id) != 36 || id != strings.ToLower(id) {
			t.Errorf("%q gives the id %q", address, id)
		}
	})
}

// FuzzDecodeExtension feeds bodies to the decoder of extensions: what is accepted
// is written as an object that, sent back, is the same extension, and an integer
// has its type.
func FuzzDecodeExtension(f *testing.F) {
	f.Add(`{"extensionName":"a.b","n":3,"N":4,"s":"x","a@odata.type":"#Collection(String)","a":["x"],"none":null}`)
	f.Add(`{"extensionName":"microsoft.graph.openTypeExtension.x","@odata.type":"openTypeExtension","deep":{"er":[{}]}}`)
	f.Add(`{"\u212a":1,"k":2,"id":"x","@odata.id":"y","@x.y":1,"x@y":1,"":1}`)
	f.Fuzz(func(t *testing.T, body string) {
		v, err := parseJSON([]byte(body))
		if err != nil {
			return
		}
		for _, p := range profiles() {
			x, err := p.decodeExtension(v)
			if err != nil {
				requireMessage(t, err)
				continue
			}
			held, err := todo.PutExtension(nil, x)
			if err != nil {
				requireMessage(t, err)
				continue
			}
			e := &encoder{r: &request{}, b: []byte{'{'}}
			e.extension(held[0])
			again, err := parseOwnJSON(append(e.b, '}'))
			if err != nil {
				t.Fatalf("%s becomes %s: %v", body, e.b, err)
			}
			back, err := p.decodeExtension(again)
			if err != nil || back != x {
				t.Fatalf("%s becomes %s, and sent back %+v (%v)", body, e.b, back, err)
			}
			for name, member := range again.members() {
				if _, typed := again.member(name + "@odata.type"); isInteger(member) && !typed && name != "" && !strings.Contains(name, "@") {
					t.Fatalf("%s becomes %s, where %q has no type", body, e.b, name)
				}
			}
		}
	})
}
