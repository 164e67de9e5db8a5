package main

import (
	"bytes"
	"context"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"

	"github.com/sparkwheel/sparkwheel/layer"
	"github.com/sparkwheel/sparkwheel/layer/layout"
	"github.com/sparkwheel/sparkwheel/wheel/wheeltest"
)

// TestE2EReplacesAsPipDoes puts random wheels over older ones on random bases,
// with pip into a virtual environment and with layer build onto an image of that
// environment, which umoci unpacks: what pip refuses is refused, and what it
// leaves is what the image holds. SPARKWHEEL_E2E_CASES says how many bases.
func TestE2EReplacesAsPipDoes(t *testing.T) {
	if os.Getenv("SPARKWHEEL_E2E") == "" || os.Getuid() != 0 {
		t.Skip("needs python3 with pip and venv, umoci, and root: set SPARKWHEEL_E2E=1")
	}
	cases := uint64(8)
	if text := os.Getenv("SPARKWHEEL_E2E_CASES"); text != "" {
		n, err := strconv.ParseUint(text, 10, 32)
		if err != nil {
			t.Fatal(err)
		}
		cases = n
	}
	refused := 0
	for seed := range cases {
		o := &oracle{t: t, random: rand.New(rand.NewPCG(seed, 16)), dir: t.TempDir(), seed: seed}
		if o.run() {
			refused++
		}
		if t.Failed() {
			return
		}
	}
	t.Logf("%d bases, %d of them refused", cases, refused)
}

// oracle is one random base and a wheel for it.
type oracle struct {
	t      *testing.T
	random *rand.Rand
	dir    string
	seed   uint64
}

const oracleSite = "lib/python3.11/site-packages"

// members are a wheel's random files; paths of the two wheels often meet, as
// files of both or as a file and a directory.
func (o *oracle) members() []string {
	all := []string{
		"a.py", "a/__init__.py", "b/__init__.py", "b/c.py", "b/c/d.py", "b/c/__init__.py", "b/data", "b/data/x", "e", "e/f", "e/f/g.py", "shared/z.py", "top.py",
		"demo-V.data/scripts/tool", "demo-V.data/scripts/other", "demo-V.data/data/share/demo/doc", "demo-V.data/data/share/demo", "demo-V.data/data/etc/x",
		"demo-V.data/purelib/p.py",
	}
	o.random.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	var chosen []string
	for _, name := range all[:3+o.random.IntN(8)] {
		clash := slices.ContainsFunc(chosen, func(other string) bool {
			return strings.HasPrefix(name, other+"/") || strings.HasPrefix(other, name+"/")
		})
		if !clash {
			chosen = append(chosen, name)
		}
	}
	return chosen
}

func (o *oracle) wheel(version string) string {
	members := []string{"always.py", "version = " + version}
	for _, name := range o.members() {
		members = append(members, strings.ReplaceAll(name, "demo-V", "demo-"+version), version+" of "+name)
	}
	if o.random.IntN(2) == 0 {
		members = append(members, "demo-"+version+".dist-info/entry_points.txt", "[console_scripts]\ndemo"+strconv.Itoa(o.random.IntN(2))+" = always:x\n")
	}
	dir := filepath.Join(o.dir, version)
	if err := os.Mkdir(dir, 0o755); err != nil {
		o.t.Fatal(err)
	}
	return wheeltest.New("demo-"+version+"-py3-none-any.whl", members...).Write(o.t, dir)
}

func (o *oracle) command(args ...string) error {
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Env = append(os.Environ(), "PIP_DISABLE_PIP_VERSION_CHECK=1", "PIP_NO_INDEX=1", "PIP_ROOT_USER_ACTION=ignore")
	out, err := cmd.CombinedOutput()
	if err != nil {
		return fmt.Errorf("%v: %w\n%s", args, err, out)
	}
	return nil
}

func (o *oracle) must(err error) {
	o.t.Helper()
	if err != nil {
		o.t.Fatalf("base %d: %v", o.seed, err)
	}
}

func (o *oracle) pip(wheel string) error {
	return o.command("/usr/bin/python3", "-m", "pip", "--python", filepath.Join(o.dir, "venv/bin/python"), "install", "--quiet", "--no-deps", "--force-reinstall", wheel)
}

