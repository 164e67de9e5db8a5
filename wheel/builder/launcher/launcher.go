// Package launcher stands between a build system and its compilers: it makes
// their output depend on nothing but their input, and records what they were
// called for. The program becomes a launcher by being called under the name
// [Name], or under a compiler's name through a link that [Name] made beside
// itself. How it works stands in the file [ConfigFile] beside it, never in the
// environment: a build system that clears that does not get past it.
package launcher

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"strings"
	"syscall"
)

// Name is the last part of argv[0] under which the program is a launcher:
//
//	Name COMPILER ARGUMENT...    launches a compiler
//	Name -- COMMAND ARGUMENT...  links every compiler in PATH to the launcher, and
//	                             runs COMMAND with those links first in PATH
const Name = "sparkwheel-launch"

// ConfigFile is the name of the file beside the launcher that holds a [Config]
// as JSON.
const ConfigFile = Name + ".json"

// Config says what a launcher does beside launching. All paths are those inside
// the sandbox.
type Config struct {
	Commands string `json:"commands,omitempty"` // file that gets a Command a line, as JSON
	Source   string `json:"source,omitempty"`   // directory whose name compilers write as "."
	// Cache is the program that runs compilers and keeps what they make, such as
	// ccache, with CacheEnv in its environment. One that is not there is done without.
	Cache    string   `json:"cache,omitempty"`
	CacheEnv []string `json:"cache-env,omitempty"`
	Gate     *Gate    `json:"gate,omitempty"` // nil judges nothing
}

// AppendFlags is what NVCC_APPEND_FLAGS has to begin with in a build: an nvcc
// that is called by its absolute path, past every launcher, still writes the
// same bytes each time. A launcher takes it out again, for its own flags are
// better: they differ by file.
const AppendFlags = "-objtemp -frandom-seed=sparkwheel"

// nested marks the environment of a compiler that a launcher started: what that
// compiler calls is a part of the call already recorded.
const nested = "SPARKWHEEL_NESTED=1"

// Command is one compilation, under the keys of compile_commands.json.
type Command struct {
	Directory string   `json:"directory"`
	Arguments []string `json:"arguments"`
	File      string   `json:"file"`
	Output    string   `json:"output,omitempty"`
	CUDA      bool     `json:"cuda,omitempty"`  // compiled for a GPU
	Arch      []string `json:"arch,omitempty"`  // GPU architectures, sorted: sm_121a, compute_121a; empty is nvcc's default
	Trial     bool     `json:"trial,omitempty"` // a configuration step's test, which is no part of the product
}

// Called says whether this process was started as a launcher.
func Called(args []string) bool {
	if len(args) == 0 {
		return false
	}
	if path.Base(args[0]) == Name {
		return len(args) > 1
	}
	self, err := os.Executable()
	return err == nil && path.Base(self) == Name && (isCompiler(path.Base(args[0])) || isCache(path.Base(args[0])))
}

// Run runs what args ask for in place of this process. It returns only when
// that cannot be done, with the exit status to end with.
func Run(args, env []string, stderr io.Writer) int {
	fmt.Fprintf(stderr, "%s: %v\n", Name, start(args, env, stderr))
	return 1
}

// start returns only when nothing could be started.
func start(args, env []string, stderr io.Writer) error {
	l, err := open(args[0], env)
	if err != nil {
		return err
	}
	l.stderr = stderr
	base := path.Base(args[0])
	switch {
	case base == Name && args[1] == "--":
		return l.enter(args[2:])
	case base == Name:
		return l.compile(args[1:])
	case isCache(base) && len(args) > 1 && isCompiler(path.Base(args[1])):
		return l.compile(args[1:])
	}
	return l.compile(append([]string{base}, args[1:]...))
}

// launcher is one call.
type launcher struct {
	dir    string // where the launcher and its links are
	config Config
	env    []string
	stderr io.Writer
}

func open(called string, env []string) (*launcher, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	l := &launcher{dir: path.Dir(self), env: env}
	if path.Base(self) != Name {
		l.dir = path.Dir(called)
	}
	text, err := os.ReadFile(path.Join(l.dir, ConfigFile))
	if errors.Is(err, os.ErrNotExist) {
		return l, nil
	}
	if err != nil {
		return nil, err
	}
	if err := json.Unmarshal(text, &l.config); err != nil {
		return nil, fmt.Errorf("reading %s: %w", ConfigFile, err)
	}
	return l, nil
}

// compile starts the compiler that args name, and records the call.
func (l *launcher) compile(args []string) error {
	program, err := l.real(args[0])
	if err != nil {
		return err
	}
	args = append([]string{program}, args[1:]...)
	if get(l.env, "SPARKWHEEL_NESTED") != "" {
		return replace(args, l.env)
	}
	dir, err := os.Getwd()
	if err != nil {
		return err
	}
	c := parse(args, dir)
	if c.compiles() {
		args = c.reproducible(l.config.Source)
		if c.compile {
			args = l.cached(args)
		}
	}
	if c.compiles() || c.preprocessesCUDA() {
		if err := keep(c, args, l.config.Commands); err != nil {
			return err
		}
	}
	if err := l.check(c); err != nil {
		return err
	}
	return replace(args, append(withoutAppendFlags(l.env), nested))
}

// cached puts the compiler cache before a compiler.
func (l *launcher) cached(args []string) []string {
	if l.config.Cache == "" {
		return args
	}
	cache, err := l.real(l.config.Cache)
	if err != nil {
		return args
	}
	l.env = append(l.env, l.config.CacheEnv...)
	return append([]string{cache}, args...)
}

func replace(args, env []string) error {
	return fmt.Errorf("starting %s: %w", args[0], syscall.Exec(args[0], args, env))
}

// withoutAppendFlags takes [AppendFlags] out of an environment.
func withoutAppendFlags(env []string) []string {
	const variable = "NVCC_APPEND_FLAGS="
	var kept []string
	for _, kv := range env {
		if rest, ok := strings.CutPrefix(kv, variable+AppendFlags); ok {
			if rest = strings.TrimSpace(rest); rest == "" {
				continue
			}
			kv = variable + rest
		}
		kept = append(kept, kv)
	}
	return kept
}

// keep appends c to the file of commands in one write, so that compilers that
// run at once do not mix theirs.
func keep(c *call, args []string, file string) error {
	if file == "" {
		return nil
	}
	line, err := json.Marshal(Command{Directory: c.dir, Arguments: args, File: c.source, Output: c.output, CUDA: c.cuda || c.preprocessesCUDA(), Arch: c.arch, Trial: c.trial()})
	if err != nil {
		return err
	}
	f, err := os.OpenFile(file, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o644)
	if err != nil {
		return err
	}
	_, err = f.Write(append(line, '\n'))
	return errors.Join(err, f.Close())
}

func get(env []string, key string) string {
	for _, kv := range env {
		if v, ok := strings.CutPrefix(kv, key+"="); ok {
			return v
		}
	}
	return ""
}
