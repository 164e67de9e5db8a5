package layer

import (
	"archive/tar"
	"io"
	"io/fs"
	"os"
	"time"
)

// diffTree is what Diff answers: the files of an overlay's upper directory,
// and whiteouts, which no file of the host may stand for.
type diffTree struct {
	root    *os.Root
	entries map[string]*diffEntry
}

var (
	_ fs.ReadDirFS  = diffTree{}
	_ fs.ReadLinkFS = diffTree{}
)

// diffEntry is a path of the tree. Its Sys is the *tar.Header that tells Write
// of owners, capabilities and hard links.
type diffEntry struct {
	fs.FileInfo
	name, path string
	header     tar.Header
	children   []fs.DirEntry
	others     []*diffEntry // of the first of several hard links: all of them
}

var _ fs.DirEntry = (*diffEntry)(nil)

func (e *diffEntry) Name() string               { return e.name }
func (e *diffEntry) Type() fs.FileMode          { return e.Mode().Type() }
func (e *diffEntry) Info() (fs.FileInfo, error) { return e, nil }
func (e *diffEntry) Sys() any                   { return &e.header }

func (t diffTree) entry(op, name string) (*diffEntry, error) {
	if e, ok := t.entries[name]; ok {
		return e, nil
	}
	return nil, &fs.PathError{Op: op, Path: name, Err: fs.ErrNotExist}
}

// Open opens a path of the tree; of a directory only Stat answers.
func (t diffTree) Open(name string) (fs.File, error) {
	e, err := t.entry("open", name)
	if err != nil {
		return nil, err
	}
	if e.FileInfo == (emptyFile{}) || e.IsDir() {
		return emptyContent{e}, nil
	}
	f, err := t.root.Open(name)
	if err != nil {
		return nil, err
	}
	return f, nil
}

// ReadDir lists a directory, sorted by name.
func (t diffTree) ReadDir(name string) ([]fs.DirEntry, error) {
	e, err := t.entry("readdir", name)
	if err != nil {
		return nil, err
	}
	return e.children, nil
}

// ReadLink is the target of a symbolic link.
func (t diffTree) ReadLink(name string) (string, error) {
	if _, err := t.entry("readlink", name); err != nil {
		return "", err
	}
	return t.root.Readlink(name)
}

// Lstat describes a path of the tree.
func (t diffTree) Lstat(name string) (fs.FileInfo, error) {
	return t.entry("lstat", name)
}

// emptyContent is what a whiteout, or a directory, holds as a file.
type emptyContent struct{ entry *diffEntry }

func (c emptyContent) Stat() (fs.FileInfo, error) { return c.entry, nil }
func (emptyContent) Read([]byte) (int, error)     { return 0, io.EOF }
func (emptyContent) Close() error                 { return nil }

// emptyFile is the description of a whiteout, but for its name.
type emptyFile struct{}

func (emptyFile) Name() string       { return "" }
func (emptyFile) Size() int64        { return 0 }
func (emptyFile) Mode() fs.FileMode  { return 0o644 }
func (emptyFile) ModTime() time.Time { return Epoch }
func (emptyFile) IsDir() bool        { return false }
func (emptyFile) Sys() any           { return nil }
