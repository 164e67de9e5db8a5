package layer

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
	"io"
	"io/fs"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"golang.org/x/sync/errgroup"
)

// pipeline runs segments from a planner through workers to two consumers that
// take them in order: one hashes the tar, one hashes and writes the blob. The
// queues between them are bounded, so memory does not grow with the layer.
type pipeline struct {
	tree  fs.FS
	opt   Options
	out   io.Writer
	total int64

	work     chan *segment
	tars     chan *segment
	blobs    chan *segment
	tarHash  hash.Hash
	blobHash hash.Hash
	tarSize  int64
	blobSize int64
}

func newPipeline(tree fs.FS, out io.Writer, opt Options) *pipeline {
	window := opt.Jobs + 2
	return &pipeline{
		tree: tree, opt: opt, out: out,
		work:     make(chan *segment),
		tars:     make(chan *segment, window),
		blobs:    make(chan *segment, window),
		tarHash:  sha256.New(),
		blobHash: sha256.New(),
	}
}

// run drives the tar that plan emits through to the blob.
func (p *pipeline) run(ctx context.Context, plan func(ctx context.Context, emit func(*segment) error) error) error {
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error {
		defer close(p.work)
		defer close(p.tars)
		defer close(p.blobs)
		return plan(ctx, func(s *segment) error { return p.emit(ctx, s) })
	})
	for range p.opt.Jobs {
		g.Go(func() error { return p.worker(ctx) })
	}
	g.Go(func() error { return p.consume(ctx, p.tars, p.hashTar) })
	g.Go(func() error { return p.consume(ctx, p.blobs, p.writeBlob) })
	return g.Wait()
}

// emit queues the segment for the consumers before a worker sees it: the
// oldest segment has a worker always, so no two can wait for each other.
func (p *pipeline) emit(ctx context.Context, s *segment) error {
	if err := send(ctx, p.tars, s); err != nil {
		return err
	}
	if err := send(ctx, p.blobs, s); err != nil {
		return err
	}
	return send(ctx, p.work, s)
}

func (p *pipeline) worker(ctx context.Context) error {
	comp, err := newCompressor(p.opt)
	if err != nil {
		return err
	}
	defer comp.release()
	inflater := new(inflater)
	for s := range p.work {
		if s.splice != nil {
			err = inflater.run(ctx, s)
		} else {
			err = p.pack(ctx, comp, s)
		}
		if err != nil {
			return err
		}
		close(s.tar)
		close(s.blob)
	}
	return nil
}

// pack fills a segment from its parts and compresses it as one piece.
func (p *pipeline) pack(ctx context.Context, comp compressor, s *segment) error {
	plain := getPack()
	plain.data = plain.mem[:0]
	for _, a := range s.parts {
		if a.path == "" {
			plain.data = append(plain.data, a.bytes...)
			if a.lent != nil {
				a.lent.put()
			}
			continue
		}
		b, err := readFull(plain.data, p.tree, a)
		if err != nil {
			return fmt.Errorf("reading %s: %w", a.path, err)
		}
		plain.data = b
	}
	s.parts = nil
	packed := getPack()
	b, err := comp.compress(packed.mem[:0], plain.data)
	if err != nil {
		return fmt.Errorf("compressing: %w", err)
	}
	packed.data = b
	if err := send(ctx, s.tar, plain); err != nil {
		return err
	}
	return send(ctx, s.blob, packed)
}

func (p *pipeline) consume(ctx context.Context, segments <-chan *segment, take func(context.Context, *segment) error) error {
	for s := range segments {
		if err := take(ctx, s); err != nil {
			return err
		}
	}
	return ctx.Err()
}

func (p *pipeline) hashTar(ctx context.Context, s *segment) error {
	return p.drain(ctx, s.tar, func(b []byte) error {
		p.tarHash.Write(b)
		p.tarSize += int64(len(b))
		if p.opt.Progress != nil {
			p.opt.Progress(p.tarSize, p.total)
		}
		return nil
	})
}

func (p *pipeline) writeBlob(ctx context.Context, s *segment) error {
	return p.drain(ctx, s.blob, func(b []byte) error {
		p.blobHash.Write(b)
		p.blobSize += int64(len(b))
		_, err := p.out.Write(b)
		return err
	})
}

func (p *pipeline) drain(ctx context.Context, queue <-chan *chunk, take func([]byte) error) error {
	for {
		select {
		case b, ok := <-queue:
			if !ok {
				return nil
			}
			err := take(b.data)
			b.put()
			if err != nil {
				return err
			}
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

func digestOf(h hash.Hash) v1.Hash {
	return v1.Hash{Algorithm: "sha256", Hex: hex.EncodeToString(h.Sum(nil))}
}
