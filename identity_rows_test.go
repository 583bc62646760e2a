package duly_test

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"math/big"
	"net/url"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
)

// A row is a bad input, and what it has to be answered. Rows are named for the
// lists that they come from; a + marks a neighbour.
type row struct {
	id, name string
	do       func(r *realm) *answer
	want     func(t *testing.T, r *realm, a *answer)
}

func runRows(t *testing.T, rows []row) {
	t.Parallel()
	for _, row := range rows {
		t.Run(row.id+" "+row.name, func(t *testing.T) {
			t.Parallel()
			r := newRealm(t)
			row.want(t, r, row.do(r))
		})
	}
	checkRowCount(t, len(rows))
}

// checkRowCount compares the rows of a test with what docs/identity.md says of it.
func checkRowCount(t *testing.T, rows int) {
	t.Helper()
	text, err := os.ReadFile("docs/identity.md")
	if err != nil {
		t.Fatal(err)
	}
	if line := fmt.Sprintf("| `%s` | %d |", t.Name(), rows); !strings.Contains(string(text), line) {
		t.Errorf("docs/identity.md has no line that ends in %q", line)
	}
}

// TestRowSum adds up the rows that docs/identity.md counts.
func TestRowSum(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("docs/identity.md")
	if err != nil {
		t.Fatal(err)
	}
	sum, counted := 0, regexp.MustCompile("(?m)^\\| .* \\| `Test\\w+` \\| (\\d+) \\|$").FindAllStringSubmatch(string(text), -1)
	for _, line := range counted {
		n, err := strconv.Atoi(line[1])
		if err != nil {
			t.Fatal(err)
		}
		sum += n
	}
	if want := fmt.Sprintf("**%d rows**", sum); len(counted) < 8 || !strings.Contains(string(text), want) {
		t.Errorf("docs/identity.md does not say %s of %d groups", want, len(counted))
	}
}

type expect = func(t *testing.T, r *realm, a *answer)

func all(wants ...expect) expect {
	return func(t *testing.T, r *realm, a *answer) {
		for _, want := range wants {
			want(t, r, a)
		}
	}
}

// answers expects a status and nothing that leads elsewhere.
func answers(status int) expect {
	return func(t *testing.T, _ *realm, a *answer) {
		t.Helper()
		if a.status != status || a.header.Get("Location") != "" {
			t.Errorf("got %d to %q, want %d: %s", a.status, a.header.Get("Location"), status, a.body)
		}
	}
}

// sent expects a good answer at the redirect URI.
func sent(to string) expect {
	return func(t *testing.T, r *realm, a *answer) {
		t.Helper()
		if a.status != 302 || !strings.HasPrefix(a.header.Get("Location"), to+"?") {
			t.Fatalf("got %d to %q: %s", a.status, a.header.Get("Location"), a.body)
		}
		r.codeOf(a)
		for name, want := range map[string]string{"Referrer-Policy": "no-referrer", "Cache-Control": "no-store"} {
			if got := a.header.Get(name); got != want {
				t.Errorf("%s is %q", name, got)
			}
		}
	}
}

// page expects an error for people that leads nowhere.
func page(status, number int, words string) expect {
	return func(t *testing.T, _ *realm, a *answer) {
		t.Helper()
		if a.status != status || a.header.Get("Location") != "" || !strings.HasPrefix(a.header.Get("Content-Type"), "text/html") {
			t.Fatalf("got %d %s to %q, want a page of %d: %s", a.status, a.header.Get("Content-Type"), a.header.Get("Location"), status, a.body)
		}
		for _, want := range []string{fmt.Sprintf("AADSTS%d ", number), words} {
			if !strings.Contains(a.body, want) {
				t.Errorf("the page lacks %q: %s", want, a.body)
			}
		}
	}
}

// returned expects an error at the web application's redirect URI.
func returned(code string, number int, words string) expect {
	return func(t *testing.T, _ *realm, a *answer) {
		t.Helper()
		u, err := url.Parse(a.header.Get("Location"))
		if err != nil || a.status != 302 || !strings.HasPrefix(u.String(), callback+"?") {
			t.Fatalf("got %d to %q: %s", a.status, u, a.body)
		}
		q := u.Query()
		if q.Get("error") != code || !strings.HasPrefix(q.Get("error_description"), fmt.Sprintf("AADSTS%d: %s", number, words)) || q.Get("state") != "st&te" || q.Has("code") {
			t.Errorf("got %v, want %s AADSTS%d: %s", q, code, number, words)
		}
	}
}

// refused expects an error of the token endpoint and its neighbours.
func refused(status int, code string, number int, words string) expect {
	return func(t *testing.T, _ *realm, a *answer) {
		t.Helper()
		if a.status != status || a.text("error") != code || !strings.Contains(a.body, fmt.Sprintf(`"error_codes":[%d],`, number)) || !strings.HasPrefix(a.text("error_description"), fmt.Sprintf("AADSTS%d: %s", number, words)) {
			t.Fatalf("got %d %s, want %d %s AADSTS%d: %s", a.status, a.body, status, code, number, words)
		}
		if !regexp.MustCompile(`^\d{4}-\d\d-\d\d \d\d:\d\d:\d\dZ$`).MatchString(a.text("timestamp")) || len(a.text("trace_id")) != 36 || len(a.text("correlation_id")) != 36 || len(a.json) != 6 {
			t.Errorf("the form is wrong: %s", a.body)
		}
		if got := a.header.Get("Cache-Control"); got != "no-store" {
			t.Errorf("Cache-Control is %q", got)
		}
	}
}

func header(name, prefix string) expect {
	return func(t *testing.T, _ *realm, a *answer) {
		t.Helper()
		if got := a.header.Get(name); prefix == "" && got != "" || !strings.HasPrefix(got, prefix) {
			t.Errorf("%s is %q, want %q", name, got, prefix)
		}
	}
}

const noRedirect = "The redirect URI in the request is not one of those that the application"

