package todo

import (
	"strconv"
	"strings"
	"unicode/utf8"
)

// A CategoryColor is a member of Graph's categoryColor, with its value: -1 is
// none, and 0 to 24 are preset0 to preset24.
type CategoryColor int8

// NoColor is the colour of a category that has none.
const NoColor CategoryColor = -1

// maxColor is the last of the presets.
const maxColor CategoryColor = 24

func (c CategoryColor) String() string {
	if c == NoColor {
		return "none"
	}
	return "preset" + strconv.Itoa(int(c))
}

// CategoryColorNames are the members of categoryColor, from NoColor on.
func CategoryColorNames() []string {
	var names []string
	for c := NoColor; c <= maxColor; c++ {
		names = append(names, c.String())
	}
	return names
}

// ParseCategoryColor reads a member name of categoryColor, in any case.
func ParseCategoryColor(s string) (CategoryColor, bool) {
	for c := NoColor; c <= maxColor; c++ {
		if strings.EqualFold(c.String(), s) {
			return c, true
		}
	}
	return NoColor, false
}

// An OutlookCategory is one of the master categories of a mailbox: a name that
// tasks may carry, and its colour.
type OutlookCategory struct {
	ID    string // a GUID in lower case
	Name  string
	Color CategoryColor
}

// An OutlookCategoryPatch is the body of a POST or PATCH of a category.
type OutlookCategoryPatch struct {
	DisplayName Opt[string]
	Color       Opt[CategoryColor]
}

// FirstCategories are those that every mailbox begins with, in their order
// (semantics §20); newID makes their ids.
func FirstCategories(newID func() string) []OutlookCategory {
	var out []OutlookCategory
	for _, c := range []struct {
		name  string
		color CategoryColor
	}{{"Red", 0}, {"Orange", 1}, {"Yellow", 3}, {"Green", 4}, {"Blue", 7}, {"Purple", 8}} {
		out = append(out, OutlookCategory{ID: newID(), Name: c.name + " category", Color: c.color})
	}
	return out
}

// NewOutlookCategory makes the category that a POST asks for. others are those
// of the mailbox: names are unique without regard to case (MT-S7).
func NewOutlookCategory(id string, p OutlookCategoryPatch, others []OutlookCategory) (OutlookCategory, error) {
	name, err := name("displayName", p.DisplayName)
	if err != nil {
		return OutlookCategory{}, err
	}
	if utf8.RuneCountInString(name) > MaxCategory {
		return OutlookCategory{}, tooLong("displayName", MaxCategory)
	}
	folded := strings.ToLower(name) // as the store folds it, which EqualFold would not
	for _, o := range others {
		if strings.ToLower(o.Name) == folded {
			return OutlookCategory{}, Errorf(CategoryExists, "displayName", "Category name already exists.")
		}
	}
	if len(others) >= MaxMasterCategories {
		return OutlookCategory{}, Errorf(Invalid, "", "A mailbox holds at most %d master categories.", MaxMasterCategories)
	}
	return OutlookCategory{ID: id, Name: name, Color: NoColor}.Apply(p), nil
}

// Apply returns c changed by p. The name is fixed: another one in a PATCH is
// ignored, as the real service does (MT-S7).
func (c OutlookCategory) Apply(p OutlookCategoryPatch) OutlookCategory {
	switch {
	case p.Color.Null:
		c.Color = NoColor
	case p.Color.Set:
		c.Color = p.Color.V
	}
	return c
}
