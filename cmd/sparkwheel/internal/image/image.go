package image

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/base"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/fit"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/host"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/recipe"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/stage"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/store"
	"github.com/sparkwheel/sparkwheel/layer"
	"github.com/sparkwheel/sparkwheel/requirements"
	"github.com/sparkwheel/sparkwheel/wheel"
	"github.com/sparkwheel/sparkwheel/wheel/installed"
)

// Image is what an image is made of, from the base up.
type Image struct {
	Recipe  *recipe.Recipe
	Lock    *recipe.Lock
	Base    *base.Base
	Runtime []Member // the runtime set
	// Provided are the empty distributions of the runtime set.
	Provided []Member
	Built    []Built
	Files    []File
	Strict   Strictness
	Verdict  fit.Verdict // on how the wheels lie upon the base: see Inspect and Foresee
	// Noted is what decides on the image's notes, by name: they are written when
	// all else is known.
	Noted map[string]string
}

// Built is a wheel that is built here, under the recipe's name of it. Waits says
// why the wheel is not known yet, "" when it is.
type Built struct {
	Name         string
	Distribution string
	Member
	Waits string
}

// groups are the layers of the runtime set.
func (i Image) groups() ([][]Member, error) {
	groups, err := Group(i.Runtime, budget(i.Recipe, layersAbove(len(i.Built)+min(len(i.Provided), 1), i.Files)))
	if err != nil {
		return nil, fmt.Errorf("grouping the runtime's wheels: %w", err)
	}
	return groups, nil
}

// indexed is where wheels of an index go, made where those go that are built here.
func (i Image) indexed() Place {
	return Place{indexScheme(i.Base, i.Recipe), Beneath(i.Base, i.Verdict)}
}
func (i Image) made() Place { return Place{scheme(i.Base, i.Recipe), Beneath(i.Base, i.Verdict)} }

// Layers are the image's layers in the store but for its notes, which are known
// when all else is.
func (i Image) Layers() ([]host.Entry, error) {
	groups, err := i.groups()
	if err != nil {
		return nil, err
	}
	var all []host.Entry
	if len(i.Verdict.Whiteouts) > 0 {
		all = append(all, whiteouts(i.Base, i.Verdict).entry())
	}
	for _, members := range groups {
		all = append(all, layerEntry("layer "+nameOf(members), i.indexed(), members))
	}
	if len(i.Provided) > 0 {
		all = append(all, layerEntry("layer provided", i.provided(), i.Provided))
	}
	for _, b := range i.Built {
		if b.Waits != "" {
			all = append(all, host.Entry{Name: "layer " + b.Name, Waits: b.Waits})
			continue
		}
		all = append(all, layerEntry("layer "+b.Name, i.made(), []Member{b.Member}))
	}
	if len(i.Files) > 0 {
		all = append(all, filesEntry(i.Files, belowFiles(i.Base.Shape, i.Files)))
	}
	return all, nil
}

// Entry is the image in the store: that it was assembled, under a key of all
// that decides on its bytes.
func (i Image) Entry() (host.Entry, error) {
	layers, err := i.Layers()
	if err != nil {
		return host.Entry{}, err
	}
	for _, b := range i.Built {
		if b.Waits != "" {
			return host.Entry{Name: "image", Waits: b.Waits}, nil
		}
	}
	h := store.NewHash("image "+i.Recipe.Name).Field("form", "1").Field("base", i.Base.Digest).
		Field("config", host.JSON(config(i.Recipe, i.Lock))).Field("allow", host.JSON(i.Strict.Allow))
	for _, name := range slices.Sorted(maps.Keys(i.Noted)) {
		h = h.Field(name, i.Noted[name])
	}
	for _, l := range layers {
		h = h.Field(l.Name, l.Key.String())
	}
	return host.Entry{Name: "image", Kind: store.Stage, Key: h.Key()}, nil
}

// Inspect opens every wheel of the image once, see the function.
func (i Image) Inspect(env host.Env) (Inspected, error) {
	return Inspect(env, i.Base, scheme(i.Base, i.Recipe), i.members(), i.Strict)
}

