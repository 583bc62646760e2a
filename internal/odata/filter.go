package odata

import (
	"math"
	"strings"
)

// ParseFilter reads a $filter on entities of a schema: the expressions of OData
// URL Conventions 4.01, section 5.1.1, that To Do has a use for. The operators
// bind as its section 5.1.1.16 says: "in" and "has"; "not" and "-"; mul, div,
// divby and mod; add and sub; gt, ge, lt and le; eq and ne; and; or.
//
// Keywords, functions, properties and the members of enumerations have no case.
// A literal may stand on either side. A date that is compared with a DateText or
// an Instant may be in quotes or not, and be with a zone or without one, which
// is UTC (semantics 7.2); of another text that is compared with a DateText, the
// texts are compared. A Date that is compared with an Instant is its midnight.
// aliases are the parameter aliases of the URL, with their "@": the value of
// each is an expression (section 5.3).
//
// The error is a *todo.Error of kind BadRequest whose target is "$filter" and
// whose message says what is wrong in Graph's words, as far as those are known,
// and where; positions count characters from 0. Bounds: 16 KiB of text, and of
// each alias, 64 levels, 1,000 nodes, 500 literals in a list, and what [Arith]
// and matchesPattern have. The length is looked at first, so that a filter that
// is far too long costs nothing.
func ParseFilter(text string, s *Schema, aliases map[string]string) (Expr, error) {
	return parseFilter(text, s, aliases, filterClause())
}

func parseFilter(text string, s *Schema, aliases map[string]string, c clause) (Expr, error) {
	if err := c.checkText(text); err != nil {
		return nil, err
	}
	p := parser{clause: c, schema: s, aliases: aliases, scanner: scanner{text: text}}
	p.advance()
	n := p.or()
	if p.err == nil && p.tok.kind != tokEnd {
		p.fail(p.tok.pos, "Syntax error")
	}
	if p.err == nil && n.expr.Type() != Bool {
		p.fail(0, "The $filter expression must evaluate to a single boolean value")
	}
	if p.err != nil {
		return nil, p.err
	}
	return n.expr, nil
}

// A parser reads one filter by recursive descent, a method for each level of
// precedence. The first error sticks: after it there are no more tokens, and
// what the methods return has no meaning.
type parser struct {
	scanner

	clause  clause
	schema  *Schema
	aliases map[string]string
	vars    []rangeVar // of the lambdas around, the innermost last
	nodes   int
	depth   int // of the recursion
	read    int // bytes of aliases, as often as they were used
	err     error
}

// A rangeVar stands for the elements of a collection in a lambda.
type rangeVar struct {
	name string
	item *Schema
}

// A node is an expression on its way into the tree.
type node struct {
	expr  Expr
	pos   int // of its first token
	depth int // of the tree below it

	// big is the largest magnitude that a number can have, and tiny the least one
	// but for zero. They are of Ints, Doubles and Durations.
	big, tiny float64
}

func (p *parser) advance() {
	if p.err != nil {
		return
	}
	if problem, at := p.next(); problem != "" {
		p.fail(at, "%s", problem)
	}
}

// fail reports what is wrong at a place of the text.
func (p *parser) fail(pos int, format string, args ...any) {
	if p.err == nil {
		p.stop(p.clause.errorf(format+"%s", append(args, where(p.text, pos))...))
	}
}

// stop ends the reading, with the first error that it is given.
func (p *parser) stop(err error) {
	if p.err == nil {
		p.err = err
	}
	p.off = len(p.text)
	p.tok = token{kind: tokEnd, pos: p.off}
}

// add makes a node of an expression with the nodes below it.
func (p *parser) add(e Expr, pos int, below ...node) node {
	n := node{expr: e, pos: pos, depth: 1, tiny: 1}
	for _, b := range below {
		n.depth = max(n.depth, b.depth+1)
	}
	p.count(pos, 1)
	if n.depth > maxDepth {
		p.tooDeep(pos)
	}
	return n
}

