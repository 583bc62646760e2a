package odata_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/duly-todo/duly/internal/odata"
	"github.com/duly-todo/duly/internal/odata/odatatest"
	"github.com/duly-todo/duly/internal/todo"
)

func parse(t testing.TB, text string) odata.Expr {
	t.Helper()
	e, err := odata.ParseFilter(text, taskSchema(), nil)
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return e
}

// TestFilterAccepted shows by what Print makes of them how filters are understood.
func TestFilterAccepted(t *testing.T) {
	t.Parallel()
	aliases := map[string]string{
		"@term": "'x'", "@n": "-2", "@list": "('a', 'b')", "@same": "@term", "@expr": "title eq 'a' or size gt 1", "@items": "@list", "@none": "null",
	}
	// An empty want is the text itself.
	tests := []struct{ text, want string }{
		// Clients' filters.
		{"status ne 'completed'", ""},
		{"status eq 'notStarted' or importance eq microsoft.graph.importance'HIGH'", "status eq 'notStarted' or importance eq 'high'"},
		{"importance eq graph.importance'low'", "importance eq 'low'"},
		{"title eq 'it''s'", ""},
		{"contains(tolower(title), @term) or contains(tolower(body/content), @term)", "contains(title,'x') or contains(body/content,'x')"},
		{"lastModifiedDateTime ge 2026-09-24T14:13:00Z", ""},
		{"status ne 'completed' or completedDateTime/dateTime ge '2026-01-01'", "status ne 'completed' or completedDateTime/dateTime ge 2026-01-01T00:00:00Z"},
		{"duedatetime/datetime lt '2026-01-31T00:00:00.0000000'", "dueDateTime/dateTime lt 2026-01-31T00:00:00Z"},
		{"dueDateTime ne null", ""},
		{"categories/any(c:c eq 'x')", ""},
		{"linkedResources/any(l:l/externalId eq 'x')", ""},
		{"checklistItems/any(s:s/isChecked eq false)", ""},
		{"categories/any()", ""},
		{"not categories/any()", ""},
		{"categories/all(c: startswith(c,'a') and title eq c)", "categories/all(c:startswith(c,'a') and title eq c)"},

		// Precedence.
		{"status eq 'completed' or title eq 'a' and size eq 1", ""},
		{"(status eq 'completed' or title eq 'a') and size eq 1", ""},
		{"((status eq 'completed') or (title eq 'a'))", "status eq 'completed' or title eq 'a'"},
		{"isReminderOn and (hasAttachments and isReminderOn)", ""},
		{"not isReminderOn and hasAttachments", ""},
		{"not (isReminderOn and hasAttachments)", ""},
		{"not isReminderOn eq hasAttachments", ""},
		{"not (isReminderOn eq hasAttachments)", ""},
		{"not title in ('a')", ""},
		{"not(title eq 'a')", "not (title eq 'a')"},
		{"1 add size mul 2 eq 3", ""},
		{"(1 add size) mul 2 eq 3", ""},
		{"size sub 1 sub 2 eq size sub (1 sub 2)", ""},
		{"-size add 1 eq -(size add 1)", ""},
		{"- 5 lt size", "size gt -5"},
		{"title gt 'a' eq isReminderOn", ""},
		{"(isReminderOn eq hasAttachments) gt false", ""},
		{"(size add 1) in (2,null)", ""},

		// Literals, on either side.
		{"'a' le title", "title ge 'a'"},
		{"null ne title", "title ne null"},
		{"TITLE EQ NULL", "title eq null"},
		{"isReminderOn Eq TRUE", "isReminderOn eq true"},
		{"id eq 0F8FAD5B-d9cb-469f-a165-70867728950e", "id eq '0F8FAD5B-d9cb-469f-a165-70867728950e'"},
		{"weight eq 1", "weight eq 1.0"},
		{"weight eq 1.50 or weight eq 1e21 or weight eq -0.0", "weight eq 1.5 or weight eq 1e+21 or weight eq 0.0"},
		{"size lt 2.5 and size gt -9223372036854775808", ""},
		{"day eq 2026-02-28 and clock ge 07:30 and clock lt 07:30:00.123456789", "day eq 2026-02-28 and clock ge 07:30:00 and clock lt 07:30:00.123456"},
		{"day eq '2026-02-28' and clock ne '07:30'", "day eq 2026-02-28 and clock ne 07:30:00"},
		{"spent gt duration'P1DT1.5S' or spent eq 'PT90M' or spent lt duration'-pt1h'", "spent gt duration'P1DT0H0M1.5S' or spent eq duration'P0DT1H30M0S' or spent lt duration'-P0DT1H0M0S'"},
		{"createdDateTime ge 2026-01-01 and createdDateTime lt '2026-02-01T00:00:00+02:00'", "createdDateTime ge 2026-01-01T00:00:00Z and createdDateTime lt 2026-01-31T22:00:00Z"},
		{"dueDateTime/dateTime gt 2026-01-01T00:00:00.1234567-08:00", "dueDateTime/dateTime gt 2026-01-01T08:00:00.123456Z"},
		{"dueDateTime/dateTime eq '2026-01' or dueDateTime/dateTime ne null", "tolower(dueDateTime/dateTime) eq '2026-01' or dueDateTime/dateTime ne null"},
		{"dueDateTime/dateTime ne '0001-01-01T00:00:00Z'", "dueDateTime/dateTime ne 0001-01-01T00:00:00Z"},
		{"dueDateTime/dateTime lt createdDateTime or reminderDateTime/dateTime lt dueDateTime/dateTime", ""},
		{"dueDateTime/dateTime in ('2026-01-01','soon',null)", "dueDateTime/dateTime in (2026-01-01T00:00:00Z,null) or tolower(dueDateTime/dateTime) in ('soon')"},
		{"startswith(dueDateTime/dateTime,'2026-01')", "startswith(tolower(dueDateTime/dateTime),'2026-01')"},
		{"title in ('a', 'b' )", "title in ('a','b')"},
		{"status in ('COMPLETED',microsoft.graph.taskStatus'deferred')", "status in ('completed','deferred')"},
		{"status has 'completed'", ""},
		{"1 eq 1.0 and 'a' eq 'A' and null eq null and '2026-01-01' eq 2026-01-01", "1 eq 1.0 and 'a' eq 'A' and null eq null and 2026-01-01 eq 2026-01-01"},

		// Functions.
		{"CONTAINS(Title,'a') AND StartsWith(title,'b')", "contains(title,'a') and startswith(title,'b')"},
		{"endswith(trim(concat(title,id)),'x') and indexof(title,'a') eq 0", ""},
		{"substring(title,1) eq 'a' and substring(title,1,length(title) sub 2) eq 'b'", ""},
		{"matchesPattern(title,'^a.*z$')", ""},
		{"tolower(title) eq 'x' and toupper('x') eq title", "title eq 'x' and title eq 'x'"},
		{"year(createdDateTime) eq 2026 and month(dueDateTime/dateTime) le 6 and day(day) ne 1", ""},
		{"hour(clock) ge 8 and minute(now()) lt 30 and second(createdDateTime) eq 0 and fractionalseconds(clock) lt 0.5", ""},
		{"date(createdDateTime) eq 2026-01-01 and time(createdDateTime) lt 12:00:00", ""},
		{"createdDateTime gt now() sub duration'P7D'", "createdDateTime gt now() sub duration'P7DT0H0M0S'"},
		{"totalseconds(now() sub createdDateTime) divby 3600 gt 1.5", ""},
		{"round(weight) eq 2 and floor(weight) ne ceiling(weight) and round(size) eq 2", "round(weight) eq 2.0 and floor(weight) ne ceiling(weight) and size eq 2"},
		{"createdDateTime lt maxdatetime() and createdDateTime gt mindatetime()", "createdDateTime lt 9999-12-31T23:59:59.999999Z and createdDateTime gt 0001-01-01T00:00:00Z"},

		// Aliases and variables.
		{"size gt @n and title in @list and title in @items", "size gt -2 and title in ('a','b') and title in ('a','b')"},
		{"@same eq title and (@expr) and dueDateTime ne @none", "title eq 'x' and (title eq 'a' or size gt 1) and dueDateTime ne null"},
		{"$it/title eq 'a'", "title eq 'a'"},
		{"categories/any(title:title eq $it/title)", ""},
		{"checklistItems/any(s:categories/any(c:c eq s/displayName and title eq c))", ""},
		{"checklistItems/any(S:s/ID eq 'x')", "checklistItems/any(S:S/id eq 'x')"},
		{" \t(title\r\neq 'a' ) ", "title eq 'a'"},
		{"('a'eq title)and(size eq 1)", "title eq 'a' and size eq 1"},
	}
	s := taskSchema()
	for _, test := range tests {
		t.Run(test.text, func(t *testing.T) {
			t.Parallel()
			e, err := odata.ParseFilter(test.text, s, aliases)
			if err != nil {
				t.Fatal(err)
			}
			want := test.want
			if want == "" {
				want = test.text
			}
			if got := odata.Print(e); got != want {
				t.Errorf("got  %s\nwant %s", got, want)
			}
		})
	}
}

