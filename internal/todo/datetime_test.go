package todo_test

import (
	"errors"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/duly-todo/duly/internal/todo"
)

// instantOf is the form in which the tables here write an instant.
const instantOf = "2006-01-02T15:04:05.999999Z"

func TestParseDateTime(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, dateTime, zone, want string
	}{
		{"seconds", "2020-07-25T16:00:00", "UTC", "2020-07-25T16:00:00Z"},
		{"seven digits", "2020-07-25T16:00:00.0000000", "UTC", "2020-07-25T16:00:00Z"},
		{"one digit", "2020-07-25T16:00:00.5", "UTC", "2020-07-25T16:00:00.5Z"},
		{"three digits", "2020-07-25T16:00:00.123", "UTC", "2020-07-25T16:00:00.123Z"},
		{"digits below a microsecond are dropped", "2020-07-25T16:00:00.999999999", "UTC", "2020-07-25T16:00:00.999999Z"},
		{"a day", "2026-12-31", "UTC", "2026-12-31T00:00:00Z"},
		{"a day of a zone", "2026-12-31", "Asia/Seoul", "2026-12-30T15:00:00Z"},
		{"no seconds", "2026-12-31T16:05", "UTC", "2026-12-31T16:05:00Z"},
		{"no seconds but an offset", "2026-12-31T16:05+01:00", "UTC", "2026-12-31T15:05:00Z"},
		{"Z", "2026-12-31T16:05:07Z", "", "2026-12-31T16:05:07Z"},
		{"z and t", "2026-12-31t16:05:07z", "", "2026-12-31T16:05:07Z"},
		{"a space", "2026-12-31 16:05:07", "", "2026-12-31T16:05:07Z"},
		{"no zone is UTC", "2026-12-31T16:05:07", "", "2026-12-31T16:05:07Z"},
		{"an offset", "2026-08-25T00:00:00+02:00", "", "2026-08-24T22:00:00Z"},
		{"an offset without a colon", "2026-08-25T00:00:00.000-0530", "", "2026-08-25T05:30:00Z"},
		{"an offset wins over the zone", "2026-08-25T12:00:00+02:00", "America/New_York", "2026-08-25T10:00:00Z"},
		{"Z wins over the zone", "2026-08-25T12:00:00Z", "Eastern Standard Time", "2026-08-25T12:00:00Z"},
		{"the widest offset", "2026-08-25T12:00:00+14:00", "", "2026-08-24T22:00:00Z"},
		{"a Windows zone", "2026-01-15T09:00:00", "Pacific Standard Time", "2026-01-15T17:00:00Z"},
		{"a Windows zone in summer", "2026-07-15T09:00:00", "pacific standard time", "2026-07-15T16:00:00Z"},
		{"a leap day", "2000-02-29T00:00:00", "", "2000-02-29T00:00:00Z"},
		{"twice, east", "2026-10-25T02:30:00", "Europe/Berlin", "2026-10-25T00:30:00Z"},
		{"twice, west", "2026-11-01T01:30:00", "America/New_York", "2026-11-01T05:30:00Z"},
		{"skipped, east", "2026-03-29T02:30:00", "Europe/Berlin", "2026-03-29T01:30:00Z"},
		{"skipped, west", "2026-03-08T02:30:00", "America/New_York", "2026-03-08T07:30:00Z"},
		{"after the last rule written down", "2400-07-01T12:00:00", "Europe/Berlin", "2400-07-01T10:00:00Z"},
		{"the first that is not none", "0001-01-01T00:00:00.000001", "", "0001-01-01T00:00:00.000001Z"},
		{"the last", "9999-12-31T23:59:59.9999999", "", "9999-12-31T23:59:59.999999Z"},
		{"back into the first day", "0001-01-02T00:30:00+01:00", "", "0001-01-01T23:30:00Z"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			d, err := todo.ParseDateTime("reminderDateTime", tt.dateTime, tt.zone)
			if err != nil {
				t.Fatal(err)
			}
			if got := d.At.Format(instantOf); got != tt.want || d.Zone != tt.zone || d.At.Location() != time.UTC {
				t.Errorf("got %s in %q, want %s in %q", got, d.Zone, tt.want, tt.zone)
			}
		})
	}
}

