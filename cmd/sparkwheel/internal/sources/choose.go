package sources

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/recipe"
	"github.com/sparkwheel/sparkwheel/requirements/fetchcontent"
)

// Wanted is content as the CMake files and the recipe together ask for it.
type Wanted struct {
	Locked  recipe.LockedContent // without what only the remote knows
	Patches []recipe.Patch
}

// ChooseContents settles with the recipe what was found. Everything that stays
// open is in the error, with the key that gives it.
func ChooseContents(w recipe.Wheel, found *fetchcontent.Result, note func(string, ...any)) ([]Wanted, error) {
	c := chooser{wheel: w, byName: map[string]Wanted{}, met: map[string]bool{}}
	for _, one := range found.Contents {
		c.take(one)
	}
	c.extra()
	for _, name := range w.FetchContent.LeaveOut {
		if !c.met[name] {
			note("%s: fetchcontent leaves out %s, which its CMake files do not fetch", w.Name, name)
		}
	}
	if len(c.faults) > 0 {
		return nil, &ContentError{errors.Join(c.faults...)}
	}
	var all []Wanted
	for _, name := range slices.Sorted(maps.Keys(c.byName)) {
		all = append(all, c.byName[name])
	}
	return all, nil
}

// ContentError is what the CMake files leave open and the recipe has to say:
// each fault names the line, what is not known, and the key that gives it.
type ContentError struct{ err error }

func (e *ContentError) Error() string { return e.err.Error() }

func (e *ContentError) Unwrap() error { return e.err }

type chooser struct {
	wheel  recipe.Wheel
	byName map[string]Wanted
	met    map[string]bool
	faults []error
}

// fault is told with the table of the recipe in which it can be mended.
func (c *chooser) fault(at fetchcontent.Place, format string, args ...any) {
	where := ""
	if at.File != "" {
		where = at.String() + ": "
	}
	c.faults = append(c.faults, fmt.Errorf("wheel %s: %s%s (in [wheel.fetchcontent] of the recipe)", c.wheel.Name, where, fmt.Sprintf(format, args...)))
}

func (c *chooser) take(f fetchcontent.Content) {
	key := f.Key()
	c.met[key] = true
	if slices.Contains(c.wheel.FetchContent.LeaveOut, key) {
		return
	}
	own := c.wheel.FetchContent.Repositories[key]
	faults := len(c.faults)
	c.judge(f, own)
	if len(c.faults) > faults {
		return
	}
	w := Wanted{Patches: own.Patches, Locked: recipe.LockedContent{
		Name: f.Name, From: f.At.String(), URL: cmp.Or(own.URL, f.URL), Ref: cmp.Or(own.Ref, f.Tag), Checkout: f.Submodules, Environment: own.Environment,
	}}
	if own.Submodules != nil {
		w.Locked.Checkout = own.Submodules
	}
	switch {
	case own.Environment != "":
	case f.Way == fetchcontent.Declared:
		w.Locked.Argument = "FETCHCONTENT_SOURCE_DIR_" + strings.ToUpper(f.Name)
	case f.FromEnvironment:
		w.Locked.Environment = f.Variable
	default:
		w.Locked.Argument = f.Variable
	}
	if before, ok := c.byName[key]; ok && (before.Locked.URL != w.Locked.URL || before.Locked.Ref != w.Locked.Ref) {
		c.fault(f.At, "%s is fetched from different places here and at %s; leave it out and give the build a [[source]] instead", f.Name, before.Locked.From)
		return
	}
	c.byName[key] = w
}

// judge finds what is not known of content, or cannot be given to a build.
func (c *chooser) judge(f fetchcontent.Content, own recipe.ContentRepository) {
	for _, o := range f.Open {
		switch {
		case o.Option == "the name":
			c.fault(f.At, "the name %s that %s is given needs the variable %s: %s; set variables.%s", o.Text, f.Way, o.Variable, o.Reason, o.Variable)
			return
		case o.Option == "GIT_REPOSITORY" && own.URL != "", o.Option == "GIT_TAG" && own.Ref != "", o.Option == "GIT_SUBMODULES" && own.Submodules != nil, o.Option == "URL":
		default:
			c.fault(f.At, "%s %s of %s needs the variable %s: %s; set variables.%s or repository.%s.%s", o.Option, o.Text, f.Name, o.Variable, o.Reason, o.Variable, f.Key(), keyOf[o.Option])
		}
	}
	if !recipe.ContentName(f.Name) {
		c.fault(f.At, "%q cannot name a directory; leave it out", f.Name)
	}
	if f.Archive != "" && own.URL == "" {
		c.fault(f.At, "%s is fetched from %s, but only git repositories can be given to a build; set repository.%s.url and .ref, or leave it out", f.Name, f.Archive, f.Key())
	}
	if len(f.Rivals) > 0 && (own.URL == "" || own.Ref == "") {
		c.fault(f.At, "%s is %s at %s here and %s at %s in %s, depending on %s; set variables.%s, or repository.%s.url and .ref",
			f.Name, f.URL, f.Tag, f.Rivals[0].URL, f.Rivals[0].Tag, f.Rivals[0].At, lacking(f), lacking(f), f.Key())
	}
	if f.Patched && own.Patches == nil {
		c.fault(f.At, "%s has a PATCH_COMMAND, which CMake does not run on a given directory; set repository.%s.patches to what it applies, or to []", f.Name, f.Key())
	}
	if f.Way != fetchcontent.Declared && f.Variable == "" && own.Environment == "" {
		c.fault(f.At, "%s ignores FETCHCONTENT_SOURCE_DIR_%s, and no variable was found that gives the project a directory of %s; set repository.%s.environment, or leave it out",
			f.Way, strings.ToUpper(f.Name), f.Name, f.Key())
	}
}

var keyOf = map[string]string{"GIT_REPOSITORY": "url", "GIT_TAG": "ref", "GIT_SUBMODULES": "submodules"}

func lacking(f fetchcontent.Content) string {
	for _, w := range slices.Backward(f.When) {
		if len(w.Variables) > 0 {
			return w.Variables[0]
		}
	}
	return "a condition"
}

// extra adds what the recipe names and no file does.
func (c *chooser) extra() {
	for _, name := range slices.Sorted(maps.Keys(c.wheel.FetchContent.Repositories)) {
		own := c.wheel.FetchContent.Repositories[name]
		if c.met[name] {
			continue
		}
		if own.URL == "" || own.Ref == "" {
			c.fault(fetchcontent.Place{}, "repository.%s: the CMake files do not fetch it (they fetch %s); to add it, give url and ref", name, strings.Join(slices.Sorted(maps.Keys(c.met)), ", "))
			continue
		}
		w := Wanted{Patches: own.Patches, Locked: recipe.LockedContent{Name: name, From: "the recipe", URL: own.URL, Ref: own.Ref, Checkout: []string{"*"}, Environment: own.Environment}}
		if own.Submodules != nil {
			w.Locked.Checkout = own.Submodules
		}
		if own.Environment == "" {
			w.Locked.Argument = "FETCHCONTENT_SOURCE_DIR_" + strings.ToUpper(name)
		}
		c.byName[name] = w
	}
}
