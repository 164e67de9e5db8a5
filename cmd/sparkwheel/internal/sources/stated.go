package sources

import (
	"path"
	"strings"

	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/recipe"
	"github.com/sparkwheel/sparkwheel/requirements/pyconst"
	"github.com/sparkwheel/sparkwheel/requirements/version"
)

// Stated is a version that the recipe's own files state of a wheel.
type Stated struct {
	Version version.Version
	File    string // in the source's tree, which states it as __version__
}

// StatedVersion is the version that a Python module among the files that the
// recipe writes into the wheel's part of its source gives to __version__. It is
// not known where no such module is there, or two of them differ.
func StatedVersion(r *recipe.Recipe, w recipe.Wheel, l recipe.LockedSource, t Target) (stated Stated, ok bool) {
	src, _ := r.Source(w.Source)
	for name, text := range Files(*src, l, t) {
		if path.Ext(name) != ".py" || partOf(r, w.Source, name) != path.Clean(w.Subdirectory) {
			continue
		}
		module, err := pyconst.Parse(name, []byte(text))
		if err != nil {
			continue
		}
		says, err := module.String("__version__")
		if err != nil {
			continue
		}
		v, err := version.Parse(says)
		if err != nil {
			continue
		}
		if ok && !v.Equal(stated.Version) {
			return Stated{}, false
		}
		if !ok || name < stated.File {
			stated, ok = Stated{v, name}, true
		}
	}
	return stated, ok
}

// partOf is the deepest subdirectory of a wheel of the source that holds name.
func partOf(r *recipe.Recipe, source, name string) string {
	deepest := "."
	for _, w := range r.Wheels {
		dir := path.Clean(w.Subdirectory)
		if w.Source == source && len(dir) > len(deepest) && strings.HasPrefix(name, dir+"/") {
			deepest = dir
		}
	}
	return deepest
}