func (p *parser) count(pos, nodes int) {
	if p.nodes += nodes; p.nodes > maxNodes {
		p.fail(pos, "The expression has more than the %d nodes allowed", maxNodes)
	}
}

func (p *parser) tooDeep(pos int) {
	p.fail(pos, "The expression is nested deeper than the %d levels allowed", maxDepth)
}

// is says whether the next token is that keyword.
func (p *parser) is(word string) bool {
	return p.tok.kind == tokWord && len(p.tok.text) == len(word) && strings.EqualFold(p.tok.text, word)
}

// symbol says whether the next token is that character.
func (p *parser) symbol(c byte) bool { return p.tok.kind == tokSymbol && p.tok.text[0] == c }

// expect passes over a character that must come next.
func (p *parser) expect(c byte) {
	if !p.symbol(c) {
		p.fail(p.tok.pos, "Syntax error: '%c' expected", c)
		return
	}
	p.advance()
}

func (p *parser) or() node {
	n := p.and()
	if !p.is("or") {
		return n
	}
	terms := []Expr{n.expr}
	below := []node{n}
	for p.is("or") {
		pos := p.tok.pos
		p.advance()
		term := p.and()
		p.bothBool("Or", pos, below[len(below)-1], term)
		terms, below = append(terms, term.expr), append(below, term)
	}
	return p.add(Or{terms}, n.pos, below...)
}

func (p *parser) and() node {
	n := p.equality()
	if !p.is("and") {
		return n
	}
	terms := []Expr{n.expr}
	below := []node{n}
	for p.is("and") {
		pos := p.tok.pos
		p.advance()
		term := p.equality()
		p.bothBool("And", pos, below[len(below)-1], term)
		terms, below = append(terms, term.expr), append(below, term)
	}
	return p.add(And{terms}, n.pos, below...)
}

func (p *parser) equality() node {
	n := p.relation()
	for {
		var op Op
		switch {
		case p.is("eq"):
			op = Eq
		case p.is("ne"):
			op = Ne
		default:
			return n
		}
		pos := p.tok.pos
		p.advance()
		n = p.compare(op, pos, n, p.relation())
	}
}

func (p *parser) relation() node {
	n := p.sum()
	for {
		var op Op
		switch {
		case p.is("gt"):
			op = Gt
		case p.is("ge"):
			op = Ge
		case p.is("lt"):
			op = Lt
		case p.is("le"):
			op = Le
		default:
			return n
		}
		pos := p.tok.pos
		p.advance()
		n = p.compare(op, pos, n, p.sum())
	}
}

func (p *parser) sum() node {
	n := p.product()
	for {
		var op ArithOp
		switch {
		case p.is("add"):
			op = Add
		case p.is("sub"):
			op = Sub
		default:
			return n
		}
		pos := p.tok.pos
		p.advance()
		n = p.arith(op, pos, n, p.product())
	}
}

func (p *parser) product() node {
	n := p.unary()
	for {
		var op ArithOp
		switch {
		case p.is("mul"):
			op = Mul
		case p.is("div"):
			op = Div
		case p.is("divby"):
			op = DivBy
		case p.is("mod"):
			op = Mod
		default:
			return n
		}
		pos := p.tok.pos
		p.advance()
		n = p.arith(op, pos, n, p.unary())
	}
}

// unary reads an operand. All recursion comes by here, and is counted here.
func (p *parser) unary() node {
	pos := p.tok.pos
	if p.depth++; p.depth > maxDepth {
		p.tooDeep(pos)
	}
	var n node
	switch {
	case p.is("not"):
		p.advance()
		n = p.not(pos, p.unary())
	case p.symbol('-'):
		p.advance()
		n = p.negate(pos, p.unary())
	default:
		n = p.membership()
	}
	p.depth--
	return n
}

// membership reads an operand and the "in" or "has" after it.
func (p *parser) membership() node {
	n := p.primary()
	for {
		switch pos := p.tok.pos; {
		case p.is("in"):
			p.advance()
			n = p.in(pos, n, p.list())
		case p.is("has"):
			p.advance()
			n = p.has(pos, n, p.primary())
		default:
			return n
		}
	}
}

