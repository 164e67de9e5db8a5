package wheel

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"runtime"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"github.com/sparkwheel/sparkwheel/wheel/internal/contextio"
)

// Verify reads every member once, on all processors, and holds it against the
// archive's CRC-32 and size and against RECORD's hash. All that is wrong is in
// the *VerifyError; another error means that reading stopped, by ctx or the disk.
func (r *Reader) Verify(ctx context.Context) error {
	var f faults
	if err := r.verify(ctx, &f); err != nil {
		return err
	}
	return f.err(r.Filename.String())
}

// Verify is Open and Reader.Verify in one, which finds the faults of both: a
// member with a lying name does not hide another with a lying hash. The
// warnings come in any case.
func Verify(ctx context.Context, path string) (warnings []Fault, err error) {
	var f faults
	r, err := open(path, &f)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	if err := r.verify(ctx, &f); err != nil {
		return nil, err
	}
	return r.warnings, f.err(filepath.Base(path))
}

func (r *Reader) verify(ctx context.Context, f *faults) error {
	if r.bomb {
		return ctx.Err() // what it inflates to is known already
	}
	g, groupCtx := errgroup.WithContext(ctx)
	var next atomic.Int32
	for range runtime.GOMAXPROCS(0) {
		g.Go(func() error {
			for i := next.Add(1) - 1; int(i) < len(r.archive.Members); i = next.Add(1) - 1 {
				file := File{r, i}
				if !file.member().Readable() {
					continue // has its fault already
				}
				if err := file.verify(groupCtx, f); err != nil {
					return err
				}
			}
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		return fmt.Errorf("verifying %s: %w", r.path, err)
	}
	return ctx.Err()
}

func (f File) verify(ctx context.Context, all *faults) error {
	c := f.Open()
	defer c.Close()
	_, err := io.Copy(io.Discard, contextio.NewReader(ctx, c))
	if fault, ok := errors.AsType[*VerifyError](err); ok {
		for _, one := range fault.Faults {
			all.add(one.Code, one.Path, one.Message)
		}
		return nil
	}
	return err
}
