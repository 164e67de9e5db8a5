package base

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/sparkwheel/sparkwheel/layer"
)

// shapeFile stands beside an unpacked root: what layers must respect of it.
// The root itself does not tell, since it is unpacked without owners.
const shapeFile = "shape.json"

// ReadShape reads it; a root that was unpacked before it was kept has none.
func ReadShape(dir string) (s layer.Shape, err error) {
	text, err := os.ReadFile(filepath.Join(dir, shapeFile))
	if errors.Is(err, fs.ErrNotExist) {
		return s, nil
	}
	if err != nil {
		return s, fmt.Errorf("reading the base's directories: %w", err)
	}
	if err := json.Unmarshal(text, &s); err != nil {
		return s, fmt.Errorf("reading the base's directories: %w", err)
	}
	return s, nil
}

// Within is the part of s that writers to the directories can meet: those above
// them, and what is below. Layers that are written alike on two bases are then
// the same in the store.
func Within(s layer.Shape, dirs ...string) layer.Shape {
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
