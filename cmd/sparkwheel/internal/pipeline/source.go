package pipeline

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/recipe"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/stage"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/store"
	"github.com/sparkwheel/sparkwheel/git"
	"github.com/sparkwheel/sparkwheel/git/patch"
	"github.com/sparkwheel/sparkwheel/requirements"
	"github.com/sparkwheel/sparkwheel/requirements/rewrite"
	"github.com/sparkwheel/sparkwheel/requirements/version"
)

// Tree is a commit's tree after the recipe's patches and rules.
type Tree struct {
	Dir string `json:"-"`
	Key string `json:"-"`
	Prepared
}

// Prepared is what was done to a commit's tree, kept beside it in the store.
type Prepared struct {
	Hash       string                `json:"tree"`
	Submodules []git.Submodule       `json:"submodules,omitempty"`
	Patches    []Patch               `json:"patches,omitempty"`
	Changes    []requirements.Change `json:"changes"`
	Unmatched  []string              `json:"unmatched,omitempty"`
	Left       []requirements.Left   `json:"left,omitempty"` // matched by a rule that could not change it
}

// Patch is a patch that was applied.
type Patch struct {
	File   string `json:"file"`
	SHA256 string `json:"sha256"`
}

func (p Prepared) dirty() bool { return len(p.Changes)+len(p.Patches) > 0 }

// prepare makes a commit's tree as the recipe wants it, once for each commit
// and set of instructions.
func prepare(ctx context.Context, env Env, src recipe.Source, dir string, c git.Commit, r *stage.Run) (*Tree, error) {
	env = env.noting(r)
	patches, err := readPatches(dir, src.Patches)
	if err != nil {
		return nil, err
	}
	key := treeKey(src, c, patches)
	entry, hit, err := env.Store.Do(ctx, store.Stage, key, func(dir string) error {
		return fillTree(ctx, env, src, c, patches, dir, r)
	})
	if err != nil {
		return nil, err
	}
	if hit {
		r.Hit("prepared before")
	}
	t := &Tree{Dir: filepath.Join(entry, "tree"), Key: key.String()}
	text, err := os.ReadFile(filepath.Join(entry, "prepared.json"))
	if err != nil {
		return nil, err
	}
	if err := json.Unmarshal(text, &t.Prepared); err != nil {
		return nil, fmt.Errorf("reading what was prepared of %s: %w", src.Name, err)
	}
	return t, nil
}

func treeKey(src recipe.Source, c git.Commit, patches []namedPatch) store.Key {
	h := store.NewHash("tree "+src.Name).Field("form", "2").Field("commit", c.Hash)
	h = h.Field("submodules", jsonText(src.Submodules)).Field("rules", jsonText(src.Rewrite))
	for _, p := range patches {
		h = h.Field("patch", p.sha256)
	}
	return h.Key()
}

type namedPatch struct {
	file, sha256 string
	text         []byte
}

func readPatches(dir string, files []string) ([]namedPatch, error) {
	var out []namedPatch
	for _, f := range files {
		text, err := os.ReadFile(filepath.Join(dir, f))
		if err != nil {
			return nil, fmt.Errorf("reading patch: %w", err)
		}
		sum := sha256.Sum256(text)
		out = append(out, namedPatch{f, hex.EncodeToString(sum[:]), text})
	}
	return out, nil
}

func fillTree(ctx context.Context, env Env, src recipe.Source, c git.Commit, patches []namedPatch, dir string, r *stage.Run) error {
	treeDir := filepath.Join(dir, "tree")
	opt := git.CheckoutOptions{Submodules: src.Submodules, Ref: src.Git.Ref, Jobs: env.Jobs}
	tree, err := env.Mirrors.Checkout(ctx, src.Git.URL, c, treeDir, opt, r)
	if err != nil {
		return err
	}
	root, err := os.OpenRoot(treeDir)
	if err != nil {
		return err
	}
	defer root.Close()
	done := Prepared{Hash: tree.Hash, Submodules: tree.Submodules}
	if err := done.patch(root, patches); err != nil {
		return fmt.Errorf("source %s: %w", src.Name, err)
	}
	if err := done.rewrite(root, src.Rewrite); err != nil {
		return fmt.Errorf("source %s: %w", src.Name, err)
	}
	for _, ch := range done.Changes {
		logf(r, "%s:%d: %s", ch.File, ch.Line, describeChange(ch))
	}
	return os.WriteFile(filepath.Join(dir, "prepared.json"), []byte(jsonText(done)), 0o644)
}

