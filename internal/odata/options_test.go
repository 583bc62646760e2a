package odata_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/duly-todo/duly/internal/odata"
	"github.com/duly-todo/duly/internal/todo"
)

// message is the message of an error for a client, whose target is checked.
func message(t *testing.T, err error, target string) string {
	t.Helper()
	var te *todo.Error
	if !errors.As(err, &te) || te.Kind != todo.BadRequest || te.Target != target || te.Message == "" {
		t.Fatalf("got %#v, want a bad request of %s", err, target)
	}
	return te.Message
}

func orderText(keys []odata.Order) string {
	var b strings.Builder
	for i, k := range keys {
		if i > 0 {
			b.WriteString(",")
		}
		b.WriteString(k.Path)
		if k.Desc {
			b.WriteString(" desc")
		}
	}
	return b.String()
}

func TestParseOrderBy(t *testing.T) {
	t.Parallel()
	s := taskSchema()
	for text, want := range map[string]string{
		"":                            "",
		"title":                       "title",
		"createdDateTime DESC":        "createdDateTime desc",
		"createdDateTime desc":        "createdDateTime desc",
		"importance desc, title ASC":  "importance desc,title",
		" dueDATEtime/DateTime\tdesc": "dueDateTime/dateTime desc",
		"body/contentType,id asc":     "body/contentType,id",
		"title,title desc,TITLE":      "title",
	} {
		keys, err := odata.ParseOrderBy(text, s)
		if got := orderText(keys); err != nil || got != want {
			t.Errorf("%q: got %q %v, want %q", text, got, err, want)
		}
	}
	for text, want := range map[string]string{
		"titel desc":             "Could not find a property named 'titel' on type 'microsoft.graph.todoTask' at position 0 in 'titel desc'.",
		"title,":                 "Expression expected at position 6 in 'title,'.",
		"title downwards":        "Syntax error: asc or desc expected, not 'downwards', at position 6 in 'title downwards'.",
		"title desc asc":         "Syntax error: ',' expected at position 11 in 'title desc asc'.",
		"id, dueDateTime":        "The $orderby expression must evaluate to a single value of primitive type, and 'dueDateTime' does not at position 4 in 'id, dueDateTime'.",
		"categories":             "The $orderby expression must evaluate to a single value of primitive type, and 'categories' does not at position 0 in 'categories'.",
		strings.Repeat("a,", 16): "There are 17 keys, and at most 16 are allowed.",
		"length(title)":          "Could not find a property named 'length(title)' on type 'microsoft.graph.todoTask' at position 0 in 'length(title)'.",
		strings.Repeat(" ", 1e6): "The text is 1000000 bytes long, and at most 16384 are allowed.",
	} {
		_, err := odata.ParseOrderBy(text, s)
		if got := message(t, err, "$orderby"); got != "Invalid orderby clause: "+want {
			t.Errorf("%.80q\ngot  %s\nwant %s", text, got, want)
		}
	}
}

func TestParseSelect(t *testing.T) {
	t.Parallel()
	s := taskSchema()
	for text, want := range map[string]string{
		"":                            "",
		"*":                           "",
		"title,*":                     "",
		"id,title,status":             "id title status",
		" ID , Title,id":              "id title",
		"body/CONTENT,dueDateTime":    "body/content dueDateTime",
		"checklistItems,categories":   "checklistItems categories",
		"parentList,recurrence,title": "parentList recurrence title",
	} {
		got, err := odata.ParseSelect(text, s)
		if err != nil || strings.Join(got.Paths, " ") != want || got.All() != (want == "") {
			t.Errorf("%q: got %q %v, want %q", text, got.Paths, err, want)
		}
	}
	for text, want := range map[string]string{
		"id,webLink":               "Could not find a property named 'webLink' on type 'microsoft.graph.todoTask'.",
		"body/text":                "Could not find a property named 'text' on type 'microsoft.graph.itemBody'.",
		"id,,title":                "Term '' is not valid in a $select or $expand expression at position 3 in 'id,,title'.",
		"id title":                 "Could not find a property named 'id title' on type 'microsoft.graph.todoTask'.",
		strings.Repeat("id,", 100): "There are 101 names, and at most 100 are allowed.",
	} {
		_, err := odata.ParseSelect(text, s)
		if got := message(t, err, "$select"); got != "Parsing OData Select and Expand failed: "+want {
			t.Errorf("%.80q\ngot  %s\nwant %s", text, got, want)
		}
	}
	part, err := odata.ParseSelect("body/content,dueDateTime", s)
	if err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]bool{
		"body": true, "body/content": true, "body/contentType": false, "dueDateTime": true, "dueDateTime/timeZone": true, "title": false, "due": false, "bodyPreview": false,
	} {
		if part.Has(path) != want {
			t.Errorf("Has(%s) is %v", path, !want)
		}
		if all := (odata.Selection{}); !all.Has(path) {
			t.Errorf("everything has no %s", path)
		}
	}
}

