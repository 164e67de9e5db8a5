package listing

import (
	"archive/tar"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strings"

	"github.com/sparkwheel/sparkwheel/layer"
)

// maxLinks is how many links one path may pass, as the kernel has it.
const maxLinks = 40

// ErrLoop says that links lead round in a circle, or through too many others.
var ErrLoop = errors.New("its links form a loop")

// errNotDirectory says that something stands where a path needs a directory.
var errNotDirectory = errors.New("not a directory")

// follow walks every component of name from at on; a link anywhere is followed
// as the image would see it, an absolute one from the root. missing, unless nil,
// makes what is not there.
func (f *Files) follow(at *node, name string, missing func(*node, string) (*node, error)) (*node, error) {
	for links := 0; name != ""; {
		var next string
		next, name, _ = strings.Cut(name, "/")
		if next == "" || next == "." {
			continue
		}
		if at.children == nil {
			return nil, fmt.Errorf("%s: %w", at.path(), errNotDirectory)
		}
		if next == ".." {
			if at.parent != nil {
				at = at.parent
			}
			continue
		}
		child := at.children[next]
		if child == nil {
			if missing == nil {
				return nil, fs.ErrNotExist
			}
			var err error
			if child, err = missing(at, next); err != nil {
				return nil, err
			}
		}
		if child.kind != tar.TypeSymlink {
			at = child
			continue
		}
		if links++; links > maxLinks {
			return nil, ErrLoop
		}
		if strings.HasPrefix(child.link, "/") {
			at = f.root
		}
		name = child.link + "/" + name
	}
	return at, nil
}

// path is where the node stands, "." for the root.
func (n *node) path() string {
	if n.parent == nil {
		return "."
	}
	var parts []string
	for ; n.parent != nil; n = n.parent {
		parts = append(parts, n.name)
	}
	slices.Reverse(parts)
	return strings.Join(parts, "/")
}

func (n *node) entry() Entry {
	e := Entry{
		Name: n.path(), Link: n.link, Kind: n.kind, Mode: int64(n.mode), UID: int(n.uid), GID: int(n.gid), Size: n.size,
	}
	if n.content != nil {
		e.Content, e.Kept = *n.content, true
	}
	return e
}

// Lstat is what stands at name itself, where no link is followed: a path that
// passes one, or a file, has nothing.
func (f *Files) Lstat(name string) (Entry, bool) {
	n := f.at(name)
	if n == nil {
		return Entry{}, false
	}
	return n.entry(), true
}

func (f *Files) at(name string) *node {
	n := f.root
	if name == "." {
		return n
	}
	for part := range strings.SplitSeq(name, "/") {
		if n = n.children[part]; n == nil {
			return nil
		}
	}
	return n
}

// Stat is what name leads to when every link is followed; the entry's Name says
// where that is. The error is fs.ErrNotExist where there is nothing, ErrLoop
// where links lead nowhere.
func (f *Files) Stat(name string) (Entry, error) {
	n, err := f.follow(f.root, name, nil)
	if err != nil {
		return Entry{}, err
	}
	return n.entry(), nil
}

// Names are the names in the directory dir itself, sorted; none where it is not
// a directory.
func (f *Files) Names(dir string) []string {
	if n := f.at(dir); n != nil {
		return slices.Sorted(maps.Keys(n.children))
	}
	return nil
}

// Shape is what a layer written upon the image must respect of it.
func (f *Files) Shape() layer.Shape {
	s := layer.Shape{Links: map[string]string{}, Dirs: map[string]layer.Dir{}}
	f.shape(f.root, "", &s)
	return s
}

func (f *Files) shape(dir *node, prefix string, s *layer.Shape) {
	for name, n := range dir.children {
		switch {
		case n.children != nil:
			if d := (layer.Dir{Mode: int64(n.mode), UID: int(n.uid), GID: int(n.gid)}); d != (layer.Dir{Mode: 0o755}) {
				s.Dirs[prefix+name] = d
			}
			f.shape(n, prefix+name+"/", s)
		case n.kind == tar.TypeSymlink:
			// One that leads nowhere is no directory; one to the root leads no path
			// elsewhere that a layer could write.
			if to, err := f.follow(dir, name, nil); err == nil && to.children != nil && to != f.root {
				s.Links[prefix+name] = to.path()
			}
		}
	}
}
