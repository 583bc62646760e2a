package graph

import (
	"cmp"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/duly-todo/duly/internal/todo"
)

// Sizes of a page (semantics 6.2 and 6.3).
const (
	defaultPage = 50
	maxPage     = 1000
	maxSkip     = 1 << 31
	maxAliases  = 16
)

// A query is the system query options of a request.
type query struct {
	raw  string // as sent
	top  int    // -1: not sent
	skip int

	filter, orderBy, sel, expand, search string // as text; options reads them

	count   bool
	aliases map[string]string // parameter aliases, with their "@"

	token  string // $skiptoken or $deltatoken
	latest bool   // $deltatoken=latest
}

// parseQuery reads the query options. The "$" may be left out, and their names
// have no case. What is not an option of OData is left to others.
func parseQuery(raw string) (q query, err error) {
	q = query{raw: raw, top: -1}
	if raw == "" {
		return q, nil
	}
	for pair := range strings.SplitSeq(raw, "&") {
		name, value, err := splitOption(pair)
		if err != nil {
			return q, err
		}
		switch name {
		case "top":
			q.top, err = optionNumber("$top", value, maxSkip)
		case "skip":
			q.skip, err = optionNumber("$skip", value, maxSkip)
		case "filter":
			q.filter = value
		case "orderby":
			q.orderBy = value
		case "select":
			q.sel = value
		case "expand":
			q.expand = value
		case "search":
			q.search = value
		case "count":
			if q.count = strings.EqualFold(value, "true"); !q.count && !strings.EqualFold(value, "false") {
				err = todo.Errorf(todo.BadRequest, "$count", "Invalid value '%s' for the query option '$count': it must be true or false.", shortened(value))
			}
		case "format":
			if !strings.HasPrefix(strings.ToLower(value), "json") && !strings.HasPrefix(strings.ToLower(value), "application/json") {
				err = todo.Errorf(todo.BadRequest, "$format", "The value '%s' of the query option '$format' is not supported; use json.", shortened(value))
			}
		case "skiptoken", "deltatoken":
			q.latest = name == "deltatoken" && strings.EqualFold(value, "latest")
			if q.token = value; q.latest {
				q.token = ""
			}
		case "apply", "compute", "index", "levels":
			err = todo.Errorf(todo.NotImplemented, "$"+name, "The query option '$%s' is not supported.", name)
		default:
			if strings.HasPrefix(name, "@") && len(q.aliases) < maxAliases {
				if q.aliases == nil {
					q.aliases = map[string]string{}
				}
				q.aliases[name] = value
			}
		}
		if err != nil {
			return q, err
		}
	}
	return q, nil
}

// splitOption decodes a name=value pair of a query; the name comes without "$"
// and in lower case.
func splitOption(pair string) (name, value string, err error) {
	name, value, _ = strings.Cut(pair, "=")
	if name, err = url.QueryUnescape(name); err == nil {
		value, err = url.QueryUnescape(value)
	}
	if err != nil {
		return "", "", todo.Errorf(todo.BadRequest, "", "The query '%s' is not well formed.", shortened(pair))
	}
	return strings.ToLower(strings.TrimPrefix(name, "$")), value, nil
}

func optionNumber(name, value string, limit int) (int, error) {
	n, err := strconv.Atoi(strings.TrimSpace(value))
	if err != nil || n < 0 || n > limit {
		return 0, todo.Errorf(todo.BadRequest, name, "Invalid value '%s' for the query option '%s': it must be a whole number from 0 to %d.", shortened(value), name, limit)
	}
	return n, nil
}

// page is how many items the answer holds at most: $top, else what the Prefer
// header asks for, else the default.
func (r *request) page() int {
	switch {
	case r.query.top >= 0:
		return min(r.query.top, maxPage)
	case r.prefer.maxPageSize > 0:
		return min(r.prefer.maxPageSize, maxPage)
	}
	return defaultPage
}

// nextLink is the address of the page that begins after skip items: the URL of
// this request, with $skip as its last option (semantics 6.1 and 6.6). A token
// beside it says after which item the page begins, so that what is written
// meanwhile makes no item come twice or never.
func (r *request) nextLink(skip int, token string) string {
	var b strings.Builder
	b.WriteString(r.base + "/" + r.version + r.path + "?")
	if r.query.raw != "" {
		for pair := range strings.SplitSeq(r.query.raw, "&") {
			if name, _, err := splitOption(pair); err == nil && name != "skip" && name != "skiptoken" && pair != "" {
				b.WriteString(pair + "&")
			}
		}
	}
	if token != "" {
		b.WriteString("$skiptoken=" + token + "&")
	}
	b.WriteString("$skip=" + strconv.Itoa(skip))
	return b.String()
}

// preferences are the members of the Prefer header that the API knows.
type preferences struct {
	zone        *time.Location // of dateTimeTimeZone members in the answer; nil: UTC
	zoneName    string         // as the client spelled it
	html        bool           // bodies as HTML
	minimal     bool           // no body in the answer to a PATCH
	immutableID bool
	maxPageSize int
}

// parsePrefer reads the Prefer headers. Members that are not known, or whose
// value makes no sense, are ignored (RFC 7240), but for an unknown time zone:
// dates in another zone than the client thinks would be wrong dates.
func parsePrefer(headers []string) (p preferences, err error) {
	for _, header := range headers {
		for header != "" {
			var member string
			member, header = cutMember(header)
			name, value, _ := strings.Cut(member, "=")
			value = strings.Trim(strings.TrimSpace(value), `"`)
			switch strings.ToLower(strings.TrimSpace(name)) {
			case "outlook.timezone":
				if p.zone, err = todo.LoadZone(value); err != nil {
					return p, todo.Errorf(todo.BadTimeZone, "Prefer", "The TimeZone value '%s' in the Prefer header is not supported.", shortened(value))
				}
				p.zoneName = cmp.Or(value, "UTC")
			case "outlook.body-content-type":
				p.html = strings.EqualFold(value, "html")
			case "return":
				p.minimal = strings.EqualFold(value, "minimal")
			case "idtype":
				p.immutableID = strings.EqualFold(value, "ImmutableId")
			case "odata.maxpagesize", "maxpagesize":
				if n, err := strconv.Atoi(value); err == nil && n > 0 {
					p.maxPageSize = n
				}
			}
		}
	}
	return p, nil
}

// cutMember takes the first member off a list header, minding quotes.
func cutMember(header string) (member, rest string) {
	quoted := false
	for i := range len(header) {
		switch header[i] {
		case '"':
			quoted = !quoted
		case ',', ';':
			if !quoted {
				return header[:i], header[i+1:]
			}
		}
	}
	return header, ""
}

// wantsNoMetadata says whether the Accept header asks for odata.metadata=none.
func wantsNoMetadata(accept string) bool {
	return strings.Contains(accept, "metadata") &&
		strings.Contains(strings.ToLower(strings.ReplaceAll(accept, " ", "")), "odata.metadata=none")
}
