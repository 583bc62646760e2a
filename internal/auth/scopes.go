package auth

import (
	"fmt"
	"slices"
	"strings"

	"github.com/duly-todo/duly/internal/store"
)

// Limits of a scope parameter.
const (
	maxScopeText = 4 << 10
	maxScopes    = 100
)

// oidcScopes are those of OpenID Connect, which are written in lower case.
func oidcScopes() []string { return []string{"openid", "profile", "email", "offline_access"} }

// knownRoles are the application permissions that mean something to Duly, as
// Microsoft's permissions reference writes them.
func knownRoles() []string {
	return []string{
		"Tasks.Read.All", "Tasks.ReadWrite.All", "User.Read.All", "User.ReadBasic.All", "MailboxSettings.Read", "MailboxSettings.ReadWrite",
		"Application.Read.All", "Application.ReadWrite.All",
	}
}

// ParseRoles reads application permissions that are separated by spaces, in any
// case, and returns each once as Microsoft writes it. It fails on an unknown name.
func ParseRoles(s string) (roles []string, err error) {
	for _, word := range strings.Fields(s) {
		i := slices.IndexFunc(knownRoles(), func(known string) bool { return strings.EqualFold(known, word) })
		if i < 0 {
			return nil, fmt.Errorf("unknown application permission %.80q: the known ones are %s", word, strings.Join(knownRoles(), ", "))
		}
		if role := knownRoles()[i]; !slices.Contains(roles, role) {
			roles = append(roles, role)
		}
	}
	return roles, nil
}

// scopes are what a client asks for. Clients look the answer up under the very
// words that they have sent, so these are kept beside what they mean.
type scopes struct {
	asked []string // each word once, in the client's spelling
	oidc  []string
	api   []string // Graph's names
}

// String is the form in which scopes are stored, which parseScopes reads again.
func (s scopes) String() string { return strings.Join(s.asked, " ") }

func (s scopes) has(oidc string) bool { return slices.Contains(s.oidc, oidc) }

// all are the names to consent to.
func (s scopes) all() []string { return slices.Concat(s.oidc, s.api) }

// answer is the scope of a token response: what was asked for, in the client's
// words, and what .default stands for.
func (s scopes) answer() string {
	words := slices.Clone(s.asked)
	for _, word := range s.asked {
		if resource, ok := cutDefault(word); ok {
			for _, name := range s.api {
				if full := resource + name; !slices.Contains(words, full) {
					words = append(words, full)
				}
			}
		}
	}
	return strings.Join(words, " ")
}

// cutDefault takes .default off the end of a scope and says whether it was there.
func cutDefault(word string) (resource string, ok bool) {
	const name = ".default"
	if i := len(word) - len(name); i >= 0 && strings.EqualFold(word[i:], name) {
		return word[:i], true
	}
	return word, false
}

// resourceName takes the name of this API off the front of a scope. ok is false
// for a scope of another API.
func resourceName(word, base string) (name string, ok bool) {
	_, host, _ := strings.Cut(base, "://")
	for _, resource := range []string{graphAudience, graphAppID, "api://" + graphAppID, base, "api://" + host} {
		if len(word) > len(resource) && strings.EqualFold(word[:len(resource)], resource) && word[len(resource)] == '/' {
			return strings.TrimPrefix(word[len(resource)+1:], "/"), true // the first slash may be the resource's own
		}
	}
	return word, !strings.Contains(word, "/")
}

// parseScopes reads what a client asks for in a user's name. It may ask for the
// permissions that it is registered with.
func parseScopes(app *store.App, text, base string) (s scopes, err *oauthError) {
	words := strings.Fields(text)
	if len(text) > maxScopeText || len(words) > maxScopes {
		return s, errorf(400, "invalid_scope", 70011, "The scope has more than %d characters or %d names.", maxScopeText, maxScopes)
	}
	for _, word := range words {
		if slices.Contains(s.asked, word) {
			continue
		}
		s.asked = append(s.asked, word)
		if slices.Contains(oidcScopes(), word) {
			s.oidc = append(s.oidc, word)
			continue
		}
		names, err := apiScopes(app, word, base)
		if err != nil {
			return scopes{}, err
		}
		for _, name := range names {
			if !slices.Contains(s.api, name) {
				s.api = append(s.api, name)
			}
		}
	}
	return s, nil
}

// apiScopes are Graph's names for one word of a scope parameter.
func apiScopes(app *store.App, word, base string) ([]string, *oauthError) {
	name, ok := resourceName(word, base)
	if !ok {
		return nil, errorf(400, "invalid_resource", 500011, "The resource principal of the scope '%s' was not found in the tenant.", clip(word))
	}
	if resource, isDefault := cutDefault(name); isDefault && resource == "" {
		return app.Scopes, nil
	}
	name, ok = canonicalScope(name)
	if !ok {
		return nil, errorf(400, "invalid_scope", 70011, "The scope '%s' does not exist.", clip(word))
	}
	if !slices.Contains(app.Scopes, name) {
		return nil, errorf(400, "invalid_scope", 650053, "The application '%s' asked for the scope '%s', with which it is not registered.", app.Name, name)
	}
	return []string{name}, nil
}

// narrow returns what of the granted scopes a client asks for with a code: it may
// leave out or spell anew, and add OpenID Connect's.
func (s scopes) narrow(app *store.App, text, base string) (scopes, *oauthError) {
	if text == "" {
		return s, nil
	}
	asked, err := parseScopes(app, text, base)
	if err != nil {
		return scopes{}, err
	}
	for _, name := range asked.api {
		if !slices.Contains(s.api, name) {
			return scopes{}, errorf(400, "invalid_scope", 70011, "The scope '%s' is more than what was granted with the code.", name)
		}
	}
	return asked.complete(s), nil
}

// complete adds of other the API's scopes where s has none, and OpenID Connect's.
func (s scopes) complete(other scopes) scopes {
	add := func(words ...string) {
		for _, word := range words {
			if !slices.Contains(s.asked, word) {
				s.asked = append(s.asked, word)
			}
		}
	}
	for _, word := range other.asked {
		if slices.Contains(oidcScopes(), word) || len(s.api) == 0 {
			add(word)
		}
	}
	if len(s.api) == 0 {
		s.api = other.api
	}
	for _, word := range other.oidc {
		if !s.has(word) {
			s.oidc = append(s.oidc, word)
		}
	}
	return s
}

// clip keeps what a client sent from filling a message.
func clip(s string) string {
	const limit = 80
	if len(s) > limit {
		s = s[:limit] + "…"
	}
	return strings.ToValidUTF8(s, "\ufffd")
}
