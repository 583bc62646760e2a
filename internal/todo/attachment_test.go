package todo

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestNewAttachment(t *testing.T) {
	t.Parallel()
	file := func(change func(*AttachmentInfo)) AttachmentInfo {
		p := AttachmentInfo{At: "attachmentInfo.", Name: Some("a"), ContentType: Some("text/plain"), Size: Some(int64(1))}
		change(&p)
		return p
	}
	for _, c := range []struct {
		name   string
		info   AttachmentInfo
		held   int
		kind   Kind // 0: taken
		target string
	}{
		{"plain", file(func(*AttachmentInfo) {}), 0, 0, ""},
		{"empty file", file(func(p *AttachmentInfo) { p.Size.V = 0 }), 0, 0, ""},
		{"largest file", file(func(p *AttachmentInfo) { p.Size.V = MaxAttachment }), 0, 0, ""},
		{"too large", file(func(p *AttachmentInfo) { p.Size.V = MaxAttachment + 1 }), 0, TooLarge, "attachmentInfo.size"},
		{"negative size", file(func(p *AttachmentInfo) { p.Size.V = -1 }), 0, Invalid, "attachmentInfo.size"},
		{"no size", file(func(p *AttachmentInfo) { p.Size = Opt[int64]{} }), 0, Invalid, "attachmentInfo.size"},
		{"null size", file(func(p *AttachmentInfo) { p.Size = Null[int64]() }), 0, Invalid, "attachmentInfo.size"},
		{"no name", file(func(p *AttachmentInfo) { p.Name = Opt[string]{} }), 0, Invalid, "attachmentInfo.name"},
		{"blank name", file(func(p *AttachmentInfo) { p.Name.V = "\t " }), 0, Invalid, "attachmentInfo.name"},
		{"a path for a name", file(func(p *AttachmentInfo) { p.Name.V = "../weird:name?.txt" }), 0, 0, ""},
		{"longest name", file(func(p *AttachmentInfo) { p.Name.V = strings.Repeat("ä", MaxAttachmentName) }), 0, 0, ""},
		{"name too long", file(func(p *AttachmentInfo) { p.Name.V = strings.Repeat("ä", MaxAttachmentName+1) }), 0, Invalid, "attachmentInfo.name"},
		{"no content type", file(func(p *AttachmentInfo) { p.ContentType = Null[string]() }), 0, 0, ""},
		{"content type too long", file(func(p *AttachmentInfo) { p.ContentType.V = strings.Repeat("x", MaxContentType+1) }), 0, Invalid, "attachmentInfo.contentType"},
		{"the last that a task takes", file(func(*AttachmentInfo) {}), MaxAttachments - 1, 0, ""},
		{"one too many", file(func(*AttachmentInfo) {}), MaxAttachments, Invalid, "attachments"},
	} {
		a, err := NewAttachment("id", &Task{ID: "t", ListID: "l"}, c.held, c.info, time.Unix(1, 0))
		e, _ := errors.AsType[*Error](err)
		switch {
		case c.kind == 0 && (err != nil || a.Name != c.info.Name.V || a.Size != c.info.Size.V || a.TaskID != "t" || a.ListID != "l" || a.Complete):
			t.Errorf("%s: %+v, %v", c.name, a, err)
		case c.kind != 0 && (e == nil || e.Kind != c.kind || e.Target != c.target):
			t.Errorf("%s: %v, want kind %d at %s", c.name, err, c.kind, c.target)
		}
	}
}

func TestUploadSession(t *testing.T) {
	t.Parallel()
	open := func(received, size int64) UploadSession {
		return UploadSession{File: Attachment{Size: size}, Received: received}
	}
	done := func(size int64) UploadSession {
		return UploadSession{File: Attachment{Size: size, Complete: true}, Received: size}
	}
	for _, c := range []struct {
		name     string
		session  UploadSession
		slice    Slice
		kind     Kind // 0: taken
		again    bool
		expected []string
	}{
		{"first", open(0, 10), Slice{0, 4}, 0, false, []string{"0-9"}},
		{"next", open(4, 10), Slice{4, 9}, 0, false, []string{"4-9"}},
		{"last", open(9, 10), Slice{9, 10}, 0, false, []string{"9-9"}},
		{"whole", open(0, 10), Slice{0, 10}, 0, false, []string{"0-9"}},
		{"behind", open(4, 10), Slice{3, 10}, InvalidStart, false, []string{"4-9"}},
		{"ahead", open(4, 10), Slice{5, 10}, InvalidStart, false, []string{"4-9"}},
		{"beyond the end", open(4, 10), Slice{4, 11}, InvalidSlice, false, []string{"4-9"}},
		{"of nothing", open(4, 10), Slice{4, 4}, InvalidSlice, false, []string{"4-9"}},
		{"backwards", open(4, 10), Slice{4, 3}, InvalidSlice, false, []string{"4-9"}},
		{"empty file", open(0, 0), Slice{0, 0}, 0, false, []string{"0-"}},
		{"last again", done(10), Slice{4, 10}, InvalidStart, true, nil},
		{"first again", done(10), Slice{0, 4}, InvalidStart, false, nil},
		{"whole again", done(10), Slice{0, 10}, InvalidStart, true, nil},
		{"empty again", done(0), Slice{0, 0}, InvalidStart, true, nil},
	} {
		err := c.session.Take(c.slice)
		e, _ := errors.AsType[*Error](err)
		if c.kind == 0 && err != nil || c.kind != 0 && (e == nil || e.Kind != c.kind) {
			t.Errorf("%s: %v, want kind %d", c.name, err, c.kind)
		}
		if c.session.IsLast(c.slice) != c.again {
			t.Errorf("%s: sent again is %v", c.name, !c.again)
		}
		if got := c.session.Expected(); !slices.Equal(got, c.expected) {
			t.Errorf("%s: %v is expected, want %v", c.name, got, c.expected)
		}
	}
}
