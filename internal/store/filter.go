package store

import (
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/duly-todo/duly/internal/odata"
)

// A filter becomes SQL as far as SQL compares as [odata.Eval] does: comparisons
// of a property with a literal, in, contains, startswith, endswith, any and all,
// joined by and, or and not. What is left is told by Eval, row by row. No value
// is ever pasted into SQL but small integers that the parser made.

// A clause is a condition in SQL that is true or false, never NULL, so that NOT
// means the same as in OData.
type clause struct {
	sql  string
	args []value
}

// compileFilter splits a filter into a condition for WHERE and the rest of it,
// nil when nothing is left. Each table that the condition reads is bound to the
// mailbox by itself, and not only by the task: so every database sees, without
// running it, that the rows lie together.
func compileFilter(d *dialect, mailbox string, e odata.Expr) (where clause, rest odata.Expr) {
	if e == nil {
		return clause{sql: "TRUE"}, nil
	}
	var compiled []clause
	var left []odata.Expr
	have := cost{}
	for _, term := range conjuncts(e) {
		add := costOf(term)
		c, ok := (compiler{d: d, mailbox: mailbox}).condition(term)
		if ok && (have.plus(add).isLow() || wantsOpen(term)) { // an index answers the latter
			compiled, have = append(compiled, c), have.plus(add)
		} else {
			left = append(left, term)
		}
	}
	where = joinClauses(compiled, " AND ", "TRUE")
	switch len(left) {
	case 0:
		return where, nil
	case 1:
		return where, left[0]
	}
	return where, odata.And{Terms: left}
}

// conjuncts are the terms that must all be true.
func conjuncts(e odata.Expr) []odata.Expr {
	and, ok := e.(odata.And)
	if !ok {
		return []odata.Expr{e}
	}
	var out []odata.Expr
	for _, term := range and.Terms {
		out = append(out, conjuncts(term)...)
	}
	return out
}

// A cost is what SQL has to do for a row: how many values it compares, how many of
// them are texts, which it folds for each comparison anew, and how many of these
// are bodies.
type cost struct{ values, texts, bodies int }

// isLow says whether SQL may tell it. odata.Budget bounds what Eval has to do.
func (c cost) isLow() bool { return c.values <= 64 && c.texts <= 8 && c.bodies <= 1 }

func (c cost) plus(d cost) cost {
	return cost{c.values + d.values, c.texts + d.texts, c.bodies + d.bodies}
}

func (c cost) times(n int) cost { return cost{c.values * n, c.texts * n, c.bodies * n} }

// costOf is the cost of an expression; what [compiler] does not take has none.
func costOf(e odata.Expr) (c cost) {
	switch e := e.(type) {
	case odata.And:
		for _, t := range e.Terms {
			c = c.plus(costOf(t))
		}
	case odata.Or:
		for _, t := range e.Terms {
			c = c.plus(costOf(t))
		}
	case odata.Not:
		return costOf(e.X)
	case odata.Compare:
		return costOf(e.L)
	case odata.In:
		return costOf(e.X).times(len(e.List))
	case odata.Has:
		return costOf(e.X)
	case odata.Call:
		return costOf(e.Args[0])
	case odata.Lambda:
		if e.Body != nil {
			return costOf(e.Body)
		}
		c.values = 1
	case odata.Prop:
		c.values = 1
		if e.As == odata.String {
			c.texts = 1
		}
		if e.Path == "body/content" {
			c.bodies = 1
		}
	}
	return c
}

func joinClauses(terms []clause, by, none string) (c clause) {
	if len(terms) == 0 {
		return clause{sql: none}
	}
	var b strings.Builder
	for i, t := range terms {
		if i > 0 {
			b.WriteString(by)
		}
		b.WriteString("(" + t.sql + ")")
		c.args = append(c.args, t.args...)
	}
	c.sql = b.String()
	return c
}

// A compiler knows which collection the variables of lambdas stand for.
type compiler struct {
	d       *dialect
	mailbox string
	vars    map[string]string // variable to path of the collection
}

