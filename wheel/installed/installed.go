// Package installed reads which distributions a file system has installed for
// a Python, and which files are theirs: what an installer must take away before
// another version comes in their place.
package installed

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/sparkwheel/sparkwheel/requirements"
	"github.com/sparkwheel/sparkwheel/requirements/version"
	"github.com/sparkwheel/sparkwheel/wheel"
)

// How a distribution is installed, which decides who can take it away again.
type How string

// What Read finds a distribution to be.
const (
	Recorded   How = "recorded"   // RECORD names its files
	Unrecorded How = "unrecorded" // nothing names its files: an egg, a dist-info without a readable RECORD
	Editable   How = "editable"   // its modules lie in somebody's checkout
)

// Distribution is one that is installed.
type Distribution struct {
	Name requirements.Name
	// Version is what the metadata says, else what the name of its directory
	// says; the zero Version where neither can be read.
	Version version.Version
	// Metadata is nil where it is missing or cannot be parsed.
	Metadata *wheel.Metadata
	How      How
	// Info is the path of what Python knows the distribution by: a dist-info or
	// egg-info directory or file, an egg, an egg-link.
	Info string
	// Dir is the directory of the path that it was found in.
	Dir       string
	Installer string // what INSTALLER says, "" for nothing
}

// maxInstaller bounds INSTALLER and egg-links, maxDirect direct_url.json.
const (
	maxInstaller = 4 << 10
	maxDirect    = 64 << 10
)

// Content says whether Read looks into the file of that path, given dirs of the
// same names anywhere: what a description of a file system must hold of files.
func Content(name string) bool {
	switch path.Base(name) {
	case "METADATA", "RECORD", "INSTALLER", "direct_url.json":
		return strings.HasSuffix(path.Dir(name), ".dist-info")
	case "PKG-INFO":
		dir := path.Dir(name)
		return strings.HasSuffix(dir, ".egg-info") || strings.HasSuffix(dir, "/EGG-INFO")
	}
	return strings.HasSuffix(name, ".egg-info")
}

// Read finds the distributions in dirs of fsys, which are given in the order in
// which Python looks; a directory that is not there has none. A distribution
// that stands in several is given several times, in that order.
func Read(fsys fs.FS, dirs []string) ([]Distribution, error) {
	var all []Distribution
	for i, dir := range dirs {
		if dir == "" || slices.Contains(dirs[:i], dir) {
			continue
		}
		entries, err := fs.ReadDir(fsys, dir)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("reading which distributions are installed: %w", err)
		}
		for _, e := range entries {
			if d, ok := read(fsys, dir, e.Name()); ok {
				all = append(all, d)
			}
		}
	}
	return all, nil
}

// read looks at one entry of a directory of the path.
func read(fsys fs.FS, dir, name string) (Distribution, bool) {
	stem, kind, ok := cutKind(name)
	// pip renames what it is about to remove; Python takes no such name.
	if !ok || strings.HasPrefix(name, "~") {
		return Distribution{}, false
	}
	d := Distribution{Info: path.Join(dir, name), Dir: dir, How: Unrecorded}
	project, rest, _ := strings.Cut(stem, "-")
	d.Name = requirements.Normalize(project)
	if v, _, _ := strings.Cut(rest, "-"); v != "" {
		d.Version, _ = version.Parse(v)
	}
	switch kind {
	case ".dist-info":
		d.readDistInfo(fsys)
	case ".egg-link":
		d.How = Editable
	default:
		d.readMetadata(fsys, "PKG-INFO", "EGG-INFO/PKG-INFO", ".")
	}
	return d, d.Name != ""
}

// cutKind parts the name of what Python knows a distribution by.
func cutKind(name string) (stem, kind string, ok bool) {
	for _, kind := range []string{".dist-info", ".egg-info", ".egg-link", ".egg"} {
		if stem, ok := strings.CutSuffix(name, kind); ok {
			return stem, kind, true
		}
	}
	return "", "", false
}

func (d *Distribution) readMetadata(fsys fs.FS, files ...string) {
	for _, file := range files {
		f, err := fsys.Open(path.Join(d.Info, file))
		if err != nil {
			continue
		}
		m, errs := wheel.ParseMetadata(f)
		f.Close()
		if len(errs) == 0 {
			d.Metadata, d.Name, d.Version = &m, m.Name, m.Version
			return
		}
	}
}

func (d *Distribution) readDistInfo(fsys fs.FS) {
	d.readMetadata(fsys, "METADATA", "PKG-INFO")
	if text, err := readSmall(fsys, d.Info+"/INSTALLER", maxInstaller); err == nil {
		d.Installer = strings.TrimSpace(string(text))
	}
	if f, err := fsys.Open(d.Info + "/RECORD"); err == nil {
		f.Close()
		d.How = Recorded
	}
	if editable(fsys, d.Info) {
		d.How = Editable
	}
}

// Files are the paths that RECORD names, clean and from the root of fsys,
// sorted, each once; they need not exist. Outside are its rows that lead out of
// fsys. It is an error where How is not Recorded, or RECORD cannot be read.
func (d Distribution) Files(fsys fs.FS) (files, outside []string, err error) {
	f, err := fsys.Open(d.Info + "/RECORD")
	if err != nil {
		return nil, nil, fmt.Errorf("reading the files of %s: %w", d.Name, err)
	}
	defer f.Close()
	record, err := wheel.ParseRecord(f)
	if err != nil {
		return nil, nil, fmt.Errorf("reading the files of %s: %w", d.Name, err)
	}
	for _, row := range record {
		if name, ok := d.place(row.Path); ok {
			files = append(files, name)
		} else {
			outside = append(outside, row.Path)
		}
	}
	slices.Sort(files)
	return slices.Compact(files), outside, nil
}

// place is the path of a row of RECORD, which is relative to the directory that
// holds the dist-info, or absolute.
func (d Distribution) place(row string) (name string, ok bool) {
	if name = row; !path.IsAbs(row) {
		name = path.Join(d.Dir, row)
	}
	name = strings.TrimPrefix(path.Clean(name), "/")
	return name, fs.ValidPath(name) && name != "." && !strings.Contains(name, "\x00")
}

// editable is what direct_url.json says of a distribution (PEP 610).
func editable(fsys fs.FS, info string) bool {
	text, err := readSmall(fsys, info+"/direct_url.json", maxDirect)
	if err != nil {
		return false
	}
	var direct struct {
		DirInfo struct {
			Editable bool `json:"editable"`
		} `json:"dir_info"`
	}
	return json.Unmarshal(text, &direct) == nil && direct.DirInfo.Editable
}

func readSmall(fsys fs.FS, name string, limit int64) ([]byte, error) {
	f, err := fsys.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, limit))
}
