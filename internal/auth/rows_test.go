package auth

import (
	"crypto/x509"
	"encoding/pem"
	"net/http"
	"strings"
	"testing"
	"time"
)

// An outcome is what Authenticate answers.
type outcome int

const (
	accepted   outcome = iota // a principal
	noToken                   // a TokenError without an error code
	refused                   // a TokenError "invalid_token"
	challenged                // a TokenError "insufficient_claims"
	badRequest                // a todo.Error of the kind BadRequest
)

// A row is one request, named like the row of the list of bad tokens that it
// stands for. A row with a + behind its number is a neighbour of that row.
type row struct {
	id, name   string
	request    func(i *issuer) *http.Request
	want       outcome
	signatures int64 // signatures that are checked on the way
	ended      bool  // the token was good once, and so is in the cache
}

// bad is a row of a token that is refused before its signature is checked.
func bad(id, name string, token func(i *issuer) string) row {
	return row{id: id, name: name, want: refused, request: func(i *issuer) *http.Request { return bearing(token(i)) }}
}

// forged is a row of a token that is refused by its signature, or after it.
func forged(id, name string, token func(i *issuer) string) row {
	r := bad(id, name, token)
	r.signatures = 1
	return r
}

// ended is a row of a good token that whoever stands behind it does not let pass.
func ended(id, name string, want outcome, token func(i *issuer) string) row {
	r := forged(id, name, token)
	r.want, r.ended = want, true
	return r
}

// control is a row of a good token.
func control(id, name string, token func(i *issuer) string) row {
	r := forged(id, name, token)
	r.want = accepted
	return r
}

// headerRows are those of section A.
func headerRows() []row {
	send := func(values ...string) func(*issuer) *http.Request {
		return func(*issuer) *http.Request { return request(values...) }
	}
	query := func(header bool, query string) func(*issuer) *http.Request {
		return func(i *issuer) *http.Request {
			r := request()
			if header {
				r = bearing(i.good())
			}
			r.URL.RawQuery = strings.ReplaceAll(query, "TOKEN", i.good())
			return r
		}
	}
	scheme := func(s string) func(*issuer) *http.Request {
		return func(i *issuer) *http.Request { return request(s + i.good()) }
	}
	return []row{
		control("A01", "good", (*issuer).good),
		{id: "A02", name: "no header", request: send(), want: noToken},
		{id: "A02+", name: "empty header", request: send(""), want: noToken},
		{id: "A03", name: "nothing after Bearer", request: send("Bearer"), want: noToken},
		{id: "A03+", name: "a space after Bearer", request: send("Bearer "), want: noToken},
		{id: "A04", name: "lower case", request: scheme("bearer "), want: accepted, signatures: 1},
		{id: "A04+", name: "several spaces", request: scheme("BEARER   "), want: accepted, signatures: 1},
		{id: "A05", name: "Basic", request: send("Basic YWRhOmFkYQ=="), want: noToken},
		{id: "A05+", name: "token without scheme", request: scheme(""), want: noToken},
		{id: "A05+", name: "scheme without space", request: scheme("Bearer"), want: noToken},
		{id: "A05+", name: "tab as separator", request: scheme("Bearer\t"), want: noToken},
		{id: "A06", name: "DPoP", request: scheme("DPoP "), want: noToken},
		{id: "A07", name: "two headers", want: badRequest, request: func(i *issuer) *http.Request {
			return request("Bearer "+i.good(), "Bearer "+i.good())
		}},
		{id: "A07+", name: "two headers, the first empty", want: badRequest, request: func(i *issuer) *http.Request {
			return request("", "Bearer "+i.good())
		}},
		bad("A07+", "two tokens in one header", func(i *issuer) string { return i.good() + ", Bearer " + i.good() }),
		{id: "A08", name: "in the query", request: query(false, "access_token=TOKEN"), want: badRequest},
		{id: "A08+", name: "in the query and the header", request: query(true, "$top=1&access_token=TOKEN"), want: badRequest},
		{id: "A08+", name: "name escaped", request: query(false, "access%5Ftoken=TOKEN"), want: badRequest},
		{id: "A08+", name: "no value", request: query(true, "access_token"), want: badRequest},
		{id: "A08+", name: "other parameters", request: query(true, "$filter=a%20eq%20'access_token=1'&%zz=1"), want: accepted, signatures: 1},
		bad("A10", "17 KiB", func(i *issuer) string { return i.claiming(i.claims().with("pad", strings.Repeat("x", 17<<10))) }),
		control("A10+", "12 KiB", func(i *issuer) string { return i.claiming(i.claims().with("pad", strings.Repeat("x", 11<<10))) }),
		bad("A13", "no dots", func(*issuer) string { return "abc" }),
		bad("A13+", "dots only", func(*issuer) string { return ".." }),
		bad("A14", "two segments", func(i *issuer) string { return cutLast(i.good()) }),
		bad("A15", "five segments", func(i *issuer) string { return i.good() + ".AAAA.AAAA" }),
		bad("A15+", "four segments", func(i *issuer) string { return i.good() + "." }),
		bad("A16", "JSON serialization", func(i *issuer) string {
			part := strings.Split(i.good(), ".")
			return members{"protected": part[0], "payload": part[1], "signature": part[2]}.json()
		}),
		bad("A17", "padding", func(i *issuer) string { return i.good() + "==" }),
		bad("A17+", "standard alphabet", func(i *issuer) string { return i.good()[:len(i.good())-2] + "+/" }),
		bad("A17+", "line break", func(i *issuer) string { return i.good() + "\n" }),
		bad("A17+", "spare bits set", func(i *issuer) string { return i.good()[:len(i.good())-1] + "_" }),
		bad("A17+", "no ASCII", func(i *issuer) string { return i.good() + "é" }),
	}
}

