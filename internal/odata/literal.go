package odata

import (
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/duly-todo/duly/internal/todo"
)

const (
	microsecond = 1
	second      = 1_000_000 * microsecond
	minute      = 60 * second
	hour        = 60 * minute
	day         = 24 * hour

	minInstant = -62135596800 * second              // 0001-01-01T00:00:00Z
	maxInstant = 253402300800*second - 1            // 9999-12-31T23:59:59.999999Z
	maxSpan    = maxInstant - minInstant            // between two instants
	dateLen    = len("2006-01-02")                  // of an Edm.Date
	timeLayout = "2006-01-02T15:04:05.999999Z"      // of an Edm.DateTimeOffset
	textLayout = "2006-01-02T15:04:05.000000" + "0" // of a DateText, seven digits (semantics 5.5)
)

// parseNumber reads a literal that begins with a digit or a minus: a number, a
// date, a date and time, or a time of day (OData ABNF 4.01, primitiveLiteral).
func parseNumber(s string) (Value, bool) {
	digits := strings.TrimLeft(s, "-")
	if strings.Trim(digits, "0123456789") == "" {
		if n, err := strconv.ParseInt(s, 10, 64); err == nil {
			return IntValue(n), true
		}
		return Value{}, false
	}
	if v, ok := parseDate(s); ok {
		return v, true
	}
	if v, ok := parseInstant(s); ok {
		return v, true
	}
	if v, ok := parseTimeOfDay(s); ok {
		return v, true
	}
	if strings.Trim(digits, "0123456789.eE+-") != "" {
		return Value{}, false
	}
	f, err := strconv.ParseFloat(s, 64)
	if err != nil || !isDigit(s[len(s)-1]) {
		return Value{}, false
	}
	return DoubleValue(f), true
}

// looksDated says whether s begins as a date does, before more is tried with it.
func looksDated(s string) bool {
	return len(s) >= dateLen && s[4] == '-' && s[7] == '-' && isDigit(s[0])
}

// parseDate reads a Date alone.
func parseDate(s string) (Value, bool) {
	if !looksDated(s) || len(s) != dateLen {
		return Value{}, false
	}
	d, ok := todo.ParseDate(s)
	if !ok {
		return Value{}, false
	}
	at := time.Date(d.Year, d.Month, d.Day, 0, 0, 0, 0, time.UTC)
	return Value{Type: Date, Int: floorDiv(at.UnixMicro(), day)}, true
}

// parseInstant reads a date, or a date and time, in the forms of
// todo.ParseDateTime; without a zone it is UTC (semantics 7.2).
func parseInstant(s string) (Value, bool) {
	if !looksDated(s) {
		return Value{}, false
	}
	if d, err := todo.ParseDateTime("", s, ""); err == nil {
		return Value{Type: Instant, Int: d.At.UnixMicro()}, true
	}
	// The first moment of the calendar, which .NET's clients send for "never", is
	// none to ParseDateTime; a year later it is not.
	if strings.HasPrefix(s, "0001-01-01") {
		later := time.Date(2, 1, 1, 0, 0, 0, 0, time.UTC)
		if d, err := todo.ParseDateTime("", "0002"+s[4:], ""); err == nil && d.At.Equal(later) {
			return Value{Type: Instant, Int: minInstant}, true
		}
	}
	return Value{}, false
}

// parseTimeOfDay reads hh:mm, hh:mm:ss or hh:mm:ss.f with up to 12 digits, of
// which six are kept.
func parseTimeOfDay(s string) (Value, bool) {
	clock, fraction, hasFraction := strings.Cut(s, ".")
	if len(clock) == len("15:04") && !hasFraction {
		clock += ":00"
	}
	t, err := time.Parse("15:04:05", clock)
	if err != nil || len(clock) != len("15:04:05") {
		return Value{}, false
	}
	micros := int64(0)
	if hasFraction {
		var ok bool
		if micros, ok = parseFraction(fraction); !ok {
			return Value{}, false
		}
	}
	h, m, sec := t.Clock()
	return Value{Type: TimeOfDay, Int: int64(h)*hour + int64(m)*minute + int64(sec)*second + micros}, true
}