// run makes the base and compares; it is whether the wheel was refused.
func (o *oracle) run() bool {
	venv := filepath.Join(o.dir, "venv")
	o.must(o.command("/usr/bin/python3", "-m", "venv", "--without-pip", venv))
	o.must(o.pip(o.wheel("1.0")))
	for _, name := range []string{"b/users.py", "e/users", "a/users.py", "b/c/users.py", "shared/users.py", "new/x"} {
		if o.random.IntN(4) > 0 {
			continue
		}
		file := filepath.Join(venv, oracleSite, name)
		if os.MkdirAll(filepath.Dir(file), 0o755) == nil { // where the old wheel has no file
			_ = os.WriteFile(file, []byte("user"), 0o644)
		}
	}
	o.writeBase(venv)
	newer := o.wheel("2.0")
	pipErr := o.pip(newer)
	var said bytes.Buffer
	code := run(context.Background(), []string{
		"layer", "build", "--store", filepath.Join(o.dir, "store"), "--base", "oci:" + filepath.Join(o.dir, "base"),
		"-o", "oci:" + filepath.Join(o.dir, "out"), newer,
	}, environment{Getenv: func(string) string { return "" }, Stdin: strings.NewReader(""), Stdout: &said, Stderr: &said})
	if pipErr != nil {
		if code == codeDone && emptyDirectoryInTheWay(pipErr) {
			return false // pip leaves directories without files behind; the image does not
		}
		if code != codeFaults {
			o.t.Errorf("base %d: pip refuses, and layer build ends with %d\n%v\n%s", o.seed, code, pipErr, &said)
		}
		return true
	}
	if code != codeDone {
		o.t.Errorf("base %d: pip installs, and layer build ends with %d\n%s", o.seed, code, &said)
		return true
	}
	bundle := filepath.Join(o.dir, "bundle")
	o.must(o.command("umoci", "unpack", "--image", filepath.Join(o.dir, "out")+":latest", bundle))
	o.compare(o.listing(venv), o.listing(filepath.Join(bundle, "rootfs/opt/venv")))
	return false
}

var isDirectory = regexp.MustCompile(`Is a directory: '([^']+)'`)

// emptyDirectoryInTheWay is whether pip stopped at a directory that had none but
// the old wheel's files, which it has put back by now.
func emptyDirectoryInTheWay(pipErr error) bool {
	m := isDirectory.FindStringSubmatch(pipErr.Error())
	if m == nil {
		return false
	}
	files := 0
	err := filepath.WalkDir(m[1], func(_ string, d fs.DirEntry, err error) error {
		if err == nil && strings.HasPrefix(d.Name(), "users") {
			files++
		}
		return err
	})
	return err == nil && files == 0
}

// writeBase makes an image of the environment, and of an interpreter for it.
func (o *oracle) writeBase(venv string) {
	root := filepath.Join(o.dir, "root")
	o.must(os.MkdirAll(filepath.Join(root, "opt"), 0o755))
	o.must(os.MkdirAll(filepath.Join(root, "usr/bin"), 0o755))
	o.must(o.command("cp", "-a", venv, filepath.Join(root, "opt/venv")))
	o.must(os.Remove(filepath.Join(root, "opt/venv/bin/python3")))
	o.must(os.Symlink("/usr/bin/python3.11", filepath.Join(root, "opt/venv/bin/python3")))
	// It cannot run: the layout is told by the files.
	o.must(os.WriteFile(filepath.Join(root, "usr/bin/python3.11"), nil, 0o755))
	blob, err := layer.Write(o.t.Context(), filepath.Join(o.dir, "blob"), os.DirFS(root), layer.Options{})
	o.must(err)
	config := &v1.ConfigFile{OS: "linux", Architecture: hostPlatform().Architecture, RootFS: v1.RootFS{Type: "layers"}}
	config.Config.Env = []string{"PATH=/opt/venv/bin:/usr/bin"}
	base, err := mutate.ConfigFile(empty.Image, config)
	o.must(err)
	img, err := layer.Append(base, layer.Config{}, blob)
	o.must(err)
	_, err = layout.Write(o.t.Context(), filepath.Join(o.dir, "base"), "latest", img)
	o.must(err)
}

// listing are the files below dir and what the modules hold. What installers
// write of themselves differs, and programs name another interpreter.
func (o *oracle) listing(dir string) map[string]string {
	files := map[string]string{}
	o.must(fs.WalkDir(os.DirFS(dir), ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || strings.HasPrefix(name, "bin/python") || strings.HasPrefix(name, "bin/activate") || strings.HasPrefix(name, "bin/Activate") {
			return err
		}
		own := strings.HasSuffix(path.Dir(name), ".dist-info") && path.Base(name) != "METADATA"
		if own || strings.HasPrefix(name, "bin/") || d.Type()&fs.ModeSymlink != 0 || strings.HasSuffix(name, ".pyc") {
			files[name] = ""
			return nil
		}
		text, err := fs.ReadFile(os.DirFS(dir), name)
		files[name] = string(text)
		return err
	}))
	for name := range files {
		switch path.Base(name) {
		case "direct_url.json", "REQUESTED":
			delete(files, name)
		}
	}
	return files
}

func (o *oracle) compare(pip, image map[string]string) {
	for name := range pip {
		if _, there := image[name]; !there && strings.HasSuffix(name, ".pyc") {
			delete(pip, name) // pip compiles what it installs
		}
	}
	if diff := cmp.Diff(pip, image); diff != "" {
		o.t.Errorf("base %d (-pip +image):\n%s", o.seed, diff)
	}
}
