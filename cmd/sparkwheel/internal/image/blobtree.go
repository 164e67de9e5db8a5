package image

import (
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"
	"time"
)

// blobFile is a file whose bytes lie elsewhere on this host.
type blobFile struct {
	path string // in the tree, as fs.ValidPath has it
	from string // on the host
	mode fs.FileMode
}

// blobTree is an fs.FS of such files: names and modes are its own, so that
// neither the places of the bytes nor this host's umask show in it.
type blobTree []blobFile

var _ fs.ReadDirFS = blobTree(nil)

// Open opens a file, or a directory that the files' paths imply.
func (t blobTree) Open(name string) (fs.File, error) {
	if !fs.ValidPath(name) {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrInvalid}
	}
	for _, f := range t {
		if f.path != name {
			continue
		}
		file, err := os.Open(f.from)
		return blobHandle{file, f}, err
	}
	if _, err := t.ReadDir(name); err != nil {
		return nil, err
	}
	return dirHandle{dirInfo(path.Base(name))}, nil
}

// ReadDir lists a directory, sorted by name.
func (t blobTree) ReadDir(name string) ([]fs.DirEntry, error) {
	prefix := name + "/"
	if name == "." {
		prefix = ""
	}
	var entries []fs.DirEntry
	seen := map[string]bool{}
	for _, f := range t {
		rest, ok := strings.CutPrefix(f.path, prefix)
		if !ok {
			continue
		}
		first, _, below := strings.Cut(rest, "/")
		if seen[first] {
			continue
		}
		seen[first] = true
		if below {
			entries = append(entries, fs.FileInfoToDirEntry(dirInfo(first)))
			continue
		}
		info, err := f.stat()
		if err != nil {
			return nil, err
		}
		entries = append(entries, fs.FileInfoToDirEntry(info))
	}
	if len(entries) == 0 && name != "." {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
	}
	slices.SortFunc(entries, func(a, b fs.DirEntry) int { return strings.Compare(a.Name(), b.Name()) })
	return entries, nil
}

func (f blobFile) stat() (fs.FileInfo, error) {
	info, err := os.Stat(f.from)
	if err != nil {
		return nil, err
	}
	return blobInfo{path.Base(f.path), f.mode, info.Size()}, nil
}

type blobHandle struct {
	*os.File
	file blobFile
}

func (h blobHandle) Stat() (fs.FileInfo, error) { return h.file.stat() }

type dirHandle struct{ fs.FileInfo }

func (h dirHandle) Stat() (fs.FileInfo, error) { return h.FileInfo, nil }

func (h dirHandle) Close() error { return nil }

func (h dirHandle) Read([]byte) (int, error) {
	return 0, &fs.PathError{Op: "read", Path: h.Name(), Err: fs.ErrInvalid}
}

type blobInfo struct {
	name string
	mode fs.FileMode
	size int64
}

func dirInfo(name string) blobInfo { return blobInfo{name: name, mode: fs.ModeDir | 0o755} }

func (i blobInfo) Name() string { return i.name }

func (i blobInfo) Size() int64 { return i.size }

func (i blobInfo) Mode() fs.FileMode { return i.mode }

func (i blobInfo) ModTime() time.Time { return time.Time{} }

func (i blobInfo) IsDir() bool { return i.mode.IsDir() }

func (i blobInfo) Sys() any { return nil }
