package layer

import (
	"cmp"
	"fmt"
	"math/bits"
	"slices"
)

// Member is one thing that becomes part of a layer: for an image of wheels, a
// wheel. Group names the layer it belongs to; empty means one of its own.
type Member struct {
	Name  string
	Size  int64
	Group string
}

// DefaultBudget is how many layers the groups of an image may take: with those
// of a CUDA base it stays under the 127 that container hosts can mount.
const DefaultBudget = 100

// GroupError says that the named groups of an image leave no room for the rest.
type GroupError struct {
	Budget, Groups int
	Alone          int // members outside of every group
}

func (e *GroupError) Error() string {
	return fmt.Sprintf("grouping into at most %d layers: there are %d groups, and %d members outside of them", e.Budget, e.Groups, e.Alone)
}

// Group says which members share a layer, in the order the layers stack: first
// the small ones that the budget forces together, then those alone by name,
// then the named groups as they first appear: name what changes most. Members of a layer are sorted by name.
//
// The result depends on the set of members alone, but for the order of named
// groups. Members are small by the power of two below their size, so a rebuilt
// member that keeps its magnitude keeps its place and changes its layer only.
// More named groups than the budget (DefaultBudget when it is 0) are a *GroupError.
func Group(members []Member, budget int) ([][]Member, error) {
	if budget == 0 {
		budget = DefaultBudget
	}
	named, alone := split(members)
	room := budget - len(named)
	if room < 0 || room == 0 && len(alone) > 0 {
		return nil, &GroupError{Budget: budget, Groups: len(named), Alone: len(alone)}
	}
	slices.SortFunc(alone, func(a, b Member) int {
		return cmp.Or(cmp.Compare(magnitude(a), magnitude(b)), cmp.Compare(a.Name, b.Name))
	})
	var layers [][]Member
	if over := len(alone) - room; over > 0 {
		layers = append(layers, slices.Clone(alone[:over+1]))
		alone = alone[over+1:]
	}
	slices.SortFunc(alone, byName)
	for _, m := range alone {
		layers = append(layers, []Member{m})
	}
	layers = append(layers, named...)
	for _, l := range layers {
		slices.SortFunc(l, byName)
	}
	return layers, nil
}

func split(members []Member) (named [][]Member, alone []Member) {
	at := make(map[string]int)
	for _, m := range members {
		if m.Group == "" {
			alone = append(alone, m)
			continue
		}
		i, ok := at[m.Group]
		if !ok {
			i = len(named)
			at[m.Group] = i
			named = append(named, nil)
		}
		named[i] = append(named[i], m)
	}
	return named, alone
}

func magnitude(m Member) int { return bits.Len64(uint64(max(m.Size, 0))) }

func byName(a, b Member) int { return cmp.Compare(a.Name, b.Name) }
