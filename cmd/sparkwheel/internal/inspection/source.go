package inspection

import (
	"archive/tar"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"path"
	"runtime"
	"slices"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"golang.org/x/sync/errgroup"

	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/regular"
	"github.com/sparkwheel/sparkwheel/layer/deb"
	"github.com/sparkwheel/sparkwheel/wheel/inspect"
)

// Deb inspects what a Debian package installs.
func Deb(ctx context.Context, file string, o inspect.Options) (inspect.Found, error) {
	return inspect.Walk(o, func(visit func(string, io.Reader) error) (err error) {
		f, err := regular.Open(file)
		if err != nil {
			return err
		}
		defer func() { err = cmp.Or(err, f.Close()) }()
		_, err = deb.ReadContents(ctx, f, func(m deb.File, content io.Reader) error { return visit(m.Path, content) })
		if err != nil {
			return fmt.Errorf("inspecting %s: %w", file, err)
		}
		return nil
	})
}

// Image inspects the files that a container of the image sees: those of each
// layer, less what a layer above replaces or removes. Layers are read on all
// processors.
func Image(ctx context.Context, img v1.Image, o inspect.Options) (inspect.Found, error) {
	layers, err := img.Layers()
	if err != nil {
		return inspect.Found{}, err
	}
	read := make([]*layerContent, len(layers))
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(runtime.GOMAXPROCS(0))
	for i, l := range layers {
		g.Go(func() (err error) {
			read[i], err = readLayer(ctx, l, o)
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return inspect.Found{}, err
	}
	return flatten(read), nil
}

// layerContent is what one layer brings and takes away.
type layerContent struct {
	found   inspect.Found
	present map[string]bool // paths that it has
	removed []string        // paths that its whiteouts take from the layers below
	opaque  []string        // directories of which they take everything
}

func readLayer(ctx context.Context, l v1.Layer, o inspect.Options) (*layerContent, error) {
	c := &layerContent{}
	var err error
	c.found, err = inspect.Walk(o, func(visit func(string, io.Reader) error) (err error) {
		c.present, c.removed, c.opaque = map[string]bool{}, nil, nil
		r, err := l.Uncompressed()
		if err != nil {
			return err
		}
		defer func() { err = cmp.Or(err, r.Close()) }()
		for tr := tar.NewReader(r); ; {
			h, err := tr.Next()
			if errors.Is(err, io.EOF) {
				return nil
			}
			if err := cmp.Or(err, ctx.Err()); err != nil {
				return err
			}
			if err := c.entry(h, tr, visit); err != nil {
				return err
			}
		}
	})
	return c, err
}

// entry takes one entry of a layer (OCI image-spec, layer.md).
func (c *layerContent) entry(h *tar.Header, content io.Reader, visit func(string, io.Reader) error) error {
	name := strings.TrimPrefix(path.Clean("/"+h.Name), "/")
	dir, base := path.Split(name)
	switch whited, ok := strings.CutPrefix(base, ".wh."); {
	case base == ".wh..wh..opq":
		c.opaque = append(c.opaque, dir)
	case ok:
		c.removed = append(c.removed, dir+whited)
	default:
		c.present[name] = true
		if h.Typeflag == tar.TypeReg {
			return visit(name, content)
		}
	}
	return nil
}

// flatten is what of the layers, the lowest first, can be seen from above.
func flatten(layers []*layerContent) (found inspect.Found) {
	for i, c := range layers {
		hidden := func(name string) bool {
			return slices.ContainsFunc(layers[i+1:], func(above *layerContent) bool { return above.hides(name) })
		}
		for _, f := range c.found.Files {
			if !hidden(fileOf(f.Path)) {
				found.Files = append(found.Files, f)
			}
		}
		for _, d := range c.found.Damaged {
			if !hidden(fileOf(d.Path)) {
				found.Damaged = append(found.Damaged, d)
			}
		}
	}
	slices.SortFunc(found.Files, func(a, b *inspect.File) int { return strings.Compare(a.Path, b.Path) })
	return found
}

func (c *layerContent) hides(name string) bool {
	if c.present[name] || slices.ContainsFunc(c.opaque, func(dir string) bool { return strings.HasPrefix(name, dir) }) {
		return true
	}
	return slices.ContainsFunc(c.removed, func(gone string) bool { return name == gone || strings.HasPrefix(name, gone+"/") })
}

// fileOf is the file in which an archive's member lies.
func fileOf(p string) string {
	if i := strings.LastIndex(p, "("); i > 0 && strings.HasSuffix(p, ")") {
		return p[:i]
	}
	return p
}
