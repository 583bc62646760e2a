package auth

import (
	"cmp"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
	josejson "github.com/go-jose/go-jose/v4/json" // minds the case of names and refuses duplicates
)

// CommandLineApp is the client id of Duly's own command line.
const CommandLineApp = "7a1f4c36-90d2-4b5e-8c47-d3e6b2f80a19"

// MaxLifetime is the longest life of a token that Mint gives out.
const MaxLifetime = 24 * time.Hour

const (
	graphAudience = "https://graph.microsoft.com"
	graphAppID    = "00000003-0000-0000-c000-000000000000" // Microsoft Graph's own, at Entra
	tokenType     = "at+jwt"                               // RFC 9068 section 2.1
)

// A Grant says for whom, for what and for how long a token is made.
type Grant struct {
	ID                string        // the object id of the user; required
	UserPrincipalName string        // the sign-in name of the user, such as ada@example.org
	DisplayName       string        // the name of the user for people to read
	Scopes            []string      // the delegated permissions, each without spaces; see ParseScopes
	Lifetime          time.Duration // above 0 and at most MaxLifetime; rounded up to seconds
	App               string        // the client id; CommandLineApp when empty
	AppOnly           bool          // the application acts as itself: ID is its own object id, and Roles take the place of Scopes
	Roles             []string      // the application permissions
	Issuer            string        // the claim iss; that of the keys when empty
	Session           string        // the claim sid: the tokens that come of one sign-in
}

// claims are the members of an access token, with the names that Entra gives
// them. One type writes and reads them.
type claims struct {
	Issuer            string          `json:"iss"`
	Audience          audience        `json:"aud"`
	Subject           string          `json:"sub"`
	ObjectID          string          `json:"oid"`
	TenantID          string          `json:"tid"`
	AuthorizedParty   string          `json:"azp"`
	AppID             string          `json:"appid"`
	Scope             string          `json:"scp"`
	Roles             []string        `json:"roles,omitempty"`
	IDType            string          `json:"idtyp"`
	Version           string          `json:"ver"`
	UPN               string          `json:"upn"`
	PreferredUsername string          `json:"preferred_username"`
	Name              string          `json:"name"`
	IssuedAt          numericDate     `json:"iat"`
	IssuedMicros      int64           `json:"duly_iat"` // iat in microseconds
	NotBefore         numericDate     `json:"nbf"`
	Expires           numericDate     `json:"exp"`
	ID                string          `json:"jti"`
	Session           string          `json:"sid,omitempty"`
	Nonce             json.RawMessage `json:"nonce,omitempty"` // id_tokens have one
	Confirmation      json.RawMessage `json:"cnf,omitempty"`   // a key that must come with the token (RFC 7800)
}

// Mint makes an access token for a user, signed by the key whose turn it is. It does not
// know which users, applications and scopes there are. It fails on a grant without
// an id, with a scope that is not one word, with a lifetime outside of its range,
// or with so much text that no Verifier would read the token.
func (k *Keys) Mint(g Grant, now time.Time) (string, error) {
	if g.ID == "" {
		return "", errors.New("a token needs the id of a user")
	}
	if g.Lifetime <= 0 || g.Lifetime > MaxLifetime {
		return "", fmt.Errorf("the lifetime of a token must be above 0 and at most %v, not %v", MaxLifetime, g.Lifetime)
	}
	for _, scope := range slices.Concat(g.Scopes, g.Roles) {
		if scope == "" || strings.ContainsFunc(scope, func(r rune) bool { return r <= ' ' || r > '~' || r == '"' || r == '\\' }) {
			return "", fmt.Errorf("%q is not the name of a permission", scope)
		}
	}
	app := g.App
	if app == "" {
		app = CommandLineApp
	}
	idType := "user"
	if g.AppOnly {
		idType = "app"
	}
	issued := now.Unix()
	return k.signer(now).sign(claims{
		Issuer:            cmp.Or(g.Issuer, k.issuer),
		Audience:          audience{graphAudience},
		Subject:           g.ID,
		ObjectID:          g.ID,
		TenantID:          k.tenant,
		AuthorizedParty:   app,
		AppID:             app,
		Scope:             strings.Join(g.Scopes, " "),
		Roles:             g.Roles,
		IDType:            idType,
		Version:           "2.0",
		UPN:               g.UserPrincipalName,
		PreferredUsername: g.UserPrincipalName,
		Name:              g.DisplayName,
		IssuedAt:          numericDate(issued),
		IssuedMicros:      now.UnixMicro(),
		NotBefore:         numericDate(issued),
		Expires:           numericDate(issued + int64((g.Lifetime+time.Second-1)/time.Second)),
		ID:                rand.Text(),
		Session:           g.Session,
	})
}

