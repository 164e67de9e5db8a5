// Package builder turns a source tree into wheels by the tree's own PEP 517
// backend, at fixed paths, in an environment made only of what a [Spec] lists.
// Start reading at [Wheels].
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
	"time"

	"github.com/sparkwheel/sparkwheel/requirements"
	"github.com/sparkwheel/sparkwheel/wheel/builder/launcher"
	"github.com/sparkwheel/sparkwheel/wheel/sandbox"
)

// Where things stand inside the sandbox, in every build alike: compilers write
// paths into what they make.
const (
	dirSource = "/build/src"
	dirVenv   = "/build/venv"
	dirHome   = "/build/home"
	dirBin    = "/build/bin"
	dirWheels = "/build/wheels"
	dirOut    = "/build/out"
	dirCache  = "/build/cache" // on one file system with the venv: uv links instead of copying
	venvBin   = dirVenv + "/bin"

	dirCCache    = "/build/ccache"
	dirLaunch    = "/build/launch" // the launcher, and its links under the compilers' names
	fileLauncher = dirLaunch + "/" + launcher.Name
	fileCommands = "/build/commands"
)

// Spec is all that a build depends on. A key under which its wheel is kept must
// cover every field but those that say how much the host lends to the build
// (Jobs, Memory, Launcher, CCache), Gate and Vary.
type Spec struct {
	Source string // prepared tree on the host; it is copied, never changed
	Subdir string // of Source where the project stands, slash-separated; empty for its top
	// Files are written into the copy: path from its top, slash-separated -> text.
	Files map[string]string
	// Distribution is the name that the wheel must carry; of a build by Steps it
	// is the name in messages.
	Distribution string
	// Steps are the commands of a build without a PEP 517 backend, for [Outputs].
	// They run one after the other in Source's Subdir, in one sandbox; in them and
	// in Env, {jobs} stands for the number of jobs.
	Steps  [][]string
	Python string // absolute path of the interpreter inside the root; empty for Steps without Wheels and Shims
	UV     string // host path of the uv binary; empty where Python is
	// Wheels are the locked build requirements: file name -> host path.
	Wheels map[string]string
	Shims  []Shim
	Env    []string          // "K=V", after the builder's own and so above them
	Config map[string]string // PEP 517 config settings
	Mounts []sandbox.Mount   // further read-only inputs
	Trees  []Tree            // further sources
	Epoch  time.Time         // becomes SOURCE_DATE_EPOCH and the tree's file times
	// Frontend is "uv" (or empty), or "pip", which Wheels must then hold.
	Frontend string
	// Jobs is the most that compile at once; 0 means 1. MemoryPerJob in bytes
	// lowers it to what the host's free memory bears.
	Jobs         int
	MemoryPerJob int64
	// CPUs fixes how many processors the build sees, and Jobs with them; 0 means
	// all of the host's.
	CPUs int
	// Memory in bytes that the build may use at once; 0 means nearly all that is
	// free on the host when it starts.
	Memory int64
	// Launcher is the host path of a static program that is a compiler launcher
	// under the name launcher.Name; empty for none.
	Launcher string
	// CCache is the host directory of the compiler cache, which needs Launcher
	// and a ccache in the root; empty for none.
	CCache string
	// Gate judges the GPU code of what is going to be linked as soon as the build is
	// configured; nil judges nothing. It needs Launcher.
	Gate *launcher.Gate
	// Foretold is called with what the backend says before it builds; its error ends
	// the build. nil asks nothing.
	Foretold func(Foretold) error
	// NoRepack leaves the wheel as the backend packed it.
	NoRepack bool
	// LeaveOut are patterns of files that the wheel does without, as [Repack] takes
	// them.
	LeaveOut []string
	// Vary is nil but in a build that checks another.
	Vary *Variation
}

// Tree is a source beside the one that is built: a directory of the host of
// which the build has a copy, to write into as it likes.
type Tree struct {
	Source string
	Target string    // absolute, below /build
	At     time.Time // the copy's file times
}

// Runner runs one command; *sandbox.Sandbox is one.
type Runner interface {
	Run(ctx context.Context, cmd sandbox.Command) error
}

var _ Runner = (*sandbox.Sandbox)(nil)

// Wheels builds spec's wheel and puts it into dir, an existing directory, by
// rename: a wheel there is whole. It returns the paths of what it put there,
// one today, beside which [CommandsFile] lists what the compilers were asked when
// Spec has a launcher. The log of the build goes to w. A failed build is a
// *FailedError around the *sandbox.ExitError of the command; nothing is left in
// dir then. A build that ran out of memory is tried once more with half the
// jobs.
func Wheels(ctx context.Context, r Runner, spec Spec, dir string, w io.Writer) (_ []string, err error) {
	spec.Steps = nil
	b, err := begin(ctx, r, spec, dir, w)
	if err != nil {
		return nil, fmt.Errorf("building %s: %w", spec.Distribution, err)
	}
	defer func() { err = errors.Join(err, sandbox.RemoveAll(b.work)) }()
	if err := b.steps(ctx); err != nil {
		return nil, b.withCommands(err)
	}
	file, err := b.collect(ctx, dir)
	if err != nil {
		return nil, fmt.Errorf("collecting the wheel of %s: %w", spec.Distribution, err)
	}
	return []string{file}, nil
}

// begin lays out a build in a directory of its own below dir, which the caller
// removes.
func begin(ctx context.Context, r Runner, spec Spec, dir string, w io.Writer) (*build, error) {
	if err := spec.check(); err != nil {
		return nil, err
	}
	work, err := os.MkdirTemp(dir, ".build-*")
	if err != nil {
		return nil, err
	}
	b := &build{spec: spec, run: r, work: work, log: w}
	b.limit()
	if err := b.prepare(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("preparing: %w", err), sandbox.RemoveAll(work))
	}
	return b, nil
}

