package layer_test

import (
	"archive/tar"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/sparkwheel/sparkwheel/layer"
)

// upperDir is a directory to fill by hand as an overlay would.
func upperDir(t *testing.T) (*os.Root, string) {
	t.Helper()
	dir := t.TempDir()
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { root.Close() })
	return root, dir
}

func put(t *testing.T, path, content string, mode fs.FileMode) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, mode); err != nil {
		t.Fatal(err)
	}
}

func attribute(t *testing.T, path, name, value string) {
	t.Helper()
	err := unix.Setxattr(path, name, []byte(value), 0)
	if errors.Is(err, unix.ENOTSUP) || errors.Is(err, unix.EPERM) {
		t.Skipf("setting %s: %v", name, err)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// headers are the entries of the layer that Diff makes of upper.
func headers(t *testing.T, upper *os.Root, owner func(int, int) (int, int)) []string {
	t.Helper()
	changes, err := layer.Diff(upper, owner)
	if err != nil {
		t.Fatal(err)
	}
	rc, err := write(t, changes, layer.Options{}).Uncompressed()
	if err != nil {
		t.Fatal(err)
	}
	defer rc.Close()
	var lines []string
	for tr := tar.NewReader(rc); ; {
		h, err := tr.Next()
		if err == io.EOF {
			return lines
		}
		if err != nil {
			t.Fatal(err)
		}
		line := fmt.Sprintf("%c %s %o %d:%d %d", h.Typeflag, h.Name, h.Mode, h.Uid, h.Gid, h.Size)
		if h.Linkname != "" {
			line += " -> " + h.Linkname
		}
		if !h.ModTime.Equal(layer.Epoch) {
			line += " at " + h.ModTime.String()
		}
		if c, ok := h.PAXRecords["SCHILY.xattr.security.capability"]; ok {
			line += fmt.Sprintf(" %x", c)
		}
		lines = append(lines, line)
	}
}

// inImage is every owner as the root of an image.
func inImage(uid, gid int) (int, int) { return uid - os.Getuid(), gid - os.Getgid() }

func TestDiffOfAnOrdinaryUser(t *testing.T) {
	t.Parallel()
	upper, dir := upperDir(t)
	put(t, dir+"/usr/bin/su", "su", 0o755|fs.ModeSetuid)
	put(t, dir+"/usr/bin/z-same", "linked", 0o755)
	for _, other := range []string{"/usr/a", "/usr/bin/b"} {
		if err := os.Link(dir+"/usr/bin/z-same", dir+other); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink("/usr/bin/su", dir+"/usr/bin/link"); err != nil {
		t.Fatal(err)
	}
	put(t, dir+"/etc/gone", "", 0)
	if err := os.Chmod(dir+"/etc/gone", 0o644); err != nil {
		t.Fatal(err)
	}
	attribute(t, dir+"/etc", "user.overlay.opaque", "x")
	attribute(t, dir+"/etc/gone", "user.overlay.whiteout", "")
	put(t, dir+"/opt/new/file", "1", 0o640)
	attribute(t, dir+"/opt/new", "user.overlay.opaque", "y")
	attribute(t, dir+"/opt/new", "user.overlay.origin", "kept by the kernel")
	attribute(t, dir+"/opt/new/file", "user.note", "of no concern")
	if err := os.Chmod(dir+"/opt/new", 0o555|fs.ModeSticky); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.Chmod(dir+"/opt/new", 0o755) })
	want := []string{
		"5 etc/ 755 0:0 0",
		"0 etc/.wh.gone 644 0:0 0",
		"5 opt/ 755 0:0 0",
		"5 opt/new/ 1555 0:0 0",
		"0 opt/new/.wh..wh..opq 644 0:0 0",
		"0 opt/new/file 640 0:0 1",
		"5 usr/ 755 0:0 0",
		"0 usr/a 755 0:0 6",
		"5 usr/bin/ 755 0:0 0",
		"1 usr/bin/b 755 0:0 0 -> usr/a",
		"2 usr/bin/link 777 0:0 0 -> /usr/bin/su",
		"0 usr/bin/su 4755 0:0 2",
		"1 usr/bin/z-same 755 0:0 0 -> usr/a",
	}
	if diff := cmp.Diff(want, headers(t, upper, inImage)); diff != "" {
		t.Errorf("entries (-want +got):\n%s", diff)
	}
}

// TestDiffOfRoot holds what only root can make: whiteouts that are devices,
// owners, and file capabilities of this and of another user namespace.
func TestDiffOfRoot(t *testing.T) {
	t.Parallel()
	if os.Getuid() != 0 {
		t.Skip("needs root to make devices")
	}
	upper, dir := upperDir(t)
	put(t, dir+"/usr/bin/ping", "ping", 0o755)
	put(t, dir+"/usr/bin/other", "ping", 0o755)
	capabilities := "\x01\x00\x00\x02\x00\x20\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"
	attribute(t, dir+"/usr/bin/ping", "security.capability", capabilities)
	attribute(t, dir+"/usr/bin/other", "security.capability", capabilities[:3]+"\x03"+capabilities[4:]+"\xe8\x03\x00\x00")
	put(t, dir+"/etc/shadow", "s", 0o640)
	if err := os.Chown(dir+"/etc/shadow", 0, 42); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mknod(dir+"/etc/gone", unix.S_IFCHR, 0); err != nil {
		t.Skipf("making a device: %v", err)
	}
	attribute(t, dir+"/usr", "trusted.overlay.opaque", "y")
	const v2 = "0100000200200000000000000000000000000000"
	want := []string{
		"5 etc/ 755 0:0 0",
		"0 etc/.wh.gone 644 0:0 0",
		"0 etc/shadow 640 0:42 1",
		"5 usr/ 755 0:0 0",
		"0 usr/.wh..wh..opq 644 0:0 0",
		"5 usr/bin/ 755 0:0 0",
		"0 usr/bin/other 755 0:0 4 " + v2,
		"0 usr/bin/ping 755 0:0 4 " + v2,
	}
	got := headers(t, upper, func(uid, gid int) (int, int) { return uid % 1000, gid })
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("entries (-want +got):\n%s", diff)
	}
}

