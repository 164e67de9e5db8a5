// Package record owns build.json, which says what an image is made of.
package record

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/base"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/fit"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/gate"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/host"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/recipe"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/sources"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/wheels"
	"github.com/sparkwheel/sparkwheel/git"
	"github.com/sparkwheel/sparkwheel/requirements"
	"github.com/sparkwheel/sparkwheel/wheel/index"
	"github.com/sparkwheel/sparkwheel/wheel/sandbox"
	"github.com/sparkwheel/sparkwheel/wheel/truth"
)

// Record is build.json: only what the inputs determine, so that it can lie in
// the image and two builds of one lock give the same bytes.
type Record struct {
	Recipe       string `json:"recipe"`
	RecipeDigest string `json:"recipe_digest"`
	Platform     string `json:"platform"`
	Python       string `json:"python"`
	Base         Base   `json:"base"`
	UV           string `json:"uv"`
	// Packages are the debs between the base and the wheels, BuildPackages those
	// that builds saw beside them.
	Packages      []Pin `json:"packages,omitempty"`
	BuildPackages []Pin `json:"build_packages,omitempty"`
	// Cleared are files of the packages that a script let set their user or
	// group, and that do not in the image.
	Cleared []string `json:"packages_cleared,omitempty"`
	Sources []Source `json:"sources"`
	Builds  []Build  `json:"builds,omitempty"`
	Wheels  []Wheel  `json:"wheels"`
	Runtime []Pin    `json:"runtime,omitempty"`
	// Provided are distributions of the runtime set in whose place empty ones stand.
	Provided []Provided `json:"provided,omitempty"`
	// Allowed are the faults of the image's requirements that were accepted by
	// name, Missing the required distributions that the image lacks.
	Allowed []truth.Fault `json:"allowed,omitempty"`
	Missing []string      `json:"missing,omitempty"`
	// GPU is the verdict on the GPU code of every wheel, where the recipe asks for
	// one: as it is, whatever its exceptions say.
	GPU *gate.Judged `json:"gpu,omitempty"`
	// Elsewhere names the inputs that exist on the host that built it alone, so
	// that nobody else can build it again.
	Elsewhere []string `json:"not_rebuildable_elsewhere,omitempty"`
	// Replaced are the base's distributions that a wheel takes the place of; a
	// layer before the wheels' hides their files.
	Replaced []fit.Replaced `json:"replaced,omitempty"`
}

// Provided is a distribution that a Debian package of the image provides.
type Provided struct {
	Name           string `json:"name"`
	Version        string `json:"version"`
	Package        string `json:"package"`
	PackageVersion string `json:"package_version"`
	Architecture   string `json:"architecture"`
}

// Base names the base. A base that is a path is known by digest alone.
type Base struct {
	Reference string `json:"reference,omitempty"`
	Digest    string `json:"digest"`
}

// Source is a repository at a commit and what was done to its tree.
type Source struct {
	Name   string `json:"name"`
	URL    string `json:"url"`
	Ref    string `json:"ref"`
	Commit string `json:"commit"`
	// Dirty says that Commit holds uncommitted changes, which are on Head.
	Dirty      bool            `json:"dirty,omitempty"`
	Head       string          `json:"head,omitempty"`
	Time       time.Time       `json:"time"`
	Tree       string          `json:"tree"`
	Version    string          `json:"version"`
	Submodules []git.Submodule `json:"submodules,omitempty"`
	Pulls      []sources.Pull  `json:"pulls,omitempty"`
	// HowToCheck are git commands of which the last one prints Tree, where pull
	// requests were merged.
	HowToCheck []string              `json:"how_to_check,omitempty"`
	Patches    []sources.Patch       `json:"patches,omitempty"`
	Changes    []requirements.Change `json:"changes"`
	Unmatched  []string              `json:"unmatched_rules,omitempty"`
	Left       []requirements.Left   `json:"left,omitempty"`
	Files      []string              `json:"files,omitempty"`
}

// Wheel is a built wheel and what it was built with.
type Wheel struct {
	Name        string        `json:"name"`
	File        string        `json:"file"`
	Version     string        `json:"version"`
	SHA256      string        `json:"sha256"`
	Size        int64         `json:"size"`
	Environment []string      `json:"environment,omitempty"`
	Shims       []recipe.Shim `json:"shims,omitempty"`
	Requires    []Pin         `json:"build_requirements"`
	// Contents are the repositories that its CMake files would have fetched.
	Contents []Content `json:"fetchcontent,omitempty"`
	// Repairs are the changes of a METADATA that contradicted the build.
	Repairs []requirements.Change `json:"repairs,omitempty"`
	// Sandbox is "none" for a wheel that was built unconfined; else it is left out.
	Sandbox string `json:"sandbox,omitempty"`
	// Root is this host's system for a wheel that was built on it, not on the base.
	Root *base.HostRoot `json:"root,omitempty"`
}

