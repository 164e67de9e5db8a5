package base

import (
	"context"
	"errors"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"github.com/google/go-containerregistry/pkg/v1/empty"

	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/host"
	"github.com/sparkwheel/sparkwheel/layer"
)

// UnpackOver makes dir what the unpacked root below is, with a layer over it.
// Files that the layer leaves alone are the same files on disk: nothing writes
// to either root.
func UnpackOver(ctx context.Context, below string, blob *layer.Blob, dir string) error {
	shape, err := ReadShape(filepath.Dir(below))
	if err != nil {
		return err
	}
	to := filepath.Join(dir, "root")
	if err := linkTree(ctx, below, to); err != nil {
		return err
	}
	img, err := layer.Append(empty.Image, layer.Config{}, blob)
	if err != nil {
		return err
	}
	root, err := os.OpenRoot(to)
	if err != nil {
		return err
	}
	defer root.Close()
	own, err := layer.Unpack(ctx, img, root)
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, shapeFile), []byte(host.JSON(shapeOver(shape, own))), 0o644)
}

// shapeOver is the shape of a root that packages were added to: dpkg leaves the
// directories and links alone that are there.
func shapeOver(below, above layer.Shape) layer.Shape {
	s := layer.Shape{Links: map[string]string{}, Dirs: map[string]layer.Dir{}}
	for _, part := range []layer.Shape{below, above} {
		maps.Copy(s.Links, part.Links)
		maps.Copy(s.Dirs, part.Dirs)
	}
	return s
}

// linkTree makes to a tree of hard links to the files of from.
func linkTree(ctx context.Context, from, to string) error {
	type dir struct {
		path string
		info fs.FileInfo
	}
	var dirs []dir
	err := filepath.WalkDir(from, func(path string, d fs.DirEntry, err error) error {
		if err = errors.Join(err, ctx.Err()); err != nil {
			return err
		}
		rel, err := filepath.Rel(from, path)
		if err != nil {
			return err
		}
		target := filepath.Join(to, rel)
		switch {
		case d.IsDir():
			info, err := d.Info()
			if err != nil {
				return err
			}
			dirs = append(dirs, dir{target, info})
			return os.Mkdir(target, 0o700)
		case d.Type()&fs.ModeSymlink != 0:
			link, err := os.Readlink(path)
			if err != nil {
				return err
			}
			return os.Symlink(link, target)
		}
		return os.Link(path, target)
	})
	if err != nil {
		return err
	}
	for _, d := range slices.Backward(dirs) {

		if err := errors.Join(os.Chmod(d.path, d.info.Mode()), os.Chtimes(d.path, d.info.ModTime(), d.info.ModTime())); err != nil {
			return err
		}
	}
	return nil
}
