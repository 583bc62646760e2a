package todo

import (
	"net/url"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

// A LinkedResource is Graph's linkedResource: the item of a partner's
// application that a task is tied to. The early documentation also knows
// linked resources that no task holds yet.
type LinkedResource struct {
	ID              string // a GUID in lower case
	ApplicationName string
	DisplayName     string
	ExternalID      string
	WebURL          string
}

// A LinkedResourcePatch is the body of a POST or PATCH of a linked resource.
type LinkedResourcePatch struct {
	ApplicationName Opt[string]
	DisplayName     Opt[string]
	ExternalID      Opt[string]
	WebURL          Opt[string]
}

// LinkRules are the rules for linked resources in which the profiles differ.
type LinkRules struct {
	OnePerTask  bool // a task holds one at most (semantics 13.1)
	StrictURL   bool // webUrl must be a well-formed URI, not just begin like one
	IgnoreEmpty bool // null and "" in a PATCH change nothing (semantics 13.5)
}

// NewLinkedResource makes the linked resource that a POST asks for, held by no
// task yet.
func (r LinkRules) NewLinkedResource(id string, p LinkedResourcePatch) (LinkedResource, error) {
	if !p.ApplicationName.Has() || strings.TrimSpace(p.ApplicationName.V) == "" {
		return LinkedResource{}, Errorf(Invalid, "applicationName", "The property 'applicationName' is required when creating the linked resource")
	}
	return r.Apply(LinkedResource{ID: id}, p)
}

// Apply returns l changed by p.
func (r LinkRules) Apply(l LinkedResource, p LinkedResourcePatch) (LinkedResource, error) {
	for _, m := range []struct {
		member string
		from   Opt[string]
		to     *string
	}{
		{"applicationName", p.ApplicationName, &l.ApplicationName},
		{"displayName", p.DisplayName, &l.DisplayName},
		{"externalId", p.ExternalID, &l.ExternalID},
		{"webUrl", p.WebURL, &l.WebURL},
	} {
		if !m.from.Set || r.IgnoreEmpty && m.from.V == "" {
			continue
		}
		if utf8.RuneCountInString(m.from.V) > MaxTitle && m.member != "webUrl" {
			return l, tooLong(m.member, MaxTitle)
		}
		*m.to = m.from.V
	}
	if strings.TrimSpace(l.ApplicationName) == "" {
		return l, required("applicationName")
	}
	if p.WebURL.V != "" && !r.validURL(p.WebURL.V) {
		return l, Errorf(Invalid, "webUrl", "The property 'webUrl' has an invalid value")
	}
	return l, nil
}

// validURL says whether s will do as a webUrl: an absolute URI of any scheme
// (semantics 13.3). The friendly profile looks at the scheme alone, so that the
// documentation's own "http:://microsoft.com" passes.
func (r LinkRules) validURL(s string) bool {
	if len(s) > MaxURL {
		return false
	}
	scheme, rest, ok := strings.Cut(s, ":")
	if !ok || rest == "" || scheme == "" || strings.ContainsFunc(s, func(c rune) bool { return c <= ' ' || c == 0x7f }) {
		return false
	}
	for i, c := range scheme {
		letter := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
		if !letter && (i == 0 || !strings.ContainsRune("0123456789+-.", c)) {
			return false
		}
	}
	if !r.StrictURL {
		return true
	}
	u, err := url.Parse(s)
	return err == nil && u.IsAbs() && !strings.HasPrefix(rest, ":")
}

// AddLinkedResource returns t holding l as well.
func (r LinkRules) AddLinkedResource(t Task, l LinkedResource, now time.Time) (Task, error) {
	switch {
	case r.OnePerTask && len(t.LinkedResources) > 0:
		return t, Errorf(LinkExists, "linkedResources", "Linked Resource already exists.")
	case len(t.LinkedResources) >= MaxLinkedResources:
		return t, Errorf(Invalid, "linkedResources", "The property 'linkedResources' holds more than the %d items allowed.", MaxLinkedResources)
	}
	t.LinkedResources = append(slices.Clip(t.LinkedResources), l)
	t.Modified = now
	return t, nil
}

// PatchLinkedResource returns t with its linked resource id changed by p.
func (r LinkRules) PatchLinkedResource(t Task, id string, p LinkedResourcePatch, now time.Time) (Task, error) {
	i := t.linkedResource(id)
	if i < 0 {
		return t, ErrNotFound
	}
	l, err := r.Apply(t.LinkedResources[i], p)
	if err != nil {
		return t, err
	}
	t.LinkedResources = slices.Clone(t.LinkedResources)
	t.LinkedResources[i] = l
	t.Modified = now
	return t, nil
}

// DeleteLinkedResource returns t without its linked resource id.
func (t Task) DeleteLinkedResource(id string, now time.Time) (Task, error) {
	i := t.linkedResource(id)
	if i < 0 {
		return t, ErrNotFound
	}
	t.LinkedResources = slices.Delete(slices.Clone(t.LinkedResources), i, i+1)
	t.Modified = now
	return t, nil
}

// LinkedResource returns the linked resource id of t, or ErrNotFound.
func (t Task) LinkedResource(id string) (LinkedResource, error) {
	if i := t.linkedResource(id); i >= 0 {
		return t.LinkedResources[i], nil
	}
	return LinkedResource{}, ErrNotFound
}

func (t Task) linkedResource(id string) int {
	return slices.IndexFunc(t.LinkedResources, func(l LinkedResource) bool { return l.ID == id })
}
