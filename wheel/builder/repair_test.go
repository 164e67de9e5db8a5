package builder

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sparkwheel/sparkwheel/wheel"
	"github.com/sparkwheel/sparkwheel/wheel/wheeltest"
)

// broken are wheels of one's own build as build systems and hands break them,
// and the name of what repair makes of each.
var broken = []struct {
	name   string
	file   string
	change func(w *wheeltest.Wheel)
	want   string
}{
	{"edited after RECORD", "x-1.0-py3-none-any.whl", func(w *wheeltest.Wheel) {
		w.Record = func(s string) string { return strings.Replace(s, "sha256=", "sha256=AAAA", 1) }
	}, "x-1.0-py3-none-any.whl"},
	{"rows missing, ghosts, twice, ./", "x-1.0-py3-none-any.whl", func(w *wheeltest.Wheel) {
		w.Add("x/new.py", "new").Unlisted = true
		w.Record = func(s string) string { return "./" + s + "x/gone.py,,\n" + wheeltest.Row("x/run.sh", "#!/bin/sh\n") }
	}, "x-1.0-py3-none-any.whl"},
	{"no RECORD", "x-1.0-py3-none-any.whl", func(w *wheeltest.Wheel) { w.NoRecord = true }, "x-1.0-py3-none-any.whl"},
	{"bytes behind", "x-1.0-py3-none-any.whl", func(w *wheeltest.Wheel) {
		w.End = func(e *wheeltest.End) { e.Trailer = []byte("junk PK\x03\x04") }
	}, "x-1.0-py3-none-any.whl"},
	{"a local version in METADATA alone", "x-1.0-1-cp312-cp312-linux_aarch64.whl", func(w *wheeltest.Wheel) {
		w.Find("x-1.0.dist-info/METADATA").Content = "Metadata-Version: 2.1\nName: x\nVersion: 1.0+cu13\n"
	}, "x-1.0+cu13-1-cp312-cp312-linux_aarch64.whl"},
	{"a placeholder version in the file name", "vllm-1.0.0.dev0-cp38-abi3-linux_aarch64.whl", func(w *wheeltest.Wheel) {
		for _, m := range w.Members {
			m.Name = strings.Replace(m.Name, "vllm-1.0.0.dev0.", "vllm-0.22.1.", 1)
			m.Content = strings.Replace(m.Content, "Version: 1.0.0.dev0", "Version: 0.22.1", 1)
		}
		w.NoRecord = true
	}, "vllm-0.22.1-cp38-abi3-linux_aarch64.whl"},
	{"another tag in WHEEL", "x-1.0-py3-none-any.whl", func(w *wheeltest.Wheel) {
		w.Find("x-1.0.dist-info/WHEEL").Content = "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none\n"
	}, "x-1.0-py3-none-any.whl"},
	{"a file name without tags", "x-1.0.whl", func(w *wheeltest.Wheel) {
		w.NoRecord = true
		w.Add("x-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: x\nVersion: 1.0\n")
		w.Add("x-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py2-none-any\nTag: py3-none-any\n")
	}, "x-1.0-py2.py3-none-any.whl"},
}

func brokenWheel(t *testing.T, file string, change func(*wheeltest.Wheel)) string {
	t.Helper()
	w := wheeltest.New(file, "x/__init__.py", "print(1)\n", "x/run.sh", "#!/bin/sh\n", "d/", "")
	w.Find("x/run.sh").Mode = 0o100755
	w.Add(strings.Join(strings.SplitN(strings.TrimSuffix(file, ".whl"), "-", 3)[:2], "-")+".data/scripts/s", "#!python\n")
	change(w)
	return w.Write(t, t.TempDir())
}

