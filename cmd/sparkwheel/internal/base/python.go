package base

import (
	"bytes"
	"context"
	_ "embed" // the questions for the interpreter
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/host"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/store"
	"github.com/sparkwheel/sparkwheel/requirements/marker"
	"github.com/sparkwheel/sparkwheel/wheel"
	"github.com/sparkwheel/sparkwheel/wheel/install"
	"github.com/sparkwheel/sparkwheel/wheel/sandbox"
)

// Python is what the base's interpreter says of itself.
type Python struct {
	Path    string         // /usr/bin/python3
	Version string         // 3.12
	Full    string         // 3.12.3
	Scheme  install.Scheme // where it installs to
	GLIBC   string         // 2.36
	Machine string         // x86_64
	// AnyLibrary says that nothing is known of the C library: wheels for any glibc
	// are taken.
	AnyLibrary bool
}

// Environment is what markers are evaluated for.
func (p Python) Environment() marker.Environment { return marker.Linux(p.Full, p.Machine) }

// Tags are the wheel tags that the interpreter takes, best first. Where its C
// library is not glibc, only wheels without compiled code fit.
func (p Python) Tags() []wheel.Tag {
	platforms := []string{"linux_" + p.Machine}
	var minor int
	if n, _ := fmt.Sscanf(p.GLIBC, "2.%d", &minor); n == 1 || p.AnyLibrary {
		if p.AnyLibrary {
			minor = newestLibrary
		}
		platforms = wheel.Platforms(minor, p.Machine)
	}
	return wheel.Supported(p.Version, platforms)
}

// newestLibrary is a glibc 2.N that no wheel asks for yet.
const newestLibrary = 99

// UVPlatform is the newest platform that uv knows by name and that the
// interpreter's C library bears.
func (p Python) UVPlatform() string {
	var minor int
	if n, _ := fmt.Sscanf(p.GLIBC, "2.%d", &minor); n != 1 {
		return p.Machine + "-unknown-linux-musl"
	}
	for _, known := range []int{39, 35, 31, 28} {
		if minor >= known {
			return fmt.Sprintf("%s-manylinux_2_%d", p.Machine, known)
		}
	}
	return p.Machine + "-manylinux_2_17"
}

// WheelsURL is where a built wheel says that it came from: the place that it
// has in the images which this recipe follows.
const WheelsURL = "file:///workspace/wheels/"

// ErrNoPython says that a base has no interpreter where one is looked for.
var ErrNoPython = errors.New("the base has no Python: neither /usr/local/bin/python3 nor /usr/bin/python3")

//go:embed ask.py
var askScript string

// RunsHere says whether programs of the base can be run on this host.
func (b *Base) RunsHere(env host.Env) bool {
	return b.Platform.OS == env.Host.OS && b.Platform.Architecture == env.Host.Architecture
}

// AskPython learns about the base's interpreter: from itself where it runs
// here, else from its files. The answer is kept in the store, so that a plan
// runs nothing.
func (b *Base) AskPython(ctx context.Context, env host.Env, log io.Writer) (Python, error) {
	if !b.RunsHere(env) {
		return ReadPython(b.Root, b.Platform.Architecture, "")
	}
	path, err := findPython(b.Root)
	if err != nil {
		return Python{}, err
	}
	return b.ask(ctx, env, path, log)
}

// ask asks the interpreter at a path of the unpacked root.
func (b *Base) ask(ctx context.Context, env host.Env, path string, log io.Writer) (Python, error) {
	key := AnswerKey(b.Digest)
	if usual, err := findPython(b.Root); err != nil || path != usual {
		key = store.NewHash("interpreter").Field("base", b.Digest).Field("path", path).Field("questions", askScript).Key()
	}
	dir, _, err := env.Store.Do(ctx, store.Stage, key, func(dir string) error {
		var out bytes.Buffer
		box := &sandbox.Sandbox{Root: b.Root, Mode: env.Sandbox}
		err := box.Run(ctx, sandbox.Command{
			Args:   []string{path, "-I", "-B", "-c", askScript},
			Env:    []string{"PATH=/usr/local/bin:/usr/bin:/bin", "LC_ALL=C.UTF-8"},
			Output: &out,
		})
		if err != nil {
			host.Logf(log, "%s", out.String())
			return fmt.Errorf("querying the base's interpreter: %w", err)
		}
		return os.WriteFile(filepath.Join(dir, "answer.json"), out.Bytes(), 0o644)
	})
	if err != nil {
		return Python{}, err
	}
	return ReadAnswer(dir, path)
}

