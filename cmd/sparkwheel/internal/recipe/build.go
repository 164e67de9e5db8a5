package recipe

import (
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"
)

// Build is a build that makes no wheel by a backend: commands in the sandbox,
// and what they leave.
type Build struct {
	Name         string
	Source       string
	Subdirectory string
	Packages     []string          // Debian packages that this build alone sees
	Environment  map[string]string // values are expanded (see Expand)
	Steps        [][]string        // commands, expanded; {jobs} is the number of jobs
	Inputs       map[string]string // as a wheel's
	MemoryPerJob int64
	CPUs         int
	// Debs are globs of the packages that it makes, each of one file
	// NAME_VERSION_ARCHITECTURE.deb whose NAME stands before the first underscore.
	Debs []string
	// Files are put into the image: absolute path -> glob of one file.
	Files map[string]string
	// Tree is a directory that other builds may name among their inputs.
	Tree string
	// Wheels are globs of wheels, which go into the image.
	Wheels []string
	// Install says where Debs are installed: "build" for the builds after this
	// one and all wheels, "image" for the image.
	Install []string
	// GPU judges what it made, as a wheel's does; nil leaves the recipe's.
	GPU *GPU `json:"-"`
	// Missing says why it cannot be built yet, "" that it can.
	Missing string `json:"-"`
}

// Installs says whether the build's packages are installed there.
func (b Build) Installs(where string) bool {
	return len(b.Debs) > 0 && slices.Contains(b.Install, where)
}

// DebName is the package that a glob of Debs must give.
func DebName(glob string) string {
	name, _, _ := strings.Cut(path.Base(glob), "_")
	return name
}

// Build returns the build of that name.
func (r *Recipe) Build(name string) (*Build, bool) {
	i := slices.IndexFunc(r.Builds, func(b Build) bool { return b.Name == name })
	if i < 0 {
		return nil, false
	}
	return &r.Builds[i], true
}

type buildShape struct {
	Name         string            `toml:"name"`
	Source       string            `toml:"source"`
	Subdirectory string            `toml:"subdirectory"`
	Packages     []string          `toml:"packages" merge:"add"`
	Environment  map[string]string `toml:"environment"`
	Steps        [][]string        `toml:"steps"`
	Inputs       map[string]string `toml:"inputs"`
	MemoryPerJob string            `toml:"memory-per-job"`
	CPUs         int               `toml:"cpus"`
	Debs         []string          `toml:"debs"`
	Files        map[string]string `toml:"files"`
	Tree         string            `toml:"tree"`
	Wheels       []string          `toml:"wheels"`
	Install      []string          `toml:"install"`
	GPU          *gpuShape         `toml:"gpu"`
	Missing      string            `toml:"missing"`
}

func (x buildShape) build() Build {
	return Build{
		Name: x.Name, Source: x.Source, Subdirectory: x.Subdirectory, Packages: x.Packages, Environment: x.Environment, Steps: x.Steps,
		Inputs: x.Inputs, MemoryPerJob: parseSize(x.MemoryPerJob), CPUs: x.CPUs,
		Debs: x.Debs, Files: x.Files, Tree: x.Tree, Wheels: x.Wheels, Install: x.Install,
		GPU: x.GPU.gpu("*"), Missing: x.Missing,
	}
}

func (r *Recipe) checkBuilds() []error {
	var faults []error
	seen := map[string]bool{}
	for _, w := range r.Wheels {
		seen[w.Name] = true
	}
	for i, b := range r.Builds {
		bad := func(format string, args ...any) {
			faults = append(faults, fmt.Errorf("build %q: "+format, append([]any{b.Name}, args...)...))
		}
		if !nameRE.MatchString(b.Name) {
			bad("a build's name consists of lower-case letters, digits and dashes")
		}
		if reserved(b.Name) {
			bad("that name is reserved")
		}
		if seen[b.Name] {
			bad("another build or wheel has that name")
		}
		seen[b.Name] = true
		if _, ok := r.Source(b.Source); !ok {
			bad("no [[source]] is named %q; choose from %s", b.Source, strings.Join(r.sourceNames(), ", "))
		}
		b.check(bad)
		for _, name := range slices.Sorted(maps.Keys(b.Inputs)) {
			if other, ok := r.Build(name); ok && (other.Tree == "" || slices.IndexFunc(r.Builds, func(x Build) bool { return x.Name == name }) >= i) {
				bad("inputs: build %q is not one before it that has a tree", name)
			}
		}
	}
	return faults
}

// check looks at what the build says by itself.
func (b Build) check(bad func(format string, args ...any)) {
	if b.Subdirectory != "" && !localPath(b.Subdirectory) {
		bad("subdirectory %q leaves the tree", b.Subdirectory)
	}
	if len(b.Steps) == 0 || slices.ContainsFunc(b.Steps, func(s []string) bool { return len(s) == 0 || s[0] == "" }) {
		bad("steps: at least one is needed, and each is a list of words that begins with a program")
	}
	if len(b.Debs)+len(b.Files)+len(b.Wheels) == 0 && b.Tree == "" {
		bad("it makes nothing: name debs, files, wheels or tree")
	}
	for _, glob := range slices.Concat(b.Debs, b.Wheels, slices.Collect(maps.Values(b.Files)), trees(b.Tree)) {
		if _, err := path.Match(glob, ""); err != nil || !localPath(glob) {
			bad("%q is not a path pattern below its source", glob)
		}
	}
	for _, glob := range b.Debs {
		if name := DebName(glob); strings.Contains(name, "=") || !packageRE.MatchString(name) {
			bad("debs: %q does not begin with a package name and an underscore", glob)
		}
	}
	for _, where := range b.Install {
		if where != "build" && where != "image" {
			bad("install: %q is neither build nor image", where)
		}
	}
	if len(b.Install) > 0 && len(b.Debs) == 0 {
		bad("install applies to debs, but there are none")
	}
	for _, name := range b.Packages {
		if !packageRE.MatchString(name) {
			bad("packages: %q is neither a package name nor NAME=VERSION", name)
		}
	}
	for k := range b.Environment {
		if !envRE.MatchString(k) {
			bad("environment: %q is not a variable name", k)
		}
	}
	if b.MemoryPerJob < 0 {
		bad("memory-per-job is not a size such as 6GiB")
	}
	if b.CPUs < 0 || b.CPUs > 1024 {
		bad("cpus %d is not a number of CPUs", b.CPUs)
	}
}

func trees(tree string) []string {
	if tree == "" {
		return nil
	}
	return []string{tree}
}

// reserved are names that targets and upgrades have for other things.
func reserved(name string) bool {
	return slices.Contains([]string{"wheels", "image", "runtime", "base", "uv", "packages"}, name)
}
