package auth

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"
	"unicode/utf8"

	josejson "github.com/go-jose/go-jose/v4/json"

	"github.com/duly-todo/duly/internal/store"
	"github.com/duly-todo/duly/internal/todo"
)

const (
	maxToken  = 16 << 10  // bytes of a token as it is sent
	maxHeader = 256       // bytes of the JSON of its header; those that Keys writes have about 90
	leeway    = 60        // seconds by which two clocks may differ
	maxLife   = 25 * 3600 // seconds from iat to exp: MaxLifetime and an hour
)

// Messages that Graph itself sends, where they are known.
const (
	tokenEmpty    = "Access token is empty."
	notWellFormed = "IDX14100: JWT is not well formed."
	badKey        = "Signing key is invalid."
	badIssuer     = "Access token validation failure. Invalid issuer."
	badAudience   = "Access token validation failure. Invalid audience."
	expired       = "Lifetime validation failed, the token is expired."
	notYetValid   = "Lifetime validation failed, the token is not yet valid."
	badApp        = "Access token validation failure. The application is not known."
)

// A Verifier checks the access tokens that requests carry. It may be used by
// several goroutines at once.
type Verifier struct {
	keys  *Keys
	users *standings
	apps  *standings
	now   func() time.Time
	base  string    // scheme and host of the server; see Serving
	db    *store.DB // of the personal access tokens; nil: there are none

	externals *Externals // whose tokens are taken too; nil: nobody's

	proxies  []netip.Prefix // peers whose X-Forwarded-For counts
	failures *limiter       // of tokens that were refused, by address; nil: they are not counted

	base64 *base64.Encoding
	cache  *cache
}

// Of the tokens that an address sends and that are not known already, no more are
// looked at once so many were bad; graph's Retry-After is the window.
const (
	maxFailures   = 1_000
	failureWindow = 10 * time.Second
)

// NewVerifier returns a Verifier of the tokens that the keys sign. Of users it
// asks how the user of a token stands: a *todo.Error of the kind NoSuchUser or
// NotFound means that there is none, and any other error is passed on by
// Authenticate. It takes the time from now.
func NewVerifier(k *Keys, users func(ctx context.Context, id string) (store.Standing, error), now func() time.Time) *Verifier {
	return &Verifier{
		keys:   k,
		users:  newStandings(users),
		apps:   newStandings(func(context.Context, string) (store.Standing, error) { return store.Standing{}, todo.ErrNotFound }),
		now:    now,
		base64: base64.RawURLEncoding.Strict(),
		cache:  newCache(cacheSize),
	}
}

// Serving makes v take the tokens of an [Issuer] at the base URL, or on loopback
// where that is empty, as long as their applications are in db, and the personal
// access tokens that are there. What is written through db counts at once; see
// [Verifier.Follow] for the rest. It also counts the bad tokens of each address,
// that of X-Forwarded-For where the peer is one of the proxies. Serving must be
// called before v and db are used.
func (v *Verifier) Serving(base string, proxies []netip.Prefix, db *store.DB) {
	v.base, v.apps, v.db = base, newStandings(db.AppStanding), db
	v.proxies, v.failures = proxies, newLimiter(maxFailures, failureWindow)
	db.OnRevision(v.forget)
}

// Authenticate returns the principal of a request. It fails with
//
//   - a *TokenError when there is no token, or one that is refused,
//   - a *todo.Error of the kind BadRequest when the token is in the URL or there
//     are two Authorization headers (RFC 6750 section 2), or of the kind
//     TooManyRequests when the address has sent too many bad tokens,
//   - the error of the users function when the user could not be looked up.
//
// A token is looked at in the order of cost, so that a bad one costs less than a
// good one: length, characters, header, key and issuer come before the signature,
// and the claims are not parsed and the user is not looked up before it is right.
// A token that was seen before costs three look-ups in memory.
func (v *Verifier) Authenticate(r *http.Request) (Principal, error) {
	token, err := bearer(r)
	if err != nil {
		return Principal{}, err
	}
	if v.failures == nil {
		return v.authenticate(r.Context(), token)
	}
	now := v.now().Unix()
	if known := v.cached(token, now); known != nil {
		return v.known(r.Context(), token, known, now)
	}
	from := addressGroup(r, v.proxies)
	if v.failures.wait(from, v.now()) > 0 {
		return Principal{}, todo.Errorf(todo.TooManyRequests, "", "There were too many bad access tokens from this address. Try the request again after a delay.")
	}
	p, err := v.authenticate(r.Context(), token)
	if _, refused := errors.AsType[*TokenError](err); refused {
		v.failures.take(from, v.now())
	}
	return p, err
}

