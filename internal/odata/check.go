package odata

import (
	"math"
	"strings"
)

// typeName is the type of a node as messages have it.
func (n node) typeName() string {
	switch e := n.expr.(type) {
	case Prop:
		return e.Of.typeName()
	case Literal:
		return e.Value.Type.String()
	}
	return n.expr.Type().String()
}

func (o Op) kind() string {
	return [...]string{"Equal", "NotEqual", "GreaterThan", "GreaterThanOrEqual", "LessThan", "LessThanOrEqual"}[o]
}

// turned is the operator that says the same with its sides exchanged.
func (o Op) turned() Op {
	return [...]Op{Eq: Eq, Ne: Ne, Gt: Lt, Ge: Le, Lt: Gt, Le: Ge}[o]
}

func (o ArithOp) kind() string {
	return [...]string{"Add", "Subtract", "Multiply", "Divide", "Divide", "Modulo"}[o]
}

// incompatible reports an operator whose operands do not fit.
func (p *parser) incompatible(kind string, pos int, l, r node) {
	p.fail(pos, "A binary operator with incompatible types was detected. Found operand types '%s' and '%s' for operator kind '%s'",
		l.typeName(), r.typeName(), kind)
}

func (p *parser) bothBool(kind string, pos int, l, r node) {
	if p.err == nil && (l.expr.Type() != Bool || r.expr.Type() != Bool) {
		p.incompatible(kind, pos, l, r)
	}
}

func (p *parser) not(pos int, x node) node {
	if p.err == nil && x.expr.Type() != Bool {
		p.fail(pos, "A unary operator with an incompatible type was detected. Found operand type '%s' for operator kind 'Not'", x.typeName())
	}
	return p.add(Not{x.expr}, pos, x)
}

// compare makes a comparison, with a literal on the right.
func (p *parser) compare(op Op, pos int, l, r node) node {
	if p.err != nil {
		return l
	}
	start := l.pos
	_, constant := l.expr.(Literal)
	if _, both := r.expr.(Literal); constant && !both {
		l, r = r, l
		op = op.turned()
	}
	if !p.align(&l, &r) || l.expr.Type() == Complex && op > Ne {
		p.incompatible(op.kind(), pos, l, r)
	}
	return p.add(Compare{op, l.expr, r.expr}, start, l, r)
}

// align gives both sides of a comparison the same type. It is false where none
// fits both. A literal is r; if both are, the type of either may be taken.
func (p *parser) align(l, r *node) bool {
	if _, ok := r.expr.(Literal); ok {
		if v, as, ok := p.convert(*r, *l); ok {
			l.expr, r.expr = taken(l.expr, as), Literal{v}
			return true
		}
		if _, ok := l.expr.(Literal); !ok {
			return false
		}
		v, _, ok := p.convert(*l, *r)
		l.expr = Literal{v}
		return ok
	}
	lt, rt := l.expr.Type(), r.expr.Type()
	switch {
	case lt == DateText && (rt == DateText || rt == Instant), lt == Instant && rt == DateText:
		l.expr, r.expr = taken(l.expr, Instant), taken(r.expr, Instant)
		return true
	case lt == DateText && rt == String, lt == String && rt == DateText:
		l.expr, r.expr = taken(l.expr, String), taken(r.expr, String)
		return true
	case lt == Enum && rt == Enum:
		return l.typeName() == r.typeName()
	case lt == Int && rt == Double, lt == Double && rt == Int:
		return true
	}
	return lt == rt && lt < Complex
}

// taken is a DateText property taken as a type, and any other expression as it is.
func taken(e Expr, as Type) Expr {
	if prop, ok := e.(Prop); ok && prop.As == DateText {
		prop.As = as
		return prop
	}
	return e
}

