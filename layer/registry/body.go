package registry

import (
	"errors"
	"io"
	"sync"
	"sync/atomic"
)

// guard is the body of one request. The transport may read a body after it
// gave its answer or error: once stopped, guard lets it no longer, so that the
// reader below can be closed or go on elsewhere.
type guard struct {
	mu      sync.Mutex
	r       io.Reader
	n       int64
	stopped bool
}

var errStopped = errors.New("the request is over")

func (g *guard) Read(p []byte) (int, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.stopped {
		return 0, errStopped
	}
	n, err := g.r.Read(p)
	g.n += int64(n)
	return n, err
}

// stop returns how much was read.
func (g *guard) stop() int64 {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.stopped = true
	return g.n
}

// counter counts the bytes of request bodies.
type counter struct{ n atomic.Int64 }

func (c *counter) Load() int64 { return c.n.Load() }

func (c *counter) reader(r io.Reader) io.Reader { return &countingReader{r, c} }

type countingReader struct {
	r io.Reader
	c *counter
}

func (r *countingReader) Read(p []byte) (int, error) {
	n, err := r.r.Read(p)
	r.c.n.Add(int64(n))
	return n, err
}

// moving reports progress within a chunk.
func (u *upload) moving(r io.Reader) io.Reader {
	return &movingReader{r: r, u: u, done: u.offset}
}

type movingReader struct {
	r              io.Reader
	u              *upload
	done, reported int64
}

// reportEvery keeps the callback cheap.
const reportEvery = 1 << 20

func (m *movingReader) Read(p []byte) (int, error) {
	n, err := m.r.Read(p)
	m.done += int64(n)
	if m.done-m.reported >= reportEvery {
		m.reported = m.done
		m.u.push.progress(BlobProgress{Digest: m.u.source.digest, Done: m.done, Total: m.u.source.size})
	}
	return n, err
}