func TestRowsAuthorize(t *testing.T) {
	ask := func(pairs ...string) func(*realm) *answer {
		return func(r *realm) *answer { return r.browser().get(r.authorizePath(pairs...)) }
	}
	asNative := func(uri string, pairs ...string) func(*realm) *answer {
		return func(r *realm) *answer {
			pairs := append([]string{"client_id", r.native.ID, "redirect_uri", uri}, pairs...)
			return r.consented("client_id", r.native.ID, "redirect_uri", "http://localhost").get(r.authorizePath(pairs...))
		}
	}
	toNative := func(uri string) func(*realm) *answer {
		return func(r *realm) *answer {
			return r.browser().get(r.authorizePath("client_id", r.native.ID, "redirect_uri", uri))
		}
	}
	with := func(suffix string) func(*realm) *answer {
		return func(r *realm) *answer { return r.browser().get(r.authorizePath() + suffix) }
	}
	strange := page(400, 50011, noRedirect)
	runRows(t, []row{
		{"F118", "control", func(r *realm) *answer { return r.consented().get(r.authorizePath()) }, sent(callback)},
		{"F118+", "by POST", func(r *realm) *answer {
			path, form, _ := strings.Cut(r.authorizePath(), "?")
			return r.consented().send("POST", path, form, "Content-Type", "application/x-www-form-urlencoded")
		}, func(t *testing.T, r *realm, a *answer) {
			if a.status != 303 {
				t.Errorf("got %d", a.status)
			}
			r.codeOf(a)
		}},
		{"F118+", "by HEAD, which must give no code", func(r *realm) *answer { return r.consented().send("HEAD", r.authorizePath(), "") }, answers(405)},
		{"F119+", "no client_id", ask("client_id", "-"), page(400, 900144, "The request must contain the parameter &#39;client_id&#39;.")},
		{"F120+", "unknown client_id", ask("client_id", "11111111-1111-4111-8111-111111111111"), page(400, 700016, "Application with identifier")},
		{"F120+", "unknown tenant", func(r *realm) *answer {
			return r.browser().get(strings.Replace(r.authorizePath(), r.tenant, "11111111-1111-4111-8111-111111111111", 1))
		}, page(400, 90002, "Tenant &#39;11111111-1111-4111-8111-111111111111&#39; not found.")},
		{"F121", "no redirect_uri", ask("redirect_uri", "-"), strange},
		{"F122", "redirect_uri of another client", ask("redirect_uri", "https://other.example/cb"), strange},
		{"F123", "registered URI plus a path", ask("redirect_uri", callback+"/more"), strange},
		{"F123+", "registered URI without its path", ask("redirect_uri", "https://app.example"), strange},
		{"F124", "registered URI plus a query", ask("redirect_uri", callback+"?a=b"), strange},
		{"F125", "registered URI with /../", ask("redirect_uri", "https://app.example/x/../cb"), strange},
		{"F125+", "registered URI with %2e", ask("redirect_uri", "https://app.example/%2e/cb"), strange},
		{"F126", "registered host in upper case", ask("redirect_uri", "https://APP.example/cb"), strange},
		{"F126+", "another port", ask("redirect_uri", "https://app.example:444/cb"), strange},
		{"F129", "registered URI with a fragment", ask("redirect_uri", callback+"#x"), strange},
		{"F129+", "registered URI with an empty fragment", ask("redirect_uri", callback+"#"), strange},
		{"F130", "http for https", ask("redirect_uri", "http://app.example/cb"), strange},
		{"F131", "javascript:", ask("redirect_uri", "javascript:alert(1)"), strange},
		{"F131+", "data:", ask("redirect_uri", "data:text/html,x"), strange},
		{"F132", "control: loopback with any port", asNative("http://localhost:49152"), sent("http://localhost:49152")},
		{"F132+", "control: loopback with any port and a slash", asNative("http://localhost:49152/"), sent("http://localhost:49152/")},
		{"F132+", "control: IPv6", asNative("http://[::1]:49152"), sent("http://[::1]:49152")},
		{"F132+", "control: registered path", asNative("http://127.0.0.1:49152/done"), sent("http://127.0.0.1:49152/done")},
		{"F133+", "loopback by https", toNative("https://localhost:49152"), strange},
		{"F134", "loopback with a path that is not registered", toNative("http://localhost:49152/evil"), strange},
		{"F134+", "loopback with a query", toNative("http://localhost:49152/?next=evil"), strange},
		{"F135+", "another name of loopback", toNative("http://127.0.0.2:49152/done"), strange},
		{"F136+", "a host that begins as loopback does", toNative("http://localhost.evil.example"), strange},
		{"F137", "user information", toNative("http://127.0.0.1:80@evil.example"), strange},
		{"F137+", "a backslash", toNative(`http://localhost\@evil.example`), strange},
		{"F138+", "a port that is no number", toNative("http://localhost:80evil"), strange},
		{"F140", "control: registered private-use scheme", asNative("com.example.todo:/signed-in"), sent("com.example.todo:/signed-in")},
		{"F141", "private-use scheme that is not registered", toNative("com.evil.todo:/signed-in"), strange},
		{"F143+", "no response_type", ask("response_type", "-"), returned("invalid_request", 900144, "The request must contain the parameter 'response_type'.")},
		{"F144+", "response_type token", ask("response_type", "token"), returned("unsupported_response_type", 700054, "The response_type must be 'code'.")},
		{"F145", "response_mode bogus", ask("response_mode", "bogus"), returned("invalid_request", 70007, "'bogus' is not a supported value of 'response_mode'.")},
		{"F146", "public client without code_challenge", func(r *realm) *answer {
			a := r.browser().get(r.authorizePath("client_id", r.native.ID, "redirect_uri", "com.example.todo:/signed-in", "code_challenge", "-", "code_challenge_method", "-"))
			a.header.Set("Location", strings.Replace(a.header.Get("Location"), "com.example.todo:/signed-in", callback, 1))
			return a
		}, returned("invalid_request", 9002325, "Proof Key for Code Exchange is required for public clients.")},
		{"F147", "code_challenge_method plain", ask("code_challenge_method", "plain"), returned("invalid_request", 501491, "The code_challenge_method must be 'S256'.")},
		{"F148+", "no code_challenge_method, which means plain", ask("code_challenge_method", "-"), returned("invalid_request", 501491, "The code_challenge_method must be 'S256'.")},
		{"F149", "code_challenge of 10 characters", ask("code_challenge", "0123456789"), returned("invalid_request", 501491, "The code_challenge is not 43 characters of base64url.")},
		{"F149+", "code_challenge of another alphabet", ask("code_challenge", strings.Repeat("+", 43)), returned("invalid_request", 501491, "The code_challenge is not 43 characters of base64url.")},
		{"F150", "state twice", with("&state=2"), page(400, 9002012, "The parameter &#39;state&#39; is included more than once.")},
		{"F150+", "redirect_uri twice", with("&redirect_uri=https%3A%2F%2Fevil.example"), page(400, 9002012, "The parameter &#39;redirect_uri&#39; is included more than once.")},
		{"F152", "scope that does not exist", ask("scope", "openid Tasks.Destroy"), returned("invalid_scope", 70011, "The scope 'Tasks.Destroy' does not exist.")},
		{"F153+", "scope that the application is not registered with", ask("scope", "MailboxSettings.Read"), returned("invalid_scope", 650053, "The application 'Web <b>' asked for the scope 'MailboxSettings.Read'")},
		{"F154+", "scope of another API", ask("scope", "https://vault.azure.net/.default"), returned("invalid_resource", 500011, "The resource principal of the scope 'https://vault.azure.net/.default' was not found")},
		{"F155", "no scope", ask("scope", "-"), returned("invalid_request", 900144, "The request must contain the parameter 'scope'.")},
		{"F155+", "an empty scope", ask("scope", "  "), returned("invalid_request", 900144, "The request must contain the parameter 'scope'.")},
		{"F156+", "prompt none with another", ask("prompt", "none login"), returned("invalid_request", 90023, "The prompt 'none' cannot be with others.")},
		{"F157+", "max_age that is no number", ask("max_age", "x"), returned("invalid_request", 90014, "The max_age is not a number of seconds.")},
		{"F158", "request object by value", ask("request", "eyJhbGciOiJub25lIn0.e30."), returned("request_not_supported", 90023, "Request objects are not supported.")},
		{"F159", "request object by reference", ask("request_uri", "https://evil.example/request"), returned("request_uri_not_supported", 90023, "Request objects are not supported.")},
		{"F161", "the redirect carries no token and no Referer", func(r *realm) *answer { return r.consented().get(r.authorizePath()) }, all(sent(callback),
			func(t *testing.T, _ *realm, a *answer) {
				if strings.Contains(a.header.Get("Location"), "token") || a.body != "" {
					t.Errorf("%s %s", a.header.Get("Location"), a.body)
				}
			})},
	})
}

