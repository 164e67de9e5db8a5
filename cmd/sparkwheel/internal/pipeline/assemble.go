package pipeline

import (
	"context"
	"errors"
	"slices"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/gate"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/host"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/image"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/recipe"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/record"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/sources"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/stage"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/store"
	"github.com/sparkwheel/sparkwheel/wheel/index"
)

// addRuntime adds the download of the runtime set's wheels, if there is a set.
func (b *build) addRuntime() {
	if b.Lock.Runtime == nil {
		return
	}
	pins := func() ([]index.Pin, error) {
		installed, _, err := b.runtimePins()
		return installed, err
	}
	b.pins = append(b.pins, pins)
	b.runtime = stage.AddKeyed(b.graph, runtimeName, ahead(b.Env, one(func() (host.Entry, error) {
		all, err := pins()
		return host.Entry{Name: runtimeName, Sum: strings.TrimPrefix(b.Lock.Runtime.SHA256, "sha256:"), Pins: all}, err
	}), pins), func(ctx context.Context, run *stage.Run) ([]index.Pin, error) {
		all, err := pins()
		if err != nil {
			return nil, err
		}
		got, err := host.Fetch(ctx, b.Env, all, run)
		if err == nil && got.Received == 0 {
			run.Hit()
		}
		return all, err
	}, b.base)
	b.last = append(b.last, b.runtime)
}

// addFiles adds the download of the recipe's files that go into the image.
func (b *build) addFiles() (err error) {
	if b.files, err = image.Files(b.Recipe, b.Lock); err != nil || len(b.files) == 0 {
		return err
	}
	kept := func() (all []host.Entry, err error) {
		for _, f := range b.files {
			all = append(all, host.Entry{Name: "file " + f.Name, Sum: f.Pin.SHA256, Pins: []index.Pin{f.Pin}})
		}
		return all, nil
	}
	pins := func() (all []index.Pin, err error) { //nolint:unparam // others of its type can fail
		for _, f := range b.files {
			all = append(all, f.Pin)
		}
		return all, nil
	}
	b.pins = append(b.pins, pins)
	b.last = append(b.last, stage.AddKeyed(b.graph, "files", ahead(b.Env, kept, pins), func(ctx context.Context, run *stage.Run) ([]index.Pin, error) {
		all, _ := pins()
		got, err := host.Fetch(ctx, b.Env.Noting(run), all, run)
		if err == nil && got.Received == 0 {
			run.Hit()
		}
		return all, err
	}))
	return nil
}

// contents are what the image is made of, as far as it is known: the very same
// before its stages run and after.
func (b *build) contents() (img image.Image, err error) {
	img = image.Image{Recipe: b.Recipe, Lock: b.Lock, Files: b.files, Strict: b.Strict}
	img.Strict.Complete = b.Strict.Complete || b.Recipe.Runtime.Complete
	img.Strict.Shadow = b.Recipe.Image.Shadow
	if img.Base, err = b.filed.Ahead(); err != nil {
		return img, err
	}
	if img.Noted, err = b.noted(); err != nil {
		return img, err
	}
	if b.runtime != nil {
		pins, err := b.runtime.Ahead()
		if err != nil {
			return img, err
		}
		img.Runtime = image.RuntimeMembers(b.Env, b.Recipe, pins)
	}
	if b.stand != nil {
		if img.Provided, err = b.stand.Ahead(); err != nil {
			return img, err
		}
	}
	if err := b.addMade(&img); err != nil {
		return img, err
	}
	for _, s := range b.wheels {
		built := image.Built{Name: s.Name, Distribution: s.Distribution}
		made, err := s.stage.Ahead()
		if waiting, ok := errors.AsType[*stage.WaitingError](err); ok {
			built.Waits = waiting.Reason
		} else if err != nil {
			return img, err
		} else {
			w := made.wheel
			img.Noted["wheel "+s.Name] = made.plan.Key().String()
			built.Member = image.Member{File: w.File, Path: w.Path, SHA256: w.SHA256, Size: w.Size}
		}
		img.Built = append(img.Built, built)
	}
	return img, nil
}

// addMade adds the files and wheels that builds made.
func (b *build) addMade(img *image.Image) error {
	for _, s := range b.builds {
		p, err := s.plan()
		if err != nil {
			return err
		}
		img.Noted["build "+s.Name] = p.Key().String()
		if len(s.Files)+len(s.Build.Wheels) == 0 {
			continue
		}
		made, err := s.stage.Ahead()
		if err != nil {
			return err
		}
		for _, f := range made.made.Files {
			img.Files = append(slices.Clip(img.Files), image.File{File: recipe.File{Name: s.Name, Image: f.Image, Executable: f.Executable}, Pin: f.Pin})
		}
		for _, w := range made.made.Wheels {
			img.Built = append(img.Built, image.Built{Name: w.File, Distribution: w.File[:strings.IndexByte(w.File, '-')],
				Member: image.Member{File: w.File, Path: w.Path, SHA256: w.SHA256, Size: w.Size}})
		}
	}
	return nil
}

