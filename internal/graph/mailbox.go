package graph

import (
	"cmp"
	"net/http"

	"github.com/duly-todo/duly/internal/odata"
	"github.com/duly-todo/duly/internal/store"
	"github.com/duly-todo/duly/internal/todo"
)

// The settings of a mailbox, and the functions and the action that Graph binds
// to it. Clients of To Do read here the time zone in which to show dates; it
// changes no answer of the server.

func (r *request) settingsContext() string { return "users" + keyed(r.as.User) + "/mailboxSettings" }

// mailboxSettings writes the members of the settings of a user's mailbox.
func (e *encoder) mailboxSettings(u *todo.User) {
	e.str("timeZone", u.Settings.TimeZone)
	e.str("dateFormat", cmp.Or(u.Settings.DateFormat, todo.DefaultDateFormat))
	e.str("timeFormat", cmp.Or(u.Settings.TimeFormat, todo.DefaultTimeFormat))
	e.str("userPurpose", todo.UserPurpose(0).String())
	e.name("language")
	e.b = append(e.b, '{')
	e.locale(u.Language())
	e.close()
}

func (e *encoder) locale(l todo.LocaleInfo) {
	e.str("locale", l.Locale)
	e.str("displayName", l.DisplayName)
}

// selectedSettings says whether $select names the settings of the mailbox, which
// are in the answer to nothing else. They are the mailbox's: it takes the
// permission for that, and no user sees another's.
func (r *request) selectedSettings(o options, of string) (bool, error) {
	if o.sel.All() || !o.sel.Has("mailboxSettings") {
		return false, nil
	}
	p := r.principal
	if p.AppOnly && hasAny(p, mailboxRead.application) || !p.AppOnly && p.User == of && hasAny(p, mailboxRead.delegated) {
		return true, nil
	}
	return false, denied(false)
}

// owner loads the owner of the mailbox.
func (s *Server) owner(r *request) (u todo.User, err error) {
	err = s.glance(r, func(tx *store.Tx) (err error) {
		u, err = tx.Owner()
		return err
	})
	return u, err
}

// getMailboxSettings serves GET …/mailboxSettings.
func (s *Server) getMailboxSettings(r *request) error {
	o, err := s.readOptions(r, store.SettingsSchema())
	if err != nil {
		return err
	}
	u, err := s.owner(r)
	if err != nil {
		return err
	}
	r.object(http.StatusOK, r.settingsContext()+selected(o.sel), func(e *encoder) { e.mailboxSettings(&u) })
	return nil
}

// getMailboxSetting serves GET of one of the settings: a text as value, the
// language as an object.
func (s *Server) getMailboxSetting(r *request) error {
	u, err := s.owner(r)
	if err != nil {
		return err
	}
	name := r.node.segment
	r.object(http.StatusOK, r.settingsContext()+"/"+name, func(e *encoder) {
		switch name {
		case "language":
			e.locale(u.Language())
		case "timeZone":
			e.str("value", u.Settings.TimeZone)
		case "dateFormat":
			e.str("value", cmp.Or(u.Settings.DateFormat, todo.DefaultDateFormat))
		case "timeFormat":
			e.str("value", cmp.Or(u.Settings.TimeFormat, todo.DefaultTimeFormat))
		case "userPurpose":
			e.str("value", todo.UserPurpose(0).String())
		}
	})
	return nil
}

// unkeptSettings are Graph's settings that belong to mail and calendars.
func unkeptSettings() []string {
	return []string{"archiveFolder", "automaticRepliesSetting", "delegateMeetingMessageDeliveryOptions", "workingHours"}
}

func decodeMailboxSettings(v jsonValue) (p todo.MailboxSettingsPatch, err error) {
	for _, name := range unkeptSettings() {
		if _, sent := v.member(name); sent {
			return p, todo.Errorf(todo.NotImplemented, name, "The setting '%s' is not kept: there is no mail and no calendar.", name)
		}
	}
	d := decoder{v: v}
	p.TimeZone = opt(&d, "timeZone", jsonValue.str)
	p.DateFormat = opt(&d, "dateFormat", jsonValue.str)
	p.TimeFormat = opt(&d, "timeFormat", jsonValue.str)
	p.Language = opt(&d, "language", decodeLanguage)
	return p, d.err
}

