package layer

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"strings"
)

// rootResolver finds where a path of an image leads inside root: symbolic
// links on the way are followed as the image would see them, an absolute one
// from root. os.Root alone would refuse those, and stays beneath as the guard
// that no path leaves root.
type rootResolver struct {
	root *os.Root
	dirs map[string]string // what a directory's path was found to be
	made func(dir string)  // hears of each directory that no entry named
}

func newRootResolver(root *os.Root, made func(string)) *rootResolver {
	return &rootResolver{root: root, dirs: make(map[string]string), made: made}
}

// forget drops what was learnt, after something was removed or linked.
func (r *rootResolver) forget() { clear(r.dirs) }

// place is where the entry name stands: its parent free of links and made if
// it was missing, its last component as it is.
func (r *rootResolver) place(name string) (string, error) {
	dir, base := path.Split(name)
	dir = path.Clean(dir)
	if dir == "." {
		return base, nil
	}
	found, ok := r.dirs[dir]
	if !ok {
		var err error
		if found, err = r.walk(dir); err != nil {
			return "", err
		}
		r.dirs[dir] = found
	}
	return path.Join(found, base), nil
}

// walk follows dir component by component and makes what is missing.
func (r *rootResolver) walk(dir string) (string, error) {
	at, left, links := "", dir, 0
	for left != "" {
		var next string
		next, left, _ = strings.Cut(left, "/")
		switch next {
		case "", ".":
			continue
		case "..":
			if at = path.Dir(at); at == "." {
				at = ""
			}
			continue
		}
		to := path.Join(at, next)
		info, err := r.root.Lstat(to)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			if err := r.root.Mkdir(to, 0o755); err != nil {
				return "", err
			}
			r.made(to)
			at = to
		case err != nil:
			return "", err
		case info.IsDir():
			at = to
		case info.Mode()&fs.ModeSymlink != 0:
			if links++; links > maxLinks {
				return "", fmt.Errorf("following %s: more than %d links", dir, maxLinks)
			}
			target, err := r.root.Readlink(to)
			if err != nil {
				return "", err
			}
			if strings.HasPrefix(target, "/") {
				at = ""
			}
			left = target + "/" + left
		default:
			return "", fmt.Errorf("following %s: %s is not a directory", dir, to)
		}
	}
	return at, nil
}
