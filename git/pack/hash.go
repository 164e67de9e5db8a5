package pack

import (
	"bufio"
	"context"
	"io"
	"runtime"

	"github.com/go-git/go-git/v5/plumbing"
	"golang.org/x/sync/errgroup"
)

// largeObject is the size from which on an object is streamed through, so that
// the buffers in flight stay small.
const largeObject = 1 << 20

const buffersInFlight = 24

// hashers hash whole objects beside the scan.
type hashers struct {
	g       *errgroup.Group
	ctx     context.Context //nolint:containedctx // ends with wait
	blob    func(plumbing.Hash, []byte) error
	work    chan hashing
	buffers chan []byte
	results chan []hashed
}

type hashing struct {
	index int
	kind  plumbing.ObjectType
	data  []byte
}

type hashed struct {
	index int
	hash  plumbing.Hash
}

func newHashers(ctx context.Context, blob func(plumbing.Hash, []byte) error) *hashers {
	n := runtime.GOMAXPROCS(0)
	w := &hashers{
		blob: blob, work: make(chan hashing, buffersInFlight),
		buffers: make(chan []byte, buffersInFlight), results: make(chan []hashed, n),
	}
	for range buffersInFlight {
		w.buffers <- nil
	}
	w.g, w.ctx = errgroup.WithContext(ctx)
	for range n {
		w.g.Go(w.run)
	}
	return w
}

// inflate reads one object into a buffer, which hash gives back.
func (w *hashers) inflate(z *inflater, r *bufio.Reader, h header) ([]byte, error) {
	select {
	case buf := <-w.buffers:
		return z.whole(r, h.Size, buf)
	case <-w.ctx.Done():
		return nil, w.ctx.Err()
	}
}

// hash leaves the rest to a worker.
func (w *hashers) hash(index int, h header, content []byte) {
	w.work <- hashing{index, h.Type, content}
}

func (w *hashers) run() error {
	var results []hashed
	defer func() { w.results <- results }()
	for job := range w.work {
		h := plumbing.ComputeHash(job.kind, job.data)
		results = append(results, hashed{job.index, h})
		if job.kind == plumbing.BlobObject && w.blob != nil {
			if err := w.blob(h, job.data); err != nil {
				return err
			}
		}
		w.buffers <- job.data
	}
	return nil
}

// wait ends the work and returns what was hashed.
func (w *hashers) wait() ([]hashed, error) {
	close(w.work)
	err := w.g.Wait()
	close(w.results)
	var all []hashed
	for r := range w.results {
		all = append(all, r...)
	}
	return all, err
}

// hashLarge hashes an object as it streams by.
func (i *inflater) hashLarge(r *bufio.Reader, h header) (plumbing.Hash, error) {
	hasher := plumbing.NewHasher(h.Type, h.Size)
	if err := i.stream(hasher, r, h.Size); err != nil {
		return plumbing.Hash{}, err
	}
	return hasher.Sum(), nil
}

// discard reads past the data of an object.
func (i *inflater) discard(r *bufio.Reader, size int64) error {
	return i.stream(io.Discard, r, size)
}

// stream copies the data of an object, which must have the size given.
func (i *inflater) stream(w io.Writer, r *bufio.Reader, size int64) error {
	if err := i.reset(r); err != nil {
		return err
	}
	if _, err := io.CopyN(w, i.z, size); err != nil {
		return noEOF(err)
	}
	return i.end()
}
