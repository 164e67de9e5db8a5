package index

import (
	"errors"
	"fmt"
	"net/url"
	"path"
	"strings"
	"time"

	"github.com/pelletier/go-toml/v2"

	"github.com/sparkwheel/sparkwheel/requirements"
)

// Pylock is the lock of one Python environment (PEP 751), as uv writes it.
type Pylock struct {
	File           string // its name, for messages
	RequiresPython string
	Environments   []string // markers, one of which the target must meet; none: any
	Packages       []Package
}

// Package is one entry: a distribution in one version, for the environments
// that its marker describes.
type Package struct {
	Name           string // normalised
	Version        string // empty: the lock does not tell
	Marker         string // empty: always
	RequiresPython string
	Wheels         []File
	Sdist          *File  // nil: none
	Source         string // "vcs", "directory" or "archive" when it comes from there and not from an index
}

// A lock of 200 distributions has 1 MB.
const longestPylock = 32 << 20

// ParsePylock reads a pylock.toml; name stands in messages. Each wheel and
// sdist has a file name without slashes and an http or https URL without
// credentials: an entry without is an error that names it. One without a sha256
// can be fetched only when it has been given one: see Unhashed.
// Unknown keys are left aside, an unknown major lock-version is refused. Every
// error is a *PylockError.
func ParsePylock(name string, src []byte) (*Pylock, error) {
	p, err := parsePylock(src)
	if e, ok := errors.AsType[*toml.DecodeError](err); ok {
		row, col := e.Position()
		name = fmt.Sprintf("%s:%d:%d", name, row, col)
	}
	if err != nil {
		return nil, &PylockError{File: name, Err: err}
	}
	p.File = name
	return p, nil
}

func parsePylock(src []byte) (*Pylock, error) {
	if len(src) > longestPylock {
		return nil, fmt.Errorf("it is larger than %d MiB", longestPylock>>20)
	}
	if err := checkDepth(src); err != nil {
		return nil, err
	}
	var raw rawPylock
	if err := toml.Unmarshal(src, &raw); err != nil {
		return nil, err
	}
	return raw.pylock()
}

type rawPylock struct {
	LockVersion    string       `toml:"lock-version"`
	Environments   []string     `toml:"environments"`
	RequiresPython string       `toml:"requires-python"`
	Packages       []rawPackage `toml:"packages"`
}

type rawPackage struct {
	Name           string         `toml:"name"`
	Version        string         `toml:"version"`
	Marker         string         `toml:"marker"`
	RequiresPython string         `toml:"requires-python"`
	VCS            map[string]any `toml:"vcs"`
	Directory      map[string]any `toml:"directory"`
	Archive        map[string]any `toml:"archive"`
	Sdist          *rawFile       `toml:"sdist"`
	Wheels         []rawFile      `toml:"wheels"`
}

type rawFile struct {
	Name       string            `toml:"name"`
	UploadTime any               `toml:"upload-time"`
	URL        string            `toml:"url"`
	Path       string            `toml:"path"`
	Size       int64             `toml:"size"`
	Hashes     map[string]string `toml:"hashes"`
}

func (raw *rawPylock) pylock() (*Pylock, error) {
	if major, _, _ := strings.Cut(raw.LockVersion, "."); major != "1" {
		return nil, fmt.Errorf("lock-version is %q; only 1.x is supported", raw.LockVersion)
	}
	p := &Pylock{RequiresPython: raw.RequiresPython, Environments: raw.Environments}
	for i := range raw.Packages {
		pkg, err := raw.Packages[i].entry()
		if err != nil {
			return nil, fmt.Errorf("package %d (%q): %w", i+1, raw.Packages[i].Name, err)
		}
		p.Packages = append(p.Packages, pkg)
	}
	return p, nil
}

func (raw *rawPackage) entry() (Package, error) {
	pkg := Package{
		Name: string(requirements.Normalize(raw.Name)), Version: raw.Version, Marker: raw.Marker, RequiresPython: raw.RequiresPython,
	}
	if pkg.Name == "" {
		return pkg, errors.New("it has no name")
	}
	for source, table := range map[string]map[string]any{"vcs": raw.VCS, "directory": raw.Directory, "archive": raw.Archive} {
		if table == nil {
			continue
		}
		if pkg.Source != "" || raw.Sdist != nil || raw.Wheels != nil {
			return pkg, errors.New("it comes from more than one kind of source")
		}
		pkg.Source = source
	}
	for i := range raw.Wheels {
		f, err := raw.Wheels[i].file()
		if err != nil {
			return pkg, fmt.Errorf("wheel %d: %w", i+1, err)
		}
		pkg.Wheels = append(pkg.Wheels, f)
	}
	if raw.Sdist != nil {
		f, err := raw.Sdist.file()
		if err != nil {
			return pkg, fmt.Errorf("sdist: %w", err)
		}
		pkg.Sdist = &f
	}
	return pkg, nil
}

func (raw *rawFile) file() (File, error) {
	if raw.URL == "" {
		return File{}, fmt.Errorf("it has no url (path is %q); only files of an index can be fetched", raw.Path)
	}
	u, err := url.Parse(raw.URL)
	if err != nil || !fetchable(u) {
		return File{}, fmt.Errorf("url %q is neither http:// nor https://", Redact(raw.URL))
	}
	if u.User != nil {
		return File{}, fmt.Errorf("url %q has credentials, which do not belong in a lock", Redact(raw.URL))
	}
	f := File{Name: raw.Name, URL: bareURL(u), SHA256: sha256Hex(raw.Hashes["sha256"]), Size: raw.Size}
	if f.Name == "" {
		f.Name = path.Base(u.Path)
	}
	if !fileName(f.Name) {
		return File{}, fmt.Errorf("%q is not a file name", f.Name)
	}
	if _, ok := raw.Hashes["sha256"]; ok && f.SHA256 == "" {
		return File{}, fmt.Errorf("the sha256 of %s is not one", f.Name)
	}
	if f.SHA256 == "" {
		f.Hashes = raw.Hashes
	}
	if f.Size < 0 {
		return File{}, fmt.Errorf("the size of %s is %d", f.Name, f.Size)
	}
	if t, ok := raw.UploadTime.(time.Time); ok {
		f.Uploaded = t.UTC()
	}
	return f, nil
}

// checkDepth refuses what would take the TOML parser down: it calls itself for
// each bracket. It counts those in strings and comments too, and only ever
// sees more depth than there is.
func checkDepth(src []byte) error {
	depth, line := 0, 1
	for _, b := range src {
		switch b {
		case '\n':
			line++
		case '[', '{':
			depth++
		case ']', '}':
			depth = max(depth-1, 0)
		}
		if depth > 1000 {
			return fmt.Errorf("line %d: brackets more than a thousand deep", line)
		}
	}
	return nil
}
