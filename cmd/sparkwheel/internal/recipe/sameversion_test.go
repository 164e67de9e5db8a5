package recipe

import (
	"strings"
	"testing"
)

func TestSameVersionKey(t *testing.T) {
	t.Parallel()
	for group, want := range map[string]string{
		`["a"]`:       "a group has two wheels or more",
		`["a", "a"]`:  `"a" occurs twice`,
		`["a", "no"]`: `no [[wheel]] is named "no"`,
	} {
		if _, err := Parse("r", "r.toml", []byte("same-version = ["+group+"]\n"+minimal)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s gave %v, want %q", group, err, want)
		}
	}
}
