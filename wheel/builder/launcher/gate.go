package launcher

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"github.com/sparkwheel/sparkwheel/wheel/builder/forecast"
	"github.com/sparkwheel/sparkwheel/wheel/inspect/cuda"
)

// Gate is a [forecast.Gate] in the launcher's configuration.
type Gate struct {
	GPU     string   `json:"gpu"`               // "12.1"
	Driver  string   `json:"driver,omitempty"`  // CUDA version of the target's driver, "13.0"
	Require string   `json:"require,omitempty"` // native, family or ptx; "" lists and refuses nothing
	Except  []string `json:"except,omitempty"`  // globs of libraries that pass
}

func (g Gate) forecast() (f forecast.Gate, err error) {
	if f.Target.GPU, err = cuda.ParseGPU(g.GPU); err != nil {
		return f, err
	}
	if g.Driver != "" {
		if f.Target.Driver, err = cuda.ParseVersion(g.Driver); err != nil {
			return f, err
		}
	}
	if g.Require != "" {
		f.Require, err = cuda.ParseRequirement(g.Require)
	}
	f.Except = g.Except
	return f, err
}

// The names of files beside the launcher: where it tells the builder what it
// sees at once, and where it keeps why a Gate refused the build, so that no
// compiler runs after that.
const (
	NewsFile    = "news"
	RefusedFile = "refused"
)

// check ends a compilation for a product that the gate refuses. The first
// CUDA compilation in a directory judges all that was configured there.
func (l *launcher) check(c *call) error {
	if l.config.Gate == nil || c.trial() || !c.compiles() || !c.cuda {
		return nil
	}
	if why, err := os.ReadFile(path.Join(l.dir, RefusedFile)); err == nil {
		return errors.New(string(why))
	}
	gate, err := l.config.Gate.forecast()
	if err != nil {
		return fmt.Errorf("reading %s: %w", ConfigFile, err)
	}
	libraries, err := l.configured(c)
	if err != nil || libraries == nil {
		return err
	}
	var table bytes.Buffer
	if err := gate.Write(&table, libraries); err != nil {
		return err
	}
	if err := l.tell(table.Bytes()); err != nil {
		return err
	}
	refused := gate.Check(libraries)
	if refused == nil {
		return nil
	}
	return errors.Join(refused, os.WriteFile(path.Join(l.dir, RefusedFile), []byte(refused.Error()), 0o644))
}

// configured reads what is going to be linked in the directory of a call: nil
// where another call has read it, and where no build file says it. A source that
// is linked in the same step is its own product.
func (l *launcher) configured(c *call) ([]forecast.Library, error) {
	toolkit := l.toolkit(c.args[0])
	if !c.compile {
		return []forecast.Library{{File: path.Join(c.dir, c.output), Objects: []forecast.Object{{File: c.source, Entries: forecast.Entries(c.args, toolkit)}}}}, nil
	}
	build := forecast.Build{File: "build.ninja", Toolkit: toolkit}
	if args := ninjaAbove("self"); args != nil {
		build.File, build.Targets = ninjaArgs(args)
	}
	file := build.File
	if !path.IsAbs(file) {
		file = path.Join(c.dir, file)
	}
	if _, err := os.Stat(file); err != nil {
		return nil, nil //nolint:nilerr // nothing was compiled
	}
	sum := sha256.Sum256(fmt.Append(nil, file, build.Targets))
	mark, err := os.OpenFile(path.Join(l.dir, "seen-"+hex.EncodeToString(sum[:8])), os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644)
	if errors.Is(err, fs.ErrExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	libraries, err := build.Libraries(func(name string) ([]byte, error) {
		if !path.IsAbs(name) {
			name = path.Join(c.dir, name)
		}
		return os.ReadFile(name)
	})
	return libraries, errors.Join(err, mark.Close())
}

// tell hands text to the builder, which shows it while the build goes on; where
// nobody listens it goes to standard error.
func (l *launcher) tell(text []byte) error {
	f, err := os.OpenFile(path.Join(l.dir, NewsFile), os.O_WRONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		_, err = l.stderr.Write(text)
		return err
	}
	_, err = f.Write(text)
	return errors.Join(err, f.Close())
}

// toolkit is the version of the toolkit around an nvcc, by its own header; zero
// when that is not there.
func (l *launcher) toolkit(nvcc string) cuda.Version {
	if to, err := filepath.EvalSymlinks(nvcc); err == nil {
		nvcc = to
	}
	home := path.Dir(path.Dir(nvcc))
	for _, include := range []string{"include", "targets/sbsa-linux/include", "targets/x86_64-linux/include"} {
		f, err := os.Open(path.Join(home, include, "cuda_runtime_api.h"))
		if err != nil {
			continue
		}
		defer f.Close()
		lines := bufio.NewScanner(io.LimitReader(f, 1<<20))
		for lines.Scan() {
			// #define CUDART_VERSION  13020
			words := bytes.Fields(lines.Bytes())
			if len(words) == 3 && string(words[1]) == "CUDART_VERSION" {
				n, _ := strconv.Atoi(string(words[2]))
				return cuda.Version{Major: n / 1000, Minor: n % 1000 / 10}
			}
		}
	}
	return cuda.Version{}
}

// maxAncestors bounds the way from a compiler up to the build system that runs
// it; a shell or two are between them.
const maxAncestors = 8

// ninjaAbove is the command line of the ninja that runs a process, nil when
// none does: what ninja is asked for stands in no file.
func ninjaAbove(pid string) []string {
	for range maxAncestors {
		stat, err := os.ReadFile(path.Join("/proc", pid, "stat"))
		if err != nil {
			return nil
		}
		// 123 (name) S 122 ...: the name may hold blanks and parentheses.
		_, rest, ok := strings.Cut(string(stat[bytes.LastIndexByte(stat, ')')+1:]), " ")
		words := strings.Fields(rest)
		if !ok || len(words) < 2 {
			return nil
		}
		pid = words[1]
		line, err := os.ReadFile(path.Join("/proc", pid, "cmdline"))
		if err != nil {
			return nil
		}
		args := strings.Split(strings.TrimSuffix(string(line), "\x00"), "\x00")
		if strings.HasPrefix(path.Base(args[0]), "ninja") {
			return args[1:]
		}
	}
	return nil
}

// ninjaArgs reads the file and the targets off ninja's arguments. Its -C needs
// no reading: ninja and all that it starts are in that directory.
func ninjaArgs(args []string) (file string, targets []string) {
	file = "build.ninja"
	for i := 0; i < len(args); i++ {
		a := args[i]
		switch {
		case a == "-f" && i+1 < len(args):
			i++
			file = args[i]
		case strings.HasPrefix(a, "-f"):
			file = a[2:]
		case len(a) == 2 && strings.ContainsRune("Cjkldtw", rune(a[1])) && a[0] == '-':
			i++
		case strings.HasPrefix(a, "-"):
		default:
			targets = append(targets, a)
		}
	}
	return file, targets
}
