package rewrite_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sparkwheel/sparkwheel/requirements"
	"github.com/sparkwheel/sparkwheel/requirements/rewrite"
)

var edits = rewrite.Rules{
	Files: []string{"**"},
	Rules: []requirements.Rule{{Drop: "gone"}, {Pin: "torch", To: "==2.12.0"}},
}

// numbered is lines a1 to an, each with a line feed.
func numbered(from, to int) string {
	var b strings.Builder
	for i := from; i <= to; i++ {
		fmt.Fprintf(&b, "a%d\n", i)
	}
	return b.String()
}

// TestDiff pins hunks: where they begin, how long they are and when two are one.
func TestDiff(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct{ before, want string }{
		"nothing":       {numbered(1, 9), ""},
		"the only line": {"gone\n", "@@ -1,1 +0,0 @@\n-gone\n"},
		"the first line": {"gone\n" + numbered(1, 9),
			"@@ -1,4 +1,3 @@\n-gone\n a1\n a2\n a3\n"},
		"the second line": {"a0\ngone\n" + numbered(1, 9),
			"@@ -1,5 +1,4 @@\n a0\n-gone\n a1\n a2\n a3\n"},
		"the last line": {numbered(1, 9) + "gone\n",
			"@@ -7,4 +7,3 @@\n a7\n a8\n a9\n-gone\n"},
		"the last but one": {numbered(1, 9) + "gone\nb\n",
			"@@ -7,5 +7,4 @@\n a7\n a8\n a9\n-gone\n b\n"},
		"one line feed less": {numbered(1, 4) + "gone\nb",
			"@@ -2,5 +2,4 @@\n a2\n a3\n a4\n-gone\n b\n\\ No newline at end of file\n"},
		"a changed line": {numbered(1, 9) + "torch\n" + numbered(10, 19),
			"@@ -7,7 +7,7 @@\n a7\n a8\n a9\n-torch\n+torch==2.12.0\n a10\n a11\n a12\n"},
		"six lines apart": {"gone\n" + numbered(1, 6) + "gone\n",
			"@@ -1,8 +1,6 @@\n-gone\n a1\n a2\n a3\n a4\n a5\n a6\n-gone\n"},
		"seven lines apart": {"gone\n" + numbered(1, 7) + "gone\n",
			"@@ -1,4 +1,3 @@\n-gone\n a1\n a2\n a3\n@@ -6,4 +5,3 @@\n a5\n a6\n a7\n-gone\n"},
		"three, the last apart": {"gone\n" + numbered(1, 2) + "gone\n" + numbered(3, 10) + "torch\n",
			"@@ -1,7 +1,5 @@\n-gone\n a1\n a2\n-gone\n a3\n a4\n a5\n@@ -10,4 +8,4 @@\n a8\n a9\n a10\n-torch\n+torch==2.12.0\n"},
		"between blank lines": {"a1\n\ngone\n\na2\n",
			"@@ -1,5 +1,4 @@\n a1\n \n-gone\n \n a2\n"},
		"blank lines at the end": {"gone\n\n\n",
			"@@ -1,3 +1,2 @@\n-gone\n \n \n"},
		"changed before a blank line": {"a1\ntorch\n\na2\n",
			"@@ -1,4 +1,4 @@\n a1\n-torch\n+torch==2.12.0\n \n a2\n"},
		"several lines as one": {"a1\ngone \\\n  --hash=sha256:00\na2\n",
			"@@ -1,4 +1,2 @@\n a1\n-gone \\\n-  --hash=sha256:00\n a2\n"},
	} {
		result, err := rewrite.Tree(tree(t, map[string]string{"r/x.txt": tt.before}), edits)
		if err != nil {
			t.Fatal(err)
		}
		want := tt.want
		if want != "" {
			want = "--- a/r/x.txt\n+++ b/r/x.txt\n" + want
		}
		if diff := cmp.Diff(want, result.Diff()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

// TestDiffApplies has git apply the diff of 300 files of lines drawn by chance,
// and holds that it shows what the rules changed and little else.
func TestDiffApplies(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(1, 2))
	lines := []string{"gone\n", "gone\n", "torch\n", "torch==1\n", "\n", "\n", "# same\n", "numpy\n"}
	files := map[string]string{}
	for i := range 300 {
		var b strings.Builder
		for range random.IntN(30) {
			b.WriteString(lines[random.IntN(len(lines))])
			if random.IntN(3) == 0 {
				fmt.Fprintf(&b, "p%d\n", random.IntN(1000))
			}
		}
		files[fmt.Sprintf("%d.txt", i)] = strings.TrimSuffix(b.String(), strings.Repeat("\n", random.IntN(2)))
	}
	root := tree(t, files)
	result, err := rewrite.Tree(root, edits)
	if err != nil {
		t.Fatal(err)
	}
	shown := map[byte]int{}
	for line := range strings.Lines(result.Diff()) {
		if !strings.HasPrefix(line, "---") && !strings.HasPrefix(line, "+++") {
			shown[line[0]]++
		}
	}
	pinned := 0
	for _, c := range result.Changes {
		if c.After != "" {
			pinned++
		}
	}
	// Where the same lines come again and again, some are shown that did not change.
	if more := shown['-'] - len(result.Changes); len(result.Files) < 200 || more != shown['+']-pinned || more > len(result.Changes)/10 {
		t.Errorf("%d files, %d changes of which %d pin; the diff has %d - and %d +", len(result.Files), len(result.Changes), pinned, shown['-'], shown['+'])
	}
	cmd := exec.CommandContext(t.Context(), "git", "apply", "--whitespace=nowarn")
	cmd.Dir, cmd.Stdin = root.Name(), strings.NewReader(result.Diff())
	cmd.Env = append(os.Environ(), "GIT_CEILING_DIRECTORIES="+root.Name()+"/..", "GIT_CONFIG_GLOBAL=/dev/null")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("git apply: %v\n%s", err, out)
	}
	for name, want := range result.Files {
		got, err := root.ReadFile(name)
		if err != nil && len(want) > 0 {
			t.Fatal(err)
		}
		if string(got) != string(want) {
			t.Errorf("%s after git apply (-want +got):\n%s", name, cmp.Diff(string(want), string(got)))
		}
	}
}
