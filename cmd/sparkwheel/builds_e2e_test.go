package main

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// gadgetFiles are a library of NCCL's shape: a Makefile whose pkg.debian.build
// makes .debs by debhelper, dated by the day unless a variable says otherwise.
var gadgetFiles = map[string]string{
	"Makefile": `
PKG_TIMESTAMP ?= $(shell date -R)
src.build: build/lib/libgadget.so.2
build/lib/libgadget.so.2: src/gadget.c src/gadget.h
	mkdir -p build/lib
	$(CC) $(CFLAGS) -g -shared -fPIC -DCOMMIT='"$(GADGET_COMMIT)"' -Wl,-soname,libgadget.so.2 -o $@ src/gadget.c
pkg.debian.build: src.build
	mkdir -p build/pkg/deb build/work
	cp -r debian build/lib src build/work/
	printf 'gadget (2.0-1) trusty; urgency=medium\n\n  * One.\n\n -- A <a@example.com>  %s\n' "$(PKG_TIMESTAMP)" > build/work/debian/changelog
	cd build/work && dpkg-buildpackage -rfakeroot -uc -us -d -b
	mv build/*.deb build/pkg/deb/
tool:
	mkdir -p build/tool/share
	$(CC) $(CFLAGS) -o build/tool/gadget src/tool.c -lgadget -Wl,--disable-new-dtags,-rpath,/opt/nvidia/gadget/lib
	cp src/gadget.h build/tool/share/
	ln -s share/gadget.h build/tool/gadget.h
`,
	"src/gadget.h":                 "#define GADGET 2\nconst char *gadget(void);\n",
	"src/gadget.c":                 "#include \"gadget.h\"\nconst char *gadget(void) { return \"gadget 2 of \" COMMIT; }\n",
	"src/tool.c":                   "#include <gadget.h>\n#include <stdio.h>\nint main(void) { printf(\"header %d, %s\\n\", GADGET, gadget()); }\n",
	"debian/compat":                "10\n",
	"debian/rules":                 "#!/usr/bin/make -f\n%:\n\tdh $@\noverride_dh_auto_build override_dh_auto_clean override_dh_auto_install override_dh_auto_test override_dh_usrlocal:\n",
	"debian/libgadget2.install":    "lib/libgadget.so.2 usr/lib\n",
	"debian/libgadget-dev.install": "src/gadget.h usr/include\n",
	"debian/libgadget-dev.links":   "usr/lib/libgadget.so.2 usr/lib/libgadget.so\n",
	"debian/libgadget2.lintian":    "",
	"debian/source/format":         "3.0 (native)\n",
	"debian/control": `Source: gadget
Section: libs
Maintainer: A <a@example.com>
Priority: optional
Build-Depends: debhelper (>= 9)
Standards-Version: 3.9.5

Package: libgadget2
Architecture: any
Depends: ${shlibs:Depends}, ${misc:Depends}
Description: a gadget
 Of the test.

Package: libgadget-dev
Architecture: any
Depends: libgadget2 (= ${binary:Version}), ${misc:Depends}
Description: a gadget's header
 Of the test.
`,
}

const gadgetRecipe = `
[packages]
build = ["gcc", "libc6-dev", "make"]
[[source]]
name = "gadget"
url = "https://example.com/org/gadget.git"
ref = "main"
version = "2.0"
[[build]]
name = "gadget"
source = "gadget"
packages = ["debhelper", "fakeroot", "libfakeroot"]
steps = [["make", "-j{jobs}", "src.build", "GADGET_COMMIT={short}"],
         ["make", "pkg.debian.build", "GADGET_COMMIT={short}", "PKG_TIMESTAMP={date-rfc2822}"]]
debs = ["build/pkg/deb/libgadget2_*.deb", "build/pkg/deb/libgadget-dev_*.deb"]
install = ["build", "image"]
[[build]]
name = "tool"
source = "gadget"
steps = [["make", "tool"]]
files = { "/opt/gadget/bin/gadget" = "build/tool/gadget" }
tree = "build/tool"
[[source]]
name = "beta"
url = "https://example.com/org/beta.git"
ref = "main"
version = "2.0"
[[wheel]]
name = "beta"
source = "beta"
distribution = "beta"
inputs = { tool = "/opt/tool" }
[runtime]
requires = ["jinja2", "pip"]
complete = true
provided = { markupsafe = "libgadget2" }
`

