// Package graph serves the Microsoft Graph To Do API over HTTP.
//
// A request goes through [Server.ServeHTTP]: the token is checked, the path is
// found in the table of routes.go, and the route's function answers. Handlers
// return errors; errors.go alone turns them into statuses and codes.
package graph

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"runtime/debug"
	"strings"
	"sync"
	"time"

	"github.com/duly-todo/duly/internal/auth"
	"github.com/duly-todo/duly/internal/store"
	"github.com/duly-todo/duly/internal/todo"
	"github.com/duly-todo/duly/internal/webhook"
)

// Options are what a Server needs.
type Options struct {
	DB             *store.DB
	Verifier       *auth.Verifier
	Secret         []byte // signs delta tokens
	Log            *slog.Logger
	Now            func() time.Time
	Profile        Profile
	BaseURL        string         // scheme and host of all links; empty: those that the client used
	TrustedProxies []netip.Prefix // peers whose X-Forwarded-* headers count
	Webhook        *webhook.Client
	WebPushKey     string

	// Observe makes the observer of a route, by its method and its path in the
	// table of routes. It is called once for each; nil: nobody is told.
	Observe func(method, path string) func(status int, took time.Duration)

	Limits    Limits
	Throttled func(limit string) // is told what limit a request was refused for; nil: nobody is told
}

// A Server answers requests for the API.
type Server struct {
	db       *store.DB
	verifier *auth.Verifier
	secret   []byte
	log      *slog.Logger
	now      func() time.Time
	profile  Profile
	baseURL  string
	proxies  []netip.Prefix
	webhook  *webhook.Client
	pushKey  string
	tree     *node

	observers map[*route]observer // nil: nobody is told
	throttle  *throttle           // nil: there are no limits
}

// New returns a Server.
func New(o Options) *Server {
	s := &Server{
		db: o.DB, verifier: o.Verifier, secret: o.Secret, log: o.Log, now: o.Now, profile: o.Profile,
		baseURL: strings.TrimSuffix(o.BaseURL, "/"), proxies: o.TrustedProxies, tree: newTree(routes()),
		webhook: o.Webhook, pushKey: o.WebPushKey, throttle: newThrottle(o.Limits, o.Throttled),
	}
	if o.Observe != nil {
		s.observers = newObservers(s.tree, o.Observe)
	}
	return s
}

// A request is a call of the API with what its handler needs, and the answer as
// it grows.
type request struct {
	*http.Request
	w        http.ResponseWriter
	id       string // request-id
	clientID string // client-request-id
	now      time.Time
	base     string // scheme and host for links
	version  string // "v1.0" or "beta"

	principal auth.Principal
	refused   error    // what is wrong with the token, where the route asks for none
	as        store.As // whose mailbox the request is about
	match
	query  query
	opts   options // what the handler read of query, for the encoder
	prefer preferences
	bare   bool // odata.metadata=none: no control information but links

	reading bool // some of the bytes of a file
	head    bool // the client asks for the headers alone

	outer *request // the batch that the request is a part of; nil: none
	usage *usage   // where it counts, while there are limits
	sized *sizedBody

	header http.Header
	values [10]string // of headers that have one
	set    int        // how many of values
	out    []byte     // a buffer for the body
	status int        // of the answer; 0 while there is none

	context struct{ list, tasks string } // the last list that tasksContext was asked for, and its answer
}

// setHeader sets a header, whose name is in its canonical form.
func (r *request) setHeader(name, value string) {
	if r.set == len(r.values) {
		r.header[name] = []string{value}
		return
	}
	r.values[r.set] = value
	r.header[name] = r.values[r.set : r.set+1 : r.set+1]
	r.set++
}

// buffers are those of answers that are through. Large ones are not kept.
var buffers = sync.Pool{New: func() any {
	b := make([]byte, 0, 2048)
	return &b
}}

const maxBuffer = 256 << 10

// ServeHTTP answers one request.
func (s *Server) ServeHTTP(w http.ResponseWriter, hr *http.Request) {
	buffer := buffers.Get().(*[]byte)
	r := &request{Request: hr, w: w, header: w.Header(), now: s.now(), base: s.base(hr), out: *buffer}
	if hr.Method == http.MethodHead { // which is GET without the body of the answer (RFC 9110, section 9.3.2)
		r.Request, r.head = hr.WithContext(hr.Context()), true
		r.Method = http.MethodGet
	}
	r.id = store.NewTag()
	r.clientID = r.id
	if id := hr.Header.Get("client-request-id"); store.ValidGUID(id) {
		r.clientID = id
	}
	s.run(r, s.serve)
	if cap(r.out) <= maxBuffer { // not after a panic
		*buffer = r.out[:0]
		buffers.Put(buffer)
	}
}

