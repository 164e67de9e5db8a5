package builder

import (
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

func TestCompareNamesWhatDiffers(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	a, b := filepath.Join(dir, "a", "x.whl"), filepath.Join(dir, "b", "x.whl")
	for _, d := range []string{"a", "b"} {
		if err := os.Mkdir(filepath.Join(dir, d), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for name, tc := range map[string]struct {
		a, b []member
		want *Difference
	}{
		"equal": {[]member{{name: "m", text: "1", mode: 0o644}}, []member{{name: "m", text: "1", mode: 0o644}}, nil},
		"members": {
			[]member{{name: "a", mode: 0o644}, {name: "both", text: "1", mode: 0o644}, {name: "mode", mode: 0o644}},
			[]member{{name: "both", text: "2", mode: 0o644}, {name: "c", mode: 0o644}, {name: "mode", mode: 0o755}},
			&Difference{Members: []MemberDifference{{Name: "a", What: "only in the first"}, {Name: "both", What: "content"}, {Name: "c", What: "only in the second"}, {Name: "mode", What: "mode"}}},
		},
		"packing": {
			[]member{{name: "a", mode: 0o644}, {name: "b", mode: 0o644}}, []member{{name: "b", mode: 0o644}, {name: "a", mode: 0o644}},
			&Difference{Archive: true},
		},
	} {
		t.Run(name, func(t *testing.T) {
			writeZip(t, a, tc.a...)
			writeZip(t, b, tc.b...)
			got, err := Compare(t.Context(), a, b)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tc.want, got, cmpopts.IgnoreUnexported(Difference{}), cmpopts.IgnoreFields(Difference{}, "First", "Second")); diff != "" {
				t.Errorf("difference (-want +got):\n%s", diff)
			}
		})
	}
	if _, err := Compare(t.Context(), a, filepath.Join(dir, "missing")); err == nil {
		t.Error("a missing wheel gave no error")
	}
}

func TestCompareNamesSectionsOfObjects(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	object := func(name, source string) string {
		write(t, filepath.Join(dir, name, "x.c"), source, 0o644)
		cmd := exec.CommandContext(t.Context(), "gcc", "-c", "x.c", "-o", "x.o")
		cmd.Dir = filepath.Join(dir, name)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Skipf("needs gcc: %v\n%s", err, out)
		}
		text, err := os.ReadFile(filepath.Join(dir, name, "x.o"))
		if err != nil {
			t.Fatal(err)
		}
		whl := filepath.Join(dir, name, "x.whl")
		writeZip(t, whl, member{name: "x.o", text: string(text), mode: 0o644})
		return whl
	}
	a := object("a", "const char *at = \"/tmp/a\"; int f(void) { return 1; }\n")
	b := object("b", "const char *at = \"/tmp/b\"; int f(void) { return 1; }\n")
	got, err := Compare(t.Context(), a, b)
	if err != nil {
		t.Fatal(err)
	}
	if want := "x.o: content in .rodata"; got.String() != want {
		t.Errorf("difference %q, want %q", got, want)
	}
}

func TestVerifyBuildsOtherwise(t *testing.T) {
	t.Parallel()
	first := &backend{wheels: map[string]string{"demo_dist-1.0-py3-none-any.whl": "x"}}
	spec := demoSpec(t)
	files, err := Wheels(t.Context(), first, spec, t.TempDir(), io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	second := &backend{wheels: first.wheels}
	d, err := Verify(t.Context(), second, spec, files[0], t.TempDir(), io.Discard)
	if err != nil || d != nil {
		t.Errorf("Verify = %v, %v of a backend that gives the same", d, err)
	}
	a, b := first.ran[len(first.ran)-1], second.ran[len(second.ran)-1]
	if cmp.Equal(a.Env, b.Env) || a.Umask == b.Umask {
		t.Errorf("the second build has the environment and umask of the first")
	}
	second.wheels = map[string]string{"demo_dist-1.0-py3-none-any.whl": "y"}
	d, err = Verify(t.Context(), second, spec, files[0], t.TempDir(), io.Discard)
	if err != nil || d == nil || d.String() != "demo.py: content" {
		t.Errorf("Verify = %v, %v of a backend that gives another member", d, err)
	}
}
