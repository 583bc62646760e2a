// Package odata reads the URLs of OData 4.01 as Microsoft Graph spells them.
package odata

import (
	"net/url"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/duly-todo/duly/internal/todo"
)

// Bounds of a path. The longest path of the API has 13 segments, and ids, user
// names and extension names leave it far below the limit of bytes.
const (
	maxPath     = 4_096 // bytes, as sent
	maxSegments = 32    // keys in parentheses count too
)

// A Segment is one part of a path: a name or an id between slashes, or what
// stands in parentheses after a name.
type Segment struct {
	// Name is the decoded text. Of a key it is the value without its quotes; of
	// others it is the name without "microsoft.graph." or "graph." before it and
	// without empty parentheses after it, so that all spellings of a function
	// are one. Its case is as sent.
	Name string

	// Raw is the decoded text before anything is taken off. It differs from Name
	// only where Name is shorter; an id between slashes is Raw, since an id may
	// well start with "graph.".
	Raw string

	// Key says that the segment stood in parentheses, as in lists('x'). A single
	// parameter of a function is written the same way and is a key as well.
	Key bool

	// KeyName is the name before the equals sign in parentheses, as in
	// users(userPrincipalName='x'), or empty.
	KeyName string
}

// ParsePath splits the escaped path of a URL, from the version segment's end on,
// into its segments: /me/todo/lists('AQ%3D%3D')/tasks/delta() has six. Segments
// are split first and decoded once afterwards, so an id may hold %2F. Slashes at
// the end are ignored, and the root has no segments. The spellings are those of
// concepts/traverse-the-graph, the OpenAPI of Graph and what clients send.
//
// The error is a *todo.Error of kind BadRequest that names the segment: a broken
// escape, invalid UTF-8, a control character, an empty segment, parentheses or
// quotes without their partners, several keys at once, more than 4,096 bytes or
// 32 segments.
func ParsePath(escaped string) ([]Segment, error) {
	if len(escaped) > maxPath {
		return nil, todo.Errorf(todo.BadRequest, "", "The path of the URL is longer than the %d bytes allowed.", maxPath)
	}
	rest := strings.TrimPrefix(strings.TrimRight(escaped, "/"), "/")
	if rest == "" {
		return nil, nil
	}
	most := 1 + strings.Count(rest, "/") + strings.Count(rest, "(") + strings.Count(rest, "%28")
	segments := make([]Segment, 0, min(most, maxSegments))
	for more := true; more; {
		var sent string
		sent, rest, more = strings.Cut(rest, "/")
		decoded, problem := decodeSegment(sent)
		if problem != "" {
			return nil, badSegment(sent, problem)
		}
		name, key, problem := splitSegment(decoded)
		if problem != "" {
			return nil, badSegment(sent, problem)
		}
		segments = append(segments, name)
		if key.Key {
			segments = append(segments, key)
		}
		if len(segments) > maxSegments {
			return nil, todo.Errorf(todo.BadRequest, "", "The path of the URL has more than the %d segments allowed: '%s' is beyond them.",
				maxSegments, shown(sent))
		}
	}
	return segments, nil
}

// decodeSegment resolves the percent escapes of one segment. It returns a
// problem to tell the client, or "".
func decodeSegment(sent string) (decoded, problem string) {
	if sent == "" {
		return "", "it is empty"
	}
	decoded = sent
	if strings.Contains(sent, "%") {
		var err error
		if decoded, err = url.PathUnescape(sent); err != nil {
			return "", "it has a percent sign without two hexadecimal digits"
		}
	}
	if isPrintableASCII(decoded) {
		return decoded, ""
	}
	if !utf8.ValidString(decoded) {
		return "", "it is not UTF-8"
	}
	if strings.ContainsFunc(decoded, unicode.IsControl) {
		return "", "it has a control character"
	}
	return decoded, ""
}

func isPrintableASCII(s string) bool {
	for i := range len(s) {
		if s[i] < ' ' || s[i] > '~' {
			return false
		}
	}
	return true
}

