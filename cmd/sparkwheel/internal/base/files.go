package base

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strings"
	"sync/atomic"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"golang.org/x/sync/errgroup"

	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/host"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/stage"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/store"
	"github.com/sparkwheel/sparkwheel/layer"
	"github.com/sparkwheel/sparkwheel/layer/deb"
	"github.com/sparkwheel/sparkwheel/layer/listing"
	"github.com/sparkwheel/sparkwheel/wheel/installed"
)

// listForm is raised when what a layer's list keeps changes.
const listForm = "1"

// maxContent bounds what a list keeps of one file: RECORD of the largest
// wheels has a megabyte, dpkg's largest list two.
const maxContent = 16 << 20

// ReadFiles reads what the image and its packages hold, into b.Files. Of each
// layer the list is read, which the store keeps by the layer's digest: a base in
// a registry is read once, and not kept.
func (b *Base) ReadFiles(ctx context.Context, env host.Env, run *stage.Run) error {
	layers, err := b.layers()
	if err != nil {
		return fmt.Errorf("reading the files of base %s: %w", b.Reference, err)
	}
	lists := make([]string, len(layers))
	g, limited := errgroup.WithContext(ctx)
	g.SetLimit(max(env.Jobs, 1))
	total, err := sizes(layers)
	if err != nil {
		return fmt.Errorf("reading the files of base %s: %w", b.Reference, err)
	}
	var done atomic.Int64
	for i, l := range layers {
		g.Go(func() error {
			list, hit, err := layerList(limited, env, l)
			if err != nil {
				return fmt.Errorf("layer %d: %w", i, err)
			}
			lists[i] = list
			if size, _ := l.Size(); !hit {
				run.Progress(done.Add(size), total)
			}
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		return fmt.Errorf("reading the files of base %s: %w", b.Reference, err)
	}
	files := listing.New()
	for i, list := range lists {
		if err := applyList(files, list); err != nil {
			return fmt.Errorf("reading the files of base %s: layer %d: %w", b.Reference, i, err)
		}
	}
	b.Files = files
	return nil
}

func (b *Base) layers() ([]v1.Layer, error) {
	layers, err := b.Image.Layers()
	for _, blob := range b.Packages {
		layers = append(layers, blob)
	}
	return layers, err
}

func sizes(layers []v1.Layer) (total int64, err error) {
	for _, l := range layers {
		size, err := l.Size()
		if err != nil {
			return 0, err
		}
		total += size
	}
	return total, nil
}

// ListEntries are the layers' lists in the store. The image must be set.
func (b *Base) ListEntries() ([]host.Entry, error) {
	layers, err := b.layers()
	if err != nil {
		return nil, err
	}
	var all []host.Entry
	for i, l := range layers {
		entry, err := listEntry(l)
		if err != nil {
			return nil, err
		}
		entry.Name = fmt.Sprintf("files of base layer %d", i+1)
		all = append(all, entry)
	}
	return all, nil
}

// KeptFiles is ReadFiles where the store has all lists, else a *stage.WaitingError.
func (b *Base) KeptFiles(env host.Env) error {
	entries, err := b.ListEntries()
	if err != nil {
		return err
	}
	files := listing.New()
	for _, entry := range entries {
		dir := env.Kept(entry)
		if dir == "" {
			return &stage.WaitingError{Reason: "its base's files are read first"}
		}
		if err := applyList(files, filepath.Join(dir, listFile)); err != nil {
			return fmt.Errorf("reading the files of base %s: %w", b.Reference, err)
		}
	}
	b.Files = files
	return nil
}

func listEntry(l v1.Layer) (host.Entry, error) {
	digest, err := l.Digest()
	if err != nil {
		return host.Entry{}, err
	}
	diffID, err := l.DiffID()
	key := store.NewHash("layer list").Field("form", listForm).Input("digest", digest.String()).Field("diff ID", diffID.String()).Key()
	return host.Entry{Kind: store.Stage, Key: key}, err
}

// listFile is the list in its directory.
const listFile = "files"

// layerList is the path of a layer's list in the store.
func layerList(ctx context.Context, env host.Env, l v1.Layer) (list string, hit bool, err error) {
	diffID, err := l.DiffID()
	if err != nil {
		return "", false, err
	}
	entry, err := listEntry(l)
	if err != nil {
		return "", false, err
	}
	dir, hit, err := env.Store.Do(ctx, entry.Kind, entry.Key, func(dir string) (err error) {
		out, err := os.Create(filepath.Join(dir, listFile))
		if err != nil {
			return err
		}
		if err = writeList(ctx, out, l, diffID); err != nil {
			_ = out.Close()
			return err
		}
		return out.Close()
	})
	return filepath.Join(dir, listFile), hit, err
}

// writeList lists a layer whose tar must be the one that the image's
// configuration names.
func writeList(ctx context.Context, w io.Writer, l v1.Layer, diffID v1.Hash) error {
	r, err := l.Uncompressed()
	if err != nil {
		return err
	}
	defer r.Close()
	sum := sha256.New()
	if err := listing.Write(ctx, w, io.TeeReader(r, sum), keep); err != nil {
		return err
	}
	if got := hex.EncodeToString(sum.Sum(nil)); got != diffID.Hex {
		return fmt.Errorf("its tar is sha256:%s, but the image's configuration says %s", got, diffID)
	}
	return nil
}

func applyList(files *listing.Files, list string) error {
	f, err := os.Open(list)
	if err != nil {
		return err
	}
	defer f.Close()
	return files.Apply(f)
}

// keep says what a layer's list keeps of its files: what tells installed
// distributions, packages, and the versions of Python and of the C library.
func keep(name string, size int64) listing.Reader {
	switch {
	case libcRE.MatchString(name):
		return glibcOf
	case installed.Content(name), deb.Listed(name), strings.HasSuffix(name, "/patchlevel.h"):
		return listing.Whole(size, maxContent)
	}
	return nil
}

var libcRE = regexp.MustCompile(`(^|/)libc(\.so\.6|-2\.[0-9]+\.so)$`)

// glibcOf keeps of a C library the version that it says of itself.
func glibcOf(r io.Reader) ([]byte, error) {
	const most = 64 << 20
	text, err := io.ReadAll(io.LimitReader(r, most))
	if m := glibcRE.FindSubmatch(text); m != nil {
		return bytes.Clone(m[1]), err
	}
	return nil, err
}

// SearchPath are the directories where the base's Python looks for
// distributions, in its order.
func (b *Base) SearchPath() []string {
	dirs := []string{b.Python.Scheme.Purelib, b.Python.Scheme.Platlib}
	if strings.HasPrefix(b.Python.Path, "/usr/bin/") {
		dirs = append(dirs, debianPackages)
		for _, lib := range []string{"usr/lib", "usr/lib64"} {
			dirs = append(dirs, path.Join(lib, "python"+b.Python.Version, "site-packages"))
		}
	}
	return dirs
}

const debianPackages = "usr/lib/python3/dist-packages"

// Hidden is a shape without what is hidden of it.
func Hidden(s layer.Shape, hides func(string) bool) layer.Shape {
	left := layer.Shape{Links: map[string]string{}, Dirs: map[string]layer.Dir{}}
	for link, target := range s.Links {
		if !hides(link) {
			left.Links[link] = target
		}
	}
	for name, dir := range s.Dirs {
		if !hides(name) {
			left.Dirs[name] = dir
		}
	}
	return left
}
