package graph

import (
	"cmp"
	"encoding/base64"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/duly-todo/duly/internal/store"
	"github.com/duly-todo/duly/internal/todo"
)

// Bounds of a batch that are not those of every body.
const (
	maxBatchParts  = 20       // Graph's own limit
	batchReaders   = 4        // GETs of one batch that are answered at once
	maxPartHead    = 64 << 10 // bytes of a part's url and headers: what a request of its own may have
	maxPartID      = 1_000    // bytes of an id, which is written into the answer
	maxBatchAnswer = 32 << 20 // bytes of all answers of a batch, see batchAnswer
)

// A part is one of the requests in a batch. Its answer may be read once done is
// closed.
type part struct {
	name    string // "requests[3]", for messages
	id      string
	method  string
	url     string
	header  http.Header
	body    jsonValue
	hasBody bool
	after   []*part // whose answers come before this one is started: dependsOn

	done   chan struct{}
	answer batchAnswer
}

// batch serves POST /$batch. It needs a token and no permission of its own: each
// part is a request that goes the way of all others from the look-up of its
// route on. A batch that makes no sense as a whole is an error and none of it is
// done; otherwise the answer is a 200, whatever the parts are answered.
//
// It is no transaction, and atomicityGroup is ignored. Answers come in the
// order of the requests.
func (s *Server) batch(r *request) error {
	if r.outer != nil {
		return todo.Errorf(todo.BadRequest, "url", "A batch cannot be a part of a batch.")
	}
	v, err := r.readObject("batchRequestContent")
	if err != nil {
		return err
	}
	parts, err := decodeBatch(v)
	if err != nil {
		return err
	}
	if s.profile.PlainBatches && !isPlain(parts) {
		return todo.Errorf(todo.BadRequest, "dependsOn", "Batch should be either fully sequential or fully parallel")
	}
	s.runParts(r, parts)
	e := r.encoder()
	e.b = append(e.b, `{"responses":[`...)
	for _, p := range parts {
		e.part(p)
	}
	e.b = append(e.b, "]}"...)
	r.answer(http.StatusOK, e.b)
	return nil
}

// decodeBatch reads the parts of a batch. Its errors name the member by its
// path, such as requests[3].url.
func decodeBatch(v jsonValue) ([]*part, error) {
	requests, ok := v.member("requests")
	if !ok || requests.isNull() {
		return nil, requiredOf("requests")
	}
	if _, err := requests.array("Collection(batchRequestStep)"); err != nil {
		return nil, err
	}
	var parts []*part
	byID := make(map[string]*part, maxBatchParts)
	for i, item := range requests.items() {
		if i == maxBatchParts {
			return nil, todo.Errorf(todo.BadRequest, "requests", "Number of requests inside batch exceed the limit.")
		}
		p, err := decodePart(item)
		if err != nil {
			return nil, err
		}
		if other := byID[p.id]; other != nil {
			return nil, todo.Errorf(todo.BadRequest, p.name+".id", "The property '%s.id' must be unique in the batch: %s has the id '%s' too.", p.name, other.name, shortened(p.id))
		}
		byID[p.id] = p
		parts = append(parts, p)
	}
	if len(parts) == 0 {
		return nil, todo.Errorf(todo.BadRequest, "requests", "The property 'requests' must hold at least one request.")
	}
	for i, item := range requests.items() {
		if err := parts[i].decodeDependsOn(item, byID); err != nil {
			return nil, err
		}
	}
	return parts, checkAcyclic(parts)
}

func requiredOf(name string) error {
	return todo.Errorf(todo.BadRequest, name, "The property '%s' is required.", name)
}

// decodePart reads all of a part but what it depends on.
func decodePart(v jsonValue) (*part, error) {
	p := &part{name: v.path(), header: http.Header{}, done: make(chan struct{})}
	if _, err := v.object("batchRequestStep"); err != nil {
		return nil, err
	}
	for _, member := range []struct {
		name string
		to   *string
	}{{"id", &p.id}, {"method", &p.method}, {"url", &p.url}} {
		text, ok := v.member(member.name)
		if !ok || text.isNull() {
			return nil, requiredOf(p.name + "." + member.name)
		}
		var err error
		if *member.to, err = text.str(); err != nil {
			return nil, err
		}
		if *member.to == "" {
			return nil, requiredOf(p.name + "." + member.name)
		}
	}
	if len(p.id) > maxPartID {
		return nil, todo.Errorf(todo.BadRequest, p.name+".id", "The property '%s.id' is longer than the %d bytes allowed.", p.name, maxPartID)
	}
	p.method = strings.ToUpper(p.method)
	if len(p.method) > len("PROPPATCH") || strings.Trim(p.method, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") != "" {
		return nil, todo.Errorf(todo.BadRequest, p.name+".method", "The property '%s.method' is no HTTP method.", p.name)
	}
	if p.body, p.hasBody = v.member("body"); p.hasBody {
		p.hasBody = !p.body.isNull()
	}
	return p, p.decodeHeaders(v)
}

