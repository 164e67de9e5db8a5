package environments

import (
	"archive/zip"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/host"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/recipe"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/stage"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/store"
	"github.com/sparkwheel/sparkwheel/wheel"
	"github.com/sparkwheel/sparkwheel/wheel/index"
)

// LockUV pins the wheel of uv for every platform that can build, so that a lock
// is the same wherever it is made.
func LockUV(ctx context.Context, env host.Env, version string) ([]recipe.LockedUV, error) {
	files, err := env.Index.Files(ctx, "uv")
	if err != nil {
		return nil, fmt.Errorf("locking uv %s: %w", version, err)
	}
	var locked []recipe.LockedUV
	for _, arch := range host.Architectures {
		platform := "linux/" + arch
		f, err := index.Wheel("uv", version, files, wheel.Supported("3.12", wheel.Platforms(28, host.Machine(arch))))
		if err != nil {
			return nil, fmt.Errorf("locking uv for %s: %w", platform, err)
		}
		locked = append(locked, recipe.LockedUV{
			Version: version, Platform: platform, File: f.Name, URL: f.URL, SHA256: f.SHA256, Size: f.Size,
		})
	}
	return locked, nil
}

// Tool is a program in the store.
type Tool struct{ Path, SHA256 string }

// FetchUV brings the locked uv of this platform and unpacks its program.
func FetchUV(ctx context.Context, env host.Env, locked []recipe.LockedUV, p v1.Platform, r *stage.Run) (Tool, error) {
	env = env.Noting(r)
	f, entry, err := uvFor(locked, p)
	if err != nil {
		return Tool{}, err
	}
	dir, hit, err := env.Store.Do(ctx, entry.Kind, entry.Key, func(dir string) error {
		path, err := host.Download(ctx, env, UVPin(f), r.Progress)
		if err != nil {
			return err
		}
		return unpackMember(path, "uv-"+f.Version+".data/scripts/uv", filepath.Join(dir, "uv"))
	})
	if err != nil {
		return Tool{}, fmt.Errorf("fetching uv %s: %w", f.Version, err)
	}
	if hit {
		r.Hit()
	}
	return Tool{Path: filepath.Join(dir, "uv"), SHA256: f.SHA256}, nil
}

// UV is the locked uv of a platform in the store, before it is fetched.
func UV(env host.Env, locked []recipe.LockedUV, p v1.Platform) (Tool, host.Entry, error) {
	f, entry, err := uvFor(locked, p)
	return Tool{Path: filepath.Join(env.Place(entry), "uv"), SHA256: f.SHA256}, entry, err
}

func uvFor(locked []recipe.LockedUV, p v1.Platform) (recipe.LockedUV, host.Entry, error) {
	want := p.OS + "/" + p.Architecture
	for _, f := range locked {
		if f.Platform == want {
			key := store.NewHash("uv").Field("wheel", f.SHA256).Key()
			return f, host.Entry{Name: "uv", Kind: store.Tools, Key: key, Pins: []index.Pin{UVPin(f)}}, nil
		}
	}
	return recipe.LockedUV{}, host.Entry{}, &host.NotLockedError{What: "uv for " + want}
}

// UVPin is a locked uv as the index client downloads it.
func UVPin(f recipe.LockedUV) index.Pin {
	return index.Pin{Name: "uv", File: f.File, URL: f.URL, SHA256: f.SHA256, Size: f.Size}
}

func unpackMember(archive, member, path string) (err error) {
	z, err := zip.OpenReader(archive)
	if err != nil {
		return err
	}
	defer z.Close()
	in, err := z.Open(member)
	if err != nil {
		return fmt.Errorf("%s does not have %s: %w", filepath.Base(archive), member, err)
	}
	defer in.Close()
	out, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o755)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, out.Close()) }()
	_, err = io.Copy(out, in)
	return err
}
