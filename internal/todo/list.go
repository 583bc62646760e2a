package todo

import (
	"fmt"
	"strings"
	"time"
)

// WellknownListName is Graph's wellknownListName.
type WellknownListName uint8

// The kinds of lists that Duly has. Graph's flaggedEmails needs a mailbox with
// mail in it, so it never occurs (docs/divergences.md).
const (
	NoWellknownName WellknownListName = iota
	DefaultList
)

func (n WellknownListName) String() string { return nth("none defaultList", int(n)) }

// DefaultListName is the display name of the list that every mailbox begins with.
const DefaultListName = "Tasks"

// A TaskList is Graph's todoTaskList.
type TaskList struct {
	ID        string
	Version   int64 // the mailbox's version of the last write; set by the store
	Born      int64 // that of the first; set by the store
	Name      string
	Wellknown WellknownListName
	Modified  time.Time

	Extensions []Extension // only where they were asked for
}

// A TaskListPatch is the body of a POST or PATCH of a list; displayName is all
// of it that can be written.
type TaskListPatch struct {
	DisplayName Opt[string]
}

// NewTaskList makes the list that a POST asks for. others are the names of the
// mailbox's lists: a name that is taken gets " (1)" and so on (semantics 8.2).
func NewTaskList(id string, p TaskListPatch, others []string, now time.Time) (TaskList, error) {
	n, err := name("displayName", p.DisplayName)
	if err != nil {
		return TaskList{}, err
	}
	return TaskList{ID: id, Name: freeName(n, others), Modified: now}, nil
}

// Apply returns l changed by p; others are the names of the mailbox's other lists.
func (l TaskList) Apply(p TaskListPatch, others []string, now time.Time) (TaskList, error) {
	l.Modified = now
	if !p.DisplayName.Set {
		return l, nil
	}
	n, err := name("displayName", p.DisplayName)
	if err != nil {
		return l, err
	}
	if n == l.Name {
		return l, nil
	}
	if l.Wellknown != NoWellknownName {
		return l, Errorf(BuiltInList, "displayName", "Your request can't be completed. A default task folder can't be renamed.")
	}
	l.Name = freeName(n, others)
	return l, nil
}

// CheckDelete says whether l may be deleted; the built-in lists may not.
func (l TaskList) CheckDelete() error {
	if l.Wellknown != NoWellknownName {
		return Errorf(BuiltInList, "", "Your request can't be completed. A default task folder can't be deleted.")
	}
	return nil
}

// freeName is want, or want with the lowest number that no other name has.
func freeName(want string, others []string) string {
	taken := make(map[string]bool, len(others))
	for _, o := range others {
		taken[strings.ToLower(o)] = true
	}
	for n, got := 0, want; ; got = fmt.Sprintf("%s (%d)", want, n) {
		if !taken[strings.ToLower(got)] {
			return got
		}
		n++
	}
}