func TestDiffRefuses(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		make func(t *testing.T, dir string)
		want string
	}{
		{"a name of a whiteout", func(t *testing.T, dir string) { put(t, dir+"/a/.wh.b", "", 0o644) }, "a/.wh.b: a layer would read"},
		{"a pipe", func(t *testing.T, dir string) {
			if err := unix.Mkfifo(dir+"/p", 0o644); err != nil {
				t.Fatal(err)
			}
		}, "p: p--------- cannot be part"},
		{"a renamed directory", func(t *testing.T, dir string) {
			put(t, dir+"/a/b", "", 0o644)
			attribute(t, dir+"/a", "user.overlay.redirect", "/c")
		}, "redirect_dir=off"},
		{"a file's description alone", func(t *testing.T, dir string) {
			put(t, dir+"/a", "", 0o644)
			attribute(t, dir+"/a", "user.overlay.metacopy", "")
		}, "metacopy=off"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			upper, dir := upperDir(t)
			c.make(t, dir)
			if _, err := layer.Diff(upper, nil); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("Diff = %v, want %q", err, c.want)
			}
		})
	}
}

// TestDiffOfAnOverlay changes an image through a real overlay: the layer of the
// changes on the image must give what the mount showed.
func TestDiffOfAnOverlay(t *testing.T) {
	t.Parallel()
	base := imageOf(t, tarOf(t,
		dir("etc"), file("etc/old"), file("etc/gone"), file("etc/dir-to-be"),
		dir("opt"), dir("opt/full"), file("opt/full/x"), dir("opt/moved"), file("opt/moved/y"),
		dir("usr"), dir("usr/lib"), file("usr/lib/a"), hardlink("usr/lib/b", "usr/lib/a"), symlink("lib", "usr/lib")))
	lower, err := unpack(t, base)
	if err != nil {
		t.Fatal(err)
	}
	upper, upperPath := upperDir(t)
	work, merged := t.TempDir(), t.TempDir()
	options := fmt.Sprintf("lowerdir=%s,upperdir=%s,workdir=%s", lower, upperPath, work)
	if err := unix.Mount("overlay", merged, "overlay", 0, options); err != nil {
		t.Skipf("mounting an overlay: %v", err)
	}
	unmount := sync.OnceFunc(func() {
		if err := unix.Unmount(merged, 0); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(unmount)
	try := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	try(os.WriteFile(merged+"/etc/old", []byte("changed"), 0o644))
	try(os.Remove(merged + "/etc/gone"))
	try(os.Remove(merged + "/etc/dir-to-be"))
	try(os.Mkdir(merged+"/etc/dir-to-be", 0o750))
	put(t, merged+"/etc/dir-to-be/z", "z", 0o600)
	try(os.RemoveAll(merged + "/opt/full"))
	try(os.Mkdir(merged+"/opt/full", 0o755))
	put(t, merged+"/opt/full/only", "1", 0o644)
	try(os.Rename(merged+"/opt/full/only", merged+"/opt/full/renamed"))
	try(os.RemoveAll(merged + "/opt/moved"))
	try(os.Symlink("full", merged+"/opt/moved"))
	try(os.WriteFile(merged+"/lib/a", []byte("parted"), 0o644))
	put(t, merged+"/usr/lib/c", "c", 0o444)
	try(os.Link(merged+"/usr/lib/c", merged+"/usr/lib/d"))
	try(os.Mkdir(merged+"/brief", 0o755))
	try(os.Remove(merged + "/brief"))
	want := tree(t, merged)
	unmount()

	changes, err := layer.Diff(upper, nil)
	try(err)
	img, err := layer.Append(base, layer.Config{}, write(t, changes, layer.Options{}))
	try(err)
	got, err := unpack(t, img)
	try(err)
	if diff := cmp.Diff(want, tree(t, got)); diff != "" {
		t.Errorf("the image on the changes (-overlay +image):\n%s", diff)
	}
}