// condition compiles an expression of type Bool; ok is false where SQL cannot
// tell.
func (c compiler) condition(e odata.Expr) (_ clause, ok bool) {
	switch e := e.(type) {
	case odata.And:
		return c.all(e.Terms, " AND ")
	case odata.Or:
		return c.all(e.Terms, " OR ")
	case odata.Not:
		x, ok := c.condition(e.X)
		return clause{"NOT (" + x.sql + ")", x.args}, ok
	case odata.Compare:
		literal, isLiteral := e.R.(odata.Literal)
		prop, isProp := e.L.(odata.Prop)
		if !isLiteral || !isProp {
			return clause{}, false
		}
		return c.compare(e.Op, prop, literal.Value)
	case odata.In:
		prop, isProp := e.X.(odata.Prop)
		if !isProp {
			return clause{}, false
		}
		terms := make([]clause, len(e.List))
		for i, l := range e.List {
			if terms[i], ok = c.compare(odata.Eq, prop, l.Value); !ok {
				return clause{}, false
			}
		}
		return joinClauses(terms, " OR ", "FALSE"), true
	case odata.Has:
		if prop, isProp := e.X.(odata.Prop); isProp {
			return c.compare(odata.Eq, prop, e.Member.Value)
		}
	case odata.Prop:
		return c.compare(odata.Eq, e, odata.BoolValue(true))
	case odata.Literal:
		if e.Value.Type == odata.Bool {
			return clause{sql: strings.ToUpper(strconv.FormatBool(e.Value.Int != 0))}, true
		}
	case odata.Call:
		return c.call(e)
	case odata.Lambda:
		return c.lambda(e)
	}
	return clause{}, false
}

func (c compiler) all(terms []odata.Expr, by string) (clause, bool) {
	compiled := make([]clause, len(terms))
	for i, t := range terms {
		var ok bool
		if compiled[i], ok = c.condition(t); !ok {
			return clause{}, false
		}
	}
	return joinClauses(compiled, by, "TRUE"), true
}

// column is the SQL of a property; text is folded, as Eval folds it.
func (c compiler) column(p odata.Prop) (sql string, ok bool) {
	t := theTables()
	switch c.vars[p.Var] {
	case "":
		sql = columnOf(t.tasks, p.Path)
	case "checklistItems":
		sql = columnOf(t.steps, p.Path)
	case "linkedResources":
		sql = columnOf(t.links, p.Path)
	case "extensions":
		sql = columnOf(t.extensions, p.Path)
	case "attachments":
		sql = columnOf(t.attachments, p.Path)
	case "categories":
		sql = "v.value"
	}
	if sql == "" {
		return "", false
	}
	if p.As == odata.String {
		if p.Of.Type == odata.DateText {
			return "", false // compared as text, which is not how it is stored
		}
		return c.d.fold(sql)
	}
	return sql, true
}

func columnOf[T any](properties []property[T], path string) string {
	for i := range properties {
		if properties[i].path == path {
			return properties[i].column
		}
	}
	return ""
}

// compare compiles a comparison of a property with a literal. With null, eq and
// ne alone can be true (odata.Eval).
func (c compiler) compare(op odata.Op, p odata.Prop, v odata.Value) (clause, bool) {
	column, ok := c.column(p)
	if !ok {
		return clause{}, false
	}
	if v.IsNull() {
		switch op {
		case odata.Eq:
			return clause{sql: column + " IS NULL"}, true
		case odata.Ne:
			return clause{sql: column + " IS NOT NULL"}, true
		}
		return clause{sql: "FALSE"}, true
	}
	literal, args, ok := literalSQL(v)
	if !ok || p.As != v.Type {
		return clause{}, false
	}
	sql := column + [...]string{" = ", " <> ", " > ", " >= ", " < ", " <= "}[op] + literal
	switch {
	case !p.Of.Nullable:
	case op == odata.Ne:
		sql = column + " IS NULL OR " + sql
	default:
		sql = column + " IS NOT NULL AND " + sql
	}
	return clause{sql, args}, true
}

