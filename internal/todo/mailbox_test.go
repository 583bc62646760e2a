package todo

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

// TestWindowsZoneNames wants a text for every Windows zone, whose offset is that
// of the zone's standard time.
func TestWindowsZoneNames(t *testing.T) {
	t.Parallel()
	named := map[string]string{}
	last := -24 * time.Hour
	for _, z := range WindowsStandard.Zones() {
		if named[z.Alias] != "" {
			t.Errorf("%s is there twice", z.Alias)
		}
		named[z.Alias] = z.DisplayName
		loc, err := LoadZone(z.Alias)
		if err != nil {
			t.Error(err)
			continue
		}
		if !strings.HasPrefix(z.DisplayName, shownOffset(loc)+" ") && z.DisplayName != "(UTC) Coordinated Universal Time" {
			t.Errorf("%s is called %q, and its offset is %s", z.Alias, z.DisplayName, shownOffset(loc))
		}
		_, seconds := standardTime(loc).Zone()
		if offset := time.Duration(seconds) * time.Second; offset < last {
			t.Errorf("%s is west of the one before it", z.Alias)
		} else {
			last = offset
		}
	}
	for line := range strings.SplitSeq(windowsZones, "\n") {
		if name, _, _ := strings.Cut(line, "="); named[name] == "" {
			t.Errorf("%s has no text", name)
		}
	}
}

// standardTime is a moment of this age when the zone has its standard time.
func standardTime(loc *time.Location) time.Time {
	at := time.Date(2026, time.January, 15, 12, 0, 0, 0, loc)
	if at.IsDST() {
		return at.AddDate(0, 6, 0)
	}
	return at
}

func shownOffset(loc *time.Location) string {
	_, seconds := standardTime(loc).Zone()
	sign := '+'
	if seconds < 0 {
		sign, seconds = '-', -seconds
	}
	return fmt.Sprintf("(UTC%c%02d:%02d)", sign, seconds/3600, seconds/60%60)
}

func TestIANAZones(t *testing.T) {
	t.Parallel()
	zones := IANAStandard.Zones()
	for _, z := range zones {
		if _, err := LoadZone(z.Alias); err != nil || z.DisplayName != z.Alias {
			t.Errorf("%v: %v", z, err)
		}
	}
	if len(zones) < 500 {
		t.Errorf("only %d zones", len(zones))
	}
}

func TestLocales(t *testing.T) {
	t.Parallel()
	all := Locales()
	if !slices.IsSortedFunc(all, func(a, b LocaleInfo) int { return strings.Compare(a.Locale, b.Locale) }) {
		t.Error("the locales are not sorted")
	}
	for i, l := range all {
		language, country, ok := strings.Cut(l.Locale, "-")
		if !ok || len(language) < 2 || len(country) < 2 || !strings.HasSuffix(l.DisplayName, ")") || strings.TrimSpace(l.DisplayName) != l.DisplayName {
			t.Errorf("%+v is no locale", l)
		}
		if i > 0 && strings.EqualFold(all[i-1].Locale, l.Locale) {
			t.Errorf("%s is there twice", l.Locale)
		}
	}
	if len(all) < 100 {
		t.Errorf("only %d locales", len(all))
	}
	if l := (User{}).Language(); l != (LocaleInfo{"en-US", "English (United States)"}) {
		t.Errorf("the default is %v", l)
	}
}

func TestApplySettings(t *testing.T) {
	t.Parallel()
	before := User{PreferredLanguage: "de-DE", Settings: MailboxSettings{TimeZone: "Asia/Tokyo", DateFormat: "dd.MM.yyyy", TimeFormat: "HH:mm"}}
	locale := func(s string) Opt[LanguagePatch] { return Some(LanguagePatch{Locale: Some(s)}) }
	for _, test := range []struct {
		name    string
		patch   MailboxSettingsPatch
		zone    string
		date    string
		time    string
		locale  string
		message string // of the error
	}{
		{"nothing", MailboxSettingsPatch{}, "Asia/Tokyo", "dd.MM.yyyy", "HH:mm", "de-DE", ""},
		{"all", MailboxSettingsPatch{TimeZone: Some("pacific standard time"), DateFormat: Some("yyyy"), TimeFormat: Some("H"), Language: locale("EN-gb")}, "pacific standard time", "yyyy", "H", "en-GB", ""},
		{"nulls", MailboxSettingsPatch{TimeZone: Null[string](), DateFormat: Null[string](), TimeFormat: Null[string](), Language: Null[LanguagePatch]()}, "UTC", "", "", "", ""},
		{"64 characters", MailboxSettingsPatch{DateFormat: Some(strings.Repeat("ü", 64))}, "Asia/Tokyo", strings.Repeat("ü", 64), "HH:mm", "de-DE", ""},
		{"65 characters", MailboxSettingsPatch{TimeFormat: Some(strings.Repeat("H", 65))}, "", "", "", "", "The property 'timeFormat' is longer than the 64 characters allowed."},
		{"unknown zone", MailboxSettingsPatch{TimeZone: Some("Mars")}, "", "", "", "", "The TimeZone value 'Mars' of the property 'timeZone' is not supported."},
		{"unknown locale", MailboxSettingsPatch{Language: locale("tlh")}, "", "", "", "", "The locale 'tlh' of the property 'language.locale' is not supported."},
		{"no locale", MailboxSettingsPatch{Language: Some(LanguagePatch{})}, "", "", "", "", "The property 'language.locale' is required and must not be empty."},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			u, err := before.ApplySettings(test.patch)
			if test.message != "" {
				if e, ok := err.(*Error); !ok || e.Message != test.message {
					t.Fatalf("got %v, want %s", err, test.message)
				}
				return
			}
			want := User{PreferredLanguage: test.locale, Settings: MailboxSettings{test.zone, test.date, test.time}}
			if err != nil || u.PreferredLanguage != want.PreferredLanguage || u.Settings != want.Settings {
				t.Errorf("got %+v, %v, want %+v", u, err, want)
			}
		})
	}
}

