package graph

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/duly-todo/duly/internal/todo"
)

const taskBody = `{"title":"Buy milk \u0026 bread","importance":"high","body":{"content":"two litres\r\n","contentType":"text"},` +
	`"dueDateTime":{"dateTime":"2026-11-20T00:00:00.0000000","timeZone":"UTC"},"categories":["Home","Errands"],` +
	`"recurrence":{"pattern":{"type":"weekly","interval":2},"range":{"type":"noEnd","startDate":"2026-11-20"}}}`

// jsonTree is the value as encoding/json gives it with UseNumber.
func jsonTree(v jsonValue) any {
	switch v.kind() {
	case jsonObject:
		m := map[string]any{}
		for name, member := range v.members() {
			m[name] = jsonTree(member)
		}
		return m
	case jsonArray:
		a := []any{}
		for _, item := range v.items() {
			a = append(a, jsonTree(item))
		}
		return a
	case jsonString:
		s, _ := v.str()
		return s
	case jsonBool:
		b, _ := v.boolean()
		return b
	case jsonNumber:
		return json.Number(v.raw())
	default:
		return nil
	}
}

func TestParseJSON(t *testing.T) {
	t.Parallel()
	type object = map[string]any
	tests := []struct {
		name, body string
		want       any
	}{
		{"null", "null", nil},
		{"booleans", "[true,false]", []any{true, false}},
		{"white space", " \t\r\n[ \n] \t\r\n", []any{}},
		{"byte-order mark", "\ufeff{}", object{}},
		{"empty object", "{ }", object{}},
		{"members", `{"a" : 1 , "b":{"c":[]}}`, object{"a": json.Number("1"), "b": object{"c": []any{}}}},
		{"numbers", "[0,-0,12,-3.50,1e9,1E+9,0.1e-09]", []any{json.Number("0"), json.Number("-0"), json.Number("12"),
			json.Number("-3.50"), json.Number("1e9"), json.Number("1E+9"), json.Number("0.1e-09")}},
		{"strings", `["","a","ä日😀",""]`, []any{"", "a", "ä日😀", "\x7f"}},
		{"escapes", `["\"\\\/\b\f\n\r\t","\u00e4\uD83D\uDe00x\u0000","a\nb"]`, []any{"\"\\/\b\f\n\r\t", "ä😀x\x00", "a\nb"}},
		{"replacement character", `["\ufffd","` + "\ufffd" + `"]`, []any{"\ufffd", "\ufffd"}},
		{"byte-order mark in a string", `"` + "\ufeff" + `"`, "\ufeff"},
		{"escaped name", `{"\u0061":1}`, object{"a": json.Number("1")}},
		{"the last member wins", `{"a":{"x":1},"a":2,"a":{"y":3}}`, object{"a": object{"y": json.Number("3")}}},
		{"task", taskBody, object{
			"title": "Buy milk & bread", "importance": "high",
			"body":        object{"content": "two litres\r\n", "contentType": "text"},
			"dueDateTime": object{"dateTime": "2026-11-20T00:00:00.0000000", "timeZone": "UTC"},
			"categories":  []any{"Home", "Errands"},
			"recurrence": object{
				"pattern": object{"type": "weekly", "interval": json.Number("2")},
				"range":   object{"type": "noEnd", "startDate": "2026-11-20"},
			},
		}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			v, err := parseJSON([]byte(test.body))
			if err != nil {
				t.Fatalf("parseJSON(%q): %v", test.body, err)
			}
			if diff := cmp.Diff(test.want, jsonTree(v)); diff != "" {
				t.Errorf("parseJSON(%q) (-want +got):\n%s", test.body, diff)
			}
		})
	}
}

