package store

import (
	"sync"

	"github.com/duly-todo/duly/internal/odata"
)

// appTable has what filters of applications may name.
var appTable = sync.OnceValue(func() []property[App] {
	return []property[App]{
		{path: "id", Property: scalar(odata.String), value: func(a *App) odata.Value { return odata.StringValue(a.ID) }},
		{path: "appId", Property: scalar(odata.String), value: func(a *App) odata.Value { return odata.StringValue(a.ID) }},
		{path: "createdDateTime", Property: scalar(odata.Instant), value: func(a *App) odata.Value { return odata.InstantValue(a.Created) }},
		{path: "isFallbackPublicClient", Property: nullable(odata.Bool), value: func(a *App) odata.Value { return odata.BoolValue(a.Kind == NativeApp) }},
		{path: "displayName", Property: scalar(odata.String), value: func(a *App) odata.Value { return odata.StringValue(a.Name) }},
	}
})

// AppSchema is that of applications. Credentials, redirect URIs and permissions can
// be selected, and a filter finds none of them.
var AppSchema = sync.OnceValue(func() *odata.Schema {
	text := func(name string) odata.Property {
		return odata.Property{Name: name, Type: odata.String, Nullable: true}
	}
	moment := func(name string) odata.Property {
		return odata.Property{Name: name, Type: odata.Instant, Nullable: true}
	}
	guid := odata.Property{Name: "keyId", Type: odata.String, TypeName: "Edm.Guid", Nullable: true}
	complexOf := func(name, typeName string, members ...odata.Property) odata.Property {
		p := complexType(typeName)
		p.Name, p.Complex = name, members
		return p
	}
	many := func(name string, item odata.Property) odata.Property {
		return odata.Property{Name: name, Type: odata.Collection, Item: &odata.Schema{Value: &item}}
	}
	uris := many("redirectUris", odata.Property{Type: odata.String})
	access := complexOf("", "resourceAccess", odata.Property{Name: "id", Type: odata.String, TypeName: "Edm.Guid"}, text("type"))
	s := schema("microsoft.graph.application", appTable())
	s.Properties = append(s.Properties,
		many("keyCredentials", complexOf("", "keyCredential", text("displayName"), moment("endDateTime"), guid, moment("startDateTime"), text("type"), text("usage"))),
		many("passwordCredentials", complexOf("", "passwordCredential", text("displayName"), moment("endDateTime"), text("hint"), guid, text("secretText"), moment("startDateTime"))),
		complexOf("publicClient", "publicClientApplication", uris),
		many("requiredResourceAccess", complexOf("", "requiredResourceAccess", many("resourceAccess", access), text("resourceAppId"))),
		text("signInAudience"),
		complexOf("spa", "spaApplication", uris),
		complexOf("web", "webApplication", uris),
	)
	return s
})

// AppRow is an application as a filter sees it.
func AppRow(a *App) odata.Row { return appRow{Row[App]{a, appTable()}} }

// An appRow has what is the same for all, and for people to read.
type appRow struct{ Row[App] }

func (r appRow) Value(path string) odata.Value {
	switch path {
	case "web", "spa", "publicClient":
		return present(true)
	case "signInAudience":
		return odata.StringValue(SignInAudience)
	}
	return r.Row.Value(path)
}

// SignInAudience says of all applications that they are this server's.
const SignInAudience = "AzureADMyOrg"
