package odata

import "github.com/duly-todo/duly/internal/todo"

// A Budget is how much work a request may make of its filters. Each row adds to it
// what a plain filter needs of a row like it, so that a filter which does what
// filters are for never comes to its end, however many rows it sees. A filter that
// goes over long texts hundreds of times, or over the steps of a task for each of
// its steps, does. Work is counted, not timed: the same filter on the same rows is
// refused always, or never. A unit of it takes some 20 ns.
type Budget struct{ left int }

const (
	pool    = 4_000_000 // units of a request beyond those of its rows: some 80 ms
	ofRow   = 4_096     // units that a row adds, beside those of its texts and collections
	ofItem  = 32        // units that an item of a collection of the row adds
	scanned = 128       // bytes of a text that one unit finds or compares
	walked  = 16        // bytes of a text that one unit copies, folds or counts
)

// NewBudget is the budget of a request.
func NewBudget() *Budget { return &Budget{left: pool} }

// Eval is [Eval] within the budget. When that is used up, the error is a
// *todo.Error of kind BadRequest.
func (b *Budget) Eval(e Expr, row Row) (bool, error) {
	ev := evaluator{row: row, left: b.left + ofRow}
	is := ev.truth(e)
	if ev.left < 0 {
		b.left = -ofRow - 1 // and stays used up
		return false, todo.Errorf(todo.BadRequest, "$filter", "Invalid filter clause: The expression is too complex for the entities that it is to be evaluated on. Use fewer conditions on long texts, shorter patterns, and no any or all within another.")
	}
	b.left = min(ev.left, pool) // rows that need less fill the pool again, and no further
	return is, nil
}

// ofText is what a long text of a row adds, the first time that it is looked at: that
// it be searched for some words, and its beginning for a pattern of some length.
func ofText(text string) int {
	const words, steps = 4, 16
	return words*len(text)/scanned + steps*min(len(text), maxMatched)
}

// work is what a function costs of texts, in units.
func (c Call) work(x, y Value) int {
	switch c.Fn {
	case FuncMatchesPattern:
		return min(len(x.Text), maxMatched) * c.Pattern.steps
	case FuncContains, FuncStartsWith, FuncEndsWith:
		return len(x.Text) / scanned
	}
	return (len(x.Text) + len(y.Text)) / walked
}
