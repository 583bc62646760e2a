package odata

import (
	"slices"
	"strconv"
	"strings"
)

// An Expansion is one navigation of $expand with its own options.
type Expansion struct {
	Path    string    // canonical
	Of      *Property // a navigation; its Item is the schema of the options
	Filter  Expr      // nil if there is none
	Select  Selection
	OrderBy []Order
	Top     int // -1 if there is none
	Skip    int
	Count   bool   // $count=true
	Search  Search // nil if there is none
	Expand  []Expansion
}

// maxNumber is the largest $top or $skip of an expansion.
const maxNumber = 1 << 31

// ParseExpand reads an $expand: navigations of a schema apart by commas, "*" for
// all of them, each with options of its own in parentheses apart by semicolons,
// as extensions($filter=id eq 'x';$top=5), and that three levels deep (OData URL
// Conventions 4.01, section 5.1.3). Names of navigations and options have no
// case, and the "$" of an option may be left out. An empty text expands nothing.
// A navigation to one entity has $select and $expand alone.
//
// The error is a *todo.Error of kind BadRequest whose target is "$expand" and
// whose message begins as Graph's does; positions are those in the option that
// is at fault. aliases are those of [ParseFilter].
func ParseExpand(text string, s *Schema, aliases map[string]string) ([]Expansion, error) {
	c := expandClause()
	if err := c.checkText(text); err != nil {
		return nil, err
	}
	e := expander{clause: c, aliases: aliases}
	return e.list(text, s, 1)
}

type expander struct {
	clause  clause
	aliases map[string]string
}

// list reads navigations apart by commas.
func (e expander) list(text string, s *Schema, level int) ([]Expansion, error) {
	if level > maxLevel {
		return nil, e.clause.errorf("$expand is nested deeper than the %d levels allowed", maxLevel)
	}
	if trimSpace(text) == "" {
		return nil, nil
	}
	var list []Expansion
	all := false
	for rest, more := text, true; more; {
		var item string
		item, rest, more = cutOutside(rest, ',')
		if trimSpace(item) == "*" {
			all = true
			continue
		}
		x, options, err := e.item(item, text, s, level)
		if err != nil {
			return nil, err
		}
		switch twice := slices.ContainsFunc(list, func(other Expansion) bool { return other.Path == x.Path }); {
		case !twice:
			list = append(list, x)
		case options:
			return nil, e.clause.errorf("The navigation property '%s' is expanded more than once", x.Path)
		}
		if len(list) > maxNames {
			return nil, e.clause.errorf("There are more than the %d navigation properties allowed", maxNames)
		}
	}
	for i := range s.Properties {
		p := &s.Properties[i]
		if all && p.IsNavigation() && !slices.ContainsFunc(list, func(other Expansion) bool { return other.Of == p }) {
			list = append(list, Expansion{Path: p.Name, Of: p, Top: -1})
		}
	}
	return list, nil
}

// item reads one navigation, and says whether it had options.
func (e expander) item(text, whole string, s *Schema, level int) (x Expansion, options bool, err error) {
	name, rest, options := strings.Cut(text, "(")
	name = trimSpace(name)
	if name == "" {
		return x, false, e.clause.errorf("Term '%s' is not valid in a $select or $expand expression: '%s'", shown(trimSpace(text)), shown(whole))
	}
	p, path, problem := s.lookup(name)
	if problem != "" {
		return x, false, e.clause.errorf("%s", problem)
	}
	if !p.IsNavigation() {
		return x, false, e.clause.errorf("Property '%s' on type '%s' is not a navigation property. Only navigation properties can be expanded",
			path, s.Name)
	}
	x = Expansion{Path: path, Of: p, Top: -1}
	if !options {
		return x, false, nil
	}
	inner, ok := strings.CutSuffix(trimSpace(rest), ")")
	if !ok {
		return x, true, e.clause.errorf("')' expected at the end of '%s'", shown(trimSpace(text)))
	}
	var seen []string
	for more := trimSpace(inner) != ""; more; {
		var option string
		option, inner, more = cutOutside(inner, ';')
		if trimSpace(option) == "" {
			continue
		}
		name, value, _ := strings.Cut(option, "=")
		name = strings.ToLower(strings.TrimPrefix(trimSpace(name), "$"))
		if slices.Contains(seen, name) {
			return x, true, e.clause.errorf("The query option '$%s' is given more than once in '%s'", shown(name), shown(trimSpace(text)))
		}
		seen = append(seen, name)
		if err := e.option(&x, name, trimSpace(value), level); err != nil {
			return x, true, err
		}
	}
	return x, true, nil
}

// option reads one option of a navigation into x.
func (e expander) option(x *Expansion, name, value string, level int) (err error) {
	item := x.Of.Item
	if x.Of.Type == Entity && name != "select" && name != "expand" {
		return e.clause.errorf("The query option '$%s' cannot be applied to '%s', which is not a collection", shown(name), x.Path)
	}
	switch name {
	case "filter":
		x.Filter, err = parseFilter(value, item, e.aliases, e.clause)
	case "select":
		x.Select, err = parseSelect(value, item, e.clause)
	case "orderby":
		x.OrderBy, err = parseOrderBy(value, item, e.clause)
	case "search":
		x.Search, err = parseSearch(value, e.clause)
	case "expand":
		x.Expand, err = e.list(value, item, level+1)
	case "top":
		x.Top, err = e.number(name, value)
	case "skip":
		x.Skip, err = e.number(name, value)
	case "count":
		switch {
		case strings.EqualFold(value, "true"):
			x.Count = true
		case !strings.EqualFold(value, "false"):
			err = e.clause.errorf("Invalid value '%s' for the query option '$count': it must be true or false", shown(value))
		}
	default:
		err = e.clause.errorf("The query option '$%s' is not supported in $expand", shown(name))
	}
	return err
}

func (e expander) number(name, value string) (int, error) {
	n, err := strconv.Atoi(value)
	if err != nil || n < 0 || n > maxNumber {
		return 0, e.clause.errorf("Invalid value '%s' for the query option '$%s': it must be a whole number from 0 to %d", shown(value), name, maxNumber)
	}
	return n, nil
}

// cutOutside cuts s at the first separator that is neither in quotes nor in
// parentheses.
func cutOutside(s string, separator byte) (before, after string, found bool) {
	depth, quote := 0, byte(0)
	for i := range len(s) {
		switch c := s[i]; {
		case quote != 0:
			if c == quote {
				quote = 0
			}
		case c == '\'' || c == '"':
			quote = c
		case c == '(':
			depth++
		case c == ')':
			depth--
		case c == separator && depth <= 0:
			return s[:i], s[i+1:], true
		}
	}
	return s, "", false
}
