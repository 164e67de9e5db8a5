package recipe

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sparkwheel/sparkwheel/requirements"
)

func TestConstraints(t *testing.T) {
	t.Parallel()
	dir := writeTree(t, map[string]string{
		"p.toml": minimal + "\n[constraints]\ntorch = \"==2.11.0\"\nnumpy = \"<2.3\"\n",
		"c.toml": "extends = \"p.toml\"\nconstraints = [\"Torch==2.12.0\", \"setuptools<81; python_version < '3.13'\"]\n[abi]\ndistributions = [\"Torch\"]\n",
	})
	p, err := Load(filepath.Join(dir, "p.toml"))
	if err != nil {
		t.Fatal(err)
	}
	c, err := Load(filepath.Join(dir, "c.toml"))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"numpy<2.3", "torch==2.11.0"}, p.Constraints); diff != "" {
		t.Errorf("of a table (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"numpy<2.3", "Torch==2.12.0", "setuptools<81; python_version < '3.13'"}, c.Constraints); diff != "" {
		t.Errorf("of a list over a table (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]requirements.Name{"torch", "numpy", "apache-tvm-ffi"}, p.Binary()); diff != "" {
		t.Errorf("Binary (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]requirements.Name{"torch"}, c.Binary()); diff != "" {
		t.Errorf("Binary (-want +got):\n%s", diff)
	}
	for text, want := range map[string]string{
		"constraints = 1\n":                    "constraints: it is neither a list of requirements nor a table",
		"constraints = [1]\n":                  "constraints: it is neither",
		"[constraints]\ntorch = 2\n":           "constraints: it is neither",
		"[constraints]\ntorch = \"=2.11.0\"\n": `constraints: "torch=2.11.0": `,
		"constraints = [\"torch[x]==1\"]\n":    "neither extras nor a URL",
		"[abi]\ndistributions = [\"a b\"]\n":   `abi.distributions: "a b" is not a distribution's name`,
	} {
		if strings.HasPrefix(text, "c") {
			text += minimal
		} else {
			text = minimal + text
		}
		if _, err := Parse("r", "r.toml", []byte(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q gave %v, want %q", text, err, want)
		}
	}
}
