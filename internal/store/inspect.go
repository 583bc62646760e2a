package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	"zombiezen.com/go/sqlite"
)

// A Finding is what an inspection has to say about one thing.
type Finding struct {
	Name   string // of the thing, one or two words
	Text   string // what was found
	Remedy string // what to do about it; empty where all is well
}

// maxClockError is how far in the future a change may lie.
const maxClockError = time.Minute

// A rule holds for every database: its query counts what breaks it.
type rule struct {
	name, holds, broken string // broken takes the number
	query               string
	remedy              string
}

const restoreRemedy = `stop the server and restore the last good backup with "duly restore"`

// rules are those of a database with this one for its full-text index.
func rules(search rule) []rule {
	return []rule{
		{
			name: "versions", holds: "every mailbox has the version of its last change", broken: "%d mailboxes do not have the version of their last change",
			query: `SELECT COUNT(*) FROM users u WHERE u.version <>
				COALESCE((SELECT MAX(c.version) FROM changes c WHERE c.user_id = u.user_id), u.log_floor)`,
			remedy: restoreRemedy,
		},
		{
			name: "change log", holds: "no change is missing", broken: "the change logs of %d mailboxes have gaps",
			query: `SELECT COUNT(*) FROM users u WHERE u.version - u.log_floor <>
				(SELECT COUNT(*) FROM changes c WHERE c.user_id = u.user_id AND c.version > u.log_floor)`,
			remedy: restoreRemedy,
		},
		{
			name: "tasks", holds: "every list and task is as old as its change", broken: "%d lists and tasks are newer than their mailbox",
			query: `SELECT (SELECT COUNT(*) FROM tasks t JOIN users u ON u.user_id = t.user_id WHERE t.version > u.version OR t.created_version > t.version) +
				(SELECT COUNT(*) FROM lists l JOIN users u ON u.user_id = l.user_id WHERE l.version > u.version OR l.created_version > l.version)`,
			remedy: restoreRemedy,
		},
		{
			name: "children", holds: "every task has the steps and links that it counts", broken: "%d tasks do not have the steps or links that they count",
			query: `SELECT COUNT(*) FROM tasks t WHERE
				t.step_count <> (SELECT COUNT(*) FROM checklist_items i WHERE i.user_id = t.user_id AND i.list_id = t.list_id AND i.task_id = t.task_id) OR
				t.link_count <> (SELECT COUNT(*) FROM linked_resources i WHERE i.user_id = t.user_id AND i.list_id = t.list_id AND i.task_id = t.task_id)`,
			remedy: restoreRemedy,
		},
		search,
	}
}

// sqliteSearch and postgresSearch are the rule of the full-text index, which the
// databases keep in their own ways.
func sqliteSearch(table string) rule {
	return searchRule(`SELECT (SELECT COUNT(*) FROM tasks WHERE search_id NOT IN (SELECT rowid FROM ` + table + `)) +
				(SELECT COUNT(*) FROM ` + table + ` WHERE rowid NOT IN (SELECT search_id FROM tasks))`)
}

func postgresSearch() rule {
	return searchRule(`SELECT (SELECT COUNT(*) FROM tasks t WHERE NOT EXISTS (SELECT 1 FROM search s WHERE s.user_id = t.user_id AND s.list_id = t.list_id AND s.task_id = t.task_id)) +
				(SELECT COUNT(*) FROM search s WHERE NOT EXISTS (SELECT 1 FROM tasks t WHERE t.user_id = s.user_id AND t.list_id = s.list_id AND t.task_id = s.task_id))`)
}

func searchRule(query string) rule {
	return rule{
		name: "search", holds: "every task is in the index", broken: "%d rows of the index or tasks have no counterpart",
		query: query, remedy: restoreRemedy,
	}
}

// Inspect looks through a database, which a server may use meanwhile, and
// changes nothing. What it cannot find out is a finding as well.
func Inspect(ctx context.Context, path string, now time.Time) []Finding {
	c, err := openConn(path, sqlite.OpenReadOnly, readerPragma)
	if err != nil {
		return []Finding{unreadable(err)}
	}
	c.c.SetInterrupt(ctx.Done())
	schema, findings := inspectSchema(c)
	if schema > 0 {
		findings = append(findings, inspectAll(ctx, c, now)...)
	}
	if err := c.close(); err != nil {
		findings = append(findings, unreadable(err))
	}
	return findings
}

