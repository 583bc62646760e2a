package todo_test

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/duly-todo/duly/internal/todo"
)

const (
	sun = time.Sunday
	mon = time.Monday
	tue = time.Tuesday
	wed = time.Wednesday
	thu = time.Thursday
	fri = time.Friday
	sat = time.Saturday
)

func on(days ...time.Weekday) []time.Weekday { return days }

func date(t testing.TB, s string) todo.Date {
	t.Helper()
	d, ok := todo.ParseDate(s)
	if !ok {
		t.Fatalf("%q is not a day", s)
	}
	return d
}

func TestPatternNext(t *testing.T) {
	t.Parallel()
	workdays := on(mon, tue, wed, thu, fri)
	tests := []struct {
		name    string
		pattern todo.Pattern
		days    []string // of which each is the next after the one before; "" is the end
	}{
		{"daily", todo.Pattern{Type: todo.Daily, Interval: 1}, []string{"2026-09-24", "2026-09-25", "2026-09-26"}},
		{"daily over a leap day", todo.Pattern{Type: todo.Daily, Interval: 1}, []string{"2028-02-28", "2028-02-29", "2028-03-01"}},
		{"every 10 days", todo.Pattern{Type: todo.Daily, Interval: 10}, []string{"2026-12-25", "2027-01-04", "2027-01-14"}},
		{"the longest interval", todo.Pattern{Type: todo.Daily, Interval: todo.MaxInterval}, []string{"2026-01-01", "2053-05-18"}},
		{"daily to the end", todo.Pattern{Type: todo.Daily, Interval: 1}, []string{"9999-12-30", "9999-12-31", ""}},
		{"daily over the end", todo.Pattern{Type: todo.Daily, Interval: 3}, []string{"9999-12-30", ""}},

		{"weekly", todo.Pattern{Type: todo.Weekly, Interval: 1, DaysOfWeek: on(mon)}, []string{"2026-09-28", "2026-10-05", "2026-10-12"}},
		{"weekly on workdays", todo.Pattern{Type: todo.Weekly, Interval: 1, DaysOfWeek: workdays}, []string{"2026-09-24", "2026-09-25", "2026-09-28"}},
		{"every other week on workdays", todo.Pattern{Type: todo.Weekly, Interval: 2, DaysOfWeek: workdays}, []string{"2023-08-03", "2023-08-04", "2023-08-14"}},
		{"from a day that does not fit", todo.Pattern{Type: todo.Weekly, Interval: 2, DaysOfWeek: on(fri)}, []string{"2026-09-22", "2026-09-25", "2026-10-09"}},
		// The example of RFC 5545, WKST: the same days, by where the week begins.
		{"weeks from Monday", todo.Pattern{Type: todo.Weekly, Interval: 2, DaysOfWeek: on(tue, sun), FirstDayOfWeek: mon}, []string{"1997-08-05", "1997-08-10", "1997-08-19", "1997-08-24"}},
		{"weeks from Sunday", todo.Pattern{Type: todo.Weekly, Interval: 2, DaysOfWeek: on(tue, sun), FirstDayOfWeek: sun}, []string{"1997-08-05", "1997-08-17", "1997-08-19", "1997-08-31"}},
		{"weeks from Saturday", todo.Pattern{Type: todo.Weekly, Interval: 2, DaysOfWeek: on(fri, sat), FirstDayOfWeek: sat}, []string{"2026-09-25", "2026-10-03", "2026-10-09", "2026-10-17"}},
		{"weekly to the end", todo.Pattern{Type: todo.Weekly, Interval: 1, DaysOfWeek: on(fri)}, []string{"9999-12-24", "9999-12-31", ""}},

		{"monthly", todo.Pattern{Type: todo.AbsoluteMonthly, Interval: 1, DayOfMonth: 7}, []string{"2023-08-07", "2023-09-07", "2023-10-07"}},
		{"monthly on the 31st", todo.Pattern{Type: todo.AbsoluteMonthly, Interval: 1, DayOfMonth: 31}, []string{"2027-12-31", "2028-01-31", "2028-02-29", "2028-03-31", "2028-04-30"}},
		{"monthly on the 29th", todo.Pattern{Type: todo.AbsoluteMonthly, Interval: 1, DayOfMonth: 29}, []string{"2027-01-29", "2027-02-28", "2027-03-29"}},
		{"monthly on the 30th in 1900", todo.Pattern{Type: todo.AbsoluteMonthly, Interval: 1, DayOfMonth: 30}, []string{"1900-01-30", "1900-02-28", "1900-03-30"}},
		{"monthly, later in the same month", todo.Pattern{Type: todo.AbsoluteMonthly, Interval: 3, DayOfMonth: 15}, []string{"2026-09-10", "2026-09-15", "2026-12-15", "2027-03-15"}},
		{"every 13 months", todo.Pattern{Type: todo.AbsoluteMonthly, Interval: 13, DayOfMonth: 1}, []string{"2026-12-01", "2028-01-01"}},
		{"monthly to the end", todo.Pattern{Type: todo.AbsoluteMonthly, Interval: 1, DayOfMonth: 31}, []string{"9999-11-30", "9999-12-31", ""}},

		{"first Monday", todo.Pattern{Type: todo.RelativeMonthly, Interval: 1, DaysOfWeek: on(mon), Index: todo.First}, []string{"2026-09-07", "2026-10-05", "2026-11-02"}},
		{"second Tuesday", todo.Pattern{Type: todo.RelativeMonthly, Interval: 1, DaysOfWeek: on(tue), Index: todo.Second}, []string{"2026-09-08", "2026-10-13"}},
		{"third Sunday every other month", todo.Pattern{Type: todo.RelativeMonthly, Interval: 2, DaysOfWeek: on(sun), Index: todo.Third}, []string{"2026-09-20", "2026-11-15"}},
		{"fourth Friday", todo.Pattern{Type: todo.RelativeMonthly, Interval: 1, DaysOfWeek: on(fri), Index: todo.Fourth}, []string{"2026-09-25", "2026-10-23"}},
		{"last Friday", todo.Pattern{Type: todo.RelativeMonthly, Interval: 1, DaysOfWeek: on(fri), Index: todo.Last}, []string{"2026-09-25", "2026-10-30"}},
		{"first workday", todo.Pattern{Type: todo.RelativeMonthly, Interval: 1, DaysOfWeek: workdays, Index: todo.First}, []string{"2026-07-01", "2026-08-03", "2026-09-01"}},
		{"last workday", todo.Pattern{Type: todo.RelativeMonthly, Interval: 1, DaysOfWeek: workdays, Index: todo.Last}, []string{"2026-01-30", "2026-02-27", "2026-03-31"}},
		{"second weekend day", todo.Pattern{Type: todo.RelativeMonthly, Interval: 1, DaysOfWeek: on(sat, sun), Index: todo.Second}, []string{"2026-07-05", "2026-08-02", "2026-09-06"}},
		{"last day", todo.Pattern{Type: todo.RelativeMonthly, Interval: 1, DaysOfWeek: on(sun, mon, tue, wed, thu, fri, sat), Index: todo.Last}, []string{"2028-01-31", "2028-02-29", "2028-03-31"}},

		{"yearly", todo.Pattern{Type: todo.AbsoluteYearly, Interval: 1, Month: time.August, DayOfMonth: 1}, []string{"2023-08-01", "2024-08-01"}},
		{"yearly on the leap day", todo.Pattern{Type: todo.AbsoluteYearly, Interval: 1, Month: time.February, DayOfMonth: 29}, []string{"2027-02-28", "2028-02-29", "2029-02-28"}},
		{"every fourth year on the leap day", todo.Pattern{Type: todo.AbsoluteYearly, Interval: 4, Month: time.February, DayOfMonth: 29}, []string{"2096-02-29", "2100-02-28", "2104-02-29"}},
		{"yearly on 31 June", todo.Pattern{Type: todo.AbsoluteYearly, Interval: 1, Month: time.June, DayOfMonth: 31}, []string{"2026-06-30", "2027-06-30"}},
		{"yearly, later in the same year", todo.Pattern{Type: todo.AbsoluteYearly, Interval: 5, Month: time.December, DayOfMonth: 24}, []string{"2026-01-01", "2026-12-24", "2031-12-24"}},
		{"yearly over the end", todo.Pattern{Type: todo.AbsoluteYearly, Interval: todo.MaxInterval, Month: time.May, DayOfMonth: 1}, []string{"0001-01-01", "0001-05-01", ""}},

		{"Thanksgiving", todo.Pattern{Type: todo.RelativeYearly, Interval: 1, Month: time.November, DaysOfWeek: on(thu), Index: todo.Fourth}, []string{"2026-11-26", "2027-11-25"}},
		{"last Sunday of May", todo.Pattern{Type: todo.RelativeYearly, Interval: 1, Month: time.May, DaysOfWeek: on(sun), Index: todo.Last}, []string{"2026-05-31", "2027-05-30"}},
		{"first weekend day of every other year", todo.Pattern{Type: todo.RelativeYearly, Interval: 2, Month: time.January, DaysOfWeek: on(sat, sun)}, []string{"2026-01-03", "2028-01-01", "2030-01-05"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			for i, s := range tt.days[:len(tt.days)-1] {
				got, ok := tt.pattern.Next(date(t, s))
				if want := tt.days[i+1]; ok != (want != "") || ok && got.String() != want {
					t.Errorf("after %s comes %s, %t, want %q", s, got, ok, want)
				}
			}
		})
	}
}

