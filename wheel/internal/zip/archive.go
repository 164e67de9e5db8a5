// Package zip reads the archive of a wheel from its central directory and
// holds it against the local headers, so that a reader which streams the file
// and one which seeks in it can only see the same members.
//
// The standard library reads the central directory alone; what an installer
// sees must not depend on which of the two it believes.
package zip

import (
	"fmt"
	"io"
	"io/fs"
)

// Limits of what is read. Real wheels stay far below them; they bound the
// memory that a hostile archive can ask for.
const (
	MaxMembers   = 250_000
	maxDirectory = 48 << 20
)

// Methods of compression that members may use.
const (
	Stored  = 0
	Deflate = 8
	Zstd    = 93
)

// Report takes one fault: a code in lower-case-with-dashes, the member ("" for
// the archive) and what is wrong.
type Report func(code, path, message string)

// Archive is an open zip file. It holds names and numbers only, never content.
type Archive struct {
	Members []Member // in the order of the central directory
	// Trailing is the number of bytes behind the end of the archive.
	Trailing int
	r        io.ReaderAt
	size     int64
}

// Member is one entry of the central directory.
type Member struct {
	Name       string
	Size       int64 // inflated
	Compressed int64
	CRC32      uint32
	Method     uint16
	flags      uint16
	mode       uint16 // of Unix: type and permissions
	header     int64  // offset of the local header
	content    int64  // offset of the content
	unreadable bool
}

// Readable says whether there is content to read: no fault was reported that
// leaves its place or its method open.
func (m *Member) Readable() bool { return !m.unreadable }

// IsDir says whether the member is a directory: its name ends in a slash.
func (m *Member) IsDir() bool { return m.Name != "" && m.Name[len(m.Name)-1] == '/' }

// Executable says whether any x bit is set: the only mode that installers keep.
func (m *Member) Executable() bool { return m.mode&0o111 != 0 }

// Type is the file type that the Unix mode names; 0 for a plain file or where
// there is none.
func (m *Member) Type() fs.FileMode {
	switch m.mode & 0o170000 {
	case 0, 0o100000:
		return 0
	case 0o040000:
		return fs.ModeDir
	case 0o120000:
		return fs.ModeSymlink
	default:
		return fs.ModeIrregular
	}
}

// Raw reads the member's bytes as the archive holds them.
func (a *Archive) Raw(m *Member) *io.SectionReader {
	return io.NewSectionReader(a.r, m.content, m.Compressed)
}

// Read reads the directory of the archive in r and the local header of every
// member. It reports all faults; the Archive it returns holds the members that
// could be read, and its error is set only where there is no zip file at all.
// The caller keeps r open as long as members are read.
func Read(r io.ReaderAt, size int64, report Report) (*Archive, error) {
	end, err := findEnd(r, size, report)
	if err != nil {
		return nil, err
	}
	a := &Archive{r: r, size: size, Trailing: end.trailing}
	if err := a.readDirectory(end, report); err != nil {
		return nil, err
	}
	a.checkLocals(end.offset, report)
	return a, nil
}

// readAt reads exactly len(b) bytes and says where the file was too short.
func (a *Archive) readAt(b []byte, offset int64) error {
	if offset < 0 || offset > a.size-int64(len(b)) {
		return fmt.Errorf("%d bytes at offset %d are outside the file of %d bytes", len(b), offset, a.size)
	}
	_, err := a.r.ReadAt(b, offset)
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}

// window reads small pieces of the archive that mostly follow one another: the
// headers of small members come many at once.
type window struct {
	a     *Archive
	buf   []byte
	start int64
	n     int
}

// at returns n bytes at offset, which stay valid until the next call.
func (w *window) at(offset int64, n int) ([]byte, error) {
	if in := offset - w.start; in < 0 || in > int64(w.n-n) {
		w.n = 0
		size := max(n, int(min(int64(len(w.buf)), w.a.size-offset)))
		if size > len(w.buf) {
			w.buf = make([]byte, size)
		}
		if err := w.a.readAt(w.buf[:size], offset); err != nil {
			return nil, err
		}
		w.start, w.n = offset, size
	}
	return w.buf[offset-w.start:][:n], nil
}
