package duly

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"

	"github.com/duly-todo/duly/internal/auth"
	"github.com/duly-todo/duly/internal/store"
	"github.com/duly-todo/duly/internal/todo"
)

// An Issuer is another OpenID issuer: an organisation's Entra, Keycloak, Authentik,
// Zitadel or the like. Its JSON names are those of the file of duly serve --issuers.
// Claims are named, or reached by a path with dots such as realm_access.roles.
type Issuer struct {
	Name       string   `json:"name"`       // on the sign-in page; the host of Issuer if empty
	Issuer     string   `json:"issuer"`     // the claim iss of its tokens, to the letter
	Audiences  []string `json:"audiences"`  // of which a token must have one; none means that no access tokens are taken
	Algorithms []string `json:"algorithms"` // that may have signed a token; RS256 if empty

	// Preset says where the claims are: "entra-v2", "entra-v1", "keycloak",
	// "authentik", "zitadel", or where RFC 9068 and OpenID Connect have them. Each
	// can be named anew.
	Preset             string `json:"preset"`
	UserClaim          string `json:"userClaim"`   // who a person is
	ClientClaim        string `json:"clientClaim"` // the application
	ScopesClaim        string `json:"scopesClaim"` // delegated permissions: a text with spaces, a list, or an object
	RolesClaim         string `json:"rolesClaim"`  // application permissions, in the same forms
	NameClaim          string `json:"nameClaim"`
	MailClaim          string `json:"mailClaim"`
	PrincipalNameClaim string `json:"principalNameClaim"`

	Permissions      map[string]string `json:"permissions"`      // Graph's names, such as Tasks.ReadWrite, by those of the issuer
	PermissionPrefix string            `json:"permissionPrefix"` // taken off the front of names that are not in Permissions

	CreateUsers         bool   `json:"createUsers"`         // a person who is not linked becomes a new user
	JWKSURI             string `json:"jwksUri"`             // of its keys; by its discovery document if empty
	AllowPrivateAddress bool   `json:"allowPrivateAddress"` // it may be in a private network, or by http on this machine
	CAFile              string `json:"caFile"`              // certificates in PEM of the authority of its own; the system's if empty

	ClientID         string `json:"clientId"`         // of this server at the issuer, for people to sign in there
	ClientSecret     string `json:"clientSecret"`     // or
	ClientSecretFile string `json:"clientSecretFile"` // that holds it; neither for a public client
}

// ErrIssuer says that an issuer is not what its configuration says.
var ErrIssuer = auth.ErrExternal

// maxIssuersFile is the most bytes of the JSON of issuers.
const maxIssuersFile = 1 << 20

// ParseIssuers reads a JSON array of issuers. Members that are not known are errors.
func ParseIssuers(text []byte) (issuers []Issuer, err error) {
	if len(text) > maxIssuersFile {
		return nil, fmt.Errorf("the list of issuers has more than %d bytes", maxIssuersFile)
	}
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	err = d.Decode(&issuers)
	at := d.InputOffset()
	if err == nil {
		if _, end := d.Token(); !errors.Is(end, io.EOF) {
			err = errors.New("there is more after the list of issuers")
		}
	}
	if e, ok := errors.AsType[*json.SyntaxError](err); ok {
		at = e.Offset
	}
	if e, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		at, err = e.Offset, fmt.Errorf("%s cannot be a JSON %s", issuerMember(e.Field), e.Value)
	}
	if err != nil {
		return nil, fmt.Errorf("line %d: %w", 1+bytes.Count(text[:min(int(at), len(text))], []byte("\n")), err)
	}
	if issuers == nil {
		return nil, errors.New("it must hold a JSON array of issuers")
	}
	return issuers, nil
}

func issuerMember(field string) string {
	if field == "" {
		return "the list of issuers"
	}
	return fmt.Sprintf("%q", field)
}

func (c *Config) externals() []auth.External {
	out := make([]auth.External, len(c.Issuers))
	for i, x := range c.Issuers {
		out[i] = auth.External(x)
	}
	return out
}

// An Identity says which user a person of an external issuer is. Only the issuer
// and its subject tell a person, never a name or an address.
type Identity struct {
	UserID  string
	Issuer  string
	Subject string // the issuer's claim for users: oid of Entra, sub of others
}

// ErrLinked says that a person of an issuer is another user already.
var ErrLinked = errors.New("the subject is linked to another user")

// ErrNotLinked says that a person of an issuer is not that user.
var ErrNotLinked = errors.New("the subject is not linked to the user")

const maxSubject = 255 // bytes (OpenID Connect Core section 2)

func checkIdentity(issuer, subject string) error {
	u, err := url.Parse(issuer)
	switch {
	case err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http":
		return fmt.Errorf("the issuer %.200q is no URL such as https://login.example.org/realms/main", issuer)
	case subject == "" || len(subject) > maxSubject:
		return fmt.Errorf("a subject has from 1 to %d bytes", maxSubject)
	}
	return nil
}

// LinkUser lets a person of an external issuer in as the user. The error is
// [ErrLinked] when that person is another user.
func (s *Server) LinkUser(ctx context.Context, user, issuer, subject string) error {
	u, err := s.linking(ctx, user, issuer, subject)
	if err != nil {
		return err
	}
	err = s.db.LinkPerson(ctx, store.Person{Issuer: issuer, Subject: subject, User: u.ID})
	if e, ok := errors.AsType[*todo.Error](err); ok && e.Kind == todo.Conflict {
		return ErrLinked
	}
	return err
}

// UnlinkUser takes the link of [Server.LinkUser] back, and signs the user out
// everywhere. The error is [ErrNotLinked] when there is none.
func (s *Server) UnlinkUser(ctx context.Context, user, issuer, subject string) error {
	u, err := s.linking(ctx, user, issuer, subject)
	if err != nil {
		return err
	}
	err = s.db.UnlinkPerson(ctx, store.Person{Issuer: issuer, Subject: subject, User: u.ID})
	if errors.Is(err, todo.ErrNotFound) {
		return ErrNotLinked
	}
	return err
}

func (s *Server) linking(ctx context.Context, user, issuer, subject string) (User, error) {
	if err := checkIdentity(issuer, subject); err != nil {
		return User{}, err
	}
	return s.User(ctx, user)
}

// Identities returns at most limit links after the first skip, by user.
func (s *Server) Identities(ctx context.Context, skip, limit int) ([]Identity, error) {
	people, err := s.db.People(ctx, skip, limit)
	out := make([]Identity, len(people))
	for i, p := range people {
		out[i] = Identity{UserID: p.User, Issuer: p.Issuer, Subject: p.Subject}
	}
	return out, err
}
