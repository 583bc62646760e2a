// Package odatatest makes random filters for the tests of whatever evaluates them.
package odatatest

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/duly-todo/duly/internal/odata"
)

// texts are those that comparisons of text go wrong with.
func texts() []string {
	return []string{
		"", " ", "a", "A", "ab", "Milk", "milk", "MILK ", " milk", "it's", "''", `"`, `\`, `\%`, "%", "_", "100%", "a_b", "*", "?", "[a]", "a.b", "^a$",
		"Straße", "STRASSE", "İstanbul", "istanbul", "ıI", "ΟΔΟΣ", "οδος", "οδοσ", "K", "k", "ſ", "é", "e\u0301", "Ǆ", "ǆ", "日本語", "日", "🛒", "🛒🛒",
		"👩\u200d👩\u200d👧", "\u00a0a\u00a0", "\u3000", "\t", "a\nb", "\ufeff", "\ufffd", "\U0001f1e9\U0001f1ea", "null", "true", "0", "-1", "1.5",
		"2026-10-01", "2026-10-01T08:00", "select 1; --", "or 1=1", "completed", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab",
	}
}

// RandomText is a text such as comparisons of text go wrong with, or a
// part of one or several together. Filters and data that both have their texts
// from here meet often.
func RandomText(r *rand.Rand) string {
	pick := func() string { return texts()[r.IntN(len(texts()))] }
	switch r.IntN(6) {
	case 0:
		return pick() + pick()
	case 1:
		runes := []rune(pick())
		if len(runes) == 0 {
			return ""
		}
		from := r.IntN(len(runes))
		return string(runes[from : from+1+r.IntN(len(runes)-from)])
	}
	return pick()
}

// RandomTime is one of a few hundred moments, of which many share their day,
// hour or second, and some are before 1970 or at the ends of the calendar.
func RandomTime(r *rand.Rand) time.Time {
	switch r.IntN(12) {
	case 0:
		return time.Date(1, 1, 1, 0, 0, 0, 1000, time.UTC)
	case 1:
		return time.Date(9999, 12, 31, 23, 59, 59, 999_999_000, time.UTC)
	case 2:
		return time.Date(1969, 12, 31, 23, 59, 59, 500_000_000, time.UTC)
	case 3:
		return time.Date(2024, 2, 29, 0, 0, 0, 0, time.UTC)
	}
	at := time.Date(2026, 10, 1+r.IntN(3), 0, 0, 0, 0, time.UTC)
	if r.IntN(2) == 0 {
		at = at.Add(time.Duration(r.IntN(24)) * time.Hour)
	}
	if r.IntN(3) == 0 {
		at = at.Add(time.Duration(r.IntN(3))*time.Second + time.Duration(r.IntN(3))*time.Microsecond)
	}
	return at
}

// RandomFilter is a filter over all that a schema has, with every operator and
// function that fits, spelled at random and read by odata.ParseFilter. It panics
// if that refuses what should be right.
func RandomFilter(r *rand.Rand, s *odata.Schema) odata.Expr {
	for {
		text := RandomFilterText(r, s)
		e, err := odata.ParseFilter(text, s, nil)
		if err == nil {
			return e
		}
		if msg := err.Error(); !strings.Contains(msg, "allowed") && !strings.Contains(msg, "out of range") {
			panic(fmt.Sprintf("odatatest: %v: %s", err, text))
		}
	}
}

// RandomFilterText is the text of a filter that only the bounds of size and of
// arithmetic can make wrong.
func RandomFilterText(r *rand.Rand, s *odata.Schema) string {
	g := generator{r: r, fuel: 3 + r.IntN(40)}
	g.enter("", s)
	return g.boolean(1 + r.IntN(5))
}

// A generator writes expressions. It writes leaves only, once its fuel is spent.
type generator struct {
	r     *rand.Rand
	fuel  int
	vars  int
	scope []property

	hiding bool // inside a lambda whose variable is "title"
}

// A property is one that expressions may speak of, with its path as written.
type property struct {
	path string
	of   *odata.Property
}

// enter puts the properties of a type into the scope, with what stands before
// their paths.
func (g *generator) enter(prefix string, s *odata.Schema) {
	if s.Value != nil {
		g.scope = append(g.scope, property{strings.TrimSuffix(prefix, "/"), s.Value})
		return
	}
	for i := range s.Properties {
		g.add(prefix, &s.Properties[i])
	}
}

func (g *generator) add(prefix string, p *odata.Property) {
	path := prefix + g.spelled(p.Name)
	if prefix == "" && g.r.IntN(6) == 0 {
		path = "$it/" + path
	}
	g.scope = append(g.scope, property{path, p})
	for i := range p.Complex {
		g.add(path+"/", &p.Complex[i])
	}
}

// one finds a property that fits.
func (g *generator) one(fits func(*odata.Property) bool) (property, bool) {
	var fitting []property
	for _, p := range g.scope {
		if fits(p.of) {
			fitting = append(fitting, p)
		}
	}
	if len(fitting) == 0 {
		return property{}, false
	}
	return fitting[g.r.IntN(len(fitting))], true
}

func (g *generator) of(types ...odata.Type) (property, bool) {
	return g.one(func(p *odata.Property) bool {
		for _, t := range types {
			if p.Type == t {
				return true
			}
		}
		return false
	})
}

func pick[T any](r *rand.Rand, of ...T) T { return of[r.IntN(len(of))] }

// spelled writes a name in another case now and then.
func (g *generator) spelled(name string) string {
	switch g.r.IntN(12) {
	case 0:
		return strings.ToUpper(name)
	case 1:
		return strings.ToLower(name)
	}
	return name
}

// join writes operands with an operator between them, and puts some of them
// into parentheses so that operators bind in every way.
func (g *generator) join(op string, operands ...string) string {
	for i := range operands {
		if g.r.IntN(8) == 0 {
			operands[i] = "( " + operands[i] + ")"
		}
	}
	return strings.Join(operands, pick(g.r, " ", " ", " ", "  ")+g.spelled(op)+" ")
}

func (g *generator) call(name string, args ...string) string {
	return g.spelled(name) + "(" + strings.Join(args, pick(g.r, ",", ", ", " ,\t")) + ")"
}

// boolean writes an expression of type Bool, as an operand of "and".
func (g *generator) boolean(depth int) string {
	g.fuel--
	if depth > 0 && g.fuel > 0 {
		switch g.r.IntN(8) {
		case 0, 1, 2:
			terms := make([]string, 2+g.r.IntN(3))
			for i := range terms {
				terms[i] = g.boolean(depth - 1)
			}
			if g.r.IntN(2) == 0 {
				return "(" + g.join("or", terms...) + ")"
			}
			return g.join("and", terms...)
		case 3:
			return g.spelled("not") + " (" + g.boolean(depth-1) + ")"
		case 4:
			if text, ok := g.lambda(depth); ok {
				return text
			}
		case 5:
			return "(" + g.boolean(depth-1) + ") " + g.operator() + " (" + g.boolean(depth-1) + ")"
		}
	}
	return g.leaf(depth)
}

func (g *generator) operator() string {
	return g.spelled(pick(g.r, "eq", "ne", "eq", "ne", "gt", "ge", "lt", "le"))
}

// lambda writes any or all over a collection in the scope.
func (g *generator) lambda(depth int) (string, bool) {
	over, ok := g.one(func(p *odata.Property) bool { return p.Type == odata.Collection && p.Item != nil })
	if !ok {
		return "", false
	}
	if g.r.IntN(6) == 0 {
		return over.path + "/" + g.spelled("any") + "()", true
	}
	g.vars++
	name := fmt.Sprint(pick(g.r, "x", "C_"), g.vars)
	if !g.hiding && g.r.IntN(3) == 0 { // a variable of a property's name hides the property
		name = "title"
		g.hiding = true
		defer func() { g.hiding = false }()
	}
	outer := g.scope
	g.scope = nil
	if g.r.IntN(4) == 0 {
		for _, p := range outer {
			if !strings.EqualFold(p.path, name) {
				g.scope = append(g.scope, p)
			}
		}
	}
	g.enter(name+"/", over.of.Item)
	body := g.boolean(depth - 1)
	g.scope = outer
	return over.path + "/" + g.spelled(pick(g.r, "any", "any", "all")) + "(" + name + pick(g.r, ":", ": ") + body + ")", true
}

// leaf writes a comparison, a test of text or a property.
func (g *generator) leaf(depth int) string {
	for {
		switch g.r.IntN(14) {
		case 0:
			if p, ok := g.of(odata.Bool); ok {
				return p.path
			}
		case 1:
			if p, ok := g.of(odata.Complex); ok {
				return g.join(pick(g.r, "eq", "ne"), p.path, g.spelled("null"))
			}
		case 2, 3:
			if text, ok := g.enum(); ok {
				return text
			}
		case 4, 5:
			fn := g.spelled(pick(g.r, "contains", "startswith", "endswith"))
			return g.call(fn, g.expr(odata.String, depth), g.expr(odata.String, depth))
		case 6:
			if g.r.IntN(4) == 0 {
				pattern := pick(g.r, "^a", "b$", `\d+`, "[A-Z]{2,3}", "mil.", "(a|b)*c", "", `^\s*$`, "it''s", "日.")
				return g.call("matchesPattern", g.expr(odata.String, depth), "'"+pattern+"'")
			}
		case 7:
			if text, ok := g.in(); ok {
				return text
			}
		case 8:
			return pick(g.r, "true", "false", "null eq null", "1 eq 1.0", "'a' LT 'B'")
		case 9:
			if p, ok := g.one(func(p *odata.Property) bool { return p.Type < odata.Complex }); ok {
				return g.join(g.operator(), p.path, g.spelled("null"))
			}
		case 10:
			if p, ok := g.of(odata.DateText); ok {
				other := g.dated()
				if g.r.IntN(4) == 0 {
					other = quote(RandomText(g.r))
				}
				return g.join(g.operator(), p.path, other)
			}
		default:
			return g.compare(depth)
		}
	}
}

func (g *generator) compare(depth int) string {
	t := pick(g.r, odata.String, odata.String, odata.Int, odata.Double, odata.Instant, odata.Instant, odata.Date, odata.TimeOfDay, odata.Duration)
	other := t
	if t == odata.Int && g.r.IntN(5) == 0 {
		other = odata.Double
	}
	return g.join(g.operator(), g.expr(t, depth), g.expr(other, depth))
}

func (g *generator) enum() (string, bool) {
	p, ok := g.of(odata.Enum)
	if !ok {
		return "", false
	}
	member := func() string {
		text := quote(g.spelled(pick(g.r, p.of.Enum...)))
		if p.of.TypeName != "" && g.r.IntN(4) == 0 {
			text = p.of.TypeName + text
		}
		return text
	}
	switch g.r.IntN(6) {
	case 0:
		return p.path + " " + g.spelled("has") + " " + member(), true
	case 1:
		return p.path + " " + g.spelled("in") + " (" + member() + "," + member() + pick(g.r, "", ",null") + ")", true
	case 2:
		return g.join(g.operator(), member(), p.path), true
	}
	return g.join(g.operator(), p.path, member()), true
}

func (g *generator) in() (string, bool) {
	p, ok := g.of(odata.String, odata.DateText, odata.Instant, odata.Int)
	if !ok {
		return "", false
	}
	list := make([]string, 1+g.r.IntN(4))
	for i := range list {
		switch t := p.of.Type; {
		case g.r.IntN(8) == 0:
			list[i] = "null"
		case t == odata.DateText && g.r.IntN(2) == 0:
			list[i] = g.dated()
		case t == odata.DateText:
			list[i] = quote(RandomText(g.r))
		default:
			list[i] = g.literal(t)
		}
	}
	return p.path + " " + g.spelled("in") + pick(g.r, "(", " ( ") + strings.Join(list, pick(g.r, ",", ", ")) + ")", true
}

// expr writes an expression of a type, which can be an operand of a comparison
// or an argument.
func (g *generator) expr(t odata.Type, depth int) string {
	g.fuel--
	if depth > 0 && g.fuel > 0 && g.r.IntN(3) == 0 {
		return g.computed(t, depth-1)
	}
	if g.r.IntN(5) < 3 {
		if p, ok := g.of(t); ok {
			return p.path
		}
		if p, ok := g.of(odata.DateText); ok && t == odata.Instant {
			return p.path
		}
	}
	return g.literal(t)
}

// computed writes a function or arithmetic.
func (g *generator) computed(t odata.Type, depth int) string {
	sub := func(t odata.Type) string { return g.expr(t, depth) }
	text := func() string { return g.expr(odata.String, depth) }
	switch t {
	case odata.String:
		switch g.r.IntN(7) {
		case 0:
			return g.call(pick(g.r, "tolower", "toupper"), text())
		case 1:
			return g.call("concat", text(), text())
		case 2:
			return g.call("substring", text(), g.literalInt())
		case 3:
			return g.call("substring", text(), sub(odata.Int), sub(odata.Int))
		case 4:
			if p, ok := g.of(odata.DateText); ok {
				return g.call(pick(g.r, "tolower", "trim"), p.path)
			}
		}
		return g.call("trim", text())
	case odata.Int:
		return g.number(depth)
	case odata.Double:
		return g.fraction(depth)
	case odata.Instant:
		switch g.r.IntN(3) {
		case 0:
			return g.call(pick(g.r, "now", "mindatetime", "maxdatetime"))
		case 1:
			return "(" + g.join("add", sub(odata.Duration), sub(odata.Instant)) + ")"
		}
		return "(" + g.join(pick(g.r, "add", "sub"), g.moment(depth), sub(odata.Duration)) + ")"
	case odata.Date:
		return g.call("date", g.moment(depth))
	case odata.TimeOfDay:
		return g.call("time", g.moment(depth))
	case odata.Duration:
		switch g.r.IntN(4) {
		case 0:
			return "-(" + sub(t) + ")"
		case 1:
			return "(" + g.join(pick(g.r, "mul", "div"), sub(t), sub(odata.Int)) + ")"
		case 2:
			return "(" + g.join(pick(g.r, "add", "sub"), sub(t), sub(t)) + ")"
		}
		return "(" + g.join("sub", g.moment(depth), g.moment(depth)) + ")"
	}
	return g.literal(t)
}

// moment writes an Instant that is no literal in quotes.
func (g *generator) moment(depth int) string { return g.expr(odata.Instant, depth) }

func (g *generator) number(depth int) string {
	sub := func() string { return g.expr(odata.Int, depth) }
	switch g.r.IntN(7) {
	case 0:
		return g.call("length", g.expr(odata.String, depth))
	case 1:
		return g.call("indexof", g.expr(odata.String, depth), g.expr(odata.String, depth))
	case 2:
		return g.call(pick(g.r, "year", "month", "day"), g.expr(pick(g.r, odata.Instant, odata.Date), depth))
	case 3:
		return g.call(pick(g.r, "hour", "minute", "second"), g.expr(pick(g.r, odata.Instant, odata.TimeOfDay), depth))
	case 4:
		return g.call("totaloffsetminutes", g.moment(depth))
	case 5:
		return "-(" + sub() + ")"
	}
	return "(" + g.join(pick(g.r, "add", "sub", "mul", "div", "mod"), sub(), sub()) + ")"
}

func (g *generator) fraction(depth int) string {
	sub := func() string { return g.expr(pick(g.r, odata.Double, odata.Double, odata.Int), depth) }
	switch g.r.IntN(5) {
	case 0:
		return g.call("fractionalseconds", g.expr(pick(g.r, odata.Instant, odata.TimeOfDay), depth))
	case 1:
		return g.call("totalseconds", g.expr(odata.Duration, depth))
	case 2:
		return g.call(pick(g.r, "round", "floor", "ceiling"), g.expr(odata.Double, depth))
	case 3:
		return "(" + g.join("divby", sub(), sub()) + ")"
	}
	return "(" + g.join(pick(g.r, "add", "sub", "mul", "div"), g.expr(odata.Double, depth), sub()) + ")"
}

func (g *generator) literalInt() string {
	return fmt.Sprint(pick(g.r, 0, 0, 1, 1, 2, 3, 5, -1, -2, 10, 2026, 100))
}

// literal writes a constant of a type.
func (g *generator) literal(t odata.Type) string {
	switch t {
	case odata.Bool:
		return g.spelled(pick(g.r, "true", "false"))
	case odata.Int:
		return g.literalInt()
	case odata.Double:
		return pick(g.r, "0.0", "0.5", "-0.5", "1.5", "2.5", "-2.5", "1e3", "0.1", "3.0", "-1.25E-2")
	case odata.Instant:
		return RandomTime(g.r).Format(pick(g.r, time.RFC3339Nano, time.RFC3339Nano, "2006-01-02T15:04:05.999999"))
	case odata.Date:
		return RandomTime(g.r).Format(time.DateOnly)
	case odata.TimeOfDay:
		return RandomTime(g.r).Format(pick(g.r, "15:04", "15:04:05", "15:04:05.999999"))
	case odata.Duration:
		return "duration'" + pick(g.r, "P1D", "-P1D", "PT0S", "PT1H", "P1DT2H3M4.5S", "-PT0.000001S", "P3650000D", "PT90M") + "'"
	}
	return quote(RandomText(g.r))
}

// dated writes a moment as clients send it to a DateText.
func (g *generator) dated() string {
	text := RandomTime(g.r).Format(pick(g.r, "2006-01-02", "2006-01-02T15:04", "2006-01-02T15:04:05", "2006-01-02T15:04:05.0000000", time.RFC3339Nano))
	if g.r.IntN(4) == 0 {
		return text
	}
	return quote(text)
}

func quote(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }
