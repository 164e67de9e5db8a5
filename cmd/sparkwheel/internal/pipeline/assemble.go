package pipeline

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io/fs"
	"maps"
	"path/filepath"
	"slices"
	"testing/fstest"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/recipe"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/stage"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/store"
	"github.com/sparkwheel/sparkwheel/layer"
	"github.com/sparkwheel/sparkwheel/wheel"
	"github.com/sparkwheel/sparkwheel/wheel/install"
	"github.com/sparkwheel/sparkwheel/wheel/truth"
)

// assemble puts the layers on the base: the packages and the runtime set below,
// since they change least, a layer for each built wheel, and the record on top.
func (b *building) assemble(ctx context.Context, res *Result, run *stage.Run) error {
	base := b.base.Value()
	built, runtime := b.members(res)
	groups, err := grouped(runtime, runtimeBudget(b.recipe, above(len(built), b.files)))
	if err != nil {
		return fmt.Errorf("grouping the runtime's wheels: %w", err)
	}
	if res.Layers, err = writeGroups(ctx, b.env, indexScheme(base, b.recipe), base.Shape, groups, run); err != nil {
		return err
	}
	layers, err := writeGroups(ctx, b.env, schemeOf(base, b.recipe), base.Shape, alone(built), run)
	if err != nil {
		return err
	}
	text, err := res.Record.JSON()
	if err != nil {
		return err
	}
	notes := Notes{Record: text, Constraints: res.Constraints, Commits: res.Commits}
	files, err := filesLayer(ctx, b.env, base, b.files)
	if err != nil {
		return err
	}
	if files != nil {
		layers = append(layers, Layer{Blob: files})
	}
	record, err := recordLayer(ctx, b.env, base.Shape, notes)
	if err != nil {
		return err
	}
	res.Layers = append(append(res.Layers, layers...), Layer{Blob: record})
	if base.Packages != nil {
		res.Layers = append([]Layer{{Blob: base.Packages}}, res.Layers...)
	}
	res.Image, err = layer.Append(base.Image, imageConfig(b.recipe, b.lock), blobs(res.Layers)...)
	if err != nil {
		return fmt.Errorf("assembling the image: %w", err)
	}
	digest, err := res.Image.Digest()
	if err != nil {
		return err
	}
	logf(run, "image %s: %d layers on base %s", digest, len(res.Layers), b.lock.Base.Digest)
	return nil
}

// members are the wheels of the image: those built, and those of the runtime set.
func (b *building) members(res *Result) (built, runtime []member) {
	for _, w := range res.Wheels {
		built = append(built, member{file: w.File, path: w.Path, sha256: w.SHA256, size: w.Size})
	}
	if b.runtime != nil {
		runtime = runtimeMembers(b.env, b.recipe, b.runtime.Value())
	}
	return built, runtime
}

// inspect opens every wheel of the image once, before a layer of any is
// written: what their METADATA says, and whether two of them write one path
// with different bytes, which is refused.
func (b *building) inspect(res *Result) (found []truth.Distribution, err error) {
	built, runtime := b.members(res)
	return inspect(b.env, schemeOf(b.base.Value(), b.recipe), append(built, runtime...))
}

func inspect(env Env, s install.Scheme, members []member) (found []truth.Distribution, err error) {
	err = openMembers(env, members, func(all []*wheel.Reader) error {
		for _, r := range all {
			found = append(found, truth.Of(r.Metadata, filepath.Base(r.Path())))
		}
		_, err := install.Tree(s, all...)
		return err
	})
	return found, err
}

func blobs(layers []Layer) []*layer.Blob {
	var all []*layer.Blob
	for _, l := range layers {
		all = append(all, l.Blob)
	}
	return all
}

// alone gives every member a layer of its own.
func alone(members []member) [][]member {
	var groups [][]member
	for _, m := range members {
		groups = append(groups, []member{m})
	}
	return groups
}

// atOnce is how many layers are written at the same time: enough that the one
// thread which a large file of one of them takes leaves no core idle, and few
// enough that what is on its way stays small on a host of many cores.
const atOnce = 4