func cutLast(token string) string { return token[:strings.LastIndexByte(token, '.')] }

// keyRows are those of section B.
func keyRows() []row {
	head := func(name string, value any) func(*issuer) string {
		return func(i *issuer) string { return i.heading(i.header().with(name, value)) }
	}
	unsigned := func(alg string) func(*issuer) string {
		return func(i *issuer) string { return cutLast(head("alg", alg)(i)) + "." }
	}
	rows := []row{
		bad("B18", "alg none", unsigned("none")),
		bad("B18+", "alg none with a signature", head("alg", "none")),
		bad("B18+", "no alg", func(i *issuer) string { return i.heading(i.header().without("alg")) }),
		bad("B20", "alg nOnE", unsigned("nOnE")),
		bad("B21", "HS256 with the public key", func(i *issuer) string {
			der := must(x509.MarshalPKIXPublicKey(&i.rsa.PublicKey))
			public := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
			return sign(i.header().with("alg", "HS256"), i.claims(), hs256(public))
		}),
		bad("B24", "RS512", func(i *issuer) string { return sign(i.header().with("alg", "RS512"), i.claims(), rs512(i.rsa)) }),
		forged("B24+", "RS512 that says RS256", func(i *issuer) string { return sign(i.header(), i.claims(), rs512(i.rsa)) }),
		bad("B25", "PS256", func(i *issuer) string { return sign(i.header().with("alg", "PS256"), i.claims(), ps256(i.rsa)) }),
		forged("B25+", "PS256 that says RS256", func(i *issuer) string { return sign(i.header(), i.claims(), ps256(i.rsa)) }),
		bad("B26", "ES256 with the RSA key's kid", func(i *issuer) string {
			return sign(i.header().with("alg", "ES256"), i.claims(), es256(i.ec))
		}),
		bad("B26+", "RS256 with the P-256 key's kid", func(i *issuer) string {
			return sign(i.header().with("kid", i.ecKID()), i.claims(), rs256(i.rsa))
		}),
		bad("B28", "no kid", func(i *issuer) string { return i.heading(i.header().without("kid")) }),
		bad("B28+", "empty kid", head("kid", "")),
		bad("B29", "unknown kid", head("kid", "nobody's")),
		bad("B30", "kid is a path", head("kid", "../../../../dev/null")),
		bad("B31", "kid is SQL", head("kid", "' OR 1=1 --")),
		bad("B32", "kid is a number", head("kid", 7)),
		bad("B33", "jwk", head("jwk", members{"kty": "oct", "k": "AAAA"})),
		bad("B33+", "jwk null", head("jwk", nil)),
		bad("B34", "jku", head("jku", "https://evil.example/keys")),
		bad("B35", "x5u", head("x5u", "https://evil.example/cert")),
		bad("B35+", "x5c", head("x5c", []string{"AAAA"})),
		bad("B36", "crit", head("crit", []string{"exp"})),
		bad("B36+", "empty crit", head("crit", []string{})),
		bad("B37", "b64 with crit", func(i *issuer) string {
			return i.heading(i.header().with("b64", false).with("crit", []string{"b64"}))
		}),
		bad("B37+", "b64 without crit", head("b64", false)),
		bad("B38", "no typ", func(i *issuer) string { return i.heading(i.header().without("typ")) }),
		control("B38+", "typ as a media type", head("typ", "application/at+jwt")),
		bad("B39", "typ JWT", head("typ", "JWT")),
		bad("B40", "typ logout+jwt", head("typ", "logout+jwt")),
		bad("B41", "typ dpop+jwt", head("typ", "dpop+jwt")),
		bad("B41+", "typ a list", head("typ", []string{"at+jwt"})),
	}
	return append(rows, signatureRows()...)
}