// run answers a request by serve, whose error or panic becomes the answer, and
// logs it. Parts of a batch go through it as well.
func (s *Server) run(r *request, serve func(*request) error) {
	commonHeaders(r)
	defer func() {
		if p := recover(); p != nil {
			if p == http.ErrAbortHandler && r.outer == nil {
				s.finished(r) // which was cut off on purpose
				panic(p)
			}
			s.fail(r, fmt.Errorf("panic: %v\n%s", p, debug.Stack()))
		}
		s.finished(r)
	}()
	if err := serve(r); err != nil {
		s.fail(r, err)
	}
}

// finished counts and logs a request that has its answer.
func (s *Server) finished(r *request) {
	took := s.now().Sub(r.now)
	if s.observers != nil {
		s.observers[r.route()](r.status, took)
	}
	s.logRequest(r, took)
}

// logRequest writes the one line of a request. It names the route as the table
// has it: ids, bodies, titles and tokens are nobody's business.
func (s *Server) logRequest(r *request, took time.Duration) {
	if !s.log.Enabled(r.Context(), slog.LevelInfo) {
		return
	}
	method := r.Method
	if r.head {
		method = http.MethodHead
	}
	attrs := []slog.Attr{
		slog.String("method", method), slog.String("version", r.version), slog.String("route", r.routePath()),
		slog.Int("status", r.status), slog.Duration("took", took),
		slog.String("request-id", r.id), slog.String("user", r.principal.User), slog.String("app", r.principal.App),
	}
	if r.outer != nil {
		attrs = append(attrs, slog.String("batch", r.outer.id))
	}
	if id := traceID(r.Header); id != "" {
		attrs = append(attrs, slog.String("trace-id", id))
	}
	s.log.LogAttrs(r.Context(), slog.LevelInfo, "request", attrs...)
}

// routePath is the path of the request as the table has it; "-" if it is not there.
func (r *request) routePath() string {
	if rt := r.route(); rt != nil {
		return rt.path
	}
	return "-"
}

// commonHeaders sets what every answer carries (semantics §1).
func commonHeaders(r *request) {
	h := r.header
	r.setHeader("Request-Id", r.id)
	r.setHeader("Client-Request-Id", r.clientID)
	r.setHeader("X-Ms-Ags-Diagnostic", `{"ServerInfo":{"DataCenter":"Duly","Slice":"E","Ring":"1","ScaleUnit":"000","RoleInstance":"duly"}}`)
	r.setHeader("Cache-Control", "no-cache")
	r.setHeader("Odata-Version", "4.0")
	r.setHeader("X-Content-Type-Options", "nosniff")
	if r.Header.Get("Origin") != "" {
		h.Set("Access-Control-Allow-Origin", "*")
		h.Set("Access-Control-Expose-Headers", "ETag, Location, Preference-Applied, Content-Range, request-id, client-request-id, ReadWriteConsistencyToken, Retry-After, SdkVersion, WWW-Authenticate, x-ms-client-gcc-tenant, x-ms-ags-diagnostic")
	}
}

// serve checks the token and has the request dispatched.
func (s *Server) serve(r *request) (err error) {
	if r.Method == http.MethodOptions {
		return s.preflight(r)
	}
	principal, err := s.verifier.Authenticate(r.Request)
	if err != nil && !s.isOpen(r) {
		return err
	}
	r.principal, r.refused = principal, err
	return s.dispatch(r)
}

// isOpen says whether the request is for a route that asks for no token; a bad
// one does no harm there.
func (s *Server) isOpen(r *request) bool {
	path, err := r.cutVersion()
	if err != nil {
		return false
	}
	m, err := s.tree.find(path, "")
	if err != nil {
		return false
	}
	rt := m.node.routes[r.Method]
	return rt != nil && (rt.needs == noToken || rt.needs == uploadSecret && !s.profile.UploadNeedsToken)
}