func TestParseDateTimeRefuses(t *testing.T) {
	t.Parallel()
	bad := []string{
		"2020-07-25T04:10:0005112", // the documentation's own request, docs#16991
		"", " ", "today", "2020", "2020-07", "2020-7-25", "20200725", "2020/07/25", "25.07.2020",
		"2020-13-01", "2020-00-01", "2020-01-00", "2020-01-32", "2020-02-30", "2021-02-29", "1900-02-29", "2020-04-31",
		"2020-07-25T", "2020-07-25T16", "2020-07-25T16:", "2020-07-25T16:00:", "2020-07-25T1600", "2020-07-25T16:0:00",
		"2020-07-25T24:00:00", "2020-07-25T23:60:00", "2020-07-25T23:59:60", "2020-07-25T23:59:61",
		"2020-07-25T16:00:00.", "2020-07-25T16:00:00.Z", "2020-07-25T16:00:00.0000000000", "2020-07-25T16:00:00,5",
		"2020-07-25T16:00.5", "2020-07-25Z", "2020-07-25+02:00", "2020-07-25T16:00:00ZZ", "2020-07-25T16:00:00Z+02:00",
		"2020-07-25T16:00:00+2", "2020-07-25T16:00:00+02", "2020-07-25T16:00:00+02:0", "2020-07-25T16:00:00+02:60",
		"2020-07-25T16:00:00+14:01", "2020-07-25T16:00:00+15:00", "2020-07-25T16:00:00 +02:00", "2020-07-25T16:00:00+-2:00",
		"2020-07-25T16:00:00 ", " 2020-07-25T16:00:00", "2020-07-25T16:00:00\n", "2020-07-25T16:00:00\x00",
		"2020-07-25  16:00:00", "+2020-07-25", "-020-07-25", "２０２０-07-25", "2020-07-25T16:00:00\u0660",
		"0000-12-31", "0000-01-01T00:00:00", "10000-01-01", "0001-01-01T00:00:00", "0001-01-01T00:00:00+00:01",
		"9999-12-31T23:59:59-00:01", "/Date(1595692800000)/", "2020-W30-6", strings.Repeat("2", 65),
		"2020-07-25T16:00:00." + strings.Repeat("0", 100), "2020-07-25" + strings.Repeat(" ", 1_000_000),
	}
	for _, s := range bad {
		for name, parse := range parsers() {
			d, err := parse("dueDateTime", s, "")
			var e *todo.Error
			if !errors.As(err, &e) {
				t.Errorf("%s(%.70q) is %v, want an *Error", name, s, d)
				continue
			}
			if e.Kind != todo.Invalid || e.Target != "dueDateTime.dateTime" || len(e.Message) > 400 || !d.IsZero() {
				t.Errorf("%s(%.70q): %+v", name, s, e)
			}
		}
	}
}

func parsers() map[string]func(member, dateTime, timeZone string) (todo.DateTime, error) {
	return map[string]func(member, dateTime, timeZone string) (todo.DateTime, error){
		"ParseDateTime": todo.ParseDateTime,
		"ParseDay":      todo.ParseDay,
	}
}

