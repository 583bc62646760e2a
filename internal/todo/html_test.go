package todo

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
)

func TestHTMLToText(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, html, want string }{
		{"nothing", "", ""},
		{"plain", "Hello world", "Hello world"},
		{"page", "<!DOCTYPE html><html><head><title>T</title></head>\r\n<body>Hello</body></html>\r\n", "Hello"},
		{"line breaks", "a<br>b<br/>c<BR />d", "a\r\nb\r\nc\r\nd"},
		{"br at the end of a block", "<div>a<br></div><div>b</div>", "a\r\nb"},
		{"br in an empty block", "<div>a</div><div><br></div><div>b</div>", "a\r\n\r\nb"},
		{"stray closing br", "a</br>b", "a\r\nb"},
		{"divs", "<div>a</div><div>b<div>c</div></div>", "a\r\nb\r\nc"},
		{"paragraphs", "<p>a</p>\n<p>b</p>", "a\r\n\r\nb"},
		{"paragraphs left open", "<p>a<p>b", "a\r\n\r\nb"},
		{"one blank line at most", "a<br><br><br><br>b<p></p><p></p>c", "a\r\n\r\nb\r\n\r\nc"},
		{"blank lines around", "<br><p>&nbsp;</p><p>a</p><br><br> ", "a"},
		{"empty paragraph of Outlook", "<div>a</div><p class=MsoNormal><o:p>&nbsp;</o:p></p><div>b</div>", "a\r\n\r\nb"},
		{"heading", "<h1>Title</h1>text", "Title\r\n\r\ntext"},
		{"white space", "  a \n\t b<b> c </b> d  <br>  e", "a b c d\r\ne"},
		{"white space of Unicode stays", "a\u2003\u2003b", "a\u2003\u2003b"},
		{"no-break spaces", "a&nbsp;&nbsp; b\u00a0<br>&nbsp; c", "a   b\r\n  c"},
		{"pre", "x<pre>\n  a\tb\n\n    c  \n</pre>y", "x\r\n\r\n  a\tb\r\n\r\n    c\r\n\r\ny"},
		{"pre with CRLF", "<pre>a\r\nb\rc</pre>", "a\r\nb\r\nc"},
		{"pre with tags", "<pre><b>\na</b>  b</pre>", "a  b"},
		{"textarea", "<textarea>\n<b>a &amp; b</textarea>c", "<b>a & b\r\nc"},
		{"entities", "&lt;b&gt; &amp;amp; &quot;&#39;&#x263A;&euro; &bogus; &#55296;", "<b> &amp; \"'☺€ &bogus; \ufffd"},
		{"comments", "a<!-- <p>b</p> -->c<!--[if mso]>d<![endif]-->e<![if !mso]>f<![endif]>", "acef"},
		{"script and style", "a<script>if (1<2) '</p>'</script>b<style>p{}</style>c<STYLE/>d</style>e", "abce"},
		{"noscript and frames", "a<noscript>b<p></noscript>c<iframe><p>d</iframe>e", "ace"},
		{"head", "<head>x<meta charset=utf-8><title>T</title>y<link rel=a><style>p{}</style></head><body>a", "a"},
		{"head left open", "<head><title>T</title><o:x>y</o:x><p>a</p>b", "a\r\n\r\nb"},
		{"script left open", "a<script>b<p>c", "a"},
		{"control characters", "a\x00\x01&#1;\v\x7fb&#127;", "ab"},
		{"control characters within", "x\x00y&#8;z", "xyz"},
		{"invalid UTF-8", "a\xffb<a href='http://x/\xff'>l</a>", "a\ufffdbl<http://x/\ufffd>"},
		{"unfinished tag", "a<b", "a"},
		{"no tag", "1 < 2 > 0 & 3", "1 < 2 > 0 & 3"},
		{"rule", "a<hr>b", "a\r\n________________________________\r\nb"},
		{"image", "a <img src=x alt='a \n cat'> <img src=y alt=''> b", "a [a cat] b"},

		{"bullets", "x<ul><li>a</li><li>b<br>c</li></ul>y", "x\r\n\r\n  *   a\r\n  *   b\r\nc\r\n\r\ny"},
		{"numbers", "<ol><li>a<li>b</ol><ol start=9><li>c<li><li>d</ol>", "  1.  a\r\n  2.  b\r\n\r\n  9.  c\r\n  11.  d"},
		{"nested lists", "<ul><li>a<ol><li>b</li></ol></li><li>c</li></ul>", "  *   a\r\n      1.  b\r\n  *   c"},
		{"item with a paragraph", "<ul><li><p>a</p></li><li><br>b</li></ul>", "  *   a\r\n\r\n  *   b"},
		{"item without a list", "<li>a</li></ul></ol><li>b", "  *   a\r\n\r\n  *   b"},
		{"empty items", "<ul><li></li><li> </li></ul>a", "a"},
		{"start out of range", "<ol start=99999999999><li>a</ol><ol start=-2147483648><li>b</ol>", "  1.  a\r\n\r\n  1.  b"},
		{"table", "<table><tr><th>a</th><th>b</th></tr><tr><td>1</td> <td></td> <td>2</td></tr></table>c", "a\tb\r\n1\t2\r\nc"},

		{"link", "<a href='https://x.example/?a=1&amp;b=2'>text</a>.", "text<https://x.example/?a=1&b=2>."},
		{"link with space around", "a <a href=https://x>text </a> b", "a text<https://x> b"},
		{"link to its own text", "<a href='https://x.example/'>https://x.example</a>", "https://x.example"},
		{"link to another text", "<a href='https://x.example/'>http://x.example</a>", "http://x.example<https://x.example/>"},
		{"mail", "<a href='mailto:a@x.example'>a@x.example</a> <a href='MAILTO:b@x'>Bea</a>", "a@x.example Bea<mailto:b@x>"},
		{"telephone", "<a href='tel:+123'>+123</a> <a href='tel:4'>Four</a>", "+123 Four<tel:4>"},
		{"other schemes", "<a href='javascript:alert(1)'>a</a><a href='file:///x'>b</a><a href='/x'>c</a><a href='#x'>d</a><a name=e>e</a>", "abcde"},
		{"scheme in disguise", "<a href=' java\nscript:alert(1)'>a</a><a href='http'>b</a><a href='http:'>c</a>", "abc"},
		{"link to be tamed", "<a href=' HTTP://x/a b\r\n<c>\x01 '>t</a>", "t<http://x/a%20b%3Cc%3E>"},
		{"link of an image", "<a href=http://x><img src=y></a> <a href=http://z><img alt=i></a>", "<http://x> [i]<http://z>"},
		{"link around blocks", "<a href=http://x><div>a</div></a><div>b</div>", "a<http://x>\r\nb"},
		{"links left open", "<a href=http://x>a<a href=http://y>b", "a<http://x>b<http://y>"},
		{"link too long", "<a href=http://" + strings.Repeat("x", MaxURL) + ">a</a>", "a"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(test.want, HTMLToText(test.html)); diff != "" {
				t.Errorf("HTMLToText(%q) (-want +got):\n%s", test.html, diff)
			}
		})
	}
}

