package graph

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"reflect"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/duly-todo/duly/internal/todo"
)

const jsonTaskBody = `{"title":"Buy milk \u0026 bread","importance":"high","body":{"content":"two litres\r\n","contentType":"text"},` +
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
		{"numbers", "[0,-0,12,-3.50,1e9,1E+9,0.1e-09]", []any{
			json.Number("0"), json.Number("-0"), json.Number("12"),
			json.Number("-3.50"), json.Number("1e9"), json.Number("1E+9"), json.Number("0.1e-09"),
		}},
		{"strings", `["","a","ä日😀"]`, []any{"", "a", "ä日😀"}},
		{"escapes", `["\"\\\/\b\f\n\r\t","\u00e4\uD83D\uDe00x\u0000","a\nb"]`, []any{"\"\\/\b\f\n\r\t", "ä😀x\x00", "a\nb"}},
		{"replacement character", `["\ufffd","` + "\ufffd" + `"]`, []any{"\ufffd", "\ufffd"}},
		{"byte-order mark in a string", `"` + "\ufeff" + `"`, "\ufeff"},
		{"escaped name", `{"\u0061":1}`, object{"a": json.Number("1")}},
		{"the last member wins", `{"a":{"x":1},"a":2,"a":{"y":3}}`, object{"a": object{"y": json.Number("3")}}},
		{"task", jsonTaskBody, object{
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
		{"text", "x=1", `unexpected 'x' at line 1, position 1`},
		{"text that starts like a literal", "title=x", `unexpected 'i' at line 1, position 2`},
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
	// The time of cmp.Diff doubles with each level of such trees.
	if got := jsonTree(v); !reflect.DeepEqual(want, got) {
		t.Errorf("parseJSON(%q): got %v, want %v", body, got, want)
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
		jsonTaskBody,
		`{"a":[1,-2.5e+3,true,false,null,"\ud83d\ude00\\\"\/"],"a":{"b":{}} , "A":[]}`,
		" [ [ [ ] ] , { } ,\"ä日😀\" ] ",
		strings.Repeat(`[{"a":`, 16) + "0" + strings.Repeat("}]", 16),
	}
	alphabet := []string{"{", "}", "[", "]", ",", ":", `"`, `\`, `\u`, `\ud83d`, `\ude00`, "0", "1", "-", "+", ".", "e", "true", "null", " ", "\n", "\x00", "\x1f", "\xff", "ä", "\ufeff"}
	r := rand.New(rand.NewPCG(1, 2))
	for range 10_000 {
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
		jsonTaskBody, "", "null", "\ufeff{}", "[1,-0.5e+10,true,false,null]", `{"a":{"a":1},"A":2,"a":3}`,
		`"\ud83d\ude00\u00e4\"\\\/\b\f\n\r\t"`, `"\ud800"`, `"\udc00x"`, "\"\xff\"", "[1,]", "01", "NaN", "{\"a\":\n}",
		strings.Repeat("[", 32) + strings.Repeat("]", 32), strings.Repeat("[", 33) + strings.Repeat("]", 33),
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(checkAgainstStdlib)
}

func BenchmarkParseJSON(b *testing.B) {
	bodies := []struct {
		name string
		body []byte
	}{
		{"Task", []byte(jsonTaskBody)},
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
