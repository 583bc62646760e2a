package auth

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"mime"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"runtime/debug"
	"strings"
	"time"

	"github.com/duly-todo/duly/internal/store"
	"github.com/duly-todo/duly/internal/todo"
)

// fallbackBase is the scheme and host in documents and tokens when the server
// does not know its own: it believes what a client calls it on loopback alone.
const fallbackBase = "https://duly.invalid"

// maxForm is the most bytes of a form.
const maxForm = 64 << 10

// IssuerOptions are what an Issuer needs.
type IssuerOptions struct {
	DB             *store.DB
	Keys           *Keys
	Verifier       *Verifier
	Now            func() time.Time
	Log            *slog.Logger
	BaseURL        string         // scheme and host of the server; empty: those of loopback that a client used
	TrustedProxies []netip.Prefix // peers whose X-Forwarded-For counts
	DevUser        string         // name of the user whom anybody on this machine may be by one click; empty: none
	Externals      *Externals     // other issuers, where people may sign in; may be nil
	NoPasswords    bool           // people sign in there alone
}

// An Issuer gives out tokens, in the dialect of OAuth 2.0 and OpenID Connect
// that the v2.0 endpoints of Microsoft Entra speak, and has the pages on which
// people sign in and decide. It is an [http.Handler] for the paths that
// [Issuer.Serves] names.
type Issuer struct {
	IssuerOptions
	base      string
	secret    []byte // seals forms
	passwords *passwords
	pages     *pages
	mux       *http.ServeMux
	sealer    sealer // of the keys of authenticator apps

	accounts, addresses *limiter // wrong passwords; the addresses count other attempts to sign in as well
	codes               *limiter // wrong codes after a right password, by account
	userCodes           *limiter // wrong codes of devices, by session
	devices             *limiter // codes given to devices, by address
	externalSignIns     *limiter // that began at other issuers, by address
}

// NewIssuer returns an Issuer. It fails when the keys are of no use.
func NewIssuer(o IssuerOptions) (*Issuer, error) {
	secret, err := o.Keys.Secret("sign-in form")
	if err != nil {
		return nil, err
	}
	sealing, err := o.Keys.Secret("authenticator app")
	if err != nil {
		return nil, err
	}
	sealer, err := newSealer(sealing)
	if err != nil {
		return nil, err
	}
	pages, err := newPages()
	if err != nil {
		return nil, err
	}
	i := &Issuer{
		IssuerOptions: o, base: strings.TrimSuffix(o.BaseURL, "/"), secret: secret, passwords: newPasswords(), pages: pages, sealer: sealer,
		accounts: newLimiter(10, 10*time.Minute), addresses: newLimiter(50, 10*time.Minute),
		codes: newLimiter(10, time.Hour), userCodes: newLimiter(10, 15*time.Minute), devices: newLimiter(100, 10*time.Minute),
		externalSignIns: newLimiter(100, 10*time.Minute),
	}
	i.mux = i.routes()
	return i, nil
}

// routes is the table of all paths.
func (i *Issuer) routes() *http.ServeMux {
	mux := http.NewServeMux()
	for path, serve := range map[string]func(*call) error{
		"/{tenant}/discovery/instance":                    i.instance,
		"/{tenant}/v2.0/.well-known/openid-configuration": i.discovery,
		"/{tenant}/.well-known/openid-configuration":      i.discovery,
		"/{tenant}/discovery/v2.0/keys":                   i.publicKeys,
		"/{tenant}/oauth2/v2.0/token":                     i.token,
		"/{tenant}/oauth2/v2.0/devicecode":                i.deviceCode,
		"/{tenant}/oauth2/v2.0/revoke":                    i.revoke,
		"/{tenant}/oauth2/v2.0/introspect":                i.introspect,
		"/{tenant}/openid/userinfo":                       i.userinfo,
	} {
		mux.Handle(path, i.handler(serve, (*call).failJSON))
	}
	for path, serve := range map[string]func(*call) error{
		"/{tenant}/oauth2/v2.0/authorize": i.authorize,
		"/{tenant}/oauth2/v2.0/logout":    i.logout,
		"/login":                          i.login,
		"/login/external":                 i.loginExternal,
		callbackPath:                      i.loginCallback,
		"/consent":                        i.consent,
		"/devicelogin":                    i.deviceLogin,
		"/setup/{link}":                   i.setup,
		"/account":                        i.account,
		"/account/password":               i.password,
		"/account/authenticator":          i.authenticatorApp,
		"/account/passkey":                i.passkey,
	} {
		mux.Handle(path, i.handler(serve, (*call).failPage))
	}
	return mux
}

