package odata

import "strings"

// name reads what begins with a name: true, false, null, a function, a property,
// a range variable, or a lambda on a collection.
func (p *parser) name() node {
	t := p.tok
	switch {
	case p.is("true"), p.is("false"):
		p.advance()
		return p.literal(t.pos, BoolValue(len(t.text) == len("true")))
	case p.is("null"):
		p.advance()
		return p.literal(t.pos, Value{})
	}
	p.advance()
	if p.symbol('(') {
		return p.call(t)
	}
	return p.path(t)
}

// path reads the rest of a path of which the first name has been read.
func (p *parser) path(first token) node {
	prop := Prop{}
	members, owner := p.schema.Properties, p.schema.Name
	if first.text == "$it" {
		first = p.segment()
	} else if v, ok := p.variable(first.text); ok {
		prop.Var = v.name
		if v.item.Value != nil {
			prop.Of, prop.As = v.item.Value, v.item.Value.Type
			return p.property(first.pos, prop)
		}
		members, owner = v.item.Properties, v.item.Name
		first = p.segment()
	}
	for t := first; p.err == nil; t = p.segment() {
		prop.Of = find(members, t.text)
		if prop.Of == nil {
			p.stop(p.clause.errorf("%s", noProperty(t.text, owner)))
			break
		}
		prop.Path, prop.As = join(prop.Path, prop.Of.Name), prop.Of.Type
		if !p.symbol('/') {
			return p.property(first.pos, prop)
		}
		switch prop.Of.Type {
		case Collection:
			return p.lambda(first.pos, prop)
		case Entity:
			p.fail(t.pos, "The navigation property '%s' cannot be followed in an expression", prop.Of.Name)
		}
		members, owner = prop.Of.Complex, prop.Of.typeName()
	}
	return node{expr: Literal{}}
}

// segment passes over a slash and returns the name after it.
func (p *parser) segment() token {
	p.expect('/')
	t := p.tok
	if t.kind != tokWord {
		p.fail(t.pos, "An identifier was expected")
		return t
	}
	p.advance()
	if p.symbol('(') && (strings.EqualFold(t.text, "any") || strings.EqualFold(t.text, "all")) {
		p.fail(t.pos, "Any/All may only be used following a collection")
	}
	return t
}

// property makes a node of a property.
func (p *parser) property(pos int, prop Prop) node {
	n := p.add(prop, pos)
	switch prop.As {
	case Int:
		n.big = propInt
	case Double:
		n.big, n.tiny = propDouble, 1/propDouble
	case Instant, DateText:
		n.big = maxSpan
	case Duration:
		n.big = maxSpan
	}
	return n
}

// variable finds the range variable of that name.
func (p *parser) variable(name string) (rangeVar, bool) {
	for i := len(p.vars) - 1; i >= 0; i-- {
		if strings.EqualFold(p.vars[i].name, name) {
			return p.vars[i], true
		}
	}
	return rangeVar{}, false
}

// lambda reads /any(…) or /all(…) after a collection (OData URL Conventions
// 4.01, section 5.1.1.13).
func (p *parser) lambda(pos int, over Prop) node {
	p.expect('/')
	l := Lambda{From: over.Var, Path: over.Path, Of: over.Of, All: p.is("all")}
	if over.Of.Item == nil || !l.All && !p.is("any") {
		p.fail(p.tok.pos, "Syntax error: any or all expected after the collection '%s'", over.Path)
	}
	p.advance()
	p.expect('(')
	if p.symbol(')') && !l.All {
		p.advance()
		return p.add(l, pos)
	}
	t := p.tok
	if t.kind != tokWord || !isIdentifier(t.text) || p.is("true") || p.is("false") || p.is("null") || p.is("not") {
		p.fail(t.pos, "An identifier was expected")
	}
	if _, ok := p.variable(t.text); ok {
		p.fail(t.pos, "The range variable '%s' has already been declared", shown(t.text))
	}
	p.advance()
	p.expect(':')
	if p.err != nil {
		return node{expr: Literal{}}
	}
	l.Var = t.text
	p.vars = append(p.vars, rangeVar{l.Var, over.Of.Item})
	body := p.or()
	p.vars = p.vars[:len(p.vars)-1]
	if p.err == nil && body.expr.Type() != Bool {
		p.fail(body.pos, "The expression of any and all must evaluate to a single boolean value")
	}
	p.expect(')')
	l.Body = body.expr
	return p.add(l, pos, body)
}
