// Package listing describes an image's files by the lists of its layers alone:
// Write lists one layer's tar, and Files puts such lists upon each other as a
// container runtime does the layers. Nothing is unpacked, and of the files'
// contents only what the caller asked to keep is there.
package listing

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/sparkwheel/sparkwheel/layer"
	"github.com/sparkwheel/sparkwheel/layer/internal/contextio"
)

// Limits of what a layer may hold; one that goes beyond is refused. The largest
// images that are known have half a million files.
const (
	maxEntries = 2 << 20
	maxName    = 4096      // as PATH_MAX, for names and for the targets of links
	maxNames   = 256 << 20 // bytes of all names and targets together
	maxKept    = 128 << 20 // bytes of all contents that are kept
)

// ErrTooLarge is in the chain of an error about a layer beyond these limits.
var ErrTooLarge = errors.New("the layer is larger than the limit")

// Entry is one line of a layer's list.
type Entry struct {
	Name    string // clean, without a leading slash
	Link    string // of a link, as the tar has it
	Kind    byte   // a tar.Header's Typeflag
	Mode    int64  // permission bits with setuid, setgid and sticky
	UID     int
	GID     int
	Size    int64
	Content []byte // what was kept of a file's content
	Kept    bool   // Content is what the file's Reader gave
}

// Reader reads from a file's content what is to be kept of it. It need not read
// all.
type Reader func(io.Reader) ([]byte, error)

// Keep says how the file of that name and size is read for its list; nil keeps
// nothing of it.
type Keep func(name string, size int64) Reader

// Whole is a Reader that keeps all of a file of at most limit bytes, and nothing
// of a larger one.
func Whole(size, limit int64) Reader {
	if size > limit {
		return nil
	}
	return io.ReadAll
}

// Write reads a layer's tar, not compressed, to its end and writes its list to
// w. The tar is a stream: memory does not grow with it. A name that leads out of
// the image, a type of entry that no layer has, and a layer beyond the limits
// (ErrTooLarge) are errors.
func Write(ctx context.Context, w io.Writer, layerTar io.Reader, keep Keep) error {
	out := newEncoder(w)
	l := &lister{enc: out, keep: keep}
	in := contextio.NewReader(ctx, layerTar)
	for tr := tar.NewReader(in); ; {
		h, err := tr.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			return fmt.Errorf("listing a layer: reading its tar: %w", err)
		}
		if err := l.add(h, tr); err != nil {
			return fmt.Errorf("listing a layer: %.200q: %w", h.Name, err)
		}
	}
	// What follows the tar's end is part of what the layer's digest covers.
	if _, err := io.Copy(io.Discard, in); err != nil {
		return fmt.Errorf("listing a layer: reading its tar: %w", err)
	}
	return out.end()
}

// lister writes a list and counts what it costs.
type lister struct {
	enc                  *encoder
	keep                 Keep
	entries, names, kept int
}

func (l *lister) add(h *tar.Header, content io.Reader) error {
	switch h.Typeflag {
	case tar.TypeReg, tar.TypeDir, tar.TypeSymlink, tar.TypeLink, tar.TypeChar, tar.TypeBlock, tar.TypeFifo:
	case tar.TypeXGlobalHeader:
		return nil
	default:
		return fmt.Errorf("type %q is not allowed in a layer", h.Typeflag)
	}
	name, err := layer.EntryName(h.Name)
	if err != nil {
		return err
	}
	if len(name) > maxName || len(h.Linkname) > maxName {
		return fmt.Errorf("its name has more than %d bytes: %w", maxName, ErrTooLarge)
	}
	l.entries++
	l.names += len(name) + len(h.Linkname)
	if l.entries > maxEntries || l.names > maxNames {
		return fmt.Errorf("more than %d entries, or %d bytes of names: %w", maxEntries, maxNames, ErrTooLarge)
	}
	e := Entry{Name: name, Link: h.Linkname, Kind: h.Typeflag, Mode: h.Mode & 0o7777, UID: h.Uid, GID: h.Gid, Size: h.Size}
	if h.Typeflag == tar.TypeReg && l.keep != nil && !strings.HasPrefix(base(name), whiteoutPrefix) {
		if read := l.keep(name, h.Size); read != nil {
			if e.Content, err = read(content); err != nil {
				return fmt.Errorf("reading it: %w", err)
			}
			e.Kept = true
			if l.kept += len(e.Content); l.kept > maxKept {
				return fmt.Errorf("more than %d bytes to keep: %w", maxKept, ErrTooLarge)
			}
		}
	}
	return l.enc.add(&e)
}

// base is the last component of a name.
func base(name string) string { return name[strings.LastIndexByte(name, '/')+1:] }
