package recipe

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/bmatcuk/doublestar/v4"
)

// Manifest is a tree of files behind a URL, directory by directory: each has a
// checksum list whose sha256 is known beforehand and which names its files.
type Manifest struct {
	Name   string
	URL    string // of the tree's top, ending in a slash
	Source string // whose tree holds File, "" when Directories hold no constants
	File   string // a Python module whose string constants Directories may name
	List   string // name of each directory's checksum list: lines of sha256 and path
	// Directories are path below URL, ending in a slash -> sha256 of its list.
	// {NAME} in either stands for a constant of File; what Expand knows is replaced
	// first.
	Directories map[string]string
	// Include are patterns of the files that are taken beside the lists, in the form
	// of package doublestar; one without a slash is about the last element of a
	// path. None takes all.
	Include []string
	MaxFile int64 // bytes that no file of it exceeds
}

type manifestShape struct {
	Name        string            `toml:"name"`
	URL         string            `toml:"url"`
	Source      string            `toml:"source"`
	File        string            `toml:"file"`
	List        string            `toml:"list"`
	Directories map[string]string `toml:"directories"`
	Include     []string          `toml:"include"`
	MaxFile     string            `toml:"max-file"`
}

const (
	defaultList    = "checksums.txt"
	defaultMaxFile = 1 << 30
)

func (x manifestShape) manifest() Manifest {
	m := Manifest{Name: x.Name, URL: x.URL, Source: x.Source, File: x.File, List: x.List, Directories: x.Directories, Include: x.Include, MaxFile: parseSize(x.MaxFile)}
	if m.List == "" {
		m.List = defaultList
	}
	if m.MaxFile == 0 {
		m.MaxFile = defaultMaxFile
	}
	return m
}

// LockedManifest is a tree of files: the lists that named them, and beside the
// lock a file of every path and its sha256, as sha256sum -c reads it.
type LockedManifest struct {
	Name        string            `toml:"name"`
	URL         string            `toml:"url"`
	Files       string            `toml:"files" comment:"beside this file"`
	SHA256      string            `toml:"files-sha256"`
	Include     []string          `toml:"include,omitempty" comment:"what is taken of the lists"`
	Directories []LockedDirectory `toml:"directory"`
	// Text is the text of the file beside the lock: read and saved with it.
	Text []byte `toml:"-"`
}

// Expand is the manifest with v in the texts that say which directories it has.
func (m Manifest) Expand(v Values) Manifest {
	m.File = Expand(m.File, v)
	directories := map[string]string{}
	for dir, sum := range m.Directories {
		directories[Expand(dir, v)] = Expand(sum, v)
	}
	m.Directories = directories
	return m
}

// Takes tells whether a file that a list names, by its path in the list's
// directory, is taken.
func (m Manifest) Takes(name string) bool {
	if len(m.Include) == 0 {
		return true
	}
	return slices.ContainsFunc(m.Include, func(glob string) bool {
		if !strings.Contains(glob, "/") {
			return doublestar.MatchUnvalidated(glob, path.Base(name))
		}
		return doublestar.MatchUnvalidated(glob, name)
	})
}

// LockedDirectory is a directory of a manifest and the sha256 of its list.
type LockedDirectory struct {
	Path   string `toml:"path"`
	SHA256 string `toml:"sha256"`
}

// Check refuses a directory that does not lie below the tree's top, or whose
// list's sha256 is none.
func (d LockedDirectory) Check() error {
	dir, slash := strings.CutSuffix(d.Path, "/")
	if !slash || !plainPath(dir) {
		return fmt.Errorf("directory %q is not a path that ends in a slash", d.Path)
	}
	if !sha256RE.MatchString(d.SHA256) {
		return fmt.Errorf("directory %s: %q is not a sha256 of its list", d.Path, d.SHA256)
	}
	return nil
}

// Entry is one file of a manifest: its path below the URL and its sha256.
type Entry struct{ Path, SHA256 string }

// NewManifest pins the files of a manifest under manifest.NAME.sha256. Entries
// come in any order and are sorted; those that cannot stand side by side in one
// tree are an error.
func NewManifest(name, url string, directories []LockedDirectory, entries []Entry) (LockedManifest, error) {
	entries = slices.SortedFunc(slices.Values(entries), func(a, b Entry) int { return strings.Compare(a.Path, b.Path) })
	var text bytes.Buffer
	for _, e := range entries {
		text.WriteString(e.SHA256 + "  " + e.Path + "\n")
	}
	m := LockedManifest{
		Name: name, URL: url, Files: "manifest." + name + ".sha256", SHA256: digest(text.Bytes()),
		Directories: directories, Text: text.Bytes(),
	}
	_, err := m.Entries()
	return m, err
}

// mostEntries is far above what any manifest has (FlashInfer's names 8,000).
const mostEntries = 500_000

