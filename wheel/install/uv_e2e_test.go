package install_test

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sparkwheel/sparkwheel/wheel"
	"github.com/sparkwheel/sparkwheel/wheel/install"
)

// uvVersion is the uv whose trees are the measure.
const uvVersion = "0.13.9"

// uvTool is a uv from the index, installed once for all tests.
func uvTool(t testing.TB) string {
	t.Helper()
	if os.Getenv("SPARKWHEEL_E2E") == "" && os.Getenv("SPARKWHEEL_E2E_REAL") == "" {
		t.Skip("set SPARKWHEEL_E2E=1: this test needs the Python index")
	}
	uvMutex.Lock()
	defer uvMutex.Unlock()
	if uvPath == "" {
		dir, err := os.MkdirTemp("", "sparkwheel-uv-")
		if err != nil {
			t.Fatal(err)
		}
		run(t, "/usr/bin/python3", "-m", "pip", "--disable-pip-version-check", "install", "--quiet", "--target", dir, "uv=="+uvVersion)
		uvPath = dir + "/bin/uv"
	}
	return uvPath
}

// The tests share one uv; TestMain removes it.
var (
	uvMutex sync.Mutex
	uvPath  string
)

func TestMain(m *testing.M) {
	code := m.Run()
	if uvPath != "" {
		os.RemoveAll(filepath.Dir(filepath.Dir(uvPath)))
	}
	os.Exit(code)
}

func run(t testing.TB, name string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), name, args...)
	if uvPath != "" {
		// The user's own cache neither helps nor grows.
		cmd.Env = append(os.Environ(), "UV_CACHE_DIR="+filepath.Join(filepath.Dir(filepath.Dir(uvPath)), "cache"))
	}
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("running %s: %v\n%s%s", cmd, err, out, stderr.String())
	}
	return string(out)
}

// download brings the newest wheels of these requirements for this machine.
func download(t *testing.T, requirements ...string) []string {
	t.Helper()
	dir := t.TempDir()
	args := []string{"-m", "pip", "--disable-pip-version-check", "download", "--quiet", "--no-deps", "--only-binary", ":all:", "--dest", dir}
	run(t, "/usr/bin/python3", append(args, requirements...)...)
	paths, err := filepath.Glob(dir + "/*.whl")
	if err != nil || len(paths) != len(requirements) {
		t.Fatalf("downloaded %d wheels, want %d: %v", len(paths), len(requirements), err)
	}
	return paths
}

// systemInstall runs `uv pip install --system` for the machine's own Python in
// a mount namespace whose /usr is an overlay, and returns the upper directory:
// what uv wrote. The machine's /usr stays as it is.
func systemInstall(t *testing.T, uv string, wheels []string) string {
	t.Helper()
	dir := t.TempDir()
	script := `set -e
dir=$1 uv=$2
shift 2
mkdir "$dir/upper" "$dir/tmpfs"
mount -t tmpfs -o size=8g tmpfs "$dir/tmpfs"
mkdir "$dir/tmpfs/upper" "$dir/tmpfs/work"
mount -t overlay -o "lowerdir=/usr,upperdir=$dir/tmpfs/upper,workdir=$dir/tmpfs/work" overlay /usr
export UV_BREAK_SYSTEM_PACKAGES=1 UV_CACHE_DIR="$dir/tmpfs/cache" UV_LINK_MODE=copy
"$uv" --quiet pip install --no-deps --offline --system --python /usr/bin/python3 "$@"
cp -a "$dir/tmpfs/upper/." "$dir/upper"
`
	args := []string{"--mount", "sh", "-c", script, "sh", dir, uv}
	if os.Getuid() != 0 {
		args = append([]string{"--user", "--map-root-user"}, args...)
	}
	run(t, "unshare", append(args, wheels...)...)
	return dir + "/upper"
}

func pythonVersion(t *testing.T, python string) string {
	return strings.TrimSpace(run(t, python, "-c", "import sys; print('%d.%d' % sys.version_info[:2])"))
}

