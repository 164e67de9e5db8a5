package deb

import (
	"archive/tar"
	"bufio"
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/sparkwheel/sparkwheel/layer"
)

// Origin is what says whose the files are that installing packages changed.
type Origin struct {
	Packages []*Package
	// Base has every path of the base image that changed, as the image has it:
	// where it was unpacked owners and set-id bits are gone.
	Base map[string]layer.Dir
	// Root is the unpacked base: it knows users by name, and which top
	// directories are links, such as lib to usr/lib, in a package's paths.
	Root fs.FS
}

// Tree is changes (see layer.Diff), which installing packages made in a place
// where nothing could be owned by anyone else, as a layer must hold them: files
// of packages and of the base with their owners, all others root's, and without
// what differs from one installation to the next: logs, caches, backups,
// compiled Python, host keys.
//
// What a maintainer script gives away stays root's, since nobody knows whose it
// should be. So that nothing runs as root that was to run as another, a file
// does not set its user or group unless its package or the base has it so;
// those that would have are the second result, sorted.
func Tree(changes fs.FS, o Origin) (fs.FS, []string, error) {
	t := &tree{fs: changes, owners: map[string]layer.Dir{}, base: o.Base}
	users, err := readIDs("etc/passwd", changes, o.Root)
	if err != nil {
		return nil, nil, fmt.Errorf("reading the image's users: %w", err)
	}
	groups, err := readIDs("etc/group", changes, o.Root)
	if err != nil {
		return nil, nil, fmt.Errorf("reading the image's groups: %w", err)
	}
	links, err := topLinks(o.Root)
	if err != nil {
		return nil, nil, fmt.Errorf("reading the base's links: %w", err)
	}
	for _, p := range o.Packages {
		for _, f := range p.Files {
			at := through(links, f.Path)
			t.owners[at] = layer.Dir{Mode: f.Mode, UID: id(users, f.User, f.UID), GID: id(groups, f.Group, f.GID)}
		}
	}
	cleared, err := t.cleared()
	return t, cleared, err
}

// readIDs reads passwd(5) or group(5) of the first tree that has it; without
// the file no name is known, and numbers decide.
func readIDs(name string, trees ...fs.FS) (map[string]int, error) {
	var f fs.File
	err := fs.ErrNotExist
	for _, tree := range trees {
		if f, err = tree.Open(name); err == nil {
			break
		}
	}
	if err != nil {
		return nil, nil
	}
	defer f.Close()
	ids := map[string]int{}
	lines := bufio.NewScanner(io.LimitReader(f, 1<<20))
	for lines.Scan() {
		if fields := strings.Split(lines.Text(), ":"); len(fields) > 2 {
			if n, err := strconv.ParseUint(fields[2], 10, 31); err == nil {
				ids[fields[0]] = int(n)
			}
		}
	}
	return ids, lines.Err()
}

// topLinks are the links at the top of root, and what they say.
func topLinks(root fs.FS) (map[string]string, error) {
	entries, err := fs.ReadDir(root, ".")
	if err != nil {
		return nil, err
	}
	links := map[string]string{}
	for _, e := range entries {
		if e.Type()&fs.ModeSymlink == 0 {
			continue
		}
		to, err := fs.ReadLink(root, e.Name())
		if err != nil {
			return nil, err
		}
		links[e.Name()] = strings.TrimPrefix(path.Clean(to), "/")
	}
	return links, nil
}

// id is what dpkg makes of an entry's owner: the name's, where the system
// knows it, else the number.
func id(known map[string]int, name string, number int) int {
	if name == "root" {
		return 0
	}
	if n, ok := known[name]; ok {
		return n
	}
	return number
}

func through(links map[string]string, name string) string {
	top, rest, below := strings.Cut(name, "/")
	if to, ok := links[top]; ok && below {
		return path.Join(to, rest)
	}
	return name
}

// kept is where files stay although all beside them is dropped; dropped are
// paths with all below them but directories.
var (
	kept    = [...]string{"var/cache/debconf/*.dat", "var/cache/debconf/*.db"}
	dropped = [...]string{
		"run", "tmp", "var/tmp", "var/cache", "var/log", "var/backups", "var/lib/apt/lists",
		"var/lib/dpkg/*-old", "var/lib/dpkg/lock*", "var/lib/dpkg/triggers/Lock", "var/cache/ldconfig",
		"etc/.pwd.lock", "etc/passwd-", "etc/group-", "etc/shadow-", "etc/gshadow-", "etc/subuid-", "etc/subgid-",
		"etc/machine-id", "var/lib/dbus/machine-id", "etc/ssh/ssh_host_*_key*", "var/lib/systemd/random-seed",
	}
)

