package todo

import (
	"strings"
	"time"
	"unicode/utf8"
)

// A User is the owner of a mailbox, with the properties of Graph's user that a
// To Do client shows. Empty strings are null on the wire.
type User struct {
	ID                string // a GUID in lower case
	UserPrincipalName string // unique without regard to case
	DisplayName       string
	GivenName         string
	Surname           string
	Mail              string
	MobilePhone       string
	BusinessPhones    []string
	JobTitle          string
	OfficeLocation    string
	PreferredLanguage string
	Settings          MailboxSettings
	Created           time.Time
}

// A UserPatch is the body of a PATCH of a user.
type UserPatch struct {
	DisplayName, GivenName, Surname, MobilePhone Opt[string]
	JobTitle, OfficeLocation, PreferredLanguage  Opt[string]
	BusinessPhones                               Opt[[]string]
}

// maxUserText is the most characters that a member of a user may have.
const maxUserText = 256

// NewUser makes a user. The principal name is a name or an address without
// white space; the display name defaults to it.
func NewUser(id, principalName, displayName, mail string, now time.Time) (User, error) {
	if principalName == "" || len(principalName) > maxUserText || strings.ContainsFunc(principalName, func(r rune) bool {
		return r <= ' ' || r == 0x7f || strings.ContainsRune(`/\'"()<>#?%&`, r)
	}) || !utf8.ValidString(principalName) {
		return User{}, Errorf(Invalid, "userPrincipalName", "A user's name is a name or an address of at most %d characters, without white space or any of /\\'\"()<>#?%%&.", maxUserText)
	}
	if displayName == "" {
		displayName, _, _ = strings.Cut(principalName, "@")
	}
	u := User{ID: id, UserPrincipalName: principalName, DisplayName: displayName, Mail: mail, Settings: MailboxSettings{TimeZone: DefaultTimeZone}, Created: now}
	for member, v := range map[string]string{"displayName": displayName, "mail": mail} {
		if utf8.RuneCountInString(v) > maxUserText || !utf8.ValidString(v) {
			return User{}, tooLong(member, maxUserText)
		}
	}
	return u, nil
}

// Apply returns u changed by p.
func (u User) Apply(p UserPatch) (User, error) {
	for _, m := range []struct {
		member string
		from   Opt[string]
		to     *string
	}{
		{"displayName", p.DisplayName, &u.DisplayName},
		{"givenName", p.GivenName, &u.GivenName},
		{"surname", p.Surname, &u.Surname},
		{"mobilePhone", p.MobilePhone, &u.MobilePhone},
		{"jobTitle", p.JobTitle, &u.JobTitle},
		{"officeLocation", p.OfficeLocation, &u.OfficeLocation},
		{"preferredLanguage", p.PreferredLanguage, &u.PreferredLanguage},
	} {
		if !m.from.Set {
			continue
		}
		if utf8.RuneCountInString(m.from.V) > maxUserText {
			return u, tooLong(m.member, maxUserText)
		}
		*m.to = m.from.V
	}
	if u.DisplayName == "" {
		return u, required("displayName")
	}
	if p.BusinessPhones.Set {
		if len(p.BusinessPhones.V) > 1 { // user resource: "only one number can be set"
			return u, Errorf(Invalid, "businessPhones", "The property 'businessPhones' holds one number at most.")
		}
		for _, n := range p.BusinessPhones.V {
			if utf8.RuneCountInString(n) > maxUserText {
				return u, tooLong("businessPhones", maxUserText)
			}
		}
		u.BusinessPhones = p.BusinessPhones.V
	}
	return u, nil
}
