package requirements

import (
	"errors"
	"slices"
	"strings"
)

// option is one option of a line, by its long name without dashes.
type option struct{ name, value string }

// The options that pip takes in requirements files.
var (
	valueOptions = []string{
		"index-url", "pypi-url", "extra-index-url", "constraint", "requirement", "editable", "find-links", "no-binary",
		"only-binary", "trusted-host", "use-feature", "hash", "config-setting", "config-settings", "all-releases", "only-final",
	}
	flagOptions = []string{"no-index", "prefer-binary", "require-hashes", "no-require-hashes", "pre"}

	shortOptions = map[byte]string{
		'i': "index-url", 'c': "constraint", 'r': "requirement", 'e': "editable", 'f': "find-links", 'C': "config-settings",
	}
)

// parseOptions reads options as Python's shlex and optparse do, which take
// abbreviations that fit one option, -rFILE and --requirement=FILE.
func parseOptions(text string) ([]option, error) {
	words, err := splitWords(text)
	if err != nil {
		return nil, err
	}
	var options []option
	for len(words) > 0 {
		word := words[0]
		words = words[1:]
		name, value, hasValue := "", "", false
		switch {
		case strings.HasPrefix(word, "--"):
			name, value, hasValue = strings.Cut(word[2:], "=")
			name = expandOption(name)
		case strings.HasPrefix(word, "-") && len(word) > 1:
			name = shortOptions[word[1]]
			value, hasValue = word[2:], len(word) > 2
		default:
			continue // pip ignores words between options
		}
		if takesValue(name) && !hasValue {
			if len(words) == 0 {
				return nil, errors.New("the option at its end needs a value")
			}
			value, words = words[0], words[1:]
		}
		options = append(options, option{name, value})
	}
	return options, nil
}

func takesValue(name string) bool {
	return slices.Contains(valueOptions, name)
}

// expandOption completes an abbreviation; what fits several options, or none,
// stays as it is.
func expandOption(name string) string {
	found := ""
	for _, list := range [][]string{valueOptions, flagOptions} {
		for _, o := range list {
			switch {
			case o == name:
				return name
			case !strings.HasPrefix(o, name):
			case found != "":
				return name
			default:
				found = o
			}
		}
	}
	if found == "" {
		return name
	}
	return found
}

// splitWords divides s as a POSIX shell does, without expansions or comments.
func splitWords(s string) ([]string, error) {
	var words []string
	var word strings.Builder
	inWord := false
	for i := 0; i < len(s); i++ {
		switch c := s[i]; c {
		case ' ', '\t', '\r', '\n':
			if inWord {
				words = append(words, word.String())
				word.Reset()
			}
			inWord = false
		case '\'', '"':
			inWord = true
			n, ok := unquoteWord(&word, s[i+1:], c)
			if !ok {
				return nil, errors.New("a quotation in its options is not closed")
			}
			i += n
		case '\\':
			i++
			if i == len(s) {
				return nil, errors.New("its options end in a backslash")
			}
			inWord = true
			word.WriteByte(s[i])
		default:
			inWord = true
			word.WriteByte(c)
		}
	}
	if inWord {
		words = append(words, word.String())
	}
	return words, nil
}

// unquoteWord appends what stands before the closing quote and returns how many
// bytes it takes with that.
func unquoteWord(word *strings.Builder, s string, quote byte) (int, bool) {
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] == quote:
			return i + 1, true
		case s[i] == '\\' && quote == '"' && i+1 < len(s) && (s[i+1] == '"' || s[i+1] == '\\'):
			i++
			word.WriteByte(s[i])
		default:
			word.WriteByte(s[i])
		}
	}
	return 0, false
}