// files maps every path of a tree to its mode and content: in full for texts
// that installers write, else a digest.
func files(t *testing.T, fsys fs.FS) map[string]string {
	t.Helper()
	got := map[string]string{}
	err := fs.WalkDir(fsys, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		if !info.Mode().IsRegular() {
			got[name] = info.Mode().Type().String()
			if d.IsDir() {
				got[name] = "directory"
			}
			return nil
		}
		f, err := fsys.Open(name)
		if err != nil {
			return err
		}
		defer f.Close()
		h := sha256.New()
		var text strings.Builder
		w := io.Writer(h)
		if strings.Contains(name, ".dist-info/") || info.Size() < 1000 {
			w = &text
		}
		if _, err := io.Copy(w, f); err != nil {
			return err
		}
		content := text.String()
		if w == h {
			content = hex.EncodeToString(h.Sum(nil))
		}
		got[name] = fmt.Sprintf("%v %d\n%s", info.Mode(), info.Size(), content)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return got
}

var (
	cacheRow     = regexp.MustCompile(`(?m)^[^\n]*\.dist-info/uv_cache\.json,.*\n`)
	directURLRow = regexp.MustCompile(`(?m)^([^\n]*\.dist-info/direct_url\.json),.*$`)
	recordHeader = regexp.MustCompile(`^(\S+) \d+\n`)
)

// allow takes out every difference that is wanted, and names it:
//   - uv_cache.json holds the time of the wheel file's inode: not reproducible.
//   - direct_url.json names where the wheel will be in the image, and its digest.
//   - RECORD therefore lacks the row of the one and differs in that of the other.
func allow(tree map[string]string) (differences []string) {
	for name, content := range tree {
		if _, ok := tree[path.Dir(name)+"/REQUESTED"]; !ok {
			continue // not a dist-info, or a vendored one
		}
		switch path.Base(name) {
		case "uv_cache.json":
			delete(tree, name)
			differences = append(differences, name+": uv's alone")
		case "direct_url.json":
			tree[name] = "a direct_url.json"
			differences = append(differences, name+": another URL, and the digest")
		case "RECORD":
			content = cacheRow.ReplaceAllString(content, "")
			content = directURLRow.ReplaceAllString(content, "$1,")
			tree[name] = recordHeader.ReplaceAllString(content, "$1\n")
			differences = append(differences, name+": the rows of these two")
		}
	}
	slices.Sort(differences)
	return differences
}

func openAll(t *testing.T, paths []string) []*wheel.Reader {
	t.Helper()
	var readers []*wheel.Reader
	for _, p := range paths {
		r, err := wheel.Open(p)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { r.Close() })
		if err := r.Verify(t.Context()); err != nil {
			t.Fatal(err)
		}
		readers = append(readers, r)
	}
	return readers
}

// below is the part of a tree under dir.
func below(tree map[string]string, dir string) map[string]string {
	part := map[string]string{}
	for name, content := range tree {
		if rest, ok := strings.CutPrefix(name, dir+"/"); ok {
			part[rest] = content
		}
	}
	return part
}

// compare holds what uv left in dir against the tree's part below root. What
// was in dir before is in kept, whose files are not looked at.
func compare(t *testing.T, dir string, tree fs.FS, root string, kept map[string]bool) {
	t.Helper()
	want, got := files(t, os.DirFS(dir)), below(files(t, tree), root)
	for _, d := range allow(want) {
		t.Log("allowed:", d)
	}
	allow(got)
	delete(want, ".")
	for name := range kept {
		delete(want, name)
		if got[name] == "directory" {
			delete(got, name)
		}
	}
	t.Logf("%d files and directories compared", len(want))
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("install.Tree differs from uv (-uv +install.Tree):\n%s", diff)
	}
}

