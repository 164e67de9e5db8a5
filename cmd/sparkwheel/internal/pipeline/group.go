package pipeline

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"

	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/recipe"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/stage"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/store"
	"github.com/sparkwheel/sparkwheel/layer"
	"github.com/sparkwheel/sparkwheel/requirements"
	"github.com/sparkwheel/sparkwheel/wheel"
	"github.com/sparkwheel/sparkwheel/wheel/index"
	"github.com/sparkwheel/sparkwheel/wheel/install"
)

// member is a wheel that goes into a layer.
type member struct {
	file   string // its name
	path   string // where its bytes are, under whatever name
	sha256 string
	size   int64
	group  string // the recipe's group, "" for a layer of its own
}

// grouped says which members share a layer.
func grouped(members []member, budget int) ([][]member, error) {
	byFile := map[string]member{}
	var all []layer.Member
	for _, m := range members {
		byFile[m.file] = m
		all = append(all, layer.Member{Name: m.file, Size: m.size, Group: m.group})
	}
	groups, err := layer.Group(all, budget)
	if err != nil {
		return nil, err
	}
	var out [][]member
	for _, g := range groups {
		var part []member
		for _, m := range g {
			part = append(part, byFile[m.Name])
		}
		out = append(out, part)
	}
	return out, nil
}

// groupLayer writes wheels as one layer, once for each set of wheels, scheme
// and form of the layer.
func groupLayer(ctx context.Context, env Env, s install.Scheme, below layer.Shape, members []member) (Layer, error) {
	var files []string
	for _, m := range members {
		files = append(files, m.file)
	}
	below = belowWheels(below, s)
	opt := layer.Options{Jobs: env.Jobs, Comment: strings.Join(files, " "), Links: below.Links, Dirs: below.Dirs}
	dir, _, err := env.Store.DoHashed(ctx, store.Stage, groupKey(members, s, below), func(dir string) (hashes map[string]string, err error) {
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

func groupKey(members []member, s install.Scheme, below layer.Shape) store.Key {
	h := store.NewHash("layer "+distribution(members[0].file)).Field("form", "1").Field("scheme", jsonText(s)).
		Field("below", jsonText(belowWheels(below, s)))
	for _, m := range members {
		h = h.Field(m.file, m.sha256)
	}
	return h.Key()
}

// distribution is the part of a wheel's file name that stays when it is built
// again.
func distribution(file string) string {
	name, _, _ := strings.Cut(file, "-")
	return name
}

// openMembers opens wheels under their own names, which the store's blobs do
// not have, and closes them after use.
func openMembers(env Env, members []member, use func([]*wheel.Reader) error) (err error) {
	dir, err := os.MkdirTemp(env.scratch(), "wheels-*")
	if err != nil {
		return err
	}
	readers := make([]*wheel.Reader, len(members))
	defer func() {
		for _, r := range readers {
			if r != nil {
				err = errors.Join(err, r.Close())
			}
		}
		err = errors.Join(err, os.RemoveAll(dir))
	}()
	var g errgroup.Group
	g.SetLimit(max(env.Jobs, 1))
	for i, m := range members {
		g.Go(func() (err error) {
			named := filepath.Join(dir, m.file)
			real, err := filepath.Abs(m.path)
			if err != nil {
				return err
			}
			if err := os.Symlink(real, named); err != nil {
				return err
			}
			readers[i], err = openMember(named, m.sha256)
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return err
	}
	return use(readers)
}

func openMember(path, sum string) (*wheel.Reader, error) {
	var digest [32]byte
	if n, err := hex.Decode(digest[:], []byte(sum)); err != nil || n != len(digest) {
		return nil, fmt.Errorf("%s: %q is no sha256", filepath.Base(path), sum)
	}
	return wheel.OpenPinned(path, digest)
}

// runtimeMembers are the wheels of the runtime set, in the groups that the
// recipe gives them.
func runtimeMembers(env Env, r *recipe.Recipe, pins []index.Pin) []member {
	var out []member
	for _, p := range pins {
		out = append(out, member{file: p.File, path: p.Path(env.blobs()), sha256: p.SHA256, size: p.Size, group: groupOf(r, p.Name)})
	}
	return out
}

// groupOf is the group of a distribution. Two that write the same paths must
// share a layer: which of two layers comes later is not for the recipe to say.
func groupOf(r *recipe.Recipe, name string) string {
	if g := namedGroup(r, name); g != "" {
		return g
	}
	for _, o := range r.Image.Over {
		if o.Winner != name && o.Loser != name {
			continue
		}
		for _, other := range []string{o.Winner, o.Loser} {
			if g := namedGroup(r, other); g != "" {
				return g
			}
		}
		return o.Winner + " over " + o.Loser
	}
	return ""
}

func namedGroup(r *recipe.Recipe, name string) string {
	for _, g := range slices.Sorted(maps.Keys(r.Image.Groups)) {
		for _, pattern := range r.Image.Groups[g] {
			if ok, _ := path.Match(pattern, name); ok {
				return g
			}
		}
	}
	return ""
}

// over are the recipe's settlements as the wheel room takes them.
func over(r *recipe.Recipe) []install.Over {
	var out []install.Over
	for _, o := range r.Image.Over {
		out = append(out, install.Over{Winner: requirements.Normalize(o.Winner), Loser: requirements.Normalize(o.Loser)})
	}
	return out
}

// fetchRuntime brings the runtime set's wheels.
func fetchRuntime(ctx context.Context, env Env, base *Base, set recipe.LockedSet, run *stage.Run) ([]index.Pin, error) {
	chosen, err := pins(base, set)
	if err != nil {
		return nil, err
	}
	got, err := fetchAll(ctx, env, chosen, run)
	if err == nil && got.Received == 0 {
		run.Hit("every wheel is in the store")
	}
	return chosen, err
}

// above is how many layers an image has above its runtime set: the built
// wheels', the files' and the record.
func above(built int, files []imageFile) int {
	if len(files) > 0 {
		built++
	}
	return built + 1
}

// runtimeBudget is how many layers the runtime set may take, with so many
// others above it.
func runtimeBudget(r *recipe.Recipe, above int) int {
	budget := r.Image.Budget
	if budget == 0 {
		budget = layer.DefaultBudget
	}
	return max(budget-above, 1)
}
