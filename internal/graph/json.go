package graph

import (
	"iter"
	"math"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/duly-todo/duly/internal/todo"
)

// Bounds of a request body that are not about its size: no body that a client
// of To Do sends comes near them, and each keeps a small body from costing much.
const (
	maxJSONDepth  = 32      // objects and arrays within each other
	maxJSONValues = 200_000 // values of every kind, objects and arrays included
)

// A jsonKind says which of the JSON types a value has.
type jsonKind uint8

const (
	jsonNull jsonKind = iota
	jsonBool
	jsonNumber
	jsonString
	jsonArray
	jsonObject
)

// A jsonDocument is a whole request body. Its values stand in one slice in the
// order of the text, each followed by all that it holds, so that a body costs
// two allocations: the copy of its text and the slice.
type jsonDocument struct {
	src   string // the text, without its byte-order mark
	nodes []jsonNode
}

type jsonNode struct {
	name       string // decoded, of a member of an object
	text       string // of a string its decoded text, of others the literal
	start, end int32  // where the value stands in src
	next       int32  // the node after this one and all that it holds
	kind       jsonKind
}

// A jsonValue points to one value of a body. It is small and meant to be copied.
// Its accessors answer in the words of the real service when the type is not the
// one asked for; the path in that answer is worked out only then.
type jsonValue struct {
	doc *jsonDocument
	at  int32
}

// parseJSON reads a whole body: one JSON value as RFC 8259 has it, in UTF-8,
// after an optional byte-order mark. Invalid UTF-8, an escaped surrogate without
// its other half, more than maxJSONDepth levels or maxJSONValues values are
// refused. The error is a *todo.Error of kind Malformed that names line and
// position, both counted from 1, the position in characters.
//
// The values share one copy of the body, which lives as long as any of them or
// of their strings.
func parseJSON(body []byte) (jsonValue, error) {
	return parseJSONWithin(body, maxJSONDepth, maxJSONValues)
}

// parseOwnJSON reads what this server has written: many bodies may stand in it,
// each a few levels deep.
func parseOwnJSON(body []byte) (jsonValue, error) {
	return parseJSONWithin(body, maxJSONDepth+16, math.MaxInt32)
}

func parseJSONWithin(body []byte, depth, values int) (jsonValue, error) {
	if len(body) > math.MaxInt32 {
		return jsonValue{}, todo.Errorf(todo.Malformed, "", "Unable to read JSON request payload: it is too long.")
	}
	doc := &jsonDocument{src: strings.TrimPrefix(string(body), "\ufeff")}
	p := jsonParser{src: doc.src, maxDepth: depth, maxValues: values, nodes: make([]jsonNode, 0, min(4+len(body)/16, 64))}
	p.space()
	if p.i == len(p.src) {
		return jsonValue{}, todo.Errorf(todo.Malformed, "", "Empty Payload. JSON content expected.")
	}
	if !utf8.ValidString(p.src) {
		return jsonValue{}, p.fail(invalidUTF8(p.src), "invalid UTF-8")
	}
	if err := p.value("", 0); err != nil {
		return jsonValue{}, err
	}
	if p.space(); p.i < len(p.src) {
		return jsonValue{}, p.unexpected(p.i)
	}
	doc.nodes = p.nodes
	return jsonValue{doc: doc}, nil
}

// invalidUTF8 returns the offset of the first byte of s that is not UTF-8.
func invalidUTF8(s string) int {
	for i, r := range s {
		if r == utf8.RuneError && !strings.HasPrefix(s[i:], "\ufffd") {
			return i
		}
	}
	return len(s)
}

func (v jsonValue) node() *jsonNode { return &v.doc.nodes[v.at] }

func (v jsonValue) kind() jsonKind { return v.node().kind }

func (v jsonValue) isNull() bool { return v.node().kind == jsonNull }

// raw returns the value exactly as the client sent it.
func (v jsonValue) raw() string { return v.doc.src[v.node().start:v.node().end] }

// member returns the member of an object. ASCII case does not count, as Graph
// has it for the names in a body (concepts/traverse-the-graph), and of members
// with one name the last is taken. A value that is no object has no members.
func (v jsonValue) member(name string) (jsonValue, bool) {
	found := jsonValue{}
	for i, nodes := v.children(jsonObject); i < v.node().next; i = nodes[i].next {
		if equalASCIIFold(nodes[i].name, name) {
			found = jsonValue{doc: v.doc, at: i}
		}
	}
	return found, found.doc != nil
}

// members yields the members of an object as they were sent, doubled ones too,
// and nothing for other values.
func (v jsonValue) members() iter.Seq2[string, jsonValue] {
	return func(yield func(string, jsonValue) bool) {
		for i, nodes := v.children(jsonObject); i < v.node().next; i = nodes[i].next {
			if !yield(nodes[i].name, jsonValue{doc: v.doc, at: i}) {
				return
			}
		}
	}
}

// items yields the items of an array, and nothing for other values.
func (v jsonValue) items() iter.Seq2[int, jsonValue] {
	return func(yield func(int, jsonValue) bool) {
		n := 0
		for i, nodes := v.children(jsonArray); i < v.node().next; i = nodes[i].next {
			if !yield(n, jsonValue{doc: v.doc, at: i}) {
				return
			}
			n++
		}
	}
}

// children returns the first node within v if v is of the kind; otherwise a
// node at which a loop up to v's end stops at once.
func (v jsonValue) children(kind jsonKind) (first int32, nodes []jsonNode) {
	if v.kind() != kind {
		return v.node().next, v.doc.nodes
	}
	return v.at + 1, v.doc.nodes
}