func unreadable(err error) Finding {
	remedy := "let this account read and write the data folder, or the database"
	if err = judged(err); errors.Is(err, ErrDamaged) {
		remedy = restoreRemedy
	}
	return Finding{Name: "database", Text: err.Error(), Remedy: remedy}
}

// inspectSchema compares the schema with the one that this program knows. The
// version is 0 where nothing more can be said.
func inspectSchema(c session) (int, []Finding) {
	version, err := schemaOf(c)
	known := KnownSchema()
	switch f := (Finding{Name: "schema", Text: fmt.Sprintf("version %d", version)}); {
	case err != nil:
		return 0, []Finding{unreadable(err)}
	case version == 0:
		f.Remedy = `this is no database of Duly's, or an empty one: name another folder with --data`
		return 0, []Finding{f}
	case version > known:
		f.Text += fmt.Sprintf(", and this program knows %d", known)
		f.Remedy = "use a newer duly"
		return 0, []Finding{f}
	case version < known:
		f.Text += fmt.Sprintf(`, which the next start of "duly serve" brings to %d`, known)
		return version, []Finding{f}
	default:
		return version, append([]Finding{f}, inspectCopy(c)...)
	}
}

// inspectCopy finds half a copy.
func inspectCopy(c session) []Finding {
	source, err := halfCopyOf(c)
	switch {
	case err != nil:
		return []Finding{unreadable(err)}
	case source != "":
		return []Finding{{Name: "copy", Text: "this is half a copy of " + source + ", which no server takes", Remedy: `run the same "duly copy" again, which finishes it`}}
	}
	return nil
}

func inspectAll(ctx context.Context, c *conn, now time.Time) []Finding {
	f := Finding{Name: "integrity", Text: "the file is sound"}
	if err := c.sound(ctx, `PRAGMA integrity_check(1)`); err != nil {
		f.Text, f.Remedy = err.Error(), restoreRemedy
		return []Finding{f} // what follows could not be trusted
	}
	findings := []Finding{f, inspectKeys(c), inspectClock(c, now)}
	words := "search" // before migration 12
	if err := c.query(`SELECT name FROM sqlite_schema WHERE name = 'words'`, func(r *row) error { words = r.text(); return nil }); err != nil {
		return append(findings, unreadable(err))
	}
	for _, r := range rules(sqliteSearch(words)) {
		findings = append(findings, r.inspect(c))
	}
	return findings
}

func (r rule) inspect(c session) Finding {
	f := Finding{Name: r.name, Text: r.holds}
	var broken int64
	if err := c.query(r.query, func(row *row) error { broken = row.int(); return nil }); err != nil {
		f = unreadable(err)
		f.Name = r.name
	} else if broken > 0 {
		f.Text, f.Remedy = fmt.Sprintf(r.broken, broken), r.remedy
	}
	return f
}

func inspectKeys(c *conn) Finding {
	f := Finding{Name: "references", Text: "no row refers to one that is gone"}
	broken, table := 0, ""
	err := c.query(`PRAGMA foreign_key_check`, func(r *row) error { broken++; table = r.text(); return nil })
	if err != nil {
		f.Text, f.Remedy = err.Error(), restoreRemedy
	} else if broken > 0 {
		f.Text, f.Remedy = fmt.Sprintf("%d rows refer to some that are gone, one of them in %s", broken, table), restoreRemedy
	}
	return f
}

// inspectClock compares the latest change with the time.
func inspectClock(c session, now time.Time) Finding {
	f := Finding{Name: "clock", Text: "nothing was changed yet"}
	err := c.query(`SELECT MAX(at) FROM changes`, func(r *row) error {
		if r.null() {
			return nil
		}
		last := time.UnixMicro(r.int()).UTC()
		f.Text = "the last change was at " + last.Format(time.RFC3339)
		if last.After(now.Add(maxClockError)) {
			f.Text += ", which is in the future: it is " + now.UTC().Format(time.RFC3339)
			f.Remedy = "set the clock of this machine, and let it be kept by NTP"
		}
		return nil
	})
	if err != nil {
		f = unreadable(err)
		f.Name = "clock"
	}
	return f
}