// signatureRows are the rest of section B.
func signatureRows() []row {
	es := func(i *issuer) members { return i.header().with("alg", "ES256").with("kid", i.ecKID()) }
	rawHead := func(text func(i *issuer) string) func(*issuer) string {
		return func(i *issuer) string { return signText(text(i), i.claims().json(), rs256(i.rsa)) }
	}
	return []row{
		bad("B43", "header is no JSON", rawHead(func(*issuer) string { return "alg=RS256" })),
		bad("B43+", "header is null", rawHead(func(*issuer) string { return "null" })),
		bad("B43+", "header is a list", rawHead(func(i *issuer) string { return "[" + i.header().json() + "]" })),
		bad("B43+", "text after the header", rawHead(func(i *issuer) string { return i.header().json() + "{}" })),
		bad("B43+", "a member twice", rawHead(func(i *issuer) string {
			return strings.Replace(i.header().json(), "{", `{"alg":"none",`, 1)
		})),
		bad("B43+", "names in upper case", rawHead(func(i *issuer) string {
			return members{"ALG": "RS256", "KID": i.rsaKID(), "TYP": "at+jwt"}.json()
		})),
		bad("B43+", "no UTF-8", rawHead(func(i *issuer) string { return strings.Replace(i.header().json(), "{", "{\"x\":\"\xff\",", 1) })),
		bad("B43+", "300 bytes", rawHead(func(i *issuer) string { return i.header().with("x", strings.Repeat("x", 220)).json() })),
		bad("B43+", "deep nesting", rawHead(func(*issuer) string { return strings.Repeat("[", 256) })),
		bad("B44", "no signature", func(i *issuer) string { return cutLast(i.good()) + "." }),
		bad("B44+", "half a signature", func(i *issuer) string { return i.good()[:len(i.good())-100] }),
		forged("B44+", "signature of zeros", func(i *issuer) string {
			return sign(es(i), i.claims(), func([]byte) []byte { return make([]byte, 64) })
		}),
		forged("B45", "one bit flipped", func(i *issuer) string {
			return sign(i.header(), i.claims(), func(in []byte) []byte {
				signature := rs256(i.rsa)(in)
				signature[100] ^= 1
				return signature
			})
		}),
		forged("B47", "payload changed", func(i *issuer) string {
			part := strings.Split(i.good(), ".")
			part[1] = b64(i.claims().with("oid", "somebody else").json())
			return strings.Join(part, ".")
		}),
		control("B49+", "ES256", func(i *issuer) string { return sign(es(i), i.claims(), es256(i.ec)) }),
		// A second text of a good token: whoever holds one may make the other,
		// and it says the same. Revocation must therefore go by the jti.
		control("B49+", "ES256 mirrored", func(i *issuer) string {
			return sign(es(i), i.claims(), func(in []byte) []byte { return mirrored(es256(i.ec)(in)) })
		}),
		bad("B49", "ES256 in DER", func(i *issuer) string { return sign(es(i), i.claims(), es256DER(i.ec)) }),
		forged("B50", "a stranger's key", func(i *issuer) string { return sign(i.header(), i.claims(), rs256(i.stranger)) }),
		bad("B51", "a key off the ring", func(i *issuer) string {
			retired, err := newSigningKey(i.stranger)
			if err != nil {
				panic(err)
			}
			return sign(i.header().with("kid", retired.jwk.KeyID), i.claims(), rs256(i.stranger))
		}),
	}
}

