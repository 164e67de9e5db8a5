// Package visible knows what of an image's layers can be seen: a layer hides
// what it replaces and what its whiteouts take away (OCI image-spec, layer.md).
package visible

import (
	"archive/tar"
	"path"
	"strings"
)

// Layer is what one layer has and takes away. The zero value is empty.
type Layer struct {
	paths   map[string]bool // of its entries; whether it is a directory
	removed []string
	opaque  []string // directories of which it takes everything below
}

// Add takes an entry. It says under which path the layer has it, relative and
// clean; ok is false for whiteouts, which are no entries.
func (l *Layer) Add(h *tar.Header) (name string, ok bool) {
	name = strings.TrimPrefix(path.Clean("/"+h.Name), "/")
	dir, base := path.Split(name)
	dir = strings.TrimSuffix(dir, "/")
	whited, white := strings.CutPrefix(base, ".wh.")
	switch {
	case base == ".wh..wh..opq":
		l.opaque = append(l.opaque, dir)
		return "", false
	case white:
		l.removed = append(l.removed, path.Join(dir, whited))
		return "", false
	}
	if l.paths == nil {
		l.paths = map[string]bool{}
	}
	l.paths[name] = h.Typeflag == tar.TypeDir
	return name, true
}

// Above is what the layers above one hide of it. The zero value hides nothing.
type Above struct {
	paths  map[string]bool
	gone   map[string]bool // paths that are hidden with everything below them
	opaque map[string]bool // directories of which everything below is hidden
}

// Add puts a layer below those that there are.
func (a *Above) Add(l *Layer) {
	if a.paths == nil {
		a.paths, a.gone, a.opaque = map[string]bool{}, map[string]bool{}, map[string]bool{}
	}
	for name, dir := range l.paths {
		a.paths[name] = true
		if !dir {
			a.gone[name] = true
		}
	}
	for _, name := range l.removed {
		a.gone[name] = true
	}
	for _, name := range l.opaque {
		a.opaque[name] = true
	}
}

// Hides says whether a file of a layer below cannot be seen.
func (a *Above) Hides(name string) bool {
	if a.paths[name] || a.gone[name] {
		return true
	}
	for dir := path.Dir(name); ; dir = path.Dir(dir) {
		if dir == "." {
			return a.opaque[""]
		}
		if a.gone[dir] || a.opaque[dir] {
			return true
		}
	}
}
