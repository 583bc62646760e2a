package todo

import (
	"bytes"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/net/html"
	"golang.org/x/net/html/atom"
)

// HTMLToText flattens HTML into the plain text that the service answers for a
// task's body: links become text<url>, lines end in \r\n (task_with_description
// of the tasks.org captures; microsoft-graph-docs issue 18531). What those do not
// show follows the plain text that Exchange makes of mail: "  *   " and "  1.  "
// before list items, 32 underscores for a rule, [alt] for an image, a tab between
// the cells of a table.
//
// White space is collapsed as a browser does it, outside of pre; a no-break space
// becomes a space that stays. At most one blank line stands in a row, none at the
// start, and the text has no line break at its end. Comments and the contents of
// head, title, script, style and other elements that a reader never sees are left
// out. A link's target is shown if it is http, https, mailto or tel, is at most
// MaxURL bytes, and is not the text of the link.
//
// Any string is accepted. Time and memory grow linearly with it; the answer is
// valid UTF-8 without control characters other than tab, \r and \n.
func HTMLToText(s string) string {
	f := flattener{z: html.NewTokenizer(strings.NewReader(strings.ToValidUTF8(s, "\ufffd")))}
	for {
		switch f.z.Next() {
		case html.ErrorToken: // the end; a strings.Reader has no other error
			f.closeLink()
			return string(f.out)
		case html.TextToken:
			f.text(f.z.Text())
		case html.StartTagToken, html.SelfClosingTagToken:
			name, _ := f.z.TagName()
			f.open(atom.Lookup(name))
		case html.EndTagToken:
			name, _ := f.z.TagName()
			f.close(atom.Lookup(name))
		}
	}
}

// maxListDepth bounds the indentation of nested lists, and by it the length of
// the text: deeper lists are shown like those of this depth.
const maxListDepth = 8

// A flattener holds what HTMLToText has written and what it owes: line breaks,
// a list marker and white space are written only before the next visible text.
type flattener struct {
	z      *html.Tokenizer
	out    []byte
	line   bool      // the current line has visible text
	breaks int       // line breaks owed, at most 2
	marker []byte    // list marker owed
	gap    []byte    // white space owed
	soft   bool      // gap ends in a space that swallows further white space
	hidden atom.Atom // the open element whose text nobody sees, or 0
	head   bool      // in the head of the page
	pre    int       // open pre elements
	preTop bool      // the next text comes right after <pre>

	lists  [maxListDepth]int // open lists: the last number, or bullets
	depth  int               // open lists, those beyond maxListDepth too
	link   string            // target of the open link, or ""
	linkAt int               // length of out before the link's text
}

const bullets = -1 << 31

// text adds the text of one token.
func (f *flattener) text(t []byte) {
	if f.head || f.hidden != 0 {
		return
	}
	if f.preTop {
		t = bytes.TrimPrefix(t, []byte("\n"))
		f.preTop = false
	}
	for i := 0; i < len(t); {
		switch c := t[i]; {
		case c == '\n' && f.pre > 0:
			f.lineBreak()
			i++
		case c == '\t' && f.pre > 0, c == ' ' && f.pre > 0:
			f.gap, f.soft = append(f.gap, c), false
			i++
		case c == ' ' || '\t' <= c && c <= '\r' && c != '\v':
			f.softSpace()
			i++
		case c < ' ' || c == 0x7f:
			i++
		case bytes.HasPrefix(t[i:], []byte("\u00a0")):
			f.gap, f.soft = append(f.gap, ' '), false
			i += len("\u00a0")
		default:
			end := i + 1
			for end < len(t) && t[end] > ' ' && t[end] != 0x7f && t[end] != "\u00a0"[0] {
				end++
			}
			f.write(t[i:end])
			i = end
		}
	}
}

func (f *flattener) softSpace() {
	if !f.soft && (f.line || len(f.gap) > 0) {
		f.gap, f.soft = append(f.gap, ' '), true
	}
}

