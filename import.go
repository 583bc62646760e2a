package duly

import (
	"context"
	"errors"
	"fmt"

	"github.com/duly-todo/duly/internal/auth"
	"github.com/duly-todo/duly/internal/graph"
	"github.com/duly-todo/duly/internal/store"
	"github.com/duly-todo/duly/internal/todo"
)

// Bounds of a transaction of an import.
const (
	importTasks = 50
	importBytes = 1 << 20 // of the lines of tasks
	importLists = 100
)

// An ImportReport says what an import has added. What the mailbox had already, by
// its id, was left as it is.
type ImportReport struct {
	Manifest ArchiveManifest
	Added    ArchiveCounts
}

// Import brings the archive in the file path into the mailbox of a user. All of the
// archive is looked through before anything is written: the error is [ErrBadArchive]
// where it is not as it was written, and [ErrNoUser] where there is no such user.
//
// Ids are kept, and what the mailbox has by its id already is left alone, so that an
// import may be repeated, also one that was cut off. With newIDs everything is made
// under other ids, always the same for an archived one. The default list of an empty
// mailbox gives way to that of the archive; into that of another one the tasks go.
func (s *Server) Import(ctx context.Context, path, user string, newIDs bool, progress func(step string, done, all int64)) (report ImportReport, err error) {
	u, err := s.User(ctx, user)
	if err != nil {
		return report, err
	}
	a, err := openArchive(path)
	if err != nil {
		return report, err
	}
	defer func() { err = errors.Join(err, a.close()) }()
	report.Manifest = a.manifest
	if err := a.check(ctx, progress); err != nil {
		return report, err
	}
	i := &importer{ctx: ctx, db: s.db, as: store.As{User: u.ID, App: auth.CommandLineApp}, a: a, newIDs: newIDs, progress: progress, lists: map[string]string{}}
	for _, step := range []func() error{i.first, i.restLists, i.tasks, i.links} {
		if err := step(); err != nil {
			return report, fmt.Errorf("after %d tasks: %w", i.added.Tasks, err)
		}
	}
	report.Added = i.added
	return report, nil
}

// An importer writes what was checked.
type importer struct {
	ctx      context.Context
	db       *store.DB
	as       store.As
	a        *archive
	newIDs   bool
	progress func(step string, done, all int64)

	lists map[string]string // of the mailbox, by those of the archive
	added ArchiveCounts
}

// id is the id under which an archived one is made.
func (i *importer) id(id string) string {
	if i.newIDs {
		return store.DerivedID(id)
	}
	return id
}

func (i *importer) guid(id string) string {
	if i.newIDs {
		return derivedGUID(id)
	}
	return id
}

func derivedGUID(id string) string { return store.NamedGUID("derived " + id) }

// update runs fn in a transaction; what it adds counts once it is committed.
func (i *importer) update(fn func(*store.Tx, *ArchiveCounts) error) error {
	var added ArchiveCounts
	err := i.db.Update(i.ctx, i.as, func(tx *store.Tx) error {
		added = ArchiveCounts{}
		return fn(tx, &added)
	})
	if err == nil {
		i.added.add(added)
	}
	return err
}

func (c *ArchiveCounts) add(more ArchiveCounts) {
	c.Categories += more.Categories
	c.Lists += more.Lists
	c.Tasks += more.Tasks
	c.ChecklistItems += more.ChecklistItems
	c.LinkedResources += more.LinkedResources
	c.Extensions += more.Extensions
	c.Attachments += more.Attachments
}

// first writes the settings, the categories and the default list.
func (i *importer) first() error {
	var settings []byte
	var categories []todo.OutlookCategory
	var first *todo.TaskList
	err := errors.Join(
		i.a.eachLine(i.ctx, settingsName, func(line []byte) error { settings = append(settings, line...); return nil }),
		i.a.eachLine(i.ctx, categoriesName, func(line []byte) error {
			c, err := graph.ParseArchivedCategory(line)
			categories = append(categories, c)
			return err
		}),
		i.a.eachLine(i.ctx, listsName, func(line []byte) error {
			l, err := graph.ParseArchivedList(line)
			if l.Wellknown == todo.DefaultList {
				first = &l
			}
			return err
		}),
	)
	if err != nil {
		return err
	}
	return i.update(func(tx *store.Tx, added *ArchiveCounts) error {
		u, err := tx.Owner()
		if err == nil {
			u, err = graph.ParseArchivedSettings(settings, u)
		}
		if err == nil {
			err = tx.UpdateUser(u)
		}
		if err != nil {
			return err
		}
		empty, err := isEmpty(tx)
		if err == nil {
			err = i.categories(tx, categories, empty, added)
		}
		if err == nil && first != nil {
			err = i.defaultList(tx, *first, empty, added)
		}
		return err
	})
}