// authenticate returns the principal of a token.
func (v *Verifier) authenticate(ctx context.Context, token string) (Principal, error) {
	if len(token) > maxToken {
		return Principal{}, refuse("Access token is longer than the 16,384 bytes allowed.")
	}
	if v.db != nil && strings.HasPrefix(token, personalPrefix) {
		return v.personal(ctx, token)
	}
	now := v.now().Unix()
	known := v.cached(token, now)
	if known == nil {
		var err error
		if known, err = v.verify(ctx, token, now); err != nil {
			return Principal{}, err
		}
		v.cache.put(token, known)
	}
	return v.known(ctx, token, known, now)
}

// cached is what is known of a token that was verified by a key which still is one,
// of this server or of an external issuer.
func (v *Verifier) cached(token string, now int64) *verified {
	known, hit := v.cache.get(token)
	if !hit {
		return nil
	}
	good := false
	if known.external != nil {
		good = known.external.holds(known.foreign.kid, known.foreign.print)
	} else {
		good = v.keys.holds(known.key, now)
	}
	if !good {
		v.cache.drop(token)
		return nil
	}
	return known
}

// known returns the principal of a token of the cache, if it is still good.
func (v *Verifier) known(ctx context.Context, token string, known *verified, now int64) (Principal, error) {
	if err := known.lifetime.check(now); err != nil {
		v.cache.drop(token)
		return Principal{}, err
	}
	if err := v.checkStanding(ctx, known, now); err != nil {
		return Principal{}, err
	}
	return known.principal, nil
}

// bearer returns the token of the Authorization header, which has one or more
// characters, and otherwise anything in it.
func bearer(r *http.Request) (string, error) {
	if namesAccessToken(r.URL.RawQuery) {
		return "", todo.Errorf(todo.BadRequest, "access_token", "An access token in the URL is not read: send it in the Authorization header.")
	}
	headers := r.Header.Values("Authorization")
	if len(headers) > 1 {
		return "", todo.Errorf(todo.BadRequest, "Authorization", "There is more than one Authorization header.")
	}
	if len(headers) == 0 || headers[0] == "" {
		return "", &TokenError{Message: tokenEmpty}
	}
	scheme, token, _ := strings.Cut(headers[0], " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return "", &TokenError{Message: "The scheme of the Authorization header is not Bearer."}
	}
	if token = strings.Trim(token, " "); token == "" {
		return "", &TokenError{Message: tokenEmpty}
	}
	return token, nil
}

// namesAccessToken says whether a query has a parameter access_token. It does
// not use url.ParseQuery, which makes a map for every request.
func namesAccessToken(query string) bool {
	for parameter := range strings.SplitSeq(query, "&") {
		name, _, _ := strings.Cut(parameter, "=")
		if strings.Contains(name, "%") {
			if plain, err := url.QueryUnescape(name); err == nil {
				name = plain
			}
		}
		if name == "access_token" {
			return true
		}
	}
	return false
}

// verify checks all of a token but its user.
func (v *Verifier) verify(ctx context.Context, token string, now int64) (*verified, error) {
	head, payload, signature, ok := split(token)
	if !ok {
		return nil, refuse(notWellFormed)
	}
	if x, text := v.externalOf(payload); x != nil {
		return x.verify(ctx, token, text, now)
	}
	key, err := v.headerKey(head, now)
	if err != nil {
		return nil, err
	}
	proof, err := v.base64.DecodeString(signature)
	if err != nil || len(proof) != key.size {
		return nil, refuse("Access token validation failure. The signature is not of the key's form.")
	}
	text, err := v.base64.DecodeString(payload)
	if err != nil {
		return nil, refuse(notWellFormed)
	}
	if !v.keys.issued(firstIssuer(text), v.base) { // only a first look: checkClaims compares the claim itself
		return nil, refuse(badIssuer)
	}
	digest := sha256.Sum256([]byte(token[:len(head)+1+len(payload)]))
	if !key.verify(digest[:], proof) {
		return nil, refuse("Access token validation failure. Invalid signature.")
	}
	var c claims
	if err := josejson.Unmarshal(text, &c); err != nil || !utf8.Valid(text) {
		return nil, refuse("Access token validation failure. The claims cannot be read.")
	}
	if err := v.checkClaims(&c); err != nil {
		return nil, err
	}
	life := lifetime{issued: int64(c.IssuedAt), notBefore: int64(c.NotBefore), expires: int64(c.Expires)}
	if err := life.check(now); err != nil {
		return nil, err
	}
	return &verified{principal: c.principal(), lifetime: life, key: key, id: c.ID, session: c.Session, issued: c.issued()}, nil
}

