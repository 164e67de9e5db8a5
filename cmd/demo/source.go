package main

import (
	"archive/tar"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
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
	released   time.Time // of author and committer
	made       []string  // what only the sdist has: not in upstream's repository
	written    map[string]string
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

// unpackSdist writes the tree of an sdist below dir, without the one folder
// that sdists have at the top and without what is in p.made, file modes
// normalised as git would.
func unpackSdist(ctx context.Context, file, dir string, p project) error {
	f, err := os.Open(file)
	if err != nil {
		return err
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		return fmt.Errorf("reading %s: %w", file, err)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer root.Close()
	t := tar.NewReader(z)
	for ctx.Err() == nil {
		h, err := t.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return fmt.Errorf("reading %s: %w", file, err)
		}
		_, name, ok := strings.Cut(path.Clean(h.Name), "/")
		if !ok || p.leavesOut(name) {
			continue
		}
		if err := unpackMember(root, name, h, t); err != nil {
			return fmt.Errorf("unpacking %s of %s: %w", h.Name, file, err)
		}
	}
	for name, text := range p.written {
		if err := root.WriteFile(name, []byte(text), 0o644); err != nil {
			return err
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

func unpackMember(root *os.Root, name string, h *tar.Header, r io.Reader) error {
	if err := root.MkdirAll(path.Dir(name), 0o755); err != nil {
		return err
	}
	switch h.Typeflag {
	case tar.TypeDir:
		return root.MkdirAll(name, 0o755)
	case tar.TypeSymlink:
		return root.Symlink(h.Linkname, name)
	case tar.TypeReg:
		mode := fs.FileMode(0o644)
		if h.Mode&0o100 != 0 {
			mode = 0o755
		}
		w, err := root.OpenFile(name, os.O_CREATE|os.O_WRONLY|os.O_EXCL, mode)
		if err != nil {
			return err
		}
		_, err = io.Copy(w, r)
		return errors.Join(err, w.Close())
	}
	return fmt.Errorf("an sdist holds no entry of type %q", h.Typeflag)
}

// moveOut takes the submodules' folders out of a tree, each to a folder of its
// own below dir.
func (p project) moveOut(tree, dir string) error {
	for _, s := range p.submodules {
		to := filepath.Join(dir, filepath.FromSlash(s.repository))
		if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
			return err
		}
		if err := os.Rename(filepath.Join(tree, filepath.FromSlash(s.path)), to); err != nil {
			return err
		}
	}
	return nil
}
