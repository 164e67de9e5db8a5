package pipeline

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/recipe"
	"github.com/sparkwheel/sparkwheel/wheel/index"
)

// A build runs when it is asked for, when the image is, when what is asked for
// sees its tree, and whenever its packages are in the root that all others see.
func TestWants(t *testing.T) {
	t.Parallel()
	r := &recipe.Recipe{
		Builds: []recipe.Build{
			{Name: "all-see", Debs: []string{"x_*.deb"}, Install: []string{"build"}},
			{Name: "image-sees", Debs: []string{"x_*.deb"}, Install: []string{"image"}},
			{Name: "tree", Tree: "x"}, {Name: "tool", Tree: "x", Inputs: map[string]string{"tree": "/x"}}, {Name: "alone", Tree: "x"},
		},
		Wheels: []recipe.Wheel{{Name: "plain"}, {Name: "uses", Inputs: map[string]string{"tool": "/x"}}},
	}
	for _, tt := range []struct {
		asked []string
		image bool
		want  []string
	}{
		{nil, true, []string{"all-see", "image-sees", "tree", "tool", "alone"}},
		{nil, false, []string{"all-see", "image-sees", "tree", "tool", "alone"}},
		{[]string{"plain"}, false, []string{"all-see"}},
		{[]string{"uses"}, false, []string{"all-see", "tree", "tool"}},
		{[]string{"image-sees"}, false, []string{"all-see", "image-sees"}},
	} {
		b := &build{Request: Request{Recipe: r, Wheels: tt.asked, Image: tt.image}}
		var got []string
		for _, x := range r.Builds {
			if b.wants(x) {
				got = append(got, x.Name)
			}
		}
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("asked for %q, image %v (-want +got):\n%s", tt.asked, tt.image, diff)
		}
	}
}

func TestCheckProvided(t *testing.T) {
	t.Parallel()
	pins := []index.Pin{{Name: "torch"}, {Name: "nvidia-nccl-cu13"}}
	r := &recipe.Recipe{Runtime: recipe.Runtime{Provided: map[string]string{"nvidia-nccl-cu13": "libnccl2"}}}
	if err := checkProvided(r, pins); err != nil {
		t.Error(err)
	}
	r.Runtime.Provided = map[string]string{"nvidia-nccl-cu12": "libnccl2"}
	err := checkProvided(r, pins)
	if want := "runtime.provided: nothing in the runtime set requires nvidia-nccl-cu12; the nearest that it has is nvidia-nccl-cu13; correct the recipe"; err == nil || err.Error() != want {
		t.Errorf("error is %v, want %s", err, want)
	}
	if !errors.As(err, new(*CallError)) {
		t.Errorf("error is %T", err)
	}
}
