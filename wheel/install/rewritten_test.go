package install_test

import (
	"bytes"
	"crypto/sha512"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sparkwheel/sparkwheel/wheel"
	"github.com/sparkwheel/sparkwheel/wheel/install"
	"github.com/sparkwheel/sparkwheel/wheel/wheeltest"
)

const (
	dist = "usr/local/lib/python3.12/dist-packages/"
	bin  = "usr/local/bin/"
)

// TestRewrittenScripts reads scripts back with their first line replaced, the
// row of RECORD included.
func TestRewrittenScripts(t *testing.T) {
	t.Parallel()
	const line = "#!/usr/bin/python3\n"
	long := strings.Repeat("x", 100_000)
	for name, tt := range map[string]struct{ text, want string }{
		"nothing":               {"", ""},
		"shorter":               {"#!pytho", "#!pytho"},
		"no more":               {"#!python", line},
		"no line feed":          {"#!python -x", line},
		"one line":              {"#!python\n", line},
		"windows":               {"#!pythonw.exe\r\nprint(1)\r\n", line + "print(1)\r\n"},
		"text":                  {"#!python\nprint(1)\n", line + "print(1)\n"},
		"two lines of it":       {"#!python\n#!python\n", line + "#!python\n"},
		"first line beyond all": {"#!python" + long + "\nprint(1)", line + "print(1)"},
		"line of one buffer":    {"#!python" + strings.Repeat("x", 32<<10-9) + "\nprint(1)", line + "print(1)"},
		"long text":             {"#!python\n" + long, line + long},
		"another":               {"#!/bin/sh\n", "#!/bin/sh\n"},
		"another of its length": {"#!pythom\n", "#!pythom\n"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := wheeltest.New("x-1.0-py3-none-any.whl", "x-1.0.data/scripts/run", tt.text, "x-1.0.data/data/run", tt.text)
			tree, err := install.Tree(debian("3.12"), open(t, w))
			if err != nil {
				t.Fatal(err)
			}
			got, err := fs.ReadFile(tree, bin+"run")
			if err != nil || string(got) != tt.want {
				t.Errorf("got %.60q of %d bytes, %v, want %.60q of %d", got, len(got), err, tt.want, len(tt.want))
			}
			info, err := fs.Stat(tree, bin+"run")
			if err != nil || info.Size() != int64(len(tt.want)) || info.Mode() != 0o755 {
				t.Errorf("%d bytes of mode %v, %v", info.Size(), info.Mode(), err)
			}
			if data, err := fs.ReadFile(tree, "usr/local/run"); err != nil || string(data) != tt.text {
				t.Errorf("what is no script: %.60q, %v", data, err)
			}
			record, err := fs.ReadFile(tree, dist+"x-1.0.dist-info/RECORD")
			if row := wheeltest.Row("../../../bin/run", tt.want); err != nil || !bytes.Contains(record, []byte(row)) {
				t.Errorf("RECORD lacks %s%s%v", row, record, err)
			}
		})
	}
}

// TestReplacedMembers holds which of a wheel's members the installer writes
// itself or leaves out.
func TestReplacedMembers(t *testing.T) {
	t.Parallel()
	const info = "x-1.0.dist-info/"
	w := wheeltest.New("x-1.0-py3-none-any.whl",
		info+"INSTALLER", "pip", info+"REQUESTED", "by the wheel", info+"direct_url.json", "{}", "x/INSTALLER", "mine", "INSTALLER", "mine",
		"x-1.0.data/scripts/run", "the wheel's", "x-1.0.data/scripts/run-script.py", "the wheel's", "x-1.0.data/scripts/run.exe", "the wheel's",
		"x-1.0.data/scripts/run.pya", "the wheel's", "x-1.0.data/scripts/run.sh", "the wheel's", "x-1.0.data/scripts/", "", "x-1.0.data/", "",
		"x-1.0.data/headers/x.h", "h", "x-1.0.data/platlib/p.py", "p", "x-1.0.data/data/share/empty/", "",
		info+"entry_points.txt", "[console_scripts]\nrun = x:a.b\n")
	r := open(t, w)
	s := debian("3.12")
	s.URL = ""
	s.Platlib = "usr/lib/platlib"
	tree, err := install.Tree(s, r)
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		dist + info + "INSTALLER": "uv", dist + info + "REQUESTED": "", dist + info + "direct_url.json": "{}",
		dist + "x/INSTALLER": "mine", dist + "INSTALLER": "mine", bin + "run.sh": "the wheel's",
		"usr/include/python3.12/x/x.h": "h", "usr/lib/platlib/p.py": "p",
	} {
		if got, err := fs.ReadFile(tree, name); err != nil || string(got) != want {
			t.Errorf("%s: %q, %v, want %q", name, got, err, want)
		}
	}
	run, err := fs.ReadFile(tree, bin+"run")
	if err != nil || !strings.Contains(string(run), "from x import a\n") || !strings.Contains(string(run), "sys.exit(a.b())") {
		t.Errorf("the launcher is %s, %v", run, err)
	}
	entries, err := fs.ReadDir(tree, strings.TrimSuffix(bin, "/"))
	if err != nil || len(entries) != 2 {
		t.Errorf("scripts: %v, %v", entries, err)
	}
	if d, err := fs.Stat(tree, "usr/local/share/empty"); err != nil || !d.IsDir() || d.Size() != 0 {
		t.Errorf("the empty directory: %v, %v", d, err)
	}
}

