package odata

import (
	"regexp"
	"regexp/syntax"
	"strings"
)

// String returns the function's name as it is written.
func (f Func) String() string {
	return [...]string{
		FuncContains: "contains", FuncStartsWith: "startswith", FuncEndsWith: "endswith", FuncMatchesPattern: "matchesPattern",
		FuncConcat: "concat", FuncIndexOf: "indexof", FuncLength: "length", FuncSubstring: "substring", FuncTrim: "trim",
		FuncYear: "year", FuncMonth: "month", FuncDay: "day", FuncHour: "hour", FuncMinute: "minute", FuncSecond: "second",
		FuncFractionalSeconds: "fractionalseconds", FuncDate: "date", FuncTime: "time",
		FuncTotalOffsetMinutes: "totaloffsetminutes", FuncTotalSeconds: "totalseconds",
		FuncNow: "now", FuncRound: "round", FuncFloor: "floor", FuncCeiling: "ceiling",
		funcToLower: "tolower", funcToUpper: "toupper", funcMin: "mindatetime", funcMax: "maxdatetime",
	}[f]
}

// Functions that are not in a checked tree.
const (
	funcToLower = FuncCeiling + 1 + iota
	funcToUpper
	funcMin
	funcMax
	funcCount
)

func findFunc(name string) (Func, bool) {
	for f := range funcCount {
		if strings.EqualFold(f.String(), name) {
			return f, true
		}
	}
	return 0, false
}

// arity is how many arguments a function has.
func (f Func) arity() (least, most int) {
	switch f {
	case FuncNow, funcMin, funcMax:
		return 0, 0
	case FuncContains, FuncStartsWith, FuncEndsWith, FuncMatchesPattern, FuncConcat, FuncIndexOf:
		return 2, 2
	case FuncSubstring:
		return 2, 3
	}
	return 1, 1
}

// takes says whether an argument may be of a type. A DateText fits where an
// Instant or a String does.
func (f Func) takes(arg int, t Type) bool {
	switch f {
	case FuncYear, FuncMonth, FuncDay:
		return t == Instant || t == Date
	case FuncHour, FuncMinute, FuncSecond, FuncFractionalSeconds:
		return t == Instant || t == TimeOfDay
	case FuncDate, FuncTime, FuncTotalOffsetMinutes:
		return t == Instant
	case FuncTotalSeconds:
		return t == Duration
	case FuncRound, FuncFloor, FuncCeiling:
		return t == Double || t == Int
	case FuncSubstring:
		if arg > 0 {
			return t == Int
		}
	}
	return t == String
}

// signature is what a message says of a function.
func (f Func) signature() string {
	least, most := f.arity()
	var b strings.Builder
	b.WriteString(f.String() + "(")
	for i := range most {
		if i > 0 {
			b.WriteString(", ")
		}
		name := ""
		for t := Bool; t < Enum; t++ {
			if f.takes(i, t) {
				if name != "" {
					name += " or "
				}
				name += t.String()
			}
		}
		if i >= least {
			name = "optional " + name
		}
		b.WriteString(name)
	}
	return b.String() + ")"
}

// call reads the arguments of a function and makes it.
func (p *parser) call(t token) node {
	f, ok := findFunc(t.text)
	if !ok {
		p.fail(t.pos, "An unknown function with name '%s' was found", shown(t.text))
		return node{expr: Literal{}}
	}
	p.expect('(')
	var args []node
	for p.err == nil && !p.symbol(')') {
		args = append(args, p.or())
		if !p.symbol(',') {
			break
		}
		if p.advance(); p.symbol(')') {
			p.fail(p.tok.pos, "Expression expected")
		}
	}
	if p.err == nil && !p.symbol(')') {
		p.fail(p.tok.pos, "')' or ',' expected")
	}
	p.expect(')')
	if p.err != nil {
		return node{expr: Literal{}}
	}
	least, most := f.arity()
	ok = len(args) >= least && len(args) <= most
	for i := 0; ok && i < len(args); i++ {
		switch arg := &args[i]; {
		case arg.expr.Type() != DateText:
			ok = f.takes(i, arg.expr.Type())
		case f.takes(i, Instant):
			arg.expr = taken(arg.expr, Instant)
		default:
			arg.expr = taken(arg.expr, String)
			ok = f.takes(i, String)
		}
	}
	if !ok {
		p.fail(t.pos, "No function signature for the function with name '%s' matches the specified arguments. The function signatures considered are: %s",
			f, f.signature())
		return node{expr: Literal{}}
	}
	return p.function(f, t.pos, args)
}