func TestRowsToken(t *testing.T) {
	form := func(pairs ...string) func(*realm) *answer {
		return func(r *realm) *answer { return r.token(r.credentialsForm(pairs...)) }
	}
	basic := func(id, secret string) string {
		return "Basic " + base64.StdEncoding.EncodeToString([]byte(id+":"+secret))
	}
	runRows(t, []row{
		{"G163", "JSON body", func(r *realm) *answer {
			return r.browser().send("POST", "/common/oauth2/v2.0/token", `{"grant_type":"client_credentials"}`, "Content-Type", "application/json")
		}, refused(400, "invalid_request", 900561, "The endpoint only accepts POST requests of the type application/x-www-form-urlencoded.")},
		{"G163+", "GET", func(r *realm) *answer { return r.browser().get("/common/oauth2/v2.0/token") },
			all(refused(405, "invalid_request", 900561, "The endpoint only accepts POST requests. Received a GET request."), header("Allow", "POST"))},
		{"G163+", "a body of 65 KiB", func(r *realm) *answer {
			return r.token(r.credentialsForm("x", strings.Repeat("x", 65<<10)))
		}, refused(400, "invalid_request", 90014, "The request body cannot be read; it may have at most 65536 bytes.")},
		{"G163+", "a body that is no form", func(r *realm) *answer {
			return r.browser().send("POST", "/common/oauth2/v2.0/token", `%zz`, "Content-Type", "application/x-www-form-urlencoded")
		}, refused(400, "invalid_request", 90014, "The request body cannot be read")},
		{"G164", "no grant_type", form("grant_type", "-"), refused(400, "invalid_request", 900144, "The request body must contain the parameter 'grant_type'.")},
		{"G165", "grant_type password", form("grant_type", "password"), refused(400, "unsupported_grant_type", 70003, "The app requested an unsupported grant type 'password'.")},
		{"G166", "grant_type implicit", form("grant_type", "implicit"), refused(400, "unsupported_grant_type", 70003, "The app requested an unsupported grant type 'implicit'.")},
		{"G167", "no client_id", form("client_id", "-"), refused(400, "invalid_request", 900144, "The request body must contain the parameter 'client_id'.")},
		{"G168", "unknown client_id", form("client_id", "11111111-1111-4111-8111-111111111111"), refused(400, "unauthorized_client", 700016, "Application with identifier '11111111-1111-4111-8111-111111111111' was not found in the directory.")},
		{"G169", "wrong client_secret", form("client_secret", "wrong"), all(refused(401, "invalid_client", 7000215, "Invalid client secret provided"), header("WWW-Authenticate", ""))},
		{"G169+", "another client's secret", func(r *realm) *answer { return r.token(r.credentialsForm("client_secret", r.webSecret)) }, refused(401, "invalid_client", 7000215, "Invalid client secret provided")},
		{"G169+", "no client_secret", form("client_secret", "-"), refused(401, "invalid_client", 7000218, "The request body must contain 'client_assertion' or 'client_secret'.")},
		{"G169+", "an expired client_secret", func(r *realm) *answer { r.pass(365 * 24 * time.Hour); return r.token(r.credentialsForm()) }, refused(401, "invalid_client", 7000215, "Invalid client secret provided")},
		{"G170", "wrong client_secret by Basic", func(r *realm) *answer {
			return r.token(r.credentialsForm("client_secret", "-"), "Authorization", basic(r.daemon.ID, "wrong"))
		}, all(refused(401, "invalid_client", 7000215, "Invalid client secret provided"), header("WWW-Authenticate", "Basic "))},
		{"G171+", "another scheme", func(r *realm) *answer { return r.token(r.credentialsForm(), "Authorization", "Bearer x") }, refused(401, "invalid_client", 7000218, "The Authorization header of a client must be Basic.")},
		{"G171+", "Basic of another client_id", func(r *realm) *answer {
			return r.token(r.credentialsForm("client_secret", "-"), "Authorization", basic(r.web.ID, r.webSecret))
		}, refused(401, "invalid_client", 7000218, "The Authorization header and the client_id do not fit together.")},
		{"G172", "client_secret in the query", func(r *realm) *answer {
			return r.browser().post("/"+r.tenant+"/oauth2/v2.0/token?client_secret="+r.daemonSecret, r.credentialsForm("client_secret", "-"))
		}, refused(400, "invalid_request", 900144, "The parameter 'client_secret' must be in the body and not in the URL.")},
		{"G173", "Basic and client_secret in the body together", func(r *realm) *answer {
			return r.token(r.credentialsForm(), "Authorization", basic(r.daemon.ID, r.daemonSecret))
		}, refused(400, "invalid_request", 9002013, "The client authenticates in more than one way.")},
		{"G174+", "a secret and an assertion", form("client_assertion", "a.b.c"), refused(400, "invalid_request", 9002013, "The client authenticates in more than one way.")},
		{"G175", "a public client sends a client_secret", func(r *realm) *answer {
			return r.token(r.nativeForm("refresh_token", "client_secret", "x"))
		}, refused(401, "invalid_client", 700025, "Client is public so neither 'client_assertion' nor 'client_secret' should be presented.")},
		{"G176", "control: a public client by Basic with an empty password", func(r *realm) *answer {
			d := r.device()
			r.decide(d.text("user_code"), "accept")
			return r.token(values("grant_type", "device_code", "device_code", d.text("device_code")), "Authorization", basic(r.native.ID, ""))
		}, answers(200)},
		{"G177", "grant_type twice", func(r *realm) *answer {
			f := r.credentialsForm()
			f.Add("grant_type", "client_credentials")
			return r.token(f)
		}, refused(400, "invalid_request", 9002012, "The parameter 'grant_type' is included more than once.")},
		{"G179", "client_credentials by a public client", func(r *realm) *answer {
			return r.token(r.nativeForm("client_credentials", "scope", graphAPI+".default"))
		}, refused(401, "invalid_client", 7000218, "A public client has no credentials of its own.")},
		{"G181", "client_credentials for another API", form("scope", "https://vault.azure.net/.default"), refused(400, "invalid_resource", 500011, "The resource principal of the scope 'https://vault.azure.net/.default' was not found in the tenant.")},
		{"G181+", "a host that begins as Graph's does", form("scope", "https://graph.microsoft.com.evil.example/.default"), refused(400, "invalid_resource", 500011, "The resource principal")},
		{"G182", "client_credentials with no scope", form("scope", "-"), refused(400, "invalid_scope", 1002012, "Client credential flows must have a scope value with /.default")},
		{"G182+", "client_credentials with a permission", form("scope", graphAPI+"Tasks.ReadWrite.All"), refused(400, "invalid_scope", 1002012, "The scope 'https://graph.microsoft.com/Tasks.ReadWrite.All' is not valid.")},
		{"G183", "client_credentials on common", func(r *realm) *answer { return r.browser().post("/common/oauth2/v2.0/token", r.credentialsForm()) }, refused(400, "invalid_request", 53003, "Application tokens need the endpoint of the tenant")},
		{"G183+", "control: client_credentials on adfs", func(r *realm) *answer { return r.browser().post("/adfs/oauth2/v2.0/token", r.credentialsForm()) }, answers(200)},
		{"G184", "Origin of nobody", func(r *realm) *answer {
			return r.token(r.nativeForm("refresh_token", "refresh_token", "x"), "Origin", "https://evil.example")
		},
			all(refused(400, "invalid_grant", 9002313, "The refresh token is not valid."), header("Access-Control-Allow-Origin", ""))},
		{"G184+", "preflight of nobody", func(r *realm) *answer {
			return r.browser().send("OPTIONS", "/common/oauth2/v2.0/token", "", "Origin", "https://evil.example")
		}, all(answers(200), header("Access-Control-Allow-Origin", ""))},
		{"G184+", "control: Origin of an SPA", func(r *realm) *answer {
			return r.browser().send("OPTIONS", "/common/oauth2/v2.0/token", "", "Origin", "https://spa.example")
		}, all(answers(200), header("Access-Control-Allow-Origin", "https://spa.example"), header("Vary", "Origin"))},
		{"G185", "token answers are no-store", form(), all(answers(200), header("Cache-Control", "no-store"), header("Pragma", "no-cache"))},
	})
}

