package auth

import (
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"slices"
	"strings"

	"code.dny.dev/ssrf"
	"github.com/go-jose/go-jose/v4"
)

// An External is another OpenID issuer, of which tokens are taken and where people
// may sign in. The members that are left empty have the defaults of the preset.
type External struct {
	Name       string // on the sign-in page; the host of the issuer if empty
	Issuer     string // the claim iss, to the letter
	Audiences  []string
	Algorithms []string // RS256 if empty
	Preset     string   // a key of presets, or empty

	UserClaim, ClientClaim, ScopesClaim, RolesClaim string // names, or paths with dots
	NameClaim, MailClaim, PrincipalNameClaim        string

	Permissions      map[string]string // Graph's names, by those of the issuer
	PermissionPrefix string            // that is taken off the issuer's names

	CreateUsers         bool // whoever is not linked becomes a new user
	JWKSURI             string
	AllowPrivateAddress bool // also lets an issuer on this machine speak http
	CAFile              string

	ClientID, ClientSecret, ClientSecretFile string // for sign-in; without a client id there is none
}

// Limits of the configuration.
const (
	maxExternals    = 20
	maxExternalText = 512 // bytes of each text
	maxExternalList = 50  // members of each list
)

// ErrExternal says that an external issuer is not what its configuration says.
var ErrExternal = errors.New("an external issuer cannot be used")

// presets are where the usual issuers put what Duly wants to know.
func presets() map[string]External {
	const zitadelRoles = "urn:zitadel:iam:org:project:roles"
	return map[string]External{
		"":          {UserClaim: "sub", ClientClaim: "client_id", ScopesClaim: "scope", RolesClaim: "roles", NameClaim: "name", MailClaim: "email", PrincipalNameClaim: "preferred_username"},
		"entra-v2":  {UserClaim: "oid", ClientClaim: "azp", ScopesClaim: "scp", RolesClaim: "roles", NameClaim: "name", MailClaim: "email", PrincipalNameClaim: "preferred_username"},
		"entra-v1":  {UserClaim: "oid", ClientClaim: "appid", ScopesClaim: "scp", RolesClaim: "roles", NameClaim: "name", MailClaim: "email", PrincipalNameClaim: "upn"},
		"keycloak":  {UserClaim: "sub", ClientClaim: "azp", ScopesClaim: "scope", RolesClaim: "realm_access.roles", NameClaim: "name", MailClaim: "email", PrincipalNameClaim: "preferred_username"},
		"authentik": {UserClaim: "sub", ClientClaim: "azp", ScopesClaim: "scope", RolesClaim: "groups", NameClaim: "name", MailClaim: "email", PrincipalNameClaim: "preferred_username"},
		"zitadel":   {UserClaim: "sub", ClientClaim: "client_id", ScopesClaim: zitadelRoles, RolesClaim: zitadelRoles, NameClaim: "name", MailClaim: "email", PrincipalNameClaim: "preferred_username"},
	}
}

// externalAlgorithms are those that an issuer may be configured with: none that
// needs a shared secret, and never "none".
func externalAlgorithms() []string {
	return []string{"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"}
}

// CheckExternals says what is wrong with the configuration of external issuers. It
// asks nobody and touches no files.
func CheckExternals(all []External) error {
	if len(all) > maxExternals {
		return fmt.Errorf("there are %d issuers, and %d are the most", len(all), maxExternals)
	}
	seen := map[string]bool{}
	for i, x := range all {
		if err := x.complete().check(); err != nil {
			return fmt.Errorf("issuer %d: %w", i+1, err)
		}
		if seen[x.Issuer] {
			return fmt.Errorf("issuer %d: %s is there twice", i+1, x.Issuer)
		}
		seen[x.Issuer] = true
	}
	return nil
}

// complete gives x the defaults.
func (x External) complete() External {
	preset := presets()[x.Preset]
	for _, claim := range []struct {
		to   *string
		from string
	}{
		{&x.UserClaim, preset.UserClaim}, {&x.ClientClaim, preset.ClientClaim}, {&x.ScopesClaim, preset.ScopesClaim}, {&x.RolesClaim, preset.RolesClaim},
		{&x.NameClaim, preset.NameClaim}, {&x.MailClaim, preset.MailClaim}, {&x.PrincipalNameClaim, preset.PrincipalNameClaim},
	} {
		if *claim.to == "" {
			*claim.to = claim.from
		}
	}
	if len(x.Algorithms) == 0 {
		x.Algorithms = []string{string(jose.RS256)}
	}
	if u, err := url.Parse(x.Issuer); err == nil && x.Name == "" {
		x.Name = u.Host
	}
	return x
}

