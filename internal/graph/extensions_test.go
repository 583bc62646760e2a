package graph_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/duly-todo/duly"
)

// TestExtensionLimits has the largest extension and the most of them that a task
// and a list hold, and one more.
func TestExtensionLimits(t *testing.T) {
	t.Parallel()
	for _, parent := range []string{"/v1.0/me/todo/lists/Tasks", ""} {
		t.Run(parent, func(t *testing.T) {
			t.Parallel()
			m := newMailbox(t, duly.Config{})
			parent := parent
			if parent == "" {
				made := m.post(`{"title": "x"}`)
				wantStatus(t, made, 201)
				parent = strings.TrimPrefix(made.Header().Get("Location"), "http://duly.test")
			}
			put := func(name, data string) string { return fmt.Sprintf(`{"extensionName": %q, "a": %q}`, name, data) }
			largest := 65_536 - len(`{"a":""}`)
			wantStatus(t, m.do("POST", parent+"/extensions", strings.NewReader(put("0", strings.Repeat("x", largest)))), 201)
			for i := range 31 {
				wantStatus(t, m.do("POST", parent+"/extensions", strings.NewReader(put(fmt.Sprint(i+1), ""))), 201)
			}
			before := m.do("GET", parent, nil).Header().Get("ETag")
			wantError(t, m.do("POST", parent+"/extensions", strings.NewReader(put("33", ""))), 400, "invalidRequest", "extensions")
			wantError(t, m.do("POST", parent+"/extensions", strings.NewReader(put("0", strings.Repeat("x", largest+1)))), 400, "invalidRequest", "65536")
			wantError(t, m.do("PATCH", parent+"/extensions/0", strings.NewReader(put("0", strings.Repeat("x", largest+1)))), 400, "invalidRequest", "65536")
			if after := m.do("GET", parent, nil).Header().Get("ETag"); after != before || after == "" {
				t.Errorf("what is refused moves the etag from %s to %s", before, after)
			}
			wantStatus(t, m.do("POST", parent+"/extensions", strings.NewReader(put("31", "again"))), 201)
		})
	}
}

// TestDeepExtension keeps the deepest document that a body may hold, and shows it
// within its task.
func TestDeepExtension(t *testing.T) {
	t.Parallel()
	m := newMailbox(t, duly.Config{})
	made := m.post(`{"title": "x"}`)
	wantStatus(t, made, 201)
	task := strings.TrimPrefix(made.Header().Get("Location"), "http://duly.test")
	deep := func(n int) string {
		return `{"extensionName": "x", "a": ` + strings.Repeat("[", n) + strings.Repeat("]", n) + `}`
	}
	wantStatus(t, m.do("POST", task+"/extensions", strings.NewReader(deep(31))), 201)
	wantError(t, m.do("POST", task+"/extensions", strings.NewReader(deep(32))), 400, "InvalidModel", "levels")
	w := m.do("GET", task+"?$select=id&$expand=extensions", nil)
	wantStatus(t, w, 200)
	var got map[string]any
	if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil || got["title"] != nil || !strings.Contains(w.Body.String(), strings.Repeat("[", 31)) {
		t.Errorf("%v %s", err, w.Body)
	}
}

// TestManyMembers sends as many members as a body has room for, all of a name
// or each of its own: none takes long.
func TestManyMembers(t *testing.T) {
	t.Parallel()
	m := newMailbox(t, duly.Config{})
	body := func(name func(int) string) string {
		var b strings.Builder
		b.WriteString(`{"extensionName": "x"`)
		for i := range 150_000 {
			fmt.Fprintf(&b, `,"%s": 1`, name(i))
		}
		return b.String() + "}"
	}
	same := body(func(i int) string { return []string{"a", "A"}[i%2] })
	wantStatus(t, m.do("POST", "/v1.0/me/todo/lists/Tasks/extensions", strings.NewReader(same)), 201)
	wantError(t, m.do("POST", "/v1.0/me/todo/lists/Tasks/extensions", strings.NewReader(body(func(i int) string { return fmt.Sprint(i) }))), 400, "invalidRequest", "65536")
}
