package main

import (
	"bytes"
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"runtime"
	"slices"
	"strings"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/sparkwheel/sparkwheel/layer"
	"github.com/sparkwheel/sparkwheel/layer/registry"
	"github.com/sparkwheel/sparkwheel/wheel/sandbox"
)

//go:embed ask.py
var askPython string

// installed is what the image's Python says about one distribution.
type installed struct {
	Name, Version, Installer, URL string
	Files                         int
	Wrong                         []string // files that are not as RECORD says
}

// answer is what ask.py prints.
type answer struct {
	Python        string
	Distributions []installed
	Commits       map[string]string
}

// pullBack fetches an image by digest and lays it out in dir.
func pullBack(ctx context.Context, image, dir string) (v1.Image, error) {
	ref, err := name.NewDigest(image)
	if err != nil {
		return nil, err
	}
	img, err := registry.New(registry.Options{}).Pull(ctx, ref, v1.Platform{OS: "linux", Architecture: runtime.GOARCH})
	if err != nil {
		return nil, err
	}
	if err := errors.Join(sandbox.RemoveAll(dir), os.MkdirAll(dir, 0o755)); err != nil {
		return nil, err
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	_, err = layer.Unpack(ctx, img, root)
	return img, err
}

// ask starts the image's own Python in the sandbox, in the environment that
// the image's configuration gives, and asks it what is installed.
func ask(ctx context.Context, img v1.Image, dir string) (*answer, error) {
	config, err := img.ConfigFile()
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	s := sandbox.Sandbox{Root: dir}
	err = s.Run(ctx, sandbox.Command{
		Args:   []string{"python3", "-c", askPython},
		Env:    append([]string{"HOME=/tmp", "PYTHONDONTWRITEBYTECODE=1"}, config.Config.Env...),
		Dir:    config.Config.WorkingDir,
		Output: &out,
	})
	if err != nil {
		return nil, fmt.Errorf("starting Python from the image: %w\n%s", err, tail(out.Bytes()))
	}
	var a answer
	if err := json.Unmarshal(out.Bytes(), &a); err != nil {
		return nil, fmt.Errorf("reading Python's answer: %w\n%s", err, tail(out.Bytes()))
	}
	return &a, nil
}

// check holds Python's answer against what was to be built.
func (a *answer) check(commits map[string]string) error {
	want := map[string]string{}
	for _, p := range projects() {
		want[p.sdist] = p.version
	}
	for _, d := range a.Distributions {
		version, ok := want[d.Name]
		if public, _, _ := strings.Cut(d.Version, "+"); !ok || public != version {
			return fmt.Errorf("the image has %s %s, not %s", d.Name, d.Version, version)
		}
		if len(d.Wrong) > 0 {
			return fmt.Errorf("files of %[2]s that differ from its RECORD: %[1]d, the first %[3]s", len(d.Wrong), d.Name, d.Wrong[0])
		}
		delete(want, d.Name)
	}
	if len(want) > 0 {
		return fmt.Errorf("missing in the image: %s", strings.Join(slices.Sorted(maps.Keys(want)), " and "))
	}
	for _, file := range slices.Sorted(maps.Keys(commits)) {
		if a.Commits[file] != commits[file] {
			return fmt.Errorf("%s in the image says %q, built was %s", file, a.Commits[file], commits[file])
		}
	}
	return nil
}
