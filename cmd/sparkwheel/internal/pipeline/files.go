package pipeline

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strings"

	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/recipe"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/stage"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/store"
	"github.com/sparkwheel/sparkwheel/layer"
	"github.com/sparkwheel/sparkwheel/wheel/index"
)

// filePin is a locked file as the downloader takes it.
func filePin(f recipe.LockedFile) index.Pin {
	return index.Pin{Name: f.Name, File: path.Base(f.URL), URL: f.URL, SHA256: f.SHA256, Size: f.Size}
}

// file pins what is behind a recipe's URL. Only what the recipe says of its
// sha256 vouches for it: without, it is what the server gives today, and that
// is told.
func (s *resolving) file(ctx context.Context, f recipe.File, run *stage.Run) (recipe.LockedFile, error) {
	old, ok := s.before.File(f.Name)
	if ok && old.URL == f.URL && (f.SHA256 == "" || f.SHA256 == old.SHA256) && !s.upgrade.has(f.Name) {
		return *old, nil
	}
	env := s.env.noting(run)
	pin := filePin(recipe.LockedFile{Name: f.Name, URL: f.URL, SHA256: f.SHA256})
	var err error
	if f.SHA256 != "" {
		pin, err = env.Index.Measure(ctx, pin, env.blobs(), run.Progress)
	} else {
		pin, err = env.Index.Discover(ctx, pin, env.blobs(), run.Progress)
	}
	if bad, ok := errors.AsType[*index.MismatchError](err); ok {
		return recipe.LockedFile{}, fmt.Errorf("file %s: %s has the sha256 %s, the recipe says %s; ask upstream why it changed, then correct the recipe", f.Name, bad.URL, bad.Got, bad.Want)
	}
	if gone, ok := errors.AsType[*index.GoneError](err); ok {
		return recipe.LockedFile{}, fmt.Errorf("file %s: %w; give another url in the recipe", f.Name, gone.Cause)
	}
	if err != nil {
		return recipe.LockedFile{}, fmt.Errorf("file %s: %w", f.Name, err)
	}
	if f.SHA256 == "" {
		run.Note("file %s: the recipe gives no sha256; pinned is what %s gives today: %s, %d bytes", f.Name, index.Redact(f.URL), pin.SHA256, pin.Size)
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

// imageFile is a file that goes into the image, by the path that it has there.
type imageFile struct {
	recipe.File
	pin index.Pin
}

// imageFiles are the recipe's files that go into the image.
func imageFiles(r *recipe.Recipe, l *recipe.Lock) ([]imageFile, error) {
	var out []imageFile
	for _, f := range r.Files {
		if f.Image == "" {
			continue
		}
		locked, ok := l.File(f.Name)
		if !ok {
			return nil, &NotLockedError{"file " + f.Name}
		}
		if err := agrees(f, *locked); err != nil {
			return nil, err
		}
		out = append(out, imageFile{f, filePin(*locked)})
	}
	return out, nil
}

// agrees holds a locked file against the recipe, which a lock that was edited
// by hand may contradict.
func agrees(f recipe.File, l recipe.LockedFile) error {
	if l.URL != f.URL || f.SHA256 != "" && l.SHA256 != f.SHA256 {
		return &NotLockedError{fmt.Sprintf("file %s as the recipe has it (%s %s)", f.Name, f.URL, cmp.Or(f.SHA256, "of any sha256"))}
	}
	return nil
}

// fetchFiles brings the files that go into the image.
func (b *building) fetchFiles(ctx context.Context, run *stage.Run) error {
	var pins []index.Pin
	for _, f := range b.files {
		pins = append(pins, f.pin)
	}
	got, err := fetchAll(ctx, b.env.noting(run), pins, run)
	if err == nil && got.Received == 0 {
		run.Hit("every file is in the store")
	}
	return err
}

// filesLayer is the layer of the recipe's files: one owner, one time, two modes.
// nil when there are none.
func filesLayer(ctx context.Context, env Env, base *Base, files []imageFile) (*layer.Blob, error) {
	if len(files) == 0 {
		return nil, nil
	}
	var tree blobTree
	for _, f := range files {
		tree = append(tree, blobFile{strings.TrimPrefix(f.Image, "/"), f.pin.Path(env.blobs()), f.mode()})
	}
	below := belowFiles(base.Shape, files)
	dir, _, err := env.Store.Do(ctx, store.Stage, filesKey(files, below), func(dir string) error {
		_, err := layer.Write(ctx, dir, tree, layer.Options{Jobs: env.Jobs, Links: below.Links, Dirs: below.Dirs})
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("writing the layer of the recipe's files: %w", err)
	}
	return layer.Open(dir)
}

func (f imageFile) mode() fs.FileMode {
	if f.Executable {
		return 0o755
	}
	return 0o644
}

// belowFiles is the part of a base that stands on the way to the files: a
// directory keeps its attributes, and a link to one stays a link.
func belowFiles(s layer.Shape, files []imageFile) layer.Shape {
	var dirs []string
	for _, f := range files {
		dirs = append(dirs, path.Dir(f.Image))
	}
	return within(s, dirs...)
}

func filesKey(files []imageFile, below layer.Shape) store.Key {
	h := store.NewHash("layer files").Field("form", "1").Field("links", jsonText(below.Links)).Field("directories", jsonText(below.Dirs))
	for _, f := range files {
		h = h.Field(f.Image, f.pin.SHA256+" "+f.mode().String())
	}
	return h.Key()
}
