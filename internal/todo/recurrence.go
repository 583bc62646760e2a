package todo

import (
	"slices"
	"time"
)

// PatternType is Graph's recurrencePatternType.
type PatternType uint8

// The six pattern types (resources/recurrencepattern).
const (
	Daily PatternType = iota
	Weekly
	AbsoluteMonthly
	RelativeMonthly
	AbsoluteYearly
	RelativeYearly
)

// WeekIndex is Graph's weekIndex: which of the fitting days of a month is meant.
type WeekIndex uint8

// The five places that a day can have in its month.
const (
	First WeekIndex = iota
	Second
	Third
	Fourth
	Last
)

// RangeType is Graph's recurrenceRangeType.
type RangeType uint8

// The three range types, in Graph's order.
const (
	EndDate RangeType = iota
	NoEnd
	Numbered
)

const (
	patternTypeNames = "daily weekly absoluteMonthly relativeMonthly absoluteYearly relativeYearly"
	weekIndexNames   = "first second third fourth last"
	rangeTypeNames   = "endDate noEnd numbered"
	weekdayNames     = "sunday monday tuesday wednesday thursday friday saturday"
)

// String returns Graph's name of t, or "" if t is none of the six.
func (t PatternType) String() string { return nth(patternTypeNames, int(t)) }

// String returns Graph's name of i, or "" if i is none of the five.
func (i WeekIndex) String() string { return nth(weekIndexNames, int(i)) }

// String returns Graph's name of t, or "" if t is none of the three.
func (t RangeType) String() string { return nth(rangeTypeNames, int(t)) }

// WeekdayName returns Graph's name of d, a dayOfWeek, or "" if d is not a day.
func WeekdayName(d time.Weekday) string {
	if d < time.Sunday {
		return ""
	}
	return nth(weekdayNames, int(d))
}

// ParsePatternType reads a member name of recurrencePatternType, in any case.
func ParsePatternType(s string) (PatternType, bool) {
	return parseEnum[PatternType](patternTypeNames, s)
}

// ParseWeekIndex reads a member name of weekIndex, in any case.
func ParseWeekIndex(s string) (WeekIndex, bool) { return parseEnum[WeekIndex](weekIndexNames, s) }

// ParseRangeType reads a member name of recurrenceRangeType, in any case.
func ParseRangeType(s string) (RangeType, bool) { return parseEnum[RangeType](rangeTypeNames, s) }

// ParseWeekday reads a member name of dayOfWeek, in any case.
func ParseWeekday(s string) (time.Weekday, bool) {
	d, ok := parseEnum[uint8](weekdayNames, s)
	return time.Weekday(d), ok
}

// A Recurrence is Graph's patternedRecurrence.
type Recurrence struct {
	Pattern Pattern
	Range   Range
}

// A Pattern says on which days a series falls. Members that its type does not
// use are zero.
type Pattern struct {
	Type           PatternType
	Interval       int            // days, weeks, months or years; 1 to MaxInterval
	Month          time.Month     // absoluteYearly, relativeYearly
	DayOfMonth     int            // absoluteMonthly, absoluteYearly; 1 to 31
	DaysOfWeek     []time.Weekday // weekly, relativeMonthly, relativeYearly; as sent, without doubles
	FirstDayOfWeek time.Weekday   // weekly with an interval above 1
	Index          WeekIndex      // relativeMonthly, relativeYearly
}

// A Range says when a series begins and ends.
type Range struct {
	Type                RangeType
	StartDate           Date
	EndDate             Date   // of an EndDate range, the last day it may fall on
	TimeZone            string // recurrenceTimeZone as sent; "" is UTC
	NumberOfOccurrences int    // of a Numbered range; 1 to MaxOccurrences
}

// First returns the first day on or after on that fits the pattern, its
// interval aside (semantics 11.7): the day to which a due date is moved. It is
// the absent Date if the calendar ends before.
func (p Pattern) First(on Date) Date {
	d, _ := p.following(on, on.days(), 1)
	return d
}

// Next returns the first day after after that fits the pattern, with the
// intervals counted from the day, week, month or year that after is in: the
// instance that follows DTSTART=after in RFC 5545. A week begins on
// FirstDayOfWeek. It is false if the calendar, which ends with the year 9999,
// ends before.
//
// A DayOfMonth that a month does not have is its last day (semantics 11.17), so
// the 29th of February is the 28th in most years. Index counts among all days
// of the month whose weekday is in DaysOfWeek (semantics 11.18; BYSETPOS in
// RFC 5545).
//
// The work is bounded by two periods of the pattern, of which a week takes 7
// steps and a month at most 31. A pattern that [Recurrence.Normalize] would
// refuse still gives some day after after, or none.
func (p Pattern) Next(after Date) (Date, bool) {
	return p.following(after, after.days()+1, min(max(p.Interval, 1), MaxInterval))
}

