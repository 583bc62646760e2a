package todo_test

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/teambition/rrule-go"

	"github.com/duly-todo/duly/internal/todo"
)

// TestNextAgainstRRule compares random patterns with an implementation of RFC
// 5545: the days that follow any day, by Next of Next, are the instances of the
// rule that starts on it.
func TestNextAgainstRRule(t *testing.T) {
	t.Parallel()
	const patterns, chain, seed = 20_000, 4, 20260924
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	for range patterns {
		p := randomPattern(random)
		start := todo.Date{Year: 1, Month: time.January, Day: 1}.AddDays(random.IntN(3_652_059))
		if random.IntN(2) == 0 { // in the years that matter
			start = todo.Date{Year: 2000, Month: time.January, Day: 1}.AddDays(random.IntN(36_525))
		}
		next := instances(t, p, start)
		day := start
		for range chain {
			want := next()
			got, ok := p.Next(day)
			if ok != !want.IsZero() || ok && got != dateOf(want) {
				t.Fatalf("%+v: after %s comes %s, %t, want %s", p, day, got, ok, want.Format(time.DateOnly))
			}
			if !ok {
				break
			}
			day = got
		}
		every := p
		every.Interval = 1
		want := rule(t, every, start).After(midnight(start), true)
		if got := p.First(start); got.IsZero() != want.IsZero() || !got.IsZero() && got != dateOf(want) {
			t.Fatalf("%+v: the first day from %s on is %s, want %s", p, start, got, want.Format(time.DateOnly))
		}
	}
}

func midnight(d todo.Date) time.Time {
	return time.Date(d.Year, d.Month, d.Day, 0, 0, 0, 0, time.UTC)
}

// instances yields those after start, and then the zero time.
func instances(t *testing.T, p todo.Pattern, start todo.Date) func() time.Time {
	each := rule(t, p, start).Iterator()
	return func() time.Time {
		for {
			at, ok := each()
			if !ok {
				return time.Time{}
			}
			if at.After(midnight(start)) {
				return at
			}
		}
	}
}

// rule is p in RFC 5545's terms. A day of 29 to 31 is the last that there is of
// the 28th to that day.
func rule(t *testing.T, p todo.Pattern, start todo.Date) *rrule.RRule {
	t.Helper()
	weekdays := [...]rrule.Weekday{rrule.SU, rrule.MO, rrule.TU, rrule.WE, rrule.TH, rrule.FR, rrule.SA}
	o := rrule.ROption{
		Interval: p.Interval, Dtstart: midnight(start), Wkst: weekdays[p.FirstDayOfWeek],
		Until: time.Date(9999, 12, 31, 0, 0, 0, 0, time.UTC), // it would stop after 292 years
	}
	switch p.Type {
	case todo.Daily:
		o.Freq = rrule.DAILY
	case todo.Weekly:
		o.Freq = rrule.WEEKLY
	case todo.AbsoluteMonthly, todo.RelativeMonthly:
		o.Freq = rrule.MONTHLY
	case todo.AbsoluteYearly, todo.RelativeYearly:
		o.Freq, o.Bymonth = rrule.YEARLY, []int{int(p.Month)}
	}
	for _, d := range p.DaysOfWeek {
		o.Byweekday = append(o.Byweekday, weekdays[d])
	}
	switch p.Type {
	case todo.AbsoluteMonthly, todo.AbsoluteYearly:
		for day := min(p.DayOfMonth, 28); day <= p.DayOfMonth; day++ {
			o.Bymonthday = append(o.Bymonthday, day)
		}
		o.Bysetpos = []int{-1}
	case todo.RelativeMonthly, todo.RelativeYearly:
		o.Bysetpos = []int{int(p.Index) + 1}
		if p.Index == todo.Last {
			o.Bysetpos = []int{-1}
		}
	}
	r, err := rrule.NewRRule(o)
	if err != nil {
		t.Fatalf("%+v: %v", p, err)
	}
	return r
}

func randomPattern(random *rand.Rand) todo.Pattern {
	p := todo.Pattern{Type: todo.PatternType(random.IntN(6)), Interval: 1 + random.IntN(5)}
	switch random.IntN(20) {
	case 0:
		p.Interval = 1 + random.IntN(60)
	case 1:
		p.Interval = 1 + random.IntN(todo.MaxInterval)
	}
	switch p.Type {
	case todo.AbsoluteMonthly, todo.AbsoluteYearly:
		p.DayOfMonth = 1 + random.IntN(31)
	case todo.Weekly, todo.RelativeMonthly, todo.RelativeYearly:
		for _, d := range random.Perm(7)[:1+random.IntN(7)] {
			p.DaysOfWeek = append(p.DaysOfWeek, time.Weekday(d))
		}
	}
	switch p.Type {
	case todo.Weekly:
		p.FirstDayOfWeek = time.Weekday(random.IntN(7))
	case todo.RelativeMonthly, todo.RelativeYearly:
		p.Index = todo.WeekIndex(random.IntN(5))
	}
	switch p.Type {
	case todo.AbsoluteYearly, todo.RelativeYearly:
		p.Month = time.Month(1 + random.IntN(12))
	}
	return p
}

