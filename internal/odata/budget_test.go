package odata_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/duly-todo/duly/internal/odata"
	"github.com/duly-todo/duly/internal/todo"
)

// TestBudgetOfUsualFilters evaluates what clients ask on more rows than the pool
// alone has units for.
func TestBudgetOfUsualFilters(t *testing.T) {
	t.Parallel()
	one := milk()
	one.values["title"] = odata.StringValue("Call the plumber about the kitchen sink, again")
	one.values["body/content"] = odata.StringValue(strings.Repeat("Buy two litres of milk and some bread. ", 26)) // a kilobyte
	ids := make([]string, 500)
	words := make([]string, 20)
	for i := range ids {
		ids[i] = fmt.Sprintf("'0a2Kg8msr-2WoLQ0c%04d='", i)
	}
	for i := range words {
		words[i] = fmt.Sprintf("contains(tolower(title),'word%d') or contains(tolower(body/content),'word%d')", i, i)
	}
	for _, text := range []string{
		"status ne 'completed' and importance eq 'high'",
		"contains(title,'zebra') or contains(body/content,'zebra')",
		strings.Join(words, " or "),
		"id in (" + strings.Join(ids, ",") + ")",
		"startswith(trim(title),'x') and length(title) gt 3",
		"indexof(body/content,'zebra') ge 0",
		"matchesPattern(title,'^call.*(plumber|electrician).*[0-9]+$')",
		"matchesPattern(title,'[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}')",
		"matchesPattern(body/content,'zebra|giraffe')",
		"categories/any(c:c eq 'x' or startswith(c,'y'))",
	} {
		t.Run(text[:min(len(text), 60)], func(t *testing.T) {
			t.Parallel()
			e, budget := parse(t, text), odata.NewBudget()
			for i := range 3_000 {
				if _, err := budget.Eval(e, one); err != nil {
					t.Fatalf("row %d: %v", i, err)
				}
			}
		})
	}
}

// TestBudgetOfHostileFilters wants filters refused that go over long texts, or
// the items of a collection, very often.
func TestBudgetOfHostileFilters(t *testing.T) {
	t.Parallel()
	one := milk()
	one.values["body/content"] = odata.StringValue(strings.Repeat("a", todo.MaxBody))
	one.items["categories"] = make([]odata.Row, 1_000)
	for i := range one.items["categories"] {
		one.items["categories"][i] = row{values: map[string]odata.Value{"": odata.StringValue("x")}}
	}
	many := func(term, by string, n int) string { return strings.TrimSuffix(strings.Repeat(term+by, n), by) }
	for name, text := range map[string]string{
		"contains":       many("contains(body/content,'b')", " or ", 300),
		"comparisons":    many("body/content eq trim(body/content) and not contains(body/content,'b')", " and ", 80),
		"concat":         "length(" + strings.Repeat("concat(body/content,", 60) + "'x'" + strings.Repeat(")", 61) + " eq 1",
		"patterns":       many("matchesPattern(body/content,'(a?){9}b')", " or ", 200),
		"items of body":  "categories/any(c:contains(body/content,concat(c,'b')))",
		"items of items": "categories/any(a:categories/any(b:categories/any(c:a ne b and b ne c and c eq 'y' or a eq 'z')))",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e, budget := parse(t, text), odata.NewBudget()
			for range 50 {
				_, err := budget.Eval(e, one)
				if refused, ok := errors.AsType[*todo.Error](err); ok {
					if refused.Kind != todo.BadRequest || refused.Target != "$filter" || !strings.Contains(refused.Message, "too complex") {
						t.Errorf("%#v", refused)
					}
					if _, again := budget.Eval(parse(t, "title eq 'x'"), one); again == nil {
						t.Error("what is used up is there again")
					}
					return
				}
			}
			t.Error("it is evaluated")
		})
	}
}
