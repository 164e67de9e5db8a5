package wheel

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/sparkwheel/sparkwheel/wheel/internal/zip"
)

const (
	maxRows   = zip.MaxMembers + 1000
	maxRecord = 48 << 20
)

// Reader is an open wheel whose structure is sound: every member's name, its
// two headers, the dist-info, and RECORD against the list of members. Its
// content is held against RECORD by Verify, or by reading a File to its end.
//
// A Reader is safe for use by several goroutines. The caller closes it.
type Reader struct {
	Filename Filename
	Metadata Metadata
	Info     Info
	// Record has the rows in the order of the file; paths that it begins with ./
	// or spells with empty components are as the archive has them.
	Record Record
	// EntryPoints are the scripts that an installer makes, sorted by name.
	EntryPoints []EntryPoint
	// Size is that of the wheel file in bytes.
	Size int64

	f        *os.File
	path     string
	archive  *zip.Archive
	distInfo string  // "torch-2.11.0", the name before .dist-info and .data
	rows     []int32 // of each member, the index of its row in Record, or -1
	warnings []Fault
	bomb     bool
	digest   func() ([sha256.Size]byte, error)
}

// Open opens the wheel at path and checks all of it that can be checked
// without inflating its members. Every fault found is in the *VerifyError; an
// error of another type means that the file could not be read.
func Open(path string) (*Reader, error) {
	var f faults
	r, err := open(path, &f)
	if err != nil {
		return nil, err
	}
	if err := f.err(filepath.Base(path)); err != nil {
		r.Close()
		return nil, err
	}
	return r, nil
}

// Salvage opens a wheel whatever is wrong with it, and returns what is, by its
// directory alone. Nothing of it may be installed: it is for writing the wheel
// anew. The caller closes the Reader.
func Salvage(path string) (*Reader, []Fault, error) {
	var f faults
	r, err := open(path, &f)
	if err != nil {
		return nil, nil, err
	}
	if found, ok := errors.AsType[*VerifyError](f.err(filepath.Base(path))); ok {
		return r, found.Faults, nil
	}
	return r, nil, nil
}

// OpenPinned is Open for a wheel whose SHA-256 the caller has verified: SHA256
// answers with it and does not read the file.
func OpenPinned(path string, digest [sha256.Size]byte) (*Reader, error) {
	r, err := Open(path)
	if err != nil {
		return nil, err
	}
	r.digest = func() ([sha256.Size]byte, error) { return digest, nil }
	return r, nil
}

// open is Open with the faults reported to f: the Reader may be unsound, and is
// nil only with an error.
func open(path string, f *faults) (*Reader, error) {
	// To open a FIFO would wait for its writer.
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("opening wheel: %w", err)
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("opening wheel: %s is not a regular file", path)
	}
	file, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("opening wheel: %w", err)
	}
	if info, err = file.Stat(); err != nil {
		file.Close()
		return nil, fmt.Errorf("opening wheel: %w", err)
	}
	r := &Reader{f: file, path: path, Size: info.Size()}
	r.digest = sync.OnceValues(r.hash)
	if r.Filename, err = ParseFilename(filepath.Base(path)); err != nil {
		f.add("filename", "", err.Error())
	}
	r.archive, err = zip.Read(file, info.Size(), f.add)
	if err != nil {
		f.add("archive", "", err.Error())
		r.archive = &zip.Archive{}
		return r, nil
	}
	if n := r.archive.Trailing; n > 0 {
		r.warnings = append(r.warnings, Fault{"trailing-bytes", "", fmt.Sprintf("%d bytes follow the end of the archive", n)})
	}
	r.rows = make([]int32, len(r.archive.Members))
	for i := range r.rows {
		r.rows[i] = -1
	}
	r.check(f)
	return r, nil
}

// Close closes the file; Files of the Reader cannot be read any more.
func (r *Reader) Close() error { return r.f.Close() }

// Path is where the wheel was opened.
func (r *Reader) Path() string { return r.path }

// DistInfo is the name of the dist-info directory without its suffix, in the
// wheel's own spelling: "torch-2.11.0".
func (r *Reader) DistInfo() string { return r.distInfo }

// Warnings are what is legal and odd, sorted by path: names that differ only in
// case, tags in WHEEL other than those of the file name.
func (r *Reader) Warnings() []Fault { return r.warnings }

// SHA256 is the digest of the wheel file. It reads the file once.
func (r *Reader) SHA256() ([sha256.Size]byte, error) { return r.digest() }

func (r *Reader) hash() (sum [sha256.Size]byte, err error) {
	h := sha256.New()
	if _, err := io.Copy(h, io.NewSectionReader(r.f, 0, r.Size)); err != nil {
		return sum, fmt.Errorf("hashing %s: %w", r.path, err)
	}
	h.Sum(sum[:0])
	return sum, nil
}

// Files are the members of the archive, directories included, in its order.
func (r *Reader) Files() iter.Seq[File] {
	return func(yield func(File) bool) {
		for i := range r.archive.Members {
			if !yield(File{r, int32(i)}) {
				return
			}
		}
	}
}

// find returns the member called name; wheels have one at most.
func (r *Reader) find(name string) (File, bool) {
	for i := range r.archive.Members {
		if r.archive.Members[i].Name == name {
			return File{r, int32(i)}, true
		}
	}
	return File{}, false
}

// DataScheme splits the path of a member below the wheel's .data directory into
// the installation scheme's key and the path below it:
// "x-1.0.data/scripts/run" is "scripts", "run", true.
func (r *Reader) DataScheme(path string) (key, rest string, ok bool) {
	below, ok := strings.CutPrefix(path, r.distInfo+".data/")
	if !ok {
		return "", "", false
	}
	key, rest, _ = strings.Cut(below, "/")
	return key, rest, true
}
