package auth

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"log/slog"
	"net/url"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/go-jose/go-jose/v4"
	josejson "github.com/go-jose/go-jose/v4/json"

	"github.com/duly-todo/duly/internal/store"
	"github.com/duly-todo/duly/internal/todo"
)

const (
	maxExternalHeader = 1 << 10 // bytes of the JSON of a header
	maxSubject        = 255     // bytes (OpenID Connect Core section 2)
	maxPermissions    = 100     // names that are read of a claim
)

// The words for the tokens of an external issuer; those for people say what helps.
const (
	unknownPerson = "The user of the access token is not known here: an administrator can link the user (duly user link)."
	noAccessToken = "Access token validation failure. The token is not an access token."
)

// externalClaims are the members of tokens whose names are the same everywhere.
type externalClaims struct {
	Issuer       string          `json:"iss"`
	Audience     audience        `json:"aud"`
	Subject      string          `json:"sub"`
	IDType       string          `json:"idtyp"`
	Type         string          `json:"typ"` // Keycloak's: Bearer, ID, Refresh, Logout
	IssuedAt     numericDate     `json:"iat"`
	NotBefore    numericDate     `json:"nbf"`
	Expires      numericDate     `json:"exp"`
	ID           string          `json:"jti"`
	Nonce        json.RawMessage `json:"nonce"`
	Party        string          `json:"azp"`
	TokenHash    json.RawMessage `json:"at_hash"` // of id_tokens
	CodeHash     json.RawMessage `json:"c_hash"`  // of id_tokens
	Events       json.RawMessage `json:"events"`  // of logout tokens
	Confirmation json.RawMessage `json:"cnf"`

	all map[string]any
}

// of returns the issuer of a payload, if it is one of these: by its own name, to
// the letter. Nothing else of the token decides who may have signed it.
func (xs *Externals) of(payload []byte) *external {
	var claims struct {
		Issuer string `json:"iss"`
	}
	if err := josejson.Unmarshal(payload, &claims); err != nil {
		return nil
	}
	return xs.named(claims.Issuer)
}

func (xs *Externals) named(issuer string) *external {
	i := slices.IndexFunc(xs.all, func(x *external) bool { return x.Issuer == issuer })
	if i < 0 {
		return nil
	}
	return xs.all[i]
}

// From makes v take the tokens of external issuers, too. It must be called before
// v is used.
func (v *Verifier) From(xs *Externals) { v.externals = xs }

// verify checks all of an access token but its user's standing.
func (x *external) verify(ctx context.Context, token string, payload []byte, now int64) (*verified, error) {
	c, key, err := x.read(ctx, token, payload)
	if err != nil {
		return nil, err
	}
	life := lifetime{issued: int64(c.IssuedAt), notBefore: int64(c.NotBefore), expires: int64(c.Expires)}
	if err := life.check(now); err != nil {
		return nil, err
	}
	if err := x.checkAccess(c); err != nil {
		return nil, err
	}
	p := Principal{
		App: store.NamedGUID("application\x00" + x.Issuer + "\x00" + c.text(x.ClientClaim)), Tenant: x.of.tenant,
		Expires: time.Unix(int64(c.Expires), 0).UTC(),
	}
	if x.isAppOnly(c) {
		p.AppOnly, p.Roles = true, x.permissions(c, x.RolesClaim, knownRoles())
	} else {
		p.Scopes = x.permissions(c, x.ScopesClaim, knownScopes())
		if p.User, err = x.user(ctx, c); err != nil {
			return nil, err
		}
	}
	issued := min(int64(c.IssuedAt), now) * 1e6 // the issuer's clock may be ahead, and no sign-out is to be older than a token that came before it
	return &verified{principal: p, lifetime: life, id: c.ID, issued: issued, external: x, foreign: key}, nil
}

// A usedKey is the key that a token was verified with.
type usedKey struct{ kid, print string }

// read returns the claims of a token that one of the issuer's keys has signed.
func (x *external) read(ctx context.Context, token string, payload []byte) (*externalClaims, usedKey, error) {
	header, err := x.header(token)
	if err != nil {
		return nil, usedKey{}, err
	}
	key := x.key(ctx, header.KeyID)
	if key == nil || !slices.Contains(key.algorithms, header.Algorithm) {
		return nil, usedKey{}, refuse(badKey)
	}
	signed, err := jose.ParseSignedCompact(token, []jose.SignatureAlgorithm{jose.SignatureAlgorithm(header.Algorithm)})
	if err != nil {
		return nil, usedKey{}, refuse(notWellFormed)
	}
	if _, err := signed.Verify(key.key); err != nil {
		return nil, usedKey{}, refuse("Access token validation failure. Invalid signature.")
	}
	var c externalClaims
	if err := errors.Join(josejson.Unmarshal(payload, &c), josejson.Unmarshal(payload, &c.all)); err != nil || !utf8.Valid(payload) || c.Issuer != x.Issuer {
		return nil, usedKey{}, refuse("Access token validation failure. The claims cannot be read.")
	}
	return &c, usedKey{header.KeyID, key.print}, nil
}

