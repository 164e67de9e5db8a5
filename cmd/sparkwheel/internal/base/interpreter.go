package base

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"path"
	"regexp"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/host"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/stage"
	"github.com/sparkwheel/sparkwheel/layer/listing"
	"github.com/sparkwheel/sparkwheel/wheel/install"
)

// PythonVersionError says that another Python was asked for than the base has.
type PythonVersionError struct{ Asked, Path, Found string }

func (e *PythonVersionError) Error() string {
	return fmt.Sprintf("--python is %s, but %s of the base is Python %s; leave out --python, or use a base with that version", e.Asked, e.Path, e.Found)
}

// defaultPath is PATH where an image does not set it.
const defaultPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// interpreter is a Python among an image's files.
type interpreter struct {
	path    string // as PATH finds it
	version string // 3.12; "" where its files do not say
}

// ListedPython learns from the base's files which Python runs in it, and where
// that installs to: the first python3 of its PATH, or python and the version
// asked for where another comes first. What else the image says of a version
// (PYTHON_VERSION) is believed of no other interpreter; told is what does not
// fit. ErrNoPython comes with the layout of a Debian system for the version
// asked for.
func (b *Base) ListedPython(config v1.Config, asked string) (py Python, told string, err error) {
	found, err := findInterpreter(b.Files, environment(config, "PATH"), asked)
	machine := host.Machine(b.Platform.Architecture)
	if errors.Is(err, ErrNoPython) && asked != "" {
		p := FilePython("/usr/bin/python3", asked, machine, "")
		p.GLIBC, p.AnyLibrary = b.libraries(machine)
		return p, "", err
	}
	if err != nil {
		return Python{}, "", err
	}
	py = Python{Path: found.path, Version: found.version, Full: found.version, Machine: machine}
	py.Scheme = listedScheme(b.Files, found)
	py.Scheme.URL = WheelsURL
	py.GLIBC, py.AnyLibrary = b.libraries(machine)
	said := environment(config, "PYTHON_VERSION")
	switch full := b.patchLevel(found); {
	case full != "":
		py.Full = full
	case strings.HasPrefix(said, found.version+".") && strings.HasPrefix(found.path, "/usr/local/"):
		py.Full = said
	}
	if said != "" && said != found.version && !strings.HasPrefix(said, found.version+".") {
		told = fmt.Sprintf("the base says PYTHON_VERSION=%s, but its %s is Python %s: wheels are checked against the latter", said, found.path, found.version)
	}
	return py, told, nil
}

// FindPython is the interpreter that runs in the base, and what it says of itself:
// asked where the base is on this host and its programs run here, else told by
// its files. asked is the version that the user wants, "" for whichever there is.
func (b *Base) FindPython(ctx context.Context, env host.Env, config v1.Config, asked string, run *stage.Run) (Python, error) {
	py, told, err := b.ListedPython(config, asked)
	if told != "" {
		run.Note("%s", told)
	}
	switch {
	case errors.Is(err, ErrNoPython) && asked != "":
		run.Note("%v: the image's Python will find the wheels only if it is %s and looks in %s", ErrNoPython, asked, py.Scheme.Purelib)
		return py, nil
	case err != nil || b.Reference.Remote() || !b.RunsHere(env):
		return py, err
	}
	if _, err := b.Unpack(ctx, env); err != nil {
		return py, err
	}
	answer, err := b.ask(ctx, env, py.Path, run)
	if err != nil {
		run.Note("the base's interpreter does not run here (%v); its layout is read from its files", err)
		return py, nil
	}
	return answer, nil
}

// environment is the value of a variable that the image sets.
func environment(config v1.Config, name string) string {
	value := ""
	for _, kv := range config.Env {
		if v, ok := strings.CutPrefix(kv, name+"="); ok {
			value = v
		}
	}
	return value
}

// findInterpreter looks along PATH, and where images put Python if PATH has none.
func findInterpreter(files *listing.Files, searchPath, asked string) (interpreter, error) {
	if searchPath == "" {
		searchPath = defaultPath
	}
	dirs := append(strings.Split(searchPath, ":"), "/usr/local/bin", "/usr/bin")
	found, ok := firstIn(files, dirs, "python3")
	if asked == "" {
		switch {
		case !ok:
			return found, fmt.Errorf("%w; give the version that the image will have with --python", ErrNoPython)
		case found.version == "":
			return found, fmt.Errorf("the base does not say which version of Python %s is; give it with --python", found.path)
		}
		return found, nil
	}
	if ok && found.version == asked {
		return found, nil
	}
	if other, there := firstIn(files, dirs, "python"+asked); there {
		other.version = asked
		return other, nil
	}
	switch {
	case !ok:
		return found, ErrNoPython
	case found.version == "":
		found.version = asked
		return found, nil
	}
	return found, &PythonVersionError{asked, found.path, found.version}
}

