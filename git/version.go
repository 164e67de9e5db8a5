package git

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// scmTag is the tag pattern of setuptools_scm: an optional distribution name
// and dash, the version, and a local part.
var scmTag = regexp.MustCompile(`^(?:[\w-]+-)?([vV]?\d+(?:\.\d+){0,2}[^\+]*)(?:\+(.*))?$`)

// pep440 takes apart a public version, in all spellings of PEP 440's
// appendix B: epoch, release, pre, post and dev.
var pep440 = regexp.MustCompile(`(?i)^v?(?:(\d+)!)?(\d+(?:\.\d+)*)` +
	`(?:[-_.]?(alpha|beta|preview|pre|a|b|c|rc)[-_.]?(\d*))?` +
	`(?:-(\d+)|[-_.]?(post|rev|r)[-_.]?(\d*))?` +
	`(?:[-_.]?(dev)[-_.]?(\d*))?$`)

// Version is the version that setuptools_scm computes from a description by
// its defaults, guess-next-dev and node-and-date: the tag itself on a clean
// tag; else the next version, .devDISTANCE, and +gNODE with nine digits of the
// hash. A dirty tree adds the date, in UTC.
//
// A tag that is no version, or that ends in .devN with N above 0 and so cannot
// be guessed on from, is an error.
func (d Description) Version(dirty bool, date time.Time) (string, error) {
	match := scmTag.FindStringSubmatch(d.Tag)
	if match == nil {
		return "", fmt.Errorf("the tag %q is no version", d.Tag)
	}
	v, err := parseVersion(match[1])
	if err != nil {
		return "", fmt.Errorf("the tag %q: %w", d.Tag, err)
	}
	local, err := normalLocal(match[2])
	if err != nil {
		return "", fmt.Errorf("the tag %q: %w", d.Tag, err)
	}
	if d.Distance == 0 && !dirty {
		if local != "" {
			return v.String() + "+" + local, nil
		}
		return v.String(), nil
	}
	if err := v.guessNext(); err != nil {
		return "", fmt.Errorf("the tag %q: %w", d.Tag, err)
	}
	node := "g" + d.Hash
	if len(node) > 10 {
		node = node[:10]
	}
	if local != "" {
		node = local + "." + node
	}
	out := fmt.Sprintf("%s.dev%d+%s", v, d.Distance, node)
	if dirty {
		out += ".d" + date.UTC().Format("20060102")
	}
	return out, nil
}

// tagVersion is a normalised public version.
type tagVersion struct {
	epoch   string
	release []string
	pre     string // a, b or rc
	preN    int
	post    int // -1 is none
	dev     int // -1 is none
}

func parseVersion(s string) (tagVersion, error) {
	m := pep440.FindStringSubmatch(s)
	if m == nil {
		return tagVersion{}, fmt.Errorf("%q is no version", s)
	}
	v := tagVersion{post: -1, dev: -1}
	if epoch := strings.TrimLeft(m[1], "0"); epoch != "" {
		v.epoch = epoch + "!"
	}
	for _, part := range strings.Split(m[2], ".") {
		v.release = append(v.release, trimZeros(part))
	}
	var err error
	number := func(text string) int {
		if text == "" {
			return 0
		}
		n, e := strconv.Atoi(text)
		if e != nil {
			err = fmt.Errorf("%q is no version: a number is too large", s)
		}
		return n
	}
	if m[3] != "" {
		v.pre, v.preN = preLetter(strings.ToLower(m[3])), number(m[4])
	}
	switch {
	case m[5] != "":
		v.post = number(m[5])
	case m[6] != "":
		v.post = number(m[7])
	}
	if m[8] != "" {
		v.dev = number(m[9])
	}
	return v, err
}

// localVersion is PEP 440's local version, in all spellings.
var localVersion = regexp.MustCompile(`(?i)^[a-z0-9]+(?:[-_.][a-z0-9]+)*$`)

// normalLocal is the normal form of a local version: lower case, dots, and
// numbers without leading zeros.
func normalLocal(s string) (string, error) {
	if s == "" {
		return "", nil
	}
	if !localVersion.MatchString(s) {
		return "", fmt.Errorf("%q is no local version", s)
	}
	parts := strings.FieldsFunc(strings.ToLower(s), func(r rune) bool { return strings.ContainsRune("-_.", r) })
	for i, p := range parts {
		if strings.Trim(p, "0123456789") == "" {
			parts[i] = trimZeros(p)
		}
	}
	return strings.Join(parts, "."), nil
}

func trimZeros(digits string) string {
	if t := strings.TrimLeft(digits, "0"); t != "" {
		return t
	}
	return "0"
}

func preLetter(word string) string {
	switch word {
	case "alpha", "a":
		return "a"
	case "beta", "b":
		return "b"
	}
	return "rc"
}

// String is the normal form.
func (v tagVersion) String() string {
	s := v.epoch + strings.Join(v.release, ".")
	if v.pre != "" {
		s += v.pre + strconv.Itoa(v.preN)
	}
	if v.post >= 0 {
		s += ".post" + strconv.Itoa(v.post)
	}
	if v.dev >= 0 {
		s += ".dev" + strconv.Itoa(v.dev)
	}
	return s
}

// guessNext raises the last number, and takes a .dev0 away instead.
func (v *tagVersion) guessNext() error {
	switch {
	case v.dev > 0:
		return fmt.Errorf("a version that ends in .dev%d cannot be counted on from; only .dev0 can", v.dev)
	case v.dev == 0:
		v.dev = -1
	case v.post >= 0:
		v.post++
	case v.pre != "":
		v.preN++
	default:
		last := len(v.release) - 1
		n, err := strconv.Atoi(v.release[last])
		if err != nil {
			return fmt.Errorf("the number %s is too large", v.release[last])
		}
		v.release[last] = strconv.Itoa(n + 1)
	}
	return nil
}