// splitSegment separates a name from the key in parentheses after it.
func splitSegment(s string) (name, key Segment, problem string) {
	open := strings.IndexByte(s, '(')
	if open < 0 {
		if strings.IndexByte(s, ')') >= 0 {
			return name, key, "it has a closing parenthesis without an opening one"
		}
		return Segment{Name: unqualified(s), Raw: s}, key, ""
	}
	if open == 0 {
		return name, key, "it has no name before the parenthesis"
	}
	inner, ok := strings.CutSuffix(s[open+1:], ")")
	if !ok {
		return name, key, "it does not end with its closing parenthesis"
	}
	if inner == "" {
		return Segment{Name: unqualified(s[:open]), Raw: s}, key, ""
	}
	key, problem = parseKey(inner)
	return Segment{Name: unqualified(s[:open]), Raw: s[:open]}, key, problem
}

// unqualified takes the namespace off a qualified name such as
// microsoft.graph.delta, and nothing off names that only look like one, such as
// the user name graph.admin@example.com.
func unqualified(s string) string {
	for _, namespace := range [...]string{"microsoft.graph.", "graph."} {
		if len(s) > len(namespace) && strings.EqualFold(s[:len(namespace)], namespace) && isIdentifier(s[len(namespace):]) {
			return s[len(namespace):]
		}
	}
	return s
}

// parseKey reads what stands in parentheses: 'x', x, name='x', name=x, or with
// the name of an enumeration before the quote, name=microsoft.graph.type'x'.
func parseKey(s string) (key Segment, problem string) {
	key.Key = true
	// An id without quotes may end in equals signs that are its own.
	if name, value, ok := strings.Cut(s, "="); ok && isIdentifier(name) && strings.Trim(value, "=") != "" {
		key.KeyName, s = name, value
	}
	value, problem := keyValue(s)
	key.Name, key.Raw = value, value
	return key, problem
}

// keyValue reads the value of a key or a parameter.
func keyValue(s string) (value, problem string) {
	quote := strings.IndexByte(s, '\'')
	if quote < 0 {
		if strings.ContainsAny(s, "(), ") {
			return "", "its key has characters that need quotes"
		}
		return s, ""
	}
	if quote > 0 && !isQualified(s[:quote]) {
		return "", "its key does not start with a quote"
	}
	value, ok := strings.CutSuffix(s[quote+1:], "'")
	if !ok {
		return "", "its key does not end with a quote"
	}
	if value == "" {
		return "", "its key is empty"
	}
	if strings.Contains(value, "'") {
		plain := strings.ReplaceAll(value, "''", "")
		if strings.Contains(plain, "'") {
			return "", "its key has a quote that is not doubled"
		}
		value = strings.ReplaceAll(value, "''", "'")
	}
	return value, ""
}

// ResolveParameter is the value of a function's parameter as ParsePath gives it:
// itself, or where it is an alias such as @p what the query says for that, which
// is written as in parentheses. The names of aliases are in lower case. The error
// is a *todo.Error of kind BadRequest.
func ResolveParameter(value string, aliases map[string]string) (string, error) {
	if !strings.HasPrefix(value, "@") {
		return value, nil
	}
	sent, ok := aliases[strings.ToLower(value)]
	if !ok {
		return "", todo.Errorf(todo.BadRequest, "", "The query has no value for the parameter alias '%s'.", shown(value))
	}
	resolved, problem := keyValue(sent)
	if problem != "" {
		return "", todo.Errorf(todo.BadRequest, "", "The value '%s' of the parameter alias '%s' cannot be read: %s.", shown(sent), shown(value), problem)
	}
	return resolved, nil
}

// isQualified says whether s is a name with a namespace or without one.
func isQualified(s string) bool {
	for part := range strings.SplitSeq(s, ".") {
		if !isIdentifier(part) {
			return false
		}
	}
	return true
}

// isIdentifier says whether s is a name as Graph's model has them.
func isIdentifier(s string) bool {
	for i := range len(s) {
		c := s[i]
		if letter := c|0x20 >= 'a' && c|0x20 <= 'z' || c == '_'; !letter && (i == 0 || c < '0' || c > '9') {
			return false
		}
	}
	return s != ""
}

func badSegment(sent, problem string) error {
	return todo.Errorf(todo.BadRequest, "", "The segment '%s' of the URL cannot be read: %s.", shown(sent), problem)
}

// shown cuts a segment to what fits into a message.
func shown(sent string) string {
	const limit = 100 // bytes
	if len(sent) > limit {
		sent = sent[:limit] + "…"
	}
	return strings.ToValidUTF8(sent, "\ufffd")
}