// isEmpty says whether a mailbox has nothing but what it began with.
func isEmpty(tx *store.Tx) (bool, error) {
	lists, err := tx.Lists(0, 2)
	if err != nil || len(lists) != 1 {
		return false, err
	}
	extensions, err := tx.Extensions(lists[0].ID, "")
	if err != nil || len(extensions) > 0 {
		return false, err
	}
	n, err := tx.CountTasks(store.TaskQuery{List: lists[0].ID})
	return n == 0, err
}

// categories writes those whose names are not there. In an empty mailbox they take
// the place of the first ones.
func (i *importer) categories(tx *store.Tx, archived []todo.OutlookCategory, empty bool, added *ArchiveCounts) error {
	there, err := tx.Categories()
	if err != nil {
		return err
	}
	if empty && !i.newIDs {
		for _, c := range there {
			if err := tx.DeleteCategory(c.ID); err != nil {
				return err
			}
		}
		there = nil
	}
	for _, c := range archived {
		taken := false
		c.ID = i.guid(c.ID)
		for _, o := range there {
			taken = taken || o.ID == c.ID
		}
		patch := todo.OutlookCategoryPatch{DisplayName: todo.Opt[string]{Set: true, V: c.Name}, Color: todo.Opt[todo.CategoryColor]{Set: true, V: c.Color}}
		c, err := todo.NewOutlookCategory(c.ID, patch, there)
		if e, ok := errors.AsType[*todo.Error](err); taken || ok && e.Kind == todo.CategoryExists {
			continue
		}
		if err == nil {
			err = tx.InsertCategory(c)
		}
		if err != nil {
			return err
		}
		there = append(there, c)
		added.Categories++
	}
	return nil
}

// defaultList finds the list for the tasks of the archive's default list.
func (i *importer) defaultList(tx *store.Tx, l todo.TaskList, empty bool, added *ArchiveCounts) error {
	there, err := tx.DefaultList()
	if err != nil {
		return err
	}
	archived := l.ID
	i.lists[archived] = there.ID
	if l.ID == there.ID && !i.newIDs {
		return nil
	}
	if empty && !i.newIDs {
		if err := tx.DeleteList(there); err != nil {
			return err
		}
		l.Name, l.Modified = todo.DefaultListName, tx.Now()
		i.lists[archived] = l.ID
		added.list(&l)
		return tx.InsertList(&l)
	}
	old, err := tx.Extensions(there.ID, "")
	if err != nil {
		return err
	}
	all := old
	for _, x := range l.Extensions {
		if _, err := todo.FindExtension(all, x.Name); err == nil {
			continue
		}
		if all, err = todo.PutExtension(all, x); err != nil {
			return err
		}
		added.Extensions++
	}
	if len(all) == len(old) {
		return nil
	}
	if err := tx.UpdateExtensions(there.ID, "", old, all); err != nil {
		return err
	}
	return tx.UpdateList(&there)
}

// restLists writes the other lists.
func (i *importer) restLists() error {
	var waiting []todo.TaskList
	err := i.a.eachLine(i.ctx, listsName, func(line []byte) error {
		l, err := graph.ParseArchivedList(line)
		if err != nil || l.Wellknown == todo.DefaultList {
			return err
		}
		i.lists[l.ID] = i.id(l.ID)
		if waiting = append(waiting, l); len(waiting) < importLists {
			return nil
		}
		err = i.putLists(waiting)
		waiting = waiting[:0]
		return err
	})
	if err != nil {
		return err
	}
	return i.putLists(waiting)
}

func (i *importer) putLists(lists []todo.TaskList) error {
	if len(lists) == 0 {
		return nil
	}
	return i.update(func(tx *store.Tx, added *ArchiveCounts) error {
		names, err := tx.ListNames("")
		if err != nil {
			return err
		}
		for _, l := range lists {
			id := i.lists[l.ID]
			if _, err := tx.List(id); err == nil {
				continue
			} else if !errors.Is(err, todo.ErrNotFound) {
				return err
			}
			made, err := todo.NewTaskList(id, todo.TaskListPatch{DisplayName: todo.Opt[string]{Set: true, V: l.Name}}, names, tx.Now())
			if err != nil {
				return err
			}
			made.Extensions = l.Extensions
			names = append(names, made.Name)
			if err := tx.InsertList(&made); err != nil {
				return err
			}
			added.list(&made)
		}
		return nil
	})
}

