package image

import (
	"context"
	"fmt"
	"io/fs"
	"path"
	"strings"

	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/base"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/host"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/recipe"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/sources"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/store"
	"github.com/sparkwheel/sparkwheel/layer"
	"github.com/sparkwheel/sparkwheel/wheel/index"
)

// File is a file that goes into the image, by the path that it has there.
type File struct {
	recipe.File
	Pin index.Pin
}

// Files are the recipe's files that go into the image.
func Files(r *recipe.Recipe, l *recipe.Lock) ([]File, error) {
	var out []File
	for _, f := range r.Files {
		if f.Image == "" {
			continue
		}
		locked, ok := l.File(f.Name)
		if !ok {
			return nil, &host.NotLockedError{What: "file " + f.Name}
		}
		if err := sources.Agrees(f, *locked); err != nil {
			return nil, err
		}
		out = append(out, File{f, sources.FilePin(*locked)})
	}
	return out, nil
}

// writeFiles is the layer of the recipe's files: one owner, one time, two modes.
// nil when there are none.
func writeFiles(ctx context.Context, env host.Env, b *base.Base, files []File) (*layer.Blob, error) {
	if len(files) == 0 {
		return nil, nil
	}
	var tree blobTree
	for _, f := range files {
		tree = append(tree, blobFile{strings.TrimPrefix(f.Image, "/"), f.Pin.Path(env.Blobs()), f.mode()})
	}
	below := belowFiles(b.Shape, files)
	entry := filesEntry(files, below)
	dir, _, err := env.Store.Do(ctx, entry.Kind, entry.Key, func(dir string) error {
		_, err := layer.Write(ctx, dir, tree, layer.Options{Jobs: env.Jobs, Links: below.Links, Dirs: below.Dirs})
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("writing the layer of the recipe's files: %w", err)
	}
	return layer.Open(dir)
}

func (f File) mode() fs.FileMode {
	if f.Executable {
		return 0o755
	}
	return 0o644
}

// belowFiles is the part of a base that stands on the way to the files: a
// directory keeps its attributes, and a link to one stays a link.
func belowFiles(s layer.Shape, files []File) layer.Shape {
	var dirs []string
	for _, f := range files {
		dirs = append(dirs, path.Dir(f.Image))
	}
	return base.Within(s, dirs...)
}

func filesEntry(files []File, below layer.Shape) host.Entry {
	h := store.NewHash("layer files").Field("form", "1").Field("links", host.JSON(below.Links)).Field("directories", host.JSON(below.Dirs))
	for _, f := range files {
		h = h.Field(f.Image, f.Pin.SHA256+" "+f.mode().String())
	}
	return host.Entry{Name: "layer files", Kind: store.Stage, Key: h.Key()}
}