// literalSQL is a literal as SQL. Members of enumerations and truth values stand
// in the text, so that partial indexes fit.
func literalSQL(v odata.Value) (sql string, args []value, ok bool) {
	switch v.Type {
	case odata.Bool, odata.Enum:
		return strconv.FormatInt(v.Int, 10), nil, true
	case odata.Int, odata.Instant:
		return "?", []value{integer(v.Int)}, true
	case odata.String:
		return "?", []value{text(odata.Fold(v.Text))}, true
	}
	return "", nil, false
}

// call compiles contains, startswith and endswith of a property and a literal.
func (c compiler) call(e odata.Call) (clause, bool) {
	if e.Fn != odata.FuncContains && e.Fn != odata.FuncStartsWith && e.Fn != odata.FuncEndsWith {
		return clause{}, false
	}
	prop, isProp := e.Args[0].(odata.Prop)
	literal, isLiteral := e.Args[1].(odata.Literal)
	if !isProp || !isLiteral {
		return clause{}, false
	}
	column, ok := c.column(prop)
	if !ok {
		return clause{}, false
	}
	part := odata.Fold(literal.Value.Text)
	if part == "" {
		return clause{sql: column + " IS NOT NULL"}, true
	}
	compare := map[odata.Func]func(string, int) string{
		odata.FuncContains: c.d.contains, odata.FuncStartsWith: c.d.startsWith, odata.FuncEndsWith: c.d.endsWith,
	}[e.Fn]
	sql := compare(column, utf8.RuneCountInString(part))
	if prop.Of.Nullable {
		sql = column + " IS NOT NULL AND " + sql
	}
	return clause{sql, []value{text(part)}}, true
}

// lambda compiles any and all over a collection of the task.
func (c compiler) lambda(e odata.Lambda) (clause, bool) {
	const ofTask = "%.user_id = ? AND %.list_id = t.list_id AND %.task_id = t.task_id"
	from, key, args := "", "", []value{text(c.mailbox)}
	switch {
	case e.From != "" || len(c.vars) > 0: // as many rows as the product of both
		return clause{}, false
	case e.Path == "categories":
		from, key, args = c.d.categories, "TRUE", nil
	case e.Path == "checklistItems":
		from, key = "checklist_items s", strings.ReplaceAll(ofTask, "%", "s")
	case e.Path == "linkedResources":
		from, key = "linked_resources l", strings.ReplaceAll(ofTask, "%", "l")
	case e.Path == "extensions":
		from, key = "extensions x", strings.ReplaceAll(ofTask, "%", "x")
	case e.Path == "attachments":
		from, key = "attachments f", strings.ReplaceAll(ofTask, "%", "f")+" AND f.complete = 1"
	default:
		return clause{}, false
	}
	for _, path := range c.vars {
		if path == e.Path {
			return clause{}, false // the alias is taken
		}
	}
	exists := "EXISTS (SELECT 1 FROM " + from + " WHERE " + key
	if e.Body == nil {
		return clause{exists + ")", args}, true
	}
	inner := compiler{d: c.d, mailbox: c.mailbox, vars: map[string]string{e.Var: e.Path}}
	for v, path := range c.vars {
		if v != e.Var {
			inner.vars[v] = path
		}
	}
	body, ok := inner.condition(e.Body)
	args = append(args, body.args...)
	if e.All {
		return clause{"NOT " + exists + " AND NOT (" + body.sql + "))", args}, ok
	}
	return clause{exists + " AND (" + body.sql + "))", args}, ok
}

// Mentions says whether a filter looks at the collection at a path.
func Mentions(e odata.Expr, path string) bool {
	switch e := e.(type) {
	case odata.And:
		return anyMentions(e.Terms, path)
	case odata.Or:
		return anyMentions(e.Terms, path)
	case odata.Not:
		return Mentions(e.X, path)
	case odata.Lambda:
		return e.Path == path || e.Body != nil && Mentions(e.Body, path)
	case odata.Compare:
		return Mentions(e.L, path) || Mentions(e.R, path)
	}
	return false
}

func anyMentions(terms []odata.Expr, path string) bool {
	for _, t := range terms {
		if Mentions(t, path) {
			return true
		}
	}
	return false
}
