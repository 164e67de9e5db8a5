package install_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/sparkwheel/sparkwheel/wheel/install"
)

// TestE2ETrixie installs with uv in a Debian trixie root, whose Python is 3.13,
// as the image's own root would.
func TestE2ETrixie(t *testing.T) {
	uv := uvTool(t)
	if os.Getuid() != 0 {
		t.Skip("needs root, for chroot")
	}
	if _, err := exec.LookPath("mmdebstrap"); err != nil {
		t.Skip("needs mmdebstrap: apt-get install mmdebstrap")
	}
	root := filepath.Join(t.TempDir(), "root")
	run(t, "mmdebstrap", "--quiet", "--variant=apt", "--include=python3", "trixie", root)
	paths := download(t, "requests", "pip", "docutils")
	for _, w := range odd() {
		if w.File != "pip-1.0-py3-none-any.whl" { // the real pip stands for it
			paths = append(paths, w.Write(t, t.TempDir()))
		}
	}
	run(t, "mkdir", root+"/wheels")
	var inside []string
	for _, p := range paths {
		run(t, "cp", p, root+"/wheels/")
		inside = append(inside, "/wheels/"+filepath.Base(p))
	}
	run(t, "cp", uv, root+"/wheels/uv")
	kept := map[string]bool{}
	usr := os.DirFS(root + "/usr")
	for name := range files(t, usr) {
		kept[name] = true
	}
	run(t, "chroot", append([]string{root, "/usr/bin/env", "UV_BREAK_SYSTEM_PACKAGES=1", "UV_CACHE_DIR=/wheels/cache", "/wheels/uv", "--quiet",
		"pip", "install", "--no-deps", "--offline", "--link-mode", "copy", "--system", "--python", "/usr/bin/python3"}, inside...)...)
	tree, err := install.Tree(debian("3.13"), openAll(t, paths)...)
	if err != nil {
		t.Fatal(err)
	}
	compare(t, root+"/usr", tree, "usr", kept)
}