// gadgetry makes the library's repository, a project whose wheel takes the
// library's header and the tool's tree in, and the recipe's first part.
func (w *workshop) gadgetry() {
	for name, text := range gadgetFiles {
		w.write("git/org/gadget.git/"+name, text)
	}
	w.must(os.Chmod(filepath.Join(w.dir, "git/org/gadget.git/debian/rules"), 0o755))
	w.gitIn("gadget", "init", "-q", "-b", "main")
	w.gitIn("gadget", "add", "-A", "-f")
	w.gitIn("gadget", "commit", "-q", "-m", "one")
	w.gitIn("gadget", "config", "uploadpack.allowFilter", "true")
	w.gitIn("gadget", "config", "uploadpack.allowAnySHA1InWant", "true")
	w.write("git/org/beta.git/setup.py", "from setuptools import setup\n"+
		"text = open('/usr/include/gadget.h').readline() + open('/opt/tool/gadget.h').readline()\nopen('beta.py', 'w').write('text = %r\\n' % text)\nsetup()\n")
	w.gitIn("beta", "add", "-A", "-f")
	w.gitIn("beta", "commit", "-q", "-m", "two")
}

// gitIn runs git in one of the workshop's repositories, with fixed names and times.
func (w *workshop) gitIn(name string, args ...string) {
	w.t.Helper()
	c := w.command("", "git", append([]string{"-C", filepath.Join(w.dir, "git/org", name+".git")}, args...)...)
	c.Env = append(c.Env, "GIT_CONFIG_GLOBAL=/dev/null", "GIT_AUTHOR_NAME=a", "GIT_AUTHOR_EMAIL=a@example.com", "GIT_AUTHOR_DATE=2026-06-03T12:00:00Z",
		"GIT_COMMITTER_NAME=a", "GIT_COMMITTER_EMAIL=a@example.com", "GIT_COMMITTER_DATE=2026-06-03T12:00:00Z")
	c.mustRun()
}

// heldBase is a base with apt and Python that holds a library: an older version,
// its header's package at the very version that is going to be built, and a
// library that fakeroot needs a newer one of.
func (w *workshop) heldBase() string {
	w.t.Helper()
	base, root := filepath.Join(w.dir, "held.tar"), filepath.Join(w.dir, "held")
	w.must(os.Mkdir(root, 0o755))
	w.command("", "tar", "-C", root, "-xf", w.base).mustRun()
	for _, p := range []struct{ name, version string }{{"libgadget2", "1.9-1"}, {"libgadget-dev", "2.0-1"}, {"libfakeroot", "0.1-1"}} {
		w.write("old/"+p.name+"/DEBIAN/control", "Package: "+p.name+"\nVersion: "+p.version+"\nArchitecture: "+w.architecture()+"\nMaintainer: A <a@example.com>\nDescription: an older one\n")
		w.write("old/"+p.name+"/usr/share/"+p.name+"/old", "old\n")
		w.command("", "dpkg-deb", "--root-owner-group", "-b", filepath.Join(w.dir, "old", p.name), filepath.Join(root, "var/tmp", p.name+".deb")).mustRun()
	}
	w.command("", "chroot", root, "sh", "-ec", "dpkg -i /var/tmp/*.deb; rm /var/tmp/*.deb; apt-mark hold libgadget2 libgadget-dev libfakeroot").mustRun()
	w.command("", "tar", "-C", root, "--sort=name", "--numeric-owner", "-cf", base, ".").mustRun()
	w.must(os.RemoveAll(root))
	w.must(os.Chmod(base, 0o644))
	return base
}

func (w *workshop) architecture() string {
	return w.command("", "dpkg", "--print-architecture").mustRun()
}

// gadgetHead is what workshopRecipe says before its first source.
func gadgetHead() string {
	head, _, _ := strings.Cut(workshopRecipe, "[[source]]")
	return head
}

