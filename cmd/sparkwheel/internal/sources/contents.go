package sources

import (
	"errors"
	"io/fs"
	"maps"
	"os"
	"path"
	"strings"
	"testing/fstest"

	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/recipe"
	"github.com/sparkwheel/sparkwheel/git"
	"github.com/sparkwheel/sparkwheel/requirements/fetchcontent"
)

// buildContents is where a build finds what its CMake files would fetch: each
// in a directory of its name.
const buildContents = "/build/src-deps"

// ReadContents reads the CMake files as the build will have them: with the
// patches, the rewriting and the recipe's own files.
func ReadContents(r *recipe.Recipe, w recipe.Wheel, src Resolved, machine string) (_ *fetchcontent.Result, err error) {
	root, err := os.OpenRoot(src.Tree.Dir)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, root.Close()) }()
	source, _ := r.Source(w.Source)
	opt := fetchcontent.Options{
		Root: buildSource, Dir: w.Subdirectory, Environment: map[string]string{},
		Variables: map[string]string{"CMAKE_SYSTEM_PROCESSOR": machine},
	}
	maps.Copy(opt.Variables, w.FetchContent.Variables)
	target := Target{Machine: machine, GPUArch: r.Target.GPUArch}
	for k, v := range w.Environment {
		opt.Environment[k] = recipe.Expand(v, Values(src.Locked, target))
	}
	over := fstest.MapFS{}
	for name, text := range Files(*source, src.Locked, target) {
		over[name] = &fstest.MapFile{Data: []byte(text), Mode: 0o644}
	}
	return fetchcontent.Read(overlaid{over, root.FS()}, opt)
}

// overlaid is a tree with files over it.
type overlaid struct{ over, under fs.FS }

// Open implements fs.FS.
func (o overlaid) Open(name string) (fs.File, error) {
	if f, err := o.over.Open(name); err == nil {
		if info, err := f.Stat(); err == nil && info.Mode().IsRegular() {
			return f, nil
		}
		f.Close()
	}
	return o.under.Open(name)
}

// ContentSource is content as the source that its tree is prepared from.
func ContentSource(l recipe.LockedContent, patches []recipe.Patch) recipe.Source {
	// A lock that was read has nothing where one that is made has an empty list:
	// both are one key in the store.
	return recipe.Source{
		Name: "fetchcontent " + strings.ToLower(l.Name), Git: git.Source{URL: l.URL, Ref: l.Ref},
		Submodules: append([]string(nil), l.Checkout...), Patches: patches,
	}
}

// Content is what a build has of what its CMake files would fetch.
type Content struct {
	Locked recipe.LockedContent
	Tree   *Tree
}

// Name is the content's name in lower case, as CMake takes it.
func (c Content) Name() string { return strings.ToLower(c.Locked.Name) }

// Place is the content's directory in the build.
func (c Content) Place() string { return path.Join(buildContents, c.Name()) }

// LockedContent is a content that a lock pins, as the source that its tree is
// prepared from.
type LockedContent struct {
	recipe.LockedContent
	Source At
}

// LockedContents are the contents of a wheel, in the lock's order. dir is the
// recipe's.
func LockedContents(w recipe.Wheel, l *recipe.Lock, dir string) []LockedContent {
	set, ok := l.Wheel(w.Name)
	if !ok || w.FetchContent == nil {
		return nil
	}
	source, ok := l.Source(w.Source)
	if !ok {
		return nil
	}
	var all []LockedContent
	for _, c := range set.FetchContent {
		src := ContentSource(c, w.FetchContent.Repositories[strings.ToLower(c.Name)].Patches)
		pinned := recipe.LockedSource{URL: c.URL, Ref: c.Ref, Commit: c.Commit, Time: c.Time, Tree: c.Tree, Version: source.Unpatched()}
		all = append(all, LockedContent{c, Locked(src, pinned, dir)})
	}
	return all
}

// WithContents are environment variables by which the build finds its
// contents, beside those that the recipe gives.
func WithContents(environment map[string]string, f *recipe.FetchContent, contents []Content) map[string]string {
	if len(contents) == 0 {
		return environment
	}
	out := maps.Clone(environment)
	if out == nil {
		out = map[string]string{}
	}
	var arguments []string
	for _, c := range contents {
		if c.Locked.Environment != "" {
			out[c.Locked.Environment] = c.Place()
		} else {
			arguments = append(arguments, "-D"+c.Locked.Argument+"="+c.Place())
		}
	}
	if len(arguments) > 0 {
		out[f.Arguments] = strings.TrimSpace(out[f.Arguments] + " " + strings.Join(arguments, " "))
	}
	return out
}
