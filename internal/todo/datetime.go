package todo

// The types here are the domain's two notions of time: an instant with the zone
// that its writer named, and a day of the calendar.

import (
	"fmt"
	"sort"
	"time"
	"unicode/utf8"
)

// A DateTime is Graph's dateTimeTimeZone: an instant and the zone in which its
// writer meant it. The zero value means that there is none.
type DateTime struct {
	At   time.Time // UTC, to the microsecond
	Zone string    // a name that [LoadZone] knows, as it was sent; "" is UTC
}

// IsZero says whether d is absent.
func (d DateTime) IsZero() bool { return d.At.IsZero() }

// Date returns the day that d falls on in its zone, held within the calendar
// where the zone would carry it out of the years 1 to 9999. An absent d has an
// absent Date. A zone that LoadZone does not know counts as UTC.
func (d DateTime) Date() Date {
	if d.IsZero() {
		return Date{}
	}
	return civil(floorDiv(d.wall(zoneOrUTC(d.Zone)), daySeconds))
}

// AddDays returns the same time of day n days later, or earlier if n is
// negative, in d's zone: 09:00 stays 09:00 across a change of the clock. A time
// of day that the new day's clock skips moves on by the length of the gap, one
// that it shows twice is the first of the two, and the midnight of one day
// always gives the midnight of the other, as [Date.In] has it. The result stays
// within the years 1 to 9999: beyond them it is their first or last day. An
// absent d stays absent.
func (d DateTime) AddDays(n int) DateTime {
	if d.IsZero() {
		return d
	}
	from := d.Date()
	to := from.AddDays(n)
	if to == from {
		return d
	}
	if d.At.Equal(from.In(d.Zone).At) {
		return to.In(d.Zone)
	}
	loc := zoneOrUTC(d.Zone)
	clock := d.wall(loc) - from.days()*daySeconds
	unix, _ := instant(to.days()*daySeconds+clock, loc)
	return DateTime{At: utc(unix, d.At.Nanosecond()), Zone: d.Zone}
}

// wall is what the clock of loc shows at d, as the seconds since 1970 that the
// same reading is in UTC.
func (d DateTime) wall(loc *time.Location) int64 {
	if loc == time.UTC {
		return d.At.Unix()
	}
	return d.At.Unix() + offsetAt(d.At.Unix(), loc)
}

const (
	daySeconds = 24 * 60 * 60
	minUnix    = -62135596800 // 0001-01-01T00:00:00Z
	maxUnix    = 253402300799 // 9999-12-31T23:59:59Z
)

// inCalendar says whether a moment is in the years 1 to 9999 of UTC, and is not
// the very first moment, which stands for none (as in .NET's default value).
func inCalendar(unix int64, nano int) bool {
	return unix >= minUnix && unix <= maxUnix && (unix > minUnix || nano > 0)
}

// utc is a moment as DateTime holds it, moved into the calendar if need be.
func utc(unix int64, nano int) time.Time {
	switch {
	case inCalendar(unix, nano):
	case unix > maxUnix:
		unix, nano = maxUnix, 999_999_000
	default:
		unix, nano = minUnix, 1_000
	}
	return time.Unix(unix, int64(nano)).UTC()
}

func zoneOrUTC(name string) *time.Location {
	if loc := findZone(name); loc != nil {
		return loc
	}
	return time.UTC
}

// instant is the first moment at which the clock of loc shows wall, which is
// given as the seconds since 1970 that the same reading is in UTC. If the clock
// skips that reading, it is as long after the change as the reading is into the
// gap (the rule of RFC 5545, 3.3.5), and change is the moment of the change;
// otherwise change equals the instant.
//
// It does without Time.ZoneBounds, which on the last day of a leap year may say
// that a zone's offset ended before the time asked about.
func instant(wall int64, loc *time.Location) (unix, change int64) {
	if loc == time.UTC {
		return wall, wall
	}
	before := offsetAt(wall-16*60*60, loc) // no zone was ever 16 hours from UTC
	unix = wall - before
	after := offsetAt(unix, loc)
	if after == before {
		return unix, unix
	}
	late := wall - after
	if offsetAt(late, loc) == after {
		return late, late
	}
	skipped := sort.Search(int(unix-late), func(n int) bool { return offsetAt(late+int64(n), loc) == after })
	return unix, late + int64(skipped)
}

