package store

import (
	"encoding/json"
	"time"

	"github.com/duly-todo/duly/internal/todo"
)

// pgChildren are two more columns of a task t: its steps and its linked resources, as
// JSON. Where statements travel, they spare a round trip, and a task is whole in one.
// They take the owner twice.
const pgChildren = `,
	CASE WHEN t.step_count > 0 THEN (SELECT CAST(json_agg(json_build_object('i', c.item_id, 'n', c.name, 'x', c.checked, 'd', c.checked_at, 'c', c.created, 'p', c.position) ORDER BY c.position) AS TEXT)
		FROM checklist_items c WHERE c.user_id = ? AND c.list_id = t.list_id AND c.task_id = t.task_id) END,
	CASE WHEN t.link_count > 0 THEN (SELECT CAST(json_agg(json_build_object('i', l.resource_id, 'a', l.application_name, 'n', l.display_name, 'e', l.external_id, 'u', l.web_url, 'p', l.position) ORDER BY l.position) AS TEXT)
		FROM linked_resources l WHERE l.user_id = ? AND l.list_id = t.list_id AND l.task_id = t.task_id) END`

// A pgChild is a step or a linked resource in these columns.
type pgChild struct {
	ID          string `json:"i"`
	Name        string `json:"n"`
	Checked     int64  `json:"x"`
	CheckedAt   *int64 `json:"d"`
	Created     int64  `json:"c"`
	Application string `json:"a"`
	External    string `json:"e"`
	URL         string `json:"u"`
	Position    int    `json:"p"`
}

// places are the highest positions of a task's children, where they are known.
type places struct {
	task         string
	steps, links int
}

// scanChildren reads the columns of pgChildren, after which nothing of the task is
// left to be read.
func (t *taskRow) scanChildren(r *row) error {
	t.places = places{t.ID, -1, -1}
	err := eachChild(r, func(c pgChild) {
		item := todo.ChecklistItem{ID: decode(c.ID), Name: decode(c.Name), Checked: c.Checked != 0, Created: time.UnixMicro(c.Created).UTC()}
		if c.CheckedAt != nil {
			item.CheckedAt = time.UnixMicro(*c.CheckedAt).UTC()
		}
		t.ChecklistItems, t.places.steps = append(t.ChecklistItems, item), c.Position
	})
	if err == nil {
		err = eachChild(r, func(c pgChild) {
			t.LinkedResources = append(t.LinkedResources, todo.LinkedResource{
				ID: decode(c.ID), ApplicationName: decode(c.Application), DisplayName: decode(c.Name), ExternalID: decode(c.External), WebURL: decode(c.URL),
			})
			t.places.links = c.Position
		})
	}
	t.steps, t.links = 0, 0
	return err
}

func decode(s string) string { return decodeText([]byte(s)) }

func eachChild(r *row, each func(pgChild)) error {
	if r.null() {
		return nil
	}
	var all []pgChild
	if err := json.Unmarshal(r.bytes(nil), &all); err != nil {
		return err
	}
	for _, c := range all {
		each(c)
	}
	return nil
}
