package sources

import (
	"context"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/recipe"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/stage"
	"github.com/sparkwheel/sparkwheel/git"
)

// lockPulls locks a source with its pull requests, as `lock` does.
func (c *checkout) lockPulls(src recipe.Source, before []recipe.LockedPull) (Resolved, error) {
	c.t.Helper()
	return run(c, "lock", func(ctx context.Context, run *stage.Run) (Resolved, error) {
		found, err := Find(ctx, c.env, src, c.dir, run)
		if err != nil {
			return Resolved{}, err
		}
		at := At{Source: src, Found: found, Dir: c.dir}
		if at.Found.Pulls, err = FindPulls(ctx, c.env, at, before, run); err != nil {
			return Resolved{}, err
		}
		return Resolve(ctx, c.env, at, run)
	})
}

// Pull requests are pinned by the lock and merged before the patches; one that
// is in already is passed over, and what git merge-tree says is the tree's hash.
func TestPullRequests(t *testing.T) {
	t.Parallel()
	c := newCheckout(t)
	lines := "1\n2\n3\n4\n5\n6\n7\n8\n9\n"
	base := c.commit(lines)
	c.git("tag", "v1.0")
	pull := func(number, text string) string {
		c.git("checkout", "-q", "-B", "pull", base)
		head := c.commit(text)
		c.git("update-ref", "refs/pull/"+number+"/head", head)
		c.git("checkout", "-q", "main")
		return head
	}
	seven := pull("7", strings.Replace(lines, "8\n", "eight\n", 1))
	pull("8", strings.Replace(lines, "1\n", "one\n", 1))
	pull("9", strings.Replace(lines, "1\n", "uno\n", 1))
	head := c.commit(strings.Replace(lines, "1\n", "one\n", 1))

	src := local
	src.Pulls = []int{7, 8}
	src.Patches = []recipe.Patch{c.beside("p.patch", "--- a/f\n+++ b/f\n@@ -8,2 +8,2 @@\n-eight\n+acht\n 9\n")}
	got, err := c.lockPulls(src, nil)
	if err != nil {
		t.Fatal(err)
	}
	l := got.Locked
	if l.Commit != head || l.Pulls[0] != (recipe.LockedPull{Number: 7, Head: seven, Base: base}) || !strings.HasSuffix(l.Version, ".d20260603") {
		t.Errorf("the lock is %+v", l)
	}
	var states []string
	for _, p := range got.Tree.Pulls {
		states = append(states, p.String()[:15]+p.State)
	}
	if diff := cmp.Diff([]string{"pull request 7 ", "pull request 8 already in"}, states); diff != "" {
		t.Errorf("pull requests (-want +got):\n%s", diff)
	}
	tree, err := exec.CommandContext(t.Context(), "git", "-C", filepath.Join(c.dir, "up"), "-c", "merge.renames=false", "merge-tree", "--write-tree", head, seven).Output()
	if err == nil && strings.TrimSpace(string(tree)) != l.Tree {
		t.Errorf("the tree is %s, git merges to %s", l.Tree, tree)
	}
	check := HowToCheck(l)
	if len(check) != 3 || !strings.Contains(check[1], l.Commit+" "+seven+" "+l.Pulls[1].Head) || !strings.Contains(check[2], "--merge-base "+l.Pulls[1].Base+" $(git merge-tree") {
		t.Errorf("to check it: %q", check)
	}
	// The head moves on; what is locked is built, in another store too.
	pull("7", strings.Replace(lines, "8\n", "VIII\n", 1))
	other := newCheckout(t)
	other.dir = c.dir
	for _, one := range []*checkout{c, other} {
		if text, err := one.build(src, l); err != nil || text != "one\n2\n3\n4\n5\n6\n7\nacht\n9\n" {
			t.Errorf("built %q, %v", text, err)
		}
	}
	if again, err := c.lockPulls(src, l.Pulls); err != nil || cmp.Diff(l, again.Locked) != "" {
		t.Errorf("locked again: %v\n%s", err, cmp.Diff(l, again.Locked))
	}
	src.Pulls, src.Patches = []int{9}, nil
	if _, err := c.lockPulls(src, nil); !isError[*git.MergeError](err) || !strings.Contains(err.Error(), "source up: ") || !strings.Contains(err.Error(), "f, line 1: both sides change these lines") {
		t.Errorf("a pull request that does not merge gave %v", err)
	}
	src.Pulls = []int{404}
	if _, err := c.lockPulls(src, nil); !isError[*git.RefError](err) || !strings.Contains(err.Error(), "pull request 404") {
		t.Errorf("one that is not there gave %v", err)
	}
}
