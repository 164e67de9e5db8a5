package layer

import (
	"archive/tar"
	"context"
	"fmt"
	"io"
	"path"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// Shape is what a layer must respect of the image below it; see the fields of
// the same names in Options.
type Shape struct {
	Links map[string]string `json:"links,omitempty"`
	Dirs  map[string]Dir    `json:"dirs,omitempty"`
}

// ReadShape reads the names in the image's layers, all of them once, and
// answers its links to directories and those directories that are not of the
// kind which layers write by themselves (0755, 0:0).
func ReadShape(ctx context.Context, img v1.Image) (Shape, error) {
	layers, err := img.Layers()
	if err != nil {
		return Shape{}, fmt.Errorf("reading the image's directories: %w", err)
	}
	r := shapeReader{dirs: map[string]Dir{}, links: map[string]string{}}
	for i, l := range layers {
		if err := r.layer(ctx, l); err != nil {
			return Shape{}, fmt.Errorf("reading the directories of layer %d: %w", i, err)
		}
	}
	return r.shape()
}

// shapeReader is what the layers so far come to.
type shapeReader struct {
	dirs  map[string]Dir
	links map[string]string // to anything, as they are written
}

func (r *shapeReader) layer(ctx context.Context, l v1.Layer) error {
	rc, err := l.Uncompressed()
	if err != nil {
		return err
	}
	defer rc.Close()
	var list []*tar.Header
	for tr := tar.NewReader(contextReader{rc, ctx.Err}); ; {
		h, err := tr.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			return err
		}
		// Whiteouts hide what is below their own layer, wherever they stand in it.
		if base := path.Base(h.Name); strings.HasPrefix(base, whiteoutPrefix) {
			if err := r.whiteout(h.Name); err != nil {
				return err
			}
			continue
		}
		if h.Typeflag != tar.TypeDir && h.Typeflag != tar.TypeSymlink && !r.knows(h.Name) {
			continue // most of a layer
		}
		list = append(list, &tar.Header{Name: h.Name, Typeflag: h.Typeflag, Linkname: h.Linkname, Mode: h.Mode, Uid: h.Uid, Gid: h.Gid})
	}
	for _, h := range list {
		if err := r.entry(h); err != nil {
			return err
		}
	}
	return nil
}

// knows says whether an entry stands where the layers below have something.
func (r *shapeReader) knows(entry string) bool {
	name, err := cleanName(entry)
	if err != nil {
		return true // and is refused
	}
	_, dir := r.dirs[name]
	_, link := r.links[name]
	return dir || link
}

func (r *shapeReader) whiteout(entry string) error {
	name, err := cleanName(entry)
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
	name, err := cleanName(h.Name)
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
func (r *shapeReader) shape() (Shape, error) {
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
	return s, nil
}