func (s *Spec) check() error {
	switch {
	case s.Distribution == "":
		return errors.New("the distribution is missing")
	case s.Python == "" && (len(s.Steps) == 0 || len(s.Wheels)+len(s.Shims) > 0):
		return errors.New("the interpreter is missing")
	case s.Python != "" && !path.IsAbs(s.Python):
		return fmt.Errorf("the interpreter %q is not an absolute path inside the root", s.Python)
	case s.Subdir != "" && !filepath.IsLocal(s.Subdir):
		return fmt.Errorf("the subdirectory %q leaves the tree", s.Subdir)
	case s.Epoch.Unix() <= 0:
		return errors.New("the date for SOURCE_DATE_EPOCH is missing")
	case s.Launcher == "" && (s.CCache != "" || s.Gate != nil):
		return errors.New("a compiler cache or a gate needs a launcher")
	case s.NoRepack && len(s.LeaveOut) > 0:
		return errors.New("leaving files out needs repacking")
	case s.Frontend != "" && s.Frontend != "uv" && s.Frontend != "pip":
		return fmt.Errorf("the frontend %q is neither uv nor pip", s.Frontend)
	}
	for _, t := range s.Trees {
		if rel, ok := strings.CutPrefix(t.Target, "/build/"); !ok || !filepath.IsLocal(rel) || t.Target != path.Clean(t.Target) || !strings.Contains(rel, "/") {
			return fmt.Errorf("the tree's place %q is not in a directory below /build", t.Target)
		}
	}
	for name := range s.Wheels {
		if !strings.HasSuffix(name, ".whl") || name != filepath.Base(name) {
			return fmt.Errorf("build requirement %q: not a wheel file name", name)
		}
	}
	return nil
}

// build is one run of Wheels.
type build struct {
	spec  Spec
	run   Runner
	work  string // host directory that is /build
	log   io.Writer
	shims []string // file names in dirWheels
}

func (b *build) host(inside string) string {
	return filepath.Join(b.work, strings.TrimPrefix(inside, "/build"))
}

// prepare lays out /build.
func (b *build) prepare(ctx context.Context) error {
	if err := os.Chmod(b.work, 0o700); err != nil {
		return err
	}
	for _, d := range []string{b.spec.home(), dirBin, dirLaunch, dirWheels, dirOut} {
		if err := os.Mkdir(b.host(d), 0o755); err != nil {
			return err
		}
	}
	if err := b.configureLauncher(); err != nil {
		return fmt.Errorf("configuring the compiler launcher: %w", err)
	}
	copier := copier{at: b.spec.Epoch, reverse: b.spec.Vary != nil && b.spec.Vary.Reverse}
	if err := copier.tree(ctx, b.spec.Source, b.host(dirSource)); err != nil {
		return fmt.Errorf("copying the source: %w", err)
	}
	if err := writeFiles(b.host(dirSource), b.spec.Files, b.spec.Epoch); err != nil {
		return fmt.Errorf("adding files to the source: %w", err)
	}
	for _, t := range b.spec.Trees {
		if err := b.copyTree(ctx, t); err != nil {
			return fmt.Errorf("copying %s: %w", t.Target, err)
		}
	}
	for _, s := range b.spec.Shims {
		name, err := s.Write(b.host(dirWheels))
		if err != nil {
			return fmt.Errorf("making the shim of %s: %w", s.Name, err)
		}
		b.shims = append(b.shims, name)
	}
	return nil
}

func (b *build) copyTree(ctx context.Context, t Tree) error {
	to := b.host(t.Target)
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		return err
	}
	return copier{at: t.At, reverse: b.spec.Vary != nil && b.spec.Vary.Reverse}.tree(ctx, t.Source, to)
}

// collect checks what the backend made, and moves the wheel into dir.
func (b *build) collect(ctx context.Context, dir string) (string, error) {
	entries, err := os.ReadDir(b.host(dirOut))
	if err != nil {
		return "", err
	}
	var made []string
	for _, e := range entries {
		if strings.HasSuffix(e.Name(), ".whl") {
			made = append(made, e.Name())
		}
	}
	if len(made) != 1 {
		return "", fmt.Errorf("the backend made %d wheels %q instead of one", len(made), made)
	}
	name := made[0]
	if got, _, _ := strings.Cut(name, "-"); requirements.Normalize(got) != requirements.Normalize(b.spec.Distribution) {
		return "", fmt.Errorf("the backend made %s, not a wheel of %s", name, b.spec.Distribution)
	}
	info, err := os.Lstat(filepath.Join(b.host(dirOut), name))
	if err != nil {
		return "", err
	}
	if info.Mode()&fs.ModeType != 0 {
		return "", fmt.Errorf("%s is not a regular file", name)
	}
	packed := filepath.Join(b.host(dirOut), name)
	if !b.spec.NoRepack {
		packed = b.host("/build/" + name)
		left, err := Repack(ctx, filepath.Join(b.host(dirOut), name), packed, b.spec.LeaveOut)
		if err != nil {
			return "", err
		}
		tellLeftOut(b.log, name, b.spec.LeaveOut, left)
	}
	if err := keepCommands(b.host(fileCommands), filepath.Join(dir, CommandsFile)); err != nil {
		return "", err
	}
	final := filepath.Join(dir, name)
	return final, os.Rename(packed, final)
}