// TestWheelOf tells whose a file is, in a tree of two wheels.
func TestWheelOf(t *testing.T) {
	t.Parallel()
	a := open(t, wheeltest.New("a-1.0-py3-none-any.whl", "ns/a.py", "1", "shared.py", "same"))
	b := open(t, wheeltest.New("b-1.0-py3-none-any.whl", "ns/b.py", "1", "shared.py", "same"))
	tree, err := install.Tree(debian("3.12"), a, b)
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]int{}
	for _, name := range []string{"ns", "ns/a.py", "ns/b.py", "shared.py", "b-1.0.dist-info/RECORD", "b-1.0.dist-info"} {
		info, err := fs.Stat(tree, dist+name)
		if err != nil {
			t.Fatal(err)
		}
		i, ok := install.WheelOf(info)
		if !ok {
			t.Errorf("%s is of no wheel", name)
		}
		got[name] = i
	}
	want := map[string]int{"ns": 0, "ns/a.py": 0, "ns/b.py": 1, "shared.py": 0, "b-1.0.dist-info/RECORD": 1, "b-1.0.dist-info": 1}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("wheels (-want +got):\n%s", diff)
	}
	if _, ok := install.WheelOf(nil); ok {
		t.Error("nothing is of a wheel")
	}
}

// TestTreeErrors are the errors of io/fs, where a file is a directory or is not there.
func TestTreeErrors(t *testing.T) {
	t.Parallel()
	tree, err := install.Tree(debian("3.12"), open(t, wheeltest.New("x-1.0-py3-none-any.whl", "x/a.py", "text")))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := fs.ReadDir(tree, dist+"x/a.py"); err == nil || errors.Is(err, fs.ErrNotExist) {
		t.Errorf("listing a file: %v", err)
	}
	for name, want := range map[string]error{dist + "x/b.py": fs.ErrNotExist, dist + "x/a.py/b": fs.ErrNotExist, "/usr": fs.ErrInvalid, "": fs.ErrInvalid} {
		_, open := tree.Open(name)
		_, stat := fs.Stat(tree, name)
		if !errors.Is(open, want) || !errors.Is(stat, want) {
			t.Errorf("%q: %v, %v", name, open, stat)
		}
	}
	f, err := tree.Open(dist + "x/a.py")
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Errorf("closing what nothing was read of: %v", err)
	}
	d, err := tree.Open(".")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := d.Read(make([]byte, 1)); err == nil || errors.Is(err, io.EOF) {
		t.Errorf("reading a directory: %v", err)
	}
	for _, want := range []int{1, 0} {
		if list, err := d.(fs.ReadDirFile).ReadDir(0); err != nil || len(list) != want {
			t.Errorf("listing the root: %v, %v", list, err)
		}
	}
	if info, err := d.Stat(); err != nil || info.Mode() != fs.ModeDir|0o755 {
		t.Errorf("the root: %v, %v", info, err)
	}
}