func TestParseErrors(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, dateTime, zone, want string
	}{
		{"dateTime", "soon", "UTC", "dueDateTime.dateTime: The value 'soon' of the property 'dueDateTime.dateTime' is not a date and time that is supported."},
		{"long dateTime", strings.Repeat("é", 61), "UTC", "dueDateTime.dateTime: The value '" + strings.Repeat("é", 59) + "…' of the property 'dueDateTime.dateTime' is not a date and time that is supported."},
		{"60 characters", strings.Repeat("é", 60), "UTC", "dueDateTime.dateTime: The value '" + strings.Repeat("é", 60) + "' of the property 'dueDateTime.dateTime' is not a date and time that is supported."},
		{"control characters", "a\x00\r\nb\xff", "UTC", "dueDateTime.dateTime: The value 'a\uFFFD\uFFFD\uFFFDb\uFFFD' of the property 'dueDateTime.dateTime' is not a date and time that is supported."},
		{"no dateTime", "", "UTC", "dueDateTime.dateTime: The property 'dueDateTime.dateTime' is required and must not be empty."},
		{"timeZone", "2026-12-31", "Mars/Phobos", "dueDateTime.timeZone: The TimeZone value 'Mars/Phobos' of the property 'dueDateTime.timeZone' is not supported."},
		{"timeZone beside an offset", "2026-12-31T00:00:00Z", "Local", "dueDateTime.timeZone: The TimeZone value 'Local' of the property 'dueDateTime.timeZone' is not supported."},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			for name, parse := range parsers() {
				_, err := parse("dueDateTime", tt.dateTime, tt.zone)
				if err == nil || err.Error() != tt.want {
					t.Errorf("%s: got %v\nwant %s", name, err, tt.want)
				}
			}
		})
	}
}

func TestParseDay(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, dateTime, zone, want, day string
	}{
		// Semantics 9.1, as observed.
		{"afternoon in London", "2026-09-26T17:30:00", "Europe/London", "2026-09-25T23:00:00Z", "2026-09-26"},
		{"evening in New York", "2026-09-26T22:00:00", "America/New_York", "2026-09-26T04:00:00Z", "2026-09-26"},
		{"afternoon in UTC", "2026-09-26T17:30:00", "UTC", "2026-09-26T00:00:00Z", "2026-09-26"},
		{"no zone", "2026-09-26T17:30:00", "", "2026-09-26T00:00:00Z", "2026-09-26"},
		{"a day alone", "2026-12-31", "Asia/Seoul", "2026-12-30T15:00:00Z", "2026-12-31"},
		{"a Windows zone", "2026-09-26T22:00:00", "Eastern Standard Time", "2026-09-26T04:00:00Z", "2026-09-26"},
		// With an offset.
		{"the day written in the offset", "2026-08-25T00:00:00+02:00", "", "2026-08-25T00:00:00Z", "2026-08-25"},
		{"the same, late and west", "2026-08-25T23:30:00-08:00", "", "2026-08-25T00:00:00Z", "2026-08-25"},
		{"Z alone", "2026-08-25T23:30:00Z", "", "2026-08-25T00:00:00Z", "2026-08-25"},
		{"an offset like the zone's", "2026-08-25T00:00:00+02:00", "Europe/Berlin", "2026-08-24T22:00:00Z", "2026-08-25"},
		{"an offset before the zone's day", "2026-08-25T00:00:00+02:00", "UTC", "2026-08-24T00:00:00Z", "2026-08-24"},
		{"a local midnight sent in UTC", "2026-08-24T22:00:00Z", "Europe/Berlin", "2026-08-24T22:00:00Z", "2026-08-25"},
		{"Z in a zone behind", "2026-08-25T02:00:00Z", "America/Chicago", "2026-08-24T05:00:00Z", "2026-08-24"},
		// Days that do not begin at 00:00, or do twice.
		{"no midnight in Santiago", "2024-09-08T12:00:00", "America/Santiago", "2024-09-08T04:00:00Z", "2024-09-08"},
		{"no midnight in Sao Paulo", "2018-11-04T00:00:00", "America/Sao_Paulo", "2018-11-04T03:00:00Z", "2018-11-04"},
		{"no midnight in Sao Paulo, in the gap", "2018-11-04T00:30:00", "America/Sao_Paulo", "2018-11-04T03:00:00Z", "2018-11-04"},
		{"no midnight in Beirut", "2023-03-26T08:00:00", "Asia/Beirut", "2023-03-25T22:00:00Z", "2023-03-26"},
		{"no midnight in Cairo", "2024-04-26T08:00:00", "Egypt Standard Time", "2024-04-25T22:00:00Z", "2024-04-26"},
		{"two midnights in Havana", "2024-11-03T08:00:00", "America/Havana", "2024-11-03T04:00:00Z", "2024-11-03"},
		{"the clock falls back to the day before", "2024-04-07T08:00:00", "America/Santiago", "2024-04-07T04:00:00Z", "2024-04-07"},
		{"a day that Samoa left out", "2011-12-30T08:00:00", "Pacific/Apia", "2011-12-30T10:00:00Z", "2011-12-31"},
		{"seconds in an old offset", "1960-06-01T08:00:00", "Africa/Monrovia", "1960-06-01T00:44:30Z", "1960-06-01"},
		{"the last day", "9999-12-31T23:59:59", "America/New_York", "9999-12-31T05:00:00Z", "9999-12-31"},
		{"the first in a zone behind", "0001-01-01", "Etc/GMT+5", "0001-01-01T05:00:00Z", "0001-01-01"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			d, err := todo.ParseDay("dueDateTime", tt.dateTime, tt.zone)
			if err != nil {
				t.Fatal(err)
			}
			got := []string{d.At.Format(instantOf), d.Zone, d.Date().String()}
			if diff := cmp.Diff([]string{tt.want, tt.zone, tt.day}, got); diff != "" {
				t.Errorf("instant, zone and day (-want +got):\n%s", diff)
			}
		})
	}
}