// sign makes an access token.
func (k *signingKey) sign(c claims) (string, error) { return signJSON(k.signer, c) }

func signJSON(signer jose.Signer, claims any) (string, error) {
	payload, err := json.Marshal(claims)
	if err != nil {
		return "", fmt.Errorf("encode the claims of a token: %w", err)
	}
	signed, err := signer.Sign(payload)
	if err != nil {
		return "", fmt.Errorf("sign a token: %w", err)
	}
	token, err := signed.CompactSerialize()
	if err != nil {
		return "", fmt.Errorf("serialize a token: %w", err)
	}
	if len(token) > maxToken {
		return "", fmt.Errorf("the token would have %d bytes, and %d are the most", len(token), maxToken)
	}
	return token, nil
}

// knownScopes are the delegated permissions that mean something to Duly, as
// Microsoft's permissions reference writes them.
func knownScopes() []string {
	return []string{
		"Tasks.Read", "Tasks.ReadWrite", "Tasks.Read.Shared", "Tasks.ReadWrite.Shared",
		"User.Read", "User.ReadWrite", "User.ReadBasic.All", "User.Read.All",
		"MailboxSettings.Read", "MailboxSettings.ReadWrite",
	}
}

// ParseScopes reads delegated permissions that are separated by spaces. It takes
// them in any case, with or without https://graph.microsoft.com/ in front, and
// returns each once, as Microsoft writes it, in the order of s. It fails on an
// empty list and on an unknown name, and then lists the known ones.
func ParseScopes(s string) ([]string, error) {
	var scopes []string
	seen := make(map[string]bool)
	for _, word := range strings.Fields(s) {
		scope, ok := canonicalScope(word)
		if !ok {
			return nil, fmt.Errorf("unknown permission %.80q: the known ones are %s", word, strings.Join(knownScopes(), ", "))
		}
		if !seen[scope] {
			seen[scope] = true
			scopes = append(scopes, scope)
		}
	}
	if len(scopes) == 0 {
		return nil, fmt.Errorf("no permission is named: the known ones are %s", strings.Join(knownScopes(), ", "))
	}
	return scopes, nil
}

func canonicalScope(word string) (string, bool) {
	const prefix = graphAudience + "/"
	if len(word) > len(prefix) && strings.EqualFold(word[:len(prefix)], prefix) {
		word = word[len(prefix):]
	}
	for _, known := range knownScopes() {
		if strings.EqualFold(word, known) {
			return known, true
		}
	}
	return "", false
}

// An audience is one string or a list of strings (RFC 7519 section 4.1.3).
type audience []string

func (a audience) MarshalJSON() ([]byte, error) {
	if len(a) == 1 {
		return json.Marshal(a[0]) // the form that every client can read
	}
	return json.Marshal([]string(a))
}

func (a *audience) UnmarshalJSON(text []byte) error {
	if len(text) > 0 && text[0] == '[' {
		return josejson.Unmarshal(text, (*[]string)(a))
	}
	var one string
	if err := josejson.Unmarshal(text, &one); err != nil {
		return err
	}
	*a = audience{one}
	return nil
}

// A numericDate is a time in seconds since 1970. A fraction is cut off, as RFC
// 7519 section 2 allows one.
type numericDate int64

func (n *numericDate) UnmarshalJSON(text []byte) error {
	f, err := strconv.ParseFloat(string(text), 64)
	if err != nil {
		return errors.New("a date is not a number")
	}
	if f < 0 || f > 1<<40 { // the year 36,812, and far from any overflow
		return errors.New("a date is out of range")
	}
	*n = numericDate(f)
	return nil
}
