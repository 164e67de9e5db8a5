package sandbox

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// borrowed are mounts that give an image without programs those of the host.
var borrowed = []Mount{{Source: "/usr", Target: "/usr"}, {Source: "/etc/ld.so.cache", Target: "/etc/ld.so.cache"}}

func tree(t *testing.T, dir string) []string {
	t.Helper()
	var found []string
	err := filepath.WalkDir(dir, func(p string, e fs.DirEntry, err error) error {
		if err != nil || p == dir {
			return err
		}
		rel, err := filepath.Rel(dir, p)
		found = append(found, e.Type().String()+" "+rel)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func TestChangesAreKept(t *testing.T) {
	eachUser(t, func(t *testing.T) {
		root := t.TempDir()
		for _, dir := range []string{"etc", "usr", "opt/full", "lib64"} {
			if err := os.MkdirAll(filepath.Join(root, dir), 0o755); err != nil {
				t.Fatal(err)
			}
		}
		for _, name := range []string{"etc/old", "etc/gone", "etc/same", "opt/full/x"} {
			if err := os.WriteFile(filepath.Join(root, name), []byte("1\n"), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		for name, to := range map[string]string{"bin": "usr/bin", "lib": "usr/lib"} {
			if err := os.Symlink(to, filepath.Join(root, name)); err != nil {
				t.Fatal(err)
			}
		}
		before := tree(t, root)
		changes := t.TempDir()
		s := &Sandbox{Root: root, Scratch: t.TempDir()}
		err := s.Run(t.Context(), Command{
			Args:    sh(`set -e; cat /etc/hosts >/dev/null; cat /build/in; echo 2 >> /etc/old; rm /etc/gone; echo 3 > /etc/new; mkdir /opt/made; rm -r /opt/full; echo x > /tmp/x; echo x > /dev/shm/x`),
			Env:     []string{searchPath},
			Changes: changes,
			Mounts:  append([]Mount{{Source: filepath.Join(root, "etc/same"), Target: "/build/in"}, {Source: "/lib64", Target: "/lib64"}}, borrowed...),
		})
		if n, ok := errors.AsType[*NamespaceError](err); ok {
			t.Skip(n)
		}
		if e, ok := errors.AsType[*ExitError](err); ok {
			t.Fatalf("%v\n%s", e, e.Tail)
		}
		if err != nil {
			t.Fatal(err)
		}
		want := []string{"d--------- etc", "Dc--------- etc/gone", "---------- etc/new", "---------- etc/old", "d--------- opt", "Dc--------- opt/full", "d--------- opt/made"}
		if diff := cmp.Diff(want, tree(t, changes)); diff != "" {
			t.Errorf("changes (-want +got):\n%s", diff)
		}
		if b, err := os.ReadFile(filepath.Join(changes, "etc/old")); string(b) != "1\n2\n" {
			t.Errorf("etc/old holds %q, %v", b, err)
		}
		if diff := cmp.Diff(before, tree(t, root)); diff != "" {
			t.Errorf("the root has changed (-before +after):\n%s", diff)
		}
		if left := tree(t, s.Scratch); len(left) != 0 {
			t.Errorf("left in scratch: %v", left)
		}
	})
}

func TestChangesOfTheHostAreRefused(t *testing.T) {
	t.Parallel()
	err := (&Sandbox{Root: "/"}).Run(t.Context(), Command{Args: []string{"/bin/true"}, Changes: t.TempDir()})
	if err == nil || !strings.Contains(err.Error(), "cannot be kept") {
		t.Errorf("Run = %v", err)
	}
}

// TestLinksOfAnImageAreNotFollowed gives a root whose directories are links to
// what lies outside of it: no step may read from there.
func TestLinksOfAnImageAreNotFollowed(t *testing.T) {
	t.Parallel()
	root, outside := t.TempDir(), t.TempDir()
	if err := os.WriteFile(filepath.Join(outside, "secret"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"etc", "var", "opt"} {
		if err := os.Symlink(outside, filepath.Join(root, name)); err != nil {
			t.Fatal(err)
		}
	}
	steps, err := layout(root, "h", 0, []Mount{{Source: "/data", Target: "/var/x"}, {Source: "/data", Target: "/opt"}})
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range steps {
		if s.Do == "bind" && s.Source != "/data" && !strings.HasPrefix(s.Source, "/dev/") {
			t.Errorf("step %+v shows what no mount names", s)
		}
	}
}

// TestOwnersArePretended does what installing a package does to files, and holds
// that nothing but files got into its reach.
func TestOwnersArePretended(t *testing.T) {
	eachUser(t, func(t *testing.T) {
		root, dir := t.TempDir(), t.TempDir()
		for _, name := range []string{"etc", "usr", "opt", "lib64"} {
			if err := os.Mkdir(filepath.Join(root, name), 0o755); err != nil {
				t.Fatal(err)
			}
		}
		for name, to := range map[string]string{"bin": "usr/bin", "lib": "usr/lib"} {
			if err := os.Symlink(to, filepath.Join(root, name)); err != nil {
				t.Fatal(err)
			}
		}
		changes := filepath.Join(dir, "changes")
		if err := errors.Join(os.Mkdir(changes, 0o755), os.Chmod(dir, 0o755)); err != nil {
			t.Fatal(err)
		}
		run := func(script string, owners bool) error {
			return (&Sandbox{Root: root, Scratch: t.TempDir()}).Run(t.Context(), Command{Args: sh(script), Env: []string{searchPath},
				Changes: changes, Owners: owners, Mounts: append([]Mount{{Source: "/lib64", Target: "/lib64"}}, borrowed...)})
		}
		if err := run("true", true); err == nil || !strings.Contains(err.Error(), "closed to others") {
			t.Errorf("Run below a directory that others may enter = %v", err)
		}
		if err := os.Chmod(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		script := `set -e; cd /opt; echo x > own; chmod 4755 own; mkdir shut; chmod 0 shut; echo x > shut/in; chmod 700 shut
for c in "mknod /opt/null c 1 3" "mount -t tmpfs x /opt" "chroot / true" "hostname x" "unshare -m true" "renice -n -5 1"; do $c 2>/dev/null && echo "$c: let through"; done
grep -E '^(CapPrm|CapEff|CapBnd|CapAmb|NoNewPrivs)' /proc/self/status | tr '\n\t' '  '; exit 3`
		err := run(script, true)
		if n, ok := errors.AsType[*NamespaceError](err); ok {
			t.Skip(n)
		}
		may := "000000000000001a"
		want := "CapPrm: " + may + " CapEff: " + may + " CapBnd: " + may + " CapAmb: 0000000000000000 NoNewPrivs: 1 "
		if e, ok := errors.AsType[*ExitError](err); !ok || e.Code != 3 || string(e.Tail) != want {
			t.Fatalf("Run = %v, said\n%s\nwant\n%s", err, tailIn(err), want)
		}
		if info, err := os.Stat(filepath.Join(changes, "opt/own")); err != nil || info.Mode() != 0o755|fs.ModeSetuid {
			t.Errorf("opt/own: %v, %v", info.Mode(), err)
		}
		give := "set -e; echo x > /opt/theirs; chown 12:34 /opt/theirs; chgrp -h 34 /opt/theirs; chmod 2711 /opt/theirs"
		err = run(give, true)
		var st syscall.Stat_t
		if err := errors.Join(err, syscall.Stat(filepath.Join(changes, "opt/theirs"), &st)); err != nil || int(st.Uid) != os.Geteuid() || int(st.Gid) != os.Getegid() || st.Mode&0o7777 != 0o2711 {
			t.Errorf("opt/theirs has %d:%d %#o, %v", st.Uid, st.Gid, st.Mode&0o7777, err)
		}
		if err := run(give, false); err == nil {
			t.Error("a file was given away without Owners")
		}
	})
}

func tailIn(err error) string {
	if e, ok := errors.AsType[*ExitError](err); ok {
		return string(e.Tail)
	}
	return ""
}
