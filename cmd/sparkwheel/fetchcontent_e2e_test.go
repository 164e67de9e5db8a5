package main

import (
	"archive/zip"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const gammaRecipe = `
[target]
platform = "host"
python = "base"
[base]
image = "docker.io/library/python:3.12-slim-bookworm"
[tools]
uv = "0.13.9"
[[source]]
name = "gamma"
url = "https://example.com/org/gamma.git"
ref = "main"
version = "1.0"
[[wheel]]
name = "gamma"
source = "gamma"
distribution = "gamma"
fetchcontent = true
[wheel.environment]
CMAKE_GENERATOR = "Ninja"
CMAKE_ARGS = "-DGREETING=hello"
`

// gamma is a project whose setup.py runs CMake, which fetches two repositories:
// one by a tag in a variable, which it writes into; one with details of its own,
// that the environment may place, with a submodule.
var gamma = map[string]string{
	"org/gamma.git/pyproject.toml": "[build-system]\nrequires = [\"setuptools>=77\", \"cmake>=3.26\", \"ninja\"]\nbuild-backend = \"setuptools.build_meta\"\n",
	"org/gamma.git/setup.py": `import os, subprocess
from setuptools import setup
from setuptools.command.build_py import build_py

class build(build_py):
    def run(self):
        super().run()
        prefix = "-DCMAKE_INSTALL_PREFIX=" + os.path.abspath(self.build_lib)
        subprocess.check_call(["cmake", "-S", ".", "-B", "cmake-build", prefix, *os.environ.get("CMAKE_ARGS", "").split()])
        subprocess.check_call(["cmake", "--install", "cmake-build"])

setup(name="gamma", version="1.0", packages=["gamma"], cmdclass={"build_py": build})
`,
	"org/gamma.git/gamma/__init__.py": "",
	"org/gamma.git/CMakeLists.txt": `cmake_minimum_required(VERSION 3.26)
project(gamma NONE)
include(FetchContent)
include(cmake/kernels.cmake)
if(DEFINED ENV{DIRECT_SRC_DIR})
  set(DIRECT_SRC_DIR $ENV{DIRECT_SRC_DIR})
endif()
if(DIRECT_SRC_DIR)
  set(direct_SOURCE_DIR "${DIRECT_SRC_DIR}")
else()
  FetchContent_Populate(direct GIT_REPOSITORY https://example.com/org/direct.git GIT_TAG main SOURCE_DIR ${CMAKE_BINARY_DIR}/direct-src)
endif()
file(WRITE "${kernels_SOURCE_DIR}/generated.txt" "${GREETING}\n")
install(FILES ${kernels_SOURCE_DIR}/kernels.txt ${kernels_SOURCE_DIR}/generated.txt DESTINATION gamma)
install(DIRECTORY ${direct_SOURCE_DIR}/ DESTINATION gamma/direct)
`,
	"org/gamma.git/cmake/kernels.cmake": `set(KERNELS_REVISION "v1.4")
if(DEFINED ENV{KERNELS_SRC_DIR})
  FetchContent_Declare(Kernels SOURCE_DIR $ENV{KERNELS_SRC_DIR})
else()
  FetchContent_Declare(Kernels GIT_REPOSITORY https://example.com/org/kernels.git GIT_TAG ${KERNELS_REVISION} GIT_SHALLOW TRUE)
endif()
FetchContent_MakeAvailable(Kernels)
`,
	"org/kernels.git/kernels.txt": "kernels of v1.4\n",
	"org/inner.git/inner.txt":     "inner\n",
	"org/direct.git/direct.txt":   "direct\n",
	"org/direct.git/.gitmodules":  "[submodule \"inner\"]\n\tpath = inner\n\turl = ../inner.git\n",
}

// git runs git in one of the workshop's repositories, at a fixed time.
func (w *workshop) runGit(name string, args ...string) string {
	w.t.Helper()
	c := w.command("", "git", append([]string{"-C", filepath.Join(w.dir, "git/org", name+".git")}, args...)...)
	c.Env = append(c.Env, "GIT_CONFIG_GLOBAL=/dev/null", "GIT_AUTHOR_NAME=a", "GIT_AUTHOR_EMAIL=a@example.com", "GIT_AUTHOR_DATE=2026-06-03T12:00:00Z",
		"GIT_COMMITTER_NAME=a", "GIT_COMMITTER_EMAIL=a@example.com", "GIT_COMMITTER_DATE=2026-06-03T12:00:00Z")
	return c.mustRun()
}

func (w *workshop) openGamma() {
	w.t.Helper()
	for name, text := range gamma {
		w.write("git/"+name, text)
	}
	for _, name := range []string{"gamma", "kernels", "inner", "direct"} {
		w.runGit(name, "init", "-q", "-b", "main")
		w.runGit(name, "config", "uploadpack.allowAnySHA1InWant", "true")
		w.runGit(name, "add", "-A", "-f")
		if name == "direct" {
			w.runGit(name, "update-index", "--add", "--cacheinfo", "160000,"+w.runGit("inner", "rev-parse", "HEAD")+",inner")
		}
		w.runGit(name, "commit", "-q", "-m", "one")
	}
	w.runGit("kernels", "tag", "v1.4")
	// What a branch says later is no part of a tag's content.
	w.write("git/org/kernels.git/kernels.txt", "kernels of main\n")
	w.runGit("kernels", "commit", "-q", "-a", "-m", "two")
	w.write("recipe.toml", gammaRecipe)
}

// What a CMake project fetches is locked, brought and built without a network.
func TestE2EFetchContent(t *testing.T) {
	w := openWorkshop(t)
	w.openGamma()
	base := "tar:" + w.base

	w.write("recipe.toml", strings.Replace(gammaRecipe, "fetchcontent = true", "", 1))
	w.sparkwheel("", "without", "build", "wheels", "--base", base).wantCode(1, "CMake fetches kernels while it configures", "set fetchcontent = true in the recipe's [[wheel]]")
	w.write("recipe.toml", gammaRecipe)

	want := w.sparkwheel("", "root", "build", "--base", base).mustRun()
	w.holds("root/out/wheels/gamma-1.0-py3-none-any.whl", map[string]string{
		"gamma/kernels.txt": "kernels of v1.4\n", "gamma/generated.txt": "hello\n", "gamma/direct/direct.txt": "direct\n", "gamma/direct/inner/inner.txt": "inner\n",
	})
	w.says("recipe.lock", "[[wheel.fetchcontent]]", "argument = 'FETCHCONTENT_SOURCE_DIR_KERNELS'", "environment = 'DIRECT_SRC_DIR'",
		"from = 'cmake/kernels.cmake:5'", w.runGit("kernels", "rev-parse", "v1.4"), w.runGit("direct", "rev-parse", "main"), w.runGit("inner", "rev-parse", "main"))
	w.says("root/out/build.json", `"fetchcontent"`, w.runGit("kernels", "rev-parse", "v1.4"))

	w.write("git/org/direct.git/direct.txt", "moved\n")
	w.runGit("direct", "commit", "-q", "-a", "-m", "two")
	bundle := filepath.Join(w.dir, "bundle")
	w.sparkwheel("", "other", "fetch", "--lock", "../recipe.lock", "--base", base, "--bundle", bundle).mustRun()
	lock := []string{"--lock", filepath.Join(w.dir, "recipe.lock"), "--base", base}
	held := w.sparkwheel("", "root", "lock", lock...)
	held.mustRun()
	if text := held.stderr.String(); !strings.Contains(text, "direct of gamma stays at ") || !strings.Contains(text, "--upgrade=direct` takes that") {
		t.Errorf("lock does not say that direct stays:\n%s", text)
	}
	moved := w.sparkwheel("", "root", "lock", append(lock, "--upgrade=direct")...)
	moved.mustRun()
	if text := moved.stderr.String(); !strings.Contains(text, "gamma fetches direct: main ") || !strings.Contains(text, "-> main "+w.runGit("direct", "rev-parse", "main")) {
		t.Errorf("lock --upgrade does not show the change:\n%s", text)
	}
	plan := w.sparkwheel("", "root", "plan", "--lock", lock[1]).mustRun()
	if !strings.Contains(plan, "wheel gamma") || !strings.Contains(plan, "fetchcontent direct") {
		t.Errorf("the plan does not say that direct changed:\n%s", plan)
	}

	w.git.Close()
	args := []string{"-r", filepath.Join(bundle, "recipe.toml"), "--store", bundle, "--lock", filepath.Join(bundle, "sparkwheel.lock"), "--progress", "none"}
	offline := append([]string{"-n", w.program, "build", "--offline", "-o", filepath.Join(w.dir, "offline")}, args...)
	if got := w.command("", "unshare", offline...).mustRun(); got != want {
		t.Errorf("offline from the bundle the digest is %s, online %s", got, want)
	}
	w.nothingToDo(args, want)
}

// What the CMake files leave open is an error of the recipe, with the key.
func TestE2EFetchContentLeftOpen(t *testing.T) {
	w := openWorkshop(t)
	w.openGamma()
	w.write("git/org/gamma.git/cmake/kernels.cmake", "FetchContent_Declare(kernels GIT_REPOSITORY https://example.com/org/kernels.git GIT_TAG ${KERNELS_REVISION})\nFetchContent_MakeAvailable(kernels)\n")
	w.runGit("gamma", "commit", "-q", "-a", "-m", "open")
	base := []string{"--base", "tar:" + w.base}
	w.sparkwheel("", "root", "lock", base...).wantCode(2, "wheel gamma: cmake/kernels.cmake:1: GIT_TAG ${KERNELS_REVISION} of kernels needs the variable KERNELS_REVISION",
		"set variables.KERNELS_REVISION or repository.kernels.ref", "[wheel.fetchcontent]")

	w.write("recipe.toml", strings.Replace(gammaRecipe, "fetchcontent = true", "", 1)+`
[wheel.fetchcontent]
leave-out = ["direct"]
variables = { KERNELS_REVISION = "v1.4" }
[wheel.fetchcontent.repository.more]
url = "https://example.com/org/inner.git"
ref = "main"
`)
	w.sparkwheel("", "root", "lock", base...).mustRun()
	text := w.says("recipe.lock", "FETCHCONTENT_SOURCE_DIR_MORE", w.runGit("kernels", "rev-parse", "v1.4"))
	if strings.Contains(text, "direct.git") {
		t.Errorf("what is left out is locked:\n%s", text)
	}
}

// says checks that a file of the workshop holds texts, and returns all of it.
func (w *workshop) says(name string, wants ...string) string {
	w.t.Helper()
	text, err := os.ReadFile(filepath.Join(w.dir, name))
	w.must(err)
	for _, want := range wants {
		if !strings.Contains(string(text), want) {
			w.t.Errorf("%s does not hold %q:\n%s", name, want, text)
		}
	}
	return string(text)
}

// holds checks files of a wheel, and that nothing of how it was built is there.
func (w *workshop) holds(name string, files map[string]string) {
	w.t.Helper()
	z, err := zip.OpenReader(filepath.Join(w.dir, name))
	w.must(err)
	defer z.Close()
	for file, want := range files {
		text, err := fs.ReadFile(z, file)
		if err != nil || string(text) != want {
			w.t.Errorf("%s holds %q in %s (%v), want %q", name, text, file, err, want)
		}
	}
	if slices.ContainsFunc(z.File, func(f *zip.File) bool { return strings.Contains(f.Name, ".git/") }) {
		w.t.Error("the wheel holds a .git")
	}
}
