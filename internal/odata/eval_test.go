package odata_test

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/duly-todo/duly/internal/odata"
	"github.com/duly-todo/duly/internal/odata/odatatest"
)

// A row is an entity of which the values are given by their paths.
type row struct {
	values map[string]odata.Value
	items  map[string][]odata.Row
}

func (r row) Value(path string) odata.Value { return r.values[path] }

func (r row) Items(path string) []odata.Row { return r.items[path] }

func at(s string) odata.Value {
	t, err := time.Parse(time.RFC3339Nano, s)
	if err != nil {
		panic(err)
	}
	return odata.InstantValue(t)
}

func words(s ...string) []odata.Row {
	rows := make([]odata.Row, len(s))
	for i, word := range s {
		rows[i] = row{values: map[string]odata.Value{"": odata.StringValue(word)}}
	}
	return rows
}

func milk() row {
	step := func(name string, checked bool) odata.Row {
		return row{values: map[string]odata.Value{"displayName": odata.StringValue(name), "isChecked": odata.BoolValue(checked)}}
	}
	return row{
		values: map[string]odata.Value{
			"id": odata.StringValue("AQ=="), "title": odata.StringValue(" Milk 🛒 für İda"), "body": odata.BoolValue(true),
			"status": odata.EnumValue(1), "importance": odata.EnumValue(2), "isReminderOn": odata.BoolValue(true),
			"createdDateTime": at("2026-10-02T23:30:15.25Z"), "lastModifiedDateTime": at("1969-12-31T23:59:59.5Z"),
			"dueDateTime": odata.BoolValue(true), "dueDateTime/dateTime": at("2026-10-03T00:00:00Z"), "dueDateTime/timeZone": odata.StringValue("UTC"),
			"size": odata.IntValue(7), "weight": odata.DoubleValue(-2.5),
			"spent": {Type: odata.Duration, Int: -90_000_000}, "day": {Type: odata.Date, Int: -1}, "clock": {Type: odata.TimeOfDay, Int: 3_600_000_000},
		},
		items: map[string][]odata.Row{
			"categories":     words("Red", "blå"),
			"checklistItems": {step("a", true), step("b", false)},
		},
	}
}

func TestEval(t *testing.T) {
	t.Parallel()
	yes := []string{
		// Text.
		"title eq ' mILK 🛒 FÜR ida'", "contains(title,'MILK') and startswith(title,' m') and endswith(title,'İDA')", "length(title) eq 15",
		"indexof(title,'F') eq 8", "indexof(title,'x') eq -1", "indexof(title,'') eq 0", "substring(title,6,1) eq '🛒'", "substring(title,-3,5) eq ' milk'",
		"substring(title,99) eq ''", "substring(title,1,-1) eq ''", "substring(title,12) eq 'ida'", "trim(title) ne title", "trim(' \u00a0\u3000x\t') eq 'X'",
		"concat(trim(title),id) gt 'milk'", "title lt 'a'", "'ZZZ' gt trim(title)", "matchesPattern(title,'^ M.*ida$')", "not matchesPattern(title,'^m')",
		"title in ('x',' milk 🛒 für ida')", "tolower(id) eq 'aq=='", "'\U0001f1e9' gt '\uffff'", "length('👩\u200d👧') eq 3",
		// Null.
		"body/content eq null", "not (body/content ne null)", "body/content ne 'x'", "not (body/content eq 'x')", "not (body/content gt 'x')",
		"not (body/content le 'x')", "null eq null", "not (null lt null)", "not contains(body/content,'x')", "contains(body/content,'x') eq false",
		"length(body/content) eq null", "concat(title,body/content) eq null", "body/content in ('x',null)", "not (body/content in ('x'))",
		"substring(title,indexof(body/content,'x')) eq null", "not hasAttachments", "hasAttachments ne false", "dueDateTime ne null",
		"reminderDateTime eq null", "reminderDateTime/dateTime eq null", "body ne null", "body/content eq reminderDateTime/timeZone", "not (reminderDateTime/dateTime lt 9999-12-31)",
		// Numbers.
		"size add 1 eq 8 and size sub 8 eq -1 and size mul -2 eq -14", "size div 2 eq 3 and -size div 2 eq -3 and size divby 2 eq 3.5",
		"size mod 4 eq 3 and -size mod 4 eq -3", "size div 0 eq null and size mod 0 eq null and weight div 0.0 eq null", "size eq 7.0 and size gt 6.9",
		"weight mul 2 eq -5 and weight add size eq 4.5", "round(weight) eq -3 and floor(weight) eq -3 and ceiling(weight) eq -2", "round(2.5) eq 3 and round(0.4) eq 0 and round(size) eq 7",
		"-weight eq 2.5", "2 add 3 mul 4 eq 14 and 20 sub 5 sub 3 eq 12",
		// Enumerations and truth values.
		"importance gt 'normal' and importance ge 'high' and status lt 'completed'", "status has 'inProgress' and not (status has 'completed')",
		"status in ('completed','INPROGRESS')", "isReminderOn", "isReminderOn gt false", "(size eq 7) eq isReminderOn", "not isReminderOn eq false",
		// Time.
		"dueDateTime/dateTime eq '2026-10-03'", "dueDateTime/dateTime ge '2026-10-02T20:00:00-04:00'", "dueDateTime/dateTime lt 2026-10-03T00:00:00.000001Z",
		"startswith(dueDateTime/dateTime,'2026-10-03T00:00:00.0')", "length(dueDateTime/dateTime) eq 27", "dueDateTime/dateTime ne 'soon'", "dueDateTime/dateTime lt 'soon'",
		"dueDateTime/dateTime in ('soon','2026-10-03')", "createdDateTime lt dueDateTime/dateTime", "createdDateTime lt 2026-10-03",
		"year(createdDateTime) eq 2026 and month(createdDateTime) eq 10 and day(createdDateTime) eq 2 and hour(createdDateTime) eq 23 and minute(createdDateTime) eq 30 and second(createdDateTime) eq 15",
		"fractionalseconds(createdDateTime) eq 0.25 and fractionalseconds(lastModifiedDateTime) eq 0.5", "date(createdDateTime) eq 2026-10-02 and time(createdDateTime) eq 23:30:15.25",
		"date(lastModifiedDateTime) eq 1969-12-31 and time(lastModifiedDateTime) eq 23:59:59.5", "day eq 1969-12-31 and year(day) eq 1969 and day(day) eq 31", "hour(clock) eq 1",
		"totaloffsetminutes(createdDateTime) eq 0", "dueDateTime/dateTime sub createdDateTime eq duration'PT29M44.75S'", "date(createdDateTime add duration'PT1H') eq 2026-10-03",
		"spent eq duration'-PT90S' and -spent eq duration'PT1M30S' and totalseconds(spent) eq -90 and spent mul 2 eq duration'-PT3M' and spent div 4 eq duration'-PT22.5S'",
		"maxdatetime() add duration'P1D' eq maxdatetime() and mindatetime() sub duration'P1D' eq mindatetime()", "createdDateTime gt mindatetime()", "now() eq null",
		// Collections.
		"categories/any(c:c eq 'RED')", "not categories/any(c:c eq 'green')", "categories/all(c:length(c) eq 3)", "checklistItems/any(s:s/isChecked eq false)",
		"not checklistItems/all(s:s/isChecked)", "categories/any()", "not extensions/any()", "not extensions/any(e:true)", "extensions/all(e:false)",
		"checklistItems/any(s:s/displayName eq 'B' and size eq 7)", "checklistItems/any(s:categories/any(c:startswith(c,s/displayName)))", "categories/any(title:title eq 'red' and $it/title ne 'red')",
		"checklistItems/all(s:s/createdDateTime eq null)",
	}
	for _, text := range yes {
		t.Run(text, func(t *testing.T) {
			t.Parallel()
			if !odata.Eval(parse(t, text), milk()) {
				t.Error("false")
			}
			if odata.Eval(parse(t, "not ("+text+")"), milk()) {
				t.Error("its opposite is true as well")
			}
		})
	}
}

func TestBind(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 22, 12, 0, 0, 123_456_789, time.UTC)
	for text, want := range map[string]string{
		"createdDateTime gt now() sub duration'P7D'":          "createdDateTime gt 2026-11-15T12:00:00.123456Z",
		"now() lt createdDateTime":                            "createdDateTime gt 2026-11-22T12:00:00.123456Z",
		"checklistItems/any(s:s/createdDateTime lt now())":    "checklistItems/any(s:s/createdDateTime lt 2026-11-22T12:00:00.123456Z)",
		"not (title in ('a')) or date(now()) eq 2026-11-22":   "not title in ('a') or 2026-11-22 eq 2026-11-22",
		"size eq 1 div 0 and -(year(now())) lt size add 1":    "size eq 1 div 0 and size add 1 gt -2026",
		"matchesPattern(title,'A') and status has 'deferred'": "matchesPattern(title,'A') and status has 'deferred'",
	} {
		e := parse(t, text)
		before := odata.Print(e)
		if got := odata.Print(odata.Bind(e, now)); got != want {
			t.Errorf("%s\ngot  %s\nwant %s", text, got, want)
		}
		if odata.Print(e) != before {
			t.Errorf("%s was changed", text)
		}
	}
}

// TestPatternSeesTheBeginning matches a text of a mebibyte, cut between
// characters.
func TestPatternSeesTheBeginning(t *testing.T) {
	t.Parallel()
	one := milk()
	one.values["body/content"] = odata.StringValue("x" + strings.Repeat("é", 1<<19) + "z")
	if e := parse(t, "matchesPattern(body/content,'^xé*$') and not matchesPattern(body/content,'z')"); !odata.Eval(e, one) {
		t.Error("false")
	}
}

// randomRow fills a row with random values, and leaves some of those out that
// may be null.
func randomRow(r *rand.Rand, s *odata.Schema) row {
	made := row{values: map[string]odata.Value{}, items: map[string][]odata.Row{}}
	var fill func(prefix string, members []odata.Property)
	fill = func(prefix string, members []odata.Property) {
		for _, p := range members {
			path := prefix + p.Name
			switch {
			case p.Type == odata.Entity:
			case p.Type == odata.Collection:
				for range r.IntN(4) {
					made.items[path] = append(made.items[path], randomItem(r, p.Item))
				}
			case !p.Nullable || r.IntN(4) > 0:
				made.values[path] = randomValue(r, p)
				fill(path+"/", p.Complex)
			}
		}
	}
	fill("", s.Properties)
	return made
}

func randomItem(r *rand.Rand, s *odata.Schema) odata.Row {
	if s.Value != nil {
		return row{values: map[string]odata.Value{"": randomValue(r, *s.Value)}}
	}
	return randomRow(r, s)
}

func randomValue(r *rand.Rand, p odata.Property) odata.Value {
	at := odata.InstantValue(odatatest.RandomTime(r))
	const day = 86_400_000_000
	switch p.Type {
	case odata.Bool, odata.Complex:
		return odata.BoolValue(p.Type == odata.Complex || r.IntN(2) == 0)
	case odata.Int:
		return odata.IntValue(int64(r.IntN(10)) - 3)
	case odata.Double:
		return odata.DoubleValue(float64(r.IntN(16)-8) / 4)
	case odata.Enum:
		return odata.EnumValue(r.IntN(len(p.Enum)))
	case odata.Instant, odata.DateText:
		return at
	case odata.Date:
		return odata.Value{Type: odata.Date, Int: at.Int / day}
	case odata.TimeOfDay:
		return odata.Value{Type: odata.TimeOfDay, Int: (at.Int%day + day) % day}
	case odata.Duration:
		return odata.Value{Type: odata.Duration, Int: (int64(r.IntN(10)) - 3) * 1_800_000_000}
	}
	return odata.StringValue(odatatest.RandomText(r))
}

// TestLaws holds random filters on random rows to the laws of logic, and to
// saying the same once they are printed, bound or turned round.
func TestLaws(t *testing.T) {
	t.Parallel()
	s := taskSchema()
	n := 3_000
	if testing.Short() {
		n = 1_000
	}
	now := time.Date(2026, 10, 2, 0, 0, 0, 0, time.UTC)
	trues := 0
	for i := range n {
		r := rand.New(rand.NewPCG(2, uint64(i)))
		a := odata.Bind(odatatest.RandomFilter(r, s), now)
		b := odata.Bind(odatatest.RandomFilter(r, s), now)
		one := randomRow(r, s)
		is := func(e odata.Expr) bool { return odata.Eval(e, one) }
		x, y := is(a), is(b)
		if x {
			trues++
		}
		both, either := odata.And{Terms: []odata.Expr{a, b}}, odata.Or{Terms: []odata.Expr{a, b}}
		notA, notB := odata.Not{X: a}, odata.Not{X: b}
		for name, held := range map[string]bool{
			"not":        is(notA) == !x,
			"not not":    is(odata.Not{X: notA}) == x,
			"and":        is(both) == (x && y),
			"or":         is(either) == (x || y),
			"De Morgan":  is(odata.Not{X: both}) == is(odata.Or{Terms: []odata.Expr{notA, notB}}),
			"De Morgan'": is(odata.Not{X: either}) == is(odata.And{Terms: []odata.Expr{notA, notB}}),
			"eq":         is(odata.Compare{Op: odata.Eq, L: odata.Not{X: notA}, R: odata.Not{X: notB}}) == (x == y), // a Bool property may be null
			"any":        holdsOfLambdas(a, is),
			"printed":    is(parse(t, odata.Print(a))) == x,
			"bound":      is(odata.Bind(a, now)) == x,
		} {
			if !held {
				t.Errorf("seed %d: %s does not hold of\n%s\n%s", i, name, odata.Print(a), odata.Print(b))
			}
		}
		walk(a, func(e odata.Expr) { checkNode(t, e, is) })
	}
	t.Logf("%d pairs of random filters, of which %d were true of their row", n, trues)
}

// holdsOfLambdas says whether all is the opposite of any of the opposite, for a
// filter that is a lambda.
func holdsOfLambdas(e odata.Expr, is func(odata.Expr) bool) bool {
	l, ok := e.(odata.Lambda)
	if !ok || l.Body == nil {
		return true
	}
	other := l
	other.All, other.Body = !l.All, odata.Not{X: l.Body}
	return is(l) != is(other)
}

// checkNode holds a leaf that needs no variable to the laws of leaves.
func checkNode(t *testing.T, e odata.Expr, is func(odata.Expr) bool) {
	t.Helper()
	switch e := e.(type) {
	case odata.Compare:
		if usesVariables(e) {
			return
		}
		with := func(op odata.Op) bool { return is(odata.Compare{Op: op, L: e.L, R: e.R}) }
		less, equal, more := with(odata.Lt), with(odata.Eq), with(odata.Gt)
		null := is(odata.Compare{Op: odata.Eq, L: e.L, R: odata.Literal{}}) || is(odata.Compare{Op: odata.Eq, L: e.R, R: odata.Literal{}})
		count := 0
		for _, b := range []bool{less, equal, more} {
			if b {
				count++
			}
		}
		complexOnly := e.L.Type() == odata.Complex
		if with(odata.Ne) == equal || !null && !complexOnly && (count != 1 || with(odata.Le) == more || with(odata.Ge) == less) ||
			null && (less || more || with(odata.Le) || with(odata.Ge)) {
			t.Errorf("the order of %s is wrong: lt %v eq %v gt %v", odata.Print(e), less, equal, more)
		}
	case odata.In:
		if usesVariables(e) {
			return
		}
		either := odata.Or{Terms: []odata.Expr{odata.Literal{Value: odata.BoolValue(false)}}}
		for _, lit := range e.List {
			either.Terms = append(either.Terms, odata.Compare{Op: odata.Eq, L: e.X, R: lit})
		}
		if is(e) != is(either) {
			t.Errorf("%s is not %s", odata.Print(e), odata.Print(either))
		}
	}
}

func usesVariables(e odata.Expr) bool {
	used := false
	walk(e, func(e odata.Expr) {
		switch e := e.(type) {
		case odata.Prop:
			used = used || e.Var != ""
		case odata.Lambda:
			used = used || e.From != ""
		}
	})
	return used
}

// walk visits each node of a tree.
func walk(e odata.Expr, visit func(odata.Expr)) {
	visit(e)
	var below []odata.Expr
	switch e := e.(type) {
	case odata.And:
		below = e.Terms
	case odata.Or:
		below = e.Terms
	case odata.Not:
		below = []odata.Expr{e.X}
	case odata.Neg:
		below = []odata.Expr{e.X}
	case odata.Compare:
		below = []odata.Expr{e.L, e.R}
	case odata.Arith:
		below = []odata.Expr{e.L, e.R}
	case odata.In:
		below = []odata.Expr{e.X}
	case odata.Has:
		below = []odata.Expr{e.X, e.Member}
	case odata.Call:
		below = e.Args
	case odata.Lambda:
		if e.Body != nil {
			below = []odata.Expr{e.Body}
		}
	}
	for _, b := range below {
		walk(b, visit)
	}
}

// TestFold holds every character of Unicode to what Fold promises.
func TestFold(t *testing.T) {
	t.Parallel()
	for r := rune(0); r <= unicode.MaxRune; r++ {
		if !utf8.ValidRune(r) {
			continue
		}
		folded := odata.Fold(string(r))
		if utf8.RuneCountInString(folded) != 1 || odata.Fold(folded) != folded {
			t.Errorf("Fold(%q) is %q, and Fold of that %q", r, folded, odata.Fold(folded))
		}
		for next := unicode.SimpleFold(r); next != r; next = unicode.SimpleFold(next) {
			if odata.Fold(string(next)) != folded {
				t.Errorf("Fold(%q) is %q, and Fold(%q) is %q", r, folded, next, odata.Fold(string(next)))
			}
		}
		if space := unicode.IsSpace(r); space != strings.ContainsRune(odata.TrimSet, r) {
			t.Errorf("TrimSet has %q: %v", r, !space)
		}
	}
	for in, want := range map[string]string{"": "", "abc": "abc", "aBC": "abc", "ÄÖ": "äö", "İI": "ii", "ΟΔΟΣ οδος": "οδοσ οδοσ", "K": "k", "a\xffB": "a\ufffdb"} {
		if got := odata.Fold(in); got != want {
			t.Errorf("Fold(%q) is %q, want %q", in, got, want)
		}
	}
	for i := range 2_000 {
		r := rand.New(rand.NewPCG(3, uint64(i)))
		a, b := odatatest.RandomText(r), odatatest.RandomText(r)
		if odata.Fold(a)+odata.Fold(b) != odata.Fold(a+b) {
			t.Errorf("Fold(%q) and Fold(%q) are not those of both together", a, b)
		}
	}
}

// TestRandomFiltersAreVaried makes sure that the generator reaches everything.
func TestRandomFiltersAreVaried(t *testing.T) {
	t.Parallel()
	s := taskSchema()
	var seen []string
	note := func(name string) {
		if !slices.Contains(seen, name) {
			seen = append(seen, name)
		}
	}
	for i := range 3_000 {
		walk(odatatest.RandomFilter(rand.New(rand.NewPCG(4, uint64(i))), s), func(e odata.Expr) {
			switch e := e.(type) {
			case odata.And:
				note("and")
			case odata.Or:
				note("or")
			case odata.Not:
				note("not")
			case odata.Neg:
				note("neg")
			case odata.Compare:
				note(e.Op.String())
			case odata.Arith:
				note(e.Op.String() + " " + e.Result.String())
			case odata.In:
				note("in")
			case odata.Has:
				note("has")
			case odata.Call:
				note(e.Fn.String())
			case odata.Lambda:
				note(map[bool]string{true: "all", false: "any"}[e.All] + e.From)
			case odata.Literal:
				note("literal " + e.Type().String())
			case odata.Prop:
				note("property " + e.Of.Type.String() + " as " + e.As.String())
			}
		})
	}
	for f := odata.FuncContains; f <= odata.FuncCeiling; f++ {
		if !slices.Contains(seen, f.String()) {
			t.Errorf("no random filter has the function %s", f)
		}
	}
	for _, want := range []string{"and", "or", "not", "neg", "eq", "ne", "gt", "ge", "lt", "le", "in", "has", "any", "all", "mod Edm.Int64", "add Edm.DateTimeOffset", "sub Edm.Duration", "divby Edm.Double", "literal <null>"} {
		if !slices.Contains(seen, want) {
			t.Errorf("no random filter has %s", want)
		}
	}
	t.Logf("%d kinds of nodes", len(seen))
}

// BenchmarkHostilePattern matches the worst patterns with a long text.
func BenchmarkHostilePattern(b *testing.B) {
	one := milk()
	one.values["body/content"] = odata.StringValue(strings.Repeat("a", 1<<20))
	for _, pattern := range []string{"(a*)*b", "(a|aa)+$x", "(a?){50}a{50}b", ".*.*.*.*.*b", "(.{0,60}a){2}b", `(\pL{1,9}){9}!`} {
		text := "matchesPattern(body/content,'" + pattern + "')"
		b.Run(pattern, func(b *testing.B) {
			e := parse(b, text)
			for b.Loop() {
				if odata.Eval(e, one) {
					b.Fatal("true")
				}
			}
		})
	}
}

func BenchmarkEval(b *testing.B) {
	for _, text := range []string{
		"status ne 'completed'",
		"contains(title,'milk') and dueDateTime/dateTime lt '2026-11-01'",
		"categories/any(c:c eq 'red')",
	} {
		b.Run(text, func(b *testing.B) {
			e := parse(b, text)
			one := odata.Row(milk())
			b.ReportAllocs()
			for b.Loop() {
				if !odata.Eval(e, one) {
					b.Fatal("false")
				}
			}
		})
	}
}
