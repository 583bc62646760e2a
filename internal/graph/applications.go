package graph

import (
	"encoding/base64"
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/duly-todo/duly/internal/auth"
	"github.com/duly-todo/duly/internal/store"
	"github.com/duly-todo/duly/internal/todo"
)

// The registered applications, in the part of Graph's form that there is a
// counterpart for. An application has one id, which is its client id as well, and
// one platform, of which its redirect URIs are.

const applicationsContext = "applications"

// passwordLife is how long a secret is good when nothing else is said.
const passwordLife = 2 * 365 * 24 * time.Hour

// An appPatch is what a body says of an application.
type appPatch struct {
	name           todo.Opt[string]
	web, spa, bare todo.Opt[[]string] // redirect URIs of the platforms; bare are those of public clients
	public         todo.Opt[bool]
	access         todo.Opt[[]string] // ids of permissions
	keys           todo.Opt[[]appKey]
}

// An appKey is a key credential: one that is there, by its id, or a new certificate.
type appKey struct {
	id  string
	der []byte
}

func (r *request) readApplication() (p appPatch, err error) {
	v, err := r.readObject("microsoft.graph.application")
	if err != nil {
		return p, err
	}
	d := decoder{v: v}
	p.name = opt(&d, "displayName", jsonValue.str)
	p.web = opt(&d, "web", redirectURIs("webApplication"))
	p.spa = opt(&d, "spa", redirectURIs("spaApplication"))
	p.bare = opt(&d, "publicClient", redirectURIs("publicClientApplication"))
	p.public = opt(&d, "isFallbackPublicClient", jsonValue.boolean)
	p.access = opt(&d, "requiredResourceAccess", requiredAccess)
	p.keys = opt(&d, "keyCredentials", list(namespace+"keyCredential", decodeAppKey))
	if audience := opt(&d, "signInAudience", jsonValue.str); d.err == nil && audience.Has() && audience.V != store.SignInAudience {
		return p, todo.Errorf(todo.Invalid, "signInAudience", "The property 'signInAudience' can be '%s' alone.", store.SignInAudience)
	}
	if passwords, ok := v.member("passwordCredentials"); d.err == nil && ok && !passwords.isNull() && passwords.raw() != "[]" {
		return p, todo.Errorf(todo.Invalid, "passwordCredentials", "Secrets are made by addPassword: leave out 'passwordCredentials'.")
	}
	return p, d.err
}

func redirectURIs(typeName string) func(jsonValue) ([]string, error) {
	return func(v jsonValue) ([]string, error) {
		v, err := v.object(namespace + typeName)
		if err != nil {
			return nil, err
		}
		d := decoder{v: v}
		return opt(&d, "redirectUris", list("Edm.String", jsonValue.str)).V, d.err
	}
}

// requiredAccess gives the ids of permissions of this API.
func requiredAccess(v jsonValue) (ids []string, err error) {
	resources, err := list(namespace+"requiredResourceAccess", func(v jsonValue) (ids []string, err error) {
		if v, err = v.object(namespace + "requiredResourceAccess"); err != nil {
			return nil, err
		}
		d := decoder{v: v}
		resource := opt(&d, "resourceAppId", jsonValue.str).V
		ids = opt(&d, "resourceAccess", list(namespace+"resourceAccess", func(v jsonValue) (string, error) {
			if v, err = v.object(namespace + "resourceAccess"); err != nil {
				return "", err
			}
			d := decoder{v: v}
			id, kind := opt(&d, "id", jsonValue.str).V, opt(&d, "type", jsonValue.str).V
			return strings.ToLower(id) + " " + kind, d.err
		})).V
		if d.err == nil && !strings.EqualFold(resource, auth.GraphAppID) {
			d.err = todo.Errorf(todo.Invalid, "resourceAppId", "The property 'resourceAppId' must be %s, which is the only API here.", auth.GraphAppID)
		}
		return ids, d.err
	})(v)
	return slices.Concat(resources...), err
}

func decodeAppKey(v jsonValue) (k appKey, err error) {
	if v, err = v.object(namespace + "keyCredential"); err != nil {
		return k, err
	}
	d := decoder{v: v}
	k.id = strings.ToLower(opt(&d, "keyId", jsonValue.str).V)
	kind, usage, key := opt(&d, "type", jsonValue.str).V, opt(&d, "usage", jsonValue.str).V, opt(&d, "key", jsonValue.str).V
	switch {
	case d.err != nil || key == "":
		return k, d.err
	case kind != "AsymmetricX509Cert" || usage != "Verify":
		return k, todo.Errorf(todo.Invalid, "keyCredentials", "A key credential must have the 'type' AsymmetricX509Cert and the 'usage' Verify.")
	}
	if k.der, err = base64.StdEncoding.DecodeString(key); err != nil {
		err = todo.Errorf(todo.Invalid, "key", "The property 'key' must be a certificate in base64.")
	}
	return k, err
}