// kinds are distributions whose wheels are of many kinds.
var kinds = []string{
	"numpy",                  // native code, OpenBLAS beside it, console scripts
	"cryptography",           // abi3
	"psutil",                 // abi3, C
	"orjson",                 // Rust, one library
	"PyYAML",                 // name in capitals
	"requests",               // pure, no scripts
	"click",                  // flit
	"pip",                    // the rule for pip3.X
	"setuptools",             // entry points of many groups
	"wheel",                  // one console script
	"uv",                     // executables in .data/scripts
	"ninja",                  // an executable, scikit-build
	"greenlet",               // .data/headers
	"widgetsnbextension",     // .data/data
	"jupyterlab-widgets",     // .data/data, deep
	"docutils",               // console scripts, data files
	"awscli",                 // scripts with #!python
	"zope.interface",         // namespace with .pth of old
	"ruamel.yaml",            // namespace, dot in its name
	"sphinxcontrib-htmlhelp", // native namespace
	"black",                  // mypyc, several top-level names
	"selenium",               // an executable among the data
	"debugpy",                // large vendored trees
	"tqdm",                   // console script, data files
	"Flask",                  // a script named unlike the distribution
}

// TestE2ESystem installs many kinds of wheels as the root of a Debian image would.
func TestE2ESystem(t *testing.T) {
	uv := uvTool(t)
	paths := download(t, kinds...)
	tree, err := install.Tree(debian(pythonVersion(t, "/usr/bin/python3")), openAll(t, paths)...)
	if err != nil {
		t.Fatal(err)
	}
	compare(t, systemInstall(t, uv, paths), tree, "usr", nil)
}

// TestE2EVenv installs them into a virtual environment.
func TestE2EVenv(t *testing.T) {
	uv := uvTool(t)
	paths := download(t, kinds...)
	dir := filepath.Join(t.TempDir(), "venv")
	run(t, uv, "--quiet", "venv", "--offline", "--python", "/usr/bin/python3", dir)
	kept := map[string]bool{".lock": true}
	for name := range files(t, os.DirFS(dir)) {
		kept[name] = true
	}
	run(t, uv, append([]string{"--quiet", "pip", "install", "--no-deps", "--offline", "--link-mode", "copy", "--python", dir + "/bin/python"}, paths...)...)
	tree, err := install.Tree(venv(dir, pythonVersion(t, "/usr/bin/python3")), openAll(t, paths)...)
	if err != nil {
		t.Fatal(err)
	}
	compare(t, dir, tree, strings.TrimPrefix(dir, "/"), kept)
}

// TestE2ETarget installs wheels of another platform, which uv does with --target.
func TestE2ETarget(t *testing.T) {
	uv := uvTool(t)
	in := filepath.Join(t.TempDir(), "in.txt")
	if err := os.WriteFile(in, []byte("numpy\ncryptography\nuv\ngreenlet\npip\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	dir, wheels := filepath.Join(t.TempDir(), "target"), t.TempDir()
	run(t, "/usr/bin/python3", "-m", "pip", "--disable-pip-version-check", "download", "--quiet", "--no-deps", "--only-binary", ":all:",
		"--platform", "manylinux_2_28_aarch64", "--platform", "manylinux2014_aarch64", "--python-version", "3.12", "--dest", wheels, "-r", in)
	paths, err := filepath.Glob(wheels + "/*.whl")
	if err != nil {
		t.Fatal(err)
	}
	run(t, uv, append([]string{"--quiet", "pip", "install", "--no-deps", "--offline", "--link-mode", "copy", "--python", "/usr/bin/python3",
		"--python-version", "3.12", "--python-platform", "aarch64-manylinux_2_39", "--target", dir}, paths...)...)
	// Launchers and the twin of pip3 are of the Python that runs uv, not of the target.
	tree, err := install.Tree(target(dir, "/usr/bin/python3", pythonVersion(t, "/usr/bin/python3")), openAll(t, paths)...)
	if err != nil {
		t.Fatal(err)
	}
	compare(t, dir, tree, strings.TrimPrefix(dir, "/"), map[string]bool{".lock": true})
}
