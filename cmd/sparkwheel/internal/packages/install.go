package packages

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"golang.org/x/sync/errgroup"

	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/base"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/host"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/stage"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/store"
	"github.com/sparkwheel/sparkwheel/layer"
	"github.com/sparkwheel/sparkwheel/layer/deb"
	"github.com/sparkwheel/sparkwheel/wheel/index"
	"github.com/sparkwheel/sparkwheel/wheel/sandbox"
)

// installation adds a set of packages to an image, whose unpacked root is root.
type installation struct {
	env          host.Env
	set          Set
	image        v1.Image
	architecture string
	root         string
	cleared      []string // see deb.Tree; known after do
}

// clearedFile stands beside a layer of packages: a list in JSON, see deb.Tree.
const clearedFile = "cleared.json"

func readCleared(dir string) ([]string, error) {
	text, err := os.ReadFile(filepath.Join(dir, clearedFile))
	if err != nil {
		return nil, err
	}
	var paths []string
	return paths, json.Unmarshal(text, &paths)
}

// do installs, or finds what was installed before: the layer, nil when there is
// nothing to add, and the root with it.
func (i *installation) do(ctx context.Context, run *stage.Run) (*layer.Blob, string, error) {
	if len(i.set.Debs) == 0 {
		return nil, i.root, nil
	}
	dir, hit, err := i.env.Store.Do(ctx, store.Stage, i.set.Key, func(dir string) error { return i.fill(ctx, dir, run) })
	if err != nil {
		return nil, "", err
	}
	if hit {
		run.Note("%s cached", host.Count(len(i.set.Debs), "installed package"))
	}
	if i.cleared, err = readCleared(dir); err != nil {
		return nil, "", err
	}
	for _, path := range i.cleared {
		run.Note("/%s no longer sets its user or group: a package's script changed its owner, and sparkwheel cannot know to whom", path)
	}
	blob, err := layer.Open(dir)
	if err != nil {
		return nil, "", err
	}
	rootKey, err := store.DigestKey(i.set.Digest)
	if err != nil {
		return nil, "", err
	}
	dir, _, err = i.env.Store.Do(ctx, store.Rootfs, rootKey, func(dir string) error {
		return base.UnpackOver(ctx, i.root, blob, dir)
	})
	return blob, filepath.Join(dir, "root"), err
}

// fill has the base's own apt and dpkg install the packages, in an overlay over
// its root and without a network, and writes what that changed as a layer.
func (i *installation) fill(ctx context.Context, dir string, run *stage.Run) (err error) {
	pins := Pins(i.env, i.set.Debs)
	if !i.set.again { // what was built here is in the store already
		if _, err := host.Fetch(ctx, i.env, pins, run); err != nil {
			return err
		}
	}
	packages, err := i.read(ctx, pins)
	if err != nil {
		return err
	}
	work, err := os.MkdirTemp(i.env.Scratch(), "packages-*") // mode 0700
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, sandbox.RemoveAll(work)) }()
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
			p, err := deb.ReadFile(ctx, pin.Path(i.env.Blobs()))
			if err == nil {
				err = p.Check(i.set.Debs[n].Name, i.set.Debs[n].Version, i.set.Debs[n].Architecture, i.architecture)
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

// installScript installs the packages below /build/debs. Its first argument is an
// option of apt-get install or empty, the others are the packages that came only
// because others need them. What the base holds is held again afterwards. What apt
// cannot configure whole is a failure. With -qq apt would not say which packages do
// not go together.
const installScript = `
option=$1
shift
held=$(apt-mark showhold)
apt-get install $option -q -y --no-install-recommends --no-remove --allow-downgrades --allow-change-held-packages \
  -o APT::Sandbox::User=root -o Dpkg::Use-Pty=0 -o Dpkg::Options::=--force-unsafe-io \
  -o Dpkg::Options::=--force-confdef -o Dpkg::Options::=--force-confold /build/debs/*.deb
[ $# = 0 ] || apt-mark auto "$@" >/dev/null
[ -z "$held" ] || apt-mark hold $held >/dev/null
faults=$(dpkg --audit)
[ -z "$faults" ] || { echo "$faults"; exit 1; }
`

func (i *installation) run(ctx context.Context, work, changes string, pins []index.Pin, run *stage.Run) error {
	policy := filepath.Join(work, "policy-rc.d")
	if err := os.WriteFile(policy, []byte("#!/bin/sh\nexit 101\n"), 0o755); err != nil {
		return err
	}
	cmd := sandbox.Command{
		Args: []string{"/bin/sh", "-ec", installScript, "install", i.option()},
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
		cmd.Mounts = append(cmd.Mounts, sandbox.Mount{Source: pin.Path(i.env.Blobs()), Target: "/build/debs/" + file})
		if !i.asks(i.set.Debs[n].Name) {
			cmd.Args = append(cmd.Args, i.set.Debs[n].Name)
		}
	}
	host.Logf(run, "installing %s", host.Count(len(pins), "package"))
	box := &sandbox.Sandbox{Root: i.root, Scratch: work}
	err := box.Run(ctx, cmd)
	if _, ran := errors.AsType[*sandbox.ExitError](err); err != nil && !ran && i.architecture != i.env.Host.Architecture {
		return fmt.Errorf("installing packages for %s runs its programs emulated here; install the package qemu-user-static: %w", i.architecture, err)
	}
	if exit, ok := errors.AsType[*sandbox.ExitError](err); ok {
		exit.Args = []string{"apt-get", "install"} // the script's text says nothing to the user
	}
	if err != nil && i.set.again {
		return fmt.Errorf("installing with the base's own apt (what the packages depend on must be in the base, in packages.image or in packages.build): %w", err)
	}
	if err != nil {
		return fmt.Errorf("installing with the base's own apt: %w", err)
	}
	return nil
}

// option has apt install a package that was built here over one of the same
// version, which apt takes for the same package.
func (i *installation) option() string {
	if i.set.again {
		return "--reinstall"
	}
	return ""
}

func (i *installation) asks(name string) bool {
	return slices.ContainsFunc(i.set.asked, func(asked string) bool { return asked == name || strings.HasPrefix(asked, name+"=") })
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
	base, err := deb.Entries(ctx, i.image, func(path string) bool { return changed[path] })
	if err != nil {
		return err
	}
	root, err := os.OpenRoot(i.root)
	if err != nil {
		return err
	}
	defer root.Close()
	tree, cleared, err := deb.Tree(diff, deb.Origin{Packages: packages, Base: base, Root: root.FS()})
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, clearedFile), []byte(host.JSON(cleared)), 0o644); err != nil {
		return err
	}
	var files []string
	for _, pin := range pins {
		files = append(files, pin.File)
	}
	_, err = layer.Write(ctx, dir, tree, layer.Options{Jobs: i.env.Jobs, Comment: strings.Join(files, " ")})
	return err
}
