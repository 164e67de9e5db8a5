package recipe

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/regular"
	"github.com/sparkwheel/sparkwheel/requirements/version"
)

// Patch is a change of a source's tree: a file beside the recipe that names it,
// a directory of such files with a quilt series, or a file behind a URL.
type Patch struct {
	File string // slash-separated, below Dir; "" when URL is given
	// Dir is the directory of the recipe that names it, "" for an embedded one.
	Dir    string `json:"-"`
	URL    string
	SHA256 string // of what stands behind URL
	// Versions are those of the source that the patch is for; nil is all.
	Versions version.Specifiers
	fault    error
}

// Name is what messages and build.json call the patch.
func (p Patch) Name() string {
	if p.URL != "" {
		return p.URL
	}
	return p.File
}

// For tells whether the patch is for that version of its source.
func (p Patch) For(v version.Version) bool { return p.Versions.Contains(v) }

// PatchText is the text of one unified diff.
type PatchText struct {
	Name string // for messages
	Text []byte
}

// series is the file that makes a directory a patch: the names of its patches
// in their order.
const series = "series"

// Read reads a patch that is a File: its one diff, or those of its series.
func (p Patch) Read() ([]PatchText, error) {
	files, err := p.Files()
	if err != nil {
		return nil, fmt.Errorf("reading patch %s: %w", p.File, err)
	}
	var out []PatchText
	for _, name := range files {
		if path.Base(name) == series && name != p.File {
			continue
		}
		text, err := p.readFile(name)
		if err != nil {
			return nil, fmt.Errorf("reading patch: %w", err)
		}
		out = append(out, PatchText{name, text})
	}
	return out, nil
}

// Files lists the files that the patch is made of, below Dir, in their order:
// itself, or its series and what that names. A patch behind a URL has none.
func (p Patch) Files() ([]string, error) {
	if p.URL != "" {
		return nil, nil
	}
	if !p.isDir() {
		return []string{p.File}, nil
	}
	list := path.Join(p.File, series)
	text, err := p.readFile(list)
	if err != nil {
		return nil, err
	}
	names, err := readSeries(list, text)
	if err != nil {
		return nil, err
	}
	files := []string{list}
	for _, name := range names {
		files = append(files, path.Join(p.File, name))
	}
	return files, nil
}

func (p Patch) isDir() bool {
	var info fs.FileInfo
	var err error
	if p.Dir == "" {
		info, err = fs.Stat(embedded, path.Join("recipes", p.File))
	} else {
		info, err = os.Stat(filepath.Join(p.Dir, filepath.FromSlash(p.File)))
	}
	return err == nil && info.IsDir()
}

func (p Patch) readFile(name string) ([]byte, error) {
	if p.Dir != "" {
		return regular.Read(filepath.Join(p.Dir, filepath.FromSlash(name)))
	}
	f, err := embedded.Open(path.Join("recipes", name))
	if err != nil {
		return nil, err
	}
	text, err := io.ReadAll(f)
	return text, errors.Join(err, f.Close())
}

// readSeries reads the names of a quilt series. Comments begin with #; the one
// option that is understood is -p1, which is what a patch has without one.
func readSeries(name string, text []byte) ([]string, error) {
	var names []string
	number := 0
	for line := range strings.Lines(string(text)) {
		number++
		line, _, _ = strings.Cut(line, "#")
		fields := strings.Fields(line)
		if len(fields) == 0 {
			continue
		}
		if !localPath(fields[0]) || fields[0] == series {
			return nil, fmt.Errorf("%s:%d: %.80q is not a file below the directory", name, number, fields[0])
		}
		for _, option := range fields[1:] {
			if option != "-p1" {
				return nil, fmt.Errorf("%s:%d: the option %.80q is not supported: patches are applied with -p1", name, number, option)
			}
		}
		names = append(names, fields[0])
	}
	if len(names) == 0 {
		return nil, fmt.Errorf("%s names no patch", name)
	}
	return names, nil
}

// patchShape is a table of the key patch, for what a name in patches cannot say.
type patchShape struct {
	File     string `toml:"file"`
	URL      string `toml:"url"`
	SHA256   string `toml:"sha256"`
	Versions string `toml:"versions"`

	written string // its file or URL as the recipe has it
	dir     string // see Patch
}

// settlePatches makes tables of the names in patches, which come first, and
// tells each whose recipe it stands in; nil stays nil.
func settlePatches(names []string, tables []patchShape, dir string) []patchShape {
	if names == nil && tables == nil {
		return nil
	}
	all := []patchShape{}
	for _, name := range names {
		all = append(all, patchShape{File: name})
	}
	all = append(all, tables...)
	for i := range all {
		p := &all[i]
		p.written = cmp.Or(p.URL, p.File)
		if name, embedded := strings.CutPrefix(p.File, ours); embedded {
			p.File = path.Join("patches", name)
		} else {
			p.dir = dir
		}
	}
	return all
}

// patches are those of settled tables; nil stays nil.
func patches(tables []patchShape) []Patch {
	if tables == nil {
		return nil
	}
	all := []Patch{}
	for _, t := range tables {
		p := Patch{File: t.File, Dir: t.dir, URL: t.URL, SHA256: t.SHA256}
		if t.Versions != "" {
			p.Versions, p.fault = version.ParseSpecifiers(t.Versions)
		}
		all = append(all, p)
	}
	return all
}

// checkPatches reports what is wrong with the patches of where.
func checkPatches(patches []Patch, bad func(format string, args ...any)) {
	for _, p := range patches {
		switch {
		case (p.File == "") == (p.URL == ""):
			bad("patch: one of file and url is needed")
		case p.File != "" && !localPath(p.File):
			bad("patches: %q is not below the recipe's directory", p.File)
		case p.URL != "":
			if err := checkURL(p.URL); err != nil {
				bad("patch: %w", err)
			}
			if !sha256RE.MatchString(p.SHA256) {
				bad("patch: sha256 %q of %s is not 64 lower-case hex digits", p.SHA256, p.URL)
			}
		case p.SHA256 != "":
			bad("patch: sha256 goes with url; %s lies beside the recipe", p.File)
		}
		if p.fault != nil {
			bad("patch %s: versions: %w", p.Name(), p.fault)
		}
	}
}

// ours begins the name of a patch that comes with sparkwheel, so that a copy of
// an embedded recipe finds it too.
const ours = "sparkwheel:"

func (r *Recipe) patchLists() [][]Patch {
	var all [][]Patch
	for _, s := range r.Sources {
		all = append(all, s.Patches)
	}
	for _, w := range r.Wheels {
		if w.FetchContent == nil {
			continue
		}
		for _, c := range w.FetchContent.Repositories {
			all = append(all, c.Patches)
		}
	}
	return all
}

// Patches lists every patch of the recipe, of sources and of what CMake files
// fetch.
func (r *Recipe) Patches() []Patch {
	var all []Patch
	for _, list := range r.patchLists() {
		all = append(all, list...)
	}
	return all
}