func TestTextToHTML(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, text, want string }{
		{"nothing", "", ""},
		{"plain", "Hello, world", "Hello, world"},
		{"markup", `<b>"R&D's"</b>`, `&lt;b&gt;"R&amp;D's"&lt;/b&gt;`},
		{"line breaks", "a\r\nb\nc\rd\r\n\r\n", "a<br>b<br>c<br>d<br><br>"},
		{"spaces", " a b  c \r\n d ", "&nbsp;a b&nbsp;&nbsp;c&nbsp;<br>&nbsp;d&nbsp;"},
		{"tab", "a\tb", "a&nbsp;&nbsp;&nbsp;&nbsp;b"},
		{"control characters", "a\x00b\fc\x7f", "abc"},
		{"beyond ASCII", "ä日😀\u00a0", "ä日😀\u00a0"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			want := "<html><body>" + test.want + "</body></html>"
			if diff := cmp.Diff(want, TextToHTML(test.text)); diff != "" {
				t.Errorf("TextToHTML(%q) (-want +got):\n%s", test.text, diff)
			}
		})
	}
}

// flatText is what TextToHTML and HTMLToText promise to keep of a text.
func flatText(s string) string {
	s = strings.ToValidUTF8(s, "\ufffd")
	s = strings.NewReplacer("\r\n", "\n", "\r", "\n", "\t", "    ", "\u00a0", " ").Replace(s)
	s = strings.Map(func(r rune) rune {
		if r < ' ' && r != '\n' || r == 0x7f {
			return -1
		}
		return r
	}, s)
	var lines []string
	for line := range strings.SplitSeq(s, "\n") {
		line = strings.TrimRight(line, " ")
		if line != "" || len(lines) > 0 && lines[len(lines)-1] != "" {
			lines = append(lines, line)
		}
	}
	return strings.TrimRight(strings.Join(lines, "\r\n"), "\r\n")
}

