package pipeline

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

	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/recipe"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/stage"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/store"
	"github.com/sparkwheel/sparkwheel/requirements/pyconst"
	"github.com/sparkwheel/sparkwheel/wheel/index"
)

const (
	longestModule = 4 << 20  // bytes of a Python module that is read for its constants
	longestList   = 32 << 20 // bytes of a checksum list; that of 8,000 files has 1 MB
)

// addManifests adds a stage for each manifest of the recipe.
func (s *resolving) addManifests(g *stage.Graph) []*stage.Stage[recipe.LockedManifest] {
	var all []*stage.Stage[recipe.LockedManifest]
	for _, m := range s.recipe.Manifests {
		var needs []stage.Need
		if m.Source != "" {
			needs = append(needs, s.sources[m.Source])
		}
		all = append(all, stage.Add(g, "manifest "+m.Name, func(ctx context.Context, run *stage.Run) (recipe.LockedManifest, error) {
			locked, err := s.manifest(ctx, m, run)
			if err != nil {
				return locked, fmt.Errorf("manifest %s: %w", m.Name, err)
			}
			return locked, nil
		}, needs...))
	}
	return all
}

// manifest pins every file that the directories' lists name. What the lists are
// is known beforehand, so that an earlier lock of the same lists holds.
func (s *resolving) manifest(ctx context.Context, m recipe.Manifest, run *stage.Run) (recipe.LockedManifest, error) {
	directories, err := s.directories(m, run)
	if err != nil {
		return recipe.LockedManifest{}, err
	}
	old, ok := s.before.Manifest(m.Name)
	if ok && old.Text != nil && old.URL == m.URL && slices.Equal(old.Directories, directories) && !s.upgrade.has(m.Name) {
		return *old, nil
	}
	env := s.env.noting(run)
	var all []recipe.Entry
	for i, dir := range directories {
		run.Progress(int64(i), int64(len(directories)))
		entries, err := readList(ctx, env, m, dir)
		if err != nil {
			return recipe.LockedManifest{}, err
		}
		logf(run, "%s%s: %d files", dir.Path, m.List, len(entries))
		all = append(all, recipe.Entry{Path: dir.Path + m.List, SHA256: dir.SHA256})
		all = append(all, entries...)
	}
	return recipe.NewManifest(m.Name, m.URL, directories, all)
}

// readList brings the checksum list of a directory and reads what it names.
func readList(ctx context.Context, env Env, m recipe.Manifest, dir recipe.LockedDirectory) ([]recipe.Entry, error) {
	pin := index.Pin{Name: m.Name, File: m.List, URL: m.URL + dir.Path + m.List, SHA256: dir.SHA256, Limit: longestList}
	file, err := env.Index.Download(ctx, pin, env.blobs(), nil)
	if bad, ok := errors.AsType[*index.MismatchError](err); ok && bad.Got != "" {
		return nil, fmt.Errorf("%s has the sha256 %s and should have %s; ask upstream why it changed", bad.URL, bad.Got, bad.Want)
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
	for i := range entries {
		entries[i].Path = dir.Path + entries[i].Path
	}
	return entries, nil
}

// directories are the manifest's, with the constants of the source filled in.
func (s *resolving) directories(m recipe.Manifest, run *stage.Run) ([]recipe.LockedDirectory, error) {
	constant := func(name string) (string, error) {
		return "", fmt.Errorf("{%s}: no file is named to read it from", name)
	}
	var module *pyconst.Module
	if m.File != "" {
		var err error
		if module, err = readModule(s.sources[m.Source].Value().tree.Dir, m.File); err != nil {
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
			run.Note("manifest %s: %s also has %s, which the recipe does not take", m.Name, m.File, some(left))
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
		return nil, fmt.Errorf("%s is longer than %d MiB", file, longestModule>>20)
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

// manifestPins are all files of a manifest. Their sizes are not known, only
// what they do not exceed.
func manifestPins(m recipe.Manifest, l *recipe.LockedManifest) ([]index.Pin, error) {
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

// lockedManifest is the lock's answer to a manifest of the recipe.
func lockedManifest(m recipe.Manifest, l *recipe.Lock) (*recipe.LockedManifest, error) {
	locked, ok := l.Manifest(m.Name)
	if !ok || locked.URL != m.URL {
		return nil, &NotLockedError{"manifest " + m.Name + " of " + m.URL}
	}
	return locked, nil
}

// manifestInput is the tree of a manifest's files, as a build sees it.
func manifestInput(m recipe.Manifest, l *recipe.Lock, target string) (input, error) {
	locked, err := lockedManifest(m, l)
	if err != nil {
		return input{}, err
	}
	pins, err := manifestPins(m, locked)
	if err != nil {
		return input{}, err
	}
	return input{
		name: m.Name, target: target, digest: locked.SHA256, pins: pins,
		place: func(ctx context.Context, env Env) (string, error) { return placeManifest(ctx, env, locked, pins) },
	}, nil
}

// placeManifest lays the files out as a tree, once for each list of them.
func placeManifest(ctx context.Context, env Env, m *recipe.LockedManifest, pins []index.Pin) (string, error) {
	key := store.NewHash("manifest "+m.Name).Field("form", "1").Field("files", m.SHA256).Key()
	dir, _, err := env.Store.Do(ctx, store.Stage, key, func(dir string) error {
		for _, pin := range pins {
			if err := placeBlob(pin.Path(env.blobs()), filepath.Join(dir, filepath.FromSlash(pin.File))); err != nil {
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
