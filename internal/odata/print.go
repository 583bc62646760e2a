package odata

import "strings"

// Print writes a checked tree as a $filter. [ParseFilter] reads it as the same
// tree again, with the same schema: aliases stand for themselves no more, names
// are in their canonical case, and there are no more parentheses than needed.
// Only a tree in which [Bind] has computed something may change its form.
func Print(e Expr) string {
	var p printer
	p.expr(e, 0)
	return p.b.String()
}

type printer struct {
	b    strings.Builder
	vars []string // of the lambdas around
}

// How tightly the nodes bind, from the loosest.
const (
	bindsOr = iota + 1
	bindsAnd
	bindsEquality
	bindsRelation
	bindsSum
	bindsProduct
	bindsUnary
	bindsPrimary
)

func binds(e Expr) int {
	switch e := e.(type) {
	case Or:
		return bindsOr
	case And:
		return bindsAnd
	case Compare:
		if e.Op <= Ne {
			return bindsEquality
		}
		return bindsRelation
	case Arith:
		if e.Op <= Sub {
			return bindsSum
		}
		return bindsProduct
	case Not, Neg:
		return bindsUnary
	}
	return bindsPrimary
}

// expr writes e, in parentheses if it binds less tightly than it must.
func (p *printer) expr(e Expr, least int) {
	own := binds(e)
	if own < least {
		p.b.WriteByte('(')
		defer p.b.WriteByte(')')
	}
	switch e := e.(type) {
	case Or:
		p.terms(e.Terms, " or ", own+1)
	case And:
		p.terms(e.Terms, " and ", own+1)
	case Not:
		p.b.WriteString("not ")
		p.expr(e.X, own)
	case Neg:
		p.b.WriteByte('-')
		p.expr(e.X, own)
	case Compare:
		p.binary(e.Op.String(), e.L, e.R, own)
	case Arith:
		p.binary(e.Op.String(), e.L, e.R, own)
	case In:
		p.expr(e.X, own)
		p.b.WriteString(" in (")
		for i, lit := range e.List {
			p.comma(i)
			lit.Value.write(&p.b)
		}
		p.b.WriteByte(')')
	case Has:
		p.binary("has", e.X, e.Member, own)
	case Call:
		p.b.WriteString(e.Fn.String() + "(")
		p.terms(e.Args, ",", 0)
		p.b.WriteByte(')')
	case Lambda:
		p.lambda(e)
	case Prop:
		p.prop(e)
	case Literal:
		e.Value.write(&p.b)
	}
}

// binary writes an operator that takes its operands from the left on.
func (p *printer) binary(op string, l, r Expr, own int) {
	p.expr(l, own)
	p.b.WriteString(" " + op + " ")
	p.expr(r, min(own+1, bindsPrimary))
}

func (p *printer) terms(terms []Expr, between string, least int) {
	for i, term := range terms {
		if i > 0 {
			p.b.WriteString(between)
		}
		p.expr(term, least)
	}
}

func (p *printer) comma(i int) {
	if i > 0 {
		p.b.WriteByte(',')
	}
}

func (p *printer) lambda(l Lambda) {
	p.path(l.From, l.Path)
	if l.All {
		p.b.WriteString("/all(")
	} else {
		p.b.WriteString("/any(")
	}
	if l.Body != nil {
		p.b.WriteString(l.Var + ":")
		p.vars = append(p.vars, l.Var)
		p.expr(l.Body, 0)
		p.vars = p.vars[:len(p.vars)-1]
	}
	p.b.WriteByte(')')
}

// prop writes a property. A DateText that is taken as a String is one because a
// function made it so, of which tolower changes nothing.
func (p *printer) prop(e Prop) {
	text := e.Of.Type == DateText && e.As == String
	if text {
		p.b.WriteString("tolower(")
	}
	p.path(e.Var, e.Path)
	if text {
		p.b.WriteByte(')')
	}
}

// path writes where a property is. One of the entity itself is told from a range
// variable of the same name by $it.
func (p *printer) path(variable, path string) {
	switch {
	case variable == "":
		first, _, _ := strings.Cut(path, "/")
		for _, v := range p.vars {
			if strings.EqualFold(v, first) {
				p.b.WriteString("$it/")
				break
			}
		}
		p.b.WriteString(path)
	default:
		p.b.WriteString(join(variable, path))
	}
}
