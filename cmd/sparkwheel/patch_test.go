package main

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/remedy"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/sources"
	"github.com/sparkwheel/sparkwheel/git/patch"
)

// A patch that does not fit is the recipe's fault, and what to do is said.
func TestPatchThatDoesNotFitIsTheRecipes(t *testing.T) {
	t.Parallel()
	conflict := &patch.ConflictError{Patch: "p", Conflicts: []patch.Conflict{{File: "f", Hunk: 1, Line: 3, Reason: "these 1 lines are not in the file"}}}
	err := fmt.Errorf("stage: %w", &sources.PatchError{Source: "up", Err: conflict})
	if code, ok := errors.AsType[*codeError](classify(t.Context(), err)); !ok || code.code != codeUsage {
		t.Errorf("it ends as %#v", code)
	}
	if said := remedy.Text(err); !strings.Contains(said, "take it out of the recipe") {
		t.Errorf("what to do is %q", said)
	}
}