func TestRowsCode(t *testing.T) {
	redeem := func(pairs ...string) func(*realm) *answer {
		return func(r *realm) *answer { return r.token(r.tokenForm(r.code(), pairs...)) }
	}
	spa := []string{"redirect_uri", "https://spa.example/"}
	spaForm := func(r *realm) url.Values {
		pairs := append([]string{"client_id", r.spa.ID}, spa...)
		return r.tokenForm(r.code(pairs...), append(pairs, "client_secret", "-")...)
	}
	const wrong = "The authorization code is not valid."
	const mismatch = "The code_verifier does not match the code_challenge"
	runRows(t, []row{
		{"H186", "control", redeem(), answers(200)},
		{"H187", "made-up code", func(r *realm) *answer { return r.token(r.tokenForm("made-up")) }, refused(400, "invalid_grant", 9002313, wrong)},
		{"H187+", "made-up code of the right form", func(r *realm) *answer { return r.token(r.tokenForm("dulyac_" + strings.Repeat("A", 64))) }, refused(400, "invalid_grant", 9002313, wrong)},
		{"H187+", "no code", func(r *realm) *answer { return r.token(r.tokenForm("")) }, refused(400, "invalid_grant", 9002313, wrong)},
		{"H188+", "an expired code", func(r *realm) *answer {
			code := r.code()
			r.pass(5 * time.Minute)
			return r.token(r.tokenForm(code))
		}, refused(400, "invalid_grant", 70008, "The authorization code has expired.")},
		{"H189", "code a second time", func(r *realm) *answer {
			f := r.tokenForm(r.code())
			r.token(f)
			return r.token(f)
		}, refused(400, "invalid_grant", 54005, "The authorization code was already redeemed.")},
		{"H190+", "…which ends what it had given", func(r *realm) *answer {
			f := r.tokenForm(r.code())
			first := r.token(f)
			r.token(f)
			return r.token(r.refreshForm(first.text("refresh_token")))
		}, refused(400, "invalid_grant", 9002313, "The refresh token is not valid.")},
		{"H191", "code by another client", func(r *realm) *answer {
			return r.token(r.tokenForm(r.code(), "client_id", r.other.ID, "client_secret", r.otherSecret))
		}, refused(400, "invalid_grant", 9002313, wrong)},
		{"H192", "…after which the right client can still redeem it", func(r *realm) *answer {
			code := r.code()
			r.token(r.tokenForm(code, "client_id", r.other.ID, "client_secret", r.otherSecret))
			r.token(r.tokenForm(code, "client_secret", "wrong"))
			r.token(r.tokenForm(code, "code_verifier", strings.Repeat("x", 43)))
			return r.token(r.tokenForm(code))
		}, answers(200)},
		{"H194", "another redirect_uri", redeem("redirect_uri", "http://localhost:4711"), refused(400, "invalid_grant", 500112, "The redirect_uri is not that of the authorization request.")},
		{"H195", "no redirect_uri", redeem("redirect_uri", "-"), refused(400, "invalid_grant", 500112, "The redirect_uri is not that of the authorization request.")},
		{"H196", "no code_verifier", redeem("code_verifier", "-"), refused(400, "invalid_grant", 501481, mismatch)},
		{"H197+", "another code_verifier", redeem("code_verifier", strings.Repeat("x", 43)), refused(400, "invalid_grant", 501481, mismatch)},
		{"H199", "code_verifier = the challenge", redeem("code_verifier", challenge()), refused(400, "invalid_grant", 501481, mismatch)},
		{"H200", "code_verifier of 42 characters", redeem("code_verifier", strings.Repeat("x", 42)), refused(400, "invalid_grant", 501481, mismatch)},
		{"H202", "no challenge, verifier sent", func(r *realm) *answer {
			return r.token(r.tokenForm(r.code("code_challenge", "-", "code_challenge_method", "-")))
		}, refused(400, "invalid_grant", 501481, "There is a code_verifier, and the authorization request had no code_challenge.")},
		{"H202+", "control: no challenge and an empty verifier", func(r *realm) *answer {
			return r.token(r.tokenForm(r.code("code_challenge", "-", "code_challenge_method", "-"), "code_verifier", ""))
		}, answers(200)},
		{"H203+", "control: OpenID Connect's scopes with the code only", func(r *realm) *answer {
			code := r.code("scope", graphAPI+"Tasks.ReadWrite")
			return r.token(r.tokenForm(code, "scope", graphAPI+"Tasks.ReadWrite openid offline_access profile"))
		}, all(answers(200), func(t *testing.T, _ *realm, a *answer) {
			if a.text("id_token") == "" || a.text("refresh_token") == "" || a.text("scope") != graphAPI+"Tasks.ReadWrite openid offline_access profile" {
				t.Errorf("got %s", a.body)
			}
		})},
		{"H204+", "a scope that was not granted", redeem("scope", "Tasks.Read"), refused(400, "invalid_scope", 70011, "The scope 'Tasks.Read' is more than what was granted with the code.")},
		{"H205", "an SPA's code redeemed without Origin", func(r *realm) *answer { return r.token(spaForm(r)) }, refused(400, "invalid_request", 9002327, "Tokens issued for the 'Single-Page Application' client-type may only be redeemed via cross-origin requests.")},
		{"H205+", "control: an SPA's code with Origin", func(r *realm) *answer { return r.token(spaForm(r), "Origin", "https://spa.example") }, all(answers(200), header("Access-Control-Allow-Origin", "https://spa.example"))},
		{"H206", "a native client's code redeemed cross-origin", func(r *realm) *answer {
			pairs := []string{"client_id", r.native.ID, "redirect_uri", "http://localhost:4711"}
			return r.token(r.tokenForm(r.code(pairs...), append(pairs, "client_secret", "-")...), "Origin", "https://spa.example")
		}, refused(400, "invalid_request", 9002326, "Cross-origin token redemption is permitted only for the 'Single-Page Application' client-type.")},
		{"H207", "code in the query", func(r *realm) *answer {
			f := r.tokenForm(r.code())
			path := "/common/oauth2/v2.0/token?code=" + f.Get("code")
			f.Del("code")
			return r.browser().post(path, f)
		}, refused(400, "invalid_request", 900144, "The parameter 'code' must be in the body and not in the URL.")},
	})
}