// equalASCIIFold is strings.EqualFold without the folds beyond ASCII, which
// would take the Kelvin sign for a k.
func equalASCIIFold(a, b string) bool {
	if len(a) != len(b) {
		return false
	}
	for i := 0; i < len(a); i++ {
		x, y := a[i], b[i]
		if x == y {
			continue
		}
		if x|0x20 != y|0x20 || x|0x20 < 'a' || x|0x20 > 'z' {
			return false
		}
	}
	return true
}

// object returns v if it is an object; typeName is the type that was expected,
// such as "microsoft.graph.itemBody".
func (v jsonValue) object(typeName string) (jsonValue, error) {
	if v.kind() != jsonObject {
		return jsonValue{}, v.mismatch(typeName)
	}
	return v, nil
}

// array returns v if it is an array; typeName is the type that was expected,
// such as "Collection(Edm.String)".
func (v jsonValue) array(typeName string) (jsonValue, error) {
	if v.kind() != jsonArray {
		return jsonValue{}, v.mismatch(typeName)
	}
	return v, nil
}

// str returns the decoded text of a string.
func (v jsonValue) str() (string, error) {
	if v.kind() != jsonString {
		return "", v.mismatch("Edm.String")
	}
	return v.node().text, nil
}

// boolean returns the value of true or false.
func (v jsonValue) boolean() (bool, error) {
	if v.kind() != jsonBool {
		return false, v.mismatch("Edm.Boolean")
	}
	return v.node().text == "true", nil
}

// int32 returns a number that is whole and in range, however it is written:
// 1, 1.0 and 1e0 are the same number.
func (v jsonValue) int32() (int32, error) {
	if v.kind() == jsonNumber {
		if n, ok := wholeNumber(v.node().text); ok && n >= math.MinInt32 && n <= math.MaxInt32 {
			return int32(n), nil
		}
	}
	return 0, v.mismatch("Edm.Int32")
}

// int64 is int32 for the larger type.
func (v jsonValue) int64() (int64, error) {
	if v.kind() == jsonNumber {
		if n, ok := wholeNumber(v.node().text); ok {
			return n, nil
		}
	}
	return 0, v.mismatch("Edm.Int64")
}

// wholeNumber reads a JSON number exactly: binary floating point would take
// 1.00000000000000000001 for 1.
func wholeNumber(literal string) (int64, bool) {
	if n, err := strconv.ParseInt(literal, 10, 64); err == nil {
		return n, true
	}
	mantissa, exponent := literal, 0
	if i := strings.IndexAny(literal, "eE"); i >= 0 {
		mantissa = literal[:i]
		// Out of its range Atoi gives the nearest int, which is as good here.
		exponent, _ = strconv.Atoi(literal[i+1:])
	}
	whole, fraction, _ := strings.Cut(mantissa, ".")
	negative := strings.HasPrefix(whole, "-")
	fraction = strings.TrimRight(fraction, "0")
	digits := strings.TrimLeft(strings.TrimPrefix(whole, "-")+fraction, "0")
	if digits == "" {
		return 0, true
	}
	const far = math.MaxInt32 // beyond the length of any body
	zeros := max(-far, min(exponent, far)) - len(fraction)
	if zeros < 0 {
		significant := strings.TrimRight(digits, "0")
		if len(digits)-len(significant) < -zeros {
			return 0, false
		}
		digits, zeros = digits[:len(digits)+zeros], 0
	}
	if len(digits)+zeros > len("9223372036854775808") {
		return 0, false
	}
	digits += strings.Repeat("0", zeros)
	if negative {
		digits = "-" + digits
	}
	n, err := strconv.ParseInt(digits, 10, 64)
	return n, err == nil
}

// mismatch is the error for a value that is not of the type: kind Malformed, the
// path as target, and the words of the real service
// (microsoft-graph-docs issue 10516). Accessors use it, and decoders for the
// types that JSON does not know, such as Edm.Date.
func (v jsonValue) mismatch(typeName string) error {
	// The real service names the end of a simple value, and of an object or an
	// array the bracket it starts with.
	n, path := v.node(), v.path()
	at := int(n.end) - 1
	if n.kind >= jsonArray {
		at = int(n.start)
	}
	line, position := v.doc.position(at)
	return todo.Errorf(todo.Malformed, path,
		"Invalid JSON, Error converting value %s to type '%s'. Path '%s', line %d, position %d.",
		cutText(v.raw()), typeName, path, line, position)
}

// path says where in the body v stands: "recurrence.range.startDate",
// "checklistItems[0].displayName", "['@odata.type']", "" for the whole body.
func (v jsonValue) path() string {
	var b strings.Builder
	for at := int32(0); at < v.at; {
		parent, index := &v.doc.nodes[at], 0
		for at++; v.doc.nodes[at].next <= v.at; at = v.doc.nodes[at].next {
			index++
		}
		name := cutText(v.doc.nodes[at].name)
		switch {
		case parent.kind == jsonArray:
			b.WriteString("[" + strconv.Itoa(index) + "]")
		case name == "" || strings.ContainsAny(name, ". '/\"[]()\t\n\r\\"):
			b.WriteString("['" + name + "']")
		case b.Len() > 0:
			b.WriteString("." + name)
		default:
			b.WriteString(name)
		}
	}
	return b.String()
}

// position returns the line and the character on it, both from 1, of an offset.
func (d *jsonDocument) position(offset int) (line, position int) {
	before := d.src[:offset]
	line = 1 + strings.Count(before, "\n")
	return line, 1 + utf8.RuneCountInString(before[strings.LastIndexByte(before, '\n')+1:])
}

// cutText keeps what a client sent from filling an error message.
func cutText(s string) string {
	const limit = 60 // characters
	n := 0
	for i := range s {
		if n == limit {
			return s[:i] + "…"
		}
		n++
	}
	return s
}