// What repair makes is sound, has the same files, and is the same every time.
func TestRepair(t *testing.T) {
	t.Parallel()
	for _, test := range broken {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			path := brokenWheel(t, test.file, test.change)
			before, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := wheel.Verify(t.Context(), path); err == nil {
				t.Fatal("nothing was wrong with it")
			}
			dir := t.TempDir()
			to, err := Repair(t.Context(), path, dir)
			if err != nil || to != filepath.Join(dir, test.want) {
				t.Fatalf("%s, %v", to, err)
			}
			if _, err := wheel.Verify(t.Context(), to); err != nil {
				t.Error(err)
			}
			r, err := wheel.Open(to)
			if err != nil {
				t.Fatal(err)
			}
			defer r.Close()
			texts := map[string]string{}
			for f := range r.Files() {
				text, err := io.ReadAll(f.Open())
				if err != nil {
					t.Error(err)
				}
				texts[f.Path()] = string(text)
				if f.Path() == "x/run.sh" && !f.Executable() {
					t.Error("it lost its mode")
				}
			}
			if texts["x/__init__.py"] != "print(1)\n" || texts[r.DistInfo()+".data/scripts/s"] != "#!python\n" {
				t.Errorf("its files became %q", texts)
			}
			after, err := os.ReadFile(path)
			if err != nil || string(after) != string(before) {
				t.Errorf("the wheel itself was changed, %v", err)
			}
			again, err := Repair(t.Context(), path, t.TempDir())
			if err != nil {
				t.Fatal(err)
			}
			a, errA := os.ReadFile(to)
			b, errB := os.ReadFile(again)
			if errA != nil || errB != nil || string(a) != string(b) {
				t.Errorf("two repairs differ, %v, %v", errA, errB)
			}
			// In its place, and then there is nothing more to do.
			if _, err := Repair(t.Context(), path, filepath.Dir(path)); err != nil {
				t.Error(err)
			}
			if _, err := Repair(t.Context(), filepath.Join(filepath.Dir(path), test.want), dir); !errors.Is(err, ErrSound) {
				t.Error(err)
			}
		})
	}
}

// What is not around the files but in them is refused, all of it listed, and
// nothing is written; nor over a file that is there.
func TestRepairRefuses(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		file   string
		change func(w *wheeltest.Wheel)
		codes  []string
	}{
		"traversal and RECORD": {"x-1.0-py3-none-any.whl", func(w *wheeltest.Wheel) {
			w.Add("../evil", "x")
			w.Record = func(s string) string { return s + "x/gone.py,,\n" }
		}, []string{"path-traversal"}},
		"link": {"x-1.0-py3-none-any.whl", func(w *wheeltest.Wheel) { w.Add("x/l", "/etc/passwd").Mode = 0o120777 }, []string{"symlink"}},
		"damaged content": {"x-1.0-py3-none-any.whl", func(w *wheeltest.Wheel) {
			w.Find("x/__init__.py").Central = func(h *wheeltest.Header) { h.CRC32++ }
			w.Find("x/__init__.py").Local = w.Find("x/__init__.py").Central
		}, []string{"crc"}},
		"twice": {"x-1.0-py3-none-any.whl", func(w *wheeltest.Wheel) { w.Add("x/run.sh", "other") }, []string{"duplicate"}},
		"no METADATA": {"x-1.0-py3-none-any.whl", func(w *wheeltest.Wheel) {
			w.Find("x-1.0.dist-info/METADATA").Content = "Metadata-Version: 2.1\n"
		}, []string{"metadata"}},
	} {
		path, dir := brokenWheel(t, test.file, test.change), t.TempDir()
		_, err := Repair(t.Context(), path, dir)
		found, ok := errors.AsType[*wheel.VerifyError](err)
		if !ok {
			t.Errorf("%s: %v", name, err)
			continue
		}
		var codes []string
		for _, f := range found.Faults {
			if len(codes) == 0 || codes[len(codes)-1] != f.Code {
				codes = append(codes, f.Code)
			}
		}
		if diff := cmp.Diff(test.codes, codes); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
		if left, err := os.ReadDir(dir); len(left) > 0 || err != nil {
			t.Errorf("%s left %v, %v", name, left, err)
		}
	}
	path := brokenWheel(t, broken[0].file, broken[0].change)
	dir := t.TempDir()
	theirs := filepath.Join(dir, broken[0].want)
	if err := os.WriteFile(theirs, []byte("mine"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := Repair(t.Context(), path, dir); err == nil || !strings.Contains(err.Error(), "exists already") {
		t.Error(err)
	}
	if text, err := os.ReadFile(theirs); err != nil || string(text) != "mine" {
		t.Errorf("%q, %v", text, err)
	}
	variant := brokenWheel(t, "x-1.0-py3-none-any-cu130.whl", func(*wheeltest.Wheel) {})
	if _, err := Repair(t.Context(), variant, dir); err == nil || !strings.Contains(err.Error(), "variant") {
		t.Error(err)
	}
}