func TestParseDayRefuses(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, dateTime, zone string
	}{
		{"a midnight in the year 0 of UTC", "0001-01-01", "Etc/GMT-5"},
		{"the same of an instant in the year 1", "0001-01-01T05:00:00Z", "Etc/GMT-5"},
		{"a day in the year 0 of the zone", "0001-01-01T05:00:00Z", "Etc/GMT+6"},
		{"a day in the year 10000 of the zone", "9999-12-31T23:00:00Z", "Asia/Tokyo"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			d, err := todo.ParseDay("dueDateTime", tt.dateTime, tt.zone)
			var e *todo.Error
			if !errors.As(err, &e) || e.Target != "dueDateTime.dateTime" {
				t.Errorf("got %v, %v, want an error", d, err)
			}
		})
	}
}

func TestAddDays(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, dateTime, zone string
		n                    int
		want                 string
	}{
		{"a day", "2026-09-26T09:00:00", "", 1, "2026-09-27T09:00:00Z"},
		{"back over a year", "2026-01-01T09:00:00.25", "", -1, "2025-12-31T09:00:00.25Z"},
		{"into summer", "2026-03-28T09:00:00", "Europe/Berlin", 1, "2026-03-29T07:00:00Z"},
		{"into winter", "2026-10-24T09:00:00", "Europe/Berlin", 7, "2026-10-31T08:00:00Z"},
		{"evening in the west", "2026-10-31T22:00:00", "America/New_York", 1, "2026-11-02T03:00:00Z"},
		{"a time that is skipped", "2026-03-28T02:30:00", "Europe/Berlin", 1, "2026-03-29T01:30:00Z"},
		{"a time that comes twice", "2026-10-24T02:30:00", "Europe/Berlin", 1, "2026-10-25T00:30:00Z"},
		{"the second of the two by no days", "2026-10-25T01:30:00Z", "Europe/Berlin", 0, "2026-10-25T01:30:00Z"},
		{"a midnight that is skipped", "2024-09-07", "America/Santiago", 1, "2024-09-08T04:00:00Z"},
		{"a midnight after one that is skipped", "2024-09-08T01:00:00", "America/Santiago", 1, "2024-09-09T03:00:00Z"},
		{"the end of the calendar", "9999-12-30T09:00:00", "", 5, "9999-12-31T09:00:00Z"},
		{"the end of the calendar in a zone behind", "9999-12-30T22:00:00", "America/New_York", 5, "9999-12-31T23:59:59.999999Z"},
		{"its beginning", "0001-01-03T00:00:00", "Etc/GMT-5", -5, "0001-01-01T00:00:00.000001Z"},
		{"more days than there are", "2026-09-26T09:00:00", "", math.MaxInt, "9999-12-31T09:00:00Z"},
		{"fewer days than there are", "2026-09-26T09:00:00", "", math.MinInt, "0001-01-01T09:00:00Z"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			d, err := todo.ParseDateTime("reminderDateTime", tt.dateTime, tt.zone)
			if err != nil {
				t.Fatal(err)
			}
			got := d.AddDays(tt.n)
			if at := got.At.Format(instantOf); at != tt.want || got.Zone != tt.zone {
				t.Errorf("got %s in %q, want %s", at, got.Zone, tt.want)
			}
		})
	}
	if d := (todo.DateTime{}).AddDays(3); !d.IsZero() || !d.Date().IsZero() {
		t.Errorf("three days after nothing is %v", d)
	}
}

