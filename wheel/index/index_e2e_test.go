package index_test

import (
	"errors"
	"os"
	"os/exec"
	"syscall"
	"testing"

	"github.com/sparkwheel/sparkwheel/wheel"
	"github.com/sparkwheel/sparkwheel/wheel/index"
)

// online is a client of the index that this machine's user has set up.
func online(t *testing.T) *index.Client {
	t.Helper()
	if os.Getenv("SPARKWHEEL_E2E") == "" && os.Getenv("SPARKWHEEL_E2E_REAL") == "" {
		t.Skip("asks the Python index; set SPARKWHEEL_E2E=1 to run")
	}
	s := index.Settings{
		UVDefaultIndex: os.Getenv("UV_DEFAULT_INDEX"), UVIndexURL: os.Getenv("UV_INDEX_URL"), PIPIndexURL: os.Getenv("PIP_INDEX_URL"),
	}
	for _, path := range index.PipConfPaths(os.Getenv("HOME"), os.Getenv("XDG_CONFIG_HOME"), os.Getenv("PIP_CONFIG_FILE")) {
		if data, err := os.ReadFile(path); err == nil {
			s.PipConf = append(s.PipConf, index.ConfFile{Name: path, Data: data})
		}
	}
	url, _, err := s.Index()
	if err != nil {
		t.Fatal(err)
	}
	return &index.Client{Index: url}
}

// TestE2EToolFromIndex brings uv as `sparkwheel lock` does.
func TestE2EToolFromIndex(t *testing.T) {
	t.Parallel()
	c := online(t)
	files, err := c.Files(t.Context(), "uv")
	if err != nil {
		t.Fatal(err)
	}
	f, err := index.Wheel("uv", "0.13.9", files, wheel.Supported("3.12", wheel.Platforms(36, "x86_64")))
	if err != nil {
		t.Fatal(err)
	}
	if f.Name != "uv-0.13.9-py3-none-manylinux_2_17_x86_64.manylinux2014_x86_64.whl" || f.Size != 17606939 {
		t.Errorf("picked %s of %d bytes", f.Name, f.Size)
	}
	dir := t.TempDir()
	path, err := c.Download(t.Context(), f.Pin("uv"), dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(path); err != nil || info.Size() != f.Size {
		t.Errorf("%s: %v, %v", path, info, err)
	}
}

// TestE2EFullDisk fills a small file system half way through a fetch.
func TestE2EFullDisk(t *testing.T) {
	if os.Getenv("SPARKWHEEL_E2E") == "" || os.Geteuid() != 0 {
		t.Skip("mounts a small tmpfs; set SPARKWHEEL_E2E=1 and be root to run")
	}
	dir := t.TempDir()
	if out, err := exec.Command("mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", dir).CombinedOutput(); err != nil {
		t.Skipf("no tmpfs here: %v\n%s", err, out)
	}
	t.Cleanup(func() {
		if out, err := exec.Command("umount", dir).CombinedOutput(); err != nil {
			t.Errorf("%v: %s", err, out)
		}
	})
	d := newDepot(t, []int{2 << 20, 2 << 20, 1 << 20}, 0)
	pins := append([]index.Pin(nil), d.pins...)
	for i := range pins {
		pins[i].Size = 0 // or it would be refused before the first byte
	}
	_, err := client().Fetch(t.Context(), pins, dir, 1, nil)
	if !errors.Is(err, syscall.ENOSPC) {
		t.Fatalf("error is %v", err)
	}
	t.Log(err)
	if out, err := exec.Command("mount", "-o", "remount,size=8m", dir).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	here := onDisk(t, dir)
	done, err := client().Fetch(t.Context(), pins, dir, 1, nil)
	if err != nil || done.Received != 5<<20-here {
		t.Errorf("with %d bytes kept, %d came: %v", here, done.Received, err)
	}
}
