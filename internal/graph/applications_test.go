package graph_test

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math/big"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/duly-todo/duly"
)

const appsURL = "/v1.0/applications"

// newRegistrar is a server, and a world whose token is that of an application
// that may register others.
func newRegistrar(t *testing.T) (w *world, own string) {
	t.Helper()
	w = newWorld(t, "", duly.User{})
	app, err := w.server.AddApp(t.Context(), duly.App{Name: "Registrar", Kind: "daemon", Roles: []string{"Application.ReadWrite.All"}})
	if err != nil {
		t.Fatal(err)
	}
	secret, err := w.server.AddSecret(t.Context(), app.ID, time.Hour, -1)
	if err != nil {
		t.Fatal(err)
	}
	token, problem := tokenFor(t, w, app.ID, secret)
	if problem != "" {
		t.Fatal(problem)
	}
	w.token = token
	return w, app.ID
}

// tokenFor has an application prove who it is by a secret.
func tokenFor(t *testing.T, w *world, id, secret string) (token, problem string) {
	t.Helper()
	form := url.Values{"grant_type": {"client_credentials"}, "client_id": {id}, "client_secret": {secret}, "scope": {"https://graph.microsoft.com/.default"}}
	r := httptest.NewRequestWithContext(t.Context(), "POST", "http://localhost/"+w.server.TenantID()+"/oauth2/v2.0/token", strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	rec := httptest.NewRecorder()
	w.server.ServeHTTP(rec, r)
	answer := w.read(rec)
	return answer.text("access_token"), answer.text("error_description")
}

// newDER is a certificate that is good for a time.
func newDER(t *testing.T, bits int, good time.Duration) string {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, bits)
	if err != nil {
		t.Fatal(err)
	}
	begin := time.Date(2026, time.September, 1, 0, 0, 0, 0, time.UTC)
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "sync"}, NotBefore: begin, NotAfter: begin.Add(good)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	return base64.StdEncoding.EncodeToString(der)
}

const daemonBody = `{"displayName": "Nightly sync", "requiredResourceAccess": [{"resourceAppId": "00000003-0000-0000-c000-000000000000",
	"resourceAccess": [{"id": "f10e1f91-74ed-437f-a6fd-d6ae88e26c1f", "type": "Role"}]}]}`

