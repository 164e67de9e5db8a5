// Package launcher stands between a build system and its compilers: it makes
// their output depend on nothing but their input, writes down what they were
// asked to do, and ends a build that compiles for the wrong GPU. The program
// becomes a launcher by being called under the name [Name].
package launcher

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
)

// Name is the last part of argv[0] under which the program is a launcher:
// Name COMPILER ARGUMENT...
const Name = "sparkwheel-launch"

// The variables that tell a launcher what to do beside launching.
const (
	EnvCommands    = "SPARKWHEEL_COMMANDS"     // file that gets a Command a line, as JSON
	EnvRequireArch = "SPARKWHEEL_REQUIRE_ARCH" // architectures, separated by commas, that every CUDA compilation must name
	EnvCache       = "SPARKWHEEL_CACHE"        // program that runs the compiler and keeps what it makes, such as ccache; one that is not there is done without
	EnvSource      = "SPARKWHEEL_SOURCE"       // directory whose name compilers shall write as "."
)

// Command is one compilation, under the keys of compile_commands.json.
type Command struct {
	Directory string   `json:"directory"`
	Arguments []string `json:"arguments"`
	File      string   `json:"file"`
	Output    string   `json:"output,omitempty"`
	Arch      []string `json:"arch,omitempty"` // GPU architectures, sorted: sm_121a, compute_121a
}

// Called says whether this process was started as a launcher.
func Called(args []string) bool { return len(args) > 1 && path.Base(args[0]) == Name }

// Run runs the compiler that args name in place of this process. It returns
// only when that cannot be done, with the exit status to end with.
func Run(args, env []string, stderr io.Writer) int {
	fmt.Fprintf(stderr, "%s: %v\n", Name, run(args[1:], env))
	return 1
}

// run returns only when the compiler could not be started.
func run(args, env []string) error {
	dir, err := os.Getwd()
	if err != nil {
		return err
	}
	c := parse(args, dir)
	if c.compiles() {
		args = c.reproducible(get(env, EnvSource))
		if err := keep(c, args, get(env, EnvCommands)); err != nil {
			return err
		}
		if err := c.check(get(env, EnvRequireArch)); err != nil {
			return err
		}
	}
	if cache, err := find(get(env, EnvCache), get(env, "PATH")); err == nil && c.compiles() {
		args = append([]string{cache}, args...)
	}
	program, err := find(args[0], get(env, "PATH"))
	if err != nil {
		return err
	}
	return fmt.Errorf("starting %s: %w", program, syscall.Exec(program, args, env))
}

// keep appends c to the file of commands in one write, so that compilers that
// run at once do not mix theirs.
func keep(c *call, args []string, file string) error {
	if file == "" {
		return nil
	}
	line, err := json.Marshal(Command{Directory: c.dir, Arguments: args, File: c.source, Output: c.output, Arch: c.arch})
	if err != nil {
		return err
	}
	f, err := os.OpenFile(file, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o644)
	if err != nil {
		return err
	}
	_, err = f.Write(append(line, '\n'))
	if closeErr := f.Close(); err == nil {
		err = closeErr
	}
	return err
}

// check refuses a CUDA compilation for other architectures than required.
// Trials of a configuration step are let through.
func (c *call) check(required string) error {
	if required == "" || !c.cuda || len(c.arch) == 0 || strings.Contains(c.dir+"/", "/CMakeFiles/") {
		return nil
	}
	for want := range strings.SplitSeq(required, ",") {
		if !slices.Contains(c.arch, want) {
			return fmt.Errorf("%s is compiled for %s, and this build must compile for %s", c.source, strings.Join(c.arch, " "), want)
		}
	}
	return nil
}

func find(name, dirs string) (string, error) {
	if strings.Contains(name, "/") {
		return name, nil
	}
	if name == "" {
		return "", errors.New("no program is named")
	}
	for _, dir := range filepath.SplitList(dirs) {
		p := path.Join(dir, name)
		if info, err := os.Stat(p); path.IsAbs(dir) && err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0 {
			return p, nil
		}
	}
	return "", fmt.Errorf("no executable file %s in PATH %q", name, dirs)
}

func get(env []string, key string) string {
	for _, kv := range env {
		if v, ok := strings.CutPrefix(kv, key+"="); ok {
			return v
		}
	}
	return ""
}
