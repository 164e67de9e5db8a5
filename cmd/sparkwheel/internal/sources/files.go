package sources

import (
	"cmp"
	"fmt"
	"path"

	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/host"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/recipe"
	"github.com/sparkwheel/sparkwheel/wheel/index"
)

// FilePin is a locked file as the downloader takes it.
func FilePin(f recipe.LockedFile) index.Pin {
	return index.Pin{Name: f.Name, File: path.Base(f.URL), URL: f.URL, SHA256: f.SHA256, Size: f.Size, Origin: "the lock as file " + f.Name}
}

// Agrees holds a locked file against the recipe, which a lock that was edited
// by hand may contradict.
func Agrees(f recipe.File, l recipe.LockedFile) error {
	if l.URL != f.URL || f.SHA256 != "" && l.SHA256 != f.SHA256 {
		return &host.NotLockedError{What: fmt.Sprintf("file %s as the recipe has it (%s %s)", f.Name, f.URL, cmp.Or(f.SHA256, "of any sha256"))}
	}
	return nil
}
