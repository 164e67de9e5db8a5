package builder

import (
	"archive/zip"
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sparkwheel/sparkwheel/wheel"
	"github.com/sparkwheel/sparkwheel/wheel/builder/launcher"
	"github.com/sparkwheel/sparkwheel/wheel/sandbox"
)

func TestMain(m *testing.M) {
	sandbox.Init()
	if launcher.Called(os.Args) {
		os.Exit(launcher.Run(os.Args, os.Environ(), os.Stderr))
	}
	os.Exit(m.Run())
}

var epoch = time.Unix(1700000000, 0)

// backend is a Runner that plays uv and a PEP 517 backend: the build command
// leaves wheels in /build/out.
type backend struct {
	wheels map[string]string // file name -> a member's content
	fail   error
	ran    []sandbox.Command
}

func (b *backend) Run(_ context.Context, cmd sandbox.Command) error {
	b.ran = append(b.ran, cmd)
	if b.fail != nil {
		return b.fail
	}
	out := filepath.Join(cmd.Mounts[0].Source, "out")
	for name, text := range b.wheels {
		f, err := os.Create(filepath.Join(out, name))
		if err != nil {
			return err
		}
		zw := zip.NewWriter(f)
		w, err := zw.Create("demo.py")
		if err != nil {
			return err
		}
		if _, err := io.WriteString(w, text); err != nil {
			return err
		}
		if err := errors.Join(zw.Close(), f.Close()); err != nil {
			return err
		}
	}
	return nil
}

func demoSpec(t *testing.T) Spec {
	t.Helper()
	src := t.TempDir()
	write(t, filepath.Join(src, "pyproject.toml"), "[project]\n", 0o664)
	return Spec{Source: src, Distribution: "Demo_Dist", Python: "/usr/bin/python3", UV: "/opt/uv", Epoch: epoch,
		Wheels: map[string]string{"setuptools-80.0-py3-none-any.whl": "/store/ab12"}, Shims: []Shim{{Name: "torch", Version: "2.11.0"}},
		Config: map[string]string{"b": "2", "a": "1"}, Env: []string{"PATH=/usr/local/cuda/bin:/usr/bin", "TZ=CET", "X=1"}, Jobs: 3}
}

func write(t *testing.T, file, text string, mode fs.FileMode) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(text), mode); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(file, mode); err != nil {
		t.Fatal(err)
	}
}

func names(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	got := []string{}
	for _, e := range entries {
		got = append(got, e.Name())
	}
	return got
}

func TestWheelsRunsTheBackend(t *testing.T) {
	t.Parallel()
	r := &backend{wheels: map[string]string{"demo_dist-1.0-py3-none-any.whl": "x"}}
	dir := t.TempDir()
	var log bytes.Buffer
	got, err := Wheels(t.Context(), r, demoSpec(t), dir, &log)
	if err != nil {
		t.Fatal(err)
	}
	if want := []string{filepath.Join(dir, "demo_dist-1.0-py3-none-any.whl")}; !slices.Equal(got, want) {
		t.Errorf("Wheels = %q, want %q", got, want)
	}
	if diff := cmp.Diff([]string{"demo_dist-1.0-py3-none-any.whl"}, names(t, dir)); diff != "" {
		t.Errorf("the directory holds (-want +got):\n%s", diff)
	}
	var lines []string
	for _, c := range r.ran {
		for _, args := range append(c.Before, c.Args) {
			lines = append(lines, c.Dir+": "+strings.Join(args, " "))
		}
	}
	want := []string{
		"/build/src: /build/bin/uv venv --no-project --python /usr/bin/python3 /build/venv",
		"/build/src: /build/bin/uv pip install --python /build/venv/bin/python --offline --no-index --no-deps --link-mode hardlink /build/wheels/setuptools-80.0-py3-none-any.whl /build/wheels/torch-2.11.0-py3-none-any.whl",
		"/build/src: /build/bin/uv build --wheel --no-build-isolation --offline --no-index --python /build/venv/bin/python --out-dir /build/out --config-setting a=1 --config-setting b=2 .",
	}
	if diff := cmp.Diff(want, lines); diff != "" {
		t.Errorf("commands (-want +got):\n%s", diff)
	}
	for _, c := range r.ran {
		if c.Network {
			t.Errorf("%q has the network", c.Args)
		}
	}
}

