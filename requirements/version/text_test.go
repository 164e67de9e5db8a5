package version_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sparkwheel/sparkwheel/requirements/version"
)

// TestText holds the bounds of what is white space, a letter and a digit, as
// Python has them.
func TestText(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"\x1c1.0\x1f": "1.0",
		"\x1b1.0":     "",
		"1.0+aAzZ09":  "1.0+aazz09",
		"1.0+a@":      "",
		"1.0+a[":      "",
		"1.0+a{":      "",
		"1.0+a`":      "",
		"1.0+/":       "",
		"1.0+:":       "",
		"1.0.":        "",
		"1.0.:":       "",
		"1.0./":       "",
		"1.9":         "1.9",
		"1.0-":        "",
		"1.0-0":       "1.0.post0",
		"1.0+a.9":     "1.0+a.9",
		"1.0+a.z":     "1.0+a.z",
		"1.0+a.":      "",
		"1.0+a.{":     "",
	} {
		v, err := version.Parse(in)
		if v.String() != want || (err == nil) != (want != "") {
			t.Errorf("Parse(%q) = %q, %v, want %q", in, v, err, want)
		}
	}
	if v := (version.Version{}); !v.IsZero() || v.Compare(version.Version{}) != 0 {
		t.Error("the zero Version is a version")
	}
}

// TestRefusedSpecifiers are clauses that PEP 440 does not allow, each beside
// one that it does.
func TestRefusedSpecifiers(t *testing.T) {
	t.Parallel()
	for in, ok := range map[string]bool{
		"==1.*": true, "!=1.*": true, ">=1.*": false, "~=1.1.*": false, "<1.*": false,
		"==1a1.*": false, "==1.post1.*": false, "==1.dev1.*": false, "!=1.dev1.*": false, "==1+x.*": false,
		"==1+x": true, "!=1+x": true, ">=1+x": false, "<1+x": false, "~=1.0+x": false,
		"~=1.0": true, "~=1": false, ">=1": true,
		"===x y": false, "===x;": false, "===x)": false, "===x,y": true,
		"1.0": false, "=1.0": false,
	} {
		spec, err := version.ParseSpecifier(in)
		if (err == nil) != ok || ok && spec.String() != in {
			t.Errorf("ParseSpecifier(%q) = %q, %v", in, spec, err)
		}
	}
}

// TestAsksFor holds what a clause says of pre-releases and local versions.
func TestAsksFor(t *testing.T) {
	t.Parallel()
	type asks struct{ Prerelease, Local bool }
	for in, want := range map[string]asks{
		"==1.0":     {},
		"==1.0rc1":  {Prerelease: true},
		"!=1.0rc1":  {},
		"==1.*":     {},
		">=1.dev0":  {Prerelease: true},
		"===1.0rc1": {Prerelease: true},
		"===foo":    {},
		"==1+x":     {Local: true},
		"===1+x":    {Local: true},
	} {
		spec, err := version.ParseSpecifier(in)
		if err != nil {
			t.Fatal(err)
		}
		got := asks{version.Specifiers{spec}.Prereleases(), spec.HasLocal()}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", in, diff)
		}
	}
}
