package todo

import (
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// ExtensionIDPrefix begins the id of every open extension on the wire
// (semantics 16.1).
const ExtensionIDPrefix = "microsoft.graph.openTypeExtension."

// outlookIDPrefix begins those that the documentation shows, which are of mail.
const outlookIDPrefix = "Microsoft.OutlookServices.OpenTypeExtension."

// An Extension is Graph's openTypeExtension: named data of a client's own, of a
// task or a list.
type Extension struct {
	Name string // extensionName, unique in its task or list without regard to case
	Data string // the client's members as the JSON object they came in, at most MaxExtension bytes
}

// ExtensionName is the name of the extension that a client means by its name or
// by an id. No name begins as an id does.
func ExtensionName(id string) string {
	for {
		name := id
		for _, prefix := range [...]string{ExtensionIDPrefix, outlookIDPrefix} {
			if len(name) >= len(prefix) && strings.EqualFold(name[:len(prefix)], prefix) {
				name = name[len(prefix):]
			}
		}
		if name == id {
			return name
		}
		id = name
	}
}

// PutExtension returns the extensions of a task or list with e, which replaces
// one of the same name (semantics 16.2).
func PutExtension(extensions []Extension, e Extension) ([]Extension, error) {
	switch {
	case strings.TrimSpace(e.Name) == "":
		return nil, required("extensionName")
	case utf8.RuneCountInString(e.Name) > MaxCategory:
		return nil, tooLong("extensionName", MaxCategory)
	case strings.ContainsFunc(e.Name, unicode.IsControl): // which no URL may have
		return nil, Errorf(Invalid, "extensionName", "The property 'extensionName' must not have control characters.")
	case len(e.Data) > MaxExtension:
		return nil, Errorf(Invalid, "extensions", "The extension '%s' is larger than the %d bytes allowed.", e.Name, MaxExtension)
	}
	kept := DeleteExtension(extensions, e.Name)
	if len(kept) >= MaxExtensions {
		return nil, Errorf(Invalid, "extensions", "The property 'extensions' holds more than the %d items allowed.", MaxExtensions)
	}
	return append(kept, e), nil
}

// Replace returns what e is after a PATCH with sent: all that sent holds and no
// more, under e's own name, which sent may repeat.
func (e Extension) Replace(sent Extension) (Extension, error) {
	if sent.Name != "" && !strings.EqualFold(sent.Name, e.Name) {
		return e, Errorf(Invalid, "extensionName", "The property 'extensionName' cannot be changed.")
	}
	return Extension{Name: e.Name, Data: sent.Data}, nil
}

// FindExtension returns the extension of that name, or ErrNotFound.
func FindExtension(extensions []Extension, name string) (Extension, error) {
	if i := slices.IndexFunc(extensions, func(e Extension) bool { return strings.EqualFold(e.Name, name) }); i >= 0 {
		return extensions[i], nil
	}
	return Extension{}, ErrNotFound
}

// DeleteExtension returns the extensions but the one of that name.
func DeleteExtension(extensions []Extension, name string) []Extension {
	kept := make([]Extension, 0, len(extensions)+1)
	for _, e := range extensions {
		if !strings.EqualFold(e.Name, name) {
			kept = append(kept, e)
		}
	}
	return kept
}
