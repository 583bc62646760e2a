package store

import (
	"github.com/duly-todo/duly/internal/odata"
	"github.com/duly-todo/duly/internal/todo"
)

// mailboxTables are those of what a mailbox has beside its tasks.
type mailboxTables struct {
	categories []property[todo.OutlookCategory]
	zones      []property[todo.TimeZoneInformation]
	locales    []property[todo.LocaleInfo]

	category, outlook, zone, locale, settings *odata.Schema
}

func newMailboxTables() mailboxTables {
	m := mailboxTables{
		categories: []property[todo.OutlookCategory]{
			{path: "id", Property: scalar(odata.String), value: func(c *todo.OutlookCategory) odata.Value { return odata.StringValue(c.ID) }},
			{path: "displayName", Property: scalar(odata.String), value: func(c *todo.OutlookCategory) odata.Value { return odata.StringValue(c.Name) }},
			{path: "color", Property: enumeration("categoryColor", todo.CategoryColorNames()...), value: func(c *todo.OutlookCategory) odata.Value { return odata.EnumValue(int(c.Color - todo.NoColor)) }},
		},
		zones: []property[todo.TimeZoneInformation]{
			{path: "alias", Property: scalar(odata.String), value: func(z *todo.TimeZoneInformation) odata.Value { return odata.StringValue(z.Alias) }},
			{path: "displayName", Property: scalar(odata.String), value: func(z *todo.TimeZoneInformation) odata.Value { return odata.StringValue(z.DisplayName) }},
		},
		locales: []property[todo.LocaleInfo]{
			{path: "locale", Property: scalar(odata.String), value: func(l *todo.LocaleInfo) odata.Value { return odata.StringValue(l.Locale) }},
			{path: "displayName", Property: scalar(odata.String), value: func(l *todo.LocaleInfo) odata.Value { return odata.StringValue(l.DisplayName) }},
		},
	}
	m.category = schema("microsoft.graph.outlookCategory", m.categories)
	m.zone = schema("microsoft.graph.timeZoneInformation", m.zones)
	m.locale = schema("microsoft.graph.localeInfo", m.locales)
	m.outlook = &odata.Schema{Name: "microsoft.graph.outlookUser", Properties: []odata.Property{
		{Name: "id", Type: odata.String},
		{Name: "masterCategories", Type: odata.Collection}, // $expand cannot name it, as on the service
	}}
	purpose := enumeration("userPurpose", "user", "linked", "shared", "room", "equipment", "others", "unknownFutureValue")
	purpose.Name = "userPurpose"
	m.settings = &odata.Schema{Name: "microsoft.graph.mailboxSettings", Properties: []odata.Property{
		{Name: "timeZone", Type: odata.String},
		{Name: "dateFormat", Type: odata.String},
		{Name: "timeFormat", Type: odata.String},
		purpose,
		{Name: "language", Type: odata.Complex, TypeName: m.locale.Name, Complex: m.locale.Properties},
	}}
	return m
}

// IsMailboxSchema says whether s is of a mailbox, and not of To Do.
func IsMailboxSchema(s *odata.Schema) bool {
	m := &theTables().mailbox
	return s == m.category || s == m.outlook || s == m.zone || s == m.locale || s == m.settings
}

// CategorySchema is what query options of master categories may name.
func CategorySchema() *odata.Schema { return theTables().mailbox.category }

// OutlookSchema is that of an outlookUser.
func OutlookSchema() *odata.Schema { return theTables().mailbox.outlook }

// ZoneSchema is that of time zones.
func ZoneSchema() *odata.Schema { return theTables().mailbox.zone }

// LocaleSchema is that of languages.
func LocaleSchema() *odata.Schema { return theTables().mailbox.locale }

// SettingsSchema is that of the settings of a mailbox.
func SettingsSchema() *odata.Schema { return theTables().mailbox.settings }

// CategoryRow is a master category as a filter sees it.
func CategoryRow(c *todo.OutlookCategory) odata.Row {
	return Row[todo.OutlookCategory]{c, theTables().mailbox.categories}
}

// ZoneRow is a time zone as a filter sees it.
func ZoneRow(z *todo.TimeZoneInformation) odata.Row {
	return Row[todo.TimeZoneInformation]{z, theTables().mailbox.zones}
}

// LocaleRow is a language as a filter sees it.
func LocaleRow(l *todo.LocaleInfo) odata.Row {
	return Row[todo.LocaleInfo]{l, theTables().mailbox.locales}
}
