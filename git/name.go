package git

import (
	"fmt"
	"strings"
)

// checkName refuses names that would leave the tree, be taken for a
// repository's own directory on any file system, or pass for an option.
func checkName(name string, mode uint32) error {
	switch {
	case name == "", name == ".", name == "..":
		return fmt.Errorf("the tree has the name %q", name)
	case len(name) > 255:
		return fmt.Errorf("the tree has a name of %d bytes that begins with %.40q", len(name), name)
	case strings.ContainsAny(name, "/\\\x00"):
		return fmt.Errorf("the tree has the name %q with a separator in it", name)
	case name[0] == '-':
		return fmt.Errorf("the tree has the name %q, which begins with a dash", name)
	case disguises(name, ".git", "git~"):
		return fmt.Errorf("the tree has the name %q, which some file systems read as .git", name)
	case mode == modeSymlink && disguises(name, ".gitmodules", "gitmod~"):
		return fmt.Errorf("the tree has %q as a symlink", name)
	}
	return nil
}

// disguises reports whether a file system could take name for the given one:
// case folded, HFS+ ignorable code points removed, or as NTFS reads it, with
// trailing dots and spaces and a stream name cut off, or as its short name.
func disguises(name, plain, short string) bool {
	folded := strings.ToLower(strings.Map(dropIgnorable, name))
	if folded == plain {
		return true
	}
	stream, _, _ := strings.Cut(strings.ToLower(name), ":")
	stream = strings.TrimRight(stream, ". ")
	if stream == plain {
		return true
	}
	digit, ok := strings.CutPrefix(stream, short)
	return ok && len(digit) == 1 && digit[0] >= '1' && digit[0] <= '9'
}

// dropIgnorable removes the code points that HFS+ ignores in names, the list
// of git's next_hfs_char.
func dropIgnorable(r rune) rune {
	switch {
	case r >= 0x200c && r <= 0x200f, r >= 0x202a && r <= 0x202e, r >= 0x206a && r <= 0x206f, r == 0xfeff:
		return -1
	case r == 0x017f: // LATIN SMALL LETTER LONG S folds to s
		return 's'
	case r == 0x0130, r == 0x0131: // dotted and dotless i fold to i somewhere
		return 'i'
	}
	return r
}
