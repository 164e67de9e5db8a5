// Package waste finds the bytes of an image that nobody can reach or, most
// likely, needs. It counts every byte once.
package waste

import (
	"archive/tar"
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"io"
	"runtime"
	"slices"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"golang.org/x/sync/errgroup"

	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/visible"
)

// Report is what an image has of waste.
type Report struct {
	// Layers are those of the image, the lowest first.
	Layers []Layer `json:"layers"`
	// Unpacked is the size of all files of all layers, Wasted what Kinds add up to.
	Unpacked int64 `json:"unpacked"`
	Wasted   int64 `json:"wasted"`
	// Kinds are what was found, the most bytes first.
	Kinds []Found `json:"kinds"`
}

// Layer is what one layer has of it.
type Layer struct {
	Digest   string         `json:"digest"`
	Size     int64          `json:"size"` // as it is sent, compressed
	Unpacked int64          `json:"unpacked"`
	Waste    map[Kind]int64 `json:"waste"`
}

// Found is all of one kind.
type Found struct {
	Kind   Kind   `json:"kind"`
	Files  int    `json:"files"`
	Bytes  int64  `json:"bytes"`
	Remedy string `json:"remedy"`
	// Largest are the ten largest files.
	Largest []File `json:"largest"`
}

// File is one file.
type File struct {
	Path  string `json:"path"`
	Size  int64  `json:"size"`
	Layer int    `json:"layer"` // index in Layers
	// Of is the file with the same content that is kept, for a duplicate.
	Of string `json:"of,omitempty"`
}

// minDuplicate is the size from which equal files are worth a word.
const minDuplicate = 4096

const maxLargest = 10

// file is a file of a layer while it is read.
type file struct {
	path string
	size int64
	sum  [16]byte // of the content's SHA-256, from minDuplicate on
}

type content struct {
	visible.Layer
	files []file
}

// Of reads every layer of the image once, on all processors.
func Of(ctx context.Context, img v1.Image) (*Report, error) {
	layers, err := img.Layers()
	if err != nil {
		return nil, err
	}
	read := make([]*content, len(layers))
	r := &Report{Layers: make([]Layer, len(layers)), Kinds: []Found{}}
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(runtime.GOMAXPROCS(0))
	for i, l := range layers {
		digest, err := l.Digest()
		if err != nil {
			return nil, err
		}
		size, err := l.Size()
		if err != nil {
			return nil, err
		}
		r.Layers[i] = Layer{Digest: digest.String(), Size: size, Waste: map[Kind]int64{}}
		g.Go(func() (err error) {
			read[i], err = readLayer(ctx, l)
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	r.sum(read)
	return r, nil
}

func readLayer(ctx context.Context, l v1.Layer) (c *content, err error) {
	src, err := l.Uncompressed()
	if err != nil {
		return nil, err
	}
	defer func() { err = cmp.Or(err, src.Close()) }()
	c = &content{}
	buf := make([]byte, 64<<10)
	for tr := tar.NewReader(src); ; {
		h, err := tr.Next()
		if errors.Is(err, io.EOF) {
			return c, nil
		}
		if err := cmp.Or(err, ctx.Err()); err != nil {
			return nil, err
		}
		name, ok := c.Add(h)
		if !ok || h.Typeflag != tar.TypeReg {
			continue
		}
		f := file{path: name, size: h.Size}
		if h.Size >= minDuplicate {
			sum := sha256.New()
			if _, err := io.CopyBuffer(struct{ io.Writer }{sum}, struct{ io.Reader }{tr}, buf); err != nil {
				return nil, err
			}
			copy(f.sum[:], sum.Sum(nil))
		}
		c.files = append(c.files, f)
	}
}

// place is a file with the layer that it lies in.
type place struct {
	file
	layer int
}

// sum sorts every file into at most one kind.
func (r *Report) sum(read []*content) {
	kinds := map[Kind]*Found{}
	add := func(k Kind, p place, of string) {
		f := kinds[k]
		if f == nil {
			f = &Found{Kind: k, Remedy: k.remedy()}
			kinds[k] = f
		}
		f.Files++
		f.Bytes += p.size
		f.Largest = append(f.Largest, File{p.path, p.size, p.layer, of})
		r.Layers[p.layer].Waste[k] += p.size
		r.Wasted += p.size
	}
	var left []place
	var above visible.Above
	for i, c := range slices.Backward(read) {
		last := map[string]int{} // of a path that a layer has twice, the last counts
		for n, f := range c.files {
			last[f.path] = n
		}
		for n, f := range c.files {
			r.Unpacked += f.size
			r.Layers[i].Unpacked += f.size
			p := place{f, i}
			switch k := kindOf(f.path); {
			case last[f.path] != n || above.Hides(f.path):
				add(Hidden, p, "")
			case k != "":
				add(k, p, "")
			default:
				left = append(left, p)
			}
		}
		above.Add(&c.Layer)
	}
	duplicates(left, add)
	for _, f := range kinds {
		slices.SortFunc(f.Largest, func(a, b File) int { return cmp.Or(cmp.Compare(b.Size, a.Size), cmp.Compare(a.Path, b.Path)) })
		f.Largest = slices.Clone(f.Largest[:min(len(f.Largest), maxLargest)])
		r.Kinds = append(r.Kinds, *f)
	}
	slices.SortFunc(r.Kinds, func(a, b Found) int { return cmp.Or(cmp.Compare(b.Bytes, a.Bytes), cmp.Compare(a.Kind, b.Kind)) })
}

// duplicates adds all but the first of files with equal content: the one in the
// lowest layer stays, of several there the first by path.
func duplicates(files []place, add func(Kind, place, string)) {
	slices.SortFunc(files, func(a, b place) int { return cmp.Or(cmp.Compare(a.layer, b.layer), cmp.Compare(a.path, b.path)) })
	type key struct {
		size int64
		sum  [16]byte
	}
	first := map[key]string{}
	for _, p := range files {
		if p.size < minDuplicate {
			continue
		}
		k := key{p.size, p.sum}
		if of, ok := first[k]; ok {
			add(Duplicate, p, of)
			continue
		}
		first[k] = p.path
	}
}
