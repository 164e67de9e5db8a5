package deb

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
)

const (
	archiveMagic = "!<arch>\n"
	headerSize   = 60
)

// archive reads an ar archive, one member after another; Read gives the bytes
// of the member at hand.
type archive struct {
	r    *bufio.Reader
	left int64 // of the member at hand
	odd  bool  // a byte of padding follows it
}

func newArchive(r io.Reader) (*archive, error) {
	a := &archive{r: bufio.NewReaderSize(r, 64<<10)}
	magic := make([]byte, len(archiveMagic))
	if _, err := io.ReadFull(a.r, magic); err != nil {
		return nil, err
	}
	if string(magic) != archiveMagic {
		return nil, errors.New("it is not an ar archive")
	}
	return a, nil
}

// next goes to the next member and returns its name; io.EOF when there is none.
func (a *archive) next() (string, error) {
	if _, err := io.Copy(io.Discard, a); err != nil {
		return "", err
	}
	if a.odd {
		if _, err := a.r.ReadByte(); err != nil {
			return "", io.ErrUnexpectedEOF
		}
	}
	header := make([]byte, headerSize)
	if _, err := io.ReadFull(a.r, header); err != nil {
		return "", err // io.EOF only before the first byte
	}
	name, size := strings.TrimRight(string(header[:16]), " "), strings.TrimRight(string(header[48:58]), " ")
	n, err := strconv.ParseUint(size, 10, 62)
	if err != nil || string(header[58:]) != "`\n" {
		return "", fmt.Errorf("the header of member %q is damaged", name)
	}
	a.left, a.odd = int64(n), n%2 == 1
	return strings.TrimSuffix(name, "/"), nil
}

func (a *archive) Read(p []byte) (int, error) {
	if a.left == 0 {
		return 0, io.EOF
	}
	n, err := a.r.Read(p[:min(int64(len(p)), a.left)])
	a.left -= int64(n)
	if errors.Is(err, io.EOF) && a.left > 0 {
		err = io.ErrUnexpectedEOF
	}
	return n, err
}
