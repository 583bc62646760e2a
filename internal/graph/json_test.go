package graph

import (
	"errors"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/duly-todo/duly/internal/todo"
)

func mustParseJSON(t *testing.T, body string) jsonValue {
	t.Helper()
	v, err := parseJSON([]byte(body))
	if err != nil {
		t.Fatalf("parseJSON(%q): %v", body, err)
	}
	return v
}

func TestJSONMember(t *testing.T) {
	t.Parallel()
	v := mustParseJSON(t, `{"Title":"a","K":1,"e@odata.type":"x","TITLE":{"title":"z"},"tITLE":"b","ä":2,"[":3,"":4,"items":[{"title":5}]}`)
	tests := []struct{ name, want string }{
		{"title", `"b"`},
		{"k", "1"},
		{"\u212a", ""}, // the Kelvin sign is no k
		{"E@OData.Type", `"x"`},
		{"ä", "2"},
		{"Ä", ""},
		{"[", "3"},
		{"{", ""},
		{"", "4"},
		{"titl", ""},
		{"ITEMS", `[{"title":5}]`},
	}
	for _, test := range tests {
		member, ok := v.member(test.name)
		if ok != (test.want != "") || ok && member.raw() != test.want {
			t.Errorf("member(%q) = %v, want %q", test.name, ok, test.want)
		}
	}
	items, _ := v.member("items")
	for _, other := range []string{"", "title"} {
		if _, ok := items.member(other); ok {
			t.Errorf("an array has a member %q", other)
		}
	}
	for range v.items() {
		t.Error("an object has items")
	}
	for range items.members() {
		t.Error("an array has members")
	}
	var names []string
	for name := range v.members() {
		if names = append(names, name); len(names) == 4 {
			break
		}
	}
	if diff := cmp.Diff([]string{"Title", "K", "e@odata.type", "TITLE"}, names); diff != "" {
		t.Errorf("members (-want +got):\n%s", diff)
	}
	for i := range items.items() {
		if i == 0 {
			break
		}
	}
}

func TestJSONRaw(t *testing.T) {
	t.Parallel()
	v := mustParseJSON(t, "\ufeff {\"a\": { \"b\" :[1 , 2.50]\n} , \"c\":\"\\u0041\" }")
	a, _ := v.member("a")
	c, _ := v.member("c")
	got := []string{a.raw(), c.raw(), v.raw()}
	want := []string{"{ \"b\" :[1 , 2.50]\n}", `"\u0041"`, "{\"a\": { \"b\" :[1 , 2.50]\n} , \"c\":\"\\u0041\" }"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("raw (-want +got):\n%s", diff)
	}
}

func TestJSONInt32(t *testing.T) {
	t.Parallel()
	zeros := strings.Repeat("0", 500)
	tests := []struct {
		literal string
		want    int32
		ok      bool
	}{
		{"0", 0, true},
		{"-0", 0, true},
		{"0.0e99", 0, true},
		{"0e-99", 0, true},
		{"1", 1, true},
		{"-1", -1, true},
		{"1.0", 1, true},
		{"1e0", 1, true},
		{"10E-1", 1, true},
		{"-1.50e+1", -15, true},
		{"12.30e1", 123, true},
		{"1" + zeros + "e-500", 1, true},
		{"0." + zeros + "1e501", 1, true},
		{"2147483647", 2147483647, true},
		{"2147483647.000", 2147483647, true},
		{"-2147483648", -2147483648, true},
		{"-214748364.8e1", -2147483648, true},
		{"2147483648", 0, false},
		{"-2147483649", 0, false},
		{"1.5", 0, false},
		{"0.1", 0, false},
		{"1e-1", 0, false},
		{"12e-2", 0, false},
		{"1.00000000000000000000000000001", 0, false},
		{"0." + zeros + "1", 0, false},
		{"1e400", 0, false},
		{"1e99999999999999999999", 0, false},
		{"1e-99999999999999999999", 0, false},
		{"1" + zeros, 0, false},
		{`"1"`, 0, false},
		{"true", 0, false},
		{"null", 0, false},
		{"[1]", 0, false},
	}
	for _, test := range tests {
		got, err := mustParseJSON(t, test.literal).int32()
		if got != test.want || (err == nil) != test.ok {
			t.Errorf("int32 of %.40s = %d, %v, want %d, %v", test.literal, got, err, test.want, test.ok)
		}
	}
}

