package index

import (
	"strconv"
	"strings"

	"github.com/sparkwheel/sparkwheel/wheel"
)

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
		w, err := wheel.ParseFilename(f.Name)
		if err != nil {
			continue
		}
		b := parseBuild(w.Build)
		for _, t := range w.Tags {
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

// parseBuild reads a build tag: digits, then anything.
func parseBuild(s string) buildTag {
	if s == "" {
		return buildTag{}
	}
	digits := strings.IndexFunc(s+"x", func(r rune) bool { return r < '0' || r > '9' })
	n, err := strconv.ParseInt(s[:digits], 10, 64)
	if err != nil {
		return buildTag{rest: s}
	}
	return buildTag{n + 1, s[digits:]}
}