// parseFraction reads the digits after a second's point as microseconds.
func parseFraction(s string) (int64, bool) {
	const most = 12 // digits, as the ABNF has it
	if s == "" || len(s) > most || strings.Trim(s, "0123456789") != "" {
		return 0, false
	}
	n, err := strconv.ParseInt((s + "00000")[:6], 10, 64)
	return n, err == nil
}

// parseDuration reads an Edm.Duration, which is a dayTimeDuration of XML Schema:
// -P1DT2H3M4.5S. It is no longer than what [Arith] allows.
func parseDuration(s string) (Value, bool) {
	rest, negative := strings.CutPrefix(s, "-")
	if rest == "" || rest[0]|0x20 != 'p' {
		return Value{}, false
	}
	days, clock, hasClock := strings.Cut(strings.ToUpper(rest[1:]), "T")
	total, seen := 0.0, 0
	micros := int64(0)
	take := func(part *string, unit byte, size int64) bool {
		number, after, found := strings.Cut(*part, string(unit))
		if !found {
			return true
		}
		whole, fraction, hasFraction := strings.Cut(number, ".")
		n, err := strconv.ParseInt(whole, 10, 64)
		if err != nil || !isDigit(whole[0]) || hasFraction && unit != 'S' {
			return false
		}
		if total += float64(n) * float64(size); total > maxMicros {
			return false
		}
		if hasFraction {
			f, ok := parseFraction(fraction)
			if !ok {
				return false
			}
			micros += f
		}
		micros += n * size
		seen++
		*part = after
		return true
	}
	if !take(&days, 'D', day) || days != "" {
		return Value{}, false
	}
	before := seen
	if !take(&clock, 'H', hour) || !take(&clock, 'M', minute) || !take(&clock, 'S', second) || clock != "" {
		return Value{}, false
	}
	if seen == 0 || hasClock && seen == before {
		return Value{}, false
	}
	if negative {
		micros = -micros
	}
	return Value{Type: Duration, Int: micros}, true
}

// write appends a value as [ParseFilter] reads it. An Enum is its member's name
// in quotes.
func (v Value) write(b *strings.Builder) {
	switch v.Type {
	case Bool:
		b.WriteString(strconv.FormatBool(v.Int != 0))
	case Int:
		b.WriteString(strconv.FormatInt(v.Int, 10))
	case Double:
		text := strconv.FormatFloat(v.Float, 'g', -1, 64)
		b.WriteString(text)
		if !strings.ContainsAny(text, ".e") {
			b.WriteString(".0")
		}
	case String, Enum:
		b.WriteByte('\'')
		b.WriteString(strings.ReplaceAll(v.Text, "'", "''"))
		b.WriteByte('\'')
	case Instant:
		b.WriteString(time.UnixMicro(v.Int).UTC().Format(timeLayout))
	case Date:
		b.WriteString(time.UnixMicro(v.Int * day).UTC().Format(time.DateOnly))
	case TimeOfDay:
		b.WriteString(time.UnixMicro(v.Int).UTC().Format("15:04:05.999999"))
	case Duration:
		writeDuration(b, v.Int)
	default:
		b.WriteString("null")
	}
}

func writeDuration(b *strings.Builder, micros int64) {
	b.WriteString("duration'")
	if micros < 0 {
		b.WriteByte('-')
		micros = -micros
	}
	b.WriteString("P" + strconv.FormatInt(micros/day, 10) + "DT")
	b.WriteString(strconv.FormatInt(micros%day/hour, 10) + "H")
	b.WriteString(strconv.FormatInt(micros%hour/minute, 10) + "M")
	b.WriteString(strconv.FormatInt(micros%minute/second, 10))
	if fraction := micros % second; fraction != 0 {
		b.WriteString("." + strings.TrimRight(strconv.FormatInt(second+fraction, 10)[1:], "0"))
	}
	b.WriteString("S'")
}

// magnitude is the absolute value of a number, an Instant or a Duration.
func (v Value) magnitude() float64 {
	if v.Type == Double {
		return math.Abs(v.Float)
	}
	return math.Abs(float64(v.Int))
}

func floorDiv(a, b int64) int64 {
	q := a / b
	if a%b < 0 {
		q--
	}
	return q
}
