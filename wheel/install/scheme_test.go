package install_test

import (
	"strings"

	"github.com/sparkwheel/sparkwheel/wheel/install"
)

// wheels is where the tests' wheels say that they came from.
const wheels = "file:///workspace/wheels/"

func debian(version string) install.Scheme {
	s := install.Debian(version)
	s.URL = wheels
	return s
}

func usrLocal(version string) install.Scheme {
	s := install.UsrLocal(version)
	s.URL = wheels
	return s
}

// venv is the scheme of a virtual environment at dir, as uv makes it.
func venv(dir, version string) install.Scheme {
	dir = strings.TrimPrefix(dir, "/")
	lib := dir + "/lib/python" + version + "/site-packages"
	return install.Scheme{
		Prefix: dir, Purelib: lib, Platlib: lib, Scripts: dir + "/bin",
		Headers: dir + "/include/site/python" + version, Data: dir,
		Python: "/" + dir + "/bin/python", PythonVersion: version, URL: wheels,
	}
}

// target is the scheme of `uv pip install --target`: everything below dir.
func target(dir, python, version string) install.Scheme {
	dir = strings.TrimPrefix(dir, "/")
	return install.Scheme{
		Prefix: dir, Purelib: dir, Platlib: dir, Scripts: dir + "/bin",
		Headers: dir + "/include", Data: dir,
		Python: python, PythonVersion: version, URL: wheels,
	}
}