// offsetAt is how many seconds the clock of loc is ahead of UTC.
func offsetAt(unix int64, loc *time.Location) int64 {
	_, offset := time.Unix(unix, 0).In(loc).Zone()
	return int64(offset)
}

// ParseDateTime reads the two halves of a dateTimeTimeZone; member is the name
// of the property that holds them, such as "reminderDateTime", for the errors.
//
// The forms of dateTime are those that clients are seen to send (semantics
// 9.10): a day, or a day and a time, apart by T or a space, with or without
// seconds, with 1 to 9 digits of a fraction of which six are kept, and with or
// without Z or an offset of at most 14 hours. A day alone is its midnight. An
// offset decides which instant is meant whatever timeZone says; timeZone is
// kept as the Zone. Without an offset the time is read in timeZone, where no
// timeZone means UTC. A reading that the zone's clock shows twice is the first
// of the two, and one that it skips moves on by the length of the gap.
//
// Errors are of kind Invalid, and their target is the half at fault. The year
// must be 1 to 9999, as written and in UTC; the first moment of the year 1 is
// refused too, since DateTime has it for none.
func ParseDateTime(member, dateTime, timeZone string) (DateTime, error) {
	r, loc, err := parseHalves(member, dateTime, timeZone)
	if err != nil {
		return DateTime{}, err
	}
	unix := r.wall() - r.offset
	if !r.hasOffset {
		unix, _ = instant(r.wall(), loc)
	}
	if !inCalendar(unix, r.nano) {
		return DateTime{}, badDateTime(member, dateTime)
	}
	return DateTime{At: utc(unix, r.nano), Zone: timeZone}, nil
}

// ParseDay is [ParseDateTime] for the properties that are days: due, start and
// completed (semantics 9.1). It drops the time of day and returns the midnight,
// in timeZone, of the day meant, as [Date.In] has it.
//
// Without an offset that day is the one written. With an offset and a timeZone
// it is the day of the instant in timeZone. With an offset alone there is no
// zone to be kept, so that it is the day written, as a day of UTC:
// 2026-08-25T00:00:00+02:00 is the 25th, though the 24th in UTC.
func ParseDay(member, dateTime, timeZone string) (DateTime, error) {
	r, loc, err := parseHalves(member, dateTime, timeZone)
	if err != nil {
		return DateTime{}, err
	}
	days := r.date.days()
	if r.hasOffset {
		unix := r.wall() - r.offset
		if !inCalendar(unix, r.nano) {
			return DateTime{}, badDateTime(member, dateTime)
		}
		if timeZone != "" {
			days = floorDiv(DateTime{At: utc(unix, r.nano)}.wall(loc), daySeconds)
		}
	}
	_, unix := instant(days*daySeconds, loc)
	if days > maxDays || !inCalendar(unix, 0) {
		return DateTime{}, badDateTime(member, dateTime)
	}
	return DateTime{At: utc(unix, 0), Zone: timeZone}, nil
}

func parseHalves(member, dateTime, timeZone string) (reading, *time.Location, error) {
	if dateTime == "" {
		return reading{}, nil, required(member + ".dateTime")
	}
	r, ok := parseReading(dateTime)
	if !ok {
		return reading{}, nil, badDateTime(member, dateTime)
	}
	loc := findZone(timeZone)
	if loc == nil {
		return reading{}, nil, badZone(member+".timeZone", timeZone)
	}
	return r, loc, nil
}

func badDateTime(member, value string) error {
	return Errorf(Invalid, member+".dateTime",
		"The value '%s' of the property '%s.dateTime' is not a date and time that is supported.", excerpt(value), member)
}

// excerpt is the beginning of a client's value, fit for a message: at most 60
// characters, on one line.
func excerpt(s string) string {
	const limit = 60
	out := make([]rune, 0, limit)
	for i, r := range s {
		if len(out) == limit-1 && utf8.RuneCountInString(s[i:]) > 1 {
			return string(out) + "…"
		}
		if r < ' ' || r == 0x7f {
			r = utf8.RuneError
		}
		out = append(out, r)
	}
	return string(out)
}

