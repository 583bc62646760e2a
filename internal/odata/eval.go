package odata

import (
	"math"
	"strings"
	"time"
	"unicode/utf8"
)

// A Row is an entity, or an element of a collection, as [Eval] sees it.
type Row interface {
	// Value is the value of the property at a canonical path, which is of the
	// property's type or null: an Instant for a DateText, and for a Complex any
	// value that is not null. Of an element that is itself a value the path is "".
	Value(path string) Value

	// Items are the elements of the collection at a canonical path.
	Items(path string) []Row
}

// Eval says whether a checked filter is true of a row. It is the definition of
// what filters mean, and what is compiled to SQL must answer the same:
//
//   - Text is folded (see [Fold]) before anything is done with it, and compared
//     by code points, which is to say by the bytes of its UTF-8. Lengths and
//     positions count code points, from 0. A DateText as a String is its time in
//     UTC as 2006-01-02T15:04:05.0000000, folded.
//   - Every node of type Bool is true or false, never null, but for a Bool Prop,
//     which counts as false in And, Or and Not and at the top. So Not turns every
//     answer round.
//   - Eq is true of two nulls and false of one; Ne is its opposite. Gt, Ge, Lt
//     and Le are false where either side is null. Numbers are compared by value,
//     Bools with false first, Enums by their index. In is the Or of Eq.
//   - contains, startswith, endswith and matchesPattern of a null are false. All
//     other functions, arithmetic and the sign are null where an operand is.
//     Division by zero, and the remainder of one, are null.
//   - A sum that is an Instant stays within 0001-01-01T00:00:00Z and
//     9999-12-31T23:59:59.999999Z. An Int beside a Double becomes one.
//   - substring takes a start below 0 for 0 and a length below 0 for 0, and is
//     empty where it starts behind the end. indexof is -1 if there is none, and 0
//     of an empty text. trim takes off the characters of [TrimSet].
//   - matchesPattern finds its pattern anywhere in the text, of which it sees the
//     first 8 KiB.
//   - Parts of an Instant are those of UTC; totaloffsetminutes is 0. date and
//     time cut it at midnight, also before 1970. fractionalseconds and
//     totalseconds are microseconds divided by 1e6.
//   - round takes a half away from zero: floor(|x|+0.5) with the sign of x.
//   - now() is null until [Bind] has put the time in its place.
//   - A Lambda without a body is true if there is an element; any is true if its
//     body is true of one element, all if it is false of none.
func Eval(e Expr, row Row) bool {
	ev := evaluator{row: row, left: math.MaxInt / 2}
	return ev.truth(e)
}

type evaluator struct {
	row    Row
	vars   []boundVar // the innermost last
	left   int        // work that may still be done; below zero nothing has a meaning any more
	looked []lookedAt
}

// A lookedAt is what of the row the filter has looked at: a long text, folded once
// however often it is asked for, or a collection.
type lookedAt struct{ path, text string }

// lookedAt finds what the filter has looked at, or nil.
func (ev *evaluator) lookedAt(path string) *lookedAt {
	for i := range ev.looked {
		if ev.looked[i].path == path {
			return &ev.looked[i]
		}
	}
	return nil
}

type boundVar struct {
	name string
	row  Row
}

func (ev *evaluator) truth(e Expr) bool {
	if ev.left--; ev.left < 0 {
		return false
	}
	switch e := e.(type) {
	case And:
		for _, term := range e.Terms {
			if !ev.truth(term) {
				return false
			}
		}
		return true
	case Or:
		for _, term := range e.Terms {
			if ev.truth(term) {
				return true
			}
		}
		return false
	case Not:
		return !ev.truth(e.X)
	case Compare:
		l, r := ev.value(e.L), ev.value(e.R)
		ev.left -= min(len(l.Text), len(r.Text)) / scanned
		return compareValues(e.Op, l, r)
	case In:
		x := ev.value(e.X)
		for _, lit := range e.List {
			if ev.left -= min(len(x.Text), len(lit.Value.Text)) / scanned; compareValues(Eq, x, ev.value(lit)) {
				return true
			}
		}
		return false
	case Has:
		return compareValues(Eq, ev.value(e.X), ev.value(e.Member))
	case Lambda:
		return ev.lambda(e)
	}
	v := ev.value(e)
	return v.Type == Bool && v.Int != 0
}

