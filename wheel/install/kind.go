package install

import (
	"fmt"
	"path"
	"strings"
)

// Kind is a Scheme before the Python is known that it is for. The zero Kind is
// no choice: what the interpreter has is what counts.
type Kind struct {
	name, dir string
}

// Kinds lists what ParseKind takes, for a message or a help text.
const Kinds = "site-packages, dist-packages, venv:DIR or target:DIR"

// ParseKind reads a kind of scheme: site-packages or dist-packages below
// /usr/local, as UsrLocal and Debian have them; venv:DIR, a virtual environment
// at DIR as uv makes it; target:DIR, everything below DIR as `uv pip install
// --target` puts it. DIR is an absolute path.
func ParseKind(s string) (Kind, error) {
	name, dir, hasDir := strings.Cut(s, ":")
	switch name {
	case "site-packages", "dist-packages":
		if !hasDir {
			return Kind{name: name}, nil
		}
	case "venv", "target":
		if path.IsAbs(dir) && path.Clean(dir) == dir && dir != "/" && !strings.ContainsAny(dir, "\x00\n") {
			return Kind{name, dir}, nil
		}
		return Kind{}, fmt.Errorf("installation scheme %q: DIR must be an absolute path, such as %s:/opt/wheels", s, name)
	}
	return Kind{}, fmt.Errorf("installation scheme %q is not one of %s", s, Kinds)
}

// IsZero is whether no kind was chosen.
func (k Kind) IsZero() bool { return k == Kind{} }

// String is the kind as ParseKind takes it.
func (k Kind) String() string {
	if k.dir == "" {
		return k.name
	}
	return k.name + ":" + k.dir
}

// Scheme is the scheme of that kind for a Python, whose version is of the form
// 3.12. Python is the path of the interpreter for scripts; a virtual
// environment has its own.
func (k Kind) Scheme(python, version string) Scheme {
	var s Scheme
	switch k.name {
	case "dist-packages":
		s = Debian(version)
	case "venv":
		return venv(k.dir, version)
	case "target":
		return target(k.dir, python, version)
	default:
		s = UsrLocal(version)
	}
	s.Python = python
	return s
}

func venv(dir, version string) Scheme {
	dir = strings.TrimPrefix(dir, "/")
	lib := dir + "/lib/python" + version + "/site-packages"
	return Scheme{
		Prefix: dir, Purelib: lib, Platlib: lib, Scripts: dir + "/bin",
		Headers: dir + "/include/site/python" + version, Data: dir,
		Python: "/" + dir + "/bin/python", PythonVersion: version,
	}
}

func target(dir, python, version string) Scheme {
	dir = strings.TrimPrefix(dir, "/")
	return Scheme{
		Prefix: dir, Purelib: dir, Platlib: dir, Scripts: dir + "/bin",
		Headers: dir + "/include", Data: dir,
		Python: python, PythonVersion: version,
	}
}
