package layer

import (
	"archive/tar"
	"cmp"
	"context"
	"fmt"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"
)

// entry is one line of the tar: name as the tar holds it (a directory ends in
// a slash), path as the tree does.
type entry struct {
	name, path string
	header     tar.Header
}

// entries lists the tree in the order of its tar names, each parent once and
// before what it holds, and refuses what a layer cannot carry before anything
// is written.
func entries(ctx context.Context, tree fs.FS, opt Options) ([]entry, error) {
	found := make(map[string]entry)
	err := fs.WalkDir(tree, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		if name == "." {
			return nil
		}
		e, err := newEntry(tree, name, d, opt)
		if err != nil {
			return fmt.Errorf("reading %s of the tree: %w", name, err)
		}
		if old, ok := found[e.name]; ok && e.header.Typeflag != tar.TypeDir {
			return fmt.Errorf("writing %s: %s and %s of the tree both become it", e.name, old.path, name)
		}
		found[e.name] = e
		return nil
	})
	if err != nil {
		return nil, err
	}
	for _, e := range slices.Collect(maps.Values(found)) {
		addParents(found, e.name, opt)
	}
	for name, e := range found {
		if dir, ok := strings.CutSuffix(name, "/"); ok {
			if _, ok := found[dir]; ok {
				return nil, fmt.Errorf("writing %s: it is a directory and a file in the tree", dir)
			}
		}
		if e.header.Typeflag != tar.TypeLink {
			continue
		}
		if to, ok := found[e.header.Linkname]; !ok || to.header.Typeflag != tar.TypeReg || to.name >= name {
			return nil, fmt.Errorf("writing %s: it is a link to %q, and no file of that name stands before it", name, e.header.Linkname)
		}
	}
	return slices.SortedFunc(maps.Values(found), func(a, b entry) int { return cmp.Compare(a.name, b.name) }), nil
}

func addParents(found map[string]entry, name string, opt Options) {
	for dir := path.Dir(strings.TrimSuffix(name, "/")); dir != "."; dir = path.Dir(dir) {
		if _, ok := found[dir+"/"]; ok {
			continue
		}
		e := entry{name: dir + "/", header: tar.Header{Typeflag: tar.TypeDir, Mode: 0o755}}
		e.finish(opt)
		found[e.name] = e
	}
}

func newEntry(tree fs.FS, name string, d fs.DirEntry, opt Options) (entry, error) {
	info, err := d.Info()
	if err != nil {
		return entry{}, err
	}
	e := entry{path: name}
	link := ""
	if info.Mode()&fs.ModeSymlink != 0 {
		if link, err = fs.ReadLink(tree, name); err != nil {
			return entry{}, err
		}
	}
	h, err := tar.FileInfoHeader(plainInfo{info}, link)
	if err != nil {
		return entry{}, err
	}
	e.header = *h
	if _, told := info.Sys().(*tar.Header); !told && h.Typeflag == tar.TypeDir && h.Mode&0o777 == inventedMode {
		e.header.Mode = h.Mode&^0o777 | 0o755
	}
	switch h.Typeflag {
	case tar.TypeDir:
		e.name, err = relocate(name, opt.Links)
		e.name += "/"
	case tar.TypeLink:
		if e.header.Linkname, err = relocateParent(h.Linkname, opt.Links); err == nil {
			e.name, err = relocateParent(name, opt.Links)
		}
	case tar.TypeReg, tar.TypeSymlink:
		e.name, err = relocateParent(name, opt.Links)
	default:
		return entry{}, fmt.Errorf("%s can not be part of a layer", info.Mode().Type())
	}
	if err != nil {
		return entry{}, err
	}
	if target, ok := opt.Links[e.name]; ok && link != target && link != "/"+target {
		return entry{}, fmt.Errorf("it would replace the base's link to %s", target)
	}
	e.finish(opt)
	return e, nil
}

// plainInfo keeps owners, hard links and file capabilities only where the tree
// says them in tar's own terms: those of a directory on this host mean nothing
// in an image.
type plainInfo struct{ fs.FileInfo }

func (i plainInfo) Sys() any {
	h, ok := i.FileInfo.Sys().(*tar.Header)
	if !ok {
		return nil
	}
	kept := &tar.Header{Uid: h.Uid, Gid: h.Gid, Typeflag: h.Typeflag, Linkname: h.Linkname}
	if v, ok := h.PAXRecords[paxCapability]; ok {
		kept.PAXRecords = map[string]string{paxCapability: v}
	}
	return kept
}

// inventedMode is what archive/zip and fstest give a directory that only the
// names of its files imply; no wheel or package means it.
const inventedMode = 0o555

// finish sets all that does not come from the tree.
func (e *entry) finish(opt Options) {
	h := &e.header
	h.Name = e.name
	h.ModTime = opt.MTime
	if h.Typeflag != tar.TypeDir {
		return
	}
	if dir, ok := opt.Dirs[strings.TrimSuffix(e.name, "/")]; ok {
		h.Mode, h.Uid, h.Gid = dir.Mode, dir.UID, dir.GID
	}
}

// maxLinks is how many links one path may pass, as the kernel has it.
const maxLinks = 40

// relocate follows the base's links through every component of name.
func relocate(name string, links map[string]string) (string, error) {
	for range maxLinks {
		moved := false
		for i := range len(name) + 1 {
			if i < len(name) && name[i] != '/' {
				continue
			}
			if target, ok := links[name[:i]]; ok {
				name, moved = path.Join(target, name[i:]), true
				break
			}
		}
		if !moved {
			return name, nil
		}
	}
	return "", fmt.Errorf("the base's links lead %s round in a circle", name)
}

func relocateParent(name string, links map[string]string) (string, error) {
	dir, base := path.Split(name)
	if dir == "" {
		return base, nil
	}
	dir, err := relocate(path.Clean(dir), links)
	return path.Join(dir, base), err
}