func (x External) check() error {
	texts := []string{
		x.Name, x.Issuer, x.UserClaim, x.ClientClaim, x.ScopesClaim, x.RolesClaim, x.NameClaim, x.MailClaim, x.PrincipalNameClaim,
		x.PermissionPrefix, x.JWKSURI, x.ClientID, x.ClientSecret,
	}
	for name := range x.Permissions {
		texts = append(texts, name)
	}
	texts = slices.Concat(texts, x.Audiences, x.Algorithms)
	_, known := presets()[x.Preset]
	switch {
	case x.Issuer == "":
		return errors.New(`the member "issuer" is missing: it is the claim iss of the tokens, such as https://login.example.org/realms/main`)
	case slices.ContainsFunc(texts, func(s string) bool { return len(s) > maxExternalText || strings.ContainsFunc(s, isControl) }):
		return fmt.Errorf("a text has more than %d bytes, or characters that are not to be seen", maxExternalText)
	case len(x.Audiences) > maxExternalList || len(x.Permissions) > maxExternalList:
		return fmt.Errorf("a list has more than %d members", maxExternalList)
	case !known:
		return fmt.Errorf("the preset %.80q is none of entra-v2, entra-v1, keycloak, authentik and zitadel", x.Preset)
	}
	if err := x.checkURL("issuer", x.Issuer); err != nil {
		return err
	}
	if x.JWKSURI != "" {
		if err := x.checkURL("jwksUri", x.JWKSURI); err != nil {
			return err
		}
	}
	if err := x.checkTrust(); err != nil {
		return err
	}
	switch {
	case x.ClientID == "" && (x.ClientSecret != "" || x.ClientSecretFile != ""):
		return errors.New(`a client secret needs the "clientId" of this server at the issuer`)
	case x.ClientSecret != "" && x.ClientSecretFile != "":
		return errors.New(`either "clientSecret" or "clientSecretFile" is enough`)
	}
	return nil
}

func isControl(r rune) bool { return r < ' ' || r == 0x7f }

// checkTrust checks the members that decide which tokens are taken.
func (x External) checkTrust() error {
	if len(x.Audiences) == 0 && x.ClientID == "" {
		return errors.New(`the member "audiences" is missing: it names this API at the issuer, such as api://todo`)
	}
	for _, aud := range x.Audiences {
		if aud == "" || (audience{aud}).isGraph() {
			return fmt.Errorf("the audience %q cannot be an external issuer's: name the API that is registered there, such as api://todo", aud)
		}
	}
	for _, algorithm := range x.Algorithms {
		if !slices.Contains(externalAlgorithms(), algorithm) {
			return fmt.Errorf("the algorithm %.80q is none of %s", algorithm, strings.Join(externalAlgorithms(), ", "))
		}
	}
	for name, permission := range x.Permissions {
		if !slices.Contains(knownScopes(), permission) && !slices.Contains(knownRoles(), permission) {
			return fmt.Errorf("the permission %.80q of %q is not known: use Graph's names, such as Tasks.ReadWrite", permission, name)
		}
	}
	return nil
}

// checkURL wants https and no private address, as far as the text tells.
func (x External) checkURL(member, text string) error {
	u, err := url.Parse(text)
	if err != nil || u.Hostname() == "" || u.User != nil || u.Opaque != "" || u.RawQuery != "" && member == "issuer" || strings.Contains(text, "#") {
		return fmt.Errorf("the %s %.200q is no URL such as https://login.example.org/realms/main", member, text)
	}
	if u.Scheme != "https" && !(u.Scheme == "http" && x.AllowPrivateAddress && isLoopbackHost(u.Host) && strings.HasPrefix(x.Issuer, "http:")) {
		return fmt.Errorf("the %s %.200q must be https", member, text)
	}
	addr, err := netip.ParseAddr(u.Hostname())
	private := err == nil && ssrf.New(ssrf.WithAnyPort()).SafeAddr(addr.Unmap()) != nil || isLoopbackHost(u.Host)
	if private && !x.AllowPrivateAddress {
		return fmt.Errorf(`the %s %.200q is at a private address, which "allowPrivateAddress" would allow`, member, text)
	}
	return nil
}
