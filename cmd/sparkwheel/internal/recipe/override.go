package recipe

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/imagename"
)

// Override is what one run asks instead of what the recipe says.
type Override struct {
	Refs map[string]string // source name -> ref
	Base imagename.Name    // the zero one keeps the recipe's
}

// With returns the recipe as the override wants it. Naming a source that the
// recipe lacks is an error listing those it has.
func (r *Recipe) With(o Override) (*Recipe, error) {
	c := *r
	c.Sources = slices.Clone(r.Sources)
	for name, ref := range o.Refs {
		s, ok := c.Source(name)
		if !ok {
			return nil, fmt.Errorf("recipe %s has no source %q; it has %s", r.Name, name, strings.Join(r.sourceNames(), ", "))
		}
		s.Git.Ref = ref
	}
	if !o.Base.IsZero() {
		c.Base = o.Base
	}
	return &c, nil
}

// flags are those that ask for the override.
func (o Override) flags() string {
	var all strings.Builder
	for _, name := range slices.Sorted(maps.Keys(o.Refs)) {
		all.WriteString(" --ref " + name + "=" + o.Refs[name])
	}
	if !o.Base.IsZero() {
		all.WriteString(" --base " + o.Base.String())
	}
	return all.String()
}

// Remember notes in the lock what was asked for instead of what r says, so that
// a later edit of other parts of the recipe does not take it back.
func (l *Lock) Remember(r *Recipe) {
	for i := range l.Sources {
		s := &l.Sources[i]
		if own, ok := r.Source(s.Name); ok && own.Git.Ref != s.Ref {
			s.Instead = own.Git.Ref
		}
	}
	if !r.Base.Equal(l.Base.Reference) {
		l.Base.Instead = r.Base.String()
	}
}

// Overrides is what the lock was asked for instead of what the recipe said,
// where the recipe still says that.
func (l *Lock) Overrides(r *Recipe) Override {
	o := Override{Refs: map[string]string{}}
	for _, s := range l.Sources {
		if own, ok := r.Source(s.Name); ok && s.Instead != "" && own.Git.Ref == s.Instead {
			o.Refs[s.Name] = s.Ref
		}
	}
	if l.Base.Instead != "" && l.Base.Instead == r.Base.String() {
		o.Base = l.Base.Reference
	}
	return o
}

// Covers reports, as a *MismatchError, an override that the lock does not hold.
func (l *Lock) Covers(path string, r *Recipe, o Override) error {
	for _, name := range slices.Sorted(maps.Keys(o.Refs)) {
		s, ok := l.Source(name)
		if !ok || s.Ref != o.Refs[name] {
			held := "nothing"
			if ok {
				held = s.Ref
			}
			return &MismatchError{
				Path: path, Reason: fmt.Sprintf("it has %s at %s, not at %s", name, held, o.Refs[name]),
				Type: r.lockCommand(path) + " --ref " + name + "=" + o.Refs[name],
			}
		}
	}
	if !o.Base.IsZero() && !o.Base.Equal(l.Base.Reference) {
		return &MismatchError{
			Path: path, Reason: fmt.Sprintf("it has base %s, not %s", l.Base.Reference, o.Base),
			Type: r.lockCommand(path) + " --base " + o.Base.String(),
		}
	}
	return nil
}

// otherLock says which lock may have been meant where there is none at path:
// the one in its directory whose name is nearest, else the one beside the recipe.
func (r *Recipe) otherLock(path string) string {
	var names []string
	entries, _ := os.ReadDir(filepath.Dir(path))
	for _, e := range entries {
		if filepath.Ext(e.Name()) == ".lock" && !e.IsDir() {
			names = append(names, e.Name())
		}
	}
	found := ""
	if near := Nearest(filepath.Base(path), names); near != "" {
		found = filepath.Join(filepath.Dir(path), near)
	} else if own := r.LockPath(); own != "" && filepath.Clean(own) != filepath.Clean(path) {
		if _, err := os.Stat(own); err == nil {
			found = own
		}
	}
	if found == "" {
		return ""
	}
	return fmt.Sprintf(" (there is %s)", found)
}

// LockPath is where the lock of a recipe's file stands, beside it; "" for an
// embedded recipe.
func (r *Recipe) LockPath() string {
	if r.Path == "" {
		return ""
	}
	return strings.TrimSuffix(r.Path, filepath.Ext(r.Path)) + ".lock"
}
