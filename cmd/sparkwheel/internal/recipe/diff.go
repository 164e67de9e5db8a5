package recipe

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

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
	say("python", before.Python, after.Python)
	say("driver", before.Driver, after.Driver)
	diffPackages(before.Packages, after.Packages, say)
	for _, s := range after.Sources {
		old, ok := before.Source(s.Name)
		if !ok {
			old = &LockedSource{}
		}
		say(s.Name, strings.TrimSpace(old.Ref+" "+old.Commit), s.Ref+" "+s.Commit)
	}
	diffPulls(before, after, say)
	for _, f := range after.UV {
		i := slices.IndexFunc(before.UV, func(o LockedUV) bool { return o.Platform == f.Platform })
		old := LockedUV{}
		if i >= 0 {
			old = before.UV[i]
		}
		say("uv "+f.Platform, old.File, f.File)
	}
	for _, w := range after.Wheels {
		old, ok := before.Wheel(w.Name)
		if !ok {
			old = &LockedWheel{}
		}
		say("build environment of "+w.Name, old.SHA256, w.SHA256)
		diffContents(old, &w, say)
	}
	diffIndexes(before.Indexes, after.Indexes, say)
	for _, f := range after.Files {
		old, ok := before.File(f.Name)
		if !ok {
			old = &LockedFile{}
		}
		say("file "+f.Name, old.SHA256, f.SHA256)
	}
	for _, m := range after.Manifests {
		old, ok := before.Manifest(m.Name)
		if !ok {
			old = &LockedManifest{}
		}
		say("manifest "+m.Name, old.SHA256, m.SHA256)
	}
	return lines
}

func diffPulls(before, after *Lock, say func(name, a, b string)) {
	for _, s := range after.Sources {
		old, ok := before.Source(s.Name)
		if !ok {
			old = &LockedSource{}
		}
		for _, p := range s.Pulls {
			was := ""
			for _, o := range old.Pulls {
				if o.Number == p.Number {
					was = o.Head
				}
			}
			say(fmt.Sprintf("%s: pull request %d", s.Name, p.Number), was, p.Head)
		}
	}
}