func expandText(list []odata.Expansion) string {
	var b strings.Builder
	for i, x := range list {
		if i > 0 {
			b.WriteString(",")
		}
		fmt.Fprintf(&b, "%s(", x.Path)
		if x.Filter != nil {
			fmt.Fprintf(&b, "filter=%s;", odata.Print(x.Filter))
		}
		if !x.Select.All() {
			fmt.Fprintf(&b, "select=%s;", strings.Join(x.Select.Paths, ","))
		}
		if len(x.OrderBy) > 0 {
			fmt.Fprintf(&b, "orderby=%s;", orderText(x.OrderBy))
		}
		if x.Top >= 0 || x.Skip > 0 || x.Count {
			fmt.Fprintf(&b, "top=%d;skip=%d;count=%v;", x.Top, x.Skip, x.Count)
		}
		if x.Search != nil {
			fmt.Fprintf(&b, "search=%s;", searchText(x.Search))
		}
		if len(x.Expand) > 0 {
			fmt.Fprintf(&b, "expand=%s;", expandText(x.Expand))
		}
		b.WriteString(")")
	}
	return b.String()
}

func TestParseExpand(t *testing.T) {
	t.Parallel()
	s := taskSchema()
	aliases := map[string]string{"@id": "'com.x'"}
	for text, want := range map[string]string{
		"":                                        "",
		"checklistItems":                          "checklistItems()",
		"linkedResources, CHECKLISTITEMS":         "linkedResources(),checklistItems()",
		"extensions($filter=id eq 'a;b)(,c''d')":  "extensions(filter=id eq 'a;b)(,c''d';)",
		"extensions( Filter = id eq @id )":        "extensions(filter=id eq 'com.x';)",
		"extensions()":                            "extensions()",
		"extensions,extensions":                   "extensions()",
		"extensions($top=1),extensions":           "extensions(top=1;skip=0;count=false;)",
		"*":                                       "checklistItems(),linkedResources(),extensions(),parentList()",
		"extensions($top=5),*":                    "extensions(top=5;skip=0;count=false;),checklistItems(),linkedResources(),parentList()",
		"checklistItems($skip=2;$count=TRUE;)":    "checklistItems(top=-1;skip=2;count=true;)",
		`checklistItems($search="a;b)" OR (x y))`: `checklistItems(search=("a;b)" OR (x AND y));)`,
		"checklistItems($filter=isChecked eq false;$orderby=createdDateTime desc,id;$select=id,displayName;$top=10)":        "checklistItems(filter=isChecked eq false;select=id,displayName;orderby=createdDateTime desc,id;top=10;skip=0;count=false;)",
		"parentList($select=displayName;$expand=tasks($filter=checklistItems/any(s:s/id eq 'x');$expand=linkedResources))":  "parentList(select=displayName;expand=tasks(filter=checklistItems/any(s:s/id eq 'x');expand=linkedResources(););)",
		"parentList(expand=extensions(filter=id eq 'x'),tasks(count=true)),checklistItems(orderby=DisplayName;count=false)": "parentList(expand=extensions(filter=id eq 'x';),tasks(top=-1;skip=0;count=true;);),checklistItems(orderby=displayName;)",
	} {
		list, err := odata.ParseExpand(text, s, aliases)
		if got := expandText(list); err != nil || got != want {
			t.Errorf("%s\ngot  %s %v\nwant %s", text, got, err, want)
		}
	}
	for text, want := range map[string]string{
		"steps":                         "Could not find a property named 'steps' on type 'microsoft.graph.todoTask'.",
		"title":                         "Property 'title' on type 'microsoft.graph.todoTask' is not a navigation property. Only navigation properties can be expanded.",
		"categories":                    "Property 'categories' on type 'microsoft.graph.todoTask' is not a navigation property. Only navigation properties can be expanded.",
		"checklistItems,":               "Term '' is not valid in a $select or $expand expression: 'checklistItems,'.",
		"extensions($filter=id eq 'a)":  "There is an unterminated string literal at position 8 in 'id eq 'a'.",
		"extensions($top=1":             "')' expected at the end of 'extensions($top=1'.",
		"extensions($top=1)x":           "')' expected at the end of 'extensions($top=1)x'.",
		"extensions($top=x)":            "Invalid value 'x' for the query option '$top': it must be a whole number from 0 to 2147483648.",
		"extensions($skip=-1)":          "Invalid value '-1' for the query option '$skip': it must be a whole number from 0 to 2147483648.",
		"extensions($count=1)":          "Invalid value '1' for the query option '$count': it must be true or false.",
		"extensions($levels=2)":         "The query option '$levels' is not supported in $expand.",
		"extensions($top=1;top=2)":      "The query option '$top' is given more than once in 'extensions($top=1;top=2)'.",
		"extensions,extensions($top=1)": "The navigation property 'extensions' is expanded more than once.",
		"extensions($filter=id eq)":     "Expression expected at position 5 in 'id eq'.",
		"extensions($filter=name eq 1)": "Could not find a property named 'name' on type 'microsoft.graph.extension'.",
		"extensions($orderby=x)":        "Could not find a property named 'x' on type 'microsoft.graph.extension' at position 0 in 'x'.",
		"extensions($search=)":          "Expression expected at position 0 in ''.",
		"parentList($top=1)":            "The query option '$top' cannot be applied to 'parentList', which is not a collection.",
		"parentList($expand=tasks($expand=parentList($expand=tasks)))": "$expand is nested deeper than the 3 levels allowed.",
		strings.Repeat("(", 16_000):                                    "Term '" + strings.Repeat("(", 100) + "…' is not valid in a $select or $expand expression: '" + strings.Repeat("(", 100) + "…'.",
	} {
		_, err := odata.ParseExpand(text, s, aliases)
		if got := message(t, err, "$expand"); got != "Parsing OData Select and Expand failed: "+want {
			t.Errorf("%.80q\ngot  %s\nwant %s", text, got, want)
		}
	}
}

