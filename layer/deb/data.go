package deb

import (
	"archive/tar"
	"errors"
	"fmt"
	"io"
	"path"
	"slices"
	"strings"
)

// maxFiles bounds the memory that reading a package takes.
const maxFiles = 1 << 20

func (p *Package) readData(r io.Reader, suffix string, use func(File, io.Reader) error) error {
	seen := map[string]byte{}
	return unpacked(r, suffix, func(r io.Reader) error {
		return eachEntry(r, func(h *tar.Header, content io.Reader) error {
			f, err := newFile(h)
			if err == nil {
				err = placed(f, seen)
			}
			if err == nil && len(p.Files) == maxFiles {
				err = fmt.Errorf("it has more than %d files", maxFiles)
			}
			if err != nil {
				return fmt.Errorf("%q: %w", h.Name, err)
			}
			p.Files = append(p.Files, f)
			if f.Type != tar.TypeReg {
				return nil
			}
			return use(f, content)
		})
	})
}

func newFile(h *tar.Header) (File, error) {
	name, err := cleanPath(h.Name)
	if err != nil {
		return File{}, err
	}
	f := File{Path: name, Type: h.Typeflag, Mode: h.Mode & 0o7777, UID: h.Uid, GID: h.Gid, User: h.Uname, Group: h.Gname, Size: h.Size, Link: h.Linkname}
	if f.UID < 0 || f.GID < 0 {
		return f, errors.New("its owner is out of range")
	}
	switch h.Typeflag {
	case tar.TypeReg, tar.TypeDir:
	case tar.TypeSymlink:
		if h.Linkname == "" || strings.Contains(h.Linkname, "\x00") {
			return f, fmt.Errorf("a link to %q", h.Linkname)
		}
	case tar.TypeLink:
		if f.Link, err = cleanPath(h.Linkname); err != nil {
			return f, fmt.Errorf("a link to %q: %w", h.Linkname, err)
		}
	default:
		return f, fmt.Errorf("an entry of type %q is not allowed in a package", h.Typeflag)
	}
	if name == "." && f.Type != tar.TypeDir {
		return f, errors.New("the root is a directory")
	}
	return f, nil
}

// placed refuses a file that is there already, stands below what is no
// directory, or links to what is no file; seen are the types by path.
func placed(f File, seen map[string]byte) error {
	if before, ok := seen[f.Path]; ok && (before != tar.TypeDir || f.Type != tar.TypeDir) {
		return errors.New("it occurs twice")
	}
	for dir := path.Dir(f.Path); dir != "."; dir = path.Dir(dir) {
		before, ok := seen[dir]
		if ok && before != tar.TypeDir {
			return fmt.Errorf("%s, above it, is not a directory", dir)
		}
		if ok {
			break
		}
		seen[dir] = tar.TypeDir
	}
	if f.Type == tar.TypeLink && seen[f.Link] != tar.TypeReg && seen[f.Link] != tar.TypeLink {
		return fmt.Errorf("it links to %s, which is not a file before it", f.Link)
	}
	seen[f.Path] = f.Type
	return nil
}

// cleanPath is an entry's path below the root: relative, in its plain form but
// for a leading "./" and a directory's slash.
func cleanPath(name string) (string, error) {
	bare := strings.TrimSuffix(name, "/")
	if rest, ok := strings.CutPrefix(bare, "./"); ok {
		bare = rest
	}
	switch {
	case name == "" || strings.Contains(name, "\x00"):
		return "", errors.New("the name is empty or has a zero byte")
	case strings.HasPrefix(name, "/") || strings.HasPrefix(bare, "/"):
		return "", errors.New("the name is absolute")
	case slices.Contains(strings.Split(bare, "/"), ".."):
		return "", errors.New("the name leaves the package")
	case bare != "" && path.Clean(bare) != bare:
		return "", errors.New("the name is not in its plain form")
	}
	return path.Clean(bare), nil
}