// A reading is what a client wrote as a dateTime.
type reading struct {
	date      Date
	seconds   int64 // of the day
	nano      int   // whole microseconds
	offset    int64 // seconds east of UTC
	hasOffset bool
}

func (r reading) wall() int64 { return r.date.days()*daySeconds + r.seconds }

// parseReading reads a dateTime; see [ParseDateTime] for its forms.
func parseReading(s string) (r reading, ok bool) {
	const longest = 64
	if len(s) < len("2006-01-02") || len(s) > longest {
		return reading{}, false
	}
	if r.date, ok = ParseDate(s[:10]); !ok {
		return reading{}, false
	}
	c := cursor{rest: s[10:]}
	if c.rest == "" {
		return r, true
	}
	c.expect("Tt ")
	hour := c.number(2, 23)
	c.expect(":")
	minute := c.number(2, 59)
	second := int64(0)
	if c.accept(":") {
		second = c.number(2, 59)
		if c.accept(".") {
			r.nano = c.fraction()
		}
	}
	r.seconds = hour*3600 + minute*60 + second
	if c.rest != "" {
		r.hasOffset = true
		r.offset = c.offset()
	}
	return r, !c.failed && c.rest == ""
}

// A cursor reads a text from left to right. A failure sticks: what is read
// after it has no meaning.
type cursor struct {
	rest   string
	failed bool
}

// accept takes one of the characters in set if it comes next.
func (c *cursor) accept(set string) bool {
	for i := range len(set) {
		if c.rest != "" && c.rest[0] == set[i] {
			c.rest = c.rest[1:]
			return true
		}
	}
	return false
}

func (c *cursor) expect(set string) {
	if !c.accept(set) {
		c.failed = true
	}
}

// number takes exactly so many digits, of a value that is no more than limit.
func (c *cursor) number(digits int, limit int64) int64 {
	if len(c.rest) < digits {
		c.failed = true
		return 0
	}
	n := int64(0)
	for i := range digits {
		d := c.rest[i] - '0'
		if d > 9 {
			c.failed = true
			return 0
		}
		n = n*10 + int64(d)
	}
	if n > limit {
		c.failed = true
	}
	c.rest = c.rest[digits:]
	return n
}

// fraction takes 1 to 9 digits of a second, and is the whole microseconds of
// them in nanoseconds.
func (c *cursor) fraction() int {
	nano, unit := 0, 100_000_000
	for c.rest != "" && '0' <= c.rest[0] && c.rest[0] <= '9' && unit > 0 {
		nano += int(c.rest[0]-'0') * unit
		unit /= 10
		c.rest = c.rest[1:]
	}
	if unit == 100_000_000 {
		c.failed = true
	}
	return nano / 1000 * 1000
}

// offset takes Z, +hh:mm or +hhmm.
func (c *cursor) offset() int64 {
	if c.accept("Zz") {
		return 0
	}
	west := c.accept("-")
	if !west {
		c.expect("+")
	}
	hour := c.number(2, 14)
	c.accept(":")
	minute := c.number(2, 59)
	seconds := hour*3600 + minute*60
	if seconds > 14*3600 {
		c.failed = true
	}
	if west {
		return -seconds
	}
	return seconds
}

// A Date is a day of the proleptic Gregorian calendar. The zero value means none.
type Date struct {
	Year  int // 1 to 9999
	Month time.Month
	Day   int
}

// IsZero says whether d is absent.
func (d Date) IsZero() bool { return d == Date{} }

// ParseDate reads a day of the years 1 to 9999 in Graph's form of an Edm.Date,
// yyyy-mm-dd, and nothing else.
func ParseDate(s string) (Date, bool) {
	c := cursor{rest: s}
	year := c.number(4, 9999)
	c.expect("-")
	month := c.number(2, 12)
	c.expect("-")
	day := c.number(2, 31)
	d := Date{Year: int(year), Month: time.Month(month), Day: int(day)}
	if c.failed || c.rest != "" || year < 1 || month < 1 || day < 1 || d.Day > daysIn(d.Year, d.Month) {
		return Date{}, false
	}
	return d, true
}

