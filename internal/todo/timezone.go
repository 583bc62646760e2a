package todo

import (
	"strings"
	"sync"
	"time"
	_ "time/tzdata" // so that the zones do not depend on what the host has installed
)

//go:generate go run ./genzones

// maxZoneName bounds, in bytes, the name of a zone; the longest known has 32.
const maxZoneName = 100

// utcAlias is the name that Exchange gives to UTC in iCalendar.
const utcAlias = "tzone://microsoft/utc"

// LoadZone returns the time zone of a name, which is a Windows one ("W. Europe
// Standard Time") or an IANA one ("Europe/Berlin", "Etc/GMT+3"), in any case. An
// empty name is UTC. The Windows names and what they stand for are those of
// CLDR's windowsZones, as resources/datetimetimezone asks for both kinds. Every
// other name, "Local" and paths among them, is an error of kind BadTimeZone
// whose target is "timeZone".
//
// A zone is read from the tz database once and then shared: LoadZone is cheap,
// holds no more than one location for each known zone, and may be called from
// several goroutines at a time.
func LoadZone(name string) (*time.Location, error) {
	loc := findZone(name)
	if loc == nil {
		return nil, badZone("timeZone", name)
	}
	return loc, nil
}

func badZone(member, name string) error {
	return Errorf(BadTimeZone, member, "The TimeZone value '%s' of the property '%s' is not supported.", excerpt(name), member)
}

// findZone is LoadZone with nil for an unknown name.
func findZone(name string) *time.Location {
	if name == "" || name == "UTC" {
		return time.UTC
	}
	if len(name) > maxZoneName {
		return nil
	}
	var folded [maxZoneName]byte
	for i := range len(name) {
		c := name[i]
		if 'A' <= c && c <= 'Z' {
			c += 'a' - 'A'
		}
		folded[i] = c
	}
	load, ok := zones()[string(folded[:len(name)])]
	if !ok {
		return nil
	}
	loc, err := load()
	if err != nil {
		return nil
	}
	return loc
}

// zones holds every zone that LoadZone knows, by its name in lower case. It is
// built once and never changed; a zone is read when it is first asked for.
var zones = sync.OnceValue(func() map[string]func() (*time.Location, error) {
	known := make(map[string]func() (*time.Location, error), 1024)
	for name := range strings.FieldsSeq(ianaZones) {
		known[strings.ToLower(name)] = sync.OnceValues(func() (*time.Location, error) {
			return time.LoadLocation(name)
		})
	}
	for line := range strings.SplitSeq(windowsZones, "\n") {
		name, iana, _ := strings.Cut(line, "=")
		if name != "UTC" { // which is an IANA name as well
			known[strings.ToLower(name)] = known[strings.ToLower(iana)]
		}
	}
	known[utcAlias] = known["utc"]
	return known
})
