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
// a slash), path as the tree does. A layer may have a hundred thousand, so they
// hold less than a tar.Header does.
type entry struct {
	name, path string
	size       int64
	*rare             // nil of a plain file or directory of 0:0
	mode       uint16 // as tar.Header.Mode
	kind       byte   // as tar.Header.Typeflag
}

// rare is what few entries have.
type rare struct {
	link       string // target of a symbolic or hard link
	capability string // file capabilities, as an extended attribute
	uid, gid   int
}

// target is that of a symbolic or hard link.
func (e *entry) target() string {
	if e.rare == nil {
		return ""
	}
	return e.link
}

// header is what the tar says of the entry.
func (e *entry) header(opt Options) tar.Header {
	h := tar.Header{
		Typeflag: e.kind, Name: e.name, Size: e.size, Mode: int64(e.mode), ModTime: opt.MTime,
	}
	if e.rare == nil {
		return h
	}
	h.Linkname, h.Uid, h.Gid = e.link, e.uid, e.gid
	if e.capability != "" {
		h.PAXRecords = map[string]string{paxCapability: e.capability}
	}
	return h
}

// entries lists the tree in the order of its tar names, each parent once and
// before what it holds, and refuses what a layer cannot carry before anything
// is written.
func entries(ctx context.Context, tree fs.FS, opt Options) ([]*entry, error) {
	found := make(map[string]*entry)
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
		if old, ok := found[e.name]; ok && e.kind != tar.TypeDir {
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
		if e.kind != tar.TypeLink {
			continue
		}
		if to, ok := found[e.target()]; !ok || to.kind != tar.TypeReg || to.name >= name {
			return nil, fmt.Errorf("writing %s: it is a link to %q, but no file of that name comes before it", name, e.target())
		}
	}
	return slices.SortedFunc(maps.Values(found), func(a, b *entry) int { return cmp.Compare(a.name, b.name) }), nil
}

func addParents(found map[string]*entry, name string, opt Options) {
	for dir := path.Dir(strings.TrimSuffix(name, "/")); dir != "."; dir = path.Dir(dir) {
		if _, ok := found[dir+"/"]; ok {
			continue
		}
		e := &entry{name: dir + "/", kind: tar.TypeDir, mode: 0o755}
		e.finish(opt)
		found[e.name] = e
	}
}

func newEntry(tree fs.FS, name string, d fs.DirEntry, opt Options) (*entry, error) {
	info, err := d.Info()
	if err != nil {
		return nil, err
	}
	link := ""
	if info.Mode()&fs.ModeSymlink != 0 {
		if link, err = fs.ReadLink(tree, name); err != nil {
			return nil, err
		}
	}
	h, err := tar.FileInfoHeader(plainInfo{info}, link)
	if err != nil {
		return nil, err
	}
	e := &entry{path: name, size: h.Size, mode: uint16(h.Mode), kind: h.Typeflag}
	if more := (rare{h.Linkname, h.PAXRecords[paxCapability], h.Uid, h.Gid}); more != (rare{}) {
		e.rare = &more
	}
	if _, told := info.Sys().(*tar.Header); !told && e.kind == tar.TypeDir && e.mode&0o777 == inventedMode {
		e.mode = e.mode&^0o777 | 0o755
	}
	switch e.kind {
	case tar.TypeDir:
		e.name, err = relocate(name, opt.Links)
		e.name += "/"
	case tar.TypeLink:
		if e.rare == nil {
			e.rare = &rare{} // to nothing, which is refused
		}
		if e.link, err = relocateParent(e.link, opt.Links); err == nil {
			e.name, err = relocateParent(name, opt.Links)
		}
	case tar.TypeReg, tar.TypeSymlink:
		e.name, err = relocateParent(name, opt.Links)
	default:
		return nil, fmt.Errorf("%s cannot be part of a layer", info.Mode().Type())
	}
	if err != nil {
		return nil, err
	}
	if target, ok := opt.Links[e.name]; ok && link != target && link != "/"+target {
		return nil, fmt.Errorf("it would replace the base's link to %s", target)
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

// finish gives a directory of the base the attributes that it has there.
func (e *entry) finish(opt Options) {
	if e.kind != tar.TypeDir {
		return
	}
	if dir, ok := opt.Dirs[strings.TrimSuffix(e.name, "/")]; ok {
		e.mode, e.rare = uint16(dir.Mode), nil
		if dir.UID != 0 || dir.GID != 0 {
			e.rare = &rare{uid: dir.UID, gid: dir.GID}
		}
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
	return "", fmt.Errorf("the base's links lead %s into a loop", name)
}

func relocateParent(name string, links map[string]string) (string, error) {
	if len(links) == 0 {
		return name, nil
	}
	dir, base := path.Split(name)
	if dir == "" {
		return base, nil
	}
	dir, err := relocate(path.Clean(dir), links)
	return path.Join(dir, base), err
}
