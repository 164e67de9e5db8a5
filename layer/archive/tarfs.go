package archive

import (
	"archive/tar"
	"bufio"
	"context"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"strings"
	"time"
)

// tarFS is the regular files of an uncompressed tar, opened where they lie.
// The archive is opened anew for each, so that none stays open with the image.
type tarFS struct {
	path  string
	files map[string]span
}

type span struct{ offset, size int64 }

// openTar finds the members of the archive without reading their content.
func openTar(ctx context.Context, name string) (*tarFS, error) {
	f, err := openRegular(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	magic, _ := bufio.NewReader(io.NewSectionReader(f, 0, 4)).Peek(2)
	if string(magic) == "\x1f\x8b" {
		return nil, fmt.Errorf("the archive is compressed; gunzip it first")
	}
	t := &tarFS{path: name, files: make(map[string]span)}
	links := make(map[string]string)
	for tr := tar.NewReader(f); ; {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		h, err := tr.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			return nil, fmt.Errorf("reading its tar: %w", err)
		}
		at := path.Clean(strings.TrimLeft(h.Name, "/"))
		switch h.Typeflag {
		case tar.TypeReg:
			offset, err := f.Seek(0, io.SeekCurrent)
			if err != nil {
				return nil, err
			}
			if offset+h.Size > info.Size() {
				return nil, fmt.Errorf("reading its tar: %s: %w", at, io.ErrUnexpectedEOF)
			}
			t.files[at] = span{offset, h.Size}
		case tar.TypeLink:
			links[at] = path.Clean(strings.TrimLeft(h.Linkname, "/"))
		case tar.TypeSymlink:
			links[at] = path.Join(path.Dir(at), h.Linkname)
		}
	}
	// Old docker writes a layer that two images share once, and links to it.
	for at, target := range links {
		if s, ok := t.files[target]; ok {
			t.files[at] = s
		}
	}
	return t, nil
}

func (t *tarFS) Open(name string) (fs.File, error) {
	s, ok := t.files[name]
	if !ok {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
	}
	f, err := os.Open(t.path)
	if err != nil {
		return nil, err
	}
	return &tarFile{io.NewSectionReader(f, s.offset, s.size), f, name}, nil
}

type tarFile struct {
	*io.SectionReader
	file *os.File
	name string
}

func (f *tarFile) Close() error { return f.file.Close() }
func (f *tarFile) Stat() (fs.FileInfo, error) {
	return tarInfo{path.Base(f.name), f.SectionReader.Size()}, nil
}

type tarInfo struct {
	name string
	size int64
}

func (i tarInfo) Name() string       { return i.name }
func (i tarInfo) Size() int64        { return i.size }
func (i tarInfo) Mode() fs.FileMode  { return 0o444 }
func (i tarInfo) ModTime() time.Time { return time.Time{} }
func (i tarInfo) IsDir() bool        { return false }
func (i tarInfo) Sys() any           { return nil }