// decodeHeaders reads the headers of a part. Those about the connection, the
// token and the browser are the batch's, and no part of the answer is compressed.
func (p *part) decodeHeaders(v jsonValue) error {
	headers, ok := v.member("headers")
	if !ok || headers.isNull() {
		return nil
	}
	if _, err := headers.object("Collection(Edm.String)"); err != nil {
		return err
	}
	for name, value := range headers.members() {
		if value.isNull() {
			continue
		}
		text, err := value.str()
		if err != nil {
			return err
		}
		switch name = http.CanonicalHeaderKey(name); name {
		case "Authorization", "Accept-Encoding", "Content-Encoding", "Content-Length", "Transfer-Encoding", "Connection", "Host", "Origin":
		default:
			p.header[name] = []string{text}
		}
	}
	return nil
}

// decodeDependsOn finds the parts that p depends on.
func (p *part) decodeDependsOn(v jsonValue, byID map[string]*part) error {
	ids, ok := v.member("dependsOn")
	if !ok || ids.isNull() {
		return nil
	}
	if _, err := ids.array("Collection(Edm.String)"); err != nil {
		return err
	}
	for _, item := range ids.items() {
		id, err := item.str()
		if err != nil {
			return err
		}
		other := byID[id]
		switch {
		case other == nil:
			return todo.Errorf(todo.BadRequest, p.name+".dependsOn", "The property '%s.dependsOn' names the id '%s', which no request of the batch has.", p.name, shortened(id))
		case other == p:
			return todo.Errorf(todo.BadRequest, p.name+".dependsOn", "The property '%s.dependsOn' names the request's own id '%s'.", p.name, shortened(id))
		case !slices.Contains(p.after, other):
			p.after = append(p.after, other)
		}
	}
	return nil
}

// checkAcyclic refuses parts that wait for each other.
func checkAcyclic(parts []*part) error {
	sorted := make(map[*part]bool, len(parts)) // those that can be started in the end
	for range parts {
		for _, p := range parts {
			sorted[p] = !slices.ContainsFunc(p.after, func(d *part) bool { return !sorted[d] })
		}
	}
	stuck := func(p *part) bool { return !sorted[p] }
	i := slices.IndexFunc(parts, stuck)
	if i < 0 {
		return nil
	}
	// What is stuck depends on something stuck: after as many steps as there are
	// parts, the walk is in a cycle.
	p := parts[i]
	for range parts {
		p = p.after[slices.IndexFunc(p.after, stuck)]
	}
	return todo.Errorf(todo.BadRequest, p.name+".dependsOn", "The property '%s.dependsOn' makes the request '%s' depend on itself by way of others.", p.name, shortened(p.id))
}

// isPlain says whether the dependencies have one of the three forms that the
// real service takes: none at all, each part on the one before it, or all that
// depend on anything on one and the same.
func isPlain(parts []*part) bool {
	serial, same := true, true
	var shared *part
	for i, p := range parts {
		if i > 0 {
			serial = serial && len(p.after) == 1 && p.after[0] == parts[i-1]
		}
		if len(p.after) == 0 {
			continue
		}
		if shared == nil {
			shared = p.after[0]
		}
		same = same && len(p.after) == 1 && p.after[0] == shared
	}
	return same || serial && len(parts[0].after) == 0
}

// runParts answers all parts, each as soon as those that it depends on are
// answered, and returns when the last one is. Reading takes a processor, so few
// parts do it at once; writing waits for the disk, and all that wait share one
// commit. Where applications have limits, few parts write at once as well, and
// no batch is refused for what it does to itself.
func (s *Server) runParts(r *request, parts []*part) {
	var wg sync.WaitGroup
	var size atomic.Int64
	atOnce := s.throttle.atOnce()
	slots := make(chan struct{}, min(batchReaders, cmp.Or(atOnce, batchReaders)))
	for _, p := range parts {
		p.answer = batchAnswer{header: http.Header{}, size: &size}
		wg.Go(func() {
			defer close(p.done)
			for _, d := range p.after {
				<-d.done
			}
			if p.method == http.MethodGet || atOnce > 0 {
				slots <- struct{}{} // its turn has come: what has a slot waits for no other part
				defer func() { <-slots }()
			}
			s.runPart(r, p)
		})
	}
	wg.Wait()
}

