package install_test

import "github.com/sparkwheel/sparkwheel/wheel/install"

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

// venv is the scheme of a virtual environment at dir.
func venv(dir, version string) install.Scheme { return kind("venv:"+dir, "", version) }

// target is the scheme of `uv pip install --target`.
func target(dir, python, version string) install.Scheme { return kind("target:"+dir, python, version) }

func kind(text, python, version string) install.Scheme {
	k, err := install.ParseKind(text)
	if err != nil {
		panic(err)
	}
	s := k.Scheme(python, version)
	s.URL = wheels
	return s
}