// An application that is registered over HTTP gets tokens by its secrets, until
// they or it are removed.
func TestApplications(t *testing.T) {
	t.Parallel()
	w, own := newRegistrar(t)
	made := w.must("app", "POST", appsURL, json.RawMessage(daemonBody))
	if made.Status != 201 || made.text("appId") != made.text("id") || made.text("displayName") != "Nightly sync" || made.text("signInAudience") != "AzureADMyOrg" {
		t.Errorf("made %s", made.raw)
	}
	at := appsURL + "/{app}"
	password := func(body string) (id, secret string) {
		t.Helper()
		r := w.must("", "POST", at+"/addPassword", json.RawMessage(body))
		if r.Status != 200 || !strings.HasPrefix(r.text("secretText"), "dulycs_") || !strings.HasSuffix(r.text("secretText"), r.text("hint")) {
			t.Fatalf("%d %s", r.Status, r.raw)
		}
		return r.text("keyId"), r.text("secretText")
	}
	first, secret := password(`{"passwordCredential": {"displayName": "laptop", "endDateTime": "2027-01-01T00:00:00Z"}}`)
	_, second := password(`{}`)
	token, problem := tokenFor(t, w, w.ids["app"], secret)
	if problem != "" {
		t.Fatal(problem)
	}
	reader := *w
	reader.token = token
	if r := reader.send(call{Method: "GET", URL: "/v1.0/users/{user}/todo/lists"}); r.Status != 200 {
		t.Errorf("the new application reads lists: %d %s", r.Status, r.raw)
	}
	if r := reader.send(call{Method: "GET", URL: appsURL}); r.Status != 403 || r.text("error", "code") != "Authorization_RequestDenied" {
		t.Errorf("the new application reads applications: %d %s", r.Status, r.raw)
	}
	shown := w.get(at).raw
	for _, want := range []string{`"displayName":"laptop","endDateTime":"2027-01-01T00:00:00Z"`, `"secretText":null`, first, `"resourceAccess":[{"id":"f10e1f91-74ed-437f-a6fd-d6ae88e26c1f","type":"Role"}]`} {
		if !strings.Contains(shown, want) {
			t.Errorf("there is no %s in %s", want, shown)
		}
	}
	if strings.Contains(shown, secret[10:]) {
		t.Error("a secret is shown again")
	}
	w.must("", "POST", at+"/removePassword", map[string]string{"keyId": first})
	if _, problem := tokenFor(t, w, w.ids["app"], secret); !strings.Contains(problem, "AADSTS7000215") {
		t.Errorf("the secret that was removed: %s", problem)
	}
	if _, problem := tokenFor(t, w, w.ids["app"], second); problem != "" {
		t.Errorf("the other secret: %s", problem)
	}

	w.must("", "PATCH", at, json.RawMessage(`{"displayName": "Sync", "keyCredentials": [{"type": "AsymmetricX509Cert", "usage": "Verify", "key": "`+newDER(t, 2048, 1000*time.Hour)+`"}]}`))
	kept := w.get(at)
	keys, _ := kept.member("keyCredentials").([]any)
	if kept.text("displayName") != "Sync" || len(keys) != 1 || !strings.Contains(kept.raw, `"displayName":"CN=sync"`) || !strings.Contains(kept.raw, `"passwordCredentials":[{`) {
		t.Errorf("with a certificate: %s", kept.raw)
	}
	w.must("", "PATCH", at, map[string]any{"keyCredentials": []any{map[string]any{"keyId": (reply{Body: keys[0]}).text("keyId")}}})
	if r := w.get(at); !strings.Contains(r.raw, `"displayName":"CN=sync"`) {
		t.Errorf("the certificate that was named is gone: %s", r.raw)
	}
	w.must("", "PATCH", at, json.RawMessage(`{"keyCredentials": [], "requiredResourceAccess": []}`))
	if r := w.get(at); !strings.Contains(r.raw, `"keyCredentials":[]`) || !strings.Contains(r.raw, `"requiredResourceAccess":[]`) {
		t.Errorf("without: %s", r.raw)
	}

	spa := w.must("spa", "POST", appsURL, json.RawMessage(`{"displayName": "Page", "spa": {"redirectUris": ["https://app.example/"]}}`))
	if !strings.Contains(spa.raw, `"spa":{"redirectUris":["https://app.example/"]}`) || !strings.Contains(spa.raw, `"id":"e1fe6dd8-ba31-4d61-89e7-88639da4683d","type":"Scope"`) {
		t.Errorf("made %s", spa.raw)
	}
	w.must("", "PATCH", appsURL+"(appId='{spa}')", json.RawMessage(`{"spa": {"redirectUris": ["https://app.example/two"]}}`))
	if r := w.get(appsURL + "?$filter=appId eq '{spa}'&$select=displayName,spa&$count=true"); !strings.Contains(r.raw, `"@odata.count":1`) || !strings.Contains(r.raw, "/two") || strings.Contains(r.raw, "createdDateTime") {
		t.Errorf("found %s", r.raw)
	}
	if r := w.get(appsURL + "?$filter=web ne null and signInAudience eq 'AzureADMyOrg' and isFallbackPublicClient eq false&$count=true"); !strings.Contains(r.raw, `"@odata.count":3`) {
		t.Errorf("found %s", r.raw)
	}
	if r := w.get(appsURL + "?$orderby=displayName&$top=1"); !strings.Contains(r.raw, `"displayName":"Page"`) || r.text("@odata.nextLink") == "" {
		t.Errorf("the first page is %s", r.raw)
	}
	w.must("", "DELETE", at, nil)
	if r := reader.send(call{Method: "GET", URL: "/v1.0/users/{user}/todo/lists"}); r.Status != 401 {
		t.Errorf("the token of an application that was removed: %d", r.Status)
	}
	apps, err := w.server.Apps(t.Context())
	if err != nil || len(apps) != 2 || apps[1].ID != own {
		t.Errorf("in the end there are %v, %v", apps, err)
	}
}

