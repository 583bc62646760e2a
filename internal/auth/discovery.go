package auth

import (
	"net/http"
	"net/url"
	"strings"

	"github.com/go-jose/go-jose/v4"
)

// open lets scripts of every origin read an answer that holds no secret.
func (c *call) open() { c.w.Header().Set("Access-Control-Allow-Origin", "*") }

// instance is what libraries ask Entra's own cloud, and here only where they are
// told to: whether a host is an authority.
func (i *Issuer) instance(c *call) error {
	c.open()
	if err := c.method(http.MethodGet, http.MethodHead); err != nil {
		return err
	}
	_, host, _ := strings.Cut(c.base, "://")
	asked, err := url.Parse(c.URL.Query().Get("authorization_endpoint"))
	if err != nil || !strings.EqualFold(asked.Host, host) {
		return errorf(400, "invalid_instance", 50049, "Unknown or invalid instance.")
	}
	tenant, _, _ := strings.Cut(strings.TrimPrefix(asked.Path, "/"), "/")
	if !i.isTenant(tenant, c.base) {
		return errorf(400, "invalid_request", 90002, "Tenant '%s' not found.", clip(tenant))
	}
	c.json(http.StatusOK, map[string]any{
		"tenant_discovery_endpoint": c.base + "/" + tenant + "/v2.0/.well-known/openid-configuration",
		"api-version":               "1.1",
		"metadata":                  []any{map[string]any{"preferred_network": host, "preferred_cache": host, "aliases": []string{host}}},
	})
	return nil
}

// discovery is the document of OpenID Connect Discovery. Its endpoints keep the
// tenant that was asked for, as Entra's do; the issuer is always the tenant's id.
func (i *Issuer) discovery(c *call) error {
	c.open()
	if err := c.method(http.MethodGet, http.MethodHead); err != nil {
		return err
	}
	_, host, _ := strings.Cut(c.base, "://")
	at := c.base + "/" + c.tenant
	c.json(http.StatusOK, map[string]any{
		"issuer":                                           c.issuer(),
		"authorization_endpoint":                           at + "/oauth2/v2.0/authorize",
		"token_endpoint":                                   at + "/oauth2/v2.0/token",
		"device_authorization_endpoint":                    at + "/oauth2/v2.0/devicecode",
		"jwks_uri":                                         at + "/discovery/v2.0/keys",
		"userinfo_endpoint":                                at + "/openid/userinfo",
		"end_session_endpoint":                             at + "/oauth2/v2.0/logout",
		"revocation_endpoint":                              at + "/oauth2/v2.0/revoke",
		"introspection_endpoint":                           at + "/oauth2/v2.0/introspect",
		"response_types_supported":                         []string{"code"},
		"response_modes_supported":                         []string{"query", "fragment", "form_post"},
		"grant_types_supported":                            []string{"authorization_code", "refresh_token", "client_credentials", deviceGrant},
		"subject_types_supported":                          []string{"public"},
		"scopes_supported":                                 oidcScopes(),
		"claims_supported":                                 []string{"sub", "iss", "aud", "exp", "iat", "nbf", "auth_time", "amr", "nonce", "oid", "tid", "preferred_username", "name", "email", "sid", "ver"},
		"code_challenge_methods_supported":                 []string{"S256"},
		"id_token_signing_alg_values_supported":            i.Keys.algorithms(c.now),
		"token_endpoint_auth_methods_supported":            []string{"client_secret_post", "client_secret_basic", "private_key_jwt", "none"},
		"token_endpoint_auth_signing_alg_values_supported": []string{"PS256", "RS256"},
		"authorization_response_iss_parameter_supported":   true,
		"request_parameter_supported":                      false,
		"request_uri_parameter_supported":                  false,
		"tenant_region_scope":                              nil,
		"cloud_instance_name":                              host,
		"cloud_graph_host_name":                            host,
		"msgraph_host":                                     host,
	})
	return nil
}

// publicKeys are those that verify, and those that will the tokens.
func (i *Issuer) publicKeys(c *call) error {
	c.open()
	if err := c.method(http.MethodGet, http.MethodHead); err != nil {
		return err
	}
	c.w.Header().Del("Pragma")
	c.w.Header().Set("Cache-Control", "public, max-age=3600")
	var set jose.JSONWebKeySet
	for _, key := range i.Keys.published(c.now) {
		set.Keys = append(set.Keys, key.jwk.Public())
	}
	c.json(http.StatusOK, set)
	return nil
}
