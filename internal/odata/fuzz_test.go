package odata_test

import (
	"errors"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/duly-todo/duly/internal/odata"
	"github.com/duly-todo/duly/internal/todo"
)

// slowest is how long any option may take, with much room for a busy machine.
const slowest = 5 * time.Second

// refused checks what is promised of every refusal.
func refused(t *testing.T, err error, target string) {
	t.Helper()
	var te *todo.Error
	if !errors.As(err, &te) || te.Kind != todo.BadRequest || te.Target != target {
		t.Fatalf("got %#v, want a bad request of %s", err, target)
	}
	if !strings.HasSuffix(te.Message, ".") || !utf8.ValidString(te.Message) || len(te.Message) > 1_000 {
		t.Fatalf("message %q", te.Message)
	}
}

func inTime(t *testing.T, began time.Time) {
	t.Helper()
	if took := time.Since(began); took > slowest {
		t.Fatalf("took %v", took)
	}
}

// FuzzParseFilter reads anything as a filter. What is accepted prints as a filter
// that is read as the same tree, and can be evaluated.
func FuzzParseFilter(f *testing.F) {
	for _, test := range refusedFilters() {
		f.Add(test.text[:min(len(test.text), 1_000)], "'x'")
	}
	for _, seed := range []string{
		"status ne 'completed' or completedDateTime/dateTime ge '2026-01-01'", "checklistItems/any(s:s/isChecked eq false and @p eq title)",
		"matchesPattern(title,'(a|b)*c{2,5}$')", "createdDateTime gt now() sub duration'P7DT1.5S' and -size mul 2 lt 3.5e2", "title in ('a',null) and not (importance has 'high')",
		"dueDateTime/dateTime in ('2026-01-01','soon',2026-01-01T00:00:00+02:00)", "categories/any(title:title eq $it/title) and id eq 0F8FAD5B-d9cb-469f-a165-70867728950e",
	} {
		f.Add(seed, "(1,2)")
	}
	s := taskSchema()
	one := milk()
	f.Fuzz(func(t *testing.T, text, alias string) {
		began := time.Now()
		e, err := odata.ParseFilter(text, s, map[string]string{"@p": alias})
		if err != nil {
			refused(t, err, "$filter")
			inTime(t, began)
			return
		}
		odata.Eval(e, one)
		inTime(t, began)
		printed := odata.Print(e)
		if len(printed) > 16<<10 {
			return // canonical spellings may be longer than what was sent
		}
		again, err := odata.ParseFilter(printed, s, nil)
		if err != nil {
			if !strings.Contains(err.Error(), "allowed") {
				t.Fatalf("%s\nis printed as %s\nwhich is refused: %v", text, printed, err)
			}
			return
		}
		if diff := same(e, again); diff != "" {
			t.Fatalf("%s\nis printed as %s\n%s", text, printed, diff)
		}
		now := time.Unix(1_800_000_000, 0)
		if odata.Eval(odata.Bind(e, now), one) != odata.Eval(odata.Bind(again, now), one) {
			t.Fatalf("%s\nis printed as %s\nand means something else", text, printed)
		}
	})
}

// FuzzParseExpand reads anything as an $expand.
func FuzzParseExpand(f *testing.F) {
	for _, seed := range []string{
		"checklistItems,linkedResources", "*", "extensions($filter=id eq 'a;b)';$top=5;$count=true)", "parentList($expand=tasks($expand=parentList($expand=tasks)))",
		"extensions($filter=id eq @p)", `checklistItems($search="a;b" OR c;$orderby=id desc;$select=id)`, "((((", "a(b(c(d)", "extensions($filter=contains(id,'",
	} {
		f.Add(seed, "'x'")
	}
	s := taskSchema()
	f.Fuzz(func(t *testing.T, text, alias string) {
		began := time.Now()
		list, err := odata.ParseExpand(text, s, map[string]string{"@p": alias})
		inTime(t, began)
		if err != nil {
			refused(t, err, "$expand")
			return
		}
		for _, x := range list {
			if !x.Of.IsNavigation() || x.Path != x.Of.Name {
				t.Fatalf("%s: %v", text, x)
			}
		}
	})
}

// FuzzParseOrderBy reads anything as an $orderby, and what it prints as again.
func FuzzParseOrderBy(f *testing.F) {
	for _, seed := range []string{"createdDateTime desc", "importance DESC,dueDateTime/dateTime,id asc", "title desc asc", ",,,", "dueDateTime"} {
		f.Add(seed)
	}
	s := taskSchema()
	f.Fuzz(func(t *testing.T, text string) {
		keys, err := odata.ParseOrderBy(text, s)
		if err != nil {
			refused(t, err, "$orderby")
			return
		}
		again, err := odata.ParseOrderBy(orderText(keys), s)
		if err != nil || orderText(again) != orderText(keys) {
			t.Fatalf("%q is %v, and then %v %v", text, keys, again, err)
		}
	})
}

// FuzzParseSelect reads anything as a $select, and what it found again.
func FuzzParseSelect(f *testing.F) {
	for _, seed := range []string{"id,title,status", "*", "BODY/content, dueDateTime", "a,,b", "id title", "parentList/id"} {
		f.Add(seed)
	}
	s := taskSchema()
	f.Fuzz(func(t *testing.T, text string) {
		selection, err := odata.ParseSelect(text, s)
		if err != nil {
			refused(t, err, "$select")
			return
		}
		paths := strings.Join(selection.Paths, ",")
		again, err := odata.ParseSelect(paths, s)
		if err != nil || strings.Join(again.Paths, ",") != paths {
			t.Fatalf("%q is %q, and then %q %v", text, paths, again.Paths, err)
		}
	})
}

// FuzzParseSearch reads anything as a $search, and what it prints as again.
func FuzzParseSearch(f *testing.F) {
	for _, seed := range []string{"milk", `"a b" OR (c NOT d) AND e`, `"say \"hi\""`, "((((", "NOT NOT a", "日本語 C++", `"`} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		s, err := odata.ParseSearch(text)
		if err != nil {
			refused(t, err, "$search")
			return
		}
		printed := searchText(s)
		if len(printed) > 16<<10 {
			return
		}
		again, err := odata.ParseSearch(printed)
		if err != nil || searchText(again) != printed {
			t.Fatalf("%q is %s, and then %v", text, printed, err)
		}
	})
}