// A library built into .debs replaces what the base holds, in the root of builds
// and in the image; what is built afterwards sees it; offline as an ordinary user
// the image is the same one.
func TestE2EBuildsMakePackages(t *testing.T) {
	w := openWorkshop(t)
	w.gadgetry()
	base := "tar:" + w.heldBase()
	w.write("recipe.toml", gadgetHead()+gadgetRecipe)
	lock := []string{"--lock", "../recipe.lock"}
	w.sparkwheel("", "root", "lock", append(lock, "--base", base)...).mustRun()
	before := []string{
		"build gadget", "built packages of gadget", "built packages of gadget unpacked", "built packages for builds of gadget",
		"built packages for builds of gadget unpacked", "build tool", "wheel beta", "base's files", "runtime", "provided", "layers", "image",
	}
	if diff := cmp.Diff(before, w.toDo("root")); diff != "" {
		t.Errorf("stages to do after lock (-want +got):\n%s", diff)
	}
	want := w.sparkwheel("", "root", "build").mustRun()
	if todo := w.toDo("root"); len(todo) > 0 {
		t.Errorf("after a build there is still to do: %q", todo)
	}
	w.gadgetIsIn(filepath.Join(w.dir, "root/out/image"))
	w.gadgetIsRecorded(filepath.Join(w.dir, "root/out"))

	bundle := filepath.Join(w.dir, "bundle")
	w.sparkwheel("", "root", "fetch", "--lock", "../recipe.lock", "--bundle", bundle).mustRun()
	w.must(exec.CommandContext(t.Context(), "chmod", "-R", "a+rwX", bundle).Run())
	offline := w.command("nobody", "sh", "-c", `umask 077; cd "$0"; exec unshare -rn "$@"`, bundle, w.program, "build", "--offline", "-r", "recipe.toml", "--store", bundle,
		"--lock", "sparkwheel.lock", "-o", "out", "-j", "1", "--progress", "none")
	offline.Env = append(offline.Env, "HOME="+bundle, "LC_ALL=de_DE.UTF-8", "TZ=Asia/Tokyo")
	if got := offline.mustRun(); got != want {
		t.Errorf("as an ordinary user and offline the digest is %s, as root %s", got, want)
	}
	w.gadgetAlone()
}

// toDo names the stages that the plan of a build misses.
func (w *workshop) toDo(place string) []string {
	w.t.Helper()
	var doc struct {
		Stages []struct {
			Name string
			Hit  bool
		}
	}
	w.must(json.Unmarshal([]byte(w.sparkwheel("", place, "plan", "--json").mustRun()), &doc))
	var names []string
	for _, s := range doc.Stages {
		if !s.Hit {
			names = append(names, s.Name)
		}
	}
	return names
}

// gadgetIsIn unpacks an image and asks its programs about the library.
func (w *workshop) gadgetIsIn(image string) {
	w.t.Helper()
	w.command("", "umoci", "unpack", "--image", image+":latest", filepath.Join(w.dir, "unpacked")).mustRun()
	root := filepath.Join(w.dir, "unpacked/rootfs")
	commit := w.command("", "git", "-C", filepath.Join(w.dir, "git/org/gadget.git"), "rev-parse", "HEAD").mustRun()[:8]
	for _, tt := range []struct{ command, want string }{
		{"dpkg-query -W -f '${Package} ${Version} ${db:Status-Abbrev}\\n' libgadget2 libgadget-dev", "libgadget-dev 2.0-1 hi \nlibgadget2 2.0-1 hi"},
		{"apt-mark showhold", "libfakeroot\nlibgadget-dev\nlibgadget2"},
		{"dpkg --audit; dpkg --verify", ""},
		{"ls /usr/share/libgadget2 /usr/share/libgadget-dev 2>&1 | grep -c 'No such file'", "2"},
		{"/opt/gadget/bin/gadget", "header 2, gadget 2 of " + commit},
		// As torch's libraries do, it looks into a wheel's directory first, which is not there.
		{"LD_DEBUG=libs /opt/gadget/bin/gadget 2>&1 | grep -q 'search path=/opt/nvidia/gadget/lib.*RPATH from file' && echo looked", "looked"},
		{"LD_DEBUG=libs /opt/gadget/bin/gadget 2>&1 | grep -o 'calling init: .*/libgadget.so.2'", "calling init: /lib/libgadget.so.2"},
		{"python3 -c 'import beta; print(beta.text)'", "#define GADGET 2\n#define GADGET 2"},
		{"python3 -m pip check", "No broken requirements found."},
		{"python3 -c 'import importlib.metadata as m; d = m.distribution(\"markupsafe\"); print(d.read_text(\"INSTALLER\"), len(d.files), d.read_text(\"sparkwheel-provided.json\").count(\"2.0-1\"))'", "sparkwheel-provided 6 1"},
		{"python3 -c 'import markupsafe' 2>&1 | tail -1", "ModuleNotFoundError: No module named 'markupsafe'"},
		{"ls /usr/bin/gcc /usr/bin/dh 2>&1 | grep -c 'No such file'", "2"},
	} {
		c := w.command("", "chroot", root, "sh", "-c", tt.command)
		c.Env = []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C.UTF-8", "PYTHONDONTWRITEBYTECODE=1"}
		if err := c.Run(); err != nil && c.ProcessState == nil {
			w.t.Fatal(err)
		}
		if got := strings.TrimSpace(c.stdout.String()); got != tt.want {
			w.t.Errorf("%s in the image says %q, want %q\n%s", tt.command, got, tt.want, c.stderr.String())
		}
	}
}

