package image

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"golang.org/x/sync/errgroup"

	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/base"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/host"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/stage"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/store"
	"github.com/sparkwheel/sparkwheel/layer"
	"github.com/sparkwheel/sparkwheel/layer/inflate"
	"github.com/sparkwheel/sparkwheel/layer/layout"
	"github.com/sparkwheel/sparkwheel/layer/listing"
	"github.com/sparkwheel/sparkwheel/wheel"
	"github.com/sparkwheel/sparkwheel/wheel/index"
	"github.com/sparkwheel/sparkwheel/wheel/install"
)

// corpus is wheels to make an image of.
type corpus struct {
	members  []Member
	scheme   install.Scheme
	unpacked int64
	files    int
}

// newCorpus describes wheel files.
func newCorpus(tb testing.TB, paths []string, s install.Scheme) *corpus {
	tb.Helper()
	c := &corpus{scheme: s}
	c.scheme.URL = ""
	for _, path := range paths {
		sum, size, err := host.HashFile(path)
		if err != nil {
			tb.Fatal(err)
		}
		c.members = append(c.members, Member{File: filepath.Base(path), Path: path, SHA256: sum, Size: size})
		r, err := wheel.Open(path)
		if err != nil {
			tb.Fatal(err)
		}
		for f := range r.Files() {
			c.unpacked += f.Size()
			c.files++
		}
		if err := r.Close(); err != nil {
			tb.Fatal(err)
		}
	}
	return c
}

func (c *corpus) paths() (paths []string) {
	for _, m := range c.members {
		paths = append(paths, m.Path)
	}
	return paths
}

func (c *corpus) String() string {
	return fmt.Sprintf("%d wheels, %d files, %d MiB unpacked", len(c.members), c.files, c.unpacked>>20)
}

// image does what build does once the wheels are in the store: look at all of
// them, write the layers that dir's store lacks, and the layout in dir.
func (c *corpus) image(ctx context.Context, dir string) (img v1.Image, err error) {
	s, err := store.Open(filepath.Join(dir, "store"))
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	env := host.Env{Store: s, Index: new(index.Client), Jobs: runtime.GOMAXPROCS(0)}
	g := new(stage.Graph)
	made := stage.Add(g, "image", func(ctx context.Context, run *stage.Run) (v1.Image, error) {
		if _, err := Inspect(env, &base.Base{Files: listing.New()}, c.scheme, c.members, Strictness{}); err != nil {
			return nil, err
		}
		groups, err := Group(c.members, 0)
		if err != nil {
			return nil, err
		}
		layers, err := Write(ctx, env, Place{c.scheme, layer.Shape{}}, groups, run)
		if err != nil {
			return nil, err
		}
		base, err := mutate.ConfigFile(empty.Image, &v1.ConfigFile{OS: "linux", Architecture: "arm64", RootFS: v1.RootFS{Type: "layers"}})
		if err != nil {
			return nil, err
		}
		return layer.Append(base, layer.Config{}, Blobs(layers)...)
	})
	if err := g.Run(ctx, 1, silent{}); err != nil {
		return nil, err
	}
	_, err = layout.Write(ctx, filepath.Join(dir, "image"), "", made.Value())
	return made.Value(), err
}

// floor is the least that any way must do: inflate every member to check it, on
// all cores and as fast as this program can, hash content, tar and blob, and
// write the blob to the disk.
func (c *corpus) floor(ctx context.Context, dir string) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(runtime.GOMAXPROCS(0))
	largest := slices.SortedFunc(slices.Values(c.members), func(a, b Member) int { return int(b.Size - a.Size) })
	for _, m := range largest {
		g.Go(func() error {
			if err := ctx.Err(); err != nil {
				return err
			}
			return floorOf(m.Path, filepath.Join(dir, m.File))
		})
	}
	return g.Wait()
}

func floorOf(path, to string) error {
	r, err := wheel.Open(path)
	if err != nil {
		return err
	}
	defer r.Close()
	out, err := os.Create(to)
	if err != nil {
		return err
	}
	defer out.Close()
	p := &leastPipe{out: out, piece: make([]byte, 256<<10), tar: sha256.New(), blob: sha256.New()}
	for range 2 {
		p.spare = append(p.spare, make([]byte, 256<<10))
	}
	var d inflate.Decoder
	for f := range r.Files() {
		raw, _, _, err := f.Deflate()
		if errors.Is(err, errors.ErrUnsupported) {
			if err := p.stored(f.Open()); err != nil {
				return err
			}
			continue
		}
		if err != nil {
			return err
		}
		p.in, p.content = raw, sha256.New()
		if err := d.Decode(p); err != nil {
			return err
		}
	}
	return out.Sync()
}

// leastPipe hashes and writes, and does nothing else.
type leastPipe struct {
	in      io.Reader
	out     io.Writer
	piece   []byte
	spare   [][]byte
	lent    [][]byte
	content io.Writer
	tar     io.Writer
	blob    io.Writer
}

func (p *leastPipe) Next() ([]byte, error) {
	n, err := io.ReadFull(p.in, p.piece)
	if n == 0 {
		return nil, err
	}
	_, err = io.MultiWriter(p.blob, p.out).Write(p.piece[:n])
	return p.piece[:n], err
}

func (p *leastPipe) Buffer() []byte {
	b := p.spare[0]
	p.spare, p.lent = p.spare[1:], append(p.lent, b)
	return b
}

func (p *leastPipe) Emit(end int) error {
	b := p.lent[0]
	p.lent, p.spare = p.lent[1:], append(p.spare, b)
	_, err := io.MultiWriter(p.content, p.tar).Write(b[inflate.Window:end])
	return err
}

func (p *leastPipe) stored(r io.ReadCloser) error {
	defer r.Close()
	_, err := io.CopyBuffer(io.MultiWriter(p.tar, p.blob, p.out), struct{ io.Reader }{r}, p.piece)
	return err
}

// silent reports nothing.
type silent struct{}

func (silent) Report(stage.Event) {}
