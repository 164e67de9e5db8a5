package layer

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/sparkwheel/sparkwheel/layer/internal/atomicfile"
)

// Write makes the layer that holds tree and leaves it in dir, which it creates
// if need be: in one reading the tar is built, hashed, compressed, hashed again
// and written. Entries are sorted, owned by 0:0 and of one time; each parent
// stands once before what it holds. What a file of the tree offers as deflate
// stream (see Deflated) is carried over unless Options say otherwise, and is
// checked against its CRC, SHA-256 and size on the way.
//
// Until Write returns nil dir holds no layer that Open would take; a layer that
// was there is replaced in one step. Memory does not grow with the tree's bytes.
func Write(ctx context.Context, dir string, tree fs.FS, opt Options) (*Blob, error) {
	opt, err := opt.withDefaults()
	if err != nil {
		return nil, fmt.Errorf("writing layer: %w", err)
	}
	list, err := entries(ctx, tree, opt)
	if err != nil {
		return nil, fmt.Errorf("writing layer: %w", err)
	}
	return writeBlob(dir, func(out io.Writer) (meta, error) {
		p := newPipeline(tree, out, opt)
		for _, e := range list {
			p.total += blockSize + e.size + int64(len(padding(e.size)))
		}
		err := p.run(ctx, func(ctx context.Context, emit func(*segment) error) error {
			pl := &planner{tree: tree, opt: opt, emit: emit}
			return pl.run(ctx, list)
		})
		return p.meta(len(list)), err
	})
}

// WriteTar makes a layer of a tar as it stands: the same entries in the same
// order, compressed by Options (Gzip packs all of it at the fixed level). Links,
// Dirs and MTime do not apply. It reads tar to its end.
func WriteTar(ctx context.Context, dir string, tar io.Reader, opt Options) (*Blob, error) {
	opt, err := opt.withDefaults()
	if err != nil {
		return nil, fmt.Errorf("writing layer: %w", err)
	}
	return writeBlob(dir, func(out io.Writer) (meta, error) {
		p := newPipeline(nil, out, opt)
		err := p.run(ctx, func(ctx context.Context, emit func(*segment) error) error {
			return cut(ctx, tar, emit)
		})
		return p.meta(0), err
	})
}

// cut makes segments of a stream.
func cut(ctx context.Context, r io.Reader, emit func(*segment) error) error {
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		lent := getPack()
		n, err := fill(r, lent.mem[:packSize])
		if n > 0 {
			seg := newSegment()
			seg.parts = []part{{bytes: lent.mem[:n], lent: lent, size: int64(n)}}
			if err := emit(seg); err != nil {
				return err
			}
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("reading the tar: %w", err)
		}
	}
}

func (p *pipeline) meta(files int) meta {
	return meta{
		Compression: p.opt.Compression, Comment: p.opt.Comment, Files: files,
		Digest: digestOf(p.blobHash), Size: p.blobSize,
		DiffID: digestOf(p.tarHash), TarSize: p.tarSize,
	}
}

// writeBlob puts what fill writes into dir: first the blob, then the file that
// names it, each whole or not at all.
func writeBlob(dir string, fill func(io.Writer) (meta, error)) (*Blob, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("writing layer: %w", err)
	}
	b := &Blob{dir: dir}
	err := atomicfile.Write(filepath.Join(dir, blobFile), func(w io.Writer) (err error) {
		b.meta, err = fill(w)
		if err != nil {
			return err
		}
		// From here to the rename below an old description would not fit the blob.
		if err := os.Remove(filepath.Join(dir, metaFile)); !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("writing layer: %w", err)
	}
	err = atomicfile.Write(filepath.Join(dir, metaFile), func(w io.Writer) error {
		return json.NewEncoder(w).Encode(b.meta)
	})
	if err != nil {
		return nil, fmt.Errorf("writing layer: %w", err)
	}
	return b, nil
}
