package store

import (
	"regexp"
	"strconv"
	"strings"
	"sync"
)

// A dialect is what SQLite and PostgreSQL spell differently. All else is one text.
type dialect struct {
	name string
	// fold is the text of a column without its case, as odata.Fold has it; ok is
	// false where only odata.Eval can tell.
	fold func(column string) (sql string, ok bool)
	// contains, startsWith and endsWith compare a column with a parameter of n
	// characters.
	contains, startsWith, endsWith func(column string, n int) string
	// categories is a table with one column, value, of the categories of task t.
	categories string
	// openHint makes the planner take the index of open tasks.
	openHint string
	// travels says that a statement is a round trip, so that what may be needed is
	// asked for at once.
	travels bool
	// children are columns with the children of task t; empty where they are better
	// read by queries of their own.
	children string
	// search keeps the full-text index and asks it.
	search searchIndex
}

var sqliteDialect = sync.OnceValue(func() *dialect {
	return &dialect{
		name:       "SQLite",
		fold:       func(column string) (string, bool) { return "fold(" + column + ")", true },
		contains:   func(column string, _ int) string { return "instr(" + column + ", ?) > 0" },
		startsWith: startsWith,
		endsWith:   func(column string, n int) string { return "substr(" + column + ", -" + strconv.Itoa(n) + ") = ?" },
		categories: "json_each(coalesce(t.categories, '[]')) v",
		openHint:   " INDEXED BY tasks_open", // which the planner, without statistics, would not take
		search:     ftsIndex{},
	}
})

// postgresDialect compares folded texts where the search table keeps them: titles,
// bodies and categories. Those of steps and links are left to odata.Eval.
var postgresDialect = sync.OnceValue(func() *dialect {
	return &dialect{
		name: "PostgreSQL",
		fold: func(column string) (string, bool) {
			switch {
			case column == "t.title":
				return keptText("title"), true
			case column == "t.body":
				return keptText("body"), true
			case column == "v.value":
				return column, true
			case strings.HasPrefix(column, "CASE "): // of constants in ASCII
				return "lower(" + column + ")", true
			}
			return "", false
		},
		contains:   func(column string, _ int) string { return "strpos(" + column + ", ?) > 0" },
		startsWith: startsWith,
		endsWith:   func(column string, n int) string { return "right(" + column + ", " + strconv.Itoa(n) + ") = ?" },
		categories: "unnest(" + keptText("categories") + ") AS v(value)",
		travels:    true,
		children:   pgChildren,
		search:     tsIndex{},
	}
})

func startsWith(column string, n int) string {
	return "substr(" + column + ", 1, " + strconv.Itoa(n) + ") = ?"
}

// keptText is a column of the task's row in table search. It is bound to the
// mailbox by itself; $1 is that of Tx.from.
func keptText(column string) string {
	return "(SELECT k." + column + " FROM search k WHERE k.user_id = $1 AND k.list_id = t.list_id AND k.task_id = t.task_id)"
}

var ddlWords = regexp.MustCompile(`\bTEXT\b(?:\[\])?|\bBLOB\b|\)\s*WITHOUT ROWID\b`)

// postgresDDL is a migration as PostgreSQL has it: text sorts by its bytes, and
// tables have no rows of their own to be without.
func postgresDDL(script string) string {
	return outsideLiterals(script, func(sql string) string {
		return ddlWords.ReplaceAllStringFunc(sql, func(word string) string {
			switch word {
			case "TEXT", "TEXT[]":
				return word + ` COLLATE "C"`
			case "BLOB":
				return "BYTEA"
			}
			return ")"
		})
	})
}

// numbered is a statement with $1, $2 … for its ?.
func numbered(q string) string {
	n := 0
	return outsideLiterals(q, func(sql string) string {
		var b strings.Builder
		for {
			before, after, found := strings.Cut(sql, "?")
			b.WriteString(before)
			if !found {
				return b.String()
			}
			n++
			b.WriteString("$" + strconv.Itoa(n))
			sql = after
		}
	})
}

// outsideLiterals rewrites what is neither in quotes nor in a comment.
func outsideLiterals(sql string, rewrite func(string) string) string {
	var b strings.Builder
	for sql != "" {
		from := strings.IndexAny(sql, `'"-`)
		for from >= 0 && sql[from] == '-' && !strings.HasPrefix(sql[from:], "--") {
			next := strings.IndexAny(sql[from+1:], `'"-`)
			if next < 0 {
				from = -1
				break
			}
			from += 1 + next
		}
		if from < 0 {
			b.WriteString(rewrite(sql))
			break
		}
		end := "\n"
		if sql[from] != '-' {
			end = sql[from : from+1]
		}
		to := len(sql)
		if i := strings.Index(sql[from+1:], end); i >= 0 {
			to = from + 1 + i + 1
		}
		b.WriteString(rewrite(sql[:from]))
		b.WriteString(sql[from:to])
		sql = sql[to:]
	}
	return b.String()
}