// runPart answers one part: as a request of its own, with what the batch has
// found out already. It has the batch's token and base of links, and its
// client-request-id unless it names one.
func (s *Server) runPart(outer *request, p *part) {
	hr := (&http.Request{
		Method: p.method, URL: &url.URL{Path: "/"}, Header: p.header, Body: http.NoBody,
		Proto: outer.Proto, ProtoMajor: outer.ProtoMajor, ProtoMinor: outer.ProtoMinor,
		Host: outer.Host, RemoteAddr: outer.RemoteAddr, TLS: outer.TLS,
	}).WithContext(outer.Context())
	r := &request{
		Request: hr, w: &p.answer, header: p.answer.header, outer: outer,
		id: store.NewTag(), clientID: outer.clientID, now: s.now(), base: outer.base,
		principal: outer.principal, out: make([]byte, 0, 2048),
	}
	if id := hr.Header.Get("client-request-id"); store.ValidGUID(id) {
		r.clientID = id
	}
	s.run(r, func(r *request) error {
		if slices.ContainsFunc(p.after, func(d *part) bool { return d.answer.status >= http.StatusBadRequest }) {
			return todo.Errorf(todo.FailedDependency, "dependsOn", "Request failed as dependent request failed")
		}
		if gone := outer.Context().Err(); gone != nil {
			return fmt.Errorf("the batch was given up before %s was started: %w", p.name, gone)
		}
		if err := p.fill(hr, outer); err != nil {
			return err
		}
		if err := s.dispatch(r); err != nil {
			return err
		}
		if p.answer.tooLarge {
			return todo.Errorf(todo.AnswerTooLarge, "", "The answers of the batch are larger than the %d bytes allowed, so this one is left out. The request itself succeeded: what it asked to change is changed.", maxBatchAnswer)
		}
		return nil
	})
}

// A batchAnswer keeps the answer to a part, as an http.ResponseWriter.
//
// All answers of a batch share a bound, since parts that each may answer with a
// thousand tasks would else fill the memory. An answer that has no room becomes
// a 507, which clients do not try again by themselves; which of several it is
// depends on who comes first. Errors are small and have room always.
type batchAnswer struct {
	header   http.Header
	status   int
	body     []byte
	size     *atomic.Int64 // of the answers of the batch
	tooLarge bool
}

func (a *batchAnswer) Header() http.Header { return a.header }

// WriteHeader begins the answer, anew if there was one: a handler that fails
// after it has answered has failed.
func (a *batchAnswer) WriteHeader(status int) {
	a.size.Add(int64(-len(a.body)))
	a.status, a.body = status, nil
}

// Write takes what has room.
func (a *batchAnswer) Write(b []byte) (int, error) {
	if a.status == 0 {
		a.WriteHeader(http.StatusOK)
	}
	if a.size.Add(int64(len(b))) > maxBatchAnswer && a.status < http.StatusBadRequest {
		a.size.Add(int64(-len(b)))
		a.tooLarge = true
		return 0, fmt.Errorf("the answers of a batch are larger than %d bytes", maxBatchAnswer)
	}
	a.body = append(a.body, b...)
	return len(b), nil
}

// fill puts the url and the body of the part into a request.
func (p *part) fill(hr *http.Request, outer *request) error {
	size := len(p.url)
	for name, values := range p.header {
		size += len(name) + len(values[0])
	}
	if size > maxPartHead {
		return todo.Errorf(todo.BadRequest, p.name, "The url and the headers of '%s' are longer than the %d bytes allowed.", p.name, maxPartHead)
	}
	u, err := p.target(outer)
	if err != nil {
		return err
	}
	body, err := p.content()
	if err != nil {
		return err
	}
	hr.URL, hr.RequestURI = u, u.RequestURI()
	if body != "" {
		hr.Body, hr.ContentLength = io.NopCloser(strings.NewReader(body)), int64(len(body))
	}
	return nil
}