// TestApplicationsRefuse sends what cannot be, which changes nothing.
func TestApplicationsRefuse(t *testing.T) {
	t.Parallel()
	w, _ := newRegistrar(t)
	w.must("daemon", "POST", appsURL, json.RawMessage(daemonBody))
	w.must("public", "POST", appsURL, json.RawMessage(`{"displayName": "CLI", "isFallbackPublicClient": true, "publicClient": {"redirectUris": ["http://localhost"]}}`))
	before := w.get(appsURL).raw
	access := func(resource, id, kind string) string {
		return fmt.Sprintf(`{"displayName": "x", "requiredResourceAccess": [{"resourceAppId": %q, "resourceAccess": [{"id": %q, "type": %q}]}]}`, resource, id, kind)
	}
	key := func(kind, usage, key string) string {
		return fmt.Sprintf(`{"displayName": "x", "keyCredentials": [{"type": %q, "usage": %q, "key": %q}]}`, kind, usage, key)
	}
	const graphID, none = "00000003-0000-0000-c000-000000000000", "00000000-0000-4000-8000-000000000000"
	daemon, public := appsURL+"/{daemon}", appsURL+"/{public}"
	for _, tt := range []struct {
		name, method, url, body string
		status                  int
		mentions                string
	}{
		{"no body", "POST", appsURL, ``, 400, ""},
		{"no object", "POST", appsURL, `[]`, 400, "microsoft.graph.application"},
		{"no name", "POST", appsURL, `{}`, 400, "needs a name"},
		{"long name", "POST", appsURL, `{"displayName": "` + strings.Repeat("x", 121) + `"}`, 400, "120"},
		{"name that is no text", "POST", appsURL, `{"displayName": 1}`, 400, "Edm.String"},
		{"two platforms", "POST", appsURL, `{"displayName": "x", "web": {"redirectUris": ["https://a.example/"]}, "spa": {"redirectUris": ["https://a.example/"]}}`, 400, "one of"},
		{"redirect URI with a wildcard", "POST", appsURL, `{"displayName": "x", "web": {"redirectUris": ["https://*.example/"]}}`, 400, ""},
		{"redirect URI in clear", "POST", appsURL, `{"displayName": "x", "web": {"redirectUris": ["http://a.example/"]}}`, 400, ""},
		{"redirect URI with a fragment", "POST", appsURL, `{"displayName": "x", "spa": {"redirectUris": ["https://a.example/#x"]}}`, 400, ""},
		{"javascript", "POST", appsURL, `{"displayName": "x", "spa": {"redirectUris": ["javascript:alert(1)"]}}`, 400, ""},
		{"redirect URIs that are no list", "POST", appsURL, `{"displayName": "x", "web": {"redirectUris": "https://a.example/"}}`, 400, "Collection"},
		{"another audience", "POST", appsURL, `{"displayName": "x", "signInAudience": "AzureADMultipleOrgs"}`, 400, "signInAudience"},
		{"its own secret", "POST", appsURL, `{"displayName": "x", "passwordCredentials": [{"secretText": "letmein"}]}`, 400, "addPassword"},
		{"another API", "POST", appsURL, access(none, "f10e1f91-74ed-437f-a6fd-d6ae88e26c1f", "Role"), 400, "resourceAppId"},
		{"unknown permission", "POST", appsURL, access(graphID, none, "Role"), 400, "no permission"},
		{"role as a scope", "POST", appsURL, access(graphID, "f10e1f91-74ed-437f-a6fd-d6ae88e26c1f", "Scope"), 400, "no permission"},
		{"scope of a daemon", "POST", appsURL, access(graphID, "f45671fb-e0fe-4b4b-be20-3d3ce43f1bcb", "Scope"), 400, "daemon"},
		{"role of a public client", "PATCH", public, access(graphID, "f10e1f91-74ed-437f-a6fd-d6ae88e26c1f", "Role"), 400, "keeps a secret"},
		{"no certificate", "POST", appsURL, key("AsymmetricX509Cert", "Verify", "c21pbGU="), 400, "certificate"},
		{"certificate that is no base64", "POST", appsURL, key("AsymmetricX509Cert", "Verify", "*"), 400, "base64"},
		{"symmetric key", "POST", appsURL, key("Symmetric", "Verify", "c21pbGU="), 400, "AsymmetricX509Cert"},
		{"short key", "POST", appsURL, key("AsymmetricX509Cert", "Verify", newDER(t, 1024, 1000*time.Hour)), 400, "2048"},
		{"expired certificate", "POST", appsURL, key("AsymmetricX509Cert", "Verify", newDER(t, 2048, time.Hour)), 400, "expired"},
		{"certificate that is not there", "PATCH", daemon, `{"keyCredentials": [{"keyId": "` + none + `"}]}`, 400, "keyId"},
		{"certificate of a public client", "PATCH", public, key("AsymmetricX509Cert", "Verify", newDER(t, 2048, 1000*time.Hour)), 400, "public client"},
		{"another kind", "PATCH", daemon, `{"spa": {"redirectUris": ["https://a.example/"]}}`, 400, "kind"},
		{"secret of a public client", "POST", public + "/addPassword", `{}`, 400, "public client"},
		{"secret from later on", "POST", daemon + "/addPassword", `{"passwordCredential": {"startDateTime": "2026-12-01T00:00:00Z"}}`, 400, "startDateTime"},
		{"secret that has ended", "POST", daemon + "/addPassword", `{"passwordCredential": {"endDateTime": "2026-01-01T00:00:00Z"}}`, 400, "end later"},
		{"secret for ever", "POST", daemon + "/addPassword", `{"passwordCredential": {"endDateTime": "2126-01-01T00:00:00Z"}}`, 400, "17568 hours"},
		{"secret with a long name", "POST", daemon + "/addPassword", `{"passwordCredential": {"displayName": "` + strings.Repeat("x", 121) + `"}}`, 400, "displayName"},
		{"no secret to remove", "POST", daemon + "/removePassword", `{}`, 400, "keyId"},
		{"secret that is not there", "POST", daemon + "/removePassword", `{"keyId": "` + none + `"}`, 400, "keyId"},
		{"no such application", "GET", appsURL + "/" + none, ``, 404, none},
		{"change of none", "PATCH", appsURL + "/" + none, `{}`, 404, none},
		{"secret of none", "POST", appsURL + "/" + none + "/addPassword", `{}`, 404, none},
		{"removal of none", "DELETE", appsURL + "/" + none, ``, 404, none},
		{"id that is none", "GET", appsURL + "/x", ``, 404, "'x'"},
		{"collection as a whole", "DELETE", appsURL, ``, 405, ""},
		{"option that is not known", "GET", appsURL + "?$filter=secret eq 'x'", ``, 400, "secret"},
	} {
		r := w.send(call{Method: tt.method, URL: tt.url, Body: json.RawMessage(tt.body)})
		if r.Status != tt.status || !strings.Contains(r.text("error", "message"), tt.mentions) || r.text("error", "code") == "" {
			t.Errorf("%s: %d %s, want %d and %q", tt.name, r.Status, r.raw, tt.status, tt.mentions)
		}
	}
	if after := w.get(appsURL).raw; after != before {
		t.Errorf("there was %s and is %s", before, after)
	}
	for range 20 {
		w.send(call{Method: "POST", URL: daemon + "/addPassword", Body: json.RawMessage(`{}`)})
	}
	if r := w.send(call{Method: "POST", URL: daemon + "/addPassword", Body: json.RawMessage(`{}`)}); r.Status != 400 || !strings.Contains(r.raw, "20 credentials") {
		t.Errorf("too many secrets: %d %s", r.Status, r.raw)
	}
	user := *w
	user.token = ""
	if r := user.send(call{Method: "GET", URL: appsURL}); r.Status != 403 {
		t.Errorf("a user reads applications: %d", r.Status)
	}
}
