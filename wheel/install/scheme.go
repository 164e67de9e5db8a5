// Package install shows wheels as the tree of files that uv would install, as
// an fs.FS that reads the wheels' own bytes lazily.
//
// Make a Scheme, by Debian, UsrLocal or ParseKind, and call Tree.
package install

import (
	"fmt"
	"io/fs"
	"path"
	"strings"

	"github.com/sparkwheel/sparkwheel/requirements"
)

// Scheme says where the parts of a wheel go (sysconfig's installation scheme)
// and which interpreter scripts start with. Directories are slash paths without
// a leading slash, below the root of the file system.
type Scheme struct {
	Prefix  string // usr/local; where nothing else says so
	Purelib string
	Platlib string
	Scripts string
	// Headers has one directory below it for each distribution.
	Headers string
	Data    string
	// Python is the interpreter of scripts, an absolute path.
	Python string
	// PythonVersion is major and minor: 3.12.
	PythonVersion string
	// Over settles conflicts between distributions.
	Over []Over `json:",omitempty"`
	// URL is what direct_url.json puts before the wheel's file name; "" leaves
	// that file out, as for wheels that came from an index.
	URL string
	// Installer is what INSTALLER says (PyPA's recording of installed projects);
	// "" means uv.
	Installer string `json:",omitempty"`
}

// Over says that where both distributions write a path with different bytes,
// those of Winner stand. Published sets need it: two distributions that ship
// builds of one library for two versions of CUDA, or a stray build_backend.py.
// Where each has a layer of its own, that of Winner must come later.
type Over struct{ Winner, Loser requirements.Name }

// Debian is the scheme of the system Python of Debian and Ubuntu:
// dist-packages below usr/local, the headers in usr/include. Version is 3.12.
func Debian(version string) Scheme {
	lib := "usr/local/lib/python" + version + "/dist-packages"
	return Scheme{
		Prefix: "usr/local", Purelib: lib, Platlib: lib, Scripts: "usr/local/bin",
		Headers: "usr/include/python" + version, Data: "usr/local",
		Python: "/usr/bin/python3", PythonVersion: version,
	}
}

// UsrLocal is the scheme of a Python built into usr/local, as in the official
// python images.
func UsrLocal(version string) Scheme {
	lib := "usr/local/lib/python" + version + "/site-packages"
	return Scheme{
		Prefix: "usr/local", Purelib: lib, Platlib: lib, Scripts: "usr/local/bin",
		Headers: "usr/local/include/python" + version, Data: "usr/local",
		Python: "/usr/local/bin/python3", PythonVersion: version,
	}
}

func (s Scheme) check() error {
	for _, d := range []struct{ key, dir string }{
		{"purelib", s.Purelib}, {"platlib", s.Platlib}, {"scripts", s.Scripts}, {"headers", s.Headers}, {"data", s.Data},
	} {
		if !fs.ValidPath(d.dir) {
			return fmt.Errorf("installation scheme: %s is %q, not a slash path below the root", d.key, d.dir)
		}
	}
	if !path.IsAbs(s.Python) || strings.ContainsAny(s.Python, "\n\x00") {
		return fmt.Errorf("installation scheme: the interpreter %q is not an absolute path", s.Python)
	}
	major, minor, ok := strings.Cut(s.PythonVersion, ".")
	if !ok || major != "3" || minor == "" || strings.Trim(minor, "0123456789") != "" {
		return fmt.Errorf("installation scheme: Python version %q is not of the form 3.12", s.PythonVersion)
	}
	return nil
}

// dir is where a key of the wheel's .data directory goes.
func (s Scheme) dir(key, distribution string) string {
	switch key {
	case "purelib":
		return s.Purelib
	case "platlib":
		return s.Platlib
	case "headers":
		return s.Headers + "/" + distribution
	case "scripts":
		return s.Scripts
	default:
		return s.Data
	}
}