// fits says whether p can fall on d at all, by a way of its own: by counting
// the days of the month that it could fall on.
func fits(p todo.Pattern, d todo.Date) bool {
	at := midnight(d)
	ends := time.Date(d.Year, d.Month+1, 0, 0, 0, 0, 0, time.UTC).Day()
	switch p.Type {
	case todo.AbsoluteYearly, todo.RelativeYearly:
		if d.Month != p.Month {
			return false
		}
	}
	switch p.Type {
	case todo.Weekly:
		return slices.Contains(p.DaysOfWeek, at.Weekday())
	case todo.AbsoluteMonthly, todo.AbsoluteYearly:
		return d.Day == p.DayOfMonth || d.Day == ends && p.DayOfMonth > ends
	case todo.RelativeMonthly, todo.RelativeYearly:
		var could []int
		for day := 1; day <= ends; day++ {
			if slices.Contains(p.DaysOfWeek, time.Date(d.Year, d.Month, day, 0, 0, 0, 0, time.UTC).Weekday()) {
				could = append(could, day)
			}
		}
		if p.Index == todo.Last {
			return d.Day == could[len(could)-1]
		}
		return d.Day == could[p.Index]
	}
	return true
}

// FuzzNext puts patterns of any shape to First and Next: both end, Next moves
// on, and for a pattern that Normalize takes both land on days that fit.
func FuzzNext(f *testing.F) {
	f.Add(uint8(0), 1, 0, 0, uint8(0), 0, uint8(0), 739_000)
	f.Add(uint8(1), 2, 0, 0, uint8(0b0101010), 1, uint8(0), 739_000)
	f.Add(uint8(2), 1, 0, 31, uint8(0), 0, uint8(0), 738_900)
	f.Add(uint8(3), 3, 0, 0, uint8(0b1000001), 0, uint8(4), 739_000)
	f.Add(uint8(4), 1, 2, 29, uint8(0), 0, uint8(0), 738_600)
	f.Add(uint8(5), 9_999, 5, 0, uint8(0b0000001), 6, uint8(3), 3_652_058)
	f.Add(uint8(9), -1, 13, -31, uint8(0), -9, uint8(200), 0)
	f.Fuzz(func(t *testing.T, kind uint8, interval, month, dayOfMonth int, week uint8, firstDay int, index uint8, start int) {
		p := todo.Pattern{
			Type: todo.PatternType(kind), Interval: interval, Month: time.Month(month), DayOfMonth: dayOfMonth,
			FirstDayOfWeek: time.Weekday(firstDay), Index: todo.WeekIndex(index),
		}
		for d := range 8 {
			if week>>d&1 != 0 {
				p.DaysOfWeek = append(p.DaysOfWeek, time.Weekday(d))
			}
		}
		day := todo.Date{Year: 1, Month: time.January, Day: 1}.AddDays(start)
		_, _, err := todo.Recurrence{Pattern: p}.Normalize(day.AddDays(1).In("UTC"))
		valid := err == nil && kind <= 5 && week < 0x80 && index <= 4 && firstDay >= 0 && firstDay <= 6
		first := p.First(day)
		if !first.IsZero() && (first.Compare(day) < 0 || p.First(first) != first || valid && !fits(p, first)) {
			t.Fatalf("%+v: the first day from %s on is %s", p, day, first)
		}
		for range 20 {
			next, ok := p.Next(day)
			if !ok {
				break
			}
			if next.Compare(day) <= 0 || p.First(next) != next || valid && !fits(p, next) {
				t.Fatalf("%+v: after %s comes %s", p, day, next)
			}
			if p.Interval == 1 && valid && p.First(day.AddDays(1)) != next {
				t.Fatalf("%+v: after %s comes %s, but the first day from there on is %s", p, day, next, p.First(day.AddDays(1)))
			}
			day = next
		}
	})
}

func BenchmarkNext(b *testing.B) {
	patterns := map[string]todo.Pattern{
		"daily":          {Type: todo.Daily, Interval: 1},
		"weekly":         {Type: todo.Weekly, Interval: 2, DaysOfWeek: on(mon, fri), FirstDayOfWeek: mon},
		"relativeYearly": {Type: todo.RelativeYearly, Interval: 1, Month: time.May, DaysOfWeek: on(sun), Index: todo.Last},
	}
	for name, p := range patterns {
		b.Run(name, func(b *testing.B) {
			r := todo.Recurrence{Pattern: p, Range: todo.Range{Type: todo.NoEnd}}
			due := date(b, "2026-05-31").In("Europe/London")
			b.ReportAllocs()
			for b.Loop() {
				if _, ok := r.Next(due, 1); !ok {
					b.Fatal("the series ends")
				}
			}
		})
	}
}
