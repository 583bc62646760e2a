package store

import (
	"slices"
	"sort"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"github.com/duly-todo/duly/internal/odata"
	"github.com/duly-todo/duly/internal/todo"
)

// tsIndex is the full-text index of PostgreSQL. The words are found here, as
// SQLite finds them, so that both databases find the same tasks.
type tsIndex struct{}

// Bounds of a tsvector.
const (
	maxLexeme    = 2046    // bytes of a word; what is longer is cut
	maxPosition  = 16_383  // words beyond are found, but not as part of a phrase
	maxTSVector  = 900_000 // bytes of all words with their places; PostgreSQL takes 1 MiB
	wordNobody   = "!"     // a word that no text has
	ownerOfWords = "!"     // begins the word that is the owner
)

func (tsIndex) add(tx *Tx, t *todo.Task) (int64, error) {
	return 0, tx.conn.exec(`INSERT INTO search (title, body, categories, words, user_id, list_id, task_id)
		VALUES (?, ?, CAST(CAST(? AS TEXT) AS TEXT[]), CAST(CAST(? AS TEXT) AS TSVECTOR), ?, ?, ?)`, tsValues(tx, t)...)
}

func (tsIndex) change(tx *Tx, old, t *todo.Task) error {
	if textsOf(old) == textsOf(t) && old.Body == t.Body && slices.Equal(old.Categories, t.Categories) {
		return nil
	}
	return tx.conn.exec(`UPDATE search SET title = ?, body = ?, categories = CAST(CAST(? AS TEXT) AS TEXT[]), words = CAST(CAST(? AS TEXT) AS TSVECTOR)
		WHERE user_id = ? AND list_id = ? AND task_id = ?`, tsValues(tx, t)...)
}

func (tsIndex) remove(tx *Tx, list, task string, _ int64) error {
	return tx.conn.exec(`DELETE FROM search WHERE user_id = ? AND list_id = ? AND task_id = ?`, text(tx.as.User), text(list), text(task))
}

func (tsIndex) removeList(tx *Tx, list string) error {
	return tx.conn.exec(`DELETE FROM search WHERE user_id = ? AND list_id = ?`, text(tx.as.User), text(list))
}

// from joins the mailbox's own word to the search, which makes the index as good
// as one that begins with the mailbox.
func (tsIndex) from(tx *Tx, s odata.Search) (sql string, args []value) {
	return `(SELECT * FROM search WHERE user_id = ?) f CROSS JOIN (SELECT CAST(CAST(? AS TEXT) AS TSQUERY) AS asked) q
			JOIN tasks t ON t.user_id = f.user_id AND t.list_id = f.list_id AND t.task_id = f.task_id
			WHERE f.words @@ (CAST(CAST(? AS TEXT) AS TSQUERY) && q.asked) AND `,
		[]value{text(tx.as.User), text(tsQuery(s)), text(quoteWord(ownerOfWords + tx.owner()))}
}

// rank weighs words of the title (A), of steps and links (B) and of the body (C).
func (tsIndex) rank() string { return "ts_rank('{0, 0.2, 0.4, 1}', f.words, q.asked) DESC" }

// tsValues are the columns of a task's row in the order of the statements.
func tsValues(tx *Tx, t *todo.Task) []value {
	return []value{
		text(odata.Fold(t.Title)), text(odata.Fold(t.Body.Content)), text(arrayLiteral(t.Categories)),
		text(tsVector(ownerOfWords+tx.owner(), textsOf(t))), text(tx.as.User), text(t.ListID), text(t.ID),
	}
}

// arrayLiteral is a list of texts, folded, as PostgreSQL reads it.
func arrayLiteral(texts []string) string {
	quoted := make([]string, len(texts))
	for i, s := range texts {
		quoted[i] = `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(odata.Fold(s)) + `"`
	}
	return "{" + strings.Join(quoted, ",") + "}"
}

// tsVector is the words of a task with their places. A place between two texts is
// left empty, so that no phrase reaches across.
func tsVector(owner string, s searchTexts) string {
	places := map[string][]string{}
	size, position := 0, 0
	for _, field := range [...]struct{ text, weight string }{{s.title, "A"}, {s.steps, "B"}, {s.links, "B"}, {s.body, "C"}} {
		for _, word := range wordsOf(field.text) {
			position++
			at, known := places[word]
			if !known {
				size += len(word) + 8
			}
			if size += 2; size > maxTSVector {
				break
			}
			if position <= maxPosition {
				at = append(at, strconv.Itoa(position)+field.weight)
			}
			places[word] = at
		}
		position++
	}
	words := make([]string, 0, len(places)+1)
	for word, at := range places {
		w := quoteWord(word)
		if len(at) > 0 {
			w += ":" + strings.Join(at, ",")
		}
		words = append(words, w)
	}
	sort.Strings(words) // so that equal texts have equal words
	return strings.Join(append(words, quoteWord(owner)), " ")
}

// tsQuery is a search in PostgreSQL's language. A word finds those that begin
// with it, a phrase just itself.
func tsQuery(s odata.Search) string {
	switch s := s.(type) {
	case odata.SearchAnd:
		return joinQueries(s.Terms, " & ")
	case odata.SearchOr:
		return joinQueries(s.Terms, " | ")
	case odata.SearchNot:
		return "!(" + tsQuery(s.X) + ")"
	case odata.SearchTerm:
		words := wordsOf(s.Text)
		if len(words) == 0 {
			return quoteWord(wordNobody)
		}
		for i := range words {
			words[i] = quoteWord(words[i])
		}
		if !s.Phrase {
			words[len(words)-1] += ":*"
		}
		return "(" + strings.Join(words, " <-> ") + ")"
	}
	return quoteWord(wordNobody)
}

func joinQueries(terms []odata.Search, by string) string {
	parts := make([]string, len(terms))
	for i, t := range terms {
		parts[i] = "(" + tsQuery(t) + ")"
	}
	return strings.Join(parts, by)
}

// quoteWord is a word as tsvector and tsquery read it.
func quoteWord(word string) string {
	return "'" + strings.NewReplacer(`\`, `\\`, "'", "''").Replace(word) + "'"
}

// wordsOf are the words of a text: runs of letters and digits, without case and
// without the marks on letters, as SQLite's unicode61 with remove_diacritics 2 has
// them.
func wordsOf(text string) (words []string) {
	var word []rune
	size := 0
	end := func() {
		if len(word) > 0 {
			words = append(words, string(word))
		}
		word, size = word[:0], 0
	}
	for _, r := range text {
		switch {
		case unicode.IsLetter(r), unicode.IsNumber(r), unicode.Is(unicode.Co, r):
			plain := plainLetter(r)
			if size += utf8.RuneLen(plain); size <= maxLexeme {
				word = append(word, plain)
			}
		case len(word) > 0 && r >= 0x300 && r <= 0x331: // a mark on the letter before
		default:
			end()
		}
	}
	end()
	return words
}

// plainLetter is a letter in lower case; a Latin one, without its accents.
func plainLetter(r rune) rune {
	if r < utf8.RuneSelf {
		return unicode.ToLower(r)
	}
	if unicode.Is(unicode.Latin, r) {
		if base := norm.NFD.String(string(r))[0]; base < utf8.RuneSelf {
			return unicode.ToLower(rune(base))
		}
	}
	if r == 'ı' {
		return r
	}
	return unicode.ToLower(unicode.ToUpper(r)) // a final sigma is a sigma
}
