package builder

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/sparkwheel/sparkwheel/wheel/sandbox"
)

// Output is a product of a build that makes no wheel by a backend: files, or a
// directory, of its source tree after the last step.
type Output struct {
	// Glob is a path below the source's top, slash-separated, in the form of
	// [path.Match]. It has to match exactly one entry, or with Many at least one.
	Glob string
	Many bool
	// Tree takes directories, whole; without it they are no match.
	Tree bool
}

// Product is what an Output took.
type Product struct {
	Output int    // its index in the outputs asked for
	Path   string // on the host, below the directory given to [Outputs]
}

// OutputError is a glob that matched what no build is right to go on with.
type OutputError struct {
	Glob    string
	Matched []string // below the source's top; empty when nothing matched
}

func (e *OutputError) Error() string {
	if len(e.Matched) == 0 {
		return fmt.Sprintf("no output of the build matches %q", e.Glob)
	}
	return fmt.Sprintf("%q matches %d entries instead of one: %s", e.Glob, len(e.Matched), strings.Join(e.Matched, ", "))
}

// Outputs runs spec's Steps and puts what outputs name into dir, an existing
// directory: products of output N into dir/N, by rename of the whole directory
// dir/N, wheels repacked as [Wheels] repacks them. Beside them lies
// [CommandsFile] when a launcher recorded compilations. A failed step is a
// *FailedError, a glob that matches too little or too much an *[OutputError];
// nothing is left in dir then.
func Outputs(ctx context.Context, r Runner, spec Spec, outputs []Output, dir string, w io.Writer) (_ []Product, err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("building %s: %w", spec.Distribution, err)
		}
	}()
	if len(spec.Steps) == 0 {
		return nil, errors.New("there are no steps")
	}
	b, err := begin(ctx, r, spec, dir, w)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, sandbox.RemoveAll(b.work)) }()
	if err := b.steps(ctx); err != nil {
		return nil, b.withCommands(err)
	}
	var products []Product
	for i, o := range outputs {
		made, err := b.take(ctx, i, o)
		if err != nil {
			return nil, err
		}
		products = append(products, made...)
	}
	if err := keepCommands(b.host(fileCommands), filepath.Join(dir, CommandsFile)); err != nil {
		return nil, err
	}
	for i := range outputs {
		if err := os.Rename(b.host(takenDir(i)), filepath.Join(dir, fmt.Sprint(i))); err != nil {
			return nil, err
		}
	}
	for i, p := range products {
		products[i].Path = filepath.Join(dir, fmt.Sprint(p.Output), filepath.Base(p.Path))
	}
	return products, nil
}

func takenDir(output int) string { return fmt.Sprintf("%s/%d", dirOut, output) }

// take copies what one output names out of the source's tree. Links in the way
// are not followed out of it.
func (b *build) take(ctx context.Context, i int, o Output) ([]Product, error) {
	root, err := os.OpenRoot(b.host(dirSource))
	if err != nil {
		return nil, err
	}
	defer root.Close()
	matched, err := o.match(root.FS())
	if err != nil {
		return nil, err
	}
	if err := os.Mkdir(b.host(takenDir(i)), 0o755); err != nil {
		return nil, err
	}
	var products []Product
	for _, m := range matched {
		from, to := filepath.Join(b.host(dirSource), filepath.FromSlash(m)), filepath.Join(b.host(takenDir(i)), path.Base(m))
		switch {
		case o.Tree:
			err = copier{at: b.spec.Epoch}.tree(ctx, from, to)
		case strings.HasSuffix(m, ".whl") && !b.spec.NoRepack:
			_, err = Repack(ctx, from, to, nil)
		default:
			err = copyFile(from, to, b.spec.Epoch)
		}
		if err != nil {
			return nil, fmt.Errorf("taking %s: %w", m, err)
		}
		products = append(products, Product{Output: i, Path: to})
	}
	return products, nil
}

// match lists what the glob names: no links, and of one name one entry, since
// products of one output share a directory.
func (o Output) match(tree fs.FS) ([]string, error) {
	all, err := fs.Glob(tree, o.Glob)
	if err != nil {
		return nil, fmt.Errorf("%q: %w", o.Glob, err)
	}
	var matched []string
	names := map[string]bool{}
	for _, m := range all {
		info, err := fs.Lstat(tree, m)
		if err != nil {
			return nil, err
		}
		if info.IsDir() != o.Tree || !info.IsDir() && !info.Mode().IsRegular() {
			continue
		}
		if names[path.Base(m)] {
			return nil, &OutputError{o.Glob, all}
		}
		names[path.Base(m)] = true
		matched = append(matched, m)
	}
	if len(matched) == 0 || len(matched) > 1 && !o.Many {
		return nil, &OutputError{o.Glob, matched}
	}
	return matched, nil
}
