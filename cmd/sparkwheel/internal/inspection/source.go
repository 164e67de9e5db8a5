package inspection

import (
	"archive/tar"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"slices"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"golang.org/x/sync/errgroup"

	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/regular"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/visible"
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

// layerContent is what one layer has.
type layerContent struct {
	found inspect.Found
	visible.Layer
}

func readLayer(ctx context.Context, l v1.Layer, o inspect.Options) (*layerContent, error) {
	c := &layerContent{}
	var err error
	c.found, err = inspect.Walk(o, func(visit func(string, io.Reader) error) (err error) {
		c.Layer = visible.Layer{}
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
			if name, ok := c.Add(h); ok && h.Typeflag == tar.TypeReg {
				if err := visit(name, tr); err != nil {
					return err
				}
			}
		}
	})
	return c, err
}

// flatten is what of the layers, the lowest first, can be seen from above.
func flatten(layers []*layerContent) (found inspect.Found) {
	var above visible.Above
	for _, c := range slices.Backward(layers) {
		for _, f := range c.found.Files {
			if !above.Hides(fileOf(f.Path)) {
				found.Files = append(found.Files, f)
			}
		}
		for _, d := range c.found.Damaged {
			if !above.Hides(fileOf(d.Path)) {
				found.Damaged = append(found.Damaged, d)
			}
		}
		above.Add(&c.Layer)
	}
	found.Sort()
	return found
}

// fileOf is the file in which an archive's member lies.
func fileOf(p string) string {
	if i := strings.LastIndex(p, "("); i > 0 && strings.HasSuffix(p, ")") {
		return p[:i]
	}
	return p
}
