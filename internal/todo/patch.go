package todo

// Opt is a member of a request body: absent, null or a value.
// Its zero value is absent.
type Opt[T any] struct {
	Set  bool // the member is in the body
	Null bool // and it is null
	V    T    // and this is its value, unless Null
}

// Some returns a member that holds v.
func Some[T any](v T) Opt[T] { return Opt[T]{Set: true, V: v} }

// Null returns a member that is an explicit null.
func Null[T any]() Opt[T] { return Opt[T]{Set: true, Null: true} }

// Has says whether the member is in the body with a value.
func (o Opt[T]) Has() bool { return o.Set && !o.Null }