func TestPatternFirst(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name     string
		pattern  todo.Pattern
		on, want string
	}{
		{"daily", todo.Pattern{Type: todo.Daily, Interval: 5}, "2026-09-24", "2026-09-24"},
		{"weekly on the day", todo.Pattern{Type: todo.Weekly, Interval: 3, DaysOfWeek: on(thu)}, "2026-09-24", "2026-09-24"},
		{"weekly next week", todo.Pattern{Type: todo.Weekly, Interval: 3, DaysOfWeek: on(wed)}, "2026-09-24", "2026-09-30"},
		{"monthly this month", todo.Pattern{Type: todo.AbsoluteMonthly, Interval: 6, DayOfMonth: 31}, "2026-09-24", "2026-09-30"},
		{"monthly next month", todo.Pattern{Type: todo.AbsoluteMonthly, Interval: 6, DayOfMonth: 23}, "2026-09-24", "2026-10-23"},
		{"last Monday", todo.Pattern{Type: todo.RelativeMonthly, Interval: 6, DaysOfWeek: on(mon), Index: todo.Last}, "2026-09-29", "2026-10-26"},
		{"yearly this year", todo.Pattern{Type: todo.AbsoluteYearly, Interval: 6, Month: time.October, DayOfMonth: 3}, "2026-09-24", "2026-10-03"},
		{"yearly next year", todo.Pattern{Type: todo.AbsoluteYearly, Interval: 6, Month: time.September, DayOfMonth: 3}, "2026-09-24", "2027-09-03"},
		{"first Sunday of May", todo.Pattern{Type: todo.RelativeYearly, Interval: 6, Month: time.May, DaysOfWeek: on(sun)}, "2026-05-04", "2027-05-02"},
		{"the last day", todo.Pattern{Type: todo.Daily, Interval: 1}, "9999-12-31", "9999-12-31"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if got := tt.pattern.First(date(t, tt.on)); got.String() != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
		})
	}
	p := todo.Pattern{Type: todo.AbsoluteMonthly, Interval: 1, DayOfMonth: 5}
	if got := p.First(date(t, "9999-12-06")); !got.IsZero() {
		t.Errorf("the calendar goes on to %s", got)
	}
	if got, ok := p.Next(todo.Date{}); ok || !p.First(todo.Date{}).IsZero() {
		t.Errorf("after no day comes %s", got)
	}
}