// following is the first fitting day from the day number from on, which is in
// the period of anchor or the day after it. If that period has no such day, the
// one that is interval periods on has.
func (p Pattern) following(anchor Date, from int64, interval int) (Date, bool) {
	if anchor.IsZero() {
		return Date{}, false
	}
	for _, skip := range [...]int{0, interval} {
		day := p.inPeriod(anchor, skip, from)
		if day > maxDays {
			break
		}
		if day >= from {
			return civil(day), true
		}
	}
	return Date{}, false
}

// inPeriod is the first fitting day from from on in the period that is skip
// periods after anchor's. If there is none it is a day before from.
func (p Pattern) inPeriod(anchor Date, skip int, from int64) int64 {
	var year int
	var month time.Month
	switch p.Type {
	case Weekly:
		into := mod(int64(anchor.Weekday()-p.FirstDayOfWeek), 7)
		week := anchor.days() - into + 7*int64(skip)
		set := weekdaySet(p.DaysOfWeek)
		for day := max(week, from); day < week+7; day++ {
			if set.has(weekday(day)) {
				return day
			}
		}
		return from - 1
	case AbsoluteMonthly, RelativeMonthly:
		n := anchor.Year*12 + int(anchor.Month-time.January) + skip
		year, month = n/12, time.January+time.Month(n%12)
	case AbsoluteYearly, RelativeYearly:
		year, month = anchor.Year+skip, min(max(p.Month, time.January), time.December)
	default: // Daily
		return anchor.days() + int64(skip)
	}
	d := Date{Year: year, Month: month, Day: 1}
	if p.Type == AbsoluteMonthly || p.Type == AbsoluteYearly {
		d.Day = min(max(p.DayOfMonth, 1), daysIn(year, month))
		return d.days()
	}
	return p.inMonth(d)
}

// inMonth is the day of the month beginning at first that a relative pattern
// means. Every weekday comes at least four times in a month, so that both
// searches end.
func (p Pattern) inMonth(first Date) int64 {
	set := weekdaySet(p.DaysOfWeek)
	day := first.days()
	if p.Index >= Last {
		day += int64(daysIn(first.Year, first.Month)) - 1
		for !set.has(weekday(day)) {
			day--
		}
		return day
	}
	for left := p.Index; ; day++ {
		switch {
		case !set.has(weekday(day)):
		case left == First:
			return day
		default:
			left--
		}
	}
}

// weekdays has a bit for each day of the week.
type weekdays uint8

func (s weekdays) has(d time.Weekday) bool { return s&(1<<d) != 0 }

// weekdaySet is the set of the days listed; without any, it is the whole week.
func weekdaySet(days []time.Weekday) weekdays {
	const week weekdays = 1<<7 - 1
	set := weekdays(0)
	for _, d := range days {
		set |= 1 << (d & 7)
	}
	if set&week == 0 {
		return week
	}
	return set
}

// Next returns the due date of the occurrence that follows the occurrence-th one,
// counted from 1, which is due at due. It is the midnight of its day in due's
// zone, whatever the clock does in between. It is false where the series ends:
// at NumberOfOccurrences, at EndDate, which may itself be a due date, and with
// the year 9999 (semantics 11.11 to 11.13).
func (r Recurrence) Next(due DateTime, occurrence int) (DateTime, bool) {
	if r.Range.Type == Numbered && occurrence >= r.Range.NumberOfOccurrences {
		return DateTime{}, false
	}
	day, ok := r.Pattern.Next(due.Date())
	if !ok || r.Range.Type == EndDate && day.Compare(r.Range.EndDate) > 0 {
		return DateTime{}, false
	}
	return day.In(due.Zone), true
}

