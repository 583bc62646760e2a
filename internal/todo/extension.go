package todo

import (
	"strings"
	"unicode/utf8"
)

// ExtensionIDPrefix begins the id of every open extension on the wire
// (semantics 16.1).
const ExtensionIDPrefix = "microsoft.graph.openTypeExtension."

// An Extension is Graph's openTypeExtension: named data of a client's own.
type Extension struct {
	Name string // extensionName, unique in its task without regard to case
	Data string // the client's members as the JSON object they came in, at most MaxExtension bytes
}

// AddExtension returns t with the extension e, which replaces one of the same
// name (semantics 16.2).
func (t Task) AddExtension(e Extension) (Task, error) {
	if strings.TrimSpace(e.Name) == "" {
		return t, required("extensionName")
	}
	if utf8.RuneCountInString(e.Name) > MaxCategory {
		return t, tooLong("extensionName", MaxCategory)
	}
	if len(e.Data) > MaxExtension {
		return t, Errorf(Invalid, "extensions", "The extension '%s' is larger than the %d bytes allowed.", e.Name, MaxExtension)
	}
	kept := make([]Extension, 0, len(t.Extensions)+1)
	for _, old := range t.Extensions {
		if !strings.EqualFold(old.Name, e.Name) {
			kept = append(kept, old)
		}
	}
	if len(kept) >= MaxExtensions {
		return t, Errorf(Invalid, "extensions", "The property 'extensions' holds more than the %d items allowed.", MaxExtensions)
	}
	t.Extensions = append(kept, e)
	return t, nil
}