// target reads the url of the part. The version is the batch's unless the url
// begins with one; a host must be ours.
func (p *part) target(outer *request) (*url.URL, error) {
	text := escapeOdd(p.url)
	scheme, _, absolute := strings.Cut(text, "://")
	absolute = absolute && !strings.ContainsAny(scheme, "/?#(")
	if !absolute && !strings.HasPrefix(text, "/") {
		text = "/" + text
	}
	u, err := url.Parse(text)
	if err != nil || u.Fragment != "" || u.User != nil || absolute && u.Scheme != "http" && u.Scheme != "https" {
		return nil, todo.Errorf(todo.BadRequest, p.name+".url", "The property '%s.url' has an invalid value: '%s'.", p.name, shortened(p.url))
	}
	if _, own, _ := strings.Cut(outer.base, "://"); (absolute || u.Host != "") && !strings.EqualFold(u.Host, own) && !strings.EqualFold(u.Host, outer.Host) {
		return nil, todo.Errorf(todo.BadRequest, p.name+".url", "The property '%s.url' names the host '%s', which is not this one.", p.name, shortened(u.Host))
	}
	path := "/" + strings.TrimPrefix(u.EscapedPath(), "/")
	if first, _, _ := strings.Cut(path[1:], "/"); !strings.EqualFold(first, "v1.0") && !strings.EqualFold(first, "beta") {
		path = "/" + outer.version + path
	}
	out := &url.URL{RawPath: path, RawQuery: u.RawQuery}
	out.Path, err = url.PathUnescape(path) // what Parse took can be unescaped
	return out, err
}

// escapeOdd escapes what may not stand in a URL and yet does in those that
// people put into JSON: spaces, quotes, letters beyond ASCII.
func escapeOdd(s string) string {
	const hex = "0123456789ABCDEF"
	var b strings.Builder
	for i := range len(s) {
		if c := s[i]; c > ' ' && c < 0x7f && c != '"' && c != '<' && c != '>' && c != '\\' && c != '^' && c != '`' && c != '{' && c != '|' && c != '}' {
			b.WriteByte(c)
		} else {
			b.Write([]byte{'%', hex[c>>4], hex[c&15]})
		}
	}
	return b.String()
}

// content is the body of the part. JSON stands in the batch as it is; of another
// type it is a string in base64, of either alphabet. That a JSON body has no
// Content-Type is no error (semantics 18.5).
func (p *part) content() (string, error) {
	if !p.hasBody {
		return "", nil
	}
	if p.body.kind() != jsonString || isJSON(p.header.Get("Content-Type")) {
		return p.body.raw(), nil
	}
	text, err := p.body.str()
	if err != nil {
		return "", err
	}
	body, err := decodeBase64(text)
	if err != nil {
		return "", todo.Errorf(todo.BadRequest, p.name+".body", "The property '%s.body' must be JSON, or in base64 where the Content-Type is another one.", p.name)
	}
	return string(body), nil
}

// isJSON says whether a Content-Type is one of JSON. None is.
func isJSON(contentType string) bool {
	if contentType == "" || strings.HasPrefix(contentType, "application/json;") {
		return true
	}
	kind, _, err := mime.ParseMediaType(contentType)
	return err == nil && (kind == "application/json" || kind == "text/json" || strings.HasSuffix(kind, "+json"))
}

// isText says whether a Content-Type is one of text, whose bodies are strings
// (OData JSON Format 4.01, section 19.2).
func isText(contentType string) bool {
	return strings.HasPrefix(strings.ToLower(contentType), "text/")
}

// part writes the answer to a part: JSON as it is, text as a string, other bodies
// in base64, and so files, whose content type is only what some client said.
func (e *encoder) part(p *part) {
	e.open()
	e.str("id", p.id)
	e.number("status", p.answer.status)
	e.name("headers")
	e.b = append(e.b, '{')
	names := make([]string, 0, len(p.answer.header))
	for name := range p.answer.header {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		if shown := partHeader(name); shown != "" {
			e.str(shown, strings.Join(p.answer.header[name], ", "))
		}
	}
	e.close()
	if body := p.answer.body; len(body) > 0 {
		e.name("body")
		switch kind, file := p.answer.header.Get("Content-Type"), p.answer.header.Get("Content-Disposition") != ""; {
		case isJSON(kind) && !file:
			e.b = append(e.b, body...)
		case isText(kind) && !file:
			e.b = appendJSONString(e.b, string(body))
		default:
			e.b = append(e.b, '"')
			e.b = base64.StdEncoding.AppendEncode(e.b, body)
			e.b = append(e.b, '"')
		}
	}
	e.close()
}

// partHeader spells the name of a header as the real service does, since
// clients look it up in an object, and leaves out, as "", what says something
// about the connection, the browser or the whole batch.
func partHeader(name string) string {
	switch name {
	case "Content-Length", "Vary", "X-Content-Type-Options", "X-Ms-Ags-Diagnostic":
		return ""
	case "Request-Id", "Client-Request-Id":
		return strings.ToLower(name)
	case "Etag":
		return "ETag"
	case "Odata-Version":
		return "OData-Version"
	case "Www-Authenticate":
		return "WWW-Authenticate"
	}
	return name
}
