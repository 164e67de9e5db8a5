package pipeline

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"golang.org/x/sync/errgroup"

	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/recipe"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/stage"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/store"
	"github.com/sparkwheel/sparkwheel/layer"
	"github.com/sparkwheel/sparkwheel/layer/deb"
	"github.com/sparkwheel/sparkwheel/wheel/index"
	"github.com/sparkwheel/sparkwheel/wheel/sandbox"
)

// install adds the locked packages to an unpacked base: the image's become a
// layer, and builds see those for builds alone beside them.
func (b *Base) install(ctx context.Context, env Env, l *recipe.LockedPackages, run *stage.Run) error {
	if l == nil {
		return nil
	}
	image := installation{env: env, base: b.Image, root: b.Root, digest: b.Digest, debs: l.For(false), asked: l.Image, platform: b.Platform.Architecture}
	blob, err := image.do(ctx, run)
	if err != nil {
		return fmt.Errorf("installing the image's packages: %w", err)
	}
	with := b.Image
	if blob != nil {
		if with, err = layer.Append(with, layer.Config{}, blob); err != nil {
			return err
		}
	}
	b.Root, b.Digest, b.Packages = image.root, image.digest, blob
	build := installation{env: env, base: with, root: b.Root, digest: b.Digest, debs: l.For(true), asked: l.Build, platform: image.platform}
	if _, err := build.do(ctx, run); err != nil {
		return fmt.Errorf("installing packages for builds: %w", err)
	}
	b.BuildRoot, b.BuildDigest = build.root, build.digest
	return nil
}

// installation adds packages to a root: do leaves in root and digest those of
// the base with the packages.
type installation struct {
	env      Env
	base     v1.Image
	root     string
	digest   string
	debs     []recipe.LockedDeb
	asked    []string
	platform string
}

// packagedKey names a base with packages by all that it is made from.
func packagedKey(base string, debs []recipe.LockedDeb, asked []string) store.Key {
	h := store.NewHash("packages").Field("form", "1").Field("sandbox", sandbox.Version).Field("base", base)
	h = h.Field("asked", strings.Join(asked, " "))
	for _, d := range debs {
		h = h.Field("package "+d.Name+" "+d.Architecture, d.SHA256)
	}
	return h.Key()
}

// PackagedDigests names the roots that a lock's packages make of its base.
func PackagedDigests(l *recipe.Lock) []string {
	image := l.Base.Digest
	if debs := l.Packages.For(false); len(debs) > 0 {
		image = "sha256:" + packagedKey(image, debs, l.Packages.Image).String()
	}
	build := image
	if debs := l.Packages.For(true); len(debs) > 0 {
		build = "sha256:" + packagedKey(image, debs, l.Packages.Build).String()
	}
	return []string{image, build}
}

// do installs, or finds what was installed before, and returns its layer; nil
// when there is nothing to add.
func (i *installation) do(ctx context.Context, run *stage.Run) (*layer.Blob, error) {
	if len(i.debs) == 0 {
		return nil, nil
	}
	key := packagedKey(i.digest, i.debs, i.asked)
	dir, hit, err := i.env.Store.Do(ctx, store.Stage, key, func(dir string) error { return i.fill(ctx, dir, run) })
	if err != nil {
		return nil, err
	}
	if hit {
		run.Note("%d packages were installed before", len(i.debs))
	}
	blob, err := layer.Open(dir)
	if err != nil {
		return nil, err
	}
	i.digest = "sha256:" + key.String()
	rootKey, err := store.DigestKey(i.digest)
	if err != nil {
		return nil, err
	}
	below := i.root
	dir, _, err = i.env.Store.Do(ctx, store.Rootfs, rootKey, func(dir string) error {
		return unpackOver(ctx, below, blob, filepath.Join(dir, "root"))
	})
	i.root = filepath.Join(dir, "root")
	return blob, err
}

// fill has the base's own apt and dpkg install the packages, in an overlay over
// its root and without a network, and writes what that changed as a layer.
func (i *installation) fill(ctx context.Context, dir string, run *stage.Run) (err error) {
	var pins []index.Pin
	for _, d := range i.debs {
		pins = append(pins, debPin(i.env, d))
	}
	if _, err := fetchAll(ctx, i.env, pins, run); err != nil {
		return err
	}
	packages, err := i.read(ctx, pins)
	if err != nil {
		return err
	}
	work, err := os.MkdirTemp(i.env.scratch(), "packages-*") // mode 0700
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, removeTree(work)) }()
	changes := filepath.Join(work, "changes")
	if err := os.Mkdir(changes, 0o755); err != nil {
		return err
	}
	if err := i.run(ctx, work, changes, pins, run); err != nil {
		return err
	}
	return i.write(ctx, dir, changes, packages, pins)
}

