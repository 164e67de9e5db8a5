package pipeline

import (
	"errors"
	"testing"

	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/environments"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/stage"
)

// A lock whose build environment has another version than its runtime ends the
// build before anything is compiled.
func TestABIEndsTheBuild(t *testing.T) {
	t.Parallel()
	p := newProject(t)
	p.prepare()
	p.recipe.ABI = []string{"one"}
	p.lock.Wheels[0].LockedSet = p.pylock("w", "one-2.0-py3-none-any.whl")
	g := new(stage.Graph)
	if _, err := Build(g, p.request(false)); err != nil {
		t.Fatal(err)
	}
	err := g.Run(t.Context(), 2, silent{})
	fault, ok := errors.AsType[*environments.ABIError](err)
	if !ok || len(fault.Different) != 1 || fault.Different[0] != (environments.Different{Name: "one", Build: "2.0", Runtime: "1.0"}) {
		t.Fatalf("the build ended with %v", err)
	}
}