func refusedFilters() []struct{ text, want string } {
	deep := strings.Repeat("(", 1000) + "isReminderOn" + strings.Repeat(")", 1000)
	return []struct{ text, want string }{
		{"contains(title, '", "There is an unterminated string literal at position 17 in 'contains(title, ''."},
		{"titel eq 'a'", "Could not find a property named 'titel' on type 'microsoft.graph.todoTask'."},
		{"dueDateTime/date eq '2026-01-01'", "Could not find a property named 'date' on type 'microsoft.graph.dateTimeTimeZone'."},
		{"checklistItems/any(s:s/done)", "Could not find a property named 'done' on type 'microsoft.graph.checklistItem'."},
		{"", "Expression expected at position 0 in ''."},
		{"title eq", "Expression expected at position 8 in 'title eq'."},
		{"title 'a'", "Syntax error at position 6 in 'title 'a''."},
		{"title eq 'a' or", "Expression expected at position 15 in 'title eq 'a' or'."},
		{"title eq 'a')", "Syntax error at position 12 in 'title eq 'a')'."},
		{"(title eq 'a'", "Syntax error: ')' expected at position 13 in '(title eq 'a''."},
		{"title eq “a”", "Syntax error: character '“' is not valid at position 9 in 'title eq “a”'."},
		{"'日本' eq title ; x", "Syntax error: character ';' is not valid at position 14 in ''日本' eq title ; x'."},
		{"title", "The $filter expression must evaluate to a single boolean value at position 0 in 'title'."},
		{"null", "The $filter expression must evaluate to a single boolean value at position 0 in 'null'."},
		{"title eq 'it's'", "There is an unterminated string literal at position 15 in 'title eq 'it's''."},
		{"title eq 1", "A binary operator with incompatible types was detected. Found operand types 'Edm.String' and 'Edm.Int64' for operator kind 'Equal' at position 6 in 'title eq 1'."},
		{"importance gt 1", "A binary operator with incompatible types was detected. Found operand types 'microsoft.graph.importance' and 'Edm.Int64' for operator kind 'GreaterThan' at position 11 in 'importance gt 1'."},
		{"status eq importance", "A binary operator with incompatible types was detected. Found operand types 'microsoft.graph.taskStatus' and 'microsoft.graph.importance' for operator kind 'Equal' at position 7 in 'status eq importance'."},
		{"status eq microsoft.graph.importance'high'", "A binary operator with incompatible types was detected. Found operand types 'microsoft.graph.taskStatus' and 'Edm.EnumType' for operator kind 'Equal' at position 7 in 'status eq microsoft.graph.importance'high''."},
		{"status eq 'done'", "The string 'done' is not a valid enumeration type constant of 'microsoft.graph.taskStatus' at position 10 in 'status eq 'done''."},
		{"status eq title", "A binary operator with incompatible types was detected. Found operand types 'microsoft.graph.taskStatus' and 'Edm.String' for operator kind 'Equal' at position 7 in 'status eq title'."},
		{"createdDateTime gt 'soon'", "A binary operator with incompatible types was detected. Found operand types 'Edm.DateTimeOffset' and 'Edm.String' for operator kind 'GreaterThan' at position 16 in 'createdDateTime gt 'soon''."},
		{"createdDateTime gt 2026-13-01", "The literal '2026-13-01' is not a number, a date or a time that can be read at position 19 in 'createdDateTime gt 2026-13-01'."},
		{"size eq 99999999999999999999", "The literal '99999999999999999999' is not a number, a date or a time that can be read at position 8 in 'size eq 99999999999999999999'."},
		{"spent eq duration'P1Y'", "The literal duration'P1Y' is not a duration that can be read at position 9 in 'spent eq duration'P1Y''."},
		{"spent eq duration'P99999999D'", "The literal duration'P99999999D' is not a duration that can be read at position 9 in 'spent eq duration'P99999999D''."},
		{"id eq guid'x'", "Syntax error: there is no literal of a type named 'guid' at position 6 in 'id eq guid'x''."},
		{"dueDateTime gt null", "A binary operator with incompatible types was detected. Found operand types 'microsoft.graph.dateTimeTimeZone' and '<null>' for operator kind 'GreaterThan' at position 12 in 'dueDateTime gt null'."},
		{"dueDateTime eq '2026-01-01'", "A binary operator with incompatible types was detected. Found operand types 'microsoft.graph.dateTimeTimeZone' and 'Edm.String' for operator kind 'Equal' at position 12 in 'dueDateTime eq '2026-01-01''."},
		{"dueDateTime eq reminderDateTime", "A binary operator with incompatible types was detected. Found operand types 'microsoft.graph.dateTimeTimeZone' and 'microsoft.graph.dateTimeTimeZone' for operator kind 'Equal' at position 12 in 'dueDateTime eq reminderDateTime'."},
		{"categories eq 'x'", "A binary operator with incompatible types was detected. Found operand types 'Collection(Edm.String)' and 'Edm.String' for operator kind 'Equal' at position 11 in 'categories eq 'x''."},
		{"categories eq null", "A binary operator with incompatible types was detected. Found operand types 'Collection(Edm.String)' and '<null>' for operator kind 'Equal' at position 11 in 'categories eq null'."},
		{"title and isReminderOn", "A binary operator with incompatible types was detected. Found operand types 'Edm.String' and 'Edm.Boolean' for operator kind 'And' at position 6 in 'title and isReminderOn'."},
		{"not title eq 'a'", "A unary operator with an incompatible type was detected. Found operand type 'Edm.String' for operator kind 'Not' at position 0 in 'not title eq 'a''."},
		{"-title eq 'a'", "A unary operator with an incompatible type was detected. Found operand type 'Edm.String' for operator kind 'Negate' at position 0 in '-title eq 'a''."},
		{"title add 1 eq 2", "A binary operator with incompatible types was detected. Found operand types 'Edm.String' and 'Edm.Int64' for operator kind 'Add' at position 6 in 'title add 1 eq 2'."},
		{"size add null eq 2", "A binary operator with incompatible types was detected. Found operand types 'Edm.Int64' and '<null>' for operator kind 'Add' at position 5 in 'size add null eq 2'."},
		{"weight mod 2 eq 1", "A binary operator with incompatible types was detected. Found operand types 'Edm.Double' and 'Edm.Int64' for operator kind 'Modulo' at position 7 in 'weight mod 2 eq 1'."},
		{"size mul size eq 4", "The result of the arithmetic operator may be out of range at position 5 in 'size mul size eq 4'."},
		{"weight divby 1e300 divby 1e300 eq 0", "The result of the arithmetic operator may be out of range at position 7 in 'weight divby 1e300 divby 1e300 eq 0'."},
		{"substringof('a',title)", "An unknown function with name 'substringof' was found at position 0 in 'substringof('a',title)'."},
		{"contains(title)", "No function signature for the function with name 'contains' matches the specified arguments. The function signatures considered are: contains(Edm.String, Edm.String) at position 0 in 'contains(title)'."},
		{"contains(status,'a')", "No function signature for the function with name 'contains' matches the specified arguments. The function signatures considered are: contains(Edm.String, Edm.String) at position 0 in 'contains(status,'a')'."},
		{"contains(title,null)", "No function signature for the function with name 'contains' matches the specified arguments. The function signatures considered are: contains(Edm.String, Edm.String) at position 0 in 'contains(title,null)'."},
		{"contains(categories,'a')", "No function signature for the function with name 'contains' matches the specified arguments. The function signatures considered are: contains(Edm.String, Edm.String) at position 0 in 'contains(categories,'a')'."},
		{"substring(title,'a') eq 'b'", "No function signature for the function with name 'substring' matches the specified arguments. The function signatures considered are: substring(Edm.String, Edm.Int64, optional Edm.Int64) at position 0 in 'substring(title,'a') eq 'b''."},
		{"year(title) eq 1", "No function signature for the function with name 'year' matches the specified arguments. The function signatures considered are: year(Edm.DateTimeOffset or Edm.Date) at position 0 in 'year(title) eq 1'."},
		{"contains(title,'a'", "')' or ',' expected at position 18 in 'contains(title,'a''."},
		{"contains(title,)", "Expression expected at position 15 in 'contains(title,)'."},
		{"matchesPattern(title,id)", "The pattern of the function 'matchesPattern' must be a literal at position 21 in 'matchesPattern(title,id)'."},
		{"matchesPattern(title,'(')", "The pattern of the function 'matchesPattern' cannot be read: missing closing ): `(` at position 21 in 'matchesPattern(title,'(')'."},
		{"matchesPattern(title,'(a{1000}){1000}')", "The pattern of the function 'matchesPattern' cannot be read: invalid repeat count: `{1000}` at position 21 in 'matchesPattern(title,'(a{1000}){1000}')'."},
		{"matchesPattern(title,'(x*){99}y{99}')", "The pattern of the function 'matchesPattern' is, with its repetitions written out, longer than the 100 characters allowed at position 21 in 'matchesPattern(title,'(x*){99}y{99}')'."},
		{"matchesPattern(title,'" + strings.Repeat("a", 513) + "')", "The pattern of the function 'matchesPattern' is longer than the 512 bytes allowed at position 21 in 'matchesPattern(title,'" + strings.Repeat("a", 78) + "…'."},
		{"title/any(x:true)", "Any/All may only be used following a collection at position 6 in 'title/any(x:true)'."},
		{"categories/some(x:true)", "Syntax error: any or all expected after the collection 'categories' at position 11 in 'categories/some(x:true)'."},
		{"categories/$count gt 1", "Syntax error: any or all expected after the collection 'categories' at position 11 in 'categories/$count gt 1'."},
		{"categories/all()", "An identifier was expected at position 15 in 'categories/all()'."},
		{"categories/any(c eq 'x')", "Syntax error: ':' expected at position 17 in 'categories/any(c eq 'x')'."},
		{"categories/any(c:c)", "The expression of any and all must evaluate to a single boolean value at position 17 in 'categories/any(c:c)'."},
		{"categories/any(c:categories/any(C:true))", "The range variable 'C' has already been declared at position 32 in 'categories/any(c:categories/any(C:true))'."},
		{"checklistItems/any(s:s eq null)", "Syntax error: '/' expected at position 23 in 'checklistItems/any(s:s eq null)'."},
		{"checklistItems/any(s:s/id eq 'a') and s/id eq 'b'", "Could not find a property named 's' on type 'microsoft.graph.todoTask'."},
		{"parentList/displayName eq 'a'", "The navigation property 'parentList' cannot be followed in an expression at position 0 in 'parentList/displayName eq 'a''."},
		{"title in ()", "Expression expected at position 10 in 'title in ()'."},
		{"title in ('a',id)", "Only literals are allowed in the list of the 'in' operator at position 14 in 'title in ('a',id)'."},
		{"title in 'a'", "Syntax error: '(' expected at position 9 in 'title in 'a''."},
		{"size in (1,'a')", "A binary operator with incompatible types was detected. Found operand types 'Edm.Int64' and 'Edm.String' for operator kind 'Equal' at position 5 in 'size in (1,'a')'."},
		{"title has 'a'", "A binary operator with incompatible types was detected. Found operand types 'Edm.String' and 'Edm.String' for operator kind 'Has' at position 6 in 'title has 'a''."},
		{"title eq @p", "The parameter alias '@p' has no value at position 9 in 'title eq @p'."},
		{"@loop eq 'a'", "The expression is nested deeper than the 64 levels allowed at position 0 in '@loop'."},
		{"title in @loop", "The expression is nested deeper than the 64 levels allowed at position 0 in '@loop'."},
		{"title eq @bad", "Syntax error: character '+' is not valid at position 2 in '1 +'."},
		{"title eq @two", "Syntax error at position 4 in ''a' 'b''."},
		{"title eq 'a\x00'", "The character U+0000 is not allowed at position 11 in 'title eq 'a\x00''."},
		{"title eq '\xff'", "The text is not UTF-8."},
		{deep, "The expression is nested deeper than the 64 levels allowed at position 64 in '" + strings.Repeat("(", 100) + "…'."},
		{strings.Repeat("not ", 100) + "isReminderOn", "The expression is nested deeper than the 64 levels allowed at position 256 in '" + strings.Repeat("not ", 25) + "…'."},
		{"1" + strings.Repeat(" add 1", 64) + " eq 2", "The expression is nested deeper than the 64 levels allowed at position 0 in '1" + strings.Repeat(" add 1", 16) + " ad…'."},
		{"true" + strings.Repeat(" or true", 999), "The expression has more than the 1000 nodes allowed at position 0 in 'true" + strings.Repeat(" or true", 12) + "…'."},
		{"title in ('a'" + strings.Repeat(",'a'", 500) + ")", "The list has more than the 500 literals allowed at position 2010 in 'title in ('a'" + strings.Repeat(",'a'", 21) + ",'a…'."},
		{strings.Repeat("a", 1<<20), "The text is 1048576 bytes long, and at most 16384 are allowed."},
	}
}

