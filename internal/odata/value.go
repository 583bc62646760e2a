package odata

import (
	"time"
	"unicode"
	"unicode/utf8"
)

// A Value is a value of a property, a literal or an expression. The zero Value
// is null. Values of the same type that mean the same are equal by ==, but for
// strings, which are equal where their Fold is.
type Value struct {
	Type Type

	// Int is the value of the integral types: 0 or 1 of a Bool, the number of an
	// Int, the microseconds since 1970 of an Instant, the days since 1970 of a
	// Date, the microseconds of a TimeOfDay or a Duration, the index of an
	// Enum's member.
	Int int64

	Float float64 // of a Double; never NaN and never infinite
	Text  string  // of a String, as written; of an Enum literal, the member's name
}

// Values of each type. That of a DateText is an Instant, and that of a Complex
// which is not null is any value but null.

// BoolValue is a Bool.
func BoolValue(b bool) Value {
	v := Value{Type: Bool}
	if b {
		v.Int = 1
	}
	return v
}

// IntValue is an Int.
func IntValue(n int64) Value { return Value{Type: Int, Int: n} }

// DoubleValue is a Double; the negative zero is the other one.
func DoubleValue(f float64) Value {
	if f == 0 {
		f = 0
	}
	return Value{Type: Double, Float: f}
}

// StringValue is a String.
func StringValue(s string) Value { return Value{Type: String, Text: s} }

// EnumValue is the member of an enumeration with that index.
func EnumValue(index int) Value { return Value{Type: Enum, Int: int64(index)} }

// InstantValue is an Instant, cut to the microsecond; the zero time is null.
func InstantValue(t time.Time) Value {
	if t.IsZero() {
		return Value{}
	}
	return Value{Type: Instant, Int: t.UnixMicro()}
}

// IsNull says whether v is null.
func (v Value) IsNull() bool { return v.Type == Null }

// TrimSet is what trim takes off both ends of a text: the characters that
// Unicode calls white space, which both databases can be told.
const TrimSet = "\t\n\v\f\r \u0085\u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u2028\u2029\u202f\u205f\u3000"

// Fold makes texts comparable without their case. It maps each character by
// itself, so that neither the number nor the order of characters changes, and
// folding is the same before and after cutting or joining texts. Texts that
// strings.EqualFold has for equal have the same Fold, and the Turkish capital
// dotted I is an i. Folding what is folded changes nothing. What is not UTF-8
// becomes U+FFFD.
func Fold(s string) string {
	i := 0
	for i < len(s) && s[i] < utf8.RuneSelf && !('A' <= s[i] && s[i] <= 'Z') {
		i++
	}
	if i == len(s) {
		return s
	}
	b := make([]byte, i, len(s))
	copy(b, s)
	for i < len(s) {
		if c := s[i]; c < utf8.RuneSelf {
			if 'A' <= c && c <= 'Z' {
				c += 'a' - 'A'
			}
			b = append(b, c)
			i++
			continue
		}
		r, size := utf8.DecodeRuneInString(s[i:])
		b = utf8.AppendRune(b, foldRune(r))
		i += size
	}
	return string(b)
}

func foldRune(r rune) rune {
	// SimpleFold goes round the characters that differ by case alone; the least
	// of them stands for all.
	least := r
	for next := unicode.SimpleFold(r); next != r; next = unicode.SimpleFold(next) {
		least = min(least, next)
	}
	return unicode.ToLower(least)
}
