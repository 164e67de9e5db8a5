package git

import (
	"bytes"
	"compress/zlib"
	"context"
	"crypto/sha1" // what git names objects by
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
)

// looseObject is an object's path below objects: its hash, cut after two digits.
var looseObject = regexp.MustCompile(`^([0-9a-f]{2})/([0-9a-f]{38})$`)

// CheckMirror reads every byte of a bare repository's objects and compares them
// with the hashes that git wrote beside them: packs and their indexes end in
// their own SHA-1, a loose object is named by it. All faults are joined in one
// error. A repository that a run writes to at the same time may seem damaged.
func CheckMirror(ctx context.Context, dir string) error {
	root := filepath.Join(dir, "objects")
	var faults []error
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err == nil && ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		if err != nil || d.IsDir() {
			return err
		}
		rel, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		if err := checkObjects(path, filepath.ToSlash(rel)); err != nil {
			faults = append(faults, fmt.Errorf("%s: %w", rel, err))
		}
		return nil
	})
	return errors.Join(append(faults, err)...)
}

// checkObjects checks one file below objects; what is neither a pack, an index
// nor a loose object is not git's.
func checkObjects(path, rel string) error {
	m := looseObject.FindStringSubmatch(rel)
	ext := filepath.Ext(rel)
	if m == nil && ext != ".pack" && ext != ".idx" {
		return nil
	}
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	if m != nil {
		return checkLoose(f, m[1]+m[2])
	}
	return checkTrailer(f)
}

// checkLoose compares the hash of a loose object with its name.
func checkLoose(f *os.File, name string) error {
	z, err := zlib.NewReader(f)
	if err != nil {
		return err
	}
	h := sha1.New()
	if _, err := io.Copy(h, z); err != nil {
		return err
	}
	if got := hex.EncodeToString(h.Sum(nil)); got != name {
		return fmt.Errorf("the object is %s", got)
	}
	return nil
}

// checkTrailer compares the hash of a file with its last twenty bytes.
func checkTrailer(f *os.File) error {
	info, err := f.Stat()
	if err != nil {
		return err
	}
	body := info.Size() - sha1.Size
	if body < 0 {
		return fmt.Errorf("it has only %d bytes", info.Size())
	}
	h := sha1.New()
	if _, err := io.CopyN(h, f, body); err != nil {
		return err
	}
	trailer, err := io.ReadAll(f)
	if err == nil && !bytes.Equal(trailer, h.Sum(nil)) {
		err = fmt.Errorf("the content has the SHA-1 %x, but its end says %x", h.Sum(nil), trailer)
	}
	return err
}