// TestConflictMessage lists twenty conflicts and counts the others.
func TestConflictMessage(t *testing.T) {
	t.Parallel()
	for n, more := range map[int]bool{1: false, 20: false, 21: true, 33: true} {
		var e install.ConflictError
		for i := range n {
			e.Conflicts = append(e.Conflicts, install.Conflict{Path: fmt.Sprintf("path-%d.", i), First: "a.whl", Second: "b.whl"})
		}
		text := e.Error()
		first, rest, _ := strings.Cut(text, "\n")
		if !strings.Contains(first, fmt.Sprint(n)) || strings.Count(rest, "path-") != min(n, 20) ||
			more != strings.Contains(rest, fmt.Sprintf(" %d ", n-20)) || strings.HasSuffix(first, "s") != (n != 1) {
			t.Errorf("%d conflicts: %s", n, text)
		}
	}
	e := install.ConflictError{Conflicts: []install.Conflict{{First: "a.whl", Second: "b.whl", Message: "m"}}}
	if !strings.HasSuffix(e.Error(), "m") {
		t.Errorf("a conflict without a path: %s", e.Error())
	}
}

// sha512Wheel has a file whose SHA-256 RECORD does not say.
func sha512Wheel(name, text string) *wheeltest.Wheel {
	w := wheeltest.New(name+"-1.0-py3-none-any.whl", "shared.py", text)
	sum := sha512.Sum512([]byte(text))
	w.Record = func(s string) string {
		return strings.Replace(s, wheeltest.Row("shared.py", text),
			fmt.Sprintf("shared.py,sha512=%s,%d\n", base64.RawURLEncoding.EncodeToString(sum[:]), len(text)), 1)
	}
	return w
}

// TestSharedContent shares what is the same by any of a file's hashes, and
// tells apart what only has the same length.
func TestSharedContent(t *testing.T) {
	t.Parallel()
	script := func(name, text string) *wheeltest.Wheel {
		return wheeltest.New(name+"-1.0-py3-none-any.whl", name+"-1.0.data/scripts/run", text)
	}
	for name, tt := range map[string]struct {
		a, b     *wheeltest.Wheel
		conflict bool
	}{
		"one script":      {script("a", "#!python\n1"), script("b", "#!python\n1"), false},
		"two first lines": {script("a", "#!python\n1"), script("b", "#!pythonw\n1"), false},
		"two scripts":     {script("a", "#!python\n1"), script("b", "#!python\n2"), true},
		"two lengths":     {script("a", "#!python\n1"), script("b", "#!python\n12"), true},
		"one launcher": {
			wheeltest.New("a-1.0-py3-none-any.whl", "a-1.0.dist-info/entry_points.txt", "[console_scripts]\nrun = x:main\n"),
			wheeltest.New("b-1.0-py3-none-any.whl", "b-1.0.dist-info/entry_points.txt", "[console_scripts]\nrun = x:main\n"), false,
		},
		"two launchers": {
			wheeltest.New("a-1.0-py3-none-any.whl", "a-1.0.dist-info/entry_points.txt", "[console_scripts]\nrun = x:main\n"),
			wheeltest.New("b-1.0-py3-none-any.whl", "b-1.0.dist-info/entry_points.txt", "[console_scripts]\nrun = y:main\n"), true,
		},
		"one SHA-512":  {sha512Wheel("a", "text"), sha512Wheel("b", "text"), false},
		"two SHA-512s": {sha512Wheel("a", "text"), sha512Wheel("b", "TEXT"), true},
	} {
		_, err := install.Tree(debian("3.12"), open(t, tt.a), open(t, tt.b))
		_, conflict := errors.AsType[*install.ConflictError](err)
		if conflict != tt.conflict || err != nil && !conflict {
			t.Errorf("%s: %v", name, err)
		}
	}
	var executable []fs.FileMode
	for _, order := range []string{"ab", "ba"} {
		a := wheeltest.New("a-1.0-py3-none-any.whl", "shared.py", "same")
		b := wheeltest.New("b-1.0-py3-none-any.whl", "shared.py", "same")
		b.Find("shared.py").Mode = 0o100755
		readers := map[byte]*wheel.Reader{'a': open(t, a), 'b': open(t, b)}
		tree, err := install.Tree(debian("3.12"), readers[order[0]], readers[order[1]])
		if err != nil {
			t.Fatal(err)
		}
		info, err := fs.Stat(tree, dist+"shared.py")
		if err != nil {
			t.Fatal(err)
		}
		executable = append(executable, info.Mode())
	}
	if diff := cmp.Diff([]fs.FileMode{0o755, 0o755}, executable); diff != "" {
		t.Errorf("modes (-want +got):\n%s", diff)
	}
}