// Content is a repository that a wheel's CMake files ask for.
type Content struct {
	Name       string          `json:"name"`
	URL        string          `json:"url"`
	Ref        string          `json:"ref"`
	Commit     string          `json:"commit"`
	Tree       string          `json:"tree"`
	Submodules []git.Submodule `json:"submodules,omitempty"`
	Patches    []sources.Patch `json:"patches,omitempty"`
}

// Pin is a file: a distribution of an environment, or a package.
type Pin struct {
	File   string `json:"file"`
	SHA256 string `json:"sha256"`
}

// JSON is the record's text, indented and with a final newline.
func (r *Record) JSON() ([]byte, error) {
	var out bytes.Buffer
	if err := host.WriteJSON(&out, r); err != nil {
		return nil, fmt.Errorf("encoding build.json: %w", err)
	}
	return out.Bytes(), nil
}

// New is the record of a build before anything is made: what recipe and lock say.
func New(r *recipe.Recipe, l *recipe.Lock) *Record {
	rec := &Record{
		Recipe: r.Name, RecipeDigest: l.RecipeDigest, Platform: l.Platform, Python: l.Python,
		Base: Base{Digest: l.Base.Digest}, Sources: []Source{}, Wheels: []Wheel{},
	}
	if l.Base.Reference.Remote() {
		rec.Base.Reference = l.Base.Reference.String()
	}
	for _, d := range l.Packages.For(false) {
		rec.Packages = append(rec.Packages, Pin{d.File(), d.SHA256})
	}
	for _, d := range l.Packages.For(true) {
		rec.BuildPackages = append(rec.BuildPackages, Pin{d.File(), d.SHA256})
	}
	for _, s := range r.Sources {
		locked, ok := l.Source(s.Name)
		switch {
		case ok && locked.Dirty:
			rec.Elsewhere = append(rec.Elsewhere, fmt.Sprintf("source %s: uncommitted changes in %s on %s", s.Name, locked.URL, locked.Head))
		case ok && s.Local:
			rec.Elsewhere = append(rec.Elsewhere, fmt.Sprintf("source %s: commit %s of the local repository %s", s.Name, locked.Commit, locked.URL))
		}
	}
	if len(l.UV) > 0 {
		rec.UV = l.UV[0].Version
	}
	return rec
}

// NewSource is a source with what was done to its tree.
func NewSource(src recipe.Source, l recipe.LockedSource, t *sources.Tree) Source {
	changes := t.Changes
	if changes == nil {
		changes = []requirements.Change{}
	}
	return Source{
		Name: l.Name, URL: l.URL, Ref: l.Ref, Commit: l.Commit, Dirty: l.Dirty, Head: l.Head, Time: l.Time.UTC(), Tree: l.Tree, Version: l.Version,
		Submodules: t.Submodules, Pulls: t.Pulls, HowToCheck: sources.HowToCheck(l), Patches: t.Patches, Changes: changes, Unmatched: t.Unmatched, Left: t.Left, Files: slices.Sorted(maps.Keys(src.Files)),
	}
}

// NewWheel is a wheel that was built.
func NewWheel(b wheels.Plan, w *wheels.Wheel) Wheel {
	out := Wheel{
		Name: w.Name, File: w.File, Version: w.Version, SHA256: w.SHA256, Size: w.Size,
		Environment: b.Environment(), Shims: b.Recipe.Shims, Requires: Pins(w.Requires), Repairs: w.Repairs, Root: b.Host,
	}
	for _, c := range b.Contents {
		out.Contents = append(out.Contents, Content{
			Name: c.Locked.Name, URL: c.Locked.URL, Ref: c.Locked.Ref, Commit: c.Locked.Commit, Tree: c.Locked.Tree,
			Submodules: c.Tree.Submodules, Patches: c.Tree.Patches,
		})
	}
	if b.Isolation == sandbox.None {
		out.Sandbox = string(b.Isolation)
	}
	return out
}

// Pins are the files of pins; never nil.
func Pins(pins []index.Pin) []Pin {
	out := []Pin{}
	for _, p := range pins {
		out = append(out, Pin{p.File, p.SHA256})
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
