package builds

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/host"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/stage"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/wheels"
	"github.com/sparkwheel/sparkwheel/layer/deb"
	"github.com/sparkwheel/sparkwheel/wheel/builder"
	"github.com/sparkwheel/sparkwheel/wheel/sandbox"
)

// Again runs the build a second time under other circumstances and compares
// each product with what the build made first.
func (p Plan) Again(ctx context.Context, env host.Env, run *stage.Run) (_ []wheels.Verdict, err error) {
	if _, err := host.Fetch(ctx, env, p.Needed(), run); err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp(env.Scratch(), "again-*")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, sandbox.RemoveAll(dir)) }()
	spec, err := p.spec(ctx, env)
	if err != nil {
		return nil, err
	}
	root, err := p.Root(ctx, run)
	if err != nil {
		return nil, err
	}
	box := &sandbox.Sandbox{Root: root, Mode: env.Sandbox, Hostname: "another"}
	if _, err := builder.Again(ctx, box, spec, p.outputs(), dir, run); err != nil {
		return nil, fmt.Errorf("running build %s again: %w", p.Recipe.Name, err)
	}
	var all []wheels.Verdict
	for i := range p.outputs() {
		verdicts, err := p.compare(ctx, filepath.Join(env.Place(p.Entry()), strconv.Itoa(i)), filepath.Join(dir, strconv.Itoa(i)))
		if err != nil {
			return nil, fmt.Errorf("comparing what build %s made: %w", p.Recipe.Name, err)
		}
		all = append(all, verdicts...)
	}
	return all, nil
}

// compare holds the products of one output against those of the second run.
func (p Plan) compare(ctx context.Context, first, second string) (all []wheels.Verdict, err error) {
	files, err := both(first, second)
	if err != nil {
		return nil, err
	}
	for _, name := range files {
		v := wheels.Verdict{Wheel: p.Recipe.Name, File: name}
		a, b := filepath.Join(first, name), filepath.Join(second, name)
		if v.Difference, err = difference(ctx, a, b); err != nil {
			return nil, err
		}
		v.Equal = v.Difference == ""
		if info, err := os.Lstat(a); err == nil && info.Mode().IsRegular() {
			if v.SHA256, _, err = host.HashFile(a); err != nil {
				return nil, err
			}
		}
		all = append(all, v)
	}
	return all, nil
}

// both are the files and links below two directories, each once.
func both(dirs ...string) (names []string, err error) {
	for _, dir := range dirs {
		err := fs.WalkDir(os.DirFS(dir), ".", func(path string, d fs.DirEntry, err error) error {
			if err == nil && !d.IsDir() {
				names = append(names, path)
			}
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	slices.Sort(names)
	return slices.Compact(names), nil
}

// difference says in words where two files differ, "" where they do not.
func difference(ctx context.Context, a, b string) (string, error) {
	first, err := os.Lstat(a)
	if err != nil {
		return "only the second build made it", ignoreMissing(err)
	}
	second, err := os.Lstat(b)
	switch {
	case err != nil:
		return "only the first build made it", ignoreMissing(err)
	case first.Mode() != second.Mode():
		return fmt.Sprintf("its mode is %v, and was %v", second.Mode(), first.Mode()), nil
	case first.Mode().Type() == fs.ModeSymlink:
		return differentLinks(a, b)
	}
	was, _, err := host.HashFile(a)
	if err != nil {
		return "", err
	}
	is, _, err := host.HashFile(b)
	if err != nil || was == is {
		return "", err
	}
	switch filepath.Ext(a) {
	case ".deb":
		return differentDebs(ctx, a, b)
	case ".whl":
		d, err := builder.Compare(ctx, a, b)
		if err != nil || d == nil {
			return "", err
		}
		return d.String(), nil
	}
	return fmt.Sprintf("sha256:%s (%d bytes), and was sha256:%s (%d bytes)", is, second.Size(), was, first.Size()), nil
}

func ignoreMissing(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

func differentLinks(a, b string) (string, error) {
	was, err := os.Readlink(a)
	if err != nil {
		return "", err
	}
	is, err := os.Readlink(b)
	if err != nil || was == is {
		return "", err
	}
	return fmt.Sprintf("it leads to %q, and led to %q", is, was), nil
}

// differentDebs names the files that two packages have otherwise.
func differentDebs(ctx context.Context, a, b string) (string, error) {
	was, err := debFiles(ctx, a)
	if err != nil {
		return "", err
	}
	is, err := debFiles(ctx, b)
	if err != nil {
		return "", err
	}
	var names []string
	for name, sum := range was {
		if is[name] != sum {
			names = append(names, "/"+name)
		}
	}
	for name := range is {
		if _, ok := was[name]; !ok {
			names = append(names, "/"+name)
		}
	}
	if len(names) == 0 {
		return "its files are equal: their times, owners or the control files differ", nil
	}
	slices.Sort(names)
	return "these files differ: " + strings.Join(names, ", "), nil
}

// debFiles are the entries of a package, with what each is in one text.
func debFiles(ctx context.Context, file string) (map[string]string, error) {
	in, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer in.Close()
	sums := map[string]string{}
	pkg, err := deb.ReadContents(ctx, in, func(f deb.File, r io.Reader) error {
		sum, err := host.HashReader(r)
		sums[f.Path] = sum
		return err
	})
	if err != nil {
		return nil, err
	}
	all := map[string]string{}
	for _, f := range pkg.Files {
		all[f.Path] = fmt.Sprintf("%c %o %s %s", f.Type, f.Mode, f.Link, sums[f.Path])
	}
	return all, nil
}
