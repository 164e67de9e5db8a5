package image

import (
	"context"
	"fmt"
	"io/fs"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/base"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/host"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/recipe"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/store"
	"github.com/sparkwheel/sparkwheel/layer"
	"github.com/sparkwheel/sparkwheel/wheel"
	"github.com/sparkwheel/sparkwheel/wheel/install"
)

// Group says which members share a layer.
func Group(members []Member, budget int) ([][]Member, error) {
	byFile := map[string]Member{}
	var all []layer.Member
	for _, m := range members {
		byFile[m.File] = m
		all = append(all, layer.Member{Name: m.File, Size: m.Size, Group: m.group})
	}
	groups, err := layer.Group(all, budget)
	if err != nil {
		return nil, err
	}
	var out [][]Member
	for _, g := range groups {
		var part []Member
		for _, m := range g {
			part = append(part, byFile[m.Name])
		}
		out = append(out, part)
	}
	return out, nil
}

// groupLayer writes wheels as one layer, once for each set of wheels, scheme
// and form of the layer.
func groupLayer(ctx context.Context, env host.Env, s install.Scheme, below layer.Shape, members []Member) (Layer, error) {
	var files []string
	for _, m := range members {
		files = append(files, m.File)
	}
	below = belowWheels(below, s)
	opt := layer.Options{Jobs: env.Jobs, Comment: strings.Join(files, " "), Links: below.Links, Dirs: below.Dirs}
	dir, _, err := env.Store.DoHashed(ctx, store.Stage, LayerKey(members, s, below), func(dir string) (hashes map[string]string, err error) {
		err = openMembers(env, members, func(readers []*wheel.Reader) error {
			tree, err := install.Tree(s, readers...)
			if err != nil {
				return err
			}
			hashes, err = writeLayer(ctx, dir, tree, opt)
			return err
		})
		return hashes, err
	})
	if err != nil {
		return Layer{}, fmt.Errorf("writing the layer of %s: %w", strings.Join(files, ", "), err)
	}
	blob, err := layer.Open(dir)
	return Layer{Blob: blob, Wheels: files}, err
}

// writeLayer writes a layer and says what its blob hashes to.
func writeLayer(ctx context.Context, dir string, tree fs.FS, opt layer.Options) (map[string]string, error) {
	blob, err := layer.Write(ctx, dir, tree, opt)
	if err != nil {
		return nil, err
	}
	digest, err := blob.Digest()
	return map[string]string{filepath.Base(blob.Path()): digest.Hex}, err
}

func LayerKey(members []Member, s install.Scheme, below layer.Shape) store.Key {
	h := store.NewHash("layer "+Distribution(members[0].File)).Field("form", "1").Field("scheme", host.JSON(s)).
		Field("below", host.JSON(belowWheels(below, s)))
	for _, m := range members {
		h = h.Field(m.File, m.SHA256)
	}
	return h.Key()
}

// LayersAbove is how many layers an image has above its runtime set: the built
// wheels', the files' and the record.
func LayersAbove(built int, files []File) int {
	if len(files) > 0 {
		built++
	}
	return built + 1
}

// Budget is how many layers the runtime set may take, with so many
// others above it.
func Budget(r *recipe.Recipe, above int) int {
	budget := r.Image.Budget
	if budget == 0 {
		budget = layer.DefaultBudget
	}
	return max(budget-above, 1)
}

// NameOf is what a runtime layer is called: the recipe's group, else its wheels.
func NameOf(members []Member) string {
	group := members[0].group
	if group != "" && !slices.ContainsFunc(members, func(m Member) bool { return m.group != group }) {
		return group
	}
	var names []string
	for _, m := range members {
		names = append(names, Distribution(path.Base(m.File)))
	}
	return host.Some(names)
}

// belowWheels is what wheels can meet of the base.
func belowWheels(below layer.Shape, s install.Scheme) layer.Shape {
	return base.Within(below, s.Prefix, s.Purelib, s.Platlib, s.Scripts, s.Headers, s.Data)
}
