package pipeline

import (
	"archive/tar"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/base"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/host"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/imagename"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/packages"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/recipe"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/stage"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/store"
	"github.com/sparkwheel/sparkwheel/git"
	"github.com/sparkwheel/sparkwheel/layer/archive"
	"github.com/sparkwheel/sparkwheel/wheel/index"
	"github.com/sparkwheel/sparkwheel/wheel/wheeltest"
)

var update = flag.Bool("update", false, "write the golden files")

// project is a small recipe with one of each: a source, a wheel that is built,
// a runtime set, files and settings of the image; and a store that has all that
// takes a network or a sandbox, so that a build makes its image anywhere.
type project struct {
	t      *testing.T
	env    host.Env
	recipe *recipe.Recipe
	lock   *recipe.Lock
	bodies map[string][]byte // files of the runtime set and of the recipe, by name
}

func newProject(t *testing.T) *project {
	t.Helper()
	return newProjectOn(t, nil)
}

// newProjectOn is newProject with more files in its base.
func newProjectOn(t *testing.T, files map[string]string) *project {
	t.Helper()
	dir := t.TempDir()
	tarball := filepath.Join(dir, "base.tar")
	writeTarOf(t, tarball, files,
		tar.Header{Typeflag: tar.TypeDir, Name: "./usr/local/lib/", Mode: 0o2775, Gid: 50},
		tar.Header{Typeflag: tar.TypeSymlink, Name: "./usr/bin/python3", Linkname: "sh"})
	s, err := store.Open(filepath.Join(dir, "store"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	p := &project{t: t, bodies: map[string][]byte{"tool": []byte("#!/bin/sh\n"), "model.json": []byte("{}\n")}}
	p.env = host.Env{
		Store: s, Index: &index.Client{Offline: true}, Mirrors: &git.Mirrors{Dir: filepath.Join(dir, "git"), Offline: true},
		Offline: true, Jobs: 2, Host: v1.Platform{OS: "linux", Architecture: "arm64"},
	}
	img, err := archive.Tar(t.Context(), tarball, s.Blobs())
	if err != nil {
		t.Fatal(err)
	}
	digest, err := img.Digest()
	if err != nil {
		t.Fatal(err)
	}
	p.recipe = &recipe.Recipe{
		Name: "made", Digest: "sha256:" + strings.Repeat("1", 64), Base: imagename.Name{Transport: imagename.Tar, Path: tarball}, UV: "0.9", Target: recipe.Target{Platform: "host"},
		Sources: []recipe.Source{{Name: "s", Git: git.Source{URL: "https://example.com/s.git", Ref: "v1"}, Version: "scm", Marker: ".s-commit", Files: map[string]string{"v": "{version}"}}},
		Wheels: []recipe.Wheel{{
			Name: "w", Source: "s", Distribution: "w", Environment: map[string]string{"V": "{version}+{short}"},
			Shims: []recipe.Shim{{Name: "torch", Version: "2.11.0"}}, Inputs: map[string]string{"model": "model.json"},
		}},
		Files: []recipe.File{
			{Name: "tool", URL: "https://example.com/tool", Image: "/usr/bin/tool", Executable: true},
			{Name: "model", URL: "https://example.com/model.json"},
		},
		Image: recipe.Image{
			WorkDir: "/workspace", Environment: map[string]string{"A": "1"}, Labels: map[string]string{"x": "y"}, Entrypoint: []string{"w"},
			Groups: map[string][]string{"pair": {"one", "two"}},
		},
	}
	p.lock = &recipe.Lock{
		Recipe: "made", RecipeDigest: p.recipe.Digest, Platform: "linux/arm64", Python: "3.12",
		Base: recipe.LockedBase{Reference: p.recipe.Base, Digest: digest.String(), Interpreter: "/usr/bin/python3"},
		UV:   []recipe.LockedUV{{Version: "0.9", Platform: "linux/arm64", File: "uv.whl", URL: "https://example.com/uv.whl", SHA256: strings.Repeat("2", 64), Size: 1}},
		Sources: []recipe.LockedSource{{
			Name: "s", URL: "https://example.com/s.git", Ref: "v1", Commit: strings.Repeat("c", 40), Tree: strings.Repeat("d", 40),
			Time: time.Date(2026, 6, 3, 9, 56, 43, 0, time.UTC), Version: "1.0",
		}},
	}
	runtime := p.pylock("runtime", "one-1.0-py3-none-any.whl", "two-1.0-py3-none-any.whl", "three-1.0-py3-none-any.whl")
	p.lock.Runtime = &runtime
	p.lock.Wheels = []recipe.LockedWheel{{Name: "w", LockedSet: p.pylock("w", "one-1.0-py3-none-any.whl")}}
	for _, f := range p.recipe.Files {
		body := p.bodies[filepath.Base(f.URL)]
		p.lock.Files = append(p.lock.Files, recipe.LockedFile{Name: f.Name, URL: f.URL, SHA256: sumOf(body), Size: int64(len(body))})
	}
	for _, body := range p.bodies {
		p.write(index.Pin{SHA256: sumOf(body)}.Path(s.Blobs()), string(body))
	}
	return p
}

// pylock makes wheels and the set that pins them.
func (p *project) pylock(name string, files ...string) recipe.LockedSet {
	var text strings.Builder
	text.WriteString("lock-version = \"1.0\"\ncreated-by = \"uv\"\n")
	for _, file := range files {
		module, _, _ := strings.Cut(file, "-")
		body := wheeltest.New(file, module+".py", "x = 1\n").Pack()
		p.bodies[file] = body
		fmt.Fprintf(&text, "[[packages]]\nname = %q\nversion = \"1.0\"\n[[packages.wheels]]\nurl = %q\nsize = %d\nhashes = { sha256 = %q }\n",
			module, "https://example.com/"+file, len(body), sumOf(body))
	}
	return recipe.NewSet(name, []byte(text.String()))
}

func (p *project) write(path, text string) {
	p.t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		p.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		p.t.Fatal(err)
	}
}

func (p *project) request(image bool) Request {
	return Request{Env: p.env, Recipe: p.recipe, Lock: p.lock, Image: image}
}

func (p *project) plan(image bool) []stage.Look {
	p.t.Helper()
	steps, err := Plan(p.request(image))
	if err != nil {
		p.t.Fatal(err)
	}
	return steps
}

// give puts the result of a planned stage into the store.
func (p *project) give(kind, name string, files map[string]string) {
	p.t.Helper()
	for _, step := range p.plan(false) {
		if step.Name == name {
			key, err := store.DigestKey("sha256:" + step.Key)
			if err != nil {
				p.t.Fatal(err)
			}
			p.keep(kind, key, files)
			return
		}
	}
	p.t.Fatalf("the plan has no stage %s", name)
}

func (p *project) keep(kind string, key store.Key, files map[string]string) {
	p.t.Helper()
	_, _, err := p.env.Store.Do(p.t.Context(), kind, key, func(dir string) error {
		for file, text := range files {
			p.write(filepath.Join(dir, file), text)
		}
		return nil
	})
	if err != nil {
		p.t.Fatal(err)
	}
}

// prepare gives the store what a network and a sandbox would make.
func (p *project) prepare() {
	p.t.Helper()
	p.keep(store.Stage, base.AnswerKey(p.lock.Base.Digest), map[string]string{"answer.json": `{"Version": "3.12", "Full": "3.12.3", "GLIBC": "2.39", "Machine": "aarch64",
		"Paths": {"purelib": "/usr/local/lib/python3.12/dist-packages", "platlib": "/usr/local/lib/python3.12/dist-packages", "scripts": "/usr/local/bin", "data": "/usr/local", "include": "/usr/local/include/python3.12"}}`})
	g := new(stage.Graph)
	stage.Add(g, "base", p.base)
	if err := g.Run(p.t.Context(), 1, silent{}); err != nil {
		p.t.Fatal(err)
	}
	p.give(store.Tools, "uv", map[string]string{"uv": ""})
	p.give(store.Stage, "source s", map[string]string{"tree/setup.py": "", "prepared.json": `{"tree": "` + p.lock.Sources[0].Tree + `", "changes": []}`})
	p.give(store.Stage, "wheel w", map[string]string{
		"w-1.0-cp312-cp312-linux_aarch64.whl": string(wheeltest.New("w-1.0-cp312-cp312-linux_aarch64.whl", "w/__init__.py", "1\n").Pack()),
	})
}

// image builds it.
func (p *project) image() *Result {
	p.t.Helper()
	return p.build(p.request(true))
}

func (p *project) build(req Request) *Result {
	p.t.Helper()
	g := new(stage.Graph)
	s, err := Build(g, req)
	if err != nil {
		p.t.Fatal(err)
	}
	if err := g.Run(p.t.Context(), 2, silent{}); err != nil {
		p.t.Fatal(err)
	}
	return s.Value()
}

func sumOf(body []byte) string {
	sum := sha256.Sum256(body)
	return hex.EncodeToString(sum[:])
}

// TestSameLockSameDigest holds what a lock promises: the keys of all stages and
// the image's digest stay what they are, whatever becomes of this code. A change
// that means to make other images (a layer's form, the record) runs it with
// -update and says so.
func TestSameLockSameDigest(t *testing.T) {
	t.Parallel()
	p := newProject(t)
	p.prepare()
	res := p.image()
	var got strings.Builder
	for _, step := range p.plan(true) {
		fmt.Fprintf(&got, "%s %s\n", step.Name, step.Key)
		if !step.Hit {
			t.Errorf("after the build, %s is missing: %s", step.Name, step.Reason)
		}
	}
	for _, l := range res.Layers {
		digest, err := l.Blob.Digest()
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&got, "layer of %v: %s\n", l.Wheels, digest)
	}
	digest, err := res.Image.Digest()
	if err != nil {
		t.Fatal(err)
	}
	fmt.Fprintf(&got, "image: %s\n", digest)
	golden := filepath.Join("testdata", "digest.txt")
	if *update {
		p.write(golden, got.String())
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got.String()); diff != "" {
		t.Errorf("stages and image (-want +got):\n%s", diff)
	}
}

func (p *project) base(ctx context.Context, run *stage.Run) (*base.Base, error) {
	return packages.Locked(ctx, p.env, p.lock, p.env.Host, run)
}