func TestRecurrenceNext(t *testing.T) {
	t.Parallel()
	daily := todo.Pattern{Type: todo.Daily, Interval: 1}
	noEnd := todo.Range{Type: todo.NoEnd}
	tests := []struct {
		name       string
		recurrence todo.Recurrence
		due, zone  string
		occurrence int
		want       string // "" if the series ends
	}{
		{"the day after, as observed", todo.Recurrence{Pattern: daily, Range: noEnd}, "2026-09-24", "UTC", 1, "2026-09-25T00:00:00Z"},
		{"a month after, with Graph's zeros", todo.Recurrence{Pattern: todo.Pattern{Type: todo.AbsoluteMonthly, Interval: 1, DayOfMonth: 7}, Range: noEnd}, "2023-08-07", "", 1, "2023-09-07T00:00:00Z"},
		{"into summer", todo.Recurrence{Pattern: daily, Range: noEnd}, "2026-03-29", "Europe/London", 1, "2026-03-29T23:00:00Z"},
		{"into winter", todo.Recurrence{Pattern: daily, Range: noEnd}, "2026-10-25", "W. Europe Standard Time", 1, "2026-10-25T23:00:00Z"},
		{"a week into winter, in the west", todo.Recurrence{Pattern: todo.Pattern{Type: todo.Weekly, Interval: 1, DaysOfWeek: on(sun)}, Range: noEnd}, "2026-11-01", "America/New_York", 1, "2026-11-08T05:00:00Z"},
		{"onto a day without midnight", todo.Recurrence{Pattern: daily, Range: noEnd}, "2024-09-07", "America/Santiago", 1, "2024-09-08T04:00:00Z"},
		{"from a day without midnight", todo.Recurrence{Pattern: daily, Range: noEnd}, "2024-09-08", "America/Santiago", 1, "2024-09-09T03:00:00Z"},
		{"over a day that was left out", todo.Recurrence{Pattern: daily, Range: noEnd}, "2011-12-29", "Pacific/Apia", 1, "2011-12-30T10:00:00Z"},
		{"the last but one of three", todo.Recurrence{Pattern: daily, Range: todo.Range{Type: todo.Numbered, NumberOfOccurrences: 3}}, "2026-09-25", "", 2, "2026-09-26T00:00:00Z"},
		{"the last of three", todo.Recurrence{Pattern: daily, Range: todo.Range{Type: todo.Numbered, NumberOfOccurrences: 3}}, "2026-09-26", "", 3, ""},
		{"the only one", todo.Recurrence{Pattern: daily, Range: todo.Range{Type: todo.Numbered, NumberOfOccurrences: 1}}, "2026-09-26", "", 1, ""},
		{"on the end date", todo.Recurrence{Pattern: daily, Range: todo.Range{Type: todo.EndDate, EndDate: todo.Date{Year: 2026, Month: 9, Day: 27}}}, "2026-09-26", "Asia/Tokyo", 1, "2026-09-26T15:00:00Z"},
		{"after the end date", todo.Recurrence{Pattern: daily, Range: todo.Range{Type: todo.EndDate, EndDate: todo.Date{Year: 2026, Month: 9, Day: 27}}}, "2026-09-27", "Asia/Tokyo", 1, ""},
		{"the end of the calendar", todo.Recurrence{Pattern: daily, Range: noEnd}, "9999-12-31", "America/New_York", 1, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			next, ok := tt.recurrence.Next(date(t, tt.due).In(tt.zone), tt.occurrence)
			if !ok {
				next.At = time.Time{}
			}
			got := next.At.Format(instantOf)
			if ok != (tt.want != "") || ok && (got != tt.want || next.Zone != tt.zone) {
				t.Errorf("got %s in %q, %t, want %q", got, next.Zone, ok, tt.want)
			}
		})
	}
	if next, ok := (todo.Recurrence{Pattern: daily, Range: noEnd}).Next(todo.DateTime{}, 1); ok {
		t.Errorf("after no due date comes %v", next)
	}
}

