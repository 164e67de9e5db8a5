package rewrite

import (
	"fmt"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"

	"github.com/bmatcuk/doublestar/v4"

	"github.com/sparkwheel/sparkwheel/requirements"
)

// find lists the files below root that globs name, sorted. Symbolic links are
// passed over: their targets are found by their own names.
func find(root *os.Root, globs []string) ([]string, error) {
	for _, g := range globs {
		if _, err := path.Match(g, ""); err != nil || !fs.ValidPath(g) {
			return nil, fmt.Errorf("reading rewrite rules: %q is not a glob for paths in the tree, such as requirements/**", g)
		}
	}
	var files []string
	err := fs.WalkDir(root.FS(), ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return fmt.Errorf("looking for requirement files: %w", err)
		}
		if d.IsDir() {
			if name != "." && (d.Name() == ".git" || !slices.ContainsFunc(globs, func(g string) bool { return mayContain(g, name) })) {
				return fs.SkipDir
			}
			return nil
		}
		if d.Type().IsRegular() && slices.ContainsFunc(globs, func(g string) bool { return reads(g, name) }) {
			files = append(files, name)
		}
		return nil
	})
	return files, err
}

// reads reports whether glob names the file: exactly, or by a wildcard and one
// of the endings of requirement files.
func reads(glob, name string) bool {
	if !doublestar.MatchUnvalidated(glob, name) {
		return false
	}
	if !strings.ContainsAny(path.Base(glob), `*?[\`) {
		return true
	}
	ext := path.Ext(name)
	return ext == ".txt" || ext == ".in" || path.Base(name) == "pyproject.toml"
}

// mayContain reports whether glob can match a file below dir.
func mayContain(glob, dir string) bool {
	for dir != "" {
		element, globs, more := strings.Cut(glob, "/")
		if element == "**" {
			return true
		}
		first, rest, _ := strings.Cut(dir, "/")
		if ok, err := path.Match(element, first); !ok || err != nil || !more {
			return false
		}
		glob, dir = globs, rest
	}
	return true
}

// Asked lists the places, as "requirements/cuda.txt:5", where the files that
// globs name (see Rules.Files) and those they include ask for a distribution.
func Asked(root *os.Root, globs []string, name requirements.Name) ([]string, error) {
	result, err := Tree(root, Rules{Files: globs, Rules: []requirements.Rule{{Drop: string(name)}}})
	if err != nil {
		return nil, err
	}
	var places []string
	for _, c := range result.Changes {
		places = append(places, fmt.Sprintf("%s:%d", c.File, c.Line))
	}
	return places, nil
}
