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
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sparkwheel/sparkwheel/wheel"
	"github.com/sparkwheel/sparkwheel/wheel/install"
)

// uvVersion is the uv whose trees are the measure.
const uvVersion = "0.13.9"

// uvTool installs uv from the index into a fresh virtual environment.
func uvTool(t *testing.T) string {
	t.Helper()
	if os.Getenv("SPARKWHEEL_E2E") == "" {
		t.Skip("set SPARKWHEEL_E2E=1: this test needs the Python index")
	}
	dir := t.TempDir()
	run(t, "/usr/bin/python3", "-m", "venv", dir)
	run(t, dir+"/bin/pip", "install", "--quiet", "--disable-pip-version-check", "uv=="+uvVersion)
	return dir + "/bin/uv"
}

func run(t *testing.T, name string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), name, args...)
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
mkdir "$1/up" "$1/up.usr" "$1/tmpfs"
mount -t tmpfs -o size=8g tmpfs "$1/tmpfs"
mkdir "$1/tmpfs/up" "$1/tmpfs/work"
mount -t overlay -o "lowerdir=/usr,upperdir=$1/tmpfs/up,workdir=$1/tmpfs/work" overlay /usr
dir=$1 uv=$2
shift 2
UV_BREAK_SYSTEM_PACKAGES=1 UV_CACHE_DIR="$dir/tmpfs/cache" UV_LINK_MODE=copy "$uv" --quiet pip install --no-deps --offline --system --python /usr/bin/python3 "$@"
tar -C "$dir/tmpfs/up" -cf "$dir/tree.tar" .
`
	args := []string{"--mount", "sh", "-c", script, "sh", dir, uv}
	if os.Getuid() != 0 {
		args = append([]string{"--user", "--map-root-user"}, args...)
	}
	run(t, "unshare", append(args, wheels...)...)
	run(t, "tar", "-C", dir+"/up.usr", "-xf", dir+"/tree.tar")
	return dir + "/up.usr"
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
		if d.IsDir() {
			got[name] = "directory"
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
		if !strings.HasSuffix(path.Dir(name), ".dist-info") {
			continue
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

// below is the part of a tree under dir, and the directories to it.
func below(tree map[string]string, dir string) map[string]string {
	part := map[string]string{}
	for name, content := range tree {
		if rest, ok := strings.CutPrefix(name, dir+"/"); ok {
			part[rest] = content
		}
	}
	return part
}

// dropKept takes out directories that the overlay shows because uv wrote below
// them or which the machine has anyway.
func dropDirectories(tree map[string]string, keep func(string) bool) {
	for name, content := range tree {
		if content == "directory" && !keep(name) {
			delete(tree, name)
		}
	}
}

func TestE2EDebianSystem(t *testing.T) {
	uv := uvTool(t)
	paths := download(t, "numpy", "requests", "click", "pip", "cryptography", "wheel")
	want := files(t, os.DirFS(systemInstall(t, uv, paths)))
	tree, err := install.Tree(install.Debian(pythonVersion(t, "/usr/bin/python3")), openAll(t, paths)...)
	if err != nil {
		t.Fatal(err)
	}
	got := below(files(t, tree), "usr")
	for _, d := range allow(want) {
		t.Log("allowed:", d)
	}
	allow(got)
	root := func(name string) bool { return name != "." }
	dropDirectories(got, root)
	dropDirectories(want, root)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("install.Tree differs from uv (-uv +install.Tree):\n%s", diff)
	}
}
