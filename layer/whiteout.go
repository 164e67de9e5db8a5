package layer

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strings"
)

// Whiteouts as the image specification's "Representing Changes" has them: an
// entry .wh.NAME hides NAME of the layers below, .wh..wh..opq hides all that
// they have in its directory. Neither touches what its own layer writes.
const (
	whiteoutPrefix = ".wh."
	whiteoutOpaque = ".wh..wh..opq"
	whiteoutMeta   = ".wh..wh."
)

func (u *unpacker) whiteout(dir, base string) error {
	if base == whiteoutOpaque {
		return u.hideChildren(dir)
	}
	if strings.HasPrefix(base, whiteoutMeta) {
		return nil // what aufs keeps for itself
	}
	name := strings.TrimPrefix(base, whiteoutPrefix)
	if name == "" || name == "." || name == ".." {
		return fmt.Errorf("whiteout of %q", name)
	}
	return u.hide(path.Join(dir, name))
}

// hide removes place, but for what this layer wrote at it or below it.
func (u *unpacker) hide(place string) error {
	if !u.written[place] {
		return u.clear(place)
	}
	info, err := u.root.Lstat(place)
	if err != nil || !info.IsDir() {
		return err
	}
	return u.hideChildren(place)
}

func (u *unpacker) hideChildren(dir string) error {
	d, err := u.root.Open(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	names, err := d.Readdirnames(-1)
	if err := errors.Join(err, d.Close()); err != nil {
		return err
	}
	for _, name := range names {
		if err := u.hide(path.Join(dir, name)); err != nil {
			return err
		}
	}
	return nil
}
