package odata_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"io/fs"
	"net/url"
	"os"
	"strings"
	"testing"

	"github.com/duly-todo/duly/internal/odata"
)

// TestWild reads the query options that well-known clients send. The collection
// of them is not part of the project.
func TestWild(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../../shared/spec/wild.jsonl")
	if errors.Is(err, fs.ErrNotExist) {
		t.Skip("the collection of clients' requests is not here")
	}
	if err != nil {
		t.Fatal(err)
	}
	// What clients ask for that To Do has not: Graph refuses it as well.
	unknown := map[string]string{
		"id,title,status,importance,body,createdDateTime,dueDateTime,webLink": "webLink",
		"parentFolder": "parentFolder",
	}
	counts := map[string]int{}
	for lines := bufio.NewScanner(bytes.NewReader(text)); lines.Scan(); {
		var call struct{ URL string }
		if err := json.Unmarshal(lines.Bytes(), &call); err != nil {
			t.Fatal(err)
		}
		for name, value := range wildOptions(t, call.URL) {
			aliases := map[string]string{"@term": "'x'"}
			var err error
			s := taskSchema()
			if path, _, _ := strings.Cut(call.URL, "?"); strings.HasSuffix(path, "/lists") {
				s = listSchema()
			}
			switch name {
			case "$filter":
				_, err = odata.ParseFilter(value, s, aliases)
			case "$orderby":
				_, err = odata.ParseOrderBy(value, s)
			case "$select":
				_, err = odata.ParseSelect(value, s)
			case "$expand":
				_, err = odata.ParseExpand(value, s, aliases)
			default:
				continue
			}
			counts[name]++
			switch missing := unknown[value]; {
			case missing == "" && err != nil:
				t.Errorf("%s: %v", call.URL, err)
			case missing != "" && (err == nil || !strings.Contains(err.Error(), "'"+missing+"'")):
				t.Errorf("%s: got %v, want an error that names %s", call.URL, err, missing)
			}
		}
	}
	t.Logf("read %v", counts)
	if counts["$filter"] == 0 {
		t.Error("there was no filter")
	}
}

// wildOptions are the options of a URL, with something in the place of what the
// collection leaves open.
func wildOptions(t *testing.T, address string) map[string]string {
	t.Helper()
	_, query, _ := strings.Cut(address, "?")
	query = strings.NewReplacer("{since}", "2026-01-01T00:00:00Z", "{filter}", "status ne 'completed'", "{f}", "status ne 'completed'", "{props}", "id,title").Replace(query)
	options := map[string]string{}
	for pair := range strings.SplitSeq(query, "&") {
		name, value, _ := strings.Cut(pair, "=")
		name, err := url.QueryUnescape(name)
		if err != nil {
			t.Fatal(err)
		}
		if options[name], err = url.QueryUnescape(value); err != nil {
			t.Fatal(err)
		}
	}
	return options
}