// Entries reads the file beside the lock: paths below the tree's top, each once,
// none of them leading out of it or through another file.
func (m *LockedManifest) Entries() ([]Entry, error) {
	entries, err := ParseSums(m.Files, m.Text)
	if err != nil {
		return nil, err
	}
	files := map[string]bool{}
	for _, e := range entries {
		if files[e.Path] {
			return nil, fmt.Errorf("%s: %s occurs twice", m.Files, e.Path)
		}
		files[e.Path] = true
	}
	for _, e := range entries {
		for dir := path.Dir(e.Path); dir != "."; dir = path.Dir(dir) {
			if files[dir] {
				return nil, fmt.Errorf("%s: %s is a file, but %s is below it", m.Files, dir, e.Path)
			}
		}
	}
	return entries, nil
}

// ParseSums reads lines of a sha256 and a relative path. What is no such line,
// or leads out of its directory, is an error with the line; name stands in it.
func ParseSums(name string, text []byte) ([]Entry, error) {
	var entries []Entry
	number := 0
	for line := range strings.Lines(string(text)) {
		number++
		fields := strings.Fields(line)
		if len(fields) == 0 {
			continue
		}
		if len(fields) != 2 || !sha256RE.MatchString(fields[0]) {
			return nil, fmt.Errorf("%s:%d: %.80q is not a sha256 and a path", name, number, strings.TrimSpace(line))
		}
		p := strings.TrimPrefix(fields[1], "*") // sha256sum's mark for binary files
		if !plainPath(p) {
			return nil, fmt.Errorf("%s:%d: %.80q is not a path below its directory", name, number, p)
		}
		if len(entries) == mostEntries {
			return nil, fmt.Errorf("%s names more than %d files", name, mostEntries)
		}
		entries = append(entries, Entry{p, fields[0]})
	}
	return entries, nil
}

// plainPath is a relative path that means the same to every file system and in
// every URL.
func plainPath(p string) bool {
	bad := strings.IndexFunc(p, func(c rune) bool { return c <= ' ' || c >= 0x7f || strings.ContainsRune(`\?#%:`, c) })
	return bad < 0 && p != "." && fs.ValidPath(p) && len(p) <= 1024
}

var constantRE = regexp.MustCompile(`\{([A-Za-z_][\w.-]*)\}`)

// Fill replaces the {NAME} of a text by what constant says of NAME.
func Fill(text string, constant func(name string) (string, error)) (string, error) {
	var faults []error
	out := constantRE.ReplaceAllStringFunc(text, func(m string) string {
		s, err := constant(m[1 : len(m)-1])
		faults = append(faults, err)
		return s
	})
	return out, errors.Join(faults...)
}

func (r *Recipe) checkManifests() []error {
	var faults []error
	bad := func(format string, args ...any) { faults = append(faults, fmt.Errorf(format, args...)) }
	for _, m := range r.Manifests {
		where := fmt.Sprintf("manifest %q", m.Name)
		if !nameRE.MatchString(m.Name) {
			bad("%s: a manifest's name consists of lower-case letters, digits and dashes", where)
		}
		if err := checkURL(m.URL); err != nil {
			bad("%s: %w", where, err)
		}
		if !strings.HasSuffix(m.URL, "/") {
			bad("%s: url %q does not end in a slash", where, m.URL)
		}
		if !plainPath(m.List) || strings.Contains(m.List, "/") {
			bad("%s: list %q is not a file name", where, m.List)
		}
		if m.MaxFile < 0 {
			bad("%s: max-file is not a size such as 64MiB", where)
		}
		if len(m.Directories) == 0 {
			bad("%s: directories are missing", where)
		}
		for _, glob := range m.Include {
			if glob == "" || !doublestar.ValidatePattern(glob) {
				bad("%s: include: %q is not a pattern such as *.cubin", where, glob)
			}
		}
		if (m.Source == "") != (m.File == "") {
			bad("%s: source and file go together", where)
		}
		if _, ok := r.Source(m.Source); m.Source != "" && !ok {
			bad("%s: no [[source]] is named %q; choose from %s", where, m.Source, strings.Join(r.sourceNames(), ", "))
		}
		if m.File != "" && !localPath(m.File) {
			bad("%s: file %q leaves the tree", where, m.File)
		}
		for _, dir := range slices.Sorted(maps.Keys(m.Directories)) {
			if text := Expand(dir+m.Directories[dir], Values{}); m.File == "" && constantRE.MatchString(text) {
				bad("%s: directories: %q names a constant, but no file to read it from is given", where, dir)
			}
		}
		if !r.isInput(m.Name) {
			bad("%s is not used: add it to the inputs of a wheel or build", where)
		}
	}
	return faults
}

// Manifest returns the locked manifest of that name.
func (l *Lock) Manifest(name string) (*LockedManifest, bool) {
	i := slices.IndexFunc(l.Manifests, func(m LockedManifest) bool { return m.Name == name })
	if i < 0 {
		return nil, false
	}
	return &l.Manifests[i], true
}