// TestMidnights looks at the days around every change of every zone of a list:
// each begins at the first moment that its clock shows.
func TestMidnights(t *testing.T) {
	t.Parallel()
	zones := []string{
		"Africa/Cairo", "America/Asuncion", "America/Havana", "America/Santiago", "America/Sao_Paulo", "America/St_Johns",
		"Antarctica/Troll", "Asia/Amman", "Asia/Beirut", "Asia/Gaza", "Asia/Manila", "Asia/Tehran", "Atlantic/Azores",
		"Australia/Lord_Howe", "Europe/Berlin", "Europe/Dublin", "Europe/London", "America/New_York", "Pacific/Chatham",
		"Africa/Monrovia", "America/Godthab", "Africa/Casablanca", "America/Scoresbysund", "Pacific/Kwajalein", "Pacific/Apia",
	}
	skipped := make(map[string]bool)
	for _, zone := range zones {
		loc, err := todo.LoadZone(zone)
		if err != nil {
			t.Fatal(err)
		}
		at := time.Date(1840, 1, 1, 0, 0, 0, 0, time.UTC).In(loc)
		for at.Year() < 2050 {
			around := dateOf(at)
			for n := -2; n <= 2; n++ {
				day := around.AddDays(n)
				begin := day.In(zone)
				if begin.Date() != day {
					skipped[zone+" "+day.String()] = true
				}
				if first := begin.Date(); first.Compare(day) < 0 || first.Sub(day) > 1 {
					t.Errorf("%s: %s begins on %s", zone, day, first)
				}
				for back := time.Second; back < 26*time.Hour; back = back*2 + 17*time.Minute {
					if before := dateOf(begin.At.Add(-back).In(loc)); before.Compare(day) >= 0 {
						t.Errorf("%s: %s has begun %v before it begins", zone, day, back)
					}
				}
			}
			_, end := at.ZoneBounds()
			if end.IsZero() {
				break
			}
			if !end.After(at) { // seen on the last day of a leap year
				end = at.AddDate(0, 0, 1)
			}
			at = end
		}
	}
	for _, day := range []string{"Pacific/Apia 2011-12-30", "Pacific/Kwajalein 1993-08-21", "Asia/Manila 1844-12-31"} {
		delete(skipped, day)
	}
	if len(skipped) > 0 {
		t.Errorf("days were left out: %v", skipped)
	}
}

func dateOf(t time.Time) todo.Date {
	y, m, d := t.Date()
	return todo.Date{Year: y, Month: m, Day: d}
}

func TestParseDate(t *testing.T) {
	t.Parallel()
	for _, s := range []string{"0001-01-01", "2026-02-28", "2024-02-29", "2000-02-29", "1970-01-01", "9999-12-31"} {
		d, ok := todo.ParseDate(s)
		if !ok || d.String() != s {
			t.Errorf("ParseDate(%q) is %s, %t", s, d, ok)
		}
	}
	for _, s := range []string{
		"", "2026", "2026-9-26", "2026-09-26T00:00:00", "2026-09-26 ", " 2026-09-26", "0000-01-01", "2026-02-29",
		"2026-00-10", "2026-10-00", "2026-13-01", "2026-09-31", "2026_09_26", "20260926", "-026-09-26", "12026-09-26", "2026-09-2६",
	} {
		if d, ok := todo.ParseDate(s); ok || !d.IsZero() {
			t.Errorf("ParseDate(%q) is %s, %t", s, d, ok)
		}
	}
	if got := (todo.Date{}).String(); got != "0001-01-01" {
		t.Errorf("no date is written %s", got)
	}
}

