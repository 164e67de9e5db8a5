package marker_test

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/sparkwheel/sparkwheel/requirements/marker"
)

// environment is one as packaging takes it.
type environment struct {
	ImplementationName           string   `json:"implementation_name"`
	ImplementationVersion        string   `json:"implementation_version"`
	OSName                       string   `json:"os_name"`
	PlatformMachine              string   `json:"platform_machine"`
	PlatformPythonImplementation string   `json:"platform_python_implementation"`
	PlatformRelease              string   `json:"platform_release"`
	PlatformSystem               string   `json:"platform_system"`
	PlatformVersion              string   `json:"platform_version"`
	PythonFullVersion            string   `json:"python_full_version"`
	PythonVersion                string   `json:"python_version"`
	SysPlatform                  string   `json:"sys_platform"`
	Extras                       []string `json:"extras"`
	DependencyGroups             []string `json:"dependency_groups"`
}

type golden struct {
	Environment json.RawMessage
	Given       []json.RawMessage
	Markers     [][]*string
	Evaluations [][]json.RawMessage
}

func readGolden(t *testing.T) golden {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "..", "testdata", "packaging", "markers.json"))
	if err != nil {
		t.Fatal(err)
	}
	var g golden
	if err := json.Unmarshal(text, &g); err != nil {
		t.Fatal(err)
	}
	return g
}

func TestPackagingMarkers(t *testing.T) {
	t.Parallel()
	g := readGolden(t)
	for _, row := range g.Markers {
		in := *row[0]
		m, err := marker.Parse(in)
		switch {
		case len(row) == 1 && err == nil:
			t.Errorf("Parse(%q) = %s, packaging refuses it", in, m)
		case len(row) == 2 && err != nil:
			t.Errorf("%v, packaging reads it", err)
		case len(row) == 2 && row[1] != nil && m.String() != *row[1]:
			t.Errorf("Parse(%q) = %s, packaging says %s", in, m, *row[1])
		}
		if err != nil {
			continue
		}
		if again, err := marker.Parse(m.String()); err != nil || again.String() != m.String() {
			t.Errorf("Parse(%q) = %s, which reads back as %s, %v", in, m, again, err)
		}
	}
	t.Logf("%d markers", len(g.Markers))
}

func TestPackagingEvaluations(t *testing.T) {
	t.Parallel()
	g := readGolden(t)
	for _, row := range g.Evaluations {
		var text string
		var given int
		var want *bool
		for i, into := range []any{&text, &given, &want} {
			if err := json.Unmarshal(row[i], into); err != nil {
				t.Fatal(err)
			}
		}
		var env environment
		var extra struct{ Extra string }
		for _, layer := range []json.RawMessage{g.Environment, g.Given[given]} {
			if err := errors.Join(json.Unmarshal(layer, &env), json.Unmarshal(layer, &extra)); err != nil {
				t.Fatal(err)
			}
		}
		m, err := marker.Parse(text)
		if err != nil {
			t.Error(err)
			continue
		}
		got, err := m.Eval(marker.Environment(env), extra.Extra)
		switch {
		case want == nil && err == nil:
			t.Errorf("%s in %s: got %t, packaging refuses it", text, g.Given[given], got)
		case want != nil && (err != nil || got != *want):
			t.Errorf("%s in %s: got %t, %v, packaging says %t", text, g.Given[given], got, err, *want)
		}
	}
	t.Logf("%d evaluations", len(g.Evaluations))
}