// header reads a header that leaves the choice of the key to the server.
func (x *external) header(token string) (h joseHeader, err error) {
	head, _, _ := strings.Cut(token, ".")
	text, err := base64.RawURLEncoding.Strict().DecodeString(head)
	if err != nil || len(text) > maxExternalHeader || !utf8.Valid(text) || josejson.Unmarshal(text, &h) != nil {
		return h, refuse(notWellFormed)
	}
	for _, member := range []json.RawMessage{h.Critical, h.Unencoded, h.Key, h.KeyURL, h.CertURL, h.Certificate} {
		if len(member) > 0 {
			return h, refuse("IDX14100: JWT is not well formed, its header holds a member that is not allowed.")
		}
	}
	switch strings.ToLower(h.Type) {
	case "", "jwt", tokenType, "application/" + tokenType:
	default:
		return h, refuse(noAccessToken)
	}
	if h.KeyID == "" || !slices.Contains(x.Algorithms, h.Algorithm) {
		return h, refuse(badKey)
	}
	return h, nil
}

// checkAccess refuses what the issuer has signed for others, or for another use.
func (x *external) checkAccess(c *externalClaims) error {
	ours := func(name string) bool { return slices.Contains(x.Audiences, name) }
	switch {
	case c.Audience.isGraph() || !slices.ContainsFunc(c.Audience, ours):
		return refuse(badAudience)
	case len(c.Confirmation) > 0:
		return refuse("Access token validation failure. The token is bound to a key and is no bearer token.")
	case len(c.TokenHash) > 0 || len(c.CodeHash) > 0 || len(c.Events) > 0 || c.Type != "" && c.Type != "Bearer":
		return refuse(noAccessToken)
	case len(c.Nonce) > 0 && c.at(x.ScopesClaim) == nil: // only some access tokens have a nonce, and all id_tokens
		return refuse(noAccessToken)
	case c.text(x.ClientClaim) == "":
		return refuse(badApp)
	}
	return nil
}

// isAppOnly says whether a token speaks for an application and no user. Entra says
// so in idtyp, where that is configured, and else by a subject that is the object
// itself: a user has another one for each application.
func (x *external) isAppOnly(c *externalClaims) bool {
	if c.IDType != "" || !strings.HasPrefix(x.Preset, "entra-") {
		return c.IDType == "app"
	}
	return c.at(x.ScopesClaim) == nil && c.at(x.RolesClaim) != nil && c.Subject != "" && c.Subject == c.text("oid")
}

// permissions are Graph's names for those of a claim, as far as they are known.
func (x *external) permissions(c *externalClaims, claim string, known []string) []string {
	out := []string{}
	for _, name := range claimNames(c.at(claim)) {
		permission, mapped := x.Permissions[name]
		if !mapped {
			permission = strings.TrimPrefix(name, x.PermissionPrefix)
		}
		if slices.Contains(known, permission) && !slices.Contains(out, permission) {
			out = append(out, permission)
		}
	}
	return out
}

// claimNames reads a claim of names: one text with spaces, a list, or the members of an
// object, as Zitadel writes roles.
func claimNames(claim any) (out []string) {
	switch claim := claim.(type) {
	case string:
		out = strings.FieldsFunc(claim, func(r rune) bool { return r == ' ' })
	case []any:
		for _, element := range claim {
			if name, ok := element.(string); ok {
				out = append(out, name)
			}
		}
	case map[string]any:
		for name := range claim {
			out = append(out, name)
		}
		slices.Sort(out)
	}
	return out[:min(len(out), maxPermissions)]
}

// at is the claim of a name, or of a path whose dots lead into objects. Names may
// hold dots themselves.
func (c *externalClaims) at(path string) any { return member(c.all, path) }

func member(object map[string]any, path string) any {
	if value, ok := object[path]; ok {
		return value
	}
	for i, r := range path {
		if inner, ok := object[path[:i]].(map[string]any); ok && r == '.' {
			if value := member(inner, path[i+1:]); value != nil {
				return value
			}
		}
	}
	return nil
}

// text is a claim that is a text, or "".
func (c *externalClaims) text(path string) string {
	s, _ := c.at(path).(string)
	return s
}

// user returns the object id of the user who a person is here: whoever was linked
// with this subject of this issuer, or a new user where that is allowed. Neither an
// id nor a name nor an address that the issuer tells is compared with anybody's.
func (x *external) user(ctx context.Context, c *externalClaims) (string, error) {
	p := store.Person{Issuer: x.Issuer, Subject: c.text(x.UserClaim)}
	if p.Subject == "" || len(p.Subject) > maxSubject || !utf8.ValidString(p.Subject) {
		return "", refuse("Access token validation failure. The subject is missing.")
	}
	user, err := x.of.db.Person(ctx, p)
	if !errors.Is(err, todo.ErrNotFound) {
		return user, err
	}
	if !x.CreateUsers {
		return "", refuse(unknownPerson)
	}
	id := store.NewGUID()
	spare := store.NewGUID() // another one, so that nobody's name is the id of somebody
	if u, err := url.Parse(x.Issuer); err == nil {
		spare += "@" + u.Hostname()
	}
	u, err := todo.NewUser(id, c.text(x.PrincipalNameClaim), c.text(x.NameClaim), c.text(x.MailClaim), x.now())
	if err != nil || store.ValidGUID(u.UserPrincipalName) {
		if u, err = todo.NewUser(id, spare, "", "", x.now()); err != nil {
			return "", err
		}
	}
	user, added, err := x.of.db.AddPerson(ctx, p, u, spare, CommandLineApp)
	if added && err == nil {
		x.of.log.LogAttrs(ctx, slog.LevelInfo, "a new user from an external issuer", slog.String("issuer", x.Issuer), slog.String("user", user))
	}
	return user, err
}
