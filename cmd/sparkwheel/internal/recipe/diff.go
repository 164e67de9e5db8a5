package recipe

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/pelletier/go-toml/v2"
)

// sayer adds a line to a diff where the two values differ; "" is none.
type sayer func(name, before, after string)

// Diff shows what an update changed, a line each: name, old -> new.
func Diff(before, after *Lock) []string {
	var lines []string
	say := func(name, a, b string) {
		if a != b {
			lines = append(lines, fmt.Sprintf("%s: %s -> %s", name, cmp.Or(a, "none"), cmp.Or(b, "none")))
		}
	}
	say("base", before.Base.Digest, after.Base.Digest)
	say("base index", before.Base.Index, after.Base.Index)
	say("platform", before.Platform, after.Platform)
	say("python", before.Python, after.Python)
	say("driver", before.Driver, after.Driver)
	diffPackages(before.Packages, after.Packages, say)
	diffNamed(before.Sources, after.Sources, func(s LockedSource) (string, string) { return s.Name, s.Ref + " " + s.Commit }, say)
	diffNamed(before.Sources, after.Sources, func(s LockedSource) (string, string) { return "version of " + s.Name, s.Version }, say)
	diffNamed(pulls(before), pulls(after), func(p pullOf) (string, string) {
		return fmt.Sprintf("%s: pull request %d", p.source, p.Number), p.Head
	}, say)
	diffNamed(before.UV, after.UV, func(f LockedUV) (string, string) { return "uv " + f.Platform, f.File }, say)
	for _, w := range after.Wheels {
		old, ok := before.Wheel(w.Name)
		if !ok {
			old = &LockedWheel{}
		}
		diffSets("build environment of "+w.Name, &old.LockedSet, &w.LockedSet, say)
		diffContents(old, &w, say)
	}
	for _, w := range before.Wheels {
		if _, ok := after.Wheel(w.Name); !ok {
			say("build environment of "+w.Name, w.SHA256, "")
		}
	}
	diffSets("runtime", before.Runtime, after.Runtime, say)
	diffNamed(before.Indexes, after.Indexes, func(x LockedIndex) (string, string) { return "index " + x.Name, x.URL }, say)
	diffNamed(before.Files, after.Files, func(f LockedFile) (string, string) { return "file " + f.Name, f.SHA256 }, say)
	diffNamed(before.Manifests, after.Manifests, func(m LockedManifest) (string, string) { return "manifest " + m.Name, m.SHA256 }, say)
	return lines
}

// diffNamed compares things by name, those of after in their order and then
// those that are gone.
func diffNamed[T any](before, after []T, of func(T) (name, value string), say sayer) {
	old := map[string]string{}
	for _, x := range before {
		name, value := of(x)
		old[name] = value
	}
	for _, x := range after {
		name, value := of(x)
		say(name, old[name], value)
		delete(old, name)
	}
	for _, name := range slices.Sorted(maps.Keys(old)) {
		say(name, old[name], "")
	}
}

// diffSets compares two environments, nil for none: by their distributions, or
// where these are the same or unknown, by their hashes.
func diffSets(name string, before, after *LockedSet, say sayer) {
	old, now := cmp.Or(before, &LockedSet{}), cmp.Or(after, &LockedSet{})
	if old.SHA256 == now.SHA256 {
		return
	}
	a, b := old.distributions(), now.distributions()
	if a == nil || b == nil || slices.Equal(a, b) {
		say(name, old.SHA256, now.SHA256)
		return
	}
	diffNamed(a, b, func(d string) (string, string) {
		distribution, version, _ := strings.Cut(d, " ")
		return name + ": " + distribution, version
	}, say)
}

// distributions are those of a set as "NAME VERSION"; nil where its text is not
// known.
func (s *LockedSet) distributions() []string {
	var pylock struct {
		Packages []struct{ Name, Version string }
	}
	if len(s.Text) == 0 || toml.Unmarshal(s.Text, &pylock) != nil {
		return nil
	}
	all := []string{}
	for _, p := range pylock.Packages {
		all = append(all, p.Name+" "+p.Version)
	}
	slices.Sort(all)
	return all
}

// pullOf is a pull request with the source that it is merged into.
type pullOf struct {
	source string
	LockedPull
}

func pulls(l *Lock) (all []pullOf) {
	for _, s := range l.Sources {
		for _, p := range s.Pulls {
			all = append(all, pullOf{s.Name, p})
		}
	}
	return all
}
