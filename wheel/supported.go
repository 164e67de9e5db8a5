package wheel

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Supported lists the tags that a CPython takes, best first, in the order of
// pypa/packaging. Python is major and minor, "3.12", or "3.13t" for the
// free-threaded build; platforms are ranked, as Platforms gives them. The list
// is empty where python is not of that form.
func Supported(python string, platforms []string) []Tag {
	version, threaded := strings.CutSuffix(python, "t")
	major, minorText, ok := strings.Cut(version, ".")
	minor, err := strconv.Atoi(minorText)
	if !ok || err != nil || major != "3" || minor < 0 || minor > 1000 {
		return nil
	}
	cpython := func(minor int) string { return "cp3" + strconv.Itoa(minor) }
	this := cpython(minor)
	var tags []Tag
	add := func(python, abi string) {
		for _, p := range platforms {
			tags = append(tags, Tag{python, abi, p})
		}
	}
	if threaded {
		add(this, this+"t")
	} else {
		add(this, this)
		add(this, "abi3")
	}
	add(this, "none")
	// A wheel built for the stable ABI of an older CPython runs on this one.
	for m := minor - 1; m > 1 && !threaded; m-- {
		add(cpython(m), "abi3")
	}
	generic := []string{"py3" + strconv.Itoa(minor), "py3"}
	for m := minor - 1; m >= 0; m-- {
		generic = append(generic, "py3"+strconv.Itoa(m))
	}
	for _, g := range generic {
		add(g, "none")
	}
	tags = append(tags, Tag{this, "none", "any"})
	for _, g := range generic {
		tags = append(tags, Tag{g, "none", "any"})
	}
	return tags
}

// legacy are the names that manylinux policies had before they were numbered
// by glibc (PEP 513, 571, 599).
var legacy = map[int]string{17: "manylinux2014", 12: "manylinux2010", 5: "manylinux1"}

// Platforms ranks the platform tags of a Linux with glibc 2.MINOR on machine
// (x86_64, aarch64): manylinux from that glibc down, then plain linux.
func Platforms(minor int, machine string) []string {
	oldest := 17
	if machine == "x86_64" || machine == "i686" {
		oldest = 5
	}
	var platforms []string
	for m := minor; m >= oldest; m-- {
		platforms = append(platforms, fmt.Sprintf("manylinux_2_%d_%s", m, machine))
		if name := legacy[m]; name != "" {
			platforms = append(platforms, name+"_"+machine)
		}
	}
	return append(platforms, "linux_"+machine)
}

// TagError says that a wheel does not fit a target.
type TagError struct {
	File    string
	Tags    []Tag
	Message string // which part of its tags the target has not
}

func (e *TagError) Error() string {
	return fmt.Sprintf("%s does not fit the target: %s", e.File, e.Message)
}

// Rank is the place of the best of the wheel's tags in supported, 0 the best;
// ok is false where the wheel fits none.
func (f Filename) Rank(supported []Tag) (rank int, ok bool) {
	for i, t := range supported {
		if slices.Contains(f.Tags, t) {
			return i, true
		}
	}
	return 0, false
}

// Fits returns a *TagError, which says what does not fit, for a wheel that a
// target with these tags cannot install.
func (f Filename) Fits(supported []Tag) error {
	if _, ok := f.Rank(supported); ok {
		return nil
	}
	return &TagError{f.base, f.Tags, f.misfit(supported)}
}

// misfit blames the first part of the tags, from the platform on, that no
// supported tag has.
func (f Filename) misfit(supported []Tag) string {
	for _, part := range []struct {
		name string
		of   func(Tag) string
	}{
		{"platform", func(t Tag) string { return t.Platform }},
		{"interpreter", func(t Tag) string { return t.Python }},
		{"ABI", func(t Tag) string { return t.ABI }},
	} {
		have, want := values(f.Tags, part.of), values(supported, part.of)
		if !slices.ContainsFunc(have, func(s string) bool { return slices.Contains(want, s) }) {
			more := ""
			if len(want) > 4 {
				want, more = want[:4], ", …"
			}
			return fmt.Sprintf("it is for %s %s, but the target supports %s%s", part.name, strings.Join(have, ", "), strings.Join(want, ", "), more)
		}
	}
	return fmt.Sprintf("each of its parts fits, but none of its tags does: %v", f.Tags)
}

// values are the distinct values of one part of the tags, in their order.
func values(tags []Tag, of func(Tag) string) []string {
	var list []string
	for _, t := range tags {
		if v := of(t); !slices.Contains(list, v) {
			list = append(list, v)
		}
	}
	return list
}
