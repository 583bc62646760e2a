package odata

import "strings"

// A tokenKind is what a token of a filter is, as far as its characters say.
type tokenKind uint8

const (
	tokEnd    tokenKind = iota
	tokWord             // a name, a keyword or a function; may have dots
	tokString           // 'text'
	tokTyped            // name'text'
	tokNumber           // begins with a digit, or with a minus and a digit: a number, date or time
	tokGUID             // 01234567-89ab-cdef-0123-456789abcdef
	tokAlias            // @name
	tokSymbol           // one of ( ) , / : -
	tokBad              // something else, which has been reported
)

type token struct {
	kind tokenKind
	pos  int    // in the text, in bytes
	text string // as written
}

// A scanner cuts a text into tokens.
type scanner struct {
	text string
	off  int // the end of tok
	tok  token
}

// next moves on to the next token. The problem is "" or a sentence without its
// position, which is at.
func (s *scanner) next() (problem string, at int) {
	for s.off < len(s.text) && isSpace(s.text[s.off]) {
		s.off++
	}
	start := s.off
	if start == len(s.text) {
		s.tok = token{kind: tokEnd, pos: start}
		return "", 0
	}
	kind := tokSymbol
	switch c := s.text[start]; {
	case isGUID(s.text[start:]):
		kind = tokGUID
		s.off += guidLen
	case isLetter(c) || c == '$':
		kind = tokWord
		s.word()
		if s.off < len(s.text) && s.text[s.off] == '\'' {
			kind = tokTyped
			if !s.quoted() {
				return s.unterminated()
			}
		}
	case c == '\'':
		kind = tokString
		if !s.quoted() {
			return s.unterminated()
		}
	case isDigit(c) || c == '-' && start+1 < len(s.text) && isDigit(s.text[start+1]):
		kind = tokNumber
		s.number()
	case c == '@':
		kind = tokAlias
		s.word()
	case strings.IndexByte("(),/:-", c) >= 0:
		s.off++
	default:
		s.tok = token{kind: tokBad, pos: start}
		for _, r := range s.text[start:] {
			return "Syntax error: character '" + string(r) + "' is not valid", start
		}
	}
	s.tok = token{kind: kind, pos: start, text: s.text[start:s.off]}
	return "", 0
}

// unterminated reports a literal without its closing quote; the position is the
// end of the text, as in Graph's message.
func (s *scanner) unterminated() (problem string, at int) {
	s.tok = token{kind: tokBad, pos: len(s.text)}
	s.off = len(s.text)
	return "There is an unterminated string literal", len(s.text)
}

// word passes over the first character and what may follow it in a name.
func (s *scanner) word() {
	for s.off++; s.off < len(s.text); s.off++ {
		if c := s.text[s.off]; !isLetter(c) && !isDigit(c) && c != '.' {
			return
		}
	}
}

// number passes over what a number, a date or a time may consist of.
func (s *scanner) number() {
	for s.off++; s.off < len(s.text); s.off++ {
		if c := s.text[s.off]; !isLetter(c) && !isDigit(c) && strings.IndexByte(".:+-", c) < 0 {
			return
		}
	}
}

// quoted passes over a literal in quotes, in which a quote stands doubled.
func (s *scanner) quoted() bool {
	for i := s.off + 1; i < len(s.text); i++ {
		if s.text[i] != '\'' {
			continue
		}
		if i+1 < len(s.text) && s.text[i+1] == '\'' {
			i++
			continue
		}
		s.off = i + 1
		return true
	}
	return false
}

// unquote is the text of a literal in quotes.
func unquote(s string) string {
	return strings.ReplaceAll(s[1:len(s)-1], "''", "'")
}

const guidLen = 36

// isGUID says whether s begins with a GUID, after which no name goes on.
func isGUID(s string) bool {
	if len(s) < guidLen || s[8] != '-' {
		return false
	}
	for i := range guidLen {
		c := s[i]
		switch i {
		case 8, 13, 18, 23:
			if c != '-' {
				return false
			}
		default:
			if !isDigit(c) && (c|0x20 < 'a' || c|0x20 > 'f') {
				return false
			}
		}
	}
	return len(s) == guidLen || !isLetter(s[guidLen]) && !isDigit(s[guidLen]) && s[guidLen] != '-'
}

func isLetter(c byte) bool { return c|0x20 >= 'a' && c|0x20 <= 'z' || c == '_' }

func isDigit(c byte) bool { return c >= '0' && c <= '9' }