// image are the contents with the verdict on how the wheels lie upon the base.
func (b *build) image(judged *stage.Stage[*Result]) (image.Image, error) {
	img, err := b.contents()
	if err != nil {
		return img, err
	}
	res, err := judged.Ahead()
	if err != nil {
		return img, err
	}
	img.Verdict = res.verdict
	return img, nil
}

// noted is what decides on build.json beside the wheels: see result.
func (b *build) noted() (map[string]string, error) {
	noted := map[string]string{"record": host.JSON(record.New(b.Recipe, b.Lock))}
	if b.stand != nil {
		provided, err := b.provided()
		if err != nil {
			return nil, err
		}
		noted["provided"] = host.JSON(provided)
	}
	if b.Recipe.Gated() {
		noted["gpu"] = gate.Rules + " " + b.Lock.Driver
	}
	for name, s := range b.trees {
		tree, err := s.Ahead()
		if err != nil {
			return nil, err
		}
		src, _ := b.Recipe.Source(name)
		locked, _ := b.Lock.Source(name)
		// What was done to the tree is the key's, and not known before it is.
		noted["source "+name] = host.JSON(record.NewSource(*src, *locked, new(sources.Tree))) + " " + tree.Key
	}
	return noted, nil
}

// addLayers adds the writing of all layers but the one of the image's notes.
func (b *build) addLayers(judged *stage.Stage[*Result]) *stage.Stage[[]image.Layer] {
	kept := func() ([]host.Entry, error) {
		img, err := b.image(judged)
		if err != nil {
			return nil, err
		}
		return img.Layers()
	}
	return stage.AddKeyed(b.graph, "layers", ahead[[]image.Layer](b.Env, kept, nil), func(ctx context.Context, run *stage.Run) ([]image.Layer, error) {
		img, err := b.image(judged)
		if err != nil {
			return nil, err
		}
		return img.Write(ctx, b.Env, run)
	}, judged)
}

// addImage adds the assembling of the image.
func (b *build) addImage(judged *stage.Stage[*Result], layers *stage.Stage[[]image.Layer]) *stage.Stage[*Result] {
	return stage.AddKeyed(b.graph, "image", ahead[*Result](b.Env, one(func() (host.Entry, error) { return b.imageEntry(judged) }), nil), func(ctx context.Context, run *stage.Run) (*Result, error) {
		img, err := b.image(judged)
		if err != nil {
			return nil, err
		}
		res := *judged.Value()
		text, err := res.Record.JSON()
		if err != nil {
			return nil, err
		}
		notes := image.Notes{Record: text, Constraints: res.Constraints, Commits: res.Commits}
		if res.Image, res.Layers, err = img.Assemble(ctx, b.Env.Noting(run), layers.Value(), notes); err != nil {
			return nil, err
		}
		digest, err := res.Image.Digest()
		if err != nil {
			return nil, err
		}
		host.Logf(run, "image %s: %s on base %s", digest, host.Count(len(res.Layers), "layer"), b.Lock.Base.Digest)
		return &res, nil
	}, judged, layers)
}

func (b *build) imageEntry(judged *stage.Stage[*Result]) (host.Entry, error) {
	img, err := b.image(judged)
	if err != nil {
		return host.Entry{}, err
	}
	return img.Entry()
}

// addOutput adds the writing of what was made into the directory that the user
// named.
func (b *build) addOutput(made *stage.Stage[*Result]) *stage.Stage[*Result] {
	return stage.Add(b.graph, "output", func(ctx context.Context, _ *stage.Run) (*Result, error) {
		return made.Value(), output(ctx, b.Output, made.Value())
	}, made)
}

// Push is where an image goes.
type Push struct {
	Target string
	// Send pushes the image. It is asked each time: what a registry has is not
	// for the store to know.
	Send func(ctx context.Context, img v1.Image) error
}

// addPush adds the push of the image. The store keeps which image went where.
func (b *build) addPush(judged, made *stage.Stage[*Result]) *stage.Stage[*Result] {
	kept := func() (host.Entry, error) {
		img, err := b.imageEntry(judged)
		if err != nil {
			return host.Entry{}, err
		}
		key := store.NewHash("push "+b.Push.Target).Field("image", img.Key.String()).Key()
		return host.Entry{Name: "push to " + b.Push.Target, Kind: store.Stage, Key: key, Waits: img.Waits}, nil
	}
	return stage.AddKeyed(b.graph, "push", ahead[*Result](b.Env, one(kept), nil), func(ctx context.Context, run *stage.Run) (*Result, error) {
		if err := b.Push.Send(ctx, made.Value().Image); err != nil {
			return nil, err
		}
		entry, err := kept()
		if err != nil {
			return nil, err
		}
		_, _, err = b.Env.Noting(run).Store.Do(ctx, entry.Kind, entry.Key, func(string) error { return nil })
		return made.Value(), err
	}, made)
}
