package sandbox

import (
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "rewrite golden files")

// image makes a small root of an image's shape.
func image(t *testing.T) string {
	t.Helper()
	root := t.TempDir()
	for _, dir := range []string{"usr/bin", "usr/lib", "etc/ssl", "dev", "proc", "sys", "tmp", "var/lib", "run"} {
		if err := os.MkdirAll(filepath.Join(root, dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for name, to := range map[string]string{"bin": "usr/bin", "lib": "/usr/lib", "etc/resolv.conf": "../run/resolv.conf", "etc/localtime": "/usr/share/zoneinfo/UTC"} {
		if err := os.Symlink(to, filepath.Join(root, name)); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"etc/passwd", "etc/hosts", ".dockerenv"} {
		if err := os.WriteFile(filepath.Join(root, name), nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return root
}

func TestLayout(t *testing.T) {
	t.Parallel()
	root := image(t)
	steps, err := layout(root, "sparkwheel", 2, []Mount{
		{Source: "/work", Target: "/build", Writable: true},
		{Source: "/uv", Target: "/build/bin/uv"},
		{Source: "/host/resolv.conf", Target: "/etc/resolv.conf"},
		{Source: "/opt/toolkit", Target: "/lib/toolkit"},
		{Source: "/data", Target: "/var/new/deep"},
	})
	if err != nil {
		t.Fatal(err)
	}
	var got strings.Builder
	for _, s := range steps {
		line, err := json.Marshal(s)
		if err != nil {
			t.Fatal(err)
		}
		got.WriteString(strings.ReplaceAll(string(line), root, "ROOT") + "\n")
	}
	golden := filepath.Join("testdata", "layout.jsonl")
	if *update {
		if err := os.WriteFile(golden, []byte(got.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got.String()); diff != "" {
		t.Errorf("steps (-want +got); -update rewrites them:\n%s", diff)
	}
}

func TestLayoutRefusesUncleanMounts(t *testing.T) {
	t.Parallel()
	root := image(t)
	for _, m := range []Mount{{Source: "/a", Target: "b"}, {Source: "/a", Target: "/b/../c"}, {Source: "/a", Target: "/"}, {Source: "/a", Target: "/b/"}, {Source: "a", Target: "/b"}, {Source: "/a"}} {
		if _, err := layout(root, "h", 0, []Mount{m}); err == nil {
			t.Errorf("a mount of %q at %q was taken", m.Source, m.Target)
		}
	}
}

func TestResolveIn(t *testing.T) {
	t.Parallel()
	root := image(t)
	for name, to := range map[string]string{"loop": "loop", "up": "../../../../etc", "abs": "/usr/lib/../bin"} {
		if err := os.Symlink(to, filepath.Join(root, name)); err != nil {
			t.Fatal(err)
		}
	}
	for target, want := range map[string]string{
		"/lib/x":        "/usr/lib/x",
		"/bin/a/b":      "/usr/bin/a/b",
		"/up/passwd":    "/etc/passwd",
		"/abs/sh":       "/usr/bin/sh",
		"/new/x":        "/new/x",
		"/etc/hosts":    "/etc/hosts",
		"/bin":          "/bin",
		"/etc/timezone": "/etc/timezone",
	} {
		if got := resolveIn(root, target); got != want {
			t.Errorf("resolveIn(%s) = %s, want %s", target, got, want)
		}
	}
	resolveIn(root, "/loop/x") // ends
	// What the host has and a sandbox over it does not show leads nowhere.
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink("/usr", link); err != nil {
		t.Fatal(err)
	}
	if got := resolveIn("/", link+"/x"); got != link+"/x" {
		t.Errorf("resolveIn(%s/x) = %s", link, got)
	}
}

func TestParseHierarchies(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		mountinfo, own string
		want           map[string]hierarchy
	}{
		"systemd, unified": {
			"30 24 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n",
			"0::/user.slice/user-1000.slice/user@1000.service/app.slice/run-1.scope\n",
			map[string]hierarchy{"": {"/sys/fs/cgroup", "/sys/fs/cgroup/user.slice/user-1000.slice/user@1000.service/app.slice/run-1.scope"}},
		},
		"hybrid": {
			"35 31 0:32 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n39 31 0:36 / /sys/fs/cgroup/pids rw - cgroup cgroup rw,pids\n41 31 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n36 31 0:33 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu,cpuacct\n",
			"8:pids:/a\n4:memory:/b/c\n2:cpu,cpuacct:/\n0::/\n",
			map[string]hierarchy{"": {"/sys/fs/cgroup/unified", "/sys/fs/cgroup/unified"}, "memory": {"/sys/fs/cgroup/memory", "/sys/fs/cgroup/memory/b/c"}, "pids": {"/sys/fs/cgroup/pids", "/sys/fs/cgroup/pids/a"}},
		},
		"a container sees its own part": {
			"35 31 0:32 /docker/ab12 /sys/fs/cgroup/memory ro - cgroup cgroup rw,memory\n",
			"4:memory:/docker/ab12\n",
			map[string]hierarchy{"memory": {"/sys/fs/cgroup/memory", "/sys/fs/cgroup/memory"}},
		},
		"none": {"22 1 8:1 / / rw - ext4 /dev/sda rw\n", "", map[string]hierarchy{}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(tc.want, parseHierarchies(tc.mountinfo, tc.own), cmp.AllowUnexported(hierarchy{})); diff != "" {
				t.Errorf("hierarchies (-want +got):\n%s", diff)
			}
		})
	}
}

func TestParentsAreThoseWithControllers(t *testing.T) {
	t.Parallel()
	mount := t.TempDir()
	own := filepath.Join(mount, "user.slice", "session.scope")
	if err := os.MkdirAll(own, 0o755); err != nil {
		t.Fatal(err)
	}
	for dir, on := range map[string]string{mount: "cpu memory pids\n", filepath.Dir(own): "cpu memory\n", own: "\n"} {
		if err := os.WriteFile(filepath.Join(dir, "cgroup.subtree_control"), []byte(on), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff([]string{mount}, hierarchy{mount: mount, own: own}.parents()); diff != "" {
		t.Errorf("parents (-want +got):\n%s", diff)
	}
}

func TestJobs(t *testing.T) {
	t.Parallel()
	const gib = 1 << 30
	for _, tc := range []struct {
		most   int
		perJob int64
		free   int64
		known  bool
		want   int
	}{
		{16, 6 * gib, 100 * gib, true, 16}, {20, 6 * gib, 100 * gib, true, 16}, {20, 6 * gib, 3 * gib, true, 1},
		{20, 0, 3 * gib, true, 20}, {20, 6 * gib, 0, false, 20}, {0, 0, gib, true, 1},
	} {
		if got := jobs(tc.most, tc.perJob, tc.free, tc.known); got != tc.want {
			t.Errorf("jobs(%d, %d, %d, %v) = %d, want %d", tc.most, tc.perJob, tc.free, tc.known, got, tc.want)
		}
	}
}
