package install

import (
	"bytes"
	"cmp"
	"errors"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/sparkwheel/sparkwheel/wheel"
)

// tree is the installed tree. Nothing in it changes after Tree has returned.
type tree struct{ root *node }

var (
	_ fs.ReadDirFS = (*tree)(nil)
	_ fs.StatFS    = (*tree)(nil)
)

// node is a directory (children not nil) or a file of one of three kinds: a
// member of a wheel as it is, a script with its first line replaced, or text
// made here.
type node struct {
	name       string
	wheel      int32 // index of the wheel that brought it
	executable bool
	children   map[string]*node
	sorted     []*node // the children by name, once the tree is whole
	file       wheel.File
	script     *script
	text       []byte // not nil for generated text
}

// baseOf is the last component of a path, where it can as a part of the member's
// own name, which is there anyhow: a wheel may have a hundred thousand.
func (n *node) baseOf(target string) string {
	name := path.Base(target)
	if n.text == nil {
		if own := path.Base(n.file.Path()); own == name {
			return own
		}
	}
	return strings.Clone(name)
}

func newDir(name string) *node { return &node{name: name, children: map[string]*node{}} }

func (t *tree) find(op, name string) (*node, error) {
	if !fs.ValidPath(name) {
		return nil, &fs.PathError{Op: op, Path: name, Err: fs.ErrInvalid}
	}
	n := t.root
	if name != "." {
		for part := range strings.SplitSeq(name, "/") {
			if n = n.children[part]; n == nil {
				return nil, &fs.PathError{Op: op, Path: name, Err: fs.ErrNotExist}
			}
		}
	}
	return n, nil
}

// Open opens a file or directory.
func (t *tree) Open(name string) (fs.File, error) {
	n, err := t.find("open", name)
	if err != nil {
		return nil, err
	}
	if n.children != nil {
		return &openDir{n: n, path: name}, nil
	}
	f := &openFile{n: n, path: name}
	switch {
	case n.text != nil:
		f.content = io.NopCloser(bytes.NewReader(n.text))
	case n.script != nil:
		if f.content, err = n.script.open(); err != nil {
			return nil, &fs.PathError{Op: "open", Path: name, Err: err}
		}
	}
	return f, nil
}

// ReadDir lists a directory, sorted by name.
func (t *tree) ReadDir(name string) ([]fs.DirEntry, error) {
	n, err := t.find("readdir", name)
	if err != nil {
		return nil, err
	}
	if n.children == nil {
		return nil, &fs.PathError{Op: "readdir", Path: name, Err: errors.New("not a directory")}
	}
	return n.entries(), nil
}

// Stat describes a file without opening it.
func (t *tree) Stat(name string) (fs.FileInfo, error) {
	n, err := t.find("stat", name)
	if err != nil {
		return nil, err
	}
	return info{n}, nil
}

func (n *node) entries() []fs.DirEntry {
	list := make([]fs.DirEntry, len(n.sorted))
	for i, c := range n.sorted {
		list[i] = fs.FileInfoToDirEntry(info{c})
	}
	return list
}

// seal sorts the children of every directory.
func (n *node) seal() {
	for _, c := range n.children {
		n.sorted = append(n.sorted, c)
		c.seal()
	}
	slices.SortFunc(n.sorted, func(a, b *node) int { return cmp.Compare(a.name, b.name) })
}

func (n *node) size() int64 {
	switch {
	case n.children != nil:
		return 0
	case n.text != nil:
		return int64(len(n.text))
	case n.script != nil:
		return n.script.size()
	default:
		return n.file.Size()
	}
}

// info is a node as fs.FileInfo.
type info struct{ n *node }

func (i info) Name() string { return i.n.name }
func (i info) Size() int64  { return i.n.size() }

// ModTime is none, as embed's is: when a file is installed is up to who does it.
func (i info) ModTime() time.Time { return time.Time{} }
func (i info) IsDir() bool        { return i.n.children != nil }
func (i info) Sys() any           { return nil }

func (i info) Mode() fs.FileMode {
	switch {
	case i.n.children != nil:
		return fs.ModeDir | 0o755
	case i.n.executable:
		return 0o755
	default:
		return 0o644
	}
}

// openFile is an open plain file.
type openFile struct {
	n       *node
	path    string
	content io.ReadCloser // opened by the first Read where it is a member's
}

func (f *openFile) Stat() (fs.FileInfo, error) { return info{f.n}, nil }

func (f *openFile) Read(p []byte) (int, error) {
	if f.content == nil {
		f.content = f.n.file.Open()
	}
	n, err := f.content.Read(p)
	if err != nil && err != io.EOF {
		err = &fs.PathError{Op: "read", Path: f.path, Err: err}
	}
	return n, err
}

func (f *openFile) Close() error {
	if f.content == nil {
		return nil
	}
	return f.content.Close()
}

// Deflate gives the whole content as one raw RFC 1951 stream with the CRC-32
// and SHA-256 of what it inflates to, neither yet verified; sha256 is nil where
// RECORD has none. For content that the wheel does not hold deflated, or hashes
// otherwise, err is errors.ErrUnsupported. It does not disturb Read.
func (f *openFile) Deflate() (raw io.Reader, crc32 uint32, sha256 []byte, err error) {
	if f.n.text != nil || f.n.script != nil {
		return nil, 0, nil, errors.ErrUnsupported
	}
	return f.n.file.Deflate()
}

// openDir is an open directory.
type openDir struct {
	n    *node
	path string
	at   int
}

func (d *openDir) Stat() (fs.FileInfo, error) { return info{d.n}, nil }
func (d *openDir) Close() error               { return nil }

func (d *openDir) Read([]byte) (int, error) {
	return 0, &fs.PathError{Op: "read", Path: d.path, Err: errors.New("is a directory")}
}

func (d *openDir) ReadDir(n int) ([]fs.DirEntry, error) {
	rest := d.n.entries()[d.at:]
	if n > 0 {
		if len(rest) == 0 {
			return nil, io.EOF
		}
		rest = rest[:min(n, len(rest))]
	}
	d.at += len(rest)
	return rest, nil
}

// WheelOf is which of Tree's wheels, by its place among them, brought a file or
// was the first to have a directory; ok is false for what no Tree gave.
func WheelOf(i fs.FileInfo) (index int, ok bool) {
	n, ok := i.(info)
	if !ok {
		return 0, false
	}
	return int(n.n.wheel), true
}
