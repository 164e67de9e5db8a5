package wheel

import (
	"fmt"
	"strings"
)

// Tag is one compatibility tag (PEP 425): what a wheel needs of interpreter,
// ABI and platform.
type Tag struct{ Python, ABI, Platform string }

func (t Tag) String() string { return t.Python + "-" + t.ABI + "-" + t.Platform }

// ParseTags expands a compressed tag set such as py2.py3-none-any into its
// tags, in the order in which it names them.
func ParseTags(s string) ([]Tag, error) {
	parts := strings.Split(s, "-")
	if len(parts) != 3 {
		return nil, fmt.Errorf("tag %q is not of the form python-abi-platform", s)
	}
	for _, p := range parts {
		for one := range strings.SplitSeq(p, ".") {
			if one == "" || strings.Trim(one, wordCharacters) != "" {
				return nil, fmt.Errorf("tag %q has the part %q", s, one)
			}
		}
	}
	var tags []Tag
	for python := range strings.SplitSeq(parts[0], ".") {
		for abi := range strings.SplitSeq(parts[1], ".") {
			for platform := range strings.SplitSeq(parts[2], ".") {
				tags = append(tags, Tag{strings.ToLower(python), strings.ToLower(abi), strings.ToLower(platform)})
				if len(tags) > 1000 {
					return nil, fmt.Errorf("tag %.60q… names more than 1000 tags", s)
				}
			}
		}
	}
	return tags, nil
}