// apply gives what is to be stored. The platform is the one that has redirect
// URIs; without any, an application is a public client if it says so, and else a
// daemon.
func (p *appPatch) apply(a store.App, creating bool) (store.App, error) {
	if p.name.Set {
		a.Name = p.name.V
	}
	platforms := []struct {
		kind store.AppKind
		uris todo.Opt[[]string]
	}{{store.WebApp, p.web}, {store.SPA, p.spa}, {store.NativeApp, p.bare}}
	kind, named := store.Daemon, 0
	if p.public.V {
		kind = store.NativeApp
	}
	for _, platform := range platforms {
		if len(platform.uris.V) > 0 {
			kind, a.RedirectURIs = platform.kind, platform.uris.V
			named++
		} else if platform.uris.Set && platform.kind == a.Kind {
			a.RedirectURIs = nil
		}
	}
	if named > 1 {
		return a, todo.Errorf(todo.Invalid, "web", "An application has redirect URIs of one of 'web', 'spa' and 'publicClient'.")
	}
	switch {
	case creating:
		a.Kind = kind
	case (named > 0 || p.public.V) && kind != a.Kind:
		return a, todo.Errorf(todo.Invalid, "", "An application stays of the kind that it was made as: it cannot change its platform.")
	}
	if p.access.Set {
		a.Scopes, a.Roles = nil, nil
		for _, id := range p.access.V {
			name, role := auth.PermissionOf(id)
			switch {
			case name == "":
				return a, todo.Errorf(todo.Invalid, "resourceAccess", "There is no permission with the id and the type '%s'.", shortened(id))
			case role:
				a.Roles = append(a.Roles, name)
			default:
				a.Scopes = append(a.Scopes, name)
			}
		}
	}
	if creating && !p.access.Set && a.Kind != store.Daemon {
		a.Scopes = []string{"User.Read"} // as the portal gives it
	}
	checked, err := auth.CheckApp(a)
	return checked, sentence(err)
}

// sentence makes an error of package auth one for clients.
func sentence(err error) error {
	if err == nil {
		return nil
	}
	if _, ok := errors.AsType[*todo.Error](err); ok {
		return err
	}
	first, size := utf8.DecodeRuneInString(err.Error())
	return todo.Errorf(todo.Invalid, "", "%c%s.", unicode.ToUpper(first), err.Error()[size:])
}

// credentials are the new ones of a patch, and the ids of those that it leaves out.
func (p *appPatch) credentials(kind store.AppKind, have []store.Credential, now time.Time) (gone []string, add []store.Credential, err error) {
	if !p.keys.Set {
		return nil, nil, nil
	}
	if !kind.Confidential() && len(p.keys.V) > 0 {
		return nil, nil, publicHasNone()
	}
	kept := map[string]bool{}
	for _, k := range p.keys.V {
		known := slices.ContainsFunc(have, func(c store.Credential) bool { return c.ID == k.id && c.Certificate != "" })
		switch {
		case k.der != nil:
			c, err := auth.NewCertificate(k.der, now)
			if err != nil {
				return nil, nil, sentence(err)
			}
			add = append(add, c)
		case known:
			kept[k.id] = true
		default:
			return nil, nil, todo.Errorf(todo.Invalid, "keyCredentials", "A key credential needs a 'key', or the 'keyId' of one that is there.")
		}
	}
	for _, c := range have {
		if c.Certificate != "" && !kept[c.ID] {
			gone = append(gone, c.ID)
		}
	}
	return gone, add, nil
}

func publicHasNone() error {
	return todo.Errorf(todo.Invalid, "", "A public client keeps no secret, and so has no credentials.")
}

// application is the id of the path.
func (r *request) application() (string, error) {
	id := strings.ToLower(r.params.get("application"))
	if !store.ValidGUID(id) {
		return "", noApplication(id)
	}
	return id, nil
}

func noApplication(id string) error {
	return todo.Errorf(todo.NoSuchUser, "", "Resource '%s' does not exist or one of its queried reference-property objects are not present.", shortened(id))
}

func orNoApplication(err error, id string) error {
	if errors.Is(err, todo.ErrNotFound) {
		return noApplication(id)
	}
	return err
}

// listApplications serves GET /applications.
func (s *Server) listApplications(r *request) error {
	o, err := s.readOptions(r, store.AppSchema())
	if err != nil {
		return err
	}
	apps, err := s.db.Apps(r.Context())
	if err == nil {
		err = checkInMemory(len(apps))
	}
	if err != nil {
		return err
	}
	p, err := pageOf(s, r, o, apps, store.AppRow, defaultPage)
	if err != nil {
		return err
	}
	credentials := make([][]store.Credential, len(p.items))
	for i := range p.items {
		if credentials[i], err = s.db.Credentials(r.Context(), p.items[i].ID); err != nil {
			return err
		}
	}
	r.collection(applicationsContext, len(p.items), p.count, p.next, func(e *encoder, i int) { e.application(&p.items[i], credentials[i]) })
	return nil
}

