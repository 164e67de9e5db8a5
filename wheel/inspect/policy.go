package inspect

import (
	"fmt"
	"path"
	"strings"

	"github.com/sparkwheel/sparkwheel/wheel/inspect/cuda"
)

// Policy is what GPU code has to be, for a product to ship.
type Policy struct {
	Target cuda.Target
	// Require is the least verdict that is good enough.
	Require cuda.Verdict
	Except  []Exception
}

// Exception excuses GPU code from a Policy.
type Exception struct {
	// Distribution is a normalised name, or a pattern of such names as path.Match
	// has them: "nvidia-*".
	Distribution string
	// Glob matches a path as path.Match does, but that * and ? take slashes too.
	// After a # it matches what of the file is excused: the architectures of a
	// container in ascending order with + between them, such as "sm_90a" or
	// "sm_90a+sm_100f". Without a # it excuses the whole file.
	Glob   string
	Reason string
}

// ParseException reads "DIST:GLOB".
func ParseException(s, reason string) (Exception, error) {
	dist, glob, ok := strings.Cut(s, ":")
	if !ok || dist == "" || glob == "" {
		return Exception{}, fmt.Errorf("%q is not of the form DISTRIBUTION:GLOB", s)
	}
	e := Exception{Distribution: dist, Glob: glob, Reason: reason}
	for _, pattern := range append(strings.SplitN(glob, "#", 2), dist) {
		if _, err := path.Match(pattern, ""); err != nil || pattern == "" {
			return Exception{}, fmt.Errorf("%q is not a pattern", glob)
		}
	}
	return e, nil
}

// covers says whether the exception excuses a container of a distribution's file.
func (e Exception) covers(distribution, file string, c cuda.Container) bool {
	if !matches(e.Distribution, distribution) {
		return false
	}
	glob, archs, some := strings.Cut(e.Glob, "#")
	return matches(glob, file) && (!some || matches(archs, ContainerName(c)))
}

// matches is path.Match with slashes like any other character.
func matches(glob, name string) bool {
	flat := strings.NewReplacer("/", "\x00")
	ok, err := path.Match(flat.Replace(glob), flat.Replace(name))
	return ok && err == nil
}

// ContainerName names a container by its architectures: "sm_90a+sm_100f",
// machine code before PTX.
func ContainerName(c cuda.Container) string {
	one := []cuda.Container{c}
	return strings.Join(append(cuda.Names(one, cuda.SASS), cuda.Names(one, cuda.PTX)...), "+")
}

// Refusal is GPU code that a Policy does not let through.
type Refusal struct {
	Distribution string
	Judgement
	// Names are the containers that fall short, as an Exception's glob can name them.
	Names []string
}

func (r Refusal) String() string {
	return fmt.Sprintf("%s: %s: %s: %s", r.Distribution, r.Path, r.Verdict, r.Reason)
}

// Check holds what was found in a distribution against the policy. It says what
// falls short, and which exceptions excused something, by their index: one that
// excuses nothing in all of a product is out of date. What is damaged falls
// short: nobody knows what is in it.
func (p Policy) Check(distribution string, found Found) (refused []Refusal, used map[int]bool) {
	used = map[int]bool{}
	for _, d := range found.Damaged {
		if !p.excused(distribution, d.Path, cuda.Container{}, used) {
			refused = append(refused, Refusal{Distribution: distribution, Judgement: Judgement{Path: d.Path, Verdict: cuda.None, Reason: d.Err.Error()}})
		}
	}
	for _, f := range found.Files {
		if !f.Loaded() {
			continue
		}
		var names []string
		j := Judge(f, p.Target, func(c cuda.Container) bool {
			if p.Target.JudgeContainer(c).Verdict >= p.Require {
				return false
			}
			if p.excused(distribution, f.Path, c, used) {
				return true
			}
			if name := ContainerName(c); len(names) == 0 || names[len(names)-1] != name {
				names = append(names, name)
			}
			return false
		})
		if j.Verdict != cuda.NoCode && j.Verdict < p.Require {
			refused = append(refused, Refusal{distribution, j, distinct(names)})
		}
	}
	if j, ok := JudgeLoose(p.inexcusable(distribution, found.Files, used), p.Target); ok && j.Verdict < p.Require {
		refused = append(refused, Refusal{Distribution: distribution, Judgement: j})
	}
	return refused, used
}

// inexcusable are the files of loose GPU code that no exception covers.
func (p Policy) inexcusable(distribution string, files []*File, used map[int]bool) (left []*File) {
	for _, f := range files {
		if f.Kind != Cubin && f.Kind != Fatbin {
			continue
		}
		excused := true
		for _, c := range f.Containers {
			excused = excused && p.excused(distribution, f.Path, c, used)
		}
		if !excused {
			left = append(left, f)
		}
	}
	return left
}

func (p Policy) excused(distribution, file string, c cuda.Container, used map[int]bool) (yes bool) {
	for i, e := range p.Except {
		if e.covers(distribution, file, c) {
			used[i], yes = true, true
		}
	}
	return yes
}

func distinct(list []string) (out []string) {
	seen := map[string]bool{}
	for _, s := range list {
		if !seen[s] {
			seen[s] = true
			out = append(out, s)
		}
	}
	return out
}
