package install

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sparkwheel/sparkwheel/wheel"
)

// TestScripts holds uv's rule for the launchers of pip.
func TestScripts(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"x":                "x",
		"pip3":             "pip3 pip3.12",
		"pip3 gui":         "pip3 gui",
		"pip":              "pip",
		"pip3.9":           "",
		"pip3.12":          "",
		"pip3.9 gui":       "pip3.9 gui",
		"pip3.0":           "",
		"pip3.255":         "",
		"pip3.256":         "pip3.256",
		"pip3.999":         "pip3.999",
		"pip3.2560":        "pip3.2560",
		"pip3.0255":        "",
		"pip3.+9":          "",
		"pip3.+":           "pip3.+",
		"pip3.":            "pip3.",
		"pip3.1a":          "pip3.1a",
		"pip3.1/":          "pip3.1/",
		"pip3.1:":          "pip3.1:",
		"a,pip3,pip3.11,b": "a pip3 pip3.12 b",
	} {
		var points []wheel.EntryPoint
		for s := range strings.SplitSeq(text, ",") {
			name, gui := strings.CutSuffix(s, " gui")
			points = append(points, wheel.EntryPoint{Name: name, GUI: gui})
		}
		var got []string
		for _, e := range scripts(points, Scheme{PythonVersion: "3.12"}) {
			got = append(got, e.Name+map[bool]string{true: " gui"}[e.GUI])
		}
		if diff := cmp.Diff(want, strings.Join(got, " ")); diff != "" {
			t.Errorf("%s (-want +got):\n%s", text, diff)
		}
	}
}

func TestPythonVersions(t *testing.T) {
	t.Parallel()
	for version, ok := range map[string]bool{
		"3.12": true, "3.9": true, "3.0": true, "3": false, "3.": false, "": false, "2.7": false, "33.1": false,
		"3.1a": false, "3.12.1": false, "3.-1": false, "3./": false, "3.:": false,
	} {
		s := Debian(version)
		if err := s.check(); (err == nil) != ok {
			t.Errorf("%q: %v", version, err)
		}
	}
}
