package pipeline

import (
	"context"
	_ "embed" // the interpreter's questions
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/store"
	"github.com/sparkwheel/sparkwheel/layer"
	"github.com/sparkwheel/sparkwheel/layer/archive"
	"github.com/sparkwheel/sparkwheel/layer/layout"
	"github.com/sparkwheel/sparkwheel/requirements/marker"
	"github.com/sparkwheel/sparkwheel/wheel"
	"github.com/sparkwheel/sparkwheel/wheel/install"
	"github.com/sparkwheel/sparkwheel/wheel/sandbox"
)

// Base is a base image, pinned, and unpacked as the sandbox's root.
type Base struct {
	Reference string
	Digest    string
	Image     v1.Image
	Root      string // the unpacked root on this host; "" until unpacked
	Python    Python
}

// Python is what the base's interpreter says of itself.
type Python struct {
	Path    string         // /usr/bin/python3
	Version string         // 3.12
	Full    string         // 3.12.3
	Scheme  install.Scheme // where it installs to
	GLIBC   string         // 2.36
	Machine string         // x86_64
}

// Environment is what markers are evaluated for.
func (p Python) Environment() marker.Environment { return marker.Linux(p.Full, p.Machine) }

// Tags are the wheel tags that the interpreter takes, best first.
func (p Python) Tags() []wheel.Tag {
	var platforms []string
	var major, minor int
	if n, _ := fmt.Sscanf(p.GLIBC, "%d.%d", &major, &minor); n == 2 && major == 2 {
		for m := minor; m >= 5; m-- {
			platforms = append(platforms, fmt.Sprintf("manylinux_2_%d_%s", m, p.Machine))
			switch m {
			case 17:
				platforms = append(platforms, "manylinux2014_"+p.Machine)
			case 12:
				platforms = append(platforms, "manylinux2010_"+p.Machine)
			case 5:
				platforms = append(platforms, "manylinux1_"+p.Machine)
			}
		}
	}
	return wheel.Supported(p.Version, append(platforms, "linux_"+p.Machine))
}

// OpenBase opens a base by its reference. A pinned digest that the base no
// longer has is an error naming both; the empty one pins what is there now.
func OpenBase(ctx context.Context, env Env, reference, pinned string, p v1.Platform) (*Base, error) {
	img, err := openImage(ctx, env, reference, pinned, p)
	if err != nil {
		return nil, fmt.Errorf("opening base %s: %w", reference, err)
	}
	digest, err := img.Digest()
	if err != nil {
		return nil, fmt.Errorf("opening base %s: %w", reference, err)
	}
	if pinned != "" && digest.String() != pinned {
		return nil, fmt.Errorf("base %s is now %s and the lock pins %s; give back the old one, or run `sparkwheel lock --upgrade=base`", reference, digest, pinned)
	}
	return &Base{Reference: reference, Digest: digest.String(), Image: img}, nil
}

func openImage(ctx context.Context, env Env, reference, pinned string, p v1.Platform) (v1.Image, error) {
	switch scheme, rest, _ := strings.Cut(reference, ":"); scheme {
	case "tar":
		return archive.Tar(ctx, rest, env.blobs())
	case "oci":
		dir, tag := layout.Split(rest)
		return layout.Read(dir, tag, p)
	case "docker-archive":
		return archive.ReadDocker(ctx, rest, env.blobs())
	}
	ref, err := parseReference(reference)
	if err != nil {
		return nil, err
	}
	if pinned != "" {
		ref = ref.Context().Digest(pinned)
	}
	digest, err := env.Registry.Resolve(ctx, ref, p)
	if err != nil {
		return nil, err
	}
	return env.Registry.Pull(ctx, digest, p)
}

// Unpack fills the base's Root and Python from the store, unpacking the image
// once for each digest.
func (b *Base) Unpack(ctx context.Context, env Env, log io.Writer) (hit bool, err error) {
	if hit, err = b.unpack(ctx, env); err != nil {
		return false, err
	}
	b.Python, err = askPython(ctx, env, b.Root, log)
	return hit, err
}

func (b *Base) unpack(ctx context.Context, env Env) (hit bool, err error) {
	key, err := store.DigestKey(b.Digest)
	if err != nil {
		return false, fmt.Errorf("unpacking base %s: %w", b.Reference, err)
	}
	dir, hit, err := env.Store.Do(ctx, "rootfs", key, func(dir string) error {
		if err := os.Mkdir(filepath.Join(dir, "root"), 0o755); err != nil {
			return err
		}
		root, err := os.OpenRoot(filepath.Join(dir, "root"))
		if err != nil {
			return err
		}
		defer root.Close()
		return layer.Unpack(ctx, b.Image, root)
	})
	if err != nil {
		return false, fmt.Errorf("unpacking base %s: %w", b.Reference, err)
	}
	b.Root = filepath.Join(dir, "root")
	return hit, nil
}

// ErrNoPython says that a base has no interpreter where one is looked for.
var ErrNoPython = errors.New("the base has no Python: neither /usr/local/bin/python3 nor /usr/bin/python3")

//go:embed ask.py
var askScript string

func askPython(ctx context.Context, env Env, root string, log io.Writer) (Python, error) {
	path, err := findPython(root)
	if err != nil {
		return Python{}, err
	}
	var out strings.Builder
	box := &sandbox.Sandbox{Root: root, Scratch: env.scratch(), Mode: env.Sandbox}
	err = box.Run(ctx, sandbox.Command{
		Args:   []string{path, "-I", "-B", "-c", askScript},
		Env:    []string{"PATH=/usr/local/bin:/usr/bin:/bin", "LC_ALL=C.UTF-8"},
		Dir:    "/",
		Output: &out,
	})
	if err != nil {
		fmt.Fprint(log, out.String())
		return Python{}, fmt.Errorf("asking the base's interpreter: %w", err)
	}
	return parseAnswer(path, out.String())
}

// findPython looks where images put the interpreter: a build of CPython in
// /usr/local shadows the distribution's, as PATH has it.
func findPython(root string) (string, error) {
	for _, p := range []string{"usr/local/bin/python3", "usr/bin/python3"} {
		if _, err := os.Lstat(filepath.Join(root, p)); err == nil {
			return "/" + p, nil
		} else if !errors.Is(err, fs.ErrNotExist) {
			return "", fmt.Errorf("looking for the base's Python: %w", err)
		}
	}
	return "", ErrNoPython
}

func parseAnswer(path, text string) (Python, error) {
	var a struct {
		Version, Full, GLIBC, Machine string
		Paths                         map[string]string
	}
	if err := json.Unmarshal([]byte(text), &a); err != nil {
		return Python{}, fmt.Errorf("reading the interpreter's answer %q: %w", text, err)
	}
	rel := func(key string) string { return strings.TrimPrefix(a.Paths[key], "/") }
	return Python{
		Path: path, Version: a.Version, Full: a.Full, GLIBC: a.GLIBC, Machine: a.Machine,
		Scheme: install.Scheme{
			Purelib: rel("purelib"), Platlib: rel("platlib"), Scripts: rel("scripts"), Data: rel("data"),
			Headers: rel("include"), Prefix: rel("data"), Python: path, PythonVersion: a.Version,
		},
	}, nil
}
