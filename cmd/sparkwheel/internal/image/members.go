package image

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"

	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/gate"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/host"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/recipe"
	"github.com/sparkwheel/sparkwheel/requirements"
	"github.com/sparkwheel/sparkwheel/wheel"
	"github.com/sparkwheel/sparkwheel/wheel/index"
	"github.com/sparkwheel/sparkwheel/wheel/inspect"
)

func size(members []Member) (n int64) {
	for _, m := range members {
		n += m.Size
	}
	return n
}

// Member is a wheel that goes into a layer.
type Member struct {
	File   string // its name
	Path   string // where its bytes are, under whatever name
	SHA256 string
	Size   int64
	group  string // the recipe's group, "" for a layer of its own
}

// Distribution is the part of a wheel's file name that stays when it is built
// again.
func Distribution(file string) string {
	name, _, _ := strings.Cut(file, "-")
	return name
}

// openMembers opens wheels under their own names, which the store's blobs do
// not have, and closes them after use.
func openMembers(env host.Env, members []Member, use func([]*wheel.Reader) error) (err error) {
	dir, err := os.MkdirTemp(env.Scratch(), "wheels-*")
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
			named := filepath.Join(dir, m.File)
			real, err := filepath.Abs(m.Path)
			if err != nil {
				return err
			}
			if err := os.Symlink(real, named); err != nil {
				return err
			}
			readers[i], err = openMember(named, m.SHA256)
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
		return nil, fmt.Errorf("%s: %q is not a sha256", filepath.Base(path), sum)
	}
	return wheel.OpenPinned(path, digest)
}

// Binaries are what is in the wheels' binaries, in their order. Of each wheel
// the store keeps it.
func Binaries(ctx context.Context, env host.Env, members []Member) (all []gate.Distribution, err error) {
	for _, m := range members {
		name := Distribution(m.File)
		found, err := gate.Binaries(ctx, env, name, m.SHA256, func() (found inspect.Found, err error) {
			err = openMembers(env, []Member{m}, func(r []*wheel.Reader) error {
				found, err = r[0].Inspect(ctx, inspect.Options{})
				return err
			})
			return found, err
		})
		if err != nil {
			return nil, fmt.Errorf("inspecting %s: %w", m.File, err)
		}
		all = append(all, gate.Distribution{Name: string(requirements.Normalize(name)), Found: found})
	}
	return all, nil
}

// RuntimeMembers are the wheels of the runtime set, in the groups that the
// recipe gives them.
func RuntimeMembers(env host.Env, r *recipe.Recipe, pins []index.Pin) []Member {
	var out []Member
	for _, p := range pins {
		out = append(out, Member{File: p.File, Path: p.Path(env.Blobs()), SHA256: p.SHA256, Size: p.Size, group: groupOf(r, p.Name)})
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