// value is the value of an expression, with text folded.
func (ev *evaluator) value(e Expr) Value {
	if ev.left--; ev.left < 0 {
		return Value{}
	}
	switch e := e.(type) {
	case Literal:
		v := e.Value
		v.Text = Fold(v.Text)
		return v
	case Prop:
		v := ev.of(e.Var).Value(e.Path)
		if e.Of.Type == DateText && e.As == String && !v.IsNull() {
			v = StringValue(time.UnixMicro(v.Int).UTC().Format(textLayout))
		}
		v.Text = ev.fold(e, v.Text)
		return v
	case Neg:
		v := ev.value(e.X)
		v.Int = -v.Int
		if v.Float != 0 {
			v.Float = -v.Float
		}
		return v
	case Arith:
		return compute(e, ev.value(e.L), ev.value(e.R))
	case Call:
		return ev.call(e)
	}
	return BoolValue(ev.truth(e))
}

// fold folds the text of a property.
func (ev *evaluator) fold(p Prop, text string) string {
	if p.Var != "" || len(text) < scanned { // cheaper than to remember it
		ev.left -= len(text) / walked
		return Fold(text)
	}
	if seen := ev.lookedAt(p.Path); seen != nil {
		return seen.text
	}
	ev.left += ofText(text)
	text = Fold(text)
	ev.looked = append(ev.looked, lookedAt{p.Path, text})
	return text
}

// of is the row that a variable stands for.
func (ev *evaluator) of(variable string) Row {
	for i := len(ev.vars) - 1; i >= 0; i-- {
		if ev.vars[i].name == variable {
			return ev.vars[i].row
		}
	}
	return ev.row
}

func (ev *evaluator) lambda(l Lambda) bool {
	items := ev.of(l.From).Items(l.Path)
	if l.Body == nil {
		return len(items) > 0
	}
	if l.From == "" && ev.lookedAt(l.Path) == nil {
		ev.left += ofItem * len(items)
		ev.looked = append(ev.looked, lookedAt{path: l.Path})
	}
	for _, item := range items {
		ev.vars = append(ev.vars, boundVar{l.Var, item})
		is := ev.truth(l.Body)
		ev.vars = ev.vars[:len(ev.vars)-1]
		if is != l.All {
			return is
		}
	}
	return l.All
}

// compareValues compares two values of which the text is folded.
func compareValues(op Op, a, b Value) bool {
	if a.IsNull() || b.IsNull() {
		both := a.IsNull() && b.IsNull()
		return op == Eq && both || op == Ne && !both
	}
	order := 0
	switch {
	case a.Type == Double || b.Type == Double:
		order = compareOrdered(a.float(), b.float())
	case a.Type == String:
		order = strings.Compare(a.Text, b.Text)
	default:
		order = compareOrdered(a.Int, b.Int)
	}
	return [...]bool{Eq: order == 0, Ne: order != 0, Gt: order > 0, Ge: order >= 0, Lt: order < 0, Le: order <= 0}[op]
}

func compareOrdered[T int64 | float64](a, b T) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

func (v Value) float() float64 {
	if v.Type == Double {
		return v.Float
	}
	return float64(v.Int)
}

// compute is the result of an arithmetic operator.
func compute(e Arith, l, r Value) Value {
	if l.IsNull() || r.IsNull() {
		return Value{}
	}
	if e.Result == Double {
		a, b := l.float(), r.float()
		switch e.Op {
		case Add:
			a += b
		case Sub:
			a -= b
		case Mul:
			a *= b
		default:
			if b == 0 {
				return Value{}
			}
			a /= b
		}
		return DoubleValue(a)
	}
	a, b := l.Int, r.Int
	switch e.Op {
	case Add:
		a += b
	case Sub:
		a -= b
	case Mul:
		a *= b
	default:
		if b == 0 {
			return Value{}
		}
		if e.Op == Mod {
			a %= b
		} else {
			a /= b
		}
	}
	if e.Result == Instant {
		a = min(max(a, minInstant), maxInstant)
	}
	return Value{Type: e.Result, Int: a}
}