// read refuses what is not the package that the lock names, or would harm,
// before any of them is unpacked.
func (i *installation) read(ctx context.Context, pins []index.Pin) ([]*deb.Package, error) {
	packages := make([]*deb.Package, len(pins))
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(max(i.env.Jobs, 1))
	for n, pin := range pins {
		g.Go(func() error {
			p, err := deb.ReadFile(ctx, pin.Path(i.env.blobs()))
			if err == nil {
				err = p.Check(i.debs[n].Name, i.debs[n].Version, i.debs[n].Architecture, i.platform)
			}
			if err != nil {
				return fmt.Errorf("%s: %w", pin.File, err)
			}
			packages[n] = p
			return nil
		})
	}
	return packages, g.Wait()
}

// installScript installs the packages below /build/debs; its arguments are
// those that came only because others need them. What apt cannot configure
// whole is a failure.
const installScript = `
apt-get install -qq -y --no-install-recommends --no-remove --allow-downgrades --allow-change-held-packages \
  -o APT::Sandbox::User=root -o Dpkg::Use-Pty=0 -o Dpkg::Options::=--force-unsafe-io \
  -o Dpkg::Options::=--force-confdef -o Dpkg::Options::=--force-confold /build/debs/*.deb
[ $# = 0 ] || apt-mark auto "$@" >/dev/null
faults=$(dpkg --audit)
[ -z "$faults" ] || { echo "$faults"; exit 1; }
`

func (i *installation) run(ctx context.Context, work, changes string, pins []index.Pin, run *stage.Run) error {
	policy := filepath.Join(work, "policy-rc.d")
	if err := os.WriteFile(policy, []byte("#!/bin/sh\nexit 101\n"), 0o755); err != nil {
		return err
	}
	cmd := sandbox.Command{
		Args: []string{"/bin/sh", "-ec", installScript, "install"},
		Env: []string{
			"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root", "LC_ALL=C.UTF-8", "TZ=UTC",
			"DEBIAN_FRONTEND=noninteractive", "DEBCONF_NONINTERACTIVE_SEEN=true", "PYTHONHASHSEED=0",
			fmt.Sprintf("SOURCE_DATE_EPOCH=%d", layer.Epoch.Unix()),
		},
		// Nothing is started: there is no machine that the packages are for.
		Mounts:  []sandbox.Mount{{Source: policy, Target: "/usr/sbin/policy-rc.d"}},
		Changes: changes, Owners: true, Output: run,
	}
	for n, pin := range pins {
		file := strings.ReplaceAll(pin.File, ":", "%3a")
		cmd.Mounts = append(cmd.Mounts, sandbox.Mount{Source: pin.Path(i.env.blobs()), Target: "/build/debs/" + file})
		if !i.asks(i.debs[n].Name) {
			cmd.Args = append(cmd.Args, i.debs[n].Name)
		}
	}
	logf(run, "installing %d packages", len(pins))
	box := &sandbox.Sandbox{Root: i.root, Scratch: work}
	if err := box.Run(ctx, cmd); err != nil {
		return fmt.Errorf("installing with the base's own apt: %w", err)
	}
	return nil
}

func (i *installation) asks(name string) bool {
	return slices.ContainsFunc(i.asked, func(asked string) bool { return asked == name || strings.HasPrefix(asked, name+"=") })
}

// write makes the layer of what was changed, with the owners that the packages
// and the base give.
func (i *installation) write(ctx context.Context, dir, changes string, packages []*deb.Package, pins []index.Pin) error {
	upper, err := os.OpenRoot(changes)
	if err != nil {
		return err
	}
	defer upper.Close()
	diff, err := layer.Diff(upper, func(int, int) (int, int) { return 0, 0 })
	if err != nil {
		return err
	}
	changed := map[string]bool{}
	err = fs.WalkDir(diff, ".", func(path string, _ fs.DirEntry, err error) error {
		changed[path] = true
		return err
	})
	if err != nil {
		return err
	}
	base, err := deb.Entries(ctx, i.base, func(path string) bool { return changed[path] })
	if err != nil {
		return err
	}
	root, err := os.OpenRoot(i.root)
	if err != nil {
		return err
	}
	defer root.Close()
	tree, err := deb.Tree(diff, deb.Origin{Packages: packages, Base: base, Root: root.FS()})
	if err != nil {
		return err
	}
	var files []string
	for _, pin := range pins {
		files = append(files, pin.File)
	}
	_, err = layer.Write(ctx, dir, tree, layer.Options{Jobs: i.env.Jobs, Comment: strings.Join(files, " ")})
	return err
}
