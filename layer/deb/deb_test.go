package deb

import (
	"archive/tar"
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestRead(t *testing.T) {
	t.Parallel()
	setuid := tar.Header{Name: "./usr/bin/su", Mode: 0o4755, Size: 3, Uid: 0, Gid: 42, Gname: "shadow"}
	data := tarOf(t, dir("./"), dir("./usr/"), dir("./usr/bin/"), setuid, hardLink("./usr/bin/sg", "./usr/bin/su"), link("./usr/bin/x", "/etc/alternatives/x"))
	want := &Package{
		Name: "hello", Version: "1:2.0-1", Architecture: "amd64", Scripts: []string{"postinst", "prerm"},
		Files: []File{
			{Path: ".", Type: tar.TypeDir, Mode: 0o755, User: "root", Group: "root"},
			{Path: "usr", Type: tar.TypeDir, Mode: 0o755, User: "root", Group: "root"},
			{Path: "usr/bin", Type: tar.TypeDir, Mode: 0o755, User: "root", Group: "root"},
			{Path: "usr/bin/su", Type: tar.TypeReg, Mode: 0o4755, GID: 42, Group: "shadow", Size: 3},
			{Path: "usr/bin/sg", Type: tar.TypeLink, Mode: 0o644, Link: "usr/bin/su"},
			{Path: "usr/bin/x", Type: tar.TypeSymlink, Mode: 0o777, Link: "/etc/alternatives/x"},
		},
	}
	for _, suffix := range []string{"", ".gz", ".xz", ".zst"} {
		got, err := Read(t.Context(), bytes.NewReader(packageOf(t, suffix, data)))
		if err != nil {
			t.Fatalf("Read of data.tar%s: %v", suffix, err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("data.tar%s (-want +got):\n%s", suffix, diff)
		}
	}
	if err := want.Check("hello", "1:2.0-1", "amd64", "amd64"); err != nil {
		t.Error(err)
	}
	for _, tt := range [][5]string{
		{"hullo", "1:2.0-1", "amd64", "amd64", "the package is hello 1:2.0-1 (amd64), not hullo"},
		{"hello", "2.0-1", "amd64", "amd64", "not hello 2.0-1 (amd64)"},
		{"hello", "1:2.0-1", "amd64", "arm64", "is for amd64, but the image is for arm64"},
	} {
		if err := want.Check(tt[0], tt[1], tt[2], tt[3]); err == nil || !strings.Contains(err.Error(), tt[4]) {
			t.Errorf("Check(%q) = %v", tt[:4], err)
		}
	}
}

func TestReadRefusesData(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name    string
		entries []tar.Header
		want    string
	}{
		{"above", []tar.Header{file("./../etc/passwd")}, "leaves the package"},
		{"above below", []tar.Header{file("./usr/../../etc/passwd")}, "leaves the package"},
		{"absolute", []tar.Header{file("/etc/passwd")}, "the name is absolute"},
		{"doubled", []tar.Header{file(".//etc/passwd")}, "the name is absolute"},
		{"dotted", []tar.Header{file("./usr/./bin/x")}, "not in its plain form"},
		{"twice", []tar.Header{file("./a"), file("./a")}, "occurs twice"},
		{"file over directory", []tar.Header{dir("./a/"), file("./a")}, "occurs twice"},
		{"below a link", []tar.Header{link("./a", "/etc"), file("./a/passwd")}, "a, above it, is not a directory"},
		{"below a link, deep", []tar.Header{link("./a", "/"), file("./a/etc/passwd")}, "a, above it, is not a directory"},
		{"link over a directory", []tar.Header{file("./a/b"), link("./a", "/etc")}, "occurs twice"},
		{"below a file", []tar.Header{file("./a"), file("./a/b")}, "is not a directory"},
		{"link to what is not there", []tar.Header{hardLink("./a", "./etc/shadow")}, "not a file before it"},
		{"link to a link", []tar.Header{link("./a", "/etc/shadow"), hardLink("./b", "./a")}, "not a file before it"},
		{"link above", []tar.Header{hardLink("./a", "../x")}, "leaves the package"},
		{"device", []tar.Header{{Name: "./dev/mem", Typeflag: tar.TypeChar, Devmajor: 1, Devminor: 1}}, "not allowed in a package"},
		{"block device", []tar.Header{{Name: "./dev/sda", Typeflag: tar.TypeBlock}}, "not allowed in a package"},
		{"pipe", []tar.Header{{Name: "./p", Typeflag: tar.TypeFifo}}, "not allowed in a package"},
		{"the root a file", []tar.Header{{Name: ".", Typeflag: tar.TypeSymlink, Linkname: "/"}}, "the root is a directory"},
	} {
		_, err := Read(t.Context(), bytes.NewReader(packageOf(t, ".gz", tarOf(t, tt.entries...))))
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: error %v does not say %q", tt.name, err, tt.want)
		}
	}
}

