package layer

import (
	"archive/tar"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// Diff is the tree that a layer must hold to make the changes in upper, the
// upper directory of an overlay mount (the kernel's filesystems/overlayfs):
// what it removed is there as the whiteouts of the image specification, what it
// replaced whole as an opaque directory. Write makes the layer.
//
// Entries keep mode, owner and file capabilities; owner, unless nil, says what
// a uid and gid of this host are in the image (of a build in a user namespace).
// Files of several names become hard links; sockets are left out. A device, a
// pipe, a name that a layer would take for a whiteout, and a directory or file
// whose content lies elsewhere (redirect_dir, metacopy) are errors, found now.
// The tree reads from upper, which the caller closes after use, unchanged.
func Diff(upper *os.Root, owner func(uid, gid int) (int, int)) (fs.FS, error) {
	d := &differ{root: upper, owner: owner, tree: diffTree{upper, make(map[string]*diffEntry)}, inodes: make(map[uint64]*diffEntry)}
	err := fs.WalkDir(upper.FS(), ".", func(name string, entry fs.DirEntry, err error) error {
		if err == nil {
			err = d.add(name, entry)
		}
		if err != nil {
			return fmt.Errorf("reading the changes at %s: %w", name, err)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	for _, e := range d.tree.entries {
		slices.SortFunc(e.children, func(a, b fs.DirEntry) int { return strings.Compare(a.Name(), b.Name()) })
	}
	return d.tree, nil
}

// differ gathers the entries of a diffTree.
type differ struct {
	root   *os.Root
	owner  func(uid, gid int) (int, int)
	tree   diffTree
	inodes map[uint64]*diffEntry
	buf    [64 << 10]byte // the most that an attribute, or the list of them, can be
}

func (d *differ) add(name string, entry fs.DirEntry) error {
	info, err := entry.Info()
	if err != nil {
		return err
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return errors.New("the host does not report its owner")
	}
	if strings.HasPrefix(info.Name(), whiteoutPrefix) {
		return errors.New("a layer would read the name as a whiteout")
	}
	e := &diffEntry{FileInfo: info, name: info.Name(), path: name}
	e.header.Uid, e.header.Gid = int(stat.Uid), int(stat.Gid)
	if d.owner != nil {
		e.header.Uid, e.header.Gid = d.owner(e.header.Uid, e.header.Gid)
	}
	switch mode := info.Mode(); {
	case mode&fs.ModeCharDevice != 0 && stat.Rdev == 0:
		d.put(whiteout(name))
		return nil
	case mode&fs.ModeSocket != 0:
		return nil
	case mode.IsDir():
		return d.directory(e)
	case mode.IsRegular():
		return d.file(e, stat)
	case mode&fs.ModeSymlink != 0:
		d.put(e)
		return nil
	default:
		return fmt.Errorf("%s cannot be part of a layer", mode.Type())
	}
}

func (d *differ) directory(e *diffEntry) error {
	attrs, err := d.attributes(e.path)
	if err != nil {
		return err
	}
	if _, ok := attrs.overlay("redirect"); ok {
		return errors.New("the overlay left its content where it was before; mount it with redirect_dir=off")
	}
	d.put(e)
	// "x" marks a directory that has whiteouts as attributes, no opaque one.
	if v, _ := attrs.overlay("opaque"); v == "y" {
		d.put(hidden(path.Join(e.path, whiteoutOpaque)))
	}
	return nil
}

func (d *differ) file(e *diffEntry, stat *syscall.Stat_t) error {
	attrs, err := d.attributes(e.path)
	if err != nil {
		return err
	}
	if _, ok := attrs.overlay("metacopy"); ok {
		return errors.New("the overlay left its content below; mount it with metacopy=off")
	}
	if _, ok := attrs.overlay("whiteout"); ok && stat.Size == 0 {
		d.put(whiteout(e.path))
		return nil
	}
	if v, ok := attrs[capability]; ok {
		e.header.PAXRecords = map[string]string{paxCapability: d.imageCapability(v)}
	}
	if stat.Nlink > 1 {
		d.link(e, stat.Ino)
	}
	d.put(e)
	return nil
}

// link makes all names of a file links to the one that stands first in a tar.
func (d *differ) link(e *diffEntry, inode uint64) {
	first, ok := d.inodes[inode]
	if !ok || e.path < first.path {
		d.inodes[inode] = e
		e.others = []*diffEntry{e}
		if ok {
			e.others = append(e.others, first.others...)
		}
		first = e
	} else {
		first.others = append(first.others, e)
	}
	for _, other := range first.others {
		other.header.Typeflag, other.header.Linkname = tar.TypeLink, first.path
	}
	first.header.Typeflag, first.header.Linkname = tar.TypeReg, ""
}

func (d *differ) put(e *diffEntry) {
	d.tree.entries[e.path] = e
	if parent, ok := d.tree.entries[path.Dir(e.path)]; ok && e.path != "." {
		parent.children = append(parent.children, e)
	}
}

func whiteout(name string) *diffEntry {
	dir, base := path.Split(name)
	return hidden(dir + whiteoutPrefix + base)
}

// hidden is an empty file that stands for what is gone.
func hidden(name string) *diffEntry {
	return &diffEntry{FileInfo: emptyFile{}, name: path.Base(name), path: name}
}

const (
	capability    = "security.capability"
	paxCapability = "SCHILY.xattr." + capability
	rootOverlay   = "trusted.overlay."
	userOverlay   = "user.overlay."
)

// attributes are extended attributes that bear on a layer.
type attributes map[string]string

// overlay is an attribute that the overlay wrote, in whichever of its two
// name spaces: the second is that of mounts by ordinary users (userxattr).
func (a attributes) overlay(name string) (string, bool) {
	for _, prefix := range []string{rootOverlay, userOverlay} {
		if v, ok := a[prefix+name]; ok {
			return v, true
		}
	}
	return "", false
}

func (d *differ) attributes(name string) (attributes, error) {
	f, err := d.root.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	n, err := unix.Flistxattr(int(f.Fd()), d.buf[:])
	if errors.Is(err, unix.ENOTSUP) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("listing its attributes: %w", err)
	}
	found := make(attributes)
	for attr := range strings.SplitSeq(string(d.buf[:n]), "\x00") {
		if attr != capability && !strings.HasPrefix(attr, rootOverlay) && !strings.HasPrefix(attr, userOverlay) {
			continue
		}
		n, err := unix.Fgetxattr(int(f.Fd()), attr, d.buf[:])
		if err != nil {
			return nil, fmt.Errorf("reading its attribute %s: %w", attr, err)
		}
		found[attr] = string(d.buf[:n])
	}
	return found, nil
}

// imageCapability is a capability as root of the image has it. What was set in
// a user namespace names the namespace's root behind (revision 3 of the
// kernel's vfs_ns_cap_data); revision 2 is the same without.
func (d *differ) imageCapability(v string) string {
	const revision3, length3, length2 = 3, 24, 20
	if len(v) != length3 || v[3] != revision3 {
		return v
	}
	root := int(binary.LittleEndian.Uint32([]byte(v[length2:])))
	if d.owner != nil {
		root, _ = d.owner(root, 0)
	}
	if root != 0 {
		return v
	}
	return v[:3] + "\x02" + v[4:length2]
}