// write adds visible text and, before it, what is owed.
func (f *flattener) write(t []byte) {
	if len(f.out) > 0 {
		for range f.breaks {
			f.out = append(f.out, "\r\n"...)
		}
	}
	f.out = append(f.out, f.marker...)
	f.out = append(f.out, f.gap...)
	f.out = append(f.out, t...)
	f.line, f.breaks, f.soft = true, 0, false
	f.marker, f.gap = f.marker[:0], f.gap[:0]
}

// endLine starts a new line unless one has just been started. White space that
// does not collapse makes a line of its own: <p>&nbsp;</p> is how Outlook writes
// an empty one.
func (f *flattener) endLine() {
	if f.line || len(f.gap) > 0 {
		f.lineBreak()
	}
}

// lineBreak ends the current line, be it empty. A list item that starts with it
// stays on its marker's line.
func (f *flattener) lineBreak() {
	if len(f.marker) == 0 {
		f.breaks = min(f.breaks+1, 2)
	}
	f.line, f.soft, f.gap = false, false, f.gap[:0]
}

// paragraph ends the current line and leaves a blank one.
func (f *flattener) paragraph() {
	f.endLine()
	if len(f.marker) == 0 {
		f.breaks = 2
	}
}

func (f *flattener) open(tag atom.Atom) {
	f.preTop = false
	f.head = tag == atom.Head || f.head && inHead(tag) // whether it was closed or not
	if isHidden(tag) {
		f.hidden = tag
	}
	switch {
	case isParagraph(tag):
		f.paragraph()
	case isBlock(tag):
		f.endLine()
	}
	switch tag {
	case atom.Br:
		f.lineBreak()
	case atom.Hr:
		f.endLine()
		f.write([]byte("________________________________"))
		f.endLine()
	case atom.Pre, atom.Listing, atom.Xmp, atom.Textarea, atom.Plaintext:
		f.pre++
		f.preTop = true
	case atom.Ul, atom.Ol, atom.Menu, atom.Dir:
		f.openList(tag == atom.Ol)
	case atom.Li:
		f.openItem()
	case atom.Td, atom.Th:
		if f.line {
			f.gap, f.soft = append(f.gap[:0], '\t'), true
		}
	case atom.Img:
		if alt := strings.Join(strings.Fields(f.attribute("alt")), " "); alt != "" {
			f.text([]byte("[" + alt + "]"))
		}
	case atom.A:
		f.closeLink()
		if f.link = shownURL(f.attribute("href")); f.link != "" {
			f.linkAt = len(f.out)
		}
	}
}

func (f *flattener) close(tag atom.Atom) {
	switch tag {
	case f.hidden:
		f.hidden = 0
	case atom.Head:
		f.head = false
	case atom.A:
		f.closeLink()
	case atom.Br: // browsers take </br> for <br>
		f.lineBreak()
	case atom.Pre, atom.Listing, atom.Xmp, atom.Textarea:
		f.pre = max(f.pre-1, 0)
	case atom.Li:
		f.endLine()
		f.marker = f.marker[:0]
	case atom.Ul, atom.Ol, atom.Menu, atom.Dir:
		f.marker = f.marker[:0]
		if f.depth = max(f.depth-1, 0); f.depth == 0 {
			f.paragraph()
		} else {
			f.endLine()
		}
	}
	switch {
	case isParagraph(tag):
		f.paragraph()
	case isBlock(tag):
		f.endLine()
	}
}

func (f *flattener) openList(numbered bool) {
	if f.depth == 0 {
		f.paragraph()
	} else {
		f.endLine()
	}
	f.depth++
	last := bullets
	if numbered {
		last = 0
		if n, err := strconv.ParseInt(f.attribute("start"), 10, 32); err == nil && n > bullets+1 {
			last = int(n) - 1
		}
	}
	f.lists[min(f.depth, maxListDepth)-1] = last
}

func (f *flattener) openItem() {
	f.marker = f.marker[:0]
	f.endLine()
	level := max(min(f.depth, maxListDepth), 1)
	for range level - 1 {
		f.marker = append(f.marker, "    "...)
	}
	last := &f.lists[level-1]
	if f.depth == 0 || *last == bullets {
		f.marker = append(f.marker, "  *   "...)
		return
	}
	*last++
	f.marker = append(f.marker, "  "...)
	f.marker = strconv.AppendInt(f.marker, int64(*last), 10)
	f.marker = append(f.marker, ".  "...)
}

