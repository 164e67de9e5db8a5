package main

import (
	"archive/tar"
	"bytes"
	"debug/elf"
	"encoding/binary"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A runtime set for another platform than this host's is locked, fetched and
// laid out without running anything of it.
func TestE2ERuntimeSetForAnotherPlatform(t *testing.T) {
	w := openWorkshop(t)
	base := filepath.Join(w.dir, "arm64.tar")
	w.must(os.WriteFile(base, foreignRoot(t, elf.EM_AARCH64, "aarch64"), 0o644))
	w.write("recipe.toml", `
[target]
platform = "linux/arm64"
python = "3.12"
[base]
image = "docker.io/library/python:3.12-slim-bookworm"
[tools]
uv = "0.13.9"
exclude-newer = "2026-11-01"
[runtime]
requires = ["markupsafe==3.0.2", "jinja2"]
complete = true
[image.groups]
templates = ["jinja2", "markup*"]
`)
	digest := w.sparkwheel("", "root", "build", "--base", "tar:"+base).mustRun()
	again := w.sparkwheel("", "other", "build", "--base", "tar:"+base, "-j", "1").mustRun()
	if digest != again || !strings.HasPrefix(digest, "sha256:") {
		t.Errorf("built twice, the digests are %s and %s", digest, again)
	}
	record, err := os.ReadFile(filepath.Join(w.dir, "root/out/build.json"))
	w.must(err)
	if !bytes.Contains(record, []byte("markupsafe-3.0.2-cp312-cp312-manylinux_2_17_aarch64")) && !bytes.Contains(record, []byte("MarkupSafe-3.0.2-cp312-cp312-manylinux_2_17_aarch64")) {
		t.Errorf("build.json names no wheel of markupsafe for aarch64:\n%s", record)
	}
	layers := w.command("", w.program, "layer", "ls", "oci:"+filepath.Join(w.dir, "root/out/image")).mustRun()
	if n := strings.Count(layers, "\n"); n != 3 {
		t.Errorf("the image should be a digest, the base, one group and the record:\n%s", layers)
	}

	// A set that contradicts itself is refused before a layer is written.
	recipe, err := os.ReadFile(filepath.Join(w.dir, "recipe.toml"))
	w.must(err)
	w.write("recipe.toml", strings.Replace(string(recipe), `complete = true`, "complete = true\nexcludes = [\"markupsafe\"]", 1))
	c := w.sparkwheel("", "third", "build", "--base", "tar:"+base)
	c.wantCode(3, "markupsafe")
	if _, err := os.Lstat(filepath.Join(w.dir, "third/out/image")); err == nil {
		t.Error("an image stands although its set was refused")
	}
}

// foreignRoot is the tar of a root file system of another processor, as far as
// it is looked at: an interpreter that cannot run here and a C library that
// says its version. Its /lib is a link, as everywhere today.
func foreignRoot(t *testing.T, machine elf.Machine, name string) []byte {
	t.Helper()
	var head bytes.Buffer
	err := binary.Write(&head, binary.LittleEndian, elf.Header64{
		Ident: [16]byte{0x7f, 'E', 'L', 'F', byte(elf.ELFCLASS64), byte(elf.ELFDATA2LSB), byte(elf.EV_CURRENT)},
		Type:  uint16(elf.ET_EXEC), Machine: uint16(machine), Version: 1, Ehsize: 64, Phentsize: 56, Shentsize: 64,
	})
	if err != nil {
		t.Fatal(err)
	}
	files := []struct{ name, text string }{
		{"usr/bin/python3", head.String()},
		{"usr/lib/python3.12/os.py", ""},
		{"usr/lib/" + name + "-linux-gnu/libc.so.6", "GNU C Library (Debian GLIBC 2.41-12) stable release version 2.41.\n"},
	}
	var out bytes.Buffer
	w := tar.NewWriter(&out)
	for _, dir := range []string{"usr/", "usr/lib/"} {
		if err := w.WriteHeader(&tar.Header{Typeflag: tar.TypeDir, Name: dir, Mode: 0o755}); err != nil {
			t.Fatal(err)
		}
	}
	for _, f := range files {
		if err := w.WriteHeader(&tar.Header{Name: f.name, Mode: 0o755, Size: int64(len(f.text))}); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write([]byte(f.text)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.WriteHeader(&tar.Header{Typeflag: tar.TypeSymlink, Name: "lib", Linkname: "usr/lib", Mode: 0o777}); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}