// claimRows are those of section C.
func claimRows() []row {
	claim := func(name string, value any) func(*issuer) string {
		return func(i *issuer) string { return i.claiming(i.claims().with(name, value)) }
	}
	after := func(name string, seconds int64) func(*issuer) string { return claim(name, testTime().Unix()+seconds) }
	drop := func(names ...string) func(*issuer) string {
		return func(i *issuer) string { return i.claiming(i.claims().without(names...)) }
	}
	iss := func(change func(string) string) func(*issuer) string {
		return func(i *issuer) string { return i.claiming(i.claims().with("iss", change(i.keys.issuer))) }
	}
	rows := []row{
		bad("C52", "no iss", drop("iss")),
		bad("C53", "iss of another tenant", iss(func(s string) string { return strings.Replace(s, "1111", "9999", 1) })),
		bad("C54", "iss with a slash", iss(func(s string) string { return s + "/" })),
		bad("C55", "iss in http", iss(func(s string) string { return strings.Replace(s, "https", "http", 1) })),
		bad("C55+", "iss in upper case", iss(strings.ToUpper)),
		bad("C55+", "our iss in another claim", func(i *issuer) string {
			return i.claiming(i.claims().with("iss", "https://evil.example").with("x", members{"iss": i.keys.issuer}))
		}),
		forged("C57", "no aud", drop("aud")),
		control("C57+", "aud is Graph's id", claim("aud", "00000003-0000-0000-c000-000000000000")),
		control("C57+", "aud a list with ours", claim("aud", []string{"api://other", "https://graph.microsoft.com"})),
		forged("C59", "aud of evil.example", claim("aud", "https://graph.microsoft.com.evil.example")),
		forged("C59+", "aud with a slash", claim("aud", "https://graph.microsoft.com/")),
		forged("C59+", "aud a list of others", claim("aud", []string{"api://other", ""})),
		forged("C61", "aud an empty list", claim("aud", []string{})),
		forged("C62", "aud a list with a number", claim("aud", []any{"https://graph.microsoft.com", 7})),
		forged("C62+", "aud an object", claim("aud", members{"a": "https://graph.microsoft.com"})),
		forged("C62+", "aud null", claim("aud", nil)),
		forged("C64", "no exp", drop("exp")),
		forged("C64+", "no iat", drop("iat")),
		control("C64+", "no nbf", drop("nbf")),
		control("C66", "exp 30 s ago", after("exp", -30)),
		control("C66+", "exp 59 s ago", after("exp", -59)),
		forged("C66+", "exp 60 s ago", after("exp", -60)),
		forged("C68", "exp negative", claim("exp", -1)),
		forged("C68+", "nbf negative", claim("nbf", -1)),
		forged("C69+", "nbf 1e300", claim("nbf", 1e300)),
		forged("C69", "exp 1e300", claim("exp", 1e300)),
		forged("C69+", "exp 1e400", func(i *issuer) string {
			return signText(i.header().json(), strings.Replace(i.claims().without("exp").json(), "{", `{"exp":1e400,`, 1), rs256(i.rsa))
		}),
		control("C69+", "exp with a fraction", claim("exp", float64(testTime().Unix())+3600.5)),
		forged("C70", "exp null", claim("exp", nil)),
		forged("C70+", "exp a string", claim("exp", "9999999999")),
		forged("C71", "lives ten years", after("exp", 10*365*24*3600)),
		forged("C71+", "exp before iat", func(i *issuer) string {
			return i.claiming(i.claims().with("iat", testTime().Unix()).with("exp", testTime().Unix()-1))
		}),
		forged("C72", "nbf in 10 minutes", after("nbf", 600)),
		control("C72+", "nbf in 60 s", after("nbf", 60)),
		forged("C72+", "nbf in 61 s", after("nbf", 61)),
		forged("C73", "iat in 10 minutes", after("iat", 600)),
		forged("C74", "tid of another tenant", claim("tid", "99999999-2222-4333-8444-555555555555")),
		forged("C75", "no tid", drop("tid")),
		forged("C76", "no sub", drop("sub")),
		forged("C76+", "no oid", drop("oid")),
	}
	return append(rows, grantRows(claim, drop)...)
}

