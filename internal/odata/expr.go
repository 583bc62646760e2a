package odata

import "regexp"

// An Expr is a node of a checked $filter: [And], [Or], [Not], [Compare], [In],
// [Has], [Call], [Lambda], [Prop], [Literal], [Arith] or [Neg]. [ParseFilter]
// makes them, and promises of them what their comments say, so that whoever
// evaluates a tree need not check it again:
//
//   - The types of operands fit. Both sides of a comparison have the same type,
//     but that one may be Int and the other Double, and that a literal null
//     stands with any type.
//   - A literal null is found as a side of a Compare and in the list of an In
//     only.
//   - A tree is at most 64 nodes deep and has at most 1,000 nodes, of which each
//     element of an In's list is one.
//   - tolower and toupper are not in it, since all text is folded, nor round,
//     floor and ceiling of an Int. mindatetime() and maxdatetime() are literals.
//
// [Eval] says what each node means.
type Expr interface {
	// Type is what the node evaluates to: Bool for the filter as a whole.
	Type() Type
	expr()
}

// And is true if all of its two or more terms are.
type And struct{ Terms []Expr }

// Or is true if one of its two or more terms is.
type Or struct{ Terms []Expr }

// Not is true if X, a Bool, is not.
type Not struct{ X Expr }

// An Op is a comparison.
type Op uint8

// The comparisons.
const (
	Eq Op = iota
	Ne
	Gt
	Ge
	Lt
	Le
)

// String returns the operator as it is written.
func (o Op) String() string { return [...]string{"eq", "ne", "gt", "ge", "lt", "le"}[o] }

// Compare compares two values. Where one side is a Literal, it is R. Complex
// properties are compared with null by Eq and Ne only.
type Compare struct {
	Op   Op
	L, R Expr
}

// In is true if X equals one of the list, which has 1 to 500 literals.
type In struct {
	X    Expr
	List []Literal
}

// Has is true if X, an Enum, is that member. No enumeration of To Do has flags,
// and of one value without flags to have a member is to be it.
type Has struct {
	X      Expr
	Member Literal // of type Enum
}

// A Func is a function of OData.
type Func uint8

// The functions, with the types of their arguments and their result.
const (
	FuncContains           Func = iota // (String, String) Bool
	FuncStartsWith                     // (String, String) Bool
	FuncEndsWith                       // (String, String) Bool
	FuncMatchesPattern                 // (String, literal String) Bool; see Call.Pattern
	FuncConcat                         // (String, String) String
	FuncIndexOf                        // (String, String) Int
	FuncLength                         // (String) Int
	FuncSubstring                      // (String, Int) or (String, Int, Int) String
	FuncTrim                           // (String) String
	FuncYear                           // (Instant or Date) Int
	FuncMonth                          // (Instant or Date) Int
	FuncDay                            // (Instant or Date) Int
	FuncHour                           // (Instant or TimeOfDay) Int
	FuncMinute                         // (Instant or TimeOfDay) Int
	FuncSecond                         // (Instant or TimeOfDay) Int
	FuncFractionalSeconds              // (Instant or TimeOfDay) Double
	FuncDate                           // (Instant) Date
	FuncTime                           // (Instant) TimeOfDay
	FuncTotalOffsetMinutes             // (Instant) Int
	FuncTotalSeconds                   // (Duration) Double
	FuncNow                            // () Instant; Bind takes it away
	FuncRound                          // (Double) Double
	FuncFloor                          // (Double) Double
	FuncCeiling                        // (Double) Double
)

// Call is a function of its arguments.
type Call struct {
	Fn   Func
	Args []Expr

	// Pattern is the compiled pattern of FuncMatchesPattern, in Go's syntax: at
	// most 512 bytes, and 100 steps with its repetitions written out. It has no
	// case and is to be matched against folded text. It is nil of other functions.
	Pattern *Pattern
}

