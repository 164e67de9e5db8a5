package pipeline

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/base"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/host"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/recipe"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/store"
	"github.com/sparkwheel/sparkwheel/layer/layout"
)

// BundleSums is the bundle's checksum file, as sha256sum -c reads it.
const BundleSums = "SHA256SUMS"

// Bundle makes dir a store that a host without a network builds from: the
// files of the indexes, the base, the git mirrors, the lock and, when it is not
// an embedded one, the recipe. What dir has already is not copied again.
func Bundle(ctx context.Context, req Request, dir string, got *Fetched) error {
	if err := bundle(ctx, req, dir, got); err != nil {
		return fmt.Errorf("writing bundle %s: %w", dir, err)
	}
	return nil
}

func bundle(ctx context.Context, req Request, dir string, got *Fetched) error {
	env, r, l := req.Env, req.Recipe, req.Lock
	to, err := store.Open(dir)
	if err != nil {
		return err
	}
	defer to.Close()
	for _, pin := range got.Pins {
		if err := ctx.Err(); err != nil {
			return err
		}
		if !pin.Present(to.Blobs()) {
			if err := host.PlaceBlob(pin.Path(env.Blobs()), pin.Path(to.Blobs())); err != nil {
				return err
			}
		}
	}
	_, _, err = to.Do(ctx, store.Stage, base.Key(l.Base.Digest), func(dir string) error {
		_, err := layout.Write(ctx, dir, "base", got.Base.Image)
		return err
	})
	if err != nil {
		return err
	}
	for _, url := range l.RepositoryURLs() {
		if err := host.PlaceTree(ctx, env.Mirrors.Path(url), to.Path("git", filepath.Base(env.Mirrors.Path(url)))); err != nil {
			return err
		}
	}
	files, err := recipeFiles(r)
	if err != nil {
		return err
	}
	top, err := topOf(r, files)
	if err != nil {
		return err
	}
	for _, file := range files {
		rel, err := filepath.Rel(top, file)
		if err != nil {
			return err
		}
		if err := host.PlaceFile(file, filepath.Join(to.Dir, rel)); err != nil {
			return err
		}
	}
	own := *l
	if len(files) > 0 { // the recipe's is the first
		if own.RecipeFile, err = filepath.Rel(top, files[0]); err != nil {
			return err
		}
	}
	if err := own.Save(filepath.Join(to.Dir, "sparkwheel.lock")); err != nil {
		return err
	}
	return writeSums(ctx, to.Dir)
}

// recipeFiles are the recipe, those that it extends, and their patches. What is
// embedded every sparkwheel has.
func recipeFiles(r *recipe.Recipe) (files []string, err error) {
	if r.Path == "" {
		return nil, nil
	}
	all := append([]string{r.Path}, r.Parents...)
	for _, p := range r.Patches() {
		if p.Dir == "" {
			continue
		}
		more, err := p.Files()
		if err != nil {
			return nil, err
		}
		for _, file := range more {
			all = append(all, filepath.Join(p.Dir, filepath.FromSlash(file)))
		}
	}
	for _, file := range all {
		abs, err := filepath.Abs(file)
		if err != nil {
			return nil, err
		}
		files = append(files, abs)
	}
	return files, nil
}

// topOf is the recipe's directory, or the nearest one above it that all files are
// below: they stand in the bundle as they stand here.
func topOf(r *recipe.Recipe, files []string) (string, error) {
	top, err := filepath.Abs(r.Dir())
	for _, file := range files {
		for err == nil {
			var rel string
			if rel, err = filepath.Rel(top, file); filepath.IsLocal(rel) {
				break
			}
			top = filepath.Dir(top)
		}
	}
	return top, err
}

// writeSums lists every file of the bundle with its hash. Locks of running
// processes, logs and the file itself are no part of it.
func writeSums(ctx context.Context, dir string) error {
	var sums strings.Builder
	err := fs.WalkDir(os.DirFS(dir), ".", func(path string, d fs.DirEntry, err error) error {
		if err = errors.Join(err, ctx.Err()); err != nil {
			return err
		}
		if top, _, _ := strings.Cut(path, "/"); d.IsDir() && (top == "tmp" || top == "locks" || top == "logs") {
			return fs.SkipDir
		}
		if !d.Type().IsRegular() || path == BundleSums || strings.HasSuffix(path, ".lock") && filepath.Base(path) != "sparkwheel.lock" {
			return nil
		}
		sum, _, err := host.HashFile(filepath.Join(dir, path))
		if err != nil {
			return err
		}
		if name, ok := strings.CutPrefix(path, "blobs/sha256/"); ok && name != sum && !strings.HasSuffix(name, ".part") {
			return fmt.Errorf("%s has the sha256 %s: the store is damaged; find out with `sparkwheel cache verify`, remove it with `cache gc` and fetch again", path, sum)
		}
		sums.WriteString(sum + "  " + path + "\n")
		return nil
	})
	if err != nil {
		return err
	}
	return host.WriteFile(filepath.Join(dir, BundleSums), []byte(sums.String()))
}
