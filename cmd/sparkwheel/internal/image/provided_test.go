package image

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/base"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/host"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/store"
	"github.com/sparkwheel/sparkwheel/wheel"
	"github.com/sparkwheel/sparkwheel/wheel/index"
)

func TestProvide(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	if err := os.MkdirAll(filepath.Join(root, "var/lib/dpkg"), 0o755); err != nil {
		t.Fatal(err)
	}
	status := "Package: libnccl2\nStatus: hold ok installed\nArchitecture: arm64\nVersion: 2.30.7-1+cuda13.2\n"
	if err := os.WriteFile(filepath.Join(root, "var/lib/dpkg/status"), []byte(status), 0o644); err != nil {
		t.Fatal(err)
	}
	packages := map[string]string{"nvidia-nccl-cu13": "libnccl2", "nvidia-x": "libx"}
	nccl := index.Pin{Name: "nvidia-nccl-cu13", File: "nvidia_nccl_cu13-2.28.9-py3-none-manylinux_2_18_aarch64.whl"}
	if !IsProvided(packages, nccl) || IsProvided(packages, index.Pin{Name: "torch", File: "torch-2.11.0-cp312-cp312-linux_aarch64.whl"}) {
		t.Error("which wheels packages provide is mistaken")
	}
	all, err := Provide(&base.Base{Root: root}, []index.Pin{nccl}, packages)
	want := []Provided{{Name: "nvidia-nccl-cu13", Version: "2.28.9", Package: "libnccl2", PackageVersion: "2.30.7-1+cuda13.2", Architecture: "arm64"}}
	if diff := cmp.Diff(want, all); diff != "" || err != nil {
		t.Fatalf("Provide (-want +got): %v\n%s", err, diff)
	}
	_, err = Provide(&base.Base{Root: root}, []index.Pin{{Name: "nvidia-x", File: "nvidia_x-1-py3-none-any.whl"}}, packages)
	if missing, ok := errors.AsType[*MissingPackageError](err); !ok || missing.Package != "libx" {
		t.Errorf("a package that is not there: %v", err)
	}
	makeProvided(t, all[0])
}

// makeProvided writes the empty distribution twice and looks at it.
func makeProvided(t *testing.T, p Provided) {
	t.Helper()
	var sums []string
	for range 2 {
		s, err := store.Open(t.TempDir())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { s.Close() })
		env := host.Env{Store: s}
		if _, ok, err := p.Member(env); ok || err != nil {
			t.Errorf("an empty store has it: %v, %v", ok, err)
		}
		m, err := p.Make(t.Context(), env)
		if err != nil {
			t.Fatal(err)
		}
		if kept, ok, err := p.Member(env); !ok || err != nil || kept != m {
			t.Errorf("the store keeps %+v, %v, %v; it was made as %+v", kept, ok, err, m)
		}
		if _, err := wheel.Verify(t.Context(), m.Path); err != nil {
			t.Error(err)
		}
		r, err := wheel.Open(m.Path)
		if err != nil {
			t.Fatal(err)
		}
		if m.File != "nvidia_nccl_cu13-2.28.9-py3-none-any.whl" || len(r.Metadata.RequiresDist) != 0 {
			t.Errorf("%s requires %v", m.File, r.Metadata.RequiresDist)
		}
		if err := r.Close(); err != nil {
			t.Error(err)
		}
		sums = append(sums, m.SHA256)
	}
	if sums[0] != sums[1] {
		t.Errorf("written twice it is %s and %s", sums[0], sums[1])
	}
}
