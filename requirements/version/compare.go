package version

import (
	"cmp"
	"slices"
	"strings"
)

// number is a natural number in decimal digits without leading zeros; "" is 0.
// PEP 440 sets no limit, and dates with clock times do not fit 32 bits.
type number string

func digits(s string) (n number, rest string) {
	i := 0
	for i < len(s) && isDigit(s[i]) {
		i++
	}
	return number(s[:i]), s[i:]
}

func trimZeros(n number) number { return number(strings.TrimLeft(string(n), "0")) }

func (n number) orZero() string {
	if n = trimZeros(n); n == "" {
		return "0"
	}
	return string(n)
}

func (n number) compare(m number) int {
	return cmp.Or(cmp.Compare(len(n), len(m)), cmp.Compare(n, m))
}

// Compare orders versions as PEP 440 does: dev, a, b, rc, final, post; a local
// label after none; -1 when v sorts before w, 0 when they are equal.
func (v Version) Compare(w Version) int {
	return cmp.Or(
		cmp.Compare(min(len(v.release), 1), min(len(w.release), 1)),
		v.epoch.compare(w.epoch),
		slices.CompareFunc(trimRelease(v.release), trimRelease(w.release), number.compare),
		cmp.Compare(v.preRank(), w.preRank()),
		v.pre.n.compare(w.pre.n),
		cmp.Compare(v.post.label, w.post.label),
		v.post.n.compare(w.post.n),
		cmp.Compare(w.dev.label, v.dev.label),
		v.dev.n.compare(w.dev.n),
		slices.CompareFunc(v.local, w.local, compareLocal),
	)
}

// preRank places 1.0.dev1 before 1.0a1, and that before 1.0 and 1.0.post1.dev1.
func (v Version) preRank() int {
	switch v.pre.label {
	case "a":
		return 1
	case "b":
		return 2
	case "rc":
		return 3
	}
	if v.post.label == "" && v.dev.label != "" {
		return 0
	}
	return 4
}

func trimRelease(release []number) []number {
	for len(release) > 0 && release[len(release)-1] == "" {
		release = release[:len(release)-1]
	}
	return release
}

// compareLocal orders two parts of local labels: words before numbers.
func compareLocal(a, b string) int {
	an, bn := isNumber(a), isNumber(b)
	switch {
	case an && bn:
		return trimZeros(number(a)).compare(trimZeros(number(b)))
	case an:
		return 1
	case bn:
		return -1
	}
	return cmp.Compare(a, b)
}

func isNumber(s string) bool {
	_, rest := digits(s)
	return rest == ""
}

// hasPrefix reports whether v is in the series that prefix names: same epoch,
// and a release that, filled with zeros, begins with prefix.
func (v Version) hasPrefix(epoch number, prefix []number) bool {
	if v.epoch != epoch {
		return false
	}
	for i, n := range prefix {
		var have number
		if i < len(v.release) {
			have = v.release[i]
		}
		if have != n {
			return false
		}
	}
	return true
}