var pythonRE = regexp.MustCompile(`^python(3\.[0-9]+)t?$`)

// firstIn is the first directory that has a program of that name.
func firstIn(files *listing.Files, dirs []string, name string) (interpreter, bool) {
	for _, dir := range dirs {
		if !path.IsAbs(dir) {
			continue
		}
		at := path.Join(dir, name)
		e, err := files.Stat(strings.TrimPrefix(at, "/"))
		if err != nil || e.Kind != tar.TypeReg {
			continue
		}
		in := interpreter{path: at}
		if m := pythonRE.FindStringSubmatch(path.Base(e.Name)); m != nil {
			in.version = m[1]
		} else {
			in.version = libraryVersion(files, path.Dir(path.Dir(e.Name)))
		}
		return in, true
	}
	return interpreter{}, false
}

// libraryVersion is the version of the one standard library below a prefix, ""
// where there is none, or more than one.
func libraryVersion(files *listing.Files, prefix string) string {
	version := ""
	for _, name := range files.Names(path.Join(prefix, "lib")) {
		m := pythonRE.FindStringSubmatch(name)
		if m == nil {
			continue
		}
		if _, err := files.Stat(path.Join(prefix, "lib", name, "os.py")); err != nil {
			continue
		}
		if version != "" {
			return ""
		}
		version = m[1]
	}
	return version
}

// listedScheme is where an interpreter installs to, by what stands around it.
func listedScheme(files *listing.Files, in interpreter) install.Scheme {
	prefix := strings.Trim(path.Dir(path.Dir(in.path)), "/")
	has := func(name string) bool { _, err := files.Stat(name); return err == nil }
	switch {
	case has(path.Join(prefix, "pyvenv.cfg")):
		s := prefixed(prefix, in)
		s.Headers = prefix + "/include/site/python" + in.version
		return s
	case prefix == "usr/local":
		return install.UsrLocal(in.version)
	case prefix != "usr" && prefix != "":
		return prefixed(prefix, in)
	case has(debianPackages):
	case has("usr/lib64/python" + in.version + "/os.py"): // Fedora and its kin
		s := prefixed("usr/local", in)
		s.Platlib = "usr/local/lib64/python" + in.version + "/site-packages"
		return s
	case has("usr/lib/python" + in.version + "/site-packages"): // Alpine, Arch
		return prefixed("usr", in)
	}
	return install.Debian(in.version)
}

// prefixed is CPython's own scheme at a prefix.
func prefixed(prefix string, in interpreter) install.Scheme {
	lib := prefix + "/lib/python" + in.version + "/site-packages"
	return install.Scheme{
		Prefix: prefix, Purelib: lib, Platlib: lib, Scripts: prefix + "/bin", Headers: prefix + "/include/python" + in.version,
		Data: prefix, Python: in.path, PythonVersion: in.version,
	}
}

var patchRE = regexp.MustCompile(`(?m)^#define\s+PY_VERSION\s+"([0-9]+\.[0-9]+\.[0-9]+[^"+]*)`)

// patchLevel is the whole version of an interpreter whose headers are there.
func (b *Base) patchLevel(in interpreter) string {
	prefix := strings.Trim(path.Dir(path.Dir(in.path)), "/")
	e, err := b.Files.Stat(path.Join(prefix, "include", "python"+in.version, "patchlevel.h"))
	if err != nil {
		return ""
	}
	if m := patchRE.FindSubmatch(e.Content); m != nil {
		return string(m[1])
	}
	return ""
}

// libraries is the version of the base's glibc; any where nothing is known of
// its C library.
func (b *Base) libraries(machine string) (glibc string, anyLibrary bool) {
	for _, dir := range []string{"lib/" + machine + "-linux-gnu", "usr/lib/" + machine + "-linux-gnu", "lib64", "usr/lib64", "lib", "usr/lib"} {
		if e, err := b.Files.Stat(dir + "/libc.so.6"); err == nil && len(e.Content) > 0 {
			return string(e.Content), false
		}
	}
	for _, name := range b.Files.Names("lib") {
		if strings.HasPrefix(name, "ld-musl-") {
			return "", false
		}
	}
	return "", true
}
