package archive

import (
	"archive/tar"
	"errors"
	"io/fs"
	"os"
	"path"

	"github.com/sparkwheel/sparkwheel/layer"
)

// maxCheckedEntries bounds how far an archive is looked through for the entry
// that says what it is.
const maxCheckedEntries = 1 << 16

// CheckOCI says, as a *layer.OutputError, why an OCI archive must not be written
// to a file: something is there that is not one. A file that is missing or empty
// is free.
func CheckOCI(file string) error { return check(file, "an OCI archive", "oci-layout") }

// CheckDocker is CheckOCI for the archives of docker save.
func CheckDocker(file string) error { return check(file, "an archive of docker save", "manifest.json") }

func check(file, kind, mark string) error {
	place, err := layer.OutputFile(file)
	if err != nil {
		return err
	}
	f, err := os.Open(place)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer f.Close()
	if info, err := f.Stat(); err != nil || info.Size() == 0 {
		return err
	}
	r := tar.NewReader(f)
	for range maxCheckedEntries {
		h, err := r.Next()
		if err != nil {
			break
		}
		if path.Clean(h.Name) == mark {
			return nil
		}
	}
	return &layer.OutputError{Path: file, Message: "something is there that is not " + kind + "; move it away, or name another file"}
}