func FuzzTextToHTML(f *testing.F) {
	for _, seed := range []string{
		"", "Hello world\r\n", " a  b\tc \r\n\r\n\r\n\u00a0d", "<p>&nbsp;&amp;</p>", "\xff\x00\v\f",
		"a \x01 b\x01", "\r\r\n\n", " \u00a0 ", "&#32;a", "a\x7f\x01 \x01b",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if diff := cmp.Diff(flatText(s), HTMLToText(TextToHTML(s))); diff != "" {
			t.Errorf("%q as HTML and back (-want +got):\n%s", s, diff)
		}
	})
}

func FuzzHTMLToText(f *testing.F) {
	for _, seed := range []string{
		"<html><head><title>T</title></head><body><p>a</p></body></html>",
		"<ul><li>a<ol start=3><li><a href='https://x'>b</a></ol></ul>",
		"<pre>\n a\r\n</pre><!-- c --><![CDATA[x]]><a href=mailto:a@b>a@b",
		"<table><tr><td>1<td>2&nbsp;<br></table>&#0;&#x80;&notit;", "<a href='tel:1\xc2'>\xc2\xa0</a>",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, s string) {
		text := HTMLToText(s)
		if !utf8.ValidString(text) {
			t.Errorf("HTMLToText(%q) = %q, which is not UTF-8", s, text)
		}
		if strings.Contains(text, "\r\n\r\n\r\n") || strings.HasPrefix(text, "\r\n") || strings.HasSuffix(text, "\r\n") {
			t.Errorf("HTMLToText(%q) = %q, which has too many blank lines", s, text)
		}
		bare := strings.ReplaceAll(text, "\r\n", "")
		if strings.ContainsFunc(bare, func(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f }) {
			t.Errorf("HTMLToText(%q) = %q, which has control characters", s, text)
		}
		// Each tag of four bytes may become a marker or a rule, no more.
		if limit := 16*len(s) + 64; len(text) > limit {
			t.Errorf("HTMLToText of %d bytes has %d, more than %d", len(s), len(text), limit)
		}
	})
}

// The hostile documents are such as make a careless reader quadratic.
func BenchmarkHTMLToText(b *testing.B) {
	const size = 1 << 20
	fill := func(s string) string { return strings.Repeat(s, size/len(s)) }
	var attributes strings.Builder
	attributes.WriteString("<a")
	for i := 0; attributes.Len() < size/2; i++ {
		attributes.WriteString(" a" + strings.Repeat("b", i%7) + string(rune('a'+i%26)) + string(rune('a'+i/26%26)) + string(rune('a'+i/676%26)))
	}
	attributes.WriteString(">" + fill("<b c>")[:size/2])
	documents := []struct{ name, html string }{
		{"Note", "<html><head><meta charset=utf-8></head><body><div>Call <b>Ann</b> about the <a href='https://x.example/offer'>offer</a>" +
			"<br>before noon&nbsp;</div><ul><li>price</li><li>date</li></ul></body></html>"},
		{"1MiB/Mail", fill("<p class=MsoNormal>Some words of a mail, <b>bold</b> too.<o:p>&nbsp;</o:p></p>\r\n")},
		{"1MiB/Text", fill("word ")},
		{"1MiB/Tags", fill("<b>")},
		{"1MiB/Open", fill("<")},
		{"1MiB/Entities", fill("&a")},
		{"1MiB/OneEntity", "&" + fill("a")},
		{"1MiB/Comments", fill("<!--")},
		{"1MiB/Lists", fill("<ul><li>x")},
		{"1MiB/Rules", fill("<hr>")},
		{"1MiB/Links", fill("<a href=http://x>")},
		{"1MiB/Scripts", fill("<script></script")},
		{"1MiB/ScriptComment", "<script><!--" + fill("<script")},
		{"1MiB/Pre", "<pre>" + fill(" \n")},
		{"1MiB/Spaces", fill("&nbsp;")},
		{"1MiB/Attributes", attributes.String()},
	}
	for _, d := range documents {
		b.Run(d.name, func(b *testing.B) {
			b.SetBytes(int64(len(d.html)))
			b.ReportAllocs()
			for b.Loop() {
				HTMLToText(d.html)
			}
		})
	}
}

func BenchmarkTextToHTML(b *testing.B) {
	text := strings.Repeat("Call Ann about the <offer> & the rest\r\n", 10)
	b.SetBytes(int64(len(text)))
	b.ReportAllocs()
	for b.Loop() {
		TextToHTML(text)
	}
}