// dispatch does all that comes between the token and the answer.
func (s *Server) dispatch(r *request) error {
	r.as = store.As{User: r.principal.User, App: r.principal.App}
	path, err := r.cutVersion()
	if err != nil {
		return err
	}
	if r.match, err = s.tree.find(path, r.principal.User); err != nil {
		return err
	}
	rt := r.node.routes[r.Method]
	if rt == nil {
		return methodNotAllowed(r, r.node)
	}
	if err := s.authorize(r, rt.needs); err != nil {
		return err
	}
	if err := s.throttle.enter(r, rt.needs); err != nil {
		return err
	}
	defer s.throttle.leave(r)
	if r.query, err = parseQuery(r.URL.RawQuery); err != nil {
		return err
	}
	if r.prefer, err = parsePrefer(r.Header.Values("Prefer")); err != nil {
		return err
	}
	if r.prefer.immutableID { // all ids are (semantics 21)
		r.header.Add("Preference-Applied", `IdType="ImmutableId"`)
	}
	r.bare = wantsNoMetadata(r.Header.Get("Accept"))
	if err := rt.serve(s, r); err != nil {
		return err
	}
	if r.status == 0 {
		return errors.New("the handler gave no answer")
	}
	return nil
}

// cutVersion takes the version off the path and returns the rest, still escaped.
func (r *request) cutVersion() (string, error) {
	version, rest, _ := strings.Cut(strings.TrimPrefix(r.URL.EscapedPath(), "/"), "/")
	switch {
	case strings.EqualFold(version, "v1.0"):
		r.version = "v1.0"
	case strings.EqualFold(version, "beta"):
		r.version = "beta"
	default:
		if decoded, err := url.PathUnescape(version); err == nil {
			version = decoded
		}
		if version == "" {
			return "", todo.Errorf(todo.BadRequest, "", "The path names no version. Use /v1.0 or /beta.")
		}
		return "", todo.Errorf(todo.BadRequest, "", "Invalid version: %s. Use /v1.0 or /beta.", shortened(version))
	}
	return "/" + rest, nil
}

// shortened keeps what a client sent from filling a message.
func shortened(s string) string {
	const limit = 60
	if len(s) <= limit {
		return strings.ToValidUTF8(s, "\ufffd")
	}
	return strings.ToValidUTF8(s[:limit], "\ufffd") + "…"
}

// authorize checks that the token allows the route, and finds the mailbox. A
// token that speaks for a user reaches that user's mailbox alone; whether
// another one exists makes no difference to the answer.
// A route without needs is open to every token.
func (s *Server) authorize(r *request, needs *permission) error {
	if needs == nil || needs == noToken {
		return nil
	}
	if r.refused != nil { // it is an uploadSecret's: the path has to name the mailbox, which need not exist
		if r.as.User = strings.ToLower(r.params.get("user")); !store.ValidGUID(r.as.User) {
			return r.refused
		}
		return nil
	}
	p := r.principal
	allowed := needs.delegated
	if p.AppOnly {
		allowed = needs.application
	}
	if !hasAny(p, allowed) {
		return denied(needs.directory)
	}
	target, named := r.params.lookup("user")
	switch {
	case p.AppOnly && target == "":
		if !named && (needs.directory || needs == subscriptionsRead) {
			return nil
		}
		return meNeedsUser()
	case needs.directory, !named:
		return nil
	}
	return s.enter(r, target)
}

func meNeedsUser() error {
	return todo.Errorf(todo.BadRequest, "", "/me request is only valid with delegated authentication flow.")
}

// enter makes the mailbox of target, an id or a name, that of the request, if the
// token reaches it.
func (s *Server) enter(r *request, target string) error {
	p := r.principal
	switch {
	case p.AppOnly:
		u, err := s.db.User(r.Context(), target)
		if err != nil {
			return err
		}
		r.as.User = u.ID
		return nil
	case target == p.User:
		return nil
	}
	own, err := s.isOwn(r.Context(), p.User, target)
	if err != nil || own {
		return err
	}
	if s.profile.RoutingHint {
		return todo.Errorf(todo.WrongMailbox, "", "The x-anchor mailbox '%s' does not match the target of the request.", p.User)
	}
	return denied(false)
}

// isOwn says whether target is another spelling of the user's id, or the
// principal name.
func (s *Server) isOwn(ctx context.Context, user, target string) (bool, error) {
	if strings.EqualFold(user, target) {
		return true, nil
	}
	u, err := s.db.User(ctx, user)
	return err == nil && strings.EqualFold(u.UserPrincipalName, target), err
}

func hasAny(p auth.Principal, permissions []string) bool {
	for _, name := range permissions {
		if p.Has(name) {
			return true
		}
	}
	return false
}