// grantRows are the rest of section C.
func grantRows(claim func(string, any) func(*issuer) string, drop func(...string) func(*issuer) string) []row {
	raw := func(change func(payload string) string) func(*issuer) string {
		return func(i *issuer) string { return signText(i.header().json(), change(i.claims().json()), rs256(i.rsa)) }
	}
	return []row{
		ended("C78", "user deleted", refused, claim("oid", ghost)),
		ended("C78+", "user disabled", refused, claim("oid", edith)),
		ended("C79", "user signed out everywhere", challenged, claim("oid", grace)),
		ended("C79+", "in the same second, half of one before", challenged, func(i *issuer) string {
			return i.claiming(i.claims().with("oid", grace).with("iat", testTime().Unix()-1).with("duly_iat", testTime().Add(-501*time.Millisecond).UnixMicro()))
		}),
		ended("C79+", "in the same second, which is all that the token says", challenged, func(i *issuer) string {
			return i.claiming(i.claims().with("oid", grace).with("iat", testTime().Unix()-1))
		}),
		ended("C79+", "duly_iat that belies iat", challenged, func(i *issuer) string {
			return i.claiming(i.claims().with("oid", grace).with("duly_iat", testTime().UnixMicro()))
		}),
		ended("C80", "application not known", refused, claim("azp", "5ad3c7a0-0000-4000-8000-000000000000")),
		ended("C81", "access token revoked", refused, claim("jti", "revoked")),
		ended("C81+", "all tokens of its sign-in revoked", challenged, claim("sid", "ended")),
		control("C81+", "another sign-in revoked", claim("sid", "other")),
		forged("C80+", "no application", drop("azp")),
		forged("C80+", "two applications", claim("appid", "5ad3c7a0-0000-4000-8000-000000000000")),
		control("C80+", "application by appid alone", func(i *issuer) string {
			return i.claiming(i.claims().without("azp").with("appid", CommandLineApp))
		}),
		control("C83", "SCP for scp: no permission, see TestPermissions", func(i *issuer) string {
			return i.claiming(i.claims().without("scp").with("SCP", "Tasks.ReadWrite"))
		}),
		forged("C83+", "scp a list", claim("scp", []string{"Tasks.Read"})),
		forged("C83+", "no idtyp", drop("idtyp")),
		forged("C83+", "idtyp device", claim("idtyp", "device")),
		bad("C85", "payload is no JSON", raw(func(string) string { return "iss=me" })),
		bad("C85+", "payload is null", raw(func(string) string { return "null" })),
		forged("C85+", "payload is a list", raw(func(p string) string { return "[" + p + "]" })),
		forged("C85+", "text after the payload", raw(func(p string) string { return p + "x" })),
		forged("C85+", "a claim twice", raw(func(p string) string { return strings.Replace(p, "{", `{"oid":"`+ghost+`",`, 1) })),
		forged("C85+", "no UTF-8", raw(func(p string) string { return strings.Replace(p, "{", "{\"x\":\"\xff\",", 1) })),
		bad("C85+", "deep nesting", raw(func(string) string { return strings.Repeat(`{"a":[`, 1_500) })),
		control("C85+", "deep nesting by our key", raw(func(p string) string {
			return strings.Replace(p, "{", `{"x":`+strings.Repeat("[", 4_000)+strings.Repeat("]", 4_000)+",", 1)
		})),
		bad("C87", "id_token", func(i *issuer) string {
			return sign(i.header().with("typ", "JWT"), i.claims().with("aud", CommandLineApp).with("nonce", "n"), rs256(i.rsa))
		}),
		forged("C87+", "nonce", claim("nonce", "n")),
		forged("C87+", "bound to a key", claim("cnf", members{"jkt": "AAAA"})),
		// The issuer gives neither refresh tokens nor codes out yet. Whatever
		// their form, it will have no three segments.
		bad("C88", "refresh token", func(*issuer) string { return "1." + b64(strings.Repeat("r", 64)) }),
		bad("C89", "authorization code", func(*issuer) string { return b64(strings.Repeat("c", 32)) }),
	}
}

// allRows are those of sections A to C.
func allRows() []row {
	return append(append(headerRows(), keyRows()...), claimRows()...)
}

// A row must name what it is, and only once.
func TestRowNames(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for _, r := range allRows() {
		if name := r.id + " " + r.name; seen[name] {
			t.Errorf("two rows are named %q", name)
		} else {
			seen[name] = true
		}
	}
}
