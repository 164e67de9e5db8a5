package packages

import (
	"strings"

	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/recipe"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/store"
	"github.com/sparkwheel/sparkwheel/wheel/sandbox"
)

// Set are packages that are installed together: the image's, or those
// for builds alone on top of them.
type Set struct {
	Name   string
	Debs   []recipe.LockedDeb
	asked  []string
	again  bool   // also where the root has a package of the same version
	Digest string // of the base with these packages; without any, what it was
	Key    store.Key
}

// Sets are the image's set and that of builds, over a base.
func Sets(base string, l *recipe.LockedPackages) [2]Set {
	var sets [2]Set
	if l != nil {
		sets[0] = Set{Name: "packages", Debs: l.For(false), asked: l.Image}
		sets[1] = Set{Name: "packages for builds", Debs: l.For(true), asked: l.Build}
	}
	for i := range sets {
		s := &sets[i]
		s.Digest = base
		if len(s.Debs) > 0 {
			s.Key = s.keyOver(base)
			s.Digest = "sha256:" + s.Key.String()
		}
		base = s.Digest
	}
	return sets
}

// keyOver names a base with the packages by all that it is made from.
func (s *Set) keyOver(base string) store.Key {
	h := store.NewHash(s.Name).Field("form", "2").Field("sandbox", sandbox.Version).Field("base", base)
	h = h.Field("asked", strings.Join(s.asked, " "))
	for _, d := range s.Debs {
		h = h.Field("package "+d.Name+" "+d.Architecture, d.SHA256)
	}
	return h.Key()
}

// Digests name the roots that a lock's packages make of its base.
func Digests(l *recipe.Lock) []string {
	var digests []string
	for _, s := range Sets(l.Base.Digest, l.Packages) {
		digests = append(digests, s.Digest)
	}
	return digests
}
