package graph

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
)

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

// Each byte stands at each place of a word.
func TestSkipPlain(t *testing.T) {
	t.Parallel()
	for c := range 256 {
		for place := range 20 {
			for _, filler := range []byte{' ', 'a', '!', '#', '[', ']', 0x7f} {
				s := bytes.Repeat([]byte{filler}, 20)
				s[place] = byte(c)
				want := place
				if c >= ' ' && c != '"' && c != '\\' && c < utf8.RuneSelf {
					want = len(s)
				}
				for from := range place + 1 {
					if got := skipPlain(string(s), from); got != want {
						t.Fatalf("skipPlain(%q, %d) = %d, want %d", s, from, got, want)
					}
				}
			}
		}
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

func TestAppendTime(t *testing.T) {
	t.Parallel()
	for _, at := range []time.Time{
		{}, time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), time.Date(9999, 12, 31, 23, 59, 59, 999_999_900, time.UTC), time.Date(10_000, 1, 1, 0, 0, 0, 0, time.UTC),
		time.Date(2026, 11, 22, 12, 0, 0, 123_000_000, time.UTC), time.Date(2026, 11, 22, 12, 0, 0, 100, time.UTC), time.Date(2026, 11, 22, 12, 0, 0, 120_300, time.UTC),
	} {
		if got, want := string(appendTime(nil, at)), at.Format("2006-01-02T15:04:05"); got != want {
			t.Errorf("%v is written as %s, want %s", at, got, want)
		}
		e := encoder{r: new(request), b: []byte("{")}
		e.instant("t", at)
		if got, want := string(e.b), `{"t":"`+at.Format("2006-01-02T15:04:05.999999999Z")+`"`; got != want {
			t.Errorf("%v is written as %s, want %s", at, got, want)
		}
	}
}
