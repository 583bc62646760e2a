package odata

import "math"

// Bounds within which arithmetic stays, so that it never overflows, neither here
// nor in a database. They are checked when a filter is read, with the least and
// the largest magnitude that each operand can have.
const (
	maxInt    = 1 << 53 // every such integer is a Double as well
	maxMicros = 4e18    // of a Duration; with an Instant added it fits 64 bits
	maxDouble = 1e300
	minDouble = 1e-300

	propInt    = 1 << 40 // the largest magnitude of an Int property
	propDouble = 1e15    // of a Double property; the least but zero is its inverse
	longest    = 1 << 31 // characters of a text
)

// negate makes the negative of an operand; that of a literal is a literal.
func (p *parser) negate(pos int, x node) node {
	if p.err != nil {
		return x
	}
	t := x.expr.Type()
	lit, constant := x.expr.(Literal)
	switch {
	case t != Int && t != Double && t != Duration:
		p.fail(pos, "A unary operator with an incompatible type was detected. Found operand type '%s' for operator kind 'Negate'", x.typeName())
		return x
	case t == Int && x.big > maxInt && !constant, constant && lit.Value.Int == math.MinInt64:
		p.overflow(pos)
		return x
	case !constant:
		n := p.add(Neg{x.expr}, pos, x)
		n.big, n.tiny = x.big, x.tiny
		return n
	}
	lit.Value.Int = -lit.Value.Int
	if lit.Value.Float != 0 {
		lit.Value.Float = -lit.Value.Float
	}
	x.expr, x.pos = lit, pos
	return x
}

func (p *parser) overflow(pos int) {
	p.fail(pos, "The result of the arithmetic operator may be out of range")
}

// arith makes an arithmetic expression.
func (p *parser) arith(op ArithOp, pos int, l, r node) node {
	if p.err != nil {
		return l
	}
	l.expr, r.expr = taken(l.expr, Instant), taken(r.expr, Instant)
	result := arithType(op, l.expr.Type(), r.expr.Type())
	if result == Null {
		p.incompatible(op.kind(), pos, l, r)
		return l
	}
	n := p.add(Arith{op, l.expr, r.expr, result}, l.pos, l, r)
	switch op {
	case Add, Sub:
		n.big = l.big + r.big
		n.tiny = min(l.tiny, r.tiny) * 1e-16 // what is left where two of nearly the same size cancel out
	case Mul:
		n.big, n.tiny = l.big*r.big, l.tiny*r.tiny
	case Div, DivBy:
		n.big, n.tiny = l.big/r.tiny, l.tiny/r.big
		if r.big == 0 {
			n.tiny = l.tiny
		}
	case Mod:
		n.big = min(l.big, r.big)
	}
	switch result {
	case Instant:
		n.big = maxSpan
	case Int, Duration:
		n.tiny = 1
		if l.expr.Type() == Instant {
			n.big = maxSpan
		}
	}
	if max(l.big, r.big) > limit(l, r) || n.big > limit(n) || result == Double && n.tiny < minDouble {
		p.overflow(pos)
	}
	return n
}

// limit is the largest magnitude that the nodes may have in arithmetic: the
// largest of their limits.
func limit(nodes ...node) float64 {
	most := 0.0
	for _, n := range nodes {
		switch n.expr.Type() {
		case Int:
			most = max(most, maxInt)
		case Double:
			most = max(most, maxDouble)
		default:
			most = max(most, maxMicros)
		}
	}
	return most
}

// arithType is the type of the result, or Null where the operands do not fit
// (OData URL Conventions 4.01, section 5.1.1.2).
func arithType(op ArithOp, l, r Type) Type {
	number := func(t Type) bool { return t == Int || t == Double }
	switch {
	case op == Mod:
		if l == Int && r == Int {
			return Int
		}
	case number(l) && number(r):
		if op == DivBy || l == Double || r == Double {
			return Double
		}
		return Int
	case op == Add || op == Sub:
		switch {
		case l == Instant && r == Duration:
			return Instant
		case op == Add && l == Duration && r == Instant:
			return Instant
		case l == Duration && r == Duration:
			return Duration
		case op == Sub && l == Instant && r == Instant:
			return Duration
		}
	case op == Mul && (l == Duration && r == Int || l == Int && r == Duration), op == Div && l == Duration && r == Int:
		return Duration
	}
	return Null
}