func TestReadRefusesPackages(t *testing.T) {
	t.Parallel()
	format := member{"debian-binary", []byte("2.0\n")}
	good, data := member{"control.tar", controlTar(t, control)}, member{"data.tar", tarOf(t, dir("./"))}
	named := func(text string) member { return member{"control.tar", controlTar(t, text)} }
	bomb := member{"data.tar.zst", compressed(t, ".zst", tarOf(t, tar.Header{Name: "./same", Size: freeSize + 1<<20}))}
	for _, tt := range []struct {
		name string
		deb  []byte
		want string
	}{
		{"empty", nil, "EOF"},
		{"no archive", []byte("!<arch>\r\n"), "not an ar archive"},
		{"no member", pack(), "looking for its debian-binary: EOF"},
		{"format 3", pack(member{"debian-binary", []byte("3.0\n")}, good, data), `format "3.0\n" is not 2`},
		{"no control", pack(format, data), `"data.tar" is where its control.tar should be`},
		{"no data", pack(format, good), "looking for its data.tar: EOF"},
		{"more", pack(format, good, data, member{"more", nil}), `"more" follows its last part`},
		{"lzma", pack(format, good, member{"data.tar.lzma", nil}), `compression ".lzma" is not one of`},
		{"no version", pack(format, named("Package: a\nArchitecture: all\n"), data), "has no Package, Version or Architecture"},
		{"two names", pack(format, named("Package: a\nPackage: b\n"), data), "control has Package twice"},
		{"a name that is an option", pack(format, named("Package: -o\nVersion: 1\nArchitecture: all\n"), data), `"-o" is not a package name`},
		{"a device in control", pack(format, member{"control.tar", tarOf(t, tar.Header{Name: "control", Typeflag: tar.TypeFifo})}, data), "not a plain file"},
		{"after the tar", pack(format, good, member{"data.tar", append(tarOf(t, dir("./")), "more"...)}), "bytes follow the end"},
		{"after the gzip", pack(format, good, member{"data.tar.gz", append(compressed(t, ".gz", data.data), "more, and then more"...)}), "gzip: invalid header"},
		{"bomb", pack(format, good, bomb), "more than 1000 times its size"},
		{"window", pack(format, good, member{"data.tar.xz", greedy(t, data.data)}), "needs more than 128 MiB"},
	} {
		_, err := Read(t.Context(), bytes.NewReader(tt.deb))
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: error %v does not say %q", tt.name, err, tt.want)
		}
	}
}

// greedy is an xz stream whose block asks for a dictionary of 4 GiB.
func greedy(t *testing.T, data []byte) []byte {
	t.Helper()
	out := compressed(t, ".xz", data)
	header := out[12 : 12+(int(out[12])+1)*4]
	i := bytes.Index(header, []byte{0x21, 0x01})
	if i < 0 {
		t.Fatal("the block has no LZMA2")
	}
	header[i+2] = 40
	binary.LittleEndian.PutUint32(header[len(header)-4:], crc32.ChecksumIEEE(header[:len(header)-4]))
	return out
}