func TestRowsRefresh(t *testing.T) {
	const wrong = "The refresh token is not valid."
	after := func(rotated, d time.Duration, use func(old, next string) string) func(*realm) *answer {
		return func(r *realm) *answer {
			old := r.tokens().text("refresh_token")
			r.pass(rotated)
			next := r.token(r.refreshForm(old)).text("refresh_token")
			r.pass(d)
			return r.token(r.refreshForm(use(old, next)))
		}
	}
	oldOne := func(old, _ string) string { return old }
	nextOne := func(_, next string) string { return next }
	runRows(t, []row{
		{"I208", "control: refresh rotates", func(r *realm) *answer {
			old := r.tokens().text("refresh_token")
			a := r.token(r.refreshForm(old))
			if a.text("refresh_token") == old || a.text("refresh_token") == "" {
				r.t.Errorf("no other token: %s", a.body)
			}
			return a
		}, answers(200)},
		{"I208+", "control: the old token within the grace", after(time.Hour, 30*time.Second, oldOne), answers(200)},
		{"I208+", "control: other consented scopes", func(r *realm) *answer {
			b := r.consented("scope", allOIDC+" Tasks.ReadWrite User.Read")
			token := r.token(r.tokenForm(r.codeOf(b.get(r.authorizePath("scope", "offline_access Tasks.ReadWrite"))))).text("refresh_token")
			return r.token(r.refreshForm(token, "scope", "user.read"))
		}, all(answers(200), func(t *testing.T, _ *realm, a *answer) {
			if a.text("scope") != "user.read" || claimsOf(t, a.text("access_token"))["scp"] != "User.Read" {
				t.Errorf("got %s", a.body)
			}
		})},
		{"I208+", "control: .default", func(r *realm) *answer {
			token := r.tokens("scope", "offline_access .default").text("refresh_token")
			return r.token(r.refreshForm(token, "scope", graphAPI+"/.default"))
		}, all(answers(200), func(t *testing.T, _ *realm, a *answer) {
			if want := graphAPI + "/.default " + graphAPI + "/Tasks.Read " + graphAPI + "/Tasks.ReadWrite " + graphAPI + "/User.Read"; a.text("scope") != want {
				t.Errorf("got %s, want %s", a.text("scope"), want)
			}
		})},
		{"I209", "made-up refresh token", func(r *realm) *answer { return r.token(r.refreshForm("made-up")) }, refused(400, "invalid_grant", 9002313, wrong)},
		{"I209+", "no refresh token", func(r *realm) *answer { return r.token(r.refreshForm("-")) }, refused(400, "invalid_grant", 9002313, wrong)},
		{"I210", "another client's refresh token", func(r *realm) *answer {
			return r.token(r.refreshForm(r.tokens().text("refresh_token"), "client_id", r.other.ID, "client_secret", r.otherSecret))
		}, refused(400, "invalid_grant", 9002313, wrong)},
		{"I212", "the old token again after the grace", after(time.Hour, 31*time.Second, oldOne), refused(400, "invalid_grant", 50173, "The refresh token was used again after it was exchanged, so that its grant is revoked.")},
		{"I213", "…and then the newest token of that family", func(r *realm) *answer {
			old := r.tokens().text("refresh_token")
			next := r.token(r.refreshForm(old)).text("refresh_token")
			r.pass(31 * time.Second)
			r.token(r.refreshForm(old))
			return r.token(r.refreshForm(next))
		}, refused(400, "invalid_grant", 9002313, wrong)},
		{"I214", "expired", func(r *realm) *answer {
			token := r.tokens().text("refresh_token")
			r.pass(90 * 24 * time.Hour)
			return r.token(r.refreshForm(token))
		}, refused(400, "invalid_grant", 700082, "The refresh token has expired due to inactivity.")},
		{"I214+", "control: used within its life", after(80*24*time.Hour, 80*24*time.Hour, nextOne), answers(200)},
		{"I214+", "an SPA's token lasts a day from the sign-in", func(r *realm) *answer {
			pairs := []string{"client_id", r.spa.ID, "redirect_uri", "https://spa.example/", "client_secret", "-"}
			token := r.token(r.tokenForm(r.code(pairs[:4]...), pairs...), "Origin", "https://spa.example").text("refresh_token")
			r.pass(23 * time.Hour)
			token = r.token(r.refreshForm(token, pairs...), "Origin", "https://spa.example").text("refresh_token")
			r.pass(time.Hour)
			return r.token(r.refreshForm(token, pairs...), "Origin", "https://spa.example")
		}, refused(400, "invalid_grant", 700082, "The refresh token has expired due to inactivity.")},
		{"I215", "revoked", func(r *realm) *answer {
			token := r.tokens().text("refresh_token")
			if a := r.browser().post("/common/oauth2/v2.0/revoke", values("client_id", r.web.ID, "client_secret", r.webSecret, "token", token)); a.status != 200 {
				r.t.Errorf("revoking: %d %s", a.status, a.body)
			}
			return r.token(r.refreshForm(token))
		}, refused(400, "invalid_grant", 9002313, wrong)},
		{"I216+", "control: revoked by another client", func(r *realm) *answer {
			token := r.tokens().text("refresh_token")
			r.browser().post("/common/oauth2/v2.0/revoke", values("client_id", r.other.ID, "client_secret", r.otherSecret, "token", token))
			return r.token(r.refreshForm(token))
		}, answers(200)},
		{"I217", "a scope nobody consented to", func(r *realm) *answer {
			return r.token(r.refreshForm(r.tokens().text("refresh_token"), "scope", "Tasks.Read"))
		}, refused(400, "invalid_grant", 65001, "The user has not consented")},
		{"I217+", "a scope that the application is not registered with", func(r *realm) *answer {
			return r.token(r.refreshForm(r.tokens().text("refresh_token"), "scope", "MailboxSettings.Read"))
		}, refused(400, "invalid_grant", 65001, "The application 'Web <b>' asked for the scope 'MailboxSettings.Read'")},
		{"I218", "an access token as refresh token", func(r *realm) *answer { return r.token(r.refreshForm(r.tokens().text("access_token"))) }, refused(400, "invalid_grant", 9002313, wrong)},
		{"I219", "no offline_access asked", func(r *realm) *answer { return r.tokens("scope", "openid Tasks.ReadWrite") }, all(answers(200), func(t *testing.T, _ *realm, a *answer) {
			if _, there := a.json["refresh_token"]; there {
				t.Errorf("got %s", a.body)
			}
		})},
	})
}

func TestRowsDevice(t *testing.T) {
	const wrong = "The device_code is not valid."
	runRows(t, []row{
		{"J224+", "a device code for a daemon", func(r *realm) *answer {
			return r.browser().post("/common/oauth2/v2.0/devicecode", values("client_id", r.daemon.ID, "client_secret", r.daemonSecret, "scope", "openid"))
		}, refused(400, "unauthorized_client", 700016, "The application 'Daemon' is not registered for sign-in on devices.")},
		{"J224+", "a device code without scope", func(r *realm) *answer {
			return r.browser().post("/common/oauth2/v2.0/devicecode", values("client_id", r.native.ID))
		}, refused(400, "invalid_request", 900144, "The request body must contain the parameter 'scope'.")},
		{"J224+", "a hundred and one device codes from one address", func(r *realm) *answer {
			for range 100 {
				r.device()
			}
			return r.browser().post("/common/oauth2/v2.0/devicecode", values("client_id", r.native.ID, "scope", "openid"))
		}, all(refused(429, "temporarily_unavailable", 50196, "Too many device codes"), header("Retry-After", "600"))},
		{"J225", "made-up device_code", func(r *realm) *answer { return r.poll("made-up") }, refused(400, "invalid_grant", 70000, wrong)},
		{"J226", "the user_code as device_code", func(r *realm) *answer { return r.poll(r.device().text("user_code")) }, refused(400, "invalid_grant", 70000, wrong)},
		{"J227", "another client's device_code", func(r *realm) *answer {
			return r.poll(r.device().text("device_code"), "client_id", r.web.ID, "client_secret", r.webSecret)
		}, refused(400, "invalid_grant", 70000, wrong)},
		{"J228", "after 16 minutes", func(r *realm) *answer {
			d := r.device()
			r.pass(16 * time.Minute)
			return r.poll(d.text("device_code"))
		}, refused(400, "expired_token", 70020, "The device_code has expired.")},
		{"J228+", "approved after 16 minutes", func(r *realm) *answer {
			d := r.device()
			r.pass(16 * time.Minute)
			b := r.browser().signIn()
			return b.submit(b.get("/devicelogin"), "/devicelogin", "user_code", d.text("user_code"), "action", "accept")
		}, func(t *testing.T, _ *realm, a *answer) {
			if a.status != 400 || !strings.Contains(a.body, "That code is not known, or it has expired.") {
				t.Errorf("got %d %s", a.status, a.body)
			}
		}},
		{"J229", "user said no", func(r *realm) *answer {
			d := r.device()
			if a := r.decide(d.text("user_code"), "decline"); !strings.Contains(a.body, "The device was not signed in") {
				r.t.Errorf("got %s", a.body)
			}
			return r.poll(d.text("device_code"))
		}, refused(400, "authorization_declined", 70018, "The user declined the authorization request.")},
		{"J231", "the eleventh wrong user_code of one session", func(r *realm) *answer {
			code := r.device().text("user_code")
			b := r.browser().signIn()
			for n := range 10 {
				if a := b.submit(b.get("/devicelogin"), "/devicelogin", "user_code", "BBBBBBBBB"); a.status != 400 {
					r.t.Errorf("%d: %d", n, a.status)
				}
			}
			return b.submit(b.get("/devicelogin"), "/devicelogin", "user_code", code)
		}, all(page(429, 50196, "There were too many wrong codes."), header("Retry-After", "900"))},
	})
}