func TestWheelsRefusesWhatTheBackendMade(t *testing.T) {
	t.Parallel()
	exit := &sandbox.ExitError{Args: []string{"uv"}, Code: 2, Tail: []byte("boom")}
	for name, tc := range map[string]struct {
		r    *backend
		want string
	}{
		"none":       {&backend{}, "made 0 wheels"},
		"two":        {&backend{wheels: map[string]string{"demo_dist-1-py3-none-any.whl": "", "demo_dist-2-py3-none-any.whl": ""}}, "made 2 wheels"},
		"other name": {&backend{wheels: map[string]string{"demo-1.0-py3-none-any.whl": ""}}, "not a wheel of Demo_Dist"},
		"failure":    {&backend{fail: exit}, "exit status 2"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			_, err := Wheels(t.Context(), tc.r, demoSpec(t), dir, io.Discard)
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("Wheels = %v, want an error with %q", err, tc.want)
			}
			if tc.r.fail != nil && !errors.Is(err, tc.r.fail) {
				t.Errorf("Wheels = %v does not wrap the Runner's error", err)
			}
			if left := names(t, dir); len(left) != 0 {
				t.Errorf("left behind: %q", left)
			}
		})
	}
}

func TestEnvironment(t *testing.T) {
	t.Parallel()
	spec := demoSpec(t)
	got := strings.Join(spec.environment(), "\n")
	for _, want := range []string{
		"PATH=/build/venv/bin:/usr/local/cuda/bin:/usr/bin", "TZ=CET", "X=1", "MAX_JOBS=3",
		"SOURCE_DATE_EPOCH=1700000000", "PYTHONHASHSEED=0", "LC_ALL=C.UTF-8", "HOME=/build/home",
	} {
		if strings.Count("\n"+got+"\n", "\n"+want+"\n") != 1 {
			t.Errorf("the environment lacks %s:\n%s", want, got)
		}
	}
	if strings.Count(got, "TZ=") != 1 {
		t.Errorf("TZ stands there twice:\n%s", got)
	}
}

