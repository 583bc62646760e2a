package store

import (
	"slices"

	"github.com/duly-todo/duly/internal/todo"
)

const linkColumns = `resource_id, application_name, display_name, external_id, web_url`

func scanLink(r *row) todo.LinkedResource {
	return todo.LinkedResource{ID: r.text(), ApplicationName: r.text(), DisplayName: r.text(), ExternalID: r.text(), WebURL: r.text()}
}

// A HeldLink is a linked resource with the task that holds it, if one does.
type HeldLink struct {
	todo.LinkedResource
	ListID, TaskID string // empty while no task holds it
}

func scanHeldLink(r *row) HeldLink {
	h := HeldLink{LinkedResource: scanLink(r)}
	if !r.null() {
		h.ListID, h.TaskID = r.text(), r.text()
	}
	return h
}

// LinkedResource returns the linked resource id, held or not, or todo.ErrNotFound.
func (tx *Tx) LinkedResource(id string) (h HeldLink, err error) {
	found := false
	err = tx.conn.query(`SELECT `+linkColumns+`, list_id, task_id FROM linked_resources WHERE user_id = ? AND resource_id = ?`,
		func(r *row) error { h, found = scanHeldLink(r), true; return nil }, text(tx.as.User), text(id))
	if err == nil && !found {
		err = todo.ErrNotFound
	}
	return h, err
}

// LinkedResources returns at most limit linked resources of the mailbox after
// the first skip, held or not, by id.
func (tx *Tx) LinkedResources(skip, limit int) ([]HeldLink, error) {
	links := []HeldLink{}
	err := tx.conn.query(`SELECT `+linkColumns+`, list_id, task_id FROM linked_resources WHERE user_id = ? ORDER BY resource_id LIMIT ?+0 OFFSET ?+0`,
		func(r *row) error { links = append(links, scanHeldLink(r)); return nil },
		text(tx.as.User), integer(int64(limit)), integer(int64(skip)))
	return links, err
}

// PutLinkedResource writes a linked resource that no task holds.
func (tx *Tx) PutLinkedResource(l todo.LinkedResource) error {
	return tx.upsertLink(l, null(), null(), 0)
}

// DeleteLinkedResource removes a linked resource that no task holds.
func (tx *Tx) DeleteLinkedResource(id string) error {
	return tx.conn.exec(`DELETE FROM linked_resources WHERE user_id = ? AND resource_id = ? AND task_id IS NULL`, text(tx.as.User), text(id))
}

// updateLinks writes the linked resources of a task that differ, and takes over
// those that no task held.
func (tx *Tx) updateLinks(old todo.Task, t *todo.Task) error {
	for _, l := range old.LinkedResources {
		if !slices.ContainsFunc(t.LinkedResources, func(n todo.LinkedResource) bool { return n.ID == l.ID }) {
			if err := tx.conn.exec(`DELETE FROM linked_resources WHERE user_id = ? AND resource_id = ?`, text(tx.as.User), text(l.ID)); err != nil {
				return err
			}
		}
	}
	if len(t.LinkedResources) == 0 || slices.Equal(old.LinkedResources, t.LinkedResources) {
		return nil
	}
	place, err := tx.lastPlace(t, tx.places.links, `SELECT max(position) FROM linked_resources WHERE user_id = ? AND list_id = ? AND task_id = ?`)
	if err != nil {
		return err
	}
	for _, l := range t.LinkedResources {
		i := slices.IndexFunc(old.LinkedResources, func(o todo.LinkedResource) bool { return o.ID == l.ID })
		if i >= 0 && old.LinkedResources[i] == l {
			continue
		}
		if i < 0 {
			place++
		}
		if err := tx.putLink(t, l, place); err != nil {
			return err
		}
	}
	return nil
}

func (tx *Tx) putLink(t *todo.Task, l todo.LinkedResource, place int) error {
	return tx.upsertLink(l, text(t.ListID), text(t.ID), place)
}

// upsertLink writes a linked resource. Its place changes only with its task.
func (tx *Tx) upsertLink(l todo.LinkedResource, list, task value, place int) error {
	return tx.conn.exec(`INSERT INTO linked_resources (user_id, resource_id, list_id, task_id, position, application_name, display_name, external_id, web_url)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
		ON CONFLICT (user_id, resource_id) DO UPDATE SET
			position = CASE WHEN linked_resources.task_id = excluded.task_id THEN linked_resources.position ELSE excluded.position END,
			list_id = excluded.list_id, task_id = excluded.task_id, application_name = excluded.application_name,
			display_name = excluded.display_name, external_id = excluded.external_id, web_url = excluded.web_url`,
		text(tx.as.User), text(l.ID), list, task, integer(int64(place)), text(l.ApplicationName), text(l.DisplayName), text(l.ExternalID), text(l.WebURL))
}