func (ev *evaluator) call(c Call) Value {
	args := [3]Value{}
	for i, arg := range c.Args {
		args[i] = ev.value(arg)
		if args[i].IsNull() {
			if c.Type() == Bool {
				return BoolValue(false)
			}
			return Value{}
		}
	}
	x, y := args[0], args[1]
	if ev.left -= c.work(x, y); ev.left < 0 {
		return Value{}
	}
	switch c.Fn {
	case FuncContains:
		return BoolValue(strings.Contains(x.Text, y.Text))
	case FuncStartsWith:
		return BoolValue(strings.HasPrefix(x.Text, y.Text))
	case FuncEndsWith:
		return BoolValue(strings.HasSuffix(x.Text, y.Text))
	case FuncMatchesPattern:
		return BoolValue(c.Pattern.MatchString(beginning(x.Text)))
	case FuncConcat:
		return StringValue(x.Text + y.Text)
	case FuncIndexOf:
		i := strings.Index(x.Text, y.Text)
		if i > 0 {
			i = utf8.RuneCountInString(x.Text[:i])
		}
		return IntValue(int64(i))
	case FuncLength:
		return IntValue(int64(utf8.RuneCountInString(x.Text)))
	case FuncSubstring:
		length := int64(math.MaxInt64)
		if len(c.Args) == len(args) {
			length = args[2].Int
		}
		return StringValue(substring(x.Text, y.Int, length))
	case FuncTrim:
		return StringValue(strings.Trim(x.Text, TrimSet))
	case FuncTotalOffsetMinutes:
		return IntValue(0)
	case FuncTotalSeconds:
		return DoubleValue(float64(x.Int) / second)
	case FuncRound:
		return DoubleValue(math.Copysign(math.Floor(math.Abs(x.Float)+0.5), x.Float))
	case FuncFloor:
		return DoubleValue(math.Floor(x.Float))
	case FuncCeiling:
		return DoubleValue(math.Ceil(x.Float))
	case FuncNow:
		return Value{}
	}
	return calendar(c.Fn, x)
}

// beginning is as much of a text as a pattern is matched with.
func beginning(s string) string {
	if len(s) <= maxMatched {
		return s
	}
	end := maxMatched
	for !utf8.RuneStart(s[end]) {
		end--
	}
	return s[:end]
}

// substring cuts length characters out of s, from the one at start on.
func substring(s string, start, length int64) string {
	for start = max(start, 0); start > 0 && s != ""; start-- {
		_, size := utf8.DecodeRuneInString(s)
		s = s[size:]
	}
	end := 0
	for length > 0 && end < len(s) {
		_, size := utf8.DecodeRuneInString(s[end:])
		end += size
		length--
	}
	return s[:end]
}

// calendar is a part of an Instant, a Date or a TimeOfDay.
func calendar(f Func, x Value) Value {
	micros := x.Int
	if x.Type == Date {
		micros *= day
	}
	t := time.UnixMicro(micros).UTC()
	switch f {
	case FuncYear:
		return IntValue(int64(t.Year()))
	case FuncMonth:
		return IntValue(int64(t.Month()))
	case FuncDay:
		return IntValue(int64(t.Day()))
	case FuncHour:
		return IntValue(int64(t.Hour()))
	case FuncMinute:
		return IntValue(int64(t.Minute()))
	case FuncSecond:
		return IntValue(int64(t.Second()))
	case FuncFractionalSeconds:
		return DoubleValue(float64(micros-floorDiv(micros, second)*second) / second)
	case FuncDate:
		return Value{Type: Date, Int: floorDiv(micros, day)}
	}
	return Value{Type: TimeOfDay, Int: micros - floorDiv(micros, day)*day}
}