func decodeLanguage(v jsonValue) (p todo.LanguagePatch, err error) {
	if v, err = v.object("microsoft.graph.localeInfo"); err != nil {
		return p, err
	}
	d := decoder{v: v}
	p.Locale = opt(&d, "locale", jsonValue.str)
	opt(&d, "displayName", jsonValue.str) // follows from the locale: its type is checked, its value ignored
	return p, d.err
}

// patchMailboxSettings serves PATCH …/mailboxSettings.
func (s *Server) patchMailboxSettings(r *request) error {
	v, err := r.readObject("microsoft.graph.mailboxSettings")
	if err != nil {
		return err
	}
	patch, err := decodeMailboxSettings(v)
	if err != nil {
		return err
	}
	var u todo.User
	err = s.update(r, func(tx *store.Tx) (err error) {
		if u, err = tx.Owner(); err != nil {
			return err
		}
		if u, err = u.ApplySettings(patch); err != nil {
			return err
		}
		return tx.UpdateUser(u)
	})
	if err != nil || r.answeredMinimal() {
		return err
	}
	r.object(http.StatusOK, r.settingsContext(), func(e *encoder) { e.mailboxSettings(&u) })
	return nil
}

// answerCollection answers a function that returns a collection of a complex type.
func answerCollection[T any](s *Server, r *request, schema *odata.Schema, items []T, row func(*T) odata.Row, members func(*encoder, *T)) error {
	o, err := s.readOptions(r, schema)
	if err != nil {
		return err
	}
	p, err := pageOf(s, r, o, items, row, maxPage)
	if err != nil {
		return err
	}
	r.collection("Collection("+schema.Name+")", len(p.items), p.count, p.next, func(e *encoder, i int) { members(e, &p.items[i]) })
	return nil
}

// supportedLanguages serves GET …/outlook/supportedLanguages().
func (s *Server) supportedLanguages(r *request) error {
	return answerCollection(s, r, store.LocaleSchema(), todo.Locales(), store.LocaleRow, func(e *encoder, l *todo.LocaleInfo) { e.locale(*l) })
}

// supportedTimeZones serves GET …/outlook/supportedTimeZones(), with the
// standard as its parameter or without.
func (s *Server) supportedTimeZones(r *request) error {
	standard := todo.WindowsStandard
	if sent, ok := r.params.lookup("TimeZoneStandard"); ok {
		name, err := odata.ResolveParameter(sent, r.query.aliases)
		if err != nil {
			return err
		}
		if standard, ok = todo.ParseTimeZoneStandard(name); !ok {
			return todo.Errorf(todo.BadRequest, "TimeZoneStandard", "The value '%s' of the parameter 'TimeZoneStandard' must be Windows or Iana.", shortened(name))
		}
	}
	return answerCollection(s, r, store.ZoneSchema(), standard.Zones(), store.ZoneRow, func(e *encoder, z *todo.TimeZoneInformation) {
		e.str("alias", z.Alias)
		e.str("displayName", z.DisplayName)
	})
}

// translateExchangeIDs serves POST …/translateExchangeIds. An id is the same in
// every format.
func (s *Server) translateExchangeIDs(r *request) error {
	v, err := r.readObject("translateExchangeIds")
	if err != nil {
		return err
	}
	d := decoder{v: v}
	format := enum(todo.ParseExchangeIDFormat, "microsoft.graph.exchangeIdFormat")
	t := todo.Translation{
		InputIDs:     opt(&d, "inputIds", list("Edm.String", jsonValue.str)),
		SourceIDType: opt(&d, "sourceIdType", format),
		TargetIDType: opt(&d, "targetIdType", format),
	}
	if d.err != nil {
		return d.err
	}
	if err := t.Check(); err != nil {
		return err
	}
	ids := t.InputIDs.V
	r.collection("Collection(microsoft.graph.convertIdResult)", len(ids), len(ids), "", func(e *encoder, i int) {
		e.str("sourceId", ids[i])
		e.str("targetId", ids[i])
	})
	return nil
}
