package todo

import (
	"strings"
	"unicode/utf8"
)

// MailboxSettings are those of Graph's mailboxSettings that clients of To Do
// read. The language is the user's PreferredLanguage. Empty formats mean the
// default ones.
type MailboxSettings struct {
	TimeZone   string // a name that LoadZone knows, as its writer wrote it
	DateFormat string
	TimeFormat string
}

// What a mailbox has where nothing else was set: formats in the patterns of
// .NET, as the documentation has them, and the language that they are of.
const (
	DefaultTimeZone   = "UTC"
	DefaultDateFormat = "M/d/yyyy"
	DefaultTimeFormat = "h:mm tt"
	DefaultLanguage   = "en-US"
)

// A MailboxSettingsPatch is the body of a PATCH of the settings; null sets a
// member to its default.
type MailboxSettingsPatch struct {
	TimeZone, DateFormat, TimeFormat Opt[string]
	Language                         Opt[LanguagePatch]
}

// A LanguagePatch is the body's localeInfo; its displayName follows from the locale.
type LanguagePatch struct {
	Locale Opt[string]
}

// ApplySettings returns u with its settings changed by p.
func (u User) ApplySettings(p MailboxSettingsPatch) (User, error) {
	if p.TimeZone.Set {
		u.Settings.TimeZone = DefaultTimeZone
		if p.TimeZone.V != "" {
			if findZone(p.TimeZone.V) == nil {
				return u, badZone("timeZone", p.TimeZone.V)
			}
			u.Settings.TimeZone = p.TimeZone.V
		}
	}
	for _, m := range []struct {
		member string
		from   Opt[string]
		to     *string
	}{{"dateFormat", p.DateFormat, &u.Settings.DateFormat}, {"timeFormat", p.TimeFormat, &u.Settings.TimeFormat}} {
		if utf8.RuneCountInString(m.from.V) > MaxFormat {
			return u, tooLong(m.member, MaxFormat)
		}
		if m.from.Set {
			*m.to = m.from.V
		}
	}
	switch {
	case p.Language.Null:
		u.PreferredLanguage = ""
	case p.Language.Set:
		if !p.Language.V.Locale.Has() {
			return u, required("language.locale")
		}
		l, ok := findLocale(p.Language.V.Locale.V)
		if !ok {
			return u, Errorf(Invalid, "language.locale", "The locale '%s' of the property 'language.locale' is not supported.", excerpt(p.Language.V.Locale.V))
		}
		u.PreferredLanguage = l.Locale
	}
	return u, nil
}

// A LocaleInfo is Graph's localeInfo: a language of a country, and its name in
// that language.
type LocaleInfo struct {
	Locale      string
	DisplayName string
}

// Language is the language of the user's mailbox. One that is in no table,
// which a user may have as preferredLanguage, is its own name.
func (u User) Language() LocaleInfo {
	name := u.PreferredLanguage
	if name == "" {
		name = DefaultLanguage
	}
	if l, ok := findLocale(name); ok {
		return l
	}
	return LocaleInfo{Locale: name, DisplayName: name}
}

// Locales are the languages that a mailbox can have, in the order of their names.
func Locales() []LocaleInfo {
	var out []LocaleInfo
	for line := range strings.SplitSeq(locales, "\n") {
		locale, name, _ := strings.Cut(line, "=")
		out = append(out, LocaleInfo{Locale: locale, DisplayName: name})
	}
	return out
}

// findLocale finds a locale of the table by its name in any case.
func findLocale(name string) (LocaleInfo, bool) {
	for _, l := range Locales() {
		if strings.EqualFold(l.Locale, name) {
			return l, true
		}
	}
	return LocaleInfo{}, false
}

// A TimeZoneInformation is Graph's timeZoneInformation: the name of a zone and
// what people call it.
type TimeZoneInformation struct {
	Alias       string
	DisplayName string
}

// A TimeZoneStandard is Graph's timeZoneStandard: whose names of zones are meant.
type TimeZoneStandard uint8

// The standards.
const (
	WindowsStandard TimeZoneStandard = iota
	IANAStandard
)

const timeZoneStandardNames = "windows iana"

func (s TimeZoneStandard) String() string { return nth(timeZoneStandardNames, int(s)) }

// ParseTimeZoneStandard reads a member name of timeZoneStandard, in any case.
func ParseTimeZoneStandard(s string) (TimeZoneStandard, bool) {
	return parseEnum[TimeZoneStandard](timeZoneStandardNames, s)
}

// Zones are the time zones of a standard: those of Windows from west to east,
// those of IANA by their names, which are also what they are called.
func (s TimeZoneStandard) Zones() []TimeZoneInformation {
	var out []TimeZoneInformation
	if s == IANAStandard {
		for name := range strings.FieldsSeq(ianaZones) {
			out = append(out, TimeZoneInformation{Alias: name, DisplayName: name})
		}
		return out
	}
	for line := range strings.SplitSeq(windowsZoneNames, "\n") {
		alias, name, _ := strings.Cut(line, "=")
		out = append(out, TimeZoneInformation{Alias: alias, DisplayName: name})
	}
	return out
}

// An ExchangeIDFormat is Graph's exchangeIdFormat.
type ExchangeIDFormat uint8

const exchangeIDFormatNames = "entryId ewsId immutableEntryId restId restImmutableEntryId"

func (f ExchangeIDFormat) String() string { return nth(exchangeIDFormatNames, int(f)) }

// ParseExchangeIDFormat reads a member name of exchangeIdFormat, in any case.
func ParseExchangeIDFormat(s string) (ExchangeIDFormat, bool) {
	return parseEnum[ExchangeIDFormat](exchangeIDFormatNames, s)
}

// A UserPurpose is Graph's userPurpose: what a mailbox is for. All of ours are a
// user's.
type UserPurpose uint8

func (p UserPurpose) String() string {
	return nth("user linked shared room equipment others unknownFutureValue", int(p))
}

// A Translation is the body of translateExchangeIds.
type Translation struct {
	InputIDs                   Opt[[]string]
	SourceIDType, TargetIDType Opt[ExchangeIDFormat]
}

// Check says whether the body asks for what there is. Ids are the same in every
// format, since they never change (semantics §21).
func (t Translation) Check() error {
	switch {
	case !t.InputIDs.Has() || len(t.InputIDs.V) == 0:
		return required("inputIds")
	case len(t.InputIDs.V) > MaxTranslated:
		return Errorf(Invalid, "inputIds", "The property 'inputIds' holds more than the %d ids allowed.", MaxTranslated)
	case !t.SourceIDType.Has():
		return required("sourceIdType")
	case !t.TargetIDType.Has():
		return required("targetIdType")
	}
	for _, id := range t.InputIDs.V {
		if id == "" {
			return Errorf(Invalid, "inputIds", "The property 'inputIds' holds an empty id.")
		}
		if len(id) > MaxExchangeID {
			return Errorf(Invalid, "inputIds", "The property 'inputIds' holds an id of more than the %d bytes allowed.", MaxExchangeID)
		}
	}
	return nil
}