// gadgetIsRecorded looks at what a build left beside the image.
func (w *workshop) gadgetIsRecorded(out string) {
	w.t.Helper()
	var record struct {
		Builds []struct {
			Name      string
			Installed []string
			Debs      []struct{ File, Name, Version, SHA256 string }
			Files     []struct{ Path string }
			Packages  []struct{ File string }
		}
	}
	text, err := os.ReadFile(filepath.Join(out, "build.json"))
	w.must(err)
	w.must(json.Unmarshal(text, &record))
	if len(record.Builds) != 2 || len(record.Builds[0].Debs) != 2 || len(record.Builds[1].Files) != 1 {
		w.t.Fatalf("build.json lists these builds: %+v", record.Builds)
	}
	for _, d := range record.Builds[0].Debs {
		if sum := w.command("", "sha256sum", filepath.Join(out, "debs", d.File)).mustRun(); !strings.HasPrefix(sum, d.SHA256) || d.Version != "2.0-1" {
			w.t.Errorf("build.json has %+v, the file %s", d, sum)
		}
	}
	for _, says := range []string{`"file": "debhelper_`, `"package": "libgadget2"`, `"package_version": "2.0-1"`} {
		if !bytes.Contains(text, []byte(says)) {
			w.t.Errorf("build.json does not say %s:\n%s", says, text)
		}
	}
	if bytes.Contains(text, []byte("markupsafe-")) || bytes.Contains(text, []byte("MarkupSafe-")) {
		w.t.Errorf("build.json has the wheel of a distribution that a package provides:\n%s", text)
	}
}

// gadgetAlone builds one [[build]], builds it again, and upgrades its packages.
func (w *workshop) gadgetAlone() {
	w.t.Helper()
	out := filepath.Join(w.dir, "alone")
	if got := w.sparkwheel("", "root", "build", "gadget", "--lock", "../recipe.lock", "-o", out).mustRun(); got != filepath.Join(out, "debs") {
		w.t.Errorf("build gadget says %q", got)
	}
	names, err := filepath.Glob(filepath.Join(out, "debs/*_2.0-1_*.deb"))
	if err != nil || len(names) != 2 {
		w.t.Errorf("build gadget left %q, %v", names, err)
	}
	w.write("alone/debs/mine.deb", "mine\n")
	w.sparkwheel("", "root", "build", "gadget", "--lock", "../recipe.lock", "-o", out).wantCode(2, "mine.deb", "not from an earlier build")
	w.must(os.Remove(filepath.Join(out, "debs/mine.deb")))
	said := w.sparkwheel("", "root", "verify", "gadget", "tool", "--lock", "../recipe.lock").mustRun()
	if strings.Count(said, " equal") != 6 || strings.Contains(said, "differs") { // two debs, a file, a tree of three
		w.t.Errorf("verify says %s", said)
	}
	w.sparkwheel("", "root", "lock", "--lock", "../recipe.lock", "--base", "tar:"+filepath.Join(w.dir, "held.tar"), "--upgrade=gadgets").wantCode(2, "fakeroot, gadget, gcc", "runtime, tool, uv")
	w.sparkwheel("", "root", "lock", "--lock", "../recipe.lock", "--base", "tar:"+filepath.Join(w.dir, "held.tar"), "--upgrade=gadget").mustRun()
}

// aDeb is the shell's way to a package of a name and an architecture.
func aDeb(name, architecture, fields string) string {
	return `mkdir -p p/DEBIAN out; printf "Package: ` + name + `\\nVersion: 1\\nArchitecture: ` + architecture + `\\nMaintainer: a <a@example.com>\\n` + fields +
		`Description: x\\n" > p/DEBIAN/control; dpkg-deb -b p out/libx_1_` + architecture + `.deb`
}

