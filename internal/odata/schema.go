package odata

import (
	"strings"

	"github.com/duly-todo/duly/internal/todo"
)

// A Type is what a property, a literal or an expression is, in the terms of
// OData's common schema (CSDL 4.01, section 3.3).
type Type uint8

// The types. Null is that of the literal null alone; the expressions of a
// checked tree have no other type that a comparison must look behind.
const (
	Null       Type = iota
	Bool            // Edm.Boolean
	Int             // Edm.Int16, Int32 and Int64; a property's values are within ±2^40
	Double          // Edm.Double, Single and Decimal
	String          // Edm.String, and Edm.Guid, which is compared as its text
	Instant         // Edm.DateTimeOffset: microseconds, the zone is not kept
	Date            // Edm.Date
	TimeOfDay       // Edm.TimeOfDay: microseconds since midnight
	Duration        // Edm.Duration: microseconds
	Enum            // a member of an enumeration
	DateText        // Edm.String that holds a date and time of UTC (see Property)
	Complex         // a property with members of its own
	Entity          // a navigation to one entity
	Collection      // a collection of entities or of values
)

// String returns the name as messages of OData have it.
func (t Type) String() string {
	switch t {
	case Bool:
		return "Edm.Boolean"
	case Int:
		return "Edm.Int64"
	case Double:
		return "Edm.Double"
	case String, DateText:
		return "Edm.String"
	case Instant:
		return "Edm.DateTimeOffset"
	case Date:
		return "Edm.Date"
	case TimeOfDay:
		return "Edm.TimeOfDay"
	case Duration:
		return "Edm.Duration"
	case Enum:
		return "Edm.EnumType"
	case Complex:
		return "Edm.ComplexType"
	case Entity:
		return "Edm.EntityType"
	case Collection:
		return "Collection"
	}
	return "<null>"
}

// A Schema is what the query options of a URL may speak of: the properties of
// one entity type. It is read only, and trees of expressions point into it.
type Schema struct {
	// Name is that of the type in messages, as "microsoft.graph.todoTask".
	Name string

	// Properties are those of an entity, its navigations among them.
	Properties []Property

	// Value is set where the elements of a collection are no entities but
	// values, such as the strings of categories. Its Name is empty.
	Value *Property
}

// A Property is a member of an entity or of a complex property.
type Property struct {
	Name string // in the canonical case
	Type Type

	// TypeName is the qualified name of an enumeration or a complex type, such
	// as "microsoft.graph.importance". It is optional: where it is known,
	// qualified literals are checked against it.
	TypeName string

	// Enum has the names of the members of an enumeration; the index of each is
	// its value, by which it is ordered.
	Enum []string

	// Nullable says that the value may be null.
	Nullable bool

	// Complex has the members of a complex property. A complex property itself
	// can only be compared with null.
	Complex []Property

	// Item is the type of the elements of a Collection, or of the one entity of
	// an Entity. A Collection without it can be selected, and nothing else.
	Item *Schema
}

// IsNavigation says whether p leads to entities, so that $expand may name it.
func (p *Property) IsNavigation() bool {
	return (p.Type == Collection || p.Type == Entity) && p.Item != nil && p.Item.Value == nil
}

// typeName is the name of p's type in messages.
func (p *Property) typeName() string {
	switch {
	case p.TypeName != "":
		return p.TypeName
	case p.Type == Collection && p.Item != nil && p.Item.Value != nil:
		return "Collection(" + p.Item.Value.typeName() + ")"
	case p.Type == Collection && p.Item != nil:
		return "Collection(" + p.Item.Name + ")"
	case p.Type == Entity && p.Item != nil:
		return p.Item.Name
	}
	return p.Type.String()
}

// Lookup finds the property at a path such as dueDateTime/dateTime. Names have
// no case (traverse-the-graph.md); path comes back in the schema's own. The
// path may go through complex properties only. The error is a *todo.Error of
// kind BadRequest.
func (s *Schema) Lookup(sent string) (p *Property, path string, err error) {
	p, path, problem := s.lookup(sent)
	if problem != "" {
		return nil, "", todo.Errorf(todo.BadRequest, "", "%s.", problem)
	}
	return p, path, nil
}

// lookup is Lookup with the problem as a sentence without its full stop.
func (s *Schema) lookup(sent string) (p *Property, path, problem string) {
	members, owner := s.Properties, s.Name
	for rest, more := sent, true; more; {
		var name string
		name, rest, more = strings.Cut(rest, "/")
		if p = find(members, name); p == nil {
			return nil, "", noProperty(name, owner)
		}
		path = join(path, p.Name)
		members, owner = p.Complex, p.typeName()
	}
	return p, path, ""
}

func noProperty(name, owner string) string {
	return "Could not find a property named '" + shown(name) + "' on type '" + owner + "'"
}

// find returns the member of that name, whatever its case, or nil.
func find(members []Property, name string) *Property {
	for i := range members {
		if strings.EqualFold(members[i].Name, name) {
			return &members[i]
		}
	}
	return nil
}

func join(path, name string) string {
	if name == "" {
		return path
	}
	if path == "" {
		return name
	}
	return path + "/" + name
}

// member finds the index of an enumeration's member by its name in any case.
func (p *Property) member(name string) (int, bool) {
	for i := range p.Enum {
		if strings.EqualFold(p.Enum[i], name) {
			return i, true
		}
	}
	return 0, false
}