// patch applies the patches in their order. One that the tree has already is
// an error too: a recipe says what is needed, and that one is needed no more.
func (p *Prepared) patch(root *os.Root, patches []namedPatch) error {
	for _, one := range patches {
		parsed, err := patch.Parse(one.file, one.text)
		if err != nil {
			return err
		}
		if err := parsed.Apply(root); err != nil {
			return err
		}
		p.Patches = append(p.Patches, Patch{one.file, one.sha256})
	}
	return nil
}

func (p *Prepared) rewrite(root *os.Root, rw recipe.Rewrite) error {
	rs := rw.Rules()
	if len(rs.Rules) == 0 {
		return nil
	}
	result, err := rewrite.Tree(root, rs)
	if err != nil {
		return err
	}
	p.Changes, p.Unmatched, p.Left = result.Changes, result.Unmatched, result.Left
	return result.Write(root)
}

// valuesOf are what a recipe's texts may name of a locked source.
func valuesOf(l recipe.LockedSource) recipe.Values {
	return recipe.Values{Version: l.Version, Commit: l.Commit, Short: l.Commit[:8]}
}

// ownFiles are the files that the recipe writes into a source's tree, by path.
func ownFiles(src recipe.Source, l recipe.LockedSource) map[string]string {
	out := map[string]string{}
	for name, text := range src.Files {
		out[name] = recipe.Expand(text, valuesOf(l))
	}
	return out
}

func describeChange(c requirements.Change) string {
	if c.After == "" {
		return fmt.Sprintf("dropped %q (%s)", strings.TrimSpace(c.Before), c.Rule)
	}
	return fmt.Sprintf("%q became %q (%s)", strings.TrimSpace(c.Before), strings.TrimSpace(c.After), c.Rule)
}

// computeVersion is the version that the build is told, as the recipe wants it
// computed. A version that says nothing (0.0.0) is a fault of the repository's
// tags and stops here, before it stands in a wheel's name.
func computeVersion(ctx context.Context, env Env, src recipe.Source, c git.Commit, dirty bool, r *stage.Run) (string, error) {
	text := src.Version
	if src.Version == "scm" || src.Version == "tag" {
		d, err := env.Mirrors.Describe(ctx, src.Git.URL, c, r)
		if err != nil {
			return "", fmt.Errorf("computing the version of %s: %w", src.Name, err)
		}
		text, err = versionOf(src, d, c, dirty)
		if err != nil {
			return "", fmt.Errorf("computing the version of %s: %w", src.Name, err)
		}
	}
	v, err := version.Parse(text)
	if err != nil {
		return "", fmt.Errorf("computing the version of %s: %w", src.Name, err)
	}
	if strings.Trim(strings.SplitN(v.String(), "+", 2)[0], "0.") == "" {
		return "", fmt.Errorf("the version of %s came out as %s: its tags are missing at %s; give version = \"X.Y\" in the recipe", src.Name, v, src.Git.URL)
	}
	return v.String(), nil
}

func versionOf(src recipe.Source, d git.Description, c git.Commit, dirty bool) (string, error) {
	if src.Version == "tag" {
		d.Distance = 0
		return d.Version(false, c.Time)
	}
	date := c.Time
	if src.Date != "" {
		var err error
		if date, err = time.Parse(time.DateOnly, src.Date); err != nil {
			return "", err
		}
	}
	return d.Version(dirty, date)
}

func jsonText(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		panic(errors.Join(errors.New("a plain value did not encode"), err))
	}
	return string(b)
}