// A Pattern is a pattern of FuncMatchesPattern, with about how many steps the
// engine takes for each byte of a text at worst.
type Pattern struct {
	*regexp.Regexp
	steps int
}

// Lambda asks about the elements of a collection.
type Lambda struct {
	All  bool      // all elements must satisfy Body; else one must
	From string    // the variable whose collection it is; "" is the entity itself
	Path string    // of the collection
	Of   *Property // of type Collection, with its Item
	Var  string    // stands for the element in Body; no two that enclose one another are equal
	Body Expr      // a Bool; nil of any() without a body, which asks whether there is an element
}

// Prop is the value of a property.
type Prop struct {
	Var  string    // the variable of a Lambda whose element it is of; "" is the entity itself
	Path string    // canonical; "" is the element itself where that is a value
	Of   *Property // what the schema has at Path
	As   Type      // Of.Type, but for a DateText, which is taken as an Instant or as a String
}

// Literal is a constant. Its type is never Complex, Entity, Collection or DateText.
type Literal struct{ Value Value }

// An ArithOp is an operator of arithmetic.
type ArithOp uint8

// The operators of arithmetic.
const (
	Add   ArithOp = iota
	Sub           // the difference of two Instants is a Duration
	Mul           // of a Duration by an Int as well, and the other way round
	Div           // of two Ints an Int, cut towards zero; of a Duration by an Int a Duration, cut likewise
	DivBy         // always a Double
	Mod           // of Ints only; the remainder has the sign of L
)

// String returns the operator as it is written.
func (o ArithOp) String() string {
	return [...]string{"add", "sub", "mul", "div", "divby", "mod"}[o]
}

// Arith is the result of an operator on Ints, Doubles, Instants and Durations.
// Neither it nor any part of it can overflow: a filter in which that could
// happen is refused. Ints are within ±2^53, Durations within ±4e18
// microseconds; a Double that is not zero is of 1e-300 to 1e300. A sum that is
// an Instant is held within the years 1 to 9999.
type Arith struct {
	Op     ArithOp
	L, R   Expr
	Result Type // Int, Double, Instant or Duration
}

// Neg is X, an Int, a Double or a Duration, with the other sign.
type Neg struct{ X Expr }

// Type is Bool.
func (And) Type() Type { return Bool }

// Type is Bool.
func (Or) Type() Type { return Bool }

// Type is Bool.
func (Not) Type() Type { return Bool }

// Type is Bool.
func (Compare) Type() Type { return Bool }

// Type is Bool.
func (In) Type() Type { return Bool }

// Type is Bool.
func (Has) Type() Type { return Bool }

// Type is Bool.
func (Lambda) Type() Type { return Bool }

// Type is what the property is taken as.
func (p Prop) Type() Type { return p.As }

// Type is that of the value.
func (l Literal) Type() Type { return l.Value.Type }

// Type is that of the result.
func (a Arith) Type() Type { return a.Result }

// Type is that of the operand.
func (n Neg) Type() Type { return n.X.Type() }

// Type is that of the result.
func (c Call) Type() Type {
	switch c.Fn {
	case FuncContains, FuncStartsWith, FuncEndsWith, FuncMatchesPattern:
		return Bool
	case FuncConcat, FuncSubstring, FuncTrim:
		return String
	case FuncFractionalSeconds, FuncTotalSeconds, FuncRound, FuncFloor, FuncCeiling:
		return Double
	case FuncDate:
		return Date
	case FuncTime:
		return TimeOfDay
	case FuncNow:
		return Instant
	}
	return Int
}

func (And) expr()     {}
func (Or) expr()      {}
func (Not) expr()     {}
func (Compare) expr() {}
func (In) expr()      {}
func (Has) expr()     {}
func (Call) expr()    {}
func (Lambda) expr()  {}
func (Prop) expr()    {}
func (Literal) expr() {}
func (Arith) expr()   {}
func (Neg) expr()     {}
