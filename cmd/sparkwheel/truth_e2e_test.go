package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sparkwheel/sparkwheel/layer"
	"github.com/sparkwheel/sparkwheel/layer/layout"
	"github.com/sparkwheel/sparkwheel/wheel"
	"github.com/sparkwheel/sparkwheel/wheel/wheeltest"
)

// lyingRecipe builds alpha against a torch 2.11.0 that a shim plays, while its
// requirement files say 2.10.0 and no rule mends them.
var lyingRecipe = strings.Replace(strings.Replace(workshopRecipe,
	`pin = { torch = "==2.11.0" }`, "", 1),
	`environment = { ALPHA_VERSION = "{version}" }`,
	"environment = { ALPHA_VERSION = \"{version}\" }\n[[wheel.shim]]\nname = \"torch\"\nversion = \"2.11.0\"\nfiles = { \"torch.py\" = \"\" }", 1)

func TestE2EMetadataTellsTheTruth(t *testing.T) {
	w := openWorkshop(t)
	w.write("recipe.toml", lyingRecipe)
	w.sparkwheel("", "root", "build", "--base", "tar:"+w.base).wantCode(3, "alpha 1.4", "requires torch==2.10.0 (required by the source in requirements/common.txt:2)",
		"was built against torch 2.11.0 (the recipe's shim)", "built-against-other-version", `pin = { torch = "==2.11.0" }`, "repair = true")
	w.noLeftovers("root")

	w.write("recipe.toml", strings.Replace(lyingRecipe, "[[wheel.shim]]", "repair = true\n[[wheel.shim]]", 1))
	w.sparkwheel("", "root", "lock", "--lock", "../recipe.lock", "--base", "tar:"+w.base).mustRun()
	first := w.sparkwheel("", "root", "build").mustRun()
	// Found in the store, the wheel is repaired still, and the record says so.
	if again := w.sparkwheel("", "root", "build").mustRun(); again != first {
		t.Errorf("built again, the digest is %s, before %s", again, first)
	}
	out := filepath.Join(w.dir, "root/out")
	var record struct {
		Wheels []struct {
			Name    string
			Repairs []struct{ Before, After string }
		}
		Missing []string
	}
	text, err := os.ReadFile(filepath.Join(out, "build.json"))
	w.must(err)
	w.must(json.Unmarshal(text, &record))
	if r := record.Wheels[0].Repairs; len(r) != 1 || r[0].Before != "Requires-Dist: torch==2.10.0" || r[0].After != "Requires-Dist: torch==2.11.0" {
		t.Errorf("build.json records the repairs %v", r)
	}
	if strings.Join(record.Missing, " ") != "torch triton-kernels" {
		t.Errorf("build.json says that %v are missing", record.Missing)
	}
	path := filepath.Join(out, "wheels/alpha-1.4-py3-none-any.whl")
	if _, err := wheel.Verify(t.Context(), path); err != nil {
		t.Error(err)
	}
	w.constraintsHold(out)
}

// constraintsHold unpacks the image and asks its own pip and uv to pull torch
// down: in the image's environment they refuse, without it they would.
func (w *workshop) constraintsHold(out string) {
	t := w.t
	t.Helper()
	img, err := layout.Read(filepath.Join(out, "image"), "latest", hostPlatform())
	w.must(err)
	config, err := img.ConfigFile()
	w.must(err)
	rootfs := filepath.Join(w.dir, "rootfs")
	w.must(os.Mkdir(rootfs, 0o755))
	root, err := os.OpenRoot(rootfs)
	w.must(err)
	defer root.Close()
	_, err = layer.Unpack(t.Context(), img, root)
	w.must(err)
	constraints, err := root.ReadFile("workspace/constraints.txt")
	w.must(err)
	if got := string(constraints); got != "alpha==1.4\nbeta==2.0\ntorch==2.11.0\n" {
		t.Errorf("constraints.txt holds %q", got)
	}

	for name, metadata := range map[string]string{
		"torch-2.10.0-py3-none-any.whl": "Name: torch\nVersion: 2.10.0\n",
		"torch-2.11.0-py3-none-any.whl": "Name: torch\nVersion: 2.11.0\n",
		"gamma-1.0-py3-none-any.whl":    "Name: gamma\nVersion: 1.0\nRequires-Dist: torch<2.11\n",
		"delta-1.0-py3-none-any.whl":    "Name: delta\nVersion: 1.0\nRequires-Dist: torch\n",
	} {
		parts := strings.Split(name, "-")
		packed := wheeltest.New(name, parts[0]+"-"+parts[1]+".dist-info/METADATA", "Metadata-Version: 2.1\n"+metadata).Pack()
		w.write("rootfs/links/"+name, string(packed))
	}
	pip := w.command("", "python3", "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps", "--dest", filepath.Join(rootfs, "links"), "pip==26.3")
	pip.mustRun()
	uv, err := filepath.Glob(filepath.Join(w.dir, "root/store/tools/*/files/uv"))
	if err != nil || len(uv) != 1 {
		t.Fatalf("found uv %v in the store, %v", uv, err)
	}
	w.command("", "cp", uv[0], filepath.Join(rootfs, "links/uv")).mustRun()
	w.must(os.MkdirAll(filepath.Join(rootfs, "tmp"), 0o1777))

	installers := map[string][]string{
		"pip": {"python3", "/links/pip-26.3-py3-none-any.whl/pip", "install", "--break-system-packages", "--dry-run", "--no-index", "--find-links", "/links"},
		"uv":  {"/links/uv", "pip", "install", "--break-system-packages", "--system", "--dry-run", "--no-cache", "--offline", "--no-index", "--find-links", "/links"},
	}
	for name, args := range installers {
		inImage := func(env []string, distribution string) *running {
			// uv looks for the C library by way of /proc and /dev.
			const enter = `mount -t proc proc "$0/proc" && mount --rbind /dev "$0/dev" && exec chroot "$0" "$@"`
			c := w.command("", "unshare", append(append([]string{"--mount", "sh", "-c", enter, rootfs}, args...), distribution)...)
			c.Env = append([]string{"PATH=/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin", "HOME=/tmp", "LC_ALL=C.UTF-8"}, env...)
			return c
		}
		if c := inImage(config.Config.Env, "gamma"); c.Run() == nil {
			t.Errorf("in the image, %s takes torch below 2.11:\n%s%s", name, &c.stdout, &c.stderr)
		} else if !strings.Contains(c.stdout.String()+c.stderr.String(), "torch==2.11.0") {
			t.Errorf("%s does not name the constraint:\n%s%s", name, &c.stdout, &c.stderr)
		}
		inImage(nil, "gamma").mustRun()
		c := inImage(config.Config.Env, "delta")
		if got := c.mustRun() + c.stderr.String(); !strings.Contains(got, "2.11.0") {
			t.Errorf("in the image, %s does not take torch 2.11.0:\n%s", name, got)
		}
	}
}
