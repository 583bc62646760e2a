package auth

import (
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"net/url"
	"strings"
	"time"

	josejson "github.com/go-jose/go-jose/v4/json"

	"github.com/duly-todo/duly/internal/store"
)

const assertionType = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"

// Bounds of a client assertion.
const (
	maxAssertion     = 16 << 10
	maxAssertionLife = 24 * time.Hour
)

// credentialNames are parameters that must not stand in a URL, which others log.
func credentialNames() []string {
	return []string{"client_secret", "client_assertion", "code", "code_verifier", "refresh_token", "device_code", "password", "token", "access_token"}
}

// client finds out which application calls, and that it is the one: by a secret
// in the body or as Basic, by a signed assertion, or for an application that
// cannot keep a secret by its id alone.
func (i *Issuer) client(c *call, form url.Values) (app store.App, err error) {
	query, qerr := url.ParseQuery(c.URL.RawQuery)
	if qerr != nil {
		return app, errorf(400, "invalid_request", 90014, "The query cannot be read.")
	}
	for _, name := range credentialNames() {
		if query.Has(name) {
			return app, errorf(400, "invalid_request", 900144, "The parameter '%s' must be in the body and not in the URL.", name)
		}
	}
	id, secret, methods, ierr := c.clientSecret(form)
	if ierr != nil {
		return app, ierr
	}
	assertion := form.Get("client_assertion")
	if assertion != "" {
		methods++
	}
	if methods > 1 {
		return app, errorf(400, "invalid_request", 9002013, "The client authenticates in more than one way.")
	}
	if id == "" {
		return app, errorf(400, "invalid_request", 900144, "The request body must contain the parameter 'client_id'.")
	}
	if app, err = i.app(c, id); err != nil {
		return app, err
	}
	if !app.Kind.Confidential() {
		if secret != "" || assertion != "" {
			return app, errorf(401, "invalid_client", 700025, "Client is public so neither 'client_assertion' nor 'client_secret' should be presented.")
		}
		return app, nil
	}
	if assertion == "" && secret == "" {
		return app, errorf(401, "invalid_client", 7000218, "The request body must contain 'client_assertion' or 'client_secret'.")
	}
	credentials, err := i.DB.Credentials(c.Context(), app.ID)
	if err != nil {
		return app, err
	}
	if assertion != "" {
		return app, i.checkAssertion(c, &app, credentials, form.Get("client_assertion_type"), assertion)
	}
	hash, right := hashed(secret), false
	for _, credential := range credentials {
		right = credential.Hash != "" && equalSecrets(credential.Hash, hash) || right
	}
	if !right {
		return app, errorf(401, "invalid_client", 7000215, "Invalid client secret provided, or it has expired.")
	}
	return app, nil
}

// clientSecret reads the client id and the secret, if there is one. x/oauth2 sends a
// public client's id as Basic with an empty password, which is no secret.
func (c *call) clientSecret(form url.Values) (id, secret string, methods int, err *oauthError) {
	id, secret = form.Get("client_id"), form.Get("client_secret")
	if secret != "" {
		methods++
	}
	if c.Header.Get("Authorization") == "" {
		return id, secret, methods, nil
	}
	user, password, ok := c.BasicAuth()
	if !ok {
		return "", "", 0, errorf(401, "invalid_client", 7000218, "The Authorization header of a client must be Basic.")
	}
	// Both are form-encoded within Basic (RFC 6749 section 2.3.1).
	user, userErr := url.QueryUnescape(user)
	password, passwordErr := url.QueryUnescape(password)
	if userErr != nil || passwordErr != nil || id != "" && !strings.EqualFold(id, user) {
		return "", "", 0, errorf(401, "invalid_client", 7000218, "The Authorization header and the client_id do not fit together.")
	}
	if password != "" {
		secret = password
		methods++
	}
	return user, secret, methods, nil
}

// An assertion is the claims of a client assertion (RFC 7523 section 3).
type assertion struct {
	Issuer    string      `json:"iss"`
	Subject   string      `json:"sub"`
	Audience  audience    `json:"aud"`
	Expires   numericDate `json:"exp"`
	NotBefore numericDate `json:"nbf"`
	ID        string      `json:"jti"`
}

