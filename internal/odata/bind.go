package odata

import (
	"math"
	"time"
)

// Bind puts the time of a request in the place of now(), and then the value in
// the place of arithmetic and functions that have only literals in them, so that
// a comparison with "now() sub duration'P7D'" can use an index like any other. A
// null is never put in. The tree given is not changed.
func Bind(e Expr, now time.Time) Expr {
	b := binder{now: Literal{Value{Type: Instant, Int: min(max(now.UnixMicro(), minInstant), maxInstant)}}}
	return b.bind(e)
}

type binder struct{ now Literal }

func (b binder) bind(e Expr) Expr {
	switch e := e.(type) {
	case And:
		return And{b.all(e.Terms)}
	case Or:
		return Or{b.all(e.Terms)}
	case Not:
		return Not{b.bind(e.X)}
	case Compare:
		return Compare{e.Op, b.bind(e.L), b.bind(e.R)}.turned()
	case In:
		return In{b.bind(e.X), e.List}
	case Lambda:
		if e.Body != nil {
			e.Body = b.bind(e.Body)
		}
		return e
	case Neg:
		x := b.bind(e.X)
		return constant(Neg{x}, x)
	case Arith:
		e.L, e.R = b.bind(e.L), b.bind(e.R)
		return constant(e, e.L, e.R)
	case Call:
		if e.Fn == FuncNow {
			return b.now
		}
		e.Args = b.all(e.Args)
		return constant(e, e.Args...)
	}
	return e
}

func (b binder) all(list []Expr) []Expr {
	bound := make([]Expr, len(list))
	for i, e := range list {
		bound[i] = b.bind(e)
	}
	return bound
}

// constant is e, or its value if all its operands are literals.
func constant(e Expr, operands ...Expr) Expr {
	for _, operand := range operands {
		if _, ok := operand.(Literal); !ok {
			return e
		}
	}
	ev := evaluator{left: math.MaxInt / 2}
	if v := ev.value(e); !v.IsNull() {
		return Literal{v}
	}
	return e
}

// turned is the comparison with a literal on the right, if there is one.
func (c Compare) turned() Compare {
	_, left := c.L.(Literal)
	if _, right := c.R.(Literal); !left || right {
		return c
	}
	return Compare{c.Op.turned(), c.R, c.L}
}