func (i Image) members() []Member {
	var members []Member
	for _, b := range i.Built {
		members = append(members, b.Member)
	}
	return slices.Concat(members, i.Runtime, i.Provided)
}

// Foresee is the verdict of Inspect as far as it is known without making or
// downloading a wheel, else a *stage.WaitingError: where the base has none of
// the wheels' distributions, none has to be opened.
func (i Image) Foresee(env host.Env) (v fit.Verdict, err error) {
	there, err := installed.Read(i.Base.Files, i.Base.SearchPath())
	if err != nil {
		return v, err
	}
	names := map[requirements.Name]bool{}
	waits := ""
	for _, b := range i.Built {
		names[requirements.Normalize(b.Distribution)] = true
		waits = cmp.Or(waits, b.Waits)
	}
	for _, m := range slices.Concat(i.Runtime, i.Provided) {
		name, err := wheel.ParseFilename(m.File)
		if err != nil {
			return v, err
		}
		names[name.Distribution] = true
		if _, err := os.Stat(m.Path); err != nil {
			waits = cmp.Or(waits, m.File+" is downloaded first")
		}
	}
	if !slices.ContainsFunc(there, func(d installed.Distribution) bool { return names[d.Name] }) {
		return v, nil
	}
	if waits != "" {
		return v, &stage.WaitingError{Reason: waits}
	}
	in, err := i.Inspect(env)
	return in.Verdict, err
}

// Write writes the image's layers but for its notes: the packages and the
// runtime set below, since they change least, a layer for each built wheel, and
// the files.
func (i Image) Write(ctx context.Context, env host.Env, run *stage.Run) ([]Layer, error) {
	groups, err := i.groups()
	if err != nil {
		return nil, err
	}
	layers, err := WriteWhiteouts(ctx, env, i.Base, i.Verdict)
	if err != nil {
		return nil, err
	}
	runtime, err := Write(ctx, env, i.indexed(), groups, run)
	if err != nil {
		return nil, err
	}
	layers = append(layers, runtime...)
	if len(i.Provided) > 0 {
		provided, err := Write(ctx, env, i.provided(), [][]Member{i.Provided}, run)
		if err != nil {
			return nil, err
		}
		layers = append(layers, provided...)
	}
	var alone [][]Member
	for _, b := range i.Built {
		alone = append(alone, []Member{b.Member})
	}
	built, err := Write(ctx, env, i.made(), alone, run)
	if err != nil {
		return nil, err
	}
	layers = append(layers, built...)
	files, err := writeFiles(ctx, env, i.Base, i.Files)
	if err != nil {
		return nil, err
	}
	if files != nil {
		layers = append(layers, Layer{Blob: files})
	}
	var below []Layer
	for _, blob := range i.Base.Packages {
		below = append(below, Layer{Blob: blob})
	}
	return append(below, layers...), nil
}

// Assemble puts the layers on the base and the notes on top. It returns the
// image with all its layers above the base.
func (i Image) Assemble(ctx context.Context, env host.Env, layers []Layer, notes Notes) (v1.Image, []Layer, error) {
	blob, err := writeNotes(ctx, env, i.Base.Shape, notes)
	if err != nil {
		return nil, nil, err
	}
	layers = append(slices.Clip(layers), Layer{Blob: blob})
	img, err := layer.Append(i.Base.Image, config(i.Recipe, i.Lock), Blobs(layers)...)
	if err != nil {
		return nil, nil, fmt.Errorf("assembling the image: %w", err)
	}
	return img, layers, i.remember(ctx, env, img)
}

// remember leaves in the store that the image was assembled, and as what.
func (i Image) remember(ctx context.Context, env host.Env, img v1.Image) error {
	entry, err := i.Entry()
	if err != nil {
		return err
	}
	digest, err := img.Digest()
	if err != nil {
		return err
	}
	_, _, err = env.Store.Do(ctx, entry.Kind, entry.Key, func(dir string) error {
		return os.WriteFile(filepath.Join(dir, "digest"), []byte(digest.String()+"\n"), 0o644)
	})
	return err
}
