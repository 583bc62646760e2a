package store

import (
	"strings"

	"github.com/duly-todo/duly/internal/odata"
	"github.com/duly-todo/duly/internal/todo"
)

// The words of a task stand in a full-text index: its title, its body without
// markup, its steps and its linked resources.

// searchTexts are the indexed texts of a task, in the order of the columns.
type searchTexts struct{ title, body, steps, links string }

func textsOf(t *todo.Task) searchTexts {
	s := searchTexts{title: t.Title, body: t.Body.Content}
	if t.Body.Type == todo.HTML {
		s.body = todo.HTMLToText(s.body)
	}
	var b strings.Builder
	for _, c := range t.ChecklistItems {
		b.WriteString(c.Name + "\n")
	}
	s.steps = b.String()
	b.Reset()
	for _, l := range t.LinkedResources {
		b.WriteString(l.DisplayName + "\n" + l.ApplicationName + "\n" + l.ExternalID + "\n" + l.WebURL + "\n")
	}
	s.links = b.String()
	return s
}

// A searchIndex keeps the words of tasks and finds tasks by them.
type searchIndex interface {
	// add writes the words of a new task, and gives the number of their row.
	add(tx *Tx, t *todo.Task) (int64, error)
	// change writes the words of a task again, where they have changed.
	change(tx *Tx, old, t *todo.Task) error
	// remove forgets a task, whose row has the number id.
	remove(tx *Tx, list, task string, id int64) error
	// removeList forgets the tasks of a list, which are still there.
	removeList(tx *Tx, list string) error
	// from is what a search reads, up to its condition: the tasks t of the mailbox
	// that it finds.
	from(tx *Tx, s odata.Search) (sql string, args []value)
	// rank is the order in which the best come first.
	rank() string
}

// ftsIndex is SQLite's. It holds the words and where their task is, no texts.
type ftsIndex struct{}

// owner is the user as one word of the index.
func (tx *Tx) owner() string { return strings.ReplaceAll(tx.as.User, "-", "") }

func (ftsIndex) add(tx *Tx, t *todo.Task) (int64, error) {
	s := textsOf(t)
	err := tx.conn.exec(`INSERT INTO words (owner, title, body, steps, links, user_id, list_id, task_id) VALUES (?, ?, ?, ?, ?, ?, ?, ?)`,
		text(tx.owner()), text(s.title), text(s.body), text(s.steps), text(s.links), text(tx.as.User), text(t.ListID), text(t.ID))
	return tx.conn.(*conn).lastRow(), err
}

func (ftsIndex) change(tx *Tx, old, t *todo.Task) error {
	was, is := textsOf(old), textsOf(t)
	if was == is {
		return nil
	}
	return tx.conn.exec(`UPDATE words SET owner = ?, title = ?, body = ?, steps = ?, links = ?, user_id = ?, list_id = ?, task_id = ?
		WHERE rowid = (SELECT search_id FROM tasks WHERE user_id = ? AND list_id = ? AND task_id = ?)`,
		text(tx.owner()), text(is.title), text(is.body), text(is.steps), text(is.links), text(tx.as.User), text(t.ListID), text(t.ID),
		text(tx.as.User), text(t.ListID), text(t.ID)) // all of them: the index does not have the old ones
}

func (ftsIndex) remove(tx *Tx, _, _ string, id int64) error {
	return tx.conn.exec(`DELETE FROM words WHERE rowid = ?`, integer(id))
}

func (ftsIndex) removeList(tx *Tx, list string) error {
	return tx.conn.exec(`DELETE FROM words WHERE rowid IN (SELECT search_id FROM tasks WHERE user_id = ? AND list_id = ?)`, text(tx.as.User), text(list))
}

func (ftsIndex) from(tx *Tx, s odata.Search) (sql string, args []value) {
	return `words f JOIN tasks t ON t.user_id = f.user_id AND t.list_id = f.list_id AND t.task_id = f.task_id WHERE words MATCH ? AND `,
		[]value{text(tx.matchExpression(s))}
}

func (ftsIndex) rank() string { return "bm25(words, 0, 10, 2, 4, 4)" }

// matchExpression is a search in the language of the index, within the mailbox.
// Words are quoted, so that nothing in them is taken for that language; a word
// finds those that begin with it, a phrase just itself.
func (tx *Tx) matchExpression(s odata.Search) string {
	mine := `owner : "` + tx.owner() + `"`
	return mine + ` AND (` + matchTerms(s, mine) + `)`
}

func matchTerms(s odata.Search, mine string) string {
	switch s := s.(type) {
	case odata.SearchAnd:
		return joinMatches(s.Terms, " AND ", mine)
	case odata.SearchOr:
		return joinMatches(s.Terms, " OR ", mine)
	case odata.SearchNot: // the index has only "a but not b"
		return mine + ` NOT (` + matchTerms(s.X, mine) + `)`
	case odata.SearchTerm:
		quoted := `{title body steps links} : "` + strings.ReplaceAll(strings.ReplaceAll(s.Text, "\x00", " "), `"`, `""`) + `"`
		if !s.Phrase {
			quoted += ` *`
		}
		return quoted
	}
	return mine
}

func joinMatches(terms []odata.Search, by, mine string) string {
	parts := make([]string, len(terms))
	for i, t := range terms {
		parts[i] = "(" + matchTerms(t, mine) + ")"
	}
	return strings.Join(parts, by)
}