func TestParseJSONErrors(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, body, want string }{
		{"nothing", "", ""},
		{"white space only", "\ufeff \r\n", ""},
		{"text", "title=x", `unexpected 't' at line 1, position 1`},
		{"comma at the end of an object", `{"a":1,}`, `unexpected '}' at line 1, position 8`},
		{"comma at the end of an array", "[1,\n2,\n]", `unexpected ']' at line 3, position 1`},
		{"comma alone", "[,]", `unexpected ',' at line 1, position 2`},
		{"comment", `{/* x */}`, `unexpected '/' at line 1, position 2`},
		{"single quotes", `{'a':1}`, `unexpected '\'' at line 1, position 2`},
		{"name without quotes", `{a:1}`, `unexpected 'a' at line 1, position 2`},
		{"no colon", `{"a" 1}`, `unexpected '1' at line 1, position 6`},
		{"no comma", "{\r\n  \"a\": 1\r\n  \"b\": 2}", `unexpected '"' at line 3, position 3`},
		{"object not closed", `{"a":1`, `unexpected end at line 1, position 7`},
		{"value missing", `{"a":`, `unexpected end at line 1, position 6`},
		{"wrong bracket", `{"a":[1}`, `unexpected '}' at line 1, position 8`},
		{"string not closed", `"abc`, `unexpected end at line 1, position 5`},
		{"string not closed after an escape", `"a\nb`, `unexpected end at line 1, position 6`},
		{"line break in a string", "\"a\nb\"", `unexpected '\n' at line 1, position 3`},
		{"control character after an escape", "\"\\n\x01\"", `unexpected '\x01' at line 1, position 4`},
		{"NUL in a string", "\"\x00\"", `unexpected '\x00' at line 1, position 2`},
		{"NUL after an escape", "\"\\\x00\"", `unexpected '\x00' at line 1, position 3`},
		{"NUL as a value", "\x00", `unexpected '\x00' at line 1, position 1`},
		{"escape unknown", `"\x"`, `unexpected 'x' at line 1, position 3`},
		{"escape not finished", `"\`, `unexpected end at line 1, position 3`},
		{"hexadecimal digits", `"\u12g4"`, `unexpected 'g' at line 1, position 6`},
		{"hexadecimal digits missing", `"\u12`, `unexpected end at line 1, position 6`},
		{"high surrogate alone", `"ä\ud800"`, `a surrogate without its other half at line 1, position 3`},
		{"low surrogate alone", `"\udc00"`, `a surrogate without its other half at line 1, position 2`},
		{"high surrogate and no low one", `"\ud800\u0041"`, `a surrogate without its other half at line 1, position 2`},
		{"surrogates the wrong way round", `"\ude00\ud83d"`, `a surrogate without its other half at line 1, position 2`},
		{"surrogate and a broken escape", `"\ud800\u00"`, `unexpected '"' at line 1, position 12`},
		{"leading zero", "01", `unexpected '1' at line 1, position 2`},
		{"leading zero, negative", "-01", `unexpected '1' at line 1, position 3`},
		{"plus", "+1", `unexpected '+' at line 1, position 1`},
		{"minus alone", "-", `unexpected end at line 1, position 2`},
		{"point in front", ".5", `unexpected '.' at line 1, position 1`},
		{"point at the end", "[1.]", `unexpected ']' at line 1, position 4`},
		{"exponent missing", "1e", `unexpected end at line 1, position 3`},
		{"hexadecimal", "0x1", `unexpected 'x' at line 1, position 2`},
		{"NaN", "NaN", `unexpected 'N' at line 1, position 1`},
		{"Infinity", "-Infinity", `unexpected 'I' at line 1, position 2`},
		{"literal in another case", "[True]", `unexpected 'T' at line 1, position 2`},
		{"literal cut", "nul", `unexpected end at line 1, position 4`},
		{"literal misspelt", "[falze]", `unexpected 'z' at line 1, position 5`},
		{"two values", "{} {}", `unexpected '{' at line 1, position 4`},
		{"literals joined", "truefalse", `unexpected 'f' at line 1, position 5`},
		{"byte-order mark within", "[\ufeff]", `unexpected '\ufeff' at line 1, position 2`},
		{"second byte-order mark", "\ufeff\ufeff1", `unexpected '\ufeff' at line 1, position 1`},
		{"white space of Unicode", "[\u00a0]", `unexpected '\u00a0' at line 1, position 2`},
		{"form feed", "\f1", `unexpected '\f' at line 1, position 1`},
		{"invalid UTF-8", "[\n\"ä\ufffd\xff\"]", `invalid UTF-8 at line 2, position 4`},
		{"surrogate as UTF-8", "\"\xed\xa0\x80\"", `invalid UTF-8 at line 1, position 2`},
		{"UTF-16", "\xff\xfe1\x00", `invalid UTF-8 at line 1, position 1`},
		{"too deep", strings.Repeat("[", 33), `more than 32 levels of nesting at line 1, position 33`},
		{"too deep with objects", strings.Repeat(`{"a":[`, 17), `more than 32 levels of nesting at line 1, position 97`},
		{"too many values", "[" + strings.Repeat("1,", maxJSONValues-1) + "1]", `more than 200000 values at line 1, position 400000`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			_, err := parseJSON([]byte(test.body))
			want := &todo.Error{Kind: todo.Malformed, Message: "Unable to read JSON request payload: " + test.want + "."}
			if test.want == "" {
				want.Message = "Empty Payload. JSON content expected."
			}
			var got *todo.Error
			if !errors.As(err, &got) {
				t.Fatalf("parseJSON(%.80q): %v, which is no *todo.Error", test.body, err)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("parseJSON(%.80q) (-want +got):\n%s", test.body, diff)
			}
		})
	}
}

