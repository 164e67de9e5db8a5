package image

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"testing/fstest"

	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/base"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/host"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/store"
	"github.com/sparkwheel/sparkwheel/layer"
)

// constraintsPath is where the image holds its distributions' versions: pip and
// uv read it, so that a later installation cannot replace what was built.
const constraintsPath = "workspace/constraints.txt"

// Notes are the texts by which an image says what it is made of.
type Notes struct {
	Record      []byte            // build.json
	Constraints string            // see constraintsPath
	Commits     map[string]string // marker file -> text
}

// writeNotes is the small layer that says what the image is made of.
func writeNotes(ctx context.Context, env host.Env, below layer.Shape, n Notes) (*layer.Blob, error) {
	files := fstest.MapFS{
		"workspace/build.json": {Data: n.Record, Mode: 0o644},
		constraintsPath:        {Data: []byte(n.Constraints), Mode: 0o644},
	}
	for name, text := range n.Commits {
		files["workspace/wheels/"+name] = &fstest.MapFile{Data: []byte(text), Mode: 0o644}
	}
	return smallLayer(ctx, env, small{name: "record", below: base.Within(below, "workspace"), files: files})
}

// small is a layer of a few texts.
type small struct {
	name, comment string
	base          string // digest of the base that it is for alone, "" for any
	below         layer.Shape
	files         fstest.MapFS
}

// entry is the layer in the store.
func (s small) entry() host.Entry {
	h := store.NewHash("layer "+s.name).Field("form", "1").Field("below", host.JSON(s.below))
	if s.comment != "" {
		h = h.Field("comment", s.comment)
	}
	if s.base != "" {
		h = h.Input("base", s.base)
	}
	for _, path := range slices.Sorted(maps.Keys(s.files)) {
		sum := sha256.Sum256(s.files[path].Data)
		h = h.Field(path, hex.EncodeToString(sum[:]))
	}
	return host.Entry{Name: "layer " + s.name, Kind: store.Stage, Key: h.Key()}
}

func smallLayer(ctx context.Context, env host.Env, s small) (*layer.Blob, error) {
	entry := s.entry()
	dir, _, err := env.Store.Do(ctx, entry.Kind, entry.Key, func(dir string) error {
		_, err := layer.Write(ctx, dir, fs.FS(s.files), layer.Options{Jobs: env.Jobs, Comment: s.comment, Links: s.below.Links, Dirs: s.below.Dirs})
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("writing the %s layer: %w", s.name, err)
	}
	return layer.Open(dir)
}
