package rewrite_test

import (
	"errors"
	"io/fs"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sparkwheel/sparkwheel/requirements"
	"github.com/sparkwheel/sparkwheel/requirements/rewrite"
)

// TestTreeRefuses are rules and trees of which nothing is rewritten.
func TestTreeRefuses(t *testing.T) {
	t.Parallel()
	drop := []requirements.Rule{{Drop: "gone"}}
	for name, tt := range map[string]struct {
		rules rewrite.Rules
		files map[string]string
		names string // what the error names
	}{
		"no rule":         {rewrite.Rules{Files: []string{"**"}, Rules: []requirements.Rule{{}}}, nil, "rule"},
		"open bracket":    {rewrite.Rules{Files: []string{"a[.txt"}, Rules: drop}, nil, "a[.txt"},
		"outside":         {rewrite.Rules{Files: []string{"../*.txt"}, Rules: drop}, nil, "../*.txt"},
		"absolute":        {rewrite.Rules{Files: []string{"/a.txt"}, Rules: drop}, nil, "/a.txt"},
		"too large":       {edits, map[string]string{"a.txt": strings.Repeat("#\n", 2<<20) + "#"}, "a.txt"},
		"not TOML":        {edits, map[string]string{"pyproject.toml": "["}, "pyproject.toml"},
		"not requirement": {edits, map[string]string{"a.txt": "\"", "b.txt": "numpy"}, "a.txt"},
		"directory":       {edits, map[string]string{"a.txt": "-r b\n", "b/c.txt": "numpy"}, "b"},
	} {
		result, err := rewrite.Tree(tree(t, tt.files), tt.rules)
		if err == nil || !strings.Contains(err.Error(), tt.names) || len(result.Files)+len(result.Changes) > 0 {
			t.Errorf("%s: %v, %v", name, result.Changes, err)
		}
	}
	if _, err := rewrite.Tree(tree(t, map[string]string{"a.txt": strings.Repeat("#\n", 2<<20)}), edits); err != nil {
		t.Errorf("a file of 4 MiB: %v", err)
	}
}

// TestMustMatch holds that a family of rules matches when one of them does.
func TestMustMatch(t *testing.T) {
	t.Parallel()
	rules := rewrite.Rules{
		Files: []string{"**"}, MustMatch: true,
		Rules: []requirements.Rule{{Drop: "flashinfer"}, {Drop: "flashinfer-*"}, {Drop: "triton"}},
	}
	for text, want := range map[string]struct{ unmatched, missing []string }{
		"flashinfer-python\ntriton\n": {unmatched: []string{"drop flashinfer"}},
		"flashinfer\ntriton\n":        {unmatched: []string{"drop flashinfer-*"}},
		"flashinfer\n":                {unmatched: []string{"drop flashinfer-*", "drop triton"}, missing: []string{"drop triton"}},
		"triton\n": {
			unmatched: []string{"drop flashinfer", "drop flashinfer-*"},
			missing:   []string{"drop flashinfer", "drop flashinfer-*"},
		},
	} {
		files := map[string]string{"a.txt": text}
		result, err := rewrite.Tree(tree(t, files), rules)
		var missing []string
		if found, ok := errors.AsType[*rewrite.UnmatchedError](err); ok {
			missing = found.Rules
			if !strings.Contains(err.Error(), "drop triton") && !strings.Contains(err.Error(), "drop flashinfer") || !strings.Contains(err.Error(), "**") {
				t.Errorf("%q: the message names neither rule nor files: %v", text, err)
			}
		} else if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want.unmatched, result.Unmatched) + cmp.Diff(want.missing, missing); diff != "" {
			t.Errorf("%q (-want +got):\n%s", text, diff)
		}
		lenient := rules
		lenient.MustMatch = false
		if _, err := rewrite.Tree(tree(t, files), lenient); err != nil {
			t.Errorf("%q, need not match: %v", text, err)
		}
	}
}

