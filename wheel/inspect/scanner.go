package inspect

import (
	"bytes"
	"cmp"
	"debug/elf"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/sparkwheel/sparkwheel/wheel/inspect/cuda"
	"github.com/sparkwheel/sparkwheel/wheel/inspect/fatbin"
)

// Options say what is read beside a file's own facts.
type Options struct {
	// Kernels counts the entry points of all GPU code, which takes unpacking it.
	Kernels bool
	// Symbols reads the dynamic symbol table.
	Symbols bool
}

// Scanner is an io.Writer that inspects one file while it is copied elsewhere:
// a wheel's member on its way into a layer, say. Its Write never fails, so that
// it can stand in an io.MultiWriter. Memory is bounded, whatever the file claims:
// about 20 MB for the largest of real libraries.
//
// A file of an unusual layout has to come by once more: Write it whole, ask
// Again, and as long as that says so, Write it whole again. Then Files.
type Scanner struct {
	path   string
	opts   Options
	within bool // an archive: one in it is not opened
	pass   int
	size   int64
	head   []byte
	state  reader // nil: not known yet
	files  []*File
	err    error
}

// reader is what takes a file whose beginning said what it is.
type reader interface {
	io.Writer
	// finish is called when the file has come by, size its length. With again it
	// has to come by once more. Of a damaged file it says what it can.
	finish(size int64) (files []*File, again bool, err error)
}

// headSize is how much of a file says what it is: an ELF file's header.
const headSize = 64

// maxPasses is how often a file may have to come by: each time leads on to
// what the last one found the place of.
const maxPasses = 5

// NewScanner makes the Scanner for a file; path is what its Files and errors
// are called.
func NewScanner(path string, o Options) *Scanner {
	return &Scanner{path: path, opts: o}
}

// Write takes the next bytes of the file.
func (s *Scanner) Write(p []byte) (int, error) {
	n := len(p)
	s.size += int64(n)
	if s.state == nil {
		used := min(n, headSize-len(s.head))
		s.head = append(s.head, p[:used]...)
		if len(s.head) < headSize {
			return n, nil
		}
		s.begin()
		p = p[used:]
	}
	_, _ = s.state.Write(p) // never fails
	return n, nil
}

// begin chooses the reader by the file's first bytes, and gives it those.
func (s *Scanner) begin() {
	switch h := s.head; {
	case bytes.HasPrefix(h, []byte(elf.ELFMAG)) && isCubin(h):
		s.state = &cubinFile{path: s.path}
	case bytes.HasPrefix(h, []byte(elf.ELFMAG)):
		s.state = newELF(s.path, s.opts, h)
	case bytes.HasPrefix(h, []byte(arMagic)) && !s.within:
		s.state = newArchive(s.path, s.opts)
	case bytes.HasPrefix(h, []byte("\x50\xed\x55\xba\x01\x00\x10\x00")):
		s.state = &fatbinFile{path: s.path, scan: fatbin.Scanner{Kernels: s.opts.Kernels}}
	default:
		s.state = &nothing{}
	}
	_, _ = s.state.Write(s.head)
}

// Binary says whether the file is one that a Scanner reads. It is known when
// 64 bytes were written, and false before.
func (s *Scanner) Binary() bool {
	_, no := s.state.(*nothing)
	return s.state != nil && !no
}

// Again is called when the whole file was written, and says whether it has to
// be written once more from its first byte.
func (s *Scanner) Again() bool {
	if s.state == nil {
		s.begin()
	}
	s.pass++
	files, again, err := s.state.finish(s.size)
	s.size = 0
	if again && err == nil && s.pass == maxPasses {
		again, err = false, errors.New("what it needs is in too many places")
	}
	if err != nil {
		s.err = err
		if _, ok := errors.AsType[*FileError](err); !ok {
			s.err = &FileError{s.path, err}
		}
	}
	s.files = files
	return again && err == nil
}

// Files are the binaries found, once Again has said false: none where the file
// is none, one for an ELF file, one for each object in an archive. What can be
// said of a damaged file comes beside the error, which is a *FileError.
func (s *Scanner) Files() ([]*File, error) { return s.files, s.err }

// Read inspects what open opens. What is no binary it does not read to its end;
// what has an unusual layout it opens more than once.
func Read(path string, o Options, open func() (io.ReadCloser, error)) ([]*File, error) {
	s := NewScanner(path, o)
	for {
		r, err := open()
		if err != nil {
			return nil, err
		}
		if err := cmp.Or(s.take(r), r.Close()); err != nil {
			return nil, fmt.Errorf("reading %s: %w", path, err)
		}
		if !s.Again() {
			return s.Files()
		}
	}
}

// take writes all of r; of what is no binary, its beginning.
func (s *Scanner) take(r io.Reader) error {
	_, err := io.CopyN(s, r, headSize)
	if err == nil && s.Binary() {
		_, err = io.Copy(s, r)
	}
	if errors.Is(err, io.EOF) {
		return nil
	}
	return err
}

// isCubin says whether an ELF header is that of GPU code.
func isCubin(h []byte) bool {
	return len(h) == headSize && elf.Machine(binary.LittleEndian.Uint16(h[18:])) == fatbin.EMCUDA
}

// cubinFile is GPU code that lies alone in a file.
type cubinFile struct {
	path string
	fatbin.Cubin
}

func (c *cubinFile) finish(size int64) ([]*File, bool, error) {
	f := &File{Path: c.path, Kind: Cubin, Size: size, Machine: "cuda", Bits: 64}
	entry, err := c.Entry()
	if err != nil {
		return nil, false, err
	}
	f.Containers = []cuda.Container{{Entries: []cuda.Entry{entry}}}
	return []*File{f}, false, nil
}

// nothing takes what is no binary.
type nothing struct{}

func (*nothing) Write(p []byte) (int, error)         { return len(p), nil }
func (*nothing) finish(int64) ([]*File, bool, error) { return nil, false, nil }

// fatbinFile is a file of containers and nothing else.
type fatbinFile struct {
	path string
	scan fatbin.Scanner
}

func (f *fatbinFile) Write(p []byte) (int, error) { return f.scan.Write(p) }

func (f *fatbinFile) finish(size int64) ([]*File, bool, error) {
	file := &File{Path: f.path, Kind: Fatbin, Size: size}
	found := f.scan.Found()
	for _, c := range found {
		file.Containers = append(file.Containers, c.Container)
	}
	return []*File{file}, false, tiled(found, 0, size)
}