// TestCalendar compares every day of the calendar with package time.
func TestCalendar(t *testing.T) {
	t.Parallel()
	first := todo.Date{Year: 1, Month: time.January, Day: 1}
	last := todo.Date{Year: 9999, Month: time.December, Day: 31}
	d, want := first, time.Date(1, 1, 1, 0, 0, 0, 0, time.UTC)
	for n := 0; ; n++ {
		if d != dateOf(want) || d.Weekday() != want.Weekday() || d.Sub(first) != n {
			t.Fatalf("day %d is %s, a %s, want %s", n, d, d.Weekday(), want.Format(time.DateOnly))
		}
		if d == last {
			break
		}
		d, want = d.AddDays(1), want.AddDate(0, 0, 1)
	}
	for _, n := range []int{1, 365, math.MaxInt} {
		if got := last.AddDays(n); got != last {
			t.Errorf("%s and %d days is %s", last, n, got)
		}
		if got := first.AddDays(-n); got != first {
			t.Errorf("%s less %d days is %s", first, n, got)
		}
	}
	if got := first.AddDays(math.MinInt); got != first {
		t.Errorf("%s and %d days is %s", first, math.MinInt, got)
	}
	if first.Compare(last) != -1 || last.Compare(first) != 1 || last.Compare(last) != 0 || (todo.Date{}).Compare(first) != -1 {
		t.Error("the days are out of order")
	}
	if !(todo.Date{}).In("UTC").IsZero() {
		t.Error("no date has a midnight")
	}
	if got := last.In("Mars/Phobos").At.Format(instantOf); got != "9999-12-31T00:00:00Z" {
		t.Errorf("a day in a zone that is not known begins at %s", got)
	}
}

func FuzzParseDateTime(f *testing.F) {
	for _, s := range []string{
		"2020-07-25T16:00:00", "2020-07-25T16:00:00.0000000", "2026-12-31", "2026-12-31T16:05", "2020-07-25T04:10:0005112",
		"2026-08-25T00:00:00+02:00", "2026-08-25T00:00:00.123-0530", "2026-08-25 00:00:00Z", "0001-01-01T00:00:00", "9999-12-31T23:59:59.9999999",
	} {
		for _, zone := range []string{"", "UTC", "Europe/London", "W. Europe Standard Time", "America/Santiago", "Mars/Phobos"} {
			f.Add(s, zone)
		}
	}
	f.Fuzz(func(t *testing.T, dateTime, zone string) {
		d, err := todo.ParseDateTime("m", dateTime, zone)
		day, dayErr := todo.ParseDay("m", dateTime, zone)
		if dayErr == nil {
			if day.IsZero() || day.Zone != zone || day.Date().In(zone) != day {
				t.Errorf("the day %v is not the midnight of %s", day, day.Date())
			}
			if next := day.AddDays(1); next.At.Before(day.At) || next.Date().In(zone) != next {
				t.Errorf("the day after %v is %v", day, next)
			}
		}
		if err != nil {
			return
		}
		if d.IsZero() || d.Zone != zone || d.At.Location() != time.UTC || d.At.Nanosecond()%1000 != 0 || d.At.Year() < 1 || d.At.Year() > 9999 {
			t.Errorf("%q in %q is %v", dateTime, zone, d)
		}
		for _, form := range []string{"2006-01-02T15:04:05.0000000", "2006-01-02T15:04:05.000000Z", "2006-01-02 15:04:05.999999999+00:00"} {
			again, err := todo.ParseDateTime("m", d.At.Format(form), "")
			if err != nil || again.At != d.At {
				t.Errorf("%q in %q is %v, but in UTC %v, %v", dateTime, zone, d.At, again.At, err)
			}
		}
	})
}

func BenchmarkParseDay(b *testing.B) {
	for _, zone := range []string{"UTC", "Europe/London", "W. Europe Standard Time"} {
		b.Run(zone, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := todo.ParseDay("dueDateTime", "2026-09-26T17:30:00.0000000", zone); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