func TestCopyTreeNormalises(t *testing.T) {
	t.Parallel()
	src := t.TempDir()
	write(t, filepath.Join(src, "a"), "a", 0o600)
	write(t, filepath.Join(src, "d/run"), "r", 0o775)
	if err := os.Symlink("../nowhere", filepath.Join(src, "d/link")); err != nil {
		t.Fatal(err)
	}
	dst := filepath.Join(t.TempDir(), "copy")
	if err := (copier{at: epoch}).tree(t.Context(), src, dst); err != nil {
		t.Fatal(err)
	}
	var got []string
	err := filepath.WalkDir(dst, func(p string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := e.Info()
		if err != nil {
			return err
		}
		if !info.ModTime().Equal(epoch) {
			t.Errorf("%s has time %v", p, info.ModTime())
		}
		rel, _ := filepath.Rel(dst, p)
		got = append(got, info.Mode().String()+" "+rel)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"drwxr-xr-x .", "-rw-r--r-- a", "drwxr-xr-x d", "Lrwxrwxrwx d/link", "-rwxr-xr-x d/run"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("copy (-want +got):\n%s", diff)
	}
}

// A build may write into the trees beside its source: it has copies.
func TestWheelsCopiesFurtherTrees(t *testing.T) {
	t.Parallel()
	tree := t.TempDir()
	write(t, filepath.Join(tree, "a/run"), "r", 0o775)
	spec := demoSpec(t)
	spec.Trees = []Tree{{Source: tree, Target: "/build/src-deps/kernels", At: epoch}}
	seen := ""
	r := runner(func(cmd sandbox.Command) error {
		at := filepath.Join(cmd.Mounts[0].Source, "src-deps/kernels/a/run")
		info, err := os.Stat(at)
		if err != nil {
			return err
		}
		seen = info.Mode().String() + " " + info.ModTime().UTC().Format(time.DateOnly)
		return os.WriteFile(at, []byte("written by the build"), 0o755)
	})
	if _, err := Wheels(t.Context(), r, spec, t.TempDir(), io.Discard); err == nil || !strings.Contains(err.Error(), "made 0 wheels") {
		t.Fatal(err)
	}
	if text, err := os.ReadFile(filepath.Join(tree, "a/run")); string(text) != "r" || err != nil {
		t.Errorf("the tree holds %q, %v", text, err)
	}
	if want := "-rwxr-xr-x 2023-11-14"; seen != want {
		t.Errorf("the build saw %s, want %s", seen, want)
	}
	for _, target := range []string{"/build", "/build/src", "/build/a/../b/c", "/etc/x", "a/b", "/build/../etc/x"} {
		spec.Trees[0].Target = target
		if _, err := Wheels(t.Context(), r, spec, t.TempDir(), io.Discard); err == nil || !strings.Contains(err.Error(), "is not in a directory below /build") {
			t.Errorf("the place %s gave %v", target, err)
		}
	}
}

// A shim may say more of itself in its dist-info.
func TestShimInfo(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	name, err := Shim{Name: "x", Version: "1", Summary: "empty", Info: map[string]string{"why.json": "{}"}}.Write(dir)
	if err != nil {
		t.Fatal(err)
	}
	r, err := wheel.Open(filepath.Join(dir, name))
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	var files []string
	for f := range r.Files() {
		files = append(files, f.Path())
	}
	if diff := cmp.Diff([]string{"x-1.dist-info/METADATA", "x-1.dist-info/WHEEL", "x-1.dist-info/why.json", "x-1.dist-info/RECORD"}, files); diff != "" {
		t.Errorf("members (-want +got):\n%s", diff)
	}
	if _, err := wheel.Verify(t.Context(), filepath.Join(dir, name)); err != nil {
		t.Error(err)
	}
}

func TestShimIsInstallable(t *testing.T) {
	t.Parallel()
	s := Shim{Name: "Torch.x", Version: "2.11.0+cu130", Files: map[string]string{"torch/__init__.py": "a = 1\n", "torch/a,b.py": ""}}
	dir := t.TempDir()
	name, err := s.Write(dir)
	if err != nil {
		t.Fatal(err)
	}
	if want := "torch_x-2.11.0+cu130-py3-none-any.whl"; name != want {
		t.Errorf("name = %s, want %s", name, want)
	}
	z, err := zip.OpenReader(filepath.Join(dir, name))
	if err != nil {
		t.Fatal(err)
	}
	defer z.Close()
	record, err := fs.ReadFile(z, "torch_x-2.11.0+cu130.dist-info/RECORD")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(record), "\"torch/a,b.py\",sha256=47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU,0\n") ||
		!strings.HasSuffix(string(record), "torch_x-2.11.0+cu130.dist-info/RECORD,,\n") {
		t.Errorf("RECORD:\n%s", record)
	}
	for _, bad := range []Shim{
		{Name: "../x", Version: "1"}, {Name: "x", Version: "1/2"}, {Name: "x", Version: "1", Files: map[string]string{"../y": ""}},
		{Name: "x", Version: "1", Summary: "a\nRequires-Dist: b"}, {Name: "x", Version: "1", Info: map[string]string{"../y": ""}},
		{Name: "x", Version: "1", Info: map[string]string{"RECORD": ""}}, {Name: "x", Version: "1", Info: map[string]string{"METADATA": ""}},
	} {
		if _, err := bad.Write(t.TempDir()); err == nil {
			t.Errorf("%+v was taken", bad)
		}
	}
}
