package index

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"syscall"

	"golang.org/x/sync/errgroup"
)

// Progress is how far a Fetch is. It is a value: keep it or throw it away.
type Progress struct {
	Files, FilesDone int
	Bytes, BytesDone int64  // of all files; Bytes counts unpinned sizes once they are known
	Received         int64  // over the network in this call
	File             string // the file that moved last
}

// Fetched is what a Fetch did.
type Fetched struct {
	Files    int   // distinct files asked for
	Present  int   // of them here before
	Bytes    int64 // of all of them
	Received int64 // bytes of bodies that came over the network
}

// SpaceError says that the files do not fit on the disk; nothing was fetched.
type SpaceError struct {
	Dir        string
	Need, Free int64
}

func (e *SpaceError) Error() string {
	return fmt.Sprintf("%s has %d MB free, but %d MB are still to be downloaded", e.Dir, e.Free/1e6, e.Need/1e6)
}

// Fetch brings every pin below dir as Download does, up to jobs at a time, the
// largest first. One file's failure stops no other: the error joins them all,
// in the order of pins, and the next call brings what is missing. A full disk
// ends it at once. progress, when not nil, is called by one goroutine at a time.
func (c *Client) Fetch(ctx context.Context, pins []Pin, dir string, jobs int, progress func(Progress)) (Fetched, error) {
	f := &fetching{client: c, dir: dir, report: progress}
	todo, err := f.plan(pins)
	if err != nil {
		return f.result(), err
	}
	errs := make([]error, len(todo))
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	var g errgroup.Group
	g.SetLimit(max(jobs, 1))
	for i, pin := range todo {
		if ctx.Err() != nil {
			break
		}
		g.Go(func() error {
			errs[i] = f.one(ctx, pin)
			if errors.Is(errs[i], syscall.ENOSPC) { // all others would fail of it too
				stop(fmt.Errorf("%w; what was downloaded is kept", errs[i]))
			}
			return nil
		})
	}
	err = g.Wait()
	if ctx.Err() != nil {
		return f.result(), context.Cause(ctx)
	}
	return f.result(), errors.Join(err, inOrder(pins, todo, errs))
}

// fetching is the state of one Fetch.
type fetching struct {
	client *Client
	dir    string
	report func(Progress)

	present int

	mu  sync.Mutex
	now Progress
}

// plan leaves out what is here, once per content, and checks that the rest
// fits.
func (f *fetching) plan(pins []Pin) ([]Pin, error) {
	var todo []Pin
	seen := map[string]bool{}
	var need int64
	for _, pin := range pins {
		if seen[pin.SHA256] {
			continue
		}
		seen[pin.SHA256] = true
		if _, err := pin.check(f.client.address(pin.URL)); err != nil {
			return nil, err
		}
		f.now.Files++
		f.now.Bytes += pin.Size
		if pin.Present(f.dir) {
			f.present++
			f.now.FilesDone++
			f.now.BytesDone += pin.Size
			continue
		}
		todo = append(todo, pin)
		need += pin.Size - partSize(pin.Path(f.dir))
	}
	// The last of many small files goes on while a large one is half way: the
	// other order leaves one connection alone at the end.
	slices.SortStableFunc(todo, func(a, b Pin) int { return cmp.Compare(b.Size, a.Size) })
	if free, ok := freeSpace(f.dir); ok && need > free {
		return nil, &SpaceError{Dir: f.dir, Need: need, Free: free}
	}
	return todo, nil
}

func (f *fetching) one(ctx context.Context, pin Pin) error {
	var counted, came int64 // of this pin in BytesDone and Received
	size := pin.Size
	_, err := f.client.download(ctx, pin, f.dir, func(done, total, received int64) {
		f.tell(pin, func(p *Progress) {
			p.Bytes += max(total-size, 0)
			size = max(total, size)
			p.BytesDone += done - counted
			p.Received += received - came
			counted, came = done, received
		})
	})
	f.tell(pin, func(p *Progress) {
		if err == nil {
			p.FilesDone++
		}
	})
	return err
}

func (f *fetching) tell(pin Pin, change func(*Progress)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	change(&f.now)
	f.now.File = pin.File
	if f.report != nil {
		f.report(f.now)
	}
}

// result is what was done so far; no download runs.
func (f *fetching) result() Fetched {
	return Fetched{Files: f.now.Files, Present: f.present, Bytes: f.now.Bytes, Received: f.now.Received}
}

// inOrder joins the errors of todo in the order of pins.
func inOrder(pins, todo []Pin, errs []error) error {
	bySum := map[string]error{}
	for i, pin := range todo {
		bySum[pin.SHA256] = errs[i]
	}
	var all []error
	for _, pin := range pins {
		if err := bySum[pin.SHA256]; err != nil {
			all = append(all, err)
			delete(bySum, pin.SHA256)
		}
	}
	return errors.Join(all...)
}

func partSize(final string) int64 {
	info, err := os.Lstat(final + ".part")
	if err != nil {
		return 0
	}
	return info.Size()
}

// freeSpace asks the file system that dir is or will be on.
func freeSpace(dir string) (int64, bool) {
	for {
		var st syscall.Statfs_t
		err := syscall.Statfs(dir, &st)
		if err == nil {
			return int64(st.Bavail) * st.Bsize, true
		}
		up := filepath.Dir(dir)
		if !errors.Is(err, syscall.ENOENT) || up == dir {
			return 0, false
		}
		dir = up
	}
}