// function makes a function of checked arguments.
func (p *parser) function(f Func, pos int, args []node) node {
	switch f {
	case funcToLower, funcToUpper:
		return args[0]
	case funcMin:
		return p.literal(pos, Value{Type: Instant, Int: minInstant})
	case funcMax:
		return p.literal(pos, Value{Type: Instant, Int: maxInstant})
	case FuncRound, FuncFloor, FuncCeiling:
		if args[0].expr.Type() == Int {
			return args[0]
		}
	}
	c := Call{Fn: f, Args: make([]Expr, len(args))}
	for i, arg := range args {
		c.Args[i] = arg.expr
	}
	if f == FuncMatchesPattern {
		c.Pattern = p.pattern(args[1])
	}
	n := p.add(c, pos, args...)
	switch f {
	case FuncYear, FuncMonth, FuncDay, FuncHour, FuncMinute, FuncSecond, FuncTotalOffsetMinutes:
		n.big = 9999
	case FuncLength, FuncIndexOf:
		n.big = longest
	case FuncFractionalSeconds:
		n.big, n.tiny = 1, 1e-6
	case FuncTotalSeconds:
		n.big, n.tiny = max(args[0].big, 1)/second, 1e-6
	case FuncRound, FuncFloor, FuncCeiling:
		n.big = args[0].big + 1
	case FuncNow:
		n.big = maxSpan
	}
	return n
}

// Bounds of a pattern: its length, of how many characters and steps it is made
// with all its repetitions written out, and how much of a text it is matched with.
// Go's engine never takes longer than the product of the last two, and that is
// what keeps a hostile pattern cheap.
const (
	maxPattern = 512
	maxSteps   = 100
	maxMatched = 8 << 10 // bytes
)

// pattern compiles the pattern of matchesPattern.
func (p *parser) pattern(arg node) *Pattern {
	lit, ok := arg.expr.(Literal)
	if !ok {
		p.fail(arg.pos, "The pattern of the function 'matchesPattern' must be a literal")
		return nil
	}
	text := lit.Value.Text
	if len(text) > maxPattern {
		p.fail(arg.pos, "The pattern of the function 'matchesPattern' is longer than the %d bytes allowed", maxPattern)
		return nil
	}
	tree, err := syntax.Parse(text, syntax.Perl|syntax.FoldCase)
	if err != nil {
		p.fail(arg.pos, "The pattern of the function 'matchesPattern' cannot be read: %s", strings.TrimPrefix(err.Error(), "error parsing regexp: "))
		return nil
	}
	if steps(tree) > maxSteps {
		p.fail(arg.pos, "The pattern of the function 'matchesPattern' is, with its repetitions written out, longer than the %d characters allowed", maxSteps)
		return nil
	}
	return &Pattern{regexp.MustCompile("(?i)" + text), steps(tree)}
}

// steps is about how many instructions a pattern is for the engine, with its
// repetitions written out, or any number above maxSteps.
func steps(re *syntax.Regexp) int {
	n := 1
	switch re.Op {
	case syntax.OpLiteral:
		n = len(re.Rune)
	case syntax.OpConcat, syntax.OpRepeat:
		n = 0
	}
	for _, sub := range re.Sub {
		n += steps(sub)
	}
	if re.Op == syntax.OpRepeat {
		optional := max(re.Max, re.Min+1) - re.Min // a repetition without an end has one more step
		n = n*max(re.Min, re.Max, 1) + optional
	}
	return min(n, maxSteps+1)
}
