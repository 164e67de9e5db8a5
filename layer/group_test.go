package layer_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sparkwheel/sparkwheel/layer"
)

func names(layers [][]layer.Member) []string {
	var out []string
	for _, l := range layers {
		var s []string
		for _, m := range l {
			s = append(s, m.Name)
		}
		out = append(out, strings.Join(s, " "))
	}
	return out
}

func TestGroup(t *testing.T) {
	t.Parallel()
	members := []layer.Member{
		{Name: "vllm", Size: 400 << 20, Group: "vllm"},
		{Name: "torch", Size: 900 << 20},
		{Name: "idna", Size: 60 << 10},
		{Name: "triton", Size: 200 << 20},
		{Name: "flashinfer-cubin", Size: 300 << 20, Group: "flashinfer"},
		{Name: "certifi", Size: 150 << 10},
		{Name: "flashinfer", Size: 8 << 20, Group: "flashinfer"},
		{Name: "six", Size: 11 << 10},
	}
	tests := []struct {
		budget int
		want   []string
	}{
		{0, []string{"certifi", "idna", "six", "torch", "triton", "vllm", "flashinfer flashinfer-cubin"}},
		{7, []string{"certifi", "idna", "six", "torch", "triton", "vllm", "flashinfer flashinfer-cubin"}},
		{6, []string{"idna six", "certifi", "torch", "triton", "vllm", "flashinfer flashinfer-cubin"}},
		{5, []string{"certifi idna six", "torch", "triton", "vllm", "flashinfer flashinfer-cubin"}},
		{3, []string{"certifi idna six torch triton", "vllm", "flashinfer flashinfer-cubin"}},
	}
	for _, tt := range tests {
		got, err := layer.Group(members, tt.budget)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(tt.want, names(got)); diff != "" {
			t.Errorf("budget %d (-want +got):\n%s", tt.budget, diff)
		}
	}
	for _, budget := range []int{1, 2} {
		if got, err := layer.Group(members, budget); err == nil {
			t.Errorf("budget %d gave %q", budget, names(got))
		}
	}
}

// TestGroupIsStable shuffles and grows members as rebuilds do.
func TestGroupIsStable(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(1, 1))
	var members []layer.Member
	for i := range 194 {
		members = append(members, layer.Member{Name: fmt.Sprintf("d%03d", i), Size: 1000 + r.Int64N(1<<uint(12+i%16))})
	}
	first, err := layer.Group(members, layer.DefaultBudget)
	if err != nil {
		t.Fatal(err)
	}
	if len(first) != layer.DefaultBudget {
		t.Errorf("%d layers, not %d", len(first), layer.DefaultBudget)
	}
	r.Shuffle(len(members), func(i, j int) { members[i], members[j] = members[j], members[i] })
	for i, m := range members {
		// The most that stays within the magnitude.
		for bigger := m.Size; bigger&(bigger-1) != 0; bigger++ {
			members[i].Size = bigger
			if bigger > m.Size+m.Size/10 {
				break
			}
		}
	}
	again, err := layer.Group(members, layer.DefaultBudget)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(names(first), names(again)); diff != "" {
		t.Errorf("other order and sizes changed the groups (-first +again):\n%s", diff)
	}
}