// Normalize checks r as a client wrote it, for a task that is due at due (or
// has no due date), and returns it completed together with the due date that
// the task then has.
//
// Members that the types of pattern and range do not use become zero, whatever
// their values: clients send month 0 and the like (semantics 11.16). A zero
// Range is one that was left out, and has no end; 0001-01-01, as which answers
// write a date that is not there, counts as no date. A range without a start
// starts on the due date, and one without a time zone takes the due date's
// (semantics 11.2, 11.8). A task without a due date takes the midnight of the
// start, in the range's time zone (semantics 11.3).
//
// The due date moves to the first day that fits the pattern, on or after it and
// the start, in its own zone (semantics 11.7).
//
// Errors are of kind Invalid, and their target is the member at fault, such as
// "recurrence.pattern.daysOfWeek"; without due date and start it is
// "dueDateTime".
func (r Recurrence) Normalize(due DateTime) (Recurrence, DateTime, error) {
	p, err := r.Pattern.normalize()
	if err != nil {
		return Recurrence{}, DateTime{}, err
	}
	g, due, err := r.Range.normalize(due)
	if err != nil {
		return Recurrence{}, DateTime{}, err
	}
	day := due.Date()
	if day.Compare(g.StartDate) < 0 {
		day = g.StartDate
	}
	day = p.First(day)
	switch {
	case day.IsZero():
		return Recurrence{}, DateTime{}, Errorf(Invalid, "dueDateTime",
			"No day from the property 'dueDateTime' to the year 9999 fits the recurrence.")
	case g.Type == EndDate && day.Compare(g.EndDate) > 0:
		return Recurrence{}, DateTime{}, Errorf(Invalid, "recurrence.range.endDate",
			"The property 'recurrence.range.endDate' is before the first day that fits the recurrence, %s.", day)
	}
	return Recurrence{Pattern: p, Range: g}, day.In(due.Zone), nil
}

// normalize checks the members that the type of p requires, and drops the rest.
func (p Pattern) normalize() (Pattern, error) {
	const in = "recurrence.pattern."
	var err error
	check := func(member string, n, limit int) {
		if err == nil && (n < 1 || n > limit) {
			err = outOfRange(in+member, limit)
		}
	}
	out := Pattern{Type: p.Type, Interval: p.Interval}
	check("interval", p.Interval, MaxInterval)
	switch p.Type {
	case Weekly:
		out.FirstDayOfWeek = p.FirstDayOfWeek
	case RelativeMonthly, RelativeYearly:
		out.Index = p.Index
	case AbsoluteMonthly, AbsoluteYearly:
		out.DayOfMonth = p.DayOfMonth
		check("dayOfMonth", p.DayOfMonth, 31)
	}
	switch p.Type {
	case AbsoluteYearly, RelativeYearly:
		out.Month = p.Month
		check("month", int(p.Month), 12)
	}
	switch p.Type {
	case Weekly, RelativeMonthly, RelativeYearly:
		for _, d := range p.DaysOfWeek {
			if !slices.Contains(out.DaysOfWeek, d) {
				out.DaysOfWeek = append(out.DaysOfWeek, d)
			}
		}
		if err == nil && len(out.DaysOfWeek) == 0 {
			err = required(in + "daysOfWeek")
		}
	}
	return out, err
}

// normalize completes g from the due date, or the due date from g.
func (g Range) normalize(due DateTime) (Range, DateTime, error) {
	const in = "recurrence.range."
	if findZone(g.TimeZone) == nil {
		return Range{}, DateTime{}, badZone(in+"recurrenceTimeZone", g.TimeZone)
	}
	null := Date{Year: 1, Month: time.January, Day: 1}
	out := Range{Type: g.Type, StartDate: g.StartDate, TimeZone: g.TimeZone}
	if out.StartDate == null {
		out.StartDate = Date{}
	}
	switch {
	case due.IsZero() && out.StartDate.IsZero():
		return Range{}, DateTime{}, Errorf(Invalid, "dueDateTime",
			"The property 'dueDateTime' is required when creating recurrence in the task entity")
	case due.IsZero():
		due = out.StartDate.In(out.TimeZone)
	case out.StartDate.IsZero():
		out.StartDate = due.Date()
	}
	if out.TimeZone == "" {
		out.TimeZone = due.Zone
	}
	switch g.Type {
	case EndDate:
		out.EndDate = g.EndDate
		if g.EndDate.IsZero() || g.EndDate == null {
			return Range{}, DateTime{}, required(in + "endDate")
		}
		if g.EndDate.Compare(out.StartDate) < 0 {
			return Range{}, DateTime{}, Errorf(Invalid, in+"endDate",
				"The property '%sendDate' is before the start of the recurrence, %s.", in, out.StartDate)
		}
	case Numbered:
		out.NumberOfOccurrences = g.NumberOfOccurrences
		if g.NumberOfOccurrences < 1 || g.NumberOfOccurrences > MaxOccurrences {
			return Range{}, DateTime{}, outOfRange(in+"numberOfOccurrences", MaxOccurrences)
		}
	}
	return out, due, nil
}

func outOfRange(member string, limit int) error {
	return Errorf(Invalid, member, "The property '%s' must be a number from 1 to %d.", member, limit)
}
