package todo

import "strings"

// TextToHTML writes plain text as a minimal HTML page, which is what a read with
// Prefer: outlook.body-content-type="html" answers for a body of text. Line
// breaks of any kind become <br>; spaces that HTML would drop become &nbsp;, and a
// tab four of them. Control characters, which HTML cannot hold, are left out.
// [HTMLToText] gives the same text back but for blank lines and white space at
// the ends of lines.
func TextToHTML(s string) string {
	s = strings.ToValidUTF8(s, "\ufffd")
	var b strings.Builder
	b.Grow(len("<html><body></body></html>") + len(s) + len(s)/8)
	b.WriteString("<html><body>")
	visible := false // the character before is one that a space can follow
	for i := 0; i < len(s); i++ {
		c := s[i]
		switch {
		case c == '\n' || c == '\r':
			if c == '\r' && strings.HasPrefix(s[i+1:], "\n") {
				i++
			}
			b.WriteString("<br>")
		case c == ' ' && visible && i+1 < len(s) && s[i+1] > ' ':
			b.WriteByte(' ')
		case c == ' ':
			b.WriteString("&nbsp;")
		case c == '\t':
			b.WriteString("&nbsp;&nbsp;&nbsp;&nbsp;")
		case c < ' ' || c == 0x7f:
			continue
		case c == '&':
			b.WriteString("&amp;")
		case c == '<':
			b.WriteString("&lt;")
		case c == '>':
			b.WriteString("&gt;")
		default:
			b.WriteByte(c)
		}
		visible = c > ' '
	}
	b.WriteString("</body></html>")
	return b.String()
}
