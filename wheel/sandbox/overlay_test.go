package sandbox

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
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
