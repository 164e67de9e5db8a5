package listing

import (
	"archive/tar"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"
)

// Whiteouts as the image specification's "Representing Changes" has them.
const (
	whiteoutPrefix = ".wh."
	whiteoutOpaque = ".wh..wh..opq"
	whiteoutMeta   = ".wh..wh."
)

// Files are the files of an image, as its layers so far come to. The zero Files
// is not ready for use; New is an image without layers.
type Files struct {
	root  *node
	layer int32 // number of the layer at hand, from 1
	count int

	// The directory that the entry before stood in: the next mostly does too.
	lastName string
	lastDir  *node
}

// node is one file of the image. An image may have half a million, so they hold
// less than an Entry does.
type node struct {
	name     string
	parent   *node
	children map[string]*node // of a directory, never nil there
	layer    int32            // that wrote it, or something below it
	attributes
}

// attributes are what an entry says of its file.
type attributes struct {
	kind     byte
	mode     uint16
	uid, gid uint32
	size     int64
	link     string
	content  *[]byte // nil where nothing was kept
}

func (e *Entry) attributes() attributes {
	a := attributes{kind: e.Kind, mode: uint16(e.Mode), uid: uint32(e.UID), gid: uint32(e.GID), size: e.Size, link: e.Link}
	if e.Kept {
		a.content = &e.Content
	}
	return a
}

var plainDir = attributes{kind: tar.TypeDir, mode: 0o755}

// New is an image without layers.
func New() *Files {
	return &Files{root: &node{children: map[string]*node{}, attributes: plainDir}}
}

// Apply puts the layer of a list, which Write wrote, upon those before. A layer
// that a container runtime could not lay out either (a hard link to nothing,
// links that lead round in a circle) is an error, after which f is of no use.
func (f *Files) Apply(list io.Reader) error {
	in, err := newDecoder(list)
	if err != nil {
		return fmt.Errorf("reading a layer's list: %w", err)
	}
	f.layer++
	for {
		e, err := in.next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("reading a layer's list: %w", err)
		}
		if err := f.apply(&e); err != nil {
			return fmt.Errorf("laying out %.200q: %w", e.Name, err)
		}
	}
}

func (f *Files) apply(e *Entry) error {
	if e.Name == "." {
		if e.Kind == tar.TypeDir {
			f.root.attributes = e.attributes()
		}
		return nil
	}
	name := base(e.Name)
	if strings.HasPrefix(name, whiteoutPrefix) {
		return f.whiteout(e.Name, name)
	}
	dir, err := f.parent(e.Name)
	if err != nil {
		return err
	}
	attrs := e.attributes()
	if e.Kind == tar.TypeLink {
		target, err := f.hardLinked(e.Link)
		if err != nil {
			return err
		}
		if target == dir.children[name] {
			return nil
		}
		attrs = target.attributes
	}
	n := dir.children[name]
	if n == nil || n.children == nil || attrs.kind != tar.TypeDir {
		if n != nil {
			f.lastDir = nil // it may have passed what is replaced
		}
		if n, err = f.put(dir, name); err != nil {
			return err
		}
	}
	n.attributes = attrs
	if attrs.kind == tar.TypeDir && n.children == nil {
		n.children = map[string]*node{}
	}
	n.mark(f.layer)
	return nil
}

// put makes a node where nothing, or nothing more, is to be.
func (f *Files) put(dir *node, name string) (*node, error) {
	if f.count++; f.count > maxEntries {
		return nil, fmt.Errorf("more than %d files: %w", maxEntries, ErrTooLarge)
	}
	n := &node{name: name, parent: dir}
	dir.children[name] = n
	return n, nil
}

// mark says of n, and of all above it, that this layer wrote there: its
// whiteouts spare them.
func (n *node) mark(layer int32) {
	for ; n != nil && n.layer != layer; n = n.parent {
		n.layer = layer
	}
}

// parent is the directory of an entry, made where it is missing: a tar need not
// hold a directory to have something in it.
func (f *Files) parent(name string) (*node, error) {
	dir := ""
	if i := strings.LastIndexByte(name, '/'); i >= 0 {
		dir = name[:i]
	}
	if f.lastDir != nil && dir == f.lastName {
		return f.lastDir, nil
	}
	n, err := f.follow(f.root, dir, f.makeDir)
	if err != nil {
		return nil, err
	}
	if n.children == nil {
		return nil, fmt.Errorf("%s is not a directory", n.path())
	}
	f.lastName, f.lastDir = dir, n
	return n, nil
}

func (f *Files) makeDir(dir *node, name string) (*node, error) {
	n, err := f.put(dir, name)
	if err == nil {
		n.children = map[string]*node{}
		n.attributes = plainDir
		n.mark(f.layer)
	}
	return n, err
}

func (f *Files) hardLinked(link string) (*node, error) {
	dir, name := "", strings.Trim(link, "/")
	if i := strings.LastIndexByte(name, '/'); i >= 0 {
		dir, name = name[:i], name[i+1:]
	}
	n, err := f.follow(f.root, dir, nil)
	if err != nil {
		return nil, fmt.Errorf("linking to %.200q: %w", link, err)
	}
	target := n.children[name]
	if target == nil || target.children != nil {
		return nil, fmt.Errorf("linking to %.200q: %w", link, fs.ErrNotExist)
	}
	return target, nil
}

// whiteout hides what the layers below have.
func (f *Files) whiteout(entry, name string) error {
	dir, err := f.parent(entry)
	if err != nil {
		return err
	}
	if name == whiteoutOpaque {
		f.hideChildren(dir)
		return nil
	}
	if strings.HasPrefix(name, whiteoutMeta) {
		return nil // what aufs keeps for itself
	}
	if n := dir.children[strings.TrimPrefix(name, whiteoutPrefix)]; n != nil {
		f.hide(n)
	}
	return nil
}

// hide removes n, but for what the layer at hand wrote at it or below it.
func (f *Files) hide(n *node) {
	if n.layer != f.layer {
		delete(n.parent.children, n.name)
		f.lastDir = nil
		return
	}
	f.hideChildren(n)
}

func (f *Files) hideChildren(dir *node) {
	for _, n := range dir.children {
		f.hide(n)
	}
}