// getApplication serves GET /applications/{application}.
func (s *Server) getApplication(r *request) error {
	if _, err := s.readOptions(r, store.AppSchema()); err != nil {
		return err
	}
	id, err := r.application()
	if err != nil {
		return err
	}
	a, err := s.db.App(r.Context(), id)
	if err != nil {
		return orNoApplication(err, id)
	}
	credentials, err := s.db.Credentials(r.Context(), id)
	if err != nil {
		return err
	}
	r.entity(http.StatusOK, applicationsContext, func(e *encoder) { e.application(&a, credentials) })
	return nil
}

// createApplication serves POST /applications.
func (s *Server) createApplication(r *request) error {
	p, err := r.readApplication()
	if err != nil {
		return err
	}
	a, err := p.apply(store.App{ID: store.NewGUID()}, true)
	if err != nil {
		return err
	}
	_, keys, err := p.credentials(a.Kind, nil, r.now)
	if err != nil {
		return err
	}
	if err := s.db.AddApp(r.Context(), a, keys...); err != nil {
		return err
	}
	if a, err = s.db.App(r.Context(), a.ID); err != nil { // with its time
		return err
	}
	if keys, err = s.db.Credentials(r.Context(), a.ID); err != nil {
		return err
	}
	r.created(a.ID, applicationsContext, func(e *encoder) { e.application(&a, keys) })
	return nil
}

// patchApplication serves PATCH /applications/{application}: 204, as documented.
func (s *Server) patchApplication(r *request) error {
	id, err := r.application()
	if err != nil {
		return err
	}
	p, err := r.readApplication()
	if err != nil {
		return err
	}
	err = s.db.ChangeApp(r.Context(), id, func(a *store.App, have []store.Credential) (gone []string, add []store.Credential, err error) {
		if *a, err = p.apply(*a, false); err != nil {
			return nil, nil, err
		}
		return p.credentials(a.Kind, have, r.now)
	})
	if err != nil {
		return orNoApplication(err, id)
	}
	r.answer(http.StatusNoContent, nil)
	return nil
}

// deleteApplication serves DELETE /applications/{application}, whose tokens end.
func (s *Server) deleteApplication(r *request) error {
	id, err := r.application()
	if err == nil {
		err = orNoApplication(s.db.RemoveApp(r.Context(), id), id)
	}
	if err != nil {
		return err
	}
	r.answer(http.StatusNoContent, nil)
	return nil
}

// addPassword serves POST …/addPassword: the answer holds the secret, this once.
func (s *Server) addPassword(r *request) error {
	id, err := r.application()
	if err != nil {
		return err
	}
	v, err := r.readObject("passwordCredential")
	if err != nil {
		return err
	}
	outer := decoder{v: v}
	wanted := opt(&outer, "passwordCredential", func(v jsonValue) (w struct {
		name       string
		start, end time.Time
	}, err error) {
		if v, err = v.object(namespace + "passwordCredential"); err != nil {
			return w, err
		}
		d := decoder{v: v}
		w.name = opt(&d, "displayName", jsonValue.str).V
		w.start, w.end = opt(&d, "startDateTime", decodeInstant).V, opt(&d, "endDateTime", decodeInstant).V
		return w, d.err
	}).V
	switch {
	case outer.err != nil:
		return outer.err
	case wanted.start.After(r.now.Add(time.Minute)):
		return todo.Errorf(todo.Invalid, "startDateTime", "A secret is good from now on: 'startDateTime' must not be later.")
	case wanted.end.IsZero():
		wanted.end = r.now.Add(passwordLife)
	}
	secret, c, err := auth.NewPassword(id, wanted.name, r.now, wanted.end.UTC())
	if err != nil {
		return err
	}
	c.Created = r.now
	err = s.db.ChangeApp(r.Context(), id, func(a *store.App, _ []store.Credential) ([]string, []store.Credential, error) {
		if !a.Kind.Confidential() {
			return nil, nil, publicHasNone()
		}
		return nil, []store.Credential{c}, nil
	})
	if err != nil {
		return orNoApplication(err, id)
	}
	r.object(http.StatusOK, "microsoft.graph.passwordCredential", func(e *encoder) { e.password(&c, secret) })
	return nil
}

// removePassword serves POST …/removePassword.
func (s *Server) removePassword(r *request) error {
	id, err := r.application()
	if err != nil {
		return err
	}
	v, err := r.readObject("removePassword")
	if err != nil {
		return err
	}
	d := decoder{v: v}
	key := strings.ToLower(opt(&d, "keyId", jsonValue.str).V)
	if d.err != nil {
		return d.err
	}
	err = s.db.ChangeApp(r.Context(), id, func(_ *store.App, have []store.Credential) ([]string, []store.Credential, error) {
		if !slices.ContainsFunc(have, func(c store.Credential) bool { return c.ID == key && c.Hash != "" }) {
			return nil, nil, todo.Errorf(todo.Invalid, "keyId", "No password credential found with keyId.")
		}
		return []string{key}, nil, nil
	})
	if err != nil {
		return orNoApplication(err, id)
	}
	r.answer(http.StatusNoContent, nil)
	return nil
}