// Serves says whether a request is for the issuer.
func (i *Issuer) Serves(r *http.Request) bool {
	_, pattern := i.mux.Handler(r)
	return pattern != ""
}

// ServeHTTP answers a request.
func (i *Issuer) ServeHTTP(w http.ResponseWriter, r *http.Request) { i.mux.ServeHTTP(w, r) }

// A call is a request with what its handler needs.
type call struct {
	*http.Request
	i        *Issuer
	w        http.ResponseWriter
	id       string // of this answer, for the log
	clientID string // client-request-id
	now      time.Time
	base     string // scheme and host of this server
	tenant   string // as the path names it; empty on pages
	formID   string // the cookie of this browser's forms, once browser has it
	status   int
}

// handler answers by serve, whose error or panic becomes an answer by fail, and
// logs a line: the pattern of the path and never what a client sent.
func (i *Issuer) handler(serve func(*call) error, fail func(*call, error)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c := &call{Request: r, i: i, w: w, id: newGUID(), now: i.Now().UTC(), base: i.baseOf(r), tenant: r.PathValue("tenant")}
		c.clientID = c.id
		if id := r.Header.Get("client-request-id"); store.ValidGUID(id) {
			c.clientID = id
		}
		h := w.Header()
		h.Set("Cache-Control", "no-store")
		h.Set("Pragma", "no-cache")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("x-ms-request-id", c.id)
		h.Set("client-request-id", c.clientID)
		defer func() {
			if p := recover(); p != nil {
				if p == http.ErrAbortHandler {
					panic(p)
				}
				fail(c, fmt.Errorf("panic: %v\n%s", p, debug.Stack()))
			}
			i.Log.LogAttrs(r.Context(), slog.LevelInfo, "request", slog.String("method", r.Method), slog.String("route", r.Pattern),
				slog.Int("status", c.status), slog.Duration("took", i.Now().Sub(c.now)), slog.String("request-id", c.id))
		}()
		r.Body = http.MaxBytesReader(w, r.Body, maxForm)
		if err := c.serve(serve); err != nil {
			fail(c, err)
		}
	})
}

func (c *call) serve(serve func(*call) error) error {
	if strings.Contains(c.Pattern, "{tenant}") && !c.i.isTenant(c.tenant, c.base) {
		return errorf(400, "invalid_request", 90002, "Tenant '%s' not found.", clip(c.tenant))
	}
	return serve(c)
}

// isTenant says whether a path's first segment stands for the one tenant: its
// id, the name of the host, or a word that Entra has for several.
func (i *Issuer) isTenant(name, base string) bool {
	switch strings.ToLower(name) {
	case "common", "organizations", "consumers", "adfs", i.Keys.tenant:
		return true
	}
	_, host, _ := strings.Cut(base, "://")
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	return strings.EqualFold(name, host)
}

// baseOf is the scheme and host that a request's answers name: those that are
// configured, or else the client's own words, which count on loopback alone.
func (i *Issuer) baseOf(r *http.Request) string {
	if i.base != "" {
		return i.base
	}
	if !isLoopbackHost(r.Host) {
		return fallbackBase
	}
	if r.TLS != nil {
		return "https://" + r.Host
	}
	return "http://" + r.Host
}

func (c *call) issuer() string { return c.base + issuerPath(c.i.Keys.tenant) }

func (c *call) address() netip.Addr { return address(c.Request, c.i.TrustedProxies) }

func (c *call) addressGroup() string { return addressGroup(c.Request, c.i.TrustedProxies) }

// An oauthError is a refusal in the form of OAuth and of Entra.
type oauthError struct {
	status  int
	code    string // OAuth's
	number  int    // Entra's, after AADSTS
	message string
	wait    time.Duration // for Retry-After; 0: none
}

func (e *oauthError) Error() string { return fmt.Sprintf("AADSTS%d: %s", e.number, e.message) }

func errorf(status int, code string, number int, format string, args ...any) *oauthError {
	return &oauthError{status: status, code: code, number: number, message: fmt.Sprintf(format, args...)}
}

func tooMany(wait time.Duration, message string) *oauthError {
	return &oauthError{status: http.StatusTooManyRequests, code: "temporarily_unavailable", number: 50196, message: message, wait: wait}
}