// writeGroups writes a layer for each group, several at once, the largest first
// so that none is left for the end, and answers them in the groups' order.
func writeGroups(ctx context.Context, env Env, s install.Scheme, below layer.Shape, groups [][]member, run *stage.Run) ([]Layer, error) {
	env = env.noting(run)
	jobs := max(env.Jobs, 1)
	env.Jobs = max(jobs/atOnce, min(jobs, 2))
	order := make([]int, len(groups))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(i, j int) int { return cmp.Compare(size(groups[j]), size(groups[i])) })
	layers := make([]Layer, len(groups))
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(min(jobs, atOnce))
	for _, i := range order {
		g.Go(func() (err error) {
			layers[i], err = groupLayer(ctx, env, s, below, groups[i])
			if err == nil {
				logf(run, "layer %d of %d: %d wheels", i+1, len(groups), len(groups[i]))
			}
			return err
		})
	}
	return layers, g.Wait()
}

func size(members []member) (n int64) {
	for _, m := range members {
		n += m.size
	}
	return n
}

// constraintsPath is where the image holds its distributions' versions: pip and
// uv read it, so that a later installation cannot replace what was built.
const constraintsPath = "workspace/constraints.txt"

// Notes are the texts by which an image says what it is made of.
type Notes struct {
	Record      []byte            // build.json
	Constraints string            // see constraintsPath
	Commits     map[string]string // marker file -> text
}

// recordLayer is the small layer that says what the image is made of.
func recordLayer(ctx context.Context, env Env, below layer.Shape, n Notes) (*layer.Blob, error) {
	files := fstest.MapFS{
		"workspace/build.json": {Data: n.Record, Mode: 0o644},
		constraintsPath:        {Data: []byte(n.Constraints), Mode: 0o644},
	}
	for name, text := range n.Commits {
		files["workspace/wheels/"+name] = &fstest.MapFile{Data: []byte(text), Mode: 0o644}
	}
	return smallLayer(ctx, env, "record", within(below, "workspace"), files)
}

func smallLayer(ctx context.Context, env Env, name string, below layer.Shape, files fstest.MapFS) (*layer.Blob, error) {
	h := store.NewHash("layer "+name).Field("form", "1").Field("below", jsonText(below))
	for _, path := range slices.Sorted(maps.Keys(files)) {
		sum := sha256.Sum256(files[path].Data)
		h = h.Field(path, hex.EncodeToString(sum[:]))
	}
	dir, _, err := env.Store.Do(ctx, store.Stage, h.Key(), func(dir string) error {
		_, err := layer.Write(ctx, dir, fs.FS(files), layer.Options{Jobs: env.Jobs, Links: below.Links, Dirs: below.Dirs})
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("writing the %s layer: %w", name, err)
	}
	return layer.Open(dir)
}

func imageConfig(r *recipe.Recipe, l *recipe.Lock) layer.Config {
	c := layer.Config{
		WorkDir: r.Image.WorkDir, Entrypoint: r.Image.Entrypoint, Cmd: r.Image.Cmd,
		Labels: map[string]string{}, Created: newest(l),
	}
	environment := map[string]string{"PIP_CONSTRAINT": "/" + constraintsPath, "UV_CONSTRAINT": "/" + constraintsPath}
	maps.Copy(environment, r.Image.Environment)
	for _, k := range slices.Sorted(maps.Keys(environment)) {
		c.Env = append(c.Env, k+"="+environment[k])
	}
	for k, v := range r.Image.Labels {
		c.Labels[k] = v
	}
	for _, s := range l.Sources {
		c.Labels["org.sparkwheel."+s.Name+".commit"] = s.Commit
	}
	c.Labels["org.opencontainers.image.base.digest"] = l.Base.Digest
	if !isPath(l.Base.Reference) {
		c.Labels["org.opencontainers.image.base.name"] = l.Base.Reference
	}
	return c
}

// newest is the time of the newest commit: what stands for "now" in an image.
func newest(l *recipe.Lock) time.Time {
	var t time.Time
	for _, s := range l.Sources {
		if s.Time.After(t) {
			t = s.Time
		}
	}
	return t
}