// convert makes of a literal what can be compared with an expression, which is
// taken as the type that comes back, should it be a DateText.
func (p *parser) convert(literal, with node) (v Value, as Type, ok bool) {
	v = literal.expr.(Literal).Value
	if v.Type == Null {
		switch with.expr.Type() {
		case Collection, Entity:
			return v, Null, false
		}
		return v, Instant, true
	}
	as = with.expr.Type()
	switch as {
	case DateText:
		if v.Type == String {
			if at, ok := parseInstant(v.Text); ok {
				return at, Instant, true
			}
			return v, String, true
		}
		v, ok = toInstant(v)
		return v, Instant, ok
	case Instant:
		v, ok = toInstant(v)
		return v, as, ok
	case Null:
		return v, as, v.Type != Enum
	case Enum:
		v, ok = p.toMember(literal, with)
		return v, as, ok
	case Double:
		if v.Type == Int {
			return DoubleValue(float64(v.Int)), as, true
		}
	case Int:
		if v.Type == Double {
			return v, as, true
		}
	case Date:
		return quotedAs(v, as, parseDate)
	case TimeOfDay:
		return quotedAs(v, as, parseTimeOfDay)
	case Duration:
		return quotedAs(v, as, parseDuration)
	}
	return v, as, v.Type == as
}

func quotedAs(v Value, as Type, parse func(string) (Value, bool)) (Value, Type, bool) {
	if v.Type == String {
		v, ok := parse(v.Text)
		return v, as, ok
	}
	return v, as, v.Type == as
}

func toInstant(v Value) (Value, bool) {
	switch v.Type {
	case Instant:
		return v, true
	case Date:
		return Value{Type: Instant, Int: v.Int * day}, true
	case String:
		return parseInstant(v.Text)
	}
	return v, false
}

// toMember finds the member of an enumeration that a literal names: 'high', or
// microsoft.graph.importance'high'. Members that do not exist are reported here.
func (p *parser) toMember(literal, with node) (Value, bool) {
	v := literal.expr.(Literal).Value
	prop, ok := with.expr.(Prop)
	if !ok {
		return v, false
	}
	name := v.Text
	switch {
	case v.Type == String:
	case v.Type == Enum && v.Int == math.MinInt64:
		typeName, quoted, _ := strings.Cut(v.Text, "'")
		name = unquote("'" + quoted)
		if want := prop.Of.TypeName; want != "" && !strings.EqualFold(unqualified(typeName), unqualified(want)) {
			return v, false
		}
	default:
		return v, v.Type == Enum
	}
	i, ok := prop.Of.member(name)
	if !ok {
		p.fail(literal.pos, "The string '%s' is not a valid enumeration type constant of '%s'", shown(name), prop.Of.typeName())
		return v, true
	}
	return Value{Type: Enum, Int: int64(i), Text: prop.Of.Enum[i]}, true
}

// in makes a membership. A list that holds both dates and other texts, of a
// DateText, becomes two.
func (p *parser) in(pos int, x node, items []node) node {
	if p.err != nil {
		return x
	}
	var list, texts []Literal
	as := x.expr.Type()
	for _, item := range items {
		v, t, ok := p.convert(item, x)
		if !ok || as >= Complex || as == Int && v.Type == Double || as == Null {
			p.incompatible("Equal", pos, x, item)
			return x
		}
		if as == DateText && t == String {
			texts = append(texts, Literal{v})
		} else {
			list = append(list, Literal{v})
		}
	}
	if len(texts) == 0 {
		return p.add(In{taken(x.expr, Instant), list}, x.pos, x)
	}
	asTexts := p.add(In{taken(x.expr, String), texts}, x.pos, x)
	if len(list) == 0 {
		return asTexts
	}
	p.count(pos, 1) // the property stands there twice
	return p.add(Or{[]Expr{In{taken(x.expr, Instant), list}, asTexts.expr}}, x.pos, asTexts)
}

func (p *parser) has(pos int, x, member node) node {
	if p.err != nil {
		return x
	}
	lit, ok := member.expr.(Literal)
	if !ok || x.expr.Type() != Enum || lit.Value.Type == Null {
		p.incompatible("Has", pos, x, member)
		return x
	}
	v, ok := p.toMember(member, x)
	if !ok {
		p.incompatible("Has", pos, x, member)
	}
	return p.add(Has{x.expr, Literal{v}}, x.pos, x, member)
}
