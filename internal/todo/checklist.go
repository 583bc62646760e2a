package todo

import (
	"slices"
	"time"
)

// A ChecklistItem is Graph's checklistItem: a step of a task.
type ChecklistItem struct {
	ID        string // a GUID in lower case
	Name      string
	Checked   bool
	CheckedAt time.Time // zero unless Checked
	Created   time.Time
}

// A ChecklistItemPatch is the body of a POST or PATCH of a step.
type ChecklistItemPatch struct {
	DisplayName Opt[string]
	IsChecked   Opt[bool]
	CheckedAt   Opt[time.Time]
	Created     Opt[time.Time] // kept only where a task is created with its steps inline (semantics 10.15)
}

// newChecklistItem makes the step that a POST asks for.
func newChecklistItem(id string, p ChecklistItemPatch, now time.Time) (ChecklistItem, error) {
	c := ChecklistItem{ID: id, Created: now}
	if !p.DisplayName.Has() {
		return c, required("displayName")
	}
	return c.apply(p, now)
}

func (c ChecklistItem) apply(p ChecklistItemPatch, now time.Time) (ChecklistItem, error) {
	if p.DisplayName.Set {
		n, err := name("displayName", p.DisplayName)
		if err != nil {
			return c, err
		}
		c.Name = n
	}
	was := c.Checked
	if p.IsChecked.Set {
		c.Checked = p.IsChecked.V
	}
	switch {
	case !c.Checked:
		c.CheckedAt = time.Time{}
	case p.CheckedAt.Has():
		c.CheckedAt = p.CheckedAt.V
	case !was || c.CheckedAt.IsZero():
		c.CheckedAt = now
	}
	return c, nil
}

// AddChecklistItem returns t with a step more. Inline says that the step comes
// with the POST of its task, where its own createdDateTime is kept, to the second.
func (t Task) AddChecklistItem(id string, p ChecklistItemPatch, inline bool, now time.Time) (Task, error) {
	if len(t.ChecklistItems) >= MaxChecklistItems {
		return t, Errorf(Invalid, "checklistItems", "The property 'checklistItems' holds more than the %d items allowed.", MaxChecklistItems)
	}
	c, err := newChecklistItem(id, p, now)
	if err != nil {
		return t, err
	}
	if inline && p.Created.Has() {
		c.Created = p.Created.V.Truncate(time.Second)
	}
	t.ChecklistItems = append(slices.Clip(t.ChecklistItems), c)
	t.Modified = now
	return t, nil
}

// PatchChecklistItem returns t with its step id changed by p. A member that the
// PATCH does not name keeps its value; Microsoft's service resets isChecked, a
// defect that only the strict profile copies (semantics 12.3).
func (t Task) PatchChecklistItem(id string, p ChecklistItemPatch, now time.Time) (Task, error) {
	i := t.checklistItem(id)
	if i < 0 {
		return t, ErrNotFound
	}
	if p.Created.Set {
		return t, Errorf(Invalid, "createdDateTime", "The property 'createdDateTime' cannot be updated")
	}
	c, err := t.ChecklistItems[i].apply(p, now)
	if err != nil {
		return t, err
	}
	t.ChecklistItems = slices.Clone(t.ChecklistItems)
	t.ChecklistItems[i] = c
	t.Modified = now
	return t, nil
}

// DeleteChecklistItem returns t without its step id.
func (t Task) DeleteChecklistItem(id string, now time.Time) (Task, error) {
	i := t.checklistItem(id)
	if i < 0 {
		return t, ErrNotFound
	}
	t.ChecklistItems = slices.Delete(slices.Clone(t.ChecklistItems), i, i+1)
	t.Modified = now
	return t, nil
}

// ChecklistItem returns the step id of t, or ErrNotFound.
func (t Task) ChecklistItem(id string) (ChecklistItem, error) {
	if i := t.checklistItem(id); i >= 0 {
		return t.ChecklistItems[i], nil
	}
	return ChecklistItem{}, ErrNotFound
}

func (t Task) checklistItem(id string) int {
	return slices.IndexFunc(t.ChecklistItems, func(c ChecklistItem) bool { return c.ID == id })
}
