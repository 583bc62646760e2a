package duly

import (
	"context"

	"github.com/duly-todo/duly/internal/graph"
	"github.com/duly-todo/duly/internal/todo"
)

// An archiveChecker looks through all lines of an archive: each must make sense, and
// refer to what is there. Lists and tasks come in the order of their ids, which tells
// doubles without keeping them all in mind.
type archiveChecker struct {
	a      *archive
	counts ArchiveCounts

	lists       map[string]bool
	defaults    int
	links       map[string]bool
	attachments map[string]int64 // sizes of the files that are not yet spoken of
	lastList    string
	lastTask    [2]string // its list and its id
}

// check compares the hashes, and looks through the lines.
func (a *archive) check(ctx context.Context, progress func(step string, done, all int64)) error {
	if err := a.checkHashes(ctx, progress); err != nil {
		return err
	}
	c := &archiveChecker{a: a, lists: map[string]bool{}, links: map[string]bool{}, attachments: map[string]int64{}}
	for _, file := range a.manifest.Files {
		if !isArchiveText(file.Name) {
			c.attachments[file.Name[len(attachmentFolder):]] = file.Size
		}
	}
	settings, names := 0, map[string]bool{}
	categories := []todo.OutlookCategory{}
	for _, file := range []struct {
		name  string
		check func(line []byte) error
	}{
		{settingsName, func(line []byte) error {
			settings++
			_, err := graph.ParseArchivedSettings(line, todo.User{DisplayName: "-"})
			return err
		}},
		{categoriesName, func(line []byte) error {
			category, err := graph.ParseArchivedCategory(line)
			if err != nil {
				return err
			}
			if names[category.ID] {
				return todo.Errorf(todo.Invalid, "id", "The id '%s' is there twice.", category.ID)
			}
			names[category.ID] = true
			p := todo.OutlookCategoryPatch{DisplayName: todo.Opt[string]{Set: true, V: category.Name}}
			_, err = todo.NewOutlookCategory(category.ID, p, categories)
			categories = append(categories, category)
			return err
		}},
		{listsName, c.list}, {tasksName, c.task}, {linksName, c.link},
	} {
		progress("checking "+file.name, 0, 1)
		if err := a.eachLine(ctx, file.name, file.check); err != nil {
			return err
		}
	}
	c.counts.Categories = len(categories)
	switch {
	case settings != 1:
		return badArchivef("%s has %d lines and not one", settingsName, settings)
	case c.defaults > 1:
		return badArchivef("%s has %d default lists", listsName, c.defaults)
	case len(c.attachments) > 0:
		return badArchivef("it holds %d files that no task has", len(c.attachments))
	case c.counts != a.manifest.Counts:
		return badArchivef("it holds %+v, and the manifest says %+v", c.counts, a.manifest.Counts)
	}
	return nil
}

func (c *archiveChecker) list(line []byte) error {
	l, err := graph.ParseArchivedList(line)
	switch {
	case err != nil:
		return err
	case l.ID <= c.lastList:
		return todo.Errorf(todo.Invalid, "id", "The id '%s' is there twice, or not in the order of ids.", l.ID)
	case len(c.lists) == maxArchiveLists:
		return todo.Errorf(todo.Invalid, "", "There are more than the %d lists allowed.", maxArchiveLists)
	}
	if l.Wellknown == todo.DefaultList {
		c.defaults++
	}
	c.lastList, c.lists[l.ID] = l.ID, true
	c.counts.list(&l)
	return nil
}

func (c *archiveChecker) task(line []byte) error {
	t, err := graph.ParseArchivedTask(line)
	switch {
	case err != nil:
		return err
	case !c.lists[t.ListID]:
		return todo.Errorf(todo.Invalid, "@duly.listId", "There is no list '%s'.", t.ListID)
	case t.ListID < c.lastTask[0] || t.ListID == c.lastTask[0] && t.ID <= c.lastTask[1]:
		return todo.Errorf(todo.Invalid, "id", "The id '%s' is there twice, or not in the order of lists and ids.", t.ID)
	}
	c.lastTask = [2]string{t.ListID, t.ID}
	steps := map[string]bool{}
	for _, s := range t.ChecklistItems {
		if steps[s.ID] {
			return todo.Errorf(todo.Invalid, "checklistItems", "The id '%s' is there twice.", s.ID)
		}
		steps[s.ID] = true
	}
	for i := range t.LinkedResources {
		if err := c.linkID(t.LinkedResources[i].ID); err != nil {
			return err
		}
	}
	for _, a := range t.Attachments {
		size, ok := c.attachments[a.ID]
		if !ok || size != a.Size {
			return todo.Errorf(todo.Invalid, "attachments", "There is no file '%s' of %d bytes, or two attachments have it.", a.ID, a.Size)
		}
		delete(c.attachments, a.ID)
	}
	c.counts.task(&t)
	return nil
}

func (c *archiveChecker) linkID(id string) error {
	if c.links[id] {
		return todo.Errorf(todo.Invalid, "linkedResources", "The id '%s' is there twice.", id)
	}
	c.links[id] = true
	return nil
}

func (c *archiveChecker) link(line []byte) error {
	l, err := graph.ParseArchivedLink(line)
	if err != nil {
		return err
	}
	c.counts.LinkedResources++
	return c.linkID(l.ID)
}