// A certificate is one with its key, for client assertions.
type certificate struct {
	key *rsa.PrivateKey
	der []byte
}

func newCertificate(t testing.TB) *certificate {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	must(t, key, err)
	template := &x509.Certificate{SerialNumber: big.NewInt(7), Subject: pkix.Name{CommonName: "daemon"}, NotBefore: time.Unix(0, 0), NotAfter: time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	return &certificate{key, must(t, der, err)}
}

func (c *certificate) pem() []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.der})
}

// sign makes an assertion with the header and the claims.
func (c *certificate) sign(t testing.TB, header, claims map[string]any) string {
	encode := func(v any) string {
		text, err := json.Marshal(v)
		return base64.RawURLEncoding.EncodeToString(must(t, text, err))
	}
	input := encode(header) + "." + encode(claims)
	digest := sha256.Sum256([]byte(input))
	var signature []byte
	var err error
	switch header["alg"] {
	case "RS256":
		signature, err = rsa.SignPKCS1v15(rand.Reader, c.key, crypto.SHA256, digest[:])
	case "PS256":
		signature, err = rsa.SignPSS(rand.Reader, c.key, crypto.SHA256, digest[:], &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash})
	case "none":
		signature = []byte("x")
	default:
		t.Fatalf("no alg %v", header["alg"])
	}
	return input + "." + base64.RawURLEncoding.EncodeToString(must(t, signature, err))
}

func TestRowsAssertion(t *testing.T) {
	cert, stranger := newCertificate(t), newCertificate(t)
	thumb := sha256.Sum256(cert.der)
	thumb1 := sha1.Sum(cert.der)
	type object = map[string]any
	send := func(r *realm, token string, pairs ...string) *answer {
		r.keep(token)
		return r.token(r.credentialsForm(append([]string{
			"client_secret", "-", "client_assertion", token, "client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
		}, pairs...)...))
	}
	make := func(r *realm, by *certificate, change func(header, claims object)) string {
		check(r.t, r.duly.AddCertificate(r.t.Context(), r.daemon.ID, cert.pem()))
		header := object{"alg": "PS256", "typ": "JWT", "x5t#S256": base64.StdEncoding.EncodeToString(thumb[:])}
		claims := object{
			"iss": r.daemon.ID, "sub": r.daemon.ID, "aud": r.URL + "/" + r.tenant + "/oauth2/v2.0/token", "jti": "j",
			"exp": r.time().Add(10 * time.Minute).Unix(), "nbf": r.time().Unix(),
		}
		change(header, claims)
		return by.sign(r.t, header, claims)
	}
	with := func(change func(header, claims object)) func(*realm) *answer {
		return func(r *realm) *answer { return send(r, make(r, cert, change)) }
	}
	set := func(name string, value any) func(*realm) *answer {
		return with(func(_, claims object) { claims[name] = value })
	}
	head := func(name string, value any) func(*realm) *answer {
		return with(func(header, _ object) { delete(header, "x5t#S256"); header[name] = value })
	}
	same := func(_, _ object) {}
	bad := func(number int, words string) expect { return refused(401, "invalid_client", number, words) }
	runRows(t, []row{
		{"K232", "control", with(same), answers(200)},
		{"K232+", "control: RS256", with(func(h, _ object) { h["alg"] = "RS256" }), answers(200)},
		{"K232+", "control: x5t#S256 in base64url", head("x5t#S256", base64.RawURLEncoding.EncodeToString(thumb[:])), answers(200)},
		{"K232+", "control: x5t", head("x5t", base64.RawURLEncoding.EncodeToString(thumb1[:])), answers(200)},
		{"K232+", "control: kid", head("kid", strings.ToUpper(hex.EncodeToString(thumb1[:]))), answers(200)},
		{"K232+", "control: aud is the issuer", func(r *realm) *answer { return set("aud", r.URL+"/"+r.tenant+"/v2.0")(r) }, answers(200)},
		{"K232+", "control: aud under another name of the tenant", func(r *realm) *answer { return set("aud", r.URL+"/organizations/oauth2/v2.0/token")(r) }, answers(200)},
		{"K233", "signed by a key that is not registered", func(r *realm) *answer { return send(r, make(r, stranger, same)) }, bad(700027, "The client assertion does not have a valid signature")},
		{"K233+", "names a certificate that is not registered", head("x5t#S256", "AAAA"), bad(700027, "The certificate that has signed the client assertion is not registered")},
		{"K233+", "names no certificate", with(func(h, _ object) { delete(h, "x5t#S256") }), bad(700027, "The certificate that has signed")},
		{"K233+", "brings its own key", with(func(h, _ object) {
			h["x5t#S256"] = ""
			h["x5c"] = []string{base64.StdEncoding.EncodeToString(stranger.der)}
		}), bad(700027, "The certificate that has signed")},
		{"K234", "alg none", with(func(h, _ object) { h["alg"] = "none" }), bad(700027, "The client assertion does not have a valid signature")},
		{"K234+", "alg that is not the signature's", func(r *realm) *answer {
			parts := strings.Split(make(r, cert, same), ".")
			parts[0] = strings.Split(make(r, cert, func(h, _ object) { h["alg"] = "RS256" }), ".")[0]
			return send(r, strings.Join(parts, "."))
		}, bad(700027, "The client assertion does not have a valid signature")},
		{"K234+", "unknown crit", with(func(h, _ object) { h["crit"] = []string{"x"} }), bad(700027, "The certificate that has signed")},
		{"K235", "aud of another server", set("aud", "https://login.microsoftonline.com/common/oauth2/v2.0/token"), bad(700023, "The audience of the client assertion must be the token endpoint alone.")},
		{"K236", "aud a list with ours and another's", func(r *realm) *answer {
			return set("aud", []string{r.URL + "/" + r.tenant + "/oauth2/v2.0/token", "https://evil.example"})(r)
		}, bad(700023, "The audience of the client assertion")},
		{"K237+", "no aud", with(func(_, c object) { delete(c, "aud") }), bad(700023, "The audience of the client assertion")},
		{"K238", "sub is not the client", func(r *realm) *answer { return set("sub", r.web.ID)(r) }, bad(700021, "The issuer and the subject of the client assertion must be the client id.")},
		{"K238+", "iss is not the client", func(r *realm) *answer { return set("iss", r.web.ID)(r) }, bad(700021, "The issuer and the subject")},
		{"K239", "expired", func(r *realm) *answer { return set("exp", r.time().Add(-time.Minute).Unix())(r) }, bad(700024, "The client assertion is not within its valid time range")},
		{"K239+", "no exp", with(func(_, c object) { delete(c, "exp") }), bad(700024, "The client assertion is not within its valid time range")},
		{"K240+", "not yet valid", func(r *realm) *answer { return set("nbf", r.time().Add(2*time.Minute).Unix())(r) }, bad(700024, "The client assertion is not within its valid time range")},
		{"K241+", "lives two days", func(r *realm) *answer { return set("exp", r.time().Add(48*time.Hour).Unix())(r) }, bad(700024, "The client assertion is not within its valid time range")},
		{"K242", "the same jti twice", func(r *realm) *answer {
			send(r, make(r, cert, same))
			return send(r, make(r, cert, func(_, c object) { c["x"] = 1 }))
		}, bad(50027, "The client assertion was used before.")},
		{"K243", "no jti", with(func(_, c object) { delete(c, "jti") }), bad(50027, "The client assertion has no jti.")},
		{"K244", "wrong client_assertion_type", func(r *realm) *answer {
			return send(r, make(r, cert, same), "client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:saml2-bearer")
		}, bad(50027, "The client_assertion_type must be urn:ietf:params:oauth:client-assertion-type:jwt-bearer.")},
		{"K245+", "no JWT", func(r *realm) *answer { make(r, cert, same); return send(r, "nonsense") }, bad(50027, "The client assertion is not well formed.")},
	})
}