func TestParseJSONAtItsBounds(t *testing.T) {
	t.Parallel()
	for name, body := range map[string]string{
		"deepest":     strings.Repeat("[", maxJSONDepth) + strings.Repeat("]", maxJSONDepth),
		"most values": "[" + strings.Repeat("1,", maxJSONValues-2) + "1]",
	} {
		if _, err := parseJSON([]byte(body)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

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
			`Invalid JSON, Error converting value "2020-11-02" to type 'Edm.Date'. Path 'ü.Range.startDate', line 1, position 55.`,
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
			`Invalid JSON, Error converting value "` + strings.Repeat("ä", 59) + `… to type 'microsoft.graph.checklistItem'. Path 'items[2]', line 3, position 81.`,
			second(at(v, "items", "2").object("microsoft.graph.checklistItem")),
		},
		{
			"name with a point", "['@odata.type']",
			`Invalid JSON, Error converting value null to type 'Edm.String'. Path '['@odata.type']', line 3, position 105.`,
			second(at(v, "@odata.type").str()),
		},
		{
			"empty name", "['']",
			`Invalid JSON, Error converting value true to type 'Collection(Edm.String)'. Path '['']', line 3, position 115.`,
			second(at(v, "").array("Collection(Edm.String)")),
		},
		{
			"whole body", "",
			`Invalid JSON, Error converting value {"title": 7, "ü": {"Range": {"startDate": "2020-11-02"}},` + "\n" + ` "i… to type 'Collection(Edm.String)'. Path '', line 1, position 1.`,
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

// checkAgainstStdlib is the oracle: parseJSON takes what encoding/json takes if
// it is UTF-8 with whole surrogates and within the bounds, and both see the same.
func checkAgainstStdlib(t *testing.T, body []byte) {
	t.Helper()
	v, err := parseJSON(body)
	stripped := bytes.TrimPrefix(body, []byte("\ufeff"))
	ok := json.Valid(stripped) && utf8.Valid(stripped) && surrogatesWhole(stripped) && withinBounds(stripped)
	if (err == nil) != ok {
		t.Fatalf("parseJSON(%q): %v, want success %v", body, err, ok)
	}
	if !ok {
		var e *todo.Error
		if !errors.As(err, &e) || e.Kind != todo.Malformed {
			t.Fatalf("parseJSON(%q): %v is no *todo.Error of kind Malformed", body, err)
		}
		return
	}
	decoder := json.NewDecoder(bytes.NewReader(stripped))
	decoder.UseNumber()
	var want any
	if err := decoder.Decode(&want); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, jsonTree(v)); diff != "" {
		t.Errorf("parseJSON(%q) (-want +got):\n%s", body, diff)
	}
	if raw := v.raw(); raw != string(bytes.Trim(stripped, " \t\r\n")) {
		t.Errorf("parseJSON(%q): raw is %q", body, raw)
	}
}

// surrogatesWhole looks for escaped surrogates without their other half in valid
// JSON, where a backslash occurs in strings only.
func surrogatesWhole(body []byte) bool {
	for i := 0; i < len(body); i++ {
		if body[i] != '\\' {
			continue
		}
		i++
		if body[i] != 'u' {
			continue
		}
		unit, _ := strconv.ParseUint(string(body[i+1:i+5]), 16, 16)
		i += 4
		switch {
		case unit>>10 == 0xdc00>>10:
			return false
		case unit>>10 == 0xd800>>10:
			if i+6 >= len(body) || string(body[i+1:i+3]) != `\u` {
				return false
			}
			if low, _ := strconv.ParseUint(string(body[i+3:i+7]), 16, 16); low>>10 != 0xdc00>>10 {
				return false
			}
			i += 6
		}
	}
	return true
}

func withinBounds(body []byte) bool {
	decoder := json.NewDecoder(bytes.NewReader(body))
	tokens, depth := 0, 0
	for {
		token, err := decoder.Token()
		if err != nil {
			return tokens <= maxJSONValues
		}
		tokens++ // member names too, so no test comes near this bound
		switch token {
		case json.Delim('{'), json.Delim('['):
			if depth++; depth > maxJSONDepth {
				return false
			}
		case json.Delim('}'), json.Delim(']'):
			depth--
		}
	}
}

// TestParseJSONRandom tries documents that are nearly right: valid ones with a
// few bytes changed, taken out, doubled or put in.
func TestParseJSONRandom(t *testing.T) {
	t.Parallel()
	seeds := []string{
		taskBody,
		`{"a":[1,-2.5e+3,true,false,null,"\ud83d\ude00\\\"\/"],"a":{"b":{}} , "A":[]}`,
		" [ [ [ ] ] , { } ,\"ä日😀\" ] ",
		strings.Repeat(`[{"a":`, 16) + "0" + strings.Repeat("}]", 16),
	}
	alphabet := []string{"{", "}", "[", "]", ",", ":", `"`, `\`, `\u`, `\ud83d`, `\ude00`, "0", "1", "-", "+", ".", "e", "true", "null", " ", "\n", "\x00", "\x1f", "\xff", "ä", "\ufeff"}
	r := rand.New(rand.NewPCG(1, 2))
	for range 50_000 {
		body := []byte(seeds[r.IntN(len(seeds))])
		for range 1 + r.IntN(3) {
			i := r.IntN(len(body))
			j := min(i+r.IntN(4), len(body))
			piece := []byte(alphabet[r.IntN(len(alphabet))])
			switch r.IntN(4) {
			case 0:
				piece = nil
			case 1:
				piece = append(bytes.Clone(body[i:j]), body[i:j]...)
			case 2:
				j = i
			}
			body = bytes.Join([][]byte{body[:i], body[j:]}, piece)
			if len(body) == 0 {
				break
			}
		}
		checkAgainstStdlib(t, body)
	}
}

func FuzzParseJSON(f *testing.F) {
	for _, seed := range []string{
		taskBody, "", "null", "\ufeff{}", "[1,-0.5e+10,true,false,null]", `{"a":{"a":1},"A":2,"a":3}`,
		`"\ud83d\ude00\u00e4\"\\\/\b\f\n\r\t"`, `"\ud800"`, `"\udc00x"`, "\"\xff\"", "[1,]", "01", "NaN", "{\"a\":\n}",
		strings.Repeat("[", 32) + strings.Repeat("]", 32), strings.Repeat("[", 33) + strings.Repeat("]", 33),
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(checkAgainstStdlib)
}

func TestAppendJSONString(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, s, want string }{
		{"empty", "", `""`},
		{"plain", "Buy milk", `"Buy milk"`},
		{"escapes", "\"\\/\b\f\n\r\t\x00\x1f\x7f", `"\"\\/\u0008\u000c\n\r\t\u0000\u001f` + "\x7f\""},
		{"markup", "<a href='x'>&", `"<a href='x'>&"`},
		{"beyond ASCII", "ä日😀\u2028\ufffd\ufeff", "\"ä日😀\u2028\ufffd\ufeff\""},
		{"invalid UTF-8", "a\xffb\xc3\xed\xa0\x80", "\"a\ufffdb\ufffd\ufffd\ufffd\ufffd\""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff("x"+test.want, string(appendJSONString([]byte("x"), test.s))); diff != "" {
				t.Errorf("appendJSONString(%q) (-want +got):\n%s", test.s, diff)
			}
		})
	}
}