func TestNormalize(t *testing.T) {
	t.Parallel()
	day := func(s string) todo.Date { return date(t, s) }
	daily := todo.Pattern{Type: todo.Daily, Interval: 1}
	monday := todo.Pattern{Type: todo.Weekly, Interval: 1, DaysOfWeek: on(mon)}
	none := todo.Date{Year: 1, Month: time.January, Day: 1}
	tests := []struct {
		name    string
		in      todo.Recurrence
		due     todo.DateTime
		want    todo.Recurrence
		wantDue todo.DateTime
	}{
		{
			"the pattern only", // semantics 11.2, 11.8
			todo.Recurrence{Pattern: monday, Range: todo.Range{Type: todo.NoEnd}},
			day("2026-09-28").In("Europe/Berlin"),
			todo.Recurrence{Pattern: monday, Range: todo.Range{Type: todo.NoEnd, StartDate: day("2026-09-28"), TimeZone: "Europe/Berlin"}},
			day("2026-09-28").In("Europe/Berlin"),
		},
		{
			"the due date moves to a day that fits", // semantics 11.7
			todo.Recurrence{Pattern: monday, Range: todo.Range{Type: todo.NoEnd}},
			day("2026-09-24").In("Asia/Tokyo"),
			todo.Recurrence{Pattern: monday, Range: todo.Range{Type: todo.NoEnd, StartDate: day("2026-09-24"), TimeZone: "Asia/Tokyo"}},
			day("2026-09-28").In("Asia/Tokyo"),
		},
		{
			"no due date but a start", // semantics 11.3
			todo.Recurrence{Pattern: daily, Range: todo.Range{Type: todo.NoEnd, StartDate: day("2026-09-24"), TimeZone: "Europe/London"}},
			todo.DateTime{},
			todo.Recurrence{Pattern: daily, Range: todo.Range{Type: todo.NoEnd, StartDate: day("2026-09-24"), TimeZone: "Europe/London"}},
			day("2026-09-24").In("Europe/London"),
		},
		{
			"no due date, no zone",
			todo.Recurrence{Pattern: daily, Range: todo.Range{Type: todo.NoEnd, StartDate: day("2026-09-24")}},
			todo.DateTime{},
			todo.Recurrence{Pattern: daily, Range: todo.Range{Type: todo.NoEnd, StartDate: day("2026-09-24")}},
			day("2026-09-24").In(""),
		},
		{
			"a start after the due date, in a zone of its own",
			todo.Recurrence{Pattern: daily, Range: todo.Range{Type: todo.NoEnd, StartDate: day("2026-10-01"), TimeZone: "GMT Standard Time"}},
			day("2026-09-24").In("Asia/Seoul"),
			todo.Recurrence{Pattern: daily, Range: todo.Range{Type: todo.NoEnd, StartDate: day("2026-10-01"), TimeZone: "GMT Standard Time"}},
			day("2026-10-01").In("Asia/Seoul"),
		},
		{
			"a start before the due date",
			todo.Recurrence{Pattern: monday, Range: todo.Range{Type: todo.NoEnd, StartDate: day("2026-01-01")}},
			day("2026-09-24").In(""),
			todo.Recurrence{Pattern: monday, Range: todo.Range{Type: todo.NoEnd, StartDate: day("2026-01-01")}},
			day("2026-09-28").In(""),
		},
		{
			"an answer of ours, sent back",
			todo.Recurrence{
				Pattern: todo.Pattern{Type: todo.AbsoluteMonthly, Interval: 1, DayOfMonth: 7, DaysOfWeek: []time.Weekday{}},
				Range:   todo.Range{Type: todo.NoEnd, StartDate: day("2023-08-07"), EndDate: none, TimeZone: "UTC"},
			},
			day("2023-08-07").In("UTC"),
			todo.Recurrence{
				Pattern: todo.Pattern{Type: todo.AbsoluteMonthly, Interval: 1, DayOfMonth: 7},
				Range:   todo.Range{Type: todo.NoEnd, StartDate: day("2023-08-07"), TimeZone: "UTC"},
			},
			day("2023-08-07").In("UTC"),
		},
		{
			"members that daily does not use",
			todo.Recurrence{
				Pattern: todo.Pattern{Type: todo.Daily, Interval: 2, Month: 13, DayOfMonth: -4, DaysOfWeek: on(mon), FirstDayOfWeek: mon, Index: todo.Last},
				Range:   todo.Range{Type: todo.NoEnd, StartDate: none, EndDate: day("2020-01-01"), NumberOfOccurrences: -1},
			},
			day("2026-09-24").In("UTC"),
			todo.Recurrence{
				Pattern: todo.Pattern{Type: todo.Daily, Interval: 2},
				Range:   todo.Range{Type: todo.NoEnd, StartDate: day("2026-09-24"), TimeZone: "UTC"},
			},
			day("2026-09-24").In("UTC"),
		},
		{
			"weekdays twice",
			todo.Recurrence{
				Pattern: todo.Pattern{Type: todo.Weekly, Interval: 2, DayOfMonth: 3, DaysOfWeek: on(fri, mon, fri, mon), FirstDayOfWeek: mon, Index: todo.Last},
				Range:   todo.Range{Type: todo.Numbered, StartDate: day("2026-09-24"), EndDate: none, NumberOfOccurrences: todo.MaxOccurrences},
			},
			day("2026-09-24").In("UTC"),
			todo.Recurrence{
				Pattern: todo.Pattern{Type: todo.Weekly, Interval: 2, DaysOfWeek: on(fri, mon), FirstDayOfWeek: mon},
				Range:   todo.Range{Type: todo.Numbered, StartDate: day("2026-09-24"), TimeZone: "UTC", NumberOfOccurrences: todo.MaxOccurrences},
			},
			day("2026-09-25").In("UTC"),
		},
		{
			"an end on the first day that fits",
			todo.Recurrence{
				Pattern: todo.Pattern{Type: todo.RelativeYearly, Interval: 1, Month: time.November, DayOfMonth: 9, DaysOfWeek: on(thu), Index: todo.Fourth, FirstDayOfWeek: mon},
				Range:   todo.Range{Type: todo.EndDate, StartDate: day("2026-09-24"), EndDate: day("2026-11-26"), NumberOfOccurrences: 3},
			},
			day("2026-09-24").In("America/Chicago"),
			todo.Recurrence{
				Pattern: todo.Pattern{Type: todo.RelativeYearly, Interval: 1, Month: time.November, DaysOfWeek: on(thu), Index: todo.Fourth},
				Range:   todo.Range{Type: todo.EndDate, StartDate: day("2026-09-24"), EndDate: day("2026-11-26"), TimeZone: "America/Chicago"},
			},
			day("2026-11-26").In("America/Chicago"),
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got, due, err := tt.in.Normalize(tt.due)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("recurrence (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(tt.wantDue, due); diff != "" {
				t.Errorf("due (-want +got):\n%s", diff)
			}
			again, dueAgain, err := got.Normalize(due)
			if diff := cmp.Diff(got, again); err != nil || diff != "" || dueAgain != due {
				t.Errorf("a second time it is another: %v, %v\n%s", dueAgain, err, diff)
			}
		})
	}
}

