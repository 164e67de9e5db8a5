package archive_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"debug/elf"
	"encoding/binary"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/validate"
	"github.com/klauspost/compress/zstd"

	"github.com/sparkwheel/sparkwheel/layer/archive"
)

// program begins as an ELF file of the machine does.
func program(machine elf.Machine) []byte {
	b := make([]byte, 64)
	copy(b, elf.ELFMAG)
	b[elf.EI_DATA] = byte(elf.ELFDATA2LSB)
	binary.LittleEndian.PutUint16(b[18:], uint16(machine))
	return b
}

func rootTar(t testing.TB, files map[string][]byte, order ...string) []byte {
	t.Helper()
	var buf bytes.Buffer
	w := tar.NewWriter(&buf)
	for _, name := range order {
		b := files[name]
		if err := w.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: "./" + name, Size: int64(len(b)), Mode: 0o755}); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(b); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

func TestTar(t *testing.T) {
	t.Parallel()
	plain := rootTar(t, map[string][]byte{
		"usr/bin/other":      program(elf.EM_X86_64),
		"usr/bin/python3.12": program(elf.EM_AARCH64),
	}, "usr/bin/other", "usr/bin/python3.12")
	var gz, zs bytes.Buffer
	gw := gzip.NewWriter(&gz)
	zw, err := zstd.NewWriter(&zs)
	if err != nil {
		t.Fatal(err)
	}
	for _, w := range []interface {
		Write([]byte) (int, error)
		Close() error
	}{gw, zw} {
		if _, err := w.Write(plain); err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
	}
	digests := map[v1.Hash]bool{}
	for name, content := range map[string][]byte{"plain": plain, "gzip": gz.Bytes(), "zstd": zs.Bytes()} {
		file := filepath.Join(t.TempDir(), "root.tar")
		if err := os.WriteFile(file, content, 0o644); err != nil {
			t.Fatal(err)
		}
		cache := t.TempDir()
		for range 2 {
			img, err := archive.Tar(t.Context(), file, cache)
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			if err := validate.Image(img); err != nil {
				t.Errorf("%s: %v", name, err)
			}
			config, err := img.ConfigFile()
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(&v1.Platform{OS: "linux", Architecture: "arm64", Variant: "v8"}, config.Platform()); diff != "" {
				t.Errorf("%s: platform (-want +got):\n%s", name, diff)
			}
			h, err := img.Digest()
			if err != nil {
				t.Fatal(err)
			}
			digests[h] = true
		}
	}
	if len(digests) != 1 {
		t.Errorf("one tar became %v", digests)
	}
}

func TestTarRefuses(t *testing.T) {
	t.Parallel()
	none := rootTar(t, map[string][]byte{"etc/passwd": []byte("root")}, "etc/passwd")
	for name, content := range map[string][]byte{
		"no program": none,
		"no tar":     bytes.Repeat([]byte("not a tar"), 500),
		"cut":        none[:700],
	} {
		file := filepath.Join(t.TempDir(), "root.tar")
		if err := os.WriteFile(file, content, 0o644); err != nil {
			t.Fatal(err)
		}
		if _, err := archive.Tar(t.Context(), file, t.TempDir()); err == nil {
			t.Errorf("%s: it was taken", name)
		}
	}
}
