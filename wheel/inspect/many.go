package inspect

import (
	"cmp"
	"context"
	"errors"
	"io"
	"io/fs"
	"runtime"
	"slices"
	"strings"
	"sync"

	"github.com/sparkwheel/sparkwheel/wheel/internal/contextio"
	"golang.org/x/sync/errgroup"
)

// Found is what was found in many files.
type Found struct {
	// Files are the binaries, sorted by path.
	Files []*File
	// Damaged are the files that begin like binaries and cannot be read, sorted by path.
	Damaged []*FileError
}

// FS inspects every regular file of a tree, on all processors.
func FS(ctx context.Context, fsys fs.FS, o Options) (Found, error) {
	var sources []Source
	err := fs.WalkDir(fsys, ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		sources = append(sources, Source{path, info.Size(), func() (io.ReadCloser, error) { return fsys.Open(path) }})
		return ctx.Err()
	})
	if err != nil {
		return Found{}, err
	}
	return All(ctx, sources, o)
}

// Walk inspects files that come by in one stream, as those of a tar do. Walk
// calls visit for each file and must be able to do all that once more, where the
// layout of a file asks for it.
func Walk(o Options, walk func(visit func(path string, content io.Reader) error) error) (found Found, err error) {
	var again map[string]*Scanner
	for first := true; first || len(again) > 0; first = false {
		next := map[string]*Scanner{}
		err := walk(func(path string, content io.Reader) error {
			s := again[path]
			if first {
				s = NewScanner(path, o)
			}
			if s == nil {
				return nil
			}
			if err := s.take(content); err != nil {
				return err
			}
			if s.Again() {
				next[path] = s
				return nil
			}
			return found.Add(s.Files())
		})
		if err != nil {
			return found, err
		}
		again = next
	}
	found.Sort()
	return found, nil
}

// Source is a file that can be opened more than once.
type Source struct {
	Path string
	Size int64
	Open func() (io.ReadCloser, error)
}

// All inspects files on all processors, the largest first; it sorts sources by
// that. Of what is no binary the first bytes are read. An error means that
// reading stopped.
func All(ctx context.Context, sources []Source, o Options) (Found, error) {
	// The largest first: no processor is left alone with one at the end.
	slices.SortStableFunc(sources, func(a, b Source) int { return cmp.Compare(b.Size, a.Size) })
	var mu sync.Mutex
	var found Found
	g, groupCtx := errgroup.WithContext(ctx)
	g.SetLimit(runtime.GOMAXPROCS(0))
	for _, s := range sources {
		if s.Size < headSize {
			continue
		}
		g.Go(func() error {
			files, err := Read(s.Path, o, func() (io.ReadCloser, error) {
				r, err := s.Open()
				if err != nil {
					return nil, err
				}
				return struct {
					io.Reader
					io.Closer
				}{contextio.NewReader(groupCtx, r), r}, nil
			})
			mu.Lock()
			defer mu.Unlock()
			return found.Add(files, err)
		})
	}
	err := g.Wait()
	found.Sort()
	return found, cmp.Or(err, ctx.Err())
}

// Add takes what a Scanner's Files or Read gave for one file. An error that is
// no *FileError it returns.
func (f *Found) Add(files []*File, err error) error {
	f.Files = append(f.Files, files...)
	if damaged, ok := errors.AsType[*FileError](err); ok {
		f.Damaged = append(f.Damaged, damaged)
		return nil
	}
	return err
}

// Sort orders both lists by path.
func (f *Found) Sort() {
	slices.SortFunc(f.Files, func(a, b *File) int { return strings.Compare(a.Path, b.Path) })
	slices.SortFunc(f.Damaged, func(a, b *FileError) int { return strings.Compare(a.Path, b.Path) })
}
