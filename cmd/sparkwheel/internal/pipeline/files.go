package pipeline

import (
	"context"
	"errors"
	"fmt"

	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/recipe"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/sources"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/stage"
	"github.com/sparkwheel/sparkwheel/wheel/index"
)

// file pins what is behind a recipe's URL. Only what the recipe says of its
// sha256 vouches for it: without, it is what the server gives today, and that
// is told.
func (s *resolving) file(ctx context.Context, f recipe.File, run *stage.Run) (recipe.LockedFile, error) {
	old, ok := s.before.File(f.Name)
	if ok && old.URL == f.URL && (f.SHA256 == "" || f.SHA256 == old.SHA256) && !s.upgrade.has(f.Name) {
		return *old, nil
	}
	env := s.env.Noting(run)
	pin := sources.FilePin(recipe.LockedFile{Name: f.Name, URL: f.URL, SHA256: f.SHA256})
	var err error
	if f.SHA256 != "" {
		pin, err = env.Index.Measure(ctx, pin, env.Blobs(), run.Progress)
	} else {
		pin, err = env.Index.Discover(ctx, pin, env.Blobs(), run.Progress)
	}
	if bad, ok := errors.AsType[*index.MismatchError](err); ok {
		return recipe.LockedFile{}, fmt.Errorf("file %s: %s has the sha256 %s, but the recipe says %s; find out why upstream changed it, then correct the recipe", f.Name, bad.URL, bad.Got, bad.Want)
	}
	if gone, ok := errors.AsType[*index.GoneError](err); ok {
		return recipe.LockedFile{}, fmt.Errorf("file %s: %w; use another url in the recipe", f.Name, gone.Cause)
	}
	if err != nil {
		return recipe.LockedFile{}, fmt.Errorf("file %s: %w", f.Name, err)
	}
	if f.SHA256 == "" {
		run.Note("file %s: the recipe has no sha256; pinned what %s serves today: %s, %d bytes", f.Name, index.Redact(f.URL), pin.SHA256, pin.Size)
	}
	return recipe.LockedFile{Name: f.Name, URL: f.URL, SHA256: pin.SHA256, Size: pin.Size}, nil
}

// addFiles adds a stage for each file of the recipe.
func (s *resolving) addFiles(g *stage.Graph) []*stage.Stage[recipe.LockedFile] {
	var all []*stage.Stage[recipe.LockedFile]
	for _, f := range s.recipe.Files {
		all = append(all, stage.Add(g, "file "+f.Name, func(ctx context.Context, run *stage.Run) (recipe.LockedFile, error) {
			return s.file(ctx, f, run)
		}))
	}
	return all
}