// Every package that ends too early is refused, wherever it ends.
func TestReadRefusesTruncation(t *testing.T) {
	t.Parallel()
	for _, suffix := range []string{"", ".gz", ".xz", ".zst"} {
		whole := packageOf(t, suffix, tarOf(t, dir("./"), file("./a"), file("./b")))
		for n := range whole {
			if _, err := Read(t.Context(), bytes.NewReader(whole[:n])); err == nil {
				t.Errorf("%d of %d bytes of a package with data.tar%s were accepted", n, len(whole), suffix)
			}
		}
	}
}

func TestReadEndsWithContext(t *testing.T) {
	t.Parallel()
	ctx, stop := context.WithCancel(t.Context())
	stop()
	if _, err := Read(ctx, bytes.NewReader(packageOf(t, "", nil))); !errors.Is(err, context.Canceled) {
		t.Errorf("Read with an ended context = %v", err)
	}
}

// What dpkg-deb makes is read, and says what dpkg-deb says of it.
func TestReadDpkgDeb(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("dpkg-deb"); err != nil {
		t.Skip("needs dpkg-deb")
	}
	tree := t.TempDir()
	for name, text := range map[string]string{
		"DEBIAN/control":          "Package: made\nVersion: 1.0\nArchitecture: all\nMaintainer: A <a@example.com>\nDescription: made\n",
		"usr/share/doc/made/READ": strings.Repeat("words ", 10000), "etc/made.conf": "",
		// A path too long for a plain tar header.
		"usr/share/" + strings.Repeat("long/", 40) + "name": "x",
	} {
		path := filepath.Join(tree, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(text), 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	for _, kind := range []string{"none", "gzip", "xz", "zstd"} {
		path := filepath.Join(t.TempDir(), "made.deb")
		out, err := exec.CommandContext(t.Context(), "dpkg-deb", "--root-owner-group", "-Z"+kind, "-b", tree, path).CombinedOutput()
		if strings.Contains(string(out), "unknown compression type") {
			continue
		}
		if err != nil {
			t.Fatalf("dpkg-deb: %v\n%s", err, out)
		}
		p, err := ReadFile(t.Context(), path)
		if err != nil {
			t.Fatalf("ReadFile of a package made with -Z%s: %v", kind, err)
		}
		list, err := exec.CommandContext(t.Context(), "dpkg-deb", "--fsys-tarfile", path).Output()
		if err != nil {
			t.Fatal(err)
		}
		var want []string
		for tr := tar.NewReader(bytes.NewReader(list)); ; {
			h, err := tr.Next()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			want = append(want, filepath.Clean(h.Name))
		}
		var got []string
		for _, f := range p.Files {
			got = append(got, f.Path)
		}
		if diff := cmp.Diff(want, got); diff != "" || p.Name != "made" {
			t.Errorf("files of %s made with -Z%s (-want +got):\n%s", p.Name, kind, diff)
		}
	}
}

func FuzzRead(f *testing.F) {
	data := tarOf(f, dir("./"), file("./a"), link("./b", "a"), hardLink("./c", "./a"))
	for _, suffix := range []string{"", ".gz", ".xz", ".zst"} {
		f.Add(packageOf(f, suffix, data))
	}
	f.Add(packageOf(f, "", tarOf(f, file("./../x"))))
	f.Add(packageOf(f, "", tarOf(f, link("./a", "/"), file("./a/x"))))
	f.Fuzz(func(t *testing.T, deb []byte) {
		p, err := Read(t.Context(), bytes.NewReader(deb))
		if err != nil {
			return
		}
		seen := map[string]bool{}
		for _, file := range p.Files {
			if !filepath.IsLocal(file.Path) || seen[file.Path] && file.Type != tar.TypeDir {
				t.Errorf("a package with %q was accepted", file.Path)
			}
			seen[file.Path] = true
		}
	})
}
