package wheel

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"runtime"
	"sync"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"github.com/sparkwheel/sparkwheel/wheel/inspect"
	"github.com/sparkwheel/sparkwheel/wheel/internal/contextio"
)

// Verify reads every member once, on all processors, and holds it against the
// archive's CRC-32 and size and against RECORD's hash, and the binaries among
// them against the machine of the wheel's tags. All that is wrong is in the
// *VerifyError; another error means that reading stopped, by ctx or the disk.
func (r *Reader) Verify(ctx context.Context) error {
	var f faults
	if _, err := r.verify(ctx, &f); err != nil {
		return err
	}
	return f.err(r.Filename.String())
}

// Verify is Open and Reader.Verify in one, which finds the faults of both: a
// member with a lying name does not hide another with a lying hash. The
// warnings come in any case.
func Verify(ctx context.Context, path string) (warnings []Fault, err error) {
	v, err := VerifyAll(ctx, path)
	return v.Warnings, err
}

// Verified is what Verify learns of a wheel.
type Verified struct {
	Warnings []Fault
	// Binaries were read on the way, without their symbols and kernels.
	Binaries inspect.Found
	// Promises are what Reader.PromiseFaults says of them.
	Promises []Fault
}

// VerifyAll is Verify with all that it learns, which comes beside a *VerifyError
// too.
func VerifyAll(ctx context.Context, path string) (v Verified, err error) {
	var f faults
	r, err := open(path, &f)
	if err != nil {
		return v, err
	}
	defer r.Close()
	if v.Binaries, err = r.verify(ctx, &f); err != nil {
		return v, err
	}
	v.Warnings, v.Promises = r.warnings, r.PromiseFaults(v.Binaries)
	return v, f.err(filepath.Base(path))
}

func (r *Reader) verify(ctx context.Context, f *faults) (found inspect.Found, err error) {
	if r.bomb {
		return found, ctx.Err() // what it inflates to is known already
	}
	var mu sync.Mutex
	g, groupCtx := errgroup.WithContext(ctx)
	var next atomic.Int32
	for range runtime.GOMAXPROCS(0) {
		g.Go(func() error {
			buf := make([]byte, 64<<10)
			for i := next.Add(1) - 1; int(i) < len(r.archive.Members); i = next.Add(1) - 1 {
				file := File{r, i}
				if !file.member().Readable() {
					continue // has its fault already
				}
				s, err := file.verify(groupCtx, f, buf)
				if err != nil {
					return err
				}
				if s != nil {
					mu.Lock()
					err = found.Add(s.Files())
					mu.Unlock()
				}
				if err != nil {
					return err
				}
			}
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		return found, fmt.Errorf("verifying %s: %w", r.path, err)
	}
	found.Sort()
	r.checkBinaries(found, f)
	return found, ctx.Err()
}

// verify reads the content to its end, once for nearly every file: a binary of
// an unusual layout once more. The scanner is nil where the content is not sound.
func (f File) verify(ctx context.Context, all *faults, buf []byte) (*inspect.Scanner, error) {
	s := inspect.NewScanner(f.Path(), inspect.Options{})
	for {
		c := f.Open()
		_, err := io.CopyBuffer(s, contextio.NewReader(ctx, c), buf)
		c.Close()
		if fault, ok := errors.AsType[*VerifyError](err); ok {
			for _, one := range fault.Faults {
				all.add(one.Code, one.Path, one.Message)
			}
			return nil, nil
		}
		if err != nil || !s.Again() {
			return s, err
		}
	}
}
