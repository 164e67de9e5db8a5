// Package recipe reads what the user asks for (a recipe) and what that meant on
// the day it was asked (a lock). A recipe names; a lock pins.
package recipe

import (
	"embed"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/imagename"
	"github.com/sparkwheel/sparkwheel/git"
)

//go:embed recipes
var embedded embed.FS

// Recipe is one recipe, checked: every name in it refers to something in it.
// The zero value of a field means that the recipe leaves it open.
type Recipe struct {
	Name   string // the embedded recipe's name, else the file's name without .toml
	Path   string // the file it was read from, "" for an embedded one
	Digest string // sha256:<hex> of what the recipe and those that it extends say, see meaning
	// TextDigest is that of their texts, which locks of earlier versions have.
	TextDigest string
	// Parents are the files of the recipes that it extends; the embedded ones are
	// not among them.
	Parents []string
	Target  Target
	Base    imagename.Name
	UV      string // version of uv, from the Python index
	// ExcludeNewer (YYYY-MM-DD or RFC 3339) keeps what was uploaded later out of
	// every resolution: a cool-down date.
	ExcludeNewer string
	// Missing lists what the recipe needs and sparkwheel does not reach yet; a
	// build of a recipe with a non-empty list is refused with the list.
	Missing []string
	// Constraints are requirement lines that hold for the runtime and for every
	// build environment, wherever they have the distribution at all.
	Constraints []string
	// ABI are distributions that compiled code depends on by their version: a build
	// must have the runtime's.
	ABI       []string
	GPU       *GPU // nil demands nothing of GPU code
	Packages  Packages
	Sources   []Source
	Builds    []Build // in the order in which they are made, before the wheels
	Wheels    []Wheel
	Files     []File
	Manifests []Manifest
	Indexes   []Index
	// SameVersion are groups of wheels that must have one version, local part
	// included.
	SameVersion [][]string
	Runtime     Runtime
	Image       Image
}

// Dir is where the recipe's own files, such as patches, are looked for.
func (r *Recipe) Dir() string {
	if r.Path == "" {
		return "."
	}
	return filepath.Dir(r.Path)
}

// Target is what the wheels and the image are for.
type Target struct {
	Platform string // "linux/arm64", or "host"
	Python   string // "3.12", or "base": what the base's interpreter answers
	CUDA     string // the CUDA release, "" for none
	GPUArch  string // "12.1a", "" for none
}

// Source is one repository at a ref, and what is done to its tree.
type Source struct {
	Name       string
	Git        git.Source
	Version    string                     // "scm", "tag" or a version
	Date       string                     // YYYY-MM-DD of dirty scm versions; "" is the commit's day
	Marker     string                     // file that records the commit beside the wheels, such as .vllm-commit
	Submodules []string                   // paths, or "*" for all
	Submodule  map[string]SubmoduleSource // path -> where it is taken from instead
	Rewrite    Rewrite                    // rules on its requirement files
	Files      map[string]string          // text files written into the tree; values are expanded (see Expand)
	Pulls      []int                      // pull requests that are merged into it before the patches, in their order
	Patches    []Patch                    // in the order in which they are applied
	// Local says that the repository is one of this host's: Git.URL is a path from
	// the recipe's directory, or a file URL.
	Local bool
	// Dirty takes what is checked out there with its uncommitted changes.
	Dirty bool
	// Pointers lets a tree with pointers of Git LFS be built.
	Pointers bool
}

// SubmoduleSource is what a submodule is taken from instead of what the tree
// says; without a Ref, the tree's own commit is taken from URL.
type SubmoduleSource struct{ URL, Ref string }

// Rewrite are the rules on a tree's requirement files.
type Rewrite struct {
	Drop      []string
	Pin       map[string]string
	Files     []string
	MustMatch bool
}