// checkAssertion checks that one of the application's certificates has signed an
// assertion for this server that was never used before.
func (i *Issuer) checkAssertion(c *call, app *store.App, credentials []store.Credential, kind, token string) error {
	bad := func(number int, message string) *oauthError {
		return errorf(401, "invalid_client", number, "%s", message)
	}
	const malformed = "The client assertion is not well formed."
	if kind != assertionType {
		return bad(50027, "The client_assertion_type must be "+assertionType+".")
	}
	head, payload, signature, ok := split(token)
	if len(token) > maxAssertion || !ok {
		return bad(50027, malformed)
	}
	algorithm, key := assertionKey(head, credentials)
	if key == nil {
		return bad(700027, "The certificate that has signed the client assertion is not registered on the application.")
	}
	proof, err := base64.RawURLEncoding.Strict().DecodeString(signature)
	if err != nil || !verifyAssertion(key, algorithm, []byte(token[:len(head)+1+len(payload)]), proof) {
		return bad(700027, "The client assertion does not have a valid signature of PS256 or RS256.")
	}
	text, err := base64.RawURLEncoding.Strict().DecodeString(payload)
	var claims assertion
	if err != nil || josejson.Unmarshal(text, &claims) != nil {
		return bad(50027, malformed)
	}
	now, expires := c.now.Unix(), time.Unix(int64(claims.Expires), 0)
	switch {
	case !strings.EqualFold(claims.Issuer, app.ID) || !strings.EqualFold(claims.Subject, app.ID):
		return bad(700021, "The issuer and the subject of the client assertion must be the client id.")
	case len(claims.Audience) != 1 || !i.isAssertionAudience(c, claims.Audience[0]):
		return bad(700023, "The audience of the client assertion must be the token endpoint alone.")
	case now >= int64(claims.Expires)+leeway || now+leeway < int64(claims.NotBefore) || expires.After(c.now.Add(maxAssertionLife)):
		return bad(700024, "The client assertion is not within its valid time range, which may last 24 hours.")
	case claims.ID == "":
		return bad(50027, "The client assertion has no jti.")
	}
	first, err := i.DB.UseAssertion(c.Context(), app.ID, hashed(claims.ID), expires.Add(leeway*time.Second))
	if err == nil && !first {
		return bad(50027, "The client assertion was used before.")
	}
	return err
}

// isAssertionAudience says whether a client may mean this server with aud: its
// issuer, or the token endpoint under any name of the tenant.
func (i *Issuer) isAssertionAudience(c *call, aud string) bool {
	if aud == c.issuer() {
		return true
	}
	rest, ok := strings.CutPrefix(aud, c.base+"/")
	tenant, path, _ := strings.Cut(rest, "/")
	return ok && path == "oauth2/v2.0/token" && i.isTenant(tenant, c.base)
}

// assertionKey finds the key that an assertion's header names, among those that
// are registered and nowhere else, and the algorithm.
func assertionKey(head string, credentials []store.Credential) (algorithm string, key *rsa.PublicKey) {
	var h struct {
		Algorithm string `json:"alg"`
		KeyID     string `json:"kid"`
		X5T       string `json:"x5t"`
		X5TS256   string `json:"x5t#S256"`
		Critical  any    `json:"crit"`
	}
	text, err := base64.RawURLEncoding.Strict().DecodeString(head)
	if err != nil || josejson.Unmarshal(text, &h) != nil || h.Critical != nil {
		return "", nil
	}
	for _, credential := range credentials {
		if credential.Certificate == "" || !names(credential, h.KeyID, h.X5T, h.X5TS256) {
			continue
		}
		der, err := base64.StdEncoding.DecodeString(credential.Certificate)
		if err != nil {
			continue
		}
		if certificate, err := x509.ParseCertificate(der); err == nil {
			key, _ = certificate.PublicKey.(*rsa.PublicKey)
			return h.Algorithm, key
		}
	}
	return "", nil
}

// names says whether a header means the certificate. MSAL for Go writes the
// thumbprint in padded base64, others in base64url; kid may be the SHA-1 in hex.
func names(c store.Credential, kid, x5t, x5t256 string) bool {
	switch {
	case x5t256 != "":
		return foldBase64(x5t256) == c.X5TS256
	case x5t != "":
		return foldBase64(x5t) == c.X5T
	case kid != "":
		sha1, err := base64.RawURLEncoding.DecodeString(c.X5T)
		return err == nil && (strings.EqualFold(kid, hex.EncodeToString(sha1)) || foldBase64(kid) == c.X5T)
	}
	return false
}

func foldBase64(s string) string {
	return strings.NewReplacer("+", "-", "/", "_").Replace(strings.TrimRight(s, "="))
}

func verifyAssertion(key *rsa.PublicKey, algorithm string, input, signature []byte) bool {
	digest := sha256.Sum256(input)
	switch algorithm {
	case "PS256":
		return rsa.VerifyPSS(key, crypto.SHA256, digest[:], signature, &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash}) == nil
	case "RS256":
		return rsa.VerifyPKCS1v15(key, crypto.SHA256, digest[:], signature) == nil
	}
	return false
}
