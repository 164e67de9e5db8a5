package install_test

import (
	"bytes"
	"compress/flate"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"flag"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"

	"github.com/sparkwheel/sparkwheel/wheel"
	"github.com/sparkwheel/sparkwheel/wheel/install"
	"github.com/sparkwheel/sparkwheel/wheel/wheeltest"
)

var update = flag.Bool("update", false, "rewrite golden files")

// open writes the wheel and opens it.
func open(t *testing.T, w *wheeltest.Wheel) *wheel.Reader {
	t.Helper()
	r, err := wheel.Open(w.Write(t, t.TempDir()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	return r
}

// TestTree holds the trees of the wheels in testdata against golden listings:
// every path with its mode, every text in full.
func TestTree(t *testing.T) {
	t.Parallel()
	archives, err := filepath.Glob("../../testdata/wheels/*.txtar")
	if err != nil || len(archives) == 0 {
		t.Fatalf("%d wheels in testdata: %v", len(archives), err)
	}
	for _, archive := range archives {
		name := strings.TrimSuffix(filepath.Base(archive), ".txtar")
		for scheme, s := range map[string]install.Scheme{
			"debian": debian("3.12"), "usrlocal": usrLocal("3.12"), "venv": venv("/opt/env", "3.12"),
		} {
			t.Run(name+"/"+scheme, func(t *testing.T) {
				t.Parallel()
				tree, err := install.Tree(s, open(t, wheeltest.ParseTxtar(t, archive)))
				if err != nil {
					t.Fatal(err)
				}
				golden(t, filepath.Join("../../testdata/golden", "install_"+name+"_"+scheme+".txtar"), listing(t, tree))
			})
		}
	}
}

// The recording of installed projects asks INSTALLER for the tool's name, a line.
func TestInstaller(t *testing.T) {
	t.Parallel()
	s := debian("3.12")
	for installer, want := range map[string]string{"": "uv", "another": "another"} {
		s.Installer = installer
		tree, err := install.Tree(s, open(t, wheeltest.New("a-1-py3-none-any.whl", "a.py", "")))
		if err != nil {
			t.Fatal(err)
		}
		info := s.Purelib + "/a-1.dist-info/"
		if got, err := fs.ReadFile(tree, info+"INSTALLER"); err != nil || string(got) != want {
			t.Errorf("INSTALLER is %q, %v, want %q", got, err, want)
		}
		sum := sha256.Sum256([]byte(want))
		row := "a-1.dist-info/INSTALLER,sha256=" + base64.RawURLEncoding.EncodeToString(sum[:])
		if record, err := fs.ReadFile(tree, info+"RECORD"); err != nil || !strings.Contains(string(record), row) {
			t.Errorf("RECORD does not have %s: %v\n%s", row, err, record)
		}
	}
}

// listing is a tree as a txtar: its paths with modes, then its files.
func listing(t *testing.T, tree fs.FS) []byte {
	t.Helper()
	var a txtar.Archive
	var paths strings.Builder
	err := fs.WalkDir(tree, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		fmt.Fprintf(&paths, "%v %s\n", info.Mode(), name)
		if d.IsDir() {
			return nil
		}
		text, err := fs.ReadFile(tree, name)
		a.Files = append(a.Files, txtar.File{Name: name, Data: text})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	a.Comment = []byte(paths.String())
	return txtar.Format(&a)
}

func golden(t *testing.T, file string, got []byte) {
	t.Helper()
	if *update {
		if err := os.WriteFile(file, got, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("%s (-want +got); run with -update when it should be so:\n%s", file, diff)
	}
}

func TestTreeIsFS(t *testing.T) {
	t.Parallel()
	tree, err := install.Tree(debian("3.12"), open(t, wheeltest.New("x-1.0-py3-none-any.whl", "x/a.py", "1", "x/empty/", "", "x-1.0.data/scripts/run", "#!python\n")))
	if err != nil {
		t.Fatal(err)
	}
	lib := "usr/local/lib/python3.12/dist-packages/"
	if err := fstest.TestFS(tree, "usr/local/bin/run", lib+"x/a.py", lib+"x/empty", lib+"x-1.0.dist-info/RECORD"); err != nil {
		t.Error(err)
	}
}

// deflated is what files of a Tree offer to whoever can use a raw stream.
type deflated interface {
	Deflate() (raw io.Reader, crc32 uint32, sha256 []byte, err error)
}

func TestDeflate(t *testing.T) {
	t.Parallel()
	content := strings.Repeat("content ", 1000)
	w := wheeltest.New("x-1.0-py3-none-any.whl", "x/deflated.py", content, "x/stored.py", content, "x/sha512.py", content,
		"x-1.0.data/scripts/run", "#!python\n", "x-1.0.data/scripts/binary", content)
	w.Find("x/stored.py").Stored = true
	w.Record = func(s string) string {
		row := wheeltest.Row("x/sha512.py", content)
		return strings.Replace(s, row, "x/sha512.py,sha512=2MOPTlCH6unRzbjbRYbLATi4-SIGnCWjHXKwk9dVMWDnEBxAb6obqzrb0yDEXNDZUZDpBPJ-ZGPKHyDJKhWlIQ,8000\n", 1)
	}
	r := open(t, w)
	tree, err := install.Tree(debian("3.12"), r)
	if err != nil {
		t.Fatal(err)
	}
	lib := "usr/local/lib/python3.12/dist-packages/"
	for _, tt := range []struct {
		path         string
		raw, hasHash bool
	}{
		{lib + "x/deflated.py", true, true},
		{lib + "x/stored.py", false, false},
		{lib + "x/sha512.py", false, false},
		{"usr/local/bin/run", false, false},
		{"usr/local/bin/binary", true, true},
		{lib + "x-1.0.dist-info/RECORD", false, false},
	} {
		f, err := tree.Open(tt.path)
		if err != nil {
			t.Fatal(err)
		}
		raw, crc, hash, err := f.(deflated).Deflate()
		if !tt.raw {
			if !errors.Is(err, errors.ErrUnsupported) {
				t.Errorf("%s: got error %v, want ErrUnsupported", tt.path, err)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", tt.path, err)
			continue
		}
		got, err := io.ReadAll(flate.NewReader(raw))
		sum := sha256.Sum256(got)
		if err != nil || string(got) != content || crc != crc32.ChecksumIEEE(got) || tt.hasHash != bytes.Equal(hash, sum[:]) {
			t.Errorf("%s: inflates to %d bytes, CRC %08x, hash %x, error %v", tt.path, len(got), crc, hash, err)
		}
	}
}

// TestReadVerifies shows that a tree never gives out content that lies.
func TestReadVerifies(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*wheeltest.Wheel){
		"record-hash": func(w *wheeltest.Wheel) {
			w.Record = func(s string) string {
				return strings.Replace(s, wheeltest.Row("x.py", "true"), wheeltest.Row("x.py", "lies"), 1)
			}
		},
		"crc":     func(w *wheeltest.Wheel) { w.Find("x.py").Stored, w.Find("x.py").Packed = true, []byte("lies") },
		"inflate": func(w *wheeltest.Wheel) { w.Find("x.py").Packed = []byte{0xff} },
		"size":    func(w *wheeltest.Wheel) { w.Find("x.py").Packed = wheeltest.Deflate("true and more") },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := wheeltest.New("x-1.0-py3-none-any.whl", "x.py", "true")
			change(w)
			tree, err := install.Tree(debian("3.12"), open(t, w))
			if err != nil {
				t.Fatal(err)
			}
			_, err = fs.ReadFile(tree, "usr/local/lib/python3.12/dist-packages/x.py")
			found, ok := errors.AsType[*wheel.VerifyError](err)
			if !ok || len(found.Faults) != 1 || found.Faults[0].Code != name || found.Faults[0].Path != "x.py" {
				t.Errorf("got %v, want the fault %s of x.py", err, name)
			}
		})
	}
}

func TestScheme(t *testing.T) {
	t.Parallel()
	r := open(t, wheeltest.New("x-1.0-py3-none-any.whl", "x.py", "1"))
	for name, change := range map[string]func(*install.Scheme){
		"absolute":      func(s *install.Scheme) { s.Purelib = "/usr/lib" },
		"climbing":      func(s *install.Scheme) { s.Scripts = "usr/../../bin" },
		"empty":         func(s *install.Scheme) { s.Headers = "" },
		"interpreter":   func(s *install.Scheme) { s.Python = "python3" },
		"newline":       func(s *install.Scheme) { s.Python = "/usr/bin/python3\nimport os" },
		"version":       func(s *install.Scheme) { s.PythonVersion = "3" },
		"other version": func(s *install.Scheme) { s.PythonVersion = "2.7" },
	} {
		s := debian("3.12")
		change(&s)
		if _, err := install.Tree(s, r); err == nil || !strings.HasPrefix(err.Error(), "installation scheme: ") {
			t.Errorf("%s: got %v, want an error of the scheme", name, err)
		}
	}
}

func TestLongShebang(t *testing.T) {
	t.Parallel()
	r := open(t, wheeltest.New("x-1.0-py3-none-any.whl", "x-1.0.data/scripts/run", "#!python\nprint(1)\n"))
	for _, tt := range []struct{ python, want string }{
		{"/opt/python", "#!/opt/python\nprint(1)\n"},
		{"/" + strings.Repeat("a", 123), "#!/" + strings.Repeat("a", 123) + "\nprint(1)\n"},
		{"/" + strings.Repeat("a", 124), "#!/bin/sh\n'''exec' '/" + strings.Repeat("a", 124) + "' \"$0\" \"$@\"\n' '''\nprint(1)\n"},
		{"/my python", "#!/bin/sh\n'''exec' '/my python' \"$0\" \"$@\"\n' '''\nprint(1)\n"},
	} {
		s := debian("3.12")
		s.Python = tt.python
		tree, err := install.Tree(s, r)
		if err != nil {
			t.Fatal(err)
		}
		got, err := fs.ReadFile(tree, "usr/local/bin/run")
		if err != nil || string(got) != tt.want {
			t.Errorf("%s: got %q, %v, want %q", tt.python, got, err, tt.want)
		}
	}
}

// TestDirectURL pins where the distribution says it came from.
func TestDirectURL(t *testing.T) {
	t.Parallel()
	w := wheeltest.New("x-1.0+g1-py3-none-any.whl", "x.py", "1")
	sum := sha256.Sum256(w.Pack())
	digest := hex.EncodeToString(sum[:])
	file := "usr/local/lib/python3.12/dist-packages/x-1.0+g1.dist-info/direct_url.json"
	tree, err := install.Tree(debian("3.12"), open(t, w))
	if err != nil {
		t.Fatal(err)
	}
	got, err := fs.ReadFile(tree, file)
	want := `{"url":"file:///workspace/wheels/x-1.0+g1-py3-none-any.whl","archive_info":{"hash":"sha256=` + digest + `","hashes":{"sha256":"` + digest + `"}}}`
	if err != nil || string(got) != want {
		t.Errorf("got %s, %v\nwant %s", got, err, want)
	}
	s := debian("3.12")
	s.URL = ""
	if tree, err = install.Tree(s, open(t, w)); err != nil {
		t.Fatal(err)
	}
	if _, err := fs.Stat(tree, file); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("without a URL: got %v, want ErrNotExist", err)
	}
}

// TestSameWheelSameTree shows that a tree depends on the wheel alone.
func TestSameWheelSameTree(t *testing.T) {
	t.Parallel()
	var trees []map[string]string
	for range 2 {
		tree, err := install.Tree(debian("3.12"), open(t, wheeltest.ParseTxtar(t, "../../testdata/wheels/everything.txtar")))
		if err != nil {
			t.Fatal(err)
		}
		trees = append(trees, files(t, tree))
	}
	if !maps.Equal(trees[0], trees[1]) {
		t.Errorf("two trees of one wheel differ: %s", cmp.Diff(trees[0], trees[1]))
	}
	if len(slices.Collect(maps.Keys(trees[0]))) < 20 {
		t.Errorf("the wheel of everything has %d paths only", len(trees[0]))
	}
}