// drop says that name is no part of the layer.
func drop(name string, dir bool) bool {
	parts := strings.Split(name, "/")
	if slices.Contains(parts, "__pycache__") {
		return true
	}
	for _, pattern := range kept {
		if ok, _ := path.Match(pattern, name); ok {
			return false
		}
	}
	for _, pattern := range dropped {
		above := strings.Join(parts[:min(len(parts), strings.Count(pattern, "/")+1)], "/")
		if ok, _ := path.Match(pattern, above); ok {
			return !dir
		}
	}
	return false
}

// tree is changes with owners, and without what is dropped.
type tree struct {
	fs     fs.FS
	owners map[string]layer.Dir // of packages' files
	base   map[string]layer.Dir
}

var (
	_ fs.ReadDirFS  = (*tree)(nil)
	_ fs.ReadLinkFS = (*tree)(nil)
)

func (t *tree) Open(name string) (fs.File, error) { return t.fs.Open(name) }

func (t *tree) ReadLink(name string) (string, error) { return fs.ReadLink(t.fs, name) }

func (t *tree) Lstat(name string) (fs.FileInfo, error) {
	info, err := fs.Lstat(t.fs, name)
	if err != nil {
		return nil, err
	}
	return t.owned(name, info), nil
}

func (t *tree) ReadDir(name string) ([]fs.DirEntry, error) {
	entries, err := fs.ReadDir(t.fs, name)
	if err != nil {
		return nil, err
	}
	var out []fs.DirEntry
	for _, e := range entries {
		at := path.Join(name, e.Name())
		// An overlay makes every new directory opaque; there is nothing to hide.
		if _, old := t.base[name]; drop(at, e.IsDir()) || e.Name() == ".wh..wh..opq" && !old {
			continue
		}
		info, err := e.Info()
		if err != nil {
			return nil, err
		}
		out = append(out, fs.FileInfoToDirEntry(t.owned(at, info)))
	}
	return out, nil
}

// cleared are the files that lose a set-id bit.
func (t *tree) cleared() ([]string, error) {
	var paths []string
	err := fs.WalkDir(t, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		was, err := fs.Lstat(t.fs, name)
		if err != nil {
			return err
		}
		if is := t.owned(name, was); was.Mode()&setID != 0 && is.Mode()&setID != was.Mode()&setID {
			paths = append(paths, name)
		}
		return nil
	})
	return paths, err
}

const setID = fs.ModeSetuid | fs.ModeSetgid

// owned gives a path its owner: a directory or file of the base keeps it, but
// for a file that a package replaced.
func (t *tree) owned(name string, info fs.FileInfo) fs.FileInfo {
	h := tar.Header{}
	if was, ok := info.Sys().(*tar.Header); ok {
		h = *was
	}
	of, old := t.base[name]
	if packaged, ok := t.owners[name]; ok && !(old && info.IsDir()) {
		of, old = packaged, false
	}
	h.Uid, h.Gid = of.UID, of.GID
	mode := info.Mode()
	if old {
		mode = baseMode(mode, of.Mode)
	}
	if mode.IsRegular() {
		mode &^= setID &^ fileMode(of.Mode)
	}
	return ownedInfo{info, &h, mode}
}

// fileMode is a tar's mode as Go has it.
func fileMode(mode int64) fs.FileMode {
	return (&tar.Header{Typeflag: tar.TypeReg, Mode: mode}).FileInfo().Mode()
}

// baseMode is the mode of something that was in the base: where nothing but its
// unpacking changed it, what it was there.
func baseMode(mode fs.FileMode, before int64) fs.FileMode {
	was := fileMode(before)
	unpacked := was.Perm() | 0o400
	if mode.IsDir() {
		unpacked = was&(fs.ModePerm|fs.ModeSticky) | 0o700
	}
	if mode&^fs.ModeType != unpacked {
		return mode
	}
	return mode.Type() | was
}

type ownedInfo struct {
	fs.FileInfo
	header *tar.Header
	mode   fs.FileMode
}

func (i ownedInfo) Sys() any          { return i.header }
func (i ownedInfo) Mode() fs.FileMode { return i.mode }