// externalOf returns the external issuer that a payload names, and the payload; nil
// for a payload of this server, or of nobody who is known.
func (v *Verifier) externalOf(payload string) (*external, []byte) {
	if v.externals == nil || len(v.externals.all) == 0 {
		return nil, nil
	}
	text, err := v.base64.DecodeString(payload)
	if err != nil || v.keys.issued(firstIssuer(text), v.base) {
		return nil, nil
	}
	return v.externals.of(text), text
}

// firstIssuer is the member iss of a payload, if it stands there as Keys writes it.
func firstIssuer(payload []byte) string {
	_, rest, _ := bytes.Cut(payload, []byte(`"iss":"`))
	iss, _, _ := bytes.Cut(rest, []byte(`"`))
	return string(iss)
}

// split takes a token in the compact form apart. It has three parts, none of
// them empty, and no character that is not of base64url (RFC 7515 section 7.1).
func split(token string) (head, payload, signature string, ok bool) {
	head, rest, _ := strings.Cut(token, ".")
	payload, signature, _ = strings.Cut(rest, ".")
	if head == "" || payload == "" || signature == "" || strings.Contains(signature, ".") {
		return "", "", "", false
	}
	for i := range len(token) {
		switch c := token[i]; {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '-', c == '_', c == '.':
		default:
			return "", "", "", false
		}
	}
	return head, payload, signature, true
}

// joseHeader is what is read of a token's header. Members that would choose the
// key, or change how the token is read, are there to be refused.
type joseHeader struct {
	Algorithm   string          `json:"alg"`
	KeyID       string          `json:"kid"`
	Type        string          `json:"typ"`
	Critical    json.RawMessage `json:"crit"`
	Unencoded   json.RawMessage `json:"b64"`
	Key         json.RawMessage `json:"jwk"`
	KeyURL      json.RawMessage `json:"jku"`
	CertURL     json.RawMessage `json:"x5u"`
	Certificate json.RawMessage `json:"x5c"`
}

// headerKey returns the key that the header names, when the header is that of
// an access token signed with it.
func (v *Verifier) headerKey(head string, now int64) (*signingKey, error) {
	if base64.RawURLEncoding.DecodedLen(len(head)) > maxHeader {
		return nil, refuse("IDX14100: JWT is not well formed, its header is too long.")
	}
	text, err := v.base64.DecodeString(head)
	if err != nil || !utf8.Valid(text) {
		return nil, refuse(notWellFormed)
	}
	var h joseHeader
	if err := josejson.Unmarshal(text, &h); err != nil {
		return nil, refuse(notWellFormed)
	}
	for _, member := range []json.RawMessage{h.Critical, h.Unencoded, h.Key, h.KeyURL, h.CertURL, h.Certificate} {
		if len(member) > 0 {
			return nil, refuse("IDX14100: JWT is not well formed, its header holds a member that is not allowed.")
		}
	}
	key := v.keys.key(h.KeyID, now)
	if key == nil || h.Algorithm != key.jwk.Algorithm {
		return nil, refuse(badKey)
	}
	if h.Type != tokenType && h.Type != "application/"+tokenType {
		return nil, refuse("Access token validation failure. The token is not an access token.")
	}
	return key, nil
}

// checkClaims refuses every token that was not made by these keys for Graph.
func (v *Verifier) checkClaims(c *claims) error {
	app := c.app()
	switch {
	case !v.keys.issued(c.Issuer, v.base):
		return refuse(badIssuer)
	case !c.Audience.isGraph():
		return refuse(badAudience)
	case c.TenantID != v.keys.tenant:
		return refuse("Access token validation failure. Invalid tenant.")
	case c.Subject == "":
		return refuse("Access token validation failure. The subject is missing.")
	case c.IDType != "user" && c.IDType != "app":
		return refuse("Access token validation failure. Neither a user's token nor an application's.")
	case c.IDType == "user" && c.ObjectID == "":
		return refuse("Access token validation failure. The user is missing.")
	case len(c.Nonce) > 0:
		return refuse("Access token validation failure. An id_token is not an access token.")
	case len(c.Confirmation) > 0:
		return refuse("Access token validation failure. The token is bound to a key and is no bearer token.")
	case c.AppID != "" && c.AppID != app, app == "":
		return refuse(badApp)
	}
	return nil
}

