package index

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/sparkwheel/sparkwheel/requirements/marker"
	"github.com/sparkwheel/sparkwheel/requirements/version"
	"github.com/sparkwheel/sparkwheel/wheel"
)

// Select names the one wheel of each distribution that a target needs: of the
// packages whose marker holds in env, the wheel whose tag stands first in tags
// (see wheel.Supported). Pins come sorted by name. Everything that is wrong comes at
// once, as a *SelectError.
func (p *Pylock) Select(tags []wheel.Tag, env marker.Environment) ([]Pin, error) {
	s := selection{env: env, rank: rank(tags)}
	if len(tags) > 0 {
		s.target = tags[0].String()
	}
	s.lockWide(p)
	chosen := map[string]bool{}
	var pins []Pin
	for _, pkg := range p.Packages {
		f, ok := s.choose(pkg)
		if !ok {
			continue
		}
		if chosen[pkg.Name] {
			s.fault(pkg, "occurs twice for this target: its markers overlap")
			continue
		}
		chosen[pkg.Name] = true
		if f.SHA256 == "" {
			s.fault(pkg, "has no sha256 of the wheel to install", f.Name)
			continue
		}
		pins = append(pins, f.Pin(pkg.Name))
	}
	if len(s.faults) > 0 {
		return nil, &SelectError{File: p.File, Target: s.target, Faults: s.faults}
	}
	slices.SortFunc(pins, func(a, b Pin) int { return cmp.Compare(a.Name, b.Name) })
	return pins, nil
}

// SelectError is all that keeps a lock from serving a target.
type SelectError struct {
	File, Target string // the lock; the target's best tag
	Faults       []SelectFault
}

// SelectFault is one distribution (or the lock as a whole, then Name is empty)
// and why no wheel of it can be taken. Have lists the files that there are.
type SelectFault struct {
	Name, Version, Reason string
	Have                  []string
}

func (e *SelectError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "choosing the wheels of %s for %s:", e.File, e.Target)
	for _, f := range e.Faults {
		b.WriteString("\n  ")
		if f.Name != "" {
			b.WriteString(strings.TrimSpace(f.Name+" "+f.Version) + " ")
		}
		b.WriteString(f.Reason)
		for _, h := range shorten(f.Have) {
			b.WriteString("\n    " + h)
		}
	}
	return b.String()
}

// shorten keeps a list readable.
func shorten(all []string) []string {
	const most = 12
	if len(all) <= most {
		return all
	}
	return append(slices.Clone(all[:most]), fmt.Sprintf("and %d more", len(all)-most))
}

type selection struct {
	env    marker.Environment
	rank   ranking
	target string
	faults []SelectFault
}

func (s *selection) fault(pkg Package, reason string, have ...string) {
	s.faults = append(s.faults, SelectFault{Name: pkg.Name, Version: pkg.Version, Reason: reason, Have: have})
}

// lockWide checks what holds for the lock as a whole (PEP 751, environments
// and requires-python).
func (s *selection) lockWide(p *Pylock) {
	s.python(Package{}, p.RequiresPython)
	if len(p.Environments) == 0 {
		return
	}
	for _, m := range p.Environments {
		if s.holds(Package{}, m) {
			return
		}
	}
	s.fault(Package{}, "the lock is for other environments:", p.Environments...)
}

// choose returns the wheel to take; false when none is needed or, with a
// fault noted, there is none.
func (s *selection) choose(pkg Package) (File, bool) {
	if pkg.Marker != "" && !s.holds(pkg, pkg.Marker) {
		return File{}, false
	}
	if !s.python(pkg, pkg.RequiresPython) {
		return File{}, false
	}
	if pkg.Source != "" {
		s.fault(pkg, "comes from a "+pkg.Source+" entry, which has no wheel")
		return File{}, false
	}
	if f, ok := s.rank.best(pkg.Wheels); ok {
		return f, true
	}
	have := names(pkg.Wheels)
	switch {
	case len(have) > 0:
		s.fault(pkg, "has no wheel for this target; available:", have...)
	case pkg.Sdist != nil:
		s.fault(pkg, "has no wheel; available:", pkg.Sdist.Name)
	default:
		s.fault(pkg, "has no wheel")
	}
	return File{}, false
}

// holds evaluates a marker; one that cannot be is a fault.
func (s *selection) holds(pkg Package, text string) bool {
	expr, err := marker.Parse(text)
	if err != nil {
		s.fault(pkg, fmt.Sprintf("has a marker that cannot be read: %v", err))
		return false
	}
	ok, err := expr.Eval(s.env)
	if err != nil {
		s.fault(pkg, fmt.Sprintf("has a marker that cannot be evaluated: %v", err))
	}
	return ok && err == nil
}

// python holds the target's Python against a requires-python.
func (s *selection) python(pkg Package, requires string) bool {
	if requires == "" {
		return true
	}
	specifiers, err := version.ParseSpecifiers(requires)
	if err != nil {
		s.fault(pkg, fmt.Sprintf("has a requires-python that cannot be read: %v", err))
		return false
	}
	python, err := version.Parse(s.env.PythonFullVersion)
	if err != nil {
		s.fault(pkg, fmt.Sprintf("cannot be compared with Python %q: %v", s.env.PythonFullVersion, err))
		return false
	}
	if !specifiers.Contains(python) {
		s.fault(pkg, fmt.Sprintf("needs Python %s, but the target has %s", requires, s.env.PythonFullVersion))
		return false
	}
	return true
}

func names(files []File) []string {
	var all []string
	for _, f := range files {
		all = append(all, f.Name)
	}
	slices.Sort(all)
	return all
}
