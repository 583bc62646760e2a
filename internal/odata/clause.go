package odata

import (
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/duly-todo/duly/internal/todo"
)

// Bounds of a query option. A client's longest filter seen is below 1 KiB.
const (
	maxText  = 16 << 10 // bytes of an option, and of a parameter alias
	maxRead  = 64 << 10 // bytes of all aliases that a filter uses
	maxDepth = 64       // of a tree of expressions
	maxNodes = 1_000    // of a tree of expressions
	maxList  = 500      // literals in the list of in
	maxKeys  = 16       // of $orderby
	maxNames = 100      // of $select, and of one level of $expand
	maxTerms = 32       // of $search
	maxLevel = 3        // of $expand in $expand
)

// A clause is a query option as errors speak of it.
type clause struct {
	target string
	prefix string // of every message
}

// The beginnings of messages are those of Graph (semantics, section 2).
func filterClause() clause  { return clause{"$filter", "Invalid filter clause: "} }
func orderByClause() clause { return clause{"$orderby", "Invalid orderby clause: "} }
func searchClause() clause  { return clause{"$search", "Invalid search clause: "} }
func selectClause() clause  { return clause{"$select", "Parsing OData Select and Expand failed: "} }
func expandClause() clause  { return clause{"$expand", "Parsing OData Select and Expand failed: "} }

func (c clause) errorf(format string, args ...any) error {
	return todo.Errorf(todo.BadRequest, c.target, "%s%s.", c.prefix, fmt.Sprintf(format, args...))
}

// checkText refuses what is too long before anything reads it, and what is no
// text: neither database can compare with U+0000.
func (c clause) checkText(text string) error {
	switch {
	case len(text) > maxText:
		return c.errorf("The text is %d bytes long, and at most %d are allowed", len(text), maxText)
	case !utf8.ValidString(text):
		return c.errorf("The text is not UTF-8")
	case strings.IndexByte(text, 0) >= 0:
		return c.errorf("The character U+0000 is not allowed%s", where(text, strings.IndexByte(text, 0)))
	}
	return nil
}

// where says at which character of an option an error is; pos counts bytes.
func where(text string, pos int) string {
	pos = min(pos, len(text))
	return " at position " + strconv.Itoa(utf8.RuneCountInString(text[:pos])) + " in '" + shown(text) + "'"
}

// isSpace says whether c separates words in a query option.
func isSpace(c byte) bool { return c == ' ' || c == '\t' || c == '\n' || c == '\r' }

func trimSpace(s string) string { return strings.Trim(s, " \t\r\n") }
