package marker_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sparkwheel/sparkwheel/requirements/marker"
)

// TestText holds where words end and what escapes stand for, as in Python.
func TestText(t *testing.T) {
	t.Parallel()
	nested := func(n int) string { return strings.Repeat("(", n) + `os_name == "a"` + strings.Repeat(")", n) }
	const ab = `os_name == "a" or sys_platform == "b"`
	for in, want := range map[string]string{
		`os_name == "a"or sys_platform == "b"`:   ab,
		`os_name == "a" or(sys_platform == "b")`: ab,
		`os_name == "a" orsys_platform == "b"`:   "",
		`os_name == "a" or_sys_platform == "b"`:  "",
		`os_name == "a" or1 sys_platform == "b"`: "",
		`os_name == "a" orüsys_platform == "b"`:  "",
		`"a" inos_name`:                          "",
		`os_namein "a"`:                          "",
		`os_name not in "a"`:                     `os_name not in "a"`,
		`os_name notin "a"`:                      "",
		`os_name not on "a"`:                     "",
		nested(100):                              `os_name == "a"`,
		nested(101):                              "",
		"((" + nested(0) + ") and (" + nested(0): "",

		`os_name == '\101'`:       `os_name == "A"`,
		`os_name == '\60\67'`:     `os_name == "07"`,
		`os_name == '\1018'`:      `os_name == "A8"`,
		`os_name == '\1011'`:      `os_name == "A1"`,
		`os_name == '\68'`:        "os_name == \"\x068\"",
		`os_name == '\6/'`:        "os_name == \"\x06/\"",
		`os_name == '\7'`:         "os_name == \"\a\"",
		`os_name == '\a\b\f\t\v'`: "os_name == \"\a\b\f\t\v\"",
		`os_name == '\x41'`:       `os_name == "A"`,
		`os_name == '\x4'`:        "",
		`os_name == '\u0041'`:     `os_name == "A"`,
		`os_name == '\u004'`:      "",
		`os_name == '\U00000041'`: `os_name == "A"`,
		`os_name == '\U0000004'`:  "",
		`os_name == '\ud800'`:     "",
		`os_name == '\q'`:         `os_name == "\q"`,
		`os_name == '\N{DASH}'`:   "",
		`os_name == '\`:           "",
		"os_name == 'a\nb'":       "",
		"os_name == 'a\\\nb'":     `os_name == "ab"`,
		"os_name == 'a\\\r\nb'":   `os_name == "ab"`,

		`os_name == "a'b"`:      `os_name == "a'b"`,
		`os_name == 'a"b'`:      `os_name == 'a"b'`,
		`os_name == 'a"b\'`:     "",
		`os_name == 'a"\x27'`:   `os_name == "a\x22'"`,
		`extra == 'A_b'`:        `extra == "a-b"`,
		`'A_b' == extra`:        `"a-b" == extra`,
		`'A_b' in extras`:       `"a-b" in extras`,
		`os_name == 'A_b'`:      `os_name == "A_b"`,
		`'A_b' == os_name`:      `"A_b" == os_name`,
		`os_name == extra`:      `os_name == extra`,
		`extra == sys_platform`: `extra == sys_platform`,
	} {
		e, err := marker.Parse(in)
		if got := e.String(); got != want || (err == nil) != (want != "") {
			t.Errorf("Parse(%s) = %s, %v, want %s", in, got, err, want)
		}
	}
}

// TestSyntaxErrors holds where the error is.
func TestSyntaxErrors(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]int{
		`os_name`:                  7,
		`os_name == "a`:            11,
		`os_name == "a" x`:         15,
		` (os_name == "a"`:         1,
		`os_name not  on "a"`:      13,
		`os_name == "a" and "\x4"`: 19,
	} {
		_, err := marker.Parse(in)
		found, ok := errors.AsType[*marker.SyntaxError](err)
		if !ok || found.Offset != want || found.Text != in || !strings.Contains(err.Error(), found.Msg) {
			t.Errorf("Parse(%s): %v, want byte %d", in, err, want)
		}
	}
}

func TestLinux(t *testing.T) {
	t.Parallel()
	for python, want := range map[string][2]string{
		"3.12":      {"3.12.0", "3.12"},
		"3.12.4":    {"3.12.4", "3.12"},
		"3.13.0rc1": {"3.13.0rc1", "3.13"},
	} {
		env := marker.Linux(python, "aarch64")
		got := [2]string{env.PythonFullVersion, env.PythonVersion}
		if diff := cmp.Diff(want, got); diff != "" || env.ImplementationVersion != want[0] || env.PlatformMachine != "aarch64" {
			t.Errorf("%s (-want +got):\n%s%+v", python, diff, env)
		}
	}
}

// TestEval holds what no one environment of packaging's shows: several extras,
// sets, and comparisons without a meaning.
func TestEval(t *testing.T) {
	t.Parallel()
	env := marker.Linux("3.12.3", "aarch64")
	env.Extras, env.DependencyGroups = []string{"X_y"}, []string{"Docs"}
	for _, tt := range []struct {
		in     string
		extras []string
		want   string
	}{
		{"extra == 'a'", nil, "false"},
		{"extra == ''", nil, "true"},
		{"extra == 'a'", []string{"b"}, "false"},
		{"extra == 'a'", []string{"A", "b"}, "true"},
		{"extra == 'a'", []string{"b", "A"}, "true"},
		{"'x.y' in extras", nil, "true"},
		{"'x.y' not in extras", nil, "false"},
		{"'z' in extras", nil, "false"},
		{"'docs' in dependency_groups", nil, "true"},
		{"'docs' == dependency_groups", nil, "false"},
		{"'docs' != dependency_groups", nil, "true"},
		{"'docs' ~= dependency_groups", nil, "error"},
		{"extras == 'a'", nil, "error"},
		{"'a' == 'b'", nil, "error"},
		{"'a' ~= os_name", nil, "error"},
		{"os_name == 'posix' or 'a' ~= os_name", nil, "error"},
		{"os_name < 'posiy'", nil, "false"},
		{"os_name >= 'posix'", nil, "true"},
		{"'Posi' in os_name", nil, "false"},
		{"os_name in 'a posix b'", nil, "true"},
		{"os_name == 'x' or os_name == 'posix' and sys_platform == 'linux'", nil, "true"},
		{"os_name == 'posix' or os_name == 'x' and sys_platform == 'x'", nil, "true"},
		{"os_name == 'posix' and sys_platform == 'x'", nil, "false"},
	} {
		e, err := marker.Parse(tt.in)
		if err != nil {
			t.Fatal(err)
		}
		holds, err := e.Eval(env, tt.extras...)
		got := map[bool]string{true: "true", false: "false"}[holds]
		if err != nil {
			found, ok := errors.AsType[*marker.EvalError](err)
			if got = "error"; !ok || holds || found.Comparison == "" {
				t.Errorf("%s: %v", tt.in, err)
			}
		}
		if got != tt.want {
			t.Errorf("%s with %q is %s, %v, want %s", tt.in, tt.extras, got, err, tt.want)
		}
	}
	if holds, err := (marker.Expr{}).Eval(env); !holds || err != nil || (marker.Expr{}).String() != "" {
		t.Errorf("no marker: %t, %v", holds, err)
	}
}