// Wheel is one wheel to build from a source.
type Wheel struct {
	Name         string
	Source       string
	Subdirectory string
	Distribution string            // the distribution expected, normalised
	Environment  map[string]string // values are expanded (see Expand)
	Requires     []string          // build requirements beside build-system.requires
	Config       map[string]string // PEP 517 config settings
	Shims        []Shim
	// Inputs are what the build sees beside its source, read-only: the name of a
	// file or manifest of the recipe -> an absolute path, or one in the source's tree.
	Inputs map[string]string
	// TrackedFiles is where the list of the checkout's files is written before
	// the build. A backend that asks git which files belong to a package (as
	// setuptools-scm does for package data) reads it there, without git.
	TrackedFiles string
	Frontend     string // "uv" or "pip"
	MemoryPerJob int64  // bytes, 0 when the recipe does not say
	// Root is what the build sees as its system: "base", or "host" for this
	// host's own /usr, read-only, which no lock pins.
	Root string
	// CPUs fixes how many processors the build sees and how many jobs it is told
	// to run, for a backend whose wheel depends on either; 0 means the host's.
	CPUs int
	// GPU judges what was built and is no input of the build; nil leaves the recipe's.
	GPU          *GPU          `json:"-"`
	FetchContent *FetchContent // nil leaves what CMake fetches alone
	Repair       bool          // mend a METADATA that contradicts the build instead of refusing it
	Repack       bool          // repack the wheel canonically
	// Missing says why it cannot be built yet, "" that it can.
	Missing string `json:"-"`
	// MustContain are patterns of files that the wheel must have, in the form of
	// package doublestar.
	MustContain []string `json:"-"`
	// Prebuilt are patterns of files whose GPU code is not compiled by the build.
	Prebuilt []string `json:"-"`
	// LeaveOut are patterns of files that the wheel does without when it is
	// repacked, in the form of package doublestar.
	LeaveOut []string `json:",omitempty"`
}

// Shim is a distribution made of the recipe's own text, in place of a real one
// that the build imports but does not need.
type Shim struct {
	Name    string
	Version string
	Files   map[string]string
}

// Runtime is the set of published distributions installed beside the wheels.
type Runtime struct {
	Requires  []string
	Files     map[string][]string // source -> requirement files of its rewritten tree
	Overrides []string
	Excludes  []string
	Complete  bool // an absent requirement is a fault, not a warning
	// Provided are distributions of the set that are not installed because a Debian
	// package of the image has what they bring: name -> package.
	Provided map[string]string
}

// Empty says that the recipe installs nothing beside its wheels.
func (r Runtime) Empty() bool { return len(r.Requires)+len(r.Files) == 0 }

// Image is what the image's configuration adds to the base's.
type Image struct {
	WorkDir     string
	Environment map[string]string
	Labels      map[string]string
	Entrypoint  []string
	Cmd         []string
	Groups      map[string][]string // layer group -> distributions
	Budget      int                 // most layers that the wheels may take, 0 for the default
	Over        []Over
	// Shadow are distributions that may stand beside one that a Debian package of
	// the base has installed elsewhere on Python's path.
	Shadow []string
}

// Over settles which of two distributions has its way where both write one
// path with different bytes. Both stand in one layer.
type Over struct{ Winner, Loser string }

// Load reads a recipe: a file's path, or the name of an embedded recipe where
// no such file exists. Its errors show line, column and, for an unknown key,
// the nearest known one; they are all errors of the recipe, never of the host.
func Load(name string) (*Recipe, error) {
	p, err := find(name, "")
	if err != nil {
		return nil, err
	}
	return Parse(p.name, p.path, p.text)
}

// Names lists the embedded recipes, sorted.
func Names() []string {
	entries, _ := embedded.ReadDir("recipes")
	var names []string
	for _, e := range entries {
		if name, ok := strings.CutSuffix(e.Name(), ".toml"); ok {
			names = append(names, name)
		}
	}
	return names
}

// Parse reads a recipe's text, and the recipes that it extends, which it looks
// for beside path. Name and path are what errors and locks call it.
func Parse(name, path string, text []byte) (*Recipe, error) {
	parts, err := chain(&part{name: name, path: path, text: text})
	if err != nil {
		return nil, err
	}
	s, err := merged(parts)
	if err != nil {
		return nil, err
	}
	r := s.recipe()
	r.Name, r.Path, r.TextDigest = name, path, digestOf(parts)
	if r.Digest, err = meaning(parts); err != nil {
		return nil, fmt.Errorf("%s: %w", parts[0].label(), err)
	}
	for _, p := range parts[1:] {
		if p.path != "" {
			r.Parents = append(r.Parents, p.path)
		}
	}
	if err := r.check(); err != nil {
		return nil, fmt.Errorf("%s: %w", parts[0].label(), err)
	}
	return r, nil
}

// Source returns the source of that name.
func (r *Recipe) Source(name string) (*Source, bool) {
	i := slices.IndexFunc(r.Sources, func(s Source) bool { return s.Name == name })
	if i < 0 {
		return nil, false
	}
	return &r.Sources[i], true
}

func (r *Recipe) sourceNames() []string {
	var names []string
	for _, s := range r.Sources {
		names = append(names, s.Name)
	}
	return names
}
