package requirements

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/sparkwheel/sparkwheel/requirements/marker"
	"github.com/sparkwheel/sparkwheel/requirements/version"
)

func TestParseRequirement(t *testing.T) {
	t.Parallel()
	tests := []struct{ in, want string }{
		{"Torch == 2.11.0", "torch==2.11.0"},
		{"  a.B_c[ X , y_Z ] (>=1, <2) ; extra == 'Foo.Bar'", `a-b-c[x,y-z]<2,>=1; extra == "foo-bar"`},
		{"n@https://h/x.whl ; os_name=='posix'", `n @ https://h/x.whl ; os_name == "posix"`},
		{"six>=1.16.0; python_version > '3.11'", `six>=1.16.0; python_version > "3.11"`},
		{"name>=1,", "name>=1"},
		{"name===weird!", "name===weird!"},
		{"name; (os.name == 'a' or python_implementation == 'b') and 'x' in extras",
			`name; (os_name == "a" or platform_python_implementation == "b") and "x" in extras`},
	}
	for _, tt := range tests {
		r, err := ParseRequirement(tt.in)
		if err != nil {
			t.Errorf("ParseRequirement(%q): %v", tt.in, err)
			continue
		}
		if diff := cmp.Diff(tt.want, r.String()); diff != "" {
			t.Errorf("ParseRequirement(%q) (-want +got):\n%s", tt.in, diff)
		}
	}
}

func TestParseRequirementError(t *testing.T) {
	t.Parallel()
	tests := []struct{ in, want string }{
		{"name[x", "parsing requirement: expected , or ] after an extra's name\n    name[x\n        ^"},
		{"name>=1.*", "parsing requirement: \".*\" is not part of a PEP 440 version\n    name>=1.*\n        ^"},
		{"名前", "parsing requirement: expected a name, of ASCII letters and digits with - _ . between them\n    名前\n    ^"},
		{"name; os_name == 'x", "parsing requirement: expected the closing quote of this string\n    name; os_name == 'x\n                     ^"},
	}
	for _, tt := range tests {
		_, err := ParseRequirement(tt.in)
		if _, ok := errors.AsType[*SyntaxError](err); !ok {
			t.Errorf("ParseRequirement(%q) = %v, want a *SyntaxError", tt.in, err)
			continue
		}
		if diff := cmp.Diff(tt.want, err.Error()); diff != "" {
			t.Errorf("ParseRequirement(%q) (-want +got):\n%s", tt.in, diff)
		}
	}
}

func TestRequirementAdmits(t *testing.T) {
	t.Parallel()
	tests := []struct {
		in, version string
		want        bool
	}{
		{"torch==2.11.0", "2.11.0+cu130", true},
		{"torch==2.10.0", "2.11.0", false},
		{"torch==2.11.0+cpu", "2.11.0+cu130", false},
		{"a~=2.2.post3", "2.3", true},
		{"a~=1.4.5", "1.5", false},
		{"a==2.0.*", "2", true},
		{"a<1.0", "1.0rc1", false},
		{"a>1.0", "1.0.post1", false},
		{"a!=1.0", "1.0+x", false},
	}
	for _, tt := range tests {
		r, err := ParseRequirement(tt.in)
		if err != nil {
			t.Fatal(err)
		}
		v, err := version.Parse(tt.version)
		if err != nil {
			t.Fatal(err)
		}
		if got := r.Specifiers.Contains(v); got != tt.want {
			t.Errorf("%s admits %s: got %t, want %t", tt.in, tt.version, got, tt.want)
		}
	}
}

func TestMarkerForTarget(t *testing.T) {
	t.Parallel()
	env := marker.Linux("3.12", "aarch64")
	tests := []struct {
		in   string
		want bool
	}{
		{`python_version > "3.11" and platform_machine == "aarch64"`, true},
		{`platform_machine == "x86_64" or platform_machine == "arm64"`, false},
		{`python_full_version < "3.9"`, false},
		{`'linux' in sys_platform`, true},
		{`extra == "audio"`, false},
	}
	for _, tt := range tests {
		e, err := marker.Parse(tt.in)
		if err != nil {
			t.Fatal(err)
		}
		got, err := e.Eval(env)
		if err != nil || got != tt.want {
			t.Errorf("%s: got %t, %v, want %t", tt.in, got, err, tt.want)
		}
	}
}
