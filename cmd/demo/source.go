package main

import (
	"archive/tar"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"strings"
	"time"

	"github.com/sparkwheel/sparkwheel/wheel/index"
)

// project is one upstream: a source distribution, and how it is made to look
// as upstream's repository does at that release.
type project struct {
	repository string // OWNER/NAME, as on upstream's forge
	sdist      string // distribution
	version    string
	sha256     string
	released   time.Time         // of author and committer
	made       []string          // what only the sdist has: not in upstream's repository
	written    map[string]string // what only the repository has
	submodules []submodule
}

// submodule is a folder of the sdist that is a repository of its own upstream.
type submodule struct{ path, repository string }

func (p project) tag() string { return "v" + p.version }

// projects are pinned: the demo builds the same image on every day.
func projects() []project {
	return []project{
		{
			repository: "flashinfer-ai/flashinfer", sdist: "flashinfer-python", version: "0.6.12",
			sha256:   "bed67f9c46d81dd22611dfef2787998fc412b2fe2648d9e7d336861dda912694",
			released: time.Date(2026, 5, 29, 23, 45, 16, 0, time.UTC),
			made:     []string{"PKG-INFO", "setup.cfg", "flashinfer_python.egg-info", "flashinfer/_build_meta.py"},
			written:  map[string]string{"version.txt": "0.6.12\n"},
			submodules: []submodule{
				{"3rdparty/cutlass", "NVIDIA/cutlass"},
				{"3rdparty/spdlog", "gabime/spdlog"},
				{"3rdparty/cccl", "NVIDIA/cccl"},
			},
		},
		{
			repository: "vllm-project/vllm", sdist: "vllm", version: "0.22.1",
			sha256:   "cd34902729f3767e3dfbb391956b2986bc638a54be9893e78bda9cc55669f15c",
			released: time.Date(2026, 6, 5, 10, 12, 16, 0, time.UTC),
			made:     []string{"PKG-INFO", "setup.cfg", "vllm.egg-info", "vllm/_version.py"},
		},
	}
}

// fetchSdist brings the pinned source distribution into the cache.
func fetchSdist(ctx context.Context, c *index.Client, p project, cache string) (string, error) {
	pin := index.Pin{Name: p.sdist, SHA256: p.sha256}
	if pin.Present(cache) {
		return pin.Path(cache), nil
	}
	files, err := c.Files(ctx, p.sdist)
	if err != nil {
		return "", err
	}
	f, err := index.Sdist(p.sdist, p.version, files)
	if err != nil {
		return "", err
	}
	found := f.Pin(p.sdist)
	found.SHA256 = p.sha256 // what the demo pins counts, not what the index says
	return c.Download(ctx, found, cache, nil)
}

// eachFile calls do for every file of an sdist, without the one folder that
// sdists have at the top and without what is in p.made.
func (p project) eachFile(ctx context.Context, file string, do func(name string, h *tar.Header, r io.Reader) error) error {
	f, err := os.Open(file)
	if err != nil {
		return err
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		return fmt.Errorf("reading %s: %w", file, err)
	}
	t := tar.NewReader(z)
	for ctx.Err() == nil {
		h, err := t.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("reading %s: %w", file, err)
		}
		_, name, ok := strings.Cut(path.Clean(h.Name), "/")
		if !ok || h.Typeflag == tar.TypeDir || p.leavesOut(name) {
			continue
		}
		if err := do(name, h, t); err != nil {
			return fmt.Errorf("reading %s of %s: %w", h.Name, file, err)
		}
	}
	return context.Cause(ctx)
}

func (p project) leavesOut(name string) bool {
	for _, made := range p.made {
		if name == made || strings.HasPrefix(name, made+"/") {
			return true
		}
	}
	return false
}

// gitmodules is the .gitmodules of the project upstream.
func (p project) gitmodules() string {
	var b strings.Builder
	for _, s := range p.submodules {
		fmt.Fprintf(&b, "[submodule %q]\n\tpath = %s\n\turl = %s%s.git\n", s.path, s.path, forge, s.repository)
	}
	return b.String()
}
