package wheel

import (
	"fmt"
	"strings"

	"github.com/sparkwheel/sparkwheel/requirements"
	"github.com/sparkwheel/sparkwheel/requirements/version"
)

// Filename is the name of a wheel file, taken apart:
//
//	{distribution}-{version}(-{build})?-{python}-{abi}-{platform}.whl
//
// Only ParseFilename makes one that is not empty.
type Filename struct {
	Distribution requirements.Name
	Version      version.Version
	Build        string // the build tag: begins with a digit, "" for none
	Tags         []Tag  // all that the compressed tag set stands for
	base         string
}

// String is the file name as it was parsed.
func (f Filename) String() string { return f.base }

// FilenameError says why a file name is not that of a wheel. Variant is the
// label of a variant wheel (PEP 825), which none of what reads wheels here takes.
type FilenameError struct{ Name, Message, Variant string }

func (e *FilenameError) Error() string {
	return fmt.Sprintf("parsing wheel file name %q: %s", e.Name, e.Message)
}

// ParseFilename takes the base name of a wheel file apart, as the binary
// distribution format spells it. Its error is a *FilenameError.
func ParseFilename(base string) (Filename, error) {
	fail := func(format string, args ...any) (Filename, error) {
		return Filename{}, &FilenameError{Name: base, Message: fmt.Sprintf(format, args...)}
	}
	if len(base) > 255 {
		return fail("longer than a file name can be")
	}
	stem, ok := strings.CutSuffix(base, ".whl")
	if !ok {
		return fail("not a wheel file name: it does not end in .whl")
	}
	parts := strings.Split(stem, "-")
	if label, ok := variant(parts); ok {
		return Filename{}, &FilenameError{Name: base, Variant: label,
			Message: fmt.Sprintf("it is a variant wheel (PEP 825), of the variant %q", label)}
	}
	if len(parts) != 5 && len(parts) != 6 {
		return fail("it has %d parts: not a wheel file name (NAME-VERSION-PYTHON-ABI-PLATFORM.whl or NAME-VERSION-BUILD-PYTHON-ABI-PLATFORM.whl)", len(parts))
	}
	f := Filename{base: base}
	if !isName(parts[0]) {
		return fail("%q is not a distribution name", parts[0])
	}
	f.Distribution = requirements.Normalize(parts[0])
	// Wheels spell the dash of a local version 1.0+a-b as an underscore, and some a whole version so.
	v, err := version.Parse(strings.ReplaceAll(parts[1], "_", "-"))
	if err != nil || strings.TrimSpace(parts[1]) != parts[1] {
		return fail("%q is not a version", parts[1])
	}
	f.Version = v
	if len(parts) == 6 {
		f.Build = parts[2]
		if f.Build == "" || f.Build[0] < '0' || f.Build[0] > '9' || strings.Trim(f.Build, wordCharacters+".") != "" {
			return fail("the build tag %q does not begin with a digit", f.Build)
		}
	}
	if f.Tags, err = ParseTags(strings.Join(parts[len(parts)-3:], "-")); err != nil {
		return fail("%v", err)
	}
	return f, nil
}

// variant finds the label that a variant wheel has behind its tags: the sixth
// part, or the seventh where the third is a build tag, which begins with a digit.
func variant(parts []string) (label string, ok bool) {
	if len(parts) != 6 && len(parts) != 7 {
		return "", false
	}
	build := parts[2] != "" && parts[2][0] >= '0' && parts[2][0] <= '9'
	label = parts[len(parts)-1]
	tags, err := ParseTags(strings.Join(parts[len(parts)-4:len(parts)-1], "-"))
	if err != nil || build != (len(parts) == 7) || label == "" || strings.Trim(label, wordCharacters+".") != "" {
		return "", false
	}
	// What has a build tag that is none has "none" here.
	platform := tags[0].Platform
	return label, platform == "any" || strings.Contains(platform, "_")
}

const wordCharacters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_"

// isName says whether s can be a distribution's name in a file name: letters,
// digits, underscores and dots, as escaped by any tool, beginning and ending
// with a letter or digit, no two underscores in a row.
func isName(s string) bool {
	if s == "" || strings.Trim(s, wordCharacters+".") != "" || strings.Contains(s, "__") {
		return false
	}
	return strings.Trim(s[:1]+s[len(s)-1:], "._") == s[:1]+s[len(s)-1:]
}