func TestNormalizeRefuses(t *testing.T) {
	t.Parallel()
	due := date(t, "2026-09-24").In("Europe/Berlin")
	daily := todo.Pattern{Type: todo.Daily, Interval: 1}
	tests := []struct {
		name       string
		recurrence todo.Recurrence
		due        todo.DateTime
		target     string
	}{
		{"neither due date nor start", todo.Recurrence{Pattern: daily}, todo.DateTime{}, "dueDateTime"},
		{"neither, with a range", todo.Recurrence{Pattern: daily, Range: todo.Range{Type: todo.NoEnd, StartDate: todo.Date{Year: 1, Month: 1, Day: 1}}}, todo.DateTime{}, "dueDateTime"},
		{"nothing at all", todo.Recurrence{}, due, "recurrence.pattern.interval"},
		{"a negative interval", todo.Recurrence{Pattern: todo.Pattern{Interval: -1}}, due, "recurrence.pattern.interval"},
		{"a large interval", todo.Recurrence{Pattern: todo.Pattern{Interval: todo.MaxInterval + 1}}, due, "recurrence.pattern.interval"},
		{"weekly without a day", todo.Recurrence{Pattern: todo.Pattern{Type: todo.Weekly, Interval: 1}}, due, "recurrence.pattern.daysOfWeek"},
		{"relativeMonthly without a day", todo.Recurrence{Pattern: todo.Pattern{Type: todo.RelativeMonthly, Interval: 1}}, due, "recurrence.pattern.daysOfWeek"},
		{"relativeYearly without a day", todo.Recurrence{Pattern: todo.Pattern{Type: todo.RelativeYearly, Interval: 1, Month: 5}}, due, "recurrence.pattern.daysOfWeek"},
		{"relativeYearly without a month", todo.Recurrence{Pattern: todo.Pattern{Type: todo.RelativeYearly, Interval: 1, DaysOfWeek: on(mon)}}, due, "recurrence.pattern.month"},
		{"absoluteMonthly without a day", todo.Recurrence{Pattern: todo.Pattern{Type: todo.AbsoluteMonthly, Interval: 1}}, due, "recurrence.pattern.dayOfMonth"},
		{"absoluteMonthly on the 32nd", todo.Recurrence{Pattern: todo.Pattern{Type: todo.AbsoluteMonthly, Interval: 1, DayOfMonth: 32}}, due, "recurrence.pattern.dayOfMonth"},
		{"absoluteYearly without a day", todo.Recurrence{Pattern: todo.Pattern{Type: todo.AbsoluteYearly, Interval: 1, Month: 5}}, due, "recurrence.pattern.dayOfMonth"},
		{"absoluteYearly without a month", todo.Recurrence{Pattern: todo.Pattern{Type: todo.AbsoluteYearly, Interval: 1, DayOfMonth: 5}}, due, "recurrence.pattern.month"},
		{"absoluteYearly in month 13", todo.Recurrence{Pattern: todo.Pattern{Type: todo.AbsoluteYearly, Interval: 1, DayOfMonth: 5, Month: 13}}, due, "recurrence.pattern.month"},
		{"a zone that is not known", todo.Recurrence{Pattern: daily, Range: todo.Range{Type: todo.NoEnd, TimeZone: "Local"}}, due, "recurrence.range.recurrenceTimeZone"},
		{"no end date", todo.Recurrence{Pattern: daily, Range: todo.Range{Type: todo.EndDate, StartDate: due.Date()}}, due, "recurrence.range.endDate"},
		{"Graph's null as end date", todo.Recurrence{Pattern: daily, Range: todo.Range{Type: todo.EndDate, EndDate: todo.Date{Year: 1, Month: 1, Day: 1}}}, due, "recurrence.range.endDate"},
		{"an end before the start", todo.Recurrence{Pattern: daily, Range: todo.Range{Type: todo.EndDate, StartDate: due.Date(), EndDate: due.Date().AddDays(-1)}}, due, "recurrence.range.endDate"},
		{"an end before the due date", todo.Recurrence{Pattern: daily, Range: todo.Range{Type: todo.EndDate, StartDate: due.Date().AddDays(-9), EndDate: due.Date().AddDays(-1)}}, due, "recurrence.range.endDate"},
		{"an end before the first day that fits", todo.Recurrence{Pattern: todo.Pattern{Type: todo.Weekly, Interval: 1, DaysOfWeek: on(mon)}, Range: todo.Range{Type: todo.EndDate, EndDate: due.Date().AddDays(3)}}, due, "recurrence.range.endDate"},
		{"no number", todo.Recurrence{Pattern: daily, Range: todo.Range{Type: todo.Numbered}}, due, "recurrence.range.numberOfOccurrences"},
		{"a large number", todo.Recurrence{Pattern: daily, Range: todo.Range{Type: todo.Numbered, NumberOfOccurrences: todo.MaxOccurrences + 1}}, due, "recurrence.range.numberOfOccurrences"},
		{"the end of the calendar", todo.Recurrence{Pattern: todo.Pattern{Type: todo.AbsoluteMonthly, Interval: 1, DayOfMonth: 1}, Range: todo.Range{Type: todo.NoEnd}}, date(t, "9999-12-02").In("UTC"), "dueDateTime"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r, due, err := tt.recurrence.Normalize(tt.due)
			var e *todo.Error
			if !errors.As(err, &e) {
				t.Fatalf("got %+v, due %v, want an *Error", r, due)
			}
			if e.Kind != todo.Invalid && e.Kind != todo.BadTimeZone || e.Target != tt.target || e.Message == "" {
				t.Errorf("got %+v, want the target %s", e, tt.target)
			}
		})
	}
	_, _, err := todo.Recurrence{Pattern: daily}.Normalize(todo.DateTime{})
	var e *todo.Error
	if want := "The property 'dueDateTime' is required when creating recurrence in the task entity"; !errors.As(err, &e) || e.Message != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

