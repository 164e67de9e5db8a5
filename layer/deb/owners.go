package deb

import (
	"bufio"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strings"
)

// Where dpkg keeps the files' lists of installed packages: NAME.list or
// NAME:ARCH.list, and in images without dpkg NAME.md5sums.
const (
	infoDir   = "var/lib/dpkg/info"
	statusDir = "var/lib/dpkg/status.d"
)

// Listed says whether the file of that path is one that Owners reads.
func Listed(name string) bool {
	switch path.Dir(name) {
	case infoDir:
		return strings.HasSuffix(name, ".list")
	case statusDir:
		return strings.HasSuffix(name, ".md5sums")
	}
	return false
}

// Owners says which of paths, clean and from the root of fsys, installed Debian
// packages own, and the package of each. A file system without dpkg's lists has
// none.
func Owners(fsys fs.FS, paths []string) (map[string]string, error) {
	wanted := make(map[string]bool, len(paths))
	for _, p := range paths {
		wanted[p] = true
	}
	found := map[string]string{}
	for _, dir := range []string{infoDir, statusDir} {
		entries, err := fs.ReadDir(fsys, dir)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("reading which packages are installed: %w", err)
		}
		for _, e := range entries {
			if !Listed(dir + "/" + e.Name()) {
				continue
			}
			if err := owned(fsys, dir+"/"+e.Name(), wanted, found); err != nil {
				return nil, fmt.Errorf("reading which packages are installed: %w", err)
			}
		}
	}
	return found, nil
}

// owned reads one package's list: a path a line, which md5sums have after the
// sum and without the leading slash.
func owned(fsys fs.FS, list string, wanted map[string]bool, found map[string]string) error {
	f, err := fsys.Open(list)
	if err != nil {
		return err
	}
	defer f.Close()
	name, _, _ := strings.Cut(strings.TrimSuffix(path.Base(list), path.Ext(list)), ":")
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		line := lines.Text()
		if path.Ext(list) == ".md5sums" {
			_, line, _ = strings.Cut(line, "  ")
		}
		if p := strings.TrimPrefix(line, "/"); wanted[p] {
			found[p] = name
		}
	}
	return lines.Err()
}
