package base

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestReadHost(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	put := func(name, text string) {
		t.Helper()
		if err := os.MkdirAll(filepath.Dir(filepath.Join(root, name)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(root, name), []byte(text), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := ReadHost(root, "3.12"); err == nil || !strings.Contains(err.Error(), "no Python") {
		t.Errorf("a host without Python: %v", err)
	}
	put("usr/bin/python3", "")
	put("usr/lib/python3.12/os.py", "")
	put("etc/os-release", "NAME=\"Ubuntu\"\nPRETTY_NAME=\"Ubuntu 24.04.3 LTS\"\n")
	want := &HostRoot{System: "Ubuntu 24.04.3 LTS", Python: "/usr/bin/python3"}
	got, err := ReadHost(root, "3.12")
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("without dpkg (-want +got):\n%s%v", diff, err)
	}
	put("var/lib/dpkg/status", "a")
	want.Packages = "ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb"
	got, err = ReadHost(root, "3.12")
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("with dpkg (-want +got):\n%s%v", diff, err)
	}
	if _, err := ReadHost(root, "3.13"); err == nil || !strings.Contains(err.Error(), "is not Python 3.13") {
		t.Errorf("a host with another Python: %v", err)
	}
}