// TestIncludes follows what lies in the tree, once each, and nothing else.
func TestIncludes(t *testing.T) {
	t.Parallel()
	const all = "gone\n"
	root := tree(t, map[string]string{
		"a.txt": strings.Join([]string{
			"-r b/b.list", "-c b/c.list", "-r a.txt", "-r missing.txt", "-r https://example.org/d.list", "-r /d.list",
			"-r ${HOME}/d.list", "-r ../d.list", "-r b/../..", "-r link.list", "-e ./d.list",
		}, "\n"),
		"b/b.list": "-r ../e.list\n" + all, "b/c.list": "-r b.list\n" + all, "d.list": all, "e.list": all, "f.list": all,
		"${HOME}/d.list": all, "https:/example.org/d.list": all,
		".git/a.txt": all, "g/.git/a.txt": all,
		"h/pyproject.toml": "[project]\nname = \"x\"\ndynamic = [\"dependencies\"]\n[tool.setuptools.dynamic]\ndependencies = {file = [\"deps.list\"]}\n",
		"h/deps.list":      all,
	})
	if err := errors.Join(root.Symlink("f.list", "link.list"), root.Symlink("d.list", "z.txt")); err != nil {
		t.Fatal(err)
	}
	got, err := rewrite.Asked(root, []string{"**"}, "gone")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"b/b.list:2", "b/c.list:2", "e.list:1", "f.list:1", "h/deps.list:1"}, got); diff != "" {
		t.Errorf("places (-want +got):\n%s", diff)
	}
	result, err := rewrite.Tree(root, edits)
	if err != nil {
		t.Fatal(err)
	}
	if len(result.Dynamic) != 1 || result.Dynamic[0].File != "h/pyproject.toml" || result.Dynamic[0].Field != "dependencies" {
		t.Errorf("dynamic fields: %+v", result.Dynamic)
	}
}

// TestOrder holds that changes, what is left and warnings come by file and line.
func TestOrder(t *testing.T) {
	t.Parallel()
	text := "gone\n-e git+https://example.org/torch#egg=torch\n-e git+https://example.org/torch#egg=torch\ngone\n" +
		"numpy # x\n  --hash=sha256:00\nnumpy\n  --hash=sha256:00\n"
	result, err := rewrite.Tree(tree(t, map[string]string{"b.txt": "-r a.list\n" + text, "c.txt": text, "a.list": text}), edits)
	if err != nil {
		t.Fatal(err)
	}
	type place struct {
		File string
		Line int
	}
	var changes, left, warnings []place
	for _, c := range result.Changes {
		changes = append(changes, place{c.File, c.Line})
	}
	for _, l := range result.Left {
		left = append(left, place{l.File, l.Line})
	}
	for _, w := range result.Warnings {
		warnings = append(warnings, place{w.File, w.Line})
	}
	want := func(a, b int) []place {
		return []place{{"a.list", a}, {"a.list", b}, {"b.txt", a + 1}, {"b.txt", b + 1}, {"c.txt", a}, {"c.txt", b}}
	}
	if diff := cmp.Diff(want(1, 4), changes) + cmp.Diff(want(2, 3), left) + cmp.Diff(want(6, 8), warnings); diff != "" {
		t.Errorf("places (-want +got):\n%s", diff)
	}
}

// TestWrite keeps modes, takes over what a killed run left, and leaves the
// tree as it was when it fails.
func TestWrite(t *testing.T) {
	t.Parallel()
	root := tree(t, map[string]string{"a.txt": "gone\na\n", "b/b.txt": "gone\nb\n", "b/.b.txt.sparkwheel": "left"})
	if err := root.Chmod("a.txt", 0o751); err != nil {
		t.Fatal(err)
	}
	result, err := rewrite.Tree(root, edits)
	if err != nil {
		t.Fatal(err)
	}
	// A directory where the second file should be written beside.
	if err := errors.Join(root.Remove("b/.b.txt.sparkwheel"), root.MkdirAll("b/.b.txt.sparkwheel/x", 0o755)); err != nil {
		t.Fatal(err)
	}
	if err := result.Write(root); err == nil {
		t.Error("nothing is said of a file that cannot be written")
	}
	check(t, root, map[string]string{"a.txt": "gone\na\n", "b/b.txt": "gone\nb\n"})
	if err := errors.Join(root.RemoveAll("b/.b.txt.sparkwheel"), root.WriteFile("b/.b.txt.sparkwheel", []byte("left"), 0o644)); err != nil {
		t.Fatal(err)
	}
	if err := result.Write(root); err != nil {
		t.Fatal(err)
	}
	check(t, root, map[string]string{"a.txt": "a\n", "b/b.txt": "b\n"})
	if info, err := root.Stat("a.txt"); err != nil || info.Mode().Perm() != 0o751 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	if err := root.Remove("a.txt"); err != nil {
		t.Fatal(err)
	}
	if err := result.Write(root); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("writing a file that is gone: %v", err)
	}
	check(t, root, map[string]string{"b/b.txt": "b\n"})
}

// check compares all plain files of the tree, directories of temporary ones aside.
func check(t *testing.T, root *os.Root, want map[string]string) {
	t.Helper()
	got := map[string]string{}
	err := fs.WalkDir(root.FS(), ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := root.ReadFile(name)
		got[name] = string(text)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("files (-want +got):\n%s", diff)
	}
}