// asOAuth is err as one that a client may see. What is nobody's fault is logged
// and not told.
func (c *call) asOAuth(err error) *oauthError {
	if e, ok := errors.AsType[*oauthError](err); ok {
		return e
	}
	if errors.Is(err, errBusy) {
		return &oauthError{status: 503, code: "temporarily_unavailable", number: 90033, message: "The server is busy: try again in a few seconds.", wait: 5 * time.Second}
	}
	if e, ok := errors.AsType[*todo.Error](err); ok && e.Kind == todo.Invalid {
		return errorf(400, "invalid_request", 90014, "%s", e.Message)
	}
	if !errors.Is(err, context.Canceled) {
		c.i.Log.LogAttrs(c.Context(), slog.LevelError, "failed", slog.String("request-id", c.id), slog.String("route", c.Pattern), slog.String("error", err.Error()))
	}
	return errorf(500, "server_error", 90020, "The server failed; its log says why under the request id.")
}

func (c *call) failHeaders(e *oauthError) {
	if e.wait > 0 {
		c.w.Header().Set("Retry-After", fmt.Sprint(int((e.wait+time.Second-1)/time.Second)))
	}
	if scheme, _, _ := strings.Cut(c.Header.Get("Authorization"), " "); e.status == http.StatusUnauthorized && strings.EqualFold(scheme, "Basic") {
		c.w.Header().Set("WWW-Authenticate", `Basic realm="Duly"`)
	}
}

// failJSON answers with an error in Entra's form.
func (c *call) failJSON(err error) {
	e := c.asOAuth(err)
	c.failHeaders(e)
	at := c.now.Format("2006-01-02 15:04:05Z")
	c.json(e.status, struct {
		Error       string `json:"error"`
		Description string `json:"error_description"`
		Codes       []int  `json:"error_codes"`
		Timestamp   string `json:"timestamp"`
		TraceID     string `json:"trace_id"`
		Correlation string `json:"correlation_id"`
	}{
		e.code, fmt.Sprintf("%s Trace ID: %s Correlation ID: %s Timestamp: %s", e.Error(), c.id, c.clientID, at),
		[]int{e.number}, at, c.id, c.clientID,
	})
}

func (c *call) json(status int, v any) {
	c.w.Header().Set("Content-Type", "application/json; charset=utf-8")
	c.answer(status, func(w io.Writer) error {
		e := json.NewEncoder(w)
		e.SetEscapeHTML(false)
		return e.Encode(v)
	})
}

// answer sends the status and what write writes. A client that has gone is no
// failure of the server.
func (c *call) answer(status int, write func(io.Writer) error) {
	c.status = status
	c.w.WriteHeader(status)
	if c.Method == http.MethodHead {
		return
	}
	if err := write(c.w); err != nil {
		c.i.Log.LogAttrs(c.Context(), slog.LevelDebug, "the answer was cut off", slog.String("request-id", c.id), slog.String("error", err.Error()))
	}
}

// redirect sends the browser on, by GET.
func (c *call) redirect(status int, location string) {
	c.w.Header().Set("Location", location)
	c.answer(status, func(io.Writer) error { return nil })
}

// method refuses other methods than those.
func (c *call) method(allowed ...string) *oauthError {
	for _, m := range allowed {
		if c.Method == m {
			return nil
		}
	}
	c.w.Header().Set("Allow", strings.Join(allowed, ", "))
	return errorf(http.StatusMethodNotAllowed, "invalid_request", 900561, "The endpoint only accepts %s requests. Received a %s request.", strings.Join(allowed, " and "), clip(c.Method))
}

// form reads the form of a POST, in which each name stands once.
func (c *call) form() (url.Values, *oauthError) {
	if err := c.method(http.MethodPost); err != nil {
		return nil, err
	}
	media, _, _ := mime.ParseMediaType(c.Header.Get("Content-Type"))
	if media != "application/x-www-form-urlencoded" {
		return nil, errorf(400, "invalid_request", 900561, "The endpoint only accepts POST requests of the type application/x-www-form-urlencoded.")
	}
	if c.Header.Get("Content-Encoding") != "" {
		return nil, errorf(400, "invalid_request", 90014, "The body must not be compressed.")
	}
	if err := c.ParseForm(); err != nil {
		return nil, errorf(400, "invalid_request", 90014, "The request body cannot be read; it may have at most %d bytes.", maxForm)
	}
	return c.PostForm, once(c.PostForm)
}

// once refuses a name that stands more than once (RFC 6749 section 3.1).
func once(v url.Values) *oauthError {
	for name, values := range v {
		if len(values) > 1 {
			return errorf(400, "invalid_request", 9002012, "The parameter '%s' is included more than once.", clip(name))
		}
	}
	return nil
}
