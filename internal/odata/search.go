package odata

import "strings"

// A Search is a node of a $search: [SearchAnd], [SearchOr], [SearchNot] or
// [SearchTerm].
type Search interface{ search() }

// SearchAnd finds what all of its two or more terms find.
type SearchAnd struct{ Terms []Search }

// SearchOr finds what one of its two or more terms finds.
type SearchOr struct{ Terms []Search }

// SearchNot finds what X does not.
type SearchNot struct{ X Search }

// SearchTerm is a word, or a phrase that was in double quotes.
type SearchTerm struct {
	Text   string // as written; not white space alone
	Phrase bool
}

func (SearchAnd) search()  {}
func (SearchOr) search()   {}
func (SearchNot) search()  {}
func (SearchTerm) search() {}

// ParseSearch reads a $search: up to 32 words, and phrases in double quotes, with
// AND, OR, NOT and parentheses between them (OData URL Conventions 4.01, section
// 5.1.7). The operators are in capitals; NOT binds before AND, and AND before OR.
// Terms without an operator between them must all be found. In a phrase, a
// backslash stands before a quote or a backslash that belongs to it. What else is
// in a word is left to the full-text index.
//
// The error is a *todo.Error of kind BadRequest whose target is "$search".
func ParseSearch(text string) (Search, error) {
	return parseSearch(text, searchClause())
}

func parseSearch(text string, c clause) (Search, error) {
	if err := c.checkText(text); err != nil {
		return nil, err
	}
	p := searcher{clause: c, text: text}
	p.next()
	s := p.or()
	if p.err == nil && p.word != "" {
		p.fail("Syntax error")
	}
	if p.err != nil {
		return nil, p.err
	}
	return s, nil
}

// A searcher reads one $search; its first error sticks.
type searcher struct {
	clause clause
	text   string
	pos    int    // of word
	off    int    // the end of word
	word   string // the next token: a word, an operator, a parenthesis, or a phrase without quotes; "" is the end
	phrase bool   // word was in quotes
	terms  int
	depth  int
	err    error
}

func (p *searcher) fail(format string, args ...any) {
	if p.err == nil {
		p.err = p.clause.errorf(format+"%s", append(args, where(p.text, p.pos))...)
	}
	p.off, p.word, p.phrase = len(p.text), "", false
}

func (p *searcher) next() {
	p.word, p.phrase = "", false
	for p.off < len(p.text) && isSpace(p.text[p.off]) {
		p.off++
	}
	p.pos = p.off
	if p.off == len(p.text) {
		return
	}
	switch c := p.text[p.off]; c {
	case '(', ')':
		p.off++
		p.word = p.text[p.pos:p.off]
	case '"':
		p.quoted()
	default:
		for p.off < len(p.text) && !isSpace(p.text[p.off]) && strings.IndexByte(`()"`, p.text[p.off]) < 0 {
			p.off++
		}
		p.word = p.text[p.pos:p.off]
	}
}

// quoted reads a phrase.
func (p *searcher) quoted() {
	var b strings.Builder
	for i := p.off + 1; i < len(p.text); i++ {
		c := p.text[i]
		if c == '"' {
			p.off, p.word, p.phrase = i+1, b.String(), true
			if trimSpace(p.word) == "" {
				p.fail("The phrase is empty")
			}
			return
		}
		if c == '\\' && i+1 < len(p.text) && (p.text[i+1] == '"' || p.text[i+1] == '\\') {
			i++
			c = p.text[i]
		}
		b.WriteByte(c)
	}
	p.pos = len(p.text)
	p.fail("There is an unterminated phrase")
}

// is says whether the next token is that operator or parenthesis.
func (p *searcher) is(word string) bool { return !p.phrase && p.word == word }

func (p *searcher) or() Search {
	first := p.and()
	if !p.is("OR") {
		return first
	}
	terms := []Search{first}
	for p.is("OR") {
		p.next()
		terms = append(terms, p.and())
	}
	return SearchOr{terms}
}

func (p *searcher) and() Search {
	first := p.not()
	if p.ends() {
		return first
	}
	terms := []Search{first}
	for !p.ends() {
		if p.is("AND") {
			p.next()
		}
		terms = append(terms, p.not())
	}
	return SearchAnd{terms}
}

// ends says whether no further term of an AND can follow.
func (p *searcher) ends() bool { return p.word == "" || p.is("OR") || p.is(")") }

func (p *searcher) not() Search {
	if p.depth++; p.depth > maxDepth {
		p.fail("The search is nested deeper than the %d levels allowed", maxDepth)
	}
	defer func() { p.depth-- }()
	if p.is("NOT") {
		p.next()
		return SearchNot{p.not()}
	}
	return p.term()
}

func (p *searcher) term() Search {
	switch {
	case p.word == "", p.is("AND"), p.is("OR"), p.is(")"):
		p.fail("Expression expected")
		return nil
	case p.is("("):
		p.next()
		s := p.or()
		if !p.is(")") {
			p.fail("')' expected")
		}
		p.next()
		return s
	}
	if p.terms++; p.terms > maxTerms {
		p.fail("There are more than the %d terms allowed", maxTerms)
	}
	t := SearchTerm{Text: p.word, Phrase: p.phrase}
	p.next()
	return t
}
