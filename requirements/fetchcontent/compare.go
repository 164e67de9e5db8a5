package fetchcontent

import (
	"cmp"
	"path"
	"regexp"
	"strconv"
	"strings"
)

// comparisons are the operators of if() between two texts.
var comparisons = map[string]func(a, b string) truth{
	"EQUAL":         func(a, b string) truth { return compareNumbers(a, b, func(x int) bool { return x == 0 }) },
	"LESS":          func(a, b string) truth { return compareNumbers(a, b, func(x int) bool { return x < 0 }) },
	"GREATER":       func(a, b string) truth { return compareNumbers(a, b, func(x int) bool { return x > 0 }) },
	"LESS_EQUAL":    func(a, b string) truth { return compareNumbers(a, b, func(x int) bool { return x <= 0 }) },
	"GREATER_EQUAL": func(a, b string) truth { return compareNumbers(a, b, func(x int) bool { return x >= 0 }) },

	"STREQUAL":         func(a, b string) truth { return truthOf(a == b) },
	"STRLESS":          func(a, b string) truth { return truthOf(a < b) },
	"STRGREATER":       func(a, b string) truth { return truthOf(a > b) },
	"STRLESS_EQUAL":    func(a, b string) truth { return truthOf(a <= b) },
	"STRGREATER_EQUAL": func(a, b string) truth { return truthOf(a >= b) },

	"VERSION_EQUAL":         func(a, b string) truth { return truthOf(compareVersions(a, b) == 0) },
	"VERSION_LESS":          func(a, b string) truth { return truthOf(compareVersions(a, b) < 0) },
	"VERSION_GREATER":       func(a, b string) truth { return truthOf(compareVersions(a, b) > 0) },
	"VERSION_LESS_EQUAL":    func(a, b string) truth { return truthOf(compareVersions(a, b) <= 0) },
	"VERSION_GREATER_EQUAL": func(a, b string) truth { return truthOf(compareVersions(a, b) >= 0) },

	"MATCHES":       matches,
	"PATH_EQUAL":    func(a, b string) truth { return truthOf(path.Clean(a) == path.Clean(b)) },
	"IS_NEWER_THAN": func(string, string) truth { return undecided },
}

func isTrue(s string) bool {
	switch strings.ToUpper(s) {
	case "1", "ON", "YES", "TRUE", "Y":
		return true
	}
	f, err := strconv.ParseFloat(s, 64)
	return err == nil && f != 0 && numberRE.MatchString(s)
}

func isFalse(s string) bool {
	switch strings.ToUpper(s) {
	case "", "0", "OFF", "NO", "FALSE", "N", "IGNORE", "NOTFOUND":
		return true
	}
	f, err := strconv.ParseFloat(s, 64)
	return strings.HasSuffix(s, "-NOTFOUND") || err == nil && f == 0 && numberRE.MatchString(s)
}

var (
	numberRE = regexp.MustCompile(`^[+-]?[0-9]*\.?[0-9]+([eE][+-]?[0-9]+)?$|^[+-]?[0-9]+\.$`)
	nameRE   = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_.+/-]*$`)
)

func isName(s string) bool { return nameRE.MatchString(s) }

// leadingRE is what of a text CMake, by way of sscanf, takes for a number.
var leadingRE = regexp.MustCompile(`^[ \t\n]*[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?`)

func compareNumbers(a, b string, holds func(int) bool) truth {
	x, errX := strconv.ParseFloat(strings.TrimSpace(leadingRE.FindString(a)), 64)
	y, errY := strconv.ParseFloat(strings.TrimSpace(leadingRE.FindString(b)), 64)
	if errX != nil || errY != nil {
		return no // CMake's own answer for what is no number
	}
	return truthOf(holds(cmp.Compare(x, y)))
}

// compareVersions compares component by component as long as one of the two
// goes on with a digit; what is missing counts as 0.
func compareVersions(a, b string) int {
	for startsWithDigit(a) || startsWithDigit(b) {
		var x, y uint64
		x, a = component(a)
		y, b = component(b)
		if x != y {
			return cmp.Compare(x, y)
		}
	}
	return 0
}

func startsWithDigit(s string) bool { return s != "" && s[0] >= '0' && s[0] <= '9' }

// component reads a number as strtoul does, which CMake calls: a sign counts,
// and what is too large is the largest.
func component(s string) (uint64, string) {
	m := componentRE.FindStringSubmatch(s)
	if m == nil {
		return 0, strings.TrimPrefix(s, ".")
	}
	v, _ := strconv.ParseUint(m[2], 10, 64)
	if m[1] == "-" {
		v = -v
	}
	return v, strings.TrimPrefix(s[len(m[0]):], ".")
}

var componentRE = regexp.MustCompile(`^[ \t\n]*([+-]?)([0-9]+)`)

// matches is decided where CMake's regular expressions and Go's mean the same.
func matches(text, pattern string) truth {
	if strings.ContainsAny(pattern, `\{}`) || strings.Contains(pattern, "[[") || strings.Contains(pattern, "(?") || len(pattern) > 1000 {
		return undecided
	}
	re, err := regexp.Compile(pattern)
	if err != nil {
		return undecided
	}
	return truthOf(re.MatchString(text))
}