func TestFilterRefused(t *testing.T) {
	t.Parallel()
	s := taskSchema()
	aliases := map[string]string{"@loop": "@loop", "@bad": "1 +", "@two": "'a' 'b'"}
	for _, test := range refusedFilters() {
		name := test.text[:min(len(test.text), 60)]
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e, err := odata.ParseFilter(test.text, s, aliases)
			if err == nil {
				t.Fatalf("accepted as %s", odata.Print(e))
			}
			var te *todo.Error
			if !errors.As(err, &te) || te.Kind != todo.BadRequest || te.Target != "$filter" {
				t.Fatalf("got %#v", err)
			}
			if want := "Invalid filter clause: " + test.want; te.Message != want {
				t.Errorf("got  %s\nwant %s", te.Message, want)
			}
		})
	}
}

// same compares trees. Patterns are the same if their texts are, and properties
// if they are the same of one schema.
func same(a, b odata.Expr) string {
	if reflect.DeepEqual(a, b) {
		return ""
	}
	return cmp.Diff(a, b,
		cmp.Comparer(func(a, b *regexp.Regexp) bool {
			return (a == nil) == (b == nil) && (a == nil || a.String() == b.String())
		}),
		cmp.Comparer(func(a, b *odata.Property) bool { return a == b }))
}

