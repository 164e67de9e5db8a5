package packages

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"

	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/base"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/host"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/recipe"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/stage"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/store"
	"github.com/sparkwheel/sparkwheel/layer"
	"github.com/sparkwheel/sparkwheel/wheel/index"
	"github.com/sparkwheel/sparkwheel/wheel/sandbox"
)

// alone is the set that one build sees over the root of all builds.
func alone(buildDigest, name string, l *recipe.LockedPackages) Set {
	s := Set{Name: "packages of " + name, Debs: l.ForBuild(name), Digest: buildDigest}
	if l != nil {
		s.asked = l.Alone[name]
	}
	if len(s.Debs) > 0 {
		s.Key = s.keyOver(buildDigest)
		s.Digest = "sha256:" + s.Key.String()
	}
	return s
}

// ForBuild is the base as the build of that name sees it: its BuildRoot has the
// packages that the build asks for alone. Its BuildDigest says so before they
// are installed too.
func ForBuild(b *base.Base, name string, l *recipe.Lock) *base.Base {
	c := *b
	c.BuildDigest = alone(b.BuildDigest, name, l.Packages).Digest
	return &c
}

// AlonePins are the files of the packages that one build asks for alone.
func AlonePins(env host.Env, name string, l *recipe.Lock) []index.Pin {
	return Pins(env, l.Packages.ForBuild(name))
}

// InstallForBuild installs the packages that the build of that name asks for
// alone, or finds them installed before, and says where their root is.
func InstallForBuild(ctx context.Context, env host.Env, b *base.Base, name string, l *recipe.Lock, run *stage.Run) (root string, err error) {
	set := alone(b.BuildDigest, name, l.Packages)
	below, err := b.WithPackages()
	if err != nil {
		return "", err
	}
	i := installation{env: env.Noting(run), set: set, image: below, architecture: b.Platform.Architecture, root: b.BuildRoot}
	if _, root, err = i.do(ctx, run); err != nil {
		return "", fmt.Errorf("installing the packages of build %s: %w", name, err)
	}
	return root, nil
}

// Built are the packages that a build made, to be installed over a base.
type Built struct {
	Name         string    // of the build
	Key          store.Key // of the build: it covers what the packages are made of
	Build, Image bool      // where they are installed
	Debs         []recipe.LockedDeb
}

// sets are the installation into the image and that into the root of builds.
func (p Built) sets(b *base.Base) (image, build Set) {
	over := func(name, digest string, wanted bool) Set {
		s := Set{Name: name + p.Name, Digest: digest}
		if !wanted {
			return s
		}
		s.Debs, s.again = p.Debs, true
		for _, d := range p.Debs {
			s.asked = append(s.asked, d.Name)
		}
		s.Key = store.NewHash("built packages").Field("form", "2").Field("sandbox", sandbox.Version).Field("base", digest).Field("build", p.Key.String()).Key()
		s.Digest = "sha256:" + s.Key.String()
		return s
	}
	return over("built packages of ", b.Digest, p.Image), over("built packages for builds of ", b.BuildDigest, p.Build)
}

// Entries are what the store keeps of the installation over a base, of which
// the digests must be known.
func (p Built) Entries(b *base.Base) (all []host.Entry, err error) {
	image, build := p.sets(b)
	for _, s := range []Set{image, build} {
		if s.Key.String() == "" || len(all) > 0 && s.Key.String() == image.Key.String() {
			continue
		}
		root, err := base.RootEntry(s.Name+" unpacked", s.Digest)
		if err != nil {
			return nil, err
		}
		all = append(all, host.Entry{Name: s.Name, Kind: store.Stage, Key: s.Key}, root)
	}
	return all, nil
}

// Over is the base with the packages as far as the store tells: its digests are
// those that it will have. It is a *stage.WaitingError while the image's packages
// are not installed.
func (p Built) Over(env host.Env, b *base.Base) (*base.Base, error) {
	image, build := p.sets(b)
	c := *b
	c.Digest, c.BuildDigest = image.Digest, build.Digest
	if !p.Image {
		return &c, nil
	}
	root, err := base.RootEntry("", c.Digest)
	if err != nil {
		return nil, err
	}
	installed := host.Entry{Kind: store.Stage, Key: image.Key}
	if env.Kept(installed) == "" || env.Kept(root) == "" {
		return nil, &stage.WaitingError{Reason: "the packages of build " + p.Name + " are not installed yet"}
	}
	blob, err := layer.Open(env.Place(installed))
	if err != nil {
		return nil, err
	}
	c.Root = filepath.Join(env.Place(root), "root")
	c.Packages = append(slices.Clip(b.Packages), blob)
	c.Shape, err = base.ReadShape(env.Place(root))
	return &c, err
}

// Install installs the packages over a base: into the image as a layer of their
// own, and into the root of builds.
func (p Built) Install(ctx context.Context, env host.Env, b *base.Base, run *stage.Run) (*base.Base, error) {
	env = env.Noting(run)
	image, build := p.sets(b)
	c := *b
	c.Digest, c.BuildDigest = image.Digest, build.Digest
	below, err := b.WithPackages()
	if err != nil {
		return nil, err
	}
	install := func(set Set, root string) (*layer.Blob, string, []string, error) {
		i := installation{env: env, set: set, image: below, architecture: b.Platform.Architecture, root: root}
		blob, root, err := i.do(ctx, run)
		if err != nil {
			err = fmt.Errorf("installing the packages that build %s made: %w", p.Name, err)
		}
		return blob, root, i.cleared, err
	}
	if p.Image {
		blob, root, cleared, err := install(image, b.Root)
		if err != nil {
			return nil, err
		}
		c.Root, c.Cleared = root, append(slices.Clip(b.Cleared), cleared...)
		c.Packages = append(slices.Clip(b.Packages), blob)
		if c.Shape, err = base.ReadShape(filepath.Dir(root)); err != nil {
			return nil, err
		}
	}
	if p.Build {
		if _, c.BuildRoot, _, err = install(build, b.BuildRoot); err != nil {
			return nil, err
		}
	}
	return &c, nil
}
