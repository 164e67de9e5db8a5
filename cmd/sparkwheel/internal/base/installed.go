package base

import (
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"

	"github.com/sparkwheel/sparkwheel/wheel"
	"github.com/sparkwheel/sparkwheel/wheel/truth"
)

// Installed reads the metadata of what the base brings along, in the order in
// which its Python looks. What has no readable metadata is passed over: it
// cannot be judged, and the base is as it is.
func (b *Base) Installed() ([]truth.Distribution, error) {
	root, err := os.OpenRoot(b.Root)
	if err != nil {
		return nil, fmt.Errorf("reading what the base has installed: %w", err)
	}
	defer root.Close()
	dirs := []string{b.Python.Scheme.Purelib, b.Python.Scheme.Platlib}
	if strings.HasPrefix(b.Python.Path, "/usr/bin/") {
		dirs = append(dirs, "usr/lib/python3/dist-packages")
	}
	var set []truth.Distribution
	for i, dir := range dirs {
		if dir == "" || slices.Contains(dirs[:i], dir) {
			continue
		}
		infos, err := fs.Glob(root.FS(), dir+"/*-info")
		if err != nil {
			return nil, err
		}
		for _, info := range infos {
			for _, file := range []string{"/METADATA", "/PKG-INFO", ""} {
				if d, ok := readInstalled(root, info+file); ok {
					set = append(set, d)
					break
				}
			}
		}
	}
	return set, nil
}

func readInstalled(root *os.Root, path string) (truth.Distribution, bool) {
	f, err := root.Open(path)
	if err != nil {
		return truth.Distribution{}, false
	}
	defer f.Close()
	m, errs := wheel.ParseMetadata(f)
	return truth.Of(m, "of the base"), len(errs) == 0
}