func TestNormalizeLeavesItsInput(t *testing.T) {
	t.Parallel()
	days := on(fri, fri, mon)
	in := todo.Recurrence{Pattern: todo.Pattern{Type: todo.Weekly, Interval: 1, DaysOfWeek: days}, Range: todo.Range{Type: todo.NoEnd}}
	out, _, err := in.Normalize(date(t, "2026-09-24").In(""))
	if err != nil {
		t.Fatal(err)
	}
	out.Pattern.DaysOfWeek[0] = sun
	if diff := cmp.Diff(on(fri, fri, mon), days); diff != "" {
		t.Errorf("the input's weekdays have changed (-want +got):\n%s", diff)
	}
}

func TestRecurrenceNames(t *testing.T) {
	t.Parallel()
	check := func(want []string, name func(int) string, parse func(string) (int, bool)) {
		t.Helper()
		for i, s := range want {
			if got := name(i); got != s {
				t.Errorf("%d is called %q, want %q", i, got, s)
			}
			for _, form := range []string{s, string(s[0]-'a'+'A') + s[1:]} {
				if got, ok := parse(form); !ok || got != i {
					t.Errorf("%q is %d, %t, want %d", form, got, ok, i)
				}
			}
		}
		if got := name(len(want)); got != "" {
			t.Errorf("%d is called %q", len(want), got)
		}
		for _, s := range []string{"", " ", "0", "unknownFutureValue", want[0] + " ", want[0] + " " + want[1]} {
			if got, ok := parse(s); ok {
				t.Errorf("%q is %d", s, got)
			}
		}
	}
	check([]string{"daily", "weekly", "absoluteMonthly", "relativeMonthly", "absoluteYearly", "relativeYearly"},
		func(n int) string { return todo.PatternType(n).String() },
		func(s string) (int, bool) { v, ok := todo.ParsePatternType(s); return int(v), ok })
	check([]string{"first", "second", "third", "fourth", "last"},
		func(n int) string { return todo.WeekIndex(n).String() },
		func(s string) (int, bool) { v, ok := todo.ParseWeekIndex(s); return int(v), ok })
	check([]string{"endDate", "noEnd", "numbered"},
		func(n int) string { return todo.RangeType(n).String() },
		func(s string) (int, bool) { v, ok := todo.ParseRangeType(s); return int(v), ok })
	check([]string{"sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday"},
		func(n int) string { return todo.WeekdayName(time.Weekday(n)) },
		func(s string) (int, bool) { v, ok := todo.ParseWeekday(s); return int(v), ok })
	if got := todo.WeekdayName(-1); got != "" {
		t.Errorf("the day before Sunday is called %q", got)
	}
}
