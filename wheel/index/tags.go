package index

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"github.com/sparkwheel/sparkwheel/wheel"
)

var (
	pythonVersion = regexp.MustCompile(`^3\.(\d{1,3})(\.\d+)?$`)
	glibcPlatform = regexp.MustCompile(`^manylinux_2_(\d{1,3})_([a-z0-9_]+)$`)
	plainPlatform = regexp.MustCompile(`^linux_([a-z0-9_]+)$`)
)

// Supported lists the tags that CPython of a version (3.12 or 3.12.3) takes on
// a platform, best first, in the order of pypa/packaging. platform is
// manylinux_2_39_aarch64 for a glibc of at most 2.39, or linux_aarch64 when
// nothing is known of the C library: then only wheels without C code and those
// built for that very system fit.
func Supported(python, platform string) ([]wheel.Tag, error) {
	v := pythonVersion.FindStringSubmatch(python)
	if v == nil {
		return nil, fmt.Errorf("listing the tags of Python %q: it is not of the form 3.12", python)
	}
	minor, err := strconv.Atoi(v[1])
	if err != nil {
		return nil, err
	}
	platforms, err := supportedPlatforms(platform)
	if err != nil {
		return nil, err
	}
	var tags []wheel.Tag
	add := func(python, abi string, platforms ...string) {
		for _, p := range platforms {
			tags = append(tags, wheel.Tag{Python: python, ABI: abi, Platform: p})
		}
	}
	cp := fmt.Sprintf("cp3%d", minor)
	add(cp, cp, platforms...)
	add(cp, "abi3", platforms...)
	add(cp, "none", platforms...)
	for m := minor - 1; m >= 2; m-- {
		add(fmt.Sprintf("cp3%d", m), "abi3", platforms...)
	}
	generic := []string{fmt.Sprintf("py3%d", minor), "py3"}
	for m := minor - 1; m >= 0; m-- {
		generic = append(generic, fmt.Sprintf("py3%d", m))
	}
	for _, py := range generic {
		add(py, "none", platforms...)
	}
	add(cp, "none", "any")
	for _, py := range generic {
		add(py, "none", "any")
	}
	return tags, nil
}

// supportedPlatforms goes down from a glibc to the oldest that the machine
// ever had (PEP 600), with the names that came before.
func supportedPlatforms(platform string) ([]string, error) {
	if plainPlatform.MatchString(platform) {
		return []string{platform}, nil
	}
	m := glibcPlatform.FindStringSubmatch(platform)
	if m == nil {
		return nil, fmt.Errorf("listing the tags of platform %q: it is not of the form manylinux_2_39_aarch64", platform)
	}
	newest, err := strconv.Atoi(m[1])
	if err != nil {
		return nil, err
	}
	machine, oldest := m[2], 17
	if machine == "x86_64" || machine == "i686" {
		oldest = 5
	}
	var all []string
	for minor := newest; minor >= oldest; minor-- {
		all = append(all, fmt.Sprintf("manylinux_2_%d_%s", minor, machine))
		if old := map[int]string{17: "manylinux2014_", 12: "manylinux2010_", 5: "manylinux1_"}[minor]; old != "" {
			all = append(all, old+machine)
		}
	}
	return append(all, "linux_"+machine), nil
}

// ranking says how good a wheel is for a target; the target's tags are read
// once.
type ranking map[wheel.Tag]int

func rank(tags []wheel.Tag) ranking {
	r := make(ranking, len(tags))
	for i, t := range tags {
		if _, ok := r[t]; !ok {
			r[t] = i
		}
	}
	return r
}

// best returns the file whose best tag stands first in the ranking; of two
// with the same tag the higher build number, then the later name, so that the
// order of the index does not matter.
func (r ranking) best(files []File) (File, bool) {
	var found File
	place, build := -1, buildTag{}
	for _, f := range files {
		b, tags, ok := wheelTags(f.Name)
		if !ok {
			continue
		}
		for _, t := range tags {
			p, ok := r[t]
			if !ok || place >= 0 && p > place {
				continue
			}
			if p == place && !build.less(b) && (b != build || f.Name <= found.Name) {
				continue
			}
			found, place, build = f, p, b
		}
	}
	return found, place >= 0
}

// buildTag orders as the wheel specification says: the number, then the rest;
// none comes before all.
type buildTag struct {
	number int64
	rest   string
}

func (b buildTag) less(c buildTag) bool {
	return b.number < c.number || b.number == c.number && b.rest < c.rest
}

// wheelTags reads NAME-VERSION(-BUILD)-PYTHON-ABI-PLATFORM.whl; what is no
// wheel's name is left to others.
func wheelTags(file string) (build buildTag, tags []wheel.Tag, ok bool) {
	stem, ok := strings.CutSuffix(file, ".whl")
	parts := strings.Split(stem, "-")
	if n := len(parts); !ok || n != 5 && n != 6 {
		return build, nil, false
	}
	if len(parts) == 6 {
		digits := strings.IndexFunc(parts[2]+"x", func(r rune) bool { return r < '0' || r > '9' })
		n, err := strconv.ParseInt(parts[2][:digits], 10, 64)
		if err != nil {
			return build, nil, false
		}
		build = buildTag{n + 1, parts[2][digits:]}
	}
	tags, err := wheel.ParseTags(strings.Join(parts[len(parts)-3:], "-"))
	return build, tags, err == nil
}
