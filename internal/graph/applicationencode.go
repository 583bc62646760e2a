package graph

import (
	"strings"

	"github.com/duly-todo/duly/internal/auth"
	"github.com/duly-todo/duly/internal/store"
)

// application writes the members of an application.
func (e *encoder) application(a *store.App, credentials []store.Credential) {
	e.str("id", a.ID)
	e.str("appId", a.ID)
	e.instant("createdDateTime", a.Created)
	e.str("displayName", a.Name)
	e.boolean("isFallbackPublicClient", a.Kind == store.NativeApp)
	e.name("keyCredentials")
	e.b = append(e.b, '[')
	for i := range credentials {
		if c := &credentials[i]; c.Certificate != "" {
			e.open()
			e.str("displayName", c.Hint)
			e.instant("endDateTime", c.Expires)
			e.str("keyId", c.ID)
			e.instant("startDateTime", c.Created)
			e.str("type", "AsymmetricX509Cert")
			e.str("usage", "Verify")
			e.close()
		}
	}
	e.b = append(e.b, ']')
	e.name("passwordCredentials")
	e.b = append(e.b, '[')
	for i := range credentials {
		if c := &credentials[i]; c.Hash != "" {
			e.open()
			e.password(c, "")
			e.close()
		}
	}
	e.b = append(e.b, ']')
	e.platform("publicClient", a, store.NativeApp)
	e.name("requiredResourceAccess")
	e.b = append(e.b, '[')
	if len(a.Scopes)+len(a.Roles) > 0 {
		e.open()
		e.name("resourceAccess")
		e.b = append(e.b, '[')
		e.access(a.Scopes, false)
		e.access(a.Roles, true)
		e.b = append(e.b, ']')
		e.str("resourceAppId", auth.GraphAppID)
		e.close()
	}
	e.b = append(e.b, ']')
	e.str("signInAudience", store.SignInAudience)
	e.platform("spa", a, store.SPA)
	e.platform("web", a, store.WebApp)
}

// password writes the members of a passwordCredential, whose secret is told once.
func (e *encoder) password(c *store.Credential, secret string) {
	hint, name, _ := strings.Cut(c.Hint, " ")
	e.orNull("displayName", name)
	e.instant("endDateTime", c.Expires)
	e.str("hint", hint)
	e.str("keyId", c.ID)
	e.orNull("secretText", secret)
	e.instant("startDateTime", c.Created)
}

func (e *encoder) platform(name string, a *store.App, kind store.AppKind) {
	e.name(name)
	e.b = append(e.b, `{"redirectUris":[`...)
	if a.Kind == kind {
		for _, uri := range a.RedirectURIs {
			e.comma()
			e.b = appendJSONString(e.b, uri)
		}
	}
	e.b = append(e.b, "]}"...)
}

func (e *encoder) access(names []string, role bool) {
	for _, name := range names {
		e.open()
		e.str("id", auth.PermissionID(name, role))
		e.str("type", map[bool]string{true: "Role", false: "Scope"}[role])
		e.close()
	}
}