// app returns the client id, from the claim of version 2.0 or that of 1.0.
func (c *claims) app() string {
	if c.AuthorizedParty != "" {
		return c.AuthorizedParty
	}
	return c.AppID
}

// issued is when a token was made, in microseconds: without it, one that is made
// in the second of a sign-out could be older or newer.
func (c *claims) issued() int64 {
	if c.IssuedMicros/1e6 == int64(c.IssuedAt) {
		return c.IssuedMicros
	}
	return int64(c.IssuedAt) * 1e6
}

func (a audience) isGraph() bool {
	for _, name := range a {
		if name == graphAudience || name == graphAppID {
			return true
		}
	}
	return false
}

// principal leaves the roles of a user's token and the scopes of an
// application's out: Entra puts directory roles into the one, and the other
// would turn a user's consent into a right on all mailboxes.
func (c *claims) principal() Principal {
	p := Principal{App: c.app(), Tenant: c.TenantID, Expires: time.Unix(int64(c.Expires), 0).UTC()}
	if c.IDType == "app" {
		p.AppOnly, p.Roles = true, c.Roles
		return p
	}
	p.User = c.ObjectID
	p.Scopes = strings.FieldsFunc(c.Scope, func(r rune) bool { return r == ' ' }) // only spaces part them (RFC 6749 section 3.3)
	return p
}

// A lifetime is the time in which a token is valid, in seconds since 1970. The
// zero of a member means that the token does not have it.
type lifetime struct {
	issued, notBefore, expires int64
}

func (l lifetime) check(now int64) error {
	switch {
	case l.expires == 0 || l.issued == 0:
		return refuse("Lifetime validation failed, the token has no expiration or no time of issue.")
	case now >= l.expires+leeway:
		return refuse(expired)
	case now+leeway < l.notBefore || now+leeway < l.issued:
		return refuse(notYetValid)
	case l.expires < l.issued || l.expires-l.issued > maxLife:
		return refuse("Lifetime validation failed, the token lives too long.")
	}
	return nil
}

// A TokenError says why a request has no principal. It is answered with 401
// InvalidAuthenticationToken and with the header that [Challenge] returns; as a
// *todo.Error it has the kind Unauthenticated.
type TokenError struct {
	Message   string // a sentence for the client
	Challenge string // the error code of WWW-Authenticate: "invalid_token", or "insufficient_claims" with Claims
	Sent      bool   // a bearer token came with the request; without one no error code is sent (RFC 6750 section 3.1)
	Claims    string // the claims that a new token must have, as JSON; empty when a new token would not help
}

func (e *TokenError) Error() string { return e.Message }

// Unwrap returns the error as one of package todo.
func (e *TokenError) Unwrap() error {
	return &todo.Error{Kind: todo.Unauthenticated, Message: e.Message}
}

func refuse(message string) error {
	return &TokenError{Message: message, Challenge: "invalid_token", Sent: true}
}

// Challenge returns the value of WWW-Authenticate for the error. The base URL is
// the scheme and the host of the server, such as https://duly.example.org. The
// form is Graph's own, which the Azure SDKs read (RFC 6750 section 3).
func Challenge(baseURL string, e *TokenError) string {
	var b strings.Builder
	fmt.Fprintf(&b, `Bearer realm="", authorization_uri="%s/common/oauth2/v2.0/authorize", client_id="%s"`,
		strings.TrimSuffix(baseURL, "/"), graphAppID)
	switch {
	case !e.Sent:
	case e.Claims != "":
		fmt.Fprintf(&b, `, error="%s", claims="%s"`, e.Challenge, base64.StdEncoding.EncodeToString([]byte(e.Claims)))
	default:
		fmt.Fprintf(&b, `, error="%s", error_description="%s"`, e.Challenge, strings.Map(descriptionChar, e.Message))
	}
	return b.String()
}

// descriptionChar keeps to the characters of an error_description (RFC 6750
// section 3).
func descriptionChar(r rune) rune {
	switch {
	case r == '"' || r == '\\':
		return '\''
	case r < ' ' || r > '~':
		return ' '
	}
	return r
}
