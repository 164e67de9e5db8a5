package ini_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sparkwheel/sparkwheel/wheel/internal/ini"
)

// The options are those that Python's configparser reads, but that it refuses a
// file with a mistake as a whole.
func TestParse(t *testing.T) {
	t.Parallel()
	const text = "# note\n[a]\nk = v\n; note\nK:w\n  [deeper] = more\n\n  and more\n" +
		"[b]] # behind\r\n  x==\ny =\n    z\nk = 1\nk = 2\n[a]\n= none\nnone\n"
	want := []ini.Option{
		{"a", "k", "v"}, {"a", "K", "w\n[deeper] = more\nand more"}, {"b]", "x", "="}, {"b]", "y", "z"}, {"b]", "k", "1"}, {"b]", "k", "2"},
	}
	options, errs := ini.Parse(text, "=:")
	if diff := cmp.Diff(want, options); diff != "" {
		t.Errorf("options (-want +got):\n%s", diff)
	}
	var wrong []string
	for _, err := range errs {
		wrong = append(wrong, err.Error())
	}
	if diff := cmp.Diff([]string{
		`line 14: a key that occurs twice in its section: "k = 2"`,
		`line 15: a section that is not allowed here: "[a]"`,
		`line 16: neither a section nor key = value: "= none"`,
		`line 17: neither a section nor key = value: "none"`,
	}, wrong); diff != "" {
		t.Errorf("mistakes (-want +got):\n%s", diff)
	}
	if options, errs = ini.Parse("k = v\n[DEFAULT]\n", "="); len(options) != 0 || len(errs) != 2 {
		t.Errorf("before the first section: %v, %v", options, errs)
	}
}
