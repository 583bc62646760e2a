package odata

import (
	"slices"
	"strings"
)

// A Selection says which properties an answer shows. The zero Selection shows
// all of them.
type Selection struct {
	// Paths are the canonical paths that were named, each once, in the order in
	// which they were. There are none if "*" was among them or nothing was sent.
	Paths []string
}

// All says whether everything is shown.
func (s Selection) All() bool { return len(s.Paths) == 0 }

// Has says whether the property at a canonical path is shown, as a whole or in
// part: with body/content selected, body and body/content are, and body/contentType
// is not; with body selected all three are.
func (s Selection) Has(path string) bool {
	if s.All() {
		return true
	}
	for _, selected := range s.Paths {
		if within(path, selected) || within(selected, path) {
			return true
		}
	}
	return false
}

// within says whether path is at or below the other.
func within(path, top string) bool {
	return strings.HasPrefix(path, top) && (len(path) == len(top) || path[len(top)] == '/')
}

// ParseSelect reads a $select: up to 100 paths apart by commas, or "*" (OData
// URL Conventions 4.01, section 5.1.4). Names have no case. A property and a
// navigation are selected alike, since the API shows its navigations inline. An
// empty text selects everything.
func ParseSelect(text string, s *Schema) (Selection, error) {
	return parseSelect(text, s, selectClause())
}

func parseSelect(text string, s *Schema, c clause) (Selection, error) {
	if err := c.checkText(text); err != nil {
		return Selection{}, err
	}
	if trimSpace(text) == "" {
		return Selection{}, nil
	}
	if n := strings.Count(text, ",") + 1; n > maxNames {
		return Selection{}, c.errorf("There are %d names, and at most %d are allowed", n, maxNames)
	}
	var selection Selection
	pos, all := 0, false
	for part := range strings.SplitSeq(text, ",") {
		name := trimSpace(part)
		at := pos + strings.Index(part, name)
		pos += len(part) + len(",")
		switch name {
		case "":
			return Selection{}, c.errorf("Term '' is not valid in a $select or $expand expression%s", where(text, at))
		case "*":
			all = true
			continue
		}
		_, path, problem := s.lookup(name)
		if problem != "" {
			return Selection{}, c.errorf("%s", problem)
		}
		if !slices.Contains(selection.Paths, path) {
			selection.Paths = append(selection.Paths, path)
		}
	}
	if all {
		return Selection{}, nil
	}
	return selection, nil
}
