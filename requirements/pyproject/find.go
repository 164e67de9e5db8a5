package pyproject

import (
	"fmt"
	"maps"
	"slices"

	"github.com/pelletier/go-toml/v2/unstable"
)

// array is one array of requirements in a document.
type array struct {
	key      string    // project.dependencies
	from     int       // where to look for its opening bracket
	elements []element // its strings
}

// element is one string of an array.
type element struct {
	start, end int    // of the literal, quotes included
	value      string // what it says
}

// findArrays lists the arrays that hold requirements, wherever tables, dotted
// keys and inline tables put them.
func findArrays(src []byte) ([]array, error) {
	f := finder{}
	var p unstable.Parser
	p.Reset(src)
	var table []string
	for p.NextExpression() {
		n := p.Expression()
		switch n.Kind {
		case unstable.Table, unstable.ArrayTable:
			table = key(n.Key())
		case unstable.KeyValue:
			f.keyValue(table, n, int(n.Raw.Offset))
		}
	}
	if err := p.Error(); err != nil {
		return nil, fmt.Errorf("finding its arrays: %w", err)
	}
	return f.arrays, nil
}

type finder struct{ arrays []array }

func (f *finder) keyValue(table []string, n *unstable.Node, from int) {
	path := slices.Concat(table, key(n.Key()))
	switch v := n.Value(); v.Kind {
	case unstable.InlineTable:
		for it := v.Children(); it.Next(); {
			if child := it.Node(); child.Kind == unstable.KeyValue {
				f.keyValue(path, child, int(child.Raw.Offset))
			}
		}
	case unstable.Array:
		if name, ok := holdsRequirements(path); ok {
			a := array{key: name, from: from}
			for it := v.Children(); it.Next(); {
				if e := it.Node(); e.Kind == unstable.String {
					a.elements = append(a.elements, element{
						int(e.Raw.Offset), int(e.Raw.Offset + e.Raw.Length), string(e.Data),
					})
				}
			}
			f.arrays = append(f.arrays, a)
		}
	}
}

func key(it unstable.Iterator) []string {
	var path []string
	for it.Next() {
		path = append(path, string(it.Node().Data))
	}
	return path
}

func holdsRequirements(path []string) (string, bool) {
	switch {
	case slices.Equal(path, []string{"build-system", "requires"}):
		return "build-system.requires", true
	case slices.Equal(path, []string{"project", "dependencies"}):
		return "project.dependencies", true
	case len(path) == 3 && path[0] == "project" && path[1] == "optional-dependencies":
		return "project.optional-dependencies." + path[2], true
	case len(path) == 2 && path[0] == "dependency-groups":
		return "dependency-groups." + path[1], true
	}
	return "", false
}

func sortedKeys(m map[string]any) []string { return slices.Sorted(maps.Keys(m)) }
