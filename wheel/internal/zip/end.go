package zip

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// ErrNotZip is returned by Read for a file without an end of central directory.
var ErrNotZip = errors.New("no zip directory at the end of the file; it is not a wheel, or it is truncated")

const (
	endLen       = 22
	end64Len     = 56
	locator64Len = 20
	maxComment   = 1<<16 - 1

	localSignature      = "PK\x03\x04"
	entrySignature      = "PK\x01\x02"
	endSignature        = "PK\x05\x06"
	end64Signature      = "PK\x06\x06"
	locator64Signature  = "PK\x06\x07"
	descriptorSignature = "PK\x07\x08"
)

// end is what the end of central directory records say.
type end struct {
	entries uint64
	offset  int64 // of the central directory
	length  int64
	start   int64 // where the first of the end records stands

	trailing int // bytes behind the last of them
}

var le = binary.LittleEndian

// findEnd finds the last end of central directory record. Bytes may follow it,
// as padded downloads have them; the records of another archive among them are a
// fault, since another reader may find those.
func findEnd(r io.ReaderAt, size int64, report Report) (end, error) {
	tail := make([]byte, min(size, endLen+2*maxComment))
	if _, err := r.ReadAt(tail, size-int64(len(tail))); err != nil && err != io.EOF {
		return end{}, fmt.Errorf("reading the end of the archive: %w", err)
	}
	for at := len(tail); at >= 0; {
		at = bytes.LastIndex(tail[:at], []byte(endSignature))
		if at < 0 {
			break
		}
		if len(tail)-at < endLen {
			continue
		}
		b := tail[at:]
		comment := int(le.Uint16(b[20:]))
		if endLen+comment > len(b) {
			continue
		}
		checkTail(b[endLen:endLen+comment], b[endLen+comment:], report)
		e, err := parseEnd(r, b[:endLen], size-int64(len(tail))+int64(at), report)
		e.trailing = len(b) - endLen - comment
		return e, err
	}
	return end{}, ErrNotZip
}

func checkTail(comment, rest []byte, report Report) {
	for _, signature := range []string{localSignature, entrySignature, endSignature, end64Signature, locator64Signature} {
		if i := bytes.Index(rest, []byte(signature)); i >= 0 {
			report("hidden-archive", "", fmt.Sprintf("a record of a second archive is %d bytes after the end of the first", i))
			break
		}
	}
	// Bytes 1 to 8 are those of zip signatures: an archive inside the comment.
	if i := bytes.IndexFunc(comment, func(c rune) bool { return c >= 1 && c <= 8 }); i >= 0 {
		report("archive-comment", "", "the archive's comment has control bytes, as a second archive inside it would")
	}
}

func parseEnd(r io.ReaderAt, b []byte, at int64, report Report) (end, error) {
	e := end{
		entries: uint64(le.Uint16(b[10:])),
		length:  int64(le.Uint32(b[12:])),
		offset:  int64(le.Uint32(b[16:])),
		start:   at,
	}
	if le.Uint16(b[4:]) != 0 && le.Uint16(b[4:]) != 0xffff || le.Uint16(b[8:]) != le.Uint16(b[10:]) {
		report("multi-disk", "", "the archive says that it spans several disks")
	}
	needs64 := le.Uint16(b[10:]) == 0xffff || le.Uint32(b[12:]) == 0xffffffff || le.Uint32(b[16:]) == 0xffffffff
	loc := make([]byte, locator64Len)
	if at < locator64Len {
		return e.check(report)
	}
	if _, err := r.ReadAt(loc, at-locator64Len); err != nil {
		return end{}, fmt.Errorf("reading the zip64 locator: %w", err)
	}
	if string(loc[:4]) != locator64Signature {
		if needs64 && e.entries != 0xffff {
			return end{}, errors.New("the end of the archive points to a zip64 record that is not there")
		}
		return e.check(report)
	}
	return parseEnd64(r, loc, e, report)
}

// parseEnd64 reads the zip64 record before the locator. Its values must agree
// with those of the short record wherever that has room for them.
func parseEnd64(r io.ReaderAt, loc []byte, short end, report Report) (end, error) {
	at := short.start - locator64Len - end64Len
	if at < 0 || le.Uint64(loc[8:]) != uint64(at) || le.Uint32(loc[16:]) > 1 || le.Uint32(loc[4:]) != 0 {
		return end{}, errors.New("the zip64 locator does not point to the record before it")
	}
	b := make([]byte, end64Len)
	if _, err := r.ReadAt(b, at); err != nil {
		return end{}, fmt.Errorf("reading the zip64 end record: %w", err)
	}
	if string(b[:4]) != end64Signature {
		return end{}, errors.New("no zip64 end record where the locator points")
	}
	if le.Uint64(b[4:]) != end64Len-12 {
		return end{}, errors.New("the zip64 end record has extensible data, which no wheel needs")
	}
	e := end{entries: le.Uint64(b[32:]), length: int64(le.Uint64(b[40:])), offset: int64(le.Uint64(b[48:])), start: at}
	if le.Uint64(b[24:]) != e.entries || le.Uint32(b[16:]) != 0 || le.Uint32(b[20:]) != 0 {
		report("multi-disk", "", "the archive says that it spans several disks")
	}
	if short.entries != 0xffff && short.entries != e.entries ||
		short.length != 0xffffffff && short.length != e.length ||
		short.offset != 0xffffffff && short.offset != e.offset {
		report("zip64", "", "the zip64 end record and the short one disagree")
	}
	return e.check(report)
}

// check refuses a directory that cannot be read, and says where bytes stand
// between it and the end records.
func (e end) check(report Report) (end, error) {
	if e.offset < 0 || e.length < 0 || e.offset > e.start || e.length > e.start-e.offset {
		return end{}, fmt.Errorf("the central directory (%d bytes at %d) does not fit before its end at %d; the file is truncated or damaged", e.length, e.offset, e.start)
	}
	if e.entries > MaxMembers || e.length > maxDirectory {
		return end{}, fmt.Errorf("%d members in a directory of %d bytes; at most %d are read", e.entries, e.length, MaxMembers)
	}
	if gap := e.start - e.offset - e.length; gap > 0 {
		report("hidden-bytes", "", fmt.Sprintf("%d bytes are between the central directory and its end", gap))
	}
	return e, nil
}
