package base

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"debug/elf"
	"encoding/binary"
	"os"
	"path/filepath"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/validate"

	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/host"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/imagename"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/store"
)

// rootTar is a root file system with a program for amd64.
func rootTar(t *testing.T) []byte {
	t.Helper()
	program := make([]byte, 64)
	copy(program, elf.ELFMAG)
	program[elf.EI_DATA] = byte(elf.ELFDATA2LSB)
	binary.LittleEndian.PutUint16(program[18:], uint16(elf.EM_X86_64))
	var buf bytes.Buffer
	w := tar.NewWriter(&buf)
	for _, h := range []tar.Header{
		{Typeflag: tar.TypeDir, Name: "srv/", Mode: 0o2750, Gid: 33},
		{Typeflag: tar.TypeReg, Name: "usr/bin/python3", Mode: 0o755, Size: 64},
		{Typeflag: tar.TypeSymlink, Name: "bin", Linkname: "usr/bin", Mode: 0o777},
	} {
		if err := w.WriteHeader(&h); err != nil {
			t.Fatal(err)
		}
		if h.Typeflag == tar.TypeReg {
			if _, err := w.Write(program); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

// TestOpenRoot: unpacked while it is compressed, a tar is the same image and the
// same root, and the image can be read after.
func TestOpenRoot(t *testing.T) {
	t.Parallel()
	plain := rootTar(t)
	var gz bytes.Buffer
	zw := gzip.NewWriter(&gz)
	if _, err := zw.Write(plain); err != nil {
		t.Fatal(err)
	}
	if err := zw.Close(); err != nil {
		t.Fatal(err)
	}
	env := func() host.Env {
		s, err := store.Open(t.TempDir())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { s.Close() })
		return host.Env{Store: s, Jobs: 2}
	}
	for name, content := range map[string][]byte{"plain": plain, "gzip": gz.Bytes()} {
		t.Run(name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "root.tar")
			if err := os.WriteFile(file, content, 0o600); err != nil {
				t.Fatal(err)
			}
			n := imagename.Name{Transport: imagename.Tar, Path: file}
			apart, meanwhile := env(), env()
			want, err := OpenImage(t.Context(), apart, n, "", v1.Platform{})
			if err != nil {
				t.Fatal(err)
			}
			digest, _ := want.Digest()
			for first := true; ; first = false {
				img, err := OpenRoot(t.Context(), meanwhile, n, "", v1.Platform{})
				if err != nil {
					t.Fatal(err)
				}
				if got, _ := img.Digest(); got != digest {
					t.Errorf("the image is %s, want %s", got, digest)
				}
				if err := validate.Image(img); err != nil {
					t.Error(err)
				}
				a, b := &Base{Reference: n, Digest: digest.String(), Image: want}, &Base{Reference: n, Digest: digest.String(), Image: img}
				if _, err := a.Unpack(t.Context(), apart); err != nil {
					t.Fatal(err)
				}
				if hit, err := b.Unpack(t.Context(), meanwhile); err != nil || !hit {
					t.Errorf("it was not unpacked: %v", err)
				}
				if info, err := os.Stat(filepath.Join(b.Root, "bin/python3")); err != nil || info.Size() != 64 {
					t.Errorf("the root has no bin/python3: %v", err)
				}
				if host.JSON(a.Shape) != host.JSON(b.Shape) || len(b.Shape.Dirs) != 1 {
					t.Errorf("the shapes are %v and %v", a.Shape, b.Shape)
				}
				if left, _ := os.ReadDir(meanwhile.Scratch()); len(left) > 0 {
					t.Errorf("left in the store: %v", left)
				}
				if !first {
					return
				}
			}
		})
	}
}

// TestRootTarThatChanges: what comes after is never taken for what was opened.
func TestRootTarThatChanges(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "root.tar")
	if err := os.WriteFile(file, rootTar(t), 0o600); err != nil {
		t.Fatal(err)
	}
	s, err := store.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	img, err := OpenRoot(t.Context(), host.Env{Store: s}, imagename.Name{Transport: imagename.Tar, Path: file}, "", v1.Platform{})
	if err != nil {
		t.Fatal(err)
	}
	changed := rootTar(t)
	changed[len(changed)-1] ^= 1
	if err := os.WriteFile(file, changed, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := validate.Image(img); err == nil {
		t.Error("the changed tar was taken for the first")
	}
}
