package recipe

import (
	"cmp"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
)

// Packages are the Debian packages that the recipe adds to its base. apt
// resolves them, against the base's own packages, sources and keys.
type Packages struct {
	Image []string // in the image, and seen by every build
	Build []string // seen by builds alone
	// Alone are those that one [[build]] sees beside them, by its name.
	Alone    map[string][]string
	Snapshot string // a moment of the archives, as apt-get --snapshot takes it
	Sources  []PackageSource
}

// PackageSource is an archive beside those that the base names.
type PackageSource struct {
	Name   string
	Deb822 string // its stanza, without Signed-By
	Key    string // the armoured public key that its index must be signed with
}

// Empty says that the recipe adds no packages.
func (p Packages) Empty() bool { return len(p.Image)+len(p.Build)+len(p.Alone) == 0 }

// Names are the packages that the recipe asks for, sorted, each once.
func (p Packages) Names() []string {
	var names []string
	for _, asked := range p.asked() {
		name, _, _ := strings.Cut(asked, "=")
		names = append(names, name)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// asked are all that the recipe asks for, some of them twice.
func (p Packages) asked() []string {
	all := slices.Concat(p.Image, p.Build)
	for _, name := range slices.Sorted(maps.Keys(p.Alone)) {
		all = append(all, p.Alone[name]...)
	}
	return all
}

// archives is the digest of all that decides which versions there are, beside
// the base and the day.
func (p Packages) archives() string {
	if p.Snapshot == "" && len(p.Sources) == 0 {
		return ""
	}
	return digest(fmt.Appendf(nil, "%q %q", p.Snapshot, p.Sources))
}

// LockedPackages are the .deb files that the base lacks for what was asked.
type LockedPackages struct {
	Image    []string            `toml:"image,omitempty" comment:"asked for in the image"`
	Build    []string            `toml:"build,omitempty" comment:"asked for in builds alone"`
	Alone    map[string][]string `toml:"alone,omitempty" comment:"asked for in one build alone"`
	Archives string              `toml:"archives,omitempty" comment:"of the recipe's own sources and snapshot"`
	Debs     []LockedDeb         `toml:"deb"`
}

// LockedDeb is one .deb file.
type LockedDeb struct {
	Name         string `toml:"name"`
	Version      string `toml:"version"`
	Architecture string `toml:"architecture"`
	URL          string `toml:"url"`
	SHA256       string `toml:"sha256"`
	Size         int64  `toml:"size"`
	BuildOnly    bool   `toml:"build-only,omitempty"`
	// Alone names the builds that see it, when it is for single ones.
	Alone []string `toml:"alone,omitempty"`
}

// NewPackages pins the debs that were found for p.
func NewPackages(p Packages, debs []LockedDeb) *LockedPackages {
	l := &LockedPackages{Image: p.Image, Build: p.Build, Alone: p.Alone, Archives: p.archives(), Debs: debs}
	slices.SortFunc(l.Debs, func(a, b LockedDeb) int {
		return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.Architecture, b.Architecture), cmp.Compare(a.Version, b.Version))
	})
	return l
}

// Answers says that the lock holds what p asks, in the archives that p names.
func (l *LockedPackages) Answers(p Packages) bool {
	return l != nil && slices.Equal(l.Image, p.Image) && slices.Equal(l.Build, p.Build) && maps.EqualFunc(l.Alone, p.Alone, slices.Equal) && l.Archives == p.archives()
}

// File is the name that apt gives the file, but for the colon of a version.
func (d LockedDeb) File() string { return d.Name + "_" + d.Version + "_" + d.Architecture + ".deb" }

// All are the debs of the image and of builds; none of a nil lock.
func (l *LockedPackages) All() []LockedDeb {
	if l == nil {
		return nil
	}
	return l.Debs
}

// For are the debs of the image, or those that builds see beside them.
func (l *LockedPackages) For(build bool) []LockedDeb {
	if l == nil {
		return nil
	}
	return slices.DeleteFunc(slices.Clone(l.Debs), func(d LockedDeb) bool { return len(d.Alone) > 0 || d.BuildOnly != build })
}

// ForBuild are the debs that the build of that name sees beside those of all builds.
func (l *LockedPackages) ForBuild(name string) []LockedDeb {
	if l == nil {
		return nil
	}
	return slices.DeleteFunc(slices.Clone(l.Debs), func(d LockedDeb) bool { return !slices.Contains(d.Alone, name) })
}

var (
	packageRE = regexp.MustCompile(`^[a-z0-9][a-z0-9+.-]*[a-z0-9+.](=[A-Za-z0-9.+:~-]+)?$`)
	// These would let an index through that no key vouches for.
	unsignedRE = regexp.MustCompile(`(?im)^(signed-by|trusted|allow-insecure|allow-weak|allow-downgrade-to-insecure):`)
)

func (p Packages) check() []error {
	var faults []error
	bad := func(format string, args ...any) { faults = append(faults, fmt.Errorf("packages: "+format, args...)) }
	for _, name := range append(slices.Clone(p.Image), p.Build...) {
		if !packageRE.MatchString(name) {
			bad("%q is neither a package name nor NAME=VERSION", name)
		}
	}
	for _, name := range p.Build {
		if slices.Contains(p.Image, name) {
			bad("%s occurs in image and in build; image is enough", name)
		}
	}
	if strings.HasPrefix(p.Snapshot, "-") || strings.ContainsAny(p.Snapshot, " \t\n") {
		bad("snapshot %q is not a time such as 20261101T000000Z", p.Snapshot)
	}
	seen := map[string]bool{}
	for _, s := range p.Sources {
		switch {
		case !nameRE.MatchString(s.Name):
			bad("source %q: a source's name consists of lower-case letters, digits and dashes", s.Name)
		case seen[s.Name]:
			bad("source %q occurs twice", s.Name)
		case s.Deb822 == "" || !strings.Contains(s.Key, "-----BEGIN PGP PUBLIC KEY BLOCK-----"):
			bad("source %q: deb822 and key (an armoured public key) are both needed", s.Name)
		case unsignedRE.MatchString(s.Deb822):
			bad("source %q: deb822 has %s; sparkwheel adds Signed-By itself and accepts no unsigned index", s.Name, unsignedRE.FindString(s.Deb822))
		case strings.Contains(strings.TrimSpace(s.Deb822), "\n\n"):
			bad("source %q: deb822 is one stanza; add another source", s.Name)
		}
		seen[s.Name] = true
	}
	return faults
}

// diffPackages shows what an update changed among the debs.
func diffPackages(before, after *LockedPackages, say func(name, a, b string)) {
	versions := func(l *LockedPackages) map[string]string {
		all := map[string]string{}
		if l != nil {
			for _, d := range l.Debs {
				all["package "+d.Name] = d.Version
			}
		}
		return all
	}
	was, is := versions(before), versions(after)
	names := map[string]bool{}
	for _, m := range []map[string]string{was, is} {
		for name := range m {
			names[name] = true
		}
	}
	for _, name := range slices.Sorted(maps.Keys(names)) {
		say(name, was[name], is[name])
	}
}