// String returns d as yyyy-mm-dd; the absent Date is 0001-01-01, as Graph
// writes it.
func (d Date) String() string {
	if d.IsZero() {
		d = Date{Year: 1, Month: time.January, Day: 1}
	}
	return fmt.Sprintf("%04d-%02d-%02d", d.Year, int(d.Month), d.Day)
}

// Compare returns -1 if d is before e, 1 if it is after e, and 0 if they are
// the same day.
func (d Date) Compare(e Date) int {
	switch n := d.Sub(e); {
	case n < 0:
		return -1
	case n > 0:
		return 1
	}
	return 0
}

// Sub returns the number of days from e to d.
func (d Date) Sub(e Date) int { return int(d.days() - e.days()) }

// AddDays returns the day n days after d, or before it if n is negative; it
// stops at the first and the last day of the calendar.
func (d Date) AddDays(n int) Date {
	// No two days of the calendar are further apart than maxDays-minDays; the
	// bound keeps the sum from overflowing.
	const span = maxDays - minDays
	return civil(d.days() + min(max(int64(n), -span), span))
}

// Weekday returns the day of the week.
func (d Date) Weekday() time.Weekday { return weekday(d.days()) }

// weekday is that of a day counted from 1970-01-01, a Thursday.
func weekday(days int64) time.Weekday {
	return time.Weekday(mod(days+int64(time.Thursday), 7))
}

// In returns the midnight with which d begins in the zone of that name, of
// which LoadZone must know the name (otherwise the midnight is that of UTC). If
// the zone's clock skips midnight, it is the moment to which the clock is
// changed; if it shows midnight twice, it is the first. A day that a zone left
// out altogether, as Samoa did 2011-12-30, gives the midnight of the next.
func (d Date) In(zone string) DateTime {
	if d.IsZero() {
		return DateTime{}
	}
	_, unix := instant(d.days()*daySeconds, zoneOrUTC(zone))
	return DateTime{At: utc(unix, 0), Zone: zone}
}

const (
	minDays = minUnix / daySeconds       // 0001-01-01
	maxDays = (maxUnix+1)/daySeconds - 1 // 9999-12-31
)

// days counts the days from 1970-01-01 to d. It takes the year to begin in
// March, so that the leap day is its last, and counts in eras of 400 years,
// which are all of the same length.
func (d Date) days() int64 {
	year, month := int64(d.Year), int64(d.Month)
	if month <= 2 {
		year, month = year-1, month+12
	}
	era := floorDiv(year, 400)
	inEra := year - era*400
	inYear := (153*(month-3)+2)/5 + int64(d.Day) - 1
	return era*eraDays + inEra*365 + inEra/4 - inEra/100 + inYear - epochDays
}

const (
	eraDays   = 146_097 // days of 400 years
	epochDays = 719_468 // days from 0000-03-01 to 1970-01-01
)

// civil is the day that is so many days after 1970-01-01, held within the
// calendar.
func civil(days int64) Date {
	n := min(max(days, minDays), maxDays) + epochDays
	era := floorDiv(n, eraDays)
	inEra := n - era*eraDays
	yearOfEra := (inEra - inEra/1460 + inEra/36_524 - inEra/146_096) / 365
	inYear := inEra - (365*yearOfEra + yearOfEra/4 - yearOfEra/100)
	month := (5*inYear + 2) / 153 // from March, 0
	d := Date{
		Year:  int(era*400 + yearOfEra),
		Month: time.Month(month + 3),
		Day:   int(inYear - (153*month+2)/5 + 1),
	}
	if d.Month > time.December {
		d.Year, d.Month = d.Year+1, d.Month-12
	}
	return d
}

// daysIn is the number of days of a month, 1 to 12.
func daysIn(year int, month time.Month) int {
	switch month {
	case time.April, time.June, time.September, time.November:
		return 30
	case time.February:
		if year%4 == 0 && (year%100 != 0 || year%400 == 0) {
			return 29
		}
		return 28
	}
	return 31
}

func floorDiv(a, b int64) int64 { return (a - mod(a, b)) / b }

func mod(a, b int64) int64 { return (a%b + b) % b }
