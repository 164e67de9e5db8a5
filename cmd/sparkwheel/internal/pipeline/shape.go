package pipeline

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/store"
	"github.com/sparkwheel/sparkwheel/layer"
)

// shape is what layers must respect of the base, read once for each digest. Of
// a base in a registry whose layers nothing else needs it stays empty.
func (b *Base) shape(ctx context.Context, env Env) (layer.Shape, error) {
	if b.Root == "" {
		return layer.Shape{}, nil
	}
	const file = "shape.json"
	key := store.NewHash("shape").Field("base", b.Digest).Key()
	dir, _, err := env.Store.Do(ctx, store.Stage, key, func(dir string) error {
		s, err := layer.ReadShape(ctx, b.Image)
		if err != nil {
			return err
		}
		return os.WriteFile(filepath.Join(dir, file), []byte(jsonText(s)), 0o644)
	})
	if err != nil {
		return layer.Shape{}, fmt.Errorf("reading base %s: %w", b.Reference, err)
	}
	text, err := os.ReadFile(filepath.Join(dir, file))
	if err != nil {
		return layer.Shape{}, err
	}
	var s layer.Shape
	if err := json.Unmarshal(text, &s); err != nil {
		return layer.Shape{}, fmt.Errorf("reading the shape of base %s: %w", b.Reference, err)
	}
	return s, nil
}

// within is the part of s that writers to the directories can meet: those above
// them, and what is below. Layers that are written alike on two bases are then
// the same in the store.
func within(s layer.Shape, dirs ...string) layer.Shape {
	meets := func(name string) bool {
		for _, dir := range dirs {
			dir = strings.Trim(path.Clean("/"+dir), "/")
			if dir == name || strings.HasPrefix(dir, name+"/") || strings.HasPrefix(name, dir+"/") {
				return true
			}
		}
		return false
	}
	part := layer.Shape{Links: map[string]string{}, Dirs: map[string]layer.Dir{}}
	for grown := true; grown; { // a link's target is met too, and what leads on from there
		grown = false
		for link, target := range s.Links {
			if _, in := part.Links[link]; !in && meets(link) {
				part.Links[link], grown = target, true
				dirs = append(dirs, target)
			}
		}
	}
	for name, dir := range s.Dirs {
		if meets(name) {
			part.Dirs[name] = dir
		}
	}
	return part
}
