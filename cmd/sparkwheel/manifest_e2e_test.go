package main

import (
	"archive/tar"
	"compress/gzip"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/recipe"
	"github.com/sparkwheel/sparkwheel/requirements/pyconst"
	"github.com/sparkwheel/sparkwheel/wheel/index"
)

// What a source's module pins through checksum lists is locked file by file,
// fetched, and seen by the build as a tree, from a bundle without any server.
func TestE2EManifestInABuild(t *testing.T) {
	w := openWorkshop(t)
	kernel, header := "a kernel", "a header"
	list := func() string {
		return sumOf([]byte(kernel)) + "  k.cubin\n" + sumOf([]byte(header)) + "  include/k.h\n"
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		text, ok := map[string]string{"/v1/kernels/checksums.txt": list(), "/v1/kernels/k.cubin": kernel, "/v1/kernels/include/k.h": header}[r.URL.Path]
		if !ok {
			http.NotFound(w, r)
			return
		}
		fmt.Fprint(w, text)
	}))
	t.Cleanup(server.Close)
	setup := w.read("git/org/alpha.git/setup.py")
	w.write("git/org/alpha.git/setup.py", "import os\nfor d, _, f in sorted(os.walk(os.environ['KERNELS'])): print('in', d, sorted(f))\n"+setup)
	w.write("git/org/alpha.git/alpha/artifacts.py", fmt.Sprintf("class Path:\n    KERNELS: str = (\n        \"v1/kernels/\"\n    )\nclass Sum:\n    KERNELS: str = \"%s\"\n", sumOf([]byte(list()))))
	w.commit("alpha", "pin kernels")
	w.write("recipe.toml", strings.Replace(workshopRecipe, `environment = { ALPHA_VERSION = "{version}" }`,
		"environment = { ALPHA_VERSION = \"{version}\", KERNELS = \"/opt/kernels\" }\ninputs = { kernels = \"/opt/kernels\" }", 1)+`
[[manifest]]
name = "kernels"
url = "https://kernels.example.com/"
source = "alpha"
file = "alpha/artifacts.py"
directories = { "{Path.KERNELS}" = "{Sum.KERNELS}" }
`)
	run := func(command string, args ...string) *running {
		return w.sparkwheel("", "root", command, append(args, "--lock", "../recipe.lock", "--mirror", "https://kernels.example.com/="+server.URL+"/")...)
	}
	asked := []string{"--base", "tar:" + w.base, "--ref", "alpha=main"}
	run("lock", asked...).mustRun()
	want := sumOf([]byte(list())) + "  v1/kernels/checksums.txt\n" + sumOf([]byte(header)) + "  v1/kernels/include/k.h\n" + sumOf([]byte(kernel)) + "  v1/kernels/k.cubin\n"
	if got := w.read("manifest.recipe_kernels.sha256"); got != want {
		t.Errorf("beside the lock stands\n%s, want\n%s", got, want)
	}
	bundle := filepath.Join(w.dir, "bundle")
	run("fetch", "--bundle", bundle).mustRun()
	server.Close()
	c := w.command("", "unshare", "-n", w.program, "build", "--offline", "-v", "--progress", "plain", "-r", filepath.Join(bundle, "recipe.toml"),
		"--store", bundle, "--lock", filepath.Join(bundle, "sparkwheel.lock"), "-o", filepath.Join(w.dir, "offline"))
	c.mustRun()
	for _, says := range []string{"in /opt/kernels/v1/kernels ['checksums.txt', 'k.cubin']", "in /opt/kernels/v1/kernels/include ['k.h']"} {
		if !strings.Contains(c.stderr.String(), says) {
			t.Errorf("the build does not say %q:\n%s", says, c.stderr.String())
		}
	}
	run("lock", append(asked, "--upgrade=alpha")...).mustRun()
	w.write("git/org/alpha.git/alpha/artifacts.py", "class Path:\n    KERNELS = root() + 'x/'\nclass Sum:\n    KERNELS = 'x'\n")
	w.commit("alpha", "compute paths")
	run("lock", append(asked, "--upgrade=alpha")...).wantCode(1, "manifest kernels: alpha/artifacts.py: Path.KERNELS is not a constant that can be read without running Python: line 2")
}

// Recipe spark's manifest names constants that FlashInfer's own module has.
func TestE2ESparkManifestFitsFlashInfer(t *testing.T) {
	if os.Getenv("SPARKWHEEL_E2E") == "" {
		t.Skip("needs the Python index: set SPARKWHEEL_E2E=1")
	}
	r, err := recipe.Load("spark")
	if err != nil {
		t.Fatal(err)
	}
	m := r.Manifests[0]
	module, err := pyconst.Parse(m.File, releasedFile(t, "flashinfer-python", "0.6.12", m.File))
	if err != nil {
		t.Fatal(err)
	}
	target := recipe.Values{Machine: "aarch64", GPUArch: r.Target.GPUArch}
	for key, value := range m.Directories {
		dir, err := recipe.Fill(recipe.Expand(key, target), module.String)
		if err != nil {
			t.Error(err)
		}
		sum, err := recipe.Fill(recipe.Expand(value, target), module.String)
		if err != nil {
			t.Error(err)
		}
		if err := (recipe.LockedDirectory{Path: dir, SHA256: sum}).Check(); err != nil {
			t.Errorf("%s: %v", key, err)
		}
	}
}

// releasedFile is a file of a release's source distribution.
func releasedFile(t *testing.T, name, version, file string) []byte {
	t.Helper()
	url, err := (&app{environment: environment{Getenv: os.Getenv}}).userIndex()
	if err != nil {
		t.Fatal(err)
	}
	c := &index.Client{Index: url}
	files, err := c.Files(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	sdist, err := index.Sdist(name, version, files)
	if err != nil {
		t.Fatal(err)
	}
	path, err := c.Download(t.Context(), sdist.Pin(name), t.TempDir(), nil)
	if err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	for tr := tar.NewReader(z); ; {
		h, err := tr.Next()
		if err != nil {
			t.Fatalf("looking for %s: %v", file, err)
		}
		if _, below, _ := strings.Cut(h.Name, "/"); below == file {
			text, err := io.ReadAll(tr)
			if err != nil {
				t.Fatal(err)
			}
			return text
		}
	}
}
