package main

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// bareBase is a base with apt and no Python.
func (w *workshop) bareBase() string {
	w.t.Helper()
	base := filepath.Join(w.dir, "bare.tar")
	cmd := exec.CommandContext(w.t.Context(), "mmdebstrap", "--variant=apt", "bookworm", base)
	cmd.Env = append(os.Environ(), "SOURCE_DATE_EPOCH=1780272000")
	if out, err := cmd.CombinedOutput(); err != nil {
		w.t.Fatalf("mmdebstrap: %v\n%s", err, out)
	}
	w.must(os.Chmod(base, 0o644))
	return base
}

// Packages of the base's own archive become a layer of the image, the same one
// as root, as an ordinary user and from a bundle, and the image is what apt and
// dpkg take for a sound system.
func TestE2EPackages(t *testing.T) {
	w := openWorkshop(t)
	base := "tar:" + w.bareBase()
	recipe := strings.Replace(workshopRecipe, "[[source]]", `[packages]
image = ["python3", "libgomp1", "ca-certificates", "vim-tiny", "cron"]
build = ["ninja-build"]
[[source]]`, 1)
	w.write("recipe.toml", strings.Replace(recipe, `"vim-tiny"`, `"vim-tinny"`, 1))
	w.sparkwheel("", "root", "lock", "--base", base).wantCode(1, "no archive of the base has the package vim-tinny (near: vim-tiny)")
	w.write("recipe.toml", recipe)
	want := w.sparkwheel("", "root", "build", "--base", base).mustRun()
	if plan := w.sparkwheel("", "root", "plan").mustRun(); plan != "nothing to do: every stage is cached" {
		t.Errorf("plan after a build says %q", plan)
	}
	record, err := os.ReadFile(filepath.Join(w.dir, "root/out/build.json"))
	w.must(err)
	if !bytes.Contains(record, []byte("\"packages_cleared\": [\n    \"usr/bin/crontab\"\n  ]")) || !bytes.Contains(record, []byte("ninja-build_1.11")) {
		t.Errorf("build.json does not tell of crontab and of ninja-build:\n%s", record)
	}
	w.systemIsSound(filepath.Join(w.dir, "root/out/image"))

	bundle := filepath.Join(w.dir, "bundle")
	w.sparkwheel("", "root", "fetch", "--lock", "../recipe.lock", "--bundle", bundle).mustRun()
	w.must(exec.CommandContext(t.Context(), "chmod", "-R", "a+rwX", bundle).Run())
	script := `umask 077; cd "$0"; exec unshare -rn "$@"`
	offline := w.command("nobody", "sh", "-c", script, bundle, w.program, "build", "--offline", "-r", "recipe.toml", "--store", bundle, "--lock", "sparkwheel.lock", "-o", "out", "-j", "1", "--progress", "none")
	offline.Env = append(offline.Env, "HOME="+bundle, "LC_ALL=de_DE.UTF-8", "TZ=Asia/Tokyo")
	if got := offline.mustRun(); got != want {
		t.Errorf("as an ordinary user and offline the digest is %s, as root %s", got, want)
	}

	lock := filepath.Join(w.dir, "recipe.lock")
	text, err := os.ReadFile(lock)
	w.must(err)
	w.must(os.WriteFile(lock, []byte(strings.Replace(string(text), "name = 'libgomp1'", "name = 'libgomp2'", 1)), 0o644))
	w.sparkwheel("", "root", "build", "--lock", "../recipe.lock").wantCode(1, "the package is libgomp1 ", ", not libgomp2 ")
}

// systemIsSound unpacks an image and asks its own programs about it.
func (w *workshop) systemIsSound(image string) {
	w.t.Helper()
	bundle := filepath.Join(w.dir, "unpacked")
	w.command("", "umoci", "unpack", "--image", image+":latest", bundle).mustRun()
	root := filepath.Join(bundle, "rootfs")
	for _, tt := range []struct{ command, want string }{
		{"dpkg --audit", ""},
		{"dpkg --verify", ""},
		{"python3 -c 'import alpha, ssl; alpha.main(); print(ssl.create_default_context().cert_store_stats()[\"x509_ca\"] > 100)'", "alpha runs\nTrue"},
		{"readlink -f /usr/bin/vi", "/usr/bin/vim.tiny"},
		{"dpkg-query -W -f '${Status}' libgomp1", "install ok installed"},
		{"apt-get install -s -qq --no-install-recommends python3 libgomp1 vim-tiny cron; apt-get autoremove -s -qq", ""},
		{"apt-mark showmanual libgomp1 libexpat1", "libgomp1"},
		{"find /usr/bin/ninja /usr/lib -name __pycache__ -o -name ninja 2>/dev/null", ""},
		{"ldconfig -p | grep -c libgomp.so.1", "1"},
	} {
		c := w.command("", "chroot", root, "sh", "-c", tt.command)
		c.Env = []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C.UTF-8", "PYTHONDONTWRITEBYTECODE=1"}
		if err := c.Run(); err != nil && !errors.As(err, new(*exec.ExitError)) {
			w.t.Fatal(err)
		}
		if got := strings.TrimSpace(c.stdout.String()); got != tt.want {
			w.t.Errorf("%s in the image says %q, want %q\n%s", tt.command, got, tt.want, c.stderr.String())
		}
	}
	// The base's owners stay; cron's script gives crontab to a group of its own,
	// which is lost, and with it the right to act for that group.
	for name, want := range map[string]syscall.Stat_t{
		"etc/shadow": {Mode: 0o640, Gid: 42}, "usr/bin/crontab": {Mode: 0o755}, "tmp": {Mode: 0o1777}, "root": {Mode: 0o700},
	} {
		var got syscall.Stat_t
		w.must(syscall.Stat(filepath.Join(root, name), &got))
		if got.Mode&0o7777 != want.Mode || got.Uid != want.Uid || got.Gid != want.Gid {
			w.t.Errorf("%s has mode %#o and owner %d:%d, want %#o and %d:%d", name, got.Mode&0o7777, got.Uid, got.Gid, want.Mode, want.Uid, want.Gid)
		}
	}
}
