// Package sources owns what a build reads: the trees of repositories with the
// recipe's patches and rules, the repositories that CMake files would fetch,
// and files and manifests as inputs of a build.
package sources

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"

	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/host"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/recipe"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/stage"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/store"
	"github.com/sparkwheel/sparkwheel/git"
	"github.com/sparkwheel/sparkwheel/requirements"
	"github.com/sparkwheel/sparkwheel/requirements/excerpt"
	"github.com/sparkwheel/sparkwheel/requirements/rewrite"
	"github.com/sparkwheel/sparkwheel/wheel/index"
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
	Pulls      []Pull                `json:"pulls,omitempty"`
	Patches    []Patch               `json:"patches,omitempty"`
	Changes    []requirements.Change `json:"changes"`
	Unmatched  []string              `json:"unmatched,omitempty"`
	Left       []requirements.Left   `json:"left,omitempty"` // matched by a rule that could not change it
	Pointers   []string              `json:"pointers,omitempty"`
	// Warnings are requirement lines that pip takes for something else than they
	// look like.
	Warnings []requirements.Warning `json:"warnings,omitempty"`
}

func (p Prepared) dirty() bool { return len(p.Changes) > 0 || p.patched() || p.pulled() }

// At is a source at what was found of it.
type At struct {
	recipe.Source
	Found
	Dir string // the recipe's, where local paths begin
	// Described is what a lock computed the version from, "" where none did: tags
	// that have moved since then do not change it.
	Described string
	// Version is the source's without the recipe's changes. Where patches are for
	// some versions, it decides which are applied.
	Version string
	// Replaced are the submodules that the recipe takes from elsewhere at a ref, at
	// its commit.
	Replaced map[string]git.Replacement
}

// replacements are all submodules that are taken from elsewhere.
func (a At) replacements() map[string]git.Replacement {
	all := maps.Clone(a.Replaced)
	for at, s := range a.Submodule {
		if s.Ref == "" {
			if all == nil {
				all = map[string]git.Replacement{}
			}
			all[at] = git.Replacement{URL: s.URL}
		}
	}
	return all
}

// Entry is the source's tree in the store, under a key of the commit and of all
// that the recipe wants done to it. name is for people.
func (a At) Entry(name string) (host.Entry, error) {
	patches, _, err := a.readPatches()
	return a.entry(name, patches), err
}

func (a At) entry(name string, patches []namedPatch) host.Entry {
	h := store.NewHash("tree "+a.Name).Field("form", "2").Field("commit", a.Commit.Hash)
	h = h.Field("submodules", host.JSON(a.Submodules)).Field("rules", host.JSON(a.Rewrite))
	if replaced := a.replacements(); len(replaced) > 0 {
		h = h.Field("replaced", host.JSON(replaced))
	}
	for _, p := range a.Found.Pulls {
		h = h.Field("pull", p.Base+" "+p.Head)
	}
	var pins []index.Pin
	for _, p := range patches {
		h = h.Field("patch", p.sha256)
		if p.pin != nil {
			pins = append(pins, *p.pin)
		}
	}
	return host.Entry{Name: name, Kind: store.Stage, Key: h.Key(), Pins: pins}
}

// Tree is where the source's tree will be and its key; what is done to it is
// not known before it is prepared.
func (a At) Tree(env host.Env) (*Tree, error) {
	entry, err := a.Entry("")
	return &Tree{Dir: filepath.Join(env.Place(entry), "tree"), Key: entry.Key.String()}, err
}

// Prepare makes the source's tree as the recipe wants it, once for each commit
// and set of instructions.
func Prepare(ctx context.Context, env host.Env, a At, r *stage.Run) (*Tree, error) {
	env, err := reaching(env.Noting(r), a.Source, a.Dir)
	if err != nil {
		return nil, err
	}
	patches, spared, err := a.readPatches()
	if err != nil {
		return nil, err
	}
	entry := a.entry(a.Name, patches)
	place, hit, err := env.Store.Do(ctx, entry.Kind, entry.Key, func(dir string) error {
		return a.fill(ctx, env, patches, dir, r)
	})
	if err != nil {
		return nil, err
	}
	if hit {
		r.Hit()
	}
	t := &Tree{Dir: filepath.Join(place, "tree"), Key: entry.Key.String()}
	text, err := os.ReadFile(filepath.Join(place, "prepared.json"))
	if err != nil {
		return nil, err
	}
	if err := json.Unmarshal(text, &t.Prepared); err != nil {
		return nil, fmt.Errorf("reading what was prepared of %s: %w", a.Name, err)
	}
	t.Patches = append(t.Patches, spared...)
	for _, w := range t.Warnings {
		r.Note("%s:%d: %q: %s", w.File, w.Line, excerpt.Of(w.Text), w.Message)
	}
	if len(t.Pointers) > 0 && !a.Pointers {
		return nil, &PointersError{a.Name, t.Pointers}
	}
	return t, nil
}

// PointersError says that files of a source are pointers of Git LFS: a build
// would take them for the files.
type PointersError struct {
	Source string
	Files  []string
}

func (e *PointersError) Error() string {
	return fmt.Sprintf("source %s: %s: Git LFS pointers, whose content is not fetched; add what the build reads as a [[file]] and an input, or set lfs-pointers = true in the [[source]] to build with the pointers in place",
		e.Source, host.Some(e.Files))
}

func (a At) fill(ctx context.Context, env host.Env, patches []namedPatch, dir string, r *stage.Run) error {
	if err := fetchPatches(ctx, env, patches); err != nil {
		return err
	}
	treeDir := filepath.Join(dir, "tree")
	opt := git.CheckoutOptions{Submodules: a.Submodules, Replace: a.replacements(), Ref: a.Git.Ref, Jobs: env.Jobs}
	c, pulls, err := a.merged(ctx, env, r)
	if err != nil {
		return err
	}
	tree, err := env.Mirrors.Checkout(ctx, a.Git.URL, c, treeDir, opt, r)
	if err != nil {
		return err
	}
	root, err := os.OpenRoot(treeDir)
	if err != nil {
		return err
	}
	defer root.Close()
	done := Prepared{Hash: tree.Hash, Pulls: pulls, Submodules: tree.Submodules, Pointers: tree.Pointers}
	if err := done.patch(root, patches); err != nil {
		return &PatchError{a.Name, err}
	}
	if err := done.rewrite(root, a.Rewrite); err != nil {
		return fmt.Errorf("source %s: %w", a.Name, err)
	}
	for _, ch := range done.Changes {
		host.Logf(r, "%s:%d: %s", ch.File, ch.Line, describeChange(ch))
	}
	return os.WriteFile(filepath.Join(dir, "prepared.json"), []byte(host.JSON(done)), 0o644)
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
	p.Changes, p.Unmatched, p.Left, p.Warnings = result.Changes, result.Unmatched, result.Left, result.Warnings
	return result.Write(root)
}

func describeChange(c requirements.Change) string {
	if c.After == "" {
		return fmt.Sprintf("dropped %q (%s)", excerpt.Of(strings.TrimSpace(c.Before)), c.Rule)
	}
	return fmt.Sprintf("%q became %q (%s)", excerpt.Of(strings.TrimSpace(c.Before)), excerpt.Of(strings.TrimSpace(c.After)), c.Rule)
}
