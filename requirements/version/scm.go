package version

import (
	"fmt"
	"math/big"
	"regexp"
	"slices"
	"time"
)

// Description is a commit as `git describe --tags --long` puts it: the nearest
// tag, the number of commits since, and the commit's hash in full.
type Description struct {
	Tag      string
	Distance int
	Hash     string
}

// scmTag is the tag pattern of setuptools_scm: an optional distribution name
// and dash, the version, and a local part.
var scmTag = regexp.MustCompile(`^(?:[\w-]+-)?([vV]?\d+(?:\.\d+){0,2}[^\+]*)(?:\+(.*))?$`)

// FromSCM is the version that setuptools_scm computes from a description by
// its defaults, guess-next-dev and node-and-date: the tag itself on a clean
// tag; else the next version, .devDISTANCE, and +gNODE with nine digits of the
// hash. A dirty tree adds the date, in UTC.
//
// A tag that is not a version, or that ends in .devN with N above 0 and so
// cannot be guessed on from, is an error.
func FromSCM(d Description, dirty bool, date time.Time) (Version, error) {
	v, err := tagVersion(d.Tag)
	if err != nil {
		return Version{}, fmt.Errorf("the tag %q: %w", d.Tag, err)
	}
	if d.Distance == 0 && !dirty {
		return v, nil
	}
	if v, err = v.guessNext(); err != nil {
		return Version{}, fmt.Errorf("the tag %q: %w", d.Tag, err)
	}
	text := fmt.Sprintf("%s.dev%d+", v.Public(), d.Distance)
	if label := v.Local(); label != "" {
		text += label + "."
	}
	text += "g" + d.Hash[:min(len(d.Hash), 9)]
	if dirty {
		text += ".d" + date.UTC().Format("20060102")
	}
	return Parse(text)
}

func tagVersion(tag string) (Version, error) {
	match := scmTag.FindStringSubmatch(tag)
	if match == nil {
		return Version{}, &ParseError{tag, "a version tag ends in a version, such as v1.0 or name-1.0"}
	}
	text := match[1]
	if match[2] != "" {
		text += "+" + match[2]
	}
	return Parse(text)
}

// guessNext raises the last number, and takes a .dev0 away instead. What it
// changes, it copies: versions are values.
func (v Version) guessNext() (Version, error) {
	switch {
	case v.dev.label != "" && v.dev.n != "":
		return Version{}, fmt.Errorf("a version that ends in .dev%s cannot be incremented; only .dev0 can", v.dev.n)
	case v.dev.label != "":
		v.dev = segment{}
	case v.post.label != "":
		v.post.n = v.post.n.next()
	case v.pre.label != "":
		v.pre.n = v.pre.n.next()
	default:
		v.release = slices.Clone(v.release)
		last := len(v.release) - 1
		v.release[last] = v.release[last].next()
	}
	return v, nil
}

func (n number) next() number {
	var i big.Int
	i.SetString(n.orZero(), 10)
	return number(i.Add(&i, big.NewInt(1)).String())
}
