package git

import (
	"bytes"
	"io"
)

// pointerHead begins the file that stands in a tree for a large one that Git
// LFS keeps elsewhere. See the LFS specification, "The Pointer".
const pointerHead = "version https://git-lfs.github.com/spec/v1\n"

// maxPointer is the size from which on a file is no pointer.
const maxPointer = 1024

func isPointer(content []byte) bool {
	return len(content) < maxPointer && bytes.HasPrefix(content, []byte(pointerHead))
}

// pointerLook hands on what is written and looks whether it is a pointer, which
// comes in one piece.
type pointerLook struct {
	w       io.Writer
	pointer bool
	more    bool
}

func (p *pointerLook) Write(b []byte) (int, error) {
	p.pointer = !p.more && isPointer(b)
	p.more = true
	return p.w.Write(b)
}