func FuzzAppendJSONString(f *testing.F) {
	for _, seed := range []string{"", "plain", "\"\\\x00\n\r\t\x1f\x7f", "ä日😀\u2028", "\xff\xc3\xed\xa0\x80", "\ufffd"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, s string) {
		b := appendJSONString(nil, s)
		if !utf8.Valid(b) {
			t.Fatalf("appendJSONString(%q) = %q, which is not UTF-8", s, b)
		}
		// Each byte that is not UTF-8 becomes a character of its own.
		want := string([]rune(s))
		var got string
		if err := json.Unmarshal(b, &got); err != nil || got != want {
			t.Errorf("appendJSONString(%q) = %s, which reads as %q, %v", s, b, got, err)
		}
		if v, err := parseJSON(b); err != nil || jsonTree(v) != want {
			t.Errorf("parseJSON(%s): %v", b, err)
		}
	})
}

func BenchmarkParseJSON(b *testing.B) {
	bodies := []struct {
		name string
		body []byte
	}{
		{"Task", []byte(taskBody)},
		{"Rename", []byte(`{"title":"Buy milk"}`)},
		{"Attachment", fmt.Appendf(nil, `{"name":"a.bin","contentBytes":%q}`, strings.Repeat("QUJD", 1<<18))},
	}
	for _, body := range bodies {
		b.Run(body.name+"/parseJSON", func(b *testing.B) {
			b.SetBytes(int64(len(body.body)))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := parseJSON(body.body); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(body.name+"/encoding-json", func(b *testing.B) {
			b.SetBytes(int64(len(body.body)))
			b.ReportAllocs()
			for b.Loop() {
				var m map[string]any
				if err := json.Unmarshal(body.body, &m); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkAppendJSONString(b *testing.B) {
	texts := []struct{ name, text string }{
		{"ASCII", strings.Repeat("Buy milk and bread. ", 10)},
		{"Escapes", strings.Repeat("two \"litres\"\r\n", 14)},
		{"German", strings.Repeat("Süße Brötchen kaufen. ", 8)},
	}
	for _, text := range texts {
		b.Run(text.name, func(b *testing.B) {
			b.SetBytes(int64(len(text.text)))
			b.ReportAllocs()
			var buffer []byte
			for b.Loop() {
				buffer = appendJSONString(buffer[:0], text.text)
			}
		})
	}
}
