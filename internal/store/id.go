package store

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	weak "math/rand/v2"
)

// idEncoding is base64url with its letters in the order of their codes, so that
// ids sort as text in the order of the bytes that they stand for.
var idEncoding = base64.NewEncoding("-0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz")

// idLength is the length of the id of a list or a task: 17 bytes as base64,
// which like Graph's ids ends in "=".
const idLength = 24

// NewID makes the id of a list, a task or an attachment: the microsecond of the transaction
// in seven bytes, two of a counter, then eight random ones. Ids sort by their
// time of creation, those of one microsecond in the order in which they are made.
func (tx *Tx) NewID() string {
	var b [17]byte
	binary.BigEndian.PutUint64(b[:8], uint64(tx.now.UnixMicro())<<8)
	binary.BigEndian.PutUint16(b[7:9], uint16(tx.db.ids.Add(1)))
	rand.Read(b[9:])
	return idEncoding.EncodeToString(b[:])
}

// NewGUID makes the id of a step or a linked resource: a UUID of version 7, of
// the time of the transaction to the quarter of a microsecond, so that they too
// sort by their time of creation.
func (tx *Tx) NewGUID() string {
	var b [16]byte
	rand.Read(b[:])
	ms, within := uint64(tx.now.UnixMilli()), uint64(tx.now.UnixMicro()%1000)<<2
	binary.BigEndian.PutUint64(b[:8], ms<<16|7<<12|within)
	binary.BigEndian.PutUint16(b[8:10], uint16(tx.db.ids.Add(1))&0x3fff|0x8000)
	return formatGUID(b)
}

// NewGUID makes a random UUID in lower case, for what has no order.
func NewGUID() string {
	var b [16]byte
	rand.Read(b[:])
	return randomGUID(b)
}

// randomGUID makes the UUID of random bytes (version 4).
func randomGUID(b [16]byte) string {
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return formatGUID(b)
}

// NewTag makes a random UUID in lower case that names a request in logs: it is unlike
// others, and no secret, and costs a fraction of one of NewGUID.
func NewTag() string {
	var b [16]byte
	binary.NativeEndian.PutUint64(b[:8], weak.Uint64())
	binary.NativeEndian.PutUint64(b[8:], weak.Uint64())
	return randomGUID(b)
}

// NamedGUID makes the UUID of a name, which is always the same (version 8).
func NamedGUID(name string) string {
	sum := sha256.Sum256([]byte(name))
	b := [16]byte(sum[:16])
	b[6], b[8] = b[6]&0x0f|0x80, b[8]&0x3f|0x80
	return formatGUID(b)
}

func formatGUID(b [16]byte) string {
	var text [36]byte
	hex.Encode(text[:8], b[:4])
	hex.Encode(text[9:13], b[4:6])
	hex.Encode(text[14:18], b[6:8])
	hex.Encode(text[19:23], b[8:10])
	hex.Encode(text[24:], b[10:])
	text[8], text[13], text[18], text[23] = '-', '-', '-', '-'
	return string(text[:])
}

// ValidID says whether s has the form of the ids that NewID makes.
func ValidID(s string) bool {
	if len(s) != idLength || s[idLength-1] != '=' {
		return false
	}
	for i := range idLength - 1 {
		if !isIDLetter(s[i]) {
			return false
		}
	}
	return true
}

func isIDLetter(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '-' || c == '_'
}

// ValidGUID says whether s is a UUID, in any case.
func ValidGUID(s string) bool {
	if len(s) != 36 {
		return false
	}
	for i := range 36 {
		c := s[i]
		if i == 8 || i == 13 || i == 18 || i == 23 {
			if c != '-' {
				return false
			}
		} else if !(c >= '0' && c <= '9' || c >= 'a' && c <= 'f' || c >= 'A' && c <= 'F') {
			return false
		}
	}
	return true
}
