package graph

import (
	"fmt"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/duly-todo/duly/internal/todo"
)

// A jsonParser reads a text by recursive descent, at most maxDepth deep.
type jsonParser struct {
	src   string
	i     int // the next byte to read
	nodes []jsonNode

	maxDepth, maxValues int
}

// value reads one value; p stands on its first byte. It becomes a member of an
// object if it has a name.
func (p *jsonParser) value(name string, depth int) error {
	if len(p.nodes) == p.maxValues {
		return p.fail(p.i, fmt.Sprintf("more than %d values", p.maxValues))
	}
	if p.i == len(p.src) {
		return p.unexpected(p.i)
	}
	at, start := len(p.nodes), p.i
	p.nodes = append(p.nodes, jsonNode{name: name, start: int32(start)})
	var (
		kind jsonKind
		text string
		err  error
	)
	switch p.src[p.i] {
	case '{':
		kind, err = jsonObject, p.object(depth+1)
	case '[':
		kind, err = jsonArray, p.array(depth+1)
	case '"':
		kind = jsonString
		text, err = p.str()
	case 't':
		kind, text, err = jsonBool, "true", p.word("true")
	case 'f':
		kind, text, err = jsonBool, "false", p.word("false")
	case 'n':
		kind, text, err = jsonNull, "null", p.word("null")
	default:
		kind, err = jsonNumber, p.number()
		text = p.src[start:p.i]
	}
	if err != nil {
		return err
	}
	n := &p.nodes[at]
	n.kind, n.text, n.end, n.next = kind, text, int32(p.i), int32(len(p.nodes))
	return nil
}

func (p *jsonParser) object(depth int) error {
	if depth > p.maxDepth {
		return p.tooDeep()
	}
	p.i++
	if p.space(); p.peek() == '}' {
		p.i++
		return nil
	}
	for {
		if p.peek() != '"' {
			return p.unexpected(p.i)
		}
		name, err := p.str()
		if err != nil {
			return err
		}
		if p.space(); p.peek() != ':' {
			return p.unexpected(p.i)
		}
		p.i++
		p.space()
		if err := p.value(name, depth); err != nil {
			return err
		}
		p.space()
		switch p.peek() {
		case ',':
			p.i++
			p.space()
		case '}':
			p.i++
			return nil
		default:
			return p.unexpected(p.i)
		}
	}
}

func (p *jsonParser) array(depth int) error {
	if depth > p.maxDepth {
		return p.tooDeep()
	}
	p.i++
	if p.space(); p.peek() == ']' {
		p.i++
		return nil
	}
	for {
		if err := p.value("", depth); err != nil {
			return err
		}
		p.space()
		switch p.peek() {
		case ',':
			p.i++
			p.space()
		case ']':
			p.i++
			return nil
		default:
			return p.unexpected(p.i)
		}
	}
}

// str reads a string and returns its text, without a copy if nothing in it is
// escaped.
func (p *jsonParser) str() (string, error) {
	start := p.i + 1
	for i := skipPlain(p.src, start); i < len(p.src); i = skipPlain(p.src, i+1) {
		switch c := p.src[i]; {
		case c == '"':
			p.i = i + 1
			return p.src[start:i], nil
		case c == '\\':
			p.i = i
			return p.escaped(start)
		case c < ' ':
			return "", p.unexpected(i)
		}
	}
	return "", p.unexpected(len(p.src))
}

// escaped reads on in a string that starts at start and has its first backslash
// at p.i.
func (p *jsonParser) escaped(start int) (string, error) {
	var b strings.Builder
	b.Grow(p.i - start + 32)
	for {
		b.WriteString(p.src[start:p.i])
		switch c := p.peek(); {
		case c == '"':
			p.i++
			return b.String(), nil
		case c != '\\':
			return "", p.unexpected(p.i)
		}
		r, err := p.escape()
		if err != nil {
			return "", err
		}
		b.WriteRune(r)
		start = p.i
		for p.i < len(p.src) && p.src[p.i] != '"' && p.src[p.i] != '\\' && p.src[p.i] >= ' ' {
			p.i++
		}
	}
}

// escape reads one escape sequence, or two if they are a pair of surrogates.
func (p *jsonParser) escape() (rune, error) {
	start := p.i
	p.i++
	c := p.peek()
	if i := strings.IndexByte(`"\/bfnrt`, c); i >= 0 {
		p.i++
		return rune("\"\\/\b\f\n\r\t"[i]), nil
	}
	if c != 'u' {
		return 0, p.unexpected(p.i)
	}
	p.i++
	r, err := p.hex4()
	if err != nil || !utf16.IsSurrogate(r) {
		return r, err
	}
	if strings.HasPrefix(p.src[p.i:], `\u`) {
		p.i += len(`\u`)
		low, err := p.hex4()
		if err != nil {
			return 0, err
		}
		if r = utf16.DecodeRune(r, low); r != utf8.RuneError {
			return r, nil
		}
	}
	return 0, p.fail(start, "a surrogate without its other half")
}

func (p *jsonParser) hex4() (rune, error) {
	var r rune
	for range 4 {
		switch c := p.peek(); {
		case '0' <= c && c <= '9':
			r = r<<4 | rune(c-'0')
		case 'a' <= c|0x20 && c|0x20 <= 'f':
			r = r<<4 | rune(c|0x20-'a'+10)
		default:
			return 0, p.unexpected(p.i)
		}
		p.i++
	}
	return r, nil
}

func (p *jsonParser) number() error {
	if p.peek() == '-' {
		p.i++
	}
	if p.peek() == '0' {
		p.i++
	} else if err := p.digits(); err != nil {
		return err
	}
	if p.peek() == '.' {
		p.i++
		if err := p.digits(); err != nil {
			return err
		}
	}
	if p.peek()|0x20 == 'e' {
		p.i++
		if c := p.peek(); c == '+' || c == '-' {
			p.i++
		}
		return p.digits()
	}
	return nil
}

// digits reads one or more digits.
func (p *jsonParser) digits() error {
	start := p.i
	for c := p.peek(); '0' <= c && c <= '9'; c = p.peek() {
		p.i++
	}
	if p.i == start {
		return p.unexpected(p.i)
	}
	return nil
}

func (p *jsonParser) word(word string) error {
	for i := range len(word) {
		if p.peek() != word[i] {
			return p.unexpected(p.i)
		}
		p.i++
	}
	return nil
}

func (p *jsonParser) space() {
	for p.i < len(p.src) {
		switch p.src[p.i] {
		case ' ', '\t', '\n', '\r':
			p.i++
		default:
			return
		}
	}
}

// peek returns the next byte, or 0, which is no part of JSON, at the end.
func (p *jsonParser) peek() byte {
	if p.i < len(p.src) {
		return p.src[p.i]
	}
	return 0
}

func (p *jsonParser) unexpected(at int) error {
	if at >= len(p.src) {
		return p.fail(len(p.src), "unexpected end")
	}
	r, _ := utf8.DecodeRuneInString(p.src[at:])
	return p.fail(at, "unexpected "+strconv.QuoteRune(r))
}

func (p *jsonParser) tooDeep() error {
	return p.fail(p.i, fmt.Sprintf("more than %d levels of nesting", p.maxDepth))
}

func (p *jsonParser) fail(at int, what string) error {
	doc := jsonDocument{src: p.src}
	line, position := doc.position(at)
	return todo.Errorf(todo.Malformed, "",
		"Unable to read JSON request payload: %s at line %d, position %d.", what, line, position)
}
