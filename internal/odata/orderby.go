package odata

import (
	"slices"
	"strings"
)

// An Order is one key of $orderby.
type Order struct {
	Path string    // canonical
	Of   *Property // a scalar: its Type is none of Complex, Entity and Collection
	Desc bool      // nulls come last then, and first otherwise
}

// ParseOrderBy reads an $orderby: up to 16 paths to scalar properties apart by
// commas, each with asc or desc after it or neither (OData URL Conventions 4.01,
// section 5.1.5). Names and directions have no case. A key that comes again
// decides nothing any more, and is left out. An empty text has no keys.
//
// A DateText is ordered as an instant, an Enum by its members' order, text by
// its Fold; false comes before true, and null before everything.
func ParseOrderBy(text string, s *Schema) ([]Order, error) {
	return parseOrderBy(text, s, orderByClause())
}

func parseOrderBy(text string, s *Schema, c clause) ([]Order, error) {
	if err := c.checkText(text); err != nil {
		return nil, err
	}
	if trimSpace(text) == "" {
		return nil, nil
	}
	if n := strings.Count(text, ",") + 1; n > maxKeys {
		return nil, c.errorf("There are %d keys, and at most %d are allowed", n, maxKeys)
	}
	var keys []Order
	pos := 0
	for part := range strings.SplitSeq(text, ",") {
		key, problem, at := parseOrder(part, s)
		if problem != "" {
			return nil, c.errorf("%s%s", problem, where(text, pos+at))
		}
		pos += len(part) + len(",")
		if !slices.ContainsFunc(keys, func(k Order) bool { return k.Path == key.Path }) {
			keys = append(keys, key)
		}
	}
	return keys, nil
}

// parseOrder reads one key; at is where in part the problem is.
func parseOrder(part string, s *Schema) (key Order, problem string, at int) {
	var words [3]string
	var starts [3]int
	n := 0
	for i := 0; i < len(part); {
		if isSpace(part[i]) {
			i++
			continue
		}
		if n == len(words) {
			break
		}
		starts[n] = i
		for i < len(part) && !isSpace(part[i]) {
			i++
		}
		words[n] = part[starts[n]:i]
		n++
	}
	if n == 0 {
		return key, "Expression expected", len(part)
	}
	p, path, problem := s.lookup(words[0])
	if problem != "" {
		return key, problem, starts[0]
	}
	if p.Type >= Complex {
		return key, "The $orderby expression must evaluate to a single value of primitive type, and '" + path + "' does not", starts[0]
	}
	key = Order{Path: path, Of: p}
	switch {
	case n == 1 || strings.EqualFold(words[1], "asc"):
	case strings.EqualFold(words[1], "desc"):
		key.Desc = true
	default:
		return key, "Syntax error: asc or desc expected, not '" + shown(words[1]) + "',", starts[1]
	}
	if n > 2 {
		return key, "Syntax error: ',' expected", starts[2]
	}
	return key, "", 0
}