// Builds that go wrong say so, and leave nothing at a final place.
func TestE2EBuildsGoWrong(t *testing.T) {
	w := openWorkshop(t)
	w.gadgetry()
	base := "tar:" + w.heldBase()
	head := gadgetHead() + "[[source]]\nname = \"gadget\"\nurl = \"https://example.com/org/gadget.git\"\nref = \"main\"\nversion = \"2.0\"\n"
	other := map[string]string{"amd64": "arm64", "arm64": "amd64"}[w.architecture()]
	for _, tt := range []struct {
		name, step, keys string
		command          string // the one that fails
		code             int
		says             []string
	}{
		{"a step", "echo last words; exit 3", "", "build", 1, []string{"building bad: step sh -ec echo last words; exit 3", "exit status 3", "/build-bad.log", "its last lines:", "\nlast words\n"}},
		{"nothing", "true", "", "build", 1, []string{`no output of the build matches "out/libx_*.deb"`}},
		{"two", "mkdir out; touch out/libx_1_all.deb out/libx_2_all.deb", "", "build", 1, []string{"matches 2 entries instead of one: out/libx_1_all.deb, out/libx_2_all.deb"}},
		{"another name", aDeb("liby", "all", ""), "", "build", 1, []string{"build bad made libx_1_all.deb: the package is liby 1 (all), not libx 1 (all)"}},
		{"another machine", aDeb("libx", other, ""), "", "build", 1, []string{"the package libx is for " + other}},
		{"no package", "mkdir out; echo no > out/libx_1_all.deb", "", "build", 1, []string{"build bad made libx_1_all.deb: reading the package"}},
		{"a dependency", aDeb("libx", "all", `Depends: no-such-thing\\n`), `install = ["image"]`, "build", 1,
			[]string{"installing the packages that build bad made", "packages.image", "libx : Depends: no-such-thing"}},
		{"packages that conflict", "true", `packages = ["exim4-daemon-light", "postfix"]`, "lock", 1, []string{"exim4-daemon-light", "Conflicts", "postfix"}},
		{"a package that is held", "true", `packages = ["fakeroot"]`, "lock", 1, []string{"it would change libfakeroot, which is on hold in the base; name it beside the others, libfakeroot or libfakeroot=VERSION, to change it", "fakeroot : Depends: libfakeroot"}},
		{"a package in no archive", "true", `packages = ["fakerot"]`, "lock", 1, []string{"no archive of the base has the package fakerot (near: fakeroot)"}},
		{"nothing provides it", "mkdir -p out; touch out/x", "files = { \"/opt/x\" = \"out/x\" }\n[runtime]\nrequires = [\"jinja2\"]\nprovided = { markupsafe = \"libnone\" }", "build", 2,
			[]string{"the image has no Debian package libnone, which is to provide markupsafe"}},
		{"nothing requires it", "true", "tree = \"out\"\n[runtime]\nrequires = [\"jinja2\"]\nprovided = { markup-safe = \"libc6\" }", "lock", 2,
			[]string{"runtime.provided: nothing in the runtime set requires markup-safe; the nearest that it has is markupsafe"}},
	} {
		debs := "debs = [\"out/libx_*.deb\"]\n"
		if strings.Contains(tt.keys, "provided") {
			debs = ""
		}
		w.write("recipe.toml", head+"[[build]]\nname = \"bad\"\nsource = \"gadget\"\nsteps = [[\"sh\", \"-ec\", \"\"\""+tt.step+"\"\"\"]]\n"+debs+tt.keys+"\n")
		lock := w.sparkwheel("", "root", "lock", "--base", base, "--lock", "../recipe.lock")
		if tt.command == "lock" {
			lock.wantCode(tt.code, tt.says...)
		} else {
			lock.mustRun()
			w.sparkwheel("", "root", "build").wantCode(tt.code, tt.says...)
		}
		if t.Failed() {
			t.Fatalf("so it was with %s", tt.name)
		}
		w.noLeftovers("root")
		if _, err := os.Lstat(filepath.Join(w.dir, "root/out/debs")); err == nil {
			t.Errorf("%s: packages are there after a failure", tt.name)
		}
	}
}