func TestRowsOther(t *testing.T) {
	const password = "four words in a row"
	withPassword := func(r *realm) *browser {
		r.keep(password)
		check(r.t, r.duly.SetPassword(r.t.Context(), adele, password))
		return r.browser()
	}
	try := func(b *browser, name, password string) *answer {
		b.r.t.Helper()
		return b.submit(b.get("/account"), "/login", "username", name, "password", b.r.keep(password))
	}
	const stale = "The form is too old, or was not made in this browser."
	introspect := func(token string, pairs ...string) func(*realm) *answer {
		return func(r *realm) *answer {
			return r.browser().post("/common/oauth2/v2.0/introspect", values(append([]string{"client_id", r.web.ID, "client_secret", r.webSecret, "token", token}, pairs...)...))
		}
	}
	wrong := func(status int) expect {
		return func(t *testing.T, _ *realm, a *answer) {
			t.Helper()
			if a.status != status || !strings.Contains(a.body, `<p class="error" role="alert">The name or the password is not right.</p>`) {
				t.Errorf("got %d %s", a.status, a.body)
			}
		}
	}
	guessBy := func(b *browser, name string, times int) *browser {
		for n := range times {
			if a := try(b, name, fmt.Sprint("wrong guess ", n)); a.status != 401 {
				b.r.t.Errorf("guess %d: %d", n, a.status)
			}
		}
		return b
	}
	guess := func(name string) func(*realm) *answer {
		return func(r *realm) *answer { return try(guessBy(withPassword(r), name, 10), name, password) }
	}
	const tooMany = "There were too many attempts to sign in."
	runRows(t, []row{
		{"L246", "instance discovery for another host", func(r *realm) *answer {
			return r.browser().get("/common/discovery/instance?api-version=1.1&authorization_endpoint=https://login.microsoftonline.com/common/oauth2/v2.0/authorize")
		}, refused(400, "invalid_instance", 50049, "Unknown or invalid instance.")},
		{"L246+", "control: instance discovery for ours", func(r *realm) *answer {
			return r.browser().get("/common/discovery/instance?authorization_endpoint=" + r.URL + "/common/oauth2/v2.0/authorize")
		}, func(t *testing.T, r *realm, a *answer) {
			if want := r.URL + "/common/v2.0/.well-known/openid-configuration"; a.status != 200 || a.text("tenant_discovery_endpoint") != want {
				t.Errorf("got %d %s", a.status, a.body)
			}
		}},
		{"L247", "discovery with Host: evil.example", func(r *realm) *answer {
			return r.browser().get("/common/v2.0/.well-known/openid-configuration", "Host", "evil.example", "X-Forwarded-Host", "evil.example")
		}, func(t *testing.T, r *realm, a *answer) {
			if a.status != 200 || strings.Contains(a.body, "evil") || a.text("issuer") != "https://duly.invalid/"+r.tenant+"/v2.0" {
				t.Errorf("got %d %s", a.status, a.body)
			}
		}},
		{"L247+", "control: discovery keeps the tenant that was asked for", func(r *realm) *answer { return r.browser().get("/adfs/.well-known/openid-configuration") },
			func(t *testing.T, r *realm, a *answer) {
				if a.text("token_endpoint") != r.URL+"/adfs/oauth2/v2.0/token" || a.text("issuer") != r.URL+"/"+r.tenant+"/v2.0" || a.header.Get("Access-Control-Allow-Origin") != "*" {
					t.Errorf("got %d %s", a.status, a.body)
				}
			}},
		{"L247+", "discovery of another tenant", func(r *realm) *answer { return r.browser().get("/evil.example/v2.0/.well-known/openid-configuration") }, refused(400, "invalid_request", 90002, "Tenant 'evil.example' not found.")},
		{"L248", "JWKS holds no private member", func(r *realm) *answer { return r.browser().get("/common/discovery/v2.0/keys") }, func(t *testing.T, _ *realm, a *answer) {
			keys, _ := a.json["keys"].([]any)
			if a.status != 200 || len(keys) == 0 {
				t.Fatalf("got %d %s", a.status, a.body)
			}
			for _, key := range keys {
				for _, private := range []string{"d", "p", "q", "dp", "dq", "qi", "k"} {
					if _, there := key.(map[string]any)[private]; there {
						t.Errorf("a key has the member %s", private)
					}
				}
			}
		}},
		{"L250+", "POST /login by GET", func(r *realm) *answer { return r.browser().send("PUT", "/login", "") }, page(405, 900561, "The endpoint only accepts POST requests.")},
		{"L251", "POST /login without the CSRF cookie", func(r *realm) *answer {
			form := r.browser().get("/account")
			return r.browser().submit(form, "/login", "action", "development")
		}, page(400, 90014, stale)},
		{"L251+", "POST /login with another browser's CSRF token", func(r *realm) *answer {
			other, b := r.browser().get("/account"), r.browser()
			b.get("/account")
			return b.submit(other, "/login", "action", "development")
		}, page(400, 90014, stale)},
		{"L251+", "POST /login with the CSRF token of before the sign-in", func(r *realm) *answer {
			b := r.browser()
			before := b.get("/account")
			b.submit(before, "/login", "action", "development")
			return b.submit(before, "/account", "action", "sign-out-everywhere")
		}, page(400, 90014, stale)},
		{"L251+", "POST /consent without the CSRF cookie", func(r *realm) *answer {
			form := r.browser().signIn().get(r.authorizePath())
			return r.browser().submit(form, "/consent", "action", "accept")
		}, page(400, 90014, stale)},
		{"L251+", "POST /devicelogin without the CSRF token", func(r *realm) *answer {
			return r.browser().signIn().post("/devicelogin", values("user_code", r.device().text("user_code"), "action", "accept"))
		}, page(400, 90014, stale)},
		{"L252", "POST /login with continue //evil.example", func(r *realm) *answer {
			b := r.browser()
			return b.submit(b.get("/account"), "/login", "action", "development", "continue", "//evil.example")
		}, page(400, 90014, stale)},
		{"L252+", "POST /login with a path that was changed", func(r *realm) *answer {
			b := r.browser()
			form := b.get("/account")
			_, mac, _ := strings.Cut(hidden(form.body, "continue"), ".")
			return b.submit(form, "/login", "action", "development", "continue", base64.RawURLEncoding.EncodeToString([]byte("\x00\x00\x00\x00\x7f\x00\x00\x00//evil.example"))+"."+mac)
		}, page(400, 90014, stale)},
		{"L252+", "POST /login half a day later", func(r *realm) *answer {
			b := r.browser()
			form := b.get("/account")
			r.pass(12*time.Hour + time.Second)
			return b.submit(form, "/login", "action", "development")
		}, page(400, 90014, stale)},
		{"L253", "a wrong password", func(r *realm) *answer { return try(withPassword(r), adele, "wrong password") }, wrong(401)},
		{"L253", "an unknown user", func(r *realm) *answer { return try(withPassword(r), "nobody@example.org", "wrong password") }, wrong(401)},
		{"L253+", "a user without a password", func(r *realm) *answer { return try(r.browser(), adele, "") }, wrong(401)},
		{"L253+", "a password of 10 KiB", func(r *realm) *answer { return try(withPassword(r), adele, password+strings.Repeat("x", 10<<10)) }, wrong(401)},
		{"L254+", "the development user from elsewhere", func(r *realm) *answer {
			b := r.browser()
			form := b.get("/account", "Host", "todo.example.org")
			if strings.Contains(form.body, "(development)") {
				r.t.Error("the button is shown")
			}
			return b.post("/login", url.Values{"csrf": {hidden(form.body, "csrf")}, "continue": {hidden(form.body, "continue")}, "action": {"development"}},
				"Host", "todo.example.org", "Cookie", cookies(form))
		}, page(403, 50105, "Nobody is signed in without a password here.")},
		{"L255", "introspection without client authentication", introspect("x", "client_id", "-", "client_secret", "-"), refused(401, "invalid_client", 7000218, "Introspection needs the authentication of a client.")},
		{"L255+", "introspection by a public client", func(r *realm) *answer { return introspect("x", "client_id", r.native.ID, "client_secret", "-")(r) }, refused(401, "invalid_client", 7000218, "Introspection needs the authentication of a client")},
		{"L256", "introspection of nonsense", introspect("nonsense"), func(t *testing.T, _ *realm, a *answer) {
			if a.status != 200 || a.body != "{\"active\":false}\n" {
				t.Errorf("got %d %q", a.status, a.body)
			}
		}},
		{"L256+", "introspection of a revoked access token", func(r *realm) *answer {
			token := r.tokens().text("access_token")
			if a := introspect(token)(r); a.json["active"] != true || a.text("username") != adele || a.text("scope") != "Tasks.ReadWrite User.Read" {
				r.t.Errorf("before: %s", a.body)
			}
			r.browser().post("/common/oauth2/v2.0/revoke", values("client_id", r.web.ID, "client_secret", r.webSecret, "token", token))
			return introspect(token)(r)
		}, func(t *testing.T, _ *realm, a *answer) {
			if a.status != 200 || a.body != "{\"active\":false}\n" {
				t.Errorf("got %d %q", a.status, a.body)
			}
		}},
		{"L256+", "introspection of refresh tokens", func(r *realm) *answer {
			token := r.tokens().text("refresh_token")
			if a := introspect(token)(r); a.json["active"] != true {
				r.t.Errorf("one's own: %s", a.body)
			}
			return introspect(token, "client_id", r.other.ID, "client_secret", r.otherSecret)(r)
		}, func(t *testing.T, _ *realm, a *answer) {
			if a.status != 200 || a.body != "{\"active\":false}\n" {
				t.Errorf("another's: %d %q", a.status, a.body)
			}
		}},
		{"L257", "revocation of nonsense", func(r *realm) *answer {
			return r.browser().post("/common/oauth2/v2.0/revoke", values("client_id", r.native.ID, "token", "nonsense"))
		}, answers(200)},
		{"M3", "ten wrong passwords for one user", guess(adele), all(page(429, 50196, tooMany), header("Retry-After", "600"))},
		{"M3", "…the same for an unknown user", guess("nobody"), all(page(429, 50196, tooMany), header("Retry-After", "600"))},
		{"M3", "…and no lock-out of a signed-in session, nor ten minutes later", func(r *realm) *answer {
			withPassword(r)
			b := r.browser().signIn()
			guessBy(r.browser(), adele, 10)
			if a := b.get("/account"); a.status != 200 || !strings.Contains(a.body, "Signed in as") {
				r.t.Errorf("the session: %d %s", a.status, a.body)
			}
			r.pass(10 * time.Minute)
			return try(r.browser(), adele, password)
		}, func(t *testing.T, _ *realm, a *answer) {
			if a.status != 303 || a.header.Get("Location") != "/account" {
				t.Errorf("got %d %s", a.status, a.body)
			}
		}},
		{"M3", "fifty wrong passwords from one address", func(r *realm) *answer {
			b := withPassword(r)
			for n := range 50 {
				guessBy(b, fmt.Sprint("user", n), 1)
			}
			return try(b, adele, password)
		}, all(page(429, 50196, tooMany), header("Retry-After", "600"))},
		{"M8+", "on plain http the cookies have no prefix that it refuses", func(r *realm) *answer {
			b := r.browser()
			return b.submit(b.get("/account"), "/login", "action", "development")
		}, func(t *testing.T, _ *realm, a *answer) {
			for _, cookie := range a.header.Values("Set-Cookie") {
				if !strings.HasPrefix(cookie, "duly-") || !strings.HasSuffix(cookie, "; HttpOnly; SameSite=Lax") || !strings.Contains(cookie, "; Path=/;") {
					t.Errorf("cookie %s", strings.SplitN(cookie, "=", 2))
				}
			}
		}},
		{"M10", "consent is refused", func(r *realm) *answer {
			b := r.browser().signIn()
			a := b.submit(b.get(r.authorizePath()), "/consent", "action", "cancel")
			if a.status == 303 { // as after every form
				a.status = 302
			}
			return a
		}, returned("access_denied", 65004, "User declined to consent to access the app.")},
		{"M10", "consent is for each user and client", func(r *realm) *answer {
			return r.consented().get(r.authorizePath("client_id", r.other.ID, "redirect_uri", "https://other.example/cb"))
		}, func(t *testing.T, _ *realm, a *answer) {
			if a.status != 200 || !strings.Contains(a.body, "<strong>Other</strong> asks to do this") {
				t.Errorf("got %d %s", a.status, a.body)
			}
		}},
		{"M10", "consent is for each scope", func(r *realm) *answer {
			return r.consented("scope", "openid User.Read").get(r.authorizePath())
		}, func(t *testing.T, _ *realm, a *answer) {
			if a.status != 200 || !strings.Contains(a.body, "Read, add, change and delete your task lists and tasks") {
				t.Errorf("got %d %s", a.status, a.body)
			}
		}},
	})
}

func cookies(a *answer) string {
	var pairs []string
	for _, line := range a.header.Values("Set-Cookie") {
		pair, _, _ := strings.Cut(line, ";")
		pairs = append(pairs, pair)
	}
	return strings.Join(pairs, "; ")
}