// AnswerKey is that of what the interpreter of the base with a digest says.
func AnswerKey(digest string) store.Key {
	return store.NewHash("interpreter").Field("base", digest).Field("questions", askScript).Key()
}

// ReadAnswer reads it from its directory in the store; path is the
// interpreter's.
func ReadAnswer(dir, path string) (Python, error) {
	text, err := os.ReadFile(filepath.Join(dir, "answer.json"))
	if err != nil {
		return Python{}, fmt.Errorf("reading the interpreter's answer: %w", err)
	}
	var a struct {
		Version, Full, GLIBC, Machine string
		Paths                         map[string]string
	}
	if err := json.Unmarshal(text, &a); err != nil {
		return Python{}, fmt.Errorf("reading the interpreter's answer %q: %w", text, err)
	}
	rel := func(key string) string { return strings.TrimPrefix(a.Paths[key], "/") }
	return Python{
		Path: path, Version: a.Version, Full: a.Full, GLIBC: a.GLIBC, Machine: a.Machine,
		Scheme: install.Scheme{
			Purelib: rel("purelib"), Platlib: rel("platlib"), Scripts: rel("scripts"), Data: rel("data"),
			Headers: rel("include"), Prefix: rel("data"), Python: path, PythonVersion: a.Version, URL: WheelsURL,
		},
	}, nil
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

// ReadPython learns from a base's files what can be learned without running
// it. ErrNoPython comes with the layout of a Debian system for the version
// asked for; asked wins over what the files say.
func ReadPython(root, architecture, asked string) (Python, error) {
	machine := host.Machine(architecture)
	path, err := findPython(root)
	if errors.Is(err, ErrNoPython) {
		if asked == "" {
			return Python{}, fmt.Errorf("%w; give the version that the image will have with --python", err)
		}
		return FilePython("/usr/bin/python3", asked, machine, root), err
	}
	if err != nil {
		return Python{}, err
	}
	version := asked
	if version == "" {
		dirs, _ := filepath.Glob(filepath.Join(root, filepath.Dir(filepath.Dir(path)), "lib", "python3.*", "os.py"))
		if len(dirs) != 1 {
			return Python{}, fmt.Errorf("the base has %d versions of Python at %s; choose one with --python", len(dirs), path)
		}
		version = strings.TrimPrefix(filepath.Base(filepath.Dir(dirs[0])), "python")
	}
	return FilePython(path, version, machine, root), nil
}

// Absent is the Python of an image that has none: wheels are laid out for one
// that will be built into /usr/local, with a C library that is not known.
func Absent(version, architecture string) Python {
	p := FilePython("/usr/local/bin/python3", version, host.Machine(architecture), "")
	p.AnyLibrary = true
	return p
}

// FilePython is the interpreter at path, /usr/local/... or Debian's, as far as
// its version and the C library below root tell.
func FilePython(path, version, machine, root string) Python {
	scheme := install.Debian(version)
	if strings.HasPrefix(path, "/usr/local/") {
		scheme = install.UsrLocal(version)
	}
	scheme.URL = WheelsURL
	return Python{Path: path, Version: version, Full: version, Scheme: scheme, Machine: machine, GLIBC: readGLIBC(root, machine)}
}

var glibcRE = regexp.MustCompile(`GNU C Library [^\n]* release version (2\.[0-9]+)`)

// readGLIBC finds the version that the C library says of itself; "" when there
// is no glibc.
func readGLIBC(root, machine string) string {
	if root == "" { // not unpacked: the paths below would be this process's own
		return ""
	}
	for _, dir := range []string{"lib/" + machine + "-linux-gnu", "usr/lib/" + machine + "-linux-gnu", "lib64", "usr/lib64"} {
		text, err := os.ReadFile(filepath.Join(root, dir, "libc.so.6"))
		if err != nil {
			continue
		}
		if m := glibcRE.FindSubmatch(text); m != nil {
			return string(m[1])
		}
	}
	return ""
}
