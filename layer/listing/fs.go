package listing

import (
	"bytes"
	"errors"
	"io/fs"
	"maps"
	"slices"
	"time"

	"archive/tar"
)

// ErrNotKept says that of a file's content nothing was kept.
var ErrNotKept = errors.New("the layers' lists do not have its content")

var _ fs.ReadDirFS = (*Files)(nil)

// Open opens a file or directory; links are followed as the image would see
// them. Reading a file whose content was not kept is ErrNotKept.
func (f *Files) Open(name string) (fs.File, error) {
	n, err := f.open("open", name)
	if err != nil {
		return nil, err
	}
	file := &openFile{n: n}
	if n.content != nil {
		file.content = bytes.NewReader(*n.content)
	}
	return file, nil
}

// ReadDir lists a directory, sorted by name.
func (f *Files) ReadDir(name string) ([]fs.DirEntry, error) {
	n, err := f.open("readdir", name)
	if err != nil {
		return nil, err
	}
	if n.children == nil {
		return nil, &fs.PathError{Op: "readdir", Path: name, Err: errNotDirectory}
	}
	return n.list(), nil
}

func (f *Files) open(op, name string) (*node, error) {
	if !fs.ValidPath(name) {
		return nil, &fs.PathError{Op: op, Path: name, Err: fs.ErrInvalid}
	}
	n, err := f.follow(f.root, name, nil)
	if err != nil {
		return nil, &fs.PathError{Op: op, Path: name, Err: err}
	}
	return n, nil
}

func (n *node) list() []fs.DirEntry {
	var list []fs.DirEntry
	for _, name := range slices.Sorted(maps.Keys(n.children)) {
		list = append(list, fs.FileInfoToDirEntry(info{n.children[name]}))
	}
	return list
}

// info is a node as fs.FileInfo; its time is not known.
type info struct{ n *node }

func (i info) Name() string       { return i.n.name }
func (i info) Size() int64        { return i.n.size }
func (i info) ModTime() time.Time { return time.Time{} }
func (i info) IsDir() bool        { return i.n.children != nil }
func (i info) Sys() any           { return nil }
func (i info) Mode() fs.FileMode {
	h := tar.Header{Typeflag: i.n.kind, Mode: int64(i.n.mode)}
	return h.FileInfo().Mode()
}

// openFile is an open file or directory.
type openFile struct {
	n       *node
	content *bytes.Reader // nil where nothing was kept
}

func (f *openFile) Stat() (fs.FileInfo, error) { return info{f.n}, nil }
func (f *openFile) Close() error               { return nil }

func (f *openFile) Read(p []byte) (int, error) {
	if f.content == nil {
		return 0, &fs.PathError{Op: "read", Path: f.n.path(), Err: ErrNotKept}
	}
	return f.content.Read(p)
}