// tasks writes the tasks, some at a time, and after them their files.
func (i *importer) tasks() error {
	var waiting []todo.Task
	size, done := 0, int64(0)
	flush := func() error {
		i.progress("importing tasks", done, int64(i.a.manifest.Counts.Tasks))
		err := i.putTasks(waiting)
		for n := range waiting {
			for _, a := range waiting[n].Attachments {
				if err == nil {
					err = i.attachment(a)
				}
			}
		}
		done += int64(len(waiting))
		waiting, size = waiting[:0], 0
		return err
	}
	err := i.a.eachLine(i.ctx, tasksName, func(line []byte) error {
		t, err := graph.ParseArchivedTask(line)
		if err != nil {
			return err
		}
		waiting = append(waiting, t)
		if size += len(line); len(waiting) < importTasks && size < importBytes {
			return nil
		}
		return flush()
	})
	if err != nil {
		return err
	}
	return flush()
}

func (i *importer) putTasks(tasks []todo.Task) error {
	if len(tasks) == 0 {
		return nil
	}
	return i.update(func(tx *store.Tx, added *ArchiveCounts) error {
		for _, t := range tasks {
			t.ID, t.ListID = i.id(t.ID), i.lists[t.ListID]
			_, err := tx.Task(t.ListID, t.ID)
			if e, ok := errors.AsType[*todo.Error](err); err == nil || ok && e.Kind == todo.WrongList {
				continue
			}
			if !errors.Is(err, todo.ErrNotFound) {
				return err
			}
			if err := i.renameChildren(tx, &t); err != nil {
				return err
			}
			t.Attachments, t.HasAttachments = nil, false // which come after the task
			if err := tx.InsertTask(&t); err != nil {
				return err
			}
			added.task(&t)
		}
		return nil
	})
}

// renameChildren gives the steps and links of a task other ids where it must be.
func (i *importer) renameChildren(tx *store.Tx, t *todo.Task) error {
	steps, links := t.ChecklistItems, t.LinkedResources
	t.ChecklistItems, t.LinkedResources = nil, nil
	for _, c := range steps {
		c.ID = i.guid(c.ID)
		t.ChecklistItems = append(t.ChecklistItems, c)
	}
	for _, l := range links {
		l.ID = i.guid(l.ID)
		if _, err := tx.LinkedResource(l.ID); err == nil { // another task has it
			l.ID = derivedGUID(t.ID + l.ID)
		} else if !errors.Is(err, todo.ErrNotFound) {
			return err
		}
		t.LinkedResources = append(t.LinkedResources, l)
	}
	return nil
}

// attachment writes a file whose task is there, unless the task has it.
func (i *importer) attachment(archived todo.Attachment) error {
	return i.update(func(tx *store.Tx, added *ArchiveCounts) error {
		a := archived
		a.ID, a.TaskID, a.ListID = i.id(a.ID), i.id(a.TaskID), i.lists[a.ListID]
		if _, err := tx.Task(a.ListID, a.TaskID); err != nil {
			if e, ok := errors.AsType[*todo.Error](err); ok && e.Kind == todo.WrongList {
				return nil // the mailbox has the task elsewhere, and its own state of it
			}
			return err
		}
		for tries := 0; ; tries++ {
			there, err := tx.FindAttachment(a.ID)
			if errors.Is(err, todo.ErrNotFound) {
				break
			}
			if err != nil || there.ListID == a.ListID && there.TaskID == a.TaskID || tries == 1 {
				return err
			}
			a.ID = store.DerivedID(a.ID) // another task has it
		}
		in, err := i.a.open(attachmentFolder + archived.ID)
		if err != nil {
			return err
		}
		added.Attachments++
		return errors.Join(tx.ImportAttachment(&a, in), in.Close())
	})
}

// links writes the linked resources that no task holds.
func (i *importer) links() error {
	var waiting []todo.LinkedResource
	flush := func() error {
		if len(waiting) == 0 {
			return nil
		}
		err := i.update(func(tx *store.Tx, added *ArchiveCounts) error {
			for _, l := range waiting {
				l.ID = i.guid(l.ID)
				_, err := tx.LinkedResource(l.ID)
				if errors.Is(err, todo.ErrNotFound) {
					added.LinkedResources++
					err = tx.PutLinkedResource(l)
				}
				if err != nil {
					return err
				}
			}
			return nil
		})
		waiting = waiting[:0]
		return err
	}
	err := i.a.eachLine(i.ctx, linksName, func(line []byte) error {
		l, err := graph.ParseArchivedLink(line)
		if err != nil {
			return err
		}
		if waiting = append(waiting, l); len(waiting) < importLists {
			return nil
		}
		return flush()
	})
	if err != nil {
		return err
	}
	return flush()
}
