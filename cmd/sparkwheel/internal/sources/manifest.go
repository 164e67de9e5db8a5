package sources

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/host"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/recipe"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/store"
	"github.com/sparkwheel/sparkwheel/requirements/pyconst"
	"github.com/sparkwheel/sparkwheel/wheel/index"
)

const (
	longestModule = 4 << 20  // bytes of a Python module that is read for its constants
	LongestList   = 32 << 20 // bytes of a checksum list; that of 8,000 files has 1 MB
)

// ReadList downloads the checksum list of a directory and reads what the manifest
// takes of it.
func ReadList(ctx context.Context, env host.Env, m recipe.Manifest, dir recipe.LockedDirectory) ([]recipe.Entry, error) {
	pin := index.Pin{Name: m.Name, File: m.List, URL: m.URL + dir.Path + m.List, SHA256: dir.SHA256, Limit: LongestList}
	file, err := env.Index.Download(ctx, pin, env.Blobs(), nil)
	if bad, ok := errors.AsType[*index.MismatchError](err); ok && bad.Got != "" {
		return nil, fmt.Errorf("%s has the sha256 %s, but should have %s; find out why upstream changed it", bad.URL, bad.Got, bad.Want)
	}
	if err != nil {
		return nil, err
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	entries, err := recipe.ParseSums(pin.URL, text)
	if err != nil {
		return nil, err
	}
	taken := entries[:0]
	for _, e := range entries {
		if m.Takes(e.Path) {
			taken = append(taken, recipe.Entry{Path: dir.Path + e.Path, SHA256: e.SHA256})
		}
	}
	if len(entries) > 0 && len(taken) == 0 {
		return nil, fmt.Errorf("include matches none of the %d files in %s", len(entries), pin.URL)
	}
	return taken, nil
}

// Directories are the manifest's, with the constants of its source's tree,
// which is at tree, filled in.
func Directories(m recipe.Manifest, tree string, note func(string, ...any)) ([]recipe.LockedDirectory, error) {
	constant := func(name string) (string, error) {
		return "", fmt.Errorf("{%s}: no file to read it from is given", name)
	}
	var module *pyconst.Module
	if m.File != "" {
		var err error
		if module, err = readModule(tree, m.File); err != nil {
			return nil, err
		}
		constant = module.String
	}
	var all []recipe.LockedDirectory
	var faults []error
	for _, key := range slices.Sorted(maps.Keys(m.Directories)) {
		dir, err := recipe.Fill(key, constant)
		sum, sumErr := recipe.Fill(m.Directories[key], constant)
		d := recipe.LockedDirectory{Path: dir, SHA256: sum}
		if err := errors.Join(err, sumErr); err != nil {
			faults = append(faults, err)
			continue
		}
		faults = append(faults, d.Check())
		all = append(all, d)
	}
	if err := errors.Join(faults...); err != nil {
		return nil, err
	}
	slices.SortFunc(all, func(a, b recipe.LockedDirectory) int { return strings.Compare(a.Path, b.Path) })
	if module != nil {
		if left := notTaken(module, m); len(left) > 0 {
			note("manifest %s: %s also has %s, which the recipe does not use", m.Name, m.File, host.Some(left))
		}
	}
	return all, nil
}

func readModule(dir, file string) (*pyconst.Module, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	f, err := root.Open(filepath.FromSlash(file))
	if err != nil {
		return nil, err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, longestModule+1))
	if err != nil {
		return nil, err
	}
	if len(text) > longestModule {
		return nil, fmt.Errorf("%s is larger than %d MiB", file, longestModule>>20)
	}
	return pyconst.Parse(file, text)
}

// notTaken are the constants beside those that the recipe names as directories:
// a new one of upstream's should not be missed.
func notTaken(module *pyconst.Module, m recipe.Manifest) []string {
	taken, beside := map[string]bool{}, map[string]bool{}
	for key := range m.Directories {
		// Nothing is filled in: Fill only says which names there are.
		_, _ = recipe.Fill(key, func(name string) (string, error) {
			taken[name], beside[path.Dir(strings.ReplaceAll(name, ".", "/"))] = true, true
			return "", nil
		})
	}
	var left []string
	for _, name := range module.Names() {
		if !taken[name] && beside[path.Dir(strings.ReplaceAll(name, ".", "/"))] {
			left = append(left, name)
		}
	}
	return left
}

// ManifestPins are all files of a manifest. Their sizes are not known, only
// what they do not exceed.
func ManifestPins(m recipe.Manifest, l *recipe.LockedManifest) ([]index.Pin, error) {
	entries, err := l.Entries()
	if err != nil {
		return nil, err
	}
	var pins []index.Pin
	for _, e := range entries {
		pins = append(pins, index.Pin{Name: m.Name, File: e.Path, URL: l.URL + e.Path, SHA256: e.SHA256, Limit: m.MaxFile})
	}
	return pins, nil
}

// LockedManifest is the lock's answer to a manifest of the recipe.
func LockedManifest(m recipe.Manifest, l *recipe.Lock) (*recipe.LockedManifest, error) {
	locked, ok := l.Manifest(m.Name)
	if !ok || locked.URL != m.URL {
		return nil, &host.NotLockedError{What: "manifest " + m.Name + " of " + m.URL}
	}
	return locked, nil
}

// ManifestInput is the tree of a manifest's files, as a build sees it.
func ManifestInput(m recipe.Manifest, l *recipe.Lock, target string) (Input, error) {
	locked, err := LockedManifest(m, l)
	if err != nil {
		return Input{}, err
	}
	pins, err := ManifestPins(m, locked)
	if err != nil {
		return Input{}, err
	}
	return Input{
		Name: m.Name, Target: target, Digest: locked.SHA256, Pins: pins,
		Place: func(ctx context.Context, env host.Env) (string, error) { return placeManifest(ctx, env, locked, pins) },
	}, nil
}

// placeManifest lays the files out as a tree, once for each list of them.
func placeManifest(ctx context.Context, env host.Env, m *recipe.LockedManifest, pins []index.Pin) (string, error) {
	key := store.NewHash("manifest "+m.Name).Field("form", "1").Field("files", m.SHA256).Key()
	dir, _, err := env.Store.Do(ctx, store.Stage, key, func(dir string) error {
		for _, pin := range pins {
			if err := host.PlaceBlob(pin.Path(env.Blobs()), filepath.Join(dir, filepath.FromSlash(pin.File))); err != nil {
				return err
			}
		}
		return ctx.Err()
	})
	if err != nil {
		return "", fmt.Errorf("laying out manifest %s: %w", m.Name, err)
	}
	return dir, nil
}