// searchText writes a search with all its operators and parentheses.
func searchText(s odata.Search) string {
	several := func(terms []odata.Search, op string) string {
		texts := make([]string, len(terms))
		for i, term := range terms {
			texts[i] = searchText(term)
		}
		return "(" + strings.Join(texts, op) + ")"
	}
	switch s := s.(type) {
	case odata.SearchAnd:
		return several(s.Terms, " AND ")
	case odata.SearchOr:
		return several(s.Terms, " OR ")
	case odata.SearchNot:
		return "NOT " + searchText(s.X)
	case odata.SearchTerm:
		if s.Phrase {
			return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s.Text) + `"`
		}
		return s.Text
	}
	return fmt.Sprintf("%T", s)
}

func TestParseSearch(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"milk":                      "milk",
		`"milk"`:                    `"milk"`,
		"milk bread":                "(milk AND bread)",
		"milk AND bread eggs":       "(milk AND bread AND eggs)",
		"a b OR c NOT d":            "((a AND b) OR (c AND NOT d))",
		"a OR b AND c":              "(a OR (b AND c))",
		"(a OR b) c":                "((a OR b) AND c)",
		"NOT (a OR NOT b)":          "NOT (a OR NOT b)",
		"and or not Or":             "(and AND or AND not AND Or)",
		`"a AND" "OR"`:              `("a AND" AND "OR")`,
		`"say \"hi\" \\ \n"`:        `"say \"hi\" \\ \\n"`,
		`it's 50% 日本語 C++ a:b -x *`: `(it's AND 50% AND 日本語 AND C++ AND a:b AND -x AND *)`,
		`a"b"c`:                     `(a AND "b" AND c)`,
		"((a))":                     "a",
	} {
		s, err := odata.ParseSearch(text)
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		if got := searchText(s); got != want {
			t.Errorf("%s\ngot  %s\nwant %s", text, got, want)
		}
	}
	for text, want := range map[string]string{
		"":                          "Expression expected at position 0 in ''.",
		"a AND":                     "Expression expected at position 5 in 'a AND'.",
		"OR a":                      "Expression expected at position 0 in 'OR a'.",
		"a OR OR b":                 "Expression expected at position 5 in 'a OR OR b'.",
		"(a":                        "')' expected at position 2 in '(a'.",
		"a)":                        "Syntax error at position 1 in 'a)'.",
		`"a`:                        `There is an unterminated phrase at position 2 in '"a'.`,
		`a " "`:                     `The phrase is empty at position 2 in 'a " "'.`,
		"()":                        "Expression expected at position 1 in '()'.",
		"NOT":                       "Expression expected at position 3 in 'NOT'.",
		strings.Repeat("a ", 33):    "There are more than the 32 terms allowed at position 64 in '" + strings.Repeat("a ", 33) + "'.",
		strings.Repeat("NOT ", 100): "The search is nested deeper than the 64 levels allowed at position 256 in '" + strings.Repeat("NOT ", 25) + "…'.",
		"a\x00":                     "The character U+0000 is not allowed at position 1 in 'a\x00'.",
	} {
		_, err := odata.ParseSearch(text)
		if got := message(t, err, "$search"); got != "Invalid search clause: "+want {
			t.Errorf("%.80q\ngot  %s\nwant %s", text, got, want)
		}
	}
}
