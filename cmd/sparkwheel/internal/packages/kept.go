package packages

import (
	"path/filepath"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/base"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/host"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/recipe"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/stage"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/store"
	"github.com/sparkwheel/sparkwheel/layer"
	"github.com/sparkwheel/sparkwheel/layer/layout"
)

// Entries are what the store keeps of a lock's base with its packages: the
// images and roots, and what the interpreter says where it runs on this host.
func Entries(env host.Env, l *recipe.Lock) ([]host.Entry, error) {
	all, err := base.Entries(l.Base.Digest)
	if err != nil {
		return nil, err
	}
	sets := Sets(l.Base.Digest, l.Packages)
	for _, set := range sets {
		if len(set.Debs) == 0 {
			continue
		}
		root, err := base.RootEntry(set.Name+" unpacked", set.Digest)
		if err != nil {
			return nil, err
		}
		all = append(all, host.Entry{Name: set.Name, Kind: store.Stage, Key: set.Key, Pins: Pins(env, set.Debs)}, root)
	}
	if b, err := named(l); err == nil && b.RunsHere(env) {
		all = append(all, base.AnswerEntry(sets[0].Digest))
	}
	return all, nil
}

// named is what a lock says of its base.
func named(l *recipe.Lock) (*base.Base, error) {
	platform, err := v1.ParsePlatform(l.Platform)
	if err != nil {
		return nil, err
	}
	sets := Sets(l.Base.Digest, l.Packages)
	return &base.Base{Reference: l.Base.Reference, Digest: sets[0].Digest, BuildDigest: sets[1].Digest, Platform: *platform}, nil
}

// Kept is the lock's base as far as the store tells without running anything:
// its digests, Python and shape, for the keys of what is made on it. It is a
// *stage.WaitingError when the base is not unpacked or its interpreter was not
// asked yet.
func Kept(env host.Env, l *recipe.Lock) (*base.Base, error) {
	b, err := named(l)
	if err != nil {
		return nil, err
	}
	root, err := base.RootEntry("", b.Digest)
	if err != nil {
		return nil, err
	}
	b.Root = filepath.Join(env.Place(root), "root")
	if err := keptImage(env, l, b); err != nil {
		return nil, errNotUnpacked
	}
	if b.RunsHere(env) {
		b.Python, err = base.ReadAnswer(env.Place(base.AnswerEntry(b.Digest)), l.Base.Interpreter)
	} else {
		b.Python, err = base.ReadPython(b.Root, b.Platform.Architecture, "")
	}
	if err == nil {
		b.Shape, err = base.ReadShape(env.Place(root))
	}
	if err != nil {
		return nil, errNotUnpacked
	}
	return b, nil
}

var errNotUnpacked = &stage.WaitingError{Reason: "its base is not unpacked yet"}

// keptImage opens the base's image and the layer of its packages.
func keptImage(env host.Env, l *recipe.Lock, b *base.Base) (err error) {
	if b.Image, err = layout.Read(env.Place(host.Entry{Kind: store.Stage, Key: base.Key(l.Base.Digest)}), "base", b.Platform); err != nil {
		return err
	}
	if image := Sets(l.Base.Digest, l.Packages)[0]; len(image.Debs) > 0 {
		blob, err := layer.Open(env.Place(host.Entry{Kind: store.Stage, Key: image.Key}))
		if err != nil {
			return err
		}
		b.Packages = []*layer.Blob{blob}
	}
	return nil
}
