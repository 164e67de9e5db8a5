package launcher

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// compilers matches the names under which compilers are called: with a target
// before and a version behind, as Debian names them.
var compilers = regexp.MustCompile(`^([a-z0-9_]+-linux-gnu-)?(gcc|g\+\+|cc|c\+\+|clang|clang\+\+|nvcc)(-[0-9.]+)?$`)

func isCompiler(base string) bool { return compilers.MatchString(base) }

func isCache(base string) bool { return base == "ccache" || base == "sccache" }

// enter links every compiler and compiler cache in PATH to the launcher, puts
// the links first in PATH, and runs args.
func (l *launcher) enter(args []string) error {
	if len(args) == 0 {
		return errors.New("the command is missing")
	}
	for _, dir := range filepath.SplitList(get(l.env, "PATH")) {
		if !path.IsAbs(dir) || dir == l.dir {
			continue
		}
		entries, err := os.ReadDir(dir)
		if err != nil {
			continue // PATH may name what the root does not have
		}
		for _, e := range entries {
			if err := l.link(e.Name()); err != nil {
				return err
			}
		}
	}
	env := set(l.env, "PATH", l.dir+":"+get(l.env, "PATH"))
	if nvcc, err := l.real("nvcc"); err == nil && get(env, "CUDA_HOME") == "" && get(env, "CUDA_PATH") == "" {
		// Build systems take the directory above an nvcc in PATH for the toolkit's,
		// and ours is not.
		env = set(env, "CUDA_HOME", path.Dir(path.Dir(nvcc)))
	}
	program, err := (&launcher{env: env}).real(args[0])
	if err != nil {
		return err
	}
	return replace(append([]string{program}, args[1:]...), env)
}

func (l *launcher) link(name string) error {
	if !isCompiler(name) && !isCache(name) {
		return nil
	}
	if _, err := l.real(name); err != nil {
		return nil //nolint:nilerr // not a program, or one of ours
	}
	if err := os.Symlink(Name, path.Join(l.dir, name)); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return nil
}

// real finds the program of a name or a path that is not a launcher. A name is
// sought in PATH, past the launcher's own directory; so is a path that leads
// back to a launcher. A compiler's name that belongs to a compiler cache, as in
// Debian's /usr/lib/ccache, is passed over.
func (l *launcher) real(name string) (string, error) {
	if strings.Contains(name, "/") && path.Dir(name) != l.dir {
		return name, nil
	}
	base := path.Base(name)
	for _, dir := range filepath.SplitList(get(l.env, "PATH")) {
		p := path.Join(dir, base)
		if !path.IsAbs(dir) || dir == l.dir {
			continue
		}
		info, err := os.Stat(p)
		if err != nil || !info.Mode().IsRegular() || info.Mode()&0o111 == 0 {
			continue
		}
		if to, err := filepath.EvalSymlinks(p); err == nil && !isCache(base) && isCache(path.Base(to)) {
			continue
		}
		return p, nil
	}
	return "", fmt.Errorf("no executable file %s in PATH %q", base, get(l.env, "PATH"))
}

func set(env []string, key, value string) []string {
	env = slices.DeleteFunc(slices.Clone(env), func(kv string) bool { return strings.HasPrefix(kv, key+"=") })
	return append(env, key+"="+value)
}