// TestPrintIsRead reads what Print wrote of random filters.
func TestPrintIsRead(t *testing.T) {
	t.Parallel()
	s := taskSchema()
	n := 5_000
	if testing.Short() {
		n = 2_000
	}
	sizes := 0
	for i := range n {
		r := rand.New(rand.NewPCG(1, uint64(i)))
		e := odatatest.RandomFilter(r, s)
		text := odata.Print(e)
		sizes += len(text)
		again, err := odata.ParseFilter(text, s, nil)
		if err != nil {
			t.Fatalf("seed %d: %v\n%s", i, err, text)
		}
		if diff := same(e, again); diff != "" {
			t.Fatalf("seed %d: %s\n%s", i, text, diff)
		}
	}
	t.Logf("%d random filters, %d bytes on average", n, sizes/n)
}

func BenchmarkParseFilter(b *testing.B) {
	s := taskSchema()
	list := "title in ('a'" + strings.Repeat(",'a'", 499) + ")"
	for _, bench := range []struct{ name, text string }{
		{"status", "status ne 'completed'"},
		{"dates", "status eq 'completed' and completedDateTime/dateTime ge '2026-01-01T00:00:00' and completedDateTime/dateTime le '2026-01-31T00:00:00'"},
		{"lambda", "linkedResources/any(l:l/externalId eq 'AAMkAGI2') and contains(tolower(title),'milk')"},
		{"list of 500", list},
		{"1 MB", strings.Repeat("a", 1<<20)},
		{"parentheses", strings.Repeat("(", 8000)},
		{"nots", strings.Repeat("not ", 4000) + "true"},
		{"minuses", strings.Repeat("-", 16000)},
		{"ors", "true" + strings.Repeat(" or true", 2000)},
		{"ands of comparisons", "size eq 1" + strings.Repeat(" and size eq 1", 200)},
		{"pattern", "matchesPattern(title,'(a*)*(b|c){30}$')"},
		{"pattern too large", "matchesPattern(title,'" + strings.Repeat(".{999}", 80) + "')"},
		{"quotes", strings.Repeat("'", 16000)},
		{"aliases", "@a eq @a" + strings.Repeat(" or @a eq @a", 1000)},
	} {
		b.Run(bench.name, func(b *testing.B) {
			aliases := map[string]string{"@a": strings.Repeat(" ", 16_000) + "1"}
			b.ReportAllocs()
			for b.Loop() {
				if _, err := odata.ParseFilter(bench.text, s, aliases); err != nil && err.Error() == "" {
					b.Fatal(fmt.Sprint(err))
				}
			}
		})
	}
}
