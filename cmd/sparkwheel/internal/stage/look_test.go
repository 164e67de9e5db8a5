package stage_test

import (
	"context"
	"errors"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/stage"
)

// looks tells of one part under a key.
func looks(name, key string) func() ([]stage.Look, error) {
	return func() ([]stage.Look, error) { return []stage.Look{{Name: name, Key: key}}, nil }
}

func TestLookRunsNothing(t *testing.T) {
	t.Parallel()
	g := new(stage.Graph)
	run := func(context.Context, *stage.Run) (string, error) {
		t.Error("a stage ran")
		return "", nil
	}
	tree := stage.AddKeyed(g, "tree", stage.Ahead[string]{Look: looks("tree", "t"), Value: func() (string, error) { return "foreseen", nil }}, run)
	plain := stage.Add(g, "plain", run)
	stage.AddKeyed(g, "wheel", stage.Ahead[string]{Look: func() ([]stage.Look, error) {
		v, err := tree.Ahead()
		return []stage.Look{{Name: "wheel of " + v, Key: "w"}}, err
	}}, run, tree)
	stage.AddKeyed(g, "waits", stage.Ahead[string]{Look: func() ([]stage.Look, error) {
		_, err := plain.Ahead()
		return nil, err
	}}, run, plain)
	got, err := g.Look()
	if err != nil {
		t.Fatal(err)
	}
	want := []stage.Look{{Name: "tree", Key: "t"}, {Name: "wheel of foreseen", Key: "w"}, {Name: "waits", Reason: "plain runs first"}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("looks (-want +got):\n%s", diff)
	}
	fault := errors.New("a fault")
	stage.AddKeyed(g, "faulty", stage.Ahead[string]{Look: func() ([]stage.Look, error) { return nil, fault }}, run)
	if _, err := g.Look(); !errors.Is(err, fault) || err.Error() != "faulty: a fault" {
		t.Errorf("a look that fails gave %v", err)
	}
}

// What a stage made counts more than what it foresaw.
func TestAheadOfADoneStage(t *testing.T) {
	t.Parallel()
	g := new(stage.Graph)
	asked := 0
	s := stage.AddKeyed(g, "s", stage.Ahead[string]{Value: func() (string, error) { asked++; return "foreseen", nil }},
		func(context.Context, *stage.Run) (string, error) { return "made", nil })
	for range 2 {
		if v, err := s.Ahead(); v != "foreseen" || err != nil {
			t.Errorf("before: %q, %v", v, err)
		}
	}
	if asked != 1 {
		t.Errorf("it was foreseen %d times", asked)
	}
	if err := g.Run(t.Context(), 1, nil); err != nil {
		t.Fatal(err)
	}
	if v, err := s.Ahead(); v != "made" || err != nil {
		t.Errorf("after: %q, %v", v, err)
	}
	if got, err := g.Look(); got != nil || err != nil {
		t.Errorf("a stage that keeps nothing gave %v, %v", got, err)
	}
}

// A part runs what its stages need, and nothing else; the rest can follow.
func TestPart(t *testing.T) {
	t.Parallel()
	g := new(stage.Graph)
	var ran []string
	add := func(name string, needs ...stage.Need) *stage.Stage[string] {
		return stage.Add(g, name, func(context.Context, *stage.Run) (string, error) {
			ran = append(ran, name)
			return name, nil
		}, needs...)
	}
	base := add("base")
	tree := add("tree")
	add("wheel", base, tree)
	files := add("files", base)
	if err := g.Part(files).Run(t.Context(), 1, nil); err != nil {
		t.Fatal(err)
	}
	if want := []string{"base", "files"}; !slices.Equal(ran, want) {
		t.Errorf("the part ran %q, want %q", ran, want)
	}
	if err := g.Run(t.Context(), 1, nil); err != nil {
		t.Fatal(err)
	}
	if want := []string{"base", "files", "tree", "wheel"}; !slices.Equal(ran, want) {
		t.Errorf("all ran %q, want %q", ran, want)
	}
}