func TestTranslation(t *testing.T) {
	t.Parallel()
	format := Some(ExchangeIDFormat(0))
	ids := func(n int, id string) Opt[[]string] { return Some(slices.Repeat([]string{id}, n)) }
	for _, test := range []struct {
		name    string
		body    Translation
		message string
	}{
		{"one", Translation{ids(1, "x"), format, format}, ""},
		{"all that are allowed", Translation{ids(1_000, strings.Repeat("x", 1_024)), format, format}, ""},
		{"no ids", Translation{Opt[[]string]{}, format, format}, "The property 'inputIds' is required and must not be empty."},
		{"null", Translation{Null[[]string](), format, format}, "The property 'inputIds' is required and must not be empty."},
		{"too many", Translation{ids(1_001, "x"), format, format}, "The property 'inputIds' holds more than the 1000 ids allowed."},
		{"empty id", Translation{ids(1, ""), format, format}, "The property 'inputIds' holds an empty id."},
		{"long id", Translation{ids(1, strings.Repeat("x", 1_025)), format, format}, "The property 'inputIds' holds an id of more than the 1024 bytes allowed."},
		{"no source", Translation{ids(1, "x"), Opt[ExchangeIDFormat]{}, format}, "The property 'sourceIdType' is required and must not be empty."},
		{"null as target", Translation{ids(1, "x"), format, Null[ExchangeIDFormat]()}, "The property 'targetIdType' is required and must not be empty."},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			err := test.body.Check()
			if e, ok := err.(*Error); ok != (test.message != "") || ok && e.Message != test.message {
				t.Errorf("got %v, want %s", err, test.message)
			}
		})
	}
}

func TestOutlookCategory(t *testing.T) {
	t.Parallel()
	n := 0
	six := FirstCategories(func() string { n++; return fmt.Sprint(n) })
	var shown []string
	for _, c := range six {
		shown = append(shown, c.ID+" "+c.Name+" "+c.Color.String())
	}
	want := "1 Red category preset0; 2 Orange category preset1; 3 Yellow category preset3; 4 Green category preset4; 5 Blue category preset7; 6 Purple category preset8"
	if got := strings.Join(shown, "; "); got != want {
		t.Errorf("a mailbox begins with %s", got)
	}
	full := six
	for i := len(six); i < MaxMasterCategories; i++ {
		full = append(full, OutlookCategory{Name: fmt.Sprint(i)})
	}
	for _, test := range []struct {
		name, displayName string
		others            []OutlookCategory
		kind              Kind
	}{
		{"new", "Project", six, 0},
		{"no name", "", six, Invalid},
		{"white space", " \t", six, Invalid},
		{"255 characters", strings.Repeat("ü", 255), six, 0},
		{"256 characters", strings.Repeat("ü", 256), six, Invalid},
		{"taken", "RED Category", six, CategoryExists},
		{"taken by another fold", "İ", []OutlookCategory{{Name: "i"}}, CategoryExists},
		{"one more", "Project", full[:MaxMasterCategories-1], 0},
		{"full", "Project", full, Invalid},
		{"full and taken", "red category", full, CategoryExists},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			c, err := NewOutlookCategory("7", OutlookCategoryPatch{DisplayName: Some(test.displayName)}, test.others)
			if e, ok := err.(*Error); ok != (test.kind != 0) || ok && e.Kind != test.kind {
				t.Fatalf("got %v", err)
			}
			if err == nil && c != (OutlookCategory{"7", test.displayName, NoColor}) {
				t.Errorf("got %+v", c)
			}
		})
	}
	c := six[0].Apply(OutlookCategoryPatch{DisplayName: Some("Other"), Color: Some(CategoryColor(24))})
	if c != (OutlookCategory{"1", "Red category", 24}) {
		t.Errorf("changed to %+v", c)
	}
	if c = c.Apply(OutlookCategoryPatch{Color: Null[CategoryColor]()}); c.Color != NoColor {
		t.Errorf("null gives %v", c.Color)
	}
}

func TestCategoryColor(t *testing.T) {
	t.Parallel()
	for i, name := range CategoryColorNames() {
		if c, ok := ParseCategoryColor(strings.ToUpper(name)); !ok || int(c) != i-1 || c.String() != name {
			t.Errorf("%s is %d", name, c)
		}
	}
	for _, name := range []string{"", "preset25", "preset-1", "preset01", "red", "1"} {
		if c, ok := ParseCategoryColor(name); ok {
			t.Errorf("%q is %d", name, c)
		}
	}
}