func (p *parser) primary() node {
	t := p.tok
	switch t.kind {
	case tokSymbol:
		if p.symbol('(') {
			p.advance()
			n := p.or()
			n.pos = t.pos
			p.expect(')')
			return n
		}
	case tokString:
		p.advance()
		return p.literal(t.pos, StringValue(unquote(t.text)))
	case tokGUID:
		p.advance()
		return p.literal(t.pos, StringValue(t.text))
	case tokNumber:
		p.advance()
		v, ok := parseNumber(t.text)
		if !ok {
			p.fail(t.pos, "The literal '%s' is not a number, a date or a time that can be read", shown(t.text))
		}
		return p.literal(t.pos, v)
	case tokTyped:
		return p.typed()
	case tokAlias:
		return p.alias()
	case tokWord:
		return p.name()
	}
	p.fail(t.pos, "Expression expected")
	return node{expr: Literal{}}
}

// literal makes a node of a constant.
func (p *parser) literal(pos int, v Value) node {
	n := p.add(Literal{v}, pos)
	n.big = v.magnitude()
	if n.big != 0 {
		n.tiny = n.big
	}
	return n
}

// typed reads a literal with its type before it: duration'P1D', or the member
// of an enumeration, which is looked up once it is known with what it is compared.
func (p *parser) typed() node {
	t := p.tok
	p.advance()
	name, text, _ := strings.Cut(t.text, "'")
	if strings.EqualFold(name, "duration") {
		v, ok := parseDuration(unquote("'" + text))
		if !ok {
			p.fail(t.pos, "The literal %s is not a duration that can be read", shown(t.text))
		}
		return p.literal(t.pos, v)
	}
	if !isQualified(name) || !strings.Contains(name, ".") {
		p.fail(t.pos, "Syntax error: there is no literal of a type named '%s'", shown(name))
	}
	return p.literal(t.pos, Value{Type: Enum, Int: math.MinInt64, Text: t.text})
}

// alias reads the expression that a parameter alias stands for. An alias that
// stands for itself by whatever detour is nested too deep.
func (p *parser) alias() node {
	pos, saved := p.open()
	n := p.or()
	p.close(saved)
	n.pos = pos
	return n
}

// open goes on reading in the text of the alias that comes next.
func (p *parser) open() (pos int, saved scanner) {
	t := p.tok
	text, ok := p.aliases[t.text]
	if !ok {
		p.fail(t.pos, "The parameter alias '%s' has no value", shown(t.text))
		return t.pos, p.scanner
	}
	if err := p.clause.checkText(text); err != nil {
		p.stop(err)
	}
	if p.read += len(text); p.read > maxRead {
		p.fail(t.pos, "The parameter aliases make the expression longer than the %d bytes allowed", maxRead)
	}
	p.advance()
	saved = p.scanner
	p.scanner = scanner{text: text}
	p.advance()
	return t.pos, saved
}

// close goes back to the text in which the alias stood.
func (p *parser) close(saved scanner) {
	if p.err != nil {
		return
	}
	if p.tok.kind != tokEnd {
		p.fail(p.tok.pos, "Syntax error")
		return
	}
	p.scanner = saved
}

// list reads what follows "in": literals in parentheses, or an alias of them.
func (p *parser) list() []node {
	if p.tok.kind == tokAlias {
		if p.depth++; p.depth > maxDepth {
			p.tooDeep(p.tok.pos)
			return nil
		}
		_, saved := p.open()
		items := p.list()
		p.close(saved)
		p.depth--
		return items
	}
	p.expect('(')
	var items []node
	for p.err == nil {
		pos := p.tok.pos
		item := p.unary()
		if _, ok := item.expr.(Literal); !ok && p.err == nil {
			p.fail(pos, "Only literals are allowed in the list of the 'in' operator")
		}
		if items = append(items, item); len(items) > maxList {
			p.fail(pos, "The list has more than the %d literals allowed", maxList)
		}
		if !p.symbol(',') {
			break
		}
		p.advance()
	}
	p.expect(')')
	return items
}
