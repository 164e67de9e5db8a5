package layer

import (
	"archive/tar"
	"path"
	"strings"
)

// Shape is what a layer must respect of the image below it: its links to
// directories, and those directories that are not of the kind which layers write
// by themselves (0755, 0:0). Options have fields of the same names.
type Shape struct {
	Links map[string]string `json:"links,omitempty"`
	Dirs  map[string]Dir    `json:"dirs,omitempty"`
}

// shapeReader is what the layers so far come to.
type shapeReader struct {
	dirs  map[string]Dir
	links map[string]string // to anything, as they are written
	layer []tar.Header      // of the layer at hand, what may matter
	// parents of the layer at hand's entries: a tar need not hold a directory to
	// have something in it.
	parents map[string]bool
}

func newShapeReader() *shapeReader {
	return &shapeReader{dirs: map[string]Dir{}, links: map[string]string{}, parents: map[string]bool{}}
}

// see takes an entry of the layer at hand. Whiteouts hide what is below their
// own layer, wherever they stand in it.
func (r *shapeReader) see(h *tar.Header) error {
	if strings.HasPrefix(path.Base(h.Name), whiteoutPrefix) {
		return r.whiteout(h.Name)
	}
	r.parents[path.Dir(path.Clean(h.Name))] = true
	if h.Typeflag == tar.TypeDir || h.Typeflag == tar.TypeSymlink || r.knows(h.Name) {
		r.layer = append(r.layer, tar.Header{Name: h.Name, Typeflag: h.Typeflag, Linkname: h.Linkname, Mode: h.Mode, Uid: h.Uid, Gid: h.Gid})
	}
	return nil
}

// end puts the layer at hand upon those before.
func (r *shapeReader) end() error {
	for i := range r.layer {
		if err := r.entry(&r.layer[i]); err != nil {
			return err
		}
	}
	r.layer = nil
	for parent := range r.parents {
		if err := r.implied(parent); err != nil {
			return err
		}
	}
	clear(r.parents)
	return nil
}

// implied takes a directory that entries stand in, and those above it.
func (r *shapeReader) implied(entry string) error {
	name, err := EntryName(entry)
	if err != nil {
		return err
	}
	if name, err = relocate(name, r.links); err != nil {
		return err
	}
	for ; name != "."; name = path.Dir(name) {
		if _, ok := r.dirs[name]; !ok {
			r.dirs[name] = Dir{Mode: 0o755}
		}
	}
	return nil
}

// knows says whether an entry stands where the layers below have something.
func (r *shapeReader) knows(entry string) bool {
	name, err := EntryName(entry)
	if err != nil {
		return true // and is refused
	}
	_, dir := r.dirs[name]
	_, link := r.links[name]
	return dir || link
}

func (r *shapeReader) whiteout(entry string) error {
	name, err := EntryName(entry)
	if err != nil {
		return err
	}
	dir, base := path.Split(name)
	if base == whiteoutOpaque {
		r.forgetBelow(path.Clean(dir))
		return nil
	}
	if !strings.HasPrefix(base, whiteoutMeta) {
		r.forget(path.Join(dir, strings.TrimPrefix(base, whiteoutPrefix)))
	}
	return nil
}

func (r *shapeReader) entry(h *tar.Header) error {
	name, err := EntryName(h.Name)
	if err != nil || name == "." {
		return err
	}
	if name, err = relocateParent(name, r.links); err != nil {
		return err
	}
	switch h.Typeflag {
	case tar.TypeDir:
		delete(r.links, name)
		r.dirs[name] = Dir{Mode: h.Mode & 0o7777, UID: h.Uid, GID: h.Gid}
	case tar.TypeSymlink:
		r.forget(name)
		target := h.Linkname
		if !path.IsAbs(target) {
			target = path.Join("/", path.Dir(name), target)
		}
		// A link to the root leads no path elsewhere that a layer could write.
		if target = strings.TrimPrefix(path.Clean(target), "/"); target != "" {
			r.links[name] = target
		}
	default:
		r.forget(name)
	}
	return nil
}

func (r *shapeReader) forget(name string) {
	_, isDir := r.dirs[name]
	delete(r.dirs, name)
	delete(r.links, name)
	if isDir {
		r.forgetBelow(name)
	}
}

func (r *shapeReader) forgetBelow(dir string) {
	for name := range r.dirs {
		if dir == "." || strings.HasPrefix(name, dir+"/") {
			delete(r.dirs, name)
		}
	}
	for name := range r.links {
		if dir == "." || strings.HasPrefix(name, dir+"/") {
			delete(r.links, name)
		}
	}
}

// shape keeps of what was read what a layer has to respect.
func (r *shapeReader) shape() Shape {
	s := Shape{Links: map[string]string{}, Dirs: map[string]Dir{}}
	for link := range r.links {
		// One that leads nowhere, or round in a circle, is no directory.
		target, err := relocate(link, r.links)
		if _, ok := r.dirs[target]; ok && err == nil {
			s.Links[link] = target
		}
	}
	for name, dir := range r.dirs {
		if dir != (Dir{Mode: 0o755}) {
			s.Dirs[name] = dir
		}
	}
	return s
}
