package todo

import (
	"errors"
	"strings"
	"sync"
	"testing"
	"time"
)

func TestLoadZone(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, want string // want is the location's own name
	}{
		{"", "UTC"},
		{"UTC", "UTC"},
		{"utc", "UTC"},
		{"Utc", "UTC"},
		{"GMT", "GMT"},
		{"Etc/GMT", "Etc/GMT"},
		{"Etc/GMT+3", "Etc/GMT+3"},
		{"etc/gmt+3", "Etc/GMT+3"},
		{"Etc/GMT-14", "Etc/GMT-14"},
		{"tzone://Microsoft/Utc", "UTC"},
		{"Europe/London", "Europe/London"},
		{"europe/LONDON", "Europe/London"},
		{"America/Argentina/Buenos_Aires", "America/Argentina/Buenos_Aires"},
		{"Asia/Calcutta", "Asia/Calcutta"},
		{"Asia/Kolkata", "Asia/Kolkata"},
		{"US/Pacific", "US/Pacific"},
		{"EST5EDT", "EST5EDT"},
		{"GMT Standard Time", "Europe/London"},
		{"Greenwich Standard Time", "Atlantic/Reykjavik"},
		{"W. Europe Standard Time", "Europe/Berlin"},
		{"w. europe standard time", "Europe/Berlin"},
		{"Pacific Standard Time", "America/Los_Angeles"},
		{"PACIFIC STANDARD TIME", "America/Los_Angeles"},
		{"Pacific Standard Time (Mexico)", "America/Tijuana"},
		{"Mountain Standard Time", "America/Denver"},
		{"India Standard Time", "Asia/Calcutta"},
		{"UTC-11", "Etc/GMT+11"},
		{"Kamchatka Standard Time", "Asia/Kamchatka"},
		{"Mid-Atlantic Standard Time", "Etc/GMT+2"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			loc, err := LoadZone(tt.name)
			if err != nil {
				t.Fatal(err)
			}
			if loc.String() != tt.want {
				t.Errorf("LoadZone(%q) is %s, want %s", tt.name, loc, tt.want)
			}
		})
	}
}

func TestLoadZoneRefuses(t *testing.T) {
	t.Parallel()
	names := []string{
		"Local", "local", "Factory", "Mars/Phobos", "Europe", "Europe/", " UTC", "UTC ", "UTC\x00",
		"../x", "../../etc/passwd", "/etc/passwd", "/usr/share/zoneinfo/UTC", `C:\zones\UTC`, "./UTC",
		"Europe/../Europe/London", "posix/Europe/London", "right/Europe/London", "posixrules", "localtime",
		"+02:00", "UTC+2", "tzone://Microsoft/Custom", "Europe/Londo\u017f", "\xff\xfe",
		"UTC\nEurope/London", "UTC=Etc/UTC", "Europe/London Europe/Paris",
		strings.Repeat("x", 100), strings.Repeat("x", 101), strings.Repeat("Europe/London", 100_000),
	}
	for _, name := range names {
		loc, err := LoadZone(name)
		var e *Error
		if !errors.As(err, &e) {
			t.Errorf("LoadZone(%.60q) is %v, want an *Error", name, loc)
			continue
		}
		if e.Kind != BadTimeZone || e.Target != "timeZone" || len(e.Message) > 400 {
			t.Errorf("LoadZone(%.60q): %+v", name, e)
		}
	}
	_, err := LoadZone("Mars/Phobos")
	if got, want := err.Error(), "timeZone: The TimeZone value 'Mars/Phobos' of the property 'timeZone' is not supported."; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// TestZoneTables keeps the generated tables and the tz database together: each
// name loads, from the place that the table names.
func TestZoneTables(t *testing.T) {
	t.Parallel()
	iana := make(map[string]bool)
	for name := range strings.FieldsSeq(ianaZones) {
		iana[name] = true
		if loc, err := LoadZone(name); err != nil || loc.String() != name {
			t.Errorf("LoadZone(%q) is %v, %v", name, loc, err)
		}
	}
	windows, last := 0, ""
	for line := range strings.SplitSeq(windowsZones, "\n") {
		name, zone, ok := strings.Cut(line, "=")
		if !ok || !iana[zone] || name <= last {
			t.Errorf("%q is out of order, or stands for no IANA zone", line)
		}
		if _, err := LoadZone(name); err != nil {
			t.Error(err)
		}
		windows, last = windows+1, name
	}
	if len(iana) < 590 || windows < 139 {
		t.Errorf("%d IANA and %d Windows names are fewer than there were", len(iana), windows)
	}
}

func TestLoadZoneShares(t *testing.T) {
	t.Parallel()
	names := []string{"Pacific/Chatham", "pacific/chatham", "Chatham Islands Standard Time"}
	locs := make([]*time.Location, 30)
	var wg sync.WaitGroup
	for i := range locs {
		wg.Go(func() { locs[i], _ = LoadZone(names[i%len(names)]) })
	}
	wg.Wait()
	for _, loc := range locs {
		if loc == nil || loc != locs[0] {
			t.Fatalf("%v and %v are two locations", loc, locs[0])
		}
	}
}

func TestNoAllocations(t *testing.T) { // not parallel: AllocsPerRun counts for the whole process
	yearly := Pattern{Type: RelativeYearly, Interval: 1, Month: time.May, DaysOfWeek: []time.Weekday{time.Sunday}, Index: Last}
	calls := map[string]func(){
		"LoadZone":      func() { LoadZone("Chatham Islands Standard Time") },
		"ParseDateTime": func() { ParseDateTime("reminderDateTime", "2026-09-26T17:30:00.0000000", "Europe/London") },
		"ParseDay":      func() { ParseDay("dueDateTime", "2026-09-26T17:30:00.0000000", "Europe/London") },
		"Next":          func() { yearly.Next(Date{Year: 2026, Month: time.May, Day: 31}) },
	}
	for name, call := range calls {
		if n := testing.AllocsPerRun(100, call); n != 0 {
			t.Errorf("%s costs %v allocations", name, n)
		}
	}
}

func FuzzLoadZone(f *testing.F) {
	for _, s := range []string{"", "UTC", "Europe/London", "w. europe standard time", "../x", "Etc/GMT+3", "\xff"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, name string) {
		known := len(zones())
		loc, err := LoadZone(name)
		if (loc == nil) == (err == nil) {
			t.Errorf("LoadZone(%q) is %v, %v", name, loc, err)
		}
		if loc == time.Local {
			t.Errorf("LoadZone(%q) is the host's own zone", name)
		}
		if len(zones()) != known {
			t.Errorf("LoadZone(%q) left something behind", name)
		}
	})
}

func BenchmarkLoadZone(b *testing.B) {
	for _, name := range []string{"UTC", "Europe/Berlin", "W. Europe Standard Time", "Mars/Phobos"} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				LoadZone(name)
			}
		})
	}
}