// closeLink writes the target of the open link right behind its text, before any
// white space or line break that is owed.
func (f *flattener) closeLink() {
	url := f.link
	if f.link = ""; url == "" {
		return
	}
	if text := bytes.TrimSpace(f.out[f.linkAt:]); len(text) == 0 {
		f.write([]byte("<" + url + ">"))
	} else if !sameLink(string(text), url) {
		f.out = append(f.out, "<"+url+">"...)
	}
}

// sameLink says whether a link's text already tells its target.
func sameLink(text, url string) bool {
	if scheme, rest, _ := strings.Cut(url, ":"); !strings.HasPrefix(scheme, "http") && text == rest {
		return true
	}
	return strings.TrimSuffix(text, "/") == strings.TrimSuffix(url, "/")
}

// shownURL returns a link's target in the form in which it can stand between
// angle brackets, with its scheme in lower case, or "" if it is not to be shown.
func shownURL(href string) string {
	href = strings.Trim(href, " \t\r\n\f")
	scheme, rest, ok := strings.Cut(href, ":")
	scheme = strings.ToLower(scheme)
	if !ok || len(href) > MaxURL || !slices.Contains([]string{"http", "https", "mailto", "tel"}, scheme) {
		return ""
	}
	b := []byte(scheme + ":")
	for i := range len(rest) {
		switch c := rest[i]; {
		case c == ' ' || c == '<' || c == '>':
			b = append(b, '%', "0123456789ABCDEF"[c>>4], "0123456789ABCDEF"[c&15])
		case c > ' ' && c != 0x7f: // browsers leave line breaks and tabs out
			b = append(b, c)
		}
	}
	if len(b) == len(scheme)+len(":") {
		return ""
	}
	return string(b)
}

// attribute returns the value of an attribute of the current tag, or "". Only
// one attribute of a tag can be asked for.
func (f *flattener) attribute(name string) string {
	for {
		key, value, more := f.z.TagAttr()
		if string(key) == name {
			return string(value)
		}
		if !more {
			return ""
		}
	}
}

// isHidden says whether a reader of the page never sees what is in the element.
// All but head hold text only, as far as the tokenizer is concerned.
func isHidden(tag atom.Atom) bool {
	switch tag {
	case atom.Head, atom.Title, atom.Script, atom.Style, atom.Iframe, atom.Noembed, atom.Noframes, atom.Noscript:
		return true
	}
	return false
}

// inHead says whether the element leaves an open head open.
func inHead(tag atom.Atom) bool {
	switch tag {
	case atom.Base, atom.Link, atom.Meta, atom.Template:
		return true
	}
	// Custom elements, such as Word's settings, have no atom.
	return tag == 0 || isHidden(tag)
}

// isParagraph says whether blank lines set the element off.
func isParagraph(tag atom.Atom) bool {
	switch tag {
	case atom.P, atom.H1, atom.H2, atom.H3, atom.H4, atom.H5, atom.H6,
		atom.Blockquote, atom.Dl, atom.Figure, atom.Listing, atom.Plaintext, atom.Pre, atom.Xmp:
		return true
	}
	return false
}

// isBlock says whether the element stands on lines of its own.
func isBlock(tag atom.Atom) bool {
	switch tag {
	case atom.Address, atom.Article, atom.Aside, atom.Body, atom.Caption, atom.Center, atom.Dd,
		atom.Details, atom.Dialog, atom.Div, atom.Dt, atom.Fieldset, atom.Figcaption, atom.Footer,
		atom.Form, atom.Header, atom.Hgroup, atom.Html, atom.Legend, atom.Main, atom.Nav, atom.Option,
		atom.Section, atom.Summary, atom.Table, atom.Tbody, atom.Textarea, atom.Tfoot, atom.Thead, atom.Tr:
		return true
	}
	return false
}
