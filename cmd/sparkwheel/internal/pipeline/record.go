package pipeline

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/recipe"
	"github.com/sparkwheel/sparkwheel/git"
	"github.com/sparkwheel/sparkwheel/requirements"
	"github.com/sparkwheel/sparkwheel/wheel/index"
	"github.com/sparkwheel/sparkwheel/wheel/sandbox"
	"github.com/sparkwheel/sparkwheel/wheel/truth"
)

// Record is build.json: only what the inputs determine, so that it can lie in
// the image and two builds of one lock give the same bytes.
type Record struct {
	Recipe       string     `json:"recipe"`
	RecipeDigest string     `json:"recipe_digest"`
	Platform     string     `json:"platform"`
	Python       string     `json:"python"`
	Base         RecordBase `json:"base"`
	UV           string     `json:"uv"`
	// Packages are the debs between the base and the wheels, BuildPackages those
	// that builds saw beside them.
	Packages      []RecordPin `json:"packages,omitempty"`
	BuildPackages []RecordPin `json:"build_packages,omitempty"`
	// Cleared are files of the packages that a script let set their user or
	// group, and that do not in the image.
	Cleared []string       `json:"packages_cleared,omitempty"`
	Sources []RecordSource `json:"sources"`
	Wheels  []RecordWheel  `json:"wheels"`
	Runtime []RecordPin    `json:"runtime,omitempty"`
	// Allowed are the faults of the image's requirements that were accepted by
	// name, Missing the required distributions that the image lacks.
	Allowed []truth.Fault `json:"allowed,omitempty"`
	Missing []string      `json:"missing,omitempty"`
}

// RecordBase names the base. A base that is a path is known by digest alone.
type RecordBase struct {
	Reference string `json:"reference,omitempty"`
	Digest    string `json:"digest"`
}

// RecordSource is a repository at a commit and what was done to its tree.
type RecordSource struct {
	Name       string                `json:"name"`
	URL        string                `json:"url"`
	Ref        string                `json:"ref"`
	Commit     string                `json:"commit"`
	Time       time.Time             `json:"time"`
	Tree       string                `json:"tree"`
	Version    string                `json:"version"`
	Submodules []git.Submodule       `json:"submodules,omitempty"`
	Patches    []Patch               `json:"patches,omitempty"`
	Changes    []requirements.Change `json:"changes"`
	Unmatched  []string              `json:"unmatched_rules,omitempty"`
	Left       []requirements.Left   `json:"left,omitempty"`
	Files      []string              `json:"files,omitempty"`
}

// RecordWheel is a built wheel and what it was built with.
type RecordWheel struct {
	Name        string        `json:"name"`
	File        string        `json:"file"`
	Version     string        `json:"version"`
	SHA256      string        `json:"sha256"`
	Size        int64         `json:"size"`
	Environment []string      `json:"environment,omitempty"`
	Shims       []recipe.Shim `json:"shims,omitempty"`
	Requires    []RecordPin   `json:"build_requirements"`
	// Contents are the repositories that its CMake files would have fetched.
	Contents []RecordContent `json:"fetchcontent,omitempty"`
	// Repairs are the changes of a METADATA that contradicted the build.
	Repairs []requirements.Change `json:"repairs,omitempty"`
	// Sandbox is "none" for a wheel that was built unconfined; else it is left out.
	Sandbox string `json:"sandbox,omitempty"`
	// Root is this host's system for a wheel that was built on it, not on the base.
	Root *HostRoot `json:"root,omitempty"`
}

// RecordContent is a repository that a wheel's CMake files ask for.
type RecordContent struct {
	Name       string          `json:"name"`
	URL        string          `json:"url"`
	Ref        string          `json:"ref"`
	Commit     string          `json:"commit"`
	Tree       string          `json:"tree"`
	Submodules []git.Submodule `json:"submodules,omitempty"`
	Patches    []Patch         `json:"patches,omitempty"`
}

// RecordPin is a file: a distribution of an environment, or a package.
type RecordPin struct {
	File   string `json:"file"`
	SHA256 string `json:"sha256"`
}

// JSON is the record's text, indented and with a final newline.
func (r *Record) JSON() ([]byte, error) {
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(r); err != nil {
		return nil, fmt.Errorf("encoding build.json: %w", err)
	}
	return out.Bytes(), nil
}

func newRecord(r *recipe.Recipe, l *recipe.Lock) *Record {
	rec := &Record{
		Recipe: r.Name, RecipeDigest: r.Digest, Platform: l.Platform, Python: l.Python,
		Base: RecordBase{Digest: l.Base.Digest}, Sources: []RecordSource{}, Wheels: []RecordWheel{},
	}
	if !isPath(l.Base.Reference) {
		rec.Base.Reference = l.Base.Reference
	}
	for _, d := range l.Packages.For(false) {
		rec.Packages = append(rec.Packages, RecordPin{d.File(), d.SHA256})
	}
	for _, d := range l.Packages.For(true) {
		rec.BuildPackages = append(rec.BuildPackages, RecordPin{d.File(), d.SHA256})
	}
	if len(l.UV) > 0 {
		rec.UV = l.UV[0].Version
	}
	return rec
}

func recordSource(src recipe.Source, l recipe.LockedSource, t *Tree) RecordSource {
	changes := t.Changes
	if changes == nil {
		changes = []requirements.Change{}
	}
	return RecordSource{
		Name: l.Name, URL: l.URL, Ref: l.Ref, Commit: l.Commit, Time: l.Time.UTC(), Tree: l.Tree, Version: l.Version,
		Submodules: t.Submodules, Patches: t.Patches, Changes: changes, Unmatched: t.Unmatched, Left: t.Left, Files: slices.Sorted(maps.Keys(src.Files)),
	}
}

func recordWheel(b buildPlan, w *Wheel) RecordWheel {
	out := RecordWheel{
		Name: w.Name, File: w.File, Version: w.Version, SHA256: w.SHA256, Size: w.Size,
		Environment: b.environment(), Shims: b.recipe.Shims, Requires: recordPins(w.Requires), Repairs: w.Repairs, Root: b.host,
	}
	for _, c := range b.contents {
		out.Contents = append(out.Contents, RecordContent{
			Name: c.locked.Name, URL: c.locked.URL, Ref: c.locked.Ref, Commit: c.locked.Commit, Tree: c.locked.Tree,
			Submodules: c.tree.Submodules, Patches: c.tree.Patches,
		})
	}
	if b.isolation == sandbox.None {
		out.Sandbox = string(b.isolation)
	}
	return out
}

func recordPins(pins []index.Pin) []RecordPin {
	out := []RecordPin{}
	for _, p := range pins {
		out = append(out, RecordPin{p.File, p.SHA256})
	}
	return out
}

// Commits are the marker files by name, such as .vllm-commit: the full SHA and
// a newline.
func Commits(r *recipe.Recipe, l *recipe.Lock) map[string]string {
	out := map[string]string{}
	for _, s := range r.Sources {
		if locked, ok := l.Source(s.Name); ok && s.Marker != "" {
			out[s.Marker] = strings.TrimSpace(locked.Commit) + "\n"
		}
	}
	return out
}
