package todo

import (
	"fmt"
	"strings"
	"time"
	"unicode/utf8"
)

// An Attachment is Graph's taskFileAttachment without its bytes, which the store
// hands out in pieces. Name and content type are data: never a path, and never
// believed.
type Attachment struct {
	ID, ListID, TaskID string
	Name               string // as sent, "../" and all
	ContentType        string // as sent; empty: none was
	Size               int64  // bytes; what it will be, while the file is not complete
	Modified           time.Time
	Complete           bool  // all of its bytes are there
	Content            int64 // which of the stored contents is the file's
}

// AttachmentType is Graph's attachmentType.
type AttachmentType uint8

// The kinds of attachments, in Graph's order. Tasks have files alone.
const (
	FileAttachment AttachmentType = iota
	ItemAttachment
	ReferenceAttachment
)

const attachmentTypeNames = "file item reference"

func (t AttachmentType) String() string { return nth(attachmentTypeNames, int(t)) }

// ParseAttachmentType reads a member name of attachmentType, in any case.
func ParseAttachmentType(s string) (AttachmentType, bool) {
	return parseEnum[AttachmentType](attachmentTypeNames, s)
}

// An AttachmentInfo is what a client says of a new attachment: the members of
// the body of a POST, or Graph's attachmentInfo.
type AttachmentInfo struct {
	At          string // what stands before the members in messages: "" or "attachmentInfo."
	Name        Opt[string]
	ContentType Opt[string]
	Size        Opt[int64]
}

// NewAttachment makes the attachment that p describes, not complete yet. held is
// how many the task has.
func NewAttachment(id string, t *Task, held int, p AttachmentInfo, now time.Time) (Attachment, error) {
	a := Attachment{ID: id, ListID: t.ListID, TaskID: t.ID, Name: p.Name.V, ContentType: p.ContentType.V, Size: p.Size.V, Modified: now, Content: 1}
	switch {
	case strings.TrimSpace(a.Name) == "":
		return a, required(p.At + "name")
	case utf8.RuneCountInString(a.Name) > MaxAttachmentName:
		return a, tooLong(p.At+"name", MaxAttachmentName)
	case utf8.RuneCountInString(a.ContentType) > MaxContentType:
		return a, tooLong(p.At+"contentType", MaxContentType)
	case !p.Size.Has():
		return a, Errorf(Invalid, p.At+"size", "The property '%ssize' is required.", p.At)
	case a.Size < 0:
		return a, Errorf(Invalid, p.At+"size", "The property '%ssize' must not be negative.", p.At)
	case a.Size > MaxAttachment:
		return a, Errorf(TooLarge, p.At+"size", "The attachment has %d bytes, more than the %d allowed.", a.Size, MaxAttachment)
	case held >= MaxAttachments:
		return a, Errorf(Invalid, "attachments", "The task has the %d attachments allowed, with those that are being uploaded.", MaxAttachments)
	}
	return a, nil
}

// UploadLifetime is how long an upload session lasts, whatever is sent meanwhile
// (semantics 15.4).
const UploadLifetime = 2 * time.Hour

// An UploadSession takes the bytes of a large attachment, slice by slice.
type UploadSession struct {
	ID       string // a secret: who knows it may upload
	File     Attachment
	Received int64 // bytes from the front that are there
	Expires  time.Time
}

// Expected are the ranges of bytes that s waits for: one, from its first to its
// last byte, or none.
func (s *UploadSession) Expected() []string {
	switch {
	case s.File.Complete:
		return nil
	case s.File.Size == 0:
		return []string{"0-"}
	}
	return []string{fmt.Sprintf("%d-%d", s.Received, s.File.Size-1)}
}

// A Slice is a range of the bytes of a file, as a client sends it.
type Slice struct {
	Start, End int64 // of its first byte, and of the byte after its last
}

// Take says whether s takes the slice now: it must begin where what is there
// ends. The error is of the kind InvalidSlice or InvalidStart; neither does the
// session any harm.
func (s *UploadSession) Take(p Slice) error {
	switch {
	case p.Start < 0 || p.End < p.Start || p.End > s.File.Size || p.Start == p.End && s.File.Size > 0:
		return Errorf(InvalidSlice, "Content-Range", "The range of %d bytes from %d on is not one of the %d bytes of the file.", p.End-p.Start, p.Start, s.File.Size)
	case s.File.Complete:
		return Errorf(InvalidStart, "Content-Range", "The file is complete; it takes no more bytes.")
	case p.Start != s.Received:
		return Errorf(InvalidStart, "Content-Range", "The range begins at byte %d; the next byte expected is %d.", p.Start, s.Received)
	}
	return nil
}

// IsLast says whether the slice is the end of a file that is complete: its
// answer was lost, and it is sent again.
func (s *UploadSession) IsLast(p Slice) bool {
	return s.File.Complete && p.Start >= 0 && p.Start <= p.End && p.End == s.Received
}