func TestJSONInt64(t *testing.T) {
	t.Parallel()
	tests := []struct {
		literal string
		want    int64
		ok      bool
	}{
		{"9223372036854775807", 1<<63 - 1, true},
		{"9.223372036854775807e18", 1<<63 - 1, true},
		{"-9.223372036854775808E18", -1 << 63, true},
		{"9223372036854775808", 0, false},
		{"9.223372036854775808e18", 0, false},
		{"1e19", 0, false},
		{`"1"`, 0, false},
	}
	for _, test := range tests {
		got, err := mustParseJSON(t, test.literal).int64()
		if (err == nil) != test.ok || test.ok && got != test.want {
			t.Errorf("int64 of %s = %d, %v, want %d, %v", test.literal, got, err, test.want, test.ok)
		}
	}
}

func TestJSONMismatch(t *testing.T) {
	t.Parallel()
	// at follows names and, for arrays, numbers to the value to be read.
	at := func(v jsonValue, steps ...string) jsonValue {
		for _, step := range steps {
			next, ok := v.member(step)
			for i, item := range v.items() {
				if strconv.Itoa(i) == step {
					next, ok = item, true
				}
			}
			if !ok {
				t.Fatalf("no %q", step)
			}
			v = next
		}
		return v
	}
	body := "\ufeff{\"title\": 7, \"ü\": {\"Range\": {\"startDate\": \"2020-11-02\"}},\n" +
		" \"items\": [0, {\"name\": [\n1, 2]}, \"" + strings.Repeat("ä", 70) + "\"], \"@odata.type\": null, \"\": true}"
	v := mustParseJSON(t, body)
	second := func(_ any, err error) error { return err }
	tests := []struct {
		name, target, want string
		err                error
	}{
		{
			"number for a string", "title",
			`Invalid JSON, Error converting value 7 to type 'Edm.String'. Path 'title', line 1, position 11.`,
			second(at(v, "title").str()),
		},
		{
			"date", "ü.Range.startDate",
			`Invalid JSON, Error converting value "2020-11-02" to type 'Edm.Date'. Path 'ü.Range.startDate', line 1, position 54.`,
			at(v, "ü", "range", "startdate").mismatch("Edm.Date"),
		},
		{
			"object for a number", "ü",
			`Invalid JSON, Error converting value {"Range": {"startDate": "2020-11-02"}} to type 'Edm.Int32'. Path 'ü', line 1, position 19.`,
			second(at(v, "ü").int32()),
		},
		{
			"array for a boolean", "items[1].name",
			"Invalid JSON, Error converting value [\n1, 2] to type 'Edm.Boolean'. Path 'items[1].name', line 2, position 24.",
			second(at(v, "items", "1", "name").boolean()),
		},
		{
			"within an array on the next line", "items[1].name[1]",
			`Invalid JSON, Error converting value 2 to type 'Edm.Int64'. Path 'items[1].name[1]', line 3, position 4.`,
			func() error {
				_, err := at(v, "items", "1", "name", "1").object("x")
				if err == nil {
					t.Error("a number is an object")
				}
				return at(v, "items", "1", "name", "1").mismatch("Edm.Int64")
			}(),
		},
		{
			"long value", "items[2]",
			`Invalid JSON, Error converting value "` + strings.Repeat("ä", 59) + `… to type 'microsoft.graph.checklistItem'. Path 'items[2]', line 3, position 80.`,
			second(at(v, "items", "2").object("microsoft.graph.checklistItem")),
		},
		{
			"name with a point", "['@odata.type']",
			`Invalid JSON, Error converting value null to type 'Edm.String'. Path '['@odata.type']', line 3, position 102.`,
			second(at(v, "@odata.type").str()),
		},
		{
			"empty name", "['']",
			`Invalid JSON, Error converting value true to type 'Collection(Edm.String)'. Path '['']', line 3, position 112.`,
			second(at(v, "").array("Collection(Edm.String)")),
		},
		{
			"whole body", "",
			`Invalid JSON, Error converting value {"title": 7, "ü": {"Range": {"startDate": "2020-11-02"}},` + "\n" + ` "… to type 'Collection(Edm.String)'. Path '', line 1, position 1.`,
			second(v.array("Collection(Edm.String)")),
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			want := &todo.Error{Kind: todo.Malformed, Target: test.target, Message: test.want}
			var got *todo.Error
			if !errors.As(test.err, &got) {
				t.Fatalf("%v is no *todo.Error", test.err)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("error (-want +got):\n%s", diff)
			}
		})
	}
	if _, err := v.object("x"); err != nil {
		t.Error(err)
	}
	if _, err := at(v, "items").array("x"); err != nil {
		t.Error(err)
	}
	if !at(v, "@odata.type").isNull() || at(v, "title").isNull() {
		t.Error("isNull is wrong")
	}
}
