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
func groupLayer(ctx context.Context, env host.Env, at Place, members []Member) (Layer, error) {
	var files []string
	for _, m := range members {
		files = append(files, m.File)
	}
	below := at.below()
	entry := layerEntry("", at, members)
	opt := layer.Options{Jobs: env.Jobs, Comment: strings.Join(files, " "), Links: below.Links, Dirs: below.Dirs}
	dir, _, err := env.Store.DoHashed(ctx, entry.Kind, entry.Key, func(dir string) (hashes map[string]string, err error) {
		err = openMembers(env, members, func(readers []*wheel.Reader) error {
			tree, err := install.Tree(at.Scheme, readers...)
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

// layerEntry is the layer of members in the store. name is for people.
func layerEntry(name string, at Place, members []Member) host.Entry {
	h := store.NewHash("layer "+Distribution(members[0].File)).Field("form", "1").Field("scheme", host.JSON(at.Scheme)).
		Field("below", host.JSON(at.below()))
	for _, m := range members {
		h = h.Input(m.File, m.SHA256)
	}
	return host.Entry{Name: name, Kind: store.Stage, Key: h.Key()}
}

// layersAbove is how many layers an image has above its runtime set: the built
// wheels', the files' and the record.
func layersAbove(built int, files []File) int {
	if len(files) > 0 {
		built++
	}
	return built + 1
}

// budget is how many layers the runtime set may take, with so many
// others above it.
func budget(r *recipe.Recipe, above int) int {
	most := r.Image.Budget
	if most == 0 {
		most = layer.DefaultBudget
	}
	return max(most-above, 1)
}

// nameOf is what a runtime layer is called: the recipe's group, else its wheels.
func nameOf(members []Member) string {
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

// below is what wheels can meet of the base.
func (p Place) below() layer.Shape {
	s := p.Scheme
	return base.Within(p.Below, s.Prefix, s.Purelib, s.Platlib, s.Scripts, s.Headers, s.Data)
}