// preflight answers the browser's question before a call from another origin.
// Every origin may call: it is the token that opens a mailbox (semantics 1.12).
func (s *Server) preflight(r *request) error {
	path, err := r.cutVersion()
	if err != nil {
		return err
	}
	m, err := s.tree.find(path, "")
	if err != nil {
		return err
	}
	r.header.Set("Allow", m.node.allow())
	r.header.Set("Access-Control-Allow-Origin", "*")
	r.header.Set("Access-Control-Allow-Methods", m.node.allow())
	r.header.Set("Access-Control-Max-Age", "3600")
	if asked := r.Header.Get("Access-Control-Request-Headers"); asked != "" {
		r.header.Set("Access-Control-Allow-Headers", asked)
	}
	r.answer(http.StatusOK, nil)
	return nil
}

// base is the scheme and host that the client used. Headers of a proxy count
// only when the peer is one of ours.
func (s *Server) base(r *http.Request) string {
	if s.baseURL != "" {
		return s.baseURL
	}
	scheme, host := "http", r.Host
	if r.TLS != nil {
		scheme = "https"
	}
	if len(s.proxies) > 0 && s.trusts(r.RemoteAddr) {
		if proto := firstOf(r.Header.Get("X-Forwarded-Proto")); proto == "http" || proto == "https" {
			scheme = proto
		}
		if forwarded := firstOf(r.Header.Get("X-Forwarded-Host")); validHost(forwarded) {
			host = forwarded
		}
	}
	if !validHost(host) {
		host = "localhost"
	}
	return scheme + "://" + host
}

func (s *Server) trusts(remote string) bool {
	host, _, err := net.SplitHostPort(remote)
	if err != nil {
		return false
	}
	addr, err := netip.ParseAddr(host)
	if err != nil {
		return false
	}
	for _, p := range s.proxies {
		if p.Contains(addr.Unmap()) {
			return true
		}
	}
	return false
}

// firstOf is the first member of a list header: the client's own proxy.
func firstOf(header string) string {
	first, _, _ := strings.Cut(header, ",")
	return strings.TrimSpace(first)
}

// validHost keeps what is no host and port out of links.
func validHost(host string) bool {
	for i := range len(host) {
		if c := host[i]; !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.IndexByte(".-_:[]", c) >= 0) {
			return false
		}
	}
	return host != "" && len(host) <= 255
}

// update runs fn in a transaction on the request's mailbox.
func (s *Server) update(r *request, fn func(*store.Tx) error) error {
	return s.db.Update(r.Context(), r.as, fn)
}

// glance is view for an fn that reads a few rows.
func (s *Server) glance(r *request, fn func(*store.Tx) error) error {
	return s.db.Glance(r.Context(), r.as.User, fn)
}

// view runs fn on a snapshot of the request's mailbox.
func (s *Server) view(r *request, fn func(*store.Tx) error) error {
	return s.db.View(r.Context(), r.as.User, fn)
}

// defaultListAlias is what clients may write for the id of the default list.
const defaultListAlias = "Tasks"

// list finds the list of the path, by id or by its alias, and writes the real id
// into the request, so that links of the answer hold it.
func (r *request) list(tx *store.Tx) (string, error) {
	id := r.params.get("list")
	if store.ValidID(id) {
		return id, nil
	}
	if !strings.EqualFold(id, defaultListAlias) {
		return "", malformedID()
	}
	l, err := tx.DefaultList()
	if err != nil {
		return "", err
	}
	r.params.set("list", l.ID)
	r.path = replaceSegment(r.path, "/todo/lists/"+escapeID(id), "/todo/lists/"+l.ID)
	return l.ID, nil
}

// replaceSegment replaces the first old in path, where it ends a segment.
func replaceSegment(path, old, now string) string {
	before, after, _ := strings.Cut(path, old)
	return before + now + after
}

// task loads the task of the path.
func (r *request) task(tx *store.Tx, parts ...store.Part) (todo.Task, error) {
	list, err := r.list(tx)
	if err != nil {
		return todo.Task{}, err
	}
	if !store.ValidID(r.params.get("task")) {
		return todo.Task{}, malformedID()
	}
	return tx.Task(list, r.params.get("task"), parts...)
}

// item is the id of the step or linked resource of the path.
func (r *request) item() (string, error) {
	id := r.params.get("item")
	if !store.ValidGUID(id) {
		return "", malformedID()
	}
	return strings.ToLower(id), nil
}

func malformedID() error { return todo.Errorf(todo.MalformedID, "", "Id is malformed.") }
